//! Compiles one source file of any language to machine code or bitcode: whole or in pieces.

use super::flags::refused;
use super::inputs::{Dependencies, DependencyCollector, HashCache};
use super::modules::Modules;
use crate::llvm::{
    self, Buffer, Clang, ClangRequest, Context, CutModule, Cutting, Emitted, Listener, Module,
    PrecompiledFile, Reported, WaitingModule, assemble, parse,
};
use std::cell::RefCell;
use std::collections::HashSet;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;
use tender_protocol::{
    Cut, Diagnostic, FileStamp, FileTime, Language, Level, Lto, PhaseName, Precompiled,
};

/// Receives what happens while a unit is compiled, on the unit's thread. Implementations measure
/// times.
pub trait Observer {
    /// clang or LLVM reported a diagnostic.
    fn diagnostic(&self, diagnostic: Diagnostic);
    /// `phase` begins now; the phase before it has ended.
    fn enter(&self, phase: PhaseName);
    /// The number of LLVM modules in memory has changed by `change`, 1 or -1.
    fn live_modules(&self, change: i32);
    /// The front end has ended and freed its memory. The back end follows on this thread.
    fn translated(&self) {}
    /// Link-time optimisation read a file, as assembly in a module makes it do. Not called for
    /// units, whose result has their dependencies.
    fn read(&self, _path: &str, _stamp: FileStamp, _content: Option<&[u8]>) {}
    /// As `read`: a path was looked up and not found.
    fn missing(&self, _path: &str) {}
}

/// A source file and how to compile it.
pub struct Unit<'a> {
    pub source: &'a str,
    pub language: Language,
    /// Driver arguments without program, input, `-c` and `-o`.
    pub args: &'a [String],
    /// The path of the object. The driver derives other names from it.
    pub object: &'a str,
    pub lto: Lto,
    /// Precompiled files that are known to be up to date.
    pub settled: &'a [String],
    /// Module files whose sources are no inputs.
    pub modules: &'a [String],
}

/// How `Unit::begin` runs.
#[derive(Clone, Copy)]
pub struct BeginOptions<'a> {
    /// How the module may be cut, if at all.
    pub cut: Option<&'a Cut>,
    /// Stop after translation in every case.
    pub translate_only: bool,
    /// The file with the module that `Unit::interface` has made of the source already.
    pub translation: Option<&'a str>,
}

/// The result of `Unit::begin`.
pub enum BegunUnit {
    Code(Code),
    Modules(Modules),
}

/// Code that was made of a module.
pub enum Code {
    Object(Emitted),
    /// For link-time optimisation.
    Bitcode(Buffer),
}

impl Code {
    /// The size in bytes.
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

/// A result, and what the unit depends on, which is known after a failure too.
pub struct UnitResult<T> {
    pub result: Result<T, Reported>,
    pub dependencies: Dependencies,
}

impl Unit<'_> {
    /// Translates the unit. Compiles it to the end, or leaves modules for other threads.
    pub fn begin(
        &self,
        plan: BeginOptions<'_>,
        cache: &HashCache,
        observer: &dyn Observer,
    ) -> UnitResult<BegunUnit> {
        self.listened(cache, observer, |listener| match self.language {
            Language::C | Language::Cxx => match plan.translation {
                Some(file) => self.begin_translated(file, plan, listener),
                None => self.begin_c(plan, listener),
            },
            Language::LlvmIr | Language::Bitcode => self.begin_ir(plan, listener),
            Language::Assembly | Language::AssemblyWithCpp => {
                self.assemble(listener).map(|object| BegunUnit::Code(Code::Object(object)))
            }
        })
    }

    /// Compiles one of the modules that `begin` left. May run on several threads at once.
    pub fn piece(
        &self,
        modules: &Modules,
        index: u32,
        cache: &HashCache,
        observer: &dyn Observer,
    ) -> UnitResult<Code> {
        self.listened(cache, observer, |listener| self.finish_piece(modules, index, listener))
    }

    fn finish_piece(
        &self,
        modules: &Modules,
        index: u32,
        listener: &UnitListener<'_>,
    ) -> Result<Code, Reported> {
        listener.observer.enter(PhaseName::Optimise);
        let context = Context::create();
        let mut clang = self.open_clang(self.lto, listener)?;
        let module = modules.read(&context, index, self.source);
        let module = module.map_err(|why| listener.error(self.source, why))?;
        let _live = LiveModule::new(listener.observer);
        clang.adopt(&module)?;
        self.backend(&mut clang, &module, modules.cut().map(|cut| (cut, index)), listener)
    }

