//! Memory while a build runs: read and measured, told to the ledger, and defended when it gets short.

use super::super::clock::now_us;
use super::super::foreign::Foreign;
use super::super::sample::{self, Resident};
use super::hear::is_link;
use super::{Engine, Running};
use crate::graph::ItemIx;
use crate::memory::{
    Budget, Chosen, Defence, History, Measure, ProcessId, STALL_BEGINS, STALL_ENDS, Sample, Shares, Stage,
    Stall, System,
};
use crate::report::{Event, Severity, WorkerNo};
use crate::schedule::{Need, WorkerIx, process_of_command, process_of_worker};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use tender_protocol::{ItemReport, Outcome, ToWorker};

/// How often memory is read while there is plenty, and while there is not; microseconds.
const CALM_US: u64 = 100_000;
const TENSE_US: u64 = 20_000;

/// Less than this is not plenty, bytes: several jobs take so much in the time between two readings.
const TENSE: u64 = 256 << 20;

pub(super) struct Memory {
    system: System,
    budget: Budget,
    history: History,
    /// None within where builds cannot see each other.
    shares: Option<Option<Shares>>,
    stall: Stall,
    defence: Defence,
    /// Nothing new starts.
    holds: bool,
    foreign: Foreign,
    /// What can still be used, by the last reading; None where that cannot be known.
    headroom: Option<u64>,
    /// Processes of ours that the kernel had killed for memory.
    oom_kills: u64,
    /// Workers that we killed for memory.
    victims: BTreeSet<WorkerIx>,
    next_us: u64,
    /// When whole process trees are measured again, microseconds.
    next_trees_us: u64,
    told: Option<Chosen>,
    /// Leases, baselines, budget.
    told_leases: (u64, u64, Option<u64>),
    /// The most that each worker and command was seen to use, bytes.
    peaks: BTreeMap<u32, u64>,
    /// The most that the linker of each link was seen to use, bytes.
    linkers: BTreeMap<ItemIx, u64>,
}

impl Memory {
    pub(super) fn new(budget: Budget, state_dir: &Utf8Path) -> Memory {
        let system = System::find(Utf8Path::new("/"));
        let oom_kills = system.oom_kills().unwrap_or(0);
        let (history, _damaged) = History::read(&state_dir.join("memory"));
        Memory {
            system,
            budget,
            history,
            shares: None,
            stall: Stall::new(STALL_ENDS),
            defence: Defence::default(),
            holds: false,
            foreign: Foreign::default(),
            headroom: None,
            oom_kills,
            victims: BTreeSet::new(),
            next_us: 0,
            next_trees_us: 0,
            told: None,
            told_leases: (0, 0, None),
            peaks: BTreeMap::new(),
            linkers: BTreeMap::new(),
        }
    }

    /// What an item was measured to need in earlier builds, in place of what is expected.
    pub(super) fn need(&self, key: &str, expected: Need) -> Need {
        let Some(begin) = self.history.estimate(key, Stage::FrontEnd) else { return expected };
        let piece = self.history.estimate(key, Stage::BackEnd).unwrap_or(begin);
        // What is too little to be asked for stays so.
        let join = self.history.estimate(key, Stage::Join).filter(|_| expected.join > 0);
        Need { begin, piece, join: join.unwrap_or(expected.join) }
    }

    fn shares(&mut self) -> Option<&mut Shares> {
        let join = || {
            let utf8 = |path: PathBuf| Utf8PathBuf::from_path_buf(path).ok();
            let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).and_then(utf8);
            let fallback = utf8(std::env::temp_dir()).unwrap_or_else(|| "/tmp".into());
            Shares::join(runtime_dir.as_deref(), &fallback).ok()
        };
        self.shares.get_or_insert_with(join).as_mut()
    }

    /// The share of the last `window` in which some task stalled for memory, and in which all did.
    pub(super) fn stalls(&self, window: Duration) -> Option<(f64, f64)> {
        Some((self.stall.some(window)?, self.stall.full(window)?))
    }

    /// How many processes of commands are stopped until there is memory for them again.
    pub(super) fn stopped(&self) -> u32 {
        self.foreign.stopped() as u32
    }

    /// Whether we killed the worker for memory.
    pub(super) fn is_victim(&self, worker: WorkerIx) -> bool {
        self.victims.contains(&worker)
    }

    /// The most that a process was seen to use, bytes; 0 where it was not.
    pub(super) fn peak_of(&self, process: ProcessId) -> u64 {
        self.peaks.get(&process.0).copied().unwrap_or(0)
    }

    /// When memory is to be read again, microseconds.
    pub(super) fn next_us(&self) -> u64 {
        self.next_us
    }

    /// Commands are told to end. What of them was stopped goes on, to be able to.
    pub(super) fn release(&mut self) {
        self.foreign.release();
    }

    /// # Errors
    /// The file of what was measured cannot be written.
    pub(super) fn close(&mut self) -> std::io::Result<()> {
        // What this build has nothing to do with may be part of the next.
        self.history.write(|_| true)
    }
}

