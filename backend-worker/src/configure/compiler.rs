//! Runs clang on the text of probes, and collects what all of them read. Knows no probe.

use crate::frontend::{Dependencies, DependencyCollector, HashCache, refused};
use crate::llvm::{Clang, ClangRequest, Context, Listener, Reported, hide_program, integers};
use std::cell::RefCell;
use std::collections::HashMap;
use tender_protocol::{Diagnostic, FileStamp, Language, Level, Lto};

/// Compiles probes.
pub struct Compiler<'a> {
    cache: &'a HashCache,
    c_args: &'a [String],
    cxx_args: &'a [String],
    /// The path that units have. No file is there.
    path: String,
    inputs: RefCell<DependencyCollector>,
}

/// A unit that was compiled.
#[derive(Default)]
pub struct Compiled {
    /// Errors; with `warnings` of the unit, warnings too.
    pub diagnostics: Vec<Diagnostic>,
    /// The initial values of the variables that have integers, if there was no error.
    pub values: HashMap<String, u64>,
    /// Empty unless it was asked for and there was no error.
    pub object: Vec<u8>,
}

/// How to compile a unit.
pub struct ProbeUnit<'a> {
    pub language: Language,
    pub text: &'a str,
    pub flags: &'a [String],
    /// Warnings count.
    pub warnings: bool,
    /// The object is wanted. If it is of a program, its `main` gets this name, and nothing else is
    /// visible in other objects.
    pub object: Option<ObjectForm<'a>>,
}

pub enum ObjectForm<'a> {
    Functions,
    Program { main: &'a str },
}

/// All errors are needed, and only errors: a crate's own choice of warnings is not about probes.
const FLAGS: [&str; 2] = ["-ferror-limit=0", "-Wno-fatal-errors"];

/// For objects. A function's own section tells what it alone refers to.
const OBJECT_FLAGS: [&str; 2] = ["-g0", "-ffunction-sections"];

/// Functions that probes declare themselves may have names that clang knows.
const FUNCTION_FLAGS: [&str; 1] = ["-fno-builtin"];

impl<'a> Compiler<'a> {
    pub fn new(
        cache: &'a HashCache,
        [c_args, cxx_args]: [&'a [String]; 2],
        path: String,
    ) -> Compiler<'a> {
        Compiler { cache, c_args, cxx_args, path, inputs: RefCell::default() }
    }

    pub fn compile(&self, unit: &ProbeUnit<'_>) -> Compiled {
        let listener = ProbeListener { compiler: self, found: RefCell::default() };
        let mut compiled = Compiled::default();
        let result = self.run(unit, &listener, &mut compiled);
        compiled.diagnostics = listener.found.into_inner();
        let is_error = |one: &Diagnostic| one.level == Level::Error;
        if result.is_err() && !compiled.diagnostics.iter().any(is_error) {
            compiled.diagnostics.push(error("clang failed without a message".to_owned()));
        }
        compiled
    }

    fn run(
        &self,
        unit: &ProbeUnit<'_>,
        listener: &ProbeListener<'_, '_>,
        compiled: &mut Compiled,
    ) -> Result<(), Reported> {
        let (own, name) = match unit.language {
            Language::Cxx => (self.cxx_args, "c++"),
            _ => (self.c_args, "c"),
        };
        let mut args = [own, unit.flags].concat();
        if let Some((flag, why)) = refused(&args) {
            listener.diagnostic(error(format!("the flag `{flag}` is not supported: {why}")));
            return Err(Reported);
        }
        args.extend(FLAGS.map(str::to_owned));
        if !unit.warnings {
            args.push("-w".to_owned());
        }
        if unit.object.is_some() {
            args.extend(OBJECT_FLAGS.map(str::to_owned));
        }
        if let Some(ObjectForm::Functions) = &unit.object {
            args.extend(FUNCTION_FLAGS.map(str::to_owned));
        }
        args.extend(["-c", "-x", name].map(str::to_owned));
        let request = ClangRequest { args: &args, input: &self.path, output: "probe.o" };
        let context = Context::create();
        let mut clang = Clang::open(request, Lto::Off, listener)?;
        clang.assume_text(unit.text);
        let module = clang.translate(&context)?;
        compiled.values = integers(&module);
        let Some(form) = &unit.object else { return Ok(()) };
        if let ObjectForm::Program { main } = form {
            hide_program(&module, main);
        }
        clang.optimise(&module)?;
        compiled.object = clang.emit(&module)?.object.to_vec();
        Ok(())
    }

    /// A library is looked up by the linker and not by clang.
    pub fn looked_up(&self, path: &str, stamp: Option<FileStamp>) {
        match stamp {
            Some(stamp) => self.inputs.borrow_mut().read(self.cache, path, stamp, None),
            None => self.inputs.borrow_mut().missing(path),
        }
    }

    /// A file that was read apart from units.
    pub fn read(&self, path: &str, stamp: FileStamp, content: &[u8]) {
        self.inputs.borrow_mut().read(self.cache, path, stamp, Some(content));
    }

    /// Whether a path is that of the units, or a directory above it.
    fn is_own(&self, path: &str) -> bool {
        self.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub fn finish(self) -> Dependencies {
        self.inputs.into_inner().finish(self.cache)
    }
}

pub fn error(message: String) -> Diagnostic {
    let rendered = format!("error: {message}\n");
    Diagnostic { level: Level::Error, message, file: None, line: 0, column: 0, rendered }
}

struct ProbeListener<'c, 'a> {
    compiler: &'c Compiler<'a>,
    found: RefCell<Vec<Diagnostic>>,
}

impl Listener for ProbeListener<'_, '_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    fn read(&self, path: &str, stamp: FileStamp, content: Option<&[u8]>) {
        self.compiler.inputs.borrow_mut().read(self.compiler.cache, path, stamp, content);
    }

    fn missing(&self, path: &str) {
        if !self.compiler.is_own(path) {
            self.compiler.inputs.borrow_mut().missing(path);
        }
    }

    fn variable(&self, name: &str) {
        self.compiler.inputs.borrow_mut().variable(name);
    }
}
