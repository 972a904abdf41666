//! Crates -> units -> items, with dense typed ids. No I/O here beyond what `build` is given.
//!
//! - `model`: the types; `paths`: names of outputs; `args`, `link`: words of commands; `codegen`:
//!   what the profile asks of code generation
//! - `build`: workspace and request -> graph; `generate`, `artifacts`: its parts for commands, and
//!   for archives and links; `order`: of dependencies
//! - `compile_commands`: the graph's units as clangd wants them (this one writes files)

mod args;
mod artifacts;
mod build;
mod codegen;
pub mod compile_commands;
mod error;
mod generate;
mod link;
mod model;
mod order;
mod paths;
#[cfg(test)]
mod tests;

pub use build::{GraphRequest, Mode, PkgConfig, Programs, Surroundings, Targets, build};
pub use codegen::DEFAULT_CODEGEN_UNITS;
pub use error::GraphError;
pub use model::*;
pub use paths::{profile_dir, seen_from};
