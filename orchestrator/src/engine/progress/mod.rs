//! What a build tells while it runs: events to the sink, what was counted, and what has been said
//! already. Decides nothing, and knows neither the scheduler nor the children nor the account of
//! memory: who calls says what there is to tell.

mod memory;

use crate::events::{Event, Severity, Sink, WaitReason};
use crate::fingerprint::RebuildReason;
use crate::graph::Graph;
use crate::keys::{ItemIx, WorkerId};
use crate::sys::now_us;
use memory::MemoryTold;
use std::collections::{BTreeMap, BTreeSet};
use tender_protocol::{Diagnostic, Outcome};

pub(super) struct Progress<'a> {
    graph: &'a Graph,
    sink: &'a mut dyn Sink,
    /// Slots of the whole build.
    jobs: u32,
    /// What only a trace shows is told too.
    samples: bool,
    counts: Counts,
    /// Items that run, and since when, microseconds.
    running_since: BTreeMap<ItemIx, u64>,
    artifacts: BTreeSet<ItemIx>,
    /// Items of which it was told that they wait for something.
    waits: BTreeSet<ItemIx>,
    /// An item may wait of which that was not told yet.
    newly_ready: bool,
    /// Tokens in use, and items that are done of those that are dirty, as told last.
    told: (u32, (u32, u32)),
    memory: MemoryTold,
}

/// Numbers of items.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) dirty: u32,
    /// Of the dirty ones those that ended, or were passed over.
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
            told: Default::default(),
            memory: MemoryTold::default(),
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.sink.event(self.graph, &event);
    }

    pub(super) fn message(&mut self, severity: Severity, text: String) {
        self.tell(Event::Message { severity, text });
    }

    pub(super) fn warn(&mut self, text: String) {
        self.message(Severity::Warning, text);
    }

    pub(super) fn error(&mut self, text: String) {
        self.message(Severity::Error, text);
    }

    /// Whether what only a trace shows is to be told.
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
    pub(super) fn fresh(&mut self, item: ItemIx, diagnostics: Vec<Diagnostic>) {
        self.tell(Event::Fresh { item });
        for diagnostic in diagnostics {
            self.tell(Event::Diagnostic { item, diagnostic, replayed: true });
        }
        self.artifact(item, true);
    }

    /// `expected_us` is how long the item took before, where that is known.
    pub(super) fn dirty(&mut self, item: ItemIx, reason: RebuildReason, expected_us: Option<u64>) {
        self.counts.dirty += 1;
        self.newly_ready = true;
        self.tell(Event::Dirty { item, reason });
        if let Some(wall_us) = expected_us {
            self.tell(Event::Expected { item, wall_us });
        }
    }

    pub(super) fn started(
        &mut self,
        item: ItemIx,
        worker: Option<WorkerId>,
        slot: u32,
        at_us: u64,
    ) {
        if worker.is_some() {
            self.running_since.insert(item, at_us);
        }
        self.tell(Event::ItemStarted { item, worker, slot, at_us });
    }

    /// What ran the item is gone, and it may run again.
    pub(super) fn no_longer_runs(&mut self, item: ItemIx) {
        self.running_since.remove(&item);
    }

    /// Of the items that workers run, the one that has run longest.
    pub(super) fn oldest(&self) -> Option<ItemIx> {
        oldest(&self.running_since)
    }

    /// The item ran. `at_us` is when it ended, not when we hear of it: by then the next one may run
    /// on its slot.
    pub(super) fn ended(
        &mut self,
        item: ItemIx,
        outcome: Outcome,
        at_us: u64,
        wall_us: u64,
        peak_bytes: u64,
    ) {
        self.no_longer_runs(item);
        self.counts.done += 1;
        self.counts.ran += 1;
        self.counts.failed += u32::from(outcome == Outcome::Failed);
        self.tell(Event::ItemFinished { item, outcome, at_us, wall_us, peak_bytes });
        if outcome == Outcome::Ok {
            self.artifact(item, false);
        }
    }

    /// The item was begun, and given up without a result.
    pub(super) fn given_up(&mut self, item: ItemIx, at_us: u64) {
        self.counts.done += 1;
        self.skipped(item, at_us);
    }

    /// The item does not run, because something before it failed or the build ends.
    pub(super) fn skipped(&mut self, item: ItemIx, at_us: u64) {
        let outcome = Outcome::Skipped;
        self.tell(Event::ItemFinished { item, outcome, at_us, wall_us: 0, peak_bytes: 0 });
    }

    fn artifact(&mut self, item: ItemIx, fresh: bool) {
        if self.artifacts.contains(&item) {
            self.tell(Event::Artifact { item, fresh });
        }
    }

    /// Whether items have become ready since this was asked last.
    pub(super) fn take_newly_ready(&mut self) -> bool {
        std::mem::take(&mut self.newly_ready)
    }

    /// These items wait for a slot.
    pub(super) fn wait_for_slots(&mut self, items: impl Iterator<Item = ItemIx>) {
        for item in items {
            if self.waits.insert(item) {
                self.tell(Event::Wait { item, reason: WaitReason::Token, at_us: now_us() });
            }
        }
    }

    /// `used` are the slots in use. Says what has changed.
    pub(super) fn tell_counts(&mut self, used: u32) {
        let progress = (self.counts.done, self.counts.dirty);
        let (told_used, told_progress) = std::mem::replace(&mut self.told, (used, progress));
        if used != told_used {
            self.tell(Event::Tokens { used, n: self.jobs, at_us: now_us() });
        }
        if progress != told_progress {
            self.tell(Event::Progress { done: progress.0, total: progress.1 });
        }
    }
}

/// The item that has run longest, of those that run and since when, microseconds.
fn oldest(since_us: &BTreeMap<ItemIx, u64>) -> Option<ItemIx> {
    since_us.iter().min_by_key(|(item, since_us)| (**since_us, **item)).map(|(item, _)| *item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_item_is_that_which_began_first() {
        let check = |since_us: &[(u32, u64)], expect: Option<u32>| {
            let since_us =
                since_us.iter().map(|(item, since_us)| (ItemIx(*item), *since_us)).collect();
            assert_eq!(oldest(&since_us), expect.map(ItemIx), "{since_us:?}");
        };
        check(&[], None);
        check(&[(3, 500)], Some(3));
        check(&[(1, 500), (2, 400), (3, 600)], Some(2));
        check(&[(1, 500), (2, 400), (3, 400)], Some(2));
    }
}
