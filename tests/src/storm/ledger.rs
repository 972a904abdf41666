//! The account of slots, as the trace of a build tells it, whether the build ended in order or was
//! killed.

use crate::trace::Trace;
use camino::Utf8Path;

/// Never more slots in use than there are; none when a build has succeeded. Answers how many values
/// were looked at.
///
/// A build that may have been killed may leave no trace, or one that is cut off: what there is of
/// it is looked at. One that was told to stop may end while a process that left the tree still
/// holds a slot.
///
/// # Panics
/// It is not so.
pub(super) fn expect_balanced(path: &Utf8Path, slots: u64, may_be_cut: bool, success: bool) -> u32 {
    let Ok(text) = std::fs::read_to_string(path) else {
        assert!(may_be_cut, "there is no trace {path}");
        return 0;
    };
    let whole = serde_json::from_str(&text).ok();
    assert!(may_be_cut || whole.is_some(), "the trace is cut off: {text}");
    let events = whole.unwrap_or_else(|| {
        let lines = text.rsplit_once(",\n").map_or("[", |(lines, _)| lines);
        serde_json::from_str(&format!("{lines}]")).unwrap_or_else(|error| panic!("{error}: {text}"))
    });
    let trace = Trace { events };
    let (used, all) = (trace.counter("tokens", "used"), trace.counter("tokens", "n"));
    // One whose host is gone when it starts cannot join, and runs one job at a time.
    let is_known = |n: u64| n == slots || (n == 1 && !success);
    assert!(
        all.iter().all(|(_, _, n)| is_known(*n)),
        "another number of slots than {slots}: {all:?}"
    );
    assert!(
        used.iter().all(|(_, _, used)| *used <= slots),
        "more than {slots} slots in use: {used:?}"
    );
    if success {
        assert_eq!(
            used.last().map_or(0, |(_, _, used)| *used),
            0,
            "slots in use after the end: {used:?}"
        );
    }
    let most = trace.max_concurrent_phases();
    assert!(most <= slots, "{most} steps at once of {slots}");
    used.len() as u32
}
