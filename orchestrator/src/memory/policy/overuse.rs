//! When to say that a command needs more than its budget, though all of it that can be stopped is
//! stopped. Pure: what is used and the time are arguments.
//!
//! Jobs that take memory at once go a little over their budget until the next look, and come back
//! when the first of them ends. That is nothing to be told of, unless it lasts.

/// How long it lasts where the jobs that run would fit by themselves, microseconds.
const LASTS_US: u64 = 1_000_000;

/// What a command with all that it started uses, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    pub all: u64,
    /// Of those that are not stopped.
    pub running: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Overuse {
    since_us: Option<u64>,
    told: bool,
}

impl Overuse {
    /// Takes what was seen after all was stopped that can be. Whether to say it now: once, however
    /// often it happens.
    pub fn step(&mut self, seen: Use, budget: u64, now_us: u64) -> bool {
        if seen.all <= budget {
            self.since_us = None;
            return false;
        }
        let since_us = *self.since_us.get_or_insert(now_us);
        let is_due = seen.running > budget || now_us.saturating_sub(since_us) >= LASTS_US;
        is_due && !std::mem::replace(&mut self.told, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks of `(all, running, milliseconds)` with a budget of 100; the times at which it is said.
    fn said(looks: &[(u64, u64, u64)]) -> Vec<u64> {
        let mut overuse = Overuse::default();
        let mut step = |all, running, ms: u64| overuse.step(Use { all, running }, 100, ms * 1000);
        looks
            .iter()
            .filter(|(all, running, ms)| step(*all, *running, *ms))
            .map(|(.., ms)| *ms)
            .collect()
    }

    #[test]
    fn one_job_that_needs_more_is_told_of_at_once_and_once() {
        assert_eq!(said(&[(90, 90, 0), (101, 101, 20), (300, 300, 40)]), [20]);
        assert_eq!(said(&[(150, 150, 0), (10, 10, 20), (150, 150, 40)]), [0]);
        assert_eq!(said(&[(100, 100, 0), (100, 100, 5000)]), [0; 0]);
    }

    #[test]
    fn jobs_that_are_stopped_are_told_of_if_it_lasts() {
        assert_eq!(said(&[(120, 60, 0), (120, 60, 980), (90, 60, 990), (120, 60, 1500)]), [0; 0]);
        assert_eq!(said(&[(120, 60, 0), (120, 60, 500), (120, 60, 1000), (120, 60, 2000)]), [1000]);
        assert_eq!(said(&[(120, 60, 0), (190, 130, 20)]), [20]);
    }
}
