//! Builds with clang what `tender` has built: by the commands of `compile_commands.json`, and a
//! plain link by the driver.

use crate::space::TestSpace;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;

/// An object from clang, and that from `tender` by the same command; paths relative to the space.
pub struct Pair {
    pub source: String,
    pub clang: Utf8PathBuf,
    pub tender: Utf8PathBuf,
}

/// Compiles all units of the last built profile, below the directory `to`.
pub fn compile_with_clang(space: &TestSpace, profile: &str, to: &str) -> Vec<Pair> {
    let commands: Vec<Value> =
        serde_json::from_str(&space.read("target/compile_commands.json")).unwrap();
    let objects = format!("target/{profile}/.tender/");
    let pairs = Mutex::new(Vec::new());
    let queue = Mutex::new(commands.iter());
    let compile = || {
        while let Some(entry) = { queue.lock().unwrap().next() } {
            let words: Vec<&str> = entry["arguments"]
                .as_array()
                .unwrap()
                .iter()
                .map(|word| word.as_str().unwrap())
                .collect();
            let output = words.iter().position(|word| *word == "-o").unwrap();
            let tender = Utf8PathBuf::from(words[output + 1]);
            let rest = tender
                .strip_prefix(&objects)
                .unwrap_or_else(|_| panic!("{tender} is not of {profile}"));
            let clang = Utf8Path::new(to).join(rest);
            std::fs::create_dir_all(space.path(clang.parent().unwrap().as_str())).unwrap();
            let mut command = Command::new(words[0]);
            space.prepare(&mut command);
            command.args(&words[1..output]).args(["-o", clang.as_str()]);
            space.run(command).expect_ok();
            let source = entry["file"].as_str().unwrap().to_owned();
            pairs.lock().unwrap().push(Pair { source, clang, tender });
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(compile);
        }
    });
    let mut pairs = pairs.into_inner().unwrap();
    pairs.sort_by(|left, right| left.clang.cmp(&right.clang));
    pairs
}

/// Compiles them and links all programs, with the system libraries that most of them need. Returns
/// the directory of the programs.
pub fn build_with_clang(space: &TestSpace, profile: &str, to: &str) -> Utf8PathBuf {
    let pairs = compile_with_clang(space, profile, to);
    // CRATE/obj/lib/... and CRATE/obj/bin-NAME/...
    let mut libraries: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut programs: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for pair in &pairs {
        let mut parts = pair.clang.strip_prefix(to).unwrap().components().map(|part| part.as_str());
        let (krate, target) = (parts.next().unwrap(), parts.nth(1).unwrap());
        match target.strip_prefix("bin-") {
            Some(name) => programs.entry((krate, name)).or_default().push(pair.clang.as_str()),
            None => libraries.entry(krate).or_default().push(pair.clang.as_str()),
        }
    }
    let directory = space.path(to).join("programs");
    std::fs::create_dir_all(&directory).unwrap();
    for ((krate, name), objects) in &programs {
        let mut link = Command::new(crate::llvm_bin().join("clang++"));
        space.prepare(&mut link);
        link.arg("-fuse-ld=lld").args(objects).args(libraries.get(krate).into_iter().flatten());
        // A source that several programs have is compiled for the first of them only: the linker
        // takes it from there, as from an archive.
        let others = programs.iter().filter(|((of, other), _)| of == krate && other != name);
        link.arg("-Wl,--start-lib").args(others.flat_map(|(_, objects)| objects));
        link.arg("-Wl,--end-lib");
        link.args(["-lm", "-lpthread", "-o"]).arg(directory.join(name));
        space.run(link).expect_ok();
    }
    directory
}
