//! What of process groups still runs. [`runs_in_any`] is for a process that was forked off one with
//! threads: it allocates nothing and takes no locks. Knows no children and no tokens.

use crate::sys::stat::{GROUP, Stat};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, RawDir, open, openat};
use rustix::io::{Errno, read};
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process_group};
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);

/// Whether a process that has not ended is in one of the groups; 0 is none. A zombie has ended.
/// Where /proc cannot be read, nobody is found.
pub(crate) fn runs_in_any(groups: &[u32]) -> bool {
    find(groups, |_| true)
}

/// The processes of a group that have not ended. Its leader may be reaped: the number is nobody
/// else's while one of them lives.
pub(crate) fn running_in(group: u32) -> Vec<Pid> {
    let mut running = Vec::new();
    // Most groups end with their leader, and looking through /proc is dear. A zombie counts here.
    let exists = Pid::from_raw(group as i32)
        .is_some_and(|group| test_kill_process_group(group) != Err(Errno::SRCH));
    if exists {
        find(&[group], |name| {
            running.extend(name.to_str().ok().and_then(|name| Pid::from_raw(name.parse().ok()?)));
            false
        });
    }
    running
}

/// Waits until nothing of a group runs that was killed, at most so long: a process that waits for a
/// disk or a dead file server cannot be killed for as long.
pub(crate) fn wait_for_end(group: u32, at_most: Duration) {
    let start = Instant::now();
    loop {
        // What cannot be opened has ended just now.
        let open = |pid: &Pid| pidfd_open(*pid, PidfdFlags::empty()).ok();
        let running = running_in(group);
        let left = at_most.saturating_sub(start.elapsed());
        if running.is_empty() || left.is_zero() {
            return;
        }
        if let Some(pidfd) = running.iter().find_map(open) {
            let left = Timespec::try_from(left).unwrap_or_default();
            let _ = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left));
        }
    }
}

/// Calls `is_enough` with the process id of each, as /proc has it, until it says so. Returns
/// whether it did.
fn find(groups: &[u32], mut is_enough: impl FnMut(&CStr) -> bool) -> bool {
    let Ok(proc) = open(c"/proc", FLAGS | OFlags::DIRECTORY, Mode::empty()) else { return false };
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(&proc, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name();
        let is_process = name.to_bytes().first().is_some_and(u8::is_ascii_digit);
        if is_process
            && let Some(group) = group_of_running(&proc, name)
            && group != 0
            && groups.contains(&group)
            && is_enough(name)
        {
            return true;
        }
    }
    false
}

fn group_of_running(proc: &OwnedFd, process: &CStr) -> Option<u32> {
    let directory = openat(proc, process, FLAGS | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let stat = openat(directory.as_fd(), c"stat", FLAGS, Mode::empty()).ok()?;
    let mut bytes = [0; 512];
    let length = read(&stat, &mut bytes).ok()?;
    let stat = Stat::parse(&bytes[..length]).filter(|stat| !stat.has_ended())?;
    stat.number(GROUP)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_zombie_does_not_run() {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("sleep");
        let mut child = command.arg("1000").stdin(Stdio::null()).process_group(0).spawn().unwrap();
        let groups = [0, child.id()];
        assert!(runs_in_any(&groups));
        assert_eq!(running_in(child.id()), [Pid::from_child(&child)]);
        child.kill().unwrap();
        wait_for_end(child.id(), Duration::from_secs(3600));
        assert!(!runs_in_any(&groups));
        assert_eq!(running_in(child.id()), [], "it is a zombie");
        child.wait().unwrap();
        assert_eq!(running_in(child.id()), []);
        assert!(!runs_in_any(&[0]));
    }
}
