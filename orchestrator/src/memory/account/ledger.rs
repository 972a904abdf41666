//! The account of memory: who may use how much, and who has to wait for it. Requests and readings
//! in, answers out. Pure: knows no processes, no clocks and no files.
//!
//! # The account
//!
//! Each process has a *baseline*, what it uses with nothing to do, and *leases*, one for each item
//! that it runs. What it really uses is *measured* from time to time. Until its leases are used up
//! it may grow:
//!
//! ```text
//! growth of a process = max(0, baseline + its leases - measured)
//! a lease is granted if   it + the growth of all    <= headroom     what was free at the last reading
//!                    and  it + what all may use     <= ceiling      where the user sets one
//! ```
//!
//! What is in use already is missing from the headroom, so only growth is set aside, and nothing is
//! counted twice. A process that uses more than its leases say counts with what it uses, and is
//! expected to go on growing for a while.
//!
//! # Rules
//!
//! - One job may always run, however large: where no part of any item runs or could, one is
//!   granted. (An item that has come in pieces, of which none has memory, holds bytes, and nothing
//!   of it runs.)
//! - A large one is not starved: after it was passed over [`MOST_PASSES`] times nobody else begins
//!   until it does. What has begun goes on: it gives its bytes back only at its end.

use crate::keys::{ChildId, ItemIx};
use std::collections::BTreeMap;

/// How many smaller ones may be granted while a more urgent one waits.
pub const MOST_PASSES: u32 = 16;

/// Why a lease is not granted now. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    pub need: u64,
    /// What could be granted.
    pub free: u64,
    /// It may have been enough, but is kept for one that was passed over too often.
    pub kept_for: Option<ItemIx>,
}

/// Sums over all processes, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Account {
    pub leases: u64,
    pub baselines: u64,
    pub measured: u64,
    pub growth: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Free at the last reading, bytes, the reserve and what others have set aside subtracted.
    /// None: there is no limit.
    headroom: Option<u64>,
    ceiling: Option<u64>,
    processes: BTreeMap<ChildId, Process>,
    waits: Option<Waiting>,
}

#[derive(Clone, Debug, Default)]
struct Process {
    baseline: u64,
    measured: u64,
    leases: BTreeMap<ItemIx, Lease>,
}

/// What an item holds.
#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    bytes: u64,
    /// Parts of the item that run under it, or could.
    parts: u32,
}

/// What a lease is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Beginning,
    /// A piece of what has begun, or what joins them.
    Continuation,
}

/// The most urgent one that was denied.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: ItemIx,
    passes: u32,
    /// Asked for in this round.
    asked: bool,
}

impl Process {
    /// That run in it, or could.
    fn parts(&self) -> u32 {
        self.leases.values().map(|lease| lease.parts).sum()
    }

    fn leased(&self) -> u64 {
        self.leases.values().map(|lease| lease.bytes).sum()
    }

    fn growth(&self) -> u64 {
        let expected = self.baseline + self.leased();
        if self.measured <= expected {
            return expected - self.measured;
        }
        // Its leases turned out too small; how much too small is seen only later. What an allocator
        // keeps of what has ended looks the same, so this is bounded.
        ((self.measured - expected) / 2).min(self.leased() / 2)
    }

    fn committed(&self) -> u64 {
        self.measured.max(self.baseline + self.leased())
    }
}

impl Ledger {
    /// No more than `ceiling` bytes for all processes together.
    pub fn with_ceiling(ceiling: Option<u64>) -> Ledger {
        Ledger { ceiling, ..Ledger::default() }
    }

    /// What is free now, bytes. None where it cannot be known: then only the ceiling counts.
    pub fn reading(&mut self, headroom: Option<u64>) {
        self.headroom = headroom;
    }

    pub fn set_ceiling(&mut self, ceiling: Option<u64>) {
        self.ceiling = ceiling;
    }

    pub fn ceiling(&self) -> Option<u64> {
        self.ceiling
    }

