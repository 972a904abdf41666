//! The policy: which item gets a free slot.
//!
//! The *priority* of an item is the length of the longest path from it to the end of the build, by
//! the times of earlier builds, or else by the sizes of sources. A *plan* is the items of one crate
//! that are ready together, with the archive that follows them; a link is a plan of its own.
//!
//! A free slot goes to the most urgent item that can start, wherever it is:
//!
//! - If it is in a worker that has its implicit slot, that worker is granted a token, if it has
//!   asked for one.
//! - If it is in a worker that parked its implicit slot, the slot is lent to it again.
//! - If it is in no worker, its plan goes to the worker that has other items of its crate, else to
//!   a parked worker, else to a new process. There are never more workers than slots. If memory is
//!   short, it goes to a running worker rather than to a new process. A `[[generate]]` command is
//!   started.
//!
//! The engine calls [`Scheduler::next_claim`] until no slot is free or none has a use. No slot
//! stays free while an item can start, with one exception: a slot is reserved in this round for a
//! worker that is starting and has the most urgent item, or that was just granted the lease for
//! one, and is about to ask for a token.
//!
//! **Memory.** Nothing starts without a lease from the ledger, and a lease is granted before a
//! slot. An item that waits for memory waits outside of any process, or inside a worker, which is
//! granted no token for it. A worker whose items all run is leased a few more ahead, so that it
//! does not wait for a round trip, but only if memory is plenty. A large item that does not fit
//! beside others is given to no running worker: it waits until nothing runs, and gets a new
//! process.
//!
//! **Plans ahead.** If all slots are in use, a worker that runs the last of its items is sent its
//! next plan, so that it starts on it without a round trip. If another slot becomes free first, the
//! worker asks for a token for the waiting item. This makes builds of many small crates fast.
//!
//! This file has the state, the queries and the rounds. `leases` requests memory, `place` finds a
//! process for an item, `ends` handles the ends of items and workers.

mod ends;
mod leases;
mod place;

use super::action::{Action, Claim, SchedulerEvent};
use super::items::{Items, Rank, State};
use super::need::Need;
use super::task::Task;
use super::workers::{Phase, Worker, Workers};
use crate::keys::{ChildId, ItemId, WorkerId};
use crate::memory::{Denied, Ledger};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet, VecDeque};
use tender_units::{Bytes, Micros};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SchedulerMode {
    Building,
    /// Starts nothing more, and waits until nothing runs.
    Draining,
    Finished,
}

/// What an idle worker process uses, bytes: LLVM's tables, and what its allocator cannot return.
/// (Measured between items: 11 to 13 MiB at first, 14 to 17 after thirty.)
pub const WORKER_BASELINE: Bytes = Bytes(16 << 20);

/// How many denied items end the search in a round, because many may wait.
const MOST_DENIALS: usize = 8;

/// Items are leased ahead until those that a worker has not begun are expected to take this long,
/// microseconds: the report of an item's end may take 5 ms.
const AHEAD_US: Micros = Micros::from_millis(15);
const MOST_AHEAD: usize = 16;

/// Deaths of workers that had the item, of which it may be the cause.
#[derive(Clone, Copy, Default)]
struct Suspicion {
    /// It runs alone in a fresh worker.
    alone: bool,
    /// Nothing else runs in the whole build.
    exclusive: bool,
    /// It runs without shared headers.
    without_headers: bool,
    /// Workers that were killed while it ran in them.
    kills: u32,
    /// Workers that were given it and ended before they started any item.
    unstarted: u32,
}

pub struct Scheduler {
    items: Items,
    workers: Workers,
    slots: u32,
    keep_going: bool,
    mode: SchedulerMode,
    suspicions: BTreeMap<ItemId, Suspicion>,
    to_judge: VecDeque<ItemId>,
    /// How many of these are to be judged before something starts; None: nothing waits for them.
    judged_first: Option<usize>,
    actions: VecDeque<Action>,
    /// An item failed, or the build was cancelled.
    failed: bool,
    ledger: Ledger,
    /// Items that were denied a lease in the last round, most urgent first.
    denied: Vec<(ItemId, Denied)>,
    /// An item waits until idle workers have exited.
    waits_for_idle_exit: bool,
    /// Leases may be granted in this round.
    may_grant: bool,
    /// Slots reserved in this round for workers that are about to ask for tokens.
    reserved: u32,
}

/// What the next free slot is used for.
enum Claimant {
    /// A token for the worker, which has asked for it.
    Token(WorkerId),
    /// Reserved for the worker, which is about to ask for a token.
    Reserved(WorkerId),
    /// The implicit slot of the worker, which has parked it.
    ParkedSlot(WorkerId),
    /// An item that no worker has.
    Unassigned(ItemId),
    /// The item in the worker needs a lease first.
    Lease(WorkerId, Rank),
}

