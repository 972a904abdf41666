//! The job slots of a build: the pool, what each child has of it, and the texts about children that
//! violate its rules. Knows children by their ids. The scheduler decides which child gets a slot.

use crate::host::error::jobserver_error;
use crate::host::{self, EngineError, Guard};
use crate::keys::{ChildId, WorkerId};
use crate::tokens::{Admission, AdmitError, ChildKind, Fifo, Fifos, Parent, Pool};
use crate::tokens::{Port as _, Settled, Surplus};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use tender_units::Micros;

pub(super) struct JobSlots {
    pool: Pool<Fifos, Parent>,
    /// Children that returned more tokens than they took; each is reported once.
    with_surplus: BTreeSet<ChildId>,
    /// Workers that had an unread token at the last check.
    had_unread: BTreeSet<WorkerId>,
    /// When slots are granted again at the latest, microseconds.
    next_round_us: Option<Micros>,
}

impl JobSlots {
    pub(super) fn new(pool: Pool<Fifos, Parent>) -> JobSlots {
        JobSlots {
            pool,
            with_surplus: BTreeSet::new(),
            had_unread: BTreeSet::new(),
            next_round_us: None,
        }
    }

    /// How many slots there are; under a parent, how many its MAKEFLAGS announce.
    pub(super) fn n(&self) -> u32 {
        self.pool.hint()
    }

    /// Slots that no child has.
    pub(super) fn free(&self) -> u32 {
        self.pool.broker.free()
    }

    pub(super) fn used(&self) -> u32 {
        self.pool.broker.used()
    }

    /// How many more slots could be in use at most.
    pub(super) fn max_additional(&self) -> u32 {
        self.pool.max_additional()
    }

    /// Charges a slot to a child that is about to start.
    ///
    /// # Errors
    /// Its FIFO cannot be made. Panics if no slot is free: the scheduler starts children on free
    /// slots.
    pub(super) fn admit(&mut self, id: ChildId, kind: ChildKind) -> Result<Admission, EngineError> {
        let hint = self.pool.hint();
        self.pool.broker.admit(id, kind, hint).map_err(|error| match error {
            AdmitError::NoFreeSlot => unreachable!("the scheduler starts children on free slots"),
            AdmitError::Port(source) => jobserver_error(source),
        })
    }

    /// Charges a slot to a worker of an earlier build, with the port that it has.
    ///
    /// Panics if no slot is free, as `admit`.
    pub(super) fn readmit(&mut self, id: ChildId, port: Fifo) {
        self.pool.broker.readmit(id, port).expect("the scheduler starts children on free slots");
    }

    /// Ends the account of a worker that stays for the next build. `None`: it has something of this
    /// pool, or has not kept its rules.
    pub(super) fn release(&mut self, worker: WorkerId) -> Option<Fifo> {
        let id = ChildId::Worker(worker);
        if self.with_surplus.contains(&id) {
            return None;
        }
        let port = self.pool.broker.release(id)?;
        self.had_unread.remove(&worker);
        Some(port)
    }

    /// Charges a slot to a child that has no port yet. [`JobSlots::remove`] frees it.
    ///
    /// Panics if no slot is free, as `admit`.
    pub(super) fn charge(&mut self, id: ChildId) {
        self.pool.broker.charge(id).expect("the scheduler starts children on free slots");
    }

    /// The child's port.
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

    /// Lends a worker its parked implicit slot again.
    pub(super) fn lend_slot(&mut self, id: ChildId) {
        let lent = self.pool.broker.lend_slot(id);
        assert!(lent, "the scheduler lends slots that are free");
    }

    /// The child does not use its implicit slot.
    pub(super) fn park(&mut self, id: ChildId) {
        self.pool.broker.park(id);
    }

    /// Tokens that are out to the child: read or unread.
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

    /// The worker has sent a message.
    pub(super) fn worker_responded(&mut self, worker: WorkerId) {
        self.had_unread.remove(&worker);
    }

