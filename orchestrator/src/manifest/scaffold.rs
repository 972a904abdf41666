//! `tender new` and `tender init`: writes the first files of a crate. Never changes a file that is
//! there.

use super::MANIFEST_NAME;
use super::pattern::{Glob, source_kind};
use super::value::{ValueError, check_name};
use super::walk::{Dirs, FileKind};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::io::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrateKind {
    Bin,
    Lib,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrateLanguage {
    C,
    Cxx,
}

#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    #[error("{0}")]
    Name(ValueError),
    #[error("the directory `{dir}` is not empty")]
    NotEmpty { dir: Utf8PathBuf },
    #[error("`{path}` exists already")]
    ManifestExists { path: Utf8PathBuf },
    #[error("cannot write `{path}`: {source}")]
    Write { path: Utf8PathBuf, source: std::io::Error },
}

impl ScaffoldError {
    /// What to do, as a sentence without its period.
    pub fn help(&self) -> Option<String> {
        match self {
            ScaffoldError::Name(error) => {
                let rule = error.help.as_deref().unwrap_or_default();
                Some(format!("{rule}; choose another name with `--name`"))
            }
            ScaffoldError::NotEmpty { dir } => {
                Some(format!("to make a crate of what is there run `tender init {dir}`"))
            }
            ScaffoldError::ManifestExists { .. } => {
                Some("this directory is a crate; run `tender build`".to_owned())
            }
            ScaffoldError::Write { .. } => None,
        }
    }
}

/// Makes a crate that builds, in a directory that is new or empty. Returns the files written.
///
/// # Errors
/// A bad name, a directory with something in it, or a file that cannot be written.
pub fn new_crate(
    dir: &Utf8Path,
    name: &str,
    kind: CrateKind,
    language: CrateLanguage,
) -> Result<Vec<Utf8PathBuf>, ScaffoldError> {
    check_name("package name", name).map_err(ScaffoldError::Name)?;
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(ScaffoldError::NotEmpty { dir: dir.to_owned() });
    }
    write_all(dir, &manifest(name, language), &sources(name, kind, language))
}

/// Makes a crate of a directory as it is. Sources that are there are adopted; without any it gets
/// those of `new_crate`.
///
/// # Errors
/// A bad name, a manifest that is there already, or a file that cannot be written.
pub fn init_crate(
    dir: &Utf8Path,
    name: &str,
    kind: CrateKind,
    language: CrateLanguage,
) -> Result<Vec<Utf8PathBuf>, ScaffoldError> {
    check_name("package name", name).map_err(ScaffoldError::Name)?;
    let path = dir.join(MANIFEST_NAME);
    if path.symlink_metadata().is_ok() {
        return Err(ScaffoldError::ManifestExists { path });
    }
    match adopt(dir, name, kind) {
        // The sources that are there were written for the compiler's default standard.
        Some(targets) => {
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n{targets}\n[dependencies]\n"
            );
            write_all(dir, &manifest, &[])
        }
        None => write_all(dir, &manifest(name, language), &sources(name, kind, language)),
    }
}

/// The tables that make targets of the sources in `dir`, empty where the defaults do; None if there
/// are no sources.
fn adopt(dir: &Utf8Path, name: &str, kind: CrateKind) -> Option<String> {
    let found: Vec<Utf8PathBuf> = Dirs::default()
        .find(&Glob::everything_below(dir), FileKind::File)
        .iter()
        .filter_map(|found| found.path().strip_prefix(dir).ok().map(Utf8Path::to_owned))
        .filter(|path| !aside(path))
        .collect();
    let sources: Vec<&Utf8PathBuf> =
        found.iter().filter(|path| source_kind(path).is_some()).collect();
    if sources.is_empty() {
        return None;
    }
    let is_program = |path: &Utf8Path| {
        path.starts_with("src/bin")
            || (path.parent() == Some("src".into()) && path.file_stem() == Some("main"))
    };
    let in_src = sources.iter().any(|path| path.starts_with("src"));
    let patterns: BTreeSet<String> = if in_src {
        BTreeSet::from(["src/**".to_owned()])
    } else {
        sources.iter().map(|path| pattern_of(path)).collect()
    };
    let list = |items: &BTreeSet<String>| {
        let quoted: Vec<String> =
            items.iter().map(|item| toml::Value::from(item.as_str()).to_string()).collect();
        quoted.join(", ")
    };
    Some(match kind {
        CrateKind::Bin if in_src && sources.iter().any(|path| is_program(path)) => String::new(),
        CrateKind::Bin => {
            format!("\n[[bin]]\nname = \"{name}\"\nsources = [{}]\n", list(&patterns))
        }
        CrateKind::Lib => {
            let mut table = String::from("\n[lib]\n");
            if !in_src {
                table += &format!("sources = [{}]\n", list(&patterns));
            }
            if !found.iter().any(|path| path.starts_with("include")) {
                let is_header = |path: &&Utf8PathBuf| {
                    matches!(path.extension(), Some("h" | "hh" | "hpp" | "hxx"))
                };
                let headers: BTreeSet<String> =
                    found.iter().filter(is_header).map(|path| top(path)).collect();
                if !headers.is_empty() {
                    table += &format!("headers = [{}]\n", list(&headers));
                }
            }
            table
        }
    })
}

