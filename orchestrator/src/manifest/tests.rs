//! Literal workspaces on disk: what they load as, and what is said of broken ones.

mod elsewhere;
mod fuzz;
mod generate;
mod libraries;
mod lists;
mod rules;

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
            assert!(
                render(problem, false, None).contains(problem.message.split('\n').next().unwrap())
            );
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

/// How many problems one manifest has by itself.
fn parse_only(text: &str) -> usize {
    let mut problems = Vec::new();
    raw::parse(&ManifestText::new("/w/Tender.toml".into(), text), &mut problems);
    problems.iter().for_each(|problem| drop(render(problem, false, None)));
    problems.len()
}

/// One crate with `manifest` and a few files.
fn check_problems(manifest: &str, expect: &[&str]) {
    let tree = Tree::new(&[
        ("Tender.toml", manifest),
        ("src/a.c", ""),
        ("src/main.c", ""),
        ("src/a.h", ""),
    ]);
    assert_eq!(problems(&tree), expect, "{manifest}");
}

#[test]
fn manifest_of_one_crate_gets_all_defaults() {
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
    let lib = &zip.libs[0];
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
    let profiles: Vec<_> = workspace.profiles.keys().collect();
    assert_eq!(profiles, ["asan", "coverage", "dev", "release", "tsan", "ubsan"]);
}

#[test]
fn workspace_is_loaded_whole() {
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
    let dependencies = &workspace.crates[0].dependencies;
    let seen: Vec<_> = dependencies.iter().map(|one| (one.krate, one.name.as_str())).collect();
    assert_eq!(seen, [(CrateId(2), "z"), (CrateId(1), "out")]);
    assert_eq!(workspace.build.jobs, "3".parse().ok());
    assert_eq!(workspace.build.memory, Some(MemorySetting::Percent(75.0)));
    assert_eq!(workspace.profiles["release"].opt_level, OptLevel::O3);
    let z = &workspace[workspace.crate_named("z").unwrap()];
    assert_eq!(z.version, "1.2.3");
    let lib = &z.libs[0];
    assert!(lib.cdylib && lib.staticlib);
    assert_eq!(tree.short(&[lib.exports.clone().unwrap()]), ["crates/z/z.map"]);
    assert_eq!(tree.short(&lib.settings.include), ["common"]);
    assert_eq!(lib.settings.defines, ["A", "B=1"]);
    assert_eq!(lib.settings.c_std.as_deref(), Some("c11"));
    assert_eq!(workspace.crate_of(&tree.path("crates/z/src")), Some(CrateId(2)));
    assert_eq!(workspace.crate_of(&tree.path("crates")), None);
    // Any manifest of the workspace leads to the same root.
    assert_eq!(find(&tree.path("crates/z/src"), None).unwrap().root, tree.path("Tender.toml"));
    assert_eq!(tree.load("crates/z/Tender.toml").unwrap().workspace.root, workspace.root);
}

#[test]
fn config_of_one_build_counts_before_the_manifest() {
    let tree = Tree::new(&[
        ("Tender.toml", "[package]\nname = \"zip\"\n[profile.dev]\nopt-level = 1\ndebug = false\n"),
        ("src/zip.c", ""),
    ]);
    let load = |config: &[&str]| {
        let config = config.iter().map(|text| ManifestText::new(tree.path("--config"), text));
        load_with(
            &tree.path("Tender.toml"),
            &LoadOptions { config: config.collect(), ..LoadOptions::default() },
        )
    };
    let workspace = load(&[
        "profile.dev.opt-level = 3",
        "profile.dev.sanitize = [\"leak\"]",
        "profile.dev.opt-level = \"s\"",
    ])
    .unwrap()
    .workspace;
    let dev = &workspace.profiles["dev"];
    assert_eq!((dev.opt_level, dev.debug), (OptLevel::Os, DebugInfo::None));
    assert_eq!(dev.sanitize, [Sanitizer::Leak]);
    let error = |text: &str| load(&[text]).unwrap_err().to_string();
    assert!(error("profile.dev.opt = 1").contains("--config:1: unknown key `opt`"));
    assert!(error("package.name = \"x\"").contains("unknown key `package`"));
    assert!(error("profile.dev.lto = thin").contains("--config:1: "));
}

