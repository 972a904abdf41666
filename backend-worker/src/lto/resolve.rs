//! Symbol resolution: which inputs a link takes, and whose definition of each symbol counts. Pure.
//!
//! Follows ld.lld, which does the same again on the native objects in the end; the two must agree,
//! or a definition that the last link needs has been optimised away. Where lld's answer depends on
//! what is not modelled here, a symbol is taken to be visible to native code, which costs size and
//! never correctness.

use super::scope::{Glob, VersionScript};
use std::collections::{HashMap, HashSet};

/// What stands or falls as one: an object, a shared library, or the modules that came from one
/// source file.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// Taken only when it defines what is wanted, as a member of an archive is.
    pub lazy: bool,
    /// `--exclude-libs` holds for it.
    pub hidden: bool,
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub struct Part {
    pub kind: Kind,
    pub symbols: Vec<Symbol>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Object,
    Bitcode,
    Shared,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Undefined,
    Defined,
    /// Size in bytes.
    Common(u64),
}

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
    pub state: State,
    pub weak: bool,
    pub visibility: Visibility,
    /// The group of which the first one is kept.
    pub comdat: Option<String>,
    /// A section whose bounds a linker gives names to (`__start_NAME`).
    pub section: String,
    /// Need not be exported by a shared library.
    pub omittable: bool,
    /// A number and no place; never reached relative to the code.
    pub absolute: bool,
}

/// What the linker is asked that bears on symbols.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub shared: bool,
    pub export_dynamic: bool,
    /// `-e`, for a program.
    pub entry: Option<String>,
    /// `-u`
    pub undefined: Vec<String>,
    /// `-init`, `-fini`: kept if they are there.
    pub retained: Vec<String>,
    pub wrap: Vec<String>,
    /// `--defsym`: the names defined, and the names that their expressions use.
    pub defined_by_linker: Vec<String>,
    pub used_by_linker: Vec<String>,
    /// `--dynamic-list`, `--export-dynamic-symbol`
    pub dynamic_list: Vec<Glob>,
    pub versions: Option<VersionScript>,
    /// What the code generator may call.
    pub libcalls: Vec<String>,
    /// All definitions are for native code: an archive that is optimised on its own.
    pub everything_visible: bool,
}

/// Flags of one symbol of a module, as `TenderLtoResolution` in the shim.
pub const PREVAILING: u8 = 1;
pub const FINAL_DEFINITION: u8 = 2;
pub const VISIBLE_TO_REGULAR: u8 = 4;
pub const EXPORT_DYNAMIC: u8 = 8;
pub const LINKER_REDEFINED: u8 = 16;

/// Input and part.
pub type Place = (usize, usize);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The inputs that take part, in the order in which lld takes them, each with the input that
    /// wanted it.
    pub order: Vec<(usize, Option<usize>)>,
    /// By input, part and symbol; empty for parts that are no bitcode and for inputs that do not
    /// take part.
    pub flags: Vec<Vec<Vec<u8>>>,
    pub duplicates: Vec<Duplicate>,
}

/// Two strong definitions of which at least one is bitcode. lld itself sees those among native
/// objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    pub symbol: String,
    pub first: Place,
    pub second: Place,
}

pub fn resolve(inputs: &[Input], options: &Options) -> Resolution {
    let mut table = Table::new(inputs);
    for name in &options.undefined {
        table.want(name);
    }
    for (index, input) in inputs.iter().enumerate() {
        if input.lazy {
            table.offer(index);
        } else {
            table.take(index, None);
        }
    }
    for name in options.entry.iter().filter(|_| !options.shared) {
        table.want_if_known(name);
    }
    for name in &options.retained {
        if let Some(row) = table.find(name) {
            table.rows[row].used_natively = true;
        }
    }
    for name in &options.used_by_linker {
        table.want(name);
    }
    for name in &options.defined_by_linker {
        table.define_by_linker(name);
    }
    for name in &options.libcalls {
        table.want_libcall(name);
    }
    table.wrap(&options.wrap);
    table.answer(options)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Nobody,
    Lazy(usize),
    Shared,
    Common { place: Place, size: u64 },
    Defined(Place),
    Linker,
}

