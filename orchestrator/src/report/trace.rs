//! The trace file: Chrome trace JSON, for viewers and for the tests that check the invariants. See
//! `docs/trace.md`.
//!
//! | field | means |
//! |---|---|
//! | `pid` | 0 the orchestrator, else the worker's number + 1. Not the system's process ids, which are used again; those are in the row's name |
//! | `tid` | the job slot: 0 is the process's implicit slot, any other stands for a token. In row 0, the n-th command that runs at once |
//! | `ph: X` | one phase of an item. These never overlap on a row, and never more than N overlap at all |
//! | `ph: b`, `e` | an item from start to end (`unit`), or while it is ready and waits (`wait`); `id` is the item. A unit that is cut holds no slot while it waits for its pieces, so these say nothing about slots |
//! | `ph: C` | a counter |
//! | `ph: i` | something that happened at one moment, with its facts in `args` |
//!
//! Events are written as they come. The closing bracket is written on drop; viewers load a file
//! that lacks it.

use crate::events::{Event, Shortage, Sink, Victim, WaitReason};
use crate::graph::{Graph, ItemKind};
use crate::keys::{ItemId, WorkerId};
use crate::report::words;
use crate::sys::now_us;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufWriter, Write};
use tender_protocol::{HeaderUse, PhaseName};
use tender_units::Micros;

/// Row of the orchestrator itself.
const ORCHESTRATOR: u32 = 0;
/// If the build is killed, at most the last second is lost.
const BETWEEN_FLUSHES_US: Micros = Micros::from_secs(1);

pub struct Trace<W: Write> {
    out: BufWriter<W>,
    empty: bool,
    /// A write failed (disk full, reader closed). The build continues without a trace.
    broken: bool,
    last_flush_us: Micros,
    /// Items that run: the rows on which they started, and when. Their phases may be on other rows.
    running: HashMap<ItemId, ItemRow>,
    waiting: HashMap<ItemId, &'static str>,
    /// Which rows of commands are in use. The orchestrator has no slots of its own.
    command_rows: Vec<bool>,
}

struct ItemRow {
    pid: u32,
    tid: u32,
    start_us: Micros,
    phases: u32,
    headers: Option<HeaderUse>,
}

/// One event of the file.
#[derive(Serialize)]
struct TraceEntry<'a> {
    name: &'a str,
    cat: &'a str,
    ph: &'a str,
    /// CLOCK_MONOTONIC, microseconds.
    ts: Micros,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    /// Of an instant event: `p` marks the process, `g` all.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'a str>,
    pid: u32,
    tid: u32,
    args: Value,
}

impl Trace<std::fs::File> {
    /// Opens the file, before anything is built. If that fails, an older file is not changed.
    ///
    /// # Errors
    /// The file cannot be created or opened for writing.
    pub fn create(path: &std::path::Path) -> std::io::Result<Self> {
        Ok(Self::new(std::fs::File::create(path)?))
    }
}

impl<W: Write> Trace<W> {
    pub fn new(out: W) -> Self {
        let mut trace = Self {
            out: BufWriter::with_capacity(64 * 1024, out),
            empty: true,
            broken: false,
            last_flush_us: Micros::ZERO,
            running: HashMap::new(),
            waiting: HashMap::new(),
            command_rows: Vec::new(),
        };
        trace.raw(b"[\n");
        trace.name_process(ORCHESTRATOR, "tender");
        trace
    }

    fn raw(&mut self, bytes: &[u8]) {
        if !self.broken && self.out.write_all(bytes).is_err() {
            self.broken = true;
        }
    }

    fn write(&mut self, entry: &TraceEntry<'_>) {
        let line = serde_json::to_vec(entry).expect("entries have string keys only");
        if !self.empty {
            self.raw(b",\n");
        }
        self.empty = false;
        self.raw(&line);
    }

    fn flush(&mut self) {
        if !self.broken && self.out.flush().is_err() {
            self.broken = true;
        }
    }

    fn name_process(&mut self, pid: u32, name: &str) {
        let entry = |of, args| TraceEntry {
            name: of,
            cat: "__metadata",
            ph: "M",
            ts: Micros::ZERO,
            dur: None,
            id: None,
            s: None,
            pid,
            tid: 0,
            args,
        };
        self.write(&entry("process_name", json!({ "name": name })));
        self.write(&entry("process_sort_index", json!({ "sort_index": pid })));
    }

