//! What makes an item fresh or dirty, and the reason why.

mod reason;

pub use reason::RebuildReason;
