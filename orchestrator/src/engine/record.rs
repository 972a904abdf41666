//! What earlier builds left of the items, and what is noted of them now, with the diagnostics of
//! those that are not finished. Knows no processes, and decides nothing but whether an item is up to
//! date, which `fingerprint` does.

use crate::fingerprint::{Fingerprints, Freshness, RebuildReason, StateError};
use crate::graph::Graph;
use crate::keys::ItemId;
use crate::measurements::{Measurements, Stage, Unreadable};
use crate::schedule::Need;
use crate::sys::now_us;
use std::collections::BTreeMap;
use tender_protocol::{Diagnostic, ItemReport, Outcome};

pub(super) struct Record<'a> {
    graph: &'a Graph,
    fingerprints: Fingerprints,
    /// Of items that are not finished.
    diagnostics: BTreeMap<ItemId, Vec<Diagnostic>>,
    /// Why the record could not be kept, the first time.
    failure: Option<StateError>,
    measurements: Measurements,
    unreadable: Option<Unreadable>,
    /// When the measurements are written next while the build runs, microseconds.
    next_write_us: u64,
}

/// How often what was measured is written while the build runs, microseconds.
const WRITE_EVERY_US: u64 = 30_000_000;

impl<'a> Record<'a> {
    pub(super) fn new(graph: &'a Graph, fingerprints: Fingerprints, now_us: u64) -> Record<'a> {
        let (measurements, unreadable) = Measurements::read(&graph.state_dir.join("measurements"));
        Record {
            graph,
            fingerprints,
            diagnostics: BTreeMap::new(),
            failure: None,
            measurements,
            unreadable,
            next_write_us: now_us + WRITE_EVERY_US,
        }
    }

    /// What is wrong with the measurements of earlier builds; to be asked once.
    pub(super) fn take_unreadable(&mut self) -> Option<Unreadable> {
        self.unreadable.take()
    }

    /// What an item was measured to need in earlier builds, or was killed at, in place of what is
    /// expected. `key` is the item's.
    pub(super) fn need(&self, key: &str, expected: Need) -> Need {
        expected.with_measured(|stage| self.measurements.estimate(key, stage))
    }

    /// How long the last success of the item with this key took, microseconds.
    pub(super) fn wall_us(&self, key: &str) -> Option<u64> {
        self.measurements.wall_us(key)
    }

    /// A stage of the item came to its end and peaked at `bytes`.
    pub(super) fn measured(&mut self, item: ItemId, stage: Stage, bytes: u64) {
        self.measurements.measured(&self.graph[item].key, stage, bytes);
    }

    /// What ran a stage of the item was killed for memory while it held `bytes`.
    pub(super) fn killed(&mut self, item: ItemId, stage: Stage, bytes: u64) {
        self.measurements.killed(&self.graph[item].key, stage, bytes);
    }

    /// From time to time: a build that is killed itself leaves most of what it has measured.
    pub(super) fn tick(&mut self, now_us: u64) {
        if now_us >= self.next_write_us {
            self.next_write_us = now_us + WRITE_EVERY_US;
            self.write_measurements();
        }
    }

    fn write_measurements(&mut self) {
        // What cannot be written is measured again. What this build has nothing to do with may be
        // part of the next.
        let _ = self.measurements.write(|_| true);
    }

    /// Everything that the item comes after is up to date.
    pub(super) fn check(&mut self, item: ItemId) -> Freshness {
        self.fingerprints.check(self.graph, item)
    }

    /// Why an item runs that was not judged, because it follows `first` in one plan.
    pub(super) fn reason_behind(&mut self, item: ItemId, first: ItemId) -> RebuildReason {
        match self.check(item) {
            Freshness::Dirty(reason) => reason,
            Freshness::Fresh => {
                let made_anew = &self.graph[first].outputs;
                let path = made_anew.first().map(ToString::to_string).unwrap_or_default();
                RebuildReason::InputRebuilt { path }
            }
        }
    }

    /// What the last success of the item had to say.
    pub(super) fn last_diagnostics(&self, item: ItemId) -> Vec<Diagnostic> {
        self.fingerprints.diagnostics(self.graph, item)
    }

    /// How long the last success of the item took, microseconds.
    pub(super) fn last_wall_us(&self, item: ItemId) -> Option<u64> {
        self.wall_us(&self.graph[item].key)
    }

    /// A worker has said which LLVM and clang it has.
    pub(super) fn tool_said(&mut self, llvm: &str, libraries: &[String]) {
        self.fingerprints.tool_said(llvm, libraries);
    }

    /// The precompiled files before the item that need not be made again.
    pub(super) fn settled(&mut self, item: ItemId) -> Vec<String> {
        self.fingerprints.settled(self.graph, item)
    }

    /// Until the item is finished, the record says that it is not.
    pub(super) fn begin(&mut self, item: ItemId) {
        let written = self.fingerprints.begin(self.graph, item);
        self.note(written);
    }

    pub(super) fn add_diagnostic(&mut self, item: ItemId, diagnostic: Diagnostic) {
        self.diagnostics.entry(item).or_default().push(diagnostic);
    }

    /// Those of an item that is not finished.
    pub(super) fn diagnostics(&self, item: ItemId) -> &[Diagnostic] {
        self.diagnostics.get(&item).map_or(&[], Vec::as_slice)
    }

    /// The item is not finished, and may be begun again.
    pub(super) fn forget_diagnostics(&mut self, item: ItemId) {
        self.diagnostics.remove(&item);
    }

    /// A worker has finished the item.
    pub(super) fn finished(&mut self, item: ItemId, report: &ItemReport) {
        let diagnostics = self.diagnostics.remove(&item).unwrap_or_default();
        let written = self.fingerprints.record(self.graph, item, report, &diagnostics);
        self.note(written);
        if report.outcome == Outcome::Ok {
            self.measurements.succeeded(&self.graph[item].key, report.wall_us);
        }
    }

    /// A command has succeeded, in so many microseconds. Returns whether it counts as a success, or
    /// the output that it has not made.
    pub(super) fn command_finished(&mut self, item: ItemId, wall_us: u64) -> CommandResult {
        let report =
            self.fingerprints.command_report(self.graph, item, Outcome::Ok, now_us(), wall_us);
        match report {
            Ok(report) => {
                let written = self.fingerprints.record(self.graph, item, &report, &[]);
                self.note(written);
                self.measurements.succeeded(&self.graph[item].key, wall_us);
                CommandResult::Ok
            }
            Err(StateError::OutputNotWritten { path, .. }) => {
                CommandResult::OutputMissing(path.to_string())
            }
            Err(error) => {
                self.note(Err(error));
                CommandResult::NotRecorded
            }
        }
    }

    /// Without a record the next build would not know what this one did: nothing more may start.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The build is over. After a success, outputs that nobody makes any more are removed.
    ///
    /// # Errors
    /// The record could not be kept, now or before.
    pub(super) fn close(mut self, success: bool) -> Result<(), StateError> {
        self.write_measurements();
        let kept = self.failure.take().map_or(Ok(()), Err);
        let removed = if success { self.fingerprints.remove_outdated(self.graph) } else { Ok(()) };
        kept.and(removed).and(self.fingerprints.close())
    }

    fn note(&mut self, written: Result<(), StateError>) {
        if let Err(error) = written {
            self.failure.get_or_insert(error);
        }
    }
}

/// What came of a command that succeeded.
pub(super) enum CommandResult {
    Ok,
    /// It has not made this output.
    OutputMissing(String),
    /// The state cannot be written.
    NotRecorded,
}
