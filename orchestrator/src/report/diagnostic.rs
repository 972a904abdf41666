//! The text that is shown for a worker's diagnostic: clang's text unchanged, the linker's errors by
//! crate and symbol.

use crate::graph::{Graph, Item, ItemKind, Run};
use crate::report::crates::Crates;
use crate::report::link_errors::{self, SymbolPlace};
use crate::report::{header_unit, missing_header, style, words};
use camino::Utf8Path;
use std::borrow::Cow;
use std::collections::HashSet;
use tender_protocol::{Diagnostic, Level, Member, Work};

/// A diagnostic as it is shown. `rendered` ends with a newline and may have ANSI colours.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown<'a> {
    pub level: Level,
    pub message: Cow<'a, str>,
    pub rendered: Cow<'a, str>,
}

/// What to show for one diagnostic of `item`. A link with undefined or duplicate symbols gives one
/// error for each; the linker's own text follows if it has other errors, or if `whole` is true.
pub fn shown<'a>(
    graph: &Graph,
    crates: &Crates,
    item: &Item,
    diagnostic: &'a Diagnostic,
    whole: bool,
) -> Vec<Shown<'a>> {
    let is_link = matches!(item.kind, ItemKind::Program | ItemKind::Shared);
    if !is_link || diagnostic.level != Level::Error {
        let mut one = as_it_is(diagnostic);
        let help = missing_header::help(&graph.root, crates, item, diagnostic);
        if let Some(help) = help.or_else(|| header_unit::help(item, diagnostic)) {
            // Before the blank line at the end of clang's text, if there is one.
            let text = one.rendered.trim_end_matches('\n');
            let end = &one.rendered[text.len()..];
            one.rendered = format!("{text}\n  {}: {help}{end}", style::bold("help")).into();
        }
        return vec![one];
    }
    let text = [plain(&diagnostic.rendered), plain(&diagnostic.message)].join("\n");
    let found = link_errors::parse(if diagnostic.rendered.is_empty() {
        &diagnostic.message
    } else {
        &text
    });
    let target = crates.target(item);
    let mut seen: HashSet<&str> = HashSet::new();
    let mut all = Vec::new();
    for undefined in &found.undefined {
        if !seen.insert(&undefined.symbol) {
            continue;
        }
        let mut users: Vec<String> =
            undefined.users.iter().map(|user| place_text(graph, item, user)).collect();
        users.dedup();
        let message = words::undefined_symbol(&undefined.symbol, &item.krate_name, target, &users);
        let mut rendered = format!("{}: {message}\n", style::level(Level::Error));
        if let Some(word) = &undefined.suggestion {
            rendered += &format!(
                "  {}: a symbol with a similar name exists: `{word}`\n",
                style::bold("help")
            );
        }
        all.push(Shown { level: Level::Error, message: message.into(), rendered: rendered.into() });
    }
    for duplicate in &found.duplicates {
        let places: Vec<String> =
            duplicate.definitions.iter().map(|place| place_text(graph, item, place)).collect();
        let message = words::duplicate_symbol(&duplicate.symbol, &item.krate_name, target, &places);
        let rendered = format!("{}: {message}\n", style::level(Level::Error));
        all.push(Shown { level: Level::Error, message: message.into(), rendered: rendered.into() });
    }
    if all.is_empty() {
        return vec![as_it_is(diagnostic)];
    }
    if found.others || whole {
        // A note, because the lines above count the errors already.
        all.push(Shown { level: Level::Note, ..as_it_is(diagnostic) });
    }
    all
}

fn as_it_is(diagnostic: &Diagnostic) -> Shown<'_> {
    let rendered = if diagnostic.rendered.is_empty() {
        Cow::from(format!("{}: {}\n", style::level(diagnostic.level), diagnostic.message))
    } else if diagnostic.rendered.ends_with('\n') {
        Cow::from(&diagnostic.rendered)
    } else {
        Cow::from(format!("{}\n", diagnostic.rendered))
    };
    Shown { level: diagnostic.level, message: Cow::from(&diagnostic.message), rendered }
}

