//! Real small programs, cut into pieces by force, joined, linked and run: they must do what clang's own objects do.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;
use tender_protocol::{Diagnostic, FileStamp, Lto};
use tender_worker::llvm::{self, Clang, Context, CutModule, Cutting, Listen, Request};
use tender_worker::partition::Limits;

/// What the pieces of one file are joined under; each file has its own.
const SUFFIXES: [&str; 3] = ["00c0ffee00c0ffee", "11c0ffee11c0ffee", "22c0ffee22c0ffee"];

struct Heard(RefCell<Vec<Diagnostic>>);

impl Listen for Heard {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        self.0.borrow_mut().push(diagnostic);
    }
    fn read(&self, _: &str, _: FileStamp, _: Option<&[u8]>) {}
    fn missing(&self, _: &str) {}
}

/// Some files and how they are compiled.
struct Program {
    dir: tempfile::TempDir,
    files: Vec<String>,
    args: Vec<String>,
    limits: Limits,
}

fn program(args: &str, files: &[(&str, &str)]) -> Program {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| llvm::initialise(|text| panic!("LLVM: {text}")));
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
    let limits = if args.contains(&"-O0".to_owned()) { Limits::unoptimised(4) } else { Limits::optimised(4) };
    let files = files.iter().map(|(name, _)| (*name).to_owned()).filter(|name| !name.ends_with(".h"));
    Program { dir, files: files.collect(), args, limits: Limits { least: 4, ..limits } }
}

impl Program {
    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs a tool in the program's directory; it must succeed.
    fn tool(&self, tool: &str, args: &[&str]) -> String {
        let output = self.run(&llvm_tool(tool), args);
        assert!(output.status.success(), "{tool} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn run(&self, program: &Path, args: &[&str]) -> Output {
        Command::new(program).current_dir(self.dir.path()).args(args).output().unwrap()
    }

    /// The pieces of one file, or the reason why it stays whole, or what was heard when it failed.
    fn cut<T>(
        &self,
        file: &str,
        suffix: &str,
        heard: &Heard,
        then: impl FnOnce(Result<&CutModule, &str>, Request<'_>) -> T,
    ) -> T {
        let language = if file.ends_with(".c") { "c" } else { "c++" };
        let mut args = self.args.clone();
        args.extend(["-c", "-x", language].map(str::to_owned));
        let (input, output) = (self.path(file), self.path("unused.o"));
        let request = Request { args: &args, input: &input, output: &output };
        let context = Context::create();
        let mut clang = Clang::open(request, Lto::Off, heard).expect("the arguments are understood");
        let module = clang.translate(&context).expect("the source is right");
        match llvm::cut_with(&clang, module, &self.limits, suffix) {
            Cutting::Cut(cut) => {
                drop(clang);
                then(Ok(&cut), request)
            }
            Cutting::Whole(_, reason) => then(Err(&reason), request),
        }
    }

    /// One joined object, with the names of the source; and into how many pieces it was cut.
    fn joined(&self, file: &str, suffix: &str) -> (String, usize) {
        let heard = Heard(RefCell::default());
        let object = self.path(&format!("{file}.cut.o"));
        let pieces = self.cut(file, suffix, &heard, |cut, request| {
            let cut = cut.unwrap_or_else(|reason| panic!("{file} was not cut: {reason}"));
            let mut names = Vec::new();
            for index in 0..cut.costs().len() {
                let context = Context::create();
                let mut clang = Clang::open(request, Lto::Off, &heard).expect("as before");
                let module = cut.piece(&context, index).unwrap();
                module.verify().unwrap();
                clang.adopt_piece(cut, &module).expect("same target");
                assert!(clang.optimise(&module).is_ok(), "{:?}", heard.0.borrow());
                let emitted = clang.emit(&module).unwrap_or_else(|_| panic!("{:?}", heard.0.borrow()));
                names.push(self.path(&format!("{file}.{index}.o")));
                std::fs::write(&names[index], &*emitted.object).unwrap();
            }
            let joined = self.path(&format!("{file}.r.o"));
            let mut words = vec!["-r", "-o", &joined];
            words.extend(names.iter().map(String::as_str));
            self.tool("ld.lld", &words);
            let bytes = llvm::restore_names(&std::fs::read(&joined).unwrap(), cut.promoted()).unwrap();
            std::fs::write(&object, &*bytes).unwrap();
            names.len()
        });
        assert!(heard.0.borrow().is_empty(), "{:?}", heard.0.borrow());
        (object, pieces)
    }

    fn whole(&self, file: &str) -> String {
        let object = self.path(&format!("{file}.whole.o"));
        let mut words: Vec<&str> = self.args.iter().map(String::as_str).collect();
        words.extend(["-c", file, "-o", &object]);
        self.tool("clang", &words);
        object
    }

    fn link(&self, name: &str, objects: &[String], args: &[&str]) -> PathBuf {
        let output = self.path(name);
        let mut words: Vec<&str> = objects.iter().map(String::as_str).collect();
        words.extend(["-o", &output, "-B", concat_bin(), "-fuse-ld=lld"]);
        words.extend(self.args.iter().map(String::as_str).filter(|arg| arg.starts_with("-fsanitize")));
        words.extend(args);
        self.tool("clang++", &words);
        PathBuf::from(output)
    }

    /// Cuts every file and runs the program; its output, its end and the names in its objects must be those of
    /// clang's own.
    fn same(&self) -> Both {
        let whole: Vec<String> = self.files.iter().map(|file| self.whole(file)).collect();
        let cut: Vec<String> =
            self.files.iter().zip(SUFFIXES).map(|(file, suffix)| self.joined(file, suffix).0).collect();
        let both = Both {
            whole: self.link("whole", &whole, &["-lm", "-pthread"]),
            cut: self.link("cut", &cut, &["-lm", "-pthread"]),
        };
        for object in &cut {
            let names = self.tool("llvm-nm", &[object]);
            assert!(!names.contains("c0ffee"), "promoted names are taken back: {names}");
        }
        let (expected, got) = (self.run(&both.whole, &[]), self.run(&both.cut, &[]));
        let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text(&got), text(&expected));
        assert_eq!(got.status.code(), expected.status.code(), "{}", String::from_utf8_lossy(&got.stderr));
        assert_eq!(expected.status.code(), Some(0), "{}", String::from_utf8_lossy(&expected.stderr));
        both
    }
}

/// The program as clang makes it, and made of pieces.
struct Both {
    whole: PathBuf,
    cut: PathBuf,
}

fn llvm_tool(name: &str) -> PathBuf {
    Path::new(concat_bin()).join(name)
}

fn concat_bin() -> &'static str {
    concat!(env!("TENDER_LLVM_PREFIX"), "/bin")
}

