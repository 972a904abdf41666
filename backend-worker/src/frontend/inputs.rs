//! What a unit depends on, found while it compiles: files that it read, or looked for in vain, and
//! environment variables.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tender_protocol::{FileStamp, FileTime, InputFile, Precompiled};

/// Hashes of files that many units read, so that a header is hashed once per worker.
#[derive(Default)]
pub struct StampCache {
    known: Mutex<HashMap<String, (FileStamp, blake3::Hash)>>,
}

/// A file younger than this may change again without a new time, so its hash is not kept.
const SETTLED: Duration = Duration::from_secs(2);

impl StampCache {
    pub fn hash(&self, path: &str, stamp: FileStamp, content: &[u8]) -> blake3::Hash {
        let entry = self.entry(path, stamp);
        entry.hash().unwrap_or_else(|| entry.keep(blake3::hash(content)))
    }

    /// What is known of a file that has this stamp, before it is read.
    pub fn entry<'a>(&'a self, path: &'a str, stamp: FileStamp) -> CacheEntry<'a> {
        let is_settled = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .is_ok_and(|now| now.as_nanos() as i64 - stamp.latest_ns() > SETTLED.as_nanos() as i64);
        CacheEntry { cache: self, path, stamp, is_settled }
    }
}

/// One file in a [`StampCache`].
pub struct CacheEntry<'a> {
    cache: &'a StampCache,
    path: &'a str,
    stamp: FileStamp,
    /// Whether it was settled before it was read; that it is afterwards proves nothing.
    is_settled: bool,
}

impl CacheEntry<'_> {
    /// The hash that the file had when it had the same stamp.
    pub fn hash(&self) -> Option<blake3::Hash> {
        let known = self.cache.known.lock().expect("no panic while locked");
        let (stamp, hash) = known.get(self.path).filter(|_| self.is_settled)?;
        (*stamp == self.stamp).then_some(*hash)
    }

    /// Keeps the hash where it can be relied on, and returns it.
    pub fn keep(&self, hash: blake3::Hash) -> blake3::Hash {
        if self.is_settled {
            let mut known = self.cache.known.lock().expect("no panic while locked");
            known.insert(self.path.to_owned(), (self.stamp, hash));
        }
        hash
    }
}

/// What was read, and what was looked for in vain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reads {
    /// A file that changed while several read it is in here once for each content, and so is never
    /// found unchanged.
    pub inputs: Vec<InputFile>,
    pub missing: Vec<String>,
    pub dated: Vec<FileTime>,
    pub precompiled: Vec<Precompiled>,
    /// Names of environment variables.
    pub variables: Vec<String>,
}

