//! A manifest and all that it leads to -> the workspace: members, path dependencies, inheritance,
//! then the checks.

use super::MANIFEST_NAME;
use super::check::{Node, check_all};
use super::commands::{commands, rule_commands, visible_outputs};
use super::enabled::{
    BUILD, Enabled, EnabledCrates, FeatureCrates, FeatureOptions, Platforms, USERS, enabled,
};
use super::format::CONFIG;
use super::locate::{Above, absolute, excludes, read, root_above};
use super::model::{
    Bin, Crate, CrateId, CrateSource, DeclaredDependency, Dependency, DependencyKind,
    TargetPlatform, Workspace,
};
use super::origin::{FoundSource, PackageFinder, SourceChoice, SourceFinder, SourceSpec};
use super::pattern::{Pattern, PatternKind, in_out_dir, resolve};
use super::problem::{Location, ManifestErrors, ManifestText, Problem, quoted, sort, suggestion};
use super::profile::resolve_profiles;
use super::raw::{
    self, DependencyPlace, GenerateTable, Inheritable, Manifest, Package, TargetCondition,
    TargetTable, WorkspaceTable,
};
use super::reader::Text;
use super::sources::excludes_nothing;
use super::targets::{ConditionChoice, program_names, resolve_crate, rule_inputs};
use super::walk::{Dirs, FileKind, identity};
use crate::platform::Platform;
use crate::sys::looks;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// A workspace without errors.
#[derive(Debug)]
pub struct Loaded {
    pub workspace: Workspace,
    /// In order of file and place.
    pub warnings: Vec<Problem>,
    pub sources: DeclaredSources,
}

/// The sources that the manifests of a workspace name.
#[derive(Clone, Debug, Default)]
pub struct DeclaredSources {
    pub all: Vec<SourceSpec>,
    /// Some are not there, so what their manifests name is not known.
    pub some_absent: bool,
}

/// Why a workspace was not read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Manifest(#[from] ManifestErrors),
    /// It takes sources that are not there. When they are, it may take more.
    #[error("sources have to be fetched")]
    Sources { root: Utf8PathBuf, wanted: Vec<SourceSpec> },
}

/// What one build changes about a workspace.
#[derive(Debug, Default)]
pub struct LoadOptions {
    /// TOML of `--config`, whose profiles change those of the root manifest. The last counts.
    pub config: Vec<ManifestText>,
    /// The platform to build for, if it is named.
    pub target: Option<Platform>,
    pub features: FeatureOptions,
    /// Which crates these features are for.
    pub crates: FeatureCrates,
    /// The answers of probes. Conditions that ask others seem to hold.
    pub probes: Option<ProbeAnswers>,
    /// Which sources have to be there.
    pub sources: SourceChoice,
    /// Knows where they are; None: none is there.
    pub finder: Option<Rc<dyn SourceFinder>>,
    /// Knows which packages the system has; None: it seems to have all.
    pub packages: Option<Rc<dyn PackageFinder>>,
}

/// The answers of probes: by the name of a crate and whether it is built for the build, then by the
/// name of a probe.
pub type ProbeAnswers = BTreeMap<(String, bool), BTreeMap<String, bool>>;

/// Reads the workspace that the manifest belongs to, whichever of its manifests it is (see `find`).
///
/// # Errors
/// All that is wrong with any manifest of the workspace, at once.
pub fn load(manifest_path: &Utf8Path) -> Result<Loaded, ManifestErrors> {
    let loaded = load_with(manifest_path, &LoadOptions::default());
    loaded.map_err(|error| match error {
        LoadError::Manifest(errors) => errors,
        LoadError::Sources { .. } => unreachable!("no sources were asked for"),
    })
}

/// As `load`, with changes for one build.
///
/// # Errors
/// As `load`, and what is wrong with the changes; or sources have to be fetched first.
pub fn load_with(manifest_path: &Utf8Path, options: &LoadOptions) -> Result<Loaded, LoadError> {
    let path = absolute(manifest_path)?;
    let source = read(&path)?;
    let mut problems = Vec::new();
    let root = match raw::workspace_of(&source) {
        Some(_) => source,
        None => match root_of(&path) {
            Above::Root(root, _) => root,
            Above::Stranger(other) => {
                problems.push(stranger(&source, &other));
                source
            }
            Above::None => source,
        },
    };
    load_root(&root, options, problems)
}

/// `problems` are those that are known already.
///
/// # Errors
/// All that is wrong with any manifest of the workspace, `problems` included.
pub(super) fn load_root(
    root: &ManifestText,
    options: &LoadOptions,
    problems: Vec<Problem>,
) -> Result<Loaded, LoadError> {
    let finder = options.finder.clone();
    let packages = options.packages.clone();
    let mut loader = Loader { problems, finder, packages, ..Loader::default() };
    let workspace = loader.workspace(root, options);
    if !loader.wanted.is_empty() && !loader.problems.iter().any(Problem::is_error) {
        return Err(LoadError::Sources { root: loader.root, wanted: loader.wanted });
    }
    // Nobody here can mend the manifests of others.
    let of_others = |problem: &Problem| {
        problem.location.as_ref().is_some_and(|at| loader.is_fetched(&at.source.path))
    };
    let mut problems = loader.problems.clone();
    problems.retain(|problem| problem.is_error() || !of_others(problem));
    let sources = DeclaredSources {
        all: loader.places.into_iter().map(|(spec, _)| spec).collect(),
        some_absent: loader.some_absent,
    };
    sort(&mut problems);
    // What is inherited is looked at once for each heir.
    problems.dedup_by(|a, b| a.message == b.message && same_place(a, b));
    match workspace {
        Some(workspace) if !problems.iter().any(Problem::is_error) => {
            Ok(Loaded { workspace, warnings: problems, sources })
        }
        _ => Err(ManifestErrors { problems }.into()),
    }
}