    fn counter(&mut self, name: &str, cat: &str, pid: u32, ts: Micros, args: Value) {
        self.write(&TraceEntry {
            name,
            cat,
            ph: "C",
            ts,
            dur: None,
            id: None,
            s: None,
            pid,
            tid: 0,
            args,
        });
    }

    fn instant(&mut self, (cat, name): (&str, &str), pid: u32, ts: Micros, args: Value) {
        let scope = if pid == ORCHESTRATOR { "g" } else { "p" };
        self.write(&TraceEntry {
            name,
            cat,
            ph: "i",
            ts,
            dur: None,
            id: None,
            s: Some(scope),
            pid,
            tid: 0,
            args,
        });
    }

    /// Begin and end need the same `name`: viewers match them by `name` and `id`.
    fn span(
        &mut self,
        ph: &str,
        (cat, name): (&str, &str),
        item: ItemId,
        pid: u32,
        ts: Micros,
        args: Value,
    ) {
        self.write(&TraceEntry {
            name,
            cat,
            ph,
            ts,
            dur: None,
            id: Some(item.0),
            s: None,
            pid,
            tid: 0,
            args,
        });
    }

    fn phase(
        &mut self,
        graph: &Graph,
        item: ItemId,
        row: (u32, u32),
        (phase, cgu, from): (PhaseName, Option<u32>, Option<&str>),
        ts: Micros,
        dur: Micros,
    ) {
        let of = &graph[item];
        let cat = match of.kind {
            ItemKind::Archive | ItemKind::Shared | ItemKind::Program => "link",
            ItemKind::Generate
            | ItemKind::Configure
            | ItemKind::Scan
            | ItemKind::Interface
            | ItemKind::Precompile
            | ItemKind::ShareHeaders
            | ItemKind::Compile
            | ItemKind::Check => "unit",
        };
        let (pid, tid) = row;
        // A unit that is not cut is one piece, number 0.
        let args = json!({ "crate": of.krate_name, "unit": from.unwrap_or(&of.label), "cgu": cgu.unwrap_or(0) });
        let name = words::phase(phase);
        self.write(&TraceEntry {
            name,
            cat,
            ph: "X",
            ts,
            dur: Some(dur),
            id: None,
            s: None,
            pid,
            tid,
            args,
        });
    }

    /// A new reason ends the wait for the earlier one.
    fn waits(&mut self, graph: &Graph, item: ItemId, reason: WaitReason, at_us: Micros) {
        let name = words::wait(reason);
        if self.waiting.get(&item) == Some(&name) {
            return;
        }
        self.waits_no_more(item, at_us);
        self.waiting.insert(item, name);
        let mut args = json!({ "crate": graph[item].krate_name, "unit": graph[item].label });
        if let WaitReason::Memory(Shortage { need, free, budget, kept_for }) = reason {
            args["need"] = json!(need);
            // Absent, like the budget, if there is no limit, because viewers read null as text.
            free.into_iter().for_each(|free| args["free"] = json!(free));
            budget.into_iter().for_each(|budget| args["budget"] = json!(budget));
            kept_for.into_iter().for_each(|larger| args["kept_for"] = json!(graph[larger].label));
        }
        self.span("b", ("wait", name), item, ORCHESTRATOR, at_us, args);
    }

    fn waits_no_more(&mut self, item: ItemId, at_us: Micros) {
        if let Some(reason) = self.waiting.remove(&item) {
            self.span("e", ("wait", reason), item, ORCHESTRATOR, at_us, json!({}));
        }
    }

    fn item_started(
        &mut self,
        graph: &Graph,
        item: ItemId,
        worker: Option<WorkerId>,
        slot: u32,
        at_us: Micros,
    ) {
        self.waits_no_more(item, at_us);
        let (pid, tid) = match worker {
            Some(worker) => (row(worker), slot),
            None => (ORCHESTRATOR, self.take_command_row()),
        };
        let of = &graph[item];
        let args = json!({ "crate": of.krate_name, "unit": of.label, "slot": tid });
        self.span("b", ("unit", &of.label), item, pid, at_us, args);
        self.running.insert(item, ItemRow { pid, tid, start_us: at_us, phases: 0, headers: None });
    }

