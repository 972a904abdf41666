//! Files that arguments name are inputs, for each option: after an edit of the file exactly the
//! items that read it are rebuilt, and results are those of a clean build. All options of
//! docs/inputs.md are tested.

mod document;
mod flags;
mod headers;
mod links;
mod nothing_read;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tender_tests::TestSpace;

/// LLVM's own clang, if it is installed.
fn clang() -> Option<String> {
    let clang = llvm("clang");
    Command::new(&clang).arg("--version").output().is_ok().then_some(clang)
}

/// A program of LLVM.
fn llvm(name: &str) -> String {
    tender_tests::llvm_bin().join(name).to_string()
}

/// Makes a clean build elsewhere, and compares the given outputs.
#[track_caller]
fn as_from_nothing(space: &TestSpace, output: &str) {
    space.tender(&["build", "--target-dir", "clean"]).expect_ok();
    let bytes = |target: &str| space.read_bytes(&format!("{target}/debug/{output}"));
    assert!(bytes("target") == bytes("clean"), "{output} is not that of a clean build");
    space.remove("clean");
}

/// The only item that is rebuilt, and why.
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

/// The words of an option, its file, two contents of it, and whether these give different results.
type Edited = (&'static [&'static str], &'static str, &'static str, &'static str, Seen);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Yes,
    No,
}

/// Compiles a unit as for a library, and removes its source.
const PRECOMPILE: &[&str] =
    &["-std=c++20", "-fPIC", "-g", "-O0", "-fmodules-embed-all-files", "--precompile"];

/// Writes a file. Programs convert the text, if the extension requires that. `ROOT` stands for the
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
    // The directory of the file must exist.
    space.write(file, "");
    let mut command = Command::new(llvm(program));
    space.prepare(&mut command);
    command.args(words).args([from, "-o", file]);
    space.run(command).expect_ok();
    space.remove(from);
}
