//! What is done to a tree of sources when it is complete: links are looked at, modes and times are
//! made the same everywhere, and the digest is taken.

use super::unpack::{UnpackError, shown};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The time of all files, seconds since 1970: the first day of 1980. Some tools take 0 for no time.
const TIME: u64 = 315_532_800;

/// Looks at the links of a tree, sets modes and times, and returns the digest: of names, kinds,
/// contents, links and permission to execute. Files are read-only from then on: edits would be lost when
/// they are made again.
///
/// # Errors
/// A link leads out of the tree, a file is of another kind, or cannot be read or changed.
pub(super) fn finish(root: &Path) -> Result<blake3::Hash, UnpackError> {
    let real = fs::canonicalize(root).map_err(|source| cannot(root, source))?;
    each(root, &mut |path, below, meta| {
        let error = |source| cannot(path, source);
        if meta.is_symlink() {
            let target = fs::read_link(path).map_err(error)?;
            return match leads_out(path, &real) {
                true => Err(UnpackError::Link { path: shown(below), target: shown(target) }),
                false => Ok(()),
            };
        }
        if meta.is_dir() {
            return fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(error);
        }
        let is_executable = meta.permissions().mode() & 0o100 != 0;
        let bits = if is_executable { 0o555 } else { 0o444 };
        fs::set_permissions(path, Permissions::from_mode(0o644)).map_err(error)?;
        let file = File::options().write(true).open(path).map_err(error)?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(TIME);
        file.set_modified(time).map_err(error)?;
        file.set_permissions(Permissions::from_mode(bits)).map_err(error)
    })?;
    digest(root)
}

/// The digest of a tree as it is.
///
/// # Errors
/// A file is of another kind, or cannot be read.
pub(super) fn digest(root: &Path) -> Result<blake3::Hash, UnpackError> {
    let mut hasher = blake3::Hasher::new();
    each(root, &mut |path, below, meta| {
        let error = |source| cannot(path, source);
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        if meta.is_dir() {
            return Ok(());
        }
        part(below.as_os_str().as_bytes());
        if meta.is_symlink() {
            part(b"link");
            part(fs::read_link(path).map_err(error)?.as_os_str().as_bytes());
            return Ok(());
        }
        let is_executable = meta.permissions().mode() & 0o100 != 0;
        part(if is_executable { b"program" } else { b"file" });
        hasher.update(&meta.len().to_le_bytes());
        let mut file = File::open(path).map_err(error)?;
        io::copy(&mut file, &mut hasher).map(drop).map_err(error)
    })?;
    Ok(hasher.finalize())
}

/// Whether the link at this path leads out of `real`, which has no links in it. A link to nothing
/// leads where the last directory is that is there.
fn leads_out(path: &Path, real: &Path) -> bool {
    let Ok(target) = fs::read_link(path) else { return true };
    let mut way = path.parent().unwrap_or(Path::new("/")).join(target);
    loop {
        match fs::canonicalize(&way) {
            Ok(found) => return !found.starts_with(real),
            Err(_) if way.pop() => {}
            Err(_) => return true,
        }
    }
}

type VisitEntry<'a> = dyn FnMut(&Path, &Path, &fs::Metadata) -> Result<(), UnpackError> + 'a;

/// Calls for each entry, by the bytes of its path below `root`.
fn each(root: &Path, visit: &mut VisitEntry<'_>) -> Result<(), UnpackError> {
    let mut waiting = vec![PathBuf::new()];
    let mut found = Vec::new();
    while let Some(below) = waiting.pop() {
        let dir = root.join(&below);
        for entry in fs::read_dir(&dir).map_err(|source| cannot(&dir, source))? {
            let entry = entry.map_err(|source| cannot(&dir, source))?;
            let below = below.join(entry.file_name());
            let kind = entry.file_type().map_err(|source| cannot(&dir, source))?;
            if kind.is_dir() {
                waiting.push(below.clone());
            } else if !kind.is_file() && !kind.is_symlink() {
                return Err(UnpackError::Special(shown(&below)));
            }
            found.push(below);
        }
    }
    found.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    for below in found {
        let path = root.join(&below);
        let meta = fs::symlink_metadata(&path).map_err(|source| cannot(&path, source))?;
        visit(&path, &below, &meta)?;
    }
    Ok(())
}

fn cannot(path: &Path, source: io::Error) -> UnpackError {
    UnpackError::Write { path: shown(path), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        dir
    }

    #[test]
    fn tree_digest_is_of_names_contents_and_modes() {
        let of = |files: &[(&str, &str)]| digest(tree(files).path()).unwrap();
        let files = [("a/b", "1"), ("a-", "2")];
        let first = of(&files);
        assert_eq!(first, of(&[files[1], files[0]]));
        assert_ne!(first, of(&[("a/b", "2"), ("a-", "1")]));
        assert_ne!(first, of(&[("a/c", "1"), ("a-", "2")]));
        assert_ne!(of(&[("a", "b1")]), of(&[("ab", "1")]));
        let dir = tree(&files);
        finish(dir.path()).unwrap();
        assert_eq!(digest(dir.path()).unwrap(), first);
        fs::set_permissions(dir.path().join("a-"), Permissions::from_mode(0o700)).unwrap();
        assert_ne!(finish(dir.path()).unwrap(), first);
        let mode = fs::metadata(dir.path().join("a-")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o555);
    }

    #[test]
    fn tree_has_no_links_out_of_it() {
        let check = |links: &[(&str, &str)], expect: bool| {
            let dir = tree(&[("t/d/e/x", ""), ("y", "")]);
            for (path, target) in links {
                symlink(target, dir.path().join("t").join(path)).unwrap();
            }
            let found = finish(&dir.path().join("t"));
            assert_eq!(found.is_ok(), expect, "{links:?}");
        };
        check(&[("a", "d/e"), ("b", "a/../e/x"), ("c", "nothing")], true);
        check(&[("a", "../y")], false);
        // By its text it stays.
        check(&[("a", "d"), ("d/up", ".."), ("b", "d/up/../y")], false);
        check(&[("a", "d"), ("d/up", ".."), ("b", "d/up/../nothing")], false);
    }
}
