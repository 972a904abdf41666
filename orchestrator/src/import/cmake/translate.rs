//! What cmake builds -> the manifests of a workspace. Pure, but for asking which files are there.
//! What a manifest cannot say, or cmake does not tell, is said in sentences.

use super::reply::{CmakeKind, CmakeProject, CmakeSource, CmakeTarget};
use crate::import::adopt::{Decision, plain_name};
use crate::import::words::{ImportedUnit, merge};
use crate::manifest::{
    BinDraft, LibDraft, ManifestDraft, PackageDraft, SettingsDraft, check_link, normalise,
};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};

/// Manifests by their directories, the root's first, and what was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    pub root: Utf8PathBuf,
    pub manifests: Vec<(Utf8PathBuf, ManifestDraft)>,
    pub decisions: Vec<Decision>,
}

/// One crate for each library, with the programs of its directory that link it; programs that link
/// none of their directory are crates of their own. `is_there` tells whether a file or directory
/// exists.
pub fn translate(project: &CmakeProject, is_there: &dyn Fn(&Utf8Path) -> bool) -> Translation {
    let mut translator = Translator {
        project,
        is_there,
        targets: resolved(project),
        decisions: Vec::new(),
        links: Vec::new(),
    };
    translator.links = translator.read_links();
    translator.translate()
}

/// Targets that a manifest can have, with the sources of object libraries among those of the targets
/// that link them.
fn resolved(project: &CmakeProject) -> Vec<CmakeTarget> {
    let by_id: BTreeMap<&str, &CmakeTarget> =
        project.targets.iter().map(|target| (target.id.as_str(), target)).collect();
    let mut targets = Vec::new();
    for target in &project.targets {
        if matches!(target.kind, CmakeKind::Other | CmakeKind::Object) {
            continue;
        }
        let mut target = target.clone();
        let mut waiting = std::mem::take(&mut target.dependencies);
        let mut seen = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            let Some(dependency) = by_id.get(id.as_str()) else { continue };
            if !seen.insert(id.clone()) || id == target.id {
                continue;
            }
            match dependency.kind {
                CmakeKind::Object => {
                    target.sources.extend(dependency.sources.iter().cloned());
                    target.generated.extend(dependency.generated.iter().cloned());
                    waiting.extend(dependency.dependencies.iter().cloned());
                }
                CmakeKind::Static | CmakeKind::Shared => target.dependencies.push(id),
                CmakeKind::Plugin | CmakeKind::Program | CmakeKind::Other => {}
            }
        }
        // In the order in which cmake has them.
        let place = |id: &String| project.targets.iter().position(|other| other.id == *id);
        target.dependencies.sort_by_key(place);
        targets.push(target);
    }
    targets
}

/// The link of a target, without what it links of this project.
#[derive(Clone, Debug, Default)]
struct TargetLink {
    libraries: Vec<String>,
    args: Vec<String>,
    exports: Option<Utf8PathBuf>,
}

/// Targets that become one crate.
struct PlannedCrate {
    dir: Utf8PathBuf,
    name: String,
    lib: Option<usize>,
    bins: Vec<usize>,
}

struct Translator<'a> {
    project: &'a CmakeProject,
    is_there: &'a dyn Fn(&Utf8Path) -> bool,
    targets: Vec<CmakeTarget>,
    decisions: Vec<Decision>,
    /// By target.
    links: Vec<TargetLink>,
}

