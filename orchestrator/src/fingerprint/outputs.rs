//! Outputs of links and archives beside the file that the worker writes: links to a shared library,
//! and what the same item has written under other names before. Knows no commands.

use super::files::Content;
use super::fingerprints::{Fingerprints, StateError};
use super::store::VersionId;
use crate::graph::{Graph, Item, ItemKind};
use crate::keys::ItemId;
use camino::{Utf8Path, Utf8PathBuf};
use std::io;
use tender_protocol::OutputFile;

impl Fingerprints {
    /// Makes the links to a shared library that its worker has written, where they are not there,
    /// and returns them as outputs. None of other items.
    ///
    /// # Errors
    /// A link cannot be made.
    pub(super) fn link_outputs(
        &mut self,
        graph: &Graph,
        item: &Item,
        written: &[OutputFile],
    ) -> Result<Vec<OutputFile>, StateError> {
        let (ItemKind::Shared, [library]) = (item.kind, written) else { return Ok(Vec::new()) };
        let Some(name) = Utf8Path::new(&library.path).file_name() else { return Ok(Vec::new()) };
        let mut links = Vec::new();
        for path in item.outputs.iter().skip(1) {
            let link = graph.root.join(path);
            make_link(&link, name).map_err(|source| StateError::Link { path: link, source })?;
            // Its stamp and content are those of the library.
            links.push(OutputFile { path: path.to_string(), ..library.clone() });
        }
        Ok(links)
    }

    /// Removes what an item has written before under names that it no longer writes: they are in
    /// its record. What something else has changed since is kept, and what another item writes. To
    /// be called before the item's new record is written.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub(super) fn remove_replaced(&mut self, graph: &Graph, ix: ItemId) -> Result<(), StateError> {
        let item = &graph[ix];
        if !matches!(item.kind, ItemKind::Archive | ItemKind::Shared | ItemKind::Program) {
            return Ok(());
        }
        let unit = self.store.find(&item.key).and_then(|entry| {
            self.store.entries[entry].unit.as_ref().map(|unit| unit.outputs.clone())
        });
        let before = unit.unwrap_or_default();
        let path = |version: &VersionId| {
            let tables = &self.store.tables;
            Utf8PathBuf::from(tables.text(tables.path(*version)))
        };
        let paths: Vec<Utf8PathBuf> = before.iter().map(path).collect();
        let is_replaced = |path: &Utf8PathBuf| !item.outputs.contains(path);
        if !paths.iter().any(is_replaced) {
            return Ok(());
        }
        self.know_writers(graph);
        for (path, version) in paths.iter().zip(&before) {
            if !is_replaced(path) || self.writers.contains_key(path) {
                continue;
            }
            let file = graph.root.join(path);
            let is_own_link = std::fs::read_link(&file).is_ok_and(|to| {
                paths.iter().any(|one| one.file_name().is_some_and(|name| to.as_os_str() == name))
            });
            let tables = &mut self.store.tables;
            let id = tables.path(*version);
            if !is_own_link && self.files.content(tables, id) != Content::Is(*version) {
                continue;
            }
            match std::fs::remove_file(&file) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(StateError::Remove { path: file, source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// # Errors
/// The link cannot be made, for instance because a directory has its name.
fn make_link(path: &Utf8Path, target: &str) -> io::Result<()> {
    if std::fs::read_link(path).is_ok_and(|to| to.as_os_str() == target) {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default();
    let new = path.with_file_name(format!(".{name}.part"));
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, &new)?;
    std::fs::rename(&new, path).inspect_err(|_| drop(std::fs::remove_file(&new)))
}
