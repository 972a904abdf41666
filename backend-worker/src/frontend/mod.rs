//! Compiles a unit: source to modules to machine code or bitcode. Knows no tokens.

mod cxx_modules;
mod flags;
mod header_file;
mod inputs;
mod modules;
mod scans;
mod shared_headers;
mod unit;

pub use cxx_modules::ModuleFile;
pub use flags::refused;
pub use header_file::{HeaderFiles, encode as encode_headers};
pub use inputs::{Dependencies, DependencyCollector, HashCache, hash_of};
pub use modules::Modules;
pub use scans::{Scans, UnitScan};
pub use shared_headers::{Alone, Offered, choose_headers};
pub use unit::{
    BeginOptions, BegunUnit, Code, LiveModule, Observer, Unit, UnitResult, plain_error, stamp,
};
