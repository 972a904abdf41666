//! The kernel's text files, read below a root directory that tests replace. Knows their syntax, not
//! their meaning.
//!
//! KernelFiles that are read often stay open. That is cheaper, and necessary when memory is at its
//! limit: opening a file takes kernel memory that is charged to us, and if there is none the kernel
//! kills a process. If it has just killed a worker whose memory is not free yet, it can only kill
//! us. Reading an open file again takes no memory.

use super::note::{Note, Notes};
use crate::sys::kernel_file::read_again;
use camino::{Utf8Path, Utf8PathBuf};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;

/// Reads files by their absolute paths.
#[derive(Debug)]
pub(super) struct KernelFiles {
    root: Utf8PathBuf,
    kept: RefCell<OpenFiles>,
}

#[derive(Debug, Default)]
struct OpenFiles {
    open: BTreeMap<Utf8PathBuf, File>,
    buffer: Vec<u8>,
}

impl KernelFiles {
    /// `root` is `/` except in tests.
    pub fn new(root: &Utf8Path) -> Self {
        Self { root: root.to_owned(), kept: RefCell::default() }
    }

    /// The real path of the absolute `path`.
    pub fn real(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.root.join(path.as_str().trim_start_matches('/'))
    }

    /// Reads a file once. Bytes that are not UTF-8 are replaced. (If a cgroup's name has such
    /// bytes, its files are not found later, which is noted.)
    ///
    /// # Errors
    /// The file is absent or cannot be read.
    pub fn read(&self, path: &Utf8Path) -> io::Result<String> {
        let bytes = std::fs::read(self.real(path))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// As `read`, for a file that is read often; it stays open.
    ///
    /// # Errors
    /// The file is absent or cannot be read.
    pub fn read_often(&self, path: &Utf8Path) -> io::Result<String> {
        let OpenFiles { open, buffer } = &mut *self.kept.borrow_mut();
        if let Some(file) = open.get(path) {
            if let Ok(bytes) = read_again(file, buffer) {
                return Ok(String::from_utf8_lossy(bytes).into_owned());
            }
            // It was removed, and perhaps created again.
            open.remove(path);
        }
        let file = File::open(self.real(path))?;
        let text = String::from_utf8_lossy(read_again(&file, buffer)?).into_owned();
        open.insert(path.to_owned(), file);
        Ok(text)
    }

    /// As `read_often`. `None` if the file is absent, without a note, or cannot be read, with a
    /// note.
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

    /// Reads a file as `read_often` and parses it. Adds a note if one of the two fails.
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

/// The value of `key` in lines of `KEY VALUE`, in any order. Newer kernels add keys.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
pub(super) mod fixture {
    use super::*;
    use tempfile::TempDir;

    /// A directory that holds `files`, by absolute name and content. A name that ends in `/` is a
    /// directory.
    pub fn tree(files: &[(&str, &str)]) -> (TempDir, KernelFiles) {
        let dir = tempfile::tempdir().unwrap();
        let reader = KernelFiles::new(Utf8Path::from_path(dir.path()).unwrap());
        for (path, content) in files {
            write(&reader, path, content);
        }
        (dir, reader)
    }

    pub fn write(files: &KernelFiles, path: &str, content: &str) {
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
    fn keyed_finds_values_by_key() {
        let check = |text, expect| assert_eq!(keyed(text, "inactive_file"), expect, "{text}");
        check("anon 1\ninactive_file 42\nfile 3\n", Some(42));
        check("total_inactive_file 7\n", None);
        check("inactive_file_more 7\n", None);
        check("inactive_file\n", None);
        check("inactive_file -1\n", None);
        check("inactive_file lots\n", None);
    }

    #[test]
    fn files_that_stay_open_are_read_from_their_start() {
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

    /// When a process has ended, reading an open file of its directory in /proc fails.
    #[test]
    fn files_that_were_removed_are_opened_again() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let files = KernelFiles::new("/".into());
        let path = Utf8PathBuf::from(format!("/proc/{}/status", child.id()));
        let before = files.read_often(&path);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(before.unwrap().starts_with("Name:"));
        assert!(files.read_often(&path).is_err());
        assert_eq!(files.kept.borrow().open.len(), 0);
    }

    #[test]
    fn files_that_are_absent_get_no_note_and_unreadable_ones_do() {
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
