//! Keeps the program of `tender exec`, with its descendants, within the memory budget, and reports
//! what it used. Knows no slots.

use super::guest::Report;
use crate::events::Severity;
use crate::host::external::ExternalTrees;
use crate::host::sampler::{Readout, Sampler};
use crate::memory::{Budget, Chosen, CommandUse, Defence, Measure, Origin, Overuse};
use crate::report::words;
use std::collections::BTreeSet;
use tender_units::{Bytes, Micros};

pub(super) struct GuestMemory {
    sampler: Sampler,
    chosen: Option<Chosen>,
    external: ExternalTrees,
    defence: Defence,
    overuse: Overuse,
    /// The kernel's count of kills when the program started.
    oom_kills: u64,
}

impl GuestMemory {
    pub(super) fn new(budget: Budget) -> GuestMemory {
        let sampler = Sampler::new(budget);
        GuestMemory {
            oom_kills: sampler.oom_kills().unwrap_or(0),
            sampler,
            chosen: None,
            external: ExternalTrees::default(),
            defence: Defence::default(),
            overuse: Overuse::default(),
        }
    }

    /// When to call `watch` again, microseconds.
    pub(super) fn next_us(&self) -> Micros {
        self.external.next_us()
    }

    /// Continues all stopped processes, so that they can handle the signal that ends the program.
    pub(super) fn release(&mut self) {
        self.external.release();
    }

    /// Stops and continues processes as memory allows. Returns how many more jobs have room;
    /// `None`: not limited. `name` is the name of the program in messages.
    pub(super) fn watch(
        &mut self,
        name: &str,
        ours: &BTreeSet<u32>,
        jobs: u32,
        report: Report<'_>,
        now_us: Micros,
    ) -> Option<u32> {
        if self.sampler.is_off() {
            self.report_budget(self.sampler.budget_unread(), report);
            self.external.leave_alone();
            return None;
        }
        let Readout { budget, .. } = self.sampler.read(now_us);
        let headroom = self.sampler.headroom();
        let ceiling = budget.bytes;
        self.report_budget(budget, report);
        let free = |used: Bytes| {
            headroom.into_iter().chain(ceiling.map(|most| most.saturating_sub(used))).min()
        };
        let more = self.external.watch(ours, free, jobs, now_us);
        self.report_overuse(name, report, now_us);
        self.sampler.publish(self.external.growth());
        if self.holds(now_us) { Some(0) } else { more }
    }

    /// Warns when it happens, and not at the end, so that the user can end the program.
    fn report_overuse(&mut self, name: &str, report: Report<'_>, now_us: Micros) {
        let Some(chosen) = &self.chosen else { return };
        let Some(budget) = chosen.bytes else { return };
        let seen = CommandUse { all: self.external.used, running: self.external.running() };
        if self.overuse.step(seen, budget, now_us) {
            let largest = self.external.largest.as_ref();
            report(
                Severity::Warning,
                overuse_text(name, seen.all, largest, self.external.stopped(), chosen),
            );
        }
    }

    /// Whether to hold: no new job begins.
    fn holds(&mut self, now_us: Micros) -> bool {
        let (stalled, stalled_long) = self.sampler.stalled();
        // Processes of a command are neither purged nor killed, so only stalls matter.
        self.defence
            .step(
                Measure { available: Bytes::MAX, reserve: Bytes::ZERO, stalled, stalled_long },
                now_us,
            )
            .hold
    }

    /// Reports the budget, once and when it changes.
    fn report_budget(&mut self, chosen: Chosen, report: Report<'_>) {
        for note in self.sampler.take_notes() {
            report(Severity::Verbose, note.to_string());
        }
        if self.chosen.as_ref() == Some(&chosen) {
            return;
        }
        if let Some(clamp) = chosen.clamped.as_ref().filter(|_| self.chosen.is_none()) {
            report(Severity::Warning, clamp.to_string());
        }
        report(Severity::Verbose, chosen.to_string());
        self.chosen = Some(chosen);
    }

    /// Reports, at the end, what the program used, and whether the kernel has killed processes for
    /// memory.
    pub(super) fn sum_up(&self, name: &str, report: Report<'_>) {
        let budget = self.chosen.as_ref().and_then(|chosen| chosen.bytes);
        let budget = budget.map_or("unknown".to_owned(), |bytes| bytes.to_string());
        let most = format!("peak {}, budget {budget}", self.external.peak);
        match self.sampler.oom_kills().unwrap_or(0).saturating_sub(self.oom_kills) {
            0 if self.sampler.is_off() => {}
            0 => report(Severity::Verbose, format!("memory of {name}: {most}")),
            kills => {
                let (processes, were) =
                    if kills == 1 { ("process", "was") } else { ("processes", "were") };
                let text = format!(
                    "{kills} {processes} of {name} {were} killed by the kernel for memory; {most}"
                );
                report(Severity::Warning, text);
            }
        }
    }
}

/// `chosen` has a budget.
fn overuse_text(
    name: &str,
    used: Bytes,
    largest: Option<&(String, Bytes)>,
    stopped: usize,
    chosen: &Chosen,
) -> String {
    let budget = chosen.bytes.unwrap_or_default();
    let (by, wish) = match chosen.by {
        Origin::Option => (" by --memory", Some("raise --memory")),
        Origin::Environment => (" by TENDER_MEMORY", Some("raise TENDER_MEMORY")),
        Origin::Manifest => (" by `[build] memory`", Some("raise `[build] memory`")),
        Origin::Found => ("", None),
    };
    let cure = wish
        .filter(|_| chosen.clamped.is_none())
        .unwrap_or("run it where more memory is available");
    let stopped = match stopped {
        0 => "tender can stop none of its jobs".to_owned(),
        1 => "tender can stop no more of its jobs than the 1 that is stopped".to_owned(),
        jobs => format!("tender can stop no more of its jobs than the {jobs} that are stopped"),
    };
    let largest = largest.map(|(process, bytes)| {
        format!(" (its largest process, `{}`, {})", words::visible(process), bytes)
    });
    // The difference too: rounded, both can look the same.
    format!(
        "{name} uses {}{}, {} more than its memory budget of {}{by}, and {stopped}; {cure}, or make its jobs smaller",
        used,
        largest.unwrap_or_default(),
        used.saturating_sub(budget),
        budget,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overuse_text_has_cause_and_advice() {
        let largest = ("cc1plus".to_owned(), Bytes(600 << 20));
        let chosen =
            |by| Chosen { bytes: Some(Bytes(500 << 20)), by, of: None, clamped: None, off: false };
        let text = |stopped, by| {
            overuse_text("`make`", Bytes(610 << 20), Some(&largest), stopped, &chosen(by))
        };
        assert_eq!(
            text(0, Origin::Option),
            "`make` uses 610 MiB (its largest process, `cc1plus`, 600 MiB), 110 MiB more than its memory budget of 500 MiB by \
             --memory, and tender can stop none of its jobs; raise --memory, or make its jobs smaller"
        );
        assert_eq!(
            text(3, Origin::Found),
            "`make` uses 610 MiB (its largest process, `cc1plus`, 600 MiB), 110 MiB more than its memory budget of 500 MiB, and \
             tender can stop no more of its jobs than the 3 that are stopped; run it where more memory is available, or make its jobs smaller"
        );
    }
}
