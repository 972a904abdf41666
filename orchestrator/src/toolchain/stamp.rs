//! Whether a file is still the one that a cached answer came from.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;

/// A file or directory as it was; `seen` is absent where there was none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub path: Utf8PathBuf,
    /// Size, modification time in seconds and nanoseconds, inode.
    seen: Option<(u64, i64, i64, u64)>,
}

impl Stamp {
    pub fn of(path: &Utf8Path) -> Self {
        let seen = std::fs::metadata(path).ok();
        let seen = seen.map(|found| (found.size(), found.mtime(), found.mtime_nsec(), found.ino()));
        Self { path: path.to_owned(), seen }
    }

    pub fn holds(&self) -> bool {
        *self == Self::of(&self.path)
    }
}

/// Writes a cached answer. A failure is no error: the next build asks again.
pub(super) fn save(path: &Utf8Path, value: &impl Serialize) {
    let write = || -> std::io::Result<()> {
        let dir = path.parent().ok_or_else(|| std::io::Error::other("no directory"))?;
        std::fs::create_dir_all(dir)?;
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        serde_json::to_writer(&mut file, value)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    let _ = write();
}
