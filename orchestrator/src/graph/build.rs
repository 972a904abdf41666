//! Workspace -> items. The parts are planned crate by crate, dependencies first, so the items come out in topological order.

use super::GraphError;
use super::args::{CompileWords, defines};
use super::link::{LinkInput, LinkWords};
use super::model::{
    Artifact, ArtifactKind, Command, DRIVER_C, DRIVER_CXX, Graph, Ingredients, Item, ItemIx, ItemKind, Run,
};
use super::paths::{member_names, name_in_crate, object_path, profile_dir, seen_from};
use crate::manifest::{
    Bin, Crate, CrateId, Generate, Lib, Mention, OUT_DIR, Profile, SourceKind, Sources, TargetSettings,
    Workspace, mention, resolve, source_kind,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, HashMap};
use tender_protocol::{Language, Lto, Member, Work};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Build,
    /// Front end only: no objects, no archives, no links.
    Check,
}

pub struct GraphRequest<'a> {
    pub profile: &'a Profile,
    pub mode: Mode,
    /// What to build; the libraries that these depend on are added.
    pub roots: Vec<CrateId>,
    /// Absolute, without the profile.
    pub target_dir: Utf8PathBuf,
    pub surroundings: &'a dyn Surroundings,
}

/// What the graph has to ask of the machine. Tests answer from a table.
pub trait Surroundings {
    /// What `pkg-config` says of a package such as `openssl >= 3`.
    ///
    /// # Errors
    /// Text for people: the package or the program is missing.
    fn pkg_config(&self, package: &str) -> Result<PkgConfig, String>;
    /// Bytes; 0 where the file cannot be read (its compile says so).
    fn file_size(&self, path: &Utf8Path) -> u64;
    /// The value of `CC` (of `CXX` if `cxx`), which chooses the link driver.
    fn chosen_driver(&self, cxx: bool) -> Option<String>;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PkgConfig {
    pub cflags: Vec<String>,
    pub libs: Vec<String>,
}

/// Makes the graph of all that `request` asks for.
///
/// # Errors
/// Two items with the same output, an absent pkg-config package, generated files outside their crate.
pub fn build(workspace: &Workspace, request: &GraphRequest<'_>) -> Result<Graph, GraphError> {
    let out_dir = request.target_dir.join(profile_dir(request.profile));
    let state_dir = out_dir.join(".tender");
    let mut builder = Builder {
        workspace,
        request,
        graph: Graph {
            root: workspace.root.clone(),
            profile: request.profile.clone(),
            out_dir,
            state_dir,
            items: Vec::new(),
            artifacts: Vec::new(),
        },
        planned: vec![None; workspace.crates.len()],
        writers: HashMap::new(),
        pkg_config: HashMap::new(),
    };
    for id in dependencies_first(workspace, &request.roots) {
        let planned = builder.plan_crate(id, request.roots.contains(&id))?;
        builder.planned[id.0 as usize] = Some(planned);
    }
    let mut graph = builder.graph;
    graph.artifacts.sort_by(|a, b| (a.krate, &a.name, &a.path).cmp(&(b.krate, &b.name, &b.path)));
    Ok(graph)
}

struct Builder<'a> {
    workspace: &'a Workspace,
    request: &'a GraphRequest<'a>,
    graph: Graph,
    /// By `CrateId`; those of dependencies are there before their dependents are planned.
    planned: Vec<Option<Planned>>,
    writers: HashMap<Utf8PathBuf, ItemIx>,
    pkg_config: HashMap<String, PkgConfig>,
}

/// What other crates need to know of a crate.
#[derive(Clone, Default)]
struct Planned {
    /// What its public interface adds to compile commands.
    compile_words: Vec<String>,
    /// What it adds to links, its archive apart.
    link_words: LinkWords,
    /// Items that write headers which dependents see.
    header_items: Vec<ItemIx>,
    /// Its archive, or its shared library if it has no archive; absent if it has no objects.
    library: Option<LinkInput>,
}

