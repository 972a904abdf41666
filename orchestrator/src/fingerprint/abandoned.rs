//! What no item makes any more, because its source or its target is gone: it would look current. A
//! unit would still find a header, a glob of sources a source, a user a program.

use super::files::Content;
use super::fingerprints::{Fingerprints, StateError};
use super::store::VersionId;
use crate::graph::{Graph, Item, ItemKind, host_bin_dir, seen_from};
use camino::{Utf8Path, Utf8PathBuf};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::io;

impl Fingerprints {
    /// Removes what commands have made and make no more: outputs that a command does not declare any
    /// more, those that a table of `for-each` had for files that it no longer has, and those that a
    /// command or a `[[config]]` has written to OUT_DIR which is itself gone, of a crate that is built.
    /// A file that was changed since, or that another item writes, is kept; so is what a table has
    /// written beside the sources that is itself gone, because a clean build would find it too. To be
    /// called before anything is built. Returns what was removed, relative to the root or absolute.
    ///
    /// # Errors
    /// A file cannot be removed, or the state cannot be written.
    pub fn remove_abandoned(&mut self, graph: &Graph) -> Result<HashSet<Utf8PathBuf>, StateError> {
        let commands = graph
            .items
            .iter()
            .filter(|item| matches!(item.kind, ItemKind::Generate | ItemKind::Configure));
        let commands: HashMap<&str, &[Utf8PathBuf]> =
            commands.map(|item| (item.key.as_str(), &item.outputs[..])).collect();
        let tables: HashSet<&str> =
            commands.keys().filter_map(|key| Some(CommandKey::of(key)?.table)).collect();
        let state = seen_from(&graph.root, &graph.state_dir);
        let is_built = OnceCell::new();
        let is_built = |owner: &str| {
            let owner_of = |item: &Item| match item.host {
                true => format!("{} host", item.krate_name),
                false => item.krate_name.clone(),
            };
            let all = || graph.items.iter().map(owner_of).collect::<HashSet<String>>();
            is_built.get_or_init(all).contains(owner)
        };
        let names = &self.store.tables;
        let mut abandoned = Vec::new();
        for entry in self.store.entries.iter().filter(|entry| !entry.started) {
            let text = names.text(entry.key);
            let Some(key) = CommandKey::of(text) else { continue };
            let Some(unit) = &entry.unit else { continue };
            let path = |version: &VersionId| Utf8Path::new(names.text(names.path(*version)));
            let mut outputs = unit.outputs.clone();
            match commands.get(text) {
                Some(declared) => outputs
                    .retain(|version| !declared.iter().any(|declared| declared == path(version))),
                None if tables.contains(key.table) => {}
                None if is_built(key.owner) => {
                    outputs.retain(|version| path(version).starts_with(&state));
                }
                None => continue,
            }
            if !outputs.is_empty() {
                abandoned.push((text.to_owned(), outputs));
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

/// The parts of the key of a command or of a `[[config]]`.
#[derive(Debug, PartialEq, Eq)]
struct CommandKey<'a> {
    /// The crate, with `host` if it is built for the build.
    owner: &'a str,
    /// The table: what is the same for all of its files, if it has `for-each`.
    table: &'a str,
}

impl CommandKey<'_> {
    /// None for other items.
    fn of(key: &str) -> Option<CommandKey<'_>> {
        // A name of a crate has no space, but that of a file may.
        let (krate, rest) = key.split_once(' ')?;
        let of_host = rest.strip_prefix("host ");
        let what = of_host.unwrap_or(rest);
        let kinds = ["generate ", "rule ", "config "];
        let names = kinds.into_iter().find_map(|kind| what.strip_prefix(kind))?;
        let number = names.split(' ').next().unwrap_or(names);
        let owner_length = krate.len() + if of_host.is_some() { " host".len() } else { 0 };
        let table_length = key.len() - names.len() + number.len();
        Some(CommandKey { owner: &key[..owner_length], table: &key[..table_length] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_a_command_names_its_crate_and_its_table() {
        let check = |key: &str, owner, table| {
            assert_eq!(CommandKey::of(key), Some(CommandKey { owner, table }), "{key}");
        };
        check("app generate 0 in/a.in", "app", "app generate 0");
        check("app generate [moc] src/a b.h", "app", "app generate [moc]");
        check("app host generate 1 in/a.in", "app host", "app host generate 1");
        check("app rule [re2c] src/a.re", "app", "app rule [re2c]");
        check("app rule 0 src/a generate b.re", "app", "app rule 0");
        check("app generate 0", "app", "app generate 0");
        check("app host generate [moc]", "app host", "app host generate [moc]");
        check("generate generate 0 a", "generate", "generate generate 0");
        check("app config config.h", "app", "app config config.h");
        for key in
            ["app lib src/a.c", "app lib src/generate 0.c", "app archive", "app bin generate"]
        {
            assert_eq!(CommandKey::of(key), None, "{key}");
        }
    }
}
