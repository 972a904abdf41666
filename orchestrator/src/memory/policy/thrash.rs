//! Whether what runs gets on at all where memory has run out. Pure: counts and the time are
//! arguments.
//!
//! The kernel kills when it finds no memory. As long as there are file pages it finds some: it
//! drops those of the programs that run, which read them again at once, and drop others for it. So
//! a build can stand still for hours, in a group that is a little too small for one item, and
//! neither end nor be ended; one was seen to make no progress for ten minutes. It is known by two
//! things together: pages are read again as fast as they come, and next to no time goes to the work
//! itself.

/// How long it has to last, microseconds. A hundred times as long as it takes to read a compiler
/// from a slow disk.
const LASTS_US: u64 = 15_000_000;

/// Less than this share of the time is next to nothing.
const LEAST_WORK: u64 = 50;

/// Pages a second: a megabyte or more with what is read ahead. Where it matters it is thousands.
const MANY: u64 = 250;

/// What had been counted at some moment; counts grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Processor time that workers have spent on their own code, microseconds.
    pub user_us: u64,
    /// Pages that were read again because they had been dropped.
    pub refaults: u64,
    /// Items that have ended.
    pub ended: u32,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Thrash {
    since: Option<(u64, Work)>,
}

impl Thrash {
    /// `work` is None where there is memory, nothing runs, or it cannot be read. Answers
    /// whether it is time to end something; then it begins anew.
    pub fn step(&mut self, work: Option<Work>, now_us: u64) -> bool {
        let Some(now) = work else {
            self.since = None;
            return false;
        };
        let (since_us, then) = *self.since.get_or_insert((now_us, now));
        // A worker that is gone takes its time along.
        let Some(user_us) =
            now.user_us.checked_sub(then.user_us).filter(|_| now.ended == then.ended)
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
        user_us < lasted_us / LEAST_WORK && refaults >= lasted_us / 1_000_000 * MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// When it is time, seconds, if it is looked at five times a second for a minute and `at` tells
    /// what there is in the nth second: the share of the time that goes to work in percent, pages a
    /// second, items that have ended so far.
    fn ends(at: impl Fn(u64) -> Option<(u64, u64, u32)>) -> Vec<u64> {
        let (mut thrash, mut user_us, mut refaults) = (Thrash::default(), 0, 0);
        let mut times = Vec::new();
        for tick in 0..300 {
            let work = at(tick / 5).map(|(work, pages, ended)| {
                user_us += work * SECOND / 5 / 100;
                refaults += pages / 5;
                Work { user_us, refaults, ended }
            });
            if thrash.step(work, tick * SECOND / 5) {
                times.push(tick / 5);
            }
        }
        times
    }

    #[test]
    fn what_only_reads_pages_again_is_ended() {
        assert_eq!(ends(|_| Some((0, 100_000, 0))), [15, 30, 45]);
        assert_eq!(ends(|_| Some((1, 1000, 0))), [15, 30, 45]);
        // It began in the midst.
        assert_eq!(ends(|second| Some(if second < 20 { (90, 0, 0) } else { (0, 1000, 0) }))[0], 45);
    }

    #[test]
    fn what_gets_on_is_not() {
        let never = |at: &dyn Fn(u64) -> Option<(u64, u64, u32)>| assert_eq!(ends(at), [0; 0]);
        // Slowly, with much of it lost.
        never(&|_| Some((3, 100_000, 0)));
        // It waits for something else: a disk, a lock.
        never(&|_| Some((0, 10, 0)));
        // Small items end, one after the other.
        never(&|second| Some((0, 100_000, (second / 10) as u32)));
        never(&|second| (second % 10 > 0).then_some((0, 100_000, 0)));
        never(&|_| None);
    }

    #[test]
    fn another_worker_is_another_start() {
        let mut thrash = Thrash::default();
        let progress = |user_us| Some(Work { user_us, refaults: 0, ended: 0 });
        assert!(!thrash.step(progress(900), 0));
        assert!(!thrash.step(progress(10), LASTS_US));
        let much = Work { user_us: 10, refaults: 1_000_000, ended: 0 };
        assert!(!thrash.step(Some(much), LASTS_US + 1));
        assert!(thrash.step(Some(much), 2 * LASTS_US));
    }
}
