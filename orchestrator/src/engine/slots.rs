//! The job slots of a build: the pool, what each child has of it, and what is said of a child that
//! does not keep to its rules. Knows children by their ids; who gets the next slot is decided
//! elsewhere.

use crate::host::error::jobserver_error;
use crate::host::{self, EngineError, Guard};
use crate::keys::{ChildId, WorkerId};
use crate::tokens::{Admission, AdmitError, Fifo, Fifos, Kind, Parent, Pool};
use crate::tokens::{Port as _, Settled, Surplus};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub(super) struct JobSlots {
    pool: Pool<Fifos, Parent>,
    /// Children that returned more than they took, which is told once.
    over_returned: BTreeSet<ChildId>,
    /// Workers in whose port a token lay unread at the last look.
    lay_unread: BTreeSet<WorkerId>,
    /// When free slots are looked at again, whatever happens until then; microseconds.
    next_round_us: Option<u64>,
}

impl JobSlots {
    pub(super) fn new(pool: Pool<Fifos, Parent>) -> JobSlots {
        JobSlots {
            pool,
            over_returned: BTreeSet::new(),
            lay_unread: BTreeSet::new(),
            next_round_us: None,
        }
    }

    /// How many there are; under a parent, how many there are said to be.
    pub(super) fn n(&self) -> u32 {
        self.pool.hint()
    }

    /// Those that nobody was given.
    pub(super) fn free(&self) -> u32 {
        self.pool.broker.free()
    }

    pub(super) fn used(&self) -> u32 {
        self.pool.broker.used()
    }

    /// How many more the parent might lend.
    pub(super) fn max_additional(&self) -> u32 {
        self.pool.max_additional()
    }

    /// Charges a slot to a child that is about to start.
    ///
    /// # Errors
    /// Its FIFO cannot be made. Panics if no slot is free: the scheduler starts children on free
    /// slots.
    pub(super) fn admit(&mut self, id: ChildId, kind: Kind) -> Result<Admission, EngineError> {
        let hint = self.pool.hint();
        self.pool.broker.admit(id, kind, hint).map_err(|error| match error {
            AdmitError::NoFreeSlot => unreachable!("the scheduler starts children on free slots"),
            AdmitError::Port(source) => jobserver_error(source),
        })
    }

    /// Charges a slot to a child that is not told of the pool yet; [`JobSlots::remove`] frees it.
    ///
    /// Panics if no slot is free, as `admit`.
    pub(super) fn charge(&mut self, id: ChildId) {
        self.pool.broker.charge(id).expect("the scheduler starts children on free slots");
    }

    /// What tells of tokens that the child takes and returns.
    pub(super) fn port(&self, id: ChildId) -> Option<&Fifo> {
        self.pool.broker.port(id)
    }

    /// The path of the child's FIFO.
    pub(super) fn fifo(&self, id: ChildId) -> Option<&str> {
        self.port(id).map(|port| port.path())
    }

