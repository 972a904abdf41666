//! How much more may be used, and which limit binds. Pure.

use super::cgroup::Limited;
use super::meminfo::MachineMemory;
use camino::Utf8PathBuf;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use tender_units::Bytes;

/// What sets a limit. Displayed as "the machine" or "the cgroup PATH"; in JSON and the trace it has
/// a `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Bound {
    Machine,
    Cgroup {
        /// Its directory.
        path: Utf8PathBuf,
    },
}

impl Display for Bound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Machine => f.write_str("the machine"),
            Bound::Cgroup { path } => write!(f, "the cgroup {path}"),
        }
    }
}

/// One limit on memory, and where it comes from. A build has to respect all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryLimit {
    pub bound: Bound,
    /// Bytes.
    pub limit: Bytes,
    /// The unused part of it, bytes.
    pub available: Bytes,
}

/// The reserve for limits of middle size, bytes.
const RESERVE: Bytes = Bytes(64 << 20);

impl MemoryLimit {
    /// How much of the limit is kept free, bytes. It is for memory that has no lease (the system,
    /// page tables, pipes, the orchestrator) and may be needed between two readings.
    ///
    /// 64 MiB; 3 % of the limit if that is more; a sixth of the limit if that is less, since the
    /// few items that fit into a small limit grow by little. (Measured with a reserve of 64 MiB in
    /// a group of 48 MiB: no second item fitted, and zstd's library, whose files need 3 to 14 MiB
    /// each, took 1.85 times as long at `-j8` as without a limit.)
    pub fn reserve(&self) -> Bytes {
        RESERVE.min(self.limit / 6).max(self.limit / 100 * 3)
    }

    /// What is available, without the reserve, bytes.
    pub fn headroom(&self) -> Bytes {
        self.available.saturating_sub(self.reserve())
    }

    /// What a build may use if nothing else uses memory, bytes.
    pub fn usable(&self) -> Bytes {
        self.limit.saturating_sub(self.reserve())
    }
}

/// All limits at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Our group's first, the machine last; never empty.
    levels: Vec<MemoryLimit>,
}

impl Reading {
    /// `None` if there is no limit.
    pub fn new(machine: Option<MachineMemory>, groups: Vec<Limited>) -> Option<Reading> {
        let groups = groups.into_iter().map(|group| MemoryLimit {
            bound: Bound::Cgroup { path: group.path },
            limit: group.limit,
            available: group.limit.saturating_sub(group.used),
        });
        let machine = machine.map(|MachineMemory { total, available }| MemoryLimit {
            bound: Bound::Machine,
            limit: total,
            available: available.min(total),
        });
        let levels: Vec<_> = groups.chain(machine).collect();
        (!levels.is_empty()).then_some(Reading { levels })
    }

    /// The level with the least headroom. It is not the one with the least available memory: the
    /// headroom would jump by the difference of two reserves when another level has the least.
    pub fn binding(&self) -> &MemoryLimit {
        self.levels
            .iter()
            .min_by_key(|level| (level.headroom(), level.available))
            .expect("there is a level")
    }

    /// The level with the smallest limit, however much of it is used.
    pub fn smallest(&self) -> &MemoryLimit {
        self.levels.iter().min_by_key(|level| level.limit).expect("there is a level")
    }

    /// How much more all processes may use together, bytes.
    pub fn headroom(&self) -> Bytes {
        self.binding().headroom()
    }

