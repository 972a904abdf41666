//! What a worker's own threads cost where there is little else to do: one crate of thousands of
//! tiny units.

use super::Settings;
use crate::contest::{self, Tools};
use crate::measure::{self, Watch};
use crate::processes;
use crate::progress;
use crate::statistics::Summary;
use crate::subject::{Name, Subject};
use crate::table::{self, Table};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

/// What a thread used after it was last looked at is not counted, so this bounds what is missed.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// One build has thousands of units; more builds say little more.
const MOST_ROUNDS: u32 = 3;

/// Processor time of the threads that live as long as their process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Use {
    orchestrator: f64,
    coordinator: f64,
    reader: f64,
    total: f64,
}

/// # Errors
/// A build fails, or no coordinator was seen in it.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let subject = Subject::prepare(Name::Tiny, examples, scratch.path())?;
    let mut rows = Vec::new();
    let rounds = settings.pairs.min(MOST_ROUNDS);
    for jobs in settings.jobs_or(2) {
        let mut uses = Vec::new();
        for round in 0..rounds {
            progress::show(&format!("coordinator at -j{jobs}: build {} of {rounds}", round + 1));
            contest::remove(&subject.root.join("target"))?;
            uses.push(build(tools, &subject, jobs, &scratch.path().join("log"))?);
        }
        let row = |name: &str, of: fn(&Use) -> f64| {
            let percent = Summary::of(uses.iter().map(|used| 100.0 * of(used) / used.total));
            let seconds = Summary::of(uses.iter().map(of)).median;
            vec![
                name.to_owned(),
                format!("-j{jobs}"),
                format!("{seconds:.3}"),
                table::spread(percent, 2),
            ]
        };
        rows.extend([
            row("coordinator", |used| used.coordinator),
            row("reader of the channel", |used| used.reader),
            row("orchestrator (tender itself)", |used| used.orchestrator),
            row("whole build", |used| used.total),
        ]);
    }
    progress::show("");
    Ok(Table {
        title: format!("Processor time by thread, {}, cold, {rounds} builds", subject.name.title()),
        columns: vec!["thread", "jobs", "CPU s", "% of all"],
        rows,
        notes: vec![format!(
            "From schedstat of each thread, every {} ms, summed over the workers; median and quartiles.",
            LOOK_EVERY.as_millis()
        )],
    })
}

fn build(tools: &Tools, subject: &Subject, jobs: u32, log: &Path) -> Result<Use, Box<dyn Error>> {
    // By thread, of which each reading replaces the one before.
    let mut last: BTreeMap<u32, (Role, u64)> = BTreeMap::new();
    let mut look = |roots: &[u32]| {
        for pid in processes::tree(roots) {
            for thread in processes::threads(pid) {
                if let Some(role) = role(&thread.name, roots.contains(&pid)) {
                    last.insert(thread.tid, (role, thread.cpu_ns));
                }
            }
        }
    };
    let watch = Watch { every: LOOK_EVERY, look: &mut look };
    let taken = measure::run_together(vec![tools.build(subject, jobs)], log, Some(watch))?;
    let of = |wanted: Role| {
        let all = last.values().filter(|(role, _)| *role == wanted);
        all.map(|(_, ns)| *ns as f64 / 1e9).sum::<f64>()
    };
    if !last.values().any(|(role, _)| *role == Role::Coordinator) {
        return Err("no worker had a thread called coordinator".into());
    }
    Ok(Use {
        orchestrator: of(Role::Orchestrator),
        coordinator: of(Role::Coordinator),
        reader: of(Role::Reader),
        total: taken.cpu.as_secs_f64(),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Orchestrator,
    Coordinator,
    Reader,
}

/// `of_root`: the thread is of the process that was started, not of one that it started.
fn role(thread: &str, of_root: bool) -> Option<Role> {
    match (thread, of_root) {
        (_, true) => Some(Role::Orchestrator),
        ("coordinator", _) => Some(Role::Coordinator),
        ("reader", _) => Some(Role::Reader),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_have_roles() {
        let check = |name: &str, of_root: bool, expect: Option<Role>| {
            assert_eq!(role(name, of_root), expect)
        };
        check("tender", true, Some(Role::Orchestrator));
        check("coordinator", false, Some(Role::Coordinator));
        check("reader", false, Some(Role::Reader));
        check("src/unit0001.c", false, None);
    }
}
