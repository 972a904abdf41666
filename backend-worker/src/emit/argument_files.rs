//! Finds the files that the arguments of a link name, for the driver or for the linker. The
//! linker's own list of what it read lacks response files and the driver's configuration files and
//! specs, and GNU ld may give no list. This module looks at the file system only to find the
//! driver.
//!
//! `docs/inputs.md` lists the options of clang and lld that name files. `tests/option_tables.rs`
//! compares it with the programs.

use std::collections::BTreeSet;
use std::path::Path;

/// How an option takes its value.
#[derive(Clone, Copy)]
enum Value {
    /// `--name=VALUE`, or the next word.
    Separate,
    /// `-nameVALUE`, or the next word.
    Joined,
    /// `--name=VALUE` only.
    Equals,
}

use Value::{Equals, Joined, Separate};

/// Options of drivers whose value is an input file.
const OF_DRIVERS: [(&str, Value); 9] = [
    ("T", Joined),
    ("config", Separate),
    ("specs", Separate),
    ("ld-path", Equals),
    ("fprofile-use", Equals),
    ("fprofile-instr-use", Equals),
    ("fprofile-sample-use", Equals),
    ("fauto-profile", Equals),
    ("fmemory-profile-use", Equals),
];

/// Options of ld.lld and GNU ld whose value is an input file.
const OF_LINKERS: [(&str, Value); 23] = [
    ("T", Joined),
    ("R", Joined),
    ("c", Separate),
    ("script", Separate),
    ("mri-script", Separate),
    ("default-script", Separate),
    ("dT", Separate),
    ("section-ordering-file", Separate),
    ("version-script", Separate),
    ("dynamic-list", Separate),
    ("export-dynamic-symbol-list", Separate),
    ("retain-symbols-file", Separate),
    ("symbol-ordering-file", Separate),
    ("call-graph-ordering-file", Separate),
    ("just-symbols", Separate),
    ("remap-inputs-file", Separate),
    ("in-implib", Equals),
    ("irpgo-profile", Separate),
    ("lto-sample-profile", Equals),
    ("plugin-opt=sample-profile", Equals),
    ("lto-cs-profile-file", Equals),
    ("plugin-opt=cs-profile-path", Equals),
    ("load-pass-plugin", Equals),
];

/// The paths that the arguments name, sorted, each once. A file that does not exist was looked up
/// without success. In both lists response files are already expanded; a response file that could
/// not be read is left as `@FILE`.
pub fn argument_files(program: &str, for_driver: &[String], for_linker: &[String]) -> Vec<String> {
    let mut files = BTreeSet::new();
    of_driver(program, for_driver, &mut files);
    let mut left = for_linker.iter();
    while let Some(word) = left.next() {
        if let Some(file) = absent_response_file(word) {
            files.insert(file.to_owned());
        } else if let Some((_, value)) = option(&OF_LINKERS, word, || left.next().cloned()) {
            files.insert(value);
        }
    }
    files.into_iter().collect()
}

fn of_driver(program: &str, words: &[String], files: &mut BTreeSet<String>) {
    let mut directories = Vec::new();
    let mut named = Vec::new();
    let mut target = None;
    let mut left = words.iter();
    while let Some(word) = left.next() {
        if let Some(file) = absent_response_file(word) {
            files.insert(file.to_owned());
        } else if word == "-Xlinker" {
            left.next();
        } else if let Some(dir) =
            value_of(word, "config-user-dir").or(value_of(word, "config-system-dir"))
        {
            directories.push(expand_home(dir));
        } else if let Some(triple) = value_of(word, "target") {
            target = Some(triple.to_owned());
        } else if word == "-target" {
            target = left.next().cloned();
        } else if let Some(linker) =
            word.strip_prefix("-fuse-ld=").filter(|name| name.contains('/'))
        {
            files.insert(linker.to_owned());
        } else if let Some((name, value)) = option(&OF_DRIVERS, word, || left.next().cloned()) {
            // A name without a directory is looked up in the configuration directories.
            match name == "config" && !value.contains('/') {
                true => named.push(value),
                false => drop(files.insert(value)),
            }
        } else if !word.starts_with('-') {
            files.insert(word.clone());
        }
    }
    let (dir, default) = default_configuration(program, target);
    directories.extend(dir);
    for dir in &directories {
        files.extend(named.iter().chain(&default).map(|name| format!("{dir}/{name}")));
    }
}

fn absent_response_file(word: &str) -> Option<&str> {
    word.strip_prefix('@').filter(|file| !file.is_empty())
}

fn value_of<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    word.strip_prefix("--")?.strip_prefix(name)?.strip_prefix('=')
}

