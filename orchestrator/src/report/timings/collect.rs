//! Turns the events of a build into the data of the page. Knows no file, no page and no clock.

use super::critical::critical_path;
use super::model::{
    About, Ending, Kill, Lanes, Model, Row, Stretch, StretchKind, TimedUnit, Wait, WorkerLife,
};
use super::series::{self, Change, Point};
use crate::events::{Event, Victim, WaitReason};
use crate::fingerprint::RebuildReason;
use crate::graph::Graph;
use crate::keys::{ItemId, WorkerId};
use crate::memory::MemorySummary;
use std::collections::{BTreeMap, HashMap};
use tender_protocol::{Outcome, PhaseName};
use tender_units::{Bytes, Micros};

/// The number of intervals of a lane, with about four points each: more than a wide screen has
/// pixels.
const LANE_BUCKETS: usize = 4_000;

#[derive(Debug, Default)]
pub(super) struct Collector {
    about: About,
    start_us: Micros,
    end_us: u64,
    jobs: u32,
    fresh: u32,
    failed: bool,
    signal: Option<i32>,
    cpu_us: u64,
    units: Vec<TimedUnit>,
    unit_of: HashMap<ItemId, u32>,
    workers: BTreeMap<u32, WorkerLife>,
    /// The unit, the phase, and where it ran. `Stretch::row` is set when all rows are known.
    stretches: Vec<(Row, Stretch)>,
    /// The end of the last stretch in each row.
    row_ends: BTreeMap<Row, u64>,
    sources: Vec<String>,
    source_of: HashMap<String, u32>,
    running: BTreeMap<ItemId, OpenStretch>,
    tokens: Vec<Point>,
    live_modules: Vec<Change>,
    cpu: Vec<Change>,
    /// Waits that have not ended, their reasons and starts.
    waiting: BTreeMap<ItemId, (WaitReason, u64)>,
    short: Vec<Point>,
    stopped: Vec<Point>,
    used: Vec<Point>,
    leases: Vec<Point>,
    budget: Option<Bytes>,
    ceilings: Vec<Point>,
    pressure_some: Vec<Point>,
    pressure_full: Vec<Point>,
    kills: Vec<Kill>,
    chosen: String,
    memory: Option<MemorySummary>,
}

#[derive(Clone, Copy, Debug)]
struct OpenStretch {
    /// Where it started, or where its last phase was.
    row: Row,
    since_us: u64,
    phases: u32,
}

impl Collector {
    pub(super) fn new(about: About) -> Self {
        Self { about, ..Self::default() }
    }

