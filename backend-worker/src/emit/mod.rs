//! Objects, archives and links: what leaves the worker as files. Knows no tokens.

mod archive;
mod file;
mod link;

pub use archive::archive;
pub use file::{WriteError, write};
pub use link::{Linked, link};
