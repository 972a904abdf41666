//! Writes a makefile for gcc from the compile commands that `tender` writes, as `ninja` does for
//! clang.

use crate::ninja::{self, Entry};
use crate::subject::{Kind, Target};
use std::error::Error;
use std::fmt::Write;
use std::path::Path;

/// The text of a makefile that builds the archives. Its paths are absolute or relative to the
/// workspace root, where make runs, and must not contain spaces.
///
/// Programs are left out, because real-world's uses `#embed`, which gcc supports since 15.
///
/// # Errors
/// An archive has no compile commands.
pub fn text(commands: &[Entry], targets: &[Target], out: &Path) -> Result<String, Box<dyn Error>> {
    let out = out.to_str().ok_or("the scratch directory's path is not UTF-8")?;
    let mut rules = String::new();
    let mut archives = Vec::new();
    for target in targets.iter().filter(|target| matches!(target.kind, Kind::Archive)) {
        let archive = format!("{out}/{}", target.file_name());
        let mut objects = Vec::new();
        for (i, entry) in
            commands.iter().filter(|entry| entry.file.contains(&target.sources)).enumerate()
        {
            let stem =
                Path::new(&entry.file).file_name().and_then(|name| name.to_str()).unwrap_or("unit");
            let object = format!("{out}/{}/{i}-{stem}.o", target.name);
            let words: Vec<String> =
                gcc(&entry.arguments).iter().map(|word| ninja::command(word)).collect();
            let file = &entry.file;
            writeln!(
                rules,
                "{object}: {file}\n\t@mkdir -p $(@D)\n\t{} -MD -c $< -o $@",
                words.join(" ")
            )?;
            objects.push(object);
        }
        if objects.is_empty() {
            return Err(format!("the compile commands name no source of {}", target.name).into());
        }
        writeln!(rules, "{archive}: {}\n\tar rcsD $@ $^", objects.join(" "))?;
        archives.push(archive);
    }
    Ok(format!("all: {}\n{rules}", archives.join(" ")))
}

/// Converts clang's arguments to gcc's.
fn gcc(arguments: &[String]) -> Vec<String> {
    let flags = ninja::flags(arguments);
    let is_cxx = flags.first().is_some_and(|compiler| compiler.ends_with("clang++"));
    let known = |word: &&String| !word.starts_with("-ffile-compilation-dir=");
    let words = flags.iter().skip(1).filter(known).cloned();
    [if is_cxx { "g++" } else { "gcc" }.to_owned()].into_iter().chain(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makefile_of_one_archive() {
        let entry = |compiler: &str, file: &str| Entry {
            arguments: [
                compiler,
                "-O2",
                "-ffile-compilation-dir=.",
                "-DA=$",
                "-c",
                file,
                "-o",
                "x.o",
            ]
            .map(str::to_owned)
            .to_vec(),
            file: file.to_owned(),
        };
        let archive = Target { name: "a".into(), kind: Kind::Archive, sources: "a/".into() };
        let program = Kind::Program { archives: vec!["a".into()], words: Vec::new() };
        let program = Target { name: "p".into(), kind: program, sources: "p/".into() };
        let commands = [entry("/bin/clang", "p/m.c"), entry("/bin/clang++", "a/x.cc")];
        assert_eq!(
            text(&commands, &[archive.clone(), program], Path::new("/o")).unwrap(),
            "all: /o/liba.a\n\
             /o/a/0-x.cc.o: a/x.cc\n\t@mkdir -p $(@D)\n\tg++ -O2 '-DA=$$' -MD -c $< -o $@\n\
             /o/liba.a: /o/a/0-x.cc.o\n\tar rcsD $@ $^\n"
        );
        assert!(text(&[], &[archive], Path::new("/o")).is_err());
    }
}