fn same(args: &str, files: &[(&str, &str)]) -> Program {
    let program = program(args, files);
    program.same();
    program
}

#[test]
fn two_files_with_the_same_statics() {
    let text = |name: &str| {
        format!(
            "#include <stdio.h>\nstatic int counter;\n\
             __attribute__((noinline)) static int helper(int x) {{ return ++counter + x; }}\n\
             __attribute__((noinline)) int {name}_one(int x) {{ printf(\"{name} one %d\\n\", x); return helper(x); }}\n\
             __attribute__((noinline)) int {name}_two(int x) {{ printf(\"{name} two %d\\n\", x); return helper(x); }}\n\
             int {name}_count(void) {{ return counter; }}\n"
        )
    };
    let main = "int a_one(int), a_two(int), b_one(int), b_two(int), a_count(void), b_count(void);\n\
                int main(void) { return a_one(1) + a_two(2) + b_one(3) + b_two(4) != 16 || a_count() != 2 || b_count() != 2; }\n";
    let program = program("-O2", &[("a.c", &text("a")), ("b.c", &text("b"))]);
    std::fs::write(program.path("main.c"), main).unwrap();
    let objects = [program.joined("a.c", SUFFIXES[0]), program.joined("b.c", SUFFIXES[1])];
    assert!(objects.iter().all(|(_, pieces)| *pieces > 1));
    let [(a, _), (b, _)] = objects;
    let built = program.link("cut", &[program.whole("main.c"), a, b], &[]);
    let output = program.run(&built, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn string_constants_tables_and_recursion() {
    same(
        "-O2",
        &[(
            "a.c",
            "#include <stdio.h>\n#include <string.h>\n\
             static const int table[] = {3, 1, 4, 1, 5, 9, 2, 6};\n\
             static const char *const words[] = {\"zero\", \"one\", \"two\", \"three\"};\n\
             static int odd(int n);\n\
             __attribute__((noinline)) static int even(int n) { return n == 0 ? table[0] : odd(n - 1); }\n\
             __attribute__((noinline)) static int odd(int n) { return n == 0 ? table[1] : even(n - 1); }\n\
             __attribute__((noinline)) void say(int i) { printf(\"%s %s\\n\", words[i], \"same text\"); }\n\
             __attribute__((noinline)) void cry(int i) { printf(\"%s! %s\\n\", words[i], \"same text\"); }\n\
             __attribute__((noinline)) int sum(void) { int s = 0; for (int i = 0; i < 8; ++i) s += table[i]; return s; }\n\
             int main(void) { say(1); cry(2); printf(\"%d %d %d\\n\", even(10), odd(10), sum()); return 0; }\n",
        )],
    );
}

#[test]
fn static_initialisers_of_cxx_run_in_order() {
    same(
        "-O2",
        &[(
            "a.cc",
            "#include <cstdio>\n\
             struct Say { const char *name; Say(const char *name) : name(name) { std::printf(\"+%s\\n\", name); }\n\
               ~Say() { std::printf(\"-%s\\n\", name); } };\n\
             static Say first(\"first\");\n\
             template <class T> struct Holder { static Say say; };\n\
             template <class T> Say Holder<T>::say(\"template\");\n\
             static Say second(\"second\");\n\
             __attribute__((noinline)) int use() { return Holder<int>::say.name[0]; }\n\
             static int third = (std::printf(\"third\\n\"), use());\n\
             __attribute__((constructor(200))) static void early() { std::printf(\"early\\n\"); }\n\
             __attribute__((destructor)) static void late() { std::printf(\"late\\n\"); }\n\
             int main() { std::printf(\"main %d\\n\", third); return 0; }\n",
        )],
    );
}
