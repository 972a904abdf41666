//! The user's memory budget, converted to bytes. Pure: limits are arguments, because they may
//! change while the build runs.

use crate::manifest::MemorySetting;
use crate::memory::readings::{Bound, Reading};
use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use tender_units::Bytes;

/// Where the budget was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// `--memory`.
    Option,
    /// The environment's variable.
    Environment,
    /// `[build] memory`, in the manifest or in a config file.
    Manifest,
    /// Nowhere: it is the available memory except a reserve.
    Found,
}

/// A setting that no build can satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    #[error("no build can run in 0 bytes")]
    Zero,
    #[error("a percentage must be more than 0 and at most 100")]
    Share,
}

/// The setting, and where it was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    wish: Option<(MemorySetting, Origin)>,
}

/// The limit of the sum of a build's leases, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chosen {
    /// `None` if no limit can be read, and the setting is no number of bytes.
    pub bytes: Option<Bytes>,
    pub by: Origin,
    /// The limit that it is a part of: the smallest one.
    pub of: Option<Bound>,
    /// The setting exceeds the limit. The user is warned.
    pub clamped: Option<Clamp>,
    /// Switched off: memory is not read, nothing is measured, and no item waits.
    pub off: bool,
}

/// "memory budget: 512 MiB by --memory, of the machine's", for `-v`.
impl Display for Chosen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            Origin::Option => "by --memory",
            Origin::Environment => "by TENDER_MEMORY",
            Origin::Manifest => "by `[build] memory`",
            Origin::Found => "all but a reserve",
        };
        match (self.bytes, &self.of) {
            _ if self.off => write!(f, "memory budget: off, {by}"),
            (Some(bytes), Some(of)) => {
                write!(f, "memory budget: {}, {by}; {of} sets the limit", bytes)
            }
            (Some(bytes), None) => write!(f, "memory budget: {}, {by}", bytes),
            (None, _) => f.write_str("memory budget: none, because no limit can be read"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clamp {
    /// Bytes.
    pub asked: Bytes,
    /// The limit, bytes.
    pub limit: Bytes,
}

/// The text of the warning.
impl Display for Clamp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (asked, limit) = (self.asked, self.limit);
        write!(
            f,
            "the memory budget of {asked} is more than the available memory; tender uses {limit}"
        )
    }
}

impl Budget {
    /// The first of `option`, `environment` and `manifest` that is set.
    ///
    /// # Errors
    /// It is 0, or no share.
    pub fn new(
        option: Option<MemorySetting>,
        environment: Option<MemorySetting>,
        manifest: Option<MemorySetting>,
    ) -> Result<Budget, BudgetError> {
        let wishes = [
            (option, Origin::Option),
            (environment, Origin::Environment),
            (manifest, Origin::Manifest),
        ];
        let wish = wishes.into_iter().find_map(|(setting, by)| Some((setting?, by)));
        match wish {
            Some((MemorySetting::Bytes(0), _)) => Err(BudgetError::Zero),
            // False for NaN.
            Some((MemorySetting::Percent(share), _)) if !(share > 0.0 && share <= 100.0) => {
                Err(BudgetError::Share)
            }
            _ => Ok(Budget { wish }),
        }
    }

    /// Whether it is switched off.
    pub fn is_off(&self) -> bool {
        matches!(self.wish, Some((MemorySetting::Off, _)))
    }

