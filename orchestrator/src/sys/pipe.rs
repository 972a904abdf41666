//! Our ends of the pipes to children: never blocking. O_NONBLOCK is set on our own end only, each
//! end has its own flag.

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;

/// Sets O_NONBLOCK on the open file description.
///
/// # Errors
/// Those of ioctl(2).
pub(crate) fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}

/// Bytes that are read in one go. More than a pipe holds, so after the end of its writers one go
/// takes all.
const ONE_GO: usize = 1 << 20;

/// Hands what can be read now to `sink`. That the pipe has ended is not told: what matters is the
/// end of the process.
///
/// Returns whether there may be more, of which an edge-triggered poll does not tell again: the
/// caller comes back to it after it has looked at everything else, because a child may write as
/// fast as we read, and for ever.
///
/// # Errors
/// Those of read(2), except EAGAIN and EINTR.
pub(crate) fn read_available(fd: impl AsFd, mut sink: impl FnMut(&[u8])) -> io::Result<bool> {
    // Messages are short and many, and the buffer is cleared for each.
    let mut buffer = [0; 8 * 1024];
    let mut left = ONE_GO;
    loop {
        match rustix::io::read(&fd, &mut buffer) {
            Ok(0) | Err(Errno::AGAIN) => return Ok(false),
            Ok(n) => {
                sink(&buffer[..n]);
                // The pipe is empty now, and what comes later wakes an edge-triggered poll again:
                // see epoll(7).
                if n < buffer.len() {
                    return Ok(false);
                }
                left = left.saturating_sub(n);
                if left == 0 {
                    return Ok(true);
                }
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes what the pipe takes, and keeps the rest for when it takes more.
#[derive(Debug)]
pub(crate) struct Outgoing {
    fd: Option<OwnedFd>,
    unwritten: VecDeque<u8>,
}

impl Outgoing {
    /// Takes the write end of a pipe, and makes it non-blocking.
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Outgoing> {
        set_nonblocking(&fd)?;
        Ok(Outgoing { fd: Some(fd), unwritten: VecDeque::new() })
    }

    pub(crate) fn fd(&self) -> Option<&OwnedFd> {
        self.fd.as_ref()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.unwritten.extend(bytes);
        self.flush();
    }

    /// Writes what can be written. A reader that is gone is no error here: its end is noticed by
    /// other means.
    pub(crate) fn flush(&mut self) {
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
    pub(crate) fn close(&mut self) {
        self.fd = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_writer_without_end_does_not_keep_the_reader() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        set_nonblocking(&reader).unwrap();
        // Ends when the reader is gone.
        let endless =
            std::thread::spawn(move || while writer.write_all(&[b'y'; 64 * 1024]).is_ok() {});
        let (mut read, mut more) = (0, false);
        while !more {
            more = read_available(&reader, |bytes| read += bytes.len()).unwrap();
        }
        assert!(read >= ONE_GO);
        drop(reader);
        endless.join().unwrap();
    }
}
