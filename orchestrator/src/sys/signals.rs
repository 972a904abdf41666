//! The signals that this process receives, as a stream that its loop polls. The handlers only write
//! a byte.

use rustix::process::Signal;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

pub struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
}

impl Signals {
    /// Handles SIGINT, SIGTERM, SIGHUP, SIGTSTP and SIGCONT, except those that were ignored when
    /// this process started: `nohup` and shells with background jobs rely on that.
    ///
    /// # Errors
    /// No socket pair can be made, or a handler cannot be installed.
    pub fn take_over() -> io::Result<Signals> {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        let wanted =
            [SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT].into_iter().filter(|s| !is_ignored(*s));
        let wanted: Vec<i32> = wanted.collect();
        Ok(Signals { delivery: SignalDelivery::with_pipe(read, write, SignalOnly, wanted)? })
    }

    /// Becomes readable when a signal has arrived.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }

    pub fn pending(&mut self) -> Vec<i32> {
        self.delivery.pending().collect()
    }
}

#[expect(unsafe_code, reason = "asks for the disposition of a signal")]
fn is_ignored(signal: i32) -> bool {
    // SAFETY: with a null new action sigaction only fills `old`, which is plain data.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut old) == 0
            && old.sa_sigaction == libc::SIG_IGN
    }
}

pub(crate) fn named(signal: i32) -> Signal {
    match signal {
        SIGHUP => Signal::HUP,
        SIGINT => Signal::INT,
        SIGTSTP => Signal::TSTP,
        SIGCONT => Signal::CONT,
        _ => Signal::TERM,
    }
}

/// Stops this process as Ctrl-Z does. Returns when it is continued.
pub(crate) fn stop_this_process() {
    // Fails only for signals that do not exist.
    let _ = signal_hook::low_level::emulate_default_handler(SIGTSTP);
}

/// Ends this process by `signal`, so that make and shells see the cause. To be called after all
/// clean-up.
#[expect(clippy::disallowed_methods, reason = "the last thing that this process does")]
pub fn die_by(signal: i32) -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    // Reached only if the signal does not end a process.
    std::process::exit(128 + signal)
}
