//! Links in a small language, one input per line, with the result that lld gives.
//!
//! `a bc: f g? @h c%4 k{K} !u ~w` is an input named a with one bitcode module. It defines f, weak
//! g, hidden h, the common symbol c of 4 bytes, and k in the group K, and it refers to u and weakly
//! to w. `o` is an object, `so` a shared library. A star marks a lazy input: `a* bc: f`.

use super::*;
use proptest::prelude::*;

fn symbol(word: &str) -> Symbol {
    let mut symbol = Symbol { state: SymbolState::Defined, ..Symbol::default() };
    let mut rest = word;
    if let Some(name) = rest.strip_prefix('!') {
        (symbol.state, rest) = (SymbolState::Undefined, name);
    } else if let Some(name) = rest.strip_prefix('~') {
        (symbol.state, symbol.weak, rest) = (SymbolState::Undefined, true, name);
    }
    if let Some(name) = rest.strip_prefix('@') {
        (symbol.visibility, rest) = (Visibility::Hidden, name);
    }
    if let Some((name, group)) = rest.split_once('{') {
        symbol.comdat = Some(group.trim_end_matches('}').to_owned());
        symbol.weak = true;
        symbol.omittable = true;
        rest = name;
    }
    if let Some((name, size)) = rest.split_once('%') {
        (symbol.state, rest) = (SymbolState::Common(size.parse().unwrap()), name);
    }
    if let Some(name) = rest.strip_suffix('?') {
        (symbol.weak, rest) = (true, name);
    }
    if let Some((name, section)) = rest.split_once('#') {
        symbol.section = section.to_owned();
        rest = name;
    }
    symbol.name = rest.to_owned();
    symbol
}

fn link(text: &str) -> (Vec<String>, Vec<LinkInput>) {
    let mut names = Vec::new();
    let mut inputs = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, tables) = line.split_once(':').unwrap();
        let (name, kind) = head.split_once(' ').unwrap();
        let kind = match kind {
            "bc" => PartKind::Bitcode,
            "o" => PartKind::Object,
            "so" => PartKind::Shared,
            other => panic!("{other}"),
        };
        // Bars separate the modules of one unit.
        let parts = tables.split('|').map(|table| InputPart {
            kind,
            symbols: table.split_whitespace().map(symbol).collect(),
        });
        inputs.push(LinkInput { lazy: name.ends_with('*'), hidden: false, parts: parts.collect() });
        names.push(name.trim_end_matches('*').to_owned());
    }
    (names, inputs)
}

fn shown(flags: u8) -> String {
    [
        (PREVAILING, 'p'),
        (FINAL_DEFINITION, 'l'),
        (VISIBLE_TO_REGULAR, 'x'),
        (EXPORT_DYNAMIC, 'e'),
        (LINKER_REDEFINED, 'r'),
    ]
    .iter()
    .filter(|(flag, _)| flags & flag != 0)
    .map(|(_, letter)| letter)
    .collect()
}

/// `order`: the linked inputs in order. `expect`: for each module `name: symbol=flags...`.
#[track_caller]
fn check(options: &ResolveOptions, text: &str, order: &str, expect: &[&str]) {
    let (names, inputs) = link(text);
    let resolution = resolve(&inputs, options);
    assert_eq!(resolution.duplicates, [], "duplicates");
    let taken: Vec<&str> =
        resolution.order.iter().map(|(index, _)| names[*index].as_str()).collect();
    assert_eq!(taken.join(" "), order);
    let mut lines = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        for (part, flags) in input.parts.iter().zip(&resolution.flags[index]) {
            if part.kind == PartKind::Bitcode {
                let words: Vec<String> = part
                    .symbols
                    .iter()
                    .zip(flags)
                    .map(|(symbol, flags)| format!("{}={}", symbol.name, shown(*flags)))
                    .collect();
                lines.push(format!("{}: {}", names[index], words.join(" ")));
            }
        }
    }
    assert_eq!(lines, expect);
}

fn program() -> ResolveOptions {
    ResolveOptions { entry: Some("_start".to_owned()), ..ResolveOptions::default() }
}

fn library() -> ResolveOptions {
    ResolveOptions { shared: true, ..ResolveOptions::default() }
}

