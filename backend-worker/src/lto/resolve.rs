//! Symbol resolution: which inputs a link takes, and which definition of each symbol prevails.
//! Pure.
//!
//! It follows ld.lld, which resolves the native objects again in the last link. Both must agree, or
//! a definition that the last link needs may be optimised away. If lld's result depends on
//! something that is not modelled here, a symbol counts as visible to native code. That costs code
//! size but not correctness.

use super::version_script::{Glob, VersionScript};
use std::collections::{HashMap, HashSet};

/// An input that is linked as a whole: an object, a shared library, or the modules of one source
/// file.
#[derive(Clone, Debug, Default)]
pub struct LinkInput {
    /// Taken only if it defines a symbol that is needed, as a member of an archive.
    pub lazy: bool,
    /// `--exclude-libs` applies to it.
    pub hidden: bool,
    pub parts: Vec<InputPart>,
}

/// The symbols of one object, module or shared library.
#[derive(Clone, Debug)]
pub struct InputPart {
    pub kind: PartKind,
    pub symbols: Vec<Symbol>,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    Object,
    Bitcode,
    Shared,
}

/// Whether a part defines a symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SymbolState {
    #[default]
    Undefined,
    Defined,
    /// A common symbol with its size in bytes.
    Common(u64),
}

/// ELF visibility.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Visibility {
    #[default]
    Default,
    Hidden,
    Protected,
}

/// A global symbol in the table of an object, module or shared library.
#[derive(Clone, Debug, Default)]
pub struct Symbol {
    pub name: String,
    pub state: SymbolState,
    pub weak: bool,
    pub visibility: Visibility,
    /// The comdat group; a link keeps the first one of each group.
    pub comdat: Option<String>,
    /// The section, if the linker defines symbols for its bounds (`__start_NAME`).
    pub section: String,
    /// A shared library need not export it.
    pub omittable: bool,
    /// An absolute value, which is not addressed relative to the code.
    pub absolute: bool,
}

/// The linker's options that matter for symbols.
#[derive(Clone, Debug, Default)]
pub struct ResolveOptions {
    pub shared: bool,
    pub export_dynamic: bool,
    /// `-e`, for a program.
    pub entry: Option<String>,
    /// `-u`
    pub undefined: Vec<String>,
    /// `-init`, `-fini`: kept if defined.
    pub retained: Vec<String>,
    pub wrap: Vec<String>,
    /// `--defsym`: the names defined, and the names that their expressions use.
    pub defined_by_linker: Vec<String>,
    pub used_by_linker: Vec<String>,
    /// `--dynamic-list`, `--export-dynamic-symbol`
    pub dynamic_list: Vec<Glob>,
    pub versions: Option<VersionScript>,
    /// Functions that the code generator may call.
    pub libcalls: Vec<String>,
    /// All definitions are visible to native code, as in an archive or with `-r`.
    pub everything_visible: bool,
}

/// Flags of a module's symbol, as `TenderLtoResolution` in the shim.
pub const PREVAILING: u8 = 1;
pub const FINAL_DEFINITION: u8 = 2;
pub const VISIBLE_TO_REGULAR: u8 = 4;
pub const EXPORT_DYNAMIC: u8 = 8;
pub const LINKER_REDEFINED: u8 = 16;

/// Identifies a part: the index of its input, and its index there.
pub type PartId = (usize, usize);

/// The result of symbol resolution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The inputs that are linked, in lld's order, each with the input whose reference caused it.
    pub order: Vec<(usize, Option<usize>)>,
    /// By input, part and symbol. Empty for native parts and for inputs that are not linked.
    pub flags: Vec<Vec<Vec<u8>>>,
    pub duplicates: Vec<Duplicate>,
}

/// Two strong definitions, at least one of them in bitcode. lld itself reports those among native
/// objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    pub symbol: String,
    pub first: PartId,
    pub second: PartId,
}

