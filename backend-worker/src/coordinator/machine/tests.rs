//! The machine's tests: tables, and random histories of a whole worker.

use super::super::leases::Held;
use super::super::outline::OutlineItem;
use super::*;
use proptest::prelude::*;

/// A plan of items (cost, positions that come first).
fn outline(id: u32, items: &[(u64, &[usize])]) -> Outline {
    outline_of(id, items, false)
}

/// As `outline`, for the main thread.
fn serial(id: u32, items: &[(u64, &[usize])]) -> Outline {
    outline_of(id, items, true)
}

fn outline_of(id: u32, items: &[(u64, &[usize])], serial: bool) -> Outline {
    let mut outline: Vec<OutlineItem> = Vec::new();
    for (position, (cost, after)) in items.iter().enumerate() {
        outline.push(OutlineItem {
            id: ItemId(position as u32),
            cost: *cost,
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
fn words(actions: &[Action]) -> String {
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
            format!("hold {}.{} {bytes} of {grants} for {parts}", plan.0, item.0)
        }
        Action::Abandon { plan, item, outcome } => {
            format!("abandon {}.{} {outcome:?}", plan.0, item.0)
        }
        Action::Skip { plan, item } => format!("skip {}.{}", plan.0, item.0),
        Action::SetWish(tokens) => format!("wish {tokens}"),
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
    Event::Lease { plan: PlanId(plan), item: ItemId(item), bytes }
}

/// Everything has memory before it waits for it, and what is said about memory is left out.
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
        assert_eq!(words(&actions), expect, "{what}");
    }
}

/// Events that come in bursts, each with what follows; no lease but those among the events.
fn check_leases(mode: Mode, steps: Vec<(Vec<Event>, &str)>) {
    let mut machine = Machine::new(mode);
    for (number, (events, expect)) in steps.into_iter().enumerate() {
        let what = format!("step {number}, {events:?}");
        let burst = events.into_iter().chain([Event::Quiet]);
        let actions: Vec<Action> = burst.flat_map(|event| machine.handle(event)).collect();
        assert_eq!(words(&actions), expect, "{what}");
    }
}

#[test]
fn one_item_runs_on_the_starting_slot() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[(5, &[])])), "start 1.0 @0"),
            (ok(1, 0), "done 1 true, park"),
        ],
    );
}

#[test]
fn tokens_are_wished_for_and_go_back_when_nothing_needs_them() {
    check(
        Mode::Served,
        vec![
            (
                Event::Plan(outline(1, &[(1, &[]), (3, &[]), (2, &[])])),
                "start 1.1 @0, wish 2, want 2",
            ),
            (Event::Token, "start 1.2 @1, wish 1"),
            (Event::Token, "start 1.0 @2, wish 0"),
            // The item that began on the starting slot ends; one on a token is counted there from
            // now on.
            (ok(1, 1), "release, want 1"),
            (ok(1, 0), "release, want 0"),
            (ok(1, 2), "done 1 true, park"),
        ],
    );
}

#[test]
fn a_token_goes_to_the_next_item_before_it_goes_back() {
    check(
        Mode::Served,
        vec![
            (
                Event::Plan(outline(1, &[(1, &[]), (1, &[]), (1, &[])])),
                "start 1.0 @0, wish 2, want 2",
            ),
            (Event::Token, "start 1.1 @1, wish 1"),
            (ok(1, 0), "start 1.2 @0, wish 0, want 1"),
            // It was on its way when the wish was withdrawn.
            (Event::Token, "release, wish 0"),
            (ok(1, 2), "release, want 0"),
            (ok(1, 1), "done 1 true, park"),
        ],
    );
}

