//! Files that arguments name count, option by option: the file is edited, what it bears on is
//! rebuilt, nothing else is, and results are those of a clean build. The options are those of
//! docs/inputs.md, all of them.

mod document;
mod flags;
mod headers;
mod links;
mod nothing_read;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tender_tests::TestSpace;

/// LLVM's own clang, if it is there.
fn clang() -> Option<String> {
    let clang = llvm("clang");
    Command::new(&clang).arg("--version").output().is_ok().then_some(clang)
}

/// A program of LLVM's.
fn llvm(name: &str) -> String {
    tender_tests::llvm_bin().join(name).to_string()
}

/// Builds from nothing elsewhere, and compares what was asked for.
#[track_caller]
fn as_from_nothing(space: &TestSpace, output: &str) {
    space.tender(&["build", "--target-dir", "clean"]).expect_ok();
    let bytes = |target: &str| space.read_bytes(&format!("{target}/debug/{output}"));
    assert!(bytes("target") == bytes("clean"), "{output} is not that of a clean build");
    space.remove("clean");
}

/// The one item that is rebuilt, and why.
#[track_caller]
fn rebuilt(space: &TestSpace, unit: &str) -> String {
    let built = space.build(&[]);
    let found: Vec<_> = built.iter().filter(|one| one.unit == unit).collect();
    assert_eq!(found.len(), 1, "{unit} is not rebuilt: {built:?}");
    found[0].reason.clone()
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}

/// A library of one unit with these flags.
fn library(space: &TestSpace, flags: &[&str]) {
    // Only C++ units take it.
    let key = if flags.contains(&"-stdlib=libc++") { "cxx-flags" } else { "flags" };
    space.write(
        "Tender.toml",
        format!("[package]\nname = \"a\"\n[lib]\n{key} = [{}]\n", list(flags)),
    );
}

/// An option's words, the file that they lead to, two contents of it, and whether these give other
/// results.
type Edited = (&'static [&'static str], &'static str, &'static str, &'static str, Seen);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Yes,
    No,
}

/// As a unit of a library is compiled. The source goes away.
const PRECOMPILE: &[&str] =
    &["-std=c++20", "-fPIC", "-g", "-O0", "-fmodules-embed-all-files", "--precompile"];

/// Writes a file, which programs make of text where its name says so. `ROOT` stands for the
/// directory of the test, and `LLVM` for that of LLVM's programs.
fn write(space: &TestSpace, file: &str, text: &str) {
    let text = text.replace("ROOT", space.root().as_str()).replace("LLVM", &llvm(""));
    let (from, program, words): (&str, &str, &[&str]) = match file.rsplit('.').next() {
        Some("profdata") if text.starts_with("---") => ("made.yaml", "llvm-profdata", &["merge"]),
        Some("profdata") => ("made.proftext", "llvm-profdata", &["merge"]),
        Some("bc") => ("made.ll", "llvm-as", &[]),
        Some("pcm") => ("made.cppm", "clang", PRECOMPILE),
        Some("o") => ("made.c", "clang", &["-c"]),
        Some("sh") => {
            space.write(file, text);
            return std::fs::set_permissions(space.path(file), Permissions::from_mode(0o755))
                .unwrap();
        }
        _ => return space.write(file, text),
    };
    space.write(from, text);
    // The directory of the file has to be there.
    space.write(file, "");
    let mut command = Command::new(llvm(program));
    space.prepare(&mut command);
    command.args(words).args([from, "-o", file]);
    space.run(command).expect_ok();
    space.remove(from);
}
