//! Reads and changes the files of a prefix. Decides nothing.
//!
//! Each file is written beside its place under another name, and only when all of them are written
//! they are renamed: a failure leaves what was there, and no file is ever half written. Before the
//! first is renamed, the lists name all files of before and after, so that an interrupted
//! installation can be repeated or removed.

use super::InstallError;
use super::changes::{
    InstallChanges, InstallLists, Present, PresentFiles, RemovalChanges, installation,
    paths_of_installation,
};
use super::layout::InstallLayout;
use super::list::{InstallList, ListProblem, ListedContent};
use super::plan::{InstallEntry, InstallPlan, RuntimePath};
use super::runtime_path::change_runtime_path;
use crate::sys::whole_file;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Access, AtFlags, FlockOperation};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{PermissionsExt, symlink};

/// The largest list, bytes: that of a crate with a million headers.
const LARGEST_LIST: u64 = 1 << 28;

/// Held while the files of a prefix are changed.
#[derive(Debug)]
pub struct InstallLock {
    _directory: File,
    /// Directories that were made for it, absolute, outer ones first.
    made: Vec<Utf8PathBuf>,
}

impl Drop for InstallLock {
    fn drop(&mut self) {
        // They are not empty if something was installed.
        for dir in self.made.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

impl InstallLock {
    /// Waits for another installation in the prefix. Makes the directory of the lists.
    ///
    /// # Errors
    /// [`InstallError::Place`]: the prefix cannot be written.
    pub fn acquire(layout: &InstallLayout) -> Result<InstallLock, InstallError> {
        let dir = layout.list_dir();
        let made = make(&dir)?;
        // A directory can be locked as a file can (flock(2)), and leaves no file for the lock.
        let directory = File::open(&dir).map_err(|source| place(&dir, source))?;
        match rustix::fs::flock(&directory, FlockOperation::LockExclusive) {
            // Some network file systems have no locks.
            Ok(()) | Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOLCK) => {}
            Err(error) => return Err(place(&dir, error.into())),
        }
        Ok(InstallLock { _directory: directory, made })
    }
}

fn place(path: &Utf8Path, error: io::Error) -> InstallError {
    InstallError::Place { path: path.to_owned(), why: error.to_string() }
}

/// Says before a long build what would prevent the installation after it.
///
/// # Errors
/// [`InstallError::Place`]: the prefix cannot be written.
pub fn check_place(layout: &InstallLayout) -> Result<(), InstallError> {
    let dir = layout.list_dir();
    let Some(there) = dir.ancestors().find(|dir| dir.symlink_metadata().is_ok()) else {
        return Ok(());
    };
    if !there.is_dir() {
        return Err(place(there, ErrorKind::NotADirectory.into()));
    }
    let access = Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::accessat(rustix::fs::CWD, there.as_std_path(), access, AtFlags::EACCESS)
        .map_err(|error| place(there, error.into()))
}

/// The lists of the prefix.
///
/// # Errors
/// One cannot be read.
pub fn installed_lists(layout: &InstallLayout) -> Result<InstallLists, InstallError> {
    let dir = layout.list_dir();
    let mut lists = InstallLists::new();
    let entries = match dir.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(lists),
        Err(source) => return Err(InstallError::Read { path: dir, source }),
    };
    for entry in entries.flatten() {
        let path = entry.path().to_owned();
        let is_list = path.extension() == Some("json") && !entry.file_name().starts_with('.');
        if !is_list {
            continue;
        }
        let text = whole_file::read(path.as_std_path(), LARGEST_LIST)
            .map_err(|source| InstallError::Read { path: path.clone(), source })?;
        let list = InstallList::parse(&text).map_err(|problem| match problem {
            ListProblem::Newer => InstallError::NewerList { path: path.clone() },
            ListProblem::Damaged(why) => InstallError::List { path: path.clone(), why },
        })?;
        lists.insert(list.name.clone(), list);
    }
    Ok(lists)
}

/// What is at these paths below the prefix.
///
/// # Errors
/// A file cannot be read, or a directory of a path is none.
pub fn examine(
    layout: &InstallLayout,
    paths: &BTreeSet<Utf8PathBuf>,
) -> Result<PresentFiles, InstallError> {
    let one = |below: &Utf8PathBuf| {
        let path = layout.place(below);
        let present = match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Present::Nothing),
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(place(&path, error));
            }
            Err(error) => Err(error),
            Ok(meta) if meta.is_file() => digest_of_file(&path).map(Present::Known),
            Ok(meta) if meta.is_symlink() => fs::read_link(&path)
                .map(|to| Present::Known(ListedContent::Link(to.to_string_lossy().into_owned()))),
            Ok(meta) if meta.is_dir() => Ok(Present::Directory),
            Ok(_) => Ok(Present::Other),
        };
        let present = present.map_err(|source| InstallError::Read { path, source })?;
        Ok((below.clone(), present))
    };
    paths.iter().map(one).collect()
}

