//! Computes how long job slots were idle while a job waited for one. No I/O.

/// What happens to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobEvent {
    /// It ends, and its slot is free.
    Returns,
    /// It could run and waits for a slot.
    Waits,
    /// It gets a slot and runs.
    Takes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub at_ns: u64,
    pub what: JobEvent,
    /// The row on which it runs, if slots can be distinguished.
    pub row: u32,
    pub job: usize,
}

/// An interval in which a slot was idle while a job waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The job that ended, and the job that ran next on its slot.
    pub after: usize,
    pub before: usize,
    pub length_ns: u64,
}

impl Gap {
    pub fn millis(&self) -> f64 {
        self.length_ns as f64 / 1e6
    }
}

/// Finds the gaps. Slots have no identity, so a job is assumed to use the slot that was last used
/// on its row, or else the slot that has been idle for longest.
pub fn find(mut changes: Vec<Change>) -> Vec<Gap> {
    struct Idle {
        since_ns: u64,
        after: usize,
        row: u32,
        wanted: bool,
    }
    changes.sort_by_key(|change| (change.at_ns, change.what));
    let mut waiting = 0_usize;
    let mut idle: Vec<Idle> = Vec::new();
    let mut gaps = Vec::new();
    for Change { at_ns, what, row, job } in changes {
        match what {
            JobEvent::Waits => waiting += 1,
            JobEvent::Returns => {
                idle.push(Idle { since_ns: at_ns, after: job, row, wanted: waiting > 0 })
            }
            JobEvent::Takes => {
                waiting = waiting.saturating_sub(1);
                let place = idle.iter().position(|idle| idle.row == row);
                // Slots that were not used before are not in the list.
                if let Some(place) = place.or((!idle.is_empty()).then_some(0)) {
                    let Idle { since_ns, after, wanted, .. } = idle.remove(place);
                    if wanted {
                        gaps.push(Gap { after, before: job, length_ns: at_ns - since_ns });
                    }
                }
            }
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::JobEvent::{Returns, Takes, Waits};
    use super::*;

    /// Changes as (time, what, row, job), gaps as (after, before, length).
    #[track_caller]
    fn check(changes: &[(u64, JobEvent, u32, usize)], expect: &[(usize, usize, u64)]) {
        let changes =
            changes.iter().map(|&(at_ns, what, row, job)| Change { at_ns, what, row, job });
        let gaps = find(changes.collect());
        let gaps: Vec<_> = gaps.iter().map(|gap| (gap.after, gap.before, gap.length_ns)).collect();
        assert_eq!(gaps, expect);
    }

    #[test]
    fn gaps_last_from_a_return_to_the_next_start() {
        check(
            &[
                (0, Waits, 0, 1),
                (0, Waits, 0, 2),
                (5, Takes, 0, 1),
                (20, Returns, 0, 1),
                (23, Takes, 0, 2),
            ],
            &[(1, 2, 3)],
        );
    }

    #[test]
    fn gaps_need_a_waiting_job() {
        check(&[(1, Takes, 0, 1), (20, Returns, 0, 1), (30, Waits, 0, 2), (33, Takes, 0, 2)], &[]);
    }

    #[test]
    fn gaps_order_a_return_before_a_start_at_the_same_time() {
        check(&[(9, Takes, 1, 2), (0, Waits, 1, 2), (9, Returns, 0, 1)], &[(1, 2, 0)]);
    }

    #[test]
    fn gaps_prefer_the_slot_of_the_row() {
        let waits = [(0, Waits, 0, 3), (0, Waits, 0, 4), (0, Waits, 0, 5)];
        let ends = [(10, Returns, 0, 1), (11, Returns, 1, 2)];
        let starts = [(12, Takes, 1, 3), (14, Takes, 2, 4), (16, Takes, 1, 5)];
        check(&[&waits[..], &ends, &starts].concat(), &[(2, 3, 1), (1, 4, 4)]);
    }
}
