//! The shim's C interface. Types and functions have the names of `llvm-shim/shim.h`, which
//! documents them. Private to `llvm`.

use inkwell::llvm_sys::prelude::{LLVMContextRef, LLVMModuleRef};
use std::ffi::{c_char, c_void};

/// UTF-8 text that is not null-terminated.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TenderStr {
    pub data: *const c_char,
    pub len: usize,
}

#[repr(C)]
pub struct TenderBuffer {
    pub data: *mut c_char,
    pub len: usize,
}

#[repr(C)]
pub struct TenderMember {
    pub name: TenderStr,
    pub data: *const c_char,
    pub len: usize,
}

#[repr(C)]
pub struct TenderStamp {
    pub size: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
    pub inode: u64,
}

#[repr(C)]
pub struct TenderEvents {
    pub context: *mut c_void,
    pub diagnostic: extern "C" fn(*mut c_void, i32, TenderStr, TenderStr, u32, u32, TenderStr),
    pub read: extern "C" fn(*mut c_void, TenderStr, *const TenderStamp, *const c_char, u64),
    pub missing: extern "C" fn(*mut c_void, TenderStr),
    pub dated: extern "C" fn(*mut c_void, TenderStr, i64),
    pub variable: extern "C" fn(*mut c_void, TenderStr),
}

#[repr(C)]
pub struct TenderModuleSize {
    pub functions: u64,
    pub blocks: u64,
    pub instructions: u64,
    pub bytes: u64,
    pub always_inline: u64,
}

/// Opaque.
#[repr(C)]
pub struct TenderClang {
    _private: [u8; 0],
}

/// Opaque.
#[repr(C)]
pub struct TenderTokens {
    _private: [u8; 0],
}

#[repr(C)]
pub struct TenderTokenFile {
    pub name: TenderStr,
    pub spelled: TenderStr,
    pub hash: u64,
    pub statements: u64,
    pub includer: u32,
    pub entries: u32,
    pub tokens: u32,
    pub system: bool,
    pub leaves_state: bool,
}

#[repr(C)]
pub struct TenderTokenRun {
    pub file: u32,
    pub offset: u32,
    pub tokens: u32,
}

#[repr(C)]
pub struct TenderPlace {
    pub file: TenderStr,
    pub offset: u32,
}

#[repr(C)]
pub struct TenderRedeclaration {
    pub first: TenderPlace,
    pub later: TenderPlace,
}

/// Opaque.
#[repr(C)]
pub struct TenderSharedHeaders {
    _private: [u8; 0],
}

#[repr(C)]
pub struct TenderNamedScope {
    pub place: TenderPlace,
    pub id: u64,
}

#[repr(C)]
pub struct TenderHeaders {
    pub source: TenderStr,
    pub text: TenderStr,
    pub file: TenderStr,
    pub scopes: *const TenderNamedScope,
    pub scope_count: usize,
    pub instantiated: bool,
    pub names: *const TenderStr,
    pub name_count: usize,
}

