//! Writes output files under a temporary name beside the final one and renames them, so that no
//! half-written file has a final name.

use super::unfinished::Unfinished;
use crate::frontend::{hash_of, stamp};
use std::io::Write;
use std::path::{Path, PathBuf};
use tender_protocol::OutputFile;

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct WriteError {
    pub path: String,
    pub source: std::io::Error,
}

/// The temporary name of a file while it is written. It is always the same, so that the next build
/// overwrites what an interrupted build left. The lock of the target directory excludes a second
/// build at the same time.
pub fn partial(path: &str) -> PathBuf {
    PathBuf::from(format!("{path}.part"))
}

/// Writes `content` to `path`. The file appears complete or not at all.
///
/// # Errors
/// The file or its directory cannot be written.
pub fn write(path: &str, content: &[u8]) -> Result<OutputFile, WriteError> {
    write_by(path, |out| out.write_all(content))
}

/// Writes to `path` what `content` writes. The file appears complete or not at all.
///
/// # Errors
/// The file or its directory cannot be written, or `content` fails.
pub fn write_by(
    path: &str,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<OutputFile, WriteError> {
    let fail = |source| WriteError { path: path.to_owned(), source };
    let partial = partial(path);
    let (_unfinished, file) = Unfinished::begin(&[&partial], || create(&partial)).map_err(fail)?;
    let mut out = HashedFile { file, hasher: blake3::Hasher::new() };
    let written = content(&mut out).and_then(|()| std::fs::rename(&partial, path));
    if let Err(why) = written {
        // The half-written file does no harm, but on a full disk it takes space.
        let _ = std::fs::remove_file(&partial);
        return Err(fail(why));
    }
    let stamp = stamp(&out.file.metadata().map_err(fail)?);
    let hash = out.hasher.finalize().to_hex().to_string();
    Ok(OutputFile { path: path.to_owned(), stamp, hash })
}

/// A file whose content is hashed while it is written.
struct HashedFile {
    file: std::fs::File,
    hasher: blake3::Hasher,
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Gives a file that another program wrote as `partial(path)` its final name.
///
/// # Errors
/// The file cannot be read or renamed.
pub fn publish(path: &str) -> Result<OutputFile, WriteError> {
    let fail = |source| WriteError { path: path.to_owned(), source };
    let partial = partial(path);
    let hash = hash_of(&partial).map_err(fail)?;
    std::fs::rename(&partial, path).map_err(fail)?;
    let stamp = stamp(&std::fs::metadata(path).map_err(fail)?);
    Ok(OutputFile { path: path.to_owned(), stamp, hash: hash.to_hex().to_string() })
}

/// Removes files of which a link or an archive has been made, and their directory if nothing else is
/// in it. Nothing reads them again, so that one which cannot be removed does no harm.
pub fn remove_intermediate<'a>(paths: impl Iterator<Item = &'a str>) {
    let mut directory = None;
    for path in paths.map(Path::new) {
        let _ = std::fs::remove_file(path);
        directory = path.parent();
    }
    // Refused while it has other files.
    let _ = directory.map(std::fs::remove_dir);
}

/// Creates a file. Its directory rarely has to be created, so it is tried without first.
fn create(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::File::create(path).or_else(|error| match (error.kind(), path.parent()) {
        (std::io::ErrorKind::NotFound, Some(parent)) => {
            std::fs::create_dir_all(parent)?;
            std::fs::File::create(path)
        }
        _ => Err(error),
    })
}

/// Creates the directory of `path`.
///
/// # Errors
/// The directory cannot be created.
pub fn make_parent(path: &str) -> Result<(), WriteError> {
    match Path::new(path).parent() {
        Some(parent) => std::fs::create_dir_all(parent)
            .map_err(|source| WriteError { path: path.to_owned(), source }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llvm::{reset_thread_peak, thread_peak};

    #[test]
    fn file_appears_complete_in_a_new_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b c/x.o").to_str().unwrap().to_owned();
        let out = write(&path, b"abc").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
        assert_eq!(out.stamp.size, 3);
        assert!(!partial(&path).exists());
    }

    /// A large output takes no more memory than a buffer.
    #[test]
    fn publish_reads_the_file_through_a_buffer() {
        const SIZE: u64 = 256 << 20;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x").to_str().unwrap().to_owned();
        // A sparse file without data.
        std::fs::File::create(partial(&path)).unwrap().set_len(SIZE).unwrap();
        reset_thread_peak();
        let out = publish(&path).unwrap();
        let most = thread_peak();
        assert!(most < 1 << 20, "{most} bytes for one of {SIZE}");
        assert_eq!(out.stamp.size, SIZE);
    }

    #[test]
    fn file_write_error_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x").to_str().unwrap().to_owned();
        std::fs::create_dir(&path).unwrap();
        let error = write(&path, b"abc").unwrap_err().to_string();
        assert!(error.contains(&path), "{error}");
        assert!(!partial(&path).exists());
    }
}
