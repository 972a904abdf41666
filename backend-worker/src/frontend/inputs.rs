//! Collects what a unit depends on while it compiles: files that it read or looked up without
//! success, and environment variables.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tender_protocol::{FileStamp, FileTime, InputFile, Precompiled};

/// Caches hashes of files, so that a header that many units read is hashed once per worker.
#[derive(Default)]
pub struct HashCache {
    known: Mutex<HashMap<String, (FileStamp, blake3::Hash)>>,
}

/// A file that changed more recently than this may change again without a new time stamp, so its
/// hash is not cached.
const LEAST_AGE: Duration = Duration::from_secs(2);

impl HashCache {
    /// The hash of `content`, from the cache if the file at `path` is unchanged.
    pub fn hash(&self, path: &str, stamp: FileStamp, content: &[u8]) -> blake3::Hash {
        let entry = self.entry(path, stamp);
        entry.hash().unwrap_or_else(|| entry.keep(blake3::hash(content)))
    }

    /// The cache's entry for a file with this stamp. Must be called before the file is read.
    pub fn entry<'a>(&'a self, path: &'a str, stamp: FileStamp) -> CacheEntry<'a> {
        CacheEntry { cache: self, path, stamp, is_cacheable: is_older(stamp, SystemTime::now()) }
    }
}

/// Whether a file was old enough at that time.
fn is_older(stamp: FileStamp, than: SystemTime) -> bool {
    than.duration_since(UNIX_EPOCH)
        .is_ok_and(|time| time.as_nanos() as i64 - stamp.latest_ns() > LEAST_AGE.as_nanos() as i64)
}

/// One file in a [`HashCache`].
pub struct CacheEntry<'a> {
    cache: &'a HashCache,
    path: &'a str,
    stamp: FileStamp,
    /// Whether the file was old enough before it was read. Its age afterwards proves nothing.
    is_cacheable: bool,
}

impl CacheEntry<'_> {
    /// The hash that the file had when it had the same stamp.
    pub fn hash(&self) -> Option<blake3::Hash> {
        let known = self.cache.known.lock().expect("no panic while locked");
        let (stamp, hash) = known.get(self.path).filter(|_| self.is_cacheable)?;
        (*stamp == self.stamp).then_some(*hash)
    }

    /// Caches the hash if the file was old enough, and returns it.
    pub fn keep(&self, hash: blake3::Hash) -> blake3::Hash {
        if self.is_cacheable {
            let mut known = self.cache.known.lock().expect("no panic while locked");
            known.insert(self.path.to_owned(), (self.stamp, hash));
        }
        hash
    }
}

/// What an item depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dependencies {
    /// A file that changed while several parts read it is listed once for each content, and so
    /// never counts as unchanged.
    pub inputs: Vec<InputFile>,
    pub missing: Vec<String>,
    pub dated: Vec<FileTime>,
    pub precompiled: Vec<Precompiled>,
    /// Names of environment variables.
    pub variables: Vec<String>,
}

impl Dependencies {
    /// Adds those of another part of the item.
    pub fn add(&mut self, other: Dependencies) {
        for input in other.inputs {
            if !self.inputs.contains(&input) {
                self.inputs.push(input);
            }
        }
        for path in other.missing {
            if !self.missing.contains(&path) {
                self.missing.push(path);
            }
        }
        for file in other.dated {
            if !self.dated.contains(&file) {
                self.dated.push(file);
            }
        }
        self.precompiled.extend(other.precompiled);
        for name in other.variables {
            if !self.variables.contains(&name) {
                self.variables.push(name);
            }
        }
    }
}

/// Hashed in place of a directory's content. `tender` uses the same text.
const DIRECTORY: &[u8] = b"directory";

/// Collects the dependencies of one unit.
#[derive(Default, PartialEq)]
pub struct DependencyCollector {
    found: BTreeMap<String, (FileStamp, Option<blake3::Hash>)>,
    /// Contents of files that had another one when they were read again.
    replaced: Vec<InputFile>,
    missing: BTreeSet<String>,
    dated: BTreeSet<FileTime>,
    precompiled: Vec<Precompiled>,
    variables: BTreeSet<String>,
}

