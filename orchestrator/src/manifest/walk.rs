//! Finds the files that patterns name. Each directory is read once, however many patterns look into
//! it.

use super::pattern::Glob;
use crate::sys::looks::{self, PathKind};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Directories that have been read.
#[derive(Default)]
pub(super) struct Dirs {
    read: HashMap<PathBuf, Rc<Listing>>,
}

/// Sorted by name; empty if the directory cannot be read.
#[derive(Default)]
pub(super) struct Listing {
    pub entries: Vec<DirectoryEntry>,
    is_crate: bool,
}

pub(super) struct DirectoryEntry {
    name: OsString,
    pub kind: FileKind,
    /// Reached through a symbolic link.
    linked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    File,
    Directory,
    Other,
}

impl DirectoryEntry {
    /// None if the name is not UTF-8.
    pub fn name(&self) -> Option<&str> {
        self.name.to_str()
    }
}

/// What a walk came upon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WalkedPath {
    Path(Utf8PathBuf),
    /// A match whose path is not UTF-8, with what cannot be read replaced.
    NotUtf8(String),
}

impl WalkedPath {
    pub fn path(&self) -> &Utf8Path {
        match self {
            WalkedPath::Path(path) => path,
            WalkedPath::NotUtf8(path) => Utf8Path::new(path),
        }
    }
}

impl Dirs {
    pub fn list(&mut self, dir: &Path) -> Rc<Listing> {
        if let Some(listing) = self.read.get(dir) {
            return Rc::clone(listing);
        }
        let listing = Rc::new(read(dir));
        self.read.insert(dir.to_owned(), Rc::clone(&listing));
        listing
    }

    /// Everything of kind `wanted` that the glob matches, in order of path. Hidden names, `target`
    /// beside a manifest, and other crates' directories are passed by: a crate's wildcards mean its
    /// own files.
    pub fn find(&mut self, glob: &Glob, wanted: FileKind) -> Vec<WalkedPath> {
        let mut found = Vec::new();
        let mut state = GlobWalk { dirs: self, glob, wanted, found: &mut found, links: Vec::new() };
        state.visit(glob.base.as_std_path(), "", 1);
        found
    }
}

/// The paths, below `dir` and relative to it, of all files that wildcards see. Those that are not
/// UTF-8 are left out.
pub fn files_below(dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let found = Dirs::default().find(&Glob::everything_below(dir), FileKind::File);
    let path = |found: &WalkedPath| match found {
        WalkedPath::Path(path) => path.strip_prefix(dir).ok().map(Utf8Path::to_owned),
        WalkedPath::NotUtf8(_) => None,
    };
    found.iter().filter_map(path).collect()
}

struct GlobWalk<'a> {
    dirs: &'a mut Dirs,
    glob: &'a Glob,
    wanted: FileKind,
    found: &'a mut Vec<WalkedPath>,
    /// Device and inode of the linked directories that the walk is in, so that a link to above
    /// ends.
    links: Vec<(u64, u64)>,
}

impl GlobWalk<'_> {
    fn visit(&mut self, dir: &Path, below: &str, depth: usize) {
        let listing = self.dirs.list(dir);
        // The manifest of the crate whose glob this is lies in `base` or above, never below.
        if listing.is_crate && !below.is_empty() && self.wanted == FileKind::File {
            return;
        }
        for entry in &listing.entries {
            let name = entry.name.to_string_lossy();
            if name.starts_with('.') && !self.glob.hidden {
                continue;
            }
            let below = if below.is_empty() { name.to_string() } else { format!("{below}/{name}") };
            if entry.kind == self.wanted && self.glob.matches(&below) {
                self.found.push(match Utf8PathBuf::from_path_buf(dir.join(&entry.name)) {
                    Ok(path) => WalkedPath::Path(path),
                    Err(path) => WalkedPath::NotUtf8(path.to_string_lossy().into_owned()),
                });
            }
            let descend = entry.kind == FileKind::Directory
                && self.glob.depth.is_none_or(|limit| depth < limit)
                && !(listing.is_crate && name == "target");
            if !descend {
                continue;
            }
            let path = dir.join(&entry.name);
            if !entry.linked {
                self.visit(&path, &below, depth + 1);
            } else if let Some(id) = self.link_to_elsewhere(&path) {
                self.links.push(id);
                self.visit(&path, &below, depth + 1);
                self.links.pop();
            }
        }
    }

    /// None if the linked directory contains the link.
    fn link_to_elsewhere(&self, path: &Path) -> Option<(u64, u64)> {
        let id = identity(path)?;
        let above = path.ancestors().skip(1).any(|dir| identity(dir) == Some(id));
        (!above && !self.links.contains(&id)).then_some(id)
    }
}

