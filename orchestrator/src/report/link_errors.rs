//! Reads a linker's complaints, so that a missing symbol is reported by crate and unit and not by object file.
//!
//! Pure text in, values out. ld.lld is what we run; the form of GNU ld is read too, for machines where the driver uses it.

/// A symbol that nothing defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undefined {
    pub symbol: String,
    pub users: Vec<User>,
    /// The linker's guess at another spelling.
    pub suggestion: Option<String>,
}

/// Where a symbol is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// `src/main.c:3`, known with debug information; else the file's name alone, or nothing.
    pub place: Option<String>,
    /// As given to the linker; the member's name when it is inside `archive`.
    pub object: Option<String>,
    pub archive: Option<String>,
}

/// What a linker's output consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkErrors {
    /// In the order of the text, each symbol once.
    pub undefined: Vec<Undefined>,
    /// There are errors of other kinds, so that the text itself must be shown.
    pub others: bool,
}

/// Reads the text of `ld.lld` or GNU `ld`, colours already removed.
///
/// ```text
/// ld.lld: error: undefined symbol: f
/// >>> referenced by main.c:3 (src/main.c:3)
/// >>>               target/x/main.o:(main)
/// >>> referenced by a.c
/// >>>               a.o:(g) in archive target/libzip.a
/// >>> referenced 2 more times
/// >>> did you mean: ff
/// ```
pub fn parse(text: &str) -> LinkErrors {
    let mut found = LinkErrors::default();
    let mut in_undefined = false;
    // GNU ld names the object once for all complaints about a function.
    let mut object = None;
    for line in text.lines() {
        let line = line.trim_end();
        if let Some(note) = line.strip_prefix(">>>") {
            if in_undefined {
                let undefined = found.undefined.last_mut().expect("a symbol was read before its notes");
                read_note(undefined, note);
            }
            continue;
        }
        in_undefined = false;
        if let Some(symbol) = lld_symbol(line) {
            found.undefined.push(Undefined { symbol: symbol.to_owned(), users: vec![], suggestion: None });
            in_undefined = true;
        } else if let Some((user, symbol)) = gnu_symbol(line) {
            found.gnu(user, symbol, object);
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

fn read_note(undefined: &mut Undefined, note: &str) {
    if let Some(place) = note.strip_prefix(" referenced by ") {
        // `main.c:3 (src/main.c:3)`: the path in parentheses says more than the name.
        let long = place.strip_suffix(')').and_then(|p| p.split_once(" (")).map(|(_, long)| long);
        let place = long.unwrap_or(place).to_owned();
        undefined.users.push(User { place: Some(place), ..User::default() });
    } else if let Some(word) = note.strip_prefix(" did you mean: ") {
        undefined.suggestion = Some(word.to_owned());
    } else if note.starts_with("      ") {
        let Some(user) = undefined.users.last_mut() else { return };
        let (object, archive) = match note.trim_start().rsplit_once(" in archive ") {
            Some((object, archive)) => (object, Some(archive.to_owned())),
            None => (note.trim_start(), None),
        };
        user.object = Some(object.rsplit_once(":(").map_or(object, |(path, _)| path).to_owned());
        user.archive = archive;
    }
}

/// ``main.c:(.text+0x5): undefined reference to `f'``
fn gnu_symbol(line: &str) -> Option<(&str, &str)> {
    let (user, rest) = line.split_once(": undefined reference to ")?;
    Some((user, rest.trim_matches(['`', '\''])))
}

/// The driver, and the worker after it, repeat that the linker failed; that is no error of its own.
fn is_driver_summary(line: &str) -> bool {
    ["linker command failed", "ld returned", "link driver"].iter().any(|summary| line.contains(summary))
}

/// `/usr/bin/ld: main.o` -> `main.o`
fn after_the_linkers_name(text: &str) -> &str {
    text.split_once("ld: ").map_or(text, |(_, rest)| rest)
}

impl LinkErrors {
    fn gnu(&mut self, user: &str, symbol: &str, object: Option<&str>) {
        let place = after_the_linkers_name(user);
        let place = place.split_once(":(").map_or(place, |(file, _)| file);
        let (object, archive) = match object.and_then(|object| object.strip_suffix(')')?.split_once('(')) {
            // `libzip.a(a.o)`
            Some((archive, member)) => (Some(member), Some(archive)),
            None => (object, None),
        };
        let user = User {
            place: Some(place.to_owned()),
            object: object.map(str::to_owned),
            archive: archive.map(str::to_owned),
        };
        match self.undefined.iter_mut().find(|u| u.symbol == symbol) {
            Some(known) => known.users.push(user),
            None => self.undefined.push(Undefined {
                symbol: symbol.to_owned(),
                users: vec![user],
                suggestion: None,
            }),
        }
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
                    .map(|u| (u.place.as_deref(), u.object.as_deref(), u.archive.as_deref()))
                    .collect();
                (u.symbol.as_str(), users)
            })
            .collect();
        let expect: Vec<_> = symbols.iter().map(|(symbol, users)| (*symbol, users.to_vec())).collect();
        assert_eq!(got, expect);
        assert_eq!(found.others, others);
    }

    #[test]
    fn lld_with_debug_information() {
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
    fn lld_without_debug_information_and_in_an_archive() {
        check(
            "ld.lld: error: undefined symbol: zip::g(int, char)\n\
             >>> referenced by a.c\n\
             >>>               a.o:(zip_a) in archive target/libzip.a\n\
             \n\
             ld.lld: error: undefined hidden symbol: h\n\
             >>> referenced by target/b.o:(k)\n",
            &[
                ("zip::g(int, char)", &[(Some("a.c"), Some("a.o"), Some("target/libzip.a"))]),
                ("h", &[(Some("target/b.o:(k)"), None, None)]),
            ],
            false,
        );
    }

    #[test]
    fn other_errors_are_noticed() {
        check("ld.lld: error: unable to find library -lnothing\n", &[], true);
        check(
            "ld.lld: error: duplicate symbol: f\n>>> defined at a.c:1\n>>>            a.o:(f)\n",
            &[],
            true,
        );
        check("ld.lld: error: undefined symbol: f\nld.lld: error: cannot open x.o\n", &[("f", &[])], true);
    }

    #[test]
    fn gnu_ld() {
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
    fn the_linkers_guess_is_kept() {
        let found = parse(
            "ld.lld: error: undefined symbol: fo\n>>> referenced by m.o:(main)\n>>> did you mean: foo\n",
        );
        assert_eq!(found.undefined[0].suggestion.as_deref(), Some("foo"));
    }
}
