//! Git repositories in the cache: commits are fetched into a bare one for each address, and their trees
//! are written from `git archive`, so that all checks of archives hold for them too.
//!
//! Files have the bytes that the repository has: attributes such as `eol`, `export-subst` and filters do
//! not count. Submodules are fetched from where `.gitmodules` says, at the commits of the tree.

use super::archive;
use super::cache::{LockedFile, SourceCache};
use super::error::SourceError;
use super::git::{GitProgram, GitProgress, complaint, run, run_with_progress};
use super::store::{SourceEvent, SourceNetwork};
use super::unpack::TreeWriter;
use crate::manifest::{GitReference, SourceOrigin, check_git_url, is_commit};
use camino::Utf8PathBuf;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Attributes of the repository have the last word (gitattributes(5)).
const ATTRIBUTES: &str =
    "* -text -eol -ident -filter -working-tree-encoding -export-ignore -export-subst\n";
/// Submodules in submodules.
const DEEPEST: usize = 8;
const FETCHED: &str = "refs/tender/fetched";

/// What fetching takes.
pub(super) struct GitFetch<'a> {
    pub git: &'a GitProgram,
    pub cache: &'a SourceCache,
    pub network: SourceNetwork,
    pub report: &'a mut dyn FnMut(SourceEvent),
}

/// The commit that a name stands for now, fetched.
///
/// # Errors
/// It cannot be had.
pub(super) fn resolve(
    fetch: &mut GitFetch<'_>,
    url: &str,
    reference: &GitReference,
) -> Result<String, SourceError> {
    if fetch.network.offline {
        return Err(SourceError::Offline { what: format!("the repository {url}") });
    }
    let repository = Repository::open(fetch, url)?;
    (fetch.report)(SourceEvent::Updating { url: url.to_owned() });
    let name = match reference {
        GitReference::Head => "HEAD".to_owned(),
        GitReference::Branch(name) => format!("refs/heads/{name}"),
        GitReference::Tag(name) => format!("refs/tags/{name}"),
        GitReference::Rev(name) if is_commit(name) || name.starts_with("refs/") => name.clone(),
        GitReference::Rev(name) => return repository.short(fetch, name),
    };
    match repository.fetch(fetch, &[&format!("+{name}:{FETCHED}")], true) {
        Ok(()) => repository.commit(FETCHED),
        // Servers may refuse to send a commit by its name.
        Err(_) if is_commit(&name) => {
            repository.fetch_all(fetch)?;
            repository.commit(&name)
        }
        Err(SourceError::Git { why, .. }) if why.contains("couldn't find remote ref") => {
            let what = match reference.key() {
                Some((key, name)) => format!("{key} `{name}`"),
                None => "commit".to_owned(),
            };
            let why = "there is none of this name".to_owned();
            Err(SourceError::NoReference { url: url.to_owned(), what, why })
        }
        Err(error) => Err(error),
    }
}

/// Fetches a commit with its submodules, as far as they are not there.
///
/// # Errors
/// They cannot be had.
pub(super) fn fetch_whole(
    fetch: &mut GitFetch<'_>,
    url: &str,
    commit: &str,
) -> Result<(), SourceError> {
    each_tree(fetch, (url, commit), (Path::new(""), 0), &mut |_, _, _| Ok(()))
}

/// Writes the tree of a commit with its submodules. What is not there is fetched.
///
/// # Errors
/// It cannot be had or written.
pub(super) fn export(
    fetch: &mut GitFetch<'_>,
    url: &str,
    commit: &str,
    writer: &mut TreeWriter,
) -> Result<(), SourceError> {
    each_tree(fetch, (url, commit), (Path::new(""), 0), &mut |repository, commit, below| {
        writer.enter(below);
        repository.write(commit, writer)
    })
}

