//! Workspace -> items. The parts are planned crate by crate, dependencies first, so the items come
//! out in topological order.

use super::GraphError;
use super::args::defines;
use super::cxx_modules::{NamedModules, Scans};
use super::generate::{Generated, commands_of};
use super::instance::{BuiltFor, Instance, Side};
use super::link::{LinkInput, LinkWords};
use super::model::{Artifact, ArtifactKind, Graph, Item, Program};
use super::order::{
    Build, LibId, VisibleCrate, compiled_libs, instances, linked_libs, seen_libs, tools,
    used_first, visible_crates,
};
use super::paths::seen_from;
use super::runtime;
use super::units::{CrateUnits, Target, UnitContext};
use crate::keys::ItemId;
use crate::manifest::{
    Bin, Crate, CrateId, Lib, Linker, OUT_DIR, Profile, ProgramKind, Workspace, resolve,
};
use crate::platform::Platform;
use camino::{Utf8Path, Utf8PathBuf};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Build,
    /// Front end only: no objects, no archives, no links.
    Check,
}

/// Which targets of the roots are built; what these need comes along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// Libraries for their own sake.
    pub libraries: bool,
    pub programs: Programs,
    /// Tests, examples and benchmarks.
    pub dev: Vec<(ProgramKind, Programs)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Programs {
    All,
    Named(Vec<String>),
}

impl Programs {
    fn have(&self, name: &str) -> bool {
        match self {
            Programs::All => true,
            Programs::Named(names) => names.iter().any(|known| known == name),
        }
    }
}

impl Targets {
    /// All that users get.
    pub const ALL: Targets = Targets { libraries: true, programs: Programs::All, dev: Vec::new() };

    /// All, with all tests, examples and benchmarks.
    pub fn with_dev() -> Targets {
        let dev = ProgramKind::ALL.into_iter().filter(|kind| *kind != ProgramKind::Bin);
        Targets { dev: dev.map(|kind| (kind, Programs::All)).collect(), ..Targets::ALL }
    }

    pub fn have_program(&self, bin: &Bin) -> bool {
        match bin.kind {
            ProgramKind::Bin => self.programs.have(&bin.name),
            kind => self.dev.iter().any(|(known, names)| *known == kind && names.have(&bin.name)),
        }
    }

    /// Whether one of the crate's programs is among them.
    pub fn have_program_of(&self, krate: &Crate) -> bool {
        krate.bins.iter().any(|bin| self.have_program(bin))
    }
}

pub struct GraphRequest<'a> {
    pub profile: &'a Profile,
    pub mode: Mode,
    /// What to build; the libraries that these depend on are added.
    pub roots: Vec<CrateId>,
    /// Those of the roots that were asked for by name: their archives are made even where no link
    /// needs them.
    pub named: Vec<CrateId>,
    /// Crates that roots depend on whose libraries are built in all of their forms, as those of roots.
    pub whole: Vec<CrateId>,
    pub targets: Targets,
    /// Cut each unit into this many pieces, even if that is slower.
    pub force_pieces: Option<u32>,
    /// Absolute, without the profile.
    pub target_dir: Utf8PathBuf,
    pub surroundings: &'a dyn Surroundings,
    /// What scans have found so far.
    pub scans: &'a Scans,
}

