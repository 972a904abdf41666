//! Which libraries others cannot be used without. Pure.
//!
//! An archive has the objects of its own crate alone, so all that it depends on is linked with it. A
//! shared library has in it what it was linked with from archives. It needs other shared libraries
//! when it is loaded, and its headers may include those of public dependencies.

use super::InstallError;
use super::survey::has_public_headers;
use crate::manifest::{Crate, CrateId, Lib, Workspace};
use std::collections::BTreeSet;

/// A library that users of another one need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LibraryNeed {
    pub krate: CrateId,
    /// Its place in the crate.
    pub lib: usize,
    /// Links name it, not only links with the archive.
    pub public: bool,
    /// Links with the archive take all of its objects.
    pub whole: bool,
}

/// The crates whose libraries are installed with those of `roots`, whose programs are installed too.
/// Sorted; without the roots.
pub fn needed_crates(workspace: &Workspace, roots: &[CrateId]) -> Vec<CrateId> {
    let mut needed: BTreeSet<CrateId> = roots.iter().copied().collect();
    let mut open: Vec<CrateId> = roots.to_vec();
    while let Some(id) = open.pop() {
        let krate = &workspace[id];
        let mut next = Vec::new();
        for (place, lib) in krate.libs.iter().enumerate() {
            if !lib.is_plugin() {
                next.extend(library_needs(workspace, id, place).iter().map(|need| need.krate));
            }
            if lib.cdylib {
                loaded_with(workspace, id, Some(place), &mut BTreeSet::new(), &mut next);
            }
        }
        if roots.contains(&id) && !krate.bins.is_empty() {
            loaded_with(workspace, id, None, &mut BTreeSet::new(), &mut next);
        }
        for krate in next {
            if needed.insert(krate) {
                open.push(krate);
            }
        }
    }
    needed.retain(|krate| !roots.contains(krate));
    needed.into_iter().collect()
}

/// Adds the crates whose shared libraries a target of a crate loads: a library by its place, or a
/// program.
fn loaded_with(
    workspace: &Workspace,
    id: CrateId,
    target: Option<usize>,
    seen: &mut BTreeSet<(CrateId, usize)>,
    found: &mut Vec<CrateId>,
) {
    let krate = &workspace[id];
    let own = match target {
        Some(lib) => krate.libs[lib].uses.clone(),
        None => krate.default_libs(),
    };
    let of_dependencies =
        krate.dependencies.iter().filter(|one| !one.headers_only).flat_map(|one| {
            let libs = one.libs.clone().unwrap_or_else(|| workspace[one.krate].default_libs());
            libs.into_iter().map(|lib| (one.krate, lib))
        });
    let linked = own.into_iter().map(|lib| (id, lib)).chain(of_dependencies);
    for (id, lib) in linked.collect::<Vec<_>>() {
        if !seen.insert((id, lib)) {
            continue;
        }
        match workspace[id].libs[lib].is_linked_shared() {
            true => found.push(id),
            false => loaded_with(workspace, id, Some(lib), seen, found),
        }
    }
}

/// What a library, which is no plugin, cannot be used without. Those of its own crate come first.
pub(super) fn library_needs(workspace: &Workspace, id: CrateId, place: usize) -> Vec<LibraryNeed> {
    let krate = &workspace[id];
    let lib = &krate.libs[place];
    let shows = !lib.headers.is_empty() || has_public_headers(krate) || krate.has_modules();
    let mut needs: Vec<LibraryNeed> = Vec::new();
    let mut add = |krate: CrateId, place: usize, edge: NeedEdge| {
        let other = &workspace[krate].libs[place];
        if other.object {
            return;
        }
        let loaded = edge.linked && other.is_linked_shared();
        let of_archive = edge.linked && !is_shared_alone(lib);
        if loaded || of_archive || (edge.public && shows) {
            let public = edge.linked && (!lib.cdylib || (loaded && edge.public));
            let whole = edge.whole && !other.is_linked_shared();
            needs.push(LibraryNeed { krate, lib: place, public, whole });
        }
    };
    for used in &lib.uses {
        add(id, *used, NeedEdge { linked: true, public: true, whole: false });
    }
    for one in &krate.dependencies {
        let libs = one.libs.clone().unwrap_or_else(|| workspace[one.krate].default_libs());
        for other in libs {
            let linked = !one.headers_only;
            add(
                one.krate,
                other,
                NeedEdge { linked, public: one.public, whole: one.whole_archive },
            );
        }
    }
    needs
}

/// How a library depends on another.
#[derive(Clone, Copy)]
struct NeedEdge {
    linked: bool,
    public: bool,
    whole: bool,
}

fn is_shared_alone(lib: &Lib) -> bool {
    lib.cdylib && !lib.staticlib
}

/// # Errors
/// [`InstallError::Object`]: links with the archive of a library need objects that are in no file.
pub(super) fn check_objects(
    workspace: &Workspace,
    krate: &Crate,
    lib: &Lib,
) -> Result<(), InstallError> {
    if is_shared_alone(lib) {
        return Ok(());
    }
    let own = lib.uses.iter().map(|used| &krate.libs[*used]);
    let others = krate.dependencies.iter().filter(|one| !one.headers_only).flat_map(|one| {
        let libs = one.libs.clone().unwrap_or_else(|| workspace[one.krate].default_libs());
        libs.into_iter().map(|lib| &workspace[one.krate].libs[lib])
    });
    match own.chain(others).find(|other| other.object) {
        None => Ok(()),
        Some(object) => Err(InstallError::Object {
            krate: krate.name.clone(),
            library: lib.name.clone(),
            object: object.name.clone(),
        }),
    }
}
