//! Safe types over inkwell and the shim. The only code that touches LLVM's pointers.
#![expect(unsafe_code, reason = "LLVM's interface is C; every use says why it is sound")]

mod archive;
mod buffer;
mod clang;
mod cut;
mod ffi;
mod listener;
mod lto;
mod module;
mod places;
mod process;

pub use archive::{Member, archive};
pub use buffer::Buffer;
pub use clang::{Clang, Emitted, MadeFrom, Reported, Request, assemble, clang_program};
pub use cut::{CutModule, Cutting, Join, cut, cut_with, graph, may_be_cut};
pub use inkwell::context::Context;
pub use inkwell::module::Module;
pub use listener::Listen;
pub use lto::{Bitcode, Lto, LtoConfig, LtoSymbol, Slice, libcalls};
pub use module::parse;
pub use places::WaitingModule;
pub use process::{
    initialise, libraries, llvm_version, purge, reset_thread_peak, thread_live, thread_peak,
};

/// Where LLVM was installed when this program was built.
pub const LLVM_PREFIX: &str = env!("TENDER_LLVM_PREFIX");
