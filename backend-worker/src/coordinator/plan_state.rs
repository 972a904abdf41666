//! How far each item of a plan is. Knows no slots' owners and no order between plans: that is
//! `machine`.

use super::events::{Action, Part};
use super::outline::Outline;
use tender_protocol::Outcome;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ItemState {
    /// Waits for this many items of its plan.
    Waiting(u32),
    Ready,
    /// One thread has it, for its beginning or its join; `main` if that is the main thread.
    Running {
        slot: u32,
        main: bool,
    },
    InPieces(Pieces),
    Reported(Outcome),
}

/// The pieces of an item that began and is not joined yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pieces {
    unstarted: u32,
    /// Piece and slot.
    running: Vec<(u32, u32)>,
    failed: bool,
    cancelled: bool,
}

/// What pieces come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    NotYet,
    /// All are done.
    Join,
    /// The item's result is not wanted any more, or cannot be had.
    Drop,
}

impl Pieces {
    /// Returns the slot that the piece ran on.
    pub fn ended(&mut self, piece: u32, ok: bool) -> u32 {
        let at = self.running.iter().position(|(running, _)| *running == piece).expect("it ran");
        self.failed |= !ok;
        self.running.swap_remove(at).1
    }

    pub fn end(&self) -> End {
        if self.failed || self.cancelled {
            End::Drop
        } else if self.unstarted == 0 && self.running.is_empty() {
            End::Join
        } else {
            End::NotYet
        }
    }

    /// Returns how many pieces will now not be started.
    pub fn drop_unstarted(&mut self) -> u32 {
        std::mem::take(&mut self.unstarted)
    }

    /// What to report of an item whose pieces are dropped, once none of them runs.
    pub fn abandoned(&self) -> Option<Outcome> {
        let outcome = if self.failed { Outcome::Failed } else { Outcome::Skipped };
        self.running.is_empty().then_some(outcome)
    }
}

#[derive(Debug)]
pub(super) struct PlanState {
    pub outline: Outline,
    pub items: Vec<ItemState>,
    unreported: usize,
    cancelled: bool,
    /// Whether every item reported so far succeeded.
    pub ok: bool,
}

impl PlanState {
    pub fn new(outline: Outline) -> PlanState {
        let state = |waits_for| {
            if waits_for == 0 { ItemState::Ready } else { ItemState::Waiting(waits_for) }
        };
        let items: Vec<ItemState> =
            outline.items.iter().map(|item| state(item.waits_for)).collect();
        PlanState { outline, unreported: items.len(), items, cancelled: false, ok: true }
    }

    /// Positions of the items that nothing holds back.
    pub fn ready(&self) -> impl Iterator<Item = usize> + '_ {
        self.items
            .iter()
            .enumerate()
            .filter(|(_, state)| **state == ItemState::Ready)
            .map(|(at, _)| at)
    }

    pub fn is_done(&self) -> bool {
        self.unreported == 0
    }

    pub fn start(&mut self, position: usize, part: Part, slot: u32) {
        match part {
            Part::Piece(piece) => {
                let pieces = self.pieces(position);
                pieces.unstarted -= 1;
                pieces.running.push((piece, slot));
            }
            Part::Begin | Part::Translate | Part::Join => {
                self.items[position] = ItemState::Running { slot, main: part == Part::Translate };
            }
        }
    }

    /// The beginning of an item ended in pieces. Returns its slot, and whether it had the main
    /// thread.
    pub fn split(&mut self, position: usize, count: u32) -> (u32, bool) {
        let ItemState::Running { slot, main } = self.items[position] else {
            unreachable!("only what runs comes in pieces");
        };
        let cancelled = self.cancelled;
        let pieces = Pieces { unstarted: count, running: Vec::new(), failed: false, cancelled };
        self.items[position] = ItemState::InPieces(pieces);
        (slot, main)
    }

    pub fn pieces(&mut self, position: usize) -> &mut Pieces {
        let ItemState::InPieces(pieces) = &mut self.items[position] else {
            unreachable!("the item is in pieces");
        };
        pieces
    }

    /// Takes in that an item is over, reports those that can never run after it, and returns those
    /// that can now.
    pub fn report(
        &mut self,
        position: usize,
        outcome: Outcome,
        actions: &mut Vec<Action>,
    ) -> Vec<usize> {
        self.items[position] = ItemState::Reported(outcome);
        self.unreported -= 1;
        if outcome != Outcome::Ok {
            self.ok = false;
            self.skip_dependents(position, actions);
            return Vec::new();
        }
        let mut ready = Vec::new();
        for dependent in &self.outline.items[position].dependents {
            let ItemState::Waiting(waits_for) = &mut self.items[*dependent] else { continue };
            *waits_for -= 1;
            if *waits_for == 0 {
                self.items[*dependent] = ItemState::Ready;
                ready.push(*dependent);
            }
        }
        ready
    }

    /// Skips what has not begun, and returns the items whose pieces are now of no use.
    pub fn cancel(&mut self, actions: &mut Vec<Action>) -> Vec<usize> {
        self.cancelled = true;
        let mut in_pieces = Vec::new();
        for position in 0..self.items.len() {
            if let ItemState::InPieces(pieces) = &mut self.items[position] {
                pieces.cancelled = true;
                in_pieces.push(position);
            } else {
                self.skip(position, actions);
            }
        }
        in_pieces
    }

    /// Reports an item that has not started as skipped.
    fn skip(&mut self, position: usize, actions: &mut Vec<Action>) {
        if matches!(self.items[position], ItemState::Waiting(_) | ItemState::Ready) {
            self.items[position] = ItemState::Reported(Outcome::Skipped);
            self.unreported -= 1;
            self.ok = false;
            actions.push(Action::Skip {
                plan: self.outline.id,
                item: self.outline.items[position].id,
            });
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
