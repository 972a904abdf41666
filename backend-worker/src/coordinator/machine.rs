//! Decides which part of which item runs when, and how many tokens to request from the pool. Events
//! in, actions out. No threads, clocks or LLVM.
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
//! `Begin` runs on any thread, to the item's end or until it leaves pieces. `Translate` is the
//! beginning of a unit in a plan that is translated serially. It runs on the main thread, one at a
//! time, and leaves pieces unless it fails.
//!
//! # Leases come before slots
//!
//! A part first waits in `leases` for memory, and then in `ready` for a slot. While it waits for
//! memory, no token is requested or kept for it, and the implicit slot is not kept either. The
//! worker asks for pieces as soon as they exist. It asks for beginnings only if a slot has nothing
//! else to run, because an orchestrator grants them without a request. A join needs a lease only if
//! it is known to need much more memory than the pieces that it joins.
//!
//! # Bursts
//!
//! Grants follow a plan closely, and parts often end together. So all messages are sent and all
//! tokens are released at `Quiet`, which the coordinator sends when no event is left and it is
//! about to wait.
//!
//! # The main thread
//!
//! ```text
//!                  a slot is free, and too few parts wait for the other threads
//!     idle (its slot lent) ------------------------------------------> translating
//!                          <------------------------------------------
//!                                  InPieces, or Finished
//! ```
//!
//! The rule is rustc's (`queue_full_enough`). Enough parts wait if there is a piece with a lease
//! for every fourth thread, rounded up, counting the threads that the available slots allow. So
//! threads always have work, and few modules are translated before they are needed.
//!
//! # Slots are accounting
//!
//! A process has its implicit slot, unless parked, and the tokens that it holds. With `running`
//! parts it uses the implicit slot and `running - 1` tokens. It does not matter which part started
//! on which slot: if the part on the implicit slot ends while others run on tokens, one of the
//! others counts as running on the implicit slot from then on, and its token is used for the next
//! part or released. So no slot is idle while a token is held, and threads need not know their
//! slots. The number in [`Action::Start`] only names a row in the trace.
//!
//! # The implicit slot
//!
//! ```text
//!              nothing runs or could: SlotParked
//!     usable ------------------------------------> parked
//!            <------------------------------------
//!                        Event::Slot
//! ```
//!
//! `Slot` may come before or after the lease that it is meant for. If it comes before, the worker
//! must not park it at once, although nothing can run yet. If it comes after its work is done, the
//! worker must park it. `expects_work` tells the two cases apart. While the slot is lent, any
//! lease, the end of a plan and a cancel clear `expects_work`, because the slot may then be too
//! late. A plan alone does not clear it, since its leases follow. While the worker has the slot, a
//! plan clears it too: if there is no memory for the plan now, other processes can use the slot.

use super::events::{Action, Event, Mode, Part};
use super::leases::{Candidate, Leases};
use super::outline::Outline;
use super::plan_state::{ItemState, Next, PlanState};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tender_protocol::{FromWorker, ItemId, Outcome, PlanId};
use tender_units::Bytes;

#[derive(Debug)]
pub(super) struct Machine {
    mode: Mode,
    plans: BTreeMap<u64, PlanState>,
    ages: HashMap<PlanId, u64>,
    plans_seen: u64,
    leases: Leases,
    /// Parts that have their lease and wait for a slot.
    ready: BTreeSet<Candidate>,
    /// Parts with a lease that only the main thread may run.
    to_translate: BTreeSet<Candidate>,
    translating: bool,
    /// Rows in the trace that running parts use.
    slots_in_use: BTreeSet<u32>,
    parked: bool,
    /// Whether the work that the implicit slot is meant for has not arrived yet. While the slot is
    /// parked, this is about the next time that it is given back.
    expects_work: bool,
    tokens: u32,
    pool_lost: bool,
    /// How many tokens were last requested from the pool; `None` after a token has arrived, which
    /// fulfilled a part of the request.
    requested: Option<u32>,
    /// The `want` that was last sent to the orchestrator.
    want: u32,
    actions: Vec<Action>,
}

