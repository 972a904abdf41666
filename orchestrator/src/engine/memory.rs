//! Memory while a build runs: read and measured, told to the ledger, and defended when it gets
//! short.

use super::Engine;
use super::dispatch::is_link;
use super::kills::Kills;
use crate::events::{Event, Needed, Severity, Shortage, Victim, WorkerNo};
use crate::graph::ItemIx;
use crate::host::foreign::Foreign;
use crate::memory::{
    Budget, Chosen, Denied, History, Killer, Measure, Note, Others, ProcessId, Reclaim,
    STALL_BEGINS, STALL_ENDS, Sample, Shares, Stage, Stall, System,
};
use crate::schedule::{Need, WorkerIx, item_of_lease, process_of_command, process_of_worker};
use crate::sys::clock::now_us;
use crate::sys::usage::{Gauge, Groups};
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often memory is read while there is plenty, and while there is not; microseconds.
const CALM_US: u64 = 100_000;
const TENSE_US: u64 = 20_000;

/// Less than this is not plenty, bytes: several jobs take so much in the time between two readings.
const TENSE: u64 = 256 << 20;

/// Where less is available, bytes, nothing is read that the kernel needs memory for: with a
/// directory of /proc opened while the memory of a worker that it has killed was not back yet, it
/// was seen to kill us.
const BRINK: u64 = 4 << 20;

/// What other builds are told is rounded up to so many bytes: it changes with each small unit.
const SHARE_STEP: u64 = 8 << 20;

/// How often what was measured is written while the build runs, microseconds.
const WRITE_US: u64 = 30_000_000;

pub(super) struct Memory {
    pub(super) system: System,
    budget: Budget,
    pub(super) history: History,
    /// None within where builds cannot see each other.
    shares: Option<Option<Shares>>,
    stall: Stall,
    pub(super) kills: Kills,
    pub(super) reclaim: Reclaim,
    /// Nothing new starts.
    pub(super) holds: bool,
    foreign: Foreign,
    /// What can still be used, by the last reading; None where that cannot be known.
    pub(super) headroom: Option<u64>,
    /// There is not plenty.
    pub(super) is_tense: bool,
    /// What was free at the last reading, what others have set aside included.
    limits_free: Option<u64>,
    /// Other builds of this user are there.
    has_others: bool,
    /// What they had set aside before the last reading, bytes. What of it they have used since is
    /// not in that reading.
    others_before: u64,
    /// Another build has the turn to grant.
    pub(super) awaits_turn: bool,
    /// What this build does without, to be said.
    notes: Vec<Note>,
    written_us: u64,
    next_us: u64,
    /// When whole process trees are measured again, microseconds.
    next_trees_us: u64,
    /// The most that each worker and command was seen to use, bytes.
    pub(super) peaks: BTreeMap<u32, u64>,
    /// The most that the linker of each link was seen to use, bytes.
    pub(super) linkers: BTreeMap<ItemIx, u64>,
}

impl Memory {
    pub(super) fn new(budget: Budget, state_dir: &Utf8Path) -> Memory {
        let system = System::find(Utf8Path::new("/"));
        let kills = Kills::new(system.oom_kills());
        let (history, damaged) = History::read(&state_dir.join("memory"));
        Memory {
            system,
            budget,
            history,
            shares: None,
            stall: Stall::new(STALL_ENDS),
            kills,
            reclaim: Reclaim::default(),
            holds: false,
            foreign: Foreign::default(),
            headroom: None,
            is_tense: false,
            limits_free: None,
            has_others: false,
            others_before: 0,
            awaits_turn: false,
            notes: damaged.into_iter().collect(),
            written_us: now_us(),
            next_us: 0,
            next_trees_us: 0,
            peaks: BTreeMap::new(),
            linkers: BTreeMap::new(),
        }
    }

