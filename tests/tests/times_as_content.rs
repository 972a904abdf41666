//! Times in outputs: those of files are inputs, that of the build is not.

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

#[test]
fn timestamp_macro_makes_the_time_of_its_file_count() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"app\"\n");
    space.write(
        "src/main.c",
        "#include \"when.h\"\nint puts(const char *);\nint other(void);\nint main(void) { puts(__TIMESTAMP__); puts(when); return other(); }\n",
    );
    space.write("src/when.h", "static const char when[] = __TIMESTAMP__;\n");
    space.write("src/other.c", "int other(void) { return 0; }\n");
    space.touch("src/main.c", Duration::from_secs(5000));
    space.touch("src/when.h", Duration::from_secs(4000));
    space.build(&[]);
    let first = says(&space);
    space.expect_fresh(&[]);
    for (path, line) in [("src/main.c", 0), ("src/when.h", 1)] {
        let before = says(&space);
        space.touch(path, Duration::from_secs(1_000_000));
        let built = reasons(&space.build(&[]));
        assert!(
            built.contains(&format!(
                "src/main.c: the time of the file {path}, which is in the output (__TIMESTAMP__), has changed"
            )),
            "{built:?}"
        );
        let (before, now) = (before.lines().nth(line), says(&space));
        assert_ne!(before, now.lines().nth(line), "{path}");
        space.expect_fresh(&[]);
    }
    assert_ne!(first.lines().next(), says(&space).lines().next());
    // Of other files only the content counts.
    space.touch("src/other.c", Duration::from_secs(77));
    space.expect_fresh(&[]);
}

#[test]
fn timestamp_macro_counts_wherever_it_comes_from() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"app\"\n");
    let main = "int puts(const char *);\nextern const char data[];\nint main(void) { return puts(data) < 0; }\n";
    for (name, file, text) in [
        ("app", "data.S", ".section .rodata\n.globl data\ndata: .asciz __TIMESTAMP__\n".to_owned()),
        ("app", "data.c", "#define PASTE(a, b) a##b\nconst char data[] = PASTE(__TIME, STAMP__);\n".to_owned()),
        ("app", "data.cc", "#if 1\n#define WHEN __TIMESTAMP__\n#endif\nextern const char data[];\nconst char data[] = WHEN;\n".to_owned()),
    ] {
        let path = format!("src/bin/{name}/{file}");
        space.write(&format!("src/bin/{name}/main.c"), main);
        space.write(&path, text);
        space.touch(&path, Duration::from_secs(5000));
        space.build(&[]);
        let before = says(&space);
        space.expect_fresh(&[]);
        space.touch(&path, Duration::from_secs(9_000));
        space.build(&[]);
        assert_ne!(says(&space), before, "{file}");
        space.remove(&path);
    }
    // A similar name with another meaning.
    space.write(
        "src/bin/app/data.c",
        "#define OTHER \"__TIMESTAMP__\"\nconst char data[] = OTHER;\n",
    );
    space.build(&[]);
    space.touch("src/bin/app/data.c", Duration::from_secs(9_000));
    space.expect_fresh(&[]);
}

#[test]
fn time_of_the_build_does_not_make_a_unit_outdated() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"app\"\n");
    space.write(
        "src/main.c",
        "int puts(const char *);\nint main(void) { puts(__DATE__ \" \" __TIME__); return 0; }\n",
    );
    space.build(&[]);
    space.touch("src/main.c", Duration::from_secs(5000));
    space.expect_fresh(&[]);
}
