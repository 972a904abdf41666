//! Which files are installed where. Pure: crates, artifacts and files that are there in, entries out.

use super::InstallError;
use super::cmake::cmake_files;
use super::interface::{LibraryForms, has_cxx, is_installed, library_interface};
use super::layout::{BIN_DIR, INCLUDE_DIR, InstallLayout, LIST_DIR, way};
use super::modules::{check_modules, interface_place, module_file};
use super::needs::needed_crates;
use super::pkg_config::pkg_config_file;
use super::survey::CrateFiles;
use crate::graph::{Artifact, ArtifactKind, ExportedModule};
use crate::manifest::{Crate, CrateId, Lib, ProgramKind, Workspace, manual_section};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;

/// What is installed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallPlan {
    /// Those that others need first.
    pub crates: Vec<CratePlan>,
}

/// What is installed of a crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CratePlan {
    pub name: String,
    pub version: String,
    /// The user chose it; else another crate needs it.
    pub chosen: bool,
    /// Crates whose libraries those of this one need.
    pub needs: Vec<String>,
    /// By the path below the prefix.
    pub entries: BTreeMap<Utf8PathBuf, InstallEntry>,
}

/// A file to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstallEntry {
    Copy {
        /// Absolute.
        source: Utf8PathBuf,
        executable: bool,
        runtime_path: RuntimePath,
    },
    Text(String),
    /// A symbolic link to a file beside it.
    Link(String),
}

/// What becomes of the directory in which a program looks for shared libraries of the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimePath {
    /// The file has none.
    Absent,
    /// The directory of the installed libraries, relative to the file's own.
    Replaced(String),
    /// The loader looks there anyway.
    Removed,
}

/// What is to be installed.
#[derive(Debug)]
pub struct InstallRequest<'a> {
    pub workspace: &'a Workspace,
    pub roots: &'a [CrateId],
    /// Those built for users.
    pub artifacts: &'a [Artifact],
    /// Those of libraries, as far as they are known.
    pub modules: &'a [ExportedModule],
    pub files: &'a BTreeMap<CrateId, CrateFiles>,
    pub layout: &'a InstallLayout,
}

/// The roots, and the crates that they need.
///
/// # Errors
/// There is nothing to install, a library could not be used, or two files have one place.
pub fn plan(request: &InstallRequest<'_>) -> Result<InstallPlan, InstallError> {
    let needed = needed_crates(request.workspace, request.roots);
    let mut crates = Vec::new();
    for (id, chosen) in
        needed.iter().map(|id| (*id, false)).chain(request.roots.iter().map(|id| (*id, true)))
    {
        let krate = crate_plan(request, id, chosen)?;
        // Of several crates some may be for tests alone.
        if !krate.entries.is_empty() {
            crates.push(krate);
        }
    }
    if crates.is_empty() {
        let names = request.roots.iter().map(|id| format!("`{}`", request.workspace[*id].name));
        return Err(InstallError::Nothing { krate: names.collect::<Vec<_>>().join(", ") });
    }
    check_places(&crates)?;
    Ok(InstallPlan { crates })
}

fn crate_plan(
    request: &InstallRequest<'_>,
    id: CrateId,
    chosen: bool,
) -> Result<CratePlan, InstallError> {
    let krate = &request.workspace[id];
    let mut entries = Entries { krate: &krate.name, layout: request.layout, all: BTreeMap::new() };
    let files = request.files.get(&id).cloned().unwrap_or_default();
    let mut has_library = false;
    for (place, lib) in krate.libs.iter().enumerate().filter(|(_, lib)| is_installed(krate, lib)) {
        let artifacts = request.artifacts.iter().filter(|one| {
            one.krate == id && one.name == lib.name && !matches!(one.kind, ArtifactKind::Program(_))
        });
        if lib.is_plugin() {
            for artifact in artifacts {
                entries.copy(plugin_place(request.layout, krate, lib), &artifact.path, true)?;
            }
            continue;
        }
        has_library = true;
        let mut forms = LibraryForms { cxx: has_cxx(krate, lib), ..LibraryForms::default() };
        for artifact in artifacts {
            let libdir = request.layout.libdir();
            match artifact.kind {
                ArtifactKind::Staticlib => {
                    forms.archive = Some(lib.archive_file());
                    entries.copy(libdir.join(lib.archive_file()), &artifact.path, false)?;
                }
                _ => {
                    let soname = lib.shared_name().unwrap_or_else(|| lib.shared_file());
                    forms.shared = Some((lib.shared_file(), soname));
                    entries.copy(libdir.join(lib.shared_file()), &artifact.path, true)?;
                    for link in lib.shared_links() {
                        entries.add(libdir.join(link), InstallEntry::Link(lib.shared_file()))?;
                    }
                }
            }
        }
        let has_headers = !files.headers.is_empty();
        let interface = library_interface(request.workspace, id, place, forms, has_headers)?;
        let text = pkg_config_file(&interface, request.layout);
        entries.add(request.layout.pkg_config_file(&lib.name), InstallEntry::Text(text))?;
        for (name, text) in cmake_files(&interface, request.layout) {
            let place = request.layout.cmake_dir(&lib.name).join(name);
            entries.add(place, InstallEntry::Text(text))?;
        }
        let modules = request.modules.iter().filter(|one| (one.krate, one.lib) == (id, place));
        let modules: Vec<&ExportedModule> = modules.collect();
        if modules.is_empty() {
            continue;
        }
        check_modules(request.workspace, id, place, &modules)?;
        for module in &modules {
            entries.plain(interface_place(&lib.name, module, request.layout), &module.source)?;
        }
        let text = module_file(&interface, &modules, request.layout);
        entries.add(request.layout.module_file(&lib.name), InstallEntry::Text(text))?;
    }
    if has_library {
        let dir = krate.install.include_dir.as_deref().unwrap_or(INCLUDE_DIR);
        for header in &files.headers {
            entries.plain(Utf8Path::new(dir).join(&header.below), &header.path)?;
        }
    }
    // Of a crate that others need, the libraries alone.
    if chosen {
        let named = krate.install.programs.as_ref();
        let programs = request.artifacts.iter().filter(|one| {
            one.krate == id
                && one.kind == ArtifactKind::Program(ProgramKind::Bin)
                && named.is_none_or(|names| names.contains(&one.name))
        });
        for program in programs {
            entries.copy(Utf8Path::new(BIN_DIR).join(&program.name), &program.path, true)?;
        }
        for page in &files.man {
            let (Some(section), Some(name)) = (manual_section(page), page.file_name()) else {
                continue;
            };
            entries.plain(format!("share/man/man{section}/{name}").into(), page)?;
        }
    }
    for (dir, sources) in &files.data {
        for source in sources {
            entries.plain(Utf8Path::new(dir).join(&source.below), &source.path)?;
        }
    }
    let needs = needed_crates(request.workspace, &[id]).into_iter();
    Ok(CratePlan {
        name: krate.name.clone(),
        version: krate.version.clone(),
        chosen,
        needs: needs.map(|id| request.workspace[id].name.clone()).collect(),
        entries: entries.all,
    })
}