    /// Runs only the front end.
    pub fn check(&self, cache: &HashCache, observer: &dyn Observer) -> UnitResult<()> {
        self.listened(cache, observer, |listener| match self.language {
            Language::C | Language::Cxx => {
                listener.observer.enter(PhaseName::Translate);
                let mut clang = self.open_clang(Lto::Off, listener)?;
                self.precompiled(&mut clang, listener);
                clang.check()
            }
            Language::LlvmIr | Language::Bitcode => {
                listener.observer.enter(PhaseName::Translate);
                let content = self.read_source(listener)?;
                self.parse_ir(&Context::create(), &content, listener).map(drop)
            }
            Language::Assembly | Language::AssemblyWithCpp => self.assemble(listener).map(drop),
        })
    }

    /// Preprocesses the source.
    pub fn preprocess(&self, cache: &HashCache, observer: &dyn Observer) -> UnitResult<Buffer> {
        self.listened(cache, observer, |listener| {
            listener.observer.enter(PhaseName::Translate);
            self.preprocessed(listener)
        })
    }

    pub(super) fn listened<T>(
        &self,
        cache: &HashCache,
        observer: &dyn Observer,
        work: impl FnOnce(&UnitListener<'_>) -> Result<T, Reported>,
    ) -> UnitResult<T> {
        let listener = UnitListener {
            observer,
            cache,
            inputs: RefCell::default(),
            of_modules: RefCell::default(),
        };
        let result = match refused(self.args) {
            Some((flag, reason)) => Err(listener
                .error(self.source, format!("the flag `{flag}` is not supported: {reason}"))),
            None => work(&listener),
        };
        UnitResult { result, dependencies: listener.inputs.into_inner().finish(cache) }
    }

    fn begin_c(
        &self,
        plan: BeginOptions<'_>,
        listener: &UnitListener<'_>,
    ) -> Result<BegunUnit, Reported> {
        listener.observer.enter(PhaseName::Translate);
        let context = Context::create();
        let mut clang = self.open_clang(self.lto, listener)?;
        self.precompiled(&mut clang, listener);
        let module = clang.translate(&context)?;
        let live = LiveModule::new(listener.observer);
        self.translated(clang, module, live, plan, listener)
    }

    fn begin_ir(
        &self,
        plan: BeginOptions<'_>,
        listener: &UnitListener<'_>,
    ) -> Result<BegunUnit, Reported> {
        listener.observer.enter(PhaseName::Translate);
        let content = self.read_source(listener)?;
        let context = Context::create();
        let mut clang = self.open_clang(self.lto, listener)?;
        let module = self.parse_ir(&context, &content, listener)?;
        let live = LiveModule::new(listener.observer);
        clang.adopt(&module)?;
        self.translated(clang, module, live, plan, listener)
    }

    /// Goes on with a module that was translated by another item.
    fn begin_translated(
        &self,
        file: &str,
        plan: BeginOptions<'_>,
        listener: &UnitListener<'_>,
    ) -> Result<BegunUnit, Reported> {
        listener.observer.enter(PhaseName::Translate);
        let waiting = WaitingModule::of_file(self.read_file(file, listener)?);
        if let Some(cut) = plan.cut {
            let context = Context::create();
            let mut clang = self.open_clang(self.lto, listener)?;
            let module = waiting.read(&context, self.source);
            let module = module.map_err(|why| listener.error(file, why))?;
            let _live = LiveModule::new(listener.observer);
            clang.adopt(&module)?;
            if llvm::may_be_cut(&clang, &module, cut) {
                listener.observer.enter(PhaseName::Cut);
                if let Cutting::Cut(pieces) = llvm::cut(&clang, module, cut) {
                    return Ok(BegunUnit::Modules(Modules::Cut(pieces)));
                }
            }
        }
        // The file is bitcode already, which is read once: see `translated`.
        let modules = Modules::Whole(waiting);
        if plan.translate_only {
            return Ok(BegunUnit::Modules(modules));
        }
        listener.observer.translated();
        self.finish_piece(&modules, 0, listener).map(BegunUnit::Code)
    }

    /// Compiles a translated module to the end, or keeps it as bitcode for other threads.
    pub(super) fn translated(
        &self,
        mut clang: Clang<'_>,
        mut module: Module<'_>,
        live: LiveModule<'_>,
        plan: BeginOptions<'_>,
        listener: &UnitListener<'_>,
    ) -> Result<BegunUnit, Reported> {
        if let Some(cut) = plan.cut
            && llvm::may_be_cut(&clang, &module, cut)
        {
            listener.observer.enter(PhaseName::Cut);
            match llvm::cut(&clang, module, cut) {
                Cutting::Cut(pieces) => return Ok(BegunUnit::Modules(Modules::Cut(pieces))),
                Cutting::Whole(whole, _) => module = whole,
            }
        }
        if plan.translate_only {
            return Ok(BegunUnit::Modules(Modules::Whole(WaitingModule::of(&clang, module))));
        }
        listener.observer.translated();
        if !self.lto.is_off() {
            // Bitcode differs, for instance in the order of metadata, if its module was read from
            // bitcode before, and its hash becomes part of symbols. So in both forms of translation
            // the module is read from bitcode once.
            let modules = Modules::Whole(WaitingModule::of(&clang, module));
            drop((live, clang));
            return self.finish_piece(&modules, 0, listener).map(BegunUnit::Code);
        }
        self.backend(&mut clang, &module, None, listener).map(BegunUnit::Code)
    }

    /// Optimises and emits a module. `piece`: its number, if it is a piece of a cut module.
    fn backend(
        &self,
        clang: &mut Clang<'_>,
        module: &Module<'_>,
        piece: Option<(&CutModule, u32)>,
        listener: &UnitListener<'_>,
    ) -> Result<Code, Reported> {
        listener.observer.enter(PhaseName::Optimise);
        clang.optimise(module)?;
        if self.lto.is_off() {
            if let Some((cut, index)) = piece {
                clang.prepare_piece(cut, index as usize, module);
            }
            listener.observer.enter(PhaseName::Emit);
            clang.emit(module).map(Code::Object)
        } else {
            listener.observer.enter(PhaseName::Serialise);
            Ok(Code::Bitcode(clang.serialise(module)))
        }
    }

    fn assemble(&self, listener: &UnitListener<'_>) -> Result<Emitted, Reported> {
        listener.observer.enter(PhaseName::Translate);
        let text = match self.language {
            Language::AssemblyWithCpp => self.preprocessed(listener)?.to_vec(),
            _ => self.read_source(listener)?,
        };
        listener.observer.enter(PhaseName::Emit);
        let text = String::from_utf8(text).map_err(|_| {
            listener.error(self.source, "the assembly file is not UTF-8".to_owned())
        })?;
        let object =
            assemble(self.request(&self.driver_args(Language::Assembly, "-c")), &text, listener)?;
        Ok(Emitted { object, dwo: None })
    }

    fn preprocessed(&self, listener: &UnitListener<'_>) -> Result<Buffer, Reported> {
        let mut clang = Clang::open_to_preprocess(
            self.request(&self.driver_args(self.language, "-E")),
            listener,
        )?;
        self.precompiled(&mut clang, listener);
        clang.preprocess()
    }

    /// Records the sources of precompiled files as inputs. clang compares their time stamps, so it
    /// gets the old ones if the contents are known to be the same.
    pub(super) fn precompiled(&self, clang: &mut Clang<'_>, listener: &UnitListener<'_>) {
        for made in clang.precompiled() {
            if self.modules.contains(&made.file) {
                let sources = made.inputs.into_iter().map(|(path, _)| path);
                listener.of_modules.borrow_mut().extend(sources);
                continue;
            }
            let settled = self.settled.iter().any(|path| is_same_file(path, &made.file));
            if settled {
                made.inputs.iter().for_each(|(path, mtime_s)| clang.assume_time(path, *mtime_s));
            }
            let current = settled || is_current(&made);
            for (path, _) in &made.inputs {
                match std::fs::metadata(path) {
                    Ok(metadata) => listener.read(path, stamp(&metadata), None),
                    Err(_) => listener.missing(path),
                }
            }
            let made_from = made.inputs.into_iter().map(|(path, _)| path).collect();
            listener.inputs.borrow_mut().precompiled(Precompiled {
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
        listener: &UnitListener<'_>,
    ) -> Result<Module<'c>, Reported> {
        let module = parse(context, content, self.source).map_err(|text| {
            listener.observer.diagnostic(ir_error(self.source, &text));
            Reported
        })?;
        // Well-formed IR may still be invalid, and the passes would crash on it. clang's own output
        // needs no check.
        module.verify().map_err(|text| {
            let text = text.to_string();
            listener.error(self.source, format!("the module is not valid IR: {}", text.trim_end()))
        })?;
        Ok(module)
    }

    fn read_source(&self, listener: &UnitListener<'_>) -> Result<Vec<u8>, Reported> {
        self.read_file(self.source, listener)
    }

    fn read_file(&self, path: &str, listener: &UnitListener<'_>) -> Result<Vec<u8>, Reported> {
        let read = || -> std::io::Result<(Vec<u8>, FileStamp)> {
            let mut file = std::fs::File::open(path)?;
            let stamp = stamp(&file.metadata()?);
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            Ok((content, stamp))
        };
        match read() {
            Ok((content, stamp)) => {
                listener.read(path, stamp, Some(&content));
                Ok(content)
            }
            Err(why) => Err(listener.error(path, format!("cannot read the file: {why}"))),
        }
    }

    /// Parses the unit's arguments.
    pub(super) fn open_clang<'l>(
        &self,
        lto: Lto,
        listener: &'l dyn Listener,
    ) -> Result<Clang<'l>, Reported> {
        Clang::open(self.request(&self.driver_args(self.language, "-c")), lto, listener)
    }

    pub(super) fn request<'r>(&'r self, args: &'r [String]) -> ClangRequest<'r> {
        ClangRequest { args, input: self.source, output: self.object }
    }

    /// The plan's arguments and those that the worker adds.
    pub(super) fn driver_args(&self, language: Language, action: &str) -> Vec<String> {
        let mut args = self.args.to_vec();
        let (name, unused) = match language {
            Language::C => ("c", false),
            Language::Cxx => ("c++", false),
            Language::LlvmIr | Language::Bitcode => ("ir", true),
            Language::Assembly => ("assembler", true),
            Language::AssemblyWithCpp => ("assembler-with-cpp", true),
        };
        if unused {
            // A crate has one list of flags for all its units, so no warning is given for flags of
            // other languages.
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

/// Whether the sources of a precompiled file are unchanged. Its time stamps are whole seconds, so
/// the sources must also be older than the file itself.
fn is_current(made: &PrecompiledFile) -> bool {
    let Ok(written) = std::fs::metadata(&made.file) else { return false };
    made.inputs.iter().all(|(path, mtime_s)| {
        std::fs::metadata(path).is_ok_and(|now| {
            let changed = (now.ctime(), now.ctime_nsec());
            (*mtime_s == 0 || now.mtime() == *mtime_s)
                && changed <= (written.ctime(), written.ctime_nsec())
        })
    })
}

/// A file's state in the form of the protocol.
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

/// Parses LLVM's message about IR that it cannot parse: for textual IR `FILE:LINE:COLUMN: error:
/// MESSAGE` and the source line.
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
        // For bitcode it is `FILE: error: MESSAGE`.
        None => {
            let text = text
                .strip_prefix(file)
                .map_or(text, |rest| rest.trim_start_matches(':').trim_start());
            plain_error(Some(file), text.trim_start_matches("error:").trim().to_owned())
        }
    }
}

/// Passes clang's diagnostics on and collects dependencies.
pub(super) struct UnitListener<'a> {
    pub(super) observer: &'a dyn Observer,
    cache: &'a HashCache,
    inputs: RefCell<DependencyCollector>,
    /// Sources of module files. Clang looks them up as it reads a module file, and that is no use
    /// of them; where it reads one, as for its checksum in debug information, that is one.
    of_modules: RefCell<HashSet<String>>,
}

impl UnitListener<'_> {
    /// The hash of a file that the unit has read.
    pub(super) fn hash_of(&self, path: &str) -> Option<blake3::Hash> {
        self.inputs.borrow().hash_of(path)
    }

