//! Storms: wide builds in which random processes of the tree are killed, stopped and interrupted,
//! and checks of what must hold afterwards.
//!
//! - [`Plan`] is drawn from a seed: the host of the build, and which signals are sent to which kind
//!   of process, after what time. Which processes exist at that time depends on the machine, so a
//!   seed repeats the plan, not every event.
//! - [`Weather`] is common to all rounds: the tools of this machine, and the outputs of an
//!   undisturbed build.
//! - [`Weather::round`] executes a plan, and checks the build, its pool, its trace, and the next
//!   build.
//! - [`Figures`] counts the events, because a storm that reached no process proves nothing.

mod figures;
mod host;
mod ledger;
mod member;
mod plan;
mod round;
mod running;
mod story;
mod workspace;

pub use figures::Figures;
pub use plan::Plan;
pub use round::Weather;