#[test]
fn the_slot_comes_before_its_plan_or_after_it() {
    let plan = |id| Event::Plan(outline(id, &[(1, &[])]));
    check(
        Mode::Served,
        vec![
            (plan(1), "start 1.0 @0"),
            (ok(1, 0), "done 1 true, park"),
            (Event::Slot, ""),
            (plan(2), "start 2.0 @0"),
            (ok(2, 0), "done 2 true, park"),
            (plan(3), "wish 1, want 1"),
            (Event::Slot, "start 3.0 @0, wish 0, want 0"),
            (ok(3, 0), "done 3 true, park"),
            // The plan is over, on a token, when its slot comes.
            (plan(4), "wish 1, want 1"),
            (Event::Token, "start 4.0 @1, wish 0"),
            (ok(4, 0), "release, want 0, done 4 true"),
            (Event::Slot, "park"),
        ],
    );
}

#[test]
fn an_item_moves_from_its_token_to_the_slot_that_comes_back() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[])), "done 1 true, park"),
            (Event::Plan(outline(2, &[(1, &[])])), "wish 1, want 1"),
            (Event::Token, "start 2.0 @1, wish 0"),
            (Event::Slot, "release, want 0"),
            (Event::Plan(outline(3, &[(1, &[])])), "wish 1, want 1"),
            (Event::Token, "start 3.0 @0, wish 0"),
        ],
    );
}

#[test]
fn several_plans_share_the_slots_and_the_largest_item_is_next() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[(4, &[]), (2, &[])])), "start 1.0 @0, wish 1, want 1"),
            (Event::Plan(outline(2, &[(3, &[]), (2, &[])])), "wish 3, want 3"),
            (ok(1, 0), "start 2.0 @0, wish 2, want 2"),
            (ok(2, 0), "start 1.1 @0, wish 1, want 1"),
            (ok(1, 1), "start 2.1 @0, wish 0, want 0, done 1 true"),
            (ok(2, 1), "done 2 true, park"),
        ],
    );
}

#[test]
fn items_start_in_order_and_a_failure_skips_what_follows() {
    let diamond = || Event::Plan(outline(1, &[(1, &[]), (1, &[0]), (2, &[0]), (1, &[1, 2])]));
    check(
        Mode::ByHand,
        vec![
            (diamond(), "start 1.0 @0"),
            (ok(1, 0), "start 1.2 @0, wish 1"),
            (ok(1, 2), "start 1.1 @0, wish 0"),
            (ok(1, 1), "start 1.3 @0"),
            (ok(1, 3), "done 1 true, exit"),
        ],
    );
    check(
        Mode::ByHand,
        vec![
            (diamond(), "start 1.0 @0"),
            (ok(1, 0), "start 1.2 @0, wish 1"),
            (finished(1, 2, Outcome::Failed), "skip 1.3, start 1.1 @0, wish 0"),
            (ok(1, 1), "done 1 false, exit"),
        ],
    );
}

#[test]
fn cancel_skips_what_has_not_started() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[(9, &[]), (1, &[0])])), "start 1.0 @0"),
            (Event::Plan(outline(2, &[(1, &[])])), "wish 1, want 1"),
            (Event::Cancel(Some(PlanId(1))), "skip 1.1"),
            (Event::Cancel(None), "skip 2.0, wish 0, want 0, done 2 false"),
            (ok(1, 0), "done 1 false, park"),
        ],
    );
}

#[test]
fn without_a_pool_the_starting_slot_is_left() {
    check(
        Mode::ByHand,
        vec![
            (Event::Plan(outline(1, &[(1, &[]), (1, &[])])), "start 1.0 @0, wish 1"),
            (Event::PoolLost, "wish 0"),
            (ok(1, 0), "start 1.1 @0"),
            (ok(1, 1), "done 1 true, exit"),
        ],
    );
}