/// What is known of one name. The rules on it are those of `Symbol::resolve` in lld.
#[derive(Clone, Debug)]
struct Row {
    holder: Holder,
    weak: bool,
    visibility: Visibility,
    used_natively: bool,
    /// Somebody outside refers to it, or has a definition that this one may come before.
    exported: bool,
    omittable: bool,
    absolute: bool,
    hidden: bool,
    redefined: bool,
    referenced: bool,
    referenced_after_wrap: bool,
}

struct Table<'a> {
    inputs: &'a [Input],
    names: HashMap<&'a str, usize>,
    /// Names that no input brought, of the linker's own words.
    own_names: HashMap<String, usize>,
    rows: Vec<Row>,
    groups: HashMap<&'a str, Place>,
    taken: Vec<bool>,
    order: Vec<(usize, Option<usize>)>,
    duplicates: Vec<Duplicate>,
    section_bounds: HashSet<String>,
}

impl<'a> Table<'a> {
    fn new(inputs: &'a [Input]) -> Self {
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
        self.rows.push(Row {
            holder: Holder::Nobody,
            // A name that nobody has mentioned: the first reference decides.
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

    /// `-u NAME` and the like: a native reference.
    fn want(&mut self, name: &str) {
        let row = self.row_of_own(name);
        self.rows[row].used_natively = true;
        let wanted = self.reference(row, false, Visibility::Default, false);
        self.take_all(wanted, None);
    }

    fn want_if_known(&mut self, name: &str) {
        if self.find(name).is_some() {
            self.want(name);
        }
    }

    fn want_libcall(&mut self, name: &str) {
        let Some(row) = self.find(name) else { return };
        self.rows[row].used_natively = true;
        // The last link finds native members itself, when the call is really there.
        if let Holder::Lazy(input) = self.rows[row].holder
            && self.inputs[input].parts.iter().any(|part| part.kind == Kind::Bitcode)
        {
            self.take(input, None);
        }
    }

    fn define_by_linker(&mut self, name: &str) {
        let row = self.row_of_own(name);
        let row = &mut self.rows[row];
        row.holder = Holder::Linker;
        row.used_natively = true;
        row.redefined = true;
    }

    /// `--wrap=f`: references to f go to __wrap_f, and those to __real_f go to f. Only the last
    /// link rewrites them, so nothing may be concluded from what either name means before.
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
            let seen = |row: &Row| row.referenced || matches!(row.holder, Holder::Defined(_));
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

    /// An archive's member is there to be had.
    fn offer(&mut self, index: usize) {
        if self.taken[index] {
            return;
        }
        let inputs = self.inputs;
        for symbol in inputs[index].parts.iter().flat_map(|part| &part.symbols) {
            if symbol.state == State::Undefined {
                continue;
            }
            let row = self.row(&symbol.name);
            let row = &mut self.rows[row];
            let wanted = match row.holder {
                // An undefined weak symbol takes nothing out of archives.
                Holder::Nobody if row.weak => {
                    row.holder = Holder::Lazy(index);
                    false
                }
                Holder::Nobody => true,
                // A real definition is preferred to what is only room.
                Holder::Common { .. } => symbol.state == State::Defined,
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

    /// Takes an input in, and what it wants, depth first as lld does, on a stack of our own.
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
            let shared = part.kind == Kind::Shared;
            if shared {
                self.rows[row].exported = true;
            } else {
                self.rows[row].used_natively |= part.kind == Kind::Object;
            }
            let wanted = self.reference(row, symbol.weak, symbol.visibility, shared);
            if let Some(wanted) = wanted.filter(|wanted| !self.taken[*wanted]) {
                let frame = self.enter(wanted, Some(input));
                open.push(frame);
            }
        }
    }

    /// Definitions first, all of them; gives the references, last one first.
    fn enter(&mut self, index: usize, by: Option<usize>) -> (usize, Vec<(usize, usize)>) {
        self.taken[index] = true;
        self.order.push((index, by));
        let inputs = self.inputs;
        let mut wants = Vec::new();
        for (p, part) in inputs[index].parts.iter().enumerate() {
            let place = (index, p);
            for (at, symbol) in part.symbols.iter().enumerate() {
                if symbol.state == State::Undefined {
                    wants.push((p, at));
                    continue;
                }
                let row = self.row(&symbol.name);
                if part.kind == Kind::Shared {
                    self.define_shared(row);
                    continue;
                }
                self.rows[row].used_natively |= part.kind == Kind::Object;
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

    fn loses_group(&mut self, place: Place, symbol: &'a Symbol) -> bool {
        let Some(group) = &symbol.comdat else { return false };
        *self.groups.entry(group).or_insert(place) != place
    }

    /// A definition in a shared library.
    fn define_shared(&mut self, row: usize) {
        let row = &mut self.rows[row];
        row.exported = true;
        let open = matches!(row.holder, Holder::Nobody | Holder::Lazy(_));
        if open && row.visibility == Visibility::Default {
            row.holder = Holder::Shared;
        }
    }

    fn define(&mut self, at: usize, place: Place, symbol: &Symbol) {
        let hidden = self.inputs[place.0].hidden;
        let bitcode = |(i, p): Place| self.inputs[i].parts[p].kind == Kind::Bitcode;
        let row = &mut self.rows[at];
        row.visibility = stricter(row.visibility, symbol.visibility);
        row.omittable &= symbol.omittable;
        let wins = match (symbol.state, row.holder) {
            (State::Undefined, _) | (_, Holder::Linker) => false,
            (State::Common(size), Holder::Common { size: old, .. }) => size > old,
            (State::Common(_), Holder::Defined(_)) => row.weak,
            (State::Common(_), _) => true,
            (State::Defined, Holder::Common { .. }) => !symbol.weak,
            (State::Defined, Holder::Defined(first)) => {
                // Module-level assembly may show a symbol of the module twice.
                if !row.weak && !symbol.weak && first != place && (bitcode(first) || bitcode(place))
                {
                    let symbol = symbol.name.clone();
                    self.duplicates.push(Duplicate { symbol, first, second: place });
                }
                row.weak && !symbol.weak
            }
            (State::Defined, _) => true,
        };
        if wins {
            row.holder = match symbol.state {
                State::Common(size) => Holder::Common { place, size },
                _ => Holder::Defined(place),
            };
            row.weak = symbol.weak;
            row.absolute = symbol.absolute;
            row.hidden = hidden;
        }
    }

    /// A reference. Gives the lazy input that it asks for.
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
        match row.holder {
            // It must be defined in this very link.
            Holder::Shared if visibility != Visibility::Default && !from_shared => {
                row.holder = Holder::Nobody;
                row.weak &= weak;
                None
            }
            Holder::Nobody => {
                row.weak &= weak;
                None
            }
            Holder::Lazy(input) => {
                if weak {
                    return None;
                }
                row.weak = false;
                row.holder = Holder::Nobody;
                Some(input)
            }
            _ => None,
        }
    }

    fn answer(mut self, options: &Options) -> Resolution {
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
            let defined = matches!(row.holder, Holder::Defined(_) | Holder::Common { .. });
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
                    Kind::Bitcode => {
                        let of = |symbol| self.flags(symbol, (index, p), &local, options);
                        part.symbols.iter().map(of).collect()
                    }
                    Kind::Object | Kind::Shared => Vec::new(),
                })
                .collect();
        }
        Resolution { order: self.order, flags, duplicates: self.duplicates }
    }

    fn flags(&self, symbol: &Symbol, place: Place, local: &[bool], options: &Options) -> u8 {
        let at = self.find(&symbol.name).expect("each input's names have a row");
        let row = &self.rows[at];
        let (owner, placed) = match row.holder {
            Holder::Defined(owner) => (Some(owner), !self.absolute_object(row, owner)),
            Holder::Common { place, .. } => (Some(place), false),
            _ => (None, false),
        };
        let prevailing = symbol.state != State::Undefined && owner == Some(place);
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

    fn absolute_object(&self, row: &Row, (input, part): Place) -> bool {
        row.absolute && self.inputs[input].parts[part].kind == Kind::Object
    }
}

/// The gABI: of several visibilities the most constraining one holds.
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
