//! A tree of sources -> the manifest of a crate: which of them are its library, which its programs,
//! and which neither. Pure; `survey` reads the tree. Says what it decided, and why.

use super::globs;
use super::includes::{IncludeRoots, SourceTree};
use super::places::{self, PlaceKind};
use crate::manifest::{
    BinDraft, CrateKind, LibDraft, Mention, PackageDraft, SettingsDraft, SourceKind, check_name,
    mention, source_kind,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};

/// A line about what was decided: a verb, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub verb: &'static str,
    pub text: String,
}

#[derive(Clone, Debug)]
pub struct Adoption {
    pub package: PackageDraft,
    pub decisions: Vec<Decision>,
}

impl Adoption {
    /// Whether the crate has a library, rather than programs alone.
    pub fn makes_library(&self) -> bool {
        self.decisions.iter().any(|decision| decision.verb == "Library")
    }
}

/// There are sources, but all of them were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NothingToBuild {
    pub decisions: Vec<Decision>,
}

/// The crate `name` of a tree; None if there is nothing in it that a compiler reads. `kind` is what
/// the user wants; None: the tree decides.
///
/// # Errors
/// Every source is a test, an example or the like.
pub fn adopt(
    tree: &SourceTree,
    name: &str,
    kind: Option<CrateKind>,
    processor: &str,
) -> Result<Option<Adoption>, NothingToBuild> {
    let is_there = |path: &Utf8PathBuf| source_kind(path).is_some() || is_header(path);
    if !tree.files.keys().any(is_there) {
        return Ok(None);
    }
    let sorted = Sorted::of(tree, processor);
    let mut decisions = Vec::new();
    if sorted.sources.is_empty() && sorted.headers.is_empty() {
        sorted.say_left_out(&mut decisions);
        return Err(NothingToBuild { decisions });
    }
    let roots = IncludeRoots::find(tree, &sorted.sources, &sorted.headers);
    let targets = AdoptedTargets::of(tree, &sorted, &roots, name, kind);
    let package = targets.draft(tree, &sorted, &roots, name, &mut decisions);
    sorted.say_left_out(&mut decisions);
    decisions.extend(roots.missing.iter().map(|missing| Decision {
        verb: "Missing",
        text: format!(
            "`{}`, which `{}` includes: a configure step makes it of `{}`; write it, or make it by \
             `[[generate]]`",
            missing.include, missing.by, missing.template
        ),
    }));
    Ok(Some(Adoption { package, decisions }))
}

pub(super) fn is_header(path: &Utf8Path) -> bool {
    matches!(path.extension(), Some("h" | "hh" | "hpp" | "hxx" | "h++" | "inl" | "ipp" | "tcc"))
}

/// Headers of frameworks for tests and benchmarks: what includes them is no part of a library.
const FRAMEWORKS: [&str; 10] = [
    "gtest/",
    "gmock/",
    "catch2/",
    "catch.hpp",
    "doctest/",
    "doctest.h",
    "boost/test/",
    "benchmark/",
    "cmocka.h",
    "CppUTest/",
];

/// The files of a project, and those that are left out of it.
struct Sorted {
    sources: BTreeSet<Utf8PathBuf>,
    headers: BTreeSet<Utf8PathBuf>,
    /// Why, and what: directories where all of one was left out.
    left_out: BTreeMap<Reason, Vec<Utf8PathBuf>>,
    /// Sources that were left out.
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Place(PlaceKind),
    Framework,
    Fuzzer,
    Module,
    Included,
    Prebuilt,
}

impl Reason {
    fn words(self) -> &'static str {
        match self {
            Reason::Place(kind) => kind.words(),
            Reason::Framework => "they include a framework for tests or benchmarks",
            Reason::Fuzzer => "they define the entry of a fuzzer",
            Reason::Module => "modules of C++20, which are compiled in another way",
            Reason::Included => "other sources include them",
            Reason::Prebuilt => "objects and archives of another build",
        }
    }
}

