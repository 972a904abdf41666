//! `tender fmt`: clang-format over the sources of crates, as jobs of the pool.

use super::env::CliEnvironment;
use super::error::CliError;
use super::exit::CliExit;
use super::options::{FmtOptions, MessageFormat, PlaceOptions};
use super::own_sources::{changed, own_sources};
use super::print;
use super::project::{Project, current_dir};
use super::terminal::Terminal;
use super::tool_runs::{ToolRuns, shown_in};
use crate::report::{Verbosity, style, words};
use crate::test_runner::AttemptResult;
use crate::toolchain::SourceTool;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;
use tender_protocol::Level;

/// What clang-format says of a file that is not formatted, with `-Werror`.
const VIOLATION: &str = "[-Wclang-format-violations]";

/// The files with a style, which hold for all files below.
const STYLES: [&str; 2] = [".clang-format", "_clang-format"];

/// `tender fmt`: formats sources, or finds those that are not formatted.
///
/// # Errors
/// The manifest or the choice is wrong, there is no clang-format, or the system fails.
pub fn fmt(
    options: &FmtOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let manifest_path = options.manifest_path.clone();
    let place = PlaceOptions { manifest_path, ..PlaceOptions::default() };
    let project = Project::open(&place, environment, terminal)?;
    let whole = project.whole_workspace(&place, environment);
    let crates = project.select(&options.selection)?;
    let mut files = own_sources(&project, whole.as_ref().unwrap_or(&project.workspace), &crates)?;
    if options.changed {
        let changed = changed(&project)?;
        files.retain(|file| file.canonicalize_utf8().is_ok_and(|file| changed.contains(&file)));
    }
    let command = SourceTool::ClangFormat.find()?;
    if let Some(file) = files.iter().find(|file| !has_style(file))
        && !options.args.iter().any(|word| chooses_style(word))
    {
        let here = current_dir()?;
        let text = format!(
            "`{}` has no `.clang-format` in its directory or above it, so its style is LLVM's",
            shown_in(&here, file)
        );
        terminal.say(&style::message(Level::Note, text));
    }
    let mut report = FmtReport::new(&files, options, terminal)?;
    let how: &[&str] = if options.check { &["--dry-run", "-Werror"] } else { &["-i"] };
    let runs = files.iter().map(|file| {
        let how = how.iter().map(|word| (*word).to_owned());
        // A name that begins with a dash is no option, because the path is absolute.
        let words = how.chain(options.args.iter().cloned()).chain([file.to_string()]);
        (file.clone(), words.collect())
    });
    let runs = ToolRuns {
        tool: SourceTool::ClangFormat.name(),
        command: &command,
        files: runs.collect(),
        dir: &project.workspace.root,
        history: None,
        serial: false,
        jobs: options.jobs,
        memory: None,
    };
    let signal = runs.run(&project, environment, terminal, &mut |number, result| {
        report.ended(number, result);
    })?;
    match signal {
        Some(signal) => Ok(CliExit::Interrupted(signal)),
        None => Ok(report.finish()),
    }
}

/// Whether an argument of clang-format chooses the style: `--style=X`, `-style X`.
fn chooses_style(word: &str) -> bool {
    word.starts_with('-') && word.trim_start_matches('-').starts_with("style")
}

fn has_style(file: &Utf8Path) -> bool {
    let dirs = file.ancestors().skip(1);
    dirs.flat_map(|dir| STYLES.map(|name| dir.join(name))).any(|path| path.is_file())
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FmtOutcome {
    /// It was formatted.
    Changed,
    Unchanged,
    /// With `--check`: it would be changed.
    Unformatted,
    Failed,
}

impl FmtOutcome {
    fn word(self) -> &'static str {
        match self {
            FmtOutcome::Changed => "changed",
            FmtOutcome::Unchanged => "unchanged",
            FmtOutcome::Unformatted => "unformatted",
            FmtOutcome::Failed => "failed",
        }
    }
}

