//! Sources that an earlier build compiled for a program, and that would now become part of a
//! library because no target names them. What is built never depends on that: it is an error.

use super::fingerprints::{Fingerprints, StateError};
use crate::graph::{Graph, ItemKind};
use crate::manifest::{Crate, CrateId, Lib, Workspace, resolve};
use crate::sys::looks;
use std::collections::HashSet;

/// Such a source.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MovedSource {
    pub krate: CrateId,
    /// Its name in the crate.
    pub source: String,
    pub program: String,
}

impl Fingerprints {
    /// The first such source in the crates of this graph. A source that a library has had since, or
    /// whose object is gone, is none.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn moved_source(
        &mut self,
        workspace: &Workspace,
        graph: &Graph,
    ) -> Result<Option<MovedSource>, StateError> {
        let finds = |krate: &Crate| krate.libs.iter().any(|lib| lib.found);
        let items = graph.items.iter().filter(|item| !item.host);
        let built: HashSet<CrateId> = items.map(|item| item.krate).collect();
        let built: HashSet<CrateId> =
            built.into_iter().filter(|id| finds(&workspace[*id])).collect();
        if built.is_empty() {
            return Ok(None);
        }
        self.forget_library_units(workspace, graph, &built)?;
        let mut first: Option<MovedSource> = None;
        for entry in &self.store.entries {
            let key = self.store.tables.text(entry.key);
            let (Some(unit), Some((krate, rest))) = (&entry.unit, key.split_once(" bin ")) else {
                continue;
            };
            let Some(id) = workspace.crate_named(krate).filter(|id| built.contains(id)) else {
                continue;
            };
            // Names of programs may have spaces.
            let moved = rest.match_indices(' ').find_map(|(space, _)| {
                let (program, source) = (&rest[..space], &rest[space + 1..]);
                let key = unit_key(&workspace[id], source)?;
                let is_known = self.store.find(&key).is_some_and(|entry| {
                    let entry = &self.store.entries[entry];
                    entry.unit.is_some() && !entry.started
                });
                let (program, source) = (program.to_owned(), source.to_owned());
                (!is_known).then_some(MovedSource { krate: id, source, program })
            });
            let tables = &self.store.tables;
            let is_there = || {
                let path = |version: &u32| graph.root.join(tables.text(tables.path(*version)));
                !entry.started && unit.outputs.iter().all(|output| looks::exists(path(output)))
            };
            if let Some(moved) = moved.filter(|_| is_there())
                && first.as_ref().is_none_or(|first| moved < *first)
            {
                first = Some(moved);
            }
        }
        Ok(first)
    }

    /// Marks records of units of a library whose sources are a program's in this graph: if a later
    /// manifest drops them there, the library has not had them.
    fn forget_library_units(
        &mut self,
        workspace: &Workspace,
        graph: &Graph,
        crates: &HashSet<CrateId>,
    ) -> Result<(), StateError> {
        let of_programs = graph.items.iter().filter(|item| {
            item.kind == ItemKind::Compile && !item.host && crates.contains(&item.krate)
        });
        for item in of_programs {
            let krate = &workspace[item.krate];
            let Some(rest) = item.key[krate.name.len()..].strip_prefix(" bin ") else { continue };
            for (space, _) in rest.match_indices(' ') {
                for lib in krate.libs.iter().filter(|lib| lib.found) {
                    let source = &rest[space + 1..];
                    let key = format!("{} {} {source}", krate.name, lib.target_name("lib"));
                    let known = self.store.find(&key).map(|entry| &self.store.entries[entry]);
                    if known.is_some_and(|entry| !entry.started)
                        && unit_key(krate, source).is_none()
                    {
                        self.store.start(&key).map_err(|source| self.write_error(source))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The key of a source as a unit of a library that has found it.
fn unit_key(krate: &Crate, source: &str) -> Option<String> {
    let path = resolve(&krate.dir, source);
    let has = |lib: &&Lib| lib.found && lib.sources.files.binary_search(&path).is_ok();
    let lib = krate.libs.iter().find(has)?;
    Some(format!("{} {} {source}", krate.name, lib.target_name("lib")))
}
