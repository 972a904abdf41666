//! Compares leases of items with their measured peaks.

use super::each;
use super::messages::Item;
use super::runs::Runs;
use super::workload::Builder;
use crate::contest::Tools;
use crate::experiment::Settings;
use crate::progress;
use crate::statistics::Summary;
use crate::table::Table;
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

/// Items with a smaller peak do not matter for a budget, so the larger ones are also shown
/// separately. Bytes.
const LARGE: u64 = 32 << 20;

/// An estimate and the measured peak, bytes.
type Estimated = (u64, u64);

/// Runs the experiment.
///
/// # Errors
/// The sources were not fetched, no cgroup can be created, or a build fails.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let options = &settings.memory;
    let mut runs = Runs::open(options.keep.as_deref(), tools)?;
    let mut rows = Vec::new();
    let mut is_told = true;
    each(tools, examples, settings, |site, jobs| {
        let first = runs.items(site, Builder::Tender, jobs)?;
        let second = runs.items(site, Builder::History, jobs)?;
        is_told &= second.iter().any(|item| item.lease_bytes > 0);
        let after = if is_told { leases(&second) } else { by_peaks(&first, &second) };
        for (title, estimated) in [("none", leases(&first)), ("one build", after)] {
            let large: Vec<Estimated> =
                estimated.iter().copied().filter(|(_, peak)| *peak >= LARGE).collect();
            for (of, estimated) in [("all", &estimated), ("those of 32 MiB and more", &large)] {
                if !estimated.is_empty() {
                    rows.push(row(site.workload.word(), title, of, estimated));
                }
            }
        }
        Ok(())
    })?;
    progress::show("");
    let mut notes = vec![
        "Error: of the lease against the measured peak, relative to the peak; median and quartiles. The beginning of an item \
         and its pieces are two estimates. Below: the share of leases that were less than the peak."
            .to_owned(),
    ];
    if !is_told {
        notes.push(
            "This tender does not tell leases: for them stands the peak of the build before with a sixteenth on top."
                .into(),
        );
    }
    Ok(Table {
        title: "Estimates of memory against measured peaks".into(),
        columns: vec!["workload", "history", "items", "number", "|error| %", "error %", "below %"],
        rows,
        notes,
    })
}

fn row(workload: &str, history: &str, of: &str, estimated: &[Estimated]) -> Vec<String> {
    let error = |(lease, peak): &Estimated| (*lease as f64 / *peak as f64 - 1.0) * 100.0;
    let spread = |summary: Summary| {
        format!("{:.0} ({:.0} to {:.0})", summary.median, summary.lower, summary.upper)
    };
    let below = estimated.iter().filter(|(lease, peak)| lease < peak).count();
    vec![
        workload.into(),
        history.into(),
        of.into(),
        estimated.len().to_string(),
        spread(Summary::of(estimated.iter().map(|one| error(one).abs()))),
        spread(Summary::of(estimated.iter().map(error))),
        format!("{:.0}", below as f64 / estimated.len() as f64 * 100.0),
    ]
}

/// Leases and peaks of beginnings and pieces; empty if `tender` does not report leases.
fn leases(items: &[Item]) -> Vec<Estimated> {
    let both = |item: &Item| {
        [(item.lease_bytes, item.begin_peak_bytes), (item.piece_lease_bytes, item.piece_peak_bytes)]
    };
    items.iter().flat_map(both).filter(|(lease, peak)| *lease > 0 && *peak > 0).collect()
}

/// Estimates from the peaks of the build before, and the measured peaks.
fn by_peaks(before: &[Item], now: &[Item]) -> Vec<Estimated> {
    let key = |item: &Item| (item.manifest_path.clone(), item.unit.clone());
    let peaks: HashMap<_, u64> = before.iter().map(|item| (key(item), item.peak_bytes)).collect();
    let expected = |item: &Item| {
        let peak = *peaks.get(&key(item))?;
        Some((peak + peak / 16, item.peak_bytes))
    };
    now.iter().filter_map(expected).filter(|(lease, peak)| *lease > 0 && *peak > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_errors_are_relative_to_the_peak() {
        let row = row("w", "one build", "all", &[(150, 100), (100, 100), (50, 100)]);
        assert_eq!(row[3..], ["3", "50 (25 to 50)", "0 (-25 to 25)", "33"]);
    }

    #[test]
    fn estimates_separate_beginnings_and_pieces() {
        let item = |unit: &str,
                    peak_bytes,
                    [lease_bytes, begin_peak_bytes, piece_lease_bytes, piece_peak_bytes]: [u64;
                        4]| {
            Item {
                unit: unit.into(),
                manifest_path: "m".into(),
                peak_bytes,
                lease_bytes,
                begin_peak_bytes,
                piece_lease_bytes,
                piece_peak_bytes,
            }
        };
        assert_eq!(
            leases(&[item("a", 9, [4, 3, 2, 9]), item("b", 7, [8, 7, 2, 0])]),
            [(4, 3), (2, 9), (8, 7)]
        );
        let (before, now) =
            ([item("a", 160, [0; 4])], [item("a", 100, [0; 4]), item("new", 5, [0; 4])]);
        assert_eq!(by_peaks(&before, &now), [(170, 100)]);
    }
}
