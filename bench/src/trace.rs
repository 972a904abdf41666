//! What a trace file of `tender` says about how well the cores were used.

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

#[derive(Deserialize)]
struct Event {
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
}

/// # Errors
/// The file cannot be read, is no trace, or no unit was built.
pub fn usage(file: &Path, jobs: u32) -> Result<Usage, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    usage_of(&text, jobs).map_err(|error| format!("{}: {error}", file.display()).into())
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
