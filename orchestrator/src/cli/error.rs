//! Every error gets its text, its help and its exit code here, and nowhere else.

use super::env;
use super::exit::CliExit;
use crate::fingerprint::StateError;
use crate::graph::GraphError;
use crate::host::EngineError;
use crate::import::CmakeError;
use crate::install::InstallError;
use crate::manifest::{self, ManifestErrors, Problem, ScaffoldError, ValueError, render};
use crate::package::PackageError;
use crate::report::style;
use crate::sources::SourceError;
use crate::toolchain::SourceToolError;
use std::fmt::Write as _;
use tender_protocol::Level;

/// Why a command failed.
#[derive(Debug)]
pub enum CliError {
    /// The input of the user is wrong.
    Usage {
        message: String,
        help: Option<String>,
    },
    Manifest(ManifestErrors),
    Graph(GraphError),
    Scaffold(ScaffoldError),
    /// The machine or the installation prevents the build.
    Build {
        message: String,
        help: Option<String>,
    },
    /// The engine ended early, and has reported why if it could.
    Engine(EngineError),
    Install(InstallError),
    Package(PackageError),
    /// Of each source that cannot be had.
    Sources(Vec<SourceError>),
}

impl CliError {
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: None }
    }

    pub fn build(message: impl Into<String>) -> Self {
        Self::Build { message: message.into(), help: None }
    }

    pub fn with_help(self, text: impl Into<String>) -> Self {
        match self {
            Self::Usage { message, .. } => Self::Usage { message, help: Some(text.into()) },
            Self::Build { message, .. } => Self::Build { message, help: Some(text.into()) },
            other => other,
        }
    }

    pub fn value(where_from: &str, error: ValueError) -> Self {
        Self::Usage { message: format!("{where_from}: {}", error.message), help: error.help }
    }

    pub fn exit(&self) -> CliExit {
        match self {
            Self::Graph(GraphError::Modules(_)) => CliExit::BuildFailed,
            Self::Usage { .. } | Self::Manifest(_) | Self::Graph(_) | Self::Scaffold(_) => {
                CliExit::Usage
            }
            Self::Install(error) if error.is_usage() => CliExit::Usage,
            Self::Package(PackageError::Outside { .. }) => CliExit::Usage,
            Self::Sources(errors) if errors.iter().all(SourceError::is_usage) => CliExit::Usage,
            Self::Build { .. }
            | Self::Engine(_)
            | Self::Install(_)
            | Self::Package(_)
            | Self::Sources(_) => CliExit::BuildFailed,
        }
    }

    /// In colour; the console removes colours if necessary.
    pub fn text(&self) -> String {
        match self {
            Self::Usage { message, help } | Self::Build { message, help } => {
                error_text(message, help.as_deref())
            }
            Self::Manifest(errors) => problems_text(&errors.problems),
            Self::Graph(error) => error_text(&error.to_string(), None),
            Self::Scaffold(error) => error_text(&error.to_string(), error.help().as_deref()),
            Self::Engine(error) => error_text(&error.to_string(), None),
            Self::Package(error) => error_text(&error.to_string(), error.help().as_deref()),
            Self::Sources(errors) => sources_text(errors),
            Self::Install(error) => error_text(&error.to_string(), error.help().as_deref()),
        }
    }
}

/// Nobody reads more, and the time to render one grows with the size of its manifest: a damaged
/// file of a megabyte may have half a million problems.
const MOST_PROBLEMS: usize = 100;

/// Problems of manifests, each with its place. If there are too many, errors are shown first.
pub fn problems_text(problems: &[Problem]) -> String {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        problems.iter().partition(|problem| problem.is_error());
    let shown: Vec<&Problem> = match problems.len() {
        ..=MOST_PROBLEMS => problems.iter().collect(),
        _ => errors.into_iter().chain(warnings).take(MOST_PROBLEMS).collect(),
    };
    let mut text = String::new();
    let base = env::physical_dir();
    for problem in &shown {
        let one = render(problem, true, base.as_deref());
        let _ = writeln!(text, "{}", one.trim_end_matches('\n'));
    }
    let left_out = problems.len() - shown.len();
    if left_out > 0 {
        text += &style::message(Level::Note, format!("{left_out} more problems are not shown"));
    }
    text
}

