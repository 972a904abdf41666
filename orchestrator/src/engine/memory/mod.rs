//! Memory while a build runs: when it is read and measured, and what is done where it gets short.
//! Takes what runs as a [`View`], and returns what is to be done as [`MemoryOrder`]s. Knows neither
//! the scheduler nor the children, and nobody who is told.
//!
//! - `kills.rs`: which worker is killed, and whose death was the kernel's doing.
//! - `purge.rs`: when allocators give back what they keep.
//! - `usage.rs`: what processes were measured to use, and what later builds learn of it.

mod kills;
mod purge;
mod usage;

use crate::host::external::ExternalTrees;
use crate::host::sampler::{Readout, Sampler};
use crate::keys::{ChildId, ItemIx, WorkerId};
use crate::memory::{Budget, Chosen, Denied, Ledger, Measure, Note, Reading, Reclaim, Totals};
use crate::sys::usage::Gauge;
use kills::Kills;
use std::collections::BTreeSet;
use std::time::Duration;
use usage::Usage;

/// How often memory is read while there is plenty, and while there is not; microseconds.
const CALM_US: u64 = 100_000;
const TENSE_US: u64 = 20_000;

/// Less than this is not plenty, bytes: several jobs take so much in the time between two readings.
const TENSE: u64 = 256 << 20;

/// Where less is available, bytes, nothing is read that the kernel needs memory for: with a
/// directory of /proc opened while the memory of a worker that it has killed was not back yet, it
/// was seen to kill us.
const BRINK: u64 = 4 << 20;

/// What other builds are told is rounded up to so many bytes: it changes with each small unit.
const SHARE_STEP: u64 = 8 << 20;

pub(super) struct MemoryController {
    sampler: Sampler,
    external: ExternalTrees,
    kills: Kills,
    reclaim: Reclaim,
    usage: Usage,
    /// What may be used, bytes, by the last reading. None where that is not known.
    budget_bytes: Option<u64>,
    /// What can still be used, by the last reading; None where that cannot be known.
    headroom: Option<u64>,
    /// There is not plenty.
    is_tense: bool,
    /// Nothing new starts, because the whole system stalls.
    holds: bool,
    /// Another build holds the lock that is needed to grant.
    awaits_lock: bool,
    next_us: u64,
}

/// What runs.
pub(super) struct View<'e> {
    pub(super) workers: Vec<WorkerView<'e>>,
    pub(super) commands: Vec<CommandView>,
    /// Of the items that workers run, the one that has run longest.
    pub(super) oldest: Option<ItemIx>,
    /// Items that have ended.
    pub(super) done: u32,
}

pub(super) struct WorkerView<'e> {
    pub(super) worker: WorkerId,
    pub(super) pid: u32,
    /// None where it cannot be read.
    pub(super) gauge: Option<&'e Gauge>,
    pub(super) running: Vec<ItemIx>,
    /// Those of them that run a linker.
    pub(super) links: Vec<ItemIx>,
}

pub(super) struct CommandView {
    pub(super) item: ItemIx,
    pub(super) pid: u32,
}

/// What belongs to no external command.
pub(super) struct Ours {
    pub(super) pids: BTreeSet<u32>,
    pub(super) processes: Vec<ChildId>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemoryOrder {
    /// The worker gives back what its allocator keeps.
    Purge(WorkerId),
    /// The worker is killed, with the linker that it has started.
    Kill(WorkerId),
}

/// What was read, for the ledger and for those who follow the build.
pub(super) struct MemoryRead {
    /// What each worker uses, bytes, as far as it was measured.
    pub(super) workers: Vec<(WorkerId, u64)>,
    pub(super) commands: Vec<(ItemIx, u64)>,
    /// What may be leased, bytes: 0 while nothing is to start. None where there is no limit.
    pub(super) headroom: Option<u64>,
    pub(super) budget: Chosen,
    /// What is free, bytes, what peers have reserved subtracted.
    pub(super) free: Option<u64>,
    pub(super) pressure: Option<Totals>,
    limits: Option<Reading>,
    /// It was time to measure all processes, and possible.
    was_measured: bool,
}

impl MemoryController {
    pub(super) fn new(budget: Budget) -> MemoryController {
        let sampler = Sampler::new(budget);
        MemoryController {
            kills: Kills::new(sampler.oom_kills()),
            sampler,
            external: ExternalTrees::default(),
            reclaim: Reclaim::default(),
            usage: Usage::default(),
            budget_bytes: None,
            headroom: None,
            is_tense: false,
            holds: false,
            awaits_lock: false,
            next_us: 0,
        }
    }