    /// The budget under these limits. A setting can only lower the limit. Leases have to fit into
    /// the headroom as well.
    pub fn ceiling(&self, limits: Option<&Reading>) -> Chosen {
        let smallest = limits.map(Reading::smallest);
        let (by, bytes) = match self.wish {
            None => (Origin::Found, smallest.map(|level| level.usable())),
            Some((MemorySetting::Off, by)) => {
                return Chosen { bytes: None, by, of: None, clamped: None, off: true };
            }
            Some((MemorySetting::Bytes(bytes), by)) => (by, Some(Bytes(bytes))),
            Some((MemorySetting::Percent(share), by)) => {
                // Rounded down. f64 is exact enough: at most a byte off for real limits.
                (by, smallest.map(|level| Bytes((level.limit.0 as f64 * (share / 100.0)) as u64)))
            }
        };
        let over = bytes.zip(smallest).filter(|(bytes, level)| *bytes > level.limit);
        let clamped = over.map(|(asked, level)| Clamp { asked, limit: level.limit });
        Chosen {
            bytes: clamped.as_ref().map_or(bytes, |clamp| Some(clamp.limit)),
            by,
            of: smallest.map(|level| level.bound.clone()),
            clamped,
            off: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::readings::Limited;
    use crate::memory::readings::MachineMemory;
    use MemorySetting::{Bytes as Amount, Percent};
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    /// A machine of 10 GB, and a group in it with a limit in MiB.
    fn limits(group: Option<u64>) -> Option<Reading> {
        let machine = MachineMemory { total: Bytes(10_000 * MIB), available: Bytes(1) };
        let group = group.map(|limit| Limited {
            path: "/g".into(),
            limit: Bytes(limit * MIB),
            used: Bytes(0),
        });
        Reading::new(Some(machine), group.into_iter().collect())
    }

    #[test]
    fn budget_converts_settings_to_bytes() {
        let check = |wish: Option<MemorySetting>, group, expect: u64, clamped: bool| {
            let chosen = Budget::new(wish, None, None).unwrap().ceiling(limits(group).as_ref());
            assert_eq!(
                (chosen.bytes.unwrap(), chosen.clamped.is_some()),
                (Bytes(expect * MIB), clamped),
                "{wish:?}"
            );
        };
        check(None, None, 9700, false);
        check(None, Some(800), 736, false);
        check(None, Some(90), 75, false);
        check(Some(Amount(500 * MIB)), None, 500, false);
        check(Some(Amount(500 * MIB)), Some(800), 500, false);
        check(Some(Amount(800 * MIB)), Some(800), 800, false);
        check(Some(Amount(900 * MIB)), Some(800), 800, true);
        check(Some(Amount(u64::MAX)), None, 10_000, true);
        check(Some(Percent(75.0)), None, 7500, false);
        check(Some(Percent(75.0)), Some(800), 600, false);
        check(Some(Percent(100.0)), Some(800), 800, false);
    }

    #[test]
    fn budget_prefers_option_then_environment_then_manifest() {
        let check = |option, environment, manifest, bytes: u64, by: Origin| {
            let chosen =
                Budget::new(option, environment, manifest).unwrap().ceiling(limits(None).as_ref());
            assert_eq!((chosen.bytes, chosen.by), (Some(Bytes(bytes)), by));
        };
        check(Some(Amount(1)), Some(Amount(2)), Some(Amount(3)), 1, Origin::Option);
        check(None, Some(Amount(2)), Some(Amount(3)), 2, Origin::Environment);
        check(None, None, Some(Amount(3)), 3, Origin::Manifest);
        check(None, None, None, 9700 * MIB, Origin::Found);
    }

    #[test]
    fn budget_refuses_settings_of_nothing() {
        let check =
            |wish, expect| assert_eq!(Budget::new(Some(wish), None, None).err(), Some(expect));
        check(Amount(0), BudgetError::Zero);
        check(Percent(0.0), BudgetError::Share);
        check(Percent(-5.0), BudgetError::Share);
        check(Percent(100.5), BudgetError::Share);
        check(Percent(f64::NAN), BudgetError::Share);
    }

    #[test]
    fn budget_without_limits_is_known_for_bytes_only() {
        let check = |wish, expect| {
            let chosen = Budget::new(wish, None, None).unwrap().ceiling(None);
            assert_eq!((chosen.bytes, chosen.of, chosen.clamped), (expect, None, None));
        };
        check(None, None);
        check(Some(Percent(50.0)), None);
        check(Some(Amount(7)), Some(Bytes(7)));
    }

    #[test]
    fn budget_can_be_switched_off() {
        let budget = Budget::new(Some(MemorySetting::Off), Some(Amount(1)), None).unwrap();
        let chosen = budget.ceiling(limits(Some(800)).as_ref());
        assert_eq!((chosen.bytes, chosen.by, chosen.off), (None, Origin::Option, true));
        assert_eq!(chosen.to_string(), "memory budget: off, by --memory");
        assert!(budget.is_off() && !Budget::new(Some(Amount(1)), None, None).unwrap().is_off());
    }

    #[test]
    fn budget_follows_a_limit_that_changes() {
        let budget = Budget::new(Some(Percent(50.0)), None, None).unwrap();
        let at = |group| budget.ceiling(limits(Some(group)).as_ref()).bytes.unwrap().0 / MIB;
        assert_eq!([at(800), at(400), at(2), at(800)], [400, 200, 1, 400]);
    }

    #[test]
    fn budget_has_its_documented_json() {
        let budget = Budget::new(None, None, Some(Amount(900 * MIB))).unwrap();
        let json = serde_json::to_value(budget.ceiling(limits(Some(800)).as_ref())).unwrap();
        let expect = serde_json::json!({
            "bytes": 800 * MIB,
            "by": "manifest",
            "of": { "kind": "cgroup", "path": "/g" },
            "clamped": { "asked": 900 * MIB, "limit": 800 * MIB },
            "off": false,
        });
        assert_eq!(json, expect);
    }

    proptest! {
        #[test]
        fn budget_never_exceeds_the_smallest_limit(bytes in 1u64.., share in 0.001f64..=100.0, group in 0u64..20_000) {
            let limits = limits(Some(group)).unwrap();
            for wish in [Amount(bytes), Percent(share)] {
                let chosen = Budget::new(Some(wish), None, None).unwrap().ceiling(Some(&limits));
                prop_assert!(chosen.bytes.unwrap() <= limits.smallest().limit);
            }
        }
    }
}
