//! A number of jobs as users write it. Knows no cores.

use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::str::FromStr;

/// What `-j` accepts, as cargo does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobCount {
    /// All available cores.
    Default,
    Count(NonZeroU32),
    /// All but this many, at least one.
    AllBut(u32),
}

impl FromStr for JobCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "default" {
            return Ok(Self::Default);
        }
        let number: i32 = text.parse().map_err(|_| {
            "write a number, a negative number (that many fewer than the cores), or `default`"
                .to_owned()
        })?;
        match u32::try_from(number).map(NonZeroU32::new) {
            Ok(Some(count)) => Ok(Self::Count(count)),
            Ok(None) => Err("jobs may not be 0".to_owned()),
            Err(_) => Ok(Self::AllBut(number.unsigned_abs())),
        }
    }
}

impl JobCount {
    /// The number, where there are so many cores.
    pub fn of_cores(self, cores: u32) -> u32 {
        match self {
            Self::Default => cores,
            Self::Count(count) => count.get(),
            Self::AllBut(fewer) => cores.saturating_sub(fewer).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_parsed_as_by_cargo() {
        #[track_caller]
        fn check(text: &str, expect: Option<u32>) {
            assert_eq!(text.parse::<JobCount>().ok().map(|jobs| jobs.of_cores(8)), expect);
        }
        check("3", Some(3));
        check("default", Some(8));
        check("-1", Some(7));
        check("-8", Some(1));
        check("-100", Some(1));
        check("0", None);
        check("", None);
        check("two", None);
        check("99999999999", None);
    }
}
