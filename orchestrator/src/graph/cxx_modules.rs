//! C++20 named modules as items: a scan of each unit that may import or declare one, and for each
//! module that is imported its module file (BMI), which importers come after.
//!
//! What units declare and import is known only when they are scanned, and sources may be generated.
//! So a graph is made without that first; the scans in it run, with all that they come after; then
//! the graph is made again with the results (`Scans`). Items that were made in ignorance are
//! `Graph::unscanned`, and never run. Scans are items like others: where nothing has changed they
//! are up to date, and no worker starts.
//!
//! # Which units are scanned
//!
//! Those of C++20 and later of the crates that have modules (`Crate::has_modules`) or see a crate
//! that has some, of the workspace or installed (`installed_modules`). To look at the text of all others,
//! each time, would cost more than it finds.
//!
//! # One module file for a set of words
//!
//! Clang refuses a module file that was made for another language mode than that of the importer:
//! another standard, no exceptions, another sanitizer. A module file is made of the interface with
//! the words of its own target. Where an importer compiles for another mode it gets a module file of
//! its own, by the words of the interface's target with the importer's mode in place of theirs
//! (`mode_of`): macros and directories of a source belong to the crate that wrote it. All importers of
//! one mode share it.
//!
//! The modules of the standard library are made of its own sources, for each mode as others. They have
//! no object: all that they export is in the library.
//!
//! Module files are made apart from objects: importers wait for a front end, not for the optimiser.
//! The item of a module file also translates the interface, if it has an object by the same words, and
//! the item of the object goes on from there.

use super::GraphError;
use super::InstalledLibrary;
use super::build::{Builder, Mode};
use super::codegen;
use super::installed_modules::{InstalledModules, mode_of_target};
use super::instance::{BuiltFor, Instance};
use super::model::{Ingredients, Item, ItemKind, Run};
use super::module_names::{
    DeclaredModule, ModuleError, ModuleId, ModuleNames, ModuleOrigin, ScopeId, is_std,
};
use super::order::{Build, seen_libs};
use super::paths::object_path;
use super::units::{CrateUnits, CxxUnit};
use crate::keys::ItemId;
use crate::manifest::{Crate, CrateId, is_interface};
use camino::Utf8PathBuf;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tender_protocol::{InterfaceTranslation, Lto, ModuleName, ModuleScan, Work};

/// The results of scans, by the keys of their items.
pub type Scans = HashMap<String, ModuleScan>;

/// A unit by its crate, the number of its target, and its source.
type UnitId = (Build, usize, Utf8PathBuf);

/// What is known of the modules of a build.
#[derive(Default)]
pub(super) struct NamedModules {
    pub names: ModuleNames,
    /// How each of them is compiled.
    pub interfaces: Vec<Interface>,
    pub installed: InstalledModules,
    /// Those of a target, by its number in its crate.
    pub of_targets: HashMap<(Build, usize), Vec<ModuleId>>,
    scanned: HashMap<UnitId, ScannedUnit>,
    /// Units of these crates are scanned, and the results are not there yet.
    awaited: HashSet<Build>,
    /// The items that make module files, by the mode that these are for.
    files: HashMap<(ModuleId, Vec<String>), ItemId>,
    /// Those of a standard library (LLVM's or not), for each of the two builds.
    std: HashMap<(bool, bool), Vec<ModuleId>>,
    /// The names of all that is imported anywhere.
    imported: HashSet<String>,
}

struct ScannedUnit {
    scan: ModuleScan,
    scope: ScopeId,
    declares: Option<ModuleId>,
}

/// The crate of an item, as items name it.
pub(super) struct ItemCrate {
    id: CrateId,
    name: String,
    host: bool,
}

impl ItemCrate {
    pub fn new(of: &Instance<'_>) -> ItemCrate {
        ItemCrate { id: of.id, name: of.krate.name.clone(), host: of.is_host() }
    }
}

pub(super) struct Interface {
    pub krate: ItemCrate,
    /// Begins the keys of its items.
    pub key: String,
    /// For its module files.
    pub directory: Utf8PathBuf,
    pub unit: CxxUnit,
    /// That of its object, if it has one, and how it is compiled.
    pub object: Option<(Utf8PathBuf, Lto)>,
}

/// What modules add to a unit.
#[derive(Default)]
pub(super) struct ImportedModules {
    pub words: Vec<String>,
    pub after: Vec<ItemId>,
    /// Whether the unit declares one itself.
    pub declares: bool,
    /// The module (of LLVM) of the unit, which the item of its module file makes.
    pub translation: Option<Utf8PathBuf>,
}

