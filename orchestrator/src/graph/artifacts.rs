//! Archives, shared libraries and programs as items.

use super::GraphError;
use super::build::{Builder, Object, Planned, PlannedLib};
use super::codegen;
use super::instance::{BuiltFor, Instance};
use super::link::{LibraryForm, LinkInput, LinkWords};
use super::model::{ArtifactKind, DRIVER_C, DRIVER_CXX, Ingredients, Item, ItemKind, Program, Run};
use super::order::{LibId, link_order};
use super::paths::{member_names, runtime_path};
use super::runtime;
use crate::keys::ItemId;
use crate::manifest::{Bin, Lib, Profile, ProgramKind, Strip, TargetSettings};
use crate::platform::Platform;
use camino::{Utf8Path, Utf8PathBuf};
use tender_protocol::{LtoArchive, LtoLibrary, LtoLink, Member, Work};

/// What is linked.
struct Linked<'a> {
    of: &'a Instance<'a>,
    /// The place of a library in its crate; None: a program.
    lib: Option<usize>,
    /// What is known of the libraries of the crate.
    own: &'a Planned,
    kind: ItemKind,
    key: String,
    /// In its crate's directory for link-time optimisation.
    directory: String,
    /// Words of the manifest for this link.
    link_args: Vec<String>,
    /// Links to the output.
    links: Vec<Utf8PathBuf>,
}

