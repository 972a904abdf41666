//! Which processes of a process group still run. [`runs_in_any`] and [`may_be_led`] are for a
//! process that was forked and has not called exec: they neither allocate nor lock. Knows no
//! children and no tokens.
//!
//! When all processes of a group have ended, its number may be used again. So each of these
//! functions takes a time, in ticks as [`now_ticks`](super::stat::now_ticks) counts them: processes
//! that started later belong to another group.

use crate::sys::stat::{GROUP, STARTED, Stat};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, RawDir, open, openat};
use rustix::io::{Errno, read};
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process_group};
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);

/// Whether one of the groups has a process that started until then and has not ended. Entries of 0
/// are ignored. A zombie has ended. If /proc cannot be read, returns false.
pub(crate) fn runs_in_any(groups: &[u32], until: u64) -> bool {
    find(groups, until, |_| true)
}

/// Whether the group with this number may be the one that existed then: not if it has a leader that
/// started later. While one process of a group lives, its number is not used again, even if its
/// leader has ended.
pub(crate) fn may_be_led(group: Pid, until: u64) -> bool {
    let Ok(proc) = open(c"/proc", FLAGS | OFlags::DIRECTORY, Mode::empty()) else { return true };
    // A number has at most ten digits; then NUL.
    let mut digits = [0; 11];
    let mut rest = group.as_raw_nonzero().get().unsigned_abs();
    let mut first = digits.len() - 1;
    while rest > 0 {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let name = CStr::from_bytes_with_nul(&digits[first..]).unwrap_or_default();
    status(&proc, name).is_none_or(|leader| leader.started <= until)
}

/// The pidfds of the processes of a group that started until then and have not ended. The group's
/// leader may be reaped.
pub(crate) fn running_in(group: Pid, until: u64) -> Vec<OwnedFd> {
    let mut running = Vec::new();
    // Most groups end with their leader, and reading all of /proc takes long. kill(2) also finds
    // zombies.
    if test_kill_process_group(group) != Err(Errno::SRCH) {
        find(&[group.as_raw_nonzero().get().unsigned_abs()], until, |process| {
            running.extend(open_again(process));
            false
        });
    }
    running
}

/// `None` if it has ended, because another process may have its pid.
fn open_again(process: &Status) -> Option<OwnedFd> {
    let pidfd = pidfd_open(process.pid, PidfdFlags::NONBLOCK).ok()?;
    let line = std::fs::read(format!("/proc/{}/stat", process.pid.as_raw_nonzero())).ok()?;
    // If the process has the same start time after the descriptor was opened as before, the
    // descriptor refers to it.
    let stat = Stat::parse(&line).filter(|stat| !stat.has_ended())?;
    (stat.number(STARTED)? == process.started).then_some(pidfd)
}

/// Waits until these killed processes have ended, at most `most`: a process that waits for a disk
/// or a dead file server ends only after that wait.
pub(crate) fn wait_for_end(processes: &[OwnedFd], at_most: Duration) {
    let start = Instant::now();
    for process in processes {
        loop {
            let left = at_most.saturating_sub(start.elapsed());
            let left = Timespec::try_from(left).unwrap_or_default();
            match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left)) {
                Err(Errno::INTR) => {}
                _ => break,
            }
        }
    }
}

/// Whether the process of the pidfd has ended.
pub(crate) fn has_ended(process: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&now)) == Ok(1)
}

/// A process that has not ended.
struct Status {
    pid: Pid,
    group: u32,
    started: u64,
}

/// Calls `is_enough` with each process until it returns true. Returns whether it did.
fn find(groups: &[u32], until: u64, mut is_enough: impl FnMut(&Status) -> bool) -> bool {
    let Ok(proc) = open(c"/proc", FLAGS | OFlags::DIRECTORY, Mode::empty()) else { return false };
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(&proc, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name();
        let is_process = name.to_bytes().first().is_some_and(u8::is_ascii_digit);
        if is_process
            && let Some(process) = status(&proc, name)
            && process.group != 0
            && process.started <= until
            && groups.contains(&process.group)
            && is_enough(&process)
        {
            return true;
        }
    }
    false
}

/// `None` if it has ended.
fn status(proc: &OwnedFd, process: &CStr) -> Option<Status> {
    let directory = openat(proc, process, FLAGS | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let stat = openat(directory.as_fd(), c"stat", FLAGS, Mode::empty()).ok()?;
    let mut bytes = [0; 512];
    let length = read(&stat, &mut bytes).ok()?;
    let stat = Stat::parse(&bytes[..length]).filter(|stat| !stat.has_ended())?;
    Some(Status {
        pid: Pid::from_raw(process.to_str().ok()?.parse().ok()?)?,
        group: stat.number(GROUP)?.try_into().ok()?,
        started: stat.number(STARTED)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::family;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    fn sleeper() -> Child {
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::null()).process_group(0).spawn().unwrap()
    }

    #[test]
    fn group_with_a_zombie_alone_does_not_run() {
        let mut child = sleeper();
        let (group, groups) = (Pid::from_child(&child), [0, child.id()]);
        assert!(runs_in_any(&groups, u64::MAX));
        let running = running_in(group, u64::MAX);
        assert_eq!(running.len(), 1);
        assert!(!has_ended(&running[0]));
        child.kill().unwrap();
        wait_for_end(&running, Duration::from_secs(3600));
        assert!(has_ended(&running[0]));
        assert!(!runs_in_any(&groups, u64::MAX));
        assert!(running_in(group, u64::MAX).is_empty(), "it is a zombie");
        child.wait().unwrap();
        assert!(running_in(group, u64::MAX).is_empty());
        assert!(!runs_in_any(&[0], u64::MAX));
    }

    /// As if another group had had the number before.
    #[test]
    fn group_of_the_same_number_that_started_later_is_another() {
        let mut child = sleeper();
        let group = Pid::from_child(&child);
        let started = family::started(child.id()).unwrap();
        for (until, expect) in [(started - 1, false), (started, true), (u64::MAX, true)] {
            assert_eq!(runs_in_any(&[child.id()], until), expect);
            assert_eq!(running_in(group, until).len(), usize::from(expect));
            assert_eq!(may_be_led(group, until), expect);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(may_be_led(group, started), "its leader has ended, and others of it may live");
    }
}
