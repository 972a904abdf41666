//! `tender new` and `tender init`: writes the first files of a crate. Of the files that are there
//! only the root manifest of a workspace changes, which the crate joins (`join`).

use super::MANIFEST_NAME;
use super::draft::{ManifestDraft, PackageDraft};
use super::join::Joining;
use super::value::{ValueError, check_name};
use camino::{Utf8Path, Utf8PathBuf};
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
    #[error("cannot tell where `{path}` is")]
    Place { path: Utf8PathBuf },
    #[error("the crate cannot join the workspace in `{path}`: {why}")]
    Root { path: Utf8PathBuf, why: String },
    #[error("the crate is made, but `{path}` cannot be written: {source}")]
    Join { path: Utf8PathBuf, source: std::io::Error },
}

/// What was done.
#[derive(Debug)]
pub struct Scaffolded {
    pub written: Vec<Utf8PathBuf>,
    /// The root manifest that has got the crate as a member.
    pub joined: Option<Utf8PathBuf>,
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
            ScaffoldError::Root { .. } => {
                Some("mend that manifest, or put the directory into its `exclude`".to_owned())
            }
            ScaffoldError::Join { .. } => Some("add the crate to its `members` by hand".to_owned()),
            ScaffoldError::Write { .. } | ScaffoldError::Place { .. } => None,
        }
    }
}

/// Makes a crate that builds, in a directory that is new or empty, and a member of the workspace
/// above it.
///
/// # Errors
/// A bad name, a directory with something in it, or a file that cannot be read or written.
pub fn new_crate(
    dir: &Utf8Path,
    name: &str,
    kind: CrateKind,
    language: CrateLanguage,
) -> Result<Scaffolded, ScaffoldError> {
    check_name("package name", name).map_err(ScaffoldError::Name)?;
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(ScaffoldError::NotEmpty { dir: dir.to_owned() });
    }
    let workspace = Joining::plan(dir)?;
    let manifest = manifest(name, language, workspace.as_ref());
    write_all(dir, &manifest, &sources(name, kind, language), workspace.as_ref())
}

/// Makes a crate that builds in a directory without sources, and a member of the workspace above
/// it.
///
/// # Errors
/// A bad name, a manifest that is there already, or a file that cannot be read or written.
pub fn init_crate(
    dir: &Utf8Path,
    name: &str,
    kind: CrateKind,
    language: CrateLanguage,
) -> Result<Scaffolded, ScaffoldError> {
    let workspace = prepare(dir, name)?;
    let manifest = manifest(name, language, workspace.as_ref());
    write_all(dir, &manifest, &sources(name, kind, language), workspace.as_ref())
}

/// Makes a crate of a directory and the sources in it, and a member of the workspace above it.
///
/// # Errors
/// A bad name, a manifest that is there already, or a file that cannot be read or written.
pub fn adopt_crate(dir: &Utf8Path, package: PackageDraft) -> Result<Scaffolded, ScaffoldError> {
    let workspace = prepare(dir, &package.name)?;
    let draft = ManifestDraft { members: None, package: Some(package) };
    write_all(dir, &draft.text(), &[], workspace.as_ref())
}