impl Sorted {
    fn of(tree: &SourceTree, processor: &str) -> Sorted {
        let mut sorted = Sorted {
            sources: BTreeSet::new(),
            headers: BTreeSet::new(),
            left_out: BTreeMap::new(),
            count: 0,
        };
        for path in tree.files.keys() {
            let kind = source_kind(path);
            match places::kind_of(path, processor) {
                Some((place, at)) if kind.is_some() => sorted.leave(Reason::Place(place), at),
                Some(_) => {}
                None if kind == Some(SourceKind::Prebuilt) => sorted.leave(Reason::Prebuilt, path),
                None if kind.is_some() => drop(sorted.sources.insert(path.clone())),
                None if is_header(path) => drop(sorted.headers.insert(path.clone())),
                None => {}
            }
        }
        for path in sorted.sources.clone() {
            let Some(facts) = tree.facts(&path) else { continue };
            let reason = if facts.module {
                Some(Reason::Module)
            } else if facts.fuzzer {
                Some(Reason::Fuzzer)
            } else if uses_framework(tree, &path) {
                Some(Reason::Framework)
            } else {
                None
            };
            if let Some(reason) = reason {
                sorted.sources.remove(&path);
                sorted.leave(reason, &path);
            }
        }
        let known: BTreeSet<Utf8PathBuf> = sorted.sources.union(&sorted.headers).cloned().collect();
        for included in tree.included_sources(&known) {
            if sorted.sources.remove(&included) {
                sorted.leave(Reason::Included, &included);
            }
        }
        sorted
    }

    fn leave(&mut self, reason: Reason, at: &Utf8Path) {
        self.count += 1;
        let places = self.left_out.entry(reason).or_default();
        if places.last().is_none_or(|last| last != at) {
            places.push(at.to_owned());
        }
    }

    fn say_left_out(&self, decisions: &mut Vec<Decision>) {
        for (reason, places) in &self.left_out {
            let text = format!("{}: {}", shown(places), reason.words());
            decisions.push(Decision { verb: "Left out", text });
        }
    }
}

/// Directly, or by a header beside it or of its project.
fn uses_framework(tree: &SourceTree, path: &Utf8Path) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let Some(facts) = tree.facts(&path) else { continue };
        for include in &facts.includes {
            // A project with a header of that name is the framework itself.
            match tree.resolve(&path, include) {
                Some(found) => waiting.push(found),
                None if FRAMEWORKS.iter().any(|name| include.path.starts_with(name)) => {
                    return true;
                }
                None => {}
            }
        }
    }
    false
}

/// At most this many names stand in a line.
const MOST_NAMES: usize = 4;

