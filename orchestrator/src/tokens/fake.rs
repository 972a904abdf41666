//! Fake ports and a fake parent, for tests of the broker, the pool and the scheduler.

use super::broker::{Broker, Surplus};
use super::pool::{Arrived, Lender};
use super::port::{Pair, Port, Ports};
use crate::keys::ChildId;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// A port; the test acts as its client.
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

/// A parent with `left` tokens in its pool; the test acts as the parent's other children.
#[derive(Clone, Debug, Default)]
pub struct FakeLender(pub Rc<RefCell<Lending>>);

#[derive(Debug, Default)]
pub struct Lending {
    pub left: u32,
    pub requested: u32,
    /// Taken from the pool, and not reported by `arrived` yet.
    pub arriving: u32,
    pub lent: u32,
    pub lost: bool,
}

impl FakeLender {
    pub fn new(left: u32) -> FakeLender {
        FakeLender(Rc::new(RefCell::new(Lending { left, ..Lending::default() })))
    }

    /// Grants as many of the requested tokens as the pool has. Returns how many.
    pub fn grant(&self) -> u32 {
        let mut lending = self.0.borrow_mut();
        let granted = lending.requested.min(lending.left);
        lending.requested -= granted;
        lending.left -= granted;
        lending.arriving += granted;
        lending.lent += granted;
        granted
    }
}

impl Lender for FakeLender {
    fn request(&mut self, tokens: u32) {
        self.0.borrow_mut().requested = tokens;
    }

    fn arrived(&mut self) -> Arrived {
        let mut lending = self.0.borrow_mut();
        let tokens = std::mem::take(&mut lending.arriving);
        let lost = std::mem::take(&mut lending.lost).then(|| io::Error::other("gone"));
        Arrived { tokens, lost }
    }

    fn give_back(&mut self, tokens: u32) {
        let mut lending = self.0.borrow_mut();
        assert!(tokens <= lending.lent, "{tokens} returned of {}", lending.lent);
        lending.lent -= tokens;
        lending.left += tokens;
    }
}

/// Collects returned and unwanted tokens. Then puts tokens into the port of each child in order, up
/// to its number in `granted`, as long as slots are free.
pub fn settle<P: Ports>(broker: &mut Broker<P>, granted: &[(ChildId, u32)]) -> Vec<Surplus> {
    let of = |child: ChildId| {
        granted.iter().find(|(other, _)| *other == child).map_or(0, |(_, tokens)| *tokens)
    };
    let surpluses = broker.collect(of).unwrap();
    for (child, tokens) in granted {
        while broker.out(*child) < *tokens && broker.put(*child).unwrap() {}
    }
    surpluses
}