#[test]
fn resolve_symbols_that_only_modules_use() {
    check(
        &program(),
        "crt o: _start !main\n a bc: main !f\n b bc: f g",
        "crt a b",
        &["a: main=plx f=l", "b: f=pl g=pl"],
    );
}

#[test]
fn resolve_symbols_that_native_code_uses() {
    check(&program(), "a bc: f g\n n o: n !f", "a n", &["a: f=plx g=pl"]);
    // A program exports a symbol that a shared library refers to or defines too.
    check(&program(), "a bc: f g h\n s so: !f g", "a s", &["a: f=plxe g=plxe h=pl"]);
}

#[test]
fn resolve_takes_members_for_references_in_any_order() {
    check(
        &program(),
        "x* bc: f !h\n y* bc: g\n a bc: main !f\n z* bc: h",
        "a x z",
        &["x: f=pl h=l", "a: main=pl f=l", "z: h=pl"],
    );
    // Of two definitions the first one prevails.
    check(&program(), "a bc: !f\n x* bc: f\n y* bc: f", "a x", &["a: f=l", "x: f=pl"]);
    check(&program(), "x* bc: f\n y* bc: f\n a bc: !f", "a x", &["x: f=pl", "a: f=l"]);
}

#[test]
fn resolve_links_all_modules_of_a_unit() {
    check(
        &program(),
        "a bc: !f\n x* bc: f !g | g !f\n y* bc: g",
        "a x",
        &["a: f=l", "x: f=pl g=l", "x: g=pl f=l"],
    );
}

#[test]
fn resolve_weak_reference_takes_no_member() {
    check(&program(), "a bc: ~f\n x* bc: f", "a", &["a: f="]);
    check(&program(), "x* bc: f\n a bc: ~f", "a", &["a: f="]);
    check(&program(), "a bc: ~f\n x* bc: f\n b bc: !f", "a b x", &["a: f=l", "x: f=pl", "b: f=l"]);
}

#[test]
fn resolve_shared_library_before_an_archive() {
    check(&program(), "a bc: !f\n s so: f\n x* bc: f", "a s", &["a: f=e"]);
    // It also replaces an earlier member that is not linked yet.
    check(&program(), "x* bc: f\n s so: f\n a bc: !f", "s a", &["a: f=e"]);
}

#[test]
fn resolve_strong_definition_overrides_weak() {
    check(&program(), "a bc: f?\n b bc: f", "a b", &["a: f=l", "b: f=pl"]);
    check(&program(), "a bc: f\n b bc: f?", "a b", &["a: f=pl", "b: f=l"]);
    check(&program(), "a bc: f?\n b bc: f?", "a b", &["a: f=pl", "b: f=l"]);
    check(&program(), "a bc: f?\n n o: f", "a n", &["a: f=lx"]);
}

#[test]
fn resolve_largest_common_symbol_unless_defined() {
    check(&program(), "a bc: c%4\n b bc: c%8", "a b", &["a: c=", "b: c=p"]);
    check(&program(), "a bc: c%8\n b bc: c", "a b", &["a: c=l", "b: c=pl"]);
    check(&program(), "a bc: c\n b bc: c%8", "a b", &["a: c=pl", "b: c=l"]);
    check(&program(), "a bc: c?\n b bc: c%8", "a b", &["a: c=", "b: c=p"]);
    // A member with a definition is linked; one with a common symbol is not.
    check(&program(), "a bc: c%8\n x* bc: c", "a x", &["a: c=l", "x: c=pl"]);
    check(&program(), "a bc: c%8\n x* bc: c%16", "a", &["a: c=p"]);
}

#[test]
fn resolve_keeps_the_first_of_a_comdat_group() {
    check(&program(), "a bc: f{f}\n b bc: f{f}", "a b", &["a: f=pl", "b: f=l"]);
    check(&program(), "n o: f{f}\n b bc: f{f}", "n b", &["b: f=lx"]);
    check(&program(), "b bc: f{f}\n n o: f{f}", "b n", &["b: f=plx"]);
    // A definition in a dropped group counts as a reference.
    check(&program(), "a bc: f?{g}\n b bc: f{g}", "a b", &["a: f=pl", "b: f=l"]);
}

#[test]
fn resolve_shared_library_exports_visible_symbols() {
    check(&library(), "a bc: f @g h{h}", "a", &["a: f=pxe g=pl h=pe"]);
    let versions = Some(VersionScript::parse("{ global: f; local: *; };"));
    check(&ResolveOptions { versions, ..library() }, "a bc: f g", "a", &["a: f=pxe g=p"]);
}