    fn item_finished(&mut self, graph: &Graph, item: ItemId, outcome: Value, at_us: Micros) {
        self.waits_no_more(item, at_us);
        let Some(running) = self.running.remove(&item) else { return };
        if running.pid == ORCHESTRATOR {
            // No phases of an external command are reported: it is one phase.
            if running.phases == 0 {
                let dur = at_us.saturating_sub(running.start_us);
                let row = (running.pid, running.tid);
                self.phase(
                    graph,
                    item,
                    row,
                    (PhaseName::Generate, None, None),
                    running.start_us,
                    dur,
                );
            }
            self.command_rows[running.tid as usize - 1] = false;
        }
        let mut args = json!({ "outcome": outcome });
        if let Some(headers) = running.headers {
            args["headers"] = json!(headers);
        }
        self.span("e", ("unit", &graph[item].label), item, running.pid, at_us, args);
    }

    /// The lowest row that is free, from 1.
    fn take_command_row(&mut self) -> u32 {
        let free = self.command_rows.iter().position(|used| !used).unwrap_or_else(|| {
            self.command_rows.push(false);
            self.command_rows.len() - 1
        });
        self.command_rows[free] = true;
        free as u32 + 1
    }

    /// Ends the items that run on `pid`, or all, so that every begin has an end also if a worker
    /// died.
    fn close_items(&mut self, graph: &Graph, pid: Option<u32>, at_us: Micros) {
        let on_row = |running: &ItemRow| pid.is_none_or(|pid| pid == running.pid);
        let mut open: Vec<ItemId> = self
            .running
            .iter()
            .filter(|(_, running)| on_row(running))
            .map(|(item, _)| *item)
            .collect();
        open.sort_unstable();
        for item in open {
            self.item_finished(graph, item, json!("interrupted"), at_us);
        }
    }

    fn close_all(&mut self, graph: &Graph, at_us: Micros) {
        self.close_items(graph, None, at_us);
        let mut waiting: Vec<(ItemId, &str)> = self.waiting.drain().collect();
        waiting.sort_unstable();
        for (item, reason) in waiting {
            self.span("e", ("wait", reason), item, ORCHESTRATOR, at_us, json!({}));
        }
    }
}

fn row(worker: WorkerId) -> u32 {
    worker.0 + 1
}