/// The option that `word` starts with, and its value.
fn option(
    table: &[(&'static str, Value)],
    word: &str,
    next: impl FnOnce() -> Option<String>,
) -> Option<(&'static str, String)> {
    let text = word.strip_prefix('-')?;
    let text = text.strip_prefix('-').unwrap_or(text);
    // The longest matching name wins.
    let fits = |(name, value): &&(&'static str, Value)| {
        text.strip_prefix(name).is_some_and(|rest| match value {
            Separate => rest.is_empty() || rest.starts_with('='),
            Equals => rest.starts_with('='),
            Joined => !SECTION_STARTS.contains(&text.split('=').next().unwrap_or(text)),
        })
    };
    let (name, value) = table.iter().filter(fits).max_by_key(|(name, _)| name.len())?;
    let rest = &text[name.len()..];
    let given = match value {
        Joined if !rest.is_empty() => Some(rest.to_owned()),
        _ => rest.strip_prefix('=').map(str::to_owned),
    };
    given.or_else(next).map(|given| (*name, given))
}

/// Options that start like `-T` or `-R` and name no file.
const SECTION_STARTS: [&str; 5] = ["Ttext", "Tdata", "Tbss", "Ttext-segment", "Relocatable"];

/// The directory and the names of configuration files that clang reads by default.
/// <https://clang.llvm.org/docs/UsersManual.html#configuration-files>
fn default_configuration(program: &str, target: Option<String>) -> (Option<String>, Vec<String>) {
    let path = find_program(program).and_then(|path| path.canonicalize().ok());
    let Some(path) = path else { return (None, Vec::new()) };
    let called = Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let real = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !called.contains("clang") && !real.contains("clang") {
        return (None, Vec::new());
    }
    let arch = std::env::consts::ARCH;
    let triples = match target {
        Some(target) => vec![target],
        None => ["pc-linux-gnu", "unknown-linux-gnu", "linux-gnu"]
            .map(|rest| format!("{arch}-{rest}"))
            .into(),
    };
    let mut modes = vec!["clang".to_owned(), "clang++".to_owned(), called];
    modes.sort_unstable();
    modes.dedup();
    let mut names: Vec<String> = modes.iter().map(|mode| format!("{mode}.cfg")).collect();
    for triple in triples {
        names.extend(modes.iter().map(|mode| format!("{triple}-{mode}.cfg")));
        names.push(format!("{triple}.cfg"));
    }
    (path.parent().map(|dir| dir.to_string_lossy().into_owned()), names)
}

fn find_program(program: &str) -> Option<std::path::PathBuf> {
    if program.contains('/') {
        return Some(program.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.is_file())
}

fn expand_home(dir: &str) -> String {
    match (dir.strip_prefix('~'), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", home.to_string_lossy())
        }
        _ => dir.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::DriverAnswer;

    fn owned(words: &str) -> Vec<String> {
        words.split(' ').map(str::to_owned).collect()
    }

    /// The files, if the driver adds no arguments of its own for the linker.
    fn files(args: &str) -> Vec<String> {
        let args = owned(args);
        let answer = DriverAnswer::of_words(&[], &args);
        argument_files("/absent/cc", &args, &answer.words)
    }

    #[test]
    fn argument_files_of_options_in_every_form() {
        let check = |args: &str, expect: &[&str]| assert_eq!(files(args), expect, "{args}");
        check("-Tx.ld -Wl,-T,y.ld -Wl,--script=z.ld", &["x.ld", "y.ld", "z.ld"]);
        check("-T x.ld -Ttext=0x100 -Wl,-Ttext,0x100", &["x.ld"]);
        check("-Wl,--version-script,a.map -Wl,-version-script=b.map", &["a.map", "b.map"]);
        check("-Xlinker --dynamic-list -Xlinker a.list", &["a.list"]);
        check(
            "-Wl,--symbol-ordering-file=o -Wl,--retain-symbols-file,r -Wl,-R,s.elf",
            &["o", "r", "s.elf"],
        );
        check("--config=d/a.cfg --config d/b.cfg", &["d/a.cfg", "d/b.cfg"]);
        check(
            "-specs=a.specs --specs b.specs -fuse-ld=/opt/ld -fuse-ld=lld",
            &["/opt/ld", "a.specs", "b.specs"],
        );
        check("-Wl,--plugin-opt=sample-profile=p -Wl,--lto-cs-profile-file=q", &["p", "q"]);
        check("-lz -L/lib -pie -Wl,-rpath,/x -Wl,-z,now a.o -Wl,--as-needed", &["a.o"]);
    }

    #[test]
    fn argument_files_include_clangs_configuration_files() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let clang = dir.join("clang++");
        std::fs::write(&clang, "").unwrap();
        let args = owned("--config-user-dir=/user --config=mine.cfg --target=a-b-c");
        let found = argument_files(clang.to_str().unwrap(), &args, &[]);
        let beside = |name: &str| format!("{}/{name}", dir.display());
        for name in ["clang.cfg", "clang++.cfg", "a-b-c-clang++.cfg", "a-b-c.cfg", "mine.cfg"] {
            assert!(
                found.contains(&beside(name)) && found.contains(&format!("/user/{name}")),
                "{name}: {found:?}"
            );
        }
        // GCC has no configuration files.
        assert_eq!(argument_files("/absent/gcc", &[], &[]), [""; 0]);
    }

    #[test]
    fn argument_files_include_missing_response_files() {
        let found = argument_files("/absent/cc", &owned("-la @a.rsp @"), &owned("@b.rsp -T c.ld"));
        assert_eq!(found, ["@", "a.rsp", "b.rsp", "c.ld"]);
    }
}
