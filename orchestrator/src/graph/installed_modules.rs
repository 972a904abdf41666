//! The named modules of installed libraries, which pkg-config finds: their interfaces are scanned, and
//! made into module files for importers, as those of the workspace. They have no objects: these are in
//! the library.
//!
//! What an interface imports does not depend on the mode of its importers, or it would be no interface
//! for others. So each library is scanned once, in the mode of the first target that sees it.

use super::GraphError;
use super::build::{Builder, system_cflags};
use super::cxx_modules::{Interface, ItemCrate, mode_of};
use super::instance::Instance;
use super::model::{Ingredients, ItemKind};
use super::module_names::{DeclaredModule, ModuleError, ModuleId, ModuleOrigin, ScopeId};
use super::order::seen_libs;
use super::units::CxxUnit;
use super::{InstalledLibrary, InstalledModule};
use crate::manifest::Crate;
use camino::Utf8PathBuf;
use std::collections::HashMap;
use tender_protocol::{ModuleScan, Work};

/// A library, by the file that names its modules, and whether it is one for the build itself.
type LibraryKey = (Utf8PathBuf, bool);

#[derive(Default)]
pub(super) struct InstalledModules {
    /// The keys of the scans of their interfaces, in the order of the file.
    scans: HashMap<LibraryKey, Vec<String>>,
    /// The modules of each that others can import.
    public: HashMap<LibraryKey, Vec<ModuleId>>,
}

