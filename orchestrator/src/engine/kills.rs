//! Processes that are killed for memory: which one we kill before the kernel does or where nothing
//! gets on, and how it is known whose death was the kernel's doing.

use super::Engine;
use super::dispatch::is_link;
use super::memory::mib;
use crate::graph::ItemIx;
use crate::memory::{Bound, Defence, Evidence, Level, Measure, NEWS_US, Progress, Thrash};
use crate::schedule::{WorkerIx, process_of_worker};
use crate::sys::clock::{self, now_us};
use crate::sys::usage::Groups;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::Duration;
use tender_protocol::ToWorker;

/// How long the memory of what we have killed is waited for. It takes some milliseconds for each
/// 100 MiB.
const GONE_WITHIN: Duration = Duration::from_millis(200);

/// How often it is looked whether anything gets on, microseconds: with a linker all processes below
/// us are read for it.
const LOOK_EVERY_US: u64 = 1_000_000;

/// Where more than this and the reserve are available, bytes, nobody needs to be looked at. Pages
/// of files that are read again and again count as available, so some always are.
const SHORT: u64 = 22 << 20;

#[derive(Debug)]
pub(super) struct Kills {
    defence: Defence,
    thrash: Thrash,
    /// When to look again whether anything gets on, microseconds.
    next_look_us: u64,
    evidence: Evidence,
    /// When to look again whom the kernel has killed, microseconds.
    next_count_us: u64,
    /// Workers that we killed for memory, and whether it was because nothing got on.
    victims: BTreeMap<WorkerIx, bool>,
}

impl Kills {
    /// `counted` are those that the kernel has killed so far, whoever they were.
    pub(super) fn new(counted: Option<u64>) -> Kills {
        Kills {
            defence: Defence::default(),
            thrash: Thrash::default(),
            next_look_us: 0,
            evidence: Evidence::new(counted),
            next_count_us: 0,
            victims: BTreeMap::new(),
        }
    }

    /// Whether we killed the worker for memory.
    pub(super) fn is_victim(&self, worker: WorkerIx) -> bool {
        self.victims.contains_key(&worker)
    }
}

impl Engine<'_> {
    /// From time to time, so that old kills are known as old. With many groups below ours it takes
    /// a while.
    pub(super) fn count_kills(&mut self, now_us: u64) {
        if now_us < self.memory.kills.next_count_us {
            return;
        }
        let counted = self.memory.system.oom_kills();
        self.memory.kills.evidence.count(counted, now_us);
        let took_us = clock::now_us().saturating_sub(now_us);
        self.memory.kills.next_count_us = now_us + (1000 * took_us).max(NEWS_US / 2);
    }

    /// Does what is left to do before the kernel does it.
    pub(super) fn defend(&mut self, measure: Measure, now_us: u64) {
        let steps = self.memory.kills.defence.step(measure, now_us);
        self.memory.holds = steps.hold;
        if steps.purge {
            for (_, child) in self.children.workers_mut() {
                child.send(&ToWorker::Purge);
            }
        }
        if steps.kill
            && let Some(victim) = self.victim()
        {
            self.kill_for_memory(victim, false);
        }
    }

    /// The largest worker, with its linker, that does not run the item that has run longest. None
    /// if that is the only one.
    fn victim(&mut self) -> Option<WorkerIx> {
        let oldest = self.progress.oldest();
        let mut of = |ix: WorkerIx| {
            let used = self.scheduler.ledger().used_by(process_of_worker(ix));
            (ix, used, self.scheduler.running_in(ix))
        };
        let workers: Vec<_> = self.children.workers().map(|(ix, _)| of(ix)).collect();
        largest_without(oldest, &workers)
    }

    fn kill_for_memory(&mut self, victim: WorkerIx, gets_nowhere: bool) {
        let Some(child) = self.children.worker(victim) else { return };
        self.memory.kills.victims.insert(victim, gets_nowhere);
        child.process.signal_group(Signal::KILL);
        // Until its memory is back the kernel, if it finds none for us, has nobody to kill but us.
        // It is back when it has ended.
        let patience = Timespec::try_from(GONE_WITHIN).unwrap_or_default();
        let _ = poll(
            &mut [PollFd::from_borrowed_fd(child.process.pidfd(), PollFlags::IN)],
            Some(&patience),
        );
    }

    /// What workers get on with where `bound` leaves nothing. None if none of them runs anything,
    /// or it cannot be known.
    fn progress(&mut self, bound: &Bound) -> Option<Progress> {
        let ledger = self.scheduler.ledger();
        let runs = |ix: &WorkerIx| ledger.parts_in(process_of_worker(*ix)) > 0;
        let running: Vec<WorkerIx> =
            self.children.workers().map(|(ix, _)| ix).filter(runs).collect();
        let refaults = self.memory.system.refaults(bound).filter(|_| !running.is_empty())?;
        let is_linking =
            |ix| self.scheduler.running_in(ix).iter().any(|item| is_link(&self.graph[*item]));
        let groups = running.iter().any(|ix| is_linking(*ix)).then(Groups::read);
        let user_us = running.iter().map(|ix| {
            let child = self.children.worker(*ix)?;
            match &groups {
                Some(groups) => groups.get(child.process.pid()).map(|all| all.user_us),
                None => child.gauge.as_ref()?.user_us(),
            }
        });
        Some(Progress {
            user_us: user_us.sum::<Option<u64>>()?,
            refaults,
            ended: self.progress.counts().done,
        })
    }

    /// The rule for victims spares the oldest item so that the build advances. Here it does not.
    pub(super) fn end_what_gets_nowhere(&mut self, binding: &Level, now_us: u64) {
        if now_us < self.memory.kills.next_look_us {
            return;
        }
        self.memory.kills.next_look_us = now_us + LOOK_EVERY_US;
        let is_short = binding.available < SHORT.max(binding.reserve());
        let progress = is_short.then(|| self.progress(&binding.bound)).flatten();
        if !self.memory.kills.thrash.step(progress, now_us) {
            return;
        }
        let victim = self.victim().or_else(|| {
            let oldest = self.progress.oldest()?;
            let mut workers = self.children.workers().map(|(ix, _)| ix);
            workers.find(|ix| self.scheduler.running_in(*ix).contains(&oldest))
        });
        if let Some(victim) = victim {
            self.kill_for_memory(victim, true);
        }
    }

    /// Whether a worker that was killed was killed for memory: we did it, or the kernel says that
    /// it did.
    pub(super) fn was_out_of_memory(&mut self, ix: WorkerIx) -> bool {
        self.memory.kills.is_victim(ix) || self.kernel_killed()
    }

    /// Whether the kernel has just killed a process for memory that nothing accounts for yet: what
    /// has ended now does.
    pub(super) fn kernel_killed(&mut self) -> bool {
        self.memory.kills.evidence.count(self.memory.system.oom_kills(), now_us());
        self.memory.kills.evidence.take()
    }

    /// For people, after "killed for memory": why if it is not plain, what the process had used at
    /// most, and what there was.
    pub(super) fn memory_of(&self, ix: WorkerIx) -> String {
        let got_nowhere =
            self.memory.kills.victims.get(&ix).is_some_and(|got_nowhere| *got_nowhere);
        let why = if got_nowhere {
            ", since all its time went into reading what the kernel drops for it"
        } else {
            ""
        };
        let peak = Some(self.memory.peak_of(process_of_worker(ix))).filter(|peak| *peak > 0);
        format!("{why}: peak {}, {}", mib(peak), self.memory_left())
    }
}

