//! Templates of configuration headers: the names that they ask for, and their text with the answers
//! in place. Pure.
//!
//! The rules are those of the programs that read such templates:
//! - autoconf: a line `#undef X` becomes `#define X VALUE` or a comment, and a line `#define X` of a
//!   name that has an answer is replaced; the space around `#` stays
//!   (https://www.gnu.org/software/autoconf/manual/autoconf-2.72/html_node/Header-Templates.html);
//! - cmake: `#cmakedefine X ...` becomes `#define X ...` or a comment, `#cmakedefine01 X` becomes
//!   `#define X` with 0 or 1, and then `@X@` and `${X}` are replaced
//!   (https://cmake.org/cmake/help/latest/command/configure_file.html).

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    No,
    Yes,
    Number(i64),
    /// As it stands after the name.
    Text(String),
}

impl Answer {
    /// What follows `#define NAME`; None: it stays undefined.
    fn definition(&self) -> Option<String> {
        match self {
            Answer::No => None,
            other => Some(other.text()),
        }
    }

    /// What stands for `@NAME@`.
    fn text(&self) -> String {
        match self {
            Answer::No => String::new(),
            Answer::Yes => "1".to_owned(),
            Answer::Number(number) => number.to_string(),
            Answer::Text(text) => text.clone(),
        }
    }

    /// cmake's rule:
    /// https://cmake.org/cmake/help/latest/command/if.html#constant
    fn is_on(&self) -> bool {
        let off = ["", "0", "OFF", "NO", "FALSE", "N", "IGNORE", "NOTFOUND"];
        let text = self.text().to_ascii_uppercase();
        !off.contains(&text.as_str()) && !text.ends_with("-NOTFOUND")
    }
}

/// A name that a template asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name<'t> {
    pub name: &'t str,
    /// Of the first place, from 1.
    pub line: u32,
}

/// The names that a template asks for, each once, in the order of their first places. A `#define`
/// asks for nothing.
pub fn names(template: &str) -> Vec<Name<'_>> {
    let mut names: Vec<Name<'_>> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for (number, line) in (1..).zip(template.lines()) {
        let mut found = Vec::new();
        match Directive::of(line) {
            Some(Directive { kind: Kind::Define, .. }) | None => {}
            Some(directive) => found.push(directive.name),
        }
        let mut rest = line;
        while let Some((_, name, after)) = next_reference(rest) {
            found.push(name);
            rest = after;
        }
        for name in found {
            if known.insert(name) {
                names.push(Name { name, line: number });
            }
        }
    }
    names
}

/// The template with the answers in place. `answer` knows all of `names`, and may know more.
pub fn expand(template: &str, answer: impl Fn(&str) -> Option<Answer>) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    for line in template.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        let end = &line[body.len()..];
        match Directive::of(body) {
            Some(directive) => match (&directive.kind, answer(directive.name)) {
                (_, None) => out += &replaced(body, &answer),
                // cmake's: the line says where the value goes.
                (Kind::Define, _) if next_reference(directive.rest).is_some() => {
                    out += &replaced(body, &answer);
                }
                (kind, Some(known)) => out += &directive.expand(kind, &known, &answer),
            },
            None => out += &replaced(body, &answer),
        }
        out += end;
    }
    out
}

/// A header without a template: a line for each name.
pub fn lines<'a>(answers: impl Iterator<Item = (&'a str, &'a Answer)>) -> String {
    let mut out = String::from("/* Made from the probes of Tender.toml; do not edit. */\n");
    for (name, answer) in answers {
        out += &definition("#", name, answer);
        out.push('\n');
    }
    out
}

/// A `#define`, or the comment in its place. `before` is the `#` with the space around it.
fn definition(before: &str, name: &str, answer: &Answer) -> String {
    match answer.definition() {
        Some(value) if value.is_empty() => format!("{before}define {name}"),
        Some(value) => format!("{before}define {name} {value}"),
        None => format!("/* {before}undef {name} */"),
    }
}

