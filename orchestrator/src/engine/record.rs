//! What earlier builds left of the items, and what is noted of them now, with the diagnostics of
//! those that are not finished. Knows no processes, and decides nothing but whether an item is up to
//! date, which `fingerprint` does.

use crate::fingerprint::{Fingerprints, Freshness, StateError};
use crate::graph::Graph;
use crate::keys::ItemIx;
use crate::sys::now_us;
use std::collections::BTreeMap;
use tender_protocol::{Diagnostic, ItemReport, Outcome};

pub(super) struct Record<'a> {
    graph: &'a Graph,
    fingerprints: Fingerprints,
    /// Of items that are not finished.
    diagnostics: BTreeMap<ItemIx, Vec<Diagnostic>>,
    /// Why the record could not be kept, the first time.
    failure: Option<StateError>,
}

impl<'a> Record<'a> {
    pub(super) fn new(graph: &'a Graph, fingerprints: Fingerprints) -> Record<'a> {
        Record { graph, fingerprints, diagnostics: BTreeMap::new(), failure: None }
    }

    /// Everything that the item comes after is up to date.
    pub(super) fn check(&mut self, item: ItemIx) -> Freshness {
        self.fingerprints.check(self.graph, item)
    }

    /// What the last success of the item had to say.
    pub(super) fn last_diagnostics(&self, item: ItemIx) -> Vec<Diagnostic> {
        self.fingerprints.diagnostics(self.graph, item)
    }

    /// How long the last success of the item took, microseconds.
    pub(super) fn last_wall_us(&self, item: ItemIx) -> Option<u64> {
        self.fingerprints.history(&self.graph[item].key).map(|history| history.wall_us)
    }

    /// A worker has said which LLVM and clang it has.
    pub(super) fn tool_said(&mut self, llvm: &str, libraries: &[String]) {
        self.fingerprints.tool_said(llvm, libraries);
    }

    /// The precompiled files before the item that need not be made again.
    pub(super) fn settled(&mut self, item: ItemIx) -> Vec<String> {
        self.fingerprints.settled(self.graph, item)
    }

    /// Until the item is finished, the record says that it is not.
    pub(super) fn begin(&mut self, item: ItemIx) {
        let written = self.fingerprints.begin(self.graph, item);
        self.note(written);
    }

    pub(super) fn add_diagnostic(&mut self, item: ItemIx, diagnostic: Diagnostic) {
        self.diagnostics.entry(item).or_default().push(diagnostic);
    }

    /// Those of an item that is not finished.
    pub(super) fn diagnostics(&self, item: ItemIx) -> &[Diagnostic] {
        self.diagnostics.get(&item).map_or(&[], Vec::as_slice)
    }

    /// The item is not finished, and may be begun again.
    pub(super) fn forget_diagnostics(&mut self, item: ItemIx) {
        self.diagnostics.remove(&item);
    }

    /// A worker has finished the item.
    pub(super) fn finished(&mut self, item: ItemIx, report: &ItemReport) {
        let diagnostics = self.diagnostics.remove(&item).unwrap_or_default();
        let written = self.fingerprints.record(self.graph, item, report, &diagnostics);
        self.note(written);
    }

    /// A command has succeeded, in so many microseconds. Returns whether it counts as a success, or
    /// the output that it has not made.
    pub(super) fn command_finished(&mut self, item: ItemIx, wall_us: u64) -> CommandResult {
        let report =
            self.fingerprints.command_report(self.graph, item, Outcome::Ok, now_us(), wall_us);
        match report {
            Ok(report) => {
                let written = self.fingerprints.record(self.graph, item, &report, &[]);
                self.note(written);
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
