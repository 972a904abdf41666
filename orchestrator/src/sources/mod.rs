//! Fetches the sources that manifests name: archives and git repositories. Knows the values of manifests
//! and of the lock file, and neither compilers nor how anything is built. Prints nothing.
//!
//! Reading manifests fetches nothing. The loader asks the `SourceStore` where sources are, by the lock
//! file and one look at a directory, and returns what is not there; `cli` has the store provide it, and
//! reads the manifests again. So a build that has everything reads no network and starts no git.
//!
//! Sources are unpacked below the target directory, so usually below the workspace, where all paths
//! are relative to it: what debug information and `__FILE__` name is the same for every user and in
//! every directory. The name of the directory has a hash of what is in it, so it is never changed,
//! only made, under another name and renamed at the end. Nobody looks whether somebody has edited it
//! until `tender fetch`.
//!
//! - `store`: lock file, places, what to do when; `vendored`: copies in the workspace
//! - `cache`: what all workspaces of a user share; `fetch_all`: several sources at once; `download`:
//!   archives by http and from files; `partial`: what was interrupted; `git`, `repository`: the program,
//!   and fetching by it
//! - `archive`: the formats; `unpack`: writes a tree and nothing outside of it; `tree`: links, modes
//!   and the digest of a tree; `patches`

mod archive;
mod cache;
mod download;
mod error;
mod fetch_all;
mod git;
mod partial;
mod patches;
mod repository;
mod store;
mod tree;
mod unpack;
mod vendored;

pub use cache::SourceCache;
pub use error::SourceError;
pub use git::GitProgram;
pub use store::{SourceCheck, SourceEvent, SourceNetwork, SourceSink, SourceStore};
pub use vendored::VENDOR_DIR;
