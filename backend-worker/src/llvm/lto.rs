//! Link-time optimisation with LLVM's `lto::LTO`: symbol tables of bitcode, the thin link, and its
//! backends.
//!
//! The caller passes the resolution of symbols (see `crate::lto::resolve`).

use super::buffer::Buffer;
use super::ffi;
use super::listener::{Listener, ListenerHandle};
use std::ffi::c_void;
use std::ops::Range;
use std::sync::Arc;

/// A range of a file's content, which is shared.
#[derive(Clone)]
pub struct SharedSlice {
    pub content: Arc<[u8]>,
    pub range: Range<usize>,
}

impl std::ops::Deref for SharedSlice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.content[self.range.clone()]
    }
}

/// A bitcode module before it is added to a link.
pub struct Bitcode {
    raw: *mut ffi::TenderLtoInput,
    // The shim refers to both.
    content: SharedSlice,
    id: Arc<str>,
}

// SAFETY: the input is plain data with one owner; LLVM ties it to no thread.
unsafe impl Send for Bitcode {}

/// An entry of a module's symbol table, as in `llvm::lto::InputFile::Symbol`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LtoSymbol {
    pub name: String,
    /// The section that the source names; empty if none.
    pub section: String,
    /// The comdat group, of which a link keeps one; empty if none.
    pub comdat: String,
    /// Bytes.
    pub common_size: u64,
    pub undefined: bool,
    pub weak: bool,
    pub common: bool,
    /// It is used by code that the optimiser does not see.
    pub used: bool,
    pub omittable: bool,
    /// As in ELF: 0 default, 2 hidden, 3 protected.
    pub visibility: u8,
}

impl Bitcode {
    /// `id` names the module. It must be unique in the link and independent of the directory.
    ///
    /// # Errors
    /// LLVM's text, if it is no valid bitcode.
    pub fn open(content: SharedSlice, id: &str) -> Result<Bitcode, String> {
        let id: Arc<str> = id.into();
        let mut error = ffi::TenderBuffer::EMPTY;
        // SAFETY: content and id live as long as the result, and longer where it is added to a
        // link.
        let raw = unsafe {
            ffi::tender_lto_input_open(
                content.as_ptr().cast(),
                content.len(),
                ffi::TenderStr::new(&id),
                &raw mut error,
            )
        };
        let error = Buffer::adopt(error);
        if raw.is_null() {
            return Err(text(error).unwrap_or_else(|| "it cannot be read".to_owned()));
        }
        Ok(Bitcode { raw, content, id })
    }

    pub fn symbols(&self) -> Vec<LtoSymbol> {
        // SAFETY: the input is alive, the index in range, and the strings live as long as the
        // input.
        unsafe {
            (0..ffi::tender_lto_input_symbols(self.raw))
                .map(|index| {
                    let raw = ffi::tender_lto_input_symbol(self.raw, index);
                    LtoSymbol {
                        name: raw.name.to_string(),
                        section: raw.section.to_string(),
                        comdat: raw.comdat.to_string(),
                        common_size: raw.common_size,
                        undefined: raw.flags & 1 != 0,
                        weak: raw.flags & 2 != 0,
                        common: raw.flags & 4 != 0,
                        used: raw.flags & 8 != 0,
                        omittable: raw.flags & 16 != 0,
                        visibility: u8::try_from(raw.visibility).unwrap_or(0),
                    }
                })
                .collect()
        }
    }

    /// The path of the source, as it was given to clang.
    pub fn source(&self) -> String {
        // SAFETY: the input is alive.
        unsafe { ffi::tender_lto_input_source(self.raw).to_string() }
    }

    pub fn triple(&self) -> String {
        // SAFETY: the input is alive.
        unsafe { ffi::tender_lto_input_triple(self.raw).to_string() }
    }

    /// Bytes of bitcode.
    pub fn size(&self) -> u64 {
        self.content.len() as u64
    }
}

impl Drop for Bitcode {
    fn drop(&mut self) {
        // SAFETY: freed once; null where a link took it.
        unsafe { ffi::tender_lto_input_free(self.raw) }
    }
}

/// Functions that the code generator may call even if no module does
/// (`LTO::getRuntimeLibcallSymbols`).
pub fn libcalls(triple: &str) -> Vec<String> {
    extern "C" fn take(context: *mut c_void, name: ffi::TenderStr) {
        // SAFETY: `context` is the vector below, and the string is valid during the call.
        unsafe { (*context.cast::<Vec<String>>()).push(name.to_string()) }
    }
    let mut names: Vec<String> = Vec::new();
    // SAFETY: `take` is called only during this call.
    unsafe { ffi::tender_lto_libcalls(ffi::TenderStr::new(triple), (&raw mut names).cast(), take) };
    names
}

/// The options of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LtoConfig {
    /// 0 to 3.
    pub opt_level: u8,
    pub position_independent: bool,
    /// Every module keeps its own copy of weak definitions, because each may be linked without the
    /// others.
    pub keep_copies: bool,
}

