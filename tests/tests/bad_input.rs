//! Bad input: each mistake gets one message that says what, where, and what to do, and nothing
//! half-written.
//!
//! Odd input that is right, such as file names with quotes, is here too: it has to build.

use std::os::unix::ffi::OsStrExt;
use tender_tests::{Run, TestSpace};

const PACKAGE: &str = "[package]\nname = \"x\"\n";
const MAIN: &str = "int main(void) { return 0; }\n";

/// A crate `x`, its manifest ending in `rest`, with a program that does nothing.
fn program(rest: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", format!("{PACKAGE}{rest}"));
    space.write("src/main.c", MAIN);
    space
}

/// A workspace of library crates with these manifests, each named by its directory, with one source
/// file.
fn crates(manifests: &[(&str, &str)]) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"crates/*\"]\n");
    for (name, rest) in manifests {
        space.write(
            &format!("crates/{name}/Tender.toml"),
            format!("[package]\nname = \"{name}\"\n{rest}"),
        );
        space.write(&format!("crates/{name}/src/{name}.c"), format!("int {name};\n"));
    }
    space
}

/// The manifest is refused with these words, in standard error's order, before anything is made.
#[track_caller]
fn refused(space: &TestSpace, says: &[&str]) -> Run {
    let run = space.tender(&["build"]).expect_code(2);
    let mut rest = run.stderr.as_str();
    for text in says {
        let at =
            rest.find(text).unwrap_or_else(|| panic!("no {text:?}, or not in this order:\n{run}"));
        rest = &rest[at + text.len()..];
    }
    assert_eq!(run.stdout, "", "{run}");
    assert!(!space.exists("target"), "{run}");
    run
}

/// Every file below `target` that has the name of an artifact, an object or a temporary file.
fn made(space: &TestSpace) -> Vec<String> {
    fn walk(dir: &camino::Utf8Path, found: &mut Vec<String>) {
        for entry in dir.read_dir_utf8().unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                walk(entry.path(), found);
            } else {
                found.push(entry.file_name().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&space.path("target/debug"), &mut found);
    let known = ["lock", "state", "measurements", "compile_commands", "link-driver-c"];
    found.retain(|name| !known.contains(&name.as_str()));
    found.sort();
    found
}

#[test]
fn manifest_that_is_missing_is_reported() {
    let space = TestSpace::new();
    refused(&space, &["error: there is no `Tender.toml` in", space.root().as_str(), "tender init"]);
}

#[test]
fn toml_that_is_malformed_is_reported() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\n");
    refused(
        &space,
        &["error: invalid basic string", "--> Tender.toml:2:10", "2 | name = \"x", "^"],
    );
}

#[test]
fn values_of_a_wrong_type_are_reported() {
    let space = program("[lib]\nsources = 3\n[profile.release]\nopt-level = \"fast\"\n");
    // Both at once, each with its place.
    let run = refused(&space, &["error: ", "error: "]);
    run.expect_stderr(&[
        "`sources` must be an array of strings, not an integer\n --> Tender.toml:4:11\n",
        "4 | sources = 3\n  |           ^",
        "`opt-level` must be one of 0, 1, 2, 3, \"s\", \"z\"\n --> Tender.toml:6:13\n",
        "6 | opt-level = \"fast\"\n  |             ^^^^^^",
    ]);
}

