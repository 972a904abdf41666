//! Simulated builds for tests of the page: units in pieces on the slots of some workers.

use super::collect::Collector;
use super::model::{About, Model};
use crate::events::Event;
use crate::events::WaitReason;
use crate::fingerprint::RebuildReason;
use crate::graph::Graph;
use crate::keys::{ItemId, WorkerId};
use crate::report::fixture;
use std::collections::BTreeSet;
use std::time::Duration;
use tender_protocol::{Outcome, PhaseName};
use tender_units::{Bytes, Micros};

#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub units: u32,
    /// Of each unit; 0: it stays whole.
    pub pieces: u32,
    pub jobs: u32,
}

/// Slots that one worker has.
const SLOTS: u32 = 8;

/// Collects these events, between a start at 0 and an end.
pub(super) fn model_of(graph: &Graph, events: &[Event]) -> Model {
    let about =
        About { command: vec!["tender".into(), "build".into()], started_ms: 1_700_000_000_000 };
    let mut collector = Collector::new(about);
    let mut end_us = Micros(0);
    for event in [&Event::BuildStarted { jobs: 2, at_us: Micros(0) }].into_iter().chain(events) {
        collector.event(graph, event);
        if let Event::ItemFinished { at_us, .. } = event {
            end_us = end_us.max(*at_us);
        }
    }
    let finished = Event::BuildFinished {
        success: true,
        elapsed: Duration::ZERO,
        at_us: end_us + Micros(500),
    };
    collector.event(graph, &finished);
    collector.model(graph)
}

/// A build of that shape, the same at each call: the slot that is free first gets the next piece,
/// or else the next unit.
pub(super) fn build(shape: Shape) -> (Graph, Model) {
    let graph = graph(shape);
    let mut simulation = Simulation::new(shape);
    while simulation.step() {}
    simulation.samples();
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
    shape: Shape,
    events: Vec<Event>,
    /// For each slot of all workers.
    free_at: Vec<u64>,
    /// Units that have not begun.
    left: std::ops::Range<u32>,
    /// Pieces and joins: when each is ready, of which unit, and which piece; joins have none.
    ready: BTreeSet<(u64, u32, Option<u32>)>,
    /// Pieces of each unit that have not ended, and when the last of those that have did.
    open: Vec<(u32, u64)>,
    random: u64,
}

impl Simulation {
    fn new(shape: Shape) -> Self {
        let mut events = vec![Event::BuildStarted { jobs: shape.jobs, at_us: Micros(0) }];
        for worker in (0..shape.jobs.div_ceil(SLOTS)).map(WorkerId) {
            events.push(Event::WorkerStarted { worker, pid: 1000 + worker.0, at_us: Micros(10) });
        }
        for item in (0..shape.units).map(ItemId) {
            events.push(Event::Dirty { item, reason: RebuildReason::New });
        }
        Self {
            shape,
            events,
            free_at: vec![1_000; shape.jobs as usize],
            left: 0..shape.units,
            ready: BTreeSet::new(),
            open: vec![(shape.pieces, 0); shape.units as usize],
            random: 1,
        }
    }

    /// A time around `mean`, mostly below, sometimes far above. (From a linear congruential
    /// generator, so that each run of the test is the same.)
    fn length(&mut self, mean: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let share = (self.random >> 33) % 1000;
        mean / 3 + mean * share * share / 500_000
    }

