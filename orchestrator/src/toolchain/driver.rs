//! The link driver: `CC` or `CXX`, else the platform's own compiler, as the `cc` crate finds it.
//!
//! The `cc` crate is made for build scripts. Outside one it needs target, host, optimisation level
//! and output directory by hand, and must not print. It starts the compiler to find its family, so
//! its answer is cached in a file, valid as long as the variable has the same value and the name
//! leads to the same program.

#![expect(
    clippy::disallowed_methods,
    reason = "`CC`, `CXX` and `PATH` are the business of this file"
)]

use super::stamp::{Stamp, read_saved, save};
use crate::platform::Platform;
use crate::sys::looks::{self, PathKind};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    #[error(
        "no program to link with: `{program}` is not found\n  help: install a C and C++ compiler (on Debian and Ubuntu: apt-get install gcc g++), or name one in {variable}"
    )]
    NoDriver { program: String, variable: &'static str },
    #[error("no program to link with: {message}\n  help: name a compiler in {variable}")]
    Detection { message: String, variable: &'static str },
    #[error(
        "`{program}` in {variable} links another C library than the one whose headers are compiled\n  help: build for it: `tender build --target {triple}`"
    )]
    OtherLibrary { variable: &'static str, program: String, triple: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FoundDriver {
    chosen: Option<String>,
    /// The word that starts the driver: a name to be found in PATH, or a path.
    program: String,
    stamp: Stamp,
    /// The words after the program in `CC` or `CXX`.
    arguments: Vec<String>,
}

/// The driver and its first arguments, for C or for C++.
///
/// # Errors
/// The program that `CC`, `CXX` or the platform names does not exist.
pub fn link_driver(cache_dir: &Utf8Path, cxx: bool) -> Result<Vec<String>, ToolchainError> {
    let chosen = chosen_driver(cxx);
    let good = |found: &FoundDriver| {
        found.chosen == chosen
            && resolve(&found.program, Utf8Path::new("")) == Some(found.stamp.path.clone())
            && found.stamp.holds()
    };
    let cache = cache_file(cache_dir, cxx);
    let found = match read(&cache).filter(good) {
        Some(found) => found,
        None => {
            let found = detect(cache_dir, chosen, cxx)?;
            save(&cache, &found);
            found
        }
    };
    let mut words = vec![found.program];
    words.extend(found.arguments);
    Ok(words)
}

/// The driver's program by name, without starting a process: as an earlier build found it, else as
/// the variable names it.
pub fn known_driver(cache_dir: &Utf8Path, cxx: bool) -> String {
    let chosen = chosen_driver(cxx);
    let found = read(&cache_file(cache_dir, cxx)).filter(|found| found.chosen == chosen);
    let of_variable =
        || chosen.as_deref().and_then(|value| value.split_whitespace().next()).map(str::to_owned);
    let default = if cxx { "c++" } else { "cc" };
    found.map(|found| found.program).or_else(of_variable).unwrap_or_else(|| default.to_owned())
}

fn cache_file(cache_dir: &Utf8Path, cxx: bool) -> Utf8PathBuf {
    cache_dir.join(if cxx { "link-driver-cxx" } else { "link-driver-c" })
}

fn read(cache: &Utf8Path) -> Option<FoundDriver> {
    read_saved(cache).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
}

/// The value of the first variable that the `cc` crate reads and that is set. It chooses the
/// driver, and is part of the fingerprint of links.
pub fn chosen_driver(cxx: bool) -> Option<String> {
    let name = variable(cxx);
    let target = target();
    let names = [
        format!("{name}_{target}"),
        format!("{name}_{}", target.replace('-', "_")),
        format!("HOST_{name}"),
        name.to_owned(),
    ];
    names.iter().find_map(|name| std::env::var(name).ok()).filter(|value| !value.trim().is_empty())
}

fn detect(
    cache_dir: &Utf8Path,
    chosen: Option<String>,
    cxx: bool,
) -> Result<FoundDriver, ToolchainError> {
    let variable = variable(cxx);
    let tool = cc::Build::new()
        .cpp(cxx)
        .target(&target())
        .host(&target())
        .opt_level(0)
        .out_dir(cache_dir)
        .cargo_metadata(false)
        .cargo_warnings(false)
        .cargo_output(false)
        .no_default_flags(true)
        .warnings(false)
        .try_get_compiler()
        .map_err(|error| ToolchainError::Detection { message: error.to_string(), variable })?;
    let program = tool.path().to_string_lossy().into_owned();
    let Some(path) = resolve(&program, Utf8Path::new("")) else {
        return Err(ToolchainError::NoDriver { program, variable });
    };
    let arguments = arguments_of_variable(chosen.as_deref().unwrap_or_default(), &program);
    Ok(FoundDriver { chosen, program, stamp: Stamp::of(&path), arguments })
}