unsafe extern "C" {
    pub fn tender_buffer_free(buffer: TenderBuffer);
    pub fn tender_clang_open(
        clang: TenderStr,
        args: *const TenderStr,
        count: usize,
        input: TenderStr,
        output: TenderStr,
        preprocess: bool,
        lto: i32,
        events: *const TenderEvents,
    ) -> *mut TenderClang;
    pub fn tender_clang_free(unit: *mut TenderClang);
    pub fn tender_clang_translate(unit: *mut TenderClang, context: LLVMContextRef)
    -> LLVMModuleRef;
    pub fn tender_clang_adopt(unit: *mut TenderClang, module: LLVMModuleRef) -> bool;
    pub fn tender_clang_precompiled(
        unit: *const TenderClang,
        context: *mut c_void,
        input: extern "C" fn(*mut c_void, TenderStr, TenderStr, i64),
    );
    pub fn tender_clang_assume_time(unit: *mut TenderClang, path: TenderStr, mtime_s: i64);
    pub fn tender_clang_assume_text(unit: *mut TenderClang, text: TenderStr);
    pub fn tender_clang_check(unit: *mut TenderClang) -> bool;
    pub fn tender_clang_preprocess(unit: *mut TenderClang, out: *mut TenderBuffer) -> bool;
    pub fn tender_clang_scan(
        unit: *mut TenderClang,
        context: *mut c_void,
        found: extern "C" fn(*mut c_void, bool, TenderStr, TenderStr, u32),
    ) -> bool;
    pub fn tender_clang_interface(unit: *mut TenderClang, out: *mut TenderBuffer) -> bool;
    pub fn tender_clang_translate_interface(
        unit: *mut TenderClang,
        context: LLVMContextRef,
        out: *mut TenderBuffer,
    ) -> LLVMModuleRef;
    pub fn tender_clang_precompile(unit: *mut TenderClang, out: *mut TenderBuffer) -> bool;
    pub fn tender_tokens_scan(unit: *mut TenderClang) -> *mut TenderTokens;
    pub fn tender_tokens_free(tokens: *mut TenderTokens);
    pub fn tender_tokens_files(tokens: *const TenderTokens) -> usize;
    pub fn tender_tokens_file(tokens: *const TenderTokens, index: usize) -> TenderTokenFile;
    pub fn tender_tokens_runs(tokens: *const TenderTokens) -> usize;
    pub fn tender_tokens_run(tokens: *const TenderTokens, index: usize) -> TenderTokenRun;
    pub fn tender_tokens_searched(tokens: *const TenderTokens) -> usize;
    pub fn tender_tokens_directory(tokens: *const TenderTokens, index: usize) -> TenderStr;
    pub fn tender_tokens_show_places(tokens: *const TenderTokens) -> bool;
    pub fn tender_tokens_template_input(tokens: *const TenderTokens) -> TenderStr;
    pub fn tender_tokens_redeclarations(tokens: *const TenderTokens) -> usize;
    pub fn tender_tokens_redeclaration(
        tokens: *const TenderTokens,
        index: usize,
    ) -> TenderRedeclaration;
    pub fn tender_shared_headers(
        unit: *mut TenderClang,
        instantiate: bool,
    ) -> *mut TenderSharedHeaders;
    pub fn tender_shared_headers_free(headers: *mut TenderSharedHeaders);
    pub fn tender_shared_headers_tokens(headers: *const TenderSharedHeaders)
    -> *const TenderTokens;
    pub fn tender_shared_headers_file(headers: *const TenderSharedHeaders) -> TenderStr;
    pub fn tender_shared_headers_scopes(headers: *const TenderSharedHeaders) -> usize;
    pub fn tender_shared_headers_scope(
        headers: *const TenderSharedHeaders,
        index: usize,
    ) -> TenderNamedScope;
    pub fn tender_shared_headers_names(headers: *const TenderSharedHeaders) -> usize;
    pub fn tender_shared_headers_name(
        headers: *const TenderSharedHeaders,
        index: usize,
    ) -> TenderStr;
    pub fn tender_clang_translate_in_order(
        unit: *mut TenderClang,
        context: LLVMContextRef,
        scan: *const TenderTokens,
        headers: *const TenderHeaders,
        rest: *mut *mut TenderTokens,
    ) -> LLVMModuleRef;
    pub fn tender_clang_optimise(unit: *mut TenderClang, module: LLVMModuleRef) -> bool;
    pub fn tender_clang_emit(
        unit: *mut TenderClang,
        module: LLVMModuleRef,
        object: *mut TenderBuffer,
        dwo: *mut TenderBuffer,
    ) -> bool;
    pub fn tender_clang_serialise(
        unit: *mut TenderClang,
        module: LLVMModuleRef,
        bitcode: *mut TenderBuffer,
    );
    pub fn tender_bitcode_write(module: LLVMModuleRef, bitcode: *mut TenderBuffer);
    pub fn tender_clang_dwo_path(unit: *const TenderClang) -> TenderStr;
    pub fn tender_assemble(
        clang: TenderStr,
        args: *const TenderStr,
        count: usize,
        input: TenderStr,
        output: TenderStr,
        text: TenderStr,
        events: *const TenderEvents,
        object: *mut TenderBuffer,
    ) -> bool;
    pub fn tender_archive(
        members: *const TenderMember,
        count: usize,
        out: *mut TenderBuffer,
        error: *mut TenderBuffer,
    ) -> bool;
    pub fn tender_initialise(fatal: extern "C" fn(TenderStr));
    pub fn tender_llvm_version() -> *const c_char;
    pub fn tender_forget_files();
}

