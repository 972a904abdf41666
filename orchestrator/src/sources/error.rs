//! What can go wrong with sources, as values; words for people, without a place on a terminal.

use super::unpack::UnpackError;
use crate::manifest::LockFileError;
use camino::Utf8PathBuf;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("`{path}` cannot be used: {why}")]
    Lock { path: Utf8PathBuf, why: LockFileError },
    #[error("cannot read `{path}`: {source}")]
    Read { path: Utf8PathBuf, source: io::Error },
    #[error("cannot write `{path}`: {source}")]
    Write { path: Utf8PathBuf, source: io::Error },
    /// The lock file would change.
    #[error(
        "`{lock}` does not have {what} as the manifests name it, and `--locked` forbids to change it"
    )]
    Locked { lock: Utf8PathBuf, what: String },
    #[error(
        "the lock file `{lock}` has sources that no manifest names, and `--locked` forbids to change it: {what}"
    )]
    LockedRest { lock: Utf8PathBuf, what: String },
    #[error("{what} is not there, and `--offline` forbids to fetch it")]
    Offline { what: String },
    /// Of an archive.
    #[error(
        "the copy of {url} in the cache, `{path}`, is damaged, and `--offline` forbids to fetch it again"
    )]
    OfflineDamaged { url: String, path: Utf8PathBuf },
    #[error("there is no directory for downloads")]
    NoCache,
    #[error("cannot write to the cache of downloads, `{path}`: {source}")]
    Cache { path: Utf8PathBuf, source: io::Error },
    #[error("cannot download {url}: {why}")]
    Download { url: String, why: String },
    #[error("the archive {url} has the sha256 checksum\n    {found}\n  and not\n    {expected}")]
    Checksum { url: String, expected: String, found: String },
    #[error("cannot unpack {what}: {why}")]
    Unpack { what: String, why: UnpackError },
    #[error(
        "the sources of {what} have the digest\n    {found}\n  and not, as in the lock file,\n    {locked}"
    )]
    Tree { what: String, locked: String, found: String },
    #[error("the patch `{path}` does not apply to the sources of `{krate}`: {why}")]
    Patch { path: Utf8PathBuf, krate: String, why: String },
    #[error("git cannot fetch {url}: {why}")]
    Git { url: String, why: String },
    #[error("cannot run git: {0}")]
    NoGit(io::Error),
    #[error("the commit {commit} is not in {url}")]
    NoCommit { url: String, commit: String },
    #[error("{url} has no {what}: {why}")]
    NoReference { url: String, what: String, why: String },
    /// The copies in the workspace are not of what is wanted.
    #[error(
        "the copies of sources in `{dir}` do not have {what} as the lock file and the manifests name it"
    )]
    Vendored { dir: Utf8PathBuf, what: String },
    #[error("`{path}` is there, and `tender vendor` has not made it")]
    NotVendored { path: Utf8PathBuf },
    #[error("the submodule `{path}` of {url}: {why}")]
    Submodule { url: String, path: String, why: String },
}

impl SourceError {
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Lock { why: LockFileError::Conflict { .. }, .. } => {
                "take one side of the conflict, and run `tender fetch`"
            }
            Self::Lock { why: LockFileError::Newer { .. }, .. } => {
                "a newer `tender` has written it: use that one"
            }
            Self::Lock { .. } => {
                "restore it from version control; or remove it and run `tender fetch`, which chooses all commits again"
            }
            Self::Locked { .. } | Self::LockedRest { .. } => {
                "run `tender fetch` without `--locked`, and commit the lock file"
            }
            Self::Offline { .. } | Self::OfflineDamaged { .. } => {
                "run `tender fetch` where there is a network"
            }
            Self::Vendored { .. } => "run `tender vendor` again, or remove the directory",
            Self::NotVendored { .. } => {
                "move it away: builds take sources from a directory of this name"
            }
            Self::NoCache => "set HOME to an absolute path, or TENDER_CACHE_DIR",
            Self::Cache { .. } => {
                "make room, or name another directory by `cache.dir` or TENDER_CACHE_DIR"
            }
            Self::Checksum { .. } => {
                "the archive was replaced, or the manifest is wrong: find out which, and then write the new `sha256`"
            }
            Self::Tree { .. } => {
                "the lock file was edited, or the repository was changed behind the name of the commit; `tender update` writes the digest anew"
            }
            Self::Patch { .. } => "make the patch again, with paths that begin in `a/` and `b/`",
            Self::Git { why, .. } if why.contains("Host key verification failed") => {
                "connect to the host by `ssh` once and accept its key, or add that to ~/.ssh/known_hosts"
            }
            Self::Git { why, .. } if why.contains("Permission denied (") => {
                "ssh offers the keys of an agent and those in ~/.ssh: the host accepts none of them"
            }
            Self::NoGit(_) => "install git (on Debian and Ubuntu: apt-get install git)",
            Self::NoCommit { .. } => {
                "the branch may have been replaced: `tender update` takes the commit that is there now"
            }
            _ => return None,
        };
        Some(help.to_owned())
    }

    /// The input of the user is wrong, and nothing was tried.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Lock { .. }
                | Self::Locked { .. }
                | Self::LockedRest { .. }
                | Self::Offline { .. }
                | Self::OfflineDamaged { .. }
                | Self::NoCache
                | Self::Vendored { .. }
                | Self::NotVendored { .. }
        )
    }
}
