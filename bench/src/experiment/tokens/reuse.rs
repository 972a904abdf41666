//! How soon the slots of a killed process are used again by the same build, in a pool of `tender`'s
//! own: by another command, which waits for all of them, or by the next worker.

use super::{hosted, row};
use crate::contest::{self, Tools};
use crate::experiment::Settings;
use crate::jobserver::note::{self, NoteKind};
use crate::jobserver::now_ns;
use crate::measure;
use crate::processes;
use crate::progress;
use crate::subject::{Name, Subject};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::error::Error;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Milliseconds.
const PROMISE: f64 = 100.0;
const ROUNDS_PER_PAIR: u32 = 3;
const TOKENS: u32 = 8;
/// Exceeded only if something does not work at all.
const START: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_micros(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KilledUser {
    /// The client itself, a child of the command's shell.
    Client,
    /// The command, with the client three levels below it.
    Deep,
    Worker,
}

const CASES: [(KilledUser, &str); 3] = [
    (
        KilledUser::Client,
        "tender build -j10: a command's client is killed; the other command has its 8 tokens",
    ),
    (
        KilledUser::Deep,
        "tender build -j10: a command is killed three processes above its client; the same",
    ),
    (KilledUser::Worker, "tender build -j10: its worker is killed; the next worker runs"),
];

/// Rows for the table of `recovery`. No token can be lost here, so a timeout is an error.
///
/// # Errors
/// A build or a client fails, or slots are not used again in time.
pub fn rows(
    tools: &Tools,
    examples: &Path,
    settings: &Settings,
) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let rounds = settings.pairs * ROUNDS_PER_PAIR;
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let subject = Subject::prepare(Name::Heavy, examples, scratch.path())?;
    let mut rows = Vec::new();
    for (case, title) in CASES {
        let mut millis = Vec::new();
        for round in 0..rounds {
            progress::show(&format!("tokens: {title}, {} of {rounds}", round + 1));
            let dir = scratch.path().join("round");
            contest::remove(&dir)?;
            std::fs::create_dir_all(&dir)?;
            // A varying pause, so that the kill hits different points of an offer or of a
            // compilation.
            let pause = Duration::from_millis(30 + u64::from(round) * 17 % 100);
            let taken_ns = match case {
                KilledUser::Worker => worker(tools, &subject, &dir, pause),
                KilledUser::Client | KilledUser::Deep => command(tools, case, &dir, pause),
            };
            millis.push(taken_ns.map_err(|error| format!("{title}: {error}"))? as f64 / 1e6);
        }
        let mut row = row(title.to_owned(), &millis, Some(PROMISE));
        row.push("0".to_owned());
        rows.push(row);
    }
    Ok(rows)
}

fn command(
    tools: &Tools,
    case: KilledUser,
    dir: &Path,
    pause: Duration,
) -> Result<u64, Box<dyn Error>> {
    let (victim, other, go) = (dir.join("victim"), dir.join("other"), dir.join("go"));
    let does = ["hold".to_owned(), TOKENS.to_string()];
    let mut first = hosted::client(&victim, &does)?;
    if case == KilledUser::Deep {
        let shell = ["sh", "-c", "sh -c '\"$@\"; true' sh \"$@\"; true", "sh"].map(str::to_owned);
        first = shell.into_iter().chain(first).collect();
    }
    let script = "until [ -e \"$0\" ]; do sleep 0.01; done; exec \"$@\"";
    let go_word = go.to_str().ok_or("the scratch directory's path is not UTF-8")?;
    let mut second = ["sh", "-c", script, go_word].map(str::to_owned).to_vec();
    second.extend(hosted::client(&other, &does)?);
    let workspace = dir.join("workspace");
    hosted::write_workspace(&workspace, &[first, second])?;
    // One slot for each command.
    let mut tender = start(tools, &["--keep-going"], &workspace, dir)?;
    let holder = wait_for(&mut tender, || Ok(holder(&victim)?))?;
    File::create(&go)?;
    std::thread::sleep(pause);
    let client = pidfd(holder)?;
    let mut root = holder;
    while case == KilledUser::Deep && processes::parent(root) != Some(tender.id()) {
        root = processes::parent(root).ok_or("the client has no parent process")?;
    }
    pidfd_send_signal(pidfd(root)?, Signal::KILL)?;
    poll(&mut [PollFd::new(&client, PollFlags::IN)], None)?;
    let from_ns = now_ns();
    let next = wait_for(&mut tender, || Ok(self::holder(&other)?))?;
    let taken_ns = now_ns() - from_ns;
    pidfd_send_signal(pidfd(next)?, Signal::KILL)?;
    tender.wait()?;
    Ok(taken_ns)
}

fn worker(
    tools: &Tools,
    subject: &Subject,
    dir: &Path,
    pause: Duration,
) -> Result<u64, Box<dyn Error>> {
    contest::remove(&subject.root.join("target"))?;
    let mut tender = start(tools, &["--release"], &subject.root, dir)?;
    let id = tender.id();
    let another = |than: Option<u32>| {
        let is_worker = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name == "tender-worker\n")
        };
        let children = processes::tree(&[id]).into_iter().filter(|pid| Some(*pid) != than);
        children.filter(is_worker).max_by_key(|pid| processes::runnable(*pid))
    };
    // A worker that compiles with several tokens.
    let first = wait_for(&mut tender, || {
        Ok(another(None).filter(|pid| processes::threads(*pid).count() > 4))
    })?;
    std::thread::sleep(pause);
    let watched = pidfd(first)?;
    pidfd_send_signal(&watched, Signal::KILL)?;
    poll(&mut [PollFd::new(&watched, PollFlags::IN)], None)?;
    let from_ns = now_ns();
    wait_for(&mut tender, || Ok(another(Some(first))))?;
    let taken_ns = now_ns() - from_ns;
    tender.kill()?;
    tender.wait()?;
    Ok(taken_ns)
}

fn start(
    tools: &Tools,
    words: &[&str],
    workspace: &Path,
    dir: &Path,
) -> Result<Child, Box<dyn Error>> {
    let mut command = measure::command(&tools.tender, workspace);
    let output = File::create(dir.join("log"))?;
    command.args(["build", "-j10"]).args(words);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    Ok(command.spawn()?)
}

fn holder(notes: &Path) -> std::io::Result<Option<u32>> {
    let notes = note::read(notes)?;
    Ok(notes.iter().find(|note| note.kind == NoteKind::Holds).map(|note| note.pid))
}

/// Kills the build after a timeout.
fn wait_for<T>(
    tender: &mut Child,
    mut seen: impl FnMut() -> Result<Option<T>, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let deadline_ns = now_ns() + START.as_nanos() as u64;
    loop {
        if let Some(found) = seen()? {
            return Ok(found);
        }
        if now_ns() > deadline_ns || tender.try_wait()?.is_some() {
            let _ = tender.kill();
            tender.wait()?;
            return Err("tender ended or timed out before the expected state".into());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn pidfd(pid: u32) -> Result<OwnedFd, Box<dyn Error>> {
    let pid = Pid::from_raw(pid as i32).ok_or("a process has number 0")?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
