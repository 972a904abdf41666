//! Memory: for which item or part a lease is requested next, and what follows when it is granted or
//! denied. The ledger has the account.

use super::super::action::Action;
use super::super::items::{Rank, State};
use super::super::workers::Worker;
use super::{AHEAD_US, MOST_AHEAD, MOST_DENIALS, Scheduler, SchedulerMode};
use crate::keys::{ChildId, ItemId, WorkerId};
use crate::memory::Purpose;
use tender_units::{Bytes, Micros};

impl Scheduler {
    /// If nothing runs, one part may run, however large it is. It is a part of an item that has
    /// begun, because that holds memory until it ends.
    pub(super) fn lease_for_what_has_begun(&mut self) {
        if !self.ledger.is_idle() {
            return;
        }
        let asked = |(ix, worker): (WorkerId, &Worker)| Some((worker.given.parts().next()?.0, ix));
        if let Some((rank, ix)) = self.workers.iter().filter_map(asked).min() {
            self.lease_in_worker(ix, rank);
        }
    }

    /// Grants leases to workers that have nothing to run on their implicit slot: they need no other
    /// slot.
    pub(super) fn lease_for_idle_slots(&mut self) {
        let is_idle = |worker: &Worker| {
            let given = &worker.given;
            let has_nothing = given.leased().is_empty() || !given.asked().is_empty();
            !worker.parked && given.running().is_empty() && has_nothing
        };
        let idle: Vec<WorkerId> =
            self.workers.iter().filter(|(_, worker)| is_idle(worker)).map(|(ix, _)| ix).collect();
        for ix in idle {
            let worker = &self.workers[ix];
            let asked = worker.given.asked().iter().find(|rank| self.may_ask(rank.1)).copied();
            if let Some(rank) = asked.or_else(|| worker.unleased(|item| self.may_ask(item))) {
                self.lease_in_worker(ix, rank);
            }
        }
    }

    /// Whether a lease for the item may be requested in this round.
    pub(super) fn may_ask(&self, item: ItemId) -> bool {
        let is_in_pieces = matches!(self.items.state(item), State::Running(_));
        let others_wait = || {
            self.exclusive().is_some_and(|(exclusive, may_start)| exclusive != item || !may_start)
        };
        !self.denied.iter().any(|(denied, _)| *denied == item)
            // Items that run have to end, however many others wait.
            && (is_in_pieces
                || (self.denied.len() < MOST_DENIALS
                    && self.mode == SchedulerMode::Building
                    && !self.waits_for_idle_exit
                    && !others_wait()))
    }

    /// The exclusive item that runs or is next, if there is one, and whether everything else has
    /// ended.
    pub(in crate::schedule) fn exclusive(&self) -> Option<(ItemId, bool)> {
        let open = self
            .suspicions
            .iter()
            .filter(|(_, suspicion)| suspicion.exclusive)
            .map(|(item, _)| *item);
        let mut open = open.filter(|item| !self.items.state(*item).is_final());
        // One that runs comes before those that wait.
        let runs =
            |item: &ItemId| matches!(self.items.state(*item), State::Given(_) | State::Running(_));
        let item = open
            .clone()
            .find(runs)
            .or_else(|| open.find(|item| self.items.state(*item) == State::Ready))?;
        Some((item, runs(&item) || self.ledger.is_empty()))
    }

    /// Whether what was just leased in the worker needs a slot in addition to its implicit one.
    pub(super) fn takes_token(&self, worker: WorkerId) -> bool {
        let Worker { parked, given, .. } = &self.workers[worker];
        let is_implicit_slot_unused = given.running().is_empty() && given.leased().len() <= 1;
        !parked && !is_implicit_slot_unused
    }

    /// Requests a lease for an item that the worker has, or for a piece of one that it runs.
    /// Returns whether it was granted.
    pub(super) fn lease_in_worker(&mut self, ix: WorkerId, rank: Rank) -> bool {
        let item = rank.1;
        let asked = self.workers[ix].given.parts_of(item).last().copied();
        let bytes = asked.unwrap_or(self.items.need(item).begin);
        let purpose = if asked.is_some() { Purpose::Continuation } else { Purpose::Beginning };
        if !self.lease(ChildId::Worker(ix), item, bytes, Bytes::ZERO, purpose) {
            return false;
        }
        self.grant(ix, item, bytes);
        true
    }