/// Resolves the symbols of `inputs`.
pub fn resolve(inputs: &[LinkInput], options: &ResolveOptions) -> Resolution {
    let mut table = Table::new(inputs);
    for name in &options.undefined {
        table.require(name);
    }
    for (index, input) in inputs.iter().enumerate() {
        if input.lazy {
            table.offer(index);
        } else {
            table.take(index, None);
        }
    }
    for name in options.entry.iter().filter(|_| !options.shared) {
        table.require_if_known(name);
    }
    for name in &options.retained {
        if let Some(row) = table.find(name) {
            table.rows[row].used_natively = true;
        }
    }
    for name in &options.used_by_linker {
        table.require(name);
    }
    for name in &options.defined_by_linker {
        table.define_by_linker(name);
    }
    for name in &options.libcalls {
        table.require_libcall(name);
    }
    table.wrap(&options.wrap);
    table.finish(options)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Definition {
    None,
    Lazy(usize),
    Shared,
    Common { place: PartId, size: u64 },
    Defined(PartId),
    Linker,
}

/// The state of one name. It changes by the rules of `Symbol::resolve` in lld.
#[derive(Clone, Debug)]
struct TableEntry {
    definition: Definition,
    weak: bool,
    visibility: Visibility,
    used_natively: bool,
    /// A shared library refers to it, or has a definition that it may override.
    exported: bool,
    omittable: bool,
    absolute: bool,
    hidden: bool,
    redefined: bool,
    referenced: bool,
    referenced_after_wrap: bool,
}

struct Table<'a> {
    inputs: &'a [LinkInput],
    names: HashMap<&'a str, usize>,
    /// Names that occur only in the linker's options.
    own_names: HashMap<String, usize>,
    rows: Vec<TableEntry>,
    groups: HashMap<&'a str, PartId>,
    taken: Vec<bool>,
    order: Vec<(usize, Option<usize>)>,
    duplicates: Vec<Duplicate>,
    section_bounds: HashSet<String>,
}

impl<'a> Table<'a> {
    fn new(inputs: &'a [LinkInput]) -> Self {
        Table {
            inputs,
            names: HashMap::new(),
            own_names: HashMap::new(),
            rows: Vec::new(),
            groups: HashMap::new(),
            taken: vec![false; inputs.len()],
            order: Vec::new(),
            duplicates: Vec::new(),
            section_bounds: HashSet::new(),
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).or_else(|| self.own_names.get(name)).copied()
    }

    fn row_of_own(&mut self, name: &str) -> usize {
        self.find(name).unwrap_or_else(|| {
            let row = self.new_row(name);
            self.own_names.insert(name.to_owned(), row);
            row
        })
    }

    fn row(&mut self, name: &'a str) -> usize {
        self.find(name).unwrap_or_else(|| {
            let row = self.new_row(name);
            self.names.insert(name, row);
            row
        })
    }

    fn new_row(&mut self, name: &str) -> usize {
        for bound in ["__start_", "__stop_"] {
            self.section_bounds.extend(name.strip_prefix(bound).map(str::to_owned));
        }
        self.rows.push(TableEntry {
            definition: Definition::None,
            // Until the first reference, which decides.
            weak: true,
            visibility: Visibility::Default,
            used_natively: false,
            exported: false,
            omittable: true,
            absolute: false,
            hidden: false,
            redefined: false,
            referenced: false,
            referenced_after_wrap: false,
        });
        self.rows.len() - 1
    }

    /// Adds a native reference, as `-u NAME` does.
    fn require(&mut self, name: &str) {
        let row = self.row_of_own(name);
        self.rows[row].used_natively = true;
        let wanted = self.reference(row, false, Visibility::Default, false);
        self.take_all(wanted, None);
    }

    fn require_if_known(&mut self, name: &str) {
        if self.find(name).is_some() {
            self.require(name);
        }
    }

    fn require_libcall(&mut self, name: &str) {
        let Some(row) = self.find(name) else { return };
        self.rows[row].used_natively = true;
        // The last link finds native members itself, if the call exists.
        if let Definition::Lazy(input) = self.rows[row].definition
            && self.inputs[input].parts.iter().any(|part| part.kind == PartKind::Bitcode)
        {
            self.take(input, None);
        }
    }

    fn define_by_linker(&mut self, name: &str) {
        let row = self.row_of_own(name);
        let row = &mut self.rows[row];
        row.definition = Definition::Linker;
        row.used_natively = true;
        row.redefined = true;
    }

    /// Handles `--wrap=f`: references to f go to __wrap_f, and references to __real_f go to f. Only
    /// the last link rewrites them, so the optimiser must assume nothing about both names.
    fn wrap(&mut self, names: &[String]) {
        for name in names {
            let Some(symbol) = self.find(name) else { continue };
            let wrap = self.row_of_own(&format!("__wrap_{name}"));
            let weak = self.rows[symbol].weak;
            let wanted = self.reference(wrap, weak, Visibility::Default, false);
            self.take_all(wanted, None);
            let real = self.find(&format!("__real_{name}"));
            if real.is_some() {
                let wanted = self.reference(symbol, false, Visibility::Default, false);
                self.take_all(wanted, None);
            }
            let seen = |row: &TableEntry| {
                row.referenced || matches!(row.definition, Definition::Defined(_))
            };
            if real.is_some_and(|real| seen(&self.rows[real])) {
                self.rows[symbol].referenced_after_wrap = true;
            }
            if seen(&self.rows[symbol]) {
                self.rows[wrap].referenced_after_wrap = true;
            }
            self.rows[symbol].redefined = true;
            if let Some(real) = real {
                self.rows[real].redefined = true;
            }
        }
    }

