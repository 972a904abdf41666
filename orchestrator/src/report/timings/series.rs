//! Values over time: sums over workers, rates, and a bound on the number of points. Pure.

use std::collections::BTreeMap;

/// Time in microseconds, and the value from then on.
pub(super) type Point = (u64, u64);

/// A value of one worker that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub at_us: u64,
    pub worker: u32,
    pub value: u64,
}

/// The sum over all workers. Changes are in any order, because messages are read one worker after
/// the other.
pub(super) fn sum(mut changes: Vec<Change>) -> Vec<Point> {
    changes.sort_by_key(|change| change.at_us);
    let mut now: BTreeMap<u32, u64> = BTreeMap::new();
    let mut total = 0;
    let mut points = Vec::new();
    for Change { at_us, worker, value } in changes {
        total = total + value - now.insert(worker, value).unwrap_or(0);
        push(&mut points, at_us, total);
    }
    points
}

/// Turns totals that only grow into rates, in thousandths: processor time into cores. Samples with
/// the same time belong together. What a worker used after its last sample is unknown.
pub(super) fn rate(mut totals: Vec<Change>) -> Vec<Point> {
    totals.sort_by_key(|total| total.at_us);
    let mut last: BTreeMap<u32, u64> = BTreeMap::new();
    let mut points = Vec::new();
    let mut from = 0;
    for together in totals.chunk_by(|a, b| a.at_us == b.at_us) {
        let grown = |total: &Change| {
            let before = last.insert(total.worker, total.value).unwrap_or(0);
            total.value.saturating_sub(before)
        };
        let grown: u64 = together.iter().map(grown).sum();
        let until = together[0].at_us;
        if until > from {
            push(&mut points, from, grown * 1000 / (until - from));
            from = until;
        }
    }
    if !points.is_empty() {
        push(&mut points, from, 0);
    }
    points
}

/// Of several values at one time the last one counts; an unchanged value is dropped.
pub(super) fn push(points: &mut Vec<Point>, at_us: u64, value: u64) {
    points.pop_if(|last| last.0 == at_us);
    if points.last().is_none_or(|last| last.1 != value) {
        points.push((at_us, value));
    }
}

/// How many of these stretches overlap at each time.
pub(super) fn at_once(stretches: impl IntoIterator<Item = (u64, u64)>) -> Vec<Point> {
    let lasts = |stretch: &(u64, u64)| stretch.0 < stretch.1;
    let ends = |(from, until)| [(from, true), (until, false)];
    let mut steps: Vec<(u64, bool)> = stretches.into_iter().filter(lasts).flat_map(ends).collect();
    // At equal times ends come before starts, but no end before its own start.
    steps.sort_unstable();
    let mut now = 0;
    let mut points = Vec::new();
    for (at_us, starts) in steps {
        now = if starts { now + 1 } else { now - 1 };
        push(&mut points, at_us, now);
    }
    points
}

/// At most about four points for each of `buckets` stretches of time: the first, the lowest, the
/// highest and the last, which is all that a line of that many pixels shows.
pub(super) fn thin(points: &[Point], buckets: usize) -> Vec<Point> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if points.len() <= buckets * 4 {
        return points.to_vec();
    }
    let width = ((last.0 - first.0) / buckets as u64).max(1);
    let bucket = |point: &Point| (point.0 - first.0) / width;
    let mut thinned = Vec::new();
    for chunk in points.chunk_by(|a, b| bucket(a) == bucket(b)) {
        let by_value = |n: &usize| chunk[*n].1;
        let indices = 0..chunk.len();
        let lowest = indices.clone().min_by_key(by_value).unwrap_or(0);
        let highest = indices.max_by_key(by_value).unwrap_or(0);
        let mut kept = vec![0, lowest, highest, chunk.len() - 1];
        kept.sort_unstable();
        kept.dedup();
        thinned.extend(kept.into_iter().map(|n| chunk[n]));
    }
    thinned
}

pub(super) fn highest(points: &[Point]) -> u64 {
    points.iter().map(|point| point.1).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(of: &[(u64, u32, u64)]) -> Vec<Change> {
        of.iter().map(|&(at_us, worker, value)| Change { at_us, worker, value }).collect()
    }

    #[test]
    fn series_sums_over_workers() {
        let check = |of: &[(u64, u32, u64)], expect: &[Point]| assert_eq!(sum(changes(of)), expect);
        check(&[], &[]);
        check(&[(1, 0, 5), (3, 0, 2)], &[(1, 5), (3, 2)]);
        // Out of order, two workers, one that ends.
        check(&[(2, 0, 5), (1, 1, 3), (4, 1, 0), (4, 0, 6)], &[(1, 3), (2, 8), (4, 6)]);
        // The sum does not change.
        check(&[(1, 0, 2), (1, 1, 2), (5, 0, 1), (5, 1, 3)], &[(1, 4)]);
    }

    #[test]
    fn series_rates_are_of_growing_totals() {
        let check =
            |of: &[(u64, u32, u64)], expect: &[Point]| assert_eq!(rate(changes(of)), expect);
        check(&[], &[]);
        // One and a half cores, then half of one, by a worker that came later too.
        check(
            &[(100, 0, 100), (100, 1, 50), (200, 0, 150), (200, 1, 50)],
            &[(0, 1500), (100, 500), (200, 0)],
        );
        check(&[(100, 0, 100), (200, 1, 100)], &[(0, 1000), (200, 0)]);
    }

    #[test]
    fn series_counts_stretches_at_once() {
        let check =
            |of: &[(u64, u64)], expect: &[Point]| assert_eq!(at_once(of.iter().copied()), expect);
        check(&[], &[]);
        check(&[(1, 5)], &[(1, 1), (5, 0)]);
        check(&[(1, 5), (3, 9), (5, 7)], &[(1, 1), (3, 2), (7, 1), (9, 0)]);
        check(&[(4, 4), (4, 6)], &[(4, 1), (6, 0)]);
    }

    #[test]
    fn series_of_many_points_keeps_its_extremes() {
        let points: Vec<Point> =
            (0..100_000).map(|n| (n, if n == 777 { 1000 } else { n % 3 })).collect();
        let thinned = thin(&points, 100);
        assert!(thinned.len() <= 404, "{}", thinned.len());
        assert_eq!((thinned[0], thinned[thinned.len() - 1]), (points[0], points[99_999]));
        assert_eq!(highest(&thinned), 1000);
        assert!(thinned.is_sorted_by_key(|point| point.0));
        assert_eq!(thin(&points[..7], 2), points[..7]);
        assert_eq!(thin(&[], 2), []);
    }
}
