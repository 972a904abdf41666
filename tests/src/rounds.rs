//! Rounds of a randomised test: chosen by environment variables, several run at once. Does not know
//! what a round does.

use std::io::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// An environment variable that chooses rounds. `None` if it is empty or not set.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// As [`variable`]; panics if it is not a number.
pub fn number(name: &str) -> Option<u64> {
    let text = variable(name)?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Runs a round for each seed, `lanes` of them at once, in the order of the seeds.
pub fn run_in_lanes(seeds: Range<u64>, lanes: usize, round: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(seeds.start);
    let lane = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            round(seed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(lane);
        }
    });
}

/// Not by `eprintln!`, whose output the test harness hides if the test passes. Standard error may
/// be closed.
pub fn show(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
