//! Parses headers for several units, and begins units that use them.

use super::reporter::Reporter;
use super::{Shared, diagnostic, with_dependencies};
use crate::coordinator::Finished;
use crate::emit;
use crate::frontend::{
    BeginOptions, BegunUnit, Dependencies, Offered, Unit, UnitResult, UnitScan, choose_headers,
    encode_headers,
};
use crate::llvm::SharedHeaders;
use std::sync::Arc;
use tender_protocol::{HeaderGroup, HeaderUse, Level, Outcome, Share};
use tender_units::Bytes;

/// How many units are looked at. Those of a large crate begin as some of its others do.
const MOST_SCANS: usize = 64;

/// Runs a `Work::ShareHeaders`.
pub(super) fn share<'a>(
    sources: &'a [String],
    unit: impl Fn(&'a str) -> Unit<'a>,
    output: &str,
    shared: &Shared,
    reporter: &Reporter<'_>,
) -> Finished {
    let cache = &shared.caches.stamps;
    let sources: Vec<&str> = spread(sources, MOST_SCANS).map(String::as_str).collect();
    let mut scans: Vec<Option<UnitScan>> = Vec::with_capacity(sources.len());
    for source in &sources {
        if reporter.job.cancelled() {
            return Finished::without_files(Outcome::Skipped);
        }
        scans.push(unit(source).tokens(cache, reporter));
    }
    let chosen = choose_headers(&scans);
    let of_source = |(source, scan): (&&str, Option<UnitScan>)| Some(((*source).to_owned(), scan?));
    shared.scans.keep(output, sources.iter().zip(scans).filter_map(of_source).collect());
    let mut dependencies = Dependencies::default();
    let (mut made, mut groups): (Vec<SharedHeaders>, Vec<HeaderGroup>) = (Vec::new(), Vec::new());
    let mut file = None;
    for group in chosen {
        if reporter.job.cancelled() {
            return Finished::without_files(Outcome::Skipped);
        }
        let model = unit(sources[group.members[0]]);
        let UnitResult { result, dependencies: read } =
            model.share_headers(&group, cache, reporter);
        let Ok(Some(headers)) = result else { continue };
        dependencies.add(read);
        groups.push(HeaderGroup {
            units: group.members.len() as u32,
            files: headers.facts.inputs.len() as u32,
            bytes: Bytes(headers.file().len() as u64),
        });
        made.push(headers);
        // Units that begin now can use those that there are.
        if file.insert(emit::write(output, &encode_headers(&made))).is_err() {
            break;
        }
    }
    let file = file.unwrap_or_else(|| emit::write(output, &encode_headers(&made)));
    let finished = match file {
        Ok(file) => {
            reporter.job.headers(HeaderUse::Made { groups });
            Finished::with_outputs(vec![file])
        }
        // The build goes on without.
        Err(why) => {
            let message = format!("no headers are shared: {why}");
            let rendered = format!("\x1b[1mwarning: \x1b[0m{message}\n");
            reporter.job.diagnostic(diagnostic(Level::Warning, message, rendered));
            Finished::failed()
        }
    };
    with_dependencies(finished, dependencies)
}

/// At most `most` elements, from all over the list.
fn spread<T>(list: &[T], most: usize) -> impl Iterator<Item = &T> {
    let count = list.len().min(most);
    (0..count).map(move |number| &list[number * list.len() / count])
}

/// Begins a unit with `share`.
pub(super) fn begin_in_order(
    unit: &Unit<'_>,
    plan: BeginOptions<'_>,
    share: &Share,
    shared: &Shared,
    reporter: &Reporter<'_>,
) -> UnitResult<BegunUnit> {
    let (headers, missing) = match shared.headers.get(&share.headers) {
        Ok(headers) => (headers, None),
        Err(why) => (Arc::default(), Some(why)),
    };
    let scan = shared.scans.take(&share.headers, unit.source);
    let offered = Offered { headers: &headers, scan, verify: share.verify };
    let (result, alone) = unit.begin_in_order(plan, offered, &shared.caches.stamps, reporter);
    let why = match (missing, alone) {
        (Some(missing), _) => Some(missing.to_string()),
        (None, alone) => alone.map(|why| why.to_string()),
    };
    reporter.job.headers(why.map_or(HeaderUse::Used, |why| HeaderUse::NotUsed { why }));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_are_spread_over_all_units() {
        let numbers: Vec<usize> = (0..10).collect();
        assert_eq!(spread(&numbers, 4).copied().collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(spread(&numbers, 64).count(), 10);
        assert_eq!(spread(&numbers[..0], 4).count(), 0);
    }
}
