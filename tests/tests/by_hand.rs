//! `tender-worker --plan`, the worker run by hand, under a parent with a jobserver and without one.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use std::os::unix::process::CommandExt;
use std::process::Command;
use tender_tests::interop::{
    CommandLine, ENDLESS, Found, Pool, Probes, expect_no_warning, expect_one_warning,
    expect_whole_pool, failing_device, makes, members,
};
use tender_tests::{Started, TestSpace, program, wait_until};

/// A link whose driver has written half of its output while the job, a child of the driver, runs.
fn link(space: &TestSpace, name: &str, number: usize, job: &CommandLine) -> Value {
    let script = format!(
        "while [ \"$1\" != -o ]; do shift; done; printf half > \"$2\"; {}; printf whole > \"$2\"",
        job.shell()
    );
    let work = json!({
        "kind": "link", "driver": ["sh", "-c", script, "sh"], "args": [], "output": space.path(&format!("{name}/{number}")),
    });
    json!({"id": number, "unit": number.to_string(), "work": work})
}

fn plan_of(space: &TestSpace, name: &str, items: &[Value]) -> CommandLine {
    let file = format!("{name}.json");
    space.write(&file, json!({"id": 1, "crate": name, "items": items}).to_string());
    std::fs::create_dir_all(space.path(name)).unwrap();
    CommandLine::new([program("tender-worker").as_str(), "--plan", space.path(&file).as_str()])
}

/// A plan of links, each a probe job.
fn plan(space: &TestSpace, probes: &Probes, name: &str, links: usize) -> CommandLine {
    let items: Vec<Value> = (0..links)
        .map(|number| link(space, name, number, &probes.job(&format!("{name}.{number}"))))
        .collect();
    plan_of(space, name, &items)
}

fn left(space: &TestSpace, name: &str) -> Vec<String> {
    let entries = std::fs::read_dir(space.path(name)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn plans_share_the_pool_of_make() {
    for make in makes() {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 3);
        let children = ["a", "b"].map(|name| plan(&space, &probes, name, 4));
        let run = make.tree(&probes, "outer", 1, &children).arg("-j3").run(&space).expect_ok();
        assert_eq!(probes.log().finished(), 9, "{run}");
        assert_eq!(probes.log().most_at_once(), 3, "{run}");
        assert_eq!(space.read("a/0"), "whole");
        expect_no_warning(&run);
    }
}

#[test]
fn plan_without_a_jobserver_keeps_to_its_j() {
    let space = TestSpace::new();
    let probes = Probes::new(&space, 2);
    let run = plan(&space, &probes, "a", 5).arg("-j2").run(&space).expect_ok();
    assert_eq!((probes.log().finished(), probes.log().most_at_once()), (5, 2), "{run}");
}

#[test]
fn plan_ignores_its_j_under_a_parent() {
    let make = makes().next().expect("a make");
    for own in ["-j1", "-j9"] {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 3);
        let child = plan(&space, &probes, "a", 6).arg(own);
        let run = make.tree(&probes, "outer", 0, &[child]).arg("-j3").run(&space).expect_ok();
        assert_eq!(probes.log().most_at_once(), 3, "{run}");
        expect_one_warning(
            &run,
            &["`-j` is ignored, because the jobserver in the environment sets the number of jobs"],
        );
    }
}

/// If make does not share its slots: one job, and advice.
#[test]
fn pool_that_cannot_be_joined_is_reported_once() {
    for (own, text) in
        [(None, "one job at a time"), (Some("-j3"), "one job at a time and ignoring `-j`")]
    {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 1);
        let child = plan(&space, &probes, "a", 3);
        let child = own.into_iter().fold(child, |child, word| child.arg(word));
        let child = child.under(["env", "MAKEFLAGS= -j4 --jobserver-auth=-2,-2"]);
        let run = child.run(&space).expect_ok();
        assert_eq!((probes.log().finished(), probes.log().most_at_once()), (3, 1), "{run}");
        expect_one_warning(&run, &["put `+` before the command", text]);
    }
}

#[test]
fn pool_that_fails_is_reported_once_and_one_job_runs() {
    let Some(device) = failing_device() else { return };
    let space = TestSpace::new();
    let probes = Probes::new(&space, 1);
    let flags = format!("MAKEFLAGS= -j4 --jobserver-auth=fifo:{device}");
    let run = plan(&space, &probes, "a", 3).under(["env", &flags]).run(&space).expect_ok();
    assert_eq!((probes.log().finished(), probes.log().most_at_once()), (3, 1), "{run}");
    expect_one_warning(&run, &["the parent's jobserver is gone"]);
}

#[test]
fn dry_run_does_nothing() {
    let make = makes().next().expect("a make");
    let space = TestSpace::new();
    let probes = Probes::new(&space, 1);
    let children = [plan(&space, &probes, "a", 2)];
    let run = make.tree(&probes, "outer", 0, &children).arg("-nj2").run(&space).expect_ok();
    assert_eq!(
        run.stderr
            .matches("note: `make -n` only prints what it would do, so this command does nothing")
            .count(),
        1,
        "{run}"
    );
    assert!(!space.exists("probes.log") && left(&space, "a").is_empty(), "{run}");
}

