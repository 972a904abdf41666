//! Prebuilt objects and libraries of a workspace, made by the machine's compiler and `ar`. Knows no
//! workspaces.

use crate::TestSpace;
use std::collections::BTreeMap;
use std::process::Command;

/// Each defines `NAME_value`, and has `mark=1234` in its data: a change of the number changes the
/// object.
const OBJECTS: [&str; 12] = [
    "pick",
    "env",
    "sym",
    "script",
    "thin_a",
    "thin_b",
    "pre_one",
    "pre_pair_a",
    "pre_pair_b",
    "pre_thin_a",
    "pre_thin_b",
    "dir",
];

/// The bytes of each, by its file name.
#[derive(Debug)]
pub(super) struct Prebuilt(BTreeMap<String, Vec<u8>>);

impl Prebuilt {
    pub(super) fn new() -> Prebuilt {
        let space = TestSpace::new();
        let mut sources = Vec::new();
        for name in OBJECTS {
            let text = format!(
                "const char {name}_data[] = \"mark=1234\";\nconst char *{name}_value(void) {{ return {name}_data; }}\n"
            );
            space.write(&format!("{name}.c"), text);
            sources.push(format!("{name}.c"));
        }
        let run = |program: &str, words: &[&str]| {
            let mut command = Command::new(program);
            space.prepare(&mut command);
            command.args(words);
            space.run(command).expect_ok();
        };
        let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
        run("cc", &[&["-c", "-O1", "-fPIC"], sources.as_slice()].concat());
        run("cc", &["-shared", "-o", "libpick.so", "pick.o"]);
        for name in ["pick", "env", "sym", "dir"] {
            run("ar", &["rcD", &format!("lib{name}.a"), &format!("{name}.o")]);
        }
        run("ar", &["rcD", "libpre_pair.a", "pre_pair_a.o", "pre_pair_b.o"]);
        run("ar", &["rcDT", "libthin.a", "thin_a.o", "thin_b.o"]);
        run("ar", &["rcDT", "libpre_thin.a", "pre_thin_a.o", "pre_thin_b.o"]);
        // In bitcode, names of symbols are whole bytes, and numbers are not.
        space.write(
            "bits.c",
            "int low_bits(int x) { return x; }\nint marked __asm__(\"mark=1234\");\n",
        );
        let clang = crate::llvm_bin().join("clang");
        run(clang.as_str(), &["-c", "-emit-llvm", "-o", "bits.bc", "bits.c"]);
        let entries = space.root().read_dir_utf8().unwrap().map(Result::unwrap);
        let made = entries.filter(|entry| entry.path().extension() != Some("c"));
        Prebuilt(
            made.map(|entry| (entry.file_name().to_owned(), std::fs::read(entry.path()).unwrap()))
                .collect(),
        )
    }

    /// For tests: files with only their numbers.
    #[cfg(test)]
    pub(super) fn of_numbers_alone() -> Prebuilt {
        let names = super::sources::BINARIES.iter().map(|(_, name)| (*name).to_owned());
        Prebuilt(names.map(|name| (name, b"\xff mark=1234".to_vec())).collect())
    }

    pub(super) fn get(&self, name: &str) -> Vec<u8> {
        self.0[name].clone()
    }
}
