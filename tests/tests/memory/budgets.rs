//! Memory budgets of users: wrong ones are refused, others are respected.

use crate::small::units;
use tender_tests::stress::{Kind, Recipe, Workspace};
use tender_tests::{Run, TestSpace, Trace, invariants};

/// Values that are not budgets, in each place where one can be set.
const NONSENSE: [&str; 10] =
    ["0", "-5", "lots", "12x", "0%", "-1%", "101%", "1e3", "0.0001", "8 G i"];

#[track_caller]
fn refused(run: Run, space: &TestSpace, says: &[&str]) {
    let run = run.expect_code(2).expect_stderr(says);
    assert_eq!(run.stderr.matches("error:").count(), 1, "one mistake, one error:\n{run}");
    assert!(!space.exists("target"), "something was made:\n{run}");
}

/// A crate with this budget.
fn manifest_with(memory: &str) -> TestSpace {
    let space = units(1);
    let text = space.read("Tender.toml");
    space.write("Tender.toml", format!("[build]\nmemory = {memory}\n{text}"));
    space
}

#[test]
fn budget_that_is_invalid_is_refused_wherever_it_is_set() {
    let space = units(1);
    for text in NONSENSE {
        let option = format!("--memory={text}");
        refused(space.tender(&["build", &option]), &space, &[text, "--memory"]);
        refused(space.tender(&["exec", &option, "--", "true"]), &space, &[text, "--memory"]);

        let mut command = space.command(&["build"]);
        command.env("TENDER_MEMORY", text);
        refused(space.run(command), &space, &[text, "TENDER_MEMORY"]);

        let space = manifest_with(&format!("\"{text}\""));
        refused(space.tender(&["build"]), &space, &[text, "Tender.toml:2:10", "^"]);
    }
    for number in ["0", "-5"] {
        let space = manifest_with(number);
        refused(space.tender(&["build"]), &space, &[number, "Tender.toml:2:10", "^"]);
    }
    // As typed by a user. It may be read as an option, but not as a budget.
    refused(space.tender(&["build", "--memory", "-5"]), &space, &["-5"]);
    refused(space.tender(&["build", "--memory"]), &space, &["--memory"]);
}

#[test]
fn budget_above_the_limit_is_reported_and_clamped() {
    let space = units(2);
    let run = space.tender(&["build", "-v", "--memory", "900T"]).expect_ok();
    let warning = "the memory budget of 818.5 TiB is more than the available memory; tender uses ";
    let run = run.expect_stderr(&["warning: ", warning]);
    assert_eq!(run.stderr.matches(warning).count(), 1, "{run}");
}

/// Set in each way: one item at a time runs, and all of them are built.
#[test]
fn budget_below_one_item_runs_one_item_at_a_time() {
    let by_option = |space: &TestSpace, words: &[&str]| {
        space.tender(&[words, &["--memory", "1M"]].concat()).expect_ok();
    };
    let by_environment = |space: &TestSpace, words: &[&str]| {
        let mut command = space.command(words);
        command.env("TENDER_MEMORY", "1M");
        space.run(command).expect_ok();
    };
    let by_manifest = |space: &TestSpace, words: &[&str]| {
        let text = space.read("Tender.toml");
        space.write("Tender.toml", format!("[build]\nmemory = 1000000\n{text}"));
        space.tender(words).expect_ok();
    };
    let check = |build: &dyn Fn(&TestSpace, &[&str])| {
        let space = units(6);
        let file = space.path("trace.json");
        build(&space, &["build", "-j8", "--trace", file.as_str()]);
        let trace = Trace::read(&file);
        let jobs = trace.jobs();
        assert_eq!(
            jobs.len(),
            9,
            "six units, the main one, an archive, a program, and nothing twice: {jobs:?}"
        );
        assert_eq!(trace.max_concurrent_jobs(), 1, "{jobs:?}");
    };
    check(&by_option);
    check(&by_environment);
    check(&by_manifest);
}

/// A file that is large enough to be cut.
fn large_file(seed: u32) -> String {
    let function = |n: u32| {
        format!(
            "int f{seed}_{n}(int *x, int k) {{ int s = {n}; for (int i = 0; i < k; i++) \
             s += x[i] * (i ^ {n}) + (s >> {}) - f{seed}_{}(x, i / 2); return s; }}\n",
            n % 13,
            (n + 7) % 400
        )
    };
    let declared: String = (0..400).map(|n| format!("int f{seed}_{n}(int *, int);\n")).collect();
    declared + &(0..400).map(function).collect::<String>()
}

