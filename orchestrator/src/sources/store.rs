//! The sources of one workspace: the lock file says which, and a look at a directory whether they are
//! there. What is not there is provided when it is asked for.

use super::archive;
use super::cache::SourceCache;
use super::download;
use super::error::SourceError;
use super::fetch_all::{CachedSource, FetchMeans, WantedSource, fetch_all};
use super::git::GitProgram;
use super::patches;
use super::repository::{self, GitFetch};
use super::tree;
use super::unpack::{StripPrefix, TreeWriter, UnpackError};
use super::vendored::{self, VENDOR_DIR};
use crate::manifest::{
    DeclaredSources, FoundSource, LOCK_NAME, LockFile, LockedSource, SourceFinder, SourceOrigin,
    SourceSpec, check_archive_url, digest_text,
};
use crate::sys::looks;
use crate::sys::whole_file;
use camino::{Utf8Path, Utf8PathBuf};
use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};

/// Of a lock file, bytes.
const LARGEST_LOCK: u64 = 16 << 20;
/// Of the tree of a commit, bytes.
const LARGEST_TREE: u64 = 16 << 30;

/// What may be done for sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceNetwork {
    /// The lock file stays as it is.
    pub locked: bool,
    /// Nothing is fetched.
    pub offline: bool,
}

/// What is being done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceEvent {
    /// So many are fetched now.
    Planned {
        count: usize,
    },
    /// `resumed_at`: this many bytes are there already.
    Downloading {
        url: String,
        resumed_at: u64,
    },
    /// Of an archive so much is there, of so much if that is known; bytes.
    Received {
        url: String,
        bytes: u64,
        total: Option<u64>,
    },
    /// A repository is asked for commits.
    Updating {
        url: String,
    },
    /// Of a repository so many objects have arrived, of so many; `bytes` are about as many as they have.
    ReceivedObjects {
        url: String,
        objects: u64,
        total: u64,
        bytes: u64,
    },
    /// One of those that were planned is there, or cannot be had.
    Ended {
        url: String,
    },
    /// All of them have ended.
    Over,
    Unpacking {
        krate: String,
        what: String,
    },
    /// Another process downloads the same.
    Waiting {
        what: String,
    },
}

/// A receiver of what is being done, on one thread.
pub trait SourceSink {
    fn event(&mut self, event: &SourceEvent);
    /// Called about ten times a second while something is fetched (to draw).
    fn tick(&mut self) {}
}

#[derive(Debug)]
pub struct SourceStore {
    cache: SourceCache,
    git: GitProgram,
    network: SourceNetwork,
    /// The directory of all that builds make; where it is relative, it is below the workspace.
    target_dir: Utf8PathBuf,
    /// Copies in the workspace count.
    vendored: bool,
    state: RefCell<StoreState>,
}

/// What is found out about sources that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceCheck {
    Whole,
    /// They had been changed, and are there no more.
    Made,
    /// The copy in this directory has been changed.
    Vendored(Utf8PathBuf),
}

#[derive(Debug, Default)]
struct StoreState {
    /// The directory of the workspace, and the lock file as it was read; None: it could not be.
    read: Option<(Utf8PathBuf, Option<LockFile>)>,
    lock: LockFile,
    /// What copies in the workspace are of; None: there are none, or they do not count.
    vendored: Option<LockFile>,
}

impl SourceStore {
    pub fn new(
        cache: SourceCache,
        git: GitProgram,
        network: SourceNetwork,
        target_dir: Utf8PathBuf,
        vendored: bool,
    ) -> SourceStore {
        SourceStore { cache, git, network, target_dir, vendored, state: RefCell::default() }
    }

    /// Fetches sources that `find` has not found, several at once, and notes in the lock file what they
    /// are. One that fails does not keep others from being fetched.
    ///
    /// # Errors
    /// Of each that cannot be had, or is not what the lock file says; in order of the crates' names.
    pub fn provide(
        &self,
        root: &Utf8Path,
        specs: &[SourceSpec],
        sink: &mut dyn SourceSink,
    ) -> Result<(), Vec<SourceError>> {
        looks::doubt("sources are fetched");
        self.open(root).map_err(|error| vec![error])?;
        let mut errors: Vec<(String, SourceError)> = Vec::new();
        let mut wanted: Vec<(WantedSource, Vec<&SourceSpec>)> = Vec::new();
        for spec in specs {
            match self.wanted(root, spec) {
                Err(error) => errors.push((spec.krate.clone(), error)),
                Ok(None) => {
                    if let Err(error) = self.note(root, spec, None, sink) {
                        errors.push((spec.krate.clone(), error));
                    }
                }
                Ok(Some(one)) => match wanted.iter_mut().find(|(known, _)| *known == one) {
                    Some((_, specs)) => specs.push(spec),
                    None => wanted.push((one, vec![spec])),
                },
            }
        }
        let (wanted, users): (Vec<WantedSource>, Vec<Vec<&SourceSpec>>) =
            wanted.into_iter().unzip();
        let means = FetchMeans { git: &self.git, cache: &self.cache, network: self.network };
        if !wanted.is_empty() {
            fetch_all(&wanted, &means, sink, &mut |at, result, sink| match result {
                Err(error) => errors.push((users[at][0].krate.clone(), error)),
                Ok(cached) => {
                    for spec in &users[at] {
                        if let Err(error) = self.note(root, spec, Some(&cached), sink) {
                            errors.push((spec.krate.clone(), error));
                        }
                    }
                }
            });
        }
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by(|one, other| one.0.cmp(&other.0));
        Err(errors.into_iter().map(|(_, error)| error).collect())
    }

