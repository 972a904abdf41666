//! The formats of archives, told by their first bytes: tar, plain or compressed by gzip, xz or
//! Zstandard, and zip.

use super::unpack::{StripPrefix, TreeWriter, UnpackError, damaged, shown};
use camino::Utf8Path;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What an archive may become: this, and so many times its own size. Sources become five to ten times
/// as large.
const LIMIT: u64 = 64 << 20;
const LIMIT_FACTOR: u64 = 100;
/// For xz, bytes. Archives of `xz -9` take 65 MiB.
const MOST_MEMORY: u64 = 512 << 20;
/// The target of a link, bytes.
const LONGEST_TARGET: u64 = 4096;

/// Unpacks the archive into `dir`, which is empty, and returns the directory of the sources.
///
/// # Errors
/// It is no archive, or one that must not be unpacked.
pub(super) fn unpack(
    archive: &Utf8Path,
    dir: &Path,
    prefix: StripPrefix<'_>,
) -> Result<PathBuf, UnpackError> {
    unpack_at_most(LIMIT, archive, dir, prefix)
}

/// As `unpack`, with another limit, bytes.
fn unpack_at_most(
    limit: u64,
    archive: &Utf8Path,
    dir: &Path,
    prefix: StripPrefix<'_>,
) -> Result<PathBuf, UnpackError> {
    let mut file = File::open(archive).map_err(UnpackError::Damaged)?;
    let size = file.metadata().map_err(UnpackError::Damaged)?.len();
    let mut writer = TreeWriter::new(dir, limit + LIMIT_FACTOR * size);
    let mut start = Vec::new();
    let read = file.by_ref().take(512).read_to_end(&mut start).and_then(|_| file.rewind());
    read.map_err(UnpackError::Damaged)?;
    let file = BufReader::new(file);
    match &start[..] {
        [0x1f, 0x8b, ..] => tar(flate2::bufread::MultiGzDecoder::new(file), &mut writer)?,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(MOST_MEMORY, flags);
            let stream = stream.map_err(|error| UnpackError::Damaged(error.into()))?;
            tar(liblzma::bufread::XzDecoder::new_stream(file, stream), &mut writer)?;
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = zstd::stream::read::Decoder::with_buffer(file);
            tar(decoder.map_err(UnpackError::Damaged)?, &mut writer)?;
        }
        [b'P', b'K', 3 | 5, ..] => zip(file, &mut writer)?,
        start if start.get(257..262) == Some(b"ustar") => tar(file, &mut writer)?,
        _ => return Err(UnpackError::Kind),
    }
    writer.finish(prefix)
}

/// Writes the entries of a tar file.
///
/// # Errors
/// It is damaged, or an entry must not be written.
pub(super) fn tar(stream: impl Read, writer: &mut TreeWriter) -> Result<(), UnpackError> {
    let most = writer.most();
    let mut archive = ::tar::Archive::new(LimitedReader { stream, left: most, most });
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = PathBuf::from(OsStr::from_bytes(&entry.path_bytes()));
        let target = entry.link_name_bytes();
        let target = target.map(|bytes| PathBuf::from(OsStr::from_bytes(&bytes)));
        let mode = entry.header().mode().unwrap_or(0o644);
        match (entry.header().entry_type(), target) {
            (kind, _) if kind.is_dir() => writer.directory(&path)?,
            (kind, Some(target)) if kind.is_symlink() => writer.link(&path, &target)?,
            (kind, Some(target)) if kind.is_hard_link() => writer.same(&path, &target)?,
            (kind, _) if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() => {
                writer.file(&path, mode & 0o100 != 0, &mut entry)?;
            }
            // Attributes of others, such as the commit that `git archive` notes.
            (kind, _) if kind.is_pax_global_extensions() || kind.is_pax_local_extensions() => {}
            _ => return Err(UnpackError::Special(shown(&path))),
        }
    }
    Ok(())
}

fn zip(file: impl Read + Seek, writer: &mut TreeWriter) -> Result<(), UnpackError> {
    let wrong = |error: zip::result::ZipError| UnpackError::Damaged(error.into());
    let mut archive = ::zip::ZipArchive::new(file).map_err(wrong)?;
    for number in 0..archive.len() {
        let raw = archive.by_index_raw(number).map_err(wrong)?;
        let path = PathBuf::from(OsStr::from_bytes(raw.name_raw()));
        let (is_dir, is_link) = (raw.is_dir(), raw.is_symlink());
        let mode = raw.unix_mode().unwrap_or(0o644);
        drop(raw);
        if is_dir {
            writer.directory(&path)?;
            continue;
        }
        let mut entry = archive.by_index(number).map_err(|error| match error {
            zip::result::ZipError::UnsupportedArchive(_) => UnpackError::Method(shown(&path)),
            other => wrong(other),
        })?;
        if is_link {
            let mut target = Vec::new();
            entry.by_ref().take(LONGEST_TARGET).read_to_end(&mut target).map_err(damaged)?;
            writer.link(&path, Path::new(OsStr::from_bytes(&target)))?;
        } else {
            writer.file(&path, mode & 0o100 != 0, &mut entry)?;
        }
    }
    Ok(())
}

