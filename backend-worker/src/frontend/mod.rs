//! A unit of source -> a module -> machine code, on one thread ("parallel" translation). Knows no tokens.

mod flags;
mod inputs;
mod unit;

pub use inputs::{Inputs, StampCache};
pub use unit::{Left, Unit, Watch, plain_error, stamp};
