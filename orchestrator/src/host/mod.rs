//! What engine and `exec` share as hosts of a pool of job slots, and of programs that are not ours.
//! Knows no items and no plans.
//!
//! - `slots.rs`: which slots there are, what a child gets of them, and what is said of one that does
//!   not keep to the rules; `watchdog.rs`: what is put right if this process is killed.
//! - `tools.rs`: which form of jobserver programs understand; `probe.rs`: asks one for its version;
//!   `unshared.rs`: which will not share it.
//! - `survivors.rs`: what a child leaves running; `external.rs`: keeps such processes within the
//!   memory that there is.
//! - `sampler.rs`: how much memory there is, for whoever watches it.
//! - `error.rs`: why a host cannot go on.

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
