//! Other build tools without tender: they share a pool as `docs/jobserver.md` describes, and the
//! harness detects too many jobs and lost tokens.

use rustix::process::{Signal, kill_process};
use tender_tests::TestSpace;
use tender_tests::interop::{
    CommandLine, Found, Pool, Probes, Sharing, Tool, expect_sharing, expect_whole_pool, find,
    members,
};
use tender_tests::wait_until;

/// `outer -jN` with jobs of its own and two trees of `inner`: N jobs run at once, and never more.
#[track_caller]
fn share(outer: &Found, inner: &Found, n: usize) {
    let space = TestSpace::new();
    let probes = Probes::new(&space, n);
    let children = [inner.tree(&probes, "a", 4, &[]), inner.tree(&probes, "b", 4, &[])];
    let run =
        outer.tree(&probes, "outer", 3, &children).arg(&format!("-j{n}")).run(&space).expect_ok();
    let log = probes.log();
    assert_eq!((log.jobs.len(), log.finished()), (11, 11), "{run}");
    assert_eq!(log.most_at_once(), n, "{run}");
    expect_whole_pool(&run);
}

/// How each inner tool behaves below `outer`.
#[track_caller]
fn check(outer: Tool, extra: &[&str], expect: &[(Tool, Sharing)]) {
    let Some(outer) = find(outer) else { return };
    for (inner, sharing) in expect {
        let Some(inner) = find(*inner) else { continue };
        // A ninja without a pool runs three jobs on a machine with two processors.
        let n = if *sharing == Sharing::Outside { 2 } else { 3 };
        expect_sharing(&inner, n, *sharing, |probes, child| {
            let line = outer.tree(probes, "outer", 0, &[child]);
            extra.iter().fold(line, |line, word| line.arg(word)).arg(&format!("-j{n}"))
        });
    }
}

const PIPE: &[(Tool, Sharing)] = &[
    (Tool::Make43, Sharing::Shared),
    (Tool::Make44, Sharing::Shared),
    (Tool::NinjaOld, Sharing::Outside),
    (Tool::Ninja, Sharing::Outside),
    (Tool::NinjaKitware, Sharing::Shared),
    (Tool::Cargo, Sharing::Shared),
    (Tool::Gcc, Sharing::Shared),
];

#[test]
fn make_before_4_4_hosts_a_pipe() {
    check(Tool::Make43, &[], PIPE);
}

#[test]
fn make_since_4_4_hosts_a_pipe_if_told() {
    check(Tool::Make44, &["--jobserver-style=pipe"], PIPE);
}

#[test]
fn cargo_hosts_a_pipe() {
    check(Tool::Cargo, &[], PIPE);
}

#[test]
fn make_since_4_4_hosts_a_fifo() {
    check(
        Tool::Make44,
        &[],
        &[
            (Tool::Make43, Sharing::Refused),
            (Tool::Make44, Sharing::Shared),
            (Tool::NinjaOld, Sharing::Outside),
            (Tool::Ninja, Sharing::Shared),
            (Tool::NinjaKitware, Sharing::Shared),
            (Tool::Cargo, Sharing::Shared),
        ],
    );
}

/// Since 13 gcc reads the form of make 4.4. Before, it warns and runs a job for each processor,
/// which is more than a pool of one.
#[test]
fn gcc_reads_a_fifo_since_13() {
    let Some(gcc) = find(Tool::Gcc) else { return };
    let major = gcc
        .version
        .rsplit(' ')
        .next()
        .and_then(|number| number.split('.').next()?.parse::<u32>().ok());
    if major.expect("gcc says its version") >= 13 {
        return check(Tool::Make44, &[], &[(Tool::Gcc, Sharing::Shared)]);
    }
    let space = TestSpace::new();
    let pool = Pool::fifo(&space, b"");
    let run = expect_sharing(&gcc, 1, Sharing::Outside, |_, child| pool.around(child));
    run.expect_stderr(&["jobserver is not available"]);
}

#[test]
fn trees_beside_each_other_share() {
    for (outer, inner) in [
        (Tool::Make43, Tool::Make43),
        (Tool::Make43, Tool::NinjaKitware),
        (Tool::Make43, Tool::Cargo),
        (Tool::Make44, Tool::Make44),
        (Tool::Make44, Tool::Ninja),
        (Tool::Make44, Tool::Cargo),
    ] {
        let (Some(outer), Some(inner)) = (find(outer), find(inner)) else { continue };
        share(&outer, &inner, 3);
    }
}

