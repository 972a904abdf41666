//! `compile_commands.json` -> the manifest of one crate. It tells how each source is compiled and
//! not what is linked, so that sources that define `main` are programs and the others are the
//! library. Pure: text in, values out.

use super::adopt::{Decision, plain_name};
use super::words::{ImportLanguage, ImportedUnit, merge, sort};
use crate::manifest::{BinDraft, LibDraft, PackageDraft, SourceKind, normalise, source_kind};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tender_protocol::Language;

#[derive(Debug, Deserialize)]
struct CompdbEntry {
    directory: Utf8PathBuf,
    file: Utf8PathBuf,
    command: Option<String>,
    arguments: Option<Vec<String>>,
}

/// The sources of a database, by absolute path, with the words of their commands.
///
/// # Errors
/// It is no database.
pub fn read_compile_commands(
    text: &str,
) -> Result<BTreeMap<Utf8PathBuf, CompiledSource>, serde_json::Error> {
    let entries: Vec<CompdbEntry> = serde_json::from_str(text)?;
    let mut sources = BTreeMap::new();
    for entry in entries {
        let path = normalise(&entry.directory.join(&entry.file));
        let words = match (entry.arguments, &entry.command) {
            (Some(words), _) => words,
            (None, Some(command)) => shlex::split(command).unwrap_or_default(),
            (None, None) => Vec::new(),
        };
        // A source that is compiled twice, for two targets, counts once.
        sources.entry(path).or_insert(CompiledSource { directory: entry.directory, words });
    }
    Ok(sources)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledSource {
    directory: Utf8PathBuf,
    /// The compiler first.
    words: Vec<String>,
}

/// The crate `name` in `dir`, which is absolute. `defines_main` and `is_there` read files.
pub fn of_compile_commands(
    sources: &BTreeMap<Utf8PathBuf, CompiledSource>,
    name: &str,
    dir: &Utf8Path,
    defines_main: &dyn Fn(&Utf8Path) -> bool,
    is_there: &dyn Fn(&Utf8Path) -> bool,
) -> (PackageDraft, Vec<Decision>) {
    let mut decisions = Vec::new();
    let shown = |path: &Utf8Path| match path.strip_prefix(dir) {
        Ok(below) if below.as_str().is_empty() => ".".to_owned(),
        Ok(below) => below.to_string(),
        Err(_) => path.to_string(),
    };
    let mut units: Vec<(Utf8PathBuf, ImportedUnit)> = Vec::new();
    for (path, source) in sources {
        let language = match source_kind(path) {
            Some(SourceKind::Unit(Language::C)) => ImportLanguage::C,
            Some(SourceKind::Unit(Language::Cxx)) => ImportLanguage::Cxx,
            Some(_) => ImportLanguage::Other,
            None => {
                let text = format!("`{path}`: no source that a manifest can name");
                decisions.push(Decision { verb: "Left out", text });
                continue;
            }
        };
        if !is_there(path) {
            let text =
                format!("`{path}`: it is not there; if a command makes it, write `[[generate]]`");
            decisions.push(Decision { verb: "Left out", text });
            continue;
        }
        let mut words = sort(source.words.iter().skip(1).cloned());
        let include =
            words.include.iter().map(|include| normalise(&source.directory.join(include)));
        words.include = include.filter(|dir| is_there(dir)).map(|dir| shown(&dir)).collect();
        units.push((path.clone(), ImportedUnit { path: shown(path), language, words }));
    }
    let mut package = PackageDraft {
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        ..PackageDraft::default()
    };
    let all: Vec<ImportedUnit> = units.iter().map(|(_, unit)| unit.clone()).collect();
    let (settings, unsaid) = merge(&all);
    package.settings = settings;
    for sentence in unsaid {
        decisions.push(Decision { verb: "Left out", text: sentence });
    }
    let (mains, rest): (Vec<_>, Vec<_>) =
        units.into_iter().partition(|(path, _)| defines_main(path));
    if !rest.is_empty() {
        let sources: Vec<String> =
            rest.iter().map(|(_, unit)| globset::escape(&unit.path)).collect();
        let text = format!("`{name}`: {} sources that do not define `main`", sources.len());
        decisions.push(Decision { verb: "Library", text });
        let headers = package
            .settings
            .include
            .iter()
            .filter(|dir| Utf8Path::new(dir).file_name() == Some("include"));
        let headers: Vec<String> = headers.cloned().collect();
        package.settings.include.retain(|dir| !headers.contains(dir));
        package.lib = Some(LibDraft {
            sources: Some(sources),
            headers: Some(headers),
            ..LibDraft::default()
        });
    }
    let mut names = BTreeSet::new();
    for (path, unit) in mains {
        let stem = plain_name(path.file_stem().unwrap_or_default());
        let long = plain_name(Utf8Path::new(&unit.path).with_extension("").as_str());
        let program = if names.contains(&stem) { long } else { stem };
        names.insert(program.clone());
        let text = format!("`{program}`: `{}` defines `main`", unit.path);
        decisions.push(Decision { verb: "Program", text });
        let sources = vec![globset::escape(&unit.path)];
        package.bins.push(BinDraft { name: program, sources, ..BinDraft::default() });
    }
    let text = "which system libraries are linked: the database does not tell; name them in `link`"
        .to_owned();
    decisions.push(Decision { verb: "Unknown", text });
    (package, decisions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ManifestDraft;

    fn crate_of(text: &str) -> (PackageDraft, Vec<Decision>) {
        let sources = read_compile_commands(text).unwrap();
        let main = |path: &Utf8Path| path.as_str().contains("main");
        of_compile_commands(&sources, "zip", "/s".into(), &main, &|path| {
            !path.as_str().contains("gone")
        })
    }

    #[test]
    fn compile_commands_make_a_library_and_programs() {
        let (package, said) = crate_of(
            r#"[{"directory": "/s/b", "file": "../a.c", "command": "cc -I../include -I.. -DA=\\\"x\\\" -Wall -c ../a.c -o a.o"},
                {"directory": "/s/b", "file": "/s/main.c", "arguments": ["cc", "-I../include", "-I..", "-DA=\"x\"", "-Wall", "-c", "main.c"]},
                {"directory": "/s/b", "file": "/s/main.c", "command": "cc -DAGAIN"},
                {"directory": "/s/b", "file": "gone.c", "command": "cc"},
                {"directory": "/s/b", "file": "x.cu", "command": "nvcc"}]"#,
        );
        let text = ManifestDraft { members: None, package: Some(package) }.text();
        assert_eq!(
            text,
            "[package]\nname = \"zip\"\nversion = \"0.1.0\"\ninclude = [\".\"]\ndefines = ['A=\"x\"']\nflags = [\"-Wall\"]\n\n\
             [lib]\nsources = [\"a.c\"]\nheaders = [\"include\"]\n\n[[bin]]\nname = \"main\"\nsources = [\"main.c\"]\n\n[dependencies]\n"
        );
        let said: Vec<&str> = said.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            said[0],
            "`/s/b/gone.c`: it is not there; if a command makes it, write `[[generate]]`"
        );
        assert_eq!(said[1], "`/s/b/x.cu`: no source that a manifest can name");
        assert_eq!(said.len(), 5);
    }

    #[test]
    fn compile_commands_that_are_none_are_refused() {
        for text in ["", "{}", "[1]", "[{\"file\": \"a.c\"}]"] {
            assert!(read_compile_commands(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fuzz_compile_commands() {
        tender_fuzz::check_text("compile_commands", 1_000, |text| {
            if let Ok(sources) = read_compile_commands(text) {
                of_compile_commands(&sources, "zip", "/s".into(), &|_| true, &|_| true);
            }
        });
    }
}
