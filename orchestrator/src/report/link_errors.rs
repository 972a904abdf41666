//! Parses a linker's errors, so that an undefined or duplicate symbol is reported with crate and
//! unit instead of an object file.
//!
//! Text in, values out. Parses the text of ld.lld, and of GNU ld for machines without lld.

use std::collections::HashMap;

/// A symbol that nothing defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undefined {
    pub symbol: String,
    pub users: Vec<SymbolPlace>,
    /// The similar name that the linker suggests.
    pub suggestion: Option<String>,
}

/// A symbol that more than one object defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    pub symbol: String,
    pub definitions: Vec<SymbolPlace>,
}

/// Where a symbol is used or defined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SymbolPlace {
    /// `src/main.c:3`, known with debug information; else only the file's name, or nothing.
    pub source: Option<String>,
    /// The path of the object as given to the linker; the member's name if it is in `archive`.
    pub object: Option<String>,
    pub archive: Option<String>,
}

/// The contents of a linker's output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkErrors {
    /// In the order of the text; each symbol once.
    pub undefined: Vec<Undefined>,
    pub duplicates: Vec<Duplicate>,
    /// There are other errors, so the text itself must be shown.
    pub others: bool,
}

/// Parses the text of `ld.lld` or GNU `ld`, without colours.
///
/// ```text
/// ld.lld: error: undefined symbol: f
/// >>> referenced by main.c:3 (src/main.c:3)
/// >>>               target/x/main.o:(main)
/// >>> referenced by a.c
/// >>>               a.o:(g) in archive target/libzip.a
/// >>> referenced 2 more times
/// >>> did you mean: ff
///
/// ld.lld: error: duplicate symbol: g
/// >>> defined at a.c:1 (src/a.c:1)
/// >>>            target/x/a.o:(g)
/// >>> defined at b.o:(g) in archive target/libzip.a
/// ```
pub fn parse(text: &str) -> LinkErrors {
    let mut found = LinkErrors::default();
    let mut notes = NoteKind::Others;
    // GNU ld names the object once for all errors in a function.
    let mut object = None;
    // By symbol, because GNU ld repeats the error for each use, without a limit.
    let mut of_symbol: HashMap<&str, usize> = HashMap::new();
    for line in text.lines() {
        let line = line.trim_end();
        if let Some(note) = line.strip_prefix(">>>") {
            match notes {
                NoteKind::Others => {}
                NoteKind::Undefined => {
                    found.undefined.last_mut().into_iter().for_each(|of| of.read(note))
                }
                NoteKind::Duplicate => {
                    found.duplicates.last_mut().into_iter().for_each(|of| of.read(note))
                }
            }
            continue;
        }
        notes = NoteKind::Others;
        if let Some(symbol) = lld_symbol(line) {
            found.undefined.push(Undefined {
                symbol: symbol.to_owned(),
                users: vec![],
                suggestion: None,
            });
            notes = NoteKind::Undefined;
        } else if let Some((_, symbol)) = line.split_once("error: duplicate symbol: ") {
            found.duplicates.push(Duplicate { symbol: symbol.to_owned(), definitions: vec![] });
            notes = NoteKind::Duplicate;
        } else if let Some((user, symbol)) = gnu_symbol(line) {
            let user = gnu_place(user, object);
            let at = *of_symbol.entry(symbol).or_insert_with(|| {
                found.undefined.push(Undefined {
                    symbol: symbol.to_owned(),
                    users: vec![],
                    suggestion: None,
                });
                found.undefined.len() - 1
            });
            found.undefined[at].users.push(user);
        } else if let Some((place, _)) = line.split_once(": in function ") {
            object = Some(after_the_linkers_name(place));
        } else if line.contains("error:") && !is_driver_summary(line) {
            found.others = true;
        }
    }
    found
}

fn lld_symbol(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("undefined ")?;
    if !before.ends_with("error: ") {
        return None;
    }
    // `undefined symbol: f`, `undefined hidden symbol: f`, `undefined protected symbol: f`
    let (kind, symbol) = rest.split_once("symbol: ")?;
    matches!(kind, "" | "hidden " | "protected " | "internal ").then_some(symbol)
}

