//! Runs each build under a limit once and stores the result.

use super::confined::{self, End, Limits};
use super::messages::Item;
use super::site::Site;
use super::workload::{Builder, Workload};
use crate::contest::Tools;
use crate::{measure, progress};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MIB: u64 = 1 << 20;
/// A limit above the peak of every workload.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// A build is ended after this multiple of the time without a limit.
const PATIENCE: f64 = 6.0;

/// One build, as a line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub workload: Workload,
    pub by: Builder,
    /// The unit, if only one was built.
    pub unit: Option<String>,
    pub jobs: u32,
    /// `None`: no limit.
    pub limit_mib: Option<u64>,
    pub end: End,
    pub seconds: f64,
    pub cpu_seconds: f64,
    /// The cgroup's peak, with cached pages of files.
    pub peak_mib: u64,
    pub kills: u64,
    /// Identifies the programs that built it, by size and modification time.
    pub programs: String,
}

impl Run {
    pub fn succeeded(&self) -> bool {
        self.end == End::Success
    }
}

/// All results, in a directory that later runs of the benchmark can reuse.
#[derive(Debug)]
pub struct Runs {
    directory: PathBuf,
    known: Vec<Run>,
    tools: Tools,
    _scratch: Option<tempfile::TempDir>,
}

impl Runs {
    /// # Errors
    /// The directory cannot be created, or its file of runs is damaged.
    pub fn open(directory: Option<&Path>, tools: &Tools) -> Result<Self, Box<dyn Error>> {
        let (directory, scratch) = match directory {
            Some(directory) => (directory.to_owned(), None),
            None => {
                let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
                (scratch.path().to_owned(), Some(scratch))
            }
        };
        fs::create_dir_all(&directory)?;
        let file = directory.join(FILE);
        let text = if file.exists() { fs::read_to_string(&file)? } else { String::new() };
        let known = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        let known = known.map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Self { directory, known, tools: tools.clone(), _scratch: scratch })
    }

    /// The stored runs of a workload, builder and number of jobs, by the current programs.
    pub fn of(&self, workload: Workload, by: Builder, jobs: u32) -> impl Iterator<Item = &Run> {
        let programs = programs(&self.tools, by);
        self.known.iter().filter(move |run| {
            let is_whole = run.unit.is_none() && run.workload == workload && run.by == by;
            is_whole && run.jobs == jobs && run.programs == programs
        })
    }

    /// Builds everything from nothing, unless there is a result for this limit. The first build of
    /// `tender` without a limit gives the history for later builds.
    ///
    /// # Errors
    /// A build without a limit fails.
    pub fn whole(
        &mut self,
        site: &mut Site,
        by: Builder,
        limit_mib: Option<u64>,
        jobs: u32,
    ) -> Result<Run, Box<dyn Error>> {
        let is_same = |run: &&Run| run.limit_mib == limit_mib;
        if let Some(run) = self.of(site.workload, by, jobs).find(is_same) {
            return Ok(run.clone());
        }
        self.again(site, by, limit_mib, jobs)
    }

    /// As `whole`, but always builds.
    ///
    /// # Errors
    /// A build without a limit fails.
    pub fn again(
        &mut self,
        site: &mut Site,
        by: Builder,
        limit_mib: Option<u64>,
        jobs: u32,
    ) -> Result<Run, Box<dyn Error>> {
        if by == Builder::History {
            let file = self.history(site.workload);
            if !file.exists() {
                self.take(site, Builder::Tender, None, jobs, None)?;
            }
            site.use_history(&file);
        }
        self.take(site, by, limit_mib, jobs, None)
    }

    /// As `whole`, for a site with only one unit.
    ///
    /// # Errors
    /// A build without a limit fails.
    pub fn unit(
        &mut self,
        site: &Site,
        source: &str,
        limit_mib: Option<u64>,
    ) -> Result<Run, Box<dyn Error>> {
        let programs = programs(&self.tools, Builder::Tender);
        let is_same = |run: &&Run| {
            let is_unit = run.workload == site.workload && run.unit.as_deref() == Some(source);
            is_unit && run.limit_mib == limit_mib && run.programs == programs
        };
        match self.known.iter().find(is_same) {
            Some(run) => Ok(run.clone()),
            None => self.take(site, Builder::Tender, limit_mib, 1, Some(source)),
        }
    }

    /// The items of a build of `tender` without a limit, which is run if needed.
    ///
    /// # Errors
    /// The build fails.
    pub fn items(
        &mut self,
        site: &mut Site,
        by: Builder,
        jobs: u32,
    ) -> Result<Vec<Item>, Box<dyn Error>> {
        let file = self.items_file(site.workload, by);
        if !file.exists() {
            self.again(site, by, None, jobs)?;
        }
        Ok(serde_json::from_slice(&fs::read(file)?)?)
    }

    /// The smallest limit in which one unit of a workload was built alone, MiB.
    pub fn smallest_unit(&self, workload: Workload) -> Option<u64> {
        let programs = programs(&self.tools, Builder::Tender);
        let is_unit =
            |run: &&Run| run.workload == workload && run.unit.is_some() && run.programs == programs;
        self.known
            .iter()
            .filter(is_unit)
            .filter(|run| run.succeeded())
            .filter_map(|run| run.limit_mib)
            .min()
    }

    fn take(
        &mut self,
        site: &Site,
        by: Builder,
        limit_mib: Option<u64>,
        jobs: u32,
        unit: Option<&str>,
    ) -> Result<Run, Box<dyn Error>> {
        let workload = site.workload;
        let place =
            limit_mib.map_or_else(|| "without a limit".to_owned(), |mib| format!("in {mib} MiB"));
        let what = if unit.is_some() { "its largest unit alone" } else { by.title(workload) };
        progress::show(&format!("memory: {}, {what}, {place}", workload.word()));
        let ample = self.of(workload, by, jobs).find(|run| run.limit_mib.is_none());
        let time =
            ample.map_or(LONGEST, |run| Duration::from_secs_f64(run.seconds * PATIENCE + 20.0));
        site.clear(by)?;
        let limits = Limits {
            memory: limit_mib.map_or_else(machine, |mib| mib * MIB),
            time,
            until_kill: !by.is_tender(),
        };
        let outcome = confined::run(site.command(by), limits, &site.log())?;
        let is_complete = outcome.end == End::Success;
        if (limit_mib.is_none() && !is_complete) || (is_complete && !site.is_built(by)) {
            let end = measure::end_of(&site.log())?;
            return Err(format!(
                "{}, {}, {place}: {outcome:?}\n{end}",
                workload.word(),
                by.title(workload)
            )
            .into());
        }
        if by.is_tender() && limit_mib.is_none() && unit.is_none() {
            fs::write(self.items_file(workload, by), serde_json::to_vec(&site.items()?)?)?;
            if by == Builder::Tender {
                site.keep_history(&self.history(workload))?;
            }
        }
        let run = Run {
            workload,
            by,
            unit: unit.map(str::to_owned),
            jobs,
            limit_mib,
            end: outcome.end,
            seconds: to_millis(outcome.taken.wall),
            cpu_seconds: to_millis(outcome.taken.cpu),
            peak_mib: outcome.peak.div_ceil(MIB),
            kills: outcome.kills,
            programs: programs(&self.tools, by),
        };
        self.note(&run)?;
        Ok(run)
    }

    /// Written at once, because the benchmark takes long and may be interrupted.
    fn note(&mut self, run: &Run) -> Result<(), Box<dyn Error>> {
        let mut file =
            fs::File::options().create(true).append(true).open(self.directory.join(FILE))?;
        file.write_all(format!("{}\n", serde_json::to_string(run)?).as_bytes())?;
        self.known.push(run.clone());
        Ok(())
    }

    fn history(&self, workload: Workload) -> PathBuf {
        self.directory.join(format!("{}.history", workload.word()))
    }

    fn items_file(&self, workload: Workload, by: Builder) -> PathBuf {
        self.directory.join(format!("{}.{}.json", workload.word(), by.word()))
    }
}

