//! What makes an item fresh or dirty, and the reason why. Knows nothing of processes and of what is
//! shown.
//!
//! An item is judged when everything it comes after is up to date. It is fresh if the record of its
//! last success still holds in every respect; each respect has its own `RebuildReason`. Contents
//! decide, by blake3; a file's *stamp* is the shortcut by which contents are not read again: size,
//! modification time, change time, inode. Programs set the modification time (`cp -p`, `tar`,
//! `rsync -t`), but none can set the change time; and a file that was moved into the place of
//! another has another inode. So a chmod or a new hard link costs one more reading of the file, and
//! nothing is rebuilt.
//!
//! | input                                        | enters the record as           | compared by                           |
//! |----------------------------------------------|--------------------------------|---------------------------------------|
//! | sources, headers, objects, `[[generate]]` inputs | `inputs`: path, content    | content, through the path's stamp     |
//! | files that assembly reads, also in a link that optimises | `inputs`           | as above                              |
//! | `inputs` of a target in the manifest         | `inputs`                       | as above; and each must be in the record |
//! | the time of a source with `__TIMESTAMP__`    | `dated`: path, seconds         | the file's time of change             |
//! | the time of the build (`__DATE__`, `__TIME__`) | not at all                   | as documented for users               |
//! | outputs of other items (objects, generated headers) | `inputs`                | the producer's record: never read again |
//! | directories that clang's driver searches      | `inputs`: path with `/`        | names of entries                      |
//! | look-ups that failed                         | `missing`: paths               | still absent: one stat per path, or one reading of the directory |
//! | what precompiled files of `[[generate]]` were made from | `MadeFrom`, of the file's content | content |
//! | own outputs                                  | `outputs`: path, content       | content, through the path's stamp     |
//! | directory of a command, a source, an output  | `command`, words as `places`   | as the command                        |
//! | driver arguments, members, file lists, `CC`, `CXX` | `command`, a hash        | hash; the words only explain          |
//! | flags, defines, directories of the crate     | `command`, words as `own`      | as above                              |
//! | profile: levels, `codegen-units`, `lto`      | `command`, words as `profile`  | as above; profiles also have own directories |
//! | `TENDER_FORCE_PIECES`                        | `command`, a word as `own`     | as above                              |
//! | profile: `translate`                         | not at all                     | the bytes are the same                |
//! | members of libraries that a link takes apart | `inputs`, `command`            | content; names and order              |
//! | public headers, defines, links of dependencies | `command`, words as `interfaces` | as above                          |
//! | environment and directory of `[[generate]]`  | `command`                      | as above                              |
//! | environment variables that compilers and linkers read | `variables`: those that bear on the item | value     |
//! | `tender-worker`                              | `tool`                         | build id, through its stamp           |
//! | LLVM and clang: version, libraries           | `tool`                         | version, stamps of the libraries      |
//! | libraries, startup files, scripts, thin archives' members that a link read | `inputs` | content, through the path's stamp |
//! | where a linker and its driver looked in vain | `missing`               | still absent                          |
//! | link driver, linker, their own libraries; the program of `[[generate]]` | `inputs`, by a name of their own | build id or content, through the path's stamp |
//! | PATH, as far as it leads to these            | `inputs`: the program's path   | where the name leads today            |
//!
//! **What does not count.** Files that a `[[generate]]` command reads without declaring them, and
//! what it leaves in OUT_DIR without declaring it: its accesses are not recorded, and other build
//! tools keep caches there. An item that reads such a file is still made again when that changes.
//! Libraries of the system that drivers and linkers load: they decide nothing about a link's
//! result, and come with other versions of these programs. A second installation of gcc, whose
//! libraries clang as a link driver would prefer: its own directories are known only once they are
//! there.
//!
//! **Stamps that cannot be trusted.** A file changed twice within one tick of the clock has one
//! stamp and two contents. A stamp is believed only if the later of its times was at least 20 ms
//! old (2 s where the file system keeps whole seconds) when the content was read; otherwise the
//! next build reads the file once more and then knows. Outputs are exempt: we wrote them ourselves,
//! and take their stamps after they have their final names, since renaming changes the change time.
//!
//! Known gaps: a network file system's server may have a clock that is behind ours, or a client
//! that shows old attributes for some seconds (nfs(5), `acregmin`); a file that another machine
//! changes there is seen when its new attributes are. A file system that has no change time of its
//! own (FAT) shows the modification time in its place.
//!
//! **Interruption.** `begin` writes a `Started` record before any output can be replaced, `record`
//! a `Finished` one after all are in place. A process that dies between the two leaves a `Started`
//! that says "not finished". Each append is one write at the end of what is known to be good, with
//! length and checksum; a torn one is cut off by the next build. Losing records is always safe: an
//! older record is either still true of the files, or does not match them.
//!
//! **Left behind.** What an earlier build has made and this one does without (archives, under
//! link-time optimisation over crates) stays while its record would make it fresh, and is removed
//! when it would be made again.
//!
//! Parts: `fingerprints` judges; `files` stats and hashes each path once, `listing` spares most
//! stats of absent ones; `store` holds the records, `journal` their file; `command` compares
//! commands, `variables` the environment; `tool` is the identity of the worker, `program` that of
//! its file; `lock` keeps two builds apart.

mod command;
mod files;
mod fingerprints;
mod journal;
mod listing;
mod lock;
mod program;
mod reason;
mod store;
#[cfg(test)]
mod tests;
mod tool;
mod variables;

pub use fingerprints::{Fingerprints, Freshness, StateError};
pub use lock::DirectoryLock;
pub use reason::RebuildReason;