/// What is done with a repository that has a commit, for the tree in this directory.
type WithTree<'a> = &'a mut dyn FnMut(&Repository<'_>, &str, &Path) -> Result<(), SourceError>;

fn each_tree(
    fetch: &mut GitFetch<'_>,
    (url, commit): (&str, &str),
    (below, depth): (&Path, usize),
    act: WithTree<'_>,
) -> Result<(), SourceError> {
    let modules = {
        let repository = Repository::open(fetch, url)?;
        repository.have(fetch, commit)?;
        act(&repository, commit, below)?;
        repository.submodules(commit)?
    };
    for Submodule { path, commit, url: relative } in modules {
        let wrong = |why: &str| SourceError::Submodule {
            url: url.to_owned(),
            path: path.to_string_lossy().into_owned(),
            why: why.to_owned(),
        };
        let from = relative.ok_or_else(|| wrong("`.gitmodules` does not say where it is"))?;
        let from = absolute_url(url, &from).ok_or_else(|| wrong("its address leads nowhere"))?;
        check_git_url(&from).map_err(|error| wrong(&error.message))?;
        if from.starts_with("file:") && !url.starts_with("file:") {
            return Err(wrong("it would be a directory of this machine"));
        }
        if depth == DEEPEST {
            return Err(wrong("it is too deep"));
        }
        each_tree(fetch, (&from, &commit), (&below.join(&path), depth + 1), act)?;
    }
    Ok(())
}

/// The address of a submodule, which may be relative to that of its repository
/// (git-submodule(1), `add`).
fn absolute_url(base: &str, url: &str) -> Option<String> {
    if !url.starts_with("./") && !url.starts_with("../") {
        return Some(url.to_owned());
    }
    let mut base = base.trim_end_matches('/').to_owned();
    let mut rest = url;
    loop {
        if let Some(next) = rest.strip_prefix("./") {
            rest = next;
        } else if let Some(next) = rest.strip_prefix("../") {
            let start = base.find("://").map_or(0, |at| at + 3);
            let end = base[start..].rfind(['/', ':'])? + start;
            base.truncate(end);
            rest = next;
        } else {
            break;
        }
    }
    // After `git@host:a`, where only the host is left.
    let is_scp = !base.contains("://") && !base.contains(':');
    Some(format!("{base}{}{rest}", if is_scp { ':' } else { '/' }))
}

struct Submodule {
    path: PathBuf,
    commit: String,
    url: Option<String>,
}

/// A bare repository in the cache, which no other process changes meanwhile.
struct Repository<'a> {
    git: &'a GitProgram,
    dir: Utf8PathBuf,
    url: String,
    _lock: LockedFile,
}

impl<'a> Repository<'a> {
    fn open(fetch: &mut GitFetch<'a>, url: &str) -> Result<Repository<'a>, SourceError> {
        let origin = SourceOrigin::Git { url: url.to_owned(), reference: GitReference::Head };
        let dir = fetch.cache.repository(&origin.stem(), url)?;
        let cannot = |source| SourceError::Cache { path: dir.clone(), source };
        let lock = Utf8PathBuf::from(format!("{dir}.lock"));
        let mut waiting = || (fetch.report)(SourceEvent::Waiting { what: url.to_owned() });
        let lock = LockedFile::open(&lock, &mut waiting).map_err(cannot)?;
        let repository = Repository { git: fetch.git, dir, url: url.to_owned(), _lock: lock };
        let attributes = repository.dir.join("info/attributes");
        if fs::read_to_string(&attributes).is_ok_and(|text| text == ATTRIBUTES) {
            return Ok(repository);
        }
        // The file is written last, so this one was not finished.
        let cannot = |source| SourceError::Cache { path: repository.dir.clone(), source };
        if repository.dir.exists() {
            fs::remove_dir_all(&repository.dir).map_err(cannot)?;
        }
        fs::create_dir_all(&repository.dir).map_err(cannot)?;
        repository.run(&["init", "--quiet", "--bare", "--template=", "."])?;
        fs::create_dir_all(repository.dir.join("info")).map_err(cannot)?;
        fs::write(attributes, ATTRIBUTES).map_err(cannot)?;
        Ok(repository)
    }

    fn command(&self) -> Command {
        let mut command = self.git.command(&self.dir, "file:git:http:https:ssh");
        // Whoever owns it: the user has chosen the cache.
        command.arg("-c").arg("safe.directory=*").arg("--git-dir=.");
        command
    }

    fn run(&self, words: &[&str]) -> Result<Vec<u8>, SourceError> {
        let output = run(self.command().args(words))?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(SourceError::Git { url: self.url.clone(), why: complaint(&output) }),
        }
    }

    /// `is_shallow`: without what came before.
    fn fetch(
        &self,
        fetch: &mut GitFetch<'_>,
        names: &[&str],
        is_shallow: bool,
    ) -> Result<(), SourceError> {
        // The whole history, also of what was shallow before.
        let depth = if is_shallow { "--depth=1" } else { "--depth=2147483647" };
        let words = ["fetch", "--progress", "--force", "--no-tags", "--no-write-fetch-head", depth];
        let mut command = self.command();
        // Submodules have repositories of their own here.
        command.args(words).args(["--no-recurse-submodules", "--", &self.url]).args(names);
        let output = run_with_progress(&mut command, &mut |progress| {
            let GitProgress { objects, total, bytes } = progress;
            let url = self.url.clone();
            (fetch.report)(SourceEvent::ReceivedObjects { url, objects, total, bytes });
        })?;
        match output.status.success() {
            true => Ok(()),
            false => Err(SourceError::Git { url: self.url.clone(), why: complaint(&output) }),
        }
    }

    fn fetch_all(&self, fetch: &mut GitFetch<'_>) -> Result<(), SourceError> {
        let names = ["+refs/heads/*:refs/tender/heads/*", "+refs/tags/*:refs/tender/tags/*"];
        self.fetch(fetch, &names, false)
    }

    fn has(&self, commit: &str) -> bool {
        self.run(&["cat-file", "-e", &format!("{commit}^{{commit}}")]).is_ok()
    }

