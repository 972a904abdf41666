//! Which processes of external commands are stopped while memory is short. Pure: the processes,
//! what is free and the time are arguments; orders are returned.
//!
//! External commands (make, ninja, cargo, and their descendants) do not request leases. We can
//! offer them no more tokens, and stop some of their processes for a while. For that, processes are
//! grouped into *jobs*: a job is a child of a *spawner* (make, ninja, a command with several
//! children), with its descendants.
//!
//! ```text
//! make ─┬─ sh ── g++ ── cc1plus     a job
//!       ├─ clang++                  a job
//!       └─ make ─┬─ clang++         a job
//!                └─ clang++         a job
//! ```
//!
//! From the oldest job to the youngest, the expected growth of each is subtracted from what is
//! free. A job that does not fit is stopped, so the youngest are stopped first. The oldest always
//! runs, so the command makes progress. Only processes without children are stopped, which are the
//! compilers; their parents just wait for them. A stopped job keeps its memory, so a job is judged
//! by its expected size from its start, while it is small.
//!
//! A running job may wait for a stopped one, if they share a pipe or a lock. So if no running
//! process uses processor time, the oldest stopped job is continued, and is not stopped again.
//!
//! A stopped job keeps its job slot: its token cannot be taken from it, and when it is continued,
//! the slot must not be in use by another job.

use crate::sys::family::{Identity, Member};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tender_units::{Bytes, Micros};

/// What to do with the processes now.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Orders {
    /// Processes to stop.
    pub stop: Vec<Identity>,
    /// Processes that we had stopped, to be continued.
    pub resume: Vec<Identity>,
    /// How many more jobs have room. `None`: not limited.
    pub more: Option<u32>,
}

/// The expected size of a job, bytes, while few of its kind have ended: that of a C++ file of
/// middle size.
const UNKNOWN: Bytes = Bytes(192 << 20);

/// Fewer ended jobs than this do not count: the first ones are often small probes of the compiler.
const FEW: usize = 4;

/// How many ended jobs of a kind are remembered.
const REMEMBERED: usize = 16;

/// After this time without progress, microseconds, a stopped job is continued.
const STANDSTILL_US: Micros = Micros::from_secs(1);

/// The shortest time that a job stays stopped, microseconds, because free memory fluctuates.
const PAUSE_US: Micros = Micros::from_millis(100);

/// Programs that are spawners even with a single child, and never jobs: without children they read
/// their files, or they are the watchdog of a `tender` below this one.
const SPAWNERS: [&str; 8] =
    ["make", "gmake", "ninja", "ninja-build", "samu", "cargo", "tender", "cmake"];

#[derive(Debug, Default)]
pub struct Brake {
    /// Processes that have had several children at once.
    spawners: BTreeSet<Identity>,
    /// The jobs of the last step.
    jobs: BTreeMap<Identity, KnownJob>,
    /// Peaks of jobs that have ended, by the program that used the most; bytes.
    ended: BTreeMap<String, VecDeque<Bytes>>,
    progress: CpuProgress,
    /// The expected growth of running jobs at the last step, bytes.
    growth: Bytes,
    /// What stopped jobs used at the last step, bytes.
    stopped_bytes: Bytes,
}

/// What is known of a job from earlier steps.
#[derive(Debug, Default)]
struct KnownJob {
    name: String,
    peak: Bytes,
    /// Its processes that we stopped, and when we stopped the first of them.
    stopped: BTreeSet<Identity>,
    stopped_us: Micros,
    /// It was continued because nothing else made progress.
    forced: bool,
}

#[derive(Debug, Default)]
struct CpuProgress {
    used: u64,
    since_us: Micros,
}

/// A job in this step.
struct Job<'a> {
    root: &'a Member,
    members: Vec<&'a Member>,
    bytes: Bytes,
}

