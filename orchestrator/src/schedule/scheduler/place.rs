//! Finds a process for an item that no worker has: a running worker, an idle one, or a new process.
//! Also decides which idle workers are closed.

use super::super::action::{Action, PlannedItem};
use super::super::items::{Items, State};
use super::super::task::Class;
use super::super::workers::{Phase, Worker};
use super::{Scheduler, SchedulerMode, WORKER_BASELINE};
use crate::keys::{ChildId, ItemId, WorkerId};
use crate::memory::{Denied, Purpose};
use std::collections::BTreeSet;
use tender_units::Bytes;

impl Scheduler {
    pub(super) fn is_suspect(&self, item: ItemId) -> bool {
        self.suspicions.get(&item).is_some_and(|suspicion| suspicion.alone)
    }

    pub(super) fn may_start_worker(&self) -> bool {
        self.workers.live() < self.slots
    }

    pub(super) fn worker_of_crate(&self, item: ItemId) -> Option<WorkerId> {
        let krate = self.items.krate(item);
        self.workers.find(|worker| worker.is_open() && worker.crates.contains_key(&krate))
    }

    pub(super) fn parked_worker(&self) -> Option<WorkerId> {
        self.idle_worker().or_else(|| self.workers.find(|worker| worker.is_open() && worker.parked))
    }

    pub(super) fn least_given_worker(&self) -> Option<WorkerId> {
        let open = self.workers.iter().filter(|(_, worker)| worker.is_open());
        open.min_by_key(|(_, worker)| worker.given.len()).map(|(ix, _)| ix)
    }

    /// Whether an idle worker can be closed to start a fresh one. One at a time: a closing worker
    /// counts until it has ended.
    pub(super) fn can_replace_idle_worker(&self) -> bool {
        self.idle_worker().is_some() && !self.is_closing_workers()
    }

    pub(super) fn is_closing_workers(&self) -> bool {
        self.workers.find(|worker| worker.phase == Phase::Closing).is_some()
    }

    pub(super) fn idle_worker(&self) -> Option<WorkerId> {
        self.workers.find(|worker| worker.is_open() && worker.parked && worker.is_idle())
    }

    pub(super) fn can_be_placed(&self, item: ItemId) -> bool {
        if self.items.class(item) == Class::Command || self.may_start_worker() {
            return true;
        }
        if let Some(suspicion) = self.suspicions.get(&item).filter(|suspicion| suspicion.alone) {
            return suspicion.exclusive || self.can_replace_idle_worker();
        }
        self.worker_of_crate(item).is_some() || self.parked_worker().is_some()
    }

    /// Whether an item needs a fresh worker to fit into the free memory. A worker that has run
    /// other items does not return all their memory, and a large item justifies the start of a
    /// process. (With 1.04 times the memory that it needs, a fat link succeeded in 1 of 6 builds in
    /// a worker that had run the units, and in 4 of 6 in a fresh one.) The budget does not matter
    /// here, because the kernel does not enforce it.
    pub(super) fn wants_fresh_worker(&self, item: ItemId) -> bool {
        let need = self.items.need(item).begin;
        let is_large = need >= WORKER_BASELINE && self.items.class(item) != Class::Command;
        is_large && need > self.ledger.free_by_headroom()
    }

