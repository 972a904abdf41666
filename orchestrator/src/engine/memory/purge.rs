//! When workers are purged. Knows no estimates, except of items that wait.

use super::{MemoryController, View};
use crate::keys::{ChildId, WorkerId};
use crate::memory::{Denied, KeptMemory, Ledger, Reclaim};
use std::collections::BTreeMap;
use tender_units::{Bytes, Micros};

/// How much a worker's allocator may keep without a purge, bytes.
const LITTLE: Bytes = Bytes(8 << 20);

impl MemoryController {
    /// Whether to purge a worker before it begins what it was `granted` bytes for. While memory is
    /// tight, an item should not begin in addition to what the allocator keeps: memory that one
    /// thread has freed may not be reused by another. `ledger` knows what the worker uses now.
    pub(in crate::engine) fn wants_purge(
        &self,
        ledger: &Ledger,
        worker: WorkerId,
        granted: Bytes,
    ) -> bool {
        let process = ChildId::Worker(worker);
        // With a very small budget, even little memory matters.
        let little = ledger.ceiling().map_or(LITTLE, |ceiling| LITTLE.min(ceiling / 16));
        // If nothing is free, the item runs only because one job always may. Each byte that is
        // returned may decide whether it succeeds.
        let is_last_resort = self.headroom == Some(Bytes::ZERO) && ledger.used_by(process) > little;
        is_last_resort || ledger.kept(process, granted) > little
    }

    /// Whether memory is tight.
    pub(in crate::engine) fn is_tight(&self) -> bool {
        self.is_tight
    }
}

/// The workers to purge now, because an item waits that would fit after that. (Without a purge,
/// allocators return memory after some seconds.) The workers were just measured.
pub(super) fn for_waiting<'d>(
    reclaim: &mut Reclaim,
    view: &View<'_>,
    ledger: &Ledger,
    mut waiting: impl Iterator<Item = &'d Denied>,
    now_us: Micros,
) -> Vec<WorkerId> {
    let workers: BTreeMap<ChildId, WorkerId> =
        view.workers.iter().map(|worker| (ChildId::Worker(worker.worker), worker.worker)).collect();
    let processes: Vec<ChildId> = workers.keys().copied().collect();
    let keeps = |process: &ChildId| KeptMemory {
        process: *process,
        used: ledger.used_by(*process),
        kept: ledger.kept(*process, Bytes::ZERO),
    };
    let all: Vec<KeptMemory> = processes.iter().map(keeps).collect();
    let (free, if_purged) = (ledger.free(), ledger.free_if_purged(&processes));
    let is_needed = waiting.any(|denied| free < denied.need && denied.need <= if_purged);
    let asked = reclaim.step(&all, is_needed, now_us);
    asked.into_iter().map(|process| workers[&process]).collect()
}
