//! The account of the pool's tokens: events in, bytes moved through ports. Knows no processes and no descriptors.
//!
//! # The account
//!
//! Every one of the N slots is in exactly one place:
//!
//! ```text
//! N = free + starting slots charged + tokens out;     tokens out = unread in the child's port + held by the child
//! ```
//!
//! A child is charged its starting slot from before it starts until it parks it or is gone. More slots reach it as bytes in
//! its own port, as many as it says it can use. Bytes that it returns lie unread in the port until `settle` takes them back.
//! What a child holds is never counted from what it says: it is what was put in, less what was taken back, less what is
//! unread. So when its process tree is gone, what it held is known, and is free at once.
//!
//! # Room for what comes later
//!
//! - *Foreign children* (make, ninja, cargo) cannot say what they want. For them `settle` keeps at most one unread byte on
//!   offer beyond what is out, and draws it back when another child wants it; that is a second kind of demand beside
//!   `Child::want`, and the account stays as it is.
//! - *Dialects* are a matter of the port: for the old form `R,W` it opens its FIFO afresh for that child, and `Port::auth`
//!   differs.
//! - *A parent's pool* makes N vary: what is acquired from the parent adds to `n`, and free slots are given back from it.

use super::port::{Port, Ports};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;

/// Names a child to the broker; chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId(pub u32);

/// What a child needs in its environment to be a client of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    makeflags: String,
}

impl Admission {
    /// Variables to set. The value starts with a blank because the first word of MAKEFLAGS, make's single-letter flags, is
    /// empty. CARGO_MAKEFLAGS comes first for users of the `jobserver` crate, so an inherited one must not survive.
    pub fn environment(&self) -> [(&'static str, &str); 2] {
        [("MAKEFLAGS", &self.makeflags), ("CARGO_MAKEFLAGS", &self.makeflags)]
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    #[error("no job slot is free")]
    NoFreeSlot,
    #[error("cannot make a FIFO for the jobserver: {0}")]
    Port(#[from] io::Error),
}

/// A child returned more tokens than it took. The surplus was discarded, so the pool still holds N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surplus {
    pub child: ChildId,
    pub tokens: u32,
}

/// What a child left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Settled {
    /// Tokens that it had read and not returned. They are free again; a client that ends in order leaves none.
    pub held_lost: u32,
    /// Tokens that it had returned beyond those it took.
    pub surplus: u32,
}

/// The ledger, and through `P` the bytes.
#[derive(Debug)]
pub struct Broker<P: Ports> {
    n: u32,
    free: u32,
    ports: P,
    children: BTreeMap<ChildId, Child<P::Port>>,
}

#[derive(Debug)]
struct Child<Port> {
    /// Whether its starting slot is charged to it, that is not parked.
    charged: bool,
    /// None for a command that is no client.
    tokens: Option<Tokens<Port>>,
}

#[derive(Debug)]
struct Tokens<Port> {
    port: Port,
    /// Put in and not taken back: held or unread.
    out: u32,
    /// How many the child could use, those out included.
    want: u32,
    priority: u64,
}

impl<P: Ports> Broker<P> {
    /// An account of `n` slots, all free.
    pub fn new(n: u32, ports: P) -> Broker<P> {
        Broker { n, free: n, ports, children: BTreeMap::new() }
    }

    pub fn n(&self) -> u32 {
        self.n
    }

    /// Slots that nobody was given.
    pub fn free(&self) -> u32 {
        self.free
    }

    /// Slots that are charged or out; a byte that a child has not read yet counts.
    pub fn used(&self) -> u32 {
        self.n - self.free
    }

    /// Tokens that the child has read and not returned, its starting slot not counted. 0 for a child that is not known.
    pub fn held(&self, child: ChildId) -> io::Result<u32> {
        match self.tokens(child) {
            Some(tokens) => tokens.held(),
            None => Ok(0),
        }
    }

    /// The child's port, to be watched for the bytes it returns. None for a child that is not known or no client.
    pub fn port(&self, child: ChildId) -> Option<&P::Port> {
        self.tokens(child).map(|tokens| &tokens.port)
    }

    /// Charges a starting slot to a child that is about to start, and makes its port.
    ///
    /// Panics if the id is in use, which would mix up two accounts.
    pub fn admit(&mut self, child: ChildId) -> Result<Admission, AdmitError> {
        assert!(!self.children.contains_key(&child), "{child:?} is admitted already");
        let after = self.free.checked_sub(1).ok_or(AdmitError::NoFreeSlot)?;
        let port = self.ports.make()?;
        self.free = after;
        let makeflags = format!(" -j{} --jobserver-auth={}", self.n, port.auth());
        let tokens = Tokens { port, out: 0, want: 0, priority: 0 };
        self.children.insert(child, Child { charged: true, tokens: Some(tokens) });
        Ok(Admission { makeflags })
    }

    /// Charges a slot to a command that is no client. `remove` gives it back. Panics if the id is in use.
    pub fn charge(&mut self, child: ChildId) -> Result<(), AdmitError> {
        assert!(!self.children.contains_key(&child), "{child:?} is admitted already");
        self.free = self.free.checked_sub(1).ok_or(AdmitError::NoFreeSlot)?;
        self.children.insert(child, Child { charged: true, tokens: None });
        Ok(())
    }

