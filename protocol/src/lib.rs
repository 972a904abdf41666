//! The types that `tender` and `tender-worker` exchange: JSON lines both ways, the first line each
//! way a `hello`. A worker that writes a line of more than 64 MiB is taken for broken.
//!
//! No logic beyond encoding. What a plan means is the worker's business, which plans exist is the
//! orchestrator's.

mod item;
mod message;
mod outcome;
mod wire;

pub use item::{
    Cut, Item, ItemId, ItemMemory, Language, Lto, LtoArchive, LtoLibrary, LtoLink, Member, Plan,
    PlanId, Translate, Work,
};
pub use message::{FromWorker, ToWorker};
pub use outcome::{
    Diagnostic, FileStamp, FileTime, InputFile, ItemReport, Level, Outcome, OutputFile, Phase,
    PhaseName, Precompiled,
};
pub use wire::{WireError, decode, encode};

/// Version of the message format. Both sides refuse another one.
pub const PROTOCOL: u32 = 1;

/// Major version of LLVM that both programs are built for.
pub const LLVM_MAJOR: u32 = 22;
