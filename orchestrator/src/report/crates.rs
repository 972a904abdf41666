//! The texts about a crate in reports: its names, its paths, its targets. Taken from the workspace
//! once.
//!
//! Events name items, and the graph has ids of crates; this file has all text about a crate.

use crate::graph::{Item, ItemKind};
use crate::manifest::{Bin, Crate, CrateId, Lib, ProgramKind, Workspace};
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
    libs: Vec<LibInfo>,
    bins: Vec<BinInfo>,
    /// Directories of its library's public headers, absolute, without generated ones.
    pub headers: Vec<Utf8PathBuf>,
}

#[derive(Clone, Debug)]
struct LibInfo {
    name: String,
    /// Keys of items have its name.
    in_list: bool,
    /// Cargo's.
    kinds: Vec<&'static str>,
    /// The first source, absolute.
    source: Option<Utf8PathBuf>,
}

#[derive(Clone, Debug)]
struct BinInfo {
    name: String,
    kind: ProgramKind,
    source: Option<Utf8PathBuf>,
}

/// The part of a crate that an item belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrateTarget<'a> {
    /// The place of the library in its crate.
    Lib(usize),
    Program(ProgramKind, &'a str),
    Generate,
}

impl Crates {
    pub fn new(workspace: &Workspace) -> Self {
        let mut all: Vec<CrateInfo> = workspace.crates.iter().map(CrateInfo::new).collect();
        for (id, dev) in &workspace.dev_crates {
            all[id.0 as usize].bins.extend(dev.bins.iter().map(BinInfo::new));
        }
        Self { all }
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
        let steps = [" check", " scan", " interface", " precompile", " share"];
        let words = steps.iter().find_map(|step| words.strip_prefix(step)).unwrap_or(words);
        let words = words.strip_prefix(" host").filter(|_| item.host).unwrap_or(words);
        let krate = self.of(item);
        let of_kind = |kind: ProgramKind| {
            let rest = words.strip_prefix(' ')?.strip_prefix(kind.word())?.strip_prefix(' ')?;
            Some((kind, rest))
        };
        if let Some((kind, rest)) = ProgramKind::ALL.into_iter().find_map(of_kind) {
            let bins = krate.bins.iter().filter(|bin| bin.kind == kind);
            let name = first_name(rest, bins.map(|bin| bin.name.as_str()));
            return name.map_or(CrateTarget::Lib(0), |name| CrateTarget::Program(kind, name));
        }
        let rest = words.trim_start().split_once(' ').map_or("", |(_, rest)| rest);
        let in_list = krate.libs.iter().filter(|lib| lib.in_list).map(|lib| lib.name.as_str());
        let place = first_name(rest, in_list)
            .and_then(|name| krate.libs.iter().position(|lib| lib.name == name));
        CrateTarget::Lib(place.unwrap_or(0))
    }
}

/// The longest of these names that the text begins with.
fn first_name<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .filter(|name| {
            text.strip_prefix(name).is_some_and(|tail| tail.is_empty() || tail.starts_with(' '))
        })
        .max_by_key(|name| name.len())
}

impl CrateInfo {
    fn new(krate: &Crate) -> Self {
        Self {
            name: krate.name.clone(),
            version: krate.version.clone(),
            dir: krate.dir.clone(),
            manifest: krate.manifest.clone(),
            libs: krate.libs.iter().map(LibInfo::new).collect(),
            bins: krate.bins.iter().map(BinInfo::new).collect(),
            headers: krate
                .libs
                .iter()
                .flat_map(|lib| &lib.headers)
                .filter(|dir| dir.is_absolute())
                .cloned()
                .collect(),
        }
    }

    pub fn has_library(&self) -> bool {
        !self.libs.is_empty()
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
            CrateTarget::Program(kind, _) => vec![kind.word()],
            CrateTarget::Generate => vec!["custom-build"],
            // Headers of `[config]` are there without a library.
            CrateTarget::Lib(place) => {
                self.libs.get(place).map_or(vec!["staticlib"], |lib| lib.kinds.clone())
            }
        }
    }

    pub fn target_name<'a>(&'a self, target: CrateTarget<'a>) -> &'a str {
        match target {
            CrateTarget::Program(_, name) => name,
            CrateTarget::Lib(place) => self.libs.get(place).map_or(&self.name, |lib| &lib.name),
            CrateTarget::Generate => &self.name,
        }
    }

    /// The target's first source; the manifest if there is none, as for generated sources.
    pub fn target_source(&self, target: CrateTarget<'_>) -> &Utf8Path {
        let source = match target {
            CrateTarget::Program(kind, name) => {
                let is_it = |bin: &&BinInfo| bin.kind == kind && bin.name == name;
                self.bins.iter().find(is_it).and_then(|bin| bin.source.as_deref())
            }
            CrateTarget::Lib(place) => self.libs.get(place).and_then(|lib| lib.source.as_deref()),
            CrateTarget::Generate => None,
        };
        source.unwrap_or(&self.manifest)
    }
}

impl BinInfo {
    fn new(bin: &Bin) -> Self {
        let source = bin.sources.files.first().cloned();
        Self { name: bin.name.clone(), kind: bin.kind, source }
    }
}

impl LibInfo {
    fn new(lib: &Lib) -> Self {
        let kinds = [(lib.staticlib, "staticlib"), (lib.cdylib, "cdylib"), (lib.object, "object")];
        Self {
            name: lib.name.clone(),
            in_list: lib.in_list,
            kinds: kinds.into_iter().filter_map(|(is, kind)| is.then_some(kind)).collect(),
            source: lib.sources.files.first().cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[track_caller]
    fn check(key: &str, expect: CrateTarget<'_>) {
        let mut workspace = fixture::workspace();
        let mut unit = workspace.crates[0].bins[0].clone();
        (unit.name, unit.kind) = ("unit".into(), ProgramKind::Test);
        let dev = Crate { bins: vec![unit], ..workspace.crates[0].clone() };
        workspace.dev_crates.insert(CrateId(0), dev);
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
        let bin = |name| CrateTarget::Program(ProgramKind::Bin, name);
        check("app bin app", bin("app"));
        check("app bin app src/main.c", bin("app"));
        check("app bin app two src/main.c", bin("app two"));
        check("app lib src/bin app.c", CrateTarget::Lib(0));
        check("app check bin app src/main.c", bin("app"));
        check("app scan bin app src/main.cc", bin("app"));
        check("app interface bin app math:part", bin("app"));
        check("app archive", CrateTarget::Lib(0));
        check("app test app", CrateTarget::Lib(0));
        check("app test unit tests/unit.c", CrateTarget::Program(ProgramKind::Test, "unit"));
        check("app check test unit tests/unit.c", CrateTarget::Program(ProgramKind::Test, "unit"));
        check("app bench unit", CrateTarget::Lib(0));
    }
}