#[test]
fn trees_of_three_levels_share_one_pool() {
    let (Some(make), Some(ninja)) = (find(Tool::Make44), find(Tool::Ninja)) else { return };
    let space = TestSpace::new();
    let probes = Probes::new(&space, 3);
    let below = make.tree(&probes, "below", 5, &[]);
    let between = ninja.tree(&probes, "between", 3, &[below]);
    let run = make.tree(&probes, "above", 2, &[between]).arg("-j3").run(&space).expect_ok();
    assert_eq!(probes.log().finished(), 10, "{run}");
    assert_eq!(probes.log().most_at_once(), 3, "{run}");
    expect_whole_pool(&run);
}

#[test]
fn tools_that_do_not_share_are_seen() {
    let Some(make) = find(Tool::Make43) else { return };
    for (inner, own) in [(Tool::NinjaKitware, "-j6"), (Tool::Ninja, "-j6"), (Tool::NinjaOld, "-j6")]
    {
        let Some(inner) = find(inner) else { continue };
        let space = TestSpace::new();
        let probes = Probes::new(&space, 5);
        let child = inner.tree(&probes, "inner", 6, &[]).arg(own);
        let run = make.tree(&probes, "outer", 2, &[child]).arg("-j2").run(&space).expect_ok();
        assert!(probes.log().most_at_once() > 2, "{run}");
    }
}

#[test]
fn lost_token_is_seen() {
    let Some(make) = find(Tool::Make43) else { return };
    let space = TestSpace::new();
    let probes = Probes::new(&space, 1);
    let thief = "fds=${MAKEFLAGS##*--jobserver-auth=}; dd bs=1 count=1 status=none <&${fds%%,*}";
    let child = CommandLine::new(["sh", "-c", thief]);
    let run = make.tree(&probes, "outer", 0, &[child]).arg("-j3").run(&space).expect_ok();
    let seen = std::panic::catch_unwind(|| expect_whole_pool(&run));
    assert!(seen.is_err(), "{run}");
}

#[test]
fn tender_runs_probe_jobs() {
    let tender = find(Tool::Tender).expect("it is the program under test");
    let space = TestSpace::new();
    let probes = Probes::new(&space, 3);
    let run = tender.tree(&probes, "tree", 6, &[]).arg("-j3").run(&space).expect_ok();
    assert_eq!(probes.log().finished(), 6, "{run}");
    assert_eq!(probes.log().most_at_once(), 3, "{run}");
}

/// All but GNU make return the bytes that they took; GNU make returns as many.
#[test]
fn pool_of_a_test_sees_every_byte() {
    let fifo = [Tool::Make44, Tool::Ninja, Tool::NinjaKitware, Tool::Cargo];
    let pipe = [Tool::Make43, Tool::Make44, Tool::NinjaKitware, Tool::Cargo, Tool::Gcc];
    let cases = fifo.map(|tool| (tool, true)).into_iter().chain(pipe.map(|tool| (tool, false)));
    for (tool, is_fifo) in cases {
        let Some(tool) = find(tool) else { continue };
        let space = TestSpace::new();
        let pool = if is_fifo { Pool::fifo(&space, b"AB") } else { Pool::pipe(b"AB") };
        let probes = Probes::new(&space, 3);
        let run = pool.around(tool.tree(&probes, "tree", 6, &[])).run(&space).expect_ok();
        assert_eq!(probes.log().most_at_once(), 3, "{run}");
        let bytes: &[u8] = match tool.tool {
            Tool::Make43 | Tool::Make44 | Tool::Gcc => b"++",
            _ => b"AB",
        };
        assert_eq!(pool.drain(), bytes, "{run}");
        assert!(members(&space).is_empty(), "{run}");
    }
}

#[test]
fn members_of_a_tree_are_found_and_a_kill_is_seen() {
    let Some(ninja) = find(Tool::Ninja) else { return };
    let space = TestSpace::new();
    let pool = Pool::fifo(&space, b"++");
    // More than can run at once, so that they run until they are killed.
    let probes = Probes::new(&space, 9);
    let line = pool.around(ninja.tree(&probes, "tree", 5, &[]));
    let started = space.start(line.command(&space));
    wait_until("three jobs run", || probes.log().jobs.len() == 3);
    let all = members(&space);
    let of = |name: &str| all.iter().filter(|member| member.name == name).count();
    assert_eq!((of("ninja"), of("probe-job")), (1, 3), "{all:?}");
    for member in &all {
        // An error is ignored: some end when others do.
        let _ = kill_process(member.pid, Signal::KILL);
    }
    let run = started.finish().expect_signal(9);
    wait_until("all are gone", || members(&space).is_empty());
    assert_eq!(
        (probes.log().most_at_once(), probes.log().most_at_once_if_killed()),
        (3, 1),
        "{run}"
    );
    assert_eq!(pool.drain(), b"", "{run}");
}
