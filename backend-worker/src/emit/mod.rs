//! Objects, archives and links: what leaves the worker as files. Knows no tokens.

mod archive;
mod argument_files;
mod children;
mod file;
mod join;
mod link;
mod unfinished;

pub use archive::archive;
pub use children::keep_orphans;
pub use file::{WriteError, make_parent, write};
pub use join::join;
pub use link::{Linked, link};
pub use unfinished::abandon;