fn shown(paths: &[Utf8PathBuf]) -> String {
    let names: Vec<String> =
        paths.iter().take(MOST_NAMES).map(|path| format!("`{path}`")).collect();
    match paths.len().saturating_sub(MOST_NAMES) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// What a crate is going to make.
struct AdoptedTargets {
    /// Absent if there is nothing that several programs share, and no public headers.
    lib: Option<BTreeSet<Utf8PathBuf>>,
    bins: Vec<(String, BTreeSet<Utf8PathBuf>)>,
    /// The sources that define `main`.
    mains: Vec<Utf8PathBuf>,
}

impl AdoptedTargets {
    fn of(
        tree: &SourceTree,
        sorted: &Sorted,
        roots: &IncludeRoots,
        name: &str,
        kind: Option<CrateKind>,
    ) -> AdoptedTargets {
        let defines_main = |path: &&Utf8PathBuf| {
            tree.facts(path).is_some_and(|facts| facts.main) || is_default_main(path)
        };
        let mains: Vec<Utf8PathBuf> = sorted.sources.iter().filter(defines_main).cloned().collect();
        // What lies in `src/bin` is programs, whatever it defines.
        let in_bin = |path: &&Utf8PathBuf| path.starts_with("src/bin");
        let has_public_headers = roots.has_include_directory;
        let is_program = match kind {
            Some(CrateKind::Bin) => mains.len() <= 1,
            Some(CrateKind::Lib) => false,
            None => mains.len() == 1 && !has_public_headers,
        };
        if is_program && !mains.iter().any(|path| is_default_main(path)) {
            let all = sorted.sources.clone();
            return AdoptedTargets { lib: None, bins: vec![(name.to_owned(), all)], mains };
        }
        let mut rest: BTreeSet<Utf8PathBuf> = sorted
            .sources
            .iter()
            .filter(|path| !mains.contains(path) && !in_bin(path))
            .cloned()
            .collect();
        let mut bins: Vec<(String, BTreeSet<Utf8PathBuf>)> = Vec::new();
        for main in &mains {
            let mut sources = BTreeSet::from([main.clone()]);
            if !is_default_main(main) && !main.starts_with("src/bin") {
                sources.extend(companions(main, &mains, &rest));
                rest.retain(|path| !sources.contains(path));
            }
            let taken: Vec<&str> = bins.iter().map(|(name, _)| name.as_str()).collect();
            bins.push((program_name(main, name, &taken), sources));
        }
        let has_lib = !rest.is_empty()
            || !sorted.headers.is_empty() && (bins.is_empty() || has_public_headers);
        AdoptedTargets { lib: has_lib.then_some(rest), bins, mains }
    }

    fn draft(
        &self,
        tree: &SourceTree,
        sorted: &Sorted,
        roots: &IncludeRoots,
        name: &str,
        decisions: &mut Vec<Decision>,
    ) -> PackageDraft {
        let all: BTreeSet<Utf8PathBuf> =
            tree.files.keys().filter(|path| source_kind(path).is_some()).cloned().collect();
        let mut package = PackageDraft {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            ..PackageDraft::default()
        };
        let mut named: BTreeSet<&Utf8PathBuf> = BTreeSet::new();
        let mut sayings = Vec::new();
        for (program, sources) in &self.bins {
            let main = sources.iter().find(|path| self.mains.contains(path));
            let why = match main {
                Some(main) if sources.len() == 1 => format!("`{main}` defines `main`"),
                Some(main) => format!("{}; `{main}` defines `main`", counted(sources.len())),
                None => format!("{}, though none of them defines `main`", counted(sources.len())),
            };
            sayings.push(Decision { verb: "Program", text: format!("`{program}`: {why}") });
            if main.is_some_and(|main| is_default_program(main, program, name))
                && sources.len() == 1
            {
                continue;
            }
            named.extend(sources);
            let sources = patterns(sources, &all);
            package.bins.push(BinDraft {
                name: program.clone(),
                sources,
                settings: SettingsDraft::default(),
            });
        }
        let public = match &self.lib {
            Some(_) => roots.public(&sorted.headers),
            None => Vec::new(),
        };
        if let Some(sources) = &self.lib {
            let text = match (sources.len(), self.mains.len()) {
                (0, _) => format!("`{name}`: headers alone, as there are no sources for it"),
                (count, 0) => format!("`{name}`: {}; none of them defines `main`", counted(count)),
                (1, _) => format!("`{name}`: 1 source, which does not define `main`"),
                (count, _) => format!("`{name}`: {count} sources that do not define `main`"),
            };
            decisions.push(Decision { verb: "Library", text });
            let by_default: BTreeSet<Utf8PathBuf> = all
                .iter()
                .filter(|path| path.starts_with("src") && !path.starts_with("src/bin"))
                .filter(|path| !is_default_main_name(path) && !named.contains(path))
                .cloned()
                .collect();
            let is_default = *sources == by_default;
            let lib = LibDraft {
                sources: (!is_default).then(|| patterns(sources, &all)),
                headers: (public != ["include"]).then(|| public.clone()),
                ..LibDraft::default()
            };
            if lib != LibDraft::default() || sources.is_empty() {
                let sources = lib.sources.filter(|sources| !sources.is_empty());
                package.lib = Some(LibDraft { sources, ..lib });
            }
            if !public.is_empty() {
                let why = roots.why_public(&public);
                let dirs =
                    public.iter().map(|dir| format!("`{dir}`")).collect::<Vec<_>>().join(", ");
                decisions
                    .push(Decision { verb: "Headers", text: format!("{dirs}, public: {why}") });
            }
        }
        decisions.append(&mut sayings);
        for (dir, example) in &roots.needed {
            if !public.contains(&dir.to_string()) {
                package.settings.include.push(dir.to_string());
                let text = format!("`{dir}`: `{}` includes `{}`", example.by, example.include);
                decisions.push(Decision { verb: "Include", text });
            }
        }
        package
    }
}

/// The globs of some of all sources. Files whose names end as those of tests do are excluded by that
/// ending, wherever they are.
fn patterns(sources: &BTreeSet<Utf8PathBuf>, all: &BTreeSet<Utf8PathBuf>) -> Vec<String> {
    let (by_ending, others): (Vec<&Utf8PathBuf>, Vec<&Utf8PathBuf>) =
        all.iter().partition(|path| !sources.contains(*path) && places::ending(path).is_some());
    let mut patterns = globs::shortest(sources, &others.into_iter().cloned().collect());
    for path in by_ending {
        if mention(Utf8Path::new("/"), &patterns, path.as_str()) == Mention::Included {
            let ending = places::ending(path).unwrap_or_default();
            let extension = path.extension().unwrap_or_default();
            patterns.push(format!("!**/*{ending}.{}", globset::escape(extension)));
        }
    }
    patterns
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 source".to_owned(),
        count => format!("{count} sources"),
    }
}

