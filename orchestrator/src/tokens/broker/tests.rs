//! The account, with ports of which the tests play the clients.

use super::*;
use crate::keys::{ChildId, WorkerId};
use crate::tokens::fake::{FakePorts, settle};
use proptest::prelude::*;
use std::collections::BTreeSet;

const A: ChildId = ChildId::Worker(WorkerId(0));
const B: ChildId = ChildId::Worker(WorkerId(1));

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
    assert!(matches!(
        broker.admit(ChildId::Worker(WorkerId(2)), Kind::Own, 8),
        Err(AdmitError::NoFreeSlot)
    ));
    assert!(matches!(broker.charge(ChildId::Worker(WorkerId(2))), Err(AdmitError::NoFreeSlot)));
    assert!(!broker.lend_slot(A), "it has its slot");
    broker.park(A);
    broker.park(A);
    assert_eq!(broker.free(), 1);
    broker.charge(ChildId::Worker(WorkerId(2))).unwrap();
    assert!(!broker.lend_slot(A), "no slot is free");
    broker.remove(B);
    assert!(broker.lend_slot(A));
    assert_eq!(broker.free(), 0);
}

#[test]
fn a_token_is_put_only_where_one_is_free_and_fits() {
    let mut broker = Broker::new(4, FakePorts { capacity: 2 });
    broker.admit(A, Kind::Own, 8).unwrap();
    assert!(broker.put(A).unwrap() && broker.put(A).unwrap());
    assert!(!broker.put(A).unwrap(), "its port is full");
    assert_eq!((broker.out(A), broker.free()), (2, 1));
    assert!(!broker.put(B).unwrap(), "it is not known");
    broker.charge(B).unwrap();
    read(&broker, A, 2);
    assert!(!broker.put(A).unwrap(), "none is free");
    assert_eq!((broker.out(A), broker.free()), (2, 0));
}

#[test]
fn bytes_that_are_no_longer_wanted_come_back() {
    let mut broker = broker(5);
    broker.admit(A, Kind::Own, 8).unwrap();
    settle(&mut broker, &[(A, 4)]);
    read(&broker, A, 3);
    assert_eq!((broker.held(A).unwrap(), broker.free()), (3, 0));
    settle(&mut broker, &[(A, 1)]);
    assert_eq!((broker.held(A).unwrap(), unread(&broker, A), broker.free()), (3, 0, 1));
    give_back(&broker, A, 2);
    settle(&mut broker, &[(A, 1)]);
    assert_eq!((broker.held(A).unwrap(), unread(&broker, A), broker.free()), (1, 0, 3));
}

#[test]
fn a_returned_token_goes_to_who_wants_it() {
    let mut broker = broker(3);
    broker.admit(A, Kind::Own, 8).unwrap();
    broker.admit(B, Kind::Own, 8).unwrap();
    settle(&mut broker, &[(A, 1)]);
    read(&broker, A, 1);
    settle(&mut broker, &[(A, 0), (B, 1)]);
    assert_eq!(unread(&broker, B), 0);
    give_back(&broker, A, 1);
    settle(&mut broker, &[(A, 0), (B, 1)]);
    assert_eq!((unread(&broker, A), unread(&broker, B)), (0, 1));
}

#[test]
fn the_dead_leave_what_they_held() {
    let mut broker = broker(6);
    broker.admit(A, Kind::Own, 8).unwrap();
    settle(&mut broker, &[(A, 4)]);
    read(&broker, A, 3);
    assert_eq!(broker.remove(A), Settled { held_lost: 3, surplus: 0 });
    assert_eq!(broker.free(), 6);
    assert_eq!(broker.remove(A), Settled::default());
    broker.park(A);
    assert_eq!(settle(&mut broker, &[(A, 3)]), []);
    assert_eq!(broker.free(), 6);
}

#[test]
fn who_returns_too_much_is_named() {
    let mut broker = broker(3);
    broker.admit(A, Kind::Own, 8).unwrap();
    settle(&mut broker, &[(A, 1)]);
    give_back(&broker, A, 2);
    assert_eq!(settle(&mut broker, &[(A, 1)]), [Surplus { child: A, tokens: 2 }]);
    assert_eq!((unread(&broker, A), broker.free()), (1, 1));
    give_back(&broker, A, 1);
    assert_eq!(broker.remove(A), Settled { held_lost: 0, surplus: 1 });
    assert_eq!(broker.free(), 3);
}

