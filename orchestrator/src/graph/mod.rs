//! Crates -> units -> items, with dense typed ids. No I/O here beyond what `build` is given.
//!
//! - `model`: the types; `paths`: names of outputs; `args`, `link`: words of commands; `codegen`:
//!   what the profile asks of code generation; `runtime`: which code needs clang's run-time library
//! - `instance`: a crate in one of its builds, for users or for the build itself
//! - `nasm`: the commands of nasm and yasm
//! - `build`: workspace and request -> graph; `generate`, `units`, `artifacts`: its parts for commands,
//!   for sources, and for archives and links; `order`: of dependencies
//! - `compile_commands`: the graph's units as clangd wants them (this one writes files)
//!
//! # Items and their order
//!
//! An item is one step: a `[[generate]]` command, a unit of source that is compiled or checked, an
//! archive, a shared library, a program. A unit of C or C++ needs only the headers of the crates
//! that it depends on, so the units of all crates may run at once. What comes after something else:
//! a link, after its objects and libraries; an archive, after its objects; a unit, after commands
//! that generate sources or headers for it.
//!
//! # Outputs depend on sources, flags and tools alone
//!
//! Paths are relative to the workspace root, which is also the compilation directory (`.`).
//! Archives have no times and no owners, and their members are in a fixed order. Nothing in an item
//! depends on `-j`, on which worker runs it, in which order, or how often it was tried.

mod args;
mod artifacts;
mod build;
mod codegen;
pub mod compile_commands;
mod config;
mod cxx_modules;
mod error;
mod exported_modules;
mod generate;
mod installed_modules;
mod instance;
mod link;
mod model;
mod module_names;
mod nasm;
mod order;
mod paths;
mod runtime;
#[cfg(test)]
mod tests;
mod units;

pub use build::{
    Assembler, GraphRequest, InstalledLibrary, InstalledModule, Mode, PkgConfig, Programs,
    StdModule, Surroundings, Targets, build,
};
pub use cxx_modules::Scans;
pub use error::GraphError;
pub use instance::{host_bin_dir, host_outputs, target_keys};
pub use model::*;
pub use module_names::ModuleError;
pub use paths::{RUNTIME_PATH_BYTES, profile_dir, seen_from};