    /// How many tokens the child could use, *those it holds included*, its starting slot not. Acts with the next `settle`.
    ///
    /// A child that is not known is passed over, here and below: its last words may be read after it is gone.
    pub fn want(&mut self, child: ChildId, tokens: u32) {
        if let Some(of_child) = self.tokens_mut(child) {
            of_child.want = tokens;
        }
    }

    /// Children of a higher priority get free tokens first.
    pub fn priority(&mut self, child: ChildId, priority: u64) {
        if let Some(of_child) = self.tokens_mut(child) {
            of_child.priority = priority;
        }
    }

    /// Takes the starting slot from a child that has nothing to run on it. Does nothing if it is parked already.
    pub fn park(&mut self, child: ChildId) {
        if let Some(child) = self.children.get_mut(&child)
            && child.charged
        {
            child.charged = false;
            self.free += 1;
        }
    }

    /// Charges a parked starting slot to its child again. Returns whether it did: not if nothing is free or parked.
    pub fn lend_slot(&mut self, child: ChildId) -> bool {
        match self.children.get_mut(&child) {
            Some(child) if !child.charged && self.free > 0 => {
                child.charged = true;
                self.free -= 1;
                true
            }
            _ => false,
        }
    }

    /// Settles with a child of which no process is left: what it held is free at once.
    ///
    /// While one of its processes lives, that process may still run a job on a token, so call this no sooner.
    pub fn remove(&mut self, child: ChildId) -> Settled {
        let Some(child) = self.children.remove(&child) else { return Settled::default() };
        self.free += u32::from(child.charged);
        let Some(tokens) = child.tokens else { return Settled::default() };
        self.free += tokens.out;
        // Nobody else could have read the bytes, so a port that fails to answer changes only what is said here.
        let unread = tokens.port.unread().unwrap_or(tokens.out);
        Settled { held_lost: tokens.out.saturating_sub(unread), surplus: unread.saturating_sub(tokens.out) }
    }

    /// Takes back what children returned or no longer want, then gives free tokens to those who want them, except the last
    /// `reserve`, which are kept for processes about to start.
    ///
    /// Highest priority first, then those with the fewest tokens out, then by id. Call it after every event: a child's
    /// port became readable, its wish changed, or a slot became free. Errors are those of the system on our own FIFOs; the
    /// account is right in spite of them.
    pub fn settle(&mut self, reserve: u32) -> io::Result<Vec<Surplus>> {
        let surpluses = self.collect()?;
        self.distribute(reserve)?;
        Ok(surpluses)
    }

    fn collect(&mut self) -> io::Result<Vec<Surplus>> {
        let mut surpluses = Vec::new();
        for (id, child) in &mut self.children {
            let Some(tokens) = &mut child.tokens else { continue };
            let unread = tokens.port.unread()?;
            let surplus = unread.saturating_sub(tokens.out);
            if surplus > 0 {
                let discarded = tokens.port.take_back(surplus)?;
                surpluses.push(Surplus { child: *id, tokens: discarded });
            }
            let unwanted = tokens.out.saturating_sub(tokens.want).min(unread - surplus);
            if unwanted > 0 {
                let taken = tokens.port.take_back(unwanted)?;
                tokens.out -= taken;
                self.free += taken;
            }
        }
        Ok(surpluses)
    }

    fn distribute(&mut self, reserve: u32) -> io::Result<()> {
        let mut full = BTreeSet::new();
        loop {
            let shares = self.shares(self.free.saturating_sub(reserve), &full);
            if shares.is_empty() {
                return Ok(());
            }
            for (id, share) in shares {
                let tokens = self.tokens_mut(id).expect("shares are for clients");
                let put = tokens.port.put(share)?;
                tokens.out += put;
                self.free -= put;
                if put < share {
                    full.insert(id);
                }
            }
        }
    }

    /// How many of `free` tokens each child gets, as if they were given out one by one.
    fn shares(&self, mut free: u32, full: &BTreeSet<ChildId>) -> BTreeMap<ChildId, u32> {
        let lacking = self.children.iter().filter_map(|(id, child)| {
            let tokens = child.tokens.as_ref()?;
            let lacks = tokens.out < tokens.want && !full.contains(id);
            lacks.then_some((tokens.priority, Reverse(tokens.out), Reverse(*id)))
        });
        let mut queue: BinaryHeap<_> = lacking.collect();
        let mut shares = BTreeMap::new();
        while let (Some((priority, Reverse(out), Reverse(id))), 1..) = (queue.pop(), free) {
            free -= 1;
            *shares.entry(id).or_default() += 1;
            if self.tokens(id).is_some_and(|tokens| out + 1 < tokens.want) {
                queue.push((priority, Reverse(out + 1), Reverse(id)));
            }
        }
        shares
    }

    fn tokens(&self, child: ChildId) -> Option<&Tokens<P::Port>> {
        self.children.get(&child)?.tokens.as_ref()
    }

    fn tokens_mut(&mut self, child: ChildId) -> Option<&mut Tokens<P::Port>> {
        self.children.get_mut(&child)?.tokens.as_mut()
    }
}

impl<Port: super::port::Port> Tokens<Port> {
    fn held(&self) -> io::Result<u32> {
        Ok(self.out.saturating_sub(self.port.unread()?))
    }
}
