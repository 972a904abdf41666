//! The real binary, as far as it gets without compiling: words, streams and exit codes of what is
//! refused.

use std::path::Path;
use std::process::{Command, Output};

/// Runs `tender` in `dir` without anything of the caller's environment that it reads.
fn tender(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tender"));
    command.current_dir(dir).args(args).envs(env.iter().copied());
    for name in tender::cli::env::ALL.iter().filter(|name| !env.iter().any(|(set, _)| set == *name))
    {
        command.env_remove(name);
    }
    command.output().unwrap()
}

#[track_caller]
fn check(dir: &Path, args: &[&str], env: &[(&str, &str)], code: i32, says: &str) {
    let output = tender(dir, args, env);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(says), "`{says}` is not in: {stderr}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "talk belongs on standard error");
}

/// A directory with one crate, `hello`.
fn hello() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("src")).unwrap();
    std::fs::write(
        dir.path().join("Tender.toml"),
        "[package]\nname = \"hello\"\nversion = \"0.1.0\"\n",
    )
    .unwrap();
    std::fs::write(dir.path().join("src/main.c"), "int main(void) { return 0; }\n").unwrap();
    dir
}

/// Any program will do where none is started.
const WORKER: (&str, &str) = ("TENDER_WORKER", "/bin/true");

#[test]
fn tips_name_only_what_is_similar() {
    let dir = hello();
    let tips = |args: &[&str]| {
        let output = tender(dir.path(), args, &[]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("For more information, try '--help'"), "{stderr}");
        let tip = stderr.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
        (tip.unwrap_or_default().to_owned(), stderr.contains("--profile"))
    };
    let none = || (String::new(), false);
    assert_eq!(tips(&["build", "--online"]).0, "a similar argument exists: '--offline'");
    assert_eq!(tips(&["build", "--registry"]), none());
    assert_eq!(
        tips(&["build", "--profil=x"]),
        ("a similar argument exists: '--profile'".into(), true)
    );
    assert_eq!(tips(&["build", "--jobss=2"]).0, "a similar argument exists: '--jobs'");
    assert!(tips(&["build", "--message-format", "jsn"]).0.ends_with("'json'"));
}

#[test]
fn tips_translate_what_other_tools_have() {
    let dir = hello();
    let dir = dir.path();
    let check = |args: &[&str], tip: &str| check(dir, args, &[], 2, tip);
    check(&["clippy"], "there is no command `clippy`\n  help: `tender tidy` runs clang-tidy");
    check(&["nextest", "run"], "`tender test` runs tests");
    check(&["lint"], "`tender tidy`");
    check(&["publish"], "there is no registry; `tender package`");
    check(&["build", "--all-targets"], "tip: `tender test --no-run` builds tests");
    check(&["build", "--all"], "tip: `--workspace` is all members");
    check(&["build", "--debug"], "tip: leave it out: the profile `dev`");
    check(&["install", "--debug"], "tip: `--profile dev` is");
    check(&["install", "--root", "x"], "tip: `--prefix` is where it goes");
    check(&["install", "--path", "x"], "tip: `-C DIR`");
    check(&["install", "hello"], "tip: `--package hello` chooses a crate");
    check(&["add", "fmt"], "there is no registry, where it is from: `--git` or `--url`");
    check(&["add", "--path", "../x"], "tip: name the directory alone: `tender add ../zlib`");
}

#[test]
fn options_that_are_wrong_end_with_2() {
    let dir = hello();
    let dir = dir.path();
    check(dir, &["bild"], &[], 2, "there is no command `bild`\n  help: did you mean `build`?");
    check(dir, &["frobnicate"], &[], 2, "`tender --list` lists all");
    check(dir, &["build", "-j", "0"], &[], 2, "jobs may not be 0");
    check(
        dir,
        &["build"],
        &[WORKER, ("TENDER_JOBS", "0")],
        2,
        "TENDER_JOBS: `0` is not a number of jobs",
    );
    check(dir, &["build"], &[WORKER, ("TENDER_MEMORY", "lots")], 2, "TENDER_MEMORY: `lots`");
    for wrong in ["0", "1", "10", "-2", "two", "3 "] {
        let says = format!("TENDER_FORCE_PIECES: `{wrong}` is not a number of pieces");
        check(dir, &["build"], &[WORKER, ("TENDER_FORCE_PIECES", wrong)], 2, &says);
    }
    check(dir, &["build", "-v", "-q"], &[], 2, "cannot be used together");
    check(dir, &["build", "-p", "helo"], &[WORKER], 2, "did you mean `hello`?");
    check(dir, &["build", "--profile", "relase"], &[WORKER], 2, "did you mean `release`?");
    check(dir, &["build"], &[WORKER, ("TENDER_PROFILE", "fast")], 2, "there is no profile `fast`");
    check(dir, &["run", "--bin", "helo"], &[WORKER], 2, "did you mean `hello`?");
    check(dir, &["-C", "nowhere", "build"], &[], 2, "cannot change to the directory `nowhere`");
    check(dir, &["build", "--trace", "no/such/file"], &[WORKER], 2, "cannot write the trace file");
    assert!(!dir.join("target").exists(), "nothing is built before the options are right");
}

#[test]
fn directory_without_a_manifest_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    check(dir.path(), &["build"], &[], 2, "there is no `Tender.toml`");
}

#[test]
fn worker_that_is_missing_is_reported() {
    let dir = hello();
    check(
        dir.path(),
        &["build"],
        &[("TENDER_WORKER", "/no/worker")],
        101,
        "TENDER_WORKER names `/no/worker`",
    );
}

#[test]
fn ignored_variables_are_named_once() {
    let dir = hello();
    let output =
        tender(dir.path(), &["build"], &[("TENDER_WORKER", "/no/worker"), ("CXXFLAGS", "-O3")]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.matches("CXXFLAGS is set, but tender ignores it").count(), 1, "{stderr}");
}

#[test]
fn clean_removes_only_what_tender_made() {
    let dir = hello();
    let mine = dir.path().join("mine");
    std::fs::create_dir(&mine).unwrap();
    std::fs::write(mine.join("thesis.tex"), "").unwrap();
    check(dir.path(), &["clean", "--target-dir", "mine"], &[], 2, "was not made by tender");
    assert!(mine.join("thesis.tex").exists());
    check(dir.path(), &["clean"], &[], 0, "Removed nothing");
}

#[test]
fn new_names_the_crate_after_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    check(dir.path(), &["new", "a/zip", "--lib", "--cxx"], &[], 0, "Created library `zip`");
    assert!(dir.path().join("a/zip/Tender.toml").exists());
    check(dir.path(), &["new", "a/zip"], &[], 2, "is not empty");
    check(dir.path(), &["-C", "a/zip", "init"], &[], 2, "exists already");
}

#[test]
fn new_joins_the_workspace_above() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Tender.toml"), "[workspace] # mine\n").unwrap();
    check(dir.path(), &["new", "app"], &[], 0, "Joined the workspace in ");
    let root = std::fs::read_to_string(dir.path().join("Tender.toml")).unwrap();
    assert_eq!(root, "[workspace] # mine\nmembers = [\"app\"]\n");
    std::fs::write(dir.path().join("Tender.toml"), "[workspace]\nmembers = 1\n").unwrap();
    check(dir.path(), &["new", "lib"], &[], 2, "`members` is no list");
    assert!(!dir.path().join("lib").exists());
}

#[test]
fn version_names_llvm() {
    let output = tender(Path::new("/"), &["--version"], &[]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "tender 0.1.0 (LLVM 22)\n");
}
