//! `precompiled-headers`: parsed once for a target, and included first by each of its units.

use std::time::Duration;
use tender_tests::TestSpace;

const PCH: &str = "target/debug/.tender/app/headers/bin-app/precompiled.pch";

/// Two units of C++ that include nothing, and one of C.
fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"app\"\n\
         [[bin]]\nname = \"app\"\nsources = [\"src/*.cpp\", \"src/*.c\"]\n\
         precompiled-headers = [\"src/pch.h\", \"<string>\"]\n",
    );
    space.write("src/pch.h", "#pragma once\n#include <vector>\ninline int one() { return 1; }\n");
    space.write("src/two.cpp", "#include \"pch.h\"\nint two() { return one() + 1; }\n");
    space.write(
        "src/main.cpp",
        "int two();\nextern \"C\" int three(void);\n\
         int main() { std::vector<std::string> v(two()); return int(v.size()) + three(); }\n",
    );
    space.write("src/three.c", "int three(void) { return 3; }\n");
    space
}

#[track_caller]
fn built(space: &TestSpace) -> Vec<String> {
    let mut built: Vec<String> = space
        .build(&[])
        .into_iter()
        .map(|one| format!("{}: {}", one.unit, one.reason))
        .filter(|line| !line.starts_with("app: "))
        .collect();
    space.expect_fresh(&[]);
    built.sort();
    built
}

#[track_caller]
fn returns(space: &TestSpace, code: i32) {
    space.built("target/debug/app").expect_code(code);
}

#[test]
fn headers_are_included_first_by_each_unit_of_cpp() {
    let space = space();
    space.build(&[]);
    returns(&space, 5);
    space.expect_fresh(&[]);
    assert!(space.exists(PCH));
    space.tender(&["check"]).expect_ok();
}

#[test]
fn headers_that_change_compile_their_units_again() {
    let space = space();
    space.build(&[]);
    space.touch("src/pch.h", Duration::from_secs(60));
    space.expect_fresh(&[]);
    space.edit("src/pch.h", "return 1", "return 2");
    let of_file = format!("the file {PCH} has changed");
    assert_eq!(
        built(&space),
        [
            "precompiled-headers: the file ./src/pch.h has changed".to_owned(),
            format!("src/main.cpp: {of_file}"),
            "src/two.cpp: the file src/pch.h has changed".to_owned(),
        ]
    );
    returns(&space, 6);
    space.write("src/two.cpp", "int two() { return one() + 2; }\n");
    assert_eq!(built(&space), ["src/two.cpp: the file src/two.cpp has changed"]);
    returns(&space, 7);
    // One that was damaged is made again.
    space.write(PCH, "CPCH");
    let lines = built(&space);
    assert_eq!(
        lines,
        [format!(
            "precompiled-headers: the output {PCH} was changed by something other than tender"
        )]
    );
    // A header of another name.
    space.write("src/other.h", "inline int one() { return 5; }\n");
    space.edit("Tender.toml", "src/pch.h", "src/other.h");
    space.edit("Tender.toml", "\"<string>\"", "\"<vector>\", \"<string>\"");
    space.build(&[]);
    returns(&space, 10);
}

#[test]
fn headers_of_a_target_of_c_are_those_of_c() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"app\"\n\
         [[generate]]\nrun = [\"sh\", \"-c\", \"echo '#define FOUR 4' > $OUT_DIR/four.h\"]\n\
         outputs = [\"$OUT_DIR/four.h\"]\n\
         [[bin]]\nname = \"app\"\nsources = [\"src/*.c\"]\n\
         precompiled-headers = [\"<stdbool.h>\", \"four.h\"]\n",
    );
    space.write("src/main.c", "int main(void) { bool yes = true; return yes + FOUR; }\n");
    space.build(&[]);
    space.built("target/debug/app").expect_code(5);
    space.expect_fresh(&[]);
    space.edit("Tender.toml", "FOUR 4", "FOUR 6");
    space.build(&[]);
    space.built("target/debug/app").expect_code(7);
}

