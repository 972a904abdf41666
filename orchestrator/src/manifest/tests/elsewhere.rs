//! Dependencies from elsewhere, as the loader sees them: what is wanted, what is found, conflicts.

use super::*;
use std::collections::BTreeMap;
use std::rc::Rc;

const SUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Knows where sources are by their addresses.
#[derive(Debug, Default)]
struct Places(BTreeMap<String, Utf8PathBuf>);

impl SourceFinder for Places {
    fn find(&self, _: &Utf8Path, spec: &SourceSpec) -> Option<FoundSource> {
        let dir = self.0.get(spec.origin.url())?.clone();
        Some(FoundSource { dir, commit: None })
    }
}

/// What is loaded where `places` are addresses and directories of the tree; else the addresses that are
/// wanted.
fn load_found(
    tree: &Tree,
    places: &[(&str, &str)],
    options: LoadOptions,
) -> Result<Loaded, Result<Vec<String>, ManifestErrors>> {
    let places = places.iter().map(|(url, dir)| ((*url).to_owned(), tree.path(dir)));
    let finder: Rc<dyn SourceFinder> = Rc::new(Places(places.collect()));
    let options = LoadOptions { finder: Some(finder), ..options };
    load_with(&tree.path("ws/Tender.toml"), &options).map_err(|error| match error {
        LoadError::Manifest(errors) => Err(errors),
        LoadError::Sources { wanted, .. } => {
            Ok(wanted.iter().map(|spec| spec.origin.url().to_owned()).collect())
        }
    })
}

fn needed() -> LoadOptions {
    LoadOptions { sources: SourceChoice::Needed, ..LoadOptions::default() }
}

#[track_caller]
fn wanted(tree: &Tree, places: &[(&str, &str)], options: LoadOptions, expect: &[&str]) {
    match load_found(tree, places, options) {
        Ok(_) => assert!(expect.is_empty(), "nothing is wanted"),
        Err(Ok(found)) => assert_eq!(found, expect),
        Err(Err(errors)) => panic!("{errors}"),
    }
}

#[test]
fn sources_are_wanted_as_far_as_the_build_needs_them() {
    let tree = Tree::new(&[
        (
            "ws/Tender.toml",
            "[package]\nname = \"app\"\n[features]\nzip = [\"dep:zlib\", \"fmt/wide\"]\n\
             [dependencies]\nfmt = { git = \"https://a/fmt\", features = [\"loud\"] }\n\
             zlib = { git = \"https://a/zlib\", optional = true }\n\
             [dev-dependencies]\ncheck = { git = \"https://a/check\" }\n\
             [target.'cfg(windows)'.dependencies]\nwin = { git = \"https://a/win\" }\n",
        ),
        ("ws/src/main.c", ""),
        (
            "fmt/Tender.toml",
            "[package]\nname = \"fmt\"\n[features]\nloud = []\nwide = [\"dep:wide\"]\n\
             [dependencies]\nwide = { git = \"https://a/wide\", optional = true }\n\
             [dev-dependencies]\nother = { git = \"https://a/other\" }\n",
        ),
        ("fmt/include/fmt.h", ""),
        ("wide/Tender.toml", "[package]\nname = \"wide\"\n"),
        ("wide/include/wide.h", ""),
        ("zlib/Tender.toml", "[package]\nname = \"zlib\"\n"),
        ("zlib/include/zlib.h", ""),
    ]);
    let with = |features: &[&str], dev: bool| {
        let features = features.iter().map(|name| (*name).to_owned()).collect();
        let features = FeatureOptions { features, dev, ..FeatureOptions::default() };
        LoadOptions { features, ..needed() }
    };
    let fmt = ("https://a/fmt", "fmt");
    wanted(&tree, &[], LoadOptions::default(), &[]);
    wanted(&tree, &[], needed(), &["https://a/fmt"]);
    wanted(&tree, &[fmt], needed(), &[]);
    wanted(&tree, &[], with(&["zip"], false), &["https://a/fmt", "https://a/zlib"]);
    wanted(&tree, &[fmt], with(&["zip"], false), &["https://a/zlib", "https://a/wide"]);
    wanted(&tree, &[], with(&[], true), &["https://a/fmt", "https://a/check"]);
    let all = LoadOptions { sources: SourceChoice::All, ..LoadOptions::default() };
    let urls = ["fmt", "zlib", "check", "win"].map(|name| format!("https://a/{name}"));
    wanted(&tree, &[], all, &urls.each_ref().map(String::as_str));
    // What is not needed is left out.
    let Ok(loaded) = load_found(&tree, &[fmt], needed()) else { panic!("it is there") };
    let names: Vec<&str> =
        loaded.workspace.crates.iter().map(|krate| krate.name.as_str()).collect();
    assert_eq!(names, ["app", "fmt"]);
    assert!(loaded.sources.some_absent);
    assert!(loaded.workspace.crates[1].source.is_some());
}

