//! A small program, compiled whole by clang and in pieces by the worker.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;
use tender_protocol::{Diagnostic, FileStamp, Lto};
use tender_worker::emit;
use tender_worker::llvm::{self, Clang, ClangRequest, Context, CutModule, Cutting, Join, Listener};
use tender_worker::partition::Limits;

/// The suffixes of promoted symbols, one for each file.
pub const SUFFIXES: [&str; 3] = ["00c0ffee00c0ffee", "11c0ffee11c0ffee", "22c0ffee22c0ffee"];

pub struct CollectedDiagnostics(pub RefCell<Vec<Diagnostic>>);

impl Listener for CollectedDiagnostics {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        self.0.borrow_mut().push(diagnostic);
    }
    fn read(&self, _: &str, _: FileStamp, _: Option<&[u8]>) {}
    fn missing(&self, _: &str) {}
}

/// Source files and how they are compiled.
pub struct Program {
    pub dir: tempfile::TempDir,
    pub files: Vec<String>,
    pub args: Vec<String>,
    pub limits: Limits,
}

pub fn program(args: &str, files: &[(&str, &str)]) -> Program {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| llvm::initialise(|text| panic!("LLVM: {text}")));
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
    let limits = if args.contains(&"-O0".to_owned()) {
        Limits::unoptimised(4)
    } else {
        Limits::optimised(4)
    };
    let files =
        files.iter().map(|(name, _)| (*name).to_owned()).filter(|name| !name.ends_with(".h"));
    Program { dir, files: files.collect(), args, limits: Limits { least: 4, ..limits } }
}

