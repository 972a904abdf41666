//! The environment variables that compilers, assemblers, linkers and their drivers read: which
//! results depend on each, and which of them are removed for workers. Reads none itself, and knows
//! no items.
//!
//! `docs/environment.md` gives the reasons, and why no other variable matters;
//! `tests/tests/environment` observes which variables the programs read.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// Kinds of results that depend on variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of every unit.
    Unit,
    /// Of units that are preprocessed.
    Preprocessed,
    /// Of units in C, and in assembly that is preprocessed.
    C,
    Cxx,
    /// Of items that write or read modules for link-time optimisation.
    Modules,
    Archive,
    Link,
    /// Of a `[[generate]]` command, which may run any of these programs.
    Command,
}

/// The variables that every result of these kinds depends on. `SOURCE_DATE_EPOCH` and `TZ` count
/// for units that use them (`ItemReport::variables`), `HOME` if a word of the command begins with
/// `USER_CONFIG_IN_HOME`.
///
/// An empty value counts as absent only for lists of header directories: gcc reads an empty
/// `LIBRARY_PATH` as `.`.
const COUNTED: &[(&str, &[Kind])] = {
    use Kind::*;
    &[
        ("CPATH", &[Preprocessed, Command]),
        ("C_INCLUDE_PATH", &[C, Command]),
        ("CPLUS_INCLUDE_PATH", &[Cxx, Command]),
        ("OBJC_INCLUDE_PATH", &[Command]),
        ("OBJCPLUS_INCLUDE_PATH", &[Command]),
        ("SOURCE_DATE_EPOCH", &[Command]),
        ("CLANG_NO_DEFAULT_CONFIG", &[Unit, Link]),
        ("LLVM_OVERRIDE_PRODUCER", &[Modules]),
        ("SYM64_THRESHOLD", &[Archive]),
        ("LIBRARY_PATH", &[Link, Command]),
        ("LPATH", &[Link]),
        ("LD_RUN_PATH", &[Link]),
        ("LD_LIBRARY_PATH", &[Link]),
        ("LDEMULATION", &[Link]),
        ("GNUTARGET", &[Link]),
        ("COLLECT_NO_DEMANGLE", &[Link]),
        ("LLD_VERSION", &[Link]),
        ("ELF_PACKAGE_METADATA", &[Link]),
        ("NO_PKG_METADATA", &[Link]),
        ("DEB_BUILD_OPTIONS", &[Link]),
        // Clang reads these for other targets than Linux, which flags and configuration files may
        // name.
        ("DRIVERKIT_DEPLOYMENT_TARGET", &[Unit]),
        ("IPHONEOS_DEPLOYMENT_TARGET", &[Unit]),
        ("MACOSX_DEPLOYMENT_TARGET", &[Unit]),
        ("TVOS_DEPLOYMENT_TARGET", &[Unit]),
        ("WATCHOS_DEPLOYMENT_TARGET", &[Unit]),
        ("XROS_DEPLOYMENT_TARGET", &[Unit]),
        ("SDKROOT", &[Unit]),
        ("RC_DEBUG_OPTIONS", &[Unit]),
        ("RC_DEBUG_PREFIX_MAP", &[Unit]),
        ("INCLUDE", &[Unit]),
        ("EXTERNAL_INCLUDE", &[Unit]),
        ("SCE_ORBIS_SDK_DIR", &[Unit]),
        ("SCE_PROSPERO_SDK_DIR", &[Unit]),
        ("NCC_C_INCLUDE_PATH", &[Unit]),
        ("NCC_CPLUS_INCLUDE_PATH", &[Unit]),
        ("XCC_C_INCLUDE_PATH", &[Unit]),
        ("XCC_CPLUS_INCLUDE_PATH", &[Unit]),
        ("CLANG_CONFIG_PATH", &[Unit]),
        ("OBJECT_MODE", &[Unit]),
        ("HIP_DEVICE_LIB_PATH", &[Unit]),
        ("HIP_PATH", &[Unit]),
        ("ROCM_PATH", &[Unit]),
    ]
};

