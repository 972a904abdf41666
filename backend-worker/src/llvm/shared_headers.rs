//! Headers that are parsed once for several units, and the translation of units with them.

use super::clang::{Clang, Reported};
use super::ffi;
use crate::sharing::{TokenFile, TokenRun, Tokens};
use inkwell::context::{AsContextRef, Context};
use inkwell::module::Module;
use std::ptr;

/// A unit after preprocessing.
pub struct Scan {
    handle: *mut ffi::TenderTokens,
    pub tokens: Tokens,
}

impl Drop for Scan {
    fn drop(&mut self) {
        // SAFETY: the shim made it, and it is freed once.
        unsafe { ffi::tender_tokens_free(self.handle) }
    }
}

/// Headers in parsed form. Any number of units may use them at once.
pub struct SharedHeaders {
    handle: *mut ffi::TenderSharedHeaders,
    pub tokens: Tokens,
}

// SAFETY: nothing changes it until it is freed.
unsafe impl Send for SharedHeaders {}
// SAFETY: as above.
unsafe impl Sync for SharedHeaders {}

impl SharedHeaders {
    /// The size in bytes.
    pub fn size(&self) -> usize {
        // SAFETY: it is alive.
        unsafe { ffi::tender_shared_headers_size(self.handle) }
    }
}

impl Drop for SharedHeaders {
    fn drop(&mut self) {
        // SAFETY: the shim made it, and it is freed once.
        unsafe { ffi::tender_shared_headers_free(self.handle) }
    }
}

impl Clang<'_> {
    /// Preprocesses the source, and records its tokens by file.
    ///
    /// # Errors
    /// The source has errors.
    pub fn scan_tokens(&mut self) -> Result<Scan, Reported> {
        // SAFETY: the unit is alive.
        let handle = unsafe { ffi::tender_tokens_scan(self.unit) };
        if handle.is_null() {
            return Err(Reported);
        }
        // SAFETY: the shim made it.
        let tokens = unsafe { read(handle) };
        Ok(Scan { handle, tokens })
    }

    /// Parses the source, which includes headers for several units (`clang::PCHGenerator`).
    ///
    /// # Errors
    /// The source has errors.
    pub fn share_headers(&mut self) -> Result<SharedHeaders, Reported> {
        // SAFETY: the unit is alive.
        let handle = unsafe { ffi::tender_shared_headers(self.unit) };
        if handle.is_null() {
            return Err(Reported);
        }
        // SAFETY: the shim made it, and the tokens live as long.
        let tokens = unsafe { read(ffi::tender_shared_headers_tokens(handle)) };
        Ok(SharedHeaders { handle, tokens })
    }

    /// As `translate`, and puts the module in an order that depends on the unit alone. With headers,
    /// which the unit must include first, they are not parsed again. Returns also the tokens that
    /// were.
    ///
    /// # Errors
    /// The source has errors.
    pub fn translate_in_order<'c>(
        &mut self,
        context: &'c Context,
        shared: Option<(&Scan, &SharedHeaders)>,
    ) -> Result<(Module<'c>, Tokens), Reported> {
        let (scan, headers) = shared.map_or((ptr::null(), ptr::null()), |(scan, headers)| {
            (scan.handle.cast_const(), headers.handle.cast_const())
        });
        let mut rest = ptr::null_mut();
        // SAFETY: unit, context, tokens and headers are alive; `rest` is written if there is a module.
        let module = unsafe {
            ffi::tender_clang_translate_in_order(
                self.unit,
                context.as_ctx_ref(),
                scan,
                headers,
                &raw mut rest,
            )
        };
        if module.is_null() {
            return Err(Reported);
        }
        // SAFETY: the shim made both and gave them up.
        unsafe {
            let tokens = read(rest);
            ffi::tender_tokens_free(rest);
            Ok((Module::new(module), tokens))
        }
    }
}

/// # Safety
/// `handle` must be the shim's, and alive.
unsafe fn read(handle: *const ffi::TenderTokens) -> Tokens {
    // SAFETY: as the caller promises; the indices are those that there are.
    unsafe {
        let file = |at| {
            let file = ffi::tender_tokens_file(handle, at);
            TokenFile {
                name: file.name.to_string(),
                spelled: file.spelled.to_string(),
                includer: file.includer as usize,
                system: file.system,
                leaves_state: file.leaves_state,
                entries: file.entries,
                tokens: file.tokens,
                hash: file.hash,
                statements: file.statements,
            }
        };
        let run = |at| {
            let ffi::TenderTokenRun { file, offset, tokens } = ffi::tender_tokens_run(handle, at);
            TokenRun { file: file as usize, offset, tokens }
        };
        Tokens::new(
            (0..ffi::tender_tokens_files(handle)).map(file).collect(),
            (0..ffi::tender_tokens_runs(handle)).map(run).collect(),
            (0..ffi::tender_tokens_searched(handle))
                .map(|at| ffi::tender_tokens_directory(handle, at).to_string())
                .collect(),
        )
    }
}
