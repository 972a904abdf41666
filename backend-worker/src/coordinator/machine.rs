//! Which part of which item runs when, and what this process asks of the pool: events in, actions out. No threads, clocks
//! or LLVM.
//!
//! # The states of an item
//!
//! ```text
//!     Waiting --all before it are done--> Ready --> Begin or Translate --Finished-----------------> Reported
//!                                                          |                                          ^
//!                                                       InPieces --> Piece 0..k --all ok--> Join -----+
//!                                                                        |                            |
//!                                                                        +--one failed, or cancelled--+
//! ```
//!
//! `Begin` runs on any thread, to the item's end or until it comes in pieces. `Translate` is the beginning of a unit in a
//! plan that is translated serially: it runs on the main thread, one at a time, and always ends in pieces unless it fails.
//!
//! # The main thread
//!
//! ```text
//!                  a slot is free, and too little waits for the workers
//!     idle (its slot lent) ------------------------------------------> translating
//!                          <------------------------------------------
//!                                  InPieces, or Finished
//! ```
//!
//! The rule is rustc's (`queue_full_enough`): enough waits if there is a piece for every fourth worker, rounded up, counting
//! the workers that the slots at hand allow. So threads do not starve, and few modules are made before they are needed.
//!
//! # Slots are accounting
//!
//! A process has its starting slot, unless parked, and the tokens it holds. With `running` parts at once it occupies the
//! starting slot first and `running - 1` tokens beyond it, whichever part came with which slot: when the part that began on
//! the starting slot ends while others run on tokens, one of those counts as running on the starting slot from then on,
//! and its token is free for the next part or goes back. So no slot idles while a token is held, the main thread's slot is
//! lent by not using it, and nothing about threads has to change. The number in [`Action::Start`] only names a row in the
//! trace.
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
use super::plan_state::{End, ItemState, PlanState};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// The beginning of an item ended with pieces to run; their costs, in any unit. There is at least one.
    InPieces { plan: PlanId, item: ItemId, costs: Vec<u64> },
    /// A started piece ended.
    PieceEnded { plan: PlanId, item: ItemId, piece: u32, ok: bool },
    /// A started item ended: its beginning without pieces, or its join.
    Finished { plan: PlanId, item: ItemId, outcome: Outcome },
    /// Nothing more of this plan, or of any, is to be started.
    Cancel(Option<PlanId>),
}

/// What of an item runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Begin,
    /// On the main thread.
    Translate,
    /// From 0.
    Piece(u32),
    /// What follows the last piece.
    Join,
}

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Run the part on a thread. `slot` is the row of the trace: 0 the starting slot, else a token's place.
    Start { plan: PlanId, item: ItemId, part: Part, slot: u32 },
    /// Report an item that will never run.
    Skip { plan: PlanId, item: ItemId },
    /// Report an item that began and will not be joined.
    Abandon { plan: PlanId, item: ItemId, outcome: Outcome },
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

/// A part that could run. Sorts by the cost of its item, largest first, because a large one started last leaves the other
/// slots idle at the end; then by age; then by the cost of the piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ReadyPart {
    cost: Reverse<u64>,
    age: u64,
    position: usize,
    piece_cost: Reverse<u64>,
    part: Part,
}