/// What the graph has to ask of the machine. Tests answer from a table.
pub trait Surroundings {
    /// The output of `pkg-config` for a package such as `openssl >= 3`.
    ///
    /// # Errors
    /// Text for users: the package or the program is missing.
    /// `host`: one of the machine itself, else one for the platform that is built for.
    fn pkg_config(&self, package: &str, host: bool) -> Result<PkgConfig, String>;
    /// The words of every compile command for users: the platform, if it is named.
    fn target_words(&self) -> Vec<String>;
    /// The link driver for users, with its first words; None: that of the machine itself.
    ///
    /// # Errors
    /// Text for users: there is none for the platform.
    fn target_driver(&self, cxx: bool) -> Result<Option<Vec<String>>, String>;
    /// Bytes, for estimates; 0 if the file cannot be read (its compile reports that).
    fn file_size(&self, path: &Utf8Path) -> u64;
    /// The value of `CC` (of `CXX` if `cxx`), which chooses the link driver.
    fn chosen_driver(&self, cxx: bool) -> Option<String>;
    /// The link driver for C or C++, if it is known without starting a process.
    fn driver(&self, cxx: bool) -> Program;
    /// clang as a link driver, for C or for C++: the program and its words. `host` as above.
    ///
    /// # Errors
    /// Text for users: its run-time library is missing.
    fn clang(&self, cxx: bool, host: bool) -> Result<Vec<String>, String>;
    /// The words that make a link driver start a linker; at least one.
    ///
    /// # Errors
    /// Text for users: there is no such program.
    fn linker(&self, linker: &Linker) -> Result<Vec<String>, String>;
    /// nasm or yasm, for the machine itself (`host`) or for the platform that is built for.
    ///
    /// # Errors
    /// Text for users: neither is found, or none makes code for the platform.
    fn assembler(&self, host: bool) -> Result<Assembler, String>;
    /// The modules of LLVM's C++ library, or of the default one; none where it has none.
    fn std_modules(&self, is_libcxx: bool) -> Vec<StdModule>;
    /// The installed libraries with modules that links with a package of pkg-config name.
    ///
    /// # Errors
    /// Text for users: what names the modules of a library is damaged, or what it names is missing.
    fn library_modules(&self, package: &str, host: bool) -> Result<Vec<InstalledLibrary>, String>;
    /// What compilers are told by `-march=native`: the model and the features of the processor.
    fn processor(&self) -> String;
    /// The file that starting `name` in `dir` runs; None where there is none.
    fn program(&self, name: &str, dir: &Utf8Path) -> Option<Utf8PathBuf>;
}

/// A module that the C++ standard library declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StdModule {
    pub name: String,
    /// Absolute.
    pub source: Utf8PathBuf,
    /// Directories that the source includes from.
    pub include: Vec<Utf8PathBuf>,
}

/// An installed library with modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledLibrary {
    /// As after `-l`.
    pub name: String,
    /// What names its modules, absolute.
    pub file: Utf8PathBuf,
    /// Those of its package.
    pub cflags: Vec<String>,
    pub modules: Vec<InstalledModule>,
    /// The files of the libraries that links name with it.
    pub uses: Vec<Utf8PathBuf>,
}

/// A module or partition of an installed library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledModule {
    pub name: String,
    /// Absolute.
    pub source: Utf8PathBuf,
    /// Words of its own.
    pub args: Vec<String>,
    /// Modules of its library alone import it.
    pub is_private: bool,
}

/// nasm or yasm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembler {
    pub is_yasm: bool,
    /// What starts it, and the words that every command has.
    pub words: Vec<String>,
    /// Where the first word leads.
    pub path: Utf8PathBuf,
    /// As after `-f`.
    pub format: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PkgConfig {
    pub cflags: Vec<String>,
    pub libs: Vec<String>,
    /// The libraries of links with archives.
    pub static_libs: Vec<String>,
    /// The variable of this name.
    pub libdir: Option<Utf8PathBuf>,
}

