//! One source file, from translation to machine code or bitcode, whatever its language: whole, or
//! in pieces.

use super::flags::refused;
use super::inputs::{Inputs, Reads, StampCache};
use super::modules::Modules;
use crate::llvm::{
    self, Buffer, Clang, Context, CutModule, Cutting, Emitted, Listen, MadeFrom, Module, Reported,
    Request, WaitingModule, assemble, parse,
};
use std::cell::RefCell;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use tender_protocol::{
    Cut, Diagnostic, FileStamp, FileTime, Language, Level, Lto, PhaseName, Precompiled,
};

/// Is told of a unit's course, on the unit's thread. Times are the caller's business.
pub trait Watch {
    fn diagnostic(&self, diagnostic: Diagnostic);
    /// `phase` begins now; the one before it has ended.
    fn enter(&self, phase: PhaseName);
    /// LLVM modules in memory: one more, or one less.
    fn live_modules(&self, change: i32);
    /// The front end is over, and what it needed is free. The back end follows on this thread.
    fn translated(&self) {}
    /// Link-time optimisation read a file, which only assembly in a module makes it do. A unit says
    /// of itself what it reads.
    fn read(&self, _path: &str, _stamp: FileStamp, _content: Option<&[u8]>) {}
    /// As `read`: a path was looked for in vain.
    fn missing(&self, _path: &str) {}
}

pub struct Unit<'a> {
    pub source: &'a str,
    pub language: Language,
    /// Driver arguments without program, input, `-c`, `-o`.
    pub args: &'a [String],
    /// Where the object goes: the driver derives other names from it.
    pub object: &'a str,
    pub lto: Lto,
    /// Precompiled files that are what they would be if they were made now.
    pub settled: &'a [String],
}

/// What is wanted of a unit's beginning.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// How it may be cut.
    pub cut: Option<&'a Cut>,
    /// Stop after translation in every case.
    pub translate_only: bool,
}

/// What a unit's beginning gave.
pub enum Begun {
    Code(Code),
    Modules(Modules),
}

/// What a module became.
pub enum Code {
    Object(Emitted),
    /// For link-time optimisation.
    Bitcode(Buffer),
}

impl Code {
    /// Bytes.
    pub fn size(&self) -> u64 {
        let size = match self {
            Code::Object(emitted) => {
                emitted.object.len() + emitted.dwo.as_ref().map_or(0, |(_, dwo)| dwo.len())
            }
            Code::Bitcode(module) => module.len(),
        };
        size as u64
    }
}

/// What a unit left: its result, and in every case what it depends on.
pub struct Left<T> {
    pub result: Result<T, Reported>,
    pub reads: Reads,
}