    fn commit(&self, name: &str) -> Result<String, SourceError> {
        let wanted = format!("{name}^{{commit}}");
        let found = self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]);
        let found = found.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        match found.ok().filter(|found| is_commit(found)) {
            Some(commit) => Ok(commit),
            None => Err(SourceError::NoCommit { url: self.url.clone(), commit: name.to_owned() }),
        }
    }

    /// The commit with this name, which is a part of its digits.
    fn short(&self, fetch: &mut GitFetch<'_>, name: &str) -> Result<String, SourceError> {
        if name.len() < 4 || !name.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(SourceError::NoReference {
                url: self.url.clone(),
                what: format!("rev `{name}`"),
                why: "a `rev` has digits of a commit, or begins with `refs/`; there are `branch` and `tag` too"
                    .to_owned(),
            });
        }
        self.fetch_all(fetch)?;
        self.commit(name)
    }

    /// Fetches a commit if it is not there.
    fn have(&self, fetch: &mut GitFetch<'_>, commit: &str) -> Result<(), SourceError> {
        if self.has(commit) {
            return Ok(());
        }
        if fetch.network.offline {
            let what = format!("the commit {commit} of {}", self.url);
            return Err(SourceError::Offline { what });
        }
        (fetch.report)(SourceEvent::Updating { url: self.url.clone() });
        let keep = format!("+{commit}:refs/tender/keep/{commit}");
        if self.fetch(fetch, &[&keep], true).is_err() {
            self.fetch_all(fetch)?;
        }
        match self.has(commit) {
            true => Ok(()),
            false => {
                let (url, commit) = (self.url.clone(), commit.to_owned());
                Err(SourceError::NoCommit { url, commit })
            }
        }
    }

    fn write(&self, commit: &str, writer: &mut TreeWriter) -> Result<(), SourceError> {
        let mut command = self.command();
        command.args(["archive", "--format=tar", commit]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(SourceError::NoGit)?;
        let mut stream = child.stdout.take().expect("it is a pipe");
        let written = archive::tar(&mut stream, writer);
        // What follows the end of the archive.
        let _ = std::io::copy(&mut stream.take(1 << 20), &mut std::io::sink());
        let output = child.wait_with_output().map_err(SourceError::NoGit)?;
        if !output.status.success() && written.is_ok() {
            return Err(SourceError::Git { url: self.url.clone(), why: complaint(&output) });
        }
        written
            .map_err(|why| SourceError::Unpack { what: format!("{} at {commit}", self.url), why })
    }

    fn submodules(&self, commit: &str) -> Result<Vec<Submodule>, SourceError> {
        let listed = self.run(&["ls-tree", "-r", "-z", "--full-tree", commit])?;
        let entries = listed.split(|byte| *byte == 0);
        let mut modules: Vec<Submodule> = entries
            .filter_map(|entry| {
                let at = entry.iter().position(|byte| *byte == b'\t')?;
                let head = std::str::from_utf8(&entry[..at]).ok()?;
                let commit = head.strip_prefix("160000 commit ")?.trim().to_owned();
                let path = PathBuf::from(OsStr::from_bytes(&entry[at + 1..]));
                Some(Submodule { path, commit, url: None })
            })
            .collect();
        if modules.is_empty() {
            return Ok(modules);
        }
        let blob = format!("--blob={commit}:.gitmodules");
        let keys = r"^submodule\..*\.(path|url)$";
        let listed = self.run(&["config", &blob, "-z", "--get-regexp", keys]).unwrap_or_default();
        let text = String::from_utf8_lossy(&listed);
        let values: Vec<(&str, &str)> =
            text.split('\0').filter_map(|entry| entry.split_once('\n')).collect();
        for module in &mut modules {
            let is_path = |(key, value): &&(&str, &str)| {
                key.ends_with(".path") && Path::new(value) == module.path
            };
            let Some((key, _)) = values.iter().find(is_path) else { continue };
            let wanted = format!("{}url", key.trim_end_matches("path"));
            let url = values.iter().find(|(key, _)| *key == wanted);
            module.url = url.map(|(_, url)| (*url).to_owned());
        }
        Ok(modules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submodule_addresses_may_be_relative() {
        let check = |base: &str, url: &str, expect: Option<&str>| {
            assert_eq!(absolute_url(base, url).as_deref(), expect, "{base} {url}");
        };
        check("https://example.org/a/b.git", "https://x/y", Some("https://x/y"));
        check("https://example.org/a/b.git", "../c.git", Some("https://example.org/a/c.git"));
        check("https://example.org/a/b.git/", "./c", Some("https://example.org/a/b.git/c"));
        check("https://example.org/a", "../../../c", None);
        check("git@example.org:a/b", "../c", Some("git@example.org:a/c"));
        check("git@example.org:a", "../c", Some("git@example.org:c"));
        check("file:///a/b", "../../c", Some("file:///c"));
    }
}