impl DependencyCollector {
    pub fn read(
        &mut self,
        cache: &HashCache,
        path: &str,
        stamp: FileStamp,
        content: Option<&[u8]>,
    ) {
        let hash = content.map(|bytes| cache.hash(path, stamp, bytes));
        match self.found.get_mut(path) {
            Some(known) => {
                if let Some(now) = hash {
                    let (stamp, before) = std::mem::replace(known, (stamp, hash));
                    if let Some(before) = before.filter(|before| *before != now) {
                        let (path, hash) = (path.to_owned(), before.to_hex().to_string());
                        self.replaced.push(InputFile { path, stamp, hash });
                    }
                }
            }
            None => {
                self.found.insert(path.to_owned(), (stamp, hash));
            }
        }
    }

    /// The hash of a file that was read, not only looked up.
    pub fn hash_of(&self, path: &str) -> Option<blake3::Hash> {
        self.found.get(path)?.1
    }

    /// The files that were read, not only looked up, with the hashes of their contents in
    /// hexadecimal.
    pub fn contents(&self) -> Vec<(String, String)> {
        let read = self.found.iter().filter_map(|(path, (_, hash))| Some((path, (*hash)?)));
        read.map(|(path, hash)| (path.clone(), hash.to_hex().to_string())).collect()
    }

    pub fn missing(&mut self, path: &str) {
        if !self.missing.contains(path) {
            self.missing.insert(path.to_owned());
        }
    }

    pub fn dated(&mut self, file: FileTime) {
        self.dated.insert(file);
    }

    pub fn precompiled(&mut self, file: Precompiled) {
        self.precompiled.push(file);
    }

    pub fn variable(&mut self, name: &str) {
        self.variables.insert(name.to_owned());
    }

    /// Whether who looks now finds what was found, beginning at `begun`: judged by stamps, as far as
    /// files were old enough for that.
    pub fn is_current(&self, begun: SystemTime) -> bool {
        let is_same = |(path, (stamp, _)): (&String, &(FileStamp, _))| {
            is_older(*stamp, begun)
                && std::fs::metadata(path).is_ok_and(|now| super::stamp(&now) == *stamp)
        };
        self.replaced.is_empty()
            && self.dated.is_empty()
            && self.precompiled.is_empty()
            && self.found.iter().all(is_same)
            && self.missing.iter().all(|path| std::fs::metadata(path).is_err())
    }

    /// The dependencies in the order of their paths. A file that was only looked up is read now,
    /// because a later build may read its content.
    pub fn finish(self, cache: &HashCache) -> Dependencies {
        let mut files = self.replaced;
        let mut missing = self.missing;
        for (path, (stamp, hash)) in self.found {
            let hash = match hash {
                Some(hash) => hash,
                None => match cached_hash(cache, &path, stamp) {
                    Ok(hash) => hash,
                    Err(why) if why.kind() == ErrorKind::IsADirectory => blake3::hash(DIRECTORY),
                    Err(_) => {
                        // The file was removed meanwhile: the next build has to look it up again.
                        missing.insert(path);
                        continue;
                    }
                },
            };
            files.push(InputFile { path, stamp, hash: hash.to_hex().to_string() });
        }
        Dependencies {
            inputs: files,
            missing: missing.into_iter().collect(),
            dated: self.dated.into_iter().collect(),
            precompiled: self.precompiled,
            variables: self.variables.into_iter().collect(),
        }
    }
}

fn cached_hash(cache: &HashCache, path: &str, stamp: FileStamp) -> io::Result<blake3::Hash> {
    let entry = cache.entry(path, stamp);
    entry.hash().map_or_else(|| hash_of_listed(path).map(|hash| entry.keep(hash)), Ok)
}

/// The hash of a path's content; see `tender_protocol::InputFile`.
fn hash_of_listed(path: &str) -> io::Result<blake3::Hash> {
    if path.ends_with('/') {
        let names =
            std::fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().into_encoded_bytes()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        let bytes: Vec<u8> = names.into_iter().flat_map(|name| [name, vec![0]].concat()).collect();
        return Ok(blake3::hash(&bytes));
    }
    hash_of(Path::new(path))
}