fn digest_of_file(path: &Utf8Path) -> io::Result<ListedContent> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(ListedContent::Blake3(hasher.finalize().to_hex().to_string()))
}

/// What an entry is to be: the bytes of a file with its permissions, or a link.
enum EntryFile {
    Bytes(Vec<u8>, u32),
    Link(String),
}

impl EntryFile {
    /// # Errors
    /// A file of the build cannot be read or changed.
    fn of(entry: &InstallEntry) -> Result<EntryFile, InstallError> {
        Ok(match entry {
            InstallEntry::Link(to) => EntryFile::Link(to.clone()),
            InstallEntry::Text(text) => EntryFile::Bytes(text.clone().into_bytes(), 0o644),
            InstallEntry::Copy { source, executable, runtime_path } => {
                let read = |source_error| InstallError::Read {
                    path: source.clone(),
                    source: source_error,
                };
                let mut bytes = fs::read(source).map_err(read)?;
                if *runtime_path != RuntimePath::Absent {
                    change_runtime_path(&mut bytes, runtime_path)
                        .map_err(|why| InstallError::RuntimePath { path: source.clone(), why })?;
                }
                // Scripts among the data stay executable.
                let mode = fs::metadata(source).map_err(read)?.permissions().mode();
                let executable = *executable || mode & 0o100 != 0;
                EntryFile::Bytes(bytes, if executable { 0o755 } else { 0o644 })
            }
        })
    }

    fn content(&self) -> ListedContent {
        match self {
            EntryFile::Link(to) => ListedContent::Link(to.clone()),
            EntryFile::Bytes(bytes, _) => {
                ListedContent::Blake3(blake3::hash(bytes).to_hex().to_string())
            }
        }
    }
}

/// What is to be changed so that the plan is installed. Without the lock this is a guess.
///
/// # Errors
/// A file cannot be read, or files of others are in the way.
pub fn changes_of(
    layout: &InstallLayout,
    plan: &InstallPlan,
    lock: &InstallLock,
) -> Result<InstallChanges, InstallError> {
    let lists = installed_lists(layout)?;
    let mut contents = BTreeMap::new();
    for (path, entry) in plan.crates.iter().flat_map(|krate| &krate.entries) {
        contents.insert(path.clone(), EntryFile::of(entry)?.content());
    }
    let present = examine(layout, &paths_of_installation(plan, &lists))?;
    let mut changes = installation(plan, &contents, &lists, &present)?;
    // Other crates have files in them too.
    let known: BTreeSet<&Utf8PathBuf> = lists.values().flat_map(|list| &list.directories).collect();
    for list in changes.lists_during.iter_mut().chain(&mut changes.lists_after) {
        let lists = layout.list_below(&list.name);
        let all = list.files.iter().map(|file| file.path.as_path()).chain([lists.as_path()]);
        let above = all.flat_map(|path| path.ancestors().skip(1));
        let above: BTreeSet<&Utf8Path> = above.filter(|dir| !dir.as_str().is_empty()).collect();
        let is_ours = |dir: &&Utf8Path| {
            let path = layout.place(dir);
            known.contains(&dir.to_path_buf())
                || lock.made.contains(&path)
                || path.symlink_metadata().is_err()
                || is_left(&path, &layout.list_dir())
        };
        list.directories = above.into_iter().filter(is_ours).map(Utf8Path::to_owned).collect();
    }
    Ok(changes)
}

/// What the names of files begin with that are written and not yet renamed.
const NEW: &str = ".tender-new-";

/// Whether an installation that was killed has made this directory: nothing else is in it than what
/// such a one leaves.
fn is_left(dir: &Utf8Path, list_dir: &Utf8Path) -> bool {
    let is_dir = dir.symlink_metadata().is_ok_and(|found| found.is_dir());
    let Ok(entries) = dir.read_dir_utf8() else { return false };
    let mut is_empty = true;
    for entry in entries {
        let Ok(entry) = entry else { return false };
        is_empty = false;
        if !entry.file_name().starts_with(NEW) && !is_left(entry.path(), list_dir) {
            return false;
        }
    }
    is_dir && (!is_empty || dir == list_dir)
}

