//! What each worker was given and is doing. Knows no policy.
//!
//! A worker is charged its starting slot unless it parked it. Whatever else it runs on are tokens
//! that it took from the broker; how many those are is not known here, and need not be.

use super::action::WorkerIx;
use super::items::Rank;
use crate::graph::ItemIx;
use crate::manifest::CrateId;
use std::collections::{BTreeMap, BTreeSet};

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
    /// The starting slot is free.
    pub(super) parked: bool,
    /// Runs one suspect item and no other, then closes.
    pub(super) alone: bool,
    /// Starts nothing more of what it was given.
    pub(super) cancelled: bool,
    /// Has started at least one item.
    pub(super) was_of_use: bool,
    /// All that it was given and is not done with.
    pub(super) given: BTreeSet<ItemIx>,
    pub(super) running: BTreeMap<ItemIx, Rank>,
    /// Tokens that it says it could use and does not have.
    pub(super) unmet: u32,
    /// Given, not running, and nothing it comes after is left to do.
    pub(super) startable: BTreeSet<Rank>,
    /// Those of them that hold a lease. Only they can use a slot.
    pub(super) leased: BTreeSet<Rank>,
    /// All leases that an item was granted, in this order, bytes.
    pub(super) granted: BTreeMap<ItemIx, Vec<u64>>,
    /// Items that it asked to begin: it has a slot for them, whatever else it was leased.
    pub(super) asked_to_begin: BTreeSet<Rank>,
    /// Items that run, and for which the worker asked for leases: bytes, one for each part.
    pub(super) asked: BTreeMap<Rank, Vec<u64>>,
    /// Given, not running, and more than the blink of an archive.
    pub(super) heavy_unstarted: usize,
    /// How many unfinished items of which crate.
    pub(super) crates: BTreeMap<CrateId, usize>,
}

impl Worker {
    /// Can be given something.
    pub(super) fn is_open(&self) -> bool {
        !self.alone && matches!(self.phase, Phase::Starting | Phase::Up)
    }

    /// What it was given and has not started.
    pub(super) fn unstarted(&self) -> impl Iterator<Item = ItemIx> + '_ {
        self.given.iter().copied().filter(|item| !self.running.contains_key(item))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.given.is_empty()
    }

    /// How many more slots it could use, its starting slot among them if that is parked.
    pub(super) fn slots_wanted(&self) -> usize {
        if self.parked {
            return self.leased.len();
        }
        let on_starting_slot = usize::from(self.running.is_empty());
        self.leased.len().saturating_sub(on_starting_slot).max(self.unmet as usize)
    }

    /// The most urgent one that waits for memory, of those that `may` ask.
    pub(super) fn unleased(&self, may: impl Fn(ItemIx) -> bool) -> Option<Rank> {
        let begin = self.startable.iter().find(|rank| !self.leased.contains(rank) && may(rank.1));
        let piece = self.asked.keys().find(|rank| may(rank.1));
        begin.into_iter().chain(piece).min().copied()
    }

    /// The ranks of what wants a slot beyond the starting one, most urgent first: items, and pieces
    /// of items that run.
    pub(super) fn wanting_tokens(&self) -> Vec<Rank> {
        let starting_slot_is_unused = !self.parked && self.running.is_empty();
        let items = self.leased.iter().copied().skip(usize::from(starting_slot_is_unused));
        let items: Vec<Rank> = items.collect();
        // What the worker lacks beyond its items is for pieces. Of which item is not known; that of
        // the most urgent one.
        let pieces = (self.unmet as usize).saturating_sub(items.len());
        let mut wanting = Vec::new();
        if let Some(rank) = self.running.values().min() {
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
    pub(super) fn next(&self) -> WorkerIx {
        WorkerIx(self.list.len() as u32)
    }

    pub(super) fn start(&mut self, alone: bool) -> WorkerIx {
        self.list.push(Worker {
            phase: Phase::Starting,
            parked: false,
            alone,
            cancelled: false,
            was_of_use: false,
            given: BTreeSet::new(),
            running: BTreeMap::new(),
            unmet: 0,
            startable: BTreeSet::new(),
            leased: BTreeSet::new(),
            granted: BTreeMap::new(),
            asked_to_begin: BTreeSet::new(),
            asked: BTreeMap::new(),
            heavy_unstarted: 0,
            crates: BTreeMap::new(),
        });
        self.live += 1;
        WorkerIx(self.list.len() as u32 - 1)
    }

    pub(super) fn gone(&mut self, ix: WorkerIx) {
        assert_ne!(self[ix].phase, Phase::Gone, "worker {} dies twice", ix.0);
        self[ix].phase = Phase::Gone;
        self.live -= 1;
    }

    /// Processes that are not gone.
    pub(super) fn live(&self) -> u32 {
        self.live
    }

    /// In order of age.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (WorkerIx, &Worker)> {
        // Numbers are never used twice, so the dead pile up; a build that loses thousands of
        // workers has other worries.
        let live = self.list.iter().enumerate().filter(|(_, worker)| worker.phase != Phase::Gone);
        live.map(|(number, worker)| (WorkerIx(number as u32), worker))
    }

    pub(super) fn find(&self, wanted: impl Fn(&Worker) -> bool) -> Option<WorkerIx> {
        self.iter().find(|(_, worker)| wanted(worker)).map(|(ix, _)| ix)
    }
}

impl std::ops::Index<WorkerIx> for Workers {
    type Output = Worker;

    fn index(&self, ix: WorkerIx) -> &Worker {
        &self.list[ix.0 as usize]
    }
}

impl std::ops::IndexMut<WorkerIx> for Workers {
    fn index_mut(&mut self, ix: WorkerIx) -> &mut Worker {
        &mut self.list[ix.0 as usize]
    }
}