#[test]
fn pieces_run_on_any_slot_and_are_joined() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[(5, &[]), (9, &[0])])), "start 1.0 @0"),
            // The largest piece first.
            (in_pieces(1, 0, &[3, 7, 4]), "piece 1.0.1 @0, wish 2, want 2"),
            (Event::Token, "piece 1.0.2 @1, wish 1"),
            (piece(1, 0, 1, true), "piece 1.0.0 @0, wish 0, want 1"),
            (piece(1, 0, 0, true), "release, want 0"),
            (piece(1, 0, 2, true), "join 1.0 @0"),
            (ok(1, 0), "start 1.1 @0"),
            (ok(1, 1), "done 1 true, park"),
        ],
    );
}

#[test]
fn a_piece_that_fails_ends_its_item_when_none_runs() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(outline(1, &[(5, &[]), (9, &[0])])), "start 1.0 @0"),
            (in_pieces(1, 0, &[1, 1, 1]), "piece 1.0.0 @0, wish 2, want 2"),
            (Event::Token, "piece 1.0.1 @1, wish 1"),
            (piece(1, 0, 0, false), "release, wish 0, want 0"),
            (piece(1, 0, 1, true), "abandon 1.0 Failed, skip 1.1, done 1 false, park"),
        ],
    );
}

