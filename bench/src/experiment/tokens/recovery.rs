//! How soon a pool is complete again after a process that holds its tokens was killed. The pool is
//! the benchmark's own, and `tender` has borrowed all its tokens.

use super::{hosted, reuse, row};
use crate::contest::{self, Tools};
use crate::experiment::Settings;
use crate::jobserver::note::{self, NoteKind};
use crate::jobserver::now_ns;
use crate::jobserver::pool::{Form, Pool};
use crate::progress;
use crate::subject::{Name, Subject};
use crate::table::Table;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::error::Error;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Milliseconds.
const PROMISE: f64 = 100.0;
const ROUNDS_PER_PAIR: u32 = 3;
const TOKENS: u32 = 8;
/// Tokens that are not back by then are lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// Exceeded only if something does not work at all.
const START: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KilledHolder {
    /// The command of `tender exec` is killed.
    Client,
    /// One of two commands of a build is killed; the other one continues.
    Command,
    /// `tender exec` is killed, with the command that holds tokens.
    Exec,
    /// `tender build` is killed, with a command that holds tokens.
    Build,
    /// `tender build` is killed, with workers that compile.
    Workers,
}

const CASES: [(KilledHolder, &str); 5] = [
    (KilledHolder::Client, "tender exec: its command is killed"),
    (KilledHolder::Command, "tender build: one of two [[generate]] commands is killed"),
    (KilledHolder::Exec, "tender exec is killed; its command held them"),
    (KilledHolder::Build, "tender build is killed; a [[generate]] command held them"),
    (KilledHolder::Workers, "tender build is killed; its workers held them"),
];

/// Runs the experiment.
///
/// # Errors
/// A build or a client fails.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let rounds = settings.pairs * ROUNDS_PER_PAIR;
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let subject = Subject::prepare(Name::Heavy, examples, scratch.path())?;
    let mut rows = Vec::new();
    for (case, title) in CASES {
        let (mut millis, mut lost) = (Vec::new(), 0);
        for round in 0..rounds {
            progress::show(&format!("tokens: {title}, {} of {rounds}", round + 1));
            let dir = scratch.path().join("round");
            contest::remove(&dir)?;
            std::fs::create_dir_all(&dir)?;
            let stage = Stage::set(tools, case, &subject, &dir)?;
            // A varying pause, so that the kill hits different points of a compilation.
            std::thread::sleep(Duration::from_millis(30 + u64::from(round) * 17 % 100));
            match stage.kill()? {
                Ok(taken_ns) => millis.push(taken_ns as f64 / 1e6),
                Err(missing) => lost += missing,
            }
        }
        let mut row = row(title.to_owned(), &millis, Some(PROMISE));
        row.push(lost.to_string());
        rows.push(row);
    }
    rows.extend(reuse::rows(tools, examples, settings)?);
    Ok(Table {
        title: format!("How soon the pool is whole after SIGKILL, {rounds} times"),
        columns: vec!["who is killed", "times", "median", "p95", "max", "promise", "late", "tokens lost"],
        rows,
        notes: vec![
            format!(
                "Milliseconds until all {TOKENS} tokens are back in the pool that lent them, looked at every 50 us: from \
                 the end of the process that is killed (its pidfd), or, where that is tender, from kill(2)."
            ),
            "In a pool of tender's own: from the end of who held them until they are used again, looked at every 50 us.".into(),
            format!("Lost: not back after {} s.", PATIENCE.as_secs()),
        ],
    })
}

/// A `tender` below the benchmark's pool that has borrowed every token.
struct Stage {
    pool: Pool,
    tender: Child,
    /// The client that holds tokens, if any.
    client: Option<OwnedFd>,
    case: KilledHolder,
    /// A file whose creation ends the command that holds no tokens.
    done: PathBuf,
}