/// `src/main.*` is a program without being named.
fn is_default_main(path: &Utf8Path) -> bool {
    is_default_main_name(path) && source_kind(path).is_some()
}

fn is_default_main_name(path: &Utf8Path) -> bool {
    path.parent() == Some(Utf8Path::new("src"))
        && path.file_name().is_some_and(|name| name.starts_with("main."))
}

fn is_default_program(main: &Utf8Path, program: &str, package: &str) -> bool {
    let in_bin = main.parent() == Some(Utf8Path::new("src/bin"));
    (is_default_main(main) && program == package) || (in_bin && main.file_stem() == Some(program))
}

/// The sources beside a `main.*` in a directory of its own belong to its program.
fn companions(
    main: &Utf8Path,
    mains: &[Utf8PathBuf],
    rest: &BTreeSet<Utf8PathBuf>,
) -> Vec<Utf8PathBuf> {
    let dir = main.parent().unwrap_or(Utf8Path::new(""));
    let is_own = main.file_stem() == Some("main")
        && !dir.as_str().is_empty()
        && dir != "src"
        && mains.iter().filter(|other| other.starts_with(dir)).count() == 1
        && rest.iter().any(|path| !path.starts_with(dir));
    rest.iter().filter(|path| is_own && path.starts_with(dir)).cloned().collect()
}

/// A program is named after its file, or after its directory where that tells more.
fn program_name(main: &Utf8Path, package: &str, taken: &[&str]) -> String {
    if is_default_main(main) {
        return package.to_owned();
    }
    let stem = main.file_stem().unwrap_or_default();
    let dir = main.parent().and_then(Utf8Path::file_name).unwrap_or_default();
    let names = match stem {
        "main" if dir.is_empty() => vec![package.to_owned()],
        "main" => vec![dir.to_owned()],
        stem => vec![stem.to_owned(), format!("{dir}-{stem}")],
    };
    let plain = names.into_iter().map(|name| plain_name(&name));
    let mut free = plain.filter(|name| !taken.contains(&name.as_str()));
    free.next().unwrap_or_else(|| plain_name(main.with_extension("").as_str()))
}

/// The name of a project by that of its directory, of which a version is cut off where it cannot
/// stand in a name: `zlib` for `zlib-1.3.1`.
pub fn name_of_directory(directory: &str) -> String {
    if check_name("name", directory).is_ok() {
        return directory.to_owned();
    }
    let start = directory.split('.').next().unwrap_or_default();
    let is_of_version = |c: char| c.is_ascii_digit() || matches!(c, '-' | '_');
    match start.len() < directory.len() {
        true => plain_name(start.trim_end_matches(is_of_version)),
        false => plain_name(directory),
    }
}

