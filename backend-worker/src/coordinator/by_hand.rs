//! Grants leases where there is no orchestrator: to a plan that is run by hand.

use super::job::Pieces;
use std::collections::{HashMap, VecDeque};
use tender_protocol::{Item, ItemId, PlanId, Work};

/// Leases against a limit of memory, if there is one. Who asked first is served first, so nothing
/// is starved.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Bytes; no limit if absent.
    memory: Option<u64>,
    asks: VecDeque<Lease>,
    held: HashMap<(PlanId, ItemId), u64>,
    sum: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub plan: PlanId,
    pub item: ItemId,
    pub bytes: u64,
}

impl Ledger {
    pub fn new(memory: Option<u64>) -> Ledger {
        Ledger { memory, ..Ledger::default() }
    }

    pub fn is_limited(&self) -> bool {
        self.memory.is_some()
    }

    pub fn ask(&mut self, lease: Lease) {
        self.asks.push_back(lease);
    }

    /// The next lease that is granted. If nothing runs or could, one is granted whatever it takes:
    /// one job can always run.
    pub fn grant(&mut self, nothing_runs: bool) -> Option<Lease> {
        let lease = *self.asks.front()?;
        let fits = self.memory.is_none_or(|memory| self.sum.saturating_add(lease.bytes) <= memory);
        if !fits && !nothing_runs {
            return None;
        }
        let held = self.held.get(&(lease.plan, lease.item)).copied().unwrap_or(0);
        self.resized(lease.plan, lease.item, held.saturating_add(lease.bytes));
        self.asks.pop_front()
    }

    /// What an item holds from now on.
    pub fn resized(&mut self, plan: PlanId, item: ItemId, bytes: u64) {
        let before = self.held.insert((plan, item), bytes).unwrap_or(0);
        self.sum = self.sum.saturating_sub(before).saturating_add(bytes);
    }

    /// The item is over, and wants nothing more.
    pub fn finished(&mut self, plan: PlanId, item: ItemId) {
        self.sum = self.sum.saturating_sub(self.held.remove(&(plan, item)).unwrap_or(0));
        self.asks.retain(|lease| (lease.plan, lease.item) != (plan, item));
    }
}

/// What a process needs for clang and LLVM themselves, and for a unit of which nothing is known.
const LEAST: u64 = 64 << 20;

/// A piece needs the same for what passes share, but no front end.
const LEAST_OF_PIECE: u64 = 32 << 20;

/// What the beginning of an item, or one of its `pieces`, may need, where the plan does not say: a
/// rough guess by size, good enough to try a limit by hand. An orchestrator has measured values and
/// a model fitted to them.
pub(super) fn guess(item: &Item, pieces: Option<&dyn Pieces>) -> u64 {
    if let Some(pieces) = pieces {
        let costs = pieces.costs();
        let all = costs.iter().fold(0, |sum: u64, cost| sum.saturating_add(*cost)).max(1);
        let largest = costs.into_iter().max().unwrap_or(0);
        // Its share of the bitcode, which as IR takes ten times that, and as much again while code
        // is made of it.
        let share = u128::from(pieces.held_bytes()) * u128::from(largest) / u128::from(all);
        return LEAST_OF_PIECE.saturating_add(20 * share as u64);
    }
    let source = match &item.work {
        Work::Compile { source, .. }
        | Work::Check { source, .. }
        | Work::Preprocess { source, .. } => source,
        Work::Archive { .. } | Work::Link { .. } => return LEAST,
    };
    let bytes = std::fs::metadata(source).map_or(0, |metadata| metadata.len());
    LEAST.saturating_add(bytes.saturating_mul(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(item: u32, bytes: u64) -> Lease {
        Lease { plan: PlanId(0), item: ItemId(item), bytes }
    }

    #[test]
    fn what_fits_is_granted_in_order() {
        let mut ledger = Ledger::new(Some(100));
        for (item, bytes) in [(0, 60), (1, 50), (2, 10)] {
            ledger.ask(lease(item, bytes));
        }
        assert_eq!(ledger.grant(false), Some(lease(0, 60)));
        assert_eq!(ledger.grant(false), None, "the small one waits behind the large one");
        ledger.resized(PlanId(0), ItemId(0), 50);
        assert_eq!(ledger.grant(false), Some(lease(1, 50)));
        assert_eq!(ledger.grant(false), None);
        ledger.finished(PlanId(0), ItemId(0));
        assert_eq!(ledger.grant(false), Some(lease(2, 10)));
        assert_eq!(ledger.grant(true), None, "nobody asks");
        assert_eq!(ledger.sum, 60);
    }

    #[test]
    fn one_job_can_always_run() {
        let mut ledger = Ledger::new(Some(100));
        ledger.ask(lease(0, 500));
        ledger.ask(lease(1, 1));
        assert_eq!(ledger.grant(false), None);
        assert_eq!(ledger.grant(true), Some(lease(0, 500)));
        assert_eq!(ledger.grant(false), None);
        ledger.finished(PlanId(0), ItemId(0));
        assert_eq!(ledger.grant(false), Some(lease(1, 1)));
    }

    #[test]
    fn an_item_that_is_over_asks_no_more() {
        let mut ledger = Ledger::new(Some(100));
        ledger.ask(lease(0, 10));
        ledger.ask(lease(1, 20));
        ledger.finished(PlanId(0), ItemId(0));
        assert_eq!(ledger.grant(false), Some(lease(1, 20)));
        assert_eq!(ledger.grant(false), None);
    }

    #[test]
    fn without_a_limit_everything_is_granted() {
        let mut ledger = Ledger::new(None);
        ledger.ask(lease(0, u64::MAX));
        ledger.ask(lease(0, u64::MAX));
        assert!(ledger.grant(false).is_some() && ledger.grant(false).is_some());
    }
}
