//! Builds of one user that run at the same time, and the growth of each. Knows no items, only sums.
//!
//! Each build has a file in a common directory. It publishes its growth in it: the part of its
//! leases that is not used yet. Each build can read how much memory is in use, but not how much
//! others have leased: without the files, two builds would grant the same free memory.
//!
//! A build holds a lock on its file while it runs. The kernel drops the lock when the process ends,
//! in whatever way. A build that finds an unlocked file removes it.
//!
//! A build holds a lock on the directory while it reads the files of other builds, grants leases
//! and publishes its new growth. Otherwise two builds that read at the same time would grant the
//! same memory.

use crate::sys::directories;
use crate::sys::stat::{PARENT, Stat};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FlockOperation, OFlags, RawDir, SeekFrom, flock, seek};
use rustix::io::Errno;
use rustix::process::{geteuid, getpid};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use tender_units::{Bytes, Micros};

/// Why this build cannot share files with others. It then considers only how much memory is free.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    #[error("cannot make {path}: {source}")]
    Make { path: Utf8PathBuf, source: io::Error },
    #[error("{path} is not a directory that only this user can access")]
    NotPrivate { path: Utf8PathBuf },
    #[error("file locks do not work in {path}")]
    NoLocks { path: Utf8PathBuf },
}

/// What the other running builds of this user have published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherBuilds {
    pub builds: u32,
    /// The sum of their growth, bytes.
    pub growth: Bytes,
}

/// This build's file, removed when this is dropped.
#[derive(Debug)]
pub struct Shares {
    directory: Utf8PathBuf,
    /// The open directory. It stays open, because opening it may fail when memory is short: see
    /// `readings/files.rs`. Carries the lock on granting.
    listing: File,
    name: String,
    file: File,
    /// The growth in the file, bytes.
    growth: Bytes,
    /// For each file seen so far, whether its build started this one or was started by it.
    related: RefCell<BTreeMap<String, bool>>,
    lock: GrantLock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GrantLock {
    Unlocked,
    /// This build holds the lock.
    Locked,
    /// Another build holds it; microseconds.
    Waiting {
        since_us: Micros,
    },
    /// Another build has held it for too long, for example because it was stopped. This build
    /// grants without it.
    Ignored,
}

/// The lock is normally held for a few milliseconds. After this time, microseconds, it is ignored.
const LOCK_TIMEOUT_US: Micros = Micros::from_millis(500);

/// The most files that are read, so that a full directory costs a bounded time.
const MOST: usize = 1024;

/// The line has a fixed length, and one write replaces it, so that no reader gets half of it.
fn line(growth: Bytes) -> String {
    format!("tender 1 growth {:020}\n", growth.0)
}

/// `None` for the format of another version.
fn parse(text: &[u8]) -> Option<Bytes> {
    std::str::from_utf8(text)
        .ok()?
        .strip_prefix("tender 1 growth ")?
        .strip_suffix('\n')?
        .parse()
        .ok()
        .map(Bytes)
}

impl Shares {
    /// Joins the builds of this user: in `tender-memory` below the user's runtime directory if
    /// there is one, else in `tender-memory-UID` below `fallback`, which all users share.
    ///
    /// # Errors
    /// The directory cannot be created or used, or belongs to another user.
    pub fn join(runtime_dir: Option<&Utf8Path>, fallback: &Utf8Path) -> Result<Shares, ShareError> {
        let own = runtime_dir.map(|dir| Shares::join_in(dir.join("tender-memory")));
        // XDG_RUNTIME_DIR may name a directory that does not exist, for example after `su`.
        match own {
            Some(Ok(shares)) => Ok(shares),
            _ => Shares::join_in(fallback.join(format!("tender-memory-{}", geteuid().as_raw()))),
        }
    }

    /// `join` with the directories of this process's environment.
    ///
    /// # Errors
    /// As `join`.
    pub fn of_this_user() -> Result<Shares, ShareError> {
        let utf8 = |path: PathBuf| Utf8PathBuf::from_path_buf(path).ok();
        let runtime_dir = directories::runtime().and_then(utf8);
        let fallback = utf8(directories::temporary()).unwrap_or_else(|| "/tmp".into());
        Shares::join(runtime_dir.as_deref(), &fallback)
    }

