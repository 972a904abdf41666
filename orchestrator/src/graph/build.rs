//! Workspace -> items. The parts are planned crate by crate, dependencies first, so the items come
//! out in topological order.

use super::GraphError;
use super::args::defines;
use super::generate::{Generated, commands_of};
use super::instance::{BuiltFor, Instance, Side};
use super::link::{LinkInput, LinkWords};
use super::model::{Artifact, ArtifactKind, Graph, Item, Program};
use super::order::{include_order, instances, linked_crates, tools};
use super::paths::seen_from;
use super::runtime;
use super::units::{CrateUnits, Target, UnitContext};
use crate::keys::ItemId;
use crate::manifest::{Crate, CrateId, OUT_DIR, Profile, Workspace, resolve};
use camino::{Utf8Path, Utf8PathBuf};
use std::borrow::Cow;
use std::collections::HashMap;

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
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Programs {
    All,
    Named(Vec<String>),
}

impl Targets {
    pub const ALL: Targets = Targets { libraries: true, programs: Programs::All };

    pub fn have_program(&self, name: &str) -> bool {
        match &self.programs {
            Programs::All => true,
            Programs::Named(names) => names.iter().any(|known| known == name),
        }
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
    pub targets: Targets,
    /// Cut each unit into this many pieces, even if that is slower.
    pub force_pieces: Option<u32>,
    /// Absolute, without the profile.
    pub target_dir: Utf8PathBuf,
    pub surroundings: &'a dyn Surroundings,
}

/// What the graph has to ask of the machine. Tests answer from a table.
pub trait Surroundings {
    /// The output of `pkg-config` for a package such as `openssl >= 3`.
    ///
    /// # Errors
    /// Text for users: the package or the program is missing.
    fn pkg_config(&self, package: &str) -> Result<PkgConfig, String>;
    /// Bytes; 0 if the file cannot be read (its compile reports that).
    fn file_size(&self, path: &Utf8Path) -> u64;
    /// The value of `CC` (of `CXX` if `cxx`), which chooses the link driver.
    fn chosen_driver(&self, cxx: bool) -> Option<String>;
    /// The link driver for C or C++, if it is known without starting a process.
    fn driver(&self, cxx: bool) -> Program;
    /// clang as a link driver, for C or for C++: the program and its words.
    ///
    /// # Errors
    /// Text for users: its run-time library is missing.
    fn clang(&self, cxx: bool) -> Result<Vec<String>, String>;
    /// What compilers are told by `-march=native`: the model and the features of the processor.
    fn processor(&self) -> String;
    /// The file that starting `name` in `dir` runs; None where there is none.
    fn program(&self, name: &str, dir: &Utf8Path) -> Option<Utf8PathBuf>;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PkgConfig {
    pub cflags: Vec<String>,
    pub libs: Vec<String>,
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
            unbuilt_archives: Vec::new(),
            host_profile: host_profile.clone(),
        },
        linked: linked_crates(workspace, &request.roots, &request.targets),
        planned: HashMap::new(),
        generated: HashMap::new(),
        writers: HashMap::new(),
        pkg_config: HashMap::new(),
        users,
        host: side(&host_profile, BuiltFor::Build),
    };
    let instances = instances(workspace, &request.roots);
    let tools = tools(workspace, &instances);
    for (id, built_for) in instances {
        let of = Instance { id, krate: &workspace.crates[id.0 as usize], built_for };
        let programs =
            |names: Vec<String>| Targets { libraries: false, programs: Programs::Named(names) };
        let targets = match built_for {
            BuiltFor::Users if request.roots.contains(&id) => request.targets.clone(),
            BuiltFor::Users => programs(Vec::new()),
            BuiltFor::Build => programs(tools.get(&id).cloned().unwrap_or_default()),
        };
        let planned = builder.plan_crate(&of, &targets)?;
        builder.planned.insert((id, built_for), planned);
    }
    let mut graph = builder.graph;
    graph.artifacts.sort_by(|a, b| (a.krate, &a.name, &a.path).cmp(&(b.krate, &b.name, &b.path)));
    Ok(graph)
}

