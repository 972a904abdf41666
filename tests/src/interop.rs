//! Other build tools with the jobserver protocol, and trees of them whose jobs can be counted.
//!
//! ```no_run
//! use tender_tests::TestSpace;
//! use tender_tests::interop::{Probes, Tool, find};
//!
//! let (Some(make), Some(ninja)) = (find(Tool::Make44), find(Tool::Ninja)) else { return };
//! let space = TestSpace::new();
//! // Each job lasts until three have run at once, so three are counted if the tools can do it.
//! let probes = Probes::new(&space, 3);
//! let inner = ninja.tree(&probes, "inner", 6, &[]);
//! let outer = make.tree(&probes, "outer", 2, &[inner]);
//! outer.arg("-j3").run(&space).expect_ok();
//! assert_eq!(probes.log().most_at_once(), 3);
//! ```
//!
//! - [`find`] searches a tool, and reports a skip if it is missing. `make interop` installs missing
//!   tools.
//! - [`Found::tree`] writes the files by which a tool runs K probe jobs, and other trees below it.
//! - [`Log`] has the times of jobs; [`expect_whole_pool`] checks GNU make's own count of tokens.
//! - [`expect_sharing`] checks one pair of tools: whether the inner one shares, runs one job, or is
//!   outside the pool.
//! - [`Pool`] is a pool that the test hosts and whose bytes it can count; [`members`] finds the
//!   processes of a tree, to kill some.

mod log;
mod members;
mod pool;
mod sharing;
mod tree;

pub use log::{Log, ProbeJob};
pub use members::{Member, members};
pub use pool::{Pool, failing_device};
pub use sharing::{Sharing, expect_sharing, expect_sharing_and_whole};
pub use tree::{CommandLine, Probes};

use crate::features::{Feature, skip};
use crate::programs::{profile_directory, program};
use crate::run::Run;
use camino::{Utf8Path, Utf8PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// GNU make before 4.4, as Debian 12 has it: a pipe's descriptors, and `fifo:` is a fatal
    /// error.
    Make43,
    /// GNU make 4.4.1, else a newer one of the machine: both forms; hosts a FIFO, or a pipe with
    /// `--jobserver-style=pipe`.
    Make44,
    /// The machine's ninja, if it is older than 1.13: not a client.
    NinjaOld,
    /// Upstream's ninja since 1.13: joins a FIFO, and no pipe.
    Ninja,
    /// Kitware's ninja, from its Python package: joins both.
    NinjaKitware,
    /// A host with a pipe, and a client of both forms.
    Cargo,
    /// A link with `-flto=jobserver`: runs GNU make on its back ends. A leaf of every tree.
    Gcc,
    Tender,
}

impl Tool {
    pub const ALL: &[Tool] = &[
        Tool::Make43,
        Tool::Make44,
        Tool::NinjaOld,
        Tool::Ninja,
        Tool::NinjaKitware,
        Tool::Cargo,
        Tool::Gcc,
        Tool::Tender,
    ];

    /// `None`: `tender` always exists.
    fn feature(self) -> Option<Feature> {
        Some(match self {
            Tool::Make43 => Feature::Make43,
            Tool::Make44 => Feature::Make44,
            Tool::NinjaOld => Feature::NinjaOld,
            Tool::Ninja => Feature::Ninja,
            Tool::NinjaKitware => Feature::NinjaKitware,
            Tool::Cargo => Feature::Cargo,
            Tool::Gcc => Feature::Gcc,
            Tool::Tender => return None,
        })
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Make43 => "GNU make before 4.4",
            Tool::Make44 => "GNU make since 4.4",
            Tool::NinjaOld => "ninja before 1.13",
            Tool::Ninja => "upstream's ninja since 1.13",
            Tool::NinjaKitware => "Kitware's ninja",
            Tool::Cargo => "cargo",
            Tool::Gcc => "gcc",
            Tool::Tender => "tender",
        }
    }
}

/// An installed tool.
#[derive(Clone, Debug)]
pub struct Found {
    pub tool: Tool,
    /// The program, by an absolute path.
    pub path: Utf8PathBuf,
    /// The first line of its output for `--version`.
    pub version: String,
}

/// Searches a tool. `None` if it is missing; then a skip is reported. The first search on a machine
/// downloads missing tools.
pub fn find(tool: Tool) -> Option<Found> {
    let candidates = match tool {
        Tool::Make43 => in_path("make"),
        Tool::Make44 => [vec![got("make-4.4.1/make")], in_path("make")].concat(),
        Tool::NinjaOld => in_path("ninja"),
        Tool::Ninja => [vec![got("ninja-upstream/ninja")], in_path("ninja")].concat(),
        Tool::NinjaKitware => vec![got("ninja-kitware/ninja")],
        Tool::Cargo => in_path("cargo"),
        Tool::Gcc => in_path("gcc"),
        Tool::Tender => vec![program("tender")],
    };
    let found = candidates.into_iter().find_map(|path| {
        let version = version(&path)?;
        is(tool, &version).then_some(Found { tool, path, version })
    });
    if found.is_none() {
        let why = format!("there is no {}; `make interop` may get it", tool.name());
        skip(tool.feature().expect("`program` panics where tender is missing"), &why);
    }
    found
}

