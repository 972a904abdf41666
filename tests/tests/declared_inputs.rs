//! Files that the manifest declares and no compiler reports: `inputs` of a package or a target,
//! outputs of commands.

use std::time::Duration;
use tender_tests::TestSpace;

fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"one\"\ninputs = [\"all/*.txt\", \"!all/not.txt\"]\n\
         [lib]\ninputs = [\"$OUT_DIR/table.txt\"]\n\
         [[bin]]\nname = \"tool\"\nsources = [\"src/main.c\"]\ninputs = [\"tool.txt\"]\n\
         [[generate]]\nrun = [\"sh\", \"-c\", \"cp table.in $OUT_DIR/table.txt\"]\n\
         inputs = [\"table.in\"]\noutputs = [\"$OUT_DIR/table.txt\"]\n",
    );
    for path in ["all/a.txt", "all/not.txt", "tool.txt", "table.in"] {
        space.write(path, "one");
    }
    space.write("src/a.c", "int a(void) { return 0; }\n");
    space.write("src/b.c", "int b(void) { return 0; }\n");
    space.write("src/main.c", "int a(void);\nint main(void) { return a(); }\n");
    space
}

/// Returns what a build compiled or generated, with reasons. A further build does nothing.
#[track_caller]
fn built(space: &TestSpace) -> Vec<String> {
    let built = space.build(&[]);
    space.expect_fresh(&[]);
    let mut lines: Vec<String> = built
        .iter()
        .filter(|one| !one.unit.starts_with("libone") && one.unit != "tool")
        .map(|one| format!("{}: {}", one.unit, one.reason))
        .collect();
    lines.sort();
    lines
}

#[test]
fn inputs_in_the_manifest_rebuild_the_units_of_their_target() {
    let space = space();
    space.build(&[]);
    space.expect_fresh(&[]);
    let of = |units: &[&str], reason: &str| -> Vec<String> {
        units.iter().map(|unit| format!("{unit}: {reason}")).collect()
    };
    let all = ["src/a.c", "src/b.c", "src/main.c"];
    space.write("all/a.txt", "two");
    assert_eq!(built(&space), of(&all, "the file all/a.txt has changed"));
    space.write("tool.txt", "two");
    assert_eq!(built(&space), of(&["src/main.c"], "the file tool.txt has changed"));
    space.write("all/b.txt", "one");
    assert_eq!(built(&space), of(&all, "the file all/b.txt has appeared"));
    space.remove("all/b.txt");
    assert_eq!(built(&space), of(&all, "the file all/b.txt is gone"));
    space.write("table.in", "two");
    let out = "target/debug/.tender/one/out/table.txt";
    let mut expect = of(&["src/a.c", "src/b.c"], &format!("the file {out} has changed"));
    expect.insert(
        0,
        "sh -c cp table.in $OUT_DIR/table.txt: the file table.in has changed".to_owned(),
    );
    assert_eq!(built(&space), expect);
    space.write("all/not.txt", "two");
    space.touch("all/a.txt", Duration::from_secs(5000));
    assert_eq!(built(&space), [""; 0]);
}

#[test]
fn inputs_that_do_not_exist_are_refused() {
    let space = space();
    space.remove("tool.txt");
    space
        .tender(&["build"])
        .expect_code(2)
        .expect_stderr(&["the file `tool.txt` does not exist", "Tender.toml:9"]);
}

#[test]
fn inputs_in_the_manifest_count_for_checks() {
    let space = space();
    let check = || space.tender(&["check", "-v"]).expect_ok();
    check();
    check().expect_nothing_done();
    space.write("all/a.txt", "two");
    assert_eq!(check().rebuilt().len(), 3);
    check().expect_nothing_done();
}

#[test]
fn outputs_that_a_command_makes_no_more_are_removed() {
    let space = TestSpace::new();
    let manifest = |name: &str| {
        format!(
            "[package]\nname = \"one\"\n\
             [[generate]]\nrun = [\"sh\", \"-c\", \"echo '#define N 1' > $OUT_DIR/{name}\"]\n\
             outputs = [\"$OUT_DIR/{name}\"]\n"
        )
    };
    let uses = |name: &str| format!("#include \"{name}\"\nint main(void) {{ return N - 1; }}\n");
    space.write("Tender.toml", manifest("old.h"));
    space.write("src/main.c", uses("old.h"));
    space.build(&[]);
    // Of another name: a clean build would not find the old one.
    space.write("Tender.toml", manifest("new.h"));
    space.tender(&["build"]).expect_code(101).expect_stderr(&["'old.h' file not found"]);
    space.write("src/main.c", uses("new.h"));
    space.build(&[]);
    space.expect_fresh(&[]);
    // A file that was changed since is the user's.
    space.write("target/debug/.tender/one/out/new.h", "#define N 2\n");
    space.write("Tender.toml", manifest("other.h"));
    space.tender(&["build"]).expect_code(0);
    assert_eq!(space.read("target/debug/.tender/one/out/new.h"), "#define N 2\n");
}

#[test]
fn headers_whose_command_or_config_is_gone_are_removed() {
    let made = [
        (
            "\n[[generate]]\nrun = [\"sh\", \"-c\", \"echo '#define N 1' > $OUT_DIR/made.h\"]\n\
             outputs = [\"$OUT_DIR/made.h\"]\n",
            "made.h",
        ),
        ("\n[config]\nheader = \"config.h\"\n[config.values]\nN = 1\n", "config.h"),
    ];
    for (table, header) in made {
        let space = TestSpace::new();
        let package = "[package]\nname = \"one\"\n";
        space.write("Tender.toml", format!("{package}{table}"));
        space.write(
            "src/main.c",
            format!("#include \"{header}\"\nint main(void) {{ return N - 1; }}\n"),
        );
        space.build(&[]);
        space.write("Tender.toml", package);
        let not_found = format!("'{header}' file not found");
        space.tender(&["build"]).expect_code(101).expect_stderr(&[&not_found]);
        space.write("Tender.toml", format!("{package}{table}"));
        space.build(&[]);
        space.expect_fresh(&[]);
    }
}
