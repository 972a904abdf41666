//! What each worker was given and is doing. Knows no policy.
//!
//! A worker is charged its implicit slot unless it has parked it. All its other slots are tokens;
//! the broker's account has how many are out to it.

use super::given::Given;
use super::items::Rank;
use crate::keys::{ItemId, WorkerId};
use crate::manifest::CrateId;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not sent a message yet.
    Starting,
    Up,
    /// Its input is closed.
    Closing,
    Ended,
}

pub(super) struct Worker {
    pub(super) phase: Phase,
    /// Its implicit slot is not charged.
    pub(super) parked: bool,
    /// Runs one suspect item only, and then closes.
    pub(super) alone: bool,
    /// It starts no more of its items.
    pub(super) cancelled: bool,
    /// It has started at least one item.
    pub(super) has_started_any: bool,
    /// The items that it was given and has not finished.
    pub(super) given: Given,
    pub(super) demand: TokenDemand,
    /// How many of these items each crate has.
    pub(super) crates: BTreeMap<CrateId, usize>,
}

/// How many tokens a worker has asked for, and how many it has. A worker that is stopped, or gets
/// no processor time, does not read its tokens. Then it is granted none until it sends a message
/// again; it keeps those that it holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TokenDemand {
    /// Tokens that it can use, those it holds included.
    pub(super) tokens: u32,
    /// Tokens that are out to it: read or unread.
    pub(super) out: u32,
    /// It has not read a token for too long.
    pub(super) is_ignored: bool,
    /// Tokens granted to it in this round; also counted in `out`.
    pub(super) given: u32,
    /// Slots reserved for it in this round, because it is about to ask for tokens.
    pub(super) reserved: u32,
    /// Its port was full in this round.
    pub(super) is_full: bool,
}

impl TokenDemand {
    /// How many tokens it may have, those it holds included.
    pub(super) fn granted(&self) -> u32 {
        if self.is_ignored { 0 } else { self.tokens }
    }

    /// Tokens that it can use and does not have.
    pub(super) fn unmet(&self) -> u32 {
        self.granted().saturating_sub(self.out)
    }

    pub(super) fn begin_round(&mut self) {
        (self.given, self.reserved, self.is_full) = (0, 0, false);
    }
}

impl Worker {
    /// Whether it can be given items.
    pub(super) fn is_open(&self) -> bool {
        !self.alone && matches!(self.phase, Phase::Starting | Phase::Up)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.given.is_empty()
    }

    /// How many more slots it can use, including its implicit slot if that is parked.
    pub(super) fn slots_wanted(&self) -> usize {
        let on_implicit_slot = usize::from(!self.parked && self.given.running().is_empty());
        self.given.leased().len().saturating_sub(on_implicit_slot).max(self.demand.unmet() as usize)
    }

    /// The most urgent item that waits for memory, of those for which `may` is true.
    pub(super) fn unleased(&self, may: impl Fn(ItemId) -> bool) -> Option<Rank> {
        let begin = self.given.waiting().iter().copied().find(|rank| may(rank.1));
        let part = self.given.parts().map(|(rank, _)| rank).find(|rank| may(rank.1));
        begin.into_iter().chain(part).min()
    }

    /// The rank of what it would run on one more token, in addition to those granted and reserved
    /// in this round.
    pub(super) fn next_on_token(&self) -> Option<Rank> {
        let before = (self.demand.given + self.demand.reserved) as usize;
        self.wanting_tokens().get(before).copied()
    }

    /// The ranks of what needs a slot in addition to the implicit one, most urgent first: items,
    /// and pieces of running items. Includes those for which tokens were granted in this round.
    fn wanting_tokens(&self) -> Vec<Rank> {
        let is_implicit_slot_unused = !self.parked && self.given.running().is_empty();
        let items = self.given.leased().iter().copied().skip(usize::from(is_implicit_slot_unused));
        let items: Vec<Rank> = items.collect();
        // Tokens in excess of its items are for pieces. It is unknown of which item; they get the
        // rank of the most urgent running one.
        let requested = (self.demand.unmet() + self.demand.given) as usize;
        let pieces = requested.saturating_sub(items.len());
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
    /// The id of the worker that `start` will add.
    pub(super) fn next(&self) -> WorkerId {
        WorkerId(self.list.len() as u32)
    }

    pub(super) fn start(&mut self, alone: bool) -> WorkerId {
        self.list.push(Worker {
            phase: Phase::Starting,
            parked: false,
            alone,
            cancelled: false,
            has_started_any: false,
            given: Given::default(),
            demand: TokenDemand::default(),
            crates: BTreeMap::new(),
        });
        self.live += 1;
        WorkerId(self.list.len() as u32 - 1)
    }

    pub(super) fn end(&mut self, ix: WorkerId) {
        assert_ne!(self[ix].phase, Phase::Ended, "worker {} ends twice", ix.0);
        self[ix].phase = Phase::Ended;
        self.live -= 1;
    }

    /// How many workers have not ended.
    pub(super) fn live(&self) -> u32 {
        self.live
    }

    /// The workers that have not ended, the oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (WorkerId, &Worker)> {
        // Ids are not reused, so ended workers stay in the list. They are few, unless thousands
        // crash.
        let live = self.list.iter().enumerate().filter(|(_, worker)| worker.phase != Phase::Ended);
        live.map(|(number, worker)| (WorkerId(number as u32), worker))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Worker> {
        self.list.iter_mut().filter(|worker| worker.phase != Phase::Ended)
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