/// Makes the graph of all that `request` asks for.
///
/// # Errors
/// Two items with the same output, an absent pkg-config package, generated files outside their
/// crate.
pub fn build(workspace: &Workspace, request: &GraphRequest<'_>) -> Result<Graph, GraphError> {
    let side = |profile, built_for| Side::new(workspace, profile, &request.target_dir, built_for);
    let host_profile = request.profile.for_build();
    let users = side(request.profile, BuiltFor::Users);
    let mut builder = Builder {
        workspace,
        request,
        graph: Graph {
            root: workspace.root.clone(),
            profile: request.profile.clone(),
            out_dir: users.out_dir.clone(),
            state_dir: users.crates_dir.clone(),
            items: Vec::new(),
            artifacts: Vec::new(),
            modules: Vec::new(),
            unbuilt_archives: Vec::new(),
            unscanned: Vec::new(),
            host_profile: host_profile.clone(),
        },
        linked: HashSet::new(),
        used: HashSet::new(),
        visible: HashMap::new(),
        planned: HashMap::new(),
        generated: HashMap::new(),
        writers: HashMap::new(),
        pkg_config: HashMap::new(),
        assemblers: HashMap::new(),
        modules: NamedModules::new(request.scans),
        users,
        host: side(&host_profile, BuiltFor::Build),
    };
    let instances = instances(workspace, &request.roots, &request.targets);
    let tools = tools(workspace, &instances);
    let programs = |names: Vec<String>| Targets {
        libraries: false,
        programs: Programs::Named(names),
        dev: Vec::new(),
    };
    let targets = |(id, built_for): &(CrateId, BuiltFor)| match built_for {
        BuiltFor::Users if request.roots.contains(id) => request.targets.clone(),
        BuiltFor::Users if request.whole.contains(id) => {
            Targets { libraries: true, ..programs(Vec::new()) }
        }
        BuiltFor::Dev => request.targets.clone(),
        BuiltFor::Users => programs(Vec::new()),
        BuiltFor::Build => programs(tools.get(id).cloned().unwrap_or_default()),
    };
    let instances: Vec<_> =
        instances.iter().map(|instance| (*instance, targets(instance))).collect();
    let compiled = compiled_libs(workspace, &instances);
    builder.linked = linked_libs(workspace, &instances, &compiled);
    for ((id, built_for), _) in &instances {
        let visible = visible_crates(built_for.crates(workspace), *id);
        builder.visible.insert((*id, *built_for), visible);
    }
    let seen = builder.visible.values().flatten().map(|seen| (seen.krate, &seen.libs));
    let compiled_of = compiled.iter().map(|((krate, _), libs)| (*krate, libs));
    builder.used = seen
        .chain(compiled_of)
        .flat_map(|(krate, libs)| libs.iter().map(move |lib| LibId { krate, lib: *lib }))
        .collect();
    for (instance, targets) in &instances {
        let (id, built_for) = *instance;
        let of = Instance { id, krate: built_for.krate(workspace, id), built_for };
        let planned = builder.plan_crate(&of, targets, &compiled[instance])?;
        builder.planned.insert(*instance, planned);
    }
    let mut graph = builder.graph;
    graph.artifacts.sort_by(|a, b| (a.krate, &a.name, &a.path).cmp(&(b.krate, &b.name, &b.path)));
    Ok(graph)
}

/// pkg-config's flags, with `-isystem` for `-I`: they name directories of the system.
pub(super) fn system_cflags(cflags: Vec<String>) -> impl Iterator<Item = String> {
    let dir_of = |word: &str| {
        let dir = word.strip_prefix("-I").or_else(|| word.strip_prefix("-isystem"));
        dir.map(str::to_owned)
    };
    cflags.into_iter().filter_map(move |word| match dir_of(&word) {
        Some(dir) if is_searched_anyway(Utf8Path::new(&dir)) => None,
        Some(dir) if !dir.is_empty() => Some(format!("-isystem{dir}")),
        _ => Some(word),
    })
}

/// Directories that clang searches last by itself. Named as well, they would be searched too early:
/// `#include_next` in the C++ library would not find the headers of C behind its own.
fn is_searched_anyway(dir: &Utf8Path) -> bool {
    let multiarch = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    ["/usr/include", "/usr/local/include", &multiarch].iter().any(|known| dir == *known)
}

/// Whether a word asks for the processor of the machine that compiles.
pub(super) fn is_native(word: &str) -> bool {
    ["-march=native", "-mcpu=native", "-mtune=native"].contains(&word)
}

pub(super) struct Builder<'a> {
    pub workspace: &'a Workspace,
    pub request: &'a GraphRequest<'a>,
    pub graph: Graph,
    /// Those of dependencies are there before their dependents are planned.
    planned: HashMap<(CrateId, BuiltFor), Planned>,
    /// The commands of crates.
    pub generated: HashMap<(CrateId, BuiltFor), Generated>,
    pub writers: HashMap<Utf8PathBuf, ItemId>,
    /// The libraries that go into a program or shared library of this build.
    pub linked: HashSet<LibId>,
    /// The libraries that are compiled, or whose headers are used.
    used: HashSet<LibId>,
    /// The crates whose headers a crate sees.
    pub visible: HashMap<Build, Vec<VisibleCrate>>,
    /// By package, and whether it is one of the machine itself.
    pkg_config: HashMap<(String, bool), PkgConfig>,
    pub assemblers: HashMap<BuiltFor, Result<Assembler, String>>,
    pub modules: NamedModules,
    users: Side<'a>,
    host: Side<'a>,
}

