//! Files that arguments name count, option by option: the file is edited, what it bears on is rebuilt, nothing else is, and
//! results are those of a clean build.

use std::process::Command;
use tender_tests::{TestSpace, skipped};

/// LLVM's own clang, if it is there.
#[expect(clippy::disallowed_methods, reason = "where LLVM is, as for `tender` itself")]
fn clang() -> Option<String> {
    let prefix = std::env::var("LLVM_SYS_221_PREFIX").unwrap_or_else(|_| "/usr/lib/llvm-22".into());
    let clang = format!("{prefix}/bin/clang");
    Command::new(&clang).arg("--version").output().is_ok().then_some(clang)
}

/// Builds from nothing elsewhere, and compares what was asked for.
#[track_caller]
fn as_from_nothing(space: &TestSpace, output: &str) {
    space.tender(&["build", "--target-dir", "clean"]).expect_ok();
    let bytes = |target: &str| space.read_bytes(&format!("{target}/debug/{output}"));
    assert!(bytes("target") == bytes("clean"), "{output} is not that of a clean build");
    space.remove("clean");
}

/// The one item that is rebuilt, and why.
#[track_caller]
fn rebuilt(space: &TestSpace, unit: &str) -> String {
    let built = space.build(&[]);
    let found: Vec<_> = built.iter().filter(|one| one.unit == unit).collect();
    assert_eq!(found.len(), 1, "{unit} is not rebuilt: {built:?}");
    found[0].reason.clone()
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}

struct Flag {
    words: &'static [&'static str],
    file: &'static str,
    before: &'static str,
    after: &'static str,
    /// The object is another one then.
    seen: bool,
}

const PLAIN: &str = "#ifndef V\n#define V 0\n#endif\nint f(int x) { int unused; if (x > V) return x * x; return V; }\n\
    struct __attribute__((randomize_layout)) S { int a; char b; long c; short d; void *e; float g; char h; };\n\
    long s(void) { return __builtin_offsetof(struct S, c); }\n";

