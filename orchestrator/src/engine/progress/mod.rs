//! Reports of a running build: sends events to the sink, counts items, and knows what was reported
//! already. Decides nothing, and knows neither the scheduler nor the children nor the account of
//! memory: the caller passes the facts.

mod memory;

use crate::events::{Event, Severity, Sink, WaitReason};
use crate::fingerprint::RebuildReason;
use crate::graph::Graph;
use crate::keys::{ItemId, WorkerId};
use crate::sys::now_us;
use memory::ReportedMemory;
use std::collections::{BTreeMap, BTreeSet};
use tender_protocol::{Diagnostic, Outcome};
use tender_units::{Bytes, Micros};

pub(super) struct Progress<'a> {
    graph: &'a Graph,
    sink: &'a mut dyn Sink,
    /// Slots of the whole build.
    jobs: u32,
    /// Events that only a trace shows are reported too.
    samples: bool,
    counts: Counts,
    /// Items that run, and since when, microseconds.
    running_since: BTreeMap<ItemId, Micros>,
    artifacts: BTreeSet<ItemId>,
    /// Items that were reported to wait.
    waits: BTreeSet<ItemId>,
    /// An item may wait that was not reported to wait yet.
    newly_ready: bool,
    /// Slots in use, and done and dirty items, as last reported.
    reported: (u32, (u32, u32)),
    memory: ReportedMemory,
}

/// Numbers of items.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) dirty: u32,
    /// Dirty items that ended or were skipped after they had begun.
    pub(super) done: u32,
    pub(super) ran: u32,
    pub(super) failed: u32,
}

impl<'a> Progress<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        sink: &'a mut dyn Sink,
        jobs: u32,
        samples: bool,
    ) -> Progress<'a> {
        Progress {
            graph,
            sink,
            jobs,
            samples,
            counts: Counts::default(),
            running_since: BTreeMap::new(),
            artifacts: graph.artifacts.iter().map(|artifact| artifact.item).collect(),
            waits: BTreeSet::new(),
            newly_ready: false,
            reported: Default::default(),
            memory: ReportedMemory::default(),
        }
    }

    pub(super) fn report(&mut self, event: Event) {
        self.sink.event(self.graph, &event);
    }

    pub(super) fn message(&mut self, severity: Severity, text: String) {
        self.report(Event::Message { severity, text });
    }

    pub(super) fn warn(&mut self, text: String) {
        self.message(Severity::Warning, text);
    }

    pub(super) fn error(&mut self, text: String) {
        self.message(Severity::Error, text);
    }

    /// Whether events that only a trace shows are to be reported.
    pub(super) fn samples(&self) -> bool {
        self.samples
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// The sink may draw.
    pub(super) fn tick(&mut self) {
        self.sink.tick(self.graph);
    }

    /// This process is about to be stopped.
    pub(super) fn suspend(&mut self) {
        self.sink.suspend();
    }

    /// `diagnostics` are those of the item's last success.
    pub(super) fn fresh(&mut self, item: ItemId, diagnostics: Vec<Diagnostic>) {
        self.report(Event::Fresh { item });
        for diagnostic in diagnostics {
            self.report(Event::Diagnostic { item, diagnostic, replayed: true });
        }
        self.artifact(item, true);
    }

    /// `expected_us` is how long the item took in an earlier build, if known.
    pub(super) fn dirty(
        &mut self,
        item: ItemId,
        reason: RebuildReason,
        expected_us: Option<Micros>,
    ) {
        self.counts.dirty += 1;
        self.newly_ready = true;
        self.report(Event::Dirty { item, reason });
        if let Some(wall_us) = expected_us {
            self.report(Event::Expected { item, wall_us });
        }
    }

    pub(super) fn started(
        &mut self,
        item: ItemId,
        worker: Option<WorkerId>,
        slot: u32,
        at_us: Micros,
    ) {
        if worker.is_some() {
            self.running_since.insert(item, at_us);
        }
        self.report(Event::ItemStarted { item, worker, slot, at_us });
    }

    /// The worker or program that ran the item has ended, and the item may be retried.
    pub(super) fn no_longer_runs(&mut self, item: ItemId) {
        self.running_since.remove(&item);
    }

    /// Of the items that workers run, the one that has run longest.
    pub(super) fn oldest(&self) -> Option<ItemId> {
        oldest(&self.running_since)
    }

    /// The item ran. `at_us` is when it ended, not when that was reported: by then the next item
    /// may run on its slot.
    pub(super) fn ended(
        &mut self,
        item: ItemId,
        outcome: Outcome,
        at_us: Micros,
        wall_us: Micros,
        peak_bytes: Bytes,
    ) {
        self.no_longer_runs(item);
        self.counts.done += 1;
        self.counts.ran += 1;
        self.counts.failed += u32::from(outcome == Outcome::Failed);
        self.report(Event::ItemFinished { item, outcome, at_us, wall_us, peak_bytes });
        if outcome == Outcome::Ok {
            self.artifact(item, false);
        }
    }

    /// The item had begun, and ended without a result.
    pub(super) fn given_up(&mut self, item: ItemId, at_us: Micros) {
        self.counts.done += 1;
        self.skipped(item, at_us);
    }

    /// The item does not run, because a prerequisite failed or the build ends.
    pub(super) fn skipped(&mut self, item: ItemId, at_us: Micros) {
        let outcome = Outcome::Skipped;
        self.report(Event::ItemFinished {
            item,
            outcome,
            at_us,
            wall_us: Micros::ZERO,
            peak_bytes: Bytes::ZERO,
        });
    }

    fn artifact(&mut self, item: ItemId, fresh: bool) {
        if self.artifacts.contains(&item) {
            self.report(Event::Artifact { item, fresh });
        }
    }

    /// Whether items have become dirty since the last call.
    pub(super) fn take_newly_ready(&mut self) -> bool {
        std::mem::take(&mut self.newly_ready)
    }

    /// These items wait for a slot.
    pub(super) fn wait_for_slots(&mut self, items: impl Iterator<Item = ItemId>) {
        for item in items {
            if self.waits.insert(item) {
                self.report(Event::Wait { item, reason: WaitReason::Token, at_us: now_us() });
            }
        }
    }

    /// Reports the numbers that have changed. `used` are the slots in use.
    pub(super) fn report_counts(&mut self, used: u32) {
        let progress = (self.counts.done, self.counts.dirty);
        let (reported_used, reported_progress) =
            std::mem::replace(&mut self.reported, (used, progress));
        if used != reported_used {
            self.report(Event::Tokens { used, n: self.jobs, at_us: now_us() });
        }
        if progress != reported_progress {
            self.report(Event::Progress { done: progress.0, total: progress.1 });
        }
    }
}

/// The item that has run longest. `since_us` are the running items, and when they started,
/// microseconds.
fn oldest(since_us: &BTreeMap<ItemId, Micros>) -> Option<ItemId> {
    since_us.iter().min_by_key(|(item, since_us)| (**since_us, **item)).map(|(item, _)| *item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_oldest_item_is_the_one_that_began_first() {
        let check = |since_us: &[(u32, u64)], expect: Option<u32>| {
            let since_us = since_us
                .iter()
                .map(|(item, since_us)| (ItemId(*item), Micros(*since_us)))
                .collect();
            assert_eq!(oldest(&since_us), expect.map(ItemId), "{since_us:?}");
        };
        check(&[], None);
        check(&[(3, 500)], Some(3));
        check(&[(1, 500), (2, 400), (3, 600)], Some(2));
        check(&[(1, 500), (2, 400), (3, 400)], Some(2));
    }
}
