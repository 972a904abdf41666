//! The units of a crate as items.
//!
//! A source that several targets of a crate name, and compile by the same words, is compiled once.
//! The unit is that of the first of these targets in the order of the manifest, even where that is
//! not built now: its names do not depend on what was asked for.

use super::GraphError;
use super::args::CompileWords;
use super::build::{Builder, Mode, Object, ShownLibs, is_native, system_cflags};
use super::codegen::{self, UnitOrigin};
use super::instance::Instance;
use super::model::{Ingredients, Item, ItemKind, Run};
use super::paths::{name_in_crate, object_path, portable_name};
use crate::keys::ItemId;
use crate::manifest::{Profile, ShareHeaders, SourceKind, Sources, TargetSettings, source_kind};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tender_protocol::{Language, Lto, Share, Work};

pub(super) struct Target<'a> {
    /// In keys: `lib`, `bin zip`.
    pub name: String,
    /// Of its objects.
    pub directory: String,
    pub sources: &'a Sources,
    pub settings: &'a TargetSettings,
    /// `-fPIC` and the like.
    pub position: &'static str,
    /// What it sees of the crate's libraries.
    pub shown: ShownLibs<'a>,
    /// The sources that commands write.
    pub generated: &'a [Utf8PathBuf],
}

/// A unit of C++, and how it is compiled.
#[derive(Clone)]
pub(super) struct CxxUnit {
    /// The number of the target that it belongs to, the target as in keys, and the directory of its
    /// objects.
    pub owner: usize,
    pub target: String,
    pub directory: String,
    /// The source, absolute, as commands name it, and as it is named in its crate.
    pub path: Utf8PathBuf,
    pub seen: Utf8PathBuf,
    pub name: String,
    pub args: Vec<String>,
    pub ingredients: Ingredients,
    pub declared: Vec<Utf8PathBuf>,
    pub after: Vec<ItemId>,
}

/// What the units of all targets of a crate have in common.
#[derive(Clone, Copy)]
pub(super) struct UnitContext<'a> {
    pub of: &'a Instance<'a>,
    pub profile: &'a Profile,
    /// All that the crate's commands write.
    pub generated: &'a [Utf8PathBuf],
    /// What dependencies add to compile commands.
    pub interfaces: &'a [(String, Vec<String>)],
    /// Items that each unit comes after.
    pub after: &'a [ItemId],
}

/// The units of the targets of a crate.
pub(super) struct CrateUnits<'a> {
    context: UnitContext<'a>,
    targets: &'a [Target<'a>],
    /// How each target compiles, as soon as that is asked for.
    prepared: Vec<Option<PreparedTarget<'a>>>,
    /// Sources that several targets name, and which these are.
    shared: HashMap<&'a Utf8Path, Vec<usize>>,
    /// The items of shared sources, by the target that they belong to.
    made: HashMap<(usize, &'a Utf8Path), ItemId>,
}

struct PreparedTarget<'a> {
    words: CompileWords<'a>,
    /// Arguments and the same in parts.
    by_kind: BTreeMap<u8, (Vec<String>, Ingredients)>,
    /// Files that each unit reads beside those that its compiler reports.
    declared: Vec<Utf8PathBuf>,
    after: Vec<ItemId>,
    sources: Vec<NamedSource<'a>>,
    /// The item of its precompiled headers, if they were asked for.
    precompiled: Option<ItemId>,
    /// Where headers are that its units of C++ share, if that was asked for.
    shared_headers: Option<Option<Share>>,
}

#[derive(Clone)]
struct NamedSource<'a> {
    path: &'a Utf8Path,
    name: String,
    /// In symbols.
    portable: String,
}

