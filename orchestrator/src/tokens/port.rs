//! Where the tokens of one child lie until it reads them, as the broker sees it. Tests of the broker use a fake.

use std::io;

/// One child's end of the pool. No call ever blocks.
pub trait Port {
    /// How a jobserver client names this port, the value of `--jobserver-auth=`.
    fn auth(&self) -> &str;

    /// Bytes that lie in the port: put in and not read, or returned by the child.
    fn unread(&self) -> io::Result<u32>;

    /// Adds up to `tokens` bytes and returns how many, fewer where the port is full.
    fn put(&mut self, tokens: u32) -> io::Result<u32>;

    /// Removes up to `tokens` bytes and returns how many, fewer where the child was quicker.
    fn take_back(&mut self, tokens: u32) -> io::Result<u32>;
}

/// Makes ports.
pub trait Ports {
    type Port: Port;

    fn make(&mut self) -> io::Result<Self::Port>;
}