/// The worker that uses the most of those that run something, and not this item. Workers with the
/// bytes that they use, and what they run. Of equals the youngest.
fn largest_without(
    item: Option<ItemIx>,
    workers: &[(WorkerIx, u64, Vec<ItemIx>)],
) -> Option<WorkerIx> {
    let may_go =
        |runs: &[ItemIx]| !runs.is_empty() && !item.is_some_and(|item| runs.contains(&item));
    let may_go = workers.iter().filter(|(_, _, runs)| may_go(runs));
    may_go.max_by_key(|(ix, used, _)| (*used, *ix)).map(|(ix, _, _)| *ix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_goes_that_does_not_run_the_oldest_item() {
        let check = |oldest: Option<u32>, workers: &[(u32, u64, &[u32])], expect: Option<u32>| {
            let workers: Vec<_> = workers
                .iter()
                .map(|(ix, used, runs)| {
                    (WorkerIx(*ix), *used, runs.iter().copied().map(ItemIx).collect())
                })
                .collect();
            let victim = largest_without(oldest.map(ItemIx), &workers);
            assert_eq!(victim, expect.map(WorkerIx), "{oldest:?} {workers:?}");
        };
        check(None, &[], None);
        check(Some(1), &[(0, 100, &[1])], None);
        check(Some(1), &[(0, 100, &[1]), (1, 10, &[2]), (2, 20, &[3])], Some(2));
        check(Some(2), &[(0, 100, &[1]), (1, 10, &[2]), (2, 20, &[3])], Some(0));
        check(Some(2), &[(0, 100, &[1, 2]), (1, 10, &[3])], Some(1));
        // Nothing is lost with what runs nothing, and little is won.
        check(Some(1), &[(0, 100, &[1]), (1, 200, &[]), (2, 5, &[2])], Some(2));
        check(Some(1), &[(0, 100, &[1]), (1, 200, &[])], None);
        check(Some(9), &[(3, 50, &[1]), (4, 50, &[2]), (2, 50, &[3])], Some(4));
        // A command is the oldest, or what runs began just now.
        check(Some(9), &[(0, 100, &[1])], Some(0));
        check(None, &[(0, 100, &[1])], Some(0));
    }
}
