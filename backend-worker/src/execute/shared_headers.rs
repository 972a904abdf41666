//! Parses headers for several units, and begins units that use them.

use super::reporter::Reporter;
use super::{Shared, with_dependencies};
use crate::coordinator::Finished;
use crate::emit;
use crate::frontend::{
    BeginOptions, BegunUnit, Dependencies, Offered, Unit, UnitResult, encode_headers,
};
use crate::llvm::SharedHeaders;
use crate::sharing::{self, Tokens};
use std::sync::Arc;
use tender_protocol::{HeaderGroup, HeaderUse, Outcome, Share};
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
    let mut scans: Vec<Tokens> = Vec::with_capacity(sources.len());
    for source in &sources {
        if reporter.job.cancelled() {
            return Finished::without_files(Outcome::Skipped);
        }
        // A unit with nothing in it shares nothing.
        let scan = unit(source).tokens(cache, reporter).result;
        scans.push(scan.ok().flatten().unwrap_or_default());
    }
    let mut dependencies = Dependencies::default();
    let (mut made, mut groups): (Vec<SharedHeaders>, Vec<HeaderGroup>) = (Vec::new(), Vec::new());
    for group in sharing::choose(&scans) {
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
    }
    let file = emit::write(output, &encode_headers(&made));
    let finished = reporter.written(file.map(|file| vec![file]).map_err(|why| why.to_string()));
    if finished.outcome == Outcome::Ok {
        reporter.job.headers(HeaderUse::Made { groups });
    }
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
    let offered = Offered { headers: &headers, verify: share.verify };
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
