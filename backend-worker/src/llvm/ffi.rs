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
pub struct Stamp {
    pub size: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
    pub inode: u64,
}

#[repr(C)]
pub struct Events {
    pub context: *mut c_void,
    pub diagnostic: extern "C" fn(*mut c_void, i32, Str, Str, u32, u32, Str),
    pub read: extern "C" fn(*mut c_void, Str, *const Stamp, *const c_char, u64),
    pub missing: extern "C" fn(*mut c_void, Str),
    pub dated: extern "C" fn(*mut c_void, Str, i64),
    pub variable: extern "C" fn(*mut c_void, Str),
}

#[repr(C)]
pub struct ModuleSize {
    pub functions: u64,
    pub blocks: u64,
    pub instructions: u64,
    pub bytes: u64,
    pub always_inline: u64,
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
    pub fn tender_clang_precompiled(
        unit: *const Clang,
        context: *mut c_void,
        input: extern "C" fn(*mut c_void, Str, Str, i64),
    );
    pub fn tender_clang_assume_time(unit: *mut Clang, path: Str, mtime_s: i64);
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
    pub fn tender_archive(
        members: *const Member,
        count: usize,
        out: *mut Buffer,
        error: *mut Buffer,
    ) -> bool;
    pub fn tender_initialise(fatal: extern "C" fn(Str));
    pub fn tender_llvm_version() -> *const c_char;
    pub fn tender_forget_files();
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

#[repr(C)]
pub struct Node {
    pub flags: u32,
    pub instructions: u32,
    pub blocks: u32,
    pub reserved: u32,
    pub bytes: u64,
}

impl Node {
    pub const FUNCTION: u32 = 1 << 0;
    pub const DEFINED: u32 = 1 << 1;
    pub const LOCAL: u32 = 1 << 2;
    pub const FOLLOWS: u32 = 1 << 3;
    pub const COPYABLE: u32 = 1 << 4;
    pub const REPLICABLE: u32 = 1 << 5;
    pub const ALWAYS_INLINE: u32 = 1 << 6;
    pub const LINKONCE: u32 = 1 << 7;
    pub const OPTIONAL: u32 = 1 << 8;
    pub const SPECIAL: u32 = 1 << 9;
    pub const PINNED: u32 = 1 << 10;
}

#[repr(C)]
pub struct Edge {
    pub from: u32,
    pub to: u32,
    pub calls: u32,
}

#[repr(C)]
pub struct Tie {
    pub a: u32,
    pub b: u32,
}

#[repr(C)]
pub struct Assembly {
    pub function: u32,
    pub first_operand: u32,
    pub operands: u32,
    pub text: Str,
}

#[repr(C)]
pub struct Rename {
    pub now: Str,
    pub before: Str,
    pub used: bool,
}

/// Opaque.
#[repr(C)]
pub struct Join {
    _private: [u8; 0],
}

/// Opaque.
#[repr(C)]
pub struct Graph {
    _private: [u8; 0],
}

/// Opaque.
#[repr(C)]
pub struct Places {
    _private: [u8; 0],
}

unsafe extern "C" {
    pub fn tender_module_size(module: LLVMModuleRef) -> ModuleSize;
    pub fn tender_graph(module: LLVMModuleRef, optimised: bool) -> *mut Graph;
    pub fn tender_graph_free(graph: *mut Graph);
    pub fn tender_graph_nodes(graph: *const Graph, count: *mut usize) -> *const Node;
    pub fn tender_graph_edges(graph: *const Graph, count: *mut usize) -> *const Edge;
    pub fn tender_graph_ties(graph: *const Graph, count: *mut usize) -> *const Tie;
    pub fn tender_graph_assembly(graph: *const Graph, count: *mut usize) -> *const Assembly;
    pub fn tender_graph_operands(graph: *const Graph, count: *mut usize) -> *const u32;
    pub fn tender_graph_name(graph: *const Graph, node: u32) -> Str;
    pub fn tender_graph_whole(graph: *const Graph) -> Str;
    pub fn tender_clang_whole(unit: *const Clang) -> Str;
    pub fn tender_clang_optimised(unit: *const Clang) -> bool;
    pub fn tender_cut_write(
        module: LLVMModuleRef,
        changes: *const u8,
        count: usize,
        suffix: Str,
        context: *mut c_void,
        renamed: extern "C" fn(*mut c_void, Str, Str, bool),
        bitcode: *mut Buffer,
    );
    pub fn tender_cut_piece(
        context: LLVMContextRef,
        bitcode: Str,
        roles: *const u8,
        count: usize,
        first: bool,
        error: *mut Buffer,
    ) -> LLVMModuleRef;
    pub fn tender_places(unit: *const Clang, module: LLVMModuleRef) -> *mut Places;
    pub fn tender_places_free(places: *mut Places);
    pub fn tender_clang_set_places(unit: *mut Clang, places: *const Places);
    pub fn tender_cut_prepare(unit: *const Clang, module: LLVMModuleRef, suffix: Str, first: bool);
    pub fn tender_join_new(
        pieces: *const Str,
        count: usize,
        renames: *const Rename,
        rename_count: usize,
        suffix: Str,
        error: *mut Buffer,
    ) -> *mut Join;
    pub fn tender_join_free(join: *mut Join);
    pub fn tender_join_script(join: *const Join) -> Str;
    pub fn tender_join_finish(
        join: *const Join,
        object: Str,
        out: *mut Buffer,
        error: *mut Buffer,
    ) -> bool;
}

impl Str {
    /// Bytes that need not be text.
    pub fn bytes(bytes: &[u8]) -> Str {
        Str { data: bytes.as_ptr().cast(), len: bytes.len() }
    }
}

/// Opaque.
#[repr(C)]
pub struct LtoInput {
    _private: [u8; 0],
}

#[repr(C)]
pub struct LtoSymbol {
    pub name: Str,
    pub section: Str,
    pub comdat: Str,
    pub common_size: u64,
    pub flags: u32,
    pub visibility: u32,
}

#[repr(C)]
pub struct LtoConfig {
    pub opt_level: u32,
    pub position_independent: bool,
    pub keep_copies: bool,
}

/// Opaque.
#[repr(C)]
pub struct Lto {
    _private: [u8; 0],
}

unsafe extern "C" {
    pub fn tender_lto_input_open(
        data: *const c_char,
        len: usize,
        id: Str,
        error: *mut Buffer,
    ) -> *mut LtoInput;
    pub fn tender_lto_input_free(input: *mut LtoInput);
    pub fn tender_lto_input_symbols(input: *const LtoInput) -> usize;
    pub fn tender_lto_input_symbol(input: *const LtoInput, index: usize) -> LtoSymbol;
    pub fn tender_lto_input_source(input: *const LtoInput) -> Str;
    pub fn tender_lto_input_triple(input: *const LtoInput) -> Str;
    pub fn tender_lto_libcalls(
        triple: Str,
        context: *mut c_void,
        name: extern "C" fn(*mut c_void, Str),
    );
    pub fn tender_lto_new(config: *const LtoConfig) -> *mut Lto;
    pub fn tender_lto_free(lto: *mut Lto);
    pub fn tender_lto_add(
        lto: *mut Lto,
        input: *mut LtoInput,
        resolutions: *const u8,
        count: usize,
        events: *const Events,
        error: *mut Buffer,
    ) -> bool;
    pub fn tender_lto_run(lto: *mut Lto, events: *const Events, error: *mut Buffer) -> bool;
    pub fn tender_lto_merged(lto: *mut Lto) -> Buffer;
    pub fn tender_lto_backends(lto: *const Lto) -> usize;
    pub fn tender_lto_backend_id(lto: *const Lto, index: usize) -> Str;
    pub fn tender_lto_backend(
        lto: *const Lto,
        index: usize,
        events: *const Events,
        object: *mut Buffer,
        error: *mut Buffer,
    ) -> bool;
}
