//! Memory pressure (PSI): the kernel's counters of stalled time, and the stalled share of a window.
//! Decides nothing.
//!
//! The kernel updates its own averages every two seconds only. Its totals are exact at each
//! reading.

use super::files::KernelFiles;
use camino::Utf8Path;
use std::collections::VecDeque;
use std::time::Duration;
use tender_units::Micros;

/// Time in which tasks stalled for memory (reclaim, refaults, swap) since the system or the group
/// was started, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// At least one task stalled.
    pub some_us: Micros,
    /// All tasks that could run stalled.
    pub full_us: Micros,
}

impl Totals {
    /// `None` is no error: the kernel may be built without PSI, or started with PSI off. Then the
    /// file is absent, or reading it fails with EOPNOTSUPP.
    pub(super) fn read(files: &KernelFiles, path: &Utf8Path) -> Option<Totals> {
        parse(&files.read_often(path).ok()?)
    }
}

fn parse(text: &str) -> Option<Totals> {
    let total = |kind: &str| -> Option<Micros> {
        let line = text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))?;
        line.split(' ').find_map(|field| field.strip_prefix("total="))?.parse().ok().map(Micros)
    };
    Some(Totals { some_us: total("some")?, full_us: total("full")? })
}

/// The stalled share of the last seconds. Pure: the time is an argument.
#[derive(Clone, Debug)]
pub struct Stall {
    /// The longest window that can be asked for.
    keep: Duration,
    /// Readings, the oldest first. Times and totals never decrease.
    seen: VecDeque<(Duration, Totals)>,
}

impl Stall {
    pub fn new(longest_window: Duration) -> Self {
        Self { keep: longest_window, seen: VecDeque::new() }
    }

    /// Adds a reading at `now`, a time since any fixed moment. `None` discards all readings. So
    /// does a total that is smaller than the last: it is that of another group.
    pub fn add(&mut self, now: Duration, totals: Option<Totals>) {
        let Some(totals) = totals else { return self.seen.clear() };
        if let Some((last, before)) = self.seen.back() {
            if totals.some_us < before.some_us || totals.full_us < before.full_us {
                self.seen.clear();
            } else if now <= *last {
                return;
            }
        }
        self.seen.push_back((now, totals));
        let start = now.saturating_sub(self.keep);
        // One reading at or before the start stays, because the window may start between two
        // readings.
        while self.seen.get(1).is_some_and(|(at, _)| *at <= start) {
            self.seen.pop_front();
        }
    }

    /// The share of the last `window` in which at least one task stalled for memory, 0 to 1. The
    /// time before the first reading counts as without stalls. `None` before the second reading.
    pub fn some(&self, window: Duration) -> Option<f64> {
        self.share(window, |totals| totals.some_us)
    }

    /// As `some`, for the time in which all tasks stalled.
    pub fn full(&self, window: Duration) -> Option<f64> {
        self.share(window, |totals| totals.full_us)
    }

