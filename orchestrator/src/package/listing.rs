//! The source files in a directory: those that git knows or would add, else those that globs see; and
//! those that have changed since the last commit. Asks git, and reads directories.

use super::PackageError;
use crate::manifest::files_below;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
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

/// The files of the repository of a directory that differ from its HEAD, or that HEAD does not have;
/// all where there is no commit yet. Absolute, without symbolic links. None if the directory is in no
/// repository, or there is no git.
///
/// # Errors
/// As `list_files`.
pub fn changed_files(dir: &Utf8Path) -> Result<Option<BTreeSet<Utf8PathBuf>>, PackageError> {
    let Some(top) = git(dir, &["rev-parse", "--show-toplevel"])? else { return Ok(None) };
    let top = String::from_utf8_lossy(&top);
    let top = Utf8PathBuf::from(top.trim_end_matches('\n'));
    const NEW: [&str; 4] = ["ls-files", "-z", "--others", "--exclude-standard"];
    let has_commit = git(&top, &["rev-parse", "--verify", "--quiet", "HEAD"]).is_ok();
    let (changed, new) = match has_commit {
        true => {
            let words =
                ["diff", "--name-only", "-z", "--no-renames", "--no-relative", "--no-ext-diff"];
            let words = [&words[..], &["--diff-filter=d", "HEAD"]].concat();
            (git(&top, &words)?, git(&top, &NEW)?)
        }
        false => (git(&top, &["ls-files", "-z"])?, git(&top, &NEW)?),
    };
    let mut files = BTreeSet::new();
    for output in [changed, new].into_iter().flatten() {
        let paths = names(&top, &output)?;
        files.extend(paths.into_iter().filter_map(|path| path.canonicalize_utf8().ok()));
    }
    Ok(Some(files))
}

/// None if the directory is in no repository, or there is no git.
fn git_files(dir: &Utf8Path) -> Result<Option<Vec<Utf8PathBuf>>, PackageError> {
    let words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    match git(dir, &words)? {
        Some(output) => names(dir, &output).map(Some),
        None => Ok(None),
    }
}

/// What git prints in a directory. None if that is in no repository, or there is no git.
fn git(dir: &Utf8Path, words: &[&str]) -> Result<Option<Vec<u8>>, PackageError> {
    let is_in_repository = dir.ancestors().any(|dir| dir.join(".git").exists());
    if !is_in_repository || !dir.is_dir() {
        return Ok(None);
    }
    let mut command = Command::new("git");
    command.args(words);
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
    Ok(Some(output.stdout))
}

/// Names with a NUL behind each.
fn names(dir: &Utf8Path, output: &[u8]) -> Result<Vec<Utf8PathBuf>, PackageError> {
    let names = output.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let path = |name: &[u8]| match std::str::from_utf8(name) {
        Ok(name) => Ok(dir.join(name)),
        Err(_) => Err(PackageError::Name {
            path: dir.join(&*String::from_utf8_lossy(name)).into_string(),
        }),
    };
    names.map(path).collect()
}
