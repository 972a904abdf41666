//! The child of `tender exec`, and its slots: a client of the pool, or a program that is no client
//! and holds several slots.

use super::foreground::RunError;
use super::memory::GuestMemory;
use crate::events::Severity;
use crate::host::EngineError;
use crate::host::ask::ask;
use crate::host::error::jobserver_error;
use crate::host::survivors::Search;
use crate::host::tools::{Tools, is_ninja};
use crate::host::unshared;
use crate::host::{self, Guard, Slots, jobs_of, parent_is_gone, too_many, unsettled};
use crate::keys::{ChildId, ItemId};
use crate::memory::Budget;
use crate::sys::clock::now_us;
use crate::sys::process::{GroupEntry, Jobs};
use crate::sys::signals::Signals;
use crate::tokens::{Admission, AdmitError, ChildKind, Fifos, Parent, Pool, Port as _};
use camino::Utf8Path;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use tender_units::Micros;

/// The client, or the first slot of a program that is no client; its other slots have the next ids.
const GUEST: ChildId = slot(0);

const fn slot(number: u32) -> ChildId {
    ChildId::Command(ItemId(number))
}

/// How long to wait for all slots from a parent. They are not kept idle for longer: two programs
/// that each wait for the rest of their slots would wait for each other.
const GATHER_US: Micros = Micros::from_millis(50);

/// How long the start of a program is delayed to borrow tokens for it, because it reads its port
/// only when it starts.
const GATHER_AHEAD_US: Micros = Micros::from_millis(5);

/// How long borrowed tokens stay offered to a program that has just started and takes none yet: it
/// reads its build file first.
const INITIAL_OFFER_US: Micros = Micros::from_millis(50);

/// Reports a message.
pub type Report<'a> = &'a dyn Fn(Severity, String);

pub struct Guest<'a> {
    pool: Pool<Fifos, Parent>,
    guard: Guard,
    /// `None` for a program that is no client, and after the start.
    admission: Option<Admission>,
    /// Its name in messages.
    name: String,
    report: Report<'a>,
    told_of_surplus: bool,
    memory: GuestMemory,
}