    /// The files that the unit has read, not only looked up.
    pub(super) fn contents(&self) -> Vec<(String, String)> {
        self.inputs.borrow().contents()
    }

    /// Takes what the unit depends on so far.
    pub(super) fn take(&self) -> DependencyCollector {
        self.inputs.take()
    }

    /// Depends on what an earlier look at the unit found, if it finds the same now.
    pub(super) fn look_again(&self, found: DependencyCollector, begun: SystemTime) -> bool {
        let is_current = found.is_current(begun);
        if is_current {
            self.inputs.replace(found);
        }
        is_current
    }

    pub(super) fn has_read_the_same(&self, as_before: &DependencyCollector) -> bool {
        *self.inputs.borrow() == *as_before
    }

    pub(super) fn error(&self, file: &str, message: String) -> Reported {
        self.observer.diagnostic(plain_error(Some(file), message));
        Reported
    }
}

/// An error of the worker itself, formatted as clang does.
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

impl Listener for UnitListener<'_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        self.observer.diagnostic(diagnostic);
    }

    fn read(&self, path: &str, stamp: FileStamp, content: Option<&[u8]>) {
        if content.is_none() && self.of_modules.borrow().contains(path) {
            return;
        }
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

/// Counts a module in memory until it is dropped. Declare it after the module, so that it is
/// dropped first.
pub struct LiveModule<'a>(&'a dyn Observer);

impl<'a> LiveModule<'a> {
    /// Reports one more module to `observer`.
    pub fn new(observer: &'a dyn Observer) -> LiveModule<'a> {
        observer.live_modules(1);
        LiveModule(observer)
    }
}

impl Drop for LiveModule<'_> {
    fn drop(&mut self) {
        self.0.live_modules(-1);
    }
}