#[test]
fn inputs_are_relative_to_the_manifest_that_names_them() {
    let tree = Tree::new(&[
        (
            "Tender.toml",
            "[workspace]\nmembers = [\"a\", \"b\"]\n[workspace.package]\ninputs = [\"shared/*.txt\", \"!shared/no.txt\"]\n",
        ),
        ("shared/all.txt", ""),
        ("shared/no.txt", ""),
        (
            "a/Tender.toml",
            "[package]\nname = \"a\"\ninputs.workspace = true\n[lib]\ninputs = [\"data/**\", \"$OUT_DIR/made.txt\"]\n\
             [[bin]]\nname = \"tool\"\nsources = [\"src/main.c\"]\n\
             [[generate]]\nrun = [\"sh\"]\noutputs = [\"$OUT_DIR/made.txt\"]\n",
        ),
        ("a/data/x.bin", ""),
        ("a/data/deep/y.bin", ""),
        ("a/src/a.c", ""),
        ("a/src/main.c", ""),
        ("b/Tender.toml", "[package]\nname = \"b\"\ninputs = [\"../a/data/x.bin\"]\n"),
        ("b/src/b.c", ""),
    ]);
    let workspace = workspace(&tree);
    let [a, b] = &workspace.crates[..] else { panic!("{:?}", workspace.crates) };
    assert_eq!(
        tree.short(&a.libs[0].settings.inputs),
        ["a/data/deep/y.bin", "a/data/x.bin", "shared/all.txt", "$OUT_DIR/made.txt"]
    );
    assert_eq!(tree.short(&a.bins[0].settings.inputs), ["shared/all.txt"]);
    assert_eq!(tree.short(&b.libs[0].settings.inputs), ["a/data/x.bin"]);
}

#[test]
fn workspace_root_is_found_upwards() {
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
    let check = |dir: &str, expect: &str| {
        assert_eq!(find(&tree.path(dir), None).unwrap().root, tree.path(expect), "{dir}")
    };
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
    let error = find(&nowhere.path(""), None).unwrap_err();
    assert!(error.problems[0].help.as_ref().unwrap().contains("tender init"));
}

#[test]
fn manifest_keys_and_types_are_checked() {
    let check = |rest: &str, expect: &[&str]| {
        check_problems(&format!("[package]\nname = \"zip\"\n{rest}"), expect);
    };
    check("", &[]);
    check("vresion = \"1\"", &["Tender.toml:3 `vresion`: unknown key `vresion` in `[package]`"]);
    check(
        "flags = \"-O2\"\nlink = [1, \"m\", true]",
        &[
            "Tender.toml:3 `\"-O2\"`: `flags` must be an array of strings, not a string",
            "Tender.toml:4 `1`: `link` must be a string, not an integer",
            "Tender.toml:4 `true`: `link` must be a string, not a boolean",
        ],
    );
    check("[build]\njobs = 0", &["Tender.toml:4 `0`: `jobs` must be a number of jobs, not `0`"]);
    check(
        "[build]\nmemory = \"much\"",
        &["Tender.toml:4 `\"much\"`: `much` is no amount of memory"],
    );
}

#[test]
fn packages_of_one_name_are_told_by_who_needs_them() {
    let needs = |name: &str, paths: &[&str]| {
        let entries = paths.iter().map(|path| {
            let name = path.rsplit('/').next().unwrap_or_default();
            format!("{name} = {{ path = \"{path}\" }}\n")
        });
        let entries: String = entries.collect();
        format!("[package]\nname = \"{name}\"\n[dependencies]\n{entries}")
    };
    let tree = Tree::new(&[
        ("Tender.toml", &needs("app", &["zip", "mid"])),
        ("src/main.c", ""),
        ("mid/Tender.toml", &needs("mid", &["../other/zip"])),
        ("mid/src/mid.c", ""),
        ("zip/Tender.toml", "[package]\nname = \"zip\"\n"),
        ("zip/src/zip.c", ""),
        ("other/zip/Tender.toml", "[package]\nname = \"zip\"\n"),
        ("other/zip/src/zip.c", ""),
    ]);
    let errors = tree.load("Tender.toml").unwrap_err().problems;
    let [problem] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!(
        problem.message,
        "the crates `app` and `mid` depend on two packages that are named `zip`"
    );
    let help = problem.help.as_deref();
    assert_eq!(
        help,
        Some("a build has one `zip`: let both name the same directory, or rename one of them")
    );
}