impl Brake {
    /// `roots` are the processes that we have started ourselves. `free` is what all processes
    /// together may use in addition, bytes; `None`: no limit.
    pub fn step(
        &mut self,
        members: &[Member],
        roots: &[u32],
        free: Option<Bytes>,
        now_us: Micros,
    ) -> Orders {
        let tree = Tree::new(members);
        self.note_spawners(&tree, roots);
        let jobs = self.jobs_of(&tree, roots);
        self.note_jobs(&jobs);
        let mut orders = Orders::default();
        self.stopped_bytes = Bytes::ZERO;
        let Some(free) = free else {
            orders.resume = self.release();
            return orders;
        };
        let is_stalled = self.is_stalled(members, now_us);
        let mut unclaimed = free;
        self.growth = Bytes::ZERO;
        let mut any_stopped = false;
        let mut has_continued = false;
        for (at, job) in jobs.iter().enumerate() {
            let growth = self.growth(job);
            let seen = self.jobs.get_mut(&job.root.identity()).expect("it was noted");
            let is_stopped = !seen.stopped.is_empty();
            // With hysteresis: a running job may exceed what is free a little, and a stopped one is
            // continued only if it fits.
            let fits = if is_stopped {
                growth <= unclaimed && now_us >= seen.stopped_us + PAUSE_US
            } else {
                growth - growth / 4 <= unclaimed
            };
            if is_stalled && is_stopped && !has_continued {
                has_continued = true;
                seen.forced = true;
            }
            if at == 0 || seen.forced || fits {
                unclaimed = unclaimed.saturating_sub(growth);
                self.growth = self.growth.saturating_add(growth);
                orders.resume.extend(std::mem::take(&mut seen.stopped));
                continue;
            }
            any_stopped = true;
            self.stopped_bytes += job.bytes;
            if !is_stopped {
                seen.stopped_us = now_us;
            }
            // Stopped processes are stopped again, in case another program has continued them.
            for leaf in job.members.iter().filter(|member| tree.is_leaf(member)) {
                seen.stopped.insert(leaf.identity());
                orders.stop.push(leaf.identity());
            }
        }
        let one_more = self.one_more();
        if jobs.is_empty() {
            // The first job needs no token.
            unclaimed = unclaimed.saturating_sub(one_more);
        }
        orders.more = Some(if any_stopped {
            0
        } else {
            (unclaimed.0 / one_more.0).try_into().unwrap_or(u32::MAX)
        });
        orders
    }

    /// Continues all stopped jobs. Returns their processes.
    pub fn release(&mut self) -> Vec<Identity> {
        self.jobs.values_mut().flat_map(|job| std::mem::take(&mut job.stopped)).collect()
    }

    /// The expected growth of running jobs at the last step, bytes.
    pub fn growth_of_all(&self) -> Bytes {
        self.growth
    }

    /// What stopped jobs used at the last step, bytes.
    pub fn stopped_bytes(&self) -> Bytes {
        self.stopped_bytes
    }

    /// How many jobs are stopped.
    pub fn stopped(&self) -> usize {
        self.jobs.values().filter(|job| !job.stopped.is_empty()).count()
    }

    fn note_spawners(&mut self, tree: &Tree<'_>, roots: &[u32]) {
        let alive: BTreeSet<Identity> =
            tree.by_pid.values().map(|member| member.identity()).collect();
        self.spawners.retain(|spawner| alive.contains(spawner));
        for (pid, children) in &tree.children {
            let Some(member) = tree.by_pid.get(pid) else { continue };
            let is_known = SPAWNERS.contains(&member.name.as_str()) || roots.contains(pid);
            if is_known || children.len() > 1 {
                self.spawners.insert(member.identity());
            }
        }
    }

