//! Copies a directory tree.

use std::io;
use std::path::Path;

/// Copies the files under `from` to `to`, except entries whose name `skip` accepts. Links are
/// followed.
///
/// # Errors
/// A file cannot be read or written.
pub fn tree(from: &Path, to: &Path, skip: &dyn Fn(&str) -> bool) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(skip) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            tree(&entry.path(), &target, skip)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
