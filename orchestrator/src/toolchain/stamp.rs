//! Whether a file is still the same as when an answer was cached.

use crate::sys::{looks, whole_file};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

/// The state of a file or directory; `seen` is `None` if it did not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub path: Utf8PathBuf,
    seen: Option<SeenFile>,
}

/// Includes the change time, because programs can set the modification time. Times in
/// nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SeenFile {
    size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    inode: u64,
}

impl Stamp {
    pub fn of(path: &Utf8Path) -> Self {
        let seen = looks::state(path.as_std_path());
        let seen = seen.map(|found| SeenFile {
            size: found.size,
            mtime_ns: found.mtime_ns,
            ctime_ns: found.ctime_ns,
            inode: found.inode,
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
    looks::doubt("an answer of a program is kept from now on");
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
