//! What the engine and `exec` share as hosts of a pool of job slots and of external commands. Knows
//! no items and no plans.
//!
//! - `slots.rs`: where slots come from, and messages about children that violate the rules;
//!   `watchdog.rs`: returns tokens and kills groups if this process is killed.
//! - `tools.rs`: which dialect each make and ninja reads; `probe.rs`, `ask.rs`: ask a program for its
//!   version; `unshared.rs`: which commands do not share the slots.
//! - `survivors.rs`: finds survivors; `external.rs`: keeps external commands within the available
//!   memory.
//! - `sampler.rs`: reads how much memory is available.
//! - `error.rs`: errors that end a whole build.

pub(crate) mod ask;
pub(crate) mod error;
pub(crate) mod external;
pub(crate) mod probe;
pub(crate) mod sampler;
mod slots;
pub(crate) mod survivors;
pub(crate) mod tools;
pub(crate) mod unshared;
pub(crate) mod watchdog;

pub use error::EngineError;
pub use slots::Slots;
pub(crate) use slots::{Guard, end, jobs_of, parent_is_gone, too_many, unsettled};