impl Builder<'_> {
    /// The installed libraries with modules that a target of a crate sees, by the number of the target.
    ///
    /// # Errors
    /// [`GraphError::PkgConfig`], or [`ModuleError::Installed`].
    pub(super) fn installed_libraries(
        &mut self,
        of: &Instance<'_>,
        target: usize,
    ) -> Result<Vec<InstalledLibrary>, GraphError> {
        let mut libraries: Vec<InstalledLibrary> = Vec::new();
        for package in self.packages_of(of, target) {
            // It says which crate needs a package that is missing.
            self.pkg_config(of, &package)?;
            let found = self.request.surroundings.library_modules(&package, of.is_host());
            let found = found.map_err(|message| ModuleError::Installed {
                message,
                krate: of.krate.name.clone(),
                package: package.clone(),
            })?;
            for library in found {
                if libraries.iter().all(|known| known.file != library.file) {
                    libraries.push(library);
                }
            }
        }
        Ok(libraries)
    }

    /// The packages of pkg-config whose headers a target sees.
    pub(super) fn packages_of(&self, of: &Instance<'_>, target: usize) -> Vec<String> {
        let Crate { libs, bins, .. } = of.krate;
        let place = Some(target).filter(|place| *place < libs.len());
        let own = match place {
            Some(place) => &libs[place].settings,
            None => &bins[target - libs.len()].settings,
        };
        let mut packages = own.pkg_config.clone();
        let shown = seen_libs(of.krate, place).into_iter().map(|lib| &libs[lib]);
        packages.extend(shown.flat_map(|lib| lib.settings.pkg_config.iter().cloned()));
        let built_for = of.built_for.of_dependencies();
        for seen in &self.visible[&(of.id, of.built_for)] {
            let krate = built_for.krate(self.workspace, seen.krate);
            let libs = seen.libs.iter().map(|lib| &krate.libs[*lib]);
            packages.extend(libs.flat_map(|lib| lib.settings.pkg_config.iter().cloned()));
        }
        let mut known: Vec<String> = Vec::new();
        packages.retain(|package| {
            let is_new = !known.contains(package);
            known.extend(is_new.then(|| package.clone()));
            is_new
        });
        packages
    }

    /// Adds the scans of a library's interfaces where no other target has. Whether their results are
    /// there.
    pub(super) fn scan_installed(
        &mut self,
        of: &Instance<'_>,
        library: &InstalledLibrary,
        mode: &[String],
    ) -> Result<bool, GraphError> {
        let key = (library.file.clone(), of.is_host());
        if !self.modules.installed.scans.contains_key(&key) {
            let mut keys = Vec::new();
            for module in &library.modules {
                let mut unit = unit_of(library, module);
                unit.args.extend_from_slice(mode);
                unit.ingredients.own = unit.args.clone();
                keys.push(self.installed_scan(of, library, &unit, mode)?);
            }
            self.modules.installed.scans.insert(key.clone(), keys);
        }
        let keys = &self.modules.installed.scans[&key];
        Ok(keys.iter().all(|key| self.request.scans.contains_key(key)))
    }

    fn installed_scan(
        &mut self,
        of: &Instance<'_>,
        library: &InstalledLibrary,
        unit: &CxxUnit,
        mode: &[String],
    ) -> Result<String, GraphError> {
        let place = place_of(library, of.is_host());
        let hash = short_hash(&mode.join("\0"));
        let directory = self.path_for_commands(&self.side(of.built_for).crates_dir);
        let directory = directory.join(".installed").join(&place).join("scan").join(&hash);
        let output = directory.join(format!("{}.json", unit.name.replace(':', "-")));
        let work = Work::Scan {
            source: unit.seen.to_string(),
            args: unit.args.clone(),
            output: output.to_string(),
        };
        // Another build may scan it in another mode first. Both results are kept.
        let key = format!("installed {place} scan {} for {hash}", unit.name);
        let item =
            self.item_of(&ItemCrate::new(of), ItemKind::Scan, key.clone(), unit, work, output);
        self.add(item)?;
        Ok(key)
    }

    /// Takes in what scanned libraries declare, and lets each of them see what links name with it.
    ///
    /// # Errors
    /// [`ModuleError::NotAsListed`].
    pub(super) fn declare_installed(
        &mut self,
        of: &Instance<'_>,
        libraries: &[InstalledLibrary],
        mode: &[String],
    ) -> Result<(), GraphError> {
        let is_host = of.is_host();
        let key = |file: &Utf8PathBuf| (file.clone(), is_host);
        let mut new = Vec::new();
        for library in libraries {
            if self.modules.installed.public.contains_key(&key(&library.file)) {
                continue;
            }
            let scope = self.modules.names.new_scope();
            let keys = self.modules.installed.scans[&key(&library.file)].clone();
            let (mut public, mut imports_std) = (Vec::new(), false);
            for (module, scan) in library.modules.iter().zip(keys) {
                let scan = self.request.scans[&scan].clone();
                imports_std |= super::cxx_modules::imports_std(&scan);
                let id = self.declare_module(of, library, module, scan, scope)?;
                self.modules.names.show(scope, id)?;
                public.extend((!module.is_private).then_some(id));
            }
            self.modules.installed.public.insert(key(&library.file), public);
            new.push((library, scope, imports_std));
        }
        for (library, scope, imports_std) in new {
            let public = &self.modules.installed.public;
            let uses = library.uses.iter().filter_map(|file| public.get(&key(file)));
            let uses: Vec<ModuleId> = uses.flatten().copied().collect();
            self.show_unless_known(scope, &uses)?;
            if imports_std {
                self.show_std(of, scope, mode)?;
            }
        }
        Ok(())
    }

    /// Lets a target see the modules of these libraries. Its own come first.
    pub(super) fn show_installed(
        &mut self,
        of: &Instance<'_>,
        scope: ScopeId,
        libraries: &[InstalledLibrary],
    ) -> Result<(), GraphError> {
        for library in libraries {
            let key = (library.file.clone(), of.is_host());
            let public = self.modules.installed.public[&key].clone();
            self.show_unless_known(scope, &public)?;
        }
        Ok(())
    }

    fn show_unless_known(&mut self, scope: ScopeId, ids: &[ModuleId]) -> Result<(), GraphError> {
        for id in ids {
            let name = self.modules.names.of(*id).at.name.clone();
            if !self.modules.names.sees(scope, &name) {
                self.modules.names.show(scope, *id)?;
            }
        }
        Ok(())
    }

    fn declare_module(
        &mut self,
        of: &Instance<'_>,
        library: &InstalledLibrary,
        module: &InstalledModule,
        scan: ModuleScan,
        scope: ScopeId,
    ) -> Result<ModuleId, GraphError> {
        let file = library.file.to_string();
        let Some(at) = scan.provides.filter(|at| at.name == module.name) else {
            let (name, source_file) = (module.name.clone(), module.source.to_string());
            return Err(ModuleError::NotAsListed { file, name, source_file }.into());
        };
        let place = place_of(library, of.is_host());
        let directory = self.path_for_commands(&self.side(of.built_for).crates_dir);
        self.modules.interfaces.push(Interface {
            krate: ItemCrate::new(of),
            // Not of the crate that happens to be the first.
            key: format!("installed {place} interface"),
            directory: directory.join(".installed").join(&place),
            unit: unit_of(library, module),
            object: None,
        });
        let origin = ModuleOrigin::Installed {
            library: library.name.clone(),
            file,
            is_private: module.is_private,
        };
        let requires = scan.requires;
        Ok(self.modules.names.declare(DeclaredModule { at, origin, requires, scope }))
    }
}

/// An interface by its own words, without a mode.
fn unit_of(library: &InstalledLibrary, module: &InstalledModule) -> CxxUnit {
    // Nobody here can mend what it is warned of.
    let mut args = vec!["-w".to_owned()];
    args.extend(system_cflags([&module.args[..], &library.cflags].concat()));
    CxxUnit {
        owner: 0,
        target: String::new(),
        directory: String::new(),
        path: module.source.clone(),
        seen: module.source.clone(),
        name: module.name.clone(),
        ingredients: Ingredients { own: args.clone(), profile: vec![], interfaces: vec![] },
        args,
        declared: Vec::new(),
        after: Vec::new(),
    }
}

/// Tells libraries of one name apart, in keys and directories.
fn place_of(library: &InstalledLibrary, is_host: bool) -> String {
    let host = if is_host { "-host" } else { "" };
    format!("{}-{}{host}", library.name, short_hash(library.file.as_str()))
}

fn short_hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

/// The mode of the units of a target; none of them is compiled as C++20 where it is absent.
pub(super) fn mode_of_target(found: &[(usize, CxxUnit)], target: usize) -> Option<Vec<String>> {
    let (_, unit) = found.iter().find(|(known, _)| *known == target)?;
    Some(mode_of(&unit.args))
}
