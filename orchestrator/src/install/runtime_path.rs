//! Changes where a linked program looks for shared libraries. Pure: the bytes of an ELF file in, the
//! changed bytes out.
//!
//! Links reserve room (`graph::RUNTIME_PATH_BYTES`), so nothing in the file moves. What a manifest
//! adds to the path stays.

use super::plan::RuntimePath;
use crate::graph::RUNTIME_PATH_BYTES;
use object::elf::{DT_NULL, DT_RPATH, DT_RUNPATH, DT_STRTAB, PT_DYNAMIC, PT_LOAD};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{FileKind, elf};
use std::ops::Range;

/// `bytes` with the path that `change` asks for. A file that has none of a build stays as it is.
///
/// # Errors
/// Text for users: it is no ELF file, or the path has no room.
pub(super) fn change_runtime_path(bytes: &mut [u8], change: &RuntimePath) -> Result<(), String> {
    match FileKind::parse(&*bytes) {
        Ok(FileKind::Elf64) => change_in::<elf::FileHeader64<object::Endianness>>(bytes, change),
        Ok(FileKind::Elf32) => change_in::<elf::FileHeader32<object::Endianness>>(bytes, change),
        Ok(_) | Err(_) => Err("it is no ELF file".to_owned()),
    }
}

fn change_in<Elf: FileHeader<Endian = object::Endianness>>(
    bytes: &mut [u8],
    change: &RuntimePath,
) -> Result<(), String> {
    let damaged = |error: object::read::Error| format!("it is a damaged ELF file: {error}");
    let Some(place) = find::<Elf>(bytes).map_err(damaged)? else { return Ok(()) };
    let Ok(old) = std::str::from_utf8(&bytes[place.text.clone()]) else { return Ok(()) };
    match changed(old, change)? {
        None => {}
        Some(text) if text.is_empty() => {
            // The entries behind it move up.
            let size = place.entry.len();
            bytes.copy_within(place.entry.end..place.table.end, place.entry.start);
            bytes[place.table.end - size..place.table.end].fill(0);
        }
        Some(text) => {
            bytes[place.text.clone()].fill(0);
            bytes[place.text][..text.len()].copy_from_slice(text.as_bytes());
        }
    }
    Ok(())
}

/// The path as it is to be; None: it stays. It is no longer than before.
///
/// # Errors
/// The new element is longer than the reserved one.
fn changed(old: &str, change: &RuntimePath) -> Result<Option<String>, String> {
    let is_reserved =
        |element: &&str| element.len() == RUNTIME_PATH_BYTES && element.starts_with("$ORIGIN");
    if !old.split(':').any(|element| is_reserved(&element)) {
        return Ok(None);
    }
    let new = match change {
        RuntimePath::Absent => return Ok(None),
        RuntimePath::Removed => None,
        RuntimePath::Replaced(path) if path.len() > RUNTIME_PATH_BYTES => {
            return Err(format!(
                "its directory of shared libraries, `{path}`, has more than {RUNTIME_PATH_BYTES} bytes"
            ));
        }
        RuntimePath::Replaced(path) => Some(path.as_str()),
    };
    let element = |element| if is_reserved(&element) { new } else { Some(element) };
    let elements: Vec<&str> = old.split(':').filter_map(element).collect();
    Ok(Some(elements.join(":")))
}

/// Where the path stands, in bytes of the file.
struct RuntimePathPlace {
    text: Range<usize>,
    /// The entry of the dynamic table, and the table.
    entry: Range<usize>,
    table: Range<usize>,
}

