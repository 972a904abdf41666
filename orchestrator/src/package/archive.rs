//! The bytes of an archive. They depend on names, contents and permission to execute alone: entries
//! are sorted, and times and owners are fixed (https://reproducible-builds.org/docs/archives).

use super::contents::{PackageContents, PackageError};
use camino::Utf8Path;
use flate2::{Compression, GzBuilder};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

/// The time of all files, seconds since 1970: the first day of 1980. Some tools take 0 for no time, and
/// zip files know none before.
const TIME: u64 = 315_532_800;

/// A tar file, compressed by gzip.
///
/// # Errors
/// A file cannot be read.
pub fn archive(contents: &PackageContents) -> Result<Vec<u8>, PackageError> {
    // Neither a name nor a time in the head of the file.
    let compressed = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    let mut tar = tar::Builder::new(compressed);
    for (below, path) in &contents.files {
        let cannot = |source| PackageError::Read { path: path.clone(), source };
        let meta = fs::metadata(path).map_err(cannot)?;
        let bytes = match &contents.root_manifest {
            Some(text) if below.as_str() == crate::manifest::MANIFEST_NAME => {
                text.clone().into_bytes()
            }
            _ => fs::read(path).map_err(cannot)?,
        };
        let is_executable = meta.permissions().mode() & 0o100 != 0;
        let place = Utf8Path::new(&contents.stem).join(below);
        add(&mut tar, &place, &bytes, is_executable).map_err(cannot)?;
    }
    let finished = tar.into_inner().and_then(flate2::write::GzEncoder::finish);
    finished.map_err(|source| PackageError::Read { path: contents.stem.clone().into(), source })
}

fn add(
    tar: &mut tar::Builder<impl Write>,
    place: &Utf8Path,
    bytes: &[u8],
    is_executable: bool,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(if is_executable { 0o755 } else { 0o644 });
    header.set_mtime(TIME);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, place, bytes)
}