    /// What has to be in the cache for these sources; None: they are there.
    ///
    /// # Errors
    /// They must not be fetched.
    fn wanted(
        &self,
        root: &Utf8Path,
        spec: &SourceSpec,
    ) -> Result<Option<WantedSource>, SourceError> {
        let state = self.state.borrow();
        let what = || format!("`{}` from {}", spec.krate, spec.origin);
        if state.vendored.is_some() {
            return Err(SourceError::Vendored { dir: root.join(VENDOR_DIR), what: what() });
        }
        let patches = patches::digest(&spec.patches)?.map(|hash| digest_text(&hash));
        let known = || state.lock.sources.iter().filter(|known| known.origin == spec.origin);
        let exact = known().find(|known| known.patches == patches);
        if self.network.locked && exact.is_none_or(|known| !known.crates.contains(&spec.krate)) {
            return Err(SourceError::Locked { lock: root.join(LOCK_NAME), what: what() });
        }
        if exact.is_some_and(|known| self.place(root, known).is_dir()) {
            return Ok(None);
        }
        Ok(Some(match &spec.origin {
            SourceOrigin::Archive { url, sha256, .. } => {
                WantedSource::Archive { url: url.clone(), sha256: sha256.clone() }
            }
            SourceOrigin::Git { url, reference } => WantedSource::Git {
                url: url.clone(),
                reference: reference.clone(),
                // A changed patch does not choose another commit.
                commit: known().next().and_then(|known| known.commit.clone()),
            },
        }))
    }

    /// Notes sources in the lock file, and unpacks them if they are not there. `cached`: None if they are.
    ///
    /// # Errors
    /// They cannot be unpacked, or are not what the lock file says.
    fn note(
        &self,
        root: &Utf8Path,
        spec: &SourceSpec,
        cached: Option<&CachedSource>,
        sink: &mut dyn SourceSink,
    ) -> Result<(), SourceError> {
        let patches = patches::digest(&spec.patches)?.map(|hash| digest_text(&hash));
        let known = self.state.borrow().lock.sources.clone();
        let exact =
            known.iter().find(|known| known.origin == spec.origin && known.patches == patches);
        let mut entry = match exact {
            Some(exact) => exact.clone(),
            None => LockedSource {
                crates: Vec::new(),
                origin: spec.origin.clone(),
                commit: match cached {
                    Some(CachedSource::Commit(commit)) => Some(commit.clone()),
                    _ => None,
                },
                patches,
                tree: String::new(),
            },
        };
        if let Some(cached) = cached
            && (exact.is_none() || !self.place(root, &entry).is_dir())
        {
            entry.tree = self.unpack(root, spec, (&entry, exact), cached, sink)?;
        }
        entry.crates.push(spec.krate.clone());
        entry.crates.sort();
        entry.crates.dedup();
        let lock = &mut self.state.borrow_mut().lock;
        let is_old =
            |old: &LockedSource| old.origin == entry.origin && old.patches == entry.patches;
        lock.sources.retain(|old| !is_old(old));
        lock.sources.push(entry);
        Ok(())
    }

    /// Downloads an archive, and returns its checksum.
    ///
    /// # Errors
    /// It cannot be had, or its address is wrong.
    pub fn checksum(&self, url: &str, sink: &mut dyn SourceSink) -> Result<String, SourceError> {
        if let Err(error) = check_archive_url(url) {
            return Err(SourceError::Download { url: url.to_owned(), why: error.message });
        }
        sink.event(&SourceEvent::Planned { count: 1 });
        let found = download::checksum(&self.cache, url, &mut |event| {
            sink.event(&event);
            sink.tick();
        });
        sink.event(&SourceEvent::Ended { url: url.to_owned() });
        sink.event(&SourceEvent::Over);
        found
    }

