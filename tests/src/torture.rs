//! Programs of other projects, built with cuts forced, against what clang makes of them by the same
//! flags.
//!
//! - [`find`] finds them: tests of GCC, programs of Csmith, and one of ours. [`directory`] is where
//!   the first are.
//! - [`Setting`] is how one is built, drawn by its name. [`sample`] chooses some.
//! - [`Session`] builds and runs them; [`Outcome`] is what came of one, [`Summary`] of all.
//!
//! Of a test of GCC its directives count (`directive`, `target`, `program`). What clang makes of a
//! program (`reference`) has to end with 0 before the program counts; what `tender` makes of it
//! (`batch`) has to do the same.

mod batch;
mod corpus;
mod directive;
mod draw;
mod execute;
mod explained;
mod outcome;
mod program;
mod reference;
mod session;
mod state;
mod summary;
mod target;
mod tcl;

pub use corpus::{Test, find};
pub use draw::{Mode, Pair, Setting};
pub use outcome::{Outcome, What};
pub use session::{Session, directory};
pub use summary::{Counts, Summary};

/// Those of a fixed sample of `permille` of a thousand, by their names.
pub fn sample(tests: Vec<Test>, permille: u64) -> Vec<Test> {
    tests.into_iter().filter(|test| draw::in_sample(&test.name, permille)).collect()
}
