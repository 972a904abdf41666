//! `tender`: the orchestrator. Layers point one way: cli -> engine, exec and test_runner -> host, report -> schedule,
//! graph, fingerprint, tokens, memory -> sys.

pub mod cli;
pub mod engine;
pub mod environment;
pub mod events;
pub mod exec;
pub mod fingerprint;
pub mod graph;
pub mod host;
pub mod import;
pub mod install;
pub mod keys;
pub mod manifest;
pub mod measurements;
pub mod memory;
mod module_metadata;
pub mod package;
pub mod platform;
pub mod report;
pub mod schedule;
pub mod sources;
pub mod sys;
pub mod test_runner;
pub mod tokens;
pub mod toolchain;
