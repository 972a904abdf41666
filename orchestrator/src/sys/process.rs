//! A child process in a group of its own: it dies with us, a pidfd reports its end, and it is
//! killed as a group.
//!
//! Knows neither protocol nor tokens. All children must be started by the main thread:
//! PR_SET_PDEATHSIG fires when the *thread* that forked ends.

use crate::sys::{group, stat};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use rustix::io::FdFlags;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long we wait for the end of a killed group. Only a process that waits for a disk or a dead
/// file server needs more than milliseconds.
pub(crate) const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// The soft limit on open files that this process was started with. External commands get it again.
static ORIGINAL_FILE_LIMIT: OnceLock<Rlimit> = OnceLock::new();

/// Prepares this process for children. May be called again.
///
/// Makes it a subreaper, so that orphans of a child become our children and not those of init.
/// Raises the soft limit on open files to the hard limit, because each worker needs several
/// descriptors.
///
/// # Errors
/// prctl(2) fails.
pub fn prepare_this_process() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let limit = *ORIGINAL_FILE_LIMIT.get_or_init(|| rustix::process::getrlimit(Resource::Nofile));
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Some systems refuse the maximum that they report. The old limit may suffice.
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
    Ok(())
}

/// Whether the program is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A worker: keeps the raised limit.
    Us,
    /// An external command: gets the limit that this process was started with. (Programs that use
    /// select(2) need the low one.)
    Others,
}

/// The variables and descriptors of a jobserver that a child gets; none by default.
#[derive(Clone, Debug, Default)]
pub struct Jobs<'a> {
    pub variables: Vec<(&'a str, &'a str)>,
    /// Inherited under the same numbers, which the variables name.
    pub descriptors: Vec<BorrowedFd<'a>>,
}

/// What is done with processes of a child's group that run when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    Kill,
    Leave,
}

