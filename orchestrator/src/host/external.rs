//! Keeps the processes of external commands within the available memory: measures them from time to
//! time, and stops and continues them.

use crate::memory::{Brake, Orders};
use crate::sys::family;
use crate::sys::family::Identity;
use rustix::process::{Signal, pidfd_send_signal};
use std::collections::BTreeSet;
use tender_units::{Bytes, Micros};

/// The shortest and the longest time between two measurements, microseconds.
const SHORTEST_US: Micros = Micros::from_millis(20);
const LONGEST_US: Micros = Micros::from_secs(1);

/// How fast one job may allocate memory, bytes a microsecond: a gigabyte a second, about what a
/// core can clear.
const FASTEST: u64 = 1000;

/// External commands with their descendants, and which processes of them are stopped. Dropping it
/// continues them all.
#[derive(Default)]
pub(crate) struct ExternalTrees {
    brake: Brake,
    next_us: Micros,
    /// What all of them use, bytes: at the last measurement, and at most.
    pub used: Bytes,
    pub peak: Bytes,
    /// The name of the largest process at the last measurement, and what it uses, bytes.
    pub largest: Option<(String, Bytes)>,
    growth: Bytes,
    /// No process is stopped any more, because all of them are to end.
    released: bool,
}

impl ExternalTrees {
    /// When to measure again, microseconds.
    pub fn next_us(&self) -> Micros {
        self.next_us
    }

    /// External commands are not measured, and have no limit.
    pub fn leave_alone(&mut self) {
        self.next_us = Micros::MAX;
    }

    /// Measures all our children except `ours`, and stops and continues processes. `free` returns
    /// how much all of them may use in addition to what they use; `None`: no limit. Returns how
    /// many more jobs have room; `None`: not limited.
    pub fn watch(
        &mut self,
        ours: &BTreeSet<u32>,
        free: impl FnOnce(Bytes) -> Option<Bytes>,
        jobs: u32,
        now_us: Micros,
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
        // Often enough that jobs allocate at most a quarter of what is free before the next
        // measurement.
        let jobs = u64::from(jobs).max(members.len() as u64);
        let until_a_quarter =
            free.map_or(LONGEST_US, |free| Micros(free.0 / 4 / jobs.max(1) / FASTEST));
        self.next_us = now_us + until_a_quarter.clamp(SHORTEST_US, LONGEST_US);
        if self.released {
            return Some(0);
        }
        let Orders { stop, resume, more } = self.brake.step(&members, &roots, free, now_us);
        self.growth = self.brake.growth_of_all();
        send(&stop, Signal::STOP);
        send(&resume, Signal::CONT);
        more
    }

    /// The expected growth of running jobs at the last measurement, bytes.
    pub fn growth(&self) -> Bytes {
        self.growth
    }

    /// What jobs that are not stopped used at the last measurement, bytes.
    pub fn running(&self) -> Bytes {
        self.used.saturating_sub(self.brake.stopped_bytes())
    }

    /// How many jobs are stopped.
    pub fn stopped(&self) -> usize {
        self.brake.stopped()
    }

    /// Continues all processes, and stops none any more: a stopped process cannot handle the signal
    /// that ends it.
    pub fn release(&mut self) {
        self.released = true;
        send(&self.brake.release(), Signal::CONT);
    }
}

impl Drop for ExternalTrees {
    fn drop(&mut self) {
        self.release();
    }
}

/// Skips a process that has ended since it was measured, and another process that has its number
/// now.
fn send(processes: &[Identity], signal: Signal) {
    for process in processes.iter().filter_map(|process| family::open(*process)) {
        // ESRCH is ignored: the process has just ended.
        let _ = pidfd_send_signal(process, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::group;
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn signal_reaches_the_measured_process_and_no_later_one_with_its_pid() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        let started = family::started(pid).unwrap();
        let process = family::open((started, pid)).unwrap();
        send(&[(started - 1, pid), (started + 1, pid)], Signal::KILL);
        // A stop signal takes effect at once; a killed process ends when it runs next.
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let pending = status.lines().filter(|line| line.starts_with("S") && line.contains("Pnd"));
        assert!(pending.clone().count() > 0);
        assert!(pending.clone().all(|line| line.ends_with("0000000000000000")), "{status}");
        assert!(!group::has_ended(&process));
        send(&[(started, pid)], Signal::KILL);
        group::wait_for_end(&[process], Duration::from_secs(3600));
        child.wait().unwrap();
        send(&[(started, pid)], Signal::KILL);
    }
}
