//! Experiments about memory: how little is enough, what a limit costs, and how good estimates are.

mod confined;
pub mod cost;
pub mod curve;
pub mod estimates;
mod messages;
pub mod minimum;
mod need;
pub mod peaks;
mod runs;
mod site;
mod smallest;
mod workload;

use super::Settings;
use crate::contest::Tools;
use site::Site;
use std::error::Error;
use std::path::{Path, PathBuf};
use workload::{Builder, USUAL, Workload};

/// Options of the experiments about memory.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Options of memory-min, -time, -cost, -half and -estimates")]
pub struct MemoryOptions {
    /// Build these instead of rocksdb, real-world and real-world-thin; cost and half: instead of
    /// short ones
    #[arg(long = "workload", value_name = "WORKLOAD", value_enum, value_delimiter = ',')]
    workloads: Vec<Workload>,
    /// min, time: only these builders
    #[arg(long, value_name = "BUILDER", value_enum, value_delimiter = ',')]
    by: Vec<Builder>,
    /// min: to 16 MiB instead of 32
    #[arg(long)]
    fine: bool,
    /// Keep what is measured in this directory, and do not measure again what is there
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// time: write memory-WORKLOAD.svg into this directory
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

impl MemoryOptions {
    fn workloads_or(&self, usual: &[Workload]) -> Vec<Workload> {
        if self.workloads.is_empty() { usual.to_vec() } else { self.workloads.clone() }
    }

    /// The selected builders that can build the workload.
    fn builders(&self, workload: Workload) -> Vec<Builder> {
        let all = [Builder::Tender, Builder::History, Builder::Ninja, Builder::Make];
        let wanted = |by: &Builder| self.by.is_empty() || self.by.contains(by);
        all.into_iter().filter(|by| wanted(by) && by.can(workload)).collect()
    }
}

/// Calls a function for each workload and number of jobs.
fn each(
    tools: &Tools,
    examples: &Path,
    settings: &Settings,
    of: impl FnMut(&mut Site, u32) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    each_of(tools, examples, settings, &settings.memory.workloads_or(&USUAL), of)
}

fn each_of(
    tools: &Tools,
    examples: &Path,
    settings: &Settings,
    workloads: &[Workload],
    mut of: impl FnMut(&mut Site, u32) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    for &workload in workloads {
        for jobs in settings.jobs_or(8) {
            of(&mut Site::new(tools, examples, workload, jobs)?, jobs)?;
        }
    }
    Ok(())
}