impl TenderStr {
    pub fn new(text: &str) -> TenderStr {
        TenderStr { data: text.as_ptr().cast(), len: text.len() }
    }

    /// # Safety
    /// `data` and `len` must describe memory that stays valid for `'a`; null is an empty text.
    pub unsafe fn to_string(self) -> String {
        // SAFETY: promised by the caller.
        String::from_utf8_lossy(unsafe { self.as_bytes() }).into_owned()
    }

    /// # Safety
    /// As `to_string`.
    pub unsafe fn as_bytes<'a>(self) -> &'a [u8] {
        if self.data.is_null() {
            return &[];
        }
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts(self.data.cast::<u8>(), self.len) }
    }
}

impl TenderBuffer {
    pub const EMPTY: TenderBuffer = TenderBuffer { data: std::ptr::null_mut(), len: 0 };
}

#[repr(C)]
pub struct TenderNode {
    pub flags: u32,
    pub instructions: u32,
    pub blocks: u32,
    pub reserved: u32,
    pub bytes: u64,
}

impl TenderNode {
    pub const FUNCTION: u32 = 1 << 0;
    pub const DEFINED: u32 = 1 << 1;
    pub const LOCAL: u32 = 1 << 2;
    pub const FOLLOWS_USERS: u32 = 1 << 3;
    pub const COPYABLE: u32 = 1 << 4;
    pub const REPLICABLE: u32 = 1 << 5;
    pub const ALWAYS_INLINE: u32 = 1 << 6;
    pub const LINKONCE: u32 = 1 << 7;
    pub const OPTIONAL: u32 = 1 << 8;
    pub const SPECIAL: u32 = 1 << 9;
    pub const PINNED: u32 = 1 << 10;
}

#[repr(C)]
pub struct TenderEdge {
    pub from: u32,
    pub to: u32,
    pub calls: u32,
}

#[repr(C)]
pub struct TenderTie {
    pub a: u32,
    pub b: u32,
}

#[repr(C)]
pub struct TenderAssembly {
    pub function: u32,
    pub first_operand: u32,
    pub operands: u32,
    pub text: TenderStr,
}

#[repr(C)]
pub struct TenderRename {
    pub now: TenderStr,
    pub before: TenderStr,
    pub used: bool,
}

/// Opaque.
#[repr(C)]
pub struct TenderJoin {
    _private: [u8; 0],
}

/// Opaque.
#[repr(C)]
pub struct TenderGraph {
    _private: [u8; 0],
}

unsafe extern "C" {
    pub fn tender_module_size(module: LLVMModuleRef) -> TenderModuleSize;
    pub fn tender_graph(module: LLVMModuleRef, optimised: bool) -> *mut TenderGraph;
    pub fn tender_graph_free(graph: *mut TenderGraph);
    pub fn tender_graph_nodes(graph: *const TenderGraph, count: *mut usize) -> *const TenderNode;
    pub fn tender_graph_edges(graph: *const TenderGraph, count: *mut usize) -> *const TenderEdge;
    pub fn tender_graph_ties(graph: *const TenderGraph, count: *mut usize) -> *const TenderTie;
    pub fn tender_graph_assembly(
        graph: *const TenderGraph,
        count: *mut usize,
    ) -> *const TenderAssembly;
    pub fn tender_graph_operands(graph: *const TenderGraph, count: *mut usize) -> *const u32;
    pub fn tender_graph_name(graph: *const TenderGraph, node: u32) -> TenderStr;
    pub fn tender_graph_uncuttable_reason(graph: *const TenderGraph) -> TenderStr;
    pub fn tender_clang_uncuttable_reason(unit: *const TenderClang) -> TenderStr;
    pub fn tender_clang_optimised(unit: *const TenderClang) -> bool;
    pub fn tender_cut_write(
        module: LLVMModuleRef,
        changes: *const u8,
        count: usize,
        suffix: TenderStr,
        context: *mut c_void,
        renamed: extern "C" fn(*mut c_void, TenderStr, TenderStr, bool),
        bitcode: *mut TenderBuffer,
    );
    pub fn tender_cut_piece(
        context: LLVMContextRef,
        bitcode: TenderStr,
        roles: *const u8,
        count: usize,
        first: bool,
        error: *mut TenderBuffer,
    ) -> LLVMModuleRef;
    pub fn tender_clang_note_locations(unit: *const TenderClang, module: LLVMModuleRef);
    pub fn tender_cut_prepare(
        unit: *const TenderClang,
        module: LLVMModuleRef,
        suffix: TenderStr,
        first: bool,
    );
    pub fn tender_join_new(
        pieces: *const TenderStr,
        count: usize,
        renames: *const TenderRename,
        rename_count: usize,
        suffix: TenderStr,
        error: *mut TenderBuffer,
    ) -> *mut TenderJoin;
    pub fn tender_join_free(join: *mut TenderJoin);
    pub fn tender_join_script(join: *const TenderJoin) -> TenderStr;
    pub fn tender_join_finish(
        join: *const TenderJoin,
        object: TenderStr,
        out: *mut TenderBuffer,
        error: *mut TenderBuffer,
    ) -> bool;
}

