//! What must be put right if this process is killed with SIGKILL, done by a small process of its
//! own.
//!
//! Nobody who is killed so can clean up: what its children have started runs on, and the tokens
//! that it had from a parent's jobserver are lost to everybody. So before the first child starts,
//! the watchdog is forked off. It sleeps on a pipe that only we write to. When we end in order we
//! tell it so, and it ends first. When the pipe ends without that word, it kills the groups of our
//! children, waits until nothing of them runs, and gives the parent back all that is in our purse.
//!
//! It gives tokens back while we live, too: so that there is no moment in which one is neither in
//! the purse nor in the parent's pool, but in the memory of somebody who may be killed for
//! another's fault.
//!
//! It holds nothing but that pipe, the purse and the write end of the parent's pool, in a session
//! of its own, so that neither a terminal's signals nor a kill of our group reach it.

use crate::sys::group::runs_in_any;
use crate::tokens::{MOST_PIPES, PATIENCE, give_back};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, read, write};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open};
use std::cell::Cell;
use std::io;
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
/// Somebody may have stopped it.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Watchdog {
    pid: Pid,
    orders: OwnedFd,
    has_ended: Cell<bool>,
}

#[derive(Clone, Copy)]
enum Order {
    AddGroup = 1,
    RemoveGroup,
    GiveBack,
    End,
}