/// Installs.
///
/// # Errors
/// A file cannot be written or renamed.
pub fn replace(
    layout: &InstallLayout,
    plan: &InstallPlan,
    changes: &InstallChanges,
) -> Result<(), InstallError> {
    let mut staged = Staged::default();
    let entries: BTreeMap<&Utf8PathBuf, &InstallEntry> =
        plan.crates.iter().flat_map(|krate| &krate.entries).collect();
    for path in &changes.writes {
        staged.add(layout.place(path), &EntryFile::of(entries[path])?)?;
    }
    let list_path = |list: &InstallList| layout.place(&layout.list_below(&list.name));
    let mut lists = Staged::default();
    let is_changed = !changes.writes.is_empty() || !changes.removals.is_empty();
    for list in changes.lists_during.iter().filter(|_| is_changed) {
        lists.add(list_path(list), &EntryFile::Bytes(list.text().into_bytes(), 0o644))?;
    }
    lists.rename()?;
    staged.rename()?;
    for path in &changes.removals {
        remove(&layout.place(path))?;
    }
    let mut lists = Staged::default();
    for list in &changes.lists_after {
        lists.add(list_path(list), &EntryFile::Bytes(list.text().into_bytes(), 0o644))?;
    }
    lists.rename()
}

/// Files that are written and not yet renamed, and the directories that were made for them. They are
/// removed again if they are not renamed.
#[derive(Default)]
struct Staged {
    /// Where each is, and where it goes.
    files: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    directories: Vec<Utf8PathBuf>,
}

impl Staged {
    fn add(&mut self, path: Utf8PathBuf, file: &EntryFile) -> Result<(), InstallError> {
        let dir = path.parent().unwrap_or(Utf8Path::new("/"));
        self.directories.extend(make(dir)?);
        // The same name each time, so that what an interrupted installation has left is replaced.
        // Not made of the file's own name, which may be as long as names can be.
        let digest = blake3::hash(path.as_str().as_bytes()).to_hex();
        let new = dir.join(format!("{NEW}{}", &digest[..16]));
        let write = |source| InstallError::Write { path: path.clone(), source };
        remove(&new)?;
        self.files.push((new.clone(), path.clone()));
        match file {
            EntryFile::Link(to) => symlink(to, &new).map_err(write)?,
            EntryFile::Bytes(bytes, mode) => {
                fs::write(&new, bytes).map_err(write)?;
                fs::set_permissions(&new, Permissions::from_mode(*mode)).map_err(write)?;
            }
        }
        Ok(())
    }

    fn rename(mut self) -> Result<(), InstallError> {
        self.directories.clear();
        while let Some((new, path)) = self.files.first().cloned() {
            fs::rename(&new, &path).map_err(|source| InstallError::Write { path, source })?;
            self.files.remove(0);
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What cannot be removed stays under its other name, which the next installation uses.
        for (new, _) in &self.files {
            let _ = fs::remove_file(new);
        }
        for dir in self.directories.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Makes a directory and those above it. Returns the new ones, outer ones first.
fn make(dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>, InstallError> {
    let absent = dir.ancestors().take_while(|dir| !dir.exists());
    let mut absent: Vec<Utf8PathBuf> = absent.map(Utf8Path::to_owned).collect();
    absent.reverse();
    for dir in &absent {
        match fs::create_dir(dir) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(place(dir, error));
            }
            _ => {}
        }
    }
    if !dir.is_dir() {
        return Err(place(dir, ErrorKind::NotADirectory.into()));
    }
    Ok(absent)
}

fn remove(path: &Utf8Path) -> Result<(), InstallError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(InstallError::Remove { path: path.to_owned(), source }),
        Ok(()) => Ok(()),
    }
}

/// Removes what was installed.
///
/// # Errors
/// A file cannot be removed. Then the lists stay, so that the rest can be removed later.
pub fn take_away(layout: &InstallLayout, changes: &RemovalChanges) -> Result<(), InstallError> {
    for path in &changes.removals {
        remove(&layout.place(path))?;
    }
    for name in &changes.crates {
        remove(&layout.place(&layout.list_below(name)))?;
    }
    for dir in &changes.directories {
        // Others may have files there.
        let _ = fs::remove_dir(layout.place(dir));
    }
    Ok(())
}
