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

/// What bisection is content with, MiB.
const STEP: u64 = 32;
const FINE_STEP: u64 = 16;

/// A builder's figures.
struct Found {
    by: Builder,
    ample: Run,
    smallest: Run,
}

/// # Errors
/// The sources were not fetched, no cgroup can be made, or a build fails where there is no limit.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let options = &settings.memory;
    let mut runs = Runs::open(options.keep.as_deref(), tools)?;
    let step = if options.fine { FINE_STEP } else { STEP };
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    each(tools, examples, settings, |site, jobs| {
        let builders = options.builders(site.workload);
        // It takes a build by `tender` to know which unit is the largest.
        let need = if builders.iter().any(|by| by.is_tender()) {
            Some(need::of_largest(&mut runs, tools, examples, site, jobs)?)
        } else {
            None
        };
        let need_mib = need.as_ref().map(|need| need.mib);
        let mut found: Vec<Found> = Vec::new();
        for by in builders {
            let first = found.iter().find(|other| other.by == Builder::Tender && by.is_tender());
            // What is hoped for, so that few builds are needed where it is true.
            let hoped = need_mib.filter(|_| by.is_tender()).map(|mib| mib + mib / 4);
            let hint = first.and_then(|other| other.smallest.limit_mib).or(hoped);
            found.push(find(&mut runs, site, by, jobs, step, need_mib, hint)?);
        }
        rows.extend(found.iter().map(|one| row(site.workload, jobs, one, &found, need_mib)));
        if let Some(Need { unit, mib, peak_mib }) = need {
            notes.push(format!(
                "{}: the largest unit is {unit}, with {peak_mib} MiB at most allocated at once; `tender -j1` builds it \
                 alone in {mib} MiB.",
                site.workload.word()
            ));
        }
        Ok(())
    })?;
    progress::show("");
    notes.push(format!(
        "By bisection to {step} MiB, one build for each limit, each from nothing; at most 4 times as long as without a \
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
    need_mib: Option<u64>,
    hint: Option<u64>,
) -> Result<Found, Box<dyn Error>> {
    let ample = runs.whole(site, by, None, jobs)?;
    let fails = need_mib.filter(|_| by.is_tender()).map_or(0, |mib| mib.saturating_sub(step));
    let mib = smallest(fails, hint.unwrap_or(u64::MAX).min(ample.peak_mib), step, |mib| {
        Ok(runs.whole(site, by, Some(mib), jobs)?.succeeded())
    })?;
    let smallest = runs.whole(site, by, Some(mib), jobs)?;
    Ok(Found { by, ample, smallest })
}

fn row(workload: Workload, jobs: u32, one: &Found, all: &[Found], need_mib: Option<u64>) -> Vec<String> {
    let mib = one.smallest.limit_mib.unwrap_or(0);
    let ninja =
        all.iter().find(|other| other.by == Builder::Ninja).and_then(|ninja| ninja.smallest.limit_mib);
    let ratio =
        |of: Option<u64>| of.map_or_else(|| "-".into(), |of| format!("{:.2}", mib as f64 / of as f64));
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
        ratio(need_mib),
    ]
}
