//! Features of machines that tests need, and skips of tests on machines without them. Knows no
//! test.
//!
//! A test without its feature is skipped, and never silently: [`skip`] reports it on standard error
//! and in the file that `TENDER_TEST_SKIPS` names, which `make test` shows at its end. If
//! `TENDER_TEST_REQUIRES` names the feature, as in `.ci/run`, the test fails.

use crate::rounds::variable;
use std::fs::File;
use std::io::Write;

/// A feature. `TENDER_TEST_REQUIRES` has its name in the same spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Permission to mount file systems, in a mount namespace.
    Root,
    /// Permission to make a memory cgroup.
    Cgroup,
    /// GNU make before 4.4.
    Make43,
    Make44,
    /// ninja before 1.13.
    NinjaOld,
    Ninja,
    NinjaKitware,
    Cargo,
    Gcc,
    /// gcc before 13.
    GccOld,
    Gcc13,
    Gxx,
    /// clang as a link driver.
    Clang,
    /// setpriv(1), which drops capabilities.
    Setpriv,
    /// A character device that can be opened and not read.
    FailingDevice,
    /// The sources that `make fetch` downloads.
    RealWorld,
    /// The sources that `make sources` downloads.
    Sources,
    /// The sources that `make sources` downloads in one version only, which Debian may replace.
    PinnedSources,
    Cmake,
    Meson,
    /// A C and C++ compiler for 64-bit ARM with its libraries, and qemu, which runs its programs.
    CrossArm64,
    /// musl, with a driver that links for it.
    Musl,
    /// GoogleTest with its headers.
    Gtest,
    /// Catch2 with its headers.
    Catch2,
    Doctest,
    /// clang-format 22.
    ClangFormat,
    /// clang-tidy 22.
    ClangTidy,
    /// LLVM's C++ library, with its modules.
    Libcxx,
    /// sshd(8).
    Sshd,
    /// strace, and permission to trace.
    Strace,
    /// mold, a linker.
    Mold,
}

impl Feature {
    pub const ALL: [Feature; 31] = [
        Feature::Root,
        Feature::Cgroup,
        Feature::Make43,
        Feature::Make44,
        Feature::NinjaOld,
        Feature::Ninja,
        Feature::NinjaKitware,
        Feature::Cargo,
        Feature::Gcc,
        Feature::GccOld,
        Feature::Gcc13,
        Feature::Gxx,
        Feature::Clang,
        Feature::Setpriv,
        Feature::FailingDevice,
        Feature::RealWorld,
        Feature::Sources,
        Feature::PinnedSources,
        Feature::Cmake,
        Feature::Meson,
        Feature::CrossArm64,
        Feature::Musl,
        Feature::Gtest,
        Feature::Catch2,
        Feature::Doctest,
        Feature::ClangFormat,
        Feature::ClangTidy,
        Feature::Libcxx,
        Feature::Sshd,
        Feature::Strace,
        Feature::Mold,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Feature::Root => "root",
            Feature::Cgroup => "cgroup",
            Feature::Make43 => "make-4.3",
            Feature::Make44 => "make-4.4",
            Feature::NinjaOld => "ninja-1.12",
            Feature::Ninja => "ninja-1.13",
            Feature::NinjaKitware => "ninja-kitware",
            Feature::Cargo => "cargo",
            Feature::Gcc => "gcc",
            Feature::GccOld => "gcc-12",
            Feature::Gcc13 => "gcc-13",
            Feature::Gxx => "g++",
            Feature::Clang => "clang",
            Feature::Setpriv => "setpriv",
            Feature::FailingDevice => "failing-device",
            Feature::RealWorld => "real-world",
            Feature::Sources => "sources",
            Feature::PinnedSources => "pinned-sources",
            Feature::Cmake => "cmake",
            Feature::Meson => "meson",
            Feature::CrossArm64 => "cross-arm64",
            Feature::Musl => "musl",
            Feature::Gtest => "gtest",
            Feature::Catch2 => "catch2",
            Feature::Doctest => "doctest",
            Feature::ClangFormat => "clang-format",
            Feature::ClangTidy => "clang-tidy",
            Feature::Libcxx => "libc++",
            Feature::Sshd => "sshd",
            Feature::Strace => "strace",
            Feature::Mold => "mold",
        }
    }
}

/// Reports that the calling test, or a part of it, is skipped because a feature is missing. `why`
/// is one line.
///
/// # Panics
/// The feature is required.
#[track_caller]
pub fn skip(feature: Feature, why: &str) {
    let required = variable("TENDER_TEST_REQUIRES").unwrap_or_default();
    assert!(!requires(&required, feature), "this run requires {}: {why}", feature.name());
    let line = entry(feature, why);
    // Not by `eprintln!`, whose output the test harness hides if the test passes. Standard error
    // may be closed.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {line}");
    if let Some(path) = variable("TENDER_TEST_SKIPS") {
        let file = File::options().append(true).create(true).open(&path);
        // One write for each line, because other test programs append too.
        let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("TENDER_TEST_SKIPS names {path}: {error}"));
    }
}

/// `FEATURE: WHY (PROGRAM TEST)`
fn entry(feature: Feature, why: &str) -> String {
    let own = std::env::current_exe().unwrap_or_default();
    let program = own.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // cargo appends a hash to the name.
    let program = program.rsplit_once('-').map_or(program.as_str(), |(name, _)| name);
    // The harness runs each test on a thread with the test's name; other threads of a test have
    // other names.
    let thread = std::thread::current();
    let test = thread.name().map_or_else(String::new, |name| format!(" {name}"));
    format!("{}: {why} ({program}{test})", feature.name())
}

/// Whether `required`, names of features separated by blanks, has this one.
///
/// # Panics
/// It has an unknown name.
fn requires(required: &str, feature: Feature) -> bool {
    let is_known = |name: &str| Feature::ALL.iter().any(|feature| feature.name() == name);
    let unknown = required.split_whitespace().find(|name| !is_known(name));
    assert_eq!(unknown, None, "TENDER_TEST_REQUIRES names a feature that does not exist");
    required.split_whitespace().any(|name| name == feature.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_features_are_told_by_their_whole_names() {
        assert!(requires("root gcc-13", Feature::Gcc13));
        assert!(!requires("root gcc-13", Feature::Gcc) && !requires("", Feature::Root));
        assert!(std::panic::catch_unwind(|| requires("roots", Feature::Root)).is_err());
    }

    #[test]
    fn skip_entry_names_feature_program_and_test() {
        let test = "features::tests::skip_entry_names_feature_program_and_test";
        let expect = format!("make-4.4: it is too old (tender_tests {test})");
        assert_eq!(entry(Feature::Make44, "it is too old"), expect);
    }

    /// It runs on Debian 12, which has only gcc 12; and Debian may replace a version of a source.
    #[test]
    fn ci_requires_all_features_but_a_second_gcc_and_pinned_sources() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/run");
        let text = std::fs::read_to_string(path).unwrap();
        let start = "export TENDER_TEST_REQUIRES='";
        let list = text.split_once(start).and_then(|(_, rest)| rest.split_once('\'')).unwrap().0;
        let missing: Vec<Feature> =
            Feature::ALL.into_iter().filter(|feature| !requires(list, *feature)).collect();
        assert_eq!(missing, [Feature::Gcc13, Feature::PinnedSources]);
    }
}