const FILE: &str = "runs.jsonl";

/// Sizes and modification times of the programs that a builder runs; `-` for missing ones.
fn programs(tools: &Tools, by: Builder) -> String {
    let files: Vec<PathBuf> = match by {
        Builder::Tender | Builder::History => {
            vec![tools.tender.clone(), tools.tender.with_file_name("tender-worker")]
        }
        Builder::Ninja => vec![tools.ninja.clone(), tools.llvm_bin.join("clang")],
        Builder::Make => vec!["/usr/bin/make".into(), "/usr/bin/gcc".into()],
    };
    let state = |file: &PathBuf| {
        fs::metadata(file)
            .map_or_else(|_| "-".to_owned(), |file| format!("{}@{}", file.size(), file.mtime()))
    };
    files.iter().map(state).collect::<Vec<_>>().join(" ")
}

/// Seconds, rounded to milliseconds.
fn to_millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

/// The memory of the machine, bytes.
fn machine() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    // Unknown: no effective limit.
    kib.map_or(1 << 50, |kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_stored() {
        let dir = tempfile::tempdir().unwrap();
        let tools =
            Tools { tender: "/none/t".into(), ninja: "/none/n".into(), llvm_bin: "/none".into() };
        let run = Run {
            workload: Workload::Lua,
            by: Builder::Ninja,
            unit: None,
            jobs: 8,
            limit_mib: Some(64),
            end: End::TooLong,
            seconds: 1.5,
            cpu_seconds: 2.5,
            peak_mib: 63,
            kills: 1,
            programs: "- -".into(),
        };
        Runs::open(Some(dir.path()), &tools).unwrap().note(&run).unwrap();
        let again = Runs::open(Some(dir.path()), &tools).unwrap();
        assert_eq!(again.of(Workload::Lua, Builder::Ninja, 8).collect::<Vec<_>>(), [&run]);
        assert_eq!(again.of(Workload::Lua, Builder::Ninja, 4).count(), 0);
        assert_eq!(again.of(Workload::Lua, Builder::Make, 8).count(), 0);
        fs::write(dir.path().join(FILE), "{}\n").unwrap();
        assert!(Runs::open(Some(dir.path()), &tools).is_err());
    }
}
