//! Why items are up to date or run: in words, and as JSON. Prints nothing, and reads no files.

use crate::fingerprint::{ItemOutlook, Outlook};
use crate::graph::{Graph, Item, ItemKind};
use crate::keys::ItemId;
use crate::report::command::{command_line, command_words};
use crate::report::crates::Crates;
use crate::report::{json, words};
use crate::sys::shell::quoted_words;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Crate {
        name: String,
        items: Vec<ItemId>,
    },
    /// Each is shown in full.
    Items(Vec<ItemId>),
    /// A file, relative to the root or absolute, and the items that read it.
    File {
        path: String,
        readers: Vec<ItemId>,
    },
}

/// A build as it would be.
pub struct Explanation<'a> {
    pub graph: &'a Graph,
    pub crates: &'a Crates,
    /// In the order of the graph's items.
    pub items: &'a [ItemOutlook],
    /// All is listed, however much it is.
    pub all: bool,
}

/// More lines are only counted.
const MOST_LINES: usize = 12;

impl Explanation<'_> {
    /// Lines for people.
    pub fn text(&self, subject: &Subject) -> String {
        match subject {
            Subject::Crate { name, items } => self.of_crate(name, items),
            Subject::Items(items) => {
                items.iter().map(|item| self.of_item(*item)).collect::<Vec<_>>().join("\n")
            }
            Subject::File { path, readers } => self.of_file(path, readers),
        }
    }

    /// Messages for programs: one for the subject, then one for each of its items.
    pub fn messages(&self, asked: &str, subject: &Subject) -> Vec<Value> {
        let (kind, items) = match subject {
            Subject::Crate { items, .. } => ("crate", items),
            Subject::Items(items) => ("unit", items),
            Subject::File { readers, .. } => ("file", readers),
        };
        let first = json!({
            "reason": "explanation",
            "asked": asked,
            "kind": kind,
            "profile": self.graph.profile.name,
            "units": self.labels(items.iter().copied()),
            "leads_to": self.labels(self.led_to(items).into_iter()),
        });
        let items = items.iter().map(|item| self.message(*item));
        std::iter::once(first).chain(items).collect()
    }

    fn message(&self, id: ItemId) -> Value {
        let (item, known) = (&self.graph[id], self.known(id));
        let (state, reason) = match &known.outlook {
            Outlook::Fresh => ("fresh", None),
            Outlook::Runs(reason) => ("runs", Some(reason)),
            Outlook::Depends(reason) => ("depends", Some(reason)),
        };
        let ingredients = &item.ingredients;
        let interfaces = ingredients.interfaces.iter();
        let interfaces: serde_json::Map<String, Value> =
            interfaces.map(|(name, words)| (name.clone(), json!(words))).collect();
        let more = json!({
            "unit": item.label,
            "state": state,
            "rebuild": reason,
            "command": command_words(item),
            "words": { "crate": ingredients.own, "profile": ingredients.profile, "dependencies": interfaces },
            "inputs": known.inputs,
            "outputs": item.outputs,
            "reads": self.labels(known.reads.iter().copied()),
            "leads_to": self.labels(self.led_to(&[id]).into_iter()),
        });
        json::about(self.crates, "unit-explained", item, more)
    }

    fn known(&self, id: ItemId) -> &ItemOutlook {
        &self.items[id.0 as usize]
    }

    fn labels(&self, items: impl Iterator<Item = ItemId>) -> Vec<&str> {
        items.map(|item| self.graph[item].label.as_str()).collect()
    }

    /// The items that read what these write, directly or not, in the order of the graph.
    fn led_to(&self, items: &[ItemId]) -> Vec<ItemId> {
        let mut found: BTreeSet<ItemId> = items.iter().copied().collect();
        for (id, _) in self.graph.indexed() {
            if self.known(id).reads.iter().any(|before| found.contains(before)) {
                found.insert(id);
            }
        }
        found.into_iter().filter(|id| !items.contains(id)).collect()
    }

    fn of_crate(&self, name: &str, items: &[ItemId]) -> String {
        let all = words::count(items.len(), "unit");
        let mut text = format!("crate {name}: {all} by the profile `{}`", self.graph.profile.name);
        let not_fresh: Vec<ItemId> =
            items.iter().copied().filter(|id| self.known(*id).outlook != Outlook::Fresh).collect();
        match not_fresh.len() {
            0 => text += ", all up to date\n",
            some => _ = writeln!(text, ", {some} not up to date"),
        }
        let lines = not_fresh.iter().map(|id| {
            let item = &self.graph[*id];
            format!("{}: {}", words::visible(&item.label), state(&self.known(*id).outlook))
        });
        self.list(&mut text, "next build", lines.collect());
        self.leads(&mut text, items, "leads to");
        text
    }

    fn of_file(&self, path: &str, readers: &[ItemId]) -> String {
        let path = words::visible(path);
        if readers.is_empty() {
            return format!(
                "{path}: no unit of the profile `{}` reads it\n",
                self.graph.profile.name
            );
        }
        let count = words::count(readers.len(), "unit");
        let mut text = format!("{path}: read by {count}\n");
        let lines = readers.iter().map(|id| {
            let item = &self.graph[*id];
            let name = words::visible(&item.label);
            format!("{name} of {}: {}", item.krate_name, state(&self.known(*id).outlook))
        });
        self.list(&mut text, "read by", lines.collect());
        self.leads(&mut text, readers, "leads to");
        text
    }

    fn of_item(&self, id: ItemId) -> String {
        let (item, known) = (&self.graph[id], self.known(id));
        let host = if item.host { ", built for the build" } else { "" };
        let name = words::visible(&item.label);
        let mut text = format!("{name}: {} of crate {}{host}\n", noun(item), item.krate_name);
        line(&mut text, "next build", &state(&known.outlook));
        line(&mut text, "command", &words::visible(&command_line(item, None)));
        let ingredients = &item.ingredients;
        let mut parts = vec![
            ("of the crate".to_owned(), &ingredients.own),
            (format!("of the profile `{}`", self.graph.profile.name), &ingredients.profile),
        ];
        parts.extend(
            ingredients.interfaces.iter().map(|(name, words)| (format!("of {name}"), words)),
        );
        for (whose, list) in parts.iter().filter(|(_, list)| !list.is_empty()) {
            let list = quoted_words(list.iter());
            line(&mut text, "words", &format!("{whose}: {}", words::visible(&list)));
        }
        for output in &item.outputs {
            line(&mut text, "writes", &words::visible(output.as_str()));
        }
        let is_own = |path: &&String| !path.starts_with('/');
        let (own, others): (Vec<&String>, Vec<&String>) = known.inputs.iter().partition(is_own);
        let mut inputs: Vec<String> =
            own.iter().map(|path| words::visible(path).into_owned()).collect();
        if self.all {
            inputs.extend(others.iter().map(|path| words::visible(path).into_owned()));
        }
        self.list(&mut text, "reads", inputs);
        if !self.all && !others.is_empty() {
            let text_of =
                format!("{} files and directories outside of the workspace", others.len());
            line(&mut text, "", &text_of);
        }
        self.leads(&mut text, &[id], "leads to");
        text
    }

    /// Artifacts by name, other items by their number.
    fn leads(&self, text: &mut String, items: &[ItemId], head: &str) {
        let led_to = self.led_to(items);
        let is_artifact = |id: &ItemId| {
            let kind = self.graph[*id].kind;
            matches!(kind, ItemKind::Archive | ItemKind::Shared | ItemKind::Program)
        };
        let (artifacts, rest): (Vec<ItemId>, Vec<ItemId>) =
            led_to.into_iter().partition(is_artifact);
        let mut names: Vec<String> = self
            .labels(artifacts.into_iter())
            .into_iter()
            .map(|name| words::visible(name).into())
            .collect();
        if !self.all && names.len() > MOST_LINES {
            let more = names.len() - MOST_LINES;
            names.truncate(MOST_LINES);
            names.push(format!("{more} more"));
        }
        if !rest.is_empty() {
            names.push(words::count(rest.len(), "unit"));
        }
        if !names.is_empty() {
            line(text, head, &names.join(", "));
        }
    }

    /// `head` stands before the first line.
    fn list(&self, text: &mut String, head: &str, lines: Vec<String>) {
        let shown = if self.all { lines.len() } else { MOST_LINES };
        for (number, one) in lines.iter().take(shown).enumerate() {
            line(text, if number == 0 { head } else { "" }, one);
        }
        if lines.len() > shown {
            line(text, "", &format!("{} more, which `-v` shows", lines.len() - shown));
        }
    }
}

