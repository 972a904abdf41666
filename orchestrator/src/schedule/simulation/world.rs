//! A scheduler and a pool with fake workers and commands. One event happens after the other, and
//! the invariants are checked after each.

use super::super::*;
use super::worker::{FakePieces, FakeWorker, Startable};
use crate::keys::{ChildId, ItemId, WorkerId};
use crate::tokens::fake::{FakeLender, FakePorts};
use crate::tokens::{ChildKind, Dialect, Pool};
use std::collections::{BTreeMap, BTreeSet};
use tender_protocol::Outcome;
use tender_units::{Bytes, Micros};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Fresh,
    Builds,
    Fails,
    /// Crashes its worker each time.
    Crashes,
    /// Is killed for memory each time.
    IsTooLarge,
}

pub(super) struct World {
    slots: usize,
    keep_going: bool,
    fates: Vec<Fate>,
    tasks: Vec<Task>,
    pub(super) scheduler: Scheduler,
    pool: Pool<FakePorts, FakeLender>,
    now_us: Micros,
    /// When the pool wants its next round, microseconds.
    deadline_us: Option<Micros>,
    pub(super) workers: BTreeMap<WorkerId, FakeWorker>,
    commands: BTreeMap<ItemId, FakeCommand>,
    ends: BTreeMap<ItemId, &'static str>,
    /// How often items were killed for memory.
    ran_out: BTreeMap<ItemId, u32>,
    pub(super) finish: Option<bool>,
    interrupted: bool,
    pub(super) most_live: usize,
    pub(super) ceiling: Option<Bytes>,
    /// Random kills are reported as kills for memory.
    pub(super) out_of_memory: bool,
}

/// An external command: a client that takes tokens that it is offered.
#[derive(Debug)]
struct FakeCommand {
    /// The most tokens that it can use.
    jobs: u32,
    held: u32,
}

/// The capacity of a port, small enough that some get full.
const CAPACITY: u32 = 3;

/// Within this time, microseconds, a command that can use a token is offered one, even if no other
/// command takes its offers.
const LONGEST_WITHOUT_OFFER_US: Micros = Micros::from_millis(200);

impl World {
    pub(super) fn new(tasks: Vec<Task>, fates: Vec<Fate>, slots: usize, keep_going: bool) -> World {
        let pool = Pool::own(slots as u32, FakePorts { capacity: CAPACITY });
        World::with_pool(tasks, fates, slots, keep_going, pool)
    }

    /// A build with its implicit slot; all others are borrowed from a parent.
    pub(super) fn under_parent(
        tasks: Vec<Task>,
        fates: Vec<Fate>,
        slots: usize,
        keep_going: bool,
    ) -> World {
        let lender = FakeLender::new(slots as u32 - 1);
        let pool = Pool::under(lender, slots as u32, FakePorts { capacity: CAPACITY });
        World::with_pool(tasks, fates, slots, keep_going, pool)
    }

    fn with_pool(
        tasks: Vec<Task>,
        fates: Vec<Fate>,
        slots: usize,
        keep_going: bool,
        pool: Pool<FakePorts, FakeLender>,
    ) -> World {
        World {
            scheduler: Scheduler::new(tasks.clone(), slots as u32, keep_going),
            pool,
            now_us: Micros(0),
            deadline_us: None,
            slots,
            keep_going,
            fates,
            tasks,
            workers: BTreeMap::new(),
            commands: BTreeMap::new(),
            ends: BTreeMap::new(),
            ran_out: BTreeMap::new(),
            finish: None,
            interrupted: false,
            most_live: 0,
            ceiling: None,
            out_of_memory: false,
        }
    }

    fn check_memory(&mut self) {
        let Some(ceiling) = self.ceiling else { return };
        let totals = self.scheduler.ledger().totals();
        let leases: Vec<Bytes> = self.scheduler.ledger().all_leases().collect();
        let sum = totals.leases + totals.baselines;
        let parts = self.scheduler.ledger().parts();
        assert!(
            sum <= ceiling || parts <= 1,
            "{leases:?}, {parts}, {} of {ceiling}",
            totals.baselines
        );
    }

