//! Tests of borrowing and returning, with a fake lender and fake ports.

use super::*;
use crate::keys::{ChildId, WorkerId};
use crate::tokens::broker::ChildKind;
use crate::tokens::dialect::Dialect;
use crate::tokens::fake::{FakeLender, FakePorts, settle};
use crate::tokens::port::Port;
use proptest::prelude::*;
use std::collections::BTreeMap;

const OWN: ChildId = ChildId::Worker(WorkerId(0));
const EXTERNAL: ChildId = ChildId::Worker(WorkerId(1));

fn under(left: u32, hint: u32) -> (Pool<FakePorts, FakeLender>, FakeLender) {
    let lender = FakeLender::new(left);
    (Pool::under(lender.clone(), hint, FakePorts { capacity: 1000 }), lender)
}

/// One round, in which children may have the tokens in `granted`, and `wanted` more slots have a
/// use.
fn round_with(
    pool: &mut Pool<FakePorts, FakeLender>,
    granted: &[(ChildId, u32)],
    wanted: u32,
    now_us: Micros,
) -> Option<Micros> {
    settle(&mut pool.broker, granted);
    pool.begin_round(wanted, now_us).unwrap();
    settle(&mut pool.broker, granted);
    pool.end_round(wanted.saturating_sub(pool.broker.free()), now_us).unwrap()
}

fn round(pool: &mut Pool<FakePorts, FakeLender>, wanted: u32, now_us: Micros) -> Option<Micros> {
    round_with(pool, &[], wanted, now_us)
}

fn unread(pool: &Pool<FakePorts, FakeLender>, child: ChildId) -> u32 {
    pool.broker.port(child).unwrap().unread().unwrap()
}

fn read(pool: &Pool<FakePorts, FakeLender>, child: ChildId, tokens: u32) {
    *pool.broker.port(child).unwrap().unread.borrow_mut() -= tokens;
}

#[test]
fn pool_uses_the_implicit_slot_first() {
    let (mut pool, lender) = under(9, 10);
    assert_eq!(pool.broker.free(), 1);
    pool.broker.admit(OWN, ChildKind::Own, 10).unwrap();
    round(&mut pool, 0, Micros(0));
    assert_eq!(lender.0.borrow().requested, 0, "nothing else has a use for a slot");
}

#[test]
fn pool_borrows_tokens_for_work_and_returns_them_at_once() {
    let (mut pool, lender) = under(9, 10);
    drop(pool.broker.admit(OWN, ChildKind::Own, 10).unwrap());
    pool.end_round(3, Micros(0)).unwrap();
    assert_eq!(lender.0.borrow().requested, 3);
    lender.grant();
    pool.begin_round(3, Micros(1)).unwrap();
    settle(&mut pool.broker, &[(OWN, 3)]);
    pool.end_round(0, Micros(1)).unwrap();
    assert_eq!((unread(&pool, OWN), pool.broker.n(), lender.0.borrow().lent), (3, 4, 3));
    // Two are read, and then one is enough.
    read(&pool, OWN, 2);
    round_with(&mut pool, &[(OWN, 2)], 0, Micros(2));
    assert_eq!((pool.broker.n(), lender.0.borrow().lent), (3, 2));
    pool.broker.remove(OWN);
    round(&mut pool, 0, Micros(3));
    assert_eq!((pool.broker.n(), pool.broker.free(), lender.0.borrow().lent), (1, 1, 0));
}

#[test]
fn pool_requests_no_more_tokens_than_the_hint() {
    let (mut pool, lender) = under(9, 4);
    pool.end_round(100, Micros(0)).unwrap();
    assert_eq!(lender.0.borrow().requested, 3);
}

#[test]
fn pool_returns_a_token_that_arrives_too_late() {
    let (mut pool, lender) = under(9, 10);
    drop(pool.broker.admit(OWN, ChildKind::Own, 10).unwrap());
    pool.end_round(2, Micros(0)).unwrap();
    lender.grant();
    round(&mut pool, 0, Micros(1));
    assert_eq!((pool.broker.n(), lender.0.borrow().lent), (1, 0));
}

