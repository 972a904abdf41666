//! Which sources lists and defaults find.

use super::*;

fn tree(manifest: &str) -> Tree {
    Tree::new(&[
        ("Tender.toml", "[workspace]\nmembers = [\"zip\"]\n"),
        ("zip/Tender.toml", &format!("[package]\nname = \"zip\"\n{manifest}")),
        ("zip/src/main.c", ""),
        ("zip/src/a.c", ""),
        ("zip/src/bin/tool.c", ""),
        ("zip/src/test/t.c", ""),
        ("ext/e.c", ""),
        ("ext/deep/e_test.c", ""),
        ("ext/test/t.c", ""),
    ])
}

#[track_caller]
fn check_library(manifest: &str, expect: &[&str]) {
    let tree = tree(manifest);
    let workspace = workspace(&tree);
    let found = workspace.crates[0].libs.first().map(|lib| tree.short(&lib.sources.files));
    assert_eq!(found.unwrap_or_default(), expect, "{manifest}");
}

#[test]
fn exclusions_take_what_is_outside_of_the_crate() {
    let lib = |sources: &str| format!("[lib]\nsources = [{sources}]\n");
    let check = |sources: &str, expect: &[&str]| check_library(&lib(sources), expect);
    check("\"../ext/**/*.c\", \"!../ext/deep/**\", \"!../ext/test\"", &["ext/e.c"]);
    check("\"../ext/**/*.c\", \"!**/test/**\"", &["ext/deep/e_test.c", "ext/e.c"]);
    check(
        "\"../ext/**\", \"src/a.c\", \"!**/*_test.c\", \"!**/test/*.c\"",
        &["ext/e.c", "zip/src/a.c"],
    );
    check("\"../ext/test/t.c\", \"../ext/e.c\", \"!**/test/**\"", &["ext/e.c"]);
}

#[test]
fn exclusions_of_nothing_give_a_warning() {
    let check = |manifest: &str, expect: &[&str]| {
        assert_eq!(problems(&tree(manifest)), expect, "{manifest}");
    };
    check(
        "[lib]\nsources = [\"src/*.c\", \"!src/main.c\", \"!src/win32/**\", \"!../ext/e.c\"]\n",
        &[
            "warning: zip/Tender.toml:4 `\"!src/win32/**\"`: `!src/win32/**` excludes nothing",
            "warning: zip/Tender.toml:4 `\"!../ext/e.c\"`: `!../ext/e.c` excludes nothing",
        ],
    );
    check(
        "inputs = [\"src/**\", \"!src/none\"]\n[lib]\ninputs = [\"../ext/**\", \"!**/none/**\"]\n",
        &[
            "warning: zip/Tender.toml:3 `\"!src/none\"`: `!src/none` excludes nothing",
            "warning: zip/Tender.toml:5 `\"!**/none/**\"`: `!**/none/**` excludes nothing",
        ],
    );
    let generate = |inputs: &str, outputs: &str| {
        format!("[[generate]]\nrun = [\"x\"]\ninputs = [{inputs}]\noutputs = [{outputs}]\n")
    };
    let inputs = "\"src/**\", \"!src/a.c\", \"!src/none\"";
    check(
        &generate(inputs, "\"$OUT_DIR/g.c\""),
        &["warning: zip/Tender.toml:5 `\"!src/none\"`: `!src/none` excludes nothing"],
    );
    // What a command writes is there.
    let lib =
        "[lib]\nsources = [\"src/*.c\", \"$OUT_DIR/*.c\", \"!src/main.c\", \"!$OUT_DIR/g.c\"]\n";
    check(&format!("{lib}{}", generate("", "\"$OUT_DIR/g.c\", \"$OUT_DIR/h.c\"")), &[]);
}

#[test]
fn targets_are_found_only_where_that_is_wanted() {
    let check = |manifest: &str, library: &[&str], programs: &[&str]| {
        check_library(manifest, library);
        let workspace = workspace(&tree(manifest));
        let bins: Vec<&str> = workspace.crates[0].bins.iter().map(|bin| &*bin.name).collect();
        assert_eq!(bins, programs, "{manifest}");
    };
    let found = ["zip/src/a.c", "zip/src/test/t.c"];
    check("", &found, &["zip", "tool"]);
    check("autolib = false\n", &[], &["zip", "tool"]);
    check("autobins = false\n", &found, &[]);
    // A table alone takes what is found for it.
    check("autolib = false\n[lib]\n", &found, &["zip", "tool"]);
    check("autobins = false\n[[bin]]\nname = \"tool\"\n", &found, &["tool"]);
    check(
        "autolib = false\nautobins = false\n[[bin]]\nname = \"p\"\nsources = [\"src/a.c\"]\n",
        &[],
        &["p"],
    );
    let nothing = problems(&tree("autolib = false\nautobins = false\n"));
    assert_eq!(nothing, ["zip/Tender.toml:2 `\"zip\"`: the package `zip` has nothing to build"]);
}

#[test]
fn default_run_names_a_program() {
    let at =
        |name: &str| format!("zip/Tender.toml:3 `\"{name}\"`: there is no program `{name}` to run");
    assert_eq!(problems(&tree("default-run = \"tool\"\n")), [""; 0]);
    assert_eq!(problems(&tree("default-run = \"tol\"\n")), [at("tol")]);
    assert_eq!(problems(&tree("default-run = \"zip\"\nautobins = false\n")), [at("zip")]);
    let workspace = workspace(&tree("default-run = \"tool\"\n"));
    assert_eq!(workspace.crates[0].default_run.as_deref(), Some("tool"));
}

#[test]
fn exclusions_among_members_of_nothing_give_a_warning() {
    let tree = Tree::new(&[
        ("Tender.toml", "[workspace]\nmembers = [\"*\", \"!b\", \"!c\"]\nexclude = [\"d\"]\n"),
        ("a/Tender.toml", "[package]\nname = \"a\"\n"),
        ("a/src/a.c", ""),
        ("b/Tender.toml", "[package]\nname = \"b\"\n"),
    ]);
    assert_eq!(problems(&tree), ["warning: Tender.toml:2 `\"!c\"`: `!c` excludes nothing"]);
}
