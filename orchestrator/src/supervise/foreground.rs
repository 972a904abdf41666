//! A program that stands in our place for a while (`tender run`): it gets the terminal, our signals, and the last word.

use super::process::{Exit, Owner, Process, prepare_this_process, reap_orphans};
use super::signals::{Signals, named, stop_this_process};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use rustix::termios::{isatty, tcgetpgrp, tcsetpgrp};
use signal_hook::consts::{SIGCONT, SIGTSTP};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::Command;

/// A program to run in the foreground. Standard streams are passed on.
#[derive(Debug)]
pub struct Foreground {
    pub command: Command,
    /// The jobserver variables that it gets in place of ours, if any.
    pub job_env: Vec<(String, String)>,
}

/// Runs the program and waits for its end. From the main thread only, see `process`.
///
/// On a terminal its group gets the foreground, and we take it back. SIGINT, SIGTERM and SIGHUP that reach us are passed on;
/// if it stops (Ctrl-Z) we stop too, and continue it when we are continued. Errors are those of starting and waiting.
pub fn run_foreground(program: Foreground) -> io::Result<Exit> {
    prepare_this_process()?;
    let mut signals = Signals::take_over()?;
    let terminal = Terminal::controlling();
    let Foreground { mut command, job_env } = program;
    let mut process = Process::start(&mut command, Owner::Others, job_env)?;
    let group = Pid::from_child(&process.child);
    let had_foreground = terminal.as_ref().is_some_and(Terminal::is_ours);
    if had_foreground {
        give(&terminal, group);
        // If it read from the terminal before it had the foreground, it is stopped.
        process.signal_group(Signal::CONT);
    }
    let exit = loop {
        {
            let mut awaited = [
                PollFd::from_borrowed_fd(process.pidfd(), PollFlags::IN),
                PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
            ];
            // A child that stops wakes no descriptor, so it is looked for ten times a second.
            let tick = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            match rustix::event::poll(&mut awaited, Some(&tick)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(exit) = process.try_reap()? {
            break exit;
        }
        reap_orphans(|pid| pid == process.pid());
        for signal in signals.pending() {
            match signal {
                SIGCONT => process.signal_group(Signal::CONT),
                SIGTSTP => process.signal_group(Signal::TSTP),
                other => {
                    process.signal_group(named(other));
                    process.signal_group(Signal::CONT);
                }
            }
        }
        if has_stopped(group)? {
            if had_foreground {
                give(&terminal, rustix::process::getpgrp());
            }
            stop_this_process();
            // `fg` gave us the terminal; `bg` did not, and then the child runs without it too.
            if terminal.as_ref().is_some_and(Terminal::is_ours) {
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

/// Whether the child has stopped since we last asked.
fn has_stopped(pid: Pid) -> io::Result<bool> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some_and(|status| status.stopped()))
}

struct Terminal(File);

impl Terminal {
    /// The terminal that controls this process, if standard input, output or error is on one.
    fn controlling() -> Option<Terminal> {
        let on_terminal = isatty(io::stdin()) || isatty(io::stdout()) || isatty(io::stderr());
        if !on_terminal {
            return None;
        }
        File::options().read(true).write(true).open("/dev/tty").ok().map(Terminal)
    }

    fn is_ours(&self) -> bool {
        tcgetpgrp(self.0.as_fd()).is_ok_and(|group| group == rustix::process::getpgrp())
    }
}

/// Makes `group` the foreground. A failure leaves the terminal as it is: the program then runs in the background.
fn give(terminal: &Option<Terminal>, group: Pid) {
    let Some(Terminal(file)) = terminal else { return };
    // A process in the background that changes the foreground is sent SIGTTOU, which would stop us, unless it is blocked.
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
