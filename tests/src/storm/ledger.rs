//! Checks the slot counter in the trace of a build, which may have been killed.

use crate::trace::Trace;
use camino::Utf8Path;

/// Checks that never more slots than exist are in use, and none at the end of a successful build.
/// Returns how many values were checked.
///
/// A killed build may leave no trace, or an incomplete one, which is checked as far as it goes. An
/// interrupted build may end while a survivor still holds a slot.
///
/// # Panics
/// The check fails.
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
    // A build whose host has ended when it starts cannot join, and runs one job at a time.
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
