//! The critical path of a build: the stretches that had to be shorter for a shorter build. Pure.
//!
//! It is found from the stretch that ended last, backwards. The predecessor of a stretch is the one
//! that ended last of those for which it may have waited:
//!
//! - stretches of the same unit: a piece follows its earlier phases, or the cut; the join follows
//!   all pieces;
//! - the unit's prerequisites, if it is the first stretch of the unit;
//! - the earlier stretch on its job slot; if all N slots were in use, the last one on any slot,
//!   because tokens move between workers.

use super::model::{After, Step, Stretch};
use std::collections::HashSet;

/// `stretches` are sorted by row and start; `after` gives the prerequisites of a unit, with the
/// same indices.
pub(super) fn critical_path(stretches: &[Stretch], after: &[Vec<u32>], jobs: u32) -> Vec<Step> {
    let walk = PathWalk::new(stretches, after, jobs);
    let Some(mut at) = walk.by_end.last().copied() else { return Vec::new() };
    let mut path = Vec::new();
    // Stretches of length 0 at the same time could make a cycle.
    let mut seen = HashSet::from([at]);
    loop {
        let before = walk.before(at).filter(|(stretch, _)| seen.insert(*stretch));
        path.push(Step { stretch: at, after: before.map_or(After::Start, |(_, why)| why) });
        match before {
            Some((stretch, _)) => at = stretch,
            None => break,
        }
    }
    path.reverse();
    path
}

struct PathWalk<'a> {
    stretches: &'a [Stretch],
    after: &'a [Vec<u32>],
    jobs: usize,
    of_unit: Vec<Vec<usize>>,
    /// Indices of all stretches.
    by_end: Vec<usize>,
    /// Sorted start times and sorted end times: the difference of two positions is the number of
    /// running stretches.
    starts: Vec<u64>,
    ends: Vec<u64>,
}

impl<'a> PathWalk<'a> {
    fn new(stretches: &'a [Stretch], after: &'a [Vec<u32>], jobs: u32) -> Self {
        let mut of_unit = vec![Vec::new(); after.len()];
        for (n, stretch) in stretches.iter().enumerate() {
            of_unit[stretch.unit as usize].push(n);
        }
        let mut by_end: Vec<usize> = (0..stretches.len()).collect();
        by_end.sort_by_key(|n| (stretches[*n].end_us(), *n));
        let mut starts: Vec<u64> = stretches.iter().map(|stretch| stretch.start_us).collect();
        starts.sort_unstable();
        let ends = by_end.iter().map(|n| stretches[*n].end_us()).collect();
        Self { stretches, after, jobs: jobs as usize, of_unit, by_end, starts, ends }
    }

    fn before(&self, at: usize) -> Option<(usize, After)> {
        let own = self.own(at);
        let needed = if own.is_none() { self.needed(at) } else { None };
        let candidates =
            [(own, After::Unit), (needed, After::Dependency), (self.slot(at), After::Slot)];
        let found = candidates.into_iter().filter_map(|(stretch, why)| Some((stretch?, why)));
        // Of equal ends the first counts, so the best explanation comes first. `max_by_key` takes
        // the last.
        found.rev().max_by_key(|(stretch, _)| self.stretches[*stretch].end_us())
    }

    /// The latest of the unit that this one follows.
    fn own(&self, at: usize) -> Option<usize> {
        let this = &self.stretches[at];
        let of_unit = &self.of_unit[this.unit as usize];
        let piece = |stretch: &Stretch| stretch.cgu.map(|cgu| (stretch.source, cgu));
        match piece(this) {
            None => self.latest(of_unit, at, |_| true),
            Some(this) => self
                .latest(of_unit, at, |other| piece(other) == Some(this))
                .or_else(|| self.latest(of_unit, at, |other| other.cgu.is_none())),
        }
    }

    fn needed(&self, at: usize) -> Option<usize> {
        let units = self.after[self.stretches[at].unit as usize].iter();
        let last =
            units.filter_map(|unit| self.latest(&self.of_unit[*unit as usize], at, |_| true));
        last.max_by_key(|stretch| self.stretches[*stretch].end_us())
    }

    fn latest(&self, among: &[usize], at: usize, is: impl Fn(&Stretch) -> bool) -> Option<usize> {
        let start_us = self.stretches[at].start_us;
        let before = |n: &usize| {
            *n != at && self.stretches[*n].end_us() <= start_us && is(&self.stretches[*n])
        };
        among.iter().copied().filter(before).max_by_key(|n| self.stretches[*n].end_us())
    }