    /// What an item was measured to need in earlier builds, or was killed at, in place of what is
    /// expected.
    pub(super) fn need(&self, key: &str, expected: Need) -> Need {
        let known = |stage| self.history.estimate(key, stage);
        let begin = known(Stage::FrontEnd);
        // One that has not come in pieces yet does not take more when it does.
        let piece = known(Stage::BackEnd).or(begin).unwrap_or(expected.piece);
        // What is too little to be asked for stays so.
        let join = known(Stage::Join).filter(|_| expected.join > 0);
        Need { begin: begin.unwrap_or(expected.begin), piece, join: join.unwrap_or(expected.join) }
    }

    fn shares(&mut self) -> Option<&mut Shares> {
        let notes = &mut self.notes;
        let joined = self.shares.get_or_insert_with(|| match Shares::of_this_user() {
            Ok(shares) => Some(shares),
            Err(error) => {
                notes.push(Note::Alone { why: error.to_string() });
                None
            }
        });
        joined.as_mut()
    }

    /// What other builds of this user say now.
    fn others(&mut self) -> Others {
        self.shares().and_then(|shares| shares.others().ok()).unwrap_or_default()
    }

    /// The share of the last `window` in which some task stalled for memory, and in which all did.
    pub(super) fn stalls(&self, window: Duration) -> Option<(f64, f64)> {
        Some((self.stall.some(window)?, self.stall.full(window)?))
    }

