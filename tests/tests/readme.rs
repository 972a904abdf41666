//! The tour in README.md is run as it is written, and `make install` installs what it says.

use std::process::Command;
use tender_tests::{TestSpace, examples, program};

/// The commands of a section: its lines with an indentation of four blanks, without it.
fn commands_of(document: &str, section: &str) -> String {
    let (_, text) =
        document.split_once(&format!("\n## {section}\n")).expect("the section is there");
    let text = text.split("\n## ").next().unwrap_or_default();
    let is_blank = |line: &&str| line.is_empty();
    let commands = text
        .lines()
        .filter_map(|line| line.strip_prefix("    ").or_else(|| Some(line).filter(is_blank)));
    commands.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn readme_tour_does_what_it_says() {
    let readme = std::fs::read_to_string(examples().parent().unwrap().join("README.md")).unwrap();
    let tour = commands_of(&readme, "A tour of five minutes");
    let space = TestSpace::new();
    let programs = program("tender").parent().unwrap().to_owned();
    let mut shell = Command::new("sh");
    space.prepare(&mut shell);
    shell.args(["-e", "-c", &format!("PATH=\"$0:$PATH\"\n{tour}"), programs.as_str()]);

    let run = space.run(shell).expect_ok();

    let answers = run.stdout.lines().filter(|line| *line == "42").count();
    assert_eq!(answers, 2, "the program runs in both profiles: {run}");
    assert!(run.stderr.contains("greet/include/greet/greet.h"), "the reason is said: {run}");
    for file in ["tour/trace.json", "tour/compile_commands.json", "tour/target/debug/app"] {
        assert!(space.exists(file), "{file} is made: {run}");
    }
}

/// With the programs under test in place of those that cargo would build.
#[test]
fn readme_install_has_programs_pages_and_completions() {
    let space = TestSpace::new();
    std::fs::create_dir_all(space.path("built/release")).unwrap();
    for name in ["tender", "tender-worker"] {
        let built = space.path(&format!("built/release/{name}"));
        std::os::unix::fs::symlink(program(name), built).unwrap();
    }
    let mut make = Command::new("make");
    space.prepare(&mut make);
    make.arg("-C").arg(examples().parent().unwrap());
    make.args(["install", "CARGO=true", "PREFIX=/usr"]);
    make.env("CARGO_TARGET_DIR", space.path("built")).env("DESTDIR", space.path("stage"));
    space.run(make).expect_ok();
    for file in [
        "man/man1/tender.1",
        "man/man1/tender-test.1",
        "bash-completion/completions/tender",
        "zsh/site-functions/_tender",
        "fish/vendor_completions.d/tender.fish",
    ] {
        let text = space.read(&format!("stage/usr/share/{file}"));
        assert!(text.contains("tender") && text.lines().count() > 20, "{file}: {text}");
    }
    // It finds the worker beside itself.
    let installed = |args: &[&str]| {
        let mut command = Command::new(space.path("stage/usr/bin/tender"));
        space.prepare(&mut command);
        command.args(args);
        space.run(command).expect_ok()
    };
    installed(&["new", "app"]);
    assert_eq!(installed(&["-C", "app", "run"]).stdout, "Hello, world!\n");
}
