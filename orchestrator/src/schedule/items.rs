//! The life of an item:
//!
//! ```text
//!   Blocked -> Judging -> Fresh
//!                      -> Ready -> Given -> Running -> Built | Failed
//!   Blocked ------------------------^ (an archive that goes along with its units)
//!   Given, Running -> Ready | Judging      when the worker dies
//!   anything but Running -> Skipped
//! ```
//!
//! Knows no workers beyond their number, and takes no decision.

use super::need::Need;
use super::task::{Class, Task};
use crate::keys::{ItemIx, WorkerId};
use crate::manifest::CrateId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Something it comes after is not up to date yet.
    Blocked,
    /// Asked whether it is fresh.
    Judging,
    /// Dirty, and all it comes after is up to date; belongs to nobody.
    Ready,
    /// Part of a plan that the worker has.
    Given(WorkerId),
    /// On a slot; of no worker if it is a command.
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

    fn is_nobodys(self) -> bool {
        matches!(self, State::Blocked | State::Judging | State::Ready)
    }
}

/// Sorts the most urgent first; ties go to the item that stands first in the graph.
pub(super) type Rank = (Reverse<u64>, ItemIx);

pub(super) struct Items {
    tasks: Vec<Task>,
    dependents: Vec<Vec<ItemIx>>,
    /// Longest expected path from an item's start to the end of the build, microseconds.
    priority: Vec<u64>,
    state: Vec<State>,
    /// How many of the items it comes after are not up to date.
    waiting: Vec<u32>,
    /// The items in state `Ready`.
    ready: BTreeSet<Rank>,
    of_crate: BTreeMap<CrateId, Vec<ItemIx>>,
    /// Items not in a final state, and those that no worker and no slot has.
    open: usize,
    nobodys: usize,
}

impl Items {
    /// `tasks` stand in topological order.
    pub(super) fn new(tasks: Vec<Task>) -> Items {
        let mut dependents = vec![Vec::new(); tasks.len()];
        let mut of_crate: BTreeMap<CrateId, Vec<ItemIx>> = BTreeMap::new();
        for (number, task) in tasks.iter().enumerate() {
            let ix = ItemIx(number as u32);
            of_crate.entry(task.krate).or_default().push(ix);
            for before in &task.after {
                assert!(before.0 < ix.0, "items stand in topological order");
                dependents[before.0 as usize].push(ix);
            }
        }
        let mut priority = vec![0; tasks.len()];
        for number in (0..tasks.len()).rev() {
            let behind =
                dependents[number].iter().map(|ix| priority[ix.0 as usize]).max().unwrap_or(0);
            priority[number] = tasks[number].cost_us.saturating_add(behind);
        }
        Items {
            dependents,
            priority,
            state: vec![State::Blocked; tasks.len()],
            waiting: tasks.iter().map(|task| task.after.len() as u32).collect(),
            ready: BTreeSet::new(),
            of_crate,
            open: tasks.len(),
            nobodys: tasks.len(),
            tasks,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = ItemIx> + use<> {
        (0..self.tasks.len() as u32).map(ItemIx)
    }

    pub(super) fn state(&self, ix: ItemIx) -> State {
        self.state[ix.0 as usize]
    }

    pub(super) fn class(&self, ix: ItemIx) -> Class {
        self.tasks[ix.0 as usize].class
    }

    pub(super) fn krate(&self, ix: ItemIx) -> CrateId {
        self.tasks[ix.0 as usize].krate
    }

    pub(super) fn need(&self, ix: ItemIx) -> Need {
        self.tasks[ix.0 as usize].memory
    }

    pub(super) fn cost_us(&self, ix: ItemIx) -> u64 {
        self.tasks[ix.0 as usize].cost_us
    }

    /// It turned out to need more than was expected.
    pub(super) fn double_need(&mut self, ix: ItemIx) {
        let memory = &mut self.tasks[ix.0 as usize].memory;
        *memory = memory.doubled();
    }

    pub(super) fn after(&self, ix: ItemIx) -> &[ItemIx] {
        &self.tasks[ix.0 as usize].after
    }

    pub(super) fn dependents(&self, ix: ItemIx) -> &[ItemIx] {
        &self.dependents[ix.0 as usize]
    }

    pub(super) fn rank(&self, ix: ItemIx) -> Rank {
        (Reverse(self.priority[ix.0 as usize]), ix)
    }

    /// All that it comes after is up to date.
    pub(super) fn is_unblocked(&self, ix: ItemIx) -> bool {
        self.waiting[ix.0 as usize] == 0
    }

    pub(super) fn ready(&self) -> impl Iterator<Item = Rank> + '_ {
        self.ready.iter().copied()
    }

    pub(super) fn open(&self) -> usize {
        self.open
    }

    pub(super) fn nobodys(&self) -> usize {
        self.nobodys
    }

    /// The one place where a state changes.
    pub(super) fn set(&mut self, ix: ItemIx, to: State) {
        let from = std::mem::replace(&mut self.state[ix.0 as usize], to);
        assert!(!from.is_final(), "item {} is {from:?} and cannot become {to:?}", ix.0);
        if from == State::Ready {
            self.ready.remove(&self.rank(ix));
        }
        if to == State::Ready {
            self.ready.insert(self.rank(ix));
        }
        self.nobodys -= usize::from(from.is_nobodys());
        self.nobodys += usize::from(to.is_nobodys());
        self.open -= usize::from(to.is_final());
        if to.is_up_to_date() {
            for dependent in &self.dependents[ix.0 as usize] {
                self.waiting[dependent.0 as usize] -= 1;
            }
        }
    }

    /// What makes one plan with `first`, which is ready: for a unit all ready units of its crate,
    /// and the crate's archives that wait for nothing outside the plan; anything else goes alone.
    /// In order of urgency.
    pub(super) fn plan_with(&self, first: ItemIx) -> Vec<ItemIx> {
        if self.class(first) != Class::Unit {
            return vec![first];
        }
        let of_crate = &self.of_crate[&self.krate(first)];
        let mut plan: Vec<ItemIx> = of_crate
            .iter()
            .copied()
            .filter(|ix| self.state(*ix) == State::Ready && self.class(*ix) == Class::Unit)
            .collect();
        let units: BTreeSet<ItemIx> = plan.iter().copied().collect();
        let follows = |ix: &ItemIx| {
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
