//! Tests of the machine: tables, and random histories of a whole worker.

use super::super::leases::Held;
use super::super::outline::OutlineItem;
use super::*;
use proptest::prelude::*;
use tender_units::Micros;

/// A plan of items, each with its cost and the positions of the items before it.
fn outline(id: u32, items: &[(u64, &[usize])]) -> Outline {
    outline_of(id, items, false)
}

/// As `outline`, for serial translation.
fn serial(id: u32, items: &[(u64, &[usize])]) -> Outline {
    outline_of(id, items, true)
}

fn outline_of(id: u32, items: &[(u64, &[usize])], serial: bool) -> Outline {
    let mut outline: Vec<OutlineItem> = Vec::new();
    for (position, (cost, after)) in items.iter().enumerate() {
        outline.push(OutlineItem {
            id: ItemId(position as u32),
            cost: Micros(*cost),
            serial,
            leased_join: false,
            waits_for: after.len() as u32,
            dependents: Vec::new(),
        });
        for first in *after {
            outline[*first].dependents.push(position);
        }
    }
    Outline::of_items(PlanId(id), outline)
}

fn in_pieces(plan: u32, item: u32, costs: &[u64]) -> Event {
    Event::InPieces { plan: PlanId(plan), item: ItemId(item), costs: costs.to_vec() }
}

fn piece(plan: u32, item: u32, piece: u32, ok: bool) -> Event {
    Event::PieceEnded { plan: PlanId(plan), item: ItemId(item), piece, ok }
}

fn finished(plan: u32, item: u32, outcome: Outcome) -> Event {
    Event::Finished { plan: PlanId(plan), item: ItemId(item), outcome }
}

fn ok(plan: u32, item: u32) -> Event {
    finished(plan, item, Outcome::Ok)
}

/// Actions in short: `start PLAN.ITEM @SLOT`, `piece PLAN.ITEM.PIECE @SLOT`, `want 2` and the like.
fn summary(actions: &[Action]) -> String {
    let word = |action: &Action| match action {
        Action::Start { plan, item, part, slot } => {
            let (plan, item) = (plan.0, item.0);
            match part {
                Part::Begin => format!("start {plan}.{item} @{slot}"),
                Part::Translate => format!("translate {plan}.{item} @{slot}"),
                Part::Piece(piece) => format!("piece {plan}.{item}.{piece} @{slot}"),
                Part::Join => format!("join {plan}.{item} @{slot}"),
            }
        }
        Action::AskLease { plan, item, part } => match part {
            Part::Begin | Part::Translate => format!("ask {}.{}", plan.0, item.0),
            Part::Piece(_) => format!("ask {}.{} piece", plan.0, item.0),
            Part::Join => format!("ask {}.{} join", plan.0, item.0),
        },
        Action::Resize { plan, item, held: Held { bytes, grants, parts } } => {
            format!("hold {}.{} {} of {grants} for {parts}", plan.0, item.0, bytes.0)
        }
        Action::Abandon { plan, item, outcome } => {
            format!("abandon {}.{} {outcome:?}", plan.0, item.0)
        }
        Action::Skip { plan, item } => format!("skip {}.{}", plan.0, item.0),
        Action::RequestTokens(tokens) => format!("request {tokens}"),
        Action::ReleaseToken => "release".to_owned(),
        Action::Send(FromWorker::Want { tokens }) => format!("want {tokens}"),
        Action::Send(FromWorker::SlotParked) => "park".to_owned(),
        Action::Send(FromWorker::Done { plan, ok }) => format!("done {} {ok}", plan.0),
        Action::Send(other) => format!("{other:?}"),
        Action::Exit => "exit".to_owned(),
    };
    actions.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn lease(plan: u32, item: u32, bytes: u64) -> Event {
    Event::Lease { plan: PlanId(plan), item: ItemId(item), bytes: Bytes(bytes) }
}

/// Grants memory for every part before the part exists, and ignores actions about memory.
fn check(mode: Mode, steps: Vec<(Event, &str)>) {
    let mut machine = Machine::new(mode);
    for (number, (event, expect)) in steps.into_iter().enumerate() {
        let what = format!("step {number}, {event:?}");
        let mut burst = vec![event];
        match &burst[0] {
            Event::Plan(outline) => {
                let mut items: Vec<&OutlineItem> = outline.items.iter().collect();
                items.sort_by_key(|item| Reverse(item.cost));
                let leases: Vec<Event> =
                    items.iter().map(|item| lease(outline.id.0, item.id.0, 1)).collect();
                burst.extend(leases);
            }
            Event::InPieces { plan, item, costs } => {
                let leases = vec![lease(plan.0, item.0, 1); costs.len()];
                burst.splice(0..0, leases);
            }
            _ => {}
        }
        burst.push(Event::Quiet);
        let mut actions: Vec<Action> =
            burst.into_iter().flat_map(|event| machine.handle(event)).collect();
        actions.retain(|action| !matches!(action, Action::AskLease { .. } | Action::Resize { .. }));
        assert_eq!(summary(&actions), expect, "{what}");
    }
}

/// Bursts of events, each with the expected actions. Leases are only those among the events.
fn check_leases(mode: Mode, steps: Vec<(Vec<Event>, &str)>) {
    let mut machine = Machine::new(mode);
    for (number, (events, expect)) in steps.into_iter().enumerate() {
        let what = format!("step {number}, {events:?}");
        let burst = events.into_iter().chain([Event::Quiet]);
        let actions: Vec<Action> = burst.flat_map(|event| machine.handle(event)).collect();
        assert_eq!(summary(&actions), expect, "{what}");
    }
}

#[test]
fn machine_runs_one_item_on_the_implicit_slot() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[(5, &[])])), "start 1.0 @0"),
            (ok(1, 0), "done 1 true, park"),
        ],
    );
}

