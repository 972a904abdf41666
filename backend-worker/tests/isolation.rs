//! Units of one worker never see each other's options, environment or working directory: each
//! object is that of the unit alone, whatever the same process compiled before it. What would
//! change the whole process is refused.

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

/// Options that set something in clang, in LLVM's code generator, or in the driver.
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

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        std::fs::write(bench.dir.path().join("unit.c"), SOURCE).unwrap();
        bench
    }

    /// Runs these compiles one after the other in one worker.
    fn run(&self, compiles: &[(&str, &[&str])]) -> Output {
        let items: Vec<Value> = compiles
            .iter()
            .enumerate()
            .map(|(id, (name, options))| {
                let args: Vec<&str> = [&["-O2", "-ffile-compilation-dir=."], *options].concat();
                let after: Vec<usize> = id.checked_sub(1).into_iter().collect();
                // Each lies in a directory of its own, under one name: the driver makes names of
                // the object's.
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
fn units_do_not_see_options_of_those_before_them() {
    let bench = Bench::new();
    bench.compile(&[("plain", &[])]);
    let plain = bench.object("plain");
    let mut all: Vec<(String, &[&str])> = Vec::new();
    for (number, options) in OPTIONS.iter().enumerate() {
        let alone = format!("alone{number}");
        bench.compile(&[(&alone, options)]);
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
        bench.compile(&compiles);
        for (((mixed, plain_name), (alone, options)), number) in names.iter().zip(&all).zip(0..) {
            assert!(
                bench.object(mixed) == bench.object(alone),
                "{options:?} after others (reverse: {reverse})"
            );
            assert!(
                bench.object(plain_name) == plain,
                "after {options:?}, number {number} (reverse: {reverse})"
            );
        }
    }
    assert!(!bench.path("stat.csv").exists(), "nobody writes files of their own");
}

#[test]
fn a_unit_that_fails_leaves_nothing_to_others() {
    let bench = Bench::new();
    bench.compile(&[("plain", &[])]);
    for options in [
        &["-std=nonsense"][..],
        &["-include", "absent.h"],
        &["-Werror", "-Weverything"],
        &["-fsanitize=address", "-fsanitize=thread"],
        &["--config=absent.cfg"],
        &["-march=nonsense"],
    ] {
        let args = [&["-O2", "-ffile-compilation-dir=."], options].concat();
        // The second does not come after the first, which fails.
        let items = json!([
            {"id": 0, "unit": "bad", "cost": 9, "work": {"kind": "compile", "source": "unit.c", "language": "c",
             "args": args, "object": "bad/unit.o"}},
            {"id": 1, "unit": "good", "cost": 1, "work": {"kind": "compile", "source": "unit.c", "language": "c",
             "args": ["-O2", "-ffile-compilation-dir=."], "object": "good/unit.o"}},
        ]);
        let output = bench.run_items(&items);
        assert_eq!(output.status.code(), Some(101), "{options:?}");
        assert!(bench.object("good") == bench.object("plain"), "{options:?}");
        std::fs::remove_dir_all(bench.path("good")).unwrap();
    }
}

/// In whatever way they come: as words, for clang's front end, or from a configuration file.
#[test]
fn what_would_change_the_whole_process_is_refused() {
    let bench = Bench::new();
    for (words, said) in [
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
        std::fs::write(bench.path("all.cfg"), words).unwrap();
        let plain: Vec<&str> = words.split(' ').collect();
        for options in [&plain[..], &["--config=./all.cfg"]] {
            let output = bench.run(&[("bad", options)]);
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(101), "{options:?}: {text}");
            let said = [
                said,
                "working directory",
                "supported",
                "of LLVM itself",
                "steps where one compile is expected",
            ]
            .iter()
            .any(|said| text.contains(said));
            assert!(said, "{options:?}: {text}");
        }
        // And it did nothing to the process.
        let before = bench.run(&[("plain", &[])]);
        assert!(before.status.success());
        assert!(!bench.path("x.stats").exists());
    }
}

#[test]
fn the_environment_and_the_working_directory_stay_as_they_are() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("sub")).unwrap();
    std::fs::write(bench.path("sub/a.h"), "#error the wrong directory\n").unwrap();
    std::fs::write(bench.path("a.h"), "").unwrap();
    std::fs::write(bench.path("cd.cfg"), "-working-directory=sub\n").unwrap();
    let compile = |id: u32, cost: u32, options: &[&str], object: &str| {
        json!({"id": id, "unit": object, "cost": cost, "work": {"kind": "compile", "source": "unit.c", "language": "c",
               "args": options, "object": format!("{object}/unit.o")}})
    };
    let items = json!([
        compile(0, 9, &["--config=./cd.cfg"], "bad"),
        compile(1, 1, &["-include", "a.h"], "good"),
    ]);
    let output = bench.run_items(&items);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("unable to set working directory: sub"), "{text}");
    assert!(!text.contains("the wrong directory"), "{text}");
    assert!(bench.path("good/unit.o").exists(), "{text}");
}
