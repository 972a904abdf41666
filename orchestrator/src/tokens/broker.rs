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

    /// How many tokens more than are out to it the child could use.
    pub fn lacks(&self, child: ChildId) -> u32 {
        self.tokens(child).map_or(0, |tokens| tokens.want.saturating_sub(tokens.out))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// A port of which the test plays the client.
    #[derive(Clone, Debug)]
    struct FakePort {
        unread: Rc<RefCell<u32>>,
        capacity: u32,
    }

    impl Port for FakePort {
        fn auth(&self) -> &str {
            "fifo:/fake"
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
    struct FakePorts {
        capacity: u32,
    }

    impl Ports for FakePorts {
        type Port = FakePort;

        fn make(&mut self) -> io::Result<FakePort> {
            Ok(FakePort { unread: Rc::default(), capacity: self.capacity })
        }
    }

    const A: ChildId = ChildId(0);
    const B: ChildId = ChildId(1);

    fn broker(n: u32) -> Broker<FakePorts> {
        Broker::new(n, FakePorts { capacity: 1000 })
    }

    fn read(broker: &Broker<FakePorts>, child: ChildId, tokens: u32) {
        *broker.port(child).unwrap().unread.borrow_mut() -= tokens;
    }

    fn give_back(broker: &Broker<FakePorts>, child: ChildId, tokens: u32) {
        *broker.port(child).unwrap().unread.borrow_mut() += tokens;
    }

    fn unread(broker: &Broker<FakePorts>, child: ChildId) -> u32 {
        broker.port(child).map_or(0, |port| port.unread().unwrap())
    }

    #[test]
    fn a_child_is_told_where_its_tokens_are() {
        let admission = broker(8).admit(A).unwrap();
        let flags = " -j8 --jobserver-auth=fifo:/fake";
        assert_eq!(admission.environment(), [("MAKEFLAGS", flags), ("CARGO_MAKEFLAGS", flags)]);
    }

    #[test]
    fn a_starting_slot_is_charged_parked_and_lent_again() {
        let mut broker = broker(2);
        broker.admit(A).unwrap();
        broker.charge(B).unwrap();
        assert_eq!((broker.free(), broker.used()), (0, 2));
        assert!(matches!(broker.admit(ChildId(2)), Err(AdmitError::NoFreeSlot)));
        assert!(matches!(broker.charge(ChildId(2)), Err(AdmitError::NoFreeSlot)));
        assert!(!broker.lend_slot(A), "it has its slot");
        broker.park(A);
        broker.park(A);
        assert_eq!(broker.free(), 1);
        broker.charge(ChildId(2)).unwrap();
        assert!(!broker.lend_slot(A), "no slot is free");
        broker.remove(B);
        assert!(broker.lend_slot(A));
        assert_eq!(broker.free(), 0);
    }

    /// Wishes as (want, priority) of children 0, 1, ...; then how many tokens each gets.
    fn check_shares(n: u32, reserve: u32, wishes: &[(u32, u64)], expect: &[u32]) {
        let mut broker = broker(n + wishes.len() as u32);
        for (id, (want, priority)) in (0..).zip(wishes) {
            broker.admit(ChildId(id)).unwrap();
            broker.want(ChildId(id), *want);
            broker.priority(ChildId(id), *priority);
        }
        broker.settle(reserve).unwrap();
        let shares: Vec<u32> = (0..wishes.len() as u32).map(|id| unread(&broker, ChildId(id))).collect();
        assert_eq!(shares, expect, "{n} free, {reserve} reserved, {wishes:?}");
    }

    #[test]
    fn free_tokens_go_by_priority_then_evenly() {
        check_shares(4, 0, &[(2, 0)], &[2]);
        check_shares(4, 0, &[(9, 0)], &[4]);
        check_shares(4, 0, &[(9, 1), (3, 2)], &[1, 3]);
        check_shares(4, 0, &[(9, 5), (9, 5)], &[2, 2]);
        check_shares(5, 0, &[(9, 5), (9, 5)], &[3, 2]);
        check_shares(5, 0, &[(1, 5), (9, 5)], &[1, 4]);
        check_shares(5, 3, &[(9, 0)], &[2]);
        check_shares(2, 3, &[(9, 0)], &[0]);
    }

    #[test]
    fn bytes_that_are_no_longer_wanted_come_back() {
        let mut broker = broker(5);
        broker.admit(A).unwrap();
        broker.want(A, 4);
        broker.settle(0).unwrap();
        read(&broker, A, 3);
        assert_eq!((broker.held(A).unwrap(), broker.free()), (3, 0));
        broker.want(A, 1);
        broker.settle(0).unwrap();
        assert_eq!((broker.held(A).unwrap(), unread(&broker, A), broker.free()), (3, 0, 1));
        give_back(&broker, A, 2);
        broker.settle(0).unwrap();
        assert_eq!((broker.held(A).unwrap(), unread(&broker, A), broker.free()), (1, 0, 3));
    }

    #[test]
    fn a_returned_token_goes_to_who_wants_it() {
        let mut broker = broker(3);
        broker.admit(A).unwrap();
        broker.admit(B).unwrap();
        broker.want(A, 1);
        broker.settle(0).unwrap();
        read(&broker, A, 1);
        broker.want(B, 1);
        broker.want(A, 0);
        broker.settle(0).unwrap();
        assert_eq!(unread(&broker, B), 0);
        give_back(&broker, A, 1);
        broker.settle(0).unwrap();
        assert_eq!((unread(&broker, A), unread(&broker, B)), (0, 1));
    }

    #[test]
    fn the_dead_leave_what_they_held() {
        let mut broker = broker(6);
        broker.admit(A).unwrap();
        broker.want(A, 4);
        broker.settle(0).unwrap();
        read(&broker, A, 3);
        assert_eq!(broker.remove(A), Settled { held_lost: 3, surplus: 0 });
        assert_eq!(broker.free(), 6);
        assert_eq!(broker.remove(A), Settled::default());
        broker.want(A, 3);
        broker.park(A);
        assert_eq!(broker.settle(0).unwrap(), []);
        assert_eq!(broker.free(), 6);
    }

    #[test]
    fn who_returns_too_much_is_named() {
        let mut broker = broker(3);
        broker.admit(A).unwrap();
        broker.want(A, 1);
        broker.settle(0).unwrap();
        give_back(&broker, A, 2);
        assert_eq!(broker.settle(0).unwrap(), [Surplus { child: A, tokens: 2 }]);
        assert_eq!((unread(&broker, A), broker.free()), (1, 1));
        give_back(&broker, A, 1);
        assert_eq!(broker.remove(A), Settled { held_lost: 0, surplus: 1 });
        assert_eq!(broker.free(), 3);
    }

    /// One step of a random history. Children are taken by number modulo those that are there.
    #[derive(Clone, Debug)]
    enum Step {
        Admit,
        Charge,
        Want(u8, u32),
        Priority(u8, u64),
        Park(u8),
        Lend(u8),
        Read(u8, u32),
        GiveBack(u8, u32),
        GiveTooMuch(u8, u32),
        Remove(u8),
        Settle(u32),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => Just(Step::Admit),
            1 => Just(Step::Charge),
            4 => (any::<u8>(), 0..8u32).prop_map(|(child, tokens)| Step::Want(child, tokens)),
            1 => (any::<u8>(), 0..3u64).prop_map(|(child, priority)| Step::Priority(child, priority)),
            2 => any::<u8>().prop_map(Step::Park),
            2 => any::<u8>().prop_map(Step::Lend),
            4 => (any::<u8>(), 1..5u32).prop_map(|(child, tokens)| Step::Read(child, tokens)),
            4 => (any::<u8>(), 1..5u32).prop_map(|(child, tokens)| Step::GiveBack(child, tokens)),
            1 => (any::<u8>(), 1..3u32).prop_map(|(child, tokens)| Step::GiveTooMuch(child, tokens)),
            1 => any::<u8>().prop_map(Step::Remove),
            6 => (0..3u32).prop_map(Step::Settle),
        ];
        proptest::collection::vec(step, 1..120)
    }

    /// What the test knows for certain about a child, because it plays it.
    #[derive(Clone, Copy, Debug, Default)]
    struct Truth {
        client: bool,
        charged: bool,
        want: u32,
        priority: u64,
        /// Tokens that it has read and not returned.
        held: u32,
        /// Bytes that it returned without having them, and that were not found yet.
        extra: u32,
    }

    proptest! {
        #[test]
        fn every_slot_is_in_one_place(n in 1..12u32, capacity in 1..6u32, steps in steps()) {
            let mut broker = Broker::new(n, FakePorts { capacity });
            let mut truth: BTreeMap<ChildId, Truth> = BTreeMap::new();
            let mut next = 0;
            for step in steps {
                let pick = |number: u8| truth.keys().nth(number as usize % truth.len().max(1)).copied();
                match step {
                    Step::Admit | Step::Charge => {
                        let child = ChildId(next);
                        next += 1;
                        let client = matches!(step, Step::Admit);
                        let free = broker.free();
                        let admitted = if client { broker.admit(child).is_ok() } else { broker.charge(child).is_ok() };
                        prop_assert_eq!(admitted, free > 0);
                        if admitted {
                            truth.insert(child, Truth { client, charged: true, ..Truth::default() });
                        }
                    }
                    Step::Want(number, want) => if let Some(child) = pick(number) {
                        broker.want(child, want);
                        truth.get_mut(&child).unwrap().want = want;
                    },
                    Step::Priority(number, priority) => if let Some(child) = pick(number) {
                        broker.priority(child, priority);
                        truth.get_mut(&child).unwrap().priority = priority;
                    },
                    Step::Park(number) => if let Some(child) = pick(number) {
                        broker.park(child);
                        truth.get_mut(&child).unwrap().charged = false;
                    },
                    Step::Lend(number) => if let Some(child) = pick(number) {
                        let free = broker.free();
                        let of_child = truth.get_mut(&child).unwrap();
                        let lent = broker.lend_slot(child);
                        prop_assert_eq!(lent, !of_child.charged && free > 0);
                        of_child.charged |= lent;
                    },
                    Step::Read(number, tokens) => if let Some(child) = pick(number) {
                        let tokens = tokens.min(unread(&broker, child));
                        if tokens > 0 {
                            read(&broker, child, tokens);
                            truth.get_mut(&child).unwrap().held += tokens;
                        }
                    },
                    Step::GiveBack(number, tokens) => if let Some(child) = pick(number) {
                        let of_child = truth.get_mut(&child).unwrap();
                        let tokens = tokens.min(of_child.held);
                        if tokens > 0 {
                            give_back(&broker, child, tokens);
                            of_child.held -= tokens;
                        }
                    },
                    Step::GiveTooMuch(number, tokens) => if let Some(child) = pick(number) {
                        let of_child = truth.get_mut(&child).unwrap();
                        if of_child.client {
                            give_back(&broker, child, tokens);
                            of_child.extra += tokens;
                        }
                    },
                    Step::Remove(number) => if let Some(child) = pick(number) {
                        let Truth { held, extra, .. } = truth.remove(&child).unwrap();
                        let settled = broker.remove(child);
                        // A byte too many stands for a token held: only the difference can be known.
                        prop_assert_eq!(i64::from(settled.held_lost) - i64::from(settled.surplus),
                            i64::from(held) - i64::from(extra));
                    },
                    Step::Settle(reserve) => {
                        let surpluses = broker.settle(reserve).unwrap();
                        for Surplus { child, tokens } in surpluses {
                            let of_child = truth.get_mut(&child).unwrap();
                            prop_assert!(of_child.extra >= tokens, "{child:?} is accused of {tokens}");
                            of_child.extra -= tokens;
                        }
                        for (child, Truth { want, priority, .. }) in &truth {
                            let Some(tokens) = broker.tokens(*child) else { continue };
                            // Nothing lies unread that is not wanted, and nothing was put beyond the wish.
                            let unread = tokens.port.unread().unwrap();
                            prop_assert!(unread == 0 || tokens.out <= *want);
                            // Nothing idles that is wanted, unless it is reserved or the port is full.
                            if broker.free() > reserve {
                                prop_assert!(tokens.out >= *want || unread >= capacity, "{child:?} starves");
                            }
                            prop_assert_eq!(tokens.priority, *priority);
                        }
                    }
                }
                let slots = truth.values().filter(|child| child.charged).count() as u32;
                let mut found = broker.free() + slots;
                for (child, Truth { held, extra, .. }) in &truth {
                    found += held + unread(&broker, *child) - extra;
                }
                prop_assert_eq!(found, n);
                prop_assert_eq!(broker.free() + broker.used(), n);
            }
            for child in truth.into_keys() {
                broker.remove(child);
            }
            prop_assert_eq!(broker.free(), n);
        }
    }
}
