//! Compiles the shim and archives its objects. Objects are kept for all profiles and sets of features: what
//! makes one does not depend on them, and a file takes half a minute.
//!
//! Part of the build script. Knows nothing of what the files contain, but that each may include every
//! header beside it.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Makes the archive `name` in `out` from the files of these stems in `dir`. `build` has the words for
/// the compiler, and `version` is a file of LLVM that another version of it brings anew.
pub fn compile(
    mut build: cc::Build,
    dir: &Path,
    stems: &[&str],
    version: &Path,
    out: &Path,
    name: &str,
) {
    // `target/PROFILE/build/PACKAGE/out`: beside the directories of the profiles.
    let kept = out.ancestors().nth(4).expect("OUT_DIR is below the target directory").join("shim");
    fs::create_dir_all(&kept).expect("a directory beside those of the profiles can be made");
    let common = digest_of_all(&build.get_compiler(), dir, version);
    let object = |stem: &str| {
        let mut hasher = common.clone();
        read(&source(dir, stem)).hash(&mut hasher);
        kept.join(format!("{stem}-{:016x}.o", hasher.finish()))
    };
    let objects: Vec<(&str, PathBuf)> = stems.iter().map(|stem| (*stem, object(stem))).collect();
    let missing: Vec<&(&str, PathBuf)> =
        objects.iter().filter(|(_, path)| !path.exists()).collect();

    build.files(missing.iter().map(|(stem, _)| source(dir, stem)));
    let made = build.compile_intermediates();
    for ((_, path), made) in missing.iter().zip(made) {
        // Another build may keep the same object now.
        let part = path.with_extension(format!("{}.part", std::process::id()));
        fs::rename(&made, &part).and_then(|()| fs::rename(&part, path)).expect("it can be kept");
    }
    remove_old(&kept, &objects);

    let mut archive = cc::Build::new();
    archive.cpp(true).objects(objects.iter().map(|(_, path)| path)).compile(name);
}

/// What each object depends on: the compiler, its words, LLVM, and the headers of the shim.
fn digest_of_all(compiler: &cc::Tool, dir: &Path, version: &Path) -> DefaultHasher {
    let mut hasher = DefaultHasher::new();
    let mut command = compiler.to_command();
    // Not its environment, which is all of this process's.
    command.get_program().hash(&mut hasher);
    command.get_args().for_each(|word| word.hash(&mut hasher));
    let says = command.arg("--version").output();
    says.ok().map(|output| output.stdout).hash(&mut hasher);
    fs::metadata(version).and_then(|metadata| metadata.modified()).ok().hash(&mut hasher);
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let headers: BTreeSet<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "h")).collect();
    for header in headers {
        header.file_name().hash(&mut hasher);
        read(&header).hash(&mut hasher);
    }
    hasher
}

/// Removes the objects that these take the place of, if no build has used them for a day.
fn remove_old(kept: &Path, objects: &[(&str, PathBuf)]) {
    const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);
    for (_, path) in objects {
        let file = fs::File::open(path).expect("an object that is kept can be read");
        let _ = file.set_modified(std::time::SystemTime::now());
    }
    for entry in fs::read_dir(kept).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|time| time.elapsed().ok());
        if age > Some(DAY) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn source(dir: &Path, stem: &str) -> PathBuf {
    dir.join(stem).with_extension("cpp")
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
