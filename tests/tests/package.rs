//! `tender package`: archives that build where they are unpacked, the same bytes each time.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tender_tests::{Run, TestSpace};

/// `app`, which needs `greet`, which needs `gen` for a command; and `other`, which nothing needs.
fn workspace() -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "ws/Tender.toml",
        "# ours\n[workspace]\nmembers = [\"crates/*\"]\n[workspace.package]\nversion = \"1.2.0\"\n\
         [profile.dev]\ndefines = [\"ANSWER=42\"]\n",
    );
    space.write(
        "ws/crates/app/Tender.toml",
        "[package]\nname = \"app\"\nversion.workspace = true\n[dependencies]\ngreet = { path = \"../greet\" }\n\
         [[bin]]\nname = \"app\"\nsources = [\"src/main.c\", \"../../shared/part.c\"]\n",
    );
    space.write(
        "ws/crates/app/src/main.c",
        "#include <greet.h>\nint part(void);\nint main(void) { return greet() + part() - ANSWER; }\n",
    );
    space.write("ws/shared/part.c", "int part(void) { return 2; }\n");
    space.write("ws/shared/unused.c", "");
    space.write(
        "ws/crates/greet/Tender.toml",
        "[package]\nname = \"greet\"\n[build-dependencies]\ngen = { path = \"../gen\" }\n\
         [[generate]]\nrun = [\"gen\", \"{output}\"]\noutputs = [\"{outdir}/forty.h\"]\n",
    );
    space.write("ws/crates/greet/include/greet.h", "int greet(void);\n");
    space.write(
        "ws/crates/greet/src/greet.c",
        "#include <forty.h>\n#include <greet.h>\nint greet(void) { return FORTY; }\n",
    );
    space.write("ws/crates/gen/Tender.toml", "[package]\nname = \"gen\"\n");
    space.write(
        "ws/crates/gen/src/main.c",
        "#include <stdio.h>\nint main(int c, char **v) { FILE *f = fopen(v[c - 1], \"w\"); fputs(\"#define FORTY 40\\n\", f); return fclose(f); }\n",
    );
    space.write("ws/crates/gen/script.sh", "#!/bin/sh\n");
    let mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(space.path("ws/crates/gen/script.sh"), mode).unwrap();
    space.write("ws/crates/other/Tender.toml", "[package]\nname = \"other\"\n");
    space.write("ws/crates/other/src/a.c", "");
    space
}

const NAMES: [&str; 9] = [
    "app-1.2.0/Tender.toml",
    "app-1.2.0/crates/app/Tender.toml",
    "app-1.2.0/crates/app/src/main.c",
    "app-1.2.0/crates/gen/Tender.toml",
    "app-1.2.0/crates/gen/script.sh",
    "app-1.2.0/crates/gen/src/main.c",
    "app-1.2.0/crates/greet/Tender.toml",
    "app-1.2.0/crates/greet/include/greet.h",
    "app-1.2.0/crates/greet/src/greet.c",
];

fn run(space: &TestSpace, program: &str, args: &[&str]) -> Run {
    let mut command = Command::new(program);
    space.prepare(&mut command);
    command.args(args);
    space.run(command)
}

const ARCHIVE: &str = "ws/target/package/app-1.2.0.tar.gz";

fn names() -> Vec<&'static str> {
    let mut names = NAMES.to_vec();
    names.push("app-1.2.0/shared/part.c");
    names
}

#[test]
fn archive_builds_where_it_is_unpacked() {
    let space = workspace();
    let list = space.tender(&["-C", "ws", "package", "-p", "app", "--list"]).expect_ok();
    assert_eq!(list.stdout.lines().collect::<Vec<_>>(), names());
    assert!(!space.exists("ws/target"));
    // What a build leaves does not count.
    space.tender(&["-C", "ws", "build"]).expect_ok();
    let done = space.tender(&["-C", "ws", "package", "-p", "app"]).expect_ok();
    done.expect_stderr(&["Packaged app v1.2.0 (10 files, "]);
    run(&space, "tar", &["-xzf", ARCHIVE]).expect_ok();
    let root = space.read("app-1.2.0/Tender.toml");
    let members = "members = [\"crates/app\", \"crates/gen\", \"crates/greet\"]";
    assert!(root.starts_with("# ours\n[workspace]\n") && root.contains(members), "{root}");
    space.tender(&["-C", "app-1.2.0", "build"]).expect_ok();
    space.built("app-1.2.0/target/debug/app").expect_ok();
    // An archive of what was unpacked has the same files.
    space.tender(&["-C", "app-1.2.0", "package", "-p", "app"]).expect_ok();
    let again = space.read_bytes("app-1.2.0/target/package/app-1.2.0.tar.gz");
    assert_eq!(again, space.read_bytes(ARCHIVE));
}

