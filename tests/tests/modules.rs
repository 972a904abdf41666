//! C++20 named modules: scanned, ordered, made once for all importers of a mode, and remade when
//! their content changes.

use std::collections::BTreeMap;
use std::time::Duration;
use tender_tests::{Feature, Run, TestSpace};

/// A library `math` with an interface, two partitions, an implementation unit and a module of its
/// own, and a program that imports it.
fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[workspace]\nmembers = [\"math\", \"app\"]\n[workspace.package]\ncxx-std = \"c++20\"\n",
    );
    space.write(
        "math/Tender.toml",
        "[package]\nname = \"math\"\ncxx-std.workspace = true\n[lib]\nmodules = [\"math\"]\n",
    );
    space.write(
        "math/src/math.cppm",
        "module;\n#include <vector>\nexport module math;\nexport import :vectors;\nimport :one;\n\
         import detail;\n\
         // Doubles.\n\
         export int twice(int x) { return 2 * x * one(); }\n\
         export int negated(int x);\n",
    );
    space.write(
        "math/src/vectors.ixx",
        "module;\n#include <vector>\nexport module math:vectors;\n\
         export inline int sum(const std::vector<int> &v) {\n  int s = 0;\n\
         for (int x : v)\n    s += x;\n  return s;\n}\n",
    );
    // Not exported: a partition that only units of the module import.
    space.write(
        "math/src/one.mpp",
        "module math:one;\nimport detail;\nint one() { return unit(); }\n",
    );
    space.write("math/src/detail.cppm", "export module detail;\nexport int unit() { return 1; }\n");
    space.write(
        "math/src/negated.cc",
        "module math;\nint negated(int x) { return x < 0 ? x : -twice(x) / 2; }\n",
    );
    space.write("app/Tender.toml", "[package]\nname = \"app\"\ncxx-std.workspace = true\n[dependencies]\nmath = { path = \"../math\" }\n");
    space.write(
        "app/src/main.cc",
        "#include <cstdio>\n#include <vector>\nimport math;\n\
         int main() { std::printf(\"%d %d\\n\", twice(sum({1, 2})), negated(5)); }\n",
    );
    space
}

/// One crate, a program, of these sources.
fn program(sources: &[(&str, &str)]) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"app\"\ncxx-std = \"c++20\"\n");
    for (path, text) in sources {
        space.write(path, text);
    }
    space
}

#[track_caller]
fn expect_printed(space: &TestSpace, profile: &str, text: &str) {
    assert_eq!(space.built(&format!("target/{profile}/app")).expect_ok().stdout, text);
}

/// What a build with `-v` has done with sources, sorted: `scan`, `interface` and `compile`.
fn steps(run: &Run) -> Vec<String> {
    let line = |line: &str| {
        let words: Vec<&str> =
            line.trim().strip_prefix("Running `")?.trim_end_matches('`').split(' ').collect();
        let after = |word: &str| {
            let place = words.iter().position(|known| *known == word)?;
            words.get(place + 1).map(|next| (*next).to_owned())
        };
        Some(match words[0] {
            "clang-scan-deps" => format!("scan {}", after("-c")?),
            "clang" => match after("c++-module") {
                Some(source) => format!("interface {source}"),
                // What was translated with a module file is named by its name alone.
                None => {
                    let source = after("-c")?;
                    let file = source.strip_suffix(".bc").and(source.rsplit('/').next());
                    format!("compile {}", file.unwrap_or(&source))
                }
            },
            _ => return None,
        })
    };
    let mut steps: Vec<String> = run.stderr.lines().filter_map(line).collect();
    steps.sort();
    steps
}

#[track_caller]
fn expect_steps(space: &TestSpace, args: &[&str], expect: &[&str]) {
    let run = space.tender(&[&["build", "-v"], args].concat()).expect_ok();
    assert_eq!(steps(&run), expect, "{run}");
}

/// A build that fails because of the sources.
#[track_caller]
fn expect_error(space: &TestSpace, texts: &[&str]) -> Run {
    space.tender(&["build"]).expect_code(101).expect_stderr(texts)
}