impl Stage {
    fn set(
        tools: &Tools,
        case: KilledHolder,
        subject: &Subject,
        dir: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        let (notes, done, log) = (dir.join("notes"), dir.join("done"), dir.join("log"));
        let pool = Pool::new(Form::Fifo, TOKENS, dir)?;
        let workspace = dir.join("workspace");
        // The first command uses tender's implicit slot; a second command is charged one more slot.
        let tokens = if case == KilledHolder::Command { TOKENS - 1 } else { TOKENS };
        let client = hosted::client(&notes, &["hold".into(), tokens.to_string()])?;
        let tender = tools.tender.as_os_str();
        let build = [tender, OsStr::new("build")];
        let mut command = match case {
            KilledHolder::Client | KilledHolder::Exec => {
                let words = [tender, OsStr::new("exec"), OsStr::new("--")].into_iter();
                pool.command(&words.chain(client.iter().map(OsStr::new)).collect::<Vec<_>>(), dir)
            }
            KilledHolder::Command => {
                let done = done.to_str().ok_or("the scratch directory's path is not UTF-8")?;
                let script = "until [ -e \"$1\" ]; do sleep 0.05; done";
                let wait = ["sh", "-c", script, "sh", done].map(str::to_owned).to_vec();
                hosted::write_workspace(&workspace, &[client, wait])?;
                pool.command(&build, &workspace)
            }
            KilledHolder::Build => {
                hosted::write_workspace(&workspace, &[client])?;
                pool.command(&build, &workspace)
            }
            KilledHolder::Workers => {
                contest::remove(&subject.root.join("target"))?;
                pool.command(&build, &subject.root)
            }
        };
        let tender = start(&mut command, &log)?;
        let mut stage = Self { pool, tender, client: None, case, done };
        if let Err(error) = stage.wait_until_lent(&notes) {
            // An error is ignored: the process has ended.
            let _ = stage.tender.kill();
            stage.tender.wait()?;
            let output = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("{case:?}: {error}\n{output}").into());
        }
        Ok(stage)
    }

    fn wait_until_lent(&mut self, notes: &Path) -> Result<(), Box<dyn Error>> {
        let deadline_ns = now_ns() + START.as_nanos() as u64;
        while self.case != KilledHolder::Workers && self.client.is_none() {
            let all = note::read(notes)?;
            if let Some(note) = all.iter().find(|note| note.kind == NoteKind::Holds) {
                self.client = Some(pidfd(note.pid)?);
            } else if now_ns() > deadline_ns {
                return Err(format!(
                    "the client did not get its tokens; {} are left",
                    self.pool.left()?
                )
                .into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.pool.wait_for(0, START)?.ok_or("tender did not take all tokens")?;
        Ok(())
    }

    /// Kills the process. Returns the nanoseconds until the pool was complete, or how many tokens
    /// were not back in time.
    fn kill(mut self) -> Result<Result<u64, u32>, Box<dyn Error>> {
        let tender = pidfd(self.tender.id())?;
        let from = match (self.case, &self.client) {
            (KilledHolder::Client | KilledHolder::Command, Some(client)) => {
                pidfd_send_signal(client, Signal::KILL)?;
                poll(&mut [PollFd::new(client, PollFlags::IN)], None)?;
                now_ns()
            }
            _ => {
                let from = now_ns();
                pidfd_send_signal(&tender, Signal::KILL)?;
                from
            }
        };
        let whole = self.pool.wait_for(TOKENS, PATIENCE)?;
        let missing = TOKENS.saturating_sub(self.pool.left()?);
        File::create(&self.done)?;
        if let Some(client) = &self.client {
            // It exists only if something is wrong.
            let _ = pidfd_send_signal(client, Signal::KILL);
        }
        self.tender.wait()?;
        Ok(whole.map(|at_ns| at_ns - from).ok_or(missing))
    }
}

fn start(command: &mut Command, log: &Path) -> Result<Child, Box<dyn Error>> {
    let output = File::create(log)?;
    let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn();
    Ok(child.map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?)
}

fn pidfd(pid: u32) -> Result<OwnedFd, Box<dyn Error>> {
    let pid = Pid::from_raw(pid as i32).ok_or("a process has number 0")?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