impl Unit<'_> {
    pub fn begin(&self, plan: Plan<'_>, cache: &StampCache, watch: &dyn Watch) -> Left<Begun> {
        self.listened(cache, watch, |ear| match self.language {
            Language::C | Language::Cxx => self.begin_c(plan, ear),
            Language::LlvmIr | Language::Bitcode => self.begin_ir(plan, ear),
            Language::Assembly | Language::AssemblyWithCpp => {
                self.assemble(ear).map(|object| Begun::Code(Code::Object(object)))
            }
        })
    }

    /// Makes code of one of the modules that the beginning left. May run on any thread, beside
    /// others.
    pub fn piece(
        &self,
        modules: &Modules,
        index: u32,
        cache: &StampCache,
        watch: &dyn Watch,
    ) -> Left<Code> {
        self.listened(cache, watch, |ear| self.finish_piece(modules, index, ear))
    }

    fn finish_piece(&self, modules: &Modules, index: u32, ear: &Ear<'_>) -> Result<Code, Reported> {
        ear.watch.enter(PhaseName::Optimise);
        let context = Context::create();
        let mut clang =
            Clang::open(self.request(&self.driver_args(self.language, "-c")), self.lto, ear)?;
        let module = modules.read(&context, index, self.source);
        let module = module.map_err(|why| ear.error(self.source, why))?;
        let _live = Live::new(ear.watch);
        modules.adopted_by(&mut clang, &module)?;
        self.backend(&mut clang, &module, modules.cut().map(|cut| (cut, index)), ear)
    }

    /// The front end alone.
    pub fn check(&self, cache: &StampCache, watch: &dyn Watch) -> Left<()> {
        self.listened(cache, watch, |ear| match self.language {
            Language::C | Language::Cxx => {
                ear.watch.enter(PhaseName::Translate);
                let mut clang = Clang::open(
                    self.request(&self.driver_args(self.language, "-c")),
                    Lto::Off,
                    ear,
                )?;
                self.precompiled(&mut clang, ear);
                clang.check()
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
        Left { result, reads: ear.inputs.into_inner().finish(cache) }
    }

    fn begin_c(&self, plan: Plan<'_>, ear: &Ear<'_>) -> Result<Begun, Reported> {
        ear.watch.enter(PhaseName::Translate);
        let context = Context::create();
        let mut clang =
            Clang::open(self.request(&self.driver_args(self.language, "-c")), self.lto, ear)?;
        self.precompiled(&mut clang, ear);
        let module = clang.translate(&context)?;
        let live = Live::new(ear.watch);
        self.translated(clang, module, live, plan, ear)
    }

    fn begin_ir(&self, plan: Plan<'_>, ear: &Ear<'_>) -> Result<Begun, Reported> {
        ear.watch.enter(PhaseName::Translate);
        let content = self.read_source(ear)?;
        let context = Context::create();
        let mut clang =
            Clang::open(self.request(&self.driver_args(self.language, "-c")), self.lto, ear)?;
        let module = self.parse_ir(&context, &content, ear)?;
        let live = Live::new(ear.watch);
        clang.adopt(&module)?;
        self.translated(clang, module, live, plan, ear)
    }

    /// Goes on with a translated module, or keeps it as bitcode for others to go on with.
    fn translated(
        &self,
        mut clang: Clang<'_>,
        mut module: Module<'_>,
        live: Live<'_>,
        plan: Plan<'_>,
        ear: &Ear<'_>,
    ) -> Result<Begun, Reported> {
        if let Some(cut) = plan.cut
            && llvm::may_be_cut(&clang, &module, cut)
        {
            ear.watch.enter(PhaseName::Cut);
            match llvm::cut(&clang, module, cut) {
                Cutting::Cut(pieces) => return Ok(Begun::Modules(Modules::Cut(pieces))),
                Cutting::Whole(whole, _) => module = whole,
            }
        }
        if plan.translate_only {
            return Ok(Begun::Modules(Modules::Whole(WaitingModule::of(&clang, &module))));
        }
        ear.watch.translated();
        if !self.lto.is_off() {
            // Bitcode tells whether its module has been through bitcode before (in the order of
            // metadata, for one), and its hash becomes part of symbols. So it has been in every
            // form of translation.
            let modules = Modules::Whole(WaitingModule::of(&clang, &module));
            drop((module, live, clang));
            return self.finish_piece(&modules, 0, ear).map(Begun::Code);
        }
        self.backend(&mut clang, &module, None, ear).map(Begun::Code)
    }

    /// The two steps after translation. `piece` is which one of a cut the module is.
    fn backend(
        &self,
        clang: &mut Clang<'_>,
        module: &Module<'_>,
        piece: Option<(&CutModule, u32)>,
        ear: &Ear<'_>,
    ) -> Result<Code, Reported> {
        ear.watch.enter(PhaseName::Optimise);
        clang.optimise(module)?;
        if self.lto.is_off() {
            if let Some((cut, index)) = piece {
                clang.prepare_piece(cut, index as usize, module);
            }
            ear.watch.enter(PhaseName::Emit);
            clang.emit(module).map(Code::Object)
        } else {
            ear.watch.enter(PhaseName::Serialise);
            Ok(Code::Bitcode(clang.serialise(module)))
        }
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
        let object =
            assemble(self.request(&self.driver_args(Language::Assembly, "-c")), &text, ear)?;
        Ok(Emitted { object, dwo: None })
    }

    fn preprocessed(&self, ear: &Ear<'_>) -> Result<Buffer, Reported> {
        let mut clang =
            Clang::open_to_preprocess(self.request(&self.driver_args(self.language, "-E")), ear)?;
        self.precompiled(&mut clang, ear);
        clang.preprocess()
    }

    /// What precompiled files were made from counts as read. clang compares times, so it is told
    /// the old ones where the contents are known to be the same.
    fn precompiled(&self, clang: &mut Clang<'_>, ear: &Ear<'_>) {
        for made in clang.precompiled() {
            let settled = self.settled.iter().any(|path| is_same_file(path, &made.file));
            if settled {
                made.inputs.iter().for_each(|(path, mtime_s)| clang.assume_time(path, *mtime_s));
            }
            let current = settled || is_current(&made);
            for (path, _) in &made.inputs {
                match std::fs::metadata(path) {
                    Ok(metadata) => ear.read(path, stamp(&metadata), None),
                    Err(_) => ear.missing(path),
                }
            }
            let made_from = made.inputs.into_iter().map(|(path, _)| path).collect();
            ear.inputs.borrow_mut().precompiled(Precompiled {
                path: made.file,
                made_from,
                current,
            });
        }
    }

    fn parse_ir<'c>(
        &self,
        context: &'c Context,
        content: &[u8],
        ear: &Ear<'_>,
    ) -> Result<Module<'c>, Reported> {
        let module = parse(context, content, self.source).map_err(|text| {
            ear.watch.diagnostic(ir_error(self.source, &text));
            Reported
        })?;
        // What is well-formed may still mean nothing, on which the passes would crash. clang's own
        // output needs no check.
        module.verify().map_err(|text| {
            let text = text.to_string();
            ear.error(self.source, format!("the module is not valid IR: {}", text.trim_end()))
        })?;
        Ok(module)
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
            // A crate has one list of flags for all its units; what means nothing to this language
            // is no news.
            args.push("-Qunused-arguments".to_owned());
        }
        args.extend([action, "-x", name].map(str::to_owned));
        args
    }
}