/// Wrappers of compilers and linkers (Nix, Guix, Spack) add flags from such variables.
const COUNTED_PREFIXES: [(&str, Kind); 3] =
    [("NIX_", Kind::Link), ("GUIX_", Kind::Link), ("SPACK_", Kind::Link)];

/// Variables with these prefixes that do not affect a result: directories of one session, numbers
/// of jobs, logs.
const UNCOUNTED_PREFIXES: [&str; 3] = ["NIX_BUILD_", "NIX_LOG_FD", "SPACK_DEBUG"];

/// Clang's driver expands `~` in this option and in no other.
pub const USER_CONFIG_IN_HOME: &str = "--config-user-dir=~";

/// Variables that are removed for workers, because they replace a program, arguments or a file of
/// the command.
const REMOVED: [&str; 7] = [
    "CCC_OVERRIDE_OPTIONS",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "GCC_ROOT",
    "BINUTILS_ROOT",
    "GCC_COMPARE_DEBUG",
    "AS_SECURE_LOG_FILE",
];

pub const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The largest that clang takes: the last second of the year 9999.
const LAST_EPOCH: u64 = 253_402_300_799;

/// Environment variables and their values, as they were when they were read.
#[derive(Clone, Debug, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    pub fn new<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// All of an environment. A value that is not UTF-8 is represented by its bytes.
    pub fn of(all: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let text = |value: OsString| {
            value
                .into_string()
                .unwrap_or_else(|bytes| bytes.as_encoded_bytes().escape_ascii().to_string())
        };
        Self(all.map(|(name, value)| (text(name), text(value))).collect())
    }

    /// `NAME=VALUE`, or `NAME` where the variable is not set.
    pub fn entry(&self, name: &str) -> String {
        match self.0.get(name) {
            Some(value) => format!("{name}={value}"),
            None => name.to_owned(),
        }
    }

    /// Whether an earlier `entry` still holds.
    pub fn holds(&self, entry: &str) -> bool {
        match entry.split_once('=') {
            Some((name, value)) => self.0.get(name).is_some_and(|now| now == value),
            None => !self.0.contains_key(entry),
        }
    }

    /// The names of those set variables that count for a result of these kinds.
    pub fn counted<'a>(&'a self, kinds: &'a [Kind]) -> impl Iterator<Item = &'a str> {
        let listed = COUNTED
            .iter()
            .filter(|(_, of)| of.iter().any(|kind| kinds.contains(kind)))
            .filter(|(name, of)| {
                self.0.get(*name).is_some_and(|value| !is_as_good_as_none(value, of))
            })
            .map(|(name, _)| *name);
        let of_wrappers = COUNTED_PREFIXES
            .iter()
            .filter(|(_, of)| kinds.contains(of))
            .flat_map(|(prefix, _)| self.starting_with(prefix))
            .filter(|name| !UNCOUNTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
        listed.chain(of_wrappers)
    }

    fn starting_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.0.range(prefix.to_owned()..);
        from.map(|(name, _)| name.as_str()).take_while(move |name| name.starts_with(prefix))
    }

    /// The variables of `removed` that are set.
    pub fn kept_from_workers(&self) -> Vec<&'static str> {
        let set = |name: &&str| self.0.get(*name).is_some_and(|value| !value.is_empty());
        removed().filter(set).collect()
    }

    /// # Errors
    /// Returns the value of `SOURCE_DATE_EPOCH` if it is not a time, because clang then refuses
    /// every unit.
    pub fn check_source_date_epoch(&self) -> Result<(), &str> {
        let Some(value) = self.0.get(SOURCE_DATE_EPOCH) else { return Ok(()) };
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = value.parse::<u64>().ok().filter(|seconds| digits && *seconds <= LAST_EPOCH);
        seconds.map(drop).ok_or(value)
    }
}

