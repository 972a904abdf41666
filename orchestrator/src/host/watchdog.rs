//! The watchdog: a small process that puts right what this process cannot if it is killed by
//! SIGKILL.
//!
//! Then what our children have started runs on, and the tokens that we have borrowed from a
//! parent's jobserver are lost to all its clients. So before the first child starts, the watchdog
//! is forked. It sleeps on a pipe that we alone write to. When we end in order, we tell it, and it
//! ends first. When the pipe ends before that, it kills the groups of our children, waits until
//! none of their processes runs, and returns to the parent all that is in the escrow pipes.
//!
//! The groups are in a list in memory that both processes share, and so do our children until they
//! call exec: each child writes its group into the list before its program runs. Until then it
//! holds the pipe open. So when the watchdog sees the end of the pipe, every child has done that,
//! or has ended. No one has to read the list meanwhile: a watchdog that is stopped blocks nothing.
//!
//! It returns tokens while we live, too, so that there is no moment in which a token is neither in
//! an escrow pipe nor in the parent's pool, but in the memory of a process that may be killed. How
//! many it is to return is a number in the shared memory, and a byte in the pipe wakes it. A pipe
//! that is full of such bytes wakes it as well.
//!
//! It holds open nothing but that pipe, the escrow pipes and the write end of the parent's pool. It
//! is in a session of its own, so that neither a terminal's signals nor a kill of our group reach
//! it.
//!
//! It is a fork that never calls exec. If a process with threads forks, POSIX allows the child only
//! what is safe in a signal handler
//! (<https://pubs.opengroup.org/onlinepubs/9799919799/functions/fork.html>). The watchdog keeps to
//! that, although there are no threads when it is forked: see [`Slots::into_pool`](super::Slots).

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

/// Groups that it can remember. A build has as many as it has job slots; beyond that, they die with
/// us or end by themselves.
const MOST_GROUPS: usize = 4096;

/// How often it looks whether killed groups have ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How often at most, before it gives tokens back nevertheless: a process that waits for a disk or
/// a dead file server cannot be killed for as long.
const MOST_LOOKS: u32 = 5_000;

/// How long its end is waited for, longer than it takes to find no room in the parent's pool.
/// It may be stopped.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Watchdog {
    pid: Pid,
    shared: &'static Shared,
    /// A byte in it wakes the watchdog; its end means that we were killed.
    wakes: OwnedFd,
    has_ended: Cell<bool>,
}

/// The memory that both processes see. All of it being zero is its beginning.
#[derive(Debug)]
struct Shared {
    groups: [AtomicU64; MOST_GROUPS],
    /// Tokens that were to be given back since the beginning, modulo 2^32.
    returned: AtomicU32,
    /// We end in order.
    ends: AtomicBool,
}

impl Shared {
    /// It is never unmapped: there is one for a process, and children that are being started have
    /// it, too.
    #[expect(unsafe_code, reason = "mmap(2)")]
    fn map() -> io::Result<&'static Shared> {
        let (access, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: new pages are asked for, wherever there is room. They begin at a multiple of the
        // page size and are all zero, which is a value of every atomic type, and what is in them
        // is changed through atomic types alone, by all processes that have them.
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
    /// Under a parent, `pool` is where tokens are written to, with the ends of the escrow pipes
    /// that they are read from: at most [`MOST_PIPES`].
    ///
    /// # Errors
    /// The system has no process, memory or pipe for us.
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

    /// A place for the group of a child that is about to start. None if there are too many.
    pub(crate) fn entry(&self) -> Option<GroupEntry> {
        self.shared.groups.iter().find_map(GroupEntry::reserve)
    }

    /// Returns tokens in the escrow pipes to the parent.
    ///
    /// # Errors
    /// It was killed.
    pub(crate) fn give_back(&self, tokens: u32) -> io::Result<()> {
        self.shared.returned.fetch_add(tokens, Ordering::AcqRel);
        self.wake()
    }

    /// Lets it do what it was told, and end. One that does not is killed; then what it was to give
    /// back is still in the escrow pipes.
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
            // It is not reaped yet, so its number is no other process's.
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
                // It has not read all that woke it before.
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

/// The watchdog's whole life.
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
    // SAFETY: all descriptors but the kept ones are closed, standard streams among them, and
    // nothing uses them any more: a pipe that we held open would never end for its reader.
    unsafe {
        let mut first = 0;
        for number in kept.map(|number| number as u32) {
            if number > first {
                libc::close_range(first, number - 1, 0);
            }
            first = number + 1;
        }
        libc::close_range(first, u32::MAX, 0);
        // Handlers of ours would write to a pipe that is closed here.
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGTSTP, libc::SIGCONT] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
    // What the parent's pool had no room for is owed. It is not waited for again each time.
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
    // SAFETY: ends this process without running anything of the one that it was forked from.
    unsafe { libc::_exit(0) }
}

/// Returns how many.
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
        // Where the watchdog was stopped, all of the group may have ended long ago.
        if may_be_led(group, made) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
            groups[count] = group.as_raw_nonzero().get().unsigned_abs();
            count += 1;
        }
    }
    let killed = &groups[..count];
    let ticks = now_ticks(ticks_per_second);
    // A group exists for as long as a zombie is in it, which in a container without an init may be
    // for ever.
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

    /// Two processes, as soon as this returns: the shell, and one that it waits for.
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

    /// What the watchdog does when its maker is killed, seen by a test that only lets go of the
    /// pipe.
    fn killed(watchdog: Watchdog) {
        let pid = watchdog.pid;
        let wakes = watchdog.wakes.as_raw_fd();
        std::mem::forget(watchdog);
        #[expect(unsafe_code, reason = "closes what was forgotten")]
        // SAFETY: it has no other owner any more.
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
        // They are not reaped meanwhile.
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

    /// The number of a group that has ended long ago may be another's.
    #[test]
    fn watchdog_kills_no_group_that_started_after_its_entry_was_made() {
        use std::os::unix::process::CommandExt;
        let watchdog = Watchdog::start(None).unwrap();
        let mut command = Command::new("sleep");
        let mut child = command.arg("1000").stdin(Stdio::null()).process_group(0).spawn().unwrap();
        // An entry holds the time above the number, which takes 22 bits. It is as if it had been
        // made when the machine started.
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

    /// It must not keep us from our end.
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

    /// More than any pipe holds. What it was told meanwhile it does when it is continued.
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
