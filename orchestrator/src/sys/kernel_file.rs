//! Files that the kernel generates, such as those in /proc, kept open and read again. Knows no
//! single one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Most of these files are shorter. Bytes.
const USUAL: usize = 16 << 10;

/// Reads an open file from its start; the kernel generates its text again. `buffer` is reused.
///
/// # Errors
/// The file cannot be read, for example because its process has ended.
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
