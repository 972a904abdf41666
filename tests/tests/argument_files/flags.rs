//! Options of `flags` whose value is a file.

use super::Seen::{No, Yes};
use super::{Edited, as_from_nothing, library, rebuilt, write};
use tender_tests::TestSpace;

const PLAIN: &str = "#ifndef V\n#define V 0\n#endif\nint f(int x) { int unused; if (x > V) return x * x; return V; }\n\
    struct __attribute__((randomize_layout)) S { int a; char b; long c; short d; void *e; float g; char h; };\n\
    long s(void) { return __builtin_offsetof(struct S, c); }\n";

/// Profiles of `PLAIN`: clang's hash of `f`, the number of counters, and these.
const HOT: &str = "f\n11211998296\n2\n1000\n1\n";
const COLD: &str = "f\n11211998296\n2\n0\n0\ns\n24\n1\n1000\n";
const HOT_SAMPLES: &str = "f:90000:100\n 1: 100\n";
const COLD_SAMPLES: &str = "f:0:0\n 1: 0\ns:9000:100\n 0: 100\n";
const MEMORY: &str = "---\nHeapProfileRecords:\n  - GUID: 0xdeadbeef12345678\n    AllocSites: []\n    CallSites: []\n...\n";
const OTHER_MEMORY: &str = "---\nHeapProfileRecords:\n  - GUID: 0xdeadbeef12345679\n    AllocSites: []\n    CallSites: []\n...\n";

pub const C: &[Edited] = &[
    (&["-include", "a.h"], "a.h", "#define V 1\n", "#define V 2\n", Yes),
    (&["-imacros", "a.h"], "a.h", "#define V 1\n", "#define V 2\n", Yes),
    (&["--config=./a.cfg"], "a.cfg", "-DV=1\n", "-DV=2\n", Yes),
    (&["--config", "sub/a.cfg"], "sub/a.cfg", "-DV=1\n", "-DV=2\n", Yes),
    (&["--config=./outer.cfg"], "sub/inner", "-DV=1\n", "-DV=2\n", Yes),
    (&["--config-user-dir=sub", "--config=a.cfg"], "sub/a.cfg", "-DV=1\n", "-DV=2\n", Yes),
    (&["--config-user-dir=sub"], "sub/clang.cfg", "-DV=1\n", "-DV=2\n", Yes),
    (&["--config-system-dir=sub"], "sub/clang.cfg", "-DV=1\n", "-DV=2\n", Yes),
    (
        &["-ivfsoverlay", "o.yaml", "-include", "virtual.h"],
        "o.yaml",
        "{'version': 0, 'roots': [{'type': 'file', 'name': 'ROOT/virtual.h', 'external-contents': 'one.h'}]}\n",
        "{'version': 0, 'roots': [{'type': 'file', 'name': 'ROOT/virtual.h', 'external-contents': 'two.h'}]}\n",
        Yes,
    ),
    (&["-fsanitize=undefined", "-fsanitize-ignorelist=list"], "list", "fun:f\n", "fun:none\n", Yes),
    (
        &["-fsanitize-coverage=trace-pc-guard", "-fsanitize-coverage-allowlist=list"],
        "list",
        "src:*\nfun:f\n",
        "src:*\nfun:s\n",
        Yes,
    ),
    (
        &["-fsanitize-coverage=trace-pc-guard", "-fsanitize-coverage-ignorelist=list"],
        "list",
        "fun:f\n",
        "fun:s\n",
        Yes,
    ),
    (
        &["-fxray-instrument", "-fxray-instruction-threshold=1", "-fxray-attr-list=list"],
        "list",
        "[never]\nfun:f\n",
        "[never]\nfun:s\n",
        Yes,
    ),
    (
        &["-fprofile-instr-generate", "-fprofile-list=list"],
        "list",
        "[clang]\nfunction:f=skip\n",
        "[clang]\nfunction:s=skip\n",
        Yes,
    ),
    (&["-fbasic-block-sections=list=list"], "list", "!f\n", "!s\n", No),
    (&["-frandomize-layout-seed-file=list"], "list", "one", "another", Yes),
    (
        &["-Wall", "--warning-suppression-mappings=list"],
        "list",
        "[unused]\nsrc:*\n",
        "[unused]\nsrc:*.h\n",
        No,
    ),
    (
        &["-Xclang", "-foverride-record-layout=list"],
        "list",
        "*** Dumping AST Record Layout\nType: struct S\n\nLayout: <ASTRecordLayout\n  Size:512\n  DataSize:512\n  Alignment:64\n  FieldOffsets: [0, 64, 128, 192, 256, 320, 384]>\n",
        "*** Dumping AST Record Layout\nType: struct S\n\nLayout: <ASTRecordLayout\n  Size:512\n  DataSize:512\n  Alignment:64\n  FieldOffsets: [0, 64, 192, 128, 256, 320, 384]>\n",
        Yes,
    ),
    (
        &["-fmodule-map-file=map"],
        "map",
        "module m { header \"one.h\" }\n",
        "module m { header \"two.h\" }\n",
        No,
    ),
    (
        &["-vfsoverlay", "o.yaml", "-include", "virtual.h"],
        "o.yaml",
        "{'version': 0, 'roots': [{'type': 'file', 'name': 'ROOT/virtual.h', 'external-contents': 'one.h'}]}\n",
        "{'version': 0, 'roots': [{'type': 'file', 'name': 'ROOT/virtual.h', 'external-contents': 'two.h'}]}\n",
        Yes,
    ),
    (&["-O2", "-fprofile-use=a.profdata"], "a.profdata", HOT, COLD, Yes),
    (&["-O2", "-fprofile-use=sub"], "sub/default.profdata", HOT, COLD, Yes),
    (&["-O2", "-fprofile-instr-use=a.profdata"], "a.profdata", HOT, COLD, Yes),
    (&["-O2", "-fprofile-sample-use=a.samples"], "a.samples", HOT_SAMPLES, COLD_SAMPLES, Yes),
    (
        &["-O2", "-fprofile-instr-use=kept.profdata", "-fprofile-remapping-file=map"],
        "map",
        "name 3foo 3bar\n",
        "name 3foo 3baz\n",
        No,
    ),
    (
        &["-O2", "-fprofile-sample-use=kept.samples", "-fprofile-remapping-file=map"],
        "map",
        "name 3foo 3bar\n",
        "name 3foo 3baz\n",
        No,
    ),
    (&["-O2", "-fmemory-profile-use=a.profdata"], "a.profdata", MEMORY, OTHER_MEMORY, No),
    (&["-fxray-instrument", "-fxray-always-instrument=list"], "list", "fun:f\n", "fun:s\n", Yes),
    (
        &["-fxray-instrument", "-fxray-instruction-threshold=1", "-fxray-never-instrument=list"],
        "list",
        "fun:f\n",
        "fun:s\n",
        Yes,
    ),
    (&["-fms-secure-hotpatch-functions-file=list"], "list", "f\n", "s\n", No),
    (
        &["-Xclang", "-mlink-bitcode-file", "-Xclang", "a.bc"],
        "a.bc",
        "define i32 @k() {\n  ret i32 1\n}\n",
        "define i32 @k() {\n  ret i32 2\n}\n",
        Yes,
    ),
    (&["-Xclang", "-fembed-offload-object=a.bin"], "a.bin", "one", "two", Yes),
];

