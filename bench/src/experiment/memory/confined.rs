//! Runs a command in its own memory cgroup. Knows nothing about builds.

use crate::measure::{self, Taken, Watch};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tender_tests::Cgroup;

/// The interval between checks for kills.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The limits of a command.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes.
    pub memory: u64,
    /// Near the limit the kernel may read the same pages of programs again and again without
    /// progress.
    pub time: Duration,
    /// Whether the command is ended at the first kill, after which it cannot succeed.
    pub until_kill: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    Success,
    /// By exit code or signal, or ended by us after the first kill.
    Failure,
    TooLong,
}

#[derive(Clone, Copy, Debug)]
pub struct ConfinedOutcome {
    pub end: End,
    pub taken: Taken,
    /// The group's peak memory with cached pages of files, bytes. 0 if the kernel does not report
    /// it.
    pub peak: u64,
    /// Processes that the kernel killed in the group.
    pub kills: u64,
}

/// Runs a command within `limits`.
///
/// # Errors
/// No group can be created, or the command cannot be started.
pub fn run(
    mut command: Command,
    limits: Limits,
    log: &Path,
) -> Result<ConfinedOutcome, Box<dyn Error>> {
    let group = Cgroup::new(limits.memory).ok_or("no memory cgroup can be made; run as root")?;
    group.confine(&mut command);
    let start = Instant::now();
    let (mut is_late, mut is_over) = (false, false);
    let mut look = |_: &[u32]| {
        is_late = is_late || start.elapsed() > limits.time;
        is_over = is_over || is_late || (limits.until_kill && group.oom_kills() > 0);
        if is_over {
            end_all(&group);
        }
    };
    let watch = Watch { every: LOOK_EVERY, look: &mut look };
    let (status, taken) = measure::attempt(command, log, Some(watch))?;
    let end = match (is_late, status.success()) {
        (true, _) => End::TooLong,
        (false, true) => End::Success,
        (false, false) => End::Failure,
    };
    Ok(ConfinedOutcome { end, taken, peak: group.peak().unwrap_or(0), kills: group.oom_kills() })
}

fn end_all(group: &Cgroup) {
    for process in group.processes() {
        if let Some(pid) = Pid::from_raw(process as i32) {
            // An error is ignored: the process has ended.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// `None` if no group can be created; the test is skipped then.
    fn sh(script: &str, memory: u64, time: Duration, until_kill: bool) -> Option<ConfinedOutcome> {
        drop(Cgroup::new(64 * MIB)?);
        let dir = tempfile::tempdir().unwrap();
        let mut command = measure::command(Path::new("sh"), dir.path());
        command.args(["-c", script]);
        Some(run(command, Limits { memory, time, until_kill }, &dir.path().join("log")).unwrap())
    }

    const LONG: Duration = Duration::from_secs(60);
    /// `tail` keeps a line without an end in memory.
    const FILL: &str = "head -c 200000000 /dev/zero | tail >/dev/null";

    #[test]
    fn confined_command_ends_at_a_kill() {
        // It would succeed otherwise.
        let Some(outcome) = sh(&format!("{FILL}; sleep 50; true"), 64 * MIB, LONG, true) else {
            return;
        };
        assert!(outcome.end == End::Failure && outcome.kills > 0, "{outcome:?}");
    }

    #[test]
    fn confined_command_may_survive_kills() {
        let Some(outcome) = sh(&format!("{FILL}; exit 0"), 64 * MIB, LONG, false) else { return };
        assert!(outcome.end == End::Success && outcome.kills > 0, "{outcome:?}");
        let Some(outcome) = sh(FILL, 1024 * MIB, LONG, true) else { return };
        assert!(
            outcome.end == End::Success && outcome.kills == 0 && outcome.peak > 150 * MIB,
            "{outcome:?}"
        );
    }

    #[test]
    fn confined_command_that_takes_too_long() {
        let Some(outcome) = sh("sleep 50", 64 * MIB, Duration::from_millis(100), false) else {
            return;
        };
        assert_eq!(outcome.end, End::TooLong);
    }
}
