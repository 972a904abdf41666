//! Compiles the shim and archives its objects. Objects are kept for all profiles and sets of features: what
//! makes one does not depend on them, and a file takes half a minute.
//!
//! Part of the build script. Knows nothing of what the files contain but which of the headers beside it
//! each one includes.

use std::collections::BTreeMap;
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
    let common = digest_of_words(&build.get_compiler(), version);
    let object = |stem: &str| {
        let mut hasher = common.clone();
        let mut texts = BTreeMap::new();
        add_text(&source(dir, stem), &mut texts);
        texts.hash(&mut hasher);
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

/// What all objects depend on: the compiler, its words, and LLVM.
fn digest_of_words(compiler: &cc::Tool, version: &Path) -> DefaultHasher {
    let mut hasher = DefaultHasher::new();
    let mut command = compiler.to_command();
    // Not its environment, which is all of this process's.
    command.get_program().hash(&mut hasher);
    command.get_args().for_each(|word| word.hash(&mut hasher));
    let says = command.arg("--version").output();
    says.ok().map(|output| output.stdout).hash(&mut hasher);
    fs::metadata(version).and_then(|metadata| metadata.modified()).ok().hash(&mut hasher);
    hasher
}

/// Adds the text of a file and of all headers beside it that it includes.
fn add_text(path: &Path, texts: &mut BTreeMap<PathBuf, String>) {
    if texts.contains_key(path) {
        return;
    }
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let included =
        |line: &str| Some(line.strip_prefix("#include \"")?.split('"').next()?.to_owned());
    let names: Vec<String> = text.lines().filter_map(included).collect();
    texts.insert(path.to_owned(), text);
    for header in names.iter().map(|name| path.with_file_name(name)) {
        if header.exists() {
            add_text(&header, texts);
        }
    }
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