impl<'a> CrateUnits<'a> {
    pub fn new(context: UnitContext<'a>, targets: &'a [Target<'a>]) -> CrateUnits<'a> {
        let mut shared: HashMap<&Utf8Path, Vec<usize>> = HashMap::new();
        if targets.len() > 1 {
            for (number, target) in targets.iter().enumerate() {
                for source in target.compiled(context.generated) {
                    shared.entry(source).or_default().push(number);
                }
            }
            shared.retain(|_, targets| targets.len() > 1);
        }
        let prepared = targets.iter().map(|_| None).collect();
        CrateUnits { context, targets, prepared, shared, made: HashMap::new() }
    }

    pub fn of(&self) -> &'a Instance<'a> {
        self.context.of
    }

    pub fn profile(&self) -> &'a Profile {
        self.context.profile
    }

    pub fn has_precompiled_headers(&self, number: usize) -> bool {
        !self.targets[number].settings.precompiled_headers.is_empty()
    }

    fn prepared(&self, number: usize) -> &PreparedTarget<'a> {
        self.prepared[number].as_ref().expect("the target was prepared")
    }

    fn prepared_mut(&mut self, number: usize) -> &mut PreparedTarget<'a> {
        self.prepared[number].as_mut().expect("the target was prepared")
    }
}

impl<'a> Target<'a> {
    /// Whether its units of this language begin with precompiled headers: those of C++, or of C in a
    /// target without C++.
    fn precompiles(&self, language: Language) -> bool {
        let is_cxx =
            |path: &Utf8PathBuf| source_kind(path) == Some(SourceKind::Unit(Language::Cxx));
        let mut sources = self.sources.files.iter().chain(self.generated);
        !self.settings.precompiled_headers.is_empty()
            && match language {
                Language::Cxx => true,
                Language::C => !sources.any(is_cxx),
                _ => false,
            }
    }

    /// Its sources. Generated files come last whether or not an earlier build has left them on the
    /// disk for the globs to find.
    fn compiled(&self, generated: &[Utf8PathBuf]) -> impl Iterator<Item = &'a Utf8Path> {
        let mut late: Vec<&Utf8Path> = self.generated.iter().map(|path| &**path).collect();
        late.sort();
        let found = self.sources.files.iter().filter(|path| !generated.contains(path));
        found.map(|path| &**path).chain(late).collect::<Vec<_>>().into_iter()
    }
}

impl PreparedTarget<'_> {
    fn args(&self, kind: SourceKind) -> &(Vec<String>, Ingredients) {
        &self.by_kind[&number_of(kind)]
    }
}

/// Units of different numbers have different words.
fn number_of(kind: SourceKind) -> u8 {
    match kind {
        SourceKind::Unit(language) => language as u8,
        SourceKind::Nasm => u8::MAX - 1,
        SourceKind::Prebuilt => u8::MAX,
    }
}

impl<'a> Builder<'_> {
    /// Adds the units of a target, but for those that another target has added already.
    ///
    /// # Errors
    /// [`GraphError::SameOutput`], [`GraphError::PkgConfig`] or [`GraphError::NoAssembler`].
    pub(super) fn plan_units(
        &mut self,
        units: &mut CrateUnits<'a>,
        number: usize,
    ) -> Result<Vec<Object>, GraphError> {
        self.prepare_target(units, number)?;
        let sources = std::mem::take(&mut units.prepared_mut(number).sources);
        let mut objects = Vec::with_capacity(sources.len());
        for source in &sources {
            match source_kind(source.path) {
                None => {}
                Some(SourceKind::Prebuilt) => {
                    let path = self.path_for_commands(source.path);
                    objects.push(Object {
                        name: source.name.clone(),
                        item: self.writers.get(&path).copied(),
                        path,
                        prebuilt: true,
                        bitcode: false,
                        cxx: false,
                        size: 0,
                    });
                }
                // Assemblers only assemble.
                Some(SourceKind::Nasm) if self.mode(units.context.of) == Mode::Check => {}
                Some(kind) => {
                    let owner = self.owner(units, number, source.path, kind);
                    let mut of_owner = units.prepared(owner).sources.iter();
                    let of_owner = of_owner.find(|known| known.path == source.path);
                    let source = of_owner.unwrap_or(source).clone();
                    objects.push(self.plan_unit(units, owner, &source, kind)?);
                }
            }
        }
        units.prepared_mut(number).sources = sources;
        Ok(objects)
    }