/// The unit's path for an object of this build, e.g. `zip/src/a.c`, with the line if it is known,
/// and the crate if it is not that of `link`.
fn place_text(graph: &Graph, link: &Item, place: &SymbolPlace) -> String {
    let object = place.object.as_deref().or(place.source.as_deref());
    let unit = object.and_then(|object| unit_of(graph, place, object));
    // Linkers keep the compilation directory, which is `.`.
    let source = place.source.as_deref().map(|source| source.trim_start_matches("./"));
    let unit = unit.or_else(|| unit_at(graph, source?.rsplit_once(':')?.0));
    let text = match (unit, source) {
        // `app/src/main.c:3`: debug information has the line, perhaps of a header.
        (_, Some(source))
            if source.rsplit_once(':').is_some_and(|(_, line)| line.parse::<u32>().is_ok()) =>
        {
            source.to_owned()
        }
        (Some(unit), _) => unit.label.clone(),
        (None, _) if object.is_some_and(|object| is_merged(link, object)) => {
            "modules that are merged (`debug` in the profile tells the line)".to_owned()
        }
        (None, source) => {
            let source = source.or(place.object.as_deref()).unwrap_or("an object file");
            match &place.archive {
                Some(archive) => format!("{source} in {archive}"),
                None => source.to_owned(),
            }
        }
    };
    match unit {
        Some(unit) if unit.krate != link.krate => format!("{text} (crate `{}`)", unit.krate_name),
        _ => text,
    }
}

/// The unit that is compiled from the file at `path`.
fn unit_at<'a>(graph: &'a Graph, path: &str) -> Option<&'a Item> {
    graph.items.iter().find(|item| item.kind == ItemKind::Compile && item.label == path)
}

/// The unit whose object is `object`, or is the member `object` of `place.archive`.
fn unit_of<'a>(graph: &'a Graph, place: &SymbolPlace, object: &str) -> Option<&'a Item> {
    let object = object.split_once(":(").map_or(object, |(path, _)| path);
    let object = match &place.archive {
        None => object,
        Some(archive) => {
            // Also an archive that links read only for its members.
            let items = graph.items.iter().chain(&graph.unbuilt_archives);
            let item = items.into_iter().find(|item| writes(graph, item, archive))?;
            let Run::Worker(Work::Archive { members, .. }) = &item.run else { return None };
            &members.iter().find(|member| member.name == object)?.path
        }
    };
    let object = optimised_from(graph, object).unwrap_or(object);
    graph.items.iter().find(|item| item.kind == ItemKind::Compile && writes(graph, item, object))
}

fn writes(graph: &Graph, item: &Item, path: &str) -> bool {
    item.outputs.iter().any(|output| output == path || graph.root.join(output) == path)
}

/// The merged object of all modules of `link`: its unit is unknown.
fn is_merged(link: &Item, object: &str) -> bool {
    let Run::Worker(Work::Link { lto: Some(lto), .. }) = &link.run else { return false };
    object.strip_prefix(lto.work_dir.as_str()) == Some(&format!("/{}.lto.o", link.krate_name))
}