#[test]
fn manifest_keys_of_other_tools_are_translated() {
    // Where, what stands there, and what is said.
    let table = [
        ("[[bin]]\nname = \"x\"", "path = \"src/x.c\"", "write `sources = [\"src/x.c\"]`"),
        ("[[test]]\nname = \"x\"", "path = \"src/x.c\"", "write `sources = [\"src/x.c\"]`"),
        ("[lib]", "path = \"src/x.c\"", "write `sources = [\"src/x.c\"]`"),
        ("[lib]", "path = [\"src/x.c\"]", "write `sources = [...]`"),
        ("[lib]", "type = \"shared\"", "`crate-type = [\"cdylib\"]`"),
        ("[lib]", "edition = \"2021\"", "`cxx-std = \"c++20\"`"),
        ("[[bench]]\nname = \"x\"", "harness = false", "leave it out: a benchmark is any program"),
        ("[[test]]\nname = \"x\"", "harness = false", "write `\"exit-code\"`"),
        ("", "edition = \"2021\"", "`c-std = \"c17\"`"),
        ("", "authors = [\"me\"]", "below `[package.metadata]`"),
        ("", "build = \"build.rs\"", "is a `[[generate]]`"),
        ("", "links = \"z\"", "`link = [\"m\"]`"),
        ("", "ldflags = \"-s\"", "are `link-args`"),
        ("[dependencies]", "z = \"1.3\"", "there is no registry: write `z = { path = \"../z\" }`"),
        ("[dependencies.z]\ngit = \"https://z\"", "commit = \"12\"", "a commit is `rev`"),
        ("[dependencies.z]\nurl = \"https://z\"", "hash = \"12\"", "is `sha256`"),
        ("[dependencies.z]", "workspace = true", "dependencies are not inherited"),
        ("[workspace]", "default-members = []", "choose crates by `-p`"),
        ("[workspace.dependencies]", "z = {}", "in the manifest of each crate"),
        ("[profile.dev]", "debug = 2", "write `true`"),
        ("[profile.dev]", "debug = \"limited\"", "write `\"line-tables-only\"`"),
        ("[profile.dev]", "incremental = true", "leave it out"),
        ("[profile.release]", "debug-assertions = true", "`\"NDEBUG\"`"),
        (
            "[[generate]]\nrun = [\"x\"]\noutputs = [\"$OUT_DIR/x.c\"]",
            "command = \"x\"",
            "`run` has",
        ),
        ("[lints]", "x = 1", "`warnings` in `[package]`"),
        ("[[bin]]\nname = \"x\"", "sources = \"src/x.c\"", "write `sources = [\"src/x.c\"]`"),
    ];
    for (place, line, expect) in table {
        let text = format!("[package]\nname = \"zip\"\n{place}\n{line}\n");
        let tree = Tree::new(&[("Tender.toml", &text), ("src/zip.c", ""), ("src/x.c", "")]);
        let problems = tree.load("Tender.toml").unwrap_err().problems;
        let has =
            |problem: &Problem| problem.help.as_ref().is_some_and(|help| help.contains(expect));
        assert!(problems.iter().any(has), "{place} {line}: {problems:?}");
    }
}

