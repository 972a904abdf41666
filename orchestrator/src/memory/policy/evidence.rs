//! Which process the kernel has killed for memory. Pure: its counters and the time are arguments.
//!
//! The counters are those of whole cgroups, and do not name the process. So each counted kill is
//! attributed to at most one process of ours that died by SIGKILL, and only for a short time: the
//! cgroup may contain processes that are not ours.

use tender_units::Micros;

/// We notice at once when a process of ours ends. So a kill that could not be attributed for this
/// time, microseconds, was of another process.
pub const NEWS_US: Micros = Micros::from_secs(1);

/// Kills that the kernel has counted, and how many of them are attributed.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The last reading of the counters. It falls when a cgroup below ours is removed.
    last: Option<u64>,
    /// Kills since the build began.
    counted: u64,
    /// How many of them are attributed or too old.
    known: u64,
    /// When the last kills were counted, microseconds.
    since_us: Micros,
}

impl Evidence {
    /// `reading` is the value of the counters at the beginning. `None`: they cannot be read.
    pub fn new(reading: Option<u64>) -> Evidence {
        Evidence { last: reading, ..Evidence::default() }
    }

    /// Adds the value that the counters have now.
    pub fn count(&mut self, reading: Option<u64>, now_us: Micros) {
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

    /// Attributes a kill to a process that died. Returns false if all kills are attributed or old.
    pub fn take(&mut self) -> bool {
        let is_new = self.counted > self.known;
        self.known += u64::from(is_new);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Seen {
        /// The counters had this value at this time.
        Counted(u64, Micros),
        Unreadable,
        /// A process of ours died. Whether a kill is expected to be attributed to it.
        Died(bool),
    }
    use Seen::{Counted, Died, Unreadable};

    #[test]
    fn evidence_attributes_each_kill_once_and_only_for_a_while() {
        let check = |what: &str, before: u64, seen: &[Seen]| {
            let mut evidence = Evidence::new(Some(before));
            for (position, seen) in seen.iter().enumerate() {
                match *seen {
                    Unreadable => evidence.count(None, Micros(0)),
                    Counted(counted, now_us) => evidence.count(Some(counted), now_us),
                    Died(expect) => assert_eq!(evidence.take(), expect, "{what}: at {position}"),
                }
            }
        };
        check("nothing was counted", 0, &[Died(false), Counted(0, Micros(0)), Died(false)]);
        check("before the build", 7, &[Died(false), Counted(7, Micros(0)), Died(false)]);
        check(
            "one kill",
            7,
            &[Counted(8, Micros(0)), Died(true), Died(false), Counted(8, Micros(10)), Died(false)],
        );
        check("two kills", 7, &[Counted(9, Micros(0)), Died(true), Died(true), Died(false)]);
        check(
            "one after the other",
            0,
            &[Counted(1, Micros(0)), Died(true), Counted(2, Micros(10)), Died(true), Died(false)],
        );
        check(
            "still recent",
            0,
            &[Counted(1, Micros(5)), Counted(1, NEWS_US + Micros(4)), Died(true)],
        );
        check("old", 0, &[Counted(1, Micros(5)), Counted(1, NEWS_US + Micros(5)), Died(false)]);
        check(
            "one is old",
            0,
            &[Counted(1, Micros(5)), Counted(2, NEWS_US + Micros(5)), Died(true), Died(false)],
        );
        check(
            "none is old yet",
            0,
            &[
                Counted(1, Micros(5)),
                Counted(2, NEWS_US + Micros(4)),
                Died(true),
                Died(true),
                Died(false),
            ],
        );
        check(
            "an attributed kill is not old",
            0,
            &[Counted(1, Micros(5)), Died(true), Counted(2, NEWS_US + Micros(5)), Died(true)],
        );
        check(
            "a group is gone",
            7,
            &[Counted(3, Micros(0)), Died(false), Counted(3, Micros(10)), Died(false)],
        );
        check("unreadable", 7, &[Unreadable, Died(false), Counted(7, Micros(10)), Died(false)]);
        check(
            "unreadable during a kill",
            7,
            &[Unreadable, Counted(8, Micros(10)), Died(true), Died(false)],
        );
        check(
            "and more were killed",
            7,
            &[Counted(3, Micros(0)), Counted(5, Micros(10)), Died(true), Died(true), Died(false)],
        );
        check(
            "gone with its kill",
            7,
            &[Counted(8, Micros(0)), Counted(3, Micros(10)), Died(true), Died(false)],
        );
        check("gone, and old", 7, &[Counted(8, Micros(0)), Counted(3, NEWS_US), Died(false)]);
    }

    #[test]
    fn evidence_ignores_kills_before_the_first_reading() {
        let mut evidence = Evidence::new(None);
        evidence.count(Some(7), Micros(0));
        assert!(!evidence.take());
        evidence.count(Some(8), Micros(0));
        assert!(evidence.take());
    }
}