/// A gcc before 13, or of 13 or newer: [`Feature::GccOld`] or [`Feature::Gcc13`]. `None` if there
/// is none; then a skip is reported.
pub fn find_gcc(feature: Feature) -> Option<Found> {
    let majors = if feature == Feature::GccOld { 1..13 } else { 13..u32::MAX };
    let names =
        std::iter::once("gcc".to_owned()).chain((9..30).map(|major| format!("gcc-{major}")));
    let found = names.flat_map(|name| in_path(&name)).find_map(|path| {
        let version = version(&path).filter(|version| is(Tool::Gcc, version))?;
        let major = version.rsplit(' ').next()?.split('.').next()?.parse().ok()?;
        majors.contains(&major).then_some(Found { tool: Tool::Gcc, path, version })
    });
    if found.is_none() {
        skip(feature, "no such version is installed");
    }
    found
}

/// Whether a program of this version is the tool.
fn is(tool: Tool, version: &str) -> bool {
    let make = version.strip_prefix("GNU Make ");
    let number = |text: &str| {
        let mut numbers = text.split('.').map_while(|number| number.parse::<u32>().ok());
        numbers.next().zip(numbers.next())
    };
    match tool {
        Tool::Make43 => {
            make.and_then(number).is_some_and(|version| ((4, 2)..(4, 4)).contains(&version))
        }
        Tool::Make44 => make.and_then(number).is_some_and(|version| version >= (4, 4)),
        // ninja prints only a number.
        Tool::NinjaOld => number(version).is_some_and(|version| version < (1, 13)),
        Tool::Ninja => {
            number(version).is_some_and(|version| version >= (1, 13))
                && !version.contains("kitware")
        }
        Tool::NinjaKitware => version.contains("kitware.jobserver"),
        // The program `gcc` may be clang, which does not read MAKEFLAGS.
        Tool::Gcc => version.starts_with("gcc"),
        Tool::Cargo | Tool::Tender => true,
    }
}

/// The first line of a program's output for `--version`.
fn version(path: &Utf8Path) -> Option<String> {
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null());
    for variable in ["MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS"] {
        command.env_remove(variable);
    }
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}

/// The programs of this name in the directories of `PATH`, the one that is started first.
pub fn in_path(name: &str) -> Vec<Utf8PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories =
        std::env::split_paths(&path).filter_map(|path| Utf8PathBuf::from_path_buf(path).ok());
    directories.map(|directory| directory.join(name)).filter(|path| path.is_file()).collect()
}

/// A program that `tools/interop.sh` downloads, below the target directory.
fn got(path: &str) -> Utf8PathBuf {
    static TRIED: Once = Once::new();
    let directory =
        profile_directory().parent().expect("a profile lies in a target directory").join("interop");
    TRIED.call_once(|| {
        // `make test` has tried already; without a network each test would try again and fail.
        if !directory.exists() {
            let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
                .parent()
                .unwrap()
                .join("tools/interop.sh");
            let status =
                Command::new(script).arg(&directory).status().expect("tools/interop.sh starts");
            assert!(status.success(), "tools/interop.sh: {status}");
        }
    });
    directory.join(path)
}

/// Neither `tender` nor make warns about the pool.
#[track_caller]
pub fn expect_no_warning(run: &Run) {
    assert!(!run.stderr.contains("warning") && !run.stderr.contains("INTERNAL"), "{run}");
}

/// Expects exactly one warning, with these texts.
#[track_caller]
pub fn expect_one_warning(run: &Run, texts: &[&str]) {
    let warnings: Vec<&str> = run.stderr.lines().filter(|line| line.contains("warning:")).collect();
    assert_eq!(warnings.len(), 1, "{run}");
    for text in texts {
        assert!(warnings[0].contains(text), "no {text:?}:\n{run}");
    }
}

/// GNU make with a pipe, and with a FIFO, as far as they are installed.
pub fn makes() -> impl Iterator<Item = Found> {
    [Tool::Make43, Tool::Make44].into_iter().filter_map(find)
}

/// Long enough for the test to find it running and end it.
pub const ENDLESS: usize = 1000;

/// No GNU make above counted missing or surplus tokens at its end, which do not change its exit
/// status.
#[track_caller]
pub fn expect_whole_pool(run: &Run) {
    let missed =
        run.stderr.lines().find(|line| line.contains("INTERNAL: ") && line.contains("token"));
    assert_eq!(missed, None, "{run}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_tell_tools_apart() {
        let check = |version: &str, expect: &[Tool]| {
            let all = Tool::ALL
                .iter()
                .copied()
                .filter(|tool| !matches!(tool, Tool::Cargo | Tool::Tender));
            assert_eq!(
                all.filter(|tool| is(*tool, version)).collect::<Vec<_>>(),
                expect,
                "{version}"
            );
        };
        check("GNU Make 4.3", &[Tool::Make43]);
        check("GNU Make 4.2.1", &[Tool::Make43]);
        check("GNU Make 4.4.1", &[Tool::Make44]);
        check("GNU Make 3.81", &[]);
        check("1.11.1", &[Tool::NinjaOld]);
        check("1.13.2", &[Tool::Ninja]);
        check("1.14.0.git", &[Tool::Ninja]);
        check("1.13.0.git.kitware.jobserver-pipe-1", &[Tool::NinjaKitware]);
        check("gcc (Debian 12.2.0-14+deb12u1) 12.2.0", &[Tool::Gcc]);
        check("Apple clang version 15.0.0", &[]);
    }
}
