//! Builds of one user that run together, and what each is still going to take. Knows no items, only
//! a sum.
//!
//! Each build has a file, locked for as long as it lives, with the part of its leases that is not
//! used yet. What is used is seen by everybody in the machine's memory; what is promised is not, so
//! that two builds would both start on the same free gigabyte. The kernel drops the lock when its
//! holder dies, however that is; whoever finds such a file removes it.
//!
//! Builds grant in turn: who has the turn, a lock on the directory, reads what the others say,
//! grants, and says what it has granted. Else two that read at the same time would grant the same
//! memory.

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

/// Why builds do not see each other. They then go by the free memory alone.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    #[error("cannot make {path}: {source}")]
    Make { path: Utf8PathBuf, source: io::Error },
    #[error("{path} is not a directory of this user alone")]
    Foreign { path: Utf8PathBuf },
    #[error("file locks do not work in {path}")]
    NoLocks { path: Utf8PathBuf },
}

/// What other live builds of this user say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    pub builds: u32,
    /// The sum of what they were granted and do not use yet, bytes.
    pub growth: u64,
}

/// Our file, removed when this is dropped.
#[derive(Debug)]
pub struct Shares {
    directory: Utf8PathBuf,
    /// The same, open: to open it each time would take memory from where there may be none, as
    /// `files` says.
    listing: File,
    name: String,
    file: File,
    /// What the file says, bytes.
    growth: u64,
    /// Files of builds that started this one, or that it started, and of others: as is known of
    /// those seen so far.
    kin: RefCell<BTreeMap<String, bool>>,
    turn: Turn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// We have not asked for it.
    Idle,
    Ours,
    /// Another build has it, microseconds.
    Awaited {
        since_us: u64,
    },
    /// Another build has had it for too long, as one that was stopped while it had it.
    Ignored,
}

/// A turn takes a few milliseconds. Who has it for so long, microseconds, is not waited for.
const PATIENCE_US: u64 = 500_000;

/// So many files are looked at: more builds at once have other troubles.
const MOST: usize = 1024;

/// A line of fixed length is replaced by one write, so that readers never see half of it.
fn line(growth: u64) -> String {
    format!("tender 1 growth {growth:020}\n")
}

/// `None` for what a version to come may write.
fn parse(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text)
        .ok()?
        .strip_prefix("tender 1 growth ")?
        .strip_suffix('\n')?
        .parse()
        .ok()
}

impl Shares {
    /// Joins the builds of this user: in `tender-memory` below the user's runtime directory if
    /// there is one, else in `tender-memory-UID` below `fallback`, which is for all users.
    ///
    /// # Errors
    /// The directory cannot be made or used, or belongs to somebody else.
    pub fn join(runtime_dir: Option<&Utf8Path>, fallback: &Utf8Path) -> Result<Shares, ShareError> {
        let own = runtime_dir.map(|dir| Shares::join_in(dir.join("tender-memory")));
        // A runtime directory may be named and not be there, as after `su`.
        match own {
            Some(Ok(shares)) => Ok(shares),
            _ => Shares::join_in(fallback.join(format!("tender-memory-{}", geteuid().as_raw()))),
        }
    }

