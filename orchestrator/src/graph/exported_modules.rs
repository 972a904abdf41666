//! Which modules of a library users of it need, when it is installed.

use super::GraphError;
use super::build::Builder;
use super::instance::{BuiltFor, Instance};
use super::model::ExportedModule;
use super::module_names::{ModuleId, ScopeId};
use crate::manifest::CrateId;
use std::collections::BTreeSet;
use tender_protocol::ModuleName;

impl Builder<'_> {
    /// Adds those of a library of a crate to the graph, by its place.
    ///
    /// # Errors
    /// An interface imports what is not there.
    pub(super) fn export_modules(
        &mut self,
        of: &Instance<'_>,
        lib: usize,
        scope: ScopeId,
    ) -> Result<(), GraphError> {
        let names = &self.modules.names;
        if of.built_for != BuiltFor::Users {
            return Ok(());
        }
        let own = &self.modules.of_targets[&((of.id, of.built_for), lib)];
        let chosen = of.krate.libs[lib].modules.as_ref();
        let is_public = |id: &ModuleId| {
            let name = &names.of(*id).at.name;
            !name.contains(':') && chosen.is_none_or(|chosen| chosen.contains(name))
        };
        let public: Vec<ModuleName> =
            own.iter().filter(|id| is_public(id)).map(|id| names.of(*id).at.clone()).collect();
        let reached = names.reached(scope, &public)?;
        let mut exported = Vec::new();
        for id in reached.iter().filter(|id| own.contains(id)) {
            let module = names.of(*id);
            let unit = &self.modules.interfaces[id.0].unit;
            let leads_to = names.reached(module.scope, &module.requires)?;
            let others = leads_to.iter().filter(|other| !own.contains(other));
            let needs: BTreeSet<(CrateId, usize)> =
                others.filter_map(|other| self.library_of(of, *other)).collect();
            exported.push(ExportedModule {
                krate: of.id,
                lib,
                name: module.at.name.clone(),
                source: unit.path.clone(),
                source_name: unit.name.clone(),
                definitions: definitions(&unit.args),
                is_public: is_public(id),
                needs: needs.into_iter().collect(),
            });
        }
        exported.sort_by(|a, b| a.name.cmp(&b.name));
        self.graph.modules.extend(exported);
        Ok(())
    }

    /// The library of the workspace that declares a module for users.
    fn library_of(&self, of: &Instance<'_>, id: ModuleId) -> Option<(CrateId, usize)> {
        let mut libraries: Vec<(CrateId, usize)> = (self.modules.of_targets.iter())
            .filter(|(((_, built_for), _), ids)| *built_for == of.built_for && ids.contains(&id))
            .map(|(((krate, _), lib), _)| (*krate, *lib))
            .collect();
        libraries.sort();
        libraries.into_iter().next()
    }
}

/// Of the words of a unit those that define macros. The macro may be the next word.
fn definitions(args: &[String]) -> Vec<String> {
    let mut words = args.iter();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        if word == "-D" || word == "-U" {
            found.extend(words.next().map(|name| format!("{word}{name}")));
        } else if word.starts_with("-D") || word.starts_with("-U") {
            found.push(word.clone());
        }
    }
    found
}
