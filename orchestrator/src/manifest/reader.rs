//! Reads typed values out of TOML tables. Every refusal has a caret, and keys that nobody asked for
//! are named at the end.
//!
//! By hand over `DeTable` rather than by serde: serde stops at the first error and loses the place
//! of unknown keys. Knows no key of the format (see `raw`).

use super::problem::{Location, ManifestText, Problem, suggestion};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A string and where it stands. Paths in it are relative to the directory of the manifest it
/// stands in.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub value: String,
    pub at: Location,
}

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// What is read, and what was wrong with it.
pub(super) struct Context<'p> {
    pub source: ManifestText,
    pub problems: &'p mut Vec<Problem>,
}

impl Context<'_> {
    pub fn at(&self, span: Range<usize>) -> Location {
        self.source.at(span)
    }

    pub fn error(&mut self, span: Range<usize>, message: impl Into<String>) -> &mut Problem {
        let location = self.at(span);
        self.problems.push(Problem::error(message).at(location));
        self.problems.last_mut().expect("it has just been added")
    }

    pub fn warning(&mut self, span: Range<usize>, message: impl Into<String>) -> &mut Problem {
        let location = self.at(span);
        self.problems.push(Problem::warning(message).at(location));
        self.problems.last_mut().expect("it has just been added")
    }

    pub fn wrong_type(&mut self, key: &str, expected: &str, value: &Value<'_>) -> &mut Problem {
        let found = found(value.get_ref());
        let problem = self.error(value.span(), format!("`{key}` must be {expected}, not {found}"));
        problem.label = Some(format!("expected {expected}, found {found}"));
        problem
    }
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// One table, and the keys that were asked for.
pub(super) struct Section<'t, 'i> {
    /// As people write it: `[package]`; empty for the whole file.
    pub name: String,
    pub span: Range<usize>,
    table: &'t DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'t, 'i> Section<'t, 'i> {
    pub fn new(
        name: impl Into<String>,
        span: Range<usize>,
        table: &'t DeTable<'i>,
    ) -> Section<'t, 'i> {
        Section { name: name.into(), span, table, known: Vec::new() }
    }

    pub fn get(&mut self, key: &'static str) -> Option<&'t Value<'i>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// Where the key itself stands.
    pub fn key_span(&self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// All entries in order of declaration, for tables whose keys are names.
    pub fn entries(&self) -> Vec<(Range<usize>, &'t str, &'t Value<'i>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| (key.span(), key.get_ref().as_ref(), value))
            .collect();
        entries.sort_by_key(|(span, ..)| span.start);
        entries
    }

    pub fn string(&mut self, cx: &mut Context<'_>, key: &'static str) -> Option<Text> {
        self.get(key).and_then(|value| string(cx, key, value))
    }

    pub fn strings(&mut self, cx: &mut Context<'_>, key: &'static str) -> Option<Vec<Text>> {
        self.get(key).and_then(|value| strings(cx, key, value))
    }

    pub fn boolean(&mut self, cx: &mut Context<'_>, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        let DeValue::Boolean(yes) = value.get_ref() else {
            cx.wrong_type(key, "`true` or `false`", value);
            return None;
        };
        Some(*yes)
    }

    pub fn table(&mut self, cx: &mut Context<'_>, key: &'static str) -> Option<Section<'t, 'i>> {
        let name = match self.name.trim_matches(['[', ']']) {
            "" => format!("[{key}]"),
            outer => format!("[{outer}.{key}]"),
        };
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(name, value.span(), table)),
            _ => {
                cx.wrong_type(key, &format!("a table, `{name}`"), value);
                None
            }
        }
    }

    /// The elements of an array of tables.
    pub fn tables(&mut self, cx: &mut Context<'_>, key: &'static str) -> Vec<Section<'t, 'i>> {
        let name = format!("[[{key}]]");
        let expected = format!("an array of tables, `{name}`");
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            let problem = cx.wrong_type(key, &expected, value);
            if value.get_ref().is_table() {
                problem.help = Some(format!("write `{name}` with two brackets"));
            }
            return Vec::new();
        };
        let mut sections = Vec::new();
        for element in array.iter() {
            match element.get_ref() {
                DeValue::Table(table) => {
                    sections.push(Section::new(name.clone(), element.span(), table))
                }
                _ => drop(cx.wrong_type(key, &expected, element)),
            }
        }
        sections
    }

    /// Warns of every key that was not asked for. `elsewhere` names keys that people put into the
    /// wrong table, and the right one.
    pub fn finish(self, cx: &mut Context<'_>, elsewhere: &[(&str, &str)]) {
        for (span, key, _) in self.entries() {
            if self.known.contains(&key) {
                continue;
            }
            let place =
                if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) };
            let problem =
                cx.warning(span, format!("unknown key `{}`{place} is ignored", key.escape_debug()));
            problem.help = match elsewhere.iter().find(|(name, _)| *name == key) {
                Some((_, right)) => Some(format!("`{key}` belongs to {right}")),
                None => suggestion(key, self.known.iter().copied())
                    .map(|name| format!("did you mean `{name}`?")),
            };
        }
    }
}

pub(super) fn string(cx: &mut Context<'_>, key: &str, value: &Value<'_>) -> Option<Text> {
    let Some(text) = value.get_ref().as_str() else {
        cx.wrong_type(key, "a string", value);
        return None;
    };
    // These strings end up as file names and words of commands, where a NUL would cut them short.
    if text.contains('\0') {
        cx.error(value.span(), format!("`{key}` contains a NUL character"));
        return None;
    }
    Some(Text { value: text.to_owned(), at: cx.at(value.span()) })
}

pub(super) fn strings(cx: &mut Context<'_>, key: &str, value: &Value<'_>) -> Option<Vec<Text>> {
    let Some(array) = value.get_ref().as_array() else {
        let one = value
            .get_ref()
            .is_str()
            .then(|| cx.source.text.get(value.span()).unwrap_or_default().to_owned());
        let problem = cx.wrong_type(key, "an array of strings", value);
        problem.help = one.map(|text| format!("write `{key} = [{text}]`"));
        return None;
    };
    Some(array.iter().filter_map(|element| string(cx, key, element)).collect())
}

/// A whole number of at least 1 and at most `max`.
pub(super) fn positive(
    cx: &mut Context<'_>,
    key: &str,
    value: &Value<'_>,
    max: u32,
) -> Option<u32> {
    let Some(integer) = value.get_ref().as_integer() else {
        cx.wrong_type(key, "an integer", value);
        return None;
    };
    match u32::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(number) if (1..=max).contains(&number) => Some(number),
        _ => {
            let problem =
                cx.error(value.span(), format!("`{key}` must be at least 1 and at most {max}"));
            problem.label = Some("out of range".to_owned());
            None
        }
    }
}
