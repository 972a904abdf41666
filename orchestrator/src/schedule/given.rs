//! The items that one worker was given, and the state of each. Knows no policy, and no worker.

use super::items::Rank;
use crate::keys::ItemId;
use std::collections::{BTreeMap, BTreeSet};
use tender_units::Bytes;

/// The state of an item that a worker was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LeaseState {
    /// A prerequisite in the same plan is not up to date yet.
    Blocked,
    /// It can begin, and waits for memory.
    Waiting,
    /// As `Waiting`, and the worker has requested the lease: it has a slot for the item.
    Asked,
    /// It has a lease, and has not begun. Only such items can use a slot.
    Leased,
    /// It has begun. `parts` are those that wait for memory, bytes each.
    Running { parts: Vec<Bytes> },
}

#[derive(Debug)]
struct GivenItem {
    rank: Rank,
    state: LeaseState,
    /// All its leases, in the order in which they were granted, bytes.
    granted: Vec<Bytes>,
    /// It is no archive. Archives take almost no time.
    is_heavy: bool,
}

/// The items that a worker was given and has not finished. The sets follow from the states.
#[derive(Debug, Default)]
pub(super) struct Given {
    entries: BTreeMap<ItemId, GivenItem>,
    /// `Waiting` and `Asked`.
    waiting: BTreeSet<Rank>,
    asked: BTreeSet<Rank>,
    leased: BTreeSet<Rank>,
    running: BTreeSet<Rank>,
    /// `Running`, with parts that wait for memory.
    with_parts: BTreeSet<Rank>,
    heavy_unstarted: usize,
}

impl Given {
    pub(super) fn add(&mut self, rank: Rank, is_heavy: bool, is_unblocked: bool) {
        let (state, granted) = (LeaseState::Blocked, Vec::new());
        self.entries.insert(rank.1, GivenItem { rank, state, granted, is_heavy });
        self.heavy_unstarted += usize::from(is_heavy);
        if is_unblocked {
            self.set(rank.1, LeaseState::Waiting);
        }
    }

    /// Removes an item from the worker.
    pub(super) fn remove(&mut self, item: ItemId) {
        self.set(item, LeaseState::Blocked);
        if let Some(entry) = self.entries.remove(&item) {
            self.heavy_unstarted -= usize::from(entry.is_heavy);
        }
    }

    /// All prerequisites of the item are up to date.
    pub(super) fn unblock(&mut self, item: ItemId) {
        if self.state(item) == Some(&LeaseState::Blocked) {
            self.set(item, LeaseState::Waiting);
        }
    }

    /// The worker requests memory for the item to begin. Does nothing if it does not wait for that.
    pub(super) fn ask_to_begin(&mut self, item: ItemId) {
        if self.state(item) == Some(&LeaseState::Waiting) {
            self.set(item, LeaseState::Asked);
        }
    }

    /// The worker requests memory, bytes, for one more part of a running item.
    pub(super) fn ask_for_part(&mut self, item: ItemId, bytes: Bytes) {
        if let Some(LeaseState::Running { parts }) = self.state(item) {
            let parts = parts.iter().copied().chain([bytes]).collect();
            self.set(item, LeaseState::Running { parts });
        }
    }

    /// The worker starts no more parts.
    pub(super) fn drop_parts(&mut self) {
        for rank in std::mem::take(&mut self.with_parts) {
            self.set(rank.1, LeaseState::Running { parts: Vec::new() });
        }
    }

    /// A lease was granted, bytes: for a part of the item that waits, or for the item to begin.
    pub(super) fn grant(&mut self, item: ItemId, bytes: Bytes) {
        let Some(entry) = self.entries.get_mut(&item) else { return };
        entry.granted.push(bytes);
        let next = match &entry.state {
            LeaseState::Running { parts } => {
                LeaseState::Running { parts: parts[..parts.len().saturating_sub(1)].to_vec() }
            }
            _ => LeaseState::Leased,
        };
        self.set(item, next);
    }

    /// The item begins. Returns whether it held a lease.
    pub(super) fn start(&mut self, item: ItemId) -> bool {
        let had_lease = self.state(item) == Some(&LeaseState::Leased);
        self.set(item, LeaseState::Running { parts: Vec::new() });
        had_lease
    }

    /// Changes the state of an item. No other function does.
    fn set(&mut self, item: ItemId, to: LeaseState) {
        let Some(entry) = self.entries.get_mut(&item) else { return };
        let rank = entry.rank;
        match std::mem::replace(&mut entry.state, to) {
            LeaseState::Blocked => {}
            LeaseState::Waiting => drop(self.waiting.remove(&rank)),
            LeaseState::Asked => {
                self.waiting.remove(&rank);
                self.asked.remove(&rank);
            }
            LeaseState::Leased => drop(self.leased.remove(&rank)),
            LeaseState::Running { .. } => {
                self.running.remove(&rank);
                self.with_parts.remove(&rank);
                self.heavy_unstarted += usize::from(entry.is_heavy);
            }
        }
        match &entry.state {
            LeaseState::Blocked => {}
            LeaseState::Waiting => drop(self.waiting.insert(rank)),
            LeaseState::Asked => {
                self.waiting.insert(rank);
                self.asked.insert(rank);
            }
            LeaseState::Leased => drop(self.leased.insert(rank)),
            LeaseState::Running { parts } => {
                self.running.insert(rank);
                self.heavy_unstarted -= usize::from(entry.is_heavy);
                if !parts.is_empty() {
                    self.with_parts.insert(rank);
                }
            }
        }
    }

