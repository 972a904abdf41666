//! What each worker was given and is doing. Knows no policy.
//!
//! A worker is charged its implicit slot unless it parked it. Whatever else it runs on are tokens;
//! how many are out to it is what the account says.

use super::given::Given;
use super::items::Rank;
use crate::keys::{ItemIx, WorkerId};
use crate::manifest::CrateId;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not heard of yet.
    Starting,
    Up,
    /// Told to close.
    Closing,
    Gone,
}

pub(super) struct Worker {
    pub(super) phase: Phase,
    /// The implicit slot is free.
    pub(super) parked: bool,
    /// Runs one suspect item and no other, then closes.
    pub(super) alone: bool,
    /// Starts nothing more of what it was given.
    pub(super) cancelled: bool,
    /// Has started at least one item.
    pub(super) was_of_use: bool,
    /// All that it was given and is not done with.
    pub(super) given: Given,
    pub(super) wish: Wish,
    /// How many unfinished items of which crate.
    pub(super) crates: BTreeMap<CrateId, usize>,
}

/// What a worker says that it could use, and what it has of that. One that is stopped, or has no
/// core to run on, takes no token that it asked for: those go to others until it is heard of again.
/// What it holds it keeps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish {
    /// Tokens, those it holds included.
    pub(super) tokens: u32,
    /// Tokens that are out to it: read or unread.
    pub(super) out: u32,
    /// It left a token unread for too long.
    pub(super) is_ignored: bool,
    /// Tokens that it was given in this round, which are in `out` too.
    pub(super) given: u32,
    /// Tokens that are kept for it in this round, because it is about to wish for them.
    pub(super) kept: u32,
    /// No more fit into its port in this round.
    pub(super) is_full: bool,
}

impl Wish {
    /// How many tokens it is to have, those it holds included.
    pub(super) fn granted(&self) -> u32 {
        if self.is_ignored { 0 } else { self.tokens }
    }

    /// Tokens that it could use and does not have.
    pub(super) fn unmet(&self) -> u32 {
        self.granted().saturating_sub(self.out)
    }

    pub(super) fn begin_round(&mut self) {
        (self.given, self.kept, self.is_full) = (0, 0, false);
    }
}

impl Worker {
    /// Can be given something.
    pub(super) fn is_open(&self) -> bool {
        !self.alone && matches!(self.phase, Phase::Starting | Phase::Up)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.given.is_empty()
    }

    /// How many more slots it could use, its implicit slot among them if that is parked.
    pub(super) fn slots_wanted(&self) -> usize {
        let on_implicit_slot = usize::from(!self.parked && self.given.running().is_empty());
        self.given.leased().len().saturating_sub(on_implicit_slot).max(self.wish.unmet() as usize)
    }

    /// The most urgent one that waits for memory, of those that `may` ask.
    pub(super) fn unleased(&self, may: impl Fn(ItemIx) -> bool) -> Option<Rank> {
        let begin = self.given.waiting().iter().copied().find(|rank| may(rank.1));
        let part = self.given.parts().map(|(rank, _)| rank).find(|rank| may(rank.1));
        begin.into_iter().chain(part).min()
    }

    /// What it would run on the next token, beyond those that it was given or that are kept for it in
    /// this round.
    pub(super) fn next_on_token(&self) -> Option<Rank> {
        let before = (self.wish.given + self.wish.kept) as usize;
        self.wanting_tokens().get(before).copied()
    }

    /// The ranks of what wants a slot beyond the implicit one, most urgent first: items, and pieces
    /// of items that run. Those for which tokens were given in this round are among them.
    fn wanting_tokens(&self) -> Vec<Rank> {
        let is_implicit_slot_unused = !self.parked && self.given.running().is_empty();
        let items = self.given.leased().iter().copied().skip(usize::from(is_implicit_slot_unused));
        let items: Vec<Rank> = items.collect();
        // What the worker lacks beyond its items is for pieces. Of which item is not known; that of
        // the most urgent one.
        let wished = (self.wish.unmet() + self.wish.given) as usize;
        let pieces = wished.saturating_sub(items.len());
        let mut wanting = Vec::new();
        if let Some(rank) = self.given.running().first() {
            wanting.resize(pieces, *rank);
        }
        wanting.extend(items);
        wanting.sort();
        wanting
    }
}

#[derive(Default)]
pub(super) struct Workers {
    list: Vec<Worker>,
    live: u32,
}

impl Workers {
    /// The one that `start` adds next.
    pub(super) fn next(&self) -> WorkerId {
        WorkerId(self.list.len() as u32)
    }

    pub(super) fn start(&mut self, alone: bool) -> WorkerId {
        self.list.push(Worker {
            phase: Phase::Starting,
            parked: false,
            alone,
            cancelled: false,
            was_of_use: false,
            given: Given::default(),
            wish: Wish::default(),
            crates: BTreeMap::new(),
        });
        self.live += 1;
        WorkerId(self.list.len() as u32 - 1)
    }

    pub(super) fn gone(&mut self, ix: WorkerId) {
        assert_ne!(self[ix].phase, Phase::Gone, "worker {} dies twice", ix.0);
        self[ix].phase = Phase::Gone;
        self.live -= 1;
    }

    /// Processes that are not gone.
    pub(super) fn live(&self) -> u32 {
        self.live
    }

    /// In order of age.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (WorkerId, &Worker)> {
        // Numbers are never used twice, so the dead pile up; a build that loses thousands of
        // workers has other worries.
        let live = self.list.iter().enumerate().filter(|(_, worker)| worker.phase != Phase::Gone);
        live.map(|(number, worker)| (WorkerId(number as u32), worker))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Worker> {
        self.list.iter_mut().filter(|worker| worker.phase != Phase::Gone)
    }

    pub(super) fn find(&self, wanted: impl Fn(&Worker) -> bool) -> Option<WorkerId> {
        self.iter().find(|(_, worker)| wanted(worker)).map(|(ix, _)| ix)
    }
}

impl std::ops::Index<WorkerId> for Workers {
    type Output = Worker;

    fn index(&self, ix: WorkerId) -> &Worker {
        &self.list[ix.0 as usize]
    }
}

impl std::ops::IndexMut<WorkerId> for Workers {
    fn index_mut(&mut self, ix: WorkerId) -> &mut Worker {
        &mut self.list[ix.0 as usize]
    }
}