#[test]
fn pool_doubles_the_pause_between_failed_trials() {
    let (mut pool, lender) = under(1, 4);
    drop(pool.broker.admit(EXTERNAL, ChildKind::External(Dialect::Fifo), 4).unwrap());
    let mut pauses = vec![];
    let mut now_us = Micros(0);
    for _ in 0..6 {
        assert_eq!(round(&mut pool, 0, now_us), None, "it waits for a token");
        assert_eq!(lender.0.borrow().requested, 1);
        lender.grant();
        let offer_ends_us = round(&mut pool, 0, now_us).unwrap();
        assert_eq!((offer_ends_us, unread(&pool, EXTERNAL)), (now_us + Micros(5_000), 1));
        now_us = offer_ends_us;
        let next = round(&mut pool, 0, now_us).unwrap();
        assert_eq!(
            (unread(&pool, EXTERNAL), lender.0.borrow().lent, lender.0.borrow().requested),
            (0, 0, 0)
        );
        pauses.push(next - now_us);
        now_us = next;
    }
    assert_eq!(pauses, [5, 10, 20, 40, 40, 40].map(Micros::from_millis));
    // It takes one: the next trial follows at once, with two tokens, and the pauses start again.
    round(&mut pool, 0, now_us);
    lender.grant();
    round(&mut pool, 0, now_us);
    read(&pool, EXTERNAL, 1);
    round(&mut pool, 0, now_us);
    assert_eq!((lender.0.borrow().requested, lender.0.borrow().lent), (2, 1));
}

#[test]
fn pool_doubles_the_size_of_trials_that_are_taken() {
    let (mut pool, lender) = under(20, 21);
    drop(pool.broker.admit(EXTERNAL, ChildKind::External(Dialect::Fifo), 21).unwrap());
    let mut offered = vec![];
    for now_us in 0..5 {
        round(&mut pool, 0, Micros(now_us));
        // One by one, as they arrive from a real pool.
        while lender.0.borrow().requested > 0 {
            let left = std::mem::replace(&mut lender.0.borrow_mut().left, 1);
            lender.grant();
            lender.0.borrow_mut().left = left - 1;
            round(&mut pool, 0, Micros(now_us));
        }
        offered.push(unread(&pool, EXTERNAL));
        read(&pool, EXTERNAL, unread(&pool, EXTERNAL));
    }
    assert_eq!(offered, [1, 2, 4, 8, 5]);
}

#[test]
fn pool_keeps_an_offer_ahead_until_a_token_is_taken() {
    let (mut pool, lender) = under(3, 4);
    drop(pool.broker.admit(EXTERNAL, ChildKind::External(Dialect::Fifo), 4).unwrap());
    pool.end_round(3, Micros(0)).unwrap();
    lender.grant();
    pool.begin_round(0, Micros(1)).unwrap();
    pool.offer_ahead(0, Micros(50_000), Micros(1)).unwrap();
    for now_us in [2, 10_000, 49_999] {
        assert_eq!(round(&mut pool, 0, Micros(now_us)), Some(Micros(50_000)));
        assert_eq!(unread(&pool, EXTERNAL), 3);
    }
    let mut not_taken = Micros(50_000);
    while lender.0.borrow().lent > 0 {
        not_taken = round(&mut pool, 0, not_taken).unwrap();
    }
    assert!(
        not_taken <= Micros(60_000),
        "all is returned when the offer's time is over: {not_taken:?}"
    );
    // The next command takes two; the third token is returned when the offer's time is over.
    lender.grant();
    pool.begin_round(0, Micros(100_000)).unwrap();
    pool.end_round(3, Micros(100_000)).unwrap();
    lender.grant();
    pool.begin_round(0, Micros(100_001)).unwrap();
    pool.offer_ahead(0, Micros(150_000), Micros(100_001)).unwrap();
    read(&pool, EXTERNAL, 2);
    round(&mut pool, 0, Micros(100_002));
    round(&mut pool, 0, Micros(105_002));
    round(&mut pool, 0, Micros(105_003));
    assert_eq!(lender.0.borrow().lent, 2);
}

#[test]
fn pool_returns_a_token_that_an_external_command_has_returned() {
    let (mut pool, lender) = under(1, 4);
    drop(pool.broker.admit(EXTERNAL, ChildKind::External(Dialect::Fifo), 4).unwrap());
    round(&mut pool, 0, Micros(0));
    lender.grant();
    round(&mut pool, 0, Micros(0));
    read(&pool, EXTERNAL, 1);
    round(&mut pool, 0, Micros(10));
    *pool.broker.port(EXTERNAL).unwrap().unread.borrow_mut() += 1;
    let mut now_us = Micros(1_000);
    for _ in 0..3 {
        now_us = round(&mut pool, 0, now_us).unwrap_or(now_us);
    }
    assert_eq!((lender.0.borrow().lent, pool.broker.n()), (0, 1));
}

