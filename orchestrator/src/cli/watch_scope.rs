//! Which directories `--watch` watches, and which changes matter. Reads directories, and asks no kernel
//! for changes.

use super::project::Project;
use crate::fingerprint::Fingerprints;
use crate::graph::Graph;
use crate::manifest::{MANIFEST_NAME, is_header, source_kind};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeSet, HashMap};

/// Files that tender itself writes beside sources.
const OWN_FILES: [&str; 1] = ["compile_commands.json"];

/// Directories of the system: no build of a workspace changes them, and the next one sees a change.
const SYSTEM: [&str; 6] = ["/usr", "/lib", "/lib64", "/etc", "/bin", "/opt"];

/// The files of a build.
#[derive(Debug, Default)]
pub struct WatchScope {
    pub dirs: BTreeSet<Utf8PathBuf>,
    /// What items read, without symbolic links.
    inputs: BTreeSet<Utf8PathBuf>,
    /// What items write.
    outputs: BTreeSet<Utf8PathBuf>,
    target_dir: Utf8PathBuf,
}

impl WatchScope {
    /// The directories of all crates.
    pub fn of_project(project: &Project) -> WatchScope {
        let target_dir = real(&project.target_dir);
        let mut dirs: BTreeSet<Utf8PathBuf> = BTreeSet::new();
        // What is named for sources that were fetched may lie anywhere.
        let mut inputs = BTreeSet::new();
        for krate in &project.workspace.crates {
            add_tree(&real(&krate.dir), &target_dir, &mut dirs);
            inputs.extend(krate.files_for_sources.iter().map(|path| real(path)));
        }
        inputs.extend(project.workspace.files_for_sources.iter().map(|path| real(path)));
        dirs.extend(inputs.iter().filter_map(|path| path.parent()).map(Utf8Path::to_owned));
        // Last, because a tree that is known is not looked into.
        dirs.insert(real(&project.workspace.root));
        WatchScope { dirs, inputs, target_dir, ..WatchScope::default() }
    }

    /// With these files, whose directories exist.
    pub fn with_files(mut self, files: &[Utf8PathBuf]) -> WatchScope {
        let files: Vec<Utf8PathBuf> = files.iter().map(|path| real(path)).collect();
        self.dirs.extend(files.iter().filter_map(|path| path.parent()).map(Utf8Path::to_owned));
        self.inputs.extend(files);
        self
    }

    /// With those of all that the items of a graph are known to read.
    pub fn with_inputs(mut self, graph: &Graph, known: &Fingerprints) -> WatchScope {
        let mut places = RealPlaces::default();
        let outputs = graph.items.iter().flat_map(|item| &item.outputs);
        self.outputs = outputs.map(|path| places.real(&graph.root.join(path))).collect();
        let inputs = known.all_known_inputs(graph);
        let inputs = inputs.iter().map(|path| places.real(&graph.root.join(path)));
        let is_watched =
            |path: &Utf8PathBuf| !path.starts_with(&self.target_dir) && !is_of_system(path);
        let inputs: Vec<Utf8PathBuf> = inputs.filter(is_watched).collect();
        self.inputs.extend(inputs);
        let dirs = self.inputs.iter().filter_map(|path| path.parent()).map(Utf8Path::to_owned);
        self.dirs.extend(dirs);
        self
    }

    /// Whether a change may lead to another result of a build, when nothing else writes there.
    pub fn may_matter(&self, path: &Utf8Path) -> bool {
        let name = path.file_name().unwrap_or_default();
        !path.starts_with(&self.target_dir) && !OWN_FILES.contains(&name)
    }

    /// Whether a build has read it, or the next would. What programs that have just run write
    /// otherwise does not count: they may write it each time.
    pub fn is_input(&self, path: &Utf8Path) -> bool {
        let is_known = self.inputs.contains(path) || path.file_name() == Some(MANIFEST_NAME);
        let is_source = is_header(path) || source_kind(path).is_some();
        self.may_matter(path) && !self.outputs.contains(path) && (is_known || is_source)
    }
}