/// The workspace above a manifest by its physical path, else by the path that was given.
fn root_of(path: &Utf8Path) -> Above {
    let physical = looks::canonicalize(path.as_std_path()).ok();
    let physical = physical.and_then(|physical| Utf8PathBuf::from_path_buf(physical).ok());
    let physical = physical.filter(|physical| physical != path);
    match physical.map(|physical| root_above(&physical)) {
        Some(root @ Above::Root(..)) => root,
        _ => root_above(path),
    }
}

fn same_place(a: &Problem, b: &Problem) -> bool {
    let place = |problem: &Problem| {
        problem
            .location
            .as_ref()
            .map(|location| (location.source.path.clone(), location.span.clone()))
    };
    place(a) == place(b)
}

fn stranger(source: &ManifestText, root: &Utf8Path) -> Problem {
    let problem = Problem::warning(format!(
        "this crate is no member of the workspace in `{root}`; it is built on its own"
    ));
    let dir =
        source.path.parent().zip(root.parent()).and_then(|(dir, root)| dir.strip_prefix(root).ok());
    let dir = dir.unwrap_or(Utf8Path::new("."));
    problem
        .at(source.at(0..0))
        .help(format!("add \"{dir}\" to its `members`, or to `exclude` to silence this"))
}

#[derive(Default)]
struct Loader {
    problems: Vec<Problem>,
    dirs: Dirs,
    nodes: Vec<Node>,
    /// By directory; None: broken, which has been said.
    by_dir: HashMap<Utf8PathBuf, Option<usize>>,
    /// By device and inode of the manifest: one crate reached on two ways (symbolic links) is one
    /// crate.
    by_file: HashMap<(u64, u64), usize>,
    /// The directory of the workspace.
    root: Utf8PathBuf,
    finder: Option<Rc<dyn SourceFinder>>,
    packages: Option<Rc<dyn PackageFinder>>,
    target: Option<TargetPlatform>,
    /// The place of what stands for packages of the system.
    system: Option<usize>,
    /// Not all sources that manifests name are known.
    some_absent: bool,
    /// Sources and the crate in them, in order of discovery. None: it is broken, which has been
    /// said.
    places: Vec<(SourceSpec, Option<usize>)>,
    /// By the name of a crate, who has chosen where it is taken from.
    chosen: BTreeMap<String, ChosenPlace>,
    patches: BTreeMap<String, RootPatch>,
    wanted: Vec<SourceSpec>,
}

/// Where a crate is taken from, and the dependency that says so.
struct ChosenPlace {
    /// None: a directory of the user's.
    spec: Option<SourceSpec>,
    at: Location,
    krate: String,
}

/// One of `[patch]`.
struct RootPatch {
    name: Text,
    place: DependencyPlace,
    is_used: bool,
}

/// There is no manifest.
struct Missing;

impl Loader {
    fn workspace(&mut self, root: &ManifestText, options: &LoadOptions) -> Option<Workspace> {
        let mut manifest = raw::parse(root, &mut self.problems)?;
        let dir = root.path.parent()?.to_owned();
        self.root.clone_from(&dir);
        self.patches = std::mem::take(&mut manifest.patches)
            .into_iter()
            .map(|(name, place)| (name.value.clone(), RootPatch { name, place, is_used: false }))
            .collect();
        let build = manifest.build.take().map(|(settings, _)| settings).unwrap_or_default();
        let mut profiles = manifest.profiles.clone();
        for source in &options.config {
            profiles.extend(raw::parse_config(source, &CONFIG, &mut self.problems)?.profiles);
        }
        let mut profiles = resolve_profiles(&profiles, &mut self.problems);
        if let Some(linker) = manifest.link.take().and_then(|table| table.linker) {
            for profile in profiles.values_mut() {
                profile.linker.get_or_insert_with(|| linker.clone());
            }
        }
        let target = self.target(&manifest, options.target.as_ref());
        self.target.clone_from(&target);
        let table = manifest.workspace.take();
        let root_package = manifest.package.is_some().then(|| self.insert(manifest, true));
        if let Some(table) = &table {
            self.members(&dir, table);
            if self.nodes.is_empty() && !self.problems.iter().any(Problem::is_error) {
                let problem = Problem::error("the workspace has no members").at(table.at.clone());
                self.problems.push(
                    problem.help("name the directories of its crates: `members = [\"crates/*\"]`"),
                );
            }
        }
        self.dependencies();
        self.check_patches();
        self.inherit(&dir, table.and_then(|table| table.shared).as_ref());
        let host = Platform::host();
        let platforms = Platforms { users: options.target.as_ref().unwrap_or(&host), build: &host };
        let roots = self.roots(root_package, &options.crates);
        let enabled =
            enabled(&self.nodes, &roots, &options.features, &platforms, &mut self.problems);
        let EnabledCrates { crates: enabled, absent } = enabled;
        for (node, enabled) in self.nodes.iter_mut().zip(enabled) {
            node.enabled = enabled;
        }
        self.want(options.sources, &absent);
        if !self.wanted.is_empty() {
            return None;
        }
        self.resolve(&platforms, options.probes.as_ref());
        check_all(&self.nodes, &mut self.problems);
        if self.problems.iter().any(Problem::is_error) {
            return None;
        }
        let mut workspace = self.assemble(dir, root, build, profiles, root_package);
        workspace.target = target;
        workspace.awaits_probes = options.probes.is_none()
            && self.nodes.iter().any(|node| {
                node.manifest.targets.iter().any(|table| !table.condition.probes().is_empty())
            });
        Some(workspace)
    }

