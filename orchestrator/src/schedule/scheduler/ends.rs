//! Handles the ends of items and workers: dependents are unblocked or skipped, and items of a
//! worker that died are retried or fail.
//!
//! Results that a worker reported before it died are kept. An item that was running when its worker
//! was killed for memory is *exclusive* from then on: it is retried in a fresh worker, with twice
//! its estimate, while nothing else runs. If that worker is killed as well, the item fails.

use super::super::action::{Action, Death, Verdict};
use super::super::items::State;
use super::super::task::Class;
use super::super::workers::Worker;
use super::{Scheduler, SchedulerMode};
use crate::keys::{ChildId, ItemId, WorkerId};
use tender_protocol::Outcome;

impl Scheduler {
    pub(super) fn finished(&mut self, item: ItemId, outcome: Outcome) {
        if self.items.state(item).is_final() {
            return;
        }
        self.remove_from_process(item);
        match outcome {
            Outcome::Ok => {
                self.items.set(item, State::Built);
                self.unblock_dependents(item);
            }
            Outcome::Failed => self.fail(item),
            Outcome::Skipped => {
                self.items.set(item, State::Skipped);
                self.skip_dependents(item);
            }
        }
    }

    /// The program that ran the item was killed for memory; its worker, if it has one, still runs.
    pub(super) fn out_of_memory(&mut self, item: ItemId) {
        if self.items.state(item).is_final() {
            return;
        }
        self.remove_from_process(item);
        if self.is_exclusive(item) {
            self.blame(item, Verdict::OutOfMemory)
        } else {
            self.try_alone(item, true)
        }
    }

    pub(super) fn remove_from_process(&mut self, item: ItemId) {
        let state = self.items.state(item);
        if state == State::Running(None) {
            self.ledger.remove_process(ChildId::Command(item));
        }
        if let State::Given(worker) | State::Running(Some(worker)) = state {
            self.remove_from_worker(worker, item);
            if self.workers[worker].alone && self.workers[worker].is_idle() {
                self.close(worker);
            }
        }
    }

    /// Removes the item from the worker, with its lease.
    pub(super) fn remove_from_worker(&mut self, ix: WorkerId, item: ItemId) {
        let krate = self.items.krate(item);
        let worker = &mut self.workers[ix];
        self.ledger.release(ChildId::Worker(ix), item);
        worker.given.remove(item);
        let of_crate = worker.crates.get_mut(&krate).expect("counted when it was given");
        *of_crate -= 1;
        if *of_crate == 0 {
            worker.crates.remove(&krate);
        }
    }

    pub(super) fn unblock_dependents(&mut self, item: ItemId) {
        for dependent in self.items.dependents(item).to_vec() {
            if !self.items.is_unblocked(dependent) {
                continue;
            }
            if let State::Given(worker) = self.items.state(dependent) {
                self.workers[worker].given.unblock(dependent);
            }
            self.judge_if_unblocked(dependent);
        }
    }

    pub(super) fn fail(&mut self, item: ItemId) {
        self.items.set(item, State::Failed);
        if self.items.is_optional(item) {
            return;
        }
        self.failed = true;
        self.skip_dependents(item);
        if !self.keep_going {
            self.drain();
        }
    }

    /// Skips all dependents of `item` that no worker has. A worker skips its own.
    pub(super) fn skip_dependents(&mut self, item: ItemId) {
        let mut doomed = self.items.dependents(item).to_vec();
        while let Some(next) = doomed.pop() {
            if matches!(self.items.state(next), State::Blocked | State::Judging | State::Ready) {
                self.skip(next);
                doomed.extend_from_slice(self.items.dependents(next));
            }
        }
    }

    pub(super) fn skip(&mut self, item: ItemId) {
        self.items.set(item, State::Skipped);
        self.actions.push_back(Action::Skip(item));
    }

