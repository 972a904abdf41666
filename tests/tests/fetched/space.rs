//! A workspace whose program takes a crate from elsewhere, with a cache of its own.

use std::process::Command;
use tender_tests::{Run, TestSpace};

/// In `space`: `app`, whose program prints what the crate `greet` says, with this entry of
/// `[dependencies]`.
pub fn app(space: &TestSpace, dir: &str, entry: &str) {
    space.write(
        &format!("{dir}/Tender.toml"),
        format!("[package]\nname = \"app\"\n\n[dependencies]\ngreet = {{ {entry} }}\n"),
    );
    space.write(
        &format!("{dir}/src/main.c"),
        "#include <greet.h>\n#include <stdio.h>\nint main(void) { return puts(greet()) < 0; }\n",
    );
}

/// The sources of `greet`, which says this, with a manifest.
pub fn greet(space: &TestSpace, dir: &str, text: &str) {
    space.write(&format!("{dir}/Tender.toml"), "[package]\nname = \"greet\"\nversion = \"1.0\"\n");
    space.write(&format!("{dir}/include/greet.h"), "const char *greet(void);\n");
    // A warning, which nobody wants to see.
    let body = format!("{{ int unused; return \"{text}\"; }}");
    space.write(
        &format!("{dir}/src/greet.c"),
        format!("#include <greet.h>\n#pragma clang diagnostic warning \"-Wall\"\nconst char *greet(void) {body}\n"),
    );
}

/// `greet-1.0.tar.gz` of `greet-1.0`, and its checksum.
pub fn archive(space: &TestSpace, text: &str) -> String {
    greet(space, "greet-1.0", text);
    let words = ["--owner=0", "--mtime=@0", "--sort=name", "-czf", "greet-1.0.tar.gz", "greet-1.0"];
    run(space, "tar", &words).expect_ok();
    sum(space, "greet-1.0.tar.gz")
}

pub fn sum(space: &TestSpace, path: &str) -> String {
    run(space, "sha256sum", &[path]).expect_ok().stdout[..64].to_owned()
}

pub fn run(space: &TestSpace, program: &str, args: &[&str]) -> Run {
    let mut command = Command::new(program);
    space.prepare(&mut command);
    command.args(args);
    space.run(command)
}

/// `tender`, with the cache `cache` of the space, no proxy and no certificates.
pub fn command(space: &TestSpace, args: &[&str]) -> Command {
    let mut command = space.command(args);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    command.env("XDG_CACHE_HOME", space.path("cache"));
    command
}

pub fn tender(space: &TestSpace, args: &[&str]) -> Run {
    space.run(command(space, args))
}

/// The program of `app` says this.
#[track_caller]
pub fn says(space: &TestSpace, dir: &str, args: &[&str], text: &str) {
    let run = tender(space, &[&["-C", dir, "run"], args].concat()).expect_ok();
    assert_eq!(run.stdout, format!("{text}\n"), "{run}");
    assert!(!run.stderr.contains("unused"), "{run}");
}

/// The paths of all files below a directory of the space, sorted.
pub fn files(space: &TestSpace, dir: &str) -> Vec<String> {
    let (mut found, mut waiting) = (Vec::new(), vec![space.path(dir)]);
    while let Some(path) = waiting.pop() {
        for entry in path.read_dir_utf8().into_iter().flatten().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => waiting.push(entry.path().to_owned()),
                false => {
                    found.push(entry.path().strip_prefix(space.path(dir)).unwrap().to_string())
                }
            }
        }
    }
    found.sort();
    found
}
