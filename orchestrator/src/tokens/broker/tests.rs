//! Tests of the account on fake ports; the tests act as the clients.

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
fn broker_admission_names_the_port() {
    let admission = broker(8).admit(A, ChildKind::Own, 8).unwrap();
    let flags = " -j8 --jobserver-auth=fifo:/fake";
    assert_eq!(admission.environment(), [("MAKEFLAGS", flags), ("CARGO_MAKEFLAGS", flags)]);
}

#[test]
fn broker_charges_parks_and_lends_the_implicit_slot() {
    let mut broker = broker(2);
    broker.admit(A, ChildKind::Own, 8).unwrap();
    broker.charge(B).unwrap();
    assert_eq!((broker.free(), broker.used()), (0, 2));
    assert!(matches!(
        broker.admit(ChildId::Worker(WorkerId(2)), ChildKind::Own, 8),
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
fn broker_releases_a_worker_that_has_nothing_and_admits_it_again() {
    let mut broker = broker(2);
    broker.admit(A, ChildKind::Own, 8).unwrap();
    assert!(broker.release(A).is_none(), "it has its slot");
    broker.park(A);
    broker.put(A).unwrap();
    assert!(broker.release(A).is_none(), "a token is unread");
    read(&broker, A, 1);
    assert!(broker.release(A).is_none(), "a token is out");
    give_back(&broker, A, 1);
    broker.collect(|_| 0).unwrap();
    give_back(&broker, A, 1);
    assert!(broker.release(A).is_none(), "it has returned too much");
    broker.collect(|_| 0).unwrap();
    let port = broker.release(A).unwrap();
    assert_eq!((broker.free(), broker.port(A).is_some()), (2, false));
    broker.readmit(B, port).unwrap();
    assert_eq!((broker.free(), broker.out(B)), (1, 0));
    assert!(broker.put(B).unwrap());
    broker.remove(B);
    assert_eq!(broker.free(), 2);
}

#[test]
fn broker_puts_a_token_only_if_one_is_free_and_the_port_has_room() {
    let mut broker = Broker::new(4, FakePorts { capacity: 2 });
    broker.admit(A, ChildKind::Own, 8).unwrap();
    assert!(broker.put(A).unwrap() && broker.put(A).unwrap());
    assert!(!broker.put(A).unwrap(), "its port is full");
    assert_eq!((broker.out(A), broker.free()), (2, 1));
    assert!(!broker.put(B).unwrap(), "the child is unknown");
    broker.charge(B).unwrap();
    read(&broker, A, 2);
    assert!(!broker.put(A).unwrap(), "none is free");
    assert_eq!((broker.out(A), broker.free()), (2, 0));
}

#[test]
fn broker_takes_back_unread_tokens_beyond_the_grant() {
    let mut broker = broker(5);
    broker.admit(A, ChildKind::Own, 8).unwrap();
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
fn broker_grants_a_returned_token_to_another_worker() {
    let mut broker = broker(3);
    broker.admit(A, ChildKind::Own, 8).unwrap();
    broker.admit(B, ChildKind::Own, 8).unwrap();
    settle(&mut broker, &[(A, 1)]);
    read(&broker, A, 1);
    settle(&mut broker, &[(A, 0), (B, 1)]);
    assert_eq!(unread(&broker, B), 0);
    give_back(&broker, A, 1);
    settle(&mut broker, &[(A, 0), (B, 1)]);
    assert_eq!((unread(&broker, A), unread(&broker, B)), (0, 1));
}

#[test]
fn broker_frees_the_tokens_of_a_removed_child() {
    let mut broker = broker(6);
    broker.admit(A, ChildKind::Own, 8).unwrap();
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
fn broker_reports_and_discards_surplus_tokens() {
    let mut broker = broker(3);
    broker.admit(A, ChildKind::Own, 8).unwrap();
    settle(&mut broker, &[(A, 1)]);
    give_back(&broker, A, 2);
    assert_eq!(settle(&mut broker, &[(A, 1)]), [Surplus { child: A, tokens: 2 }]);
    assert_eq!((unread(&broker, A), broker.free()), (1, 1));
    give_back(&broker, A, 1);
    assert_eq!(broker.remove(A), Settled { held_lost: 0, surplus: 1 });
    assert_eq!(broker.free(), 3);
}

const EXTERNAL: ChildKind = ChildKind::External(Dialect::Fifo);

/// A broker with external commands 0, 1, ..., and `n` slots besides their implicit ones.
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
fn broker_offers_free_slots() {
    let mut broker = with_external(3, 1);
    let offers = broker.offer(0, Terms::Standing, Micros(0)).unwrap();
    assert_eq!(offers, Offers::default());
    assert_eq!((unread(&broker, A), broker.free(), broker.used()), (3, 0, 1));
    // It is not taken: with one command the offer stands.
    settle(&mut broker, &[]);
    assert_eq!(broker.offer(0, Terms::Standing, Micros(1_000_000)).unwrap(), Offers::default());
    read(&broker, A, 2);
    settle(&mut broker, &[]);
    let offers = broker.offer(0, Terms::Standing, Micros(2_000_000)).unwrap();
    assert_eq!((offers.taken, broker.held(A).unwrap(), broker.used()), (true, 2, 3));
    read(&broker, A, 1);
    settle(&mut broker, &[]);
    assert_eq!((unread(&broker, A), broker.free(), broker.used()), (0, 0, 4));
    // Returned tokens are free, and are offered again.
    give_back(&broker, A, 3);
    settle(&mut broker, &[]);
    assert_eq!(broker.free(), 3);
    broker.offer(0, Terms::Standing, Micros(3_000_000)).unwrap();
    assert_eq!((unread(&broker, A), broker.free(), broker.held(A).unwrap()), (3, 0, 0));
}

#[test]
fn broker_shares_offers_evenly_and_again_when_commands_start() {
    let mut broker = with_external(5, 1);
    broker.offer(0, Terms::Standing, Micros(0)).unwrap();
    assert_eq!(all_unread(&broker, 1), [5]);
    // Its implicit slot has to be free first.
    broker.withdraw_offers(1).unwrap();
    drop(broker.admit(B, EXTERNAL, 5).unwrap());
    broker.offer(0, Terms::Standing, Micros(1)).unwrap();
    assert_eq!((all_unread(&broker, 2), broker.free()), (vec![2, 2], 0));
    // An offer has a maximum.
    let mut broker = with_external(5000, 2);
    broker.offer(0, Terms::Standing, Micros(0)).unwrap();
    assert_eq!(all_unread(&broker, 2), [MOST_OFFERED, MOST_OFFERED]);
    // A trial offers one token to each.
    let mut broker = with_external(10, 2);
    broker.offer(0, Terms::Trial { start_us: Micros(1), most: 1 }, Micros(1)).unwrap();
    assert_eq!((all_unread(&broker, 2), broker.free()), (vec![1, 1], 8));
}

#[test]
fn broker_moves_an_offer_when_its_time_is_over() {
    let mut broker = with_external(1, 3);
    let mut now_us = Micros(0);
    let mut had = vec![];
    for _ in 0..7 {
        let offers = broker.offer(0, Terms::Standing, now_us).unwrap();
        had.push(all_unread(&broker, 3).iter().position(|unread| *unread == 1).unwrap());
        assert_eq!((offers.without, offers.deadline_us), (2, Some(now_us + OFFER_TIME_US)));
        broker.offer(0, Terms::Standing, now_us + OFFER_TIME_US - Micros(1)).unwrap();
        assert_eq!(
            all_unread(&broker, 3).iter().position(|unread| *unread == 1),
            had.last().copied()
        );
        now_us += OFFER_TIME_US;
    }
    assert_eq!(had, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn broker_moves_offers_faster_among_many_commands() {
    let mut broker = with_external(1, 40);
    let mut now_us = Micros(0);
    let mut had = BTreeSet::new();
    while now_us < ROUND_US {
        now_us = broker.offer(0, Terms::Standing, now_us).unwrap().deadline_us.unwrap();
        had.extend(all_unread(&broker, 40).iter().position(|unread| *unread == 1));
    }
    assert_eq!(had.len(), 40);
}

#[test]
fn broker_offers_an_urgent_command_more_often() {
    let mut broker = with_external(1, 3);
    broker.set_priority(B, 9);
    let had = (0..6).map(|step| {
        broker.offer(0, Terms::Standing, OFFER_TIME_US * step).unwrap();
        all_unread(&broker, 3).iter().position(|unread| *unread == 1).unwrap()
    });
    assert_eq!(had.collect::<Vec<_>>(), [1, 0, 1, 2, 1, 0]);
}

/// Urgent commands may have no use for a token while the least urgent one waits for it.
#[test]
fn broker_offers_to_each_command_within_a_round() {
    for children in [3, 8, 20] {
        let mut broker = with_external(1, children);
        (0..children).for_each(|id| {
            broker.set_priority(ChildId::Worker(WorkerId(id)), u64::from(children - id))
        });
        let mut last_us = BTreeMap::new();
        let mut now_us = Micros::from_secs(1);
        while now_us < Micros::from_secs(2) {
            let next_us = broker.offer(0, Terms::Standing, now_us).unwrap().deadline_us.unwrap();
            let has = all_unread(&broker, children).iter().position(|unread| *unread == 1).unwrap();
            last_us.insert(has, now_us);
            now_us = next_us;
            let longest = (0..children as usize)
                .map(|id| now_us - *last_us.get(&id).unwrap_or(&Micros::from_secs(1)))
                .max();
            assert!(
                longest.unwrap() <= ROUND_US + OFFER_TIME_US * 2,
                "{children}: {last_us:?} at {now_us:?}"
            );
        }
        assert_eq!(last_us.len(), children as usize);
    }
}

#[test]
fn broker_offers_an_urgent_command_more_tokens() {
    let mut broker = with_external(3, 2);
    broker.set_priority(B, 9);
    for at in [1, 2, 3_000] {
        broker.offer(0, Terms::Standing, Micros(at)).unwrap();
        assert_eq!(all_unread(&broker, 2), [1, 2]);
    }
    broker.set_priority(A, 10);
    broker.offer(0, Terms::Standing, Micros(3_001)).unwrap();
    assert_eq!(all_unread(&broker, 2), [2, 1]);
}

#[test]
fn broker_keeps_tokens_of_survivors_charged_and_offers_them_nothing() {
    let left = ChildId::Worker(WorkerId(7));
    let mut broker = with_external(4, 2);
    broker.offer(0, Terms::Standing, Micros(1)).unwrap();
    read(&broker, A, 2);
    settle(&mut broker, &[]);
    broker.offer(0, Terms::Standing, Micros(2)).unwrap();
    broker.retire(A, left);
    broker.park(left);
    settle(&mut broker, &[]);
    assert_eq!((broker.held(left).unwrap(), unread(&broker, left)), (2, 0));
    broker.offer(0, Terms::Standing, Micros(3)).unwrap();
    assert_eq!((unread(&broker, left), unread(&broker, B)), (0, 3), "all but the held tokens");
    // The command runs again.
    broker.withdraw_offers(1).unwrap();
    broker.admit(A, ChildKind::External(Dialect::Fifo), 8).unwrap();
    give_back(&broker, left, 1);
    settle(&mut broker, &[]);
    assert_eq!((broker.held(left).unwrap(), unread(&broker, left), broker.free()), (1, 0, 1));
    // Survivors do not count as commands without an offer.
    broker.remove(A);
    broker.remove(B);
    let offers = broker.offer(0, Terms::Standing, Micros(4)).unwrap();
    assert_eq!((offers.without, offers.deadline_us), (0, None));
    assert_eq!(broker.remove(left), Settled { held_lost: 1, surplus: 0 });
    assert_eq!(broker.free(), 6);
}

#[test]
fn broker_withdraws_offers_for_workers() {
    let mut broker = with_external(2, 2);
    broker.offer(0, Terms::Standing, Micros(0)).unwrap();
    assert_eq!((broker.free(), broker.used()), (0, 2));
    broker.withdraw_offers(1).unwrap();
    assert_eq!((all_unread(&broker, 2), broker.free()), (vec![1, 0], 1));
    // One command reads its token first.
    read(&broker, A, 1);
    broker.withdraw_offers(2).unwrap();
    assert_eq!((broker.held(A).unwrap(), broker.free()), (1, 1));
    // The reserve is not offered.
    assert_eq!(broker.offer(1, Terms::Standing, Micros(0)).unwrap().without, 2);
    assert_eq!(all_unread(&broker, 2), [0, 0]);
}

/// A limit applies to tokens that commands can take, not to those that they hold, nor to workers.
#[test]
fn broker_limits_offers() {
    let mut broker = with_external(5, 1);
    broker.limit_offers(2);
    broker.offer(0, Terms::Standing, Micros(0)).unwrap();
    assert_eq!((all_unread(&broker, 1), broker.free()), (vec![2], 3));
    read(&broker, A, 1);
    settle(&mut broker, &[]);
    broker.limit_offers(0);
    assert_eq!(
        broker.offer(0, Terms::Standing, Micros(1)).unwrap(),
        Offers { taken: true, ..Offers::default() }
    );
    assert_eq!((all_unread(&broker, 1), broker.held(A).unwrap(), broker.free()), (vec![0], 1, 4));
    broker.admit(B, ChildKind::Own, 8).unwrap();
    settle(&mut broker, &[(B, 3)]);
    assert_eq!((unread(&broker, B), broker.free()), (3, 0));
    settle(&mut broker, &[]);
    // The limit is lifted.
    broker.limit_offers(u32::MAX);
    broker.offer(0, Terms::Standing, Micros(2)).unwrap();
    assert_eq!((unread(&broker, A), broker.held(A).unwrap(), broker.free()), (3, 1, 0));
}

#[test]
fn broker_limits_the_sum_of_all_offers() {
    let check = |most: u32, expect: &[u32]| {
        let mut broker = with_external(8, 3);
        broker.limit_offers(most);
        broker.offer(0, Terms::Standing, Micros(0)).unwrap();
        assert_eq!(all_unread(&broker, 3), expect, "{most}");
        // Also of offers that stand already.
        broker.limit_offers(u32::MAX);
        broker.offer(0, Terms::Standing, Micros(1)).unwrap();
        broker.limit_offers(most);
        broker.offer(0, Terms::Standing, Micros(2)).unwrap();
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
fn broker_withdraws_a_trial_after_one_round() {
    let mut broker = with_external(1, 2);
    let terms = Terms::Trial { start_us: Micros(100), most: 1 };
    let first = broker.offer(0, terms, Micros(100)).unwrap();
    assert_eq!(
        (all_unread(&broker, 2), first.deadline_us),
        (vec![1, 0], Some(Micros(100) + OFFER_TIME_US))
    );
    let second = broker.offer(0, terms, Micros(100) + OFFER_TIME_US).unwrap();
    assert_eq!((all_unread(&broker, 2), second.refused), (vec![0, 1], false));
    let third = broker.offer(1, terms, Micros(100) + OFFER_TIME_US * 2).unwrap();
    assert_eq!((all_unread(&broker, 2), third.refused, broker.free()), (vec![0, 0], true, 1));
    assert_eq!(broker.shrink(5), 1);
    assert_eq!((broker.n(), broker.free()), (2, 0));
}

/// One step of a random history. A number selects a child modulo how many there are.
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
    Offer { reserve: u32, borrowed: bool, later_us: Micros },
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
            .prop_map(|(reserve, borrowed, later_us)| Step::Offer { reserve, borrowed, later_us: Micros(later_us) }),
        2 => (0..4u32).prop_map(Step::DrawBack),
        1 => (1..4u32).prop_map(Step::Grow),
        1 => (1..4u32).prop_map(Step::Shrink),
    ];
    proptest::collection::vec(step, 1..120)
}

/// The true state of a child, which the test acts for.
#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    client: bool,
    external: bool,
    charged: bool,
    want: u32,
    priority: u64,
    /// Tokens that it has read and not returned.
    held: u32,
    /// Bytes that it returned in excess and that the broker has not discarded yet.
    extra: u32,
}

proptest! {
    #[test]
    fn broker_has_every_slot_in_one_place(n in 1..12u32, capacity in 1..6u32, steps in steps()) {
        let mut broker = Broker::new(n, FakePorts { capacity });
        let mut truth: BTreeMap<ChildId, Truth> = BTreeMap::new();
        let mut next = 0;
        let mut now_us = Micros(0);
        for step in steps {
            let pick = |number: u8| truth.keys().nth(number as usize % truth.len().max(1)).copied();
            match step {
                Step::Admit | Step::AdmitExternal | Step::Charge => {
                    let child = ChildId::Worker(WorkerId(next));
                    next += 1;
                    let client = !matches!(step, Step::Charge);
                    let external = matches!(step, Step::AdmitExternal);
                    let kind = if external { EXTERNAL } else { ChildKind::Own };
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
                    broker.set_priority(child, priority);
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
                    // A surplus byte is counted as a returned token: the account knows only the
                    // sum.
                    prop_assert_eq!(i64::from(settled.held_lost) - i64::from(settled.surplus),
                        i64::from(held) - i64::from(extra));
                },
                Step::Offer { reserve, borrowed, later_us } => {
                    now_us += later_us;
                    let terms = if borrowed { Terms::Trial { start_us: now_us / 2, most: 1 } } else { Terms::Standing };
                    let offers = broker.offer(reserve, terms, now_us).unwrap();
                    prop_assert!(offers.deadline_us.is_none_or(|at| now_us < at && at <= now_us + OFFER_TIME_US));
                    // No slot that may be offered is free while an external command has no offer.
                    // Exception: on trial, when all have had an offer, the token is returned.
                    let refused = offers.refused || terms != Terms::Standing;
                    // A port that is full of surplus bytes has no room for an offer until they are
                    // discarded.
                    let full = truth.keys().any(|child| unread(&broker, *child) >= capacity);
                    prop_assert!(offers.without == 0 || broker.free() <= reserve || refused || full);
                    // On trial each has an offer once before the token is returned.
                    if let Terms::Trial { start_us, .. } = terms {
                        let has_waited = |child: &ChildId| {
                            let offer = broker.offer_of(*child);
                            offer.count == 0 && offer.since_us < start_us
                        };
                        let waits = truth.iter().any(|(child, of)| of.external && has_waited(child));
                        prop_assert!(!waits || broker.free() <= reserve || full, "a command has no offer");
                    }
                }
                Step::DrawBack(slots) => {
                    broker.withdraw_offers(slots).unwrap();
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
                        prop_assert!(of_child.extra >= tokens, "{child:?} is reported with {tokens}");
                        of_child.extra -= tokens;
                    }
                    for (child, Truth { want, priority, external, .. }) in &truth {
                        let Some(tokens) = broker.tokens(*child) else { continue };
                        if *external {
                            prop_assert_eq!(tokens.port.unread().unwrap(), broker.offer_of(*child).count);
                            continue;
                        }
                        // No unread token is unwanted, and no token was put beyond the request.
                        let unread = tokens.port.unread().unwrap();
                        prop_assert!(unread == 0 || tokens.out <= *want);
                        // No slot is free that a worker can use, unless its port is full.
                        if broker.free() > 0 {
                            prop_assert!(tokens.out >= *want || unread >= capacity, "{child:?} lacks tokens");
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
