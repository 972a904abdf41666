//! Resets signals that the tests inherited as ignored. Knows no programs.
//!
//! Children inherit ignored signals (signal(7)): in a script, `nohup make test &` ignores SIGHUP,
//! SIGINT and SIGQUIT. `tender`, its worker and shells do not handle a signal that was ignored when
//! they started, so tests that send it would fail.

#![expect(unsafe_code, reason = "a disposition is set by signal(2)")]

use std::ffi::c_int;
use std::os::unix::process::CommandExt;
use std::process::Command;

const HANDED_DOWN: [c_int; 3] = [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP];

/// Makes `command` start with the default dispositions.
pub(crate) fn reset_in(command: &mut Command) {
    // SAFETY: signal(2) is async-signal-safe; no allocation, no locks.
    unsafe {
        command.pre_exec(|| {
            reset();
            Ok(())
        });
    }
}

/// Restores the default dispositions in this process, for a test that sends signals to itself. To
/// be called before handlers are installed.
pub fn reset() {
    for signal in HANDED_DOWN {
        // SAFETY: the default disposition calls no code.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
