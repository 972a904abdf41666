//! `share-headers`: headers that several units include first are parsed once, and no object depends on
//! it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tender_tests::libraries::{ports, sources};
use tender_tests::{Disk, Feature, TestSpace, skip};

const SHARED: &str = "target/debug/.tender/app/headers/lib/shared";

const HEADERS: &str = "#pragma once\n#include <algorithm>\n#include <functional>\n#include <iostream>\n#include <map>\n\
     #include <memory>\n#include <regex>\n#include <string>\n#include <unordered_map>\n#include <vector>\n\
     inline int one() { return 1; }\n\
     struct Shape { virtual ~Shape() {} virtual int area() const { return one(); } };\n";

/// Five units that begin alike, and one that does not.
fn space(value: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        format!(
            "[package]\nname = \"app\"\ninclude = [\"src\"]\n\n[lib]\nsources = [\"src/*.cpp\"]\n\n\
             [profile.dev]\nshare-headers = \"{value}\"\n\n[profile.release]\nshare-headers = \"{value}\"\n"
        ),
    );
    space.write("src/all.h", HEADERS);
    for name in ["a", "b", "c", "d", "e"] {
        space.write(
            &format!("src/{name}.cpp"),
            format!(
                "#include \"all.h\"\nstruct Own_{name} : Shape {{ int area() const override {{ return 2; }} }};\n\
                 int {name}(const std::vector<std::string> &v) {{ std::map<std::string, int> m; for (auto &s : v) m[s]++; \
                 return Own_{name}().area() + one() + int(m.size()); }}\n"
            ),
        );
    }
    space.write("src/own.cpp", "int own(int);\nint own(int n) { return n; }\n#include \"all.h\"\n");
    space
}

/// What each unit says of shared headers, in a build on one slot, so that the headers come first.
#[track_caller]
fn headers(space: &TestSpace, args: &[&str]) -> BTreeMap<String, String> {
    let words = [&["build", "--message-format", "json", "-j1"], args].concat();
    let run = space.tender(&words).expect_ok();
    let messages = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages
        .filter(|message| message["reason"] == "shared-headers")
        .map(|message| {
            let headers = &message["headers"];
            let result = headers["result"].as_str().unwrap();
            let more = match result {
                "made" => headers["groups"].as_array().unwrap().len().to_string(),
                _ => headers["why"].as_str().unwrap_or_default().to_owned(),
            };
            (message["unit"].as_str().unwrap().to_owned(), format!("{result} {more}"))
        })
        .collect()
}

/// The objects of the library.
fn objects(space: &TestSpace, profile: &str) -> BTreeMap<String, Vec<u8>> {
    let names = ["a", "b", "c", "d", "e", "own"];
    let object = |name: &str| {
        let path = format!("target/{profile}/.tender/app/obj/lib/src/{name}.cpp.o");
        (name.to_owned(), std::fs::read(space.path(&path)).unwrap())
    };
    names.into_iter().map(object).collect()
}

#[test]
fn headers_are_parsed_once_and_objects_do_not_depend_on_it() {
    for (profile, args) in [("debug", &[][..]), ("release", &["--release"])] {
        let space = space("auto");
        let seen = headers(&space, args);
        assert_eq!(seen["shared-headers"], "made 1", "{seen:?}");
        for name in ["a", "b", "c", "d", "e"] {
            assert_eq!(seen[&format!("src/{name}.cpp")], "used ", "{seen:?}");
        }
        // It declares something first, and shares the standard headers alone.
        assert_eq!(seen["src/own.cpp"], "used ", "{seen:?}");
        space.expect_fresh(args);
        let with = objects(&space, profile);
        // Where the file cannot be used, the units are compiled alone.
        let path = format!("target/{profile}/.tender/app/headers/lib/shared");
        space.write(&path, "tender shared headers 1\n damaged");
        space.touch("src/all.h", Duration::from_secs(1));
        for name in ["a", "b", "c", "d", "e", "own"] {
            std::fs::remove_file(
                space.path(&format!("target/{profile}/.tender/app/obj/lib/src/{name}.cpp.o")),
            )
            .unwrap();
        }
        space.tender(&[&["build", "-j8"], args].concat()).expect_ok();
        assert!(with == objects(&space, profile), "{profile}");
    }
}

#[test]
fn headers_that_change_are_parsed_anew_and_compile_their_units_again() {
    let space = space("auto");
    space.remove("src/own.cpp");
    space.build(&[]);
    space.touch("src/all.h", Duration::from_secs(60));
    space.expect_fresh(&[]);
    space.edit("src/all.h", "return 1", "return 3");
    let seen = headers(&space, &[]);
    assert_eq!(seen["shared-headers"], "made 1", "{seen:?}");
    assert_eq!(seen["src/a.cpp"], "used ", "{seen:?}");
    // An edit of a unit parses no header again.
    space.edit("src/b.cpp", "return 2", "return 4");
    let seen = headers(&space, &[]);
    assert_eq!(seen, BTreeMap::from([("src/b.cpp".to_owned(), "used ".to_owned())]));
    // A comment changes lines, and no token: the parsed headers are of other lines.
    space.write("src/own.cpp", "");
    space.build(&[]);
    let before = objects(&space, "debug");
    space.edit("src/all.h", "#pragma once", "#pragma once\n// One more line.");
    space.build(&[]);
    assert!(before["a"] != objects(&space, "debug")["a"]);
    space.expect_fresh(&[]);
}