    /// How many processes of commands are stopped until there is memory for them again.
    pub(super) fn stopped(&self) -> u32 {
        self.foreign.stopped() as u32
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
    /// Reads what is free and measures what is used, if it is time to. Before anything is started,
    /// it is. Returns whether it was.
    pub(super) fn watch_memory(&mut self) -> bool {
        let now_us = now_us();
        if now_us < self.memory.next_us {
            return false;
        }
        if self.memory.budget.is_off() {
            self.memory.next_us = u64::MAX;
            let chosen = self.memory.budget.ceiling(None);
            self.tell_budget(chosen);
            return true;
        }
        self.memory.others_before = self.memory.others().growth;
        let Sample { limits, pressure } = self.memory.system.sample();
        self.memory.stall.add(Duration::from_micros(now_us), pressure);
        let at_brink = limits.as_ref().is_some_and(|limits| limits.binding().available < BRINK);
        let was_measured = self.measure(at_brink, now_us);
        self.count_kills(now_us);
        self.memory.limits_free = limits.as_ref().map(|limits| limits.headroom());
        self.leave_to_others();
        let there_is = self.memory.headroom;
        let chosen = self.memory.budget.ceiling(limits.as_ref());
        let ledger = self.scheduler.ledger();
        ledger.set_ceiling(chosen.bytes);
        let account = ledger.totals();
        let left = ledger.free();
        self.memory.is_tense = left < TENSE;
        let is_calm = !self.memory.is_tense && !self.memory.has_others;
        let pause_us = if is_calm { CALM_US } else { TENSE_US };
        self.memory.next_us = now_us + pause_us;
        self.tell_budget(chosen);
        if let Some(limits) = &limits {
            let binding = limits.binding();
            let (available, reserve) = (binding.available, binding.reserve());
            let stalled = self.memory.stall.full(STALL_BEGINS);
            let stalled_long = self.memory.stall.full(STALL_ENDS);
            self.defend(Measure { available, reserve, stalled, stalled_long }, now_us);
            self.end_what_gets_nowhere(binding, now_us);
        }
        if was_measured {
            self.purge_for_who_waits(now_us);
        }
        let budget = self.scheduler.ledger().ceiling();
        let memory = &self.memory;
        let stalls = |window| memory.stalls(window);
        self.progress.memory_read(account.measured, there_is, budget, pressure, stalls, now_us);
        // A build that is killed itself leaves most of what it has learned.
        if now_us >= self.memory.written_us + WRITE_US {
            self.memory.written_us = now_us;
            // The end of the build tries again.
            let _ = self.memory.close();
        }
        true
    }

    /// What other builds say may have changed since the last reading, and is looked at before
    /// anything is granted. What is granted is said in the same turn, so that no build overlooks
    /// it.
    pub(super) fn mind_other_builds(&mut self) {
        if self.progress.counts().dirty > 0 && !self.memory.budget.is_off() && !self.memory.holds {
            self.leave_to_others();
        }
    }

    /// What other builds have set aside is not there for us. While nothing new is to start, nothing
    /// is.
    fn leave_to_others(&mut self) {
        let now_us = now_us();
        self.memory.awaits_turn =
            self.memory.shares().is_some_and(|shares| !shares.begin_turn(now_us));
        let others = self.memory.others();
        let growth = others.growth.max(self.memory.others_before);
        let there_is = self.memory.limits_free.map(|free| free.saturating_sub(growth));
        (self.memory.headroom, self.memory.has_others) = (there_is, others.builds > 0);
        let holds = self.memory.holds;
        self.scheduler.ledger().reading(there_is.map(|there_is| if holds { 0 } else { there_is }));
    }

    pub(super) fn tell_other_builds(&mut self) {
        if self.memory.budget.is_off() || self.progress.counts().dirty == 0 {
            return;
        }
        let growth = self.scheduler.ledger().totals().growth;
        if let Some(shares) = self.memory.shares() {
            // The others go by what it said last.
            let _ = shares.publish(growth.next_multiple_of(SHARE_STEP));
        }
    }

    /// To be called in any case at the end of a round.
    pub(super) fn end_turn(&mut self) {
        if let Some(Some(shares)) = &mut self.memory.shares {
            shares.end_turn();
        }
    }

    /// Keeps commands, and what they start, within what workers leave of the memory.
    pub(super) fn watch_foreign(&mut self) {
        let now_us = now_us();
        let has_any = self.children.has_commands()
            || self.children.has_survivors()
            || self.memory.foreign.stopped() > 0;
        if !has_any || self.memory.budget.is_off() {
            return self.slots.limit_offers(u32::MAX);
        }
        if now_us < self.memory.foreign.next_us() {
            return;
        }
        let ours = self.children.own_pids();
        let processes: Vec<_> =
            self.children.workers().map(|(ix, _)| process_of_worker(ix)).collect();
        let headroom = self.memory.headroom;
        let ledger = self.scheduler.ledger();
        let free = |used: u64| ledger.free_beside(&processes, headroom, used);
        let more = self.memory.foreign.watch(&ours, free, self.slots.n(), now_us);
        // While everything stalls nobody begins anything; what they run goes on.
        let more = if self.memory.holds { Some(0) } else { more };
        self.slots.limit_offers(more.unwrap_or(u32::MAX));
    }

    /// When to look at commands again, microseconds. None if there are none.
    pub(super) fn foreign_us(&self) -> Option<u64> {
        let has_any = self.children.has_commands() || self.memory.foreign.stopped() > 0;
        (has_any && !self.memory.budget.is_off()).then(|| self.memory.foreign.next_us())
    }

    /// Returns whether it was time to, and could be done.
    fn measure(&mut self, at_brink: bool, at_us: u64) -> bool {
        let mut measured = Vec::new();
        let links = self.children.workers().any(|(ix, _)| {
            self.scheduler.running_in(ix).iter().any(|item| is_link(&self.graph[*item]))
        });
        let has_trees = links || self.children.has_commands();
        if has_trees && (at_brink || at_us < self.memory.next_trees_us) {
            return false;
        }
        let groups = has_trees.then(Groups::read);
        self.memory.next_trees_us = at_us + CALM_US;
        let in_group = |pid: u32| groups.as_ref()?.get(pid).map(|all| all.bytes);
        for (ix, child) in self.children.workers() {
            let alone = || child.gauge.as_ref().and_then(Gauge::resident_bytes);
            let bytes = if has_trees { in_group(child.process.pid()) } else { alone() };
            if let Some(bytes) = bytes {
                measured.push((process_of_worker(ix), bytes));
                // With several links at once it is not known which of the linkers is whose.
                let links = self
                    .scheduler
                    .running_in(ix)
                    .into_iter()
                    .filter(|item| is_link(&self.graph[*item]));
                let links: Vec<ItemIx> = links.collect();
                if let [link] = links.as_slice() {
                    let own = alone().unwrap_or(bytes);
                    let peak = self.memory.linkers.entry(*link).or_default();
                    *peak = bytes.saturating_sub(own).max(*peak);
                }
                if self.progress.samples() {
                    let worker = WorkerNo(ix.0);
                    self.progress.tell(Event::Rss { worker, bytes, at_us });
                }
            }
        }
        for (item, child) in self.children.commands() {
            let bytes = in_group(child.process.pid());
            measured.extend(bytes.map(|bytes| (process_of_command(item), bytes)));
        }
        for (process, bytes) in measured {
            self.scheduler.ledger().measured(process, bytes);
            let peak = self.memory.peaks.entry(process.0).or_default();
            *peak = bytes.max(*peak);
        }
        true
    }

    /// Says once, with `-v`, and again when it changes, what may be used and why.
    fn tell_budget(&mut self, chosen: Chosen) {
        let found = self.memory.system.notes();
        for note in std::mem::take(&mut self.memory.notes).into_iter().chain(found) {
            self.progress.message(Severity::Verbose, note.to_string());
        }
        self.progress.budget(chosen);
    }

    /// After each round in which slots were given out. `leases_us` is when its last lease was
    /// granted, and nobody else was told of any.
    pub(super) fn tell_memory_round(&mut self, leases_us: u64) {
        let ledger = self.scheduler.ledger();
        let (account, budget) = (ledger.totals(), ledger.ceiling());
        self.progress.leases(account.leases, account.baselines, budget, leases_us);
        let at_us = now_us();
        for (item, Denied { need, free, kept_for }) in self.scheduler.denied().to_vec() {
            let free = (free < u64::MAX).then_some(free);
            let kept_for = kept_for.map(item_of_lease);
            self.progress.wait_for_memory(item, Shortage { need, free, budget, kept_for }, at_us);
        }
        // What is offered to foreign children and not taken is not used either.
        let unused = self.slots.n().saturating_sub(self.slots.used());
        let waiting = self.progress.waiting_for_memory();
        self.progress.short_of_memory(self.scheduler.short_of_memory(unused, &waiting), at_us);
        self.progress.stopped(self.memory.stopped(), at_us);
    }

    pub(super) fn tell_needed(&mut self, item: ItemIx, begin_peak: u64, piece_peak: u64) {
        let need = self.scheduler.need(item);
        let begin = Needed { lease: need.begin, peak: begin_peak };
        let piece = Needed { lease: if piece_peak > 0 { need.piece } else { 0 }, peak: piece_peak };
        self.progress.needed(item, begin, piece);
    }

    /// The kernel killed a program that ran the item.
    pub(super) fn see_end_of_program(&mut self, item: ItemIx) {
        let peak = self.memory.peak_of(process_of_command(item));
        self.progress.killed(Victim::Program(item), &[item], Killer::Kernel, peak);
    }

    /// A worker ended for want of memory.
    pub(super) fn see_end_of_worker(&mut self, ix: WorkerIx, by: Killer) {
        let peak = self.memory.peak_of(process_of_worker(ix));
        let in_flight = self.scheduler.running_in(ix);
        self.progress.killed(Victim::Worker(WorkerNo(ix.0)), &in_flight, by, peak);
    }

    /// For people: what the linker or the command of an item had used at most, as far as that was
    /// seen, and what there was.
    pub(super) fn memory_of_item(&self, item: ItemIx) -> String {
        let command = self.memory.peaks.get(&process_of_command(item).0);
        let peak = command.or_else(|| self.memory.linkers.get(&item)).copied();
        format!("peak {}, {}", mib(peak), self.memory_left())
    }

    /// For people: how much there was in all.
    pub(super) fn memory_left(&self) -> String {
        format!("budget {}", mib(self.progress.budget_bytes()))
    }
}

pub(super) fn mib(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".to_owned(), |bytes| format!("{} MiB", bytes >> 20))
}