#[test]
fn machine_requests_tokens_and_releases_unneeded_ones() {
    check(
        Mode::Served,
        vec![
            (
                Event::Plan(outline(1, &[(1, &[]), (3, &[]), (2, &[])])),
                "start 1.1 @0, request 2, want 2",
            ),
            (Event::Token, "start 1.2 @1, request 1"),
            (Event::Token, "start 1.0 @2, request 0"),
            // The item on the implicit slot ends. An item on a token counts as running there from
            // now on.
            (ok(1, 1), "release, want 1"),
            (ok(1, 0), "release, want 0"),
            (ok(1, 2), "done 1 true, park"),
        ],
    );
}

#[test]
fn machine_uses_a_token_for_the_next_item() {
    check(
        Mode::Served,
        vec![
            (
                Event::Plan(outline(1, &[(1, &[]), (1, &[]), (1, &[])])),
                "start 1.0 @0, request 2, want 2",
            ),
            (Event::Token, "start 1.1 @1, request 1"),
            (ok(1, 0), "start 1.2 @0, request 0, want 1"),
            // The token was in flight when the request was withdrawn.
            (Event::Token, "release, request 0"),
            (ok(1, 2), "release, want 0"),
            (ok(1, 1), "done 1 true, park"),
        ],
    );
}

#[test]
fn machine_gets_the_slot_before_or_after_its_plan() {
    let plan = |id| Event::Plan(outline(id, &[(1, &[])]));
    check(
        Mode::Served,
        vec![
            (plan(1), "start 1.0 @0"),
            (ok(1, 0), "done 1 true, park"),
            (Event::Slot, ""),
            (plan(2), "start 2.0 @0"),
            (ok(2, 0), "done 2 true, park"),
            (plan(3), "request 1, want 1"),
            (Event::Slot, "start 3.0 @0, request 0, want 0"),
            (ok(3, 0), "done 3 true, park"),
            // The plan was done on a token when the slot arrives.
            (plan(4), "request 1, want 1"),
            (Event::Token, "start 4.0 @1, request 0"),
            (ok(4, 0), "release, want 0, done 4 true"),
            (Event::Slot, "park"),
        ],
    );
}

#[test]
fn machine_moves_an_item_from_a_token_to_the_returned_slot() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[])), "done 1 true, park"),
            (Event::Plan(outline(2, &[(1, &[])])), "request 1, want 1"),
            (Event::Token, "start 2.0 @1, request 0"),
            (Event::Slot, "release, want 0"),
            (Event::Plan(outline(3, &[(1, &[])])), "request 1, want 1"),
            (Event::Token, "start 3.0 @0, request 0"),
        ],
    );
}

#[test]
fn machine_shares_slots_among_plans_largest_item_first() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[(4, &[]), (2, &[])])), "start 1.0 @0, request 1, want 1"),
            (Event::Plan(outline(2, &[(3, &[]), (2, &[])])), "request 3, want 3"),
            (ok(1, 0), "start 2.0 @0, request 2, want 2"),
            (ok(2, 0), "start 1.1 @0, request 1, want 1"),
            (ok(1, 1), "start 2.1 @0, request 0, want 0, done 1 true"),
            (ok(2, 1), "done 2 true, park"),
        ],
    );
}

#[test]
fn machine_starts_items_in_order_and_skips_after_a_failure() {
    let diamond = || Event::Plan(outline(1, &[(1, &[]), (1, &[0]), (2, &[0]), (1, &[1, 2])]));
    check(
        Mode::ByHand,
        vec![
            (diamond(), "start 1.0 @0"),
            (ok(1, 0), "start 1.2 @0, request 1"),
            (ok(1, 2), "start 1.1 @0, request 0"),
            (ok(1, 1), "start 1.3 @0"),
            (ok(1, 3), "done 1 true, exit"),
        ],
    );
    check(
        Mode::ByHand,
        vec![
            (diamond(), "start 1.0 @0"),
            (ok(1, 0), "start 1.2 @0, request 1"),
            (finished(1, 2, Outcome::Failed), "skip 1.3, start 1.1 @0, request 0"),
            (ok(1, 1), "done 1 false, exit"),
        ],
    );
}

#[test]
fn machine_cancel_skips_items_that_have_not_started() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[(9, &[]), (1, &[0])])), "start 1.0 @0"),
            (Event::Plan(outline(2, &[(1, &[])])), "request 1, want 1"),
            (Event::Cancel(Some(PlanId(1))), "skip 1.1"),
            (Event::Cancel(None), "skip 2.0, request 0, want 0, done 2 false"),
            (ok(1, 0), "done 1 false, park"),
        ],
    );
}

