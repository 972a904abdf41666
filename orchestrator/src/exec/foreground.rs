//! Runs a program in the foreground (`tender run`, `tender exec`): it gets the terminal and the
//! signals that reach us, and `tender` ends as the program does. Under `exec` it also has job
//! slots.

use super::guest::Guest;
use crate::host::EngineError;
use crate::host::error::{jobserver_error, system};
use crate::sys::clock::now_us;
use crate::sys::process::{
    Exit, Jobs, Leftovers, Owner, Process, prepare_this_process, reap_orphans,
};
use crate::sys::signals::{Signals, named, stop_this_process};
use crate::sys::watch::Watch;
use mio::Interest;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use rustix::termios::{isatty, tcgetpgrp, tcsetpgrp};
use signal_hook::consts::{SIGCONT, SIGTSTP};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

/// How often to check whether the child has stopped: a stop makes no descriptor readable.
const TICK: Duration = Duration::from_millis(100);

/// Why a program could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{0}")]
    Start(#[source] io::Error),
    #[error("{0}")]
    Host(#[from] EngineError),
    #[error("signal {0} came before the program was started")]
    Interrupted(i32),
}

/// Prepares this process for a program that runs in its place. From here on signals are queued
/// until they are read.
///
/// # Errors
/// The system does not let us.
pub fn prepare() -> Result<Signals, EngineError> {
    prepare_this_process().map_err(system("prepare for a child process"))?;
    Signals::take_over().map_err(system("take over signals"))
}

/// Runs the program and waits for its end. To be called from the main thread only, see
/// `sys::process`. The program inherits the standard streams.
///
/// On a terminal its group gets the foreground, and we take it back. SIGINT, SIGTERM and SIGHUP
/// that reach us are passed on; if it stops (Ctrl-Z) we stop too, and continue it when we are
/// continued.
///
/// A `guest` has its slots already. It handles its tokens while the program runs.
///
/// # Errors
/// [`RunError::Start`]: the program cannot be started. [`RunError::Host`]: the system or the
/// jobserver fails.
pub fn run_foreground(
    mut command: Command,
    mut signals: Signals,
    mut guest: Option<&mut Guest<'_>>,
) -> Result<Exit, RunError> {
    let terminal = ControllingTerminal::controlling();
    let entry = guest.as_mut().map(|guest| guest.group_entry()).transpose()?.flatten();
    let jobs = guest.as_ref().map_or_else(Jobs::default, |guest| guest.jobs());
    let mut process =
        Process::start(&mut command, Owner::Others, &jobs, entry).map_err(RunError::Start)?;
    drop(jobs);
    if let Some(guest) = &mut guest {
        guest.started();
    }
    let group = Pid::from_child(&process.child);
    let had_foreground = terminal.as_ref().is_some_and(ControllingTerminal::is_ours);
    if had_foreground {
        give(&terminal, group);
        // If it read from the terminal before it had the foreground, it is stopped.
        process.signal_group(Signal::CONT);
    }
    let mut watch = Watch::new().map_err(system("create an epoll instance"))?;
    let watched = [process.pidfd(), signals.as_fd()];
    for fd in watched {
        watch.add(fd, Interest::READABLE, ()).map_err(system("watch a program"))?;
    }
    for fd in guest.iter().flat_map(|guest| guest.watched()) {
        watch.add(fd, Interest::READABLE, ()).map_err(system("watch a FIFO"))?;
    }
    let exit = loop {
        let mut timeout = TICK;
        if let Some(guest) = &mut guest
            && let Some(deadline_us) = guest.round(now_us()).map_err(jobserver_error)?
        {
            timeout = timeout.min(deadline_us.saturating_sub(now_us()).duration());
        }
        watch.wait(timeout).map_err(system("wait for a program"))?;
        // Survivors of a program under `exec` keep running, as under a shell.
        let leftovers = if guest.is_some() { Leftovers::Leave } else { Leftovers::Kill };
        if let Some(exit) = process.try_reap(leftovers).map_err(system("wait for a program"))? {
            break exit;
        }
        let watchdog = guest.as_ref().and_then(|guest| guest.watchdog());
        reap_orphans(|pid| pid == process.pid() || Some(pid) == watchdog);
        for signal in signals.pending() {
            match signal {
                SIGCONT => process.signal_group(Signal::CONT),
                SIGTSTP => process.signal_group(Signal::TSTP),
                other => {
                    if let Some(guest) = &mut guest {
                        guest.interrupted();
                    }
                    process.signal_group(named(other));
                    process.signal_group(Signal::CONT);
                }
            }
        }
        if has_stopped(group).map_err(system("look at a program"))? {
            if had_foreground {
                give(&terminal, rustix::process::getpgrp());
            }
            stop_this_process();
            // `fg` gave us the terminal; `bg` did not, and then the child runs without it too.
            if terminal.as_ref().is_some_and(ControllingTerminal::is_ours) {
                give(&terminal, group);
            }
            process.signal_group(Signal::CONT);
        }
    };
    if had_foreground {
        give(&terminal, rustix::process::getpgrp());
    }
    Ok(exit)
}

/// Whether the child has stopped since the last call.
fn has_stopped(pid: Pid) -> io::Result<bool> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    match waitid(WaitId::Pid(pid), options) {
        Ok(status) => Ok(status.is_some_and(|status| status.stopped())),
        // ECHILD: it has just ended, and waitid(2) without WEXITED does not find it.
        Err(Errno::CHILD) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

struct ControllingTerminal(File);

impl ControllingTerminal {
    /// The terminal that controls this process, if standard input, output or error is on one.
    fn controlling() -> Option<ControllingTerminal> {
        let on_terminal = isatty(io::stdin()) || isatty(io::stdout()) || isatty(io::stderr());
        if !on_terminal {
            return None;
        }
        File::options().read(true).write(true).open("/dev/tty").ok().map(ControllingTerminal)
    }

    fn is_ours(&self) -> bool {
        tcgetpgrp(self.0.as_fd()).is_ok_and(|group| group == rustix::process::getpgrp())
    }
}

/// Makes `group` the foreground. A failure leaves the terminal as it is: the program then runs in
/// the background.
fn give(terminal: &Option<ControllingTerminal>, group: Pid) {
    let Some(ControllingTerminal(file)) = terminal else { return };
    // A process in the background that changes the foreground is sent SIGTTOU, which would stop us,
    // unless it is blocked.
    with_sigttou_blocked(|| {
        let _ = tcsetpgrp(file.as_fd(), group);
    });
}

#[expect(unsafe_code, reason = "changes the signal mask of this thread and puts it back")]
fn with_sigttou_blocked(change: impl FnOnce()) {
    // SAFETY: the sets are plain data, initialised by sigemptyset and pthread_sigmask.
    unsafe {
        let mut block: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut block);
        libc::sigaddset(&mut block, libc::SIGTTOU);
        libc::pthread_sigmask(libc::SIG_BLOCK, &block, &mut before);
        change();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{WaitOptions, kill_process, waitpid};

    #[test]
    fn child_that_ends_has_not_stopped() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert!(!has_stopped(pid).unwrap());
        kill_process(pid, Signal::STOP).unwrap();
        while !has_stopped(pid).unwrap() {
            std::thread::yield_now();
        }
        assert!(!has_stopped(pid).unwrap(), "that is told once");
        kill_process(pid, Signal::KILL).unwrap();
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        assert!(!has_stopped(pid).unwrap(), "a zombie");
        child.wait().unwrap();
        assert!(waitpid(Some(pid), WaitOptions::NOHANG).is_err());
    }
}