#[test]
fn cancel_drops_pieces_in_every_state() {
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
            (in_pieces(1, 0, &[1, 1]), "piece 1.0.0 @0, wish 1, want 1"),
            (cancel(), "wish 0, want 0"),
            (piece(1, 0, 0, true), "abandon 1.0 Skipped, done 1 false, park"),
        ],
    );
    // Nothing of the first plan runs while its pieces wait behind the second one.
    check(
        Mode::Served,
        vec![
            begun(),
            (Event::Plan(outline(2, &[(6, &[])])), "wish 1, want 1"),
            (in_pieces(1, 0, &[1]), "start 2.0 @0"),
            (Event::Cancel(Some(PlanId(1))), "abandon 1.0 Skipped, wish 0, want 0, done 1 false"),
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
fn the_main_thread_translates_until_enough_waits() {
    check(
        Mode::Served,
        vec![
            (Event::Plan(serial(1, &[(3, &[]), (2, &[]), (1, &[])])), "translate 1.0 @0"),
            // One waits, which is enough for one worker: the main thread lends it its slot.
            (in_pieces(1, 0, &[1]), "piece 1.0.0 @0, wish 1, want 1"),
            // A token comes while nothing waits: the main thread makes one more module.
            (Event::Token, "translate 1.1 @1, wish 0"),
            (in_pieces(1, 1, &[1]), "piece 1.1.0 @1, wish 1, want 2"),
            (piece(1, 0, 0, true), "join 1.0 @0"),
            (ok(1, 0), "translate 1.2 @0, wish 0, want 1"),
            (in_pieces(1, 2, &[1]), "piece 1.2.0 @0"),
            (piece(1, 1, 0, true), "join 1.1 @1"),
            (piece(1, 2, 0, true), "join 1.2 @0"),
            (ok(1, 2), "release, want 0"),
            (ok(1, 1), "done 1 true, park"),
        ],
    );
}

#[test]
fn enough_waits_for_a_quarter_of_the_workers() {
    for (workers, needed) in [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3), (16, 4)] {
        assert!(!enough_waits(0, workers), "{workers}");
        assert!(!enough_waits(needed - 1, workers), "{workers}");
        assert!(enough_waits(needed, workers), "{workers}");
    }
}

#[test]
fn a_part_waits_for_its_lease_and_then_for_its_slot() {
    check_leases(
        Mode::Served,
        vec![
            // It has a slot for one and asks for the largest; nothing waits for memory on the slot.
            (vec![Event::Plan(outline(1, &[(2, &[]), (5, &[]), (4, &[])]))], "ask 1.1, park"),
            (vec![lease(1, 1, 7)], "wish 1, want 1"),
            (vec![Event::Slot], "start 1.1 @0, wish 0, want 0"),
            // Unasked, and not the one that would have been asked for.
            (vec![lease(1, 0, 7)], "wish 1, want 1"),
            (vec![Event::Token], "start 1.0 @1, wish 0"),
            // Nobody can run on the token, so it goes back; its part is asked for.
            (vec![ok(1, 0)], "ask 1.2, release, want 0"),
            (vec![ok(1, 1)], "park"),
            (vec![lease(1, 2, 7), Event::Slot], "start 1.2 @0"),
            (vec![ok(1, 2)], "done 1 true, park"),
        ],
    );
}

#[test]
fn a_plan_with_its_leases_behind_it_asks_for_nothing() {
    check_leases(
        Mode::Served,
        vec![
            (
                vec![
                    Event::Plan(outline(1, &[(2, &[]), (1, &[])])),
                    lease(1, 0, 7),
                    lease(1, 1, 7),
                ],
                "start 1.0 @0, wish 1, want 1",
            ),
            // One part for the next without a word in between.
            (vec![ok(1, 0)], "start 1.1 @0, wish 0, want 0"),
            (vec![ok(1, 1)], "done 1 true, park"),
        ],
    );
}

#[test]
fn the_slot_comes_before_its_lease_or_after_it() {
    let plan = |id| Event::Plan(outline(id, &[(1, &[])]));
    check_leases(
        Mode::Served,
        vec![
            (vec![plan(1)], "ask 1.0, park"),
            (vec![Event::Slot], ""),
            (vec![lease(1, 0, 1)], "start 1.0 @0"),
            (vec![ok(1, 0)], "done 1 true, park"),
            // The plan between the two does not end the expectation.
            (vec![plan(2)], "ask 2.0"),
            (vec![Event::Slot], ""),
            (vec![lease(2, 0, 1)], "start 2.0 @0"),
            (vec![ok(2, 0)], "done 2 true, park"),
            // What it is for cannot run.
            (vec![Event::Slot], ""),
            (vec![lease(2, 0, 1)], "park"),
            (vec![plan(3)], "ask 3.0"),
            (vec![Event::Slot], ""),
            (vec![Event::Cancel(None)], "skip 3.0, done 3 false, park"),
            (vec![lease(3, 0, 1)], ""),
            // The part ran on a token, and is over when the slot comes.
            (vec![plan(4), lease(4, 0, 1)], "wish 1, want 1"),
            (vec![Event::Token], "start 4.0 @1, wish 0"),
            (vec![ok(4, 0)], "release, want 0, done 4 true"),
            (vec![Event::Slot], "park"),
        ],
    );
}

#[test]
fn pieces_wait_for_leases_of_their_own_and_the_item_holds_what_its_parts_do() {
    let mut limited = outline(1, &[(5, &[]), (1, &[])]);
    limited.asks = 2;
    check_leases(
        Mode::Served,
        vec![
            (vec![Event::Plan(limited), lease(1, 0, 100)], "start 1.0 @0"),
            // Two are asked for at a time; the slot is for the other item meanwhile.
            (
                vec![in_pieces(1, 0, &[3, 9, 4])],
                "hold 1.0 0 of 1 for 0, ask 1.0 piece, ask 1.0 piece, ask 1.1, park",
            ),
            (vec![lease(1, 0, 30)], "ask 1.0 piece, wish 1, want 1"),
            (vec![lease(1, 0, 40), Event::Slot], "piece 1.0.1 @0"),
            (vec![piece(1, 0, 1, true)], "hold 1.0 40 of 3 for 1, piece 1.0.2 @0, wish 0, want 0"),
            (vec![lease(1, 0, 50)], "wish 1, want 1"),
            // Its lease is not lost when nothing waits.
            (vec![lease(1, 0, 7)], ""),
            (vec![piece(1, 0, 2, true)], "hold 1.0 57 of 5 for 1, piece 1.0.0 @0, wish 0, want 0"),
            (vec![piece(1, 0, 0, true)], "hold 1.0 7 of 5 for 1, join 1.0 @0"),
            (vec![ok(1, 0)], "park"),
            (vec![lease(1, 0, 9)], ""),
            (vec![lease(1, 1, 9)], "wish 1, want 1"),
            (vec![Event::Slot], "start 1.1 @0, wish 0, want 0"),
            (vec![ok(1, 1)], "done 1 true, park"),
        ],
    );
}

#[test]
fn a_lease_is_kept_for_the_part_that_comes() {
    check_leases(
        Mode::Served,
        vec![
            // The second waits for the first, and a piece is granted while the beginning runs.
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
            // Neither an unknown plan nor an unknown item.
            (vec![lease(9, 0, 1)], ""),
            (vec![Event::Plan(outline(2, &[(5, &[])])), lease(2, 9, 1)], "ask 2.0"),
        ],
    );
}

#[test]
fn a_join_that_takes_much_waits_for_its_lease() {
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
    granted.push((vec![lease(1, 0, 9)], "wish 1, want 1"));
    granted.push((vec![Event::Slot], "join 1.0 @0, wish 0, want 0"));
    granted.push((vec![ok(1, 0)], "done 1 true, park"));
    check_leases(Mode::Served, granted);
    let mut cancelled = until_join();
    cancelled.push((vec![Event::Cancel(None)], "abandon 1.0 Skipped, done 1 false"));
    check_leases(Mode::Served, cancelled);
}

#[test]
fn a_failed_piece_frees_what_the_others_were_granted() {
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
                "hold 1.0 60 of 4 for 3, ask 1.0 piece, piece 1.0.0 @0, wish 2, want 2",
            ),
            (vec![Event::Token], "piece 1.0.1 @1, wish 1"),
            (vec![piece(1, 0, 0, false)], "hold 1.0 20 of 4 for 1, release, wish 0, want 0"),
            (vec![piece(1, 0, 1, true)], "abandon 1.0 Failed, done 1 false, park"),
        ],
    );
}