    /// `join` by this process's environment.
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
        // The link itself and not what it points to: where all users may make files, somebody may
        // have been there first. What is ours and closed to others stays so.
        let found = directory.symlink_metadata().map_err(failed)?;
        if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o077 != 0 {
            return Err(ShareError::Foreign { path: directory });
        }
        loop {
            let (name, file) = match make(&directory) {
                Ok(made) => made,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(error)),
            };
            // Between making and locking it, another build may have taken the file for a dead
            // one's.
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
            file.write_all_at(line(0).as_bytes(), 0).map_err(failed)?;
            let listing = File::open(&directory).map_err(failed)?;
            return Ok(Shares {
                directory,
                listing,
                name,
                file,
                growth: 0,
                kin: RefCell::default(),
                turn: Turn::Idle,
            });
        }
    }

    /// Asks for the turn, without waiting. Returns whether this build may grant; else it is to ask
    /// again soon. `now_us` is of the monotonic clock.
    pub fn begin_turn(&mut self, now_us: u64) -> bool {
        self.turn =
            match (flock(&self.listing, FlockOperation::NonBlockingLockExclusive), self.turn) {
                (Ok(()), _) => Turn::Ours,
                (Err(Errno::WOULDBLOCK | Errno::INTR), Turn::Idle | Turn::Ours) => {
                    Turn::Awaited { since_us: now_us }
                }
                (Err(Errno::WOULDBLOCK | Errno::INTR), Turn::Awaited { since_us })
                    if now_us < since_us.saturating_add(PATIENCE_US) =>
                {
                    self.turn
                }
                _ => Turn::Ignored,
            };
        !matches!(self.turn, Turn::Awaited { .. })
    }

    /// Gives the turn to the others, if we have it; what was granted in it is published before.
    pub fn end_turn(&mut self) {
        if self.turn == Turn::Ours {
            let _ = flock(&self.listing, FlockOperation::Unlock);
            self.turn = Turn::Idle;
        }
    }

    /// Tells the others what of our leases is not used yet, bytes. Does nothing while that is the
    /// same.
    ///
    /// # Errors
    /// The file cannot be written; the others go by what it said.
    pub fn publish(&mut self, growth: u64) -> io::Result<()> {
        if growth != self.growth {
            self.file.write_all_at(line(growth).as_bytes(), 0)?;
            self.growth = growth;
        }
        Ok(())
    }

    /// What the others say now. A build that has started this one, as by `tender exec`, sets aside
    /// for it already what it is expected to take, and this one does so for those that it has
    /// started: neither is another. Removes the files of builds that are dead. A live one whose
    /// file makes no sense counts as one build without growth.
    /// # Errors
    /// The directory cannot be read.
    pub fn others(&self) -> io::Result<Others> {
        let mut others = Others::default();
        for name in self.names()?.into_iter().filter(|name| *name != self.name) {
            // It may have gone since the directory was read.
            // To open a pipe, which somebody may have put there, would wait for its writer.
            let options = OFlags::NONBLOCK.bits().cast_signed();
            let file =
                File::options().read(true).custom_flags(options).open(self.directory.join(&name));
            let Ok(file) = file else { continue };
            // Shared, so that two builds that look at the same time do not take each other for its
            // owner.
            match flock(&file, FlockOperation::NonBlockingLockShared) {
                Ok(()) => remove(&self.directory, &name),
                Err(Errno::WOULDBLOCK) if self.is_kin(&name) => {}
                Err(Errno::WOULDBLOCK) => {
                    let mut text = [0; 64];
                    let read = file.read_at(&mut text, 0).unwrap_or(0);
                    others.builds += 1;
                    let growth = parse(&text[..read]).unwrap_or(0);
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
            // Names that we give are text, and do not begin with a dot.
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

    fn is_kin(&self, name: &str) -> bool {
        if let Some(known) = self.kin.borrow().get(name) {
            return *known;
        }
        let pid = name.split('-').next().and_then(|pid| pid.parse().ok());
        let me = getpid().as_raw_nonzero().get().unsigned_abs();
        // Several of one process are others to each other; only tests have them.
        let is_kin = pid.is_some_and(|pid| pid != me && (descends(me, pid) || descends(pid, me)));
        let mut kin = self.kin.borrow_mut();
        if kin.len() < MOST {
            kin.insert(name.to_owned(), is_kin);
        }
        is_kin
    }
}

/// Whether `ancestor` has started `pid`, or has started who did. No, where that is not known.
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

/// A file of a new name, not yet locked.
fn make(directory: &Utf8Path) -> io::Result<(String, File)> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}-{}", getpid().as_raw_nonzero(), MADE.fetch_add(1, Ordering::Relaxed));
    let options =
        File::options().write(true).create_new(true).mode(0o600).open(directory.join(&name));
    options.map(|file| (name, file))
}

/// A file that stays costs the next build one look.
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
    fn each_build_sees_the_others() {
        let (_dir, runtime) = runtime();
        let (mut a, mut b, c) = (join(&runtime), join(&runtime), join(&runtime));
        assert_eq!(a.others().unwrap(), Others { builds: 2, growth: 0 });
        a.publish(100).unwrap();
        b.publish(u64::MAX).unwrap();
        b.publish(20).unwrap();
        assert_eq!(a.others().unwrap(), Others { builds: 2, growth: 20 });
        assert_eq!(b.others().unwrap(), Others { builds: 2, growth: 100 });
        assert_eq!(c.others().unwrap(), Others { builds: 2, growth: 120 });
        drop((b, c));
        assert_eq!(a.others().unwrap(), Others::default());
    }

    #[test]
    fn turns_are_one_build_s_at_a_time() {
        let (_dir, runtime) = runtime();
        let (mut a, mut b) = (join(&runtime), join(&runtime));
        assert!(a.begin_turn(0));
        assert!(a.begin_turn(1), "it has it already");
        assert!(!b.begin_turn(2));
        b.end_turn();
        assert!(!b.begin_turn(3), "it was not b's to end");
        a.end_turn();
        assert!(b.begin_turn(4));
        // The kernel ends the turn of one that dies.
        assert!(!a.begin_turn(5));
        drop(b);
        assert!(a.begin_turn(6));
    }

    #[test]
    fn a_turn_that_does_not_end_is_ignored() {
        let (_dir, runtime) = runtime();
        let (mut stopped, mut b) = (join(&runtime), join(&runtime));
        assert!(stopped.begin_turn(0));
        assert!(!b.begin_turn(1000));
        assert!(!b.begin_turn(1000 + PATIENCE_US - 1));
        assert!(b.begin_turn(1000 + PATIENCE_US));
        b.end_turn();
        assert!(b.begin_turn(1001 + PATIENCE_US), "not once more for as long");
        stopped.end_turn();
        assert!(b.begin_turn(1002 + PATIENCE_US));
        b.end_turn();
        assert!(stopped.begin_turn(0));
        assert!(!b.begin_turn(1003 + PATIENCE_US), "it was in time again, and is waited for");
    }

    #[test]
    fn those_who_started_this_build_are_no_others() {
        let (_dir, runtime) = runtime();
        let ours = join(&runtime);
        let lock = |name: String| {
            let path = runtime.join("tender-memory").join(name);
            std::fs::write(&path, line(7)).unwrap();
            let file = File::open(path).unwrap();
            flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
            file
        };
        let parent = std::os::unix::process::parent_id();
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let _kin = [lock(format!("{parent}-0")), lock(format!("{}-0", child.id()))];
        assert_eq!(ours.others().unwrap(), Others::default());
        // Nobody's number.
        let _other = lock(format!("{}-0", u32::MAX));
        assert_eq!(ours.others().unwrap(), Others { builds: 1, growth: 7 });
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_file_goes_with_its_build_and_is_for_its_user_alone() {
        let (_dir, runtime) = runtime();
        let shares = join(&runtime);
        let directory = runtime.join("tender-memory");
        assert_eq!(directory.metadata().unwrap().mode() & 0o777, 0o700);
        assert_eq!(directory.join(&shares.name).metadata().unwrap().mode() & 0o777, 0o600);
        drop(shares);
        assert_eq!(directory.read_dir_utf8().unwrap().count(), 0);
    }

    #[test]
    fn what_the_dead_left_is_removed() {
        let (_dir, runtime) = runtime();
        let ours = join(&runtime);
        let left = runtime.join("tender-memory/1-0");
        std::fs::write(&left, line(1 << 40)).unwrap();
        assert_eq!(ours.others().unwrap(), Others::default());
        assert!(!left.exists());
        // Whatever it is.
        rustix::fs::mknodat(rustix::fs::CWD, left.as_std_path(), FileType::Fifo, Mode::RUSR, 0)
            .unwrap();
        assert_eq!(ours.others().unwrap(), Others::default());
        assert!(!left.exists());
        // Ours is still there, and not taken for a dead one's by the next.
        assert_eq!(join(&runtime).others().unwrap().builds, 1);
    }

    #[test]
    fn a_live_file_of_another_version_is_a_build() {
        let (_dir, runtime) = runtime();
        let ours = join(&runtime);
        let path = runtime.join("tender-memory/other");
        let check = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            let other = File::open(&path).unwrap();
            flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
            assert_eq!(ours.others().unwrap(), Others { builds: 1, growth: 0 });
        };
        check(b"");
        check(b"tender 2 all\n");
        check(b"tender 1 growth -5\n");
        check(&[255; 100]);
    }

    #[test]
    fn a_directory_that_others_could_use_is_refused() {
        let refused = |runtime: &Utf8Path| {
            let directory = runtime.join("tender-memory");
            assert!(matches!(
                Shares::join_in(directory.clone()),
                Err(ShareError::Foreign { path }) if path == directory
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
    fn without_a_runtime_directory_it_is_one_by_user() {
        let (_dir, fallback) = runtime();
        let absent = fallback.join("absent");
        let a = Shares::join(None, &fallback).unwrap();
        let b = Shares::join(Some(&absent), &fallback).unwrap();
        assert_eq!(b.others().unwrap().builds, 1);
        assert!(a.directory.ends_with(format!("tender-memory-{}", geteuid().as_raw())));
        let nowhere = Shares::join(Some(&absent), &absent);
        assert!(matches!(nowhere, Err(ShareError::Make { path, .. }) if path.starts_with(&absent)));
    }

    /// Builds that start and end while others look: none is removed while it lives, and none stays.
    #[test]
    fn many_come_and_go() {
        let (_dir, runtime) = runtime();
        let stays = join(&runtime);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..200 {
                        let mut shares = join(&runtime);
                        shares.publish(round).unwrap();
                        assert!(shares.others().unwrap().builds >= 1, "the one that stays is seen");
                        assert!(runtime.join("tender-memory").join(&shares.name).exists());
                    }
                });
            }
        });
        assert_eq!(stays.others().unwrap(), Others::default());
    }
}
