//! Looks at the file system, and the record of them. A build that finds nothing to do has decided that
//! by what it looked at; while all that is as it was, the next one would decide alike (see
//! `fingerprint/certificate.rs`). So what a build reads before it starts anything is looked at here
//! and nowhere else: a look that is not recorded would let a change pass unseen.
//!
//! The record belongs to the thread, not to an argument, so that no look can be forgotten on its way.
//! A record with contents is for the process that has made it: it also holds where a file or a directory
//! has another stamp, or was young when it was read, and has the same content. Knows no builds, and not
//! what a path is for.

use rustix::fs::Stat;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What is at a path, symbolic links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    /// Nothing that can be reached.
    Absent,
    File,
    /// A file that somebody may execute.
    Program,
    Directory,
    Other,
}

/// What tells a file from others and from its own earlier content, as `tender_protocol::FileStamp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since the epoch, as `ctime_ns`.
    pub mtime_ns: i64,
    pub ctime_ns: i64,
    pub inode: u64,
}

/// All that was seen of one path. The outer `None`: it was not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    pub kind: Option<PathKind>,
    /// Its content, or the names in it, were read; or its times and size count. `None`: it was absent.
    pub state: Option<Option<FileState>>,
    /// The names in it were read, and are settled: none can be added without another state.
    pub is_listed: bool,
    /// It was so young when it was read that its state does not prove its content. In a record with
    /// contents only; other records are in doubt then.
    pub is_young: bool,
    /// A hash of what was read, in a record with contents.
    pub content: Option<[u8; 32]>,
    /// Device and inode.
    pub identity: Option<Option<(u64, u64)>>,
    /// Where it leads if it is a symbolic link.
    pub link: Option<Option<PathBuf>>,
    /// The path without symbolic links.
    pub real: Option<Option<PathBuf>>,
    /// How many bits its size has, of which only estimates were made. What there is to do does not depend
    /// on it.
    pub magnitude: Option<u32>,
}

/// What was looked at since `record`, by absolute path.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    pub sights: HashMap<PathBuf, Sight>,
    /// Why the record does not say all: what the looks have told may be otherwise the next time though
    /// every path is as it was.
    pub doubt: Option<String>,
    has_contents: bool,
}

thread_local! {
    static LOOKS: RefCell<Option<Looks>> = const { RefCell::new(None) };
}

/// Begins a record. An earlier one is dropped.
pub(crate) fn record() {
    LOOKS.set(Some(Looks::default()));
}

/// As `record`, with contents.
pub(crate) fn record_contents() {
    LOOKS.set(Some(Looks { has_contents: true, ..Looks::default() }));
}

/// Ends the record, if there is one.
pub(crate) fn take() -> Option<Looks> {
    LOOKS.take()
}

/// Whether there is a record that says all so far.
pub(crate) fn is_recording() -> bool {
    LOOKS.with_borrow(|looks| looks.as_ref().is_some_and(|looks| looks.doubt.is_none()))
}

/// Something counts that no path tells: the answer of a program, or a file that was written.
pub(crate) fn doubt(why: impl Into<String>) {
    LOOKS.with_borrow_mut(|looks| {
        if let Some(looks) = looks {
            looks.doubt.get_or_insert(why.into());
        }
    });
}

pub(crate) fn is_file(path: impl AsRef<Path>) -> bool {
    matches!(kind(path), PathKind::File | PathKind::Program)
}

pub(crate) fn is_dir(path: impl AsRef<Path>) -> bool {
    kind(path) == PathKind::Directory
}

pub(crate) fn exists(path: impl AsRef<Path>) -> bool {
    kind(path) != PathKind::Absent
}

pub(crate) fn kind(path: impl AsRef<Path>) -> PathKind {
    let found = kind_now(path.as_ref());
    saw_kind(path.as_ref(), found);
    found
}

/// Device and inode. `None`: it cannot be reached.
pub(crate) fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = identity_now(path);
    note(path, |sight| put(&mut sight.identity, found));
    found
}

/// Size and times, where these count and not the content. `None`: it cannot be reached.
pub(crate) fn state(path: &Path) -> Option<FileState> {
    let found = state_now(path);
    saw_state(path, found);
    found
}

/// Bytes, for estimates: 0 where it cannot be reached.
pub(crate) fn size(path: &Path) -> u64 {
    let size = std::fs::metadata(path).map_or(0, |found| found.size());
    note(path, |sight| put(&mut sight.magnitude, magnitude(size)));
    size
}

fn magnitude(size: u64) -> u32 {
    u64::BITS - size.leading_zeros()
}

