//! Grants leases to a plan that is run by hand, without an orchestrator.

use super::job::Pieces;
use std::collections::{HashMap, VecDeque};
use tender_protocol::{Item, ItemId, PlanId, Work};
use tender_units::Bytes;

/// Leases under a limit of memory, if there is one. Requests are granted in their order, so none
/// starves.
#[derive(Debug, Default)]
pub(super) struct ByHandLedger {
    /// The limit in bytes; none if absent.
    memory: Option<Bytes>,
    asks: VecDeque<Lease>,
    held: HashMap<(PlanId, ItemId), Bytes>,
    sum: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub plan: PlanId,
    pub item: ItemId,
    pub bytes: Bytes,
}

impl ByHandLedger {
    pub fn new(memory: Option<Bytes>) -> ByHandLedger {
        ByHandLedger { memory, ..ByHandLedger::default() }
    }

    pub fn is_limited(&self) -> bool {
        self.memory.is_some()
    }

    pub fn ask(&mut self, lease: Lease) {
        self.asks.push_back(lease);
    }

    /// Grants the next lease if it fits. If nothing runs or could run, it is granted at any size,
    /// so that one part can always run.
    pub fn grant(&mut self, nothing_runs: bool) -> Option<Lease> {
        let lease = *self.asks.front()?;
        let fits = self.memory.is_none_or(|memory| self.sum.saturating_add(lease.bytes) <= memory);
        if !fits && !nothing_runs {
            return None;
        }
        let held = self.held.get(&(lease.plan, lease.item)).copied().unwrap_or_default();
        self.resized(lease.plan, lease.item, held.saturating_add(lease.bytes));
        self.asks.pop_front()
    }

    /// Sets what an item holds.
    pub fn resized(&mut self, plan: PlanId, item: ItemId, bytes: Bytes) {
        let before = self.held.insert((plan, item), bytes).unwrap_or_default();
        self.sum = self.sum.saturating_sub(before).saturating_add(bytes);
    }

    /// Removes a finished item and its requests.
    pub fn finished(&mut self, plan: PlanId, item: ItemId) {
        self.sum = self.sum.saturating_sub(self.held.remove(&(plan, item)).unwrap_or_default());
        self.asks.retain(|lease| (lease.plan, lease.item) != (plan, item));
    }
}

/// The memory of clang and LLVM themselves and of a small unit, bytes.
const UNIT_BASE: Bytes = Bytes(64 << 20);

/// The same for a piece, which has no front end.
const PIECE_BASE: Bytes = Bytes(32 << 20);

/// A rough estimate, by size, of the memory for the beginning of an item or for one of its
/// `pieces`, if the plan gives none. It is good enough to try a limit by hand. The orchestrator has
/// measured values and a model fitted to them.
pub(super) fn estimate(item: &Item, pieces: Option<&dyn Pieces>) -> Bytes {
    if let Some(pieces) = pieces {
        let costs = pieces.costs();
        let all = costs.iter().fold(0, |sum: u64, cost| sum.saturating_add(*cost)).max(1);
        let largest = costs.into_iter().max().unwrap_or(0);
        // Its share of the bitcode. As IR this takes ten times the memory, and the same again for
        // code generation.
        let share = u128::from(pieces.held_bytes().0) * u128::from(largest) / u128::from(all);
        return PIECE_BASE.saturating_add(Bytes(share as u64) * 20);
    }
    let source = match &item.work {
        Work::Compile { source, .. }
        | Work::Check { source, .. }
        | Work::Scan { source, .. }
        | Work::Interface { source, .. }
        | Work::Preprocess { source, .. } => source,
        Work::Precompile { .. } | Work::ShareHeaders { .. } => {
            return UNIT_BASE.saturating_add(UNIT_BASE);
        }
        Work::Archive { .. } | Work::Link { .. } | Work::Configure(_) => return UNIT_BASE,
    };
    let bytes = std::fs::metadata(source).map_or(0, |metadata| metadata.len());
    UNIT_BASE.saturating_add(Bytes(bytes).saturating_mul(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(item: u32, bytes: u64) -> Lease {
        Lease { plan: PlanId(0), item: ItemId(item), bytes: Bytes(bytes) }
    }

    #[test]
    fn by_hand_ledger_grants_what_fits_in_order() {
        let mut ledger = ByHandLedger::new(Some(Bytes(100)));
        for (item, bytes) in [(0, 60), (1, 50), (2, 10)] {
            ledger.ask(lease(item, bytes));
        }
        assert_eq!(ledger.grant(false), Some(lease(0, 60)));
        assert_eq!(ledger.grant(false), None, "the small request waits behind the large one");
        ledger.resized(PlanId(0), ItemId(0), Bytes(50));
        assert_eq!(ledger.grant(false), Some(lease(1, 50)));
        assert_eq!(ledger.grant(false), None);
        ledger.finished(PlanId(0), ItemId(0));
        assert_eq!(ledger.grant(false), Some(lease(2, 10)));
        assert_eq!(ledger.grant(true), None, "there is no request");
        assert_eq!(ledger.sum, Bytes(60));
    }

    #[test]
    fn by_hand_ledger_grants_one_part_of_any_size_if_nothing_runs() {
        let mut ledger = ByHandLedger::new(Some(Bytes(100)));
        ledger.ask(lease(0, 500));
        ledger.ask(lease(1, 1));
        assert_eq!(ledger.grant(false), None);
        assert_eq!(ledger.grant(true), Some(lease(0, 500)));
        assert_eq!(ledger.grant(false), None);
        ledger.finished(PlanId(0), ItemId(0));
        assert_eq!(ledger.grant(false), Some(lease(1, 1)));
    }

    #[test]
    fn by_hand_ledger_drops_requests_of_a_finished_item() {
        let mut ledger = ByHandLedger::new(Some(Bytes(100)));
        ledger.ask(lease(0, 10));
        ledger.ask(lease(1, 20));
        ledger.finished(PlanId(0), ItemId(0));
        assert_eq!(ledger.grant(false), Some(lease(1, 20)));
        assert_eq!(ledger.grant(false), None);
    }

    #[test]
    fn by_hand_ledger_without_a_limit_grants_everything() {
        let mut ledger = ByHandLedger::new(None);
        ledger.ask(lease(0, u64::MAX));
        ledger.ask(lease(0, u64::MAX));
        assert!(ledger.grant(false).is_some() && ledger.grant(false).is_some());
    }
}
