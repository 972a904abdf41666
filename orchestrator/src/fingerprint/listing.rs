//! Finds out cheaply that names are not in a directory. Knows no records.
//!
//! A unit with a hundred headers has looked for most of them in several directories where they are
//! not, and must be rebuilt if one appears there. stat(2) takes about a microsecond, and reading a
//! directory of headers ten times as long. So a directory with more look-ups than that is read
//! once, and most look-ups need no system call. Nothing is kept from build to build, so nothing can
//! be stale.

use crate::sys::looks::{self, FileState};
use camino::Utf8Path;
use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::OwnedFd;

/// After this many look-ups in a directory, the next one reads it.
const PATIENCE: u32 = 6;

/// Larger directories are not read to the end: single look-ups are cheaper.
const LARGE: usize = 2000;

#[derive(Debug, Default)]
pub(super) struct Listings {
    directories: HashMap<Box<str>, Directory>,
    /// Hashes of directory and name. A collision does no harm: a name whose hash is found is looked
    /// up.
    names: HashSet<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Directory {
    /// So many look-ups were made.
    Unread(u32),
    Absent,
    /// All its names are in `names`.
    Read,
    /// It cannot be read, or is too large.
    Opaque,
}

impl Listings {
    pub fn clear(&mut self) {
        self.directories.clear();
        self.names.clear();
    }

    /// Whether `path`, relative to `root`, which is open, or absolute, is known not to exist. `false`: it may
    /// exist.
    pub fn rule_out(&mut self, root: (&OwnedFd, &Utf8Path), path: &str) -> bool {
        let Some((directory, name)) = path.rsplit_once('/') else { return false };
        if directory.is_empty() || matches!(name, "" | "." | "..") {
            return false;
        }
        if !self.directories.contains_key(directory) {
            self.directories.insert(directory.into(), Directory::Unread(0));
        }
        let state = self.directories.get_mut(directory).expect("just inserted");
        if let Directory::Unread(asked) = state {
            *asked += 1;
            if *asked <= PATIENCE {
                return false;
            }
            *state = read(root, directory, &mut self.names);
        }
        match state {
            Directory::Absent => true,
            Directory::Read => !self.names.contains(&hash(directory, name.as_bytes())),
            Directory::Opaque | Directory::Unread(_) => false,
        }
    }
}

fn read(
    (root, root_path): (&OwnedFd, &Utf8Path),
    directory: &str,
    names: &mut HashSet<u64>,
) -> Directory {
    let read_ns = looks::now_ns();

    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(root, directory, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::NOTDIR) => {
            // Its parent may be a file.
            looks::kind(root_path.join(directory));
            return Directory::Absent;
        }
        Err(_) => return Directory::Opaque,
    };
    let opened = std::fs::File::from(opened);
    let state = opened.metadata().ok().map(|found| FileState::of(&found));
    let Ok(mut entries) = Dir::new(opened) else { return Directory::Opaque };
    let mut count = 0;
    while let Some(entry) = entries.read() {
        let Ok(entry) = entry else { return Directory::Opaque };
        count += 1;
        if count > LARGE {
            return Directory::Opaque;
        }
        names.insert(hash(directory, entry.file_name().to_bytes()));
    }
    match state {
        Some(_) => {
            looks::saw_names(root_path.join(directory).as_std_path(), state, read_ns);
        }
        None => looks::doubt(format!("`{directory}` cannot be read")),
    }
    Directory::Read
}

/// Ignores case, because some file systems do. On others, a name that differs in case is looked up.
fn hash(directory: &str, name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    directory.hash(&mut hasher);
    name.iter().for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase()));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes so many look-ups that directories are read.
    fn check(make: impl Fn(&std::path::Path), path: &str, expect: bool) {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        let root = std::fs::File::open(dir.path()).unwrap().into();
        let root = (&root, Utf8Path::from_path(dir.path()).unwrap());
        let mut listings = Listings::default();
        for _ in 0..PATIENCE {
            assert!(!listings.rule_out(root, path), "{path} is ruled out before anything is known");
        }
        assert_eq!(listings.rule_out(root, path), expect, "{path}");
    }

    #[test]
    fn listing_rules_out_only_what_is_certainly_absent() {
        let make = |dir: &std::path::Path| {
            std::fs::create_dir(dir.join("inc")).unwrap();
            std::fs::write(dir.join("inc/There.h"), "").unwrap();
            std::os::unix::fs::symlink("nowhere", dir.join("inc/dangling.h")).unwrap();
        };
        check(make, "inc/gone.h", true);
        check(make, "absent/gone.h", true);
        check(make, "inc/There.h/below.h", true);
        check(make, "inc/There.h", false);
        check(make, "inc/there.h", false);
        check(make, "inc/dangling.h", false);
        check(make, "inc/..", false);
        check(make, "gone.h", false);
        check(make, "/gone.h", false);
    }

    #[test]
    fn listing_does_not_read_large_directories() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..=LARGE {
            std::fs::write(dir.path().join(format!("{number}")), "").unwrap();
        }
        let root = std::fs::File::open("/").unwrap().into();
        let root = (&root, Utf8Path::new("/"));
        let mut listings = Listings::default();
        let path = format!("{}/gone.h", dir.path().display());
        assert!((0..20).all(|_| !listings.rule_out(root, &path)));
    }
}
