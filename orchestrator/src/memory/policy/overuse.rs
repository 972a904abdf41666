//! When to warn that a command needs more than its budget, although every process of it that can be
//! stopped is stopped. Pure: what is used and the time are arguments.
//!
//! Jobs that allocate quickly exceed the budget a little until the next measurement, and stay above
//! it until one of them ends. That is reported only if it lasts.

use tender_units::{Bytes, Micros};

/// How long it may last without a warning if the jobs that run fit by themselves, microseconds.
const LASTS_US: Micros = Micros::from_secs(1);

/// What a command and its descendants use, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandUse {
    pub all: Bytes,
    /// Used by those that are not stopped.
    pub running: Bytes,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Overuse {
    since_us: Option<Micros>,
    is_reported: bool,
}

impl Overuse {
    /// `seen` was measured after every process that can be stopped was stopped. Returns whether to
    /// warn now, which is once.
    pub fn step(&mut self, seen: CommandUse, budget: Bytes, now_us: Micros) -> bool {
        if seen.all <= budget {
            self.since_us = None;
            return false;
        }
        let since_us = *self.since_us.get_or_insert(now_us);
        let is_due = seen.running > budget || now_us.saturating_sub(since_us) >= LASTS_US;
        is_due && !std::mem::replace(&mut self.is_reported, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measurements `(all, running, milliseconds)` with a budget of 100. Returns the times of
    /// warnings.
    fn warnings(looks: &[(u64, u64, u64)]) -> Vec<u64> {
        let mut overuse = Overuse::default();
        let mut step = |all, running, ms: u64| {
            overuse.step(CommandUse { all, running }, Bytes(100), Micros(ms * 1000))
        };
        looks
            .iter()
            .filter(|(all, running, ms)| step(Bytes(*all), Bytes(*running), *ms))
            .map(|(.., ms)| *ms)
            .collect()
    }

    #[test]
    fn overuse_of_running_jobs_is_reported_at_once_and_once() {
        assert_eq!(warnings(&[(90, 90, 0), (101, 101, 20), (300, 300, 40)]), [20]);
        assert_eq!(warnings(&[(150, 150, 0), (10, 10, 20), (150, 150, 40)]), [0]);
        assert_eq!(warnings(&[(100, 100, 0), (100, 100, 5000)]), [0; 0]);
    }

    #[test]
    fn overuse_with_stopped_jobs_is_reported_if_it_lasts() {
        assert_eq!(
            warnings(&[(120, 60, 0), (120, 60, 980), (90, 60, 990), (120, 60, 1500)]),
            [0; 0]
        );
        assert_eq!(
            warnings(&[(120, 60, 0), (120, 60, 500), (120, 60, 1000), (120, 60, 2000)]),
            [1000]
        );
        assert_eq!(warnings(&[(120, 60, 0), (190, 130, 20)]), [20]);
    }
}
