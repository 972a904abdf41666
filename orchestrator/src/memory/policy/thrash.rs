//! Whether the build makes progress while memory is exhausted. Pure: counts and the time are
//! arguments.
//!
//! The kernel kills a process only when it cannot reclaim memory. As long as there are file pages
//! it can: it drops code pages of running programs, which read them again at once. So a build can
//! *thrash* in a cgroup that is a little too small for one item: it makes no progress, and the
//! kernel does not end it. (A build was observed without progress for ten minutes.) Two facts
//! together show it: many pages are read again after they were dropped, and the workers spend
//! almost no processor time on their own code.

use tender_units::Micros;

/// How long it has to last, microseconds. A hundred times as long as reading a compiler from a slow
/// disk.
const LASTS_US: Micros = Micros::from_secs(15);

/// Less than 1/50 of the time counts as no work.
const LEAST_WORK: u64 = 50;

/// Refaults a second: a megabyte or more, with read-ahead. A build that thrashes has thousands.
const MANY: u64 = 250;

/// Counters at one moment; they only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkDone {
    /// Processor time that workers have spent on their own code, microseconds.
    pub user_us: Micros,
    /// Pages that were read again because they had been dropped.
    pub refaults: u64,
    /// Items that have ended.
    pub ended: u32,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Thrash {
    since: Option<(Micros, WorkDone)>,
}

impl Thrash {
    /// `work` is `None` if there is free memory, nothing runs, or the counters cannot be read.
    /// Returns whether to kill a process now; then the measurement starts again.
    pub fn step(&mut self, work: Option<WorkDone>, now_us: Micros) -> bool {
        let Some(now) = work else {
            self.since = None;
            return false;
        };
        let (since_us, then) = *self.since.get_or_insert((now_us, now));
        // The time of a worker that has ended is missing from the sum.
        let Some(user_us) =
            now.user_us.0.checked_sub(then.user_us.0).filter(|_| now.ended == then.ended)
        else {
            self.since = Some((now_us, now));
            return false;
        };
        let lasted_us = now_us.saturating_sub(since_us);
        if lasted_us < LASTS_US {
            return false;
        }
        self.since = Some((now_us, now));
        let refaults = now.refaults.saturating_sub(then.refaults);
        Micros(user_us) < lasted_us / LEAST_WORK
            && refaults >= lasted_us.duration().as_secs() * MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// The seconds at which a process is killed, of a minute with five steps a second. `at` gives
    /// for each second the percentage of time spent on work, refaults a second, and how many items
    /// have ended.
    fn kills(at: impl Fn(u64) -> Option<(u64, u64, u32)>) -> Vec<u64> {
        let (mut thrash, mut user_us, mut refaults) = (Thrash::default(), 0, 0);
        let mut times = Vec::new();
        for tick in 0..300 {
            let work = at(tick / 5).map(|(work, pages, ended)| {
                user_us += work * SECOND / 5 / 100;
                refaults += pages / 5;
                WorkDone { user_us: Micros(user_us), refaults, ended }
            });
            if thrash.step(work, Micros(tick * SECOND / 5)) {
                times.push(tick / 5);
            }
        }
        times
    }

    #[test]
    fn thrash_is_detected_if_pages_are_read_again_without_work() {
        assert_eq!(kills(|_| Some((0, 100_000, 0))), [15, 30, 45]);
        assert_eq!(kills(|_| Some((1, 1000, 0))), [15, 30, 45]);
        // It begins after 20 seconds.
        assert_eq!(
            kills(|second| Some(if second < 20 { (90, 0, 0) } else { (0, 1000, 0) }))[0],
            45
        );
    }

    #[test]
    fn thrash_is_not_detected_while_the_build_makes_progress() {
        let never = |at: &dyn Fn(u64) -> Option<(u64, u64, u32)>| assert_eq!(kills(at), [0; 0]);
        // Slow progress.
        never(&|_| Some((3, 100_000, 0)));
        // It waits for something else: a disk, a lock.
        never(&|_| Some((0, 10, 0)));
        // Small items end.
        never(&|second| Some((0, 100_000, (second / 10) as u32)));
        never(&|second| (second % 10 > 0).then_some((0, 100_000, 0)));
        never(&|_| None);
    }

    #[test]
    fn thrash_measurement_restarts_when_a_worker_ends() {
        let mut thrash = Thrash::default();
        let progress = |user_us| Some(WorkDone { user_us, refaults: 0, ended: 0 });
        assert!(!thrash.step(progress(Micros(900)), Micros(0)));
        assert!(!thrash.step(progress(Micros(10)), LASTS_US));
        let much = WorkDone { user_us: Micros(10), refaults: 1_000_000, ended: 0 };
        assert!(!thrash.step(Some(much), LASTS_US + Micros(1)));
        assert!(thrash.step(Some(much), LASTS_US * 2));
    }
}
