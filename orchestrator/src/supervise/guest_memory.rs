//! What the program of `tender exec`, and all that it starts, may use of the memory, and what is said of that. Knows no slots.

use super::foreign::Foreign;
use super::guest::Tell;
use crate::memory::{
    Budget, Chosen, Defence, Measure, Note, STALL_BEGINS, STALL_ENDS, Sample, Shares, Stall, System,
};
use crate::report::Severity;
use camino::Utf8Path;
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) struct Memory {
    system: System,
    budget: Budget,
    chosen: Option<Chosen>,
    foreign: Foreign,
    stall: Stall,
    defence: Defence,
    /// None where builds cannot see each other.
    shares: Option<Shares>,
    /// To be said.
    note: Option<Note>,
    /// Processes that the kernel had killed before the program started.
    oom_kills: u64,
}

impl Memory {
    pub(super) fn new(budget: Budget) -> Memory {
        let system = System::find(Utf8Path::new("/"));
        let oom_kills = system.oom_kills().unwrap_or(0);
        let shares = (!budget.is_off()).then(Shares::of_this_user);
        let note = match &shares {
            Some(Err(error)) => Some(Note::Alone { why: error.to_string() }),
            _ => None,
        };
        Memory {
            system,
            budget,
            chosen: None,
            foreign: Foreign::default(),
            stall: Stall::new(STALL_ENDS),
            defence: Defence::default(),
            shares: shares.and_then(Result::ok),
            note,
            oom_kills,
        }
    }

    /// When to look again, microseconds.
    pub(super) fn next_us(&self) -> u64 {
        self.foreign.next_us()
    }

    /// The program is told to end. What of it was stopped goes on, to be able to.
    pub(super) fn release(&mut self) {
        self.foreign.release();
    }

    /// Returns how many further jobs there is room for.
    pub(super) fn watch(
        &mut self,
        ours: &BTreeSet<u32>,
        jobs: u32,
        tell: Tell<'_>,
        now_us: u64,
    ) -> Option<u32> {
        if self.budget.is_off() {
            self.tell_budget(self.budget.ceiling(None), tell);
            self.foreign.leave_alone();
            return None;
        }
        let Sample { limits, pressure } = self.system.sample();
        self.stall.add(Duration::from_micros(now_us), pressure);
        self.tell_budget(self.budget.ceiling(limits.as_ref()), tell);
        let others = self.shares.as_ref().and_then(|shares| shares.others().ok()).unwrap_or_default();
        let headroom = limits.map(|limits| limits.headroom().saturating_sub(others.growth));
        let ceiling = self.chosen.as_ref().and_then(|chosen| chosen.bytes);
        let free =
            |used: u64| headroom.into_iter().chain(ceiling.map(|most| most.saturating_sub(used))).min();
        let more = self.foreign.watch(ours, free, jobs, now_us);
        if let Some(shares) = &mut self.shares {
            // The others go by what it said last.
            let _ = shares.publish(self.foreign.growth());
        }
        if self.everything_stalls(now_us) { Some(0) } else { more }
    }

    /// Then nobody begins anything; what runs goes on.
    fn everything_stalls(&mut self, now_us: u64) -> bool {
        let stalled = self.stall.full(STALL_BEGINS);
        let stalled_long = self.stall.full(STALL_ENDS);
        // Nothing of a command is killed, and nothing of it can be purged.
        self.defence.step(Measure { available: u64::MAX, reserve: 0, stalled, stalled_long }, now_us).hold
    }

    /// Once, and again when it changes.
    fn tell_budget(&mut self, chosen: Chosen, tell: Tell<'_>) {
        for note in self.note.take().into_iter().chain(self.system.notes()) {
            tell(Severity::Verbose, note.to_string());
        }
        if self.chosen.as_ref() == Some(&chosen) {
            return;
        }
        if let Some(clamp) = chosen.clamped.as_ref().filter(|_| self.chosen.is_none()) {
            tell(Severity::Warning, clamp.to_string());
        }
        tell(Severity::Verbose, chosen.to_string());
        self.chosen = Some(chosen);
    }

    /// At the end: what the program used, and whether the kernel has killed processes for memory.
    pub(super) fn sum_up(&self, name: &str, tell: Tell<'_>) {
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        let budget = self.chosen.as_ref().and_then(|chosen| chosen.bytes).map_or("unknown".to_owned(), mib);
        let most = format!("most in use {}, budget {budget}", mib(self.foreign.peak));
        match self.system.oom_kills().unwrap_or(0).saturating_sub(self.oom_kills) {
            0 if self.budget.is_off() => {}
            0 => tell(Severity::Verbose, format!("memory of {name}: {most}")),
            kills => {
                let (processes, were) = if kills == 1 { ("process", "was") } else { ("processes", "were") };
                let text =
                    format!("{kills} {processes} of {name} {were} killed by the kernel for memory; {most}");
                tell(Severity::Warning, text);
            }
        }
    }
}
