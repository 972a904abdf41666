//! Safe types over inkwell and the C++ shim. The only code that uses LLVM's pointers.
#![expect(unsafe_code, reason = "LLVM's interface is C; every use says why it is sound")]

mod archive;
mod buffer;
mod clang;
mod cut;
mod cxx_modules;
mod ffi;
mod globals;
mod listener;
mod lto;
mod mapped;
mod module;
mod precompile;
mod process;
mod shared_headers;
mod waiting;

pub use archive::{ArchiveMember, archive};
pub use buffer::Buffer;
pub use clang::{Clang, ClangRequest, Emitted, PrecompiledFile, Reported, assemble, clang_program};
pub use cut::{CutModule, Cutting, Join, cut, cut_with, graph, may_be_cut};
pub use globals::{hide_program, integers};
pub use inkwell::context::Context;
pub use inkwell::module::Module;
pub use listener::Listener;
pub use lto::{Bitcode, Lto, LtoConfig, LtoSymbol, SharedSlice, libcalls};
pub use mapped::map;
pub use module::parse;
pub use process::{
    initialise, libraries, llvm_version, purge, reset_thread_peak, thread_live, thread_peak,
};
pub use shared_headers::{Scan, SharedHeaders};
pub use waiting::WaitingModule;

/// The directory in which LLVM was installed when this program was built.
pub const LLVM_PREFIX: &str = env!("TENDER_LLVM_PREFIX");
