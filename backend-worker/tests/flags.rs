//! Every driver flag has the same effect as in clang: the objects and the bitcode for link-time
//! optimisation are the same, byte for byte, in both forms of translation.
//!
//! (-frecord-command-line is not in the table, because it records the command, and ours names the
//! language.)
//!
//! Each row compiles one source with a flag by `clang -c` and by a plan, to the same object name.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CLANG: &str = concat!(env!("TENDER_LLVM_PREFIX"), "/bin/clang");

const LLVM_DIS: &str = concat!(env!("TENDER_LLVM_PREFIX"), "/bin/llvm-dis");
const LLVM_AR: &str = concat!(env!("TENDER_LLVM_PREFIX"), "/bin/llvm-ar");

const C: &str = r#"
#include <stdint.h>
#include <string.h>
static int counter;
int global_bss[100];
__attribute__((noinline)) static double kernel(double *a, const double *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) { a[i] = a[i] * b[i] + sum; sum += a[i] / 3.0; }
    return sum;
}
extern int outside(int);
extern int outside_var;
int shift(int x, int by) { counter++; return x << by; }
int copy(char *to, const char *from) { char buffer[64]; strcpy(buffer, from); return strlen(strcpy(to, buffer)); }
int call(int x) { return outside(x) + outside_var + global_bss[x & 63]; }
double work(double *a, double *b, int n) { return kernel(a, b, n) + kernel(b, a, n / 2) + counter; }
int wraps(int x) { return x + 1 > x; }
"#;

const CXX: &str = r#"
#include <string>
#include <vector>
struct Base { virtual ~Base() {} virtual int f() const { return 1; } };
struct Derived : Base { int f() const override { return 2; } };
int use(const Base &b) { return b.f(); }
#ifdef __EXCEPTIONS
int thrower(int x) { if (x > 3) throw std::string("too much"); return x; }
int catcher(int x) { try { return thrower(x); } catch (const std::string &s) { return (int)s.size(); } }
#endif
std::vector<int> numbers(int n) { std::vector<int> v; for (int i = 0; i < n; i++) v.push_back(i * i); return v; }
static Derived global_object;
int entry() { return use(global_object); }
"#;

const ASSEMBLY: &str = "\
    \t.text\n\t.globl f\n\t.type f,@function\nf:\n\t.cfi_startproc\n\tjmp g@PLT\n\tret\n\t.cfi_endproc\n\t.size f, .-f\n\
    \t.section .note.GNU-stack,\"\",@progbits\n";

/// A sample profile: https://clang.llvm.org/docs/UsersManual.html#sample-profile-text-format
const SAMPLES: &str = "work:90000:100\n 0: 100\n 0: 5000 kernel:5000\nkernel:500000:5000\n 0: 5000\n 2: 100000\n\
    copy:10:0\n_Z7numbersi:80000:900\n 0: 900\n 1: 7000\n";

/// Flags for an assembly file.
#[cfg(target_arch = "x86_64")]
const ASSEMBLY_ROWS: &[&[&str]] = &[
    &[],
    &["-g"],
    &["-g", "-gdwarf-4", "-gz"],
    &["-fPIC", "-O2", "-g", "-fdebug-prefix-map=unit=other"],
    &["-march=x86-64-v3", "-Wa,--fatal-warnings"],
    &["-Wa,-mrelax-relocations=no"],
    &["-fcf-protection=full", "-fsanitize=address", "-ffunction-sections"],
];