#[test]
fn diagnostics_of_headers_are_shown_once_with_their_place() {
    let space = space();
    space.edit("src/pch.h", "return 1;", "int unused; return 1;");
    space.edit("Tender.toml", "[[bin]]", "warnings = [\"all\"]\n[[bin]]");
    let run = space.tender(&["build"]).expect_ok();
    assert_eq!(run.stderr.matches("unused variable 'unused'").count(), 1, "{run}");
    // They are shown again while the file is up to date.
    let run = space.tender(&["build"]).expect_ok();
    assert_eq!(run.stderr.matches("unused variable 'unused'").count(), 1, "{run}");
    space.edit("src/pch.h", "return 1;", "return undeclared;");
    let run = space.tender(&["build"]).expect_code(101);
    run.expect_stderr(&[
        "src/pch.h:3:39",
        "use of undeclared identifier 'undeclared'",
        "could not precompile the headers `app`",
    ]);
    space.edit("Tender.toml", "src/pch.h", "src/none.h");
    let run = space.tender(&["build"]).expect_code(101);
    run.expect_stderr(&["precompiled-headers:1:10", "'src/none.h' file not found"]);
    space.edit("Tender.toml", "\"src/none.h\"", "\"<none\"");
    let run = space.tender(&["build"]).expect_code(2);
    run.expect_stderr(&["`<none` is no name of a header", "Tender.toml"]);
}

#[test]
fn outputs_with_precompiled_headers_do_not_depend_on_the_directory() {
    let outputs = || {
        let space = space();
        space.write("src/main.cpp", space.read("src/main.cpp") + "const char *file = __FILE__;\n");
        space.edit("src/pch.h", "return 1;", "return sizeof(__FILE__) > 0;");
        space.build(&["-j2"]);
        (space.read_bytes(PCH), space.outputs("debug"))
    };
    let (one, other) = (outputs(), outputs());
    assert!(one.0 == other.0, "the precompiled files differ");
    assert_eq!(one.1, other.1);
}

/// clang of another version, as editors have, reads text.
#[test]
fn compile_commands_name_the_headers() {
    let space = space();
    space.build(&[]);
    let commands = space.read("target/compile_commands.json");
    let words = "\"-include\",\n      \"src/pch.h\",\n      \"-include\",\n      \"string\"";
    assert_eq!(commands.matches(words).count(), 2, "{commands}");
    assert!(!commands.contains("-include-pch"), "{commands}");
    space.edit("Tender.toml", "<string>", "<string_view>");
    space.tender(&["build"]).expect_code(101);
    assert!(space.read("target/compile_commands.json").contains("\"string_view\""));
}

#[test]
fn headers_and_modules_exclude_each_other() {
    let space = space();
    space.edit("Tender.toml", "[[bin]]", "cxx-std = \"c++20\"\nscan-modules = true\n[[bin]]");
    let run = space.tender(&["build"]).expect_code(101);
    run.expect_stderr(&["crate `app` has `precompiled-headers`", "scan-modules = false"]);
}

#[test]
fn headers_are_parsed_once_for_targets_with_the_same_words() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"app\"\nprecompiled-headers = [\"<string>\"]\n\
         [[bin]]\nname = \"one\"\nsources = [\"src/one.cpp\"]\n\
         [[bin]]\nname = \"two\"\nsources = [\"src/two.cpp\"]\n\
         [[bin]]\nname = \"other\"\nsources = [\"src/other.cpp\"]\ndefines = [\"OTHER\"]\n",
    );
    for (name, code) in [("one", 1), ("two", 2), ("other", 3)] {
        let text = format!("int main() {{ return std::string({code}, 'x').size(); }}\n");
        space.write(&format!("src/{name}.cpp"), text);
    }
    // The item does not depend on what was asked for.
    space.build(&["--bin", "two"]);
    assert!(space.exists("target/debug/.tender/app/headers/bin-one/precompiled.pch"));
    assert_eq!(space.build(&[]).iter().filter(|one| one.unit == "precompiled-headers").count(), 1);
    for (name, code) in [("one", 1), ("two", 2), ("other", 3)] {
        space.built(&format!("target/debug/{name}")).expect_code(code);
    }
    assert!(!space.exists("target/debug/.tender/app/headers/bin-two/precompiled.pch"));
    space.expect_fresh(&[]);
}