const EXTERNAL: Kind = Kind::External(Dialect::Fifo);

/// A broker of `n` with external children 0, 1, ..., whose starting slots come on top.
fn with_external(n: u32, children: u32) -> Broker<FakePorts> {
    let mut broker = broker(n + children);
    (0..children)
        .for_each(|id| drop(broker.admit(ChildId::Worker(WorkerId(id)), EXTERNAL, n).unwrap()));
    broker
}

fn all_unread(broker: &Broker<FakePorts>, children: u32) -> Vec<u32> {
    (0..children).map(|id| unread(broker, ChildId::Worker(WorkerId(id)))).collect()
}

#[test]
fn what_is_free_is_offered() {
    let mut broker = with_external(3, 1);
    let offers = broker.offer(0, Terms::Standing, 0).unwrap();
    assert_eq!(offers, Offers::default());
    assert_eq!((unread(&broker, A), broker.free(), broker.used()), (3, 0, 1));
    // Nobody took it: nothing changes, however long it stands.
    settle(&mut broker, &[]);
    assert_eq!(broker.offer(0, Terms::Standing, 1_000_000).unwrap(), Offers::default());
    read(&broker, A, 2);
    settle(&mut broker, &[]);
    let offers = broker.offer(0, Terms::Standing, 2_000_000).unwrap();
    assert_eq!((offers.taken, broker.held(A).unwrap(), broker.used()), (true, 2, 3));
    read(&broker, A, 1);
    settle(&mut broker, &[]);
    assert_eq!((unread(&broker, A), broker.free(), broker.used()), (0, 0, 4));
    // What it returns is free, and so is offered to it again.
    give_back(&broker, A, 3);
    settle(&mut broker, &[]);
    assert_eq!(broker.free(), 3);
    broker.offer(0, Terms::Standing, 3_000_000).unwrap();
    assert_eq!((unread(&broker, A), broker.free(), broker.held(A).unwrap()), (3, 0, 0));
}

#[test]
fn offers_are_shared_evenly_and_again_when_children_come() {
    let mut broker = with_external(5, 1);
    broker.offer(0, Terms::Standing, 0).unwrap();
    assert_eq!(all_unread(&broker, 1), [5]);
    // Its starting slot has to be free first.
    broker.draw_back(1).unwrap();
    drop(broker.admit(B, EXTERNAL, 5).unwrap());
    broker.offer(0, Terms::Standing, 1).unwrap();
    assert_eq!((all_unread(&broker, 2), broker.free()), (vec![2, 2], 0));
    // No more than a few at a time, however many there are.
    let mut broker = with_external(5000, 2);
    broker.offer(0, Terms::Standing, 0).unwrap();
    assert_eq!(all_unread(&broker, 2), [MOST_OFFERED, MOST_OFFERED]);
    // Under a parent one at a time.
    let mut broker = with_external(10, 2);
    broker.offer(0, Terms::Trial { start_us: 1, most: 1 }, 1).unwrap();
    assert_eq!((all_unread(&broker, 2), broker.free()), (vec![1, 1], 8));
}