    /// The tools of the platform to build for, of the root manifest.
    fn target(
        &mut self,
        manifest: &Manifest,
        platform: Option<&Platform>,
    ) -> Option<TargetPlatform> {
        let platform = platform?;
        let is_it = |table: &&TargetTable| matches!(&table.condition, TargetCondition::Triple(name) if name == platform.triple());
        let table = manifest.targets.iter().find(is_it);
        let tools = table.map(|table| table.tools.clone()).unwrap_or_default();
        let dir = manifest.source.dir();
        let sysroot = tools.sysroot.map(|text| {
            let path = resolve(dir, &text.value);
            if !looks::is_dir(&path) {
                let problem =
                    Problem::error(format!("the directory `{}` does not exist", text.value));
                self.problems.push(problem.at(text.at).label(format!("looked for {path}")));
            }
            path
        });
        Some(TargetPlatform {
            platform: platform.clone(),
            // A path is relative to the manifest, a plain name is found in PATH.
            linker: tools.linker.map(|text| match text.value.contains('/') {
                true => resolve(dir, &text.value).into_string(),
                false => text.value,
            }),
            sysroot,
            runner: tools.runner.unwrap_or_default(),
        })
    }

    /// The crates that features of the command line are for.
    fn roots(&self, root_package: Option<usize>, chosen: &FeatureCrates) -> Vec<usize> {
        let members = || (0..self.nodes.len()).filter(|at| self.nodes[*at].member).collect();
        let default = || root_package.map_or_else(members, |root| vec![root]);
        match chosen {
            FeatureCrates::Members => members(),
            FeatureCrates::Default => default(),
            FeatureCrates::At(manifest) => {
                let at = identity(manifest.as_std_path()).and_then(|id| self.by_file.get(&id));
                at.map_or_else(default, |at| vec![*at])
            }
            FeatureCrates::Named(names) => {
                let named = |at: &usize| names.iter().any(|name| name == self.nodes[*at].name());
                (0..self.nodes.len()).filter(named).collect()
            }
        }
    }

    fn insert(&mut self, manifest: Manifest, member: bool) -> usize {
        let index = self.nodes.len();
        let path = manifest.source.path.clone();
        if let Some(id) = identity(path.as_std_path()) {
            self.by_file.insert(id, index);
        }
        if let Some(dir) = path.parent() {
            self.by_dir.insert(dir.to_owned(), Some(index));
        }
        self.nodes.push(node(manifest, member));
        index
    }

    /// The crate in `dir`, read if it has not been. None if it is broken.
    fn add(&mut self, dir: &Utf8Path, member: bool) -> Result<Option<usize>, Missing> {
        if let Some(known) = self.by_dir.get(dir) {
            return Ok(*known);
        }
        let path = dir.join(MANIFEST_NAME);
        let Some(id) = identity(path.as_std_path()) else { return Err(Missing) };
        if let Some(index) = self.by_file.get(&id) {
            self.by_dir.insert(dir.to_owned(), Some(*index));
            return Ok(Some(*index));
        }
        let manifest = match read(&path) {
            Ok(source) => raw::parse(&source, &mut self.problems),
            Err(errors) => {
                self.problems.extend(errors.problems);
                None
            }
        };
        match manifest {
            Some(manifest) => Ok(Some(self.insert(manifest, member))),
            None => {
                self.by_dir.insert(dir.to_owned(), None);
                Ok(None)
            }
        }
    }

    fn members(&mut self, root: &Utf8Path, table: &WorkspaceTable) {
        let mut members = Vec::new();
        let mut out = Vec::new();
        let mut idle: Vec<(Pattern, &Text)> = Vec::new();
        let before_all = self.problems.len();
        for (text, exclude) in table
            .members
            .iter()
            .map(|text| (text, false))
            .chain(table.exclude.iter().map(|text| (text, true)))
        {
            match Pattern::parse(root, &text.value) {
                Ok(pattern) if exclude || pattern.exclude => {
                    idle.extend((!exclude).then(|| (pattern.clone(), text)));
                    out.push(pattern);
                }
                Ok(pattern) => members.push((pattern, text)),
                Err(why) => {
                    let problem =
                        Problem::error(format!("{} is no pattern: {why}", quoted(&text.value)));
                    self.problems.push(problem.at(text.at.clone()));
                }
            }
        }
        for (pattern, text) in members {
            let before = self.nodes.len();
            match &pattern.place {
                PatternKind::Path(dir) => {
                    idle.retain(|(pattern, _)| !excludes(pattern, dir));
                    if excludes_any(&out, dir) {
                        continue;
                    }
                    if self.add(dir, true).is_err() {
                        let problem = Problem::error(format!(
                            "the member `{}` has no `{MANIFEST_NAME}`",
                            text.value
                        ));
                        let problem = problem.at(text.at.clone()).label(format!("looked in {dir}"));
                        self.problems.push(problem.help("`tender init` makes one"));
                    }
                }
                PatternKind::Glob(glob) => {
                    let mut any = false;
                    for found in self.dirs.find(glob, FileKind::Directory) {
                        idle.retain(|(pattern, _)| !excludes(pattern, found.path()));
                        if excludes_any(&out, found.path()) {
                            any = true;
                        } else if let super::walk::WalkedPath::Path(dir) = &found {
                            any |= self.add(dir, true).is_ok();
                        } else if looks::is_file(
                            Utf8Path::new(root).join(found.path()).join(MANIFEST_NAME),
                        ) {
                            any = true;
                        }
                    }
                    if !any {
                        let problem = Problem::error(format!(
                            "`{}` matches no directory with a `{MANIFEST_NAME}`",
                            text.value
                        ));
                        self.problems.push(
                            problem.at(text.at.clone()).label(format!("looked in {}", glob.base)),
                        );
                    }
                }
            }
            for node in &self.nodes[before..] {
                check_member(node, &mut self.problems);
            }
        }
        if self.problems.len() == before_all {
            self.problems.extend(idle.into_iter().map(|(_, text)| excludes_nothing(text)));
        }
    }

