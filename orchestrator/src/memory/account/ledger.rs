//! The account of memory: which process may use how much, and which item waits for it. Requests and
//! readings in, answers out. Pure: knows no processes, no clocks and no files.
//!
//! # The account
//!
//! Each process has a *baseline*, which is what it uses when it is idle, and *leases*, one for each
//! item that it runs. What it uses is *measured* from time to time. It may grow until its leases
//! are used up:
//!
//! ```text
//! growth of a process = max(0, baseline + its leases - measured)
//! a lease is granted if   it + the growth of all          <= headroom     free at the last reading
//!                    and  it + what all may use in total  <= ceiling      if the user set a budget
//! ```
//!
//! Memory in use is not part of the headroom, so only growth is set aside, and nothing is counted
//! twice. A process that uses more than its leases counts with what it uses, and is expected to
//! grow further.
//!
//! # Rules
//!
//! - One job may always run, however large: if no lease lets a part of an item run, the next
//!   request is granted. (An item in pieces may hold bytes although none of its pieces has memory
//!   to run.)
//! - A large item is not starved: after [`MOST_PASSES`] other items were granted before it, no
//!   other item begins until it does. Items that have begun still get leases, because they release
//!   their memory only when they end.

use crate::keys::{ChildId, ItemId};
use std::collections::BTreeMap;
use tender_units::Bytes;

/// How many smaller items may be granted while a more urgent one waits.
pub const MOST_PASSES: u32 = 16;

/// Why a lease is not granted now; bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    pub need: Bytes,
    /// The most that could be granted.
    pub free: Bytes,
    /// The free memory is kept for this item, which has waited for too many others.
    pub kept_for: Option<ItemId>,
}

/// Sums over all processes, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Account {
    pub leases: Bytes,
    pub baselines: Bytes,
    pub measured: Bytes,
    pub growth: Bytes,
}

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Free at the last reading, bytes, without the reserve and the growth of other builds. `None`:
    /// no limit.
    headroom: Option<Bytes>,
    ceiling: Option<Bytes>,
    processes: BTreeMap<ChildId, ProcessAccount>,
    waits: Option<Waiting>,
}

#[derive(Clone, Debug, Default)]
struct ProcessAccount {
    baseline: Bytes,
    measured: Bytes,
    leases: BTreeMap<ItemId, Lease>,
}

/// The lease of an item.
#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    bytes: Bytes,
    /// How many parts of the item it lets run.
    parts: u32,
}

/// What a lease is requested for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For an item that has not begun.
    Beginning,
    /// For a piece of an item that has begun, or the join of its pieces.
    Continuation,
}

/// The most urgent item that was denied a lease.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: ItemId,
    /// How many others were granted a lease before it.
    passes: u32,
    /// Its lease was requested in this round.
    asked: bool,
}

impl ProcessAccount {
    /// How many parts its leases let run.
    fn parts(&self) -> u32 {
        self.leases.values().map(|lease| lease.parts).sum()
    }

    fn leased(&self) -> Bytes {
        self.leases.values().map(|lease| lease.bytes).sum()
    }

    fn growth(&self) -> Bytes {
        let expected = self.baseline + self.leased();
        if self.measured <= expected {
            return expected - self.measured;
        }
        // Its leases were too small; by how much is known only later. Memory that the allocator
        // keeps of ended items looks the same, so the expected growth is bounded.
        ((self.measured - expected) / 2).min(self.leased() / 2)
    }

    fn committed(&self) -> Bytes {
        self.measured.max(self.baseline + self.leased())
    }
}

impl Ledger {
    /// No more than `ceiling` bytes for all processes together.
    pub fn with_ceiling(ceiling: Option<Bytes>) -> Ledger {
        Ledger { ceiling, ..Ledger::default() }
    }

    /// Sets what is free now, bytes. `None` if that is unknown: then only the ceiling applies.
    pub fn set_headroom(&mut self, headroom: Option<Bytes>) {
        self.headroom = headroom;
    }

    pub fn set_ceiling(&mut self, ceiling: Option<Bytes>) {
        self.ceiling = ceiling;
    }

