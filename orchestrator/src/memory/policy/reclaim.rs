//! Which workers are purged, and when, because an item waits for memory that their allocators keep.
//! Pure: measurements and the time are arguments.
//!
//! Memory that a process uses in excess of its leases is kept by its allocator, or used by an item
//! with too small an estimate: both look the same from outside. A purge has a cost (headers are
//! read again, pages are cleared again). So after a purge without effect the worker is not purged
//! for a while, each time twice as long.
//!
//! A purge of each worker after each item would cost a quarter more processor time.

use crate::keys::ChildId;
use std::collections::BTreeMap;
use tender_units::{Bytes, Micros};

/// The shortest and the longest pause between two purges of a worker, microseconds.
const SHORTEST_US: Micros = Micros::from_millis(20);
const LONGEST_US: Micros = Micros::from_secs(1);

/// A worker that keeps less is not purged, bytes.
const LITTLE: Bytes = Bytes(1 << 20);

/// The measurement of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptMemory {
    pub process: ChildId,
    /// What it uses in total, bytes.
    pub used: Bytes,
    /// What of that its allocator may keep, bytes.
    pub kept: Bytes,
}

#[derive(Clone, Debug, Default)]
pub struct Reclaim(BTreeMap<ChildId, Asked>);

#[derive(Clone, Copy, Debug)]
struct Asked {
    before: KeptMemory,
    at_us: Micros,
    pause_us: Micros,
    /// It was determined whether the purge had an effect.
    judged: bool,
}

impl Asked {
    fn judge(&mut self, used: Bytes) {
        if std::mem::replace(&mut self.judged, true) {
            return;
        }
        // Half is enough: part of the returned memory is soon used again.
        let helped = self.before.used.saturating_sub(used) >= self.before.kept / 2;
        self.pause_us = if helped { SHORTEST_US } else { LONGEST_US.min(self.pause_us * 2) };
    }
}

impl Reclaim {
    /// `all` are the workers, measured since the last call. `is_needed`: an item waits that would
    /// fit after a purge. Returns the workers to purge now.
    pub fn step(&mut self, all: &[KeptMemory], is_needed: bool, now_us: Micros) -> Vec<ChildId> {
        self.0.retain(|process, _| all.iter().any(|keeps| keeps.process == *process));
        let mut now = Vec::new();
        for keeps in all {
            let asked = self.0.get_mut(&keeps.process);
            let pause_us = asked.map_or(SHORTEST_US, |asked| {
                asked.judge(keeps.used);
                if now_us >= asked.at_us + asked.pause_us { asked.pause_us } else { Micros::MAX }
            });
            if is_needed && keeps.kept >= LITTLE && pause_us != Micros::MAX {
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

    fn keeps(process: ChildId, used: u64, kept: u64) -> KeptMemory {
        KeptMemory { process, used: Bytes(used * MIB), kept: Bytes(kept * MIB) }
    }

    /// A reading each 20 ms for a second. `gives` is how much of the 10 MiB that it keeps a process
    /// returns when it is purged. At the next reading no item waits; at the one after it uses the
    /// memory again. Returns how often it was purged.
    fn times_asked(gives: impl Fn(u64) -> u64) -> usize {
        let mut reclaim = Reclaim::default();
        let mut asked = 0;
        for now_us in (0..1_000_000).step_by(40_000) {
            let is_asked = !reclaim.step(&[keeps(P, 40, 10)], true, Micros(now_us)).is_empty();
            asked += usize::from(is_asked);
            let given = if is_asked { gives(now_us) } else { 0 };
            assert_eq!(
                reclaim.step(&[keeps(P, 40 - given, 10 - given)], false, Micros(now_us + 20_000)),
                []
            );
        }
        asked
    }

    #[test]
    fn reclaim_doubles_the_pause_after_a_purge_without_effect() {
        // 0, 40, 120, 280 and 600 ms.
        assert_eq!(times_asked(|_| 0), 5);
        assert_eq!(times_asked(|_| 4), 5);
        assert_eq!(times_asked(|_| 5), 25);
        assert_eq!(times_asked(|_| 9), 25);
        // Purges have an effect after 200 ms: at 0, 40 and 120 ms, and from 280 ms on each time.
        assert_eq!(times_asked(|now_us| if now_us < 200_000 { 0 } else { 8 }), 3 + 18);
    }

    #[test]
    fn reclaim_purges_only_if_needed_and_only_workers_that_keep_memory() {
        let mut reclaim = Reclaim::default();
        assert_eq!(reclaim.step(&[keeps(P, 40, 10)], false, Micros(0)), []);
        assert_eq!(reclaim.step(&[keeps(P, 40, 0), keeps(Q, 40, 1)], true, Micros(20_000)), [Q]);
        assert_eq!(reclaim.step(&[keeps(P, 40, 30), keeps(Q, 40, 1)], true, Micros(40_000)), [P]);
        // P was purged without effect, and its pause is not over.
        assert_eq!(reclaim.step(&[keeps(P, 40, 30), keeps(Q, 40, 1)], true, Micros(60_000)), [Q]);
    }

    #[test]
    fn reclaim_forgets_processes_that_have_ended() {
        let mut reclaim = Reclaim::default();
        assert_eq!(reclaim.step(&[keeps(P, 40, 10)], true, Micros(0)), [P]);
        assert_eq!(reclaim.step(&[], true, Micros(10_000)), []);
        assert_eq!(reclaim.step(&[keeps(P, 40, 10)], true, Micros(15_000)), [P]);
    }
}
