//! Evaluates trace files of `tender`: use of the cores, balance of pieces, modules in memory, idle
//! job slots.

use crate::gaps::{self, Change, JobEvent};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

/// How well the job slots were used.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// The busy share of all job slots between the start of the first unit and the end of the last
    /// one, from 0 to 1.
    pub busy: f64,
    pub longest_unit: String,
    pub longest_s: f64,
}

/// The codegen units of one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pieces {
    pub count: usize,
    /// The longest time of optimising and emitting a piece, divided by the mean.
    pub balance: f64,
    /// The sum of these times, seconds.
    pub sum_s: f64,
    /// The time before the first piece, for translating and cutting, seconds.
    pub before_s: f64,
}

/// Modules in the worker with the most modules in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    pub most: u32,
    /// The largest number of phases that ran at the same time in that worker.
    pub running: u32,
}

impl Live {
    /// The limit for `most`.
    pub fn limit(self) -> u32 {
        self.running + self.running.div_ceil(4) + 1
    }
}

/// An interval in which a job slot was idle while units waited.
#[derive(Clone, Debug, PartialEq)]
pub struct IdleSlot {
    pub way: NextUse,
    /// From the end of one item's last phase to the start of the next one's first.
    pub millis: f64,
    /// The part of it between the reported end of the one item and the reported start of the other.
    /// The rest is for waking threads and writing outputs.
    pub reported_millis: f64,
    /// The items that ended and started, for messages.
    pub after: String,
    pub before: String,
}

/// Where a slot was used next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextUse {
    /// In the same worker.
    Kept,
    /// In another worker.
    Moved,
    /// In a worker that had run nothing before, so the time includes the start of a process.
    Started,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    name: String,
    ph: String,
    #[serde(default)]
    cat: String,
    #[serde(default)]
    ts: f64,
    #[serde(default)]
    dur: f64,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    tid: u32,
    #[serde(default)]
    id: u32,
    #[serde(default)]
    args: Args,
}

impl Event {
    /// Crate and unit.
    fn item(&self) -> (&str, &str) {
        (&self.args.krate, &self.args.unit)
    }
}

#[derive(Default, Deserialize)]
struct Args {
    #[serde(default, rename = "crate")]
    krate: String,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    cgu: u32,
    /// Of a counter.
    #[serde(default)]
    n: u32,
}

/// Reads how well the slots were used.
///
/// # Errors
/// The file cannot be read, is no trace, or no unit was built.
pub fn usage(file: &Path, jobs: u32) -> Result<Usage, Box<dyn Error>> {
    read(file, |text| usage_of(text, jobs))
}

/// Reads the pieces of a unit.
///
/// # Errors
/// The file cannot be read, is no trace, or `unit` was not built.
pub fn pieces(file: &Path, unit: &str) -> Result<Pieces, Box<dyn Error>> {
    read(file, |text| pieces_of(text, unit))
}

/// Reads the number of modules in memory.
///
/// # Errors
/// The file cannot be read, is no trace, or no worker counted its modules.
pub fn live(file: &Path) -> Result<Live, Box<dyn Error>> {
    read(file, live_of)
}

/// Reads the idle slots of a build in which every unit is whole and ready from the start.
///
/// # Errors
/// The file cannot be read or is no trace.
pub fn idle(file: &Path) -> Result<Vec<IdleSlot>, Box<dyn Error>> {
    read(file, idle_of)
}

fn read<T>(
    file: &Path,
    of: impl FnOnce(&str) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    of(&text).map_err(|error| format!("{}: {error}", file.display()).into())
}

fn pieces_of(text: &str, unit: &str) -> Result<Pieces, Box<dyn Error>> {
    let all: Vec<Event> = serde_json::from_str(text)?;
    let mut pieces: BTreeMap<u32, f64> = BTreeMap::new();
    let mut before = 0.0;
    for event in all.iter().filter(|event| event.ph == "X" && event.args.unit.ends_with(unit)) {
        match event.name.as_str() {
            "optimise" | "emit" => *pieces.entry(event.args.cgu).or_default() += event.dur,
            "translate" | "cut" => before += event.dur,
            _ => {}
        }
    }
    let sum: f64 = pieces.values().sum();
    let largest = pieces.values().copied().fold(0.0, f64::max);
    if largest <= 0.0 {
        return Err(format!("{unit} was not built").into());
    }
    let count = pieces.len();
    Ok(Pieces {
        count,
        balance: largest * count as f64 / sum,
        sum_s: sum / 1e6,
        before_s: before / 1e6,
    })
}

