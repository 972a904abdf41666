//! Source archives of crates, the same bytes whoever makes them. Knows manifests, and not how crates
//! are built. Prints nothing.
//!
//! An archive has the tree of the workspace, as far as the crate needs it: its own directory, those of
//! the crates that it depends on, the root manifest with these members alone, and the lock file. So
//! paths between crates stay, and so do the profiles.
//!
//! - `contents`: which files; `listing` asks git, or reads directories; `archive`: the bytes

mod archive;
mod contents;
mod listing;

pub use archive::archive;
pub use contents::{PackageContents, PackageError, contents};
pub use listing::{changed_files, list_files};