/// The hash of a file, which is read through a buffer.
///
/// # Errors
/// The file cannot be read.
pub fn hash_of(path: &Path) -> io::Result<blake3::Hash> {
    Ok(blake3::Hasher::new().update_reader(File::open(path)?)?.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: FileStamp = FileStamp { size: 3, mtime_ns: 1_000, ctime_ns: 1_000, inode: 1 };

    #[test]
    fn inputs_hash_a_file_that_was_first_only_looked_up() {
        let cache = HashCache::default();
        let mut inputs = DependencyCollector::default();
        inputs.read(&cache, "a.h", STAMP, None);
        inputs.read(&cache, "a.h", STAMP, Some(b"abc"));
        inputs.missing("b.h");
        let Dependencies { inputs, missing, .. } = inputs.finish(&cache);
        assert_eq!(inputs.len(), 1);
        assert_eq!(inputs[0].hash, blake3::hash(b"abc").to_hex().to_string());
        assert_eq!(missing, ["b.h"]);
    }

    #[test]
    fn inputs_list_each_content_of_a_file_that_is_read_twice() {
        let cache = HashCache::default();
        let mut inputs = DependencyCollector::default();
        for (content, inode) in [(b"abc", 1), (b"abc", 1), (b"xyz", 2)] {
            inputs.read(&cache, "a.h", FileStamp { inode, ..STAMP }, Some(content));
        }
        let read: Vec<String> =
            inputs.finish(&cache).inputs.into_iter().map(|file| file.hash).collect();
        assert_eq!(read, [b"abc", b"xyz"].map(|text| blake3::hash(text).to_hex().to_string()));
    }

    #[test]
    fn inputs_are_current_while_all_that_was_looked_up_is_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("a.h"), "abc").unwrap();
        let found = || {
            let mut inputs = DependencyCollector::default();
            let stamp = crate::frontend::stamp(&std::fs::metadata(path("a.h")).unwrap());
            inputs.read(&HashCache::default(), &path("a.h"), stamp, Some(b"abc"));
            inputs.missing(&path("b.h"));
            inputs
        };
        let now = SystemTime::now();
        let later = now + LEAST_AGE * 2;
        assert!(found().is_current(later));
        assert!(!found().is_current(now), "its stamp proves nothing");
        let mut dated = found();
        dated.dated(FileTime { path: path("a.h"), mtime_s: 0 });
        assert!(!dated.is_current(later));
        let before = found();
        std::fs::write(path("b.h"), "").unwrap();
        assert!(!before.is_current(later));
        std::fs::remove_file(path("b.h")).unwrap();
        assert!(before.is_current(later));
        std::fs::write(path("a.h"), "longer").unwrap();
        assert!(!before.is_current(later));
    }

    #[test]
    fn inputs_of_pieces_are_merged_with_each_content() {
        let dependencies = |content: &[u8], missing: &str| {
            let mut inputs = DependencyCollector::default();
            inputs.read(&HashCache::default(), "a.h", STAMP, Some(content));
            inputs.missing(missing);
            inputs.finish(&HashCache::default())
        };
        let mut all = dependencies(b"abc", "b.h");
        all.add(dependencies(b"abc", "b.h"));
        assert_eq!(all, dependencies(b"abc", "b.h"));
        all.add(dependencies(b"xyz", "c.h"));
        assert_eq!(
            all.inputs,
            [dependencies(b"abc", "").inputs, dependencies(b"xyz", "").inputs].concat()
        );
        assert_eq!(all.missing, ["b.h", "c.h"]);
    }

    #[test]
    fn inputs_hash_a_directory_by_existence_or_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap().to_owned();
        std::fs::write(dir.path().join("b"), "1").unwrap();
        std::fs::write(dir.path().join("a"), "2").unwrap();
        assert_eq!(hash_of_listed(&path).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(hash_of_listed(&format!("{path}/")).unwrap(), blake3::hash(b"a\0b\0"));
        assert!(hash_of_listed(&format!("{path}/c/")).is_err());
    }

    #[test]
    fn inputs_do_not_cache_the_hash_of_a_recent_file() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
        // A program may have set the modification time back.
        for young in [FileStamp { mtime_ns: now, ..STAMP }, FileStamp { ctime_ns: now, ..STAMP }] {
            let cache = HashCache::default();
            assert_eq!(cache.hash("a.h", young, b"abc"), blake3::hash(b"abc"));
            assert_eq!(cache.hash("a.h", young, b"xyz"), blake3::hash(b"xyz"));
        }
    }
}