/// Where a plugin goes, whose manifest does not know the directory of the program that loads it.
fn plugin_place(layout: &InstallLayout, krate: &Crate, lib: &Lib) -> Utf8PathBuf {
    let dir = match &krate.install.plugin_dir {
        Some(dir) => Utf8PathBuf::from(dir),
        None => layout.libdir().join(&krate.name),
    };
    dir.join(lib.shared_file())
}

/// The entries of a crate.
struct Entries<'a> {
    krate: &'a str,
    layout: &'a InstallLayout,
    all: BTreeMap<Utf8PathBuf, InstallEntry>,
}

impl Entries<'_> {
    /// A program, or a library.
    fn copy(
        &mut self,
        place: Utf8PathBuf,
        source: &Utf8Path,
        executable: bool,
    ) -> Result<(), InstallError> {
        let libdir = self.layout.libdir();
        let runtime_path = match place.parent() {
            _ if !executable => RuntimePath::Absent,
            _ if self.layout.is_searched_by_loader(libdir) => RuntimePath::Removed,
            parent => {
                let way = way(parent.unwrap_or(Utf8Path::new("")), libdir);
                RuntimePath::Replaced(
                    Utf8Path::new("$ORIGIN").join(way).as_str().trim_end_matches('/').to_owned(),
                )
            }
        };
        let source = source.to_owned();
        self.add(place, InstallEntry::Copy { source, executable, runtime_path })
    }

    /// A file that is no program.
    fn plain(&mut self, place: Utf8PathBuf, source: &Utf8Path) -> Result<(), InstallError> {
        let (source, runtime_path) = (source.to_owned(), RuntimePath::Absent);
        self.add(place, InstallEntry::Copy { source, executable: false, runtime_path })
    }

    fn add(&mut self, place: Utf8PathBuf, entry: InstallEntry) -> Result<(), InstallError> {
        if place.starts_with(LIST_DIR) {
            return Err(InstallError::Reserved { path: place });
        }
        match self.all.get(&place) {
            Some(known) if *known != entry => Err(InstallError::Same {
                path: place,
                first: shown(self.krate, known),
                second: shown(self.krate, &entry),
            }),
            _ => {
                self.all.insert(place, entry);
                Ok(())
            }
        }
    }
}

/// # Errors
/// [`InstallError::Same`]: files of two crates have one place, or one is where another needs a
/// directory.
fn check_places(crates: &[CratePlan]) -> Result<(), InstallError> {
    let mut all: BTreeMap<&Utf8Path, (&str, &InstallEntry)> = BTreeMap::new();
    for krate in crates {
        for (place, entry) in &krate.entries {
            let above = place.ancestors().skip(1).find(|above| all.contains_key(above));
            if let Some((first, known)) = all.get(above.unwrap_or(place)) {
                return Err(InstallError::Same {
                    path: above.unwrap_or(place).to_owned(),
                    first: shown(first, known),
                    second: shown(&krate.name, entry),
                });
            }
            all.insert(place, (&krate.name, entry));
        }
    }
    Ok(())
}

/// An entry, for messages.
fn shown(krate: &str, entry: &InstallEntry) -> String {
    match entry {
        InstallEntry::Copy { source, .. } => format!("`{source}` of crate `{krate}`"),
        InstallEntry::Text(_) => format!("a file that is written for crate `{krate}`"),
        InstallEntry::Link(to) => format!("a link to `{to}` of crate `{krate}`"),
    }
}