impl Translator<'_> {
    fn translate(mut self) -> Translation {
        let crates = self.crates();
        let root = self.project.source.clone();
        if let Some(name) = &self.project.configuration {
            let text = format!("configuration `{name}`, the first of several");
            self.decisions.push(Decision { verb: "Read", text });
        }
        let mut manifests = Vec::new();
        let owner: BTreeMap<usize, usize> = crates
            .iter()
            .enumerate()
            .filter_map(|(at, planned)| Some((planned.lib?, at)))
            .collect();
        for planned in &crates {
            let package = self.package(planned, &crates, &owner);
            manifests.push((
                planned.dir.clone(),
                ManifestDraft { members: None, package: Some(package) },
            ));
        }
        let members: Vec<String> = manifests
            .iter()
            .filter(|(dir, _)| *dir != root)
            .map(|(dir, _)| relative(&root, dir, &root))
            .collect();
        match manifests.iter_mut().find(|(dir, _)| *dir == root) {
            Some((_, draft)) if !members.is_empty() => draft.members = Some(members),
            Some(_) => {}
            None => {
                let draft = ManifestDraft { members: Some(members), package: None };
                manifests.push((root.clone(), draft));
            }
        }
        manifests.sort_by_key(|(dir, _)| (*dir != root, dir.clone()));
        let mut decisions = std::mem::take(&mut self.decisions);
        if self.reads_build_directory(&manifests) {
            let text = format!(
                "`{}` as it is: headers or sources that cmake's configuring made lie there",
                self.project.build
            );
            decisions.push(Decision { verb: "Keep", text });
        }
        Translation { root, manifests, decisions }
    }

    fn reads_build_directory(&self, manifests: &[(Utf8PathBuf, ManifestDraft)]) -> bool {
        let is_in = |dir: &Utf8Path, path: &String| {
            normalise(&dir.join(path)).starts_with(&self.project.build)
        };
        manifests.iter().any(|(dir, draft)| {
            let package = draft.package.iter();
            let lib = package.clone().filter_map(|package| package.lib.as_ref());
            let bins = package.flat_map(|package| &package.bins);
            lib.clone()
                .flat_map(|lib| lib.settings.include.iter().chain(lib.headers.iter().flatten()))
                .chain(lib.flat_map(|lib| lib.sources.iter().flatten()))
                .chain(bins.flat_map(|bin| bin.settings.include.iter().chain(&bin.sources)))
                .any(|path| is_in(dir, path))
        })
    }

    fn is_library(&self, at: usize) -> bool {
        self.targets[at].kind != CmakeKind::Program
    }

    /// The first library of a directory has its manifest there; other crates get directories of
    /// their own names.
    fn crates(&self) -> Vec<PlannedCrate> {
        let mut crates: Vec<PlannedCrate> = Vec::new();
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut dirs: BTreeSet<Utf8PathBuf> = BTreeSet::new();
        let root = &self.project.source;
        let all_dirs: BTreeSet<&Utf8PathBuf> =
            self.targets.iter().map(|target| &target.dir).collect();
        let order = (0..self.targets.len()).filter(|at| self.is_library(*at));
        let programs = (0..self.targets.len()).filter(|at| !self.is_library(*at));
        for at in order.chain(programs) {
            let target = &self.targets[at];
            let home = match target.dir.starts_with(root) {
                true => target.dir.clone(),
                false => root.clone(),
            };
            let joined = crates.iter_mut().find(|planned| {
                let lib = planned.lib.map(|lib| &self.targets[lib].id);
                let links = lib.is_some_and(|lib| target.dependencies.contains(lib));
                let is_free =
                    planned.bins.iter().all(|bin| self.program_name(*bin) != self.program_name(at));
                !self.is_library(at) && planned.dir == home && links && is_free
            });
            if let Some(planned) = joined {
                planned.bins.push(at);
                continue;
            }
            let name = unique(&plain_name(&target.name), |name| names.contains(name));
            names.insert(name.clone());
            let dir = match dirs.contains(&home) {
                false => home,
                true => {
                    let taken = |name: &str| {
                        let dir = home.join(name);
                        dirs.contains(&dir) || all_dirs.contains(&dir)
                    };
                    home.join(unique(&name, taken))
                }
            };
            dirs.insert(dir.clone());
            let is_library = self.is_library(at);
            crates.push(PlannedCrate {
                dir,
                name,
                lib: is_library.then_some(at),
                bins: if is_library { vec![] } else { vec![at] },
            });
        }
        crates
    }

    fn program_name(&self, at: usize) -> String {
        plain_name(&self.targets[at].name_on_disk)
    }

    fn package(
        &mut self,
        planned: &PlannedCrate,
        crates: &[PlannedCrate],
        owner: &BTreeMap<usize, usize>,
    ) -> PackageDraft {
        let mut package = PackageDraft {
            name: planned.name.clone(),
            version: "0.1.0".to_owned(),
            ..PackageDraft::default()
        };
        let all: Vec<usize> = planned.lib.into_iter().chain(planned.bins.iter().copied()).collect();
        for at in &all {
            for id in &self.targets[*at].dependencies {
                let crate_of =
                    self.position(id).and_then(|at| owner.get(&at)).map(|at| &crates[*at]);
                let Some(other) = crate_of.filter(|other| other.name != planned.name) else {
                    continue;
                };
                let path = relative(&planned.dir, &other.dir, &self.project.source);
                let dependency = (other.name.clone(), path);
                if !package.dependencies.contains(&dependency) {
                    package.dependencies.push(dependency);
                }
            }
        }
        if let Some(at) = planned.lib {
            package.lib = Some(self.library(at, planned, &mut package.remarks));
        }
        for at in &planned.bins {
            let name = self.program_name(*at);
            let sources = self.sources(*at, planned, &mut package.remarks);
            let settings = self.settings(*at, planned, &[]);
            let target = &self.targets[*at];
            let text = format!("`{name}`: {}, of target `{}`", counted(sources.len()), target.name);
            self.decisions.push(Decision { verb: "Program", text });
            package.bins.push(BinDraft { name, sources, settings });
        }
        package
    }

    fn library(
        &mut self,
        at: usize,
        planned: &PlannedCrate,
        remarks: &mut Vec<String>,
    ) -> LibDraft {
        let sources = self.sources(at, planned, remarks);
        let (headers, public_defines) = self.public(at);
        let settings = self.settings(at, planned, &headers);
        let target = &self.targets[at];
        let kind = match target.kind {
            CmakeKind::Static => "static",
            CmakeKind::Plugin => "a plugin, made as a shared library",
            _ => "shared",
        };
        let text = format!(
            "`{}`: {}, {kind}, of target `{}`",
            planned.name,
            counted(sources.len()),
            target.name
        );
        self.decisions.push(Decision { verb: "Library", text });
        let is_linked = self.targets.iter().any(|other| {
            other.kind != CmakeKind::Static && self.reached(other).contains(&target.id)
        });
        if target.kind == CmakeKind::Static && !is_linked {
            let text = format!(
                "which system libraries `{}` needs: no program links it; name them in `link`",
                planned.name
            );
            self.decisions.push(Decision { verb: "Unknown", text });
        }
        let shown = |path: &String| self.shown(planned, Utf8Path::new(path));
        let headers: Vec<String> = headers.iter().map(shown).collect();
        let link = &self.links[at];
        if let Some(script) = &link.exports {
            // The manifest has a key for it; a script that is made by a command cannot be named yet.
            if !(self.is_there)(script) {
                let text = format!(
                    "`{}` exports by `{script}`, which is not there: name it in `exports`",
                    planned.name
                );
                self.decisions.push(Decision { verb: "Left out", text });
            }
        }
        let exports = link.exports.as_ref().filter(|script| (self.is_there)(script));
        LibDraft {
            sources: Some(sources),
            headers: Some(headers),
            public_defines,
            is_shared: target.kind != CmakeKind::Static,
            exports: exports.map(|script| self.shown(planned, script)),
            settings,
        }
    }

    /// What the dependents of a library have by linking it; where nothing does, what its directories
    /// are named.
    fn public(&self, at: usize) -> (Vec<String>, Vec<String>) {
        let target = &self.targets[at];
        let own = |list: fn(&CmakeSource) -> &Vec<String>| {
            let mut all: Vec<String> = Vec::new();
            for item in target.sources.iter().flat_map(list) {
                if !all.contains(item) {
                    all.push(item.clone());
                }
            }
            all
        };
        let dependents: Vec<&CmakeTarget> =
            self.targets.iter().filter(|other| other.dependencies.contains(&target.id)).collect();
        let goes_on = |item: &String| {
            !target.inherited.contains(item)
                && dependents.iter().any(|dependent| dependent.inherited.contains(item))
        };
        let include = own(|source| &source.options.include);
        let mut headers: Vec<String> = include.iter().filter(|dir| goes_on(dir)).cloned().collect();
        if headers.is_empty() {
            let is_own = |dir: &&String| Utf8Path::new(dir).starts_with(&self.project.source);
            let is_named = |dir: &&String| Utf8Path::new(dir).file_name() == Some("include");
            let is_below = |dir: &&String| Utf8Path::new(dir).starts_with(&target.dir);
            let named: Vec<&String> = include
                .iter()
                .filter(|dir| is_named(dir) && is_own(dir) && !target.inherited.contains(*dir))
                .collect();
            let beside =
                named.iter().copied().filter(|dir| is_below(dir)).cloned().collect::<Vec<_>>();
            headers = match (beside.is_empty(), named.is_empty()) {
                (false, _) => beside,
                (true, false) => named.into_iter().cloned().collect(),
                (true, true) => include
                    .iter()
                    .filter(|dir| is_below(dir) || **dir == target.dir)
                    .cloned()
                    .collect(),
            };
        }
        headers.retain(|dir| (self.is_there)(Utf8Path::new(dir)));
        let defines = own(|source| &source.options.defines);
        (headers, defines.into_iter().filter(|define| goes_on(define)).collect())
    }

    /// The settings of a target, without what it has from the crates that it links.
    fn settings(&mut self, at: usize, planned: &PlannedCrate, headers: &[String]) -> SettingsDraft {
        let target = &self.targets[at];
        let mut have: BTreeSet<String> = headers.iter().cloned().collect();
        let mut have_libraries: BTreeSet<String> = BTreeSet::new();
        let reached = self.reached(target);
        for (other, link) in
            self.targets.iter().zip(&self.links).filter(|(other, _)| reached.contains(&other.id))
        {
            let (include, defines) = self.public(self.position(&other.id).unwrap_or(at));
            have.extend(include.into_iter().chain(defines));
            have_libraries.extend(link.libraries.iter().cloned());
        }
        let (_, public_defines) =
            if self.is_library(at) { self.public(at) } else { Default::default() };
        have.extend(public_defines);
        let units: Vec<ImportedUnit> = target
            .sources
            .iter()
            .map(|source| {
                let mut words = source.options.clone();
                words
                    .include
                    .retain(|dir| !have.contains(dir) && (self.is_there)(Utf8Path::new(dir)));
                words.include = words
                    .include
                    .iter()
                    .map(|dir| self.shown(planned, Utf8Path::new(dir)))
                    .collect();
                words.defines.retain(|define| !have.contains(define));
                ImportedUnit {
                    path: self.shown(planned, &source.path),
                    language: source.language,
                    words,
                }
            })
            .collect();
        let (mut settings, unsaid) = merge(&units);
        let link = &self.links[at];
        settings.link = link
            .libraries
            .iter()
            .filter(|library| !have_libraries.contains(*library))
            .cloned()
            .collect();
        settings.link_args = link.args.clone();
        let shown = |header: &String| match header.starts_with('<') {
            true => header.clone(),
            false => self.shown(planned, Utf8Path::new(header)),
        };
        settings.precompiled_headers = target.precompiled_headers.iter().map(shown).collect();
        let name = target.name.clone();
        for sentence in unsaid {
            self.decisions
                .push(Decision { verb: "Left out", text: format!("of `{name}`: {sentence}") });
        }
        settings
    }

    /// Sources that are there; those that custom commands are going to make are remarked on.
    fn sources(
        &mut self,
        at: usize,
        planned: &PlannedCrate,
        remarks: &mut Vec<String>,
    ) -> Vec<String> {
        let target = &self.targets[at];
        let (made, sources): (Vec<&CmakeSource>, Vec<&CmakeSource>) = target
            .sources
            .iter()
            .partition(|source| source.is_generated && !(self.is_there)(&source.path));
        let mut listed: Vec<String> = Vec::new();
        for source in sources {
            let path = globset::escape(&self.shown(planned, &source.path));
            if !listed.contains(&path) {
                listed.push(path);
            }
        }
        let made = made.iter().map(|source| &source.path);
        let files: BTreeSet<&Utf8PathBuf> =
            made.chain(target.generated.iter().filter(|path| !(self.is_there)(path))).collect();
        let is_output = |path: &&Utf8PathBuf| {
            let name = path.file_name().unwrap_or_default();
            // Symbolic outputs of custom targets, not files.
            !path.as_str().contains("/CMakeFiles/") && name.contains('.')
        };
        let files: Vec<&str> =
            files.into_iter().filter(is_output).filter_map(|path| path.file_name()).collect();
        if files.is_empty() {
            return listed;
        }
        let names = files.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let outputs =
            files.iter().map(|name| format!("\"$OUT_DIR/{name}\"")).collect::<Vec<_>>().join(", ");
        let text = format!(
            "{names} of `{}`: custom commands make them, which cmake does not describe; write `[[generate]]` in `{}`",
            target.name,
            planned.dir.join(crate::manifest::MANIFEST_NAME)
        );
        self.decisions.push(Decision { verb: "Left out", text });
        // Sources in `$OUT_DIR` join a library by themselves.
        let more = match target.kind {
            CmakeKind::Program => "\n\nand add the sources among them to `sources` of the program.",
            _ => "",
        };
        let remark = format!(
            "Custom commands of cmake make files of `{}`. Write the command here:\n\n[[generate]]\nrun = [\"...\"]\noutputs = [{outputs}]{more}",
            target.name
        );
        if !remarks.contains(&remark) {
            remarks.push(remark);
        }
        listed
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.targets.iter().position(|target| target.id == id)
    }

    /// All libraries that a target links, directly or not.
    fn reached(&self, target: &CmakeTarget) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut waiting = target.dependencies.clone();
        while let Some(id) = waiting.pop() {
            if reached.insert(id.clone()) {
                waiting.extend(
                    self.position(&id)
                        .into_iter()
                        .flat_map(|at| self.targets[at].dependencies.clone()),
                );
            }
        }
        reached
    }

    /// cmake tells what programs and shared libraries link. A static library needs what all that
    /// link it have in common, unless a library below it does already.
    fn read_links(&self) -> Vec<TargetLink> {
        let mut links: Vec<TargetLink> =
            self.targets.iter().map(|target| self.read_link(target)).collect();
        let reached: Vec<BTreeSet<String>> =
            self.targets.iter().map(|target| self.reached(target)).collect();
        let mut common: Vec<Vec<String>> = Vec::new();
        for target in &self.targets {
            let users = (0..self.targets.len()).filter(|user| {
                self.targets[*user].kind != CmakeKind::Static && reached[*user].contains(&target.id)
            });
            let lists: Vec<&Vec<String>> = users.map(|user| &links[user].libraries).collect();
            let first = lists.first().copied().cloned().unwrap_or_default();
            let in_all = |library: &String| lists.iter().all(|list| list.contains(library));
            common.push(first.into_iter().filter(in_all).collect());
        }
        for at in 0..self.targets.len() {
            if self.targets[at].kind == CmakeKind::Static {
                let below = |library: &String| {
                    let others = (0..self.targets.len()).filter(|other| {
                        self.targets[*other].kind == CmakeKind::Static
                            && reached[at].contains(&self.targets[*other].id)
                            && !reached[*other].contains(&self.targets[at].id)
                    });
                    others.into_iter().any(|other| common[other].contains(library))
                };
                links[at].libraries =
                    common[at].iter().filter(|library| !below(library)).cloned().collect();
            }
        }
        links
    }

    fn read_link(&self, target: &CmakeTarget) -> TargetLink {
        let mut link = TargetLink::default();
        let mut add = |list: fn(&mut TargetLink) -> &mut Vec<String>, word: &str| {
            let list = list(&mut link);
            if !list.iter().any(|other| other == word) {
                list.push(word.to_owned());
            }
        };
        let mut exports = None;
        for (role, words) in &target.link {
            for word in words {
                if let Some(script) = word.strip_prefix("-Wl,--version-script=") {
                    exports = Some(normalise(&self.project.build.join(script.trim_matches('\''))));
                } else if word.starts_with("-Wl,-rpath") || word.starts_with("-Wl,-soname") {
                    // Programs look beside themselves for libraries of the workspace.
                } else if let Some(library) = word.strip_prefix("-l") {
                    if check_link(library).is_ok() {
                        add(|link| &mut link.libraries, library);
                    }
                } else if word == "-pthread" {
                    add(|link| &mut link.libraries, "pthread");
                } else if word.starts_with("-Wl,")
                    || word.starts_with("-L")
                    || word == "-rdynamic"
                    || word == "-static"
                {
                    add(|link| &mut link.args, word);
                } else if role == "libraries" && !word.starts_with('-') {
                    let path = normalise(Utf8Path::new(word));
                    if Utf8Path::new(word).is_relative() || path.starts_with(&self.project.build) {
                        // Of this project, or made by it: libraries of others are absolute.
                    } else if let Some(library) = system_library(&path) {
                        add(|link| &mut link.libraries, library);
                    } else {
                        add(|link| &mut link.args, path.as_str());
                    }
                }
            }
        }
        link.exports = exports;
        link
    }

    /// A path as a manifest names it.
    fn shown(&self, planned: &PlannedCrate, path: &Utf8Path) -> String {
        relative(&planned.dir, path, &self.project.source)
    }
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 source".to_owned(),
        count => format!("{count} sources"),
    }
}

