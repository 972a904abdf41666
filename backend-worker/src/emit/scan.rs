//! Reads a file that a linker has read: finds its hash, and whether it names other files. Knows no
//! links.
//!
//! Objects and archives may be larger than the memory that the link has a lease for, so they are
//! read through one buffer and never held as a whole.

use super::{script, thin};
use blake3::{Hash, Hasher};
use std::io::{self, ErrorKind, Read};

/// Bytes that are read at once.
const BUFFER: usize = 128 << 10;

/// Longest text, in bytes, that is searched for names.
const LONGEST_SCRIPT: usize = 16 << 20;

/// The other files that a file names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NamedFiles {
    None,
    /// The members of a thin archive, see [`thin`].
    ThinArchive,
    /// A linker script, see [`script`].
    Script(String),
    /// A text that is too long to be searched.
    Unknown,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub hash: Hash,
    pub named: NamedFiles,
}

/// Reads `file` to its end. If its hash is `known`, reads only until it is clear whether it names
/// files.
///
/// # Errors
/// The file cannot be read.
pub(super) fn scan(mut file: impl Read, known: Option<Hash>) -> io::Result<Scan> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; BUFFER];
    let mut named = None;
    let mut text = Vec::new();
    let mut is_first = true;
    loop {
        let block = fill(&mut file, &mut buffer)?;
        if block.is_empty() {
            break;
        }
        let is_binary = block.contains(&0) || is_first && script::is_binary(block);
        if is_first && thin::is_thin(block) {
            named = Some(NamedFiles::ThinArchive);
        } else if named.is_none() && is_binary {
            named = Some(NamedFiles::None);
        } else if named.is_none() && text.len() + block.len() > LONGEST_SCRIPT {
            named = Some(NamedFiles::Unknown);
        }
        is_first = false;
        match named {
            Some(_) => text = Vec::new(),
            None => text.extend_from_slice(block),
        }
        match (known, named.is_some()) {
            (Some(_), true) => break,
            (Some(_), false) => {}
            (None, _) => drop(hasher.update(block)),
        }
    }
    let of_text =
        || script::text(&text).map_or(NamedFiles::None, |text| NamedFiles::Script(text.to_owned()));
    let named = named.unwrap_or_else(of_text);
    Ok(Scan { hash: known.unwrap_or_else(|| hasher.finalize()), named })
}

/// Reads until `buffer` is full or the file ends, so that the first block has a file's whole magic
/// number.
fn fill<'b>(file: &mut impl Read, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(&buffer[..filled])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan_of(content: &[u8]) -> Scan {
        let whole = scan(content, None).unwrap();
        assert_eq!(whole.hash, blake3::hash(content));
        // Returns one byte at a time, as a pipe may.
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.read(&mut buffer[..1])
            }
        }
        assert_eq!(scan(Slow(content), None).unwrap(), whole);
        assert_eq!(scan(content, Some(whole.hash)).unwrap(), whole);
        whole
    }

    #[test]
    fn scan_finds_files_that_name_other_files() {
        let check = |content: &[u8], expect: NamedFiles| assert_eq!(scan_of(content).named, expect);
        let script = |text: &str| NamedFiles::Script(text.to_owned());
        check(b"", NamedFiles::None);
        check(b"!<thin>\n/0 ", NamedFiles::ThinArchive);
        check(b"!<arch>\nINPUT(a.o)", NamedFiles::None);
        check(b"\x7fELF INPUT(a.o)", NamedFiles::None);
        check(b"INPUT(a.o)\0", NamedFiles::None);
        check(b"{ global: f; };", NamedFiles::None);
        check(b"INPUT(a.o)", script("INPUT(a.o)"));
        // A script whose names come after the first block, and one with a NUL there.
        let long = format!("/*{}*/ INPUT(a.o)", " ".repeat(BUFFER));
        check(long.as_bytes(), script(&long));
        check(format!("{long}\0").as_bytes(), NamedFiles::None);
        // ELF's magic number at the start of the second block makes no text binary.
        let odd = format!("{}\x7fELF INPUT(a.o)", " ".repeat(BUFFER));
        check(odd.as_bytes(), script(&odd));
    }

    #[test]
    fn scan_does_not_keep_a_text_that_is_too_long() {
        let text = "INPUT(a.o) ".repeat(LONGEST_SCRIPT / 11 + 1);
        assert_eq!(scan_of(text.as_bytes()).named, NamedFiles::Unknown);
    }

    #[test]
    fn scan_reads_only_the_start_of_a_binary_file_whose_hash_is_known() {
        let known = blake3::hash(b"x");
        let endless = b"\x7fELF".chain(io::repeat(0));
        assert_eq!(
            scan(endless, Some(known)).unwrap(),
            Scan { hash: known, named: NamedFiles::None }
        );
    }
}