/// What other crates need to know of a crate.
#[derive(Clone, Default)]
pub(super) struct Planned {
    /// Items that write headers which dependents see.
    header_items: Vec<ItemId>,
    /// In the order of the crate's libraries.
    pub libs: Vec<PlannedLib>,
}

#[derive(Clone, Default)]
pub(super) struct PlannedLib {
    /// What its public interface adds to compile commands.
    compile_words: PublicWords,
    /// What it adds to links, its archive apart.
    pub link_words: LinkWords,
    /// Its archive, or its shared library if it has no archive; absent if it has no objects, or
    /// none of this build needs them.
    pub library: Option<LinkInput>,
    /// Flags of its units that need clang's run-time library at the link.
    pub runtime_words: Vec<String>,
}

/// What libraries of a crate show to another target of the crate.
#[derive(Clone, Default)]
pub(super) struct ShownLibs<'a> {
    /// A library itself is the first.
    pub libs: Vec<&'a Lib>,
    /// Flags of packages that the others need.
    pub pkg_config: Vec<String>,
}

impl Planned {
    /// `target`: a library of the crate by its place, or a program.
    fn shown_to<'k>(&self, krate: &'k Crate, target: Option<usize>) -> ShownLibs<'k> {
        let libs = seen_libs(krate, target);
        let others = libs.iter().filter(|lib| target != Some(**lib));
        let pkg_config =
            others.flat_map(|lib| self.libs[*lib].compile_words.pkg_config.iter().cloned());
        let pkg_config = pkg_config.collect();
        ShownLibs { libs: libs.into_iter().map(|lib| &krate.libs[lib]).collect(), pkg_config }
    }
}

/// What a library adds to the compile commands of its users.
#[derive(Clone, Default)]
struct PublicWords {
    directories: Vec<Utf8PathBuf>,
    /// They lie outside the workspace.
    is_outside: bool,
    defines: Vec<String>,
    pkg_config: Vec<String>,
}

impl PublicWords {
    /// Those of the manifest. `is_system`: whether its headers are headers of the system. If nobody says so, those outside
    /// the workspace are: of them its users want no warnings.
    fn of_manifest(&self, is_system: Option<bool>) -> impl Iterator<Item = String> + '_ {
        let option = if is_system.unwrap_or(self.is_outside) { "-isystem" } else { "-I" };
        let directories = self.directories.iter().filter(|dir| !is_searched_anyway(dir));
        let directories = directories.map(move |dir| format!("{option}{dir}"));
        directories.chain(self.defines.iter().cloned())
    }
}

/// A unit or prebuilt object of a target, ready to be archived or linked.
pub(super) struct Object {
    /// The source's name in its crate.
    pub name: String,
    pub path: Utf8PathBuf,
    /// Absent where nothing of this build makes it.
    pub item: Option<ItemId>,
    /// It was there before, or a command makes it: what it holds is not known.
    pub prebuilt: bool,
    /// Modules for link-time optimisation, not machine code.
    pub bitcode: bool,
    pub cxx: bool,
    pub size: u64,
}

