//! Where a host's job slots come from, how a child joins them, and the messages about children that
//! violate the rules. Decides no grants.

use super::error::{EngineError, jobserver_error, system};
use super::watchdog::Watchdog;
use crate::sys::process::{GroupEntry, Jobs};
use crate::tokens::{Admission, Escrow, Fifos, Parent, Pool, Returner, Settled, never_blocking};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use tender_jobclient::Ends;

/// Where the job slots come from.
#[derive(Debug)]
pub enum Slots {
    /// A pool of our own with this many slots, at least 1.
    Own(u32),
    /// Our implicit slot, and tokens borrowed from the parent's `pool`; `hint` is the number of
    /// jobs that its MAKEFLAGS announces.
    Parent { pool: tender_jobclient::Pool, hint: u32 },
}

impl Slots {
    /// Opens the pool. Under a parent the watchdog is started first: before a token is borrowed,
    /// and before the job client's thread is started, so that this process has no threads when it
    /// forks.
    ///
    /// # Errors
    /// The parent's pool cannot be opened, or the watchdog cannot be started.
    pub(crate) fn into_pool(
        self,
        fifos: Fifos,
    ) -> Result<(Pool<Fifos, Parent>, Guard), EngineError> {
        match self {
            Slots::Own(n) => Ok((Pool::own(n.max(1), fifos), Guard::default())),
            Slots::Parent { pool, hint } => {
                let hint = hint.max(1);
                let ends = pool.open_ends().map_err(jobserver_error)?;
                let Some((ends, escrow)) = ends.zip(Escrow::new(hint - 1).ok()) else {
                    let guard = Guard(Some(start(None)?));
                    let parent = Parent::with_waiter(pool).map_err(jobserver_error)?;
                    return Ok((Pool::under(parent, hint, fifos), guard));
                };
                let ends = Ends { write: never_blocking(ends.write), ..ends };
                let readers: Vec<_> = escrow.readers().collect();
                let watchdog = start(Some((ends.write.as_fd(), &readers)))?;
                let returner = Box::new(Rc::clone(&watchdog));
                let parent =
                    Parent::with_escrow(pool, ends, escrow, returner).map_err(jobserver_error)?;
                Ok((Pool::under(parent, hint, fifos), Guard(Some(watchdog))))
            }
        }
    }
}

/// The watchdog of a parent's pool, with the read ends of the escrow pipes.
fn start(pool: Option<(BorrowedFd<'_>, &[BorrowedFd<'_>])>) -> Result<Rc<Watchdog>, EngineError> {
    Ok(Rc::new(Watchdog::start(pool).map_err(system("start a process"))?))
}

/// The watchdog, if it was started. Without a parent it is started with the first child, so that a
/// build with nothing to do has none.
#[derive(Default)]
pub(crate) struct Guard(Option<Rc<Watchdog>>);

impl Guard {
    /// The watchdog's entry for the group of a child that is about to start: if we are killed, it
    /// kills the group. `None` if it has no free entry.
    ///
    /// # Errors
    /// The watchdog, which the first call starts, cannot be started.
    pub(crate) fn entry(&mut self) -> Result<Option<GroupEntry>, EngineError> {
        let watchdog = match &self.0 {
            Some(watchdog) => watchdog,
            None => self.0.insert(start(None)?),
        };
        Ok(watchdog.entry())
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.0.as_ref().map(|watchdog| watchdog.pid())
    }
}

/// Returns all borrowed tokens, and ends the watchdog. Returns a warning if some tokens could not
/// be returned.
pub(crate) fn end(pool: &mut Pool<Fifos, Parent>, guard: &Guard) -> Option<String> {
    pool.return_all();
    if let Some(watchdog) = &guard.0 {
        watchdog.end();
    }
    let left = pool.lender().map_or(0, Parent::unreturned);
    let (token, _) = counted(left);
    (left > 0).then(|| {
        format!("{token} could not be returned to the parent's jobserver, whose pipe is full")
    })
}

impl Returner for Rc<Watchdog> {
    fn give_back(&self, tokens: u32) -> io::Result<()> {
        Watchdog::give_back(self, tokens)
    }
}

pub(crate) fn jobs_of(admission: &Admission) -> Jobs<'_> {
    let descriptors =
        admission.pair().into_iter().flat_map(|pair| [pair.read.as_fd(), pair.write.as_fd()]);
    Jobs { variables: admission.environment().to_vec(), descriptors: descriptors.collect() }
}

pub(crate) fn parent_is_gone(why: &io::Error) -> String {
    format!(
        "the parent's jobserver is gone ({why}); tender continues with the job slots that it has"
    )
}

/// The warning about surplus tokens. `name` is the child's name in messages.
pub(crate) fn too_many(name: &str, tokens: u32) -> String {
    let (token, they_are) = counted(tokens);
    format!("{name} returned {token} more than it took; {they_are} discarded")
}

pub(crate) fn unsettled(name: &str, settled: Settled) -> Option<String> {
    let Settled { held_lost, surplus } = settled;
    if surplus > 0 {
        return Some(too_many(name, surplus));
    }
    let (token, they_are) = counted(held_lost);
    (held_lost > 0)
        .then(|| format!("{name} ended and did not return {token}; {they_are} back in the pool"))
}

fn counted(tokens: u32) -> (String, &'static str) {
    match tokens {
        1 => ("1 job token".to_owned(), "it is"),
        n => (format!("{n} job tokens"), "they are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchdog_is_forked_before_there_is_a_thread() {
        let directory = tempfile::tempdir().unwrap();
        let fifos = Fifos::new([directory.path().to_owned()]);
        // Its tokens come from the job client's thread, because it has no open ends that we could
        // borrow through.
        let pool = tender_jobclient::Pool::private(3).unwrap();
        assert!(pool.open_ends().unwrap().is_none());
        let (mut pool, guard) = Slots::Parent { pool, hint: 3 }.into_pool(fifos).unwrap();
        assert!(guard.pid().is_some());
        assert_eq!(end(&mut pool, &guard), None);
    }
}
