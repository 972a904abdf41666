//! Headers that are parsed once for several units, and the translation of units with them.

use super::clang::{Clang, Reported};
use super::ffi;
use crate::sharing::{HeaderFacts, NamedScope, Place, Redeclaration, TokenFile, TokenRun, Tokens};
use inkwell::context::{AsContextRef, Context};
use inkwell::module::Module;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

/// A unit after preprocessing.
pub struct Scan {
    handle: *mut ffi::TenderTokens,
    pub tokens: Tokens,
}

// SAFETY: the shim's record is plain data, with nothing of the thread or the clang that made it.
unsafe impl Send for Scan {}

impl Drop for Scan {
    fn drop(&mut self) {
        // SAFETY: the shim made it, and it is freed once.
        unsafe { ffi::tender_tokens_free(self.handle) }
    }
}

/// Headers in parsed form. Any number of units may use them at once.
pub struct SharedHeaders {
    pub facts: HeaderFacts,
    /// Where in `bytes` the precompiled file is.
    range: Range<usize>,
    bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
}

impl SharedHeaders {
    /// `range` of `bytes` is the precompiled file. It must begin at a multiple of 16 of an address
    /// that is one.
    pub fn new(
        facts: HeaderFacts,
        bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
        range: Range<usize>,
    ) -> SharedHeaders {
        SharedHeaders { facts, range, bytes }
    }

    /// The precompiled file.
    pub fn file(&self) -> &[u8] {
        &(*self.bytes).as_ref()[self.range.clone()]
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

    /// Parses the source, which includes headers for several units (`clang::PCHGenerator`), and
    /// instantiates the templates that they use, if it is said (`LangOptions::PCHInstantiateTemplates`).
    ///
    /// # Errors
    /// The source has errors.
    pub fn share_headers(&mut self, instantiate: bool) -> Result<SharedHeaders, Reported> {
        // SAFETY: the unit is alive.
        let handle = unsafe { ffi::tender_shared_headers(self.unit, instantiate) };
        if handle.is_null() {
            return Err(Reported);
        }
        let made = Made(handle);
        // SAFETY: the shim made it, and `made` keeps it and all that it points to alive.
        let (tokens, scopes, names, file) = unsafe {
            let scope = |at| {
                let scope = ffi::tender_shared_headers_scope(made.0, at);
                NamedScope { place: place(&scope.place), id: scope.id }
            };
            let name = |at| ffi::tender_shared_headers_name(made.0, at).to_string();
            (
                read(ffi::tender_shared_headers_tokens(made.0)),
                (0..ffi::tender_shared_headers_scopes(made.0)).map(scope).collect(),
                (0..ffi::tender_shared_headers_names(made.0)).map(name).collect(),
                ffi::tender_shared_headers_file(made.0).as_bytes().to_vec(),
            )
        };
        let names = instantiate.then_some(names);
        let facts = HeaderFacts { tokens, scopes, names, ..HeaderFacts::default() };
        let range = 0..file.len();
        Ok(SharedHeaders::new(facts, Arc::new(file), range))
    }

    /// As `translate`, and puts the module in an order that depends on the unit alone. With headers,
    /// which the unit must include first, they are not parsed again. Returns also the tokens that
    /// were; if they have a template input, the module is not whole.
    ///
    /// # Errors
    /// The source has errors.
    pub fn translate_in_order<'c>(
        &mut self,
        context: &'c Context,
        shared: Option<(&Scan, &SharedHeaders)>,
    ) -> Result<(Module<'c>, Tokens), Reported> {
        let scopes: Vec<ffi::TenderNamedScope> = shared
            .map_or(Vec::new(), |(_, headers)| headers.facts.scopes.iter().map(scope).collect());
        let names = shared.and_then(|(_, headers)| headers.facts.names.as_ref());
        let instantiated = names.is_some();
        let names: Vec<ffi::TenderStr> =
            names.into_iter().flatten().map(|name| ffi::TenderStr::new(name)).collect();
        let headers = shared.map(|(_, headers)| ffi::TenderHeaders {
            source: ffi::TenderStr::new(&headers.facts.source),
            text: ffi::TenderStr::new(&headers.facts.text),
            file: ffi::TenderStr::bytes(headers.file()),
            scopes: scopes.as_ptr(),
            scope_count: scopes.len(),
            instantiated,
            names: names.as_ptr(),
            name_count: names.len(),
        });
        let scan = shared.map_or(ptr::null(), |(scan, _)| scan.handle.cast_const());
        let mut rest = ptr::null_mut();
        // SAFETY: unit, context, tokens and headers are alive; `rest` is written if there is a module.
        let module = unsafe {
            ffi::tender_clang_translate_in_order(
                self.unit,
                context.as_ctx_ref(),
                scan,
                headers.as_ref().map_or(ptr::null(), ptr::from_ref),
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

/// Headers as the shim has made them.
struct Made(*mut ffi::TenderSharedHeaders);

impl Drop for Made {
    fn drop(&mut self) {
        // SAFETY: the shim made it, and it is freed once.
        unsafe { ffi::tender_shared_headers_free(self.0) }
    }
}

/// # Safety
/// The string must be alive.
unsafe fn place(place: &ffi::TenderPlace) -> Place {
    // SAFETY: as the caller promises.
    Place { file: unsafe { place.file.to_string() }, offset: place.offset }
}

fn scope(scope: &NamedScope) -> ffi::TenderNamedScope {
    let Place { file, offset } = &scope.place;
    let place = ffi::TenderPlace { file: ffi::TenderStr::new(file), offset: *offset };
    ffi::TenderNamedScope { place, id: scope.id }
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
        let redeclaration = |at| {
            let found = ffi::tender_tokens_redeclaration(handle, at);
            Redeclaration { first: place(&found.first), later: place(&found.later) }
        };
        let searched = 0..ffi::tender_tokens_searched(handle);
        let mut tokens = Tokens::new(
            (0..ffi::tender_tokens_files(handle)).map(file).collect(),
            (0..ffi::tender_tokens_runs(handle)).map(run).collect(),
            searched.map(|at| ffi::tender_tokens_directory(handle, at).to_string()).collect(),
        );
        tokens.shows_places = ffi::tender_tokens_show_places(handle);
        let input = ffi::tender_tokens_template_input(handle).to_string();
        tokens.template_input = Some(input).filter(|name| !name.is_empty());
        let redeclarations = 0..ffi::tender_tokens_redeclarations(handle);
        tokens.redeclarations = redeclarations.map(redeclaration).collect();
        tokens
    }
}
