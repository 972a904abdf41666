//! Builds that never ran, for tests of the page: units in pieces on the slots of some workers.

use super::collect::Collector;
use super::model::{About, Model};
use crate::fingerprint::RebuildReason;
use crate::graph::{Graph, ItemIx};
use crate::report::event::{Event, WorkerNo};
use crate::report::{WaitReason, fixture};
use std::time::Duration;
use tender_protocol::{Outcome, PhaseName};

#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub units: u32,
    /// Of each unit; 0: it stays whole.
    pub pieces: u32,
    pub jobs: u32,
}

/// Slots that one worker has.
const SLOTS: u32 = 8;

/// What is collected of these events, between a start at 0 and an end.
pub(super) fn model_of(graph: &Graph, events: &[Event]) -> Model {
    let about = About { command: vec!["tender".into(), "build".into()], started_ms: 1_700_000_000_000 };
    let mut collector = Collector::new(about);
    let mut end_us = 0;
    for event in [&Event::BuildStarted { jobs: 2, at_us: 0 }].into_iter().chain(events) {
        collector.event(graph, event);
        if let Event::ItemFinished { at_us, .. } = event {
            end_us = end_us.max(*at_us);
        }
    }
    let finished = Event::BuildFinished { success: true, elapsed: Duration::ZERO, at_us: end_us + 500 };
    collector.event(graph, &finished);
    collector.model(graph)
}

/// A build of that shape, the same at each call: units and pieces of differing length go to the slot that is free first.
pub(super) fn build(shape: Shape) -> (Graph, Model) {
    let graph = graph(shape);
    let mut simulation = Simulation {
        events: vec![Event::BuildStarted { jobs: shape.jobs, at_us: 0 }],
        free_at: vec![1_000; shape.jobs as usize],
        random: 1,
    };
    for worker in 0..shape.jobs.div_ceil(SLOTS) {
        simulation.events.push(Event::WorkerStarted {
            worker: WorkerNo(worker),
            pid: 1000 + worker,
            at_us: 10,
        });
    }
    for item in (0..shape.units).map(ItemIx) {
        simulation.events.push(Event::Dirty { item, reason: RebuildReason::New });
    }
    for item in (0..shape.units).map(ItemIx) {
        simulation.unit(item, shape.pieces);
    }
    simulation.samples(shape.jobs);
    let model = model_of(&graph, &simulation.events);
    (graph, model)
}

fn graph(shape: Shape) -> Graph {
    let mut graph = fixture::graph();
    let like = graph.items[0].clone();
    graph.artifacts.clear();
    graph.items = (0..shape.units)
        .map(|n| {
            let krate = n / 40;
            let mut item = like.clone();
            item.krate_name = format!("crate-{krate}");
            item.label = format!("crates/crate-{krate}/src/part_{}/file_{n}.c", n % 7);
            item
        })
        .collect();
    graph
}

struct Simulation {
    events: Vec<Event>,
    /// For each slot of all workers.
    free_at: Vec<u64>,
    random: u64,
}

impl Simulation {
    /// Around `mean`, most below, some far above. (A linear congruential generator: tests are the same each time.)
    fn length(&mut self, mean: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = (self.random >> 33) % 1000;
        mean / 3 + mean * share * share / 500_000
    }

    /// Runs something on the slot that is free first, not before `ready`. Returns when it ends.
    fn run(
        &mut self,
        item: ItemIx,
        phases: &[(PhaseName, u64)],
        cgu: Option<u32>,
        ready: Option<u64>,
    ) -> u64 {
        let slot = (0..self.free_at.len()).min_by_key(|slot| self.free_at[*slot]).unwrap_or(0);
        let mut at_us = self.free_at[slot].max(ready.unwrap_or(0));
        let (worker, slot_of_worker) = (WorkerNo(slot as u32 / SLOTS), slot as u32 % SLOTS);
        if ready.is_none() {
            if at_us > 1_000 {
                self.events.push(Event::Wait { item, reason: WaitReason::Token, at_us: 500 });
            }
            let worker = Some(worker);
            self.events.push(Event::ItemStarted { item, worker, slot: slot_of_worker, at_us });
        }
        for (phase, mean) in phases {
            let dur_us = self.length(*mean);
            let (worker, slot) = (Some(worker), slot_of_worker);
            let (phase, start_us) = (*phase, at_us);
            self.events.push(Event::Phase { item, worker, slot, phase, cgu, of: None, start_us, dur_us });
            at_us += dur_us;
        }
        self.free_at[slot] = at_us;
        at_us
    }

    fn unit(&mut self, item: ItemIx, pieces: u32) {
        use PhaseName::{Cut, Emit, Join, Optimise, Translate};
        let mut end_us = if pieces == 0 {
            self.run(item, &[(Translate, 60_000), (Optimise, 90_000), (Emit, 50_000)], None, None)
        } else {
            self.run(item, &[(Translate, 60_000), (Cut, 4_000)], None, None)
        };
        if pieces > 0 {
            let cut_us = end_us;
            for cgu in 0..pieces {
                let phases = [(Optimise, 9_000), (Emit, 5_000)];
                end_us = end_us.max(self.run(item, &phases, Some(cgu), Some(cut_us)));
            }
            end_us = self.run(item, &[(Join, 1_500)], None, Some(end_us));
        }
        let peak_bytes = 20 << 20 | u64::from(item.0) << 12;
        let outcome = Outcome::Ok;
        self.events.push(Event::ItemFinished { item, outcome, at_us: end_us, wall_us: 0, peak_bytes });
    }

    /// What a sampler would have seen, every 100 ms.
    fn samples(&mut self, jobs: u32) {
        let end_us = self.free_at.iter().copied().max().unwrap_or(0);
        self.events.push(Event::Tokens { used: jobs, n: jobs, at_us: 1_000 });
        for at_us in (100_000..end_us).step_by(100_000) {
            let n = (at_us / 100_000) as u32;
            for worker in (0..jobs.div_ceil(SLOTS)).map(WorkerNo) {
                let slots = u64::from(SLOTS.min(jobs));
                let bytes = (200 + 90 * u64::from((n + worker.0) % 11)) << 20;
                let used_us = at_us * slots - at_us * slots / 40 * u64::from(n % 3);
                self.events.push(Event::Rss { worker, bytes, at_us });
                self.events.push(Event::Cpu { worker: Some(worker), used_us, at_us });
                self.events.push(Event::LiveModules { worker, n: 1 + n % 9, at_us });
            }
            self.events.push(Event::Tokens { used: jobs - n % 2, n: jobs, at_us });
        }
        self.events.push(Event::Cpu {
            worker: None,
            used_us: end_us * u64::from(jobs) * 9 / 10,
            at_us: end_us,
        });
    }
}
