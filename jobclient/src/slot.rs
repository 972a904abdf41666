//! The job that a process may run without asking.

/// The right to run one job that came with the process, because whoever started it holds a slot for
/// it.
///
/// A value like a token, so that it cannot be used twice, but one that is never written to the
/// pool: a launcher takes the slot back when the process ends. [`Pool::start`](crate::Pool::start)
/// hands out the only one.
#[derive(Debug)]
pub struct ImplicitSlot(());

impl ImplicitSlot {
    pub(crate) fn new() -> ImplicitSlot {
        ImplicitSlot(())
    }
}