#[test]
fn manifest_values_are_checked() {
    let check = |rest: &str, expect: &[&str]| {
        check_problems(&format!("[package]\nname = \"zip\"\n{rest}"), expect);
    };
    check("c-std = \"c++17\"", &["Tender.toml:3 `\"c++17\"`: `c++17` is no C standard"]);
    check("c-std = 17", &["Tender.toml:3 `17`: `c-std` must be a string, not an integer"]);
    check("defines = [\"-DA\"]", &["Tender.toml:3 `\"-DA\"`: `-DA` is written as a flag"]);
    check(
        "defines = [\"A\\u0000\"]",
        &["Tender.toml:3 `\"A\\u0000\"`: `defines` contains a NUL character"],
    );
    check("sources = []", &["Tender.toml:3 `sources`: unknown key `sources` in `[package]`"]);
    check(
        "[bin]\nname = \"x\"",
        &["Tender.toml:3 `[bin]`: `bin` must be an array of tables, `[[bin]]`, not a table"],
    );
    check(
        "[profile.dev]\nopt-level = 4",
        &["Tender.toml:4 `4`: `opt-level` must be one of 0, 1, 2, 3, \"s\", \"z\""],
    );
    check(
        "[profile.dev]\ncodegen-units = 0",
        &["Tender.toml:4 `0`: `codegen-units` must be at least 1 and at most 256"],
    );
    check(
        "[profile.dev]\ncodegen-units = 257",
        &["Tender.toml:4 `257`: `codegen-units` must be at least 1 and at most 256"],
    );
    check(
        "[profile.dev]\ndebug = 1",
        &["Tender.toml:4 `1`: `debug` must be one of false, \"line-tables-only\", true"],
    );
    check(
        "[profile.dev]\nlto = \"thinlocal\"\ntranslate = \"both\"",
        &[
            "Tender.toml:4 `\"thinlocal\"`: `lto` must be one of \"off\", \"thin-local\", \"thin\", \"fat\"",
            "Tender.toml:5 `\"both\"`: `translate` must be one of \"parallel\", \"serial\"",
        ],
    );
    check(
        "[lib]\nlink-args = [\"-Wl,-z,now\"]",
        &["Tender.toml:4 `link-args`: `link-args` has no effect: a static library is not linked"],
    );
    check("[lib]\nlink-args = []", &[]);
    check("link-args = [\"-Wl,-z,now\"]", &[]);
    check(
        "warnings = [\"-Wall\", \"-O2\", \"extra\"]",
        &[
            "Tender.toml:3 `\"-Wall\"`: `-Wall` is written as a flag",
            "Tender.toml:3 `\"-O2\"`: `-O2` is no warning",
        ],
    );
    check(
        "[lib]\nexports = \"src/a.h\"",
        &["warning: Tender.toml:4 `\"src/a.h\"`: `exports` has no effect without a shared library"],
    );
    check(
        "[lib]\ncrate-type = [\"dylib\"]",
        &[
            "Tender.toml:4 `\"dylib\"`: `crate-type` must be one of \"staticlib\", \"cdylib\", \"object\"",
        ],
    );
    check(
        "[[generate]]",
        &[
            "Tender.toml:3 `[[generate]]`: `[[generate]]` has no `run`",
            "Tender.toml:3 `[[generate]]`: `[[generate]]` has no `outputs`",
        ],
    );
    check(
        "version.workspace = true",
        &["Tender.toml:3 `version`: there is no `[workspace.package]` to inherit `version` from"],
    );
    check(
        "inputs = \"data\"",
        &["Tender.toml:3 `\"data\"`: `inputs` must be an array of strings, not a string"],
    );
    check("inputs = [\"data/*\"]", &["Tender.toml:3 `\"data/*\"`: `data/*` matches no file"]);
    check(
        "inputs = [\"data.txt\"]",
        &["Tender.toml:3 `\"data.txt\"`: the file `data.txt` does not exist"],
    );
    check("inputs = [\"src\"]", &["Tender.toml:3 `\"src\"`: `src` is a directory"]);
    check(
        "version.workspace = false",
        &["Tender.toml:3 `false`: `version.workspace` can only be true"],
    );
    check(
        "[dependencies]\nz = \"1.2\"",
        &["Tender.toml:4 `\"1.2\"`: `z` must be a table, not a string"],
    );
    check(
        "[dependencies]\nz = { gti = \"x\" }",
        &[
            "Tender.toml:4 `{ gti = \"x\" }`: `[dependencies.z]` has no `path`, `url` or `git`",
            "Tender.toml:4 `gti`: unknown key `gti` in `[dependencies.z]`",
        ],
    );
    check(
        "[dependencies]\nz = { path = \"../no\" }",
        &["Tender.toml:4 `\"../no\"`: the directory `../no` does not exist"],
    );
}

#[test]
fn manifest_mistakes_are_reported() {
    let deep = format!("a = {}", "[".repeat(20_000));
    assert!(parse_only(&deep) > 0);
    assert_eq!(parse_only("\u{feff}[package]\r\nname = \"zip\"\r\n"), 0);
    check_problems(
        "",
        &["Tender.toml:1 ``: the manifest has neither `[package]` nor `[workspace]`"],
    );
    check_problems("[lib]", &["Tender.toml:1 `lib`: `lib` needs a `[package]`"]);
    check_problems("[package]", &["Tender.toml:1 `[package]`: `[package]` has no `name`"]);
    check_problems("[package]\nname = \"\"", &["Tender.toml:2 `\"\"`: the package name is empty"]);
    check_problems(
        "[package]\nname = \"a b\"",
        &["Tender.toml:2 `\"a b\"`: the character ` ` cannot stand in a package name"],
    );
    check_problems(
        "package = 1",
        &["Tender.toml:1 `1`: `package` must be a table, `[package]`, not an integer"],
    );
    check_problems(
        "[package]\nname = \"a\"\nname = \"b\"",
        &["Tender.toml:3 `name`: duplicate key"],
    );
    check_problems("[package\nname = \"a\"", &["Tender.toml:1 ``: unclosed table, expected `]`"]);
    check_problems("[package]\nname = \n", &["Tender.toml:2 ``: the value is missing"]);
    check_problems(
        "[package]\nname = \"zip\n",
        &["Tender.toml:2 ``: invalid basic string, expected `\"`"],
    );
}

