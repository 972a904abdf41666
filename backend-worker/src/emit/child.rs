//! What holds of each program that the worker starts: it dies with the worker, and inherits what it
//! is told to. Knows no links.
#![expect(unsafe_code, reason = "only pre_exec runs in the child before its program")]

use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has the child killed when the thread that starts it ends, which has to wait for it, and lets it
/// inherit descriptors, which have to stay open until it has been started.
pub(super) fn bind(command: &mut Command, inherited: Vec<RawFd>) {
    bind_to(command, getpid(), inherited);
}

fn bind_to(command: &mut Command, parent: Pid, inherited: Vec<RawFd>) {
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The signal is sent when the parent ends (PR_SET_PDEATHSIG(2const)). If that was between
        // fork and the line above, nobody sends it any more.
        if getppid() != Some(parent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        for number in &inherited {
            // SAFETY: see `bind`.
            let descriptor = unsafe { BorrowedFd::borrow_raw(*number) };
            rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: only system calls: no allocation, no locks.
    unsafe { command.pre_exec(prepare) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn child_of_another_parent_does_not_run_its_program() {
        let mut command = Command::new("true");
        bind(&mut command, Vec::new());
        assert!(command.status().unwrap().success());

        // As it is to a child whose parent has ended before it could ask to be told.
        let mut command = Command::new("true");
        bind_to(&mut command, Pid::INIT, Vec::new());
        assert_eq!(command.status().unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }
}
