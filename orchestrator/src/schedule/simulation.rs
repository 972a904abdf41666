//! Property tests: random graphs, workers that behave like the real ones in a random order of events, failures, deaths.

use super::*;
use crate::graph::ItemIx;
use crate::manifest::CrateId;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tender_protocol::Outcome;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fresh,
    Builds,
    Fails,
    /// Takes its worker down, always.
    Crashes,
}

/// A worker as the protocol describes it: starts what it has slots for, wants tokens for the rest, parks when idle.
#[derive(Default)]
struct FakeWorker {
    heard: bool,
    parked: bool,
    tokens: usize,
    /// Unstarted items with those they wait for.
    given: Vec<(ItemIx, Vec<ItemIx>)>,
    leased: BTreeSet<ItemIx>,
    /// Once for each part that runs.
    running: Vec<ItemIx>,
    in_pieces: BTreeMap<ItemIx, FakePieces>,
    told_want: usize,
    closing: bool,
    cancelled: bool,
}

/// An item that has begun and come in pieces.
struct FakePieces {
    need: Need,
    waiting: usize,
    granted: usize,
    running: usize,
    grants: u32,
}

impl FakePieces {
    /// As after the end of a part.
    fn resized(&self, worker: WorkerIx, item: ItemIx) -> Event {
        let parts = self.granted + self.running;
        let bytes = self.need.begin / 4 + parts as u64 * self.need.piece;
        Event::LeaseResized { worker, item, bytes, grants: self.grants, parts: parts as u32 }
    }
}

/// What a fake worker may start.
enum Startable {
    /// The position of what it was given.
    Item(usize),
    Piece(ItemIx),
}

impl FakeWorker {
    fn slots(&self) -> usize {
        usize::from(!self.parked) + self.tokens
    }

    fn startable(&self) -> Option<Startable> {
        let piece = self.in_pieces.iter().find(|(_, pieces)| pieces.granted > 0);
        let begins =
            || self.given.iter().position(|(item, after)| after.is_empty() && self.leased.contains(item));
        piece.map(|(item, _)| Startable::Piece(*item)).or_else(|| begins().map(Startable::Item))
    }

    fn waits_for_memory(&self) -> bool {
        self.given.iter().any(|(item, after)| after.is_empty() && !self.leased.contains(item))
            || self.in_pieces.values().any(|pieces| pieces.waiting > 0)
    }

    fn wants(&self) -> usize {
        let is_startable =
            |(item, after): &&(ItemIx, Vec<ItemIx>)| after.is_empty() && self.leased.contains(item);
        let pieces: usize = self.in_pieces.values().map(|pieces| pieces.granted).sum();
        let startable = self.given.iter().filter(is_startable).count() + pieces;
        (self.running.len() + startable).saturating_sub(usize::from(!self.parked))
    }
}

struct World {
    slots: usize,
    keep_going: bool,
    fates: Vec<Fate>,
    tasks: Vec<Task>,
    scheduler: Scheduler,
    workers: BTreeMap<WorkerIx, FakeWorker>,
    commands: Vec<ItemIx>,
    ends: BTreeMap<ItemIx, &'static str>,
    finish: Option<bool>,
    interrupted: bool,
    most_live: usize,
    ceiling: Option<u64>,
    /// Kills are told as such.
    out_of_memory: bool,
}