impl Program {
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs a tool in the program's directory. It must succeed.
    pub fn tool(&self, tool: &str, args: &[&str]) -> String {
        let output = self.run(&llvm_tool(tool), args);
        assert!(
            output.status.success(),
            "{tool} {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn run(&self, program: &Path, args: &[&str]) -> Output {
        Command::new(program).current_dir(self.dir.path()).args(args).output().unwrap()
    }

    /// The pieces of one file, or the reason why it stays whole, or its diagnostics.
    pub fn cut<T>(
        &self,
        file: &str,
        suffix: &str,
        heard: &CollectedDiagnostics,
        then: impl FnOnce(Result<&CutModule, &str>, ClangRequest<'_>) -> T,
    ) -> T {
        let language = if file.ends_with(".c") { "c" } else { "c++" };
        let mut args = self.args.clone();
        args.extend(["-c", "-x", language].map(str::to_owned));
        let (input, output) = (self.path(file), self.path("unused.o"));
        let request = ClangRequest { args: &args, input: &input, output: &output };
        let context = Context::create();
        let mut clang =
            Clang::open(request, Lto::Off, heard).expect("the arguments are understood");
        let module = clang.translate(&context).expect("the source is right");
        match llvm::cut_with(&clang, module, &self.limits, suffix) {
            Cutting::Cut(cut) => {
                drop(clang);
                then(Ok(&cut), request)
            }
            Cutting::Whole(_, reason) => then(Err(&reason), request),
        }
    }

    /// The joined object of a file, and its number of pieces.
    pub fn joined(&self, file: &str, suffix: &str) -> (String, usize) {
        let heard = CollectedDiagnostics(RefCell::default());
        let object = self.path(&format!("{file}.cut.o"));
        let pieces = self.cut(file, suffix, &heard, |cut, request| {
            let cut = cut.unwrap_or_else(|reason| panic!("{file} was not cut: {reason}"));
            let mut names = Vec::new();
            for index in 0..cut.costs().len() {
                let context = Context::create();
                let mut clang = Clang::open(request, Lto::Off, &heard).expect("as before");
                let module = cut.piece(&context, index).unwrap();
                module.verify().unwrap();
                clang.adopt(&module).expect("same target");
                assert!(clang.optimise(&module).is_ok(), "{:?}", heard.0.borrow());
                clang.prepare_piece(cut, index, &module);
                let emitted =
                    clang.emit(&module).unwrap_or_else(|_| panic!("{:?}", heard.0.borrow()));
                names.push(self.path(&format!("{file}.{index}.o")));
                std::fs::write(&names[index], &*emitted.object).unwrap();
            }
            let objects: Vec<Vec<u8>> =
                names.iter().map(|name| std::fs::read(name).unwrap()).collect();
            let pieces: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
            let join = Join::of(cut, &pieces).unwrap();
            let bytes = join.finish(&emit::join(&pieces, Some(&join.script())).unwrap()).unwrap();
            std::fs::write(&object, &*bytes).unwrap();
            names.len()
        });
        assert!(heard.0.borrow().is_empty(), "{:?}", heard.0.borrow());
        (object, pieces)
    }

    pub fn whole(&self, file: &str) -> String {
        let object = self.path(&format!("{file}.whole.o"));
        let mut words: Vec<&str> = self.args.iter().map(String::as_str).collect();
        words.extend(["-c", file, "-o", &object]);
        self.tool("clang", &words);
        object
    }

    pub fn link(&self, name: &str, objects: &[String], args: &[&str]) -> PathBuf {
        let output = self.path(name);
        let mut words: Vec<&str> = objects.iter().map(String::as_str).collect();
        words.extend(["-o", &output, "-B", concat_bin(), "-fuse-ld=lld"]);
        words.extend(
            self.args.iter().map(String::as_str).filter(|arg| arg.starts_with("-fsanitize")),
        );
        if self.args.iter().any(|arg| arg == "-fno-pie") {
            words.push("-no-pie");
        }
        words.extend(args);
        self.tool("clang++", &words);
        PathBuf::from(output)
    }

    /// Cuts every file and runs the program. Its output, its exit status and the names in its
    /// objects must be the same as with clang's objects.
    pub fn same(&self) -> Both {
        let whole: Vec<String> = self.files.iter().map(|file| self.whole(file)).collect();
        let cut: Vec<String> = self
            .files
            .iter()
            .zip(SUFFIXES)
            .map(|(file, suffix)| self.joined(file, suffix).0)
            .collect();
        let both = Both {
            whole: self.link("whole", &whole, &["-lm", "-pthread"]),
            cut: self.link("cut", &cut, &["-lm", "-pthread"]),
        };
        whole.iter().zip(&cut).for_each(|(whole, cut)| self.looks_uncut(whole, cut));
        self.runs_the_same(&both.whole, &both.cut);
        // Also if the linker merges no strings.
        let unmerged = ["-lm", "-pthread", "-Wl,-O0"];
        self.runs_the_same(
            &self.link("whole-unmerged", &whole, &unmerged),
            &self.link("cut-unmerged", &cut, &unmerged),
        );
        both
    }

    pub fn looks_uncut(&self, whole: &str, cut: &str) {
        let names = self.tool("llvm-nm", &[cut]);
        assert!(!names.contains("c0ffee"), "promoted names are taken back: {names}");
        assert_eq!(self.file_symbols(cut), self.file_symbols(whole));
        let mut names = self.defined(cut);
        // Names that clang numbers within a module.
        names.retain(|name| !name.starts_with(".L") && !name.starts_with("GCC_except_table"));
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "a name is there twice: {names:?}");
        let table = |object: &str| {
            self.tool("llvm-readelf", &["--sections", object]).contains(".llvm_addrsig")
        };
        assert_eq!(table(cut), table(whole), "the table of significant addresses");
        let sections = self.tool("llvm-readelf", &["--sections", "--wide", cut]);
        assert!(!sections.contains("c0ffee") && !sections.contains("tender"), "{sections}");
    }

    /// Sorted.
    pub fn defined(&self, object: &str) -> Vec<String> {
        let names = self.tool("llvm-nm", &["--defined-only", "--format=just-symbols", object]);
        let mut names: Vec<String> = names.lines().map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    /// The source files in an object's symbol table.
    pub fn file_symbols(&self, object: &str) -> Vec<String> {
        let symbols = self.tool("llvm-readelf", &["--symbols", "--wide", object]);
        let files = symbols.lines().filter(|line| line.contains(" FILE "));
        files.map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned()).collect()
    }

    pub fn runs_the_same(&self, whole: &Path, cut: &Path) {
        let (expected, got) = (self.run(whole, &[]), self.run(cut, &[]));
        let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text(&got), text(&expected));
        assert_eq!(
            got.status.code(),
            expected.status.code(),
            "{}",
            String::from_utf8_lossy(&got.stderr)
        );
        assert_eq!(
            expected.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&expected.stderr)
        );
    }

    /// The piece that defines `symbol`, after `same` or `joined`.
    pub fn piece_of(&self, file: &str, symbol: &str) -> Option<usize> {
        (0..9).find(|piece| {
            let object = self.path(&format!("{file}.{piece}.o"));
            Path::new(&object).exists()
                && self
                    .tool("llvm-nm", &["--defined-only", "--format=just-symbols", &object])
                    .lines()
                    .any(|name| name == symbol || name.starts_with(&format!("{symbol}.")))
        })
    }

    /// Checks that these symbols are in different pieces, without which a test would check nothing.
    pub fn assert_apart(&self, file: &str, symbols: &[&str]) {
        let pieces: Vec<Option<usize>> =
            symbols.iter().map(|symbol| self.piece_of(file, symbol)).collect();
        assert!(pieces.iter().all(Option::is_some), "{symbols:?} are in {pieces:?}");
        assert!(pieces.iter().any(|piece| *piece != pieces[0]), "{symbols:?} are all in one piece");
    }
}

/// The program by clang, and the program made of pieces.
pub struct Both {
    pub whole: PathBuf,
    pub cut: PathBuf,
}

pub fn llvm_tool(name: &str) -> PathBuf {
    Path::new(concat_bin()).join(name)
}

pub fn concat_bin() -> &'static str {
    concat!(env!("TENDER_LLVM_PREFIX"), "/bin")
}

pub fn same(args: &str, files: &[(&str, &str)]) -> Program {
    let program = program(args, files);
    program.same();
    program
}

/// A function that is large enough for its own piece.
pub fn bulk(name: &str) -> String {
    format!(
        "__attribute__((noinline)) int {name}(int n) {{ int s = n; for (int i = 0; i < n; ++i) {{ s += i * n; \
         if (s % 7 == 3) s ^= i; if (s % 11 == 5) s -= n; if (s % 13 == 2) s += 17; }} return s; }}\n"
    )
}

pub fn bulks(names: &[&str]) -> String {
    names.iter().map(|name| bulk(name)).collect()
}
