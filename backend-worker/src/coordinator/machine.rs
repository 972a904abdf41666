//! Which item runs when, and what this process asks of the pool: events in, actions out. No threads, clocks or LLVM.
//!
//! # Slots are accounting
//!
//! A process has its starting slot, unless parked, and the tokens it holds. With `running` items at once it occupies the
//! starting slot first and `running - 1` tokens beyond it, whichever item came with which slot: when the item that began on
//! the starting slot ends while others run on tokens, one of those counts as running on the starting slot from then on,
//! and its token is free for the next item or goes back. So no slot idles while a token is held, and nothing about threads
//! has to change. The number in [`Action::Start`] only names a row in the trace.
//!
//! # The starting slot
//!
//! ```text
//!              nothing runs or is ready: SlotParked
//!     usable ------------------------------------> parked
//!            <------------------------------------
//!                        Event::Slot
//! ```
//!
//! `Slot` comes before its plan or after it. One that comes before must not be parked again at once, although nothing is
//! ready, and one that comes when its plan is already over must be: `expects_plan` tells the two apart.

use super::outline::Outline;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use tender_protocol::{FromWorker, ItemId, Outcome, PlanId};

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// Work came. Its id is not that of a live plan.
    Plan(Outline),
    /// The starting slot, parked before, is ours again.
    Slot,
    /// A token came from the pool.
    Token,
    /// The pool is gone: no token will come any more.
    PoolLost,
    /// A started item ended.
    Finished { plan: PlanId, item: ItemId, outcome: Outcome },
    /// Nothing more of this plan, or of any, is to be started.
    Cancel(Option<PlanId>),
}

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Run the item on a thread. `slot` is the row of the trace: 0 the starting slot, else a token's place.
    Start { plan: PlanId, item: ItemId, slot: u32 },
    /// Report an item that will never run.
    Skip { plan: PlanId, item: ItemId },
    /// Wish for this many tokens beyond those that have arrived.
    SetWish(u32),
    /// Give one token back.
    ReleaseToken,
    /// Tell the orchestrator.
    Send(FromWorker),
    /// Every plan is done and there is nobody who could send another.
    Exit,
}

/// Who sends plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// An orchestrator, which lends the starting slot to others while it is parked.
    Served,
    /// A person, with one plan: no messages about slots, and the end of the plan is the end.
    ByHand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ItemState {
    /// Waits for this many items of its plan.
    Waiting(u32),
    Ready,
    Running {
        slot: u32,
    },
    Reported(Outcome),
}

#[derive(Debug)]
struct PlanState {
    outline: Outline,
    items: Vec<ItemState>,
    unreported: usize,
    /// Whether every item reported so far succeeded.
    ok: bool,
}

/// Sorts by cost, largest first, because a large item started last leaves the other slots idle at the end. Then by age.
type ReadyKey = (Reverse<u64>, u64, usize);

#[derive(Debug)]
pub(super) struct Machine {
    mode: Mode,
    plans: BTreeMap<u64, PlanState>,
    plans_seen: u64,
    ready: BTreeSet<ReadyKey>,
    /// Rows of the trace that are in use.
    slots_in_use: BTreeSet<u32>,
    parked: bool,
    /// No plan has come since the starting slot was lent again, or since the start.
    expects_plan: bool,
    tokens: u32,
    pool_lost: bool,
    /// What the pool was last asked for; `None` once a token has arrived, which used up part of it.
    wish: Option<u32>,
    /// What the orchestrator was last told.
    want: u32,
    actions: Vec<Action>,
}

impl Machine {
    pub fn new(mode: Mode) -> Machine {
        Machine {
            mode,
            plans: BTreeMap::new(),
            plans_seen: 0,
            ready: BTreeSet::new(),
            slots_in_use: BTreeSet::new(),
            parked: false,
            expects_plan: true,
            tokens: 0,
            pool_lost: false,
            wish: Some(0),
            want: 0,
            actions: Vec::new(),
        }
    }

