//! `tender tidy`: clang-tidy over the sources of crates, as jobs of the pool, when they compile.

use super::build::{Built, What, run_build};
use super::env::{self, CliEnvironment};
use super::error::CliError;
use super::exit::CliExit;
use super::options::{MessageFormat, TidyOptions};
use super::own_sources::{changed, is_of_clang};
use super::project::{Project, current_dir};
use super::terminal::Terminal;
use super::tool_runs::{ToolRuns, shown_in};
use super::{print, worker};
use crate::fingerprint::Fingerprints;
use crate::graph::{ItemKind, Mode, Targets};
use crate::manifest::CrateId;
use crate::report::{Verbosity, style, words};
use crate::test_runner::AttemptResult;
use crate::toolchain::SourceTool;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use tender_protocol::Level;

/// The file with checks, which holds for all files below.
const CONFIG: &str = ".clang-tidy";

/// What is checked without one: faults, not style. clang-tidy alone would refuse to run.
const CHECKS: &str = "clang-analyzer-*,bugprone-*,-bugprone-easily-swappable-parameters";

/// `tender tidy`: checks the chosen crates as `tender check` does, then runs clang-tidy.
///
/// # Errors
/// As `check`; or there is no clang-tidy, or the system fails.
pub fn tidy(
    options: &TidyOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let command = SourceTool::ClangTidy.find()?;
    let choose = |project: &Project| {
        let roots = project.select(&options.build.selection)?;
        let (targets, mode) = (Targets::with_dev(), Mode::Check);
        Ok(What { roots, named: Vec::new(), whole: Vec::new(), targets, mode })
    };
    let built = run_build(&choose, &options.build, true, environment, terminal, None)?;
    if built.exit != CliExit::Success {
        return Ok(built.exit);
    }
    let project = &built.project;
    let roots = project.select(&options.build.selection)?;
    let mut files = sources(&built, &roots);
    if options.changed {
        retain_changed(&mut files, &built, environment)?;
    }
    let files: Vec<Utf8PathBuf> = files.into_keys().collect();
    let mut first = vec!["-p".to_owned(), project.target_dir.to_string(), "--quiet".to_owned()];
    first.extend(options.fix.then(|| "--fix".to_owned()));
    first.extend(terminal.colour.then(|| "--use-color".to_owned()));
    first.extend(options.args.iter().cloned());
    let has_checks = |file: &Utf8PathBuf| {
        options.args.iter().any(|word| is_choice(word))
            || file.ancestors().skip(1).any(|dir| dir.join(CONFIG).is_file())
    };
    if let Some(file) = files.iter().find(|file| !has_checks(file)) {
        let shown = shown_in(&current_dir()?, file);
        let text = format!(
            "`{shown}` has no `{CONFIG}` in its directory or above it, so its checks are `{CHECKS}`"
        );
        terminal.say(&style::message(Level::Note, text));
    }
    let runs = files.iter().map(|file| {
        let checks = (!has_checks(file)).then(|| format!("--checks={CHECKS}"));
        let words = first.iter().cloned().chain(checks).chain([file.to_string()]);
        (file.clone(), words.collect())
    });
    let runs = ToolRuns {
        tool: SourceTool::ClangTidy.name(),
        command: &command,
        files: runs.collect(),
        dir: &project.workspace.root,
        history: Some(built.graph.state_dir.join("tidy-memory")),
        // A header may be changed for several sources.
        serial: options.fix,
        jobs: options.build.jobs,
        memory: options.build.memory,
    };
    terminal.say(&style::status("Tidying", words::count(files.len(), "file")));
    let mut report = TidyReport {
        files: &files,
        root: &project.workspace.root,
        target_dir: &project.target_dir,
        here: current_dir()?,
        json: options.build.message_format == MessageFormat::Json,
        said: HashSet::new(),
        warnings: 0,
        errors: 0,
        failed: 0,
        terminal,
    };
    let signal = runs.run(project, environment, terminal, &mut |number, result| {
        report.ended(number, result);
    })?;
    match signal {
        Some(signal) => Ok(CliExit::Interrupted(signal)),
        None => Ok(report.finish()),
    }
}

/// Whether an argument of clang-tidy chooses checks.
fn is_choice(word: &str) -> bool {
    let name = word.trim_start_matches('-');
    ["checks", "config"].iter().any(|option| name.starts_with(option))
}

/// The sources of these crates, without those that commands make, and what each has read.
fn sources(built: &Built, roots: &[CrateId]) -> BTreeMap<Utf8PathBuf, Vec<usize>> {
    let graph = &built.graph;
    let mut files: BTreeMap<Utf8PathBuf, Vec<usize>> = BTreeMap::new();
    for (number, item) in graph.items.iter().enumerate() {
        if item.kind != ItemKind::Check || !roots.contains(&item.krate) {
            continue;
        }
        let path = graph.root.join(&item.inputs[0]);
        let dir = &built.project.workspace[item.krate].dir;
        let is_own = path.starts_with(dir) && !path.starts_with(&built.project.target_dir);
        if is_own && is_of_clang(&path) {
            files.entry(path).or_default().push(number);
        }
    }
    files
}

