//! All slots of a pool for one program at a time: benchmarks. What other jobs of a parent's pool hold
//! is waited for, but not for long: two programs that each wait for the rest would wait for each other.
//! Knows no processes.

use crate::keys::{ChildId, ItemId};
use crate::tokens::{Lender, Pool, Ports};
use tender_units::Micros;

/// How long the slots that are there wait, unused, for the others.
const GATHER_US: Micros = Micros::from_secs(1);

/// The state of one run.
#[derive(Debug, Default)]
pub(super) struct WholePool {
    /// When to start with what there is.
    deadline_us: Option<Micros>,
    held: Vec<ChildId>,
    /// It was said that others run meanwhile.
    is_told: bool,
}

impl WholePool {
    /// Whether a program may start: all slots are there, or it was waited for them long enough. To be
    /// called between the begin and the end of a round.
    pub fn is_ready<P: Ports, L: Lender>(&mut self, pool: &Pool<P, L>, now_us: Micros) -> bool {
        let deadline_us = *self.deadline_us.get_or_insert(now_us + GATHER_US);
        pool.broker.free() >= pool.hint() || pool.lender().is_none() || now_us >= deadline_us
    }

    /// How many slots have to be there.
    pub fn wanted<P: Ports, L: Lender>(&self, pool: &Pool<P, L>) -> u32 {
        pool.max_additional()
    }

    /// When to look again, while slots are waited for.
    pub fn deadline_us(&self) -> Option<Micros> {
        self.deadline_us
    }

    /// A program has started on one slot: holds all others. Returns, once, how many slots there are if
    /// these are not all.
    pub fn hold<P: Ports, L: Lender>(&mut self, pool: &mut Pool<P, L>) -> Option<u32> {
        self.deadline_us = None;
        // Far from the numbers of programs.
        let mut next = u32::MAX;
        loop {
            let id = ChildId::Command(ItemId(next));
            if pool.broker.charge(id).is_err() {
                break;
            }
            self.held.push(id);
            next -= 1;
        }
        let all = pool.broker.n();
        let lacks = pool.lender().is_some() && all < pool.hint();
        (lacks && !std::mem::replace(&mut self.is_told, true)).then_some(all)
    }

    /// The program has ended.
    pub fn release<P: Ports, L: Lender>(&mut self, pool: &mut Pool<P, L>) {
        for id in self.held.drain(..) {
            pool.broker.remove(id);
        }
    }
}
