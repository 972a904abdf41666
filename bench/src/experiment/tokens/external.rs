//! How long a token is idle that two external clients swap. Each waits for it in read(2) while the
//! other one holds it.

use super::hosted::{self, TWICE};
use super::{Latency, row};
use crate::contest::Tools;
use crate::experiment::Settings;
use crate::gaps;
use crate::jobserver::note;
use crate::jobserver::pool::{Form, Pool};
use crate::measure;
use crate::progress;
use std::error::Error;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Milliseconds.
const PROMISE: f64 = 50.0;
/// The shortest time for which a token is held; the longest is twice that.
const HELD_US: u64 = 6_000;
const ROUNDS_PER_PAIR: u32 = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientPair {
    Make(Form),
    /// Two clients below one command.
    Exec,
    /// Two commands, and further ones that take no token.
    Commands {
        others: u32,
    },
    /// Two `tender exec` below one pool.
    Execs,
}

const CASES: [ClientPair; 7] = [
    ClientPair::Make(Form::Pipe),
    ClientPair::Make(Form::Fifo),
    ClientPair::Exec,
    ClientPair::Commands { others: 0 },
    ClientPair::Commands { others: 6 },
    ClientPair::Commands { others: 30 },
    ClientPair::Execs,
];

impl ClientPair {
    fn title(self) -> String {
        match self {
            Self::Make(Form::Pipe) => "make's pipe: two clients".into(),
            Self::Make(Form::Fifo) => "make's FIFO: two clients".into(),
            Self::Exec => "tender exec: two clients below one command".into(),
            Self::Commands { others: 0 } => "tender build: two [[generate]] commands".into(),
            Self::Commands { others } => {
                format!("tender build: two commands, {others} others want none")
            }
            Self::Execs => "two tender exec on make's FIFO".into(),
        }
    }
}

/// Runs the experiment.
///
/// # Errors
/// A client fails.
pub fn run(tools: &Tools, settings: &Settings) -> Result<Latency, Box<dyn Error>> {
    let mut latency = Latency::default();
    for case in CASES {
        progress::show(&format!("tokens: {}", case.title()));
        let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
        let millis = swap(tools, case, settings.pairs * ROUNDS_PER_PAIR, scratch.path())?;
        let promise = (!matches!(case, ClientPair::Make(_))).then_some(PROMISE);
        latency.rows.push(row(case.title(), &millis, promise));
    }
    latency.notes.push(format!(
        "Clients: two swap one token, each holds it for {} to {} ms; CLOCK_MONOTONIC before write(2) and after read(2).",
        HELD_US / 1000,
        HELD_US * 2 / 1000
    ));
    Ok(latency)
}

fn swap(
    tools: &Tools,
    case: ClientPair,
    rounds: u32,
    dir: &Path,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let notes = dir.join("notes");
    let client = hosted::client(&notes, &["swap".into(), rounds.to_string(), HELD_US.to_string()])?;
    let twice = hosted::script(TWICE, &client);
    // Kept until all have ended.
    let pool;
    let commands: Vec<Command> = match case {
        ClientPair::Make(form) => {
            pool = Pool::new(form, 1, dir)?;
            vec![pool.command(&twice, dir)]
        }
        ClientPair::Exec => {
            let words: Vec<&OsStr> =
                ["-j2", "--"].map(OsStr::new).into_iter().chain(twice).collect();
            vec![hosted::exec(tools, &words, dir)]
        }
        ClientPair::Commands { others } => {
            // They run until both clients have written their notes.
            let all = rounds * 3 * 2;
            let idle = hosted::client(&notes, &["idle".into(), all.to_string()])?;
            let commands = [client.clone(), client].into_iter();
            let commands: Vec<_> = commands.chain((0..others).map(|_| idle.clone())).collect();
            hosted::write_workspace(&dir.join("workspace"), &commands)?;
            let mut command = measure::command(&tools.tender, &dir.join("workspace"));
            command.args(["build", &format!("-j{}", commands.len() + 1)]);
            vec![command]
        }
        ClientPair::Execs => {
            pool = Pool::new(Form::Fifo, 1, dir)?;
            let tender = tools.tender.as_os_str();
            let words: Vec<&OsStr> = [tender, OsStr::new("exec"), OsStr::new("--")]
                .into_iter()
                .chain(client.iter().map(OsStr::new))
                .collect();
            vec![pool.command(&words, dir), pool.command(&words, dir)]
        }
    };
    measure::run_together(commands, &dir.join("log"), None)?;
    let gaps = gaps::find(note::changes(&note::read(&notes)?));
    Ok(gaps.iter().map(gaps::Gap::millis).collect())
}