#[test]
fn an_offer_moves_on_after_its_turn() {
    let mut broker = with_external(1, 3);
    let mut now_us = 0;
    let mut had = vec![];
    for _ in 0..7 {
        let offers = broker.offer(0, Terms::Standing, now_us).unwrap();
        had.push(all_unread(&broker, 3).iter().position(|unread| *unread == 1).unwrap());
        assert_eq!((offers.without, offers.deadline_us), (2, Some(now_us + TURN_US)));
        broker.offer(0, Terms::Standing, now_us + TURN_US - 1).unwrap();
        assert_eq!(
            all_unread(&broker, 3).iter().position(|unread| *unread == 1),
            had.last().copied()
        );
        now_us += TURN_US;
    }
    assert_eq!(had, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn many_children_have_shorter_turns() {
    let mut broker = with_external(1, 40);
    let mut now_us = 0;
    let mut had = BTreeSet::new();
    while now_us < ROUND_US {
        now_us = broker.offer(0, Terms::Standing, now_us).unwrap().deadline_us.unwrap();
        had.extend(all_unread(&broker, 40).iter().position(|unread| *unread == 1));
    }
    assert_eq!(had.len(), 40);
}

#[test]
fn an_urgent_child_is_offered_more_often() {
    let mut broker = with_external(1, 3);
    broker.priority(B, 9);
    let had = (0..6).map(|turn| {
        broker.offer(0, Terms::Standing, turn * TURN_US).unwrap();
        all_unread(&broker, 3).iter().position(|unread| *unread == 1).unwrap()
    });
    assert_eq!(had.collect::<Vec<_>>(), [1, 0, 1, 2, 1, 0]);
}

/// They may leave it lying, and the least urgent one may be the one that waits for it.
#[test]
fn no_child_is_passed_over_for_more_urgent_ones() {
    for children in [3, 8, 20] {
        let mut broker = with_external(1, children);
        (0..children).for_each(|id| {
            broker.priority(ChildId::Worker(WorkerId(id)), u64::from(children - id))
        });
        let mut last_us = BTreeMap::new();
        let mut now_us = 1_000_000;
        while now_us < 2_000_000 {
            let next_us = broker.offer(0, Terms::Standing, now_us).unwrap().deadline_us.unwrap();
            let has = all_unread(&broker, children).iter().position(|unread| *unread == 1).unwrap();
            last_us.insert(has, now_us);
            now_us = next_us;
            let longest = (0..children as usize)
                .map(|id| now_us - last_us.get(&id).unwrap_or(&1_000_000))
                .max();
            assert!(
                longest.unwrap() <= ROUND_US + 2 * TURN_US,
                "{children}: {last_us:?} at {now_us}"
            );
        }
        assert_eq!(last_us.len(), children as usize);
    }
}

#[test]
fn an_urgent_child_is_offered_more() {
    let mut broker = with_external(3, 2);
    broker.priority(B, 9);
    for at in [1, 2, 3_000] {
        broker.offer(0, Terms::Standing, at).unwrap();
        assert_eq!(all_unread(&broker, 2), [1, 2]);
    }
    broker.priority(A, 10);
    broker.offer(0, Terms::Standing, 3_001).unwrap();
    assert_eq!(all_unread(&broker, 2), [2, 1]);
}

#[test]
fn what_outlives_its_child_keeps_what_it_holds_and_is_offered_nothing() {
    let left = ChildId::Worker(WorkerId(7));
    let mut broker = with_external(4, 2);
    broker.offer(0, Terms::Standing, 1).unwrap();
    read(&broker, A, 2);
    settle(&mut broker, &[]);
    broker.offer(0, Terms::Standing, 2).unwrap();
    broker.retire(A, left);
    broker.park(left);
    settle(&mut broker, &[]);
    assert_eq!((broker.held(left).unwrap(), unread(&broker, left)), (2, 0));
    broker.offer(0, Terms::Standing, 3).unwrap();
    assert_eq!((unread(&broker, left), unread(&broker, B)), (0, 3), "all but what is held");
    // The command runs again.
    broker.draw_back(1).unwrap();
    broker.admit(A, Kind::External(Dialect::Fifo), 8).unwrap();
    give_back(&broker, left, 1);
    settle(&mut broker, &[]);
    assert_eq!((broker.held(left).unwrap(), unread(&broker, left), broker.free()), (1, 0, 1));
    // Nothing is borrowed for it either.
    broker.remove(A);
    broker.remove(B);
    let offers = broker.offer(0, Terms::Standing, 4).unwrap();
    assert_eq!((offers.without, offers.deadline_us), (0, None));
    assert_eq!(broker.remove(left), Settled { held_lost: 1, surplus: 0 });
    assert_eq!(broker.free(), 6);
}

#[test]
fn offers_are_drawn_back_for_our_own() {
    let mut broker = with_external(2, 2);
    broker.offer(0, Terms::Standing, 0).unwrap();
    assert_eq!((broker.free(), broker.used()), (0, 2));
    broker.draw_back(1).unwrap();
    assert_eq!((all_unread(&broker, 2), broker.free()), (vec![1, 0], 1));
    // One of them is quicker than we are.
    read(&broker, A, 1);
    broker.draw_back(2).unwrap();
    assert_eq!((broker.held(A).unwrap(), broker.free()), (1, 1));
    // What our own need is not offered again.
    assert_eq!(broker.offer(1, Terms::Standing, 0).unwrap().without, 2);
    assert_eq!(all_unread(&broker, 2), [0, 0]);
}

/// Where there is no room for more jobs, external children are offered no more than there is room
/// for; what they hold they keep, and our own are given what they want.
#[test]
fn offers_are_limited_by_what_there_is_room_for() {
    let mut broker = with_external(5, 1);
    broker.limit_offers(2);
    broker.offer(0, Terms::Standing, 0).unwrap();
    assert_eq!((all_unread(&broker, 1), broker.free()), (vec![2], 3));
    read(&broker, A, 1);
    settle(&mut broker, &[]);
    broker.limit_offers(0);
    assert_eq!(
        broker.offer(0, Terms::Standing, 1).unwrap(),
        Offers { taken: true, ..Offers::default() }
    );
    assert_eq!((all_unread(&broker, 1), broker.held(A).unwrap(), broker.free()), (vec![0], 1, 4));
    broker.admit(B, Kind::Own, 8).unwrap();
    settle(&mut broker, &[(B, 3)]);
    assert_eq!((unread(&broker, B), broker.free()), (3, 0));
    settle(&mut broker, &[]);
    // There is room again.
    broker.limit_offers(u32::MAX);
    broker.offer(0, Terms::Standing, 2).unwrap();
    assert_eq!((unread(&broker, A), broker.held(A).unwrap(), broker.free()), (3, 1, 0));
}

#[test]
fn a_limit_of_offers_is_one_for_all_children() {
    let check = |most: u32, expect: &[u32]| {
        let mut broker = with_external(8, 3);
        broker.limit_offers(most);
        broker.offer(0, Terms::Standing, 0).unwrap();
        assert_eq!(all_unread(&broker, 3), expect, "{most}");
        // Also of what stands already.
        broker.limit_offers(u32::MAX);
        broker.offer(0, Terms::Standing, 1).unwrap();
        broker.limit_offers(most);
        broker.offer(0, Terms::Standing, 2).unwrap();
        assert_eq!(
            all_unread(&broker, 3).iter().sum::<u32>(),
            most.min(8).max(u32::from(most > 0) * 3),
            "{most}"
        );
    };
    check(0, &[0, 0, 0]);
    check(2, &[1, 1, 0]);
    check(4, &[2, 1, 1]);
    check(9, &[3, 3, 2]);
}

#[test]
fn a_borrowed_offer_goes_round_once() {
    let mut broker = with_external(1, 2);
    let terms = Terms::Trial { start_us: 100, most: 1 };
    let first = broker.offer(0, terms, 100).unwrap();
    assert_eq!((all_unread(&broker, 2), first.deadline_us), (vec![1, 0], Some(100 + TURN_US)));
    let second = broker.offer(0, terms, 100 + TURN_US).unwrap();
    assert_eq!((all_unread(&broker, 2), second.refused), (vec![0, 1], false));
    let third = broker.offer(1, terms, 100 + 2 * TURN_US).unwrap();
    assert_eq!((all_unread(&broker, 2), third.refused, broker.free()), (vec![0, 0], true, 1));
    assert_eq!(broker.shrink(5), 1);
    assert_eq!((broker.n(), broker.free()), (2, 0));
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
    Settle,
    AdmitExternal,
    Offer { reserve: u32, borrowed: bool, later_us: u64 },
    DrawBack(u32),
    Grow(u32),
    Shrink(u32),
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
        6 => Just(Step::Settle),
        2 => Just(Step::AdmitExternal),
        6 => (0..3u32, any::<bool>(), 0..6000u64)
            .prop_map(|(reserve, borrowed, later_us)| Step::Offer { reserve, borrowed, later_us }),
        2 => (0..4u32).prop_map(Step::DrawBack),
        1 => (1..4u32).prop_map(Step::Grow),
        1 => (1..4u32).prop_map(Step::Shrink),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What the test knows for certain about a child, because it plays it.
#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    client: bool,
    external: bool,
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
        let mut now_us = 0;
        for step in steps {
            let pick = |number: u8| truth.keys().nth(number as usize % truth.len().max(1)).copied();
            match step {
                Step::Admit | Step::AdmitExternal | Step::Charge => {
                    let child = ChildId::Worker(WorkerId(next));
                    next += 1;
                    let client = !matches!(step, Step::Charge);
                    let external = matches!(step, Step::AdmitExternal);
                    let kind = if external { EXTERNAL } else { Kind::Own };
                    let free = broker.free();
                    let admitted = if client { broker.admit(child, kind, n).is_ok() } else { broker.charge(child).is_ok() };
                    prop_assert_eq!(admitted, free > 0);
                    if admitted {
                        truth.insert(child, Truth { client, external, charged: true, ..Truth::default() });
                    }
                }
                Step::Want(number, want) => if let Some(child) = pick(number) {
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
                Step::Offer { reserve, borrowed, later_us } => {
                    now_us += later_us;
                    let terms = if borrowed { Terms::Trial { start_us: now_us / 2, most: 1 } } else { Terms::Standing };
                    let offers = broker.offer(reserve, terms, now_us).unwrap();
                    prop_assert!(offers.deadline_us.is_none_or(|at| now_us < at && at <= now_us + TURN_US));
                    // Nothing that may be offered idles while a external child has no offer.
                    // On trial it idles once all have had it, and goes back where it came from.
                    let refused = offers.refused || terms != Terms::Standing;
                    // One whose port is full of what it returned too much cannot be offered
                    // anything until that is found.
                    let full = truth.keys().any(|child| unread(&broker, *child) >= capacity);
                    prop_assert!(offers.without == 0 || broker.free() <= reserve || refused || full);
                    // On trial each has it once, before it goes back.
                    if let Terms::Trial { start_us, .. } = terms {
                        let has_waited = |child: &ChildId| {
                            let offer = broker.offer_of(*child);
                            offer.count == 0 && offer.since_us < start_us
                        };
                        let waits = truth.iter().any(|(child, of)| of.external && has_waited(child));
                        prop_assert!(!waits || broker.free() <= reserve || full, "one was passed over");
                    }
                }
                Step::DrawBack(slots) => {
                    broker.draw_back(slots).unwrap();
                    let none_stands = broker.standing().next().is_none();
                    prop_assert!(broker.free() >= slots || none_stands);
                }
                Step::Grow(slots) => {
                    let before = (broker.n(), broker.free());
                    broker.grow(slots);
                    prop_assert_eq!((broker.n(), broker.free()), (before.0 + slots, before.1 + slots));
                }
                Step::Shrink(slots) => {
                    let before = (broker.n(), broker.free());
                    let gone = broker.shrink(slots);
                    prop_assert_eq!((broker.n(), broker.free()), (before.0 - gone, before.1 - gone));
                    prop_assert_eq!(gone, slots.min(before.1));
                }
                Step::Settle => {
                    let granted: Vec<(ChildId, u32)> =
                        truth.iter().filter(|(_, of)| !of.external).map(|(child, of)| (*child, of.want)).collect();
                    let surpluses = settle(&mut broker, &granted);
                    for Surplus { child, tokens } in surpluses {
                        let of_child = truth.get_mut(&child).unwrap();
                        prop_assert!(of_child.extra >= tokens, "{child:?} is accused of {tokens}");
                        of_child.extra -= tokens;
                    }
                    for (child, Truth { want, priority, external, .. }) in &truth {
                        let Some(tokens) = broker.tokens(*child) else { continue };
                        if *external {
                            prop_assert_eq!(tokens.port.unread().unwrap(), broker.offer_of(*child).count);
                            continue;
                        }
                        // Nothing lies unread that is not wanted, and nothing was put beyond the
                        // wish.
                        let unread = tokens.port.unread().unwrap();
                        prop_assert!(unread == 0 || tokens.out <= *want);
                        // Nothing idles that is wanted, unless the port is full.
                        if broker.free() > 0 {
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
            prop_assert_eq!(found, broker.n());
            let offered: u32 = broker.standing().map(|(_, offer)| offer.count).sum();
            prop_assert_eq!(broker.free() + broker.used() + offered, broker.n());
        }
        for child in truth.into_keys() {
            broker.remove(child);
        }
        prop_assert_eq!(broker.free(), broker.n());
    }
}
