//! The texts about a crate in reports: its names, its paths, its targets. Taken from the workspace
//! once.
//!
//! Events name items, and the graph has ids of crates; this file has all text about a crate.

use crate::graph::{Item, ItemKind};
use crate::manifest::{Crate, CrateId, Workspace};
use crate::report::words;
use camino::{Utf8Path, Utf8PathBuf};

/// Indexed by `CrateId`.
#[derive(Clone, Debug, Default)]
pub struct Crates {
    all: Vec<CrateInfo>,
}

#[derive(Clone, Debug)]
pub struct CrateInfo {
    pub name: String,
    pub version: String,
    /// Absolute.
    pub dir: Utf8PathBuf,
    /// Absolute.
    pub manifest: Utf8PathBuf,
    /// The first source of the library, absolute, if there is one.
    lib: Option<LibInfo>,
    bins: Vec<BinInfo>,
    /// Directories of its library's public headers, absolute, without generated ones.
    pub headers: Vec<Utf8PathBuf>,
}

#[derive(Clone, Debug)]
struct LibInfo {
    staticlib: bool,
    cdylib: bool,
    source: Option<Utf8PathBuf>,
}

#[derive(Clone, Debug)]
struct BinInfo {
    name: String,
    source: Option<Utf8PathBuf>,
}

/// The part of a crate that an item belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrateTarget<'a> {
    Lib,
    Bin(&'a str),
    Generate,
}

impl Crates {
    pub fn new(workspace: &Workspace) -> Self {
        Self { all: workspace.crates.iter().map(CrateInfo::new).collect() }
    }

    pub fn get(&self, id: CrateId) -> &CrateInfo {
        &self.all[id.0 as usize]
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn all(&self) -> &[CrateInfo] {
        &self.all
    }

    pub fn of(&self, item: &Item) -> &CrateInfo {
        self.get(item.krate)
    }

    /// Read from the item's key, e.g. `app bin app src/main.c`. A program's name may have spaces,
    /// so the longest matching name of the crate is taken.
    pub fn target<'a>(&'a self, item: &Item) -> CrateTarget<'a> {
        if item.kind == ItemKind::Generate {
            return CrateTarget::Generate;
        }
        let words = item.key.strip_prefix(item.krate_name.as_str()).unwrap_or(&item.key);
        let words = words.strip_prefix(" host").filter(|_| item.host).unwrap_or(words);
        let Some(rest) = words.strip_prefix(" bin ") else { return CrateTarget::Lib };
        self.of(item)
            .bins
            .iter()
            .map(|bin| bin.name.as_str())
            .filter(|name| {
                rest.strip_prefix(name).is_some_and(|tail| tail.is_empty() || tail.starts_with(' '))
            })
            .max_by_key(|name| name.len())
            .map_or(CrateTarget::Lib, CrateTarget::Bin)
    }
}

impl CrateInfo {
    fn new(krate: &Crate) -> Self {
        Self {
            name: krate.name.clone(),
            version: krate.version.clone(),
            dir: krate.dir.clone(),
            manifest: krate.manifest.clone(),
            lib: krate.lib.as_ref().map(|lib| LibInfo {
                staticlib: lib.staticlib,
                cdylib: lib.cdylib,
                source: lib.sources.files.first().cloned(),
            }),
            bins: krate
                .bins
                .iter()
                .map(|bin| BinInfo {
                    name: bin.name.clone(),
                    source: bin.sources.files.first().cloned(),
                })
                .collect(),
            headers: krate
                .lib
                .iter()
                .flat_map(|lib| &lib.headers)
                .filter(|dir| dir.is_absolute())
                .cloned()
                .collect(),
        }
    }

    pub fn has_library(&self) -> bool {
        self.lib.is_some()
    }

    /// `zstd v0.1.0 (/path/to/zstd)`, on one line, whatever characters the path has.
    pub fn describe(&self) -> String {
        format!("{} v{} ({})", self.name, self.version, words::visible(self.dir.as_str()))
    }

    /// Cargo's form of a package id for a crate on this machine.
    pub fn package_id(&self) -> String {
        format!("path+file://{}#{}@{}", self.dir, self.name, self.version)
    }

    /// Cargo's `kind` of a target; `crate_types` has the same value.
    pub fn target_kinds(&self, target: CrateTarget<'_>) -> Vec<&'static str> {
        match target {
            CrateTarget::Bin(_) => vec!["bin"],
            CrateTarget::Generate => vec!["custom-build"],
            CrateTarget::Lib => {
                let (staticlib, cdylib) =
                    self.lib.as_ref().map_or((true, false), |l| (l.staticlib, l.cdylib));
                let kinds = [(staticlib, "staticlib"), (cdylib, "cdylib")];
                kinds.into_iter().filter_map(|(is, kind)| is.then_some(kind)).collect()
            }
        }
    }

    pub fn target_name<'a>(&'a self, target: CrateTarget<'a>) -> &'a str {
        match target {
            CrateTarget::Bin(name) => name,
            CrateTarget::Lib | CrateTarget::Generate => &self.name,
        }
    }

    /// The target's first source; the manifest if there is none, as for generated sources.
    pub fn target_source(&self, target: CrateTarget<'_>) -> &Utf8Path {
        let source = match target {
            CrateTarget::Bin(name) => {
                self.bins.iter().find(|bin| bin.name == name).and_then(|bin| bin.source.as_deref())
            }
            CrateTarget::Lib => self.lib.as_ref().and_then(|lib| lib.source.as_deref()),
            CrateTarget::Generate => None,
        };
        source.unwrap_or(&self.manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[track_caller]
    fn check(key: &str, expect: CrateTarget<'_>) {
        let workspace = fixture::workspace();
        let crates = Crates::new(&workspace);
        let mut item = fixture::graph().items[4].clone();
        item.key = key.to_owned();
        assert_eq!(crates.target(&item), expect);
    }

    #[test]
    fn crate_description_is_one_line() {
        let mut krate = Crates::new(&fixture::workspace()).get(CrateId(1)).clone();
        assert_eq!(krate.describe(), "zip v0.1.0 (/ws/zip)");
        krate.dir = "/ws/z\nip\u{1b}[2J".into();
        assert_eq!(krate.describe(), r"zip v0.1.0 (/ws/z\nip\u{1b}[2J)");
    }

    #[test]
    fn item_key_names_its_target() {
        check("app bin app", CrateTarget::Bin("app"));
        check("app bin app src/main.c", CrateTarget::Bin("app"));
        check("app bin app two src/main.c", CrateTarget::Bin("app two"));
        check("app lib src/bin app.c", CrateTarget::Lib);
        check("app archive", CrateTarget::Lib);
    }
}
