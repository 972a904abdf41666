//! Signals that the programs under test were started to ignore. Knows no programs.
//!
//! What a process ignores its children ignore as well (signal(7)): `nohup make test &` in a script
//! hands down SIGHUP, SIGINT and SIGQUIT so. `tender`, its worker and every shell leave a signal
//! alone that they were started to ignore, so that tests that send it would fail.

#![expect(unsafe_code, reason = "a disposition is set by signal(2)")]

use std::ffi::c_int;
use std::os::unix::process::CommandExt;
use std::process::Command;

const HANDED_DOWN: [c_int; 3] = [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP];

/// Has `command` start with the default dispositions.
pub(crate) fn reset_in(command: &mut Command) {
    // SAFETY: signal(2) is async-signal-safe; no allocation, no locks.
    unsafe {
        command.pre_exec(|| {
            reset();
            Ok(())
        });
    }
}

/// Gives this process the default dispositions, for a test that sends signals to itself. To be
/// called before anything takes signals over.
pub fn reset() {
    for signal in HANDED_DOWN {
        // SAFETY: the default disposition calls nothing of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