const FLAGS: &[Flag] = &[
    Flag {
        words: &["-include", "a.h"],
        file: "a.h",
        before: "#define V 1\n",
        after: "#define V 2\n",
        seen: true,
    },
    Flag {
        words: &["-imacros", "a.h"],
        file: "a.h",
        before: "#define V 1\n",
        after: "#define V 2\n",
        seen: true,
    },
    Flag { words: &["--config=./a.cfg"], file: "a.cfg", before: "-DV=1\n", after: "-DV=2\n", seen: true },
    Flag {
        words: &["--config", "sub/a.cfg"],
        file: "sub/a.cfg",
        before: "-DV=1\n",
        after: "-DV=2\n",
        seen: true,
    },
    Flag {
        words: &["--config=./outer.cfg"],
        file: "sub/inner",
        before: "-DV=1\n",
        after: "-DV=2\n",
        seen: true,
    },
    Flag {
        words: &["--config-user-dir=sub", "--config=a.cfg"],
        file: "sub/a.cfg",
        before: "-DV=1\n",
        after: "-DV=2\n",
        seen: true,
    },
    Flag {
        words: &["--config-user-dir=sub"],
        file: "sub/clang.cfg",
        before: "-DV=1\n",
        after: "-DV=2\n",
        seen: true,
    },
    Flag {
        words: &["--config-system-dir=sub"],
        file: "sub/clang.cfg",
        before: "-DV=1\n",
        after: "-DV=2\n",
        seen: true,
    },
    Flag {
        words: &["-ivfsoverlay", "o.yaml", "-include", "virtual.h"],
        file: "o.yaml",
        before: "{'version': 0, 'roots': [{'type': 'file', 'name': 'ROOT/virtual.h', 'external-contents': 'one.h'}]}\n",
        after: "{'version': 0, 'roots': [{'type': 'file', 'name': 'ROOT/virtual.h', 'external-contents': 'two.h'}]}\n",
        seen: true,
    },
    Flag {
        words: &["-fsanitize=undefined", "-fsanitize-ignorelist=list"],
        file: "list",
        before: "fun:f\n",
        after: "fun:none\n",
        seen: true,
    },
    Flag {
        words: &["-fsanitize-coverage=trace-pc-guard", "-fsanitize-coverage-allowlist=list"],
        file: "list",
        before: "src:*\nfun:f\n",
        after: "src:*\nfun:s\n",
        seen: true,
    },
    Flag {
        words: &["-fsanitize-coverage=trace-pc-guard", "-fsanitize-coverage-ignorelist=list"],
        file: "list",
        before: "fun:f\n",
        after: "fun:s\n",
        seen: true,
    },
    Flag {
        words: &["-fxray-instrument", "-fxray-instruction-threshold=1", "-fxray-attr-list=list"],
        file: "list",
        before: "[never]\nfun:f\n",
        after: "[never]\nfun:s\n",
        seen: true,
    },
    Flag {
        words: &["-fprofile-instr-generate", "-fprofile-list=list"],
        file: "list",
        before: "[clang]\nfunction:f=skip\n",
        after: "[clang]\nfunction:s=skip\n",
        seen: true,
    },
    Flag {
        words: &["-fbasic-block-sections=list=list"],
        file: "list",
        before: "!f\n",
        after: "!s\n",
        seen: false,
    },
    Flag {
        words: &["-frandomize-layout-seed-file=list"],
        file: "list",
        before: "one",
        after: "another",
        seen: true,
    },
    Flag {
        words: &["-Wall", "--warning-suppression-mappings=list"],
        file: "list",
        before: "[unused]\nsrc:*\n",
        after: "[unused]\nsrc:*.h\n",
        seen: false,
    },
    Flag {
        words: &["-Xclang", "-foverride-record-layout=list"],
        file: "list",
        before: "*** Dumping AST Record Layout\nType: struct S\n\nLayout: <ASTRecordLayout\n  Size:512\n  DataSize:512\n  Alignment:64\n  FieldOffsets: [0, 64, 128, 192, 256, 320, 384]>\n",
        after: "*** Dumping AST Record Layout\nType: struct S\n\nLayout: <ASTRecordLayout\n  Size:512\n  DataSize:512\n  Alignment:64\n  FieldOffsets: [0, 64, 192, 128, 256, 320, 384]>\n",
        seen: true,
    },
];

#[test]
fn flags_that_name_files() {
    let space = TestSpace::new();
    space.write("src/a.c", PLAIN);
    for (name, text) in
        [("one.h", "#define V 1\n"), ("two.h", "#define V 2\n"), ("outer.cfg", "@sub/inner\n")]
    {
        space.write(name, text);
    }
    for Flag { words, file, before, after, seen } in FLAGS {
        space.write("Tender.toml", format!("[package]\nname = \"a\"\n[lib]\nflags = [{}]\n", list(words)));
        let content = |text: &str| text.replace("ROOT", space.root().as_str());
        space.write(file, content(before));
        space.tender(&["build"]).expect_ok();
        space.expect_fresh(&[]);
        let first = space.read_bytes("target/debug/liba.a");
        space.write(file, content(after));
        let reason = rebuilt(&space, "src/a.c");
        assert!(reason.ends_with(&format!("{file} has changed")), "{words:?}: {reason}");
        assert!((space.read_bytes("target/debug/liba.a") != first) == *seen, "{words:?}: what is seen of it");
        as_from_nothing(&space, "liba.a");
        space.expect_fresh(&[]);
        space.remove(file);
    }
}

#[test]
fn flags_that_name_directories_count_what_is_looked_for() {
    let space = TestSpace::new();
    space.write("src/a.c", PLAIN);
    for (words, appears) in [
        (&["--config-user-dir=sub"][..], "sub/clang.cfg"),
        (&["--config-user-dir=sub", "--config-system-dir=other"], "other/clang.cfg"),
        (&["--config-system-dir=sub", "--config=a.cfg", "--config-user-dir=other"], "other/a.cfg"),
    ] {
        space.write("Tender.toml", format!("[package]\nname = \"a\"\n[lib]\nflags = [{}]\n", list(words)));
        space.write("sub/a.cfg", "-DV=1\n");
        space.tender(&["build"]).expect_ok();
        space.expect_fresh(&[]);
        let first = space.read_bytes("target/debug/liba.a");
        space.write(appears, "-DV=7\n");
        let reason = rebuilt(&space, "src/a.c");
        assert!(reason.ends_with(&format!("{appears} has appeared")), "{words:?}: {reason}");
        assert!(space.read_bytes("target/debug/liba.a") != first);
        as_from_nothing(&space, "liba.a");
        space.remove(appears);
        let reason = rebuilt(&space, "src/a.c");
        assert!(reason.ends_with(&format!("{appears} is gone")), "{words:?}: {reason}");
        assert!(space.read_bytes("target/debug/liba.a") == first);
        as_from_nothing(&space, "liba.a");
    }
}

