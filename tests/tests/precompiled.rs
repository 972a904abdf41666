//! Precompiled headers and module files: the contents of their sources count.

use std::time::Duration;
use tender_tests::{Rebuild, TestSpace};

/// The output of the program.
#[track_caller]
fn says(space: &TestSpace) -> String {
    space.built("target/debug/app").expect_ok().stdout
}

fn reasons(built: &[Rebuild]) -> Vec<String> {
    built.iter().map(|one| format!("{}: {}", one.unit, one.reason)).collect()
}

/// A program whose sources use a precompiled header, which a command of the crate makes.
fn precompiled(made: &str, used: &str) -> TestSpace {
    let space = TestSpace::new();
    let clang = tender_tests::llvm_bin().join("clang");
    space.write(
        "Tender.toml",
        format!(
            "[package]\nname = \"app\"\nflags = [{used}]\n\
             [[generate]]\nrun = [\"{clang}\", {made}]\ninputs = [\"inc/pre.h\"]\noutputs = [\"pre.out\"]\n"
        ),
    );
    space.write("inc/pre.h", "#include \"nested.h\"\nint puts(const char *);\n");
    space.write("inc/nested.h", "#define TEXT \"one\"\n");
    space.write(
        "src/bin/app/main.c",
        "int other(void);\nint main(void) { return puts(TEXT) < 0 || other(); }\n",
    );
    space.write("src/bin/app/other.c", "int other(void) { return 0; }\n");
    space
}

fn with_header() -> TestSpace {
    precompiled(
        "\"-g\", \"-O0\", \"-x\", \"c-header\", \"inc/pre.h\", \"-o\", \"pre.out\"",
        "\"-include-pch\", \"pre.out\"",
    )
}

#[test]
fn headers_of_a_precompiled_header_count_by_content() {
    let space = with_header();
    space.build(&[]);
    assert_eq!(says(&space), "one\n");
    space.expect_fresh(&[]);
    for path in ["inc/pre.h", "inc/nested.h"] {
        space.touch(path, Duration::from_secs(5000));
        space.expect_fresh(&[]);
        // The next unit is compiled without an error.
        space.edit("src/bin/app/other.c", "return 0;", "return 0; ;");
        let built = reasons(&space.build(&[]));
        assert!(
            built.contains(
                &"src/bin/app/other.c: the file src/bin/app/other.c has changed".to_owned()
            ),
            "{built:?}"
        );
        assert!(
            !built.iter().any(|one| one.contains("pre.h") || one.contains("main.c")),
            "{path}: {built:?}"
        );
        space.expect_fresh(&[]);
    }
}

#[test]
fn header_that_only_the_precompiled_one_names_rebuilds_it() {
    let space = with_header();
    space.build(&[]);
    // Of the same size, and older than the precompiled header.
    space.write("inc/nested.h", "#define TEXT \"two\"\n");
    let built = reasons(&space.build(&[]));
    assert_eq!(says(&space), "two\n", "{built:?}");
    assert!(built.iter().any(|one| one.ends_with("inc/nested.h has changed")), "{built:?}");
    space.expect_fresh(&[]);
    space.write("inc/pre.h", "#include \"nested.h\"\nint puts(const char *); /* more */\n");
    space.build(&[]);
    space.expect_fresh(&[]);
    space.touch("inc/nested.h", Duration::from_secs(5000));
    space.edit("src/bin/app/main.c", "return", " return");
    space.build(&[]);
    assert_eq!(says(&space), "two\n");
}

#[test]
fn header_touched_before_its_precompiled_one_was_used_does_not_block_builds() {
    let space = with_header();
    space.edit("src/bin/app/main.c", "return", "retrun");
    space.edit("src/bin/app/other.c", "return", "retrun");
    space.tender(&["build"]).expect_code(101);
    space.touch("inc/nested.h", Duration::from_secs(5000));
    space.edit("src/bin/app/main.c", "retrun", "return");
    space.edit("src/bin/app/other.c", "retrun", "return");
    // The build that failed has recorded the sources of the precompiled header.
    space.build(&[]);
    assert_eq!(says(&space), "one\n");
    space.expect_fresh(&[]);
}

#[test]
fn precompiled_header_of_no_item_is_checked_as_clang_does() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"app\"\nflags = [\"-include-pch\", \"pre.pch\"]\n",
    );
    space.write("inc/pre.h", "#define TEXT \"one\"\nint puts(const char *);\n");
    space.write("src/bin/app/main.c", "int main(void) { return puts(TEXT) < 0; }\n");
    let make = || {
        let mut clang = std::process::Command::new(tender_tests::llvm_bin().join("clang"));
        space.prepare(&mut clang);
        clang.args(["-g", "-x", "c-header", "inc/pre.h", "-o", "pre.pch"]);
        space.run(clang).expect_ok();
    };
    make();
    space.build(&[]);
    space.expect_fresh(&[]);
    space.write("inc/pre.h", "#define TEXT \"two\"\nint puts(const char *);\n");
    space.touch("inc/pre.h", Duration::from_secs(5000));
    space
        .tender(&["build"])
        .expect_code(101)
        .expect_stderr(&["has been modified since the precompiled header"]);
    make();
    space.build(&[]);
    assert_eq!(says(&space), "two\n");
}

#[test]
fn headers_of_a_module_file_count_by_content() {
    let space = precompiled(
        "\"-g\", \"-O0\", \"-c\", \"-fmodules\", \"-Xclang\", \"-emit-module\", \"-fmodule-name=pre\", \"-x\", \"c\", \"inc/module.modulemap\", \"-o\", \"pre.out\"",
        "\"-fmodule-file=pre=pre.out\", \"-fmodule-map-file=inc/module.modulemap\", \"-fmodules\", \"-fno-implicit-modules\", \"-Iinc\"",
    );
    space.write("inc/module.modulemap", "module pre { header \"pre.h\" export * }\n");
    space.edit("src/bin/app/main.c", "int other", "#include <pre.h>\nint other");
    space.build(&[]);
    assert_eq!(says(&space), "one\n");
    space.expect_fresh(&[]);
    space.touch("inc/nested.h", Duration::from_secs(5000));
    space.expect_fresh(&[]);
    space.write("inc/nested.h", "#define TEXT \"two\"\n");
    space.build(&[]);
    assert_eq!(says(&space), "two\n");
    space.expect_fresh(&[]);
}
