//! Leases for tests: a test starts if there is memory for what it took in earlier runs. A test that
//! runs is neither stopped nor killed for memory. Knows no slots.

use crate::host::sampler::Sampler;
use crate::keys::{ChildId, ItemId};
use crate::measurements::{Measurements, Stage};
use crate::memory::{Budget, Ledger, Purpose};
use crate::sys::usage::Groups;
use camino::Utf8Path;
use std::collections::BTreeMap;
use tender_units::{Bytes, Micros};

/// What a test is expected to take that was never measured.
const UNKNOWN: Bytes = Bytes(32 << 20);

/// How often memory is read and tests are measured.
const EVERY_US: Micros = Micros::from_millis(50);

pub(super) struct TestMemory {
    ledger: Ledger,
    sampler: Sampler,
    measurements: Measurements,
    /// It is written at the end.
    is_kept: bool,
    peaks: BTreeMap<ItemId, Bytes>,
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
            next_us: Micros::ZERO,
        }
    }

    /// When to call `watch` again, microseconds.
    pub fn next_us(&self) -> Micros {
        if self.sampler.is_off() { Micros::MAX } else { self.next_us }
    }

    /// Reads what is free, and what the running tests use: each with the leader of its group.
    pub fn watch(&mut self, running: &[(ItemId, u32)], now_us: Micros) {
        if self.sampler.is_off() || now_us < self.next_us {
            return;
        }
        self.next_us = now_us + EVERY_US;
        let budget = self.sampler.read(now_us).budget;
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
    }

    /// Leases what the test is expected to take. Returns false if it has to wait.
    pub fn lease(&mut self, item: ItemId, name: &str) -> bool {
        if self.sampler.is_off() {
            return true;
        }
        let bytes = self.measurements.estimate(name, Stage::FrontEnd).unwrap_or(UNKNOWN);
        let child = ChildId::Command(item);
        self.ledger.begin_round();
        self.ledger.add_process(child, Bytes::ZERO);
        let leased = self.ledger.lease(child, item, bytes, Bytes::ZERO, Purpose::Beginning).is_ok();
        if !leased {
            self.ledger.remove_process(child);
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