/// The error that lines with `>>>` belong to.
#[derive(Clone, Copy)]
enum NoteKind {
    Undefined,
    Duplicate,
    Others,
}

impl Undefined {
    fn read(&mut self, note: &str) {
        if let Some(place) = note.strip_prefix(" referenced by ") {
            self.users.push(SymbolPlace::new(place));
        } else if let Some(word) = note.strip_prefix(" did you mean: ") {
            self.suggestion = Some(word.to_owned());
        } else if let (true, Some(user)) = (note.starts_with("      "), self.users.last_mut()) {
            user.set_object(note.trim_start());
        }
    }
}

impl Duplicate {
    fn read(&mut self, note: &str) {
        // `defined in` if only the file is known.
        let place = note.strip_prefix(" defined at ").or(note.strip_prefix(" defined in "));
        if let Some(place) = place {
            self.definitions.push(SymbolPlace::new(place));
        } else if let (true, Some(place)) =
            (note.starts_with("      "), self.definitions.last_mut())
        {
            place.set_object(note.trim_start());
        }
    }
}

impl SymbolPlace {
    /// `main.c:3 (src/main.c:3)`; if the linker knows no source, the text that `set_object` takes.
    fn new(text: &str) -> SymbolPlace {
        let mut place = SymbolPlace::default();
        if text.contains(":(") || text.ends_with(".o") || text.ends_with(".so") {
            place.set_object(text);
        } else {
            // The path in parentheses is more specific than the name.
            let long =
                text.strip_suffix(')').and_then(|text| text.split_once(" (")).map(|(_, long)| long);
            place.source = Some(long.unwrap_or(text).to_owned());
        }
        place
    }

    /// `a.o:(g) in archive target/libzip.a`
    fn set_object(&mut self, text: &str) {
        let (object, archive) = match text.rsplit_once(" in archive ") {
            Some((object, archive)) => (object, Some(archive.to_owned())),
            None => (text, None),
        };
        self.object = Some(object.rsplit_once(":(").map_or(object, |(path, _)| path).to_owned());
        self.archive = archive;
    }
}

/// ``main.c:(.text+0x5): undefined reference to `f'``
fn gnu_symbol(line: &str) -> Option<(&str, &str)> {
    let (user, rest) = line.split_once(": undefined reference to ")?;
    Some((user, rest.trim_matches(['`', '\''])))
}

/// The driver and the worker repeat that the linker failed, which is not another error.
fn is_driver_summary(line: &str) -> bool {
    ["linker command failed", "ld returned", "link driver"]
        .iter()
        .any(|summary| line.contains(summary))
}

/// `/usr/bin/ld: main.o` -> `main.o`
fn after_the_linkers_name(text: &str) -> &str {
    text.split_once("ld: ").map_or(text, |(_, rest)| rest)
}