    pub(super) fn event(&mut self, graph: &Graph, event: &Event) {
        match *event {
            Event::BuildStarted { jobs, at_us } => (self.jobs, self.start_us) = (jobs, at_us),
            Event::Fresh { .. } => self.fresh += 1,
            Event::Dirty { item, ref reason } => self.dirty(graph, item, reason),
            Event::WorkerStarted { worker, pid, at_us } => {
                let start_us = self.time(at_us);
                self.workers.insert(worker.0, WorkerLife { pid, start_us, end_us: start_us });
            }
            Event::WorkerEnded { worker, at_us } => self.worker_ended(worker, at_us),
            Event::ItemStarted { item, worker, slot, at_us } => {
                self.started(item, worker, slot, at_us)
            }
            Event::Phase { item, worker, slot, phase, cgu, ref of, start_us, dur_us } => {
                let start_us = self.time(start_us);
                let source = of.as_deref().map(|of| self.source(of));
                let row = worker.map(|worker| Row { worker: Some(worker.0), slot });
                self.phase(
                    item,
                    row,
                    StretchKind::Phase(phase),
                    (cgu, source),
                    (start_us, dur_us.0),
                );
            }
            Event::SharedHeaders { item, ref headers } => {
                if let Some(unit) = self.unit(item) {
                    unit.headers = Some(headers.clone());
                }
            }
            Event::ItemFinished { item, outcome, at_us, peak_bytes, .. } => {
                let at_us = self.time(at_us);
                self.finished(item, Some(outcome), at_us, peak_bytes);
            }
            Event::ItemLost { item, at_us } => {
                self.finished(item, None, self.time(at_us), Bytes::ZERO)
            }
            Event::Wait { item, reason, at_us } => {
                let at_us = self.time(at_us);
                self.wait_ended(item, at_us);
                self.waiting.insert(item, (reason, at_us));
            }
            Event::WaitEnded { item, at_us } => self.wait_ended(item, self.time(at_us)),
            Event::ShortOfMemory { slots, at_us } => {
                let at_us = self.time(at_us);
                series::push(&mut self.short, at_us, u64::from(slots));
            }
            Event::Tokens { used, at_us, .. } => {
                let at_us = self.time(at_us);
                series::push(&mut self.tokens, at_us, u64::from(used));
            }
            Event::LiveModules { worker, n, at_us } => {
                let change = self.change(worker, u64::from(n), at_us);
                self.live_modules.push(change);
            }
            Event::Stopped { jobs, at_us } => {
                let at_us = self.time(at_us);
                series::push(&mut self.stopped, at_us, u64::from(jobs));
            }
            Event::Needed { item, begin, .. } => {
                self.unit(item).into_iter().for_each(|unit| unit.lease_bytes = begin.lease);
            }
            Event::Memory { used, free, at_us } => self.memory_read(used, free, at_us),
            Event::Leases { bytes, baselines, at_us, .. } => {
                let at_us = self.time(at_us);
                series::push(&mut self.leases, at_us, (bytes + baselines).0);
            }
            Event::Pressure { some, full, at_us } => {
                let at_us = self.time(at_us);
                series::push(&mut self.pressure_some, at_us, u64::from(some));
                series::push(&mut self.pressure_full, at_us, u64::from(full));
            }
            Event::Budget { ref chosen, .. } => {
                (self.budget, self.chosen) = (chosen.bytes, chosen.to_string());
            }
            Event::Killed { who, by, peak, at_us } => {
                let worker = match who {
                    Victim::Worker(worker) => Some(worker.0),
                    Victim::Program(_) => None,
                };
                let at_us = self.time(at_us);
                self.kills.push(Kill { at_us, worker, by, peak });
            }
            Event::MemorySummary { summary, .. } => self.memory = Some(summary),
            Event::Cpu { worker: Some(worker), used_us, at_us } => {
                let change = self.change(worker, used_us.0, at_us);
                self.cpu.push(change);
            }
            Event::Cpu { worker: None, used_us, .. } => self.cpu_us = used_us.0,
            Event::Interrupted { signal } => self.signal = Some(signal),
            Event::BuildFinished { success, at_us, .. } => {
                self.failed = !success;
                self.end_us = self.time(at_us);
                self.cut_off(|_| true, self.end_us);
                let open: Vec<ItemId> = self.waiting.keys().copied().collect();
                open.into_iter().for_each(|item| self.wait_ended(item, self.end_us));
            }
            Event::Expected { .. }
            | Event::Driver { .. }
            | Event::Diagnostic { .. }
            | Event::CommandOutput { .. }
            | Event::Artifact { .. }
            | Event::Message { .. }
            | Event::Rss { .. }
            | Event::Progress { .. } => {}
        }
    }

    /// Microseconds since the start of the build.
    fn time(&self, at_us: Micros) -> u64 {
        at_us.saturating_sub(self.start_us).0
    }

    fn change(&self, worker: WorkerId, value: u64, at_us: Micros) -> Change {
        Change { at_us: self.time(at_us), worker: worker.0, value }
    }

    fn unit(&mut self, item: ItemId) -> Option<&mut TimedUnit> {
        self.unit_of.get(&item).map(|unit| &mut self.units[*unit as usize])
    }

    fn dirty(&mut self, graph: &Graph, item: ItemId, reason: &RebuildReason) {
        let of = &graph[item];
        self.unit_of.insert(item, self.units.len() as u32);
        self.units.push(TimedUnit {
            item,
            krate: of.krate_name.clone(),
            label: of.label.clone(),
            kind: of.kind,
            reason: reason.clone(),
            headers: None,
            waits: Vec::new(),
            start_us: None,
            end_us: None,
            outcome: None,
            peak_bytes: Bytes::ZERO,
            lease_bytes: Bytes::ZERO,
            runs: 0,
        });
    }