    pub fn ceiling(&self) -> Option<Bytes> {
        self.ceiling
    }

    /// Sets what a process uses now, bytes. Does nothing if the process is unknown.
    pub fn measured(&mut self, process: ChildId, bytes: Bytes) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.measured = bytes;
        }
    }

    /// Raises what a process uses to at least this, bytes.
    pub fn measured_at_least(&mut self, process: ChildId, bytes: Bytes) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.measured = process.measured.max(bytes);
        }
    }

    /// What the allocator of a process keeps of items that have ended, bytes: what it uses in
    /// excess of its baseline and its leases, without the last lease of `granted` bytes.
    pub fn kept(&self, process: ChildId, granted: Bytes) -> Bytes {
        let Some(process) = self.processes.get(&process) else { return Bytes::ZERO };
        process.measured.saturating_sub(process.baseline + process.leased().saturating_sub(granted))
    }

    /// The process returns what its allocator keeps.
    pub fn purged(&mut self, process: ChildId, granted: Bytes) {
        let kept = self.kept(process, granted);
        if let Some(process) = self.processes.get_mut(&process) {
            process.measured -= kept;
        }
    }

    /// Adds a process that is about to start, and will use `baseline` bytes when idle.
    pub fn add_process(&mut self, process: ChildId, baseline: Bytes) {
        self.processes.entry(process).or_default().baseline = baseline;
    }

    /// Removes a process that has ended, with its leases.
    pub fn remove_process(&mut self, process: ChildId) {
        self.processes.remove(&process);
    }

    /// Begins a round of requests, the most urgent first.
    pub fn begin_round(&mut self) {
        match &mut self.waits {
            // It was not requested in the last round.
            Some(waiting) if !waiting.asked => self.waits = None,
            Some(waiting) => waiting.asked = false,
            None => {}
        }
    }

    /// Requests `bytes` for a part of an item, added to its lease. `baseline` is that of a process
    /// that is started for it, else 0.
    ///
    /// # Errors
    /// The item has to wait; why.
    pub fn lease(
        &mut self,
        process: ChildId,
        id: ItemId,
        bytes: Bytes,
        baseline: Bytes,
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
        // The first denied request of a round is the most urgent one.
        self.waits.get_or_insert(Waiting { id, passes: 0, asked: true }).asked |= is_waiting;
        Err(denied)
    }

    /// The item that all free memory is kept for, unless it is `id` itself.
    fn kept_for(&self, id: ItemId, purpose: Purpose) -> Option<ItemId> {
        let kept = self.waits.filter(|waiting| {
            purpose == Purpose::Beginning && waiting.passes >= MOST_PASSES && waiting.id != id
        });
        kept.map(|waiting| waiting.id)
    }

    /// Whether [`Ledger::lease`] would grant `need` bytes, a baseline included.
    pub fn would_grant(&self, id: ItemId, need: Bytes, purpose: Purpose) -> bool {
        self.is_idle() || (need <= self.free() && self.kept_for(id, purpose).is_none())
    }

    /// Whether an item may be leased this much before it can run.
    pub fn has_room_ahead(&self, bytes: Bytes) -> bool {
        let none_waits = self.waits.is_none();
        none_waits && bytes.saturating_mul(4) <= self.free()
    }

    /// Adds to the lease of an item without a request, because a part of it runs already.
    pub fn force(&mut self, process: ChildId, id: ItemId, bytes: Bytes) {
        let lease = self.processes.entry(process).or_default().leases.entry(id).or_default();
        lease.bytes = lease.bytes.saturating_add(bytes);
        lease.parts += 1;
    }

    /// Sets the bytes of an item's lease, and how many parts it lets run. Does nothing if the item
    /// has no lease.
    pub fn resize(&mut self, process: ChildId, id: ItemId, bytes: Bytes, parts: u32) {
        let lease =
            self.processes.get_mut(&process).and_then(|process| process.leases.get_mut(&id));
        lease.into_iter().for_each(|lease| *lease = Lease { bytes, parts });
    }

    pub fn release(&mut self, process: ChildId, id: ItemId) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.leases.remove(&id);
        }
    }

    /// Whether no item has a lease: none has begun, or is about to.
    pub fn is_empty(&self) -> bool {
        self.processes.values().all(|process| process.leases.is_empty())
    }

    /// Whether no lease lets any part run.
    pub fn is_idle(&self) -> bool {
        self.parts() == 0
    }

    /// How many parts all leases let run.
    pub fn parts(&self) -> u32 {
        self.processes.values().map(ProcessAccount::parts).sum()
    }

    /// How many parts the leases of a process let run.
    pub fn parts_in(&self, process: ChildId) -> u32 {
        self.processes.get(&process).map_or(0, ProcessAccount::parts)
    }

    /// What a process used when it was last measured, bytes.
    pub fn used_by(&self, process: ChildId) -> Bytes {
        self.processes.get(&process).map_or(Bytes::ZERO, |process| process.measured)
    }

    /// The most that can be leased now, bytes.
    pub fn free(&self) -> Bytes {
        let committed = self.processes.values().map(ProcessAccount::committed).sum();
        let by_ceiling =
            self.ceiling.map_or(Bytes::MAX, |ceiling| ceiling.saturating_sub(committed));
        self.free_by_headroom().min(by_ceiling)
    }

    /// The same without the ceiling, bytes. If more than this is used, the kernel may kill a
    /// process.
    pub fn free_by_headroom(&self) -> Bytes {
        let growth = self.processes.values().map(ProcessAccount::growth).sum();
        self.headroom.map_or(Bytes::MAX, |headroom| headroom.saturating_sub(growth))
    }

    /// What [`Ledger::free`] would be if `processes` were purged, bytes.
    pub fn free_if_purged(&self, processes: &[ChildId]) -> Bytes {
        let kept =
            |id| if processes.contains(id) { self.kept(*id, Bytes::ZERO) } else { Bytes::ZERO };
        let (mut all_kept, mut growth, mut committed) = (Bytes::ZERO, Bytes::ZERO, Bytes::ZERO);
        for (id, process) in &self.processes {
            let kept = kept(id);
            all_kept += kept;
            // After a purge the process uses exactly its leases.
            growth += if kept > Bytes::ZERO { Bytes::ZERO } else { process.growth() };
            committed += process.committed() - kept;
        }
        let by_reading = self
            .headroom
            .map_or(Bytes::MAX, |headroom| (headroom + all_kept).saturating_sub(growth));
        by_reading.min(self.ceiling.map_or(Bytes::MAX, |ceiling| ceiling.saturating_sub(committed)))
    }

    /// What processes other than `processes`, which use `used` bytes now, may use in addition,
    /// bytes: what is free, without the growth of `processes`. `None`: no limit.
    pub fn free_beside(
        &self,
        processes: &[ChildId],
        headroom: Option<Bytes>,
        used: Bytes,
    ) -> Option<Bytes> {
        let of = |sum: fn(&ProcessAccount) -> Bytes| -> Bytes {
            processes.iter().filter_map(|process| self.processes.get(process)).map(sum).sum()
        };
        let by_reading =
            headroom.map(|headroom| headroom.saturating_sub(of(ProcessAccount::growth)));
        let by_ceiling = self
            .ceiling
            .map(|ceiling| ceiling.saturating_sub(of(ProcessAccount::committed) + used));
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
    pub fn all_leases(&self) -> impl Iterator<Item = Bytes> + '_ {
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
        ledger.set_headroom(Some(Bytes(bytes)));
        ledger.add_process(P, Bytes(0));
        ledger.add_process(Q, Bytes(0));
        ledger
    }

    #[test]
    fn ledger_does_not_count_used_memory_twice() {
        let mut ledger = with_headroom(100);
        ledger.lease(P, ItemId(0), Bytes(60), Bytes(0), Beginning).unwrap();
        assert_eq!(ledger.free(), Bytes(40));
        // It has used 50, which the next reading shows.
        ledger.measured(P, Bytes(50));
        ledger.set_headroom(Some(Bytes(50)));
        assert_eq!(ledger.free(), Bytes(40));
        assert_eq!(
            ledger.lease(Q, ItemId(1), Bytes(41), Bytes(0), Beginning).unwrap_err().free,
            Bytes(40)
        );
        ledger.lease(Q, ItemId(1), Bytes(40), Bytes(0), Beginning).unwrap();
        assert_eq!(
            ledger.totals(),
            Account {
                leases: Bytes(100),
                baselines: Bytes(0),
                measured: Bytes(50),
                growth: Bytes(50)
            }
        );
    }

    #[test]
    fn ledger_expects_growth_of_a_process_beyond_its_leases() {
        let mut ledger = with_headroom(1000);
        ledger.lease(P, ItemId(0), Bytes(100), Bytes(0), Beginning).unwrap();
        ledger.measured(P, Bytes(140));
        assert_eq!(ledger.totals().growth, Bytes(20));
        ledger.measured(P, Bytes(900));
        assert_eq!(ledger.totals().growth, Bytes(50), "at most half of its lease");
        ledger.release(P, ItemId(0));
        assert_eq!(ledger.totals().growth, Bytes(0), "an idle process does not grow");
    }

    #[test]
    fn ledger_always_lets_one_job_run() {
        let mut ledger = with_headroom(10);
        ledger.lease(P, ItemId(0), Bytes(1000), Bytes(50), Beginning).unwrap();
        assert_eq!(
            ledger.lease(Q, ItemId(1), Bytes(1), Bytes(0), Beginning),
            Err(Denied { need: Bytes(1), free: Bytes(0), kept_for: None })
        );
        ledger.remove_process(P);
        ledger.lease(Q, ItemId(1), Bytes(1000), Bytes(0), Beginning).unwrap();
    }

    #[test]
    fn ledger_ceiling_includes_baselines_and_used_memory() {
        let mut ledger = Ledger::with_ceiling(Some(Bytes(100)));
        ledger.add_process(P, Bytes(10));
        ledger.lease(P, ItemId(0), Bytes(50), Bytes(0), Beginning).unwrap();
        assert_eq!(ledger.free(), Bytes(40));
        ledger.lease(Q, ItemId(1), Bytes(31), Bytes(10), Beginning).unwrap_err();
        ledger.lease(Q, ItemId(1), Bytes(30), Bytes(10), Beginning).unwrap();
        ledger.add_process(Q, Bytes(10));
        assert_eq!(ledger.free(), Bytes(0));
        ledger.resize(P, ItemId(0), Bytes(20), 1);
        assert_eq!(ledger.free(), Bytes(30));
        ledger.measured(P, Bytes(45));
        assert_eq!(ledger.free(), Bytes(15));
    }

    #[test]
    fn ledger_knows_what_allocators_keep_until_a_purge() {
        let mut ledger = with_headroom(1000);
        ledger.add_process(P, Bytes(10));
        ledger.lease(P, ItemId(0), Bytes(60), Bytes(0), Beginning).unwrap();
        ledger.measured(P, Bytes(65));
        ledger.lease(P, ItemId(1), Bytes(50), Bytes(0), Beginning).unwrap();
        assert_eq!(ledger.kept(P, Bytes(50)), Bytes(0), "less than the leases of what runs");
        ledger.release(P, ItemId(0));
        assert_eq!(ledger.kept(P, Bytes(50)), Bytes(55));
        ledger.measured_at_least(P, Bytes(40));
        assert_eq!(ledger.kept(P, Bytes(50)), Bytes(55));
        ledger.measured_at_least(P, Bytes(70));
        assert_eq!(ledger.kept(P, Bytes(50)), Bytes(60));
        ledger.purged(P, Bytes(50));
        assert_eq!((ledger.kept(P, Bytes(50)), ledger.totals().growth), (Bytes(0), Bytes(50)));
        assert_eq!((ledger.parts_in(P), ledger.used_by(P)), (1, Bytes(10)));
        assert_eq!((ledger.parts_in(Q), ledger.used_by(Q)), (0, Bytes(0)));
        assert_eq!(ledger.kept(Q, Bytes(50)), Bytes(0));
    }

    #[test]
    fn ledger_predicts_free_memory_after_a_purge() {
        let mut ledger = with_headroom(30);
        ledger.add_process(P, Bytes(10));
        ledger.lease(P, ItemId(0), Bytes(20), Bytes(0), Beginning).unwrap();
        ledger.measured(P, Bytes(70));
        ledger.set_headroom(Some(Bytes(15)));
        // 40 are beyond its lease; a half of that, and no more than a half of the lease, counts as
        // growth.
        assert_eq!((ledger.free(), ledger.free_if_purged(&[P])), (Bytes(5), Bytes(55)));
        assert_eq!(ledger.free_if_purged(&[Q]), Bytes(5), "it keeps nothing");
        ledger.set_ceiling(Some(Bytes(80)));
        assert_eq!((ledger.free(), ledger.free_if_purged(&[P, Q])), (Bytes(5), Bytes(50)));
        ledger.set_headroom(None);
        assert_eq!((ledger.free(), ledger.free_if_purged(&[P, Q])), (Bytes(10), Bytes(50)));
        ledger.measured(P, Bytes(25));
        assert_eq!((ledger.free(), ledger.free_if_purged(&[P, Q])), (Bytes(50), Bytes(50)));
    }

    #[test]
    fn ledger_computes_what_is_free_beside_processes() {
        let mut ledger = Ledger::with_ceiling(Some(Bytes(100)));
        ledger.add_process(P, Bytes(10));
        ledger.lease(P, ItemId(0), Bytes(20), Bytes(0), Beginning).unwrap();
        ledger.lease(Q, ItemId(1), Bytes(40), Bytes(0), Beginning).unwrap();
        ledger.measured(P, Bytes(25));
        let check = |headroom, used, expect| {
            assert_eq!(ledger.free_beside(&[P], headroom, used), expect, "{headroom:?} {used}");
        };
        check(None, Bytes(0), Some(Bytes(70)));
        check(None, Bytes(60), Some(Bytes(10)));
        check(None, Bytes(80), Some(Bytes(0)));
        check(Some(Bytes(50)), Bytes(0), Some(Bytes(45)));
        assert_eq!(Ledger::default().free_beside(&[P], None, Bytes(1)), None);
    }

    #[test]
    fn ledger_does_not_starve_a_large_item() {
        let mut ledger = with_headroom(100);
        ledger.lease(P, ItemId(0), Bytes(50), Bytes(0), Beginning).unwrap();
        let large = ItemId(1);
        let mut passes = 0;
        let kept_for = loop {
            ledger.begin_round();
            ledger.lease(Q, large, Bytes(60), Bytes(0), Beginning).unwrap_err();
            let small = ItemId(100 + passes);
            match ledger.lease(Q, small, Bytes(1), Bytes(0), Beginning) {
                Ok(()) => ledger.release(Q, small),
                Err(denied) => break denied.kept_for,
            }
            passes += 1;
        };
        assert_eq!((passes, kept_for), (MOST_PASSES, Some(large)));
        // The first item ends, and the large one fits.
        ledger.release(P, ItemId(0));
        ledger.begin_round();
        ledger.lease(Q, large, Bytes(60), Bytes(0), Beginning).unwrap();
        ledger.lease(Q, ItemId(3), Bytes(1), Bytes(0), Beginning).unwrap();
    }

    #[test]
    fn ledger_always_lets_one_piece_run() {
        let mut ledger = with_headroom(10);
        ledger.lease(P, ItemId(0), Bytes(1000), Bytes(0), Beginning).unwrap();
        // The item is in pieces, and holds the module that they are parts of.
        ledger.resize(P, ItemId(0), Bytes(50), 0);
        assert!(ledger.is_idle() && !ledger.is_empty());
        ledger.lease(P, ItemId(0), Bytes(500), Bytes(0), Continuation).unwrap();
        assert!(!ledger.is_idle());
        ledger.lease(P, ItemId(0), Bytes(500), Bytes(0), Continuation).unwrap_err();
        ledger.resize(P, ItemId(0), Bytes(50), 0);
        ledger.lease(P, ItemId(0), Bytes(500), Bytes(0), Continuation).unwrap();
    }

    #[test]
    fn ledger_grants_continuations_while_a_large_item_waits() {
        let mut ledger = with_headroom(100);
        ledger.lease(P, ItemId(0), Bytes(50), Bytes(0), Beginning).unwrap();
        ledger.begin_round();
        ledger.lease(Q, ItemId(1), Bytes(60), Bytes(0), Beginning).unwrap_err();
        ledger.waits.as_mut().unwrap().passes = MOST_PASSES;
        assert_eq!(
            ledger.lease(Q, ItemId(2), Bytes(1), Bytes(0), Beginning).unwrap_err().kept_for,
            Some(ItemId(1))
        );
        ledger.lease(P, ItemId(0), Bytes(40), Bytes(0), Continuation).unwrap();
    }

    #[test]
    fn ledger_forgets_a_request_that_is_not_repeated() {
        let mut ledger = with_headroom(100);
        ledger.lease(P, ItemId(0), Bytes(50), Bytes(0), Beginning).unwrap();
        ledger.begin_round();
        ledger.lease(Q, ItemId(1), Bytes(60), Bytes(0), Beginning).unwrap_err();
        ledger.waits.as_mut().unwrap().passes = MOST_PASSES;
        ledger.begin_round();
        ledger.lease(Q, ItemId(2), Bytes(1), Bytes(0), Beginning).unwrap_err();
        ledger.begin_round();
        ledger.lease(Q, ItemId(2), Bytes(1), Bytes(0), Beginning).unwrap();
    }

    #[test]
    fn ledger_without_limits_grants_everything() {
        let mut ledger = Ledger::default();
        for id in 0..100 {
            ledger.lease(P, ItemId(id), Bytes(1 << 50), Bytes(1 << 50), Beginning).unwrap();
        }
        assert!(ledger.has_room_ahead(Bytes(1 << 60)));
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
        fn ledger_grants_no_more_than_is_free_except_for_one_job(ceiling in proptest::option::of(0..500u64), steps in steps()) {
            let mut ledger = Ledger::with_ceiling(ceiling.map(Bytes));
            ledger.set_headroom(Some(Bytes(300)));
            // How many parts run, by process and item.
            let mut held: BTreeMap<(u32, u32), u32> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Ask { process, id, bytes, purpose } => {
                        let (free, idle) = (ledger.free(), ledger.is_idle());
                        let answer = ledger.lease(ChildId::Worker(WorkerId(process)), ItemId(id), Bytes(bytes), Bytes(0), purpose);
                        prop_assert!(answer.is_ok() || !idle, "one job may always run");
                        if answer.is_ok() {
                            prop_assert!(idle || Bytes(bytes) <= free);
                            *held.entry((process, id)).or_default() += 1;
                        }
                        if purpose == Continuation {
                            prop_assert_eq!(answer.is_ok(), idle || Bytes(bytes) <= free);
                        }
                    }
                    Step::Release { process, id } => {
                        ledger.release(ChildId::Worker(WorkerId(process)), ItemId(id));
                        held.remove(&(process, id));
                    }
                    Step::Resize { process, id, bytes, parts } => {
                        ledger.resize(ChildId::Worker(WorkerId(process)), ItemId(id), Bytes(bytes), parts);
                        held.entry((process, id)).and_modify(|running| *running = parts);
                    }
                    Step::Gone(process) => {
                        ledger.remove_process(ChildId::Worker(WorkerId(process)));
                        held.retain(|(of, _), _| *of != process);
                    }
                    Step::Measured(process, bytes) => ledger.measured(ChildId::Worker(WorkerId(process)), Bytes(bytes)),
                    Step::Reading(bytes) => ledger.set_headroom(Some(Bytes(bytes))),
                    Step::Round => ledger.begin_round(),
                }
                prop_assert_eq!(ledger.is_empty(), held.is_empty());
                prop_assert_eq!(ledger.is_idle(), held.values().all(|parts| *parts == 0));
            }
            for (process, id) in held.into_keys() {
                ledger.release(ChildId::Worker(WorkerId(process)), ItemId(id));
            }
            prop_assert_eq!(ledger.totals().leases, Bytes::ZERO);
        }
    }
}
