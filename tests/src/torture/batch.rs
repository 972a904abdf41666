//! Programs of one setting: built by one `tender build` with forced cuts, run, and compared with
//! clang's builds.

use super::corpus::Test;
use super::draw::{Level, Mode, Setting};
use super::execute::{Ended, How, execute};
use super::explained;
use super::outcome::{Outcome, What};
use super::program::Program;
use super::reference;
use crate::run::Run;
use crate::space::TestSpace;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A program that clang compiles, and its behaviour.
struct Accepted {
    program: Program,
    /// The name of its crate and its program.
    id: String,
    expected: Ended,
}

/// The messages of `tender build` about one program.
#[derive(Default)]
struct Built {
    /// The numbers of the optimised pieces, by unit.
    pieces: BTreeMap<String, BTreeSet<u64>>,
    errors: Vec<String>,
    is_done: bool,
}

impl Built {
    fn pieces(&self) -> u32 {
        self.pieces.values().map(|pieces| pieces.len() as u32).max().unwrap_or(1)
    }
}

/// Tries programs of one setting. With `keep` the directory is kept, and its path printed.
pub(super) fn run(tests: &[&Test], setting: Setting, keep: bool) -> Vec<Outcome> {
    let mut space = TestSpace::new();
    let mut outcomes = Vec::new();
    let mut accepted = Vec::new();
    for (number, test) in tests.iter().enumerate() {
        match accept(&space, test, setting, format!("p{number}")) {
            Ok(one) => accepted.push(one),
            Err(what) => outcomes.push(Outcome { name: test.name.clone(), setting, what }),
        }
    }
    if !accepted.is_empty() {
        write_workspace(&space, setting, &accepted);
        let run = build(&space, setting);
        let built = messages(&run);
        for one in &accepted {
            let what = judge(&space, one, built.get(&one.id), &run);
            outcomes.push(Outcome { name: one.program.name.clone(), setting, what });
        }
    }
    if keep {
        space.eject();
    }
    outcomes
}

fn accept(space: &TestSpace, test: &Test, setting: Setting, id: String) -> Result<Accepted, What> {
    let dir = space.path("reference").join(&id);
    std::fs::create_dir_all(&dir).unwrap();
    let program = test.program(setting, &dir).map_err(What::Excluded)?;
    let expected = reference::run(&program, &dir, &[]).map_err(What::Rejected)?;
    match expected.how {
        How::Code(0) => Ok(Accepted { program, id, expected }),
        How::Code(_) | How::Signal(_) => {
            Err(What::Rejected("clang's program does not end with 0".to_owned()))
        }
        How::OutOfTime => Err(What::Rejected("clang's program does not end in time".to_owned())),
    }
}

fn write_workspace(space: &TestSpace, setting: Setting, accepted: &[Accepted]) {
    let members: Vec<&str> = accepted.iter().map(|one| one.id.as_str()).collect();
    space.write(
        "Tender.toml",
        format!(
            "[workspace]\nmembers = {}\n\n[profile.torture]\ninherits = \"release\"\nopt-level = {}\ndefines = []\n\
             lto = \"{}\"\n\n[profile.whole]\ninherits = \"torture\"\ncodegen-units = 1\n",
            strings(members),
            setting.level.key(),
            setting.mode.key()
        ),
    );
    for Accepted { program, id, .. } in accepted {
        space.write(
            &format!("{id}/Tender.toml"),
            format!(
                "[package]\nname = \"{id}\"\n\n[[bin]]\nname = \"{id}\"\nsources = {}\nflags = {}\nlink = {}\nlink-args = {}\n",
                strings(&program.sources),
                strings(&program.flags),
                strings(reference::LIBRARIES),
                strings(&program.link_args)
            ),
        );
    }
}

/// A list of strings in TOML.
fn strings<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    serde_json::to_string(
        &words.into_iter().map(|word| word.as_ref().to_owned()).collect::<Vec<_>>(),
    )
    .unwrap()
}

fn build(space: &TestSpace, setting: Setting) -> Run {
    let mut command = with_clang(space.command(&[
        "build",
        "--profile",
        "torture",
        "--keep-going",
        "-j2",
        "--message-format",
        "json",
    ]));
    command.env("TENDER_FORCE_PIECES", setting.pieces.to_string());
    space.run(command)
}

/// Links by clang, as the reference.
fn with_clang(mut command: std::process::Command) -> std::process::Command {
    let clang = crate::llvm_bin().join("clang");
    command.env("CC", &clang).env("CXX", format!("{clang} --driver-mode=g++"));
    command
}

/// By program.
fn messages(run: &Run) -> BTreeMap<String, Built> {
    let mut built: BTreeMap<String, Built> = BTreeMap::new();
    for message in run.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let Some(name) = message["target"]["name"].as_str() else { continue };
        let one = built.entry(name.to_owned()).or_default();
        match message["reason"].as_str() {
            // A backend of link-time optimisation also has a `cgu`: the number of its module.
            Some("phase") if message["phase"] == "optimise" && message["of"].is_null() => {
                if let Some(cgu) = message["cgu"].as_u64() {
                    let unit = message["unit"].as_str().unwrap_or_default().to_owned();
                    one.pieces.entry(unit).or_default().insert(cgu);
                }
            }
            Some("compiler-message") if message["message"]["level"] == "error" => {
                one.errors
                    .push(message["message"]["rendered"].as_str().unwrap_or_default().to_owned());
            }
            Some("compiler-artifact") => one.is_done = true,
            _ => {}
        }
    }
    built
}