#[test]
fn source_lists_are_checked() {
    let check = |lib: &str, expect: &[&str]| {
        let tree = Tree::new(&[
            ("Tender.toml", &format!("[package]\nname = \"zip\"\n[lib]\n{lib}")),
            ("src/a.c", ""),
            ("src/b.c", ""),
            ("src/a.h", ""),
            ("src/win32/w.c", ""),
            ("src/x[1].c", ""),
            ("src/it's $x \"q\"\n.c", ""),
            ("src/notes.txt", ""),
            ("src/obj.o", ""),
            ("asm/s.S", ""),
        ]);
        let answer = match tree.load("Tender.toml") {
            Ok(loaded) => tree.short(&loaded.workspace.crates[0].libs[0].sources.files),
            Err(_) => problems(&tree),
        };
        assert_eq!(answer, expect, "{lib}");
    };
    check("sources = [\"src/a.c\", \"./src/../src/b.c\", \"src/a.c\"]", &["src/a.c", "src/b.c"]);
    check("sources = [\"src/?.c\", \"asm/*.S\"]", &["asm/s.S", "src/a.c", "src/b.c"]);
    check(
        "sources = [\"src/**\", \"!src/win32/**\", \"!src/*[']*\", \"!src/x*\"]",
        &["src/a.c", "src/b.c", "src/obj.o"],
    );
    check(
        "sources = [\"src/**/*.c\", \"!src/win32\", \"!src/b.c\"]",
        &["src/a.c", "src/it's $x \"q\"\n.c", "src/x[1].c"],
    );
    check("sources = [\"src/x[1].c\"]", &["src/x[1].c"]);
    check("sources = [\"src/it's $x \\\"q\\\"\\n.c\"]", &["src/it's $x \"q\"\n.c"]);
    check(
        "sources = [\"src/none.c\"]",
        &["Tender.toml:4 `\"src/none.c\"`: the file `src/none.c` does not exist"],
    );
    check(
        "sources = [\"src/*.cc\"]",
        &["Tender.toml:4 `\"src/*.cc\"`: `src/*.cc` matches no file"],
    );
    check(
        "sources = [\"src/*.txt\"]",
        &[
            "Tender.toml:4 `\"src/*.txt\"`: `src/*.txt` matches no source, only files of other kinds",
        ],
    );
    check(
        "sources = [\"src/a.h\"]",
        &["Tender.toml:4 `\"src/a.h\"`: `src/a.h` has no extension of a source"],
    );
    check("sources = [\"src\"]", &["Tender.toml:4 `\"src\"`: `src` is a directory"]);
    check(
        "sources = [\"!src/a.c\"]",
        &["Tender.toml:4 `\"!src/a.c\"`: the list excludes sources but names none"],
    );
    check(
        "sources = [\"src/[a.c\"]",
        &[
            "Tender.toml:4 `\"src/[a.c\"`: `src/[a.c` is no pattern: unclosed character class; missing ']'",
        ],
    );
    check(
        "sources = [\"$OUT_DIR/a.c\"]",
        &["Tender.toml:4 `\"$OUT_DIR/a.c\"`: no `[[generate]]` command writes `$OUT_DIR/a.c`"],
    );
    check("sources = []", &["Tender.toml:3 `[lib]`: the library has neither sources nor headers"]);
    check("headers = [\"inc\"]", &["Tender.toml:4 `\"inc\"`: the directory `inc` does not exist"]);
    check(
        "exports = \"z.map\"\ncrate-type = [\"cdylib\"]",
        &["Tender.toml:4 `\"z.map\"`: the file `z.map` does not exist"],
    );
}

#[test]
fn generated_files_count_as_found() {
    let manifest = "[package]\nname = \"zip\"\n[lib]\n\
        sources = [\"src/*.c\", \"$OUT_DIR/*.c\", \"gen/x.c\", \"gen/*.cc\"]\nheaders = [\"$OUT_DIR/inc\", \"gen\"]\n\
        [[generate]]\nrun = [\"sh\", \"g.sh\"]\ninputs = [\"g.sh\", \"in/*\"]\n\
        outputs = [\"$OUT_DIR/t.c\", \"gen/x.c\", \"gen/y.cc\", \"$OUT_DIR/inc/t.h\", \"in/made\"]\n";
    let files =
        [("Tender.toml", manifest), ("src/a.c", ""), ("g.sh", ""), ("in/b", ""), ("in/a", "")];
    let check = |tree: &Tree| {
        let workspace = workspace(tree);
        let zip = &workspace.crates[0];
        let lib = &zip.libs[0];
        assert_eq!(tree.short(&lib.sources.files), ["src/a.c"]);
        assert_eq!(tree.short(&lib.headers), ["$OUT_DIR/inc", "gen"]);
        assert_eq!(tree.short(&zip.generate[0].inputs), ["g.sh", "in/a", "in/b"]);
        assert_eq!(zip.generate[0].outputs[0], "$OUT_DIR/t.c");
    };
    check(&Tree::new(&files));
    // The second build finds the first one's files, and must come to the same answer.
    let built = [("gen/x.c", ""), ("gen/y.cc", ""), ("in/made", "")];
    check(&Tree::new(&[&files[..], &built[..]].concat()));
    let package = "[package]\nname = \"zip\"\n";
    check_problems(
        &format!(
            "{package}[[generate]]\nrun = [\"a\"]\noutputs = [\"../x.h\", \"y.h\", \"./y.h\"]\ninputs = [\"no\"]"
        ),
        &[
            "Tender.toml:5 `\"../x.h\"`: `../x.h` lies outside the crate",
            "Tender.toml:5 `\"./y.h\"`: `./y.h` is written twice",
            "Tender.toml:6 `\"no\"`: the file `no` does not exist",
        ],
    );
}