/// A stream that must not be longer.
struct LimitedReader<R> {
    stream: R,
    left: u64,
    most: u64,
}

impl<R: Read> Read for LimitedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(buffer)?;
        self.left = self
            .left
            .checked_sub(length as u64)
            .ok_or_else(|| io::Error::other(UnpackError::Large(self.most)))?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn tar_of(entries: &[(&str, ::tar::EntryType, &str)]) -> Vec<u8> {
        let mut builder = ::tar::Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = ::tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            let is_link = kind.is_symlink() || kind.is_hard_link();
            // As bytes: the builder refuses bad paths.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            if is_link {
                header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content.as_bytes());
            }
            header.set_size(if is_link { 0 } else { content.len() as u64 });
            header.set_cksum();
            builder.append(&header, if is_link { "" } else { content }.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, Result<PathBuf, UnpackError>) {
        unpacked_at_most(LIMIT, bytes)
    }

    fn unpacked_at_most(
        limit: u64,
        bytes: &[u8],
    ) -> (tempfile::TempDir, Result<PathBuf, UnpackError>) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(root.join("archive"), bytes).unwrap();
        std::fs::create_dir(root.join("out")).unwrap();
        let (archive, out) = (root.join("archive"), root.join("out"));
        let found = unpack_at_most(limit, &archive, out.as_std_path(), StripPrefix::Only);
        (dir, found)
    }

    use ::tar::EntryType as T;

    #[test]
    fn archives_of_all_kinds_are_unpacked() {
        let tar = tar_of(&[
            ("x/", T::Directory, ""),
            ("x/a", T::Regular, "A"),
            ("x/b", T::Symlink, "a"),
            ("x/c", T::Link, "x/a"),
        ]);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&tar).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&tar).unwrap();
        let zst = zstd::encode_all(&tar[..], 1).unwrap();
        let mut zip = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let options = ::zip::write::SimpleFileOptions::default().unix_permissions(0o755);
        zip.start_file("x/a", options).unwrap();
        zip.write_all(b"A").unwrap();
        zip.add_symlink("x/b", "a", options).unwrap();
        zip.start_file("x/c", options).unwrap();
        zip.write_all(b"A").unwrap();
        let zip = zip.finish().unwrap().into_inner();
        for bytes in [tar, gz.finish().unwrap(), xz.finish().unwrap(), zst, zip] {
            let (_dir, root) = unpacked(&bytes);
            let root = root.unwrap();
            for name in ["a", "b", "c"] {
                assert_eq!(std::fs::read_to_string(root.join(name)).unwrap(), "A", "{name}");
            }
            assert!(root.join("b").is_symlink() && !root.join("c").is_symlink());
        }
    }

    #[test]
    fn archives_that_mean_ill_are_refused() {
        let check = |bytes: &[u8], expect: &str| {
            let (dir, found) = unpacked(bytes);
            let error = found.unwrap_err().to_string();
            assert!(error.contains(expect), "{expect}: {error}");
            assert!(!dir.path().join("evil").exists());
        };
        let tar = |path, kind, content| tar_of(&[(path, kind, content)]);
        check(&tar("../evil", T::Regular, "x"), "outside");
        check(&tar("/evil", T::Regular, "x"), "outside");
        check(&tar("a", T::Symlink, "../evil"), "leads out");
        check(&tar("a", T::Symlink, "/etc/passwd"), "leads out");
        check(&tar("a", T::Link, "../evil"), "outside");
        check(&tar("a", T::Link, "/etc/passwd"), "outside");
        check(&tar("a", T::Char, ""), "neither");
        check(&tar("a", T::Fifo, ""), "neither");
        check(&tar_of(&[("a", T::Symlink, "."), ("a/../../evil", T::Regular, "x")]), "outside");
        check(b"not an archive", "no archive");
        check(b"", "no archive");
        let good = tar("a", T::Regular, &"x".repeat(2000));
        check(&good[..1000], "damaged");
        let mut zip = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let options = ::zip::write::SimpleFileOptions::default();
        zip.start_file("../evil", options).unwrap();
        check(&zip.finish().unwrap().into_inner(), "outside");
    }

    #[test]
    fn archives_that_become_too_large_are_refused() {
        let mut zeros = ::tar::Header::new_gnu();
        zeros.set_size(LIMIT * 2);
        zeros.set_path("a").unwrap();
        zeros.set_cksum();
        let mut zst = zstd::Encoder::new(Vec::new(), 1).unwrap();
        zst.write_all(zeros.as_bytes()).unwrap();
        io::copy(&mut io::repeat(0).take(LIMIT * 2), &mut zst).unwrap();
        let bytes = zst.finish().unwrap();
        assert!(bytes.len() < 100_000);
        let (_dir, found) = unpacked(&bytes);
        assert!(matches!(found, Err(UnpackError::Large(_))), "{found:?}");
    }

    #[test]
    fn fuzz_archive() {
        tender_fuzz::check("archive", 300, |bytes| {
            // Inputs that become large tell nothing more, and take long.
            let (dir, _) = unpacked_at_most(0, bytes);
            assert!(!dir.path().join("evil").exists());
        });
    }
}