fn live_of(text: &str) -> Result<Live, Box<dyn Error>> {
    let all: Vec<Event> = serde_json::from_str(text)?;
    let counts = all.iter().filter(|event| event.ph == "C" && event.name == "live_modules");
    let most = counts.max_by_key(|event| event.args.n).ok_or("no worker counted its modules")?;
    let phases = all.iter().filter(|event| event.ph == "X" && event.pid == most.pid);
    // At the same time, ends come before starts, because one follows the other on a slot.
    let mut changes: Vec<(f64, i32)> =
        phases.flat_map(|event| [(event.ts, 1), (event.ts + event.dur, -1)]).collect();
    changes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (mut now, mut running) = (0, 0);
    for (_, change) in changes {
        now += change;
        running = running.max(now);
    }
    Ok(Live { most: most.args.n, running: running.unsigned_abs() })
}

fn idle_of(text: &str) -> Result<Vec<IdleSlot>, Box<dyn Error>> {
    struct Job<'a> {
        event: &'a Event,
        start: f64,
        end: f64,
    }
    let all: Vec<Event> = serde_json::from_str(text)?;
    // From the start of an item's first phase to the end of its last.
    let mut jobs: BTreeMap<(&str, &str), Job<'_>> = BTreeMap::new();
    for event in all.iter().filter(|event| event.ph == "X") {
        let (start, end) = (event.ts, event.ts + event.dur);
        let job = jobs.entry(event.item()).or_insert(Job { event, start, end });
        job.start = job.start.min(start);
        job.end = job.end.max(end);
    }
    // The reported start and end of each item.
    let spans = || all.iter().filter(|event| event.cat == "unit");
    let ends: BTreeMap<u32, f64> =
        spans().filter(|event| event.ph == "e").map(|event| (event.id, event.ts)).collect();
    let reported: BTreeMap<(&str, &str), (f64, f64)> = spans()
        .filter(|event| event.ph == "b")
        .filter_map(|event| Some((event.item(), (event.ts, *ends.get(&event.id)?))))
        .collect();

    let jobs: Vec<Job<'_>> = jobs.into_values().collect();
    let rows: BTreeSet<(u32, u32)> =
        jobs.iter().map(|job| (job.event.pid, job.event.tid)).collect();
    let rows: BTreeMap<(u32, u32), u32> = rows.into_iter().zip(0..).collect();
    let mut first: BTreeMap<u32, f64> = BTreeMap::new();
    let mut changes = Vec::new();
    for (number, job) in jobs.iter().enumerate() {
        let row = rows[&(job.event.pid, job.event.tid)];
        let mut change = |at: f64, what| {
            changes.push(Change { at_ns: (at * 1e3) as u64, what, row, job: number });
        };
        change(job.start, JobEvent::Takes);
        change(job.end, JobEvent::Returns);
        // The trace does not record when an archive became ready.
        change(if job.event.cat == "unit" { 0.0 } else { job.start }, JobEvent::Waits);
        let start = first.entry(job.event.pid).or_insert(job.start);
        *start = start.min(job.start);
    }
    let describe = |event: &Event| {
        let Args { krate, unit, .. } = &event.args;
        format!("{unit} of {krate} (row {}, slot {})", event.pid, event.tid)
    };
    let gaps = gaps::find(changes).into_iter().map(|gap| {
        let (after, before) = (&jobs[gap.after], &jobs[gap.before]);
        let way = if after.event.pid == before.event.pid {
            NextUse::Kept
        } else if before.start <= first[&before.event.pid] {
            NextUse::Started
        } else {
            NextUse::Moved
        };
        let end = reported.get(&after.event.item()).map_or(after.end, |(_, end)| *end);
        let start = reported.get(&before.event.item()).map_or(before.start, |(start, _)| *start);
        IdleSlot {
            way,
            millis: gap.millis(),
            reported_millis: (start - end).max(0.0) / 1e3,
            after: describe(after.event),
            before: describe(before.event),
        }
    });
    Ok(gaps.collect())
}