#[test]
fn programs_are_found_and_checked() {
    let check = |manifest: &str, files: &[&str], expect: &[&str]| {
        let manifest = format!("[package]\nname = \"zip\"\n{manifest}");
        let mut all = vec![("Tender.toml", manifest.as_str())];
        all.extend(files.iter().map(|file| (*file, "")));
        let tree = Tree::new(&all);
        let answer = match tree.load("Tender.toml") {
            Ok(loaded) => {
                let krate = &loaded.workspace.crates[0];
                let line = |name: &str, sources: &Sources| {
                    format!("{name}: {}", tree.short(&sources.files).join(" "))
                };
                let lib = krate.libs.iter().map(|lib| line("lib", &lib.sources));
                lib.chain(krate.bins.iter().map(|bin| line(&bin.name, &bin.sources))).collect()
            }
            Err(_) => problems(&tree),
        };
        assert_eq!(answer, expect, "{manifest}");
    };
    check("", &["src/main.cc"], &["zip: src/main.cc"]);
    check(
        "",
        &["src/main.h"],
        &["Tender.toml:2 `\"zip\"`: the package `zip` has nothing to build"],
    );
    check(
        "",
        &["src/main.c", "src/main.cc"],
        &["Tender.toml:2 `\"zip\"`: `src/main.c` and `src/main.cc` both make the program `zip`"],
    );
    check(
        "",
        &["src/bin/a.c", "src/bin/a/x.c"],
        &["Tender.toml:2 `\"zip\"`: `src/bin/a/x.c` and `src/bin/a.c` both make the program `a`"],
    );
    check(
        "",
        &["src/bin/a b.c"],
        &[
            "Tender.toml:2 `\"zip\"`: the character ` ` cannot stand in a program name: `src/bin/a b.c`",
        ],
    );
    check(
        "[[bin]]\nname = \"z\"\nsources = [\"src/main.c\"]",
        &["src/main.c", "src/u.c"],
        &["lib: src/u.c", "z: src/main.c"],
    );
    check(
        "[[bin]]\nname = \"z\"\nsources = [\"src/*.c\"]",
        &["src/main.c", "src/u.c"],
        &["z: src/main.c src/u.c"],
    );
    check(
        "[[bin]]\nname = \"zip\"\ndefines = [\"A\"]",
        &["src/main.c", "src/bin/b.c"],
        &["zip: src/main.c", "b: src/bin/b.c"],
    );
    check(
        "[[bin]]\nname = \"z\"",
        &["src/main.c"],
        &["Tender.toml:3 `[[bin]]`: the program `z` has no sources"],
    );
    check(
        "[[bin]]\nname = \"z\"\nsources = []",
        &["src/main.c"],
        &["Tender.toml:3 `[[bin]]`: the program has no sources"],
    );
    check(
        "[[bin]]\nname = \"z\"\nsources = [\"a.c\"]\n[[bin]]\nname = \"z\"\nsources = [\"b.c\"]",
        &["a.c", "b.c"],
        &["Tender.toml:7 `\"z\"`: two programs are named `z`"],
    );
    check("", &["include/zip.h"], &["lib: "]);
    check("[lib]", &["include/zip.h"], &["lib: "]);
}