/// Device and inode.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    looks::identity(path)
}

fn read(dir: &Path) -> Listing {
    let Ok(entries) = looks::read_dir(dir) else { return Listing::default() };
    let mut listing = Listing::default();
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let linked = kind.is_symlink();
        let kind = if linked {
            // A dangling link is nothing that could be read.
            match looks::kind(entry.path()) {
                PathKind::Absent => continue,
                PathKind::File | PathKind::Program => FileKind::File,
                PathKind::Directory => FileKind::Directory,
                PathKind::Other => FileKind::Other,
            }
        } else {
            match kind {
                kind if kind.is_file() => FileKind::File,
                kind if kind.is_dir() => FileKind::Directory,
                _ => FileKind::Other,
            }
        };
        let name = entry.file_name();
        listing.is_crate |= kind == FileKind::File && name == OsStr::new(super::MANIFEST_NAME);
        listing.entries.push(DirectoryEntry { name, kind, linked });
    }
    listing.entries.sort_by(|a, b| a.name.cmp(&b.name));
    listing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::pattern::{Pattern, PatternKind};

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        dir
    }

    fn find(dir: &Path, pattern: &str) -> Vec<String> {
        let dir = Utf8Path::from_path(dir).unwrap();
        let PatternKind::Glob(glob) = Pattern::parse(dir, pattern).unwrap().place else {
            panic!("no glob")
        };
        let found = Dirs::default().find(&glob, FileKind::File);
        let mut names: Vec<String> = found
            .iter()
            .map(|found| found.path().strip_prefix(dir).unwrap_or(found.path()).to_string())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn walk_finds_own_files_only() {
        let dir = tree(&[
            "Tender.toml",
            "a.c",
            "src/b.c",
            "src/target/c.c",
            "src/.hidden.c",
            ".git/d.c",
            "target/e.c",
            "sub/Tender.toml",
            "sub/f.c",
        ]);
        let check =
            |pattern, expect: &[&str]| assert_eq!(find(dir.path(), pattern), expect, "{pattern}");
        check("**/*.c", &["a.c", "src/b.c", "src/target/c.c"]);
        check("*/*.c", &["src/b.c"]);
        check("src/.*.c", &["src/.hidden.c"]);
        check("target/*.c", &["target/e.c"]);
        check("sub/*.c", &["sub/f.c"]);
        check("none/**", &[]);
    }

    #[test]
    fn walk_follows_links_but_not_in_circles() {
        let dir = tree(&["src/a.c", "other/b.c"]);
        std::os::unix::fs::symlink("..", dir.path().join("src/up")).unwrap();
        std::os::unix::fs::symlink("../other", dir.path().join("src/other")).unwrap();
        std::os::unix::fs::symlink("a.c", dir.path().join("src/link.c")).unwrap();
        std::os::unix::fs::symlink("nowhere.c", dir.path().join("src/dangling.c")).unwrap();
        assert_eq!(find(dir.path(), "src/**/*.c"), ["src/a.c", "src/link.c", "src/other/b.c"]);
    }

    #[test]
    fn walk_reports_names_that_are_not_utf8() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tree(&[]);
        std::fs::write(dir.path().join(OsStr::from_bytes(b"a\xff.c")), "").unwrap();
        assert_eq!(find(dir.path(), "*.c"), ["a\u{fffd}.c"]);
    }
}
