//! Literal workspaces on disk: what they load as, and what is said of broken ones.

use super::*;
use camino::{Utf8Path, Utf8PathBuf};

/// A directory with files, given as pairs of path and text. A path that ends in `/` is a directory.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        for (path, text) in files {
            let path = tree.path(path);
            if path.as_str().ends_with('/') {
                std::fs::create_dir_all(path).unwrap();
            } else {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
        }
        tree
    }

    fn path(&self, path: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.0.path()).unwrap().join(path)
    }

    fn load(&self, manifest: &str) -> Result<Loaded, ManifestErrors> {
        load(&self.path(manifest))
    }

    /// Paths relative to the tree.
    fn short(&self, paths: &[Utf8PathBuf]) -> Vec<String> {
        let root = self.path("");
        paths.iter().map(|path| path.strip_prefix(&root).unwrap_or(path).to_string()).collect()
    }
}

fn workspace(tree: &Tree) -> Workspace {
    match tree.load("Tender.toml") {
        Ok(loaded) => {
            assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
            loaded.workspace
        }
        Err(errors) => panic!("{errors}"),
    }
}

/// `place: message` of each problem; the place is `file:line` and what the caret underlines.
fn problems(tree: &Tree) -> Vec<String> {
    let problems = match tree.load("Tender.toml") {
        Ok(loaded) => loaded.warnings,
        Err(errors) => errors.problems,
    };
    let root = tree.path("");
    problems
        .iter()
        .map(|problem| {
            assert!(render(problem, false).contains(problem.message.split('\n').next().unwrap()));
            let kind = if problem.is_error() { "" } else { "warning: " };
            let message = problem.message.replace(root.as_str(), "");
            match &problem.location {
                None => format!("{kind}{message}"),
                Some(at) => {
                    let file = at.source.path.strip_prefix(&root).unwrap_or(&at.source.path);
                    let text = at.source.text.get(at.span.clone()).unwrap_or("?");
                    format!("{kind}{file}:{} `{text}`: {message}", at.line())
                }
            }
        })
        .collect()
}

/// One crate with `manifest` and a few files.
fn check_problems(manifest: &str, expect: &[&str]) {
    let tree = Tree::new(&[("Tender.toml", manifest), ("src/a.c", ""), ("src/main.c", ""), ("src/a.h", "")]);
    assert_eq!(problems(&tree), expect, "{manifest}");
}

#[test]
fn one_crate_with_all_defaults() {
    let tree = Tree::new(&[
        ("Tender.toml", "[package]\nname = \"zip\"\n"),
        ("include/zip.h", ""),
        ("src/main.c", ""),
        ("src/zip.c", ""),
        ("src/deep/z.cc", ""),
        ("src/zip.h", ""),
        ("src/bin/tool.cpp", ""),
        ("src/bin/big/a.c", ""),
        ("src/bin/big/sub/b.c", ""),
    ]);
    let workspace = workspace(&tree);
    assert_eq!(workspace.crates.len(), 1);
    let zip = &workspace.crates[0];
    assert_eq!((zip.name.as_str(), zip.version.as_str()), ("zip", "0.0.0"));
    let lib = zip.lib.as_ref().unwrap();
    assert_eq!(tree.short(&lib.sources.files), ["src/deep/z.cc", "src/zip.c"]);
    assert_eq!(tree.short(&lib.headers), ["include"]);
    assert!(lib.staticlib && !lib.cdylib);
    let bins: Vec<_> =
        zip.bins.iter().map(|bin| (bin.name.as_str(), tree.short(&bin.sources.files))).collect();
    let expect = [
        ("zip", vec!["src/main.c".to_owned()]),
        ("big", vec!["src/bin/big/a.c".into(), "src/bin/big/sub/b.c".into()]),
        ("tool", vec!["src/bin/tool.cpp".into()]),
    ];
    assert_eq!(bins, expect);
    assert_eq!(workspace.profiles.keys().collect::<Vec<_>>(), ["dev", "release"]);
}

