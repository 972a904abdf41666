//! Units of one worker do not see each other's options, environment or working directory: each
//! object is the same as if the unit were compiled alone. Options that would change the whole
//! process are refused.

use serde_json::{Value, json};
use std::process::{Command, Output};

const SOURCE: &str = "#include <string.h>\n\
    struct P { double x, y; };\n\
    static int table[16];\n\
    __attribute__((noinline)) static double mul(struct P p) { return p.x * p.y + p.x / 3.0; }\n\
    double f(struct P *p, int n) { double s = 0; for (int i = 0; i < n; i++) s += mul(p[i]); return s; }\n\
    int g(const char *s, char *d) { strcpy(d, s); return (int)strlen(d) + table[3]; }\n\
    int h(int k) { switch (k) { case 1: return 3; case 2: return 8; case 3: return 1; case 4: return 77; default: return 0; } }\n\
    void t(int k) { table[k & 15] = k; asm volatile(\"nop\"); }\n";

/// Options that change state in clang, in LLVM's code generator or in the driver.
const OPTIONS: &[&[&str]] = &[
    &["-ffast-math"],
    &["-frounding-math", "-ffp-exception-behavior=strict"],
    &["-ffp-contract=off"],
    &["-fdebug-prefix-map=.=/elsewhere", "-g"],
    &["-ffile-prefix-map=.=/elsewhere", "-g"],
    &["-fdebug-compilation-dir=/elsewhere", "-g"],
    &["-fstack-protector-all"],
    &["-fsplit-machine-functions"],
    &["-ffunction-sections", "-fdata-sections", "-fno-unique-section-names"],
    &["-fbasic-block-sections=all"],
    &["-fno-jump-tables"],
    &["-fno-vectorize", "-fno-slp-vectorize", "-fno-unroll-loops"],
    &["-fprofile-generate"],
    &["-fprofile-instr-generate", "-fcoverage-mapping"],
    &["-fsanitize=address"],
    &["-fsanitize=undefined", "-fsanitize-trap=undefined"],
    &["-fsanitize-coverage=trace-pc-guard"],
    &["-fxray-instrument"],
    &["-fpatchable-function-entry=3"],
    &["-finstrument-functions"],
    &["-fproc-stat-report"],
    &["-fproc-stat-report=stat.csv"],
    &["-Rpass=inline"],
    &["-Wa,--noexecstack"],
    &["-fno-integrated-cc1"],
    &["-gdwarf-4"],
    &["-gz"],
    &["-fno-plt", "-fno-semantic-interposition"],
    &["-Os"],
    &["-O3", "-fno-inline"],
    &["-Xclang", "-fno-pch-timestamp"],
    #[cfg(target_arch = "x86_64")]
    &["-march=skylake", "-mprefer-vector-width=256"],
    #[cfg(target_arch = "x86_64")]
    &["-mno-red-zone", "-mcmodel=large"],
    #[cfg(target_arch = "x86_64")]
    &["-fcf-protection=full", "-mretpoline"],
];

struct TestDir {
    dir: tempfile::TempDir,
}

impl TestDir {
    fn new() -> TestDir {
        let test = TestDir { dir: tempfile::tempdir().unwrap() };
        std::fs::write(test.dir.path().join("unit.c"), SOURCE).unwrap();
        test
    }

    /// Runs these compiles one after the other in one worker.
    fn run(&self, compiles: &[(&str, &[&str])]) -> Output {
        let items: Vec<Value> = compiles
            .iter()
            .enumerate()
            .map(|(id, (name, options))| {
                let args: Vec<&str> = [&["-O2", "-ffile-compilation-dir=."], *options].concat();
                let after: Vec<usize> = id.checked_sub(1).into_iter().collect();
                // Each object has the same name in its own directory, because the driver derives
                // names from it.
                json!({"id": id, "unit": name, "after": after, "work": {"kind": "compile", "source": "unit.c",
                       "language": "c", "args": args, "object": format!("{name}/unit.o")}})
            })
            .collect();
        self.run_items(&json!(items))
    }

    fn run_items(&self, items: &Value) -> Output {
        let plan = json!({"id": 1, "crate": "test", "items": items});
        std::fs::write(self.path("plan.json"), plan.to_string()).unwrap();
        Command::new(env!("CARGO_BIN_EXE_tender-worker"))
            .current_dir(self.dir.path())
            .env_remove("MAKEFLAGS")
            .env_remove("MFLAGS")
            .env_remove("CARGO_MAKEFLAGS")
            .args(["--plan", "plan.json", "--jobs", "1"])
            .output()
            .unwrap()
    }

