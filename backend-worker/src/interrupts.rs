//! The signals that end a plan run by hand, as an iterator. The handlers only write a byte; the
//! coordinator does the rest.
//!
//! A worker that runs a plan by hand has no orchestrator above it. So at a signal the coordinator
//! itself kills the linkers, removes half-written files (`emit::abandon`) and returns its tokens,
//! and then dies by the signal. An error on which LLVM calls abort(3) is treated the same.

use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the coordinator may take to end the plan after a signal. It may block forever if
/// nothing reads our standard error.
const GRACE: Duration = Duration::from_secs(10);

static HANDLERS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// Installs handlers for SIGINT, SIGTERM and SIGHUP, except those that are ignored from the start,
/// as under `nohup`, and for SIGABRT; see [`abort`]. The receiver of a signal has to end the
/// process by it. The iterator does that itself, after [`GRACE`], if it is asked for a further
/// signal.
///
/// # Errors
/// The handlers or their pipe cannot be installed.
pub fn install() -> std::io::Result<impl Iterator<Item = i32> + Send + 'static> {
    let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    let wanted =
        [SIGINT, SIGTERM, SIGHUP, SIGABRT].into_iter().filter(|s| ignored & (1 << (s - 1)) == 0);
    let mut signals = Signals::new(wanted)?;
    HANDLERS_INSTALLED.store(true, Ordering::Relaxed);
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

/// Ends this process by `signal`, so that make and shells see it. Call it last, after the clean-up.
pub fn die_by(signal: i32) -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    // Reached only if the signal does not end a process.
    tender_worker::channel::exit_now(128u8.wrapping_add(signal as u8))
}

/// Call it before abort(3). If the handlers are installed, the coordinator cleans up and ends the
/// process, and this does not return.
pub fn abort() {
    if HANDLERS_INSTALLED.load(Ordering::Relaxed) && signal_hook::low_level::raise(SIGABRT).is_ok()
    {
        loop {
            std::thread::park();
        }
    }
}

/// The set of ignored signals in proc_pid_status(5): bit N - 1 for signal N.
fn ignored(status: &str) -> u64 {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_parse_the_ignored_set() {
        assert_eq!(ignored("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\tff\n"), 0x1001);
        assert_eq!(ignored(""), 0);
    }
}
