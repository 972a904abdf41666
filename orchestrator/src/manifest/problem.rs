//! What is wrong with a manifest: values, not text on a terminal. Knows nothing of how they are
//! shown (see `render`).

use camino::{Utf8Path, Utf8PathBuf};
use std::ops::Range;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemSeverity {
    Warning,
    Error,
}

/// One thing that is wrong, complete: what, where, and what to do about it.
#[derive(Clone, Debug)]
pub struct Problem {
    pub severity: ProblemSeverity,
    /// Without a final period, as clang's and cargo's.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    pub location: Option<Location>,
    /// Stands beside the caret.
    pub label: Option<String>,
    /// Another place that has to do with it, with its own label.
    pub related: Option<(Location, String)>,
}

impl Problem {
    pub fn error(message: impl Into<String>) -> Problem {
        Problem::new(ProblemSeverity::Error, message.into())
    }

    pub fn warning(message: impl Into<String>) -> Problem {
        Problem::new(ProblemSeverity::Warning, message.into())
    }

    fn new(severity: ProblemSeverity, message: String) -> Problem {
        Problem { severity, message, help: None, location: None, label: None, related: None }
    }

    pub fn at(mut self, location: Location) -> Problem {
        self.location = Some(location);
        self
    }

    pub fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = Some(label.into());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    pub fn related(mut self, location: Location, label: impl Into<String>) -> Problem {
        self.related = Some((location, label.into()));
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == ProblemSeverity::Error
    }
}

/// A stretch of a manifest. It keeps the text, so that a message shows what was read even if the
/// file changes meanwhile.
#[derive(Clone, Debug)]
pub struct Location {
    pub source: ManifestText,
    /// Bytes.
    pub span: Range<usize>,
}

impl Location {
    /// Line of the first byte, from 1.
    pub fn line(&self) -> usize {
        let start = self.span.start.min(self.source.text.len());
        1 + self.source.text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count()
    }
}

/// A manifest's text and where it came from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ManifestText {
    /// Absolute.
    pub path: Arc<Utf8Path>,
    pub text: Arc<str>,
    /// The directory that it is about, if that is another one than its own.
    about: Option<Arc<Utf8Path>>,
}

impl ManifestText {
    pub fn new(path: Utf8PathBuf, text: &str) -> ManifestText {
        ManifestText { path: path.into(), text: text.into(), about: None }
    }

    /// A manifest for sources in another directory.
    pub fn about(self, dir: &Utf8Path) -> ManifestText {
        ManifestText { about: Some(dir.into()), ..self }
    }

    /// The directory of the crate, where relative paths begin. Absolute.
    pub fn dir(&self) -> &Utf8Path {
        let own = || self.path.parent().unwrap_or(Utf8Path::new("/"));
        self.about.as_deref().unwrap_or_else(own)
    }

    pub fn at(&self, span: Range<usize>) -> Location {
        Location { source: self.clone(), span }
    }
}

/// Every problem that was found, warnings included; at least one is an error.
#[derive(Debug, thiserror::Error)]
pub struct ManifestErrors {
    /// In order of file and place.
    pub problems: Vec<Problem>,
}

impl ManifestErrors {
    pub fn one(problem: Problem) -> ManifestErrors {
        ManifestErrors { problems: vec![problem] }
    }
}

impl std::fmt::Display for ManifestErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in
            self.problems.iter().filter(|problem| problem.is_error()).enumerate()
        {
            if index > 0 {
                f.write_str("; ")?;
            }
            if let Some(location) = &problem.location {
                write!(f, "{}:{}: ", location.source.path, location.line())?;
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

/// Puts problems into the order in which people read: those of no file first, then by file and
/// place.
pub(super) fn sort(problems: &mut [Problem]) {
    problems.sort_by(|a, b| place(a).cmp(&place(b)));
}

fn place(problem: &Problem) -> Option<(&Utf8Path, usize)> {
    problem.location.as_ref().map(|location| (&*location.source.path, location.span.start))
}

/// A text of the manifest as a message quotes it: of a long one the start, since what is said of it
/// comes behind. The source is shown as well.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) if text.len() > LONGEST_NAME => format!("`{}...`", &text[..end]),
        _ => format!("`{text}`"),
    }
}

/// Longer names are not compared, bytes: the time and the memory that it takes are the product of
/// both lengths.
const LONGEST_NAME: usize = 128;

/// The known name that a wrong one was most likely meant to be.
pub fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.len() > LONGEST_NAME {
        return None;
    }
    let folded = |name: &str| name.to_lowercase().replace('_', "-");
    let wrong = folded(wrong);
    known
        .into_iter()
        .filter(|name| name.len() <= LONGEST_NAME)
        .map(|name| (strsim::damerau_levenshtein(&wrong, &folded(name)), name))
        .filter(|(distance, name)| *distance <= (name.len().max(wrong.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestion_is_the_nearest_name() {
        let check = |wrong, expect| {
            assert_eq!(suggestion(wrong, ["sources", "c-std", "link", "debug"]), expect)
        };
        check("source", Some("sources"));
        check("c_std", Some("c-std"));
        check("Link", Some("link"));
        check("lnik", Some("link"));
        check("colour", None);
        check("", None);
        // Would be a matrix of eighty terabytes.
        let long = "a".repeat(3_000_000);
        assert_eq!(suggestion(&long, [&*long, "a"]), None);
        assert_eq!(suggestion("b", [&*long, "a"]), Some("a"));
    }

    #[test]
    fn location_counts_lines_from_one() {
        let source = ManifestText::new("/x/Tender.toml".into(), "a\nb\n");
        assert_eq!(source.at(0..1).line(), 1);
        assert_eq!(source.at(2..3).line(), 2);
        assert_eq!(source.at(99..99).line(), 3);
    }
}
