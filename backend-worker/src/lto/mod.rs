//! Link-time optimisation: reads the inputs of a link, resolves symbols and makes native objects.
//! Knows no tokens: the caller runs the backends on its threads.
//!
//! A link has three steps:
//!
//! - `LinkJob::open` asks the driver (`-###`) which linker it would run and with which words, finds
//!   the inputs, resolves symbols by lld's rules (`resolve`), and runs LLVM's thin link. What LLVM
//!   decides for each backend is kept, so that backends can run after `lto::LTO::run` has returned.
//! - `BackendJob`s run on any thread, each under a job slot and a lease like the pieces of a unit.
//! - `LinkJob::finish` runs lld on native objects. They stand where the bitcode stood; a member
//!   that was pulled out of a library stands behind the input that pulled it. Exports, sections and
//!   undefined symbols are lld's own decision.
//!
//! Module identifiers are CRATE.UNIT#CGU, so no directory is seen in outputs. In a fat link each
//! module is merged as it is read, since fat bitcode has no summary: two modules are in memory at
//! most.
//!
//! The objects of backends are not kept between links: a link that is made again runs all of its
//! backends again.

mod archive;
mod command;
mod inputs;
pub mod link;
pub mod resolve;
mod symbols;
pub mod version_script;

pub use archive::ArchiveJob;
pub use link::{BackendJob, LinkJob, LtoRequest};