impl World {
    fn new(tasks: Vec<Task>, fates: Vec<Fate>, slots: usize, keep_going: bool) -> World {
        World {
            scheduler: Scheduler::new(tasks.clone(), slots as u32, keep_going),
            slots,
            keep_going,
            fates,
            tasks,
            workers: BTreeMap::new(),
            commands: Vec::new(),
            ends: BTreeMap::new(),
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
        let leases: Vec<u64> = self.scheduler.ledger().all_leases().collect();
        let sum = totals.leases + totals.baselines;
        let parts = self.scheduler.ledger().parts();
        assert!(sum <= ceiling || parts <= 1, "{leases:?}, {parts}, {} of {ceiling}", totals.baselines);
    }

    fn used(&self) -> usize {
        self.workers.values().map(FakeWorker::slots).sum::<usize>() + self.commands.len()
    }

    fn end(&mut self, item: ItemIx, end: &'static str) {
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
            self.scheduler.handle(Event::Judged { item, fresh });
        }
        while let Some(action) = self.scheduler.next_action() {
            assert!(self.finish.is_none(), "{action:?} after the end");
            match action {
                Action::StartWorker(ix) => {
                    assert!(self.workers.insert(ix, FakeWorker::default()).is_none());
                    self.most_live = self.most_live.max(self.workers.len());
                }
                Action::LendSlot(ix) => {
                    let worker = self.workers.get_mut(&ix).unwrap();
                    assert!(worker.parked, "a slot is lent once");
                    worker.parked = false;
                }
                Action::SendPlan { worker, items } => {
                    let worker = self.workers.get_mut(&worker).unwrap();
                    assert!(!worker.closing);
                    let ids: BTreeSet<ItemIx> = items.iter().map(|planned| planned.item).collect();
                    for planned in items {
                        for before in &self.tasks[planned.item.0 as usize].after {
                            let up_to_date = matches!(self.ends.get(before), Some(&"fresh" | &"built"));
                            assert!(up_to_date || (ids.contains(before) && planned.after.contains(before)));
                        }
                        worker.given.push((planned.item, planned.after));
                    }
                }
                Action::Lease { worker, item, .. } => {
                    // It may have died in the meantime.
                    let Some(worker) = self.workers.get_mut(&worker) else { continue };
                    if let Some(pieces) = worker.in_pieces.get_mut(&item) {
                        pieces.grants += 1;
                        // It may have been cancelled in the meantime.
                        let granted = pieces.waiting.min(1);
                        pieces.waiting -= granted;
                        pieces.granted += granted;
                    } else {
                        assert!(worker.given.iter().any(|(given, _)| *given == item), "it was given it");
                        assert!(worker.leased.insert(item), "a lease is granted once");
                    }
                }
                Action::CancelPlans(ix) => {
                    // It may have died in the meantime.
                    if let Some(worker) = self.workers.get_mut(&ix) {
                        worker.cancelled = true;
                    }
                }
                Action::CloseWorker(ix) => {
                    let worker = self.workers.get_mut(&ix).unwrap();
                    assert!(worker.given.is_empty() && worker.running.is_empty());
                    worker.closing = true;
                }
                Action::RunCommand(item) => self.commands.push(item),
                Action::Skip(item) => self.end(item, "skipped"),
                Action::Blame { item, .. } => self.end(item, "failed"),
                Action::Retry(_) | Action::Purge(_) => {}
                Action::Finish { success } => self.finish = Some(success),
            }
            assert!(self.used() <= self.slots, "{} slots of {} are in use", self.used(), self.slots);
        }
    }

    /// What the engine does after each event.
    fn settle(&mut self) {
        self.perform();
        self.tell_lacks();
        self.scheduler.claim((self.slots - self.used()) as u32);
        self.perform();
        let mut by_urgency: Vec<WorkerIx> = self.workers.keys().copied().collect();
        by_urgency.sort_by_key(|ix| std::cmp::Reverse(self.scheduler.urgency(*ix)));
        for ix in by_urgency {
            while self.used() < self.slots {
                let worker = self.workers.get_mut(&ix).unwrap();
                if !worker.heard || worker.wants() <= worker.tokens {
                    break;
                }
                worker.tokens += 1;
            }
        }
        self.scheduler.fill((self.slots - self.used()) as u32);
        self.perform();
    }

    fn tell_lacks(&mut self) {
        for (ix, worker) in self.workers.iter().filter(|(_, worker)| worker.heard) {
            self.scheduler.lacks(*ix, worker.wants().saturating_sub(worker.tokens) as u32);
        }
    }

