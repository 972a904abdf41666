//! The cost of a token for a client below `tender` and for `tender`, compared with make's pools.

use super::hosted;
use crate::contest::Tools;
use crate::experiment::Settings;
use crate::jobserver::note::{self, Cycled, NoteKind};
use crate::jobserver::pool::{Form, Pool};
use crate::statistics::Summary;
use crate::table::{self, Table};
use crate::{measure, progress};
use std::error::Error;
use std::ffi::OsStr;

const CYCLES: u64 = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Below {
    Make(Form),
    Exec,
    Build,
    /// `tender exec` that runs below make's FIFO.
    ExecBelowMake,
}

const HOSTS: [(Below, &str); 5] = [
    (Below::Make(Form::Pipe), "make's pipe"),
    (Below::Make(Form::Fifo), "make's FIFO"),
    (Below::Exec, "tender exec"),
    (Below::Build, "tender build, a [[generate]] command"),
    (Below::ExecBelowMake, "tender exec on make's FIFO"),
];

/// Enough tokens that the client never waits.
const TOKENS: u32 = 3;

/// Runs the experiment.
///
/// # Errors
/// A client fails.
pub fn run(tools: &Tools, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let mut taken: [Vec<Cycled>; HOSTS.len()] = Default::default();
    for round in 0..settings.pairs as usize {
        // The order changes from round to round.
        for turn in 0..HOSTS.len() {
            let number = (turn + round) % HOSTS.len();
            let (below, title) = HOSTS[number];
            progress::show(&format!(
                "tokens: cost with {title}, round {} of {}",
                round + 1,
                settings.pairs
            ));
            taken[number].push(cycle(tools, below)?);
        }
    }
    let row = |((_, title), taken): (&(Below, &str), &Vec<Cycled>)| {
        let each = |of: fn(&Cycled) -> u64| {
            let micros =
                taken.iter().map(|taken| of(taken) as f64 / 1e3 / taken.cycles.max(1) as f64);
            table::spread(Summary::of(micros), 2)
        };
        let cycles = Summary::of(taken.iter().map(|taken| taken.cycles as f64)).median;
        vec![
            (*title).to_owned(),
            format!("{cycles:.0}"),
            each(|taken| taken.wall_ns),
            each(|taken| taken.client_cpu_ns),
            each(|taken| taken.host_cpu_ns),
        ]
    };
    Ok(Table {
        title: format!("What it costs to take a token and return it, {} rounds", settings.pairs),
        columns: vec!["client below", "cycles", "wall us", "client's CPU us", "tender's CPU us"],
        rows: HOSTS.iter().zip(&taken).map(row).collect(),
        notes: vec![
            "Microseconds for each read(2) and write(2) of a client that does nothing else; median and quartiles. CPU \
             time from schedstat, of all threads of the one process."
                .into(),
        ],
    })
}

fn cycle(tools: &Tools, below: Below) -> Result<Cycled, Box<dyn Error>> {
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let dir = scratch.path();
    let notes = dir.join("notes");
    let client = hosted::client(&notes, &["cycle".into(), CYCLES.to_string()])?;
    let words: Vec<&OsStr> = client.iter().map(OsStr::new).collect();
    let behind = |head: &[&'static str]| -> Vec<&OsStr> {
        head.iter().map(|&word| OsStr::new(word)).chain(words.iter().copied()).collect()
    };
    let pool;
    let command = match below {
        Below::Make(form) => {
            pool = Pool::new(form, TOKENS, dir)?;
            pool.command(&words, dir)
        }
        Below::Exec => hosted::exec(tools, &behind(&["-j4", "--"]), dir),
        Below::Build => {
            let workspace = dir.join("workspace");
            hosted::write_workspace(&workspace, std::slice::from_ref(&client))?;
            let mut command = measure::command(&tools.tender, &workspace);
            command.args(["build", "-j4"]);
            command
        }
        Below::ExecBelowMake => {
            pool = Pool::new(Form::Fifo, TOKENS, dir)?;
            let tender = [tools.tender.as_os_str()].into_iter();
            pool.command(&tender.chain(behind(&["exec", "--"])).collect::<Vec<_>>(), dir)
        }
    };
    measure::run(command, &dir.join("log"))?;
    let cycled = note::read(&notes)?.into_iter().find_map(|note| match note.kind {
        NoteKind::Cycled(cycled) => Some(cycled),
        _ => None,
    });
    cycled.ok_or_else(|| "a client noted nothing".into())
}