#[test]
fn the_home_directory_counts_where_it_is_named() {
    let space = TestSpace::new();
    space.write("src/a.c", PLAIN);
    space.write("Tender.toml", "[package]\nname = \"a\"\n[lib]\nflags = [\"--config-user-dir=~/cfg\"]\n");
    space.write("one/cfg/clang.cfg", "-DV=1\n");
    space.write("two/cfg/clang.cfg", "-DV=2\n");
    let build = |home: &str| {
        let mut command = space.command(&["build", "-v"]);
        command.env("HOME", space.path(home));
        let reasons = space.run(command).expect_ok().rebuilt();
        reasons.into_iter().find(|one| one.unit == "src/a.c").map(|one| one.reason)
    };
    assert!(build("one").is_some());
    assert_eq!(build("one"), None);
    assert_eq!(build("two").as_deref(), Some("the environment variable HOME has changed"));
    assert_eq!(build("two"), None);
}

#[test]
fn a_new_gcc_counts_for_units_that_use_its_headers() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"a\"\n[lib]\nflags = [\"--gcc-toolchain=tools\"]\n");
    space.write("src/a.cpp", "#include <of_gcc>\nint f() { return OF_GCC; }\n");
    let install = |version: u32| {
        space.write(&format!("tools/lib/gcc/x86_64-linux-gnu/{version}/crtbegin.o"), "");
        space.write(&format!("tools/include/c++/{version}/of_gcc"), format!("#define OF_GCC {version}\n"));
    };
    install(12);
    space.tender(&["build"]).expect_ok();
    space.expect_fresh(&[]);
    let first = space.read_bytes("target/debug/liba.a");
    install(13);
    let reason = rebuilt(&space, "src/a.cpp");
    assert_eq!(reason, "what is in tools/lib/gcc/x86_64-linux-gnu/ has changed");
    assert!(space.read_bytes("target/debug/liba.a") != first);
    as_from_nothing(&space, "liba.a");
    space.expect_fresh(&[]);
    space.remove("tools/lib/gcc/x86_64-linux-gnu/13");
    rebuilt(&space, "src/a.cpp");
    assert!(space.read_bytes("target/debug/liba.a") == first);
}

#[test]
fn a_configuration_file_that_a_command_writes_counts_in_the_same_build() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n");
    let manifest = |name: &str, more: &str| {
        format!(
            "[package]\nname = \"{name}\"\nflags = [\"--config=./made.cfg\"]\n[lib]\nheaders = []\n{more}"
        )
    };
    space.write("made.cfg", "-DV=0\n");
    space.write("a/Tender.toml", manifest("a", ""));
    space.write("a/src/a.c", PLAIN);
    space.write("b/in.cfg", "-DV=1\n");
    let command = "[[generate]]\nrun = [\"sh\", \"-c\", \"sleep 1; cp in.cfg ../made.cfg; touch $OUT_DIR/done\"]\n\
        inputs = [\"in.cfg\"]\noutputs = [\"$OUT_DIR/done\"]\n";
    space.write("b/Tender.toml", manifest("b", command));
    space.write("b/src/b.c", PLAIN);
    // One worker runs both: what it keeps of the driver's first run is no longer true when the second unit comes.
    space.tender(&["build", "-j1"]).expect_ok();
    space.tender(&["build", "--target-dir", "clean", "-j1"]).expect_ok();
    let bytes = |target: &str| space.read_bytes(&format!("{target}/debug/libb.a"));
    assert!(bytes("target") == bytes("clean"));
}

