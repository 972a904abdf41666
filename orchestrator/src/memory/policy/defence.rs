//! What to do when memory gets short in spite of leases. Pure: measurements and the time are
//! arguments.
//!
//! ```text
//! available:  plenty ... 2 reserves ......... 1 reserve ........ 1/3 reserve ... 0
//!                        purge, once a second                    kill, at most one in half a second
//! ```
//!
//! Leases keep the reserve free. It shrinks if estimates were too small, or other programs use
//! memory. Allocators return first what they keep. Killing is the last resort, but happens before
//! the kernel kills: it would choose the largest process, which may be close to its end. After a
//! kill it takes some time until the memory is free, and one kill may be enough.
//!
//! A system that spends its time reclaiming memory is slow long before memory is exhausted. If all
//! tasks stalled for memory in more than 10 % of the time, there is a hold: the build starts
//! nothing new. It resumes below 5 % over a longer window, so that the state does not flap. The
//! absence of stalls proves nothing, since without swap there are few.

use std::time::Duration;
use tender_units::{Bytes, Micros};

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// Bytes that can be used before the kernel reclaims or kills.
    pub available: Bytes,
    /// How much of that is to stay free, bytes.
    pub reserve: Bytes,
    /// The share of the window [`SHORT_STALL_WINDOW`] in which all tasks stalled for memory, 0 to 1.
    /// `None` if the kernel does not report it.
    pub stalled: Option<f64>,
    /// The same for the window [`LONG_STALL_WINDOW`].
    pub stalled_long: Option<f64>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Steps {
    /// Purge all workers.
    pub purge: bool,
    /// Kill one worker, if one may be killed.
    pub kill: bool,
    /// Start nothing new, except one job if none runs.
    pub hold: bool,
}

/// The windows over which stalls are averaged: the short one decides when nothing new starts any
/// more, the long one when it may start again.
pub const SHORT_STALL_WINDOW: Duration = Duration::from_secs(5);
pub const LONG_STALL_WINDOW: Duration = Duration::from_secs(10);

const MUCH_STALLED: f64 = 0.10;
const LITTLE_STALLED: f64 = 0.05;

const BETWEEN_PURGES_US: Micros = Micros::from_secs(1);
const BETWEEN_KILLS_US: Micros = Micros::from_millis(500);

#[derive(Clone, Copy, Debug, Default)]
pub struct Defence {
    purged_us: Option<Micros>,
    killed_us: Option<Micros>,
    is_held: bool,
}

