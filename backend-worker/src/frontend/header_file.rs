//! The file in which shared headers lie between the item that makes them and the units that use them.
//! Does not know how they are chosen, nor who uses them.

use super::unit::stamp;
use crate::llvm::{self, SharedHeaders};
use crate::sharing::HeaderFacts;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tender_protocol::FileStamp;

/// The first bytes: the version of the format. After them come the checksum of the rest, the length of
/// the table in bytes (little endian), the table, and the precompiled files.
const MAGIC: &[u8; 24] = b"tender shared headers 1\n";
const TABLE: usize = MAGIC.len() + blake3::OUT_LEN + size_of::<u64>();

/// The precompiled files begin at multiples of it, because clang reads tables in them in place.
const ALIGNMENT: usize = 4096;

/// An entry of the table, as JSON: where the precompiled file begins, from the first of them, and its
/// length, in bytes.
type Entry<Facts> = (Facts, usize, usize);

/// The file's content.
pub fn encode(headers: &[SharedHeaders]) -> Vec<u8> {
    let mut begin = 0;
    let entry = |one: &'_ SharedHeaders| {
        let (at, len) = (begin, one.file().len());
        begin += len.next_multiple_of(ALIGNMENT);
        (at, len)
    };
    let places: Vec<(usize, usize)> = headers.iter().map(entry).collect();
    let table: Vec<Entry<&HeaderFacts>> =
        headers.iter().zip(places).map(|(one, (at, len))| (&one.facts, at, len)).collect();
    let table = serde_json::to_vec(&table).expect("it has string keys only");
    let length = (table.len() as u64).to_le_bytes();
    let mut content = [&MAGIC[..], &[0; blake3::OUT_LEN], &length, &table].concat();
    for one in headers {
        content.resize(content.len().next_multiple_of(ALIGNMENT), 0);
        content.extend_from_slice(one.file());
    }
    let hash = blake3::hash(&content[MAGIC.len() + blake3::OUT_LEN..]);
    content[MAGIC.len()..][..blake3::OUT_LEN].copy_from_slice(hash.as_bytes());
    content
}

/// Why such a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HeaderFileError {
    #[error("they are not made yet")]
    Missing,
    #[error("their file cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("their file is damaged")]
    Damaged,
}

/// Maps the file and compares its checksum.
///
/// # Errors
/// It cannot be used.
fn open(path: &str) -> Result<Vec<SharedHeaders>, HeaderFileError> {
    let bytes = llvm::map(Path::new(path)).map_err(|why| match why.kind() {
        ErrorKind::NotFound => HeaderFileError::Missing,
        _ => HeaderFileError::Unreadable(why),
    })?;
    let content = (*bytes).as_ref();
    let table = table(content).ok_or(HeaderFileError::Damaged)?;
    let first = (TABLE + table.len()).next_multiple_of(ALIGNMENT);
    let entries: Vec<Entry<HeaderFacts>> =
        serde_json::from_slice(table).map_err(|_| HeaderFileError::Damaged)?;
    let headers = entries.into_iter().map(|(facts, at, len)| {
        let range = first + at..first + at + len;
        SharedHeaders::new(facts, Arc::clone(&bytes), range)
    });
    Ok(headers.collect())
}

/// The table of a file that is whole.
fn table(content: &[u8]) -> Option<&[u8]> {
    let rest = content.strip_prefix(MAGIC)?;
    let (hash, rest) = rest.split_at_checked(blake3::OUT_LEN)?;
    if blake3::hash(rest).as_bytes() != hash {
        return None;
    }
    let (length, rest) = rest.split_first_chunk::<{ size_of::<u64>() }>()?;
    rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// The files that units of this process have used, by path, each in its last state.
#[derive(Default)]
pub struct HeaderFiles {
    open: Mutex<HashMap<String, OpenFile>>,
}

type OpenFile = (FileStamp, Arc<Vec<SharedHeaders>>);

impl HeaderFiles {
    /// The headers in a file.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn get(&self, path: &str) -> Result<Arc<Vec<SharedHeaders>>, HeaderFileError> {
        let now = std::fs::metadata(path).map_err(|_| HeaderFileError::Missing)?;
        let now = stamp(&now);
        // Held while the file is read, so that it is read once.
        let mut known = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stamp, headers)) = known.get(path)
            && *stamp == now
        {
            return Ok(Arc::clone(headers));
        }
        known.remove(path);
        let headers = Arc::new(open(path)?);
        known.insert(path.to_owned(), (now, Arc::clone(&headers)));
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(text: &str, file: &[u8]) -> SharedHeaders {
        let facts = HeaderFacts { text: text.to_owned(), ..HeaderFacts::default() };
        SharedHeaders::new(facts, Arc::new(file.to_vec()), 0..file.len())
    }

    #[test]
    fn header_file_holds_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shared").to_str().unwrap().to_owned();
        let files = HeaderFiles::default();
        assert!(matches!(files.get(&path), Err(HeaderFileError::Missing)));
        std::fs::write(&path, encode(&[headers("a", b"one"), headers("b", &[7; 5000])])).unwrap();
        let found = files.get(&path).unwrap();
        let found: Vec<_> = found.iter().map(|one| (&*one.facts.text, one.file())).collect();
        assert_eq!(found, [("a", &b"one"[..]), ("b", &[7; 5000])]);
        assert!(found.iter().all(|(_, file)| file.as_ptr().addr() % ALIGNMENT == 0));
        std::fs::write(&path, encode(&[])).unwrap();
        assert_eq!(files.get(&path).unwrap().len(), 0);
    }

    #[test]
    fn header_file_that_is_damaged_or_cut_short_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shared").to_str().unwrap().to_owned();
        let whole = encode(&[headers("a", b"one")]);
        for len in [0, 1, 24, 40, TABLE, whole.len() - 1] {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert!(open(&path).is_err(), "{len}");
        }
        for at in [3, 30, TABLE - 1, TABLE + 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(open(&path), Err(HeaderFileError::Damaged)), "{at}");
        }
    }
}
