//! LLVM IR and bitcode that come as files, through inkwell.

use super::buffer::Buffer;
use super::ffi;
use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;

/// Parses textual IR or bitcode, whichever it is. The error is LLVM's text, with line and column for textual IR.
pub fn parse<'c>(context: &'c Context, content: &[u8], name: &str) -> Result<Module<'c>, String> {
    let buffer = MemoryBuffer::create_from_memory_range_copy(content, name);
    context.create_module_from_ir(buffer).map_err(|text| text.to_string())
}

/// Bitcode from which the same machine code is made as from `module`: it keeps the order of use lists, on which
/// optimisations depend (`llvm::WriteBitcodeToFile`).
pub(super) fn serialise(module: &Module<'_>) -> Buffer {
    let mut bitcode = ffi::Buffer::EMPTY;
    // SAFETY: the module is alive; the buffer is written before it is read.
    unsafe { ffi::tender_bitcode_write(module.as_mut_ptr(), &raw mut bitcode) };
    Buffer::adopt(bitcode).expect("bitcode is never empty")
}
