//! The account, with ports of which the tests play the clients.

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
    let admission = broker(8).admit(A, Kind::Own, 8).unwrap();
    let flags = " -j8 --jobserver-auth=fifo:/fake";
    assert_eq!(admission.environment(), [("MAKEFLAGS", flags), ("CARGO_MAKEFLAGS", flags)]);
}

#[test]
fn a_starting_slot_is_charged_parked_and_lent_again() {
    let mut broker = broker(2);
    broker.admit(A, Kind::Own, 8).unwrap();
    broker.charge(B).unwrap();
    assert_eq!((broker.free(), broker.used()), (0, 2));
    assert!(matches!(broker.admit(ChildId(2), Kind::Own, 8), Err(AdmitError::NoFreeSlot)));
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
        broker.admit(ChildId(id), Kind::Own, n).unwrap();
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
    broker.admit(A, Kind::Own, 8).unwrap();
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
    broker.admit(A, Kind::Own, 8).unwrap();
    broker.admit(B, Kind::Own, 8).unwrap();
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
    broker.admit(A, Kind::Own, 8).unwrap();
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
    broker.admit(A, Kind::Own, 8).unwrap();
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
                    let admitted = if client { broker.admit(child, Kind::Own, n).is_ok() } else { broker.charge(child).is_ok() };
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
