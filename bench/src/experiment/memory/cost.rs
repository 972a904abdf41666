//! The cost of the budget with plenty of memory, and of a limit of half the peak.

use super::each_of;
use super::runs::{Run, Runs};
use super::site::Site;
use super::workload::{Builder, Workload};
use crate::contest::Tools;
use crate::experiment::Settings;
use crate::measure::{self, Taken};
use crate::progress;
use crate::statistics::{Interval, Summary};
use crate::table::{self, Table};
use std::error::Error;
use std::ffi::OsStr;
use std::path::Path;

/// Two different workloads: many small units, and some large ones. Both take seconds.
const QUICK: [Workload; 2] = [Workload::Lua, Workload::Zstd];
/// The exit code for unknown arguments.
const USAGE: i32 = 2;

/// Compares the budget with `--memory off`.
///
/// # Errors
/// The sources were not fetched, or a build fails.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let options = &settings.memory;
    let pairs = settings.program_pairs;
    let mut rows = Vec::new();
    let mut notes = vec![
        "Ratios: on / off, of neighbouring builds from nothing; geometric mean with the 95 % interval of Student's t over \
         the logarithms. CPU: user and system time of all processes."
            .to_owned(),
    ];
    each_of(tools, examples, settings, &options.workloads_or(&QUICK), |site, jobs| {
        if !knows_off(site)? {
            notes.push(format!(
                "{}: this tender does not know `--memory off`.",
                site.workload.word()
            ));
            return Ok(());
        }
        let mut taken = [Vec::new(), Vec::new()];
        for round in 0..pairs {
            progress::show(&format!(
                "memory: cost, {}, pair {} of {pairs}",
                site.workload.word(),
                round + 1
            ));
            for number in order(round) {
                let words: &[&OsStr] =
                    if number == 0 { &[] } else { &["--memory".as_ref(), "off".as_ref()] };
                taken[number].push(build(site, words)?);
            }
        }
        rows.push(row(site.workload, jobs, &taken));
        Ok(())
    })?;
    progress::show("");
    Ok(Table {
        title: format!("The memory budget on and off, with plenty of memory, {pairs} pairs"),
        columns: vec![
            "workload",
            "jobs",
            "CPU on / off (95 %)",
            "wall on / off (95 %)",
            "CPU s on",
            "CPU s off",
            "wall s on",
            "wall s off",
        ],
        rows,
        notes,
    })
}

/// Compares a cgroup of half the peak with one without a limit.
///
/// # Errors
/// The sources were not fetched, no cgroup can be created, or a build fails.
pub fn half(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let options = &settings.memory;
    let pairs = settings.pairs;
    let mut rows = Vec::new();
    let workloads = options.workloads_or(&[Workload::Zstd, Workload::RealWorld]);
    let mut runs = Runs::open(options.keep.as_deref(), tools)?;
    each_of(tools, examples, settings, &workloads, |site, jobs| {
        let peak = runs.whole(site, Builder::Tender, None, jobs)?.peak_mib;
        for by in [Builder::Tender, Builder::History] {
            let pairs = against_half(&mut runs, site, by, jobs, peak / 2, pairs)?;
            rows.push(half_row(site.workload, by, jobs, peak, &pairs));
        }
        Ok(())
    })?;
    progress::show("");
    Ok(Table {
        title: format!("Half of the memory that a build takes where there is plenty, {pairs} pairs"),
        columns: vec!["workload", "built by", "jobs", "peak MiB", "half MiB", "wall half / plenty (95 %)", "half s", "plenty s", "kills"],
        rows,
        notes: vec![
            "Peak: of the cgroup of a first build without a limit. Kills: by the kernel, in all builds with half.".into(),
            "Where half is less than the largest unit takes, a build fails there, and no more are tried.".into(),
        ],
    })
}

/// Pairs of builds in `half_mib` and without a limit, until one fails.
fn against_half(
    runs: &mut Runs,
    site: &mut Site,
    by: Builder,
    jobs: u32,
    half_mib: u64,
    pairs: u32,
) -> Result<Vec<[Run; 2]>, Box<dyn Error>> {
    let mut taken = Vec::new();
    for round in 0..pairs {
        let mut pair = [None, None];
        for number in order(round) {
            let limit = (number == 0).then_some(half_mib);
            pair[number] = Some(runs.again(site, by, limit, jobs)?);
        }
        let [Some(half), Some(ample)] = pair else { unreachable!("each has its turn") };
        let failed = !half.succeeded();
        taken.push([half, ample]);
        if failed {
            break;
        }
    }
    Ok(taken)
}

fn half_row(
    workload: Workload,
    by: Builder,
    jobs: u32,
    peak_mib: u64,
    pairs: &[[Run; 2]],
) -> Vec<String> {
    let fails = pairs.iter().any(|[half, _]| !half.succeeded());
    let ratio = || {
        table::interval(Interval::of(
            pairs.iter().map(|[half, ample]| half.seconds / ample.seconds),
        ))
    };
    let median = |number: usize| Summary::of(pairs.iter().map(|pair| pair[number].seconds)).median;
    vec![
        workload.word().into(),
        by.title(workload).into(),
        format!("-j{jobs}"),
        peak_mib.to_string(),
        (peak_mib / 2).to_string(),
        if fails { "fails".into() } else { ratio() },
        if fails { "-".into() } else { format!("{:.2}", median(0)) },
        format!("{:.2}", median(1)),
        pairs.iter().map(|[half, _]| half.kills).sum::<u64>().to_string(),
    ]
}

/// The order changes from round to round.
fn order(round: u32) -> [usize; 2] {
    if round.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

fn build(site: &Site, words: &[&OsStr]) -> Result<Taken, Box<dyn Error>> {
    site.clear(Builder::Tender)?;
    let mut command = site.command(Builder::Tender);
    command.args(words);
    measure::run(command, &site.log())
}

/// Whether `--memory off` is supported. The build without a budget also fills the page cache.
fn knows_off(site: &Site) -> Result<bool, Box<dyn Error>> {
    site.clear(Builder::Tender)?;
    let mut command = site.command(Builder::Tender);
    command.args(["--memory", "off"]);
    let (status, _) = measure::attempt(command, &site.log(), None)?;
    match status.code() {
        Some(0) => Ok(true),
        Some(USAGE) => Ok(false),
        _ => Err(format!("{status}\n{}", measure::end_of(&site.log())?).into()),
    }
}

fn row(workload: Workload, jobs: u32, [on, off]: &[Vec<Taken>; 2]) -> Vec<String> {
    let ratio = |of: fn(&Taken) -> f64| {
        table::interval(Interval::of(on.iter().zip(off).map(|(on, off)| of(on) / of(off))))
    };
    let median = |taken: &[Taken], of: fn(&Taken) -> f64| {
        format!("{:.3}", Summary::of(taken.iter().map(of)).median)
    };
    let cpu = |taken: &Taken| taken.cpu.as_secs_f64();
    let wall = |taken: &Taken| taken.wall.as_secs_f64();
    vec![
        workload.word().into(),
        format!("-j{jobs}"),
        ratio(cpu),
        ratio(wall),
        median(on, cpu),
        median(off, cpu),
        median(on, wall),
        median(off, wall),
    ]
}