    fn share(&self, window: Duration, total: impl Fn(&Totals) -> Micros) -> Option<f64> {
        let (now, latest) = self.seen.back()?;
        let first = self.seen.front()?;
        if self.seen.len() < 2 || window.is_zero() {
            return None;
        }
        let start = now.saturating_sub(window);
        let after = self.seen.partition_point(|(at, _)| *at <= start);
        let at_start =
            match after.checked_sub(1).map(|before| (self.seen[before], self.seen[after])) {
                None => total(&first.1).0 as f64,
                Some(((early, low), (late, high))) => {
                    let part = (start - early).as_secs_f64() / (late - early).as_secs_f64();
                    total(&low).0 as f64 + part * (total(&high) - total(&low)).0 as f64
                }
            };
        let stalled_us = total(latest).0 as f64 - at_start;
        Some((stalled_us / 1e6 / window.as_secs_f64()).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn totals(full_us: Micros) -> Option<Totals> {
        Some(Totals { some_us: full_us * 2, full_us })
    }

    #[test]
    fn pressure_totals_are_parsed() {
        let check = |text: &str, expect: Option<(u64, u64)>| {
            let expect = expect.map(|(some_us, full_us)| Totals {
                some_us: Micros(some_us),
                full_us: Micros(full_us),
            });
            assert_eq!(parse(text), expect, "{text}");
        };
        let full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
        check(&format!("some avg10=1.00 avg60=0.00 avg300=0.00 total=7\n{full}"), Some((7, 5)));
        check(&format!("{full}later avg=1 total=3\nsome new=1 total=7 more=2\n"), Some((7, 5)));
        check(full, None);
        check("some avg10=0.00 total=x\nfull total=1\n", None);
        check("", None);
    }

    #[test]
    fn pressure_shares_of_windows() {
        // Half of the time is stalled from the 10th second to the 14th, read every second.
        let mut stall = Stall::new(30 * SECOND);
        let mut full = 0;
        let mut check = |until: u32, expect: (f64, f64)| {
            let from = stall.seen.back().map_or(0, |(at, _)| at.as_secs() as u32 + 1);
            for second in from..=until {
                full += if (11..=14).contains(&second) { 500_000 } else { 0 };
                stall.add(second * SECOND, totals(Micros(full)));
            }
            let shares = (stall.full(5 * SECOND).unwrap(), stall.full(30 * SECOND).unwrap());
            assert!(
                (shares.0 - expect.0).abs() + (shares.1 - expect.1).abs() < 1e-9,
                "{until}: {shares:?}"
            );
        };
        check(10, (0.0, 0.0));
        check(11, (0.1, 0.5 / 30.0));
        check(14, (0.4, 2.0 / 30.0));
        check(17, (0.2, 2.0 / 30.0));
        check(19, (0.0, 2.0 / 30.0));
        check(60, (0.0, 0.0));
        assert!(stall.seen.len() <= 32, "readings older than the longest window are discarded");
    }

    #[test]
    fn pressure_window_may_start_between_two_readings() {
        let mut stall = Stall::new(30 * SECOND);
        stall.add(Duration::ZERO, totals(Micros(0)));
        stall.add(10 * SECOND, totals(Micros(5_000_000)));
        assert_eq!(stall.full(4 * SECOND), Some(0.5));
        assert_eq!(stall.some(4 * SECOND), Some(1.0));
    }

    #[test]
    fn pressure_is_unknown_without_two_readings_of_one_group() {
        let mut stall = Stall::new(30 * SECOND);
        assert_eq!(stall.full(SECOND), None);
        stall.add(SECOND, totals(Micros(4)));
        assert_eq!(stall.full(SECOND), None);
        stall.add(2 * SECOND, totals(Micros(5)));
        assert!(stall.full(SECOND).is_some());
        stall.add(3 * SECOND, None);
        assert_eq!(stall.full(SECOND), None);
        stall.add(4 * SECOND, totals(Micros(9)));
        stall.add(5 * SECOND, totals(Micros(1)));
        assert_eq!(stall.full(SECOND), None, "a smaller total is that of another group");
        stall.add(5 * SECOND, totals(Micros(2)));
        assert_eq!(stall.full(SECOND), None, "a clock that stands still");
    }

    proptest! {
        /// Any readings give shares from 0 to 1, `full` at most `some`.
        #[test]
        fn pressure_shares_are_between_0_and_1(steps in proptest::collection::vec((0u64..5000, 0u64..3_000_000), 0..200)) {
            let mut stall = Stall::new(30 * SECOND);
            let (mut now, mut full) = (0, 0);
            for (ms, stalled) in steps {
                now += ms;
                full += stalled;
                stall.add(Duration::from_millis(now), totals(Micros(full)));
                for window in [SECOND / 10, 5 * SECOND, 30 * SECOND] {
                    let shares = (stall.full(window), stall.some(window));
                    if let (Some(full), Some(some)) = shares {
                        prop_assert!((0.0..=1.0).contains(&full) && full <= some && some <= 1.0);
                    }
                }
            }
        }
    }

    #[test]
    fn fuzz_pressure() {
        tender_fuzz::check_text("pressure", 3_000, |text| {
            let Some(totals) = parse(text) else { return };
            let mut stall = Stall::new(Duration::from_secs(2));
            for (at, totals) in
                [(0, Totals { some_us: Micros(0), full_us: Micros(0) }), (1, totals), (2, totals)]
            {
                stall.add(Duration::from_secs(at), Some(totals));
            }
            assert!(
                stall
                    .some(Duration::from_secs(2))
                    .is_some_and(|share| (0.0..=1.0).contains(&share))
            );
        });
    }
}
