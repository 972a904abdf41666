//! Writes the entries of an archive into a new directory, and nothing outside of it. Who has made the
//! archive may mean ill: paths lead upwards, links elsewhere, and little data becomes much.
//!
//! Links are made when all files are written, so no file is written through one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("it is no archive of a known kind: tar, tar.gz, tar.xz, tar.zst or zip")]
    Kind,
    #[error("it is damaged: {0}")]
    Damaged(io::Error),
    #[error("`{0}` would be written outside of its directory")]
    Path(String),
    #[error("the link `{path}` leads out of the sources, to `{target}`")]
    Link { path: String, target: String },
    #[error("`{0}` is neither a file nor a directory nor a link")]
    Special(String),
    #[error("it becomes more than {0} bytes, which is too much for its size")]
    Large(u64),
    #[error("it has no directory `{0}`")]
    Prefix(String),
    #[error("`{0}` is encrypted, or compressed in a way that is not known")]
    Method(String),
    #[error("cannot write `{path}`: {source}")]
    Write { path: String, source: io::Error },
}

/// Which directory of an archive has the sources.
#[derive(Clone, Copy, Debug)]
pub(super) enum StripPrefix<'a> {
    /// All of it.
    Nothing,
    /// The only one at its top, if there is nothing else there.
    Only,
    This(&'a str),
}

#[derive(Debug)]
pub(super) struct TreeWriter {
    dir: PathBuf,
    /// Of entries to come, below `dir`.
    below: PathBuf,
    /// What links point to, by their paths below `dir`.
    links: BTreeMap<PathBuf, PathBuf>,
    most: u64,
    written: u64,
}

impl TreeWriter {
    /// Into `dir`, which is empty; at most so many bytes.
    pub fn new(dir: &Path, most: u64) -> TreeWriter {
        let (links, below) = (BTreeMap::new(), PathBuf::new());
        TreeWriter { dir: dir.to_owned(), below, links, most, written: 0 }
    }

    /// Entries to come are below this directory.
    pub fn enter(&mut self, below: &Path) {
        self.below = below.to_owned();
    }

    /// The most bytes that are written.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// # Errors
    /// The path leads elsewhere.
    pub fn directory(&mut self, path: &Path) -> Result<(), UnpackError> {
        let path = self.dir.join(self.place(path)?);
        fs::create_dir_all(&path).map_err(|source| cannot_write(&path, source))
    }

    /// # Errors
    /// The path leads elsewhere, the content cannot be read, or is too large.
    pub fn file(
        &mut self,
        path: &Path,
        is_executable: bool,
        content: &mut dyn Read,
    ) -> Result<(), UnpackError> {
        let place = self.place(path)?;
        if place.as_os_str().is_empty() {
            return Err(UnpackError::Path(shown(path)));
        }
        self.links.remove(&place);
        let path = self.dir.join(place);
        let cannot = |source| cannot_write(&path, source);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).map_err(cannot)?;
        }
        // Of an entry that is there twice, the last counts.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
        let mut file = File::create_new(&path).map_err(cannot)?;
        let left = self.most - self.written;
        let length = copy(content, &mut file, left, &path)?;
        if length > left {
            return Err(UnpackError::Large(self.most));
        }
        self.written += length;
        let mode = if is_executable { 0o755 } else { 0o644 };
        file.set_permissions(Permissions::from_mode(mode)).map_err(cannot)
    }

    /// # Errors
    /// The path leads elsewhere. Where the link leads is looked at in the end.
    pub fn link(&mut self, path: &Path, target: &Path) -> Result<(), UnpackError> {
        let place = self.place(path)?;
        let _ = fs::remove_file(self.dir.join(&place));
        self.links.insert(place, target.to_owned());
        Ok(())
    }

    /// Another name for what came before: a copy.
    ///
    /// # Errors
    /// A path leads elsewhere, or there is no such file.
    pub fn same(&mut self, path: &Path, as_path: &Path) -> Result<(), UnpackError> {
        let (from, shown_path) = (self.place(as_path)?, shown(as_path));
        if let Some(target) = self.links.get(&from).cloned() {
            return self.link(path, &target);
        }
        let from = self.dir.join(from);
        let missing = |_| UnpackError::Path(shown_path.clone());
        let mode = fs::symlink_metadata(&from).map_err(missing)?.permissions().mode();
        let mut content = File::open(&from).map_err(missing)?;
        self.file(path, mode & 0o100 != 0, &mut content)
    }

    /// Makes the links of the part that has the sources, and returns its directory.
    ///
    /// # Errors
    /// A link leads out of it, or there is no such part.
    pub fn finish(self, prefix: StripPrefix<'_>) -> Result<PathBuf, UnpackError> {
        let root = self.root(prefix)?;
        for (path, target) in &self.links {
            let full = self.dir.join(path);
            let Ok(below) = full.strip_prefix(&root) else { continue };
            let leaves = || UnpackError::Link { path: shown(path), target: shown(target) };
            if !stays(below, target) {
                return Err(leaves());
            }
            if let Some(above) = full.parent() {
                // A file, or a link, may be in its place.
                fs::create_dir_all(above).map_err(|source| cannot_write(&full, source))?;
            }
            symlink(target, &full).map_err(|source| cannot_write(&full, source))?;
        }
        Ok(root)
    }

    fn root(&self, prefix: StripPrefix<'_>) -> Result<PathBuf, UnpackError> {
        match prefix {
            StripPrefix::Nothing => Ok(self.dir.clone()),
            StripPrefix::This(text) => {
                let root = self.dir.join(plain(Path::new(text))?);
                match root.is_dir() {
                    true => Ok(root),
                    false => Err(UnpackError::Prefix(text.to_owned())),
                }
            }
            StripPrefix::Only => {
                let cannot = |source| cannot_write(&self.dir, source);
                let entries: Result<Vec<_>, _> = fs::read_dir(&self.dir).map_err(cannot)?.collect();
                let entries = entries.map_err(cannot)?;
                let has_link = self.links.keys().any(|path| path.components().count() == 1);
                match &entries[..] {
                    [one] if one.path().is_dir() && !has_link => Ok(one.path()),
                    _ => Ok(self.dir.clone()),
                }
            }
        }
    }

    fn place(&self, path: &Path) -> Result<PathBuf, UnpackError> {
        Ok(self.below.join(plain(path)?))
    }
}

