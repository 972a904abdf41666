//! Patches of fetched sources. `git apply` applies them: it takes no guesses about where a part belongs,
//! and changes nothing outside of the tree.

use super::error::SourceError;
use super::git::{GitProgram, complaint, run};
use camino::{Utf8Path, Utf8PathBuf};
use std::path::Path;

/// Of one, bytes.
const LARGEST: u64 = 64 << 20;

/// A digest of their contents in their order; None if there are none.
///
/// # Errors
/// One cannot be read.
pub(super) fn digest(patches: &[Utf8PathBuf]) -> Result<Option<blake3::Hash>, SourceError> {
    if patches.is_empty() {
        return Ok(None);
    }
    let mut hasher = blake3::Hasher::new();
    for path in patches {
        let content = crate::sys::whole_file::read(path.as_std_path(), LARGEST)
            .map_err(|source| SourceError::Read { path: path.clone(), source })?;
        hasher.update(&(content.len() as u64).to_le_bytes());
        hasher.update(&content);
    }
    Ok(Some(hasher.finalize()))
}

/// # Errors
/// One does not apply.
pub(super) fn apply(
    git: &GitProgram,
    root: &Path,
    krate: &str,
    patches: &[Utf8PathBuf],
) -> Result<(), SourceError> {
    let Some(root) = Utf8Path::from_path(root) else { return Ok(()) };
    for path in patches {
        let mut command = git.command(root, "");
        // The sources may lie in a repository, which they are no part of.
        if let Some(above) = root.parent().and_then(|above| above.canonicalize_utf8().ok()) {
            command.env("GIT_CEILING_DIRECTORIES", above.as_str());
        }
        command.args(["apply", "-p1", "--whitespace=nowarn", "--", path.as_str()]);
        let output = run(&mut command)?;
        if !output.status.success() {
            let (path, krate) = (path.clone(), krate.to_owned());
            return Err(SourceError::Patch { path, krate, why: complaint(&output) });
        }
    }
    Ok(())
}
