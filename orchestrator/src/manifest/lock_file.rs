//! `Tender.lock`: which commits and archives a workspace is built from. Pure: text to values and back;
//! what they mean is decided by `sources`.

use super::origin::{GitReference, SourceOrigin};
use super::value::{check_archive_url, check_git_name, check_git_url, check_sha256};
use serde::Deserialize;
use std::fmt::Write as _;

pub const LOCK_NAME: &str = "Tender.lock";

/// The version of the format that is written.
const VERSION: i64 = 1;

/// Digests of trees and patches begin with their kind.
const DIGEST: &str = "blake3:";

const HEAD: &str =
    "# `tender` writes this file. It belongs into version control; change it by `tender update`.\n";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockFile {
    /// In order of their text.
    pub sources: Vec<LockedSource>,
}

/// One source as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedSource {
    /// The names of the crates that are taken of it, sorted.
    pub crates: Vec<String>,
    pub origin: SourceOrigin,
    /// Of git: the commit, its digits in lower case.
    pub commit: Option<String>,
    /// Of all patches in their order; None: there are none.
    pub patches: Option<String>,
    /// Of all files, with the patches applied.
    pub tree: String,
}

/// Why a lock file cannot be used. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockFileError {
    #[error("it is no TOML: line {line}: {message}")]
    Syntax { line: usize, message: String },
    #[error("it has a conflict that git has left in line {line}")]
    Conflict { line: usize },
    #[error("it has the version {found}; this `tender` knows version {VERSION}")]
    Newer { found: i64 },
    #[error("the source {what}: {why}")]
    Source { what: String, why: String },
    #[error("the source {what} is there twice")]
    Twice { what: String },
}

#[derive(Deserialize)]
struct LockFileVersion {
    version: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLockFile {
    #[expect(dead_code, reason = "it is read first, of versions with other keys too")]
    version: i64,
    #[serde(default)]
    source: Vec<RawLockedSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawLockedSource {
    crates: Vec<String>,
    url: Option<String>,
    sha256: Option<String>,
    strip_prefix: Option<String>,
    git: Option<String>,
    branch: Option<String>,
    tag: Option<String>,
    rev: Option<String>,
    commit: Option<String>,
    patches: Option<String>,
    tree: String,
}

impl LockFile {
    /// # Errors
    /// The text is no lock file of this version.
    pub fn parse(text: &str) -> Result<LockFile, LockFileError> {
        let mut lines = text.lines().zip(1..);
        if let Some((_, line)) = lines.find(|(text, _)| text.starts_with("<<<<<<< ")) {
            return Err(LockFileError::Conflict { line });
        }
        let wrong = |error: toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start).min(text.len());
            let line = 1 + text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count();
            LockFileError::Syntax { line, message: error.message().replace('\n', ", ") }
        };
        let LockFileVersion { version } = toml::from_str(text).map_err(wrong)?;
        if version != VERSION {
            return Err(LockFileError::Newer { found: version });
        }
        let raw: RawLockFile = toml::from_str(text).map_err(wrong)?;
        let mut sources: Vec<LockedSource> = Vec::new();
        for raw in raw.source {
            let source = raw.checked()?;
            let is_same = |known: &LockedSource| {
                known.origin == source.origin && known.patches == source.patches
            };
            if sources.iter().any(is_same) {
                return Err(LockFileError::Twice { what: source.origin.to_string() });
            }
            sources.push(source);
        }
        Ok(LockFile { sources })
    }

    /// The text of the file, the same for the same sources.
    pub fn text(&self) -> String {
        let mut entries: Vec<String> = self.sources.iter().map(LockedSource::text).collect();
        entries.sort();
        format!("{HEAD}version = {VERSION}\n{}", entries.concat())
    }
}

impl RawLockedSource {
    fn checked(self) -> Result<LockedSource, LockFileError> {
        let what = self.url.clone().or(self.git.clone()).unwrap_or_else(|| self.crates.join(", "));
        let wrong = |why: String| LockFileError::Source { what: what.clone(), why };
        let value = |error: super::value::ValueError| wrong(error.message);
        let mut names = [("branch", self.branch), ("tag", self.tag), ("rev", self.rev)]
            .into_iter()
            .filter_map(|(key, name)| Some((key, name?)));
        let reference = match (names.next(), names.next()) {
            (None, _) => GitReference::Head,
            (Some((first, _)), Some((second, _))) => {
                return Err(wrong(format!("it has `{first}` and `{second}`")));
            }
            (Some((key, name)), None) => {
                check_git_name(&name).map_err(value)?;
                match key {
                    "branch" => GitReference::Branch(name),
                    "tag" => GitReference::Tag(name),
                    _ => GitReference::Rev(name),
                }
            }
        };
        let origin = match (self.url, self.sha256, self.git, &self.commit) {
            (Some(url), Some(sha256), None, None) if reference == GitReference::Head => {
                check_archive_url(&url).map_err(value)?;
                check_sha256(&sha256).map_err(value)?;
                SourceOrigin::Archive {
                    url,
                    sha256: sha256.to_ascii_lowercase(),
                    strip_prefix: self.strip_prefix,
                }
            }
            (None, None, Some(url), Some(commit)) if self.strip_prefix.is_none() => {
                check_git_url(&url).map_err(value)?;
                if !is_commit(commit) {
                    return Err(wrong(format!("`{commit}` is no whole name of a commit")));
                }
                SourceOrigin::Git { url, reference }
            }
            _ => {
                let why = "it needs `url` and `sha256`, or `git` and `commit`";
                return Err(wrong(why.to_owned()));
            }
        };
        for digest in self.patches.iter().chain([&self.tree]) {
            let digits = digest.strip_prefix(DIGEST).unwrap_or_default();
            if check_sha256(digits).is_err() {
                return Err(wrong(format!("`{digest}` is no digest")));
            }
        }
        let mut crates = self.crates;
        crates.sort();
        crates.dedup();
        Ok(LockedSource {
            crates,
            origin,
            commit: self.commit,
            patches: self.patches,
            tree: self.tree,
        })
    }
}

