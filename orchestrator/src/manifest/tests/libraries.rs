//! Libraries, and what dependencies say of them.

use super::*;
use crate::manifest::Dependency;

/// `app` with these dependencies, and the crate `lib` with this text after its name.
fn pair(dependencies: &str, lib: &str) -> Tree {
    let app = format!("[package]\nname = \"app\"\n[dependencies]\n{dependencies}");
    let lib = format!("[package]\nname = \"lib\"\n{lib}");
    Tree::new(&[
        ("Tender.toml", "[workspace]\nmembers = [\"app\", \"lib\"]\n"),
        ("app/Tender.toml", &app),
        ("app/src/main.c", ""),
        ("lib/Tender.toml", &lib),
        ("lib/src/a.c", ""),
        ("lib/src/b.c", ""),
    ])
}

#[test]
fn dependency_has_what_its_keys_say() {
    let check = |keys: &str, change: fn(&mut Dependency)| {
        let workspace = workspace(&pair(&format!("lib = {{ path = \"../lib\"{keys} }}"), ""));
        let mut expect = Dependency::on(CrateId(1), "lib");
        change(&mut expect);
        assert_eq!(workspace.crates[0].dependencies, [expect], "{keys}");
    };
    check("", |_| {});
    check(", public = false", |edge| edge.public = false);
    check(", headers-only = true", |edge| edge.headers_only = true);
    check(", whole-archive = true", |edge| edge.whole_archive = true);
    check(", system = true", |edge| edge.system = Some(true));
    check(", system = false, headers-only = false", |edge| edge.system = Some(false));
}

#[test]
fn dependency_may_have_a_name_of_its_own() {
    let tree = pair("mine = { path = \"../lib\", package = \"lib\" }", "");
    assert_eq!(workspace(&tree).crates[0].dependencies, [Dependency::on(CrateId(1), "mine")]);
    let check = |dependencies: &str, expect: &[&str]| {
        assert_eq!(problems(&pair(dependencies, "")), expect);
    };
    check(
        "mine = { path = \"../lib\", package = \"libb\" }",
        &["app/Tender.toml:4 `\"libb\"`: the package in `../lib` is named `lib`"],
    );
    check(
        "lib = { path = \"../lib\" }\nmine = { path = \"../lib\", package = \"lib\" }",
        &["app/Tender.toml:5 `mine`: `lib` and `mine` are the same package"],
    );
    check(
        "\"a b\" = { path = \"../lib\", package = \"lib\" }",
        &["app/Tender.toml:4 `\"a b\"`: the character ` ` cannot stand in a dependency name"],
    );
}

#[test]
fn version_of_a_dependency_is_checked() {
    let check = |requirement: &str, version: &str, expect: Option<&str>| {
        let dependency = format!("lib = {{ path = \"../lib\", version = \"{requirement}\" }}");
        let expect = expect.map(|text| format!("app/Tender.toml:4 `\"{requirement}\"`: {text}"));
        let found = problems(&pair(&dependency, version));
        assert_eq!(found, expect.into_iter().collect::<Vec<_>>(), "{requirement} {version}");
    };
    check("1.2", "version = \"1.3.1\"", None);
    check("1.2", "version = \"1.3\"", None);
    check(
        "1.2",
        "version = \"2.0.0\"",
        Some("the package `lib` has the version 2.0.0, which `1.2` excludes"),
    );
    check("1.2", "", Some("the package `lib` has no version"));
    check(
        "1",
        "version = \"r42\"",
        Some("the version `r42` of the package `lib` cannot be compared with `1`"),
    );
    check(
        "new",
        "",
        Some(
            "`new` is no requirement of versions: unexpected character 'n' while parsing major version number",
        ),
    );
}

#[test]
fn keys_of_dependencies_that_have_no_effect_are_refused() {
    let check = |dependencies: &str, expect: &[&str]| {
        assert_eq!(problems(&pair(dependencies, "")), expect);
    };
    check(
        "lib = { path = \"../lib\", headers-only = true, whole-archive = true }",
        &[
            "app/Tender.toml:4 `whole-archive`: `whole-archive` has no effect: of this crate nothing is linked",
        ],
    );
    check(
        "[build-dependencies]\nlib = { path = \"../lib\", public = false }",
        &[
            "app/Tender.toml:5 `lib`: the package `lib` has no program to run",
            "app/Tender.toml:5 `public`: unknown key `public` in `[build-dependencies.lib]`",
        ],
    );
}

