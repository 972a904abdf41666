//! Ports without descriptors, for tests of the account.

use super::port::{Pair, Port, Ports};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// A port of which the test plays the client.
#[derive(Clone, Debug)]
pub struct FakePort {
    pub unread: Rc<RefCell<u32>>,
    capacity: u32,
}

impl Port for FakePort {
    fn path(&self) -> &str {
        "/fake"
    }

    fn open_pair(&self) -> io::Result<Pair> {
        let (read, write) = io::pipe()?;
        Ok(Pair { read: read.into(), write: write.into() })
    }

    fn unread(&self) -> io::Result<u32> {
        Ok(*self.unread.borrow())
    }

    fn put(&mut self, tokens: u32) -> io::Result<u32> {
        let mut unread = self.unread.borrow_mut();
        let put = tokens.min(self.capacity.saturating_sub(*unread));
        *unread += put;
        Ok(put)
    }

    fn take_back(&mut self, tokens: u32) -> io::Result<u32> {
        let mut unread = self.unread.borrow_mut();
        let taken = tokens.min(*unread);
        *unread -= taken;
        Ok(taken)
    }
}

#[derive(Debug)]
pub struct FakePorts {
    /// Of each port.
    pub capacity: u32,
}

impl Ports for FakePorts {
    type Port = FakePort;

    fn make(&mut self) -> io::Result<FakePort> {
        Ok(FakePort { unread: Rc::default(), capacity: self.capacity })
    }
}
