//! Identifies the program in a file without reading all of it. Knows no workers.
//!
//! The build id that a linker writes is a hash of the whole program
//! (<https://sourceware.org/binutils/docs/ld/Options.html#index-_002d_002dbuild_002did>). A worker
//! with LLVM inside has more than 100 MB, so that hashing it would be the longest part of a small
//! build.

use super::command::Hash;
use super::files::{hash_open, stamp_of_open};
use camino::Utf8Path;
use object::read::elf::{FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, elf};
use std::fs::File;
use std::io::{self, Seek};
use tender_protocol::FileStamp;

/// The hash of its build id and size, else of all its bytes.
///
/// # Errors
/// The file cannot be read.
pub fn identity(path: &Utf8Path) -> io::Result<Hash> {
    identity_of(File::open(path)?).map(|(_, hash)| hash)
}

/// The same for an open file at its start. Returns also the stamp that it had before it was read.
///
/// # Errors
/// The file cannot be read.
pub fn identity_of(mut file: File) -> io::Result<(FileStamp, Hash)> {
    let stamp = stamp_of_open(&file)?;
    let Some(id) = build_id(&ReadCache::new(&file)) else {
        file.rewind()?;
        return hash_open(file, false);
    };
    // Bytes after the end of the ELF file are not in its id.
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"build id").update(&id).update(&stamp.size.to_le_bytes());
    Ok((stamp, *hasher.finalize().as_bytes()))
}

fn build_id<'data>(data: impl ReadRef<'data>) -> Option<Vec<u8>> {
    let header = elf::FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    for segment in header.program_headers(endian, data).ok()? {
        let Some(mut notes) = segment.notes(endian, data).ok().flatten() else { continue };
        while let Some(note) = notes.next().ok().flatten() {
            if note.name() == elf::ELF_NOTE_GNU && note.n_type(endian) == elf::NT_GNU_BUILD_ID {
                return Some(note.desc().to_vec());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::files::hash_file;
    use super::*;
    use std::fs;

    #[test]
    fn program_identity_is_build_id_and_size() {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap();
        let cc = |name: &str, text: &str, id: &str| {
            fs::write(root.join("a.c"), text).unwrap();
            let mut command = std::process::Command::new("cc");
            command.args(["a.c", "-o", name, &format!("-Wl,--build-id={id}")]).current_dir(root);
            assert!(command.status().unwrap().success());
            identity(&root.join(name)).unwrap()
        };
        let one = cc("one", "int main() { return 1; }", "sha1");
        assert_eq!(cc("same", "int main() { return 1; }", "sha1"), one);
        assert_ne!(cc("two", "int main() { return 2; }", "sha1"), one);
        // The build id decides, not the bytes.
        let named = cc("named", "int main() { return 1; }", "0x1234");
        assert_eq!(cc("named2", "int main() { return 2; }", "0x1234"), named);
        // Bytes after the end.
        let mut bytes = fs::read(root.join("one")).unwrap();
        bytes.push(0);
        fs::write(root.join("longer"), bytes).unwrap();
        assert_ne!(identity(&root.join("longer")).unwrap(), one);
        // Without a build id, all bytes decide.
        let bare = cc("bare", "int main() { return 1; }", "none");
        assert_ne!(cc("bare2", "int main() { return 2; }", "none"), bare);
        fs::write(root.join("script"), "#!/bin/sh\n").unwrap();
        assert_eq!(
            identity(&root.join("script")).unwrap(),
            hash_file(&root.join("script")).unwrap().1
        );
        assert!(identity(&root.join("absent")).is_err());
    }
}
