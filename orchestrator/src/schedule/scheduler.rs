//! The policy: who gets a free slot.
//!
//! A free slot goes to the most urgent item that can start, wherever it is:
//!
//! - in a running worker that has its slot: the broker feeds that worker a token, nothing is to be
//!   done here;
//! - in a worker that parked its slot: the slot is lent to it again;
//! - with nobody: its plan goes to the worker that has other items of its crate, else to a parked
//!   worker, else to a new process, of which there are never more than slots; where memory is
//!   short, to a worker that runs rather than to a new process. A `[[generate]]` command just
//!   starts.
//!
//! So the engine asks twice: `claim` before the broker feeds tokens, which leaves them to items in
//! workers that are more urgent, and `fill` after, which uses what nobody took. Between the two no
//! slot stays free while an item can start, with one exception: a slot may wait for a worker that
//! is starting and was given more urgent items than any other.
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
//! gets free first: what waits inside a worker is known to the broker as a wish for tokens.
//!
//! Here are the state, the questions and the rounds; `leases` asks for memory, `place` finds items
//! a process, `ends` knows what follows when something has ended.

mod ends;
mod leases;
mod place;

use super::action::{Action, Event, WorkerIx};
use super::items::{Items, Rank, State};
use super::need::Need;
use super::task::{Class, Task};
use super::workers::{Phase, Worker, Workers};
use crate::graph::ItemIx;
use crate::memory::{Denied, LeaseId, Ledger, ProcessId};
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
    /// In this round an item was found that waits until idle workers are gone.
    makes_room: bool,
}

/// Where the next free slot goes.
enum Claimant {
    /// A token for the worker, which the broker feeds.
    Token(WorkerIx),
    ParkedSlot(WorkerIx),
    Nobodys(ItemIx),
    /// Memory first.
    Lease(WorkerIx, Rank),
}

/// The process of a worker, in the ledger.
pub fn process_of_worker(worker: WorkerIx) -> ProcessId {
    ProcessId(2 * worker.0)
}

/// The process of an item that is a command.
pub fn process_of_command(item: ItemIx) -> ProcessId {
    ProcessId(2 * item.0 + 1)
}

fn lease_of(item: ItemIx) -> LeaseId {
    LeaseId(item.0)
}

