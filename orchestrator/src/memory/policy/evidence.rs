//! Whose death was the kernel's doing. Pure: what it has counted and the time are arguments.
//!
//! Its counters are of whole cgroups and name nobody. So a kill is evidence for one death, and only
//! for a while: the other processes of a group are killed as well.

/// The end of what was killed is heard of at once. A kill that nothing of ours died of for so long,
/// microseconds, was another's.
pub const NEWS_US: u64 = 1_000_000;

/// Processes that the kernel has killed for memory, by its counters: of each it is to be found out
/// what it ran.
#[derive(Debug, Default)]
pub struct Evidence {
    /// What its counters said last. They fall where a group below ours is removed.
    last: Option<u64>,
    /// Kills since the beginning; so many are accounted for, or are old.
    counted: u64,
    known: u64,
    /// When more were first counted, microseconds.
    since_us: u64,
}

impl Evidence {
    /// `reading` is what the counters say at the beginning, whoever was killed; None: they cannot
    /// be read.
    pub fn new(reading: Option<u64>) -> Evidence {
        Evidence { last: reading, ..Evidence::default() }
    }

    /// Takes in what they say now.
    pub fn count(&mut self, reading: Option<u64>, now_us: u64) {
        if self.counted > self.known && now_us >= self.since_us + NEWS_US {
            self.known = self.counted;
        }
        let Some(reading) = reading else { return };
        let more = self.last.replace(reading).map_or(0, |last| reading.saturating_sub(last));
        if more > 0 {
            self.counted += more;
            self.since_us = now_us;
        }
    }

    /// Whether there was a kill that nothing accounts for yet; now something does.
    pub fn take(&mut self) -> bool {
        let is_news = self.counted > self.known;
        self.known += u64::from(is_news);
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Seen {
        /// So many were counted, then, microseconds.
        Counted(u64, u64),
        Unreadable,
        /// Something of ours has died, and whether that is to be the kernel's doing.
        Died(bool),
    }
    use Seen::{Counted, Died, Unreadable};

    #[test]
    fn a_kill_accounts_for_one_death_and_not_for_ever() {
        let check = |what: &str, before: u64, seen: &[Seen]| {
            let mut evidence = Evidence::new(Some(before));
            for (position, seen) in seen.iter().enumerate() {
                match *seen {
                    Unreadable => evidence.count(None, 0),
                    Counted(counted, now_us) => evidence.count(Some(counted), now_us),
                    Died(expect) => assert_eq!(evidence.take(), expect, "{what}: at {position}"),
                }
            }
        };
        check("nothing was counted", 0, &[Died(false), Counted(0, 0), Died(false)]);
        check("before the build", 7, &[Died(false), Counted(7, 0), Died(false)]);
        check(
            "one kill",
            7,
            &[Counted(8, 0), Died(true), Died(false), Counted(8, 10), Died(false)],
        );
        check("two kills", 7, &[Counted(9, 0), Died(true), Died(true), Died(false)]);
        check(
            "one after the other",
            0,
            &[Counted(1, 0), Died(true), Counted(2, 10), Died(true), Died(false)],
        );
        check("heard of late", 0, &[Counted(1, 5), Counted(1, NEWS_US + 4), Died(true)]);
        check("old", 0, &[Counted(1, 5), Counted(1, NEWS_US + 5), Died(false)]);
        check("one is old", 0, &[Counted(1, 5), Counted(2, NEWS_US + 5), Died(true), Died(false)]);
        check(
            "none is yet",
            0,
            &[Counted(1, 5), Counted(2, NEWS_US + 4), Died(true), Died(true), Died(false)],
        );
        check(
            "accounted for is not old",
            0,
            &[Counted(1, 5), Died(true), Counted(2, NEWS_US + 5), Died(true)],
        );
        check("a group is gone", 7, &[Counted(3, 0), Died(false), Counted(3, 10), Died(false)]);
        check("it was not to be read", 7, &[Unreadable, Died(false), Counted(7, 10), Died(false)]);
        check(
            "nor while one was killed",
            7,
            &[Unreadable, Counted(8, 10), Died(true), Died(false)],
        );
        check(
            "and more were killed",
            7,
            &[Counted(3, 0), Counted(5, 10), Died(true), Died(true), Died(false)],
        );
        check("gone with its kill", 7, &[Counted(8, 0), Counted(3, 10), Died(true), Died(false)]);
        check("gone, and old", 7, &[Counted(8, 0), Counted(3, NEWS_US), Died(false)]);
    }

    #[test]
    fn what_was_counted_before_the_first_reading_is_old() {
        let mut evidence = Evidence::new(None);
        evidence.count(Some(7), 0);
        assert!(!evidence.take());
        evidence.count(Some(8), 0);
        assert!(evidence.take());
    }
}