/// The path without `.`.
fn plain(path: &Path) -> Result<PathBuf, UnpackError> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            _ => return Err(UnpackError::Path(shown(path))),
        }
    }
    Ok(plain)
}

/// Whether a link at this path, below the sources, leads to a place below them, by its text.
pub(super) fn stays(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    !target.as_os_str().is_empty()
}

/// Copies at most one byte more than `most`, and returns how many.
fn copy(from: &mut dyn Read, to: &mut File, most: u64, path: &Path) -> Result<u64, UnpackError> {
    let mut from = from.take(most.saturating_add(1));
    let (mut buffer, mut count) = ([0; 1 << 14], 0);
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return Ok(count),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(error)),
        };
        io::Write::write_all(to, &buffer[..length]).map_err(|source| cannot_write(path, source))?;
        count += length as u64;
    }
}

/// The error of a reader that may have a limit.
pub(super) fn damaged(error: io::Error) -> UnpackError {
    match error.downcast::<UnpackError>() {
        Ok(known) => known,
        Err(error) => UnpackError::Damaged(error),
    }
}

fn cannot_write(path: &Path, source: io::Error) -> UnpackError {
    UnpackError::Write { path: shown(path), source }
}

pub(super) fn shown(path: impl AsRef<OsStr>) -> String {
    path.as_ref().to_string_lossy().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Entries {
        _dir: tempfile::TempDir,
        writer: TreeWriter,
    }

    fn entries() -> Entries {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        fs::create_dir(&out).unwrap();
        let writer = TreeWriter::new(&out, 100);
        Entries { _dir: dir, writer }
    }

    impl Entries {
        fn file(&mut self, path: &str, content: &str) -> Result<(), UnpackError> {
            self.writer.file(Path::new(path), false, &mut content.as_bytes())
        }

        fn link(&mut self, path: &str, target: &str) {
            self.writer.link(Path::new(path), Path::new(target)).unwrap();
        }
    }

    #[test]
    fn entries_stay_in_their_directory() {
        let mut all = entries();
        for path in ["../x", "/x", "a/../../x", "a/..", "", "."] {
            assert!(matches!(all.file(path, ""), Err(UnpackError::Path(_))), "{path}");
            let copied = all.writer.same(Path::new("y"), Path::new(path));
            assert!(copied.is_err(), "{path}");
        }
        all.file("./a//b", "1").unwrap();
        all.file("a/b", "2").unwrap();
        all.writer.same(Path::new("c"), Path::new("a/b")).unwrap();
        let root = all.writer.finish(StripPrefix::Nothing).unwrap();
        assert_eq!(fs::read_to_string(root.join("c")).unwrap(), "2");
    }

    #[test]
    fn links_are_not_written_through() {
        let mut all = entries();
        all.link("a", "..");
        all.file("a/b", "1").unwrap();
        // The directory is there already.
        assert!(all.writer.finish(StripPrefix::Nothing).is_err());
        let mut all = entries();
        all.link("a", "/etc/passwd");
        all.file("a", "1").unwrap();
        let root = all.writer.finish(StripPrefix::Nothing).unwrap();
        assert_eq!(fs::read_to_string(root.join("a")).unwrap(), "1");
    }

    #[test]
    fn links_stay_in_the_sources() {
        let check = |path: &str, target: &str, expect: bool| {
            assert_eq!(stays(Path::new(path), Path::new(target)), expect, "{path} {target}");
        };
        check("a", "b", true);
        check("a", "./b/../c", true);
        check("d/a", "../b", true);
        check("a", "../b", false);
        check("d/a", "../../b", false);
        check("a", "/b", false);
        check("a", "", false);
        // Of what is stripped away it does not matter.
        let mut all = entries();
        all.link("x/a", "../../../b");
        all.file("y/c", "").unwrap();
        all.link("y/d", "c");
        let root = all.writer.finish(StripPrefix::This("y")).unwrap();
        assert!(root.join("d").is_file());
    }

    #[test]
    fn sources_are_in_the_only_directory() {
        let mut all = entries();
        all.file("x-1/a", "").unwrap();
        assert!(all.writer.finish(StripPrefix::Only).unwrap().ends_with("x-1"));
        let mut all = entries();
        all.file("x-1/a", "").unwrap();
        all.file("b", "").unwrap();
        assert!(all.writer.finish(StripPrefix::Only).unwrap().ends_with("out"));
        let mut all = entries();
        all.file("x-1/a", "").unwrap();
        let error = all.writer.finish(StripPrefix::This("x-2")).unwrap_err();
        assert_eq!(error.to_string(), "it has no directory `x-2`");
    }

    #[test]
    fn entries_have_a_limit_together() {
        let mut all = entries();
        all.file("a", &"x".repeat(60)).unwrap();
        all.file("b", &"x".repeat(40)).unwrap();
        assert!(matches!(all.file("c", "x"), Err(UnpackError::Large(100))));
    }
}
