//! What is told of memory: who waits for it and for how much, what it is used for, pressure, kills,
//! and the sum at the end. Decides nothing. Where memory is plenty it costs a look at an empty list
//! a round.

use super::Progress;
use crate::events::{Event, Needed, Shortage, Victim, WaitReason};
use crate::keys::ItemIx;
use crate::memory::{Chosen, Killer, Tally, Totals};
use crate::sys::now_us;
use std::time::Duration;

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct MemoryTold {
    tally: Tally,
    /// The reading before, microseconds.
    read_us: Option<u64>,
    /// Some and full, percents.
    pressure: Option<(u32, u32)>,
    /// Slots that nobody uses for want of memory.
    short: u32,
    /// Processes of commands that are stopped.
    stopped: u32,
    budget: Option<Chosen>,
    /// Leases, baselines, budget, bytes.
    leases: (u64, u64, Option<u64>),
}

impl Progress<'_> {
    /// Says once, with `-v`, and again when it changes, what may be used and why.
    pub(in crate::engine) fn budget(&mut self, chosen: Chosen) {
        if self.memory.budget.as_ref() == Some(&chosen) {
            return;
        }
        if let Some(clamp) = &chosen.clamped
            && self.memory.budget.is_none()
        {
            self.warn(clamp.to_string());
        }
        self.tell(Event::Budget { chosen: chosen.clone(), at_us: now_us() });
        self.memory.budget = Some(chosen);
    }

    /// All bytes; `at_us` is when the last lease was granted, and nobody else was told of any.
    pub(in crate::engine) fn leases(
        &mut self,
        bytes: u64,
        baselines: u64,
        budget: Option<u64>,
        at_us: u64,
    ) {
        let now = (bytes, baselines, budget);
        if self.samples && self.memory.leases != now {
            self.memory.leases = now;
            self.tell(Event::Leases { bytes, baselines, budget, at_us });
        }
    }

    /// An item was refused a lease. Said once, until it has one.
    pub(in crate::engine) fn wait_for_memory(&mut self, item: ItemIx, short: Shortage, at_us: u64) {
        if self.memory.tally.waits(item.0, at_us) {
            self.waits.insert(item);
            self.tell(Event::Wait { item, reason: WaitReason::Memory(short), at_us });
        }
    }

    /// The items that wait for a lease.
    pub(in crate::engine) fn waiting_for_memory(&self) -> Vec<ItemIx> {
        self.memory.tally.waiting().map(ItemIx).collect()
    }

    /// What was decided about the item ends its wait for memory, if it waits.
    pub(in crate::engine) fn wait_ended(&mut self, item: ItemIx) {
        if self.memory.tally.is_waiting(item.0) {
            let at_us = now_us();
            self.memory.tally.waits_no_more(item.0, at_us);
            self.tell(Event::WaitEnded { item, at_us });
        }
    }

    /// The item runs again after its worker was killed.
    pub(in crate::engine) fn retried(&mut self, item: ItemIx) {
        self.memory.tally.retried(item.0);
    }

    /// So many slots are not used because memory is short.
    pub(in crate::engine) fn short_of_memory(&mut self, slots: u32, at_us: u64) {
        if slots != self.memory.short {
            self.memory.short = slots;
            self.memory.tally.short(slots > 0, at_us);
            self.tell(Event::ShortOfMemory { slots, at_us });
        }
    }

    /// So many processes of commands are stopped.
    pub(in crate::engine) fn stopped(&mut self, jobs: u32, at_us: u64) {
        if jobs != self.memory.stopped {
            self.memory.stopped = jobs;
            self.memory.tally.stopped(jobs > 0, at_us);
            self.tell(Event::Stopped { jobs, at_us });
        }
    }

    /// What the beginning of an item and the largest of its pieces were granted and used.
    pub(in crate::engine) fn needed(&mut self, item: ItemIx, begin: Needed, piece: Needed) {
        self.memory.tally.used(begin.peak.max(piece.peak));
        self.tell(Event::Needed { item, begin, piece });
    }

    /// After each reading. `free` is what was found, less what others were promised, and `budget`
    /// what may be used, bytes; `stalls` since the machine has started, and `shares` of the time
    /// that they took in the last window.
    pub(in crate::engine) fn memory_read(
        &mut self,
        used: u64,
        free: Option<u64>,
        budget: Option<u64>,
        stalls: Option<Totals>,
        shares: impl Fn(Duration) -> Option<(f64, f64)>,
        at_us: u64,
    ) {
        self.memory.tally.read(used, budget, stalls);
        if !self.samples {
            return;
        }
        self.tell(Event::Memory { used, free, at_us });
        let since = self.memory.read_us.replace(at_us);
        let window = since.map(|since_us| Duration::from_micros(at_us - since_us));
        let pressure = window.and_then(shares).map(|(some, full)| (percent(some), percent(full)));
        if let Some((some, full)) = pressure.filter(|_| pressure != self.memory.pressure) {
            self.memory.pressure = pressure;
            self.tell(Event::Pressure { some, full, at_us });
        }
    }

    /// A process ended for want of memory, with these items in flight; `peak` in bytes.
    pub(in crate::engine) fn killed(
        &mut self,
        who: Victim,
        in_flight: &[ItemIx],
        by: Killer,
        peak: u64,
    ) {
        self.memory.tally.killed(by, in_flight.iter().map(|item| item.0));
        self.tell(Event::Killed { who, by, peak, at_us: now_us() });
    }

    /// Nothing runs any more.
    pub(in crate::engine) fn memory_summary(&mut self) {
        let at_us = now_us();
        if self.memory.short > 0 {
            self.tell(Event::ShortOfMemory { slots: 0, at_us });
        }
        if self.counts.ran > 0 {
            self.tell(Event::MemorySummary { summary: self.memory.tally.summary(at_us), at_us });
        }
    }
}

/// Whole percents, rounded up but for what the arithmetic adds.
fn percent(share: f64) -> u32 {
    (share * 100.0 - 1e-6).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_never_rounded_away() {
        let check = |share: f64, expect: u32| assert_eq!(percent(share), expect);
        check(0.0, 0);
        check(0.0001, 1);
        check(0.07, 7);
        check(0.5, 50);
        check(0.501, 51);
        check(1.0, 100);
    }
}