fn judge(space: &TestSpace, one: &Accepted, built: Option<&Built>, run: &Run) -> What {
    let nothing = Built::default();
    let built = built.unwrap_or(&nothing);
    let pieces = built.pieces();
    if let Some(flag) = built.errors.iter().find_map(|error| refused_flag(error)) {
        return What::Excluded(format!("tender refuses the flag {flag}"));
    }
    let dir = space.path("reference").join(&one.id);
    let difference = if built.is_done {
        let program = space.path("target/torture").join(&one.id);
        let found = execute(reference::started(&program), &dir, reference::RUN_CUT);
        difference(&one.expected, &found)
    } else {
        let errors = if built.errors.is_empty() { run.to_string() } else { built.errors.concat() };
        Some(format!("tender does not build it:\n{errors}"))
    };
    match difference {
        None if pieces < 2 => whole(&one.program, &dir),
        None => What::Same { pieces },
        Some(difference) => differs(space, one, pieces, &difference),
    }
}

/// The flag that tender refuses, as its error names it.
fn refused_flag(error: &str) -> Option<String> {
    let (_, flag) =
        error.split_once("the flag `").filter(|_| error.contains("is not supported"))?;
    Some(flag.split_once('`')?.0.to_owned())
}

/// How the behaviour of a program differs from the expected one.
fn difference(expected: &Ended, found: &Ended) -> Option<String> {
    let mut text = String::new();
    if found.how != expected.how {
        writeln!(text, "it ends with {}, clang's with {}", found.how, expected.how).unwrap();
    }
    for (name, expected, found) in
        [("output", &expected.stdout, &found.stdout), ("errors", &expected.stderr, &found.stderr)]
    {
        if expected != found {
            writeln!(text, "its {name}: {}\nof clang's: {}", shortened(found), shortened(expected))
                .unwrap();
        }
    }
    (!text.is_empty()).then_some(text)
}

fn shortened(bytes: &[u8]) -> String {
    const MOST: usize = 400;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]).into_owned();
    if bytes.len() > MOST { format!("{text} ... ({} bytes)", bytes.len()) } else { text }
}

fn whole(program: &Program, dir: &camino::Utf8Path) -> What {
    let modules = reference::definitions(program, dir);
    let definitions = modules.iter().map(|(count, _)| *count).max().unwrap_or(0);
    let why = if definitions < 2 {
        "it has fewer than two definitions"
    } else if modules.iter().any(|(count, has_assembly)| *count == definitions && *has_assembly) {
        "it has assembly outside of functions"
    } else if program.flags.iter().any(|flag| flag.starts_with("-fprofile") || flag == "--coverage")
    {
        "it is instrumented for a profile"
    } else {
        "its definitions have to stay together"
    };
    What::Whole { definitions, why: why.to_owned() }
}

/// A difference may have another reason than the cut.
fn differs(space: &TestSpace, one: &Accepted, pieces: u32, difference: &str) -> What {
    let Accepted { program, expected, .. } = one;
    let dir = space.path("reference").join(&one.id);
    if let Some(why) = explained::reason(&program.name) {
        return What::Explained { pieces, why: why.to_owned() };
    }
    if reference::run(program, &dir, &[]).as_ref() != Ok(expected) {
        return What::Rejected("clang's program does something else each time".to_owned());
    }
    // If the language leaves a result open, clang's own levels may differ.
    let level = Level::O0;
    if program.setting.level != level
        && reference::run(program, &dir, &[level.flag()]).as_ref() != Ok(expected)
    {
        return What::Explained { pieces, why: "clang -O0 differs from clang, too".to_owned() };
    }
    let lto = match program.setting.mode {
        Mode::Off => None,
        Mode::ThinLocal | Mode::Thin => Some("-flto=thin"),
        Mode::Fat => Some("-flto"),
    };
    if let Some(lto) = lto
        && reference::run(program, &dir, &[lto]).as_ref() != Ok(expected)
    {
        return What::Explained { pieces, why: format!("clang {lto} differs from clang, too") };
    }
    let uncut = uncut(space, one);
    let sources =
        program.sources.iter().map(|source| source.as_str()).collect::<Vec<_>>().join(" ");
    let text = format!(
        "{} {}: {difference}uncut: {uncut}\nsources: {sources}\nflags: {}",
        program.name,
        program.setting,
        program.flags.join(" ")
    );
    What::Failed { pieces, text }
}

/// The behaviour of the same build without the cut.
fn uncut(space: &TestSpace, one: &Accepted) -> String {
    let command = with_clang(space.command(&["build", "--profile", "whole", "-p", &one.id, "-j2"]));
    let run = space.run(command);
    if !run.status.success() {
        return "tender does not build it either".to_owned();
    }
    let program = space.path("target/whole").join(&one.id);
    let dir = space.path("reference").join(&one.id);
    let found = execute(reference::started(&program), &dir, reference::RUN_CUT);
    difference(&one.expected, &found).unwrap_or_else(|| "it does what clang's does".to_owned())
}
