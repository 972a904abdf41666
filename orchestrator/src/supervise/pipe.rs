//! Our ends of the pipes to children: never blocking. O_NONBLOCK is set on our own end only, each end has its own flag.

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;

pub(super) fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}

/// Hands what can be read now to `sink`. Returns whether the pipe has ended.
pub(super) fn read_available(fd: impl AsFd, mut sink: impl FnMut(&[u8])) -> io::Result<bool> {
    let mut buffer = [0; 64 * 1024];
    loop {
        match rustix::io::read(&fd, &mut buffer) {
            Ok(0) => return Ok(true),
            Ok(n) => sink(&buffer[..n]),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(false),
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