fn is_as_good_as_none(value: &str, of: &[Kind]) -> bool {
    value.is_empty()
        && of.iter().any(|kind| matches!(kind, Kind::Preprocessed | Kind::C | Kind::Cxx))
}

/// The variables that are removed for workers.
pub fn removed() -> impl Iterator<Item = &'static str> {
    REMOVED.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_count_where_they_matter() {
        let check = |set: &[(&str, &str)], kinds: &[Kind], expect: &[&str]| {
            let variables = Variables::new(set.iter().copied());
            assert_eq!(variables.counted(kinds).collect::<Vec<_>>(), expect, "{set:?} {kinds:?}");
        };
        use Kind::*;
        let c = [Unit, Preprocessed, C];
        let cxx = [Unit, Preprocessed, Cxx];
        check(&[("CPATH", "a"), ("CPLUS_INCLUDE_PATH", "b")], &c, &["CPATH"]);
        check(
            &[("CPATH", "a"), ("CPLUS_INCLUDE_PATH", "b")],
            &cxx,
            &["CPATH", "CPLUS_INCLUDE_PATH"],
        );
        check(&[("CPATH", "a"), ("C_INCLUDE_PATH", "b")], &[Unit], &[]);
        check(&[("CPATH", "")], &c, &[]);
        check(&[("LIBRARY_PATH", "")], &[Link], &["LIBRARY_PATH"]);
        check(&[("LIBRARY_PATH", "x"), ("SOURCE_DATE_EPOCH", "1")], &c, &[]);
        check(&[("SOURCE_DATE_EPOCH", "1")], &[Command], &["SOURCE_DATE_EPOCH"]);
        check(
            &[("NIX_LDFLAGS", "-s"), ("NIX_BUILD_TOP", "/tmp/x"), ("NIXOS", "1")],
            &[Link],
            &["NIX_LDFLAGS"],
        );
        check(&[("NIX_LDFLAGS", "-s"), ("LANG", "C"), ("HOME", "/h")], &c, &[]);
        check(&[("LLVM_OVERRIDE_PRODUCER", "x")], &[Link, Modules], &["LLVM_OVERRIDE_PRODUCER"]);
    }

    #[test]
    fn entries_hold_while_the_value_is_the_same() {
        let variables = Variables::new([("A", "1=2"), ("EMPTY", "")]);
        for name in ["A", "EMPTY", "ABSENT"] {
            assert!(variables.holds(&variables.entry(name)), "{name}");
        }
        for entry in ["A=1", "A", "EMPTY", "ABSENT=", "EMPTY=x"] {
            assert!(!variables.holds(entry), "{entry}");
        }
    }

    #[test]
    fn source_date_epoch_is_checked_as_by_clang() {
        let check = |value: &str| {
            Variables::new([(SOURCE_DATE_EPOCH, value)]).check_source_date_epoch().is_ok()
        };
        for good in ["0", "1700000000", "253402300799"] {
            assert!(check(good), "{good}");
        }
        for bad in ["", "x", "-1", "+1", "1.5", "253402300800", "99999999999999999999999", " 1"] {
            assert!(!check(bad), "{bad}");
        }
        assert!(Variables::default().check_source_date_epoch().is_ok());
    }

    #[test]
    fn variables_do_not_both_count_and_get_removed() {
        for name in removed() {
            assert!(COUNTED.iter().all(|(counted, _)| *counted != name), "{name}");
        }
    }

    /// Every variable of the tables has a line in the document.
    #[test]
    fn variables_are_all_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/environment.md");
        let document = std::fs::read_to_string(path).unwrap();
        for name in COUNTED.iter().map(|(name, _)| *name).chain(removed()) {
            assert!(
                document.contains(&format!("`{name}`")),
                "docs/environment.md does not name {name}"
            );
        }
        for (prefix, _) in COUNTED_PREFIXES {
            assert!(
                document.contains(&format!("`{prefix}...`")),
                "docs/environment.md does not name {prefix}"
            );
        }
    }
}
