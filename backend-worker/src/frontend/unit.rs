//! One source file, from translation to machine code, whatever its language.

use super::flags::refused;
use super::inputs::{Inputs, StampCache};
use crate::llvm::{Buffer, Clang, Context, Emitted, Listen, Module, Reported, Request, assemble, parse};
use std::cell::RefCell;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use tender_protocol::{Diagnostic, FileStamp, InputFile, Language, Level, PhaseName};

/// Is told of a unit's course, on the unit's thread. Times are the caller's business.
pub trait Watch {
    fn diagnostic(&self, diagnostic: Diagnostic);
    /// `phase` begins now; the one before it has ended.
    fn enter(&self, phase: PhaseName);
    /// LLVM modules in memory: one more, or one less.
    fn live_modules(&self, change: i32);
}

pub struct Unit<'a> {
    pub source: &'a str,
    pub language: Language,
    /// Driver arguments without program, input, `-c`, `-o`.
    pub args: &'a [String],
    /// Where the object goes: the driver derives other names from it.
    pub object: &'a str,
}

/// What a unit left: its result, and in every case what it read and what it looked for in vain.
pub struct Left<T> {
    pub result: Result<T, Reported>,
    pub inputs: Vec<InputFile>,
    pub missing: Vec<String>,
}

impl Unit<'_> {
    pub fn compile(&self, cache: &StampCache, watch: &dyn Watch) -> Left<Emitted> {
        self.listened(cache, watch, |ear| match self.language {
            Language::C | Language::Cxx => self.compile_c(ear),
            Language::LlvmIr | Language::Bitcode => self.compile_ir(ear),
            Language::Assembly | Language::AssemblyWithCpp => self.assemble(ear),
        })
    }

    /// The front end alone.
    pub fn check(&self, cache: &StampCache, watch: &dyn Watch) -> Left<()> {
        self.listened(cache, watch, |ear| match self.language {
            Language::C | Language::Cxx => {
                ear.watch.enter(PhaseName::Translate);
                Clang::open(self.request(&self.driver_args(self.language, "-c")), ear)?.check()
            }
            Language::LlvmIr | Language::Bitcode => {
                ear.watch.enter(PhaseName::Translate);
                let content = self.read_source(ear)?;
                self.parse_ir(&Context::create(), &content, ear).map(drop)
            }
            Language::Assembly | Language::AssemblyWithCpp => self.assemble(ear).map(drop),
        })
    }

    pub fn preprocess(&self, cache: &StampCache, watch: &dyn Watch) -> Left<Buffer> {
        self.listened(cache, watch, |ear| {
            ear.watch.enter(PhaseName::Translate);
            self.preprocessed(ear)
        })
    }

    fn listened<T>(
        &self,
        cache: &StampCache,
        watch: &dyn Watch,
        work: impl FnOnce(&Ear<'_>) -> Result<T, Reported>,
    ) -> Left<T> {
        let ear = Ear { watch, cache, inputs: RefCell::default() };
        let result = match refused(self.args) {
            Some((flag, reason)) => {
                Err(ear.error(self.source, format!("the flag `{flag}` is not supported: {reason}")))
            }
            None => work(&ear),
        };
        let (inputs, missing) = ear.inputs.into_inner().finish(cache);
        Left { result, inputs, missing }
    }

    fn compile_c(&self, ear: &Ear<'_>) -> Result<Emitted, Reported> {
        ear.watch.enter(PhaseName::Translate);
        let context = Context::create();
        let mut clang = Clang::open(self.request(&self.driver_args(self.language, "-c")), ear)?;
        let module = clang.translate(&context)?;
        let _live = Live::new(ear.watch);
        backend(&mut clang, &module, ear)
    }

    fn compile_ir(&self, ear: &Ear<'_>) -> Result<Emitted, Reported> {
        ear.watch.enter(PhaseName::Translate);
        let content = self.read_source(ear)?;
        let context = Context::create();
        let mut clang = Clang::open(self.request(&self.driver_args(self.language, "-c")), ear)?;
        let module = self.parse_ir(&context, &content, ear)?;
        let _live = Live::new(ear.watch);
        clang.adopt(&module)?;
        backend(&mut clang, &module, ear)
    }

    fn assemble(&self, ear: &Ear<'_>) -> Result<Emitted, Reported> {
        ear.watch.enter(PhaseName::Translate);
        let text = match self.language {
            Language::AssemblyWithCpp => self.preprocessed(ear)?.to_vec(),
            _ => self.read_source(ear)?,
        };
        ear.watch.enter(PhaseName::Emit);
        let text = String::from_utf8(text)
            .map_err(|_| ear.error(self.source, "the assembly file is not UTF-8".to_owned()))?;
        let object = assemble(self.request(&self.driver_args(Language::Assembly, "-c")), &text, ear)?;
        Ok(Emitted { object, dwo: None })
    }

    fn preprocessed(&self, ear: &Ear<'_>) -> Result<Buffer, Reported> {
        Clang::open_to_preprocess(self.request(&self.driver_args(self.language, "-E")), ear)?.preprocess()
    }

    fn parse_ir<'c>(
        &self,
        context: &'c Context,
        content: &[u8],
        ear: &Ear<'_>,
    ) -> Result<Module<'c>, Reported> {
        parse(context, content, self.source).map_err(|text| {
            ear.watch.diagnostic(ir_error(self.source, &text));
            Reported
        })
    }

    fn read_source(&self, ear: &Ear<'_>) -> Result<Vec<u8>, Reported> {
        let read = || -> std::io::Result<(Vec<u8>, FileStamp)> {
            let mut file = std::fs::File::open(self.source)?;
            let stamp = stamp(&file.metadata()?);
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            Ok((content, stamp))
        };
        match read() {
            Ok((content, stamp)) => {
                ear.read(self.source, stamp, Some(&content));
                Ok(content)
            }
            Err(why) => Err(ear.error(self.source, format!("cannot read the file: {why}"))),
        }
    }

    fn request<'r>(&'r self, args: &'r [String]) -> Request<'r> {
        Request { args, input: self.source, output: self.object }
    }

    /// The plan's arguments with what the worker decides.
    fn driver_args(&self, language: Language, action: &str) -> Vec<String> {
        let mut args = self.args.to_vec();
        let (name, unused) = match language {
            Language::C => ("c", false),
            Language::Cxx => ("c++", false),
            Language::LlvmIr | Language::Bitcode => ("ir", true),
            Language::Assembly => ("assembler", true),
            Language::AssemblyWithCpp => ("assembler-with-cpp", true),
        };
        if unused {
            // A crate has one list of flags for all its units; what means nothing to this language is no news.
            args.push("-Qunused-arguments".to_owned());
        }
        args.extend([action, "-x", name].map(str::to_owned));
        args
    }
}

