//! What all workspaces of a user share: archives by their checksums, and git repositories. What is
//! there under its name is complete. Locks are the kernel's, so that none is left by who is killed.

use super::error::SourceError;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;

#[derive(Clone, Debug)]
pub struct SourceCache {
    /// None: nobody says where it is.
    dir: Option<Utf8PathBuf>,
}

impl SourceCache {
    /// In this directory, which need not be there.
    pub fn new(dir: Option<Utf8PathBuf>) -> SourceCache {
        SourceCache { dir }
    }

    /// # Errors
    /// There is no directory.
    pub fn archive(&self, sha256: &str) -> Result<Utf8PathBuf, SourceError> {
        Ok(self.dir()?.join("archives").join(sha256))
    }

    /// Of the repository at this address.
    ///
    /// # Errors
    /// There is no directory.
    pub fn repository(&self, stem: &str, url: &str) -> Result<Utf8PathBuf, SourceError> {
        let hash = blake3::hash(url.as_bytes()).to_hex();
        Ok(self.dir()?.join("git").join(format!("{stem}-{}", &hash[..16])))
    }

    fn dir(&self) -> Result<&Utf8Path, SourceError> {
        self.dir.as_deref().ok_or(SourceError::NoCache)
    }
}

/// A file that is open for writing and that no other process has locked.
#[derive(Debug)]
pub(super) struct LockedFile {
    pub file: File,
}

impl LockedFile {
    /// A file that is there, and that no process has locked.
    pub fn try_open(path: &Utf8Path) -> Option<LockedFile> {
        let file = File::options().read(true).write(true).open(path).ok()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        is_at(&file, path).ok()?.then_some(LockedFile { file })
    }

    /// Makes the file if it is not there, and waits for whoever has it; `waiting` is called before.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(path: &Utf8Path, waiting: &mut dyn FnMut()) -> io::Result<LockedFile> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        loop {
            let file =
                File::options().create(true).truncate(false).read(true).write(true).open(path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    waiting();
                    while let Err(Errno::INTR) = flock(&file, FlockOperation::LockExclusive) {}
                }
                // Some network file systems have no locks.
                Err(_) => {}
            }
            // It may have been renamed or removed meanwhile.
            if is_at(&file, path)? {
                return Ok(LockedFile { file });
            }
            // The one who had it has made what it stands for, or has failed.
        }
    }
}

/// Whether the path still leads to the file.
fn is_at(file: &File, path: &Utf8Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    let there = fs::metadata(path);
    Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_file_has_one_owner_and_may_be_renamed() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("a/x.part");
        let first = LockedFile::open(&path, &mut || panic!("nobody has it")).unwrap();
        let second = std::thread::spawn({
            let path = path.clone();
            move || {
                let mut waited = false;
                let file = LockedFile::open(&path, &mut || waited = true).unwrap();
                (waited, file.file.metadata().unwrap().ino())
            }
        });
        fs::rename(&path, path.with_extension("done")).unwrap();
        let old = first.file.metadata().unwrap().ino();
        drop(first);
        assert_ne!(second.join().unwrap().1, old);
        assert!(path.exists());
    }
}