impl<'a> Guest<'a> {
    /// A client of the pool. The first word of the command line is the program. The versions of
    /// make and ninja, which decide its dialect, are asked first; `signals` are handled meanwhile.
    ///
    /// # Errors
    /// No FIFO can be created, the parent's pool cannot be joined, or a signal arrived.
    pub fn client(
        slots: Slots,
        budget: Budget,
        words: &[OsString],
        signals: &mut Signals,
        report: Report<'a>,
    ) -> Result<Guest<'a>, RunError> {
        let (program, arguments) = words.split_first().expect("a command has a program");
        let (mut pool, mut guard) = slots.into_pool(fifos())?;
        let name = program.to_string_lossy();
        let here = Utf8Path::new(".");
        let mut tools = Tools::default();
        for stamp in tools.unknown(&name, here) {
            let answer = ask(&stamp.path, here, &mut guard, signals)?;
            let answer = answer.map_err(RunError::Interrupted)?;
            tools.learn(stamp, answer);
        }
        if let Some(unshared) = unshared::why(program, arguments, here, &tools) {
            report(Severity::Warning, unshared.to_string());
        }
        let kind = ChildKind::External(tools.dialect(&name, here));
        let hint = pool.hint();
        let admission = pool.broker.admit(GUEST, kind, hint).map_err(|error| match error {
            AdmitError::NoFreeSlot => {
                unreachable!("a pool has at least one slot, and nobody else is there")
            }
            AdmitError::Port(source) => jobserver_error(source),
        })?;
        // Offered before it starts: ninja reads its port when it starts, and then only when one of
        // its jobs ends.
        if is_ninja(program)
            && let Some(error) = borrow_ahead(&mut pool).map_err(jobserver_error)?
        {
            report(Severity::Warning, parent_is_gone(&error));
        }
        let name = format!("`{name}`");
        let memory = GuestMemory::new(budget);
        let mut guest = Guest {
            pool,
            guard,
            admission: Some(admission),
            name,
            report,
            told_of_surplus: false,
            memory,
        };
        let now_us = now_us();
        guest.watch_memory(now_us);
        guest.pool.offer_ahead(0, now_us + INITIAL_OFFER_US, now_us).map_err(jobserver_error)?;
        Ok(guest)
    }

    /// A program that is no client and may run as many jobs as it has slots: `slots` of the pool,
    /// or fewer if there are not as many. Returns how many it has.
    ///
    /// # Errors
    /// As `client`.
    pub fn holder(
        slots: Slots,
        budget: Budget,
        wanted: u32,
        program: &str,
        report: Report<'a>,
    ) -> Result<(Guest<'a>, u32), EngineError> {
        let (mut pool, guard) = slots.into_pool(fifos())?;
        let deadline_us = now_us() + GATHER_US;
        let mut taken = 0;
        loop {
            pool.begin_round(wanted - taken, now_us()).map_err(jobserver_error)?;
            while taken < wanted && pool.broker.charge(slot(taken)).is_ok() {
                taken += 1;
            }
            let lacks = if now_us() < deadline_us { wanted - taken } else { 0 };
            pool.end_round(lacks, now_us()).map_err(jobserver_error)?;
            if lacks == 0 || pool.lender().is_none() {
                break;
            }
            // Borrowed tokens are kept without a use for this short time only.
            pool.lender()
                .map_or(Ok(()), |parent| wait_for(parent, deadline_us))
                .map_err(jobserver_error)?;
        }
        let name = format!("`{program}`");
        let memory = GuestMemory::new(budget);
        Ok((
            Guest { pool, guard, admission: None, name, report, told_of_surplus: false, memory },
            taken,
        ))
    }

    pub(super) fn jobs(&self) -> Jobs<'_> {
        self.admission.as_ref().map_or_else(Jobs::default, jobs_of)
    }

    /// The watchdog's entry for the group of the child that is about to start.
    ///
    /// # Errors
    /// The watchdog cannot be started.
    pub(super) fn group_entry(&mut self) -> Result<Option<GroupEntry>, EngineError> {
        self.guard.entry()
    }

    /// The child has inherited its descriptors; closes ours.
    pub(super) fn started(&mut self) {
        self.admission = None;
    }

    /// The pid of the watchdog, which is a child of this process.
    pub(super) fn watchdog(&self) -> Option<u32> {
        self.guard.pid()
    }

    /// The descriptors that become readable when another round is needed.
    pub(super) fn watched(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let port = self.pool.broker.port(GUEST).map(AsFd::as_fd);
        port.into_iter().chain(self.pool.lender().map(Parent::as_fd))
    }

    /// Returns when to call again at the latest.
    ///
    /// # Errors
    /// Those of the system on our FIFO.
    pub(super) fn round(&mut self, now_us: Micros) -> io::Result<Option<Micros>> {
        for surplus in self.pool.broker.collect(|_| 0)? {
            if !std::mem::replace(&mut self.told_of_surplus, true) {
                self.warn(too_many(&self.name, surplus.tokens));
            }
        }
        if let Some(error) = self.pool.begin_round(0, now_us)? {
            self.warn(parent_is_gone(&error));
        }
        if now_us >= self.memory.next_us() {
            self.watch_memory(now_us);
        }
        let next_us = self.pool.end_round(0, now_us)?;
        let memory_us = self.memory.next_us();
        Ok(Some(next_us.map_or(memory_us, |next_us| next_us.min(memory_us))))
    }

    fn warn(&self, text: String) {
        (self.report)(Severity::Warning, text);
    }

    fn watch_memory(&mut self, now_us: Micros) {
        let ours = self.guard.pid().into_iter().collect();
        let more = self.memory.watch(&self.name, &ours, self.pool.hint(), self.report, now_us);
        self.pool.broker.limit_offers(more.unwrap_or(u32::MAX));
    }

    /// Continues all stopped processes, so that they can handle the signal that ends the program.
    pub(super) fn interrupted(&mut self) {
        self.memory.release();
    }

    /// The program has ended. `by_itself`: nobody ended it. Then tokens that it has not returned are
    /// reported as its fault, unless survivors use them.
    pub fn ended(mut self, by_itself: bool) {
        let fifo = self.pool.broker.port(GUEST).map(|port| port.path().to_owned());
        // Survivors are searched only if tokens are missing.
        let left_running = || {
            let search = |fifo| Search::new(fifo, BTreeSet::new(), u64::MAX).run();
            fifo.is_some_and(|fifo| !search(fifo).is_empty())
        };
        let settled = self.pool.broker.remove(GUEST);
        self.memory.sum_up(&self.name, self.report);
        let is_told = settled.surplus > 0 && self.told_of_surplus;
        if by_itself
            && !is_told
            && let Some(text) = unsettled(&self.name, settled)
            && !left_running()
        {
            self.warn(text);
        }
        if let Some(text) = host::end(&mut self.pool, &self.guard) {
            self.warn(text);
        }
    }
}

/// Borrows the tokens that the parent's pool has now. Returns why the pool is lost, if it is.
fn borrow_ahead(pool: &mut Pool<Fifos, Parent>) -> io::Result<Option<io::Error>> {
    let deadline_us = now_us() + GATHER_AHEAD_US;
    loop {
        let now_us = now_us();
        let lost = pool.begin_round(0, now_us)?;
        let wanted = pool.max_additional();
        if lost.is_some() || now_us >= deadline_us || pool.broker.free() >= wanted {
            return Ok(lost);
        }
        pool.end_round(wanted, now_us)?;
        let Some(parent) = pool.lender() else { return Ok(None) };
        wait_for(parent, deadline_us)?;
    }
}

fn wait_for(parent: &Parent, deadline_us: Micros) -> io::Result<()> {
    let left = deadline_us.saturating_sub(now_us()).duration();
    let left = Timespec::try_from(left).unwrap_or_default();
    match poll(&mut [PollFd::from_borrowed_fd(parent.as_fd(), PollFlags::IN)], Some(&left)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn fifos() -> Fifos {
    Fifos::new(Fifos::places_of_user())
}
