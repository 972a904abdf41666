//! Reads the symbol tables of native objects, shared libraries and bitcode for `resolve`.

use super::resolve::{InputPart, PartKind, Symbol, SymbolState, Visibility};
use crate::llvm::LtoSymbol;
use object::read::elf::{ElfFile64, Sym};
use object::{LittleEndian, Object, ObjectComdat, ObjectSymbol, ReadRef, SectionIndex, elf};
use std::collections::HashMap;

type File<'data, R> = ElfFile64<'data, LittleEndian, R>;

/// The global symbols of a relocatable object.
///
/// # Errors
/// It is no valid ELF object.
pub fn object(data: &[u8]) -> Result<InputPart, object::Error> {
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
            elf::SHN_UNDEF => SymbolState::Undefined,
            elf::SHN_COMMON => SymbolState::Common(symbol.size()),
            _ => SymbolState::Defined,
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
    Ok(InputPart { kind: PartKind::Object, symbols })
}

/// The dynamic symbols of a shared library: those that a new link may refer to, and undefined ones.
///
/// # Errors
/// It is no valid ELF file.
pub fn shared<'data, R: ReadRef<'data>>(data: R) -> Result<InputPart, object::Error> {
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
            // An old symbol version, which new links do not use.
            if version.is_hidden() || version.is_local() {
                continue;
            }
        }
        symbols.push(Symbol {
            name: symbol.name()?.to_owned(),
            state: if undefined { SymbolState::Undefined } else { SymbolState::Defined },
            weak: raw.st_bind() != elf::STB_GLOBAL,
            ..Symbol::default()
        });
    }
    Ok(InputPart { kind: PartKind::Shared, symbols })
}

/// The symbols of a bitcode module.
pub fn bitcode(rows: Vec<LtoSymbol>, kind: PartKind) -> InputPart {
    let symbols = rows.into_iter().map(|row| Symbol {
        name: row.name,
        state: match (row.undefined, row.common) {
            (true, _) => SymbolState::Undefined,
            (false, true) => SymbolState::Common(row.common_size),
            (false, false) => SymbolState::Defined,
        },
        weak: row.weak,
        visibility: visibility(row.visibility),
        comdat: (!row.comdat.is_empty()).then_some(row.comdat),
        section: row.section,
        omittable: row.omittable,
        absolute: false,
    });
    InputPart { kind, symbols: symbols.collect() }
}

fn visibility(st_other: u8) -> Visibility {
    match st_other {
        elf::STV_DEFAULT => Visibility::Default,
        elf::STV_PROTECTED => Visibility::Protected,
        _ => Visibility::Hidden,
    }
}

/// The type of a file, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Magic {
    Object,
    Shared,
    Archive,
    Bitcode,
    /// Everything else; if it can be linked, it is a linker script.
    Text,
}

/// The type of a file, from its first 20 bytes or more.
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

    /// Shared libraries are read through a cache, so both ways are compared.
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