    fn join_in(directory: Utf8PathBuf) -> Result<Shares, ShareError> {
        let failed = |source| ShareError::Make { path: directory.clone(), source };
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
        // Symbolic links are not followed: where all users may create files, another user may have
        // created the path first. A private directory of this user cannot be replaced by others.
        let found = directory.symlink_metadata().map_err(failed)?;
        if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o077 != 0 {
            return Err(ShareError::NotPrivate { path: directory });
        }
        loop {
            let (name, file) = match make(&directory) {
                Ok(made) => made,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(error)),
            };
            // Between the creation and the lock, another build may find the file unlocked and
            // remove it.
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    remove(&directory, &name);
                    continue;
                }
                Err(_) => {
                    remove(&directory, &name);
                    return Err(ShareError::NoLocks { path: directory });
                }
            }
            if file.metadata().map_err(failed)?.nlink() == 0 {
                continue;
            }
            file.write_all_at(line(Bytes::ZERO).as_bytes(), 0).map_err(failed)?;
            let listing = File::open(&directory).map_err(failed)?;
            return Ok(Shares {
                directory,
                listing,
                name,
                file,
                growth: Bytes::ZERO,
                related: RefCell::default(),
                lock: GrantLock::Unlocked,
            });
        }
    }

    /// Tries to take the lock on granting, without blocking. Returns whether this build may grant;
    /// if not, it has to try again soon. `now_us` is a time of the monotonic clock.
    pub fn try_lock(&mut self, now_us: Micros) -> bool {
        self.lock =
            match (flock(&self.listing, FlockOperation::NonBlockingLockExclusive), self.lock) {
                (Ok(()), _) => GrantLock::Locked,
                (Err(Errno::WOULDBLOCK | Errno::INTR), GrantLock::Unlocked | GrantLock::Locked) => {
                    GrantLock::Waiting { since_us: now_us }
                }
                (Err(Errno::WOULDBLOCK | Errno::INTR), GrantLock::Waiting { since_us })
                    if now_us < since_us.saturating_add(LOCK_TIMEOUT_US) =>
                {
                    self.lock
                }
                _ => GrantLock::Ignored,
            };
        !matches!(self.lock, GrantLock::Waiting { .. })
    }

    /// Releases the lock on granting if this build holds it. New growth has to be published before.
    pub fn unlock(&mut self) {
        if self.lock == GrantLock::Locked {
            let _ = flock(&self.listing, FlockOperation::Unlock);
            self.lock = GrantLock::Unlocked;
        }
    }

    /// Publishes this build's growth, bytes. Does nothing if it has not changed.
    ///
    /// # Errors
    /// The file cannot be written. Other builds read the previous value.
    pub fn publish(&mut self, growth: Bytes) -> io::Result<()> {
        if growth != self.growth {
            self.file.write_all_at(line(growth).as_bytes(), 0)?;
            self.growth = growth;
        }
        Ok(())
    }

    /// Reads what other builds have published, and removes the files of builds that have ended. A
    /// file that cannot be parsed counts as one build without growth.
    ///
    /// Ancestors and descendants of this process do not count, for example with `tender exec`: a
    /// build already sets memory aside for the commands that it has started, whatever they are.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn others(&self) -> io::Result<OtherBuilds> {
        let mut others = OtherBuilds::default();
        for name in self.names()?.into_iter().filter(|name| *name != self.name) {
            // O_NONBLOCK: without it, opening a FIFO of this name would wait for a writer. Opening
            // fails if the file was removed after the directory was read.
            let options = OFlags::NONBLOCK.bits().cast_signed();
            let file =
                File::options().read(true).custom_flags(options).open(self.directory.join(&name));
            let Ok(file) = file else { continue };
            // A shared lock, so that two builds that read at the same time do not take each other
            // for the owner of the file.
            match flock(&file, FlockOperation::NonBlockingLockShared) {
                Ok(()) => remove(&self.directory, &name),
                Err(Errno::WOULDBLOCK) if self.is_related(&name) => {}
                Err(Errno::WOULDBLOCK) => {
                    let mut text = [0; 64];
                    let read = file.read_at(&mut text, 0).unwrap_or_default();
                    others.builds += 1;
                    let growth = parse(&text[..read]).unwrap_or_default();
                    others.growth = others.growth.saturating_add(growth);
                }
                Err(_) => {}
            }
        }
        Ok(others)
    }
}

impl Shares {
    fn names(&self) -> io::Result<Vec<String>> {
        seek(&self.listing, SeekFrom::Start(0))?;
        let mut names = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(&self.listing, &mut buffer);
        while names.len() < MOST
            && let Some(entry) = entries.next()
        {
            // Names of our files are UTF-8 and do not begin with a dot.
            names.extend(
                entry?
                    .file_name()
                    .to_str()
                    .ok()
                    .filter(|name| !name.starts_with('.'))
                    .map(str::to_owned),
            );
        }
        Ok(names)
    }

    fn is_related(&self, name: &str) -> bool {
        if let Some(known) = self.related.borrow().get(name) {
            return *known;
        }
        let pid = name.split('-').next().and_then(|pid| pid.parse().ok());
        let me = getpid().as_raw_nonzero().get().unsigned_abs();
        // Only tests have several `Shares` in one process; they count as different builds.
        let is_related =
            pid.is_some_and(|pid| pid != me && (descends(me, pid) || descends(pid, me)));
        let mut related = self.related.borrow_mut();
        if related.len() < MOST {
            related.insert(name.to_owned(), is_related);
        }
        is_related
    }
}