    fn wait_ended(&mut self, item: ItemId, until_us: u64) {
        let Some((reason, from_us)) = self.waiting.remove(&item) else { return };
        if let Some(unit) = self.unit(item) {
            unit.waits.push(Wait { reason, from_us, until_us: until_us.max(from_us) });
        }
    }

    fn memory_read(&mut self, used: Bytes, free: Option<Bytes>, at_us: Micros) {
        let at_us = self.time(at_us);
        series::push(&mut self.used, at_us, used.0);
        let there_is = free.map(|free| used + free);
        if let Some(most) = self.budget.into_iter().chain(there_is).min() {
            series::push(&mut self.ceilings, at_us, most.0);
        }
    }

    fn source(&mut self, name: &str) -> u32 {
        if let Some(known) = self.source_of.get(name) {
            return *known;
        }
        let new = self.sources.len() as u32;
        self.sources.push(name.to_owned());
        self.source_of.insert(name.to_owned(), new);
        new
    }

    fn started(&mut self, item: ItemId, worker: Option<WorkerId>, slot: u32, at_us: Micros) {
        let since_us = self.time(at_us);
        self.wait_ended(item, since_us);
        let row = match worker {
            Some(worker) => Row { worker: Some(worker.0), slot },
            None => self.free_command_row(),
        };
        if let Some(unit) = self.unit(item) {
            unit.start_us = Some(since_us);
            (unit.end_us, unit.outcome) = (None, None);
            unit.runs += 1;
        }
        self.running.insert(item, OpenStretch { row, since_us, phases: 0 });
    }

    /// The lowest row that no running command uses.
    fn free_command_row(&self) -> Row {
        let used: Vec<u32> = self
            .running
            .values()
            .filter(|running| running.row.worker.is_none())
            .map(|running| running.row.slot)
            .collect();
        let slot = (0..).find(|slot| !used.contains(slot)).unwrap_or(0);
        Row { worker: None, slot }
    }

    fn phase(
        &mut self,
        item: ItemId,
        row: Option<Row>,
        stage: StretchKind,
        (cgu, source): (Option<u32>, Option<u32>),
        (start_us, dur_us): (u64, u64),
    ) {
        let (Some(unit), Some(running)) = (self.unit_of.get(&item), self.running.get_mut(&item))
        else {
            return;
        };
        let row = row.unwrap_or(running.row);
        let end_us = start_us + dur_us;
        *running =
            OpenStretch { row, since_us: running.since_us.max(end_us), phases: running.phases + 1 };
        let row_end = self.row_ends.entry(row).or_default();
        *row_end = end_us.max(*row_end);
        self.stretches
            .push((row, Stretch { row: 0, unit: *unit, stage, cgu, source, start_us, dur_us }));
    }

    fn finished(&mut self, item: ItemId, outcome: Option<Outcome>, at_us: u64, peak_bytes: Bytes) {
        if let Some(OpenStretch { row, since_us, phases }) = self.running.get(&item).copied() {
            let stage = match row.worker {
                // No phases of a command are reported: it is one phase.
                None if outcome.is_some() => StretchKind::Phase(PhaseName::Generate),
                _ => StretchKind::CutOff,
            };
            // The phase in which an item was interrupted is not reported: it becomes a stretch
            // until the end, unless its row is used by another item meanwhile.
            let from_us = since_us.max(self.row_ends.get(&row).copied().unwrap_or(0));
            if (phases == 0 || outcome.is_none()) && at_us > from_us {
                self.phase(item, None, stage, (None, None), (from_us, at_us - from_us));
            }
            self.running.remove(&item);
        }
        self.wait_ended(item, at_us);
        if let Some(unit) = self.unit(item) {
            unit.end_us = unit.start_us.map(|_| at_us);
            (unit.outcome, unit.peak_bytes) = (outcome, peak_bytes);
        }
    }

    fn cut_off(&mut self, is: impl Fn(Row) -> bool, at_us: u64) {
        let open: Vec<ItemId> = self
            .running
            .iter()
            .filter(|(_, running)| is(running.row))
            .map(|(item, _)| *item)
            .collect();
        for item in open {
            self.finished(item, None, at_us, Bytes::ZERO);
        }
    }

    fn worker_ended(&mut self, worker: WorkerId, at_us: Micros) {
        let change = self.change(worker, 0, at_us);
        self.live_modules.push(change);
        let at_us = self.time(at_us);
        self.cut_off(|row| row.worker == Some(worker.0), at_us);
        if let Some(worker) = self.workers.get_mut(&worker.0) {
            worker.end_us = at_us;
        }
    }

