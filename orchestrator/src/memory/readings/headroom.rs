//! How much more may be used, and what it is that binds. Pure but for what `system` has read.

use super::cgroup::Limited;
use super::meminfo::Machine;
use camino::Utf8PathBuf;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};

/// What sets a limit. Reads as "the machine" or "the cgroup PATH"; in JSON and the trace it has a
/// `kind`.
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

/// One of the limits that all have to be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Level {
    pub bound: Bound,
    /// Bytes.
    pub limit: u64,
    /// What is left of it, bytes.
    pub available: u64,
}

/// What stays free where the limit is neither small nor large, bytes.
const RESERVE: u64 = 64 << 20;

impl Level {
    /// What of the limit is left alone, for what the system, and what nobody asks us for (page
    /// tables, pipes, the orchestrator), may need between two readings: 64 MiB; 3 % of the limit
    /// where that is more; a sixth of it where that is less, since what little fits there grows by
    /// little. With 64 MiB in a group of 48 nothing was left for a second item, and at `-j8` the
    /// library of zstd, whose files take 3 to 14 MiB each, took 1.85 times as long as without a
    /// limit. Bytes.
    pub fn reserve(&self) -> u64 {
        RESERVE.min(self.limit / 6).max(self.limit / 100 * 3)
    }

    /// What is available less the reserve, bytes.
    pub fn headroom(&self) -> u64 {
        self.available.saturating_sub(self.reserve())
    }

    /// What a build that is alone may use, bytes.
    pub fn usable(&self) -> u64 {
        self.limit.saturating_sub(self.reserve())
    }
}

/// All limits at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Our group's first, the machine last; never empty.
    levels: Vec<Level>,
}

impl Reading {
    /// `None` if there is no limit at all to go by.
    pub fn new(machine: Option<Machine>, groups: Vec<Limited>) -> Option<Reading> {
        let groups = groups.into_iter().map(|group| Level {
            bound: Bound::Cgroup { path: group.path },
            limit: group.limit,
            available: group.limit.saturating_sub(group.used),
        });
        let machine = machine.map(|Machine { total, available }| Level {
            bound: Bound::Machine,
            limit: total,
            available: available.min(total),
        });
        let levels: Vec<_> = groups.chain(machine).collect();
        (!levels.is_empty()).then_some(Reading { levels })
    }

    /// The level that leaves least. Each is compared with its own reserve taken off: with the
    /// reserve of whichever has least available, headroom would jump by the difference of two
    /// reserves whenever two levels change places.
    pub fn binding(&self) -> &Level {
        self.levels
            .iter()
            .min_by_key(|level| (level.headroom(), level.available))
            .expect("there is a level")
    }

    /// The level with the smallest limit, whatever is used of it.
    pub fn smallest(&self) -> &Level {
        self.levels.iter().min_by_key(|level| level.limit).expect("there is a level")
    }

    /// How much more all that runs may use together, bytes.
    pub fn headroom(&self) -> u64 {
        self.binding().headroom()
    }

    pub fn levels(&self) -> &[Level] {
        &self.levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn reading(machine: Option<(u64, u64)>, groups: &[(u64, u64)]) -> Option<Reading> {
        let machine = machine.map(|(total, available)| Machine { total, available });
        let groups = (0..).zip(groups).map(|(n, (limit, used))| Limited {
            path: format!("/{n}").into(),
            limit: *limit,
            used: *used,
        });
        Reading::new(machine, groups.collect())
    }

    #[test]
    fn the_level_that_leaves_least_binds() {
        let check = |machine: (u64, u64), groups: &[(u64, u64)], bound: &str, headroom: u64| {
            let groups: Vec<_> =
                groups.iter().map(|(limit, used)| (limit * MIB, used * MIB)).collect();
            let reading = reading(Some((machine.0 * MIB, machine.1 * MIB)), &groups).unwrap();
            assert_eq!(
                (reading.binding().bound.to_string(), reading.headroom() / MIB),
                (bound.into(), headroom)
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
    fn the_reserve_grows_with_the_limit_and_is_never_most_of_it() {
        let reserve = |limit: u64| {
            Level { bound: Bound::Machine, limit: limit * MIB, available: 0 }.reserve() / MIB
        };
        let limits = [0, 6, 48, 120, 384, 385, 1000, 2133, 10_000];
        assert_eq!(limits.map(reserve), [0, 1, 8, 20, 64, 64, 64, 64, 300]);
    }

    #[test]
    fn without_a_limit_there_is_no_reading() {
        assert_eq!(reading(None, &[]), None);
        assert_eq!(
            reading(None, &[(1 << 30, 0)]).unwrap().binding().bound.to_string(),
            "the cgroup /0"
        );
    }

    #[test]
    fn the_smallest_limit_need_not_be_the_one_that_binds() {
        let reading = reading(Some((1 << 34, 1 << 27)), &[(1 << 32, 0)]).unwrap();
        assert_eq!(reading.smallest().bound.to_string(), "the cgroup /0");
        assert_eq!(reading.binding().bound, Bound::Machine);
    }

    #[test]
    fn what_binds_is_a_value_in_messages() {
        let json = |bound: Bound| serde_json::to_string(&bound).unwrap();
        assert_eq!(json(Bound::Machine), r#"{"kind":"machine"}"#);
        assert_eq!(json(Bound::Cgroup { path: "/a".into() }), r#"{"kind":"cgroup","path":"/a"}"#);
    }

    proptest! {
        /// Headroom is kept by every level, and more use never gives more of it.
        #[test]
        fn headroom_is_within_all(
            machine in (1u64 << 20..1 << 40, 0u64..1 << 40),
            groups in proptest::collection::vec((0u64..1 << 40, 0u64..1 << 40), 0..4),
            more in 0u64..1 << 40,
        ) {
            let before = reading(Some(machine), &groups).unwrap();
            for level in before.levels() {
                prop_assert!(before.headroom() == 0 || before.headroom() + level.reserve() <= level.available);
            }
            let fuller: Vec<_> = groups.iter().map(|(limit, used)| (*limit, used + more)).collect();
            let after = reading(Some((machine.0, machine.1.saturating_sub(more))), &fuller).unwrap();
            prop_assert!(after.headroom() <= before.headroom());
            prop_assert!(before.headroom() - after.headroom() <= more);
        }
    }
}