    /// The units of C++ of a target, those that belong to another one with it.
    ///
    /// # Errors
    /// As `plan_units`.
    pub(super) fn cxx_units(
        &mut self,
        units: &mut CrateUnits<'a>,
        number: usize,
    ) -> Result<Vec<CxxUnit>, GraphError> {
        self.prepare_target(units, number)?;
        let kind = SourceKind::Unit(Language::Cxx);
        let sources: Vec<_> = units.prepared(number).sources.clone();
        let mut found = Vec::new();
        for source in sources.into_iter().filter(|source| source_kind(source.path) == Some(kind)) {
            let owner = self.owner(units, number, source.path, kind);
            self.prepare_kind(units, owner, source.path, kind)?;
            let (target, prepared) = (&units.targets[owner], units.prepared(owner));
            let (args, ingredients) = prepared.args(kind).clone();
            found.push(CxxUnit {
                owner,
                target: target.name.clone(),
                directory: target.directory.clone(),
                path: source.path.to_owned(),
                seen: self.path_for_commands(source.path),
                name: source.name,
                args,
                ingredients,
                declared: prepared.declared.clone(),
                after: prepared.after.clone(),
            });
        }
        Ok(found)
    }

    /// The target whose unit the source is: the first that compiles it by the same words.
    fn owner(
        &mut self,
        units: &mut CrateUnits<'a>,
        number: usize,
        source: &Utf8Path,
        kind: SourceKind,
    ) -> usize {
        let candidates = units.shared.get(source).cloned().unwrap_or_default();
        let mut earlier = candidates.into_iter().take_while(|candidate| *candidate < number);
        earlier
            .find(|candidate| self.compiles_alike(units, *candidate, number, source, kind))
            .unwrap_or(number)
    }

    /// Whether an earlier target compiles its sources of a kind as the target `number` does: by the
    /// same words, with the same `inputs` and precompiled headers. Prepares both.
    fn compiles_alike(
        &mut self,
        units: &mut CrateUnits<'a>,
        earlier: usize,
        number: usize,
        source: &Utf8Path,
        kind: SourceKind,
    ) -> bool {
        // One that is not built now may need a package that is missing.
        let prepared = self
            .prepare_target(units, earlier)
            .and_then(|()| self.prepare_kind(units, earlier, source, kind))
            .and_then(|()| self.prepare_kind(units, number, source, kind));
        if prepared.is_err() {
            return false;
        }
        let (first, own) = (units.prepared(earlier), units.prepared(number));
        let headers = |target: usize| &units.targets[target].settings.precompiled_headers;
        first.args(kind).0 == own.args(kind).0
            && first.declared == own.declared
            && headers(earlier) == headers(number)
    }