impl TenderStr {
    /// Bytes that need not be text.
    pub fn bytes(bytes: &[u8]) -> TenderStr {
        TenderStr { data: bytes.as_ptr().cast(), len: bytes.len() }
    }
}

/// Opaque.
#[repr(C)]
pub struct TenderLtoInput {
    _private: [u8; 0],
}

#[repr(C)]
pub struct TenderLtoSymbol {
    pub name: TenderStr,
    pub section: TenderStr,
    pub comdat: TenderStr,
    pub common_size: u64,
    pub flags: u32,
    pub visibility: u32,
}

#[repr(C)]
pub struct TenderLtoConfig {
    pub opt_level: u32,
    pub position_independent: bool,
    pub keep_copies: bool,
}

/// Opaque.
#[repr(C)]
pub struct TenderLtoLink {
    _private: [u8; 0],
}

unsafe extern "C" {
    pub fn tender_lto_input_open(
        data: *const c_char,
        len: usize,
        id: TenderStr,
        error: *mut TenderBuffer,
    ) -> *mut TenderLtoInput;
    pub fn tender_lto_input_free(input: *mut TenderLtoInput);
    pub fn tender_lto_input_symbols(input: *const TenderLtoInput) -> usize;
    pub fn tender_lto_input_symbol(input: *const TenderLtoInput, index: usize) -> TenderLtoSymbol;
    pub fn tender_lto_input_source(input: *const TenderLtoInput) -> TenderStr;
    pub fn tender_lto_input_triple(input: *const TenderLtoInput) -> TenderStr;
    pub fn tender_lto_libcalls(
        triple: TenderStr,
        context: *mut c_void,
        name: extern "C" fn(*mut c_void, TenderStr),
    );
    pub fn tender_lto_new(config: *const TenderLtoConfig) -> *mut TenderLtoLink;
    pub fn tender_lto_free(lto: *mut TenderLtoLink);
    pub fn tender_lto_add(
        lto: *mut TenderLtoLink,
        input: *mut TenderLtoInput,
        resolutions: *const u8,
        count: usize,
        events: *const TenderEvents,
        error: *mut TenderBuffer,
    ) -> bool;
    pub fn tender_lto_run(
        lto: *mut TenderLtoLink,
        events: *const TenderEvents,
        error: *mut TenderBuffer,
    ) -> bool;
    pub fn tender_lto_merged(lto: *mut TenderLtoLink) -> TenderBuffer;
    pub fn tender_lto_backends(lto: *const TenderLtoLink) -> usize;
    pub fn tender_lto_backend_id(lto: *const TenderLtoLink, index: usize) -> TenderStr;
    pub fn tender_lto_backend(
        lto: *const TenderLtoLink,
        index: usize,
        events: *const TenderEvents,
        object: *mut TenderBuffer,
        error: *mut TenderBuffer,
    ) -> bool;
}
