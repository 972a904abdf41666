//! The watchdog: a small process that cleans up if this process is killed by SIGKILL.
//!
//! Without it, the descendants of our children would keep running, and tokens borrowed from a
//! parent's jobserver would be lost to all its clients. So the watchdog is forked before the first
//! child starts. It reads a pipe that only this process writes to. When this process ends normally,
//! it tells the watchdog, which ends first. If the pipe ends before that, the watchdog kills the
//! groups of our children, waits until none of their processes runs, and returns all tokens in the
//! escrow pipes to the parent.
//!
//! The groups are in a list in shared memory, which our children share too until they call exec:
//! each child writes its group into the list before its program runs, and holds the pipe open until
//! then. So when the watchdog reads the end of the pipe, every child has written its group, or has
//! ended. Nobody waits for the watchdog to read the list, so a stopped watchdog blocks nothing.
//!
//! It also returns tokens while this process runs, so that a token is never only in the memory of a
//! process that may be killed: it is in an escrow pipe or in the parent's pool. The shared memory
//! has the number of tokens to return, and a byte in the pipe wakes the watchdog. If the pipe is
//! full of such bytes, it is awake anyway.
//!
//! It keeps only that pipe, the escrow pipes and the write end of the parent's pool open. It has a
//! session of its own, so that neither a terminal's signals nor a kill of our group reach it.
//!
//! It is forked and never calls exec. If a process with threads forks, POSIX allows the child only
//! functions that are safe in a signal handler
//! (<https://pubs.opengroup.org/onlinepubs/9799919799/functions/fork.html>). The watchdog calls no
//! others, although there are no threads when it is forked: see [`Slots::into_pool`](super::Slots).

use crate::sys::group::{may_be_led, runs_in_any};
use crate::sys::process::GroupEntry;
use crate::sys::stat::now_ticks;
use crate::tokens::{MOST_PIPES, RETURN_TIMEOUT, give_back};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open};
use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Entries of the list. A build has as many groups as job slots. A group without an entry is not
/// killed: only its leader dies with us.
const MOST_GROUPS: usize = 4096;

/// How often it checks whether killed groups have ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How many checks at most, before it returns the tokens anyway: a process that waits for a disk or
/// a dead file server ends only after that wait.
const MOST_LOOKS: u32 = 5_000;

/// How long we wait for its end: longer than it tries to write to a full pool. It may be stopped.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Watchdog {
    pid: Pid,
    shared: &'static Shared,
    /// A byte in it wakes the watchdog; end of file means that we were killed.
    wakes: OwnedFd,
    has_ended: Cell<bool>,
}

/// The shared memory. It begins as zeros.
#[derive(Debug)]
struct Shared {
    groups: [AtomicU64; MOST_GROUPS],
    /// How many tokens were to be returned since the start, modulo 2^32.
    returned: AtomicU32,
    /// We end normally.
    ends: AtomicBool,
}

impl Shared {
    /// It is never unmapped: a process has one, and children share it until they call exec.
    #[expect(unsafe_code, reason = "mmap(2)")]
    fn map() -> io::Result<&'static Shared> {
        let (access, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: this maps new pages at an address that the kernel chooses. They are aligned to
        // the page size and all zero, which is a valid value of every atomic type, and all
        // processes that share them change them only through atomic types.
        unsafe {
            let null = std::ptr::null_mut();
            let pages = libc::mmap(null, size_of::<Shared>(), access, flags, -1, 0);
            if pages == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            Ok(&*pages.cast::<Shared>())
        }
    }
}

