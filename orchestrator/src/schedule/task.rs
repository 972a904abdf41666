//! What the scheduler knows of an item: its crate, its prerequisites, its expected time and memory.

use super::need::{Need, expected_need};
use crate::graph::{Graph, ItemKind, Run};
use crate::keys::ItemId;
use crate::manifest::CrateId;
use tender_protocol::Work;
use tender_units::Micros;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A source of a crate. All ready units of a crate are one plan.
    Unit,
    /// Is in the plan of the units of its crate if they are its only open prerequisites.
    Archive,
    /// A program or a shared library: a plan of its own.
    Link,
    /// An external command.
    Command,
}

#[derive(Clone, Debug)]
pub struct Task {
    pub krate: CrateId,
    pub class: Class,
    pub after: Vec<ItemId>,
    /// Expected wall time on one slot, microseconds. Only sums and order matter.
    pub cost_us: Micros,
    pub memory: Need,
    /// The build succeeds without it.
    pub optional: bool,
    /// It may use headers that were parsed for several units, and can run without them.
    pub uses_headers: bool,
}

/// The cost of headers that are parsed for several units: more than that of all that could come before
/// them, because units are faster once they are there. Microseconds.
const SHARE_COST: u64 = 600_000_000;

/// Turns a graph into tasks. `history` gives the wall time of an item in an earlier build,
/// microseconds. `need` replaces the expected need by a measured one, if there is one.
pub fn tasks(
    graph: &Graph,
    mut history: impl FnMut(&str) -> Option<Micros>,
    mut need: impl FnMut(&str, Need) -> Need,
) -> Vec<Task> {
    let task = |item: &crate::graph::Item| Task {
        krate: item.krate,
        class: match item.run {
            Run::Command(_) => Class::Command,
            Run::Worker(_) => match item.kind {
                ItemKind::Scan
                | ItemKind::Interface
                | ItemKind::Precompile
                | ItemKind::ShareHeaders
                | ItemKind::Compile
                | ItemKind::Check
                | ItemKind::Configure => Class::Unit,
                ItemKind::Archive => Class::Archive,
                ItemKind::Shared | ItemKind::Program => Class::Link,
                ItemKind::Generate => Class::Command,
            },
        },
        after: item.after.clone(),
        cost_us: match item.kind {
            ItemKind::ShareHeaders => Micros(SHARE_COST),
            _ => history(&item.key).unwrap_or_else(|| expected_cost(item.kind, item.size)),
        },
        memory: need(&item.key, expected_need(item)),
        optional: item.is_optional(),
        uses_headers: matches!(&item.run, Run::Worker(Work::Compile { share: Some(_), .. })),
    };
    graph.items.iter().map(task).collect()
}

/// The expected wall time of an item that was never measured, microseconds. `size` is that of its
/// source in bytes.
///
/// The figures are those of C at -O2 on a machine of 2024: some 20 ms for headers, and 4 µs a byte.
/// A constant factor does no harm: only the order matters, a long file before a short one, and a
/// link before an archive.
pub fn expected_cost(kind: ItemKind, size: u64) -> Micros {
    Micros(match kind {
        ItemKind::Compile => 20_000 + size.saturating_mul(4),
        // Many headers that no size tells of; what comes after it waits.
        ItemKind::Precompile => 2_000_000,
        ItemKind::ShareHeaders => SHARE_COST,
        ItemKind::Interface | ItemKind::Check => 20_000 + size,
        ItemKind::Scan => 5_000 + size / 4,
        ItemKind::Generate | ItemKind::Configure => 100_000,
        ItemKind::Shared | ItemKind::Program => 50_000,
        ItemKind::Archive => 2_000,
    })
}
