//! `tender`: the orchestrator. Layers point one way: cli -> supervise, report -> schedule, graph,
//! fingerprint, tokens, memory.

mod bounded_output;
pub mod cli;
pub mod environment;
pub mod fingerprint;
pub mod graph;
pub mod manifest;
pub mod memory;
mod process_stat;
pub mod report;
pub mod schedule;
pub mod supervise;
pub mod tokens;
pub mod toolchain;
mod whole_file;