#[test]
fn modules_are_built_across_crates_and_are_up_to_date_afterwards() {
    let space = space();
    for profile in [&["--release"][..], &[]] {
        space.tender(&[&["build"], profile].concat()).expect_ok();
        space.expect_fresh(profile);
    }
    expect_printed(&space, "debug", "6 -5\n");
    expect_printed(&space, "release", "6 -5\n");
    space.tender(&["check"]).expect_ok();
    // The edit of a header that only a module has is seen by its importers.
    for path in ["math/src/math.cppm", "math/src/detail.cppm", "app/src/main.cc"] {
        space.touch(path, Duration::from_secs(5000));
        space.expect_fresh(&[]);
    }
}

#[test]
fn module_file_that_stays_equal_rebuilds_no_importer() {
    let space = space();
    space.tender(&["build", "--release"]).expect_ok();
    space.edit("math/src/math.cppm", "// Doubles.", "// Doubles!");
    // Nor does what was translated.
    let own = "math/src/math.cppm";
    expect_steps(&space, &["--release"], &[&format!("interface {own}"), &format!("scan {own}")]);
    // What is in no interface is no matter of importers.
    space.edit("math/src/negated.cc", "x < 0", "x < 1");
    let own = "math/src/negated.cc";
    expect_steps(&space, &["--release"], &[&format!("compile {own}"), &format!("scan {own}")]);
    space.expect_fresh(&["--release"]);
}

#[test]
fn change_of_an_interface_rebuilds_all_that_it_reaches() {
    let space = space();
    space.tender(&["build", "--release"]).expect_ok();
    space.edit("math/src/vectors.ixx", "return s;", "return s + 1;");
    expect_steps(
        &space,
        &["--release"],
        &[
            "compile app/src/main.cc",
            "compile math/src/negated.cc",
            "interface math/src/math.cppm",
            "interface math/src/vectors.ixx",
            "scan math/src/vectors.ixx",
        ],
    );
    expect_printed(&space, "release", "8 -5\n");
    space.edit("math/src/detail.cppm", "return 1;", "return 2;");
    let run = space.tender(&["build", "--release", "-v"]).expect_ok();
    let of_module = |step: &&String| step.ends_with(".bc");
    let compiled: Vec<String> = steps(&run).iter().filter(of_module).cloned().collect();
    assert_eq!(compiled, ["compile detail.bc"], "{run}");
    expect_printed(&space, "release", "16 -10\n");
}

#[test]
fn module_file_that_is_damaged_or_removed_is_made_again() {
    let space = space();
    space.build(&[]);
    let file = "target/debug/.tender/math/modules/lib/math.pcm";
    let content = space.read_bytes(file);
    space.write(file, "nonsense");
    space.build(&[]);
    assert!(space.read_bytes(file) == content, "the file is as it was");
    space.remove(file);
    space.build(&[]);
    assert!(space.read_bytes(file) == content, "the file is as it was");
    space.expect_fresh(&[]);
}

