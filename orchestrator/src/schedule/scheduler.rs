//! The policy: who gets a free slot.
//!
//! The *priority* of an item is the length of the longest path from it to the end of the build, by
//! the times of earlier builds, or else by the sizes of sources. A *plan* is the items of one crate
//! that are ready together, with the archive that follows them; a link is a plan by itself.
//!
//! A free slot goes to the most urgent item that can start, wherever it is:
//!
//! - in a running worker that has its implicit slot: that worker is given a token, if it wishes for
//!   one;
//! - in a worker that parked its implicit slot: the slot is lent to it again;
//! - with nobody: its plan goes to the worker that has other items of its crate, else to a parked
//!   worker, else to a new process, of which there are never more than slots; where memory is
//!   short, to a worker that runs rather than to a new process. A `[[generate]]` command just
//!   starts.
//!
//! So the engine asks [`Scheduler::next_claim`] until no slot is free or nobody has a use for one.
//! No slot stays free while an item can start, with one exception: a slot is kept in this round for
//! a worker that is starting and was given more urgent items than any other, or that has just been
//! granted the lease for one, and is about to wish for a token.
//!
//! **Memory.** Nothing starts without a lease from the ledger, and a lease comes before a slot: an
//! item that waits for memory waits outside of any process, or inside a worker where it is no
//! reason for a token. With nothing else to do a worker is leased one or two items ahead, so that
//! it need not wait for a round trip, but only where memory is plenty. A large item that does not
//! fit beside anything waits outside of the workers that run, until nothing does, and gets a new
//! process.
//!
//! **Plans ahead.** A worker that runs the last of its items is given its next plan before it asks,
//! if all slots are in use; it starts on it without a round trip. Nothing is lost if another slot
//! gets free first: what waits inside a worker is known as a wish for tokens. This is what makes
//! many small crates fast.
//!
//! Here are the state, the questions and the rounds; `leases` asks for memory, `place` finds items
//! a process, `ends` knows what follows when something has ended.

mod ends;
mod leases;
mod place;

use super::action::{Action, Claim, Event};
use super::items::{Items, Rank, State};
use super::need::Need;
use super::task::Task;
use super::workers::{Phase, Worker, Workers};
use crate::keys::{ChildId, ItemIx, WorkerId};
use crate::memory::{Denied, Ledger};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Building,
    /// Starts nothing more and waits for what runs.
    Draining,
    Finished,
}

/// What a worker process uses with nothing to do, bytes: LLVM's tables, and what is left of items
/// once the allocator has given back what it can. (Measured between items: 11 to 13 MiB at first,
/// 14 to 17 after thirty.)
pub const WORKER_BASELINE: u64 = 16 << 20;

/// How many items are asked for that memory does not suffice for, before a round gives up: those
/// that wait are many.
const MOST_DENIALS: usize = 8;

/// Items are leased ahead until those that a worker has not begun are expected to take so long,
/// microseconds: news of an item's end may be on the way for 5 ms.
const AHEAD_US: u64 = 15_000;
const MOST_AHEAD: usize = 16;

/// What became of workers that had an item, when it was not the item's proven fault.
#[derive(Clone, Copy, Default)]
struct Suspicion {
    /// Runs alone in a fresh worker.
    alone: bool,
    /// And nothing else runs at all.
    exclusive: bool,
    kills: u32,
    /// Workers that were given it and ended before they ran anything.
    unstarted: u32,
}

pub struct Scheduler {
    items: Items,
    workers: Workers,
    slots: u32,
    keep_going: bool,
    mode: Mode,
    suspicions: BTreeMap<ItemIx, Suspicion>,
    to_judge: VecDeque<ItemIx>,
    actions: VecDeque<Action>,
    /// An item failed, or the build was cancelled.
    failed: bool,
    ledger: Ledger,
    /// Items that were denied a lease in the last round, most urgent first.
    denied: Vec<(ItemIx, Denied)>,
    /// An item waits until idle workers are gone.
    makes_room: bool,
    /// In this round leases may be granted.
    may_grant: bool,
    /// Slots that are kept in this round for workers that are about to ask for them.
    kept: u32,
}

/// Where the next free slot goes.
enum Claimant {
    /// A token for the worker, which wishes for it.
    Token(WorkerId),
    /// A slot is kept for the worker, which is about to wish for a token.
    Kept(WorkerId),
    ParkedSlot(WorkerId),
    Nobodys(ItemIx),
    /// Memory first.
    Lease(WorkerId, Rank),
}