    /// Starts the next stretch on the slot that is free first. Returns whether there was one.
    fn step(&mut self) -> bool {
        use PhaseName::{Cut, Emit, Join, Optimise, Translate};
        let slot = (0..self.free_at.len()).min_by_key(|slot| self.free_at[*slot]).unwrap_or(0);
        let now_us = self.free_at[slot];
        let urgent = self
            .ready
            .first()
            .copied()
            .filter(|(ready_us, ..)| *ready_us <= now_us || self.left.is_empty());
        if let Some((ready_us, unit, piece)) = urgent {
            self.ready.remove(&(ready_us, unit, piece));
            let start_us = now_us.max(ready_us);
            if piece.is_none() {
                let end_us = self.run(slot, unit, &[(Join, 1_500)], None, start_us);
                self.finished(unit, end_us);
                return true;
            }
            let end_us = self.run(slot, unit, &[(Optimise, 9_000), (Emit, 5_000)], piece, start_us);
            let (open, last_us) = &mut self.open[unit as usize];
            (*open, *last_us) = (*open - 1, end_us.max(*last_us));
            if *open == 0 {
                self.ready.insert((*last_us, unit, None));
            }
            return true;
        }
        let Some(unit) = self.left.next() else { return false };
        let item = ItemId(unit);
        if now_us > 1_000 {
            self.events.push(Event::Wait { item, reason: WaitReason::Token, at_us: Micros(1_000) });
        }
        let (worker, slot_of_worker) = place(slot);
        self.events.push(Event::ItemStarted {
            item,
            worker: Some(worker),
            slot: slot_of_worker,
            at_us: Micros(now_us),
        });
        if self.shape.pieces == 0 {
            let phases = [(Translate, 60_000), (Optimise, 90_000), (Emit, 50_000)];
            let end_us = self.run(slot, unit, &phases, None, now_us);
            self.finished(unit, end_us);
        } else {
            let cut_us = self.run(slot, unit, &[(Translate, 60_000), (Cut, 4_000)], None, now_us);
            self.ready.extend((0..self.shape.pieces).map(|piece| (cut_us, unit, Some(piece))));
        }
        true
    }

    /// Returns when it ends.
    fn run(
        &mut self,
        slot: usize,
        unit: u32,
        phases: &[(PhaseName, u64)],
        cgu: Option<u32>,
        mut at_us: u64,
    ) -> u64 {
        let (worker, slot_of_worker) = place(slot);
        for (phase, mean) in phases {
            let dur_us = self.length(*mean);
            self.events.push(Event::Phase {
                item: ItemId(unit),
                worker: Some(worker),
                slot: slot_of_worker,
                phase: *phase,
                cgu,
                of: None,
                start_us: Micros(at_us),
                dur_us: Micros(dur_us),
            });
            at_us += dur_us;
        }
        self.free_at[slot] = at_us;
        at_us
    }

    fn finished(&mut self, unit: u32, at_us: u64) {
        let peak_bytes = 20 << 20 | u64::from(unit) << 12;
        let (item, outcome) = (ItemId(unit), Outcome::Ok);
        self.events.push(Event::ItemFinished {
            item,
            outcome,
            at_us: Micros(at_us),
            wall_us: Micros(0),
            peak_bytes: Bytes(peak_bytes),
        });
    }

    /// Samples every 100 ms.
    fn samples(&mut self) {
        let jobs = self.shape.jobs;
        let end_us = self.free_at.iter().copied().max().unwrap_or(0);
        self.events.push(Event::Tokens { used: jobs, n: jobs, at_us: Micros(1_000) });
        let mut used_us = 0;
        for at_us in (100_000..end_us).step_by(100_000) {
            let n = (at_us / 100_000) as u32;
            used_us += u64::from(SLOTS.min(jobs)) * (90_000 + 10_000 * u64::from(n % 2));
            for worker in (0..jobs.div_ceil(SLOTS)).map(WorkerId) {
                self.events.push(Event::Cpu {
                    worker: Some(worker),
                    used_us: Micros(used_us),
                    at_us: Micros(at_us),
                });
                self.events.push(Event::LiveModules { worker, n: 1 + n % 9, at_us: Micros(at_us) });
            }
            let short = n % 2;
            self.events.push(Event::Tokens { used: jobs - short, n: jobs, at_us: Micros(at_us) });
            self.events.push(Event::ShortOfMemory { slots: short, at_us: Micros(at_us) });
            let used = (200 + 90 * u64::from(n % 11)) << 20;
            self.events.push(Event::Memory {
                used: Bytes(used),
                free: Some(Bytes(1 << 30)),
                at_us: Micros(at_us),
            });
            let (bytes, baselines) = (used + (100 << 20), 24 << 20);
            self.events.push(Event::Leases {
                bytes: Bytes(bytes),
                baselines: Bytes(baselines),
                budget: None,
                at_us: Micros(at_us),
            });
            self.events.push(Event::Pressure { some: n % 7, full: n % 3, at_us: Micros(at_us) });
        }
        self.events.push(Event::Cpu {
            worker: None,
            used_us: Micros(end_us * u64::from(jobs) * 9 / 10),
            at_us: Micros(end_us),
        });
    }
}

fn place(slot: usize) -> (WorkerId, u32) {
    (WorkerId(slot as u32 / SLOTS), slot as u32 % SLOTS)
}
