//! The policy: who gets a free slot.
//!
//! A free slot goes to the most urgent item that can start, wherever it is:
//!
//! - in a running worker that has its slot: the broker feeds that worker a token, nothing is to be done here;
//! - in a worker that parked its slot: the slot is lent to it again;
//! - with nobody: its plan goes to the worker that has other items of its crate, else to a parked worker, else to a new
//!   process, of which there are never more than slots. A `[[generate]]` command just starts.
//!
//! So the engine asks twice: `claim` before the broker feeds tokens, which leaves them to items in workers that are more
//! urgent, and `fill` after, which uses what nobody took. Between the two no slot stays free while an item can start,
//! with one exception: a slot may wait for a worker that is starting and was given more urgent items than any other.
//!
//! **Memory.** Nothing starts without a lease from the ledger, and a lease comes before a slot: an item that waits for memory waits
//! outside of any process, or inside a worker where it is no reason for a token. With nothing else to do a worker is leased one or
//! two items ahead, so that it need not wait for a round trip, but only where memory is plenty.
//!
//! **Plans ahead.** A worker that runs the last of its items is given its next plan before it asks, if all slots are in
//! use; it starts on it without a round trip. Nothing is lost if another slot gets free first: what waits inside
//! a worker is known to the broker as a wish for tokens.

use super::action::{Action, Death, Event, PlannedItem, Verdict, WorkerIx};
use super::items::{Items, Rank, State};
use super::need::Need;
use super::task::{Class, Task};
use super::workers::{Phase, Worker, Workers};
use crate::graph::ItemIx;
use crate::memory::{Denied, LeaseId, Ledger, ProcessId, Purpose};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tender_protocol::Outcome;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Building,
    /// Starts nothing more and waits for what runs.
    Draining,
    Finished,
}

/// What a worker process uses with nothing to do, bytes: LLVM's tables and what the allocator keeps. (Measured: 17 to 22 MiB.)
pub const WORKER_BASELINE: u64 = 24 << 20;

/// How many items are asked for that memory does not suffice for, before a round gives up: those that wait are many.
const MOST_DENIALS: usize = 8;

