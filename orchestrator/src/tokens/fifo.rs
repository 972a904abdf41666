//! The FIFO that one child reads its tokens from.
//!
//! A FIFO per child, and not one for all, because a byte has no owner: what was put into this FIFO and is neither in it
//! nor taken back is held by this child or lost with it.
//!
//! The FIFO is one page long. Then it becomes writable at the moment when the last byte is taken, which will tell when an
//! offer to a foreign child is accepted, and a thousand children do not use up the user's share of pipe memory. The price
//! is a trap: the kernel fills the page from front to back and starts again only when it was empty, so after 4096 bytes
//! written in all it refuses more although a single one is unread. `put` then empties it first.

use super::port::{Port, Ports};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use rustix::io::{Errno, ioctl_fionread, read, write};
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What a token looks like. Clients may return another byte (GNU make writes `+` whatever it read), so it means nothing.
const TOKEN: u8 = b'+';

/// Bytes. Kernels with larger pages round up.
const PIPE_SIZE: usize = 4096;

/// The private directory that the FIFOs lie in; it goes when this is dropped.
#[derive(Debug)]
pub struct Fifos {
    directory: TempDir,
    made: u32,
}

impl Fifos {
    /// Makes the directory in the first of `places` that can hold one, for the caller's user alone.
    ///
    /// A place is passed over if its path has a blank or is not UTF-8, because every client splits MAKEFLAGS at blanks, or
    /// if its file system has no FIFOs. Errors with what went wrong in the last place.
    pub fn new(places: impl IntoIterator<Item = PathBuf>) -> io::Result<Fifos> {
        let mut why = io::Error::new(io::ErrorKind::NotFound, "no place for the jobserver's FIFOs");
        for place in places {
            match Fifos::in_place(&place) {
                Ok(fifos) => return Ok(fifos),
                Err(error) => {
                    why = io::Error::new(error.kind(), format!("{}: {error}", place.display()));
                }
            }
        }
        Err(why)
    }

    /// The runtime directory of the user, which needs no disk, else the system's temporary directory, else `state_dir`.
    pub fn usual_places(runtime_dir: Option<PathBuf>, state_dir: PathBuf) -> Vec<PathBuf> {
        runtime_dir.into_iter().chain([std::env::temp_dir(), state_dir]).collect()
    }

    fn in_place(place: &Path) -> io::Result<Fifos> {
        let clean = place.to_str().is_some_and(|path| !path.contains(char::is_whitespace));
        if !clean || !place.is_absolute() {
            let why = "a jobserver's path must be absolute, of UTF-8, and without blanks";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        // Mode 0700.
        let directory = tempfile::Builder::new().prefix("tender-jobs-").tempdir_in(place)?;
        let mut fifos = Fifos { directory, made: 0 };
        fifos.make().map(|_probe| fifos)
    }
}

impl Ports for Fifos {
    type Port = Fifo;

    fn make(&mut self) -> io::Result<Fifo> {
        let path = self.directory.path().join(self.made.to_string());
        self.made += 1;
        Fifo::create(path)
    }
}

/// One FIFO, removed when it is dropped. As a descriptor it is edge-triggered for input whenever the child returns a byte,
/// and also when we put some.
#[derive(Debug)]
pub struct Fifo {
    path: PathBuf,
    auth: String,
    ends: OwnedFd,
    /// Bytes.
    capacity: u32,
    /// Bytes that were read to empty the page and did not fit again. Never seen unless the child writes at that moment.
    set_aside: u32,
}

impl Fifo {
    fn create(path: PathBuf) -> io::Result<Fifo> {
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR)?;
        // Both ends, so that opening does not wait for the child and no reader ever sees the end of file. O_NONBLOCK
        // belongs to this description alone: the child opens its own.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let ends = open(&path, flags, Mode::empty()).inspect_err(|_| remove(&path))?;
        // A FIFO of the usual size works as well; it only costs more memory.
        let capacity = fcntl_setpipe_size(&ends, PIPE_SIZE).or_else(|_| fcntl_getpipe_size(&ends));
        let auth = format!("fifo:{}", path.display());
        Ok(Fifo { path, auth, ends, capacity: capacity.unwrap_or(PIPE_SIZE) as u32, set_aside: 0 })
    }

    fn in_pipe(&self) -> io::Result<u32> {
        Ok(ioctl_fionread(&self.ends)? as u32)
    }

    /// Writes until nothing is left or the page is full.
    fn write(&self, tokens: u32) -> io::Result<u32> {
        let bytes = [TOKEN; PIPE_SIZE];
        let mut written = 0;
        let mut chunk = bytes.len();
        while written < tokens {
            chunk = chunk.min((tokens - written) as usize);
            match write(&self.ends, &bytes[..chunk]) {
                Ok(n) => written += n as u32,
                Err(Errno::INTR) => {}
                // A chunk of this size is written whole or not at all, so less of it may still fit.
                Err(Errno::AGAIN) if chunk > 1 => chunk /= 2,
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(written)
    }

    fn read(&self, tokens: u32) -> io::Result<u32> {
        let mut bytes = [0; PIPE_SIZE];
        let mut taken = 0;
        while taken < tokens {
            let wanted = bytes.len().min((tokens - taken) as usize);
            match read(&self.ends, &mut bytes[..wanted]) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(n) => taken += n as u32,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(taken)
    }
}

impl Port for Fifo {
    fn auth(&self) -> &str {
        &self.auth
    }

    fn unread(&self) -> io::Result<u32> {
        Ok(self.in_pipe()? + self.set_aside)
    }

    fn put(&mut self, tokens: u32) -> io::Result<u32> {
        let mut goal = self.set_aside + tokens;
        let mut written = self.write(goal)?;
        if written < goal && self.in_pipe()? < self.capacity {
            // The page is used up but not full. What is taken out for this instant is written again at once.
            goal += self.read(u32::MAX)?;
            written += self.write(goal - written)?;
        }
        let missing = goal - written;
        let accepted = tokens.saturating_sub(missing);
        self.set_aside = missing - (tokens - accepted);
        Ok(accepted)
    }

    fn take_back(&mut self, tokens: u32) -> io::Result<u32> {
        let from_aside = tokens.min(self.set_aside);
        self.set_aside -= from_aside;
        Ok(from_aside + self.read(tokens - from_aside)?)
    }
}

impl AsFd for Fifo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ends.as_fd()
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// The directory goes at the end anyway, so that a failure leaves nothing behind that matters.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}