    pub fn levels(&self) -> &[MemoryLimit] {
        &self.levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn reading(machine: Option<(u64, u64)>, groups: &[(u64, u64)]) -> Option<Reading> {
        let machine = machine.map(|(total, available)| MachineMemory {
            total: Bytes(total),
            available: Bytes(available),
        });
        let groups = (0..).zip(groups).map(|(n, (limit, used))| Limited {
            path: format!("/{n}").into(),
            limit: Bytes(*limit),
            used: Bytes(*used),
        });
        Reading::new(machine, groups.collect())
    }

    #[test]
    fn headroom_is_that_of_the_level_with_the_least() {
        let check = |machine: (u64, u64), groups: &[(u64, u64)], bound: &str, headroom: u64| {
            let groups: Vec<_> =
                groups.iter().map(|(limit, used)| (limit * MIB, used * MIB)).collect();
            let reading = reading(Some((machine.0 * MIB, machine.1 * MIB)), &groups).unwrap();
            assert_eq!(
                (reading.binding().bound.to_string(), reading.headroom() / MIB),
                (bound.into(), Bytes(headroom))
            );
        };
        check((2000, 1000), &[], "the machine", 936);
        check((10_000, 1000), &[], "the machine", 700);
        check((10_000, 9000), &[(800, 100)], "the cgroup /0", 636);
        check((10_000, 9000), &[(800, 100), (1000, 900)], "the cgroup /1", 36);
        check((10_000, 9000), &[(800, 100), (1000, 990)], "the cgroup /1", 0);
        check((10_000, 9000), &[(800, 900)], "the cgroup /0", 0);
        check((10_000, 9000), &[(90, 30)], "the cgroup /0", 45);
        check((10_000, 9000), &[(1, 0)], "the cgroup /0", 0);
        // The machine keeps its own, larger reserve though more of it is available.
        check((10_000, 900), &[(1000, 200)], "the machine", 600);
    }

    #[test]
    fn reserve_grows_with_the_limit_and_is_never_most_of_it() {
        let reserve = |limit: u64| {
            MemoryLimit { bound: Bound::Machine, limit: Bytes(limit * MIB), available: Bytes(0) }
                .reserve()
                / MIB
        };
        let limits = [0, 6, 48, 120, 384, 385, 1000, 2133, 10_000];
        assert_eq!(
            limits.map(reserve),
            [
                Bytes(0),
                Bytes(1),
                Bytes(8),
                Bytes(20),
                Bytes(64),
                Bytes(64),
                Bytes(64),
                Bytes(64),
                Bytes(300)
            ]
        );
    }

    #[test]
    fn reading_needs_a_limit() {
        assert_eq!(reading(None, &[]), None);
        assert_eq!(
            reading(None, &[(1 << 30, 0)]).unwrap().binding().bound.to_string(),
            "the cgroup /0"
        );
    }

    #[test]
    fn headroom_may_be_bound_by_another_than_the_smallest_limit() {
        let reading = reading(Some((1 << 34, 1 << 27)), &[(1 << 32, 0)]).unwrap();
        assert_eq!(reading.smallest().bound.to_string(), "the cgroup /0");
        assert_eq!(reading.binding().bound, Bound::Machine);
    }

    #[test]
    fn bound_has_its_documented_json() {
        let json = |bound: Bound| serde_json::to_string(&bound).unwrap();
        assert_eq!(json(Bound::Machine), r#"{"kind":"machine"}"#);
        assert_eq!(json(Bound::Cgroup { path: "/a".into() }), r#"{"kind":"cgroup","path":"/a"}"#);
    }

    proptest! {
        /// Headroom is kept by every level, and more use never gives more of it.
        #[test]
        fn headroom_is_within_all_levels(
            machine in (1u64 << 20..1 << 40, 0u64..1 << 40),
            groups in proptest::collection::vec((0u64..1 << 40, 0u64..1 << 40), 0..4),
            more in 0u64..1 << 40,
        ) {
            let before = reading(Some(machine), &groups).unwrap();
            for level in before.levels() {
                prop_assert!(before.headroom() == Bytes(0) || before.headroom() + level.reserve() <= level.available);
            }
            let fuller: Vec<_> = groups.iter().map(|(limit, used)| (*limit, used + more)).collect();
            let after = reading(Some((machine.0, machine.1.saturating_sub(more))), &fuller).unwrap();
            prop_assert!(after.headroom() <= before.headroom());
            prop_assert!(before.headroom() - after.headroom() <= Bytes(more));
        }
    }
}
