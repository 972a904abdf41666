//! Objects, archives and links: what leaves the worker as files. Knows no tokens.

mod archive;
mod file;
mod join;
mod link;

pub use archive::archive;
pub use file::{WriteError, write};
pub use join::join;
pub use link::{Linked, link};