impl Watchdog {
    /// Forks the watchdog. Under a parent, `pool` is the write end of its pool and the read ends of
    /// the escrow pipes, at most [`MOST_PIPES`].
    ///
    /// # Errors
    /// The system refuses a process, memory or a pipe.
    #[expect(
        unsafe_code,
        reason = "fork(2); the child calls nothing but what may be called after it, and never returns"
    )]
    pub(crate) fn start(pool: Option<(BorrowedFd<'_>, &[BorrowedFd<'_>])>) -> io::Result<Watchdog> {
        let (woken, wakes) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&wakes, true)?;
        let shared = Shared::map()?;
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        // SAFETY: `watch` makes system calls on its arguments and its stack, allocates nothing and
        // takes no locks.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => watch(woken.as_fd(), shared, pool, ticks_per_second),
            pid => {
                let pid = Pid::from_raw(pid).expect("a child has a number");
                Ok(Watchdog { pid, shared, wakes, has_ended: Cell::new(false) })
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get() as u32
    }

    /// An entry for the group of a child that is about to start. `None` if all are in use.
    pub(crate) fn entry(&self) -> Option<GroupEntry> {
        self.shared.groups.iter().find_map(GroupEntry::reserve)
    }

    /// Returns tokens in the escrow pipes to the parent.
    ///
    /// # Errors
    /// The watchdog was killed.
    pub(crate) fn give_back(&self, tokens: u32) -> io::Result<()> {
        self.shared.returned.fetch_add(tokens, Ordering::AcqRel);
        self.wake()
    }

    /// Lets it return the tokens that it was told to, and end. If it does not end, kills it; then
    /// those tokens are still in the escrow pipes.
    pub(crate) fn end(&self) {
        self.end_within(ENDS_WITHIN);
    }

    fn end_within(&self, timeout: Duration) {
        if self.has_ended.replace(true) {
            return;
        }
        self.shared.ends.store(true, Ordering::Release);
        let _ = self.wake();
        let timeout = Timespec::try_from(timeout).unwrap_or_default();
        if let Ok(pidfd) = pidfd_open(self.pid, PidfdFlags::empty())
            && poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) != Ok(1)
        {
            // It is not reaped yet, so no other process has its number.
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        }
        while matches!(
            rustix::process::waitpid(Some(self.pid), WaitOptions::empty()),
            Err(Errno::INTR)
        ) {}
    }

    fn wake(&self) -> io::Result<()> {
        loop {
            match write(&self.wakes, &[0]) {
                // The pipe is full of bytes that it has not read, so it is awake.
                Ok(_) | Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.end();
    }
}

/// The watchdog's main function.
#[expect(unsafe_code, reason = "close_range(2) on all that this process inherited, and _exit(2)")]
fn watch(
    woken: BorrowedFd<'_>,
    shared: &Shared,
    pool: Option<(BorrowedFd<'_>, &[BorrowedFd<'_>])>,
    ticks_per_second: u64,
) -> ! {
    let _ = rustix::process::setsid();
    let mut kept = [woken.as_raw_fd(); MOST_PIPES + 2];
    if let Some((pool, escrow)) = pool {
        kept[1] = pool.as_raw_fd();
        kept[2..].iter_mut().zip(escrow).for_each(|(place, pipe)| *place = pipe.as_raw_fd());
    }
    kept.sort_unstable();
    // SAFETY: closes all descriptors except those to keep, standard streams included; nothing in
    // this process uses them any more. A pipe that stayed open would never end for its reader.
    unsafe {
        let mut first = 0;
        for number in kept.map(|number| number as u32) {
            if number > first {
                libc::close_range(first, number - 1, 0);
            }
            first = number + 1;
        }
        libc::close_range(first, u32::MAX, 0);
        // Our signal handlers would write to a pipe that is closed here.
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGTSTP, libc::SIGCONT] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
    // Tokens that did not fit into the parent's pool are owed. We do not wait for room again each
    // time.
    let (mut given, mut timeout) = (0u32, RETURN_TIMEOUT);
    let was_killed = loop {
        let is_over = match read(woken, &mut [0u8; 64]) {
            Ok(0) => true,
            Err(Errno::INTR) => continue,
            result => result.is_err(),
        };
        if shared.ends.load(Ordering::Acquire) {
            break false;
        }
        if is_over {
            break true;
        }
        let owed = shared.returned.load(Ordering::Acquire).wrapping_sub(given);
        let given_now = give_tokens(pool, owed, timeout);
        given = given.wrapping_add(given_now);
        if given_now < owed {
            timeout = Duration::ZERO;
        }
    };
    if was_killed {
        end_groups(&shared.groups, ticks_per_second);
        give_tokens(pool, u32::MAX, RETURN_TIMEOUT);
    } else {
        let owed = shared.returned.load(Ordering::Acquire).wrapping_sub(given);
        give_tokens(pool, owed, RETURN_TIMEOUT);
    }
    // SAFETY: ends this process without running exit handlers of its parent.
    unsafe { libc::_exit(0) }
}