#[test]
fn sources_may_have_a_manifest_elsewhere_or_several_crates() {
    let tree = Tree::new(&[
        (
            "ws/Tender.toml",
            &format!(
                "[package]\nname = \"app\"\n[dependencies]\n\
                 fmt = {{ url = \"https://a/fmt.tgz\", sha256 = \"{SUM}\", manifest = \"ports/fmt.toml\" }}\n\
                 b = {{ git = \"https://a/many\" }}\n"
            ),
        ),
        ("ws/src/main.c", ""),
        ("ws/ports/fmt.toml", "[package]\nname = \"fmt\"\n[lib]\nsources = [\"lib/*.c\"]\n"),
        ("fmt/lib/fmt.c", ""),
        (
            "many/Tender.toml",
            "[workspace]\nmembers = [\"crates/*\"]\n[workspace.package]\nversion = \"3.0\"\n",
        ),
        ("many/crates/a/Tender.toml", "[package]\nname = \"a\"\nversion.workspace = true\n"),
        ("many/crates/a/src/a.c", ""),
        (
            "many/crates/b/Tender.toml",
            "[package]\nname = \"b\"\n[dependencies]\na = { path = \"../a\" }\n",
        ),
        ("many/crates/b/src/b.c", ""),
    ]);
    let places = [("https://a/fmt.tgz", "fmt"), ("https://a/many", "many")];
    let loaded = match load_found(&tree, &places, needed()) {
        Ok(loaded) => loaded,
        Err(errors) => panic!("{errors:?}"),
    };
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let of = |name: &str| &loaded.workspace[loaded.workspace.crate_named(name).unwrap()];
    assert_eq!(tree.short(&of("fmt").libs[0].sources.files), ["fmt/lib/fmt.c"]);
    assert_eq!(tree.short(&[of("fmt").manifest.clone()]), ["ws/ports/fmt.toml"]);
    assert_eq!(of("a").version, "3.0");
    assert!(of("a").source.is_some() && of("app").source.is_none());
    assert_eq!(tree.short(&of("app").files_for_sources), ["ws/ports/fmt.toml"]);
}