/// Directories whose sources are seldom part of what is built.
fn aside(path: &Utf8Path) -> bool {
    const ASIDE: [&str; 12] = [
        "target",
        "build",
        "test",
        "tests",
        "example",
        "examples",
        "bench",
        "benches",
        "benchmark",
        "doc",
        "docs",
        "cmake",
    ];
    path.components().count() > 1 && path.iter().next().is_some_and(|first| ASIDE.contains(&first))
}

/// `*.c` for a file at the top, `lib/**` for one below.
fn pattern_of(path: &Utf8Path) -> String {
    match path.components().count() {
        1 => format!("*.{}", path.extension().unwrap_or_default()),
        _ => format!("{}/**", globset::escape(&top(path))),
    }
}

/// The first directory of a relative path.
fn top(path: &Utf8Path) -> String {
    match path.components().count() {
        1 => ".".to_owned(),
        _ => path.iter().next().unwrap_or(".").to_owned(),
    }
}

fn manifest(name: &str, language: CrateLanguage) -> String {
    // The standards with extensions: the strict ones hide POSIX from the system's headers.
    let standard = match language {
        CrateLanguage::C => "c-std = \"gnu17\"",
        CrateLanguage::Cxx => "cxx-std = \"gnu++20\"",
    };
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n{standard}\n\n[dependencies]\n")
}

fn sources(name: &str, kind: CrateKind, language: CrateLanguage) -> Vec<(String, String)> {
    let word = identifier(name);
    // `src/main.*` would be a program.
    let stem = if name == "main" { "lib" } else { name };
    // Headers lie in a directory of the library's name, as a library `math` must not hide <math.h>.
    match (kind, language) {
        (CrateKind::Bin, CrateLanguage::C) => vec![(
            "src/main.c".to_owned(),
            "#include <stdio.h>\n\nint main(void) {\n    puts(\"Hello, world!\");\n    return 0;\n}\n"
                .to_owned(),
        )],
        (CrateKind::Bin, CrateLanguage::Cxx) => vec![(
            "src/main.cpp".to_owned(),
            "#include <iostream>\n\nint main() {\n    std::cout << \"Hello, world!\\n\";\n}\n".to_owned(),
        )],
        (CrateKind::Lib, CrateLanguage::C) => {
            let guard = word.to_uppercase();
            vec![
                (
                    format!("include/{name}/{name}.h"),
                    format!(
                        "#ifndef {guard}_H\n#define {guard}_H\n\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
                         int {word}_add(int left, int right);\n\n#ifdef __cplusplus\n}}\n#endif\n\n#endif\n"
                    ),
                ),
                (
                    format!("src/{stem}.c"),
                    format!(
                        "#include <{name}/{name}.h>\n\nint {word}_add(int left, int right) {{\n    return left + right;\n}}\n"
                    ),
                ),
            ]
        }
        (CrateKind::Lib, CrateLanguage::Cxx) => vec![
            (
                format!("include/{name}/{name}.hpp"),
                format!("#pragma once\n\nnamespace {word}_lib {{\n\nint add(int left, int right);\n\n}}\n"),
            ),
            (
                format!("src/{stem}.cpp"),
                format!(
                    "#include <{name}/{name}.hpp>\n\nint {word}_lib::add(int left, int right) {{\n    return left + right;\n}}\n"
                ),
            ),
        ],
    }
}

/// The name as part of an identifier of C.
fn identifier(name: &str) -> String {
    let word = name.replace('-', "_");
    if word.starts_with(|c: char| c.is_ascii_digit()) { format!("lib{word}") } else { word }
}