/// An item in pieces holds memory while it waits for more, and units of other crates compete with
/// it.
#[test]
fn budget_below_one_piece_runs_one_piece_at_a_time() {
    let workspace = |lto: &str| {
        let space = TestSpace::new();
        space.write(
            "Tender.toml",
            format!(
                "[workspace]\nmembers = [\"a\", \"b\"]\n[profile.release]\nlto = \"{lto}\"\ncodegen-units = 8\n"
            ),
        );
        space.write("a/Tender.toml", "[package]\nname = \"a\"\n");
        space.write("a/src/f1.c", large_file(1));
        space.write(
            "b/Tender.toml",
            "[package]\nname = \"b\"\n[dependencies]\na = { path = \"../a\" }\n",
        );
        space.write("b/src/f3.c", large_file(3));
        space.write(
            "b/src/main.c",
            "int f1_0(int *, int), f3_0(int *, int);\n\
             int main(void) { return f1_0(0, 0) + f3_0(0, 0); }\n",
        );
        space
    };
    for lto in ["off", "thin"] {
        let expect = workspace(lto);
        expect.tender(&["build", "--release", "-j2"]).expect_ok();
        // In the larger budget some parts fit beside others.
        for budget in ["1M", "45M"] {
            let space = workspace(lto);
            let file = space.path("trace.json");
            let words = ["build", "--release", "-j8", "--memory", budget, "--trace", file.as_str()];
            space.tender(&words).expect_ok();
            assert!(space.outputs("release") == expect.outputs("release"), "{lto} in {budget}");
            let trace = Trace::read(&file);
            let is_piece = |event: &serde_json::Value| {
                event["args"]["cgu"].as_u64().is_some_and(|cgu| cgu > 0)
            };
            assert!(trace.of_kind("X").any(is_piece), "{lto}: nothing is cut");
            if budget == "1M" {
                assert_eq!(trace.max_concurrent_phases(), 1, "{lto}");
            }
            let judged =
                invariants::leases(&trace).unwrap_or_else(|why| panic!("{lto} in {budget}: {why}"));
            assert!(judged > 0, "{lto} in {budget}: its leases are far from the budget");
        }
    }
}

/// The option overrides the environment, which overrides the manifest; `-v` shows which was used.
#[test]
fn budget_of_the_option_comes_before_environment_and_manifest() {
    let space = manifest_with("\"400Mi\"");
    let check = |words: &[&str], environment: &str, says: &str| {
        let mut command = space.command(&[&["build", "-v"], words].concat());
        command.env("TENDER_MEMORY", environment);
        // Touched, because a build that has nothing to do reads no memory.
        let text = space.read("src/u0.c");
        space.write("src/u0.c", text + "\n");
        space.run(command).expect_ok().expect_stderr(&[says]);
    };
    check(&[], "", "memory budget: 400 MiB, by `[build] memory`");
    check(&[], "300Mi", "memory budget: 300 MiB, by TENDER_MEMORY");
    check(&["--memory", "200Mi"], "300Mi", "memory budget: 200 MiB, by --memory");
    // A percentage of the limit, which depends on the machine.
    check(&["--memory", "50%"], "300Mi", "iB, by --memory; ");
}

/// A C++ front end takes several times the memory of later parts, and other items can use the
/// difference when it has ended.
#[test]
fn lease_of_a_front_end_shrinks_before_its_unit_ends() {
    let space = TestSpace::new();
    Workspace::new(&Recipe { width: 1, ..Recipe::new(Kind::Templates, 1) })
        .write(space.root())
        .unwrap();
    let file = space.path("trace.json");
    space.tender(&["build", "-j1", "--trace", file.as_str()]).expect_ok();
    let trace = Trace::read(&file);
    let heavy =
        trace.jobs().into_iter().find(|job| job.unit.ends_with("u0.cpp")).expect("it was built");
    let during =
        trace.leases().into_iter().filter(|(ts, ..)| heavy.start_us <= *ts && *ts < heavy.end_us);
    let leases: Vec<u64> = during.map(|(_, bytes, _)| bytes).collect();
    let (most, last) = (leases.iter().max().copied(), leases.last().copied());
    assert!(last.zip(most).is_some_and(|(last, most)| last < most / 2), "{leases:?}");
}