/// The errors of `ws/Tender.toml`, without places.
#[track_caller]
fn errors(files: &[(&str, &str)], places: &[(&str, &str)], expect: &[&str]) {
    let tree = Tree::new(files);
    match load_found(&tree, places, needed()) {
        Err(Err(errors)) => {
            let root = tree.path("");
            let found: Vec<String> = errors
                .problems
                .iter()
                .map(|problem| problem.message.replace(root.as_str(), ""))
                .collect();
            assert_eq!(found, expect);
            let rendered = errors.problems.iter().map(|one| render(one, false, None));
            assert!(rendered.into_iter().all(|text| !text.is_empty()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn sources_of_a_crate_are_one() {
    let app = |rest: &str| {
        format!(
            "[workspace]\nmembers = [\".\", \"b\"]\n[package]\nname = \"app\"\n[dependencies]\n\
             b = {{ path = \"b\" }}\nfmt = {{ git = \"https://a/fmt\", tag = \"1\" }}\n{rest}"
        )
    };
    let b =
        "[package]\nname = \"b\"\n[dependencies]\nfmt = { git = \"https://a/fmt\", tag = \"2\" }\n";
    let fmt = ("fmt/Tender.toml", "[package]\nname = \"fmt\"\n");
    let header = ("fmt/include/fmt.h", "");
    let sources = [("ws/src/main.c", ""), ("ws/b/src/b.c", ""), fmt, header];
    let files = |app: &'static str| {
        [&[("ws/Tender.toml", app), ("ws/b/Tender.toml", b)], &sources[..]].concat()
    };
    let conflict: &'static str = app("").leak();
    errors(
        &files(conflict),
        &[],
        &[
            "the crates `app` and `b` take `fmt` from different sources: https://a/fmt?tag=1 and https://a/fmt?tag=2",
        ],
    );
    let patched: &'static str = app("[patch]\nfmt = { path = \"../fmt\" }\n").leak();
    let tree = Tree::new(&files(patched));
    let loaded = load_found(&tree, &[], needed()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let fmt = &loaded.workspace[loaded.workspace.crate_named("fmt").unwrap()];
    assert!(fmt.source.is_none());
    let unused: &'static str = "[package]\nname = \"app\"\n[patch]\nfmt = { path = \"../fmt\" }\n";
    let tree = Tree::new(&files(unused));
    let loaded = load_found(&tree, &[], needed()).unwrap();
    assert_eq!(loaded.warnings[0].message, "no dependency takes `fmt` from elsewhere");
    let member: &'static str = "[workspace]\nmembers = [\"b\"]\n[package]\nname = \"app\"\n[dependencies]\nb = { git = \"https://a/b\" }\n";
    errors(
        &files(member),
        &[],
        &["the crate `app` takes `b` from https://a/b, but `b` is a crate of this workspace"],
    );
}

#[test]
fn sources_name_nothing_outside_of_them() {
    let app = "[package]\nname = \"app\"\n[dependencies]\nfmt = { git = \"https://a/fmt\" }\n";
    let files = |fmt: &'static str| {
        [
            ("ws/Tender.toml", app),
            ("ws/src/main.c", ""),
            ("fmt/Tender.toml", fmt),
            ("fmt/include/fmt.h", ""),
            ("b/Tender.toml", "[package]\nname = \"b\"\n"),
            ("b/include/b.h", ""),
        ]
    };
    let places = [("https://a/fmt", "fmt")];
    errors(
        &files("[package]\nname = \"fmt\"\n[dependencies]\nb = { path = \"../b\" }\n"),
        &places,
        &["`../b` leads out of the sources that were fetched"],
    );
    errors(
        &files("[package]\nname = \"fmt2\"\n"),
        &places,
        &["the package in `https://a/fmt` is named `fmt2`"],
    );
    errors(
        &files("[package]\nname = \"fmt\"\nversion.workspace = true\n"),
        &places,
        &["there is no `[workspace.package]` to inherit `version` from"],
    );
    errors(
        &[("ws/Tender.toml", app), ("ws/src/main.c", ""), ("fmt/fmt.h", "")],
        &places,
        &["the sources of `fmt` have no `Tender.toml`"],
    );
    // Warnings about manifests of others are not shown.
    let tree = Tree::new(&files(
        "[package]\nname = \"fmt\"\n[patch]\nx = { path = \"x\" }\n[build-dependencies]\n",
    ));
    assert!(load_found(&tree, &places, needed()).unwrap().warnings.is_empty());
}

#[test]
fn sources_are_named_in_one_way() {
    let check = |entry: &str, expect: &str| {
        let text = format!("[package]\nname = \"app\"\n[dependencies]\nx = {{ {entry} }}\n");
        let tree = Tree::new(&[("ws/Tender.toml", &text), ("ws/src/main.c", "")]);
        match load_found(&tree, &[], needed()) {
            Err(Err(errors)) => assert_eq!(errors.problems[0].message, expect, "{entry}"),
            other => panic!("{entry}: {other:?}"),
        }
    };
    let url = "url = \"https://a/x.tgz\"";
    check("path = \"x\", git = \"https://a/x\"", "`path` and `git` both say where the crate is");
    check(url, "the archive has no `sha256`");
    check(&format!("{url}, sha256 = \"12\""), "`12` is no sha256 checksum");
    check(&format!("{url}, sha256 = \"{SUM}\", tag = \"1\""), "`tag` has no effect beside `url`");
    check("path = \"x\", patches = [\"a\"]", "`patches` has no effect beside `path`");
    check(
        "git = \"https://a/x\", tag = \"1\", rev = \"2\"",
        "`tag` and `rev` both choose a commit",
    );
    check("git = \"ext::sh -c true\"", "`ext::sh -c true` is no address of a git repository");
    check("git = \"--upload-pack=x:y\"", "`--upload-pack=x:y` is no address of a git repository");
    check(
        "git = \"https://a/x\", branch = \"-x\"",
        "`-x` is no name of a branch, a tag or a commit",
    );
    check("url = \"ftp://a/x\"", "`ftp://a/x` is no address of an archive");
}