/// What its front end needed others can have at once.
#[test]
fn a_beginning_that_needs_less_says_so_while_it_runs() {
    let shrunk = |bytes| Event::Shrunk { plan: PlanId(1), item: ItemId(0), bytes };
    for (outline, start) in [(outline as fn(_, _) -> _, "start"), (serial, "translate")] {
        check_leases(
            Mode::Served,
            vec![
                (
                    vec![Event::Plan(outline(1, &[(5, &[])])), lease(1, 0, 200)],
                    &format!("{start} 1.0 @0"),
                ),
                (vec![shrunk(40)], "hold 1.0 40 of 1 for 1"),
                // More than it has left is no news.
                (vec![shrunk(50)], ""),
                (vec![ok(1, 0)], "done 1 true, park"),
            ],
        );
    }
}

#[test]
fn a_translation_waits_for_its_lease() {
    check_leases(
        Mode::Served,
        vec![
            (vec![Event::Plan(serial(1, &[(3, &[]), (2, &[])]))], "ask 1.0, park"),
            (vec![lease(1, 0, 1), Event::Slot], "translate 1.0 @0"),
            // The main thread has one to do, and another for which there is no token to wish for.
            (vec![lease(1, 1, 1)], ""),
            (vec![in_pieces(1, 0, &[1])], "hold 1.0 0 of 1 for 0, ask 1.0 piece, translate 1.1 @0"),
            (vec![lease(1, 0, 1)], "wish 1, want 1"),
            (
                vec![in_pieces(1, 1, &[1])],
                "hold 1.1 0 of 1 for 0, ask 1.1 piece, piece 1.0.0 @0, wish 0, want 0",
            ),
        ],
    );
}

