//! What processes use, their peaks, and the measurements for later builds.

use super::{CALM_US, MemoryController, View};
use crate::keys::{ChildId, ItemId, WorkerId};
use crate::measurements::Stage;
use crate::schedule::Need;
use crate::sys::usage::{Gauge, Groups};
use std::collections::BTreeMap;
use tender_protocol::{ItemReport, Outcome};
use tender_units::{Bytes, Micros};

#[derive(Default)]
pub(super) struct Usage {
    /// When whole process trees are measured again, microseconds.
    next_trees_us: Micros,
    /// The measured peak of each worker and command, bytes.
    peaks: BTreeMap<ChildId, Bytes>,
    /// The measured peak of each link's linker, bytes.
    linkers: BTreeMap<ItemId, Bytes>,
}

/// What workers and commands use, bytes.
type Measured = (Vec<(WorkerId, Bytes)>, Vec<(ItemId, Bytes)>);

impl Usage {
    /// Measures what is used. `None` if that is not due yet, or if process trees would have to be
    /// read while memory is nearly exhausted.
    pub(super) fn measure(
        &mut self,
        view: &View<'_>,
        is_critical: bool,
        at_us: Micros,
    ) -> Option<Measured> {
        let has_links = view.workers.iter().any(|worker| !worker.links.is_empty());
        let has_trees = has_links || !view.commands.is_empty();
        if has_trees && (is_critical || at_us < self.next_trees_us) {
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
            // If a worker runs several links, it is unknown which linker belongs to which.
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

    fn note_peak(&mut self, process: ChildId, bytes: Bytes) {
        let peak = self.peaks.entry(process).or_default();
        *peak = bytes.max(*peak);
    }

    /// The measured peak of a process, bytes; 0 if it was not measured.
    pub(super) fn peak_of(&self, process: ChildId) -> Bytes {
        self.peaks.get(&process).copied().unwrap_or_default()
    }

    /// The measured peak of the item's command or linker, bytes.
    pub(super) fn peak_of_program(&self, item: ItemId) -> Option<Bytes> {
        let command = self.peaks.get(&ChildId::Command(item));
        command.or_else(|| self.linkers.get(&item)).copied()
    }
}

impl MemoryController {
    /// The measured peak of a process, bytes; 0 if it was not measured.
    pub(in crate::engine) fn peak_of(&self, process: ChildId) -> Bytes {
        self.usage.peak_of(process)
    }

    /// The peaks of the stages of an item that a worker has reported as ended, bytes. Empty if it
    /// failed, because a success may need more.
    pub(in crate::engine) fn peaks_of_item(
        &mut self,
        item: ItemId,
        report: &ItemReport,
    ) -> Vec<(Stage, Bytes)> {
        // The worker's report does not include the linker.
        let linker = self.usage.linkers.remove(&item).unwrap_or_default();
        if report.outcome != Outcome::Ok {
            return Vec::new();
        }
        let has_pieces = report.piece_peak_bytes > Bytes::ZERO;
        let (begin, join) = if has_pieces {
            (report.peak_bytes, linker)
        } else {
            (report.peak_bytes.saturating_add(linker), Bytes::ZERO)
        };
        let peaks = [
            (Stage::FrontEnd, begin),
            (Stage::BackEnd, report.piece_peak_bytes),
            (Stage::Join, join),
        ];
        peaks.into_iter().filter(|(_, bytes)| *bytes > Bytes::ZERO).collect()
    }

    /// Takes the measured peak of a command that has ended, bytes.
    pub(in crate::engine) fn take_peak_of_command(&mut self, item: ItemId) -> Option<Bytes> {
        self.usage.peaks.remove(&ChildId::Command(item))
    }

    /// The stage of an item whose process was killed, and the estimate of that stage, bytes.
    pub(in crate::engine) fn stage_killed(
        &self,
        item: ItemId,
        need: Need,
        is_in_pieces: bool,
    ) -> (Stage, Bytes) {
        let Need { begin, piece, join } = need;
        let runs_linker = self.usage.linkers.get(&item).is_some_and(|peak| *peak > Bytes::ZERO);
        match is_in_pieces {
            false => (Stage::FrontEnd, begin),
            true if runs_linker && join > Bytes::ZERO => (Stage::Join, join),
            true => (Stage::BackEnd, piece),
        }
    }
}
