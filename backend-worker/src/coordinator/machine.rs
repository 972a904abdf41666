//! Which part of which item runs when, and what this process asks of the pool: events in, actions
//! out. No threads, clocks or LLVM.
//!
//! # The states of an item
//!
//! ```text
//!     Waiting --all before it are done--> Ready --lease--> Begin or Translate --Finished------------------> Reported
//!                                                                 |                                            ^
//!                                                              InPieces --lease--> Piece 0..k --all ok--> Join-+
//!                                                                                      |                       |
//!                                                                                      +-one failed, cancelled-+
//! ```
//!
//! `Begin` runs on any thread, to the item's end or until it comes in pieces. `Translate` is the
//! beginning of a unit in a plan that is translated serially: it runs on the main thread, one at a
//! time, and always ends in pieces unless it fails.
//!
//! # Leases come before slots
//!
//! A part waits in `leases` until memory is granted for it, and only then among the parts that wait
//! for slots. Until that it is as if it were not there: no token is wished for or kept for its
//! sake, nor the starting slot. Pieces are asked for as they come; beginnings when there is nothing
//! else to do on a slot, because an orchestrator grants them unasked. A join needs one only where
//! it is known to take much more than what it works on, which is there.
//!
//! # Bursts
//!
//! A plan comes with grants behind it, and parts often end together. So all that is said or given
//! back follows from `Quiet`, which is fed when nothing else has happened: the coordinator is about
//! to wait.
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
//! The rule is rustc's (`queue_full_enough`): enough waits if there is a piece with a lease for
//! every fourth worker, rounded up, counting the workers that the slots at hand allow. So threads
//! do not starve, and few modules are made before they are needed.
//!
//! # Slots are accounting
//!
//! A process has its starting slot, unless parked, and the tokens it holds. With `running` parts at
//! once it occupies the starting slot first and `running - 1` tokens beyond it, whichever part came
//! with which slot: when the part that began on the starting slot ends while others run on tokens,
//! one of those counts as running on the starting slot from then on, and its token is free for the
//! next part or goes back. So no slot idles while a token is held, the main thread's slot is lent
//! by not using it, and nothing about threads has to change. The number in [`Action::Start`] only
//! names a row in the trace.
//!
//! # The starting slot
//!
//! ```text
//!              nothing runs or could: SlotParked
//!     usable ------------------------------------> parked
//!            <------------------------------------
//!                        Event::Slot
//! ```
//!
//! `Slot` comes before the lease that it is for or after it. One that comes before must not be
//! parked again at once, although nothing could run, and one that comes when its work is already
//! over must be: `expects_work` tells the two apart. While the slot is lent out, any lease, the end
//! of a plan and a cancel end the expectation, for then the slot on its way may be too late; a plan
//! alone does not, since its leases follow. While we have the slot, a plan ends it as well: should
//! there be no memory for it now, others can use the slot.

use super::events::{Action, Event, Mode, Part};
use super::leases::{Candidate, Leases};
use super::outline::Outline;
use super::plan_state::{End, ItemState, PlanState};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tender_protocol::{FromWorker, ItemId, Outcome, PlanId};

#[derive(Debug)]
pub(super) struct Machine {
    mode: Mode,
    plans: BTreeMap<u64, PlanState>,
    ages: HashMap<PlanId, u64>,
    plans_seen: u64,
    leases: Leases,
    /// Parts that have their lease and lack but a slot.
    ready: BTreeSet<Candidate>,
    /// As `ready`, of units that only the main thread may begin.
    to_translate: BTreeSet<Candidate>,
    translating: bool,
    /// Rows of the trace that are in use.
    slots_in_use: BTreeSet<u32>,
    parked: bool,
    /// What the starting slot is for, or will be when it is lent again, has not come yet.
    expects_work: bool,
    tokens: u32,
    pool_lost: bool,
    /// What the pool was last asked for; `None` once a token has arrived, which used up part of it.
    wish: Option<u32>,
    /// What the orchestrator was last told.
    want: u32,
    actions: Vec<Action>,
}

