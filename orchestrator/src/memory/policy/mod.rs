//! What is done when memory gets short in spite of leases. Pure: counts and the time are arguments.
//!
//! - `defence`: when to purge, to hold, and to kill a worker. `thrash`: when to kill one because
//!   the build makes no progress. `evidence`: which process the kernel has killed for memory.
//! - `reclaim`: which workers are purged.
//! - `brake`: which jobs of external commands are stopped; `overuse`: when to warn that this is not
//!   enough.

mod brake;
mod defence;
mod evidence;
mod overuse;
mod reclaim;
mod thrash;

pub use brake::{Brake, Orders};
pub use defence::{Defence, LONG_STALL_WINDOW, Measure, SHORT_STALL_WINDOW, Steps};
pub use evidence::{Evidence, NEWS_US};
pub use overuse::{CommandUse, Overuse};
pub use reclaim::{KeptMemory, Reclaim};
pub use thrash::{Thrash, WorkDone};
