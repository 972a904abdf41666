//! Joins a GNU make jobserver pool, over the `jobserver` crate.
//!
//! `makeflags` reads how a pool is announced, `pool` opens it, `client` asks it for tokens, `slot`
//! is the one job that every process may run without asking. Knows no plans and no compilers.
//!
//! The crate's helper thread installs a process-wide handler for SIGUSR1 that does nothing, once
//! and for ever, and signals itself to end. A program that links this package leaves SIGUSR1 alone
//! and expects EINTR from blocking calls.

mod client;
mod makeflags;
mod pool;
mod slot;

pub use client::{Client, Token};
pub use makeflags::is_dry_run;
pub use pool::{Ends, FromEnv, Pool, Unusable};
pub use slot::ImplicitSlot;
