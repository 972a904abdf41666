//! How long job slots were idle although a job waited for one: each return of a slot with the next
//! start of a job. No I/O.

/// What happens to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It ends, and its slot is free.
    Returns,
    /// It could run if there were a slot.
    Waits,
    /// It runs.
    Takes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub at_ns: u64,
    pub what: What,
    /// Where it runs, if anything tells slots apart.
    pub row: u32,
    pub job: usize,
}

/// A slot that was idle while at least one job waited, from its return on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The job that ended, and the one that ran next on its slot.
    pub after: usize,
    pub before: usize,
    pub length_ns: u64,
}

impl Gap {
    pub fn millis(&self) -> f64 {
        self.length_ns as f64 / 1e6
    }
}

/// Slots have no names, so a job is taken to run on the slot that was last used on its row, and
/// where there is none, on the one that has been idle for longest.
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
            What::Waits => waiting += 1,
            What::Returns => {
                idle.push(Idle { since_ns: at_ns, after: job, row, wanted: waiting > 0 })
            }
            What::Takes => {
                waiting = waiting.saturating_sub(1);
                let place = idle.iter().position(|idle| idle.row == row);
                // At the start all slots are free that nobody has returned.
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
    use super::What::{Returns, Takes, Waits};
    use super::*;

    /// Changes as (time, what, row, job), gaps as (after, before, length).
    #[track_caller]
    fn check(changes: &[(u64, What, u32, usize)], expect: &[(usize, usize, u64)]) {
        let changes =
            changes.iter().map(|&(at_ns, what, row, job)| Change { at_ns, what, row, job });
        let gaps = find(changes.collect());
        let gaps: Vec<_> = gaps.iter().map(|gap| (gap.after, gap.before, gap.length_ns)).collect();
        assert_eq!(gaps, expect);
    }

    #[test]
    fn a_slot_is_idle_from_a_return_to_the_next_start() {
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
    fn nobody_waits_for_what_is_not_ready() {
        check(&[(1, Takes, 0, 1), (20, Returns, 0, 1), (30, Waits, 0, 2), (33, Takes, 0, 2)], &[]);
    }

    #[test]
    fn at_one_time_a_return_comes_before_a_start() {
        check(&[(9, Takes, 1, 2), (0, Waits, 1, 2), (9, Returns, 0, 1)], &[(1, 2, 0)]);
    }

    #[test]
    fn a_row_goes_on_with_its_own_slot() {
        let waits = [(0, Waits, 0, 3), (0, Waits, 0, 4), (0, Waits, 0, 5)];
        let ends = [(10, Returns, 0, 1), (11, Returns, 1, 2)];
        let starts = [(12, Takes, 1, 3), (14, Takes, 2, 4), (16, Takes, 1, 5)];
        check(&[&waits[..], &ends, &starts].concat(), &[(2, 3, 1), (1, 4, 4)]);
    }
}