    /// Takes in one event and returns what follows from it.
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Plan(outline) => self.add_plan(outline),
            Event::Slot => {
                self.parked = false;
            }
            Event::Token => {
                self.tokens += 1;
                self.wish = None;
            }
            Event::PoolLost => self.pool_lost = true,
            Event::Finished { plan, item, outcome } => self.finish(plan, item, outcome),
            Event::Cancel(plan) => self.cancel(plan),
        }
        self.start_ready_items();
        self.return_surplus_tokens();
        self.state_demand();
        self.report_done_plans();
        self.park();
        std::mem::take(&mut self.actions)
    }

    /// Whether a plan with this id is live, so that another of the same id would be confused with it.
    pub fn knows(&self, plan: PlanId) -> bool {
        self.plans.values().any(|state| state.outline.id == plan)
    }

    pub fn running(&self) -> u32 {
        self.slots_in_use.len() as u32
    }

    fn add_plan(&mut self, outline: Outline) {
        let age = self.plans_seen;
        self.plans_seen += 1;
        self.expects_plan = false;
        let mut items = Vec::new();
        for (position, item) in outline.items.iter().enumerate() {
            if item.waits_for == 0 {
                self.ready.insert((Reverse(item.cost), age, position));
                items.push(ItemState::Ready);
            } else {
                items.push(ItemState::Waiting(item.waits_for));
            }
        }
        let unreported = items.len();
        self.plans.insert(age, PlanState { outline, items, unreported, ok: true });
    }

    fn finish(&mut self, plan: PlanId, item: ItemId, outcome: Outcome) {
        let (age, state) = self
            .plans
            .iter_mut()
            .find(|(_, state)| state.outline.id == plan)
            .expect("only items of live plans were started");
        let position =
            state.outline.items.iter().position(|known| known.id == item).expect("item of the plan");
        let ItemState::Running { slot } = state.items[position] else {
            unreachable!("an item finishes once");
        };
        self.slots_in_use.remove(&slot);
        state.items[position] = ItemState::Reported(outcome);
        state.unreported -= 1;
        if outcome != Outcome::Ok {
            state.ok = false;
            state.skip_dependents(position, &mut self.actions);
            return;
        }
        for dependent in state.outline.items[position].dependents.clone() {
            let ItemState::Waiting(waits_for) = &mut state.items[dependent] else { continue };
            *waits_for -= 1;
            if *waits_for == 0 {
                state.items[dependent] = ItemState::Ready;
                self.ready.insert((Reverse(state.outline.items[dependent].cost), *age, dependent));
            }
        }
    }

    fn cancel(&mut self, plan: Option<PlanId>) {
        for (age, state) in &mut self.plans {
            if plan.is_some_and(|plan| plan != state.outline.id) {
                continue;
            }
            self.ready.retain(|(_, of_plan, _)| of_plan != age);
            for position in 0..state.items.len() {
                state.skip(position, &mut self.actions);
            }
        }
    }

    fn start_ready_items(&mut self) {
        while self.running() < self.capacity() {
            let Some((_, age, position)) = self.ready.pop_first() else { break };
            let slot = self.free_row();
            self.slots_in_use.insert(slot);
            let state = self.plans.get_mut(&age).expect("ready items are of live plans");
            state.items[position] = ItemState::Running { slot };
            let (plan, item) = (state.outline.id, state.outline.items[position].id);
            self.actions.push(Action::Start { plan, item, slot });
        }
    }

    /// A token that no item needs goes back before anything else is waited for.
    fn return_surplus_tokens(&mut self) {
        let needed = self.running().saturating_sub(self.starting_slots());
        while self.tokens > needed {
            self.tokens -= 1;
            self.actions.push(Action::ReleaseToken);
        }
    }

    fn state_demand(&mut self) {
        // Everything that is still ready lacks a slot, and each of them needs one token.
        let ready = self.ready.len() as u32;
        let wish = if self.pool_lost { 0 } else { ready };
        if self.wish != Some(wish) {
            self.wish = Some(wish);
            self.actions.push(Action::SetWish(wish));
        }
        let want = (self.running() + ready).saturating_sub(self.starting_slots());
        if self.want != want {
            self.want = want;
            if self.mode == Mode::Served {
                self.actions.push(Action::Send(FromWorker::Want { tokens: want }));
            }
        }
    }

    fn report_done_plans(&mut self) {
        let plans_before = self.plans.len();
        self.plans.retain(|_, state| {
            if state.unreported == 0 {
                self.actions.push(Action::Send(FromWorker::Done { plan: state.outline.id, ok: state.ok }));
            }
            state.unreported > 0
        });
        if plans_before > 0 && self.plans.is_empty() && self.mode == Mode::ByHand {
            self.actions.push(Action::Exit);
        }
    }

    fn park(&mut self) {
        let idle = self.running() == 0 && self.ready.is_empty();
        if self.mode == Mode::Served && idle && !self.parked && !self.expects_plan {
            self.parked = true;
            self.expects_plan = true;
            self.actions.push(Action::Send(FromWorker::SlotParked));
        }
    }

    fn starting_slots(&self) -> u32 {
        u32::from(!self.parked)
    }

    fn capacity(&self) -> u32 {
        self.starting_slots() + self.tokens
    }

    fn free_row(&self) -> u32 {
        let first = u32::from(self.parked);
        (first..).find(|row| !self.slots_in_use.contains(row)).expect("fewer items than numbers")
    }
}

