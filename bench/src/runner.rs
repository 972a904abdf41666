//! Runs the contestants alternately and collects figures.

use crate::contest::{Contest, Contestant, Tools};
use crate::measure::{self, Taken};
use crate::progress;
use crate::statistics::Summary;
use crate::subject::{Name, Subject};
use crate::trace::{self, Usage};
use std::error::Error;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

/// Builds that do nothing are short, so their times vary more, and more of them cost little.
const NOTHING_ROUNDS: u32 = 40;
/// For a thousand crates, which ninja builds in half a minute. Their times vary little.
const MANY_PAIRS: u32 = 3;
const MANY_NOTHING_ROUNDS: u32 = 5;

/// The figures of both contestants in one round.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub tender: Taken,
    pub ninja: Taken,
}

#[derive(Debug)]
pub struct Outcome {
    pub name: Name,
    pub jobs: u32,
    pub cold: Vec<Pair>,
    /// Builds with nothing to do.
    pub nothing: Vec<Pair>,
    /// From one further cold build with `--trace`, and its time. None where cold builds take too long.
    pub traced: Option<(Usage, Taken)>,
}

impl Outcome {
    pub fn ratio(pairs: &[Pair], of: impl Fn(&Taken) -> Duration) -> Summary {
        Summary::of(
            pairs.iter().map(|pair| of(&pair.tender).as_secs_f64() / of(&pair.ninja).as_secs_f64()),
        )
    }

    pub fn wall(pairs: &[Pair], who: Contestant) -> Summary {
        Self::time(pairs, who, |taken| taken.wall)
    }

    /// Seconds.
    pub fn time(pairs: &[Pair], who: Contestant, of: impl Fn(&Taken) -> Duration) -> Summary {
        Summary::of(pairs.iter().map(|pair| match who {
            Contestant::Tender => of(&pair.tender).as_secs_f64(),
            Contestant::Ninja => of(&pair.ninja).as_secs_f64(),
        }))
    }
}

/// Measures a subject.
///
/// # Errors
/// A build fails, or the two do not build the same.
pub fn run(
    tools: &Tools,
    subject: &Subject,
    pairs: u32,
    jobs: u32,
) -> Result<Outcome, Box<dyn Error>> {
    let title = subject.name.title();
    progress::show(&format!("{title}: preparing"));
    let contest = Contest::prepare(tools, subject, jobs)?;
    let (pairs, nothing_rounds) = match subject.name {
        Name::Many => (pairs.min(MANY_PAIRS), MANY_NOTHING_ROUNDS),
        Name::Files => (0, NOTHING_ROUNDS),
        _ => (pairs, NOTHING_ROUNDS),
    };
    let cold = cold_pairs(&contest, title, pairs)?;

    progress::show(&format!("{title}: builds that do nothing"));
    let mut nothing = Vec::new();
    // The first ones may still do work, such as checking files with recent time stamps.
    for round in 0..2 {
        pair(round, |who| contest.build(who, &[]))?;
    }
    for round in 0..nothing_rounds {
        nothing.push(pair(round, |who| contest.build(who, &[]))?);
    }

    let mut traced = None;
    if pairs > 0 {
        progress::show(&format!("{title}: one more cold build, traced"));
        let file = subject.scratch.join("trace.json");
        contest.remove(Contestant::Tender)?;
        let words = [OsStr::new("--trace"), file.as_os_str()];
        let taken = contest.build(Contestant::Tender, &words)?;
        traced = Some((trace::usage(&file, jobs)?, taken));
    }
    progress::show("");
    Ok(Outcome { name: subject.name, jobs, cold, nothing, traced })
}

/// Builds from nothing with each alternately. The output of the last round is kept.
///
/// # Errors
/// A build fails.
pub fn cold_pairs(
    contest: &Contest<'_>,
    title: &str,
    pairs: u32,
) -> Result<Vec<Pair>, Box<dyn Error>> {
    let one = |round| {
        progress::show(&format!("{title}: cold builds, pair {} of {pairs}", round + 1));
        pair(round, |who| {
            contest.remove(who)?;
            contest.build(who, &[])
        })
    };
    (0..pairs).map(one).collect()
}

/// The order changes from round to round, so that a drift of the machine affects both equally.
fn pair(
    round: u32,
    mut take: impl FnMut(Contestant) -> Result<Taken, Box<dyn Error>>,
) -> Result<Pair, Box<dyn Error>> {
    if round.is_multiple_of(2) {
        let tender = take(Contestant::Tender)?;
        Ok(Pair { tender, ninja: take(Contestant::Ninja)? })
    } else {
        let ninja = take(Contestant::Ninja)?;
        Ok(Pair { tender: take(Contestant::Tender)?, ninja })
    }
}

/// How many seconds a cargo build with nothing to do takes in a workspace of five packages, for
/// comparison with real-world; `None` without cargo.
///
/// # Errors
/// The workspace cannot be written or built.
pub fn cargo_does_nothing() -> Result<Option<Summary>, Box<dyn Error>> {
    let cargo = Path::new("cargo");
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let root = scratch.path().join("workspace");
    std::fs::create_dir_all(&root)?;
    if measure::run(version_of(cargo, &root), &scratch.path().join("log")).is_err() {
        return Ok(None);
    }
    std::fs::write(
        root.join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"part*\"]\n",
    )?;
    for i in 0..5 {
        let dir = root.join(format!("part{i}"));
        std::fs::create_dir_all(dir.join("src"))?;
        let manifest =
            format!("[package]\nname = \"part{i}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        std::fs::write(dir.join("Cargo.toml"), manifest)?;
        std::fs::write(dir.join("src/lib.rs"), "pub fn part() {}\n")?;
    }
    let build = || {
        let mut command = measure::command(cargo, &root);
        command.args(["build", "--offline"]).env_remove("CARGO_TARGET_DIR");
        measure::run(command, &scratch.path().join("log"))
    };
    build()?;
    let times = (0..NOTHING_ROUNDS)
        .map(|_| build().map(|taken| taken.wall.as_secs_f64()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Summary::of(times)))
}

fn version_of(cargo: &Path, dir: &Path) -> std::process::Command {
    let mut command = measure::command(cargo, dir);
    command.arg("--version");
    command
}