/// make waits until no process has its pipe open.
#[test]
fn server_that_a_driver_starts_does_not_hold_up_make() {
    for make in makes() {
        let space = TestSpace::new();
        let pid = space.path("server.pid");
        let server = format!("setsid sleep 60 </dev/null >/dev/null 2>&1 & echo $! > {pid}");
        let job = CommandLine::new(["sh", "-c", &server]);
        let child = plan_of(&space, "a", &[link(&space, "a", 0, &job)]);
        let run = make
            .tree(&Probes::new(&space, 1), "outer", 0, &[child])
            .arg("-j2")
            .run(&space)
            .expect_ok();
        expect_no_warning(&run);
        let server = space.read("server.pid").trim().parse().unwrap();
        kill_process(Pid::from_raw(server).unwrap(), Signal::KILL).expect("the server runs");
    }
}

const SIGNALS: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

/// `make -j3` with a plan of four links, of which three run, all in a process group of their own;
/// and the worker.
fn start_below(make: &Found, space: &TestSpace) -> (Started, Pid) {
    let probes = Probes::new(space, ENDLESS);
    let child = plan(space, &probes, "a", 4);
    let mut command = make.tree(&probes, "outer", 0, &[child]).arg("-j3").command(space);
    command.process_group(0);
    let started = space.start(command);
    wait_until("three jobs run", || probes.log().jobs.len() == 3);
    let worker = members(space).into_iter().find(|member| member.name == "tender-worker");
    (started, worker.expect("it runs").pid)
}

#[test]
fn signals_return_all_tokens_to_make() {
    for make in makes() {
        for (signal, to_all) in
            SIGNALS.into_iter().flat_map(|signal| [(signal, false), (signal, true)])
        {
            let space = TestSpace::new();
            let (started, worker) = start_below(&make, &space);
            match to_all {
                true => kill_process_group(Pid::from_raw(started.pid() as i32).unwrap(), signal)
                    .unwrap(),
                false => kill_process(worker, signal).unwrap(),
            }
            let run = started.finish();
            assert!(!run.status.success(), "{run}");
            expect_whole_pool(&run);
            wait_until("no job is left", || members(&space).is_empty());
            assert!(left(&space, "a").is_empty(), "{:?}: {run}", left(&space, "a"));
        }
    }
}

/// Returns the bytes of the pool, and the exit of the worker.
#[test]
fn signals_return_every_byte() {
    for signal in SIGNALS {
        let space = TestSpace::new();
        for pool in [Pool::fifo(&space, b"AB"), Pool::pipe(b"AB")] {
            let space = TestSpace::new();
            let probes = Probes::new(&space, ENDLESS);
            let started = space.start(pool.around(plan(&space, &probes, "a", 4)).command(&space));
            wait_until("three jobs run", || probes.log().jobs.len() == 3);
            assert_eq!(pool.drain(), b"", "three jobs are more than one");
            started.signal(signal);
            let run = started.finish().expect_signal(signal.as_raw());
            assert_eq!(pool.drain(), b"AB", "{signal:?}: {run}");
            assert_eq!(members(&space), [], "what had the tokens was ended first: {run}");
            assert!(left(&space, "a").is_empty(), "{run}");
        }
    }
}

/// As with `nohup`, or in the background of a script.
#[test]
fn tests_of_signals_pass_where_signals_are_ignored() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP INT QUIT; exec \"$@\"", "sh"]);
    command.arg(std::env::current_exe().unwrap()).args(["--exact", "signals_return_every_byte"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

#[test]
fn signal_that_is_ignored_stays_ignored() {
    let space = TestSpace::new();
    let probes = Probes::new(&space, ENDLESS);
    let line = plan(&space, &probes, "a", 2).arg("-j2");
    let line = line.under(["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]);
    let started = space.start(line.command(&space));
    wait_until("two jobs run", || probes.log().jobs.len() == 2);
    started.signal(Signal::HUP);
    started.signal(Signal::TERM);
    started.finish().expect_signal(Signal::TERM.as_raw());
}

/// LLVM aborts the process on some errors.
#[test]
fn abort_of_llvm_returns_all_tokens() {
    let pool = Pool::pipe(b"AB");
    let space = TestSpace::new();
    let probes = Probes::new(&space, ENDLESS);
    space.write(
        "fatal.ll",
        "declare i32 @llvm.amdgcn.workitem.id.x()\n\
         define i32 @f() {\n  %x = call i32 @llvm.amdgcn.workitem.id.x()\n  ret i32 %x\n}\n",
    );
    let wait = format!("until [ -e {} ]; do sleep 0.01; done", space.path("go"));
    let mut fatal = json!({"id": 3, "unit": "fatal.ll", "after": [2]});
    fatal["work"] = json!({
        "kind": "compile", "source": space.path("fatal.ll"), "language": "llvm-ir", "args": [],
        "object": space.path("a/fatal.o"),
    });
    let items = [
        link(&space, "a", 0, &probes.job("a.0")),
        link(&space, "a", 1, &probes.job("a.1")),
        link(&space, "a", 2, &CommandLine::new(["sh", "-c", &wait])),
        fatal,
    ];
    let started = space.start(pool.around(plan_of(&space, "a", &items)).command(&space));
    wait_until("two jobs run", || probes.log().jobs.len() == 2);
    space.write("go", "");
    let run =
        started.finish().expect_signal(Signal::ABORT.as_raw()).expect_stderr(&["LLVM ERROR: "]);
    assert_eq!(pool.drain(), b"AB", "{run}");
    assert_eq!(members(&space), [], "{run}");
    assert_eq!(left(&space, "a"), ["2"], "{run}");
}
