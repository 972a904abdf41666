//! What must be put right if this process is killed with SIGKILL, done by a small process of its own.
//!
//! Nobody who is killed so can clean up: what its children have started runs on, and the tokens that it had from a parent's
//! jobserver are lost to everybody. So before the first child starts, the guardian is forked off. It sleeps on a pipe that only
//! we write to. When we end in order we tell it so, and it ends first. When the pipe ends without that word, it kills the groups
//! of our children, waits until nothing of them runs, and gives the parent the tokens back that we had told it of.
//!
//! It holds nothing but that pipe and the write end of the parent's pool, in a session of its own, so that neither a terminal's
//! signals nor a kill of our group reach it. What is left is the moment between reading a token and telling it, on the same
//! thread, and between telling and returning it: in that moment a token is lost, never made.

use super::group::runs_in_any;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, read, write};
use rustix::process::{Pid, Signal, WaitOptions};
use std::io;
use std::time::Duration;

/// Groups that it can remember. A build has as many as it has job slots; beyond that, they die with us or end by themselves.
const MOST_GROUPS: usize = 4096;

/// How often it looks whether killed groups have ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How often at most, before it gives tokens back nevertheless: a process that waits for a disk or a dead file server cannot be
/// killed for as long.
const MOST_LOOKS: u32 = 5_000;

#[derive(Debug)]
pub(super) struct Guardian {
    pid: Pid,
    orders: OwnedFd,
}

#[derive(Clone, Copy)]
enum Order {
    AddGroup = 1,
    RemoveGroup,
    TokenTaken,
    TokenReturned,
    End,
}

impl Guardian {
    /// `pool` is where tokens are written to, under a parent.
    ///
    /// # Errors
    /// The system has no process or pipe for us.
    #[expect(
        unsafe_code,
        reason = "fork(2); the child calls nothing but what may be called after it, and never returns"
    )]
    pub(super) fn start(pool: Option<OwnedFd>) -> io::Result<Guardian> {
        let (theirs, orders) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        // SAFETY: `guard` makes system calls on its arguments and its stack, allocates nothing and takes no locks.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => guard(theirs.as_fd(), pool.as_ref().map(AsFd::as_fd)),
            pid => Ok(Guardian { pid: Pid::from_raw(pid).expect("a child has a number"), orders }),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get() as u32
    }

    pub(super) fn add_group(&self, leader: u32) {
        self.order(Order::AddGroup, leader);
    }

    /// To be called as soon as the leader is reaped: from then on its number may be another's.
    pub(super) fn remove_group(&self, leader: u32) {
        self.order(Order::RemoveGroup, leader);
    }

    /// To be called as soon as a token of the parent's was read, on the thread that read it.
    pub(super) fn token_taken(&self) {
        self.order(Order::TokenTaken, 0);
    }

    /// To be called before a token is returned to the parent: one that is returned twice would be one too many for ever.
    pub(super) fn token_returned(&self) {
        self.order(Order::TokenReturned, 0);
    }

    fn order(&self, order: Order, value: u32) {
        // It is gone only if somebody killed it, and then there is no guardian; nothing else depends on it.
        let _ = write(&self.orders, &encode(order, value));
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.order(Order::End, 0);
        while matches!(rustix::process::waitpid(Some(self.pid), WaitOptions::empty()), Err(Errno::INTR)) {}
    }
}

const ORDER_BYTES: usize = 8;

fn encode(order: Order, value: u32) -> [u8; ORDER_BYTES] {
    ((u64::from(value) << 8) | order as u64).to_le_bytes()
}

