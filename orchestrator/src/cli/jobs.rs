//! How many jobs run at once: `-j`, `--config`, `TENDER_JOBS`, config files, the manifest, else the
//! cores that this process may use.

use super::env::{self, CliEnvironment};
use super::error::CliError;
use crate::manifest::JobCount;

/// The first that is set: option, `--config`, environment, config file, manifest, else the cores.
///
/// # Errors
/// The environment's value is not a number of jobs.
pub fn choose(
    option: Option<JobCount>,
    environment: &CliEnvironment,
    manifest: Option<JobCount>,
) -> Result<u32, CliError> {
    let of_environment = match &environment.jobs {
        None => None,
        Some(text) => {
            let wrong = |why| {
                CliError::usage(format!("{}: `{text}` is not a number of jobs", env::JOBS))
                    .with_help(why)
            };
            Some(text.parse::<JobCount>().map_err(wrong)?)
        }
    };
    let config = &environment.config;
    let first = option.or(config.line.jobs).or(of_environment).or(config.files.jobs).or(manifest);
    Ok(first.unwrap_or(JobCount::Default).of_cores(cores()))
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
    fn jobs_are_chosen_by_the_documented_order() {
        let jobs = |text: &str| text.parse().ok();
        let mut environment = CliEnvironment { jobs: Some("4".into()), ..Default::default() };
        environment.config.line.jobs = jobs("5");
        environment.config.files.jobs = jobs("6");
        assert_eq!(choose(jobs("3"), &environment, jobs("7")).unwrap(), 3);
        assert_eq!(choose(None, &environment, jobs("7")).unwrap(), 5);
        environment.config.line.jobs = None;
        assert_eq!(choose(None, &environment, jobs("7")).unwrap(), 4);
        environment.jobs = None;
        assert_eq!(choose(None, &environment, jobs("7")).unwrap(), 6);
        environment.config.files.jobs = None;
        assert_eq!(choose(None, &environment, jobs("7")).unwrap(), 7);
        assert!(choose(None, &environment, None).unwrap() >= 1);
        environment.jobs = Some("0".into());
        assert!(choose(None, &environment, None).is_err());
    }
}
