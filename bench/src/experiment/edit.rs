//! The edit loop: how long it takes from a saved file to its object, and to the program, by
//! `tender build --watch` and by ninja, which is started when the file is saved.

use super::Settings;
use crate::contest::{Contest, Contestant, Tools};
use crate::measure;
use crate::ninja;
use crate::progress;
use crate::statistics::Summary;
use crate::subject::{Name, Profile, Subject};
use crate::table::{self, Table};
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Of Lua: a table of libraries, a small file, and a large one.
const FILES: [&str; 3] = ["linit.c", "ltable.c", "lstrlib.c"];

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_micros(100);

/// A build that takes longer has failed.
const LONGEST: Duration = Duration::from_secs(120);

/// After a round: `tender` has recorded what it has done, and waits.
const PAUSE: Duration = Duration::from_millis(300);

/// What `tender` writes when it waits.
const WAITS: &str = "Watching";

/// Seconds from the saved file to each output.
#[derive(Clone, Copy, Debug)]
struct Times {
    object: f64,
    program: f64,
}

/// Runs the experiment.
///
/// # Errors
/// The sources were not fetched, or a build fails.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let mut subject = Subject::prepare(Name::RealWorld, examples, scratch.path())?;
    subject.profile = Profile::Dev;
    let program = subject.programs().next().ok_or("the workspace has no program")?.file_name();
    let mut rows = Vec::new();
    for jobs in settings.jobs_or(2) {
        progress::show(&format!("edits at -j{jobs}: preparing"));
        let contest = Contest::prepare(tools, &subject, jobs)?;
        let commands = ninja::read_commands(&subject.root.join("target/compile_commands.json"))?;
        let mut watching = Watching::start(&contest, scratch.path())?;
        for name in FILES {
            let entry = commands.iter().find(|entry| entry.file.ends_with(&format!("/{name}")));
            let entry = entry.ok_or_else(|| format!("no unit is named {name}"))?;
            let outputs = |who: Contestant| -> Result<Outputs, Box<dyn Error>> {
                let object = match who {
                    Contestant::Tender => {
                        subject.root.join(entry.arguments.last().ok_or("an empty command")?)
                    }
                    Contestant::Ninja => object_of_ninja(&contest.out(who).join("obj"), name)?,
                };
                Ok(Outputs { object, program: contest.out(who).join(&program) })
            };
            let (ours, theirs) = (outputs(Contestant::Tender)?, outputs(Contestant::Ninja)?);
            let source = subject.root.join(&entry.file);
            let text = fs::read_to_string(&source)?;
            let mut pairs = Vec::new();
            // The first pair warms both up.
            for round in 0..=settings.pairs {
                progress::show(&format!("{name} at -j{jobs}: edit {round} of {}", settings.pairs));
                let edited =
                    format!("{text}\nint tender_bench_{round}(void) {{ return {round}; }}\n");
                let tender = watching.round(&ours, &source, &edited)?;
                let ninja = run_ninja(&contest, &theirs, scratch.path())?;
                if round > 0 {
                    pairs.push((tender, ninja));
                }
            }
            watching.round(&ours, &source, &text)?;
            run_ninja(&contest, &theirs, scratch.path())?;
            rows.push(row(name, jobs, &pairs));
        }
    }
    progress::show("");
    Ok(Table {
        title: format!(
            "From a saved file of Lua to its object and to the program, dev profile, {} edits",
            settings.pairs
        ),
        columns: vec![
            "file",
            "jobs",
            "object, ratio",
            "program, ratio",
            "object to program, ratio",
            "tender, ms: object",
            "program",
            "ninja, ms: object",
            "program",
        ],
        rows,
        notes: vec![
            "tender waits with --watch; ninja with clang and lld is started when the file is saved. Medians and quartiles."
                .into(),
        ],
    })
}