    pub(super) fn drain(&mut self) {
        if self.mode != SchedulerMode::Building {
            return;
        }
        self.mode = SchedulerMode::Draining;
        self.to_judge.clear();
        for item in self.items.all() {
            if matches!(self.items.state(item), State::Blocked | State::Judging | State::Ready) {
                self.skip(item);
            }
        }
        let has_unstarted = |worker: &Worker| worker.given.unstarted().next().is_some();
        let to_cancel: Vec<WorkerId> = self
            .workers
            .iter()
            .filter(|(_, worker)| has_unstarted(worker))
            .map(|(ix, _)| ix)
            .collect();
        for ix in to_cancel {
            // The worker also discards pieces that it has not started.
            self.workers[ix].cancelled = true;
            self.workers[ix].given.drop_parts();
            self.actions.push_back(Action::CancelPlans(ix));
        }
    }

    /// Decides which items of a worker that has ended fail, and which run again. If one item was
    /// running, it caused the crash. Of several, each is retried alone, so that the faulty one
    /// crashes again. A kill may have any cause: each running item is retried once, alone.
    pub(super) fn worker_ended(&mut self, ix: WorkerId, death: Death) {
        let in_flight: Vec<ItemId> = self.workers[ix].given.in_flight().collect();
        let unstarted: Vec<ItemId> = self.workers[ix].given.unstarted().collect();
        let has_started_any = self.workers[ix].has_started_any;
        for item in in_flight.iter().chain(&unstarted) {
            self.remove_from_worker(ix, *item);
        }
        self.workers.end(ix);
        self.ledger.remove_process(ChildId::Worker(ix));
        for item in unstarted {
            let suspicion = self.suspicions.entry(item).or_default();
            suspicion.unstarted += u32::from(!has_started_any && death != Death::Closed);
            let is_repeated = suspicion.unstarted > 1;
            if is_repeated && !self.a_prerequisite_failed(item) {
                self.blame(item, Verdict::NeverStarted);
            } else {
                self.requeue(item);
            }
        }
        let alone = in_flight.len() == 1;
        for item in in_flight {
            let suspicion = self.suspicions.entry(item).or_default();
            let was_exclusive = suspicion.exclusive;
            suspicion.kills += u32::from(death == Death::Killed);
            match death {
                Death::Closed => self.requeue(item),
                // Perhaps clang cannot do with shared headers what it can do without.
                Death::Crashed
                    if alone && self.items.uses_headers(item) && !suspicion.without_headers =>
                {
                    suspicion.without_headers = true;
                    self.try_alone(item, false);
                }
                Death::Crashed if alone => self.blame(item, Verdict::Crashed),
                Death::Killed if suspicion.kills > 1 => self.blame(item, Verdict::KilledAgain),
                Death::OutOfMemory if was_exclusive => self.blame(item, Verdict::OutOfMemory),
                Death::Crashed | Death::Killed => self.try_alone(item, false),
                Death::OutOfMemory => self.try_alone(item, true),
            }
        }
    }

    /// Retries the item in a fresh worker. If it was killed for memory, with twice its estimate,
    /// and while nothing else runs.
    pub(super) fn try_alone(&mut self, item: ItemId, for_memory: bool) {
        let suspicion = self.suspicions.entry(item).or_default();
        suspicion.alone = true;
        if for_memory {
            suspicion.exclusive = true;
            self.items.double_need(item);
        }
        if self.mode == SchedulerMode::Building {
            self.actions.push_back(Action::Retry(item));
        }
        self.requeue(item);
    }

    pub(super) fn requeue(&mut self, item: ItemId) {
        if self.mode != SchedulerMode::Building || self.a_prerequisite_failed(item) {
            self.skip(item);
            self.skip_dependents(item);
        } else if self.items.class(item) == Class::Archive {
            // It was not judged, because its plan followed from its units. Other workers may make
            // the units now.
            self.items.set(item, State::Blocked);
            self.judge_if_unblocked(item);
        } else {
            self.items.set(item, State::Ready);
        }
    }

    pub(super) fn a_prerequisite_failed(&self, item: ItemId) -> bool {
        let after = self.items.after(item);
        after
            .iter()
            .any(|before| matches!(self.items.state(*before), State::Failed | State::Skipped))
    }

    pub(super) fn blame(&mut self, item: ItemId, verdict: Verdict) {
        self.actions.push_back(Action::Blame { item, verdict });
        self.fail(item);
    }
}
