//! Changes in directories, by inotify(7). Knows no build.
//!
//! Through rustix rather than a crate for several systems: those read on a thread of their own, and
//! this process has one thread.

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::inotify::{
    CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch,
};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Directories that are watched, each without those below it.
#[derive(Debug)]
pub struct FileWatch {
    inotify: OwnedFd,
    dirs: BTreeMap<i32, Utf8PathBuf>,
}

/// What has changed since the last call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileChanges {
    /// Files and directories that were written, made, removed or renamed, and directories that are
    /// watched no more.
    pub paths: BTreeSet<Utf8PathBuf>,
    /// Those of them to which more is about to happen: they are being written, or were taken away, as
    /// some editors do before they write.
    pub unfinished: BTreeSet<Utf8PathBuf>,
    /// The kernel's queue was full: others may have changed too.
    pub overflowed: bool,
}

impl FileChanges {
    /// Adds what has changed since.
    pub fn add(&mut self, later: FileChanges) {
        self.unfinished.retain(|path| !later.paths.contains(path));
        self.unfinished.extend(later.unfinished);
        self.paths.extend(later.paths);
        self.overflowed |= later.overflowed;
    }
}

/// A directory cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("the directory `{dir}` cannot be watched: {source}")]
pub struct FileWatchError {
    pub dir: Utf8PathBuf,
    pub source: io::Error,
}

impl FileWatchError {
    pub fn help(&self) -> Option<&'static str> {
        let error = self.source.raw_os_error()?;
        match Errno::from_raw_os_error(error) {
            Errno::NOSPC => Some(
                "the user watches as many directories as may be; as root: sysctl fs.inotify.max_user_watches=1048576",
            ),
            Errno::MFILE => Some(
                "the user has as many watching programs as may be; as root: sysctl fs.inotify.max_user_instances=1024",
            ),
            _ => None,
        }
    }
}

/// A write, and what replaces a file: editors write another file and rename it.
const EVENTS: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// After these the path may soon be written.
const UNFINISHED: ReadFlags = ReadFlags::MODIFY
    .union(ReadFlags::CREATE)
    .union(ReadFlags::DELETE)
    .union(ReadFlags::MOVED_FROM)
    .union(ReadFlags::DELETE_SELF)
    .union(ReadFlags::MOVE_SELF);

/// Room for some hundred events.
const BUFFER: usize = 64 << 10;

impl FileWatch {
    /// # Errors
    /// The user has too many.
    pub fn new() -> io::Result<FileWatch> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(FileWatch { inotify, dirs: BTreeMap::new() })
    }

    /// Becomes readable when something has changed.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Watches these directories and no others. Those that are not there are left out. Returns
    /// whether one of them was not watched before.
    ///
    /// # Errors
    /// One cannot be watched.
    pub fn set(&mut self, wanted: &BTreeSet<Utf8PathBuf>) -> Result<bool, FileWatchError> {
        let unwanted: Vec<i32> =
            self.dirs.iter().filter(|(_, dir)| !wanted.contains(*dir)).map(|(id, _)| *id).collect();
        for id in unwanted {
            self.dirs.remove(&id);
            // Fails if the directory is gone, and its watch with it.
            let _ = remove_watch(&self.inotify, id);
        }
        let watched: BTreeSet<&Utf8PathBuf> = self.dirs.values().collect();
        let missing: Vec<Utf8PathBuf> =
            wanted.iter().filter(|dir| !watched.contains(dir)).cloned().collect();
        let mut has_more = false;
        for dir in missing {
            match add_watch(&self.inotify, dir.as_std_path(), EVENTS) {
                // The same directory by two paths has one number.
                Ok(id) => has_more |= self.dirs.insert(id, dir).is_none(),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
                Err(error) => return Err(FileWatchError { dir, source: error.into() }),
            }
        }
        Ok(has_more)
    }

    /// Takes what has changed. Does not wait.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn take(&mut self) -> io::Result<FileChanges> {
        let mut changes = FileChanges::default();
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut gone = Vec::new();
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                changes.overflowed = true;
                continue;
            }
            if event.events().contains(ReadFlags::IGNORED) {
                gone.push(event.wd());
            }
            // A directory that was just taken out of the set.
            let Some(dir) = self.dirs.get(&event.wd()) else { continue };
            let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
            let path = name.map_or_else(|| dir.clone(), |name| dir.join(name));
            match event.events().intersects(UNFINISHED) {
                true => changes.unfinished.insert(path.clone()),
                false => changes.unfinished.remove(&path),
            };
            changes.paths.insert(path);
        }
        for id in gone {
            self.dirs.remove(&id);
        }
        Ok(changes)
    }
}