/// # Errors
/// Those of readlink(2).
pub(crate) fn read_link(path: &Path) -> io::Result<PathBuf> {
    let found = std::fs::read_link(path);
    note(path, |sight| put(&mut sight.link, found.as_ref().ok().cloned()));
    found
}

/// # Errors
/// Those of realpath(3).
pub(crate) fn canonicalize(path: &Path) -> io::Result<PathBuf> {
    let found = std::fs::canonicalize(path);
    note(path, |sight| put(&mut sight.real, found.as_ref().ok().cloned()));
    found
}

/// The entries of a directory.
///
/// # Errors
/// Those of opendir(3).
pub(crate) fn read_dir(path: &Path) -> io::Result<std::vec::IntoIter<io::Result<DirEntry>>> {
    if is_recording() {
        let (read_ns, found) = (now_ns(), state_now(path));
        saw_names(path, found, read_ns);
    }
    let entries: Vec<io::Result<DirEntry>> = std::fs::read_dir(path)?.collect();
    if is_recording_contents()
        && let Some(hash) = hash_of_names(&entries)
    {
        saw_hash(path, hash);
    }
    Ok(entries.into_iter())
}

/// Records a look of another kind: what is at the path.
pub(crate) fn saw_kind(path: &Path, kind: PathKind) {
    note(path, |sight| put(&mut sight.kind, kind));
}

/// Records a look of another kind: size and times, or absence.
pub(crate) fn saw_state(path: &Path, state: Option<FileState>) {
    note(path, |sight| put(&mut sight.state, state));
}

/// Records that a content was read at `read_ns` (nanoseconds since the epoch) or later, of a file or of
/// the names in a directory that had this state then. If it is too young, its content may be another
/// one in the same state.
pub(crate) fn saw_content(path: &Path, state: Option<FileState>, read_ns: i64) {
    saw_state(path, state);
    if state.is_some_and(|state| !is_settled(state.mtime_ns.max(state.ctime_ns), read_ns)) {
        if is_recording_contents() {
            note(path, |sight| {
                sight.is_young = true;
                true
            });
        } else {
            doubt(format!("`{}` was changed only now", path.display()));
        }
    }
}

/// Adds, to a record with contents, what was read of a file.
pub(crate) fn saw_bytes(path: &Path, bytes: &[u8]) {
    if is_recording_contents() {
        saw_hash(path, *blake3::hash(bytes).as_bytes());
    }
}

fn saw_hash(path: &Path, hash: [u8; 32]) {
    note(path, |sight| put(&mut sight.content, hash));
}

fn is_recording_contents() -> bool {
    LOOKS.with_borrow(|looks| looks.as_ref().is_some_and(|looks| looks.has_contents))
}

/// As `saw_content`, of a directory.
pub(crate) fn saw_names(path: &Path, state: Option<FileState>, read_ns: i64) {
    saw_content(path, state, read_ns);
    note(path, |sight| {
        sight.is_listed = true;
        true
    });
}

/// Whether a file that was last touched at `latest_ns` and read at `read_ns` (nanoseconds since the
/// epoch) or later would have another stamp if it had changed after it was read. Clocks of file systems
/// tick every 4 to 10 ms; a time of whole seconds means one that ticks every second or two.
pub(crate) fn is_settled(latest_ns: i64, read_ns: i64) -> bool {
    let margin = if latest_ns % 1_000_000_000 == 0 { 2_000_000_000 } else { 20_000_000 };
    latest_ns.saturating_add(margin) < read_ns
}

/// Nanoseconds since the epoch.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// As `kind`, unrecorded.
pub(crate) fn kind_now(path: &Path) -> PathKind {
    std::fs::metadata(path).map_or(PathKind::Absent, |found| PathKind::of(&found))
}

