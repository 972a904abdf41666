//! `--lib`, `--bins` and `--bin`: which targets of a crate are built.

use tender_tests::TestSpace;

/// A crate with a library and the programs `one` and `two`.
fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n");
    space.write("src/lib.c", "int f(void) { return 0; }\n");
    for name in ["one", "two"] {
        space.write(&format!("src/bin/{name}.c"), "int f(void); int main(void) { return f(); }\n");
    }
    space
}

#[test]
fn targets_that_are_not_chosen_are_not_built() {
    #[track_caller]
    fn check(words: &[&str], expect: &[&str]) {
        let space = space();
        space.tender(&[&["build"], words].concat()).expect_ok();
        assert_eq!(space.outputs("debug").into_keys().collect::<Vec<_>>(), expect);
        space.expect_fresh(words);
        // For editors: all targets, also those that are not built.
        assert_eq!(space.read("target/compile_commands.json").matches("\"file\"").count(), 3);
    }
    check(&["--lib"], &["libx.a"]);
    check(&["--bin", "two"], &["libx.a", "two"]);
    check(&["--bins"], &["libx.a", "one", "two"]);
    check(&["--lib", "--bin", "one"], &["libx.a", "one"]);
}

#[test]
fn targets_are_chosen_for_checks_too() {
    let space = space();
    space.write("src/bin/two.c", "int main(void) { return x; }\n");
    space.tender(&["check", "--bin", "one"]).expect_ok();
    space.tender(&["check", "--bins"]).expect_code(101);
}

#[test]
fn targets_that_do_not_exist_are_refused() {
    let space = space();
    let run = space.tender(&["build", "--bin", "tow"]).expect_code(2);
    run.expect_stderr(&["error: there is no program `tow`", "did you mean `two`?"]);
    let run = space.tender(&["build", "--bin", "elsewhere"]).expect_code(2);
    run.expect_stderr(&["error: there is no program `elsewhere`", "there are `one`, `two`"]);
    space.remove("src/lib.c");
    for name in ["one", "two"] {
        space.write(&format!("src/bin/{name}.c"), "int main(void) { return 0; }\n");
    }
    space
        .tender(&["build", "--lib"])
        .expect_code(2)
        .expect_stderr(&["error: there is no library to build"]);
    space.tender(&["build"]).expect_ok();
}

#[test]
fn soname_of_a_library_stays_its_own() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"app\", \"lib\"]\n");
    space.write(
        "lib/Tender.toml",
        "[package]\nname = \"s\"\n[lib]\ncrate-type = [\"cdylib\"]\nlink-args = [\"-Wl,-z,now\"]\n\
         public-link-args = [\"-Wl,--defsym=given=42\"]\n",
    );
    space.write("lib/src/s.c", "int s(void) { return 0; }\n");
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\n[dependencies]\ns = { path = \"../lib\" }\n",
    );
    space.write(
        "app/src/main.c",
        "extern char given;\nint s(void);\nint main(void) { return s() || (long)&given == 0; }\n",
    );
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/app").expect_ok();
    space.edit("lib/Tender.toml", "\"cdylib\"", "\"staticlib\"");
    space.tender(&["build"]).expect_code(2).expect_stderr(&["`public-link-args`"]);
}

#[test]
fn headers_outside_the_workspace_give_no_warnings() {
    let space = TestSpace::new();
    space.write("out/Tender.toml", "[package]\nname = \"out\"\n[lib]\nsources = []\n");
    space.write("out/include/out.h", "static int unused(void) { int x; return 1; }\n");
    space.write(
        "ws/Tender.toml",
        "[workspace]\n[package]\nname = \"app\"\nwarnings = [\"all\", \"error\"]\n[dependencies]\nout = { path = \"../out\" }\n",
    );
    space.write("ws/src/main.c", "#include <out.h>\nint main(void) { return 0; }\n");
    space.tender(&["-C", "ws", "build"]).expect_ok();
    space.write("ws/src/main.c", "#include <out.h>\nint main(void) { int own; return 0; }\n");
    space.tender(&["-C", "ws", "build"]).expect_code(101).expect_stderr(&["-Wunused-variable"]);
}
