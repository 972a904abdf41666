//! `[[generate]]` commands whose jobs do not fit together: some are stopped for a while, and the
//! build succeeds.

use serde_json::Value;
use tender_tests::interop::{Tool, find};
use tender_tests::stress::{Confined, run_in};
use tender_tests::{Cgroup, TestSpace, probe};

const MIB: u64 = 1 << 20;
const PLENTY: u64 = 1 << 40;

/// The number of jobs of the make below the command, the peak of each, and the limit of all.
const JOBS: u64 = 8;
const JOB: u64 = 128 * MIB;
const LIMIT: u64 = 480 * MIB;

/// A crate with a command that runs a make with a number of jobs of its own, so that no token holds
/// it back. Its jobs grow step by step, as compilers do.
fn hungry() -> Option<TestSpace> {
    let make = find(Tool::Make44)?.path;
    let space = TestSpace::new();
    let step = format!(" fill {} sleep 25", JOB / 16);
    let jobs: String = (0..JOBS).map(|job| format!(" job{job}")).collect();
    let rules = format!("all:{jobs}\n{jobs}:\n\t@{}{}\n", probe(), step.repeat(16));
    space.write("jobs.mk", rules);
    let run = format!("{make} -j{JOBS} -f jobs.mk && : > $OUT_DIR/x.h");
    let generate =
        format!("[[generate]]\nrun = [\"sh\", \"-c\", \"{run}\"]\noutputs = [\"$OUT_DIR/x.h\"]\n");
    space.write("Tender.toml", format!("[package]\nname = \"x\"\n{generate}"));
    space.write("src/main.c", "#include \"x.h\"\nint main(void) { return 0; }\n");
    Some(space)
}

/// How many jobs were stopped, by the messages in order of time.
fn stopped(messages: &[Value]) -> Vec<u64> {
    let told = messages.iter().filter(|message| message["reason"] == "stopped-for-memory");
    told.map(|message| message["jobs"].as_u64().expect("a number of jobs")).collect()
}

/// Builds it in a group of `limit` bytes.
#[track_caller]
fn build(space: &TestSpace, limit: u64, words: &[&str]) -> Option<Confined> {
    let group = Cgroup::new(limit)?;
    let words = [&["build", "-j2", "--message-format", "json", "--timings"], words].concat();
    Some(run_in(&group, space, space.command(&words)))
}

#[test]
fn command_is_kept_within_the_group() {
    let Some(space) = hungry() else { return };
    let Some(Confined { run, kills, .. }) = build(&space, LIMIT, &["--memory", "off"]) else {
        return;
    };
    // Otherwise the following checks prove nothing.
    assert!(kills > 0 && !run.status.success(), "its jobs have room together: {run}");

    let Some(space) = hungry() else { return };
    let Confined { run, kills, .. } = build(&space, LIMIT, &[]).expect("there was a group before");
    let run = run.expect_ok();
    assert_eq!(kills, 0, "{run}");
    expect_stopped_and_continued(&run.messages());
    space.expect_fresh(&[]);
}

/// With a budget, and no other limit.
#[test]
fn command_is_kept_within_the_budget() {
    let Some(space) = hungry() else { return };
    let budget = format!("{LIMIT}B");
    let Some(Confined { run, .. }) = build(&space, PLENTY, &["--memory", &budget]) else { return };
    let messages = run.expect_ok().messages();
    expect_stopped_and_continued(&messages);
    // What jobs allocate between two measurements is found only at the second.
    let summary = messages.iter().find(|message| message["reason"] == "memory-summary");
    let peak = summary.expect("there is a summary")["peak"].as_u64().expect("it was measured");
    assert!(
        (2 * JOB..LIMIT + JOB).contains(&peak),
        "{} MiB were used of {}",
        peak >> 20,
        LIMIT >> 20
    );
}

#[track_caller]
fn expect_stopped_and_continued(messages: &[Value]) {
    let stopped = stopped(messages);
    assert!(stopped.iter().any(|jobs| *jobs > 0), "no job was stopped: {stopped:?}");
    assert!(stopped.iter().all(|jobs| *jobs < JOBS), "the oldest was stopped too: {stopped:?}");
    assert_eq!(stopped.last(), Some(&0), "some were left stopped: {stopped:?}");
}