#[test]
fn archive_has_the_same_bytes_everywhere() {
    let (one, two) = (workspace(), workspace());
    for path in NAMES {
        let path = path.replace("app-1.2.0", "ws");
        two.touch(&path, std::time::Duration::from_secs(100_000));
        let mode = if path.ends_with(".sh") { 0o755 } else { 0o600 };
        std::fs::set_permissions(two.path(&path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    for space in [&one, &two] {
        space.tender(&["-C", "ws", "package", "-p", "app"]).expect_ok();
    }
    assert!(one.read_bytes(ARCHIVE) == two.read_bytes(ARCHIVE));
    let list = run(&one, "tar", &["-tvzf", ARCHIVE, "--utc", "--full-time", "--numeric-owner"]);
    let list = list.expect_ok().stdout;
    for line in list.lines() {
        let mode = if line.ends_with(".sh") { "-rwxr-xr-x" } else { "-rw-r--r--" };
        assert!(line.starts_with(mode) && line.contains(" 0/0 "), "{line}");
        assert!(line.contains(" 1980-01-01 00:00:00 "), "{line}");
    }
    let order: Vec<&str> = list.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(order, names());
}

#[test]
fn archive_has_the_files_that_git_knows() {
    let space = workspace();
    let git = |args: &[&str]| {
        let own =
            ["-C", "ws", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=m"];
        run(&space, "git", &[&own[..], args].concat()).expect_ok()
    };
    git(&["init", "-q"]);
    space.write("ws/.gitignore", "*.log\n");
    space.write("ws/crates/app/build.log", "");
    space.write("ws/crates/app/.clang-format", "");
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "x"]);
    // Not yet added, and removed.
    space.write("ws/crates/app/src/new.h", "");
    space.remove("ws/crates/gen/script.sh");
    let list = space.tender(&["-C", "ws", "package", "-p", "app", "--list"]).expect_ok();
    let mut expect: Vec<&str> = names();
    expect.retain(|name| !name.ends_with("script.sh"));
    expect.extend(["app-1.2.0/crates/app/.clang-format", "app-1.2.0/crates/app/src/new.h"]);
    expect.sort_unstable();
    assert_eq!(list.stdout.lines().collect::<Vec<_>>(), expect);
}

#[test]
fn archive_of_what_lies_outside_is_refused() {
    let space = workspace();
    space.write("out/Tender.toml", "[package]\nname = \"out\"\n");
    space.write("out/src/a.c", "");
    space.write(
        "ws/crates/other/Tender.toml",
        "[package]\nname = \"other\"\n[dependencies]\nout = { path = \"../../../out\" }\n",
    );
    let refused = space.tender(&["-C", "ws", "package", "-p", "other"]).expect_code(2);
    refused.expect_stderr(&["out`, which the crate `other` needs, lies outside of the workspace"]);
    space.write(
        "ws/crates/other/Tender.toml",
        "[package]\nname = \"other\"\n[lib]\nsources = [\"../../../out/src/*.c\"]\n",
    );
    let refused = space.tender(&["-C", "ws", "package", "-p", "other"]).expect_code(2);
    refused.expect_stderr(&["out/src/a.c`, which the crate `other` needs, lies outside"]);
    assert!(!space.exists("ws/target"));
}

#[test]
fn archive_of_a_single_crate_is_its_directory() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"one\"\nversion = \"0.1.0\"\n");
    space.write("src/main.c", "int main(void) { return 0; }\n");
    space.write("Tender.lock", "version = 1\n");
    space.write("target/debug/x", "");
    let list = space.tender(&["package", "--list"]).expect_ok();
    let names = ["one-0.1.0/Tender.lock", "one-0.1.0/Tender.toml", "one-0.1.0/src/main.c"];
    assert_eq!(list.stdout.lines().collect::<Vec<_>>(), names);
}