impl PlanState {
    /// Reports an item that has not started as skipped.
    fn skip(&mut self, position: usize, actions: &mut Vec<Action>) {
        if matches!(self.items[position], ItemState::Waiting(_) | ItemState::Ready) {
            self.items[position] = ItemState::Reported(Outcome::Skipped);
            self.unreported -= 1;
            self.ok = false;
            actions.push(Action::Skip { plan: self.outline.id, item: self.outline.items[position].id });
        }
    }

    fn skip_dependents(&mut self, position: usize, actions: &mut Vec<Action>) {
        let mut behind = self.outline.items[position].dependents.clone();
        while let Some(position) = behind.pop() {
            if matches!(self.items[position], ItemState::Waiting(_)) {
                self.skip(position, actions);
                behind.extend(&self.outline.items[position].dependents);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outline::OutlineItem;
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// A plan of items (cost, positions that come first).
    fn outline(id: u32, items: &[(u64, &[usize])]) -> Outline {
        let mut outline = Outline { id: PlanId(id), items: Vec::new() };
        for (position, (cost, after)) in items.iter().enumerate() {
            outline.items.push(OutlineItem {
                id: ItemId(position as u32),
                cost: *cost,
                waits_for: after.len() as u32,
                dependents: Vec::new(),
            });
            for first in *after {
                outline.items[*first].dependents.push(position);
            }
        }
        outline
    }

    fn finished(plan: u32, item: u32, outcome: Outcome) -> Event {
        Event::Finished { plan: PlanId(plan), item: ItemId(item), outcome }
    }

    fn ok(plan: u32, item: u32) -> Event {
        finished(plan, item, Outcome::Ok)
    }

    /// Actions in short: `start PLAN.ITEM @SLOT`, `want 2` and the like.
    fn words(actions: &[Action]) -> String {
        let word = |action: &Action| match action {
            Action::Start { plan, item, slot } => format!("start {}.{} @{slot}", plan.0, item.0),
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

    fn check(mode: Mode, steps: Vec<(Event, &str)>) {
        let mut machine = Machine::new(mode);
        for (number, (event, expect)) in steps.into_iter().enumerate() {
            let what = format!("step {number}, {event:?}");
            assert_eq!(words(&machine.handle(event)), expect, "{what}");
        }
    }

    #[test]
    fn one_item_runs_on_the_starting_slot() {
        check(
            Mode::Served,
            vec![(Event::Plan(outline(1, &[(5, &[])])), "start 1.0 @0"), (ok(1, 0), "done 1 true, park")],
        );
    }

    #[test]
    fn tokens_are_wished_for_and_go_back_when_nothing_needs_them() {
        check(
            Mode::Served,
            vec![
                (Event::Plan(outline(1, &[(1, &[]), (3, &[]), (2, &[])])), "start 1.1 @0, wish 2, want 2"),
                (Event::Token, "start 1.2 @1, wish 1"),
                (Event::Token, "start 1.0 @2, wish 0"),
                // The item that began on the starting slot ends; one on a token is counted there from now on.
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
                (Event::Plan(outline(1, &[(1, &[]), (1, &[]), (1, &[])])), "start 1.0 @0, wish 2, want 2"),
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

    /// A plan of up to 8 items, each after some of those before it.
    fn plans() -> impl Strategy<Value = Vec<Vec<(u64, Vec<bool>)>>> {
        let item = (0..4u64, proptest::collection::vec(proptest::bool::weighted(0.3), 8));
        proptest::collection::vec(proptest::collection::vec(item, 0..8), 1..5)
    }

    /// A history around one machine. Plays the orchestrator, the pool and the items, and checks the rules at every step.
    struct World {
        machine: Machine,
        mode: Mode,
        parked: bool,
        /// Tokens that were wished for, which the pool may deliver; and those it read before a wish was withdrawn.
        wished: u32,
        tokens: u32,
        running: Vec<(PlanId, ItemId, u32)>,
        reported: HashMap<(PlanId, ItemId), Outcome>,
        plans: HashMap<PlanId, (Outline, Vec<Vec<usize>>, bool)>,
        want: u32,
        exited: bool,
    }

    impl World {
        fn new(mode: Mode) -> World {
            World {
                machine: Machine::new(mode),
                mode,
                parked: false,
                wished: 0,
                tokens: 0,
                running: Vec::new(),
                reported: HashMap::new(),
                plans: HashMap::new(),
                want: 0,
                exited: false,
            }
        }

        fn plan(&mut self, items: &[(u64, Vec<bool>)]) {
            let id = self.plans.len() as u32;
            let after: Vec<Vec<usize>> = items
                .iter()
                .enumerate()
                .map(|(position, (_, after))| (0..position).filter(|first| after[*first]).collect())
                .collect();
            let short: Vec<(u64, &[usize])> =
                items.iter().zip(&after).map(|((cost, _), after)| (*cost, after.as_slice())).collect();
            let outline = outline(id, &short);
            self.plans.insert(PlanId(id), (outline.clone(), after, false));
            self.step(Event::Plan(outline));
        }

        fn step(&mut self, event: Event) {
            for action in self.machine.handle(event) {
                assert!(!self.exited, "{action:?} after the end");
                match action {
                    Action::Start { plan, item, slot } => {
                        let (_, after, _) = &self.plans[&plan];
                        for first in &after[item.0 as usize] {
                            assert_eq!(self.reported[&(plan, ItemId(*first as u32))], Outcome::Ok);
                        }
                        assert!(self.running.iter().all(|(.., used)| *used != slot), "slot {slot} is in use");
                        assert!(!self.reported.contains_key(&(plan, item)));
                        self.running.push((plan, item, slot));
                    }
                    Action::Skip { plan, item } => self.report(plan, item, Outcome::Skipped),
                    Action::SetWish(tokens) => self.wished = tokens,
                    Action::ReleaseToken => self.tokens -= 1,
                    Action::Send(FromWorker::Want { tokens }) => {
                        assert_ne!(tokens, self.want, "said twice");
                        self.want = tokens;
                    }
                    Action::Send(FromWorker::SlotParked) => {
                        assert!(!self.parked && self.running.is_empty());
                        self.parked = true;
                    }
                    Action::Send(FromWorker::Done { plan, ok }) => {
                        let (outline, _, done) = self.plans.get_mut(&plan).unwrap();
                        assert!(!std::mem::replace(done, true), "done twice");
                        let outcome = |item: &OutlineItem| self.reported[&(plan, item.id)];
                        assert_eq!(ok, outline.items.iter().all(|item| outcome(item) == Outcome::Ok));
                    }
                    Action::Send(other) => panic!("{other:?}"),
                    Action::Exit => self.exited = true,
                }
            }
            self.check();
        }

        fn check(&self) {
            let (running, starting) = (self.running.len() as u32, u32::from(!self.parked));
            let ready = self.ready();
            assert!(running <= starting + self.tokens, "{running} run on {} tokens", self.tokens);
            assert!(ready == 0 || running == starting + self.tokens, "a slot idles while an item is ready");
            assert_eq!(self.tokens, running.saturating_sub(starting), "a token idles");
            assert_eq!(self.wished, ready);
            if self.mode == Mode::Served {
                assert_eq!(self.want, (running + ready).saturating_sub(starting));
            }
        }

        /// Items that could run, counted afresh from the plans.
        fn ready(&self) -> u32 {
            let mut ready = 0;
            for (plan, (outline, after, _)) in &self.plans {
                for (position, item) in outline.items.iter().enumerate() {
                    let fresh = !self.reported.contains_key(&(*plan, item.id))
                        && !self.running.iter().any(|(of, running, _)| (of, running) == (plan, &item.id));
                    let free = after[position].iter().all(|first| {
                        self.reported.get(&(*plan, ItemId(*first as u32))) == Some(&Outcome::Ok)
                    });
                    ready += u32::from(fresh && free);
                }
            }
            ready
        }

        fn report(&mut self, plan: PlanId, item: ItemId, outcome: Outcome) {
            assert_eq!(
                self.reported.insert((plan, item), outcome),
                None,
                "{plan:?} {item:?} is reported twice"
            );
        }

        fn finish(&mut self, number: usize, outcome: Outcome) {
            if !self.running.is_empty() {
                let (plan, item, _) = self.running.swap_remove(number % self.running.len());
                self.report(plan, item, outcome);
                self.step(Event::Finished { plan, item, outcome });
            }
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

    proptest! {
        #[test]
        fn no_slot_idles_and_nothing_is_left(
            plans in plans(),
            steps in proptest::collection::vec((0..20u8, any::<usize>()), 0..80),
        ) {
            let mut world = World::new(Mode::Served);
            let mut plans = plans.into_iter();
            for (kind, number) in steps {
                match kind {
                    0..5 => if let Some(plan) = plans.next() { world.plan(&plan) },
                    5..11 => world.finish(number, Outcome::Ok),
                    11 => world.finish(number, Outcome::Failed),
                    12..16 => world.token(false),
                    16 => world.token(true),
                    17..19 => world.lend_slot(),
                    _ => {
                        let plan = PlanId(number as u32 % 8);
                        world.step(Event::Cancel((number % 3 > 0).then_some(plan)));
                    }
                }
            }
            for plan in plans {
                world.plan(&plan);
            }
            // With nothing but the starting slot everything comes to its end.
            world.lend_slot();
            while !world.running.is_empty() {
                world.finish(0, Outcome::Ok);
            }
            prop_assert!(world.plans.values().all(|(.., done)| *done));
            let items: usize = world.plans.values().map(|(outline, ..)| outline.items.len()).sum();
            prop_assert_eq!(world.reported.len(), items);
            prop_assert_eq!((world.want, world.wished, world.tokens), (0, 0, 0));
        }

        #[test]
        fn a_plan_by_hand_ends_with_the_process(plans in plans(), tokens in 0..4u32) {
            let mut world = World::new(Mode::ByHand);
            world.plan(&plans[0]);
            for _ in 0..tokens {
                world.token(false);
            }
            while !world.running.is_empty() {
                prop_assert!(!world.exited);
                world.finish(0, Outcome::Ok);
            }
            prop_assert!(world.exited && !world.parked);
        }
    }
}
