//! The files of one build: each path is checked once, and read only if its stamp does not prove
//! that it is unchanged. Knows no items.

use super::command::Hash;
use super::listing::Listings;
use super::program;
use super::store::{Observed, Tables, TextId, VersionId};
use crate::sys::looks::{self, FileState, PathKind, now_ns};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use tender_protocol::FileStamp;

/// The prefix of the name of a file that is a program, which is identified by its build id instead
/// of its content. No path has this character.
pub(super) fn program_name(path: &str) -> String {
    format!("{PROGRAM}{path}")
}

/// The path in a name.
pub(super) fn path_of(name: &str) -> &str {
    name.strip_prefix(PROGRAM).unwrap_or(name)
}

const PROGRAM: char = '\0';

/// The state of a path in this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Absent,
    /// It exists, and cannot be read.
    Unreadable,
    Is(VersionId),
}

/// What is known of a path.
#[derive(Clone, Copy, Debug)]
enum Known {
    Is(FileStamp),
    Absent,
    /// Absent, by the names in its directory.
    RuledOut,
}

impl Known {
    fn stamp(self) -> Option<FileStamp> {
        match self {
            Known::Is(stamp) => Some(stamp),
            Known::Absent | Known::RuledOut => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Files {
    /// The directory of relative paths.
    root: OwnedFd,
    root_path: Utf8PathBuf,
    /// By path; `None` if the path was not checked yet.
    stamps: Vec<Option<Known>>,
    contents: Vec<Option<Content>>,
    listings: Listings,
}

impl Files {
    /// An empty cache of files. `root` is the directory of relative paths.
    ///
    /// # Errors
    /// `root` is not a directory that can be entered.
    pub fn new(root: &Utf8Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            root: rustix::fs::open(root.as_std_path(), flags, Mode::empty())?,
            root_path: root.to_owned(),
            stamps: Vec::new(),
            contents: Vec::new(),
            listings: Listings::default(),
        })
    }

    /// Forgets the state of all files: a command has run, which may have written files that it does
    /// not declare.
    pub fn forget(&mut self) {
        looks::doubt("something has run");
        self.stamps.clear();
        self.contents.clear();
        self.listings.clear();
    }

    /// Records the state of a file that an item has just written.
    pub fn know(&mut self, tables: &Tables, path: TextId, stamp: FileStamp, content: Content) {
        self.grow(tables);
        self.stamps[path as usize] = Some(Known::Is(stamp));
        self.contents[path as usize] = Some(content);
    }

    /// Checks a path that is expected not to exist.
    pub fn exists(&mut self, tables: &Tables, path: TextId) -> bool {
        self.grow(tables);
        if let Some(known) = self.stamps[path as usize] {
            return known.stamp().is_some();
        }
        if self.listings.rule_out((&self.root, &self.root_path), tables.text(path)) {
            self.stamps[path as usize] = Some(Known::RuledOut);
            return false;
        }
        self.stamp(tables, path).is_some()
    }

    /// Time of change, whole seconds since the epoch.
    pub fn mtime_s(&mut self, tables: &Tables, path: TextId) -> Option<i64> {
        self.stamp(tables, path).map(|stamp| stamp.mtime_ns.div_euclid(1_000_000_000))
    }

    pub fn content(&mut self, tables: &mut Tables, path: TextId) -> Content {
        self.grow(tables);
        if let Some(known) = self.contents[path as usize] {
            return known;
        }
        let content = match self.stamp(tables, path) {
            None => Content::Absent,
            Some(stamp) => match tables.observed(path) {
                Some(seen) if seen.trusted && seen.stamp == stamp => Content::Is(seen.version),
                _ => self.read(tables, path),
            },
        };
        self.contents[path as usize] = Some(content);
        content
    }

    fn stamp(&mut self, tables: &Tables, path: TextId) -> Option<FileStamp> {
        self.grow(tables);
        if let Some(known) = self.stamps[path as usize] {
            return known.stamp();
        }
        let found = rustix::fs::statat(&self.root, path_of(tables.text(path)), AtFlags::empty());
        let stamp = found.ok().map(|stat| stamp(&stat));
        self.stamps[path as usize] = Some(stamp.map_or(Known::Absent, Known::Is));
        stamp
    }

    fn read(&mut self, tables: &mut Tables, path: TextId) -> Content {
        let before = now_ns();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let name = tables.text(path);
        let hash = |file| match name.starts_with(PROGRAM) {
            true => program::identity_of(file),
            false => hash_open(file, name.ends_with('/')),
        };
        let opened = rustix::fs::openat(&self.root, path_of(name), flags, Mode::empty());
        let Ok((stamp, hash)) = opened.map_err(io::Error::from).and_then(|fd| hash(fd.into()))
        else {
            return Content::Unreadable;
        };
        let version = tables.version(path, hash);
        tables.observe(Observed { stamp, version, trusted: trusted(stamp, before) });
        Content::Is(version)
    }

    /// Adds all that was asked here to the record of looks. The content of a file that is as young as
    /// this build is not certain.
    pub fn tell_looks(&self, tables: &Tables) {
        for (id, known) in self.stamps.iter().enumerate() {
            let Some(known) = known else { continue };
            let id = id as TextId;
            let path = self.root_path.join(path_of(tables.text(id)));
            match (known, self.contents[id as usize]) {
                (Known::RuledOut, _) => {}
                (Known::Absent, _) => looks::saw_kind(path.as_std_path(), PathKind::Absent),
                (Known::Is(_), Some(Content::Absent | Content::Unreadable)) => {
                    looks::doubt(format!("`{path}` cannot be read"));
                }
                (Known::Is(stamp), content) => {
                    let holds = |seen: Observed| seen.trusted && seen.stamp == *stamp;
                    if content.is_some() && !tables.observed(id).is_some_and(holds) {
                        looks::doubt(format!("`{path}` was changed only now"));
                    }
                    looks::saw_state(path.as_std_path(), Some(state(*stamp)));
                }
            }
        }
    }

    fn grow(&mut self, tables: &Tables) {
        if self.stamps.len() < tables.texts() {
            self.stamps.resize(tables.texts(), None);
            self.contents.resize(tables.texts(), None);
        }
    }
}

/// Whether a file with this stamp, read at `read_ns` (nanoseconds since the epoch) or later, would
/// have another stamp if it had changed after it was read. Clocks of file systems tick every 4 to
/// 10 ms; a time of whole seconds means one that ticks every second or two. The later of both times
/// counts: a program may have set the modification time.
pub(super) fn trusted(stamp: FileStamp, read_ns: i64) -> bool {
    looks::is_settled(stamp.latest_ns(), read_ns)
}

pub(super) fn stamp_of(path: &Utf8Path) -> Option<FileStamp> {
    let FileState { size, mtime_ns, ctime_ns, inode } = looks::state(path.as_std_path())?;
    Some(FileStamp { size, mtime_ns, ctime_ns, inode })
}

/// As the record of looks has it.
fn state(stamp: FileStamp) -> FileState {
    let FileStamp { size, mtime_ns, ctime_ns, inode } = stamp;
    FileState { size, mtime_ns, ctime_ns, inode }
}

/// # Errors
/// The file cannot be read.
pub(super) fn hash_file(path: &Utf8Path) -> io::Result<(FileStamp, Hash)> {
    hash_open(std::fs::File::open(path)?, path.as_str().ends_with('/'))
}

/// The stamp is read first: if the file changes while it is read, its stamp is another one. Of a
/// directory the names count if it is to be listed, as `tender_protocol::InputFile` has it.
///
/// # Errors
/// The file cannot be read.
pub(super) fn hash_open(mut file: std::fs::File, listed: bool) -> io::Result<(FileStamp, Hash)> {
    let stat = rustix::fs::fstat(&file)?;
    let stamp = stamp(&stat);
    if listed {
        return Ok((stamp, hash_names(&file)?));
    }
    // Of a directory among `[[generate]]` inputs only its existence counts.
    if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
        return Ok((stamp, *blake3::hash(b"directory").as_bytes()));
    }
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((stamp, *hasher.finalize().as_bytes())),
            Ok(n) => {
                hasher.update(&buffer[..n]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hash_names(dir: &std::fs::File) -> io::Result<Hash> {
    let entries = rustix::fs::Dir::read_from(dir)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_bytes_with_nul().to_vec()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.retain(|name| name != b".\0" && name != b"..\0");
    names.sort_unstable();
    Ok(*blake3::hash(&names.concat()).as_bytes())
}

/// The stamp of an open file.
///
/// # Errors
/// Those of fstat(2).
pub(super) fn stamp_of_open(file: &std::fs::File) -> io::Result<FileStamp> {
    Ok(stamp(&rustix::fs::fstat(file)?))
}

fn stamp(stat: &Stat) -> FileStamp {
    let FileState { size, mtime_ns, ctime_ns, inode } = FileState::of_stat(stat);
    FileStamp { size, mtime_ns, ctime_ns, inode }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_hash_is_of_its_presence_or_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(path.join("b"), "1").unwrap();
        std::fs::write(path.join("a"), "2").unwrap();
        let hash = |path: &str| hash_file(path.into()).unwrap().1;
        let expect = |content: &[u8]| *blake3::hash(content).as_bytes();
        assert_eq!(hash(path.as_str()), expect(b"directory"));
        assert_eq!(hash(&format!("{path}/")), expect(b"a\0b\0"));
        std::fs::write(path.join("c"), "").unwrap();
        assert_eq!(hash(path.as_str()), expect(b"directory"));
        assert_eq!(hash(&format!("{path}/")), expect(b"a\0b\0c\0"));
        assert!(hash_file(&path.join("a/")).is_err(), "it is no directory");
    }

    #[test]
    fn stamp_proves_content_only_when_old_enough() {
        const S: i64 = 1_000_000_000;
        const MS: i64 = 1_000_000;
        let check = |mtime_ns: i64, ctime_ns: i64, read_ns: i64, expect: bool| {
            let stamp = FileStamp { size: 1, mtime_ns, ctime_ns, inode: 1 };
            assert_eq!(trusted(stamp, read_ns), expect, "{mtime_ns} {ctime_ns} {read_ns}");
        };
        let same = |time: i64, read_ns: i64, expect: bool| check(time, time, read_ns, expect);
        same(100 * S + 5, 100 * S + 5, false);
        same(100 * S + 5, 100 * S + 19 * MS, false);
        same(100 * S + 5, 100 * S + 21 * MS, true);
        same(100 * S, 101 * S, false);
        same(100 * S, 103 * S, true);
        // A time in the future.
        same(200 * S + 5, 100 * S, false);
        // The modification time was set: back, to a whole second, to the future.
        check(50 * S + 5, 100 * S + 5, 100 * S + 19 * MS, false);
        check(50 * S, 100 * S + 5, 100 * S + 21 * MS, true);
        check(50 * S + 5, 100 * S, 101 * S, false);
        check(200 * S, 100 * S + 5, 150 * S, false);
    }
}
