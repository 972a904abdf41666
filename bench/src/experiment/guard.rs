//! What a pool of job tokens is for: crates of many units on one pool, against the same with a pool
//! of its own in each worker, and against ninja.

use super::Settings;
use super::memory::peaks::LOOK_EVERY;
use crate::contest::{self, Contest, Contestant, Tools};
use crate::measure::{self, Taken, Watch};
use crate::ninja::{self, Entry};
use crate::statistics::Summary;
use crate::subject::{HEAVY_CRATES, Name, Subject};
use crate::table::{self, Table};
use crate::{processes, progress};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use tender_protocol::{Item, ItemId, Language, Member, Plan, PlanId, Translate, Work};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    OnePool,
    PrivatePools,
    Ninja,
}

const WAYS: [Way; 3] = [Way::OnePool, Way::PrivatePools, Way::Ninja];

impl Way {
    fn title(self, jobs: u32) -> String {
        match self {
            Self::OnePool => format!("one pool of {jobs} (tender build -j{jobs})"),
            Self::PrivatePools => format!("{HEAVY_CRATES} workers with {jobs} each"),
            Self::Ninja => format!("ninja -j{jobs} and clang"),
        }
    }
}

/// What builds in one way took; peaks are of builds that were watched, times of those that were
/// not.
#[derive(Default)]
struct Seen {
    wall: Vec<f64>,
    cpu: Vec<f64>,
    memory: Vec<f64>,
    threads: Vec<f64>,
}

/// # Errors
/// A build fails.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let cores = std::thread::available_parallelism()?.get() as u32;
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let subject = Subject::prepare(Name::Heavy, examples, scratch.path())?;
    // Each unit is one codegen unit, for all alike.
    subject.set_profile("codegen-units = 1")?;
    let mut rows = Vec::new();
    for jobs in settings.jobs_or(cores) {
        progress::show(&format!("guard at -j{jobs}: preparing"));
        let contest = Contest::prepare(tools, &subject, jobs)?;
        let private = Private::prepare(tools, &subject, jobs)?;
        let mut seen: [Seen; 3] = Default::default();
        for round in 0..settings.pairs {
            // Who comes first changes from round to round.
            for turn in 0..WAYS.len() {
                let number = (turn + round as usize) % WAYS.len();
                let (way, seen) = (WAYS[number], &mut seen[number]);
                let title = way.title(jobs);
                progress::show(&format!(
                    "guard: {title}, round {} of {}",
                    round + 1,
                    settings.pairs
                ));
                let taken = build(&contest, &private, way, None)?;
                seen.wall.push(taken.wall.as_secs_f64());
                seen.cpu.push(taken.cpu.as_secs_f64());
                let (mut memory, mut threads) = (0, 0);
                let mut look = |roots: &[u32]| {
                    let tree = processes::tree(roots);
                    threads = threads.max(tree.iter().map(|&pid| processes::runnable(pid)).sum());
                    memory = memory.max(tree.iter().map(|&pid| processes::memory(pid)).sum());
                };
                build(&contest, &private, way, Some(Watch { every: LOOK_EVERY, look: &mut look }))?;
                seen.memory.push(memory as f64);
                seen.threads.push(threads as f64);
            }
        }
        rows.extend(table_rows(jobs, &seen));
    }
    progress::show("");
    Ok(Table {
        title: format!("{}, cold, {} rounds on {cores} cores", subject.name.title(), settings.pairs),
        columns: vec![
            "jobs from",
            "runnable threads",
            "peak MiB",
            "/ one pool",
            "wall s",
            "/ one pool",
            "CPU s",
        ],
        rows,
        notes: vec![
            format!(
                "Peaks are of builds that are watched every {} ms, times of others that are not; median, and quartiles \
                 in brackets. Ratios are within a round, the others' over one pool's.",
                LOOK_EVERY.as_millis()
            ),
            "Runnable threads: the most that ran or could have run at once in all processes of the build."
                .into(),
        ],
    })
}

fn table_rows(jobs: u32, seen: &[Seen; 3]) -> Vec<Vec<String>> {
    let one_pool = &seen[0];
    let over = |values: &[f64], base: &[f64]| {
        table::spread(Summary::of(values.iter().zip(base).map(|(value, base)| value / base)), 2)
    };
    let median = |values: &[f64]| Summary::of(values.iter().copied()).median;
    let row = |(way, seen): (&Way, &Seen)| {
        vec![
            way.title(jobs),
            table::spread(Summary::of(seen.threads.iter().copied()), 0),
            table::mib(median(&seen.memory)),
            over(&seen.memory, &one_pool.memory),
            format!("{:.2}", median(&seen.wall)),
            over(&seen.wall, &one_pool.wall),
            format!("{:.2}", median(&seen.cpu)),
        ]
    };
    WAYS.iter().zip(seen).map(row).collect()
}

