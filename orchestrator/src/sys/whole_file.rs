//! Reads regular files of a bounded size. Other files are refused: reading a pipe could wait for
//! ever, and a device may have no end. Knows no formats.

use super::looks::{self, FileState};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use tender_units::Bytes;

/// The whole content.
///
/// # Errors
/// It cannot be read, is not a regular file, or has more than `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // O_NONBLOCK: without it, opening a FIFO waits for its writer. It has no effect on a regular
    // file.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let read_ns = looks::now_ns();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = opened.inspect_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => looks::saw_state(path, None),
        _ => looks::doubt(format!("`{}` cannot be read", path.display())),
    })?;
    looks::saw_content(path, Some(FileState::of(&metadata)), read_ns);
    if metadata.is_dir() {
        return Err(rustix::io::Errno::ISDIR.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let too_large = || {
        io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {}", Bytes(most)))
    };
    if metadata.len() > most {
        return Err(too_large());
    }
    let mut content = Vec::with_capacity(metadata.len() as usize);
    // The file may grow while it is read.
    file.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(too_large());
    }
    looks::saw_bytes(path, &content);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("file"), vec![7; 3 << 20]).unwrap();
        assert_eq!(read(&path("file"), 3 << 20).unwrap().len(), 3 << 20);
        let why = |name: &str, most: u64| read(&path(name), most).unwrap_err();
        assert_eq!(why("file", 2 << 20).to_string(), "it is larger than 2 MiB");
        assert_eq!(why("absent", 9).kind(), io::ErrorKind::NotFound);
        assert_eq!(why("", 9).kind(), io::ErrorKind::IsADirectory);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(why("pipe", 9).to_string(), "it is not a regular file");
        std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
        assert_eq!(why("zero", 9).to_string(), "it is not a regular file");
        // A file whose reported size is 0, as in /proc.
        assert!(!read(Path::new("/proc/self/stat"), 1 << 20).unwrap().is_empty());
    }
}