#[test]
fn crates_are_compared() {
    let a = |rest: &str| format!("[package]\nname = \"a\"\n[dependencies]\n{rest}");
    let b = |rest: &str| format!("[package]\nname = \"b\"\n{rest}");
    let check = |a: &str, b: &str, expect: &[&str]| {
        let tree = Tree::new(&[
            ("Tender.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n"),
            ("a/Tender.toml", a),
            ("a/src/a.c", ""),
            ("a/src/bin/tool.c", ""),
            ("b/Tender.toml", b),
            ("b/src/main.c", ""),
        ]);
        assert_eq!(problems(&tree), expect);
    };
    check(&a(""), &b(""), &[]);
    check(
        &a("b = { path = \"../b\" }"),
        &b(""),
        &["a/Tender.toml:4 `b`: the package `b` has no library to depend on"],
    );
    check(
        &a("c = { path = \"../b\" }"),
        &b("[lib]\nsources = [\"src/main.c\"]"),
        &["a/Tender.toml:4 `c`: the package in `../b` is named `b`"],
    );
    check(&a(""), &a(""), &["b/Tender.toml:2 `\"a\"`: two packages are named `a`"]);
    check(
        &a("b = { path = \"../b\" }"),
        &b("[lib]\nsources = [\"src/main.c\"]\n[dependencies]\na = { path = \"../a\" }"),
        &["b/Tender.toml:6 `a`: dependency cycle: a -> b -> a"],
    );
    check(&a("a = { path = \".\" }"), &b(""), &["a/Tender.toml:4 `a`: dependency cycle: a -> a"]);
    check(
        &a(""),
        &b("[[bin]]\nname = \"tool\"\nsources = [\"src/main.c\"]"),
        &["b/Tender.toml:4 `\"tool\"`: the packages `a` and `b` both make the program `tool`"],
    );
    check(
        &a("b = { path = \"../b/Tender.toml\" }"),
        &b(""),
        &["a/Tender.toml:4 `\"../b/Tender.toml\"`: `../b/Tender.toml` is a manifest"],
    );
    check(
        &a("b = { path = \"src\" }"),
        &b(""),
        &["a/Tender.toml:4 `\"src\"`: `src` has no `Tender.toml`"],
    );
    check(
        &a("b = { path = \"..\" }"),
        &b(""),
        &["a/Tender.toml:4 `\"..\"`: `..` is a workspace without a package"],
    );
    check(
        &a(""),
        &b("[profile.dev]\n[build]\njobs = 2"),
        &[
            "warning: b/Tender.toml:3 `dev`: profiles of a member have no effect",
            "warning: b/Tender.toml:4 `[build]`: `[build]` of a member has no effect",
        ],
    );
    check(
        &a(""),
        &b("[workspace]"),
        &["b/Tender.toml:3 `[workspace]`: a member of a workspace cannot be the root of another"],
    );
    // Every mistake of every manifest at once; a broken dependency is not reported again where it
    // is used.
    check(
        "[package",
        &b("jobs = 1\nflags = 2\n[dependencies]\na = { path = \"../a\" }"),
        &[
            "a/Tender.toml:1 ``: unclosed table, expected `]`",
            "b/Tender.toml:3 `jobs`: unknown key `jobs` in `[package]`",
            "b/Tender.toml:4 `2`: `flags` must be an array of strings, not an integer",
        ],
    );
}

#[test]
fn members_are_found_and_checked() {
    let check = |workspace: &str, expect: &[&str]| {
        let tree = Tree::new(&[
            ("Tender.toml", &format!("[workspace]\n{workspace}")),
            ("crates/a/Tender.toml", "[package]\nname = \"a\"\n"),
            ("crates/a/src/a.c", ""),
            ("crates/none/", ""),
        ]);
        assert_eq!(problems(&tree), expect, "{workspace}");
    };
    check("members = [\"crates/*\"]", &[]);
    check("members = [\"crates/a\", \"crates/a/\", \"./crates/*\"]", &[]);
    check("members = []", &["Tender.toml:1 `[workspace]`: the workspace has no members"]);
    check(
        "members = [\"crates/none\"]",
        &["Tender.toml:2 `\"crates/none\"`: the member `crates/none` has no `Tender.toml`"],
    );
    check(
        "members = [\"lib/*\"]",
        &["Tender.toml:2 `\"lib/*\"`: `lib/*` matches no directory with a `Tender.toml`"],
    );
    check(
        "members = \"crates/*\"",
        &["Tender.toml:2 `\"crates/*\"`: `members` must be an array of strings, not a string"],
    );
    check(
        "mebmers = [\"crates/*\"]",
        &["Tender.toml:2 `mebmers`: unknown key `mebmers` in `[workspace]`"],
    );
}

