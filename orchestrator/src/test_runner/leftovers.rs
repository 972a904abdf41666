//! Finds processes that a test has left, and kills them. A process that has left its group is found
//! by a variable in its environment; one that has cleared that too, when all tests have ended.

use crate::sys::family::{self, Member};
use crate::sys::group::wait_for_end;
use crate::sys::process::KILLED_WITHIN;
use rustix::process::{Pid, Signal, getpgid, pidfd_send_signal};
use std::collections::BTreeSet;

/// The descendants of ours that a test has left, which has ended and is not reaped. `leader` led its
/// group, `mark` stands in its environment, `except` are children of ours that are no orphans.
pub(super) fn of_test(leader: u32, mark: &str, except: &BTreeSet<u32>) -> Vec<Member> {
    let mut left = all(except);
    left.retain(|member| is_in_group(member.pid, leader) || has_mark(member.pid, mark));
    left
}

/// All descendants of ours, without `except` and their descendants.
pub(super) fn all(except: &BTreeSet<u32>) -> Vec<Member> {
    family::below(std::process::id(), except)
}

fn is_in_group(pid: u32, leader: u32) -> bool {
    let group = Pid::from_raw(pid as i32).and_then(|pid| getpgid(Some(pid)).ok());
    group.is_some_and(|group| group.as_raw_nonzero().get() as u32 == leader)
}

/// A process in execve(2) has no environment for some microseconds; it is found later.
fn has_mark(pid: u32, mark: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
}

/// Kills processes and waits for their end.
pub(super) fn kill(members: &[Member]) {
    let processes: Vec<_> =
        members.iter().filter_map(|member| family::open(member.identity())).collect();
    for process in &processes {
        // ESRCH is ignored: it has just ended.
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
    wait_for_end(&processes, KILLED_WITHIN);
}

/// Sends a signal to all descendants of a process.
pub(super) fn signal_below(leader: u32, signal: Signal) {
    for member in family::below(leader, &BTreeSet::new()) {
        if let Some(process) = family::open(member.identity()) {
            let _ = pidfd_send_signal(&process, signal);
        }
    }
}