/// The contents of all files of these kinds below `target`, by path.
fn made(space: &TestSpace) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![space.path("target")];
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path().to_owned());
            } else if matches!(entry.path().extension(), Some("pcm" | "o" | "a") | None)
                && entry.file_name() != "state"
            {
                let path = entry.path().strip_prefix(space.root()).unwrap().to_string();
                found.insert(path, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

#[test]
fn module_files_and_objects_depend_on_neither_directory_nor_jobs() {
    let (one, two) = (space(), space());
    one.build(&["-j1"]);
    two.build(&["-j3"]);
    two.tender(&["clean"]).expect_ok();
    two.build(&["-j3", "-p", "math"]);
    two.build(&["-j3"]);
    let (one, two) = (made(&one), made(&two));
    let names = |all: &BTreeMap<String, Vec<u8>>| {
        let is_made =
            |name: &&String| [".pcm", ".o", ".a", "/app"].iter().any(|end| name.ends_with(end));
        all.keys().filter(is_made).cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&one), names(&two));
    assert_eq!(names(&one).iter().filter(|name| name.ends_with(".pcm")).count(), 4);
    for name in names(&one) {
        assert!(one[&name] == two[&name], "{name} differs");
    }
}

#[test]
fn importers_of_another_mode_get_module_files_of_their_own() {
    let space = space();
    space.edit(
        "app/Tender.toml",
        "cxx-std.workspace = true",
        "cxx-std = \"c++23\"\nflags = [\"-fno-exceptions\"]\ndefines = [\"unit=broken(\"]",
    );
    space.build(&[]);
    expect_printed(&space, "debug", "6 -5\n");
    let variants = made(&space).into_keys().filter(|path| path.ends_with("math.pcm")).count();
    assert_eq!(variants, 2);
    space.expect_fresh(&[]);
    space.edit("math/src/vectors.ixx", "return s;", "return s + 1;");
    space.build(&[]);
    expect_printed(&space, "debug", "8 -5\n");
}

#[test]
fn generated_interface_is_scanned_after_its_command() {
    let space = program(&[("src/main.cc", "import made;\nint main() { return seven() - 7; }\n")]);
    space.edit("Tender.toml", "cxx-std", "scan-modules = true\ncxx-std");
    let command = "[[generate]]\nrun = [\"sh\", \"-c\", \"cp seven.txt $OUT_DIR/made.cppm\"]\n\
                   inputs = [\"seven.txt\"]\noutputs = [\"$OUT_DIR/made.cppm\"]\n";
    space.write("Tender.toml", space.read("Tender.toml") + command);
    space.write("seven.txt", "export module made;\nexport int seven() { return 7; }\n");
    space.build(&[]);
    expect_printed(&space, "debug", "");
    space.expect_fresh(&[]);
    space.write("seven.txt", "export module mode;\nexport int seven() { return 7; }\n");
    expect_error(&space, &["src/main.cc:1: no unit declares the module `made`"]);
}

#[test]
fn command_that_writes_an_interface_may_itself_be_made_of_modules() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[workspace]\nmembers = [\"gen\", \"app\"]\n[workspace.package]\ncxx-std = \"c++20\"\n",
    );
    space.write("gen/Tender.toml", "[package]\nname = \"gen\"\ncxx-std.workspace = true\n");
    space.write("gen/src/main.cc", "import text;\nint main() { write(); }\n");
    space.write(
        "gen/src/text.cppm",
        "module;\n#include <cstdio>\n#include <cstdlib>\n#include <string>\nexport module text;\n\
         export void write() {\n\
         std::string path = std::string(std::getenv(\"OUT_DIR\")) + \"/made.cppm\";\n\
         std::FILE *file = std::fopen(path.c_str(), \"w\");\n\
         std::fputs(\"export module made; export int f() { return 3; }\\n\", file);\n\
         std::fclose(file);\n}\n",
    );
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\ncxx-std.workspace = true\n\
         [build-dependencies]\ngen = { path = \"../gen\" }\n\
         [[generate]]\nrun = [\"gen\"]\noutputs = [\"$OUT_DIR/made.cppm\"]\n",
    );
    space.write("app/src/main.cc", "import made;\nint main() { return f() - 3; }\n");
    space.build(&["-p", "app"]);
    expect_printed(&space, "debug", "");
    space.expect_fresh(&["-p", "app"]);
}

#[test]
fn units_of_any_extension_are_scanned_where_the_manifest_says_so() {
    let sources = [
        ("src/main.cc", "import words;\nint main() { return word(); }\n"),
        ("src/words.cc", "export module words;\nexport int word() { return 0; }\n"),
    ];
    let space = program(&sources);
    space.tender(&["build"]).expect_code(101);
    space.edit("Tender.toml", "cxx-std", "scan-modules = true\ncxx-std");
    space.build(&[]);
    expect_printed(&space, "debug", "");
}

#[test]
fn missing_module_is_named_with_the_place_of_its_import() {
    let space = program(&[
        ("src/main.cc", "int x;\nimport words;\nint main() {}\n"),
        ("src/other.cppm", "export module other;\n"),
    ]);
    expect_error(
        &space,
        &["src/main.cc:2: no unit declares the module `words`, which is imported here"],
    );
    // The next build finds it.
    space.write("src/words.cppm", "export module words;\n");
    space.build(&[]);
    // And looks for it again when it has gone.
    space.remove("src/words.cppm");
    expect_error(&space, &["src/main.cc:2: no unit declares the module `words`"]);
}

#[test]
fn modules_in_a_cycle_are_named_with_file_and_line() {
    let space = program(&[
        ("src/main.cc", "import a;\nint main() {}\n"),
        ("src/a.cppm", "export module a;\nimport b;\n"),
        ("src/b.cppm", "export module b;\n\nimport c;\n"),
        ("src/c.cppm", "export module c;\nimport a;\n"),
    ]);
    expect_error(
        &space,
        &[
            "modules import each other in a cycle",
            "src/a.cppm:2: imports `b`",
            "src/b.cppm:3: imports `c`",
            "src/c.cppm:2: imports `a`",
        ],
    );
    // Where nothing imports them too.
    space.write("src/main.cc", "int main() {}\n");
    expect_error(&space, &["modules import each other in a cycle"]);
}

