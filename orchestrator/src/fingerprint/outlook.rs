//! What the next build would do with each item, as far as that is known before anything is built.
//! Writes nothing.

use super::files::path_of;
use super::fingerprints::{Fingerprints, Freshness};
use super::reason::RebuildReason;
use super::store::TextId;
use crate::graph::{Graph, Item};
use crate::keys::ItemId;
use crate::sys::looks;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Files whose readers are looked for. More change at once when another version is checked out: then
/// every item is judged anyway.
const MOST_FILES: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    Fresh,
    /// It runs.
    Runs(RebuildReason),
    /// It runs if what it reads is other than before, which is made anew: the first such file.
    Depends(RebuildReason),
}

/// What is known of an item.
#[derive(Clone, Debug)]
pub struct ItemOutlook {
    pub outlook: Outlook,
    /// The files that it read when it last ran and that it will read, without programs and
    /// directories, relative to the root or absolute; sorted.
    pub inputs: Vec<String>,
    /// The items whose outputs it reads.
    pub reads: Vec<ItemId>,
}

impl Fingerprints {
    /// For every item, in the order of the graph.
    pub fn outlook(&mut self, graph: &Graph) -> Vec<ItemOutlook> {
        let mut all: Vec<ItemOutlook> = Vec::with_capacity(graph.items.len());
        let writers = writers(graph);
        for (id, item) in graph.indexed() {
            let inputs = self.known_inputs(item);
            let mut reads: Vec<ItemId> =
                inputs.iter().filter_map(|path| writers.get(path.as_str()).copied()).collect();
            // It comes before all that read it; another is of an earlier build.
            reads.retain(|before| before.0 < id.0);
            reads.sort_unstable();
            reads.dedup();
            let outlook = match self.check(graph, id) {
                Freshness::Dirty(reason) => Outlook::Runs(reason),
                Freshness::Fresh => {
                    let made_anew = |before: &&ItemId| {
                        let before = &all[before.0 as usize];
                        before.outlook != Outlook::Fresh
                    };
                    match reads.iter().find(made_anew) {
                        None => Outlook::Fresh,
                        Some(before) => Outlook::Depends(RebuildReason::InputRebuilt {
                            path: graph[*before].outputs[0].to_string(),
                        }),
                    }
                }
            };
            all.push(ItemOutlook { outlook, inputs, reads });
        }
        all
    }

    /// The files that it read when it last ran and that it will read, without programs and
    /// directories, relative to the root or absolute; sorted.
    pub fn known_inputs(&self, item: &Item) -> Vec<String> {
        let mut inputs: Vec<String> = item.inputs.iter().map(Utf8PathBuf::to_string).collect();
        let entry = self.store.find(&item.key).map(|entry| &self.store.entries[entry]);
        if let Some(unit) = entry.and_then(|entry| entry.unit.as_ref()) {
            let tables = &self.store.tables;
            let names = unit.inputs.iter().map(|version| tables.text(tables.path(*version)));
            let files = names.filter(|name| path_of(name) == *name && !name.ends_with('/'));
            inputs.extend(files.map(str::to_owned));
        }
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }

    /// As `known_inputs`, of all items.
    pub fn all_known_inputs(&self, graph: &Graph) -> BTreeSet<String> {
        let mut known: HashSet<TextId> = HashSet::new();
        for item in &graph.items {
            let entry = self.store.find(&item.key).map(|entry| &self.store.entries[entry]);
            let unit = entry.and_then(|entry| entry.unit.as_ref());
            let inputs = unit.into_iter().flat_map(|unit| &unit.inputs);
            known.extend(inputs.map(|version| self.store.tables.path(*version)));
        }
        let names = known.iter().map(|id| self.store.tables.text(*id));
        let files = names.filter(|name| path_of(name) == *name && !name.ends_with('/'));
        let declared = graph.items.iter().flat_map(|item| &item.inputs);
        files.map(str::to_owned).chain(declared.map(Utf8PathBuf::to_string)).collect()
    }

    /// The items that read one of these files when they last ran. The files are absolute, and have no
    /// symbolic links in their paths. None, if there are too many to be worth it.
    pub fn readers_of(&self, graph: &Graph, files: &BTreeSet<Utf8PathBuf>) -> HashSet<ItemId> {
        if files.is_empty() || files.len() > MOST_FILES {
            return HashSet::new();
        }
        let tables = &self.store.tables;
        let is_one = |text: &str| {
            let path = Utf8Path::new(text);
            let has_name = files.iter().any(|file| file.file_name() == path.file_name());
            let real = || looks::canonicalize(graph.root.join(path).as_std_path()).ok();
            let real = || Utf8PathBuf::from_path_buf(real()?).ok();
            has_name && real().is_some_and(|real| files.contains(&real))
        };
        let is_one = |id: &TextId| is_one(path_of(tables.text(*id)));
        let ids: HashSet<TextId> = (0..tables.texts() as TextId).filter(is_one).collect();
        let reads = |item: &Item| {
            let entry = self.store.find(&item.key).map(|entry| &self.store.entries[entry]);
            let unit = entry.and_then(|entry| entry.unit.as_ref());
            unit.is_some_and(|unit| {
                unit.inputs.iter().any(|version| ids.contains(&tables.path(*version)))
            })
        };
        match ids.is_empty() {
            true => HashSet::new(),
            false => graph.indexed().filter(|(_, item)| reads(item)).map(|(id, _)| id).collect(),
        }
    }
}

/// The item that writes each file.
fn writers(graph: &Graph) -> HashMap<&str, ItemId> {
    let outputs = |(id, item)| {
        let item: &Item = item;
        item.outputs.iter().map(move |path| (path.as_str(), id))
    };
    graph.indexed().flat_map(outputs).collect()
}