/// Flags, and whether they are only for C++.
const ROWS: &[(&[&str], bool)] = &[
    (&[], false),
    (&["-O0"], false),
    (&["-O1"], false),
    (&["-O2"], false),
    (&["-O3"], false),
    (&["-Os"], false),
    (&["-Oz"], false),
    (&["-O2", "-fPIC"], false),
    (&["-O2", "-fPIE"], false),
    (&["-O2", "-fno-pic"], false),
    (&["-O2", "-ffunction-sections", "-fdata-sections"], false),
    (&["-O1", "-fsanitize=address"], false),
    (&["-O0", "-fsanitize=address"], false),
    (&["-O1", "-fsanitize=undefined"], false),
    (&["-O1", "-fsanitize=thread"], false),
    (&["-O2", "-fprofile-generate"], false),
    (&["-O2", "-gline-tables-only", "-fprofile-sample-use=unit.prof"], false),
    (&["-O3", "-fdebug-info-for-profiling", "-gmlt", "-fprofile-sample-use=unit.prof"], true),
    (&["-O2", "-fprofile-instr-generate", "-fcoverage-mapping"], false),
    (&["-O2", "-g"], false),
    (&["-O2", "-gline-tables-only"], false),
    (&["-O0", "-g", "-gdwarf-4"], false),
    (&["-O2", "-g", "-gsplit-dwarf"], false),
    (&["-O2", "-g", "-gz"], false),
    (&["-O2", "-g", "-gz=zstd"], false),
    (&["-O2", "-mcmodel=medium"], false),
    (&["-O2", "-mcmodel=large", "-fno-pic"], false),
    (&["-O2", "-march=x86-64-v3"], false),
    (&["-O2", "-mtune=znver3"], false),
    (&["-O2", "-fPIC", "-fno-plt"], false),
    (&["-O2", "-fvisibility=hidden"], false),
    (&["-O2", "-fno-exceptions"], true),
    (&["-O2", "-fno-rtti"], true),
    (&["-O2"], true),
    (&["-O0", "-g"], true),
    (&["-O2", "-std=c++20"], true),
    (&["-O2", "-fstack-protector-all"], false),
    (&["-O2", "-fstack-protector-strong"], false),
    (&["-O2", "-fcf-protection=full"], false),
    (&["-O2", "-fwrapv"], false),
    (&["-O2", "-ffast-math"], false),
    (&["-O2", "-fno-builtin"], false),
    (&["-O2", "-fno-strict-aliasing"], false),
    (&["-O2", "-femulated-tls"], false),
    (&["-O2", "-faddrsig"], false),
    (&["-O2", "-fno-addrsig"], false),
    (&["-O2", "-fstack-size-section"], false),
    (&["-O2", "-fno-unroll-loops", "-fno-vectorize"], false),
    (&["-O2", "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables"], false),
    (&["-O2", "-fno-omit-frame-pointer"], false),
    (&["-O2", "-finstrument-functions"], false),
    (&["-O2", "-fpatchable-function-entry=4"], false),
    (&["-O2", "-ftrivial-auto-var-init=zero"], false),
    (&["-O2", "-fzero-call-used-regs=used"], false),
    (&["-O2", "-mno-sse4.2", "-mavx"], false),
    (&["-O2", "-fsplit-stack"], false),
    (&["-O2", "-fbasic-block-sections=all"], false),
    (&["-O2", "-funique-internal-linkage-names"], false),
    (&["-O2", "-fxray-instrument"], false),
    (&["-O2", "-Wa,--noexecstack"], false),
];

struct TestDir {
    dir: tempfile::TempDir,
}

impl TestDir {
    fn new() -> TestDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("unit.c"), C).unwrap();
        std::fs::write(dir.path().join("unit.cc"), CXX).unwrap();
        std::fs::write(dir.path().join("unit.s"), ASSEMBLY).unwrap();
        std::fs::write(dir.path().join("unit.prof"), SAMPLES).unwrap();
        TestDir { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn clang(&self, flags: &[&str], source: &str) -> Output {
        Command::new(CLANG)
            .current_dir(self.dir.path())
            .args(flags)
            .args(["-ffile-compilation-dir=.", "-c", "-o", "out/unit.o", source])
            .output()
            .unwrap()
    }

    fn worker(&self, flags: &[&str], source: &str, translate: &str, lto: &str) -> Output {
        let language = match source.rsplit_once('.') {
            Some((_, "cc")) => "cxx",
            Some((_, "s")) => "assembly",
            _ => "c",
        };
        let mut args: Vec<&str> = flags.to_vec();
        args.push("-ffile-compilation-dir=.");
        let warm = format!("warm.{}", source.rsplit_once('.').unwrap().1);
        std::fs::write(self.path(&warm), "\n").unwrap();
        let compile = |id: u32, source: &str, object: &str, after: &[u32]| {
            serde_json::json!({"id": id, "unit": source, "after": after, "work": {"kind": "compile",
                "source": source, "language": language, "args": args, "object": object, "lto": lto}})
        };
        // The unit is the second one with its flags, so that what the worker caches from the first
        // one is used.
        let plan = serde_json::json!({
            "id": 1, "crate": "flags", "translate": translate,
            "items": [compile(0, &warm, "warm/warm.o", &[]), compile(1, source, "out/unit.o", &[0])],
        });
        let file = self.path("plan.json");
        std::fs::write(&file, plan.to_string()).unwrap();
        worker(&file, self.dir.path())
    }
}

