//! How long slots of `tender`'s own workers are idle, from traces of builds with more units than
//! slots.

use super::{Latency, row};
use crate::contest::{self, Tools};
use crate::experiment::Settings;
use crate::subject::{Name, Subject};
use crate::trace::{self, IdleSlot, NextUse};
use crate::{measure, progress};
use std::error::Error;
use std::path::Path;

/// Milliseconds.
const PROMISE: f64 = 5.0;
/// A build has hundreds of units, so few builds are enough.
const MOST_ROUNDS: u32 = 3;
const JOBS: [u32; 2] = [2, 4];

/// Runs the experiment.
///
/// # Errors
/// A build fails.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Latency, Box<dyn Error>> {
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let subject = Subject::prepare(Name::Varied, examples, scratch.path())?;
    // Each unit is one job on one slot.
    subject.set_profile("codegen-units = 1")?;
    let (log, file) = (scratch.path().join("log"), scratch.path().join("trace.json"));
    let rounds = settings.pairs.min(MOST_ROUNDS);
    let mut latency = Latency::default();
    for jobs in if settings.jobs.is_empty() { JOBS.to_vec() } else { settings.jobs.clone() } {
        let mut idle = Vec::new();
        for round in 0..rounds {
            progress::show(&format!("tokens at -j{jobs}: build {} of {rounds}", round + 1));
            contest::remove(&subject.root.join("target"))?;
            let mut command = tools.build(&subject, jobs);
            command.arg("--trace").arg(&file);
            measure::run(command, &log)?;
            idle.extend(trace::idle(&file)?);
        }
        for (way, title, promise) in [
            (NextUse::Kept, "kept by its worker", Some(PROMISE)),
            (NextUse::Moved, "moved to another worker", Some(PROMISE)),
            (NextUse::Started, "moved to a worker that has to start", None),
        ] {
            let of_way: Vec<&IdleSlot> = idle.iter().filter(|idle| idle.way == way).collect();
            if of_way.is_empty() && promise.is_none() {
                continue;
            }
            let millis: Vec<f64> = of_way.iter().map(|idle| idle.millis).collect();
            latency.rows.push(row(format!("own, -j{jobs}: {title}"), &millis, promise));
            let reported: Vec<f64> = of_way.iter().map(|idle| idle.reported_millis).collect();
            latency.rows.push(row(
                "  from its end to the next start, as reported".into(),
                &reported,
                promise,
            ));
            let late = |idle: &&&IdleSlot| promise.is_some_and(|promise| idle.millis > promise);
            let worst = of_way.iter().filter(late).max_by(|a, b| a.millis.total_cmp(&b.millis));
            if let Some(IdleSlot { millis, reported_millis, after, before, .. }) = worst {
                latency.notes.push(format!(
                    "Longest at -j{jobs}, {title}: {millis:.2} ms, reported within {reported_millis:.2} ms: {after}, then {before}."
                ));
            }
        }
    }
    latency.notes.push(
        "Own: from phase to phase of a trace, and the part of it from the word that an item ended to the word that the \
         next one starts. More jobs than cores wait for the cores as well."
            .into(),
    );
    latency.notes.push(format!("Built: {}, cold, {rounds} times.", subject.name.title()));
    Ok(latency)
}