/// The file with the modules from which link-time optimisation made `object`. A worker names the
/// object `CRATE.UNIT.CGU.o`. UNIT is the file's or the member's name without its extension, and
/// has `~` and a number if an earlier input has the same name.
fn optimised_from<'a>(graph: &'a Graph, object: &str) -> Option<&'a str> {
    let (dir, name) = object.rsplit_once('/')?;
    let (name, _cgu) = name.strip_suffix(".o")?.rsplit_once('.')?;
    let (name, number) = match name.rsplit_once('~') {
        Some((name, number)) => (name, number.parse::<usize>().ok()?),
        None => (name, 1),
    };
    for item in &graph.items {
        let Run::Worker(Work::Link { args, lto: Some(lto), .. }) = &item.run else { continue };
        if lto.work_dir != dir {
            continue;
        }
        let library = |word: &str| lto.libraries.iter().find(|library| library.word == word);
        let inputs = args.iter().flat_map(|word| match library(word) {
            Some(library) => {
                let member =
                    |member: &'a Member| (library.krate.as_str(), &*member.name, &*member.path);
                library.members.iter().map(member).collect()
            }
            None => {
                vec![(
                    item.krate_name.as_str(),
                    Utf8Path::new(word).file_name().unwrap_or(word),
                    &**word,
                )]
            }
        });
        let unit = |file: &'a str| file.strip_suffix(".o").unwrap_or(file);
        let named =
            |krate: &str, file| name.strip_prefix(krate) == Some(&format!(".{}", unit(file)));
        return inputs
            .filter(|(krate, file, _)| named(krate, file))
            .nth(number.checked_sub(1)?)
            .map(|(_, _, path)| path);
    }
    None
}

/// The flag that turns a warning on or off, such as `-Wunused-variable`; clang writes it behind the
/// message, after `-Werror` where that made it an error.
pub fn flag(diagnostic: &Diagnostic) -> Option<String> {
    let text = plain(&diagnostic.rendered);
    let (_, rest) = text.split_once(diagnostic.message.as_str())?;
    let (flags, _) = rest.strip_prefix(" [")?.split_once(']')?;
    let flag = flags.rsplit(',').next().filter(|flag| flag.starts_with("-W"))?;
    // `-Wframe-larger-than=100`, `-Werror`: what follows is no part of a name, or there is none.
    (flag != "-Werror").then(|| flag.to_owned())
}