/// Whether `waiting` parts are enough to keep `workers` threads busy while the main thread does
/// something else. From `queue_full_enough` of rustc's backend.
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
            leases: Leases::default(),
            ready: BTreeSet::new(),
            to_translate: BTreeSet::new(),
            translating: false,
            slots_in_use: BTreeSet::new(),
            parked: false,
            expects_work: true,
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
            Event::Quiet => {
                self.ask_for_beginnings();
                self.return_surplus_tokens();
                self.state_demand();
                self.report_done_plans();
                self.park();
            }
            Event::Plan(outline) => self.add_plan(outline),
            Event::Lease { plan, item, bytes } => self.granted(plan, item, bytes),
            Event::Slot => {
                self.parked = false;
            }
            Event::Token => {
                self.tokens += 1;
                self.wish = None;
            }
            Event::PoolLost => self.pool_lost = true,
            Event::InPieces { plan, item, costs } => self.in_pieces(plan, item, &costs),
            Event::Shrunk { plan, item, bytes } => self.shrunk(plan, item, bytes),
            Event::PieceEnded { plan, item, piece, ok } => self.piece_ended(plan, item, piece, ok),
            Event::Finished { plan, item, outcome } => self.finished(plan, item, outcome),
            Event::Cancel(plan) => self.cancel(plan),
        }
        self.start_ready_parts();
        std::mem::take(&mut self.actions)
    }

    /// Whether a plan with this id is live, so that another of the same id would be confused with
    /// it.
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
        self.expects_work &= self.parked;
        self.ages.insert(outline.id, age);
        let state = PlanState::new(outline);
        let ready: Vec<usize> = state.ready().collect();
        self.plans.insert(age, state);
        for position in ready {
            self.add_beginning(age, position);
        }
    }

    fn add_beginning(&mut self, age: u64, position: usize) {
        let item = &self.plans[&age].outline.items[position];
        let part = if item.serial { Part::Translate } else { Part::Begin };
        let candidate =
            Candidate { cost: Reverse(item.cost), age, position, piece_cost: Reverse(0), part };
        if let Some(granted) = self.leases.add_beginning(candidate) {
            self.add_ready(granted);
        }
    }

    fn granted(&mut self, plan: PlanId, item: ItemId, bytes: u64) {
        self.expects_work = false;
        let Some(age) = self.ages.get(&plan).copied() else { return };
        let state = &self.plans[&age];
        let Some(position) = state.outline.position(item) else { return };
        if matches!(state.items[position], ItemState::Reported(_)) {
            return;
        }
        if let Some(granted) = self.leases.grant((age, position), bytes) {
            self.add_ready(granted);
            self.ask_for_pieces(age, position);
        }
    }

    /// Takes in a part that has its lease, or needs none.
    fn add_ready(&mut self, part: Candidate) {
        let set =
            if part.part == Part::Translate { &mut self.to_translate } else { &mut self.ready };
        set.insert(part);
    }

    fn ask_for_pieces(&mut self, age: u64, position: usize) {
        let outline = &self.plans[&age].outline;
        let (plan, item) = (outline.id, outline.items[position].id);
        let state = &self.plans[&age].items[position];
        let is_whole = matches!(state, ItemState::InPieces(pieces) if pieces.end() == End::Join);
        let part = if is_whole { Part::Join } else { Part::Piece(0) };
        for _ in 0..self.leases.ask_for_pieces((age, position), outline.asks) {
            self.actions.push(Action::AskLease { plan, item, part });
        }
    }

    /// Asks for as many beginnings as there are slots for, and for one if nothing runs: its slot
    /// may be lent out. By hand one is asked for in any case, because nobody grants them unasked
    /// and a token is wished for only after the lease.
    fn ask_for_beginnings(&mut self) {
        if self.startable() > 0 {
            return;
        }
        let ahead = u32::from(self.mode == Mode::ByHand || self.running() == 0);
        let free = self.capacity().saturating_sub(self.running());
        for (age, position) in self.leases.ask_for_beginnings(free.max(ahead), !self.translating) {
            let outline = &self.plans[&age].outline;
            let (plan, item) = (outline.id, outline.items[position].id);
            self.actions.push(Action::AskLease { plan, item, part: Part::Begin });
        }
    }

    fn in_pieces(&mut self, plan: PlanId, item: ItemId, costs: &[u64]) {
        let (age, position) = self.find(plan, item);
        let state = self.plans.get_mut(&age).expect("found");
        let (slot, main) = state.split(position, costs.len() as u32);
        let cost = Reverse(state.outline.items[position].cost);
        self.slots_in_use.remove(&slot);
        self.translating &= !main;
        self.leases.ended((age, position), if main { Part::Translate } else { Part::Begin });
        let candidate = |(piece, piece_cost): (u32, &u64)| Candidate {
            cost,
            age,
            position,
            piece_cost: Reverse(*piece_cost),
            part: Part::Piece(piece),
        };
        let pieces = (0..).zip(costs).map(candidate).collect();
        self.ready.extend(self.leases.add_pieces((age, position), pieces));
        self.part_ended(age, position);
        self.ask_for_pieces(age, position);
    }

    /// What its front end needed others can have while the rest of it runs.
    fn shrunk(&mut self, plan: PlanId, item: ItemId, bytes: u64) {
        let place = self.find(plan, item);
        if self.leases.shrink_beginning(place, bytes) {
            let held = self.leases.held(place);
            self.actions.push(Action::Resize { plan, item, held });
        }
    }

    fn piece_ended(&mut self, plan: PlanId, item: ItemId, piece: u32, ok: bool) {
        let (age, position) = self.find(plan, item);
        let state = self.plans.get_mut(&age).expect("found");
        let slot = state.pieces(position).ended(piece, ok);
        self.slots_in_use.remove(&slot);
        self.leases.ended((age, position), Part::Piece(piece));
        self.part_ended(age, position);
    }

    /// What follows for the item, and what it holds if it is not over.
    fn part_ended(&mut self, age: u64, position: usize) {
        self.drop_pieces_of_no_use(age, position);
        let state = &self.plans[&age];
        if let ItemState::InPieces(pieces) = &state.items[position] {
            let pieces_end = pieces.end();
            let (plan, item) = (state.outline.id, state.outline.items[position].id);
            let mut held = self.leases.held((age, position));
            // A join without a lease.
            held.parts +=
                u32::from(pieces_end == End::Join && !state.outline.items[position].leased_join);
            self.actions.push(Action::Resize { plan, item, held });
            if pieces_end == End::Join {
                self.ask_for_pieces(age, position);
            }
        }
    }

    /// After a piece ended or was cancelled: the join is next, or the item is over once nothing of
    /// it runs.
    fn drop_pieces_of_no_use(&mut self, age: u64, position: usize) {
        let state = self.plans.get_mut(&age).expect("live");
        let pieces = state.pieces(position);
        match pieces.end() {
            End::NotYet => {}
            End::Join => {
                let item = &state.outline.items[position];
                let (cost, piece_cost) = (Reverse(item.cost), Reverse(0));
                let join = Candidate { cost, age, position, piece_cost, part: Part::Join };
                if item.leased_join {
                    self.ready.extend(self.leases.add_pieces((age, position), vec![join]));
                } else {
                    self.ready.insert(join);
                }
            }
            End::Drop => {
                if pieces.drop_unstarted() > 0 {
                    self.leases.drop_waiting((age, position));
                    self.ready.retain(|part| {
                        let is_of_it = (part.age, part.position) == (age, position);
                        if is_of_it {
                            self.leases.ended((age, position), part.part);
                        }
                        !is_of_it
                    });
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
        self.leases.forget((age, position));
        let state = self.plans.get_mut(&age).expect("live");
        for ready in state.report(position, outcome, &mut self.actions) {
            self.add_beginning(age, ready);
        }
    }

    fn cancel(&mut self, plan: Option<PlanId>) {
        self.expects_work = false;
        let of_plan = |state: &PlanState| plan.is_none_or(|plan| plan == state.outline.id);
        let ages: Vec<u64> =
            self.plans.iter().filter(|(_, state)| of_plan(state)).map(|(age, _)| *age).collect();
        for age in ages {
            self.ready.retain(|part| part.age != age);
            self.to_translate.retain(|part| part.age != age);
            let state = self.plans.get_mut(&age).expect("live");
            let in_pieces = state.cancel(&mut self.actions);
            for (position, item) in state.items.iter().enumerate() {
                if matches!(item, ItemState::Reported(_)) {
                    self.leases.forget((age, position));
                }
            }
            for position in in_pieces {
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

    fn next_part(&mut self) -> Option<Candidate> {
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

    /// Parts that could start if there were slots for them: they have their leases.
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
        self.plans.retain(|age, state| {
            if state.is_done() {
                // What was granted before it was skipped.
                (0..state.items.len()).for_each(|position| self.leases.forget((*age, position)));
                self.expects_work = false;
                self.ages.remove(&state.outline.id);
                self.actions
                    .push(Action::Send(FromWorker::Done { plan: state.outline.id, ok: state.ok }));
            }
            !state.is_done()
        });
        if plans_before > 0 && self.plans.is_empty() && self.mode == Mode::ByHand {
            self.actions.push(Action::Exit);
        }
    }

    fn park(&mut self) {
        let idle = self.running() == 0 && self.startable() == 0;
        if self.mode == Mode::Served && idle && !self.parked && !self.expects_work {
            self.parked = true;
            self.expects_work = true;
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
