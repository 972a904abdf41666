//! Random processes of wide builds are killed, stopped and interrupted. No token is lost, nothing
//! hangs or keeps running, and the outputs of the next build are right.
//!
//! Twenty rounds of fixed seeds, with all hosts of a pool. `TENDER_STORM_ROUNDS=200` sets their
//! number, `TENDER_STORM_SEED=17` the first seed; with one round, only that storm runs.

use std::sync::Mutex;
use std::time::Instant;
use tender_tests::rounds::{number, run_in_lanes, show};
use tender_tests::storm::{Figures, Plan, Weather};

const ROUNDS: u64 = 20;

/// How many rounds run at once: while processes of one wait, those of another use the processors.
const LANES: usize = 3;

#[test]
fn builds_survive_storms() {
    let first = number("TENDER_STORM_SEED").unwrap_or(0);
    let chosen = number("TENDER_STORM_ROUNDS");
    let end = first + chosen.unwrap_or(ROUNDS);
    let start = Instant::now();
    let weather = Weather::new();
    let (figures, failures) = (Mutex::new(Figures::default()), Mutex::new(Vec::new()));
    run_in_lanes(first..end, LANES, |seed| match weather.round(&Plan::new(seed)) {
        Ok(of_round) => figures.lock().unwrap().add(of_round),
        Err(failure) => failures.lock().unwrap().push(failure),
    });
    let (figures, failures) = (figures.into_inner().unwrap(), failures.into_inner().unwrap());
    let summary =
        format!("{figures}\n{} s, {} rounds failed", start.elapsed().as_secs(), failures.len());
    if chosen.is_some() {
        show(&summary);
    }
    assert!(failures.is_empty(), "{}\n\n{summary}", failures.join("\n\n"));
    assert!(figures.hits() > 0, "nobody was hit: {summary}");
}
