//! The shim's C interface, as declared in `llvm-shim/shim.h`. Private to `llvm`.

use inkwell::llvm_sys::prelude::{LLVMContextRef, LLVMModuleRef};
use std::ffi::{c_char, c_void};

/// UTF-8 text that is not null-terminated.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    pub data: *const c_char,
    pub len: usize,
}

#[repr(C)]
pub struct Buffer {
    pub data: *mut c_char,
    pub len: usize,
}

#[repr(C)]
pub struct Member {
    pub name: Str,
    pub data: *const c_char,
    pub len: usize,
}

#[repr(C)]
pub struct Events {
    pub context: *mut c_void,
    pub diagnostic: extern "C" fn(*mut c_void, i32, Str, Str, u32, u32, Str),
    pub read: extern "C" fn(*mut c_void, Str, u64, i64, *const c_char),
    pub missing: extern "C" fn(*mut c_void, Str),
}

/// Opaque.
#[repr(C)]
pub struct Clang {
    _private: [u8; 0],
}

unsafe extern "C" {
    pub fn tender_buffer_free(buffer: Buffer);
    pub fn tender_clang_open(
        clang: Str,
        args: *const Str,
        count: usize,
        input: Str,
        output: Str,
        preprocess: bool,
        lto: i32,
        events: *const Events,
    ) -> *mut Clang;
    pub fn tender_clang_free(unit: *mut Clang);
    pub fn tender_clang_translate(unit: *mut Clang, context: LLVMContextRef) -> LLVMModuleRef;
    pub fn tender_clang_adopt(unit: *mut Clang, module: LLVMModuleRef) -> bool;
    pub fn tender_clang_check(unit: *mut Clang) -> bool;
    pub fn tender_clang_preprocess(unit: *mut Clang, out: *mut Buffer) -> bool;
    pub fn tender_clang_optimise(unit: *mut Clang, module: LLVMModuleRef) -> bool;
    pub fn tender_clang_emit(
        unit: *mut Clang,
        module: LLVMModuleRef,
        object: *mut Buffer,
        dwo: *mut Buffer,
    ) -> bool;
    pub fn tender_clang_serialise(unit: *mut Clang, module: LLVMModuleRef, bitcode: *mut Buffer);
    pub fn tender_bitcode_write(module: LLVMModuleRef, bitcode: *mut Buffer);
    pub fn tender_clang_dwo_path(unit: *const Clang) -> Str;
    pub fn tender_assemble(
        clang: Str,
        args: *const Str,
        count: usize,
        input: Str,
        output: Str,
        text: Str,
        events: *const Events,
        object: *mut Buffer,
    ) -> bool;
    pub fn tender_archive(members: *const Member, count: usize, out: *mut Buffer, error: *mut Buffer)
    -> bool;
    pub fn tender_initialise(fatal: extern "C" fn(Str));
    pub fn tender_llvm_version() -> *const c_char;
}

impl Str {
    pub fn new(text: &str) -> Str {
        Str { data: text.as_ptr().cast(), len: text.len() }
    }

    /// # Safety
    /// `data` and `len` must describe memory that stays valid for `'a`; null is an empty text.
    pub unsafe fn to_string(self) -> String {
        if self.data.is_null() {
            return String::new();
        }
        // SAFETY: promised by the caller.
        let bytes = unsafe { std::slice::from_raw_parts(self.data.cast::<u8>(), self.len) };
        String::from_utf8_lossy(bytes).into_owned()
    }
}

impl Buffer {
    pub const EMPTY: Buffer = Buffer { data: std::ptr::null_mut(), len: 0 };
}
