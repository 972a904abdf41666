//! Compiles a unit: source to modules to machine code or bitcode. Knows no tokens.

mod cxx_modules;
mod flags;
mod inputs;
mod modules;
mod shared_headers;
mod unit;

pub use flags::refused;
pub use inputs::{Dependencies, DependencyCollector, HashCache, hash_of};
pub use modules::Modules;
pub use shared_headers::Alone;
pub use unit::{
    BeginOptions, BegunUnit, Code, LiveModule, Observer, Unit, UnitResult, plain_error, stamp,
};