    /// Writes the lock file if it has changed. Sources that no manifest names leave it, if all
    /// manifests are known.
    ///
    /// # Errors
    /// It cannot be written, or must not.
    pub fn finish(&self, root: &Utf8Path, declared: &DeclaredSources) -> Result<(), SourceError> {
        if declared.all.is_empty() && !looks::is_file(root.join(LOCK_NAME)) {
            return Ok(());
        }
        self.open(root)?;
        let state = &mut *self.state.borrow_mut();
        if !declared.some_absent {
            let mut kept = Vec::new();
            for spec in &declared.all {
                let patches = patches::digest(&spec.patches)?.map(|hash| digest_text(&hash));
                kept.push((&spec.origin, patches, &spec.krate));
            }
            for source in &mut state.lock.sources {
                let names = |name: &String| {
                    kept.iter().any(|(origin, patches, krate)| {
                        **origin == source.origin && *patches == source.patches && *krate == name
                    })
                };
                source.crates = source.crates.iter().filter(|name| names(name)).cloned().collect();
            }
            state.lock.sources.retain(|source| !source.crates.is_empty());
        }
        let Some((_, Some(read))) = &state.read else { return Ok(()) };
        if read.text() == state.lock.text() {
            return Ok(());
        }
        let path = root.join(LOCK_NAME);
        if self.network.locked {
            let gone = read.sources.iter().filter(|old| !state.lock.sources.contains(old));
            let gone: Vec<String> = gone.map(|old| old.origin.to_string()).collect();
            return Err(SourceError::LockedRest { lock: path, what: gone.join(", ") });
        }
        looks::doubt("the lock file is written");
        write(&path, &state.lock.text())
            .map_err(|source| SourceError::Write { path: path.clone(), source })?;
        state.read = Some((root.to_owned(), Some(state.lock.clone())));
        Ok(())
    }

    /// What the lock file has.
    ///
    /// # Errors
    /// It is wrong.
    pub fn lock_file(&self, root: &Utf8Path) -> Result<Vec<LockedSource>, SourceError> {
        self.open(root)?;
        Ok(self.locked())
    }

    /// What the lock file has by now.
    pub fn locked(&self) -> Vec<LockedSource> {
        self.state.borrow().lock.sources.clone()
    }

    /// Chooses commits again, of the sources of these crates; none: of all.
    pub fn forget(&self, crates: &[String]) {
        let is_meant = |source: &LockedSource| {
            crates.is_empty() || source.crates.iter().any(|name| crates.contains(name))
        };
        self.state.borrow_mut().lock.sources.retain(|source| !is_meant(source));
    }

    /// Looks at all files of the sources that are there. What was changed is removed, apart from copies
    /// in the workspace.
    ///
    /// # Errors
    /// Files cannot be read or removed.
    pub fn check(&self) -> Result<Vec<(LockedSource, SourceCheck)>, SourceError> {
        let state = self.state.borrow();
        let Some((root, _)) = &state.read else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for source in &state.lock.sources {
            let dir = match &state.vendored {
                None => self.place(root, source),
                Some(_) => vendored::place(root, source),
            };
            // Nothing on this machine has needed it.
            if !dir.is_dir() {
                continue;
            }
            let check = match (vendored::is_whole(&dir, source)?, &state.vendored) {
                (true, _) => SourceCheck::Whole,
                (false, Some(_)) => SourceCheck::Vendored(dir),
                (false, None) => {
                    fs::remove_dir_all(&dir)
                        .map_err(|source| SourceError::Write { path: dir, source })?;
                    SourceCheck::Made
                }
            };
            found.push((source.clone(), check));
        }
        Ok(found)
    }

    /// Copies all sources, which are there, into the workspace, and returns how many there are.
    ///
    /// # Errors
    /// They cannot be written, or something else is in their place.
    pub fn vendor(&self, root: &Utf8Path) -> Result<usize, SourceError> {
        let with_place = |source: LockedSource| {
            let place = self.place(root, &source);
            (source, place)
        };
        let sources: Vec<_> = self.locked().into_iter().map(with_place).collect();
        vendored::write(root, &sources)?;
        Ok(sources.len())
    }