impl Watchdog {
    /// Under a parent, `pool` is where tokens are written to, with the ends of the purse that they
    /// are read from: at most [`MOST_PIPES`].
    ///
    /// # Errors
    /// The system has no process or pipe for us.
    #[expect(
        unsafe_code,
        reason = "fork(2); the child calls nothing but what may be called after it, and never returns"
    )]
    pub(crate) fn start(pool: Option<(BorrowedFd<'_>, &[BorrowedFd<'_>])>) -> io::Result<Watchdog> {
        let (theirs, orders) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        // SAFETY: `guard` makes system calls on its arguments and its stack, allocates nothing and
        // takes no locks.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => guard(theirs.as_fd(), pool),
            pid => {
                let pid = Pid::from_raw(pid).expect("a child has a number");
                Ok(Watchdog { pid, orders, has_ended: Cell::new(false) })
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get() as u32
    }

    pub(crate) fn add_group(&self, leader: u32) {
        // It is gone only if somebody killed it, and then there is no watchdog; nothing else
        // depends on it.
        let _ = self.order(Order::AddGroup, leader);
    }

    /// To be called as soon as the leader is reaped: from then on its number may be another's.
    pub(crate) fn remove_group(&self, leader: u32) {
        let _ = self.order(Order::RemoveGroup, leader);
    }

    /// Gives tokens in the purse back to the parent.
    ///
    /// # Errors
    /// Somebody killed it.
    pub(crate) fn give_back(&self, tokens: u32) -> io::Result<()> {
        self.order(Order::GiveBack, tokens)
    }

    /// Lets it do what it was told, and end. One that does not is killed; then what it was to give
    /// back is still in the purse.
    pub(crate) fn end(&self) {
        self.end_within(ENDS_WITHIN);
    }

    fn end_within(&self, patience: Duration) {
        if self.has_ended.replace(true) {
            return;
        }
        let _ = self.order(Order::End, 0);
        let patience = Timespec::try_from(patience).unwrap_or_default();
        if let Ok(pidfd) = pidfd_open(self.pid, PidfdFlags::empty())
            && poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&patience)) != Ok(1)
        {
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        }
        while matches!(
            rustix::process::waitpid(Some(self.pid), WaitOptions::empty()),
            Err(Errno::INTR)
        ) {}
    }

    fn order(&self, order: Order, value: u32) -> io::Result<()> {
        loop {
            match write(&self.orders, &encode(order, value)) {
                Ok(_) => return Ok(()),
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

const ORDER_BYTES: usize = 8;

fn encode(order: Order, value: u32) -> [u8; ORDER_BYTES] {
    ((u64::from(value) << 8) | order as u64).to_le_bytes()
}

/// The watchdog's whole life.
#[expect(unsafe_code, reason = "close_range(2) on all that this process inherited, and _exit(2)")]
fn guard(orders: BorrowedFd<'_>, pool: Option<(BorrowedFd<'_>, &[BorrowedFd<'_>])>) -> ! {
    let _ = rustix::process::setsid();
    let mut kept = [orders.as_raw_fd(); MOST_PIPES + 2];
    if let Some((pool, purse)) = pool {
        kept[1] = pool.as_raw_fd();
        kept[2..].iter_mut().zip(purse).for_each(|(place, pipe)| *place = pipe.as_raw_fd());
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
    let mut groups = [0u32; MOST_GROUPS];
    let mut order = [0; ORDER_BYTES];
    // What the parent's pool had no room for is owed. It is not waited for again with each order.
    let (mut owed, mut patience) = (0, PATIENCE);
    loop {
        // Orders are written whole, because they are shorter than PIPE_BUF.
        match read(orders, &mut order) {
            Ok(ORDER_BYTES) => {}
            Err(Errno::INTR) => continue,
            _ => break,
        }
        let word = u64::from_le_bytes(order);
        let (kind, value) = (word & 0xff, (word >> 8) as u32);
        match kind {
            kind if kind == Order::AddGroup as u64 => replace(&mut groups, 0, value),
            kind if kind == Order::RemoveGroup as u64 => replace(&mut groups, value, 0),
            kind if kind == Order::GiveBack as u64 => {
                owed += value;
                owed -= give_tokens(pool, owed, patience);
                if owed > 0 {
                    patience = Duration::ZERO;
                }
            }
            _ => {
                give_tokens(pool, owed, PATIENCE);
                // SAFETY: ends this process without running anything of the one that it was forked
                // from.
                unsafe { libc::_exit(0) }
            }
        }
    }
    end_groups(&groups);
    give_tokens(pool, u32::MAX, PATIENCE);
    // SAFETY: as above.
    unsafe { libc::_exit(0) }
}

fn replace(groups: &mut [u32; MOST_GROUPS], old: u32, new: u32) {
    if let Some(place) = groups.iter_mut().find(|group| **group == old) {
        *place = new;
    }
}

/// Returns how many.
fn give_tokens(
    pool: Option<(BorrowedFd<'_>, &[BorrowedFd<'_>])>,
    tokens: u32,
    patience: Duration,
) -> u32 {
    pool.map_or(0, |(pool, purse)| give_back(purse, pool, tokens, patience))
}

fn end_groups(groups: &[u32; MOST_GROUPS]) {
    let leaders = || groups.iter().filter_map(|group| Pid::from_raw(*group as i32));
    for leader in leaders() {
        let _ = rustix::process::kill_process_group(leader, Signal::KILL);
    }
    // A group exists for as long as a zombie is in it, which in a container without an init may be
    // for ever.
    let exists =
        || leaders().any(|leader| rustix::process::test_kill_process_group(leader).is_ok());
    let mut looks = 0;
    while looks < MOST_LOOKS && exists() && runs_in_any(groups) {
        std::thread::sleep(LOOK_EVERY);
        looks += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::{Purse, Taken};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    fn group() -> Child {
        let mut command = Command::new("sh");
        // Two processes: the shell, and one that it waits for.
        command.args(["-c", "sleep 1000; true"]).stdin(Stdio::null()).process_group(0);
        command.spawn().unwrap()
    }

    fn pool() -> (OwnedFd, OwnedFd) {
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
    }

    /// What the watchdog does when its maker is killed, seen by a test that only lets go of the
    /// pipe.
    fn killed(watchdog: Watchdog) {
        let pid = watchdog.pid;
        let Watchdog { orders, .. } = &watchdog;
        let orders = orders.as_raw_fd();
        std::mem::forget(watchdog);
        #[expect(unsafe_code, reason = "closes what was forgotten")]
        // SAFETY: nobody else owns it any more.
        drop(unsafe { <OwnedFd as rustix::fd::FromRawFd>::from_raw_fd(orders) });
        rustix::process::waitpid(Some(pid), WaitOptions::empty()).unwrap();
    }

    #[test]
    fn groups_are_killed_and_tokens_given_back() {
        let (their_pool, of_parent) = pool();
        let purse = Purse::new(4).unwrap();
        let readers: Vec<_> = purse.readers().collect();
        let watchdog = Watchdog::start(Some((of_parent.as_fd(), &readers))).unwrap();
        let mut children = [group(), group()];
        children.iter().for_each(|child| watchdog.add_group(child.id()));
        watchdog.remove_group(children[1].id());
        write(&of_parent, b"abc").unwrap();
        (0..3).for_each(|_| assert_eq!(purse.take(their_pool.as_fd()).unwrap(), Taken::Token));
        watchdog.give_back(1).unwrap();
        let mut byte = [0];
        assert_eq!((read(&their_pool, &mut byte).unwrap(), &byte), (1, b"a"));
        drop(readers);
        drop((of_parent, purse));
        let [first, second] = &mut children;
        // Nobody reaps it meanwhile.
        killed(watchdog);
        assert!(!first.try_wait().unwrap().expect("it was waited for").success());
        let mut bytes = [0; 10];
        assert_eq!((read(&their_pool, &mut bytes).unwrap(), &bytes[..2]), (2, &b"bc"[..]));
        assert_eq!(read(&their_pool, &mut bytes).unwrap(), 0, "nobody holds the pool open");
        assert!(second.try_wait().unwrap().is_none(), "it is not ours any more");
        let leader = Pid::from_child(second);
        rustix::process::kill_process_group(leader, Signal::KILL).unwrap();
        second.wait().unwrap();
    }

    #[test]
    fn an_end_in_order_puts_nothing_right() {
        let (their_pool, of_parent) = pool();
        let purse = Purse::new(4).unwrap();
        let readers: Vec<_> = purse.readers().collect();
        let watchdog = Watchdog::start(Some((of_parent.as_fd(), &readers))).unwrap();
        let mut child = group();
        watchdog.add_group(child.id());
        write(&of_parent, b"+").unwrap();
        assert_eq!(purse.take(their_pool.as_fd()).unwrap(), Taken::Token);
        drop(watchdog);
        drop(of_parent);
        assert_eq!(read(&their_pool, &mut [0; 10]).unwrap(), 0);
        assert!(child.try_wait().unwrap().is_none());
        rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
    }

    /// It must not keep us from our end, whoever has stopped it.
    #[test]
    fn one_that_is_stopped_is_not_waited_for_without_end() {
        let watchdog = Watchdog::start(None).unwrap();
        rustix::process::kill_process(watchdog.pid, Signal::STOP).unwrap();
        watchdog.end_within(Duration::from_millis(20));
        assert!(
            rustix::process::waitpid(Some(watchdog.pid), WaitOptions::NOHANG).is_err(),
            "it is reaped"
        );
    }

    #[test]
    fn tokens_that_find_no_room_are_given_back_when_there_is_some() {
        let (their_pool, of_parent) = pool();
        let purse = Purse::new(4).unwrap();
        let readers: Vec<_> = purse.readers().collect();
        write(&of_parent, b"+").unwrap();
        assert_eq!(purse.take(their_pool.as_fd()).unwrap(), Taken::Token);
        rustix::pipe::fcntl_setpipe_size(&of_parent, 4096).unwrap();
        write(&of_parent, &[b'x'; 4096]).unwrap();
        let watchdog = Watchdog::start(Some((of_parent.as_fd(), &readers))).unwrap();
        watchdog.give_back(1).unwrap();
        let mut bytes = [0; 4096];
        assert_eq!(read(&their_pool, &mut bytes), Ok(4096));
        drop(watchdog);
        assert_eq!((read(&their_pool, &mut bytes), bytes[0]), (Ok(1), b'+'));
        assert_eq!(purse.left(), 0);
    }
}