/// The manifest is written last: a directory with one is a whole crate.
fn write_all(
    dir: &Utf8Path,
    manifest: &str,
    sources: &[(String, String)],
) -> Result<Vec<Utf8PathBuf>, ScaffoldError> {
    let ignored = (".gitignore", "/target\n/compile_commands.json\n");
    let sources = sources.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    let mut written = Vec::new();
    for (path, text) in sources.chain([ignored]) {
        let path = dir.join(path);
        match create(&path, text) {
            Ok(()) => written.push(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(ScaffoldError::Write { path, source }),
        }
    }
    let path = dir.join(MANIFEST_NAME);
    match create(&path, manifest) {
        Ok(()) => written.push(path),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(ScaffoldError::ManifestExists { path });
        }
        Err(source) => return Err(ScaffoldError::Write { path, source }),
    }
    Ok(written)
}

fn create(path: &Utf8Path, text: &str) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::File::create_new(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Loaded, load};

    fn temporary() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("x")).unwrap();
        std::fs::create_dir(&path).unwrap();
        (dir, path)
    }

    /// Loads without a warning; returns the sources of all targets, relative.
    fn sources_of(dir: &Utf8Path) -> Vec<String> {
        let Loaded { workspace, warnings } = load(&dir.join(MANIFEST_NAME)).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let krate = &workspace.crates[0];
        let lib = krate.lib.iter().map(|lib| &lib.sources);
        let files =
            lib.chain(krate.bins.iter().map(|bin| &bin.sources)).flat_map(|sources| &sources.files);
        files.map(|file| file.strip_prefix(dir).unwrap().to_string()).collect()
    }

    #[test]
    fn scaffold_makes_crates_that_load() {
        let check = |name: &str, kind, language, expect: &[&str]| {
            let (_guard, dir) = temporary();
            let written = new_crate(&dir, name, kind, language).unwrap();
            assert!(written.contains(&dir.join(".gitignore")), "{written:?}");
            assert_eq!(sources_of(&dir), expect);
        };
        check("zip", CrateKind::Bin, CrateLanguage::C, &["src/main.c"]);
        check("zip", CrateKind::Bin, CrateLanguage::Cxx, &["src/main.cpp"]);
        check("a-b", CrateKind::Lib, CrateLanguage::C, &["src/a-b.c"]);
        check("7z", CrateKind::Lib, CrateLanguage::Cxx, &["src/7z.cpp"]);
        check("main", CrateKind::Lib, CrateLanguage::C, &["src/lib.c"]);
    }

    #[test]
    fn scaffold_overwrites_nothing() {
        let (_guard, dir) = temporary();
        std::fs::write(dir.join(".gitignore"), "mine").unwrap();
        let new = new_crate(&dir, "zip", CrateKind::Bin, CrateLanguage::C);
        assert!(matches!(new, Err(ScaffoldError::NotEmpty { .. })));
        init_crate(&dir, "zip", CrateKind::Bin, CrateLanguage::C).unwrap();
        assert_eq!(std::fs::read_to_string(dir.join(".gitignore")).unwrap(), "mine");
        let again = init_crate(&dir, "zip", CrateKind::Bin, CrateLanguage::C);
        assert!(matches!(again, Err(ScaffoldError::ManifestExists { .. })));
        let bad = new_crate(&dir.join("new"), "a b", CrateKind::Bin, CrateLanguage::C);
        assert!(matches!(bad, Err(ScaffoldError::Name(_))));
        assert!(!dir.join("new").exists());
    }

    #[test]
    fn scaffold_adopts_existing_sources() {
        let check = |kind, files: &[&str], expect: &[&str]| {
            let (_guard, dir) = temporary();
            for file in files {
                let path = dir.join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
            }
            init_crate(&dir, "zip", kind, CrateLanguage::C).unwrap();
            assert_eq!(
                sources_of(&dir),
                expect,
                "{}",
                std::fs::read_to_string(dir.join(MANIFEST_NAME)).unwrap()
            );
        };
        check(CrateKind::Bin, &["src/main.c"], &["src/main.c"]);
        check(CrateKind::Bin, &["src/main.c", "src/a.c"], &["src/a.c", "src/main.c"]);
        check(CrateKind::Bin, &["src/prog.c"], &["src/prog.c"]);
        check(CrateKind::Bin, &["a.c", "b.c", "tests/t.c"], &["a.c", "b.c"]);
        check(CrateKind::Lib, &["a.c", "a.h"], &["a.c"]);
        check(
            CrateKind::Lib,
            &["lib/deep/a.cc", "lib/a.h", "common/c.c"],
            &["common/c.c", "lib/deep/a.cc"],
        );
        check(CrateKind::Lib, &["src/a.c", "src/a.h"], &["src/a.c"]);
        check(CrateKind::Lib, &["o'd [d] \"x\"/a.c"], &["o'd [d] \"x\"/a.c"]);
        check(CrateKind::Bin, &["README"], &["src/main.c"]);
    }
}
