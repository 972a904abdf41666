//! Memory while a build runs: when it is read and measured, and what to do when it gets short.
//! Takes the running processes as a [`View`], and returns [`MemoryOrder`]s. Knows neither the
//! scheduler nor the children nor the sink.
//!
//! - `kills.rs`: which worker is killed, and which deaths are attributed to the kernel.
//! - `purge.rs`: which workers are purged.
//! - `usage.rs`: what processes were measured to use, and what later builds learn of it.

mod kills;
mod purge;
mod usage;

use crate::host::external::ExternalTrees;
use crate::host::sampler::{Readout, Sampler};
use crate::keys::{ChildId, ItemId, WorkerId};
use crate::memory::{Budget, Chosen, Denied, Ledger, Measure, Note, Reading, Reclaim, Totals};
use crate::sys::usage::Gauge;
use kills::Kills;
use std::collections::BTreeSet;
use std::time::Duration;
use tender_units::{Bytes, Micros};
use usage::Usage;

/// How often memory is read while it is plenty, and while it is tight; microseconds.
const CALM_US: Micros = Micros::from_millis(100);
const TIGHT_US: Micros = Micros::from_millis(20);

/// Memory is tight if less than this is free, bytes: several jobs can use it up between two
/// readings.
const TIGHT: Bytes = Bytes(256 << 20);

/// If less is available, bytes, no file is opened, because the kernel needs memory for that. (When
/// we opened a directory of /proc while the memory of a killed worker was not free yet, the kernel
/// killed us.)
const CRITICAL: Bytes = Bytes(4 << 20);

/// The published growth is rounded up to a multiple of this, bytes, so that it changes less often.
const SHARE_STEP: u64 = 8 << 20;

pub(super) struct MemoryController {
    sampler: Sampler,
    external: ExternalTrees,
    kills: Kills,
    reclaim: Reclaim,
    usage: Usage,
    /// The budget at the last reading, bytes. `None` if unknown.
    budget: Option<Bytes>,
    /// The headroom at the last reading, bytes; `None` if unknown.
    headroom: Option<Bytes>,
    /// Memory is tight.
    is_tight: bool,
    /// The hold: nothing new starts, because all tasks stall for memory.
    holds: bool,
    /// Another build holds the lock on granting.
    awaits_lock: bool,
    next_us: Micros,
}

/// The running processes.
pub(super) struct View<'e> {
    pub(super) workers: Vec<WorkerView<'e>>,
    pub(super) commands: Vec<CommandView>,
    /// Of the items that workers run, the one that has run longest.
    pub(super) oldest: Option<ItemId>,
    /// How many items have ended.
    pub(super) done: u32,
}

pub(super) struct WorkerView<'e> {
    pub(super) worker: WorkerId,
    pub(super) pid: u32,
    /// `None` if it cannot be read.
    pub(super) gauge: Option<&'e Gauge>,
    pub(super) running: Vec<ItemId>,
    /// Those of them that run a linker.
    pub(super) links: Vec<ItemId>,
}

pub(super) struct CommandView {
    pub(super) item: ItemId,
    pub(super) pid: u32,
}

/// Our own processes, which belong to no external command.
pub(super) struct Ours {
    pub(super) pids: BTreeSet<u32>,
    pub(super) processes: Vec<ChildId>,
}

/// What to do with a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemoryOrder {
    /// Purge the worker.
    Purge(WorkerId),
    /// Kill the worker, with its linker.
    Kill(WorkerId),
}

