//! Where the tokens of one child lie until it reads them, as the broker sees it. Tests of the
//! broker use a fake.

use std::io;
use std::os::fd::OwnedFd;

/// One child's end of the pool. No call ever blocks.
pub trait Port {
    /// Path of the FIFO, absolute and without blanks.
    fn path(&self) -> &str;

    /// Opens the FIFO once more, for reading and for writing, for a child that takes descriptors
    /// and no path. They block, as clients expect, and belong to descriptions of their own:
    /// whatever a client does to them, nobody else has it.
    ///
    /// # Errors
    /// Those of open(2).
    fn open_pair(&self) -> io::Result<Pair>;

    /// Bytes that lie in the port: put in and not read, or returned by the child.
    ///
    /// # Errors
    /// Those of ioctl(2).
    fn unread(&self) -> io::Result<u32>;

    /// Adds up to `tokens` bytes and returns how many, fewer where the port is full.
    ///
    /// # Errors
    /// Those of write(2), and of read(2) where the port was emptied first; a full port is no error.
    fn put(&mut self, tokens: u32) -> io::Result<u32>;

    /// Removes up to `tokens` bytes and returns how many, fewer where the child was quicker.
    ///
    /// # Errors
    /// Those of read(2); an empty port is no error.
    fn take_back(&mut self, tokens: u32) -> io::Result<u32>;
}

/// The two ends of a FIFO, as a child gets them. Close-on-exec here; whoever starts the child
/// undoes that in the child.
#[derive(Debug)]
pub struct Pair {
    pub read: OwnedFd,
    pub write: OwnedFd,
}

/// Makes ports.
pub trait Ports {
    type Port: Port;

    /// A port for one child, empty.
    ///
    /// # Errors
    /// Those of mkfifo(3) and open(2).
    fn make(&mut self) -> io::Result<Self::Port>;
}