/// The rank below that of any item.
const LEAST: Rank = (Reverse(Micros::ZERO), ItemId(u32::MAX));

impl Scheduler {
    /// `tasks` are in topological order, and an `ItemId` is an index of them. `slots` is at least
    /// 1.
    pub fn new(tasks: Vec<Task>, slots: u32, keep_going: bool) -> Scheduler {
        let mut scheduler = Scheduler {
            items: Items::new(tasks),
            workers: Workers::default(),
            slots: slots.max(1),
            keep_going,
            mode: SchedulerMode::Building,
            suspicions: BTreeMap::new(),
            to_judge: VecDeque::new(),
            judged_first: None,
            actions: VecDeque::new(),
            failed: false,
            ledger: Ledger::default(),
            denied: Vec::new(),
            waits_for_idle_exit: false,
            may_grant: true,
            reserved: 0,
        };
        for ix in scheduler.items.all() {
            scheduler.judge_if_unblocked(ix);
        }
        scheduler.finish_if_done();
        scheduler
    }

    /// The next item to judge, which means to check whether it is up to date. Its prerequisites
    /// are. Answered by `SchedulerEvent::Judged`. Not an action, because judging reads files, and
    /// actions need not wait for it.
    pub fn next_to_judge(&mut self) -> Option<ItemId> {
        self.judged_first = self.judged_first.map(|left| left.saturating_sub(1));
        self.to_judge.pop_front()
    }

    /// Moves these items, if they are to be judged now, before all others.
    pub fn judge_first(&mut self, items: &HashSet<ItemId>) {
        if items.is_empty() {
            return;
        }
        let (first, rest): (VecDeque<_>, VecDeque<_>) =
            self.to_judge.drain(..).partition(|item| items.contains(item));
        self.judged_first = (!first.is_empty()).then_some(first.len());
        self.to_judge = first.into_iter().chain(rest).collect();
    }

    /// Whether the last of the items that are judged first has just been taken. Said once.
    pub fn take_first_are_judged(&mut self) -> bool {
        self.judged_first.take_if(|left| *left == 0).is_some()
    }

    /// The account of memory, as of the last events.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Items that the worker has begun and not ended.
    pub fn running_in(&self, worker: WorkerId) -> Vec<ItemId> {
        self.workers[worker].given.in_flight().collect()
    }

    /// The longest expected path from the item's start to the end of the build, microseconds.
    pub fn priority(&self, item: ItemId) -> Micros {
        self.items.rank(item).0.0
    }

    /// Whether the item runs, and at least one of its pieces was granted a lease.
    pub fn is_in_pieces(&self, item: ItemId) -> bool {
        let State::Running(Some(worker)) = self.items.state(item) else { return false };
        self.workers[worker].given.granted(item).len() > 1
    }

    pub fn need(&self, item: ItemId) -> Need {
        self.items.need(item)
    }

    /// Items that were denied a lease in this round, most urgent first.
    pub fn denied(&self) -> &[(ItemId, Denied)] {
        &self.denied
    }

    /// How many of `unused` slots are unused only because memory is short. `waiting` are the items
    /// whose leases were denied and not granted since. (Not every round asks for them again.)
    pub fn short_of_memory(&self, unused: u32, waiting: &[ItemId]) -> u32 {
        if self.exclusive().is_some() {
            return self.items.ready().take(unused as usize).count() as u32;
        }
        if waiting.len() >= MOST_DENIALS {
            // More may wait for which no lease was requested.
            return unused;
        }
        let parts = |item: &ItemId| match self.items.state(*item) {
            State::Running(Some(worker)) => self.workers[worker].given.parts_of(*item).len().max(1),
            _ => 1,
        };
        let waiting: usize = waiting.iter().map(parts).sum();
        unused.min(u32::try_from(waiting).unwrap_or(unused))
    }

    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether `worker` may report on `item`: it was given it, and has not finished it.
    pub fn is_given(&self, worker: WorkerId, item: ItemId) -> bool {
        self.workers[worker].given.contains(item)
    }

    /// The items that the worker was given and has not finished.
    pub fn given_to(&self, worker: WorkerId) -> Vec<ItemId> {
        self.workers[worker].given.items().collect()
    }

    pub fn has_to_judge(&self) -> bool {
        !self.to_judge.is_empty()
    }

    /// Items that wait for a slot, and were given to no worker; most urgent first.
    pub fn waiting(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.items.ready().map(|(_, ix)| ix)
    }

    /// How many tokens the worker may have, those it holds included.
    pub fn granted_tokens(&self, worker: WorkerId) -> u32 {
        self.workers[worker].demand.granted()
    }