/// The text without colours.
pub fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use tender_protocol::{Lto, LtoLibrary, LtoLink};

    fn link_error(text: &str) -> Diagnostic {
        Diagnostic {
            level: Level::Error,
            message: "the link failed".into(),
            file: None,
            line: 0,
            column: 0,
            rendered: text.into(),
        }
    }

    #[track_caller]
    fn check(text: &str, whole: bool, expect: &str) {
        let (graph, workspace) = (fixture::graph(), fixture::workspace());
        let crates = Crates::new(&workspace);
        let diagnostic = link_error(text);
        let all = shown(&graph, &crates, &graph[fixture::APP_LINK], &diagnostic, whole);
        let text: String = all.iter().map(|one| plain(&one.rendered)).collect();
        assert_eq!(text, expect);
    }

    #[test]
    fn missing_symbol_is_named_with_crate_and_unit() {
        check(
            "\u{1b}[31mld.lld: error: \u{1b}[0mundefined symbol: f\n\
             >>> referenced by main.c\n>>>               target/release/.tender/app/main.o:(main)\n",
            false,
            "error: undefined symbol `f` in crate `app` (bin `app`), used by app/src/main.c\n",
        );
        check(
            "ld.lld: error: undefined symbol: g\n\
             >>> referenced by a.c:7 (zip/src/a.c:7)\n\
             >>>               a.o:(z) in archive target/release/libzip.a\n>>> did you mean: gg\n",
            false,
            "error: undefined symbol `g` in crate `app` (bin `app`), used by zip/src/a.c:7 (crate `zip`)\n  \
             help: a symbol with a similar name exists: `gg`\n",
        );
        check(
            "ld.lld: error: undefined symbol: g\n\
             >>> referenced by a.c\n>>>               a.o:(z) in archive target/release/libzip.a\n",
            false,
            "error: undefined symbol `g` in crate `app` (bin `app`), used by zip/src/a.c (crate `zip`)\n",
        );
    }

    #[test]
    fn symbol_defined_twice_is_named_with_both_units() {
        check(
            "ld.lld: error: duplicate symbol: f\n\
             >>> defined at main.c:3 (app/src/main.c:3)\n\
             >>>            target/release/.tender/app/main.o:(f)\n\
             >>> defined at a.o:(.text+0x10) in archive target/release/libzip.a\n",
            false,
            "error: duplicate symbol `f` in crate `app` (bin `app`), \
             defined in app/src/main.c:3 and in zip/src/a.c (crate `zip`)\n",
        );
    }

    #[test]
    fn objects_of_link_time_optimisation_are_known() {
        let mut graph = fixture::graph();
        let member = |name: &str, path: &str| Member { name: name.into(), path: path.into() };
        let dir = "target/release/.tender";
        let Run::Worker(Work::Link { args, lto, .. }) =
            &mut graph.items[fixture::APP_LINK.0 as usize].run
        else {
            panic!("no link")
        };
        args.push("target/release/libzip.a".into());
        *lto = Some(LtoLink {
            mode: Lto::Thin,
            opt_level: 2,
            work_dir: format!("{dir}/app/lto/bin-app"),
            libraries: vec![LtoLibrary {
                word: "target/release/libzip.a".into(),
                krate: "zip".into(),
                members: vec![
                    member("a.o", &format!("{dir}/zip/a.o")),
                    member("a.o", &format!("{dir}/zip/b.o")),
                ],
            }],
        });
        let check = |object: &str, expect: Option<&str>| {
            let path = format!("{dir}/app/lto/bin-app/{object}");
            let place = SymbolPlace { object: Some(path.clone()), ..SymbolPlace::default() };
            assert_eq!(
                unit_of(&graph, &place, &path).map(|item| item.label.as_str()),
                expect,
                "{object}"
            );
        };
        check("zip.a.0.o", Some("zip/src/a.c"));
        check("zip.a.12.o", Some("zip/src/a.c"));
        check("zip.a~2.0.o", Some("zip/src/b.c"));
        check("app.main.3.o", Some("app/src/main.c"));
        check("zip.a~3.0.o", None);
        check("zip.a~0.0.o", None);
        check("app.lto.o", None);
        assert!(is_merged(&graph[fixture::APP_LINK], &format!("{dir}/app/lto/bin-app/app.lto.o")));
        check("zip.b.0.o", None);
    }

    #[test]
    fn flag_of_a_warning_is_found() {
        let check = |suffix: &str, expect: Option<&str>| {
            let mut diagnostic = fixture::diagnostic(Level::Warning, "unused [x]");
            diagnostic.rendered = format!(
                "a.c:1:5: \u{1b}[35mwarning: \u{1b}[0m\u{1b}[1munused [x]{suffix}\u{1b}[0m\n  int x; // [-Wz]\n"
            );
            assert_eq!(flag(&diagnostic).as_deref(), expect, "{suffix}");
        };
        check(" [-Wunused-variable]", Some("-Wunused-variable"));
        check(" [-Werror,-Wunused-variable]", Some("-Wunused-variable"));
        check(" [-Wframe-larger-than=]", Some("-Wframe-larger-than="));
        check(" [-Werror]", None);
        check("", None);
    }

    #[test]
    fn linker_text_stays_when_it_says_more() {
        let text = "ld.lld: error: undefined symbol: f\nld.lld: error: cannot open x.o\n";
        let first = "error: undefined symbol `f` in crate `app` (bin `app`)\n";
        check(text, false, &format!("{first}{text}"));
        check("ld.lld: error: cannot open x.o", false, "ld.lld: error: cannot open x.o\n");
    }

    #[test]
    fn fuzz_link_errors() {
        let graph = fixture::graph();
        let crates = Crates::new(&fixture::workspace());
        tender_fuzz::check_text("link_errors", 2_000, |text| {
            let mut diagnostic = fixture::diagnostic(Level::Error, text);
            diagnostic.rendered = String::new();
            let all = shown(&graph, &crates, &graph[fixture::APP_LINK], &diagnostic, true);
            assert!(all.iter().all(|shown| shown.rendered.ends_with('\n')));
        });
    }
}