#[test]
fn machine_uses_the_implicit_slot_after_the_pool_is_lost() {
    check(
        Mode::ByHand,
        vec![
            (Event::Plan(outline(1, &[(1, &[]), (1, &[])])), "start 1.0 @0, request 1"),
            (Event::PoolLost, "request 0"),
            (ok(1, 0), "start 1.1 @0"),
            (ok(1, 1), "done 1 true, exit"),
        ],
    );
}

#[test]
fn machine_runs_pieces_on_any_slot_and_joins_them() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[(5, &[]), (9, &[0])])), "start 1.0 @0"),
            // The largest piece starts first.
            (in_pieces(1, 0, &[3, 7, 4]), "piece 1.0.1 @0, request 2, want 2"),
            (Event::Token, "piece 1.0.2 @1, request 1"),
            (piece(1, 0, 1, true), "piece 1.0.0 @0, request 0, want 1"),
            (piece(1, 0, 0, true), "release, want 0"),
            (piece(1, 0, 2, true), "join 1.0 @0"),
            (ok(1, 0), "start 1.1 @0"),
            (ok(1, 1), "done 1 true, park"),
        ],
    );
}

#[test]
fn machine_abandons_an_item_after_a_failed_piece() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[(5, &[]), (9, &[0])])), "start 1.0 @0"),
            (in_pieces(1, 0, &[1, 1, 1]), "piece 1.0.0 @0, request 2, want 2"),
            (Event::Token, "piece 1.0.1 @1, request 1"),
            (piece(1, 0, 0, false), "release, request 0, want 0"),
            (piece(1, 0, 1, true), "abandon 1.0 Failed, skip 1.1, done 1 false, park"),
        ],
    );
}

#[test]
fn machine_cancel_drops_pieces_in_every_state() {
    let begun = || (Event::Plan(outline(1, &[(5, &[])])), "start 1.0 @0");
    let cancel = || Event::Cancel(None);
    check(
        Mode::Served,
        vec![
            begun(),
            (cancel(), ""),
            (in_pieces(1, 0, &[1, 1]), "abandon 1.0 Skipped, done 1 false, park"),
        ],
    );
    check(
        Mode::Served,
        vec![
            begun(),
            (in_pieces(1, 0, &[1, 1]), "piece 1.0.0 @0, request 1, want 1"),
            (cancel(), "request 0, want 0"),
            (piece(1, 0, 0, true), "abandon 1.0 Skipped, done 1 false, park"),
        ],
    );
    // No part of the first plan runs while its pieces wait behind the second plan.
    check(
        Mode::Served,
        vec![
            begun(),
            (Event::Plan(outline(2, &[(6, &[])])), "request 1, want 1"),
            (in_pieces(1, 0, &[1]), "start 2.0 @0"),
            (
                Event::Cancel(Some(PlanId(1))),
                "abandon 1.0 Skipped, request 0, want 0, done 1 false",
            ),
            (ok(2, 0), "done 2 true, park"),
        ],
    );
    check(
        Mode::Served,
        vec![
            begun(),
            (in_pieces(1, 0, &[1]), "piece 1.0.0 @0"),
            (piece(1, 0, 0, true), "join 1.0 @0"),
            (cancel(), ""),
            (finished(1, 0, Outcome::Skipped), "done 1 false, park"),
        ],
    );
}

#[test]
fn machine_translates_until_the_queue_is_full_enough() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(serial(1, &[(3, &[]), (2, &[]), (1, &[])])), "translate 1.0 @0"),
            // One piece waits, which is enough for one thread: the main thread stops translating.
            (in_pieces(1, 0, &[1]), "piece 1.0.0 @0, request 1, want 1"),
            // A token arrives while no piece waits: the main thread translates one more module.
            (Event::Token, "translate 1.1 @1, request 0"),
            (in_pieces(1, 1, &[1]), "piece 1.1.0 @1, request 1, want 2"),
            (piece(1, 0, 0, true), "join 1.0 @0"),
            (ok(1, 0), "translate 1.2 @0, request 0, want 1"),
            (in_pieces(1, 2, &[1]), "piece 1.2.0 @0"),
            (piece(1, 1, 0, true), "join 1.1 @1"),
            (piece(1, 2, 0, true), "join 1.2 @0"),
            (ok(1, 2), "release, want 0"),
            (ok(1, 1), "done 1 true, park"),
        ],
    );
}

#[test]
fn machine_queue_is_full_enough_for_a_quarter_of_the_threads() {
    for (threads, needed) in [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3), (16, 4)] {
        assert!(!queue_is_full_enough(0, threads), "{threads}");
        assert!(!queue_is_full_enough(needed - 1, threads), "{threads}");
        assert!(queue_is_full_enough(needed, threads), "{threads}");
    }
}

#[test]
fn machine_part_waits_for_its_lease_then_for_a_slot() {
    check_leases(
        Mode::Served,
        vec![
            // There is one slot, so it asks for the largest item. The slot is parked while the part
            // waits for memory.
            (vec![Event::Plan(outline(1, &[(2, &[]), (5, &[]), (4, &[])]))], "ask 1.1, park"),
            (vec![lease(1, 1, 7)], "request 1, want 1"),
            (vec![Event::Slot], "start 1.1 @0, request 0, want 0"),
            // A grant without a request, for another item than the next one.
            (vec![lease(1, 0, 7)], "request 1, want 1"),
            (vec![Event::Token], "start 1.0 @1, request 0"),
            // No part can run on the token, so it is released. The next part is asked for.
            (vec![ok(1, 0)], "ask 1.2, release, want 0"),
            (vec![ok(1, 1)], "park"),
            (vec![lease(1, 2, 7), Event::Slot], "start 1.2 @0"),
            (vec![ok(1, 2)], "done 1 true, park"),
        ],
    );
}