#[test]
fn library_may_have_a_name_of_its_own() {
    let one = workspace(&pair("", "[lib]\nname = \"z.1\"\n"));
    let lib = &one.crates[1].libs[0];
    assert_eq!((lib.name.as_str(), lib.in_list), ("z.1", false));
    let expect = "the packages `app` and `lib` both make `libapp.a`";
    let tree = pair("", "[lib]\nname = \"app\"\n");
    assert_eq!(problems(&tree), [""; 0]);
    let tree = pair("[lib]\nsources = [\"src/main.c\"]\n", "[lib]\nname = \"app\"\n");
    assert_eq!(problems(&tree), [format!("lib/Tender.toml:4 `\"app\"`: {expect}")]);
}

/// A crate with the libraries `one` and `two`; `two` with this line.
fn two(line: &str) -> String {
    format!(
        "[[lib]]\nname = \"one\"\nsources = [\"src/a.c\"]\n[[lib]]\nname = \"two\"\nsources = [\"src/b.c\"]\n{line}"
    )
}

#[test]
fn crate_may_have_several_libraries() {
    let choice = "lib = { path = \"../lib\", lib = [\"two\"] }";
    let workspace = workspace(&pair(choice, &two("uses = [\"one\"]")));
    let libs = &workspace.crates[1].libs;
    let seen: Vec<_> = libs.iter().map(|lib| (lib.name.as_str(), lib.in_list, &lib.uses)).collect();
    assert_eq!(seen, [("one", true, &vec![]), ("two", true, &vec![0])]);
    assert_eq!(workspace.crates[0].dependencies[0].libs, Some(vec![1]));
}

#[test]
fn several_libraries_are_checked() {
    let check = |dependency: &str, lib: &str, expect: &[&str]| {
        assert_eq!(problems(&pair(dependency, lib)), expect, "{lib}");
    };
    check(
        "",
        "[[lib]]\nname = \"one\"\n[[lib]]\nsources = [\"src/a.c\"]",
        &[
            "lib/Tender.toml:3 `[[lib]]`: `[[lib]]` has no `sources`",
            "lib/Tender.toml:5 `[[lib]]`: `[[lib]]` has no `name`",
        ],
    );
    check(
        "",
        &two("").replace("\"two\"", "\"one\""),
        &["lib/Tender.toml:7 `\"one\"`: two libraries are named `one`"],
    );
    check(
        "",
        &two("uses = [\"onee\"]"),
        &["lib/Tender.toml:9 `\"onee\"`: this package has no library `onee`"],
    );
    check(
        "",
        &two("uses = [\"two\"]"),
        &["lib/Tender.toml:9 `\"two\"`: a library cannot use itself"],
    );
    check(
        "",
        &two("uses = [\"one\"]").replacen(
            "[\"src/a.c\"]\n",
            "[\"src/a.c\"]\nuses = [\"two\"]\n",
            1,
        ),
        &["lib/Tender.toml:6 `\"two\"`: libraries use each other: one -> two -> one"],
    );
    check("", &two("usess = []"), &["lib/Tender.toml:9 `usess`: unknown key `usess` in `[[lib]]`"]);
    let choice = |libs: &str| format!("lib = {{ path = \"../lib\", lib = {libs} }}");
    check(
        &choice("[\"tow\"]"),
        &two(""),
        &["app/Tender.toml:4 `\"tow\"`: the package `lib` has no library `tow`"],
    );
    check(&choice("[]"), &two(""), &["app/Tender.toml:4 `lib`: `lib` names no library"]);
    check(
        &choice("[\"one\", \"one\"]"),
        &two(""),
        &["app/Tender.toml:4 `\"one\"`: `one` is named twice"],
    );
}

#[test]
fn generated_source_belongs_to_one_of_several_libraries() {
    let generate = "[[generate]]\nrun = [\"sh\"]\noutputs = [\"$OUT_DIR/g.c\"]\n";
    assert_eq!(
        problems(&pair("", &format!("{}\n{generate}", two("")))),
        ["lib/Tender.toml:12 `\"$OUT_DIR/g.c\"`: no target names the source `$OUT_DIR/g.c`"]
    );
    let named = two("").replace("\"src/b.c\"", "\"src/b.c\", \"$OUT_DIR/*.c\"");
    assert_eq!(problems(&pair("", &format!("{named}\n{generate}"))), [""; 0]);
}