/// The kind of file system that a directory lies on, if other machines can change files there:
/// inotify does not tell what they do.
pub fn remote_file_system(dir: &Utf8Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(dir.as_std_path()).ok()?;
    // The field is signed on some architectures. linux/magic.h and statfs(2) have the numbers.
    name_of(u32::try_from(found.f_type & 0xffff_ffff).ok()?)
}

fn name_of(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9P",
        0x6573_5546 => "FUSE",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x00c3_6400 => "Ceph",
        0x786f_4256 => "vboxsf",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(dirs: &[&Utf8Path]) -> FileWatch {
        let mut watch = FileWatch::new().unwrap();
        watch.set(&dirs.iter().map(|dir| (*dir).to_owned()).collect()).unwrap();
        watch
    }

    #[test]
    fn file_watch_names_what_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let (a, b, absent) = (dir.join("a"), dir.join("b"), dir.join("absent"));
        std::fs::create_dir(&a).unwrap();
        std::fs::create_dir(&b).unwrap();
        std::fs::write(b.join("old"), "").unwrap();
        let mut watch = watch(&[&a, &b, &absent]);
        let mut taken = || watch.take().unwrap();
        assert_eq!(taken(), FileChanges::default());
        std::fs::write(a.join("new"), "x").unwrap();
        std::fs::rename(b.join("old"), b.join("other")).unwrap();
        std::fs::read(a.join("new")).unwrap();
        let expect = [a.join("new"), b.join("old"), b.join("other")];
        assert_eq!(taken().paths, expect.into());
        assert_eq!(taken(), FileChanges::default());
        std::fs::remove_dir_all(&b).unwrap();
        assert!(taken().paths.contains(&b));
    }

    #[test]
    fn file_watch_tells_files_that_are_being_written() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let (file, other) = (dir.join("file"), dir.join("other"));
        std::fs::write(&file, "").unwrap();
        let mut watch = watch(&[dir]);
        let mut open = std::fs::File::create(&file).unwrap();
        open.write_all(b"x").unwrap();
        let mut changes = watch.take().unwrap();
        assert_eq!(changes.unfinished, [file.clone()].into());
        drop(open);
        changes.add(watch.take().unwrap());
        assert_eq!((changes.unfinished.len(), changes.paths.len()), (0, 1));
        // Taken away, and written again.
        std::fs::rename(&file, &other).unwrap();
        changes.add(watch.take().unwrap());
        assert_eq!(changes.unfinished, [file.clone()].into());
        std::fs::write(&file, "").unwrap();
        changes.add(watch.take().unwrap());
        assert!(changes.unfinished.is_empty());
    }

    #[test]
    fn file_watch_forgets_directories_and_finds_them_again() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let (a, b) = (dir.join("a"), dir.join("b"));
        std::fs::create_dir(&a).unwrap();
        let mut watch = watch(&[&a]);
        watch.set(&BTreeSet::new()).unwrap();
        std::fs::write(a.join("x"), "").unwrap();
        assert!(watch.take().unwrap().paths.is_empty());
        let both = || [a.clone(), b.clone()].into();
        watch.set(&both()).unwrap();
        std::fs::create_dir(&b).unwrap();
        std::fs::remove_dir_all(&a).unwrap();
        std::fs::create_dir(&a).unwrap();
        watch.take().unwrap();
        watch.set(&both()).unwrap();
        std::fs::write(a.join("x"), "").unwrap();
        std::fs::write(b.join("y"), "").unwrap();
        assert_eq!(watch.take().unwrap().paths, [a.join("x"), b.join("y")].into());
    }

    #[test]
    fn file_watch_tells_when_the_queue_was_full() {
        let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let limit: u32 = limit.trim().parse().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let mut watch = watch(&[dir]);
        for number in 0..=limit / 2 {
            let path = dir.join(format!("{}", number % 7));
            std::fs::create_dir(&path).unwrap();
            std::fs::remove_dir(&path).unwrap();
        }
        let changes = watch.take().unwrap();
        assert!(changes.overflowed && changes.paths.len() == 7);
        assert!(!watch.take().unwrap().overflowed);
    }

    #[test]
    fn file_systems_of_other_machines_are_known() {
        assert_eq!(name_of(0x6969), Some("NFS"));
        assert_eq!(name_of(0xef53), None);
        assert_eq!(remote_file_system("/proc".into()), None);
    }
}
