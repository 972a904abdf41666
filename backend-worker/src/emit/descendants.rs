//! Kills the processes that this process has started: link drivers and the linkers below them.

use rustix::process::{Pid, Signal, getpgrp, getpid, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// The interval between two scans of /proc.
const SCAN_INTERVAL: Duration = Duration::from_millis(1);

/// The largest number of scans. A process that waits for a disk or a dead file server cannot be
/// killed meanwhile.
const MOST_SCANS: u32 = 5_000;

/// Makes this process the parent of processes whose own parent ends, so that [`kill_all`] finds
/// them.
///
/// # Errors
/// The kernel does not support it.
pub fn adopt_orphans() -> std::io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(getpid()))?)
}

/// Kills all descendants of this process and waits until they have ended. Processes that have left
/// our process group, such as servers, are not killed.
pub(super) fn kill_all() {
    for _ in 0..MOST_SCANS {
        let left = running();
        if left.is_empty() {
            return;
        }
        for pid in left {
            // An error is ignored: the process has ended since the scan.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(SCAN_INTERVAL);
    }
}

struct Process {
    parent: i32,
    group: i32,
    has_ended: bool,
}

/// The running descendants of this process in its process group.
fn running() -> Vec<Pid> {
    let (us, group) = (getpid().as_raw_nonzero().get(), getpgrp().as_raw_nonzero().get());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let stat = |pid| parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?);
    let all: BTreeMap<i32, Process> = pids.filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let is_below = |pid: i32| {
        let parents =
            std::iter::successors(Some(pid), |pid| all.get(pid).map(|process| process.parent));
        // /proc may change during the scan and give a cycle of parents, so the length is bounded.
        parents.skip(1).take(all.len()).any(|parent| parent == us)
    };
    let runs = |process: &Process| !process.has_ended && process.group == group;
    let found = all.iter().filter(|(pid, process)| runs(process) && is_below(**pid));
    found.filter_map(|(pid, _)| Pid::from_raw(*pid)).collect()
}

/// `state`, `ppid` and `pgrp` of proc_pid_stat(5), fields 3 to 5. The name before them may contain
/// blanks and brackets.
fn parse(stat: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let has_ended = matches!(fields.next()?, "Z" | "X");
    Some(Process {
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
        has_ended,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn descendants_parse_a_stat_line() {
        let check = |state: &str, expect: bool| {
            let process = parse(&format!("7 (a) (b) {state} 3 5 7 0 -1")).unwrap();
            assert_eq!((process.parent, process.group, process.has_ended), (3, 5, expect));
        };
        check("S", false);
        check("Z", true);
        assert!(parse("7 (a").is_none() && parse("").is_none());
    }

    #[test]
    fn descendants_include_grandchildren_in_the_group() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 1000 & setsid sleep 1000 & echo $!; wait"]).stdin(Stdio::null());
        let mut shell = shell.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = shell.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let own_session = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        // Other tests of this process have children too.
        let below = || {
            running()
                .into_iter()
                .filter(|pid| *pid != own_session && is_below_shell(&shell, *pid))
                .count()
        };
        while below() != 2 {
            std::thread::yield_now();
        }
        kill_process(own_session, Signal::KILL).unwrap();
        for pid in
            running().into_iter().filter(|pid| is_below_shell(&shell, *pid)).collect::<Vec<_>>()
        {
            let _ = kill_process(pid, Signal::KILL);
        }
        shell.wait().unwrap();
    }

    fn is_below_shell(shell: &std::process::Child, pid: Pid) -> bool {
        let pid = pid.as_raw_nonzero().get();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let of_shell = shell.id() as i32;
        pid == of_shell || parse(&stat).is_some_and(|process| process.parent == of_shell)
    }
}
