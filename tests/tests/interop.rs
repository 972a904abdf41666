//! Other build tools among themselves: they share a pool as `docs/jobserver.md` says of them, and the harness would see it if
//! more ran than may, or if a token were lost.

use tender_tests::TestSpace;
use tender_tests::interop::{CommandLine, Found, Probes, Tool, expect_whole_pool, find};

/// `outer -jN` with jobs of its own and two trees of `inner`, of which N run at once, and never more.
#[track_caller]
fn share(outer: &Found, inner: &Found, n: usize) {
    let space = TestSpace::new();
    let probes = Probes::new(&space, n);
    let children = [inner.tree(&probes, "a", 4, &[]), inner.tree(&probes, "b", 4, &[])];
    let run = outer.tree(&probes, "outer", 3, &children).arg(&format!("-j{n}")).run(&space).expect_ok();
    let log = probes.log();
    assert_eq!((log.jobs.len(), log.finished()), (11, 11), "{run}");
    assert_eq!(log.most_at_once(), n, "{run}");
    expect_whole_pool(&run);
}

/// The whole pool reaches a single tree below `outer`, which runs nothing else.
#[track_caller]
fn reaches(outer: &Found, inner: &Found, n: usize) {
    let space = TestSpace::new();
    let probes = Probes::new(&space, n);
    let child = inner.tree(&probes, "inner", 2 * n, &[]);
    let run = outer.tree(&probes, "outer", 0, &[child]).arg(&format!("-j{n}")).run(&space).expect_ok();
    assert_eq!(probes.log().of("inner").most_at_once(), n, "{run}");
    assert_eq!(probes.log().finished(), 2 * n, "{run}");
    expect_whole_pool(&run);
}

#[test]
fn new_make_shares_a_fifo() {
    let Some(make) = find(Tool::Make44) else { return };
    for inner in [Tool::Make44, Tool::Ninja, Tool::NinjaKitware, Tool::Cargo] {
        let Some(inner) = find(inner) else { continue };
        share(&make, &inner, 3);
        reaches(&make, &inner, 3);
    }
}

#[test]
fn old_make_shares_a_pipe() {
    let Some(make) = find(Tool::Make43) else { return };
    for inner in [Tool::Make43, Tool::Make44, Tool::NinjaKitware, Tool::Cargo, Tool::Gcc] {
        let Some(inner) = find(inner) else { continue };
        share(&make, &inner, 3);
        reaches(&make, &inner, 3);
    }
}

#[test]
fn three_levels_share_one_pool() {
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
fn what_does_not_share_is_seen() {
    let Some(make) = find(Tool::Make43) else { return };
    for (inner, own) in [(Tool::NinjaKitware, "-j6"), (Tool::Ninja, "-j6"), (Tool::NinjaOld, "-j6")] {
        let Some(inner) = find(inner) else { continue };
        let space = TestSpace::new();
        let probes = Probes::new(&space, 5);
        let child = inner.tree(&probes, "inner", 6, &[]).arg(own);
        let run = make.tree(&probes, "outer", 2, &[child]).arg("-j2").run(&space).expect_ok();
        assert!(probes.log().most_at_once() > 2, "{run}");
    }
}

#[test]
fn a_lost_token_is_seen() {
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