/// An entry in memory that is shared with the watchdog: the process group to kill if we are killed.
/// The child that leads the group writes it before it calls exec, and we clear it before we reap
/// the child. So a group that runs is always in the list, and the list never has a number that
/// another group may use.
#[derive(Debug)]
pub struct GroupEntry(&'static AtomicU64);

/// The content of an entry; 0 for none.
const RESERVED: u64 = u64::MAX;

/// A pid has at most this many bits: PID_MAX_LIMIT, see proc_sys_kernel(5).
const PID_BITS: u32 = 22;

impl GroupEntry {
    /// `None` if the entry is in use.
    pub fn reserve(place: &'static AtomicU64) -> Option<GroupEntry> {
        let reserved = place.compare_exchange(0, RESERVED, Ordering::AcqRel, Ordering::Acquire);
        reserved.is_ok().then(|| GroupEntry(place))
    }

    /// The group in an entry, and a time when its leader had started, as [`stat::now_ticks`]
    /// counts. `None` if it is empty.
    pub(crate) fn read(place: &AtomicU64) -> Option<(Pid, u64)> {
        let value = Some(place.load(Ordering::Acquire)).filter(|value| *value != RESERVED)?;
        let group = Pid::from_raw((value & ((1 << PID_BITS) - 1)) as i32)?;
        Some((group, value >> PID_BITS))
    }

    fn write(place: &AtomicU64, group: Pid, ticks: u64) {
        let group = u64::from(group.as_raw_nonzero().get().unsigned_abs());
        place.store((ticks << PID_BITS) | group, Ordering::Release);
    }
}

impl Drop for GroupEntry {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    pub fn success(self) -> bool {
        self == Exit::Code(0)
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Exit {
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => unreachable!("wait reports ends only"),
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit status {code}"),
            Exit::Signal(signal) => match signal_hook::low_level::signal_name(*signal) {
                Some(name) => write!(f, "signal {signal}, {name}"),
                None => write!(f, "signal {signal}"),
            },
        }
    }
}

/// A running child, the leader of its group. If it is dropped before it is reaped, the whole group
/// is killed.
#[derive(Debug)]
pub struct Process {
    pub child: Child,
    pid: Pid,
    pidfd: OwnedFd,
    /// `None` when it is reaped.
    entry: Option<GroupEntry>,
    reaped: Option<Exit>,
    /// Processes of its group that were killed and had not ended when it was reaped.
    killed: Vec<OwnedFd>,
}

impl Process {
    /// Starts `command` in a new process group. Its jobserver is exactly `jobs`: children do not
    /// inherit ours. `entry` has its group from before its program runs until it is reaped.
    ///
    /// # Errors
    /// The program cannot be started, or no pidfd can be opened; then it is killed.
    pub fn start(
        command: &mut Command,
        owner: Owner,
        jobs: &Jobs<'_>,
        entry: Option<GroupEntry>,
    ) -> io::Result<Process> {
        for name in ["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS"] {
            command.env_remove(name);
        }
        command.envs(jobs.variables.iter().copied());
        command.process_group(0);
        let inherited = jobs.descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        prepare_child(command, owner, inherited, entry.as_ref().map(|entry| entry.0));
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let pidfd = match rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                let _ = child.kill();
                drop(entry);
                let _ = child.wait();
                return Err(error.into());
            }
        };
        Ok(Process { child, pid, pidfd, entry, reaped: None, killed: Vec::new() })
    }

    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get() as u32
    }

    /// Puts its group into another watchdog's list, or into none.
    pub fn enter(&mut self, entry: Option<GroupEntry>) {
        if self.reaped.is_some() {
            return;
        }
        if let Some(entry) = &entry {
            let ticks = stat::now_ticks(rustix::param::clock_ticks_per_second());
            GroupEntry::write(entry.0, self.pid, ticks);
        }
        self.entry = entry;
    }

    /// Becomes readable when the process has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Sends a signal to all processes of its group. Does nothing when it is reaped.
    pub fn signal_group(&self, signal: Signal) {
        if self.reaped.is_none() {
            // ESRCH is ignored: the group may have ended before the process is reaped.
            let _ = rustix::process::kill_process_group(self.pid, signal);
        }
    }

    /// Whether it has ended. It is not reaped.
    ///
    /// # Errors
    /// Those of waitid(2).
    pub fn has_ended(&self) -> io::Result<bool> {
        if self.reaped.is_some() { Ok(true) } else { has_ended(self.pid) }
    }

    /// If the process has ended, reaps it. Before that, kills the rest of its group if `leftovers`
    /// says so; those processes end a little later: see [`Process::take_killed`].
    ///
    /// # Errors
    /// Those of waitid(2) and wait(2).
    pub fn try_reap(&mut self, leftovers: Leftovers) -> io::Result<Option<Exit>> {
        if self.reaped.is_none() && has_ended(self.pid)? {
            self.reap(leftovers)?;
        }
        Ok(self.reaped)
    }

    /// Before it is reaped: until then no other group can have its number.
    fn reap(&mut self, leftovers: Leftovers) -> io::Result<()> {
        if leftovers == Leftovers::Kill {
            self.signal_group(Signal::KILL);
        }
        self.entry = None;
        let ticks = stat::now_ticks(rustix::param::clock_ticks_per_second());
        self.reaped = Some(self.child.wait()?.into());
        if leftovers == Leftovers::Kill {
            // From here on the group only shrinks: fork(2) fails in a process with a pending
            // SIGKILL (copy_process() in the kernel checks for signals under the lock that kill(2)
            // takes). A new group with the same number started after `ticks`.
            self.killed = group::running_in(self.pid, ticks);
        }
        Ok(())
    }

    /// Takes the processes of its group that were killed and had not ended when it was reaped.
    pub fn take_killed(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.killed)
    }

    /// Kills the group and waits for all of its processes, so that none runs on a slot that is
    /// granted to another process then.
    pub fn kill(&mut self) {
        if self.reaped.is_none() {
            self.signal_group(Signal::KILL);
            group::wait_for_end(std::slice::from_ref(&self.pidfd), KILLED_WITHIN);
            // Fails only if it is reaped already; then there is nothing to wait for.
            let _ = self.try_reap(Leftovers::Kill);
        }
        group::wait_for_end(&self.killed, KILLED_WITHIN);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether the child is a zombie, without reaping it.
fn has_ended(pid: Pid) -> io::Result<bool> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some())
}

