//! A unit of source -> modules -> machine code or bitcode. Knows no tokens.

mod flags;
mod inputs;
mod modules;
mod unit;

pub use inputs::{Inputs, Reads, StampCache, hash_of};
pub use modules::Modules;
pub use unit::{Begun, Code, Left, Plan, Unit, Watch, plain_error, stamp};
