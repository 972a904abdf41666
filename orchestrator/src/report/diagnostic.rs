//! From a worker's diagnostic to what is shown of it: clang's as they are, the linker's by crate and symbol.

use crate::graph::{Graph, Item, ItemKind, Run};
use crate::report::crates::Crates;
use crate::report::link_errors::{self, User};
use crate::report::{style, words};
use camino::Utf8Path;
use std::borrow::Cow;
use tender_protocol::{Diagnostic, Level, Work};

/// A diagnostic in its final words. `rendered` ends with a newline and may hold ANSI colours.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown<'a> {
    pub level: Level,
    pub message: Cow<'a, str>,
    pub rendered: Cow<'a, str>,
}

/// What to show for one diagnostic of `item`. A link that lacks symbols becomes one error per symbol; the linker's own
/// text follows if it says more, or if `whole` asks for it.
pub fn shown<'a>(
    graph: &Graph,
    crates: &Crates,
    item: &Item,
    diagnostic: &'a Diagnostic,
    whole: bool,
) -> Vec<Shown<'a>> {
    let is_link = matches!(item.kind, ItemKind::Program | ItemKind::Shared);
    if !is_link || diagnostic.level != Level::Error {
        return vec![as_it_is(diagnostic)];
    }
    let text = [plain(&diagnostic.rendered), plain(&diagnostic.message)].join("\n");
    let found = link_errors::parse(if diagnostic.rendered.is_empty() { &diagnostic.message } else { &text });
    let target = crates.target(item);
    let mut seen: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    for undefined in &found.undefined {
        if seen.contains(&undefined.symbol.as_str()) {
            continue;
        }
        seen.push(&undefined.symbol);
        let mut users: Vec<String> = undefined.users.iter().map(|user| user_text(graph, user)).collect();
        users.dedup();
        let message = words::undefined_symbol(&undefined.symbol, &item.krate_name, target, &users);
        let mut rendered = format!("{}: {message}\n", style::level(Level::Error));
        if let Some(word) = &undefined.suggestion {
            rendered +=
                &format!("  {}: a symbol with a similar name exists: `{word}`\n", style::bold("help"));
        }
        all.push(Shown { level: Level::Error, message: message.into(), rendered: rendered.into() });
    }
    if all.is_empty() {
        return vec![as_it_is(diagnostic)];
    }
    if found.others || whole {
        // The errors are counted by the lines above; the text is there to be read.
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

/// The unit's path where an object of ours is meant, e.g. `zip/src/a.c`; with the line where that is known.
fn user_text(graph: &Graph, user: &User) -> String {
    let unit =
        user.object.as_deref().or(user.place.as_deref()).and_then(|object| unit_of(graph, user, object));
    // The compilation directory is `.`, which linkers keep.
    let place = user.place.as_deref().map(|place| place.trim_start_matches("./"));
    match (unit, place) {
        // `app/src/main.c:3`: debug information names the very line, perhaps of a header.
        (_, Some(place)) if place.rsplit_once(':').is_some_and(|(_, line)| line.parse::<u32>().is_ok()) => {
            place.to_owned()
        }
        (Some(unit), _) => unit.to_owned(),
        (None, place) => {
            let place = place.or(user.object.as_deref()).unwrap_or("an object file");
            match &user.archive {
                Some(archive) => format!("{place} in {archive}"),
                None => place.to_owned(),
            }
        }
    }
}

/// The unit whose object is `object`, or is the member `object` of `user.archive`.
fn unit_of<'a>(graph: &'a Graph, user: &User, object: &str) -> Option<&'a str> {
    let object = object.split_once(":(").map_or(object, |(path, _)| path);
    let writes = |item: &Item, path: &str| {
        item.outputs
            .iter()
            .any(|out| out == Utf8Path::new(path) || graph.root.join(out) == Utf8Path::new(path))
    };
    let object = match &user.archive {
        None => object,
        Some(archive) => {
            let item = graph.items.iter().find(|item| writes(item, archive))?;
            let Run::Worker(Work::Archive { members, .. }) = &item.run else { return None };
            &members.iter().find(|member| member.name == object)?.path
        }
    };
    let unit = graph.items.iter().find(|item| item.kind == ItemKind::Compile && writes(item, object))?;
    Some(&unit.label)
}

/// The text without colours.
pub fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

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
    fn a_missing_symbol_is_named_with_crate_and_unit() {
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
            "error: undefined symbol `g` in crate `app` (bin `app`), used by zip/src/a.c:7\n  \
             help: a symbol with a similar name exists: `gg`\n",
        );
        check(
            "ld.lld: error: undefined symbol: g\n\
             >>> referenced by a.c\n>>>               a.o:(z) in archive target/release/libzip.a\n",
            false,
            "error: undefined symbol `g` in crate `app` (bin `app`), used by zip/src/a.c\n",
        );
    }

    #[test]
    fn the_linkers_text_stays_when_it_says_more() {
        let text = "ld.lld: error: undefined symbol: f\nld.lld: error: cannot open x.o\n";
        let first = "error: undefined symbol `f` in crate `app` (bin `app`)\n";
        check(text, false, &format!("{first}{text}"));
        check("ld.lld: error: cannot open x.o", false, "ld.lld: error: cannot open x.o\n");
    }
}
