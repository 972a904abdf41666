//! A program that stands in our place for a while: `tender exec`, and what `tender run` starts.
//!
//! - `foreground.rs`: the program itself, with the terminal, our signals and the last word.
//! - `guest.rs`: its job slots, under `exec`; `memory.rs`: what it may use of the memory.
//!
//! Prints nothing: what happens is told to who called.

mod foreground;
mod guest;
mod memory;

pub use foreground::{RunError, run_foreground};
pub use guest::Guest;
