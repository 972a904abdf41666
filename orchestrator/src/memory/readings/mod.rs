//! What the system reports of memory: limits, what is free, stalls, kills. Decides nothing, and knows
//! no leases.
//!
//! What is read fails soft: a file that is absent or makes no sense is remembered as a [`Note`],
//! reported once, and the build goes by what is left. With nothing left it goes by `-j` and by its
//! own history.
//!
//! - `files` reads below a root and keeps files open; `note` is what could not be read.
//! - `cgroup` finds the groups that limit this process, `meminfo` the machine; `headroom` says what
//!   is free and which limit binds.
//! - `pressure` measures stalls. `system` is all that is read on each tick.

mod cgroup;
mod files;
mod headroom;
mod meminfo;
mod note;
mod pressure;
mod system;

pub use cgroup::Limited;
pub use headroom::{Bound, Level, Reading};
pub use meminfo::Machine;
pub use note::{Note, Notes};
pub use pressure::{Stall, Totals};
pub use system::{Sample, System};
