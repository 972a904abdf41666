//! What is done when memory gets short in spite of leases. Pure: counts and the time are arguments.
//!
//! - `defence`: when to purge, to hold, and to kill a worker. `thrash`: when to kill one because the
//!   build makes no progress. `evidence`: whose death was the kernel's doing.
//! - `reclaim`: which workers give back what their allocators keep.
//! - `brake`: which jobs of external commands are stopped; `overuse`: when to warn that this is not
//!   enough.

mod brake;
mod defence;
mod evidence;
mod overuse;
mod reclaim;
mod thrash;

pub use brake::{Brake, Orders};
pub use defence::{Defence, Measure, STALL_BEGINS, STALL_ENDS, Steps};
pub use evidence::{Evidence, NEWS_US};
pub use overuse::{Overuse, Use};
pub use reclaim::{Keeps, Reclaim};
pub use thrash::{Thrash, Work};
