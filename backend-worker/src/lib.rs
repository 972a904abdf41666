//! `tender-worker`: takes crates from source to artifact. Knows no manifest and no workspace.
//!
//! coordinator -> (execute) -> frontend, lto, emit -> llvm. The coordinator knows no LLVM; the rest
//! knows no tokens; `partition` knows neither.

pub mod channel;
pub mod coordinator;
pub mod emit;
pub mod execute;
pub mod frontend;
pub mod llvm;
pub mod lto;
pub mod partition;
