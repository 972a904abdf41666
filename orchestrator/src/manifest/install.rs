//! `[install]`: the table as it is written, and the files that it names. Where files go is decided in
//! `crate::install`.

use super::model::{Bin, InstallSettings, InstallSource, Lib};
use super::pattern::{OUT_DIR, Pattern, PatternKind};
use super::problem::{Problem, suggestion};
use super::raw::LibTable;
use super::reader::{Context, Section, Text};
use super::sources::Lists;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;

#[derive(Debug)]
pub(super) struct InstallTable {
    headers: Option<Vec<Text>>,
    include_dir: Option<String>,
    plugin_dir: Option<String>,
    programs: Option<Vec<Text>>,
    libraries: Option<Vec<Text>>,
    man: Option<Vec<Text>>,
    data: Vec<(Text, Vec<Text>)>,
}

pub(super) fn install_table(cx: &Context<'_>, section: &Section<'_, '_>) -> InstallTable {
    let text = |key| section.string(cx, key).map(|text| text.value);
    InstallTable {
        headers: section.strings(cx, "headers"),
        include_dir: text("include-dir"),
        plugin_dir: text("plugin-dir"),
        programs: section.strings(cx, "programs"),
        libraries: section.strings(cx, "libraries"),
        man: section.strings(cx, "man"),
        data: section.lists_by_name(cx, "data"),
    }
}

/// The section of a manual page: `1` of `greet.1`, and of `greet.1.gz`.
pub fn manual_section(path: &Utf8Path) -> Option<&str> {
    let name = path.file_name()?;
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let (stem, section) = name.rsplit_once('.')?;
    let number = section.get(..1)?;
    let is_number = matches!(number.as_bytes(), [b'1'..=b'9']);
    (is_number && !stem.is_empty() && section.len() < 5).then_some(number)
}

impl InstallTable {
    /// `libs`, `bins`: those of the crate; `tables`: also of libraries that features leave out.
    pub fn resolve(
        &self,
        libs: &[Lib],
        bins: &[Bin],
        tables: &[LibTable],
        lists: &mut Lists<'_>,
    ) -> InstallSettings {
        let files = |texts: &Option<Vec<Text>>, lists: &mut Lists<'_>| {
            texts.as_ref().map(|texts| (texts.clone(), lists.inputs(texts, &BTreeSet::new())))
        };
        let headers = files(&self.headers, lists).map(|(texts, paths)| {
            let dirs: Vec<&Utf8PathBuf> = libs.iter().flat_map(|lib| &lib.headers).collect();
            let header = |path: Utf8PathBuf| match below_one(&dirs, &path) {
                Some(below) => Some(InstallSource { below, path }),
                None => {
                    lists.problems.push(outside(&texts, &path));
                    None
                }
            };
            paths.into_iter().filter_map(header).collect()
        });
        let man = files(&self.man, lists).map(|(texts, paths)| {
            for path in paths.iter().filter(|path| manual_section(path).is_none()) {
                let name = path.file_name().unwrap_or_default();
                let problem = Problem::error(format!("`{name}` has no section of the manual"));
                let problem = problem.at(place(&texts, path).at.clone());
                lists.problems.push(problem.help("a page is named so: `greet.1`, `greet_add.3`"));
            }
            paths
        });
        let data = self.data.iter().map(|(dir, texts)| (dir.value.clone(), data(texts, lists)));
        let data = data.collect();
        let declared = tables.iter().filter_map(|table| table.name.as_ref());
        let libraries = libs.iter().map(|lib| lib.name.as_str());
        let libraries: Vec<&str> =
            libraries.chain(declared.map(|name| name.value.as_str())).collect();
        let programs: Vec<&str> = bins.iter().map(|bin| bin.name.as_str()).collect();
        InstallSettings {
            headers,
            include_dir: self.include_dir.clone(),
            plugin_dir: self.plugin_dir.clone(),
            programs: names("program", &self.programs, &programs, lists),
            libraries: names("library", &self.libraries, &libraries, lists),
            man,
            data,
        }
    }
}

/// Files, with the part of their paths behind the certain part of the glob that names them.
fn data(texts: &[Text], lists: &mut Lists<'_>) -> Vec<InstallSource> {
    let paths = lists.inputs(texts, &BTreeSet::new());
    let base = |path: &Utf8Path| {
        let glob = |text: &Text| match parsed(text)? {
            Pattern { exclude: false, place: PatternKind::Glob(glob), .. } => Some(glob),
            _ => None,
        };
        let glob = texts.iter().filter_map(glob).find(|glob| {
            path.strip_prefix(&glob.base).is_ok_and(|below| glob.matches(below.as_str()))
        });
        glob.map(|glob| glob.base)
    };
    let source = |path: Utf8PathBuf| {
        let below =
            base(&path).and_then(|base| path.strip_prefix(base).ok().map(Utf8Path::to_owned));
        let below = below.unwrap_or_else(|| path.file_name().unwrap_or_default().into());
        InstallSource { path, below }
    };
    paths.into_iter().map(source).collect()
}

fn parsed(text: &Text) -> Option<Pattern> {
    Pattern::parse(text.at.source.dir(), &text.value).ok()
}

/// The path of a file below the outermost of these directories, or in the directory of generated
/// files.
fn below_one(dirs: &[&Utf8PathBuf], path: &Utf8Path) -> Option<Utf8PathBuf> {
    let below = dirs.iter().filter_map(|dir| path.strip_prefix(dir).ok());
    let below = below.max_by_key(|below| below.as_str().len());
    below.or_else(|| path.strip_prefix(OUT_DIR).ok()).map(Utf8Path::to_owned)
}

/// The element of a list that names a file.
fn place<'t>(texts: &'t [Text], path: &Utf8Path) -> &'t Text {
    let names = |text: &&Text| {
        parsed(text).is_some_and(|pattern| !pattern.exclude && pattern.matches(path))
    };
    texts.iter().find(names).unwrap_or(&texts[0])
}

fn outside(texts: &[Text], path: &Utf8Path) -> Problem {
    let text = place(texts, path);
    Problem::error(format!("`{path}` is in no public include directory")).at(text.at.clone()).help(
        "public include directories are `headers` of `[lib]`; for other files there is `data`",
    )
}

/// The names of a list, which have to be among those `known`.
fn names(
    what: &str,
    texts: &Option<Vec<Text>>,
    known: &[&str],
    lists: &mut Lists<'_>,
) -> Option<Vec<String>> {
    for text in texts.iter().flatten() {
        if !known.contains(&text.value.as_str()) {
            let shown = text.value.escape_debug();
            let problem = Problem::error(format!("there is no {what} `{shown}` to install"));
            let problem = problem.at(text.at.clone());
            lists.problems.push(match suggestion(&text.value, known.iter().copied()) {
                Some(name) => problem.help(format!("did you mean `{name}`?")),
                None => problem,
            });
        }
    }
    let values = |texts: &Vec<Text>| texts.iter().map(|text| text.value.clone()).collect();
    texts.as_ref().map(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_sections_are_told_by_names() {
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(manual_section(name.into()), expect, "{name}");
        };
        check("man/greet.1", Some("1"));
        check("greet_add.3.gz", Some("3"));
        check("ssl.3ssl", Some("3"));
        check("greet.txt", None);
        check("greet.0", None);
        check(".1", None);
        check("greet", None);
    }
}
