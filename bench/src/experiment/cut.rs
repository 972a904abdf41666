//! One large file cut into codegen units, compared with clang, which compiles it whole: build time,
//! balance of the pieces, and speed of the resulting program.

use super::{Settings, Units};
use crate::contest::{self, Tools};
use crate::measure::{self, Taken};
use crate::statistics::Summary;
use crate::subject::{Name, Subject};
use crate::table::{self, Table};
use crate::trace::{self, Pieces};
use crate::{ninja, program, progress};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SOURCE: &str = "sqlite3.c";
const ARCHIVE: &str = "libsqlite.a";
/// Queries on a database in memory for some seconds; prints a checksum of the results.
const WORKLOAD: &str = include_str!("../../../backend-worker/tests/cut/sql_workload.c");
const ALL_UNITS: [Units; 6] = [
    Units::Default,
    Units::AtMost(1),
    Units::AtMost(2),
    Units::AtMost(4),
    Units::AtMost(8),
    Units::AtMost(16),
];

/// One setting with which `tender` builds the archive.
struct Cell {
    units: Units,
    jobs: u32,
    taken: Vec<Taken>,
    pieces: Vec<Pieces>,
}

/// Runs the experiment.
///
/// # Errors
/// The sources were not fetched, a build fails, or an archive differs between rounds or numbers of
/// jobs.
pub fn run(
    tools: &Tools,
    examples: &Path,
    settings: &Settings,
) -> Result<Vec<Table>, Box<dyn Error>> {
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let bench = Bench {
        tools,
        subject: Subject::prepare(Name::Sqlite, examples, scratch.path())?,
        scratch: scratch.path().to_owned(),
    };
    let units = if settings.units.is_empty() { ALL_UNITS.to_vec() } else { settings.units.clone() };
    let mut cells: Vec<Cell> = settings
        .jobs_or(2)
        .into_iter()
        .flat_map(|jobs| {
            units.iter().map(move |&units| Cell { units, jobs, taken: vec![], pieces: vec![] })
        })
        .collect();

    // Not measured: fills the page cache and writes the flags for clang.
    progress::show("cut: preparing");
    measure::run(tools.build(&bench.subject, 2), &bench.log())?;
    let flags = bench.flags()?;
    let mut clang = Vec::new();
    for round in 0..settings.pairs {
        let show = |what: &str| {
            progress::show(&format!("cut: round {} of {}, {what}", round + 1, settings.pairs))
        };
        let mut build_all = || -> Result<(), Box<dyn Error>> {
            for cell in &mut cells {
                show(&format!("{} units at -j{}", cell.units, cell.jobs));
                bench.cut(cell)?;
            }
            Ok(())
        };
        if round.is_multiple_of(2) {
            show("clang");
            clang.push(bench.clang(&flags)?);
            build_all()?;
        } else {
            build_all()?;
            show("clang");
            clang.push(bench.clang(&flags)?);
        }
    }
    let builds = builds(&cells, &clang);

    let mut rows = Vec::new();
    bench.program("clang")?;
    let theirs = program::text_bytes(&tools.llvm_bin, &bench.built("clang"))?;
    for &units in &units {
        let name = units.to_string();
        bench.program(&name)?;
        let text =
            program::text_bytes(&tools.llvm_bin, &bench.built(&name))? as f64 / theirs as f64;
        // All numbers of units would take too long, unless they are selected.
        let mut row = vec![name.clone(), format!("{text:.3}")];
        if units == Units::Default || !settings.units.is_empty() {
            progress::show(&format!(
                "cut: the program of {name} units, {} pairs",
                settings.program_pairs
            ));
            let (ours, theirs) = (bench.built(&name), bench.built("clang"));
            let speed = program::compare(&ours, &theirs, settings.program_pairs, &bench.scratch)?;
            row.extend([table::interval(speed.ratio), format!("{:.2}", speed.other.median)]);
        } else {
            row.extend(["-".to_owned(), "-".to_owned()]);
        }
        rows.push(row);
    }
    progress::show("");
    let programs = Table {
        title: format!("The program built with it, against the program with clang's, {} pairs", settings.program_pairs),
        columns: vec!["codegen-units", ".text ratio", "user CPU ratio (95 %)", "clang's s"],
        rows,
        notes: vec![
            "User CPU: geometric mean of the ratios of neighbouring runs, with the interval of Student's t over their \
             logarithms."
                .into(),
        ],
    };
    Ok(vec![builds, programs])
}