    /// Gives a ready item, with the rest of its plan, to a process, if memory suffices. Returns
    /// whether that used a free slot.
    pub(super) fn place(&mut self, item: ItemId) -> bool {
        let need = self.items.need(item).begin;
        if self.items.class(item) == Class::Command {
            // If it may run only because nothing else does, it may lack the memory that idle
            // workers keep.
            let lacks_room = self.ledger.is_idle() && need > self.ledger.free();
            if (lacks_room || self.is_exclusive(item)) && !self.close_idle() {
                return self.wait_for_idle_exit(item);
            }
            if !self.lease(ChildId::Command(item), item, need, Bytes::ZERO, Purpose::Beginning) {
                return false;
            }
            self.items.set(item, State::Running(None));
            self.actions.push_back(Action::RunCommand(item));
            return true;
        }
        if self.is_suspect(item) {
            return self.place_alone(item);
        }
        if self.wants_fresh_worker(item) {
            if !self.ledger.is_idle() {
                // It waits outside of the running workers, which are not fresh.
                return self.lease(
                    ChildId::Worker(self.workers.next()),
                    item,
                    need,
                    Bytes::ZERO,
                    Purpose::Beginning,
                );
            }
            if !self.close_idle() {
                return self.wait_for_idle_exit(item);
            }
        }
        if let Some(worker) = self.worker_of_crate(item) {
            // Uses no slot: the item now waits inside the worker, which asks for a token for it.
            self.send_plan(worker, item);
            return false;
        }
        if let Some(worker) = self.parked_worker() {
            if !self.lease(ChildId::Worker(worker), item, need, Bytes::ZERO, Purpose::Beginning) {
                return false;
            }
            self.lend_slot(worker);
            self.send_plan(worker, item);
            self.grant_to_begin(worker, item);
            return true;
        }
        // If memory is short, another thread in a running worker saves the baseline of a process.
        let is_short =
            !self.denied.is_empty() || need.saturating_add(WORKER_BASELINE) > self.ledger.free();
        if is_short && let Some(worker) = self.least_given_worker() {
            self.send_plan(worker, item);
            return false;
        }
        self.start_worker_for(item, false)
    }

    /// The lease that `place` would request: for which child, and how many bytes.
    pub(super) fn lease_to_begin(&self, item: ItemId) -> (ChildId, Bytes) {
        let need = self.items.need(item).begin;
        if self.items.class(item) == Class::Command {
            return (ChildId::Command(item), need);
        }
        let needs_worker = self.is_suspect(item) || self.wants_fresh_worker(item);
        let worker = self.worker_of_crate(item).or_else(|| self.parked_worker());
        match worker.or_else(|| self.least_given_worker()).filter(|_| !needs_worker) {
            Some(worker) => (ChildId::Worker(worker), need),
            None => (ChildId::Worker(self.workers.next()), need.saturating_add(WORKER_BASELINE)),
        }
    }

    pub(super) fn place_alone(&mut self, item: ItemId) -> bool {
        if self.is_exclusive(item) {
            if !self.close_idle() {
                return self.wait_for_idle_exit(item);
            }
        } else if !self.may_start_worker() {
            let idle = self.idle_worker().expect("can_be_placed found one");
            self.close(idle);
            return false;
        }
        self.start_worker_for(item, true)
    }

    pub(super) fn is_exclusive(&self, item: ItemId) -> bool {
        self.suspicions.get(&item).is_some_and(|suspicion| suspicion.exclusive)
    }

    /// Frees the memory that idle workers keep: closes those without items, and purges those that
    /// have items and run none. Returns whether all closed workers have ended.
    pub(super) fn close_idle(&mut self) -> bool {
        let waits = |worker: &Worker| {
            worker.is_open() && worker.given.running().is_empty() && !worker.is_idle()
        };
        let waiting: Vec<WorkerId> =
            self.workers.iter().filter(|(_, worker)| waits(worker)).map(|(ix, _)| ix).collect();
        self.actions.extend(waiting.into_iter().map(Action::Purge));
        while let Some(idle) = self.idle_worker() {
            self.close(idle);
        }
        !self.is_closing_workers()
    }

    /// Makes the item wait until closed workers have ended. No other item begins until then,
    /// because it would use the memory again. Returns whether that used a slot, as `place` does:
    /// no.
    pub(super) fn wait_for_idle_exit(&mut self, item: ItemId) -> bool {
        self.waits_for_idle_exit = true;
        let need = self.items.need(item).begin;
        self.denied.push((item, Denied { need, free: self.ledger.free(), kept_for: None }));
        false
    }

    pub(super) fn start_worker_for(&mut self, item: ItemId, alone: bool) -> bool {
        let worker = self.workers.next();
        let process = ChildId::Worker(worker);
        let need = self.items.need(item).begin;
        let fresh = alone || self.wants_fresh_worker(item);
        if !self.lease(process, item, need, WORKER_BASELINE, Purpose::Beginning) {
            return false;
        }
        self.ledger.add_process(process, WORKER_BASELINE);
        self.workers.start(alone);
        self.actions.push_back(Action::StartWorker { worker, fresh });
        if alone {
            self.give(worker, &[item]);
        } else {
            self.send_plan(worker, item);
        }
        self.grant_to_begin(worker, item);
        true
    }

