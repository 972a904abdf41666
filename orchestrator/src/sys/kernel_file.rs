//! Files that the kernel makes up, as those of /proc, kept open and read again. Knows none of them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// More than most of these files have, bytes.
const USUAL: usize = 16 << 10;

/// The whole text of an open file, from its start; what the kernel makes up is made up anew.
/// `buffer` is used again.
///
/// # Errors
/// What it was about is gone.
pub(crate) fn read_again<'a>(file: &File, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    buffer.resize(buffer.capacity().max(USUAL), 0);
    let mut length = 0;
    loop {
        match file.read_at(&mut buffer[length..], length as u64) {
            Ok(0) => return Ok(&buffer[..length]),
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if length == buffer.len() {
            buffer.resize(2 * length, 0);
        }
    }
}