struct Arg {
    words: &'static [&'static str],
    file: &'static str,
    before: &'static str,
    after: &'static str,
    /// The program is another one then.
    seen: bool,
}

const ARGS: &[Arg] = &[
    Arg {
        words: &["@a.rsp"],
        file: "a.rsp",
        before: "-Wl,--defsym=v=1",
        after: "-Wl,--defsym=v=2",
        seen: true,
    },
    Arg { words: &["-Wl,@a.rsp"], file: "a.rsp", before: "--defsym=v=1", after: "--defsym=v=2", seen: true },
    Arg {
        words: &["-Xlinker", "@a.rsp"],
        file: "a.rsp",
        before: "--defsym=v=1",
        after: "--defsym=v=2",
        seen: true,
    },
    Arg {
        words: &["@outer.rsp"],
        file: "a.rsp",
        before: "-Wl,--defsym=v=1",
        after: "-Wl,--defsym=v=2",
        seen: true,
    },
    Arg {
        words: &["-Wl,@linker.rsp"],
        file: "a.rsp",
        before: "--defsym=v=1",
        after: "--defsym=v=2",
        seen: true,
    },
    Arg {
        words: &["-rdynamic", "@script.rsp"],
        file: "a.map",
        before: "{ local: h*; };",
        after: "{ local: v*; };",
        seen: true,
    },
    Arg {
        words: &["-rdynamic", "-Wl,--version-script=a.map"],
        file: "a.map",
        before: "{ local: h*; };",
        after: "{ local: v*; };",
        seen: true,
    },
    Arg {
        words: &["-Wl,--dynamic-list,a.list"],
        file: "a.list",
        before: "{ hidden; };",
        after: "{ visible; };",
        seen: true,
    },
    Arg {
        words: &["-Wl,--export-dynamic-symbol-list=a.list"],
        file: "a.list",
        before: "{ hidden; };",
        after: "{ visible; };",
        seen: true,
    },
    Arg {
        words: &["-Wl,--retain-symbols-file=a.list"],
        file: "a.list",
        before: "hidden\n",
        after: "visible\n",
        seen: true,
    },
    Arg {
        words: &["-Wl,--symbol-ordering-file=a.list"],
        file: "a.list",
        before: "hidden\nvisible\n",
        after: "visible\nhidden\n",
        seen: true,
    },
    Arg {
        words: &["-Wl,--call-graph-ordering-file=a.list", "-Wl,--call-graph-profile-sort=hfsort"],
        file: "a.list",
        before: "main hidden 10\n",
        after: "hidden main 99\n",
        seen: true,
    },
    Arg {
        words: &["-Wl,--remap-inputs-file=a.list"],
        file: "a.list",
        before: "nothing*.o=/dev/null\n",
        after: "nobody*.o=/dev/null\n",
        seen: false,
    },
    Arg {
        words: &["-Wl,-T,a.ld"],
        file: "a.ld",
        before: "v = 1; SECTIONS { } INSERT AFTER .bss;\n",
        after: "v = 2; SECTIONS { } INSERT AFTER .bss;\n",
        seen: true,
    },
    Arg {
        words: &["--config-user-dir=sub"],
        file: "sub/clang.cfg",
        before: "-Wl,--defsym=v=1\n",
        after: "-Wl,--defsym=v=2\n",
        seen: true,
    },
    Arg {
        words: &["--config=./a.cfg"],
        file: "a.cfg",
        before: "-Wl,--defsym=v=1\n",
        after: "-Wl,--defsym=v=2\n",
        seen: true,
    },
];

const GCC_ARGS: &[Arg] = &[
    Arg {
        words: &["-specs=a.specs"],
        file: "a.specs",
        before: "*link:\n+ --defsym=v=1\n\n",
        after: "*link:\n+ --defsym=v=2\n\n",
        seen: true,
    },
    Arg {
        words: &["@outer.rsp"],
        file: "a.rsp",
        before: "-Wl,--defsym=v=1",
        after: "-Wl,--defsym=v=2",
        seen: true,
    },
    Arg { words: &["-Wl,@a.rsp"], file: "a.rsp", before: "--defsym=v=1", after: "--defsym=v=2", seen: true },
];

