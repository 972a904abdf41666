//! The lock that allows one build at a time in a profile's directory. The kernel releases it when
//! its holder ends, so it is never stale.

use camino::Utf8Path;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// Held until dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// How often the lock is tried: the longest delay after the lock is free, or after the user has
/// interrupted the wait. Blocking in flock(2) is no alternative: our signal handlers restart system
/// calls, so a signal would not end the wait.
const POLL: Duration = Duration::from_millis(20);

impl DirectoryLock {
    /// Takes the lock of `state_dir`, and creates the directory if it is absent. While another
    /// build holds the lock, `waiting` is called about fifty times a second, the first time with
    /// `true`, so that it can report the wait. Returns `None` when `waiting` returns `false`.
    ///
    /// # Errors
    /// The directory or the lock file cannot be made.
    pub fn acquire(
        state_dir: &Utf8Path,
        mut waiting: impl FnMut(bool) -> bool,
    ) -> io::Result<Option<Self>> {
        let mut first = true;
        loop {
            if let Some(lock) = Self::try_acquire(state_dir)? {
                return Ok(Some(lock));
            }
            if !waiting(std::mem::replace(&mut first, false)) {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }

    fn try_acquire(state_dir: &Utf8Path) -> io::Result<Option<Self>> {
        std::fs::create_dir_all(state_dir)?;
        let path = state_dir.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
            // Some network file systems have no locks. Then the build runs without one.
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::NOLCK) => {}
            Err(error) => return Err(error.into()),
        }
        // `tender clean` may have removed the file that we have locked. Then another build may hold
        // the lock of a new one.
        let ours = file.metadata()?;
        let there = std::fs::metadata(&path);
        let same = there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
        Ok(same.then_some(Self { _file: file }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_has_one_holder() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap().join("debug/.tender");
        let held = DirectoryLock::acquire(&dir, |_| panic!("nobody holds it")).unwrap().unwrap();
        let mut calls = Vec::new();
        let refused = DirectoryLock::acquire(&dir, |first| {
            calls.push(first);
            calls.len() < 3
        });
        assert!(refused.unwrap().is_none());
        assert_eq!(calls, [true, false, false]);
        drop(held);
        assert!(DirectoryLock::acquire(&dir, |_| false).unwrap().is_some());
    }

    #[test]
    fn lock_goes_to_the_waiter_when_its_holder_ends() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let mut held = DirectoryLock::acquire(dir, |_| false).unwrap();
        let got = DirectoryLock::acquire(dir, |_| {
            held = None;
            true
        });
        assert!(got.unwrap().is_some());
    }

    #[test]
    fn lock_file_that_was_removed_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let _old = DirectoryLock::acquire(dir, |_| false).unwrap().unwrap();
        std::fs::remove_file(dir.join("lock")).unwrap();
        assert!(DirectoryLock::acquire(dir, |_| false).unwrap().is_some());
        assert!(dir.join("lock").exists());
    }
}
