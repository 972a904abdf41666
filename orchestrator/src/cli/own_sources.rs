//! The sources and headers of crates that their authors write: neither generated, nor those of crates
//! in directories below.

use super::error::CliError;
use super::project::Project;
use crate::manifest::{Bin, Crate, CrateId, SourceKind, Workspace, is_header, source_kind};
use crate::package::{changed_files, list_files};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use tender_protocol::Language;

/// Of these crates: of all targets, whatever features are chosen if `whole` has all of them. Sorted.
///
/// # Errors
/// git fails.
pub fn own_sources(
    project: &Project,
    whole: &Workspace,
    crates: &[CrateId],
) -> Result<Vec<Utf8PathBuf>, CliError> {
    let mut all = BTreeSet::new();
    for id in crates {
        let name = &project.workspace[*id].name;
        let Some(id) = whole.crate_named(name) else { continue };
        all.extend(of_crate(project, whole, id)?);
    }
    Ok(all.into_iter().collect())
}

fn of_crate(
    project: &Project,
    whole: &Workspace,
    id: CrateId,
) -> Result<Vec<Utf8PathBuf>, CliError> {
    let krate = &whole[id];
    let is_own = |path: &Utf8Path| {
        path.starts_with(&krate.dir)
            && !path.starts_with(&project.target_dir)
            && path.parent().and_then(|dir| whole.crate_of(dir)) == Some(id)
    };
    let dev = whole.dev_crates.get(&id).into_iter().flat_map(|krate| &krate.bins);
    let bins: Vec<&Bin> = krate.bins.iter().chain(dev).collect();
    let sources =
        krate.libs.iter().map(|lib| &lib.sources).chain(bins.iter().map(|bin| &bin.sources));
    let sources: BTreeSet<Utf8PathBuf> =
        sources.flat_map(|sources| sources.all()).filter(|path| is_own(path)).cloned().collect();
    let beside: BTreeSet<&Utf8Path> = sources.iter().filter_map(|path| path.parent()).collect();
    let below = header_dirs(krate, &bins);
    let is_own_header = |path: &Utf8PathBuf| {
        let is_there = path.parent().is_some_and(|dir| beside.contains(dir))
            || below.iter().any(|dir| path.starts_with(dir));
        is_header(path) && is_there && is_own(path)
    };
    let listed = list_files(&krate.dir)?;
    let mut files: Vec<Utf8PathBuf> = listed.into_iter().filter(is_own_header).collect();
    files.extend(sources.into_iter().filter(|path| is_of_clang(path)));
    Ok(files)
}

/// Directories below that of the crate that have its headers.
fn header_dirs(krate: &Crate, bins: &[&Bin]) -> BTreeSet<Utf8PathBuf> {
    let libs = krate.libs.iter();
    let settings =
        libs.clone().map(|lib| &lib.settings).chain(bins.iter().map(|bin| &bin.settings));
    let dirs = libs.flat_map(|lib| &lib.headers).chain(settings.flat_map(|one| &one.include));
    // The crate's directory itself has those of others too.
    dirs.filter(|dir| dir.starts_with(&krate.dir) && **dir != krate.dir).cloned().collect()
}

/// C or C++, which clang's tools read.
pub fn is_of_clang(path: &Utf8Path) -> bool {
    matches!(source_kind(path), Some(SourceKind::Unit(Language::C | Language::Cxx)))
}

/// The files that differ from git's HEAD, without symbolic links.
///
/// # Errors
/// The workspace is in no repository, or git fails.
pub fn changed(project: &Project) -> Result<BTreeSet<Utf8PathBuf>, CliError> {
    let root = &project.workspace.root;
    changed_files(root)?.ok_or_else(|| {
        CliError::usage(format!("`{root}` is in no git repository, so `--changed` has no meaning"))
            .with_help("leave it out, or install git if it is missing")
    })
}