fn is_same_file(a: &str, b: &str) -> bool {
    let id = |path| std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    a == b || matches!((id(a), id(b)), (Ok(a), Ok(b)) if a == b)
}

/// Whether what a precompiled file was made from is as it was then. Its times are whole seconds, so
/// nothing of it may have changed since the file was written either.
fn is_current(made: &MadeFrom) -> bool {
    let Ok(written) = std::fs::metadata(&made.file) else { return false };
    made.inputs.iter().all(|(path, mtime_s)| {
        std::fs::metadata(path).is_ok_and(|now| {
            let changed = (now.ctime(), now.ctime_nsec());
            (*mtime_s == 0 || now.mtime() == *mtime_s)
                && changed <= (written.ctime(), written.ctime_nsec())
        })
    })
}

/// A file's state as the protocol has it.
pub fn stamp(metadata: &std::fs::Metadata) -> FileStamp {
    let nanoseconds =
        |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    FileStamp {
        size: metadata.len(),
        mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
    }
}

/// LLVM's text on a module that it cannot parse: for textual IR `FILE:LINE:COLUMN: error: MESSAGE`
/// and the line.
fn ir_error(file: &str, text: &str) -> Diagnostic {
    let text = text.trim_end();
    let parsed = text.strip_prefix(file).and_then(|rest| {
        let mut parts = rest.strip_prefix(':')?.splitn(3, ':');
        let (line, column) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (first, shown) = parts.next()?.split_once('\n').unwrap_or_default();
        Some((
            line,
            column,
            first.trim().trim_start_matches("error:").trim().to_owned(),
            shown.to_owned(),
        ))
    });
    match parsed {
        Some((line, column, message, shown)) => {
            let first =
                plain_error(Some(&format!("{file}:{line}:{column}")), message.clone()).rendered;
            let (file, rendered) = (Some(file.to_owned()), format!("{first}{shown}\n"));
            Diagnostic { level: Level::Error, message, file, line, column, rendered }
        }
        // Of bitcode it says `FILE: error: MESSAGE`.
        None => {
            let text = text
                .strip_prefix(file)
                .map_or(text, |rest| rest.trim_start_matches(':').trim_start());
            plain_error(Some(file), text.trim_start_matches("error:").trim().to_owned())
        }
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
    Diagnostic {
        level: Level::Error,
        message,
        file: file.map(str::to_owned),
        line: 0,
        column: 0,
        rendered,
    }
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

    fn variable(&self, name: &str) {
        self.inputs.borrow_mut().variable(name);
    }

    fn dated(&self, file: FileTime) {
        self.inputs.borrow_mut().dated(file);
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
