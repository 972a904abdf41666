//! Texts with placeholders: `{input}` and the like in the words and paths of a `[[generate]]`
//! command. Pure; knows nothing of what a placeholder stands for.

use super::problem::suggestion;
use super::value::ValueError;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placeholder {
    Input,
    Output,
    OutDir,
    Stem,
    Name,
    Dir,
}

impl Placeholder {
    const ALL: [(&'static str, Placeholder); 6] = [
        ("input", Placeholder::Input),
        ("output", Placeholder::Output),
        ("outdir", Placeholder::OutDir),
        ("stem", Placeholder::Stem),
        ("name", Placeholder::Name),
        ("dir", Placeholder::Dir),
    ];
}

impl std::fmt::Display for Placeholder {
    /// As it is written.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, _) =
            Self::ALL.iter().find(|(_, known)| known == self).expect("`ALL` has each of them");
        write!(f, "{{{name}}}")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TemplatePart {
    Text(String),
    /// And where it stands in the text, bytes.
    Placeholder(Placeholder, Range<usize>),
}

/// What is wrong, and in which bytes of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TemplateError {
    pub error: ValueError,
    pub place: Range<usize>,
}

/// Takes a text apart. Neighbouring parts are never both text, and none is empty.
///
/// # Errors
/// A brace stands alone, or there is no such placeholder.
pub(super) fn parse(text: &str) -> Result<Vec<TemplatePart>, TemplateError> {
    let error = |place: Range<usize>, message: String, help: String| TemplateError {
        error: ValueError { message, help: Some(help) },
        place,
    };
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{', '}']) {
        let brace = at + found;
        plain += &text[at..brace];
        let rest = &text[brace..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            plain += &rest[..1];
            at = brace + 2;
            continue;
        }
        if rest.starts_with('}') {
            return Err(error(
                brace..brace + 1,
                "`}` without a `{` before it".to_owned(),
                "for the character itself write `}}`".to_owned(),
            ));
        }
        let name = rest[1..].split(['{', '}']).next().unwrap_or_default();
        let end = brace + 1 + name.len();
        if !text[end..].starts_with('}') {
            return Err(error(
                brace..brace + 1,
                "`{` is not closed".to_owned(),
                "for the character itself write `{{`".to_owned(),
            ));
        }
        let place = brace..end + 1;
        let Some((_, placeholder)) = Placeholder::ALL.iter().find(|(known, _)| *known == name)
        else {
            let names = Placeholder::ALL.iter().map(|(name, _)| *name);
            let help = match suggestion(name, names) {
                Some(name) => format!("did you mean `{{{name}}}`?"),
                None => {
                    let all = Placeholder::ALL.map(|(name, _)| format!("`{{{name}}}`")).join(", ");
                    format!("there are {all}; for a brace write `{{{{` or `}}}}`")
                }
            };
            let name = name.escape_debug();
            return Err(error(place, format!("unknown placeholder `{{{name}}}`"), help));
        };
        if !plain.is_empty() {
            parts.push(TemplatePart::Text(std::mem::take(&mut plain)));
        }
        parts.push(TemplatePart::Placeholder(*placeholder, place));
        at = end + 1;
    }
    plain += &text[at..];
    if !plain.is_empty() {
        parts.push(TemplatePart::Text(plain));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_is_taken_apart() {
        let check = |text: &str, expect: &str| {
            let parts = parse(text).unwrap().into_iter();
            let shown: Vec<String> = parts
                .map(|part| match part {
                    TemplatePart::Text(text) => text,
                    TemplatePart::Placeholder(placeholder, place) => {
                        assert_eq!(text[place], placeholder.to_string());
                        format!("<{placeholder:?}>")
                    }
                })
                .collect();
            assert_eq!(shown.join("|"), expect, "{text}");
        };
        check("", "");
        check("plain", "plain");
        check("{input}", "<Input>");
        check("--cpp_out={outdir}", "--cpp_out=|<OutDir>");
        check("{outdir}/{dir}/{stem}.cc", "<OutDir>|/|<Dir>|/|<Stem>|.cc");
        check("{name}{output}", "<Name>|<Output>");
        check("a{{b}}c", "a{b}c");
        check("{{{stem}}}", "{|<Stem>|}");
        check("{{input}}", "{input}");
        check("ü{stem}ü", "ü|<Stem>|ü");
    }

    #[test]
    fn template_errors_have_a_place() {
        let check = |text: &str, place: &str, message: &str, help: &str| {
            let found = parse(text).unwrap_err();
            assert_eq!(&text[found.place], place, "{text}");
            assert_eq!(found.error.message, message, "{text}");
            assert_eq!(found.error.help.as_deref(), Some(help), "{text}");
        };
        check("a {inptu} b", "{inptu}", "unknown placeholder `{inptu}`", "did you mean `{input}`?");
        let all = "there are `{input}`, `{output}`, `{outdir}`, `{stem}`, `{name}`, `{dir}`; \
                   for a brace write `{{` or `}}`";
        check("{}", "{}", "unknown placeholder `{}`", all);
        check("{x\ty}", "{x\ty}", "unknown placeholder `{x\\ty}`", all);
        check("{input", "{", "`{` is not closed", "for the character itself write `{{`");
        check("{a{input}", "{", "`{` is not closed", "for the character itself write `{{`");
        check("{{{", "{", "`{` is not closed", "for the character itself write `{{`");
        check("a}b", "}", "`}` without a `{` before it", "for the character itself write `}}`");
        check("{stem}}", "}", "`}` without a `{` before it", "for the character itself write `}}`");
    }

    #[test]
    fn fuzz_template() {
        tender_fuzz::check_text("template", 2_000, |text| {
            let doubled = text.replace('{', "{{").replace('}', "}}");
            let parts = parse(&doubled).expect("doubled braces are characters");
            match &parts[..] {
                [] => assert_eq!(text, ""),
                [TemplatePart::Text(same)] => assert_eq!(same, text),
                other => panic!("{other:?}"),
            }
            match parse(text) {
                Ok(parts) => {
                    for part in parts {
                        if let TemplatePart::Placeholder(placeholder, place) = part {
                            assert_eq!(text[place], placeholder.to_string());
                        }
                    }
                }
                Err(error) => assert!(text[error.place].starts_with(['{', '}'])),
            }
        });
    }
}