/// A unit or prebuilt object of a target, ready to be archived or linked.
struct Object {
    /// The source's name in its crate.
    name: String,
    path: Utf8PathBuf,
    /// Absent for prebuilt files.
    item: Option<ItemIx>,
    cxx: bool,
    size: u64,
}

struct Target<'a> {
    /// In keys and object paths: `lib`, `bin zip`.
    name: String,
    directory: String,
    sources: &'a Sources,
    settings: &'a TargetSettings,
    program: bool,
    generated: Vec<Utf8PathBuf>,
}

/// The items that write a crate's generated files, and where those files go.
#[derive(Default)]
struct Generated {
    items: Vec<ItemIx>,
    header_items: Vec<ItemIx>,
    /// Headers lie in OUT_DIR, so dependents need it as an include directory.
    headers_in_out_dir: bool,
    lib_sources: Vec<Utf8PathBuf>,
    bin_sources: Vec<Vec<Utf8PathBuf>>,
    all: Vec<Utf8PathBuf>,
}

impl Builder<'_> {
    fn plan_crate(&mut self, id: CrateId, root: bool) -> Result<Planned, GraphError> {
        let workspace = self.workspace;
        let krate = &workspace.crates[id.0 as usize];
        let generated = self.plan_generate(id, krate)?;
        let closure = include_order(workspace, id);
        let mut planned = self.public_interface(krate, &generated)?;

        let mut after = generated.items.clone();
        let mut interfaces = Vec::new();
        for dependency in &closure {
            let known = self.planned(*dependency);
            after.extend(&known.header_items);
            if !known.compile_words.is_empty() {
                let name = workspace.crates[dependency.0 as usize].name.clone();
                interfaces.push((name, known.compile_words.clone()));
            }
        }

        if let Some(lib) = &krate.lib {
            let target = Target {
                name: "lib".into(),
                directory: "lib".into(),
                sources: &lib.sources,
                settings: &lib.settings,
                program: false,
                generated: generated.lib_sources.clone(),
            };
            let objects = self.plan_units(id, krate, &target, &generated, &interfaces, &after)?;
            if self.request.mode == Mode::Build && !objects.is_empty() {
                planned.library = self.plan_library(id, krate, lib, &objects, root)?;
            }
        }
        if root {
            for (number, bin) in krate.bins.iter().enumerate() {
                let target = Target {
                    name: format!("bin {}", bin.name),
                    directory: format!("bin-{}", bin.name),
                    sources: &bin.sources,
                    settings: &bin.settings,
                    program: true,
                    generated: generated.bin_sources[number].clone(),
                };
                let objects = self.plan_units(id, krate, &target, &generated, &interfaces, &after)?;
                if self.request.mode == Mode::Build {
                    self.plan_program(id, krate, bin, &objects, &planned)?;
                }
            }
        }
        Ok(planned)
    }

    fn public_interface(&mut self, krate: &Crate, generated: &Generated) -> Result<Planned, GraphError> {
        let mut planned = Planned { header_items: generated.header_items.clone(), ..Planned::default() };
        let Some(lib) = &krate.lib else { return Ok(planned) };
        for dir in &lib.headers {
            planned.compile_words.push(self.include(krate, dir));
        }
        if generated.headers_in_out_dir {
            planned.compile_words.push(self.include(krate, &self.crate_out(krate)));
        }
        planned.compile_words.extend(defines(&lib.public_defines));
        let mut pkg_libs = Vec::new();
        for package in &lib.settings.pkg_config {
            let found = self.pkg_config(krate, package)?;
            planned.compile_words.extend(found.cflags);
            pkg_libs.extend(found.libs);
        }
        planned.link_words = LinkWords::of(&lib.settings, pkg_libs);
        Ok(planned)
    }

    fn plan_generate(&mut self, id: CrateId, krate: &Crate) -> Result<Generated, GraphError> {
        let mut generated =
            Generated { bin_sources: vec![Vec::new(); krate.bins.len()], ..Generated::default() };
        if krate.generate.is_empty() {
            return Ok(generated);
        }
        let crate_out = self.crate_out(krate);

        for (number, generate) in self.generate_order(krate)? {
            let mut outputs = Vec::new();
            let mut writes_headers = false;
            for written in &generate.outputs {
                let in_out_dir = Utf8Path::new(written).starts_with(OUT_DIR);
                let path = self.expanded(krate, written.as_ref());
                if !path.starts_with(&krate.dir) && !path.starts_with(&crate_out) {
                    return Err(GraphError::OutputOutside {
                        krate: krate.name.clone(),
                        output: written.clone(),
                        dir: krate.dir.clone(),
                    });
                }
                outputs.push(self.seen(&path));
                generated.all.push(path.clone());
                if source_kind(&path).is_none() {
                    writes_headers = true;
                    generated.headers_in_out_dir |= in_out_dir;
                    continue;
                }
                let of = |sources: &Sources| mention(&krate.dir, &sources.patterns, written);
                let in_lib = krate.lib.as_ref().map(|lib| of(&lib.sources));
                let in_bins: Vec<Mention> = krate.bins.iter().map(|bin| of(&bin.sources)).collect();
                let unmentioned =
                    in_lib.unwrap_or(Mention::No) == Mention::No && in_bins.iter().all(|m| *m == Mention::No);
                let joins_by_default = unmentioned && in_out_dir;
                if in_lib == Some(Mention::Included) || (joins_by_default && in_lib.is_some()) {
                    generated.lib_sources.push(path.clone());
                }
                for (bin, mention) in in_bins.iter().enumerate() {
                    if *mention == Mention::Included || (joins_by_default && in_lib.is_none()) {
                        generated.bin_sources[bin].push(path.clone());
                    }
                }
            }
            let inputs: Vec<_> =
                generate.inputs.iter().map(|path| self.seen(&self.expanded(krate, path))).collect();
            // A command may read what another one, of this crate or of a dependency, writes.
            let after = inputs.iter().filter_map(|path| self.writers.get(path).copied()).collect();
            let command = Command {
                words: generate.run.clone(),
                dir: krate.dir.clone(),
                env: self.command_environment(&crate_out),
            };
            let mut own = command.words.clone();
            own.extend(command.env.iter().map(|(key, value)| format!("{key}={value}")));
            let ix = self.add(Item {
                krate: id,
                krate_name: krate.name.clone(),
                kind: ItemKind::Generate,
                key: format!("{} generate {number}", krate.name),
                label: generate.run.join(" "),
                after,
                run: Run::Command(command),
                inputs,
                outputs,
                ingredients: Ingredients { own, profile: Vec::new(), interfaces: Vec::new() },
                size: 0,
            })?;
            generated.items.push(ix);
            if writes_headers {
                generated.header_items.push(ix);
            }
        }
        Ok(generated)
    }

    /// The crate's commands with their numbers in the manifest, those that others read from first.
    fn generate_order<'k>(&self, krate: &'k Crate) -> Result<Vec<(usize, &'k Generate)>, GraphError> {
        let mut left: Vec<(usize, &Generate)> = krate.generate.iter().enumerate().collect();
        let mut order = Vec::new();
        while !left.is_empty() {
            let waits_for = |reader: &Generate, writer: &Generate| {
                let written = |path: &String| self.expanded(krate, path.as_ref());
                let read = |path: &Utf8PathBuf| self.expanded(krate, path);
                reader
                    .inputs
                    .iter()
                    .any(|input| writer.outputs.iter().any(|path| written(path) == read(input)))
            };
            let ready = |(number, reader): &(usize, &Generate)| {
                left.iter().all(|(other, writer)| other == number || !waits_for(reader, writer))
            };
            let Some(next) = left.iter().position(ready) else {
                let commands: Vec<String> =
                    left.iter().map(|(_, generate)| format!("`{}`", generate.run.join(" "))).collect();
                return Err(GraphError::GenerateCycle {
                    krate: krate.name.clone(),
                    manifest: krate.manifest.clone(),
                    commands: commands.join(", "),
                });
            };
            order.push(left.remove(next));
        }
        Ok(order)
    }

    /// The names are cargo's for build scripts. None begins with `TENDER_`: those would reach a nested `tender`.
    fn command_environment(&self, crate_out: &Utf8Path) -> Vec<(String, String)> {
        let profile = self.request.profile;
        let level = format!("{:?}", profile.opt_level).trim_start_matches('O').to_owned();
        let debug = profile.debug != crate::manifest::DebugInfo::None;
        vec![
            ("OUT_DIR".into(), crate_out.to_string()),
            ("PROFILE".into(), profile.name.clone()),
            ("OPT_LEVEL".into(), level),
            ("DEBUG".into(), debug.to_string()),
        ]
    }

    fn plan_units(
        &mut self,
        id: CrateId,
        krate: &Crate,
        target: &Target<'_>,
        generated: &Generated,
        interfaces: &[(String, Vec<String>)],
        after: &[ItemIx],
    ) -> Result<Vec<Object>, GraphError> {
        let mut directories: Vec<String> =
            target.settings.include.iter().map(|dir| self.include(krate, dir)).collect();
        if let Some(lib) = &krate.lib {
            directories.extend(lib.headers.iter().map(|dir| self.include(krate, dir)));
            directories.extend(defines(&lib.public_defines));
        }
        let crate_out = self.crate_out(krate);
        if !krate.generate.is_empty() {
            directories.push(self.include(krate, &crate_out));
        }
        let mut pkg_config = Vec::new();
        for package in &target.settings.pkg_config {
            pkg_config.extend(self.pkg_config(krate, package)?.cflags);
        }
        let words = CompileWords {
            profile: self.request.profile,
            settings: target.settings,
            program: target.program,
            directories,
            interfaces: interfaces.to_vec(),
            pkg_config,
        };

        // Generated files come last whether or not an earlier build has left them on the disk for the globs to find.
        let mut late = target.generated.clone();
        late.sort();
        let found = target.sources.files.iter().filter(|path| !generated.all.contains(path));
        let mut by_language: BTreeMap<u8, (Vec<String>, Ingredients)> = BTreeMap::new();
        let mut objects = Vec::new();
        for source in found.chain(&late) {
            let name = name_in_crate(&self.workspace.root, krate, &crate_out, source);
            let seen = self.seen(source);
            let language = match source_kind(source) {
                None => continue,
                Some(SourceKind::Prebuilt) => {
                    let item = self.writers.get(&seen).copied();
                    objects.push(Object { name, path: seen, item, cxx: false, size: 0 });
                    continue;
                }
                Some(SourceKind::Unit(language)) => language,
            };
            let (args, ingredients) =
                by_language.entry(language as u8).or_insert_with(|| words.of(language)).clone();
            let object = self
                .seen(&self.graph.state_dir)
                .join(&krate.name)
                .join("obj")
                .join(&target.directory)
                .join(object_path(&name));
            let size = self.request.surroundings.file_size(source);
            let (kind, key, run, outputs) = match self.request.mode {
                Mode::Check => (
                    ItemKind::Check,
                    format!("{} check {} {name}", krate.name, target.name),
                    Work::Check { source: seen.to_string(), language, args },
                    Vec::new(),
                ),
                Mode::Build => {
                    let dwo =
                        args.iter().any(|arg| arg == "-gsplit-dwarf").then(|| object.with_extension("dwo"));
                    let mut outputs = vec![object.clone()];
                    outputs.extend(dwo.clone());
                    let work = Work::Compile {
                        source: seen.to_string(),
                        language,
                        args,
                        object: object.to_string(),
                        dwo: dwo.map(Utf8PathBuf::into_string),
                        cut: None,
                        lto: Lto::Off,
                    };
                    (ItemKind::Compile, format!("{} {} {name}", krate.name, target.name), work, outputs)
                }
            };
            let item = self.add(Item {
                krate: id,
                krate_name: krate.name.clone(),
                kind,
                key,
                label: seen.to_string(),
                after: after.to_vec(),
                run: Run::Worker(run),
                inputs: vec![seen],
                outputs,
                ingredients,
                size,
            })?;
            let cxx = language == Language::Cxx;
            objects.push(Object { name, path: object, item: Some(item), cxx, size });
        }
        Ok(objects)
    }

    /// The archive and the shared library, as far as somebody wants them: a dependency is built in one form only.
    fn plan_library(
        &mut self,
        id: CrateId,
        krate: &Crate,
        lib: &Lib,
        objects: &[Object],
        root: bool,
    ) -> Result<Option<LinkInput>, GraphError> {
        let cxx = objects.iter().any(|object| object.cxx);
        let mut library = None;
        if lib.staticlib || !lib.cdylib {
            let path = self.seen(&self.graph.out_dir).join(format!("lib{}.a", krate.name));
            let names: Vec<(String, bool)> =
                objects.iter().map(|object| (object.name.clone(), object.item.is_none())).collect();
            let members: Vec<Member> = member_names(&names)
                .into_iter()
                .zip(objects)
                .map(|(name, object)| Member { name, path: object.path.to_string() })
                .collect();
            let own = members.iter().map(|member| format!("{}={}", member.name, member.path)).collect();
            let item = self.add(Item {
                krate: id,
                krate_name: krate.name.clone(),
                kind: ItemKind::Archive,
                key: format!("{} archive", krate.name),
                label: format!("lib{}.a", krate.name),
                after: objects.iter().filter_map(|object| object.item).collect(),
                run: Run::Worker(Work::Archive { output: path.to_string(), members, lto: None }),
                inputs: objects.iter().map(|object| object.path.clone()).collect(),
                outputs: vec![path.clone()],
                ingredients: Ingredients { own, profile: Vec::new(), interfaces: Vec::new() },
                size: objects.iter().map(|object| object.size).sum(),
            })?;
            self.artifact(item, id, ArtifactKind::Staticlib, &krate.name);
            library = Some(LinkInput { path, item, shared: false, cxx });
        }
        if lib.cdylib && (root || library.is_none()) {
            let file = format!("lib{}.so", krate.name);
            let path = self.seen(&self.graph.out_dir).join(&file);
            let mut own = vec!["-shared".to_owned(), format!("-Wl,-soname,{file}")];
            let mut inputs = Vec::new();
            if let Some(exports) = &lib.exports {
                let exports = self.seen(&self.expanded(krate, exports));
                own.push(format!("-Wl,--version-script={exports}"));
                inputs.push(exports);
            }
            let item = self.plan_link(
                Linked { id, krate, kind: ItemKind::Shared, key: format!("{} shared", krate.name) },
                &path,
                (own, inputs),
                objects,
                None,
                &lib.settings,
            )?;
            self.artifact(item, id, ArtifactKind::Cdylib, &krate.name);
            library = library.or(Some(LinkInput { path, item, shared: true, cxx }));
        }
        Ok(library)
    }

    fn plan_program(
        &mut self,
        id: CrateId,
        krate: &Crate,
        bin: &Bin,
        objects: &[Object],
        of_crate: &Planned,
    ) -> Result<(), GraphError> {
        let path = self.seen(&self.graph.out_dir).join(&bin.name);
        let key = format!("{} bin {}", krate.name, bin.name);
        let item = self.plan_link(
            Linked { id, krate, kind: ItemKind::Program, key },
            &path,
            (vec!["-pie".to_owned()], Vec::new()),
            objects,
            krate.lib.as_ref().map(|lib| (lib, of_crate)),
            &bin.settings,
        )?;
        self.artifact(item, id, ArtifactKind::Program, &bin.name);
        Ok(())
    }

    /// The order of words: own leading ones, own objects, the crate's own library, the libraries of dependencies (each
    /// before those it depends on), rpath, link-args, then system libraries, the last two with those of dependencies.
    fn plan_link(
        &mut self,
        what: Linked<'_>,
        path: &Utf8Path,
        (mut own, mut inputs): (Vec<String>, Vec<Utf8PathBuf>),
        objects: &[Object],
        own_lib: Option<(&Lib, &Planned)>,
        settings: &TargetSettings,
    ) -> Result<ItemIx, GraphError> {
        let workspace = self.workspace;
        let mut pkg_libs = Vec::new();
        for package in &settings.pkg_config {
            pkg_libs.extend(self.pkg_config(what.krate, package)?.libs);
        }
        // A version script may be generated.
        let mut after: Vec<ItemIx> =
            inputs.iter().filter_map(|path| self.writers.get(path).copied()).collect();
        after.extend(objects.iter().filter_map(|object| object.item));
        let mut cxx = objects.iter().any(|object| object.cxx);
        own.extend(objects.iter().map(|object| object.path.to_string()));
        inputs.extend(objects.iter().map(|object| object.path.clone()));

        let mut args = own.clone();
        let mut interfaces = Vec::new();
        let mut requirements = LinkWords::of(settings, pkg_libs);
        let own_requirements = requirements.clone();
        let mut libraries: Vec<(&str, &LinkInput)> = Vec::new();
        if let Some((lib, planned)) = own_lib {
            libraries.extend(planned.library.as_ref().map(|library| (what.krate.name.as_str(), library)));
            requirements.append(planned.link_words.without_shared_start(&lib.settings, settings));
        }
        for dependency in link_order(workspace, what.id) {
            let name = workspace.crates[dependency.0 as usize].name.as_str();
            let known = self.planned(dependency);
            libraries.extend(known.library.as_ref().map(|library| (name, library)));
            requirements.append(known.link_words.clone());
            let mut words: Vec<String> =
                known.library.iter().map(|library| library.path.to_string()).collect();
            words.extend(known.link_words.all());
            if !words.is_empty() {
                interfaces.push((name.to_owned(), words));
            }
        }
        let mut runtime_path = false;
        for (_, library) in &libraries {
            args.push(library.path.to_string());
            inputs.push(library.path.clone());
            after.push(library.item);
            cxx |= library.cxx && !library.shared;
            runtime_path |= library.shared;
        }
        if let Some((_, planned)) = own_lib {
            own.extend(planned.library.iter().map(|library| library.path.to_string()));
        }
        if runtime_path {
            args.push("-Wl,-rpath,$ORIGIN".to_owned());
        }
        args.extend(requirements.all());
        own.extend(own_requirements.all());

        let driver = if cxx { DRIVER_CXX } else { DRIVER_C };
        own.push(match self.request.surroundings.chosen_driver(cxx) {
            Some(chosen) => format!("{}={chosen}", if cxx { "CXX" } else { "CC" }),
            None => driver.to_owned(),
        });
        let output = path.to_string();
        self.add(Item {
            krate: what.id,
            krate_name: what.krate.name.clone(),
            kind: what.kind,
            key: what.key,
            label: path.file_name().unwrap_or(path.as_str()).to_owned(),
            after,
            run: Run::Worker(Work::Link { driver: vec![driver.to_owned()], args, output, lto: None }),
            inputs,
            outputs: vec![path.to_owned()],
            ingredients: Ingredients { own, profile: Vec::new(), interfaces },
            size: objects.iter().map(|object| object.size).sum(),
        })
    }

    fn add(&mut self, item: Item) -> Result<ItemIx, GraphError> {
        let ix = ItemIx(u32::try_from(self.graph.items.len()).expect("fewer than 2^32 items"));
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

    fn artifact(&mut self, item: ItemIx, krate: CrateId, kind: ArtifactKind, name: &str) {
        let path = self.graph.root.join(&self.graph[item].outputs[0]);
        self.graph.artifacts.push(Artifact { item, krate, kind, name: name.to_owned(), path });
    }

    fn planned(&self, id: CrateId) -> &Planned {
        self.planned[id.0 as usize].as_ref().expect("dependencies are planned first")
    }

    fn pkg_config(&mut self, krate: &Crate, package: &str) -> Result<PkgConfig, GraphError> {
        if let Some(known) = self.pkg_config.get(package) {
            return Ok(known.clone());
        }
        let found =
            self.request.surroundings.pkg_config(package).map_err(|message| GraphError::PkgConfig {
                krate: krate.name.clone(),
                manifest: krate.manifest.clone(),
                package: package.to_owned(),
                message,
            })?;
        self.pkg_config.insert(package.to_owned(), found.clone());
        Ok(found)
    }

    fn crate_out(&self, krate: &Crate) -> Utf8PathBuf {
        self.graph.state_dir.join(&krate.name).join("out")
    }

    fn seen(&self, path: &Utf8Path) -> Utf8PathBuf {
        seen_from(&self.workspace.root, path)
    }

    fn include(&self, krate: &Crate, dir: &Utf8Path) -> String {
        format!("-I{}", self.seen(&self.expanded(krate, dir)))
    }

    /// A path of the manifest that may begin with `$OUT_DIR`.
    fn expanded(&self, krate: &Crate, path: &Utf8Path) -> Utf8PathBuf {
        let path = resolve(&krate.dir, path.as_str());
        match path.strip_prefix(OUT_DIR) {
            Ok(rest) if rest.as_str().is_empty() => self.crate_out(krate),
            Ok(rest) => self.crate_out(krate).join(rest),
            Err(_) => path,
        }
    }
}