#[derive(Debug)]
pub(super) struct Machine {
    mode: Mode,
    plans: BTreeMap<u64, PlanState>,
    ages: HashMap<PlanId, u64>,
    plans_seen: u64,
    ready: BTreeSet<ReadyPart>,
    /// Units that only the main thread may begin.
    to_translate: BTreeSet<ReadyPart>,
    translating: bool,
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

/// Whether `waiting` parts are enough to keep `workers` threads busy while the main thread does something else. From
/// `queue_full_enough` of rustc's backend.
fn enough_waits(waiting: u32, workers: u32) -> bool {
    waiting > 0 && waiting >= workers.div_ceil(4)
}

impl Machine {
    pub fn new(mode: Mode) -> Machine {
        Machine {
            mode,
            plans: BTreeMap::new(),
            ages: HashMap::new(),
            plans_seen: 0,
            ready: BTreeSet::new(),
            to_translate: BTreeSet::new(),
            translating: false,
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
            Event::InPieces { plan, item, costs } => self.in_pieces(plan, item, &costs),
            Event::PieceEnded { plan, item, piece, ok } => self.piece_ended(plan, item, piece, ok),
            Event::Finished { plan, item, outcome } => self.finished(plan, item, outcome),
            Event::Cancel(plan) => self.cancel(plan),
        }
        self.start_ready_parts();
        self.return_surplus_tokens();
        self.state_demand();
        self.report_done_plans();
        self.park();
        std::mem::take(&mut self.actions)
    }

    /// Whether a plan with this id is live, so that another of the same id would be confused with it.
    pub fn knows(&self, plan: PlanId) -> bool {
        self.ages.contains_key(&plan)
    }

    /// Parts that run now, and so slots that are in use.
    pub fn running(&self) -> u32 {
        self.slots_in_use.len() as u32
    }

    fn add_plan(&mut self, outline: Outline) {
        let age = self.plans_seen;
        self.plans_seen += 1;
        self.expects_plan = false;
        self.ages.insert(outline.id, age);
        let state = PlanState::new(outline);
        let ready: Vec<usize> = state.ready().collect();
        self.plans.insert(age, state);
        for position in ready {
            self.add_ready(age, position);
        }
    }

    fn add_ready(&mut self, age: u64, position: usize) {
        let item = &self.plans[&age].outline.items[position];
        let (part, set) = if item.serial {
            (Part::Translate, &mut self.to_translate)
        } else {
            (Part::Begin, &mut self.ready)
        };
        set.insert(ReadyPart { cost: Reverse(item.cost), age, position, piece_cost: Reverse(0), part });
    }

    fn in_pieces(&mut self, plan: PlanId, item: ItemId, costs: &[u64]) {
        let (age, position) = self.find(plan, item);
        let state = self.plans.get_mut(&age).expect("found");
        let (slot, main) = state.split(position, costs.len() as u32);
        let cost = Reverse(state.outline.items[position].cost);
        self.slots_in_use.remove(&slot);
        self.translating &= !main;
        for (piece, piece_cost) in (0..).zip(costs) {
            let part = Part::Piece(piece);
            self.ready.insert(ReadyPart { cost, age, position, piece_cost: Reverse(*piece_cost), part });
        }
        self.drop_pieces_of_no_use(age, position);
    }

    fn piece_ended(&mut self, plan: PlanId, item: ItemId, piece: u32, ok: bool) {
        let (age, position) = self.find(plan, item);
        let state = self.plans.get_mut(&age).expect("found");
        let slot = state.pieces(position).ended(piece, ok);
        self.slots_in_use.remove(&slot);
        self.drop_pieces_of_no_use(age, position);
    }

    /// After a piece ended or was cancelled: the join is next, or the item is over once nothing of it runs.
    fn drop_pieces_of_no_use(&mut self, age: u64, position: usize) {
        let state = self.plans.get_mut(&age).expect("live");
        let pieces = state.pieces(position);
        match pieces.end() {
            End::NotYet => {}
            End::Join => {
                let cost = Reverse(state.outline.items[position].cost);
                let piece_cost = Reverse(0);
                self.ready.insert(ReadyPart { cost, age, position, piece_cost, part: Part::Join });
            }
            End::Drop => {
                if pieces.drop_unstarted() > 0 {
                    self.ready.retain(|part| (part.age, part.position) != (age, position));
                }
                let state = self.plans.get_mut(&age).expect("live");
                if let Some(outcome) = state.pieces(position).abandoned() {
                    let (plan, item) = (state.outline.id, state.outline.items[position].id);
                    self.actions.push(Action::Abandon { plan, item, outcome });
                    self.reported(age, position, outcome);
                }
            }
        }
    }

