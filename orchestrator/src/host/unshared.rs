//! Recognises commands that do not share the job slots, by their arguments and their version. Knows
//! no pool.

use crate::host::tools::{Tools, is_ninja};
use camino::Utf8Path;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

/// Why a command does not share the job slots, and runs as many jobs as without a jobserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unshared {
    /// It has an option by which it makes a pool of its own.
    OwnJobs { program: String, option: String },
    /// It is a ninja of a version that is not a jobserver client.
    OldNinja { program: String, version: String },
}

/// The text of the warning, with advice.
impl fmt::Display for Unshared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unshared::OwnJobs { program, option } => write!(
                f,
                "`{program}` has its own option `{option}`, so it does not share the job slots; remove the option"
            ),
            Unshared::OldNinja { program, version } => write!(
                f,
                "`{program}` {version} cannot share job slots (ninja can since 1.13) and runs as many jobs as it would alone; \
                 `tender exec --take N -- {program} -j{{jobs}}` takes N job slots for it"
            ),
        }
    }
}

/// Returns why the command does not share the slots, if it does not. `tools` has the version of a
/// ninja that starts as `program` in `dir`.
pub(crate) fn why(
    program: impl AsRef<OsStr>,
    arguments: &[impl AsRef<OsStr>],
    dir: &Utf8Path,
    tools: &Tools,
) -> Option<Unshared> {
    let program = program.as_ref();
    let name = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or_default();
    let shown = || program.to_string_lossy().into_owned();
    if matches!(name, "make" | "gmake" | "ninja" | "ninja-build")
        && let Some(option) = own_jobs(arguments)
    {
        return Some(Unshared::OwnJobs { program: shown(), option });
    }
    if !is_ninja(program) {
        return None;
    }
    let version = tools.ninja_version(program.to_str()?, dir)?;
    let old = || Unshared::OldNinja { program: shown(), version: version.to_owned() };
    (!shares(version)).then(old)
}

/// The option by which a jobserver client makes a pool of its own. (cargo ignores it, and warns.)
fn own_jobs(arguments: &[impl AsRef<OsStr>]) -> Option<String> {
    let words = arguments.iter().map(AsRef::as_ref).take_while(|word| *word != "--");
    let options = words.filter_map(OsStr::to_str);
    let mut options = options.filter(|word| {
        word.strip_prefix("-j").is_some_and(|rest| rest.is_empty() || rest.parse::<i32>().is_ok())
            || *word == "--jobs"
            || word.starts_with("--jobs=")
    });
    options.next().map(str::to_owned)
}

/// Upstream's ninja is a client since 1.13, Kitware's names the feature in its version. A version
/// that cannot be parsed counts as new enough.
fn shares(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>());
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return true };
    (major, minor) >= (1, 13) || version.contains("jobserver")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_are_given_their_own_jobs_are_named() {
        let check = |line: &str, expect: Option<&str>| {
            let words: Vec<&str> = line.split(' ').collect();
            let option = why(words[0], &words[1..], "/".into(), &Tools::default()).map(|outside| {
                match outside {
                    Unshared::OwnJobs { option, .. } => option,
                    Unshared::OldNinja { .. } => panic!("{line}"),
                }
            });
            assert_eq!(option.as_deref(), expect, "{line}");
        };
        check("make -j8", Some("-j8"));
        check("/usr/bin/make all -j", Some("-j"));
        check("make --jobs=3", Some("--jobs=3"));
        check("ninja -j 5", Some("-j"));
        check("make -k", None);
        check("cargo build -j2", None);
        check("make -- -j8", None);
        check("make -jobs", None);
        check("xargs -j8", None);
    }

    #[test]
    fn ninja_says_whether_it_is_a_client() {
        let check = |version: &str, expect: bool| assert_eq!(shares(version), expect, "{version}");
        check("1.11.1", false);
        check("1.12.0.git", false);
        check("1.13.0", true);
        check("1.14.0.git", true);
        check("2.0", true);
        check("1.11.1.git.kitware.jobserver-1", true);
        check("samurai", true);
        check("", true);
    }

    #[test]
    fn fuzz_ninja_version() {
        tender_fuzz::check_text("ninja_version", 2_000, |text| {
            shares(text);
            own_jobs(&text.split_whitespace().collect::<Vec<_>>());
        });
    }
}
