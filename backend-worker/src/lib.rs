//! The library of `tender-worker`: compiles and links crates with clang and LLVM in one process.
//! Knows no manifest and no workspace.
//!
//! Layers: `coordinator` -> `execute` -> `configure`, `lto` -> `frontend`, `emit` -> `llvm`. The coordinator knows
//! no LLVM, the others know no tokens, and `partition` knows neither.

pub mod channel;
pub mod configure;
pub mod coordinator;
pub mod emit;
pub mod execute;
pub mod frontend;
pub mod llvm;
pub mod lto;
pub mod partition;
pub mod sharing;