    /// How many more slots could be used at once, at most `most`. Items that were denied a lease do
    /// not count; for others it is assumed that memory suffices.
    pub fn wanted(&self, most: u32) -> u32 {
        let most = most as usize;
        let in_worker = |worker: &Worker| {
            let leased = match self.mode {
                SchedulerMode::Building => worker.slots_wanted(),
                // Items that have begun still run all their parts.
                SchedulerMode::Draining | SchedulerMode::Finished => worker.demand.unmet() as usize,
            };
            leased + self.leases_wanted(worker, most)
        };
        let in_workers: usize = self.workers.iter().map(|(_, worker)| in_worker(worker)).sum();
        let unassigned = self.items.ready().filter(|(_, item)| self.is_wanted(*item));
        (in_workers + unassigned.take(most.saturating_sub(in_workers)).count()).min(most) as u32
    }

    /// How many items and parts in the worker may request a lease and were not denied one; at most
    /// `most` of each.
    fn leases_wanted(&self, worker: &Worker, most: usize) -> usize {
        let begins = worker.given.waiting().iter().filter(|rank| self.may_ask(rank.1)).take(most);
        let parts = worker.given.parts().filter(|(rank, _)| self.may_ask(rank.1));
        begins.count() + parts.flat_map(|(_, parts)| parts).take(most).count()
    }

    /// Whether an item that no worker has could start on a free slot, as far as is known.
    fn is_wanted(&self, item: ItemId) -> bool {
        self.may_ask(item) && self.can_be_placed(item)
    }

    /// The workers that have finished all that they were given, of those that another build could use,
    /// and whether each has given its implicit slot back.
    pub fn spare_workers(&self) -> Vec<(WorkerId, bool)> {
        let spare =
            |worker: &Worker| worker.is_idle() && worker.phase == Phase::Up && !worker.alone;
        let all = self.workers.iter().filter(|(_, worker)| spare(worker));
        all.map(|(ix, worker)| (ix, worker.parked)).collect()
    }

    /// Stops the build, which has failed: running items end, all others are skipped.
    pub fn cancel(&mut self) {
        self.failed = true;
        self.drain();
        self.finish_if_done();
    }

    pub fn handle(&mut self, event: SchedulerEvent) {
        match event {
            SchedulerEvent::Judged { item, fresh } => self.judged(item, fresh),
            SchedulerEvent::WorkerResponded { worker } => {
                let worker = &mut self.workers[worker];
                worker.demand.is_ignored = false;
                if worker.phase == Phase::Starting {
                    worker.phase = Phase::Up;
                }
            }
            SchedulerEvent::WorkerWants { worker, tokens } => {
                self.workers[worker].demand.tokens = tokens
            }
            SchedulerEvent::TokenIgnored { worker } => {
                self.workers[worker].demand.is_ignored = true
            }
            SchedulerEvent::SlotsUnused => {
                self.workers.iter_mut().for_each(|worker| worker.demand.is_ignored = false);
            }
            SchedulerEvent::TokensOut { worker, tokens } => {
                self.workers[worker].demand.out = tokens
            }
            SchedulerEvent::PortFull { worker } => {
                let demand = &mut self.workers[worker].demand;
                (demand.given, demand.out) = (demand.given - 1, demand.out - 1);
                demand.is_full = true;
            }
            SchedulerEvent::WorkerParked { worker } => self.workers[worker].parked = true,
            SchedulerEvent::WorkerEnded { worker, death } => self.worker_ended(worker, death),
            SchedulerEvent::Started { worker, item } => self.started(worker, item),
            SchedulerEvent::LeaseWanted { worker, item, bytes } => {
                self.lease_wanted(worker, item, bytes)
            }
            SchedulerEvent::LeaseResized { worker, item, bytes, grants, parts } => {
                let granted = self.workers[worker].given.granted(item);
                let on_the_way = || granted.iter().skip(grants as usize);
                let bytes = on_the_way().fold(bytes, |sum, bytes| sum.saturating_add(*bytes));
                let parts = parts.saturating_add(on_the_way().count() as u32);
                self.ledger.resize(ChildId::Worker(worker), item, bytes, parts);
            }
            SchedulerEvent::MemoryRead { used, headroom, ceiling } => {
                for (process, bytes) in used {
                    self.ledger.measured(process, bytes);
                }
                self.ledger.set_headroom(headroom);
                self.ledger.set_ceiling(ceiling);
            }
            SchedulerEvent::Headroom { bytes } => self.ledger.set_headroom(bytes),
            SchedulerEvent::UsesAtLeast { worker, bytes } => {
                self.ledger.measured_at_least(ChildId::Worker(worker), bytes);
            }
            SchedulerEvent::Purged { worker, granted } => {
                self.ledger.purged(ChildId::Worker(worker), granted);
            }
            SchedulerEvent::OutOfMemory { item } => self.out_of_memory(item),
            SchedulerEvent::Finished { item, outcome } => self.finished(item, outcome),
        }
        self.finish_if_done();
    }