/// Items are leased ahead until those that a worker has not begun are expected to take so long, microseconds: news of an item's
/// end may be on the way for 5 ms.
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
        };
        for ix in scheduler.items.all() {
            scheduler.judge_if_unblocked(ix);
        }
        scheduler.finish_if_done();
        scheduler
    }

    /// The next item of which to find out whether it is up to date; all that it comes after is. Answered by `Event::Judged`.
    /// Apart from the actions, because judging reads files: whoever does it may let actions overtake.
    pub fn next_to_judge(&mut self) -> Option<ItemIx> {
        self.to_judge.pop_front()
    }

    /// Who uses how much memory. What was measured is for whoever measures to tell.
    pub fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
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

    /// How many of `unused` slots are so only because memory is short, where leases for these items were denied and not granted
    /// since. (Not every round asks again.)
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

    /// The most urgent item in the worker that wants a token: the worker's claim among those that want one too,
    /// in microseconds to the end of the build.
    pub fn urgency(&self, worker: WorkerIx) -> u64 {
        self.workers[worker].wanting_tokens().first().map_or(0, |(priority, _)| priority.0)
    }

    /// Takes in how many tokens more than it has `worker` says it could use. An item that comes in pieces wants several.
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
        let unleased = |worker: &Worker| worker.startable.len() - worker.leased.len() + worker.asked.len();
        let unleased: usize = self.workers.iter().map(|(_, worker)| unleased(worker)).sum();
        let in_workers = in_workers + unleased;
        let left = (most as usize).saturating_sub(in_workers);
        let nobodys = self.items.ready().filter(|(_, item)| self.can_be_placed(*item)).take(left).count();
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
            Event::OutOfMemory { item } => self.out_of_memory(item),
            Event::Finished { item, outcome } => self.finished(item, outcome),
        }
        self.finish_if_done();
    }

    /// Uses up to `free` slots, and leaves to the broker those that belong to more urgent items inside workers.
    pub fn claim(&mut self, free: u32) {
        self.ledger.begin_round();
        self.denied.clear();
        self.lease_for_what_has_begun();
        self.lease_for_idle_slots();
        self.distribute(free, |_| true);
    }

    /// Where nothing runs, one part may, whatever it takes: of what has begun, because that holds memory until it is over.
    fn lease_for_what_has_begun(&mut self) {
        if !self.ledger.is_idle() {
            return;
        }
        let asked = |(ix, worker): (WorkerIx, &Worker)| Some((*worker.asked.keys().next()?, ix));
        if let Some((rank, ix)) = self.workers.iter().filter_map(asked).min() {
            self.lease_in_worker(ix, rank);
        }
    }

    /// A worker that has its starting slot and nothing to run on it needs no other.
    fn lease_for_idle_slots(&mut self) {
        let is_idle = |worker: &Worker| {
            let has_nothing = worker.leased.is_empty() || !worker.asked_to_begin.is_empty();
            !worker.parked && worker.running.is_empty() && has_nothing
        };
        let idle: Vec<WorkerIx> =
            self.workers.iter().filter(|(_, worker)| is_idle(worker)).map(|(ix, _)| ix).collect();
        for ix in idle {
            let worker = &self.workers[ix];
            let asked = worker.asked_to_begin.iter().find(|rank| self.may_ask(rank.1)).copied();
            if let Some(rank) = asked.or_else(|| worker.unleased(|item| self.may_ask(item))) {
                self.lease_in_worker(ix, rank);
            }
        }
    }

    /// Uses `free` slots that are left after the broker has fed the workers that want tokens, then hands plans ahead.
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

    /// Whether a lease for the item may be asked for in this round.
    fn may_ask(&self, item: ItemIx) -> bool {
        let is_in_pieces = matches!(self.items.state(item), State::Running(_));
        let others_wait =
            || self.exclusive().is_some_and(|(exclusive, may_start)| exclusive != item || !may_start);
        !self.denied.iter().any(|(denied, _)| *denied == item)
            // What runs has to end, whoever waits, and however many.
            && (is_in_pieces
                || (self.denied.len() < MOST_DENIALS && self.mode == Mode::Building && !others_wait()))
    }

    /// The item that runs while nothing else does, if there is one now, and whether everything else has ended.
    pub(super) fn exclusive(&self) -> Option<(ItemIx, bool)> {
        let open = self.suspicions.iter().filter(|(_, suspicion)| suspicion.exclusive).map(|(item, _)| *item);
        let mut open = open.filter(|item| !self.items.state(*item).is_final());
        // One that runs comes before those that wait for their turn.
        let runs = |item: &ItemIx| matches!(self.items.state(*item), State::Given(_) | State::Running(_));
        let item =
            open.clone().find(runs).or_else(|| open.find(|item| self.items.state(*item) == State::Ready))?;
        Some((item, runs(&item) || self.ledger.is_empty()))
    }

    /// Whether what was just leased in the worker takes a slot beyond its starting one.
    fn takes_token(&self, worker: WorkerIx) -> bool {
        let worker = &self.workers[worker];
        let starting_slot_is_unused = worker.running.is_empty() && worker.leased.len() <= 1;
        !worker.parked && !starting_slot_is_unused
    }

    /// Asks the ledger for an item that the worker has, or for a piece of one that it runs. Returns whether there was enough.
    fn lease_in_worker(&mut self, ix: WorkerIx, rank: Rank) -> bool {
        let item = rank.1;
        let asked = self.workers[ix].asked.get(&rank).and_then(|parts| parts.last()).copied();
        let bytes = asked.unwrap_or(self.items.need(item).begin);
        let purpose = if asked.is_some() { Purpose::Continuation } else { Purpose::Beginning };
        if !self.lease(process_of_worker(ix), item, bytes, 0, purpose) {
            return false;
        }
        let worker = &mut self.workers[ix];
        match worker.asked.get_mut(&rank) {
            Some(parts) => {
                parts.pop();
                if parts.is_empty() {
                    worker.asked.remove(&rank);
                }
            }
            None => {
                worker.asked_to_begin.remove(&rank);
                worker.leased.insert(rank);
            }
        }
        self.grant(ix, item, bytes);
        true
    }

    /// The ledger has granted it.
    fn grant(&mut self, worker: WorkerIx, item: ItemIx, bytes: u64) {
        self.workers[worker].granted.entry(item).or_default().push(bytes);
        self.actions.push_back(Action::Lease { worker, item, bytes });
    }

    fn lease(
        &mut self,
        process: ProcessId,
        item: ItemIx,
        bytes: u64,
        baseline: u64,
        purpose: Purpose,
    ) -> bool {
        match self.ledger.lease(process, lease_of(item), bytes, baseline, purpose) {
            Ok(()) => true,
            Err(denied) => {
                self.denied.push((item, denied));
                false
            }
        }
    }

    /// So that a worker goes on without a round trip.
    fn lease_ahead(&mut self) {
        if self.mode != Mode::Building || self.exclusive().is_some() {
            return;
        }
        let busy: Vec<WorkerIx> =
            self.workers.iter().filter(|(_, worker)| !worker.running.is_empty()).map(|(ix, _)| ix).collect();
        for ix in busy {
            loop {
                let worker = &self.workers[ix];
                let ahead_us: u64 = worker.leased.iter().map(|rank| self.items.cost_us(rank.1)).sum();
                let is_enough = ahead_us >= AHEAD_US || worker.leased.len() >= MOST_AHEAD;
                let next = worker.startable.iter().find(|rank| !worker.leased.contains(rank)).copied();
                let Some(rank) = next.filter(|_| !is_enough) else { break };
                let need = self.items.need(rank.1).begin;
                if !self.ledger.has_room_ahead(need) || !self.lease_in_worker(ix, rank) {
                    break;
                }
            }
        }
    }

    fn lease_wanted(&mut self, ix: WorkerIx, item: ItemIx, bytes: u64) {
        let rank = self.items.rank(item);
        if self.items.state(item) == State::Running(Some(ix)) {
            let bytes = if bytes == 0 { self.items.need(item).piece } else { bytes };
            if !self.workers[ix].cancelled {
                self.workers[ix].asked.entry(rank).or_default().push(bytes);
            }
        } else if self.workers[ix].startable.contains(&rank) && !self.workers[ix].leased.contains(&rank) {
            self.workers[ix].asked_to_begin.insert(rank);
        }
    }

    fn is_suspect(&self, item: ItemIx) -> bool {
        self.suspicions.get(&item).is_some_and(|suspicion| suspicion.alone)
    }

    fn may_start_worker(&self) -> bool {
        self.workers.live() < self.slots
    }

    fn worker_of_crate(&self, item: ItemIx) -> Option<WorkerIx> {
        let krate = self.items.krate(item);
        self.workers.find(|worker| worker.is_open() && worker.crates.contains_key(&krate))
    }

    fn parked_worker(&self) -> Option<WorkerIx> {
        self.idle_worker().or_else(|| self.workers.find(|worker| worker.is_open() && worker.parked))
    }

    fn least_given_worker(&self) -> Option<WorkerIx> {
        let open = self.workers.iter().filter(|(_, worker)| worker.is_open());
        open.min_by_key(|(_, worker)| worker.given.len()).map(|(ix, _)| ix)
    }

    /// An idle worker can leave for a fresh one. One at a time: the one that leaves now counts until it is gone.
    fn can_make_room(&self) -> bool {
        self.idle_worker().is_some() && self.workers.find(|worker| worker.phase == Phase::Closing).is_none()
    }

    fn idle_worker(&self) -> Option<WorkerIx> {
        self.workers.find(|worker| worker.is_open() && worker.parked && worker.is_idle())
    }

    fn can_be_placed(&self, item: ItemIx) -> bool {
        if self.items.class(item) == Class::Command || self.may_start_worker() {
            return true;
        }
        if let Some(suspicion) = self.suspicions.get(&item).filter(|suspicion| suspicion.alone) {
            return suspicion.exclusive || self.can_make_room();
        }
        self.worker_of_crate(item).is_some() || self.parked_worker().is_some()
    }

    /// Gives a ready item, with what goes along, to somebody, if memory suffices for it. Returns whether that took a free slot.
    fn place(&mut self, item: ItemIx) -> bool {
        let need = self.items.need(item).begin;
        if self.items.class(item) == Class::Command {
            if self.is_exclusive(item) && !self.close_idle() {
                return self.wait_for_room(item);
            }
            if !self.lease(process_of_command(item), item, need, 0, Purpose::Beginning) {
                return false;
            }
            self.items.set(item, State::Running(None));
            self.actions.push_back(Action::RunCommand(item));
            return true;
        }
        if self.is_suspect(item) {
            return self.place_alone(item);
        }
        if let Some(worker) = self.worker_of_crate(item) {
            // Takes no slot by itself: the item now waits inside the worker, and competes from there.
            self.send_plan(worker, item);
            return false;
        }
        if let Some(worker) = self.parked_worker() {
            if !self.lease(process_of_worker(worker), item, need, 0, Purpose::Beginning) {
                return false;
            }
            self.lend_slot(worker);
            self.send_plan(worker, item);
            self.tell_lease(worker, item);
            return true;
        }
        // A process of its own would take memory that others wait for, or that itself could use. Threads do as well.
        let is_short = !self.denied.is_empty() || need.saturating_add(WORKER_BASELINE) > self.ledger.free();
        if is_short && let Some(worker) = self.least_given_worker() {
            self.send_plan(worker, item);
            return false;
        }
        self.start_worker_for(item, false)
    }

    fn place_alone(&mut self, item: ItemIx) -> bool {
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

    fn is_exclusive(&self, item: ItemIx) -> bool {
        self.suspicions.get(&item).is_some_and(|suspicion| suspicion.exclusive)
    }

    /// What idle workers keep of what has ended is memory too. Those that were given something live on, and give back what they can.
    /// Returns whether the others are gone.
    fn close_idle(&mut self) -> bool {
        let waits = |worker: &Worker| worker.is_open() && worker.running.is_empty() && !worker.is_idle();
        let waiting: Vec<WorkerIx> =
            self.workers.iter().filter(|(_, worker)| waits(worker)).map(|(ix, _)| ix).collect();
        self.actions.extend(waiting.into_iter().map(Action::Purge));
        while let Some(idle) = self.idle_worker() {
            self.close(idle);
        }
        self.workers.find(|worker| worker.phase == Phase::Closing).is_none()
    }

    /// Returns whether that took a slot, as `place` does.
    fn wait_for_room(&mut self, item: ItemIx) -> bool {
        let need = self.items.need(item).begin;
        self.denied.push((item, Denied { need, free: self.ledger.free(), kept_for: None }));
        false
    }

    fn start_worker_for(&mut self, item: ItemIx, alone: bool) -> bool {
        let worker = self.workers.next();
        let process = process_of_worker(worker);
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
    fn tell_lease(&mut self, worker: WorkerIx, item: ItemIx) {
        let rank = self.items.rank(item);
        self.workers[worker].leased.insert(rank);
        self.grant(worker, item, self.items.need(item).begin);
    }

    fn lend_slot(&mut self, worker: WorkerIx) {
        self.workers[worker].parked = false;
        self.actions.push_back(Action::LendSlot(worker));
    }

    fn close(&mut self, worker: WorkerIx) {
        self.workers[worker].phase = Phase::Closing;
        self.actions.push_back(Action::CloseWorker(worker));
    }

    fn send_plan(&mut self, worker: WorkerIx, first: ItemIx) {
        let mut plan = self.items.plan_with(first);
        plan.retain(|item| *item == first || !self.is_suspect(*item));
        // Without its suspect units, which run elsewhere, an archive cannot go along.
        let in_plan = |items: &Items, ix: &ItemIx, plan: &[ItemIx]| {
            items.after(*ix).iter().all(|a| plan.contains(a) || items.state(*a).is_up_to_date())
        };
        let complete: Vec<ItemIx> =
            plan.iter().copied().filter(|ix| in_plan(&self.items, ix, &plan)).collect();
        self.give(worker, &complete);
    }

    fn give(&mut self, worker: WorkerIx, plan: &[ItemIx]) {
        let in_plan: BTreeSet<ItemIx> = plan.iter().copied().collect();
        let mut items = Vec::with_capacity(plan.len());
        for item in plan {
            let rank = self.items.rank(*item);
            let after = self.items.after(*item).iter().copied().filter(|a| in_plan.contains(a)).collect();
            let memory = self.items.need(*item);
            items.push(PlannedItem { item: *item, after, priority: rank.0.0, memory });
            self.items.set(*item, State::Given(worker));
            let unblocked = self.items.is_unblocked(*item);
            let heavy = self.items.class(*item) != Class::Archive;
            let krate = self.items.krate(*item);
            let worker = &mut self.workers[worker];
            worker.given.insert(*item);
            *worker.crates.entry(krate).or_default() += 1;
            worker.heavy_unstarted += usize::from(heavy);
            if unblocked {
                worker.startable.insert(rank);
            }
        }
        self.actions.push_back(Action::SendPlan { worker, items });
    }

    fn hand_plans_ahead(&mut self) {
        if self.mode != Mode::Building {
            return;
        }
        let needs_more = |worker: &Worker| worker.is_open() && !worker.parked && worker.heavy_unstarted == 0;
        let mut about_to_idle: Vec<WorkerIx> =
            self.workers.iter().filter(|(_, worker)| needs_more(worker)).map(|(ix, _)| ix).collect();
        // Those that have run out already come first.
        about_to_idle.sort_by_key(|ix| !self.workers[*ix].is_idle());
        for worker in about_to_idle {
            let movable =
                |item: &ItemIx| self.items.class(*item) != Class::Command && !self.is_suspect(*item);
            let Some(item) = self.waiting().find(movable) else { return };
            self.send_plan(worker, item);
        }
    }

    /// Once everything that is left is in workers or on slots, idle processes only hold memory. So they do where others wait for
    /// memory, and one that works can be given what comes.
    fn close_idle_workers(&mut self) {
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

    fn finished(&mut self, item: ItemIx, outcome: Outcome) {
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
    fn out_of_memory(&mut self, item: ItemIx) {
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

    fn runs_no_more(&mut self, item: ItemIx) {
        let state = self.items.state(item);
        if state == State::Running(None) {
            self.ledger.remove_process(process_of_command(item));
        }
        if let State::Given(worker) | State::Running(Some(worker)) = state {
            self.take_back(worker, item);
            if self.workers[worker].alone && self.workers[worker].is_idle() {
                self.close(worker);
            }
        }
    }

    /// The worker no longer has the item.
    fn take_back(&mut self, ix: WorkerIx, item: ItemIx) {
        let heavy = self.items.class(item) != Class::Archive;
        let rank = self.items.rank(item);
        let krate = self.items.krate(item);
        let worker = &mut self.workers[ix];
        self.ledger.release(process_of_worker(ix), lease_of(item));
        worker.given.remove(&item);
        worker.startable.remove(&rank);
        worker.leased.remove(&rank);
        worker.asked_to_begin.remove(&rank);
        worker.granted.remove(&item);
        worker.asked.remove(&rank);
        if worker.running.remove(&item).is_none() {
            worker.heavy_unstarted -= usize::from(heavy);
        }
        let of_crate = worker.crates.get_mut(&krate).expect("counted when it was given");
        *of_crate -= 1;
        if *of_crate == 0 {
            worker.crates.remove(&krate);
        }
    }

    fn unblock_dependents(&mut self, item: ItemIx) {
        for dependent in self.items.dependents(item).to_vec() {
            if !self.items.is_unblocked(dependent) {
                continue;
            }
            if let State::Given(worker) = self.items.state(dependent) {
                let rank = self.items.rank(dependent);
                self.workers[worker].startable.insert(rank);
            }
            self.judge_if_unblocked(dependent);
        }
    }

    fn fail(&mut self, item: ItemIx) {
        self.items.set(item, State::Failed);
        self.failed = true;
        self.skip_dependents(item);
        if !self.keep_going {
            self.drain();
        }
    }

    /// Skips all that come after `item` and that no worker has; a worker skips what it has by itself.
    fn skip_dependents(&mut self, item: ItemIx) {
        let mut doomed = self.items.dependents(item).to_vec();
        while let Some(next) = doomed.pop() {
            if matches!(self.items.state(next), State::Blocked | State::Judging | State::Ready) {
                self.skip(next);
                doomed.extend_from_slice(self.items.dependents(next));
            }
        }
    }

    fn skip(&mut self, item: ItemIx) {
        self.items.set(item, State::Skipped);
        self.actions.push_back(Action::Skip(item));
    }

    fn drain(&mut self) {
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
        let has_unstarted = |worker: &Worker| worker.given.len() > worker.running.len();
        let to_cancel: Vec<WorkerIx> =
            self.workers.iter().filter(|(_, worker)| has_unstarted(worker)).map(|(ix, _)| ix).collect();
        for ix in to_cancel {
            // It drops the pieces that it has not started, too.
            self.workers[ix].cancelled = true;
            self.workers[ix].asked.clear();
            self.actions.push_back(Action::CancelPlans(ix));
        }
    }

    /// Whose fault was it? With one item in flight a crash is that item's. With several, each runs again alone, so that
    /// the guilty one convicts itself. A kill may be anyone's: each in flight gets one more chance, alone.
    fn worker_gone(&mut self, ix: WorkerIx, death: Death) {
        let in_flight: Vec<ItemIx> = self.workers[ix].running.keys().copied().collect();
        let unstarted: Vec<ItemIx> = self.workers[ix].unstarted().collect();
        let was_of_use = self.workers[ix].was_of_use;
        for item in in_flight.iter().chain(&unstarted) {
            self.take_back(ix, *item);
        }
        self.workers.gone(ix);
        self.ledger.remove_process(process_of_worker(ix));
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

    /// The item runs again, in a fresh worker; for memory with twice its estimate, and with nothing else running.
    fn try_alone(&mut self, item: ItemIx, for_memory: bool) {
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

    fn requeue(&mut self, item: ItemIx) {
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

    fn a_prerequisite_failed(&self, item: ItemIx) -> bool {
        let after = self.items.after(item);
        after.iter().any(|before| matches!(self.items.state(*before), State::Failed | State::Skipped))
    }

    fn blame(&mut self, item: ItemIx, verdict: Verdict) {
        self.actions.push_back(Action::Blame { item, verdict });
        self.fail(item);
    }

    fn finish_if_done(&mut self) {
        if self.items.open() == 0 && self.mode != Mode::Finished {
            self.mode = Mode::Finished;
            self.actions.push_back(Action::Finish { success: !self.failed });
        }
    }
}
