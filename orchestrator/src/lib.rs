//! `tender`: the orchestrator. Layers point one way: cli -> supervise, report -> schedule, graph, fingerprint, tokens.

pub mod cli;
pub mod fingerprint;
pub mod graph;
pub mod manifest;
pub mod report;
pub mod schedule;
pub mod supervise;
pub mod tokens;
pub mod toolchain;
