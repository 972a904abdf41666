//! What is told of memory: who waits for it and for how much, what it is used for, pressure, kills,
//! and the sum at the end. Decides nothing. Where memory is plenty it costs a look at an empty list
//! a round.

use super::Engine;
use crate::events::{Event, Needed, Shortage, Victim, WaitReason, WorkerNo};
use crate::graph::ItemIx;
use crate::memory::{Denied, Killer, Tally, Totals};
use crate::schedule::{Action, WorkerIx, item_of_lease, process_of_command, process_of_worker};
use crate::sys::clock::now_us;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Seen {
    tally: Tally,
    /// The reading before, microseconds.
    read_us: Option<u64>,
    /// Of the last events.
    pressure: Option<(u32, u32)>,
    short: u32,
    stopped: u32,
}

/// Whole percents, rounded up but for what the arithmetic adds.
fn percent(share: f64) -> u32 {
    (share * 100.0 - 1e-6).ceil() as u32
}

impl Engine<'_> {
    /// After each round in which slots were given out. `leases_us` is when its last lease was
    /// granted, and nobody else was told of any.
    pub(super) fn tell_memory_round(&mut self, leases_us: u64) {
        if self.sample {
            self.tell_leases(leases_us);
        }
        let at_us = now_us();
        self.tell_new_waits(at_us);
        let waiting: Vec<ItemIx> = self.seen.tally.waiting().map(ItemIx).collect();
        // What is offered to foreign children and not taken is not used either.
        let unused = self.jobs.saturating_sub(self.pool.broker.used());
        let slots = self.scheduler.short_of_memory(unused, &waiting);
        if slots != self.seen.short {
            self.seen.short = slots;
            self.seen.tally.short(slots > 0, at_us);
            self.tell(Event::ShortOfMemory { slots, at_us });
        }
        let jobs = self.memory.stopped();
        if jobs != self.seen.stopped {
            self.seen.stopped = jobs;
            self.seen.tally.stopped(jobs > 0, at_us);
            self.tell(Event::Stopped { jobs, at_us });
        }
    }

    fn tell_new_waits(&mut self, at_us: u64) {
        let budget = self.scheduler.ledger().ceiling();
        for (item, Denied { need, free, kept_for }) in self.scheduler.denied().to_vec() {
            if self.seen.tally.waits(item.0, at_us) {
                self.told_to_wait.insert(item);
                let free = (free < u64::MAX).then_some(free);
                let short = Shortage { need, free, budget, kept_for: kept_for.map(item_of_lease) };
                self.tell(Event::Wait { item, reason: WaitReason::Memory(short), at_us });
            }
        }
    }

    pub(super) fn tell_needed(&mut self, item: ItemIx, begin_peak: u64, piece_peak: u64) {
        let need = self.scheduler.need(item);
        let begin = Needed { lease: need.begin, peak: begin_peak };
        let piece = Needed { lease: if piece_peak > 0 { need.piece } else { 0 }, peak: piece_peak };
        self.seen.tally.used(begin_peak.max(piece_peak));
        self.tell(Event::Needed { item, begin, piece });
    }

    /// What is decided about an item may end its wait.
    pub(super) fn see_action(&mut self, action: &Action) {
        match *action {
            Action::Lease { item, .. }
            | Action::RunCommand(item)
            | Action::Skip(item)
            | Action::Blame { item, .. } => self.see_end_of_wait(item),
            Action::Retry(item) => self.seen.tally.retried(item.0),
            _ => {}
        }
    }

    pub(super) fn see_end_of_wait(&mut self, item: ItemIx) {
        if self.seen.tally.is_waiting(item.0) {
            let at_us = now_us();
            self.seen.tally.waits_no_more(item.0, at_us);
            self.tell(Event::WaitEnded { item, at_us });
        }
    }

    /// After each reading. `free` is what was found, less what others were promised, bytes.
    pub(super) fn see_reading(
        &mut self,
        used: u64,
        free: Option<u64>,
        stalls: Option<Totals>,
        at_us: u64,
    ) {
        let budget = self.scheduler.ledger().ceiling();
        self.seen.tally.read(used, budget, stalls);
        if !self.sample {
            return;
        }
        self.tell(Event::Memory { used, free, at_us });
        let since = self
            .seen
            .read_us
            .replace(at_us)
            .map(|since_us| Duration::from_micros(at_us - since_us));
        let shares = since.and_then(|since| self.memory.stalls(since));
        let pressure = shares.map(|(some, full)| (percent(some), percent(full)));
        if let Some((some, full)) = pressure.filter(|_| pressure != self.seen.pressure) {
            self.seen.pressure = pressure;
            self.tell(Event::Pressure { some, full, at_us });
        }
    }

    /// The kernel killed a program that ran the item.
    pub(super) fn see_end_of_program(&mut self, item: ItemIx) {
        let by = Killer::Kernel;
        self.seen.tally.killed(by, [item.0]);
        let peak = self.memory.peak_of(process_of_command(item));
        self.tell(Event::Killed { who: Victim::Program(item), by, peak, at_us: now_us() });
    }

    /// A worker ended for want of memory.
    pub(super) fn see_end_of_worker(&mut self, ix: WorkerIx, by: Killer) {
        let in_flight = self.scheduler.running_in(ix);
        self.seen.tally.killed(by, in_flight.iter().map(|item| item.0));
        let peak = self.memory.peak_of(process_of_worker(ix));
        self.tell(Event::Killed { who: Victim::Worker(WorkerNo(ix.0)), by, peak, at_us: now_us() });
    }

    /// Nothing runs any more.
    pub(super) fn tell_memory_summary(&mut self) {
        let at_us = now_us();
        if self.seen.short > 0 {
            self.tell(Event::ShortOfMemory { slots: 0, at_us });
        }
        if self.ran > 0 {
            self.tell(Event::MemorySummary { summary: self.seen.tally.summary(at_us), at_us });
        }
    }
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