    /// What was collected.
    pub(super) fn model(&mut self, graph: &Graph) -> Model {
        let rows: Vec<Row> = self.row_ends.keys().copied().collect();
        let number: HashMap<Row, u32> = (0..).zip(&rows).map(|(n, row)| (*row, n)).collect();
        let placed = |(row, stretch): &(Row, Stretch)| Stretch { row: number[row], ..*stretch };
        let mut stretches: Vec<Stretch> = self.stretches.iter().map(placed).collect();
        stretches.sort_by_key(|stretch| (stretch.row, stretch.start_us, stretch.end_us()));
        let needs = |unit: &TimedUnit| {
            graph[unit.item]
                .after
                .iter()
                .filter_map(|item| self.unit_of.get(item).copied())
                .collect()
        };
        let after: Vec<Vec<u32>> = self.units.iter().map(needs).collect();
        let lane = |points: &[Point]| series::thin(points, LANE_BUCKETS);
        let waits = |is: fn(WaitReason) -> bool| {
            let all = self.units.iter().flat_map(|unit| &unit.waits).filter(|wait| is(wait.reason));
            series::at_once(all.map(|wait| (wait.from_us, wait.until_us)))
        };
        let at_end = |points: &[Point]| {
            let mut points = points.to_vec();
            // The last reading was before the end of the processes.
            if let Some((last_us, _)) = points.last().copied() {
                series::push(&mut points, self.end_us.max(last_us), 0);
            }
            points
        };
        Model {
            about: self.about.clone(),
            ending: match (self.signal, self.failed) {
                (Some(signal), _) => Ending::Interrupted(signal),
                (None, true) => Ending::Failed,
                (None, false) => Ending::Succeeded,
            },
            duration_us: self.end_us,
            jobs: self.jobs,
            fresh: self.fresh,
            cpu_us: self.cpu_us,
            units: self.units.clone(),
            workers: self.workers.values().copied().collect(),
            critical: critical_path(&stretches, &after, self.jobs),
            rows,
            stretches,
            sources: self.sources.clone(),
            kills: self.kills.clone(),
            budget: self.chosen.clone(),
            memory: self.memory,
            lanes: Lanes {
                tokens: lane(&self.tokens),
                live_modules: lane(&series::sum(self.live_modules.clone())),
                short: lane(&self.short),
                stopped: lane(&self.stopped),
                wait_slot: lane(&waits(|reason| reason == WaitReason::Token)),
                wait_memory: lane(&waits(|reason| matches!(reason, WaitReason::Memory(_)))),
                memory: lane(&at_end(&self.used)),
                leases: lane(&at_end(&self.leases)),
                budget: lane(&self.ceilings),
                pressure_some: lane(&self.pressure_some),
                pressure_full: lane(&self.pressure_full),
                cpu: lane(&series::rate(self.cpu.clone())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Needed, Shortage};
    use crate::memory::{Chosen, Killer, Origin};
    use crate::report::fixture::{self, APP_LINK, ZIP_A, ZIP_ARCHIVE, ZIP_B};
    use std::time::Duration;

    fn model(events: &[Event]) -> Model {
        let graph = fixture::graph();
        let mut collector = Collector::new(About::default());
        // Times of events start at 100.
        collector.event(&graph, &Event::BuildStarted { jobs: 2, at_us: Micros(100) });
        for event in events {
            collector.event(&graph, event);
        }
        collector.model(&graph)
    }

    fn dirty(item: ItemId) -> Event {
        Event::Dirty { item, reason: RebuildReason::New }
    }

    fn started(item: ItemId, worker: Option<u32>, slot: u32, at_us: u64) -> Event {
        Event::ItemStarted { item, worker: worker.map(WorkerId), slot, at_us: Micros(at_us) }
    }

    fn phase(
        item: ItemId,
        slot: u32,
        (phase, cgu): (PhaseName, Option<u32>),
        from: u64,
        until: u64,
    ) -> Event {
        let worker = Some(WorkerId(0));
        Event::Phase {
            item,
            worker,
            slot,
            phase,
            cgu,
            of: None,
            start_us: Micros(from),
            dur_us: Micros(until - from),
        }
    }

    fn finished(item: ItemId, at_us: u64) -> Event {
        Event::ItemFinished {
            item,
            outcome: Outcome::Ok,
            at_us: Micros(at_us),
            wall_us: Micros(0),
            peak_bytes: Bytes(7),
        }
    }

    fn ended(success: bool, at_us: u64) -> Event {
        Event::BuildFinished { success, elapsed: Duration::ZERO, at_us: Micros(at_us) }
    }

    /// The worker and its slot, the item, the stage, and from when until when.
    type Bar = (Option<u32>, u32, ItemId, StretchKind, u64, u64);

    #[track_caller]
    fn check(events: &[Event], expect: &[Bar]) {
        let model = model(events);
        let found: Vec<_> = model
            .stretches
            .iter()
            .map(|stretch| {
                let row = model.rows[stretch.row as usize];
                let item = model.units[stretch.unit as usize].item;
                (row.worker, row.slot, item, stretch.stage, stretch.start_us, stretch.end_us())
            })
            .collect();
        assert_eq!(found, expect);
        for pair in found.windows(2) {
            assert!(
                (pair[0].0, pair[0].1) != (pair[1].0, pair[1].1) || pair[0].5 <= pair[1].4,
                "{pair:?} overlap"
            );
        }
    }

    const TRANSLATE: StretchKind = StretchKind::Phase(PhaseName::Translate);
    const OPTIMISE: StretchKind = StretchKind::Phase(PhaseName::Optimise);
    const GENERATE: StretchKind = StretchKind::Phase(PhaseName::Generate);

    #[test]
    fn pieces_run_on_any_slot() {
        check(
            &[
                dirty(ZIP_A),
                started(ZIP_A, Some(0), 0, 100),
                phase(ZIP_A, 0, (PhaseName::Translate, None), 100, 110),
                phase(ZIP_A, 1, (PhaseName::Optimise, Some(1)), 110, 120),
                phase(ZIP_A, 0, (PhaseName::Optimise, Some(0)), 111, 119),
                phase(ZIP_A, 1, (PhaseName::Join, None), 120, 125),
                finished(ZIP_A, 125),
                ended(true, 130),
            ],
            &[
                (Some(0), 0, ZIP_A, TRANSLATE, 0, 10),
                (Some(0), 0, ZIP_A, OPTIMISE, 11, 19),
                (Some(0), 1, ZIP_A, OPTIMISE, 10, 20),
                (Some(0), 1, ZIP_A, StretchKind::Phase(PhaseName::Join), 20, 25),
            ],
        );
    }

    #[test]
    fn commands_are_one_phase_each_on_rows_of_their_own() {
        check(
            &[
                dirty(ZIP_A),
                dirty(ZIP_B),
                started(ZIP_A, None, 0, 101),
                started(ZIP_B, None, 0, 102),
                finished(ZIP_A, 105),
                finished(ZIP_B, 107),
                ended(true, 110),
            ],
            &[(None, 0, ZIP_A, GENERATE, 1, 5), (None, 1, ZIP_B, GENERATE, 2, 7)],
        );
    }

    #[test]
    fn commands_that_run_again_have_two_bars_on_one_row() {
        check(
            &[
                dirty(ZIP_A),
                started(ZIP_A, None, 0, 101),
                Event::ItemLost { item: ZIP_A, at_us: Micros(105) },
                started(ZIP_A, None, 0, 108),
                finished(ZIP_A, 109),
                ended(true, 110),
            ],
            &[(None, 0, ZIP_A, StretchKind::CutOff, 1, 5), (None, 0, ZIP_A, GENERATE, 8, 9)],
        );
    }

    #[test]
    fn phase_that_was_cut_off_lasts_to_the_end_of_its_worker() {
        check(
            &[
                dirty(ZIP_A),
                dirty(ZIP_B),
                Event::WorkerStarted { worker: WorkerId(0), pid: 7, at_us: Micros(100) },
                started(ZIP_A, Some(0), 0, 100),
                started(ZIP_B, Some(0), 1, 101),
                phase(ZIP_A, 0, (PhaseName::Translate, None), 100, 110),
                Event::WorkerEnded { worker: WorkerId(0), at_us: Micros(115) },
                // Again, until the build ends.
                started(ZIP_B, Some(1), 0, 116),
                Event::Interrupted { signal: 2 },
                ended(false, 120),
            ],
            &[
                (Some(0), 0, ZIP_A, TRANSLATE, 0, 10),
                (Some(0), 0, ZIP_A, StretchKind::CutOff, 10, 15),
                (Some(0), 1, ZIP_B, StretchKind::CutOff, 1, 15),
                (Some(1), 0, ZIP_B, StretchKind::CutOff, 16, 20),
            ],
        );
    }

    #[test]
    fn units_have_their_reasons_waits_and_ends() {
        let model = model(&[
            Event::Fresh { item: ZIP_ARCHIVE },
            dirty(ZIP_A),
            dirty(ZIP_B),
            Event::Wait { item: ZIP_A, reason: WaitReason::Token, at_us: Micros(103) },
            started(ZIP_A, Some(0), 0, 110),
            finished(ZIP_A, 120),
            Event::Cpu { worker: None, used_us: Micros(55), at_us: Micros(130) },
            ended(false, 130),
        ]);
        assert_eq!((model.fresh, model.jobs, model.duration_us, model.cpu_us), (1, 2, 30, 55));
        assert_eq!(model.ending, Ending::Failed);
        let unit = &model.units[0];
        assert_eq!((unit.krate.as_str(), unit.label.as_str()), ("zip", "zip/src/a.c"));
        assert_eq!(
            (unit.start_us, unit.end_us, unit.outcome),
            (Some(10), Some(20), Some(Outcome::Ok))
        );
        let wait = Wait { reason: WaitReason::Token, from_us: 3, until_us: 10 };
        assert_eq!((unit.waits.as_slice(), unit.peak_bytes, unit.runs), (&[wait][..], Bytes(7), 1));
        assert_eq!((model.units[1].start_us, model.units[1].outcome), (None, None));
    }

    #[test]
    fn lanes_are_sums_over_workers_that_live() {
        let of = |worker, n, at_us| Event::LiveModules { worker: WorkerId(worker), n, at_us };
        let model = model(&[
            of(0, 2, Micros(110)),
            of(1, 5, Micros(110)),
            Event::WorkerEnded { worker: WorkerId(0), at_us: Micros(115) },
            Event::Tokens { used: 2, n: 2, at_us: Micros(101) },
            Event::Cpu { worker: Some(WorkerId(1)), used_us: Micros(10), at_us: Micros(110) },
            ended(true, 120),
        ]);
        assert_eq!(model.lanes.live_modules, [(10, 7), (15, 5)]);
        assert_eq!(model.lanes.tokens, [(1, 2)]);
        assert_eq!(model.lanes.cpu, [(0, 1000), (10, 0)]);
    }

    #[test]
    fn waits_have_reasons_and_ends() {
        let short = WaitReason::Memory(Shortage {
            need: Bytes(7),
            free: Some(Bytes(3)),
            budget: Some(Bytes(9)),
            kept_for: None,
        });
        let wait = |item, reason, at_us| Event::Wait { item, reason, at_us };
        let model = model(&[
            dirty(ZIP_A),
            dirty(ZIP_B),
            wait(ZIP_A, WaitReason::Token, Micros(101)),
            wait(ZIP_A, short, Micros(105)),
            wait(ZIP_B, short, Micros(107)),
            Event::ShortOfMemory { slots: 1, at_us: Micros(107) },
            Event::Stopped { jobs: 3, at_us: Micros(108) },
            Event::Needed {
                item: ZIP_A,
                begin: Needed { lease: Bytes(8), peak: Bytes(7) },
                piece: Needed::default(),
            },
            Event::WaitEnded { item: ZIP_A, at_us: Micros(109) },
            started(ZIP_A, Some(0), 0, 110),
            // A piece of it.
            wait(ZIP_A, short, Micros(112)),
            finished(ZIP_A, 120),
            Event::ShortOfMemory { slots: 0, at_us: Micros(120) },
            ended(false, 130),
        ]);
        let waits = |unit: usize| -> Vec<(bool, u64, u64)> {
            let waits = model.units[unit].waits.iter();
            waits.map(|wait| (wait.reason == short, wait.from_us, wait.until_us)).collect()
        };
        assert_eq!(waits(0), [(false, 1, 5), (true, 5, 9), (true, 12, 20)]);
        assert_eq!(waits(1), [(true, 7, 30)], "until the build ended");
        assert_eq!(model.lanes.wait_slot, [(1, 1), (5, 0)]);
        assert_eq!(model.lanes.wait_memory, [(5, 1), (7, 2), (9, 1), (12, 2), (20, 1), (30, 0)]);
        assert_eq!(model.lanes.short, [(7, 1), (20, 0)]);
        assert_eq!(model.lanes.stopped, [(8, 3)]);
        assert_eq!((model.units[0].lease_bytes, model.units[1].lease_bytes), (Bytes(8), Bytes(0)));
    }

    #[test]
    fn memory_has_lanes_and_marks() {
        let read = |used, free, at_us| Event::Memory { used, free, at_us };
        let chosen = Chosen {
            bytes: Some(Bytes(60)),
            by: Origin::Option,
            of: None,
            clamped: None,
            off: false,
        };
        let who = Victim::Worker(WorkerId(3));
        let summary = MemorySummary { peak: Bytes(30), ..MemorySummary::default() };
        let model = model(&[
            read(Bytes(0), Some(Bytes(100)), Micros(101)),
            Event::Leases {
                bytes: Bytes(20),
                baselines: Bytes(4),
                budget: Some(Bytes(60)),
                at_us: Micros(102),
            },
            Event::Budget { chosen, at_us: Micros(103) },
            read(Bytes(10), Some(Bytes(90)), Micros(105)),
            Event::Pressure { some: 7, full: 2, at_us: Micros(105) },
            // Other items used some.
            read(Bytes(30), Some(Bytes(20)), Micros(110)),
            Event::Killed { who, by: Killer::Tender, peak: Bytes(30), at_us: Micros(111) },
            Event::Pressure { some: 0, full: 0, at_us: Micros(112) },
            Event::MemorySummary { summary, at_us: Micros(119) },
            ended(true, 120),
        ]);
        assert_eq!(model.lanes.memory, [(1, 0), (5, 10), (10, 30), (20, 0)]);
        assert_eq!(model.lanes.leases, [(2, 24), (20, 0)]);
        assert_eq!(model.lanes.budget, [(1, 100), (5, 60), (10, 50)]);
        assert_eq!(model.lanes.pressure_some, [(5, 7), (12, 0)]);
        assert_eq!(model.lanes.pressure_full, [(5, 2), (12, 0)]);
        assert_eq!(
            model.kills,
            [Kill { at_us: 11, worker: Some(3), by: Killer::Tender, peak: Bytes(30) }]
        );
        assert_eq!(model.memory, Some(summary));
    }

    #[test]
    fn critical_path_follows_the_graph() {
        let model = model(&[
            dirty(APP_LINK),
            dirty(ZIP_ARCHIVE),
            started(ZIP_ARCHIVE, Some(0), 0, 100),
            phase(ZIP_ARCHIVE, 0, (PhaseName::Archive, None), 100, 110),
            finished(ZIP_ARCHIVE, 110),
            started(APP_LINK, Some(0), 0, 112),
            phase(APP_LINK, 0, (PhaseName::Link, None), 112, 120),
            finished(APP_LINK, 120),
            ended(true, 121),
        ]);
        let units: Vec<u32> =
            model.critical.iter().map(|step| model.stretches[step.stretch].unit).collect();
        assert_eq!(units, [1, 0]);
    }

    #[test]
    fn sources_of_other_units_are_named_once() {
        let of = |cgu| Event::Phase {
            item: APP_LINK,
            worker: Some(WorkerId(0)),
            slot: 0,
            phase: PhaseName::Backend,
            cgu: Some(cgu),
            of: Some("zip/src/a.c".into()),
            start_us: Micros(100 + u64::from(cgu)),
            dur_us: Micros(1),
        };
        let model = model(&[
            dirty(APP_LINK),
            started(APP_LINK, Some(0), 0, 100),
            of(0),
            of(1),
            ended(true, 110),
        ]);
        assert_eq!(model.sources, ["zip/src/a.c"]);
        assert!(model.stretches[..2].iter().all(|stretch| stretch.source == Some(0)));
    }
}
