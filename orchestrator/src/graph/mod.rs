//! Crates -> units -> items, with dense typed ids. No I/O here beyond what `build` is given.

mod model;

pub use model::*;
