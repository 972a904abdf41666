//! `tender explain`: why a crate, a file and an artifact are built or up to date, as the next build
//! then does it.

use serde_json::Value;
use tender_tests::TestSpace;

/// A library with a header, and a program that uses it.
fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"zip\", \"app\"]\n");
    space.write("zip/Tender.toml", "[package]\nname = \"zip\"\n");
    space.write("zip/include/zip.h", "int zip(void);\n");
    space.write("zip/src/a.c", "#include \"zip.h\"\nint zip(void) { return 0; }\n");
    space.write("zip/src/b.c", "int b(void) { return 0; }\n");
    let app = "[package]\nname = \"app\"\n[dependencies]\nzip = { path = \"../zip\" }\n";
    space.write("app/Tender.toml", app);
    space.write("app/src/main.c", "#include \"zip.h\"\nint main(void) { return zip(); }\n");
    space
}

#[track_caller]
fn explain(space: &TestSpace, args: &[&str], expect: &[&str]) {
    let run = space.tender(&[&["explain"], args].concat()).expect_ok();
    for text in expect {
        assert!(run.stdout.contains(text), "no {text:?} in {}", run.stdout);
    }
}

/// The explained units of a subject, with their states and reasons.
fn states(space: &TestSpace, subject: &str) -> Vec<String> {
    let run = space.tender(&["explain", subject, "--message-format", "json"]).expect_ok();
    let text = |message: &Value, key: &str| message[key].as_str().unwrap_or("-").to_owned();
    let units = run.messages().into_iter().filter(|message| message["reason"] == "unit-explained");
    let state = |unit: Value| {
        let reason = text(&unit["rebuild"], "reason");
        format!("{} {} {reason}", text(&unit, "unit"), text(&unit, "state"))
    };
    units.map(state).collect()
}

#[test]
fn explain_says_what_the_next_build_does() {
    let space = space();
    assert_eq!(states(&space, "target/debug/app"), ["app runs new"]);
    assert!(!space.exists("target"), "nothing is built");
    space.tender(&["build"]).expect_ok();
    assert_eq!(
        states(&space, "zip"),
        ["zip/src/a.c fresh -", "zip/src/b.c fresh -", "libzip.a fresh -"]
    );
    // As a shell completes it.
    assert_eq!(states(&space, "zip/"), states(&space, "zip"));
    space.write("zip/include/zip.h", "int zip(void); // changed\n");
    let header = ["zip/src/a.c runs input-changed", "app/src/main.c runs input-changed"];
    assert_eq!(states(&space, "zip/include/zip.h"), header);
    assert_eq!(
        states(&space, "zip"),
        ["zip/src/a.c runs input-changed", "zip/src/b.c fresh -", "libzip.a depends input-rebuilt"]
    );
    explain(
        &space,
        &["zip/include/zip.h", "app"],
        &[
            "zip/include/zip.h: read by 2 units\n",
            "zip/src/a.c of zip: runs, because the file zip/include/zip.h has changed",
            "leads to     libzip.a, app",
            "crate app: 2 units by the profile `dev`, 2 not up to date",
        ],
    );
    space.write("zip/src/b.c", "int b(void) { return 1; }\n");
    explain(
        &space,
        &["libzip.a"],
        &["runs only if a content changes: target/debug/.tender/zip/obj/lib/src/a.c.o is rebuilt"],
    );
    let rebuilt: Vec<String> = space.build(&[]).into_iter().map(|one| one.unit).collect();
    assert!(rebuilt.iter().any(|unit| unit == "zip/src/b.c"), "{rebuilt:?}");
    assert_eq!(states(&space, "app"), ["app/src/main.c fresh -", "app fresh -"]);
}

#[test]
fn explain_names_words_by_where_they_are_from() {
    let space = space();
    space.tender(&["build"]).expect_ok();
    let run = space.tender(&["-C", "app", "explain", "src/main.c"]).expect_ok();
    let expect = [
        "app/src/main.c: source of crate app\n",
        "  next build   up to date\n",
        "  words        of zip: -Izip/include\n",
        "  words        of the profile `dev`: -O0 -g",
        "               zip/include/zip.h\n",
    ];
    for text in expect {
        assert!(run.stdout.contains(text), "no {text:?} in {}", run.stdout);
    }
    space.edit("zip/Tender.toml", "\"zip\"\n", "\"zip\"\ndefines = [\"A\"]\n");
    explain(&space, &["zip/src/b.c"], &["runs, because the command has changed: added -DA"]);
    explain(&space, &["zip/Tender.toml"], &["crate zip: 3 units", "added -DA"]);
    explain(&space, &["--release", "zip"], &["by the profile `release`, 3 not up to date"]);
}

#[test]
fn explain_refuses_what_it_does_not_know() {
    let space = space();
    let run = space.tender(&["explain", "zpi"]).expect_code(2);
    run.expect_stderr(&["no crate, no file and no artifact `zpi`", "did you mean `zip`?"]);
    space.write("notes.txt", "");
    explain(&space, &["notes.txt"], &["notes.txt: no unit of the profile `dev` reads it"]);
    space.tender(&["explain"]).expect_code(2);
}

#[test]
fn explain_knows_probes_and_modules_only_when_they_have_run() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"m\"\ncxx-std = \"c++20\"\n");
    space.write("src/m.cppm", "export module m;\nexport int f() { return 0; }\n");
    space.write("src/main.cc", "import m;\nint main() { return f(); }\n");
    let run = space.tender(&["explain", "src/main.cc"]).expect_ok();
    run.expect_stderr(&["units have not been scanned for modules yet"]);
    space.tender(&["build"]).expect_ok();
    let run = space.tender(&["explain", "src/main.cc"]).expect_ok();
    assert_eq!(run.stderr, "");
    assert!(run.stdout.contains("up to date"), "{}", run.stdout);
}