/// pkg-config's flags, with `-isystem` for `-I`: they name directories of the system.
pub(super) fn system_cflags(cflags: Vec<String>) -> impl Iterator<Item = String> {
    cflags.into_iter().filter_map(|word| match word.strip_prefix("-I") {
        Some(dir) if is_searched_anyway(Utf8Path::new(dir)) => None,
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
    /// By `CrateId`: its library goes into a program or shared library of this build.
    pub linked: Vec<bool>,
    pkg_config: HashMap<String, PkgConfig>,
    users: Side<'a>,
    host: Side<'a>,
}

/// What other crates need to know of a crate.
#[derive(Clone, Default)]
pub(super) struct Planned {
    /// What its public interface adds to compile commands.
    compile_words: Vec<String>,
    /// What it adds to links, its archive apart.
    pub link_words: LinkWords,
    /// Items that write headers which dependents see.
    header_items: Vec<ItemId>,
    /// Its archive, or its shared library if it has no archive; absent if it has no objects.
    pub library: Option<LinkInput>,
    /// Flags of its library's units that need clang's run-time library at the link.
    pub runtime_words: Vec<String>,
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
            BuiltFor::Users => &self.users,
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

    fn plan_crate(&mut self, of: &Instance<'_>, targets: &Targets) -> Result<Planned, GraphError> {
        let workspace = self.workspace;
        let krate = of.krate;
        let closure = include_order(workspace, of.id);
        let mut of_dependencies = Vec::new();
        let mut interfaces = Vec::new();
        for dependency in &closure {
            let known = self.planned(*dependency, of.built_for);
            of_dependencies.extend(&known.header_items);
            if !known.compile_words.is_empty() {
                let name = workspace.crates[dependency.0 as usize].name.clone();
                interfaces.push((name, known.compile_words.clone()));
            }
        }
        // Commands may read these headers.
        let configured = self.plan_config_headers(of, &interfaces, &of_dependencies)?;
        let mut generated = self.plan_generate(of)?;
        generated.add(configured);
        let mut planned = self.public_interface(of, &generated)?;
        let profile = self.profile(of);
        let in_program = if profile.pie { "-fPIE" } else { "-fno-pie" };

        let after = [&generated.items[..], &of_dependencies].concat();

        let mut all = Vec::new();
        if let Some(lib) = &krate.lib {
            planned.runtime_words = runtime::words_of_flags(&profile, &lib.settings);
            all.push(Target {
                name: of.target("lib"),
                directory: "lib".into(),
                sources: &lib.sources,
                settings: &lib.settings,
                position: if profile.pic || lib.cdylib { "-fPIC" } else { in_program },
                generated: &generated.lib_sources,
            });
        }
        let first_bin = all.len();
        for (bin, generated) in krate.bins.iter().zip(&generated.bin_sources) {
            all.push(Target {
                name: of.target(&format!("bin {}", bin.name)),
                directory: format!("bin-{}", bin.name),
                sources: &bin.sources,
                settings: &bin.settings,
                position: in_program,
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
        if let Some(lib) = &krate.lib {
            let objects = self.plan_units(&mut units, 0)?;
            if self.mode(of) == Mode::Build && !objects.is_empty() {
                planned.library = self.plan_library(of, lib, &objects, targets.libraries)?;
            }
        }
        let bins = krate.bins.iter().enumerate().filter(|(_, bin)| targets.have_program(&bin.name));
        for (number, bin) in bins {
            let objects = self.plan_units(&mut units, first_bin + number)?;
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
        let mut planned =
            Planned { header_items: generated.header_items.clone(), ..Planned::default() };
        let Some(lib) = &krate.lib else { return Ok(planned) };
        for dir in &lib.headers {
            planned.compile_words.extend(self.public_include(of, dir));
        }
        if generated.headers_in_out_dir {
            planned.compile_words.extend(self.public_include(of, &self.crate_out(of)));
        }
        planned.compile_words.extend(defines(&lib.public_defines));
        let mut pkg_libs = Vec::new();
        for package in &lib.settings.pkg_config {
            let found = self.pkg_config(krate, package)?;
            planned.compile_words.extend(system_cflags(found.cflags));
            pkg_libs.extend(found.libs);
        }
        planned.link_words = LinkWords::of(&lib.public_link_args, &lib.settings, pkg_libs);
        Ok(planned)
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
        krate: &Crate,
        package: &str,
    ) -> Result<PkgConfig, GraphError> {
        if let Some(known) = self.pkg_config.get(package) {
            return Ok(known.clone());
        }
        let found = self.request.surroundings.pkg_config(package).map_err(|message| {
            GraphError::PkgConfig {
                krate: krate.name.clone(),
                manifest: krate.manifest.clone(),
                package: package.to_owned(),
                message,
            }
        })?;
        self.pkg_config.insert(package.to_owned(), found.clone());
        Ok(found)
    }

    pub(super) fn crate_out(&self, of: &Instance<'_>) -> Utf8PathBuf {
        let of = commands_of(of);
        self.side(of.built_for).crates_dir.join(&of.krate.name).join("out")
    }

    /// The path as commands name it: relative to the root if it is below it.
    pub(super) fn path_for_commands(&self, path: &Utf8Path) -> Utf8PathBuf {
        seen_from(&self.workspace.root, path)
    }

    /// A directory that a crate shows to others. Of what lies outside the workspace its users want
    /// no warnings.
    fn public_include(&self, of: &Instance<'_>, dir: &Utf8Path) -> Option<String> {
        if of.krate.dir.starts_with(&self.workspace.root) {
            return Some(self.include(of, dir));
        }
        let path = self.path_for_commands(&self.expanded(of, dir));
        (!is_searched_anyway(&path)).then(|| format!("-isystem{path}"))
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
