//! Storms: wide builds in which random members of the process tree are killed, stopped and
//! interrupted, and what must hold after.
//!
//! - [`Plan`] says what a seed does: below which host the build runs, and what befalls whom, after
//!   how long. Who is there at that moment is for the machine to say, so a seed repeats the storm,
//!   not every gust of it.
//! - [`Weather`] is what rounds have in common: the tools of this machine, and what an undisturbed
//!   build makes.
//! - [`Weather::round`] carries a plan out and checks the build, its pool, its trace, and the build
//!   that follows.
//! - [`Figures`] counts what was done, because a storm that reached no process proves nothing.

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
