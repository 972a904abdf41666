//! nasm or yasm: what the variable `NASM` names, else the first of the two that `PATH` has.

#![expect(clippy::disallowed_methods, reason = "`NASM` is the business of this file")]

use super::driver::resolve;
use crate::graph::Assembler;
use camino::Utf8Path;

const HELP: &str =
    "install one (on Debian and Ubuntu: apt-get install nasm), or name a program in NASM";

/// The assembler for an architecture.
///
/// # Errors
/// Text for users: there is none.
pub fn find(arch: &str) -> Result<Assembler, String> {
    let chosen = std::env::var("NASM").ok().filter(|value| !value.trim().is_empty());
    assembler(chosen.as_deref(), arch)
}

fn assembler(chosen: Option<&str>, arch: &str) -> Result<Assembler, String> {
    let format = match arch {
        "x86_64" => "elf64",
        "x86" => "elf32",
        _ => return Err(format!("they make code for x86 alone, not for {arch}")),
    };
    let here = Utf8Path::new("");
    let words: Vec<String> = match chosen {
        Some(value) => value.split_whitespace().map(str::to_owned).collect(),
        None => {
            let there = ["nasm", "yasm"].into_iter().find(|name| resolve(name, here).is_some());
            vec![there.ok_or(format!("neither is found\n  help: {HELP}"))?.to_owned()]
        }
    };
    let path = resolve(&words[0], here)
        .ok_or(format!("`{}`, which NASM names, is not found\n  help: {HELP}", words[0]))?;
    let is_yasm = Utf8Path::new(&words[0]).file_name().is_some_and(|name| name.contains("yasm"));
    Ok(Assembler { is_yasm, words, path, format })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assembler_is_the_one_that_the_variable_names() {
        let dir = tempfile::tempdir().unwrap();
        let program = Utf8Path::from_path(dir.path()).unwrap().join("my-yasm");
        std::fs::write(&program, "").unwrap();
        let missing = assembler(Some(program.as_str()), "x86_64").unwrap_err();
        assert!(missing.starts_with(&format!("`{program}`, which NASM names, is not found")));
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let found = assembler(Some(&format!("{program} -Wall")), "x86").unwrap();
        assert!(found.is_yasm && found.format == "elf32", "{found:?}");
        assert_eq!((&found.path, &found.words[1..]), (&program, &["-Wall".to_owned()][..]));
        let other = assembler(None, "aarch64").unwrap_err();
        assert_eq!(other, "they make code for x86 alone, not for aarch64");
    }
}