    /// Begins a round, in which slots are granted. Without `may_grant` no leases are granted, and
    /// slots go only to items that have one.
    pub fn begin_round(&mut self, may_grant: bool) {
        self.workers.iter_mut().for_each(|worker| worker.demand.begin_round());
        (self.reserved, self.may_grant) = (0, may_grant);
        if may_grant {
            self.ledger.begin_round();
            self.denied.clear();
            self.waits_for_idle_exit &= self.is_closing_workers();
            self.lease_for_what_has_begun();
            self.lease_for_idle_slots();
        }
    }

    /// Decides what one of `free` slots is used for: the most urgent item that can start. `None` if
    /// no item can use a slot, or all free ones are reserved.
    pub fn next_claim(&mut self, free: u32) -> Option<Claim> {
        while self.mode != SchedulerMode::Finished && free > self.reserved {
            match self.most_urgent()? {
                Claimant::Token(worker) => {
                    let demand = &mut self.workers[worker].demand;
                    (demand.given, demand.out) = (demand.given + 1, demand.out + 1);
                    return Some(Claim::Token(worker));
                }
                Claimant::Reserved(worker) => self.reserve_slot(worker),
                Claimant::ParkedSlot(worker) => {
                    self.lend_slot(worker);
                    return Some(Claim::Action);
                }
                Claimant::Unassigned(item) => {
                    if self.place(item) {
                        return Some(Claim::Action);
                    }
                }
                Claimant::Lease(worker, rank) => {
                    if self.lease_in_worker(worker, rank) && self.takes_token(worker) {
                        self.reserve_slot(worker);
                    }
                }
            }
        }
        None
    }

    /// Ends the round with `free` slots unused. If all slots are in use, grants leases and sends
    /// plans ahead. Closes workers that are not needed any more. `additional` is how many more
    /// slots could be in use at most.
    pub fn end_round(&mut self, free: u32, additional: u32) {
        if !self.may_grant || self.mode == SchedulerMode::Finished {
            return;
        }
        if free <= self.reserved {
            self.lease_ahead();
            self.send_plans_ahead();
        }
        if additional > 0 {
            self.note_denials();
        }
        self.close_idle_workers();
    }

    fn reserve_slot(&mut self, worker: WorkerId) {
        self.workers[worker].demand.reserved += 1;
        self.reserved += 1;
    }

    fn most_urgent(&self) -> Option<Claimant> {
        let mut best: Option<(Rank, Claimant)> = None;
        let mut consider = |rank: Rank, claimant: Claimant| {
            if best.as_ref().is_none_or(|(than, _)| rank < *than) {
                best = Some((rank, claimant));
            }
        };
        let grants = self.mode == SchedulerMode::Building && self.may_grant;
        for (ix, worker) in self.workers.iter() {
            match worker.given.leased().first().filter(|_| worker.parked) {
                Some(rank) if grants => consider(*rank, Claimant::ParkedSlot(ix)),
                // It has not asked for tokens yet, but has items that need them.
                _ if worker.phase == Phase::Starting && grants => {
                    let rank = worker.next_on_token();
                    rank.into_iter().for_each(|rank| consider(rank, Claimant::Reserved(ix)));
                }
                _ if worker.demand.unmet() > 0 && !worker.demand.is_full => {
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
            consider(rank, Claimant::Unassigned(rank.1));
        }
        best.map(|(_, claimant)| claimant)
    }

    fn judge_if_unblocked(&mut self, item: ItemId) {
        if self.mode == SchedulerMode::Building
            && self.items.state(item) == State::Blocked
            && self.items.is_unblocked(item)
        {
            self.items.set(item, State::Judging);
            self.to_judge.push_back(item);
        }
    }

    fn judged(&mut self, item: ItemId, fresh: bool) {
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

    fn started(&mut self, ix: WorkerId, item: ItemId) {
        if self.items.state(item) != State::Given(ix) {
            return;
        }
        self.items.set(item, State::Running(Some(ix)));
        let worker = &mut self.workers[ix];
        if worker.phase == Phase::Starting {
            worker.phase = Phase::Up;
        }
        worker.has_started_any = true;
        // A worker that started the item without a lease is charged for it.
        if !worker.given.start(item) {
            self.ledger.force(ChildId::Worker(ix), item, self.items.need(item).begin);
        }
    }

    fn finish_if_done(&mut self) {
        if self.items.unfinished() == 0 && self.mode != SchedulerMode::Finished {
            self.mode = SchedulerMode::Finished;
            self.actions.push_back(Action::Finish { success: !self.failed });
        }
    }
}
