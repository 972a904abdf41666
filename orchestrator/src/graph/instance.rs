//! A crate in one of its two builds: for the users of the build, or for the build itself, whose
//! commands run the crate's programs. Both may be in one graph, so that their keys and all paths
//! that they write differ. Does no I/O and knows no items.

use super::paths::profile_dir;
use crate::manifest::{Crate, CrateId, Lib, Profile, Workspace};
use camino::{Utf8Path, Utf8PathBuf};
use std::borrow::Cow;
use std::collections::HashSet;

/// Which of the two; and the tests, examples and benchmarks of the crate, which are a crate of their
/// own beside the one for users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum BuiltFor {
    Users,
    Build,
    Dev,
}

/// All crates in one of their builds.
#[derive(Clone, Copy)]
pub(super) struct CratesOf<'a> {
    workspace: &'a Workspace,
    built_for: BuiltFor,
}

impl<'a> CratesOf<'a> {
    /// The crate that is built.
    pub fn root(self, id: CrateId) -> &'a Crate {
        self.built_for.krate(self.workspace, id)
    }

    /// A crate that it depends on.
    pub fn of(self, id: CrateId) -> &'a Crate {
        self.built_for.of_dependencies().krate(self.workspace, id)
    }
}

impl BuiltFor {
    pub fn crates(self, workspace: &Workspace) -> CratesOf<'_> {
        CratesOf { workspace, built_for: self }
    }

    /// The crate in this of its builds.
    ///
    /// # Panics
    /// `Dev`, and it has neither tests nor the like.
    pub fn krate(self, workspace: &Workspace, id: CrateId) -> &Crate {
        match self {
            BuiltFor::Users => &workspace[id],
            BuiltFor::Build => workspace.host_crate(id),
            BuiltFor::Dev => &workspace.dev_crates[&id],
        }
    }

    /// In which of their builds it uses other crates.
    pub fn of_dependencies(self) -> BuiltFor {
        match self {
            BuiltFor::Users | BuiltFor::Dev => BuiltFor::Users,
            BuiltFor::Build => BuiltFor::Build,
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Instance<'a> {
    pub id: CrateId,
    pub krate: &'a Crate,
    pub built_for: BuiltFor,
}

impl Instance<'_> {
    pub fn is_host(&self) -> bool {
        self.built_for == BuiltFor::Build
    }

    /// `what` with a leading `host` where it is built for the build, for keys and symbols. No name
    /// of a target begins so.
    pub fn target(&self, what: &str) -> String {
        match self.built_for {
            BuiltFor::Users | BuiltFor::Dev => what.to_owned(),
            BuiltFor::Build => format!("host {what}"),
        }
    }

    /// The key of an item.
    pub fn key(&self, what: &str) -> String {
        format!("{} {}", self.krate.name, self.target(what))
    }
}

/// How the crates of one of the two builds are compiled, and where their outputs go.
pub(super) struct Side<'a> {
    /// Programs and libraries.
    pub out_dir: Utf8PathBuf,
    /// Has a directory for each crate.
    pub crates_dir: Utf8PathBuf,
    /// By `CrateId`.
    profiles: Vec<Cow<'a, Profile>>,
}

impl<'a> Side<'a> {
    pub fn new(
        workspace: &Workspace,
        profile: &'a Profile,
        target_dir: &Utf8Path,
        built_for: BuiltFor,
    ) -> Side<'a> {
        let mut is_member = vec![false; workspace.crates.len()];
        workspace.members.iter().for_each(|id| is_member[id.0 as usize] = true);
        let crates = workspace.crates.iter().zip(is_member);
        let profiles =
            crates.map(|(krate, member)| profile.of_crate(&krate.name, member)).collect();
        let out_dir = target_dir.join(profile_dir(profile));
        let state_dir = out_dir.join(".tender");
        match built_for {
            BuiltFor::Users | BuiltFor::Dev => Side { out_dir, crates_dir: state_dir, profiles },
            // A crate named `host` has other directories there: `obj`, `out` and `lto`.
            BuiltFor::Build => {
                let host = host_dir(&state_dir);
                Side { out_dir: host.join("bin"), crates_dir: host.join("crates"), profiles }
            }
        }
    }

    pub fn profile(&self, id: CrateId) -> Cow<'a, Profile> {
        self.profiles[id.0 as usize].clone()
    }
}

/// Where the outputs of crates that are built for the build go, in the state directory of a
/// profile.
fn host_dir(state_dir: &Utf8Path) -> Utf8PathBuf {
    state_dir.join("host")
}

/// Where programs and libraries go that are built for the build.
pub fn host_bin_dir(state_dir: &Utf8Path) -> Utf8PathBuf {
    host_dir(state_dir).join("bin")
}

/// The keys of the items that make the programs and libraries of a workspace, in both builds and
/// whatever a build asks for.
pub fn target_keys(workspace: &Workspace) -> HashSet<String> {
    let mut keys = HashSet::new();
    for id in (0..workspace.crates.len() as u32).map(CrateId) {
        for built_for in [BuiltFor::Users, BuiltFor::Build] {
            let krate = built_for.krate(workspace, id);
            let of = Instance { id, krate, built_for };
            // One of headers alone has no file, and an object library none of its own.
            let is_file = |lib: &&Lib| {
                !lib.object && (lib.sources.all().next().is_some() || !krate.generate.is_empty())
            };
            for lib in krate.libs.iter().filter(is_file) {
                if !lib.is_linked_shared() {
                    keys.insert(of.key(&lib.target_name("archive")));
                }
                if lib.cdylib {
                    keys.insert(of.key(&lib.target_name("shared")));
                }
            }
            keys.extend(krate.bins.iter().map(|bin| of.key(&format!("bin {}", bin.name))));
        }
    }
    keys
}

/// What a crate may have left in the state directory of a profile, when it was built for the build:
/// files and directories.
pub fn host_outputs(state_dir: &Utf8Path, krate: &Crate) -> Vec<Utf8PathBuf> {
    let host = host_dir(state_dir);
    let programs = krate.bins.iter().map(|bin| bin.name.clone());
    let libraries = krate.libs.iter().flat_map(|lib| {
        [lib.archive_file(), lib.shared_file()].into_iter().chain(lib.shared_links())
    });
    let files = programs.chain(libraries).map(|name| host.join("bin").join(name));
    files.chain([host.join("crates").join(&krate.name)]).collect()
}