#[test]
fn module_that_is_declared_twice_is_named_with_both_places() {
    let space = program(&[
        ("src/main.cc", "int main() {}\n"),
        ("src/a.cppm", "export module a;\n"),
        ("src/b.cppm", "\nexport module a;\n"),
    ]);
    expect_error(
        &space,
        &["the module `a` is declared twice", "first: src/a.cppm:1", "second: src/b.cppm:2"],
    );
}

#[test]
fn modules_that_are_not_public_or_not_there_are_refused() {
    let space = space();
    space.edit("app/src/main.cc", "import math;", "import math;\nimport detail;");
    expect_error(
        &space,
        &["app/src/main.cc:4: no unit declares the module `detail`", "crate `math` declares it"],
    );
    space.edit("math/Tender.toml", "[\"math\"]", "[\"math\", \"detail\"]");
    space.build(&[]);
    space.edit("math/Tender.toml", "\"detail\"", "\"details\"");
    expect_error(
        &space,
        &["`modules` of crate `math` names `details`", "it declares `detail`, `math`"],
    );
    space.edit("math/Tender.toml", "\"details\"", "\"math:one\"");
    space.tender(&["build"]).expect_code(2).expect_stderr(&["`math:one` is a partition"]);
}

#[test]
fn std_is_made_once_of_the_library_s_own_source() {
    if !tender_tests::llvm_bin().with_file_name("lib/libc++.modules.json").exists() {
        return tender_tests::skip(Feature::Libcxx, "libc++-22-dev is not installed");
    }
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[workspace]\nmembers = [\"lib\", \"app\"]\n[workspace.package]\ncxx-std = \"c++23\"\n\
         cxx-flags = [\"-stdlib=libc++\"]\nlink = [\"c++\"]\n",
    );
    let inherits = "cxx-std.workspace = true\ncxx-flags.workspace = true\nlink.workspace = true\n\
                    scan-modules = true\n";
    space.write("lib/Tender.toml", format!("[package]\nname = \"lib\"\n{inherits}"));
    space.write(
        "lib/src/words.cppm",
        "export module words;\nimport std;\n\
         export std::vector<std::string> words(std::string_view text) {\n\
         std::istringstream in{std::string(text)};\n\
         return {std::istream_iterator<std::string>(in), {}};\n}\n",
    );
    space.write(
        "app/Tender.toml",
        format!(
            "[package]\nname = \"app\"\n{inherits}[dependencies]\nlib = {{ path = \"../lib\" }}\n"
        ),
    );
    space.write(
        "app/src/main.cc",
        "import std.compat;\nimport words;\n\
         int main() { for (auto &word : words(\"a bc\")) std::println(\"{} {}\", word, ::strlen(word.c_str())); }\n",
    );
    let run = space.tender(&["build", "-v", "-j2"]).expect_ok();
    expect_printed(&space, "debug", "a 1\nbc 2\n");
    assert_eq!(run.stderr.matches("v1/std.cppm in ").count(), 1, "{run}");
    space.expect_fresh(&[]);
    // Another mode has its own; without libc++ there is none.
    space.edit("app/Tender.toml", "[package]", "[package]\nflags = [\"-fno-rtti\"]");
    let run = space.tender(&["build", "-v"]).expect_ok();
    assert_eq!(run.stderr.matches("v1/std.cppm in ").count(), 1, "{run}");
    expect_printed(&space, "debug", "a 1\nbc 2\n");
    space.edit("Tender.toml", "-stdlib=libc++", "-stdlib=libstdc++");
    let run = space.tender(&["build"]).expect_code(101);
    run.expect_stderr(&["lib/src/words.cppm:2", "`std`", "-stdlib=libc++"]);
}

#[test]
fn header_units_are_refused_by_name() {
    let sources = [("src/a.cppm", "export module a;\n"), ("src/x.h", "int x();\n")];
    for (import, name) in [("import <vector>;", "<vector>"), ("import \"x.h\";", "\"x.h\"")] {
        let space = program(&sources);
        space.write("src/main.cc", format!("int f();\n{import}\nint main() {{}}\n"));
        let run = expect_error(
            &space,
            &[
                &format!("src/main.cc:2:8: error: header file {name} (aka"),
                &format!("tender does not support header units: write `#include {name}`"),
            ],
        );
        assert_eq!(run.stderr.matches("error: header file").count(), 1, "{run}");
    }
}