#[test]
fn manifest_that_is_not_utf_8_is_reported() {
    let space = TestSpace::new();
    space.write("Tender.toml", b"[package]\nname = \"\xff\"\n");
    refused(
        &space,
        &["the manifest is not UTF-8", "--> Tender.toml:2:9", "save the file as UTF-8"],
    );
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion() {
    let space = program("[[bin]]\nname = \"x\"\nsorces = [\"src/main.c\"]\n");
    refused(
        &space,
        &[
            "error: unknown key `sorces` in `[[bin]]`\n --> Tender.toml:5:1\n",
            "5 | sorces = [\"src/main.c\"]\n  | ^^^^^^",
            "did you mean `sources`?",
        ],
    );
}

#[test]
fn metadata_of_other_programs_is_not_read() {
    let space = program("[package.metadata.deb]\nsection = 1\n[workspace.metadata]\nx = [2]\n");
    space.tender(&["build"]).expect_ok();
}

#[test]
fn schema_is_printed_as_json() {
    let run = TestSpace::new().tender(&["schema"]).expect_ok();
    let schema: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(schema["properties"]["package"]["additionalProperties"], false);
}

#[test]
fn codegen_units_beyond_the_limit_are_reported() {
    let space = program("[profile.release]\ncodegen-units = 257\n");
    refused(
        &space,
        &["`codegen-units` must be at least 1 and at most 256", "--> Tender.toml:4:17", "^^^"],
    );
}

#[test]
fn names_that_are_used_twice_are_reported() {
    let space = crates(&[("a", ""), ("b", "")]);
    space.write("crates/b/Tender.toml", "[package]\nname = \"a\"\n");
    let says = [
        "two packages are named `a`",
        "crates/b/Tender.toml:2:8",
        "crates/a/Tender.toml:2:8",
        "rename",
    ];
    refused(&space, &says);
}

#[test]
fn cycle_of_dependencies_is_printed() {
    let on = |name| format!("[dependencies]\n{name} = {{ path = \"../{name}\" }}\n");
    let space = crates(&[("a", &on("b")), ("b", &on("c")), ("c", &on("a"))]);
    refused(&space, &["dependency cycle: a -> b -> c -> a", "crates/c/Tender.toml:4:1"]);
}

#[test]
fn paths_and_globs_that_match_nothing_are_reported() {
    let space = program("[dependencies]\ny = { path = \"../nowhere\" }\n");
    let place = "--> Tender.toml:4:14";
    refused(&space, &["the directory `../nowhere` does not exist", place, "^^^", "looked for /"]);

    let space = program("[lib]\nsources = [\"sorce/*.c\"]\n");
    refused(&space, &["`sorce/*.c` matches no file", "--> Tender.toml:4:12", "^^^", "looked in /"]);

    let space = program("[lib]\nheaders = [\"inc\"]\n");
    refused(&space, &["the directory `inc` does not exist", "--> Tender.toml:4:12"]);

    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"crates/*\"]\n");
    refused(
        &space,
        &["`crates/*` matches no directory with a `Tender.toml`", "--> Tender.toml:2:12"],
    );

    let space = TestSpace::new();
    space.write("Tender.toml", PACKAGE);
    refused(
        &space,
        &["the package `x` has nothing to build", "--> Tender.toml:2:8", "put sources under `src`"],
    );
}

#[test]
fn crates_that_write_the_same_output_are_reported() {
    let bin = "[[bin]]\nname = \"tool\"\nsources = [\"src/*.c\"]\n";
    let space = crates(&[("a", bin), ("b", bin)]);
    let says = [
        "`a` and `b` both make the program `tool`",
        "crates/b/Tender.toml:4:8",
        "crates/a/Tender.toml:4:8",
    ];
    refused(&space, &says);
}

#[test]
fn source_that_does_not_compile_is_reported() {
    let space = crates(&[("a", ""), ("b", ""), ("c", "")]);
    space.write("crates/b/src/b.c", "int f(void) { return x; }\n");
    space.write("crates/b/src/good.c", "int good;\n");
    let run = space.tender(&["build", "--keep-going", "-j2"]).expect_code(101).expect_stderr(&[
        "crates/b/src/b.c:1:22: error: use of undeclared identifier 'x'\n",
        "error: could not compile `b` (crates/b/src/b.c) due to 1 error\n",
    ]);
    assert_eq!(run.stderr.matches("undeclared identifier").count(), 1, "{run}");
    // The others are built, and of `b` only what is whole.
    assert_eq!(made(&space), ["a.c.o", "c.c.o", "good.c.o", "liba.a", "libc.a"], "{run}");

    // Only what was wrong is left to do.
    space.write("crates/b/src/b.c", "int b;\n");
    let units: Vec<String> = space.build(&[]).into_iter().map(|rebuild| rebuild.unit).collect();
    assert_eq!(units, ["crates/b/src/b.c", "libb.a"]);
    space.expect_fresh(&[]);
}