/// The item that a lease is for.
pub fn item_of_lease(lease: LeaseId) -> ItemIx {
    ItemIx(lease.0)
}

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
    pub fn running_in(&self, worker: WorkerIx) -> Vec<ItemIx> {
        self.workers[worker].running.keys().copied().collect()
    }

    /// The longest expected path from the item's start to the end of the build, microseconds.
    pub fn priority(&self, item: ItemIx) -> u64 {
        self.items.rank(item).0.0
    }

    /// Whether the item runs and has come in pieces, of which one at least was granted.
    pub fn is_in_pieces(&self, item: ItemIx) -> bool {
        let State::Running(Some(worker)) = self.items.state(item) else { return false };
        self.workers[worker].granted.get(&item).is_some_and(|granted| granted.len() > 1)
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
            State::Running(Some(worker)) => {
                self.workers[worker].asked.get(&self.items.rank(*item)).map_or(1, Vec::len)
            }
            _ => 1,
        };
        let waiting: usize = waiting.iter().map(parts).sum();
        unused.min(u32::try_from(waiting).unwrap_or(unused))
    }

    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether `worker` may report on `item`: it was given it, and is not done with it.
    pub fn is_given(&self, worker: WorkerIx, item: ItemIx) -> bool {
        self.workers[worker].given.contains(&item)
    }

    /// All that the worker was given and is not done with.
    pub fn given_to(&self, worker: WorkerIx) -> Vec<ItemIx> {
        self.workers[worker].given.iter().copied().collect()
    }

    pub fn has_to_judge(&self) -> bool {
        !self.to_judge.is_empty()
    }

    /// Items that could start if there were a slot, and were given to no worker; most urgent first.
    pub fn waiting(&self) -> impl Iterator<Item = ItemIx> + '_ {
        self.items.ready().map(|(_, ix)| ix)
    }

    /// The most urgent item in the worker that wants a token: the worker's claim among those that
    /// want one too, in microseconds to the end of the build.
    pub fn urgency(&self, worker: WorkerIx) -> u64 {
        self.workers[worker].wanting_tokens().first().map_or(0, |(priority, _)| priority.0)
    }

    /// Takes in how many tokens more than it has `worker` says it could use. An item that comes in
    /// pieces wants several.
    pub fn lacks(&mut self, worker: WorkerIx, tokens: u32) {
        self.workers[worker].unmet = tokens;
    }

    /// Actions that take a free slot each and are still to be carried out.
    pub fn starts_decided(&self) -> u32 {
        let takes_slot = |action: &&Action| {
            matches!(action, Action::StartWorker(_) | Action::LendSlot(_) | Action::RunCommand(_))
        };
        self.actions.iter().filter(takes_slot).count() as u32
    }

    /// How many more slots than are in use could be put to work at once, counted up to `most`.
    pub fn wanted(&self, most: u32) -> u32 {
        if self.mode != Mode::Building {
            return 0;
        }
        let in_workers: usize = self.workers.iter().map(|(_, worker)| worker.slots_wanted()).sum();
        if !self.denied.is_empty() {
            return in_workers.min(most as usize) as u32;
        }
        let unleased =
            |worker: &Worker| worker.startable.len() - worker.leased.len() + worker.asked.len();
        let unleased: usize = self.workers.iter().map(|(_, worker)| unleased(worker)).sum();
        let in_workers = in_workers + unleased;
        let left = (most as usize).saturating_sub(in_workers);
        let nobodys =
            self.items.ready().filter(|(_, item)| self.can_be_placed(*item)).take(left).count();
        (in_workers + nobodys).min(most as usize) as u32
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
                if self.workers[worker].phase == Phase::Starting {
                    self.workers[worker].phase = Phase::Up;
                }
            }
            Event::WorkerParked { worker } => self.workers[worker].parked = true,
            Event::WorkerGone { worker, death } => self.worker_gone(worker, death),
            Event::Started { worker, item } => self.started(worker, item),
            Event::LeaseWanted { worker, item, bytes } => self.lease_wanted(worker, item, bytes),
            Event::LeaseResized { worker, item, bytes, grants, parts } => {
                let granted = self.workers[worker].granted.get(&item);
                let on_the_way = || granted.into_iter().flatten().skip(grants as usize);
                let bytes = on_the_way().fold(bytes, |sum, bytes| sum.saturating_add(*bytes));
                let parts = parts.saturating_add(on_the_way().count() as u32);
                self.ledger.resize(process_of_worker(worker), lease_of(item), bytes, parts);
            }
            Event::MemoryRead { used, headroom, ceiling } => {
                for (process, bytes) in used {
                    self.ledger.measured(process, bytes);
                }
                self.ledger.reading(headroom);
                self.ledger.set_ceiling(ceiling);
            }
            Event::Headroom { bytes } => self.ledger.reading(bytes),
            Event::UsesAtLeast { worker, bytes } => {
                self.ledger.measured_at_least(process_of_worker(worker), bytes);
            }
            Event::Purged { worker, granted } => {
                self.ledger.purged(process_of_worker(worker), granted);
            }
            Event::OutOfMemory { item } => self.out_of_memory(item),
            Event::Finished { item, outcome } => self.finished(item, outcome),
        }
        self.finish_if_done();
    }

    /// Uses up to `free` slots, and leaves to the broker those that belong to more urgent items
    /// inside workers.
    pub fn claim(&mut self, free: u32) {
        self.ledger.begin_round();
        self.denied.clear();
        self.makes_room = false;
        self.lease_for_what_has_begun();
        self.lease_for_idle_slots();
        self.distribute(free, |_| true);
    }

    /// Uses `free` slots that are left after the broker has fed the workers that want tokens, then
    /// hands plans ahead.
    pub fn fill(&mut self, free: u32) {
        // A starting worker has not said yet what it wants; what it was given counts all the same.
        let left = self.distribute(free, |phase| phase == Phase::Starting);
        if left == 0 {
            self.lease_ahead();
            self.hand_plans_ahead();
        }
        self.close_idle_workers();
    }

    /// Returns how many slots nobody has a use for.
    fn distribute(&mut self, free: u32, tokens_go_to: impl Fn(Phase) -> bool) -> u32 {
        if self.mode == Mode::Finished {
            return free;
        }
        let mut left = free;
        // How many tokens each worker is being left in this round.
        let mut tokens: BTreeMap<WorkerIx, usize> = BTreeMap::new();
        while left > 0 {
            let Some(claimant) = self.most_urgent(&tokens, &tokens_go_to) else { break };
            match claimant {
                Claimant::Token(worker) => {
                    *tokens.entry(worker).or_default() += 1;
                    left -= 1;
                }
                Claimant::ParkedSlot(worker) => {
                    self.lend_slot(worker);
                    left -= 1;
                }
                Claimant::Nobodys(item) => left -= u32::from(self.place(item)),
                Claimant::Lease(worker, rank) => {
                    if self.lease_in_worker(worker, rank) && self.takes_token(worker) {
                        *tokens.entry(worker).or_default() += 1;
                        left -= 1;
                    }
                }
            }
        }
        left
    }

    fn most_urgent(
        &self,
        tokens: &BTreeMap<WorkerIx, usize>,
        tokens_go_to: impl Fn(Phase) -> bool,
    ) -> Option<Claimant> {
        let mut best: Option<(Rank, Claimant)> = None;
        let mut consider = |rank: Rank, claimant: Claimant| {
            if best.as_ref().is_none_or(|(than, _)| rank < *than) {
                best = Some((rank, claimant));
            }
        };
        let is_building = self.mode == Mode::Building;
        for (ix, worker) in self.workers.iter() {
            if worker.parked {
                if let Some(rank) = worker.leased.first().filter(|_| is_building) {
                    consider(*rank, Claimant::ParkedSlot(ix));
                }
            } else if is_building && tokens_go_to(worker.phase) {
                let left_already = tokens.get(&ix).copied().unwrap_or(0);
                if let Some(rank) = worker.wanting_tokens().get(left_already) {
                    consider(*rank, Claimant::Token(ix));
                }
            }
            if let Some(rank) = worker.unleased(|item| self.may_ask(item)) {
                consider(rank, Claimant::Lease(ix, rank));
            }
        }
        let may_be_placed = |item: ItemIx| self.may_ask(item) && self.can_be_placed(item);
        if let Some(rank) = self.items.ready().find(|(_, item)| may_be_placed(*item)) {
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

    fn started(&mut self, ix: WorkerIx, item: ItemIx) {
        if self.items.state(item) != State::Given(ix) {
            return;
        }
        self.items.set(item, State::Running(Some(ix)));
        let heavy = self.items.class(item) != Class::Archive;
        let rank = self.items.rank(item);
        let worker = &mut self.workers[ix];
        if worker.phase == Phase::Starting {
            worker.phase = Phase::Up;
        }
        worker.was_of_use = true;
        worker.heavy_unstarted -= usize::from(heavy);
        worker.startable.remove(&rank);
        worker.asked_to_begin.remove(&rank);
        worker.running.insert(item, rank);
        // A worker that does not wait for leases is taken as it is.
        if !worker.leased.remove(&rank) {
            self.ledger.force(process_of_worker(ix), lease_of(item), self.items.need(item).begin);
        }
    }

    fn finish_if_done(&mut self) {
        if self.items.open() == 0 && self.mode != Mode::Finished {
            self.mode = Mode::Finished;
            self.actions.push_back(Action::Finish { success: !self.failed });
        }
    }
}
