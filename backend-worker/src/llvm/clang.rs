//! Runs clang in this process: driver arguments to a module, and a module to machine code.

use super::buffer::Buffer;
use super::listener::{Listener, ListenerHandle};
use super::{LLVM_PREFIX, ffi};
use inkwell::context::{AsContextRef, Context};
use inkwell::module::Module;
use std::ffi::c_void;
use tender_protocol::Lto;

/// An error that was reported to the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported;

/// The driver's arguments with the action (`-c` or `-E`), and, apart from them, input and output.
#[derive(Clone, Copy)]
pub struct ClangRequest<'a> {
    pub args: &'a [String],
    pub input: &'a str,
    pub output: &'a str,
}

/// The compile of one source file. Used on one thread, from `open` to drop.
pub struct Clang<'a> {
    pub(super) unit: *mut ffi::TenderClang,
    // The shim uses the events until the unit is freed.
    _events: Box<ListenerHandle<'a>>,
}

/// A precompiled header or module and its sources.
pub struct PrecompiledFile {
    pub file: String,
    /// The sources, each with its modification time when it was read, seconds since the epoch; 0 if
    /// unknown.
    pub inputs: Vec<(String, i64)>,
}

/// Machine code of a module.
pub struct Emitted {
    pub object: Buffer,
    /// The `.dwo` and its path, if debug information is split.
    pub dwo: Option<(String, Buffer)>,
}

impl<'a> Clang<'a> {
    /// Parses driver arguments with `-c`. With `lto`, `optimise` runs only the passes before the
    /// link, and `serialise` replaces `emit`.
    ///
    /// # Errors
    /// The arguments are wrong or not supported.
    pub fn open(
        request: ClangRequest<'_>,
        lto: Lto,
        listener: &'a dyn Listener,
    ) -> Result<Clang<'a>, Reported> {
        Self::open_for(request, false, lto, listener)
    }

    /// Parses driver arguments with `-E`, only for `preprocess`.
    ///
    /// # Errors
    /// The arguments are wrong or not supported.
    pub fn open_to_preprocess(
        request: ClangRequest<'_>,
        listener: &'a dyn Listener,
    ) -> Result<Clang<'a>, Reported> {
        Self::open_for(request, true, Lto::Off, listener)
    }

    fn open_for(
        request: ClangRequest<'_>,
        preprocess: bool,
        lto: Lto,
        listener: &'a dyn Listener,
    ) -> Result<Clang<'a>, Reported> {
        let events = ListenerHandle::new(listener);
        let program = clang_program();
        let words: Vec<ffi::TenderStr> =
            request.args.iter().map(|arg| ffi::TenderStr::new(arg)).collect();
        // SAFETY: all strings outlive the call, and the events outlive the unit.
        let unit = unsafe {
            ffi::tender_clang_open(
                ffi::TenderStr::new(&program),
                words.as_ptr(),
                words.len(),
                ffi::TenderStr::new(request.input),
                ffi::TenderStr::new(request.output),
                preprocess,
                match lto {
                    Lto::Off => 0,
                    Lto::ThinLocal | Lto::Thin => 1,
                    Lto::Fat => 2,
                },
                &raw const events.events,
            )
        };
        if unit.is_null() { Err(Reported) } else { Ok(Clang { unit, _events: events }) }
    }

    /// The precompiled headers and modules that the arguments name.
    pub fn precompiled(&self) -> Vec<PrecompiledFile> {
        extern "C" fn take(
            context: *mut c_void,
            file: ffi::TenderStr,
            input: ffi::TenderStr,
            mtime_s: i64,
        ) {
            // SAFETY: `context` is the vector below, and the strings are valid during the call.
            let (files, file, input) = unsafe {
                (&mut *context.cast::<Vec<PrecompiledFile>>(), file.to_string(), input.to_string())
            };
            match files.last_mut() {
                Some(last) if last.file == file => last.inputs.push((input, mtime_s)),
                _ => files.push(PrecompiledFile { file, inputs: vec![(input, mtime_s)] }),
            }
        }
        let mut files: Vec<PrecompiledFile> = Vec::new();
        // SAFETY: the unit is alive, and `take` is called only during this call.
        unsafe { ffi::tender_clang_precompiled(self.unit, (&raw mut files).cast(), take) };
        files
    }

    /// Makes clang see this modification time for `path`, seconds since the epoch. Call it before
    /// the unit runs.
    pub fn assume_time(&mut self, path: &str, mtime_s: i64) {
        // SAFETY: the unit is alive, and the path is read during the call.
        unsafe { ffi::tender_clang_assume_time(self.unit, ffi::TenderStr::new(path), mtime_s) }
    }

    /// Makes clang see this text in place of the input, which need not exist. Call it before the
    /// unit runs.
    pub fn assume_text(&mut self, text: &str) {
        // SAFETY: the unit is alive, and the text is copied during the call.
        unsafe { ffi::tender_clang_assume_text(self.unit, ffi::TenderStr::new(text)) }
    }

    /// Translates the source to IR without optimising it. The AST is freed when this returns.
    ///
    /// # Errors
    /// The source has errors.
    pub fn translate<'c>(&mut self, context: &'c Context) -> Result<Module<'c>, Reported> {
        // SAFETY: unit and context are alive.
        let module = unsafe { ffi::tender_clang_translate(self.unit, context.as_ctx_ref()) };
        if module.is_null() {
            return Err(Reported);
        }
        // SAFETY: the shim made the module in `context` and gave it up.
        Ok(unsafe { Module::new(module) })
    }

    /// Sets a module that clang did not translate up for the target of the arguments.
    ///
    /// # Errors
    /// clang has no such target.
    pub fn adopt(&mut self, module: &Module<'_>) -> Result<(), Reported> {
        // SAFETY: unit and module are alive.
        reported(unsafe { ffi::tender_clang_adopt(self.unit, module.as_mut_ptr()) })
    }

    /// Runs only the front end.
    ///
    /// # Errors
    /// The source has errors.
    pub fn check(&mut self) -> Result<(), Reported> {
        // SAFETY: the unit is alive.
        reported(unsafe { ffi::tender_clang_check(self.unit) })
    }

    /// Preprocesses the source.
    ///
    /// # Errors
    /// The source has errors.
    pub fn preprocess(&mut self) -> Result<Buffer, Reported> {
        let mut out = ffi::TenderBuffer::EMPTY;
        // SAFETY: the unit is alive; `out` is written before it is read.
        let ok = unsafe { ffi::tender_clang_preprocess(self.unit, &raw mut out) };
        let out = Buffer::adopt(out).ok_or(Reported)?;
        reported(ok).map(|()| out)
    }

    /// Runs clang's pass pipeline for this unit's options (`clang::emitBackendOutput`).
    ///
    /// # Errors
    /// A pass reported an error.
    pub fn optimise(&mut self, module: &Module<'_>) -> Result<(), Reported> {
        // SAFETY: unit and module are alive, and no other thread uses the module's context.
        reported(unsafe { ffi::tender_clang_optimise(self.unit, module.as_mut_ptr()) })
    }

    /// Emits machine code for an optimised module (`clang::emitBackendOutput` without passes).
    ///
    /// # Errors
    /// The code generator reported an error.
    pub fn emit(&mut self, module: &Module<'_>) -> Result<Emitted, Reported> {
        let (mut object, mut dwo) = (ffi::TenderBuffer::EMPTY, ffi::TenderBuffer::EMPTY);
        // SAFETY: as in `optimise`; the buffers are written before they are read.
        let ok = unsafe {
            ffi::tender_clang_emit(self.unit, module.as_mut_ptr(), &raw mut object, &raw mut dwo)
        };
        let (object, dwo) = (Buffer::adopt(object), Buffer::adopt(dwo));
        reported(ok)?;
        // SAFETY: the path lives as long as the unit.
        let path = unsafe { ffi::tender_clang_dwo_path(self.unit).to_string() };
        Ok(Emitted { object: object.ok_or(Reported)?, dwo: dwo.map(|bytes| (path, bytes)) })
    }
}

