//! Reads how much memory there is for a build, or for the program of `exec`: what the system
//! reports, what the user allows, and what other builds of this user were granted and do not use
//! yet. Decides nothing. Knows no items and no slots.

use crate::memory::{
    Bound, Budget, Chosen, LONG_STALL_WINDOW, Note, OtherBuilds, Reading, SHORT_STALL_WINDOW,
    Sample, Shares, Stall, System, Totals,
};
use camino::Utf8Path;
use std::time::Duration;

pub(crate) struct Sampler {
    system: System,
    budget: Budget,
    stall: Stall,
    peers: Peers,
    /// What this build does without, to be told once.
    notes: Vec<Note>,
    /// What was free at the last reading, bytes; what peers have reserved is part of it.
    free: Option<u64>,
}

/// Other builds of this user.
#[derive(Default)]
struct Peers {
    /// The outer `None` until it is needed first; the inner one where builds cannot see each other.
    shares: Option<Option<Shares>>,
    /// Builds, as last read.
    builds: u32,
    /// What they had reserved before the last reading of the system, bytes. What of it they have
    /// used since is not in that reading.
    growth_before: u64,
}

/// What one reading found.
pub(crate) struct Readout {
    /// None where no limit can be read.
    pub(crate) limits: Option<Reading>,
    /// Since the machine has started.
    pub(crate) pressure: Option<Totals>,
    /// What may be used, and why.
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

    /// The user wants no memory budget: nothing is read.
    pub(crate) fn is_off(&self) -> bool {
        self.budget.is_off()
    }

    /// The budget where nothing is read.
    pub(crate) fn budget_unread(&self) -> Chosen {
        self.budget.ceiling(None)
    }

    /// Reads the system, and before it what peers have reserved.
    pub(crate) fn read(&mut self, now_us: u64) -> Readout {
        self.peers.growth_before = self.read_peers().growth;
        let Sample { limits, pressure } = self.system.sample();
        self.stall.add(Duration::from_micros(now_us), pressure);
        self.free = limits.as_ref().map(Reading::headroom);
        let budget = self.budget.ceiling(limits.as_ref());
        Readout { limits, pressure, budget }
    }

    /// What is free for this build, bytes: by the last reading, less what peers have reserved now.
    /// None where it cannot be known.
    pub(crate) fn headroom(&mut self) -> Option<u64> {
        let OtherBuilds { builds, growth } = self.read_peers();
        self.peers.builds = builds;
        let reserved = growth.max(self.peers.growth_before);
        self.free.map(|free| free.saturating_sub(reserved))
    }

    /// Whether other builds of this user run, as last read.
    pub(crate) fn has_peers(&self) -> bool {
        self.peers.builds > 0
    }

    /// Takes the lock that builds of one user hold while they grant memory, without waiting for it.
    /// Returns whether this build may grant.
    pub(crate) fn lock_peers(&mut self, now_us: u64) -> bool {
        self.shares().is_none_or(|shares| shares.try_lock(now_us))
    }

    /// Does nothing where the lock is not held.
    pub(crate) fn unlock_peers(&mut self) {
        if let Some(Some(shares)) = &mut self.peers.shares {
            shares.unlock();
        }
    }

    /// Tells peers what this build was granted and does not use yet, bytes.
    pub(crate) fn publish(&mut self, growth: u64) {
        if let Some(shares) = self.shares() {
            // If it fails, peers go by what was written last.
            let _ = shares.publish(growth);
        }
    }

    /// The share of the last `window` in which some task stalled for memory, and in which all did;
    /// 0 to 1. None where the kernel does not tell.
    pub(crate) fn stalls(&self, window: Duration) -> Option<(f64, f64)> {
        Some((self.stall.some(window)?, self.stall.full(window)?))
    }

    /// The shares in which all tasks stalled, over the two windows that [`crate::memory::Defence`]
    /// looks at.
    pub(crate) fn stalled(&self) -> (Option<f64>, Option<f64>) {
        (self.stall.full(SHORT_STALL_WINDOW), self.stall.full(LONG_STALL_WINDOW))
    }

    /// Processes that the kernel has killed for memory here, since some moment in the past.
    pub(crate) fn oom_kills(&self) -> Option<u64> {
        self.system.oom_kills()
    }

    /// Pages that were read again where `bound` sets the limit, since some moment in the past.
    pub(crate) fn refaults(&self, bound: &Bound) -> Option<u64> {
        self.system.refaults(bound)
    }

    /// What could not be read, each once.
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