impl<'a> Builder<'a> {
    pub(super) fn side(&self, built_for: BuiltFor) -> &Side<'a> {
        match built_for {
            BuiltFor::Users | BuiltFor::Dev => &self.users,
            BuiltFor::Build => &self.host,
        }
    }

    pub(super) fn profile(&self, of: &Instance<'_>) -> Cow<'a, Profile> {
        self.side(of.built_for).profile(of.id)
    }

    /// Commands of the build run programs, even where the build only checks.
    pub(super) fn mode(&self, of: &Instance<'_>) -> Mode {
        if of.is_host() { Mode::Build } else { self.request.mode }
    }

    /// `compiled`: the places of the libraries whose objects are needed.
    fn plan_crate(
        &mut self,
        of: &Instance<'_>,
        targets: &Targets,
        compiled: &BTreeSet<usize>,
    ) -> Result<Planned, GraphError> {
        let krate = of.krate;
        let (interfaces, of_dependencies) = self.interfaces(of);
        // Commands may read these headers.
        let configured = self.plan_config_headers(of, &interfaces, &of_dependencies)?;
        let mut generated = match of.built_for {
            BuiltFor::Dev => self.generated_for_dev(of),
            _ => self.plan_generate(of)?,
        };
        generated.add(configured);
        let mut planned = self.public_interface(of, &generated)?;
        let profile = self.profile(of);
        let in_program = if profile.pie { "-fPIE" } else { "-fno-pie" };

        let after = [&generated.items[..], &of_dependencies].concat();

        let mut all = Vec::new();
        for (place, lib) in krate.libs.iter().enumerate() {
            planned.libs[place].runtime_words = runtime::words_of_flags(&profile, &lib.settings);
            all.push(Target {
                name: of.target(&lib.target_name("lib")),
                directory: lib.directory("lib"),
                sources: &lib.sources,
                settings: &lib.settings,
                position: if profile.pic || lib.cdylib { "-fPIC" } else { in_program },
                shown: planned.shown_to(krate, Some(place)),
                generated: &generated.lib_sources[place],
            });
        }
        for (bin, generated) in krate.bins.iter().zip(&generated.bin_sources) {
            all.push(Target {
                name: of.target(&format!("{} {}", bin.kind.word(), bin.name)),
                directory: format!("{}-{}", bin.kind.word(), bin.name),
                sources: &bin.sources,
                settings: &bin.settings,
                position: in_program,
                shown: planned.shown_to(krate, None),
                generated,
            });
        }
        let surroundings = UnitContext {
            of,
            profile: &profile,
            generated: &generated.all,
            interfaces: &interfaces,
            after: &after,
        };
        let mut units = CrateUnits::new(surroundings, &all);
        let libs = used_first(krate, compiled);
        let bins = krate.bins.iter().enumerate().filter(|(_, bin)| targets.have_program(bin));
        let numbers = bins.clone().map(|(number, _)| krate.libs.len() + number);
        let planned_targets: Vec<usize> = libs.iter().copied().chain(numbers).collect();
        self.plan_modules(&mut units, &planned_targets)?;
        for place in libs {
            let objects = self.plan_units(&mut units, place)?;
            if self.mode(of) == Mode::Build && !objects.is_empty() {
                let wanted = targets.libraries;
                let library = self.plan_library(of, place, &objects, &planned, wanted)?;
                planned.libs[place].library = library;
            }
        }
        for (number, bin) in bins {
            let objects = self.plan_units(&mut units, krate.libs.len() + number)?;
            if self.mode(of) == Mode::Build {
                self.plan_program(of, bin, &objects, &planned)?;
            }
        }
        Ok(planned)
    }

    fn public_interface(
        &mut self,
        of: &Instance<'_>,
        generated: &Generated,
    ) -> Result<Planned, GraphError> {
        let krate = of.krate;
        let crate_out = self.crate_out(of);
        let mut libs = Vec::new();
        for lib in &krate.libs {
            let directories =
                lib.headers.iter().chain(generated.headers_in_out_dir.then_some(&crate_out));
            let mut compile_words = PublicWords {
                directories: directories
                    .map(|dir| self.path_for_commands(&self.expanded(of, dir)))
                    .collect(),
                is_outside: krate.source.is_some() || !krate.dir.starts_with(&self.workspace.root),
                defines: defines(&lib.public_defines).collect(),
                pkg_config: Vec::new(),
            };
            let mut pkg_libs = Vec::new();
            let id = LibId { krate: of.id, lib: libs.len() };
            let packages = lib.settings.pkg_config.iter().filter(|_| self.used.contains(&id));
            for package in packages.cloned().collect::<Vec<_>>() {
                let found = self.pkg_config(of, &package)?;
                compile_words.pkg_config.extend(system_cflags(found.cflags));
                pkg_libs.extend(found.libs);
            }
            let link_words = LinkWords::of(&lib.public_link_args, &lib.settings, pkg_libs);
            libs.push(PlannedLib { compile_words, link_words, ..PlannedLib::default() });
        }
        Ok(Planned { header_items: generated.header_items.clone(), libs })
    }

    /// What the crates that a crate sees add to its compile commands, by name, and the items that
    /// write headers of theirs.
    fn interfaces(&self, of: &Instance<'_>) -> (Vec<(String, Vec<String>)>, Vec<ItemId>) {
        let (mut interfaces, mut header_items) = (Vec::new(), Vec::new());
        for seen in &self.visible[&(of.id, of.built_for)] {
            let known = self.planned(seen.krate, of.built_for.of_dependencies());
            header_items.extend(&known.header_items);
            let libs = || seen.libs.iter().map(|lib| &known.libs[*lib].compile_words);
            let mut words: Vec<String> = Vec::new();
            // Libraries of one crate may have the same directories.
            for word in libs().flat_map(|lib| lib.of_manifest(seen.system)) {
                if !words.contains(&word) {
                    words.push(word);
                }
            }
            words.extend(libs().flat_map(|lib| lib.pkg_config.iter().cloned()));
            if !words.is_empty() {
                interfaces.push((self.workspace[seen.krate].name.clone(), words));
            }
        }
        (interfaces, header_items)
    }

    /// Adds an item to the graph.
    ///
    /// # Errors
    /// [`GraphError::SameOutput`]: another item writes one of its outputs.
    pub(super) fn add(&mut self, item: Item) -> Result<ItemId, GraphError> {
        let ix = ItemId(u32::try_from(self.graph.items.len()).expect("fewer than 2^32 items"));
        for output in &item.outputs {
            if let Some(first) = self.writers.insert(output.clone(), ix) {
                let name = |item: &Item| format!("{} ({})", item.key, item.label);
                return Err(GraphError::SameOutput {
                    path: output.clone(),
                    first: name(if first == ix { &item } else { &self.graph[first] }),
                    second: name(&item),
                });
            }
        }
        self.graph.items.push(item);
        Ok(ix)
    }

    pub(super) fn artifact(
        &mut self,
        item: ItemId,
        krate: CrateId,
        kind: ArtifactKind,
        name: &str,
    ) {
        let path = self.graph.root.join(&self.graph[item].outputs[0]);
        self.graph.artifacts.push(Artifact { item, krate, kind, name: name.to_owned(), path });
    }

    pub(super) fn planned(&self, id: CrateId, built_for: BuiltFor) -> &Planned {
        &self.planned[&(id, built_for)]
    }

    /// The answer of pkg-config for a package, asked for once.
    ///
    /// # Errors
    /// [`GraphError::PkgConfig`]: pkg-config or the package is missing.
    pub(super) fn pkg_config(
        &mut self,
        of: &Instance<'_>,
        package: &str,
    ) -> Result<PkgConfig, GraphError> {
        let key = (package.to_owned(), of.is_host());
        if let Some(known) = self.pkg_config.get(&key) {
            return Ok(known.clone());
        }
        let found = self.request.surroundings.pkg_config(package, of.is_host());
        let found = found.map_err(|message| GraphError::PkgConfig {
            krate: of.krate.name.clone(),
            manifest: of.krate.manifest.clone(),
            package: package.to_owned(),
            message,
        })?;
        self.pkg_config.insert(key, found.clone());
        Ok(found)
    }

    /// The words that name the platform to clang.
    pub(super) fn platform_words(&self, of: &Instance<'_>) -> Vec<String> {
        match of.is_host() {
            true => Vec::new(),
            false => self.request.surroundings.target_words(),
        }
    }

    /// The platform that users get, if it is named.
    pub(super) fn platform(&self, of: &Instance<'_>) -> Option<&'a Platform> {
        let target = self.workspace.target.as_ref().filter(|_| !of.is_host());
        target.map(|target| &target.platform)
    }

    pub(super) fn crate_out(&self, of: &Instance<'_>) -> Utf8PathBuf {
        let of = commands_of(of);
        self.side(of.built_for).crates_dir.join(&of.krate.name).join("out")
    }

    /// The path as commands name it: relative to the root if it is below it.
    pub(super) fn path_for_commands(&self, path: &Utf8Path) -> Utf8PathBuf {
        seen_from(&self.workspace.root, path)
    }

    pub(super) fn include(&self, of: &Instance<'_>, dir: &Utf8Path) -> String {
        format!("-I{}", self.path_for_commands(&self.expanded(of, dir)))
    }

    /// A path of the manifest that may begin with `$OUT_DIR`.
    pub(super) fn expanded(&self, of: &Instance<'_>, path: &Utf8Path) -> Utf8PathBuf {
        let path = resolve(&of.krate.dir, path.as_str());
        match path.strip_prefix(OUT_DIR) {
            Ok(rest) if rest.as_str().is_empty() => self.crate_out(of),
            Ok(rest) => self.crate_out(of).join(rest),
            Err(_) => path,
        }
    }
}