#[test]
fn a_whole_workspace() {
    let tree = Tree::new(&[
        (
            "Tender.toml",
            "[workspace]\nmembers = [\"crates/*\", \"app\"]\nexclude = [\"crates/old\"]\n\
             [workspace.package]\nversion = \"1.2.3\"\ninclude = [\"common\"]\nc-std = \"c17\"\n\
             [build]\njobs = 3\nmemory = \"75%\"\n[profile.release]\nopt-level = 3\n",
        ),
        ("common/x.h", ""),
        ("crates/old/Tender.toml", "broken"),
        ("crates/README", ""),
        ("crates/notes/readme.md", ""),
        (
            "crates/z/Tender.toml",
            "[package]\nname = \"z\"\nversion.workspace = true\ninclude.workspace = true\nc-std.workspace = true\n\
             defines = [\"A\"]\n[lib]\ndefines = [\"B=1\"]\nc-std = \"c11\"\npublic-defines = [\"P\"]\n\
             crate-type = [\"staticlib\", \"cdylib\"]\nexports = \"z.map\"\n",
        ),
        ("crates/z/z.map", ""),
        ("crates/z/src/z.c", ""),
        (
            "app/Tender.toml",
            "[package]\nname = \"app\"\n[dependencies]\nz = { path = \"../crates/z\" }\nout = { path = \"../out\" }\n",
        ),
        ("app/src/main.cc", ""),
        ("out/Tender.toml", "[package]\nname = \"out\"\n"),
        ("out/src/o.c", ""),
    ]);
    let workspace = workspace(&tree);
    let names: Vec<&str> = workspace.crates.iter().map(|krate| krate.name.as_str()).collect();
    assert_eq!(names, ["app", "out", "z"]);
    assert_eq!(workspace.members, [CrateId(0), CrateId(2)]);
    assert_eq!(workspace.default_members, workspace.members);
    assert_eq!(workspace.crates[0].dependencies, [CrateId(2), CrateId(1)]);
    assert_eq!(workspace.build.jobs, Some(3));
    assert_eq!(workspace.build.memory, Some(MemorySetting::Percent(75.0)));
    assert_eq!(workspace.profiles["release"].opt_level, OptLevel::O3);
    let z = &workspace[workspace.crate_named("z").unwrap()];
    assert_eq!(z.version, "1.2.3");
    let lib = z.lib.as_ref().unwrap();
    assert!(lib.cdylib && lib.staticlib);
    assert_eq!(tree.short(&[lib.exports.clone().unwrap()]), ["crates/z/z.map"]);
    assert_eq!(tree.short(&lib.settings.include), ["common"]);
    assert_eq!(lib.settings.defines, ["A", "B=1"]);
    assert_eq!(lib.settings.c_std.as_deref(), Some("c11"));
    assert_eq!(workspace.crate_of(&tree.path("crates/z/src")), Some(CrateId(2)));
    assert_eq!(workspace.crate_of(&tree.path("crates")), None);
    // Any manifest of the workspace leads to the same root.
    assert_eq!(find(&tree.path("crates/z/src")).unwrap(), tree.path("Tender.toml"));
    assert_eq!(tree.load("crates/z/Tender.toml").unwrap().workspace.root, workspace.root);
}

#[test]
fn the_root_is_found_upwards() {
    let tree = Tree::new(&[
        ("Tender.toml", "[workspace]\nmembers = [\"a\", \"deep/*\"]\nexclude = [\"deep/out\"]\n"),
        ("a/Tender.toml", "[package]\nname = \"a\"\n"),
        ("a/src/a.c", ""),
        ("deep/b/Tender.toml", "[package]\nname = \"b\"\n"),
        ("deep/b/src/b.c", ""),
        ("deep/out/Tender.toml", "[package]\nname = \"out\"\n"),
        ("deep/out/src/o.c", ""),
        ("alone/Tender.toml", "[package]\nname = \"alone\"\n"),
        ("alone/src/s.c", ""),
        ("own/Tender.toml", "[workspace]\n[package]\nname = \"own\"\n"),
    ]);
    let check =
        |dir: &str, expect: &str| assert_eq!(find(&tree.path(dir)).unwrap(), tree.path(expect), "{dir}");
    check("", "Tender.toml");
    check("a/src", "Tender.toml");
    check("deep", "Tender.toml");
    check("deep/b", "Tender.toml");
    check("deep/out", "deep/out/Tender.toml");
    check("alone", "alone/Tender.toml");
    check("own", "own/Tender.toml");
    // A crate that was forgotten in `members` is worth a word, an excluded one is not.
    let warnings = tree.load("alone/Tender.toml").unwrap().warnings;
    assert!(warnings[0].message.starts_with("this crate is no member"), "{warnings:?}");
    assert!(tree.load("deep/out/Tender.toml").unwrap().warnings.is_empty());
    let nowhere = Tree::new(&[]);
    let error = find(&nowhere.path("")).unwrap_err();
    assert!(error.problems[0].help.as_ref().unwrap().contains("tender init"));
}

#[test]
fn keys_and_types() {
    let check = |rest: &str, expect: &[&str]| {
        check_problems(&format!("[package]\nname = \"zip\"\n{rest}"), expect);
    };
    check("", &[]);
    check(
        "vresion = \"1\"",
        &["warning: Tender.toml:3 `vresion`: unknown key `vresion` in `[package]` is ignored"],
    );
    check(
        "flags = \"-O2\"\nlink = [1, \"m\", true]",
        &[
            "Tender.toml:3 `\"-O2\"`: `flags` must be an array of strings, not a string",
            "Tender.toml:4 `1`: `link` must be a string, not an integer",
            "Tender.toml:4 `true`: `link` must be a string, not a boolean",
        ],
    );
    check("[build]\njobs = 0", &["Tender.toml:4 `0`: `jobs` must be at least 1 and at most 4294967295"]);
    check("[build]\nmemory = \"much\"", &["Tender.toml:4 `\"much\"`: `much` is no amount of memory"]);
}
