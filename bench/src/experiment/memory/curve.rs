//! Build time by memory limit, with a plot.

use super::confined::End;
use super::each;
use super::runs::{Run, Runs};
use super::workload::{Builder, Workload};
use crate::contest::Tools;
use crate::experiment::Settings;
use crate::plot::{Plot, Series};
use crate::progress;
use crate::table::Table;
use std::error::Error;
use std::path::Path;

/// Limits from the largest peak without a limit downwards.
const STEPS: u64 = 8;
/// MiB.
const ROUND: u64 = 16;

const ALL: [Builder; 4] = [Builder::Tender, Builder::History, Builder::Ninja, Builder::Make];

/// Runs the experiment.
///
/// # Errors
/// The sources were not fetched, no cgroup can be created, a build without a limit fails, or a plot
/// cannot be written.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let options = &settings.memory;
    let mut runs = Runs::open(options.keep.as_deref(), tools)?;
    let mut rows = Vec::new();
    each(tools, examples, settings, |site, jobs| {
        let workload = site.workload;
        let builders = options.builders(workload);
        let mut most = 0;
        for &by in &builders {
            most = most.max(runs.whole(site, by, None, jobs)?.peak_mib);
        }
        let step = (most / STEPS).next_multiple_of(ROUND).max(ROUND);
        for &by in &builders {
            for number in (1..=STEPS).rev() {
                if !runs.whole(site, by, Some(number * step), jobs)?.succeeded() {
                    break;
                }
            }
        }
        for by in ALL {
            let mut known: Vec<&Run> = runs.of(workload, by, jobs).collect();
            known.sort_by_key(|run| std::cmp::Reverse(run.limit_mib.unwrap_or(u64::MAX)));
            rows.extend(known.into_iter().map(row));
        }
        if let Some(directory) = &options.plots {
            std::fs::create_dir_all(directory)?;
            let need = runs.smallest_unit(workload);
            let svg = plot(workload, jobs, &|by| runs.of(workload, by, jobs).collect(), need).svg();
            std::fs::write(directory.join(format!("memory-{}.svg", workload.word())), svg)?;
        }
        Ok(())
    })?;
    progress::show("");
    Ok(Table {
        title: "Time by the limit of memory".into(),
        columns: vec!["workload", "built by", "jobs", "limit MiB", "result", "wall s", "CPU s", "peak MiB", "kills"],
        rows,
        notes: vec![
            "Each line is one build from nothing. Builds that ended at a kill were ended then by the benchmark."
                .into(),
        ],
    })
}

fn row(run: &Run) -> Vec<String> {
    vec![
        run.workload.word().into(),
        run.by.title(run.workload).into(),
        format!("-j{}", run.jobs),
        run.limit_mib.map_or_else(|| "none".into(), |mib| mib.to_string()),
        match run.end {
            End::Success => "complete".into(),
            End::Failure => "killed".into(),
            End::TooLong => "no end".into(),
        },
        format!("{:.1}", run.seconds),
        format!("{:.1}", run.cpu_seconds),
        run.peak_mib.to_string(),
        run.kills.to_string(),
    ]
}

fn plot<'a>(
    workload: Workload,
    jobs: u32,
    of: &dyn Fn(Builder) -> Vec<&'a Run>,
    need_mib: Option<u64>,
) -> Plot {
    let series = ALL.into_iter().filter_map(|by| {
        let runs = of(by);
        (!runs.is_empty()).then(|| series(by.title(workload), &runs))
    });
    Plot {
        title: format!("{}: -j{jobs} in little memory", workload.title()),
        x_label: "limit of the memory cgroup, MiB".into(),
        y_label: "time of a build from nothing, s".into(),
        series: series.collect(),
        marks: need_mib
            .map(|mib| (mib as f64, "largest unit alone".to_owned()))
            .into_iter()
            .collect(),
        beyond_label: "no limit".into(),
    }
}

fn series(name: &str, runs: &[&Run]) -> Series {
    let limit = |run: &Run| run.limit_mib.map(|mib| mib as f64);
    let points: Vec<(f64, f64)> = runs
        .iter()
        .filter(|run| run.succeeded())
        .filter_map(|run| Some((limit(run)?, run.seconds)))
        .collect();
    let least = points.iter().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let failed: Vec<f64> =
        runs.iter().filter(|run| !run.succeeded()).filter_map(|run| limit(run)).collect();
    // Only one failure below the smallest sufficient limit is shown.
    let nearest = failed.iter().copied().filter(|&at| at < least).fold(f64::NEG_INFINITY, f64::max);
    let above = failed.iter().copied().filter(|&at| at > least);
    Series {
        name: name.to_owned(),
        beyond: runs.iter().find(|run| run.limit_mib.is_none()).map(|run| run.seconds),
        failures: above.chain(nearest.is_finite().then_some(nearest)).collect(),
        failed: "killed",
        points,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curve_shows_only_the_nearest_failure() {
        let run = |limit_mib: Option<u64>, end: End| Run {
            workload: Workload::Lua,
            by: Builder::Ninja,
            unit: None,
            jobs: 8,
            limit_mib,
            end,
            seconds: 2.0,
            cpu_seconds: 2.0,
            peak_mib: 1,
            kills: 0,
            programs: String::new(),
        };
        let runs = [
            run(None, End::Success),
            run(Some(400), End::Success),
            run(Some(350), End::Failure),
            run(Some(300), End::Success),
            run(Some(200), End::Failure),
            run(Some(250), End::TooLong),
        ];
        let series = series("a", &runs.iter().collect::<Vec<_>>());
        assert_eq!(series.points, [(400.0, 2.0), (300.0, 2.0)]);
        assert_eq!(series.failures, [350.0, 250.0]);
        assert_eq!(series.beyond, Some(2.0));
    }
}
