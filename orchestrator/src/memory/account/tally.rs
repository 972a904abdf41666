//! The figures of a build's memory: how much was used, which items waited, what was killed.
//! Pure: readings and times are arguments.

use crate::memory::readings::Totals;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tender_units::{Bytes, Micros};

/// What ended a process because memory was short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Killer {
    /// This build, before the kernel did it.
    Tender,
    Kernel,
    /// The process itself, because an allocation failed.
    Allocation,
}

/// The figures of a whole build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemorySummary {
    /// The most that all its processes were measured to use together, bytes. Measured from time to
    /// time, so shorter peaks are missed, except those of single items.
    pub peak: Bytes,
    /// The limit of the sum of all leases, bytes; the last value if it changed. `None`: no limit.
    pub budget: Option<Bytes>,
    /// Leases that were not granted at once, and the sum of the times until they were,
    /// microseconds.
    pub waits: u32,
    pub waited_us: Micros,
    /// How long a slot was free and an item was ready, but no memory, microseconds.
    pub short_us: Micros,
    /// How long some process of an external command was stopped for memory, microseconds.
    pub stopped_us: Micros,
    /// How long at least one task stalled for memory, as the kernel counts it, microseconds. `None`
    /// if the kernel does not report it.
    pub stalled_us: Option<Micros>,
    /// Processes that were killed, by cause.
    pub killed_by_tender: u32,
    pub killed_by_kernel: u32,
    /// Processes that ended because an allocation failed.
    pub failed_allocations: u32,
    /// Items of such processes that were retried.
    pub retries: u32,
}

impl MemorySummary {
    /// Processes that ended because memory was short.
    pub fn killed(&self) -> u32 {
        self.killed_by_tender + self.killed_by_kernel + self.failed_allocations
    }
}

/// How long a condition held, microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Lasting {
    since_us: Option<Micros>,
    /// Of earlier times.
    sum_us: Micros,
}

impl Lasting {
    fn set(&mut self, is_on: bool, now_us: Micros) {
        if is_on == self.since_us.is_some() {
            return;
        }
        self.sum_us = self.until(now_us);
        self.since_us = is_on.then_some(now_us);
    }

    fn until(&self, now_us: Micros) -> Micros {
        self.sum_us + self.since_us.map_or(Micros::ZERO, |since_us| now_us.saturating_sub(since_us))
    }
}

/// Collects the figures. An item is a number that the caller chooses.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    sum: MemorySummary,
    /// Items that wait for a lease, and since when, microseconds.
    waiting: BTreeMap<u32, Micros>,
    short: Lasting,
    stopped: Lasting,
    /// The kernel's count at the first reading.
    stalls: Option<Totals>,
    /// Items whose process was killed while they ran.
    lost: BTreeSet<u32>,
}

impl Tally {
    /// Whether the item waits for a lease.
    pub fn is_waiting(&self, item: u32) -> bool {
        self.waiting.contains_key(&item)
    }