    /// The oldest first.
    fn jobs_of<'a>(&self, tree: &Tree<'a>, roots: &[u32]) -> Vec<Job<'a>> {
        let spawns =
            |member: &Member| self.spawners.contains(&member.identity()) && !tree.is_leaf(member);
        let mut jobs: Vec<Job<'a>> = Vec::new();
        let mut beyond: Vec<&'a Member> =
            roots.iter().filter_map(|root| tree.by_pid.get(root).copied()).collect();
        while let Some(member) = beyond.pop() {
            if spawns(member) {
                beyond.extend(tree.children_of(member));
                continue;
            }
            if tree.is_leaf(member) && SPAWNERS.contains(&member.name.as_str()) {
                continue;
            }
            let mut members = vec![member];
            let mut at = 0;
            while let Some(next) = members.get(at).copied() {
                // The children of a spawner below are jobs of their own.
                let (inner, own): (Vec<_>, Vec<_>) =
                    tree.children_of(next).partition(|child| spawns(child));
                beyond.extend(inner);
                members.extend(own);
                at += 1;
            }
            let bytes = members.iter().map(|member| member.bytes).sum();
            jobs.push(Job { root: member, members, bytes });
        }
        jobs.sort_unstable_by_key(|job| job.root.identity());
        jobs
    }

    fn note_jobs(&mut self, jobs: &[Job<'_>]) {
        let now: BTreeSet<Identity> = jobs.iter().map(|job| job.root.identity()).collect();
        let gone: Vec<Identity> =
            self.jobs.keys().filter(|job| !now.contains(job)).copied().collect();
        for job in gone {
            let Some(KnownJob { name, peak, .. }) = self.jobs.remove(&job) else { continue };
            let peaks = self.ended.entry(name).or_default();
            peaks.push_back(peak);
            if peaks.len() > REMEMBERED {
                peaks.pop_front();
            }
        }
        for job in jobs {
            let seen = self.jobs.entry(job.root.identity()).or_default();
            let alive: BTreeSet<Identity> =
                job.members.iter().map(|member| member.identity()).collect();
            seen.stopped.retain(|process| alive.contains(process));
            if job.bytes >= seen.peak
                && let Some(largest) =
                    job.members.iter().max_by_key(|member| (member.bytes, member.pid))
            {
                seen.peak = job.bytes;
                seen.name.clone_from(&largest.name);
            }
        }
    }

    /// What a job is expected to use in addition, bytes.
    fn growth(&self, job: &Job<'_>) -> Bytes {
        let name = self.jobs.get(&job.root.identity()).map_or("", |seen| &seen.name);
        // A job that is as large as expected may still grow.
        self.expected(name).saturating_sub(job.bytes).max(job.bytes / 8)
    }

    fn expected(&self, name: &str) -> Bytes {
        let ended = self.ended.get(name);
        let at_least =
            if ended.is_some_and(|peaks| peaks.len() >= FEW) { Bytes::ZERO } else { UNKNOWN };
        let running = self.jobs.values().filter(|job| job.name == name).map(|job| job.peak);
        running.chain(ended.into_iter().flatten().copied()).fold(at_least, Bytes::max)
    }

    /// The expected size of the next job, bytes: that of the largest kind, since its kind is
    /// unknown.
    fn one_more(&self) -> Bytes {
        let names: BTreeSet<&String> =
            self.ended.keys().chain(self.jobs.values().map(|job| &job.name)).collect();
        names.into_iter().map(|name| self.expected(name)).max().unwrap_or(UNKNOWN).max(Bytes(1))
    }

    fn is_stalled(&mut self, members: &[Member], now_us: Micros) -> bool {
        // The time of a process that ends is missing from the sum, so any change is progress.
        let used = members.iter().map(|member| member.used).sum();
        if used != self.progress.used || self.stopped() == 0 {
            self.progress = CpuProgress { used, since_us: now_us };
        }
        let is_stalled = now_us >= self.progress.since_us + STANDSTILL_US;
        if is_stalled {
            self.progress.since_us = now_us;
        }
        is_stalled
    }
}

struct Tree<'a> {
    by_pid: BTreeMap<u32, &'a Member>,
    children: BTreeMap<u32, Vec<u32>>,
}

impl<'a> Tree<'a> {
    fn new(members: &'a [Member]) -> Tree<'a> {
        let by_pid: BTreeMap<u32, &Member> =
            members.iter().map(|member| (member.pid, member)).collect();
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for member in by_pid.values() {
            children.entry(member.parent).or_default().push(member.pid);
        }
        Tree { by_pid, children }
    }

    fn children_of(&self, member: &Member) -> impl Iterator<Item = &'a Member> + use<'a, '_> {
        let children = self.children.get(&member.pid).into_iter().flatten();
        children.filter_map(|pid| self.by_pid.get(pid).copied())
    }

    fn is_leaf(&self, member: &Member) -> bool {
        !self.children.contains_key(&member.pid)
    }
}

#[cfg(test)]
mod tests;