    /// The user wants no memory budget: nothing is read, and nothing is limited.
    pub(super) fn is_off(&self) -> bool {
        self.sampler.is_off()
    }

    /// The budget where memory is never read.
    pub(super) fn budget_unread(&self) -> Chosen {
        self.sampler.budget_unread()
    }

    /// When memory is to be read again, microseconds.
    pub(super) fn next_us(&self) -> u64 {
        if self.is_off() { u64::MAX } else { self.next_us }
    }

    /// Reads what is free and measures what is used, if it is time to. Before anything is started,
    /// it is.
    pub(super) fn read(&mut self, view: &View<'_>, now_us: u64) -> Option<MemoryRead> {
        if self.is_off() || now_us < self.next_us {
            return None;
        }
        let Readout { limits, pressure, budget } = self.sampler.read(now_us);
        let at_brink = limits.as_ref().is_some_and(|limits| limits.binding().available < BRINK);
        let measured = self.usage.measure(view, at_brink, now_us);
        self.kills.count(now_us, &self.sampler);
        self.budget_bytes = budget.bytes;
        let was_measured = measured.is_some();
        let (workers, commands) = measured.unwrap_or_default();
        Some(MemoryRead {
            workers,
            commands,
            headroom: self.lock_and_refresh(now_us),
            budget,
            free: self.headroom,
            pressure,
            limits,
            was_measured,
        })
    }

    /// After [`MemoryController::read`], with a ledger that knows what was read: what is to be done.
    pub(super) fn decide(
        &mut self,
        read: &MemoryRead,
        ledger: &Ledger,
        denied: &[(ItemIx, Denied)],
        view: &View<'_>,
        now_us: u64,
    ) -> Vec<MemoryOrder> {
        self.is_tense = ledger.free() < TENSE;
        let is_calm = !self.is_tense && !self.sampler.has_peers();
        self.next_us = now_us + if is_calm { CALM_US } else { TENSE_US };
        let mut orders = Vec::new();
        if let Some(limits) = &read.limits {
            let binding = limits.binding();
            let (stalled, stalled_long) = self.sampler.stalled();
            let (available, reserve) = (binding.available, binding.reserve());
            let measure = Measure { available, reserve, stalled, stalled_long };
            let steps = self.kills.defend(measure, now_us);
            self.holds = steps.hold;
            if steps.purge {
                let all = view.workers.iter().map(|worker| MemoryOrder::Purge(worker.worker));
                orders.extend(all);
            }
            let mut victim =
                if steps.kill { self.kills.choose_victim(view, ledger, now_us) } else { None };
            if victim.is_none() {
                victim = self.kills.kill_if_thrashing(binding, view, ledger, &self.sampler, now_us);
            }
            orders.extend(victim.map(MemoryOrder::Kill));
        }
        if read.was_measured && !self.holds {
            let waiting = denied.iter().map(|(_, denied)| denied);
            let asked = purge::for_waiting(&mut self.reclaim, view, ledger, waiting, now_us);
            orders.extend(asked.into_iter().map(MemoryOrder::Purge));
        }
        orders
    }

    /// What other builds have reserved may have changed since the last reading, and is read before
    /// anything is granted. What is granted is published before the lock is given back, so that no
    /// build overlooks it. Returns the headroom for the ledger; the outer None: it need not change.
    pub(super) fn refresh_peer_reservations(&mut self, now_us: u64) -> Option<Option<u64>> {
        (!self.is_off() && !self.holds).then(|| self.lock_and_refresh(now_us))
    }