/// The two steps after translation.
fn backend(clang: &mut Clang<'_>, module: &Module<'_>, ear: &Ear<'_>) -> Result<Emitted, Reported> {
    ear.watch.enter(PhaseName::Optimise);
    clang.optimise(module)?;
    ear.watch.enter(PhaseName::Emit);
    clang.emit(module)
}

/// Size and time of a file as the protocol has them.
pub fn stamp(metadata: &std::fs::Metadata) -> FileStamp {
    FileStamp { size: metadata.len(), mtime_ns: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec() }
}

/// LLVM's text on a module that it cannot parse: for textual IR `FILE:LINE:COLUMN: error: MESSAGE` and the line.
fn ir_error(file: &str, text: &str) -> Diagnostic {
    let text = text.trim_end();
    let parsed = text.strip_prefix(file).and_then(|rest| {
        let mut parts = rest.strip_prefix(':')?.splitn(3, ':');
        let (line, column) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (first, shown) = parts.next()?.split_once('\n').unwrap_or_default();
        Some((line, column, first.trim().trim_start_matches("error:").trim().to_owned(), shown.to_owned()))
    });
    match parsed {
        Some((line, column, message, shown)) => {
            let first = plain_error(Some(&format!("{file}:{line}:{column}")), message.clone()).rendered;
            let (file, rendered) = (Some(file.to_owned()), format!("{first}{shown}\n"));
            Diagnostic { level: Level::Error, message, file, line, column, rendered }
        }
        None => plain_error(Some(file), text.trim_start_matches("error:").trim().to_owned()),
    }
}

/// Passes clang's events on, and collects what was read.
struct Ear<'a> {
    watch: &'a dyn Watch,
    cache: &'a StampCache,
    inputs: RefCell<Inputs>,
}

impl Ear<'_> {
    fn error(&self, file: &str, message: String) -> Reported {
        self.watch.diagnostic(plain_error(Some(file), message));
        Reported
    }
}

/// An error of ours in the look of clang's.
pub fn plain_error(file: Option<&str>, message: String) -> Diagnostic {
    let place = file.map(|file| format!("\x1b[1m{file}: \x1b[0m")).unwrap_or_default();
    let rendered = format!("{place}\x1b[0;1;31merror: \x1b[0m\x1b[1m{message}\x1b[0m\n");
    Diagnostic { level: Level::Error, message, file: file.map(str::to_owned), line: 0, column: 0, rendered }
}

impl Listen for Ear<'_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        self.watch.diagnostic(diagnostic);
    }

    fn read(&self, path: &str, stamp: FileStamp, content: Option<&[u8]>) {
        self.inputs.borrow_mut().read(self.cache, path, stamp, content);
    }

    fn missing(&self, path: &str) {
        self.inputs.borrow_mut().missing(path);
    }
}

/// Counts a module as live until it is dropped; declared after the module, it goes first.
struct Live<'a>(&'a dyn Watch);

impl<'a> Live<'a> {
    fn new(watch: &'a dyn Watch) -> Live<'a> {
        watch.live_modules(1);
        Live(watch)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.live_modules(-1);
    }
}
