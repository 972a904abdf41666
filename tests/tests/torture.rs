//! Programs of other projects behave the same when they are cut: a fixed sample of them, or all.
//!
//! `TENDER_TORTURE=all` tries all, for `TENDER_TORTURE_MINUTES` (150), and continues there in the
//! next run; `TENDER_TORTURE_SEEDS=1-2000` sets the seeds of Csmith's programs.
//! `TENDER_TORTURE_ONLY=NAME` tries one and keeps its directory;
//! `TENDER_TORTURE_SETTING=-O2,5,thin` replaces its setting.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use tender_tests::rounds::{show, variable};
use tender_tests::torture::{Outcome, Pair, Session, Summary, What, directory, find, sample};

/// The size of the sample per thousand programs: four minutes on two cores.
const SAMPLE: u64 = 130;

/// The least number of programs that count. GCC's tests and Csmith's programs are the same on each
/// machine; a few of them may take too long on a slow one.
const FOUND: u32 = 676;
const CUT: u32 = 520;

/// The least share of programs that are cut, of those that can be, in percent.
const LEAST_CUT: u32 = 80;

const SEEDS: RangeInclusive<u32> = 1..=2000;
const MINUTES: u64 = 150;

fn seeds() -> RangeInclusive<u32> {
    let Some(text) = variable("TENDER_TORTURE_SEEDS") else { return SEEDS };
    let range = text
        .split_once('-')
        .and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    range.unwrap_or_else(|| panic!("TENDER_TORTURE_SEEDS is no range such as 1-2000: {text}"))
}

fn show_failure(outcome: &Outcome) {
    if let What::Failed { text, .. } = &outcome.what {
        show(&format!(
            "WRONG: {text}\nagain: TENDER_TORTURE_ONLY='{}' TENDER_TORTURE_SETTING={} cargo test -p tender-tests --test torture\n",
            outcome.name, outcome.setting
        ));
    }
}

#[test]
fn programs_of_others_do_the_same_when_they_are_cut() {
    let start = Instant::now();
    let directory = directory();
    let is_all = variable("TENDER_TORTURE").as_deref() == Some("all");
    let minutes = variable("TENDER_TORTURE_MINUTES").map_or(MINUTES, |text| text.parse().unwrap());
    let only = variable("TENDER_TORTURE_ONLY");
    let tests = find(&directory.join("gcc-12"), seeds());
    let tests = match &only {
        Some(name) => tests.into_iter().filter(|test| test.name == *name).collect(),
        None if is_all => tests,
        None => sample(tests, SAMPLE),
    };
    assert!(!tests.is_empty(), "there is no such program");
    let session = Session {
        tests: &tests,
        setting: variable("TENDER_TORTURE_SETTING").map(|text| text.parse().unwrap()),
        state: (is_all && only.is_none()).then(|| directory.join("state")),
        time: Duration::from_secs(60 * minutes),
        keep: only.is_some(),
        show: &|outcome| {
            if only.is_some() { show(&format!("{outcome:?}")) } else { show_failure(outcome) }
        },
    };
    let outcomes = session.run();
    let summary = Summary::of(&outcomes);
    let text = format!(
        "{summary}{} of {} tried, {} s",
        outcomes.len(),
        tests.len(),
        start.elapsed().as_secs()
    );
    show(&text);
    assert!(
        summary.failures.is_empty(),
        "{} programs differ; see above\n{text}",
        summary.failures.len()
    );
    if only.is_some() || outcomes.len() < tests.len() {
        return;
    }
    assert!(summary.all.percent_cut() >= LEAST_CUT, "too few are cut\n{text}");
    assert_eq!(summary.pairs.len(), Pair::count(), "some pairs are missing\n{text}");
    assert!(summary.all.found >= FOUND && summary.all.cut >= CUT, "fewer than expected\n{text}");
}
