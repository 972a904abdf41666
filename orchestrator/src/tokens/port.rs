//! The interface between the broker and a child's FIFO. Tests of the broker use a fake.

use std::io;
use std::os::fd::OwnedFd;

/// One child's end of the pool. No call ever blocks.
pub trait Port {
    /// Path of the FIFO, absolute and without blanks.
    fn path(&self) -> &str;

    /// Opens the FIFO once more, for reading and for writing, for a child that takes descriptors
    /// and no path. The descriptors block, as clients expect. Their open file descriptions are not
    /// shared, so flags that a client sets on them affect that client only.
    ///
    /// # Errors
    /// Those of open(2).
    fn open_pair(&self) -> io::Result<Pair>;

    /// Bytes in the port: those that we put and the child has not read, and those that it returned.
    ///
    /// # Errors
    /// Those of ioctl(2).
    fn unread(&self) -> io::Result<u32>;

    /// Adds up to `tokens` bytes and returns how many, fewer if the port is full.
    ///
    /// # Errors
    /// Those of write(2), and of read(2) if the port is emptied first. A full port is no error.
    fn put(&mut self, tokens: u32) -> io::Result<u32>;

    /// Removes up to `tokens` bytes and returns how many, fewer if the child read some first.
    ///
    /// # Errors
    /// Those of read(2); an empty port is no error.
    fn take_back(&mut self, tokens: u32) -> io::Result<u32>;
}

/// The two ends of a FIFO, as a child inherits them. They are close-on-exec in this process; the
/// code that starts the child clears the flag in the child.
#[derive(Debug)]
pub struct Pair {
    pub read: OwnedFd,
    pub write: OwnedFd,
}

/// Creates ports.
pub trait Ports {
    type Port: Port;

    /// Creates an empty port for one child.
    ///
    /// # Errors
    /// Those of mkfifo(3) and open(2).
    fn make(&mut self) -> io::Result<Self::Port>;
}
