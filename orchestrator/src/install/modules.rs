//! What of a library's C++ modules is installed: the sources of their interfaces, and the file beside the
//! library that names them. Builds of users make module files of the sources, each with its own compiler and
//! words: a module file fits no other. Pure.

use super::InstallError;
use super::interface::LibraryInterface;
use super::layout::{InstallLayout, way};
use super::needs::library_needs;
use crate::graph::ExportedModule;
use crate::manifest::{CrateId, OUT_DIR, Workspace};
use crate::module_metadata::{
    ListedModule, LocalArguments, ModuleMacro, ModuleMetadata, ModuleVendor,
};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;

/// Where the interface of a module goes, below the prefix: to the same file below the library's directory
/// as it has below `src` or `$OUT_DIR` of its crate.
pub(super) fn interface_place(
    library: &str,
    module: &ExportedModule,
    layout: &InstallLayout,
) -> Utf8PathBuf {
    let name = Utf8Path::new(&module.source_name);
    let below = name.strip_prefix(OUT_DIR).or_else(|_| name.strip_prefix("src")).unwrap_or(name);
    let is_plain = below.components().all(|part| matches!(part, Utf8Component::Normal(_)));
    let file = Utf8Path::new(name.file_name().unwrap_or(&module.source_name));
    layout.module_dir(library).join(if is_plain { below } else { file })
}

/// The text of the file that names the modules of a library.
pub(super) fn module_file(
    library: &LibraryInterface,
    modules: &[&ExportedModule],
    layout: &InstallLayout,
) -> String {
    let from_file = |path: &Utf8Path| way(layout.libdir(), path);
    let listed = modules.iter().map(|module| ListedModule {
        logical_name: module.name.clone(),
        source_path: from_file(&interface_place(&library.name, module, layout)),
        is_interface: true,
        is_std_library: false,
        local_arguments: LocalArguments {
            include_directories: Vec::new(),
            system_include_directories: library
                .include_dirs
                .iter()
                .map(|dir| from_file(dir))
                .collect(),
            definitions: module
                .definitions
                .iter()
                .filter_map(|word| ModuleMacro::of_word(word))
                .collect(),
        },
        vendor: ModuleVendor::new(!module.is_public),
    });
    ModuleMetadata::new(listed.collect()).text()
}

/// # Errors
/// [`InstallError::ModuleLeftOut`]: an interface imports the module of a library that is not installed
/// with it.
pub(super) fn check_modules(
    workspace: &Workspace,
    id: CrateId,
    place: usize,
    modules: &[&ExportedModule],
) -> Result<(), InstallError> {
    let mut installed = BTreeSet::new();
    let mut open = vec![(id, place)];
    while let Some((krate, lib)) = open.pop() {
        if installed.insert((krate, lib)) {
            let needs = library_needs(workspace, krate, lib);
            open.extend(needs.iter().map(|need| (need.krate, need.lib)));
        }
    }
    for module in modules {
        let Some((krate, lib)) = module.needs.iter().find(|need| !installed.contains(need)) else {
            continue;
        };
        let (krate, needed) = (&workspace[*krate], &workspace[*krate].libs[*lib]);
        return Err(InstallError::ModuleLeftOut {
            module: module.name.clone(),
            library: workspace[id].libs[place].name.clone(),
            needed: needed.name.clone(),
            owner: krate.name.clone(),
        });
    }
    Ok(())
}