/// Writes the manifests of a workspace whose root is `root`, each into its directory, the root's
/// last. If one is there already nothing is written.
///
/// # Errors
/// A manifest that is there, or a file that cannot be written; then those that were are removed.
pub fn write_manifests(
    root: &Utf8Path,
    manifests: &[(Utf8PathBuf, ManifestDraft)],
) -> Result<Vec<Utf8PathBuf>, ScaffoldError> {
    let mut files: Vec<(Utf8PathBuf, String)> =
        manifests.iter().map(|(dir, draft)| (dir.join(MANIFEST_NAME), draft.text())).collect();
    files.sort_by_key(|(path, _)| (path.parent() == Some(root), path.clone()));
    if let Some((path, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        return Err(ScaffoldError::ManifestExists { path: path.clone() });
    }
    let mut written: Vec<Utf8PathBuf> = Vec::new();
    for (path, text) in files {
        if let Err(source) = create(&path, &text) {
            for path in &written {
                let _ = std::fs::remove_file(path);
            }
            return Err(ScaffoldError::Write { path, source });
        }
        written.push(path);
    }
    // An ignore file of the user's own stays as it is.
    if create(&root.join(".gitignore"), IGNORED).is_ok() {
        written.push(root.join(".gitignore"));
    }
    Ok(written)
}

const IGNORED: &str = "/target\n/compile_commands.json\n";

fn prepare(dir: &Utf8Path, name: &str) -> Result<Option<Joining>, ScaffoldError> {
    check_name("package name", name).map_err(ScaffoldError::Name)?;
    let path = dir.join(MANIFEST_NAME);
    if path.symlink_metadata().is_ok() {
        return Err(ScaffoldError::ManifestExists { path });
    }
    Joining::plan(dir)
}

/// What `[workspace.package]` has is taken from there.
fn manifest(name: &str, language: CrateLanguage, workspace: Option<&Joining>) -> String {
    let line = |key: &str, value: &str| match workspace.is_some_and(|joining| joining.shares(key)) {
        true => format!("{key}.workspace = true"),
        false => format!("{key} = \"{value}\""),
    };
    let version = line("version", "0.1.0");
    // The standards with extensions: the strict ones hide POSIX from the system's headers.
    let standard = match language {
        CrateLanguage::C => line("c-std", "gnu17"),
        CrateLanguage::Cxx => line("cxx-std", "gnu++20"),
    };
    format!("[package]\nname = \"{name}\"\n{version}\n{standard}\n\n[dependencies]\n")
}

fn sources(name: &str, kind: CrateKind, language: CrateLanguage) -> Vec<(String, String)> {
    let word = identifier(name);
    // A suffix, because `time`, `index` and `new` are no names of namespaces.
    let space = if word.ends_with("_lib") { word.clone() } else { format!("{word}_lib") };
    // `src/main.*` would be a program.
    let stem = if name == "main" { "lib" } else { name };
    // Headers lie in a directory of the library's name, as a library `math` must not hide <math.h>.
    // As LLVM's style has it, which `tender fmt` takes where there is no `.clang-format`.
    match (kind, language) {
        (CrateKind::Bin, CrateLanguage::C) => vec![
            (
                "src/main.c".to_owned(),
                "#include <stdio.h>\n\nint main(void) {\n  puts(\"Hello, world!\");\n  return 0;\n}\n"
                    .to_owned(),
            ),
            (
                "tests/runs.c".to_owned(),
                format!(
                    "#include <stdio.h>\n#include <stdlib.h>\n\nint main(void) {{\n  \
                     const char *dir = getenv(\"TENDER_BIN_DIR\");\n  char command[4096];\n  \
                     snprintf(command, sizeof command, \"'%s/{name}'\", dir ? dir : \".\");\n  \
                     return system(command) == 0 ? 0 : 1;\n}}\n"
                ),
            ),
        ],
        (CrateKind::Bin, CrateLanguage::Cxx) => vec![
            (
                "src/main.cpp".to_owned(),
                "#include <iostream>\n\nint main() {\n  std::cout << \"Hello, world!\\n\";\n  return 0;\n}\n"
                    .to_owned(),
            ),
            (
                "tests/runs.cpp".to_owned(),
                format!(
                    "#include <cstdlib>\n#include <string>\n\nint main() {{\n  \
                     const char *dir = std::getenv(\"TENDER_BIN_DIR\");\n  \
                     const std::string program = std::string(dir ? dir : \".\") + \"/{name}\";\n  \
                     return std::system((\"'\" + program + \"'\").c_str()) == 0 ? 0 : 1;\n}}\n"
                ),
            ),
        ],
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
                        "#include <{name}/{name}.h>\n\n{}",
                        function(&format!("int {word}_add(int left, int right)"), SUM)
                    ),
                ),
                (
                    "tests/add.c".to_owned(),
                    format!(
                        "#include <{name}/{name}.h>\n\n{}",
                        function("int main(void)", &format!("return {word}_add(2, 2) == 4 ? 0 : 1;"))
                    ),
                ),
            ]
        }
        (CrateKind::Lib, CrateLanguage::Cxx) => vec![
            (
                format!("include/{name}/{name}.hpp"),
                format!("#pragma once\n\nnamespace {space} {{\n\nint add(int left, int right);\n\n}} // namespace {space}\n"),
            ),
            (
                format!("src/{stem}.cpp"),
                format!(
                    "#include <{name}/{name}.hpp>\n\n{}",
                    function(&format!("int {space}::add(int left, int right)"), SUM)
                ),
            ),
            (
                "tests/add.cpp".to_owned(),
                format!(
                    "#include <{name}/{name}.hpp>\n\n{}",
                    function("int main()", &format!("return {space}::add(2, 2) == 4 ? 0 : 1;"))
                ),
            ),
        ],
    }
}

