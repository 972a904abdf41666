//! The signals that end a plan run by hand, as a stream: handlers only write a byte, everything
//! else is the coordinator's.
//!
//! A worker that runs a plan by hand has no orchestrator above it. So at a signal the coordinator
//! itself kills the linkers, removes half-written files (`emit::abandon`) and returns its tokens,
//! and then dies by the signal. An error on which LLVM calls abort(3) is treated the same.

use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long what is to be put right may take after a signal: it may be that nobody reads our
/// standard error, and then the coordinator does not get to it.
const GRACE: Duration = Duration::from_secs(10);

static ARE_TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes over SIGINT, SIGTERM and SIGHUP, but none that we were started to ignore, as by `nohup`;
/// and SIGABRT, see [`abort`]. Whoever gets a signal from the stream has to end the process by it,
/// which this does itself if it is asked for another.
///
/// # Errors
/// The system has no descriptor for us.
pub fn take_over() -> std::io::Result<impl Iterator<Item = i32> + Send + 'static> {
    let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    let wanted =
        [SIGINT, SIGTERM, SIGHUP, SIGABRT].into_iter().filter(|s| ignored & (1 << (s - 1)) == 0);
    let mut signals = Signals::new(wanted)?;
    ARE_TAKEN.store(true, Ordering::Relaxed);
    let mut first = None;
    Ok(std::iter::from_fn(move || {
        if let Some(signal) = first {
            std::thread::sleep(GRACE);
            die_by(signal);
        }
        first = signals.forever().next();
        first
    }))
}

/// Ends this process by `signal`, so that make and shells see what happened. To be called last,
/// after all is put right.
pub fn die_by(signal: i32) -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    // Only if the signal does not end a process.
    tender_worker::channel::exit_now(128u8.wrapping_add(signal as u8))
}

/// To be called where abort(3) is about to be, on a thread that cannot go on. If the signals are
/// taken over, the coordinator puts everything right first, and this does not return.
pub fn abort() {
    if ARE_TAKEN.load(Ordering::Relaxed) && signal_hook::low_level::raise(SIGABRT).is_ok() {
        loop {
            std::thread::park();
        }
    }
}

/// The set of signals that are ignored, by proc_pid_status(5): bit N - 1 for signal N.
fn ignored(status: &str) -> u64 {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ignored_set_is_read() {
        assert_eq!(ignored("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\tff\n"), 0x1001);
        assert_eq!(ignored(""), 0);
    }
}
