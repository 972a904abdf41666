//! Runs a command in a memory cgroup of its own, and says how it ended. Knows no build.

use crate::measure::{self, Taken, Watch};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tender_tests::Cgroup;

/// How soon it is seen that somebody was killed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a command may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes.
    pub memory: u64,
    /// Near the limit the kernel may be busy with reading the same pages of programs again and
    /// again.
    pub time: Duration,
    /// The command cannot succeed once one of its processes was killed, so there is nothing to wait
    /// for.
    pub until_kill: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    Success,
    /// With a code or by a signal, or ended by us after the first kill.
    Failure,
    TooLong,
}

#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub end: End,
    pub taken: Taken,
    /// The most that the group used, bytes, with cached pages of files. 0 where the kernel does not
    /// say.
    pub peak: u64,
    /// Processes that the kernel killed in the group.
    pub kills: u64,
}

/// # Errors
/// No group can be made, or the command cannot be started.
pub fn run(mut command: Command, limits: Limits, log: &Path) -> Result<Outcome, Box<dyn Error>> {
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
    Ok(Outcome { end, taken, peak: group.peak().unwrap_or(0), kills: group.oom_kills() })
}

fn end_all(group: &Cgroup) {
    for process in group.processes() {
        if let Some(pid) = Pid::from_raw(process as i32) {
            // One that has just ended is no trouble.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// None where no group can be made; the test is skipped then.
    fn sh(script: &str, memory: u64, time: Duration, until_kill: bool) -> Option<Outcome> {
        drop(Cgroup::new(64 * MIB)?);
        let dir = tempfile::tempdir().unwrap();
        let mut command = measure::command(Path::new("sh"), dir.path());
        command.args(["-c", script]);
        Some(run(command, Limits { memory, time, until_kill }, &dir.path().join("log")).unwrap())
    }

    const LONG: Duration = Duration::from_secs(60);
    /// `tail` keeps a line without an end.
    const FILL: &str = "head -c 200000000 /dev/zero | tail >/dev/null";

    #[test]
    fn a_kill_is_counted_and_ends_what_cannot_succeed() {
        // Left alone, it would succeed.
        let Some(outcome) = sh(&format!("{FILL}; sleep 50; true"), 64 * MIB, LONG, true) else {
            return;
        };
        assert!(outcome.end == End::Failure && outcome.kills > 0, "{outcome:?}");
    }

    #[test]
    fn one_who_survives_kills_may_succeed() {
        let Some(outcome) = sh(&format!("{FILL}; exit 0"), 64 * MIB, LONG, false) else { return };
        assert!(outcome.end == End::Success && outcome.kills > 0, "{outcome:?}");
        let Some(outcome) = sh(FILL, 1024 * MIB, LONG, true) else { return };
        assert!(
            outcome.end == End::Success && outcome.kills == 0 && outcome.peak > 150 * MIB,
            "{outcome:?}"
        );
    }

    #[test]
    fn too_long_is_no_failure() {
        let Some(outcome) = sh("sleep 50", 64 * MIB, Duration::from_millis(100), false) else {
            return;
        };
        assert_eq!(outcome.end, End::TooLong);
    }
}