#[test]
fn machine_asks_for_nothing_if_leases_follow_the_plan() {
    check_leases(
        Mode::Served,
        vec![
            (
                vec![
                    Event::Plan(outline(1, &[(2, &[]), (1, &[])])),
                    lease(1, 0, 7),
                    lease(1, 1, 7),
                ],
                "start 1.0 @0, request 1, want 1",
            ),
            // The next part starts without a message in between.
            (vec![ok(1, 0)], "start 1.1 @0, request 0, want 0"),
            (vec![ok(1, 1)], "done 1 true, park"),
        ],
    );
}

#[test]
fn machine_gets_the_slot_before_or_after_its_lease() {
    let plan = |id| Event::Plan(outline(id, &[(1, &[])]));
    check_leases(
        Mode::Served,
        vec![
            (vec![plan(1)], "ask 1.0, park"),
            (vec![Event::Slot], ""),
            (vec![lease(1, 0, 1)], "start 1.0 @0"),
            (vec![ok(1, 0)], "done 1 true, park"),
            // A plan between the two does not clear `expects_work`.
            (vec![plan(2)], "ask 2.0"),
            (vec![Event::Slot], ""),
            (vec![lease(2, 0, 1)], "start 2.0 @0"),
            (vec![ok(2, 0)], "done 2 true, park"),
            // The part that the slot is meant for cannot run.
            (vec![Event::Slot], ""),
            (vec![lease(2, 0, 1)], "park"),
            (vec![plan(3)], "ask 3.0"),
            (vec![Event::Slot], ""),
            (vec![Event::Cancel(None)], "skip 3.0, done 3 false, park"),
            (vec![lease(3, 0, 1)], ""),
            // The part has run on a token and has ended when the slot arrives.
            (vec![plan(4), lease(4, 0, 1)], "request 1, want 1"),
            (vec![Event::Token], "start 4.0 @1, request 0"),
            (vec![ok(4, 0)], "release, want 0, done 4 true"),
            (vec![Event::Slot], "park"),
        ],
    );
}

#[test]
fn machine_pieces_wait_for_their_leases_and_the_item_holds_their_sum() {
    let mut limited = outline(1, &[(5, &[]), (1, &[])]);
    limited.asks = 2;
    check_leases(
        Mode::Served,
        vec![
            (vec![Event::Plan(limited), lease(1, 0, 100)], "start 1.0 @0"),
            // Two leases are asked for at a time. Meanwhile the slot is for the other item.
            (
                vec![in_pieces(1, 0, &[3, 9, 4])],
                "hold 1.0 0 of 1 for 0, ask 1.0 piece, ask 1.0 piece, ask 1.1, park",
            ),
            (vec![lease(1, 0, 30)], "ask 1.0 piece, request 1, want 1"),
            (vec![lease(1, 0, 40), Event::Slot], "piece 1.0.1 @0"),
            (
                vec![piece(1, 0, 1, true)],
                "hold 1.0 40 of 3 for 1, piece 1.0.2 @0, request 0, want 0",
            ),
            (vec![lease(1, 0, 50)], "request 1, want 1"),
            // A grant is kept if no part waits.
            (vec![lease(1, 0, 7)], ""),
            (
                vec![piece(1, 0, 2, true)],
                "hold 1.0 57 of 5 for 1, piece 1.0.0 @0, request 0, want 0",
            ),
            (vec![piece(1, 0, 0, true)], "hold 1.0 7 of 5 for 1, join 1.0 @0"),
            (vec![ok(1, 0)], "park"),
            (vec![lease(1, 0, 9)], ""),
            (vec![lease(1, 1, 9)], "request 1, want 1"),
            (vec![Event::Slot], "start 1.1 @0, request 0, want 0"),
            (vec![ok(1, 1)], "done 1 true, park"),
        ],
    );
}

#[test]
fn machine_keeps_a_lease_for_a_later_part() {
    check_leases(
        Mode::Served,
        vec![
            // The second item waits for the first, and a piece gets a grant while the beginning
            // runs.
            (
                vec![
                    Event::Plan(outline(1, &[(5, &[]), (1, &[0])])),
                    lease(1, 1, 2),
                    lease(1, 0, 3),
                ],
                "start 1.0 @0",
            ),
            (vec![lease(1, 0, 4)], ""),
            (vec![in_pieces(1, 0, &[1])], "hold 1.0 4 of 2 for 1, piece 1.0.0 @0"),
            (vec![piece(1, 0, 0, true)], "hold 1.0 0 of 2 for 1, join 1.0 @0"),
            (vec![ok(1, 0)], "start 1.1 @0"),
            (vec![ok(1, 1)], "done 1 true, park"),
            // Grants for an unknown plan and an unknown item are ignored.
            (vec![lease(9, 0, 1)], ""),
            (vec![Event::Plan(outline(2, &[(5, &[])])), lease(2, 9, 1)], "ask 2.0"),
        ],
    );
}

