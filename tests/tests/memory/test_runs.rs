//! Tests that take more memory than there is: those that do not fit together run one after the other, and
//! one that does not fit alone is named.

use tender_tests::{Cgroup, Run, TestSpace, probe};

const MIB: u64 = 1 << 20;
const PLENTY: u64 = 1 << 40;

/// A crate with tests of these names. Each waits until all have started once, and then takes memory step
/// by step, `mib` in all.
fn hungry(names: &[&str], mib: u64) -> TestSpace {
    let space = TestSpace::new();
    let steps = format!(" fill {} sleep 25", 4 * MIB).repeat((mib / 4) as usize);
    let all: String = names.iter().map(|name| format!(" started-{name}")).collect();
    let mut manifest = "[package]\nname = \"x\"\n".to_owned();
    for name in names {
        let script = format!(
            ": > started-{name}; for file in{all}; do until [ -e $file ]; do sleep 0.01; done; done; exec {}{steps}",
            probe()
        );
        manifest += &format!("[[test]]\nname = \"{name}\"\nargs = [\"{script}\"]\n");
        let body = "#include <unistd.h>\nint main(int n, char **words) { return execlp(\"sh\", \"sh\", \"-c\", words[1], (char *)0); }\n";
        space.write(&format!("tests/{name}.c"), body);
    }
    space.write("Tender.toml", manifest);
    space
}

/// Builds them where there is plenty, and runs them in a group of `limit` bytes.
fn run(space: &TestSpace, limit: u64) -> Option<Run> {
    drop(Cgroup::new(PLENTY)?);
    space.tender(&["test", "--no-run"]).expect_ok();
    let group = Cgroup::new(limit)?;
    let mut command = space.command(&["test", "-j3", "--no-fail-fast"]);
    group.confine(&mut command);
    Some(space.run(command))
}

#[test]
fn tests_that_do_not_fit_together_run_one_after_the_other() {
    let space = hungry(&["a", "b"], 128);
    let Some(run) = run(&space, 208 * MIB) else { return };
    let run = run.expect_ok();
    let run =
        run.expect_stderr(&["MEMORY [", "because memory was short", "2 tests run: 2 passed\n"]);
    assert!(!run.stderr.contains("FLAKY"), "{run}");
    // Their sizes are known now.
    let group = Cgroup::new(208 * MIB).expect("there was one");
    let mut command = space.command(&["test", "-j3"]);
    group.confine(&mut command);
    let again = space.run(command).expect_ok();
    assert!(!again.stderr.contains("MEMORY ["), "{run}\n{again}");
}

#[test]
fn test_that_does_not_fit_alone_is_named() {
    let space = hungry(&["a"], 320);
    let Some(run) = run(&space, 176 * MIB) else { return };
    let run = run.expect_code(101);
    run.expect_stderr(&[
        "MEMORY [",
        "x::a: killed by the kernel because memory was short",
        "1 test run: 0 passed, 1 failed",
    ]);
}