/// Whether `waiting` parts are enough to keep `threads` threads busy while the main thread does not
/// translate. From `queue_full_enough` of rustc's backend.
fn queue_is_full_enough(waiting: u32, threads: u32) -> bool {
    waiting > 0 && waiting >= threads.div_ceil(4)
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
            requested: Some(0),
            want: 0,
            actions: Vec::new(),
        }
    }

    /// Handles one event and returns the resulting actions.
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Quiet => {
                self.ask_for_beginnings();
                self.release_surplus_tokens();
                self.publish_demand();
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
                self.requested = None;
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

    /// Whether a plan with this id is running. Its id must not be used for another plan meanwhile.
    pub fn knows(&self, plan: PlanId) -> bool {
        self.ages.contains_key(&plan)
    }

    /// How many parts run now. Each uses one slot.
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

    fn granted(&mut self, plan: PlanId, item: ItemId, bytes: Bytes) {
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

    /// Adds a part that has its lease or needs none.
    fn add_ready(&mut self, part: Candidate) {
        let set =
            if part.part == Part::Translate { &mut self.to_translate } else { &mut self.ready };
        set.insert(part);
    }

    fn ask_for_pieces(&mut self, age: u64, position: usize) {
        let outline = &self.plans[&age].outline;
        let (plan, item) = (outline.id, outline.items[position].id);
        let state = &self.plans[&age].items[position];
        let is_join = matches!(state, ItemState::InPieces(pieces) if pieces.next() == Next::Join);
        let part = if is_join { Part::Join } else { Part::Piece(0) };
        for _ in 0..self.leases.ask_for_pieces((age, position), outline.asks) {
            self.actions.push(Action::AskLease { plan, item, part });
        }
    }

    /// Asks for as many beginnings as there are free slots, and for one if nothing runs, because
    /// the implicit slot may be lent. For a plan run by hand one is asked for in any case: nothing
    /// is granted without a request there, and tokens are requested only for parts with a lease.
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

    /// Other parts can use the memory that the front end needed while the rest of the item runs.
    fn shrunk(&mut self, plan: PlanId, item: ItemId, bytes: Bytes) {
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

    /// Decides what follows for the item, and reports what it holds if it is not finished.
    fn part_ended(&mut self, age: u64, position: usize) {
        self.continue_after_piece(age, position);
        let state = &self.plans[&age];
        if let ItemState::InPieces(pieces) = &state.items[position] {
            let next = pieces.next();
            let (plan, item) = (state.outline.id, state.outline.items[position].id);
            let mut held = self.leases.held((age, position));
            // A join without a lease counts as a part that could run.
            held.parts +=
                u32::from(next == Next::Join && !state.outline.items[position].leased_join);
            self.actions.push(Action::Resize { plan, item, held });
            if next == Next::Join {
                self.ask_for_pieces(age, position);
            }
        }
    }

    /// After a piece ended or was cancelled: starts the join if all pieces succeeded, or drops the
    /// unstarted pieces and reports the item when no piece runs any more.
    fn continue_after_piece(&mut self, age: u64, position: usize) {
        let state = self.plans.get_mut(&age).expect("live");
        let pieces = state.pieces(position);
        match pieces.next() {
            Next::Pieces => {}
            Next::Join => {
                let item = &state.outline.items[position];
                let (cost, piece_cost) = (Reverse(item.cost), Reverse(0));
                let join = Candidate { cost, age, position, piece_cost, part: Part::Join };
                if item.leased_join {
                    self.ready.extend(self.leases.add_pieces((age, position), vec![join]));
                } else {
                    self.ready.insert(join);
                }
            }
            Next::Drop => {
                if pieces.drop_unstarted() > 0 {
                    self.leases.drop_waiting((age, position));
                    self.ready.retain(|part| {
                        let is_of_item = (part.age, part.position) == (age, position);
                        if is_of_item {
                            self.leases.ended((age, position), part.part);
                        }
                        !is_of_item
                    });
                }
                let state = self.plans.get_mut(&age).expect("live");
                if let Some(outcome) = state.pieces(position).outcome_if_ended() {
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
                self.continue_after_piece(age, position);
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
            let threads = self.running() + other_slots.min(waiting) + 1;
            if !queue_is_full_enough(waiting, threads) {
                return self.to_translate.pop_first();
            }
        }
        self.ready.pop_first()
    }

    /// How many parts have their leases and wait only for slots.
    pub fn startable(&self) -> u32 {
        let main_could = !self.translating && !self.to_translate.is_empty();
        self.ready.len() as u32 + u32::from(main_could)
    }

    /// Releases tokens that no part needs, before the coordinator waits.
    fn release_surplus_tokens(&mut self) {
        let needed = self.running().saturating_sub(self.implicit_slots());
        while self.tokens > needed {
            self.tokens -= 1;
            self.actions.push(Action::ReleaseToken);
        }
    }

    /// Requests tokens from the pool, and sends `want` if it has changed.
    fn publish_demand(&mut self) {
        // Each part without a slot needs one token.
        let startable = self.startable();
        let request = if self.pool_lost { 0 } else { startable };
        if self.requested != Some(request) {
            self.requested = Some(request);
            self.actions.push(Action::RequestTokens(request));
        }
        let want = (self.running() + startable).saturating_sub(self.implicit_slots());
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
                // Skipped items may still hold grants.
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

    fn implicit_slots(&self) -> u32 {
        u32::from(!self.parked)
    }

    fn capacity(&self) -> u32 {
        self.implicit_slots() + self.tokens
    }

    fn free_row(&self) -> u32 {
        let first = u32::from(self.parked);
        (first..).find(|row| !self.slots_in_use.contains(row)).expect("a part has a number")
    }

    fn find(&self, plan: PlanId, item: ItemId) -> (u64, usize) {
        let age = *self.ages.get(&plan).expect("only parts of live plans were started");
        (age, self.plans[&age].outline.position(item).expect("item of the plan"))
    }
}

#[cfg(test)]
mod tests;