    #[track_caller]
    fn compile(&self, compiles: &[(&str, &[&str])]) {
        let output = self.run(compiles);
        assert!(
            output.status.success(),
            "{compiles:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn object(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name).join("unit.o")).unwrap()
    }
}

#[test]
fn isolation_of_options_between_units() {
    let test = TestDir::new();
    test.compile(&[("plain", &[])]);
    let plain = test.object("plain");
    let mut all: Vec<(String, &[&str])> = Vec::new();
    for (number, options) in OPTIONS.iter().enumerate() {
        let alone = format!("alone{number}");
        test.compile(&[(&alone, options)]);
        all.push((alone, options));
    }
    // In one worker: plain units between all others, in both directions.
    let names: Vec<(String, String)> = (0..OPTIONS.len())
        .map(|number| (format!("mixed{number}"), format!("plain{number}")))
        .collect();
    for reverse in [false, true] {
        let mut compiles: Vec<(&str, &[&str])> = Vec::new();
        for ((mixed, plain), options) in names.iter().zip(OPTIONS) {
            compiles.push((mixed, options));
            compiles.push((plain, &[]));
        }
        if reverse {
            compiles.reverse();
        }
        test.compile(&compiles);
        for (((mixed, plain_name), (alone, options)), number) in names.iter().zip(&all).zip(0..) {
            assert!(
                test.object(mixed) == test.object(alone),
                "{options:?} after others (reverse: {reverse})"
            );
            assert!(
                test.object(plain_name) == plain,
                "after {options:?}, number {number} (reverse: {reverse})"
            );
        }
    }
    assert!(!test.path("stat.csv").exists(), "no compile writes a file for its statistics");
}

#[test]
fn isolation_after_a_failed_unit() {
    let test = TestDir::new();
    test.compile(&[("plain", &[])]);
    for options in [
        &["-std=nonsense"][..],
        &["-include", "absent.h"],
        &["-Werror", "-Weverything"],
        &["-fsanitize=address", "-fsanitize=thread"],
        &["--config=absent.cfg"],
        &["-march=nonsense"],
    ] {
        let args = [&["-O2", "-ffile-compilation-dir=."], options].concat();
        // The second does not depend on the first, which fails.
        let items = json!([
            {"id": 0, "unit": "bad", "cost": 9, "work": {"kind": "compile", "source": "unit.c", "language": "c",
             "args": args, "object": "bad/unit.o"}},
            {"id": 1, "unit": "good", "cost": 1, "work": {"kind": "compile", "source": "unit.c", "language": "c",
             "args": ["-O2", "-ffile-compilation-dir=."], "object": "good/unit.o"}},
        ]);
        let output = test.run_items(&items);
        assert_eq!(output.status.code(), Some(101), "{options:?}");
        assert!(test.object("good") == test.object("plain"), "{options:?}");
        std::fs::remove_dir_all(test.path("good")).unwrap();
    }
}

/// In every form: as driver flags, for clang's front end, or from a configuration file.
#[test]
fn isolation_refuses_options_for_the_whole_process() {
    let test = TestDir::new();
    for (words, expect) in [
        ("-mllvm -inline-threshold=3", "-mllvm"),
        ("-Xclang -mllvm -Xclang -inline-threshold=3", "-mllvm"),
        ("-fplugin=absent.so", "plugin"),
        ("-Xclang -load -Xclang absent.so", "plugin"),
        ("-ftime-report", "-ftime-report"),
        ("-Xclang -ftime-report", "-ftime-report"),
        ("-save-stats", "-save-stats"),
        ("-Xclang -stats-file=x.stats", "-save-stats"),
        ("-working-directory /", "-working-directory"),
        ("-working-directory=/", "-working-directory"),
        ("-Xclang -working-directory -Xclang /", "-working-directory"),
        ("-ftime-trace", "-ftime-trace"),
        ("-save-temps", "-save-temps"),
    ] {
        std::fs::write(test.path("all.cfg"), words).unwrap();
        let plain: Vec<&str> = words.split(' ').collect();
        for options in [&plain[..], &["--config=./all.cfg"]] {
            let output = test.run(&[("bad", options)]);
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(101), "{options:?}: {text}");
            let refused = [
                expect,
                "working directory",
                "supported",
                "of LLVM itself",
                "steps, but a unit is compiled in one",
            ]
            .iter()
            .any(|expect| text.contains(expect));
            assert!(refused, "{options:?}: {text}");
        }
        // And the process is unchanged.
        let before = test.run(&[("plain", &[])]);
        assert!(before.status.success());
        assert!(!test.path("x.stats").exists());
    }
}

#[test]
fn isolation_of_environment_and_working_directory() {
    let test = TestDir::new();
    std::fs::create_dir(test.path("sub")).unwrap();
    std::fs::write(test.path("sub/a.h"), "#error the wrong directory\n").unwrap();
    std::fs::write(test.path("a.h"), "").unwrap();
    std::fs::write(test.path("cd.cfg"), "-working-directory=sub\n").unwrap();
    let compile = |id: u32, cost: u32, options: &[&str], object: &str| {
        json!({"id": id, "unit": object, "cost": cost, "work": {"kind": "compile", "source": "unit.c", "language": "c",
               "args": options, "object": format!("{object}/unit.o")}})
    };
    let items = json!([
        compile(0, 9, &["--config=./cd.cfg"], "bad"),
        compile(1, 1, &["-include", "a.h"], "good"),
    ]);
    let output = test.run_items(&items);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("unable to set working directory: sub"), "{text}");
    assert!(!text.contains("the wrong directory"), "{text}");
    assert!(test.path("good/unit.o").exists(), "{text}");
}