    /// All items that wait for a lease.
    pub fn waiting(&self) -> impl Iterator<Item = u32> + '_ {
        self.waiting.keys().copied()
    }

    /// The item was denied a lease. Returns whether it begins to wait by that.
    pub fn waits(&mut self, item: u32, now_us: Micros) -> bool {
        let is_new = !self.is_waiting(item);
        if is_new {
            self.waiting.insert(item, now_us);
            self.sum.waits += 1;
        }
        is_new
    }

    /// The lease was granted, or is not requested any more. Returns whether the item waited for it.
    pub fn waits_no_more(&mut self, item: u32, now_us: Micros) -> bool {
        let since_us = self.waiting.remove(&item);
        self.sum.waited_us +=
            since_us.map_or(Micros::ZERO, |since_us| now_us.saturating_sub(since_us));
        since_us.is_some()
    }

    /// Sets whether a slot is unused because memory is short.
    pub fn short(&mut self, is_short: bool, now_us: Micros) {
        self.short.set(is_short, now_us);
    }

    /// Sets whether some process of an external command is stopped for memory.
    pub fn stopped(&mut self, is_any: bool, now_us: Micros) {
        self.stopped.set(is_any, now_us);
    }

    /// Adds a reading: what all processes use, bytes, the budget, bytes, and the kernel's count of
    /// stalls.
    pub fn read(&mut self, used: Bytes, budget: Option<Bytes>, stalls: Option<Totals>) {
        self.used(used);
        self.sum.budget = budget;
        if let Some(stalls) = stalls {
            let first = self.stalls.get_or_insert(stalls);
            self.sum.stalled_us = Some(stalls.some_us.saturating_sub(first.some_us));
        }
    }

    /// This many bytes were in use at some moment.
    pub fn used(&mut self, bytes: Bytes) {
        self.sum.peak = self.sum.peak.max(bytes);
    }

    /// A process was killed while these items ran in it.
    pub fn killed(&mut self, by: Killer, in_flight: impl IntoIterator<Item = u32>) {
        match by {
            Killer::Tender => self.sum.killed_by_tender += 1,
            Killer::Kernel => self.sum.killed_by_kernel += 1,
            Killer::Allocation => self.sum.failed_allocations += 1,
        }
        self.lost.extend(in_flight);
    }

    /// The item is retried, for any reason.
    pub fn retried(&mut self, item: u32) {
        self.sum.retries += u32::from(self.lost.remove(&item));
    }

    /// The figures up to now. Waits that have not ended count until now.
    pub fn summary(&self, now_us: Micros) -> MemorySummary {
        let mut sum = self.sum;
        let until_now = |since_us: Micros| now_us.saturating_sub(since_us);
        sum.waited_us += self.waiting.values().copied().map(until_now).sum::<Micros>();
        sum.short_us = self.short.until(now_us);
        sum.stopped_us = self.stopped.until(now_us);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tally_counts_a_wait_from_the_first_denial_to_the_grant() {
        let mut tally = Tally::default();
        assert!(tally.waits(1, Micros(100)));
        assert!(!tally.waits(1, Micros(150)), "it is known to wait");
        assert!(tally.waits(2, Micros(200)));
        assert!(tally.waits_no_more(1, Micros(300)));
        assert!(!tally.waits_no_more(1, Micros(400)), "it does not wait any more");
        assert!(tally.waits(1, Micros(500)), "once more, for another piece");
        let check = |now_us: Micros, expect: (u32, u64)| {
            let sum = tally.summary(now_us);
            assert_eq!((sum.waits, sum.waited_us.0), expect);
        };
        check(Micros(500), (3, 200 + 300));
        check(Micros(600), (3, 200 + 400 + 100));
    }

    #[test]
    fn tally_measures_how_long_memory_was_short() {
        let mut tally = Tally::default();
        for (now_us, is_short) in
            [(10, false), (20, true), (30, true), (50, false), (60, false), (70, true)]
        {
            tally.short(is_short, Micros(now_us));
        }
        tally.stopped(true, Micros(90));
        let sum = tally.summary(Micros(100));
        assert_eq!((sum.short_us, sum.stopped_us), (Micros(30 + 30), Micros(10)));
    }

    #[test]
    fn tally_takes_peak_and_stalls_from_readings() {
        let mut tally = Tally::default();
        assert_eq!(tally.summary(Micros(0)).stalled_us, None);
        let totals = |some_us| Some(Totals { some_us, full_us: Micros(0) });
        tally.read(Bytes(10), Some(Bytes(100)), totals(Micros(5000)));
        tally.read(Bytes(40), Some(Bytes(90)), totals(Micros(5700)));
        tally.read(Bytes(20), Some(Bytes(90)), None);
        let sum = tally.summary(Micros(0));
        assert_eq!(
            (sum.peak, sum.budget, sum.stalled_us),
            (Bytes(40), Some(Bytes(90)), Some(Micros(700)))
        );
    }

    #[test]
    fn tally_counts_retries_of_killed_items_only() {
        let mut tally = Tally::default();
        tally.killed(Killer::Tender, [1, 2]);
        tally.killed(Killer::Kernel, [3]);
        tally.killed(Killer::Allocation, []);
        for item in [1, 1, 3, 7] {
            tally.retried(item);
        }
        let sum = tally.summary(Micros(0));
        assert_eq!(
            (sum.killed_by_tender, sum.killed_by_kernel, sum.failed_allocations, sum.retries),
            (1, 1, 1, 2)
        );
    }

    #[test]
    fn tally_summary_has_its_documented_json() {
        let sum = MemorySummary { peak: Bytes(1), waits: 2, ..MemorySummary::default() };
        let json = serde_json::to_value(sum).unwrap();
        assert_eq!(
            (&json["peak"], &json["waits"], &json["budget"]),
            (&1.into(), &2.into(), &serde_json::Value::Null)
        );
    }
}
