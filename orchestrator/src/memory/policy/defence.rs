//! What to do when memory gets short in spite of all leases, and when. Pure: measurements and the
//! time are arguments.
//!
//! ```text
//! available:  plenty ... 2 reserves ......... 1 reserve ........ 1/3 reserve ... 0
//!                        purge, once a second                    kill, at most one in half a second
//! ```
//!
//! Leases keep the reserve free; what eats into it was estimated too small, or is not ours. What an
//! allocator keeps goes first. To kill comes last, and before the kernel does it: it would choose
//! the largest process, which may be the one that is nearest its end. After a kill it takes a while
//! until the memory is back, and what was killed was perhaps enough.
//!
//! Besides, a system that spends its time on finding memory is slow long before there is none.
//! While all that could run has stalled for a tenth of the time nothing new is started, until it is
//! less than a twentieth, over a longer time: so that it does not begin anew at once. The lack of
//! such stalls means nothing, since without swap there are few.

use std::time::Duration;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// Bytes that may still be used before the kernel acts.
    pub available: u64,
    /// Bytes of that which ought to stay free.
    pub reserve: u64,
    /// The share of [`STALL_BEGINS`] in which everything waited for memory, 0 to 1. None where the
    /// kernel does not tell.
    pub stalled: Option<f64>,
    /// The same of [`STALL_ENDS`].
    pub stalled_long: Option<f64>,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Steps {
    /// Workers return what their allocators keep.
    pub purge: bool,
    /// One process of ours is killed, if there is one that may be.
    pub kill: bool,
    /// Nothing new is started, but for one job where none runs.
    pub hold: bool,
}

/// The times over which stalls are looked at.
pub const STALL_BEGINS: Duration = Duration::from_secs(5);
pub const STALL_ENDS: Duration = Duration::from_secs(10);

const MUCH_STALLED: f64 = 0.10;
const LITTLE_STALLED: f64 = 0.05;

const BETWEEN_PURGES_US: u64 = 1_000_000;
const BETWEEN_KILLS_US: u64 = 500_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct Defence {
    purged_us: Option<u64>,
    killed_us: Option<u64>,
    holds: bool,
}

impl Defence {
    pub fn step(&mut self, measure: Measure, now_us: u64) -> Steps {
        let Measure { available, reserve, stalled, stalled_long } = measure;
        let is_over = |since: Option<u64>, pause_us: u64| {
            since.is_none_or(|at_us| now_us >= at_us + pause_us)
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
        self.holds = match self.holds {
            false => stalled.is_some_and(|share| share > MUCH_STALLED),
            true => stalled_long.is_some_and(|share| share > LITTLE_STALLED),
        };
        Steps { purge, kill, hold: self.holds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::readings::{Stall, Totals};

    const RESERVE: u64 = 60;
    const NOTHING: Steps = Steps { purge: false, kill: false, hold: false };

    fn with(available: u64) -> Measure {
        Measure { available, reserve: RESERVE, stalled: None, stalled_long: None }
    }

    #[test]
    fn what_is_done_depends_on_how_short_it_is() {
        let check = |available: u64, expect: Steps| {
            assert_eq!(Defence::default().step(with(available), 0), expect, "{available}");
        };
        check(1000, NOTHING);
        check(120, NOTHING);
        check(119, Steps { purge: true, ..NOTHING });
        check(20, Steps { purge: true, ..NOTHING });
        check(19, Steps { purge: true, kill: true, ..NOTHING });
        check(0, Steps { purge: true, kill: true, ..NOTHING });
    }

    #[test]
    fn nothing_is_done_twice_before_it_can_have_helped() {
        let mut defence = Defence::default();
        let mut done = (0, 0);
        // Ten seconds at the brink, looked at each 20 ms.
        for now_us in (0..10_000_000).step_by(20_000) {
            let steps = defence.step(with(5), now_us);
            done = (done.0 + u32::from(steps.purge), done.1 + u32::from(steps.kill));
        }
        assert_eq!(done, (10, 20));
    }

    /// Reads a pressure of `percent(second)` ten times a second. Returns the seconds at which
    /// holding began or ended.
    fn changes(seconds: u64, percent: impl Fn(u64) -> u64) -> Vec<u64> {
        let mut stall = Stall::new(STALL_ENDS);
        let mut defence = Defence::default();
        let (mut full_us, mut holds, mut changes) = (0, false, Vec::new());
        for tick in 0..seconds * 10 {
            full_us += percent(tick / 10) * 1000;
            stall
                .add(Duration::from_millis(tick * 100), Some(Totals { some_us: full_us, full_us }));
            let (stalled, stalled_long) = (stall.full(STALL_BEGINS), stall.full(STALL_ENDS));
            let steps =
                defence.step(Measure { stalled, stalled_long, ..with(1000) }, tick * 100_000);
            if std::mem::replace(&mut holds, steps.hold) != steps.hold {
                changes.push(tick / 10);
            }
        }
        changes
    }

    #[test]
    fn while_everything_stalls_nothing_new_is_started() {
        assert_eq!(changes(60, |_| 0), [0; 0]);
        assert_eq!(changes(60, |_| 9), [0; 0], "it is slow, and not that slow");
        // What a second of full stalls does is over when it has left the longer window.
        assert_eq!(changes(60, |second| if second == 20 { 100 } else { 0 }), [20, 30]);
        assert_eq!(changes(60, |second| if (20..40).contains(&second) { 30 } else { 0 }), [21, 48]);
    }

    #[test]
    fn it_does_not_begin_and_end_all_the_time() {
        // Around the threshold, up and down each second: it begins once and goes on.
        let jitters = |second: u64| if second.is_multiple_of(2) { 14 } else { 7 };
        assert_eq!(changes(120, jitters).len(), 1);
        // Pressure that its own holding takes away, and that comes back with new jobs: no more than
        // once in the longer window.
        let mut stall = Stall::new(STALL_ENDS);
        let mut defence = Defence::default();
        let (mut full_us, mut holds, mut begins) = (0, false, 0);
        for tick in 0..1200u64 {
            full_us += if holds { 0 } else { 50_000 };
            stall
                .add(Duration::from_millis(tick * 100), Some(Totals { some_us: full_us, full_us }));
            let (stalled, stalled_long) = (stall.full(STALL_BEGINS), stall.full(STALL_ENDS));
            let now =
                defence.step(Measure { stalled, stalled_long, ..with(1000) }, tick * 100_000).hold;
            begins += u32::from(now && !holds);
            holds = now;
        }
        assert!((2..=24).contains(&begins), "{begins} times in two minutes");
    }

    #[test]
    fn where_the_kernel_tells_nothing_nothing_holds() {
        let mut defence = Defence { holds: true, ..Defence::default() };
        assert_eq!(defence.step(with(1000), 0), NOTHING);
    }
}
