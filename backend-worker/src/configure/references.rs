//! What functions of an object refer to and the object does not define. Pure.

use object::{
    File as Elf, Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SymbolSection,
};
use std::collections::{BTreeSet, HashSet};

/// The names that `function` refers to, by itself and through what it calls within the object,
/// and that are not defined there. The object has a section for each function.
pub fn of_function(object: &[u8], function: &str) -> BTreeSet<String> {
    let mut undefined = BTreeSet::new();
    let Ok(file) = Elf::parse(object) else { return undefined };
    let start = file
        .symbols()
        .find(|symbol| symbol.name() == Ok(function))
        .and_then(|symbol| symbol.section_index());
    let mut seen: HashSet<SectionIndex> = HashSet::new();
    let mut waiting: Vec<SectionIndex> = start.into_iter().collect();
    while let Some(section) = waiting.pop() {
        if !seen.insert(section) {
            continue;
        }
        let Ok(section) = file.section_by_index(section) else { continue };
        for (_, relocation) in section.relocations() {
            let RelocationTarget::Symbol(target) = relocation.target() else { continue };
            let Ok(symbol) = file.symbol_by_index(target) else { continue };
            match symbol.section() {
                SymbolSection::Undefined => {
                    // A weak reference is allowed to lead nowhere.
                    let names = symbol.name().ok().filter(|_| !symbol.is_weak());
                    undefined.extend(names.map(str::to_owned));
                }
                SymbolSection::Section(index) => waiting.push(index),
                _ => {}
            }
        }
    }
    undefined
}
