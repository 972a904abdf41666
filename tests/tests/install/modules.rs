//! C++20 modules of installed libraries: what is installed of them, and who imports them.

use super::space::{install, run, tree};
use tender_tests::{Run, TestSpace};

/// In `ws` the library `math`, with modules of its own and for others, and `low`, which it needs; beside
/// it the workspace `user`, with a program that imports it.
fn space(math: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "ws/Tender.toml",
        "[workspace]\nmembers = [\"low\", \"math\"]\n[workspace.package]\ncxx-std = \"c++20\"\n",
    );
    space.write("ws/low/Tender.toml", "[package]\nname = \"low\"\ncxx-std.workspace = true\n");
    space.write("ws/low/src/low.cppm", "export module low;\nexport int base();\n");
    space.write("ws/low/src/base.cc", "module low;\nint base() { return 40; }\n");
    space.write(
        "ws/math/Tender.toml",
        format!(
            "[package]\nname = \"math\"\nversion = \"1.2.0\"\ncxx-std.workspace = true\n\
             defines = [\"SCALE=2\"]\n[lib]\nmodules = [\"math\", \"math.more\"]\n{math}\
             [dependencies]\nlow = {{ path = \"../low\" }}\n"
        ),
    );
    space.write("ws/math/include/scaled.h", "inline int scaled(int x) { return SCALE * x; }\n");
    space.write(
        "ws/math/src/math.cppm",
        "module;\n#include \"scaled.h\"\nexport module math;\nexport import :vectors;\nimport detail;\n\
         import low;\nexport inline int twice(int x) { return scaled(x) * unit(); }\n\
         export int negated(int x);\nexport int lowest();\n",
    );
    space.write(
        "ws/math/src/vectors.ixx",
        "module;\n#include <vector>\nexport module math:vectors;\n\
         export inline int sum(const std::vector<int> &v) {\n  int s = 0;\n\
         for (int x : v)\n    s += x;\n  return s;\n}\n",
    );
    space.write(
        "ws/math/src/inner/detail.cppm",
        "export module detail;\nexport int unit() { return 1; }\n",
    );
    space.write(
        "ws/math/src/more.cppm",
        "export module math.more;\nexport int three() { return 3; }\n",
    );
    space.write("ws/math/src/unused.cppm", "export module unused;\n");
    space.write(
        "ws/math/src/negated.cc",
        "module math;\nint negated(int x) { return -twice(x) / 2; }\nint lowest() { return base(); }\n",
    );
    space.write(
        "user/Tender.toml",
        "[package]\nname = \"app\"\ncxx-std = \"c++20\"\npkg-config = [\"math\"]\n",
    );
    space.write(
        "user/src/main.cc",
        "#include <cstdio>\n#include <vector>\nimport math;\nimport math.more;\n\
         int main() { std::printf(\"%d %d %d %d\\n\", twice(sum({1, 2})), negated(5), lowest(), three()); }\n",
    );
    space
}

/// `tender` in `user`, which finds what is installed in a prefix.
fn user(space: &TestSpace, prefix: &str, args: &[&str]) -> Run {
    let mut command = space.command(&[&["-C", "user"], args].concat());
    command.env("PKG_CONFIG_PATH", space.path(prefix).join("lib/pkgconfig"));
    space.run(command)
}

#[track_caller]
fn expect_printed(space: &TestSpace, prefix: &str, text: &str) {
    user(space, prefix, &["build"]).expect_ok();
    let libraries = space.path(prefix).join("lib");
    let done = run(space, "user/target/debug/app", &[], &[("LD_LIBRARY_PATH", libraries.as_str())]);
    assert_eq!(done.expect_ok().stdout, text);
    user(space, prefix, &["build"]).expect_ok().expect_nothing_done();
}

const MATH: &str = "out/share/math/modules/math.cppm";
const LIST: &str = "out/lib/libmath.modules.json";

/// The files of modules below `out`.
fn module_files(space: &TestSpace) -> Vec<String> {
    let is_one = |path: &String| path.contains("/modules/") || path.ends_with(".modules.json");
    tree(space, "out").into_iter().filter(is_one).collect()
}

#[test]
fn modules_of_an_installed_library_are_imported() {
    for forms in ["", "crate-type = [\"cdylib\"]\n", "crate-type = [\"staticlib\", \"cdylib\"]\n"] {
        let space = space(forms);
        install(&space, "math", "out", &[]).expect_ok();
        // Nothing of the build is needed any more.
        std::fs::remove_dir_all(space.path("ws")).unwrap();
        assert_eq!(
            module_files(&space),
            [
                "lib/liblow.modules.json",
                "lib/libmath.modules.json",
                "share/low/modules/low.cppm",
                "share/math/modules/inner/detail.cppm",
                "share/math/modules/math.cppm",
                "share/math/modules/more.cppm",
                "share/math/modules/vectors.ixx",
            ]
        );
        expect_printed(&space, "out", "6 -5 40 3\n");
        user(&space, "out", &["check"]).expect_ok();
        user(&space, "out", &["build", "--release"]).expect_ok();
    }
}

