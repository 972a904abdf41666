//! The implicit slot: the job that a process may run without a token.

/// The permission to run one job that a process has from its start, because its parent holds a slot
/// for it.
///
/// It is a value, so that it cannot be used twice. It is never written to the pool: the parent
/// takes the slot back when the process ends. [`Pool::start`](crate::Pool::start) returns the only
/// one.
#[derive(Debug)]
pub struct ImplicitSlot(());

impl ImplicitSlot {
    pub(crate) fn new() -> ImplicitSlot {
        ImplicitSlot(())
    }
}
