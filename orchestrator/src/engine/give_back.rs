//! What the allocators of workers keep of items that have ended, and when they are to give it back.
//! Knows no item's need but that of those that wait.

use super::Engine;
use crate::memory::{Denied, Keeps, ProcessId};
use crate::schedule::{WorkerIx, process_of_worker};
use std::collections::BTreeMap;
use tender_protocol::ToWorker;

/// What a worker may keep of what has ended, bytes.
const LITTLE: u64 = 8 << 20;

impl Engine<'_> {
    /// Where there is not plenty, a worker begins nothing on top of what its allocator keeps of
    /// what has ended: what one thread has freed another may not find again.
    pub(super) fn purge_before(&mut self, ix: WorkerIx, granted: u64) {
        if !self.memory.is_tense {
            return;
        }
        let process = process_of_worker(ix);
        // What has just ended has mostly done so after the last reading. One that would tell of
        // less may leave out a linker.
        let worker = self.children.worker(ix);
        let now = worker.and_then(|child| child.gauge.as_ref()?.resident_bytes());
        let ledger = self.scheduler.ledger();
        ledger.measured_at_least(process, now.unwrap_or(0));
        // With a budget of nearly nothing, nothing is little.
        let little = ledger.ceiling().map_or(LITTLE, |ceiling| LITTLE.min(ceiling / 16));
        // Where nothing is free this runs because one job always may, and whatever can be spared
        // decides whether it comes to its end.
        let is_last_resort = self.memory.headroom == Some(0) && ledger.used_by(process) > little;
        if !is_last_resort && ledger.kept(process, granted) <= little {
            return;
        }
        ledger.purged(process, granted);
        self.children.send(ix, &ToWorker::Purge);
    }

    /// Where all that somebody waits for is what busy workers keep, they give it back now. By
    /// themselves they would within some seconds. The workers have just been measured.
    pub(super) fn purge_for_who_waits(&mut self, now_us: u64) {
        let workers: BTreeMap<ProcessId, WorkerIx> =
            self.children.workers().map(|(ix, _)| (process_of_worker(ix), ix)).collect();
        let processes: Vec<ProcessId> = workers.keys().copied().collect();
        let ledger = self.scheduler.ledger();
        let keeps = |process: &ProcessId| Keeps {
            process: *process,
            used: ledger.used_by(*process),
            kept: ledger.kept(*process, 0),
        };
        let all: Vec<Keeps> = processes.iter().map(keeps).collect();
        let (free, if_purged) = (ledger.free(), ledger.free_if_purged(&processes));
        let lacks_this = |denied: &Denied| free < denied.need && denied.need <= if_purged;
        let is_lacked = !self.memory.holds
            && self.scheduler.denied().iter().any(|(_, denied)| lacks_this(denied));
        for process in self.memory.reclaim.step(&all, is_lacked, now_us) {
            self.children.send(workers[&process], &ToWorker::Purge);
        }
    }
}
