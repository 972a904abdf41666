//! One pool for a tree of make, ninja, cargo and `tender`, against the same tree where each has its
//! own jobs.

use super::Settings;
use super::memory::peaks::LOOK_EVERY;
use crate::contest::Tools;
use crate::measure::{self, Taken, Watch};
use crate::statistics::Summary;
use crate::table::{self, Table};
use crate::tree::Tree;
use crate::{processes, progress};
use std::error::Error;
use std::path::Path;

const JOBS: [u32; 2] = [2, 4];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    OnePool,
    EachAlone,
}

const SIDES: [Side; 2] = [Side::OnePool, Side::EachAlone];

impl Side {
    fn title(self, jobs: u32) -> String {
        match self {
            Self::OnePool => format!("one pool of {jobs} (tender exec -j{jobs} -- make)"),
            Self::EachAlone => format!("each of the four with -j{jobs}"),
        }
    }
}

/// What builds of one side took; threads and memory are of builds that were watched, times of those
/// that were not.
#[derive(Default)]
struct Seen {
    wall: Vec<f64>,
    cpu: Vec<f64>,
    memory: Vec<f64>,
    most_threads: Vec<f64>,
    mean_threads: Vec<f64>,
}

/// # Errors
/// A tool is missing, or a build fails.
pub fn run(tools: &Tools, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let cores = std::thread::available_parallelism()?.get();
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let tree = Tree::write(tools, &scratch.path().join("tree"))?;
    let log = scratch.path().join("log");
    let mut rows = Vec::new();
    for jobs in if settings.jobs.is_empty() { JOBS.to_vec() } else { settings.jobs.clone() } {
        progress::show(&format!("mixed at -j{jobs}: preparing"));
        // The first build of each, unmeasured, reads the tools from the disk.
        for side in SIDES {
            build(&tree, side, jobs, &log, None)?;
        }
        let mut seen: [Seen; 2] = Default::default();
        for round in 0..settings.pairs {
            // Who comes first changes from round to round.
            for turn in 0..SIDES.len() {
                let number = (turn + round as usize) % SIDES.len();
                let (side, seen) = (SIDES[number], &mut seen[number]);
                let title = side.title(jobs);
                progress::show(&format!(
                    "mixed: {title}, pair {} of {}",
                    round + 1,
                    settings.pairs
                ));
                let taken = build(&tree, side, jobs, &log, None)?;
                seen.wall.push(taken.wall.as_secs_f64());
                seen.cpu.push(taken.cpu.as_secs_f64());
                seen.watch(|watch| build(&tree, side, jobs, &log, Some(watch)))?;
            }
        }
        rows.extend(table_rows(jobs, &seen));
    }
    progress::show("");
    Ok(Table {
        title: format!(
            "make, ninja, cargo and tender at once, cold, {} pairs on {cores} cores",
            settings.pairs
        ),
        columns: vec![
            "jobs from",
            "runnable threads",
            "on average",
            "peak MiB",
            "ratio",
            "wall s",
            "ratio",
            "CPU s",
            "ratio",
        ],
        rows,
        notes: vec![
            Tree::describe(),
            format!(
                "Threads and memory are of builds that are watched every {} ms, times of others that are not; median, and \
                 quartiles in brackets. Ratios are within a pair, one pool's over the others'.",
                LOOK_EVERY.as_millis()
            ),
            "Runnable threads: the most that ran or could have run at once in all processes, and their mean."
                .into(),
        ],
    })
}

impl Seen {
    fn watch(
        &mut self,
        build: impl FnOnce(Watch<'_>) -> Result<Taken, Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let (mut memory, mut most, mut sum, mut looks) = (0, 0, 0, 0_u32);
        let mut look = |roots: &[u32]| {
            let tree = processes::tree(roots);
            let threads: usize = tree.iter().map(|&pid| processes::runnable(pid)).sum();
            most = most.max(threads);
            sum += threads;
            looks += 1;
            memory = memory.max(tree.iter().map(|&pid| processes::memory(pid)).sum());
        };
        build(Watch { every: LOOK_EVERY, look: &mut look })?;
        self.memory.push(memory as f64);
        self.most_threads.push(most as f64);
        self.mean_threads.push(sum as f64 / f64::from(looks.max(1)));
        Ok(())
    }
}

fn build(
    tree: &Tree,
    side: Side,
    jobs: u32,
    log: &Path,
    watch: Option<Watch<'_>>,
) -> Result<Taken, Box<dyn Error>> {
    tree.clean()?;
    let commands = match side {
        Side::OnePool => vec![tree.in_one_pool(jobs)],
        Side::EachAlone => tree.each_alone(jobs),
    };
    measure::run_together(commands, log, watch)
}

fn table_rows(jobs: u32, seen: &[Seen; 2]) -> Vec<Vec<String>> {
    let summary = |values: &[f64]| Summary::of(values.iter().copied());
    let row = |(side, seen): (&Side, &Seen), ratio: &dyn Fn(fn(&Seen) -> &[f64]) -> String| {
        vec![
            side.title(jobs),
            table::spread(summary(&seen.most_threads), 0),
            format!("{:.1}", summary(&seen.mean_threads).median),
            table::mib(summary(&seen.memory).median),
            ratio(|seen| &seen.memory),
            format!("{:.2}", summary(&seen.wall).median),
            ratio(|seen| &seen.wall),
            format!("{:.2}", summary(&seen.cpu).median),
            ratio(|seen| &seen.cpu),
        ]
    };
    let [one_pool, each_alone] = seen;
    let over = |of: fn(&Seen) -> &[f64]| {
        let ratios = of(one_pool).iter().zip(of(each_alone)).map(|(one, alone)| one / alone);
        table::spread(Summary::of(ratios), 3)
    };
    vec![row((&SIDES[0], one_pool), &over), row((&SIDES[1], each_alone), &|_| String::new())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_within_a_pair() {
        let seen = |wall: [f64; 2]| Seen {
            wall: wall.to_vec(),
            cpu: vec![1.0, 1.0],
            memory: vec![1048576.0, 1048576.0],
            most_threads: vec![3.0, 3.0],
            mean_threads: vec![2.0, 2.0],
        };
        let rows = table_rows(4, &[seen([1.0, 3.0]), seen([2.0, 3.0])]);
        assert_eq!(rows[0][5..7], ["2.00", "0.750 (0.625-0.875)"]);
        assert_eq!(rows[1][..4], ["each of the four with -j4", "3 (3-3)", "2.0", "1"]);
    }
}