#[test]
fn pool_reports_a_lost_parent_once() {
    let (mut pool, lender) = under(1, 4);
    lender.0.borrow_mut().lost = true;
    assert!(pool.begin_round(0, Micros(0)).unwrap().is_some());
    assert!(pool.begin_round(0, Micros(0)).unwrap().is_none());
}

#[derive(Clone, Debug)]
enum Step {
    AdmitOwn,
    AdmitExternal,
    Want(u8, u32),
    Read(u8, u32),
    GiveBack(u8, u32),
    Remove(u8),
    Grant,
    Round { wanted: u32, later_us: Micros },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::AdmitOwn),
        2 => Just(Step::AdmitExternal),
        4 => (any::<u8>(), 0..6u32).prop_map(|(child, tokens)| Step::Want(child, tokens)),
        4 => (any::<u8>(), 1..4u32).prop_map(|(child, tokens)| Step::Read(child, tokens)),
        4 => (any::<u8>(), 1..4u32).prop_map(|(child, tokens)| Step::GiveBack(child, tokens)),
        1 => any::<u8>().prop_map(Step::Remove),
        4 => Just(Step::Grant),
        8 => (0..4u32, 0..20_000u64).prop_map(|(wanted, later_us)| Step::Round { wanted, later_us: Micros(later_us) }),
    ];
    proptest::collection::vec(step, 1..150)
}

proptest! {
    #[test]
    fn pool_has_all_borrowed_tokens_in_the_account(left in 0..8u32, steps in steps()) {
        let (mut pool, lender) = under(left, 6);
        let mut children: Vec<(ChildId, u32)> = Vec::new();
        let mut granted: BTreeMap<ChildId, u32> = BTreeMap::new();
        let (mut next, mut now_us) = (0, Micros(0));
        for step in steps {
            let pick = |number: u8| number as usize % children.len().max(1);
            match step {
                Step::AdmitOwn | Step::AdmitExternal => {
                    let own = matches!(step, Step::AdmitOwn);
                    let kind = if own { ChildKind::Own } else { ChildKind::External(Dialect::Fifo) };
                    let child = ChildId::Worker(WorkerId(next));
                    next += 1;
                    if pool.broker.admit(child, kind, 6).is_ok() {
                        children.push((child, 0));
                    }
                }
                Step::Want(number, tokens) => if let Some((child, _)) = children.get(pick(number)) {
                    granted.insert(*child, tokens);
                },
                Step::Read(number, tokens) => {
                    let at = pick(number);
                    if let Some((child, held)) = children.get_mut(at) {
                        let tokens = tokens.min(unread(&pool, *child));
                        read(&pool, *child, tokens);
                        *held += tokens;
                    }
                }
                Step::GiveBack(number, tokens) => {
                    let at = pick(number);
                    if let Some((child, held)) = children.get_mut(at) {
                        let tokens = tokens.min(*held);
                        *pool.broker.port(*child).unwrap().unread.borrow_mut() += tokens;
                        *held -= tokens;
                    }
                }
                Step::Remove(number) => if !children.is_empty() {
                    let (child, held) = children.remove(pick(number));
                    prop_assert_eq!(pool.broker.remove(child).held_lost, held);
                },
                Step::Grant => drop(lender.grant()),
                Step::Round { wanted, later_us } => {
                    now_us += later_us;
                    let granted: Vec<_> = granted.iter().map(|(child, tokens)| (*child, *tokens)).collect();
                    let deadline = round_with(&mut pool, &granted, wanted, now_us);
                    prop_assert!(deadline.is_none_or(|at| at > now_us));
                }
            }
            let lending = lender.0.borrow();
            prop_assert_eq!(pool.broker.n() + lending.arriving, 1 + lending.lent);
            prop_assert_eq!(lending.left + lending.lent, left);
        }
        // When all children are gone, the next round returns everything.
        for (child, _) in children {
            pool.broker.remove(child);
        }
        settle(&mut pool.broker, &[]);
        pool.begin_round(0, now_us).unwrap();
        pool.end_round(0, now_us).unwrap();
        prop_assert_eq!((lender.0.borrow().lent, pool.broker.n(), pool.broker.free()), (0, 1, 1));
    }
}