/// The same help is said once, after the last error that it is for.
fn sources_text(errors: &[SourceError]) -> String {
    let texts = errors.iter().enumerate().map(|(at, error)| {
        let help = error.help();
        let is_last = errors[at + 1..].iter().all(|later| later.help() != help);
        error_text(&error.to_string(), help.as_deref().filter(|_| is_last))
    });
    texts.collect()
}

fn error_text(message: &str, help: Option<&str>) -> String {
    let mut text = style::message(Level::Error, message.trim_end());
    if let Some(help) = help {
        let _ = writeln!(text, "  {}: {help}", style::bold("help"));
    }
    text
}

impl From<ManifestErrors> for CliError {
    fn from(errors: ManifestErrors) -> Self {
        Self::Manifest(errors)
    }
}

impl From<SourceError> for CliError {
    fn from(error: SourceError) -> Self {
        Self::Sources(vec![error])
    }
}

impl From<PackageError> for CliError {
    fn from(error: PackageError) -> Self {
        Self::Package(error)
    }
}

impl From<InstallError> for CliError {
    fn from(error: InstallError) -> Self {
        Self::Install(error)
    }
}

impl From<GraphError> for CliError {
    fn from(error: GraphError) -> Self {
        Self::Graph(error)
    }
}

impl From<ScaffoldError> for CliError {
    fn from(error: ScaffoldError) -> Self {
        Self::Scaffold(error)
    }
}

impl From<CmakeError> for CliError {
    fn from(error: CmakeError) -> Self {
        Self::Usage { message: error.to_string(), help: error.help() }
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<SourceToolError> for CliError {
    fn from(error: SourceToolError) -> Self {
        Self::build(error.to_string()).with_help(error.help())
    }
}

impl From<StateError> for CliError {
    fn from(error: StateError) -> Self {
        Self::build(error.to_string())
    }
}

/// The help text with the known name that is most similar to `wrong`.
pub fn suggestion<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    manifest::suggestion(wrong, known).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_kinds_have_their_exit_codes() {
        let check = |error: CliError, exit: CliExit| assert_eq!(error.exit(), exit, "{error:?}");
        check(CliError::usage("x"), CliExit::Usage);
        check(CliError::build("x"), CliExit::BuildFailed);
        check(ManifestErrors { problems: vec![Problem::error("x")] }.into(), CliExit::Usage);
    }

    #[test]
    fn error_is_followed_by_help() {
        let error = CliError::usage("no package `zpi`").with_help("did you mean `zip`?");
        let text = anstream::adapter::strip_str(&error.text()).to_string();
        assert_eq!(text, "error: no package `zpi`\n  help: did you mean `zip`?\n");
    }

    #[test]
    fn problems_show_errors_first_and_count_the_rest() {
        let many = |count: usize| {
            let mut problems = vec![Problem::warning("odd"); count];
            problems.push(Problem::error("wrong"));
            anstream::adapter::strip_str(&problems_text(&problems)).to_string()
        };
        let few = many(MOST_PROBLEMS - 1);
        assert!(few.starts_with("warning: odd\n") && few.ends_with("error: wrong\n"), "{few}");
        let most = many(MOST_PROBLEMS + 4);
        assert!(most.starts_with("error: wrong\nwarning: odd\n"), "{most}");
        assert!(most.ends_with("warning: odd\nnote: 5 more problems are not shown\n"), "{most}");
    }

    #[test]
    fn suggestion_is_near() {
        let check = |wrong: &str, expect: Option<&str>| {
            let found = suggestion(wrong, ["zip", "zlib", "app"].into_iter());
            assert_eq!(found, expect.map(|name| format!("did you mean `{name}`?")));
        };
        check("zpi", Some("zip"));
        check("zlibb", Some("zlib"));
        check("sqlite", None);
    }
}
