//! Thin archives, which name the files of their members and do not contain them.

use object::read::ReadRef;
use object::read::archive::ArchiveFile;
use std::path::Path;

/// Whether this is the start of a thin archive (ar(5), "thin").
pub fn is_thin(content: &[u8]) -> bool {
    content.starts_with(b"!<thin>\n")
}

/// The files of a thin archive at `path`, whose `content` may be in memory or read from the file on demand.
/// Relative names are relative to the archive's directory.
///
/// # Errors
/// The archive is damaged: a sentence fragment.
pub fn members<'data>(path: &Path, content: impl ReadRef<'data>) -> Result<Vec<String>, String> {
    let archive = ArchiveFile::parse(content).map_err(|why| why.to_string())?;
    let directory = path.parent().unwrap_or(Path::new(""));
    archive
        .members()
        .map(|member| {
            let member = member.map_err(|why| why.to_string())?;
            let name = String::from_utf8_lossy(member.name());
            Ok(directory.join(&*name).to_string_lossy().into_owned())
        })
        .collect()
}