    fn prepare_target(
        &mut self,
        units: &mut CrateUnits<'a>,
        number: usize,
    ) -> Result<(), GraphError> {
        if units.prepared[number].is_some() {
            return Ok(());
        }
        let UnitContext { of, profile, generated, interfaces, after } = units.context;
        let (krate, target) = (of.krate, &units.targets[number]);
        let mut directories: Vec<String> =
            target.settings.include.iter().map(|dir| self.include(of, dir)).collect();
        for lib in &target.shown.libs {
            let words = lib.headers.iter().map(|dir| self.include(of, dir));
            for word in words.chain(super::args::defines(&lib.public_defines)) {
                if !directories.contains(&word) {
                    directories.push(word);
                }
            }
        }
        let crate_out = self.crate_out(of);
        if !krate.generate.is_empty() || !krate.config_headers.is_empty() {
            directories.push(self.include(of, &crate_out));
        }
        let mut pkg_config = Vec::new();
        for package in &target.settings.pkg_config {
            pkg_config.extend(system_cflags(self.pkg_config(of, package)?.cflags));
        }
        pkg_config.extend(target.shown.pkg_config.iter().cloned());
        let words = CompileWords {
            platform: self.platform_words(of),
            profile,
            settings: target.settings,
            position: target.position,
            directories,
            interfaces: interfaces.to_vec(),
            pkg_config,
            is_silent: krate.source.is_some(),
        };

        let declared: Vec<Utf8PathBuf> = target
            .settings
            .inputs
            .iter()
            .map(|path| self.path_for_commands(&self.expanded(of, path)))
            .chain(profile.pgo_use.iter().map(|path| self.path_for_commands(path)))
            .collect();
        let mut after = after.to_vec();
        for writer in declared.iter().filter_map(|path| self.writers.get(path)) {
            if !after.contains(writer) {
                after.push(*writer);
            }
        }
        let mut outside = HashMap::new();
        let named = |path: &'a Utf8Path| {
            let name = name_in_crate(&self.workspace.root, krate, &crate_out, path);
            let portable = portable_name(&name, &mut outside);
            NamedSource { path, name, portable }
        };
        let sources = target.compiled(generated).map(named).collect();
        let by_kind = BTreeMap::new();
        units.prepared[number] = Some(PreparedTarget {
            words,
            by_kind,
            declared,
            after,
            sources,
            precompiled: None,
            shared_headers: None,
        });
        Ok(())
    }

    /// Makes the words for a kind of sources, of a target that is prepared.
    fn prepare_kind(
        &mut self,
        units: &mut CrateUnits<'a>,
        number: usize,
        source: &Utf8Path,
        kind: SourceKind,
    ) -> Result<(), GraphError> {
        let of = units.context.of;
        let prepared = units.prepared_mut(number);
        if prepared.by_kind.contains_key(&number_of(kind)) {
            return Ok(());
        }
        let made = match kind {
            SourceKind::Unit(language) => {
                let (args, mut ingredients) = prepared.words.of(language);
                // What `native` means differs between machines that share a directory.
                if args.iter().any(|word| is_native(word)) {
                    let processor = self.request.surroundings.processor();
                    ingredients.own.push(format!("processor={processor}"));
                }
                (args, ingredients)
            }
            _ => prepared.words.of_nasm(self.assembler(of, source)?.debug()),
        };
        prepared.by_kind.insert(number_of(kind), made);
        Ok(())
    }

    /// The item of a target's precompiled headers, for its units of this language; `source` is one of
    /// them. None if it has none. Targets that have the same headers and words share the item, which is
    /// that of the first of them.
    ///
    /// # Errors
    /// [`GraphError::SameOutput`].
    fn precompiled_headers(
        &mut self,
        units: &mut CrateUnits<'a>,
        number: usize,
        source: &Utf8Path,
        language: Language,
    ) -> Result<Option<ItemId>, GraphError> {
        if let Some(known) = units.prepared(number).precompiled {
            return Ok(Some(known).filter(|_| units.targets[number].precompiles(language)));
        }
        if !units.targets[number].precompiles(language) {
            return Ok(None);
        }
        let kind = SourceKind::Unit(language);
        let owner = (0..number)
            .find(|earlier| {
                units.targets[*earlier].precompiles(language)
                    && self.compiles_alike(units, *earlier, number, source, kind)
            })
            .unwrap_or(number);
        let of = units.context.of;
        let (krate, target, prepared) = (of.krate, &units.targets[owner], units.prepared(owner));
        if let Some(known) = prepared.precompiled {
            units.prepared_mut(number).precompiled = Some(known);
            return Ok(Some(known));
        }
        let headers = &target.settings.precompiled_headers;
        // No file: what is in the manifest is read as one that lies beside it.
        let place = self.path_for_commands(&krate.dir.join("precompiled-headers"));
        let directory = self.path_for_commands(&self.side(of.built_for).crates_dir);
        let directory = directory.join(&krate.name).join("headers").join(&target.directory);
        let output = directory.join("precompiled.pch");
        let (args, mut ingredients) = prepared.args(kind).clone();
        ingredients.own.extend(headers.iter().cloned());
        let work = Work::Precompile {
            source: place.to_string(),
            headers: headers.clone(),
            language,
            args,
            output: output.to_string(),
        };
        let item = self.add(Item {
            krate: of.id,
            krate_name: krate.name.clone(),
            host: of.is_host(),
            kind: ItemKind::Precompile,
            key: format!("{} precompile {}", krate.name, target.name),
            label: place.to_string(),
            after: prepared.after.clone(),
            run: Run::Worker(work),
            program: None,
            inputs: prepared.declared.clone(),
            outputs: vec![output],
            ingredients,
            size: 0,
        })?;
        units.prepared_mut(owner).precompiled = Some(item);
        units.prepared_mut(number).precompiled = Some(item);
        Ok(Some(item))
    }

    /// The headers that the units of C++ of a target share with those of all targets of the crate with
    /// the same words; `source` is one of them. None if they share none. They are one item, which no
    /// unit waits for.
    ///
    /// # Errors
    /// [`GraphError::SameOutput`].
    fn shared_headers(
        &mut self,
        units: &mut CrateUnits<'a>,
        number: usize,
        source: &Utf8Path,
    ) -> Result<Option<Share>, GraphError> {
        if let Some(known) = &units.prepared(number).shared_headers {
            return Ok(known.clone());
        }
        let kind = SourceKind::Unit(Language::Cxx);
        let verify = match units.context.profile.share_headers {
            ShareHeaders::Off => None,
            ShareHeaders::Auto => Some(false),
            ShareHeaders::Verify => Some(true),
        };
        let verify =
            verify.filter(|_| codegen::may_share_headers(&units.prepared(number).args(kind).0));
        let Some(verify) = verify else {
            units.prepared_mut(number).shared_headers = Some(None);
            return Ok(None);
        };
        let alike: Vec<usize> = (0..units.targets.len())
            .filter(|other| {
                *other == number || self.compiles_alike(units, *other, number, source, kind)
            })
            .collect();
        let (of, generated) = (units.context.of, units.context.generated);
        let all = alike.iter().flat_map(|target| units.targets[*target].compiled(generated));
        let sources: BTreeSet<&Utf8Path> =
            all.filter(|path| source_kind(path) == Some(kind)).collect();
        let owner = &units.targets[alike[0]];
        let directory = self.path_for_commands(&self.side(of.built_for).crates_dir);
        let directory = directory.join(&of.krate.name).join("headers").join(&owner.directory);
        let output = directory.join("shared");
        let share = Share { headers: output.to_string(), verify };
        let share = (sources.len() > 1).then_some(share);
        for target in alike.iter().copied() {
            units.prepared_mut(target).shared_headers = Some(share.clone());
        }
        if share.is_none() {
            return Ok(None);
        }
        let prepared = units.prepared(number);
        let (args, mut ingredients) = prepared.args(kind).clone();
        // They are chosen anew when there are twice as many units.
        ingredients.own.push(format!("units={}", 1usize << sources.len().ilog2()));
        let sources = sources.into_iter().map(|path| self.path_for_commands(path).to_string());
        let work =
            Work::ShareHeaders { sources: sources.collect(), args, output: output.to_string() };
        self.add(Item {
            krate: of.id,
            krate_name: of.krate.name.clone(),
            host: of.is_host(),
            kind: ItemKind::ShareHeaders,
            key: format!("{} share {}", of.krate.name, owner.name),
            label: self.path_for_commands(&of.krate.dir.join("shared-headers")).to_string(),
            after: prepared.after.clone(),
            run: Run::Worker(work),
            program: None,
            inputs: Vec::new(),
            outputs: vec![output],
            ingredients,
            size: 0,
        })?;
        Ok(share)
    }

    /// The path of the object of a source of a crate; `directory` is that of a target.
    pub(super) fn object_of(&self, of: &Instance<'_>, directory: &str, name: &str) -> Utf8PathBuf {
        let crates_dir = self.path_for_commands(&self.side(of.built_for).crates_dir);
        crates_dir.join(&of.krate.name).join("obj").join(directory).join(object_path(name))
    }

    /// The unit of a source as one of the target `number`; made now if it is not there yet.
    fn plan_unit(
        &mut self,
        units: &mut CrateUnits<'a>,
        number: usize,
        NamedSource { path, name, portable }: &NamedSource<'a>,
        source_kind: SourceKind,
    ) -> Result<Object, GraphError> {
        self.prepare_kind(units, number, path, source_kind)?;
        let language = match source_kind {
            SourceKind::Unit(language) => Some(language),
            _ => None,
        };
        let UnitContext { of, profile, .. } = units.context;
        let (krate, target) = (of.krate, &units.targets[number]);
        let object = self.object_of(of, &target.directory, name);
        let size = self.request.surroundings.file_size(path);
        let has_module = language.is_some_and(codegen::has_module);
        let lto = if has_module { codegen::lto(profile) } else { Lto::Off };
        let mut unit = Object {
            name: name.clone(),
            path: object.clone(),
            item: units.made.get(&(number, path)).copied(),
            prebuilt: false,
            bitcode: !lto.is_off(),
            cxx: language == Some(Language::Cxx),
            size,
        };
        if unit.item.is_some() {
            return Ok(unit);
        }
        let seen = self.path_for_commands(path);
        let prepared = units.prepared(number);
        let (mut args, mut ingredients) = prepared.args(source_kind).clone();
        let mut after = prepared.after.clone();
        let mut inputs: Vec<Utf8PathBuf> =
            [seen.clone()].into_iter().chain(prepared.declared.iter().cloned()).collect();
        let imported = self.imported_modules(of, number, path, &args)?;
        let translation = imported.translation;
        args.extend(imported.words.iter().cloned());
        // Its object must not depend on whether another unit imports its module.
        let mut plain = imported.words.is_empty() && !imported.declares;
        ingredients.own.extend(imported.words);
        after.extend(imported.after);
        if let Some(language) = language
            && let Some(item) = self.precompiled_headers(units, number, path, language)?
        {
            let words = ["-include-pch".to_owned(), self.graph[item].outputs[0].to_string()];
            args.extend(words.iter().cloned());
            ingredients.own.extend(words);
            after.push(item);
            plain = false;
        }
        let mut share = None;
        if (language, self.mode(of)) == (Some(Language::Cxx), Mode::Build) && plain {
            share = self.shared_headers(units, number, path)?;
        }
        let target = &units.targets[number];
        let mut program = None;
        let key = |check: &str| format!("{} {check}{} {name}", krate.name, target.name);
        let (kind, key, run, outputs) = match (language, self.mode(of)) {
            (Some(language), Mode::Check) => (
                ItemKind::Check,
                key("check "),
                Run::Worker(Work::Check { source: seen.to_string(), language, args }),
                Vec::new(),
            ),
            (None, _) => {
                let assembler = self.assembler(of, path)?;
                let command = assembler.command(&self.workspace.root, args, &seen, &object);
                ingredients.own.extend(assembler.own_words());
                program = Some(assembler.program());
                (ItemKind::Compile, key(""), Run::Command(command), vec![object.clone()])
            }
            (Some(language), Mode::Build) => {
                let splits_debug = args.iter().any(|arg| arg == "-gsplit-dwarf");
                // With link-time optimisation, debug information stays in the modules.
                let dwo = (splits_debug && lto.is_off()).then(|| object.with_extension("dwo"));
                let origin =
                    UnitOrigin { krate: &krate.name, target: &target.name, source: portable };
                // One object names one `.dwo`.
                let may_cut = has_module
                    && dwo.is_none()
                    && !profile.keeps_units_whole()
                    && self.platform(of).is_none_or(codegen::may_cut_for);
                let forced = self.request.force_pieces.filter(|_| may_cut);
                let cut = may_cut.then(|| codegen::cut(profile, forced, &origin)).flatten();
                ingredients.own.extend(forced.map(codegen::forced_word));
                ingredients.profile.extend(codegen::unit_words(profile, language));
                ingredients.profile.extend(share.as_ref().map(codegen::share_word));
                let mut outputs = vec![object.clone()];
                outputs.extend(dwo);
                let work = Work::Compile {
                    source: seen.to_string(),
                    language,
                    args,
                    object: object.to_string(),
                    cut,
                    lto,
                    share,
                    translation: translation.as_ref().map(Utf8PathBuf::to_string),
                };
                // All else that the source is made of counts for the item that has translated it.
                if let Some(file) = translation {
                    inputs = vec![file];
                }
                (ItemKind::Compile, key(""), Run::Worker(work), outputs)
            }
        };
        let item = self.add(Item {
            krate: of.id,
            krate_name: krate.name.clone(),
            host: of.is_host(),
            kind,
            key,
            label: seen.to_string(),
            after,
            run,
            program,
            inputs,
            outputs,
            ingredients,
            size,
        })?;
        if unit.cxx && self.awaits_scans(of.id, of.built_for) {
            self.graph.unscanned.push(item);
        }
        if units.shared.contains_key(path) {
            units.made.insert((number, path), item);
        }
        unit.item = Some(item);
        Ok(unit)
    }
}
