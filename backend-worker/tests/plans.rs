//! Plans run by hand: every language, archives, links, and messages about bad input.

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const LLVM: &str = concat!(env!("TENDER_LLVM_PREFIX"), "/bin");

struct TestDir {
    dir: tempfile::TempDir,
}

impl TestDir {
    fn new(files: &[(&str, &str)]) -> TestDir {
        let test = TestDir { dir: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            std::fs::write(test.dir.path().join(name), text).unwrap();
        }
        test
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn run(&self, items: &Value) -> Output {
        self.run_jobs(items, "2")
    }

    fn run_jobs(&self, items: &Value, jobs: &str) -> Output {
        self.run_as(items, jobs, "parallel")
    }

    fn run_as(&self, items: &Value, jobs: &str, translate: &str) -> Output {
        let plan = json!({"id": 1, "crate": "test", "translate": translate, "items": items});
        std::fs::write(self.dir().join("plan.json"), plan.to_string()).unwrap();
        Command::new(env!("CARGO_BIN_EXE_tender-worker"))
            .current_dir(self.dir())
            .env_remove("MAKEFLAGS")
            .env_remove("MFLAGS")
            .env_remove("CARGO_MAKEFLAGS")
            .args(["--plan", "plan.json", "--jobs", jobs])
            .output()
            .unwrap()
    }

    fn tool(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(program).current_dir(self.dir()).args(args).output().unwrap();
        assert!(
            output.status.success(),
            "{program} {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

fn compile(id: u32, source: &str, language: &str) -> Value {
    json!({"id": id, "unit": source, "work": {"kind": "compile", "source": source, "language": language,
           "args": ["-O2", "-fPIC", "-ffile-compilation-dir=."], "object": format!("out/{source}.o")}})
}

fn text(output: &Output) -> String {
    assert!(output.stdout.is_empty(), "standard output is for data");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn plan_links_every_language_into_one_program() {
    let test = TestDir::new(&[
        (
            "main.c",
            "int c(void), ll(int), bc(int), s(int), S(int), cxx(int);\n\
                    int main(void) { return ll(1) + bc(2) + s(3) + S(4) + cxx(5) == 1100 + 15 ? 42 : 1; }\n",
        ),
        (
            "cxx.cc",
            "#include <vector>\nextern \"C\" int cxx(int x) { std::vector<int> v(3, x); return v.at(2) + 500; }\n",
        ),
        ("ll.ll", "define i32 @ll(i32 %x) {\n  %y = add i32 %x, 100\n  ret i32 %y\n}\n"),
        ("bc.in", "define i32 @bc(i32 %x) {\n  %y = add i32 %x, 200\n  ret i32 %y\n}\n"),
        ("s.c", "int s(int x) { return x + 100; }\n"),
        ("big.h", "#define VALUE 200\n"),
        (
            "S.S",
            "#include \"big.h\"\n\t.text\n\t.globl S\n\t.type S,@function\nS:\n#if defined(__x86_64__)\n\
             \tleal VALUE(%rdi), %eax\n#else\n\tadd w0, w0, #VALUE\n#endif\n\tret\n\t.size S, .-S\n\
             \t.section .note.GNU-stack,\"\",@progbits\n",
        ),
    ]);
    test.tool(&format!("{LLVM}/llvm-as"), &["bc.in", "-o", "bc.bc"]);
    test.tool(&format!("{LLVM}/clang"), &["-O2", "-S", "s.c", "-o", "s.s"]);
    let mut items = vec![
        compile(0, "main.c", "c"),
        compile(1, "cxx.cc", "cxx"),
        compile(2, "ll.ll", "llvm-ir"),
        compile(3, "bc.bc", "bitcode"),
        compile(4, "s.s", "assembly"),
        compile(5, "S.S", "assembly-with-cpp"),
    ];
    let members: Vec<Value> = ["cxx.cc", "ll.ll", "bc.bc", "s.s", "S.S"]
        .iter()
        .map(|name| json!({"name": format!("{name}.o"), "path": format!("out/{name}.o")}))
        .collect();
    items.push(json!({"id": 6, "unit": "libx.a", "after": [1, 2, 3, 4, 5],
                      "work": {"kind": "archive", "output": "out/libx.a", "members": members}}));
    items.push(json!({"id": 7, "unit": "app", "after": [0, 6], "work": {"kind": "link",
        "driver": ["c++", format!("-B{LLVM}"), "-fuse-ld=lld"], "args": ["out/main.c.o", "out/libx.a"],
        "output": "out/app"}}));
    let output = test.run(&json!(items));
    assert!(output.status.success(), "{}", text(&output));
    let status = Command::new(test.dir().join("out/app")).status().unwrap();
    assert_eq!(status.code(), Some(42));
    assert_eq!(
        test.tool(&format!("{LLVM}/llvm-ar"), &["t", "out/libx.a"]),
        "cxx.cc.o\nll.ll.o\nbc.bc.o\ns.s.o\nS.S.o\n"
    );
}

#[test]
fn plan_archive_adds_members_of_archives_at_any_job_count() {
    let test = TestDir::new(&[
        ("a.c", "int a(void) { return 1; }\n"),
        ("b.c", "int b(void) { return 2; }\n"),
    ]);
    let items = json!([
        compile(0, "a.c", "c"),
        compile(1, "b.c", "c"),
        {"id": 2, "unit": "inner.a", "after": [0], "work": {"kind": "archive", "output": "out/inner.a",
            "members": [{"name": "a.o", "path": "out/a.c.o"}]}},
        {"id": 3, "unit": "outer.a", "after": [1, 2], "work": {"kind": "archive", "output": "out/outer.a",
            "members": [{"name": "inner.a", "path": "out/inner.a"}, {"name": "b.o", "path": "out/b.c.o"}]}},
    ]);
    let bytes = |jobs| {
        let output = test.run_jobs(&items, jobs);
        assert!(output.status.success(), "{}", text(&output));
        std::fs::read(test.dir().join("out/outer.a")).unwrap()
    };
    assert!(bytes("1") == bytes("4"), "the archive depends on the number of jobs");
    assert_eq!(test.tool(&format!("{LLVM}/llvm-ar"), &["t", "out/outer.a"]), "a.o\nb.o\n");
}

#[test]
fn plan_shows_compile_errors_as_clang_does() {
    let test = TestDir::new(&[
        ("bad.c", "#include \"nowhere.h\"\nint f(void) { return 1 }\n"),
        ("type.c", "int f(void) { return undeclared; }\n"),
        ("good.c", "int g(void) { return 1; }\n"),
    ]);
    let output = test.run(&json!([
        compile(0, "bad.c", "c"),
        compile(1, "type.c", "c"),
        compile(2, "good.c", "c"),
        {"id": 3, "unit": "x.a", "after": [0, 2], "work": {"kind": "archive", "output": "out/x.a",
            "members": [{"name": "bad.o", "path": "out/bad.c.o"}]}},
    ]));
    let text = text(&output);
    assert_eq!(output.status.code(), Some(101));
    assert!(text.contains("bad.c:1:10: fatal error: 'nowhere.h' file not found\n"), "{text}");
    assert!(text.contains("    1 | int f(void) { return undeclared; }\n"), "{text}");
    assert!(test.dir().join("out/good.c.o").exists());
    assert!(!test.dir().join("out/bad.c.o").exists());
    assert!(!test.dir().join("out/x.a").exists());
}

#[test]
fn plan_shows_backend_errors_with_a_location() {
    let test = TestDir::new(&[
        ("asm.c", "int ok;\nvoid f(void) {\n  __asm__(\"no_such_instruction\");\n}\n"),
        ("ir.ll", "define i32 @f( {\n"),
        ("s.s", "\tno_such_instruction\n"),
        ("good.c", "int g(void) { return 1; }\n"),
    ]);
    let output = test.run(&json!([
        compile(0, "asm.c", "c"),
        compile(1, "ir.ll", "llvm-ir"),
        compile(2, "s.s", "assembly"),
        compile(3, "good.c", "c"),
        compile(4, "absent.c", "c"),
    ]));
    let text = text(&output);
    assert_eq!(output.status.code(), Some(101), "{text}");
    assert!(text.contains("asm.c:3:"), "{text}");
    assert!(text.contains("ir.ll:2:1: error: expected type\n"), "{text}");
    assert!(text.contains("s.s:1:2: error: invalid instruction mnemonic"), "{text}");
    assert!(text.contains("absent.c"), "{text}");
    assert!(test.dir().join("out/good.c.o").exists());
}

#[test]
fn plan_names_a_missing_symbol_and_leaves_no_program() {
    let test =
        TestDir::new(&[("main.c", "int nowhere(void);\nint main(void) { return nowhere(); }\n")]);
    let output = test.run(&json!([
        compile(0, "main.c", "c"),
        {"id": 1, "unit": "app", "after": [0], "work": {"kind": "link",
            "driver": ["cc", format!("-B{LLVM}"), "-fuse-ld=lld"], "args": ["out/main.c.o"], "output": "out/app"}},
    ]));
    let text = text(&output);
    assert_eq!(output.status.code(), Some(101));
    assert!(text.contains("undefined symbol: nowhere"), "{text}");
    let left: Vec<_> = std::fs::read_dir(test.dir().join("out"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["main.c.o"]);
}

#[test]
fn plan_that_is_invalid_is_refused() {
    let test = TestDir::new(&[("plan.json", "{\"id\": 1}")]);
    let output = Command::new(env!("CARGO_BIN_EXE_tender-worker"))
        .current_dir(test.dir())
        .args(["--plan", "plan.json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("plan.json: the file is not a plan"), "{}", text(&output));
}

#[test]
fn plan_split_dwarf_leaves_no_signal_handler() {
    // LLVM's TempFile would replace the handlers of the process. SigCgt has a bit for each caught
    // signal.
    let test = TestDir::new(&[("a.c", "int a(void) { return 1; }\n")]);
    let caught = |args: &[&str]| -> u64 {
        let plan = json!({"type": "plan", "id": 1, "crate": "test", "items": [{"id": 0, "unit": "a.c", "work":
            {"kind": "compile", "source": "a.c", "language": "c", "args": args, "object": "a.o"}}]});
        let mut child = Command::new(env!("CARGO_BIN_EXE_tender-worker"))
            .current_dir(test.dir())
            .env_remove("MAKEFLAGS")
            .env_remove("CARGO_MAKEFLAGS")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        use std::io::{BufRead, Write};
        let mut input = child.stdin.take().unwrap();
        writeln!(
            input,
            "{}",
            json!({"type": "hello", "protocol": tender_protocol::PROTOCOL, "llvm": "22"})
        )
        .unwrap();
        writeln!(input, "{plan}").unwrap();
        writeln!(input, "{}", json!({"type": "lease", "plan": 1, "item": 0, "bytes": 0})).unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let done = lines
            .map(Result::unwrap)
            .any(|line| line.contains("\"type\":\"done\"") && line.contains("true"));
        assert!(done, "the plan did not succeed");
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let mask =
            status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        drop(input);
        child.wait().unwrap();
        u64::from_str_radix(&mask, 16).unwrap()
    };
    let plain = caught(&["-O1", "-g"]);
    assert_eq!(caught(&["-O1", "-g", "-gsplit-dwarf"]), plain);
    let (int, term, hup) = (1 << 1, 1 << 14, 1);
    assert_eq!(plain & (int | term | hup), 0, "LLVM's handlers are installed: {plain:x}");
}

/// It parses, but a use is not dominated by its definition.
const INVALID_IR: &str = "define i32 @f(i1 %c) {\nentry:\n  br i1 %c, label %a, label %b\na:\n  %x = add i32 1, 2\n  \
                          br label %b\nb:\n  ret i32 %x\n}\n";

#[test]
fn plan_reports_each_of_many_bad_units_once() {
    let test = TestDir::new(&[
        ("invalid.ll", INVALID_IR),
        ("valid.ll", "define i32 @g() {\n  ret i32 1\n}\n"),
        ("wrong.c", "int wrong(void) { return nowhere; }\n"),
        ("asm.c", "void bad(void) { __asm__(\"no_such_instruction\"); }\n"),
    ]);
    test.tool(&format!("{LLVM}/llvm-as"), &["valid.ll", "-o", "valid.bc"]);
    let whole = std::fs::read(test.dir().join("valid.bc")).unwrap();
    std::fs::write(test.dir().join("short.bc"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(test.dir().join("other.bc"), of_another_version(&test, &whole)).unwrap();
    let mut items = vec![
        compile(0, "invalid.ll", "llvm-ir"),
        compile(1, "wrong.c", "c"),
        compile(2, "asm.c", "c"),
        compile(3, "short.bc", "bitcode"),
        compile(4, "other.bc", "bitcode"),
    ];
    for number in 5..40 {
        let name = format!("good{number}.c");
        std::fs::write(
            test.dir().join(&name),
            format!("int good{number}(void) {{ return {number}; }}\n"),
        )
        .unwrap();
        items.push(compile(number, &name, "c"));
    }
    for (form, jobs) in [("parallel", "1"), ("parallel", "4"), ("serial", "1"), ("serial", "4")] {
        let _ = std::fs::remove_dir_all(test.dir().join("out"));
        let output = test.run_as(&json!(items), jobs, form);
        assert_eq!(output.status.code(), Some(101));
        let stderr = text(&output);
        for once in [
            "invalid.ll: error: the module is not valid IR: Instruction does not dominate all uses!",
            "wrong.c:1:26: error: use of undeclared identifier 'nowhere'",
            "asm.c:1:26: error: invalid instruction mnemonic 'no_such_instruction'",
            "short.bc: error:",
            "other.bc: error:",
        ] {
            assert_eq!(stderr.matches(once).count(), 1, "{form} -j{jobs}: {once} in {stderr}");
        }
        assert_eq!(stderr.matches("error:").count(), 5, "{form} -j{jobs}: {stderr}");
        let made = std::fs::read_dir(test.dir().join("out")).unwrap().count();
        assert_eq!(made, 35, "{form} -j{jobs}");
    }
}

/// `bitcode` with the epoch of another version of LLVM.
fn of_another_version(test: &TestDir, bitcode: &[u8]) -> Vec<u8> {
    let complains = |content: &[u8]| {
        std::fs::write(test.dir().join("try.bc"), content).unwrap();
        let mut run = Command::new(format!("{LLVM}/llvm-dis"));
        let run = run.args(["try.bc", "-o", "/dev/null"]).current_dir(test.dir()).output().unwrap();
        String::from_utf8_lossy(&run.stderr).contains("epoch")
    };
    let changed = |at: usize| {
        let mut content = bitcode.to_vec();
        content[at] ^= 0x40;
        content
    };
    (8..80)
        .map(changed)
        .find(|content| complains(content))
        .expect("one of the first bytes is the epoch")
}