/// Reaps orphans that became our children because we are a subreaper. `is_ours` is true for
/// children that are reaped elsewhere.
pub fn reap_orphans(is_ours: impl Fn(u32) -> bool) {
    use rustix::process::{WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};
    let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // Stops at the first such child, which waitid(2) reports again until it is reaped. The rest
    // follows at the next tick.
    while let Ok(Some(_)) = waitid(WaitId::All, peek) {
        let Some(pid) = first_zombie() else { return };
        if is_ours(pid.as_raw_nonzero().get() as u32) {
            return;
        }
        if waitpid(Some(pid), WaitOptions::NOHANG).is_err() {
            return;
        }
    }
}

/// The child that waitid(2) reports first. (rustix does not return its pid.)
#[expect(
    unsafe_code,
    reason = "waitid(2) with a siginfo_t; si_pid is valid after it reported a child"
)]
fn first_zombie() -> Option<Pid> {
    // SAFETY: `info` is plain data that waitid fills in; zeroed, its si_pid is 0 if there was no
    // child.
    let pid = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        if libc::waitid(libc::P_ALL, 0, &mut info, options) != 0 {
            return None;
        }
        info.si_pid()
    };
    Pid::from_raw(pid)
}

/// Lets the kernel kill the child when our main thread ends, in whatever way, and lets it inherit
/// descriptors.
#[expect(unsafe_code, reason = "pre_exec runs between fork and exec")]
fn prepare_child(
    command: &mut Command,
    owner: Owner,
    inherited: Vec<RawFd>,
    entry: Option<&'static AtomicU64>,
) {
    let parent = rustix::process::getpid();
    let limit = ORIGINAL_FILE_LIMIT.get().copied().filter(|_| owner == Owner::Others);
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let confine = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // If the parent ended between fork and the line above, the signal is never sent.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        // It leads its group already: std calls setpgid(2) before this.
        if let Some(entry) = entry {
            let ticks = stat::now_ticks(ticks_per_second);
            GroupEntry::write(entry, rustix::process::getpid(), ticks);
        }
        if let Some(limit) = limit {
            rustix::process::setrlimit(Resource::Nofile, limit)?;
        }
        for number in &inherited {
            // SAFETY: the caller of `start` keeps the descriptor open until the child is started.
            let descriptor = unsafe { BorrowedFd::borrow_raw(*number) };
            rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: only system calls, no allocation, no locks. (std itself empties the signal mask and
    // resets SIGPIPE; exec removes our handlers.)
    unsafe {
        command.pre_exec(confine);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn run(script: &str) -> Exit {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        let jobs = Jobs { variables: vec![("MAKEFLAGS", " -j3")], descriptors: Vec::new() };
        let mut process = Process::start(&mut command, Owner::Others, &jobs, None).unwrap();
        loop {
            let mut ended =
                [rustix::event::PollFd::new(&process.pidfd, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut ended, None).unwrap();
            if let Some(exit) = process.try_reap(Leftovers::Kill).unwrap() {
                return exit;
            }
        }
    }

    #[test]
    fn exit_is_described_by_code_or_signal() {
        assert_eq!(run("exit 3"), Exit::Code(3));
        assert_eq!(run("kill -SEGV $$"), Exit::Signal(libc::SIGSEGV));
        assert_eq!(run("exit 0").to_string(), "exit status 0");
        assert_eq!(Exit::Signal(11).to_string(), "signal 11, SIGSEGV");
    }

    #[test]
    fn child_leads_its_own_group_and_has_our_jobserver() {
        assert_eq!(run("test \"$(ps -o pgid= -p $$ | tr -d ' ')\" = $$"), Exit::Code(0));
        assert_eq!(run("test \"$MAKEFLAGS$MFLAGS$CARGO_MAKEFLAGS\" = ' -j3'"), Exit::Code(0));
    }

    /// In memory that the child shares.
    fn place() -> &'static AtomicU64 {
        let (access, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        let null = std::ptr::null_mut();
        #[expect(unsafe_code, reason = "mmap(2)")]
        // SAFETY: a new page, all zero, which is never unmapped.
        unsafe {
            let page = libc::mmap(null, size_of::<AtomicU64>(), access, flags, -1, 0);
            assert_ne!(page, libc::MAP_FAILED);
            &*page.cast::<AtomicU64>()
        }
    }

    #[test]
    fn group_entry_holds_a_group_and_when_it_was_made() {
        let place = place();
        let entry = GroupEntry::reserve(place).unwrap();
        assert!(GroupEntry::reserve(place).is_none(), "it is in use");
        assert_eq!(GroupEntry::read(place), None, "there is no group yet");
        let largest = Pid::from_raw((1 << PID_BITS) - 1).unwrap();
        for (group, ticks) in [(Pid::INIT, 0), (largest, 1), (largest, (1 << 42) - 2)] {
            GroupEntry::write(place, group, ticks);
            assert_eq!(GroupEntry::read(place), Some((group, ticks)));
        }
        drop(entry);
        assert_eq!(GroupEntry::read(place), None);
        assert!(GroupEntry::reserve(place).is_some());
    }

    #[test]
    fn group_entry_is_empty_when_the_program_cannot_be_started() {
        let place = place();
        let mut command = Command::new("/no/such/program");
        let entry = GroupEntry::reserve(place);
        assert!(Process::start(&mut command, Owner::Us, &Jobs::default(), entry).is_err());
        assert!(GroupEntry::reserve(place).is_some());
    }

    /// The entry is read continuously, and never has a group that does not exist.
    #[test]
    fn group_entry_is_there_before_the_program_and_gone_before_the_process() {
        use std::io::Read;
        use std::sync::Arc;
        use std::sync::atomic::AtomicBool;
        let (place, is_over) = (place(), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&is_over);
        let reader = std::thread::spawn(move || {
            let mut stale = 0;
            while !told.load(Ordering::Acquire) {
                let Some((group, _)) = GroupEntry::read(place) else { continue };
                let exists = rustix::process::test_kill_process_group(group).is_ok();
                let is_the_same = GroupEntry::read(place).is_some_and(|(now, _)| now == group);
                stale += u32::from(!exists && is_the_same);
            }
            stale
        });
        for _ in 0..100 {
            let mut command = Command::new("sh");
            command.args(["-c", "echo"]).stdin(Stdio::null()).stdout(Stdio::piped());
            let entry = GroupEntry::reserve(place);
            assert!(entry.is_some());
            let jobs = Jobs::default();
            let mut process = Process::start(&mut command, Owner::Us, &jobs, entry).unwrap();
            process.child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
            assert_eq!(GroupEntry::read(place).map(|(group, _)| group), Some(process.pid));
            while process.try_reap(Leftovers::Kill).unwrap().is_none() {
                std::thread::yield_now();
            }
            assert_eq!(GroupEntry::read(place), None);
        }
        is_over.store(true, Ordering::Release);
        assert_eq!(reader.join().unwrap(), 0);
    }

    /// They are recorded when they are killed, however late `take_killed` is called.
    #[test]
    fn killed_processes_of_a_group_are_returned_as_descriptors() {
        use std::io::Read;
        let mut command = Command::new("sh");
        let script = "sleep 1000 & sleep 1000 & echo";
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command, Owner::Us, &Jobs::default(), None).unwrap();
        process.child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        while process.try_reap(Leftovers::Kill).unwrap().is_none() {
            std::thread::yield_now();
        }
        let killed = process.take_killed();
        assert!(killed.len() <= 2);
        group::wait_for_end(&killed, Duration::from_secs(3600));
        assert!(killed.iter().all(group::has_ended));
        assert!(process.take_killed().is_empty());
    }

    #[test]
    fn dropped_child_is_killed_with_its_group() {
        use std::io::Read;
        let mut command = Command::new("sh");
        // The grandchild holds the pipe open: end of file follows only when it is dead too.
        command
            .args(["-c", "sleep 1000 & echo started; wait"])
            .stdout(Stdio::piped())
            .stdin(Stdio::null());
        let mut process = Process::start(&mut command, Owner::Us, &Jobs::default(), None).unwrap();
        let mut output = process.child.stdout.take().unwrap();
        let mut started = [0; 8];
        output.read_exact(&mut started).unwrap();
        drop(process);
        let mut rest = Vec::new();
        output.read_to_end(&mut rest).unwrap();
        assert_eq!((&started[..], &rest[..]), (&b"started\n"[..], &b""[..]));
    }
}
