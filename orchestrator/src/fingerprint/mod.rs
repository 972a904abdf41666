//! Whether an item is fresh or dirty, and the reason. Knows no processes and no reports.
//!
//! An item is judged when all its prerequisites are up to date. It is fresh if each entry in the
//! record of its last success still holds; each kind of entry has its own `RebuildReason`. Contents
//! decide, by blake3. A file with the same *stamp* (size, modification time, change time, inode) is
//! not read again. Programs set the modification time (`cp -p`, `tar`, `rsync -t`), but none can
//! set the change time; and a file that was moved into the place of another has another inode. So
//! after a chmod or a new hard link the file is read once more, and nothing is rebuilt.
//!
//! | input                                        | enters the record as           | compared by                           |
//! |----------------------------------------------|--------------------------------|---------------------------------------|
//! | sources, headers, objects, `[[generate]]` inputs | `inputs`: path, content    | content, through the path's stamp     |
//! | what a `[[generate]]` command names in its depfile | `inputs`, `missing`      | as above; and still absent            |
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
//! | where a linker and its driver found no file | `missing`               | still absent                          |
//! | link driver, linker, their own libraries; the program of `[[generate]]` | `inputs`, by a name of their own | build id or content, through the path's stamp |
//! | PATH, as far as it leads to these            | `inputs`: the program's path   | where the name leads today            |
//!
//! **What does not count.** Files that a `[[generate]]` command reads without declaring them, and
//! files that it writes into OUT_DIR without declaring them: its accesses are not recorded, and
//! other build tools keep caches there. An item that reads such a file is still rebuilt when that
//! changes. Libraries of the system that drivers and linkers load: they do not affect the result of
//! a link, and change together with these programs. A second installation of gcc, whose libraries
//! clang as a link driver would prefer: its directories are known only after it was installed.
//!
//! **Stamps that cannot be trusted.** A file changed twice within one tick of the clock has one
//! stamp and two contents. A stamp is believed only if the later of its times was at least 20 ms
//! old (2 s where the file system keeps whole seconds) when the content was read; otherwise the
//! next build reads the file once more. Outputs are exempt: we write them ourselves, and read their
//! stamps after they have their final names, since renaming changes the change time.
//!
//! Known gaps: a network file system's server may have a clock that is behind ours, or a client
//! that shows old attributes for some seconds (nfs(5), `acregmin`); a file that another machine
//! changes there is seen when its new attributes are. A file system that has no change time of its
//! own (FAT) shows the modification time in its place.
//!
//! **Interruption.** `begin` writes a `Started` record before any output can be replaced, `record`
//! a `Finished` one after all are in place. If the process dies between the two, the `Started`
//! record remains, and the item counts as not finished. Each append is one write after the last
//! good record, with length and checksum; the next build cuts off an incomplete one. Losing records
//! is safe: an older record either still holds for the files, or does not match them.
//!
//! **Outputs without an item.** An output that an earlier build has made and this graph does not
//! have (archives, under link-time optimisation over crates) is kept while its record would make it
//! fresh, and removed when it would be made again. What commands of `for-each` have made of files
//! that are gone is removed before anything is built, unless something else has changed it. So are programs and
//! libraries of targets that the workspace no longer has.
//!
//! The links to a shared library are outputs with the content of the library.
//!
//! Parts: `fingerprints` judges items, `outputs` makes such links, `abandoned` removes outputs without an item, `outlook` says what the next build would do, `moved` finds sources
//! that change their target unseen; `depfile` adds what a command reports to have read; `files`
//! checks each path once, `listing` avoids most system calls for absent ones; `store` has the
//! records, `journal` their file; `command` compares commands, `variables` the environment; `tool`
//! identifies the worker, `program` the file of a program; `lock` allows one build at a time;
//! `certificate` knows without items that there is nothing to do.

mod abandoned;
mod certificate;
mod command;
mod depfile;
mod files;
mod fingerprints;
mod journal;
mod listing;
mod lock;
mod moved;
mod outlook;
mod outputs;
mod program;
mod reason;
mod store;
#[cfg(test)]
mod tests;
mod tool;
mod variables;

pub use certificate::{Certificate, CertificateKey, Saying};
pub use fingerprints::{Fingerprints, Freshness, StateError};
pub use lock::DirectoryLock;
pub use moved::MovedSource;
pub use outlook::{ItemOutlook, Outlook};
pub use reason::RebuildReason;
