//! The smallest memory cgroup in which each builder completes.

use super::each;
use super::need::{self, Need};
use super::runs::{Run, Runs};
use super::site::Site;
use super::smallest::smallest;
use super::workload::{Builder, Workload};
use crate::contest::Tools;
use crate::experiment::Settings;
use crate::progress;
use crate::table::Table;
use std::error::Error;
use std::path::Path;

/// The resolution of the bisection, MiB.
const STEP: u64 = 32;
const FINE_STEP: u64 = 16;

/// A builder's figures.
struct Found {
    by: Builder,
    ample: Run,
    smallest: Run,
}

/// Runs the experiment.
///
/// # Errors
/// The sources were not fetched, no cgroup can be created, or a build without a limit fails.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let options = &settings.memory;
    let mut runs = Runs::open(options.keep.as_deref(), tools)?;
    let step = if options.fine { FINE_STEP } else { STEP };
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    each(tools, examples, settings, |site, jobs| {
        let need = need::of_largest(&mut runs, tools, examples, site, jobs)?;
        let mut found: Vec<Found> = Vec::new();
        for by in options.builders(site.workload) {
            let hint = found.iter().find(|other| other.by == Builder::Tender && by.is_tender());
            let hint = hint.and_then(|other| other.smallest.limit_mib);
            found.push(find(&mut runs, site, by, jobs, step, need.mib, hint)?);
        }
        rows.extend(found.iter().map(|one| row(site.workload, jobs, one, &found, &need)));
        notes.push(format!(
            "{}: the largest unit is {}, with {} MiB at most allocated at once; `tender -j1` builds it alone in {} MiB.",
            site.workload.word(),
            need.unit,
            need.peak_mib,
            need.mib
        ));
        Ok(())
    })?;
    progress::show("");
    notes.push(format!(
        "By bisection to {step} MiB, one build for each limit, each from nothing; at most 6 times as long as without a \
         limit. Peak: of the cgroup without a limit, with pages of files that were written."
    ));
    notes.push("make builds the archives, not the program.".into());
    Ok(Table {
        title: "Smallest memory cgroup in which a build completes".into(),
        columns: vec![
            "workload",
            "built by",
            "jobs",
            "peak MiB",
            "s",
            "smallest MiB",
            "s there",
            "kills there",
            "/ ninja's",
            "/ need",
        ],
        rows,
        notes,
    })
}

fn find(
    runs: &mut Runs,
    site: &mut Site,
    by: Builder,
    jobs: u32,
    step: u64,
    need_mib: u64,
    hint: Option<u64>,
) -> Result<Found, Box<dyn Error>> {
    let ample = runs.whole(site, by, None, jobs)?;
    let fails = if by.is_tender() { need_mib.saturating_sub(step) } else { 0 };
    let mib = smallest(fails, hint.unwrap_or(ample.peak_mib), step, |mib| {
        Ok(runs.whole(site, by, Some(mib), jobs)?.succeeded())
    })?;
    let smallest = runs.whole(site, by, Some(mib), jobs)?;
    Ok(Found { by, ample, smallest })
}

fn row(workload: Workload, jobs: u32, one: &Found, all: &[Found], need: &Need) -> Vec<String> {
    let mib = one.smallest.limit_mib.unwrap_or(0);
    let ninja = all
        .iter()
        .find(|other| other.by == Builder::Ninja)
        .and_then(|ninja| ninja.smallest.limit_mib);
    let ratio = |of: Option<u64>| {
        of.map_or_else(|| "-".into(), |of| format!("{:.2}", mib as f64 / of as f64))
    };
    vec![
        workload.word().into(),
        one.by.title(workload).into(),
        format!("-j{jobs}"),
        one.ample.peak_mib.to_string(),
        format!("{:.1}", one.ample.seconds),
        mib.to_string(),
        format!("{:.1}", one.smallest.seconds),
        one.smallest.kills.to_string(),
        ratio(ninja),
        ratio(Some(need.mib)),
    ]
}
