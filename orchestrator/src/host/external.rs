//! What keeps the processes of external commands within the memory that there is: looked at from time
//! to time, stopped and continued.

use crate::memory::{Brake, Orders};
use crate::sys::family;
use crate::sys::family::Member;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;

/// At least so long between two looks, and at most; microseconds.
const SHORTEST_US: u64 = 20_000;
const LONGEST_US: u64 = 1_000_000;

/// As fast as one job may take memory, bytes a microsecond: a gigabyte a second, about what a core
/// can clear.
const FASTEST: u64 = 1000;

/// External commands with all that they start, and what of them is stopped. All goes on when this is dropped.
#[derive(Default)]
pub(crate) struct ExternalTrees {
    brake: Brake,
    next_us: u64,
    /// All of them together, bytes; at the last look, and the most.
    pub used: u64,
    pub peak: u64,
    /// The name of the largest process at the last look, and what it uses, bytes.
    pub largest: Option<(String, u64)>,
    growth: u64,
    /// Nothing is stopped any more: the trees are to come to an end.
    released: bool,
}

impl ExternalTrees {
    /// When to look again, microseconds.
    pub fn next_us(&self) -> u64 {
        self.next_us
    }

    /// Nobody looks at them: they may take what they like.
    pub fn leave_alone(&mut self) {
        self.next_us = u64::MAX;
    }

    /// Looks at all our children but `ours`. `free` says how much all of them may use more, if they
    /// use so much; None: there is no limit. Returns how many further jobs there is room for; None:
    /// as many as there are tokens.
    pub fn watch(
        &mut self,
        ours: &BTreeSet<u32>,
        free: impl FnOnce(u64) -> Option<u64>,
        jobs: u32,
        now_us: u64,
    ) -> Option<u32> {
        let me = std::process::id();
        let members = family::below(me, ours);
        self.used = members.iter().map(|member| member.bytes).sum();
        self.peak = self.peak.max(self.used);
        let largest = members.iter().max_by_key(|member| member.bytes);
        self.largest = largest.map(|member| (member.name.clone(), member.bytes));
        let roots: Vec<u32> =
            members.iter().filter(|member| member.parent == me).map(|member| member.pid).collect();
        let free = free(self.used);
        // Often enough that no more than a quarter of what is free is gone at the next look.
        let jobs = u64::from(jobs).max(members.len() as u64);
        let until_a_quarter = free.map_or(LONGEST_US, |free| free / 4 / jobs.max(1) / FASTEST);
        self.next_us = now_us + until_a_quarter.clamp(SHORTEST_US, LONGEST_US);
        if self.released {
            return Some(0);
        }
        let Orders { stop, resume, more } = self.brake.step(&members, &roots, free, now_us);
        self.growth = self.brake.growth_of_all();
        // All that is stopped is one of `members`, read this moment, so the number is still that of
        // the process.
        send(&stop, &members, Signal::STOP);
        send(&resume, &members, Signal::CONT);
        more
    }

    /// What those that run are expected to use yet, bytes, at the last look.
    pub fn growth(&self) -> u64 {
        self.growth
    }

    /// What those use that are not stopped, bytes, at the last look.
    pub fn running(&self) -> u64 {
        self.used.saturating_sub(self.brake.stopped_bytes())
    }

    /// How many jobs are stopped.
    pub fn stopped(&self) -> usize {
        self.brake.stopped()
    }

    /// All goes on, and nothing is stopped again: whoever is to end has to run for it.
    pub fn release(&mut self) {
        self.released = true;
        let stopped = self.brake.release();
        if !stopped.is_empty() {
            send(&stopped, &family::below(std::process::id(), &BTreeSet::new()), Signal::CONT);
        }
    }
}

impl Drop for ExternalTrees {
    fn drop(&mut self) {
        self.release();
    }
}

/// One that has ended meanwhile is none the worse for it.
fn send(pids: &[u32], members: &[Member], signal: Signal) {
    let present: BTreeSet<u32> = members.iter().map(|member| member.pid).collect();
    let pids = pids.iter().filter(|pid| present.contains(pid));
    for pid in pids.filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?)) {
        let _ = kill_process(pid, signal);
    }
}
