//! What users of an installed library need: the model that files for pkg-config and for CMake are
//! written from. Pure.

use super::InstallError;
use super::layout::INCLUDE_DIR;
use super::needs::{check_objects, library_needs};
use super::survey::include_dirs;
use crate::manifest::{Crate, CrateId, Lib, SourceKind, Workspace, source_kind};
use camino::{Utf8Path, Utf8PathBuf};
use tender_protocol::Language;

/// An installed library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LibraryInterface {
    pub name: String,
    pub version: String,
    pub description: String,
    pub homepage: Option<String>,
    pub license: Option<String>,
    pub forms: LibraryForms,
    /// Below the prefix; without headers there are none.
    pub include_dirs: Vec<Utf8PathBuf>,
    /// As after `-D`.
    pub defines: Vec<String>,
    /// Words for the links of all users.
    pub link_args: Vec<String>,
    /// Without `-l`.
    pub system_libs: Vec<String>,
    /// Packages of pkg-config, such as `openssl >= 3`.
    pub packages: Vec<String>,
    pub requires: Vec<RequiredLibrary>,
}

/// The files that a library has. One of headers alone has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LibraryForms {
    /// The name of the archive.
    pub archive: Option<String>,
    /// The name of the shared library, and the name by which programs find it.
    pub shared: Option<(String, String)>,
    /// It has C++ code.
    pub cxx: bool,
}

/// Another installed library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequiredLibrary {
    pub name: String,
    pub version: String,
    /// Links name it, not only links with the archive.
    pub public: bool,
    /// Its forms; links with the archive take all objects of its archive.
    pub whole: bool,
}

impl LibraryInterface {
    /// Whether links with it name all that it requires: there is no shared library that has it.
    pub fn is_static_alone(&self) -> bool {
        self.forms.shared.is_none()
    }
}

/// The version that other builds ask for: of the package, or if that has none of the library.
pub(super) fn library_version<'a>(krate: &'a Crate, lib: &'a Lib) -> &'a str {
    match (&lib.version, krate.version.as_str()) {
        (Some(version), "0.0.0") => version,
        (_, version) => version,
    }
}

/// The interface of a library, by its place in the crate. `forms`: what has been built of it;
/// `has_headers`: headers of its crate are installed.
///
/// # Errors
/// What the library needs is not installed with it.
pub(super) fn library_interface(
    workspace: &Workspace,
    id: CrateId,
    place: usize,
    forms: LibraryForms,
    has_headers: bool,
) -> Result<LibraryInterface, InstallError> {
    let krate = &workspace[id];
    let lib = &krate.libs[place];
    check_objects(workspace, krate, lib)?;
    let mut requires = Vec::new();
    for need in library_needs(workspace, id, place) {
        let owner = &workspace[need.krate];
        let other = &owner.libs[need.lib];
        if !is_installed(owner, other) {
            return Err(InstallError::LeftOut {
                krate: krate.name.clone(),
                library: lib.name.clone(),
                needed: other.name.clone(),
                owner: owner.name.clone(),
            });
        }
        requires.push(RequiredLibrary {
            name: other.name.clone(),
            version: library_version(owner, other).to_owned(),
            public: need.public,
            whole: need.whole,
        });
    }
    let include_dir = krate.install.include_dir.as_deref().unwrap_or(INCLUDE_DIR);
    let dirs = include_dirs(krate, lib).into_iter();
    let dirs = dirs.map(|dir| Utf8Path::new(include_dir).join(dir).components().collect());
    let about = &krate.about;
    let description = about.description.clone();
    Ok(LibraryInterface {
        name: lib.name.clone(),
        version: library_version(krate, lib).to_owned(),
        description: description.unwrap_or_else(|| format!("The library {}", lib.name)),
        homepage: about.homepage.clone(),
        license: about.license.clone(),
        forms,
        include_dirs: if has_headers { dirs.collect() } else { Vec::new() },
        defines: lib.public_defines.clone(),
        link_args: lib.public_link_args.clone(),
        system_libs: lib.settings.link.clone(),
        packages: lib.settings.pkg_config.clone(),
        requires,
    })
}

/// Whether `[install]` does not leave it out.
pub(super) fn is_installed(krate: &Crate, lib: &Lib) -> bool {
    let named = krate.install.libraries.as_ref();
    !lib.object && named.is_none_or(|names| names.contains(&lib.name))
}

/// Whether units of C++ are among the sources of a library.
pub(super) fn has_cxx(krate: &Crate, lib: &Lib) -> bool {
    let is_cxx = |path: &Utf8Path| source_kind(path) == Some(SourceKind::Unit(Language::Cxx));
    let generated = || krate.generate.iter().flat_map(|command| &command.outputs);
    lib.sources.all().any(|path| is_cxx(path)) || generated().any(|path| is_cxx(path.as_ref()))
}