    /// Everything that workers do at once and of themselves.
    fn react(&mut self) -> bool {
        let ixs: Vec<WorkerIx> = self.workers.keys().copied().collect();
        for ix in ixs {
            let worker = self.workers.get_mut(&ix).unwrap();
            if !worker.heard {
                continue;
            }
            if worker.cancelled && !worker.given.is_empty() {
                let (item, _) = worker.given.remove(0);
                self.end(item, "skipped");
                self.scheduler.handle(Event::Finished { item, outcome: Outcome::Skipped });
                return true;
            }
            if worker.cancelled {
                worker.in_pieces.values_mut().for_each(|pieces| (pieces.waiting, pieces.granted) = (0, 0));
                let over = worker.in_pieces.iter().find(|(_, pieces)| pieces.running == 0);
                if let Some((item, _)) = over {
                    let item = *item;
                    worker.in_pieces.remove(&item);
                    self.end(item, "skipped");
                    self.scheduler.handle(Event::Finished { item, outcome: Outcome::Skipped });
                    return true;
                }
            }
            let wants = worker.wants();
            if std::mem::replace(&mut worker.told_want, wants) != wants {
                return true;
            }
            if worker.running.len() < worker.slots() {
                match worker.startable() {
                    Some(Startable::Item(position)) => {
                        let (item, _) = worker.given.remove(position);
                        worker.running.push(item);
                        self.scheduler.handle(Event::Started { worker: ix, item });
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
                    return true;
                }
                if !worker.parked && worker.running.is_empty() {
                    worker.parked = true;
                    self.scheduler.handle(Event::WorkerParked { worker: ix });
                    return true;
                }
            }
        }
        false
    }

    /// One thing that takes time happens; `pick` chooses which. False if nothing can.
    fn step(&mut self, pick: usize, killed: bool) -> bool {
        let mut choices: Vec<(Option<WorkerIx>, Option<ItemIx>)> = Vec::new();
        for (ix, worker) in &self.workers {
            if !worker.heard || worker.closing {
                choices.push((Some(*ix), None));
            }
            choices.extend(worker.running.iter().map(|item| (Some(*ix), Some(*item))));
        }
        choices.extend(self.commands.iter().map(|item| (None, Some(*item))));
        if choices.is_empty() {
            return false;
        }
        match choices[pick % choices.len()] {
            (Some(ix), _) if killed && self.out_of_memory => self.die(ix, Death::OutOfMemory),
            (Some(ix), _) if killed => self.die(ix, Death::Killed),
            (Some(ix), None) if self.workers[&ix].closing => self.die(ix, Death::Closed),
            (Some(ix), None) => {
                self.workers.get_mut(&ix).unwrap().heard = true;
                self.scheduler.handle(Event::WorkerHeard { worker: ix });
            }
            (Some(ix), Some(item)) if self.fates[item.0 as usize] == Fate::Crashes => {
                self.die(ix, Death::Crashed);
            }
            (Some(ix), Some(item)) if !self.part_ends(ix, item) => {}
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
                self.scheduler.handle(Event::Finished { item, outcome });
                for item in skipped {
                    self.end(item, "skipped");
                    self.scheduler.handle(Event::Finished { item, outcome: Outcome::Skipped });
                }
            }
            (None, Some(item)) => {
                self.commands.retain(|other| *other != item);
                let outcome = self.outcome(item);
                self.scheduler.handle(Event::Finished { item, outcome });
            }
            (None, None) => unreachable!(),
        }
        true
    }

