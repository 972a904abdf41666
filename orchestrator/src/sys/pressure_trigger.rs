//! The kernel tells when memory gets short, without being asked again and again (PSI triggers,
//! <https://docs.kernel.org/accounting/psi.html>). Knows nothing of what is done then.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};

/// Some task has waited for memory for so long, microseconds, of a window. Without privileges a window
/// is a multiple of two seconds.
const TRIGGER: &[u8] = b"some 150000 2000000\0";

#[derive(Debug)]
pub struct PressureTrigger(OwnedFd);

impl PressureTrigger {
    /// `None`: the kernel has no PSI, or does not let us.
    pub fn set() -> Option<PressureTrigger> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(CWD, "/proc/pressure/memory", flags, Mode::empty()).ok()?;
        let written = rustix::io::write(&file, TRIGGER).ok()?;
        (written == TRIGGER.len()).then_some(PressureTrigger(file))
    }

    /// Has an event of priority when memory gets short.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
