//! Peak memory of whole builds, by form of translation and compared with ninja and clang; LLVM
//! modules in memory and their limit.

use crate::contest::{Contest, Contestant, Tools};
use crate::experiment::Settings;
use crate::measure::Watch;
use crate::processes;
use crate::progress;
use crate::statistics::Summary;
use crate::subject::{Name, Subject};
use crate::table::{self, Table};
use crate::trace::{self, Live};
use std::error::Error;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

/// Short, because peaks are short.
const LOOK_EVERY: Duration = Duration::from_millis(10);

const FORMS: [&str; 2] = ["parallel", "serial"];

/// Figures of one kind of build.
#[derive(Default)]
struct Seen {
    peaks: Vec<f64>,
    seconds: Vec<f64>,
    live: Vec<Live>,
}

/// Runs the experiment.
///
/// # Errors
/// The sources were not fetched, or a build fails.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let mut rows = Vec::new();
    for jobs in settings.jobs_or(8) {
        for name in [Name::RealWorld, Name::Lua] {
            rows.extend(of_subject(tools, examples, settings.pairs, jobs, name)?);
        }
    }
    progress::show("");
    Ok(Table {
        title: format!("Peak memory of cold builds, {} rounds", settings.pairs),
        columns: vec!["subject", "built by", "jobs", "peak MiB", "/ ninja", "wall s", "live modules", "limit"],
        rows,
        notes: vec![
            format!(
                "Memory: RssAnon + RssShmem of all processes of the build, every {} ms; median and quartiles of the \
                 peaks.",
                LOOK_EVERY.as_millis()
            ),
            "Live modules: the most in one worker in any round; limit: r + r/4 rounded up + 1, where r is the most \
             phases that ran at once in that worker."
                .into(),
        ],
    })
}

fn of_subject(
    tools: &Tools,
    examples: &Path,
    rounds: u32,
    jobs: u32,
    name: Name,
) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let subject = Subject::prepare(name, examples, scratch.path())?;
    let contest = Contest::prepare(tools, &subject, jobs)?;
    let trace = scratch.path().join("trace.json");
    let words = [OsStr::new("--trace"), trace.as_os_str()];
    let mut forms: [Seen; 2] = Default::default();
    let mut ninja = Seen::default();
    for round in 0..rounds {
        progress::show(&format!(
            "memory of {} at -j{jobs}: round {} of {rounds}",
            name.title(),
            round + 1
        ));
        for (form, seen) in FORMS.iter().zip(&mut forms) {
            subject.set_profile(&format!("translate = \"{form}\""))?;
            watched(&contest, Contestant::Tender, &words, seen)?;
            seen.live.push(trace::live(&trace)?);
        }
        watched(&contest, Contestant::Ninja, &[], &mut ninja)?;
    }
    let median = |values: &[f64]| Summary::of(values.iter().copied()).median;
    let row = |by: &str, seen: &Seen| {
        // The round that came closest to its limit.
        let live =
            seen.live.iter().min_by_key(|live| i64::from(live.limit()) - i64::from(live.most));
        let figures = live.map_or_else(
            || ["-".to_owned(), "-".to_owned()],
            |live| [live.most.to_string(), live.limit().to_string()],
        );
        let mut row = vec![
            name.title().split(" (").next().unwrap_or_default().to_owned(),
            by.to_owned(),
            format!("-j{jobs}"),
            table::spread(
                Summary::of(seen.peaks.iter().map(|bytes| bytes / f64::from(1 << 20))),
                0,
            ),
            format!("{:.2}", median(&seen.peaks) / median(&ninja.peaks)),
            format!("{:.2}", median(&seen.seconds)),
        ];
        row.extend(figures);
        row
    };
    let mut rows: Vec<_> = FORMS
        .iter()
        .zip(&forms)
        .map(|(form, seen)| row(&format!("tender, {form}"), seen))
        .collect();
    rows.push(row("ninja and clang", &ninja));
    Ok(rows)
}

fn watched(
    contest: &Contest<'_>,
    who: Contestant,
    words: &[&OsStr],
    seen: &mut Seen,
) -> Result<(), Box<dyn Error>> {
    contest.remove(who)?;
    let mut peak = 0;
    let mut look = |roots: &[u32]| {
        peak = peak.max(processes::tree(roots).into_iter().map(processes::memory).sum::<u64>());
    };
    let taken = contest.build_watched(who, words, Watch { every: LOOK_EVERY, look: &mut look })?;
    seen.peaks.push(peak as f64);
    seen.seconds.push(taken.wall.as_secs_f64());
    Ok(())
}
