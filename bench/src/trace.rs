//! What a trace file of `tender` says: how well the cores were used, how even pieces are, how many modules live at once.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// Of all job slots between the start of the first unit and the end of the last, the share that was busy, from 0 to 1.
    pub busy: f64,
    pub longest_unit: String,
    pub longest_s: f64,
}

/// The codegen units of one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pieces {
    pub count: usize,
    /// The longest time that a piece took to be optimised and emitted, divided by the mean.
    pub balance: f64,
    /// Seconds of all of these together.
    pub sum_s: f64,
    /// Seconds before the first piece: translating and cutting.
    pub before_s: f64,
}

/// Modules in the worker in which most lived at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    pub most: u32,
    /// The most phases that ran at once in that worker.
    pub running: u32,
}

impl Live {
    /// What `most` must not exceed.
    pub fn limit(self) -> u32 {
        self.running + self.running.div_ceil(4) + 1
    }
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
    args: Args,
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

/// # Errors
/// The file cannot be read, is no trace, or no unit was built.
pub fn usage(file: &Path, jobs: u32) -> Result<Usage, Box<dyn Error>> {
    read(file, |text| usage_of(text, jobs))
}

/// # Errors
/// The file cannot be read, is no trace, or `unit` was not built.
pub fn pieces(file: &Path, unit: &str) -> Result<Pieces, Box<dyn Error>> {
    read(file, |text| pieces_of(text, unit))
}

/// # Errors
/// The file cannot be read, is no trace, or no worker counted its modules.
pub fn live(file: &Path) -> Result<Live, Box<dyn Error>> {
    read(file, live_of)
}

fn read<T>(file: &Path, of: impl FnOnce(&str) -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
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
    Ok(Pieces { count, balance: largest * count as f64 / sum, sum_s: sum / 1e6, before_s: before / 1e6 })
}

fn live_of(text: &str) -> Result<Live, Box<dyn Error>> {
    let all: Vec<Event> = serde_json::from_str(text)?;
    let counts = all.iter().filter(|event| event.ph == "C" && event.name == "live_modules");
    let most = counts.max_by_key(|event| event.args.n).ok_or("no worker counted its modules")?;
    let phases = all.iter().filter(|event| event.ph == "X" && event.pid == most.pid);
    // Ends come before starts at the same time: one follows the other on a slot.
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

fn usage_of(text: &str, jobs: u32) -> Result<Usage, Box<dyn Error>> {
    let all: Vec<Event> = serde_json::from_str(text)?;
    let phases = || all.iter().filter(|event| event.ph == "X");
    let units = || phases().filter(|event| event.cat == "unit");

    let first = units().map(|event| event.ts).fold(f64::INFINITY, f64::min);
    let last = units().map(|event| event.ts + event.dur).fold(f64::NEG_INFINITY, f64::max);
    if first >= last {
        return Err("no unit was built".into());
    }

    // A unit's phases follow each other on one thread, but a phase may hold others: so spans, not sums.
    let mut spans: BTreeMap<(&str, &str), (f64, f64)> = BTreeMap::new();
    for event in units() {
        let span = spans.entry((&event.args.krate, &event.args.unit)).or_insert((event.ts, event.ts));
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

/// Length of the union of intervals.
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
    fn pieces_of_a_unit() {
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
    fn live_modules_of_the_fullest_worker() {
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
            // Touching stretches do not overlap.
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
    fn busy_share_and_longest_unit() {
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
        let expect = Usage { busy: (6.0 + 1.0 + 1.0) / 12.0, longest_unit: "a.c".into(), longest_s: 6.0 };
        assert_eq!(usage_of(&text, 2).unwrap(), expect);
        assert!(usage_of("[]", 2).is_err());
    }
}
