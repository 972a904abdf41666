//! What processes were measured to use, the most of it, and what later builds learn from that: the
//! most that the parts of an item used, and what it was killed at.

use super::{CALM_US, MemoryController, View};
use crate::keys::{ChildId, ItemIx, WorkerId};
use crate::memory::{History, Note, Stage};
use crate::schedule::Need;
use crate::sys::usage::{Gauge, Groups};
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::io;
use tender_protocol::{ItemReport, Outcome};

pub(super) struct Usage {
    history: History,
    /// When whole process trees are measured again, microseconds.
    next_trees_us: u64,
    /// The most that each worker and command was seen to use, bytes.
    peaks: BTreeMap<ChildId, u64>,
    /// The most that the linker of each link was seen to use, bytes.
    linkers: BTreeMap<ItemIx, u64>,
}

/// What workers and commands use, bytes.
type Measured = (Vec<(WorkerId, u64)>, Vec<(ItemIx, u64)>);

impl Usage {
    /// `path` is what earlier builds have written. Returns what is wrong with it, too.
    pub(super) fn read(path: &Utf8Path) -> (Usage, Option<Note>) {
        let (history, damaged) = History::read(path);
        let (peaks, linkers) = (BTreeMap::new(), BTreeMap::new());
        (Usage { history, next_trees_us: 0, peaks, linkers }, damaged)
    }

    pub(super) fn need(&self, key: &str, expected: Need) -> Need {
        let known = |stage| self.history.estimate(key, stage);
        let begin = known(Stage::FrontEnd);
        // One that has not come in pieces yet does not take more when it does.
        let piece = known(Stage::BackEnd).or(begin).unwrap_or(expected.piece);
        // What is too little to be asked for stays so.
        let join = known(Stage::Join).filter(|_| expected.join > 0);
        Need { begin: begin.unwrap_or(expected.begin), piece, join: join.unwrap_or(expected.join) }
    }

    /// None if it is not time to measure yet, or whole process trees are to be read at the brink.
    pub(super) fn measure(
        &mut self,
        view: &View<'_>,
        at_brink: bool,
        at_us: u64,
    ) -> Option<Measured> {
        let has_links = view.workers.iter().any(|worker| !worker.links.is_empty());
        let has_trees = has_links || !view.commands.is_empty();
        if has_trees && (at_brink || at_us < self.next_trees_us) {
            return None;
        }
        let groups = has_trees.then(Groups::read);
        self.next_trees_us = at_us + CALM_US;
        let in_group = |pid: u32| groups.as_ref()?.get(pid).map(|all| all.bytes);
        let (mut workers, mut commands) = (Vec::new(), Vec::new());
        for worker in &view.workers {
            let alone = || worker.gauge.and_then(Gauge::resident_bytes);
            let Some(bytes) = (if has_trees { in_group(worker.pid) } else { alone() }) else {
                continue;
            };
            workers.push((worker.worker, bytes));
            // With several links at once it is not known which of the linkers is whose.
            if let [link] = worker.links.as_slice() {
                let own = alone().unwrap_or(bytes);
                let peak = self.linkers.entry(*link).or_default();
                *peak = bytes.saturating_sub(own).max(*peak);
            }
            self.note_peak(ChildId::Worker(worker.worker), bytes);
        }
        for command in &view.commands {
            if let Some(bytes) = in_group(command.pid) {
                commands.push((command.item, bytes));
                self.note_peak(ChildId::Command(command.item), bytes);
            }
        }
        Some((workers, commands))
    }

    fn note_peak(&mut self, process: ChildId, bytes: u64) {
        let peak = self.peaks.entry(process).or_default();
        *peak = bytes.max(*peak);
    }

    /// 0 where it was not measured.
    pub(super) fn peak_of(&self, process: ChildId) -> u64 {
        self.peaks.get(&process).copied().unwrap_or(0)
    }

    /// The most that the command or the linker of an item used, bytes.
    pub(super) fn peak_of_program(&self, item: ItemIx) -> Option<u64> {
        let command = self.peaks.get(&ChildId::Command(item));
        command.or_else(|| self.linkers.get(&item)).copied()
    }

    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&mut self) -> io::Result<()> {
        // What this build has nothing to do with may be part of the next.
        self.history.write(|_| true)
    }
}

impl MemoryController {
    /// The most that a process was measured to use, bytes; 0 where it was not.
    pub(in crate::engine) fn peak_of(&self, process: ChildId) -> u64 {
        self.usage.peak_of(process)
    }

    /// An item ended whose worker lived on.
    pub(in crate::engine) fn learn(&mut self, item: ItemIx, key: &str, report: &ItemReport) {
        // What the worker knows of is its own part of a link.
        let linker = self.usage.linkers.remove(&item).unwrap_or(0);
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
            self.usage.history.measured(key, stage, bytes);
        }
    }

    /// A command ended. One that failed or was interrupted may have used less than it would have.
    pub(in crate::engine) fn learn_of_command(
        &mut self,
        item: ItemIx,
        key: &str,
        outcome: Outcome,
    ) {
        let peak = self.usage.peaks.remove(&ChildId::Command(item));
        if let Some(peak) = peak.filter(|_| outcome == Outcome::Ok) {
            self.usage.history.measured(key, Stage::FrontEnd, peak);
        }
    }

    /// The item was in flight when its worker was killed for memory.
    pub(in crate::engine) fn learn_of_kill(
        &mut self,
        item: ItemIx,
        key: &str,
        need: Need,
        is_in_pieces: bool,
    ) {
        let Need { begin, piece, join } = need;
        let runs_linker = self.usage.linkers.get(&item).is_some_and(|peak| *peak > 0);
        let (stage, bytes) = match is_in_pieces {
            false => (Stage::FrontEnd, begin),
            true if runs_linker && join > 0 => (Stage::Join, join),
            true => (Stage::BackEnd, piece),
        };
        self.usage.history.killed(key, stage, bytes);
    }
}