/// A link: `add` all modules, `run`, then each `backend` once, on any thread.
pub struct Lto {
    raw: *mut ffi::TenderLtoLink,
    // The link refers to these, so they are freed after it.
    kept: Vec<(SharedSlice, Arc<str>)>,
}

// SAFETY: LLVM runs backends of one link on many threads at once and ties the link to none; `add`
// and `run` need `&mut`.
unsafe impl Send for Lto {}
// SAFETY: as above; a shared link only reads what the run left.
unsafe impl Sync for Lto {}

impl Lto {
    pub fn new(config: LtoConfig) -> Lto {
        let config = ffi::TenderLtoConfig {
            opt_level: config.opt_level.into(),
            position_independent: config.position_independent,
            keep_copies: config.keep_copies,
        };
        // SAFETY: the configuration is read during the call.
        Lto { raw: unsafe { ffi::tender_lto_new(&raw const config) }, kept: Vec::new() }
    }

    /// Adds a module. `resolutions` has one byte of flags for each of its symbols, as
    /// `TenderLtoResolution` in the shim.
    ///
    /// # Errors
    /// LLVM's text.
    pub fn add(
        &mut self,
        mut module: Bitcode,
        resolutions: &[u8],
        listener: &dyn Listener,
    ) -> Result<(), String> {
        // SAFETY: the module is alive.
        let symbols = unsafe { ffi::tender_lto_input_symbols(module.raw) };
        assert_eq!(symbols, resolutions.len(), "a resolution for each symbol of {}", module.id);
        let events = ListenerHandle::new(listener);
        let raw = std::mem::replace(&mut module.raw, std::ptr::null_mut());
        self.kept.push((module.content.clone(), module.id.clone()));
        let mut error = ffi::TenderBuffer::EMPTY;
        // SAFETY: the link takes the input; what that refers to is kept; the rest outlives the
        // call.
        let ok = unsafe {
            ffi::tender_lto_add(
                self.raw,
                raw,
                resolutions.as_ptr(),
                resolutions.len(),
                &raw const events.events,
                &raw mut error,
            )
        };
        outcome(ok, Buffer::adopt(error))
    }

    /// Runs the thin link. Returns the machine code of the modules without a summary, which are
    /// merged and optimised as one.
    ///
    /// # Errors
    /// LLVM's text.
    pub fn run(&mut self, listener: &dyn Listener) -> Result<Option<Buffer>, String> {
        let events = ListenerHandle::new(listener);
        let mut error = ffi::TenderBuffer::EMPTY;
        // SAFETY: the link is alive and nobody else has it.
        let ok = unsafe { ffi::tender_lto_run(self.raw, &raw const events.events, &raw mut error) };
        outcome(ok, Buffer::adopt(error))?;
        // SAFETY: as above.
        Ok(Buffer::adopt(unsafe { ffi::tender_lto_merged(self.raw) }))
    }

    /// The ids of the modules with a summary, in the order in which they were added.
    pub fn backends(&self) -> Vec<String> {
        // SAFETY: the link is alive, the index in range, and the ids are kept.
        unsafe {
            (0..ffi::tender_lto_backends(self.raw))
                .map(|index| ffi::tender_lto_backend_id(self.raw, index).to_string())
                .collect()
        }
    }

    /// Optimises one module and its imports. Returns `None` if the module becomes empty.
    ///
    /// # Errors
    /// LLVM's text.
    pub fn backend(&self, index: usize, listener: &dyn Listener) -> Result<Option<Buffer>, String> {
        // SAFETY: the link is alive.
        assert!(
            index < unsafe { ffi::tender_lto_backends(self.raw) },
            "the link has no backend {index}"
        );
        let events = ListenerHandle::new(listener);
        let (mut object, mut error) = (ffi::TenderBuffer::EMPTY, ffi::TenderBuffer::EMPTY);
        // SAFETY: as LLVM's own backends, this reads the link and works in a context of its own.
        let ok = unsafe {
            ffi::tender_lto_backend(
                self.raw,
                index,
                &raw const events.events,
                &raw mut object,
                &raw mut error,
            )
        };
        let object = Buffer::adopt(object);
        outcome(ok, Buffer::adopt(error)).map(|()| object)
    }
}

impl Drop for Lto {
    fn drop(&mut self) {
        // SAFETY: freed once, before what it refers to.
        unsafe { ffi::tender_lto_free(self.raw) }
    }
}

fn outcome(ok: bool, error: Option<Buffer>) -> Result<(), String> {
    if ok {
        Ok(())
    } else {
        Err(text(error).unwrap_or_else(|| "LLVM reported no reason".to_owned()))
    }
}

fn text(error: Option<Buffer>) -> Option<String> {
    error.map(|error| String::from_utf8_lossy(&error).into_owned())
}