    fn state(&self, item: ItemId) -> Option<&LeaseState> {
        self.entries.get(&item).map(|entry| &entry.state)
    }

    pub(super) fn contains(&self, item: ItemId) -> bool {
        self.entries.contains_key(&item)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// In order of the graph.
    pub(super) fn items(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.entries.keys().copied()
    }

    /// Those that have begun, in order of the graph.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.with_state(|state| matches!(state, LeaseState::Running { .. }))
    }

    /// Those that have not begun, in order of the graph.
    pub(super) fn unstarted(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.with_state(|state| !matches!(state, LeaseState::Running { .. }))
    }

    fn with_state(&self, is: fn(&LeaseState) -> bool) -> impl Iterator<Item = ItemId> + '_ {
        self.entries.iter().filter(move |(_, entry)| is(&entry.state)).map(|(item, _)| *item)
    }

    /// Those that have begun, most urgent first.
    pub(super) fn running(&self) -> &BTreeSet<Rank> {
        &self.running
    }

    /// Those that can begin and wait for memory, most urgent first.
    pub(super) fn waiting(&self) -> &BTreeSet<Rank> {
        &self.waiting
    }

    /// Those of the waiting ones whose lease the worker has requested.
    pub(super) fn asked(&self) -> &BTreeSet<Rank> {
        &self.asked
    }

    /// Those that have a lease and have not begun, most urgent first.
    pub(super) fn leased(&self) -> &BTreeSet<Rank> {
        &self.leased
    }

    /// Those that have begun, with the parts that wait for memory, bytes; most urgent first.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Rank, &[Bytes])> {
        self.with_parts.iter().map(|rank| (*rank, self.parts_of(rank.1)))
    }

    /// The parts of the item that wait for memory, bytes.
    pub(super) fn parts_of(&self, item: ItemId) -> &[Bytes] {
        match self.state(item) {
            Some(LeaseState::Running { parts }) => parts,
            _ => &[],
        }
    }

    /// All leases of the item, in the order in which they were granted, bytes.
    pub(super) fn granted(&self, item: ItemId) -> &[Bytes] {
        self.entries.get(&item).map_or(&[], |entry| &entry.granted)
    }

    /// How many have not begun and are no archives.
    pub(super) fn heavy_unstarted(&self) -> usize {
        self.heavy_unstarted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Reverse;
    use tender_units::Micros;

    fn rank(item: u32) -> Rank {
        (Reverse(Micros(100 - u64::from(item))), ItemId(item))
    }

    #[test]
    fn given_item_changes_from_blocked_to_running() {
        let (mut given, item) = (Given::default(), ItemId(3));
        given.add(rank(3), true, false);
        given.ask_to_begin(item);
        assert!(given.waiting().is_empty(), "a prerequisite is not up to date");
        given.unblock(item);
        given.ask_to_begin(item);
        assert_eq!((given.waiting().len(), given.asked().len()), (1, 1));
        given.grant(item, Bytes(7));
        assert_eq!((given.waiting().len(), given.asked().len(), given.leased().len()), (0, 0, 1));
        assert!(given.start(item));
        assert_eq!((given.leased().len(), given.running().len()), (0, 1));
        assert_eq!(given.heavy_unstarted(), 0);
        given.ask_for_part(item, Bytes(5));
        given.ask_for_part(item, Bytes(6));
        assert_eq!(given.parts().collect::<Vec<_>>(), [(rank(3), &[Bytes(5), Bytes(6)][..])]);
        given.grant(item, Bytes(6));
        given.grant(item, Bytes(5));
        assert_eq!(given.parts().count(), 0);
        assert_eq!(given.granted(item), [Bytes(7), Bytes(6), Bytes(5)]);
        given.remove(item);
        assert!(given.is_empty() && given.running().is_empty());
        assert_eq!(given.heavy_unstarted(), 0);
    }

    #[test]
    fn given_item_that_begins_without_a_lease_is_reported() {
        let mut given = Given::default();
        given.add(rank(1), false, true);
        assert!(!given.start(ItemId(1)));
        assert!(given.waiting().is_empty());
        assert_eq!(given.in_flight().collect::<Vec<_>>(), [ItemId(1)]);
        assert_eq!(given.unstarted().count(), 0);
    }
}