const SUM: &str = "return left + right;";

/// A function of one statement, on one line if it fits.
fn function(head: &str, statement: &str) -> String {
    let line = format!("{head} {{ {statement} }}\n");
    if line.len() <= 81 { line } else { format!("{head} {{\n  {statement}\n}}\n") }
}

/// The name as part of an identifier of C.
fn identifier(name: &str) -> String {
    let word = name.replace('-', "_");
    if word.starts_with(|c: char| c.is_ascii_digit()) { format!("lib{word}") } else { word }
}

/// The manifest is written last, as a directory with one is a whole crate; then the crate joins its
/// workspace, whose outputs lie beside the root manifest.
fn write_all(
    dir: &Utf8Path,
    manifest: &str,
    sources: &[(String, String)],
    workspace: Option<&Joining>,
) -> Result<Scaffolded, ScaffoldError> {
    let root = workspace.and_then(|joining| joining.root.parent()).unwrap_or(dir);
    let sources = sources.iter().map(|(path, text)| (dir.join(path), text.as_str()));
    let ignored = (root.join(".gitignore"), IGNORED);
    let mut written = Vec::new();
    for (path, text) in sources.chain([ignored]) {
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
    let joined = match workspace {
        Some(joining) if joining.write()? => Some(joining.root.clone()),
        _ => None,
    };
    Ok(Scaffolded { written, joined })
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
        let Loaded { workspace, warnings, .. } = load(&dir.join(MANIFEST_NAME)).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let krate = &workspace.crates[0];
        let lib = krate.libs.iter().map(|lib| &lib.sources);
        let files =
            lib.chain(krate.bins.iter().map(|bin| &bin.sources)).flat_map(|sources| &sources.files);
        files.map(|file| file.strip_prefix(dir).unwrap().to_string()).collect()
    }

    #[test]
    fn scaffold_makes_crates_that_load() {
        let check = |name: &str, kind, language, expect: &[&str]| {
            let (_guard, dir) = temporary();
            let written = new_crate(&dir, name, kind, language).unwrap().written;
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
    fn scaffold_writes_all_manifests_or_none() {
        let (_guard, root) = temporary();
        let draft = |name: &str| {
            let package =
                PackageDraft { name: name.into(), version: "1".into(), ..PackageDraft::default() };
            ManifestDraft { members: None, package: Some(package) }
        };
        let manifests = [(root.clone(), draft("a")), (root.join("b/c"), draft("c"))];
        std::fs::write(root.join("file"), "").unwrap();
        let blocked = [manifests[1].clone(), (root.join("file/d"), draft("d"))];
        assert!(matches!(write_manifests(&root, &blocked), Err(ScaffoldError::Write { .. })));
        assert!(!root.join("b/c/Tender.toml").exists() && !root.join(".gitignore").exists());
        let written = write_manifests(&root, &manifests).unwrap();
        assert_eq!(
            written,
            ["b/c/Tender.toml", "Tender.toml", ".gitignore"].map(|path| root.join(path))
        );
        let again = [(root.join("new"), draft("n")), manifests[1].clone()];
        assert!(matches!(
            write_manifests(&root, &again),
            Err(ScaffoldError::ManifestExists { .. })
        ));
        assert!(!root.join("new").exists());
    }

    #[test]
    fn scaffold_joins_the_workspace_above() {
        let (_guard, root) = temporary();
        let write = |text: &str| std::fs::write(root.join(MANIFEST_NAME), text).unwrap();
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        let new = |name: &str| {
            new_crate(
                &root.join(name),
                name.rsplit('/').next().unwrap(),
                CrateKind::Bin,
                CrateLanguage::C,
            )
        };
        write("[workspace]\nexclude = [\"out\"]\n");
        let done = new("app").unwrap();
        assert_eq!(done.joined, Some(root.join(MANIFEST_NAME)));
        assert_eq!(read(MANIFEST_NAME), "[workspace]\nexclude = [\"out\"]\nmembers = [\"app\"]\n");
        assert_eq!(read(".gitignore"), "/target\n/compile_commands.json\n");
        assert!(!root.join("app/.gitignore").exists());
        assert_eq!(load(&root.join(MANIFEST_NAME)).unwrap().workspace.crates[0].name, "app");

        assert_eq!(new("out/side").unwrap().joined, None, "it is excluded");
        write(
            "[workspace]\nmembers = [\"app\", \"crates/*\"]\n[workspace.package]\nversion = \"2\"\n",
        );
        assert_eq!(new("crates/one").unwrap().joined, None, "a glob has it");
        assert!(read("crates/one/Tender.toml").contains("\nversion.workspace = true\nc-std = "));
        std::fs::write(root.join("app/.gitignore"), "mine").unwrap();
        std::fs::create_dir_all(root.join("old")).unwrap();
        init_crate(&root.join("old"), "old", CrateKind::Bin, CrateLanguage::C).unwrap();
        assert!(
            read(MANIFEST_NAME)
                .starts_with("[workspace]\nmembers = [\"app\", \"crates/*\", \"old\"]\n")
        );
        let Loaded { workspace, warnings, .. } = load(&root.join(MANIFEST_NAME)).unwrap();
        assert_eq!((workspace.crates.len(), warnings.len()), (3, 0));
    }

    #[test]
    fn scaffold_makes_nothing_where_the_workspace_cannot_be_joined() {
        for text in [
            "[workspace]\nmembers = 1\n",
            "[workspace]\nmembers = [\n",
            "workspace = 1\n[workspace]\n",
        ] {
            let (_guard, root) = temporary();
            std::fs::write(root.join(MANIFEST_NAME), text).unwrap();
            let new = new_crate(&root.join("app"), "app", CrateKind::Bin, CrateLanguage::C);
            assert!(matches!(new, Err(ScaffoldError::Root { .. })), "{text}: {new:?}");
            assert!(!root.join("app").exists() && !root.join(".gitignore").exists());
            assert_eq!(std::fs::read_to_string(root.join(MANIFEST_NAME)).unwrap(), text);
        }
    }

    #[test]
    fn scaffold_names_a_namespace_after_the_crate() {
        let check = |name: &str, expect: &str| {
            let (_guard, dir) = temporary();
            new_crate(&dir, name, CrateKind::Lib, CrateLanguage::Cxx).unwrap();
            let header = std::fs::read_to_string(dir.join(format!("include/{name}/{name}.hpp")));
            assert!(header.unwrap().contains(&format!("namespace {expect} {{")), "{name}");
        };
        check("bar-lib", "bar_lib");
        check("bar", "bar_lib");
        check("7z", "lib7z_lib");
    }
}
