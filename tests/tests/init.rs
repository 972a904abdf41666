//! `tender init` on trees that exist: what it makes of them is built, and used by a program.

use tender_tests::TestSpace;
use tender_tests::libraries::pinned;

const MAIN: &str = "int main(void) { return 0; }\n";

#[test]
fn init_makes_a_library_with_public_headers_and_a_program() {
    let space = TestSpace::new();
    space.write("zip/include/zip/zip.h", "int zip(void);\n");
    space.write(
        "zip/lib/zip.c",
        "#include <zip/zip.h>\n#include \"lib/part.h\"\nint zip(void) { return part(); }\n",
    );
    space.write("zip/lib/part.h", "int part(void);\n");
    space.write("zip/lib/part.c", "#include \"lib/part.h\"\nint part(void) { return 42; }\n");
    space.write("zip/lib/part_win32.c", "#error\n");
    space.write("zip/lib/part_test.c", "#error\n");
    space.write(
        "zip/tools/show.c",
        "#include <stdio.h>\n#include <zip/zip.h>\nint main(void) { printf(\"%d\\n\", zip()); }\n",
    );
    space.write("zip/tests/t.c", "#error\n");
    space.write("zip/contrib/c.c", "#error\n");
    let run = space.tender(&["-C", "zip", "init"]).expect_ok();
    let run = run.expect_stderr(&[
        "Library `zip`: 2 sources that do not define `main`",
        "Headers `include`, public: a directory of that name is for users",
        "Program `show`: `tools/show.c` defines `main`",
        "Include `.`: `lib/part.c` includes `lib/part.h`",
        "Left out `lib/part_test.c`, `tests`: tests",
        "Left out `contrib`: code of others, or contributed",
        "Left out `lib/part_win32.c`: for other platforms",
        "Created library `zip`",
    ]);
    assert_eq!(run.stdout, "");
    space.tender(&["-C", "zip", "build"]).expect_ok();
    assert_eq!(space.built("zip/target/debug/show").expect_ok().stdout, "42\n");
    assert!(space.exists("zip/target/debug/libzip.a"));
    use_from_a_program(
        &space,
        "zip",
        "#include <zip/zip.h>\nint main(void) { return zip() != 42; }\n",
        "c",
    );
}

#[test]
fn init_makes_a_program_of_sources_with_one_main() {
    let space = TestSpace::new();
    space.write("app.c", "#include \"part.h\"\n#ifdef SELF_TEST\nint main(void) { return 2; }\n#endif\nint part(void) { return 0; }\n");
    space.write("part.h", "int part(void);\n");
    space.write(
        "start.c",
        "#include \"part.h\"\n/* int main() {} */\nint main(void) { return part(); }\n",
    );
    space
        .tender(&["init", "--name", "app"])
        .expect_ok()
        .expect_stderr(&["Program `app`: 2 sources; `start.c` defines"]);
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/app").expect_ok();
}

#[test]
fn init_writes_nothing_where_all_sources_are_left_out() {
    let space = TestSpace::new();
    space.write("tests/t.c", MAIN);
    let run = space.tender(&["init", "--name", "x"]).expect_code(2);
    run.expect_stderr(&[
        "Left out `tests`: tests",
        "there are sources, but none that a crate would be made of",
        "help: write `Tender.toml`",
    ]);
    assert!(!space.exists("Tender.toml") && !space.exists("src") && !space.exists(".gitignore"));
}

#[test]
fn init_takes_a_version_off_the_name_of_the_directory() {
    let space = TestSpace::new();
    space.write("zip-1.2.3/zip.c", "int zip;\n");
    space.tender(&["init", "zip-1.2.3"]).expect_ok().expect_stderr(&["Created library `zip`"]);
    space.tender(&["-C", "zip-1.2.3", "init", "--name", "a.b"]).expect_code(2);
}

/// A program in a directory beside the crate `name` builds with it, and runs.
#[track_caller]
fn use_from_a_program(space: &TestSpace, name: &str, main: &str, extension: &str) {
    let manifest = format!(
        "[package]\nname = \"user\"\n[dependencies]\n{name} = {{ path = \"../{name}\" }}\n"
    );
    space.write("user/Tender.toml", manifest);
    space.write(&format!("user/src/main.{extension}"), main);
    space.tender(&["-C", "user", "build"]).expect_ok();
    space.built("user/target/debug/user").expect_ok();
}

/// `tender init` on the sources of a library; then these changes of lines, at most three, and it
/// builds and is used.
#[track_caller]
fn library(name: &str, edits: &[(&str, &str)], main: &str, extension: &str) {
    let Some(sources) = pinned(name) else { return };
    let space = TestSpace::new();
    space.copy_in(&sources, name);
    space.tender(&["-C", name, "init"]).expect_ok();
    let manifest = format!("{name}/Tender.toml");
    let before = space.read(&manifest);
    assert!(before.lines().count() <= 40, "it is short and readable:\n{before}");
    for (from, to) in edits {
        space.edit(&manifest, from, to);
    }
    let after = space.read(&manifest);
    let kept = after.lines().filter(|line| before.lines().any(|old| old == *line)).count();
    let edited = after.lines().count() - kept;
    assert!(edited <= 3, "{edited} lines are edited:\n{after}");
    space.tender(&["-C", name, "build"]).expect_ok();
    assert!(space.exists(&format!("{name}/target/debug/lib{name}.a")));
    use_from_a_program(&space, name, main, extension);
}

#[test]
fn init_makes_a_crate_of_fmt() {
    library(
        "fmt",
        &[],
        "#include <fmt/core.h>\nint main() { return fmt::format(\"{}\", 42) != \"42\"; }\n",
        "cc",
    );
}

#[test]
fn init_makes_a_crate_of_zlib() {
    let defines = ("\n[lib]", "defines = [\"HAVE_UNISTD_H\"]\n\n[lib]");
    library(
        "zlib",
        &[defines],
        "#include <zlib.h>\nint main(void) { return zlibVersion()[0] != '1'; }\n",
        "c",
    );
}

#[test]
fn init_makes_a_crate_of_leveldb() {
    let defines =
        ("include = [\".\"]\n", "include = [\".\"]\ndefines = [\"LEVELDB_PLATFORM_POSIX\"]\n");
    library(
        "leveldb",
        &[defines],
        "#include <leveldb/db.h>\nint main() { leveldb::DB *db = nullptr; return leveldb::DB::Open({}, \"/nonexistent/x\", &db).ok(); }\n",
        "cc",
    );
}