/// The words after the program in the variable, which the `cc` crate does not return. None if the
/// program's path has blanks.
fn arguments_of_variable(value: &str, program: &str) -> Vec<String> {
    let mut words = value.split_whitespace();
    let _ = words.find(|word| *word == program);
    words.map(str::to_owned).collect()
}

/// The words that select lld, if LLVM's directory has it: what links have that choose no linker.
pub(super) fn linker_words(llvm_bin: &Utf8Path) -> Vec<String> {
    if looks::exists(llvm_bin.join("ld.lld")) {
        vec![format!("-B{llvm_bin}"), "-fuse-ld=lld".to_owned()]
    } else {
        Vec::new()
    }
}

fn variable(cxx: bool) -> &'static str {
    if cxx { "CXX" } else { "CC" }
}

/// The platform that `tender` runs on. (`cross` finds drivers for others.)
fn target() -> String {
    Platform::host().triple().to_owned()
}

/// The file that starting `program` in `dir` runs, as execvp(3) finds it.
pub fn resolve(program: &str, dir: &Utf8Path) -> Option<Utf8PathBuf> {
    if program.contains('/') {
        return Some(dir.join(program)).filter(|path| is_executable(path));
    }
    let path = std::env::var("PATH").ok()?;
    path.split(':').map(|entry| dir.join(entry).join(program)).find(|path| is_executable(path))
}

fn is_executable(path: &Utf8Path) -> bool {
    looks::kind(path) == PathKind::Program
}

/// The programs in PATH whose names begin with `start`, by the rest of the name: of each name the one
/// that is found first.
pub fn programs_in_path(start: &str) -> BTreeMap<String, Utf8PathBuf> {
    let mut found = BTreeMap::new();
    let path = std::env::var("PATH").unwrap_or_default();
    for entry in path.split(':').filter(|entry| !entry.is_empty()) {
        let Ok(entries) = looks::read_dir(entry.as_ref()) else { continue };
        let paths = entries.flatten().map(|entry| Utf8PathBuf::from_path_buf(entry.path()));
        for path in paths.flatten() {
            let name = path.file_name().and_then(|name| name.strip_prefix(start));
            let Some(name) = name.filter(|name| !name.is_empty()) else { continue };
            if is_executable(&path) {
                found.entry(name.to_owned()).or_insert_with(|| path.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_is_found_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Utf8Path::from_path(dir.path()).unwrap();
        let words = link_driver(cache, false).unwrap();
        assert!(resolve(&words[0], Utf8Path::new("")).is_some(), "{words:?}");
        let kept: FoundDriver =
            serde_json::from_slice(&std::fs::read(cache.join("link-driver-c")).unwrap()).unwrap();
        assert_eq!(kept.program, words[0]);
        // The cached answer is used: a word that the test adds to it is returned.
        let marked = FoundDriver { arguments: vec!["-marked".into()], ..kept };
        save(&cache.join("link-driver-c"), &marked);
        assert_eq!(link_driver(cache, false).unwrap()[1], "-marked");
        // But not for another program.
        save(
            &cache.join("link-driver-c"),
            &FoundDriver {
                stamp: Stamp::of("/absent".into()),
                program: "/absent".into(),
                ..marked
            },
        );
        assert_eq!(link_driver(cache, false).unwrap(), words);
        // A damaged file is ignored.
        std::fs::write(cache.join("link-driver-c"), "{").unwrap();
        assert_eq!(link_driver(cache, false).unwrap(), words);
    }

    #[test]
    fn driver_words_are_those_of_the_variable() {
        let check = |value: &str, program: &str, expect: &[&str]| {
            assert_eq!(arguments_of_variable(value, program), expect, "{value}");
        };
        check("", "cc", &[]);
        check("gcc", "gcc", &[]);
        check("gcc -m32", "gcc", &["-m32"]);
        check("ccache clang --target=x -m32", "clang", &["--target=x", "-m32"]);
        check("/a dir/gcc", "/a dir/gcc", &[]);
    }

    #[test]
    fn driver_gets_lld_where_it_is_installed() {
        let dir = tempfile::tempdir().unwrap();
        let bin = Utf8Path::from_path(dir.path()).unwrap();
        assert!(linker_words(bin).is_empty());
        std::fs::write(bin.join("ld.lld"), "").unwrap();
        assert_eq!(linker_words(bin), [format!("-B{bin}"), "-fuse-ld=lld".to_owned()]);
    }
}