    /// One part of the item ends. Returns whether that was all of it.
    fn part_ends(&mut self, ix: WorkerIx, item: ItemIx) -> bool {
        let worker = self.workers.get_mut(&ix).unwrap();
        let at = worker.running.iter().position(|other| *other == item).unwrap();
        worker.running.swap_remove(at);
        let Some(pieces) = worker.in_pieces.get_mut(&item) else {
            let grants = u32::from(worker.leased.remove(&item));
            let task = &self.tasks[item.0 as usize];
            let count = pieces_of(task);
            if count == 0 || self.fates[item.0 as usize] == Fate::Fails {
                return true;
            }
            let pieces = FakePieces { need: task.memory, waiting: count, granted: 0, running: 0, grants };
            let (resized, bytes) = (pieces.resized(ix, item), pieces.need.piece);
            worker.in_pieces.insert(item, pieces);
            self.scheduler.handle(resized);
            for _ in 0..count {
                self.scheduler.handle(Event::LeaseWanted { worker: ix, item, bytes });
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
            self.scheduler.handle(Event::Finished { item, outcome: Outcome::Skipped });
            return false;
        }
        true
    }

    fn outcome(&mut self, item: ItemIx) -> Outcome {
        if matches!(self.fates[item.0 as usize], Fate::Fails | Fate::Crashes) {
            self.end(item, "failed");
            Outcome::Failed
        } else {
            self.end(item, "built");
            Outcome::Ok
        }
    }

    fn die(&mut self, ix: WorkerIx, death: Death) {
        self.workers.remove(&ix);
        self.scheduler.handle(Event::WorkerGone { worker: ix, death });
    }

    /// What an interruption does: our workers are killed, commands end.
    fn interrupt(&mut self) {
        self.keep_going = false;
        self.interrupted = true;
        self.scheduler.cancel();
        for ix in self.workers.keys().copied().collect::<Vec<_>>() {
            self.die(ix, Death::Closed);
        }
    }

    fn run(&mut self, picks: &[usize], kills: &BTreeSet<usize>, interrupt_at: Option<usize>) {
        let mut step = 0;
        loop {
            loop {
                self.settle();
                if !self.react() {
                    break;
                }
            }
            self.check_work_conservation();
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

    fn check_work_conservation(&mut self) {
        let free = self.slots - self.used();
        let comes_soon = self.workers.values().any(|worker| !worker.heard || worker.closing);
        if free == 0 || comes_soon || self.finish.is_some() {
            return;
        }
        for worker in self.workers.values() {
            assert!(worker.startable().is_none(), "{free} slots are free and a worker has work");
        }
        if self.scheduler.exclusive().is_some() {
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
        // One that runs while nothing else does may come on top of those that wait.
        let most = self.slots + usize::from(self.out_of_memory);
        assert!(self.most_live <= most, "{} workers on {} slots", self.most_live, self.slots);
        let is = |item: ItemIx, ends: &[&str]| ends.contains(&self.ends[&item]);
        for (number, task) in self.tasks.iter().enumerate() {
            let item = ItemIx(number as u32);
            let prerequisites_hold = task.after.iter().all(|before| is(*before, &["fresh", "built"]));
            assert!(prerequisites_hold || is(item, &["skipped"]), "ran after a failure");
            if self.keep_going && prerequisites_hold {
                assert!(!is(item, &["skipped"]), "--keep-going runs all that it can");
            }
        }
        let all_well = !self.interrupted && self.ends.values().all(|end| matches!(*end, "fresh" | "built"));
        assert_eq!(self.finish, Some(all_well));
    }
}

/// Crates of a few units, an archive each, some with a command first and some with a program behind.
fn graph() -> impl Strategy<Value = (Vec<Task>, Vec<Fate>)> {
    let fate = prop_oneof![
        3 => Just(Fate::Fresh),
        12 => Just(Fate::Builds),
        1 => Just(Fate::Fails),
        1 => Just(Fate::Crashes),
    ];
    let krate =
        (0..6usize, any::<bool>(), any::<bool>(), prop::collection::vec(any::<prop::sample::Index>(), 0..3));
    (prop::collection::vec(krate, 1..8), prop::collection::vec((fate, 1..1000u64), 80)).prop_map(
        |(crates, variety)| {
            let mut tasks: Vec<Task> = Vec::new();
            let mut archives: Vec<ItemIx> = Vec::new();
            for (number, (units, command, program, dependencies)) in crates.into_iter().enumerate() {
                let mut add = |class: Class, after: Vec<ItemIx>| {
                    let cost_us = variety[tasks.len() % variety.len()].1;
                    tasks.push(Task {
                        krate: CrateId(number as u32),
                        class,
                        after,
                        cost_us,
                        memory: need(cost_us),
                    });
                    ItemIx(tasks.len() as u32 - 1)
                };
                let first: Vec<ItemIx> = command.then(|| add(Class::Command, vec![])).into_iter().collect();
                let objects: Vec<ItemIx> = (0..units).map(|_| add(Class::Unit, first.clone())).collect();
                let archive = add(Class::Archive, objects);
                let mut linked: BTreeSet<ItemIx> = [archive].into();
                if !archives.is_empty() {
                    linked.extend(dependencies.iter().map(|index| *index.get(&archives)));
                }
                if program {
                    add(Class::Link, linked.into_iter().collect());
                }
                archives.push(archive);
            }
            let fates = (0..tasks.len()).map(|number| variety[number % variety.len()].0).collect();
            (tasks, fates)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn every_build_ends_well_or_badly_but_ends(
        (tasks, fates) in graph(),
        slots in 1..6usize,
        keep_going: bool,
        picks in prop::collection::vec(0..1000usize, 1..60),
        kills in prop::collection::btree_set(0..60usize, 0..4),
        interrupt_at in prop::option::weighted(0.2, 0..40usize),
    ) {
        World::new(tasks, fates, slots, keep_going).run(&picks, &kills, interrupt_at);
    }

    #[test]
    fn little_memory_makes_builds_slow_but_ends_none(
        (tasks, fates) in graph(),
        slots in 1..6usize,
        keep_going: bool,
        picks in prop::collection::vec(0..1000usize, 1..60),
        kills in prop::collection::btree_set(0..60usize, 0..4),
        out_of_memory: bool,
        interrupt_at in prop::option::weighted(0.2, 0..40usize),
        ceiling in 0..3000u64,
    ) {
        let ceiling = ceiling + slots as u64 * WORKER_BASELINE;
        let mut world = World::new(tasks, fates, slots, keep_going);
        world.ceiling = Some(ceiling);
        world.out_of_memory = out_of_memory;
        world.scheduler.ledger().set_ceiling(Some(ceiling));
        world.run(&picks, &kills, interrupt_at);
    }
}

/// The costlier, the larger. Some come in pieces, and some are larger than what a worker keeps.
fn need(cost_us: u64) -> Need {
    let begin = cost_us + if cost_us.is_multiple_of(7) { WORKER_BASELINE } else { 0 };
    Need { begin, piece: if cost_us.is_multiple_of(3) { cost_us / 2 + 1 } else { 0 }, join: 0 }
}

/// How many pieces an item comes in; 0: it does not.
fn pieces_of(task: &Task) -> usize {
    match task.class {
        Class::Unit | Class::Link if task.memory.piece > 0 => (task.cost_us % 5) as usize,
        _ => 0,
    }
}

fn unit(krate: u32, cost_us: u64) -> Task {
    Task { krate: CrateId(krate), class: Class::Unit, after: vec![], cost_us, memory: need(cost_us) }
}

fn one_file_crates(n: u32) -> Vec<Task> {
    (0..n)
        .flat_map(|krate| {
            let task =
                |class, after| Task { krate: CrateId(krate), class, after, cost_us: 10, memory: need(10) };
            [task(Class::Unit, vec![]), task(Class::Archive, vec![ItemIx(2 * krate)])]
        })
        .collect()
}

#[test]
fn two_workers_build_a_thousand_crates_of_one_file_without_parking() {
    let tasks = one_file_crates(1000);
    let fates = vec![Fate::Builds; tasks.len()];
    let mut world = World::new(tasks, fates, 2, false);
    let mut parked_with_work_left = 0;
    let mut step = 0;
    while world.finish.is_none() {
        world.settle();
        while world.react() {
            if world.scheduler.waiting().next().is_some() {
                parked_with_work_left += world.workers.values().filter(|worker| worker.parked).count();
            }
            world.settle();
        }
        world.step(step, false);
        step += 1;
    }
    assert_eq!(world.finish, Some(true));
    assert_eq!(world.most_live, 2);
    assert_eq!(parked_with_work_left, 0, "the next plan is there before the last item ends");
}

#[test]
fn one_crate_is_one_worker_and_its_files_take_tokens() {
    let tasks: Vec<Task> = (0..8).map(|_| unit(0, 10)).collect();
    let mut world = World::new(tasks, vec![Fate::Builds; 8], 4, false);
    world.run(&[0], &BTreeSet::new(), None);
    assert_eq!(world.most_live, 1);
}

#[test]
fn the_longest_path_starts_first() {
    let task = |krate, after: &[u32], cost_us| Task {
        krate: CrateId(krate),
        class: Class::Link,
        after: after.iter().copied().map(ItemIx).collect(),
        cost_us,
        memory: need(cost_us),
    };
    // 1 is cheap, but 3 waits for it: 1 + 50 is more than 20.
    let mut scheduler = Scheduler::new(
        vec![task(0, &[], 20), task(1, &[], 1), task(2, &[], 30), task(3, &[1], 50)],
        1,
        false,
    );
    while let Some(item) = scheduler.next_to_judge() {
        scheduler.handle(Event::Judged { item, fresh: false });
    }
    let waiting: Vec<u32> = scheduler.waiting().map(|item| item.0).collect();
    assert_eq!(waiting, [1, 2, 0]);
    assert_eq!([0, 1, 2, 3].map(|ix| scheduler.priority(ItemIx(ix))), [20, 51, 30, 50]);
}

#[test]
fn pieces_of_an_urgent_item_come_before_new_processes() {
    let started = |lacks: u32, free: u32| {
        let mut scheduler = Scheduler::new(vec![unit(0, 50), unit(1, 20), unit(2, 10)], 4, false);
        while let Some(item) = scheduler.next_to_judge() {
            scheduler.handle(Event::Judged { item, fresh: false });
        }
        scheduler.claim(1);
        let worker = WorkerIx(0);
        scheduler.handle(Event::Started { worker, item: ItemIx(0) });
        while scheduler.next_action().is_some() {}
        scheduler.lacks(worker, lacks);
        scheduler.claim(free);
        let urgent = scheduler.urgency(worker);
        let actions = std::iter::from_fn(|| scheduler.next_action());
        (actions.filter(|action| matches!(action, Action::StartWorker(_))).count(), urgent)
    };
    assert_eq!(started(0, 3), (2, 0));
    assert_eq!(started(2, 3), (1, 50));
    assert_eq!(started(7, 3), (0, 50));
}

/// A worker has run the most urgent of three units. The next takes `large` bytes, and `free` are free beside the worker.
fn after_a_small_one(large: u64, free: u64) -> Scheduler {
    let task =
        |krate, cost_us, begin| Task { memory: Need { begin, piece: 0, join: 0 }, ..unit(krate, cost_us) };
    let tasks = vec![task(0, 30, 10), task(1, 20, large), task(2, 10, 10)];
    let mut scheduler = Scheduler::new(tasks, 1, false);
    scheduler.ledger().set_ceiling(Some(WORKER_BASELINE + free));
    while let Some(item) = scheduler.next_to_judge() {
        scheduler.handle(Event::Judged { item, fresh: false });
    }
    let (worker, item) = (WorkerIx(0), ItemIx(0));
    scheduler.claim(1);
    scheduler.handle(Event::Started { worker, item });
    scheduler.fill(0);
    scheduler.handle(Event::Finished { item, outcome: Outcome::Ok });
    while scheduler.next_action().is_some() {}
    scheduler
}

fn done(scheduler: &mut Scheduler) -> Vec<Action> {
    scheduler.claim(1);
    scheduler.fill(0);
    std::iter::from_fn(|| scheduler.next_action()).collect()
}

#[test]
fn what_does_not_fit_beside_what_a_worker_keeps_gets_a_fresh_one() {
    let mut scheduler = after_a_small_one(WORKER_BASELINE, WORKER_BASELINE - 1);
    let worker = WorkerIx(0);
    scheduler.handle(Event::WorkerParked { worker });
    assert!(
        matches!(done(&mut scheduler)[..], [Action::CloseWorker(WorkerIx(0))]),
        "nobody begins meanwhile"
    );
    assert!(done(&mut scheduler).is_empty());
    scheduler.handle(Event::WorkerGone { worker, death: Death::Closed });
    let actions = done(&mut scheduler);
    assert!(matches!(actions[0], Action::StartWorker(WorkerIx(1))), "{actions:?}");
    assert!(matches!(actions[2], Action::Lease { item: ItemIx(1), .. }), "{actions:?}");
}

#[test]
fn what_fits_or_is_small_stays_with_the_worker_that_runs() {
    for (large, free) in [(WORKER_BASELINE, WORKER_BASELINE + 10), (WORKER_BASELINE - 1, 0)] {
        let mut scheduler = after_a_small_one(large, free);
        let actions = done(&mut scheduler);
        let Some(Action::Lease { worker: WorkerIx(0), item: ItemIx(1), .. }) = actions.last() else {
            panic!("{actions:?}");
        };
    }
}