fn usage_of(text: &str, jobs: u32) -> Result<Usage, Box<dyn Error>> {
    let all: Vec<Event> = serde_json::from_str(text)?;
    let phases = || all.iter().filter(|event| event.ph == "X");
    let units = || phases().filter(|event| event.cat == "unit");

    let first = units().map(|event| event.ts).fold(f64::INFINITY, f64::min);
    let last = units().map(|event| event.ts + event.dur).fold(f64::NEG_INFINITY, f64::max);
    if first >= last {
        return Err("no unit was built".into());
    }

    // Phases of a unit may be nested, so spans are used, not sums.
    let mut spans: BTreeMap<(&str, &str), (f64, f64)> = BTreeMap::new();
    for event in units() {
        let span =
            spans.entry((&event.args.krate, &event.args.unit)).or_insert((event.ts, event.ts));
        span.0 = span.0.min(event.ts);
        span.1 = span.1.max(event.ts + event.dur);
    }
    let length = |span: &(f64, f64)| span.1 - span.0;
    let longest = spans.iter().max_by(|a, b| length(a.1).total_cmp(&length(b.1)));
    let ((_, unit), span) = longest.expect("there is a unit: checked above");

    let mut rows: BTreeMap<(u32, u32), Vec<(f64, f64)>> = BTreeMap::new();
    for event in phases().filter(|event| event.cat == "unit" || event.cat == "link") {
        let clipped = (event.ts.clamp(first, last), (event.ts + event.dur).clamp(first, last));
        rows.entry((event.pid, event.tid)).or_default().push(clipped);
    }
    let busy: f64 = rows.into_values().map(covered).sum();
    Ok(Usage {
        busy: busy / (f64::from(jobs) * (last - first)),
        longest_unit: (*unit).to_owned(),
        longest_s: length(span) / 1e6,
    })
}

