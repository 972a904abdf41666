//! Which workers give back what their allocators keep, because somebody waits for it, and when.
//! Pure: measurements and the time come in.
//!
//! What a process uses beyond its leases is kept by its allocator, or it is what an item takes that
//! was expected to take less: from outside both look the same. To ask is cheap and not free
//! (headers are read again, pages are cleared again), so who was asked in vain is left alone for a
//! while, twice as long each time.
//!
//! To have every worker give back everything after each item costs a quarter more processor time.

use crate::keys::ChildId;
use std::collections::BTreeMap;

/// At least so long between two times, and at most, microseconds.
const SHORTEST_US: u64 = 20_000;
const LONGEST_US: u64 = 1_000_000;

/// Less is not asked for, bytes.
const LITTLE: u64 = 1 << 20;

/// What was measured of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    pub process: ChildId,
    /// All that it uses, bytes.
    pub used: u64,
    /// What of that may be kept for nobody, bytes.
    pub kept: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Reclaim(BTreeMap<ChildId, Asked>);

#[derive(Clone, Copy, Debug)]
struct Asked {
    before: Keeps,
    at_us: u64,
    pause_us: u64,
    /// What came of it is known.
    judged: bool,
}

impl Asked {
    fn judge(&mut self, used: u64) {
        if std::mem::replace(&mut self.judged, true) {
            return;
        }
        // What is given back is soon taken again in part.
        let helped = self.before.used.saturating_sub(used) >= self.before.kept / 2;
        self.pause_us = if helped { SHORTEST_US } else { LONGEST_US.min(self.pause_us * 2) };
    }
}

impl Reclaim {
    /// `all` are the workers, each measured since the last time. `is_lacked`: somebody waits who
    /// would not if all gave back what they keep. Returns who is to give it back now.
    pub fn step(&mut self, all: &[Keeps], is_lacked: bool, now_us: u64) -> Vec<ChildId> {
        self.0.retain(|process, _| all.iter().any(|keeps| keeps.process == *process));
        let mut now = Vec::new();
        for keeps in all {
            let asked = self.0.get_mut(&keeps.process);
            let pause_us = asked.map_or(SHORTEST_US, |asked| {
                asked.judge(keeps.used);
                if now_us >= asked.at_us + asked.pause_us { asked.pause_us } else { u64::MAX }
            });
            if is_lacked && keeps.kept >= LITTLE && pause_us != u64::MAX {
                let asked = Asked { before: *keeps, at_us: now_us, pause_us, judged: false };
                self.0.insert(keeps.process, asked);
                now.push(keeps.process);
            }
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::WorkerId;

    const P: ChildId = ChildId::Worker(WorkerId(0));
    const Q: ChildId = ChildId::Worker(WorkerId(2));
    const MIB: u64 = 1 << 20;

    fn keeps(process: ChildId, used: u64, kept: u64) -> Keeps {
        Keeps { process, used: used * MIB, kept: kept * MIB }
    }

    /// Readings each 20 ms for a second. `gives` says how much of the 10 MiB that it keeps a
    /// process gives back. The next reading sees that, and nobody waits then; at the one after it
    /// has taken it again. Returns how often it was asked.
    fn times_asked(gives: impl Fn(u64) -> u64) -> usize {
        let mut reclaim = Reclaim::default();
        let mut asked = 0;
        for now_us in (0..1_000_000).step_by(40_000) {
            let is_asked = !reclaim.step(&[keeps(P, 40, 10)], true, now_us).is_empty();
            asked += usize::from(is_asked);
            let given = if is_asked { gives(now_us) } else { 0 };
            assert_eq!(
                reclaim.step(&[keeps(P, 40 - given, 10 - given)], false, now_us + 20_000),
                []
            );
        }
        asked
    }

    #[test]
    fn who_was_asked_in_vain_is_left_alone_for_longer_each_time() {
        // 0, 40, 120, 280 and 600 ms.
        assert_eq!(times_asked(|_| 0), 5);
        assert_eq!(times_asked(|_| 4), 5);
        assert_eq!(times_asked(|_| 5), 25);
        assert_eq!(times_asked(|_| 9), 25);
        // It begins to help after 200 ms: asked at 0, 40 and 120 ms, and from 280 ms on each time.
        assert_eq!(times_asked(|now_us| if now_us < 200_000 { 0 } else { 8 }), 3 + 18);
    }

    #[test]
    fn it_is_asked_for_only_where_it_is_lacked_and_there_is_some() {
        let mut reclaim = Reclaim::default();
        assert_eq!(reclaim.step(&[keeps(P, 40, 10)], false, 0), []);
        assert_eq!(reclaim.step(&[keeps(P, 40, 0), keeps(Q, 40, 1)], true, 20_000), [Q]);
        assert_eq!(reclaim.step(&[keeps(P, 40, 30), keeps(Q, 40, 1)], true, 40_000), [P]);
        // It is as long ago, and was in vain.
        assert_eq!(reclaim.step(&[keeps(P, 40, 30), keeps(Q, 40, 1)], true, 60_000), [Q]);
    }

    #[test]
    fn of_a_process_that_is_gone_nothing_is_remembered() {
        let mut reclaim = Reclaim::default();
        assert_eq!(reclaim.step(&[keeps(P, 40, 10)], true, 0), [P]);
        assert_eq!(reclaim.step(&[], true, 10_000), []);
        assert_eq!(reclaim.step(&[keeps(P, 40, 10)], true, 15_000), [P]);
    }
}
