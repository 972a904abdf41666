//! Real small programs, cut into pieces by force, joined, linked and run: they must do what clang's own objects do.

use std::cell::RefCell;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;
use tender_protocol::{Diagnostic, FileStamp, Lto};
use tender_worker::emit;
use tender_worker::llvm::{self, Clang, Context, CutModule, Cutting, Join, Listen, Request};
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
                clang.prepare_piece(cut, index, &module);
                let emitted = clang.emit(&module).unwrap_or_else(|_| panic!("{:?}", heard.0.borrow()));
                names.push(self.path(&format!("{file}.{index}.o")));
                std::fs::write(&names[index], &*emitted.object).unwrap();
            }
            let objects: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(name).unwrap()).collect();
            let pieces: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
            let join = Join::of(cut, &pieces).unwrap();
            let bytes = join.finish(&emit::join(&pieces, Some(&join.script())).unwrap()).unwrap();
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
        if self.args.iter().any(|arg| arg == "-fno-pie") {
            words.push("-no-pie");
        }
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
        whole.iter().zip(&cut).for_each(|(whole, cut)| self.looks_uncut(whole, cut));
        self.runs_the_same(&both.whole, &both.cut);
        // Where the linker merges no strings, too.
        let unmerged = ["-lm", "-pthread", "-Wl,-O0"];
        self.runs_the_same(
            &self.link("whole-unmerged", &whole, &unmerged),
            &self.link("cut-unmerged", &cut, &unmerged),
        );
        both
    }

    fn looks_uncut(&self, whole: &str, cut: &str) {
        let names = self.tool("llvm-nm", &[cut]);
        assert!(!names.contains("c0ffee"), "promoted names are taken back: {names}");
        assert_eq!(self.file_symbols(cut), self.file_symbols(whole));
        let mut names = self.defined(cut);
        // What clang numbers, and numbers anew in each piece.
        names.retain(|name| !name.starts_with(".L") && !name.starts_with("GCC_except_table"));
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "a name is there twice: {names:?}");
        let table =
            |object: &str| self.tool("llvm-readelf", &["--sections", object]).contains(".llvm_addrsig");
        assert_eq!(table(cut), table(whole), "the table of significant addresses");
        let sections = self.tool("llvm-readelf", &["--sections", "--wide", cut]);
        assert!(!sections.contains("c0ffee") && !sections.contains("tender"), "{sections}");
    }

    /// Sorted.
    fn defined(&self, object: &str) -> Vec<String> {
        let names = self.tool("llvm-nm", &["--defined-only", "--format=just-symbols", object]);
        let mut names: Vec<String> = names.lines().map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    /// Source files that an object names in its symbol table.
    fn file_symbols(&self, object: &str) -> Vec<String> {
        let symbols = self.tool("llvm-readelf", &["--symbols", "--wide", object]);
        let files = symbols.lines().filter(|line| line.contains(" FILE "));
        files.map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned()).collect()
    }

    fn runs_the_same(&self, whole: &Path, cut: &Path) {
        let (expected, got) = (self.run(whole, &[]), self.run(cut, &[]));
        let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text(&got), text(&expected));
        assert_eq!(got.status.code(), expected.status.code(), "{}", String::from_utf8_lossy(&got.stderr));
        assert_eq!(expected.status.code(), Some(0), "{}", String::from_utf8_lossy(&expected.stderr));
    }

    /// The piece that defines `symbol`, after `same` or `joined`.
    fn piece_of(&self, file: &str, symbol: &str) -> Option<usize> {
        (0..9).find(|piece| {
            let object = self.path(&format!("{file}.{piece}.o"));
            Path::new(&object).exists()
                && self
                    .tool("llvm-nm", &["--defined-only", "--format=just-symbols", &object])
                    .lines()
                    .any(|name| name == symbol || name.starts_with(&format!("{symbol}.")))
        })
    }

    /// A test of what pieces share is none if one piece has all of its users.
    fn assert_apart(&self, file: &str, symbols: &[&str]) {
        let pieces: Vec<Option<usize>> = symbols.iter().map(|symbol| self.piece_of(file, symbol)).collect();
        assert!(pieces.iter().all(Option::is_some), "{symbols:?} are in {pieces:?}");
        assert!(pieces.iter().any(|piece| *piece != pieces[0]), "{symbols:?} are all in one piece");
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

/// A function that is large enough to be a piece's worth beside the others of a small file.
fn bulk(name: &str) -> String {
    format!(
        "__attribute__((noinline)) int {name}(int n) {{ int s = n; for (int i = 0; i < n; ++i) {{ s += i * n; \
         if (s % 7 == 3) s ^= i; if (s % 11 == 5) s -= n; if (s % 13 == 2) s += 17; }} return s; }}\n"
    )
}

fn bulks(names: &[&str]) -> String {
    names.iter().map(|name| bulk(name)).collect()
}

#[test]
fn a_constructor_comes_with_the_function_that_a_library_is_linked_for() {
    let text = format!(
        "static int ready;\n{}__attribute__((constructor)) static void prepare(void) {{ ready = bulk_a(3) != 0; }}\n\
         __attribute__((noinline)) int is_ready(void) {{ return bulk_b(2) * 0 + ready; }}\n",
        bulks(&["bulk_a", "bulk_b", "bulk_c", "bulk_d"])
    );
    let program = program("-O2", &[("lib.c", &text)]);
    std::fs::write(
        program.path("main.c"),
        "int is_ready(void);\nint main(void) { return is_ready() != 1; }\n",
    )
    .unwrap();
    let (object, _) = program.joined("lib.c", SUFFIXES[0]);
    program.assert_apart("lib.c", &["prepare", "is_ready"]);
    program.tool("llvm-ar", &["rc", "lib.a", &object]);
    let built = program.link("main", &[program.whole("main.c"), program.path("lib.a")], &[]);
    assert_eq!(program.run(&built, &[]).status.code(), Some(0));
}

#[test]
fn registries_in_sections_are_whole_and_in_order() {
    let text = format!(
        "#include <stdio.h>\nstruct entry {{ const char *name; int (*run)(int); }};\n{}\
         #define REGISTER(f) static const struct entry entry_##f \
         __attribute__((used, section(\"registry\"))) = {{#f, f}}\n\
         REGISTER(one);\nREGISTER(two);\nREGISTER(three);\nREGISTER(four);\nREGISTER(five);\n\
         extern const struct entry __start_registry[], __stop_registry[];\n\
         int main(void) {{ for (const struct entry *e = __start_registry; e < __stop_registry; ++e)\n\
         printf(\"%s %d\\n\", e->name, e->run(9)); return 0; }}\n",
        bulks(&["one", "two", "three", "four", "five"])
    );
    let program = same("-O2", &[("a.c", &text)]);
    let built = program.path("cut");
    let output = program.run(Path::new(&built), &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 5);
}

/// The sections of a table are one section, whoever asks for it.
#[test]
fn sections_that_are_named_by_functions_and_pragmas_are_in_order() {
    let text = format!(
        "#include <stdio.h>\n{}\
         typedef int (*function)(int);\n\
         __attribute__((section(\"inits\"), used, noinline)) static int first(int x) {{ return one(x) + 1; }}\n\
         __attribute__((section(\"inits\"), used, noinline)) static int second(int x) {{ return two(x) + 2; }}\n\
         __attribute__((section(\"inits\"), used, noinline)) static int third(int x) {{ return three(x) + 3; }}\n\
         #pragma clang section data=\"registry\" rodata=\"readonly\" text=\"codes\"\n\
         function entry_one = one;\n\
         static const long fixed_one = 1;\n\
         __attribute__((noinline)) int code_one(int x) {{ return one(x) + (int)fixed_one; }}\n\
         #pragma clang section data=\"\" rodata=\"\" text=\"\"\n\
         int other = 4;\n\
         #pragma clang section data=\"registry\" rodata=\"readonly\" text=\"codes\"\n\
         function entry_two = two;\n\
         static const long fixed_two = 2;\n\
         __attribute__((noinline)) int code_two(int x) {{ return two(x) + (int)fixed_two; }}\n\
         function entry_three = three;\n\
         static const long fixed_three = 3;\n\
         __attribute__((noinline)) int code_three(int x) {{ return three(x) + (int)fixed_three; }}\n\
         #pragma clang section data=\"\" rodata=\"\" text=\"\"\n\
         const long *fixed(int n) {{ return n == 0 ? &fixed_one : n == 1 ? &fixed_two : &fixed_three; }}\n\
         extern function __start_registry[], __stop_registry[];\n\
         extern const long __start_readonly[], __stop_readonly[];\n\
         extern char __start_codes[], __stop_codes[];\n\
         extern char __start_inits[], __stop_inits[];\n\
         int main(void) {{ for (function *e = __start_registry; e < __stop_registry; ++e) printf(\"%d\\n\", (*e)(9));\n\
           for (const long *e = __start_readonly; e < __stop_readonly; ++e) printf(\"%ld %d\\n\", *e, e == fixed((int)*e - 1));\n\
           printf(\"%d %d\\n\", (char *)code_one < (char *)code_two, (char *)code_two < (char *)code_three);\n\
           printf(\"%d %d\\n\", (char *)first < (char *)second, (char *)second < (char *)third);\n\
           printf(\"%d %d\\n\", (char *)code_one == __start_codes, (char *)first == __start_inits);\n\
           return other - 4 + code_one(1) - code_one(1) + code_two(1) * 0 + code_three(1) * 0 + first(1) * 0; }}\n",
        bulks(&["one", "two", "three", "four", "five"])
    );
    for args in ["-O2 -fPIC", "-O0 -fPIC"] {
        let program = same(args, &[("a.c", &text)]);
        program.assert_apart("a.c", &["one", "two", "three", "four"]);
    }
}

/// A table of the linker's that the source adds to by hand, beside constructors.
#[test]
fn constructors_in_arrays_by_hand_keep_their_order() {
    let text = format!(
        "#include <stdio.h>\n{}\
         static void by_hand_one(void) {{ printf(\"by hand one %d\\n\", one(3)); }}\n\
         static void by_hand_two(void) {{ printf(\"by hand two %d\\n\", two(3)); }}\n\
         __attribute__((used, section(\".init_array\"))) static void (*entry_one)(void) = by_hand_one;\n\
         __attribute__((constructor)) static void by_attribute(void) {{ printf(\"by attribute %d\\n\", three(3)); }}\n\
         __attribute__((constructor(150))) static void early(void) {{ printf(\"early %d\\n\", four(3)); }}\n\
         __attribute__((used, section(\".init_array\"))) static void (*entry_two)(void) = by_hand_two;\n\
         __attribute__((destructor)) static void late(void) {{ printf(\"late\\n\"); }}\n\
         int main(void) {{ return 0; }}\n",
        bulks(&["one", "two", "three", "four"])
    );
    same("-O2", &[("a.c", &text)]);
    same("-O0", &[("a.c", &text)]);
}

/// clang compares the vtable's address where the class is final, although an anonymous namespace makes the vtable
/// `internal unnamed_addr`.
#[test]
fn a_local_vtable_has_one_address() {
    let text = "#include <cstdio>\n\
        namespace { struct B { virtual ~B() {} virtual int f() { return 1; } };\n\
          struct D final : B { int x = 5; int f() override { return x; } }; }\n\
        __attribute__((noinline)) B *make0(int k) { return k ? (B *)new D : new B; }\n\
        __attribute__((noinline)) B *make1(int k) { return k > 1 ? (B *)new D : new B; }\n\
        __attribute__((noinline)) int test0(B *b) { auto d = dynamic_cast<D *>(b); return d ? d->x : -1; }\n\
        __attribute__((noinline)) int test1(B *b) { auto d = dynamic_cast<D *>(b); return d ? d->x * 2 : -2; }\n\
        int main() { for (int k = 0; k < 4; k++) printf(\"%d %d\\n\", test0(make0(k)), test1(make1(k))); }\n";
    for args in ["-O0", "-O1", "-O2", "-O3", "-Os", "-O2 -fPIC"] {
        let program = same(args, &[("a.cc", text)]);
        program.assert_apart(
            "a.cc",
            &["_Z5make1i", "_Z5test0PN12_GLOBAL__N_11BE", "_Z5test1PN12_GLOBAL__N_11BE"],
        );
    }
}

/// Each constant that `unnamed_addr` or a linker's merging might double is asked for in four functions of different
/// pieces, and all have to give the same address.
#[test]
fn a_constant_has_one_address() {
    let kinds = [
        ("literal", "\"literal\""),
        ("embedded", "\"a\\0b\""),
        ("wide", "L\"wide\""),
        ("utf16", "u\"utf16\""),
        ("empty", "\"\""),
        ("eight", "\"1234567\""),
        ("long_literal", "\"a text that is longer than any register, and than two of them as well\""),
        ("table", "table"),
        ("text_table", "text_table"),
        ("fields", "&fields"),
        ("number", "&number"),
        ("single", "&single"),
        ("of_inline", "of_inline()"),
        ("function_name", "name_of()"),
        ("local_function", "(const void *)local_function"),
    ];
    let shared = "static const int table[] = {3, 1, 4, 1, 5};\n\
        static const char *const text_table[] = {\"one\", \"two\", \"three\"};\n\
        static const struct { int a; const char *b; } fields = {1, \"field\"};\n\
        static const int number = 5;\nstatic const double single = 2.5;\n\
        static inline const char *of_inline(void) { static const char text[] = \"inline\"; return text; }\n\
        static inline const char *name_of(void) { return __func__; }\n\
        static int local_function(int x) { return x + 1; }\n";
    let mut text = format!("#include <stdio.h>\n#include <wchar.h>\n{shared}");
    for piece in ["a", "b", "c", "d"] {
        text.push_str(&bulk(&format!("bulk_{piece}")));
        let _ = writeln!(text, "__attribute__((noinline)) const void *at_{piece}(int k) {{ switch (k) {{");
        for (number, (_, expression)) in kinds.iter().enumerate() {
            let _ = writeln!(text, "case {number}: return {expression};");
        }
        let _ = writeln!(text, "}} return (void *)(long)bulk_{piece}(k); }}");
    }
    let names: Vec<String> = kinds.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let _ = writeln!(
        text,
        "static const char *const names[] = {{{}}};\nint main(void) {{ for (int k = 0; k < {}; k++)\n\
         printf(\"%s %d %d %d\\n\", names[k], at_a(k) == at_b(k), at_a(k) == at_c(k), at_a(k) == at_d(k)); return 0; }}",
        names.join(", "),
        kinds.len()
    );
    let cxx = text.replace("u\"utf16\"", "u\"utf16\" u\"\"");
    for args in [
        "-O0",
        "-O2",
        "-Os",
        "-O2 -fmerge-all-constants",
        "-O2 -fPIC -fdata-sections",
        "-O2 -fno-pie -mcmodel=large",
    ] {
        let c = text.replace("u\"utf16\"", "L\"another\"");
        let program = same(
            args,
            &[
                ("a.c", &c),
                (
                    "b.cc",
                    &cxx.replace("int main", "int other_main")
                        .replace("at_", "cxx_at_")
                        .replace("bulk_", "cxx_bulk_"),
                ),
            ],
        );
        program.assert_apart("a.c", &["at_a", "at_b", "at_c", "at_d"]);
        let lines = program.run(&program.dir.path().join("cut"), &[]);
        let lines = String::from_utf8_lossy(&lines.stdout).into_owned();
        assert!(
            lines.lines().count() == kinds.len() && lines.lines().all(|line| line.ends_with(" 1 1 1")),
            "{args}: {lines}"
        );
    }
}

/// Types of an anonymous namespace are compared by the address of their names or descriptions.
#[test]
fn a_local_type_has_one_identity() {
    let mut text = "#include <cstdio>\n#include <typeinfo>\n#include <exception>\n\
        namespace { struct Base { virtual ~Base() {} }; struct Left : virtual Base { int l = 1; }; struct Right : virtual Base { int r = 2; };\n\
          struct Both final : Left, Right { int b = 3; }; enum Colour { red, green }; template <class T> struct Of { T t; }; }\n"
        .to_owned();
    for piece in ["a", "b", "c", "d"] {
        text.push_str(&bulk(&format!("bulk_{piece}")));
        let _ = writeln!(
            text,
            "__attribute__((noinline)) const std::type_info &type_{piece}(int k) {{ switch (k) {{ case 0: return typeid(Both);\n\
             case 1: return typeid(Colour); case 2: return typeid(Of<Both *>); default: return typeid(Both **); }} }}\n\
             __attribute__((noinline)) Base *make_{piece}(int k) {{ return k ? (Base *)new Both : (Base *)new Left; }}\n\
             __attribute__((noinline)) int ask_{piece}(Base *base) {{ auto both = dynamic_cast<Both *>(base); auto right = dynamic_cast<Right *>(base);\n\
               return (both ? both->b : -1) + (right ? right->r * 10 : -20) + (typeid(*base) == type_{piece}(0)) * 100; }}\n\
             __attribute__((noinline)) void throw_{piece}(int k) {{ if (k) throw Both(); throw Of<Colour>{{green}}; }}"
        );
    }
    text.push_str(
        "typedef const std::type_info &(*type)(int); typedef Base *(*make)(int); typedef int (*ask)(Base *); typedef void (*thrower)(int);\n\
         static type types[] = {type_a, type_b, type_c, type_d}; static make makes[] = {make_a, make_b, make_c, make_d};\n\
         static ask asks[] = {ask_a, ask_b, ask_c, ask_d}; static thrower throwers[] = {throw_a, throw_b, throw_c, throw_d};\n\
         __attribute__((noinline)) int caught_0(thrower f, int k) { try { f(k); } catch (const Base &) { return 1; } catch (const Of<Colour> &o) { return 2 + o.t; } return 0; }\n\
         int main() { for (auto t : types) for (int k = 0; k < 4; k++) std::printf(\"%d %d\\n\", t(k) == types[0](k), &t(k) == &types[0](k));\n\
           for (auto m : makes) for (auto a : asks) std::printf(\"%d %d\\n\", a(m(0)), a(m(1)));\n\
           for (auto f : throwers) std::printf(\"%d %d\\n\", caught_0(f, 0), caught_0(f, 1)); }\n",
    );
    for args in ["-O0", "-O2", "-O2 -fPIC -ffunction-sections -fdata-sections"] {
        let program = same(args, &[("a.cc", &text)]);
        program.assert_apart("a.cc", &["_Z6type_ai", "_Z6type_bi", "_Z6type_ci", "_Z6type_di"]);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn assembly_names_objects_in_every_spelling() {
    let text = format!(
        "#include <stdio.h>\n{}\
         static int table[4] __attribute__((used)) = {{10, 20, 30, 40}};\n\
         static int other[4] __attribute__((used)) = {{1, 2, 3, 4}};\n\
         static int odd[2] __asm__(\"an odd name\") __attribute__((used)) = {{7, 8}};\n\
         __attribute__((used, noinline)) static int callee(int x) {{ return one(x) - one(x) + x + 1; }}\n\
         __attribute__((used, noinline)) static int callee_slow(int x) {{ return two(x) - two(x) + x + 2; }}\n\
         __attribute__((noinline)) int *immediate(void) {{ int *r; __asm__(\"movq $table, %0\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int offset(void) {{ int r; __asm__(\"movl table+4(%%rip), %0\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int dialects(void) {{ int r; __asm__(\"mov{{l table+8(%%rip), %0| %0, dword ptr table[rip+8]}}\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int quoted(void) {{ int r; __asm__(\"movl \\\"an odd name\\\"+4(%%rip), %0\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int plt(int x) {{ int r; __asm__(\"call callee@PLT\" : \"=a\"(r), \"+D\"(x) : : \"rcx\", \"rdx\", \"rsi\", \"r8\", \"r9\", \"r10\", \"r11\", \"memory\"); return r; }}\n\
         __attribute__((noinline)) int operand(int x) {{ int r; __asm__(\"call %P2\" : \"=a\"(r), \"+D\"(x) : \"i\"(callee) : \"rcx\", \"rdx\", \"rsi\", \"r8\", \"r9\", \"r10\", \"r11\", \"memory\"); return r; }}\n\
         __attribute__((noinline)) int joined(int x) {{ int r; __asm__(\"call %c2_slow\" : \"=a\"(r), \"+D\"(x) : \"i\"(callee) : \"rcx\", \"rdx\", \"rsi\", \"r8\", \"r9\", \"r10\", \"r11\", \"memory\"); return r; }}\n\
         __attribute__((noinline)) int constant(void) {{ int r; __asm__(\"movl %c1(%%rip), %0\" : \"=r\"(r) : \"i\"(other)); return r; }}\n\
         __attribute__((noinline)) int defines(int x) {{ int r = x; __asm__ volatile(\".globl given_by_text\\n.set given_by_text, 42\\n.set private_to_text, 43\\njmp 1f\\nentry_in_text: incl %%eax\\nret\\n1:\" : \"+r\"(r)); return r; }}\n\
         __attribute__((noinline)) int uses(void) {{ int r; __asm__(\"movl $private_to_text, %0\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int calls(int x) {{ __asm__ volatile(\"call entry_in_text\" : \"+a\"(x)); return x; }}\n\
         static inline __attribute__((always_inline)) int must_inline(const int x) {{ int r; __asm__(\"movl %c1+other(%%rip), %0\" : \"=r\"(r) : \"i\"(x)); return r; }}\n\
         __attribute__((noinline)) int inlined_a(void) {{ return must_inline(4); }}\n\
         __attribute__((noinline)) int inlined_b(void) {{ return must_inline(8) + three(1) * 0; }}\n\
         extern char given_by_text[];\n\
         __attribute__((noinline)) int by_c(int x) {{ table[1] += x; other[0] += x; odd[1] += x; return table[2] + callee(x) + callee_slow(x) + (int)(long)given_by_text; }}\n\
         int main(void) {{ printf(\"%d\\n\", by_c(2)); printf(\"%d\\n\", immediate()[0]); printf(\"%d %d %d\\n\", offset(), dialects(), quoted());\n\
           printf(\"%d %d %d %d\\n\", plt(1), operand(2), joined(3), constant()); printf(\"%d %d %d\\n\", defines(3), uses(), calls(5));\n\
           printf(\"%d %d\\n\", inlined_a(), inlined_b()); return four(1) * 0; }}\n",
        bulks(&["one", "two", "three", "four", "five", "six"])
    );
    for args in ["-O2 -fno-pie", "-O1 -fno-pie"] {
        same(args, &[("a.c", &text)]);
    }
}

#[test]
fn assembly_that_is_not_understood_keeps_a_file_whole() {
    for (assembly, reason) in [
        (".macro twice\\nnop\\nnop\\n.endm", "it has assembly with the directive .macro"),
        (
            ".pushsection notes, \\\"a\\\"\\n.long 1\\n.popsection",
            "it has assembly with the directive .pushsection",
        ),
    ] {
        let text = format!("{}void f(void) {{ __asm__(\"{assembly}\"); }}\n", bulks(&["a", "b", "c", "d"]));
        let program = program("-O2", &[("a.c", &text)]);
        let heard = Heard(RefCell::default());
        program.cut("a.c", SUFFIXES[0], &heard, |cut, _| assert_eq!(cut.err(), Some(reason)));
    }
}

#[test]
fn comdats_inline_functions_and_templates_of_two_files() {
    let header = "#pragma once\n#include <string>\n#include <vector>\n\
        struct Shape { virtual ~Shape() {} virtual int area() const { return 1; } virtual const char *name() const = 0; };\n\
        inline int next() { static int count = 100; return ++count; }\n\
        inline std::string &shared() { static std::string text = \"start\"; return text; }\n\
        template <class T> T twice(T x) { static int calls; ++calls; return x + x + (calls > 1000 ? T() : T()); }\n\
        template <class T> struct Counted { static int live; Counted() { ++live; } ~Counted() { --live; } };\n\
        template <class T> int Counted<T>::live = 0;\n\
        int other(Shape &shape);\n";
    let a = format!(
        "#include \"h.h\"\n#include <cstdio>\n{}\
         struct Square : Shape {{ int side; Square(int s) : side(s) {{}} int area() const override {{ return side * side + bulk_a(2) * 0; }}\n\
           const char *name() const override {{ return \"square\"; }} }};\n\
         __attribute__((noinline)) int f(int x) {{ shared() += \"f\"; return twice(x) + next(); }}\n\
         __attribute__((noinline)) int g(int x) {{ shared() += \"g\"; std::vector<int> v(x, 3); return twice((int)v.size()) + next(); }}\n\
         int main() {{ Square s(5); Counted<int> c; int r = f(1) + g(2) + other(s);\n\
           std::printf(\"%d %s %d %zu\\n\", r, shared().c_str(), Counted<int>::live, twice(std::string(\"ab\")).size()); return 0; }}\n",
        bulks(&["bulk_a", "bulk_b"])
    );
    let b = format!(
        "#include \"h.h\"\n#include <cstdio>\n{}\
         __attribute__((noinline)) int h(int x) {{ shared() += \"h\"; Counted<int> c; return twice(x) * Counted<int>::live; }}\n\
         int other(Shape &shape) {{ shared() += \"o\"; std::printf(\"%s %d\\n\", shape.name(), shape.area());\n\
           Shape *dynamic = &shape; return h(next()) + dynamic->area() + bulk_c(1) + bulk_d(2); }}\n",
        bulks(&["bulk_c", "bulk_d"])
    );
    for args in ["-O2", "-O0", "-O2 -fPIC -ffunction-sections -fdata-sections"] {
        same(args, &[("h.h", header), ("a.cc", &a), ("b.cc", &b)]);
    }
}

/// What is inlined everywhere is not in the object, as it is not in clang's.
#[test]
fn inline_functions_leave_nothing_behind() {
    let mut text = "#include <stdio.h>\nstruct Sum {\n    int all = 0;\n".to_owned();
    // Too large for a replica by the other rule.
    text.push_str("    void add(int x) { ");
    for factor in 2..12 {
        let _ = write!(text, "x = x * {factor} + (x >> {factor}); ");
    }
    text.push_str("all ^= x; }\n};\n");
    for name in ["one", "two", "three", "four"] {
        let _ = writeln!(
            text,
            "__attribute__((noinline)) int {name}(int x) {{ Sum s; for (int i = 0; i < x; i++) s.add(i); return s.all; }}"
        );
    }
    text.push_str("int main() { printf(\"%d\\n\", one(9) ^ two(8) ^ three(7) ^ four(6)); }\n");
    let program = same("-O2", &[("a.cpp", &text)]);
    let defined = |object: &str| program.tool("llvm-nm", &["--defined-only", "-C", &program.path(object)]);
    assert!(!defined("a.cpp.whole.o").contains("Sum::add"), "clang does not inline it");
    assert!(!defined("a.cpp.cut.o").contains("Sum::add"), "{}", defined("a.cpp.cut.o"));
}

/// Functions and constants that vanish in clang's object although several pieces use them.
fn vanishing() -> String {
    let mut text = format!(
        "#include <stdio.h>\n{}\
         static int state;\n\
         static int tiny(int x) {{ return x * 3 + 1; }}\n\
         static int nested(int x) {{ return tiny(x) ^ tiny(x + 1); }}\n\
         static void change(int x) {{ state += tiny(x); }}\n\
         __attribute__((used)) static int kept(int x) {{ return x + 77; }}\n\
         __attribute__((cold)) static int rare(int x) {{ return x - 5; }}\n\
         __attribute__((noinline, cold)) static int rarely(int x) {{ return x - 6; }}\n\
         __attribute__((noinline)) static int stays(int x) {{ return x / 3 + state; }}\n\
         static int taken(int x) {{ return x * 5; }}\n",
        bulks(&["bulk_a", "bulk_b", "bulk_c", "bulk_d"])
    );
    for piece in ["a", "b", "c", "d"] {
        let _ = writeln!(
            text,
            "__attribute__((noinline)) int use_{piece}(int x) {{ change(x); return nested(x) + stays(x) + kept(x) + rare(x) + rarely(x) + bulk_{piece}(x) + taken(x); }}\n\
             __attribute__((noinline)) int (*take_{piece}(int x))(int) {{ return x ? taken : stays; }}"
        );
    }
    text.push_str(
        "int main(void) { printf(\"%d %d %d %d\\n\", use_a(1), use_b(2), use_c(3), use_d(4));\n\
         printf(\"%d %d %d\\n\", take_a(1) == take_b(1), take_c(0) == take_d(0), take_a(1)(3) + take_b(0)(4)); return 0; }\n",
    );
    text
}

#[test]
fn a_cut_object_has_the_names_of_an_uncut_one() {
    for args in [
        "-O2",
        "-O1 -fPIC",
        "-Os",
        "-O0",
        "-O2 -ffunction-sections -fdata-sections",
        "-O2 -fno-addrsig",
        "-O2 -fno-asynchronous-unwind-tables -fno-unwind-tables",
    ] {
        let program = same(args, &[("a.c", &vanishing())]);
        program.assert_apart("a.c", &["use_a", "use_b", "use_c", "use_d"]);
        let (whole, cut) = (program.path("a.c.whole.o"), program.path("a.c.cut.o"));
        let names = |object: &str| {
            let mut names = program.defined(object);
            names.retain(|name| !name.starts_with(".L"));
            names
        };
        assert_eq!(names(&cut), names(&whole), "{args}");
        let sections = |object: &str| {
            let sections = program.tool("llvm-readelf", &["--sections", "--wide", object]);
            let mut names: Vec<String> = sections
                .lines()
                .filter_map(|line| line.split_once("] ")?.1.split(' ').next().map(str::to_owned))
                .collect();
            // clang has the names of sections with those of symbols.
            names.retain(|name| name != ".shstrtab");
            names.sort_unstable();
            names
        };
        assert_eq!(sections(&cut), sections(&whole), "{args}");
        let significant = |object: &str| {
            let table = program.tool("llvm-readelf", &["--addrsig", object]);
            let mut names: Vec<String> = table
                .lines()
                .filter_map(|line| {
                    line.trim()
                        .split_once(": ")?
                        .0
                        .parse::<u32>()
                        .ok()
                        .map(|_| line.trim().split_once(": ").unwrap_or_default().1.to_owned())
                })
                .collect();
            names.sort_unstable();
            names
        };
        assert_eq!(significant(&cut), significant(&whole), "{args}");
    }
}

/// Linkers fold functions of the same code if their addresses are not significant, and say nothing of the object.
#[test]
fn identical_functions_of_pieces_are_folded_safely() {
    let program = program("-O2 -ffunction-sections", &[("a.c", &vanishing())]);
    let (whole, (cut, _)) = (program.whole("a.c"), program.joined("a.c", SUFFIXES[0]));
    let fold = |name: &str, object: &String| {
        let output = program.path(name);
        let words = [
            object,
            "-o",
            &output,
            "-B",
            concat_bin(),
            "-fuse-ld=lld",
            "-Wl,--icf=safe,--print-icf-sections,--fatal-warnings",
        ];
        let mut folded: Vec<String> = program
            .tool("clang", &words)
            .lines()
            .map(|line| line.rsplit('(').next().unwrap_or_default().to_owned())
            .collect();
        folded.sort_unstable();
        (folded, PathBuf::from(output))
    };
    let ((expected, whole), (folded, cut)) = (fold("whole", &whole), fold("cut", &cut));
    assert!(expected.iter().any(|line| line.contains("take_")), "{expected:?}");
    assert_eq!(folded, expected);
    program.runs_the_same(&whole, &cut);
}

/// What the optimiser left nothing of is described as such, and what is there can be stopped at.
#[test]
fn debug_information_of_functions_that_vanish() {
    for args in ["-O2 -g", "-O2 -g -gdwarf-4", "-O2 -g -ffunction-sections", "-O1 -g3 -gz"] {
        let program = same(args, &[("a.c", &vanishing())]);
        let built = program.path("cut");
        program.tool("llvm-dwarfdump", &["--verify", &program.path("a.c.cut.o")]);
        program.tool("llvm-dwarfdump", &["--verify", &built]);
        let words = [
            "-batch",
            "-nx",
            "-ex",
            "break tiny",
            "-ex",
            "break stays",
            "-ex",
            "run",
            "-ex",
            "bt 1",
            "-ex",
            "info breakpoints",
            &built,
        ];
        let text = String::from_utf8_lossy(&program.run(Path::new("gdb"), &words).stdout).into_owned();
        assert!(text.contains("Breakpoint 1 at") && text.contains("Breakpoint 2 at"), "{args}: {text}");
        assert!(text.lines().any(|line| line.starts_with("#0") && line.contains("tiny")), "{args}: {text}");
    }
}

#[test]
fn aliases_and_ifuncs() {
    let text = format!(
        "#include <stdio.h>\n{}\
         static int target(int x) {{ return x + 40 + bulk_a(1) * 0; }}\n\
         int strong(int) __attribute__((alias(\"target\")));\n\
         static int local(int) __attribute__((alias(\"target\")));\n\
         int feeble(int) __attribute__((weak, alias(\"target\")));\n\
         static int data[2] = {{1, 2}};\nextern int same_data[2] __attribute__((alias(\"data\")));\n\
         static int chosen(int x) {{ return x * 2 + bulk_b(1) * 0; }}\n\
         static int (*resolve(void))(int) {{ return chosen; }}\n\
         int indirect(int) __attribute__((ifunc(\"resolve\")));\n\
         __attribute__((noinline)) int one(int x) {{ return strong(x) + local(x) + indirect(x); }}\n\
         __attribute__((noinline)) int two(int x) {{ same_data[1] += x; return data[1] + feeble(x) + indirect(x); }}\n\
         int main(void) {{ printf(\"%d %d %d\\n\", one(1), two(2), bulk_c(3)); return 0; }}\n",
        bulks(&["bulk_a", "bulk_b", "bulk_c"])
    );
    same("-O2", &[("a.c", &text)]);
    same("-O0", &[("a.c", &text)]);
}

/// An alias is a second name of one address, and an ifunc has one address too.
#[test]
fn aliases_and_ifuncs_have_one_address() {
    let text = format!(
        "#include <stdio.h>\n#define N __attribute__((noinline))\n{}\
         static int impl(int x) {{ return x + 1; }}\n\
         int feeble(int) __attribute__((weak, alias(\"impl\")));\nint strong(int) __attribute__((alias(\"impl\")));\n\
         static int data = 5;\nextern int other_data __attribute__((alias(\"data\")));\n\
         static int chosen(int x) {{ return x + 2; }}\nstatic int (*resolve(void))(int) {{ return chosen; }}\n\
         int indirect(int) __attribute__((ifunc(\"resolve\")));\n\
         N int a(int x) {{ return feeble(x); }}\nN int b(int x) {{ return strong(x) + impl(x); }}\n\
         N int c(void) {{ return (void *)feeble == (void *)strong; }}\nN int d(void) {{ return (void *)strong == (void *)impl; }}\n\
         N int e(void) {{ other_data++; return data; }}\nN int f(void) {{ data += 2; return &data == &other_data; }}\n\
         N void *g(void) {{ return (void *)indirect; }}\nN void *h(void) {{ return (void *)indirect; }}\nN int i(int x) {{ return indirect(x); }}\n\
         int main(void) {{ printf(\"%d %d %d %d %d %d %d %d\\n\", a(1), b(2), c(), d(), e(), f(), g() == h(), i(3)); return 0; }}\n",
        bulks(&["one", "two", "three"])
    );
    for args in ["-O0", "-O2", "-O2 -fPIC -ffunction-sections"] {
        for pieces in [2, 5, 9] {
            let mut program = program(args, &[("a.c", &text)]);
            (program.limits.units, program.limits.least) = (pieces, pieces);
            program.same();
        }
    }
}

#[test]
fn computed_goto_setjmp_and_varargs() {
    let text = format!(
        "#include <setjmp.h>\n#include <stdarg.h>\n#include <stdio.h>\n{}\
         __attribute__((noinline)) int interpret(const unsigned char *code) {{\n\
           static const void *const labels[] = {{&&stop, &&add, &&twice}};\n\
           int value = 1;\n goto *labels[*code++];\n add: value += 5; goto *labels[*code++];\n\
           twice: value *= 2; goto *labels[*code++];\n stop: return value; }}\n\
         static jmp_buf where;\n\
         __attribute__((noinline)) static void thrower(int x) {{ if (x > 1) longjmp(where, x); }}\n\
         __attribute__((noinline)) int catcher(int x) {{ volatile int seen = 0; int code = setjmp(where);\n\
           if (code) return code + seen; seen = 10; thrower(x); return -1; }}\n\
         __attribute__((noinline)) static int sum(int n, ...) {{ va_list list; va_start(list, n); int s = 0;\n\
           while (n--) s += va_arg(list, int); va_end(list); return s; }}\n\
         __attribute__((noinline)) int caller(int x) {{ return sum(3, x, 2, 3) + sum(1, x); }}\n\
         int main(void) {{ const unsigned char code[] = {{1, 2, 2, 1, 0}};\n\
           printf(\"%d %d %d %d\\n\", interpret(code), catcher(7), catcher(0), caller(4)); return bulk_a(1) == 99999; }}\n",
        bulks(&["bulk_a", "bulk_b"])
    );
    same("-O2", &[("a.c", &text)]);
    same("-O0", &[("a.c", &text)]);
}

#[test]
fn thread_locals_stay_one_for_each_thread() {
    let text = format!(
        "#include <cstdio>\n#include <thread>\n#include <string>\n{}\
         static thread_local int plain = 5;\nthread_local std::string text = \"new\";\n\
         __attribute__((noinline)) int one(int x) {{ plain += x; text += 'a'; return plain; }}\n\
         __attribute__((noinline)) int two(int x) {{ plain *= x; text += 'b'; return plain; }}\n\
         int main() {{ one(1); two(2); std::thread([] {{ one(3); std::printf(\"%d %s\\n\", two(4), text.c_str()); }}).join();\n\
           std::printf(\"%d %s\\n\", plain, text.c_str()); return bulk_a(1) == 99999; }}\n",
        bulks(&["bulk_a", "bulk_b"])
    );
    same("-O2 -fPIC", &[("a.cc", &text)]);
}

#[test]
fn assembly_outside_of_functions_keeps_a_file_whole() {
    let text = format!("{}asm(\".globl here\\nhere: ret\\n\");\n", bulks(&["a", "b", "c", "d"]));
    let program = program("-O2", &[("a.c", &text)]);
    let heard = Heard(RefCell::default());
    program.cut("a.c", SUFFIXES[0], &heard, |cut, _| {
        assert_eq!(cut.err(), Some("it has assembly outside of functions"));
    });
}

#[cfg(target_arch = "x86_64")]
#[test]
fn assembly_in_functions_that_names_locals() {
    let text = format!(
        "#include <stdio.h>\n{}\
         static int hidden_value __attribute__((used)) = 7;\n\
         __attribute__((noinline, used)) static int callee(int x) {{ return x + 1; }}\n\
         __attribute__((noinline)) int by_text(void) {{ int r; asm volatile(\"movl hidden_value(%%rip), %0\" : \"=r\"(r)); return r; }}\n\
         __attribute__((noinline)) int by_c(int x) {{ hidden_value += x; return hidden_value + callee(x); }}\n\
         extern char label_in_text[];\n\
         __attribute__((noinline)) int defines(void) {{ asm volatile(\"label_in_text: nop\"); return 3; }}\n\
         __attribute__((noinline)) int mentions(void) {{ return label_in_text != (char *)0; }}\n\
         static inline __attribute__((always_inline)) int constant(int x) {{ int r; asm(\"movl %1, %0\" : \"=r\"(r) : \"i\"(41)); return r + x; }}\n\
         int main(void) {{ int sum = by_c(2); printf(\"%d %d %d %d %d\\n\", sum, by_text(), defines(), mentions(), constant(1)); return bulk_a(1) == 99999; }}\n",
        bulks(&["bulk_a", "bulk_b", "bulk_c"])
    );
    same("-O2", &[("a.c", &text)]);
}

#[test]
fn weak_and_common_symbols_and_visibility() {
    let a = format!(
        "#include <stdio.h>\n{}\
         int common_value;\n__attribute__((weak)) int feeble(void) {{ return 1; }}\n\
         __attribute__((weak)) int own(void) {{ return 10; }}\n\
         __attribute__((weak)) extern int absent(void);\n\
         __attribute__((visibility(\"hidden\"))) int concealed(int x) {{ return x + 1; }}\n\
         __attribute__((visibility(\"protected\"))) int guarded(int x) {{ return x + 2; }}\n\
         __attribute__((noinline)) int one(int x) {{ common_value += x; return feeble() + own() + concealed(x); }}\n\
         __attribute__((noinline)) int two(int x) {{ return common_value + feeble() + guarded(x) + (absent ? 1000 : 0); }}\n\
         int main(void) {{ int sum = one(3); printf(\"%d %d\\n\", sum, two(4)); return bulk_a(1) == 99999; }}\n",
        bulks(&["bulk_a", "bulk_b"])
    );
    let b = format!("{}int common_value;\nint feeble(void) {{ return 2; }}\n", bulks(&["ub", "uc", "ud"]));
    same("-O2 -fcommon -fPIC", &[("a.c", &a), ("b.c", &b)]);
}

#[test]
fn exceptions_cross_pieces() {
    let text = format!(
        "#include <cstdio>\n#include <stdexcept>\n#include <string>\n{}\
         namespace {{ struct Mine : std::runtime_error {{ using std::runtime_error::runtime_error; int code = 4; }}; \n\
         struct Guard {{ const char *name; ~Guard() {{ std::printf(\"~%s\\n\", name); }} }}; }}\n\
         __attribute__((noinline)) static void thrower(int x) {{ Guard g{{\"thrower\"}}; if (x) throw Mine(\"mine\"); throw 5; }}\n\
         __attribute__((noinline)) int middle(int x) {{ Guard g{{\"middle\"}}; thrower(x); return 0; }}\n\
         __attribute__((noinline)) int outer(int x) {{ try {{ middle(x); }} catch (const Mine &e) {{ std::printf(\"%s %d\\n\", e.what(), e.code); return 1; }}\n\
           catch (int i) {{ return i; }} return 9; }}\n\
         int main() {{ int a = outer(1), b = outer(0); std::printf(\"%d %d\\n\", a, b); return bulk_a(1) == 99999; }}\n",
        bulks(&["bulk_a", "bulk_b"])
    );
    same("-O2", &[("a.cc", &text)]);
    same("-O0", &[("a.cc", &text)]);
}

const DEBUGGED: &str = "static int total;\n\
    static const int factors[] = {2, 3, 5};\n\
    enum color { red, green };\n\
    struct point { int x, y; enum color color; };\n\
    __attribute__((noinline)) static int deepest(struct point *p)\n{\n\
    \ttotal += p->x;\n\
    \treturn *(volatile int *)0 + factors[p->y];\n}\n\
    __attribute__((noinline)) int middle(int x)\n{\n\
    \tstruct point p = {x, 1, green};\n\
    \treturn deepest(&p) + 1;\n}\n\
    __attribute__((noinline)) int outer(int x)\n{\n\
    \treturn middle(x + 1) * 2;\n}\n\
    int main(int argc, char **argv)\n{\n\
    \t(void)argv;\n\
    \treturn outer(argc) + total;\n}\n";

#[test]
fn debug_information_gives_right_lines_once() {
    for args in ["-O1 -g", "-O0 -g", "-O2 -gline-tables-only"] {
        let program = program(args, &[("a.c", DEBUGGED)]);
        let (object, pieces) = program.joined("a.c", SUFFIXES[0]);
        assert!(pieces > 1);
        program.tool("llvm-dwarfdump", &["--verify", &object]);
        let built = program.link("a", std::slice::from_ref(&object), &[]);
        let built = built.to_str().unwrap();
        let words = ["-batch", "-nx", "-ex", "run", "-ex", "bt", "-ex", "up", "-ex", "info line", built];
        let output = program.run(Path::new("gdb"), &words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for (function, line) in [("deepest", 8), ("middle", 13), ("outer", 17), ("main", 22)] {
            let frame = text.lines().find(|l| l.starts_with('#') && l.contains(&format!(" {function} ")));
            let frame = frame.unwrap_or_else(|| panic!("{args}: no frame of {function}: {text}"));
            assert!(frame.ends_with(&format!("a.c:{line}")), "{args}: {frame}");
        }
        if args.ends_with("-g") {
            let dump = program.tool("llvm-dwarfdump", &["--debug-info", &object]);
            for name in ["total", "factors", "color"] {
                let lines = dump.lines().filter(|l| l.contains(&format!("DW_AT_name\t(\"{name}\")")));
                // The member of the structure has the enumeration's name too.
                let expected = if name == "color" { 2..=4 } else { 1..=1 };
                assert!(expected.contains(&lines.count()), "{args}: {name} in {dump}");
            }
        }
    }
}

#[test]
fn assembly_errors_are_told_once_and_at_their_place() {
    let text = format!(
        "{}\nint broken(int x) {{\n\tasm volatile(\"nop\\n\\tnosuch %0\" : : \"r\"(x));\n\treturn x;\n}}\n",
        bulks(&["a", "b", "c"])
    );
    let program = program("-O2", &[("a.c", &text)]);
    let heard = Heard(RefCell::default());
    program.cut("a.c", SUFFIXES[0], &heard, |cut, request| {
        let cut = cut.unwrap();
        for index in 0..cut.costs().len() {
            let context = Context::create();
            let mut clang = Clang::open(request, Lto::Off, &heard).unwrap_or_else(|_| panic!("as before"));
            let module = cut.piece(&context, index).unwrap();
            clang.adopt_piece(cut, &module).unwrap();
            clang.optimise(&module).unwrap();
            let _ = clang.emit(&module);
        }
    });
    let heard = heard.0.into_inner();
    let [error] = &heard[..] else { panic!("one error is expected: {heard:?}") };
    assert!(error.file.as_ref().is_some_and(|file| file.ends_with("a.c")), "{error:?}");
    assert_eq!(error.line, 6, "{error:?}");
    assert!(error.message.contains("nosuch"), "{error:?}");
}

#[test]
fn the_same_cut_every_time() {
    let text = bulks(&["a", "b", "c", "d", "e"]);
    let program = program("-O2 -g", &[("a.c", &text)]);
    let read = |(object, _): (String, usize)| std::fs::read(object).unwrap();
    let first = read(program.joined("a.c", SUFFIXES[0]));
    assert_eq!(first, read(program.joined("a.c", SUFFIXES[0])));
}

#[test]
fn sanitizers_see_the_whole_program() {
    let text = format!(
        "#include <limits.h>\n#include <pthread.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n{}\
         static int shared, numbers[4] = {{1, 2, 3, 4}};\n\
         __attribute__((noinline)) static int read_at(int i) {{ return numbers[i]; }}\n\
         __attribute__((noinline)) int overflow(int i) {{ return read_at(i) + bulk_a(1); }}\n\
         __attribute__((noinline)) int signed_add(int x) {{ return x + 1; }}\n\
         static void *increment(void *p) {{ for (int i = 0; i < 1000; ++i) ++shared; return p; }}\n\
         __attribute__((noinline)) int race(void) {{ pthread_t a, b; pthread_create(&a, 0, increment, 0);\n\
           pthread_create(&b, 0, increment, 0); pthread_join(a, 0); pthread_join(b, 0); return shared != 0; }}\n\
         int main(int argc, char **argv) {{ if (argc == 1) {{ printf(\"clean %d %d\\n\", read_at(2), signed_add(3)); return 0; }}\n\
           if (!strcmp(argv[1], \"address\")) return overflow(atoi(argv[2])) == 12345;\n\
           if (!strcmp(argv[1], \"undefined\")) return signed_add(INT_MAX - 4 + atoi(argv[2])) == 5;\n\
           return race() == 5; }}\n",
        bulks(&["bulk_a", "bulk_b", "bulk_c"])
    );
    for (kind, word) in [
        ("address", "global-buffer-overflow"),
        ("undefined", "signed integer overflow"),
        ("thread", "data race"),
    ] {
        let program = program(&format!("-O1 -g -fPIC -fsanitize={kind}"), &[("a.c", &text)]);
        let (object, pieces) = program.joined("a.c", SUFFIXES[0]);
        assert!(pieces > 1);
        // The runtime of either compiler will do, and GCC's is where a C++ compiler is.
        let built = program.path("san");
        let words = [&object, "-o", &built, &format!("-fsanitize={kind}"), "-pthread"];
        let linked = program.run(Path::new("g++"), &words);
        assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
        let clean = program.run(Path::new(&built), &[]);
        assert_eq!(String::from_utf8_lossy(&clean.stdout), "clean 3 4\n");
        assert_eq!(clean.status.code(), Some(0), "{}", String::from_utf8_lossy(&clean.stderr));
        let caught = program.run(Path::new(&built), &[kind, "4"]);
        let text = String::from_utf8_lossy(&caught.stderr).into_owned();
        assert!(text.contains(word), "{kind}: {text}");
    }
}