/// # Errors
/// The file is damaged.
fn find<Elf: FileHeader<Endian = object::Endianness>>(
    bytes: &[u8],
) -> object::read::Result<Option<RuntimePathPlace>> {
    let header = Elf::parse(bytes)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, bytes)?;
    let Some(dynamic) = segments.iter().find(|one| one.p_type(endian) == PT_DYNAMIC) else {
        return Ok(None);
    };
    let Some(entries) = dynamic.dynamic(endian, bytes)? else { return Ok(None) };
    let has = |entry: &&Elf::Dyn, tag: i64| entry.tag(endian) == tag;
    let used = entries.iter().take_while(|entry| !has(entry, DT_NULL)).count();
    let strings = entries[..used].iter().find(|entry| has(entry, DT_STRTAB));
    let strings = strings.map(|entry| entry.d_val(endian).into());
    let is_path = |entry: &Elf::Dyn| [DT_RUNPATH, DT_RPATH].iter().any(|tag| has(&entry, *tag));
    let (Some(number), Some(strings)) = (entries[..used].iter().position(is_path), strings) else {
        return Ok(None);
    };
    let path: u64 = entries[number].d_val(endian).into();
    // Addresses of the loaded file, as those in the table are.
    let address = u64::checked_add(strings, path);
    let offset = segments.iter().filter(|one| one.p_type(endian) == PT_LOAD).find_map(|one| {
        let (start, size): (u64, u64) = (one.p_vaddr(endian).into(), one.p_filesz(endian).into());
        let inside = address?.checked_sub(start).filter(|inside| *inside < size)?;
        usize::try_from(inside.checked_add(one.p_offset(endian).into())?).ok()
    });
    let Some(rest) = offset.and_then(|offset| bytes.get(offset..)) else { return Ok(None) };
    let length = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    let start = bytes.len() - rest.len();
    let size = size_of::<Elf::Dyn>();
    let table: u64 = dynamic.p_offset(endian).into();
    // The entries have been read from there.
    let Ok(table) = usize::try_from(table) else { return Ok(None) };
    let entry = table + number * size;
    Ok(Some(RuntimePathPlace {
        text: start..start + length,
        entry: entry..entry + size,
        table: table..table + size_of_val(entries),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserved(path: &str) -> String {
        format!("{path:/<RUNTIME_PATH_BYTES$}")
    }

    #[test]
    fn runtime_path_of_the_build_is_replaced() {
        let check = |old: &str, change: &RuntimePath, expect: Option<&str>| {
            assert_eq!(changed(old, change).unwrap().as_deref(), expect, "{old}");
        };
        let to_lib = RuntimePath::Replaced("$ORIGIN/../lib".into());
        let own = reserved("$ORIGIN");
        check(&own, &to_lib, Some("$ORIGIN/../lib"));
        check(&reserved("$ORIGIN/.."), &to_lib, Some("$ORIGIN/../lib"));
        check(&format!("{own}:/opt/x/lib"), &to_lib, Some("$ORIGIN/../lib:/opt/x/lib"));
        check(&format!("/opt/x/lib:{own}"), &RuntimePath::Removed, Some("/opt/x/lib"));
        check(&own, &RuntimePath::Removed, Some(""));
        // What the manifest says stays.
        check("$ORIGIN/../lib:/opt/x/lib", &RuntimePath::Removed, None);
        check("", &to_lib, None);
        check(&own, &RuntimePath::Absent, None);
    }

    #[test]
    fn runtime_path_without_room_is_refused() {
        let fits = RuntimePath::Replaced("x".repeat(RUNTIME_PATH_BYTES));
        let long = RuntimePath::Replaced("x".repeat(RUNTIME_PATH_BYTES + 1));
        assert!(changed(&reserved("$ORIGIN"), &fits).is_ok());
        assert!(changed(&reserved("$ORIGIN"), &long).unwrap_err().contains("more than 80 bytes"));
    }

    #[test]
    fn runtime_path_is_changed_in_elf_files_alone() {
        let mut text = b"#!/bin/sh\n".to_vec();
        assert!(change_runtime_path(&mut text, &RuntimePath::Removed).is_err());
        // This test is a program without such a path.
        let own = std::fs::read("/proc/self/exe").unwrap();
        let mut bytes = own.clone();
        change_runtime_path(&mut bytes, &RuntimePath::Replaced("$ORIGIN".into())).unwrap();
        assert_eq!(bytes, own);
    }

    #[test]
    fn runtime_path_of_a_shared_library_is_changed() {
        let old: &[u8] = include_bytes!("../../../fuzz/corpora/runtime_path/shared.so");
        let has =
            |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|at| at == text.as_bytes());
        assert!(has(old, &reserved("$ORIGIN")));
        let mut bytes = old.to_vec();
        change_runtime_path(&mut bytes, &RuntimePath::Replaced("$ORIGIN/../lib".into())).unwrap();
        assert!(has(&bytes, "\0$ORIGIN/../lib\0") && bytes.len() == old.len());
        // Again: what is not as a link has left it stays.
        let changed = bytes.clone();
        change_runtime_path(&mut bytes, &RuntimePath::Removed).unwrap();
        assert_eq!(bytes, changed);
        let mut bytes = old.to_vec();
        change_runtime_path(&mut bytes, &RuntimePath::Removed).unwrap();
        let differ = old.iter().zip(&bytes).filter(|(old, new)| old != new).count();
        assert!(differ > 0 && bytes.len() == old.len());
        let place = find::<elf::FileHeader64<object::Endianness>>(&bytes);
        assert!(place.unwrap().is_none(), "there is no such entry any more");
    }

    #[test]
    fn fuzz_runtime_path() {
        tender_fuzz::check("runtime_path", 300, |bytes| {
            for change in [RuntimePath::Removed, RuntimePath::Replaced("$ORIGIN".into())] {
                let mut changed = bytes.to_vec();
                let _ = change_runtime_path(&mut changed, &change);
                assert_eq!(changed.len(), bytes.len());
            }
        });
    }
}
