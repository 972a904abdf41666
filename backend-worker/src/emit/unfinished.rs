//! Tracks the files that we and our linkers are writing, so that they can be removed when the
//! process has to end.
//!
//! It is global, because signals and child processes concern the whole process.

use super::descendants;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The temporary names of files that are being written.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn lock() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While this value exists, `abandon` removes these files.
pub(super) struct Unfinished(Vec<PathBuf>);

impl Unfinished {
    /// Calls `start`, which creates the files or starts the program that writes them. It must be
    /// quick.
    ///
    /// # Errors
    /// Those of `start`.
    pub fn begin<T>(
        files: &[&Path],
        start: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<(Unfinished, T)> {
        // `start` runs under the lock, so that `abandon` misses no file or process.
        let mut unfinished = lock();
        let started = start()?;
        let files: Vec<PathBuf> = files.iter().map(|file| (*file).to_owned()).collect();
        unfinished.extend(files.iter().cloned());
        Ok((Unfinished(files), started))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut unfinished = lock();
        for file in &self.0 {
            unfinished.remove(file);
        }
    }
}

/// Kills all programs that this process has started, and removes half-written files. Afterwards
/// every thread that begins or finishes a file blocks: the caller has to end the process.
pub fn abandon() {
    let unfinished = lock();
    descendants::kill_all();
    unfinished.iter().for_each(|file| remove_unfinished(file));
    std::mem::forget(unfinished);
}

/// Removes an unfinished file. A killed linker leaves a temporary file beside it, whose name has a
/// random suffix.
pub(super) fn remove_unfinished(temporary: &Path) {
    let _ = std::fs::remove_file(temporary);
    let (Some(dir), Some(name)) = (temporary.parent(), temporary.file_name()) else { return };
    let start = [name.as_encoded_bytes(), b".tmp"].concat();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(&start) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_files_are_known_while_they_are_written() {
        let file = Path::new("/nowhere/unfinished.part");
        let (unfinished, value) = Unfinished::begin(&[file], || Ok(7)).unwrap();
        assert!(value == 7 && lock().contains(file));
        drop(unfinished);
        assert!(!lock().contains(file));
        assert!(
            Unfinished::begin(&[file], || Err::<(), _>(io::ErrorKind::NotFound.into())).is_err()
        );
        assert!(!lock().contains(file));
    }
}
