//! Our ends of the pipes to children: never blocking. O_NONBLOCK is set on our own end only, each end has its own flag.

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;

pub(super) fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}

/// Hands what can be read now to `sink`. That the pipe has ended is not told: what matters is the end of the process.
pub(super) fn read_available(fd: impl AsFd, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
    // Messages are short and many, and the buffer is cleared for each.
    let mut buffer = [0; 8 * 1024];
    loop {
        match rustix::io::read(&fd, &mut buffer) {
            Ok(0) | Err(Errno::AGAIN) => return Ok(()),
            Ok(n) => {
                sink(&buffer[..n]);
                // The pipe is empty now, and what comes later wakes an edge-triggered poll again: see epoll(7).
                if n < buffer.len() {
                    return Ok(());
                }
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes what the pipe takes, and keeps the rest for when it takes more.
#[derive(Debug)]
pub(super) struct Outgoing {
    fd: Option<OwnedFd>,
    unwritten: VecDeque<u8>,
}

impl Outgoing {
    pub(super) fn new(fd: OwnedFd) -> io::Result<Outgoing> {
        set_nonblocking(&fd)?;
        Ok(Outgoing { fd: Some(fd), unwritten: VecDeque::new() })
    }

    pub(super) fn fd(&self) -> Option<&OwnedFd> {
        self.fd.as_ref()
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.unwritten.extend(bytes);
        self.flush();
    }

    /// Writes what can be written. A reader that is gone is no error here: its end is noticed by other means.
    pub(super) fn flush(&mut self) {
        let Some(fd) = &self.fd else { return };
        while !self.unwritten.is_empty() {
            match rustix::io::write(fd, self.unwritten.as_slices().0) {
                Ok(n) => drop(self.unwritten.drain(..n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.unwritten.clear();
                    return;
                }
            }
        }
    }

    /// The other side sees the end of its input.
    pub(super) fn close(&mut self) {
        self.fd = None;
    }
}