impl Builder<'_> {
    /// The archive and the shared library. `wanted`: the user asked for them, so each form is built; a
    /// mere dependency is built in one form only.
    ///
    /// # Errors
    /// [`GraphError::SameOutput`], or [`GraphError::PkgConfig`] for the link of a shared library.
    pub(super) fn plan_library(
        &mut self,
        of: &Instance<'_>,
        place: usize,
        objects: &[Object],
        planned: &Planned,
        wanted: bool,
    ) -> Result<Option<LinkInput>, GraphError> {
        let lib = &of.krate.libs[place];
        let cxx = objects.iter().any(|object| object.cxx);
        if lib.object {
            return Ok(Some(self.object_library(of, lib, objects)));
        }
        let mut library = None;
        if lib.staticlib || !lib.cdylib {
            let item = self.archive(of, lib, objects);
            let path = item.outputs[0].clone();
            let form = if codegen::crosses_crates(&self.profile(of)) {
                let is_linked = self.linked.contains(&LibId { krate: of.id, lib: place });
                let alone = self.request.named.contains(&of.id) || !is_linked;
                let form =
                    LibraryForm::Members { members: members(objects), items: item.after.clone() };
                if wanted && alone {
                    self.add_archive(item, &lib.name)?;
                } else {
                    self.graph.unbuilt_archives.push(item);
                }
                form
            } else {
                LibraryForm::Archive(self.add_archive(item, &lib.name)?)
            };
            library = Some(LinkInput { path, form, cxx });
        }
        if lib.cdylib && (wanted || library.is_none()) {
            let out_dir = self.path_for_commands(&self.side(of.built_for).out_dir);
            let path = out_dir.join(lib.shared_file());
            let links: Vec<Utf8PathBuf> =
                lib.shared_links().iter().map(|link| out_dir.join(link)).collect();
            let mut own = vec!["-shared".to_owned()];
            own.extend(lib.shared_name().map(|name| format!("-Wl,-soname,{name}")));
            let mut inputs = Vec::new();
            if let Some(exports) = &lib.exports {
                let exports = self.path_for_commands(&self.expanded(of, exports));
                own.push(format!("-Wl,--version-script={exports}"));
                inputs.push(exports);
            }
            let item = self.plan_link(
                Linked {
                    of,
                    lib: Some(place),
                    own: planned,
                    kind: ItemKind::Shared,
                    key: of.key(&lib.target_name("shared")),
                    directory: lib.directory("shared"),
                    link_args: [&lib.settings.link_args[..], &lib.public_link_args].concat(),
                    links,
                },
                &path,
                (own, inputs),
                objects,
                &lib.settings,
            )?;
            self.artifact(item, of.id, ArtifactKind::Cdylib, &lib.name);
            library = library.or(Some(LinkInput { path, form: LibraryForm::Shared(item), cxx }));
        }
        Ok(library)
    }

    /// A library without a file of its own.
    fn object_library(&self, of: &Instance<'_>, lib: &Lib, objects: &[Object]) -> LinkInput {
        let items = objects.iter().filter_map(|object| object.item).collect();
        let cxx = objects.iter().any(|object| object.cxx);
        let form = match codegen::crosses_crates(&self.profile(of)) {
            true => LibraryForm::Members { members: members(objects), items },
            false => LibraryForm::Objects {
                paths: objects.iter().map(|object| object.path.clone()).collect(),
                items,
                bitcode: objects.iter().any(|object| object.bitcode),
            },
        };
        // The word for the members; there is no such file.
        let path = self.path_for_commands(&self.side(of.built_for).out_dir);
        LinkInput { path: path.join(lib.archive_file()), form, cxx }
    }

    /// An archive of native code, in every mode.
    fn archive(&self, of: &Instance<'_>, lib: &Lib, objects: &[Object]) -> Item {
        let krate = of.krate;
        let profile = self.profile(of);
        let out_dir = self.path_for_commands(&self.side(of.built_for).out_dir);
        let file = lib.archive_file();
        let path = out_dir.join(&file);
        let members = members(objects);
        let own = members.iter().map(|member| format!("{}={}", member.name, member.path)).collect();
        let lto = objects.iter().any(|object| object.bitcode).then(|| LtoArchive {
            mode: codegen::lto(&profile),
            opt_level: codegen::lto_level(&profile),
            work_dir: self.lto_dir(of, &lib.directory("archive")),
        });
        let words = if lto.is_some() { codegen::lto_words(&profile) } else { Vec::new() };
        Item {
            krate: of.id,
            krate_name: krate.name.clone(),
            host: of.is_host(),
            kind: ItemKind::Archive,
            key: of.key(&lib.target_name("archive")),
            label: file,
            after: objects.iter().filter_map(|object| object.item).collect(),
            run: Run::Worker(Work::Archive { output: path.to_string(), members, lto }),
            program: None,
            inputs: objects.iter().map(|object| object.path.clone()).collect(),
            outputs: vec![path],
            ingredients: Ingredients { own, profile: words, interfaces: Vec::new() },
            size: objects.iter().map(|object| object.size).sum(),
        }
    }

    fn add_archive(&mut self, item: Item, name: &str) -> Result<ItemId, GraphError> {
        let id = item.krate;
        let ix = self.add(item)?;
        self.artifact(ix, id, ArtifactKind::Staticlib, name);
        Ok(ix)
    }

    /// Where link-time optimisation puts objects: a directory for one item.
    fn lto_dir(&self, of: &Instance<'_>, item: &str) -> String {
        self.path_for_commands(&self.side(of.built_for).crates_dir)
            .join(&of.krate.name)
            .join("lto")
            .join(item)
            .into_string()
    }

    /// Adds the link of a program.
    ///
    /// # Errors
    /// [`GraphError::SameOutput`] or [`GraphError::PkgConfig`].
    pub(super) fn plan_program(
        &mut self,
        of: &Instance<'_>,
        bin: &Bin,
        objects: &[Object],
        of_crate: &Planned,
    ) -> Result<(), GraphError> {
        let path = self.path_for_commands(&self.program_dir(of, bin.kind)).join(&bin.name);
        let kind = bin.kind.word();
        let key = of.key(&format!("{kind} {}", bin.name));
        let directory = format!("{kind}-{}", bin.name);
        let item = self.plan_link(
            Linked {
                of,
                lib: None,
                own: of_crate,
                kind: ItemKind::Program,
                key,
                directory,
                link_args: bin.settings.link_args.clone(),
                links: Vec::new(),
            },
            &path,
            (self.program_words(of), Vec::new()),
            objects,
            &bin.settings,
        )?;
        self.artifact(item, of.id, ArtifactKind::Program(bin.kind), &bin.name);
        Ok(())
    }

    /// Where programs of a kind go. Tests and the like have a directory for each kind in that of
    /// their crate: two crates may have tests of one name.
    fn program_dir(&self, of: &Instance<'_>, kind: ProgramKind) -> Utf8PathBuf {
        let side = self.side(of.built_for);
        match kind {
            ProgramKind::Bin => side.out_dir.clone(),
            kind => side.crates_dir.join(&of.krate.name).join(kind.word()),
        }
    }

    /// The link driver, its program, and what chooses it. `target` is what it makes.
    ///
    /// # Errors
    /// [`GraphError::NoDriver`]: there is none for the platform.
    pub(super) fn chosen_driver(
        &self,
        of: &Instance<'_>,
        cxx: bool,
        target: &str,
    ) -> Result<(Vec<String>, Program, String), GraphError> {
        let surroundings = self.request.surroundings;
        let of_target = match of.is_host() {
            true => None,
            false => surroundings.target_driver(cxx).map_err(|message| GraphError::NoDriver {
                krate: of.krate.name.clone(),
                target: target.to_owned(),
                message,
            })?,
        };
        if let Some(words) = of_target {
            let name = words[0].clone();
            let path = surroundings.program(&name, &self.workspace.root);
            let chosen = words.join(" ");
            return Ok((words, Program { name, path }, chosen));
        }
        let driver = if cxx { DRIVER_CXX } else { DRIVER_C };
        let chosen = match surroundings.chosen_driver(cxx) {
            Some(chosen) => format!("{}={chosen}", if cxx { "CXX" } else { "CC" }),
            None => driver.to_owned(),
        };
        Ok((vec![driver.to_owned()], surroundings.driver(cxx), chosen))
    }

    /// What the link of a program begins with.
    pub(super) fn program_words(&self, of: &Instance<'_>) -> Vec<String> {
        let words: &[&str] = match self.platform(of).is_some_and(Platform::is_musl) {
            // musl is for programs that run on every Linux. Its start code for other programs has an
            // interpreter, which lld would name in a static one too.
            true => &["-no-pie", "-static", "-Wl,--no-dynamic-linker"],
            false if self.profile(of).pie => &["-pie"],
            false => &["-no-pie"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// What is known of a library that a target is linked with.
    fn planned_lib<'p>(&'p self, what: &Linked<'p>, lib: LibId) -> &'p PlannedLib {
        let of = what.of;
        // The library of a crate is planned before the crate's tests, and with its programs.
        let planned = match lib.krate == of.id && of.built_for != BuiltFor::Dev {
            true => what.own,
            false => self.planned(lib.krate, of.built_for.of_dependencies()),
        };
        &planned.libs[lib.lib]
    }

    /// The order of words: own leading ones, own objects, the libraries of the crate and of
    /// dependencies (each before those it depends on), rpath, link-args, then system libraries, the
    /// last two with those of dependencies.
    fn plan_link(
        &mut self,
        what: Linked<'_>,
        path: &Utf8Path,
        (mut own, mut inputs): (Vec<String>, Vec<Utf8PathBuf>),
        objects: &[Object],
        settings: &TargetSettings,
    ) -> Result<ItemId, GraphError> {
        let mut pkg_libs = Vec::new();
        for package in &settings.pkg_config {
            pkg_libs.extend(self.pkg_config(what.of, package)?.libs);
        }
        // A version script may be generated.
        let mut after: Vec<ItemId> =
            inputs.iter().filter_map(|path| self.writers.get(path).copied()).collect();
        after.extend(objects.iter().filter_map(|object| object.item));
        let mut cxx = objects.iter().any(|object| object.cxx);
        own.extend(objects.iter().map(|object| object.path.to_string()));
        inputs.extend(objects.iter().map(|object| object.path.clone()));

        let mut args = own.clone();
        let mut interfaces: Vec<(String, Vec<String>)> = Vec::new();
        let mut requirements = LinkWords::of(&what.link_args, settings, pkg_libs);
        let own_requirements = requirements.clone();
        let mut libraries: Vec<(&str, &LinkInput)> = Vec::new();
        let mut runtime_words = runtime::words_of_flags(&self.profile(what.of), settings);
        let mut own_libraries = Vec::new();
        for linked in link_order(what.of.built_for.crates(self.workspace), what.of.id, what.lib) {
            let known = self.planned_lib(&what, linked.lib);
            let krate = &self.workspace[linked.lib.krate];
            let (name, is_object) = (krate.name.as_str(), krate.libs[linked.lib.lib].object);
            runtime_words.extend_from_slice(&known.runtime_words);
            let link_words = known.link_words.shown(linked.is_visible);
            requirements.append(link_words.clone());
            let mut words = Vec::new();
            // What a shared library has in it is not linked again.
            let library = known.library.as_ref().filter(|_| linked.is_part || !is_object);
            if let Some(library) = library {
                words = library.words(linked.is_whole || is_object);
                args.extend_from_slice(&words);
                libraries.push((name, library));
            }
            if linked.lib.krate == what.of.id {
                own_libraries.extend(words);
                continue;
            }
            words.extend(link_words.all());
            match interfaces.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => known.extend(words),
                None if words.is_empty() => {}
                None => interfaces.push((name.to_owned(), words)),
            }
        }
        let mut loads_libraries = false;
        let mut as_members = Vec::new();
        let mut bitcode = objects.iter().any(|object| object.bitcode);
        for (name, library) in &libraries {
            after.extend(library.items());
            cxx |= library.cxx && !library.is_shared();
            loads_libraries |= library.is_shared();
            match &library.form {
                LibraryForm::Archive(_) | LibraryForm::Shared(_) => {
                    inputs.push(library.path.clone())
                }
                LibraryForm::Objects { paths, bitcode: is_bitcode, .. } => {
                    inputs.extend_from_slice(paths);
                    bitcode |= is_bitcode;
                }
                LibraryForm::Members { members, .. } => {
                    inputs.extend(members.iter().map(|member| Utf8PathBuf::from(&member.path)));
                    own.extend(members.iter().map(|member| member.path.clone()));
                    as_members.push(LtoLibrary {
                        word: library.path.to_string(),
                        krate: (*name).to_owned(),
                        members: members.clone(),
                    });
                }
            }
        }
        own.extend(own_libraries);
        if loads_libraries {
            // Libraries lie in the directory of outputs, a plugin may lie below it.
            let out_dir = &self.side(what.of.built_for).out_dir;
            let below = self.graph.root.join(path);
            let below = below.strip_prefix(out_dir).map_or(0, |path| path.components().count() - 1);
            args.push(format!("-Wl,-rpath,{}", runtime_path(below)));
        }
        args.extend(requirements.all());
        own.extend(own_requirements.all());
        own.extend(what.links.iter().map(|link| format!("link={link}")));

        let profile = self.profile(what.of);
        let mut words = strip_words(&profile);
        words.extend(runtime::link_words(&profile));
        runtime_words.retain(|word| !words.contains(word));
        own.extend(runtime_words.iter().cloned());
        let surroundings = self.request.surroundings;
        let name = path.file_name().unwrap_or(path.as_str());
        let (mut driver, program) = if profile.needs_runtime() || !runtime_words.is_empty() {
            args.extend(runtime_words);
            let driver = surroundings.clang(cxx, what.of.is_host()).map_err(|message| {
                GraphError::NoRuntime {
                    krate: what.of.krate.name.clone(),
                    target: name.to_owned(),
                    message,
                }
            })?;
            own.extend(driver.iter().cloned());
            let program = driver[0].clone();
            let path = Some(Utf8PathBuf::from(&program));
            (driver, Program { name: program, path })
        } else {
            let (driver, program, chosen) = self.chosen_driver(what.of, cxx, name)?;
            own.push(chosen);
            (driver, program)
        };
        words.extend(profile.link_args.iter().cloned());
        args.extend(words.iter().cloned());
        let lto = (bitcode || !as_members.is_empty()).then(|| LtoLink {
            mode: codegen::lto(&profile),
            opt_level: codegen::lto_level(&profile),
            work_dir: self.lto_dir(what.of, &what.directory),
            libraries: as_members,
        });
        if lto.is_some() {
            words.extend(codegen::lto_words(&profile));
        }
        if let Some(linker) = &profile.linker {
            driver.retain(|word| !word.starts_with("-fuse-ld="));
            driver.extend(surroundings.linker(linker).map_err(|message| GraphError::NoLinker {
                krate: what.of.krate.name.clone(),
                target: name.to_owned(),
                message,
            })?);
            own.push(linker.word());
        }
        let output = path.to_string();
        self.add(Item {
            krate: what.of.id,
            krate_name: what.of.krate.name.clone(),
            host: what.of.is_host(),
            kind: what.kind,
            key: what.key,
            label: name.to_owned(),
            after,
            run: Run::Worker(Work::Link { driver, args, output, lto }),
            program: Some(program),
            inputs,
            outputs: [path.to_owned()].into_iter().chain(what.links).collect(),
            ingredients: Ingredients { own, profile: words, interfaces },
            size: objects.iter().map(|object| object.size).sum(),
        })
    }
}

/// What a profile takes out of the outputs of links.
fn strip_words(profile: &Profile) -> Vec<String> {
    let word = match profile.strip {
        Strip::Nothing => return Vec::new(),
        Strip::DebugInfo => "-Wl,--strip-debug",
        Strip::Symbols => "-Wl,--strip-all",
    };
    vec![word.to_owned()]
}

/// The members of a crate's archive, in the order of its sources.
fn members(objects: &[Object]) -> Vec<Member> {
    let names: Vec<(String, bool)> =
        objects.iter().map(|object| (object.name.clone(), object.prebuilt)).collect();
    let member = |(name, object): (String, &Object)| Member { name, path: object.path.to_string() };
    member_names(&names).into_iter().zip(objects).map(member).collect()
}