/// The guardian's whole life.
#[expect(unsafe_code, reason = "close_range(2) on all that this process inherited, and _exit(2)")]
fn guard(orders: BorrowedFd<'_>, pool: Option<BorrowedFd<'_>>) -> ! {
    let _ = rustix::process::setsid();
    let mut kept = [orders.as_raw_fd(), pool.map_or(orders.as_raw_fd(), |pool| pool.as_raw_fd())];
    kept.sort_unstable();
    // SAFETY: all descriptors but the kept ones are closed, standard streams among them, and nothing uses them any more: a pipe
    // that we held open would never end for its reader.
    unsafe {
        libc::close_range(0, (kept[0] as u32).saturating_sub(1), 0);
        if kept[1] > kept[0] + 1 {
            libc::close_range(kept[0] as u32 + 1, kept[1] as u32 - 1, 0);
        }
        libc::close_range(kept[1] as u32 + 1, u32::MAX, 0);
        // Handlers of ours would write to a pipe that is closed here.
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGTSTP, libc::SIGCONT] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
    let mut groups = [0u32; MOST_GROUPS];
    let mut tokens = 0i32;
    let mut order = [0; ORDER_BYTES];
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
            kind if kind == Order::TokenTaken as u64 => tokens += 1,
            kind if kind == Order::TokenReturned as u64 => tokens -= 1,
            // SAFETY: ends this process without running anything of the one that it was forked from.
            _ => unsafe { libc::_exit(0) },
        }
    }
    put_right(&groups, tokens, pool);
    // SAFETY: as above.
    unsafe { libc::_exit(0) }
}

fn replace(groups: &mut [u32; MOST_GROUPS], old: u32, new: u32) {
    if let Some(place) = groups.iter_mut().find(|group| **group == old) {
        *place = new;
    }
}

fn put_right(groups: &[u32; MOST_GROUPS], tokens: i32, pool: Option<BorrowedFd<'_>>) {
    let leaders = || groups.iter().filter_map(|group| Pid::from_raw(*group as i32));
    for leader in leaders() {
        let _ = rustix::process::kill_process_group(leader, Signal::KILL);
    }
    // A group exists for as long as a zombie is in it, which in a container without an init may be for ever.
    let exists = || leaders().any(|leader| rustix::process::test_kill_process_group(leader).is_ok());
    let mut looks = 0;
    while looks < MOST_LOOKS && exists() && runs_in_any(groups) {
        std::thread::sleep(LOOK_EVERY);
        looks += 1;
    }
    let Some(pool) = pool else { return };
    let mut given = 0;
    while given < tokens {
        match write(pool, b"+") {
            Ok(_) => given += 1,
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    /// What the guardian does when its maker is killed, seen by a test that only lets go of the pipe.
    fn killed(guardian: Guardian) {
        let pid = guardian.pid;
        let Guardian { orders, .. } = &guardian;
        let orders = orders.as_raw_fd();
        std::mem::forget(guardian);
        #[expect(unsafe_code, reason = "closes what was forgotten")]
        // SAFETY: nobody else owns it any more.
        drop(unsafe { <OwnedFd as rustix::fd::FromRawFd>::from_raw_fd(orders) });
        rustix::process::waitpid(Some(pid), WaitOptions::empty()).unwrap();
    }

    #[test]
    fn groups_are_killed_and_tokens_given_back() {
        let (their_pool, of_parent) = pool();
        let guardian = Guardian::start(Some(of_parent)).unwrap();
        let mut children = [group(), group()];
        children.iter().for_each(|child| guardian.add_group(child.id()));
        guardian.remove_group(children[1].id());
        (0..3).for_each(|_| guardian.token_taken());
        guardian.token_returned();
        let [first, second] = &mut children;
        // Nobody reaps it meanwhile.
        killed(guardian);
        assert!(!first.try_wait().unwrap().expect("it was waited for").success());
        let mut bytes = [0; 10];
        assert_eq!((read(&their_pool, &mut bytes).unwrap(), &bytes[..2]), (2, &b"++"[..]));
        assert_eq!(read(&their_pool, &mut bytes).unwrap(), 0, "nobody holds the pool open");
        assert!(second.try_wait().unwrap().is_none(), "it is not ours any more");
        let leader = Pid::from_child(second);
        rustix::process::kill_process_group(leader, Signal::KILL).unwrap();
        second.wait().unwrap();
    }

    #[test]
    fn an_end_in_order_puts_nothing_right() {
        let (their_pool, of_parent) = pool();
        let guardian = Guardian::start(Some(of_parent)).unwrap();
        let mut child = group();
        guardian.add_group(child.id());
        guardian.token_taken();
        drop(guardian);
        assert_eq!(read(&their_pool, &mut [0; 10]).unwrap(), 0);
        assert!(child.try_wait().unwrap().is_none());
        rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
    }
}