#[test]
fn resolve_program_exports_on_request() {
    check(
        &ResolveOptions { export_dynamic: true, ..program() },
        "a bc: f @g",
        "a",
        &["a: f=plxe g=pl"],
    );
    let dynamic_list = vec![Glob::new("f*")];
    check(&ResolveOptions { dynamic_list, ..program() }, "a bc: f1 g", "a", &["a: f1=plxe g=pl"]);
}

#[test]
fn resolve_excluded_libraries_export_nothing() {
    let (_, mut inputs) = link("a bc: f\n b bc: g");
    inputs[1].hidden = true;
    let flags = resolve(&inputs, &library()).flags;
    assert_eq!((shown(flags[0][0][0]), shown(flags[1][0][0])), ("pxe".to_owned(), "p".to_owned()));
}

#[test]
fn resolve_symbols_in_options() {
    let undefined = vec!["f".to_owned()];
    check(&ResolveOptions { undefined, ..program() }, "x* bc: f\n y* bc: g", "x", &["x: f=plx"]);
    let entry = Some("go".to_owned());
    check(&ResolveOptions { entry, ..program() }, "x* bc: go", "x", &["x: go=plx"]);
    let retained = vec!["_init".to_owned()];
    check(
        &ResolveOptions { retained, ..program() },
        "a bc: _init\n x* bc: _fini",
        "a",
        &["a: _init=plx"],
    );
    let (defined_by_linker, used_by_linker) = (vec!["alias".to_owned()], vec!["f".to_owned()]);
    check(
        &ResolveOptions { defined_by_linker, used_by_linker, ..program() },
        "a bc: !alias f",
        "a",
        &["a: alias=xr f=plx"],
    );
}

#[test]
fn resolve_calls_of_the_code_generator() {
    let options =
        ResolveOptions { libcalls: vec!["memcpy".to_owned(), "memset".to_owned()], ..program() };
    check(&options, "a bc: main\n x* bc: memcpy", "a x", &["a: main=pl", "x: memcpy=plx"]);
    // The last link takes native members if needed.
    check(&options, "a bc: main\n x* o: memcpy", "a", &["a: main=pl"]);
}

#[test]
fn resolve_wrapped_symbols() {
    let options = ResolveOptions { wrap: vec!["f".to_owned()], ..program() };
    check(
        &options,
        "a bc: main !f\n b bc: f\n w* bc: __wrap_f !__real_f",
        "a b w",
        &["a: main=pl f=lxr", "b: f=plxr", "w: __wrap_f=plx __real_f=r"],
    );
}

#[test]
fn resolve_sections_with_used_bounds() {
    check(&program(), "a bc: e#list f#other !__start_list", "a", &["a: e=plx f=pl __start_list="]);
}

#[test]
fn resolve_everything_visible() {
    check(
        &ResolveOptions { everything_visible: true, ..ResolveOptions::default() },
        "a bc: f !g\n b bc: g",
        "a b",
        &["a: f=px g=x", "b: g=px"],
    );
}

#[test]
fn resolve_reports_duplicate_definitions() {
    let duplicates = |text: &str| -> Vec<(String, PartId, PartId)> {
        let duplicates = resolve(&link(text).1, &program()).duplicates;
        duplicates.into_iter().map(|d| (d.symbol, d.first, d.second)).collect()
    };
    assert_eq!(duplicates("a bc: f\n b bc: f"), [("f".to_owned(), (0, 0), (1, 0))]);
    assert_eq!(duplicates("a bc: f\n n o: f"), [("f".to_owned(), (0, 0), (1, 0))]);
    assert_eq!(duplicates("m o: f\n n o: f"), []);
    assert_eq!(duplicates("a bc: f\n b bc: f?\n c bc: c%4\n d bc: c"), []);
}

#[test]
fn resolve_long_chain_of_members_needs_no_stack() {
    let chain: String = (0..20_000).map(|n| format!("x{n}* bc: f{n} !f{}\n", n + 1)).collect();
    let (_, inputs) = link(&format!("a bc: !f0\n{chain}"));
    assert_eq!(resolve(&inputs, &program()).order.len(), 20_001);
}