#[test]
fn by_hand_one_lease_is_asked_for_ahead() {
    check_leases(
        Mode::ByHand,
        vec![
            (vec![Event::Plan(outline(1, &[(3, &[]), (2, &[]), (1, &[])]))], "ask 1.0"),
            (vec![lease(1, 0, 1)], "start 1.0 @0, ask 1.1"),
            (vec![lease(1, 1, 1)], "wish 1"),
            (vec![Event::Token], "start 1.1 @1, ask 1.2, wish 0"),
            (vec![ok(1, 0)], "release"),
            (vec![lease(1, 2, 1), ok(1, 1)], "start 1.2 @0"),
            (vec![ok(1, 2)], "done 1 true, exit"),
        ],
    );
}

/// What a random plan holds.
#[derive(Clone, Debug)]
struct RandomPlan {
    serial: bool,
    items: Vec<RandomItem>,
}

#[derive(Clone, Debug)]
struct RandomItem {
    cost: u64,
    /// Whether it comes after each of the items before it.
    after: Vec<bool>,
    /// How its beginning ends; empty: finished at once.
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

/// How far an item is, as the world saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Fresh,
    Begun,
    InPieces { unstarted: Vec<u32>, running: usize, failed: bool },
    Joining,
    Reported(Outcome),
}

struct WorldPlan {
    plan: RandomPlan,
    seen: Vec<Seen>,
    /// Of each item, while it is not over: grants that came, those that no part has been started
    /// for, and asks.
    grants: Vec<u32>,
    unused: Vec<u32>,
    asks: Vec<u32>,
    cancelled: bool,
    done: bool,
}

/// A history around one machine. Plays the orchestrator, the pool and the parts, and checks the
/// rules at every step.
struct World {
    machine: Machine,
    mode: Mode,
    parked: bool,
    /// What the starting slot is for has not come.
    expects_work: bool,
    /// Asks that were not granted, of a beginning or a piece.
    asks: Vec<(usize, usize)>,
    /// Tokens that were wished for, which the pool may deliver; and those it read before a wish was
    /// withdrawn.
    wished: u32,
    tokens: u32,
    running: Vec<Running>,
    plans: Vec<WorldPlan>,
    want: u32,
    exited: bool,
    in_burst: bool,
}