/// The length of the union of intervals.
fn covered(mut intervals: Vec<(f64, f64)>) -> f64 {
    intervals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut total = 0.0;
    let mut reached = f64::NEG_INFINITY;
    for (start, end) in intervals {
        total += (end - start.max(reached)).max(0.0);
        reached = reached.max(end);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_finds_idle_slots() {
        let event = |name: &str, cat: &str, unit: &str, pid: u32, tid: u32, ts: u32, dur: u32| {
            format!(
                r#"{{"name":"{name}","cat":"{cat}","ph":"X","ts":{ts},"dur":{dur},"pid":{pid},"tid":{tid},"args":{{"crate":"c","unit":"{unit}","cgu":0}}}}"#
            )
        };
        let unit_event = |ph: &str, id: u32, unit: &str, ts: u32| {
            format!(
                r#"{{"name":"{unit}","cat":"unit","ph":"{ph}","ts":{ts},"id":{id},"pid":1,"tid":0,"args":{{"crate":"c","unit":"{unit}"}}}}"#
            )
        };
        let events = [
            // Phases of one unit leave no gap between them.
            event("translate", "unit", "a.c", 1, 0, 1000, 500),
            event("emit", "unit", "a.c", 1, 0, 1600, 400),
            // The slot is idle for 0.1 ms, then moves within 2 ms to a new worker, and back within
            // 1 ms.
            event("translate", "unit", "b.c", 1, 0, 2100, 900),
            event("translate", "unit", "c.c", 2, 0, 5000, 1000),
            event("translate", "unit", "d.c", 1, 1, 7000, 1000),
            // No unit is left; an archive may wait for other reasons.
            event("archive", "link", "libc.a", 1, 0, 9000, 100),
            unit_event("b", 1, "b.c", 2090),
            unit_event("e", 1, "", 3500),
            unit_event("b", 2, "c.c", 4500),
            unit_event("e", 2, "", 6000),
        ];
        let idle = idle_of(&format!("[{}]", events.join(","))).unwrap();
        let ways: Vec<_> =
            idle.iter().map(|idle| (idle.way, idle.millis, idle.reported_millis)).collect();
        assert_eq!(
            ways,
            [(NextUse::Kept, 0.1, 0.09), (NextUse::Started, 2.0, 1.0), (NextUse::Moved, 1.0, 1.0)]
        );
        assert_eq!(idle[2].after, "c.c of c (row 2, slot 0)");
        assert!(idle_of("[").is_err());
    }

    #[test]
    fn trace_finds_pieces_of_a_unit() {
        let event = |name: &str, unit: &str, cgu: u32, dur: u32| {
            format!(
                r#"{{"name":"{name}","cat":"unit","ph":"X","ts":1,"dur":{dur},"pid":1,"tid":0,"args":{{"crate":"c","unit":"{unit}","cgu":{cgu}}}}}"#
            )
        };
        let text = |events: &[String]| format!("[{}]", events.join(","));
        let cut = text(&[
            event("translate", "src/a.c", 0, 1_000_000),
            event("cut", "src/a.c", 0, 500_000),
            event("optimise", "src/a.c", 0, 2_000_000),
            event("emit", "src/a.c", 0, 1_000_000),
            event("optimise", "src/a.c", 1, 1_000_000),
            event("optimise", "src/b.c", 2, 9_000_000),
            event("join", "src/a.c", 0, 9_000_000),
        ]);
        let expect = Pieces { count: 2, balance: 1.5, sum_s: 4.0, before_s: 1.5 };
        assert_eq!(pieces_of(&cut, "a.c").unwrap(), expect);
        assert!(pieces_of(&cut, "c.c").is_err());
    }

    #[test]
    fn trace_finds_live_modules_of_the_fullest_worker() {
        let phase = |pid: u32, ts: u32, dur: u32| {
            format!(
                r#"{{"name":"emit","cat":"unit","ph":"X","ts":{ts},"dur":{dur},"pid":{pid},"tid":0,"args":{{}}}}"#
            )
        };
        let count = |pid: u32, n: u32| {
            format!(
                r#"{{"name":"live_modules","cat":"unit","ph":"C","ts":5,"pid":{pid},"tid":0,"args":{{"n":{n}}}}}"#
            )
        };
        let events = [
            // Adjacent intervals do not overlap.
            phase(1, 0, 10),
            phase(1, 10, 10),
            phase(1, 5, 10),
            phase(2, 0, 10),
            phase(2, 0, 10),
            phase(2, 0, 10),
            count(1, 4),
            count(1, 1),
            count(2, 3),
        ];
        let live = live_of(&format!("[{}]", events.join(","))).unwrap();
        assert_eq!((live, live.limit()), (Live { most: 4, running: 2 }, 4));
        assert!(live_of("[]").is_err());
    }

    #[test]
    fn trace_finds_busy_share_and_longest_unit() {
        let event = |cat: &str, unit: &str, tid: u32, ts: u32, dur: u32| {
            format!(
                r#"{{"name":"x","cat":"{cat}","ph":"X","ts":{ts},"dur":{dur},"pid":1,"tid":{tid},"args":{{"crate":"c","unit":"{unit}"}}}}"#
            )
        };
        let text = format!(
            r#"[{{"ph":"M","name":"process_name","pid":0,"args":{{"name":"tender"}}}},{}]"#,
            [
                event("unit", "a.c", 0, 1_000_000, 4_000_000),
                event("unit", "a.c", 0, 5_000_000, 2_000_000),
                event("unit", "b.c", 1, 1_000_000, 1_000_000),
                // Within b.c's phase: must not count twice.
                event("unit", "b.c", 1, 1_500_000, 500_000),
                // Only the first of its two seconds lies before the end of the last unit.
                event("link", "libc.a", 1, 6_000_000, 2_000_000),
            ]
            .join(",")
        );
        let expect =
            Usage { busy: (6.0 + 1.0 + 1.0) / 12.0, longest_unit: "a.c".into(), longest_s: 6.0 };
        assert_eq!(usage_of(&text, 2).unwrap(), expect);
        assert!(usage_of("[]", 2).is_err());
    }
}