    /// What a process uses now, bytes. Does nothing if it is not known.
    pub fn measured(&mut self, process: ChildId, bytes: u64) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.measured = bytes;
        }
    }

    /// A process uses no less than this now, bytes.
    pub fn measured_at_least(&mut self, process: ChildId, bytes: u64) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.measured = process.measured.max(bytes);
        }
    }

    /// What a process uses beyond its baseline and its leases, but for the last one of `granted`
    /// bytes: what its allocator keeps of items that have ended. Bytes.
    pub fn kept(&self, process: ChildId, granted: u64) -> u64 {
        let Some(process) = self.processes.get(&process) else { return 0 };
        process.measured.saturating_sub(process.baseline + process.leased().saturating_sub(granted))
    }

    /// It gives that back.
    pub fn purged(&mut self, process: ChildId, granted: u64) {
        let kept = self.kept(process, granted);
        if let Some(process) = self.processes.get_mut(&process) {
            process.measured -= kept;
        }
    }

    /// A process that is about to start, and will use `baseline` bytes with nothing to do.
    pub fn add_process(&mut self, process: ChildId, baseline: u64) {
        self.processes.entry(process).or_default().baseline = baseline;
    }

    /// It is gone, and so are its leases.
    pub fn remove_process(&mut self, process: ChildId) {
        self.processes.remove(&process);
    }

    /// Begins to ask for leases, the most urgent first.
    pub fn begin_round(&mut self) {
        match &mut self.waits {
            // It is not wanted any more.
            Some(waiting) if !waiting.asked => self.waits = None,
            Some(waiting) => waiting.asked = false,
            None => {}
        }
    }

    /// Asks for `bytes` for a part of an item, added to what it has. `baseline` is that of a
    /// process that is started for it, else 0.
    ///
    /// # Errors
    /// It has to wait, and why.
    pub fn lease(
        &mut self,
        process: ChildId,
        id: ItemIx,
        bytes: u64,
        baseline: u64,
        purpose: Purpose,
    ) -> Result<(), Denied> {
        let need = bytes.saturating_add(baseline);
        let free = self.free();
        let is_waiting = self.waits.is_some_and(|waiting| waiting.id == id);
        let denied = Denied { need, free, kept_for: self.kept_for(id, purpose) };
        if self.would_grant(id, need, purpose) {
            if is_waiting {
                self.waits = None;
            } else if let Some(waiting) = &mut self.waits {
                waiting.passes += 1;
            }
            self.force(process, id, bytes);
            return Ok(());
        }
        // The first that is denied is the most urgent one.
        self.waits.get_or_insert(Waiting { id, passes: 0, asked: true }).asked |= is_waiting;
        Err(denied)
    }

    /// The item that was passed over so often that all that is free is kept for it, if that is not
    /// the one that asks.
    fn kept_for(&self, id: ItemIx, purpose: Purpose) -> Option<ItemIx> {
        let kept = self.waits.filter(|waiting| {
            purpose == Purpose::Beginning && waiting.passes >= MOST_PASSES && waiting.id != id
        });
        kept.map(|waiting| waiting.id)
    }

    /// Whether [`Ledger::lease`] would grant `need` bytes, a baseline included.
    pub fn would_grant(&self, id: ItemIx, need: u64, purpose: Purpose) -> bool {
        self.is_idle() || (need <= self.free() && self.kept_for(id, purpose).is_none())
    }

    /// Whether one more, which could not run at once, does no harm to others.
    pub fn has_room_ahead(&self, bytes: u64) -> bool {
        let nobody_waits = self.waits.is_none();
        nobody_waits && bytes.saturating_mul(4) <= self.free()
    }

    /// A part of an item runs, asked or not.
    pub fn force(&mut self, process: ChildId, id: ItemIx, bytes: u64) {
        let lease = self.processes.entry(process).or_default().leases.entry(id).or_default();
        lease.bytes = lease.bytes.saturating_add(bytes);
        lease.parts += 1;
    }

    /// What the item holds from now on, and how many of its parts run or could. Does nothing if it
    /// holds nothing.
    pub fn resize(&mut self, process: ChildId, id: ItemIx, bytes: u64, parts: u32) {
        let lease =
            self.processes.get_mut(&process).and_then(|process| process.leases.get_mut(&id));
        lease.into_iter().for_each(|lease| *lease = Lease { bytes, parts });
    }

    pub fn release(&mut self, process: ChildId, id: ItemIx) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.leases.remove(&id);
        }
    }

    /// Whether nobody holds a lease: nothing has begun, or is about to.
    pub fn is_empty(&self) -> bool {
        self.processes.values().all(|process| process.leases.is_empty())
    }

    /// Whether no part of anything runs, or could.
    pub fn is_idle(&self) -> bool {
        self.parts() == 0
    }

    /// Parts that run, or could.
    pub fn parts(&self) -> u32 {
        self.processes.values().map(Process::parts).sum()
    }

    /// Parts of items that run in a process, or could.
    pub fn parts_in(&self, process: ChildId) -> u32 {
        self.processes.get(&process).map_or(0, Process::parts)
    }

    /// What a process used when it was last measured, bytes.
    pub fn used_by(&self, process: ChildId) -> u64 {
        self.processes.get(&process).map_or(0, |process| process.measured)
    }

    /// The most that could be leased now, bytes.
    pub fn free(&self) -> u64 {
        let committed = self.processes.values().map(Process::committed).sum();
        let by_ceiling = self.ceiling.map_or(u64::MAX, |ceiling| ceiling.saturating_sub(committed));
        self.free_by_reading().min(by_ceiling)
    }

    /// The same without regard to the ceiling: of what goes beyond this, bytes, somebody may be
    /// killed.
    pub fn free_by_reading(&self) -> u64 {
        let growth = self.processes.values().map(Process::growth).sum();
        self.headroom.map_or(u64::MAX, |headroom| headroom.saturating_sub(growth))
    }

    /// What [`Ledger::free`] would be if `processes` gave back what their allocators keep, bytes.
    pub fn free_if_purged(&self, processes: &[ChildId]) -> u64 {
        let kept = |id| if processes.contains(id) { self.kept(*id, 0) } else { 0 };
        let (mut all_kept, mut growth, mut committed) = (0, 0, 0);
        for (id, process) in &self.processes {
            let kept = kept(id);
            all_kept += kept;
            // Without it a process is within its leases, and they are used up.
            growth += if kept > 0 { 0 } else { process.growth() };
            committed += process.committed() - kept;
        }
        let by_reading =
            self.headroom.map_or(u64::MAX, |headroom| (headroom + all_kept).saturating_sub(growth));
        by_reading.min(self.ceiling.map_or(u64::MAX, |ceiling| ceiling.saturating_sub(committed)))
    }

    /// What others than `processes` may use beyond the `used` bytes that they use now, in bytes:
    /// what is free, less what the processes may grow. None: there is no limit.
    pub fn free_beside(
        &self,
        processes: &[ChildId],
        headroom: Option<u64>,
        used: u64,
    ) -> Option<u64> {
        let of = |sum: fn(&Process) -> u64| -> u64 {
            processes.iter().filter_map(|process| self.processes.get(process)).map(sum).sum()
        };
        let by_reading = headroom.map(|headroom| headroom.saturating_sub(of(Process::growth)));
        let by_ceiling =
            self.ceiling.map(|ceiling| ceiling.saturating_sub(of(Process::committed) + used));
        by_reading.into_iter().chain(by_ceiling).min()
    }

    pub fn totals(&self) -> Account {
        let mut totals = Account::default();
        for process in self.processes.values() {
            totals.leases += process.leased();
            totals.baselines += process.baseline;
            totals.measured += process.measured;
            totals.growth += process.growth();
        }
        totals
    }

    /// All leases, bytes.
    pub fn all_leases(&self) -> impl Iterator<Item = u64> + '_ {
        self.processes.values().flat_map(|process| process.leases.values().map(|lease| lease.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::Purpose::{Beginning, Continuation};
    use super::*;
    use crate::keys::WorkerId;
    use proptest::prelude::*;

    const P: ChildId = ChildId::Worker(WorkerId(0));
    const Q: ChildId = ChildId::Worker(WorkerId(1));

    fn with_headroom(bytes: u64) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.reading(Some(bytes));
        ledger.add_process(P, 0);
        ledger.add_process(Q, 0);
        ledger
    }

    #[test]
    fn what_is_used_already_is_not_counted_twice() {
        let mut ledger = with_headroom(100);
        ledger.lease(P, ItemIx(0), 60, 0, Beginning).unwrap();
        assert_eq!(ledger.free(), 40);
        // It has used 50, which the next reading shows.
        ledger.measured(P, 50);
        ledger.reading(Some(50));
        assert_eq!(ledger.free(), 40);
        assert_eq!(ledger.lease(Q, ItemIx(1), 41, 0, Beginning).unwrap_err().free, 40);
        ledger.lease(Q, ItemIx(1), 40, 0, Beginning).unwrap();
        assert_eq!(
            ledger.totals(),
            Account { leases: 100, baselines: 0, measured: 50, growth: 50 }
        );
    }

    #[test]
    fn a_process_that_overruns_is_expected_to_go_on() {
        let mut ledger = with_headroom(1000);
        ledger.lease(P, ItemIx(0), 100, 0, Beginning).unwrap();
        ledger.measured(P, 140);
        assert_eq!(ledger.totals().growth, 20);
        ledger.measured(P, 900);
        assert_eq!(ledger.totals().growth, 50, "as much as half of its lease");
        ledger.release(P, ItemIx(0));
        assert_eq!(ledger.totals().growth, 0, "what runs nothing does not grow");
    }

    #[test]
    fn one_job_may_always_run() {
        let mut ledger = with_headroom(10);
        ledger.lease(P, ItemIx(0), 1000, 50, Beginning).unwrap();
        assert_eq!(
            ledger.lease(Q, ItemIx(1), 1, 0, Beginning),
            Err(Denied { need: 1, free: 0, kept_for: None })
        );
        ledger.remove_process(P);
        ledger.lease(Q, ItemIx(1), 1000, 0, Beginning).unwrap();
    }

    #[test]
    fn a_ceiling_counts_baselines_and_what_is_used() {
        let mut ledger = Ledger::with_ceiling(Some(100));
        ledger.add_process(P, 10);
        ledger.lease(P, ItemIx(0), 50, 0, Beginning).unwrap();
        assert_eq!(ledger.free(), 40);
        ledger.lease(Q, ItemIx(1), 31, 10, Beginning).unwrap_err();
        ledger.lease(Q, ItemIx(1), 30, 10, Beginning).unwrap();
        ledger.add_process(Q, 10);
        assert_eq!(ledger.free(), 0);
        ledger.resize(P, ItemIx(0), 20, 1);
        assert_eq!(ledger.free(), 30);
        ledger.measured(P, 45);
        assert_eq!(ledger.free(), 15);
    }

    #[test]
    fn what_an_allocator_keeps_is_known_and_given_back() {
        let mut ledger = with_headroom(1000);
        ledger.add_process(P, 10);
        ledger.lease(P, ItemIx(0), 60, 0, Beginning).unwrap();
        ledger.measured(P, 65);
        ledger.lease(P, ItemIx(1), 50, 0, Beginning).unwrap();
        assert_eq!(ledger.kept(P, 50), 0, "it is less than what runs may use");
        ledger.release(P, ItemIx(0));
        assert_eq!(ledger.kept(P, 50), 55);
        ledger.measured_at_least(P, 40);
        assert_eq!(ledger.kept(P, 50), 55);
        ledger.measured_at_least(P, 70);
        assert_eq!(ledger.kept(P, 50), 60);
        ledger.purged(P, 50);
        assert_eq!((ledger.kept(P, 50), ledger.totals().growth), (0, 50));
        assert_eq!((ledger.parts_in(P), ledger.used_by(P)), (1, 10));
        assert_eq!((ledger.parts_in(Q), ledger.used_by(Q)), (0, 0));
        assert_eq!(ledger.kept(Q, 50), 0);
    }

    #[test]
    fn what_is_kept_is_all_that_somebody_waits_for() {
        let mut ledger = with_headroom(30);
        ledger.add_process(P, 10);
        ledger.lease(P, ItemIx(0), 20, 0, Beginning).unwrap();
        ledger.measured(P, 70);
        ledger.reading(Some(15));
        // 40 are beyond its lease; a half of that, and no more than a half of the lease, counts as
        // growth.
        assert_eq!((ledger.free(), ledger.free_if_purged(&[P])), (5, 55));
        assert_eq!(ledger.free_if_purged(&[Q]), 5, "it keeps nothing");
        ledger.set_ceiling(Some(80));
        assert_eq!((ledger.free(), ledger.free_if_purged(&[P, Q])), (5, 50));
        ledger.reading(None);
        assert_eq!((ledger.free(), ledger.free_if_purged(&[P, Q])), (10, 50));
        ledger.measured(P, 25);
        assert_eq!((ledger.free(), ledger.free_if_purged(&[P, Q])), (50, 50));
    }

    #[test]
    fn what_is_left_beside_some_processes() {
        let mut ledger = Ledger::with_ceiling(Some(100));
        ledger.add_process(P, 10);
        ledger.lease(P, ItemIx(0), 20, 0, Beginning).unwrap();
        ledger.lease(Q, ItemIx(1), 40, 0, Beginning).unwrap();
        ledger.measured(P, 25);
        let check = |headroom, used, expect| {
            assert_eq!(ledger.free_beside(&[P], headroom, used), expect, "{headroom:?} {used}");
        };
        check(None, 0, Some(70));
        check(None, 60, Some(10));
        check(None, 80, Some(0));
        check(Some(50), 0, Some(45));
        assert_eq!(Ledger::default().free_beside(&[P], None, 1), None);
    }

    #[test]
    fn a_large_one_is_passed_over_so_often_and_no_more() {
        let mut ledger = with_headroom(100);
        ledger.lease(P, ItemIx(0), 50, 0, Beginning).unwrap();
        let large = ItemIx(1);
        let mut passes = 0;
        let kept_for = loop {
            ledger.begin_round();
            ledger.lease(Q, large, 60, 0, Beginning).unwrap_err();
            let small = ItemIx(100 + passes);
            match ledger.lease(Q, small, 1, 0, Beginning) {
                Ok(()) => ledger.release(Q, small),
                Err(denied) => break denied.kept_for,
            }
            passes += 1;
        };
        assert_eq!((passes, kept_for), (MOST_PASSES, Some(large)));
        // What ended was all that it waited for.
        ledger.release(P, ItemIx(0));
        ledger.begin_round();
        ledger.lease(Q, large, 60, 0, Beginning).unwrap();
        ledger.lease(Q, ItemIx(3), 1, 0, Beginning).unwrap();
    }

    #[test]
    fn a_piece_may_always_run_where_nothing_does() {
        let mut ledger = with_headroom(10);
        ledger.lease(P, ItemIx(0), 1000, 0, Beginning).unwrap();
        // It has come in pieces, and keeps what they are made of.
        ledger.resize(P, ItemIx(0), 50, 0);
        assert!(ledger.is_idle() && !ledger.is_empty());
        ledger.lease(P, ItemIx(0), 500, 0, Continuation).unwrap();
        assert!(!ledger.is_idle());
        ledger.lease(P, ItemIx(0), 500, 0, Continuation).unwrap_err();
        ledger.resize(P, ItemIx(0), 50, 0);
        ledger.lease(P, ItemIx(0), 500, 0, Continuation).unwrap();
    }

    #[test]
    fn what_has_begun_goes_on_whoever_was_passed_over() {
        let mut ledger = with_headroom(100);
        ledger.lease(P, ItemIx(0), 50, 0, Beginning).unwrap();
        ledger.begin_round();
        ledger.lease(Q, ItemIx(1), 60, 0, Beginning).unwrap_err();
        ledger.waits.as_mut().unwrap().passes = MOST_PASSES;
        assert_eq!(
            ledger.lease(Q, ItemIx(2), 1, 0, Beginning).unwrap_err().kept_for,
            Some(ItemIx(1))
        );
        ledger.lease(P, ItemIx(0), 40, 0, Continuation).unwrap();
    }

    #[test]
    fn what_is_not_asked_for_any_more_holds_up_nobody() {
        let mut ledger = with_headroom(100);
        ledger.lease(P, ItemIx(0), 50, 0, Beginning).unwrap();
        ledger.begin_round();
        ledger.lease(Q, ItemIx(1), 60, 0, Beginning).unwrap_err();
        ledger.waits.as_mut().unwrap().passes = MOST_PASSES;
        ledger.begin_round();
        ledger.lease(Q, ItemIx(2), 1, 0, Beginning).unwrap_err();
        ledger.begin_round();
        ledger.lease(Q, ItemIx(2), 1, 0, Beginning).unwrap();
    }

    #[test]
    fn without_any_limit_nobody_waits() {
        let mut ledger = Ledger::default();
        for id in 0..100 {
            ledger.lease(P, ItemIx(id), 1 << 50, 1 << 50, Beginning).unwrap();
        }
        assert!(ledger.has_room_ahead(1 << 60));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Ask { process: u32, id: u32, bytes: u64, purpose: Purpose },
        Release { process: u32, id: u32 },
        Resize { process: u32, id: u32, bytes: u64, parts: u32 },
        Gone(u32),
        Measured(u32, u64),
        Reading(u64),
        Round,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let (process, id, bytes) = (0..3u32, 0..8u32, 0..200u64);
        let step = prop_oneof![
            6 => (process.clone(), id.clone(), bytes.clone(), any::<bool>()).prop_map(|(process, id, bytes, begins)| {
                let purpose = if begins { Beginning } else { Continuation };
                Step::Ask { process, id, bytes, purpose }
            }),
            3 => (process.clone(), id.clone()).prop_map(|(process, id)| Step::Release { process, id }),
            3 => (process.clone(), id, bytes.clone(), 0..3u32)
                .prop_map(|(process, id, bytes, parts)| Step::Resize { process, id, bytes, parts }),
            1 => process.clone().prop_map(Step::Gone),
            2 => (process, bytes.clone()).prop_map(|(process, bytes)| Step::Measured(process, bytes)),
            1 => (0..600u64).prop_map(Step::Reading),
            2 => Just(Step::Round),
        ];
        proptest::collection::vec(step, 1..200)
    }

    proptest! {
        #[test]
        fn leases_stay_within_what_is_free_but_for_one(ceiling in proptest::option::of(0..500u64), steps in steps()) {
            let mut ledger = Ledger::with_ceiling(ceiling);
            ledger.reading(Some(300));
            // Parts that run, by item.
            let mut held: BTreeMap<(u32, u32), u32> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Ask { process, id, bytes, purpose } => {
                        let (free, idle) = (ledger.free(), ledger.is_idle());
                        let answer = ledger.lease(ChildId::Worker(WorkerId(process)), ItemIx(id), bytes, 0, purpose);
                        prop_assert!(answer.is_ok() || !idle, "one job may always run");
                        if answer.is_ok() {
                            prop_assert!(idle || bytes <= free);
                            *held.entry((process, id)).or_default() += 1;
                        }
                        if purpose == Continuation {
                            prop_assert_eq!(answer.is_ok(), idle || bytes <= free);
                        }
                    }
                    Step::Release { process, id } => {
                        ledger.release(ChildId::Worker(WorkerId(process)), ItemIx(id));
                        held.remove(&(process, id));
                    }
                    Step::Resize { process, id, bytes, parts } => {
                        ledger.resize(ChildId::Worker(WorkerId(process)), ItemIx(id), bytes, parts);
                        held.entry((process, id)).and_modify(|running| *running = parts);
                    }
                    Step::Gone(process) => {
                        ledger.remove_process(ChildId::Worker(WorkerId(process)));
                        held.retain(|(of, _), _| *of != process);
                    }
                    Step::Measured(process, bytes) => ledger.measured(ChildId::Worker(WorkerId(process)), bytes),
                    Step::Reading(bytes) => ledger.reading(Some(bytes)),
                    Step::Round => ledger.begin_round(),
                }
                prop_assert_eq!(ledger.is_empty(), held.is_empty());
                prop_assert_eq!(ledger.is_idle(), held.values().all(|parts| *parts == 0));
            }
            for (process, id) in held.into_keys() {
                ledger.release(ChildId::Worker(WorkerId(process)), ItemIx(id));
            }
            prop_assert_eq!(ledger.totals().leases, 0);
        }
    }
}