#[test]
fn machine_large_join_waits_for_its_lease() {
    let leased = || {
        let mut leased = outline(1, &[(5, &[])]);
        leased.items[0].leased_join = true;
        vec![Event::Plan(leased), lease(1, 0, 1)]
    };
    let until_join = || {
        vec![
            (leased(), "start 1.0 @0"),
            (vec![in_pieces(1, 0, &[1])], "hold 1.0 0 of 1 for 0, ask 1.0 piece, park"),
            (vec![lease(1, 0, 2), Event::Slot], "piece 1.0.0 @0"),
            (vec![piece(1, 0, 0, true)], "hold 1.0 0 of 2 for 0, ask 1.0 join, park"),
        ]
    };
    let mut granted = until_join();
    granted.push((vec![lease(1, 0, 9)], "request 1, want 1"));
    granted.push((vec![Event::Slot], "join 1.0 @0, request 0, want 0"));
    granted.push((vec![ok(1, 0)], "done 1 true, park"));
    check_leases(Mode::Served, granted);
    let mut cancelled = until_join();
    cancelled.push((vec![Event::Cancel(None)], "abandon 1.0 Skipped, done 1 false"));
    check_leases(Mode::Served, cancelled);
}

#[test]
fn machine_failed_piece_returns_the_grants_of_the_others() {
    check_leases(
        Mode::Served,
        vec![
            (vec![Event::Plan(outline(1, &[(5, &[])])), lease(1, 0, 1)], "start 1.0 @0"),
            (
                vec![
                    lease(1, 0, 10),
                    lease(1, 0, 20),
                    lease(1, 0, 30),
                    in_pieces(1, 0, &[1, 1, 1, 1]),
                ],
                "hold 1.0 60 of 4 for 3, ask 1.0 piece, piece 1.0.0 @0, request 2, want 2",
            ),
            (vec![Event::Token], "piece 1.0.1 @1, request 1"),
            (vec![piece(1, 0, 0, false)], "hold 1.0 20 of 4 for 1, release, request 0, want 0"),
            (vec![piece(1, 0, 1, true)], "abandon 1.0 Failed, done 1 false, park"),
        ],
    );
}

/// Other parts can use the memory of the front end at once.
#[test]
fn machine_reports_a_beginning_that_needs_less_memory() {
    let shrunk = |bytes| Event::Shrunk { plan: PlanId(1), item: ItemId(0), bytes };
    for (outline, start) in [(outline as fn(_, _) -> _, "start"), (serial, "translate")] {
        check_leases(
            Mode::Served,
            vec![
                (
                    vec![Event::Plan(outline(1, &[(5, &[])])), lease(1, 0, 200)],
                    &format!("{start} 1.0 @0"),
                ),
                (vec![shrunk(Bytes(40))], "hold 1.0 40 of 1 for 1"),
                // More than it holds is ignored.
                (vec![shrunk(Bytes(50))], ""),
                (vec![ok(1, 0)], "done 1 true, park"),
            ],
        );
    }
}

#[test]
fn machine_translation_waits_for_its_lease() {
    check_leases(
        Mode::Served,
        vec![
            (vec![Event::Plan(serial(1, &[(3, &[]), (2, &[])]))], "ask 1.0, park"),
            (vec![lease(1, 0, 1), Event::Slot], "translate 1.0 @0"),
            // The main thread translates one unit and has a second one, for which no token is
            // requested.
            (vec![lease(1, 1, 1)], ""),
            (vec![in_pieces(1, 0, &[1])], "hold 1.0 0 of 1 for 0, ask 1.0 piece, translate 1.1 @0"),
            (vec![lease(1, 0, 1)], "request 1, want 1"),
            (
                vec![in_pieces(1, 1, &[1])],
                "hold 1.1 0 of 1 for 0, ask 1.1 piece, piece 1.0.0 @0, request 0, want 0",
            ),
        ],
    );
}

#[test]
fn machine_by_hand_asks_for_one_lease_ahead() {
    check_leases(
        Mode::ByHand,
        vec![
            (vec![Event::Plan(outline(1, &[(3, &[]), (2, &[]), (1, &[])]))], "ask 1.0"),
            (vec![lease(1, 0, 1)], "start 1.0 @0, ask 1.1"),
            (vec![lease(1, 1, 1)], "request 1"),
            (vec![Event::Token], "start 1.1 @1, ask 1.2, request 0"),
            (vec![ok(1, 0)], "release"),
            (vec![lease(1, 2, 1), ok(1, 1)], "start 1.2 @0"),
            (vec![ok(1, 2)], "done 1 true, exit"),
        ],
    );
}

/// A random plan.
#[derive(Clone, Debug)]
struct RandomPlan {
    serial: bool,
    items: Vec<RandomItem>,
}

#[derive(Clone, Debug)]
struct RandomItem {
    cost: u64,
    /// For each earlier item, whether this one waits for it.
    after: Vec<bool>,
    /// The costs of the pieces that its beginning leaves; empty: the beginning is the whole item.
    pieces: Vec<u64>,
}

