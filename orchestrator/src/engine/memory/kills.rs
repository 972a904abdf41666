//! Processes that are killed for memory: which worker we kill before the kernel does, or because
//! the build makes no progress; and which deaths are attributed to the kernel.

use super::{MemoryController, View, or_unknown};
use crate::host::sampler::Sampler;
use crate::keys::{ChildId, ItemId, WorkerId};
use crate::memory::{
    Defence, Evidence, Ledger, Measure, MemoryLimit, NEWS_US, Steps, Thrash, WorkDone,
};
use crate::sys::clock;
use crate::sys::usage::Groups;
use std::collections::BTreeMap;
use tender_units::{Bytes, Micros};

/// How long to wait for the end of a victim, microseconds. The kernel needs some milliseconds to
/// free 100 MiB.
const GONE_WITHIN_US: Micros = Micros::from_millis(200);

/// How often to check whether the build makes progress, microseconds. While a linker runs, that
/// reads all processes below us.
const LOOK_EVERY_US: Micros = Micros::from_secs(1);

/// Progress is not checked if more than this and more than the reserve are available, bytes. File
/// pages that are read again and again count as available, so there are always some.
const SHORT: Bytes = Bytes(22 << 20);

#[derive(Debug)]
pub(super) struct Kills {
    defence: Defence,
    thrash: Thrash,
    /// When to check progress again, microseconds.
    next_look_us: Micros,
    evidence: Evidence,
    /// When to read the kernel's counters of kills again, microseconds.
    next_count_us: Micros,
    /// Workers that we killed for memory, and why.
    victims: BTreeMap<WorkerId, Cause>,
    /// The last victim until it has ended, and until when to wait for that, microseconds.
    awaited: Option<(WorkerId, Micros)>,
}

/// Why we killed a worker for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Too little memory was available.
    Shortage,
    /// The build made no progress.
    Thrashing,
}

impl Kills {
    /// `counted` is the kernel's count of kills at the beginning.
    pub(super) fn new(counted: Option<u64>) -> Kills {
        Kills {
            defence: Defence::default(),
            thrash: Thrash::default(),
            next_look_us: Micros::ZERO,
            evidence: Evidence::new(counted),
            next_count_us: Micros::ZERO,
            victims: BTreeMap::new(),
            awaited: None,
        }
    }

    /// Reads the kernel's counters from time to time, so that old kills are recognised as old. With
    /// many groups below ours that is slow, so it is done less often then.
    pub(super) fn count_oom_kills(&mut self, now_us: Micros, sampler: &Sampler) {
        if now_us < self.next_count_us {
            return;
        }
        self.evidence.count(sampler.oom_kills(), now_us);
        let took_us = clock::now_us().saturating_sub(now_us);
        self.next_count_us = now_us + (took_us * 1000).max(NEWS_US / 2);
    }

    /// What to do when memory is short, before the kernel kills.
    pub(super) fn defend(&mut self, measure: Measure, now_us: Micros) -> Steps {
        self.defence.step(measure, now_us)
    }

    /// The largest worker, with its linker, that does not run the item that has run longest. `None`
    /// if there is no other worker.
    pub(super) fn choose_victim(
        &mut self,
        view: &View<'_>,
        ledger: &Ledger,
        now_us: Micros,
    ) -> Option<WorkerId> {
        let victim = largest_without(view, ledger)?;
        self.note_victim(victim, Cause::Shortage, now_us);
        Some(victim)
    }

    /// The worker to kill because the build makes no progress. It may run the oldest item, which
    /// [`Kills::choose_victim`] spares so that the build makes progress.
    pub(super) fn kill_if_thrashing(
        &mut self,
        binding: &MemoryLimit,
        view: &View<'_>,
        ledger: &Ledger,
        sampler: &Sampler,
        now_us: Micros,
    ) -> Option<WorkerId> {
        if now_us < self.next_look_us {
            return None;
        }
        self.next_look_us = now_us + LOOK_EVERY_US;
        let is_short = binding.available < SHORT.max(binding.reserve());
        let work = is_short.then(|| work_done(binding, view, ledger, sampler)).flatten();
        if !self.thrash.step(work, now_us) {
            return None;
        }
        let victim =
            largest_without(view, ledger).or_else(|| view.worker_that_runs(view.oldest?))?;
        self.note_victim(victim, Cause::Thrashing, now_us);
        Some(victim)
    }

    fn note_victim(&mut self, victim: WorkerId, cause: Cause, now_us: Micros) {
        self.victims.insert(victim, cause);
        // Until the victim's memory is free, the kernel can only kill us if it needs memory for us.
        // The memory is free when the process has ended.
        self.awaited = Some((victim, now_us + GONE_WITHIN_US));
    }

    /// Until when to wait for the end of a victim, microseconds.
    pub(super) fn awaits_until(&self, now_us: Micros) -> Option<Micros> {
        self.awaited.map(|(_, until_us)| until_us).filter(|until_us| now_us < *until_us)
    }
}

impl MemoryController {
    /// A worker has ended, so its memory is free.
    pub(in crate::engine) fn worker_ended(&mut self, worker: WorkerId) {
        self.kills.awaited = self.kills.awaited.filter(|(victim, _)| *victim != worker);
    }

    /// Whether we killed the worker for memory.
    pub(in crate::engine) fn is_victim(&self, worker: WorkerId) -> bool {
        self.kills.victims.contains_key(&worker)
    }