/// Less urgent than any item.
const LEAST: Rank = (Reverse(0), ItemIx(u32::MAX));

impl Scheduler {
    /// `tasks` stand in topological order, `ItemIx` is their index; `slots` is at least 1.
    pub fn new(tasks: Vec<Task>, slots: u32, keep_going: bool) -> Scheduler {
        let mut scheduler = Scheduler {
            items: Items::new(tasks),
            workers: Workers::default(),
            slots: slots.max(1),
            keep_going,
            mode: Mode::Building,
            suspicions: BTreeMap::new(),
            to_judge: VecDeque::new(),
            actions: VecDeque::new(),
            failed: false,
            ledger: Ledger::default(),
            denied: Vec::new(),
            makes_room: false,
            may_grant: true,
            kept: 0,
        };
        for ix in scheduler.items.all() {
            scheduler.judge_if_unblocked(ix);
        }
        scheduler.finish_if_done();
        scheduler
    }

    /// The next item of which to find out whether it is up to date; all that it comes after is.
    /// Answered by `Event::Judged`. Apart from the actions, because judging reads files: whoever
    /// does it may let actions overtake.
    pub fn next_to_judge(&mut self) -> Option<ItemIx> {
        self.to_judge.pop_front()
    }

    /// Who uses how much memory, as far as events have told.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Items that the worker has begun and not ended.
    pub fn running_in(&self, worker: WorkerId) -> Vec<ItemIx> {
        self.workers[worker].given.in_flight().collect()
    }

    /// The longest expected path from the item's start to the end of the build, microseconds.
    pub fn priority(&self, item: ItemIx) -> u64 {
        self.items.rank(item).0.0
    }

    /// Whether the item runs and has come in pieces, of which one at least was granted.
    pub fn is_in_pieces(&self, item: ItemIx) -> bool {
        let State::Running(Some(worker)) = self.items.state(item) else { return false };
        self.workers[worker].given.granted(item).len() > 1
    }

    pub fn need(&self, item: ItemIx) -> Need {
        self.items.need(item)
    }

    /// Items that could start but for memory, as far as was asked; most urgent first.
    pub fn denied(&self) -> &[(ItemIx, Denied)] {
        &self.denied
    }

    /// How many of `unused` slots are so only because memory is short, where leases for these items
    /// were denied and not granted since. (Not every round asks again.)
    pub fn short_of_memory(&self, unused: u32, waiting: &[ItemIx]) -> u32 {
        if self.exclusive().is_some() {
            return self.items.ready().take(unused as usize).count() as u32;
        }
        if waiting.len() >= MOST_DENIALS {
            // There are more that nobody asked for.
            return unused;
        }
        let parts = |item: &ItemIx| match self.items.state(*item) {
            State::Running(Some(worker)) => self.workers[worker].given.parts_of(*item).len().max(1),
            _ => 1,
        };
        let waiting: usize = waiting.iter().map(parts).sum();
        unused.min(u32::try_from(waiting).unwrap_or(unused))
    }

    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether `worker` may report on `item`: it was given it, and is not done with it.
    pub fn is_given(&self, worker: WorkerId, item: ItemIx) -> bool {
        self.workers[worker].given.contains(item)
    }

    /// All that the worker was given and is not done with.
    pub fn given_to(&self, worker: WorkerId) -> Vec<ItemIx> {
        self.workers[worker].given.items().collect()
    }

    pub fn has_to_judge(&self) -> bool {
        !self.to_judge.is_empty()
    }

