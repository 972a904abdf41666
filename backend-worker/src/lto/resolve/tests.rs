//! Links in a small language, one input a line, against what lld does with them.
//!
//! `a bc: f g? @h c%4 k{K} !u ~w`: an input named a, of one bitcode module, that defines f, g
//! weakly, h hidden, c as a common symbol of 4 bytes and k in group K, and refers to u strongly and
//! to w weakly. `o` is an object, `so` a shared library. A name with a star may be had: `a* bc: f`.

use super::*;
use proptest::prelude::*;

fn symbol(word: &str) -> Symbol {
    let mut symbol = Symbol { state: State::Defined, ..Symbol::default() };
    let mut rest = word;
    if let Some(name) = rest.strip_prefix('!') {
        (symbol.state, rest) = (State::Undefined, name);
    } else if let Some(name) = rest.strip_prefix('~') {
        (symbol.state, symbol.weak, rest) = (State::Undefined, true, name);
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
        (symbol.state, rest) = (State::Common(size.parse().unwrap()), name);
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

fn link(text: &str) -> (Vec<String>, Vec<Input>) {
    let mut names = Vec::new();
    let mut inputs = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, tables) = line.split_once(':').unwrap();
        let (name, kind) = head.split_once(' ').unwrap();
        let kind = match kind {
            "bc" => Kind::Bitcode,
            "o" => Kind::Object,
            "so" => Kind::Shared,
            other => panic!("{other}"),
        };
        // The modules of one unit are divided by bars.
        let parts = tables
            .split('|')
            .map(|table| Part { kind, symbols: table.split_whitespace().map(symbol).collect() });
        inputs.push(Input { lazy: name.ends_with('*'), hidden: false, parts: parts.collect() });
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

/// `expect`: the inputs taken in order, then for each module `name: symbol=flags...`.
#[track_caller]
fn check(options: &Options, text: &str, order: &str, expect: &[&str]) {
    let (names, inputs) = link(text);
    let resolution = resolve(&inputs, options);
    assert_eq!(resolution.duplicates, [], "duplicates");
    let taken: Vec<&str> =
        resolution.order.iter().map(|(index, _)| names[*index].as_str()).collect();
    assert_eq!(taken.join(" "), order);
    let mut lines = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        for (part, flags) in input.parts.iter().zip(&resolution.flags[index]) {
            if part.kind == Kind::Bitcode {
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

fn program() -> Options {
    Options { entry: Some("_start".to_owned()), ..Options::default() }
}

fn library() -> Options {
    Options { shared: true, ..Options::default() }
}

#[test]
fn what_only_modules_use_is_theirs() {
    check(
        &program(),
        "crt o: _start !main\n a bc: main !f\n b bc: f g",
        "crt a b",
        &["a: main=plx f=l", "b: f=pl g=pl"],
    );
}

#[test]
fn what_native_code_uses_stays() {
    check(&program(), "a bc: f g\n n o: n !f", "a n", &["a: f=plx g=pl"]);
    // A shared library's reference exports it from a program, and so does a definition that it
    // comes before.
    check(&program(), "a bc: f g h\n s so: !f g", "a s", &["a: f=plxe g=plxe h=pl"]);
}

#[test]
fn members_come_when_they_are_wanted_wherever_the_archive_stands() {
    check(
        &program(),
        "x* bc: f !h\n y* bc: g\n a bc: main !f\n z* bc: h",
        "a x z",
        &["x: f=pl h=l", "a: main=pl f=l", "z: h=pl"],
    );
    // Of two that define it the first one counts.
    check(&program(), "a bc: !f\n x* bc: f\n y* bc: f", "a x", &["a: f=l", "x: f=pl"]);
    check(&program(), "x* bc: f\n y* bc: f\n a bc: !f", "a x", &["x: f=pl", "a: f=l"]);
}

#[test]
fn the_modules_of_a_unit_come_together_and_see_each_other() {
    check(
        &program(),
        "a bc: !f\n x* bc: f !g | g !f\n y* bc: g",
        "a x",
        &["a: f=l", "x: f=pl g=l", "x: g=pl f=l"],
    );
}

#[test]
fn a_weak_reference_takes_nothing_from_archives() {
    check(&program(), "a bc: ~f\n x* bc: f", "a", &["a: f="]);
    check(&program(), "x* bc: f\n a bc: ~f", "a", &["a: f="]);
    check(&program(), "a bc: ~f\n x* bc: f\n b bc: !f", "a b x", &["a: f=l", "x: f=pl", "b: f=l"]);
}

#[test]
fn a_shared_library_before_an_archive_keeps_its_members_out() {
    check(&program(), "a bc: !f\n s so: f\n x* bc: f", "a s", &["a: f=e"]);
    // Even a member seen earlier, that nobody wanted yet.
    check(&program(), "x* bc: f\n s so: f\n a bc: !f", "s a", &["a: f=e"]);
}

#[test]
fn a_strong_definition_overrides_a_weak_one_both_ways() {
    check(&program(), "a bc: f?\n b bc: f", "a b", &["a: f=l", "b: f=pl"]);
    check(&program(), "a bc: f\n b bc: f?", "a b", &["a: f=pl", "b: f=l"]);
    check(&program(), "a bc: f?\n b bc: f?", "a b", &["a: f=pl", "b: f=l"]);
    check(&program(), "a bc: f?\n n o: f", "a n", &["a: f=lx"]);
}

#[test]
fn the_largest_common_symbol_counts_and_any_definition_before_it() {
    check(&program(), "a bc: c%4\n b bc: c%8", "a b", &["a: c=", "b: c=p"]);
    check(&program(), "a bc: c%8\n b bc: c", "a b", &["a: c=l", "b: c=pl"]);
    check(&program(), "a bc: c\n b bc: c%8", "a b", &["a: c=pl", "b: c=l"]);
    check(&program(), "a bc: c?\n b bc: c%8", "a b", &["a: c=", "b: c=p"]);
    // A member with a real definition is preferred; one with room alone is not.
    check(&program(), "a bc: c%8\n x* bc: c", "a x", &["a: c=l", "x: c=pl"]);
    check(&program(), "a bc: c%8\n x* bc: c%16", "a", &["a: c=p"]);
}

#[test]
fn the_first_of_a_group_is_kept() {
    check(&program(), "a bc: f{f}\n b bc: f{f}", "a b", &["a: f=pl", "b: f=l"]);
    check(&program(), "n o: f{f}\n b bc: f{f}", "n b", &["b: f=lx"]);
    check(&program(), "b bc: f{f}\n n o: f{f}", "b n", &["b: f=plx"]);
    // A group that lost is only a reference, whatever its definition looks like.
    check(&program(), "a bc: f?{g}\n b bc: f{g}", "a b", &["a: f=pl", "b: f=l"]);
}

#[test]
fn a_shared_library_exports_what_is_visible() {
    check(&library(), "a bc: f @g h{h}", "a", &["a: f=pxe g=pl h=pe"]);
    let versions = Some(VersionScript::parse("{ global: f; local: *; };"));
    check(&Options { versions, ..library() }, "a bc: f g", "a", &["a: f=pxe g=p"]);
}

#[test]
fn a_program_exports_on_request() {
    check(&Options { export_dynamic: true, ..program() }, "a bc: f @g", "a", &["a: f=plxe g=pl"]);
    let dynamic_list = vec![Glob::new("f*")];
    check(&Options { dynamic_list, ..program() }, "a bc: f1 g", "a", &["a: f1=plxe g=pl"]);
}

#[test]
fn excluded_libraries_export_nothing() {
    let (_, mut inputs) = link("a bc: f\n b bc: g");
    inputs[1].hidden = true;
    let flags = resolve(&inputs, &library()).flags;
    assert_eq!((shown(flags[0][0][0]), shown(flags[1][0][0])), ("pxe".to_owned(), "p".to_owned()));
}

#[test]
fn options_name_symbols() {
    let undefined = vec!["f".to_owned()];
    check(&Options { undefined, ..program() }, "x* bc: f\n y* bc: g", "x", &["x: f=plx"]);
    let entry = Some("go".to_owned());
    check(&Options { entry, ..program() }, "x* bc: go", "x", &["x: go=plx"]);
    let retained = vec!["_init".to_owned()];
    check(&Options { retained, ..program() }, "a bc: _init\n x* bc: _fini", "a", &["a: _init=plx"]);
    let (defined_by_linker, used_by_linker) = (vec!["alias".to_owned()], vec!["f".to_owned()]);
    check(
        &Options { defined_by_linker, used_by_linker, ..program() },
        "a bc: !alias f",
        "a",
        &["a: alias=xr f=plx"],
    );
}

#[test]
fn calls_that_the_code_generator_makes_are_provided_for() {
    let options = Options { libcalls: vec!["memcpy".to_owned(), "memset".to_owned()], ..program() };
    check(&options, "a bc: main\n x* bc: memcpy", "a x", &["a: main=pl", "x: memcpy=plx"]);
    // Native members come in the last link, if at all.
    check(&options, "a bc: main\n x* o: memcpy", "a", &["a: main=pl"]);
}

#[test]
fn wrapped_symbols_are_left_alone() {
    let options = Options { wrap: vec!["f".to_owned()], ..program() };
    check(
        &options,
        "a bc: main !f\n b bc: f\n w* bc: __wrap_f !__real_f",
        "a b w",
        &["a: main=pl f=lxr", "b: f=plxr", "w: __wrap_f=plx __real_f=r"],
    );
}

#[test]
fn sections_whose_bounds_are_used_stay() {
    check(&program(), "a bc: e#list f#other !__start_list", "a", &["a: e=plx f=pl __start_list="]);
}

#[test]
fn an_archive_of_its_own_keeps_everything() {
    check(
        &Options { everything_visible: true, ..Options::default() },
        "a bc: f !g\n b bc: g",
        "a b",
        &["a: f=px g=x", "b: g=px"],
    );
}

#[test]
fn two_strong_definitions_are_told() {
    let told = |text: &str| -> Vec<(String, Place, Place)> {
        let duplicates = resolve(&link(text).1, &program()).duplicates;
        duplicates.into_iter().map(|d| (d.symbol, d.first, d.second)).collect()
    };
    assert_eq!(told("a bc: f\n b bc: f"), [("f".to_owned(), (0, 0), (1, 0))]);
    assert_eq!(told("a bc: f\n n o: f"), [("f".to_owned(), (0, 0), (1, 0))]);
    assert_eq!(told("m o: f\n n o: f"), []);
    assert_eq!(told("a bc: f\n b bc: f?\n c bc: c%4\n d bc: c"), []);
}

#[test]
fn a_long_chain_of_members_needs_no_stack() {
    let chain: String = (0..20_000).map(|n| format!("x{n}* bc: f{n} !f{}\n", n + 1)).collect();
    let (_, inputs) = link(&format!("a bc: !f0\n{chain}"));
    assert_eq!(resolve(&inputs, &program()).order.len(), 20_001);
}

fn any_link() -> impl Strategy<Value = Vec<Input>> {
    let symbol = (0..6u8, 0..4u8, any::<bool>(), 0..3u8, any::<bool>()).prop_map(
        |(name, state, weak, visibility, grouped)| Symbol {
            name: format!("s{name}"),
            state: match state {
                0 | 1 => State::Undefined,
                2 => State::Defined,
                _ => State::Common(u64::from(name) + 1),
            },
            weak,
            visibility: [Visibility::Default, Visibility::Hidden, Visibility::Protected]
                [usize::from(visibility)],
            comdat: (grouped && state == 2).then(|| format!("g{name}")),
            ..Symbol::default()
        },
    );
    let kind = prop_oneof![Just(Kind::Bitcode), Just(Kind::Object), Just(Kind::Shared)];
    let part = (kind, prop::collection::vec(symbol, 0..5));
    let input = (any::<bool>(), prop::collection::vec(part, 1..3)).prop_map(|(lazy, parts)| {
        let parts: Vec<Part> = parts
            .into_iter()
            .map(|(kind, mut symbols)| {
                symbols.sort_by(|a, b| a.name.cmp(&b.name));
                symbols.dedup_by(|a, b| a.name == b.name);
                Part { kind, symbols }
            })
            .collect();
        Input {
            lazy: lazy && parts.iter().all(|part| part.kind != Kind::Shared),
            hidden: false,
            parts,
        }
    });
    prop::collection::vec(input, 0..8)
}

proptest! {
    #[test]
    fn every_name_has_at_most_one_definition_and_it_is_taken(inputs in any_link(), shared in any::<bool>()) {
        let resolution = resolve(&inputs, &Options { shared, ..program() });
        let mut prevailing = HashMap::new();
        let taken: HashSet<usize> = resolution.order.iter().map(|(index, _)| *index).collect();
        prop_assert_eq!(taken.len(), resolution.order.len());
        for (index, input) in inputs.iter().enumerate() {
            prop_assert!(input.lazy || taken.contains(&index));
            prop_assert_eq!(resolution.flags[index].is_empty(), !taken.contains(&index));
            for (p, flags) in resolution.flags[index].iter().enumerate() {
                let part = &input.parts[p];
                if part.kind != Kind::Bitcode {
                    continue;
                }
                for (symbol, flags) in part.symbols.iter().zip(flags) {
                    if flags & PREVAILING != 0 {
                        prop_assert!(symbol.state != State::Undefined);
                        prop_assert_eq!(prevailing.insert(symbol.name.clone(), (index, p)), None);
                    }
                }
            }
        }
        // A native reference to what a module defines is seen.
        for &(index, _) in &resolution.order {
            for part in inputs[index].parts.iter().filter(|part| part.kind == Kind::Object) {
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
    fn a_strong_reference_leaves_no_member_behind(inputs in any_link()) {
        let resolution = resolve(&inputs, &program());
        let taken: HashSet<usize> = resolution.order.iter().map(|(index, _)| *index).collect();
        let parts = |index: &usize| inputs[*index].parts.iter();
        let defined: HashSet<&str> = taken
            .iter()
            .flat_map(parts)
            .flat_map(|part| &part.symbols)
            .filter(|symbol| symbol.state != State::Undefined)
            .map(|symbol| symbol.name.as_str())
            .collect();
        for symbol in taken.iter().flat_map(parts).flat_map(|part| &part.symbols) {
            let wanted = symbol.state == State::Undefined && !symbol.weak && !defined.contains(symbol.name.as_str());
            let offered = (0..inputs.len()).filter(|index| !taken.contains(index)).any(|index| {
                inputs[index].parts.iter().flat_map(|part| &part.symbols).any(|offer| {
                    offer.name == symbol.name && offer.state != State::Undefined
                })
            });
            prop_assert!(!(wanted && offered), "{}", symbol.name);
        }
    }
}
