//! What is where, and that it goes again.

use super::space::{greet, install, run, tree};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tender_tests::TestSpace;

const OF_GREET: [&str; 9] = [
    "include/greet/greet.h",
    "lib/cmake/greet/greet-config-version.cmake",
    "lib/cmake/greet/greet-config.cmake",
    "lib/libgreet.a",
    "lib/libgreet.so",
    "lib/libgreet.so.1",
    "lib/libgreet.so.1.2.0",
    "lib/pkgconfig/greet.pc",
    "share/man/man3/greet.3",
];

const OF_WORDS: [&str; 5] = [
    "include/words.h",
    "lib/cmake/words/words-config-version.cmake",
    "lib/cmake/words/words-config.cmake",
    "lib/libwords.a",
    "lib/pkgconfig/words.pc",
];

fn of_both(lists: &[&'static str]) -> Vec<&'static str> {
    let mut all = [&OF_GREET[..], &OF_WORDS, lists].concat();
    all.sort_unstable();
    all
}

const LISTS: [&str; 2] = ["share/tender/greet.json", "share/tender/words.json"];

#[test]
fn install_puts_each_kind_of_file_into_its_directory() {
    let space = greet("\"staticlib\", \"cdylib\"");
    let dry = install(&space, "greet", "out", &["--dry-run"]).expect_ok();
    assert!(!space.exists("out") && !space.exists("ws/target/release/libgreet.a"));
    let root = space.path("out");
    let lines: Vec<String> =
        of_both(&[]).iter().map(|path| format!("install {root}/{path}")).collect();
    assert_eq!(dry.stdout.lines().collect::<Vec<_>>(), lines);

    let done = install(&space, "greet", "out", &[]).expect_ok();
    done.expect_stderr(&["Installed `greet` in ", "(9 files)", "Installed `words` in "]);
    assert_eq!(tree(&space, "out"), of_both(&LISTS));
    let link = |path: &str| fs::read_link(space.path(path)).unwrap().into_os_string();
    assert_eq!(link("out/lib/libgreet.so"), "libgreet.so.1.2.0");
    assert_eq!(link("out/lib/libgreet.so.1"), "libgreet.so.1.2.0");
    let mode = |path: &str| fs::metadata(space.path(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("out/lib/libgreet.so.1.2.0"), 0o755);
    assert_eq!(mode("out/lib/libgreet.a"), 0o644);
    assert_eq!(mode("out/include/words.h"), 0o644);
    // Release is the default.
    assert!(space.exists("ws/target/release") && !space.exists("ws/target/debug"));

    let before = space.mtime("out/include/words.h");
    let again = install(&space, "greet", "out", &[]).expect_ok();
    again.expect_stderr(&["(9 files, which were there)"]);
    assert_eq!(space.mtime("out/include/words.h"), before);

    let removed = space.tender(&["uninstall", "greet", "--prefix", "out"]).expect_ok();
    removed.expect_stderr(&["Removed `greet`, `words` from ", "(14 files)"]);
    assert_eq!(tree(&space, "out"), ["/"]);
}

#[test]
fn install_below_destdir_has_the_same_layout() {
    let space = greet("\"staticlib\", \"cdylib\"");
    // Relative to the current directory, which is the workspace.
    let words = ["-C", "ws", "install", "-p", "greet", "--prefix", "/usr"];
    space.tender(&[&words[..], &["--destdir", "../stage/./a"]].concat()).expect_ok();
    assert_eq!(tree(&space, "stage/a/usr"), of_both(&LISTS));
    let mut command = space.command(&words);
    command.env("DESTDIR", "../stage/b");
    space.run(command).expect_ok();
    assert_eq!(tree(&space, "stage/b/usr"), of_both(&LISTS));
    for path in of_both(&LISTS) {
        let read =
            |stage: &str| fs::read(space.path(&format!("stage/{stage}/usr/{path}"))).unwrap();
        assert_eq!(read("a"), read("b"), "{path}");
    }
    let pc = space.read("stage/a/usr/lib/pkgconfig/greet.pc");
    assert!(pc.starts_with("prefix=/usr\n") && !pc.contains("stage"), "{pc}");
    let words = ["uninstall", "words", "greet", "--prefix", "/usr", "--destdir", "stage/a"];
    space.tender(&words).expect_ok();
    assert_eq!(tree(&space, "stage/a"), ["usr/"]);
}

#[test]
fn program_finds_shared_libraries_where_they_are_installed() {
    let space = greet("\"cdylib\"");
    install(&space, "hello", "out", &["--libdir", "lib/deep"]).expect_ok();
    assert!(space.exists("out/lib/deep/libgreet.so.1.2.0"));
    space.remove("ws/target");
    // A tree may be moved.
    fs::rename(space.path("out"), space.path("moved")).unwrap();
    let done = space.built("moved/bin/hello").expect_ok();
    assert_eq!(done.stdout, "6\n");
    let dynamic = |file: &str| run(&space, "readelf", &["-dW", file], &[]).expect_ok().stdout;
    let program = dynamic("moved/bin/hello");
    assert!(program.contains("runpath: [$ORIGIN/../lib/deep]"), "{program}");

    // Where the loader looks anyway, there is none.
    let words = ["-C", "ws", "install", "-p", "hello", "--prefix", "/usr", "--destdir", "../stage"];
    space.tender(&words).expect_ok();
    let program = dynamic("stage/usr/bin/hello");
    assert!(program.contains("libgreet.so.1") && !program.contains("runpath"), "{program}");
    let library = space.path("stage/usr/lib");
    let done = run(&space, "stage/usr/bin/hello", &[], &[("LD_LIBRARY_PATH", library.as_str())]);
    assert_eq!(done.expect_ok().stdout, "6\n");
}

#[test]
fn program_with_static_libraries_is_installed_alone() {
    let space = greet("\"staticlib\"");
    install(&space, "hello", "out", &[]).expect_ok();
    assert_eq!(tree(&space, "out"), ["bin/hello", "share/tender/hello.json"]);
    assert_eq!(space.built("out/bin/hello").expect_ok().stdout, "6\n");
}

#[test]
fn library_that_others_need_goes_with_the_last_of_them() {
    let space = greet("\"cdylib\"");
    install(&space, "hello", "out", &[]).expect_ok();
    install(&space, "greet", "out", &[]).expect_ok();
    let uninstall = |name: &str| space.tender(&["uninstall", name, "--prefix", "out"]);
    let run = uninstall("greet").expect_code(2);
    run.expect_stderr(&["the crate `greet` is needed by `hello`"]);
    uninstall("hello").expect_ok();
    // The user has installed it too.
    assert!(space.exists("out/lib/libgreet.so") && !space.exists("out/bin"));
    uninstall("greet").expect_ok();
    assert_eq!(tree(&space, "out"), ["/"]);
    uninstall("greet").expect_code(2).expect_stderr(&["the crate `greet` is not installed in "]);
}

#[test]
fn later_installation_removes_what_is_no_longer_there() {
    let space = greet("\"staticlib\"");
    space.write("ws/greet/include/greet/old.h", "");
    space.write("ws/greet/include/greet/older.h", "");
    install(&space, "greet", "out", &[]).expect_ok();
    space.write("out/include/greet/older.h", "changed\n");
    space.write("out/include/greet/greet.h", "changed\n");
    space.remove("ws/greet/include/greet/old.h");
    space.remove("ws/greet/include/greet/older.h");
    let run = install(&space, "greet", "out", &[]).expect_ok();
    run.expect_stderr(&["older.h` has been changed since it was installed, so it stays"]);
    assert!(!space.exists("out/include/greet/old.h"));
    assert_eq!(space.read("out/include/greet/older.h"), "changed\n");
    assert!(space.read("out/include/greet/greet.h").contains("greet_root"));
}

#[test]
fn manifest_says_what_else_is_installed() {
    let space = TestSpace::new();
    space.write(
        "ws/Tender.toml",
        "[package]\nname = \"kit\"\nversion = \"2.0\"\n\
         [lib]\nheaders = [\"src\"]\n\
         [install]\nheaders = [\"src/kit.h\", \"$OUT_DIR/made.h\"]\ninclude-dir = \"include/kit-2\"\nprograms = [\"kit\"]\n\
         man = [\"docs/*.1\"]\n\
         [install.data]\n\"share/kit\" = [\"assets/**\", \"!**/*.bak\"]\n\"etc\" = [\"conf/kit.conf\"]\n\
         [[generate]]\nrun = [\"sh\", \"-c\", \"echo '#define MADE 1' > $OUT_DIR/made.h\"]\noutputs = [\"$OUT_DIR/made.h\"]\n\
         [[lib]]\n",
    );
    space.edit("ws/Tender.toml", "[[lib]]\n", "");
    space.write("ws/src/kit.h", "#include <made.h>\nint kit(void);\n");
    space.write("ws/src/private.h", "");
    space.write("ws/src/kit.c", "#include <kit.h>\nint kit(void) { return MADE; }\n");
    space.write("ws/src/main.c", "#include <kit.h>\nint main(void) { return kit() - 1; }\n");
    space.write("ws/src/bin/helper.c", "int main(void) { return 0; }\n");
    space.write("ws/docs/kit.1", ".TH KIT 1\n");
    space.write("ws/assets/a.txt", "a");
    space.write("ws/assets/deep/b.sh", "#!/bin/sh\n");
    space.write("ws/assets/deep/b.bak", "");
    let script = space.path("ws/assets/deep/b.sh");
    fs::set_permissions(script, fs::Permissions::from_mode(0o700)).unwrap();
    space.write("ws/conf/kit.conf", "x = 1\n");
    install(&space, "kit", "out", &[]).expect_ok();
    assert_eq!(
        tree(&space, "out"),
        [
            "bin/kit",
            "etc/kit.conf",
            "include/kit-2/kit.h",
            "include/kit-2/made.h",
            "lib/cmake/kit/kit-config-version.cmake",
            "lib/cmake/kit/kit-config.cmake",
            "lib/libkit.a",
            "lib/pkgconfig/kit.pc",
            "share/kit/a.txt",
            "share/kit/deep/b.sh",
            "share/man/man1/kit.1",
            "share/tender/kit.json",
        ]
    );
    let script = fs::metadata(space.path("out/share/kit/deep/b.sh")).unwrap();
    assert_eq!(script.permissions().mode() & 0o777, 0o755);
    assert!(
        space.read("out/lib/pkgconfig/kit.pc").contains("includedir=${prefix}/include/kit-2\n")
    );
}

#[test]
fn plugin_is_installed_and_finds_its_libraries() {
    let space = greet("\"cdylib\"");
    space.write(
        "ws/hello/Tender.toml",
        "[package]\nname = \"hello\"\n[lib]\noutput = \"deep/hello.so\"\nsources = [\"src/hello.c\"]\n\
         [dependencies]\ngreet = { path = \"../greet\" }\n",
    );
    space.remove("ws/hello/src/main.c");
    space.write(
        "ws/hello/src/hello.c",
        "#include <greet/greet.h>\ndouble hello(void) { return greet_root(8.0); }\n",
    );
    install(&space, "hello", "out", &[]).expect_ok();
    assert!(!space.exists("out/lib/pkgconfig/hello.pc"));
    let found = run(&space, "ldd", &["out/lib/hello/deep/hello.so"], &[]).expect_ok().stdout;
    let library = space.path("out/lib/hello/deep/../../libgreet.so.1");
    assert!(found.contains(library.as_str()), "{found}");
}