/// Plans of up to 8 items.
fn plans() -> impl Strategy<Value = Vec<RandomPlan>> {
    let after = proptest::collection::vec(proptest::bool::weighted(0.3), 8);
    let pieces = proptest::collection::vec(0..3u64, 0..4);
    let item = (0..4u64, after, pieces).prop_map(|(cost, after, pieces)| RandomItem {
        cost,
        after,
        pieces,
    });
    let items = proptest::collection::vec(item, 0..8);
    let plan = (any::<bool>(), items).prop_map(|(serial, items)| RandomPlan { serial, items });
    proptest::collection::vec(plan, 1..5)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    plan: PlanId,
    item: ItemId,
    part: Part,
    slot: u32,
}

/// The state of an item in the model.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Fresh,
    BegunUnit,
    InPieces { unstarted: Vec<u32>, running: usize, failed: bool },
    Joining,
    Reported(Outcome),
}

struct ModelPlan {
    plan: RandomPlan,
    seen: Vec<Seen>,
    /// For each unfinished item: grants, grants that no part was started with, and requests.
    grants: Vec<u32>,
    unused: Vec<u32>,
    asks: Vec<u32>,
    cancelled: bool,
    done: bool,
}

/// A model around one machine. Plays the orchestrator, the pool and the parts, and checks the rules
/// after each step.
struct Model {
    machine: Machine,
    mode: Mode,
    parked: bool,
    /// The work that the implicit slot is meant for has not arrived.
    expects_work: bool,
    /// Outstanding requests for leases: plan and item.
    asks: Vec<(usize, usize)>,
    /// Requested tokens, which the pool may deliver.
    requested: u32,
    tokens: u32,
    running: Vec<Running>,
    plans: Vec<ModelPlan>,
    want: u32,
    exited: bool,
    in_burst: bool,
}

impl Model {
    fn new(mode: Mode) -> Model {
        Model {
            machine: Machine::new(mode),
            mode,
            parked: false,
            expects_work: true,
            asks: Vec::new(),
            requested: 0,
            tokens: 0,
            running: Vec::new(),
            plans: Vec::new(),
            want: 0,
            exited: false,
            in_burst: false,
        }
    }

    fn plan(&mut self, plan: &RandomPlan) {
        let id = self.plans.len() as u32;
        let after: Vec<Vec<usize>> =
            (0..plan.items.len()).map(|at| plan.predecessors(at).collect()).collect();
        let short: Vec<(u64, &[usize])> = plan
            .items
            .iter()
            .zip(&after)
            .map(|(item, after)| (item.cost, after.as_slice()))
            .collect();
        let outline = outline_of(id, &short, plan.serial);
        let count = plan.items.len();
        self.plans.push(ModelPlan {
            plan: plan.clone(),
            seen: vec![Seen::Fresh; count],
            grants: vec![0; count],
            unused: vec![0; count],
            asks: vec![0; count],
            cancelled: false,
            done: false,
        });
        self.expects_work &= self.parked;
        self.step(Event::Plan(outline));
    }

    fn seen(&mut self, plan: PlanId, item: ItemId) -> &mut Seen {
        &mut self.plans[plan.0 as usize].seen[item.0 as usize]
    }

    /// Within a burst only starting parts are checked.
    fn step(&mut self, event: Event) {
        self.handle(event);
        if !self.in_burst {
            self.handle(Event::Quiet);
            self.check();
        }
    }

    fn handle(&mut self, event: Event) {
        for action in self.machine.handle(event) {
            assert!(!self.exited, "{action:?} after the exit");
            match action {
                Action::Start { plan, item, part, slot } => {
                    self.started(Running { plan, item, part, slot })
                }
                Action::Skip { plan, item } => {
                    assert_eq!(*self.seen(plan, item), Seen::Fresh);
                    *self.seen(plan, item) = Seen::Reported(Outcome::Skipped);
                }
                Action::Abandon { plan, item, outcome } => {
                    let cancelled = self.plans[plan.0 as usize].cancelled;
                    let Seen::InPieces { running, failed, .. } = self.seen(plan, item) else {
                        panic!()
                    };
                    assert_eq!(*running, 0, "abandoned while a piece runs");
                    assert!(*failed || cancelled, "abandoned without a reason");
                    assert_eq!(outcome == Outcome::Failed, *failed);
                    *self.seen(plan, item) = Seen::Reported(outcome);
                }
                Action::AskLease { plan, item, part } => {
                    self.asked(plan.0 as usize, item.0 as usize, matches!(part, Part::Piece(_)));
                }
                Action::Resize { plan, item, held: Held { bytes: leased, grants, parts } } => {
                    let state = &self.plans[plan.0 as usize];
                    let at = item.0 as usize;
                    let Seen::InPieces { running, failed, unstarted } = &state.seen[at] else {
                        panic!()
                    };
                    let held = u64::from(state.unused[at]) + *running as u64;
                    // Every grant is one byte. Grants of dropped pieces are returned.
                    let dropped = *failed || state.cancelled;
                    assert!(
                        leased == Bytes(held) || dropped && leased < Bytes(held),
                        "{leased} of {held}"
                    );
                    assert_eq!(grants, state.grants[at]);
                    if !dropped {
                        // A join needs no lease here, and a spare grant belongs to no part.
                        let left = *running + unstarted.len();
                        let granted = *running + unstarted.len().min(state.unused[at] as usize);
                        assert_eq!(parts as usize, if left == 0 { 1 } else { granted });
                    }
                }
                Action::RequestTokens(tokens) => self.requested = tokens,
                Action::ReleaseToken => self.tokens -= 1,
                Action::Send(FromWorker::Want { tokens }) => {
                    assert_ne!(tokens, self.want, "sent twice");
                    self.want = tokens;
                }
                Action::Send(FromWorker::SlotParked) => {
                    assert!(!self.parked && self.running.is_empty());
                    (self.parked, self.expects_work) = (true, true);
                }
                Action::Send(FromWorker::Done { plan, ok }) => {
                    self.expects_work = false;
                    let state = &mut self.plans[plan.0 as usize];
                    assert!(!std::mem::replace(&mut state.done, true), "done twice");
                    assert!(state.seen.iter().all(|seen| matches!(seen, Seen::Reported(_))));
                    assert_eq!(
                        ok,
                        state.seen.iter().all(|seen| *seen == Seen::Reported(Outcome::Ok))
                    );
                }
                Action::Send(other) => panic!("{other:?}"),
                Action::Exit => self.exited = true,
            }
        }
    }