fn build(
    contest: &Contest<'_>,
    private: &Private<'_>,
    way: Way,
    watch: Option<Watch<'_>>,
) -> Result<Taken, Box<dyn Error>> {
    let who = match way {
        Way::PrivatePools => return private.build(watch),
        Way::OnePool => Contestant::Tender,
        Way::Ninja => Contestant::Ninja,
    };
    contest.remove(who)?;
    match watch {
        Some(watch) => contest.build_watched(who, &[], watch),
        None => contest.build(who, &[]),
    }
}

/// A worker for each crate, all at once, none of which knows of the others.
struct Private<'a> {
    subject: &'a Subject,
    worker: PathBuf,
    out: PathBuf,
    /// A file for each worker.
    plans: Vec<PathBuf>,
    jobs: u32,
}

impl<'a> Private<'a> {
    fn prepare(tools: &Tools, subject: &'a Subject, jobs: u32) -> Result<Self, Box<dyn Error>> {
        let commands = ninja::read_commands(&subject.root.join("target/compile_commands.json"))?;
        let out = subject.scratch.join("private");
        let worker = tools.tender.with_file_name("tender-worker");
        let mut plans = Vec::new();
        for target in &subject.targets {
            let own: Vec<&Entry> =
                commands.iter().filter(|entry| entry.file.contains(&target.sources)).collect();
            let dir = out.to_str().ok_or("the scratch directory's path is not UTF-8")?;
            let plan = plan(&target.name, &own, &format!("{dir}/{}", target.name));
            let file = subject.scratch.join(format!("{}.json", target.name));
            std::fs::write(&file, serde_json::to_vec(&plan)?)?;
            plans.push(file);
        }
        Ok(Self { subject, worker, out, plans, jobs })
    }

    fn build(&self, watch: Option<Watch<'_>>) -> Result<Taken, Box<dyn Error>> {
        contest::remove(&self.out)?;
        for target in &self.subject.targets {
            std::fs::create_dir_all(self.out.join(&target.name))?;
        }
        let command = |plan: &PathBuf| -> Command {
            let mut command = measure::command(&self.worker, &self.subject.root);
            command.arg("--plan").arg(plan).arg("--jobs").arg(self.jobs.to_string());
            command
        };
        let commands = self.plans.iter().map(command).collect();
        measure::run_together(commands, &self.subject.scratch.join("log"), watch)
    }
}

/// The units of C in `commands` to objects in `dir`, and an archive of them.
fn plan(krate: &str, commands: &[&Entry], dir: &str) -> Plan {
    let object = |i: usize| format!("{dir}/{i}.o");
    let count = commands.len();
    let compile = |(i, entry): (usize, &&Entry)| Item {
        id: ItemId(i as u32),
        unit: entry.file.clone(),
        cost: 0,
        after: Vec::new(),
        memory: Default::default(),
        settled: Vec::new(),
        work: Work::Compile {
            source: entry.file.clone(),
            language: Language::C,
            // The first word is the compiler.
            args: ninja::flags(&entry.arguments)[1..].to_vec(),
            object: object(i),
            dwo: None,
            cut: None,
            lto: tender_protocol::Lto::Off,
        },
    };
    let mut items: Vec<Item> = commands.iter().enumerate().map(compile).collect();
    let output = format!("{dir}/lib{krate}.a");
    items.push(Item {
        id: ItemId(count as u32),
        unit: format!("lib{krate}.a"),
        cost: 0,
        after: (0..count as u32).map(ItemId).collect(),
        memory: Default::default(),
        settled: Vec::new(),
        work: Work::Archive {
            output,
            members: (0..count)
                .map(|i| Member { name: format!("{i}.o"), path: object(i) })
                .collect(),
            lto: None,
        },
    });
    Plan {
        id: PlanId(0),
        krate: krate.to_owned(),
        jobs: None,
        translate: Translate::Parallel,
        items,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_compiles_and_archives() {
        let entry = Entry {
            arguments: ["clang", "-O2", "-DA", "-c", "a.c", "-o", "a.o"]
                .map(str::to_owned)
                .to_vec(),
            file: "a.c".into(),
        };
        let plan = plan("one", &[&entry], "/o/one");
        let Work::Compile { args, object, .. } = &plan.items[0].work else { panic!("{plan:?}") };
        assert_eq!((args.join(" ").as_str(), object.as_str()), ("-O2 -DA", "/o/one/0.o"));
        let Work::Archive { output, members, .. } = &plan.items[1].work else { panic!("{plan:?}") };
        assert_eq!((output.as_str(), members[0].path.as_str()), ("/o/one/libone.a", "/o/one/0.o"));
        assert_eq!(plan.items[1].after, [ItemId(0)]);
    }
}
