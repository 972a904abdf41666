//! What is remembered of an item for later builds: the most that its parts used, and what it was
//! killed at.

use super::Engine;
use crate::graph::ItemIx;
use crate::memory::Stage;
use crate::schedule::{Need, process_of_command};
use tender_protocol::{ItemReport, Outcome};

impl Engine<'_> {
    /// An item ended whose worker lived on.
    pub(super) fn learn(&mut self, item: ItemIx, report: &ItemReport) {
        // What the worker knows of is its own part of a link.
        let linker = self.memory.linkers.remove(&item).unwrap_or(0);
        if report.outcome != Outcome::Ok {
            return;
        }
        let has_pieces = report.piece_peak_bytes > 0;
        let (begin, join) = if has_pieces {
            (report.peak_bytes, linker)
        } else {
            (report.peak_bytes.saturating_add(linker), 0)
        };
        let peaks = [
            (Stage::FrontEnd, begin),
            (Stage::BackEnd, report.piece_peak_bytes),
            (Stage::Join, join),
        ];
        for (stage, bytes) in peaks.into_iter().filter(|(_, bytes)| *bytes > 0) {
            self.memory.history.measured(&self.graph[item].key, stage, bytes);
        }
    }

    /// A command ended. One that failed or was interrupted may have used less than it would have.
    pub(super) fn learn_of_command(&mut self, item: ItemIx, outcome: Outcome) {
        let peak = self.memory.peaks.remove(&process_of_command(item).0);
        if let Some(peak) = peak.filter(|_| outcome == Outcome::Ok) {
            self.memory.history.measured(&self.graph[item].key, Stage::FrontEnd, peak);
        }
    }

    /// They were in flight when their worker was killed for memory.
    pub(super) fn learn_of_kill(&mut self, items: &[ItemIx]) {
        for item in items {
            let Need { begin, piece, join } = self.scheduler.need(*item);
            let runs_linker = self.memory.linkers.get(item).is_some_and(|peak| *peak > 0);
            let (stage, need) = match self.scheduler.is_in_pieces(*item) {
                false => (Stage::FrontEnd, begin),
                true if runs_linker && join > 0 => (Stage::Join, join),
                true => (Stage::BackEnd, piece),
            };
            self.memory.history.killed(&self.graph[*item].key, stage, need);
        }
    }
}