impl NamedModules {
    pub fn new(scans: &Scans) -> NamedModules {
        let imports = scans.values().flat_map(|scan| &scan.requires);
        let imported = imports.map(|import| import.name.clone()).collect();
        NamedModules { imported, ..NamedModules::default() }
    }
}

impl<'a> Builder<'_> {
    fn scans_units(&self, of: &Instance<'_>) -> bool {
        let built_for = of.built_for.of_dependencies();
        let sees = || {
            self.visible[&(of.id, of.built_for)]
                .iter()
                .any(|seen| built_for.krate(self.workspace, seen.krate).has_modules())
        };
        of.krate.scan_modules.unwrap_or_else(|| of.krate.has_modules() || sees())
    }

    /// Adds the scans of the units of these targets of a crate, and what is known of its modules.
    ///
    /// # Errors
    /// As `plan_units`, or [`GraphError::Modules`].
    pub(super) fn plan_modules(
        &mut self,
        units: &mut CrateUnits<'a>,
        targets: &[usize],
    ) -> Result<(), GraphError> {
        let of = *units.of();
        let is_sure = self.scans_units(&of);
        let installed = match is_sure || self.may_import_installed(units, targets)? {
            true => self.installed_for(&of, targets)?,
            false => BTreeMap::new(),
        };
        if !is_sure && installed.values().all(Vec::is_empty) {
            return Ok(());
        }
        // A scan would have to come after the headers, and to read them.
        if targets.iter().any(|target| units.has_precompiled_headers(*target)) {
            let (krate, manifest) = (of.krate.name.clone(), of.krate.manifest.to_string());
            return Err(ModuleError::WithHeaders { krate, manifest }.into());
        }
        let build = (of.id, of.built_for);
        let mut found: Vec<(usize, CxxUnit)> = Vec::new();
        let mut keys: HashMap<(usize, Utf8PathBuf), String> = HashMap::new();
        for target in targets {
            for unit in self.cxx_units(units, *target)? {
                if !knows_modules(&unit.args) {
                    if is_interface(&unit.path) {
                        let source_file = unit.seen.to_string();
                        let krate = of.krate.name.clone();
                        return Err(ModuleError::OldStandard { source_file, krate }.into());
                    }
                    continue;
                }
                let id = (unit.owner, unit.path.clone());
                if let Entry::Vacant(new) = keys.entry(id) {
                    let item = self.scan(&of, &unit)?;
                    new.insert(self.graph[item].key.clone());
                }
                found.push((*target, unit));
            }
        }
        let mut is_known = true;
        for (target, libraries) in &installed {
            let Some(mode) = mode_of_target(&found, *target) else { continue };
            for library in libraries {
                is_known &= self.scan_installed(&of, library, &mode)?;
            }
        }
        let scan_of = |unit: &CxxUnit| {
            self.request.scans.get(&keys[&(unit.owner, unit.path.clone())]).cloned()
        };
        let scans: Option<Vec<ModuleScan>> = found.iter().map(|(_, unit)| scan_of(unit)).collect();
        // Where a dependency is not known, the imports of this crate lead nowhere.
        let is_known = is_known && self.modules.awaited.is_empty();
        let (Some(scans), true) = (scans, is_known) else {
            self.modules.awaited.insert(build);
            return Ok(());
        };
        let mut scopes = HashMap::new();
        for target in targets {
            scopes.insert(*target, self.modules.names.new_scope());
            self.modules.of_targets.insert((build, *target), Vec::new());
        }
        let importers = found.iter().zip(&scans).filter(|(_, scan)| imports_std(scan));
        let importers: Vec<(ScopeId, Vec<String>)> =
            importers.map(|((target, unit), _)| (scopes[target], unit.args.clone())).collect();
        let modes: HashMap<usize, Vec<String>> = (installed.keys())
            .filter_map(|target| Some((*target, mode_of_target(&found, *target)?)))
            .collect();
        let lto = (self.mode(&of) == Mode::Build).then(|| codegen::lto(units.profile()));
        for ((target, unit), scan) in found.into_iter().zip(scans) {
            self.know(&of, target, scopes[&target], unit, scan, lto)?;
        }
        for target in targets {
            self.show_modules(&of, *target, scopes[target])?;
        }
        for (target, libraries) in &installed {
            let Some(mode) = modes.get(target) else { continue };
            self.declare_installed(&of, libraries, mode)?;
            self.show_installed(&of, scopes[target], libraries)?;
        }
        for (scope, args) in importers {
            self.show_std(&of, scope, &args)?;
        }
        self.check_public(&of)?;
        for target in targets.iter().filter(|target| **target < of.krate.libs.len()) {
            self.export_modules(&of, *target, scopes[target])?;
        }
        // Before the objects, which come after them: an error in an interface is shown once.
        let own = targets.iter().flat_map(|target| &self.modules.of_targets[&(build, *target)]);
        let own: BTreeSet<ModuleId> = own.copied().collect();
        for id in own {
            if self.modules.imported.contains(&self.modules.names.of(id).at.name) {
                let mode = mode_of(&self.modules.interfaces[id.0].unit.args);
                self.module_file(id, &mode)?;
            }
        }
        Ok(())
    }

