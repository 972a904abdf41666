//! Whether a file is still the same as when an answer was cached.

use crate::sys::whole_file;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;

/// The state of a file or directory; `seen` is `None` if it did not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub path: Utf8PathBuf,
    seen: Option<SeenFile>,
}

/// Includes the change time, because programs can set the modification time. Times in seconds and
/// nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SeenFile {
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
    inode: u64,
}

impl Stamp {
    pub fn of(path: &Utf8Path) -> Self {
        let seen = std::fs::metadata(path).ok();
        let seen = seen.map(|found| SeenFile {
            size: found.size(),
            mtime: (found.mtime(), found.mtime_nsec()),
            ctime: (found.ctime(), found.ctime_nsec()),
            inode: found.ino(),
        });
        Self { path: path.to_owned(), seen }
    }

    pub fn holds(&self) -> bool {
        *self == Self::of(&self.path)
    }
}

/// Reads what `save` has written.
///
/// # Errors
/// The file is absent, not a regular file, larger than 16 MiB, or cannot be read.
pub(super) fn read_saved(path: &Utf8Path) -> std::io::Result<Vec<u8>> {
    whole_file::read(path.as_std_path(), 16 << 20)
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
