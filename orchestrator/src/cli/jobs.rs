//! How many jobs run at once: `-j`, `TENDER_JOBS`, the manifest, else the cores that this process
//! may use.

use super::env;
use super::error::CliError;
use std::num::NonZeroU32;
use std::str::FromStr;

/// What `-j` accepts, as cargo does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    fn resolve(self, cores: u32) -> u32 {
        match self {
            Self::Default => cores,
            Self::Count(count) => count.get(),
            Self::AllBut(fewer) => cores.saturating_sub(fewer).max(1),
        }
    }
}

/// The first that is set: option, environment, manifest, else the cores.
///
/// # Errors
/// The environment's value is not a number of jobs.
pub fn choose(
    option: Option<JobCount>,
    environment: Option<&str>,
    manifest: Option<u32>,
) -> Result<u32, CliError> {
    let environment = match environment {
        None => None,
        Some(text) => {
            let wrong = |why| {
                CliError::usage(format!("{}: `{text}` is not a number of jobs", env::JOBS))
                    .with_help(why)
            };
            Some(text.parse::<JobCount>().map_err(wrong)?)
        }
    };
    Ok(match (option.or(environment), manifest) {
        (Some(jobs), _) => jobs.resolve(cores()),
        (None, Some(count)) => count.max(1),
        (None, None) => cores(),
    })
}

/// Cores that this process may use. The standard library looks at the affinity mask and at the CPU
/// quotas of cgroups, v1 and v2.
pub fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_parsed_as_by_cargo() {
        #[track_caller]
        fn check(text: &str, expect: Option<u32>) {
            assert_eq!(text.parse::<JobCount>().ok().map(|jobs| jobs.resolve(8)), expect);
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

    #[test]
    fn jobs_of_the_command_line_beat_environment_and_manifest() {
        let three = "3".parse().ok();
        assert_eq!(choose(three, Some("4"), Some(5)).unwrap(), 3);
        assert_eq!(choose(None, Some("4"), Some(5)).unwrap(), 4);
        assert_eq!(choose(None, None, Some(5)).unwrap(), 5);
        assert!(choose(None, None, None).unwrap() >= 1);
        assert!(choose(None, Some("0"), None).is_err());
    }
}
