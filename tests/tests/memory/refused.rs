//! Items that are too large for the memory although nothing else runs: the error names them, with
//! advice, and with more memory they are built.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use tender_tests::stress::{Confined, run_in};
use tender_tests::{Cgroup, Run, TestSpace, program};
use tender_units::Bytes;

const MIB: u64 = 1 << 20;
const PLENTY: u64 = 1 << 40;

/// The advice for a unit that is not cut.
const SMALLER_UNIT: &str = "split the file, include fewer headers, or set `debug = false` or a lower `opt-level` in its profile";

/// Expects that a build in a too small group fails with `what` and no other error, and that a build
/// with enough memory succeeds after it.
#[track_caller]
fn refused(space: &TestSpace, words: &[&str], limit: u64, what: &str, cure: &str) {
    let Some(group) = Cgroup::new(limit) else { return };
    let build = [&["build", "-j4"], words].concat();
    let Confined { run, .. } = run_in(&group, space, space.command(&build));
    let (peak, budget) = expect_refusal(&run, what, cure);
    let possible = Bytes(MIB)..=Bytes(limit);
    // It is measured from time to time, so the last allocations may be missing.
    assert!(possible.contains(&peak) && possible.contains(&budget), "{run}");

    let group = Cgroup::new(PLENTY).expect("there was one before");
    run_in(&group, space, space.command(&build)).run.expect_ok();
    let profile = if words.contains(&"--release") { "release" } else { "debug" };
    space.built(&format!("target/{profile}/x")).expect_ok();
    space.expect_fresh(words);
}

/// Expects `what` and the advice, and no other error. Returns the peak and the budget in the
/// message.
#[track_caller]
fn expect_refusal(run: &Run, what: &str, cure: &str) -> (Bytes, Bytes) {
    let run = run.clone().expect_code(101);
    let errors: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    // Then come the line of the crate that failed, and that of the build.
    let [error, of_crate, end] = errors[..] else { panic!("{} errors: {run}", errors.len()) };
    assert!(of_crate.starts_with("error: could not "), "{run}");
    assert!(end.starts_with("error: build failed: 1 unit failed"), "{run}");
    let start = format!("error: out of memory while {what} with nothing else running (");
    let how = error.strip_prefix(&start).and_then(|how| how.split(')').next());
    let how = how.unwrap_or_else(|| panic!("no {start:?}: {run}"));
    let number = |name: &str| {
        let text = how.split_once(name).and_then(|(_, rest)| rest.split(',').next());
        text.and_then(|amount| amount.parse::<Bytes>().ok())
            .unwrap_or_else(|| panic!("no amount of {name:?}: {run}"))
    };
    let help: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("help: ")).collect();
    assert_eq!(help, [format!("help: it needs more memory than there is; {cure}")], "{run}");
    (number("peak "), number("budget "))
}

/// A program with this many functions.
fn functions(count: usize) -> String {
    let mut text = "int main(void) { return 0; }\n".to_owned();
    for n in 0..count {
        let _ = writeln!(
            text,
            "int f{n}(int *x, int k) {{ int s = {n}; for (int i = 0; i < k; i++) s += x[i] * (i ^ {n}); return s; }}"
        );
    }
    text
}

#[test]
fn unit_that_is_too_large_is_refused() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n");
    space.write("src/main.c", functions(20_000));
    refused(&space, &[], 96 * MIB, "compiling `src/main.c` of crate `x`", SMALLER_UNIT);
}

/// With a limit of the address space the kernel kills nothing: an allocation fails, and the worker
/// aborts.
#[test]
fn unit_that_is_too_large_for_an_address_space_is_refused() {
    // An idle worker has half of it.
    const LIMIT: u64 = 320 * MIB;
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n[profile.dev]\ncodegen-units = 1\n");
    space.write("src/main.c", functions(20_000));
    space.write("src/small.c", "int small;\n");
    let worker = format!(
        "#!/bin/sh\nulimit -v {} && exec '{}' \"$@\"\n",
        LIMIT >> 10,
        program("tender-worker")
    );
    space.write("worker", worker);
    std::fs::set_permissions(space.path("worker"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = space.command(&["build", "-v", "-j2"]);
    command.env("TENDER_WORKER", space.path("worker"));
    let run = space.run(command);
    let (peak, _) = expect_refusal(&run, "compiling `src/main.c` of crate `x`", SMALLER_UNIT);
    assert!((Bytes(MIB)..=Bytes(LIMIT)).contains(&peak), "{run}");
    run.expect_stderr(&[
        "Built src/small.c in ",
        "; killed for memory: 2 by a failed allocation; retried: 1 unit\n",
    ]);

    space.tender(&["build"]).expect_ok();
    space.built("target/debug/x").expect_ok();
    space.expect_fresh(&[]);
}

/// For the front end it is a usual function; the assembler makes tens of megabytes of it.
#[test]
fn piece_that_is_too_large_is_refused() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n[profile.release]\ncodegen-units = 4\n");
    let mut text = functions(400);
    let code = ".rept 3000000\\n.long 7\\n.endr";
    let _ = writeln!(text, "void large(void) {{ __asm__ volatile(\"{code}\"); }}");
    space.write("src/main.c", text);
    refused(
        &space,
        &["--release"],
        112 * MIB,
        "optimising a piece of `src/main.c` of crate `x`",
        "set more `codegen-units`, so that each piece is smaller, or a lower `opt-level`",
    );
}

/// Strings that are merged: each takes two bytes in a unit, and many more in the linker.
#[test]
fn link_that_is_too_large_is_refused() {
    const UNITS: usize = 40;
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n");
    let section = ".pushsection .rodata.str1.1,\\\"aMS\\\",@progbits,1\\n.rept 300000\\n.asciz \\\"a\\\"\\n.endr\\n.popsection";
    for unit in 0..UNITS {
        space.write(&format!("src/u{unit}.c"), format!("int u{unit};\n__asm__(\"{section}\");\n"));
    }
    // So that all of the archive is linked.
    let names: Vec<String> = (0..UNITS).map(|unit| format!("u{unit}")).collect();
    let (declared, sum) = (names.join(", "), names.join(" + "));
    space.write(
        "src/main.c",
        format!("extern int {declared};\nint main(void) {{ return {sum}; }}\n"),
    );
    refused(
        &space,
        &[],
        160 * MIB,
        "linking `x` of crate `x`",
        "to make the link smaller, set `lto` to `\"off\"` or `\"thin\"`, and `debug` to `\"line-tables-only\"` or `false`",
    );
}