#[test]
fn modules_are_listed_with_relative_paths_and_the_same_each_time() {
    let space = space("");
    let planned = install(&space, "math", "out", &["--dry-run"]).expect_ok();
    planned.expect_stderr(&["units have not been scanned for modules yet"]);
    install(&space, "math", "out", &[]).expect_ok();
    let planned = install(&space, "math", "out", &["--dry-run"]).expect_ok();
    for path in module_files(&space) {
        let line = format!("install {}\n", space.path("out").join(&path));
        assert!(planned.stdout.contains(&line), "{path}: {planned}");
        assert!(space.read("out/share/tender/math.json").contains(&path) || path.contains("low"));
    }
    let list = space.read(LIST);
    assert!(!list.contains(space.root().as_str()), "{list}");
    let json: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&json["version"], &json["revision"]), (&1.into(), &1.into()));
    let found =
        json["modules"].as_array().unwrap().iter().find(|one| one["logical-name"] == "math");
    let module = found.unwrap();
    assert_eq!(module["source-path"], "../share/math/modules/math.cppm");
    let arguments = &module["local-arguments"];
    assert_eq!(arguments["system-include-directories"], serde_json::json!(["../include"]));
    let scale = serde_json::json!({ "name": "SCALE", "value": "2" });
    assert!(arguments["definitions"].as_array().unwrap().contains(&scale), "{list}");
    assert_eq!(list.matches("\"private\": true").count(), 2, "the partition and `detail`: {list}");

    // In another place, and with a directory of libraries further below.
    let stage = space.path("stage");
    let place = ["--destdir", stage.as_str(), "--libdir", "lib/arch"];
    install(&space, "math", "out", &place).expect_ok();
    let staged = format!("stage{}", space.path("out"));
    let other = space.read(&format!("{staged}/lib/arch/libmath.modules.json"));
    assert_eq!(other.replace("\"../../", "\"../"), list);
    space.tender(&["-C", "ws", "clean"]).expect_ok();
    install(&space, "math", "again", &["-j1"]).expect_ok();
    assert_eq!(space.read("again/lib/libmath.modules.json"), list);
}

#[test]
fn modules_are_removed_with_their_library() {
    let space = space("");
    install(&space, "math", "out", &[]).expect_ok();
    // What is not installed any more goes too.
    space.edit("ws/math/Tender.toml", ", \"math.more\"", "");
    install(&space, "math", "out", &[]).expect_ok();
    assert!(!module_files(&space).contains(&"share/math/modules/more.cppm".to_owned()));
    let prefix = space.path("out");
    space.tender(&["uninstall", "math", "--prefix", prefix.as_str()]).expect_ok();
    assert_eq!(tree(&space, "out"), ["/"]);
}

#[test]
fn edit_of_an_installed_interface_rebuilds_importers() {
    let space = space("");
    install(&space, "math", "out", &[]).expect_ok();
    expect_printed(&space, "out", "6 -5 40 3\n");
    space.edit(MATH, "scaled(x) * unit()", "scaled(x) * unit() + 1");
    expect_printed(&space, "out", "7 -5 40 3\n");
    space.edit("out/include/scaled.h", "SCALE * x", "SCALE * x + 10");
    expect_printed(&space, "out", "17 -5 40 3\n");
    // What the list says counts too.
    space.edit(LIST, "\"value\": \"2\"", "\"value\": \"3\"");
    let list = space.read(LIST).replace("\"value\": \"2\"", "\"value\": \"3\"");
    space.write(LIST, list);
    expect_printed(&space, "out", "20 -5 40 3\n");
}

#[test]
fn modules_in_a_prefix_that_was_moved_are_imported() {
    let space = space("");
    install(&space, "math", "out", &[]).expect_ok();
    expect_printed(&space, "out", "6 -5 40 3\n");
    std::fs::rename(space.path("out"), space.path("moved")).unwrap();
    for package in ["math", "low"] {
        let file = format!("moved/lib/pkgconfig/{package}.pc");
        let (from, to) = (space.path("out"), space.path("moved"));
        space.edit(&file, &format!("prefix={from}"), &format!("prefix={to}"));
    }
    expect_printed(&space, "moved", "6 -5 40 3\n");
}