/// Whether it is the whole name of a commit: of sha1, or of sha256.
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

/// A digest as lock files have it.
pub fn digest_text(hash: &blake3::Hash) -> String {
    format!("{DIGEST}{hash}")
}

impl LockedSource {
    fn text(&self) -> String {
        let mut text = String::from("\n[[source]]\n");
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(text, "{key} = {}", toml::Value::from(value));
        };
        match &self.origin {
            SourceOrigin::Archive { url, sha256, strip_prefix } => {
                line("url", url);
                line("sha256", sha256);
                strip_prefix.iter().for_each(|prefix| line("strip-prefix", prefix));
            }
            SourceOrigin::Git { url, reference } => {
                line("git", url);
                reference.key().into_iter().for_each(|(key, name)| line(key, name));
            }
        }
        self.commit.iter().for_each(|commit| line("commit", commit));
        self.patches.iter().for_each(|patches| line("patches", patches));
        line("tree", &self.tree);
        let crates = toml::Value::from(self.crates.clone());
        let _ = writeln!(text, "crates = {crates}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(letter: char) -> String {
        format!("{DIGEST}{}", letter.to_string().repeat(64))
    }

    fn lock() -> LockFile {
        let archive = SourceOrigin::Archive {
            url: "https://example.org/fmt-\"11\".tar.gz".into(),
            sha256: "0".repeat(64),
            strip_prefix: Some("fmt".into()),
        };
        let git = SourceOrigin::Git {
            url: "git@example.org:zlib".into(),
            reference: GitReference::Branch("develop".into()),
        };
        LockFile {
            sources: vec![
                LockedSource {
                    crates: vec!["z".into(), "zlib".into()],
                    origin: git,
                    commit: Some("a".repeat(40)),
                    patches: None,
                    tree: digest('1'),
                },
                LockedSource {
                    crates: vec!["fmt".into()],
                    origin: archive,
                    commit: None,
                    patches: Some(digest('2')),
                    tree: digest('3'),
                },
            ],
        }
    }

    #[test]
    fn lock_file_is_read_as_it_is_written() {
        let text = lock().text();
        assert_eq!(LockFile::parse(&text), Ok(lock()));
        let mut turned = lock();
        turned.sources.reverse();
        assert_eq!(turned.text(), text);
        assert_eq!(LockFile::parse(&LockFile::default().text()), Ok(LockFile::default()));
    }

    #[test]
    fn lock_file_by_hand_is_refused() {
        let check = |text: &str, expect: &str| {
            let error = LockFile::parse(text).unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        };
        let text = lock().text();
        check("", "missing field `version`");
        check("version = \"1\"", "line 1");
        check("version = 2\n[other]\n", "it has the version 2");
        check(&text.replace("commit = \"aa", "commit = \"a"), "is no whole name of a commit");
        check(&text.replace("tree = \"blake3:11", "tree = \"11"), "is no digest");
        check(&text.replace("commit", "comit"), "unknown field `comit`");
        check(&text.replace("branch", "tag = \"x\"\nbranch"), "it has `branch` and `tag`");
        check(&text.replace("sha256", "strip-prefix"), "duplicate key");
        check(&text.replace("git@example.org:zlib", "ext::sh -c x"), "no address");
        check(&format!("<<<<<<< HEAD\n{text}"), "conflict that git has left in line 1");
        let twice = LockFile { sources: [lock().sources, lock().sources].concat() };
        check(&twice.text(), "is there twice");
    }

    #[test]
    fn fuzz_lock_file() {
        tender_fuzz::check_text("lock_file", 3_000, |text| {
            if let Ok(lock) = LockFile::parse(text) {
                assert_eq!(LockFile::parse(&lock.text()).map(|lock| lock.text()), Ok(lock.text()));
            }
        });
    }
}
