//! The outcome of a program, and its form in a file. Pure.

use super::draw::Setting;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub name: String,
    pub setting: Setting,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It was not tried; the reason.
    Excluded(String),
    /// It does not count: clang does not compile it, or clang's build does not exit with 0.
    Rejected(String),
    /// It was not cut; the reason, and the number of definitions in its largest module.
    Whole { definitions: u32, why: String },
    /// It was cut, and behaves as clang's build.
    Same { pieces: u32 },
    /// It was cut, and behaves differently for a known reason.
    Explained { pieces: u32, why: String },
    /// The difference from clang's build, in full.
    Failed { pieces: u32, text: String },
}

impl What {
    /// The largest number of pieces of a module; 0 if nothing was built, 1 if no module was cut.
    pub fn pieces(&self) -> u32 {
        match self {
            What::Excluded(_) | What::Rejected(_) => 0,
            What::Whole { .. } => 1,
            What::Same { pieces }
            | What::Explained { pieces, .. }
            | What::Failed { pieces, .. } => *pieces,
        }
    }

    pub fn is_cut(&self) -> bool {
        self.pieces() > 1
    }
}

impl Outcome {
    /// A line of fields, separated by tabs.
    pub(super) fn line(&self) -> String {
        let (kind, number, text) = match &self.what {
            What::Excluded(why) => ("excluded", 0, why.as_str()),
            What::Rejected(why) => ("rejected", 0, why.as_str()),
            What::Whole { definitions, why } => ("whole", *definitions, why.as_str()),
            What::Same { pieces } => ("same", *pieces, ""),
            What::Explained { pieces, why } => ("explained", *pieces, why.as_str()),
            What::Failed { pieces, text } => ("failed", *pieces, text.as_str()),
        };
        format!("{}\t{}\t{kind}\t{number}\t{}", self.name, self.setting, text.escape_debug())
    }

    /// Parses a line of `line`; `None` for any other text, such as an incomplete line.
    pub(super) fn from_line(line: &str) -> Option<Outcome> {
        let mut fields = line.splitn(5, '\t');
        let (name, setting, kind) =
            (fields.next()?.to_owned(), fields.next()?.parse().ok()?, fields.next()?);
        let (number, text) = (fields.next()?.parse().ok()?, unescape(fields.next()?)?);
        let what = match kind {
            "excluded" => What::Excluded(text),
            "rejected" => What::Rejected(text),
            "whole" => What::Whole { definitions: number, why: text },
            "same" => What::Same { pieces: number },
            "explained" => What::Explained { pieces: number, why: text },
            "failed" => What::Failed { pieces: number, text },
            _ => return None,
        };
        Some(Outcome { name, setting, what })
    }
}

/// The reverse of `escape_debug`.
fn unescape(text: &str) -> Option<String> {
    let mut content = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            content.push(c);
            continue;
        }
        content.push(match chars.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '0' => '\0',
            'u' => {
                let digits: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
            }
            other => other,
        });
    }
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_is_read_as_it_was_written() {
        let setting = Setting::of("a");
        let text = "two\nlines\tand \"quotes\" \\ \u{1b}[0m ü \0'".to_owned();
        for what in [
            What::Excluded("dg-do compile".into()),
            What::Rejected(String::new()),
            What::Whole { definitions: 3, why: text.clone() },
            What::Same { pieces: 9 },
            What::Explained { pieces: 2, why: "why".into() },
            What::Failed { pieces: 4, text },
        ] {
            let outcome = Outcome { name: "g++.dg/a/b".into(), setting, what };
            let line = outcome.line();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(Outcome::from_line(&line), Some(outcome));
        }
        for wrong in ["", "a\t-O2,3,off\tsame", "a\t-O2,3,off\tsomething\t1\t", "a\t-O2,3,of"] {
            assert_eq!(Outcome::from_line(wrong), None, "{wrong}");
        }
    }
}
