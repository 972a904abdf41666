//! Signals to `tender` during a build: how it ends, which processes survive, and what the next
//! build does.

use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use tender_tests::{TestSpace, wait_until};

/// Crates whose units and command last until a signal ends them.
fn wide(trap: &str) -> TestSpace {
    let space = TestSpace::many_crates(4, 1);
    let long: Vec<String> =
        (0..60_000).map(|i| format!("int g{i}(int x) {{ return x + {i}; }}\n")).collect();
    for krate in 0..3 {
        space.write(&format!("c{krate}/src/long.c"), long.concat());
    }
    let run =
        format!("{trap} touch started; while ! [ -e go ]; do sleep 0.01; done; : > $OUT_DIR/x.h");
    let generate =
        format!("[[generate]]\nrun = [\"sh\", \"-c\", \"{run}\"]\noutputs = [\"$OUT_DIR/x.h\"]\n");
    space.write("c3/Tender.toml", format!("[package]\nname = \"c3\"\n{generate}"));
    space
}

/// Starts a build and waits until its command and a worker run.
fn start(space: &TestSpace) -> Child {
    let mut command = space.command(&["build", "-j4"]);
    command.env("TENDER_TEST_MARK", space.root()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    wait_until("the command and workers run", || {
        space.exists("c3/started") && marked(space).len() >= 4
    });
    child
}

/// Processes with this test's variable in their environment: all descendants of the build.
fn marked(space: &TestSpace) -> Vec<Pid> {
    let mark = format!("TENDER_TEST_MARK={}", space.root()).into_bytes();
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark)
    })
    .filter_map(Pid::from_raw)
    .collect()
}

/// The next build finds nothing half-written and finishes the work.
fn next_build_is_right(space: &TestSpace) {
    for krate in 0..3 {
        space.write(&format!("c{krate}/src/long.c"), "int short_now;\n");
    }
    space.write("c3/go", "");
    space.tender(&["build", "-j2"]).expect_ok();
    space.expect_fresh(&[]);
}

#[test]
fn first_signal_ends_all_and_tender_dies_by_it() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let space = wide("");
        let mut child = start(&space);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        wait_until("nothing survives", || marked(&space).is_empty());
        next_build_is_right(&space);
    }
}

#[test]
fn second_signal_kills_a_command_that_ignores_the_first() {
    let space = wide("trap '' INT TERM;");
    let mut child = start(&space);
    let tender = Pid::from_child(&child);
    kill_process(tender, Signal::INT).unwrap();
    // Workers end at once; tender waits for the command.
    wait_until("the workers are gone", || marked(&space).len() <= 3);
    assert_eq!(child.try_wait().unwrap(), None);
    kill_process(tender, Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{status}");
    wait_until("nothing survives", || marked(&space).is_empty());
    next_build_is_right(&space);
}

#[test]
fn workers_die_with_a_killed_tender() {
    let space = wide("");
    let mut child = start(&space);
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let workers = || {
        marked(&space).into_iter().any(|pid| {
            let exe = std::fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero()))
                .unwrap_or_default();
            exe.ends_with("tender-worker")
        })
    };
    wait_until("the workers end", || !workers());
    next_build_is_right(&space);
    wait_until("the command ends", || marked(&space).is_empty());
}

#[test]
fn run_passes_on_how_the_program_ends() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n");
    for (code, expect) in
        [("return 7;", 7), ("raise(15); return 0;", 128 + 15), ("abort();", 128 + 6)]
    {
        space.write(
            "src/main.c",
            format!("#include <signal.h>\n#include <stdlib.h>\nint main(void) {{ {code} }}\n"),
        );
        space.tender(&["run"]).expect_code(expect);
    }
}
