//! clang in process: from driver arguments to a module, and from a module to machine code.

use super::buffer::Buffer;
use super::listener::{Lent, Listen};
use super::{LLVM_PREFIX, ffi};
use inkwell::context::{AsContextRef, Context};
use inkwell::module::Module;
use std::ffi::c_void;
use tender_protocol::Lto;

/// Something went wrong, and the listener has been told what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported;

/// What the driver is asked: its arguments with the action (`-c` or `-E`), and apart from them the
/// two names.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub args: &'a [String],
    pub input: &'a str,
    pub output: &'a str,
}

/// One source file's compile. Used on one thread, from `open` to drop.
pub struct Clang<'a> {
    pub(super) unit: *mut ffi::Clang,
    // The shim refers to the events until the unit is freed.
    _events: Box<Lent<'a>>,
}

/// A precompiled header or module.
pub struct MadeFrom {
    pub file: String,
    /// Each with its time of change when it was read, seconds since the epoch; 0 where that is not
    /// known.
    pub inputs: Vec<(String, i64)>,
}

pub struct Emitted {
    pub object: Buffer,
    /// The `.dwo` and the path that the driver gives it.
    pub dwo: Option<(String, Buffer)>,
}

impl<'a> Clang<'a> {
    /// Parses driver arguments with `-c`. With `lto`, `optimise` stops where a linker goes on, and
    /// `serialise` takes the place of `emit`.
    pub fn open(
        request: Request<'_>,
        lto: Lto,
        listener: &'a dyn Listen,
    ) -> Result<Clang<'a>, Reported> {
        Self::open_for(request, false, lto, listener)
    }

    /// Parses driver arguments with `-E` in place of `-c`, for `preprocess` alone.
    pub fn open_to_preprocess(
        request: Request<'_>,
        listener: &'a dyn Listen,
    ) -> Result<Clang<'a>, Reported> {
        Self::open_for(request, true, Lto::Off, listener)
    }

    fn open_for(
        request: Request<'_>,
        preprocess: bool,
        lto: Lto,
        listener: &'a dyn Listen,
    ) -> Result<Clang<'a>, Reported> {
        let events = Lent::new(listener);
        let program = clang_program();
        let words: Vec<ffi::Str> = request.args.iter().map(|arg| ffi::Str::new(arg)).collect();
        // SAFETY: all strings outlive the call, and the events outlive the unit.
        let unit = unsafe {
            ffi::tender_clang_open(
                ffi::Str::new(&program),
                words.as_ptr(),
                words.len(),
                ffi::Str::new(request.input),
                ffi::Str::new(request.output),
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

    /// What the precompiled headers and modules that the arguments name were made from.
    pub fn precompiled(&self) -> Vec<MadeFrom> {
        extern "C" fn take(context: *mut c_void, file: ffi::Str, input: ffi::Str, mtime_s: i64) {
            // SAFETY: `context` is the vector below, and the strings are valid during the call.
            let (files, file, input) = unsafe {
                (&mut *context.cast::<Vec<MadeFrom>>(), file.to_string(), input.to_string())
            };
            match files.last_mut() {
                Some(last) if last.file == file => last.inputs.push((input, mtime_s)),
                _ => files.push(MadeFrom { file, inputs: vec![(input, mtime_s)] }),
            }
        }
        let mut files: Vec<MadeFrom> = Vec::new();
        // SAFETY: the unit is alive, and `take` is called only during this call.
        unsafe { ffi::tender_clang_precompiled(self.unit, (&raw mut files).cast(), take) };
        files
    }

    /// The unit takes `path` to have changed last at that time, seconds since the epoch. Before it
    /// runs.
    pub fn assume_time(&mut self, path: &str, mtime_s: i64) {
        // SAFETY: the unit is alive, and the path is read during the call.
        unsafe { ffi::tender_clang_assume_time(self.unit, ffi::Str::new(path), mtime_s) }
    }

    /// Source to IR that is not optimised yet. The AST is gone when this returns.
    pub fn translate<'c>(&mut self, context: &'c Context) -> Result<Module<'c>, Reported> {
        // SAFETY: unit and context are alive.
        let module = unsafe { ffi::tender_clang_translate(self.unit, context.as_ctx_ref()) };
        if module.is_null() {
            return Err(Reported);
        }
        // SAFETY: the shim made the module in `context` and gave it up.
        Ok(unsafe { Module::new(module) })
    }

    /// Makes a module that clang did not translate fit the target that the arguments ask for.
    pub fn adopt(&mut self, module: &Module<'_>) -> Result<(), Reported> {
        // SAFETY: unit and module are alive.
        reported(unsafe { ffi::tender_clang_adopt(self.unit, module.as_mut_ptr()) })
    }

    /// Front end only.
    pub fn check(&mut self) -> Result<(), Reported> {
        // SAFETY: the unit is alive.
        reported(unsafe { ffi::tender_clang_check(self.unit) })
    }

    pub fn preprocess(&mut self) -> Result<Buffer, Reported> {
        let mut out = ffi::Buffer::EMPTY;
        // SAFETY: the unit is alive; `out` is written before it is read.
        let ok = unsafe { ffi::tender_clang_preprocess(self.unit, &raw mut out) };
        let out = Buffer::adopt(out).ok_or(Reported)?;
        reported(ok).map(|()| out)
    }

    /// Runs clang's pass pipeline for this unit's options (`clang::emitBackendOutput`).
    pub fn optimise(&mut self, module: &Module<'_>) -> Result<(), Reported> {
        // SAFETY: unit and module are alive, and nobody else uses the module's context.
        reported(unsafe { ffi::tender_clang_optimise(self.unit, module.as_mut_ptr()) })
    }

    /// Machine code for an optimised module (`clang::emitBackendOutput` without passes).
    pub fn emit(&mut self, module: &Module<'_>) -> Result<Emitted, Reported> {
        let (mut object, mut dwo) = (ffi::Buffer::EMPTY, ffi::Buffer::EMPTY);
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
        let mut bitcode = ffi::Buffer::EMPTY;
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

/// Assembles `text`, the input's content after preprocessing where it needed any. The arguments
/// have `-c`.
pub fn assemble(
    request: Request<'_>,
    text: &str,
    listener: &dyn Listen,
) -> Result<Buffer, Reported> {
    let events = Lent::new(listener);
    let program = clang_program();
    let words: Vec<ffi::Str> = request.args.iter().map(|arg| ffi::Str::new(arg)).collect();
    let mut object = ffi::Buffer::EMPTY;
    // SAFETY: all strings and the events outlive the call; `object` is written before it is read.
    let ok = unsafe {
        ffi::tender_assemble(
            ffi::Str::new(&program),
            words.as_ptr(),
            words.len(),
            ffi::Str::new(request.input),
            ffi::Str::new(request.output),
            ffi::Str::new(text),
            &raw const events.events,
            &raw mut object,
        )
    };
    let object = Buffer::adopt(object);
    reported(ok)?;
    object.ok_or(Reported)
}

/// LLVM's own driver by full path: a bare name gives a relative resource directory and wrong GCC
/// search paths.
pub fn clang_program() -> String {
    format!("{LLVM_PREFIX}/bin/clang")
}

fn reported(ok: bool) -> Result<(), Reported> {
    if ok { Ok(()) } else { Err(Reported) }
}