fn builds(cells: &[Cell], clang: &[Taken]) -> Table {
    let seconds = |taken: &[Taken], of: fn(&Taken) -> Duration| {
        Summary::of(taken.iter().map(|taken| of(taken).as_secs_f64())).median
    };
    let row = |cell: &Cell| {
        let ratio = |of: fn(&Taken) -> Duration| {
            let pairs = cell.taken.iter().zip(clang);
            Summary::of(pairs.map(|(own, other)| of(own).as_secs_f64() / of(other).as_secs_f64()))
        };
        let piece = |of: fn(&Pieces) -> f64| Summary::of(cell.pieces.iter().map(of)).median;
        vec![
            cell.units.to_string(),
            format!("-j{}", cell.jobs),
            table::spread(ratio(|taken| taken.wall), 3),
            table::spread(ratio(|taken| taken.cpu), 3),
            format!("{:.2}", seconds(&cell.taken, |taken| taken.wall)),
            format!("{:.2}", seconds(&cell.taken, |taken| taken.cpu)),
            format!("{:.0}", piece(|pieces| pieces.count as f64)),
            format!("{:.2}", piece(|pieces| pieces.balance)),
            format!("{:.2}", piece(|pieces| pieces.before_s)),
            format!("{:.2}", piece(|pieces| pieces.sum_s)),
        ]
    };
    Table {
        title: format!("{SOURCE} alone to one archive, -O2, cold, {} rounds", clang.len()),
        columns: vec![
            "codegen-units",
            "jobs",
            "wall ratio",
            "CPU ratio",
            "wall s",
            "CPU s",
            "pieces",
            "largest/mean",
            "translate, cut s",
            "all pieces s",
        ],
        rows: cells.iter().map(row).collect(),
        notes: vec![
            format!(
                "clang -O2 -c and llvm-ar: wall {:.2} s, CPU {:.2} s. In each round clang and every row build once.",
                seconds(clang, |taken| taken.wall),
                seconds(clang, |taken| taken.cpu)
            ),
            "Ratios: median and quartiles over the rounds. Of pieces: time of optimising and emitting, from the trace; \
             with more jobs than cores a piece's time holds its waiting for one."
                .into(),
        ],
    }
}

struct Bench<'a> {
    tools: &'a Tools,
    subject: Subject,
    scratch: PathBuf,
}

impl Bench<'_> {
    fn log(&self) -> PathBuf {
        self.scratch.join("log")
    }

    /// The path of the stored archive of this name.
    fn kept(&self, name: &str) -> PathBuf {
        self.scratch.join(format!("{name}.a"))
    }

    /// The path of the program with that archive.
    fn built(&self, name: &str) -> PathBuf {
        self.scratch.join(format!("program-{name}"))
    }

    /// The compiler and flags that `tender` uses.
    fn flags(&self) -> Result<Vec<String>, Box<dyn Error>> {
        let commands =
            ninja::read_commands(&self.subject.root.join("target/compile_commands.json"))?;
        let entry = commands
            .iter()
            .find(|entry| entry.file.ends_with(SOURCE))
            .ok_or("no command compiles it")?;
        let mut words = ninja::flags(&entry.arguments).to_vec();
        words.extend(["-c".to_owned(), entry.file.clone()]);
        Ok(words)
    }

    /// Builds from nothing and stores the archive.
    fn cut(&self, cell: &mut Cell) -> Result<(), Box<dyn Error>> {
        self.subject.set_profile(&cell.units.line())?;
        contest::remove(&self.subject.root.join("target"))?;
        let trace = self.scratch.join("trace.json");
        let mut command = self.tools.build(&self.subject, cell.jobs);
        command.arg("--trace").arg(&trace);
        cell.taken.push(measure::run(command, &self.log())?);
        cell.pieces.push(trace::pieces(&trace, SOURCE)?);
        let (archive, kept) = (
            self.subject.root.join("target/release").join(ARCHIVE),
            self.kept(&cell.units.to_string()),
        );
        if kept.exists() && std::fs::read(&kept)? != std::fs::read(&archive)? {
            return Err(
                format!("{ARCHIVE} of {} units is not the same every time", cell.units).into()
            );
        }
        std::fs::copy(archive, kept)?;
        Ok(())
    }

    /// Compiles and archives with clang and llvm-ar alone, without ninja.
    fn clang(&self, flags: &[String]) -> Result<Taken, Box<dyn Error>> {
        let (object, archive) = (self.scratch.join("clang.o"), self.kept("clang"));
        let mut compile = measure::command(Path::new(&flags[0]), &self.subject.root);
        compile.args(&flags[1..]).arg("-o").arg(&object);
        let first = measure::run(compile, &self.log())?;
        let _ = std::fs::remove_file(&archive);
        let mut pack = measure::command(&self.tools.llvm_bin.join("llvm-ar"), &self.subject.root);
        pack.arg("rcsD").arg(&archive).arg(&object);
        let second = measure::run(pack, &self.log())?;
        Ok(Taken {
            wall: first.wall + second.wall,
            cpu: first.cpu + second.cpu,
            user: first.user + second.user,
        })
    }

    /// Links the workload with a stored archive.
    fn program(&self, name: &str) -> Result<(), Box<dyn Error>> {
        let workload = self.scratch.join("workload.c");
        std::fs::write(&workload, WORKLOAD)?;
        let mut command: Command =
            measure::command(&self.tools.llvm_bin.join("clang"), &self.subject.root);
        command.args(["-O2", "-Ivendor/libsqlite3-sys/sqlite3", "-fuse-ld=lld", "-pie"]);
        command
            .arg(workload)
            .arg(self.kept(name))
            .args(["-lm", "-lpthread", "-o"])
            .arg(self.built(name));
        measure::run(command, &self.log())?;
        Ok(())
    }
}