/// What is linked.
struct Linked<'a> {
    id: CrateId,
    krate: &'a Crate,
    kind: ItemKind,
    key: String,
}

fn dependencies_first(workspace: &Workspace, roots: &[CrateId]) -> Vec<CrateId> {
    let mut order = Vec::new();
    let mut seen = vec![false; workspace.crates.len()];
    for root in roots {
        postorder(workspace, *root, false, &mut seen, &mut order);
    }
    order
}

/// Dependencies of `id`, each before those it depends on, siblings in declaration order: as a linker wants archives.
fn link_order(workspace: &Workspace, id: CrateId) -> Vec<CrateId> {
    let mut order = Vec::new();
    let mut seen = vec![false; workspace.crates.len()];
    postorder(workspace, id, true, &mut seen, &mut order);
    order.pop();
    order.reverse();
    order
}

fn postorder(
    workspace: &Workspace,
    id: CrateId,
    backwards: bool,
    seen: &mut [bool],
    order: &mut Vec<CrateId>,
) {
    if std::mem::replace(&mut seen[id.0 as usize], true) {
        return;
    }
    let dependencies = &workspace.crates[id.0 as usize].dependencies;
    if backwards {
        dependencies.iter().rev().for_each(|next| postorder(workspace, *next, backwards, seen, order));
    } else {
        dependencies.iter().for_each(|next| postorder(workspace, *next, backwards, seen, order));
    }
    order.push(id);
}

/// Dependencies of `id` in declaration order, each followed by its own that are new: the order of include directories.
fn include_order(workspace: &Workspace, id: CrateId) -> Vec<CrateId> {
    fn visit(workspace: &Workspace, id: CrateId, seen: &mut [bool], order: &mut Vec<CrateId>) {
        for next in &workspace.crates[id.0 as usize].dependencies {
            if !std::mem::replace(&mut seen[next.0 as usize], true) {
                order.push(*next);
                visit(workspace, *next, seen, order);
            }
        }
    }
    let mut order = Vec::new();
    let mut seen = vec![false; workspace.crates.len()];
    visit(workspace, id, &mut seen, &mut order);
    order
}
