//! The kernel's text files, read below a root that tests replace. Knows their syntax, not what they
//! mean.
//!
//! Those that are read again and again stay open. It is cheaper, and where memory is at its limit
//! it matters: to open a file the kernel takes memory that counts as ours, and if there is none it
//! kills. While a worker that it has killed is no task any more, and its memory is not given back
//! yet, that can only be us. To read an open one again it takes none.

use super::note::{Note, Notes};
use crate::sys::kernel_file::read_again;
use camino::{Utf8Path, Utf8PathBuf};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;

/// Reads files by their absolute names.
#[derive(Debug)]
pub(super) struct Files {
    root: Utf8PathBuf,
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    open: BTreeMap<Utf8PathBuf, File>,
    buffer: Vec<u8>,
}

impl Files {
    /// `root` is `/` but for tests.
    pub fn new(root: &Utf8Path) -> Self {
        Self { root: root.to_owned(), kept: RefCell::default() }
    }

    /// Where the absolute `path` lies.
    pub fn real(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.root.join(path.as_str().trim_start_matches('/'))
    }

    /// Bytes that are not UTF-8, as in a cgroup's name, are replaced: then that one is not found
    /// later, which is noted.
    ///
    /// # Errors
    /// The file is absent or cannot be read.
    pub fn read(&self, path: &Utf8Path) -> io::Result<String> {
        let bytes = std::fs::read(self.real(path))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// As `read`, of a file that is read again; it stays open.
    ///
    /// # Errors
    /// The file is absent or cannot be read.
    pub fn read_often(&self, path: &Utf8Path) -> io::Result<String> {
        let Kept { open, buffer } = &mut *self.kept.borrow_mut();
        if let Some(file) = open.get(path) {
            if let Ok(bytes) = read_again(file, buffer) {
                return Ok(String::from_utf8_lossy(bytes).into_owned());
            }
            // It was taken away, and perhaps there is a new one.
            open.remove(path);
        }
        let file = File::open(self.real(path))?;
        let text = String::from_utf8_lossy(read_again(&file, buffer)?).into_owned();
        open.insert(path.to_owned(), file);
        Ok(text)
    }

    /// As `read_often`. `None` where the file is absent, which needs no note, and where it cannot
    /// be read, which gets one.
    pub fn read_if_there(&self, path: &Utf8Path, notes: &mut Notes) -> Option<String> {
        match self.read_often(path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                notes.add(Note::Unreadable { path: path.to_owned(), why: error.to_string() });
                None
            }
        }
    }

    /// What `parse` makes of the file, which stays open, with a note wherever that is nothing.
    pub fn parse<T>(
        &self,
        path: &Utf8Path,
        notes: &mut Notes,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        match self.read_often(path) {
            Ok(text) => {
                let parsed = parse(&text);
                if parsed.is_none() {
                    notes.add(Note::Malformed { path: path.to_owned() });
                }
                parsed
            }
            Err(error) => {
                notes.add(Note::Unreadable { path: path.to_owned(), why: error.to_string() });
                None
            }
        }
    }
}

/// The value of `key` in lines of `KEY VALUE`. Their order is not fixed, and unknown keys come with
/// new kernels.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
pub(super) mod fixture {
    use super::*;
    use tempfile::TempDir;

    /// A directory that holds `files`, by absolute name and content. A name that ends in `/` is a
    /// directory.
    pub fn tree(files: &[(&str, &str)]) -> (TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        let reader = Files::new(Utf8Path::from_path(dir.path()).unwrap());
        for (path, content) in files {
            write(&reader, path, content);
        }
        (dir, reader)
    }

    pub fn write(files: &Files, path: &str, content: &str) {
        let real = files.real(Utf8Path::new(path));
        std::fs::create_dir_all(real.parent().unwrap()).unwrap();
        if path.ends_with('/') {
            std::fs::create_dir_all(real).unwrap();
        } else {
            std::fs::write(real, content).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_key() {
        let check = |text, expect| assert_eq!(keyed(text, "inactive_file"), expect, "{text}");
        check("anon 1\ninactive_file 42\nfile 3\n", Some(42));
        check("total_inactive_file 7\n", None);
        check("inactive_file_more 7\n", None);
        check("inactive_file\n", None);
        check("inactive_file -1\n", None);
        check("inactive_file lots\n", None);
    }

    #[test]
    fn a_file_that_stays_open_is_read_from_its_start() {
        let (_dir, files) = fixture::tree(&[("/a", "1")]);
        let check = |text: &str| {
            fixture::write(&files, "/a", text);
            assert_eq!(files.read_often("/a".into()).unwrap(), text);
        };
        check("12");
        check("");
        check(&"long ".repeat(16 << 10));
        check("3");
        assert_eq!(files.kept.borrow().open.len(), 1);
        assert!(files.read_often("/none".into()).is_err());
        fixture::write(&files, "/none", "here");
        assert_eq!(files.read_often("/none".into()).unwrap(), "here");
    }

    /// What the kernel has of a process cannot be read when it is gone, also through a file that is
    /// open.
    #[test]
    fn what_is_gone_is_not_remembered() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let files = Files::new("/".into());
        let path = Utf8PathBuf::from(format!("/proc/{}/status", child.id()));
        let before = files.read_often(&path);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(before.unwrap().starts_with("Name:"));
        assert!(files.read_often(&path).is_err());
        assert_eq!(files.kept.borrow().open.len(), 0);
    }

    #[test]
    fn what_is_absent_is_not_worth_a_note_and_what_is_unreadable_is() {
        let (_dir, files) = fixture::tree(&[("/a/", ""), ("/b", "x")]);
        let mut notes = Notes::default();
        assert_eq!(files.read_if_there("/none".into(), &mut notes), None);
        assert_eq!(files.read_if_there("/b".into(), &mut notes).as_deref(), Some("x"));
        assert_eq!(notes.take(), []);
        assert_eq!(files.read_if_there("/a".into(), &mut notes), None);
        assert!(matches!(&notes.take()[..], [Note::Unreadable { path, .. }] if path == "/a"));
        assert_eq!(files.parse("/b".into(), &mut notes, |_| None::<u64>), None);
        assert_eq!(notes.take(), [Note::Malformed { path: "/b".into() }]);
    }
}