/// As `identity`, unrecorded.
pub(crate) fn identity_now(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// As `state`, unrecorded.
pub(crate) fn state_now(path: &Path) -> Option<FileState> {
    std::fs::metadata(path).ok().map(|found| FileState::of(&found))
}

impl Looks {
    /// The first path that is not as it was, or why that is not known. None: whoever looks as before sees
    /// the same.
    pub(crate) fn changed(&self) -> Option<String> {
        if let Some(doubt) = &self.doubt {
            return Some(doubt.clone());
        }
        let changed = self.sights.iter().filter(|(path, sight)| !sight.holds(path));
        let first = changed.map(|(path, _)| path).min()?;
        Some(format!("`{}` has changed", first.display()))
    }
}

impl Sight {
    fn holds(&self, path: &Path) -> bool {
        let found = std::fs::metadata(path).ok();
        let kind = || found.as_ref().map_or(PathKind::Absent, PathKind::of);
        let identity = || found.as_ref().map(|found| (found.dev(), found.ino()));
        let size = || found.as_ref().map_or(0, Metadata::size);
        let has_state = |state: Option<FileState>| {
            let now = found.as_ref().map(FileState::of);
            let is_same = now == state && !self.is_young;
            is_same
                || now.is_some()
                    && state.is_some()
                    && self.content.is_some_and(|content| hash_now(path) == Some(content))
        };
        self.kind.is_none_or(|before| kind() == before)
            && self.state.is_none_or(has_state)
            && self.identity.is_none_or(|before| identity() == before)
            && self.magnitude.is_none_or(|before| magnitude(size()) == before)
            && self.link.as_ref().is_none_or(|before| std::fs::read_link(path).ok() == *before)
            && self.real.as_ref().is_none_or(|before| std::fs::canonicalize(path).ok() == *before)
    }
}

/// What `saw_hash` would be told now.
fn hash_now(path: &Path) -> Option<[u8; 32]> {
    let found = std::fs::metadata(path).ok()?;
    if found.is_dir() {
        let entries: Vec<_> = std::fs::read_dir(path).ok()?.collect();
        return hash_of_names(&entries);
    }
    // A pipe would be waited for.
    let bytes = found.is_file().then(|| std::fs::read(path).ok()).flatten()?;
    Some(*blake3::hash(&bytes).as_bytes())
}

/// The names, and what each is without following links. None: that is not known of all.
fn hash_of_names(entries: &[io::Result<DirEntry>]) -> Option<[u8; 32]> {
    let entry = |entry: &io::Result<DirEntry>| {
        let entry = entry.as_ref().ok()?;
        let kind = entry.file_type().ok()?;
        Some((entry.file_name(), (kind.is_file(), kind.is_dir(), kind.is_symlink())))
    };
    let mut names: Vec<_> = entries.iter().map(entry).collect::<Option<_>>()?;
    names.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for (name, (file, dir, link)) in names {
        hasher.update(name.as_encoded_bytes());
        // No name has a NUL.
        hasher.update(&[0, file.into(), dir.into(), link.into()]);
    }
    Some(*hasher.finalize().as_bytes())
}

impl PathKind {
    pub(crate) fn of(found: &Metadata) -> Self {
        match found.file_type() {
            kind if kind.is_file() && found.mode() & 0o111 != 0 => Self::Program,
            kind if kind.is_file() => Self::File,
            kind if kind.is_dir() => Self::Directory,
            _ => Self::Other,
        }
    }
}

impl FileState {
    #[expect(clippy::useless_conversion, reason = "the fields' types differ between platforms")]
    pub(crate) fn of_stat(stat: &Stat) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            size: stat.st_size as u64,
            mtime_ns: nanoseconds(
                i64::from(stat.st_mtime),
                i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
            ),
            ctime_ns: nanoseconds(
                i64::from(stat.st_ctime),
                i64::try_from(stat.st_ctime_nsec).unwrap_or(0),
            ),
            inode: u64::from(stat.st_ino),
        }
    }

    pub(crate) fn of(found: &Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            size: found.size(),
            mtime_ns: nanoseconds(found.mtime(), found.mtime_nsec()),
            ctime_ns: nanoseconds(found.ctime(), found.ctime_nsec()),
            inode: found.ino(),
        }
    }
}

fn note(path: &Path, add: impl FnOnce(&mut Sight) -> bool) {
    LOOKS.with_borrow_mut(|looks| {
        let Some(looks) = looks.as_mut().filter(|looks| looks.doubt.is_none()) else { return };
        if !path.is_absolute() {
            looks.doubt.get_or_insert_with(|| format!("`{}` is relative", path.display()));
            return;
        }
        let sight = match looks.sights.get_mut(path) {
            Some(sight) => sight,
            None => looks.sights.entry(path.to_owned()).or_default(),
        };
        if !add(sight) {
            looks.doubt.get_or_insert_with(|| format!("`{}` has just changed", path.display()));
        }
    });
}