/// Keeps those that have changed, and those that have read what has changed.
fn retain_changed(
    files: &mut BTreeMap<Utf8PathBuf, Vec<usize>>,
    built: &Built,
    environment: &CliEnvironment,
) -> Result<(), CliError> {
    let graph = &built.graph;
    let changed = changed(&built.project)?;
    let worker = worker::find(environment)?;
    let known = Fingerprints::open(&graph.root, &graph.state_dir, &worker, env::variables())?;
    let is_changed = |path: &str| {
        let path = graph.root.join(path);
        path.canonicalize_utf8().is_ok_and(|path| changed.contains(&path))
    };
    files.retain(|_, items| {
        let inputs = |number: &usize| known.known_inputs(&graph.items[*number]);
        items.iter().flat_map(inputs).any(|path| is_changed(&path))
    });
    Ok(())
}

/// What is said about each file, and at the end.
struct TidyReport<'a> {
    files: &'a [Utf8PathBuf],
    root: &'a Utf8Path,
    /// Warnings about what commands make are not shown.
    target_dir: &'a Utf8Path,
    here: Utf8PathBuf,
    json: bool,
    /// Messages about headers come once for each source.
    said: HashSet<String>,
    warnings: usize,
    errors: usize,
    failed: usize,
    terminal: Terminal,
}

impl TidyReport<'_> {
    fn ended(&mut self, number: usize, result: &AttemptResult) {
        let file = &self.files[number];
        let is_failure = result.verdict.is_failure();
        let output = result.stdout.text();
        if self.json {
            let message = json!({
                "reason": "file-tidied", "file": file, "success": !is_failure,
                "output": anstream::adapter::strip_str(&output).to_string(),
            });
            // As for all messages: if the reader has closed the stream, they end.
            let _ = print(&format!("{message}\n"));
        }
        let mut text = String::new();
        for message in messages(&output) {
            let found = place(message);
            let is_generated = found.as_ref().is_some_and(|(path, is_error)| {
                !is_error && self.root.join(path).starts_with(self.target_dir)
            });
            if !is_generated && self.said.insert(message.to_owned()) {
                match found {
                    Some((_, true)) => self.errors += 1,
                    Some((_, false)) => self.warnings += 1,
                    None => {}
                }
                text += message;
            }
        }
        let shown = words::visible(&shown_in(&self.here, file)).into_owned();
        if is_failure {
            self.failed += 1;
            // Without a message of its own the reason stands on standard error.
            if output.is_empty() {
                text += &result.stderr.text();
            }
            text += &style::failure("Failed", &shown);
        } else if self.terminal.verbosity >= Verbosity::Verbose {
            text += &style::status("Tidied", &shown);
        }
        self.terminal.console().print(&text);
    }

    fn finish(&self) -> CliExit {
        let all = words::count(self.files.len(), "file");
        let warnings = words::count(self.warnings, "warning");
        if self.failed > 0 {
            let errors = words::count(self.errors, "error");
            let text =
                format!("clang-tidy failed on {} of {all}: {errors}, {warnings}", self.failed);
            self.terminal.console().print(&style::message(Level::Error, text));
            return CliExit::BuildFailed;
        }
        self.terminal.say(&style::status("Finished", format!("{all}, {warnings}")));
        CliExit::Success
    }
}

/// Each message with its source lines and its notes.
fn messages(output: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in output.split_inclusive('\n') {
        if at > 0 && is_finding(line) {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(output.len());
    starts
        .windows(2)
        .map(|range| &output[range[0]..range[1]])
        .filter(|one| !one.is_empty())
        .collect()
}

/// The file of `FILE:LINE:COLUMN: warning: ...`, and whether it is an error.
fn place(text: &str) -> Option<(String, bool)> {
    let first = text.lines().next().unwrap_or_default();
    let first = anstream::adapter::strip_str(first).to_string();
    let kinds = [(": warning: ", false), (": error: ", true)];
    let found =
        kinds.iter().find_map(|(word, is_error)| Some((first.split_once(word)?.0, *is_error)));
    let (place, is_error) = found?;
    let mut parts = place.rsplitn(3, ':');
    let numbers = [parts.next()?, parts.next()?];
    let file = parts.next()?.to_owned();
    numbers.iter().all(|text| text.parse::<u32>().is_ok()).then_some((file, is_error))
}

fn is_finding(text: &str) -> bool {
    place(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_lines_and_notes() {
        let output = "/w/a.c:1:2: warning: odd [x]\n   1 | int a;\n     |  ^\n/w/a.h:3:4: note: here\n\
            \u{1b}[1m/w/a.c:9:1: \u{1b}[0m\u{1b}[0;1;35merror: \u{1b}[0mworse [y]\n";
        let found = messages(output);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].ends_with("note: here\n"));
        assert!(found.iter().all(|one| is_finding(one)));
        assert!(messages("").is_empty());
        assert_eq!(messages("odd\n"), ["odd\n"]);
        assert!(!is_finding("x: warning: no place"));
        assert_eq!(place("a b.c:1:2: error: e\n"), Some(("a b.c".to_owned(), true)));
    }
}
