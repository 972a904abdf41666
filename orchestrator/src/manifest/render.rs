//! A problem as text with source lines and carets, in the look of rustc and cargo. Prints nothing
//! itself.

use super::problem::{Location, Problem, ProblemSeverity};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};
use camino::Utf8Path;

/// Shows `problem`, without a newline at the end. Paths are shown relative to `base` where that is
/// shorter.
pub fn render(problem: &Problem, color: bool, base: Option<&Utf8Path>) -> String {
    let level = match problem.severity {
        ProblemSeverity::Warning => Level::WARNING,
        ProblemSeverity::Error => Level::ERROR,
    };
    let mut group = Group::with_title(level.primary_title(&problem.message));
    if let Some(location) = &problem.location {
        // Two places in one file share a snippet, so that they are shown in one picture.
        let (here, elsewhere) = match &problem.related {
            Some(related) if related.0.source.path == location.source.path => (Some(related), None),
            other => (None, other.as_ref()),
        };
        let mut first = snippet(location, base).annotation(
            AnnotationKind::Primary
                .span(span(location))
                .label(problem.label.as_deref().map(str::to_owned)),
        );
        if let Some((other, label)) = here {
            first =
                first.annotation(AnnotationKind::Context.span(span(other)).label(label.as_str()));
        }
        group = group.element(first);
        if let Some((other, label)) = elsewhere {
            group = group.element(
                snippet(other, base)
                    .annotation(AnnotationKind::Context.span(span(other)).label(label.as_str())),
            );
        }
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group]).trim_end().to_owned()
}

fn snippet<'a>(
    location: &'a Location,
    base: Option<&Utf8Path>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let path = &location.source.path;
    let shown = base.and_then(|base| path.strip_prefix(base).ok()).unwrap_or(path);
    Snippet::source(&*location.source.text).path(shown.as_str())
}

/// The renderer wants spans inside the text, on character boundaries.
fn span(location: &Location) -> std::ops::Range<usize> {
    let text = &*location.source.text;
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(location.span.start);
    // Of a value that goes over many lines the first is enough to find it.
    let end = floor(location.span.end).max(start);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    if end > line_end && line_end > start { start..line_end } else { start..end }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::problem::ManifestText;

    fn source(path: &str) -> ManifestText {
        ManifestText::new(path.into(), "[package]\nname = 3\n")
    }

    #[test]
    fn problem_is_shown_with_file_line_caret_and_help() {
        let problem = Problem::error("`name` is wrong")
            .at(source("/w/a/Tender.toml").at(17..18))
            .label("integer");
        let text = render(&problem.help("write \"a\""), false, Some("/w".into()));
        assert_eq!(
            text,
            "error: `name` is wrong\n --> a/Tender.toml:2:8\n  |\n2 | name = 3\n  |        ^ integer\n  |\n  = help: write \"a\""
        );
    }

    #[test]
    fn problem_of_two_places_shows_both() {
        let check = |other: &str, expect: &str| {
            let problem = Problem::error("twice")
                .at(source("/w/a/Tender.toml").at(17..18))
                .related(source(other).at(0..9), "first here");
            let text = render(&problem, false, Some("/w".into()));
            assert!(text.contains(expect), "{text}");
        };
        check("/w/b/Tender.toml", "b/Tender.toml:1:1");
        check(
            "/w/a/Tender.toml",
            "1 | [package]\n  | --------- first here\n2 | name = 3\n  |        ^",
        );
    }

    #[test]
    fn problem_with_a_span_outside_of_the_text_is_shown() {
        let source = ManifestText::new("/w/Tender.toml".into(), "ä = 1");
        for (start, end) in [(0, 1), (1, 1), (1, 99), (99, 7), (6, 6)] {
            let problem = Problem::warning("odd").at(source.at(start..end));
            assert!(render(&problem, true, None).contains("odd"));
        }
        let empty = ManifestText::new("/w/Tender.toml".into(), "");
        assert!(
            render(&Problem::error("e").at(empty.at(0..0)), false, None).contains("/w/Tender.toml")
        );
    }

    #[test]
    fn problem_is_shown_without_control_characters() {
        let problem = Problem::error("file `a\u{1b}[31mb`").help("see `\u{1b}[0m`");
        assert!(!render(&problem, false, None).contains('\u{1b}'));
    }
}
