//! The types that `tender` and `tender-worker` exchange: JSON lines in both directions. The first
//! line in each direction is `hello`. The orchestrator kills a worker that writes a line of more
//! than 64 MiB.
//!
//! No logic beyond encoding, and the parser of dependency files (`depfile`), which both programs
//! read. The orchestrator decides which plans exist; the worker decides how to run them.

mod configure;
mod cxx_modules;
pub mod depfile;
mod item;
mod message;
mod outcome;
mod wire;

pub use configure::{ConfigResults, ConfigValue, Configure, Probe, ProbeResult, ProbeTest};
pub use cxx_modules::{ModuleName, ModuleScan};
pub use item::{
    Cut, InterfaceTranslation, Item, ItemId, ItemMemory, Language, Lto, LtoArchive, LtoLibrary,
    LtoLink, Member, Plan, PlanId, Share, Translate, Work,
};
pub use message::{FromWorker, ToWorker};
pub use outcome::{
    Diagnostic, FileStamp, FileTime, HeaderGroup, HeaderUse, InputFile, ItemReport, Level, Outcome,
    OutputFile, Phase, PhaseName, Precompiled,
};
pub use wire::{WireError, decode, encode};

/// Version of the message format. Both sides refuse any other version.
pub const PROTOCOL: u32 = 4;

/// Major version of LLVM that both programs are built for.
pub const LLVM_MAJOR: u32 = 22;
