//! Reads a trace file as `docs/trace.md` tells. Knows no build.

use camino::Utf8Path;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Debug)]
pub struct Trace {
    /// In the order of the file.
    pub events: Vec<Value>,
}

/// An item from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub krate: String,
    pub unit: String,
    /// The row: 0 for `[[generate]]` commands, else the worker's number + 1.
    pub pid: u64,
    /// Where it began.
    pub slot: u64,
    /// CLOCK_MONOTONIC, microseconds.
    pub start_us: u64,
    pub end_us: u64,
    /// `ok`, `failed`, `skipped` or `interrupted`.
    pub outcome: String,
}

impl Trace {
    /// # Panics
    /// The file is not JSON, or no list of events with the fields that every event has.
    #[track_caller]
    pub fn read(path: &Utf8Path) -> Trace {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let events: Vec<Value> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        for event in &events {
            let whole = ["name", "cat", "ph"].iter().all(|key| event[key].is_string())
                && ["ts", "pid", "tid"].iter().all(|key| event[key].is_u64())
                && event["args"].is_object();
            assert!(whole, "not a whole event: {event}");
        }
        Trace { events }
    }

    /// Events of this `ph`, such as `X`.
    pub fn of_kind<'a>(&'a self, ph: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["ph"] == ph)
    }

    /// All items that ran, by start.
    ///
    /// # Panics
    /// A begin has no end, or an end no begin.
    pub fn jobs(&self) -> Vec<Job> {
        let mut open: HashMap<u64, Job> = HashMap::new();
        let mut jobs = Vec::new();
        for event in self.events.iter().filter(|event| event["cat"] == "unit") {
            let id = event["id"].as_u64();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            match (event["ph"].as_str(), id) {
                (Some("b"), Some(id)) => {
                    let job = Job {
                        krate: text(&event["args"]["crate"]),
                        unit: text(&event["args"]["unit"]),
                        pid: number(event, "pid"),
                        slot: event["args"]["slot"].as_u64().expect("an item has a slot"),
                        start_us: number(event, "ts"),
                        end_us: 0,
                        outcome: String::new(),
                    };
                    assert!(open.insert(id, job).is_none(), "an item begins twice: {event}");
                }
                (Some("e"), Some(id)) => {
                    let job = open.remove(&id).unwrap_or_else(|| panic!("an end without a begin: {event}"));
                    let outcome = text(&event["args"]["outcome"]);
                    jobs.push(Job { end_us: number(event, "ts"), outcome, ..job });
                }
                _ => {}
            }
        }
        assert!(open.is_empty(), "items without an end: {open:?}");
        jobs.sort_by_key(|job| job.start_us);
        jobs
    }

    /// How many items had begun and not ended at once: the slots in use, where no unit is cut. One that is waits for its pieces
    /// without a slot.
    pub fn max_concurrent_jobs(&self) -> u64 {
        let spans = self.jobs().into_iter().map(|job| (job.start_us, job.end_us));
        most_at_once(spans)
    }

    /// How many phases ran at once, which is never more than the slots in use.
    pub fn max_concurrent_phases(&self) -> u64 {
        most_at_once(self.of_kind("X").map(|event| {
            let start = number(event, "ts");
            (start, start + number(event, "dur"))
        }))
    }

    /// How much of `slots` slots' time was in use from the first item's start to the last one's end, 0 to 1.
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

    /// The row's number and the system's process id of each worker.
    pub fn worker_rows(&self) -> BTreeMap<u64, u32> {
        let rows = self.of_kind("M").filter(|event| event["name"] == "process_name" && event["pid"] != 0);
        rows.map(|event| {
            let name = event["args"]["name"].as_str().unwrap();
            let pid = name.rsplit_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
            (number(event, "pid"), pid.and_then(|pid| pid.parse().ok()).expect("worker N (PID)"))
        })
        .collect()
    }

    /// The values of a counter in time's order: time, row, and the value called `value`.
    pub fn counter(&self, name: &str, value: &str) -> Vec<(u64, u64, u64)> {
        let events = self.of_kind("C").filter(|event| event["name"] == name);
        let mut values: Vec<_> = events
            .map(|event| {
                let value = event["args"][value].as_u64().expect("counters are whole numbers");
                (number(event, "ts"), number(event, "pid"), value)
            })
            .collect();
        // Stable: of equal times the later line is the later value.
        values.sort_by_key(|(ts, _, _)| *ts);
        values
    }

    /// What all leases, and what the processes need in any case, came to in time's order: time, bytes, and the budget where there
    /// is one.
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

    /// From begin to end: the pairs of a category that have this name.
    ///
    /// # Panics
    /// A begin has no end.
    pub fn spans(&self, cat: &str, name: &str) -> Vec<(u64, u64)> {
        let mut open: HashMap<u64, u64> = HashMap::new();
        let mut spans = Vec::new();
        for event in self.events.iter().filter(|event| event["cat"] == cat && event["name"] == name) {
            let id = number(event, "id");
            if event["ph"] == "b" {
                open.insert(id, number(event, "ts"));
            } else if let Some(start) = open.remove(&id) {
                spans.push((start, number(event, "ts")));
            }
        }
        assert!(open.is_empty(), "begins without an end: {open:?}");
        spans
    }

    /// The names of phases that occur.
    pub fn phases(&self) -> BTreeSet<&str> {
        self.of_kind("X").filter_map(|event| event["name"].as_str()).collect()
    }
}

fn number(event: &Value, key: &str) -> u64 {
    event[key].as_u64().unwrap_or_else(|| panic!("no {key} in {event}"))
}

/// One that ends when another starts does not overlap it.
fn most_at_once(spans: impl Iterator<Item = (u64, u64)>) -> u64 {
    // Sorted, an end (-1) comes before a start (+1) of the same time.
    let mut steps: Vec<(u64, i64)> = spans.flat_map(|(start, end)| [(start, 1), (end, -1)]).collect();
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
        let check = |spans: &[(u64, u64)], expect| assert_eq!(most_at_once(spans.iter().copied()), expect);
        check(&[], 0);
        check(&[(1, 5), (5, 9)], 1);
        check(&[(1, 5), (4, 9), (4, 6)], 3);
        check(&[(1, 10), (2, 3), (4, 5)], 2);
    }
}