impl Clang<'_> {
    /// Bitcode of an optimised module for link-time optimisation, with a summary for ThinLTO
    /// (`llvm::ThinLTOBitcodeWriterPass`).
    pub fn serialise(&mut self, module: &Module<'_>) -> Buffer {
        let mut bitcode = ffi::TenderBuffer::EMPTY;
        // SAFETY: unit and module are alive; the buffer is written before it is read.
        unsafe { ffi::tender_clang_serialise(self.unit, module.as_mut_ptr(), &raw mut bitcode) };
        Buffer::adopt(bitcode).expect("bitcode is never empty")
    }
}

impl Drop for Clang<'_> {
    fn drop(&mut self) {
        // SAFETY: the unit is freed once, before its events.
        unsafe { ffi::tender_clang_free(self.unit) }
    }
}

/// Assembles `text`, the input's content, preprocessed if needed. The arguments have `-c`.
///
/// # Errors
/// The arguments are not supported, or the text has errors.
pub fn assemble(
    request: ClangRequest<'_>,
    text: &str,
    listener: &dyn Listener,
) -> Result<Buffer, Reported> {
    let events = ListenerHandle::new(listener);
    let program = clang_program();
    let words: Vec<ffi::TenderStr> =
        request.args.iter().map(|arg| ffi::TenderStr::new(arg)).collect();
    let mut object = ffi::TenderBuffer::EMPTY;
    // SAFETY: all strings and the events outlive the call; `object` is written before it is read.
    let ok = unsafe {
        ffi::tender_assemble(
            ffi::TenderStr::new(&program),
            words.as_ptr(),
            words.len(),
            ffi::TenderStr::new(request.input),
            ffi::TenderStr::new(request.output),
            ffi::TenderStr::new(text),
            &raw const events.events,
            &raw mut object,
        )
    };
    let object = Buffer::adopt(object);
    reported(ok)?;
    object.ok_or(Reported)
}

/// The full path of LLVM's own driver. With a bare name, clang would use a relative resource
/// directory and wrong GCC search paths.
pub fn clang_program() -> String {
    format!("{LLVM_PREFIX}/bin/clang")
}

fn reported(ok: bool) -> Result<(), Reported> {
    if ok { Ok(()) } else { Err(Reported) }
}
