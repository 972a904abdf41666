//! Links whose arguments do not fit on a command line.

use tender_tests::TestSpace;

/// Objects in directories with long names: their paths together exceed the kernel's limit of a
/// command line, some 2 MiB.
fn space_of(count: usize, profile: &str) -> TestSpace {
    let space = TestSpace::new();
    let manifest = "[package]\nname = \"app\"\n[[bin]]\nname = \"app\"\nsources = [\"src/main.c\", \"objects/**/*.o\"]\n";
    space.write("Tender.toml", format!("{manifest}[profile.dev]\n{profile}\n"));
    space.write("src/main.c", "int last(void);\nint main(void) { return last(); }\n");
    let long = "a-directory-with-a-long-name-".repeat(4);
    let directory = format!("objects/{long}/{long}");
    space.write("empty.c", "");
    space.write("last.c", "int last(void) { return 7; }\n");
    for name in ["empty", "last"] {
        let mut compile = std::process::Command::new("cc");
        space.prepare(compile.args([
            "-c",
            "-fPIC",
            &format!("{name}.c"),
            "-o",
            &format!("{name}.o"),
        ]));
        assert!(compile.status().unwrap().success());
    }
    space.write(&format!("{directory}/a b\"c'd\\e$f.o"), space.read_bytes("empty.o"));
    let paths = |number: usize| space.path(&format!("{directory}/{number}.o"));
    for number in 0..count {
        let from = space.path(if number + 1 == count { "last.o" } else { "empty.o" });
        // A file takes as many names as there are here, and is read once.
        std::fs::hard_link(from, paths(number)).unwrap();
    }
    assert!(count * paths(0).as_str().len() > 2 << 20, "it has to be too long");
    space
}

#[test]
fn link_of_very_many_objects_succeeds() {
    let space = space_of(20_000, "");
    let clang =
        format!("{}/bin/clang", option_env!("LLVM_SYS_221_PREFIX").unwrap_or("/usr/lib/llvm-22"));
    let mut bytes = Vec::new();
    for driver in ["cc", &clang] {
        let mut command = space.command(&["build", "-v"]);
        command.env("CC", driver);
        let run = space.run(command).expect_ok();
        space.built("target/debug/app").expect_code(7);
        bytes.push(run.stderr.len());
        assert!(!space.exists("target/debug/app.link.rsp"), "the response file is left");
    }
    assert!(bytes.iter().all(|bytes| *bytes < 64 << 10), "-v says too much: {bytes:?} bytes");
    let mut again = space.command(&["build", "-v"]);
    again.env("CC", &clang);
    space.run(again).expect_ok().expect_nothing_done();
}

#[test]
fn link_of_many_objects_is_optimised() {
    let space = space_of(9_200, "lto = \"thin\"");
    space.tender(&["build"]).expect_ok();
    space.built("target/debug/app").expect_code(7);
    space.expect_fresh(&[]);
}

#[test]
fn word_that_is_longer_than_a_kernel_takes_is_linked() {
    for lto in ["off", "thin"] {
        let space = TestSpace::new();
        let symbols: Vec<String> =
            (0..9_000).map(|number| format!("--defsym=symbol_{number:05}=seven")).collect();
        let word = format!("-Wl,{}", symbols.join(","));
        assert!(word.len() > 128 << 10);
        let manifest = format!(
            "[package]\nname = \"app\"\nlink-args = [\"{word}\"]\n[profile.dev]\nlto = \"{lto}\"\n"
        );
        space.write("Tender.toml", manifest);
        let main = "int symbol_08999(void);\nint seven(void) { return 7; }\nint main(void) { return symbol_08999(); }\n";
        space.write("src/main.c", main);
        let run = space.tender(&["build", "-v"]).expect_ok();
        assert!(run.stderr.len() < 16 << 10, "-v says too much: {} bytes", run.stderr.len());
        space.built("target/debug/app").expect_code(7);
        space.expect_fresh(&[]);
    }
}
