//! An archive of which a part may be there: what was received, and by which name of it, its ETag, the
//! server can send the rest. Without such a name a part is thrown away. It knows no server.
//!
//! The name is in a file of its own beside the part, written before the first byte of it, so that a
//! part never has the name of another one. Who has locked the part owns both.

use super::cache::LockedFile;
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

/// Of the file with the name, bytes.
const LONGEST_NAME: u64 = 1 << 16;

/// Behind the name of the part.
const TAG_SUFFIX: &str = ".etag";

/// The beginning of the name of a part of which the checksum is not known.
pub(super) const UNKNOWN: &str = "unknown-";

#[derive(Debug)]
pub(super) struct PartialFile {
    file: File,
    path: Utf8PathBuf,
    url: String,
    tag: Option<String>,
    is_resumed: bool,
}

impl PartialFile {
    /// What is there of the archive at this address. `waiting` is called before it waits for another
    /// process that downloads it.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn open(path: &Utf8Path, url: &str, waiting: &mut dyn FnMut()) -> io::Result<PartialFile> {
        let LockedFile { file } = LockedFile::open(path, waiting)?;
        let (path, url) = (path.to_owned(), url.to_owned());
        let mut partial = PartialFile { file, path, url, tag: None, is_resumed: false };
        let known = crate::sys::whole_file::read(partial.tag_path().as_std_path(), LONGEST_NAME);
        let known = known.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        // Another address may have another archive of the same name.
        partial.tag = known.and_then(|text| {
            let (known_url, tag) = text.strip_suffix('\n')?.split_once('\n')?;
            (known_url == partial.url).then(|| tag.to_owned())
        });
        Ok(partial)
    }

    /// How many bytes are there, and the name by which the rest can be had.
    pub fn resumable(&self) -> Option<(u64, &str)> {
        let length = self.file.metadata().ok()?.len();
        Some((length, self.tag.as_deref()?)).filter(|_| length > 0)
    }

    /// Empties it, for an archive of this name.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(&mut self, tag: Option<&str>) -> io::Result<()> {
        self.file.set_len(0)?;
        self.is_resumed = false;
        self.tag = tag.map(str::to_owned);
        match tag {
            Some(tag) => fs::write(self.tag_path(), format!("{}\n{tag}\n", self.url))?,
            None => remove(&self.tag_path())?,
        }
        self.file.rewind()
    }

    /// More is added to what is there, whose checksum is returned.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn resume(&mut self) -> io::Result<Sha256> {
        self.is_resumed = true;
        self.file.rewind()?;
        let mut hasher = Sha256::new();
        io::copy(&mut self.file, &mut hasher)?;
        self.file.seek(SeekFrom::End(0))?;
        Ok(hasher)
    }

    /// It was not received at once.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// # Errors
    /// It cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// The archive is whole: it gets another name.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn finish(&mut self, path: &Utf8Path) -> io::Result<()> {
        self.file.sync_data()?;
        // Nobody takes the name of an archive that is not there.
        remove(&self.tag_path())?;
        fs::rename(&self.path, path)
    }

    /// Removes it, so that a full disk has room again.
    pub fn remove(&mut self) {
        self.tag = None;
        let _ = remove(&self.tag_path());
        let _ = remove(&self.path);
    }

    fn tag_path(&self) -> Utf8PathBuf {
        Utf8PathBuf::from(format!("{}{TAG_SUFFIX}", self.path))
    }
}

/// Parts that nobody has written to for so long are removed.
const OLDEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Removes parts that nobody resumes any more: old ones in this directory, which no process has locked.
pub(super) fn remove_old(dir: &Utf8Path, now: SystemTime) {
    for entry in dir.read_dir_utf8().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_part = name.ends_with(".part") || name.starts_with(UNKNOWN);
        let age = |meta: fs::Metadata| now.duration_since(meta.modified().ok()?).ok();
        let is_old = || entry.metadata().ok().and_then(age).is_some_and(|age| age > OLDEST);
        if !is_part || name.ends_with(TAG_SUFFIX) || !is_old() {
            continue;
        }
        if let Some(LockedFile { file }) = LockedFile::try_open(entry.path()) {
            let (path, url) = (entry.path().to_owned(), String::new());
            PartialFile { file, path, url, tag: None, is_resumed: false }.remove();
        }
    }
}

/// Removes a file, if it is there.
///
/// # Errors
/// It cannot be removed.
pub(super) fn remove(path: &Utf8Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// An ETag that stands for all bytes of an archive (RFC 9110, 8.8.1); a weak one does not.
pub(super) fn strong_tag(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"').then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &tempfile::TempDir, url: &str) -> PartialFile {
        let path = Utf8Path::from_path(dir.path()).unwrap().join("x.part");
        PartialFile::open(&path, url, &mut || {}).unwrap()
    }

    #[test]
    fn partial_file_is_resumed_by_the_name_that_the_server_gave_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = open(&dir, "http://a/x");
        assert_eq!(part.resumable(), None);
        part.begin(Some("\"1\"")).unwrap();
        assert_eq!(part.resumable(), None);
        part.append(b"ab").unwrap();
        drop(part);
        assert_eq!(open(&dir, "http://b/x").resumable(), None);
        let mut part = open(&dir, "http://a/x");
        assert_eq!(part.resumable(), Some((2, "\"1\"")));
        let mut hasher = part.resume().unwrap();
        part.append(b"c").unwrap();
        hasher.update(b"c");
        assert_eq!(hasher.finalize(), Sha256::digest(b"abc"));
        part.begin(None).unwrap();
        part.append(b"ab").unwrap();
        assert_eq!(part.resumable(), None);
        part.remove();
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn partial_file_without_a_whole_name_begins_again() {
        let dir = tempfile::tempdir().unwrap();
        open(&dir, "http://a/x").append(b"ab").unwrap();
        for text in ["", "http://a/x", "http://a/x\n", "http://a/x\n\"1"] {
            fs::write(dir.path().join("x.part.etag"), text).unwrap();
            assert_eq!(open(&dir, "http://a/x").resumable(), None, "{text:?}");
        }
    }

    #[test]
    fn partial_files_that_nobody_resumes_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let names = || {
            let mut names: Vec<String> = root
                .read_dir_utf8()
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_owned())
                .collect();
            names.sort();
            names
        };
        let age = |name: &str, age: Duration| {
            let file = File::options().write(true).open(root.join(name)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        };
        for name in ["a.part", "a.part.etag", "b.part", "c.part", "done", "unknown-7"] {
            fs::write(root.join(name), "x").unwrap();
            age(name, OLDEST + Duration::from_secs(60));
        }
        age("b.part", OLDEST - Duration::from_secs(3600));
        let held = LockedFile::open(&root.join("c.part"), &mut || {}).unwrap();
        remove_old(root, SystemTime::now());
        assert_eq!(names(), ["b.part", "c.part", "done"]);
        drop(held);
        remove_old(&root.join("absent"), SystemTime::now());
    }

    #[test]
    fn strong_tags_are_told_from_weak_ones() {
        assert_eq!(strong_tag("\"a-1\""), Some("\"a-1\""));
        for weak in ["W/\"a\"", "a", "\"", "", "\"a b\"", "\"a\r\n\""] {
            assert_eq!(strong_tag(weak), None, "{weak}");
        }
    }
}