fn real(path: &Utf8Path) -> Utf8PathBuf {
    path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned())
}

/// Paths without symbolic links. Each directory is asked for once, because it has many files.
#[derive(Default)]
struct RealPlaces(HashMap<Utf8PathBuf, Utf8PathBuf>);

impl RealPlaces {
    fn real(&mut self, path: &Utf8Path) -> Utf8PathBuf {
        // `file_name` is none for a path that ends with `..`.
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return real(path) };
        let is_plain = path.symlink_metadata().is_ok_and(|found| !found.is_symlink());
        if !is_plain {
            return real(path);
        }
        if !self.0.contains_key(dir) {
            self.0.insert(dir.to_owned(), real(dir));
        }
        self.0[dir].join(name)
    }
}

fn is_of_system(path: &Utf8Path) -> bool {
    SYSTEM.iter().any(|dir| path.starts_with(dir))
}

/// A directory and those below it that wildcards see: without hidden ones and target directories.
fn add_tree(dir: &Utf8Path, target_dir: &Utf8Path, dirs: &mut BTreeSet<Utf8PathBuf>) {
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        if dir == target_dir || dir.join("CACHEDIR.TAG").is_file() || !dirs.insert(dir.clone()) {
            continue;
        }
        let Ok(entries) = dir.read_dir_utf8() else { continue };
        for entry in entries.flatten() {
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if entry.file_name().starts_with('.') || !is_dir && !is_link {
                continue;
            }
            match is_link {
                false => left.push(entry.into_path()),
                true => left.extend(Some(real(entry.path())).filter(|path| path.is_dir())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watched_tree_is_without_hidden_and_target_directories() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        for name in ["src/deep", ".git/objects", "target/debug", "other/debug", "elsewhere"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::write(root.join("other/CACHEDIR.TAG"), "").unwrap();
        std::os::unix::fs::symlink("../elsewhere", root.join("src/link")).unwrap();
        std::os::unix::fs::symlink("..", root.join("src/loop")).unwrap();
        let mut dirs = BTreeSet::new();
        add_tree(&root.join("src"), &root.join("target"), &mut dirs);
        let below = |name: &str| root.join(name);
        assert_eq!(
            dirs,
            [root.clone(), below("src"), below("src/deep"), below("elsewhere")].into()
        );
    }

    #[test]
    fn real_places_are_those_of_the_kernel() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/file"), "").unwrap();
        std::os::unix::fs::symlink("a", root.join("link")).unwrap();
        std::os::unix::fs::symlink("b/file", root.join("a/other")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("a/broken")).unwrap();
        let mut places = RealPlaces::default();
        for path in
            ["a/b/file", "link/b/file", "link/other", "link/broken", "link/b/..", "link/absent"]
        {
            let path = root.join(path);
            assert_eq!(places.real(&path), real(&path), "{path}");
            assert_eq!(places.real(&path), real(&path), "{path} again");
        }
    }

    #[test]
    fn changes_that_matter_are_told_from_what_builds_write() {
        let path = Utf8PathBuf::from;
        let scope = WatchScope {
            dirs: BTreeSet::new(),
            inputs: [path("/w/data.txt"), path("/w/made.h")].into(),
            outputs: [path("/w/made.h")].into(),
            target_dir: path("/w/target"),
        };
        let check = |name: &str, may_matter, is_input| {
            let path = Utf8Path::new(name);
            assert_eq!(
                (scope.may_matter(path), scope.is_input(path)),
                (may_matter, is_input),
                "{name}"
            );
        };
        check("/w/data.txt", true, true);
        check("/w/other.txt", true, false);
        check("/w/src/new.c", true, true);
        check("/w/Tender.toml", true, true);
        check("/w/made.h", true, false);
        check("/w/compile_commands.json", false, false);
        check("/w/target/debug/a.c", false, false);
    }
}
