//! The events of a round so far, shown if it fails.

use super::Figures;
use super::plan::Plan;
use rustix::process::Signal;
use std::fmt::{self, Display, Formatter};
use std::time::Instant;

pub(super) struct Story {
    plan: Plan,
    command: String,
    start: Instant,
    lines: Vec<String>,
    pub(super) figures: Figures,
    /// All signals that reached a process, except SIGSTOP and SIGCONT.
    pub(super) delivered: Vec<Signal>,
    /// Signals to the outermost command.
    pub(super) to_outermost: Vec<Signal>,
    /// Signals that may have ended a process whose job continues, although its slot is used again:
    /// the shell of a job, or a make with a job on its implicit slot.
    pub(super) unaccounted: usize,
    pub(super) watchdog_is_killed: bool,
    pub(super) tender_is_killed: bool,
}

impl Story {
    pub(super) fn new(plan: &Plan) -> Story {
        Story {
            plan: plan.clone(),
            command: String::new(),
            start: Instant::now(),
            lines: Vec::new(),
            figures: Figures::default(),
            delivered: Vec::new(),
            to_outermost: Vec::new(),
            unaccounted: 0,
            watchdog_is_killed: false,
            tender_is_killed: false,
        }
    }

    /// Times are relative to this moment.
    pub(super) fn begin(&mut self, command: String) {
        self.command = command;
        self.start = Instant::now();
    }

    pub(super) fn tell(&mut self, what: impl Display) {
        self.lines.push(format!("{:6} ms  {what}", self.start.elapsed().as_millis()));
    }
}

impl Display for Story {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let seed = self.plan.seed;
        writeln!(f, "{}", self.plan)?;
        writeln!(f, "again: TENDER_STORM_SEED={seed} TENDER_STORM_ROUNDS=1")?;
        writeln!(f, "{}", self.command)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
