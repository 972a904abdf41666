//! Our ends of the pipes to children, which never block. Each end has its own O_NONBLOCK, so the
//! child's end blocks as usual.

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

/// Bytes in one read. More than a pipe holds, so when all writers have closed it, one read takes
/// everything.
const ONE_GO: usize = 1 << 20;

/// Passes what can be read now to `sink`. Does not report the end of the pipe: the end of the
/// process is what counts.
///
/// Returns whether there may be more, which an edge-triggered poll does not report again. The
/// caller reads again after all other sources, because a child may write as fast as we read, and
/// for ever.
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
                // The pipe is empty now, so later bytes wake an edge-triggered poll again: see
                // epoll(7).
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

/// Writes as much as fits into the pipe, and keeps the rest until there is room.
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

    /// Writes what fits now. EPIPE is ignored: the pidfd of the reader reports its end.
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

    /// Closes the pipe: the reader gets end of file.
    pub(crate) fn close(&mut self) {
        self.fd = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn pipe_reader_returns_if_the_writer_never_stops() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        set_nonblocking(&reader).unwrap();
        // Ends when the reader has closed the pipe.
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
