//! Advice if clang does not find a header that the workspace has, in text and in JSON.

use tender_tests::TestSpace;

/// `app`, which includes `HEADER` from its `src/main.c`, beside a library `zip` with
/// `include/zip.h`.
fn workspace(header: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"zip\", \"programs/app\"]\n");
    space.write("zip/Tender.toml", "[package]\nname = \"zip\"\n[lib]\n");
    space.write("zip/include/zip.h", "int zip(void);\n");
    space.write("zip/src/zip.c", "#include <zip.h>\nint zip(void) { return 0; }\n");
    space.write("programs/app/Tender.toml", "[package]\nname = \"app\"\n");
    space.write(
        "programs/app/src/main.c",
        format!("#include <{header}>\nint main(void) {{ return 0; }}\n"),
    );
    space
}

/// Expects a failure with `help` once, in text and in JSON, of `check` and of `build`.
#[track_caller]
fn check(space: &TestSpace, help: &str) {
    for command in ["build", "check"] {
        let run = space.tender(&[command]).expect_code(101);
        assert_eq!(run.stderr.matches(&format!("  help: {help}\n")).count(), 1, "{run}");
        let run = space.tender(&[command, "--message-format", "json"]).expect_code(101);
        let rendered: Vec<String> = run
            .messages()
            .iter()
            .filter_map(|message| message["message"]["rendered"].as_str().map(str::to_owned))
            .collect();
        assert!(
            rendered.iter().any(|text| text.contains(&format!("\n  help: {help}\n"))),
            "{rendered:?}"
        );
    }
}

#[track_caller]
fn check_without_help(space: &TestSpace) {
    let run = space.tender(&["build"]).expect_code(101).expect_stderr(&["file not found"]);
    assert!(!run.stderr.contains("help:"), "{run}");
}

#[test]
fn include_of_a_crate_without_a_library_is_explained() {
    let space = workspace("own/own.h");
    space.write("programs/app/include/own/own.h", "");
    check(
        &space,
        "`include/own/own.h` is not searched, because this crate has no library: add `include = [\"include\"]` to `[package]` in programs/app/Tender.toml",
    );
    // Following the advice works.
    space.edit(
        "programs/app/Tender.toml",
        "name = \"app\"\n",
        "name = \"app\"\ninclude = [\"include\"]\n",
    );
    space.build(&[]);
}

#[test]
fn include_of_a_library_that_names_other_directories_is_explained() {
    let space = workspace("zip.h");
    space.edit("zip/Tender.toml", "[lib]\n", "[lib]\nheaders = [\"api\"]\n");
    space.write("zip/api/api.h", "");
    space.write("programs/app/src/main.c", "int main(void) { return 0; }\n");
    check(
        &space,
        "`include/zip.h` of this crate is not searched: add \"include\" to `headers` of `[lib]` in zip/Tender.toml, or to `include`",
    );
    space.edit("zip/Tender.toml", "\"api\"", "\"api\", \"include\"");
    space.build(&[]);
}

#[test]
fn header_of_a_library_that_is_no_dependency_is_explained() {
    let space = workspace("zip.h");
    check(
        &space,
        "the library `zip` has this header: add `zip = { path = \"../../zip\" }` to `[dependencies]` in programs/app/Tender.toml",
    );
    let manifest = "programs/app/Tender.toml";
    space
        .write(manifest, space.read(manifest) + "[dependencies]\nzip = { path = \"../../zip\" }\n");
    space.build(&[]);
}

#[test]
fn header_that_no_crate_has_is_reported_as_it_is() {
    check_without_help(&workspace("nowhere.h"));
    // A directory is not a header.
    let space = workspace("own");
    space.write("programs/app/include/own/own.h", "");
    check_without_help(&space);
    // Private headers of other crates are not suggested.
    let space = workspace("private.h");
    space.write("zip/src/private.h", "");
    check_without_help(&space);
}
