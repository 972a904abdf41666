//! What is being made right now, by us and by linkers, so that nothing of it is left where the
//! process is told to end.
//!
//! Of the process as a whole, as its signals and its children are.

use super::children;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names that files have while they are written.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn lock() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as this is, these files are removed if the process is told to end.
pub(super) struct Unfinished(Vec<PathBuf>);

impl Unfinished {
    /// `start` makes the files, or starts the program that does, and must be short.
    pub fn begin<T>(
        files: &[&Path],
        start: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<(Unfinished, T)> {
        // Started while it is locked, so that nothing comes into being behind the back of
        // `abandon`.
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

/// Ends all programs that this process has started, and removes what they and we have half-written.
/// Nothing is begun or finished after it: whoever tries waits for the end of the process, which has
/// to follow.
pub fn abandon() {
    let unfinished = lock();
    children::end();
    unfinished.iter().for_each(|file| remove_left(file));
    std::mem::forget(unfinished);
}

/// Removes a file that is not finished. A linker that is killed leaves its own temporary file
/// beside it, which has a random end to the name.
pub(super) fn remove_left(temporary: &Path) {
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
    fn files_are_known_while_they_are_written() {
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