enum Kind {
    Undef,
    Define,
    CmakeDefine,
    CmakeDefine01,
}

/// A line that begins with one of the words above.
struct Directive<'t> {
    /// The `#` with the space around it.
    before: &'t str,
    kind: Kind,
    name: &'t str,
    /// After the name.
    rest: &'t str,
}

impl<'t> Directive<'t> {
    fn of(line: &'t str) -> Option<Directive<'t>> {
        let hash = line.trim_start_matches([' ', '\t']).strip_prefix('#')?;
        let word = hash.trim_start_matches([' ', '\t']);
        let before = &line[..line.len() - word.len()];
        let end = word.find([' ', '\t'])?;
        let kind = match &word[..end] {
            "undef" => Kind::Undef,
            "define" => Kind::Define,
            "cmakedefine" => Kind::CmakeDefine,
            "cmakedefine01" => Kind::CmakeDefine01,
            _ => return None,
        };
        let name = word[end..].trim_start_matches([' ', '\t']);
        let (name, rest) = name.split_at(identifier(name)?);
        // autoconf's rule: a name ends at a blank or a parenthesis.
        let ends = rest.is_empty() || rest.starts_with([' ', '\t', '(']);
        let is_cmake = matches!(kind, Kind::CmakeDefine | Kind::CmakeDefine01);
        (ends || is_cmake).then_some(Directive { before, kind, name, rest })
    }

    fn expand(
        &self,
        kind: &Kind,
        known: &Answer,
        answer: &impl Fn(&str) -> Option<Answer>,
    ) -> String {
        let Directive { before, name, rest, .. } = self;
        match kind {
            Kind::Undef => definition(before, name, known),
            Kind::Define => match known {
                // As autoconf: only a name that is defined replaces the template's own value.
                Answer::No => replaced(&format!("{before}define {name}{rest}"), answer),
                known => definition(before, name, known),
            },
            Kind::CmakeDefine if known.is_on() => {
                format!("{before}define {name}{}", replaced(rest, answer))
            }
            Kind::CmakeDefine => format!("/* #undef {name} */"),
            Kind::CmakeDefine01 => {
                let value = u8::from(known.is_on());
                format!("{before}define {name}{} {value}", replaced(rest, answer))
            }
        }
    }
}

/// How many bytes of the beginning are an identifier of C.
fn identifier(text: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    (end > 0 && !text.starts_with(|c: char| c.is_ascii_digit())).then_some(end)
}

/// The text before the first `@X@` or `${X}`, the name, and the text behind it.
fn next_reference(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(found) = text[from..].find(['@', '$']) {
        let at = from + found;
        let (open, close) = if text[at..].starts_with('@') { ("@", "@") } else { ("${", "}") };
        let name = text[at..].strip_prefix(open);
        if let Some(name) = name
            && let Some(length) = identifier(name)
            && let Some(after) = name[length..].strip_prefix(close)
        {
            return Some((&text[..at], &name[..length], after));
        }
        from = at + 1;
    }
    None
}

/// The text with `@X@` and `${X}` replaced.
fn replaced(text: &str, answer: &impl Fn(&str) -> Option<Answer>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, name, after)) = next_reference(rest) {
        out += before;
        match answer(name) {
            Some(known) => out += &known.text(),
            None => out += &rest[before.len()..rest.len() - after.len()],
        }
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &str) -> Option<Answer> {
        Some(match name {
            "YES" => Answer::Yes,
            "NO" => Answer::No,
            "ZERO" => Answer::Number(0),
            "EIGHT" => Answer::Number(8),
            "EMPTY" => Answer::Text(String::new()),
            "TEXT" => Answer::Text("\"1.2\"".into()),
            "OFF_TEXT" => Answer::Text("x-NotFound".into()),
            _ => return None,
        })
    }

    #[test]
    fn template_lines_are_expanded_as_autoconf_and_cmake_do() {
        let rows = [
            // autoconf
            ("#undef YES", "#define YES 1"),
            ("#undef NO", "/* #undef NO */"),
            ("#undef ZERO", "#define ZERO 0"),
            ("#undef EIGHT\r", "#define EIGHT 8\r"),
            ("#undef EMPTY", "#define EMPTY"),
            ("#undef TEXT /* a comment */", "#define TEXT \"1.2\""),
            ("  #  undef YES", "  #  define YES 1"),
            (" #\tundef NO", "/*  #\tundef NO */"),
            ("#define YES 7", "#define YES 1"),
            ("#define NO 7", "#define NO 7"),
            ("#define EIGHT \"@EIGHT@\"", "#define EIGHT \"8\""),
            ("#define OTHER 7", "#define OTHER 7"),
            ("#define YES(x) x", "#define YES 1"),
            (" * #undef YES", " * #undef YES"),
            ("#undefYES", "#undefYES"),
            ("#undef YES-NO", "#undef YES-NO"),
            // cmake
            ("#cmakedefine YES", "#define YES"),
            ("#cmakedefine YES 1", "#define YES 1"),
            ("# cmakedefine TEXT @TEXT@", "# define TEXT \"1.2\""),
            ("#cmakedefine NO 1", "/* #undef NO */"),
            ("#cmakedefine ZERO", "/* #undef ZERO */"),
            ("#cmakedefine EMPTY", "/* #undef EMPTY */"),
            ("#cmakedefine OFF_TEXT", "/* #undef OFF_TEXT */"),
            ("#cmakedefine01 YES", "#define YES 1"),
            ("#cmakedefine01 NO", "#define NO 0"),
            ("#cmakedefine01 EIGHT", "#define EIGHT 1"),
            // Both
            ("#define A @EIGHT@ + ${EIGHT}", "#define A 8 + 8"),
            ("x@YES@@NO@y", "x1y"),
            ("a@b.c, @YES", "a@b.c, @YES"),
            ("@OTHER@ ${OTHER} $YES ${YES", "@OTHER@ ${OTHER} $YES ${YES"),
            ("@@YES@", "@1"),
        ];
        for (line, expect) in rows {
            assert_eq!(expand(line, answer), expect, "{line:?}");
            let file = format!("first\n{line}\n");
            assert_eq!(expand(&file, answer), format!("first\n{expect}\n"), "{line:?}");
        }
    }

    #[test]
    fn template_names_are_those_that_need_an_answer() {
        let text = "#undef A\n/* B */\n# undef C\n#define D 1\n#cmakedefine E ${F}\n@A@ @G@ @H\n\
                    #cmakedefine01 I\n#undef A\n#define J @K@\n";
        let found: Vec<(&str, u32)> = names(text).iter().map(|n| (n.name, n.line)).collect();
        let expect = [("A", 1), ("C", 3), ("E", 5), ("F", 5), ("G", 6), ("I", 7), ("K", 9)];
        assert_eq!(found, expect);
    }

    #[test]
    fn template_of_no_file_has_a_line_for_each_name() {
        let answers = [("A", Answer::Yes), ("B", Answer::No), ("C", Answer::Text("x y".into()))];
        let text = lines(answers.iter().map(|(name, answer)| (*name, answer)));
        let (_, rest) = text.split_once('\n').unwrap();
        assert_eq!(rest, "#define A 1\n/* #undef B */\n#define C x y\n");
    }

    /// Lines stay lines, and without answers all stays.
    #[test]
    fn fuzz_config_template() {
        tender_fuzz::check_text("config_template", 5_000, |text| {
            assert_eq!(expand(text, |_| None), text);
            let found = names(text);
            let lines = text.lines().count() as u32;
            assert!(found.iter().all(|name| (1..=lines).contains(&name.line)));
            let expanded = expand(text, |_| Some(Answer::No));
            let ends = |text: &str| text.matches('\n').count();
            assert_eq!(ends(&expanded), ends(text));
        });
    }
}
