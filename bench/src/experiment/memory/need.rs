//! How much memory the largest unit needs to be built alone: no build can do with less.

use super::runs::Runs;
use super::site::Site;
use super::smallest::smallest;
use super::workload::Builder;
use crate::contest::Tools;
use std::error::Error;
use std::path::Path;

/// MiB, as the need of an item is defined.
const STEP: u64 = 16;

#[derive(Clone, Debug)]
pub struct Need {
    pub unit: String,
    /// The smallest cgroup in which `tender -j1` builds it, MiB.
    pub mib: u64,
    /// The most that its items allocated at once, MiB.
    pub peak_mib: u64,
}

/// # Errors
/// A build fails where there is no limit, or the unit is in no library.
pub fn of_largest(
    runs: &mut Runs,
    tools: &Tools,
    examples: &Path,
    site: &mut Site,
    jobs: u32,
) -> Result<Need, Box<dyn Error>> {
    let items = runs.items(site, Builder::Tender, jobs)?;
    let largest = site.largest(&items).ok_or("tender tells of no unit that it built")?;
    let alone = Site::of_unit(tools, examples, site.workload, largest)?;
    let ample = runs.unit(&alone, &largest.unit, None)?;
    let mib = smallest(0, ample.peak_mib, STEP, |mib| {
        Ok(runs.unit(&alone, &largest.unit, Some(mib))?.succeeded())
    })?;
    Ok(Need { unit: largest.unit.clone(), mib, peak_mib: largest.peak_bytes >> 20 })
}