#[test]
fn error_ends_the_build_without_keep_going() {
    let space = TestSpace::many_crates(40, 1);
    for krate in 0..40 {
        space.write(&format!("c{krate}/src/f0.c"), "int f(void) { return x; }\n");
    }
    let run = space.tender(&["build", "-j1"]).expect_code(101);
    // A worker that runs has its next plan already, and finishes it.
    assert!(run.stderr.matches("undeclared identifier").count() < 5, "{run}");
    let run = space.tender(&["build", "-j1", "--keep-going"]).expect_code(101);
    assert_eq!(run.stderr.matches("undeclared identifier").count(), 40, "{run}");
}

#[test]
fn source_that_no_longer_compiles_leaves_no_old_output() {
    let space = crates(&[("a", "")]);
    space.write("crates/a/src/main.c", MAIN);
    space.tender(&["build"]).expect_ok();
    space.write("crates/a/src/main.c", "int main(void) { return }\n");
    space.tender(&["build"]).expect_code(101);
    // What failed is tried again, and said again.
    space.tender(&["build"]).expect_code(101).expect_stderr(&["crates/a/src/main.c:1:25: error: "]);
    space.tender(&["run"]).expect_code(101);
}

#[test]
fn header_that_does_not_exist_is_reported() {
    let space = program("");
    space.write("src/main.c", format!("#include \"nope.h\"\n{MAIN}"));
    space.tender(&["build"]).expect_code(101).expect_stderr(&[
        "src/main.c:1:10: fatal error: 'nope.h' file not found\n",
        "could not compile `x`",
    ]);
    assert_eq!(made(&space), [""; 0]);
    space.write("src/nope.h", "");
    space.tender(&["build"]).expect_ok();
}

#[test]
fn undefined_symbol_is_reported_with_its_crate() {
    let space = crates(&[("zip", "[dependencies]\nlib = { path = \"../lib\" }\n"), ("lib", "")]);
    space.write(
        "crates/zip/src/main.c",
        "int lib_call(void); int main(void) { return lib_call(); }\n",
    );
    space.write("crates/lib/src/lib.c", "int lost(void); int lib_call(void) { return lost(); }\n");
    let run = space.tender(&["build", "-j2"]).expect_code(101);
    let line = run
        .stderr
        .lines()
        .find(|line| line.contains("undefined symbol"))
        .unwrap_or_else(|| panic!("{run}"));
    for text in ["`lost`", "crate `zip`", "crates/lib/src/lib.c:1"] {
        assert!(line.contains(text), "no {text}: {run}");
    }
    assert!(run.stderr.contains("could not link `zip`"), "{run}");
    assert!(!space.exists("target/debug/zip"), "{run}");
    space.write("crates/lib/src/lib.c", "int lib_call(void) { return 0; }\n");
    space.tender(&["run"]).expect_ok();
}

#[test]
fn jobs_of_zero_are_refused() {
    let space = program("");
    for words in [&["build", "-j", "0"][..], &["build", "-j0"], &["build", "--jobs=0"]] {
        space
            .tender(words)
            .expect_code(2)
            .expect_stderr(&["invalid value '0' for '--jobs <N>': jobs may not be 0"]);
    }
    space.write("Tender.toml", format!("{PACKAGE}[build]\njobs = 0\n"));
    refused(&space, &["`jobs`", "--> Tender.toml:4:8"]);
}

/// Names that a shell, make, clang, the linker or a response file would take apart.
const ODD_NAMES: &[&str] = &[
    "a b.c",
    "it's.c",
    "say \"so\".c",
    "$HOME.c",
    "${x}$(y)`z`.c",
    "new\nline.c",
    "tab\t.c",
    "-dash.c",
    "-o.c",
    "@at.c",
    "#hash.c",
    "semi;colon&.c",
    "back\\slash.c",
    "*star?.c",
    "com,ma.c",
    "50%d.c",
    "ünïcödé 漢字.cc",
];

