//! LLVM IR and bitcode that come as files, through inkwell.

use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;

/// Parses textual IR or bitcode, whichever it is. The error is LLVM's text, with line and column for textual IR.
pub fn parse<'c>(context: &'c Context, content: &[u8], name: &str) -> Result<Module<'c>, String> {
    let buffer = MemoryBuffer::create_from_memory_range_copy(content, name);
    context.create_module_from_ir(buffer).map_err(|text| text.to_string())
}
