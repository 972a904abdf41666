//! How much memory the largest unit needs if it is built alone: the lower bound for every build.

use super::runs::Runs;
use super::site::Site;
use super::smallest::smallest;
use super::workload::Builder;
use crate::contest::Tools;
use std::error::Error;
use std::path::Path;

/// The resolution of the bisection, MiB.
const STEP: u64 = 16;

#[derive(Clone, Debug)]
pub struct Need {
    pub unit: String,
    /// The smallest cgroup in which `tender -j1` builds it, MiB.
    pub mib: u64,
    /// The peak of live allocations of its items, MiB.
    pub peak_mib: u64,
}

/// Measures the largest unit of a workload.
///
/// # Errors
/// A build without a limit fails, or the unit is in no library.
pub fn of_largest(
    runs: &mut Runs,
    tools: &Tools,
    examples: &Path,
    site: &mut Site,
    jobs: u32,
) -> Result<Need, Box<dyn Error>> {
    let items = runs.items(site, Builder::Tender, jobs)?;
    let largest = site.largest(&items).ok_or("the timings of tender name no unit")?;
    let alone = Site::of_unit(tools, examples, site.workload, largest)?;
    let ample = runs.unit(&alone, &largest.unit, None)?;
    let mib = smallest(0, ample.peak_mib, STEP, |mib| {
        Ok(runs.unit(&alone, &largest.unit, Some(mib))?.succeeded())
    })?;
    Ok(Need { unit: largest.unit.clone(), mib, peak_mib: largest.peak_bytes >> 20 })
}