fn row(name: &str, jobs: u32, pairs: &[(Times, Times)]) -> Vec<String> {
    let ratio = |of: fn(&Times) -> f64| {
        table::spread(Summary::of(pairs.iter().map(|(ours, theirs)| of(ours) / of(theirs))), 3)
    };
    let ms = |times: &dyn Fn(&(Times, Times)) -> f64| {
        format!("{:.0}", Summary::of(pairs.iter().map(times)).median * 1e3)
    };
    vec![
        name.to_owned(),
        format!("-j{jobs}"),
        ratio(|times| times.object),
        ratio(|times| times.program),
        ratio(|times| times.program - times.object),
        ms(&|pair| pair.0.object),
        ms(&|pair| pair.0.program),
        ms(&|pair| pair.1.object),
        ms(&|pair| pair.1.program),
    ]
}

/// ninja's objects are numbered.
fn object_of_ninja(dir: &Path, name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let end = format!("-{name}.o");
    for directory in fs::read_dir(dir)? {
        for file in fs::read_dir(directory?.path())? {
            let path = file?.path();
            if path.file_name().is_some_and(|file| file.to_string_lossy().ends_with(&end)) {
                return Ok(path);
            }
        }
    }
    Err(format!("ninja has made no object of {name}").into())
}

/// What appears in the course of a build.
struct Outputs {
    object: PathBuf,
    program: PathBuf,
}

impl Outputs {
    /// Waits until both are others than they were before `begin`, which returns when it began.
    fn time(
        &self,
        begin: impl FnOnce() -> Result<Instant, Box<dyn Error>>,
    ) -> Result<Times, Box<dyn Error>> {
        let (object, program) = (state(&self.object), state(&self.program));
        let start = begin()?;
        let mut made = None;
        loop {
            let at = start.elapsed();
            if made.is_none() && is_new(&self.object, object) {
                made = Some(at);
            }
            if is_new(&self.program, program) {
                let object = made.unwrap_or(at).as_secs_f64();
                return Ok(Times { object, program: at.as_secs_f64() });
            }
            if at > LONGEST {
                return Err(format!("{} was not made anew", self.program.display()).into());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Inode and time of change.
fn state(path: &Path) -> Option<(u64, i64, i64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.mtime(), found.mtime_nsec()))
}

fn is_new(path: &Path, before: Option<(u64, i64, i64)>) -> bool {
    let now = state(path);
    now.is_some() && now != before
}

fn run_ninja(
    contest: &Contest<'_>,
    outputs: &Outputs,
    scratch: &Path,
) -> Result<Times, Box<dyn Error>> {
    let mut command = contest.command(Contestant::Ninja, &[]);
    let log = File::create(scratch.join("log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut child = None;
    let times = outputs.time(|| {
        let start = Instant::now();
        child = Some(command.spawn()?);
        Ok(start)
    })?;
    let ended = child.as_mut().map(Child::wait).transpose()?;
    if !ended.is_some_and(|status| status.success()) {
        return Err(measure::end_of(&scratch.join("log"))?.into());
    }
    Ok(times)
}

/// A `tender build --watch`, which ends with this.
struct Watching {
    child: Child,
    log: PathBuf,
    rounds: usize,
}

impl Watching {
    fn start(contest: &Contest<'_>, scratch: &Path) -> Result<Watching, Box<dyn Error>> {
        let log = scratch.join("watch.log");
        let mut command: Command = contest.command(Contestant::Tender, &["--watch".as_ref()]);
        let file = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut watching = Watching { child: command.spawn()?, log, rounds: 0 };
        watching.wait()?;
        Ok(watching)
    }

    fn round(
        &mut self,
        outputs: &Outputs,
        source: &Path,
        text: &str,
    ) -> Result<Times, Box<dyn Error>> {
        let times = outputs.time(|| {
            fs::write(source, text)?;
            Ok(Instant::now())
        })?;
        self.wait()?;
        Ok(times)
    }

    /// Waits until it waits for changes once more.
    fn wait(&mut self) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        while fs::read_to_string(&self.log)?.matches(WAITS).count() <= self.rounds {
            if self.child.try_wait()?.is_some() || start.elapsed() > LONGEST {
                return Err(measure::end_of(&self.log)?.into());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.rounds += 1;
        std::thread::sleep(PAUSE);
        Ok(())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
