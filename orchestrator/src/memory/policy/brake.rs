//! Which processes of foreign trees may run while memory is short. Pure: what is there, what is
//! free and the time come in, orders go out.
//!
//! A foreign tree (make, ninja, cargo, and all that they start) cannot be asked for leases. What
//! can be done is to give it no more job tokens, and to stop some of its processes for a while. So
//! its processes are gathered into *jobs*: a job is what a *spawner* (make, ninja, a command that
//! has several children) has started, with all below it.
//!
//! ```text
//! make ─┬─ sh ── g++ ── cc1plus     a job
//!       ├─ clang++                  a job
//!       └─ make ─┬─ clang++         a job
//!                └─ clang++         a job
//! ```
//!
//! From the oldest job to the youngest each is counted with what it is expected to grow yet, and
//! what finds no room is stopped: so the youngest are stopped first. The oldest always runs, so the
//! tree always advances. Stopped are only processes without children, the ones that compile; what
//! waits for them notices nothing. A job that was stopped keeps its memory, so the expected size
//! counts from the start, when the job is still small.
//!
//! A stopped job may be one that a running one waits for (they share a pipe, or a lock). If nothing
//! that may run uses any processor time, the oldest of the stopped goes on, and is not stopped
//! again.
//!
//! A stopped job keeps its job slot. Nobody can take the token of a process that is stopped, and
//! when the job is continued it must not be one too many.

use crate::sys::family::{Identity, Member};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is to be done with a foreign tree now.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Orders {
    /// Processes to stop.
    pub stop: Vec<Identity>,
    /// Processes that we had stopped and that may go on.
    pub resume: Vec<Identity>,
    /// How many further jobs there is room for. None: as many as there are tokens.
    pub more: Option<u32>,
}

/// A job is expected to need as much as this, bytes, while few of its kind have ended: a C++ file
/// of middling size.
const UNKNOWN: u64 = 192 << 20;

/// So many are few: the first ones are often probes, which say nothing.
const FEW: usize = 4;

/// How many ended jobs of a kind are remembered.
const REMEMBERED: usize = 16;

/// Without any progress for so long, microseconds, a job that was stopped goes on.
const STANDSTILL_US: u64 = 1_000_000;

/// A job that was stopped stays so at least as long, microseconds: what is free jitters.
const PAUSE_US: u64 = 100_000;

/// These start jobs even where only one is seen at a time, and are none themselves: while they have
/// no children they read their files, or, as a `tender` below a `tender`, watch over what others
/// have started.
const SPAWNERS: [&str; 8] =
    ["make", "gmake", "ninja", "ninja-build", "samu", "cargo", "tender", "cmake"];

#[derive(Debug, Default)]
pub struct Brake {
    /// Processes that were seen with several children at once.
    spawners: BTreeSet<Identity>,
    /// Jobs that were there at the last look.
    jobs: BTreeMap<Identity, Seen>,
    /// Peaks of jobs that have ended, by the program that used the most; bytes.
    ended: BTreeMap<String, VecDeque<u64>>,
    progress: Progress,
    /// What the jobs that run are expected to grow yet, bytes, at the last look.
    growth: u64,
    /// What those use that are stopped, bytes, since the last look.
    stopped_bytes: u64,
}

/// A job, as it is remembered from look to look.
#[derive(Debug, Default)]
struct Seen {
    name: String,
    peak: u64,
    /// Processes of it that we stopped, and when the first of them was.
    stopped: BTreeSet<Identity>,
    stopped_us: u64,
    /// It was let go because nothing else went on.
    forced: bool,
}

#[derive(Debug, Default)]
struct Progress {
    used: u64,
    since_us: u64,
}

/// A job, as it is now.
struct Job<'a> {
    root: &'a Member,
    members: Vec<&'a Member>,
    bytes: u64,
}