    /// Of these workers, those that had an unread token at the last call and have one now.
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
        let before = std::mem::replace(&mut self.had_unread, unread);
        self.had_unread.intersection(&before).copied().collect()
    }

    /// Commands of a higher priority are offered more tokens, and earlier.
    pub(super) fn set_priority(&mut self, id: ChildId, priority: u64) {
        self.pool.broker.set_priority(id, priority);
    }

    /// Whether the child has tokens that it has not returned.
    pub(super) fn holds(&self, id: ChildId) -> bool {
        self.pool.broker.held(id).is_ok_and(|held| held > 0)
    }

    /// Limits the tokens that are offered to external commands.
    pub(super) fn limit_offers(&mut self, most: u32) {
        self.pool.broker.limit_offers(most);
    }

    /// Offers free slots, except `reserve`, to an external command that is about to start.
    ///
    /// # Errors
    /// A FIFO cannot be written.
    pub(super) fn offer_ahead(&mut self, reserve: u32, now_us: Micros) -> Result<(), EngineError> {
        self.pool.offer_ahead(reserve, Micros::ZERO, now_us).map_err(jobserver_error)
    }

    /// The child has ended, or was not started: its slots are free.
    pub(super) fn remove(&mut self, id: ChildId) -> Settled {
        self.with_surplus.remove(&id);
        self.pool.broker.remove(id)
    }

    /// The child has ended without survivors. Returns the warning if it did not return its tokens
    /// although it ended by itself. `name` is its name in messages.
    pub(super) fn settle_child(
        &mut self,
        id: ChildId,
        name: &str,
        ended_by_itself: bool,
    ) -> Option<String> {
        let is_reported = self.with_surplus.contains(&id);
        let settled = self.remove(id);
        let is_new = ended_by_itself && !(is_reported && settled.surplus > 0);
        if is_new { host::unsettled(name, settled) } else { None }
    }

    /// The child has ended, and its survivors keep its tokens, under the id `to`. With `parks` its
    /// implicit slot becomes free.
    pub(super) fn retire(&mut self, id: ChildId, to: ChildId, parks: bool) {
        self.pool.broker.retire(id, to);
        if self.with_surplus.remove(&id) {
            self.with_surplus.insert(to);
        }
        if parks {
            self.park(to);
        }
    }

    /// Takes back tokens that were returned, and unread tokens of workers in excess of `granted`.
    /// Returns the children that have returned more tokens than they took, each once, and how many
    /// more.
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
        let reported = &mut self.with_surplus;
        // A child that returns surplus tokens repeatedly is reported once.
        let is_new = |Surplus { child, tokens }| reported.insert(child).then_some((child, tokens));
        Ok(surplus.into_iter().filter_map(is_new).collect())
    }

    /// To be called before slots are granted. Accounts for tokens from the parent, and withdraws
    /// offers until `wanted` slots are free. Returns why the parent's pool is lost, once.
    ///
    /// # Errors
    /// A FIFO cannot be read.
    pub(super) fn begin_round(
        &mut self,
        wanted: u32,
        now_us: Micros,
    ) -> Result<Option<io::Error>, EngineError> {
        self.pool.begin_round(wanted, now_us).map_err(jobserver_error)
    }

    /// To be called after slots were granted. Requests `wanted` slots from the parent, and offers
    /// other free slots.
    ///
    /// # Errors
    /// A FIFO cannot be read or written.
    pub(super) fn end_round(&mut self, wanted: u32, now_us: Micros) -> Result<(), EngineError> {
        self.next_round_us = self.pool.end_round(wanted, now_us).map_err(jobserver_error)?;
        Ok(())
    }

    /// Slots are granted again at `at_us` at the latest.
    pub(super) fn round_at(&mut self, at_us: Micros) {
        self.next_round_us = Some(self.next_round_us.map_or(at_us, |next_us| next_us.min(at_us)));
    }

    /// How long until slots are granted again at the latest. `None`: at the next event.
    pub(super) fn until_round(&self, now_us: Micros) -> Option<Duration> {
        self.next_round_us.map(|at_us| at_us.saturating_sub(now_us).duration())
    }

    /// Returns all borrowed tokens. Returns the warning if that fails.
    pub(super) fn end(&mut self, guard: &Guard) -> Option<String> {
        host::end(&mut self.pool, guard)
    }
}
