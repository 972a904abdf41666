//! Parses MAKEFLAGS: which pool it names, and whether make runs with `-n`. Opens nothing.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a pool is, as one environment variable gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    /// `fifo:PATH`, of GNU make 4.4 and newer.
    Fifo(PathBuf),
    /// `R,W`: the ends of an inherited pipe.
    Descriptors { read: i32, write: i32 },
    /// `-2,-2`: make has a pool and does not share it with this command.
    Disabled,
    /// Anything else, e.g. the name of a semaphore on Windows.
    Unknown(OsString),
}

/// Finds the pool that the value of MAKEFLAGS, MFLAGS or CARGO_MAKEFLAGS names.
///
/// Only the last `--jobserver-auth=` counts, because make appends `-2,-2`. `--jobserver-fds=`, the
/// name before make 4.2, counts only if there is no `--jobserver-auth=`: some programs write both
/// and give a FIFO in the new one alone. After the word `--` follow variables of make's command
/// line, whose values may contain anything.
pub(crate) fn find_auth(flags: &OsStr) -> Option<Auth> {
    let options = || words(flags).take_while(|word| *word != b"--");
    let last_of = |name: &[u8]| options().filter_map(|word| word.strip_prefix(name)).last();
    last_of(b"--jobserver-auth=").or_else(|| last_of(b"--jobserver-fds=")).map(parse_auth)
}

/// All pairs `R,W` in the text, also those that do not count because another one follows.
pub(crate) fn find_descriptors(flags: &OsStr) -> Vec<(i32, i32)> {
    let names: [&[u8]; 2] = [b"--jobserver-auth=", b"--jobserver-fds="];
    let value = |word| names.iter().find_map(|name| <[u8]>::strip_prefix(word, *name));
    let options = words(flags).take_while(|word| *word != b"--");
    let pair = |value| match parse_auth(value) {
        Auth::Descriptors { read, write } => Some((read, write)),
        _ => None,
    };
    options.filter_map(value).filter_map(pair).collect()
}

/// The N of the last `-jN`: how many slots the pool has. It may be absent or wrong.
pub(crate) fn find_job_count(flags: &OsStr) -> Option<u32> {
    let options = words(flags).take_while(|word| *word != b"--");
    let number =
        |word: &[u8]| std::str::from_utf8(word.strip_prefix(b"-j")?).ok()?.parse::<u32>().ok();
    options.filter_map(number).last().filter(|n| *n > 0)
}

/// Whether make runs with `-n` and only prints its commands. A client should do nothing then.
///
/// make writes its single-letter flags as the first word, without a dash. If there are none, the
/// word is empty and the text starts with a blank.
pub fn is_dry_run(env: &dyn Fn(&str) -> Option<OsString>) -> bool {
    env("MAKEFLAGS").is_some_and(|flags| has_dry_run_flag(&flags))
}

fn has_dry_run_flag(flags: &OsStr) -> bool {
    let flags = flags.as_bytes();
    let end = flags.iter().position(|byte| is_blank(*byte)).unwrap_or(flags.len());
    let letters = &flags[..end];
    !letters.starts_with(b"-") && !letters.contains(&b'=') && letters.contains(&b'n')
}

fn parse_auth(value: &[u8]) -> Auth {
    if let Some(path) = value.strip_prefix(b"fifo:") {
        if path.is_empty() {
            return Auth::Unknown(OsStr::from_bytes(value).to_owned());
        }
        return Auth::Fifo(Path::new(OsStr::from_bytes(path)).to_owned());
    }
    let pair = std::str::from_utf8(value).ok().and_then(|text| text.split_once(','));
    match pair.map(|(read, write)| (read.parse::<i32>(), write.parse::<i32>())) {
        Some((Ok(read), Ok(write))) if read < 0 || write < 0 => Auth::Disabled,
        Some((Ok(read), Ok(write))) => Auth::Descriptors { read, write },
        _ => Auth::Unknown(OsStr::from_bytes(value).to_owned()),
    }
}

