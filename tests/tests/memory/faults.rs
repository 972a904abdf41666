//! Events outside of a build: limits that change, other processes that take its memory, a stopped
//! worker, damaged measurements.

use crate::small::{expect_whole, measured, units};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::process::Command;
use tender_tests::stress::{Confined, Confining, Workload, run_in, start_in};
use tender_tests::{Cgroup, TestSpace, Trace, invariants, probe, wait_until};

const MIB: u64 = 1 << 20;

fn send(pid: u32, signal: Signal) {
    // An error is ignored: it may have ended.
    let _ = kill_process(Pid::from_raw(pid as i32).expect("a process id"), signal);
}

/// The workers in a group.
fn workers(group: &Cgroup) -> Vec<u32> {
    let is_worker = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name == "tender-worker\n")
    };
    group.processes().into_iter().filter(is_worker).collect()
}

/// The objects that a build of `space` has finished.
fn objects(space: &TestSpace) -> usize {
    fn count(directory: &std::path::Path) -> usize {
        let Ok(entries) = directory.read_dir() else { return 0 };
        let of = |path: std::path::PathBuf| {
            if path.is_dir() {
                count(&path)
            } else {
                usize::from(path.extension().is_some_and(|e| e == "o"))
            }
        };
        entries.flatten().map(|entry| of(entry.path())).sum()
    }
    count(space.path("target").as_std_path())
}

/// `tender build` in the group, with a trace.
fn build<'a>(group: &'a Cgroup, space: &'a TestSpace, jobs: &str) -> Confining<'a> {
    let trace = space.path("trace.json");
    start_in(
        group,
        space,
        "build",
        space.command(&["build", "-v", jobs, "--trace", trace.as_str()]),
    )
}

/// Expects that the build with eight jobs succeeded with the right outputs, that all invariants
/// hold, and that no item was killed more than twice.
#[track_caller]
fn expect_survived(workload: &Workload, space: &TestSpace, confined: Confined) -> Confined {
    let run = confined.run.clone().expect_ok();
    expect_whole(workload, space);
    let trace = Trace::read(&space.path("trace.json"));
    invariants::all(&trace, 8, true).unwrap_or_else(|why| panic!("{why}\n{run}"));
    let kills = invariants::kills(&trace);
    assert!(kills.values().all(|kills| *kills <= 2), "{kills:?}\n{run}");
    confined
}

#[test]
fn limit_that_is_lowered_during_the_build_is_kept() {
    let Some(workload) = measured() else { return };
    let Some(group) = Cgroup::new(4 * workload.figures.ample) else { return };
    let space = workload.space(true);
    let mut running = build(&group, &space, "-j8");
    wait_until("work has begun", || !workers(&group).is_empty());
    let limit = workload.figures.need / 10 * 13;
    // Version 1 refuses a limit below the present use, so the test tries until enough is free.
    wait_until("the limit is lowered", || running.has_ended() || group.set_limit(limit).is_ok());
    let confined = expect_survived(workload, &space, running.finish());
    let budgets = Trace::read(&space.path("trace.json")).leases();
    let budgets: BTreeSet<u64> = budgets.into_iter().filter_map(|(_, _, budget)| budget).collect();
    let is_seen = budgets.iter().any(|budget| *budget <= limit);
    assert!(is_seen, "the build has not seen the new limit: {budgets:?}\n{}", confined.run);
}

#[test]
fn limit_of_a_group_above_is_kept() {
    let Some(workload) = measured() else { return };
    let Some(outer) = Cgroup::new(workload.figures.need / 10 * 14) else { return };
    let Some(inner) = outer.inner(64 << 30) else {
        panic!("no group inside {}", outer.directory())
    };
    let space = workload.space(true);
    let confined = expect_survived(workload, &space, build(&inner, &space, "-j8").finish());
    confined.run.expect_stderr(&["memory budget: ", &format!("the cgroup {}", outer.directory())]);
    assert_eq!(confined.kills, 0);
}

#[test]
fn build_survives_another_program_that_takes_memory() {
    let Some(workload) = measured() else { return };
    let taken = 6 * 50 * MIB;
    let Some(group) = Cgroup::new(workload.figures.need / 10 * 15 + taken) else { return };
    let space = workload.space(true);
    let running = build(&group, &space, "-j8");
    wait_until("work has begun", || !workers(&group).is_empty());
    let mut hungry = Command::new(probe());
    for _ in 0..6 {
        hungry.args(["fill", &(50 * MIB).to_string(), "sleep", "100"]);
    }
    let done = space.path("done");
    hungry.args(["await", done.as_str()]);
    let hungry = start_in(&group, &space, "hungry", hungry);
    let confined = running.finish();
    space.write("done", "");
    // The kernel chooses whether it survives.
    let _ = hungry.finish();
    expect_survived(workload, &space, confined);
}

