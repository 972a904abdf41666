//! Symbol tables of native objects, shared libraries and bitcode, as `resolve` wants them. No
//! decisions.

use super::resolve::{Kind, Part, State, Symbol, Visibility};
use crate::llvm::LtoSymbol;
use object::read::elf::{ElfFile64, Sym};
use object::{LittleEndian, Object, ObjectComdat, ObjectSymbol, ReadRef, SectionIndex, elf};
use std::collections::HashMap;

type File<'data, R> = ElfFile64<'data, LittleEndian, R>;

/// The global symbols of a relocatable object.
pub fn object(data: &[u8]) -> Result<Part, object::Error> {
    let file: File<'_, &[u8]> = File::parse(data)?;
    let mut groups: HashMap<SectionIndex, String> = HashMap::new();
    for group in file.comdats() {
        let name = group.name()?.to_owned();
        groups.extend(group.sections().map(|section| (section, name.clone())));
    }
    let mut symbols = Vec::new();
    for symbol in file.symbols() {
        let raw = symbol.elf_symbol();
        if raw.st_bind() == elf::STB_LOCAL {
            continue;
        }
        let state = match raw.st_shndx(LittleEndian) {
            elf::SHN_UNDEF => State::Undefined,
            elf::SHN_COMMON => State::Common(symbol.size()),
            _ => State::Defined,
        };
        symbols.push(Symbol {
            name: symbol.name()?.to_owned(),
            state,
            weak: raw.st_bind() != elf::STB_GLOBAL,
            visibility: visibility(raw.st_visibility()),
            comdat: symbol.section_index().and_then(|section| groups.get(&section)).cloned(),
            absolute: raw.st_shndx(LittleEndian) == elf::SHN_ABS,
            ..Symbol::default()
        });
    }
    Ok(Part { kind: Kind::Object, symbols })
}

/// The dynamic symbols of a shared library that a new link may refer to, or that it refers to.
pub fn shared<'data, R: ReadRef<'data>>(data: R) -> Result<Part, object::Error> {
    let file: File<'data, R> = File::parse(data)?;
    let versions = file.elf_section_table().versions(LittleEndian, data)?;
    let mut symbols = Vec::new();
    for symbol in file.dynamic_symbols() {
        let raw = symbol.elf_symbol();
        if raw.st_bind() == elf::STB_LOCAL {
            continue;
        }
        let undefined = raw.st_shndx(LittleEndian) == elf::SHN_UNDEF;
        if !undefined && let Some(versions) = &versions {
            let version = versions.version_index(LittleEndian, symbol.index());
            // An old version, which only programs that were linked before may use.
            if version.is_hidden() || version.is_local() {
                continue;
            }
        }
        symbols.push(Symbol {
            name: symbol.name()?.to_owned(),
            state: if undefined { State::Undefined } else { State::Defined },
            weak: raw.st_bind() != elf::STB_GLOBAL,
            ..Symbol::default()
        });
    }
    Ok(Part { kind: Kind::Shared, symbols })
}

pub fn bitcode(rows: Vec<LtoSymbol>, kind: Kind) -> Part {
    let symbols = rows.into_iter().map(|row| Symbol {
        name: row.name,
        state: match (row.undefined, row.common) {
            (true, _) => State::Undefined,
            (false, true) => State::Common(row.common_size),
            (false, false) => State::Defined,
        },
        weak: row.weak,
        visibility: visibility(row.visibility),
        comdat: (!row.comdat.is_empty()).then_some(row.comdat),
        section: row.section,
        omittable: row.omittable,
        absolute: false,
    });
    Part { kind, symbols: symbols.collect() }
}

fn visibility(st_other: u8) -> Visibility {
    match st_other {
        elf::STV_DEFAULT => Visibility::Default,
        elf::STV_PROTECTED => Visibility::Protected,
        _ => Visibility::Hidden,
    }
}

/// What a file is, by how it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Magic {
    Object,
    Shared,
    Archive,
    Bitcode,
    /// A linker script, if it can be linked at all.
    Text,
}

/// Of the first 20 bytes or more.
pub fn magic(start: &[u8]) -> Magic {
    const SHARED: u8 = 3;
    match start {
        [b'B', b'C', 0xc0, 0xde, ..] | [0xde, 0xc0, 0x17, 0x0b, ..] => Magic::Bitcode,
        [0x7f, b'E', b'L', b'F', ..] if start.get(16) == Some(&SHARED) => Magic::Shared,
        [0x7f, b'E', b'L', b'F', ..] => Magic::Object,
        _ if start.starts_with(b"!<arch>\n") || start.starts_with(b"!<thin>\n") => Magic::Archive,
        _ => Magic::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shared library is read from its file piece by piece, so that way too.
    #[test]
    fn fuzz_object() {
        tender_fuzz::check("object", 2_000, |content| {
            magic(content);
            let _ = object(content);
            let whole = shared(content).ok().map(|part| part.symbols.len());
            let cache = object::ReadCache::new(std::io::Cursor::new(content));
            assert_eq!(shared(&cache).ok().map(|part| part.symbols.len()), whole);
        });
    }
}
