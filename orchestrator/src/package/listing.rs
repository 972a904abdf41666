//! The source files in a directory: those that git knows or would add, else those that globs see. Asks
//! git, and reads directories.

use super::PackageError;
use crate::manifest::files_below;
use camino::{Utf8Path, Utf8PathBuf};
use std::process::{Command, Stdio};

/// Absolute, sorted.
///
/// # Errors
/// git fails in a repository, or a name is not UTF-8.
pub fn list_files(dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>, PackageError> {
    let mut files = match git_files(dir)? {
        Some(files) => files,
        None => files_below(dir).into_iter().map(|below| dir.join(below)).collect(),
    };
    // Of a submodule, or of a link to a directory.
    let (directories, mut all): (Vec<_>, Vec<_>) = files.drain(..).partition(|path| path.is_dir());
    for dir in directories {
        all.extend(files_below(&dir).into_iter().map(|below| dir.join(below)));
    }
    // What git knows may have been removed.
    all.retain(|path| path.symlink_metadata().is_ok());
    all.sort();
    Ok(all)
}

/// None if the directory is in no repository, or there is no git.
fn git_files(dir: &Utf8Path) -> Result<Option<Vec<Utf8PathBuf>>, PackageError> {
    let is_in_repository = dir.ancestors().any(|dir| dir.join(".git").exists());
    if !is_in_repository || !dir.is_dir() {
        return Ok(None);
    }
    let mut command = Command::new("git");
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    // Hooks set these for the repository that they run in.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(variable);
    }
    let output = match command.current_dir(dir).stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(PackageError::Git { dir: dir.to_owned(), why: error.to_string() });
        }
    };
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(PackageError::Git { dir: dir.to_owned(), why });
    }
    let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let path = |name: &[u8]| match std::str::from_utf8(name) {
        Ok(name) => Ok(dir.join(name)),
        Err(_) => Err(PackageError::Name {
            path: dir.join(&*String::from_utf8_lossy(name)).into_string(),
        }),
    };
    names.map(path).collect::<Result<Vec<_>, _>>().map(Some)
}
