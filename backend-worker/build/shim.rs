//! Compiles the files of the shim that have changed since they were compiled, and archives all of them.
//!
//! Part of the build script. Knows nothing of what the files contain, but that each may include every
//! header beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Makes the archive `name` in `out` from the files of these stems in `dir`. `build` has the words for
/// the compiler.
pub fn compile(mut build: cc::Build, dir: &Path, stems: &[&str], out: &Path, name: &str) {
    // The compiler of another version or with other words makes other objects.
    let compiler = build.get_compiler();
    let words = format!("{:?} {:?}", compiler.to_command(), version(&compiler));
    let record = out.join("shim-words");
    let has_same_words = fs::read_to_string(&record).is_ok_and(|recorded| recorded == words);
    let newest_header = headers(dir).iter().filter_map(|header| modified(header)).max();
    let is_fresh = |stem: &&&str| {
        let made = object(out, stem).and_then(|object| modified(&object));
        has_same_words && made > newest_header && made > modified(&source(dir, stem))
    };
    let stale: Vec<&str> = stems.iter().filter(|stem| !is_fresh(stem)).copied().collect();
    // Until all are compiled, none is known to be made with these words.
    if !has_same_words {
        let _ = fs::remove_file(&record);
    }
    build.files(stale.iter().map(|stem| source(dir, stem)));
    build.compile_intermediates();
    fs::write(record, words).expect("a file in OUT_DIR can be written");
    let mut archive = cc::Build::new();
    archive.cpp(true).objects(stems.iter().filter_map(|stem| object(out, stem))).compile(name);
}

/// The object of a file, which cc names by a hash of the directory and the stem.
fn object(out: &Path, stem: &str) -> Option<PathBuf> {
    let end = format!("-{stem}.o");
    let entries = fs::read_dir(out).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| path.to_str().is_some_and(|path| path.ends_with(&end));
    entries.filter(is_it).max_by_key(|path| modified(path))
}

fn source(dir: &Path, stem: &str) -> PathBuf {
    dir.join(stem).with_extension("cpp")
}

fn headers(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|kind| kind == "h")).collect()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// What the compiler says of itself.
fn version(compiler: &cc::Tool) -> Option<Vec<u8>> {
    let output = compiler.to_command().arg("--version").output().ok()?;
    Some(output.stdout)
}
