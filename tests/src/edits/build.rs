//! Builds a workspace, and collects the result. Knows no edits.

use super::disk::Disk;
use super::edit::Outputs;
use super::state::State;
use crate::TestSpace;
use crate::run::Run;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::process::Command;
use std::time::Duration;

/// Everything that a user can see of a build's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) code: Option<i32>,
    /// The diagnostics as shown, sorted. If manifests are wrong, all of standard error.
    pub(super) messages: Vec<String>,
    /// The hash of each file below `target`, by its path there.
    pub(super) outputs: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Build {
    pub(super) outcome: Outcome,
    /// The names of items that were begun.
    pub(super) started: Vec<String>,
    pub(super) run: Run,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Profile {
    Dev,
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Profile::Dev => "dev",
            Profile::Release => "release",
        }
    }

    fn directory(self) -> &'static str {
        match self {
            Profile::Dev => "debug",
            Profile::Release => "release",
        }
    }
}

/// Variables that are removed from the environment of the tests.
const VARIABLES: [&str; 7] = [
    "TZ",
    "PATH",
    "PKG_CONFIG_PATH",
    "OBJC_INCLUDE_PATH",
    "CCC_OVERRIDE_OPTIONS",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
];

/// The entries of `.tender` besides a directory for each crate.
const NOTES: [&str; 2] = ["crash", "compile_commands"];

pub(super) fn command(
    space: &TestSpace,
    disk: &Disk,
    state: &State,
    profile: Profile,
    words: &[&str],
) -> Command {
    let mut command = space.command(&["build", "--profile", profile.name()]);
    if !words.contains(&"--message-format") {
        command.args(["--message-format", "json"]);
    }
    command.args(words).current_dir(&disk.root);
    for name in VARIABLES {
        command.env_remove(name);
    }
    for (name, value) in &state.environment {
        let value = value.replace("@ROOT@", disk.root.as_str()).replace("@PATH@", &path_of_tests());
        command.env(name, value);
    }
    command
}

fn path_of_tests() -> String {
    std::env::var("PATH").expect("a PATH in UTF-8")
}

pub(super) fn build(
    space: &TestSpace,
    disk: &Disk,
    state: &State,
    profile: Profile,
    words: &[&str],
) -> Build {
    collected(disk, profile, space.run(command(space, disk, state, profile, words)))
}

/// As users build: a certificate may say that there is nothing to do. It says nothing of diagnostics.
pub(super) fn build_plainly(
    space: &TestSpace,
    disk: &Disk,
    state: &State,
    profile: Profile,
) -> Build {
    let mut command = command(space, disk, state, profile, &["--message-format", "human"]);
    command.arg("--quiet");
    collected(disk, profile, space.run(command))
}

fn collected(disk: &Disk, profile: Profile, run: Run) -> Build {
    let portable = |text: &str| text.replace(disk.root.as_str(), "@ROOT@");
    let said = run.messages();
    let of_reason = |reason: &str| {
        said.iter().filter(|message| message["reason"] == reason).collect::<Vec<_>>()
    };
    let rendered =
        of_reason("compiler-message").into_iter().map(|message| &message["message"]["rendered"]);
    let mut messages: Vec<String> =
        rendered.map(|text| portable(text.as_str().unwrap_or_default())).collect();
    messages.sort();
    if run.status.code() == Some(2) {
        // What certificates say depends on earlier builds.
        let lines = run.stderr.lines().filter(|line| !line.contains("certificate"));
        messages.push(portable(&lines.collect::<Vec<_>>().join("\n")));
    }
    let started =
        of_reason("unit-started").into_iter().map(|message| message["unit"].to_string()).collect();
    let mut outputs = BTreeMap::new();
    collect(&disk.root.join("target").join(profile.directory()), profile.directory(), &mut outputs);
    let crates = disk.root.join("crates").read_dir_utf8().unwrap().map(Result::unwrap);
    for path in
        crates.map(|entry| entry.path().join("src/made_tree.c")).filter(|path| path.exists())
    {
        // Files that a command writes beside the sources.
        outputs.insert(portable(path.as_str()), hash(&std::fs::read(path).unwrap()));
    }
    if let Ok(text) = std::fs::read_to_string(disk.root.join("target/compile_commands.json")) {
        outputs.insert("compile_commands.json".to_owned(), hash(portable(&text).as_bytes()));
    }
    Build { outcome: Outcome { code: run.status.code(), messages, outputs }, started, run }
}

/// Starts a build, and sends it a signal after some time, if it has not ended.
pub(super) fn interrupt(space: &TestSpace, command: Command, signal: Signal, after: Duration) {
    let started = space.start(command);
    std::thread::sleep(after);
    started.signal(signal);
    started.finish();
}

/// The paths of the outputs of the last build of a profile.
pub(super) fn outputs(disk: &Disk, profile: Profile, which: Outputs) -> Vec<Utf8PathBuf> {
    let mut found = BTreeMap::new();
    let directory = disk.root.join("target").join(profile.directory());
    collect(&directory, "", &mut found);
    let is_generated = |path: &&String| path.contains("/out/");
    let paths = found.keys().filter(|path| is_generated(path) == (which == Outputs::Generated));
    paths.map(|path| directory.join(path.trim_start_matches('/'))).collect()
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

fn collect(directory: &Utf8Path, name: &str, into: &mut BTreeMap<String, String>) {
    let Ok(entries) = directory.read_dir_utf8() else { return };
    let in_notes = directory.file_name() == Some(".tender");
    for entry in entries.map(Result::unwrap) {
        let name = format!("{name}/{}", entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            if !(in_notes && NOTES.contains(&entry.file_name())) {
                collect(entry.path(), &name, into);
            }
        } else if !in_notes && !kind.is_fifo() {
            // A killed build leaves the FIFOs of its jobserver until the next one.
            into.insert(name, hash(&std::fs::read(entry.path()).unwrap()));
        }
    }
}