    fn finished(&mut self, plan: PlanId, item: ItemId, outcome: Outcome) {
        let (age, position) = self.find(plan, item);
        let state = &self.plans[&age];
        let ItemState::Running { slot, main } = state.items[position] else {
            unreachable!("an item finishes once");
        };
        self.slots_in_use.remove(&slot);
        self.translating &= !main;
        self.reported(age, position, outcome);
    }

    fn reported(&mut self, age: u64, position: usize, outcome: Outcome) {
        let state = self.plans.get_mut(&age).expect("live");
        for ready in state.report(position, outcome, &mut self.actions) {
            self.add_ready(age, ready);
        }
    }

    fn cancel(&mut self, plan: Option<PlanId>) {
        let of_plan = |state: &PlanState| plan.is_none_or(|plan| plan == state.outline.id);
        let ages: Vec<u64> =
            self.plans.iter().filter(|(_, state)| of_plan(state)).map(|(age, _)| *age).collect();
        for age in ages {
            self.ready.retain(|part| part.age != age);
            self.to_translate.retain(|part| part.age != age);
            let state = self.plans.get_mut(&age).expect("live");
            for position in state.cancel(&mut self.actions) {
                self.drop_pieces_of_no_use(age, position);
            }
        }
    }

    fn start_ready_parts(&mut self) {
        while self.running() < self.capacity() {
            let Some(next) = self.next_part() else { break };
            let slot = self.free_row();
            self.slots_in_use.insert(slot);
            self.translating |= next.part == Part::Translate;
            let state = self.plans.get_mut(&next.age).expect("ready parts are of live plans");
            state.start(next.position, next.part, slot);
            let (plan, item) = (state.outline.id, state.outline.items[next.position].id);
            self.actions.push(Action::Start { plan, item, part: next.part, slot });
        }
    }

    fn next_part(&mut self) -> Option<ReadyPart> {
        if !self.translating && !self.to_translate.is_empty() {
            let waiting = self.ready.len() as u32;
            let other_slots = self.capacity() - self.running() - 1;
            let workers = self.running() + other_slots.min(waiting) + 1;
            if !enough_waits(waiting, workers) {
                return self.to_translate.pop_first();
            }
        }
        self.ready.pop_first()
    }

    /// Parts that could start if there were slots for them.
    pub fn startable(&self) -> u32 {
        let main_could = !self.translating && !self.to_translate.is_empty();
        self.ready.len() as u32 + u32::from(main_could)
    }

    /// A token that no part needs goes back before anything else is waited for.
    fn return_surplus_tokens(&mut self) {
        let needed = self.running().saturating_sub(self.starting_slots());
        while self.tokens > needed {
            self.tokens -= 1;
            self.actions.push(Action::ReleaseToken);
        }
    }

    fn state_demand(&mut self) {
        // Each part that lacks a slot needs one token.
        let startable = self.startable();
        let wish = if self.pool_lost { 0 } else { startable };
        if self.wish != Some(wish) {
            self.wish = Some(wish);
            self.actions.push(Action::SetWish(wish));
        }
        let want = (self.running() + startable).saturating_sub(self.starting_slots());
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
            if state.is_done() {
                self.ages.remove(&state.outline.id);
                self.actions.push(Action::Send(FromWorker::Done { plan: state.outline.id, ok: state.ok }));
            }
            !state.is_done()
        });
        if plans_before > 0 && self.plans.is_empty() && self.mode == Mode::ByHand {
            self.actions.push(Action::Exit);
        }
    }

    fn park(&mut self) {
        let idle = self.running() == 0 && self.startable() == 0;
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
        (first..).find(|row| !self.slots_in_use.contains(row)).expect("fewer parts than numbers")
    }

    fn find(&self, plan: PlanId, item: ItemId) -> (u64, usize) {
        let age = *self.ages.get(&plan).expect("only parts of live plans were started");
        (age, self.plans[&age].outline.position(item).expect("item of the plan"))
    }
}

#[cfg(test)]
mod tests;