    /// Offers the definitions of a lazy input.
    fn offer(&mut self, index: usize) {
        if self.taken[index] {
            return;
        }
        let inputs = self.inputs;
        for symbol in inputs[index].parts.iter().flat_map(|part| &part.symbols) {
            if symbol.state == SymbolState::Undefined {
                continue;
            }
            let row = self.row(&symbol.name);
            let row = &mut self.rows[row];
            let wanted = match row.definition {
                // A weak undefined symbol takes no member of an archive.
                Definition::None if row.weak => {
                    row.definition = Definition::Lazy(index);
                    false
                }
                Definition::None => true,
                // A definition replaces a common symbol.
                Definition::Common { .. } => symbol.state == SymbolState::Defined,
                _ => false,
            };
            if wanted {
                self.take(index, None);
                return;
            }
        }
    }

    fn take_all(&mut self, wanted: Option<usize>, by: Option<usize>) {
        if let Some(index) = wanted {
            self.take(index, by);
        }
    }

    /// Links an input and the inputs that it needs, depth first as lld does. It uses an explicit
    /// stack, because chains may be long.
    fn take(&mut self, index: usize, by: Option<usize>) {
        if self.taken[index] {
            return;
        }
        let mut open = vec![self.enter(index, by)];
        while let Some((input, wants)) = open.last_mut() {
            let input = *input;
            let Some((part, at)) = wants.pop() else {
                open.pop();
                continue;
            };
            let inputs = self.inputs;
            let part = &inputs[input].parts[part];
            let symbol = &part.symbols[at];
            let row = self.row(&symbol.name);
            let shared = part.kind == PartKind::Shared;
            if shared {
                self.rows[row].exported = true;
            } else {
                self.rows[row].used_natively |= part.kind == PartKind::Object;
            }
            let wanted = self.reference(row, symbol.weak, symbol.visibility, shared);
            if let Some(wanted) = wanted.filter(|wanted| !self.taken[*wanted]) {
                let frame = self.enter(wanted, Some(input));
                open.push(frame);
            }
        }
    }

    /// Adds all definitions of an input. Returns its references in reverse order.
    fn enter(&mut self, index: usize, by: Option<usize>) -> (usize, Vec<(usize, usize)>) {
        self.taken[index] = true;
        self.order.push((index, by));
        let inputs = self.inputs;
        let mut wants = Vec::new();
        for (p, part) in inputs[index].parts.iter().enumerate() {
            let place = (index, p);
            for (at, symbol) in part.symbols.iter().enumerate() {
                if symbol.state == SymbolState::Undefined {
                    wants.push((p, at));
                    continue;
                }
                let row = self.row(&symbol.name);
                if part.kind == PartKind::Shared {
                    self.define_shared(row);
                    continue;
                }
                self.rows[row].used_natively |= part.kind == PartKind::Object;
                if self.loses_group(place, symbol) {
                    wants.push((p, at));
                } else {
                    self.define(row, place, symbol);
                }
            }
        }
        wants.reverse();
        (index, wants)
    }

    fn loses_group(&mut self, place: PartId, symbol: &'a Symbol) -> bool {
        let Some(group) = &symbol.comdat else { return false };
        *self.groups.entry(group).or_insert(place) != place
    }

    /// Adds a definition of a shared library.
    fn define_shared(&mut self, row: usize) {
        let row = &mut self.rows[row];
        row.exported = true;
        let open = matches!(row.definition, Definition::None | Definition::Lazy(_));
        if open && row.visibility == Visibility::Default {
            row.definition = Definition::Shared;
        }
    }

    fn define(&mut self, at: usize, place: PartId, symbol: &Symbol) {
        let hidden = self.inputs[place.0].hidden;
        let bitcode = |(i, p): PartId| self.inputs[i].parts[p].kind == PartKind::Bitcode;
        let row = &mut self.rows[at];
        row.visibility = stricter(row.visibility, symbol.visibility);
        row.omittable &= symbol.omittable;
        let wins = match (symbol.state, row.definition) {
            (SymbolState::Undefined, _) | (_, Definition::Linker) => false,
            (SymbolState::Common(size), Definition::Common { size: old, .. }) => size > old,
            (SymbolState::Common(_), Definition::Defined(_)) => row.weak,
            (SymbolState::Common(_), _) => true,
            (SymbolState::Defined, Definition::Common { .. }) => !symbol.weak,
            (SymbolState::Defined, Definition::Defined(first)) => {
                // Module-level assembly may list a symbol of the module twice.
                if !row.weak && !symbol.weak && first != place && (bitcode(first) || bitcode(place))
                {
                    let symbol = symbol.name.clone();
                    self.duplicates.push(Duplicate { symbol, first, second: place });
                }
                row.weak && !symbol.weak
            }
            (SymbolState::Defined, _) => true,
        };
        if wins {
            row.definition = match symbol.state {
                SymbolState::Common(size) => Definition::Common { place, size },
                _ => Definition::Defined(place),
            };
            row.weak = symbol.weak;
            row.absolute = symbol.absolute;
            row.hidden = hidden;
        }
    }

