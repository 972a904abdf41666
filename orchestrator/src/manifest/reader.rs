//! Checks a TOML document against the tables of `format`, and reads what is right in it. Every
//! refusal has a caret.
//!
//! By hand over `DeTable` rather than by serde: serde stops at the first error and loses the place
//! of unknown keys. Knows no key of the format by name (see `raw`).

use super::format::{Check, Choice, Key, Literal, Table, ValueKind};
use super::instead;
use super::job_count::JobCount;
use super::problem::{Location, ManifestText, Problem, suggestion};
use super::value::{self, ValueError, check_word};
use camino::Utf8Path;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A string and where it stands. Paths in it are relative to the directory of the manifest it
/// stands in.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub value: String,
    pub at: Location,
}

/// A value of a key that the user chose.
#[derive(Clone, Debug)]
pub(super) enum PlainValue {
    Text(String),
    Integer(i64),
    Switch(bool),
}

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// What is read, and what was wrong with it.
pub(super) struct Context<'p> {
    source: ManifestText,
    problems: &'p mut Vec<Problem>,
    /// Places of values that are wrong: they read as absent.
    refused: HashSet<(usize, usize)>,
}

impl<'p> Context<'p> {
    pub fn new(source: &ManifestText, problems: &'p mut Vec<Problem>) -> Context<'p> {
        Context { source: source.clone(), problems, refused: HashSet::new() }
    }

    pub fn at(&self, span: Range<usize>) -> Location {
        self.source.at(span)
    }

    pub fn path(&self) -> Arc<Utf8Path> {
        self.source.path.clone()
    }

    pub fn text(&self) -> Arc<str> {
        self.source.text.clone()
    }

    /// What relative paths of the manifest start from.
    pub fn dir(&self) -> &Utf8Path {
        self.source.dir()
    }

    /// The directory of the file itself, which may be about sources elsewhere.
    pub fn file_dir(&self) -> &Utf8Path {
        self.source.path.parent().unwrap_or(Utf8Path::new("/"))
    }

    pub fn error(&mut self, span: Range<usize>, message: impl Into<String>) -> &mut Problem {
        let location = self.at(span);
        self.add(Problem::error(message).at(location))
    }

    pub fn warning(&mut self, span: Range<usize>, message: impl Into<String>) -> &mut Problem {
        let location = self.at(span);
        self.add(Problem::warning(message).at(location))
    }

    pub fn add(&mut self, problem: Problem) -> &mut Problem {
        self.problems.push(problem);
        self.problems.last_mut().expect("it has just been added")
    }

    pub fn last(&self) -> Option<&Problem> {
        self.problems.last()
    }

    /// An error of a value, which reads as absent from now on.
    fn refuse(&mut self, value: &Value<'_>, message: impl Into<String>) -> &mut Problem {
        let span = value.span();
        self.refused.insert((span.start, span.end));
        self.error(span, message)
    }

    fn is_refused(&self, value: &Value<'_>) -> bool {
        let span = value.span();
        self.refused.contains(&(span.start, span.end))
    }

    fn wrong_type(&mut self, key: &str, expected: &str, value: &Value<'_>) -> &mut Problem {
        let found = found(value.get_ref());
        let message = format!("`{}` must be {expected}, not {found}", key.escape_debug());
        let problem = self.refuse(value, message);
        problem.label = Some(format!("expected {expected}, found {found}"));
        problem
    }

    fn wrong_value(&mut self, value: &Value<'_>, error: ValueError) {
        self.refuse(value, error.message).help = error.help;
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

/// One table and where it stands.
pub(super) struct Section<'t, 'i> {
    /// As people write it: `[package]`; empty for the whole file.
    name: String,
    pub span: Range<usize>,
    table: &'t DeTable<'i>,
    format: &'static Table,
}

impl<'t, 'i> Section<'t, 'i> {
    /// The whole document, checked: what is wrong with it is in `cx`.
    pub fn document(
        cx: &mut Context<'_>,
        table: &'t DeTable<'i>,
        format: &'static Table,
    ) -> Section<'t, 'i> {
        let section = Section { name: String::new(), span: 0..0, table, format };
        section.check(cx);
        section
    }

    /// The value of a key, unless it is absent, wrong, or inherited.
    fn get(&self, cx: &Context<'_>, key: &str) -> Option<&'t Value<'i>> {
        let (_, inherits) = self.format.key(key).expect("the format has each key that is read");
        let value = self.table.get(key)?;
        let inherited = inherits && value.get_ref().is_table();
        (!inherited && !cx.is_refused(value)).then_some(value)
    }

    /// As people write it: `[package]`.
    pub fn title(&self) -> &str {
        &self.name
    }

    /// The keys that it may have.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.format.keys().map(|(key, _)| key)
    }

    /// Where the key itself stands.
    pub fn key_span(&self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// The keys that take the value of the workspace, and where they stand.
    pub fn inherited(&self, cx: &Context<'_>) -> Vec<(&'static str, Location)> {
        let written = |(key, inherits): (&'static Key, bool)| {
            let (written, value) = self.table.get_key_value(key.name)?;
            let flag = value.get_ref().as_table().and_then(|table| table.get("workspace"));
            let inherited = flag.is_some_and(|flag| flag.get_ref().as_bool() == Some(true));
            (inherits && inherited).then(|| (key.name, cx.at(written.span())))
        };
        self.format.keys().filter_map(written).collect()
    }

    pub fn string(&self, cx: &Context<'_>, key: &str) -> Option<Text> {
        self.get(cx, key).and_then(|value| text(cx, value))
    }

    pub fn strings(&self, cx: &Context<'_>, key: &str) -> Option<Vec<Text>> {
        let value = self.get(cx, key)?;
        Some(match value.get_ref() {
            DeValue::Array(array) => array.iter().filter_map(|element| text(cx, element)).collect(),
            _ => text(cx, value).into_iter().collect(),
        })
    }

    /// The texts of a key whose entries have names of the user's, in order of declaration.
    pub fn texts_by_name(&self, cx: &Context<'_>, key: &str) -> Vec<(String, Text)> {
        let table = self.get(cx, key).and_then(|value| value.get_ref().as_table());
        let entries = table.map(entries).unwrap_or_default();
        entries
            .into_iter()
            .filter_map(|(_, name, value)| Some((name.to_owned(), text(cx, value)?)))
            .collect()
    }

    /// The lists of a key whose entries have names of the user's, in order of declaration.
    pub fn lists_by_name(&self, cx: &Context<'_>, key: &str) -> Vec<(Text, Vec<Text>)> {
        let table = self.get(cx, key).and_then(|value| value.get_ref().as_table());
        let read = |(span, name, value): (Range<usize>, &str, &Value<'_>)| {
            let name = Text { value: name.to_owned(), at: cx.at(span) };
            let array = value.get_ref().as_array().filter(|_| !cx.is_refused(value))?;
            Some((name, array.iter().filter_map(|element| text(cx, element)).collect()))
        };
        table.map(|table| entries(table).into_iter().filter_map(read).collect()).unwrap_or_default()
    }

    /// `strings` without their places.
    pub fn words(&self, cx: &Context<'_>, key: &str) -> Option<Vec<String>> {
        self.strings(cx, key).map(|texts| texts.into_iter().map(|text| text.value).collect())
    }

    pub fn switch(&self, cx: &Context<'_>, key: &str) -> Option<bool> {
        self.get(cx, key)?.get_ref().as_bool()
    }

    pub fn count(&self, cx: &Context<'_>, key: &str) -> Option<u32> {
        self.get(cx, key).and_then(integer)
    }

    /// The text of one of the values that the format names: `2`, `true`, `thin`.
    pub fn literal(&self, cx: &Context<'_>, key: &str) -> Option<String> {
        self.get(cx, key).and_then(|value| plain(value.get_ref()))
    }

    /// The elements of an array of tables, or the one table.
    pub fn tables(&self, cx: &Context<'_>, key: &str) -> Vec<Section<'t, 'i>> {
        let Some(value) = self.get(cx, key) else { return Vec::new() };
        let (key, _) = self.format.key(key).expect("the format has each key that is read");
        self.sections(cx, key, value).into_iter().collect()
    }

    /// Whether the key has an array.
    pub fn is_array(&self, cx: &Context<'_>, key: &str) -> bool {
        self.get(cx, key).is_some_and(|value| value.get_ref().is_array())
    }

    pub fn table(&self, cx: &Context<'_>, key: &str) -> Option<Section<'t, 'i>> {
        self.tables(cx, key).pop()
    }

    /// The values of a key whose entries have names of the user's, in order of declaration.
    pub fn values(&self, cx: &Context<'_>, key: &str) -> Vec<(Text, PlainValue)> {
        let table = self.get(cx, key).and_then(|value| value.get_ref().as_table());
        let read = |(span, name, value): (Range<usize>, &str, &Value<'_>)| {
            let plain = match value.get_ref() {
                DeValue::Boolean(on) => PlainValue::Switch(*on),
                DeValue::Integer(_) => PlainValue::Integer(signed(value)?),
                DeValue::String(text) => PlainValue::Text(text.to_string()),
                _ => return None,
            };
            let name = Text { value: name.to_owned(), at: cx.at(span) };
            (!cx.is_refused(value)).then_some((name, plain))
        };
        table.map(|table| entries(table).into_iter().filter_map(read).collect()).unwrap_or_default()
    }

    /// The tables of a key whose entries have names of the user's, in order of declaration.
    pub fn named(&self, cx: &Context<'_>, key: &str) -> Vec<(Text, Section<'t, 'i>)> {
        let (Some(value), Some((key, _))) = (self.get(cx, key), self.format.key(key)) else {
            return Vec::new();
        };
        let (ValueKind::Named { each, .. }, DeValue::Table(table)) = (&key.kind, value.get_ref())
        else {
            return Vec::new();
        };
        let mut named = Vec::new();
        for (span, name, value) in entries(table) {
            let Some(table) = value.get_ref().as_table().filter(|_| !cx.is_refused(value)) else {
                continue;
            };
            let title = self.inner_name(key).replace("]", &format!(".{name}]"));
            let section = Section { name: title, span: value.span(), table, format: each };
            named.push((Text { value: name.to_owned(), at: cx.at(span) }, section));
        }
        named
    }

    fn sections(&self, cx: &Context<'_>, key: &Key, value: &'t Value<'i>) -> Vec<Section<'t, 'i>> {
        let section = |value: &'t Value<'i>, format, name| {
            let table = value.get_ref().as_table().filter(|_| !cx.is_refused(value))?;
            Some(Section { name, span: value.span(), table, format })
        };
        match (&key.kind, value.get_ref()) {
            (ValueKind::Table(format) | ValueKind::OneOrMore(format), DeValue::Table(_)) => {
                section(value, format, self.inner_name(key)).into_iter().collect()
            }
            (ValueKind::Tables(format) | ValueKind::OneOrMore(format), DeValue::Array(array)) => {
                let name = format!("[[{}]]", self.inner_name(key).trim_matches(['[', ']']));
                array.iter().filter_map(|element| section(element, format, name.clone())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// How people write the table of a key: `[workspace.package]`, `[[bin]]`.
    fn inner_name(&self, key: &Key) -> String {
        let outer = match self.name.trim_matches(['[', ']']) {
            "" => String::new(),
            outer => format!("{outer}."),
        };
        match key.kind {
            ValueKind::Tables(_) => format!("[[{outer}{}]]", key.name),
            _ => format!("[{outer}{}]", key.name),
        }
    }

    fn check(&self, cx: &mut Context<'_>) {
        for (span, name, value) in entries(self.table) {
            match self.format.key(name) {
                None => self.unknown(cx, span, name, value),
                Some((key, true)) if value.get_ref().is_table() => {
                    check_inherited(cx, key, span, value)
                }
                Some((key, _)) => self.check_value(cx, key, value),
            }
        }
        for (key, help) in self.format.required {
            let value = self.table.get(*key);
            let is_empty = |value: &Value<'_>| {
                value.get_ref().as_array().is_some_and(|array| array.iter().next().is_none())
            };
            if value.is_none_or(is_empty) {
                let span = self.key_span(key).unwrap_or_else(|| self.span.clone());
                cx.error(span, format!("`{}` has no `{key}`", self.name)).help =
                    Some((*help).to_owned());
            }
        }
    }

    /// The format has keys that people put into the wrong table, and keys of other build tools.
    fn unknown(&self, cx: &mut Context<'_>, span: Range<usize>, key: &str, value: &Value<'_>) {
        let place =
            if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) };
        // A value of several lines would not fit into the help.
        let written = cx.source.text.get(value.span()).filter(|_| value.get_ref().is_str());
        let written = written.filter(|text| !text.contains('\n')).unwrap_or("...").to_owned();
        let problem = cx.error(span, format!("unknown key `{}`{place}", key.escape_debug()));
        let belongs = self.format.elsewhere.iter().find(|(name, _)| *name == key);
        problem.help = belongs
            .map(|(_, right)| format!("`{key}` belongs to {right}"))
            .or_else(|| instead::help(self.format.instead, key, &written))
            .or_else(|| {
                suggestion(key, self.format.keys().map(|(key, _)| key.name))
                    .map(|name| format!("did you mean `{name}`?"))
            });
    }

    fn check_value(&self, cx: &mut Context<'_>, key: &'static Key, value: &'t Value<'i>) {
        let name = key.name;
        match (&key.kind, value.get_ref()) {
            (ValueKind::Free, _) => {}
            (ValueKind::Text(check), _) => check_text(cx, name, *check, value),
            (ValueKind::Texts(check), DeValue::Array(array)) => {
                array.iter().for_each(|element| check_text(cx, name, *check, element));
            }
            (ValueKind::Flags { cxx }, DeValue::Array(array)) => {
                array.iter().for_each(|element| check_text(cx, name, check_word, element));
                let good = |element: &&Value<'_>| !cx.is_refused(element);
                let elements: Vec<&Value<'_>> = array.iter().filter(good).collect();
                let words: Vec<&str> =
                    elements.iter().filter_map(|element| element.get_ref().as_str()).collect();
                for (at, error) in value::check_flags(name, &words, *cxx) {
                    cx.wrong_value(elements[at], error);
                }
            }
            (kind, other) if kind.is_list() && !other.is_array() => {
                let one = cx.source.text.get(value.span()).unwrap_or_default().to_owned();
                let problem = cx.wrong_type(name, "an array of strings", value);
                problem.help = other.is_str().then(|| format!("write `{name} = [{one}]`"));
            }
            (ValueKind::TextOrTexts(check), DeValue::Array(array)) => {
                array.iter().for_each(|element| check_text(cx, name, *check, element));
            }
            (ValueKind::TextOrTexts(check), DeValue::String(_)) => {
                check_text(cx, name, *check, value);
            }
            (ValueKind::TextOrTexts(_), _) => {
                cx.wrong_type(name, "a string or an array of strings", value);
            }
            (ValueKind::TextsByName(check), DeValue::Table(table)) => {
                for (span, entry, value) in entries(table) {
                    match check(entry) {
                        Err(error) => {
                            cx.refuse(value, error.message).help = error.help;
                            cx.move_last(span);
                        }
                        Ok(()) => check_text(cx, entry, |_| Ok(()), value),
                    }
                }
            }
            (ValueKind::TextsByName(_), _) => {
                cx.wrong_type(name, &format!("a table, `{}`", self.inner_name(key)), value);
            }
            (ValueKind::Switch, DeValue::Boolean(_)) => {}
            (ValueKind::Switch, _) => drop(cx.wrong_type(name, "`true` or `false`", value)),
            (ValueKind::Count(max), DeValue::Integer(_)) => {
                if !integer(value).is_some_and(|number| (1..=*max).contains(&number)) {
                    let message = format!("`{name}` must be at least 1 and at most {max}");
                    cx.refuse(value, message).label = Some("out of range".to_owned());
                }
            }
            (ValueKind::Count(_), _) => drop(cx.wrong_type(name, "an integer", value)),
            (ValueKind::OneOf(choice), _) => check_choice(cx, name, choice, value),
            (ValueKind::ManyOf(choice), DeValue::Array(array)) => {
                array.iter().for_each(|element| check_choice(cx, name, choice, element));
            }
            (ValueKind::Memory, DeValue::Integer(_) | DeValue::String(_)) => {
                let text = plain(value.get_ref()).unwrap_or_default();
                if let Err(error) = value::parse_memory(&text) {
                    cx.wrong_value(value, error);
                }
            }
            (ValueKind::Memory, _) => {
                cx.wrong_type(name, "a string or a number of bytes", value);
            }
            (ValueKind::Jobs, DeValue::Integer(_) | DeValue::String(_)) => {
                let text = plain(value.get_ref()).unwrap_or_default();
                if let Err(why) = text.parse::<JobCount>() {
                    let text = text.escape_debug();
                    let message = format!("`{name}` must be a number of jobs, not `{text}`");
                    cx.refuse(value, message).help = Some(why);
                }
            }
            (ValueKind::Jobs, _) => drop(cx.wrong_type(name, "an integer or a string", value)),
            (ValueKind::Table(_) | ValueKind::OneOrMore(_), DeValue::Table(_))
            | (ValueKind::Tables(_) | ValueKind::OneOrMore(_), DeValue::Array(_)) => {
                if let Some(array) = value.get_ref().as_array() {
                    let expected = format!("an array of tables, `{}`", self.inner_name(key));
                    for element in array.iter().filter(|element| !element.get_ref().is_table()) {
                        cx.wrong_type(name, &expected, element);
                    }
                }
                self.sections(cx, key, value).iter().for_each(|section| section.check(cx));
            }
            (ValueKind::ListsByName { check, value: each }, DeValue::Table(table)) => {
                for (span, entry, value) in entries(table) {
                    if let Err(error) = check(entry) {
                        cx.refuse(value, error.message).help = error.help;
                        cx.move_last(span);
                    } else if let Some(array) = value.get_ref().as_array() {
                        array.iter().for_each(|element| check_text(cx, entry, *each, element));
                    } else {
                        cx.wrong_type(entry, "an array of strings", value);
                    }
                }
            }
            (ValueKind::Values(check), DeValue::Table(table)) => {
                for (span, entry, value) in entries(table) {
                    if let Err(error) = check(entry) {
                        cx.refuse(value, error.message).help = error.help;
                        cx.move_last(span);
                    } else {
                        check_plain(cx, entry, value);
                    }
                }
            }
            (
                ValueKind::Table(_)
                | ValueKind::OneOrMore(_)
                | ValueKind::Values(_)
                | ValueKind::ListsByName { .. },
                _,
            ) => {
                cx.wrong_type(name, &format!("a table, `{}`", self.inner_name(key)), value);
            }
            (ValueKind::Tables(_), other) => {
                let title = self.inner_name(key);
                let problem = cx.wrong_type(name, &format!("an array of tables, `{title}`"), value);
                problem.help =
                    other.is_table().then(|| format!("write `{title}` with two brackets"));
            }
            (ValueKind::Named { check, help, .. }, DeValue::Table(table)) => {
                for (span, entry, value) in entries(table) {
                    let help = || Some(help.replace("{}", &entry.escape_debug().to_string()));
                    if let Err(error) = check(entry) {
                        cx.refuse(value, error.message).help = error.help;
                        cx.move_last(span);
                    } else if !value.get_ref().is_table() {
                        cx.wrong_type(entry, "a table", value).help = help();
                    }
                }
                self.named(cx, name).iter().for_each(|(_, section)| section.check(cx));
            }
            (ValueKind::Named { .. }, _) => {
                cx.wrong_type(name, &format!("a table, `{}`", self.inner_name(key)), value);
            }
            (ValueKind::Texts(_) | ValueKind::Flags { .. } | ValueKind::ManyOf(_), _) => {
                unreachable!("an array is checked above")
            }
        }
    }
}

impl Context<'_> {
    /// Puts the caret of the last problem elsewhere.
    fn move_last(&mut self, span: Range<usize>) {
        let location = self.at(span);
        if let Some(problem) = self.problems.last_mut() {
            problem.location = Some(location);
        }
    }
}

/// All entries in order of declaration.
fn entries<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(Range<usize>, &'t str, &'t Value<'i>)> {
    let mut entries: Vec<_> =
        table.iter().map(|(key, value)| (key.span(), key.get_ref().as_ref(), value)).collect();
    entries.sort_by_key(|(span, ..)| span.start);
    entries
}

fn check_text(cx: &mut Context<'_>, key: &str, check: Check, value: &Value<'_>) {
    let Some(text) = value.get_ref().as_str() else {
        cx.wrong_type(key, "a string", value);
        return;
    };
    // These strings end up as file names and words of commands, where a NUL would cut them short.
    if text.contains('\0') {
        cx.refuse(value, format!("`{key}` contains a NUL character"));
    } else if let Err(error) = check(text) {
        cx.wrong_value(value, error);
    }
}

/// A text of one line, a whole number, or a switch.
fn check_plain(cx: &mut Context<'_>, key: &str, value: &Value<'_>) {
    match value.get_ref() {
        DeValue::Boolean(_) => {}
        DeValue::Integer(_) if signed(value).is_some() => {}
        DeValue::Integer(_) => drop(cx.refuse(value, format!("`{key}` must fit into 64 bits"))),
        DeValue::String(text) if text.contains(['\n', '\r', '\0']) => {
            cx.refuse(value, format!("`{key}` must be one line"));
        }
        DeValue::String(_) => {}
        _ => drop(cx.wrong_type(key, "a string, an integer or a boolean", value)),
    }
}

fn check_choice(cx: &mut Context<'_>, key: &str, choice: &Choice, value: &Value<'_>) {
    let is = |literal: &Literal| match (literal, value.get_ref()) {
        (Literal::Text(known), DeValue::String(text)) => known == text,
        // As cargo, which takes `opt-level = "2"` too.
        (Literal::Integer(known), DeValue::String(text)) => known.to_string() == *text,
        (Literal::Integer(known), DeValue::Integer(_)) => integer(value) == Some((*known).into()),
        (Literal::Switch(known), DeValue::Boolean(on)) => known == on,
        _ => false,
    };
    if choice.values.iter().any(is) {
        return;
    }
    let names: Vec<String> = choice.values.iter().map(Literal::to_string).collect();
    let problem = cx.refuse(value, format!("`{key}` must be one of {}", names.join(", ")));
    let texts = choice.values.iter().filter_map(|literal| match literal {
        Literal::Text(text) => Some(*text),
        _ => None,
    });
    let Some(written) = plain(value.get_ref()) else { return };
    problem.help = match choice.instead.iter().find(|(wrong, _)| *wrong == written) {
        Some((_, help)) => Some((*help).to_owned()),
        None => suggestion(&written, texts).map(|name| format!("did you mean `{name}`?")),
    };
}

/// A table in place of a value: `{ workspace = true }`.
fn check_inherited(cx: &mut Context<'_>, key: &Key, span: Range<usize>, value: &Value<'_>) {
    let name = key.name;
    let table = value.get_ref().as_table().expect("the caller has looked");
    match table.get("workspace").map(|flag| (flag, flag.get_ref().as_bool())) {
        Some((_, Some(true))) => {}
        Some((flag, Some(false))) => {
            let problem = cx.refuse(flag, format!("`{name}.workspace` can only be true"));
            problem.help = Some(format!("write `{name} = ...` for a value of its own"));
        }
        Some((flag, None)) => drop(cx.wrong_type(&format!("{name}.workspace"), "true", flag)),
        None => {
            let problem = cx.refuse(value, format!("`{name}` must not be a table"));
            problem.help = Some(format!("to inherit it write `{name}.workspace = true`"));
            cx.move_last(span);
            return;
        }
    }
    for (span, other, _) in entries(table).into_iter().filter(|(_, key, _)| *key != "workspace") {
        cx.error(span, format!("unknown key `{}` in `[package.{name}]`", other.escape_debug()));
    }
}

fn text(cx: &Context<'_>, value: &Value<'_>) -> Option<Text> {
    let text = value.get_ref().as_str().filter(|_| !cx.is_refused(value))?;
    Some(Text { value: text.to_owned(), at: cx.at(value.span()) })
}

fn integer(value: &Value<'_>) -> Option<u32> {
    let integer = value.get_ref().as_integer()?;
    u32::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn signed(value: &Value<'_>) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A value that is no array and no table, as text.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(integer) => Some(integer.to_string()),
        DeValue::Boolean(on) => Some(on.to_string()),
        _ => None,
    }
}
