//! The state of each item of a plan. Knows neither tokens nor other plans: that is `machine`.

use super::events::{Action, Part};
use super::outline::Outline;
use tender_protocol::Outcome;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ItemState {
    /// Waits for this many items of its plan.
    Waiting(u32),
    Ready,
    /// Its beginning or its join runs; `main` if on the main thread.
    Running {
        slot: u32,
        main: bool,
    },
    InPieces(PiecesState),
    Reported(Outcome),
}

/// The pieces of an item that has begun and is not joined yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PiecesState {
    unstarted: u32,
    /// Each with its slot.
    running: Vec<(u32, u32)>,
    failed: bool,
    cancelled: bool,
}

/// What follows for an item in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Pieces run or wait.
    Pieces,
    /// All pieces succeeded.
    Join,
    /// A piece failed or the item was cancelled.
    Drop,
}

impl PiecesState {
    /// Handles the end of a piece and returns its slot.
    pub fn ended(&mut self, piece: u32, ok: bool) -> u32 {
        let at = self.running.iter().position(|(running, _)| *running == piece).expect("it ran");
        self.failed |= !ok;
        self.running.swap_remove(at).1
    }

    pub fn next(&self) -> Next {
        if self.failed || self.cancelled {
            Next::Drop
        } else if self.unstarted == 0 && self.running.is_empty() {
            Next::Join
        } else {
            Next::Pieces
        }
    }

    /// Returns how many pieces will not be started.
    pub fn drop_unstarted(&mut self) -> u32 {
        std::mem::take(&mut self.unstarted)
    }

    /// The outcome of an item whose pieces are dropped, if none of them runs any more.
    pub fn outcome_if_ended(&self) -> Option<Outcome> {
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
    /// Whether all items that were reported so far succeeded.
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

    /// Positions of the items that can start.
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

    /// The beginning of an item ended and left pieces. Returns its slot, and whether it ran on the
    /// main thread.
    pub fn split(&mut self, position: usize, count: u32) -> (u32, bool) {
        let ItemState::Running { slot, main } = self.items[position] else {
            unreachable!("only a running item leaves pieces");
        };
        let cancelled = self.cancelled;
        let pieces =
            PiecesState { unstarted: count, running: Vec::new(), failed: false, cancelled };
        self.items[position] = ItemState::InPieces(pieces);
        (slot, main)
    }

    pub fn pieces(&mut self, position: usize) -> &mut PiecesState {
        let ItemState::InPieces(pieces) = &mut self.items[position] else {
            unreachable!("the item has pieces");
        };
        pieces
    }

    /// Records that an item has ended. Skips items that can never run because of it, and returns
    /// the positions of those that can start now.
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

    /// Skips the items that have not started, and returns the positions of those that have pieces.
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
        let mut dependents = self.outline.items[position].dependents.clone();
        while let Some(position) = dependents.pop() {
            if matches!(self.items[position], ItemState::Waiting(_)) {
                self.skip(position, actions);
                dependents.extend(&self.outline.items[position].dependents);
            }
        }
    }
}