/// Whether `ancestor` is an ancestor of the process `pid`. False if that is not known.
fn descends(mut pid: u32, ancestor: u32) -> bool {
    for _ in 0..MOST {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = Stat::parse(&stat).and_then(|stat| stat.number(PARENT)?.try_into().ok());
        let Some(parent) = parent else { return false };
        if parent == ancestor || parent == 0 {
            return parent == ancestor;
        }
        pid = parent;
    }
    false
}

impl Drop for Shares {
    fn drop(&mut self) {
        remove(&self.directory, &self.name);
    }
}

/// Creates a file with a new name. It is not locked yet.
fn make(directory: &Utf8Path) -> io::Result<(String, File)> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}-{}", getpid().as_raw_nonzero(), MADE.fetch_add(1, Ordering::Relaxed));
    let options =
        File::options().write(true).create_new(true).mode(0o600).open(directory.join(&name));
    options.map(|file| (name, file))
}

/// Failure is ignored: the next build tries again.
fn remove(directory: &Utf8Path, name: &str) {
    let _ = std::fs::remove_file(directory.join(name));
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{FileType, Mode};
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    fn runtime() -> (TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        (dir, path)
    }

    fn join(runtime: &Utf8Path) -> Shares {
        Shares::join(Some(runtime), Utf8Path::new("/nonexistent")).unwrap()
    }

    #[test]
    fn fuzz_shares() {
        tender_fuzz::check("shares", 3_000, |text| {
            if let Some(growth) = parse(text) {
                assert_eq!(parse(line(growth).as_bytes()), Some(growth));
                assert!(text.starts_with(b"tender 1 growth ") && text.ends_with(b"\n"));
            }
        });
    }

    #[test]
    fn shares_read_the_growth_of_other_builds() {
        let (_dir, runtime) = runtime();
        let (mut a, mut b, c) = (join(&runtime), join(&runtime), join(&runtime));
        assert_eq!(a.others().unwrap(), OtherBuilds { builds: 2, growth: Bytes(0) });
        a.publish(Bytes(100)).unwrap();
        b.publish(Bytes(u64::MAX)).unwrap();
        b.publish(Bytes(20)).unwrap();
        assert_eq!(a.others().unwrap(), OtherBuilds { builds: 2, growth: Bytes(20) });
        assert_eq!(b.others().unwrap(), OtherBuilds { builds: 2, growth: Bytes(100) });
        assert_eq!(c.others().unwrap(), OtherBuilds { builds: 2, growth: Bytes(120) });
        drop((b, c));
        assert_eq!(a.others().unwrap(), OtherBuilds::default());
    }

    #[test]
    fn shares_grant_lock_is_held_by_one_build() {
        let (_dir, runtime) = runtime();
        let (mut a, mut b) = (join(&runtime), join(&runtime));
        assert!(a.try_lock(Micros(0)));
        assert!(a.try_lock(Micros(1)), "it holds the lock already");
        assert!(!b.try_lock(Micros(2)));
        b.unlock();
        assert!(!b.try_lock(Micros(3)), "b does not hold the lock");
        a.unlock();
        assert!(b.try_lock(Micros(4)));
        // The kernel releases the lock of a process that ends.
        assert!(!a.try_lock(Micros(5)));
        drop(b);
        assert!(a.try_lock(Micros(6)));
    }

    #[test]
    fn shares_ignore_a_lock_that_is_held_too_long() {
        let (_dir, runtime) = runtime();
        let (mut stopped, mut b) = (join(&runtime), join(&runtime));
        assert!(stopped.try_lock(Micros(0)));
        assert!(!b.try_lock(Micros(1000)));
        assert!(!b.try_lock(Micros(1000) + LOCK_TIMEOUT_US - Micros(1)));
        assert!(b.try_lock(Micros(1000) + LOCK_TIMEOUT_US));
        b.unlock();
        assert!(b.try_lock(Micros(1001) + LOCK_TIMEOUT_US), "it does not wait again");
        stopped.unlock();
        assert!(b.try_lock(Micros(1002) + LOCK_TIMEOUT_US));
        b.unlock();
        assert!(stopped.try_lock(Micros(0)));
        assert!(!b.try_lock(Micros(1003) + LOCK_TIMEOUT_US), "the lock is respected again");
    }

    #[test]
    fn shares_skip_ancestors_and_descendants() {
        let (_dir, runtime) = runtime();
        let ours = join(&runtime);
        let lock = |name: String| {
            let path = runtime.join("tender-memory").join(name);
            std::fs::write(&path, line(Bytes(7))).unwrap();
            let file = File::open(path).unwrap();
            flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
            file
        };
        let parent = std::os::unix::process::parent_id();
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let _related = [lock(format!("{parent}-0")), lock(format!("{}-0", child.id()))];
        assert_eq!(ours.others().unwrap(), OtherBuilds::default());
        // No process has this number.
        let _other = lock(format!("{}-0", u32::MAX));
        assert_eq!(ours.others().unwrap(), OtherBuilds { builds: 1, growth: Bytes(7) });
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn shares_file_is_private_and_removed_when_dropped() {
        let (_dir, runtime) = runtime();
        let shares = join(&runtime);
        let directory = runtime.join("tender-memory");
        assert_eq!(directory.metadata().unwrap().mode() & 0o777, 0o700);
        assert_eq!(directory.join(&shares.name).metadata().unwrap().mode() & 0o777, 0o600);
        drop(shares);
        assert_eq!(directory.read_dir_utf8().unwrap().count(), 0);
    }

    #[test]
    fn shares_remove_files_of_ended_builds() {
        let (_dir, runtime) = runtime();
        let ours = join(&runtime);
        let left = runtime.join("tender-memory/1-0");
        std::fs::write(&left, line(Bytes(1 << 40))).unwrap();
        assert_eq!(ours.others().unwrap(), OtherBuilds::default());
        assert!(!left.exists());
        // Also if it is not a regular file.
        rustix::fs::mknodat(rustix::fs::CWD, left.as_std_path(), FileType::Fifo, Mode::RUSR, 0)
            .unwrap();
        assert_eq!(ours.others().unwrap(), OtherBuilds::default());
        assert!(!left.exists());
        // Our own file is not removed by the next build.
        assert_eq!(join(&runtime).others().unwrap().builds, 1);
    }

    #[test]
    fn shares_count_a_file_of_another_version_as_a_build() {
        let (_dir, runtime) = runtime();
        let ours = join(&runtime);
        let path = runtime.join("tender-memory/other");
        let check = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            let other = File::open(&path).unwrap();
            flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
            assert_eq!(ours.others().unwrap(), OtherBuilds { builds: 1, growth: Bytes(0) });
        };
        check(b"");
        check(b"tender 2 all\n");
        check(b"tender 1 growth -5\n");
        check(&[255; 100]);
    }

    #[test]
    fn shares_refuse_a_directory_that_is_not_private() {
        let refused = |runtime: &Utf8Path| {
            let directory = runtime.join("tender-memory");
            assert!(matches!(
                Shares::join_in(directory.clone()),
                Err(ShareError::NotPrivate { path }) if path == directory
            ));
        };
        let (_dir, open) = runtime();
        std::fs::create_dir(open.join("tender-memory")).unwrap();
        let for_all = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(open.join("tender-memory"), for_all).unwrap();
        refused(&open);
        let (_dir, linked) = runtime();
        std::fs::create_dir(linked.join("elsewhere")).unwrap();
        std::fs::set_permissions(linked.join("elsewhere"), std::fs::Permissions::from_mode(0o700))
            .unwrap();
        std::os::unix::fs::symlink(linked.join("elsewhere"), linked.join("tender-memory")).unwrap();
        refused(&linked);
        let (_dir, file) = runtime();
        std::fs::write(file.join("tender-memory"), "").unwrap();
        refused(&file);
    }

    #[test]
    fn shares_use_a_directory_of_the_user_without_a_runtime_directory() {
        let (_dir, fallback) = runtime();
        let absent = fallback.join("absent");
        let a = Shares::join(None, &fallback).unwrap();
        let b = Shares::join(Some(&absent), &fallback).unwrap();
        assert_eq!(b.others().unwrap().builds, 1);
        assert!(a.directory.ends_with(format!("tender-memory-{}", geteuid().as_raw())));
        let nowhere = Shares::join(Some(&absent), &absent);
        assert!(matches!(nowhere, Err(ShareError::Make { path, .. }) if path.starts_with(&absent)));
    }

    /// Builds start and end while others read: no file of a running build is removed, and none
    /// stays.
    #[test]
    fn shares_keep_files_of_running_builds_while_others_start_and_end() {
        let (_dir, runtime) = runtime();
        let stays = join(&runtime);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..200 {
                        let mut shares = join(&runtime);
                        shares.publish(Bytes(round)).unwrap();
                        assert!(
                            shares.others().unwrap().builds >= 1,
                            "the build that stays is counted"
                        );
                        assert!(runtime.join("tender-memory").join(&shares.name).exists());
                    }
                });
            }
        });
        assert_eq!(stays.others().unwrap(), OtherBuilds::default());
    }
}