    fn scan(&mut self, of: &Instance<'_>, unit: &CxxUnit) -> Result<ItemId, GraphError> {
        let krate = &of.krate.name;
        let crates_dir = self.path_for_commands(&self.side(of.built_for).crates_dir);
        let directory = crates_dir.join(krate).join("scan").join(&unit.directory);
        let output = directory.join(object_path(&unit.name)).with_extension("json");
        let work = Work::Scan {
            source: unit.seen.to_string(),
            args: unit.args.clone(),
            output: output.to_string(),
        };
        let key = format!("{krate} scan {} {}", unit.target, unit.name);
        let item = self.item_of(&ItemCrate::new(of), ItemKind::Scan, key, unit, work, output);
        self.add(item)
    }

    /// Whether units of a crate, of which nothing else says so, may import modules of installed
    /// libraries.
    fn may_import_installed(
        &mut self,
        units: &mut CrateUnits<'a>,
        targets: &[usize],
    ) -> Result<bool, GraphError> {
        let of = *units.of();
        let with_headers = targets.iter().any(|target| units.has_precompiled_headers(*target));
        if of.krate.scan_modules.is_some() || with_headers {
            return Ok(false);
        }
        for target in targets {
            if self.packages_of(&of, *target).is_empty() {
                continue;
            }
            let found = self.cxx_units(units, *target)?;
            if found.iter().any(|unit| knows_modules(&unit.args)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The installed libraries with modules that each target sees.
    fn installed_for(
        &mut self,
        of: &Instance<'_>,
        targets: &[usize],
    ) -> Result<BTreeMap<usize, Vec<InstalledLibrary>>, GraphError> {
        targets.iter().map(|target| Ok((*target, self.installed_libraries(of, *target)?))).collect()
    }

    /// An item whose only source is that of a unit.
    pub(super) fn item_of(
        &self,
        krate: &ItemCrate,
        kind: ItemKind,
        key: String,
        unit: &CxxUnit,
        work: Work,
        output: Utf8PathBuf,
    ) -> Item {
        Item {
            krate: krate.id,
            krate_name: krate.name.clone(),
            host: krate.host,
            kind,
            key,
            label: unit.seen.to_string(),
            after: unit.after.clone(),
            run: Run::Worker(work),
            program: None,
            inputs: [unit.seen.clone()].into_iter().chain(unit.declared.iter().cloned()).collect(),
            outputs: vec![output],
            ingredients: unit.ingredients.clone(),
            size: self.request.surroundings.file_size(&unit.path),
        }
    }

    /// Takes in what a unit declares and imports. `lto`: how its object is compiled, if there is one.
    fn know(
        &mut self,
        of: &Instance<'_>,
        target: usize,
        scope: ScopeId,
        unit: CxxUnit,
        scan: ModuleScan,
        lto: Option<Lto>,
    ) -> Result<(), GraphError> {
        let build = (of.id, of.built_for);
        let id = (build, unit.owner, unit.path.clone());
        let declares = match self.modules.scanned.get(&id) {
            // Another target has the unit too.
            Some(known) => known.declares,
            None => {
                let declares = scan.provides.as_ref().map(|at| {
                    let crates_dir = self.path_for_commands(&self.side(of.built_for).crates_dir);
                    let mut directory = crates_dir.join(&of.krate.name).join("modules");
                    let mut key = of.krate.name.clone();
                    if lto.is_none() {
                        // Without translations, so that they do not take the place of those with.
                        directory.push("check");
                        key += " check";
                    }
                    self.modules.interfaces.push(Interface {
                        krate: ItemCrate::new(of),
                        key: format!("{key} interface {}", unit.target),
                        directory: directory.join(&unit.directory),
                        object: lto
                            .map(|lto| (self.object_of(of, &unit.directory, &unit.name), lto)),
                        unit: unit.clone(),
                    });
                    let origin = ModuleOrigin::Crate(of.krate.name.clone());
                    let (at, requires) = (at.clone(), scan.requires.clone());
                    self.modules.names.declare(DeclaredModule { at, origin, requires, scope })
                });
                self.modules.scanned.insert(id, ScannedUnit { scan, scope, declares });
                declares
            }
        };
        if let Some(id) = declares {
            self.modules.of_targets.entry((build, target)).or_default().push(id);
            self.modules.names.show(scope, id)?;
        }
        Ok(())
    }

    /// Lets a target see the modules of the libraries that it sees.
    fn show_modules(
        &mut self,
        of: &Instance<'_>,
        target: usize,
        scope: ScopeId,
    ) -> Result<(), GraphError> {
        let build = (of.id, of.built_for);
        let own = seen_libs(of.krate, Some(target).filter(|place| *place < of.krate.libs.len()));
        let mut seen: Vec<ModuleId> = Vec::new();
        for lib in own.into_iter().filter(|lib| *lib != target) {
            let modules = self.modules.of_targets.get(&(build, lib)).into_iter().flatten();
            seen.extend(modules.filter(|id| !self.is_partition(**id)));
        }
        let built_for = of.built_for.of_dependencies();
        for other in &self.visible[&build] {
            let krate = built_for.krate(self.workspace, other.krate);
            for lib in &other.libs {
                let public = krate.libs[*lib].modules.as_ref();
                let key = ((other.krate, built_for), *lib);
                let modules = self.modules.of_targets.get(&key).into_iter().flatten();
                seen.extend(modules.filter(|id| {
                    let name = &self.modules.names.of(**id).at.name;
                    !self.is_partition(**id) && public.is_none_or(|public| public.contains(name))
                }));
            }
        }
        for id in seen {
            self.modules.names.show(scope, id)?;
        }
        Ok(())
    }

    /// Lets a target see the modules of the standard library that it is compiled with.
    pub(super) fn show_std(
        &mut self,
        of: &Instance<'_>,
        scope: ScopeId,
        args: &[String],
    ) -> Result<(), GraphError> {
        let library = args.iter().rev().find_map(|word| word.strip_prefix("-stdlib="));
        let is_libcxx = library == Some("libc++");
        let key = (is_libcxx, of.is_host());
        if !self.modules.std.contains_key(&key) {
            let ids = self.declare_std(of, is_libcxx)?;
            self.modules.std.insert(key, ids);
        }
        for id in self.modules.std[&key].clone() {
            let name = self.modules.names.of(id).at.name.clone();
            if !self.modules.names.sees(scope, &name) {
                self.modules.names.show(scope, id)?;
            }
        }
        Ok(())
    }

    fn declare_std(
        &mut self,
        of: &Instance<'_>,
        is_libcxx: bool,
    ) -> Result<Vec<ModuleId>, GraphError> {
        let found = self.request.surroundings.std_modules(is_libcxx);
        let scope = self.modules.names.new_scope();
        let directory = self.path_for_commands(&self.side(of.built_for).crates_dir).join(".std");
        let mut ids = Vec::new();
        for module in found {
            let file = module.source.to_string();
            let place =
                |name: &str| ModuleName { name: name.to_owned(), file: file.clone(), line: 1 };
            let at = place(&module.name);
            // https://eel.is/c++draft/std.modules#3
            let requires =
                if module.name == "std.compat" { vec![place("std")] } else { Vec::new() };
            // Only a library may give a module such a name.
            let mut args = vec!["-Wno-reserved-module-identifier".to_owned()];
            args.extend(module.include.iter().map(|dir| format!("-isystem{dir}")));
            let unit = CxxUnit {
                owner: 0,
                target: String::new(),
                directory: String::new(),
                path: module.source.clone(),
                seen: module.source,
                name: module.name.clone(),
                ingredients: Ingredients { own: args.clone(), profile: vec![], interfaces: vec![] },
                args,
                declared: Vec::new(),
                after: Vec::new(),
            };
            let krate = ItemCrate::new(of);
            // Not of the crate that happens to be the first.
            let key = format!("std{} interface", if krate.host { " host" } else { "" });
            self.modules.interfaces.push(Interface {
                krate,
                key,
                directory: directory.clone(),
                unit,
                object: None,
            });
            let declared = DeclaredModule { at, origin: ModuleOrigin::Std, requires, scope };
            let id = self.modules.names.declare(declared);
            self.modules.names.show(scope, id)?;
            ids.push(id);
        }
        Ok(ids)
    }

    fn is_partition(&self, id: ModuleId) -> bool {
        self.modules.names.of(id).at.name.contains(':')
    }

    /// Whether `modules` of the manifest names only what is there.
    fn check_public(&self, of: &Instance<'_>) -> Result<(), GraphError> {
        let Crate { libs, name: krate, manifest, .. } = of.krate;
        for (place, lib) in libs.iter().enumerate() {
            let key = ((of.id, of.built_for), place);
            let (Some(public), Some(own)) = (&lib.modules, self.modules.of_targets.get(&key))
            else {
                continue;
            };
            let own = || own.iter().map(|id| &self.modules.names.of(*id).at.name);
            if let Some(name) = public.iter().find(|name| own().all(|known| known != *name)) {
                let names: BTreeSet<String> = own()
                    .filter(|name| !name.contains(':'))
                    .map(|name| format!("`{name}`"))
                    .collect();
                let help = match names.is_empty() {
                    true => "`export module NAME;` declares a module".to_owned(),
                    false => {
                        let names: Vec<String> = names.into_iter().collect();
                        format!("it declares {}", names.join(", "))
                    }
                };
                let (krate, name) = (krate.clone(), name.clone());
                let manifest = manifest.to_string();
                return Err(ModuleError::NotDeclared { krate, name, manifest, help }.into());
            }
        }
        Ok(())
    }

    /// What modules add to a unit of a target. `args` are its own words.
    ///
    /// # Errors
    /// [`GraphError::Modules`]: a module is missing or declared twice, or modules import each other.
    pub(super) fn imported_modules(
        &mut self,
        of: &Instance<'_>,
        owner: usize,
        path: &camino::Utf8Path,
        args: &[String],
    ) -> Result<ImportedModules, GraphError> {
        let id = ((of.id, of.built_for), owner, path.to_owned());
        let Some(unit) = self.modules.scanned.get(&id) else {
            return Ok(ImportedModules::default());
        };
        let reached = self.modules.names.reached(unit.scope, &unit.scan.requires)?;
        let declares = unit.declares;
        let mode = mode_of(args);
        let mut imported = self.module_files(&reached, &mode)?;
        imported.declares = declares.is_some();
        if let Some(id) = declares
            && let Some(own) = self.modules.files.get(&(id, mode))
        {
            imported.after.push(*own);
            imported.translation = self.graph[*own].outputs.get(1).cloned();
        }
        Ok(imported)
    }

    /// Whether the graph will be made again before units of this crate can run.
    pub(super) fn awaits_scans(&self, id: CrateId, built_for: BuiltFor) -> bool {
        self.modules.awaited.contains(&(id, built_for))
    }

    fn module_files(
        &mut self,
        modules: &[ModuleId],
        mode: &[String],
    ) -> Result<ImportedModules, GraphError> {
        let mut imported = ImportedModules::default();
        let mut words = BTreeMap::new();
        for id in modules {
            let item = self.module_file(*id, mode)?;
            let name = self.modules.names.of(*id).at.name.clone();
            words.insert(name, self.graph[item].outputs[0].clone());
            imported.after.push(item);
        }
        let word = |(name, path)| format!("-fmodule-file={name}={path}");
        imported.words = words.into_iter().map(word).collect();
        Ok(imported)
    }

    /// The item that makes the module file of a module for importers of this mode.
    fn module_file(&mut self, id: ModuleId, mode: &[String]) -> Result<ItemId, GraphError> {
        let key = (id, mode.to_vec());
        if let Some(known) = self.modules.files.get(&key) {
            return Ok(*known);
        }
        let module = self.modules.names.of(id).clone();
        let reached = self.modules.names.reached(module.scope, &module.requires)?;
        let ImportedModules { words, after, .. } = self.module_files(&reached, mode)?;
        let Interface { krate, key: begin, directory, unit, object } =
            &self.modules.interfaces[id.0];
        let own_mode = mode_of(&unit.args);
        let is_own = own_mode == mode;
        let mut ingredients = unit.ingredients.clone();
        let mut args = unit.args.clone();
        let mut item_key = format!("{begin} {}", module.at.name);
        let mut directory = directory.clone();
        if !is_own {
            args = without_mode(&args);
            args.extend_from_slice(mode);
            ingredients = Ingredients { own: args.clone(), profile: vec![], interfaces: vec![] };
            let hash = blake3::hash(mode.join("\0").as_bytes()).to_hex();
            item_key += &format!(" for {}", &hash[..16]);
            directory.push(&hash[..16]);
        }
        args.extend(words.iter().cloned());
        ingredients.own.extend(words);
        // A name has no hyphen in it.
        let output = directory.join(format!("{}.pcm", module.at.name.replace(':', "-")));
        let translation =
            object.as_ref().filter(|_| is_own).map(|(object, lto)| InterfaceTranslation {
                output: output.with_extension("bc").to_string(),
                object: object.to_string(),
                lto: *lto,
            });
        let translated = translation.as_ref().map(|files| Utf8PathBuf::from(&files.output));
        let work = Work::Interface {
            source: unit.seen.to_string(),
            args,
            output: output.to_string(),
            translation,
        };
        let mut item = self.item_of(krate, ItemKind::Interface, item_key, unit, work, output);
        item.outputs.extend(translated);
        item.ingredients = ingredients;
        item.after.extend(after);
        let item = self.add(item)?;
        self.modules.files.insert(key, item);
        Ok(item)
    }
}

impl From<ModuleError> for GraphError {
    fn from(error: ModuleError) -> GraphError {
        GraphError::Modules(Box::new(error))
    }
}

pub(super) fn imports_std(scan: &ModuleScan) -> bool {
    scan.requires.iter().any(|import| is_std(&import.name))
}

/// Whether the unit is compiled as C++20 or later. Clang's default is C++17.
fn knows_modules(args: &[String]) -> bool {
    let mut standards = args
        .iter()
        .rev()
        .filter_map(|word| word.strip_prefix("-std=").or_else(|| word.strip_prefix("--std=")));
    let revision = standards.next().and_then(|standard| {
        standard.strip_prefix("c++").or_else(|| standard.strip_prefix("gnu++"))
    });
    revision.is_some_and(|year| ["20", "2a", "23", "2b", "26", "2c"].contains(&year))
}

/// Words that clang lets differ between a module file and its importers. Of these, the first list
/// has words with an operand, which may be the next word.
const OF_SOURCE: [&str; 8] =
    ["-D", "-U", "-I", "-isystem", "-iquote", "-idirafter", "-include", "-imacros"];
const FREE: [&str; 16] = [
    "-W",
    "-w",
    "-g",
    "-O0",
    "-O1",
    "-O2",
    "-O3",
    "-Os",
    "-Oz",
    "-fPIC",
    "-fpic",
    "-fPIE",
    "-fpie",
    "-fno-pie",
    "-ffile-compilation-dir=",
    "-fdiagnostics-",
];

/// The words that decide which module files a unit can read, in their order.
pub(super) fn mode_of(args: &[String]) -> Vec<String> {
    let (mode, _) = split(args);
    mode
}

fn without_mode(args: &[String]) -> Vec<String> {
    let (_, others) = split(args);
    others
}

fn split(args: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut mode, mut others) = (Vec::new(), Vec::new());
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if OF_SOURCE.contains(&word.as_str()) {
            others.push(word.clone());
            others.extend(words.next().cloned());
        } else if OF_SOURCE.iter().chain(&FREE).any(|start| word.starts_with(start)) {
            others.push(word.clone());
        } else {
            mode.push(word.clone());
        }
    }
    (mode, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn mode_has_what_module_files_depend_on() {
        let check = |args: &str, mode: &str, others: &str| {
            assert_eq!(split(&words(args)), (words(mode), words(others)), "{args}");
        };
        check(
            "-std=c++20 -O2 -g -fPIC -ffile-compilation-dir=. -DA=1 -Iinc -Wall -fno-rtti",
            "-std=c++20 -fno-rtti",
            "-O2 -g -fPIC -ffile-compilation-dir=. -DA=1 -Iinc -Wall",
        );
        check("-include -fno-rtti -D X -Ofast", "-Ofast", "-include -fno-rtti -D X");
        check(
            "-fsanitize=address -march=native -pthread",
            "-fsanitize=address -march=native -pthread",
            "",
        );
    }

    #[test]
    fn units_know_modules_from_cpp20_on() {
        let check = |args: &str, expect| assert_eq!(knows_modules(&words(args)), expect, "{args}");
        check("-O2", false);
        check("-std=c++17", false);
        check("-std=c++20", true);
        check("-std=gnu++2b -O2", true);
        check("-std=c++20 -std=c++17", false);
        check("-std=c17", false);
    }
}
