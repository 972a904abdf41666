//! A checked plan for the state machine, with positions instead of ids.

use std::collections::HashMap;
use tender_protocol::{ItemId, Plan, PlanId, Translate, Work};
use tender_units::{Bytes, Micros};

/// Why a plan cannot be run. Only plans written by hand have these errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("plan {}: two items have the id {}", plan.0, item.0)]
    DuplicateItem { plan: PlanId, item: ItemId },
    #[error("plan {}: item {} comes after item {}, which is not in the plan", plan.0, item.0, after.0)]
    UnknownItem { plan: PlanId, item: ItemId, after: ItemId },
    #[error("plan {}: item {} depends on itself, directly or through other items", plan.0, item.0)]
    Cycle { plan: PlanId, item: ItemId },
    #[error("plan {} was sent twice", plan.0)]
    DuplicatePlan { plan: PlanId },
}

/// The order and the costs of a plan's items. Every position in it is below `items.len()`, and
/// there are no cycles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outline {
    pub id: PlanId,
    /// How many leases of pieces of one item may be asked for at a time.
    pub asks: u32,
    pub items: Vec<OutlineItem>,
    positions: HashMap<ItemId, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutlineItem {
    pub id: ItemId,
    pub cost: Micros,
    /// Only the main thread may run its beginning.
    pub serial: bool,
    /// The join of its pieces needs a lease.
    pub leased_join: bool,
    /// How many items of the plan must succeed before it.
    pub waits_for: u32,
    /// Positions of the items that wait for this one.
    pub dependents: Vec<usize>,
}

impl Outline {
    #[cfg(test)]
    pub fn of_items(id: PlanId, items: Vec<OutlineItem>) -> Outline {
        let positions =
            items.iter().enumerate().map(|(position, item)| (item.id, position)).collect();
        Outline { id, asks: u32::MAX, items, positions }
    }

    /// # Errors
    /// The plan is inconsistent.
    pub fn new(plan: &Plan) -> Result<Outline, PlanError> {
        let id = plan.id;
        let mut positions = HashMap::new();
        for (position, item) in plan.items.iter().enumerate() {
            if positions.insert(item.id, position).is_some() {
                return Err(PlanError::DuplicateItem { plan: id, item: item.id });
            }
        }
        let bare = |item: &tender_protocol::Item| OutlineItem {
            id: item.id,
            cost: item.cost,
            serial: plan.translate == Translate::Serial
                && matches!(item.work, Work::Compile { .. }),
            leased_join: item.memory.join > Bytes::ZERO,
            waits_for: 0,
            dependents: Vec::new(),
        };
        let mut items: Vec<OutlineItem> = plan.items.iter().map(bare).collect();
        for (position, item) in plan.items.iter().enumerate() {
            for after in &item.after {
                let Some(first) = positions.get(after) else {
                    return Err(PlanError::UnknownItem { plan: id, item: item.id, after: *after });
                };
                items[*first].dependents.push(position);
                items[position].waits_for += 1;
            }
        }
        let asks = plan.jobs.map_or(u32::MAX, |jobs| jobs.max(1));
        let outline = Outline { id, asks, items, positions };
        match outline.find_cycle() {
            Some(item) => Err(PlanError::Cycle { plan: id, item }),
            None => Ok(outline),
        }
    }

    /// The position of an item in `items`.
    pub fn position(&self, item: ItemId) -> Option<usize> {
        self.positions.get(&item).copied()
    }

    /// An item on a cycle, if there is one.
    fn find_cycle(&self) -> Option<ItemId> {
        let mut waits: Vec<u32> = self.items.iter().map(|item| item.waits_for).collect();
        let mut free: Vec<usize> =
            (0..waits.len()).filter(|position| waits[*position] == 0).collect();
        while let Some(position) = free.pop() {
            for dependent in &self.items[position].dependents {
                waits[*dependent] -= 1;
                if waits[*dependent] == 0 {
                    free.push(*dependent);
                }
            }
        }
        // The remaining items are on a cycle or wait for one. Walking backwards from any of them
        // leads onto the cycle.
        let stuck = waits.iter().position(|waits| *waits > 0)?;
        let mut seen = vec![false; waits.len()];
        let mut position = stuck;
        while !seen[position] {
            seen[position] = true;
            position = (0..waits.len())
                .find(|first| {
                    waits[*first] > 0 && self.items[*first].dependents.contains(&position)
                })
                .expect("a waiting item waits for another waiting item");
        }
        Some(self.items[position].id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tender_protocol::Item;

    fn plan(items: &[(u32, &[u32])]) -> Plan {
        let item = |(id, after): &(u32, &[u32])| Item {
            id: ItemId(*id),
            unit: format!("{id}.c"),
            cost: Micros(0),
            after: after.iter().copied().map(ItemId).collect(),
            memory: Default::default(),
            settled: Vec::new(),
            modules: Vec::new(),
            work: Work::Archive { output: String::new(), members: Vec::new(), lto: None },
        };
        Plan {
            id: PlanId(7),
            krate: "a".into(),
            jobs: None,
            translate: Default::default(),
            items: items.iter().map(item).collect(),
        }
    }

    fn check(items: &[(u32, &[u32])], expect: Option<&str>) {
        let error = Outline::new(&plan(items)).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), expect, "{items:?}");
    }

    #[test]
    fn outline_accepts_plans_without_cycles() {
        check(&[], None);
        check(&[(5, &[])], None);
        check(&[(3, &[1, 2]), (1, &[]), (2, &[1])], None);
        check(&[(1, &[]), (2, &[1, 1])], None);
    }

    #[test]
    fn outline_refuses_duplicates_unknown_items_and_cycles() {
        check(&[(1, &[]), (1, &[])], Some("plan 7: two items have the id 1"));
        check(&[(1, &[4])], Some("plan 7: item 1 comes after item 4, which is not in the plan"));
        check(
            &[(1, &[1])],
            Some("plan 7: item 1 depends on itself, directly or through other items"),
        );
        check(
            &[(9, &[2]), (1, &[]), (2, &[1, 3]), (3, &[2])],
            Some("plan 7: item 2 depends on itself, directly or through other items"),
        );
    }
}
