//! A time.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A time in microseconds: how long something takes, or a moment, as the time since the start of the
/// clock that the process reads. A type of its own for moments would forbid the sum of two, which
/// nobody writes; one for amounts of memory and times is what prevents mistakes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Micros(pub u64);

crate::arithmetic!(Micros);

impl Micros {
    #[must_use]
    pub const fn from_millis(millis: u64) -> Micros {
        Micros(millis * 1_000)
    }

    #[must_use]
    pub const fn from_secs(secs: u64) -> Micros {
        Micros(secs * 1_000_000)
    }

    /// For interfaces of the standard library.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_micros(self.0)
    }
}

/// Rounded down.
impl From<Duration> for Micros {
    fn from(duration: Duration) -> Micros {
        Micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micros_convert_to_and_from_durations() {
        assert_eq!(Micros::from_secs(2).duration(), Duration::from_secs(2));
        assert_eq!(Micros::from(Duration::from_nanos(3_000_999)), Micros::from_millis(3));
        assert_eq!(Micros::from(Duration::MAX), Micros::MAX);
    }

    #[test]
    fn micros_are_serialised_as_a_number() {
        assert_eq!(serde_json::to_string(&Micros(5)).unwrap(), "5");
        assert_eq!(serde_json::from_str::<Micros>("5").unwrap(), Micros(5));
    }
}
