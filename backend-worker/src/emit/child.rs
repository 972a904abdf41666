//! Prepares each child process of the worker: it is killed when the worker ends, and it inherits the
//! descriptors that it needs. Knows no links.
#![expect(unsafe_code, reason = "only pre_exec runs in the child before its program")]

use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets the kernel kill the child when the thread that starts it ends, so that thread must wait for
/// the child. The child inherits the descriptors, which must stay open until it has been started.
pub(super) fn bind(command: &mut Command, inherited: Vec<RawFd>) {
    bind_to(command, getpid(), inherited);
}

fn bind_to(command: &mut Command, parent: Pid, inherited: Vec<RawFd>) {
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The kernel sends the signal when the parent ends (PR_SET_PDEATHSIG(2const)). If the
        // parent ended between fork and the line above, the signal never comes.
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

        // The child's parent ended before the child asked for the signal.
        let mut command = Command::new("true");
        bind_to(&mut command, Pid::INIT, Vec::new());
        assert_eq!(command.status().unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }
}
