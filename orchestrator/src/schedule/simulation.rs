//! Property tests: random graphs, and fake workers that follow the protocol, with events in random
//! order, failures and deaths.

mod worker;
mod world;

use super::*;
use crate::keys::{ItemId, WorkerId};
use crate::manifest::CrateId;
use proptest::prelude::*;
use std::collections::{BTreeSet, HashSet};
use tender_protocol::Outcome;
use tender_units::{Bytes, Micros};
use world::{Fate, World};

/// Crates with a few units and an archive each, some with a command before and a program after
/// them.
fn graph() -> impl Strategy<Value = (Vec<Task>, Vec<Fate>)> {
    let fate = prop_oneof![
        3 => Just(Fate::Fresh),
        12 => Just(Fate::Builds),
        1 => Just(Fate::Fails),
        1 => Just(Fate::Crashes),
        1 => Just(Fate::IsTooLarge),
    ];
    let krate = (
        0..6usize,
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    );
    (prop::collection::vec(krate, 1..8), prop::collection::vec((fate, 1..1000u64), 80)).prop_map(
        |(crates, variety)| {
            let mut tasks: Vec<Task> = Vec::new();
            let mut archives: Vec<ItemId> = Vec::new();
            for (number, (units, command, program, dependencies)) in crates.into_iter().enumerate()
            {
                let mut add = |class: Class, after: Vec<ItemId>| {
                    let cost_us = variety[tasks.len() % variety.len()].1;
                    tasks.push(Task {
                        krate: CrateId(number as u32),
                        class,
                        after,
                        cost_us: Micros(cost_us),
                        memory: need(cost_us),
                        optional: false,
                        uses_headers: false,
                    });
                    ItemId(tasks.len() as u32 - 1)
                };
                let first: Vec<ItemId> =
                    command.then(|| add(Class::Command, vec![])).into_iter().collect();
                let objects: Vec<ItemId> =
                    (0..units).map(|_| add(Class::Unit, first.clone())).collect();
                let archive = add(Class::Archive, objects);
                let mut linked: BTreeSet<ItemId> = [archive].into();
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

/// Cases are quick, so there are at least 1024; `PROPTEST_CASES` can set more.
fn cases() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(1024), ..default }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn scheduler_ends_every_build(
        (tasks, fates) in graph(),
        slots in 1..6usize,
        keep_going: bool,
        picks in prop::collection::vec(0..1000usize, 1..60),
        kills in prop::collection::btree_set(0..60usize, 0..4),
        interrupt_at in prop::option::weighted(0.2, 0..40usize),
    ) {
        World::new(tasks, fates, slots, keep_going).run(&picks, &kills, interrupt_at);
    }

    /// Under a parent's jobserver, whose other children take and return tokens.
    #[test]
    fn scheduler_ends_builds_with_borrowed_tokens(
        (tasks, fates) in graph(),
        slots in 1..6usize,
        keep_going: bool,
        picks in prop::collection::vec(0..1000usize, 1..60),
        kills in prop::collection::btree_set(0..60usize, 0..4),
        interrupt_at in prop::option::weighted(0.2, 0..40usize),
    ) {
        World::under_parent(tasks, fates, slots, keep_going).run(&picks, &kills, interrupt_at);
    }

    #[test]
    fn scheduler_ends_builds_with_little_memory(
        (tasks, fates) in graph(),
        slots in 1..6usize,
        keep_going: bool,
        picks in prop::collection::vec(0..1000usize, 1..60),
        kills in prop::collection::btree_set(0..60usize, 0..4),
        out_of_memory: bool,
        interrupt_at in prop::option::weighted(0.2, 0..40usize),
        ceiling in 0..3000u64,
        by_reading: bool,
    ) {
        let ceiling = Bytes(ceiling) + WORKER_BASELINE * slots as u64;
        let mut world = World::new(tasks, fates, slots, keep_going);
        world.ceiling = Some(ceiling);
        world.out_of_memory = out_of_memory;
        // Measured memory stays 0, so all leases count as growth.
        world.scheduler.handle(limit(ceiling, by_reading));
        world.run(&picks, &kills, interrupt_at);
    }
}

/// Limits memory to this many bytes: by a reading, or by a budget.
fn limit(bytes: Bytes, by_reading: bool) -> SchedulerEvent {
    let (headroom, ceiling) = if by_reading { (Some(bytes), None) } else { (None, Some(bytes)) };
    SchedulerEvent::MemoryRead { used: Vec::new(), headroom, ceiling }
}

/// Grows with the cost. Some items have pieces, and some are larger than a worker's baseline.
fn need(cost_us: u64) -> Need {
    let begin = if cost_us.is_multiple_of(7) { WORKER_BASELINE } else { Bytes::ZERO };
    let piece = if cost_us.is_multiple_of(3) { cost_us / 2 + 1 } else { 0 };
    Need { begin: begin + Bytes(cost_us), piece: Bytes(piece), join: Bytes::ZERO }
}

fn unit(krate: u32, cost_us: Micros) -> Task {
    Task {
        krate: CrateId(krate),
        class: Class::Unit,
        after: vec![],
        cost_us,
        memory: need(cost_us.0),
        optional: false,
        uses_headers: false,
    }
}

fn one_file_crates(n: u32) -> Vec<Task> {
    (0..n)
        .flat_map(|krate| {
            let task = |class, after| Task {
                krate: CrateId(krate),
                class,
                after,
                cost_us: Micros(10),
                memory: need(10),
                optional: false,
                uses_headers: false,
            };
            [task(Class::Unit, vec![]), task(Class::Archive, vec![ItemId(2 * krate)])]
        })
        .collect()
}

#[test]
fn scheduler_builds_a_thousand_small_crates_in_two_workers_without_parking() {
    let tasks = one_file_crates(1000);
    let fates = vec![Fate::Builds; tasks.len()];
    let mut world = World::new(tasks, fates, 2, false);
    let mut parked_with_work_left = 0;
    let mut step = 0;
    while world.finish.is_none() {
        world.settle();
        while world.react() {
            if world.scheduler.waiting().next().is_some() {
                parked_with_work_left +=
                    world.workers.values().filter(|worker| worker.parked).count();
            }
            world.settle();
        }
        world.step(step, false);
        step += 1;
    }
    assert_eq!(world.finish, Some(true));
    assert_eq!(world.most_live, 2);
    assert_eq!(parked_with_work_left, 0, "the next plan arrives before the last item ends");
}

#[test]
fn scheduler_builds_one_crate_in_one_worker_with_tokens() {
    let tasks: Vec<Task> = (0..8).map(|_| unit(0, Micros(10))).collect();
    let mut world = World::new(tasks, vec![Fate::Builds; 8], 4, false);
    world.run(&[0], &BTreeSet::new(), None);
    assert_eq!(world.most_live, 1);
}

#[test]
fn scheduler_runs_an_item_that_crashed_with_shared_headers_once_more_without() {
    let mut scheduler =
        Scheduler::new(vec![Task { uses_headers: true, ..unit(0, Micros(10)) }], 1, false);
    for (crash, expect) in [(1, Some(false)), (2, Some(true)), (3, None)] {
        if scheduler.next_to_judge().is_some() {
            scheduler.handle(SchedulerEvent::Judged { item: ItemId(0), fresh: false });
        }
        scheduler.next_claim(1);
        let actions: Vec<Action> = std::iter::from_fn(|| scheduler.next_action()).collect();
        let planned = actions.iter().find_map(|action| match action {
            Action::SendPlan { worker, items } => Some((*worker, items[0].without_headers)),
            _ => None,
        });
        assert_eq!(planned.map(|(_, without)| without), expect, "{crash}: {actions:?}");
        let Some((worker, _)) = planned else {
            assert!(actions.contains(&Action::Finish { success: false }), "{actions:?}");
            return;
        };
        scheduler.handle(SchedulerEvent::WorkerResponded { worker });
        scheduler.handle(SchedulerEvent::Started { worker, item: ItemId(0) });
        scheduler.handle(SchedulerEvent::WorkerEnded { worker, death: Death::Crashed });
    }
}

#[test]
fn scheduler_succeeds_without_an_optional_item() {
    let tasks = vec![Task { optional: true, ..unit(0, Micros(10)) }, unit(0, Micros(10))];
    for fate in [Fate::Fails, Fate::Crashes, Fate::IsTooLarge] {
        let mut world = World::new(tasks.clone(), vec![fate, Fate::Builds], 2, false);
        world.run(&[0], &BTreeSet::new(), None);
        assert_eq!(world.finish, Some(true), "{fate:?}");
    }
}

#[test]
fn scheduler_starts_the_longest_path_first() {
    let task = |krate, after: &[u32], cost_us| Task {
        krate: CrateId(krate),
        class: Class::Link,
        after: after.iter().copied().map(ItemId).collect(),
        cost_us,
        memory: need(cost_us.0),
        optional: false,
        uses_headers: false,
    };
    // 1 is cheap, but 3 waits for it: 1 + 50 is more than 20.
    let mut scheduler = Scheduler::new(
        vec![
            task(0, &[], Micros(20)),
            task(1, &[], Micros(1)),
            task(2, &[], Micros(30)),
            task(3, &[1], Micros(50)),
        ],
        1,
        false,
    );
    while let Some(item) = scheduler.next_to_judge() {
        scheduler.handle(SchedulerEvent::Judged { item, fresh: false });
    }
    let waiting: Vec<u32> = scheduler.waiting().map(|item| item.0).collect();
    assert_eq!(waiting, [1, 2, 0]);
    assert_eq!(
        [0, 1, 2, 3].map(|ix| scheduler.priority(ItemId(ix))),
        [Micros(20), Micros(51), Micros(30), Micros(50)]
    );
}

#[test]
fn scheduler_judges_first_what_it_is_told_and_only_what_can_be_judged() {
    let after =
        |krate, before: u32| Task { after: vec![ItemId(before)], ..unit(krate, Micros(10)) };
    let tasks = vec![unit(0, Micros(10)), unit(0, Micros(10)), unit(0, Micros(10)), after(0, 0)];
    let mut scheduler = Scheduler::new(tasks, 1, false);
    scheduler.judge_first(&HashSet::new());
    assert!(!scheduler.take_first_are_judged());
    // The last one comes after another.
    scheduler.judge_first(&[ItemId(1), ItemId(2), ItemId(3)].into());
    let mut judged = Vec::new();
    while let Some(item) = scheduler.next_to_judge() {
        scheduler.handle(SchedulerEvent::Judged { item, fresh: true });
        judged.push((item.0, scheduler.take_first_are_judged()));
    }
    assert_eq!(judged, [(1, false), (2, true), (0, false), (3, false)]);
}

/// One round with this many free slots. Returns what they were used for.
fn give_out(scheduler: &mut Scheduler, free: u32) -> (Vec<Claim>, Vec<Action>) {
    scheduler.begin_round(true);
    let mut claims = Vec::new();
    while let Some(claim) = scheduler.next_claim(free - claims.len() as u32) {
        claims.push(claim);
    }
    let free = free - claims.len() as u32;
    scheduler.end_round(free, free);
    (claims, std::iter::from_fn(|| scheduler.next_action()).collect())
}

#[test]
fn scheduler_grants_tokens_for_urgent_pieces_before_it_starts_workers() {
    let started = |tokens: u32, free: u32| {
        let mut scheduler = Scheduler::new(
            vec![unit(0, Micros(50)), unit(1, Micros(20)), unit(2, Micros(10))],
            4,
            false,
        );
        while let Some(item) = scheduler.next_to_judge() {
            scheduler.handle(SchedulerEvent::Judged { item, fresh: false });
        }
        give_out(&mut scheduler, 1);
        let worker = WorkerId(0);
        scheduler.handle(SchedulerEvent::Started { worker, item: ItemId(0) });
        scheduler.handle(SchedulerEvent::WorkerWants { worker, tokens });
        let (claims, actions) = give_out(&mut scheduler, free);
        let started = actions.iter().filter(|action| matches!(action, Action::StartWorker { .. }));
        let tokens = claims.iter().filter(|claim| **claim == Claim::Token(worker));
        (started.count(), tokens.count())
    };
    assert_eq!(started(0, 3), (2, 0));
    assert_eq!(started(2, 3), (1, 2));
    assert_eq!(started(7, 3), (0, 3));
}

#[test]
fn scheduler_grants_no_tokens_to_a_worker_that_ignores_them() {
    let mut scheduler = Scheduler::new(vec![unit(0, Micros(50))], 4, false);
    while let Some(item) = scheduler.next_to_judge() {
        scheduler.handle(SchedulerEvent::Judged { item, fresh: false });
    }
    give_out(&mut scheduler, 1);
    let worker = WorkerId(0);
    scheduler.handle(SchedulerEvent::Started { worker, item: ItemId(0) });
    scheduler.handle(SchedulerEvent::WorkerWants { worker, tokens: 2 });
    let mut tokens_after = |event: SchedulerEvent| {
        scheduler.handle(SchedulerEvent::TokensOut { worker, tokens: 0 });
        scheduler.handle(event);
        (give_out(&mut scheduler, 3).0.len(), scheduler.granted_tokens(worker))
    };
    assert_eq!(tokens_after(SchedulerEvent::WorkerResponded { worker }), (2, 2));
    assert_eq!(tokens_after(SchedulerEvent::TokenIgnored { worker }), (0, 0));
    assert_eq!(tokens_after(SchedulerEvent::WorkerResponded { worker }), (2, 2));
    assert_eq!(tokens_after(SchedulerEvent::TokenIgnored { worker }), (0, 0));
    assert_eq!(tokens_after(SchedulerEvent::SlotsUnused), (2, 2));
}

/// A worker has run the most urgent of three units. The next one needs `large` bytes, and `free`
/// bytes are free beside the worker: by the last reading, or by a budget.
fn after_a_small_one(large: Bytes, free: Bytes, by_reading: bool) -> Scheduler {
    let task = |krate, cost_us, begin| Task {
        memory: Need { begin, piece: Bytes(0), join: Bytes(0) },
        ..unit(krate, cost_us)
    };
    let tasks = vec![
        task(0, Micros(30), Bytes(10)),
        task(1, Micros(20), large),
        task(2, Micros(10), Bytes(10)),
    ];
    let mut scheduler = Scheduler::new(tasks, 1, false);
    scheduler.handle(limit(WORKER_BASELINE + free, by_reading));
    while let Some(item) = scheduler.next_to_judge() {
        scheduler.handle(SchedulerEvent::Judged { item, fresh: false });
    }
    let (worker, item) = (WorkerId(0), ItemId(0));
    scheduler.begin_round(true);
    scheduler.next_claim(1);
    scheduler.handle(SchedulerEvent::Started { worker, item });
    scheduler.end_round(0, 0);
    scheduler.handle(SchedulerEvent::Finished { item, outcome: Outcome::Ok });
    while scheduler.next_action().is_some() {}
    scheduler
}

fn done(scheduler: &mut Scheduler) -> Vec<Action> {
    give_out(scheduler, 1).1
}

#[test]
fn scheduler_gives_a_large_item_a_fresh_worker_if_memory_is_short() {
    let mut scheduler = after_a_small_one(WORKER_BASELINE, WORKER_BASELINE - Bytes(1), true);
    let worker = WorkerId(0);
    scheduler.handle(SchedulerEvent::WorkerParked { worker });
    assert!(
        matches!(done(&mut scheduler)[..], [Action::CloseWorker { worker: WorkerId(0), .. }]),
        "nothing begins until the worker has exited"
    );
    assert!(done(&mut scheduler).is_empty());
    scheduler.handle(SchedulerEvent::WorkerEnded { worker, death: Death::Closed });
    let actions = done(&mut scheduler);
    assert!(matches!(actions[0], Action::StartWorker { worker: WorkerId(1), .. }), "{actions:?}");
    assert!(matches!(actions[2], Action::Lease { item: ItemId(1), .. }), "{actions:?}");
}

#[test]
fn scheduler_tells_which_workers_another_build_could_have() {
    let mut scheduler = Scheduler::new(vec![unit(0, Micros(20)), unit(1, Micros(10))], 2, false);
    while let Some(item) = scheduler.next_to_judge() {
        scheduler.handle(SchedulerEvent::Judged { item, fresh: false });
    }
    let started = give_out(&mut scheduler, 2).1;
    let fresh = |action: &&Action| matches!(action, Action::StartWorker { fresh: false, .. });
    assert_eq!(started.iter().filter(fresh).count(), 2, "{started:?}");
    let end = |scheduler: &mut Scheduler, number: u32| {
        let (worker, item) = (WorkerId(number), ItemId(number));
        scheduler.handle(SchedulerEvent::Started { worker, item });
        scheduler.handle(SchedulerEvent::Finished { item, outcome: Outcome::Ok });
    };
    end(&mut scheduler, 1);
    assert_eq!(scheduler.spare_workers(), [(WorkerId(1), false)]);
    scheduler.handle(SchedulerEvent::WorkerParked { worker: WorkerId(1) });
    let actions = done(&mut scheduler);
    let closed = Action::CloseWorker { worker: WorkerId(1), spare: true };
    assert_eq!(actions, [closed], "all that is left runs");
    scheduler.handle(SchedulerEvent::WorkerEnded { worker: WorkerId(1), death: Death::Closed });
    end(&mut scheduler, 0);
    assert_eq!(done(&mut scheduler), [Action::Finish { success: true }]);
    assert_eq!(scheduler.spare_workers(), [(WorkerId(0), false)]);
    scheduler.handle(SchedulerEvent::WorkerParked { worker: WorkerId(0) });
    assert_eq!(scheduler.spare_workers(), [(WorkerId(0), true)]);
}

#[test]
fn scheduler_gives_other_items_to_the_running_worker() {
    let cases = [
        (WORKER_BASELINE, WORKER_BASELINE + Bytes(10), true),
        (WORKER_BASELINE - Bytes(1), Bytes(0), true),
        (WORKER_BASELINE, Bytes(0), false),
    ];
    for (large, free, by_reading) in cases {
        let mut scheduler = after_a_small_one(large, free, by_reading);
        let actions = done(&mut scheduler);
        let Some(Action::Lease { worker: WorkerId(0), item: ItemId(1), .. }) = actions.last()
        else {
            panic!("{actions:?}");
        };
    }
}
