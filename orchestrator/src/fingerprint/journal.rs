//! An append-only file of records: a header, then frames of length, checksum and payload. Knows no
//! records.
//!
//! One call writes a frame after the last good one. So a frame that is incomplete (by a kill, a
//! full disk, damage) is at the end: readers ignore it, and the next append overwrites it. The file
//! is not synced, because records protect against the end of the build, not of the machine: after a
//! power cut, outputs that do not match their records are made again.

use crate::sys::whole_file;
use camino::{Utf8Path, Utf8PathBuf};
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::FileExt;

/// The number is the version of the records' format. A file of another version is not read.
const HEADER: &[u8; 16] = b"tender-state 04\n";
/// Bytes. A larger file was not written by us, or takes longer to read than it saves.
const LARGEST: u64 = 4 << 30;
/// Length (u32, little endian) and the first eight bytes of the payload's blake3.
const FRAME: usize = 12;

#[derive(Debug)]
pub(super) struct Journal {
    path: Utf8PathBuf,
    /// Opened by the first append, because a build that does nothing does not write.
    file: Option<File>,
    /// The length of the header and all good frames, bytes; 0 if there is no file of ours.
    len: u64,
}

impl Journal {
    /// Reads the file. `each` gets the payload of every good frame in order, and stops the reading
    /// by returning `false`. An absent file, or one that is not ours, is an empty journal.
    pub fn read(path: &Utf8Path, mut each: impl FnMut(&[u8]) -> bool) -> Self {
        let bytes = whole_file::read(path.as_std_path(), LARGEST).unwrap_or_default();
        Self { path: path.to_owned(), file: None, len: good(&bytes, &mut each) as u64 }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// # Errors
    /// The file cannot be written. Earlier frames stay good.
    pub fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEADER.len() + FRAME + payload.len());
        if self.len == 0 {
            bytes.extend_from_slice(HEADER);
        }
        push_frame(&mut bytes, payload);
        let len = self.len;
        let file = self.open()?;
        if let Err(error) = file.write_all_at(&bytes, len) {
            // A part of the frame may be in the file. Readers ignore it, so an error of truncating
            // it does no harm.
            let _ = file.set_len(len);
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Atomically replaces the file by one with these frames.
    ///
    /// # Errors
    /// The new file cannot be written. The old one is kept.
    pub fn replace(&mut self, payloads: &[Vec<u8>]) -> io::Result<()> {
        let mut bytes = HEADER.to_vec();
        payloads.iter().for_each(|payload| push_frame(&mut bytes, payload));
        let dir = self
            .path
            .parent()
            .ok_or_else(|| io::Error::other("a state file without a directory"))?;
        // Only one build of a profile runs at a time. The file of a killed build is overwritten.
        let new = dir.join("state.part");
        let mut file = File::create(&new)?;
        let replaced = file.write_all(&bytes).and_then(|()| std::fs::rename(&new, &self.path));
        if let Err(error) = replaced {
            let _ = std::fs::remove_file(&new);
            return Err(error);
        }
        self.file = Some(file);
        self.len = bytes.len() as u64;
        Ok(())
    }

    fn open(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            if let Some(dir) = self.path.parent() {
                std::fs::create_dir_all(dir)?;
            }
            let file = File::options().create(true).truncate(false).write(true).open(&self.path)?;
            file.set_len(self.len)?;
            self.file = Some(file);
        }
        Ok(self.file.as_ref().expect("just opened"))
    }
}

/// The length of the header and all good frames, bytes.
fn good(bytes: &[u8], each: &mut dyn FnMut(&[u8]) -> bool) -> usize {
    if !bytes.starts_with(HEADER) {
        return 0;
    }
    let mut len = HEADER.len();
    while let Some(payload) = frame(&bytes[len..]) {
        if !each(payload) {
            break;
        }
        len += FRAME + payload.len();
    }
    len
}

fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let head = bytes.get(..FRAME)?;
    let len = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
    let payload = bytes.get(FRAME..FRAME.checked_add(len)?)?;
    (blake3::hash(payload).as_bytes()[..8] == head[4..]).then_some(payload)
}

fn push_frame(bytes: &mut Vec<u8>, payload: &[u8]) {
    let len = u32::try_from(payload.len()).expect("a record has less than 4 GiB");
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&blake3::hash(payload).as_bytes()[..8]);
    bytes.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(path: &Utf8Path) -> (Journal, Vec<Vec<u8>>) {
        let mut frames = Vec::new();
        let journal = Journal::read(path, |payload| {
            frames.push(payload.to_vec());
            true
        });
        (journal, frames)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        /// From a file that is truncated at any place, or has any byte changed, a prefix of the
        /// frames is read, and the next append follows it.
        #[test]
        fn journal_with_any_damage_reads_as_a_prefix(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..6),
            flip in any::<bool>(),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = Utf8Path::from_path(dir.path()).unwrap().join("new/state");
            let (mut journal, none) = read(&path);
            prop_assert!(none.is_empty());
            for payload in &payloads {
                journal.append(payload).unwrap();
            }
            let whole = std::fs::read(&path).unwrap();
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                if flip { damaged[at] ^= 0x41 } else { damaged.truncate(at) }
                std::fs::write(&path, &damaged).unwrap();
                let (mut journal, frames) = read(&path);
                prop_assert!(frames.len() < payloads.len());
                prop_assert_eq!(&frames[..], &payloads[..frames.len()]);
                journal.append(b"more").unwrap();
                let (_, again) = read(&path);
                prop_assert_eq!(again.len(), frames.len() + 1);
                prop_assert_eq!(&again[frames.len()][..], b"more");
            }
        }
    }

    #[test]
    fn journal_is_replaced_at_once_and_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("state");
        let (mut journal, _) = read(&path);
        journal.append(b"old").unwrap();
        journal.replace(&[b"one".to_vec(), b"two".to_vec()]).unwrap();
        journal.append(b"three").unwrap();
        let (again, frames) = read(&path);
        assert_eq!(frames, [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
        assert_eq!(again.len(), journal.len());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn journal_of_another_format_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("state");
        std::fs::write(&path, "tender-state 99\nwhatever comes").unwrap();
        let (mut journal, frames) = read(&path);
        assert!(frames.is_empty());
        journal.append(b"x").unwrap();
        assert_eq!(read(&path).1, [b"x".to_vec()]);
    }

    /// An input without a header gets one, because with another header nothing is read.
    #[test]
    fn fuzz_journal() {
        tender_fuzz::check("journal", 3_000, |input| {
            let header: &[u8] = if input.starts_with(HEADER) { &[] } else { HEADER };
            let bytes = [header, input].concat();
            let mut again = HEADER.to_vec();
            let len = good(&bytes, &mut |payload| {
                push_frame(&mut again, payload);
                true
            });
            assert_eq!(again, bytes[..len]);
        });
    }
}
