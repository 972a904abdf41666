//! The channel to the orchestrator. It is moved away from descriptors 0 and 1, so that no other
//! code in the process writes to it.
#![expect(unsafe_code, reason = "descriptors 0 and 1 have no owner until they get one here")]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The original standard input and output, on other, close-on-exec descriptors.
pub struct Channel {
    pub input: File,
    pub output: File,
}

/// Takes the channel. Afterwards standard input is empty and standard output goes to standard
/// error, so output of LLVM, clang or a linker disturbs no message.
///
/// Call it once, before anything uses standard input or output.
///
/// # Errors
/// A descriptor cannot be duplicated, or /dev/null cannot be opened.
pub fn take() -> io::Result<Channel> {
    // SAFETY: both descriptors are open for the whole call; nothing here closes them.
    let (stdin, stdout) = unsafe { (BorrowedFd::borrow_raw(0), BorrowedFd::borrow_raw(1)) };
    let input = private(stdin)?;
    let output = private(stdout)?;
    let null = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(null.as_fd())?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(Channel { input: File::from(input), output: File::from(output) })
}

/// A duplicate above the standard descriptors, closed on exec.
fn private(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, 3)?)
}

/// Ends the process without running destructors, which would race with other threads. The caller
/// has written all output.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: _exit ends the process; nothing after it can be unsound.
    unsafe { libc::_exit(i32::from(code)) }
}