    /// Passes on a lease that the ledger has granted.
    pub(super) fn grant(&mut self, worker: WorkerId, item: ItemId, bytes: Bytes) {
        self.workers[worker].given.grant(item, bytes);
        self.actions.push_back(Action::Lease { worker, item, bytes });
    }

    pub(super) fn lease(
        &mut self,
        process: ChildId,
        item: ItemId,
        bytes: Bytes,
        baseline: Bytes,
        purpose: Purpose,
    ) -> bool {
        match self.ledger.lease(process, item, bytes, baseline, purpose) {
            Ok(()) => true,
            Err(denied) => {
                self.denied.push((item, denied));
                false
            }
        }
    }

    /// Finds the most urgent items and parts that would be denied a lease, although no slot was
    /// free for them. So no offer is withdrawn and no token is borrowed for them.
    pub(super) fn note_denials(&mut self) {
        let mut waiting: Vec<(Rank, ChildId, Bytes, Purpose)> = Vec::new();
        for (ix, worker) in self.workers.iter() {
            let child = ChildId::Worker(ix);
            let begins = worker.given.waiting().iter();
            waiting.extend(
                begins
                    .filter(|rank| self.may_ask(rank.1))
                    .take(MOST_DENIALS)
                    .map(|rank| (*rank, child, self.items.need(rank.1).begin, Purpose::Beginning)),
            );
            let parts = worker.given.parts().filter(|(rank, _)| self.may_ask(rank.1));
            waiting.extend(parts.filter_map(|(rank, parts)| {
                Some((rank, child, *parts.last()?, Purpose::Continuation))
            }));
        }
        let unassigned = self.items.ready().filter(|(_, item)| self.is_wanted(*item));
        for rank in unassigned.take(MOST_DENIALS) {
            let (child, bytes) = self.lease_to_begin(rank.1);
            waiting.push((rank, child, bytes, Purpose::Beginning));
        }
        waiting.sort_by_key(|(rank, ..)| *rank);
        for ((_, item), child, bytes, purpose) in waiting {
            if self.may_ask(item) && !self.ledger.would_grant(item, bytes, purpose) {
                self.lease(child, item, bytes, Bytes::ZERO, purpose);
            }
        }
    }

    /// Grants leases to busy workers before they have a slot, to save a round trip.
    pub(super) fn lease_ahead(&mut self) {
        if self.mode != SchedulerMode::Building || self.exclusive().is_some() {
            return;
        }
        let busy: Vec<WorkerId> = self
            .workers
            .iter()
            .filter(|(_, worker)| !worker.given.running().is_empty())
            .map(|(ix, _)| ix)
            .collect();
        for ix in busy {
            loop {
                let given = &self.workers[ix].given;
                let leased = given.leased();
                let ahead_us: Micros = leased.iter().map(|rank| self.items.cost_us(rank.1)).sum();
                let is_enough = ahead_us >= AHEAD_US || leased.len() >= MOST_AHEAD;
                let next = given.waiting().first().copied();
                let Some(rank) = next.filter(|_| !is_enough) else { break };
                let need = self.items.need(rank.1).begin;
                if !self.ledger.has_room_ahead(need) || !self.lease_in_worker(ix, rank) {
                    break;
                }
            }
        }
    }

    pub(super) fn lease_wanted(&mut self, ix: WorkerId, item: ItemId, bytes: Bytes) {
        let worker = &mut self.workers[ix];
        if self.items.state(item) != State::Running(Some(ix)) {
            worker.given.ask_to_begin(item);
        } else if !worker.cancelled {
            let bytes = if bytes == Bytes::ZERO { self.items.need(item).piece } else { bytes };
            worker.given.ask_for_part(item, bytes);
        }
    }
}