fn gnu_place(user: &str, object: Option<&str>) -> SymbolPlace {
    let place = after_the_linkers_name(user);
    let place = place.split_once(":(").map_or(place, |(file, _)| file);
    let (object, archive) =
        match object.and_then(|object| object.strip_suffix(')')?.split_once('(')) {
            // `libzip.a(a.o)`
            Some((archive, member)) => (Some(member), Some(archive)),
            None => (object, None),
        };
    SymbolPlace {
        source: Some(place.to_owned()),
        object: object.map(str::to_owned),
        archive: archive.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Place, object, archive.
    type Where<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

    #[track_caller]
    fn check(text: &str, symbols: &[(&str, &[Where<'_>])], others: bool) {
        let found = parse(text);
        let got: Vec<_> = found
            .undefined
            .iter()
            .map(|u| {
                let users: Vec<_> = u
                    .users
                    .iter()
                    .map(|u| (u.source.as_deref(), u.object.as_deref(), u.archive.as_deref()))
                    .collect();
                (u.symbol.as_str(), users)
            })
            .collect();
        let expect: Vec<_> =
            symbols.iter().map(|(symbol, users)| (*symbol, users.to_vec())).collect();
        assert_eq!(got, expect);
        assert_eq!(found.others, others);
    }

    #[test]
    fn lld_errors_with_debug_information_are_read() {
        check(
            "ld.lld: error: undefined symbol: f\n\
             >>> referenced by main.c:3 (app/src/main.c:3)\n\
             >>>               target/x/main.o:(main)\n\
             >>> referenced 2 more times\n\
             clang: error: linker command failed with exit code 1 (use -v to see invocation)\n",
            &[("f", &[(Some("app/src/main.c:3"), Some("target/x/main.o"), None)])],
            false,
        );
    }

    #[test]
    fn lld_errors_without_debug_information_are_read() {
        check(
            "ld.lld: error: undefined symbol: zip::g(int, char)\n\
             >>> referenced by a.c\n\
             >>>               a.o:(zip_a) in archive target/libzip.a\n\
             \n\
             ld.lld: error: undefined hidden symbol: h\n\
             >>> referenced by target/b.o:(k)\n",
            &[
                ("zip::g(int, char)", &[(Some("a.c"), Some("a.o"), Some("target/libzip.a"))]),
                ("h", &[(None, Some("target/b.o"), None)]),
            ],
            false,
        );
    }

    #[test]
    fn lld_errors_of_other_kinds_are_noticed() {
        check("ld.lld: error: unable to find library -lnothing\n", &[], true);
        check(
            "ld.lld: error: undefined symbol: f\nld.lld: error: cannot open x.o\n",
            &[("f", &[])],
            true,
        );
    }

    #[test]
    fn lld_duplicate_symbols_are_read() {
        let found = parse(
            "ld.lld: error: duplicate symbol: zip::g(int)\n\
             >>> defined at a.cc:1 (zip/src/a.cc:1)\n>>>            target/x/a.o:(zip::g(int))\n\
             >>> defined at b.o:(.text+0x10) in archive target/libzip.a\n\n\
             ld.lld: error: duplicate symbol: h\n>>> defined in x.o\n>>> defined in y.o\n\
             ld.lld: error: cannot open z.o\n>>> what is no note of ours\n",
        );
        let place = |source: Option<&str>, object: &str, archive: Option<&str>| SymbolPlace {
            source: source.map(str::to_owned),
            object: Some(object.to_owned()),
            archive: archive.map(str::to_owned),
        };
        let expect = [
            Duplicate {
                symbol: "zip::g(int)".into(),
                definitions: vec![
                    place(Some("zip/src/a.cc:1"), "target/x/a.o", None),
                    place(None, "b.o", Some("target/libzip.a")),
                ],
            },
            Duplicate {
                symbol: "h".into(),
                definitions: vec![place(None, "x.o", None), place(None, "y.o", None)],
            },
        ];
        assert_eq!(found.duplicates, expect);
        assert!(found.others && found.undefined.is_empty());
    }

    #[test]
    fn gnu_ld_errors_are_read() {
        check(
            "/usr/bin/ld: target/main.o: in function `main':\n\
             main.c:(.text+0x5): undefined reference to `f'\n\
             /usr/bin/ld: main.c:(.text+0xa): undefined reference to `f'\n\
             collect2: error: ld returned 1 exit status\n\
             error: the link driver `cc` failed with exit status 1\n",
            &[(
                "f",
                &[
                    (Some("main.c"), Some("target/main.o"), None),
                    (Some("main.c"), Some("target/main.o"), None),
                ],
            )],
            false,
        );
        check(
            "/usr/bin/ld: target/libzip.a(a.o): in function `z':\n\
             ././zip/src/a.c:7: undefined reference to `f'\n",
            &[("f", &[(Some("././zip/src/a.c:7"), Some("a.o"), Some("target/libzip.a"))])],
            false,
        );
    }

    #[test]
    fn lld_suggestion_is_kept() {
        let found = parse(
            "ld.lld: error: undefined symbol: fo\n>>> referenced by m.o:(main)\n>>> did you mean: foo\n",
        );
        assert_eq!(found.undefined[0].suggestion.as_deref(), Some("foo"));
    }
}
