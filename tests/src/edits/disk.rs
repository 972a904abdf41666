//! Applies edits to a real directory. Knows no builds.

use super::edit::{Edit, Outputs, Spoiling, Time, Writing};
use super::state::{Entry, State};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A workspace on the disk.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) root: Utf8PathBuf,
    /// A directory on the same file system, for temporary files.
    staging: Utf8PathBuf,
}

impl Disk {
    /// Neither needs to exist.
    pub(super) fn new(root: Utf8PathBuf, staging: Utf8PathBuf) -> Disk {
        fs::create_dir_all(&staging).unwrap();
        Disk { root, staging }
    }

    /// Creates the directory again, with exactly the files of `state`. Their times are those of the
    /// same files in `like`.
    pub(super) fn become_copy(&self, state: &State, like: Option<&Disk>) {
        if self.root.exists() {
            fs::remove_dir_all(&self.root).unwrap();
        }
        fs::create_dir_all(&self.root).unwrap();
        for (path, entry) in state.entries() {
            let full = self.root.join(path);
            fs::create_dir_all(full.parent().expect("it is below the root")).unwrap();
            match entry {
                Entry::Link(target) => symlink(target, &full).unwrap(),
                Entry::File(_) => {
                    let file = state.file(path).expect("it is one");
                    fs::write(&full, &file.content).unwrap();
                    fs::set_permissions(&full, Permissions::from_mode(file.mode)).unwrap();
                    if let Some(like) = like {
                        set_time(&full, time_of(&like.root.join(path)));
                    }
                }
            }
        }
    }

    /// Seconds since the epoch.
    pub(super) fn seconds_of(&self, path: &str) -> i64 {
        let since = time_of(&self.root.join(path)).duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_secs() as i64
    }

    /// Applies an edit that `State::apply` has accepted. Ignores variables. `outputs` returns the
    /// paths of the last build's outputs.
    pub(super) fn apply(&self, edit: &Edit, outputs: impl Fn(Outputs) -> Vec<Utf8PathBuf>) {
        let at = |path: &String| self.root.join(path);
        match edit {
            Edit::Write { path, content, how } => self.write(&at(path), content, *how),
            Edit::SetTime { path, time } => {
                let path = at(path);
                let before = time_of(&path);
                let now = SystemTime::now();
                match *time {
                    Time::Now => set_time(&path, now),
                    Time::At(seconds) => {
                        set_time(&path, UNIX_EPOCH + Duration::from_secs(seconds as u64))
                    }
                    Time::Ahead(seconds) => {
                        set_time(&path, now + Duration::from_secs(seconds as u64))
                    }
                    Time::AndBack => {
                        set_time(&path, now);
                        set_time(&path, before);
                    }
                }
            }
            Edit::SetMode { path, mode } => {
                fs::set_permissions(at(path), Permissions::from_mode(*mode)).unwrap();
            }
            Edit::Rename { from, to } => {
                self.move_over(&at(from), &at(to));
                self.prune(&at(from));
            }
            Edit::Swap { a, b } => {
                let between = self.staging.join("between");
                fs::rename(at(a), &between).unwrap();
                fs::rename(at(b), at(a)).unwrap();
                fs::rename(&between, at(b)).unwrap();
            }
            Edit::Remove { path } => {
                let full = at(path);
                match fs::symlink_metadata(&full).unwrap().is_dir() {
                    true => fs::remove_dir_all(&full).unwrap(),
                    false => fs::remove_file(&full).unwrap(),
                }
                self.prune(&full);
            }
            Edit::HardLink { of, path } => fs::hard_link(at(of), at(path)).unwrap(),
            Edit::Symlink { path, target } => {
                let _ = fs::remove_file(at(path));
                fs::create_dir_all(at(path).parent().expect("it is below the root")).unwrap();
                symlink(target, at(path)).unwrap();
            }
            Edit::SetVariable { .. } => {}
            Edit::Spoil { pick, how, which } => {
                let outputs = outputs(*which);
                if !outputs.is_empty() {
                    spoil(&outputs[(pick % outputs.len() as u64) as usize], *how);
                }
            }
        }
    }

