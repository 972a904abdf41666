//! Where stretches are drawn: on as few rows as there were stretches at once, so that N job slots
//! have at most N rows, whichever workers they were lent to. Pure.

use super::model::Stretch;

/// For each row its stretches in order of time; they do not overlap. A row continues with the slot
/// of the worker that it had before, if that is possible.
pub(super) fn pack(stretches: &[Stretch]) -> Vec<Vec<usize>> {
    let mut by_start: Vec<usize> = (0..stretches.len()).collect();
    by_start.sort_by_key(|n| (stretches[*n].start_us, stretches[*n].end_us()));
    let mut rows: Vec<Vec<usize>> = Vec::new();
    for n in by_start {
        let this = &stretches[n];
        let last = |row: &Vec<usize>| row.last().map(|last| &stretches[*last]);
        let free = |row: &Vec<usize>| last(row).is_none_or(|last| last.end_us() <= this.start_us);
        let same = |row: &Vec<usize>| last(row).is_some_and(|last| last.row == this.row);
        let row = rows
            .iter()
            .position(|row| free(row) && same(row))
            .or_else(|| rows.iter().position(free))
            .unwrap_or_else(|| {
                rows.push(Vec::new());
                rows.len() - 1
            });
        rows[row].push(n);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::timings::model::StretchKind;
    use proptest::prelude::*;

    fn stretch(row: u32, start_us: u64, end_us: u64) -> Stretch {
        let stage = StretchKind::CutOff;
        Stretch {
            row,
            unit: 0,
            stage,
            cgu: None,
            source: None,
            start_us,
            dur_us: end_us - start_us,
        }
    }

    #[test]
    fn rows_are_shared_by_workers_that_take_turns() {
        let stretches = [
            stretch(0, 0, 4),
            stretch(0, 4, 9),
            stretch(1, 0, 3),
            stretch(2, 3, 5),
            stretch(1, 5, 6),
        ];
        assert_eq!(pack(&stretches), [vec![2, 3, 4], vec![0, 1]]);
        assert_eq!(pack(&[]), Vec::<Vec<usize>>::new());
    }

    proptest! {
        #[test]
        fn rows_are_as_few_as_possible(
            bars in prop::collection::vec((0u32..4, 0u64..30, 0u64..9), 0..40)
        ) {
            let stretches: Vec<Stretch> =
                bars.iter().map(|(row, start, dur)| stretch(*row, *start, start + dur)).collect();
            let rows = pack(&stretches);
            let mut drawn: Vec<usize> = rows.concat();
            drawn.sort_unstable();
            prop_assert_eq!(drawn, (0..stretches.len()).collect::<Vec<_>>());
            for pair in rows.iter().flat_map(|row| row.windows(2)) {
                prop_assert!(stretches[pair[0]].end_us() <= stretches[pair[1]].start_us);
            }
            let at_once = |at: &Stretch| {
                let runs = |s: &&Stretch| s.start_us <= at.start_us && s.end_us() > at.start_us;
                stretches.iter().filter(runs).count()
            };
            // One that takes no time still needs a place.
            let most = stretches.iter().map(|s| at_once(s) + usize::from(s.dur_us == 0)).max();
            prop_assert!(rows.len() <= most.unwrap_or(0).max(usize::from(!rows.is_empty())));
        }
    }
}
