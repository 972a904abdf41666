//! Link-time optimisation: what a link consists of, whose definitions count, and the native objects
//! that come out. Knows no tokens: the caller runs the backends on threads of its own.

mod archive;
mod command;
mod inputs;
pub mod link;
pub mod resolve;
pub mod scope;
mod symbols;

pub use archive::ArchiveJob;
pub use link::{BackendJob, LinkJob, Request};
