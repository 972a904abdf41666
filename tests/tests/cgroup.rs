//! The memory cgroups of other tests: what they limit and count, that they are removed, and what
//! tender reads of them.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use tender_tests::{Cgroup, TestSpace, probe, wait_until};

/// What `tender` reads about memory when it runs in the group.
fn read(group: &Cgroup) -> serde_json::Value {
    let mut command = Command::new(probe().with_file_name("probe-memory"));
    group.confine(&mut command);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

const MIB: u64 = 1 << 20;

/// `probe fill BYTES`, in the group.
fn fill(group: &Cgroup, bytes: u64) -> Command {
    let mut command = Command::new(probe());
    command.args(["fill", &bytes.to_string()]);
    group.confine(&mut command);
    command
}

#[test]
fn group_runs_what_fits_and_knows_its_peak() {
    let Some(group) = Cgroup::new(200 * MIB) else { return };
    assert!(fill(&group, 60 * MIB).status().unwrap().success());
    assert_eq!(group.oom_kills(), 0);
    if let Some(peak) = group.peak() {
        assert!((60 * MIB..200 * MIB).contains(&peak), "{peak}");
    }
}

#[test]
fn group_counts_kills_of_what_does_not_fit() {
    let Some(group) = Cgroup::new(40 * MIB) else { return };
    let status = fill(&group, 80 * MIB).status().unwrap();
    assert_eq!(status.signal(), Some(9), "{status}");
    assert_eq!(group.oom_kills(), 1);
    assert!(group.hits() > 0);
    assert!(group.peak().is_none_or(|peak| peak <= 40 * MIB));
    // The group can be used again, with another limit.
    group.set_limit(200 * MIB).unwrap();
    assert!(fill(&group, 80 * MIB).status().unwrap().success());
    assert_eq!(group.oom_kills(), 1);
}

#[test]
fn group_above_limits_as_well() {
    let Some(outer) = Cgroup::new(40 * MIB) else { return };
    let Some(inner) = outer.inner(400 * MIB) else {
        panic!("no group inside {}", outer.directory())
    };
    assert_eq!(fill(&inner, 80 * MIB).status().unwrap().signal(), Some(9));
    assert_eq!(inner.oom_kills(), 1);
}

#[test]
fn group_is_removed_with_all_that_runs_in_it() {
    let Some(group) = Cgroup::new(200 * MIB) else { return };
    let space = TestSpace::new();
    let ready = space.path("ready");
    let mut command = Command::new(probe());
    command.args(["touch", ready.as_str(), "sleep", "600000"]);
    group.confine(&mut command);
    let mut child = command.spawn().unwrap();
    wait_until("the program runs", || ready.exists());
    assert_eq!(group.processes(), [child.id()]);
    let directory = group.directory().to_owned();
    drop(group);
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(!directory.exists());
}

#[test]
fn tender_reads_the_group_that_it_is_in() {
    let Some(outer) = Cgroup::new(300 * MIB) else { return };
    let Some(inner) = outer.inner(200 * MIB) else {
        panic!("no group inside {}", outer.directory())
    };
    let check = |bound: &Cgroup, limit: u64| {
        let json = read(&inner);
        assert_eq!(json["notes"], serde_json::json!([]), "{json}");
        assert_eq!(json["binding"]["bound"]["path"], bound.directory().as_str(), "{json}");
        assert_eq!(json["binding"]["limit"], limit, "{json}");
        let available = json["binding"]["available"].as_u64().unwrap();
        assert!(available > limit / 2 && available < limit, "{json}");
    };
    check(&inner, 200 * MIB);
    outer.set_limit(120 * MIB).unwrap();
    check(&outer, 120 * MIB);
    inner.set_limit(100 * MIB).unwrap();
    check(&inner, 100 * MIB);
    let levels = read(&inner);
    let paths: Vec<_> =
        levels["levels"].as_array().unwrap().iter().map(|l| &l["bound"]["path"]).collect();
    assert_eq!(paths[..2], [inner.directory().as_str(), outer.directory().as_str()]);

    assert_eq!(read(&inner)["oom_kills"], 0);
    assert_eq!(fill(&inner, 150 * MIB).status().unwrap().signal(), Some(9));
    assert_eq!(read(&inner)["oom_kills"], 1);
}