#[test]
fn names_of_a_shared_library_follow_its_keys() {
    let check = |keys: &str, file: &str, soname: Option<&str>, links: &[&str]| {
        let text = format!("[lib]\nname = \"z\"\n{keys}");
        let workspace = workspace(&pair("", &text));
        let lib = &workspace.crates[1].libs[0];
        assert_eq!(lib.shared_file(), file, "{keys}");
        assert_eq!(lib.shared_name().as_deref(), soname, "{keys}");
        assert_eq!(lib.shared_links(), links, "{keys}");
        assert!(lib.cdylib && lib.staticlib != lib.is_plugin(), "{keys}");
    };
    let both = "crate-type = [\"staticlib\", \"cdylib\"]\n";
    let with = |keys: &str| format!("{both}{keys}");
    check(both, "libz.so", Some("libz.so"), &[]);
    check(
        &with("version = \"1.3.1\""),
        "libz.so.1.3.1",
        Some("libz.so.1"),
        &["libz.so.1", "libz.so"],
    );
    check(&with("version = \"6\""), "libz.so.6", Some("libz.so.6"), &["libz.so"]);
    check(&with("soname = \"libz.so.1\""), "libz.so", Some("libz.so.1"), &["libz.so.1"]);
    check(
        &with("soname = \"libz-2.so\"\nversion = \"2.0\""),
        "libz.so.2.0",
        Some("libz-2.so"),
        &["libz-2.so", "libz.so"],
    );
    check("output = \"z/core.so\"", "z/core.so", None, &[]);
}

#[test]
fn keys_of_shared_libraries_that_have_no_effect_are_refused() {
    let check = |lib: &str, expect: &[&str]| {
        assert_eq!(problems(&pair("", lib)), expect, "{lib}");
    };
    check(
        "[lib]\nversion = \"1\"",
        &["lib/Tender.toml:4 `version`: `version` has no effect without a shared library"],
    );
    check(
        "[lib]\noutput = \"a.so\"\nsoname = \"a\"",
        &["lib/Tender.toml:5 `soname`: `soname` has no effect: a plugin is loaded by its path"],
    );
    check(
        "[lib]\noutput = \"a.so\"\ncrate-type = [\"staticlib\", \"cdylib\"]",
        &["lib/Tender.toml:5 `crate-type`: a plugin is a shared library alone"],
    );
    check(
        "[lib]\ncrate-type = [\"object\", \"cdylib\"]",
        &["lib/Tender.toml:4 `crate-type`: an object library has no other form"],
    );
    check(
        "[lib]\noutput = \"../a.so\"",
        &["lib/Tender.toml:4 `\"../a.so\"`: `../a.so` is no path below the directory of outputs"],
    );
}

#[test]
fn plugin_is_linked_with_nothing() {
    let plugin = two("output = \"two.so\"");
    let workspace = workspace(&pair("lib = { path = \"../lib\" }", &plugin));
    assert_eq!(workspace.crates[1].default_libs(), [0]);
    let check = |dependency: &str, lib: &str, expect: &[&str]| {
        assert_eq!(problems(&pair(dependency, lib)), expect, "{lib}");
    };
    check(
        "lib = { path = \"../lib\", lib = [\"two\"] }",
        &plugin,
        &["app/Tender.toml:4 `\"two\"`: the library `two` is a plugin"],
    );
    check(
        "lib = { path = \"../lib\" }",
        "[lib]\noutput = \"a.so\"",
        &["app/Tender.toml:4 `lib`: the package `lib` has no library to depend on"],
    );
    check(
        "",
        &plugin.replace("[\"src/a.c\"]", "[\"src/a.c\"]\nuses = [\"two\"]"),
        &["lib/Tender.toml:6 `\"two\"`: the library `two` is a plugin"],
    );
    check(
        "[lib]\nsources = [\"src/main.c\"]\noutput = \"lib.so\"",
        "[lib]\noutput = \"lib.so\"",
        &["lib/Tender.toml:2 `\"lib\"`: the packages `app` and `lib` both make `lib.so`"],
    );
    check(
        "",
        "[lib]\noutput = \"app/a.so\"",
        &[
            "lib/Tender.toml:2 `\"lib\"`: the plugin `app/a.so` cannot lie in `app`, which is a file",
        ],
    );
}
