//! Leases for tests: a test starts if there is memory for what it took in earlier runs. Where memory
//! gets short all the same, it says which test is to be killed. None is stopped for a while, as other
//! commands are: a test may measure time, and its peers wait for it. Knows no slots.

use crate::host::sampler::{Readout, Sampler};
use crate::keys::{ChildId, ItemId};
use crate::measurements::{Measurements, Stage};
use crate::memory::{Budget, Defence, Ledger, Measure, Purpose};
use crate::sys::usage::Groups;
use camino::Utf8Path;
use std::collections::BTreeMap;
use tender_units::{Bytes, Micros};

/// What a test is expected to take that was never measured.
const UNKNOWN: Bytes = Bytes(32 << 20);

/// What a job is expected to take that a test starts by the jobserver, as those of other commands.
const UNKNOWN_JOB: Bytes = Bytes(192 << 20);

/// How often memory is read and tests are measured; and when less is left than `TIGHT`.
const EVERY_US: Micros = Micros::from_millis(50);
const TIGHT_US: Micros = Micros::from_millis(20);
const TIGHT: Bytes = Bytes(256 << 20);

pub(super) struct TestMemory {
    ledger: Ledger,
    sampler: Sampler,
    measurements: Measurements,
    /// It is written at the end.
    is_kept: bool,
    peaks: BTreeMap<ItemId, Bytes>,
    defence: Defence,
    /// Nothing new starts, but one if none runs: all tasks stall for memory.
    holds: bool,
    /// What could be leased at the last reading, bytes; None: not limited.
    free: Option<Bytes>,
    /// The kernel's count of kills when each test started.
    oom_kills: BTreeMap<ItemId, u64>,
    next_us: Micros,
}

impl TestMemory {
    /// `history`: the file of what tests took in earlier runs, if that is kept.
    pub fn new(budget: Budget, history: Option<&Utf8Path>) -> TestMemory {
        // A damaged file costs a wait or a larger peak, and is replaced.
        let (measurements, _) = Measurements::read(history.unwrap_or(Utf8Path::new("")));
        TestMemory {
            ledger: Ledger::default(),
            sampler: Sampler::new(budget),
            measurements,
            is_kept: history.is_some(),
            peaks: BTreeMap::new(),
            defence: Defence::default(),
            holds: false,
            free: None,
            oom_kills: BTreeMap::new(),
            next_us: Micros::ZERO,
        }
    }

    /// When to call `watch` again, microseconds.
    pub fn next_us(&self) -> Micros {
        if self.sampler.is_off() { Micros::MAX } else { self.next_us }
    }

    /// Reads what is free, and what the running tests use: each with the leader of its group. Returns
    /// the one to be killed, if memory is so short.
    pub fn watch(&mut self, running: &[(ItemId, u32)], now_us: Micros) -> Option<ItemId> {
        if self.sampler.is_off() || now_us < self.next_us {
            return None;
        }
        let Readout { budget, limits, .. } = self.sampler.read(now_us);
        self.ledger.set_headroom(self.sampler.headroom());
        self.ledger.set_ceiling(budget.bytes);
        if !running.is_empty() {
            let groups = Groups::read();
            for (item, leader) in running {
                let Some(used) = groups.get(*leader) else { continue };
                self.ledger.measured(ChildId::Command(*item), used.bytes);
                let peak = self.peaks.entry(*item).or_default();
                *peak = (*peak).max(used.bytes);
            }
        }
        self.sampler.publish(self.ledger.totals().growth);
        let free = self.ledger.free();
        self.free = self.sampler.headroom().map(|_| free);
        self.next_us = now_us + if free < TIGHT { TIGHT_US } else { EVERY_US };
        let limits = limits?;
        let binding = limits.binding();
        let (stalled, stalled_long) = self.sampler.stalled();
        let (available, reserve) = (binding.available, binding.reserve());
        let measure = Measure { available, reserve, stalled, stalled_long };
        let steps = self.defence.step(measure, now_us);
        self.holds = steps.hold;
        steps.kill.then(|| self.victim(running)).flatten()
    }

    /// The largest test but the oldest, which is to end and give its memory back.
    fn victim(&self, running: &[(ItemId, u32)]) -> Option<ItemId> {
        let items = running.iter().map(|(item, _)| *item);
        let oldest = items.clone().min()?;
        let size = |item: &ItemId| self.peaks.get(item).copied().unwrap_or_default();
        items.filter(|item| *item != oldest).max_by_key(size)
    }

    /// How many more jobs there is room for that a test may start by the jobserver.
    pub fn room_for_jobs(&self) -> u32 {
        match self.free {
            _ if self.sampler.is_off() => u32::MAX,
            _ if self.holds => 0,
            None => u32::MAX,
            Some(free) => u32::try_from(free.0 / UNKNOWN_JOB.0).unwrap_or(u32::MAX),
        }
    }

    /// What it was measured to use at most, bytes; 0: it was not measured.
    pub fn peak(&self, item: ItemId) -> Bytes {
        self.peaks.get(&item).copied().unwrap_or_default()
    }

    /// Whether the kernel has killed processes for memory since the test started.
    pub fn kernel_has_killed(&self, item: ItemId) -> bool {
        let since = self.oom_kills.get(&item).copied();
        since.zip(self.sampler.oom_kills()).is_some_and(|(before, now)| now > before)
    }

    /// Leases what the test is expected to take. Returns false if it has to wait.
    pub fn lease(&mut self, item: ItemId, name: &str) -> bool {
        if self.sampler.is_off() {
            return true;
        }
        if self.holds && self.ledger.totals().leases > Bytes::ZERO {
            return false;
        }
        let bytes = self.measurements.estimate(name, Stage::FrontEnd).unwrap_or(UNKNOWN);
        let child = ChildId::Command(item);
        self.ledger.begin_round();
        self.ledger.add_process(child, Bytes::ZERO);
        let leased = self.ledger.lease(child, item, bytes, Bytes::ZERO, Purpose::Beginning).is_ok();
        match leased {
            false => self.ledger.remove_process(child),
            true => self.oom_kills.extend(self.sampler.oom_kills().map(|kills| (item, kills))),
        }
        leased
    }

    /// The test did not start.
    pub fn give_up(&mut self, item: ItemId) {
        self.ledger.remove_process(ChildId::Command(item));
    }

    /// The test has ended. `took`: how long it ran, if it passed.
    pub fn ended(&mut self, item: ItemId, name: &str, took: Option<Micros>) {
        self.ledger.remove_process(ChildId::Command(item));
        self.oom_kills.remove(&item);
        if let Some(peak) = self.peaks.remove(&item) {
            self.measurements.measured(name, Stage::FrontEnd, peak);
        }
        if let Some(took) = took {
            self.measurements.succeeded(name, took);
        }
    }

    /// Writes the history. A loss costs time only, so that an error is ignored.
    pub fn finish(&mut self) {
        if self.is_kept {
            let _ = self.measurements.write(|_| true);
        }
        self.sampler.publish(Bytes::ZERO);
    }
}