/// A reading, for the ledger and for reports.
pub(super) struct MemoryRead {
    /// What each measured worker uses, bytes.
    pub(super) workers: Vec<(WorkerId, Bytes)>,
    pub(super) commands: Vec<(ItemId, Bytes)>,
    /// What may be leased, bytes: 0 during a hold. `None`: no limit.
    pub(super) headroom: Option<Bytes>,
    pub(super) budget: Chosen,
    /// What is free without the growth of other builds, bytes.
    pub(super) free: Option<Bytes>,
    pub(super) pressure: Option<Totals>,
    limits: Option<Reading>,
    /// All processes were measured.
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
            budget: None,
            headroom: None,
            is_tight: false,
            holds: false,
            awaits_lock: false,
            next_us: Micros::ZERO,
        }
    }

    /// Whether the memory budget is off: nothing is read, and nothing is limited.
    pub(super) fn is_off(&self) -> bool {
        self.sampler.is_off()
    }

    /// The budget if memory is never read.
    pub(super) fn budget_unread(&self) -> Chosen {
        self.sampler.budget_unread()
    }

    /// When to read memory again, microseconds.
    pub(super) fn next_us(&self) -> Micros {
        if self.is_off() { Micros::MAX } else { self.next_us }
    }

    /// Reads what is free and measures what is used. To be called when that is due, as
    /// [`MemoryController::next_us`] says; it is due before the first item starts.
    pub(super) fn read(&mut self, view: &View<'_>, now_us: Micros) -> MemoryRead {
        let Readout { limits, pressure, budget } = self.sampler.read(now_us);
        let is_critical =
            limits.as_ref().is_some_and(|limits| limits.binding().available < CRITICAL);
        let measured = self.usage.measure(view, is_critical, now_us);
        self.kills.count_oom_kills(now_us, &self.sampler);
        self.budget = budget.bytes;
        let was_measured = measured.is_some();
        let (workers, commands) = measured.unwrap_or_default();
        MemoryRead {
            workers,
            commands,
            headroom: self.lock_and_refresh(now_us),
            budget,
            free: self.headroom,
            pressure,
            limits,
            was_measured,
        }
    }

    /// Decides what to do after [`MemoryController::read`]. `ledger` has the values of the reading.
    pub(super) fn decide(
        &mut self,
        read: &MemoryRead,
        ledger: &Ledger,
        denied: &[(ItemId, Denied)],
        view: &View<'_>,
        now_us: Micros,
    ) -> Vec<MemoryOrder> {
        self.is_tight = ledger.free() < TIGHT;
        let is_plenty = !self.is_tight && !self.sampler.has_peers();
        self.next_us = now_us + if is_plenty { CALM_US } else { TIGHT_US };
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

    /// Reads the growth of other builds again, which may have changed since the last reading,
    /// before leases are granted. Takes the lock on granting, which is held until our new growth is
    /// published. Returns the headroom for the ledger; the outer `None`: it does not change.
    pub(super) fn refresh_peer_reservations(&mut self, now_us: Micros) -> Option<Option<Bytes>> {
        (!self.is_off() && !self.holds).then(|| self.lock_and_refresh(now_us))
    }

    /// Returns what may be leased, bytes: the headroom without the growth of other builds; 0 during
    /// a hold.
    fn lock_and_refresh(&mut self, now_us: Micros) -> Option<Bytes> {
        self.awaits_lock = !self.sampler.lock_peers(now_us);
        self.headroom = self.sampler.headroom();
        self.headroom.map(|headroom| if self.holds { Bytes::ZERO } else { headroom })
    }

    /// Whether leases may be granted now: not while another build holds the lock. That is no
    /// shortage, for which the scheduler would close workers.
    pub(super) fn may_grant(&self) -> bool {
        !self.awaits_lock
    }

    /// Publishes our growth, bytes.
    pub(super) fn publish(&mut self, growth: Bytes) {
        if !self.is_off() {
            self.sampler.publish(Bytes(growth.0.next_multiple_of(SHARE_STEP)));
        }
    }

    /// Releases the lock on granting. To be called at the end of each round, also after errors.
    pub(super) fn end_round(&mut self) {
        self.awaits_lock = false;
        self.sampler.unlock_peers();
    }

    /// Until when nothing may be started or read, microseconds, because a victim has not ended yet.
    pub(super) fn awaits_victim_until(&self, now_us: Micros) -> Option<Micros> {
        self.kills.awaits_until(now_us)
    }

    /// Keeps commands and their descendants within the memory that workers leave free. Returns how
    /// many more jobs have room; the inner `None`: not limited; the outer `None`: as at the last
    /// call.
    pub(super) fn watch_external(
        &mut self,
        has_any: bool,
        ours: impl FnOnce() -> Ours,
        ledger: &Ledger,
        slots: u32,
        now_us: Micros,
    ) -> Option<Option<u32>> {
        if self.is_off() || !(has_any || self.external.stopped() > 0) {
            return Some(None);
        }
        if now_us < self.external.next_us() {
            return None;
        }
        let Ours { pids, processes } = ours();
        let headroom = self.headroom;
        let free = |used: Bytes| ledger.free_beside(&processes, headroom, used);
        let more = self.external.watch(&pids, free, slots, now_us);
        // During a hold no job begins.
        Some(if self.holds { Some(0) } else { more })
    }

    /// When to check commands again, microseconds. `None` if there are none.
    pub(super) fn next_external_us(&self, has_commands: bool) -> Option<Micros> {
        let has_any = has_commands || self.external.stopped() > 0;
        (has_any && !self.is_off()).then(|| self.external.next_us())
    }

    /// The share of the last `window` in which some task stalled for memory, and in which all did.
    pub(super) fn stalls(&self, window: Duration) -> Option<(f64, f64)> {
        self.sampler.stalls(window)
    }

    /// How many processes of commands are stopped for memory.
    pub(super) fn stopped(&self) -> u32 {
        self.external.stopped() as u32
    }

    /// Continues all stopped processes, so that they can handle the signal that ends the build.
    pub(super) fn release(&mut self) {
        self.external.release();
    }

    /// Takes what could not be read; each note once.
    pub(super) fn take_notes(&mut self) -> Vec<Note> {
        self.sampler.take_notes()
    }

    /// The budget, for messages.
    pub(super) fn budget_text(&self) -> String {
        format!("budget {}", or_unknown(self.budget))
    }

    /// The measured peak of the linker or the command of an item, and the budget, for messages.
    pub(super) fn peak_text(&self, item: ItemId) -> String {
        format!("peak {}, {}", or_unknown(self.usage.peak_of_program(item)), self.budget_text())
    }
}

impl View<'_> {
    fn worker_that_runs(&self, item: ItemId) -> Option<WorkerId> {
        let mut workers = self.workers.iter();
        workers.find(|worker| worker.running.contains(&item)).map(|worker| worker.worker)
    }
}

impl MemoryRead {
    /// What processes use, bytes, for the ledger.
    pub(super) fn used(&self) -> Vec<(ChildId, Bytes)> {
        let workers = self.workers.iter().map(|(ix, bytes)| (ChildId::Worker(*ix), *bytes));
        let commands = self.commands.iter().map(|(ix, bytes)| (ChildId::Command(*ix), *bytes));
        workers.chain(commands).collect()
    }
}

fn or_unknown(bytes: Option<Bytes>) -> String {
    bytes.map_or("unknown".to_owned(), |bytes| bytes.to_string())
}
