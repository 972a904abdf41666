//! What people and programs see of a build. With `cli` the only code that prints.

mod event;

pub use event::*;