impl<W: Write> Sink for Trace<W> {
    fn event(&mut self, graph: &Graph, event: &Event) {
        match *event {
            Event::WorkerStarted { worker, pid, .. } => {
                self.name_process(row(worker), &format!("worker {} ({pid})", worker.0));
            }
            Event::WorkerEnded { worker, at_us } => {
                self.close_items(graph, Some(row(worker)), at_us)
            }
            Event::ItemStarted { item, worker, slot, at_us } => {
                self.item_started(graph, item, worker, slot, at_us);
            }
            Event::Phase { item, worker, slot, phase, cgu, ref of, start_us, dur_us } => {
                let running = self.running.get_mut(&item).map(|running| {
                    running.phases += 1;
                    (running.pid, running.tid)
                });
                let at = worker
                    .map(|worker| (row(worker), slot))
                    .or(running)
                    .unwrap_or((ORCHESTRATOR, 0));
                self.phase(graph, item, at, (phase, cgu, of.as_deref()), start_us, dur_us);
            }
            Event::SharedHeaders { item, ref headers } => {
                if let Some(running) = self.running.get_mut(&item) {
                    running.headers = Some(headers.clone());
                }
            }
            Event::ItemFinished { item, outcome, at_us, .. } => {
                self.item_finished(graph, item, json!(outcome), at_us);
            }
            Event::ItemLost { item, at_us } => {
                self.item_finished(graph, item, json!("interrupted"), at_us)
            }
            Event::Wait { item, reason, at_us } => self.waits(graph, item, reason, at_us),
            Event::WaitEnded { item, at_us } => self.waits_no_more(item, at_us),
            Event::ShortOfMemory { slots, at_us } => {
                self.counter(
                    "short_of_memory",
                    "wait",
                    ORCHESTRATOR,
                    at_us,
                    json!({ "slots": slots }),
                );
            }
            Event::Tokens { used, n, at_us } => {
                self.counter(
                    "tokens",
                    "token",
                    ORCHESTRATOR,
                    at_us,
                    json!({ "used": used, "n": n }),
                );
            }
            Event::LiveModules { worker, n, at_us } => {
                self.counter("live_modules", "unit", row(worker), at_us, json!({ "n": n }));
            }
            Event::Rss { worker, bytes, at_us } => {
                self.counter("rss", "lease", row(worker), at_us, json!({ "bytes": bytes }));
            }
            Event::Leases { bytes, baselines, budget, at_us } => {
                let mut args = json!({ "bytes": bytes, "baselines": baselines });
                if let Some(budget) = budget {
                    args["budget"] = json!(budget);
                }
                self.counter("lease", "lease", ORCHESTRATOR, at_us, args);
            }
            Event::Memory { used, free, at_us } => {
                let mut args = json!({ "used": used });
                free.into_iter().for_each(|free| args["free"] = json!(free));
                self.counter("memory", "lease", ORCHESTRATOR, at_us, args);
            }
            Event::Stopped { jobs, at_us } => {
                self.counter("stopped", "wait", ORCHESTRATOR, at_us, json!({ "jobs": jobs }));
            }
            Event::Pressure { some, full, at_us } => {
                let args = json!({ "some": some, "full": full });
                self.counter("pressure", "lease", ORCHESTRATOR, at_us, args);
            }
            Event::Budget { ref chosen, at_us } => {
                self.instant(("lease", "budget"), ORCHESTRATOR, at_us, json!(chosen));
            }
            Event::Killed { who, by, peak, at_us } => {
                let mut args = json!({ "by": by, "peak": peak });
                let pid = match who {
                    Victim::Worker(worker) => row(worker),
                    Victim::Program(item) => {
                        args["unit"] = json!(graph[item].label);
                        ORCHESTRATOR
                    }
                };
                self.instant(("lease", "killed for memory"), pid, at_us, args);
            }
            Event::MemorySummary { summary, at_us } => {
                self.instant(("lease", "memory summary"), ORCHESTRATOR, at_us, json!(summary));
            }
            Event::Cpu { worker, used_us, at_us } => {
                let pid = worker.map_or(ORCHESTRATOR, row);
                self.counter("cpu", "lease", pid, at_us, json!({ "used_us": used_us }));
            }
            Event::Interrupted { .. } => self.flush(),
            Event::BuildFinished { at_us, .. } => {
                self.close_all(graph, at_us);
                self.flush();
            }
            _ => {}
        }
    }

    fn tick(&mut self, _graph: &Graph) {
        let now_us = now_us();
        if now_us >= self.last_flush_us + BETWEEN_FLUSHES_US {
            self.last_flush_us = now_us;
            self.flush();
        }
    }
}

impl<W: Write> Drop for Trace<W> {
    fn drop(&mut self) {
        self.raw(b"\n]\n");
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Chosen, Killer, Origin};
    use crate::report::fixture;
    use std::time::Duration;
    use tender_protocol::Outcome;
    use tender_units::Bytes;

    fn trace(events: &[Event]) -> Vec<Value> {
        let graph = fixture::graph();
        let mut out = Vec::new();
        let mut trace = Trace::new(&mut out);
        for event in events {
            trace.event(&graph, event);
        }
        drop(trace);
        serde_json::from_slice::<Vec<Value>>(&out).unwrap()
    }