#[test]
fn headers_that_are_damaged_are_made_again() {
    let space = space("auto");
    space.build(&[]);
    space.write(SHARED, "damaged");
    let seen = headers(&space, &[]);
    assert_eq!(seen, BTreeMap::from([("shared-headers".to_owned(), "made 1".to_owned())]));
    space.expect_fresh(&[]);
}

#[test]
fn headers_that_the_disk_has_no_space_for_are_warned_about_and_not_shared() {
    let space = space("auto");
    let Some(_disk) = Disk::mount(&space, "target", "6m") else { return };
    let run = space.tender(&["build", "-j1"]).expect_ok();
    assert!(run.stderr.contains("warning: no headers are shared: cannot write"), "{}", run.stderr);
    assert!(!run.stderr.contains("error:"), "{}", run.stderr);
    assert!(space.exists("target/debug/libapp.a"));
}

#[test]
fn unit_with_a_warning_is_compiled_alone_and_warned_about_once() {
    let space = space("auto");
    space.edit(
        "src/c.cpp",
        "#include \"all.h\"\n",
        "#include \"all.h\"\nstatic int never() { return 1; }\n",
    );
    space.edit("Tender.toml", "[lib]\n", "[lib]\ncxx-flags = [\"-Wall\"]\n");
    let run = space.tender(&["build", "-j1"]).expect_ok();
    assert_eq!(run.stderr.matches("unused function 'never'").count(), 1, "{}", run.stderr);
    let seen = headers(&space, &[]);
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn verify_compiles_both_ways_and_finds_no_difference() {
    let space = space("verify");
    for args in [&[][..], &["--release"]] {
        let seen = headers(&space, args);
        assert_eq!(seen["src/a.cpp"], "used ", "{seen:?}");
    }
}

#[test]
fn verify_finds_an_overload_that_a_standard_header_must_not_depend_on() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"app\"\n\n[lib]\nsources = [\"src/*.cpp\"]\ncxx-flags = [\"-isystem\", \"system\"]\n\n\
         [profile.dev]\nshare-headers = \"verify\"\n",
    );
    // Takes the place of a standard header, and calls what it has not declared alone.
    space.write(
        "system/ratio",
        "#pragma once\n#include <functional>\n#include <iostream>\n#include <map>\n#include <regex>\n\
         int pick(double);\ninline int picked() { return pick(1); }\n",
    );
    space.write("src/pick.h", "#pragma once\nint pick(int);\n");
    for name in ["a", "b", "c"] {
        let text =
            format!("#include \"pick.h\"\n#include <ratio>\nint {name}() {{ return picked(); }}\n");
        space.write(&format!("src/{name}.cpp"), text);
    }
    let run = space.tender(&["build", "-j1"]).expect_code(101);
    assert!(run.stderr.contains("with shared headers differs"), "{}", run.stderr);
    assert!(run.stderr.contains("picked"), "{}", run.stderr);
    space.edit("src/pick.h", "int pick(int)", "int choose(int)");
    space.tender(&["build", "-j1"]).expect_ok();
}

#[test]
fn verify_finds_no_difference_in_code_of_others() {
    let space = TestSpace::new();
    let root = space.path("ports");
    // With what they need. Their own tests may need more, and are left out then.
    ports(sources(), &root, &["googletest", "snappy", "yaml-cpp", "leveldb"]);
    let members = space.read("ports/Tender.toml");
    if ["\"yaml-cpp\",", "\"leveldb\","].iter().any(|member| !members.contains(member)) {
        skip(Feature::PinnedSources, "the sources of yaml-cpp or leveldb are not there");
        return;
    }
    let (from, to) = ("[profile.dev]\n", "[profile.dev]\nshare-headers = \"verify\"\n");
    space.edit("ports/Tender.toml", from, to);
    space.edit("ports/Tender.toml", "debug = false", "debug = true");
    let words = ["build", "-C", root.as_str(), "-p", "yaml-cpp", "-p", "leveldb", "-j1"];
    let run = space.tender(&[&words[..], &["--message-format", "json"]].concat()).expect_ok();
    let used = run.stdout.matches("{\"result\":\"used\"}").count();
    // Of 29 and 39 units.
    assert!(used > 30, "{used}");
}

#[test]
fn value_that_is_unknown_is_refused() {
    let space = space("always");
    let run = space.tender(&["build"]).expect_code(2);
    assert!(run.stderr.contains("`share-headers` must be one of"), "{}", run.stderr);
}
