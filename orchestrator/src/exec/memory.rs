//! What the program of `tender exec`, and all that it starts, may use of the memory, and what is
//! said of that. Knows no slots.

use super::guest::Tell;
use crate::events::Severity;
use crate::host::foreign::Foreign;
use crate::memory::{
    Budget, Chosen, Defence, Measure, Note, Origin, Overuse, STALL_BEGINS, STALL_ENDS, Sample,
    Shares, Stall, System, Use,
};
use crate::report::words;
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
    overuse: Overuse,
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
            overuse: Overuse::default(),
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

    /// Returns how many further jobs there is room for. `name` is what people know the program by.
    pub(super) fn watch(
        &mut self,
        name: &str,
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
        let others = || {
            self.shares.as_ref().and_then(|shares| shares.others().ok()).unwrap_or_default().growth
        };
        // What they use between the one look and the other is missing in the sample.
        let before = others();
        let Sample { limits, pressure } = self.system.sample();
        let growth = before.max(others());
        self.stall.add(Duration::from_micros(now_us), pressure);
        self.tell_budget(self.budget.ceiling(limits.as_ref()), tell);
        let headroom = limits.map(|limits| limits.headroom().saturating_sub(growth));
        let ceiling = self.chosen.as_ref().and_then(|chosen| chosen.bytes);
        let free = |used: u64| {
            headroom.into_iter().chain(ceiling.map(|most| most.saturating_sub(used))).min()
        };
        let more = self.foreign.watch(ours, free, jobs, now_us);
        self.tell_overuse(name, tell, now_us);
        if let Some(shares) = &mut self.shares {
            // The others go by what it said last.
            let _ = shares.publish(self.foreign.growth());
        }
        if self.everything_stalls(now_us) { Some(0) } else { more }
    }

    /// When it happens, and not at the end: whoever sees it may want to end the program.
    fn tell_overuse(&mut self, name: &str, tell: Tell<'_>, now_us: u64) {
        let Some(chosen) = &self.chosen else { return };
        let Some(budget) = chosen.bytes else { return };
        let seen = Use { all: self.foreign.used, running: self.foreign.running() };
        if self.overuse.step(seen, budget, now_us) {
            let largest = self.foreign.largest.as_ref();
            tell(
                Severity::Warning,
                overuse_text(name, seen.all, largest, self.foreign.stopped(), chosen),
            );
        }
    }

    /// Then nobody begins anything; what runs goes on.
    fn everything_stalls(&mut self, now_us: u64) -> bool {
        let stalled = self.stall.full(STALL_BEGINS);
        let stalled_long = self.stall.full(STALL_ENDS);
        // Nothing of a command is killed, and nothing of it can be purged.
        self.defence
            .step(Measure { available: u64::MAX, reserve: 0, stalled, stalled_long }, now_us)
            .hold
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
        let budget =
            self.chosen.as_ref().and_then(|chosen| chosen.bytes).map_or("unknown".to_owned(), mib);
        let most = format!("most in use {}, budget {budget}", mib(self.foreign.peak));
        match self.system.oom_kills().unwrap_or(0).saturating_sub(self.oom_kills) {
            0 if self.budget.is_off() => {}
            0 => tell(Severity::Verbose, format!("memory of {name}: {most}")),
            kills => {
                let (processes, were) =
                    if kills == 1 { ("process", "was") } else { ("processes", "were") };
                let text = format!(
                    "{kills} {processes} of {name} {were} killed by the kernel for memory; {most}"
                );
                tell(Severity::Warning, text);
            }
        }
    }
}

/// `chosen` has a budget.
fn overuse_text(
    name: &str,
    used: u64,
    largest: Option<&(String, u64)>,
    stopped: usize,
    chosen: &Chosen,
) -> String {
    // What is more by a byte shall not read as the same.
    let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1 << 20));
    let (by, wish) = match chosen.by {
        Origin::Option => (" by --memory", Some("raise --memory")),
        Origin::Environment => (" by TENDER_MEMORY", Some("raise TENDER_MEMORY")),
        Origin::Manifest => (" by `[build] memory`", Some("raise `[build] memory`")),
        Origin::Found => ("", None),
    };
    let cure =
        wish.filter(|_| chosen.clamped.is_none()).unwrap_or("run it where there is more memory");
    let stopped = match stopped {
        0 => "nothing of it can be stopped".to_owned(),
        1 => "no more of it can be stopped than the 1 job that is".to_owned(),
        jobs => format!("no more of it can be stopped than the {jobs} jobs that are"),
    };
    let largest = largest.map(|(process, bytes)| {
        format!(" (its largest process, `{}`, {})", words::visible(process), mib(*bytes))
    });
    format!(
        "{name} uses {}{}, more than its memory budget of {} MiB{by}, and {stopped}; {cure}, or make its jobs smaller",
        mib(used),
        largest.unwrap_or_default(),
        chosen.bytes.unwrap_or_default() >> 20,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overuse_is_told_with_its_cause_and_its_cure() {
        let largest = ("cc1plus".to_owned(), 600 << 20);
        let chosen =
            |by| Chosen { bytes: Some(500 << 20), by, of: None, clamped: None, off: false };
        let text = |stopped, by| {
            overuse_text("`make`", (610 << 20) + 1, Some(&largest), stopped, &chosen(by))
        };
        assert_eq!(
            text(0, Origin::Option),
            "`make` uses 611 MiB (its largest process, `cc1plus`, 600 MiB), more than its memory budget of 500 MiB by \
             --memory, and nothing of it can be stopped; raise --memory, or make its jobs smaller"
        );
        assert_eq!(
            text(3, Origin::Found),
            "`make` uses 611 MiB (its largest process, `cc1plus`, 600 MiB), more than its memory budget of 500 MiB, and \
             no more of it can be stopped than the 3 jobs that are; run it where there is more memory, or make its jobs smaller"
        );
    }
}