    /// Items that could start if there were a slot, and were given to no worker; most urgent first.
    pub fn waiting(&self) -> impl Iterator<Item = ItemIx> + '_ {
        self.items.ready().map(|(_, ix)| ix)
    }

    /// How many tokens the worker is to have, those it holds included.
    pub fn granted_tokens(&self, worker: WorkerId) -> u32 {
        self.workers[worker].wish.granted()
    }

    /// How many more slots than are in use could be put to work at once, as far as is known whether
    /// memory suffices; counted up to `most`.
    pub fn wanted(&self, most: u32) -> u32 {
        let most = most as usize;
        let in_worker = |worker: &Worker| match self.mode {
            Mode::Building => worker.slots_wanted() + self.leases_wanted(worker, most),
            // Parts of what has begun run to their end.
            Mode::Draining | Mode::Finished => {
                worker.wish.unmet() as usize + self.leases_wanted(worker, most)
            }
        };
        let in_workers: usize = self.workers.iter().map(|(_, worker)| in_worker(worker)).sum();
        let nobodys = self.items.ready().filter(|(_, item)| self.is_wanted(*item));
        (in_workers + nobodys.take(most.saturating_sub(in_workers)).count()).min(most) as u32
    }

    /// How many items and parts in the worker may ask for a lease and were not denied one; up to
    /// `most` of each.
    fn leases_wanted(&self, worker: &Worker, most: usize) -> usize {
        let begins = worker.given.waiting().iter().filter(|rank| self.may_ask(rank.1)).take(most);
        let parts = worker.given.parts().filter(|(rank, _)| self.may_ask(rank.1));
        begins.count() + parts.flat_map(|(_, parts)| parts).take(most).count()
    }

    /// An item that nobody has could start if there were a slot, as far as is known.
    fn is_wanted(&self, item: ItemIx) -> bool {
        self.may_ask(item) && self.can_be_placed(item)
    }

    /// Starts nothing more; what runs is waited for, the rest is skipped. The build has failed.
    pub fn cancel(&mut self) {
        self.failed = true;
        self.drain();
        self.finish_if_done();
    }

    pub fn handle(&mut self, event: Event) {
        match event {
            Event::Judged { item, fresh } => self.judged(item, fresh),
            Event::WorkerHeard { worker } => {
                let worker = &mut self.workers[worker];
                worker.wish.is_ignored = false;
                if worker.phase == Phase::Starting {
                    worker.phase = Phase::Up;
                }
            }
            Event::WorkerWants { worker, tokens } => self.workers[worker].wish.tokens = tokens,
            Event::TokenIgnored { worker } => self.workers[worker].wish.is_ignored = true,
            Event::SlotsSpare => {
                self.workers.iter_mut().for_each(|worker| worker.wish.is_ignored = false);
            }
            Event::TokensOut { worker, tokens } => self.workers[worker].wish.out = tokens,
            Event::PortFull { worker } => {
                let wish = &mut self.workers[worker].wish;
                (wish.given, wish.out) = (wish.given - 1, wish.out - 1);
                wish.is_full = true;
            }
            Event::WorkerParked { worker } => self.workers[worker].parked = true,
            Event::WorkerGone { worker, death } => self.worker_gone(worker, death),
            Event::Started { worker, item } => self.started(worker, item),
            Event::LeaseWanted { worker, item, bytes } => self.lease_wanted(worker, item, bytes),
            Event::LeaseResized { worker, item, bytes, grants, parts } => {
                let granted = self.workers[worker].given.granted(item);
                let on_the_way = || granted.iter().skip(grants as usize);
                let bytes = on_the_way().fold(bytes, |sum, bytes| sum.saturating_add(*bytes));
                let parts = parts.saturating_add(on_the_way().count() as u32);
                self.ledger.resize(ChildId::Worker(worker), item, bytes, parts);
            }
            Event::MemoryRead { used, headroom, ceiling } => {
                for (process, bytes) in used {
                    self.ledger.measured(process, bytes);
                }
                self.ledger.set_headroom(headroom);
                self.ledger.set_ceiling(ceiling);
            }
            Event::Headroom { bytes } => self.ledger.set_headroom(bytes),
            Event::UsesAtLeast { worker, bytes } => {
                self.ledger.measured_at_least(ChildId::Worker(worker), bytes);
            }
            Event::Purged { worker, granted } => {
                self.ledger.purged(ChildId::Worker(worker), granted);
            }
            Event::OutOfMemory { item } => self.out_of_memory(item),
            Event::Finished { item, outcome } => self.finished(item, outcome),
        }
        self.finish_if_done();
    }

    /// Begins to give out slots. Whether leases may be granted now is `may_grant`; without them
    /// slots go to what has a lease already.
    pub fn begin_round(&mut self, may_grant: bool) {
        self.workers.iter_mut().for_each(|worker| worker.wish.begin_round());
        (self.kept, self.may_grant) = (0, may_grant);
        if may_grant {
            self.ledger.begin_round();
            self.denied.clear();
            self.makes_room &= self.is_closing_workers();
            self.lease_for_what_has_begun();
            self.lease_for_idle_slots();
        }
    }

    /// Decides what one of `free` slots is used for: that of the most urgent item that can start.
    /// None where there is no use for any of them, or those that are left are kept for workers that
    /// are about to ask for them.
    pub fn next_claim(&mut self, free: u32) -> Option<Claim> {
        while self.mode != Mode::Finished && free > self.kept {
            match self.most_urgent()? {
                Claimant::Token(worker) => {
                    let wish = &mut self.workers[worker].wish;
                    (wish.given, wish.out) = (wish.given + 1, wish.out + 1);
                    return Some(Claim::Token(worker));
                }
                Claimant::Kept(worker) => self.keep_slot(worker),
                Claimant::ParkedSlot(worker) => {
                    self.lend_slot(worker);
                    return Some(Claim::Action);
                }
                Claimant::Nobodys(item) => {
                    if self.place(item) {
                        return Some(Claim::Action);
                    }
                }
                Claimant::Lease(worker, rank) => {
                    if self.lease_in_worker(worker, rank) && self.takes_token(worker) {
                        self.keep_slot(worker);
                    }
                }
            }
        }
        None
    }

    /// Ends the round with `free` slots left: hands leases and plans ahead where all slots are in
    /// use, and closes workers that nothing is left for. `more` slots could be had besides those in
    /// use, if there were a use for them.
    pub fn end_round(&mut self, free: u32, more: u32) {
        if !self.may_grant || self.mode == Mode::Finished {
            return;
        }
        if free <= self.kept {
            self.lease_ahead();
            self.hand_plans_ahead();
        }
        if more > 0 {
            self.note_denials();
        }
        self.close_idle_workers();
    }

    fn keep_slot(&mut self, worker: WorkerId) {
        self.workers[worker].wish.kept += 1;
        self.kept += 1;
    }

    fn most_urgent(&self) -> Option<Claimant> {
        let mut best: Option<(Rank, Claimant)> = None;
        let mut consider = |rank: Rank, claimant: Claimant| {
            if best.as_ref().is_none_or(|(than, _)| rank < *than) {
                best = Some((rank, claimant));
            }
        };
        let grants = self.mode == Mode::Building && self.may_grant;
        for (ix, worker) in self.workers.iter() {
            match worker.given.leased().first().filter(|_| worker.parked) {
                Some(rank) if grants => consider(*rank, Claimant::ParkedSlot(ix)),
                // It has not said yet what it wants; what it was given counts all the same.
                _ if worker.phase == Phase::Starting && grants => {
                    let rank = worker.next_on_token();
                    rank.into_iter().for_each(|rank| consider(rank, Claimant::Kept(ix)));
                }
                _ if worker.wish.unmet() > 0 && !worker.wish.is_full => {
                    consider(worker.next_on_token().unwrap_or(LEAST), Claimant::Token(ix));
                }
                _ => {}
            }
            if self.may_grant
                && let Some(rank) = worker.unleased(|item| self.may_ask(item))
            {
                consider(rank, Claimant::Lease(ix, rank));
            }
        }
        if self.may_grant
            && let Some(rank) = self.items.ready().find(|(_, item)| self.is_wanted(*item))
        {
            consider(rank, Claimant::Nobodys(rank.1));
        }
        best.map(|(_, claimant)| claimant)
    }

    fn judge_if_unblocked(&mut self, item: ItemIx) {
        if self.mode == Mode::Building
            && self.items.state(item) == State::Blocked
            && self.items.is_unblocked(item)
        {
            self.items.set(item, State::Judging);
            self.to_judge.push_back(item);
        }
    }

    fn judged(&mut self, item: ItemIx, fresh: bool) {
        if self.items.state(item) != State::Judging {
            return;
        }
        if fresh {
            self.items.set(item, State::Fresh);
            self.unblock_dependents(item);
        } else {
            self.items.set(item, State::Ready);
        }
    }

    fn started(&mut self, ix: WorkerId, item: ItemIx) {
        if self.items.state(item) != State::Given(ix) {
            return;
        }
        self.items.set(item, State::Running(Some(ix)));
        let worker = &mut self.workers[ix];
        if worker.phase == Phase::Starting {
            worker.phase = Phase::Up;
        }
        worker.was_of_use = true;
        // A worker that does not wait for leases is taken as it is.
        if !worker.given.start(item) {
            self.ledger.force(ChildId::Worker(ix), item, self.items.need(item).begin);
        }
    }

    fn finish_if_done(&mut self) {
        if self.items.open() == 0 && self.mode != Mode::Finished {
            self.mode = Mode::Finished;
            self.actions.push_back(Action::Finish { success: !self.failed });
        }
    }
}
