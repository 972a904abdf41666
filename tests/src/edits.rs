//! Random edits of generated workspaces. After each edit, a build has the same result as a clean
//! build of the same files, byte for byte, or fails with the same errors.
//!
//! - `Model` is a workspace, and draws its steps, each of a [`Kind`]. It is pure, as are its
//!   values: `State` (files and environment), `Manifests`, and `Edit` (a part of a step).
//! - `Disk` applies edits, `build` runs `tender` and collects its outputs.
//! - [`Workshop::round`] does all steps of a seed, and compares. [`Figures`] counts them, because a
//!   test in which nothing changes proves nothing. [`Journal`] saves the figures of rounds, so that
//!   many rounds can be split over several runs.

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