impl World {
    fn new(mode: Mode) -> World {
        World {
            machine: Machine::new(mode),
            mode,
            parked: false,
            expects_work: true,
            asks: Vec::new(),
            wished: 0,
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
            (0..plan.items.len()).map(|at| plan.befores(at).collect()).collect();
        let short: Vec<(u64, &[usize])> = plan
            .items
            .iter()
            .zip(&after)
            .map(|(item, after)| (item.cost, after.as_slice()))
            .collect();
        let outline = outline_of(id, &short, plan.serial);
        let count = plan.items.len();
        self.plans.push(WorldPlan {
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

    /// In a burst nothing is checked but what starts.
    fn step(&mut self, event: Event) {
        self.handle(event);
        if !self.in_burst {
            self.handle(Event::Quiet);
            self.check();
        }
    }

    fn handle(&mut self, event: Event) {
        for action in self.machine.handle(event) {
            assert!(!self.exited, "{action:?} after the end");
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
                    assert!(*failed || cancelled, "abandoned for nothing");
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
                    // Every grant is of one byte. Those of pieces that were dropped are given back.
                    let dropped = *failed || state.cancelled;
                    assert!(leased == held || dropped && leased < held, "{leased} of {held}");
                    assert_eq!(grants, state.grants[at]);
                    if !dropped {
                        // A join needs no lease here, and a grant that no part has use for is
                        // none's.
                        let left = *running + unstarted.len();
                        let granted = *running + unstarted.len().min(state.unused[at] as usize);
                        assert_eq!(parts as usize, if left == 0 { 1 } else { granted });
                    }
                }
                Action::SetWish(tokens) => self.wished = tokens,
                Action::ReleaseToken => self.tokens -= 1,
                Action::Send(FromWorker::Want { tokens }) => {
                    assert_ne!(tokens, self.want, "said twice");
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
                    "asked twice, or for nothing"
                );
                assert!(
                    self.mode == Mode::ByHand || running < slots || running == 0,
                    "there is no slot"
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

    /// A grant of one byte, asked for or not, for an item that may be over or not exist.
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

    /// Grants one of the asks. An orchestrator forgets those of items that are over.
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
        for before in state.plan.befores(new.item.0 as usize) {
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
                "one main thread"
            );
        }
        let seen = self.seen(new.plan, new.item);
        match (new.part, &mut *seen) {
            (Part::Begin, Seen::Fresh) if !serial => *seen = Seen::Begun,
            (Part::Translate, Seen::Fresh) if serial => *seen = Seen::Begun,
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
            "a slot idles while a part is ready"
        );
        assert_eq!(self.tokens, running.saturating_sub(starting), "a token idles");
        assert_eq!(self.wished, ready);
        if self.mode == Mode::Served {
            assert_eq!(self.want, (running + ready).saturating_sub(starting));
            let idle = running == 0 && ready == 0;
            assert!(!idle || self.parked || self.expects_work, "the slot is kept for nothing");
        }
    }

    /// Parts that could run, counted afresh from the plans and the grants that came. The main
    /// thread is one, whatever it has before it.
    fn ready(&self) -> u32 {
        let (mut ready, mut to_translate) = (0, false);
        for state in self.plans.iter().filter(|state| !state.cancelled) {
            for (at, seen) in state.seen.iter().enumerate() {
                let free = || {
                    state
                        .plan
                        .befores(at)
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

    /// `unwished` stands for a token that the helper thread had read before the wish was withdrawn.
    fn token(&mut self, unwished: bool) {
        if self.wished > 0 || unwished {
            self.wished = self.wished.saturating_sub(1);
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
    /// Positions of the items that come before the one at `position`.
    fn befores(&self, position: usize) -> impl Iterator<Item = usize> + '_ {
        (0..position).filter(move |first| self.items[position].after[*first])
    }
}

proptest! {
    #[test]
    fn no_slot_idles_and_nothing_is_left(
        plans in plans(),
        steps in proptest::collection::vec((0..30u8, any::<usize>(), any::<bool>()), 0..160),
    ) {
        let mut world = World::new(Mode::Served);
        let mut plans = plans.into_iter();
        for (kind, number, in_burst) in steps {
            world.in_burst = in_burst;
            match kind {
                0..3 => if let Some(plan) = plans.next() { world.plan(&plan) },
                3..11 => world.finish(number, true),
                11 => world.finish(number, false),
                12..16 => world.token(false),
                16 => world.token(true),
                17..19 => world.lend_slot(),
                19 => world.cancel((number % 3 > 0).then_some(number % 8)),
                20..24 => drop(world.grant_asked(number)),
                _ => world.grant(number % 5, number / 5 % 9),
            }
        }
        world.in_burst = false;
        for plan in plans {
            world.plan(&plan);
        }
        world.step(Event::Quiet);
        // With nothing but the starting slot, and what is asked for, everything comes to its end.
        world.lend_slot();
        loop {
            if !world.running.is_empty() {
                world.finish(0, true);
            } else if world.want > 0 {
                prop_assert!(world.parked);
                world.lend_slot();
            } else if !world.grant_asked(0) {
                break;
            }
        }
        prop_assert!(world.plans.iter().all(|plan| plan.done));
        prop_assert_eq!((world.want, world.wished, world.tokens), (0, 0, 0));
    }

    #[test]
    fn a_plan_by_hand_ends_with_the_process(plans in plans(), tokens in 0..4u32) {
        let mut world = World::new(Mode::ByHand);
        world.plan(&plans[0]);
        for _ in 0..tokens {
            while world.grant_asked(0) {}
            world.token(false);
        }
        while world.grant_asked(0) || !world.running.is_empty() {
            prop_assert!(!world.exited);
            world.finish(0, true);
        }
        prop_assert!(world.exited && !world.parked);
    }
}
