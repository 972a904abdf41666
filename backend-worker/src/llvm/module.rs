//! Parses LLVM IR and bitcode, and writes bitcode.

use super::buffer::Buffer;
use super::ffi;
use inkwell::context::{AsContextRef, Context};
use inkwell::llvm_sys::core::LLVMDisposeMessage;
use inkwell::llvm_sys::ir_reader::LLVMParseIRInContext2;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;
use std::ffi::CStr;
use std::ptr;

/// Parses textual IR or bitcode.
///
/// inkwell 0.11's `create_module_from_ir` is not used: it leaks the buffer, which
/// `LLVMParseIRInContext2` does not consume.
///
/// # Errors
/// LLVM's text, with line and column for textual IR.
pub fn parse<'c>(context: &'c Context, content: &[u8], name: &str) -> Result<Module<'c>, String> {
    // Textual IR must end in a NUL.
    let buffer = MemoryBuffer::create_from_memory_range_copy(content, name);
    let (mut module, mut error) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: context and buffer are alive. One of the two is set, and is ours (llvm-c/IRReader.h).
    unsafe {
        let context = context.as_ctx_ref();
        let failed =
            LLVMParseIRInContext2(context, buffer.as_mut_ptr(), &raw mut module, &raw mut error);
        if failed == 0 {
            return Ok(Module::new(module));
        }
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        LLVMDisposeMessage(error);
        Err(text)
    }
}

/// Bitcode that gives the same machine code as `module`: it keeps the order of use lists, on which
/// optimisations depend (`llvm::WriteBitcodeToFile`).
pub(super) fn serialise(module: &Module<'_>) -> Buffer {
    let mut bitcode = ffi::TenderBuffer::EMPTY;
    // SAFETY: the module is alive; the buffer is written before it is read.
    unsafe { ffi::tender_bitcode_write(module.as_mut_ptr(), &raw mut bitcode) };
    Buffer::adopt(bitcode).expect("bitcode is never empty")
}

// Only jemalloc counts the allocations of a thread.
#[cfg(all(test, feature = "jemalloc"))]
mod tests {
    use super::super::{reset_thread_peak, thread_live, thread_peak};
    use super::*;

    const FUNCTIONS: usize = 2000;

    #[test]
    fn module_parse_frees_its_memory() {
        let text: String = (0..FUNCTIONS)
            .map(|number| format!("define i32 @f{number}() {{ ret i32 {number} }}\n"))
            .collect();
        let bitcode = serialise(&parse(&Context::create(), text.as_bytes(), "a").unwrap());
        for content in [text.as_bytes(), &bitcode] {
            let parsed = || {
                assert_eq!(
                    parse(&Context::create(), content, "a").unwrap().get_functions().count(),
                    FUNCTIONS
                )
            };
            let refused =
                || assert!(parse(&Context::create(), &content[..content.len() - 2], "a").is_err());
            // LLVM allocates some data once and keeps it.
            parsed();
            reset_thread_peak();
            let before = thread_live();
            for _ in 0..10 {
                parsed();
                refused();
            }
            assert!(thread_peak() > content.len() as u64, "jemalloc counts");
            let left = thread_live() - before;
            assert!(
                left < content.len() as i64,
                "{left} bytes are left of 20 times {}",
                content.len()
            );
        }
    }
}