/// `z` for `/usr/lib/x86_64-linux-gnu/libz.so`, which linkers find by themselves.
fn system_library(path: &Utf8Path) -> Option<&str> {
    let dir = path.parent()?;
    let is_searched = ["/usr/lib", "/lib", "/usr/local/lib"]
        .into_iter()
        .any(|start| dir.strip_prefix(start).is_ok_and(|rest| rest.iter().count() <= 1));
    let name = path.file_name()?.strip_prefix("lib").filter(|_| is_searched)?;
    let name = name.strip_suffix(".a").or_else(|| Some(&name[..name.find(".so")?]))?;
    check_link(name).is_ok().then_some(name)
}

/// The path from a directory; absolute if it lies outside of `root`.
fn relative(from: &Utf8Path, to: &Utf8Path, root: &Utf8Path) -> String {
    if !to.starts_with(root) {
        return to.to_string();
    }
    let parts =
        |path: &Utf8Path| path.components().map(|part| part.to_string()).collect::<Vec<_>>();
    let (from, to) = (parts(from), parts(to));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(Utf8Component::ParentDir.as_str().to_owned(), from.len() - common);
    let path: Vec<String> = up.chain(to[common..].iter().cloned()).collect();
    if path.is_empty() { ".".to_owned() } else { path.join("/") }
}

