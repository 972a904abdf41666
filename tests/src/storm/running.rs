//! A command and its tree during a storm: sends and continues, and waits until all processes have
//! ended.

use super::member::{self, Member};
use super::plan::{Action, Strike, Victim};
use super::story::Story;
use crate::TestSpace;
use crate::interop::Pool;
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// Only a hang takes so long.
const HANG: Duration = Duration::from_secs(120);

/// How long a process of the kind is searched before another one is taken.
const SEARCH: Duration = Duration::from_millis(60);

/// The command and its tree.
pub(super) struct Running<'a> {
    outermost: Pid,
    child: Child,
    space: &'a TestSpace,
    pool: Option<(&'a Pool, usize)>,
    /// The processes that we have stopped, and until when.
    stopped: Vec<(Pid, Instant)>,
    start: Instant,
}

impl<'a> Running<'a> {
    /// `child` leads a process group. `pool` has the number of its bytes.
    pub(super) fn new(
        child: Child,
        space: &'a TestSpace,
        pool: Option<(&'a Pool, usize)>,
    ) -> Running<'a> {
        let outermost = Pid::from_child(&child);
        Running { outermost, child, space, pool, stopped: Vec::new(), start: Instant::now() }
    }

    /// Waits for the end of the command.
    pub(super) fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.wait_for(HANG) {
                return status;
            }
            self.expect_no_hang();
        }
    }

    /// Waits for the end of the command, with a time limit.
    pub(super) fn wait_for(&mut self, time: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + time;
        let mut looked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return Some(status);
            }
            let now = Instant::now();
            if now >= until {
                return None;
            }
            if let Some((pool, all)) = self.pool {
                assert!(pool.left() <= all, "the pool has more than {all} tokens");
            }
            // A process whose child is stopped may have stopped itself, as `tender exec` does.
            let is_due = self.stopped.iter().any(|(_, until)| *until <= now);
            if is_due || now > looked + Duration::from_millis(100) {
                self.resume();
                looked = now;
            }
            std::thread::sleep((until - now).min(Duration::from_millis(2)));
        }
    }

    /// Continues all stopped processes, except those whose time is not over.
    fn resume(&mut self) {
        let now = Instant::now();
        self.stopped.retain(|(_, until)| *until > now);
        for member in member::all(self.space) {
            let is_kept = self.stopped.iter().any(|(pid, _)| *pid == member.pid);
            if member.is_stopped() && !is_kept {
                member.signal(self.space, Signal::CONT);
            }
        }
    }

    pub(super) fn strike(&mut self, strike: &Strike, story: &mut Story) {
        let Some((member, role)) = self.victim(strike) else { return };
        let is_tender = matches!(role, Victim::Inner | Victim::Outermost);
        let kills_watchdog = role == Victim::Watchdog && strike.kills();
        if (kills_watchdog && story.tender_is_killed)
            || (is_tender && strike.kills() && story.watchdog_is_killed)
        {
            story.tell(format!(
                "{member} is spared, because a tender and its watchdog may not both be killed"
            ));
            return;
        }
        story.watchdog_is_killed |= kills_watchdog;
        story.tender_is_killed |= is_tender && strike.kills();
        let (is_hit, signal) = match strike.action {
            Action::Signal(signal) => (member.signal(self.space, signal), Some(signal)),
            Action::GroupSignal(signal) => {
                // The command is not reaped yet, so its pid is not used again.
                (kill_process_group(self.outermost, signal).is_ok(), Some(signal))
            }
            Action::Stop(time) => {
                self.stopped.push((member.pid, Instant::now() + time));
                (member.signal(self.space, Signal::STOP), None)
            }
        };
        if !is_hit {
            story.tell(format!("{} missed {member}", strike.action));
            return;
        }
        story.tell(format!("{} for {role:?} {member}", strike.action));
        story.figures.struck(format!("{} for {role:?}", strike.action.name()));
        story.delivered.extend(signal);
        let has_jobs = !matches!(role, Victim::Worker | Victim::Watchdog);
        story.unaccounted += usize::from(signal.is_some() && has_jobs);
        if role == Victim::Outermost {
            story.to_outermost.extend(signal);
        }
    }

    /// A process of the kind, else any.
    fn victim(&mut self, strike: &Strike) -> Option<(Member, Victim)> {
        let until = Instant::now() + SEARCH;
        loop {
            let all = member::all(self.space);
            let known: Vec<(Member, Victim)> = all
                .iter()
                .filter_map(|member| Some((member.clone(), member.role(self.outermost, &all)?)))
                .collect();
            let of_kind: Vec<_> = known.iter().filter(|(_, role)| *role == strike.victim).collect();
            let pick = |count: usize| (strike.pick % count as u64) as usize;
            if !of_kind.is_empty() {
                return Some(of_kind[pick(of_kind.len())].clone());
            }
            if Instant::now() >= until {
                let is_spared = |role| matches!(role, Victim::Outermost | Victim::Watchdog);
                let inner: Vec<_> = known.iter().filter(|(_, role)| !is_spared(*role)).collect();
                return (!inner.is_empty()).then(|| inner[pick(inner.len())].clone());
            }
            if self.wait_for(Duration::from_millis(5)).is_some() {
                return None;
            }
        }
    }

    /// Waits for the end of all survivors of the command. Returns how long that took, and which was
    /// the last.
    pub(super) fn wait_for_all(&mut self) -> (Duration, String) {
        self.stopped.clear();
        let end = Instant::now();
        self.start = end;
        let (mut rest, mut last) = (Duration::ZERO, "no process was left".to_owned());
        let mut seen_gone = 0;
        // Twice, because a process in execve(2) has no environment for a moment.
        while seen_gone < 2 {
            let left = member::all(self.space);
            if left.is_empty() {
                seen_gone += 1;
            } else {
                seen_gone = 0;
                rest = end.elapsed();
                last = left.iter().map(Member::to_string).collect::<Vec<_>>().join("\n");
                self.resume();
                self.expect_no_hang();
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        (rest, last)
    }

    #[track_caller]
    fn expect_no_hang(&self) {
        if self.start.elapsed() > HANG {
            let left: Vec<String> = member::all(self.space).iter().map(Member::to_string).collect();
            panic!("it hangs; these are left:\n{}", left.join("\n"));
        }
    }
}