/// Returns how many groups.
fn give_tokens(
    pool: Option<(BorrowedFd<'_>, &[BorrowedFd<'_>])>,
    tokens: u32,
    timeout: Duration,
) -> u32 {
    pool.map_or(0, |(pool, escrow)| give_back(escrow, pool, tokens, timeout))
}

fn end_groups(entries: &[AtomicU64; MOST_GROUPS], ticks_per_second: u64) {
    let mut groups = [0u32; MOST_GROUPS];
    let mut count = 0;
    for (group, made) in entries.iter().filter_map(GroupEntry::read) {
        // If the watchdog was stopped, the group may have ended long ago.
        if may_be_led(group, made) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
            groups[count] = group.as_raw_nonzero().get().unsigned_abs();
            count += 1;
        }
    }
    let killed = &groups[..count];
    let ticks = now_ticks(ticks_per_second);
    // A group exists as long as a zombie is in it: for ever in a container whose init reaps
    // nothing.
    let exists = || {
        let mut leaders = killed.iter().filter_map(|group| Pid::from_raw(*group as i32));
        leaders.any(|leader| rustix::process::test_kill_process_group(leader).is_ok())
    };
    let mut looks = 0;
    while looks < MOST_LOOKS && exists() && runs_in_any(killed, ticks) {
        std::thread::sleep(LOOK_EVERY);
        looks += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{Jobs, Owner, Process};
    use crate::tokens::{Escrow, Taken};
    use std::io::Read;
    use std::process::{Command, Stdio};

    /// When this returns there are two processes: the shell, and one that it waits for.
    fn group(watchdog: &Watchdog) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & echo; wait"]).stdin(Stdio::null());
        let entry = watchdog.entry();
        assert!(entry.is_some());
        let mut process =
            Process::start(command.stdout(Stdio::piped()), Owner::Others, &Jobs::default(), entry)
                .unwrap();
        process.child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        process
    }

    fn pool() -> (OwnedFd, OwnedFd) {
        pipe_with(PipeFlags::CLOEXEC).unwrap()
    }

    /// The test closes the pipe, as the kernel does when this process is killed.
    fn killed(watchdog: Watchdog) {
        let pid = watchdog.pid;
        let wakes = watchdog.wakes.as_raw_fd();
        std::mem::forget(watchdog);
        #[expect(unsafe_code, reason = "closes what was forgotten")]
        // SAFETY: nothing else owns it any more.
        drop(unsafe { <OwnedFd as rustix::fd::FromRawFd>::from_raw_fd(wakes) });
        rustix::process::waitpid(Some(pid), WaitOptions::empty()).unwrap();
    }

    #[test]
    fn watchdog_kills_groups_and_gives_tokens_back() {
        let (their_pool, of_parent) = pool();
        let escrow = Escrow::new(4).unwrap();
        let readers: Vec<_> = escrow.readers().collect();
        let watchdog = Watchdog::start(Some((of_parent.as_fd(), &readers))).unwrap();
        let mut children = [group(&watchdog), group(&watchdog)];
        write(&of_parent, b"abc").unwrap();
        (0..3).for_each(|_| assert_eq!(escrow.take(their_pool.as_fd()).unwrap(), Taken::Token));
        watchdog.give_back(1).unwrap();
        let mut byte = [0];
        assert_eq!((read(&their_pool, &mut byte).unwrap(), &byte), (1, b"a"));
        drop(readers);
        drop((of_parent, escrow));
        // They are not reaped in the meantime.
        killed(watchdog);
        for child in &mut children {
            let exit = child.child.try_wait().unwrap();
            assert!(!exit.expect("it was waited for").success());
        }
        let mut bytes = [0; 10];
        assert_eq!((read(&their_pool, &mut bytes).unwrap(), &bytes[..2]), (2, &b"bc"[..]));
        assert_eq!(read(&their_pool, &mut bytes).unwrap(), 0, "no process holds the pool open");
    }

    #[test]
    fn watchdog_knows_no_group_that_was_reaped() {
        let watchdog = Watchdog::start(None).unwrap();
        let places = &watchdog.shared.groups;
        let known = || places.iter().filter(|place| place.load(Ordering::Acquire) != 0).count();
        let children = [group(&watchdog), group(&watchdog)];
        assert_eq!(known(), 2);
        drop(children);
        assert_eq!(known(), 0);
    }

    /// The number of a group that has ended may be in use by another group.
    #[test]
    fn watchdog_kills_no_group_that_started_after_its_entry_was_made() {
        use std::os::unix::process::CommandExt;
        let watchdog = Watchdog::start(None).unwrap();
        let mut command = Command::new("sleep");
        let mut child = command.arg("1000").stdin(Stdio::null()).process_group(0).spawn().unwrap();
        // An entry has the time above the number, which takes 22 bits. This one is as if it had
        // been made when the machine started.
        watchdog.shared.groups[7].store(child.id().into(), Ordering::Release);
        killed(watchdog);
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn watchdog_that_is_told_to_end_kills_no_group() {
        let (their_pool, of_parent) = pool();
        let escrow = Escrow::new(4).unwrap();
        let readers: Vec<_> = escrow.readers().collect();
        let watchdog = Watchdog::start(Some((of_parent.as_fd(), &readers))).unwrap();
        let mut child = group(&watchdog);
        write(&of_parent, b"+").unwrap();
        assert_eq!(escrow.take(their_pool.as_fd()).unwrap(), Taken::Token);
        drop(watchdog);
        drop(of_parent);
        assert_eq!(read(&their_pool, &mut [0; 10]).unwrap(), 0);
        assert!(child.child.try_wait().unwrap().is_none());
    }

    /// It must not delay our end.
    #[test]
    fn watchdog_that_is_stopped_is_not_waited_for_without_end() {
        let watchdog = Watchdog::start(None).unwrap();
        rustix::process::kill_process(watchdog.pid, Signal::STOP).unwrap();
        watchdog.end_within(Duration::from_millis(20));
        assert!(
            rustix::process::waitpid(Some(watchdog.pid), WaitOptions::NOHANG).is_err(),
            "it is reaped"
        );
    }

    /// More than any pipe holds. The watchdog returns these tokens when it is continued.
    #[test]
    fn watchdog_that_is_stopped_does_not_block() {
        let (their_pool, of_parent) = pool();
        let escrow = Escrow::new(4).unwrap();
        let readers: Vec<_> = escrow.readers().collect();
        let watchdog = Watchdog::start(Some((of_parent.as_fd(), &readers))).unwrap();
        write(&of_parent, b"ab").unwrap();
        (0..2).for_each(|_| assert_eq!(escrow.take(their_pool.as_fd()).unwrap(), Taken::Token));
        rustix::process::kill_process(watchdog.pid, Signal::STOP).unwrap();
        for _ in 0..100_000 {
            watchdog.give_back(0).unwrap();
            drop(watchdog.entry());
        }
        watchdog.give_back(1).unwrap();
        let child = group(&watchdog);
        rustix::process::kill_process(watchdog.pid, Signal::CONT).unwrap();
        let mut bytes = [0; 10];
        assert_eq!((read(&their_pool, &mut bytes), bytes[0]), (Ok(1), b'a'));
        drop(child);
        drop(watchdog);
        assert_eq!(escrow.count(), 1);
    }

    #[test]
    fn tokens_that_find_no_room_are_given_back_when_there_is_some() {
        let (their_pool, of_parent) = pool();
        let escrow = Escrow::new(4).unwrap();
        let readers: Vec<_> = escrow.readers().collect();
        write(&of_parent, b"+").unwrap();
        assert_eq!(escrow.take(their_pool.as_fd()).unwrap(), Taken::Token);
        rustix::pipe::fcntl_setpipe_size(&of_parent, 4096).unwrap();
        write(&of_parent, &[b'x'; 4096]).unwrap();
        let watchdog = Watchdog::start(Some((of_parent.as_fd(), &readers))).unwrap();
        watchdog.give_back(1).unwrap();
        let mut bytes = [0; 4096];
        assert_eq!(read(&their_pool, &mut bytes), Ok(4096));
        drop(watchdog);
        assert_eq!((read(&their_pool, &mut bytes), bytes[0]), (Ok(1), b'+'));
        assert_eq!(escrow.count(), 0);
    }
}
