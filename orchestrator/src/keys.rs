//! What names items, workers and children, in all parts of the orchestrator. Knows none of them.

/// Index of an item in `Graph::items`. It names the item in messages to workers too.
pub use tender_protocol::ItemId;

/// A worker process of this build: numbers from 0, none used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u32);

/// A child of this process, with all that it has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildId {
    Worker(WorkerId),
    /// The external command of an item; one at a time.
    Command(ItemId),
    /// The survivors of a child: numbers from 0, none used twice.
    Survivors(u32),
}