fn line(text: &mut String, head: &str, rest: &str) {
    let _ = writeln!(text, "  {head:<12} {rest}");
}

fn state(outlook: &Outlook) -> String {
    match outlook {
        Outlook::Fresh => "up to date".to_owned(),
        Outlook::Runs(reason) => format!("runs, because {}", words::visible(&reason.present())),
        Outlook::Depends(reason) => {
            format!("runs only if a content changes: {}", words::visible(&reason.present()))
        }
    }
}

fn noun(item: &Item) -> &'static str {
    match item.kind {
        ItemKind::Generate => "command",
        ItemKind::Configure => "header of [config]",
        ItemKind::Scan => "scan for modules",
        ItemKind::Interface => "module",
        ItemKind::Precompile => "precompiled headers",
        ItemKind::ShareHeaders => "shared headers",
        ItemKind::Compile | ItemKind::Check => "source",
        ItemKind::Archive => "static library",
        ItemKind::Shared => "shared library",
        ItemKind::Program => "program",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::RebuildReason;
    use crate::report::fixture;

    fn check(subject: &Subject, expect: &str) {
        let graph = fixture::graph();
        let known = |outlook, inputs: &[&str], reads: &[ItemId]| ItemOutlook {
            outlook,
            inputs: inputs.iter().map(|path| (*path).to_owned()).collect(),
            reads: reads.to_vec(),
        };
        let path = || "zip/zip.h".to_owned();
        let made = || "target/release/libzip.a".to_owned();
        let items = [
            known(
                Outlook::Runs(RebuildReason::InputChanged { path: path() }),
                &["/usr/include/stdio.h", "zip/src/a.c", "zip/zip.h"],
                &[],
            ),
            known(Outlook::Fresh, &["zip/src/b.c"], &[]),
            known(
                Outlook::Depends(RebuildReason::InputRebuilt { path: "a.o".into() }),
                &["target/release/.tender/zip/a.o"],
                &[fixture::ZIP_A],
            ),
            known(Outlook::Fresh, &["app/src/main.c"], &[]),
            known(
                Outlook::Depends(RebuildReason::InputRebuilt { path: made() }),
                &["target/release/libzip.a"],
                &[fixture::ZIP_ARCHIVE],
            ),
        ];
        let crates = Crates::new(&fixture::workspace());
        let explanation = Explanation { graph: &graph, crates: &crates, items: &items, all: false };
        assert_eq!(explanation.text(subject), expect);
        let messages = explanation.messages("x", subject);
        assert_eq!(messages[0]["reason"], "explanation");
        assert!(messages[1..].iter().all(|message| message["reason"] == "unit-explained"));
    }

    #[test]
    fn explanation_of_a_unit_has_its_reason_command_and_files() {
        check(
            &Subject::Items(vec![fixture::ZIP_A]),
            "zip/src/a.c: source of crate zip\n  \
               next build   runs, because the file zip/zip.h has changed\n  \
               command      clang -O2 '-DNAME=\"a b\"' -c zip/src/a.c -o target/release/.tender/zip/a.o\n  \
               writes       target/release/.tender/zip/a.o\n  \
               reads        zip/src/a.c\n               \
                            zip/zip.h\n               \
                            1 files and directories outside of the workspace\n  \
               leads to     libzip.a, app\n",
        );
    }

    #[test]
    fn explanation_of_a_crate_lists_what_is_not_up_to_date() {
        check(
            &Subject::Crate {
                name: "zip".into(),
                items: vec![fixture::ZIP_A, fixture::ZIP_B, fixture::ZIP_ARCHIVE],
            },
            "crate zip: 3 units by the profile `release`, 2 not up to date\n  \
               next build   zip/src/a.c: runs, because the file zip/zip.h has changed\n               \
                            libzip.a: runs only if a content changes: a.o is rebuilt\n  \
               leads to     app\n",
        );
    }

    #[test]
    fn explanation_of_a_file_lists_what_reads_it() {
        check(
            &Subject::File { path: "zip/zip.h".into(), readers: vec![fixture::ZIP_A] },
            "zip/zip.h: read by 1 unit\n  \
               read by      zip/src/a.c of zip: runs, because the file zip/zip.h has changed\n  \
               leads to     libzip.a, app\n",
        );
        check(
            &Subject::File { path: "README".into(), readers: vec![] },
            "README: no unit of the profile `release` reads it\n",
        );
    }
}