#[test]
fn error_in_an_interface_is_shown_once() {
    let space = space();
    space.edit("math/src/math.cppm", "return 2 * x", "return 2 * y");
    let run = expect_error(&space, &["math/src/math.cppm:8", "use of undeclared identifier 'y'"]);
    assert_eq!(run.stderr.matches("undeclared identifier").count(), 1, "{run}");
    // A warning too.
    space.edit("math/src/math.cppm", "return 2 * y", "int z; return 2 * x");
    space.edit("math/Tender.toml", "[lib]", "warnings = [\"all\"]\n[lib]");
    let run = space.tender(&["build"]).expect_ok();
    assert_eq!(run.stderr.matches("unused variable 'z'").count(), 1, "{run}");
}

#[test]
fn error_of_the_back_end_in_an_interface_has_its_place() {
    let space = space();
    space.edit("math/src/math.cppm", "return 2 * x", "asm(\"nonsense\");\nreturn 2 * x");
    for pieces in [None, Some("2")] {
        let mut command = space.command(&["build"]);
        command.envs(pieces.map(|pieces| ("TENDER_FORCE_PIECES", pieces)));
        let run = space.run(command).expect_code(101);
        let run = run.expect_stderr(&["math/src/math.cppm:8", "invalid instruction mnemonic"]);
        assert_eq!(run.stderr.matches("invalid instruction").count(), 1, "{run}");
    }
}

#[test]
fn object_of_an_interface_is_the_same_without_importers() {
    for profile in
        ["[profile.dev]\n", "[profile.dev]\nlto = \"thin\"\n", "[profile.dev]\nopt-level = 2\n"]
    {
        let space = space();
        space.write("Tender.toml", space.read("Tender.toml") + profile);
        space.edit("math/src/math.cppm", "return 2", "asm(\"nop\"); return 2");
        space.build(&[]);
        let object = "target/debug/.tender/math/obj/lib/src/math.cppm.o";
        let imported = space.read_bytes(object);
        for path in ["app/src/main.cc", "math/src/negated.cc"] {
            space.write(path, "int main() {}\n");
        }
        let run = space.tender(&["build", "-v"]).expect_ok();
        assert!(steps(&run).iter().any(|step| step == "compile math/src/math.cppm"), "{run}");
        assert!(space.read_bytes(object) == imported, "{profile}");
    }
}

#[test]
fn interface_of_an_old_standard_is_refused_by_name() {
    let space =
        program(&[("src/main.cc", "int main() {}\n"), ("src/a.cppm", "export module a;\n")]);
    space.edit("Tender.toml", "c++20", "c++17");
    expect_error(&space, &["`src/a.cppm` of crate `app`", "cxx-std = \"c++20\""]);
}

#[test]
fn unit_that_programs_share_is_scanned_once() {
    let space = program(&[
        ("src/one.cc", "import shared;\nint main() { return f() - 4; }\n"),
        ("src/two.cc", "import shared;\nint main() { return f() - 4; }\n"),
        ("src/shared.cppm", "export module shared;\nexport int f() { return 4; }\n"),
    ]);
    let bin = |name: &str| {
        format!("[[bin]]\nname = \"{name}\"\nsources = [\"src/{name}.cc\", \"src/shared.cppm\"]\n")
    };
    space.write("Tender.toml", space.read("Tender.toml") + &bin("one") + &bin("two"));
    let run = space.tender(&["build", "-v", "--bin", "two"]).expect_ok();
    assert_eq!(steps(&run).len(), 5, "two scans, an interface, two units: {run}");
    let run = space.tender(&["build", "-v"]).expect_ok();
    assert_eq!(steps(&run), ["compile src/one.cc", "scan src/one.cc"], "{run}");
    space.built("target/debug/one").expect_ok();
    space.built("target/debug/two").expect_ok();
    space.expect_fresh(&[]);
}

#[test]
fn modules_work_with_link_time_optimisation_and_in_pieces() {
    for lto in ["thin-local", "thin", "fat"] {
        let space = space();
        let profile = format!("[profile.release]\nlto = \"{lto}\"\n");
        space.write("Tender.toml", space.read("Tender.toml") + &profile);
        let mut command = space.command(&["build", "--release"]);
        command.env("TENDER_FORCE_PIECES", "2");
        space.run(command).expect_ok();
        expect_printed(&space, "release", "6 -5\n");
    }
}
