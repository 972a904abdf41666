//! A fake worker that follows the protocol: it starts items on its slots, asks for tokens for the
//! others, and parks when idle. Knows no scheduler.

use super::super::*;
use crate::keys::{ItemId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct FakeWorker {
    pub(super) has_responded: bool,
    pub(super) parked: bool,
    /// Tokens that it has read and not returned.
    pub(super) tokens: usize,
    /// Items that it has not started, with the prerequisites that they wait for.
    pub(super) given: Vec<(ItemId, Vec<ItemId>)>,
    pub(super) leased: BTreeSet<ItemId>,
    /// An entry for each running part.
    pub(super) running: Vec<ItemId>,
    pub(super) in_pieces: BTreeMap<ItemId, FakePieces>,
    pub(super) sent_want: usize,
    pub(super) closing: bool,
    pub(super) cancelled: bool,
}

/// An item that has begun and was cut into pieces.
pub(super) struct FakePieces {
    pub(super) need: Need,
    pub(super) waiting: usize,
    pub(super) granted: usize,
    pub(super) running: usize,
    pub(super) grants: u32,
}

impl FakePieces {
    /// The event after the end of a part.
    pub(super) fn resized(&self, worker: WorkerId, item: ItemId) -> SchedulerEvent {
        let parts = self.granted + self.running;
        let bytes = self.need.begin / 4 + self.need.piece * parts as u64;
        SchedulerEvent::LeaseResized {
            worker,
            item,
            bytes,
            grants: self.grants,
            parts: parts as u32,
        }
    }
}

/// What a fake worker may start.
pub(super) enum Startable {
    /// A position in `given`.
    Item(usize),
    Piece(ItemId),
}

impl FakeWorker {
    pub(super) fn slots(&self) -> usize {
        usize::from(!self.parked) + self.tokens
    }

    pub(super) fn startable(&self) -> Option<Startable> {
        let piece = self.in_pieces.iter().find(|(_, pieces)| pieces.granted > 0);
        let begins = || {
            self.given
                .iter()
                .position(|(item, after)| after.is_empty() && self.leased.contains(item))
        };
        piece.map(|(item, _)| Startable::Piece(*item)).or_else(|| begins().map(Startable::Item))
    }

    /// Items that have begun and not ended.
    pub(super) fn in_flight(&self) -> BTreeSet<ItemId> {
        self.running.iter().chain(self.in_pieces.keys()).copied().collect()
    }

    pub(super) fn waits_for_memory(&self) -> bool {
        self.given.iter().any(|(item, after)| after.is_empty() && !self.leased.contains(item))
            || self.in_pieces.values().any(|pieces| pieces.waiting > 0)
    }

    pub(super) fn wants(&self) -> usize {
        let is_startable =
            |(item, after): &&(ItemId, Vec<ItemId>)| after.is_empty() && self.leased.contains(item);
        let pieces: usize = self.in_pieces.values().map(|pieces| pieces.granted).sum();
        let startable = self.given.iter().filter(is_startable).count() + pieces;
        (self.running.len() + startable).saturating_sub(usize::from(!self.parked))
    }
}
