//! Link-time optimisation of a whole workspace, compared with ninja, clang and lld.

use super::Settings;
use crate::contest::{Contest, Contestant, Tools};
use crate::ninja::Extra;
use crate::runner::{self, Outcome};
use crate::subject::{Name, Subject};
use crate::table::{self, Table};
use crate::{program, progress};
use clap::ValueEnum;
use std::error::Error;
use std::path::Path;

/// A mode of link-time optimisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    Off,
    ThinLocal,
    Thin,
    Fat,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::ThinLocal => "thin-local",
            Self::Thin => "thin",
            Self::Fat => "fat",
        }
    }

    /// What the mode is compared with.
    fn other(self) -> &'static str {
        match self {
            Self::Off | Self::ThinLocal => "-O2",
            Self::Thin => "-O2 -flto=thin",
            Self::Fat => "-O2 -flto=full",
        }
    }

    /// clang has nothing like `thin-local`, which is compared with a build without link-time
    /// optimisation.
    fn extra(self, jobs: u32) -> Extra {
        match self {
            Self::Off | Self::ThinLocal => Extra::default(),
            Self::Thin => Extra::thin(jobs),
            Self::Fat => Extra {
                compile: vec!["-flto=full".into()],
                link: vec!["-O2".into(), "-flto=full".into()],
            },
        }
    }
}

const ALL: [Mode; 3] = [Mode::ThinLocal, Mode::Thin, Mode::Fat];

/// Runs the experiment.
///
/// # Errors
/// The sources were not fetched, a build fails, or the outputs of the programs differ.
pub fn run(tools: &Tools, examples: &Path, settings: &Settings) -> Result<Table, Box<dyn Error>> {
    let modes = if settings.lto.is_empty() { ALL.to_vec() } else { settings.lto.clone() };
    let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
    let subject = Subject::prepare(Name::RealWorld, examples, scratch.path())?;
    subject.lengthen_program()?;
    let program = subject.programs().next().ok_or("the workspace has no program")?.file_name();
    let mut rows = Vec::new();
    for jobs in settings.jobs_or(2) {
        for &mode in &modes {
            let title = format!("lto = {} at -j{jobs}", mode.word());
            progress::show(&format!("{title}: preparing"));
            subject.set_profile(&format!("lto = \"{}\"", mode.word()))?;
            let contest = Contest::prepare_with(tools, &subject, jobs, &mode.extra(jobs))?;
            let cold = runner::cold_pairs(&contest, &title, settings.pairs)?;
            progress::show(&format!("{title}: the programs, {} pairs", settings.program_pairs));
            let [ours, theirs] =
                [Contestant::Tender, Contestant::Ninja].map(|who| contest.out(who).join(&program));
            let speed = program::compare(&ours, &theirs, settings.program_pairs, scratch.path())?;
            let text = |file: &Path| program::text_bytes(&tools.llvm_bin, file);
            rows.push(vec![
                mode.word().to_owned(),
                mode.other().to_owned(),
                format!("-j{jobs}"),
                table::spread(Outcome::ratio(&cold, |taken| taken.wall), 3),
                table::spread(Outcome::ratio(&cold, |taken| taken.cpu), 3),
                format!("{:.2}", Outcome::wall(&cold, Contestant::Tender).median),
                format!("{:.2}", Outcome::wall(&cold, Contestant::Ninja).median),
                table::interval(speed.ratio),
                format!("{:.2}", speed.other.median),
                format!("{:.3}", text(&ours)? as f64 / text(&theirs)? as f64),
            ]);
        }
    }
    progress::show("");
    Ok(Table {
        title: format!(
            "Link-time optimisation of real-world, cold, {} pairs; its program with more rows, {} pairs",
            settings.pairs, settings.program_pairs
        ),
        columns: vec![
            "lto",
            "clang",
            "jobs",
            "wall ratio",
            "CPU ratio",
            "tender s",
            "ninja s",
            "program, user CPU ratio (95 %)",
            "clang's s",
            ".text ratio",
        ],
        rows,
        notes: vec![
            "The other is ninja with clang, and lld with as many ThinLTO jobs; the programs print the same.".into(),
            "User CPU: geometric mean of the ratios of neighbouring runs, with the interval of Student's t over their \
             logarithms. Other ratios: median and quartiles."
                .into(),
        ],
    })
}
