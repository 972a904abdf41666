//! What all hosts of a pool have in common: which slots there are, what a child gets of them, and
//! what is said of one that does not keep to the rules.

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
    /// As many as this, at least 1.
    Own(u32),
    /// The one that we were started with, and what the parent lends; `hint` is how many it is said
    /// to have.
    Parent { pool: tender_jobclient::Pool, hint: u32 },
}

impl Slots {
    /// Under a parent the watchdog comes first: before anything is borrowed, and before the thread
    /// of the job client is started, so that what forks has no threads.
    ///
    /// # Errors
    /// The parent's pool cannot be opened anew, or the watchdog cannot be started.
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

/// With the pool of a parent and the ends of the escrow pipes, where there are such.
fn start(pool: Option<(BorrowedFd<'_>, &[BorrowedFd<'_>])>) -> Result<Rc<Watchdog>, EngineError> {
    Ok(Rc::new(Watchdog::start(pool).map_err(system("start a process"))?))
}

/// The watchdog, if there is one yet: without a parent it is started with the first child, so that
/// a build with nothing to do has none.
#[derive(Default)]
pub(crate) struct Guard(Option<Rc<Watchdog>>);

impl Guard {
    /// A place for the group of a child that is about to start: if we are killed, so is the group.
    /// None if there are too many.
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

/// Gives back all that is borrowed, and lets the watchdog end. Returns what is to be said if that
/// cannot be done.
pub(crate) fn end(pool: &mut Pool<Fifos, Parent>, guard: &Guard) -> Option<String> {
    pool.return_all();
    if let Some(watchdog) = &guard.0 {
        watchdog.end();
    }
    let left = pool.lender().map_or(0, Parent::unreturned);
    let (token, _) = counted(left);
    (left > 0).then(|| {
        format!("{token} could not be given back to the parent's jobserver, which has no room")
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
    format!("the jobserver of the parent is gone ({why}); going on with the slots at hand")
}

/// `name` is how people know the child.
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
    (held_lost > 0).then(|| {
        format!("{name} ended with {token} that it did not return; {they_are} back in the pool")
    })
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
        let fifos = Fifos::new([directory.path().to_owned()]).unwrap();
        // Its tokens come from the job client's thread: it has no ends that we could borrow from.
        let pool = tender_jobclient::Pool::private(3).unwrap();
        assert!(pool.open_ends().unwrap().is_none());
        let (mut pool, guard) = Slots::Parent { pool, hint: 3 }.into_pool(fifos).unwrap();
        assert!(guard.pid().is_some());
        assert_eq!(end(&mut pool, &guard), None);
    }
}