fn words(flags: &OsStr) -> impl Iterator<Item = &[u8]> {
    flags.as_bytes().split(|byte| is_blank(*byte)).filter(|word| !word.is_empty())
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(flags: &str, expect: Option<Auth>) {
        assert_eq!(find_auth(OsStr::new(flags)), expect, "{flags:?}");
    }

    fn fifo(path: &str) -> Option<Auth> {
        Some(Auth::Fifo(path.into()))
    }

    fn descriptors(read: i32, write: i32) -> Option<Auth> {
        Some(Auth::Descriptors { read, write })
    }

    fn unknown(value: &str) -> Option<Auth> {
        Some(Auth::Unknown(value.into()))
    }

    #[test]
    fn makeflags_auth_in_each_form_of_make() {
        check("", None);
        check(" -j", None);
        check(" -j1", None);
        check(" -j4 --jobserver-auth=3,4", descriptors(3, 4));
        check("kn -j4 --jobserver-auth=3,4", descriptors(3, 4));
        check(" -j4 --jobserver-auth=fifo:/tmp/GMfifo12", fifo("/tmp/GMfifo12"));
        check(" --jobserver-fds=3,4 -j", descriptors(3, 4));
        check("-j --jobserver-fds=5,6 --jobserver-auth=5,6", descriptors(5, 6));
    }

    #[test]
    fn makeflags_last_auth_wins_and_fds_count_only_without_it() {
        check(" --jobserver-auth=3,4 --jobserver-auth=fifo:/p", fifo("/p"));
        check(" --jobserver-auth=fifo:/p --jobserver-auth=3,4", descriptors(3, 4));
        check(" --jobserver-auth=fifo:/p --jobserver-fds=3,4", fifo("/p"));
        check(" --jobserver-fds=3,4 --jobserver-fds=5,6", descriptors(5, 6));
    }

    #[test]
    fn makeflags_negative_descriptor_means_disabled() {
        check(" -j4 --jobserver-auth=3,4 --jobserver-auth=-2,-2", Some(Auth::Disabled));
        check(" --jobserver-auth=3,-1", Some(Auth::Disabled));
        check(" --jobserver-auth=-1,4", Some(Auth::Disabled));
    }

    #[test]
    fn makeflags_unknown_form_is_kept_for_messages() {
        check(" --jobserver-auth=", unknown(""));
        check(" --jobserver-auth=3", unknown("3"));
        check(" --jobserver-auth=3,4,5", unknown("3,4,5"));
        check(" --jobserver-auth=3,99999999999", unknown("3,99999999999"));
        check(" --jobserver-auth=fifo:", unknown("fifo:"));
        check(" --jobserver-auth=gmake_semaphore_12", unknown("gmake_semaphore_12"));
    }

    #[test]
    fn makeflags_variables_after_dashes_are_no_options() {
        check(" -j2 -- CFLAGS=--jobserver-auth=3,4", None);
        check(r" -j2 --jobserver-auth=3,4 -- X=a\ --jobserver-auth=5,6", descriptors(3, 4));
        check(" --no-jobserver-auth=3,4", None);
    }

    #[test]
    fn makeflags_descriptors_include_overridden_pairs() {
        let check = |flags: &str, expect: &[(i32, i32)]| {
            assert_eq!(find_descriptors(OsStr::new(flags)), expect, "{flags:?}");
        };
        check("k -j2 --jobserver-auth=3,4 --jobserver-auth=-2,-2", &[(3, 4)]);
        check(
            " --jobserver-fds=5,6 --jobserver-auth=7,8 -- X=--jobserver-auth=9,10",
            &[(5, 6), (7, 8)],
        );
        check(" --jobserver-auth=fifo:/p --jobserver-auth=3 -j", &[]);
    }

    #[test]
    fn makeflags_job_count_is_the_last_j() {
        let check = |flags: &str, expect: Option<u32>| {
            assert_eq!(find_job_count(OsStr::new(flags)), expect, "{flags:?}")
        };
        check(" -j4 --jobserver-auth=3,4", Some(4));
        check("k -j4 -j8 --jobserver-auth=3,4", Some(8));
        check(" -j --jobserver-auth=3,4", None);
        check(" -j0 --jobserver-auth=3,4", None);
        check(" --jobserver-auth=3,4 -- X=-j4", None);
        check(" -j99999999999", None);
    }

    #[test]
    fn makeflags_dry_run_is_a_letter_of_the_first_word() {
        for (flags, expect) in [
            ("n", true),
            ("kn -j4", true),
            ("k", false),
            ("", false),
            (" n", false),
            (" -n", false),
            ("-n", false),
            ("--no-print-directory", false),
            ("NAME=n", false),
        ] {
            assert_eq!(has_dry_run_flag(OsStr::new(flags)), expect, "{flags:?}");
        }
    }

    #[test]
    fn fuzz_makeflags() {
        tender_fuzz::check("makeflags", 10_000, |bytes| {
            let flags = OsStr::from_bytes(bytes);
            let pairs = find_descriptors(flags);
            if let Some(Auth::Descriptors { read, write }) = find_auth(flags) {
                assert!(read >= 0 && write >= 0 && pairs.contains(&(read, write)));
            }
            find_job_count(flags);
            has_dry_run_flag(flags);
        });
    }

    proptest! {
        #[test]
        fn makeflags_any_auth_parses_without_a_panic(value in "(fifo:)?[-0-9,/: \\-]{0,16}( --jobserver-auth=[-0-9,]{0,8})?") {
            find_auth(OsStr::new(&format!("k --jobserver-auth={value}")));
        }

        #[test]
        fn makeflags_descriptors_parse_as_make_writes_them(read in 0i32.., write in 0i32.., n in 1u32..) {
            let flags = format!(" -j{n} --jobserver-auth={read},{write}");
            prop_assert_eq!(find_auth(OsStr::new(&flags)), descriptors(read, write));
        }
    }
}
