//! How items end, and what follows: dependents that may begin or never will, workers that are gone,
//! items that run again.
//!
//! Results that a worker reported before it died are kept. An item that was running when its worker
//! was killed for memory is *exclusive* from then on: it runs again in a fresh worker, with twice
//! its estimate and nothing else beside it. If that is killed as well, the item has failed.

use super::super::action::{Action, Death, Verdict};
use super::super::items::State;
use super::super::task::Class;
use super::super::workers::Worker;
use super::{Mode, Scheduler};
use crate::keys::{ChildId, ItemIx, WorkerId};
use tender_protocol::Outcome;

impl Scheduler {
    pub(super) fn finished(&mut self, item: ItemIx, outcome: Outcome) {
        if self.items.state(item).is_final() {
            return;
        }
        self.runs_no_more(item);
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

    /// Whoever ran it lives, or was no worker.
    pub(super) fn out_of_memory(&mut self, item: ItemIx) {
        if self.items.state(item).is_final() {
            return;
        }
        self.runs_no_more(item);
        if self.is_exclusive(item) {
            self.blame(item, Verdict::OutOfMemory)
        } else {
            self.try_alone(item, true)
        }
    }

    pub(super) fn runs_no_more(&mut self, item: ItemIx) {
        let state = self.items.state(item);
        if state == State::Running(None) {
            self.ledger.remove_process(ChildId::Command(item));
        }
        if let State::Given(worker) | State::Running(Some(worker)) = state {
            self.take_back(worker, item);
            if self.workers[worker].alone && self.workers[worker].is_idle() {
                self.close(worker);
            }
        }
    }

    /// The worker no longer has the item.
    pub(super) fn take_back(&mut self, ix: WorkerId, item: ItemIx) {
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

    pub(super) fn unblock_dependents(&mut self, item: ItemIx) {
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

    pub(super) fn fail(&mut self, item: ItemIx) {
        self.items.set(item, State::Failed);
        self.failed = true;
        self.skip_dependents(item);
        if !self.keep_going {
            self.drain();
        }
    }

    /// Skips all that come after `item` and that no worker has; a worker skips what it has by
    /// itself.
    pub(super) fn skip_dependents(&mut self, item: ItemIx) {
        let mut doomed = self.items.dependents(item).to_vec();
        while let Some(next) = doomed.pop() {
            if matches!(self.items.state(next), State::Blocked | State::Judging | State::Ready) {
                self.skip(next);
                doomed.extend_from_slice(self.items.dependents(next));
            }
        }
    }

    pub(super) fn skip(&mut self, item: ItemIx) {
        self.items.set(item, State::Skipped);
        self.actions.push_back(Action::Skip(item));
    }

    pub(super) fn drain(&mut self) {
        if self.mode != Mode::Building {
            return;
        }
        self.mode = Mode::Draining;
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
            // It drops the pieces that it has not started, too.
            self.workers[ix].cancelled = true;
            self.workers[ix].given.drop_parts();
            self.actions.push_back(Action::CancelPlans(ix));
        }
    }

    /// Whose fault was it? With one item in flight a crash is that item's. With several, each runs
    /// again alone, so that the guilty one convicts itself. A kill may be anyone's: each in flight
    /// gets one more chance, alone.
    pub(super) fn worker_gone(&mut self, ix: WorkerId, death: Death) {
        let in_flight: Vec<ItemIx> = self.workers[ix].given.in_flight().collect();
        let unstarted: Vec<ItemIx> = self.workers[ix].given.unstarted().collect();
        let was_of_use = self.workers[ix].was_of_use;
        for item in in_flight.iter().chain(&unstarted) {
            self.take_back(ix, *item);
        }
        self.workers.gone(ix);
        self.ledger.remove_process(ChildId::Worker(ix));
        for item in unstarted {
            let suspicion = self.suspicions.entry(item).or_default();
            suspicion.unstarted += u32::from(!was_of_use && death != Death::Closed);
            let often = suspicion.unstarted > 1;
            if often && !self.a_prerequisite_failed(item) {
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
                Death::Crashed if alone => self.blame(item, Verdict::Crashed),
                Death::Killed if suspicion.kills > 1 => self.blame(item, Verdict::KilledAgain),
                Death::OutOfMemory if was_exclusive => self.blame(item, Verdict::OutOfMemory),
                Death::Crashed | Death::Killed => self.try_alone(item, false),
                Death::OutOfMemory => self.try_alone(item, true),
            }
        }
    }

    /// The item runs again, in a fresh worker; for memory with twice its estimate, and with nothing
    /// else running.
    pub(super) fn try_alone(&mut self, item: ItemIx, for_memory: bool) {
        let suspicion = self.suspicions.entry(item).or_default();
        suspicion.alone = true;
        if for_memory {
            suspicion.exclusive = true;
            self.items.double_need(item);
        }
        if self.mode == Mode::Building {
            self.actions.push_back(Action::Retry(item));
        }
        self.requeue(item);
    }

    pub(super) fn requeue(&mut self, item: ItemIx) {
        if self.mode != Mode::Building || self.a_prerequisite_failed(item) {
            self.skip(item);
            self.skip_dependents(item);
        } else if self.items.class(item) == Class::Archive {
            // It was never judged by itself, and what it waits for may now be made elsewhere.
            self.items.set(item, State::Blocked);
            self.judge_if_unblocked(item);
        } else {
            self.items.set(item, State::Ready);
        }
    }

    pub(super) fn a_prerequisite_failed(&self, item: ItemIx) -> bool {
        let after = self.items.after(item);
        after
            .iter()
            .any(|before| matches!(self.items.state(*before), State::Failed | State::Skipped))
    }

    pub(super) fn blame(&mut self, item: ItemIx, verdict: Verdict) {
        self.actions.push_back(Action::Blame { item, verdict });
        self.fail(item);
    }
}