/// The name, or one with a number behind it.
fn unique(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(name) {
        return name.to_owned();
    }
    let mut numbers = 2_u32..;
    numbers
        .find_map(|number| Some(format!("{name}-{number}")).filter(|name| !is_taken(name)))
        .unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::words::{ImportLanguage, sort};

    fn target(
        name: &str,
        kind: CmakeKind,
        dir: &str,
        sources: &[&str],
        words: &str,
    ) -> CmakeTarget {
        let source = |path: &&str| CmakeSource {
            path: format!("/s/{path}").into(),
            is_generated: path.contains("made"),
            language: ImportLanguage::C,
            options: sort(words.split_whitespace().map(str::to_owned)),
        };
        CmakeTarget {
            id: name.into(),
            name: name.into(),
            kind,
            name_on_disk: name.into(),
            dir: normalise(&Utf8Path::new("/s").join(dir)),
            artifacts: vec![],
            sources: sources.iter().map(source).collect(),
            generated: vec![],
            precompiled_headers: vec![],
            dependencies: vec![],
            link: vec![],
            inherited: BTreeSet::new(),
        }
    }

    fn linked(mut target: CmakeTarget, dependencies: &[&str], words: &str) -> CmakeTarget {
        target.dependencies = dependencies.iter().map(|id| (*id).to_owned()).collect();
        let words = words.split_whitespace().map(str::to_owned).collect();
        target.link = vec![("libraries".to_owned(), words)];
        target
    }

    fn inherits(mut target: CmakeTarget, items: &[&str]) -> CmakeTarget {
        target.inherited = items.iter().map(|item| (*item).to_owned()).collect();
        target
    }

    fn translated(targets: Vec<CmakeTarget>) -> (String, Vec<String>) {
        let project =
            CmakeProject { source: "/s".into(), build: "/b".into(), configuration: None, targets };
        let translation = translate(&project, &|path| !path.as_str().contains("made"));
        let text = translation
            .manifests
            .iter()
            .map(|(dir, draft)| format!("== {dir}\n{}", draft.text()))
            .collect();
        (
            text,
            translation
                .decisions
                .iter()
                .map(|line| format!("{} {}", line.verb, line.text))
                .collect(),
        )
    }

    #[test]
    fn translation_makes_a_crate_of_a_library_and_its_programs() {
        let (text, said) = translated(vec![
            target(
                "zip",
                CmakeKind::Static,
                ".",
                &["src/a.c"],
                "-I/s/include -I/s/src -DPUB -DPRIV -Wall -std=c11",
            ),
            inherits(
                linked(
                    target(
                        "tool",
                        CmakeKind::Program,
                        ".",
                        &["tool.c"],
                        "-I/s/include -DPUB -DTOOL",
                    ),
                    &["zip"],
                    "../libzip.a -lm /usr/lib/x86_64-linux-gnu/libz.so -Wl,-rpath,/x",
                ),
                &["/s/include", "PUB"],
            ),
        ]);
        assert_eq!(
            text,
            "== /s\n[package]\nname = \"zip\"\nversion = \"0.1.0\"\n\n[lib]\nsources = [\"src/a.c\"]\nheaders = [\"include\"]\n\
             public-defines = [\"PUB\"]\nc-std = \"c11\"\ninclude = [\"src\"]\ndefines = [\"PRIV\"]\nflags = [\"-Wall\"]\n\
             link = [\"m\", \"z\"]\n\n[[bin]]\nname = \"tool\"\nsources = [\"tool.c\"]\ndefines = [\"TOOL\"]\n\n[dependencies]\n"
        );
        assert_eq!(
            said,
            [
                "Library `zip`: 1 source, static, of target `zip`",
                "Program `tool`: 1 source, of target `tool`"
            ]
        );
    }

    #[test]
    fn translation_makes_a_workspace_of_several_libraries() {
        let (text, _) = translated(vec![
            target("one", CmakeKind::Shared, "lib", &["lib/one.c"], ""),
            linked(target("two", CmakeKind::Static, "lib", &["lib/two.c"], ""), &["one"], ""),
            linked(
                target("app", CmakeKind::Program, "app", &["app/main.c"], ""),
                &["two"],
                "-pthread",
            ),
            target("own", CmakeKind::Program, ".", &["own.c"], ""),
        ]);
        assert_eq!(
            text,
            "== /s\n[workspace]\nmembers = [\"lib\", \"lib/two\", \"app\"]\n\n[package]\nname = \"own\"\nversion = \"0.1.0\"\n\n\
             [[bin]]\nname = \"own\"\nsources = [\"own.c\"]\n\n[dependencies]\n\
             == /s/app\n[package]\nname = \"app\"\nversion = \"0.1.0\"\n\n[[bin]]\nname = \"app\"\nsources = [\"main.c\"]\n\n\
             [dependencies]\ntwo = { path = \"../lib/two\" }\n\
             == /s/lib\n[package]\nname = \"one\"\nversion = \"0.1.0\"\n\n[lib]\ncrate-type = [\"cdylib\"]\nsources = [\"one.c\"]\nheaders = []\n\n[dependencies]\n\
             == /s/lib/two\n[package]\nname = \"two\"\nversion = \"0.1.0\"\n\n[lib]\nsources = [\"../two.c\"]\nheaders = []\nlink = [\"pthread\"]\n\n\
             [dependencies]\none = { path = \"..\" }\n"
        );
    }

    #[test]
    fn translation_puts_object_libraries_into_what_links_them() {
        let (text, _) = translated(vec![
            target("parts", CmakeKind::Object, ".", &["p.c"], ""),
            linked(target("app", CmakeKind::Program, ".", &["main.c"], ""), &["parts"], ""),
        ]);
        assert!(text.contains("sources = [\"main.c\", \"p.c\"]"), "{text}");
    }

    #[test]
    fn translation_tells_what_custom_commands_make() {
        let (text, said) = translated(vec![
            target("zip", CmakeKind::Static, ".", &["a.c", "made.c"], ""),
            target("custom", CmakeKind::Other, ".", &[], ""),
        ]);
        assert!(text.contains("sources = [\"a.c\"]"), "{text}");
        assert!(
            text.ends_with(
                "# [[generate]]\n# run = [\"...\"]\n# outputs = [\"$OUT_DIR/made.c\"]\n"
            ),
            "{text}"
        );
        assert_eq!(
            said[0],
            "Left out `made.c` of `zip`: custom commands make them, which cmake does not describe; write `[[generate]]` \
             in `/s/Tender.toml`"
        );
        assert!(
            said.iter().any(|line| line.starts_with("Unknown which system libraries `zip` needs")),
            "{said:?}"
        );
    }

    #[test]
    fn translation_ends_where_targets_depend_on_each_other() {
        let (text, _) = translated(vec![
            linked(target("a", CmakeKind::Static, "a", &["a/a.c"], ""), &["b", "a"], ""),
            linked(target("b", CmakeKind::Static, "b", &["b/b.c"], ""), &["a"], ""),
        ]);
        assert!(text.contains("members = [\"a\", \"b\"]"), "{text}");
    }

    #[test]
    fn system_libraries_are_told_by_their_places() {
        let check = |path: &str, expect: Option<&str>| {
            assert_eq!(system_library(path.into()), expect, "{path}")
        };
        check("/usr/lib/x86_64-linux-gnu/libz.so", Some("z"));
        check("/usr/lib/libz.so.1.2", Some("z"));
        check("/lib/libm.a", Some("m"));
        check("/usr/lib/llvm/deep/libz.so", None);
        check("/opt/libz.so", None);
        check("/usr/lib/z.so", None);
        check("/usr/lib/libz", None);
    }
}