    /// Reads what dependencies reach, breadth first.
    fn dependencies(&mut self) {
        let mut at = 0;
        while at < self.nodes.len() {
            for number in 0..self.nodes[at].manifest.dependencies.len() {
                let table = &self.nodes[at].manifest.dependencies[number];
                // Tests of others are not built.
                let is_left_out =
                    table.kind == DependencyKind::Dev && self.nodes[at].source.is_some();
                let target = if is_left_out { None } else { self.dependency(at, number) };
                self.nodes[at].dependencies.push(target);
            }
            at += 1;
        }
    }

    /// The crate that a dependency of a node is on.
    fn dependency(&mut self, at: usize, number: usize) -> Option<usize> {
        let table = &self.nodes[at].manifest.dependencies[number];
        let (name, mut declared) = (table.krate().value.clone(), table.place.clone());
        if let DependencyPlace::System { package, fallback } = &declared {
            let finder = self.packages.as_ref();
            let has = |finder: &Rc<dyn PackageFinder>| {
                finder.has(&self.root, &package.value, self.target.as_ref())
            };
            match fallback {
                Some(fallback) if finder.is_some_and(|finder| !has(finder)) => {
                    declared = (**fallback).clone();
                    self.nodes[at].manifest.dependencies[number].place = declared.clone();
                }
                fallback => {
                    self.some_absent |= fallback.is_some();
                    return Some(self.system_node());
                }
            }
        }
        let mut source = self.nodes[at].source.clone();
        let mut dir = self.nodes[at].manifest.source.dir().to_owned();
        let mut place = declared.clone();
        if let (DependencyPlace::Elsewhere(..), Some(patch)) =
            (&declared, self.patches.get_mut(&name))
        {
            patch.is_used = true;
            place = patch.place.clone();
            (source, dir) = (None, self.root.clone());
        }
        if !self.is_chosen(at, &name, &declared, &place, source.is_some()) {
            return None;
        }
        match place {
            DependencyPlace::System { .. } => Some(self.system_node()),
            DependencyPlace::Path(path) => self.neighbour(&dir, &path, source),
            DependencyPlace::Elsewhere(spec, location) => self.fetched(&spec, &location),
        }
    }

