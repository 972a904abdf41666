//! Where an item goes that nobody has: to a worker that runs, to one that is idle, or to a process
//! of its own; and which idle ones leave.

use super::super::action::{Action, PlannedItem};
use super::super::items::{Items, State};
use super::super::task::Class;
use super::super::workers::{Phase, Worker};
use super::{Mode, Scheduler, WORKER_BASELINE};
use crate::keys::{ChildId, ItemIx, WorkerId};
use crate::memory::{Denied, Purpose};
use std::collections::BTreeSet;

impl Scheduler {
    pub(super) fn is_suspect(&self, item: ItemIx) -> bool {
        self.suspicions.get(&item).is_some_and(|suspicion| suspicion.alone)
    }

    pub(super) fn may_start_worker(&self) -> bool {
        self.workers.live() < self.slots
    }

    pub(super) fn worker_of_crate(&self, item: ItemIx) -> Option<WorkerId> {
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

    /// An idle worker can leave for a fresh one. One at a time: the one that leaves now counts
    /// until it is gone.
    pub(super) fn can_make_room(&self) -> bool {
        self.idle_worker().is_some() && !self.is_closing_workers()
    }

    pub(super) fn is_closing_workers(&self) -> bool {
        self.workers.find(|worker| worker.phase == Phase::Closing).is_some()
    }

    pub(super) fn idle_worker(&self) -> Option<WorkerId> {
        self.workers.find(|worker| worker.is_open() && worker.parked && worker.is_idle())
    }

    pub(super) fn can_be_placed(&self, item: ItemIx) -> bool {
        if self.items.class(item) == Class::Command || self.may_start_worker() {
            return true;
        }
        if let Some(suspicion) = self.suspicions.get(&item).filter(|suspicion| suspicion.alone) {
            return suspicion.exclusive || self.can_make_room();
        }
        self.worker_of_crate(item).is_some() || self.parked_worker().is_some()
    }

    /// A worker that has run others does not give back all of what they took. A large item is worth
    /// the start of a process, and may have no other way to fit into what there is: with 1.04 times
    /// what it needs, a fat link succeeded in 1 of 6 builds in a worker that had run the units, and
    /// in 4 of 6 in a fresh one. Beyond a budget alone nobody is killed.
    pub(super) fn wants_fresh_worker(&self, item: ItemIx) -> bool {
        let need = self.items.need(item).begin;
        let is_large = need >= WORKER_BASELINE && self.items.class(item) != Class::Command;
        is_large && need > self.ledger.free_by_headroom()
    }

    /// Gives a ready item, with what goes along, to somebody, if memory suffices for it. Returns
    /// whether that took a free slot.
    pub(super) fn place(&mut self, item: ItemIx) -> bool {
        let need = self.items.need(item).begin;
        if self.items.class(item) == Class::Command {
            // Where it runs only because nothing else does, what idle workers keep may be what it
            // lacks.
            let lacks_room = self.ledger.is_idle() && need > self.ledger.free();
            if (lacks_room || self.is_exclusive(item)) && !self.close_idle() {
                return self.wait_for_room(item);
            }
            if !self.lease(ChildId::Command(item), item, need, 0, Purpose::Beginning) {
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
                // It waits outside of the workers that run: they are not fresh.
                return self.lease(
                    ChildId::Worker(self.workers.next()),
                    item,
                    need,
                    0,
                    Purpose::Beginning,
                );
            }
            if !self.close_idle() {
                return self.wait_for_room(item);
            }
        }
        if let Some(worker) = self.worker_of_crate(item) {
            // Takes no slot by itself: the item now waits inside the worker, and competes from
            // there.
            self.send_plan(worker, item);
            return false;
        }
        if let Some(worker) = self.parked_worker() {
            if !self.lease(ChildId::Worker(worker), item, need, 0, Purpose::Beginning) {
                return false;
            }
            self.lend_slot(worker);
            self.send_plan(worker, item);
            self.tell_lease(worker, item);
            return true;
        }
        // A process of its own would take memory that others wait for, or that itself could use.
        // Threads do as well.
        let is_short =
            !self.denied.is_empty() || need.saturating_add(WORKER_BASELINE) > self.ledger.free();
        if is_short && let Some(worker) = self.least_given_worker() {
            self.send_plan(worker, item);
            return false;
        }
        self.start_worker_for(item, false)
    }

    /// What `place` would ask the ledger for: for which child, and how many bytes.
    pub(super) fn lease_to_begin(&self, item: ItemIx) -> (ChildId, u64) {
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

    pub(super) fn place_alone(&mut self, item: ItemIx) -> bool {
        if self.is_exclusive(item) {
            if !self.close_idle() {
                return self.wait_for_room(item);
            }
        } else if !self.may_start_worker() {
            let idle = self.idle_worker().expect("can_be_placed found one");
            self.close(idle);
            return false;
        }
        self.start_worker_for(item, true)
    }

    pub(super) fn is_exclusive(&self, item: ItemIx) -> bool {
        self.suspicions.get(&item).is_some_and(|suspicion| suspicion.exclusive)
    }

    /// What idle workers keep of what has ended is memory too. Those that were given something live
    /// on, and give back what they can. Returns whether the others are gone.
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

    /// Idle workers were told to close. Until they are gone nobody else begins, who would keep as
    /// much again. Returns whether that took a slot, as `place` does.
    pub(super) fn wait_for_room(&mut self, item: ItemIx) -> bool {
        self.makes_room = true;
        let need = self.items.need(item).begin;
        self.denied.push((item, Denied { need, free: self.ledger.free(), kept_for: None }));
        false
    }

    pub(super) fn start_worker_for(&mut self, item: ItemIx, alone: bool) -> bool {
        let worker = self.workers.next();
        let process = ChildId::Worker(worker);
        let need = self.items.need(item).begin;
        if !self.lease(process, item, need, WORKER_BASELINE, Purpose::Beginning) {
            return false;
        }
        self.ledger.add_process(process, WORKER_BASELINE);
        self.workers.start(alone);
        self.actions.push_back(Action::StartWorker(worker));
        if alone {
            self.give(worker, &[item]);
        } else {
            self.send_plan(worker, item);
        }
        self.tell_lease(worker, item);
        true
    }

    /// The ledger has granted it.
    pub(super) fn tell_lease(&mut self, worker: WorkerId, item: ItemIx) {
        self.grant(worker, item, self.items.need(item).begin);
    }

    pub(super) fn lend_slot(&mut self, worker: WorkerId) {
        self.workers[worker].parked = false;
        self.actions.push_back(Action::LendSlot(worker));
    }

    pub(super) fn close(&mut self, worker: WorkerId) {
        self.workers[worker].phase = Phase::Closing;
        self.actions.push_back(Action::CloseWorker(worker));
    }

    pub(super) fn send_plan(&mut self, worker: WorkerId, first: ItemIx) {
        let mut plan = self.items.plan_with(first);
        plan.retain(|item| {
            *item == first || !(self.is_suspect(*item) || self.wants_fresh_worker(*item))
        });
        // Without those of its units that run elsewhere, an archive cannot go along.
        let in_plan = |items: &Items, ix: &ItemIx, plan: &[ItemIx]| {
            items.after(*ix).iter().all(|a| plan.contains(a) || items.state(*a).is_up_to_date())
        };
        let complete: Vec<ItemIx> =
            plan.iter().copied().filter(|ix| in_plan(&self.items, ix, &plan)).collect();
        self.give(worker, &complete);
    }

    pub(super) fn give(&mut self, worker: WorkerId, plan: &[ItemIx]) {
        let in_plan: BTreeSet<ItemIx> = plan.iter().copied().collect();
        let mut items = Vec::with_capacity(plan.len());
        for item in plan {
            let rank = self.items.rank(*item);
            let after =
                self.items.after(*item).iter().copied().filter(|a| in_plan.contains(a)).collect();
            let memory = self.items.need(*item);
            items.push(PlannedItem { item: *item, after, priority: rank.0.0, memory });
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

    pub(super) fn hand_plans_ahead(&mut self) {
        if self.mode != Mode::Building {
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
        // Those that have run out already come first.
        about_to_idle.sort_by_key(|ix| !self.workers[*ix].is_idle());
        for worker in about_to_idle {
            let movable = |item: &ItemIx| {
                self.items.class(*item) != Class::Command && !self.is_suspect(*item)
            };
            let Some(item) = self.waiting().find(movable) else { return };
            if self.wants_fresh_worker(item) {
                return;
            }
            self.send_plan(worker, item);
        }
    }

    /// Once everything that is left is in workers or on slots, idle processes only hold memory. So
    /// they do where others wait for memory, and one that works can be given what comes.
    pub(super) fn close_idle_workers(&mut self) {
        if self.mode == Mode::Finished {
            return;
        }
        let idle = |worker: &Worker| {
            worker.parked && worker.is_idle() && matches!(worker.phase, Phase::Starting | Phase::Up)
        };
        let works = |worker: &Worker| worker.is_open() && !worker.is_idle();
        let is_short = !self.denied.is_empty() && self.workers.find(works).is_some();
        if self.items.nobodys() > 0 && !is_short {
            return;
        }
        while let Some(worker) = self.workers.find(idle) {
            self.close(worker);
        }
    }
}
