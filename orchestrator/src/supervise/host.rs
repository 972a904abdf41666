//! What all hosts of a pool have in common: which slots there are, what a child gets of them, and what is said of one that does
//! not keep to the rules.

use super::EngineError;
use super::error::jobserver_error;
use super::process::Jobs;
use crate::tokens::{Admission, Fifos, Parent, Pool, Settled};
use mio::Interest;
use std::os::fd::AsFd;

/// What to watch a foreign child's FIFO for: it is readable when a byte was returned, and writable when the offer was taken.
pub(super) const TAKEN_OR_RETURNED: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// Where the job slots come from.
#[derive(Debug)]
pub enum Slots {
    /// As many as this, at least 1.
    Own(u32),
    /// The one that we were started with, and what the parent lends; `hint` is how many it is said to have.
    Parent { pool: tender_jobclient::Pool, hint: u32 },
}

impl Slots {
    pub(super) fn into_pool(self, fifos: Fifos) -> Result<Pool<Fifos, Parent>, EngineError> {
        Ok(match self {
            Slots::Own(n) => Pool::own(n.max(1), fifos),
            Slots::Parent { pool, hint } => {
                Pool::under(Parent::join(pool).map_err(jobserver_error)?, hint.max(1), fifos)
            }
        })
    }
}

pub(super) fn jobs_of(admission: &Admission) -> Jobs<'_> {
    let descriptors = admission.pair().into_iter().flat_map(|pair| [pair.read.as_fd(), pair.write.as_fd()]);
    Jobs { variables: admission.environment().to_vec(), descriptors: descriptors.collect() }
}

/// `name` is how people know the child.
pub(super) fn too_many(name: &str, tokens: u32) -> String {
    let (token, they_are) = counted(tokens);
    format!("{name} returned {token} more than it took; {they_are} discarded")
}

pub(super) fn unsettled(name: &str, settled: Settled) -> Option<String> {
    let Settled { held_lost, surplus } = settled;
    if surplus > 0 {
        return Some(too_many(name, surplus));
    }
    let (token, they_are) = counted(held_lost);
    (held_lost > 0)
        .then(|| format!("{name} ended with {token} that it did not return; {they_are} back in the pool"))
}

fn counted(tokens: u32) -> (String, &'static str) {
    match tokens {
        1 => ("1 job token".to_owned(), "it is"),
        n => (format!("{n} job tokens"), "they are"),
    }
}
