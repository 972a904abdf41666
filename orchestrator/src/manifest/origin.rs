//! Where the sources of a crate come from that is in no directory of the user's: an archive or a git
//! repository. Pure: values, which `sources` fetches.

use super::model::TargetPlatform;
use camino::{Utf8Path, Utf8PathBuf};
use std::fmt;

/// Sources that a manifest names, and what is done to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpec {
    /// The name of the crate that is wanted of them.
    pub krate: String,
    pub origin: SourceOrigin,
    /// Applied in this order. Absolute.
    pub patches: Vec<Utf8PathBuf>,
    /// Stands for the one that the sources do not have. Absolute.
    pub manifest: Option<Utf8PathBuf>,
}

/// What is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceOrigin {
    Archive {
        url: String,
        /// Of the archive, 64 lower-case digits.
        sha256: String,
        /// The directory in the archive that has the sources; None: the only one at its top, if
        /// there is but one.
        strip_prefix: Option<String>,
    },
    Git {
        url: String,
        reference: GitReference,
    },
}

/// Which commit of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitReference {
    /// The one that a clone checks out.
    Head,
    Branch(String),
    Tag(String),
    /// The name of a commit, as git understands it.
    Rev(String),
}

impl SourceOrigin {
    pub fn url(&self) -> &str {
        match self {
            SourceOrigin::Archive { url, .. } | SourceOrigin::Git { url, .. } => url,
        }
    }

    /// A name for people and for directories: the last part of the address, without extensions.
    pub fn stem(&self) -> String {
        let url = self.url().split(['?', '#']).next().unwrap_or_default();
        let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        let endings = [".git", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst", ".zip", ".tar"];
        let last = endings.iter().find_map(|end| last.strip_suffix(end)).unwrap_or(last);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
        let plain: String = last.chars().filter(|c| is_plain(*c)).take(64).collect();
        match plain.trim_start_matches(['.', '-']) {
            "" => "source".to_owned(),
            plain => plain.to_owned(),
        }
    }
}

impl GitReference {
    /// The key of the manifest and its value.
    pub fn key(&self) -> Option<(&'static str, &str)> {
        match self {
            GitReference::Head => None,
            GitReference::Branch(name) => Some(("branch", name)),
            GitReference::Tag(name) => Some(("tag", name)),
            GitReference::Rev(name) => Some(("rev", name)),
        }
    }
}

impl fmt::Display for SourceOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url())?;
        match self {
            SourceOrigin::Git { reference, .. } => match reference.key() {
                Some((key, name)) => write!(f, "?{key}={name}"),
                None => Ok(()),
            },
            SourceOrigin::Archive { .. } => Ok(()),
        }
    }
}

/// Sources that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSource {
    /// Absolute.
    pub dir: Utf8PathBuf,
    /// Of git: the commit.
    pub commit: Option<String>,
}

/// Says where sources are that have been fetched. Asked while manifests are read, so it fetches
/// nothing.
pub trait SourceFinder: fmt::Debug {
    /// `root`: the directory of the workspace. None: they are not there yet.
    fn find(&self, root: &Utf8Path, spec: &SourceSpec) -> Option<FoundSource>;
}

/// Says whether the system has a package. Asked while manifests are read.
pub trait PackageFinder: fmt::Debug {
    /// `package`: its name, and the versions that will do. `target`: the platform that is built for,
    /// if it is named.
    fn has(&self, root: &Utf8Path, package: &str, target: Option<&TargetPlatform>) -> bool;
}

/// Which sources a command needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceChoice {
    /// None but those that are there.
    #[default]
    Present,
    /// Those of what is built.
    Needed,
    /// Those of all features, platforms and tests of the workspace.
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_stem_is_a_plain_name() {
        let check = |url: &str, expect: &str| {
            let git = SourceOrigin::Git { url: url.to_owned(), reference: GitReference::Head };
            assert_eq!(git.stem(), expect, "{url}");
        };
        check("https://example.org/fmt-11.0.tar.gz", "fmt-11.0");
        check("https://example.org/a/zlib.git", "zlib");
        check("git@example.org:zlib", "zlib");
        check("https://example.org/get?x=/..", "get");
        check("file:///a/..", "source");
        check("https://example.org/-x y/", "xy");
    }
}
