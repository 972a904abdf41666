//! The tables of `[[generate]]` and `[[rule]]` of a manifest -> commands: one for each file of
//! `for-each`, or for each source of the rule, with all placeholders filled. Knows nothing of the targets that use what the commands write.

use super::model::CommandWord;
use super::pattern::{OUT_DIR, in_out_dir, resolve, source_kind};
use super::problem::{Location, Problem};
use super::raw::{GenerateTable, Manifest};
use super::reader::Text;
use super::sources::{Lists, Rules};
use super::template::{self, Placeholder, TemplatePart};
use super::walk::{Dirs, identity};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};

/// One command: a table, or what a table with `for-each` is for one file.
#[derive(Debug)]
pub(super) struct ResolvedCommand {
    /// Its table's place in `Manifest::generate`.
    pub table: usize,
    /// The file of `for-each` or of the rule.
    pub each: Option<EachInput>,
    pub run: Vec<CommandWord>,
    /// Where `Manifest::dependencies` has the crate whose program the first word names.
    pub tool: Option<usize>,
    pub env: Vec<(String, CommandWord)>,
    /// Where each stands in the manifest is where its pattern stands.
    pub outputs: Vec<Text>,
    pub depfile: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EachInput {
    /// Absolute, or beginning with `$OUT_DIR`.
    pub path: Utf8PathBuf,
    /// As the command names it.
    pub shown: String,
}

/// The commands of `[[generate]]` in the order of its tables, those of one table by input. `tools` are
/// the programs of build-dependencies, each with the place of its crate in `Manifest::dependencies`;
/// `others` are files that commands of any crate write, absolute.
pub(super) fn commands(
    manifest: &Manifest,
    tools: &BTreeMap<String, usize>,
    others: &BTreeSet<Utf8PathBuf>,
    dirs: &mut Dirs,
    problems: &mut Vec<Problem>,
) -> Vec<ResolvedCommand> {
    let dir = manifest.source.dir();
    let mut commands = Vec::new();
    let mut outputs = BTreeSet::new();
    // What a table without `for-each` writes is known without looking at files, so that any other
    // may match it; what one with `for-each` writes may be matched by those that follow.
    let tables = manifest.generate.iter().enumerate().filter(|(_, table)| !table.is_rule());
    let (each, single): (Vec<_>, Vec<_>) = tables.partition(|(_, table)| table.for_each.is_some());
    for (number, table) in single.into_iter().chain(each) {
        let program = table.run.first().and_then(|name| tools.get(&name.value));
        let Some(templates) = Templates::parse(table, program.copied(), problems) else { continue };
        let inputs = match &table.for_each {
            None => vec![None],
            Some(texts) => {
                let rules = &Rules::default();
                let lists = Lists { dirs, problems, outputs: &outputs, all_outputs: others, rules };
                inputs(lists, dir, texts, &templates).into_iter().map(Some).collect()
            }
        };
        let before = commands.len();
        commands.extend(inputs.into_iter().map(|each| templates.command(number, each)));
        let written = commands[before..].iter().flat_map(|command| &command.outputs);
        outputs.extend(written.map(|text| resolve(dir, &text.value)));
    }
    commands.sort_by_key(|command| command.table);
    commands
}

/// The commands of `[[rule]]`, in the same order. `sources` are those of all targets that rules are
/// for.
pub(super) fn rule_commands(
    manifest: &Manifest,
    tools: &BTreeMap<String, usize>,
    sources: &BTreeSet<Utf8PathBuf>,
    problems: &mut Vec<Problem>,
) -> Vec<ResolvedCommand> {
    let dir = manifest.source.dir();
    let mut commands = Vec::new();
    let mut first: BTreeMap<&str, &Text> = BTreeMap::new();
    for (number, table) in manifest.generate.iter().enumerate() {
        let Some(extensions) = &table.extensions else { continue };
        let mut own = Vec::with_capacity(extensions.len());
        for extension in extensions {
            let Some(other) = first.insert(&extension.value, extension) else {
                own.push(extension.value.as_str());
                continue;
            };
            let message = format!("two rules are for files that end in `.{}`", extension.value);
            let problem = Problem::error(message).at(extension.at.clone());
            let problem = problem.related(other.at.clone(), "the other rule");
            problems.push(problem.help("remove the extension from one of them"));
        }
        let program = table.run.first().and_then(|name| tools.get(&name.value));
        let Some(templates) = Templates::parse(table, program.copied(), problems) else { continue };
        let is_source = |text: &Text| source_kind(Utf8Path::new(&text.value)).is_some();
        if let (Some(text), false) = (table.outputs.first(), table.outputs.iter().any(is_source)) {
            let problem = Problem::error("the rule makes no source").at(text.at.clone());
            let help = "name what is compiled or linked, such as `{outdir}/{stem}.c`; other files are made by `[[generate]]` with `for-each`";
            problems.push(problem.help(help));
            continue;
        }
        let is_own = |path: &&Utf8PathBuf| {
            path.extension().is_some_and(|extension| own.contains(&extension))
        };
        let each = sources
            .iter()
            .filter(is_own)
            .map(|path| EachInput { shown: seen_from_crate(dir, path), path: path.clone() });
        commands.extend(each.map(|each| templates.command(number, Some(each))));
    }
    commands
}

/// The files that `for-each` names, without those that the commands for the others write: an
/// earlier build may have left them where the pattern finds them.
fn inputs(
    mut lists: Lists<'_>,
    dir: &Utf8Path,
    texts: &[Text],
    templates: &Templates<'_>,
) -> Vec<EachInput> {
    let found = lists.inputs(texts, &BTreeSet::new()).into_iter();
    let mut found: Vec<EachInput> =
        found.map(|path| EachInput { shown: seen_from_crate(dir, &path), path }).collect();
    let written: BTreeSet<Utf8PathBuf> = found
        .iter()
        .flat_map(|each| templates.outputs(Some(each)))
        .map(|text| resolve(dir, &text.value))
        .collect();
    found.retain(|each| !written.contains(&each.path));
    found
}

/// A path for a command that runs in the crate's directory: relative to it if both lie below one
/// directory and `..` leads there, as it does not where the crate's directory is a symbolic link.
fn seen_from_crate(dir: &Utf8Path, path: &Utf8Path) -> String {
    if in_out_dir(path.as_str()) {
        return path.to_string();
    }
    if let Ok(below) = path.strip_prefix(dir) {
        // Not to be taken for an option or a response file.
        let odd = below.as_str().starts_with(['-', '@']);
        return if odd { format!("./{below}") } else { below.to_string() };
    }
    let common = dir.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let mut relative = Utf8PathBuf::new();
    dir.components().skip(common).for_each(|_| relative.push(".."));
    relative.extend(path.components().skip(common));
    let there = identity(dir.join(&relative).as_std_path());
    // The root directory alone is all that any two paths have in common.
    match common > 1 && there.is_some() && there == identity(path.as_std_path()) {
        true => relative.into_string(),
        false => path.to_string(),
    }
}

type Template = Vec<TemplatePart>;

/// The texts of one table, taken apart.
struct Templates<'m> {
    tool: Option<usize>,
    run: Vec<Template>,
    env: Vec<(&'m str, Template)>,
    outputs: Vec<(&'m Location, Template)>,
    depfile: Option<Template>,
}

impl<'m> Templates<'m> {
    /// None after an error.
    fn parse(
        table: &'m GenerateTable,
        tool: Option<usize>,
        problems: &mut Vec<Problem>,
    ) -> Option<Templates<'m>> {
        let before = problems.len();
        let counts = table.has_inputs() || tool.is_some();
        let mut parse = |key: &str, text: &Text| {
            if !counts {
                return vec![TemplatePart::Text(text.value.clone())];
            }
            match template::parse(&text.value) {
                Ok(parts) => {
                    problems
                        .extend(parts.iter().filter_map(|part| misplaced(table, key, text, part)));
                    parts
                }
                Err(wrong) => {
                    let problem = Problem::error(wrong.error.message).at(within(text, wrong.place));
                    problems.push(match wrong.error.help {
                        Some(help) => problem.help(help),
                        None => problem,
                    });
                    Vec::new()
                }
            }
        };
        let templates = Templates {
            tool,
            run: table.run.iter().map(|text| parse("run", text)).collect(),
            env: table.env.iter().map(|(name, text)| (&**name, parse("env", text))).collect(),
            outputs: table.outputs.iter().map(|text| (&text.at, parse("outputs", text))).collect(),
            depfile: table.depfile.as_ref().map(|text| parse("depfile", text)),
        };
        (problems.len() == before).then_some(templates)
    }

    fn outputs(&self, each: Option<&EachInput>) -> Vec<Text> {
        let fill = |(at, template): &(&Location, Template)| Text {
            value: filled(template, each, "").text(),
            at: (*at).clone(),
        };
        self.outputs.iter().map(fill).collect()
    }

    fn command(&self, table: usize, each: Option<EachInput>) -> ResolvedCommand {
        let outputs = self.outputs(each.as_ref());
        // Where `{output}` stands there is one.
        let output = outputs.first().map_or("", |text| &text.value);
        let fill = |template: &Template| filled(template, each.as_ref(), output);
        ResolvedCommand {
            table,
            tool: self.tool,
            run: self.run.iter().map(fill).collect(),
            env: self.env.iter().map(|(name, text)| ((*name).to_owned(), fill(text))).collect(),
            depfile: self.depfile.as_ref().map(|template| fill(template).text()),
            outputs,
            each,
        }
    }
}

/// What is wrong with the place of a placeholder.
fn misplaced(
    table: &GenerateTable,
    key: &str,
    text: &Text,
    part: &TemplatePart,
) -> Option<Problem> {
    let TemplatePart::Placeholder(placeholder, place) = part else { return None };
    let outputs = table.outputs.len();
    let (message, help) = match placeholder {
        Placeholder::Output if key == "outputs" => (
            format!("`{placeholder}` cannot stand in `outputs`, which says what it is"),
            "write a path, such as `{outdir}/{stem}.c`".to_owned(),
        ),
        Placeholder::Input | Placeholder::Stem | Placeholder::Name | Placeholder::Dir
            if !table.has_inputs() =>
        {
            (
                format!("`{placeholder}` is about a file of `for-each`, and there is none"),
                format!("add `for-each = \"...\"`; for the characters write `{{{placeholder}}}`"),
            )
        }
        Placeholder::Output if outputs != 1 => (
            format!("`{placeholder}` is the only output, and there are {outputs}"),
            "write the path of one of them".to_owned(),
        ),
        _ => return None,
    };
    Some(Problem::error(message).at(within(text, place.clone())).help(help))
}

/// A part of a text, where the manifest has it as it is: no escapes stand in it.
fn within(text: &Text, part: std::ops::Range<usize>) -> Location {
    let Location { source, span } = &text.at;
    let written = source.text.get(span.clone()).unwrap_or_default();
    let quote = written.find(&text.value).filter(|_| text.value.len() + 6 >= written.len());
    match quote {
        Some(quote) => {
            let start = span.start + quote;
            source.at(start + part.start..start + part.end)
        }
        None => text.at.clone(),
    }
}

fn filled(template: &[TemplatePart], each: Option<&EachInput>, output: &str) -> CommandWord {
    let mut word = CommandWord::default();
    for part in template {
        let placeholder = match part {
            TemplatePart::Text(text) => {
                word.push(text);
                continue;
            }
            TemplatePart::Placeholder(placeholder, _) => *placeholder,
        };
        let input = each.map_or(Utf8Path::new(""), |each| Utf8Path::new(&each.shown));
        match placeholder {
            Placeholder::OutDir => word.push_out_dir(),
            Placeholder::Output => word.push_path(output),
            Placeholder::Input => word.push_path(input.as_str()),
            Placeholder::Stem => word.push(input.file_stem().unwrap_or_default()),
            Placeholder::Name => word.push(input.file_name().unwrap_or_default()),
            Placeholder::Dir => match input.parent() {
                Some(dir) if !dir.as_str().is_empty() => word.push_path(dir.as_str()),
                _ => word.push("."),
            },
        }
    }
    word
}

/// What the commands and `[config]` of a manifest write, absolute or beginning with `$OUT_DIR`. Adds what is wrong
/// with it: each mistake once, however many inputs its table has.
pub(super) fn outputs(
    manifest: &Manifest,
    commands: &[ResolvedCommand],
    problems: &mut Vec<Problem>,
) -> BTreeSet<Utf8PathBuf> {
    let mut outputs: BTreeMap<Utf8PathBuf, &ResolvedCommand> = BTreeMap::new();
    let dir = manifest.source.dir();
    let mut told = BTreeSet::new();
    for command in commands {
        for text in &command.outputs {
            let path = resolve(dir, &text.value);
            let problem = if !in_out_dir(path.as_str()) && !path.starts_with(dir) {
                Problem::error(format!("`{}` lies outside the crate", text.value))
                    .help("write it to `$OUT_DIR` or below the crate's directory")
            } else if let Some(first) = outputs.insert(path, command) {
                match (&first.each, &command.each) {
                    (Some(one), Some(other)) if one != other && first.table == command.table => {
                        Problem::error(format!(
                            "`{}` is written for `{}` and for `{}`",
                            text.value, one.shown, other.shown
                        ))
                        .help("let the outputs of each input differ, by `{stem}`, `{name}` or `{dir}`")
                    }
                    _ => Problem::error(format!("`{}` is written twice", text.value))
                        .help("let one `[[generate]]` command write it"),
                }
            } else {
                continue;
            };
            if told.insert((command.table, text.at.span.start)) {
                problems.push(problem.at(text.at.clone()));
            }
        }
    }
    let mut outputs: BTreeSet<Utf8PathBuf> = outputs.into_keys().collect();
    for table in &manifest.config_headers {
        let Text { value, at } = &table.header;
        if !outputs.insert(Utf8Path::new(OUT_DIR).join(value)) {
            let problem = Problem::error(format!("`$OUT_DIR/{value}` is written twice"));
            problems.push(problem.at(at.clone()).help("give the header another name: `header`"));
        }
    }
    outputs
}

/// Absolute paths that commands write, for others to read.
pub(super) fn visible_outputs(
    manifest: &Manifest,
    commands: &[ResolvedCommand],
) -> impl Iterator<Item = Utf8PathBuf> {
    let dir = manifest.source.dir();
    let texts = commands.iter().flat_map(|command| &command.outputs);
    texts.map(move |text| resolve(dir, &text.value)).filter(|path| !in_out_dir(path.as_str()))
}