    fn write(&self, path: &Utf8Path, content: &[u8], how: Writing) {
        fs::create_dir_all(path.parent().expect("it is below the root")).unwrap();
        let before = fs::metadata(path).ok();
        let time = before.as_ref().map_or(UNIX_EPOCH, |before| before.modified().unwrap());
        let mode = before.map_or(0o644, |before| before.permissions().mode());
        let elsewhere = self.staging.join("file");
        // Writes a file with the same time and permissions, for another program or rename(2).
        let prepare = |path: &Utf8Path, time| {
            fs::write(path, content).unwrap();
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            set_time(path, time);
        };
        match how {
            Writing::InPlace => fs::write(path, content).unwrap(),
            Writing::Replaced => {
                prepare(&elsewhere, SystemTime::now());
                fs::rename(&elsewhere, path).unwrap();
            }
            Writing::Recreated => {
                let _ = fs::remove_file(path);
                fs::write(path, content).unwrap();
            }
            Writing::InPlaceTimeKept => {
                fs::write(path, content).unwrap();
                set_time(path, time);
            }
            Writing::OverwrittenTimeKept => {
                use std::io::Write;
                let mut file =
                    File::options().create(true).truncate(false).write(true).open(path).unwrap();
                file.write_all(content).unwrap();
                file.set_len(content.len() as u64).unwrap();
                file.set_modified(time).unwrap();
            }
            Writing::CopiedTimeKept => {
                prepare(&elsewhere, time);
                let copied =
                    Command::new("cp").args(["-p", elsewhere.as_str(), path.as_str()]).status();
                assert!(copied.unwrap().success(), "cp -p {elsewhere} {path}");
                fs::remove_file(&elsewhere).unwrap();
            }
            Writing::MovedTimeKept => {
                prepare(&elsewhere, time);
                fs::rename(&elsewhere, path).unwrap();
            }
            Writing::SyncedTimeKept => {
                let name = path.file_name().expect("it is a file");
                let beside = path.with_file_name(format!(".{name}.Xa1b2C"));
                prepare(&beside, time);
                fs::rename(&beside, path).unwrap();
            }
            Writing::LinkedTimeKept => {
                prepare(&elsewhere, time);
                let other = self.staging.join("other-name");
                fs::hard_link(&elsewhere, &other).unwrap();
                fs::rename(&other, path).unwrap();
                fs::remove_file(&elsewhere).unwrap();
            }
            Writing::ConstantTime => {
                prepare(&elsewhere, UNIX_EPOCH + Duration::from_secs(1));
                fs::rename(&elsewhere, path).unwrap();
            }
        }
        if matches!(how, Writing::InPlace | Writing::Recreated | Writing::InPlaceTimeKept) {
            // Sets the permissions of `State`, whatever the umask is. Only if they differ, because
            // chmod(2) changes the change time.
            if fs::metadata(path).unwrap().permissions().mode() & 0o777 != mode & 0o777 {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            }
        }
    }

    fn move_over(&self, from: &Utf8Path, to: &Utf8Path) {
        fs::create_dir_all(to.parent().expect("it is below the root")).unwrap();
        // A file that a command has written there is not in the state.
        if to.is_dir() && !to.is_symlink() {
            fs::remove_dir_all(to).unwrap();
        }
        fs::rename(from, to).unwrap();
    }

    /// Removes empty directories above, as version control does.
    fn prune(&self, path: &Utf8Path) {
        let above = path.ancestors().skip(1).take_while(|directory| *directory != self.root);
        for directory in above {
            if fs::remove_dir(directory).is_err() {
                break;
            }
        }
    }
}

fn spoil(path: &Utf8Path, how: Spoiling) {
    match how {
        Spoiling::Removed => fs::remove_file(path).unwrap(),
        Spoiling::Written => fs::write(path, "spoilt").unwrap(),
        Spoiling::Touched => set_time(path, SystemTime::now()),
        Spoiling::TimeKept => {
            let mut content = fs::read(path).unwrap();
            let time = time_of(path);
            if let Some(first) = content.first_mut() {
                *first ^= 1;
            }
            fs::write(path, content).unwrap();
            set_time(path, time);
        }
    }
}

fn time_of(path: &Utf8Path) -> SystemTime {
    let found = fs::metadata(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    found.modified().unwrap()
}

fn set_time(path: &Utf8Path, time: SystemTime) {
    let file = File::open(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    file.set_modified(time).unwrap();
}