    fn asked(&mut self, plan: usize, item: usize, piece: bool) {
        let (running, slots) = (self.running.len() as u32, u32::from(!self.parked) + self.tokens);
        let state = &mut self.plans[plan];
        state.asks[item] += 1;
        match &state.seen[item] {
            Seen::Fresh if !piece => {
                assert_eq!(
                    (state.asks[item], state.grants[item]),
                    (1, 0),
                    "asked twice, or without need"
                );
                assert!(
                    self.mode == Mode::ByHand || running < slots || running == 0,
                    "asked without a free slot"
                );
            }
            Seen::InPieces { unstarted, failed: false, .. } if piece => {
                let waiting = self.asks.iter().filter(|ask| **ask == (plan, item)).count();
                assert!(waiting + (state.unused[item] as usize) < unstarted.len(), "asked twice");
            }
            seen => panic!("asked for an item that is {seen:?}"),
        }
        assert!(!state.cancelled);
        self.asks.push((plan, item));
    }

    /// Grants one byte, requested or not, for an item that may be finished or unknown.
    fn grant(&mut self, plan: usize, item: usize) {
        if let Some(at) = self.asks.iter().position(|ask| *ask == (plan, item)) {
            self.asks.swap_remove(at);
        }
        if let Some(state) = self.plans.get_mut(plan)
            && let Some(seen) = state.seen.get(item)
            && !matches!(seen, Seen::Reported(_))
        {
            state.grants[item] += 1;
            state.unused[item] += 1;
        }
        self.expects_work = false;
        self.step(lease(plan as u32, item as u32, 1));
    }

    /// Grants one of the requests. Requests of finished items are dropped, as an orchestrator does.
    fn grant_asked(&mut self, number: usize) -> bool {
        let plans = &self.plans;
        self.asks.retain(|(plan, item)| !matches!(plans[*plan].seen[*item], Seen::Reported(_)));
        let ask = self.asks.get(number % self.asks.len().max(1)).copied();
        ask.map(|(plan, item)| self.grant(plan, item)).is_some()
    }

    fn started(&mut self, new: Running) {
        assert!(
            self.running.iter().all(|part| part.slot != new.slot),
            "slot {} is in use",
            new.slot
        );
        let state = &self.plans[new.plan.0 as usize];
        assert!(!state.cancelled, "{new:?} of a cancelled plan");
        for before in state.plan.predecessors(new.item.0 as usize) {
            assert_eq!(state.seen[before], Seen::Reported(Outcome::Ok));
        }
        let serial = state.plan.serial;
        if new.part != Part::Join {
            let unused = &mut self.plans[new.plan.0 as usize].unused[new.item.0 as usize];
            *unused = unused.checked_sub(1).unwrap_or_else(|| panic!("{new:?} without a lease"));
        }
        if new.part == Part::Translate {
            assert!(
                self.running.iter().all(|part| part.part != Part::Translate),
                "there is one main thread"
            );
        }
        let seen = self.seen(new.plan, new.item);
        match (new.part, &mut *seen) {
            (Part::Begin, Seen::Fresh) if !serial => *seen = Seen::BegunUnit,
            (Part::Translate, Seen::Fresh) if serial => *seen = Seen::BegunUnit,
            (Part::Piece(piece), Seen::InPieces { unstarted, running, failed: false }) => {
                let at = unstarted.iter().position(|of| *of == piece).expect("a piece starts once");
                unstarted.remove(at);
                *running += 1;
            }
            (Part::Join, Seen::InPieces { unstarted, running: 0, failed: false })
                if unstarted.is_empty() =>
            {
                *seen = Seen::Joining;
            }
            (part, seen) => panic!("{part:?} of an item that is {seen:?}"),
        }
        self.running.push(new);
    }

    fn check(&self) {
        let (running, starting) = (self.running.len() as u32, u32::from(!self.parked));
        let ready = self.ready();
        assert!(running <= starting + self.tokens, "{running} run on {} tokens", self.tokens);
        assert!(
            ready == 0 || running == starting + self.tokens,
            "a slot is idle while a part is ready"
        );
        assert_eq!(self.tokens, running.saturating_sub(starting), "a token is idle");
        assert_eq!(self.requested, ready);
        if self.mode == Mode::Served {
            assert_eq!(self.want, (running + ready).saturating_sub(starting));
            let idle = running == 0 && ready == 0;
            assert!(!idle || self.parked || self.expects_work, "the slot is kept without need");
        }
    }