    /// Adds a reference. Returns the lazy input that defines the symbol, if it has to be linked.
    fn reference(
        &mut self,
        row: usize,
        weak: bool,
        visibility: Visibility,
        from_shared: bool,
    ) -> Option<usize> {
        let row = &mut self.rows[row];
        if !from_shared {
            row.visibility = stricter(row.visibility, visibility);
            row.referenced = true;
        }
        match row.definition {
            // A reference with non-default visibility must be defined in this link.
            Definition::Shared if visibility != Visibility::Default && !from_shared => {
                row.definition = Definition::None;
                row.weak &= weak;
                None
            }
            Definition::None => {
                row.weak &= weak;
                None
            }
            Definition::Lazy(input) => {
                if weak {
                    return None;
                }
                row.weak = false;
                row.definition = Definition::None;
                Some(input)
            }
            _ => None,
        }
    }

    /// The result, after all inputs.
    fn finish(mut self, options: &ResolveOptions) -> Resolution {
        let names: Vec<(&str, usize)> = self
            .names
            .iter()
            .map(|(name, row)| (*name, *row))
            .chain(self.own_names.iter().map(|(name, row)| (name.as_str(), *row)))
            .collect();
        let mut local = vec![false; self.rows.len()];
        for (name, at) in names {
            let row = &mut self.rows[at];
            let unlisted = options.versions.as_ref().is_some_and(|script| script.makes_local(name));
            local[at] = row.visibility == Visibility::Hidden || row.hidden || unlisted;
            let defined =
                matches!(row.definition, Definition::Defined(_) | Definition::Common { .. });
            if local[at] {
                row.exported = false;
            } else if defined {
                let all = (options.shared || options.export_dynamic)
                    && (row.used_natively || !row.omittable);
                row.exported |= all || options.dynamic_list.iter().any(|glob| glob.matches(name));
            }
        }
        let mut flags: Vec<Vec<Vec<u8>>> = vec![Vec::new(); self.inputs.len()];
        for &(index, _) in &self.order {
            let parts = self.inputs[index].parts.iter().enumerate();
            flags[index] = parts
                .map(|(p, part)| match part.kind {
                    PartKind::Bitcode => {
                        let of = |symbol| self.flags(symbol, (index, p), &local, options);
                        part.symbols.iter().map(of).collect()
                    }
                    PartKind::Object | PartKind::Shared => Vec::new(),
                })
                .collect();
        }
        Resolution { order: self.order, flags, duplicates: self.duplicates }
    }

    fn flags(
        &self,
        symbol: &Symbol,
        place: PartId,
        local: &[bool],
        options: &ResolveOptions,
    ) -> u8 {
        let at = self.find(&symbol.name).expect("each input's names have a row");
        let row = &self.rows[at];
        let (owner, placed) = match row.definition {
            Definition::Defined(owner) => (Some(owner), !self.absolute_object(row, owner)),
            Definition::Common { place, .. } => (Some(place), false),
            _ => (None, false),
        };
        let prevailing = symbol.state != SymbolState::Undefined && owner == Some(place);
        let visible = row.used_natively
            || row.referenced_after_wrap
            || options.everything_visible
            || (prevailing && row.exported)
            || (!symbol.section.is_empty() && self.section_bounds.contains(&symbol.section));
        let within = !options.shared || row.visibility != Visibility::Default;
        let set = |flag: u8, on: bool| if on { flag } else { 0 };
        set(PREVAILING, prevailing)
            | set(FINAL_DEFINITION, within && placed && !options.everything_visible)
            | set(VISIBLE_TO_REGULAR, visible)
            | set(
                EXPORT_DYNAMIC,
                !local[at] && (options.shared || options.export_dynamic || row.exported),
            )
            | set(LINKER_REDEFINED, row.redefined)
    }

    fn absolute_object(&self, row: &TableEntry, (input, part): PartId) -> bool {
        row.absolute && self.inputs[input].parts[part].kind == PartKind::Object
    }
}

/// The most constraining visibility holds, as the gABI requires.
fn stricter(a: Visibility, b: Visibility) -> Visibility {
    use Visibility::{Default, Hidden, Protected};
    match (a, b) {
        (Hidden, _) | (_, Hidden) => Hidden,
        (Protected, _) | (_, Protected) => Protected,
        (Default, Default) => Default,
    }
}

#[cfg(test)]
mod tests;