impl Defence {
    pub fn step(&mut self, measure: Measure, now_us: Micros) -> Steps {
        let Measure { available, reserve, stalled, stalled_long } = measure;
        let is_over = |since_us: Option<Micros>, pause_us: Micros| {
            since_us.is_none_or(|at_us| now_us >= at_us + pause_us)
        };
        let purge =
            available < reserve.saturating_mul(2) && is_over(self.purged_us, BETWEEN_PURGES_US);
        let kill = available < reserve / 3 && is_over(self.killed_us, BETWEEN_KILLS_US);
        if purge {
            self.purged_us = Some(now_us);
        }
        if kill {
            self.killed_us = Some(now_us);
        }
        self.is_held = match self.is_held {
            false => stalled.is_some_and(|share| share > MUCH_STALLED),
            true => stalled_long.is_some_and(|share| share > LITTLE_STALLED),
        };
        Steps { purge, kill, hold: self.is_held }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::readings::{Stall, Totals};

    const RESERVE: u64 = 60;
    const NOTHING: Steps = Steps { purge: false, kill: false, hold: false };

    fn with(available: u64) -> Measure {
        Measure {
            available: Bytes(available),
            reserve: Bytes(RESERVE),
            stalled: None,
            stalled_long: None,
        }
    }

    #[test]
    fn defence_steps_depend_on_what_is_available() {
        let check = |available: u64, expect: Steps| {
            assert_eq!(Defence::default().step(with(available), Micros(0)), expect, "{available}");
        };
        check(1000, NOTHING);
        check(120, NOTHING);
        check(119, Steps { purge: true, ..NOTHING });
        check(20, Steps { purge: true, ..NOTHING });
        check(19, Steps { purge: true, kill: true, ..NOTHING });
        check(0, Steps { purge: true, kill: true, ..NOTHING });
    }

    #[test]
    fn defence_pauses_between_purges_and_between_kills() {
        let mut defence = Defence::default();
        let mut done = (0, 0);
        // Ten seconds with almost nothing available, a step each 20 ms.
        for now_us in (0..10_000_000).step_by(20_000) {
            let steps = defence.step(with(5), Micros(now_us));
            done = (done.0 + u32::from(steps.purge), done.1 + u32::from(steps.kill));
        }
        assert_eq!(done, (10, 20));
    }

    /// Steps ten times a second with a pressure of `percent(second)`. Returns the seconds at which
    /// the hold began or ended.
    fn changes(seconds: u64, percent: impl Fn(u64) -> u64) -> Vec<u64> {
        let mut stall = Stall::new(LONG_STALL_WINDOW);
        let mut defence = Defence::default();
        let (mut full_us, mut is_held, mut changes) = (0, false, Vec::new());
        for tick in 0..seconds * 10 {
            full_us += percent(tick / 10) * 1000;
            stall.add(
                Duration::from_millis(tick * 100),
                Some(Totals { some_us: Micros(full_us), full_us: Micros(full_us) }),
            );
            let (stalled, stalled_long) =
                (stall.full(SHORT_STALL_WINDOW), stall.full(LONG_STALL_WINDOW));
            let steps = defence
                .step(Measure { stalled, stalled_long, ..with(1000) }, Micros(tick * 100_000));
            if std::mem::replace(&mut is_held, steps.hold) != steps.hold {
                changes.push(tick / 10);
            }
        }
        changes
    }

    #[test]
    fn defence_holds_while_all_tasks_stall() {
        assert_eq!(changes(60, |_| 0), [0; 0]);
        assert_eq!(changes(60, |_| 9), [0; 0], "below the threshold");
        // One second of full stalls has an effect until it has left the longer window.
        assert_eq!(changes(60, |second| if second == 20 { 100 } else { 0 }), [20, 30]);
        assert_eq!(changes(60, |second| if (20..40).contains(&second) { 30 } else { 0 }), [21, 48]);
    }

    #[test]
    fn defence_hold_does_not_flap() {
        // Around the threshold, up and down each second: one hold that lasts.
        let jitters = |second: u64| if second.is_multiple_of(2) { 14 } else { 7 };
        assert_eq!(changes(120, jitters).len(), 1);
        // Pressure that the hold itself removes, and that returns with new jobs: at most one hold
        // in the longer window.
        let mut stall = Stall::new(LONG_STALL_WINDOW);
        let mut defence = Defence::default();
        let (mut full_us, mut is_held, mut begins) = (0, false, 0);
        for tick in 0..1200u64 {
            full_us += if is_held { 0 } else { 50_000 };
            stall.add(
                Duration::from_millis(tick * 100),
                Some(Totals { some_us: Micros(full_us), full_us: Micros(full_us) }),
            );
            let (stalled, stalled_long) =
                (stall.full(SHORT_STALL_WINDOW), stall.full(LONG_STALL_WINDOW));
            let now = defence
                .step(Measure { stalled, stalled_long, ..with(1000) }, Micros(tick * 100_000))
                .hold;
            begins += u32::from(now && !is_held);
            is_held = now;
        }
        assert!((2..=24).contains(&begins), "{begins} times in two minutes");
    }

    #[test]
    fn defence_does_not_hold_without_pressure_readings() {
        let mut defence = Defence { is_held: true, ..Defence::default() };
        assert_eq!(defence.step(with(1000), Micros(0)), NOTHING);
    }
}