#[test]
fn modules_that_appear_or_go_are_seen() {
    let space = space("");
    install(&space, "math", "out", &[]).expect_ok();
    space.write("user/src/main.cc", "int main() {}\n");
    let lists = ["out/lib/libmath.modules.json", "out/lib/liblow.modules.json"];
    let texts = lists.map(|list| space.read(list));
    lists.iter().for_each(|list| space.remove(list));
    user(&space, "out", &["build"]).expect_ok();
    user(&space, "out", &["build"]).expect_ok().expect_nothing_done();
    space.write("user/src/main.cc", "import math.more;\nint main() { return three() - 3; }\n");
    user(&space, "out", &["build"]).expect_code(101);
    for (list, text) in lists.iter().zip(&texts) {
        space.write(list, text);
    }
    user(&space, "out", &["build"]).expect_ok();
    space.remove(LIST);
    let run = user(&space, "out", &["build"]).expect_code(101);
    run.expect_stderr(&[
        "src/main.cc:1: no unit declares the module `math.more`",
        "liblow.modules.json",
    ]);
}

#[test]
fn modules_that_cannot_be_imported_name_the_file() {
    let space = space("");
    install(&space, "math", "out", &[]).expect_ok();
    let list = space.read(LIST);
    let importing = |import: &str| {
        space.write("user/src/main.cc", format!("import {import};\nint main() {{}}\n"));
        user(&space, "out", &["build"]).expect_code(101)
    };
    let file = space.path(LIST);
    importing("maths").expect_stderr(&[
        "src/main.cc:1: no unit declares the module `maths`",
        &format!("`{file}` names `math`, `math.more`"),
    ]);
    importing("detail").expect_stderr(&["for itself alone", file.as_str()]);
    importing("unused").expect_stderr(&["no unit declares the module `unused`", file.as_str()]);
    for (text, expect) in [
        (list[..list.len() / 2].to_owned(), "is no list of a library's modules"),
        (list.replace("\"version\": 1", "\"version\": 2"), "is of version 2 of its format"),
        (list.replace("math.cppm", "gone.cppm"), "gone.cppm`, which is not there"),
        (list.replace("math.cppm", "more.cppm"), "more.cppm`, which does not declare it"),
    ] {
        space.write(LIST, text);
        importing("math").expect_stderr(&[file.as_str(), expect, "help: "]);
    }
    // A crate that imports nothing need not care.
    space.write("user/src/main.cc", "int main() {}\n");
    space.edit("user/Tender.toml", "[package]", "[package]\nscan-modules = false");
    user(&space, "out", &["build"]).expect_ok();
}

#[test]
fn module_that_needs_one_which_is_not_installed_is_refused() {
    let space = space("crate-type = [\"cdylib\"]\n");
    space.edit("ws/math/Tender.toml", "\"../low\"", "\"../low\", public = false");
    let run = install(&space, "math", "out", &[]).expect_code(2);
    run.expect_stderr(&["the module `math` of the library `math`", "`low`", "be public"]);
    assert!(!space.path("out/lib").exists());
}

#[test]
fn library_that_imports_an_installed_one_is_installed_too() {
    let space = space("");
    install(&space, "math", "out", &[]).expect_ok();
    space.write(
        "ws/Tender.toml",
        "[package]\nname = \"upper\"\ncxx-std = \"c++20\"\n[lib]\npkg-config = [\"math\"]\n",
    );
    std::fs::remove_dir_all(space.path("ws/math")).unwrap();
    std::fs::remove_dir_all(space.path("ws/low")).unwrap();
    space.write(
        "ws/src/upper.cppm",
        "export module upper;\nexport import math;\nexport inline int upper() { return twice(lowest()); }\n",
    );
    let mut command =
        space.command(&["-C", "ws", "install", "--prefix", space.path("out").as_str()]);
    command.env("PKG_CONFIG_PATH", space.path("out/lib/pkgconfig"));
    space.run(command).expect_ok();
    space.edit("user/Tender.toml", "\"math\"", "\"upper\"");
    space.write(
        "user/src/main.cc",
        "#include <cstdio>\nimport upper;\nint main() { std::printf(\"%d %d\\n\", upper(), negated(1)); }\n",
    );
    expect_printed(&space, "out", "80 -1\n");
    // A workspace in which both are seen makes each module file once.
    space.edit("user/Tender.toml", "\"upper\"", "\"math\", \"upper\"");
    expect_printed(&space, "out", "80 -1\n");
}

#[test]
fn header_that_importers_of_a_module_will_not_find_is_named() {
    let space = space("");
    let run = install(&space, "math", "out", &[]).expect_ok();
    assert!(!run.stderr.contains("warning"), "{run}");
    space.write("ws/math/src/own.h", "inline int own() { return 1; }\n");
    space.edit(
        "ws/math/src/inner/detail.cppm",
        "export module",
        "module;\n#include \"../own.h\"\nexport module",
    );
    let run = install(&space, "math", "out", &[]).expect_ok();
    run.expect_stderr(&[
        "warning: importers of the module `detail` will not find `math/src/own.h`",
    ]);
}
