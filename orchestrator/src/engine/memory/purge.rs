//! When the allocators of workers give back what they keep of items that have ended. Knows no item's
//! need but that of those that wait.

use super::{MemoryController, View};
use crate::keys::{ChildId, WorkerId};
use crate::memory::{Denied, Keeps, Ledger, Reclaim};
use std::collections::BTreeMap;

/// What a worker may keep of what has ended, bytes.
const LITTLE: u64 = 8 << 20;

impl MemoryController {
    /// Whether a worker uses less than it may keep of items that have ended, before it begins what
    /// it was `granted` bytes for. Where there is not plenty, a worker begins nothing on top of what
    /// its allocator keeps: what one thread has freed another may not find again. `ledger` knows
    /// what the worker uses now.
    pub(in crate::engine) fn wants_purge(
        &self,
        ledger: &Ledger,
        worker: WorkerId,
        granted: u64,
    ) -> bool {
        let process = ChildId::Worker(worker);
        // With a budget of nearly nothing, nothing is little.
        let little = ledger.ceiling().map_or(LITTLE, |ceiling| LITTLE.min(ceiling / 16));
        // Where nothing is free this runs because one job always may, and whatever can be spared
        // decides whether it comes to its end.
        let is_last_resort = self.headroom == Some(0) && ledger.used_by(process) > little;
        is_last_resort || ledger.kept(process, granted) > little
    }

    /// There is not plenty of memory.
    pub(in crate::engine) fn is_tense(&self) -> bool {
        self.is_tense
    }
}

/// The workers that give back what they keep now, because it is all that somebody waits for. By
/// themselves they would within some seconds. The workers have just been measured.
pub(super) fn for_waiting<'d>(
    reclaim: &mut Reclaim,
    view: &View<'_>,
    ledger: &Ledger,
    mut waiting: impl Iterator<Item = &'d Denied>,
    now_us: u64,
) -> Vec<WorkerId> {
    let workers: BTreeMap<ChildId, WorkerId> =
        view.workers.iter().map(|worker| (ChildId::Worker(worker.worker), worker.worker)).collect();
    let processes: Vec<ChildId> = workers.keys().copied().collect();
    let keeps = |process: &ChildId| Keeps {
        process: *process,
        used: ledger.used_by(*process),
        kept: ledger.kept(*process, 0),
    };
    let all: Vec<Keeps> = processes.iter().map(keeps).collect();
    let (free, if_purged) = (ledger.free(), ledger.free_if_purged(&processes));
    let is_lacked = waiting.any(|denied| free < denied.need && denied.need <= if_purged);
    let asked = reclaim.step(&all, is_lacked, now_us);
    asked.into_iter().map(|process| workers[&process]).collect()
}