/// It is unknown that it will not continue: its lease is kept, and the others use the rest.
#[test]
fn build_survives_a_frozen_worker() {
    let space = TestSpace::many_crates(40, 6);
    let reference = space.duplicate();
    reference.build(&[]);
    let Some(group) = Cgroup::new(64 << 30) else { return };
    let mut running = build(&group, &space, "-j2");
    wait_until("two work", || {
        (workers(&group).len() == 2 && objects(&space) > 0) || running.has_ended()
    });
    let frozen = workers(&group).first().copied();
    frozen.into_iter().for_each(|pid| send(pid, Signal::STOP));
    // It keeps its items, which are a small part of all.
    let before = objects(&space);
    wait_until("the other goes on", || objects(&space) >= before + 20 || running.has_ended());
    frozen.into_iter().for_each(|pid| send(pid, Signal::CONT));
    running.finish().run.expect_ok();
    assert!(space.outputs("debug") == reference.outputs("debug"));
}

/// How often a process has gone to sleep (proc_pid_status(5)).
fn times_asleep(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.map_or(0, |count| count.trim().parse().expect("a number"))
}

/// With memory for one item, whose worker is stopped: no other item starts until it is continued.
#[test]
fn build_survives_the_freezing_of_the_one_worker_that_has_memory() {
    let Some(workload) = measured() else { return };
    let Some(group) = Cgroup::new(workload.figures.need / 10 * 13) else { return };
    let space = workload.space(true);
    let mut running = build(&group, &space, "-j8");
    for objects_made in [0, 2, 4] {
        let reached = || objects(&space) >= objects_made && !workers(&group).is_empty();
        wait_until("a moment to freeze all at", || reached() || running.has_ended());
        let frozen = workers(&group);
        frozen.iter().for_each(|pid| send(*pid, Signal::STOP));
        // It sleeps between two readings of memory.
        let (pid, before) = (running.pid(), times_asleep(running.pid()));
        let has_read = || times_asleep(pid) >= before + 10;
        wait_until("some readings of memory", || has_read() || running.has_ended());
        frozen.iter().for_each(|pid| send(*pid, Signal::CONT));
    }
    let confined = expect_survived(workload, &space, running.finish());
    assert_eq!(confined.kills, 0, "{}", confined.run);
}

#[test]
fn measurements_that_are_damaged_are_written_anew() {
    const MEASUREMENTS: &str = "target/debug/.tender/measurements";
    let space = units(3);
    space.build(&[]);
    let good = space.read_bytes(MEASUREMENTS);
    let mut flipped = good.clone();
    *flipped.last_mut().expect("there is something in it") ^= 1;
    let other_version = [b"tender-measurements 99\n", &good[23..]].concat();
    let other = "of another version or damaged";
    let cases: [(&str, &[u8], &str); 6] = [
        ("empty", b"", other),
        ("truncated", &good[..30], "truncated"),
        ("damaged", &flipped, "damaged"),
        ("of another version", &other_version, other),
        ("garbage", b"\0\xff\xfe no measurements at all \n\n\n", other),
        ("too long", &[&good[..], &[0; 1000]].concat(), "damaged"),
    ];
    // The note is shown once.
    let build = |why: &str| {
        let run = space.tender(&["build", "-v"]).expect_ok();
        let path = space.path(MEASUREMENTS);
        assert_eq!(run.stderr.matches("the record of measurements").count(), 1, "{run}");
        run.expect_stderr(&[&format!(
            "note: the record of measurements in {path} is {why}; the build starts a new one\n"
        )]);
    };
    for (what, bytes, why) in cases {
        space.remove("target");
        space.write(MEASUREMENTS, bytes);
        build(why);
        let written = space.read_bytes(MEASUREMENTS);
        assert!(
            written.starts_with(b"tender-measurements 01\n") && written != bytes,
            "{what}: it is not written anew"
        );
        space.expect_fresh(&[]);
    }
    // Measurements that cannot be written do not fail a build.
    space.remove("target");
    space.write("target/debug/.tender/measurements/in-the-way", "");
    build("Is a directory (os error 21)");
    space.expect_fresh(&[]);
}

