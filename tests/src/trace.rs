//! Parses a trace file (`docs/trace.md`). Knows no build.

use camino::Utf8Path;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Debug)]
pub struct Trace {
    /// In the order of the file.
    pub events: Vec<Value>,
}

/// The run of an item, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub krate: String,
    pub unit: String,
    /// The row: 0 for `[[generate]]` commands, else the worker's number + 1.
    pub pid: u64,
    /// The slot on which it began.
    pub slot: u64,
    /// CLOCK_MONOTONIC, microseconds.
    pub start_us: u64,
    pub end_us: u64,
    /// `ok`, `failed`, `skipped` or `interrupted`.
    pub outcome: String,
}

impl Trace {
    /// # Panics
    /// The file cannot be read, or is not a trace.
    #[track_caller]
    pub fn read(path: &Utf8Path) -> Trace {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Trace::parse(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// # Errors
    /// It is not JSON, not a list of events with the fields of their kinds, or a begin has no end.
    pub fn parse(text: &str) -> Result<Trace, String> {
        let events: Vec<Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match events.iter().find(|event| !is_whole(event)) {
            Some(event) => Err(format!("not a whole event: {event}")),
            None => Ok(Trace { events }),
        }
    }

    /// The events with this `ph`, such as `X`.
    pub fn of_kind<'a>(&'a self, ph: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["ph"] == ph)
    }

