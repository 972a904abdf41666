//! The ids of items, workers and children, for all parts of the orchestrator. Knows none of them.

/// The index of an item in `Graph::items`. It is also the item's id in messages to workers.
pub use tender_protocol::ItemId;

/// A worker process of this build: numbers from 0, which are not reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u32);

/// A child of this process, with its descendants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildId {
    Worker(WorkerId),
    /// The external command of an item; one at a time.
    Command(ItemId),
    /// The survivors of a child: numbers from 0, which are not reused.
    Survivors(u32),
}
