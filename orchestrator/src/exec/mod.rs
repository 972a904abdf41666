//! Runs one program in the foreground: the command of `tender exec`, and the program of `tender
//! run`.
//!
//! - `foreground.rs`: the program, with the terminal, the signals that reach us, and the exit code.
//! - `guest.rs`: its job slots under `exec`; `memory.rs`: its memory budget.
//!
//! Prints nothing: the caller gets messages through a callback.

mod foreground;
mod guest;
mod memory;

pub use foreground::{RunError, prepare, run_foreground};
pub use guest::Guest;