    fn runs_alone(&self, item: ItemId) -> bool {
        self.ran_out.contains_key(&item)
    }

    /// What an item may use: its estimate, or twice that after it was killed for memory.
    fn expected_need(&self, item: ItemId) -> Need {
        let Need { begin, piece, join } = self.tasks[item.0 as usize].memory;
        let times = 1 << self.ran_out.get(&item).copied().unwrap_or(0);
        Need { begin: begin * times, piece: piece * times, join: join * times }
    }

    /// The item that was killed for memory and can be retried now.
    fn wait_to_run_alone(&self) -> impl Iterator<Item = ItemId> + '_ {
        let is_up_to_date =
            |before: &ItemId| matches!(self.ends.get(before), Some(&"fresh" | &"built"));
        let could_run = move |item: &ItemId| {
            !self.ends.contains_key(item)
                && self.tasks[item.0 as usize].after.iter().all(is_up_to_date)
        };
        self.ran_out.keys().copied().filter(could_run)
    }

    fn check_begins(&self, item: ItemId) {
        let waits = self.wait_to_run_alone().next();
        assert!(
            self.runs_alone(item) || waits.is_none(),
            "item {} begins before {waits:?}, which was killed",
            item.0
        );
    }

    fn check_exclusive(&mut self) {
        let mut in_flight: BTreeSet<ItemId> =
            self.workers.values().flat_map(FakeWorker::in_flight).collect();
        in_flight.extend(self.commands.keys());
        let Some(alone) = in_flight.iter().copied().find(|item| self.runs_alone(*item)) else {
            return;
        };
        assert_eq!(in_flight.len(), 1, "item {} runs alone, not with {in_flight:?}", alone.0);
        let leased = |worker: &FakeWorker| worker.leased.iter().copied().collect::<Vec<ItemId>>();
        let leased: Vec<ItemId> = self.workers.values().flat_map(leased).collect();
        assert!(
            leased.iter().all(|item| *item == alone),
            "{leased:?} could begin beside item {}",
            alone.0
        );
        let is_in_pieces =
            self.workers.values().any(|worker| worker.in_pieces.contains_key(&alone));
        if !is_in_pieces {
            let expected = self.expected_need(alone).begin;
            assert_eq!(self.scheduler.ledger().totals().leases, expected, "twice what it was");
        }
    }

    /// Slots on which something may run.
    fn used(&self) -> usize {
        let commands = self.commands.values().map(|command| 1 + command.held as usize);
        self.workers.values().map(FakeWorker::slots).sum::<usize>() + commands.sum::<usize>()
    }

    /// Tokens that the parent can still lend.
    fn available_at_parent(&self) -> u32 {
        self.pool.lender().map_or(0, |lender| lender.0.borrow().left)
    }

    fn unread(&self, child: ChildId) -> u32 {
        self.pool.broker.unread(child).unwrap()
    }

    fn read_token(&self, child: ChildId) {
        *self.pool.broker.port(child).unwrap().unread.borrow_mut() -= 1;
    }

    fn return_token(&self, child: ChildId) {
        *self.pool.broker.port(child).unwrap().unread.borrow_mut() += 1;
    }

    fn end(&mut self, item: ItemId, end: &'static str) {
        if let Some(before) = self.ends.insert(item, end) {
            panic!("item {} ends as {before}, then as {end}", item.0);
        }
    }

    fn perform(&mut self) {
        while let Some(item) = self.scheduler.next_to_judge() {
            for before in &self.tasks[item.0 as usize].after {
                assert!(matches!(self.ends.get(before), Some(&"fresh" | &"built")));
            }
            let fresh = self.fates[item.0 as usize] == Fate::Fresh;
            if fresh {
                self.end(item, "fresh");
            }
            self.scheduler.handle(SchedulerEvent::Judged { item, fresh });
        }
        while let Some(action) = self.scheduler.next_action() {
            assert!(self.finish.is_none(), "{action:?} after the end");
            match action {
                Action::StartWorker { worker: ix, .. } => {
                    assert!(self.workers.insert(ix, FakeWorker::default()).is_none());
                    let child = ChildId::Worker(ix);
                    drop(self.pool.broker.admit(child, ChildKind::Own, 1).expect("a slot is free"));
                    self.most_live = self.most_live.max(self.workers.len());
                }
                Action::LendSlot(ix) => {
                    let worker = self.workers.get_mut(&ix).unwrap();
                    assert!(worker.parked, "a slot is lent once");
                    worker.parked = false;
                    assert!(self.pool.broker.lend_slot(ChildId::Worker(ix)), "a slot is free");
                }
                Action::SendPlan { worker: ix, items } => {
                    let ids: BTreeSet<ItemId> = items.iter().map(|planned| planned.item).collect();
                    for planned in items {
                        let (expected, alone) =
                            (self.expected_need(planned.item), self.runs_alone(planned.item));
                        assert_eq!(planned.memory, expected, "twice what it was, and no more");
                        let worker = self.workers.get_mut(&ix).unwrap();
                        assert!(!worker.closing);
                        let is_fresh = !worker.has_responded && worker.given.is_empty();
                        assert!(
                            !alone || (is_fresh && ids.len() == 1),
                            "item {} runs alone",
                            planned.item.0
                        );
                        for before in &self.tasks[planned.item.0 as usize].after {
                            let up_to_date =
                                matches!(self.ends.get(before), Some(&"fresh" | &"built"));
                            assert!(
                                up_to_date
                                    || (ids.contains(before) && planned.after.contains(before))
                            );
                        }
                        worker.given.push((planned.item, planned.after));
                    }
                }
                Action::Lease { worker: ix, item, bytes } => {
                    let expected = self.expected_need(item);
                    // The worker may have died in the meantime.
                    let Some(worker) = self.workers.get_mut(&ix) else { continue };
                    if let Some(pieces) = worker.in_pieces.get_mut(&item) {
                        pieces.grants += 1;
                        // It may have been cancelled in the meantime.
                        let granted = pieces.waiting.min(1);
                        pieces.waiting -= granted;
                        pieces.granted += granted;
                        assert_eq!(bytes, expected.piece);
                    } else {
                        assert!(
                            worker.given.iter().any(|(given, _)| *given == item),
                            "it was given it"
                        );
                        assert!(worker.leased.insert(item), "a lease is granted once");
                        assert_eq!(bytes, expected.begin);
                        self.check_begins(item);
                    }
                }
                Action::CancelPlans(ix) => {
                    // The worker may have died in the meantime.
                    if let Some(worker) = self.workers.get_mut(&ix) {
                        worker.cancelled = true;
                    }
                }
                Action::CloseWorker { worker: ix, .. } => {
                    let worker = self.workers.get_mut(&ix).unwrap();
                    assert!(worker.given.is_empty() && worker.running.is_empty());
                    worker.closing = true;
                }
                Action::RunCommand(item) => {
                    let child = ChildId::Command(item);
                    let kind = ChildKind::External(Dialect::Fifo);
                    drop(self.pool.broker.admit(child, kind, 1).expect("a slot is free"));
                    self.commands.insert(item, FakeCommand { jobs: item.0 % 4, held: 0 });
                    self.check_begins(item);
                }
                Action::Skip(item) => self.end(item, "skipped"),
                Action::Blame { item, verdict } => {
                    let is_of_memory = verdict == Verdict::OutOfMemory;
                    assert_eq!(is_of_memory, self.ran_out.get(&item) == Some(&2), "{verdict:?}");
                    self.end(item, "failed");
                }
                Action::Retry(item) => {
                    // An archive is judged before it is retried, and may be up to date.
                    assert!(matches!(self.ends.get(&item), None | Some(&"fresh")));
                    assert!(
                        self.ran_out.get(&item).is_none_or(|times| *times == 1),
                        "it has had its chance"
                    );
                }
                Action::Purge(_) => {}
                Action::Finish { success } => self.finish = Some(success),
            }
            assert!(
                self.used() <= self.slots,
                "{} slots of {} are in use",
                self.used(),
                self.slots
            );
        }
    }

    /// What the engine does after each event. Returns whether another round follows at once.
    pub(super) fn settle(&mut self) -> bool {
        self.perform();
        let scheduler = &self.scheduler;
        let granted = |child: ChildId| match child {
            ChildId::Worker(worker) => scheduler.granted_tokens(worker),
            ChildId::Command(_) | ChildId::Survivors(_) => 0,
        };
        assert_eq!(
            self.pool.broker.collect(granted).unwrap(),
            [],
            "no child returns surplus tokens"
        );
        for worker in self.workers.keys().copied() {
            let tokens = self.pool.broker.out(ChildId::Worker(worker));
            self.scheduler.handle(SchedulerEvent::TokensOut { worker, tokens });
        }
        let wanted = self.scheduler.wanted(self.pool.max_additional());
        assert!(self.pool.begin_round(wanted, self.now_us).unwrap().is_none());
        self.scheduler.begin_round(true);
        self.perform();
        while let Some(claim) = self.scheduler.next_claim(self.pool.broker.free()) {
            let free = self.pool.broker.free();
            if let Claim::Token(worker) = claim
                && !self.pool.broker.put(ChildId::Worker(worker)).unwrap()
            {
                assert!(self.unread(ChildId::Worker(worker)) >= CAPACITY, "its port is full");
                self.scheduler.handle(SchedulerEvent::PortFull { worker });
                continue;
            }
            self.perform();
            assert_eq!(self.pool.broker.free(), free - 1, "a claim takes one slot: {claim:?}");
        }
        self.scheduler.end_round(self.pool.broker.free(), self.pool.max_additional());
        self.perform();
        let before = wanted;
        let wanted = self.scheduler.wanted(self.pool.max_additional());
        self.deadline_us = self.pool.end_round(wanted, self.now_us).unwrap();
        assert!(self.deadline_us.is_none_or(|at_us| at_us > self.now_us));
        assert!(self.pool.broker.n() as usize <= self.slots);
        let has_lent = self.pool.lender().is_some_and(|lender| lender.grant() > 0);
        has_lent || wanted > before
    }

    /// What workers do at once without an event.
    pub(super) fn react(&mut self) -> bool {
        let ixs: Vec<WorkerId> = self.workers.keys().copied().collect();
        for ix in ixs {
            let worker = self.workers.get_mut(&ix).unwrap();
            if !worker.has_responded {
                continue;
            }
            if worker.cancelled && !worker.given.is_empty() {
                let (item, _) = worker.given.remove(0);
                self.end(item, "skipped");
                self.scheduler.handle(SchedulerEvent::Finished { item, outcome: Outcome::Skipped });
                return true;
            }
            if worker.cancelled {
                worker
                    .in_pieces
                    .values_mut()
                    .for_each(|pieces| (pieces.waiting, pieces.granted) = (0, 0));
                let over = worker.in_pieces.iter().find(|(_, pieces)| pieces.running == 0);
                if let Some((item, _)) = over {
                    let item = *item;
                    worker.in_pieces.remove(&item);
                    self.end(item, "skipped");
                    self.scheduler
                        .handle(SchedulerEvent::Finished { item, outcome: Outcome::Skipped });
                    return true;
                }
            }
            let wants = worker.wants();
            if std::mem::replace(&mut worker.sent_want, wants) != wants {
                let tokens = wants as u32;
                self.scheduler.handle(SchedulerEvent::WorkerWants { worker: ix, tokens });
                return true;
            }
            let child = ChildId::Worker(ix);
            if worker.startable().is_some()
                && worker.running.len() >= worker.slots()
                && self.pool.broker.unread(child).unwrap() > 0
            {
                worker.tokens += 1;
                self.read_token(child);
                return true;
            }
            let worker = self.workers.get_mut(&ix).unwrap();
            if worker.running.len() < worker.slots() {
                match worker.startable() {
                    Some(Startable::Item(position)) => {
                        let (item, _) = worker.given.remove(position);
                        worker.running.push(item);
                        self.scheduler.handle(SchedulerEvent::Started { worker: ix, item });
                        return true;
                    }
                    Some(Startable::Piece(item)) => {
                        let pieces = worker.in_pieces.get_mut(&item).unwrap();
                        pieces.granted -= 1;
                        pieces.running += 1;
                        worker.running.push(item);
                        return true;
                    }
                    None => {}
                }
                if worker.tokens > 0 && worker.running.len() < worker.slots() {
                    worker.tokens -= 1;
                    self.return_token(child);
                    return true;
                }
                if !worker.parked && worker.running.is_empty() {
                    worker.parked = true;
                    self.pool.broker.park(child);
                    self.scheduler.handle(SchedulerEvent::WorkerParked { worker: ix });
                    return true;
                }
            }
        }
        false
    }

    /// One event happens that takes time; `pick` chooses which. False if none can.
    pub(super) fn step(&mut self, pick: usize, killed: bool) -> bool {
        let mut choices: Vec<(Option<WorkerId>, Option<ItemId>)> = Vec::new();
        for (ix, worker) in &self.workers {
            if !worker.has_responded || worker.closing {
                choices.push((Some(*ix), None));
            }
            choices.extend(worker.running.iter().map(|item| (Some(*ix), Some(*item))));
        }
        choices.extend(self.commands.keys().map(|item| (None, Some(*item))));
        self.now_us += Micros(1 + (pick * 37 % 6_000) as u64);
        self.use_tokens(pick);
        if choices.is_empty() {
            return false;
        }
        match choices[pick % choices.len()] {
            (Some(ix), _) if killed && self.out_of_memory => self.die(ix, Death::OutOfMemory),
            (Some(ix), _) if killed => self.die(ix, Death::Killed),
            (Some(ix), None) if self.workers[&ix].closing => self.die(ix, Death::Closed),
            (Some(ix), None) => {
                self.workers.get_mut(&ix).unwrap().has_responded = true;
                self.scheduler.handle(SchedulerEvent::WorkerResponded { worker: ix });
            }
            (Some(ix), Some(item)) if self.fates[item.0 as usize] == Fate::Crashes => {
                self.die(ix, Death::Crashed);
            }
            (Some(ix), Some(item)) if self.is_too_large(item) && !self.is_link(item) => {
                self.die(ix, Death::OutOfMemory);
            }
            (Some(ix), Some(item)) if !self.part_ends(ix, item) => {}
            // Its linker is killed, and the worker survives.
            (Some(_), Some(item)) if self.is_too_large(item) => self.run_out(item),
            (Some(ix), Some(item)) => {
                let outcome = self.outcome(item);
                let worker = self.workers.get_mut(&ix).unwrap();
                let mut skipped = Vec::new();
                for (other, after) in &mut worker.given {
                    if outcome == Outcome::Failed && after.contains(&item) {
                        skipped.push(*other);
                    }
                    after.retain(|before| *before != item);
                }
                worker.given.retain(|(other, _)| !skipped.contains(other));
                self.scheduler.handle(SchedulerEvent::Finished { item, outcome });
                for item in skipped {
                    self.end(item, "skipped");
                    self.scheduler
                        .handle(SchedulerEvent::Finished { item, outcome: Outcome::Skipped });
                }
            }
            (None, Some(item)) => {
                let command = self.commands.remove(&item).unwrap();
                let settled = self.pool.broker.remove(ChildId::Command(item));
                assert_eq!(settled.held_lost, command.held, "what it held is known");
                if self.is_too_large(item) || (killed && self.out_of_memory) {
                    self.run_out(item);
                    return true;
                }
                let outcome = self.outcome(item);
                self.scheduler.handle(SchedulerEvent::Finished { item, outcome });
            }
            (None, None) => unreachable!(),
        }
        true
    }

    /// Commands take tokens from their ports, and return those that they cannot use any more.
    fn use_tokens(&mut self, pick: usize) {
        for (item, command) in &mut self.commands {
            let child = ChildId::Command(*item);
            let port = self.pool.broker.port(child).unwrap();
            let mut unread = port.unread.borrow_mut();
            if command.held > 0 && pick.is_multiple_of(3) {
                command.held -= 1;
                *unread += 1;
            } else if command.held < command.jobs && *unread > 0 {
                command.held += 1;
                *unread -= 1;
            }
        }
    }

    /// One part of the item ends. Returns whether it was the last.
    fn part_ends(&mut self, ix: WorkerId, item: ItemId) -> bool {
        let need = self.expected_need(item);
        let worker = self.workers.get_mut(&ix).unwrap();
        let at = worker.running.iter().position(|other| *other == item).unwrap();
        worker.running.swap_remove(at);
        let Some(pieces) = worker.in_pieces.get_mut(&item) else {
            let grants = u32::from(worker.leased.remove(&item));
            let count = pieces_of(&self.tasks[item.0 as usize]);
            if count == 0 || self.fates[item.0 as usize] == Fate::Fails {
                return true;
            }
            let pieces = FakePieces { need, waiting: count, granted: 0, running: 0, grants };
            let (resized, bytes) = (pieces.resized(ix, item), pieces.need.piece);
            worker.in_pieces.insert(item, pieces);
            self.scheduler.handle(resized);
            for _ in 0..count {
                self.scheduler.handle(SchedulerEvent::LeaseWanted { worker: ix, item, bytes });
            }
            return false;
        };
        pieces.running -= 1;
        if pieces.waiting + pieces.granted + pieces.running > 0 {
            let resized = pieces.resized(ix, item);
            self.scheduler.handle(resized);
            return false;
        }
        worker.in_pieces.remove(&item);
        if worker.cancelled {
            self.end(item, "skipped");
            self.scheduler.handle(SchedulerEvent::Finished { item, outcome: Outcome::Skipped });
            return false;
        }
        true
    }

    fn outcome(&mut self, item: ItemId) -> Outcome {
        if matches!(self.fates[item.0 as usize], Fate::Fails | Fate::Crashes) {
            self.end(item, "failed");
            Outcome::Failed
        } else {
            self.end(item, "built");
            Outcome::Ok
        }
    }

    fn die(&mut self, ix: WorkerId, death: Death) {
        let worker = self.workers.remove(&ix).unwrap();
        let settled = self.pool.broker.remove(ChildId::Worker(ix));
        assert_eq!(settled.held_lost as usize, worker.tokens, "what it held is known");
        if death == Death::OutOfMemory {
            for item in worker.in_flight() {
                *self.ran_out.entry(item).or_default() += 1;
            }
        }
        self.scheduler.handle(SchedulerEvent::WorkerEnded { worker: ix, death });
    }

    fn is_too_large(&self, item: ItemId) -> bool {
        self.fates[item.0 as usize] == Fate::IsTooLarge
    }

    fn is_link(&self, item: ItemId) -> bool {
        self.tasks[item.0 as usize].class == Class::Link
    }

    /// The command or linker that ran the item was killed for memory.
    fn run_out(&mut self, item: ItemId) {
        *self.ran_out.entry(item).or_default() += 1;
        self.scheduler.handle(SchedulerEvent::OutOfMemory { item });
    }

    /// An interruption: workers are killed, commands end.
    fn interrupt(&mut self) {
        self.keep_going = false;
        self.interrupted = true;
        self.scheduler.cancel();
        for ix in self.workers.keys().copied().collect::<Vec<_>>() {
            self.die(ix, Death::Closed);
        }
    }

    pub(super) fn run(
        &mut self,
        picks: &[usize],
        kills: &BTreeSet<usize>,
        interrupt_at: Option<usize>,
    ) {
        let mut step = 0;
        loop {
            loop {
                let is_again = self.settle();
                self.check_exclusive();
                if !self.react() && !is_again {
                    break;
                }
            }
            self.check_work_conservation();
            self.check_offers();
            self.check_memory();
            if self.finish.is_some() {
                break;
            }
            if interrupt_at == Some(step) {
                self.interrupt();
                step += 1;
                continue;
            }
            let moved = self.step(picks[step % picks.len()], kills.contains(&step));
            assert!(moved, "nothing runs and the build is not finished: {:?}", self.ends);
            step += 1;
            assert!(step < 20_000, "the build does not end");
        }
        self.check_ends();
    }

    /// Checks that free slots, and those that can be borrowed, are offered to a command that can
    /// use one. On trial it takes some time until each command had an offer.
    fn check_offers(&mut self) {
        let can_use_one = |(_, command): &(&ItemId, &FakeCommand)| command.held < command.jobs;
        let Some(item) = self.commands.iter().find(can_use_one).map(|(item, _)| *item) else {
            return;
        };
        let child = ChildId::Command(item);
        let before_us = self.now_us;
        while self.unread(child) == 0 {
            let wanted = self.scheduler.wanted(self.pool.max_additional());
            let rest =
                (self.pool.broker.free() + self.available_at_parent()).saturating_sub(wanted);
            let is_offered = |other: &ItemId| self.unread(ChildId::Command(*other)) > 0;
            let has_others = self.commands.keys().any(is_offered);
            if rest == 0 && !has_others {
                return;
            }
            let deadline_us = self.deadline_us.expect("a command waits for an offer");
            self.now_us = deadline_us;
            while self.settle() {}
            assert!(
                self.now_us < before_us + LONGEST_WITHOUT_OFFER_US,
                "item {} is offered none of {rest} tokens",
                item.0
            );
        }
    }

    fn check_work_conservation(&mut self) {
        let free = self.slots - self.used();
        let comes_soon =
            self.workers.values().any(|worker| !worker.has_responded || worker.closing);
        if free == 0 || comes_soon || self.finish.is_some() {
            return;
        }
        for worker in self.workers.values() {
            assert!(worker.startable().is_none(), "{free} slots are free and a worker has work");
        }
        if self.scheduler.exclusive().is_some() {
            assert!(
                !self.scheduler.ledger().is_empty(),
                "what runs alone runs, or waits for what does"
            );
            return;
        }
        if !self.scheduler.denied().is_empty() {
            assert!(!self.scheduler.ledger().is_idle(), "one job may always run");
            return;
        }
        assert_eq!(self.scheduler.waiting().count(), 0, "{free} slots are free");
        for worker in self.workers.values().filter(|worker| !worker.cancelled) {
            assert!(!worker.waits_for_memory(), "{free} slots are free, and memory");
        }
    }

    fn check_ends(&self) {
        assert_eq!(self.ends.len(), self.tasks.len(), "every item has an end");
        // An exclusive item may get a worker in addition to those that wait.
        let most = self.slots + usize::from(!self.ran_out.is_empty());
        assert!(self.most_live <= most, "{} workers on {} slots", self.most_live, self.slots);
        for (item, times) in &self.ran_out {
            let failed = self.ends[item] == "failed";
            assert!(
                *times == 1 || (*times == 2 && failed),
                "item {} ran out {times} times",
                item.0
            );
        }
        let is = |item: ItemId, ends: &[&str]| ends.contains(&self.ends[&item]);
        for (number, task) in self.tasks.iter().enumerate() {
            let item = ItemId(number as u32);
            assert!(self.fates[number] != Fate::IsTooLarge || !is(item, &["built"]));
            let prerequisites_hold =
                task.after.iter().all(|before| is(*before, &["fresh", "built"]));
            assert!(prerequisites_hold || is(item, &["skipped"]), "ran after a failure");
            if self.keep_going && prerequisites_hold {
                assert!(!is(item, &["skipped"]), "--keep-going runs all that it can");
            }
        }
        let is_well = |(item, end): (&ItemId, &&str)| {
            let failed_alone = *end == "failed" && self.tasks[item.0 as usize].optional;
            matches!(*end, "fresh" | "built") || failed_alone
        };
        let all_well = !self.interrupted && self.ends.iter().all(is_well);
        assert_eq!(self.finish, Some(all_well));
    }
}

/// How many pieces an item has; 0: it is not cut.
fn pieces_of(task: &Task) -> usize {
    match task.class {
        Class::Unit | Class::Link if task.memory.piece > Bytes(0) => (task.cost_us.0 % 5) as usize,
        _ => 0,
    }
}