    fn slot(&self, at: usize) -> Option<usize> {
        let this = &self.stretches[at];
        let on_row = at.checked_sub(1).filter(|n| {
            let before = &self.stretches[*n];
            before.row == this.row && before.end_us() <= this.start_us
        });
        let ended = self.ends.partition_point(|end| *end <= this.start_us);
        let anywhere = ended.checked_sub(1).map(|n| self.by_end[n]).filter(|n| {
            let end_us = self.stretches[*n].end_us();
            *n != at && end_us > 0 && self.at_once(end_us - 1) >= self.jobs
        });
        // If both ended at the same time, the one on the same slot is the better explanation.
        [anywhere, on_row].into_iter().flatten().max_by_key(|n| self.stretches[*n].end_us())
    }

    /// How many stretches run at this time.
    fn at_once(&self, at_us: u64) -> usize {
        let started = self.starts.partition_point(|start| *start <= at_us);
        let ended = self.ends.partition_point(|end| *end <= at_us);
        started - ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::timings::model::StretchKind;
    use tender_protocol::PhaseName::{self, Cut, Emit, Join, Link, Optimise, Translate};

    /// A row, a unit, a phase, the piece, and from when until when.
    type Bar = (u32, u32, PhaseName, Option<u32>, u64, u64);

    #[track_caller]
    fn check(bars: &[Bar], after: &[&[u32]], jobs: u32, expect: &[(usize, After)]) {
        let stretches: Vec<Stretch> = bars
            .iter()
            .map(|&(row, unit, phase, cgu, start_us, end_us)| Stretch {
                row,
                unit,
                stage: StretchKind::Phase(phase),
                cgu,
                source: None,
                start_us,
                dur_us: end_us - start_us,
            })
            .collect();
        assert!(stretches.is_sorted_by_key(|stretch| (stretch.row, stretch.start_us)));
        let after: Vec<Vec<u32>> = after.iter().map(|units| units.to_vec()).collect();
        let path = critical_path(&stretches, &after, jobs);
        let steps: Vec<_> = path.iter().map(|step| (step.stretch, step.after)).collect();
        assert_eq!(steps, expect);
    }

    #[test]
    fn critical_path_of_nothing_is_empty() {
        check(&[], &[], 2, &[]);
    }

    #[test]
    fn critical_path_goes_from_a_link_to_its_last_unit() {
        // Two units at once, then the link on the slot of the one that ended first.
        check(
            &[
                (0, 0, Translate, None, 0, 5),
                (0, 2, Link, None, 21, 30),
                (1, 1, Translate, None, 0, 9),
                (1, 1, Emit, None, 9, 20),
            ],
            &[&[], &[], &[0, 1]],
            4,
            &[(2, After::Start), (3, After::Unit), (1, After::Dependency)],
        );
    }

    #[test]
    fn critical_path_goes_to_the_bar_that_had_the_slot() {
        check(
            &[(0, 0, Translate, None, 0, 10), (0, 1, Translate, None, 11, 20)],
            &[&[], &[]],
            1,
            &[(0, After::Start), (1, After::Slot)],
        );
    }

    #[test]
    fn critical_path_follows_a_token_to_another_worker() {
        // Row 0 ends, and another worker's first stretch begins. If another slot was free, it did
        // not wait for row 0.
        let bars = [
            (0, 0, Translate, None, 0, 10),
            (1, 1, Translate, None, 0, 30),
            (2, 2, Emit, None, 11, 40),
        ];
        let after: [&[u32]; 3] = [&[], &[], &[]];
        check(&bars, &after, 2, &[(0, After::Start), (2, After::Slot)]);
        check(&bars, &after, 3, &[(2, After::Start)]);
    }

    #[test]
    fn critical_path_goes_from_join_to_pieces_to_cut() {
        check(
            &[
                (0, 0, Translate, None, 0, 10),
                (0, 0, Cut, None, 10, 12),
                (0, 0, Optimise, Some(0), 12, 20),
                (0, 0, Emit, Some(0), 20, 25),
                (0, 0, Join, None, 41, 43),
                (1, 0, Optimise, Some(1), 13, 30),
                (1, 0, Emit, Some(1), 30, 40),
            ],
            &[&[]],
            2,
            &[
                (0, After::Start),
                (1, After::Unit),
                (5, After::Unit),
                (6, After::Unit),
                (4, After::Unit),
            ],
        );
    }

    #[test]
    fn critical_path_goes_between_pieces_that_wait_for_slots() {
        // One slot: the second piece comes after the first, not after the cut.
        check(
            &[
                (0, 0, Cut, None, 0, 10),
                (0, 0, Emit, Some(0), 10, 20),
                (0, 0, Emit, Some(1), 20, 30),
            ],
            &[&[]],
            1,
            &[(0, After::Start), (1, After::Unit), (2, After::Slot)],
        );
    }

    #[test]
    fn critical_path_has_no_circle_of_empty_bars() {
        check(
            &[(0, 0, Link, None, 5, 5), (1, 1, Link, None, 5, 5)],
            &[&[], &[]],
            1,
            &[(1, After::Start)],
        );
    }
}