/// `mode`: of link-time optimisation.
fn link_args<'a>(driver: &str, mode: &str, table: impl IntoIterator<Item = &'a Arg>) {
    let space = TestSpace::new();
    space.write("src/hidden.c", "int hidden(void) { return 1; }\n");
    space.write("src/visible.c", "int visible(void) { return 2; }\n");
    space.write(
        "src/main.c",
        "int hidden(void), visible(void);\nint main(void) { return hidden() + visible(); }\n",
    );
    space.write("outer.rsp", "\"@a.rsp\" '-Wl,--no-undefined'\n");
    space.write("linker.rsp", "--no-undefined @a.rsp\n");
    space.write("script.rsp", "-Wl,--version-script\n-Xlinker a.map\n");
    for Arg { words, file, before, after, seen } in table {
        let words: Vec<&str> = [*words, &["-Wl,--build-id=none"]].concat();
        let flags = "flags = [\"-ffunction-sections\"]";
        let profile = format!("[profile.dev]\nlto = \"{mode}\"");
        space.write(
            "Tender.toml",
            format!("[package]\nname = \"a\"\n{flags}\nlink-args = [{}]\n{profile}\n", list(&words)),
        );
        space.write(file, before);
        let build = |args: &[&str]| {
            let mut command = space.command(&[&["build", "-v"], args].concat());
            command.env("CC", driver);
            space.run(command)
        };
        build(&[]).expect_ok();
        build(&[]).expect_ok().expect_nothing_done();
        let first = space.read_bytes("target/debug/a");
        space.write(file, after);
        let run = build(&[]).expect_ok();
        let reasons = run.rebuilt();
        assert!(
            reasons.len() == 1
                && reasons[0].unit == "a"
                && reasons[0].reason.ends_with(&format!("{file} has changed")),
            "{words:?}: {run}"
        );
        let second = space.read_bytes("target/debug/a");
        assert!((second != first) == *seen, "{words:?}: what is seen of it");
        build(&["--target-dir", "clean"]).expect_ok();
        assert!(space.read_bytes("clean/debug/a") == second, "{words:?}: not that of a clean build");
        build(&[]).expect_ok().expect_nothing_done();
        space.remove("clean");
        space.remove(file);
    }
}

#[test]
fn link_args_that_name_files_with_clang() {
    let Some(clang) = clang() else { return skipped("clang is needed as the program to link with") };
    link_args(&clang, "off", ARGS);
}

#[test]
fn link_args_that_name_files_with_gcc() {
    if Command::new("gcc").arg("--version").output().is_err() {
        return skipped("gcc is needed as the program to link with");
    }
    link_args("gcc", "off", GCC_ARGS);
}

#[test]
fn response_files_count_for_links_with_link_time_optimisation() {
    let drivers = [clang(), Some("gcc".to_owned())];
    for driver in drivers.iter().flatten() {
        for mode in ["thin-local", "thin", "fat"] {
            link_args(driver, mode, ARGS.iter().filter(|arg| arg.file == "a.rsp"));
        }
    }
}

#[test]
fn a_configuration_file_that_appears_counts_for_links() {
    let Some(clang) = clang() else { return skipped("clang is needed as the program to link with") };
    let space = TestSpace::new();
    space.write("src/main.c", "int main(void) { return 0; }\n");
    space.write(
        "Tender.toml",
        "[package]\nname = \"a\"\nlink-args = [\"--config-user-dir=sub\", \"-Wl,--build-id=none\"]\n",
    );
    let build = || {
        let mut command = space.command(&["build", "-v"]);
        command.env("CC", &clang);
        space.run(command).expect_ok().rebuilt()
    };
    build();
    assert_eq!(build(), []);
    space.write("sub/clang.cfg", "-Wl,--defsym=v=1\n");
    assert_eq!(build()[0].reason, "the file sub/clang.cfg has appeared");
    space.remove("sub/clang.cfg");
    assert_eq!(build()[0].reason, "the file sub/clang.cfg is gone");
    assert_eq!(build(), []);
}