    /// What stands for packages of the system: it has neither a name nor dependencies.
    fn system_node(&mut self) -> usize {
        if let Some(known) = self.system {
            return known;
        }
        let text = ManifestText::new(self.root.join(MANIFEST_NAME), "[workspace]\n");
        let manifest = raw::parse(&text, &mut Vec::new()).expect("it is TOML");
        self.nodes.push(Node { is_absent: true, ..node(manifest, false) });
        self.system = Some(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// Whether nobody has chosen another place for the crate of this name. `declared` is what the
    /// manifest says, `place` what counts.
    fn is_chosen(
        &mut self,
        at: usize,
        name: &str,
        declared: &DependencyPlace,
        place: &DependencyPlace,
        is_fetched: bool,
    ) -> bool {
        let spec = match place {
            DependencyPlace::Elsewhere(spec, _) => Some((**spec).clone()),
            DependencyPlace::System { .. } => return true,
            // A neighbour in the same sources.
            DependencyPlace::Path(_) if is_fetched => return true,
            DependencyPlace::Path(_) => None,
        };
        let krate = self.nodes[at].name().to_owned();
        let own = self.nodes.iter().find(|node| node.member && node.name() == name);
        let member = own.and_then(|node| node.manifest.package.as_ref()?.name.as_ref());
        if let (Some(member), Some(_)) = (member, &spec) {
            let problem = Problem::error(format!(
                "the crate `{krate}` takes `{name}` from {}, but `{name}` is a crate of this workspace",
                place.shown()
            ));
            let problem = problem.at(declared.at().clone()).related(member.at.clone(), "the crate");
            let help = format!(
                "choose it for all: `[patch]` in the root manifest with `{name} = {{ path = \"...\" }}`"
            );
            self.problems.push(problem.help(help));
            return false;
        }
        let chosen = ChosenPlace { spec, at: declared.at().clone(), krate };
        let Some(first) = self.chosen.get(name) else {
            self.chosen.insert(name.to_owned(), chosen);
            return true;
        };
        // Two directories are compared by the names of the crates in them.
        if first.spec == chosen.spec {
            return true;
        }
        let shown = |chosen: &ChosenPlace| match &chosen.spec {
            Some(spec) => spec.origin.to_string(),
            None => "a directory".to_owned(),
        };
        let mut message = format!(
            "the crates `{}` and `{}` take `{name}` from different sources",
            first.krate, chosen.krate
        );
        let (one, two) = (shown(first), shown(&chosen));
        message += &match one == two {
            true => format!(": {one}, with other patches, another checksum or another manifest"),
            false => format!(": {one} and {two}"),
        };
        let problem =
            Problem::error(message).at(chosen.at).related(first.at.clone(), "the other one");
        let help = format!(
            "a build has one `{name}`: choose it for all by `[patch]` in the root manifest, such as `{name} = {{ git = \"...\", tag = \"...\" }}` or `{name} = {{ path = \"...\" }}`"
        );
        self.problems.push(problem.help(help));
        false
    }

    /// The crate in a directory that a manifest in `dir` names. `source`: of the crate that names
    /// it.
    fn neighbour(
        &mut self,
        dir: &Utf8Path,
        path: &Text,
        source: Option<Rc<CrateSource>>,
    ) -> Option<usize> {
        let target_dir = resolve(dir, &path.value);
        if let Some(source) = &source
            && !target_dir.starts_with(&source.dir)
        {
            let message = format!("`{}` leads out of the sources that were fetched", path.value);
            let problem = Problem::error(message).at(path.at.clone());
            let help =
                "sources can name only what is in them: patch them, or write a `manifest` for them";
            self.problems.push(problem.help(help));
            return None;
        }
        let before = self.nodes.len();
        let target = self.add(&target_dir, false).unwrap_or_else(|Missing| {
            let problem = if target_dir.file_name() == Some(MANIFEST_NAME)
                && looks::is_file(&target_dir)
            {
                Problem::error(format!("`{}` is a manifest", path.value))
                    .help("name the directory that it lies in")
            } else if looks::is_dir(&target_dir) {
                let problem = Problem::error(format!("`{}` has no `{MANIFEST_NAME}`", path.value));
                problem.help("`tender init` makes one")
            } else {
                Problem::error(format!("the directory `{}` does not exist", path.value))
            };
            self.problems
                .push(problem.at(path.at.clone()).label(format!("looked for {target_dir}")));
            None
        });
        for node in &mut self.nodes[before..] {
            node.source.clone_from(&source);
        }
        target
    }

    /// The crate that is wanted of sources from elsewhere, or what stands for it.
    fn fetched(&mut self, spec: &SourceSpec, at: &Location) -> Option<usize> {
        if let Some((_, known)) = self.places.iter().find(|(known, _)| known == spec) {
            return *known;
        }
        let found = self.finder.clone().and_then(|finder| finder.find(&self.root, spec));
        let index = match found {
            Some(found) => self.crate_in(spec, found, at),
            None => {
                // It has neither a name nor dependencies.
                let text = ManifestText::new(self.root.join(MANIFEST_NAME), "[workspace]\n");
                let manifest = raw::parse(&text, &mut Vec::new());
                manifest.map(|manifest| {
                    self.nodes.push(Node { is_absent: true, ..node(manifest, false) });
                    self.nodes.len() - 1
                })
            }
        };
        self.places.push((spec.clone(), index));
        index
    }

    /// The crate that is wanted of sources that are there.
    fn crate_in(&mut self, spec: &SourceSpec, found: FoundSource, at: &Location) -> Option<usize> {
        let FoundSource { dir, commit } = found;
        let before = self.nodes.len();
        let source = CrateSource { origin: spec.origin.clone(), commit, dir: dir.clone() };
        let index = match &spec.manifest {
            Some(path) => match read(path) {
                Ok(text) => {
                    let manifest = raw::parse(&text.about(&dir), &mut self.problems)?;
                    self.nodes.push(node(manifest, false));
                    Some(self.nodes.len() - 1)
                }
                Err(_) => {
                    let message =
                        format!("the manifest `{path}` of `{}` cannot be read", spec.krate);
                    self.problems.push(Problem::error(message).at(at.clone()));
                    None
                }
            },
            None => {
                let place = self.dir_of_crate(&spec.krate, &dir);
                self.add(&place, false).unwrap_or_else(|Missing| {
                    let message = format!("the sources of `{}` have no `{MANIFEST_NAME}`", spec.krate);
                    let problem = Problem::error(message).at(at.clone());
                    let help = format!(
                        "write one for them and name it: `manifest = \"ports/{}/{MANIFEST_NAME}\"`; they are in {dir}",
                        spec.krate
                    );
                    self.problems.push(problem.label(format!("looked in {dir}")).help(help));
                    None
                })
            }
        };
        let source = Rc::new(source);
        for node in &mut self.nodes[before..] {
            node.source = Some(Rc::clone(&source));
        }
        index
    }

    /// Where the crate of this name is in sources: at their top, or among the members of the
    /// workspace there.
    fn dir_of_crate(&mut self, name: &str, dir: &Utf8Path) -> Utf8PathBuf {
        let Ok(root) = read(&dir.join(MANIFEST_NAME)) else { return dir.to_owned() };
        let is_it =
            |text: &ManifestText| super::edit::package_name(&text.text).as_deref() == Some(name);
        let Some(table) = raw::workspace_of(&root).filter(|_| !is_it(&root)) else {
            return dir.to_owned();
        };
        for text in &table.members {
            let Ok(pattern) = Pattern::parse(dir, &text.value) else { continue };
            let dirs = match &pattern.place {
                PatternKind::Path(path) => vec![path.clone()],
                PatternKind::Glob(glob) => {
                    let found = self.dirs.find(glob, FileKind::Directory);
                    found.iter().map(|found| found.path().to_owned()).collect()
                }
            };
            let has_it =
                |dir: &Utf8PathBuf| read(&dir.join(MANIFEST_NAME)).is_ok_and(|text| is_it(&text));
            let found = dirs.into_iter().filter(|found| found.starts_with(dir)).find(has_it);
            if let Some(found) = found {
                return found;
            }
        }
        dir.to_owned()
    }

    /// Whether a file is among what was fetched.
    fn is_fetched(&self, path: &Utf8Path) -> bool {
        let sources = self.nodes.iter().filter_map(|node| node.source.as_ref());
        sources.into_iter().any(|source| path.starts_with(&source.dir))
    }

    fn check_patches(&mut self) {
        for patch in self.patches.values().filter(|patch| !patch.is_used) {
            let name = &patch.name;
            let message = format!("no dependency takes `{}` from elsewhere", name.value);
            let problem = Problem::warning(message).at(name.at.clone());
            self.problems.push(problem.help("remove it from `[patch]`"));
        }
    }

    /// Notes which sources have to be fetched; the others that are not there are left out. `needed`
    /// are the places of what stands for those that this build needs.
    fn want(&mut self, choice: SourceChoice, needed: &BTreeSet<usize>) {
        let is_wanted = |at: usize| match choice {
            SourceChoice::Present => false,
            SourceChoice::Needed => needed.contains(&at),
            SourceChoice::All => true,
        };
        let absent = |at: &usize| self.nodes[*at].is_absent;
        let some_absent = self.places.iter().any(|(_, at)| at.as_ref().is_some_and(absent));
        let wanted = self.places.iter().filter_map(|(spec, at)| Some((spec, at.filter(absent)?)));
        self.wanted =
            wanted.filter(|(_, at)| is_wanted(*at)).map(|(spec, _)| spec.clone()).collect();
        self.some_absent |= some_absent;
        let absent: Vec<bool> = self.nodes.iter().map(|node| node.is_absent).collect();
        for node in &mut self.nodes {
            for target in &mut node.dependencies {
                *target = target.filter(|target| !absent[*target]);
            }
        }
    }

    /// Fills in `key.workspace = true`.
    fn inherit(&mut self, root: &Utf8Path, shared: Option<&Inheritable>) {
        for node in &mut self.nodes {
            let path = node.manifest.source.path.clone();
            let Some(package) =
                node.manifest.package.as_mut().filter(|package| !package.inherited.is_empty())
            else {
                continue;
            };
            if node.member {
                take_over(package, shared, &mut self.problems);
            } else if let Some(table) = &node.manifest.workspace {
                take_over(package, table.shared.as_ref(), &mut self.problems);
            } else if let Some(source) =
                node.source.as_ref().filter(|one| path.starts_with(&one.dir))
            {
                let above = match root_above(&path) {
                    Above::Root(root, table) if root.path.starts_with(&source.dir) => Some(table),
                    _ => None,
                };
                let shared = above.as_ref().and_then(|table| table.shared.as_ref());
                take_over(package, shared, &mut self.problems);
            } else if let Above::Root(_, table) = root_above(&path) {
                take_over(package, table.shared.as_ref(), &mut self.problems);
            } else {
                // In this workspace's directory, though no member.
                take_over(package, shared.filter(|_| path.starts_with(root)), &mut self.problems);
            }
        }
    }

    fn resolve(&mut self, platforms: &Platforms<'_>, probes: Option<&ProbeAnswers>) {
        // Without those of `for-each` and of rules, which may be for each of these.
        let fixed = self.nodes.iter().flat_map(|node| {
            let dir = node.manifest.source.dir();
            let tables = node.manifest.generate.iter().filter(|table| !table.has_inputs());
            let texts = tables.flat_map(|table| &table.outputs);
            texts.map(move |text| resolve(dir, &text.value))
        });
        let fixed = fixed.filter(|path| !in_out_dir(path.as_str()));
        let fixed: BTreeSet<Utf8PathBuf> = fixed.collect();
        for index in 0..self.nodes.len() {
            let tools = self.tools(index);
            let manifest = &self.nodes[index].manifest;
            let mut commands =
                commands(manifest, &tools, &fixed, &mut self.dirs, &mut self.problems);
            if manifest.generate.iter().any(GenerateTable::is_rule) {
                let node = &self.nodes[index];
                let (name, enabled, dirs) = (node.name(), &node.enabled, &mut self.dirs);
                let mut sources = BTreeSet::new();
                for (side, platform) in [(USERS, platforms.users), (BUILD, platforms.build)] {
                    if !enabled[side].reached {
                        continue;
                    }
                    let choice =
                        ConditionChoice::new(manifest, name, enabled, side, platform, probes);
                    sources.extend(rule_inputs(manifest, &commands, &choice, dirs, &fixed));
                }
                commands.extend(rule_commands(manifest, &tools, &sources, &mut self.problems));
            }
            self.nodes[index].commands = commands;
        }
        let outputs =
            self.nodes.iter().flat_map(|node| visible_outputs(&node.manifest, &node.commands));
        let outputs: BTreeSet<Utf8PathBuf> = outputs.collect();
        for node in &mut self.nodes {
            let (manifest, commands) = (&node.manifest, &node.commands);
            check_probes(node, probes, &mut self.problems);
            let mut resolve = |side: usize, platform: &Platform| {
                let choice = ConditionChoice::new(
                    manifest,
                    node.name(),
                    &node.enabled,
                    side,
                    platform,
                    probes,
                );
                let (dirs, problems) = (&mut self.dirs, &mut self.problems);
                resolve_crate(manifest, commands, &choice, dirs, &outputs, problems)
            };
            let users = resolve(USERS, platforms.users);
            let [for_users, for_build] = &node.enabled;
            let differs = for_build.reached && !manifest.targets.is_empty()
                || for_build.features != for_users.features
                || !same_dependencies(&node.manifest, for_build, for_users);
            let host =
                if for_build.reached && differs { resolve(BUILD, platforms.build) } else { None };
            (node.krate, node.dev) =
                users.map_or((None, Vec::new()), |(krate, dev)| (Some(krate), dev));
            node.host = host.map(|(krate, _)| krate);
        }
    }

    /// The programs of a crate's build-dependencies, each with the place of its crate among all
    /// dependencies.
    fn tools(&mut self, index: usize) -> BTreeMap<String, usize> {
        let mut tools: BTreeMap<String, usize> = BTreeMap::new();
        let node = &self.nodes[index];
        for (number, dependency) in node.manifest.dependencies.iter().enumerate() {
            let is_used = dependency.kind == DependencyKind::Build
                && node.enabled[USERS].dependencies.contains(&number);
            let target = node.dependencies[number].filter(|_| is_used);
            let Some(target) = target.map(|target| &self.nodes[target].manifest) else { continue };
            for program in program_names(target, &mut self.dirs) {
                let Some(first) = tools.insert(program.clone(), number) else { continue };
                let other = &node.manifest.dependencies[first];
                let problem = Problem::error(format!(
                    "the build-dependencies `{}` and `{}` both make the program `{program}`",
                    other.name.value, dependency.name.value
                ));
                self.problems.push(
                    problem
                        .at(dependency.name.at.clone())
                        .related(other.name.at.clone(), "the other one")
                        .help("rename one of the programs: `[[bin]]` with another `name`"),
                );
            }
        }
        tools
    }

    /// Numbers the crates by name and puts them together.
    fn assemble(
        &mut self,
        root: Utf8PathBuf,
        source: &ManifestText,
        build: super::model::BuildSettings,
        profiles: std::collections::BTreeMap<String, super::profile::Profile>,
        root_package: Option<usize>,
    ) -> Workspace {
        let mut order: Vec<usize> =
            (0..self.nodes.len()).filter(|index| self.nodes[*index].krate.is_some()).collect();
        order
            .sort_by_key(|index| self.nodes[*index].krate.as_ref().map(|krate| krate.name.clone()));
        let mut ids = vec![CrateId(0); self.nodes.len()];
        for (id, index) in order.iter().enumerate() {
            ids[*index] = CrateId(id as u32);
        }
        let names: Vec<Vec<String>> = order
            .iter()
            .filter_map(|index| self.nodes[*index].krate.as_ref())
            .map(|krate| krate.libs.iter().map(|lib| lib.name.clone()).collect())
            .collect();
        let places = |id: CrateId, wanted: &[Text]| -> Vec<usize> {
            let known = &names[id.0 as usize];
            let place = |name: &Text| known.iter().position(|known| *known == name.value);
            wanted.iter().filter_map(place).collect()
        };
        let mut crates = Vec::with_capacity(order.len());
        let (mut host_crates, mut dev_crates) = (BTreeMap::new(), BTreeMap::new());
        let mut members = Vec::new();
        for index in order {
            let node = &mut self.nodes[index];
            let dependencies = |kind: DependencyKind, enabled: &Enabled| -> Vec<Dependency> {
                let declared = node.manifest.dependencies.iter().zip(&node.dependencies);
                declared
                    .enumerate()
                    .filter(|(number, (dependency, _))| {
                        dependency.kind == kind && enabled.dependencies.contains(number)
                    })
                    .filter_map(|(_, (dependency, target))| {
                        target.map(|target| Dependency {
                            libs: dependency.libs.as_ref().map(|libs| places(ids[target], libs)),
                            public: dependency.public,
                            headers_only: dependency.headers_only,
                            whole_archive: dependency.whole_archive,
                            system: dependency.system,
                            ..Dependency::on(ids[target], &dependency.name.value)
                        })
                    })
                    .collect()
            };
            let complete = |krate: &mut Crate, enabled: &Enabled| {
                krate.source.clone_from(&node.source);
                let places = node.manifest.dependencies.iter().map(|table| &table.place);
                krate.files_for_sources = places.flat_map(files_of).collect();
                krate.dependencies = dependencies(DependencyKind::Normal, enabled);
                let declared = node.manifest.dependencies.iter().zip(&node.dependencies);
                let declared = declared.enumerate().filter_map(|(number, (table, target))| {
                    Some(DeclaredDependency {
                        krate: ids[(*target)?],
                        name: table.name.value.clone(),
                        kind: table.kind,
                        version: table.version.as_ref().map(|text| text.value.clone()),
                        optional: table.optional,
                        features: table.features.iter().map(|text| text.value.clone()).collect(),
                        default_features: table.default_features,
                        used: enabled.dependencies.contains(&number),
                    })
                });
                krate.declared = declared.collect();
                let own = node.manifest.features.iter().map(|table| table.name.value.clone());
                let all = own.map(|name| (name, false));
                let enabled = enabled.features.iter().map(|name| (name.clone(), true));
                krate.features = all.chain(enabled).collect();
                for (generate, command) in krate.generate.iter_mut().zip(&node.commands) {
                    let target = command.tool.and_then(|number| node.dependencies[number]);
                    generate.tool = target.map(|target| ids[target]);
                }
            };
            let Some(mut krate) = node.krate.take() else { continue };
            complete(&mut krate, &node.enabled[USERS]);
            if !node.dev.is_empty() {
                let dev = dependencies(DependencyKind::Dev, &node.enabled[USERS]);
                let bins = std::mem::take(&mut node.dev);
                dev_crates.insert(ids[index], dev_crate(&krate, ids[index], bins, dev));
            }
            if let Some(mut host) = node.host.take() {
                complete(&mut host, &node.enabled[BUILD]);
                host_crates.insert(ids[index], host);
            }
            crates.push(krate);
            if node.member {
                members.push(ids[index]);
            }
        }
        let default_members =
            root_package.map_or_else(|| members.clone(), |index| vec![ids[index]]);
        let manifest = source.path.to_path_buf();
        let files_for_sources =
            self.patches.values().flat_map(|patch| files_of(&patch.place)).collect();
        Workspace {
            root,
            manifest,
            crates,
            host_crates,
            dev_crates,
            default_members,
            members,
            files_for_sources,
            build,
            profiles,
            target: None,
            awaits_probes: false,
        }
    }
}

/// A crate of which no more is known than its manifest.
fn node(manifest: Manifest, member: bool) -> Node {
    Node {
        manifest,
        member,
        source: None,
        is_absent: false,
        dependencies: Vec::new(),
        commands: Vec::new(),
        enabled: Default::default(),
        krate: None,
        dev: Vec::new(),
        host: None,
    }
}

/// Whether a crate has the same dependencies in both of its builds, those of its tests apart.
fn same_dependencies(manifest: &Manifest, a: &Enabled, b: &Enabled) -> bool {
    let is_dev = |number: &usize| manifest.dependencies[*number].kind == DependencyKind::Dev;
    let own = |enabled: &Enabled| -> BTreeSet<usize> {
        enabled.dependencies.iter().filter(|number| !is_dev(number)).copied().collect()
    };
    own(a) == own(b)
}

/// The tests, examples and benchmarks of a crate, as a crate that depends on it, on all that it
/// depends on, and on `dev`.
fn dev_crate(krate: &Crate, id: CrateId, bins: Vec<Bin>, dev: Vec<Dependency>) -> Crate {
    let mut dependencies = vec![Dependency::on(id, &krate.name)];
    dependencies.extend(krate.dependencies.iter().cloned());
    for dependency in dev {
        // What a crate of both kinds shows to tests is what `[dev-dependencies]` says of it.
        dependencies.retain(|known| known.krate != dependency.krate || known.krate == id);
        dependencies.push(dependency);
    }
    Crate {
        bins,
        libs: Vec::new(),
        default_run: None,
        dependencies,
        generate: Vec::new(),
        config_headers: Vec::new(),
        left_out: Vec::new(),
        ..krate.clone()
    }
}

/// Whether there is each probe that conditions of a crate ask.
fn check_probes(node: &Node, answers: Option<&ProbeAnswers>, problems: &mut Vec<Problem>) {
    let manifest = &node.manifest;
    if manifest.targets.is_empty() {
        return;
    }
    let answers = answers.and_then(|all| all.get(&(node.name().to_owned(), false)));
    // Names in a template are known when it has been read.
    let has_template = manifest.config_headers.iter().any(|header| header.template.is_some());
    let probes = manifest.config_headers.iter().flat_map(|header| &header.probes);
    let values = manifest.config_headers.iter().flat_map(|header| &header.values);
    let declared = probes.map(|probe| &probe.name).chain(values.map(|(name, _)| name));
    let declared: BTreeSet<&str> = declared.map(String::as_str).collect();
    for table in &manifest.targets {
        for probe in table.condition.probes() {
            let known = declared.contains(probe)
                || answers.map_or(has_template, |answers| answers.contains_key(probe));
            if !known {
                let problem = Problem::error(format!("there is no probe `{probe}`"));
                let help = match suggestion(probe, declared.iter().copied()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!(
                        "add it to `[config.probes]`: `{probe} = {{ has-header = \"...\" }}`"
                    ),
                };
                problems.push(problem.at(table.name.at.clone()).help(help));
            }
        }
    }
}

/// The patches and manifests that are named for sources of others.
fn files_of(place: &DependencyPlace) -> Vec<Utf8PathBuf> {
    match place {
        DependencyPlace::Elsewhere(spec, _) => {
            spec.patches.iter().chain(&spec.manifest).cloned().collect()
        }
        DependencyPlace::System { fallback, .. } => {
            fallback.iter().flat_map(|place| files_of(place)).collect()
        }
        DependencyPlace::Path(_) => Vec::new(),
    }
}

fn excludes_any(patterns: &[Pattern], dir: &Utf8Path) -> bool {
    patterns.iter().any(|pattern| excludes(pattern, dir))
}

fn check_member(node: &Node, problems: &mut Vec<Problem>) {
    let manifest = &node.manifest;
    if let Some(table) = &manifest.workspace {
        let problem = Problem::error("a member of a workspace cannot be the root of another")
            .at(table.at.clone());
        problems.push(problem.help(
            "remove `[workspace]` here, or put this crate into `exclude` of the outer workspace",
        ));
    } else if let Some(first) = manifest.profiles.first() {
        let problem =
            Problem::warning("profiles of a member have no effect").at(first.name.at.clone());
        problems.push(problem.help("write them into the manifest of the workspace root"));
    }
    if let Some(at) = manifest.targets.iter().find_map(|table| table.for_root.as_ref()) {
        let problem = Problem::warning("tools of a platform have no effect in a member");
        let help = "write them into the manifest of the workspace root";
        problems.push(problem.at(at.clone()).help(help));
    }
    if let Some((name, _)) = manifest.patches.first() {
        let problem = Problem::warning("`[patch]` of a member has no effect").at(name.at.clone());
        problems.push(problem.help("write it into the manifest of the workspace root"));
    }
    if let Some(table) = &manifest.link {
        let problem = Problem::warning("`[link]` of a member has no effect").at(table.at.clone());
        problems.push(problem.help("write it into the manifest of the workspace root"));
    }
    if let Some((_, at)) = &manifest.build {
        let problem = Problem::warning("`[build]` of a member has no effect").at(at.clone());
        problems.push(problem.help("write it into the manifest of the workspace root"));
    }
}

fn take_over(package: &mut Package, shared: Option<&Inheritable>, problems: &mut Vec<Problem>) {
    let own = &mut package.shared;
    for (key, at) in &package.inherited {
        let found = shared.is_some_and(|shared| {
            let (to, from) = (&mut own.settings, &shared.settings);
            match *key {
                "version" => copy(&mut own.version, &shared.version),
                "include" => copy(&mut to.include, &from.include),
                "defines" => copy(&mut to.defines, &from.defines),
                "warnings" => copy(&mut to.warnings, &from.warnings),
                "flags" => copy(&mut to.flags, &from.flags),
                "c-flags" => copy(&mut to.c_flags, &from.c_flags),
                "cxx-flags" => copy(&mut to.cxx_flags, &from.cxx_flags),
                "c-std" => copy(&mut to.c_std, &from.c_std),
                "cxx-std" => copy(&mut to.cxx_std, &from.cxx_std),
                "link" => copy(&mut to.link, &from.link),
                "link-args" => copy(&mut to.link_args, &from.link_args),
                "pkg-config" => copy(&mut to.pkg_config, &from.pkg_config),
                "inputs" => copy(&mut to.inputs, &from.inputs),
                "precompiled-headers" => {
                    copy(&mut to.precompiled_headers, &from.precompiled_headers)
                }
                _ => false,
            }
        });
        if !found {
            let message = match shared {
                Some(_) => format!("the workspace has no `{key}` to inherit"),
                None => format!("there is no `[workspace.package]` to inherit `{key}` from"),
            };
            let help = format!("set `{key}` in `[workspace.package]` of the workspace root");
            problems.push(Problem::error(message).at(at.clone()).help(help));
        }
    }
}

fn copy<T: Clone>(to: &mut Option<T>, from: &Option<T>) -> bool {
    to.clone_from(from);
    from.is_some()
}