    /// What peers have reserved is not there for us. While nothing new is to start, nothing is.
    fn lock_and_refresh(&mut self, now_us: u64) -> Option<u64> {
        self.awaits_lock = !self.sampler.lock_peers(now_us);
        self.headroom = self.sampler.headroom();
        self.headroom.map(|headroom| if self.holds { 0 } else { headroom })
    }

    /// Whether leases may be granted now. That another build is granting is not as if there were no
    /// memory, for which the scheduler would make room.
    pub(super) fn may_grant(&self) -> bool {
        !self.awaits_lock
    }

    /// Publishes what was granted and is not used yet, bytes.
    pub(super) fn publish(&mut self, growth: u64) {
        if !self.is_off() {
            self.sampler.publish(growth.next_multiple_of(SHARE_STEP));
        }
    }

    /// To be called in any case at the end of a round: gives back the lock on granting.
    pub(super) fn end_round(&mut self) {
        self.awaits_lock = false;
        self.sampler.unlock_peers();
    }

    /// Until when nothing may be started or read, microseconds, because a process that was killed
    /// for memory has not ended yet.
    pub(super) fn awaits_victim_until(&self, now_us: u64) -> Option<u64> {
        self.kills.awaits_until(now_us)
    }

    /// Keeps commands, and what they start, within what workers leave of the memory. Returns how many further jobs there is room for; the
    /// inner None: as many as there are tokens. The outer None: as at the last call.
    pub(super) fn watch_external(
        &mut self,
        has_any: bool,
        ours: impl FnOnce() -> Ours,
        ledger: &Ledger,
        slots: u32,
        now_us: u64,
    ) -> Option<Option<u32>> {
        if self.is_off() || !(has_any || self.external.stopped() > 0) {
            return Some(None);
        }
        if now_us < self.external.next_us() {
            return None;
        }
        let Ours { pids, processes } = ours();
        let headroom = self.headroom;
        let free = |used: u64| ledger.free_beside(&processes, headroom, used);
        let more = self.external.watch(&pids, free, slots, now_us);
        // While everything stalls no job begins; those that run go on.
        Some(if self.holds { Some(0) } else { more })
    }

    /// When to look at commands again, microseconds. None if there are none.
    pub(super) fn next_external_us(&self, has_commands: bool) -> Option<u64> {
        let has_any = has_commands || self.external.stopped() > 0;
        (has_any && !self.is_off()).then(|| self.external.next_us())
    }

    /// The share of the last `window` in which some task stalled for memory, and in which all did.
    pub(super) fn stalls(&self, window: Duration) -> Option<(f64, f64)> {
        self.sampler.stalls(window)
    }

    /// How many processes of commands are stopped until there is memory for them again.
    pub(super) fn stopped(&self) -> u32 {
        self.external.stopped() as u32
    }

    /// Commands are told to end. What of them was stopped continues, to be able to.
    pub(super) fn release(&mut self) {
        self.external.release();
    }

    /// What could not be read, each once.
    pub(super) fn take_notes(&mut self) -> Vec<Note> {
        self.sampler.take_notes()
    }

    /// For people: how much there was in all.
    pub(super) fn budget_text(&self) -> String {
        format!("budget {}", mib(self.budget_bytes))
    }

    /// For people: what the linker or the command of an item had used at most, as far as that was
    /// seen, and what there was.
    pub(super) fn peak_text(&self, item: ItemIx) -> String {
        format!("peak {}, {}", mib(self.usage.peak_of_program(item)), self.budget_text())
    }
}

impl View<'_> {
    fn worker_that_runs(&self, item: ItemIx) -> Option<WorkerId> {
        let mut workers = self.workers.iter();
        workers.find(|worker| worker.running.contains(&item)).map(|worker| worker.worker)
    }
}

impl MemoryRead {
    /// What processes use, bytes, for the ledger.
    pub(super) fn used(&self) -> Vec<(ChildId, u64)> {
        let workers = self.workers.iter().map(|(ix, bytes)| (ChildId::Worker(*ix), *bytes));
        let commands = self.commands.iter().map(|(ix, bytes)| (ChildId::Command(*ix), *bytes));
        workers.chain(commands).collect()
    }
}

fn mib(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".to_owned(), |bytes| format!("{} MiB", bytes >> 20))
}
