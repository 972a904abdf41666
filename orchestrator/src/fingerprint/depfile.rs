//! What a `[[generate]]` command says that it has read, in its depfile. Knows nothing of how the
//! file is written (see `tender_protocol::depfile`).

use super::files::Content;
use super::fingerprints::{Fingerprints, StateError, UNKNOWN};
use crate::graph::{Command, Graph, Item, seen_from};
use crate::keys::ItemId;
use crate::manifest::resolve;
use camino::Utf8Path;
use std::collections::HashSet;
use tender_protocol::depfile::prerequisites;

impl Fingerprints {
    /// Fills in the items that write files, once.
    pub(super) fn know_writers(&mut self, graph: &Graph) {
        if self.writers.is_empty() {
            let outputs = |(ix, item): (ItemId, &Item)| {
                item.outputs.iter().map(move |output| (output.clone(), ix)).collect::<Vec<_>>()
            };
            self.writers = graph.indexed().flat_map(outputs).collect();
        }
    }

    /// Adds the files that the depfile of a command names to those that it has read. It began at
    /// `began_ns`, nanoseconds since the epoch. Returns the paths that lead to nothing.
    ///
    /// Not added are its own outputs, and files in OUT_DIR that no item writes: these belong to the
    /// command.
    ///
    /// # Errors
    /// The file cannot be read, or names an output of an item that need not come before.
    pub(super) fn learn_depfile(
        &mut self,
        graph: &Graph,
        ix: ItemId,
        command: &Command,
        began_ns: i64,
    ) -> Result<Vec<String>, StateError> {
        let Some(depfile) = &command.depfile else { return Ok(Vec::new()) };
        let item = &graph[ix];
        let useless = |what| StateError::Depfile { command: item.label.clone(), what };
        let text = std::fs::read_to_string(graph.root.join(depfile)).map_err(|error| {
            useless(match error.kind() {
                std::io::ErrorKind::NotFound => format!("did not make `{depfile}`, its `depfile`"),
                _ => format!("its `depfile` `{depfile}` cannot be read: {error}"),
            })
        })?;
        let named = prerequisites(&text).map_err(|error| {
            useless(format!(
                "its `depfile` `{depfile}` is no list of rules as make has them: {error}"
            ))
        })?;
        self.know_writers(graph);
        let mut before = None;
        let mut missing = Vec::new();
        for path in named {
            let path = seen_from(&graph.root, &resolve(&command.dir, &path));
            match self.writers.get(&path) {
                Some(writer) if *writer == ix => continue,
                Some(writer)
                    if !before.get_or_insert_with(|| all_before(graph, ix)).contains(writer) =>
                {
                    let other = &graph[*writer].label;
                    return Err(useless(format!(
                        "its `depfile` names `{path}`, which `{other}` makes: name it in `inputs`, so that it is made before"
                    )));
                }
                Some(_) => {}
                None if is_own(graph, command, depfile, &path) => continue,
                None => {}
            }
            let tables = &mut self.store.tables;
            let id = tables.intern(path.as_str());
            let version = match self.files.content(tables, id) {
                Content::Absent => {
                    missing.push(path.into_string());
                    continue;
                }
                Content::Unreadable => tables.version(id, UNKNOWN),
                Content::Is(version) => {
                    // One that was changed since may not be what the command has read.
                    let seen = tables.observed(id).filter(|seen| seen.version == version);
                    let made_here = self.writers.contains_key(&path);
                    let is_later = seen.is_none_or(|seen| seen.stamp.ctime_ns > began_ns);
                    if is_later && !made_here { tables.version(id, UNKNOWN) } else { version }
                }
            };
            self.begun.entry(ix).or_default().push(version);
        }
        Ok(missing)
    }
}

/// A file that no item writes belongs to the command if it lies in OUT_DIR.
fn is_own(graph: &Graph, command: &Command, depfile: &Utf8Path, path: &Utf8Path) -> bool {
    let out_dir = command.env.iter().find(|(name, _)| name == "OUT_DIR");
    path == depfile || out_dir.is_some_and(|(_, dir)| graph.root.join(path).starts_with(dir))
}

/// The items that are up to date before an item runs.
fn all_before(graph: &Graph, ix: ItemId) -> HashSet<ItemId> {
    let mut found = HashSet::new();
    let mut left = graph[ix].after.clone();
    while let Some(next) = left.pop() {
        if found.insert(next) {
            left.extend(&graph[next].after);
        }
    }
    found
}