fn any_link() -> impl Strategy<Value = Vec<LinkInput>> {
    let symbol = (0..6u8, 0..4u8, any::<bool>(), 0..3u8, any::<bool>()).prop_map(
        |(name, state, weak, visibility, grouped)| Symbol {
            name: format!("s{name}"),
            state: match state {
                0 | 1 => SymbolState::Undefined,
                2 => SymbolState::Defined,
                _ => SymbolState::Common(u64::from(name) + 1),
            },
            weak,
            visibility: [Visibility::Default, Visibility::Hidden, Visibility::Protected]
                [usize::from(visibility)],
            comdat: (grouped && state == 2).then(|| format!("g{name}")),
            ..Symbol::default()
        },
    );
    let kind = prop_oneof![Just(PartKind::Bitcode), Just(PartKind::Object), Just(PartKind::Shared)];
    let part = (kind, prop::collection::vec(symbol, 0..5));
    let input = (any::<bool>(), prop::collection::vec(part, 1..3)).prop_map(|(lazy, parts)| {
        let parts: Vec<InputPart> = parts
            .into_iter()
            .map(|(kind, mut symbols)| {
                symbols.sort_by(|a, b| a.name.cmp(&b.name));
                symbols.dedup_by(|a, b| a.name == b.name);
                InputPart { kind, symbols }
            })
            .collect();
        LinkInput {
            lazy: lazy && parts.iter().all(|part| part.kind != PartKind::Shared),
            hidden: false,
            parts,
        }
    });
    prop::collection::vec(input, 0..8)
}

proptest! {
    #[test]
    fn resolve_gives_each_name_at_most_one_linked_definition(inputs in any_link(), shared in any::<bool>()) {
        let resolution = resolve(&inputs, &ResolveOptions { shared, ..program() });
        let mut prevailing = HashMap::new();
        let taken: HashSet<usize> = resolution.order.iter().map(|(index, _)| *index).collect();
        prop_assert_eq!(taken.len(), resolution.order.len());
        for (index, input) in inputs.iter().enumerate() {
            prop_assert!(input.lazy || taken.contains(&index));
            prop_assert_eq!(resolution.flags[index].is_empty(), !taken.contains(&index));
            for (p, flags) in resolution.flags[index].iter().enumerate() {
                let part = &input.parts[p];
                if part.kind != PartKind::Bitcode {
                    continue;
                }
                for (symbol, flags) in part.symbols.iter().zip(flags) {
                    if flags & PREVAILING != 0 {
                        prop_assert!(symbol.state != SymbolState::Undefined);
                        prop_assert_eq!(prevailing.insert(symbol.name.clone(), (index, p)), None);
                    }
                }
            }
        }
        // A definition in a module with a native reference is visible to native code.
        for &(index, _) in &resolution.order {
            for part in inputs[index].parts.iter().filter(|part| part.kind == PartKind::Object) {
                for symbol in &part.symbols {
                    if let Some(&(i, p)) = prevailing.get(&symbol.name) {
                        let at = inputs[i].parts[p].symbols.iter().position(|s| s.name == symbol.name).unwrap();
                        prop_assert!(resolution.flags[i][p][at] & VISIBLE_TO_REGULAR != 0);
                    }
                }
            }
        }
    }

    #[test]
    fn resolve_strong_reference_takes_every_needed_member(inputs in any_link()) {
        let resolution = resolve(&inputs, &program());
        let taken: HashSet<usize> = resolution.order.iter().map(|(index, _)| *index).collect();
        let parts = |index: &usize| inputs[*index].parts.iter();
        let defined: HashSet<&str> = taken
            .iter()
            .flat_map(parts)
            .flat_map(|part| &part.symbols)
            .filter(|symbol| symbol.state != SymbolState::Undefined)
            .map(|symbol| symbol.name.as_str())
            .collect();
        for symbol in taken.iter().flat_map(parts).flat_map(|part| &part.symbols) {
            let wanted = symbol.state == SymbolState::Undefined && !symbol.weak && !defined.contains(symbol.name.as_str());
            let offered = (0..inputs.len()).filter(|index| !taken.contains(index)).any(|index| {
                inputs[index].parts.iter().flat_map(|part| &part.symbols).any(|offer| {
                    offer.name == symbol.name && offer.state != SymbolState::Undefined
                })
            });
            prop_assert!(!(wanted && offered), "{}", symbol.name);
        }
    }
}