    /// The runs of all items, by start.
    ///
    /// # Panics
    /// A begin has no end, or an end no begin.
    #[track_caller]
    pub fn jobs(&self) -> Vec<Job> {
        self.try_jobs().unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_jobs(&self) -> Result<Vec<Job>, String> {
        let mut open: HashMap<u64, Job> = HashMap::new();
        let mut jobs = Vec::new();
        for event in self.events.iter().filter(|event| event["cat"] == "unit") {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            match event["ph"].as_str() {
                Some("b") => {
                    let job = Job {
                        krate: text(&event["args"]["crate"]),
                        unit: text(&event["args"]["unit"]),
                        pid: number(event, "pid"),
                        slot: number(&event["args"], "slot"),
                        start_us: number(event, "ts"),
                        end_us: 0,
                        outcome: String::new(),
                    };
                    if open.insert(number(event, "id"), job).is_some() {
                        return Err(format!("an item begins twice: {event}"));
                    }
                }
                Some("e") => {
                    let job = open
                        .remove(&number(event, "id"))
                        .ok_or_else(|| format!("an end without a begin: {event}"))?;
                    let end_us = number(event, "ts");
                    if end_us < job.start_us {
                        return Err(format!("an end before its begin: {event}"));
                    }
                    jobs.push(Job { end_us, outcome: text(&event["args"]["outcome"]), ..job });
                }
                _ => {}
            }
        }
        if !open.is_empty() {
            return Err(format!("items without an end: {open:?}"));
        }
        jobs.sort_by_key(|job| job.start_us);
        Ok(jobs)
    }

    /// The largest number of items that had begun and not ended. If no unit is cut, this is the
    /// number of slots in use; a cut unit waits for its pieces without a slot.
    pub fn max_concurrent_jobs(&self) -> u64 {
        let spans = self.jobs().into_iter().map(|job| (job.start_us, job.end_us));
        most_at_once(spans)
    }

    /// The largest number of phases at a time, which is never more than the slots in use.
    pub fn max_concurrent_phases(&self) -> u64 {
        most_at_once(self.of_kind("X").map(|event| {
            let start = number(event, "ts");
            (start, start + number(event, "dur"))
        }))
    }

    /// The share of the time of `slots` slots that was used, from the first start to the last end
    /// of an item, 0 to 1.
    pub fn busy_share(&self, slots: u64) -> f64 {
        let jobs = self.jobs();
        let start = jobs.iter().map(|job| job.start_us).min().unwrap_or(0);
        let end = jobs.iter().map(|job| job.end_us).max().unwrap_or(0);
        let busy: u64 = jobs.iter().map(|job| job.end_us - job.start_us).sum();
        if end == start { 0.0 } else { busy as f64 / ((end - start) * slots) as f64 }
    }

    /// How many worker processes were started.
    pub fn workers(&self) -> usize {
        self.worker_rows().len()
    }

    /// The row and the pid of each worker.
    pub fn worker_rows(&self) -> BTreeMap<u64, u32> {
        let rows =
            self.of_kind("M").filter(|event| event["name"] == "process_name" && event["pid"] != 0);
        rows.map(|event| (number(event, "pid"), process_of(event).expect("`is_whole` has looked")))
            .collect()
    }

    /// The values of a counter in order of time: time, row, and the value named `value`.
    pub fn counter(&self, name: &str, value: &str) -> Vec<(u64, u64, u64)> {
        let events = self.of_kind("C").filter(|event| event["name"] == name);
        let mut values: Vec<_> = events
            .map(|event| {
                let value = event["args"][value].as_u64().expect("counters are whole numbers");
                (number(event, "ts"), number(event, "pid"), value)
            })
            .collect();
        // A stable sort: of equal times the later line has the later value.
        values.sort_by_key(|(ts, _, _)| *ts);
        values
    }

    /// The sums of leases and baselines in order of time: time, bytes, and the budget if there is
    /// one.
    pub fn leases(&self) -> Vec<(u64, u64, Option<u64>)> {
        let events = self.of_kind("C").filter(|event| event["name"] == "lease");
        events
            .map(|event| {
                let args = &event["args"];
                let bytes = number(args, "bytes") + args["baselines"].as_u64().unwrap_or(0);
                (number(event, "ts"), bytes, args["budget"].as_u64())
            })
            .collect()
    }

    /// The pairs of begin and end of a category with this name.
    ///
    /// # Panics
    /// A begin has no end.
    #[track_caller]
    pub fn spans(&self, cat: &str, name: &str) -> Vec<(u64, u64)> {
        self.try_spans(cat, name).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_spans(&self, cat: &str, name: &str) -> Result<Vec<(u64, u64)>, String> {
        let mut open: HashMap<u64, u64> = HashMap::new();
        let mut spans = Vec::new();
        for event in self.events.iter().filter(|event| event["cat"] == cat && event["name"] == name)
        {
            if event["ph"] == "b" {
                open.insert(number(event, "id"), number(event, "ts"));
            } else if event["ph"] == "e"
                && let Some(start) = open.remove(&number(event, "id"))
            {
                spans.push((start, number(event, "ts")));
            }
        }
        if open.is_empty() { Ok(spans) } else { Err(format!("begins without an end: {open:?}")) }
    }

    /// The units that were cut into two pieces or more.
    pub fn cut_units(&self) -> BTreeSet<&str> {
        let pieces = self
            .of_kind("X")
            .filter(|event| event["args"]["cgu"].as_u64().is_some_and(|cgu| cgu > 0));
        pieces.filter_map(|event| event["args"]["unit"].as_str()).collect()
    }

    /// The names of all phases in the trace.
    pub fn phases(&self) -> BTreeSet<&str> {
        self.of_kind("X").filter_map(|event| event["name"].as_str()).collect()
    }
}

/// A number whose presence `is_whole` has checked.
fn number(event: &Value, key: &str) -> u64 {
    event[key].as_u64().unwrap_or_else(|| panic!("no {key} in {event}"))
}

/// Numbers in JSON are exact up to this, and no time or size of a build is nearly as large.
const LARGEST: u64 = 1 << 53;

/// Whether an event has the fields that `docs/trace.md` describes for its kind, as far as they are
/// read here.
fn is_whole(event: &Value) -> bool {
    let is_number = |value: &Value| value.as_u64().is_some_and(|number| number <= LARGEST);
    let args = &event["args"];
    let of_all = ["name", "cat", "ph"].iter().all(|key| event[key].is_string())
        && ["ts", "pid", "tid"].iter().all(|key| is_number(&event[key]))
        && args.is_object();
    of_all
        && match event["ph"].as_str() {
            Some("X") => is_number(&event["dur"]),
            Some("b") => {
                event["id"].is_u64() && (event["cat"] != "unit" || is_number(&args["slot"]))
            }
            Some("e") => event["id"].is_u64(),
            Some("C") => {
                let values = args.as_object().into_iter().flatten();
                values.into_iter().all(|(_, value)| is_number(value))
                    && (event["name"] != "lease" || is_number(&args["bytes"]))
            }
            Some("M") if event["name"] == "process_name" && event["pid"] != 0 => {
                process_of(event).is_some()
            }
            _ => true,
        }
}

/// The pid in the name of a worker's row, `worker N (PID)`.
fn process_of(event: &Value) -> Option<u32> {
    let (_, rest) = event["args"]["name"].as_str()?.rsplit_once('(')?;
    rest.strip_suffix(')')?.parse().ok()
}

/// A run that ends when another starts does not overlap it.
fn most_at_once(spans: impl Iterator<Item = (u64, u64)>) -> u64 {
    // Sorted, an end (-1) comes before a start (+1) of the same time.
    let mut steps: Vec<(u64, i64)> =
        spans.flat_map(|(start, end)| [(start, 1), (end, -1)]).collect();
    steps.sort_unstable();
    let mut sum = 0;
    let sums = steps.into_iter().map(|(_, step)| {
        sum += step;
        sum
    });
    sums.max().unwrap_or(0).max(0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_are_counted() {
        let check =
            |spans: &[(u64, u64)], expect| assert_eq!(most_at_once(spans.iter().copied()), expect);
        check(&[], 0);
        check(&[(1, 5), (5, 9)], 1);
        check(&[(1, 5), (4, 9), (4, 6)], 3);
        check(&[(1, 10), (2, 3), (4, 5)], 2);
    }

    #[test]
    fn fuzz_trace() {
        tender_fuzz::check_text("trace", 2_000, |text| {
            let Ok(trace) = Trace::parse(text) else { return };
            let _ = trace.try_spans("unit", "a.c");
            trace.max_concurrent_phases();
            trace.worker_rows();
            trace.leases();
            trace.phases();
            if trace.try_jobs().is_ok() {
                trace.max_concurrent_jobs();
                assert!(trace.busy_share(1) >= 0.0);
            }
        });
    }
}