impl TestDir {
    /// A module's text without its hash. The text is compared because bitcode also lists unused
    /// kinds of metadata.
    fn disassembled(&self, bitcode: &[u8]) -> String {
        std::fs::write(self.path("module.bc"), bitcode).unwrap();
        let run =
            Command::new(LLVM_DIS).arg("-o").arg("-").arg(self.path("module.bc")).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let text = String::from_utf8(run.stdout).unwrap();
        text.lines()
            .filter(|line| !line.starts_with("^0 = module:"))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// As `disassembled`, for an archive of one module.
    fn only_member(&self, archive: &[u8]) -> String {
        std::fs::write(self.path("archive.a"), archive).unwrap();
        let ar = |words: &[&str]| {
            let run =
                Command::new(LLVM_AR).args(words).current_dir(self.dir.path()).output().unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
            run.stdout
        };
        assert_eq!(ar(&["t", "archive.a"]), b"0.bc\n");
        self.disassembled(&ar(&["p", "archive.a"]))
    }
}

fn worker(plan: &Path, dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tender-worker"))
        .current_dir(dir)
        .env_remove("MAKEFLAGS")
        .env_remove("MFLAGS")
        .env_remove("CARGO_MAKEFLAGS")
        .arg("--plan")
        .arg(plan)
        .output()
        .unwrap()
}

fn outputs(test: &TestDir) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(test.path("out"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn flags_give_the_objects_of_clang() {
    let test = TestDir::new();
    let mut different = Vec::new();
    let rows = ROWS.iter().map(|(flags, cxx)| (flags, if *cxx { "unit.cc" } else { "unit.c" }));
    #[cfg(target_arch = "x86_64")]
    let rows = rows.chain(ASSEMBLY_ROWS.iter().map(|flags| (flags, "unit.s")));
    for (flags, source) in rows {
        let run = |tool: &dyn Fn(&[&str], &str) -> Output| {
            let _ = std::fs::remove_dir_all(test.path("out"));
            std::fs::create_dir(test.path("out")).unwrap();
            let output = tool(flags, source);
            (
                output.status.success(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
                outputs(&test),
            )
        };
        let (clang_ok, clang_text, expected) = run(&|flags, source| test.clang(flags, source));
        assert!(clang_ok, "clang itself refuses {flags:?}: {clang_text}");
        let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
            files.iter().map(|(name, bytes)| format!("{name} ({} bytes)", bytes.len())).collect()
        };
        for form in ["parallel", "serial"] {
            let (ok, text, actual) = run(&|flags, source| test.worker(flags, source, form, "off"));
            if !ok {
                different.push(format!("{source} {flags:?} {form}: refused: {text}"));
            } else if actual != expected {
                let (actual, expected) = (names(&actual), names(&expected));
                different
                    .push(format!("{source} {flags:?} {form}: {actual:?}, but clang {expected:?}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn flags_give_the_thin_lto_bitcode_of_clang() {
    let test = TestDir::new();
    // With debug information and sanitizers, nodes and names are numbered in another order, because
    // our module is read from bitcode once more.
    for (flags, source, as_clang) in [
        (&["-O2"][..], "unit.c", true),
        (&["-O0", "-g"], "unit.c", false),
        (&["-O3", "-ffunction-sections", "-fPIC"], "unit.cc", true),
        (&["-Os", "-fno-exceptions"], "unit.cc", true),
        (&["-Os", "-g", "-fsanitize=address"], "unit.cc", false),
    ] {
        let made = |ok: Output| {
            assert!(ok.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&ok.stderr));
            std::fs::read(test.path("out/unit.o")).unwrap()
        };
        std::fs::create_dir_all(test.path("out")).unwrap();
        let clangs = made(test.clang(&[flags, &["-flto=thin"]].concat(), source));
        let ours =
            ["parallel", "serial"].map(|form| made(test.worker(flags, source, form, "thin")));
        assert!(ours[0] == ours[1], "{source} {flags:?}: the forms of translation differ");
        let (clangs, ours) = (test.disassembled(&clangs), test.only_member(&ours[0]));
        if as_clang {
            assert!(clangs == ours, "{source} {flags:?}: not what clang makes");
        }
    }
}

#[test]
fn flags_without_effect_are_refused_by_name() {
    let test = TestDir::new();
    std::fs::write(test.path("json.cfg"), "-MJ x.json\n").unwrap();
    for (flags, word) in [
        (&["-mllvm", "-inline-threshold=3"][..], "-mllvm"),
        (&["-fplugin=nothing.so"], "-fplugin"),
        (&["-Xclang", "-load", "-Xclang", "nothing.so"], "plugin"),
        (&["-save-temps"], "-save-temps"),
        (&["-E"], "-E"),
        (&["-S"], "-S"),
        (&["-o", "elsewhere.o"], "-o"),
        (&["-x", "c++"], "-x"),
        (&["-flto"], "-flto"),
        (&["-flto=thin"], "-flto"),
        (&["-MMD"], "-M"),
        (&["-MJ", "x.json"], "-MJ"),
        (&["-gen-cdb-fragment-path", "x"], "-gen-cdb-fragment-path"),
        (&["--config=./json.cfg"], "-MJ"),
        (&["-MD", "-MF", "x.d"], "-M"),
        (&["-ftime-trace"], "-ftime-trace"),
        (&["-fsave-optimization-record"], "-fsave-optimization-record"),
        (&["-fstack-usage"], "-fstack-usage"),
        (&["-Xclang", "-emit-llvm-bc"], "an action other"),
        (&["-no-such-flag-at-all"], "-no-such-flag-at-all"),
        (
            &["-fprofile-sample-use=unit.prof", "-fno-sample-profile-use-profi"],
            "-fno-sample-profile-use-profi",
        ),
    ] {
        let output = test.worker(flags, "unit.c", "parallel", "off");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(101), "{flags:?}: {text}");
        assert!(text.contains("error:") && text.contains(word), "{flags:?}: {text}");
        assert!(!test.path("out/unit.o").exists(), "{flags:?} left an object");
        assert!(!test.path("elsewhere.o").exists());
    }
}

/// The driver derives LLVM options from these, which are global to the process. The error names all
/// flags that cause the option, as the user wrote them.
const FLAGS_FOR_LLVM: &[(&[&str], &str)] = &[
    (&["-masm=intel"], "-masm=intel"),
    (&["-O2", "-masm=intel", "-g", "-masm=intel"], "-masm=intel -masm=intel"),
    (&["-fglobal-isel"], "-fglobal-isel"),
    (&["-fno-global-isel"], "-fno-global-isel"),
    (&["-fexperimental-isel"], "-fexperimental-isel"),
    (&["-fenable-matrix"], "-fenable-matrix"),
    (&["-gdwarf-aranges"], "-gdwarf-aranges"),
    (&["-g", "-fdebug-types-section"], "-fdebug-types-section"),
    (&["-fpartition-static-data-sections"], "-fpartition-static-data-sections"),
    (&["-fprofile-generate", "-ftemporal-profile"], "-ftemporal-profile"),
    (&["-fprofile-generate-cold-function-coverage"], "-fprofile-generate-cold-function-coverage"),
    (&["-fcodegen-data-generate"], "-fcodegen-data-generate"),
    (&["-fcodegen-data-use=unit.prof"], "-fcodegen-data-use=unit.prof"),
    (&["-fcrash-diagnostics-dir=crash"], "-fcrash-diagnostics-dir=crash"),
    (&["-malign-branch-boundary=32"], "-malign-branch-boundary=32"),
    (&["-malign-branch=fused"], "-malign-branch=fused"),
    (&["-mbranches-within-32B-boundaries"], "-mbranches-within-32B-boundaries"),
    (&["-mpad-max-prefix-size=4"], "-mpad-max-prefix-size=4"),
    (&["-mno-outline"], "-mno-outline"),
    (&["-fsanitize=address", "-fsanitize-stable-abi"], "-fsanitize=address -fsanitize-stable-abi"),
    (&["-fsanitize=address,pointer-compare"], "-fsanitize=address,pointer-compare"),
    (
        &["-fsanitize=thread", "-fno-sanitize-thread-atomics"],
        "-fsanitize=thread -fno-sanitize-thread-atomics",
    ),
    (
        &["-Xclang", "-mllvm", "-Xclang", "-inline-threshold=3"],
        "-Xclang -mllvm -Xclang -inline-threshold=3",
    ),
    (&["--config=./llvm.cfg"], "--config=./llvm.cfg"),
];

#[test]
fn flags_that_set_options_of_llvm_are_refused_as_written() {
    let test = TestDir::new();
    std::fs::write(test.path("llvm.cfg"), "-fglobal-isel\n").unwrap();
    for (flags, words) in FLAGS_FOR_LLVM {
        let output = test.worker(flags, "unit.c", "parallel", "off");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(101), "{flags:?}: {text}");
        let expect = format!("tender does not support {words}, which sets the option -");
        assert!(text.contains(&expect), "{flags:?}: {text}");
        assert!(!test.path("out/unit.o").exists(), "{flags:?} left an object");
    }
    // The front end itself sets two.
    for flag in ["-mdebug-pass", "-mlimit-float-precision"] {
        let output = test.worker(&["-Xclang", flag, "-Xclang", "10"], "unit.c", "parallel", "off");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(&format!("tender does not support {flag}, which sets")), "{text}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn flags_unknown_to_the_assembler_are_refused_as_written() {
    let test = TestDir::new();
    for (flags, words) in [
        (&["-masm=intel"][..], "-masm=intel"),
        (&["-mbranches-within-32B-boundaries"], "-mbranches-within-32B-boundaries"),
        (&["-malign-branch-boundary=32", "-g"], "-malign-branch-boundary=32"),
    ] {
        let output = test.worker(flags, "unit.s", "parallel", "off");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(101), "{flags:?}: {text}");
        let expect = format!("tender's assembler does not support {words}\n");
        assert!(text.contains(&expect) && !text.contains("-mllvm"), "{flags:?}: {text}");
    }
}

/// Fails for an option of a newer clang whose expansion sets an LLVM option.
#[test]
fn flags_that_set_options_of_llvm_are_in_the_table() {
    let test = TestDir::new();
    let run = |args: &[&str]| {
        let output = Command::new(CLANG).current_dir(test.dir.path()).args(args).output().unwrap();
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let [help, _] = run(&["--help-hidden"]);
    let names = help.lines().filter_map(|line| line.strip_prefix("  -")).filter_map(|line| {
        let name = line.split_whitespace().next()?;
        Some(format!("-{}", name.split('<').next()?))
    });
    let mut found = Vec::new();
    for name in names {
        // A value is harmless for options that take none.
        let word = if name.ends_with('=') { format!("{name}32") } else { name.clone() };
        if run(&["-###", "-c", "-g", &word, "unit.c"])[1].contains("\"-mllvm\"") {
            found.push(name);
        }
    }
    assert!(found.len() >= 15, "{found:?}");
    // Exceptions: for other processors; an alias; accepted (`setProfi`); the option itself.
    const OTHERS: [&str; 5] =
        ["-mno-restrict-it", "-mrestrict-it", "--hipstdpar", "-fprofile-sample-use=", "-mllvm="];
    found.retain(|name| {
        let known = FLAGS_FOR_LLVM.iter().any(|(flags, _)| {
            flags.iter().any(|flag| flag.starts_with(name.trim_end_matches('=')))
        });
        !known && !OTHERS.contains(&name.as_str())
    });
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn flags_that_need_the_whole_program_are_refused_in_every_lto_mode() {
    let test = TestDir::new();
    let why = "it needs link-time optimisation that sees all types of a program, which no mode of `lto` promises: \
               leave it out";
    for (flags, expect) in [
        (
            &["-fwhole-program-vtables"][..],
            format!("the flag `-fwhole-program-vtables` is not supported: {why}"),
        ),
        (
            &["-fvirtual-function-elimination"],
            format!("the flag `-fvirtual-function-elimination` is not supported: {why}"),
        ),
        (
            &["-fvisibility=hidden", "-fsanitize=undefined,cfi"],
            format!("the flag `-fsanitize=undefined,cfi` is not supported: {why}"),
        ),
        (
            &["-Xclang", "-fwhole-program-vtables"],
            "tender does not support -fwhole-program-vtables".to_owned(),
        ),
        (
            &["-Xclang", "-fsanitize=cfi-icall"],
            "or -fsanitize=cfi: no mode of `lto` promises".to_owned(),
        ),
    ] {
        for lto in ["off", "thin", "fat"] {
            let output = test.worker(flags, "unit.cc", "parallel", lto);
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(101), "{flags:?} {lto}: {text}");
            assert!(text.contains(&expect), "{flags:?} {lto}: {text}");
        }
    }
}