pub const CXX: &[Edited] = &[
    (
        &["-std=c++20", "-fmodule-file=m=a.pcm"],
        "a.pcm",
        "export module m;\nexport constexpr int V = 1;\n",
        "export module m;\nexport constexpr int V = 2;\n",
        Yes,
    ),
    (
        &["-std=c++20", "-fprebuilt-module-path=sub"],
        "sub/m.pcm",
        "export module m;\nexport constexpr int V = 1;\n",
        "export module m;\nexport constexpr int V = 2;\n",
        Yes,
    ),
];

fn check(source: &str, content: &str, table: &[Edited]) {
    let space = TestSpace::new();
    let unit = format!("src/{source}");
    space.write(&unit, content);
    for (name, text) in [
        ("one.h", "#define V 1\n"),
        ("two.h", "#define V 2\n"),
        ("outer.cfg", "@sub/inner\n"),
        ("kept.profdata", HOT),
        ("kept.samples", HOT_SAMPLES),
    ] {
        write(&space, name, text);
    }
    for (words, file, before, after, seen) in table {
        library(&space, words);
        write(&space, file, before);
        space.tender(&["build"]).expect_ok();
        space.expect_fresh(&[]);
        let first = space.read_bytes("target/debug/liba.a");
        write(&space, file, after);
        let reason = rebuilt(&space, &unit);
        assert!(reason.ends_with(&format!("{file} has changed")), "{words:?}: {reason}");
        let differs = space.read_bytes("target/debug/liba.a") != first;
        assert!(differs == (*seen == Yes), "{words:?}: what is seen of it");
        as_from_nothing(&space, "liba.a");
        space.expect_fresh(&[]);
        space.remove(file);
    }
}

#[test]
fn flags_that_name_files_count() {
    check("a.c", PLAIN, C);
}

#[test]
fn flags_that_name_files_of_modules_count() {
    check("a.cpp", "import m;\nint f() { return V; }\n", CXX);
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
        library(&space, words);
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
fn home_directory_counts_where_it_is_named() {
    let space = TestSpace::new();
    space.write("src/a.c", PLAIN);
    space.write(
        "Tender.toml",
        "[package]\nname = \"a\"\n[lib]\nflags = [\"--config-user-dir=~/cfg\"]\n",
    );
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
fn gcc_that_appears_counts_for_units_that_use_its_headers() {
    let space = TestSpace::new();
    library(&space, &["--gcc-toolchain=tools"]);
    space.write("src/a.cpp", "#include <of_gcc>\nint f() { return OF_GCC; }\n");
    let install = |version: u32| {
        space.write(&format!("tools/lib/gcc/x86_64-linux-gnu/{version}/crtbegin.o"), "");
        space.write(
            &format!("tools/include/c++/{version}/of_gcc"),
            format!("#define OF_GCC {version}\n"),
        );
    };
    install(12);
    space.tender(&["build"]).expect_ok();
    space.expect_fresh(&[]);
    let first = space.read_bytes("target/debug/liba.a");
    install(13);
    let reason = rebuilt(&space, "src/a.cpp");
    assert_eq!(reason, "the list of files in tools/lib/gcc/x86_64-linux-gnu/ has changed");
    assert!(space.read_bytes("target/debug/liba.a") != first);
    as_from_nothing(&space, "liba.a");
    space.expect_fresh(&[]);
    space.remove("tools/lib/gcc/x86_64-linux-gnu/13");
    rebuilt(&space, "src/a.cpp");
    assert!(space.read_bytes("target/debug/liba.a") == first);
}

#[test]
fn configuration_file_that_a_command_writes_counts_in_the_same_build() {
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
    // One worker runs both: its cache of the driver's first run is outdated when the second unit is
    // compiled.
    space.tender(&["build", "-j1"]).expect_ok();
    space.tender(&["build", "--target-dir", "clean", "-j1"]).expect_ok();
    let bytes = |target: &str| space.read_bytes(&format!("{target}/debug/libb.a"));
    assert!(bytes("target") == bytes("clean"));
}