#[test]
fn names_and_manifests_that_are_not_utf8_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let tree = Tree::new(&[("Tender.toml", "[package]\nname = \"zip\"\n"), ("src/a.c", "")]);
    let name = std::ffi::OsStr::from_bytes(b"b\xff.c");
    std::fs::write(tree.path("src").as_std_path().join(name), "").unwrap();
    assert_eq!(
        problems(&tree),
        ["Tender.toml:2 `\"zip\"`: the name of the file `src/b\u{fffd}.c` is not UTF-8"]
    );
    std::fs::write(
        tree.path("Tender.toml"),
        b"[package]\nname = \"zip\"\n[lib]\nsources = [\"src/*.c\"]",
    )
    .unwrap();
    assert_eq!(
        problems(&tree),
        ["Tender.toml:4 `\"src/*.c\"`: the name of the file `src/b\u{fffd}.c` is not UTF-8"]
    );
    let excluded = "[package]\nname = \"zip\"\n[lib]\nsources = [\"src/*.c\", \"!src/b*\"]";
    std::fs::write(tree.path("Tender.toml"), excluded).unwrap();
    assert_eq!(problems(&tree), [""; 0]);
    std::fs::write(tree.path("Tender.toml"), b"[package]\nname = \"z\xfc\"\n").unwrap();
    assert_eq!(problems(&tree), ["Tender.toml:2 `?`: the manifest is not UTF-8"]);
}

/// Uses most of the format.
const RICH: &str = "[workspace]\nmembers = [\"crates/*\"]\nexclude = []\n[workspace.package]\nversion = \"1\"\n\
    [build]\njobs = 8\nmemory = \"75%\"\n[profile.fast]\ninherits = \"release\"\nopt-level = \"s\"\ndebug = false\n\
    lto = \"thin\"\ncodegen-units = 4\ntranslate = \"serial\"\ndefines = [\"A=1\"]\n[package]\nname = \"zip\"\n\
    version.workspace = true\ninclude = [\"i\"]\nc-std = \"c17\"\nlink = [\"m\"]\npkg-config = [\"x >= 3\"]\n\
    [lib]\nsources = [\"src/**/*.{c,cc}\", \"!src/[a-b].c\"]\nheaders = [\"include\"]\ncrate-type = [\"cdylib\"]\n\
    exports = \"z.map\"\n[[bin]]\nname = \"zip\"\nsources = [\"src/main.c\"]\n[dependencies]\nz = { path = \"../z\" }\n\
    [[generate]]\nrun = [\"make\"]\ninputs = [\"g/*\"]\noutputs = [\"$OUT_DIR/c.h\"]\n\
    [[generate]]\nname = \"moc\"\nrun = [\"moc\", \"{input}\", \"-o{output}\"]\nfor-each = \"src/*.c\"\n\
    outputs = [\"{outdir}/{dir}/{stem}.h\"]\ndepfile = \"{outdir}/{name}.d\"\nenv = { A = \"{{{stem}}}\" }\n";

mod never_panics {
    use super::*;
    use proptest::prelude::*;

    /// Loads and renders. A temporary directory with one source, so that the walk is reached as
    /// well.
    fn try_it(text: &str) {
        let tree = Tree::new(&[("Tender.toml", text), ("src/a.c", ""), ("include/", "")]);
        let problems = match tree.load("Tender.toml") {
            Ok(loaded) => loaded.warnings,
            Err(errors) => {
                assert!(errors.problems.iter().any(Problem::is_error));
                assert!(!errors.to_string().is_empty());
                errors.problems
            }
        };
        for problem in &problems {
            assert!(!render(problem, true, None).is_empty());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn manifest_of_any_text_is_read_or_refused(text in "\\PC{0,80}") {
            try_it(&text);
        }

        #[test]
        fn manifest_of_any_values_is_read_or_refused(
            key in "(sources|flags|name|version|members|jobs|run|path|z|c-std|[a-z\\-]{1,8})",
            value in "(-?[0-9]{1,20}|true|\\[\\]|\\{\\}|\\[\"[^\"\\\\]{0,12}\"\\]|\"[^\"\\\\]{0,12}\"|1.5|nan|1979-05-27|\\[1, \\[2\\]\\])",
            table in "(package|lib|bin|workspace|build|profile|profile.x|dependencies|generate|dependencies.z)",
            double: bool,
        ) {
            let header = if double { format!("[[{table}]]") } else { format!("[{table}]") };
            try_it(&format!("{header}\n{key} = {value}\n"));
            if table != "package" {
                try_it(&format!("[package]\nname = \"zip\"\n{header}\n{key} = {value}\n"));
            }
        }

        #[test]
        fn manifest_mutations_are_read_or_refused(
            edits in proptest::collection::vec((0..RICH.len(), 0..12usize, "\\PC{0,4}|[\\[\\]{}\"=.,!*\n]{0,3}"), 1..4)
        ) {
            let mut text: Vec<char> = RICH.chars().collect();
            for (at, removed, inserted) in edits {
                let at = at.min(text.len());
                let end = (at + removed).min(text.len());
                text.splice(at..end, inserted.chars());
            }
            try_it(&text.into_iter().collect::<String>());
        }
    }
}
