//! Copies of all sources in the workspace: a directory for each, and a lock file that says what they are
//! copies of. Where that is there, builds take sources from nowhere else.

use super::error::SourceError;
use super::tree;
use crate::manifest::{LOCK_NAME, LockFile, LockedSource};
use crate::sys::whole_file;
use camino::{Utf8Path, Utf8PathBuf};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Beside the root manifest.
pub const VENDOR_DIR: &str = "vendor";
/// Of a lock file, bytes.
const LARGEST_LOCK: u64 = 16 << 20;

/// What the copies are of; None: there are none.
///
/// # Errors
/// The lock file beside them is wrong.
pub(super) fn read(root: &Utf8Path) -> Result<Option<LockFile>, SourceError> {
    let path = root.join(VENDOR_DIR).join(LOCK_NAME);
    match whole_file::read(path.as_std_path(), LARGEST_LOCK) {
        Ok(bytes) => LockFile::parse(&String::from_utf8_lossy(&bytes))
            .map(Some)
            .map_err(|why| SourceError::Lock { path, why }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SourceError::Read { path, source }),
    }
}

/// The directory of a copy.
pub(super) fn place(root: &Utf8Path, source: &LockedSource) -> Utf8PathBuf {
    // No other source has this crate.
    let name = source.crates.first().map_or("", String::as_str);
    root.join(VENDOR_DIR).join(name)
}

/// Makes all copies anew. `sources`: each with the directory that it is in now.
///
/// # Errors
/// They cannot be written, or something else is in their place.
pub(super) fn write(
    root: &Utf8Path,
    sources: &[(LockedSource, Utf8PathBuf)],
) -> Result<(), SourceError> {
    let dir = root.join(VENDOR_DIR);
    let cannot = |source| SourceError::Write { path: dir.clone(), source };
    let is_empty = |dir: &Utf8Path| dir.read_dir_utf8().is_ok_and(|mut all| all.next().is_none());
    let is_there = dir.symlink_metadata().is_ok();
    if is_there && read(root)?.is_none() && !is_empty(&dir) {
        return Err(SourceError::NotVendored { path: dir });
    }
    let new = tempfile::Builder::new().prefix(".vendor-").tempdir_in(root).map_err(cannot)?;
    let (made, old) = (new.path().join("new"), new.path().join("old"));
    fs::create_dir(&made).map_err(cannot)?;
    for (source, from) in sources {
        let to = place(Utf8Path::new("/"), source);
        let name = to.file_name().unwrap_or_default();
        copy(from.as_std_path(), &made.join(name)).map_err(cannot)?;
    }
    let lock = LockFile { sources: sources.iter().map(|(source, _)| source.clone()).collect() };
    fs::write(made.join(LOCK_NAME), lock.text()).map_err(cannot)?;
    if is_there {
        fs::rename(&dir, old).map_err(cannot)?;
    }
    fs::rename(&made, &dir).map_err(cannot)
}

/// Whether the copy of a source is what the lock file says.
///
/// # Errors
/// It cannot be read.
pub(super) fn is_whole(dir: &Utf8Path, source: &LockedSource) -> Result<bool, SourceError> {
    let digest = tree::digest(dir.as_std_path())
        .map_err(|why| SourceError::Unpack { what: dir.to_string(), why })?;
    Ok(crate::manifest::digest_text(&digest) == source.tree)
}

/// Copies a tree whose files are read-only, so that its copy is not.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&path, &place)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path)?, place)?;
        } else {
            fs::copy(&path, &place)?;
            let mode = fs::metadata(&path)?.permissions().mode();
            let mode = if mode & 0o100 != 0 { 0o755 } else { 0o644 };
            fs::set_permissions(&place, Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}