    fn of_kind<'a>(entries: &'a [Value], ph: &str) -> Vec<&'a Value> {
        entries.iter().filter(|entry| entry["ph"] == ph).collect()
    }

    fn started(item: ItemId, worker: Option<u32>, slot: u32, at_us: Micros) -> Event {
        Event::ItemStarted { item, worker: worker.map(WorkerId), slot, at_us }
    }

    fn phase(item: ItemId, slot: u32, phase: PhaseName, start_us: Micros, dur_us: Micros) -> Event {
        Event::Phase {
            item,
            worker: Some(WorkerId(0)),
            slot,
            phase,
            cgu: None,
            of: None,
            start_us,
            dur_us,
        }
    }

    fn finished(item: ItemId, at_us: Micros) -> Event {
        Event::ItemFinished {
            item,
            outcome: Outcome::Ok,
            at_us,
            wall_us: Micros(0),
            peak_bytes: Bytes(0),
        }
    }

    #[test]
    fn trace_has_phases_as_complete_events_on_the_row_of_their_slot() {
        let entries = trace(&[
            Event::WorkerStarted { worker: WorkerId(0), pid: 4711, at_us: Micros(1) },
            started(fixture::ZIP_A, Some(0), 1, Micros(10)),
            phase(fixture::ZIP_A, 1, PhaseName::Translate, Micros(10), Micros(5)),
            phase(fixture::ZIP_A, 1, PhaseName::Emit, Micros(15), Micros(5)),
            Event::SharedHeaders { item: fixture::ZIP_A, headers: HeaderUse::Used },
            finished(fixture::ZIP_A, Micros(20)),
        ]);
        let end = json!({ "outcome": "ok", "headers": { "result": "used" } });
        assert_eq!(of_kind(&entries, "e")[0]["args"], end);
        let names: Vec<_> =
            of_kind(&entries, "M").iter().map(|m| m["args"]["name"].clone()).collect();
        assert_eq!(names, [json!("tender"), Value::Null, json!("worker 0 (4711)"), Value::Null]);
        let complete = of_kind(&entries, "X");
        assert_eq!(complete.len(), 2);
        assert_eq!(
            *complete[0],
            json!({
                "name": "translate", "cat": "unit", "ph": "X", "ts": 10, "dur": 5, "pid": 1, "tid": 1,
                "args": { "crate": "zip", "unit": "zip/src/a.c", "cgu": 0 }
            })
        );
        assert_eq!(of_kind(&entries, "b")[0]["name"], "zip/src/a.c");
        assert_eq!(of_kind(&entries, "e")[0]["args"]["outcome"], "ok");
    }

    #[test]
    fn trace_has_pieces_on_the_rows_where_they_ran() {
        let piece = |slot, cgu, of: Option<&str>, start_us| Event::Phase {
            item: fixture::ZIP_A,
            worker: Some(WorkerId(0)),
            slot,
            phase: PhaseName::Optimise,
            cgu: Some(cgu),
            of: of.map(str::to_owned),
            start_us,
            dur_us: Micros(5),
        };
        let entries = trace(&[
            started(fixture::ZIP_A, Some(0), 0, Micros(10)),
            phase(fixture::ZIP_A, 0, PhaseName::Cut, Micros(10), Micros(5)),
            piece(1, 0, None, Micros(15)),
            piece(0, 1, None, Micros(16)),
            piece(2, 0, Some("zip/src/b.c"), Micros(16)),
            phase(fixture::ZIP_A, 2, PhaseName::Join, Micros(21), Micros(5)),
            finished(fixture::ZIP_A, Micros(26)),
        ]);
        let places: Vec<_> = of_kind(&entries, "X")
            .iter()
            .map(|x| (x["tid"].clone(), x["args"]["unit"].clone(), x["args"]["cgu"].clone()))
            .collect();
        let expect = [(0, "a.c", 0), (1, "a.c", 0), (0, "a.c", 1), (2, "b.c", 0), (2, "a.c", 0)];
        assert_eq!(
            places,
            expect.map(|(tid, unit, cgu)| (
                json!(tid),
                json!(format!("zip/src/{unit}")),
                json!(cgu)
            ))
        );
        // One begin and one end, whatever the rows.
        assert_eq!((of_kind(&entries, "b").len(), of_kind(&entries, "e").len()), (1, 1));
    }

    #[test]
    fn trace_has_categories_of_links_and_counters() {
        let entries = trace(&[
            phase(fixture::APP_LINK, 0, PhaseName::Link, Micros(1), Micros(2)),
            Event::Tokens { used: 1, n: 2, at_us: Micros(3) },
            Event::LiveModules { worker: WorkerId(0), n: 3, at_us: Micros(4) },
            Event::Rss { worker: WorkerId(0), bytes: Bytes(5), at_us: Micros(5) },
            Event::Cpu { worker: Some(WorkerId(0)), used_us: Micros(6), at_us: Micros(5) },
        ]);
        assert_eq!(of_kind(&entries, "X")[0]["cat"], "link");
        let counters: Vec<_> =
            of_kind(&entries, "C").iter().map(|c| (c["name"].clone(), c["args"].clone())).collect();
        assert_eq!(
            counters,
            [
                (json!("tokens"), json!({ "used": 1, "n": 2 })),
                (json!("live_modules"), json!({ "n": 3 })),
                (json!("rss"), json!({ "bytes": 5 })),
                (json!("cpu"), json!({ "used_us": 6 })),
            ]
        );
    }

    #[test]
    fn trace_has_a_row_for_each_command_at_once() {
        let (a, b) = (fixture::ZIP_A, fixture::ZIP_B);
        let entries = trace(&[
            started(a, None, 0, Micros(1)),
            started(b, None, 0, Micros(2)),
            finished(a, Micros(5)),
            started(a, None, 0, Micros(6)),
            finished(b, Micros(7)),
            finished(a, Micros(8)),
        ]);
        let rows: Vec<_> =
            of_kind(&entries, "X").iter().map(|x| (x["tid"].clone(), x["ts"].clone())).collect();
        assert_eq!(rows, [(json!(1), json!(1)), (json!(2), json!(2)), (json!(1), json!(6))]);
    }

    #[test]
    fn trace_wait_ends_when_its_item_starts() {
        let wait = |at_us| Event::Wait {
            item: fixture::ZIP_A,
            reason: crate::events::WaitReason::Token,
            at_us,
        };
        let entries = trace(&[
            wait(Micros(1)),
            wait(Micros(2)),
            started(fixture::ZIP_A, Some(0), 0, Micros(9)),
        ]);
        let waits: Vec<_> = entries
            .iter()
            .filter(|e| e["cat"] == "wait")
            .map(|e| (e["ph"].clone(), e["ts"].clone()))
            .collect();
        assert_eq!(waits, [(json!("b"), json!(1)), (json!("e"), json!(9))]);
    }

    #[test]
    fn trace_wait_for_memory_has_its_numbers_and_ends_with_the_lease() {
        let item = fixture::ZIP_A;
        let short = |kept_for| Shortage {
            need: Bytes(7),
            free: Some(Bytes(3)),
            budget: Some(Bytes(9)),
            kept_for,
        };
        let wait = |reason, at_us| Event::Wait { item, reason, at_us };
        let entries = trace(&[
            wait(WaitReason::Token, Micros(1)),
            wait(WaitReason::Memory(short(None)), Micros(3)),
            Event::WaitEnded { item, at_us: Micros(5) },
            started(item, Some(0), 0, Micros(6)),
            // For a piece of it.
            wait(WaitReason::Memory(short(Some(fixture::ZIP_B))), Micros(7)),
            finished(item, Micros(9)),
        ]);
        let waits: Vec<&Value> = entries.iter().filter(|e| e["cat"] == "wait").collect();
        let kinds: Vec<_> =
            waits.iter().map(|e| (e["ph"].as_str().unwrap(), e["ts"].as_u64().unwrap())).collect();
        assert_eq!(kinds, [("b", 1), ("e", 3), ("b", 3), ("e", 5), ("b", 7), ("e", 9)]);
        assert_eq!(waits[0]["name"], waits[1]["name"]);
        assert_ne!(waits[1]["name"], waits[2]["name"]);
        let mut args =
            json!({ "crate": "zip", "unit": "zip/src/a.c", "need": 7, "free": 3, "budget": 9 });
        assert_eq!(waits[2]["args"], args);
        args["kept_for"] = json!("zip/src/b.c");
        assert_eq!(waits[4]["args"], args);
    }

    #[test]
    fn trace_counts_memory_and_marks_kills() {
        let chosen = Chosen { bytes: None, by: Origin::Found, of: None, clamped: None, off: false };
        let killed =
            |who| Event::Killed { who, by: Killer::Kernel, peak: Bytes(8), at_us: Micros(6) };
        let entries = trace(&[
            Event::Budget { chosen: chosen.clone(), at_us: Micros(1) },
            Event::Leases {
                bytes: Bytes(4),
                baselines: Bytes(1),
                budget: Some(Bytes(9)),
                at_us: Micros(2),
            },
            Event::Leases { bytes: Bytes(5), baselines: Bytes(1), budget: None, at_us: Micros(3) },
            Event::Memory { used: Bytes(4), free: Some(Bytes(2)), at_us: Micros(3) },
            Event::Pressure { some: 5, full: 1, at_us: Micros(4) },
            Event::ShortOfMemory { slots: 2, at_us: Micros(5) },
            Event::Stopped { jobs: 3, at_us: Micros(5) },
            killed(Victim::Worker(WorkerId(1))),
            killed(Victim::Program(fixture::ZIP_A)),
        ]);
        let told = |ph: &str| -> Vec<(Value, Value, Value)> {
            let of = |e: &&Value| (e["name"].clone(), e["pid"].clone(), e["args"].clone());
            of_kind(&entries, ph).iter().map(of).collect()
        };
        let expect = |name: &str, pid: u32, args: Value| (json!(name), json!(pid), args);
        assert_eq!(
            told("C"),
            [
                expect("lease", 0, json!({ "bytes": 4, "baselines": 1, "budget": 9 })),
                expect("lease", 0, json!({ "bytes": 5, "baselines": 1 })),
                expect("memory", 0, json!({ "used": 4, "free": 2 })),
                expect("pressure", 0, json!({ "some": 5, "full": 1 })),
                expect("short_of_memory", 0, json!({ "slots": 2 })),
                expect("stopped", 0, json!({ "jobs": 3 })),
            ]
        );
        let of_command = json!({ "by": "kernel", "peak": 8, "unit": "zip/src/a.c" });
        assert_eq!(
            told("i"),
            [
                expect("budget", 0, json!(chosen)),
                expect("killed for memory", 2, json!({ "by": "kernel", "peak": 8 })),
                expect("killed for memory", 0, of_command),
            ]
        );
    }

    #[test]
    fn trace_ends_items_of_a_dead_worker_with_it() {
        let entries = trace(&[
            started(fixture::ZIP_A, Some(0), 0, Micros(1)),
            started(fixture::ZIP_B, Some(1), 0, Micros(2)),
            Event::WorkerEnded { worker: WorkerId(0), at_us: Micros(5) },
            started(fixture::ZIP_A, Some(2), 0, Micros(6)),
        ]);
        let spans: Vec<_> = entries
            .iter()
            .filter(|e| e["ph"] == "b" || e["ph"] == "e")
            .map(|e| (e["ph"].clone(), e["pid"].clone(), e["ts"].clone()))
            .collect();
        let expect = [("b", 1, 1), ("b", 2, 2), ("e", 1, 5), ("b", 3, 6)];
        assert_eq!(spans, expect.map(|(ph, pid, ts)| (json!(ph), json!(pid), json!(ts))));
    }

    #[test]
    fn trace_has_two_runs_of_a_command_that_runs_again() {
        let item = fixture::ZIP_A;
        let entries = trace(&[
            started(item, None, 0, Micros(1)),
            Event::ItemLost { item, at_us: Micros(5) },
            started(item, None, 0, Micros(8)),
            finished(item, Micros(9)),
        ]);
        let told = |ph| -> Vec<_> {
            of_kind(&entries, ph)
                .iter()
                .map(|e| (e["ts"].as_u64().unwrap(), e["tid"].as_u64().unwrap()))
                .collect()
        };
        assert_eq!((told("b"), told("X")), (vec![(1, 0), (8, 0)], vec![(1, 1), (8, 1)]));
        let outcomes: Vec<_> =
            of_kind(&entries, "e").iter().map(|e| e["args"]["outcome"].clone()).collect();
        assert_eq!(outcomes, ["interrupted", "ok"]);
    }

    #[test]
    fn trace_of_an_interrupted_build_is_whole_json() {
        let entries = trace(&[
            started(fixture::ZIP_A, Some(0), 0, Micros(1)),
            Event::Interrupted { signal: 2 },
            Event::BuildFinished { success: false, elapsed: Duration::ZERO, at_us: Micros(9) },
        ]);
        assert_eq!(of_kind(&entries, "b").len(), of_kind(&entries, "e").len());
        // Dropped without an end: the file is still complete.
        trace(&[started(fixture::ZIP_A, Some(0), 0, Micros(1))]);
    }
}
