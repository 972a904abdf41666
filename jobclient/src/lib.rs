//! Joins a GNU make jobserver pool, over the `jobserver` crate.
//!
//! `makeflags` parses MAKEFLAGS, `pool` opens the pool that it names, `client` acquires tokens, and
//! `slot` is the implicit slot, on which every process may run one job without a token. Knows no
//! plans and no compilers.
//!
//! The crate's helper thread installs a process-wide handler for SIGUSR1 that does nothing and is
//! never removed. The thread is ended by that signal. So a program that uses this package must not
//! use SIGUSR1, and must expect EINTR from blocking calls.

mod client;
mod makeflags;
mod pool;
mod slot;

pub use client::{Client, Token};
pub use makeflags::is_dry_run;
pub use pool::{Ends, FromEnv, Pool, Unusable};
pub use slot::ImplicitSlot;