#[test]
fn file_names_with_odd_characters_are_built() {
    let space = TestSpace::new();
    let name = "odd $HOME's \"dir\"\nwith all";
    space.write("Tender.toml", "[workspace]\nmembers = [\"odd*\"]\n");
    space.write(&format!("{name}/Tender.toml"), PACKAGE);
    let mut main = "#include \"he ader's.h\"\nint main(void) { return 0".to_owned();
    for (i, file) in ODD_NAMES.iter().enumerate() {
        let text = match file.rsplit_once('.').unwrap().1 {
            "cc" => format!("extern \"C\" int f{i}(void);\nint f{i}(void) {{ return {i}; }}\n"),
            _ => format!("int f{i}(void) {{ return {i}; }}\n"),
        };
        space.write(&format!("{name}/src/{file}"), text);
        main += &format!(" + f{i}()");
    }
    space.write(
        &format!("{name}/include/he ader's.h"),
        (0..ODD_NAMES.len()).map(|i| format!("int f{i}(void);\n")).collect::<String>(),
    );
    space.write(&format!("{name}/src/main.c"), main + "; }\n");
    space.write(
        &format!("{name}/src/-o 'x'.S"),
        "/* Nothing, but read by clang and the assembler. */\n",
    );
    space.tender(&["build", "-j2"]).expect_ok();
    let sum: usize = (0..ODD_NAMES.len()).sum();
    space.tender(&["run"]).expect_code(sum as i32);
    space.expect_fresh(&[]);
    // What was read is known by its right name.
    let header = format!("{name}/include/he ader's.h");
    space.write(&header, space.read(&header) + "int more;\n");
    assert_eq!(space.build(&["-j2"]).len(), 2);
}

#[test]
fn file_names_that_are_not_utf_8_are_reported() {
    let bad = |space: &TestSpace, path: &[u8], text: &str| {
        let path = space.root().as_std_path().join(std::ffi::OsStr::from_bytes(path));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let space = program("");
    bad(&space, b"src/bad\xff.c", "int bad;\n");
    refused(
        &space,
        &[
            "error: the name of the file",
            "bad\u{fffd}.c` is not UTF-8",
            "Tender.toml:2:8",
            "rename",
        ],
    );

    let space = TestSpace::new();
    bad(&space, b"dir\xff/Tender.toml", PACKAGE);
    let dir = space.root().as_std_path().join(std::ffi::OsStr::from_bytes(b"dir\xff"));
    let mut command = space.command(&["build"]);
    command.current_dir(dir);
    space
        .run(command)
        .expect_code(2)
        .expect_stderr(&["the current directory's path is not UTF-8: `/"]);

    let space = program("");
    let mut command = space.command(&["build", "--target-dir"]);
    command.arg(std::ffi::OsStr::from_bytes(b"out\xff"));
    space.run(command).expect_code(2).expect_stderr(&["invalid UTF-8"]);
}

#[test]
fn source_of_three_megabytes_is_built() {
    let space = TestSpace::new();
    // A table as generators write it: one that goes wrong by a factor of lines shows at once.
    let script = "printf 'const unsigned char table[] = {\\n' && \
        yes '0x01,0x23,0x45,0x67,0x89,0xab,0xcd,0xef,0x01,0x23,0x45,0x67,0x89,0xab,0xcd,0xef,' | head -n 40000 && \
        printf '};\\nconst unsigned long size = sizeof table;\\n'";
    let manifest = format!(
        "{PACKAGE}[[generate]]\nrun = [\"sh\", \"-c\", \"set -e; ({}) > $OUT_DIR/table.c\"]\noutputs = [\"$OUT_DIR/table.c\"]\n\
         [[bin]]\nname = \"x\"\nsources = [\"src/main.c\", \"$OUT_DIR/table.c\"]\n",
        script.replace('\\', "\\\\")
    );
    space.write("Tender.toml", manifest);
    space.write(
        "src/main.c",
        "extern const unsigned long size; int main(void) { return size == 640000 ? 0 : 1; }\n",
    );
    space.tender(&["run", "-j2"]).expect_ok();
    assert!(space.read_bytes("target/debug/.tender/x/out/table.c").len() > 3_000_000);
    space.expect_fresh(&[]);
}
