//! The records of earlier builds about each item, and those of this build: results, measurements,
//! and the diagnostics of items that have not finished. Knows no processes. Whether an item is up
//! to date is decided in `fingerprint`.

use crate::fingerprint::{Fingerprints, Freshness, RebuildReason, StateError};
use crate::graph::Graph;
use crate::keys::ItemId;
use crate::measurements::{Measurements, Stage, Unreadable};
use crate::schedule::Need;
use crate::sys::now_us;
use camino::Utf8PathBuf;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use tender_protocol::{Diagnostic, ItemReport, Outcome};
use tender_units::{Bytes, Micros};

pub(super) struct Record<'a> {
    graph: &'a Graph,
    fingerprints: Fingerprints,
    /// Of items that are not finished.
    diagnostics: BTreeMap<ItemId, Vec<Diagnostic>>,
    /// The first error when a record was written.
    failure: Option<StateError>,
    measurements: Measurements,
    unreadable: Option<Unreadable>,
    /// When the measurements are written next while the build runs, microseconds.
    next_write_us: Micros,
}

/// How often what was measured is written while the build runs, microseconds.
const WRITE_EVERY_US: Micros = Micros::from_secs(30);

impl<'a> Record<'a> {
    pub(super) fn new(graph: &'a Graph, fingerprints: Fingerprints, now_us: Micros) -> Record<'a> {
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

    /// Takes the reason why the measurements of earlier builds cannot be read, if they cannot.
    pub(super) fn take_unreadable(&mut self) -> Option<Unreadable> {
        self.unreadable.take()
    }

    /// The estimate of the item with this key: `expected`, replaced by what earlier builds
    /// measured, or by what follows from a kill.
    pub(super) fn need(&self, key: &str, expected: Need) -> Need {
        expected.with_measured(|stage| self.measurements.estimate(key, stage))
    }

    /// How long the last success of the item with this key took, microseconds.
    pub(super) fn wall_us(&self, key: &str) -> Option<Micros> {
        self.measurements.wall_us(key)
    }

    /// Records the peak of a stage that has ended, bytes.
    pub(super) fn measured(&mut self, item: ItemId, stage: Stage, bytes: Bytes) {
        self.measurements.measured(&self.graph[item].key, stage, bytes);
    }

    /// Records that the process of a stage was killed for memory while it held `bytes`.
    pub(super) fn killed(&mut self, item: ItemId, stage: Stage, bytes: Bytes) {
        self.measurements.killed(&self.graph[item].key, stage, bytes);
    }

    /// Writes the measurements from time to time, so that most of them are kept if this process is
    /// killed.
    pub(super) fn tick(&mut self, now_us: Micros) {
        if now_us >= self.next_write_us {
            self.next_write_us = now_us + WRITE_EVERY_US;
            self.write_measurements();
        }
    }

    fn write_measurements(&mut self) {
        // An error is ignored: the next build measures again. Items that are not in this build are
        // kept, because the next build may have them.
        let _ = self.measurements.write(|_| true);
    }

    /// Returns whether the item is up to date. Its prerequisites are.
    pub(super) fn check(&mut self, item: ItemId) -> Freshness {
        self.fingerprints.check(self.graph, item)
    }

    /// The items that have read one of these files, which are absolute and without symbolic links.
    pub(super) fn readers_of(&self, files: &BTreeSet<Utf8PathBuf>) -> HashSet<ItemId> {
        self.fingerprints.readers_of(self.graph, files)
    }

    /// Why an item runs that was not judged, because its plan begins with `first`.
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

    /// The diagnostics of the item's last success.
    pub(super) fn last_diagnostics(&self, item: ItemId) -> Vec<Diagnostic> {
        self.fingerprints.diagnostics(self.graph, item)
    }

    /// How long the last success of the item took, microseconds.
    pub(super) fn last_wall_us(&self, item: ItemId) -> Option<Micros> {
        self.wall_us(&self.graph[item].key)
    }

    /// A worker's greeting has named its LLVM and clang.
    pub(super) fn tool_said(&mut self, llvm: &str, libraries: &[String]) {
        self.fingerprints.tool_said(llvm, libraries);
    }

    /// The precompiled files among the item's prerequisites that are up to date.
    pub(super) fn settled(&mut self, item: ItemId) -> Vec<String> {
        self.fingerprints.settled(self.graph, item)
    }

    /// Records that the item is not finished, until it is.
    pub(super) fn begin(&mut self, item: ItemId) {
        let written = self.fingerprints.begin(self.graph, item);
        self.note(written);
    }

    pub(super) fn add_diagnostic(&mut self, item: ItemId, diagnostic: Diagnostic) {
        self.diagnostics.entry(item).or_default().push(diagnostic);
    }

    /// The diagnostics so far of an item that is not finished.
    pub(super) fn diagnostics(&self, item: ItemId) -> &[Diagnostic] {
        self.diagnostics.get(&item).map_or(&[], Vec::as_slice)
    }

    /// The item has ended without a result, and may be retried.
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

    /// A command has ended without an error after `wall_us` microseconds. Returns whether that is a
    /// success: it is not if one of its outputs is missing, or its depfile cannot be used.
    pub(super) fn command_finished(&mut self, item: ItemId, wall_us: Micros) -> CommandResult {
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
            Err(StateError::Depfile { what, .. }) => CommandResult::DepfileUnusable(what),
            Err(error) => {
                self.note(Err(error));
                CommandResult::NotRecorded
            }
        }
    }

    /// Whether a record could not be written. Then nothing more may start, because the next build
    /// would not know of it.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Ends the record. After a successful build, removes outputs that no item makes any more.
    ///
    /// # Errors
    /// A record could not be written, now or before.
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

/// The result of a command that ended without an error.
pub(super) enum CommandResult {
    Ok,
    /// It has not written this output.
    OutputMissing(String),
    /// What is wrong with its depfile, a sentence.
    DepfileUnusable(String),
    /// The state cannot be written.
    NotRecorded,
}