/// A build does not use the growth of another one.
#[test]
fn builds_of_one_user_share_memory() {
    let Some(workload) = measured() else { return };
    let limit = workload.figures.need / 10 * 26;
    let Some(group) = Cgroup::new(limit) else { return };
    let runtime = TestSpace::new();
    let spaces = [workload.space(true), workload.space(true)];
    let start = |space| {
        let space: &TestSpace = space;
        let trace = space.path("trace.json");
        let mut command = space.command(&["build", "-v", "-j8", "--trace", trace.as_str()]);
        command.env("XDG_RUNTIME_DIR", runtime.root());
        start_in(&group, space, "build", command)
    };
    let mut first = start(&spaces[0]);
    // It has leased memory for its items and uses nearly none of it, so the system reports it as
    // free.
    wait_until("work has begun", || !workers(&group).is_empty() || first.has_ended());
    let second = start(&spaces[1]);
    for (confining, space) in [first, second].into_iter().zip(&spaces) {
        let confined = expect_survived(workload, space, confining.finish());
        assert_eq!(confined.kills, 0, "{}", confined.run);
    }
    expect_shared(&spaces.each_ref().map(|space| Trace::read(&space.path("trace.json"))), limit);
    let left = std::fs::read_dir(runtime.path("tender-memory")).expect("they met there").count();
    assert_eq!(left, 0, "files of builds that have ended");
}

/// While the leases of two builds together exceed the memory, one of them runs only the one job
/// that may always run.
#[track_caller]
fn expect_shared(traces: &[Trace; 2], limit: u64) {
    let leases = traces.each_ref().map(Trace::leases);
    let phases = traces.each_ref().map(|trace| {
        let time =
            |event: &serde_json::Value, key: &str| event[key].as_u64().expect("microseconds");
        let spans = trace
            .of_kind("X")
            .map(|event| (time(event, "ts"), time(event, "ts") + time(event, "dur")));
        spans.collect::<Vec<_>>()
    });
    let mut times: Vec<u64> = leases.iter().flatten().map(|(ts, _, _)| *ts).collect();
    times.extend(phases.iter().flatten().map(|(start, _)| *start));
    let mut together = 0;
    for ts in times {
        let set_aside = leases.each_ref().map(|leases| {
            leases
                .iter()
                .take_while(|(at, _, _)| *at <= ts)
                .last()
                .map_or(0, |(_, bytes, _)| *bytes)
        });
        let running = phases
            .each_ref()
            .map(|phases| phases.iter().filter(|(start, end)| *start <= ts && ts < *end).count());
        let sum: u64 = set_aside.iter().sum();
        assert!(
            sum <= limit || running.iter().any(|running| *running <= 1),
            "{} MiB are set aside of {}, by builds that run {running:?} jobs",
            sum >> 20,
            limit >> 20
        );
        together += usize::from(running.iter().all(|running| *running > 0));
    }
    assert!(together > 0, "they did not run at the same time");
}

/// A killed build leaves its file. The next build ignores it.
#[test]
fn build_that_was_killed_takes_nothing_from_the_next() {
    let Some(workload) = measured() else { return };
    let Some(group) = Cgroup::new(4 * workload.figures.ample) else { return };
    let space = workload.space(true);
    let running = build(&group, &space, "-j8");
    wait_until("work has begun", || !workers(&group).is_empty());
    send(running.pid(), Signal::KILL);
    running.finish().run.expect_signal(9);
    let shares = space.path(".runtime/tender-memory");
    assert_eq!(shares.read_dir_utf8().expect("it was there").count(), 1);
    expect_survived(workload, &space, build(&group, &space, "-j8").finish());
    assert_eq!(shares.read_dir_utf8().expect("it was there").count(), 0);
    let _ = run_in(&group, &space, space.command(&["build"])).run.expect_ok().expect_nothing_done();
}

/// The kernel kills no process as long as it can drop file pages, even if they are read again at
/// once. Takes most of a minute, because thrashing must last some time before tender kills.
#[test]
fn build_that_thrashes_is_ended() {
    let Some(group) = Cgroup::new(48 * MIB) else { return };
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n");
    space.write("src/main.c", format!("thrash {} {}\n", 32 * MIB, 256 * MIB));
    let mut command = space.command(&["build", "-j1"]);
    command.env("TENDER_WORKER", env!("CARGO_BIN_EXE_fake-worker"));
    let Confined { run, kills, .. } = run_in(&group, &space, command);
    assert_eq!(kills, 0, "it is the kernel that has ended it\n{run}");
    let why = "(killed for memory, because it only read again what the kernel had dropped from memory: peak ";
    let says = [
        "tender retries this with nothing else running",
        "error: out of memory while compiling `src/main.c` of crate `x`",
        why,
    ];
    run.expect_code(101).expect_stderr(&says);
}
