//! Where job slots come from: the parent's jobserver if there is one, else a pool of our own.

use super::env::{self, CliEnvironment};
use super::error::CliError;
use super::jobs;
use super::terminal::Terminal;
use crate::host::Slots;
use crate::manifest::JobCount;
use crate::report::style;
use tender_jobclient::{FromEnv, Pool};
use tender_protocol::Level;

/// The assumed number of slots of a parent that does not announce it. (cargo writes `-j` without a
/// number.) Its pool is the real limit; this one only limits requests.
const UNSAID: u32 = 64;

/// Chooses the pool. Warns if the parent's jobserver cannot be joined, and if `-j` has no effect.
///
/// # Errors
/// The environment's value is not a number of jobs.
pub fn slots(
    option: Option<JobCount>,
    environment: &CliEnvironment,
    manifest: Option<JobCount>,
    terminal: Terminal,
) -> Result<Slots, CliError> {
    let warn = |text: String| terminal.console().print(&style::message(Level::Warning, text));
    choose_slots(option, environment, manifest, &warn)
}

/// As `slots`, for another part of a build that `slots` has chosen a pool for: warns no more.
///
/// # Errors
/// As `slots`.
pub fn slots_again(
    option: Option<JobCount>,
    environment: &CliEnvironment,
    manifest: Option<JobCount>,
) -> Result<Slots, CliError> {
    choose_slots(option, environment, manifest, &|_| ())
}

fn choose_slots(
    option: Option<JobCount>,
    environment: &CliEnvironment,
    manifest: Option<JobCount>,
    warn: &dyn Fn(String),
) -> Result<Slots, CliError> {
    let chosen = jobs::choose(option, environment, manifest)?;
    match Pool::from_env(&env::variable) {
        FromEnv::None => Ok(Slots::Own(chosen)),
        FromEnv::Inherited(pool) => {
            if option.is_some() {
                let why = "because the jobserver in the environment sets the number of jobs";
                warn(format!("`-j` is ignored, {why}"));
            }
            let hint = pool.job_count().unwrap_or_else(|| jobs::cores().max(UNSAID));
            Ok(Slots::Parent { pool, hint })
        }
        FromEnv::Unusable(why) => {
            let ignored = if option.is_some() { " and ignoring `-j`" } else { "" };
            warn(format!("{why}; running one job at a time{ignored}"));
            Ok(Slots::Own(1))
        }
    }
}