    /// Passes on the lease to begin the item, which the ledger has granted.
    pub(super) fn grant_to_begin(&mut self, worker: WorkerId, item: ItemId) {
        self.grant(worker, item, self.items.need(item).begin);
    }

    pub(super) fn lend_slot(&mut self, worker: WorkerId) {
        self.workers[worker].parked = false;
        self.actions.push_back(Action::LendSlot(worker));
    }

    pub(super) fn close(&mut self, worker: WorkerId) {
        self.close_as(worker, false);
    }

    fn close_as(&mut self, worker: WorkerId, spare: bool) {
        self.workers[worker].phase = Phase::Closing;
        self.actions.push_back(Action::CloseWorker { worker, spare });
    }

    pub(super) fn send_plan(&mut self, worker: WorkerId, first: ItemId) {
        let mut plan = self.items.plan_with(first);
        plan.retain(|item| {
            *item == first || !(self.is_suspect(*item) || self.wants_fresh_worker(*item))
        });
        // An archive is left out if some of its units run elsewhere.
        let in_plan = |items: &Items, ix: &ItemId, plan: &[ItemId]| {
            items.after(*ix).iter().all(|a| plan.contains(a) || items.state(*a).is_up_to_date())
        };
        let complete: Vec<ItemId> =
            plan.iter().copied().filter(|ix| in_plan(&self.items, ix, &plan)).collect();
        self.give(worker, &complete);
    }

    pub(super) fn give(&mut self, worker: WorkerId, plan: &[ItemId]) {
        let in_plan: BTreeSet<ItemId> = plan.iter().copied().collect();
        let mut items = Vec::with_capacity(plan.len());
        for item in plan {
            let rank = self.items.rank(*item);
            let after =
                self.items.after(*item).iter().copied().filter(|a| in_plan.contains(a)).collect();
            let memory = self.items.need(*item);
            let without_headers =
                self.suspicions.get(item).is_some_and(|suspicion| suspicion.without_headers);
            items.push(PlannedItem {
                item: *item,
                after,
                priority: rank.0.0,
                memory,
                without_headers,
            });
            self.items.set(*item, State::Given(worker));
            let unblocked = self.items.is_unblocked(*item);
            let heavy = self.items.class(*item) != Class::Archive;
            let krate = self.items.krate(*item);
            let worker = &mut self.workers[worker];
            worker.given.add(rank, heavy, unblocked);
            *worker.crates.entry(krate).or_default() += 1;
        }
        self.actions.push_back(Action::SendPlan { worker, items });
    }

    pub(super) fn send_plans_ahead(&mut self) {
        if self.mode != SchedulerMode::Building {
            return;
        }
        let needs_more = |worker: &Worker| {
            worker.is_open() && !worker.parked && worker.given.heavy_unstarted() == 0
        };
        let mut about_to_idle: Vec<WorkerId> = self
            .workers
            .iter()
            .filter(|(_, worker)| needs_more(worker))
            .map(|(ix, _)| ix)
            .collect();
        // Idle ones come first.
        about_to_idle.sort_by_key(|ix| !self.workers[*ix].is_idle());
        for worker in about_to_idle {
            let movable = |item: &ItemId| {
                self.items.class(*item) != Class::Command && !self.is_suspect(*item)
            };
            let Some(item) = self.waiting().find(movable) else { return };
            if self.wants_fresh_worker(item) {
                return;
            }
            self.send_plan(worker, item);
        }
    }

    /// Closes idle workers if every unfinished item is in a worker or runs, since no plan can
    /// follow for them. Also if an item waits for memory and another worker, which can be given all
    /// plans, is busy.
    pub(super) fn close_idle_workers(&mut self) {
        if self.mode == SchedulerMode::Finished {
            return;
        }
        let idle = |worker: &Worker| {
            worker.parked && worker.is_idle() && matches!(worker.phase, Phase::Starting | Phase::Up)
        };
        let works = |worker: &Worker| worker.is_open() && !worker.is_idle();
        let is_short = !self.denied.is_empty() && self.workers.find(works).is_some();
        if self.items.unassigned() > 0 && !is_short {
            return;
        }
        while let Some(worker) = self.workers.find(idle) {
            self.close_as(worker, !is_short && !self.workers[worker].alone);
        }
    }
}