impl Brake {
    /// `roots` are the processes that we have started ourselves. `free` is what the whole tree may
    /// use beyond what it uses now; None: there is no limit.
    pub fn step(
        &mut self,
        members: &[Member],
        roots: &[u32],
        free: Option<u64>,
        now_us: u64,
    ) -> Orders {
        let tree = Tree::new(members);
        self.note_spawners(&tree, roots);
        let jobs = self.jobs_of(&tree, roots);
        self.note_jobs(&jobs);
        let mut orders = Orders::default();
        self.stopped_bytes = 0;
        let Some(free) = free else {
            orders.resume = self.release();
            return orders;
        };
        let stands_still = self.stands_still(members, now_us);
        let mut left = free;
        self.growth = 0;
        let mut any_stopped = false;
        let mut let_go = false;
        for (at, job) in jobs.iter().enumerate() {
            let growth = self.growth(job);
            let seen = self.jobs.get_mut(&job.root.identity()).expect("it was noted");
            let is_stopped = !seen.stopped.is_empty();
            // A little too much is left running, and a stopped job goes on when there is really
            // room.
            let fits = if is_stopped {
                growth <= left && now_us >= seen.stopped_us + PAUSE_US
            } else {
                growth - growth / 4 <= left
            };
            if stands_still && is_stopped && !let_go {
                let_go = true;
                seen.forced = true;
            }
            if at == 0 || seen.forced || fits {
                left = left.saturating_sub(growth);
                self.growth = self.growth.saturating_add(growth);
                orders.resume.extend(std::mem::take(&mut seen.stopped));
                continue;
            }
            any_stopped = true;
            self.stopped_bytes += job.bytes;
            if !is_stopped {
                seen.stopped_us = now_us;
            }
            // Those that were stopped before are stopped again, in case someone else has continued
            // them.
            for leaf in job.members.iter().filter(|member| tree.is_leaf(member)) {
                seen.stopped.insert(leaf.identity());
                orders.stop.push(leaf.identity());
            }
        }
        let one_more = self.one_more();
        if jobs.is_empty() {
            // The first needs no token.
            left = left.saturating_sub(one_more);
        }
        orders.more =
            Some(if any_stopped { 0 } else { (left / one_more).try_into().unwrap_or(u32::MAX) });
        orders
    }

    /// Everything that was stopped goes on. Returns the processes to be continued.
    pub fn release(&mut self) -> Vec<Identity> {
        self.jobs.values_mut().flat_map(|job| std::mem::take(&mut job.stopped)).collect()
    }

    /// What the jobs that run are expected to grow yet, bytes, at the last look.
    pub fn growth_of_all(&self) -> u64 {
        self.growth
    }

    /// What those jobs use that the last look has stopped or left so, bytes.
    pub fn stopped_bytes(&self) -> u64 {
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
                // A spawner below begins jobs of its own.
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
            let Some(Seen { name, peak, .. }) = self.jobs.remove(&job) else { continue };
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

    /// What a job is expected to need beyond what it uses now, bytes.
    fn growth(&self, job: &Job<'_>) -> u64 {
        let name = self.jobs.get(&job.root.identity()).map_or("", |seen| &seen.name);
        // However large it is, the end is not in sight.
        self.expected(name).saturating_sub(job.bytes).max(job.bytes / 8)
    }

    fn expected(&self, name: &str) -> u64 {
        let ended = self.ended.get(name);
        let at_least = if ended.is_some_and(|peaks| peaks.len() >= FEW) { 0 } else { UNKNOWN };
        let running = self.jobs.values().filter(|job| job.name == name).map(|job| job.peak);
        running.chain(ended.into_iter().flatten().copied()).fold(at_least, u64::max)
    }

    /// What the next job is expected to need: as much as the largest kind, as its kind is not
    /// known.
    fn one_more(&self) -> u64 {
        let names: BTreeSet<&String> =
            self.ended.keys().chain(self.jobs.values().map(|job| &job.name)).collect();
        names.into_iter().map(|name| self.expected(name)).max().unwrap_or(UNKNOWN).max(1)
    }

    fn stands_still(&mut self, members: &[Member], now_us: u64) -> bool {
        // A process that ends takes its time with it, so any change will do.
        let used = members.iter().map(|member| member.used).sum();
        if used != self.progress.used || self.stopped() == 0 {
            self.progress = Progress { used, since_us: now_us };
        }
        let stands_still = now_us >= self.progress.since_us + STANDSTILL_US;
        if stands_still {
            self.progress.since_us = now_us;
        }
        stands_still
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
