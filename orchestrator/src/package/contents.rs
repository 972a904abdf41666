//! Which files an archive has. Pure: the workspace and the names of files in, places out.

use crate::manifest::{self, Crate, CrateId, LOCK_NAME, MANIFEST_NAME, Workspace};
use crate::sources::VENDOR_DIR;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("`{path}`, which the crate `{krate}` needs, lies outside of the workspace in `{root}`")]
    Outside { krate: String, path: Utf8PathBuf, root: Utf8PathBuf },
    #[error("the root manifest `{path}` cannot be changed: {why}")]
    Root { path: Utf8PathBuf, why: String },
    #[error("cannot read `{path}`: {source}")]
    Read { path: Utf8PathBuf, source: std::io::Error },
    #[error("the name of the file `{path}` is not UTF-8")]
    Name { path: String },
    #[error("git cannot list the files in `{dir}`: {why}")]
    Git { dir: Utf8PathBuf, why: String },
}

impl PackageError {
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Outside { .. } => {
                "an archive has what is in the workspace: move it there".to_owned()
            }
            Self::Name { .. } => "rename the file".to_owned(),
            Self::Git { .. } => "repair the repository, or move the crate out of it".to_owned(),
            _ => return None,
        })
    }
}

/// What is in an archive.
#[derive(Debug, PartialEq, Eq)]
pub struct PackageContents {
    /// Of the archive, and of the directory that all of it is in.
    pub stem: String,
    /// Absolute, by the path below that directory.
    pub files: BTreeMap<Utf8PathBuf, Utf8PathBuf>,
    /// The root manifest, where it differs from the file.
    pub root_manifest: Option<String>,
}

/// `list`: the files in a directory, absolute. `root_text`: the root manifest. `has`: whether a file is
/// there.
///
/// # Errors
/// The crate needs files outside of the workspace, or as `list`.
pub fn contents(
    workspace: &Workspace,
    id: CrateId,
    root_text: &str,
    list: &dyn Fn(&Utf8Path) -> Result<Vec<Utf8PathBuf>, PackageError>,
    has: &dyn Fn(&Utf8Path) -> bool,
) -> Result<PackageContents, PackageError> {
    let krate = &workspace[id];
    let root = &workspace.root;
    let crates = packaged_crates(workspace, id)?;
    let mut files = BTreeSet::new();
    for one in crates.iter().map(|id| &workspace[*id]) {
        let listed = list(&one.dir)?;
        files.extend(own_files(&one.dir, &listed));
        files.insert(one.manifest.clone());
        for path in outside_paths(one).into_iter().chain(one.files_for_sources.iter().cloned()) {
            if !path.starts_with(root) {
                let (krate, root) = (one.name.clone(), root.clone());
                return Err(PackageError::Outside { krate, path, root });
            }
            match has(&path) {
                true => drop(files.insert(path)),
                // A directory, or what a command will write.
                false => files.extend(list(&path)?),
            }
        }
    }
    files.extend([root.join(LOCK_NAME)].into_iter().filter(|path| has(path)));
    let of_root = workspace.files_for_sources.iter();
    files.extend(of_root.filter(|path| path.starts_with(root) && has(path)).cloned());
    // Copies of sources are left out, as sources are: the lock file says what they are.
    let copies = root.join(VENDOR_DIR);
    if has(&copies.join(LOCK_NAME)) {
        files.retain(|path| !path.starts_with(&copies));
    }
    let below = |path: Utf8PathBuf| {
        let below = path.strip_prefix(root).ok()?.to_owned();
        Some((below, path))
    };
    let mut files: BTreeMap<Utf8PathBuf, Utf8PathBuf> =
        files.into_iter().filter_map(below).collect();
    let members: Vec<&str> = crates
        .iter()
        .filter_map(|id| workspace[*id].dir.strip_prefix(root).ok())
        .map(Utf8Path::as_str)
        .filter(|dir| !dir.is_empty())
        .collect();
    let has_root = members.len() < crates.len();
    let root_manifest = manifest::with_members(root_text, &members, has_root)
        .map_err(|why| PackageError::Root { path: workspace.manifest.clone(), why })?;
    files.insert(MANIFEST_NAME.into(), workspace.manifest.clone());
    let stem = format!("{}-{}", krate.name, krate.version);
    Ok(PackageContents { stem, files, root_manifest })
}

/// The crate and all that its manifest, and those of its dependencies, name.
///
/// # Errors
/// [`PackageError::Outside`]: one lies outside of the workspace.
fn packaged_crates(workspace: &Workspace, id: CrateId) -> Result<Vec<CrateId>, PackageError> {
    let (mut found, mut open) = (BTreeSet::from([id]), vec![id]);
    while let Some(id) = open.pop() {
        let krate = &workspace[id];
        for declared in &krate.declared {
            let other = &workspace[declared.krate];
            // It is fetched again.
            if other.source.is_some() {
                continue;
            }
            if !other.dir.starts_with(&workspace.root) {
                return Err(PackageError::Outside {
                    krate: krate.name.clone(),
                    path: other.dir.clone(),
                    root: workspace.root.clone(),
                });
            }
            if found.insert(declared.krate) {
                open.push(declared.krate);
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// Without those of crates whose directories are below.
fn own_files(dir: &Utf8Path, listed: &[Utf8PathBuf]) -> Vec<Utf8PathBuf> {
    let inner: BTreeSet<&Utf8Path> = listed
        .iter()
        .filter(|path| path.file_name() == Some(MANIFEST_NAME))
        .filter_map(|path| path.parent())
        .filter(|inner| *inner != dir)
        .collect();
    let is_own = |path: &&Utf8PathBuf| !path.ancestors().any(|above| inner.contains(above));
    listed.iter().filter(is_own).cloned().collect()
}

/// What a manifest names outside of the crate's directory.
fn outside_paths(krate: &Crate) -> BTreeSet<Utf8PathBuf> {
    let libs = krate.libs.iter().flat_map(|lib| {
        let own = lib.sources.all().chain(&lib.headers).chain(&lib.exports);
        own.chain(&lib.settings.include).chain(&lib.settings.inputs)
    });
    let bins = krate
        .bins
        .iter()
        .flat_map(|bin| bin.sources.all().chain(&bin.settings.include).chain(&bin.settings.inputs));
    let commands = krate.generate.iter().flat_map(|command| &command.inputs);
    let templates = krate.config_headers.iter().flat_map(|config| &config.template);
    let installed = krate.install.man.iter().flatten();
    let data = krate.install.data.iter().flat_map(|(_, sources)| sources);
    let all = libs.chain(bins).chain(commands).chain(templates).chain(installed);
    let all = all.chain(data.map(|source| &source.path));
    all.filter(|path| path.is_absolute() && !path.starts_with(&krate.dir)).cloned().collect()
}
