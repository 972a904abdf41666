//! Programs of other projects, built with forced cuts, and compared with clang's builds with the
//! same flags.
//!
//! - [`find`] finds them: tests of GCC, programs of Csmith, and one of ours. [`directory`] is the
//!   directory of GCC's tests.
//! - [`Setting`] is how a program is built, drawn by its name. [`sample`] chooses programs.
//! - [`Session`] builds and runs them; [`Outcome`] is the result of one, [`Summary`] of all.
//!
//! The directives of a GCC test choose its flags (`directive`, `target`, `program`). A program
//! counts only if clang's build of it exits with 0 (`reference`). Then the build by `tender` must
//! behave in the same way (`batch`).

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

/// A fixed sample of `permille` of a thousand programs, by their names.
pub fn sample(tests: Vec<Test>, permille: u64) -> Vec<Test> {
    tests.into_iter().filter(|test| draw::in_sample(&test.name, permille)).collect()
}