/// A name that a package or program may have, as near as may be.
pub(super) fn plain_name(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = text.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    let name = name.trim_matches('-').to_owned();
    match check_name("name", &name) {
        Ok(()) => name,
        Err(_) => "unnamed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn adopted(files: &[(&str, &str)], kind: Option<CrateKind>) -> (String, Vec<String>) {
        let tree = SourceTree::of_texts(files);
        let adoption = adopt(&tree, "zip", kind, "x86_64").unwrap().unwrap();
        let said = adoption.decisions.iter().map(|line| format!("{} {}", line.verb, line.text));
        let draft =
            crate::manifest::ManifestDraft { members: None, package: Some(adoption.package) };
        let text = draft.text();
        let head = "[package]\nname = \"zip\"\nversion = \"0.1.0\"\n";
        let text = text.strip_prefix(head).unwrap().strip_suffix("\n[dependencies]\n").unwrap();
        (text.to_owned(), said.collect())
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], expect: &str, said: &[&str]) {
        let (text, lines) = adopted(files, None);
        assert_eq!(text, expect);
        assert_eq!(lines, said);
    }

    const MAIN: &str = "int main(void) { return 0; }";

    #[test]
    fn adopt_makes_a_library_of_what_has_no_main() {
        check(
            &[
                ("zip.h", ""),
                ("a.c", "#include \"zip.h\""),
                ("b.c", ""),
                ("test/t.c", MAIN),
                ("win32/w.c", ""),
            ],
            "\n[lib]\nsources = [\"*.c\"]\nheaders = [\".\"]\n",
            &[
                "Library `zip`: 2 sources; none of them defines `main`",
                "Headers `.`, public: headers lie beside the sources",
                "Left out `test`: tests",
                "Left out `win32`: for other platforms",
            ],
        );
        check(
            &[("include/zip/zip.h", ""), ("src/a.c", "#include <zip/zip.h>")],
            "",
            &[
                "Library `zip`: 1 source; none of them defines `main`",
                "Headers `include`, public: a directory of that name is for users",
            ],
        );
        check(
            &[("src/zip/a.c", "#include \"zip/a.h\""), ("src/zip/a.h", "")],
            "\n[lib]\nheaders = [\"src\"]\n",
            &[
                "Library `zip`: 1 source; none of them defines `main`",
                "Headers `src`, public: `src/zip/a.c` includes `zip/a.h`",
            ],
        );
    }

    #[test]
    fn adopt_makes_programs_of_what_has_main() {
        check(
            &[("src/main.c", MAIN), ("src/a.c", ""), ("src/a.h", "")],
            "\n[lib]\nheaders = [\"src\"]\n",
            &[
                "Library `zip`: 1 source, which does not define `main`",
                "Headers `src`, public: headers lie beside the sources",
                "Program `zip`: `src/main.c` defines `main`",
            ],
        );
        check(
            &[("zip.c", MAIN), ("a.c", ""), ("a.h", "")],
            "\n[[bin]]\nname = \"zip\"\nsources = [\"*.c\"]\n",
            &["Program `zip`: 2 sources; `zip.c` defines `main`"],
        );
        check(
            &[
                ("include/zip.h", ""),
                ("db/tool.c", MAIN),
                ("db/a.c", "#include \"db/a.h\"\n#include <zip.h>"),
                ("db/a.h", ""),
            ],
            "include = [\".\"]\n\n[lib]\nsources = [\"db/a.c\"]\n\n[[bin]]\nname = \"tool\"\nsources = [\"db/tool.c\"]\n",
            &[
                "Library `zip`: 1 source, which does not define `main`",
                "Headers `include`, public: a directory of that name is for users",
                "Program `tool`: `db/tool.c` defines `main`",
                "Include `.`: `db/a.c` includes `db/a.h`",
            ],
        );
        check(
            &[("lib/a.c", ""), ("cmd/one/main.c", MAIN), ("cmd/one/x.c", ""), ("cmd/two.c", MAIN)],
            "\n[lib]\nsources = [\"lib/a.c\"]\nheaders = []\n\n[[bin]]\nname = \"one\"\nsources = [\"cmd/one/**\"]\n\n\
             [[bin]]\nname = \"two\"\nsources = [\"cmd/two.c\"]\n",
            &[
                "Library `zip`: 1 source, which does not define `main`",
                "Program `one`: 2 sources; `cmd/one/main.c` defines `main`",
                "Program `two`: `cmd/two.c` defines `main`",
            ],
        );
    }

    #[test]
    fn adopt_makes_what_is_asked_for() {
        let files = [("a.c", MAIN), ("b.c", ""), ("b.h", "")];
        let (lib, _) = adopted(&files, Some(CrateKind::Lib));
        assert_eq!(
            lib,
            "\n[lib]\nsources = [\"b.c\"]\nheaders = [\".\"]\n\n[[bin]]\nname = \"a\"\nsources = [\"a.c\"]\n"
        );
        let (bin, said) =
            adopted(&[("include/zip.h", ""), ("b.c", "#include <zip.h>")], Some(CrateKind::Bin));
        assert_eq!(
            bin,
            "include = [\"include\"]\n\n[[bin]]\nname = \"zip\"\nsources = [\"b.c\"]\n"
        );
        assert_eq!(said[0], "Program `zip`: 1 source, though none of them defines `main`");
    }

    #[test]
    fn adopt_leaves_out_what_is_no_part() {
        let (text, said) = adopted(
            &[
                ("include/zip.h", ""),
                ("src/a.cc", "#include \"impl.c\""),
                ("src/impl.c", ""),
                ("src/module.cc", "export module zip;"),
                ("src/check.cc", "#include \"util.h\""),
                ("src/util.h", "#include <gtest/gtest.h>"),
                ("src/entry.cc", "int LLVMFuzzerTestOneInput(const char *d, int n) {}"),
                ("src/old.o", ""),
            ],
            None,
        );
        assert_eq!(text, "\n[lib]\nsources = [\"src/a.cc\"]\n");
        assert_eq!(
            said[2..],
            [
                "Left out `src/check.cc`: they include a framework for tests or benchmarks",
                "Left out `src/entry.cc`: they define the entry of a fuzzer",
                "Left out `src/module.cc`: modules of C++20, which are compiled in another way",
                "Left out `src/impl.c`: other sources include them",
                "Left out `src/old.o`: objects and archives of another build",
            ]
        );
    }

    #[test]
    fn adopt_excludes_tests_by_the_ending_of_their_names() {
        let (text, _) = adopted(
            &[
                ("a.c", ""),
                ("b.c", ""),
                ("a_test.c", ""),
                ("b_test.c", ""),
                ("db/c.c", ""),
                ("db/d.c", ""),
                ("db/c_test.c", ""),
                ("x_bench.cc", ""),
            ],
            Some(CrateKind::Lib),
        );
        assert_eq!(
            text,
            "\n[lib]\nsources = [\"*.c\", \"db/**\", \"!**/*_test.c\"]\nheaders = []\n"
        );
    }

    #[test]
    fn adopt_keeps_sources_that_only_a_module_includes() {
        let (text, _) = adopted(
            &[
                ("include/zip.h", ""),
                ("src/zip.cc", "export module zip;\n#include \"a.cc\""),
                ("src/a.cc", ""),
                ("src/b.cc", ""),
            ],
            None,
        );
        assert_eq!(text, "\n[lib]\nsources = [\"src/**\", \"!src/zip.cc\"]\n");
    }

    #[test]
    fn adopt_tells_which_headers_a_configure_step_makes() {
        let (_, said) = adopted(
            &[("src/a.c", "#include \"config.h\"\n#include \"other.h\""), ("config.h.in", "")],
            None,
        );
        assert_eq!(
            said.last().unwrap(),
            "Missing `config.h`, which `src/a.c` includes: a configure step makes it of `config.h.in`; write it, or \
             make it by `[[generate]]`"
        );
    }

    #[test]
    fn adopt_makes_a_library_of_headers_alone() {
        check(
            &[("include/zip.hpp", ""), ("tests/t.cpp", "")],
            "\n[lib]\n",
            &[
                "Library `zip`: headers alone, as there are no sources for it",
                "Headers `include`, public: a directory of that name is for users",
                "Left out `tests`: tests",
            ],
        );
    }

    #[test]
    fn adopt_finds_nothing_where_nothing_is() {
        let none = adopt(&SourceTree::of_texts(&[("README", "")]), "zip", None, "x86_64");
        assert!(none.unwrap().is_none());
        let nothing = adopt(&SourceTree::of_texts(&[("tests/a.c", MAIN)]), "zip", None, "x86_64");
        assert_eq!(nothing.unwrap_err().decisions[0].text, "`tests`: tests");
    }

    #[test]
    fn names_of_directories_lose_their_version() {
        let check = |name: &str, expect: &str| assert_eq!(name_of_directory(name), expect);
        check("zlib", "zlib");
        check("zlib-1", "zlib-1");
        check("zlib-1.3.1", "zlib");
        check("libpng1.6", "libpng");
        check("a b", "a-b");
        check(".hidden", "unnamed");
    }

    #[test]
    fn adopt_names_programs_apart() {
        let check = |path: &str, taken: &[&str], expect: &str| {
            assert_eq!(program_name(path.into(), "zip", taken), expect, "{path}");
        };
        check("src/main.c", &[], "zip");
        check("main.c", &[], "zip");
        check("tools/a/main.c", &[], "a");
        check("tools/a b.c", &[], "a-b");
        check("x/run.c", &["run"], "x-run");
        check("x/y/run.c", &["run", "y-run"], "x-y-run");
    }
}