/// What is said about each file, and at the end.
struct FmtReport<'a> {
    files: &'a [Utf8PathBuf],
    /// The contents of the files as they were.
    before: Vec<Option<blake3::Hash>>,
    is_check: bool,
    is_json: bool,
    here: Utf8PathBuf,
    terminal: Terminal,
    differ: usize,
    failed: usize,
}

impl<'a> FmtReport<'a> {
    fn new(
        files: &'a [Utf8PathBuf],
        options: &FmtOptions,
        terminal: Terminal,
    ) -> Result<FmtReport<'a>, CliError> {
        let is_check = options.check;
        let is_json = options.message_format == MessageFormat::Json;
        let before = match is_check {
            true => Vec::new(),
            false => files.iter().map(|file| content(file)).collect(),
        };
        let here = current_dir()?;
        Ok(FmtReport { files, before, is_check, is_json, here, terminal, differ: 0, failed: 0 })
    }

    fn ended(&mut self, number: usize, result: &AttemptResult) {
        let file = &self.files[number];
        let shown = words::visible(&shown_in(&self.here, file)).into_owned();
        let said = result.stderr.text();
        let outcome = self.outcome(number, result.verdict.is_failure(), &said);
        if self.is_json {
            let message = json!({
                "reason": "file-formatted",
                "file": file,
                "outcome": outcome.word(),
                "output": anstream::adapter::strip_str(&said).to_string(),
            });
            // As for all messages: if the reader has closed the stream, they end.
            let _ = print(&format!("{message}\n"));
        }
        match outcome {
            FmtOutcome::Unformatted => {
                self.differ += 1;
                self.terminal.console().print(&style::failure("Unformatted", shown));
                if self.terminal.verbosity >= Verbosity::Verbose {
                    self.terminal.console().print(&said);
                }
            }
            FmtOutcome::Failed => {
                self.failed += 1;
                let text = format!("clang-format fails on `{shown}`");
                self.terminal.console().print(&style::message(Level::Error, text));
                self.terminal.console().print(&said);
            }
            FmtOutcome::Changed => {
                self.differ += 1;
                self.terminal.say(&style::status("Formatted", shown));
            }
            FmtOutcome::Unchanged if self.terminal.verbosity >= Verbosity::Verbose => {
                self.terminal.say(&style::status("Unchanged", shown));
            }
            FmtOutcome::Unchanged => {}
        }
    }

    /// `said`: what clang-format wrote to standard error.
    fn outcome(&self, number: usize, is_failure: bool, said: &str) -> FmtOutcome {
        if self.is_check && is_failure && said.contains(VIOLATION) {
            FmtOutcome::Unformatted
        } else if is_failure {
            FmtOutcome::Failed
        } else if !self.is_check && content(&self.files[number]) != self.before[number] {
            FmtOutcome::Changed
        } else {
            FmtOutcome::Unchanged
        }
    }

    fn finish(&self) -> CliExit {
        let all = words::count(self.files.len(), "file");
        let error = |text: String| {
            self.terminal.console().print(&style::message(Level::Error, text));
            CliExit::BuildFailed
        };
        if self.failed > 0 {
            return error(format!("clang-format failed on {} of {all}", self.failed));
        }
        if self.is_check && self.differ > 0 {
            let verb = if self.differ == 1 { "is" } else { "are" };
            let help = format!("{}: `tender fmt` formats them", style::bold("help"));
            return error(format!("{} of {all} {verb} not formatted\n  {help}", self.differ));
        }
        let text = match self.is_check {
            true => format!("{all}, all formatted"),
            false => format!("{all}, {} changed", self.differ),
        };
        self.terminal.say(&style::status("Finished", text));
        CliExit::Success
    }
}

fn content(file: &Utf8Path) -> Option<blake3::Hash> {
    std::fs::read(file).ok().map(|bytes| blake3::hash(&bytes))
}
