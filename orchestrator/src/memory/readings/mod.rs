//! What the system reports of memory: limits, what is free, stalls, kills. Decides nothing, and
//! knows no leases.
//!
//! Errors are not fatal: a file that is absent or cannot be parsed becomes a [`Note`], is reported
//! once, and the build uses the other readings. Without any it is limited by `-j` and a budget in
//! bytes only.
//!
//! - `files`: reads below a root and keeps files open. `note`: what could not be read.
//! - `cgroup`: the cgroups that limit this process. `meminfo`: the machine. `headroom`: what is
//!   free, and which limit binds.
//! - `pressure`: stalls. `system`: all readings of one tick.

mod cgroup;
mod files;
mod headroom;
mod meminfo;
mod note;
mod pressure;
mod system;

pub use cgroup::Limited;
pub use headroom::{Bound, MemoryLimit, Reading};
pub use meminfo::MachineMemory;
pub use note::{Note, Notes};
pub use pressure::{Stall, Totals};
pub use system::{Sample, System};