    /// How many parts could run, counted from the plans and grants. The main thread counts once,
    /// for any number of units that it may translate.
    fn ready(&self) -> u32 {
        let (mut ready, mut to_translate) = (0, false);
        for state in self.plans.iter().filter(|state| !state.cancelled) {
            for (at, seen) in state.seen.iter().enumerate() {
                let free = || {
                    state
                        .plan
                        .predecessors(at)
                        .all(|first| state.seen[first] == Seen::Reported(Outcome::Ok))
                };
                let unused = state.unused[at];
                match seen {
                    Seen::Fresh if unused == 0 => {}
                    Seen::Fresh if free() && state.plan.serial => to_translate = true,
                    Seen::Fresh if free() => ready += 1,
                    Seen::InPieces { unstarted, running, failed: false } => {
                        let join = unstarted.is_empty() && *running == 0;
                        ready += unused.min(unstarted.len() as u32) + u32::from(join);
                    }
                    _ => {}
                }
            }
        }
        let main_is_free = self.running.iter().all(|part| part.part != Part::Translate);
        ready + u32::from(to_translate && main_is_free)
    }

    fn finish(&mut self, number: usize, good: bool) {
        if self.running.is_empty() {
            return;
        }
        let Running { plan, item, part, .. } =
            self.running.swap_remove(number % self.running.len());
        let pieces = self.plans[plan.0 as usize].plan.items[item.0 as usize].pieces.clone();
        let seen = self.seen(plan, item);
        let event = match part {
            Part::Begin | Part::Translate if good && !pieces.is_empty() => {
                let unstarted = (0..pieces.len() as u32).collect();
                *seen = Seen::InPieces { unstarted, running: 0, failed: false };
                Event::InPieces { plan, item, costs: pieces }
            }
            Part::Begin | Part::Translate | Part::Join => {
                let outcome = if good { Outcome::Ok } else { Outcome::Failed };
                *seen = Seen::Reported(outcome);
                Event::Finished { plan, item, outcome }
            }
            Part::Piece(piece) => {
                let Seen::InPieces { running, failed, .. } = seen else { panic!("it is {seen:?}") };
                *running -= 1;
                *failed |= !good;
                Event::PieceEnded { plan, item, piece, ok: good }
            }
        };
        self.step(event);
    }

    fn cancel(&mut self, plan: Option<usize>) {
        self.expects_work = false;
        for (number, state) in self.plans.iter_mut().enumerate() {
            state.cancelled |= !state.done && plan.is_none_or(|plan| plan == number);
        }
        self.step(Event::Cancel(plan.map(|plan| PlanId(plan as u32))));
    }

    /// `unrequested` stands for a token that the helper thread had read before the request was
    /// withdrawn.
    fn token(&mut self, unrequested: bool) {
        if self.requested > 0 || unrequested {
            self.requested = self.requested.saturating_sub(1);
            self.tokens += 1;
            self.step(Event::Token);
        }
    }

    fn lend_slot(&mut self) {
        if self.parked {
            self.parked = false;
            self.step(Event::Slot);
        }
    }
}

impl RandomPlan {
    /// Positions of the items that the one at `position` waits for.
    fn predecessors(&self, position: usize) -> impl Iterator<Item = usize> + '_ {
        (0..position).filter(move |first| self.items[position].after[*first])
    }
}

proptest! {
    #[test]
    fn machine_keeps_no_slot_idle_and_finishes_all_plans(
        plans in plans(),
        steps in proptest::collection::vec((0..30u8, any::<usize>(), any::<bool>()), 0..160),
    ) {
        let mut model = Model::new(Mode::Served);
        let mut plans = plans.into_iter();
        for (kind, number, in_burst) in steps {
            model.in_burst = in_burst;
            match kind {
                0..3 => if let Some(plan) = plans.next() { model.plan(&plan) },
                3..11 => model.finish(number, true),
                11 => model.finish(number, false),
                12..16 => model.token(false),
                16 => model.token(true),
                17..19 => model.lend_slot(),
                19 => model.cancel((number % 3 > 0).then_some(number % 8)),
                20..24 => drop(model.grant_asked(number)),
                _ => model.grant(number % 5, number / 5 % 9),
            }
        }
        model.in_burst = false;
        for plan in plans {
            model.plan(&plan);
        }
        model.step(Event::Quiet);
        // With the implicit slot alone, and with all requested leases, all plans finish.
        model.lend_slot();
        loop {
            if !model.running.is_empty() {
                model.finish(0, true);
            } else if model.want > 0 {
                prop_assert!(model.parked);
                model.lend_slot();
            } else if !model.grant_asked(0) {
                break;
            }
        }
        prop_assert!(model.plans.iter().all(|plan| plan.done));
        prop_assert_eq!((model.want, model.requested, model.tokens), (0, 0, 0));
    }

    #[test]
    fn machine_exits_after_a_plan_by_hand(plans in plans(), tokens in 0..4u32) {
        let mut model = Model::new(Mode::ByHand);
        model.plan(&plans[0]);
        for _ in 0..tokens {
            while model.grant_asked(0) {}
            model.token(false);
        }
        while model.grant_asked(0) || !model.running.is_empty() {
            prop_assert!(!model.exited);
            model.finish(0, true);
        }
        prop_assert!(model.exited && !model.parked);
    }
}
