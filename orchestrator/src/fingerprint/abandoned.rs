//! What no item makes any more, because its source or its target is gone: it would look current. A
//! unit would still find a header, a glob of sources a source, a user a program.

use super::files::Content;
use super::fingerprints::{Fingerprints, StateError};
use super::store::VersionId;
use crate::graph::{Graph, ItemKind, host_bin_dir, seen_from};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{HashMap, HashSet};
use std::io;

impl Fingerprints {
    /// Removes what commands have made and make no more: outputs that a command does not declare any
    /// more, and those that a table of `for-each` had for files that it no longer has. A file that
    /// was changed since, or that another item writes, is kept; so is what a table has made that is
    /// itself gone. To be called before anything is built. Returns what was removed, relative to the
    /// root or absolute.
    ///
    /// # Errors
    /// A file cannot be removed, or the state cannot be written.
    pub fn remove_abandoned(&mut self, graph: &Graph) -> Result<HashSet<Utf8PathBuf>, StateError> {
        let commands = graph.items.iter().filter(|item| item.kind == ItemKind::Generate);
        let commands: HashMap<&str, &[Utf8PathBuf]> =
            commands.map(|item| (item.key.as_str(), &item.outputs[..])).collect();
        if commands.is_empty() {
            return Ok(HashSet::new());
        }
        let tables: HashSet<&str> = commands.keys().filter_map(|key| table_of(key)).collect();
        let names = &self.store.tables;
        let mut abandoned = Vec::new();
        for entry in self.store.entries.iter().filter(|entry| !entry.started) {
            let key = names.text(entry.key);
            let Some(unit) = &entry.unit else { continue };
            let mut outputs = unit.outputs.clone();
            match commands.get(key) {
                Some(declared) => outputs.retain(|version| {
                    let path = names.text(names.path(*version));
                    !declared.iter().any(|declared| declared == path)
                }),
                None if table_of(key).is_some_and(|table| tables.contains(table)) => {}
                None => continue,
            }
            if !outputs.is_empty() {
                abandoned.push((key.to_owned(), outputs));
            }
        }
        self.remove_outputs(graph, abandoned)
    }

    /// Removes the programs and libraries that earlier builds have made of targets which the
    /// workspace no longer has, or of which it makes other files. `keys` returns those of its
    /// targets (`graph::target_keys`), `all_keys` those of all that it can have, whatever the
    /// features; None: nothing is removed. Each is asked only where there may be something to
    /// remove. To be called before anything is built.
    ///
    /// A target directory outside of the workspace may be that of others too, so that nothing is
    /// removed there.
    ///
    /// # Errors
    /// A file cannot be removed, or the state cannot be written.
    pub fn remove_gone_targets(
        &mut self,
        graph: &Graph,
        keys: impl FnOnce() -> HashSet<String>,
        all_keys: impl FnOnce() -> Option<HashSet<String>>,
    ) -> Result<(), StateError> {
        if !graph.out_dir.starts_with(&graph.root) {
            return Ok(());
        }
        let relative = |dir: &Utf8Path| seen_from(&graph.root, dir);
        let (outputs, state) = (relative(&graph.out_dir), relative(&graph.state_dir));
        let of_host = relative(&host_bin_dir(&graph.state_dir));
        let known: HashMap<&str, &[Utf8PathBuf]> = graph
            .items
            .iter()
            .chain(&graph.unbuilt_archives)
            .filter(|item| !item.kind.is_unit())
            .map(|item| (item.key.as_str(), &item.outputs[..]))
            .collect();
        let tables = &self.store.tables;
        let is_target = |version: &VersionId| {
            let path = Utf8Path::new(tables.text(tables.path(*version)));
            path.starts_with(&outputs) && (!path.starts_with(&state) || path.starts_with(&of_host))
        };
        let (mut gone, mut changed) = (Vec::new(), Vec::new());
        for entry in self.store.entries.iter().filter(|entry| !entry.started) {
            let key = tables.text(entry.key);
            let Some(unit) = &entry.unit else { continue };
            if !unit.outputs.iter().any(is_target) {
                continue;
            }
            let made = |version: &VersionId, outputs: &[Utf8PathBuf]| {
                outputs.iter().any(|path| path == tables.text(tables.path(*version)))
            };
            match known.get(key) {
                None => gone.push((key.to_owned(), unit.outputs.clone())),
                Some(now) if unit.outputs.iter().all(|version| made(version, now)) => {}
                Some(_) => changed.push((key.to_owned(), unit.outputs.clone())),
            }
        }
        if !gone.is_empty() {
            let keys = keys();
            gone.retain(|(key, _)| !keys.contains(key));
        }
        if !gone.is_empty() {
            let keys = all_keys();
            gone.retain(|(key, _)| keys.as_ref().is_some_and(|keys| !keys.contains(key)));
        }
        gone.extend(changed);
        self.remove_outputs(graph, gone).map(drop)
    }

    /// Removes outputs of records that are not used again. A file that was changed since, or that
    /// another item writes, is kept.
    fn remove_outputs(
        &mut self,
        graph: &Graph,
        abandoned: Vec<(String, Vec<VersionId>)>,
    ) -> Result<HashSet<Utf8PathBuf>, StateError> {
        let mut removed = HashSet::new();
        if abandoned.is_empty() {
            return Ok(removed);
        }
        let written: HashSet<&Utf8Path> =
            graph.items.iter().flat_map(|item| &item.outputs).map(|path| &**path).collect();
        for (key, outputs) in abandoned {
            // As before an attempt: the record is not used again.
            self.store.start(&key).map_err(|source| self.write_error(source))?;
            // Before one is removed, as one may be a link to another.
            let mut ours = Vec::new();
            for version in outputs {
                let tables = &mut self.store.tables;
                let path = tables.path(version);
                let name = Utf8PathBuf::from(tables.text(path));
                if !written.contains(&*name)
                    && self.files.content(tables, path) == Content::Is(version)
                {
                    ours.push(name);
                }
            }
            for name in ours {
                let path = graph.root.join(&name);
                match std::fs::remove_file(&path) {
                    Err(source) if source.kind() != io::ErrorKind::NotFound => {
                        return Err(StateError::Remove { path, source });
                    }
                    _ => drop(removed.insert(name)),
                }
            }
        }
        self.files.forget();
        Ok(removed)
    }
}

/// The part of a command's key that is the same for all files of its table; none for a command
/// without `for-each`.
fn table_of(key: &str) -> Option<&str> {
    let kinds = [" generate ", " rule "];
    let found = kinds.into_iter().filter_map(|kind| Some((key.find(kind)?, kind.len())));
    let (at, length) = found.min()?;
    let start = at + length;
    let (table, _) = key[start..].split_once(' ')?;
    Some(&key[..start + table.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_a_command_names_its_table() {
        let check = |key: &str, expect| assert_eq!(table_of(key), expect, "{key}");
        check("app generate 0 in/a.in", Some("app generate 0"));
        check("app generate [moc] src/a b.h", Some("app generate [moc]"));
        check("app host generate 1 in/a.in", Some("app host generate 1"));
        check("app rule [re2c] src/a.re", Some("app rule [re2c]"));
        check("app rule 0 src/a generate b.re", Some("app rule 0"));
        check("app generate 0", None);
        check("app generate [moc]", None);
        check("app lib src/a.c", None);
    }
}