    /// Attributes a recent kill by the kernel to the process that the caller asks about. Returns
    /// false if there is none that was not attributed before.
    pub(in crate::engine) fn take_unattributed_oom_kill(&mut self, now_us: Micros) -> bool {
        self.kills.evidence.count(self.sampler.oom_kills(), now_us);
        self.kills.evidence.take()
    }

    /// The text after "killed for memory": the reason if the build made no progress, the peak of
    /// the process, and the budget.
    pub(in crate::engine) fn kill_text(&self, worker: WorkerId) -> String {
        let why = match self.kills.victims.get(&worker) {
            Some(Cause::Thrashing) => {
                ", because it only read again what the kernel had dropped from memory"
            }
            Some(Cause::Shortage) | None => "",
        };
        let peak =
            Some(self.usage.peak_of(ChildId::Worker(worker))).filter(|peak| *peak > Bytes::ZERO);
        format!("{why}: peak {}, {}", or_unknown(peak), self.budget_text())
    }
}

/// The counters of the work done by workers. `None` if none of them runs anything, or they cannot
/// be read.
fn work_done(
    binding: &MemoryLimit,
    view: &View<'_>,
    ledger: &Ledger,
    sampler: &Sampler,
) -> Option<WorkDone> {
    let runs = |worker: WorkerId| ledger.parts_in(ChildId::Worker(worker)) > 0;
    let running: Vec<_> = view.workers.iter().filter(|worker| runs(worker.worker)).collect();
    let refaults = sampler.refaults(&binding.bound).filter(|_| !running.is_empty())?;
    let groups = running.iter().any(|worker| !worker.links.is_empty()).then(Groups::read);
    let user_us = running.iter().map(|worker| match &groups {
        Some(groups) => groups.get(worker.pid).map(|all| all.user_us),
        None => worker.gauge?.user_us(),
    });
    Some(WorkDone { user_us: user_us.sum::<Option<Micros>>()?, refaults, ended: view.done })
}

/// The worker that uses the most memory, of those that run items other than the oldest. Of equals
/// the youngest.
fn largest_without(view: &View<'_>, ledger: &Ledger) -> Option<WorkerId> {
    let workers: Vec<_> = view
        .workers
        .iter()
        .map(|worker| {
            let used = ledger.used_by(ChildId::Worker(worker.worker));
            (worker.worker, used, worker.running.as_slice())
        })
        .collect();
    choose_largest(view.oldest, &workers)
}

/// As `largest_without`, from workers with the bytes that they use and the items that they run.
fn choose_largest(
    oldest: Option<ItemId>,
    workers: &[(WorkerId, Bytes, &[ItemId])],
) -> Option<WorkerId> {
    let may_be_killed =
        |runs: &[ItemId]| !runs.is_empty() && !oldest.is_some_and(|item| runs.contains(&item));
    let may_be_killed = workers.iter().filter(|(_, _, runs)| may_be_killed(runs));
    may_be_killed.max_by_key(|(ix, used, _)| (*used, *ix)).map(|(ix, _, _)| *ix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn victim_is_the_largest_worker_without_the_oldest_item() {
        let check = |oldest: Option<u32>, workers: &[(u32, u64, &[u32])], expect: Option<u32>| {
            let runs: Vec<Vec<ItemId>> = workers
                .iter()
                .map(|(_, _, runs)| runs.iter().copied().map(ItemId).collect())
                .collect();
            let views: Vec<_> = workers
                .iter()
                .zip(&runs)
                .map(|((ix, used, _), runs)| (WorkerId(*ix), Bytes(*used), runs.as_slice()))
                .collect();
            let victim = choose_largest(oldest.map(ItemId), &views);
            assert_eq!(victim, expect.map(WorkerId), "{oldest:?} {workers:?}");
        };
        check(None, &[], None);
        check(Some(1), &[(0, 100, &[1])], None);
        check(Some(1), &[(0, 100, &[1]), (1, 10, &[2]), (2, 20, &[3])], Some(2));
        check(Some(2), &[(0, 100, &[1]), (1, 10, &[2]), (2, 20, &[3])], Some(0));
        check(Some(2), &[(0, 100, &[1, 2]), (1, 10, &[3])], Some(1));
        // Idle workers are not killed: they use little.
        check(Some(1), &[(0, 100, &[1]), (1, 200, &[]), (2, 5, &[2])], Some(2));
        check(Some(1), &[(0, 100, &[1]), (1, 200, &[])], None);
        check(Some(9), &[(3, 50, &[1]), (4, 50, &[2]), (2, 50, &[3])], Some(4));
        // The oldest item runs in no worker, or is unknown.
        check(Some(9), &[(0, 100, &[1])], Some(0));
        check(None, &[(0, 100, &[1])], Some(0));
    }

    #[test]
    fn victim_is_awaited_until_it_ends_or_for_a_while() {
        let mut kills = Kills::new(None);
        assert_eq!(kills.awaits_until(Micros(1_000)), None);
        kills.note_victim(WorkerId(3), Cause::Shortage, Micros(1_000));
        assert_eq!(kills.awaits_until(Micros(1_001)), Some(Micros(1_000) + GONE_WITHIN_US));
        assert_eq!(kills.awaits_until(Micros(1_000) + GONE_WITHIN_US), None);
    }
}