/// Whether it is not another answer than before.
fn put<T: PartialEq>(place: &mut Option<T>, found: T) -> bool {
    match place {
        Some(before) => *before == found,
        None => {
            *place = Some(found);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_recorded_while_a_record_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("file"), "").unwrap();
        assert!(is_file(path("file")) && take().is_none());
        record();
        assert!(is_file(path("file")) && !exists(path("absent")) && is_dir(dir.path()));
        assert!(read_link(&path("file")).is_err());
        assert!(identity(&path("file")).is_some());
        let looks = take().unwrap();
        assert_eq!(looks.doubt, None);
        let file = &looks.sights[&path("file")];
        assert_eq!((file.kind, &file.link), (Some(PathKind::File), &Some(None)));
        assert!(file.identity.is_some() && file.state.is_none());
        assert_eq!(looks.sights[&path("absent")].kind, Some(PathKind::Absent));
        assert_eq!(looks.sights[dir.path()].kind, Some(PathKind::Directory));
        assert!(take().is_none());
    }

    #[test]
    fn looks_at_what_changes_or_has_just_changed_are_in_doubt() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        record();
        assert!(!exists(&path));
        std::fs::write(&path, "").unwrap();
        assert!(exists(&path));
        assert!(take().unwrap().doubt.unwrap().ends_with("has just changed"));
        record();
        saw_content(&path, state_now(&path), now_ns());
        assert!(take().unwrap().doubt.unwrap().ends_with("was changed only now"));
        record();
        saw_content(&path, state_now(&path), now_ns() + 30_000_000_000);
        assert_eq!(take().unwrap().doubt, None);
        record();
        exists("relative");
        assert!(take().unwrap().doubt.is_some());
    }

    /// A record with contents, of `look`.
    fn contents_of(look: impl FnOnce()) -> Looks {
        record_contents();
        look();
        take().unwrap()
    }

    #[test]
    fn looks_with_contents_hold_while_contents_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let changed = |looks: &Looks, path: &Path| {
            let expected = format!("`{}` has changed", path.display());
            assert_eq!(looks.changed(), Some(expected));
        };
        std::fs::write(path("file"), "one").unwrap();
        // They are young, which is no doubt here.
        let read = || drop(super::super::whole_file::read(&path("file"), 99).unwrap());
        let file = contents_of(read);
        let names = contents_of(|| assert_eq!(read_dir(dir.path()).unwrap().count(), 1));
        assert_eq!((file.changed(), names.changed()), (None, None));
        std::fs::write(path("copy"), "one").unwrap();
        changed(&names, dir.path());
        std::fs::rename(path("copy"), path("file")).unwrap();
        assert_eq!((file.changed(), names.changed()), (None, None));
        std::fs::write(path("file"), "two").unwrap();
        changed(&file, &path("file"));
        assert_eq!(names.changed(), None);
        // The same name, of a directory.
        std::fs::remove_file(path("file")).unwrap();
        std::fs::create_dir(path("file")).unwrap();
        changed(&names, dir.path());
        changed(&file, &path("file"));
    }

    #[test]
    fn looks_with_contents_hold_while_each_kind_of_look_tells_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a"), "").unwrap();
        std::fs::write(path("b"), "").unwrap();
        let relink = |to: &str| {
            let _ = std::fs::remove_file(path("link"));
            std::os::unix::fs::symlink(to, path("link")).unwrap();
        };
        relink("a");
        let looks = [
            contents_of(|| drop(read_link(&path("link")))),
            contents_of(|| drop(canonicalize(&path("link")))),
            contents_of(|| assert!(identity(&path("link")).is_some())),
            contents_of(|| assert!(is_file(path("link")))),
            contents_of(|| assert!(!exists(path("absent")))),
        ];
        let held = || looks.iter().map(|looks| looks.changed().is_none()).collect::<Vec<_>>();
        assert_eq!(held(), [true; 5]);
        relink("b");
        assert_eq!(held(), [false, false, false, true, true]);
        relink("absent");
        assert_eq!(held(), [false, false, false, false, true]);
        std::fs::write(path("absent"), "").unwrap();
        assert_eq!(held(), [false, false, false, true, false]);
        // Of a size only its order counts.
        std::fs::write(path("c"), "12345").unwrap();
        let sizes = contents_of(|| assert_eq!(size(&path("c")), 5));
        std::fs::write(path("c"), "1234567").unwrap();
        assert_eq!(sizes.changed(), None);
        std::fs::write(path("c"), "12345678").unwrap();
        assert!(sizes.changed().is_some());
        let doubted = contents_of(|| doubt("of this"));
        assert_eq!(doubted.changed().as_deref(), Some("of this"));
        // A state where times count and not the content.
        let times = contents_of(|| assert!(state(&path("a")).is_some()));
        assert_eq!(times.changed(), None);
        std::fs::write(path("b"), "").unwrap();
        std::fs::rename(path("b"), path("a")).unwrap();
        assert!(times.changed().is_some());
    }

    #[test]
    fn path_kinds_tell_programs() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        assert_eq!(kind(&path), PathKind::File);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(kind(&path), PathKind::Program);
        assert_eq!(kind(dir.path()), PathKind::Directory);
        assert_eq!(kind("/dev/null"), PathKind::Other);
        assert_eq!(kind(path.join("below")), PathKind::Absent);
    }
}
