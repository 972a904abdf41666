//! The states of an item:
//!
//! ```text
//!   Blocked -> Judging -> Fresh
//!                      -> Ready -> Given -> Running -> Built | Failed
//!   Blocked ------------------------^ (an archive in the plan of its units)
//!   Given, Running -> Ready | Judging      if the worker dies
//!   anything but Running -> Skipped
//! ```
//!
//! Knows no workers beyond their number, and takes no decision.

use super::need::Need;
use super::task::{Class, Task};
use crate::keys::{ItemId, WorkerId};
use crate::manifest::CrateId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use tender_units::Micros;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A prerequisite is not up to date yet.
    Blocked,
    /// It is being checked whether it is up to date.
    Judging,
    /// Dirty, with all prerequisites up to date; given to no worker.
    Ready,
    /// Part of a plan that the worker has.
    Given(WorkerId),
    /// On a slot; in no worker if it is a command.
    Running(Option<WorkerId>),
    /// Final, as are all that follow.
    Fresh,
    Built,
    Failed,
    Skipped,
}

impl State {
    pub(super) fn is_final(self) -> bool {
        matches!(self, State::Fresh | State::Built | State::Failed | State::Skipped)
    }

    pub(super) fn is_up_to_date(self) -> bool {
        matches!(self, State::Fresh | State::Built)
    }

    fn is_unassigned(self) -> bool {
        matches!(self, State::Blocked | State::Judging | State::Ready)
    }
}

/// Sorts the most urgent first; of equals the first in the graph.
pub(super) type Rank = (Reverse<Micros>, ItemId);

pub(super) struct Items {
    tasks: Vec<Task>,
    dependents: Vec<Vec<ItemId>>,
    /// Longest expected path from an item's start to the end of the build, microseconds.
    priority: Vec<Micros>,
    state: Vec<State>,
    /// How many prerequisites of an item are not up to date.
    waiting: Vec<u32>,
    /// The items in state `Ready`.
    ready: BTreeSet<Rank>,
    of_crate: BTreeMap<CrateId, Vec<ItemId>>,
    /// How many items are not in a final state.
    unfinished: usize,
    /// How many items are in no worker and on no slot.
    unassigned: usize,
}

impl Items {
    /// `tasks` are in topological order.
    pub(super) fn new(tasks: Vec<Task>) -> Items {
        let mut dependents = vec![Vec::new(); tasks.len()];
        let mut of_crate: BTreeMap<CrateId, Vec<ItemId>> = BTreeMap::new();
        for (number, task) in tasks.iter().enumerate() {
            let ix = ItemId(number as u32);
            of_crate.entry(task.krate).or_default().push(ix);
            for before in &task.after {
                assert!(before.0 < ix.0, "items are in topological order");
                dependents[before.0 as usize].push(ix);
            }
        }
        let mut priority = vec![Micros::ZERO; tasks.len()];
        for number in (0..tasks.len()).rev() {
            let behind = dependents[number].iter().map(|ix| priority[ix.0 as usize]).max();
            priority[number] = tasks[number].cost_us.saturating_add(behind.unwrap_or_default());
        }
        Items {
            dependents,
            priority,
            state: vec![State::Blocked; tasks.len()],
            waiting: tasks.iter().map(|task| task.after.len() as u32).collect(),
            ready: BTreeSet::new(),
            of_crate,
            unfinished: tasks.len(),
            unassigned: tasks.len(),
            tasks,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = ItemId> + use<> {
        (0..self.tasks.len() as u32).map(ItemId)
    }

    pub(super) fn state(&self, ix: ItemId) -> State {
        self.state[ix.0 as usize]
    }

    pub(super) fn class(&self, ix: ItemId) -> Class {
        self.tasks[ix.0 as usize].class
    }

    pub(super) fn is_optional(&self, ix: ItemId) -> bool {
        self.tasks[ix.0 as usize].optional
    }

    pub(super) fn uses_headers(&self, ix: ItemId) -> bool {
        self.tasks[ix.0 as usize].uses_headers
    }

    pub(super) fn krate(&self, ix: ItemId) -> CrateId {
        self.tasks[ix.0 as usize].krate
    }

    pub(super) fn need(&self, ix: ItemId) -> Need {
        self.tasks[ix.0 as usize].memory
    }

    pub(super) fn cost_us(&self, ix: ItemId) -> Micros {
        self.tasks[ix.0 as usize].cost_us
    }

    /// Doubles the estimate of an item that was killed for memory.
    pub(super) fn double_need(&mut self, ix: ItemId) {
        let memory = &mut self.tasks[ix.0 as usize].memory;
        *memory = memory.doubled();
    }

    pub(super) fn after(&self, ix: ItemId) -> &[ItemId] {
        &self.tasks[ix.0 as usize].after
    }

    pub(super) fn dependents(&self, ix: ItemId) -> &[ItemId] {
        &self.dependents[ix.0 as usize]
    }

    pub(super) fn rank(&self, ix: ItemId) -> Rank {
        (Reverse(self.priority[ix.0 as usize]), ix)
    }

    /// Whether all prerequisites are up to date.
    pub(super) fn is_unblocked(&self, ix: ItemId) -> bool {
        self.waiting[ix.0 as usize] == 0
    }

    pub(super) fn ready(&self) -> impl Iterator<Item = Rank> + '_ {
        self.ready.iter().copied()
    }

    pub(super) fn unfinished(&self) -> usize {
        self.unfinished
    }

    pub(super) fn unassigned(&self) -> usize {
        self.unassigned
    }

    /// Changes the state of an item. No other function does.
    pub(super) fn set(&mut self, ix: ItemId, to: State) {
        let from = std::mem::replace(&mut self.state[ix.0 as usize], to);
        assert!(!from.is_final(), "item {} is {from:?} and cannot become {to:?}", ix.0);
        if from == State::Ready {
            self.ready.remove(&self.rank(ix));
        }
        if to == State::Ready {
            self.ready.insert(self.rank(ix));
        }
        self.unassigned -= usize::from(from.is_unassigned());
        self.unassigned += usize::from(to.is_unassigned());
        self.unfinished -= usize::from(to.is_final());
        if to.is_up_to_date() {
            for dependent in &self.dependents[ix.0 as usize] {
                self.waiting[dependent.0 as usize] -= 1;
            }
        }
    }

    /// The plan with `first`, which is ready. For a unit: all ready units of its crate, and
    /// archives of the crate whose prerequisites are in the plan or up to date. Any other item is a
    /// plan of its own. Most urgent first.
    pub(super) fn plan_with(&self, first: ItemId) -> Vec<ItemId> {
        if self.class(first) != Class::Unit {
            return vec![first];
        }
        let of_crate = &self.of_crate[&self.krate(first)];
        let mut plan: Vec<ItemId> = of_crate
            .iter()
            .copied()
            .filter(|ix| self.state(*ix) == State::Ready && self.class(*ix) == Class::Unit)
            .collect();
        let units: BTreeSet<ItemId> = plan.iter().copied().collect();
        let follows = |ix: &ItemId| {
            self.class(*ix) == Class::Archive
                && self.state(*ix) == State::Blocked
                && self
                    .after(*ix)
                    .iter()
                    .all(|a| units.contains(a) || self.state(*a).is_up_to_date())
        };
        plan.sort_by_key(|ix| self.rank(*ix));
        plan.extend(of_crate.iter().copied().filter(follows));
        plan
    }
}