    /// Reads the lock file, once.
    fn open(&self, root: &Utf8Path) -> Result<(), SourceError> {
        let mut state = self.state.borrow_mut();
        if let Some((known, Some(_))) = &state.read
            && known == root
        {
            return Ok(());
        }
        let path = root.join(LOCK_NAME);
        let lock = match whole_file::read(path.as_std_path(), LARGEST_LOCK) {
            Ok(bytes) => LockFile::parse(&String::from_utf8_lossy(&bytes))
                .map_err(|why| SourceError::Lock { path, why }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(LockFile::default()),
            Err(source) => Err(SourceError::Read { path, source }),
        };
        let vendored = if self.vendored { vendored::read(root) } else { Ok(None) };
        let is_read = vendored.is_ok();
        state.read = Some((root.to_owned(), lock.as_ref().ok().filter(|_| is_read).cloned()));
        state.lock = lock?;
        state.vendored = vendored?;
        Ok(())
    }

    /// The directory of all that builds make, in which sources are unpacked.
    pub fn target_dir(&self, root: &Utf8Path) -> Utf8PathBuf {
        // `..` stays: what it means depends on symbolic links.
        root.join(&self.target_dir).components().collect()
    }

    fn places(&self, root: &Utf8Path) -> Utf8PathBuf {
        self.target_dir(root).join("sources")
    }

    fn place(&self, root: &Utf8Path, source: &LockedSource) -> Utf8PathBuf {
        let mut hasher = blake3::Hasher::new();
        let (what, prefix) = match &source.origin {
            SourceOrigin::Archive { sha256, strip_prefix, .. } => {
                (Some(sha256), strip_prefix.as_ref())
            }
            SourceOrigin::Git { .. } => (source.commit.as_ref(), None),
        };
        for part in [what, prefix, source.patches.as_ref(), Some(&source.tree)] {
            let part = part.map_or("", String::as_str);
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let hash = hasher.finalize().to_hex();
        self.places(root).join(format!("{}-{}", source.origin.stem(), &hash[..12]))
    }

    /// Makes the directory of a source, and returns the digest of what is in it. `known`: the entry of
    /// the lock file, whose digest it must have.
    fn unpack(
        &self,
        root: &Utf8Path,
        spec: &SourceSpec,
        (entry, known): (&LockedSource, Option<&LockedSource>),
        cached: &CachedSource,
        sink: &mut dyn SourceSink,
    ) -> Result<String, SourceError> {
        let places = self.places(root);
        let cannot = |source| SourceError::Write { path: places.clone(), source };
        let url = spec.origin.url();
        let what = match &entry.commit {
            Some(commit) => format!("{url} at {}", &commit[..12]),
            None => url.to_owned(),
        };
        let failed = |why: UnpackError| SourceError::Unpack { what: what.clone(), why };
        sink.event(&SourceEvent::Unpacking { krate: spec.krate.clone(), what: what.clone() });
        fs::create_dir_all(&places).map_err(cannot)?;
        let dir = tempfile::Builder::new().prefix(".new-").tempdir_in(&places).map_err(cannot)?;
        let new = dir.path().join("tree");
        fs::create_dir(&new).map_err(cannot)?;
        let tree = match cached {
            CachedSource::Archive(archive) => {
                let prefix = match &spec.origin {
                    SourceOrigin::Archive { strip_prefix: Some(prefix), .. } => {
                        StripPrefix::This(prefix)
                    }
                    _ => StripPrefix::Only,
                };
                archive::unpack(archive, &new, prefix).map_err(failed)?
            }
            CachedSource::Commit(commit) => {
                let mut writer = TreeWriter::new(&new, LARGEST_TREE);
                let mut report = |event| sink.event(&event);
                let (git, cache, network) = (&self.git, &self.cache, self.network);
                let mut fetch = GitFetch { git, cache, network, report: &mut report };
                repository::export(&mut fetch, url, commit, &mut writer)?;
                writer.finish(StripPrefix::Nothing).map_err(failed)?
            }
        };
        patches::apply(&self.git, &tree, &spec.krate, &spec.patches)?;
        let digest = tree::finish(&tree).map_err(failed)?;
        let digest = digest_text(&digest);
        if let Some(known) = known.filter(|known| known.tree != digest) {
            return Err(SourceError::Tree {
                what: format!("`{}`, {what}", spec.krate),
                locked: known.tree.clone(),
                found: digest,
            });
        }
        let place = self.place(root, &LockedSource { tree: digest.clone(), ..entry.clone() });
        // Another process may have made it meanwhile.
        match fs::rename(&tree, &place) {
            Err(error) if !place.is_dir() => Err(cannot(error)),
            _ => Ok(digest),
        }
    }
}

impl SourceFinder for SourceStore {
    fn find(&self, root: &Utf8Path, spec: &SourceSpec) -> Option<FoundSource> {
        // What is wrong is said when the sources are asked for.
        self.open(root).ok()?;
        let patches = patches::digest(&spec.patches).ok()?.map(|hash| digest_text(&hash));
        let state = self.state.borrow();
        let is_it = |known: &&LockedSource| {
            known.origin == spec.origin
                && known.patches == patches
                && known.crates.contains(&spec.krate)
        };
        let known = state.lock.sources.iter().find(is_it)?;
        let dir = match &state.vendored {
            None => self.place(root, known),
            Some(copies) => {
                copies.sources.iter().find(|copy| *copy == known)?;
                vendored::place(root, known)
            }
        };
        looks::is_dir(&dir).then(|| FoundSource { dir, commit: known.commit.clone() })
    }
}

/// Never half of it.
fn write(path: &Utf8Path, text: &str) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Utf8Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode)?;
    file.persist(path)?;
    Ok(())
}
