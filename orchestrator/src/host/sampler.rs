//! Reads how much memory is available for a build, or for the program of `exec`: the system's
//! limits, the user's budget, and the growth of this user's other builds. Decides nothing. Knows no
//! items and no slots.

use crate::memory::{
    Bound, Budget, Chosen, LONG_STALL_WINDOW, Note, OtherBuilds, Reading, SHORT_STALL_WINDOW,
    Sample, Shares, Stall, System, Totals,
};
use camino::Utf8Path;
use std::time::Duration;
use tender_units::{Bytes, Micros};

pub(crate) struct Sampler {
    system: System,
    budget: Budget,
    stall: Stall,
    peers: Peers,
    /// Readings that are missing; each is reported once.
    notes: Vec<Note>,
    /// What was free at the last reading, bytes, including the growth of other builds.
    free: Option<Bytes>,
}

/// Other builds of this user.
#[derive(Default)]
struct Peers {
    /// The outer `None`: not needed so far. The inner one: builds cannot share files.
    shares: Option<Option<Shares>>,
    /// Other builds at the last reading.
    builds: u32,
    /// Their growth before the last reading of the system, bytes. What they have used of it since
    /// is not in that reading.
    growth_before: Bytes,
}

/// One reading.
pub(crate) struct Readout {
    /// `None` if no limit can be read.
    pub(crate) limits: Option<Reading>,
    /// Since the machine was started.
    pub(crate) pressure: Option<Totals>,
    /// The budget, and where it comes from.
    pub(crate) budget: Chosen,
}

impl Sampler {
    pub(crate) fn new(budget: Budget) -> Sampler {
        Sampler {
            system: System::find(Utf8Path::new("/")),
            budget,
            stall: Stall::new(LONG_STALL_WINDOW),
            peers: Peers::default(),
            notes: Vec::new(),
            free: None,
        }
    }

    /// Whether the memory budget is off: then nothing is read.
    pub(crate) fn is_off(&self) -> bool {
        self.budget.is_off()
    }

    /// The budget if nothing is read.
    pub(crate) fn budget_unread(&self) -> Chosen {
        self.budget.ceiling(None)
    }

    /// Reads the growth of other builds, then the system.
    pub(crate) fn read(&mut self, now_us: Micros) -> Readout {
        self.peers.growth_before = self.read_peers().growth;
        let Sample { limits, pressure } = self.system.sample();
        self.stall.add(now_us.duration(), pressure);
        self.free = limits.as_ref().map(Reading::headroom);
        let budget = self.budget.ceiling(limits.as_ref());
        Readout { limits, pressure, budget }
    }

    /// What is free for this build, bytes: that of the last reading, less the present growth of
    /// other builds. `None` if no limit can be read.
    pub(crate) fn headroom(&mut self) -> Option<Bytes> {
        let OtherBuilds { builds, growth } = self.read_peers();
        self.peers.builds = builds;
        let reserved = growth.max(self.peers.growth_before);
        self.free.map(|free| free.saturating_sub(reserved))
    }

    /// Whether other builds of this user ran at the last reading.
    pub(crate) fn has_peers(&self) -> bool {
        self.peers.builds > 0
    }

    /// Tries to take the lock that builds of one user hold while they grant memory. Does not wait.
    /// Returns whether this build may grant.
    pub(crate) fn lock_peers(&mut self, now_us: Micros) -> bool {
        self.shares().is_none_or(|shares| shares.try_lock(now_us))
    }

    /// Releases that lock if this build holds it.
    pub(crate) fn unlock_peers(&mut self) {
        if let Some(Some(shares)) = &mut self.peers.shares {
            shares.unlock();
        }
    }

    /// Publishes the growth of this build, bytes.
    pub(crate) fn publish(&mut self, growth: Bytes) {
        if let Some(shares) = self.shares() {
            // An error is ignored: other builds then read the previous value.
            let _ = shares.publish(growth);
        }
    }

    /// The share of the last `window` in which some task stalled for memory, and in which all did;
    /// 0 to 1. `None` if the kernel does not report it.
    pub(crate) fn stalls(&self, window: Duration) -> Option<(f64, f64)> {
        Some((self.stall.some(window)?, self.stall.full(window)?))
    }

    /// The shares in which all tasks stalled, for the two windows of [`crate::memory::Defence`].
    pub(crate) fn stalled(&self) -> (Option<f64>, Option<f64>) {
        (self.stall.full(SHORT_STALL_WINDOW), self.stall.full(LONG_STALL_WINDOW))
    }

    /// The kernel's count of processes that it killed for memory in our cgroups. Only differences
    /// mean something.
    pub(crate) fn oom_kills(&self) -> Option<u64> {
        self.system.oom_kills()
    }

    /// The kernel's count of pages that were read again in the cgroup, or the machine, of `bound`.
    /// Only differences mean something.
    pub(crate) fn refaults(&self, bound: &Bound) -> Option<u64> {
        self.system.refaults(bound)
    }

    /// Takes the readings that are missing; each once.
    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(self.system.notes());
        notes
    }

    fn shares(&mut self) -> Option<&mut Shares> {
        let notes = &mut self.notes;
        let joined = self.peers.shares.get_or_insert_with(|| {
            Shares::of_this_user()
                .inspect_err(|error| notes.push(Note::Alone { why: error.to_string() }))
                .ok()
        });
        joined.as_mut()
    }

    fn read_peers(&mut self) -> OtherBuilds {
        self.shares().and_then(|shares| shares.others().ok()).unwrap_or_default()
    }
}