    /// Readable when tokens of the parent have arrived.
    pub(super) fn parent(&self) -> Option<BorrowedFd<'_>> {
        self.pool.lender().map(Parent::as_fd)
    }

    /// Lends a worker the starting slot again that it had parked.
    pub(super) fn lend_slot(&mut self, id: ChildId) {
        let lent = self.pool.broker.lend_slot(id);
        assert!(lent, "the scheduler lends slots that are free");
    }

    /// The child does not use its starting slot.
    pub(super) fn park(&mut self, id: ChildId) {
        self.pool.broker.park(id);
    }

    /// Tokens that are out to the child: it has read them, or they lie unread.
    pub(super) fn out(&self, id: ChildId) -> u32 {
        self.pool.broker.out(id)
    }

    /// Puts one free token into the FIFO of a worker. Returns whether there was room.
    ///
    /// # Errors
    /// The FIFO cannot be written.
    pub(super) fn put(&mut self, worker: WorkerId) -> Result<bool, EngineError> {
        self.pool.broker.put(ChildId::Worker(worker)).map_err(jobserver_error)
    }

    /// The worker was heard of.
    pub(super) fn heard(&mut self, worker: WorkerId) {
        self.lay_unread.remove(&worker);
    }

    /// Of these workers those in whose FIFO a token has lain unread since the last call. A token that
    /// nobody takes is worth nothing.
    pub(super) fn ignored_since_last(
        &mut self,
        workers: impl Iterator<Item = WorkerId>,
    ) -> Vec<WorkerId> {
        let broker = &self.pool.broker;
        // A FIFO that cannot be read is reported where tokens are collected.
        let is_unread = |worker: &WorkerId| {
            broker.unread(ChildId::Worker(*worker)).is_ok_and(|unread| unread > 0)
        };
        let unread: BTreeSet<WorkerId> = workers.filter(is_unread).collect();
        let before = std::mem::replace(&mut self.lay_unread, unread);
        self.lay_unread.intersection(&before).copied().collect()
    }

    /// The command of a higher priority is offered more, and earlier.
    pub(super) fn set_priority(&mut self, id: ChildId, priority: u64) {
        self.pool.broker.set_priority(id, priority);
    }

    /// Whether the child has tokens that it has not returned.
    pub(super) fn holds(&self, id: ChildId) -> bool {
        self.pool.broker.held(id).is_ok_and(|held| held > 0)
    }

    /// No more than this is offered to external children.
    pub(super) fn limit_offers(&mut self, most: u32) {
        self.pool.broker.limit_offers(most);
    }

    /// Offers what is free, but for `reserve`, to an external child that is about to start.
    ///
    /// # Errors
    /// A FIFO cannot be written.
    pub(super) fn offer_ahead(&mut self, reserve: u32, now_us: u64) -> Result<(), EngineError> {
        self.pool.offer_ahead(reserve, 0, now_us).map_err(jobserver_error)
    }

    /// The child is gone, or was not started after all: what it had is free.
    pub(super) fn remove(&mut self, id: ChildId) -> Settled {
        self.over_returned.remove(&id);
        self.pool.broker.remove(id)
    }

    /// The child is gone, with nothing of it left. Returns what is said if its account is not even
    /// and it had no reason for that. `name` is how people know it.
    pub(super) fn settle_child(
        &mut self,
        id: ChildId,
        name: &str,
        in_order: bool,
    ) -> Option<String> {
        let is_told = self.over_returned.contains(&id);
        let settled = self.remove(id);
        let is_news = in_order && !(is_told && settled.surplus > 0);
        if is_news { host::unsettled(name, settled) } else { None }
    }

    /// The child is gone, and what it has left running keeps what it had, under the id `to`.
    /// `parks` tells that nothing of it runs as a job.
    pub(super) fn retire(&mut self, id: ChildId, to: ChildId, parks: bool) {
        self.pool.broker.retire(id, to);
        if self.over_returned.remove(&id) {
            self.over_returned.insert(to);
        }
        if parks {
            self.park(to);
        }
    }

    /// Takes back what was returned, and what lies unread in the FIFOs of workers beyond what `granted`
    /// says that they are to have. Returns the children that have returned more than they took, each
    /// once, and how much more.
    ///
    /// # Errors
    /// A FIFO cannot be read.
    pub(super) fn collect(
        &mut self,
        granted: impl Fn(WorkerId) -> u32,
    ) -> Result<Vec<(ChildId, u32)>, EngineError> {
        let of_child = |child: ChildId| match child {
            ChildId::Worker(worker) => granted(worker),
            ChildId::Command(_) | ChildId::Survivors(_) => 0,
        };
        let surplus = self.pool.broker.collect(of_child).map_err(jobserver_error)?;
        let told = &mut self.over_returned;
        // One that fills its FIFO is told of once, however often it is emptied.
        let is_new = |Surplus { child, tokens }| told.insert(child).then_some((child, tokens));
        Ok(surplus.into_iter().filter_map(is_new).collect())
    }

    /// Before slots are given out: takes what has arrived from the parent, and draws back what is
    /// wanted. Returns why the parent is gone, if it is.
    ///
    /// # Errors
    /// A FIFO cannot be read.
    pub(super) fn begin_round(
        &mut self,
        wanted: u32,
        now_us: u64,
    ) -> Result<Option<io::Error>, EngineError> {
        self.pool.begin_round(wanted, now_us).map_err(jobserver_error)
    }

    /// After slots were given out: offers what nobody wants, and asks the parent for what is wanted.
    ///
    /// # Errors
    /// A FIFO cannot be read or written.
    pub(super) fn end_round(&mut self, wanted: u32, now_us: u64) -> Result<(), EngineError> {
        self.next_round_us = self.pool.end_round(wanted, now_us).map_err(jobserver_error)?;
        Ok(())
    }

    /// Slots are given out again at `at_us` at the latest.
    pub(super) fn round_at(&mut self, at_us: u64) {
        self.next_round_us = Some(self.next_round_us.map_or(at_us, |next_us| next_us.min(at_us)));
    }

    /// How long until slots are given out again, whatever happens. None: until something happens.
    pub(super) fn until_round(&self, now_us: u64) -> Option<Duration> {
        self.next_round_us.map(|at_us| Duration::from_micros(at_us.saturating_sub(now_us)))
    }

    /// Gives back all that is borrowed. Returns what is to be said if that cannot be done.
    pub(super) fn end(&mut self, guard: &Guard) -> Option<String> {
        host::end(&mut self.pool, guard)
    }
}
