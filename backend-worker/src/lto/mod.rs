//! Link-time optimisation: what a link consists of, whose definitions count, and the native objects that come out.
//! Knows no tokens: the caller runs the backends on threads of its own.

mod command;
mod inputs;
pub mod link;
pub mod resolve;
pub mod scope;
mod script;
mod symbols;

pub use link::{BackendJob, LinkJob, Request};