impl Engine<'_> {
    /// Reads what is free and measures what is used, if it is time to. Before anything is started, it is.
    pub(super) fn watch_memory(&mut self) {
        let now_us = now_us();
        if now_us < self.memory.next_us {
            return;
        }
        if self.memory.budget.is_off() {
            self.memory.next_us = u64::MAX;
            let chosen = self.memory.budget.ceiling(None);
            return self.tell_budget(chosen);
        }
        let Sample { limits, pressure } = self.memory.system.sample();
        self.memory.stall.add(Duration::from_micros(now_us), pressure);
        self.measure(now_us);
        let others = self.memory.shares().and_then(|shares| shares.others().ok()).unwrap_or_default();
        let free = limits.as_ref().map(|limits| limits.headroom());
        let headroom =
            free.map(|free| if self.memory.holds { 0 } else { free.saturating_sub(others.growth) });
        self.memory.headroom = headroom;
        let chosen = self.memory.budget.ceiling(limits.as_ref());
        let ledger = self.scheduler.ledger();
        ledger.reading(headroom);
        ledger.set_ceiling(chosen.bytes);
        let account = ledger.totals();
        let left = ledger.free();
        if let Some(shares) = self.memory.shares() {
            // The others go by what it said last.
            let _ = shares.publish(account.growth);
        }
        let pause_us = if left < TENSE { TENSE_US } else { CALM_US };
        self.memory.next_us = now_us + pause_us;
        self.tell_budget(chosen);
        if let Some(limits) = &limits {
            let binding = limits.binding();
            let (available, reserve) = (binding.available, binding.reserve());
            let stalled = self.memory.stall.full(STALL_BEGINS);
            let stalled_long = self.memory.stall.full(STALL_ENDS);
            self.defend(Measure { available, reserve, stalled, stalled_long }, now_us);
        }
        let there_is = free.map(|free| free.saturating_sub(others.growth));
        self.see_reading(account.measured, there_is, pressure, now_us);
    }

    /// Keeps commands, and what they start, within what workers leave of the memory.
    pub(super) fn watch_foreign(&mut self) {
        let now_us = now_us();
        let has_any =
            !self.commands.is_empty() || !self.survivors.is_empty() || self.memory.foreign.stopped() > 0;
        if !has_any || self.memory.budget.is_off() {
            return self.pool.broker.limit_offers(u32::MAX);
        }
        if now_us < self.memory.foreign.next_us() {
            return;
        }
        let workers = self.workers.values().map(|running| running.child.process.pid());
        let ours: BTreeSet<u32> = workers.chain(self.guard.pid()).collect();
        let processes: Vec<_> = self.workers.keys().map(|ix| process_of_worker(*ix)).collect();
        let headroom = self.memory.headroom;
        let ledger = self.scheduler.ledger();
        let free = |used: u64| ledger.free_beside(&processes, headroom, used);
        let more = self.memory.foreign.watch(&ours, free, self.jobs, now_us);
        self.pool.broker.limit_offers(more.unwrap_or(u32::MAX));
    }

    /// When to look at commands again, microseconds. None if there are none.
    pub(super) fn foreign_us(&self) -> Option<u64> {
        let has_any = !self.commands.is_empty() || self.memory.foreign.stopped() > 0;
        (has_any && !self.memory.budget.is_off()).then(|| self.memory.foreign.next_us())
    }

    fn measure(&mut self, at_us: u64) {
        let mut measured = Vec::new();
        let links = self
            .workers
            .keys()
            .any(|ix| self.scheduler.running_in(*ix).iter().any(|item| is_link(&self.graph[*item])));
        let has_trees = links || !self.commands.is_empty();
        if has_trees && at_us < self.memory.next_trees_us {
            return;
        }
        let groups = has_trees.then(Resident::of_groups);
        self.memory.next_trees_us = at_us + CALM_US;
        let of = |pid: u32| match &groups {
            Some(groups) => groups.get(pid),
            None => sample::resident_bytes(pid),
        };
        for (ix, running) in &self.workers {
            let pid = running.child.process.pid();
            if let Some(bytes) = of(pid) {
                measured.push((process_of_worker(*ix), bytes));
                // With several links at once it is not known which of the linkers is whose.
                let links =
                    self.scheduler.running_in(*ix).into_iter().filter(|item| is_link(&self.graph[*item]));
                let links: Vec<ItemIx> = links.collect();
                if let [link] = links.as_slice() {
                    let own = sample::resident_bytes(pid).unwrap_or(bytes);
                    let peak = self.memory.linkers.entry(*link).or_default();
                    *peak = bytes.saturating_sub(own).max(*peak);
                }
                if self.sample {
                    let worker = WorkerNo(ix.0);
                    self.sink.event(self.graph, &Event::Rss { worker, bytes, at_us });
                }
            }
        }
        for (item, running) in &self.commands {
            measured.extend(of(running.child.process.pid()).map(|bytes| (process_of_command(*item), bytes)));
        }
        for (process, bytes) in measured {
            self.scheduler.ledger().measured(process, bytes);
            let peak = self.memory.peaks.entry(process.0).or_default();
            *peak = bytes.max(*peak);
        }
    }

    /// Says once, with `-v`, and again when it changes, what may be used and why.
    fn tell_budget(&mut self, chosen: Chosen) {
        if self.memory.told.as_ref() == Some(&chosen) {
            return;
        }
        if let Some(clamp) = &chosen.clamped
            && self.memory.told.is_none()
        {
            let mib = |bytes: u64| bytes >> 20;
            self.tell_warning(format!(
                "a memory budget of {} MiB is more than there is; going by {} MiB",
                mib(clamp.asked),
                mib(clamp.limit)
            ));
        }
        for note in self.memory.system.notes() {
            self.tell(Event::Message { severity: Severity::Verbose, text: note.to_string() });
        }
        self.tell(Event::Budget { chosen: chosen.clone(), at_us: now_us() });
        self.memory.told = Some(chosen);
    }

    pub(super) fn tell_leases(&mut self) {
        let ledger = self.scheduler.ledger();
        let (account, budget) = (ledger.totals(), ledger.ceiling());
        let now = (account.leases, account.baselines, budget);
        if self.memory.told_leases != now {
            self.memory.told_leases = now;
            let (bytes, baselines) = (account.leases, account.baselines);
            self.tell(Event::Leases { bytes, baselines, budget, at_us: now_us() });
        }
    }

    /// Does what is left to do before the kernel does it.
    fn defend(&mut self, measure: Measure, now_us: u64) {
        let steps = self.memory.defence.step(measure, now_us);
        self.memory.holds = steps.hold;
        if steps.purge {
            for running in self.workers.values_mut() {
                running.child.send(&ToWorker::Purge);
            }
        }
        if steps.kill
            && let Some(victim) = self.victim()
            && let Some(Running { child, .. }) = self.workers.get_mut(&victim)
        {
            self.memory.victims.insert(victim);
            child.process.signal_group(rustix::process::Signal::KILL);
        }
    }

    /// The largest worker that does not run the item that has run longest. None if that is the only one.
    fn victim(&mut self) -> Option<WorkerIx> {
        let oldest = self
            .running_since
            .iter()
            .min_by_key(|(item, since_us)| (**since_us, **item))
            .map(|(item, _)| *item);
        let mut workers: Vec<(u64, WorkerIx)> = Vec::new();
        for ix in self.workers.keys() {
            let runs = self.scheduler.running_in(*ix);
            if !runs.is_empty() && !oldest.is_some_and(|oldest| runs.contains(&oldest)) {
                let used = self.workers[ix].child.process.pid();
                workers.push((sample::resident_bytes(used).unwrap_or(0), *ix));
            }
        }
        workers.into_iter().max().map(|(_, ix)| ix)
    }

    /// Whether a worker that was killed was killed for memory: we did it, or the kernel says that it did.
    pub(super) fn was_out_of_memory(&mut self, ix: WorkerIx) -> bool {
        self.memory.victims.remove(&ix) || self.kernel_killed(1)
    }

    /// Whether the kernel has killed processes for memory of which nobody has heard yet. `at_most` so many are then heard of.
    pub(super) fn kernel_killed(&mut self, at_most: u64) -> bool {
        let kills = self.memory.system.oom_kills().unwrap_or(self.memory.oom_kills);
        let news = kills.saturating_sub(self.memory.oom_kills);
        self.memory.oom_kills += news.min(at_most);
        news > 0
    }

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
        let peaks =
            [(Stage::FrontEnd, begin), (Stage::BackEnd, report.piece_peak_bytes), (Stage::Join, join)];
        for (stage, bytes) in peaks.into_iter().filter(|(_, bytes)| *bytes > 0) {
            self.memory.history.measured(&self.graph[item].key, stage, bytes);
        }
    }

    /// A command ended.
    pub(super) fn learn_of_command(&mut self, item: ItemIx) {
        if let Some(peak) = self.memory.peaks.remove(&process_of_command(item).0) {
            self.memory.history.measured(&self.graph[item].key, Stage::FrontEnd, peak);
        }
    }

    /// They were in flight when their worker was killed for memory.
    pub(super) fn learn_of_kill(&mut self, items: &[ItemIx]) {
        for item in items {
            let need = self.scheduler.need(*item).begin;
            self.memory.history.killed(&self.graph[*item].key, Stage::FrontEnd, need);
        }
    }

    /// For people: what a process that was killed had used at most, and what there was.
    pub(super) fn memory_of(&self, ix: WorkerIx) -> String {
        let peak = self.memory.peaks.get(&process_of_worker(ix).0).copied();
        format!("peak {}, {}", mib(peak), self.memory_left())
    }

    /// For people: how much there was in all.
    pub(super) fn memory_left(&self) -> String {
        format!("budget {}", mib(self.memory.told.as_ref().and_then(|chosen| chosen.bytes)))
    }
}

fn mib(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".to_owned(), |bytes| format!("{} MiB", bytes >> 20))
}