impl Reads {
    pub fn add(&mut self, other: Reads) {
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

/// Stands for the content of a directory in the place of a file. `tender` takes the same.
const DIRECTORY: &[u8] = b"directory";

/// Collects one unit's inputs.
#[derive(Default)]
pub struct Inputs {
    found: BTreeMap<String, (FileStamp, Option<blake3::Hash>)>,
    missing: BTreeSet<String>,
    dated: BTreeSet<FileTime>,
    precompiled: Vec<Precompiled>,
    variables: BTreeSet<String>,
}

impl Inputs {
    pub fn read(
        &mut self,
        cache: &StampCache,
        path: &str,
        stamp: FileStamp,
        content: Option<&[u8]>,
    ) {
        let hash = content.map(|bytes| cache.hash(path, stamp, bytes));
        match self.found.get_mut(path) {
            Some(known) => {
                if hash.is_some() {
                    *known = (stamp, hash);
                }
            }
            None => {
                self.found.insert(path.to_owned(), (stamp, hash));
            }
        }
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

    /// In the order of their paths. A file that was only asked for is read now, because its content
    /// may come to matter.
    pub fn finish(self, cache: &StampCache) -> Reads {
        let mut files = Vec::with_capacity(self.found.len());
        let mut missing = self.missing;
        for (path, (stamp, hash)) in self.found {
            let hash = match hash {
                Some(hash) => hash,
                None => match cached_hash(cache, &path, stamp) {
                    Ok(hash) => hash,
                    Err(why) if why.kind() == ErrorKind::IsADirectory => blake3::hash(DIRECTORY),
                    Err(_) => {
                        // It was there and is gone: the next build has to look.
                        missing.insert(path);
                        continue;
                    }
                },
            };
            files.push(InputFile { path, stamp, hash: hash.to_hex().to_string() });
        }
        Reads {
            inputs: files,
            missing: missing.into_iter().collect(),
            dated: self.dated.into_iter().collect(),
            precompiled: self.precompiled,
            variables: self.variables.into_iter().collect(),
        }
    }
}

fn cached_hash(cache: &StampCache, path: &str, stamp: FileStamp) -> io::Result<blake3::Hash> {
    let entry = cache.entry(path, stamp);
    entry.hash().map_or_else(|| hash_of_listed(path).map(|hash| entry.keep(hash)), Ok)
}

/// The hash of what counts of a path, as `tender_protocol::InputFile` has it.
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

/// The hash of a file, of which no more than a buffer is in memory at once.
///
/// # Errors
/// It cannot be read.
pub fn hash_of(path: &Path) -> io::Result<blake3::Hash> {
    Ok(blake3::Hasher::new().update_reader(File::open(path)?)?.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: FileStamp = FileStamp { size: 3, mtime_ns: 1_000, ctime_ns: 1_000, inode: 1 };

    #[test]
    fn a_file_that_was_first_only_seen_gets_its_hash_when_it_is_read() {
        let cache = StampCache::default();
        let mut inputs = Inputs::default();
        inputs.read(&cache, "a.h", STAMP, None);
        inputs.read(&cache, "a.h", STAMP, Some(b"abc"));
        inputs.missing("b.h");
        let Reads { inputs, missing, .. } = inputs.finish(&cache);
        assert_eq!(inputs.len(), 1);
        assert_eq!(inputs[0].hash, blake3::hash(b"abc").to_hex().to_string());
        assert_eq!(missing, ["b.h"]);
    }

    #[test]
    fn reads_of_pieces_are_one_list_with_each_content_of_a_file() {
        let reads = |content: &[u8], missing: &str| {
            let mut inputs = Inputs::default();
            inputs.read(&StampCache::default(), "a.h", STAMP, Some(content));
            inputs.missing(missing);
            inputs.finish(&StampCache::default())
        };
        let mut all = reads(b"abc", "b.h");
        all.add(reads(b"abc", "b.h"));
        assert_eq!(all, reads(b"abc", "b.h"));
        all.add(reads(b"xyz", "c.h"));
        assert_eq!(all.inputs, [reads(b"abc", "").inputs, reads(b"xyz", "").inputs].concat());
        assert_eq!(all.missing, ["b.h", "c.h"]);
    }

    #[test]
    fn a_directory_counts_by_being_there_or_by_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap().to_owned();
        std::fs::write(dir.path().join("b"), "1").unwrap();
        std::fs::write(dir.path().join("a"), "2").unwrap();
        assert_eq!(hash_of_listed(&path).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(hash_of_listed(&format!("{path}/")).unwrap(), blake3::hash(b"a\0b\0"));
        assert!(hash_of_listed(&format!("{path}/c/")).is_err());
    }

    #[test]
    fn a_young_file_is_hashed_anew() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
        // Its modification time may have been set back.
        for young in [FileStamp { mtime_ns: now, ..STAMP }, FileStamp { ctime_ns: now, ..STAMP }] {
            let cache = StampCache::default();
            assert_eq!(cache.hash("a.h", young, b"abc"), blake3::hash(b"abc"));
            assert_eq!(cache.hash("a.h", young, b"xyz"), blake3::hash(b"xyz"));
        }
    }
}
