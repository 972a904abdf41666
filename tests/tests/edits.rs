//! After any edit, a build has the same result as a clean build of the same files, byte for byte.
//!
//! Rounds of fixed seeds. `TENDER_EDITS_ROUNDS=20` sets their number, `TENDER_EDITS_SEED=17` the
//! first seed; with one round, only that one runs. With `TENDER_EDITS_JOURNAL=FILE`, finished
//! rounds are recorded there and not repeated.

use std::sync::Mutex;
use std::time::Instant;
use tender_tests::edits::{Figures, Journal, Kind, Workshop};
use tender_tests::rounds::{number, run_in_lanes, show, variable};

/// They include all modes of link-time optimisation.
const ROUNDS: u64 = 8;

/// How many rounds run at once.
const LANES: usize = 2;

#[test]
fn builds_after_edits_are_as_clean_ones() {
    let first = number("TENDER_EDITS_SEED").unwrap_or(0);
    let chosen = number("TENDER_EDITS_ROUNDS");
    let end = first + chosen.unwrap_or(ROUNDS);
    let journal = variable("TENDER_EDITS_JOURNAL");
    let journal = Mutex::new(journal.map(|path| Journal::open(path.as_str().into())));
    let start = Instant::now();
    let workshop = Workshop::new();
    let (figures, failures) = (Mutex::new(Figures::default()), Mutex::new(Vec::new()));
    run_in_lanes(first..end, LANES, |seed| {
        let noted =
            journal.lock().unwrap().as_ref().and_then(|journal| journal.round(seed).cloned());
        let (of_round, failed) = noted.unwrap_or_else(|| {
            let (of_round, failed) = workshop.round(seed);
            if let Some(journal) = journal.lock().unwrap().as_mut() {
                journal.add(seed, &of_round, &failed);
            }
            (of_round, failed)
        });
        figures.lock().unwrap().add(&of_round);
        failures.lock().unwrap().extend(failed);
    });
    let (figures, failures) = (figures.into_inner().unwrap(), failures.into_inner().unwrap());
    let summary =
        format!("{figures}\n{} s, {} failures", start.elapsed().as_secs(), failures.len());
    if chosen.is_some() {
        show(&summary);
    }
    assert!(failures.is_empty(), "{}\n\n{summary}", failures.join("\n\n"));
    let all = figures.all_steps();
    for kind in Kind::all() {
        let count = figures.steps.get(&kind).copied().unwrap_or(0);
        assert!(count * 20 >= all, "{kind:?} is less than a twentieth: {summary}");
    }
    assert!(figures.changing * 2 >= all, "most steps change nothing: {summary}");
    assert!(figures.refuted * 5 >= figures.compared, "certificates were hardly asked: {summary}");
    assert!(figures.idle > 0 && figures.failing > 0, "{summary}");
}
