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
