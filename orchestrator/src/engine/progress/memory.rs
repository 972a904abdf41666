//! Reports about memory: which items wait and for how much, what is used, pressure, kills, and the
//! summary. Decides nothing. While memory is plenty, a round costs almost nothing.

use super::Progress;
use crate::events::{Event, Needed, Shortage, Victim, WaitReason};
use crate::keys::ItemId;
use crate::memory::{Chosen, Killer, Tally, Totals};
use crate::sys::now_us;
use std::time::Duration;
use tender_units::{Bytes, Micros};

/// What was last reported.
#[derive(Debug, Default)]
pub(super) struct ReportedMemory {
    tally: Tally,
    /// When memory was last read, microseconds.
    read_us: Option<Micros>,
    /// Some and full, percent.
    pressure: Option<(u32, u32)>,
    /// Slots that are unused because memory is short.
    short: u32,
    /// Processes of commands that are stopped.
    stopped: u32,
    budget: Option<Chosen>,
    /// Leases, baselines, budget, bytes.
    leases: (Bytes, Bytes, Option<Bytes>),
}

impl Progress<'_> {
    /// Reports the budget, once and when it changes.
    pub(in crate::engine) fn budget(&mut self, chosen: Chosen) {
        if self.memory.budget.as_ref() == Some(&chosen) {
            return;
        }
        if let Some(clamp) = &chosen.clamped
            && self.memory.budget.is_none()
        {
            self.warn(clamp.to_string());
        }
        self.report(Event::Budget { chosen: chosen.clone(), at_us: now_us() });
        self.memory.budget = Some(chosen);
    }

    /// Reports the sums of leases and baselines, bytes, if they have changed. `at_us` is when the
    /// last lease was granted.
    pub(in crate::engine) fn leases(
        &mut self,
        bytes: Bytes,
        baselines: Bytes,
        budget: Option<Bytes>,
        at_us: Micros,
    ) {
        let now = (bytes, baselines, budget);
        if self.samples && self.memory.leases != now {
            self.memory.leases = now;
            self.report(Event::Leases { bytes, baselines, budget, at_us });
        }
    }

    /// An item was denied a lease. Reported once, until it has one.
    pub(in crate::engine) fn wait_for_memory(
        &mut self,
        item: ItemId,
        short: Shortage,
        at_us: Micros,
    ) {
        if self.memory.tally.waits(item.0, at_us) {
            self.waits.insert(item);
            self.report(Event::Wait { item, reason: WaitReason::Memory(short), at_us });
        }
    }

    /// The items that wait for a lease.
    pub(in crate::engine) fn waiting_for_memory(&self) -> Vec<ItemId> {
        self.memory.tally.waiting().map(ItemId).collect()
    }

    /// The item does not wait for memory any more, if it did.
    pub(in crate::engine) fn wait_ended(&mut self, item: ItemId) {
        if self.memory.tally.is_waiting(item.0) {
            let at_us = now_us();
            self.memory.tally.waits_no_more(item.0, at_us);
            self.report(Event::WaitEnded { item, at_us });
        }
    }

    /// The item runs again after its worker was killed.
    pub(in crate::engine) fn retried(&mut self, item: ItemId) {
        self.memory.tally.retried(item.0);
    }

    /// This many slots are unused because memory is short.
    pub(in crate::engine) fn short_of_memory(&mut self, slots: u32, at_us: Micros) {
        if slots != self.memory.short {
            self.memory.short = slots;
            self.memory.tally.short(slots > 0, at_us);
            self.report(Event::ShortOfMemory { slots, at_us });
        }
    }

    /// This many processes of commands are stopped.
    pub(in crate::engine) fn stopped(&mut self, jobs: u32, at_us: Micros) {
        if jobs != self.memory.stopped {
            self.memory.stopped = jobs;
            self.memory.tally.stopped(jobs > 0, at_us);
            self.report(Event::Stopped { jobs, at_us });
        }
    }

    /// The leases and peaks of the beginning of an item and of its largest piece.
    pub(in crate::engine) fn needed(&mut self, item: ItemId, begin: Needed, piece: Needed) {
        self.memory.tally.used(begin.peak.max(piece.peak));
        self.report(Event::Needed { item, begin, piece });
    }

    /// To be called after each reading. `free` is without the growth of other builds, and `budget`
    /// is the limit of leases, bytes. `stalls` are since the machine was started; `shares` gives
    /// the stalled shares of a window.
    pub(in crate::engine) fn memory_read(
        &mut self,
        used: Bytes,
        free: Option<Bytes>,
        budget: Option<Bytes>,
        stalls: Option<Totals>,
        shares: impl Fn(Duration) -> Option<(f64, f64)>,
        at_us: Micros,
    ) {
        self.memory.tally.read(used, budget, stalls);
        if !self.samples {
            return;
        }
        self.report(Event::Memory { used, free, at_us });
        let since = self.memory.read_us.replace(at_us);
        let window = since.map(|since_us| (at_us - since_us).duration());
        let pressure = window.and_then(shares).map(|(some, full)| (percent(some), percent(full)));
        if let Some((some, full)) = pressure.filter(|_| pressure != self.memory.pressure) {
            self.memory.pressure = pressure;
            self.report(Event::Pressure { some, full, at_us });
        }
    }

    /// A process was killed for memory while these items ran in it; `peak` in bytes.
    pub(in crate::engine) fn killed(
        &mut self,
        who: Victim,
        in_flight: &[ItemId],
        by: Killer,
        peak: Bytes,
    ) {
        self.memory.tally.killed(by, in_flight.iter().map(|item| item.0));
        self.report(Event::Killed { who, by, peak, at_us: now_us() });
    }

    /// Reports the summary. To be called when nothing runs any more.
    pub(in crate::engine) fn memory_summary(&mut self) {
        let at_us = now_us();
        if self.memory.short > 0 {
            self.report(Event::ShortOfMemory { slots: 0, at_us });
        }
        if self.counts.ran > 0 {
            self.report(Event::MemorySummary { summary: self.memory.tally.summary(at_us), at_us });
        }
    }
}

/// Whole percent, rounded up, except for errors of the arithmetic.
fn percent(share: f64) -> u32 {
    (share * 100.0 - 1e-6).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_of_a_stall_is_rounded_up() {
        let check = |share: f64, expect: u32| assert_eq!(percent(share), expect);
        check(0.0, 0);
        check(0.0001, 1);
        check(0.07, 7);
        check(0.5, 50);
        check(0.501, 51);
        check(1.0, 100);
    }
}
