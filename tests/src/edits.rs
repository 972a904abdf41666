//! Random edits of generated workspaces. After them a build makes what a clean build of the same
//! files makes, byte for byte, or fails as that one does.
//!
//! - `Model` is a workspace and draws what is done to it: steps, each of a [`Kind`]. It is pure, as
//!   are the values that it is made of: `State` (files and environment), `Manifests`, and `Edit`,
//!   of which steps are made.
//! - `Disk` carries edits out, `build` runs `tender` and collects what it made.
//! - [`Workshop::round`] does that for a seed, and judges. [`Figures`] counts what was done,
//!   because a test in which nothing changes proves nothing. [`Journal`] keeps the figures of
//!   rounds, so that many of them can be done in several runs.

mod build;
mod disk;
mod draw;
mod edit;
mod figures;
mod journal;
mod kind;
mod manifests;
mod model;
mod prebuilt;
mod round;
mod sources;
mod state;

pub use figures::Figures;
pub use journal::Journal;
pub use kind::Kind;
pub use round::Workshop;
