//! One manifest and the files around it -> one crate: its library, its programs, its commands, with
//! all defaults.

use super::MANIFEST_NAME;
use super::cfg::CfgFacts;
use super::commands::{ResolvedCommand, outputs};
use super::enabled::{BUILD, Enabled};
use super::features::FeatureValue;
use super::libs::{check_conditional, check_generated, connect};
use super::load::ProbeAnswers;
use super::model::{
    Bin, ConfigHeader, Crate, DependencyKind, Generate, InstallSettings, Launch, LeftOut, Lib,
    ProgramKind, Sources, TargetSettings,
};
use super::pattern::{Glob, Pattern, in_out_dir, resolve, source_kind};
use super::problem::{Location, Problem, suggestion};
use super::raw::{
    BinTable, ConfigHeaderTable, DEV_KINDS, DependencyPlace, DependencyTable, DevTable,
    GenerateTable, LibTable, Manifest, Settings, TargetLibTable, TargetTable,
};
use super::reader::Text;
use super::sources::{Lists, Rules};
use super::value::check_name;
use super::walk::{Dirs, FileKind, WalkedPath};
use crate::platform::Platform;
use crate::sys::looks;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};

const DEFAULT_LIB: [&str; 3] = ["src/**", "!src/main.*", "!src/bin/**"];

/// Which conditional tables and features of a crate count in one of its two builds.
pub(super) struct ConditionChoice<'a> {
    /// Conditional tables that count.
    tables: Vec<&'a TargetTable>,
    /// Conditional tables that do not count.
    others: Vec<&'a TargetTable>,
    enabled: BTreeSet<String>,
    /// The macros of its features.
    features: Settings,
    public_defines: Vec<String>,
    /// Packages of the system that tests, examples and benchmarks alone use.
    dev_packages: Vec<String>,
}

impl<'a> ConditionChoice<'a> {
    /// `enabled`: what the crate of this name has when built for `platform`, on this `side`.
    pub fn new(
        manifest: &'a Manifest,
        name: &str,
        enabled: &[Enabled; 2],
        side: usize,
        platform: &Platform,
        answers: Option<&ProbeAnswers>,
    ) -> ConditionChoice<'a> {
        let enabled = &enabled[side];
        let answers = answers.and_then(|all| all.get(&(name.to_owned(), side == BUILD)));
        let counts = |(number, table): (usize, &'a TargetTable)| {
            let asks = !table.condition.probes().is_empty();
            match answers {
                Some(answers) if asks => {
                    let found = answers.iter().filter(|(_, found)| **found);
                    let facts = CfgFacts {
                        platform: platform.facts(),
                        features: enabled.features.clone(),
                        probes: found.map(|(name, _)| name.clone()).collect(),
                    };
                    table.condition.holds(&facts, platform.triple())
                }
                // They are absent after an error.
                _ => enabled.holds.get(number).is_some_and(|holds| *holds),
            }
        };
        let numbered = manifest.targets.iter().enumerate();
        let (tables, others): (Vec<_>, Vec<_>) = numbered.partition(|one| counts(*one));
        let own = manifest.features.iter();
        let own = own.filter(|table| enabled.features.contains(&table.name.value));
        let mut defines = [Vec::new(), Vec::new()];
        for (value, _) in own.flat_map(|table| &table.values) {
            if let FeatureValue::Define { define, public } = value {
                let defines = &mut defines[usize::from(*public)];
                if !defines.contains(define) {
                    defines.push(define.clone());
                }
            }
        }
        let [private, public_defines] = defines;
        let packages = |kind: DependencyKind| -> Vec<String> {
            let used = enabled.dependencies.iter().filter_map(|at| manifest.dependencies.get(*at));
            let of_kind = used.filter(|table| table.kind == kind);
            let package = |table: &DependencyTable| match &table.place {
                DependencyPlace::System { package, .. } => Some(package.value.clone()),
                _ => None,
            };
            of_kind.filter_map(package).collect()
        };
        let strip = |tables: Vec<(usize, &'a TargetTable)>| {
            tables.into_iter().map(|(_, table)| table).collect()
        };
        ConditionChoice {
            tables: strip(tables),
            others: strip(others),
            enabled: enabled.features.clone(),
            features: Settings {
                defines: Some(private).filter(|defines| !defines.is_empty()),
                pkg_config: Some(packages(DependencyKind::Normal)).filter(|all| !all.is_empty()),
                ..Settings::default()
            },
            public_defines,
            dev_packages: packages(DependencyKind::Dev),
        }
    }
}

impl ConditionChoice<'_> {
    /// The features of these that the crate does not have.
    fn lacking(&self, required: &[Text]) -> Vec<String> {
        let lacking = required.iter().filter(|feature| !self.enabled.contains(&feature.value));
        lacking.map(|feature| feature.value.clone()).collect()
    }
}

/// The crate of a manifest with `[package]`, and its tests, examples and benchmarks. None if it has no
/// name; dependencies are filled in later. `commands` are those of the manifest, `all_outputs` what
/// commands of any crate write.
pub(super) fn resolve_crate(
    manifest: &Manifest,
    commands: &[ResolvedCommand],
    choice: &ConditionChoice<'_>,
    dirs: &mut Dirs,
    all_outputs: &BTreeSet<Utf8PathBuf>,
    problems: &mut Vec<Problem>,
) -> Option<(Crate, Vec<Bin>)> {
    let package = manifest.package.as_ref()?;
    let name = package.name.as_ref()?;
    let dir = manifest.source.dir();
    let outputs = outputs(manifest, commands, problems);
    let rules = Rules::of(manifest);
    let lists = Lists { dirs, problems, outputs: &outputs, all_outputs, rules: &rules };
    let auto = AutoTargets { lib: package.autolib, bins: package.autobins, dev: package.autodev };
    let asks = |table: &&&TargetTable| !table.condition.probes().is_empty();
    let of_tables = choice.tables.iter().map(|table| &table.settings);
    let without_probes = choice.tables.iter().filter(|table| !asks(table));
    let settings = |tables: &mut dyn Iterator<Item = _>| {
        [&package.shared.settings, &choice.features].into_iter().chain(tables).collect()
    };
    let mut resolver = Resolver {
        dir,
        package: settings(&mut of_tables.into_iter()),
        for_probes: settings(&mut without_probes.map(|table| &table.settings)),
        name,
        auto,
        lists,
    };
    let before = resolver.lists.problems.len();
    let mut bins = resolver.bins(&manifest.bins);
    let mut dev = resolver.dev(&manifest.dev);
    for bin in &mut dev {
        bin.settings.pkg_config.extend(choice.dev_packages.iter().cloned());
    }
    let libs = resolver.libs(&manifest.libs, choice, &bins, &dev);
    let generate = resolver.generate(&manifest.generate, commands);
    let config_headers =
        manifest.config_headers.iter().map(|table| resolver.config_header(table)).collect();
    let said = resolver.lists.problems.len() > before;
    if libs.is_empty()
        && bins.is_empty()
        && dev.is_empty()
        && manifest.libs.is_empty()
        && manifest.bins.is_empty()
        && !said
    {
        let problem = Problem::error(format!("the package `{}` has nothing to build", name.value))
            .at(name.at.clone());
        let help = match (auto.lib, auto.bins) {
            (true, true) => {
                "put sources under `src` (`src/main.c` makes a program) or headers in `include`, or name them in `[lib]` or `[[bin]]`"
            }
            _ => "name its sources in `[lib]` or `[[bin]]`",
        };
        resolver.lists.problems.push(problem.help(help));
    }
    let install = match &manifest.install {
        Some(table) => table.resolve(&libs, &bins, &manifest.libs, &mut resolver.lists),
        None => InstallSettings::default(),
    };
    let unruled = commands.iter().filter(|command| !manifest.generate[command.table].is_rule());
    check_generated(dir, &libs, &bins, unruled, resolver.lists.problems);
    let links = !bins.is_empty() || !dev.is_empty() || libs.iter().any(|lib| lib.cdylib);
    let link_args = choice.tables.iter().filter_map(|table| table.link_args_at.as_ref());
    if let (Some(at), false) =
        (package.link_args_at.as_ref().into_iter().chain(link_args).next(), links)
    {
        resolver.lists.problems.push(nothing_links(at.clone()));
    }
    if let (Some(run), false) = (&package.default_run, said) {
        let names = || bins.iter().map(|bin| bin.name.as_str());
        if !names().any(|name| name == run.value) {
            let shown = run.value.escape_debug();
            let problem = Problem::error(format!("there is no program `{shown}` to run"));
            let problem = problem.at(run.at.clone());
            let all = || names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            resolver.lists.problems.push(match suggestion(&run.value, names()) {
                Some(name) => problem.help(format!("did you mean `{name}`?")),
                None if bins.is_empty() => problem.help("the package makes no program"),
                None => problem.help(format!("the package makes {}", all())),
            });
        }
    }
    let of_table = |table: &BinTable| {
        let features = choice.lacking(&table.required_features);
        let program = table.name.as_ref()?.value.clone();
        (!features.is_empty()).then_some(LeftOut { program, features })
    };
    let left_out: Vec<LeftOut> = manifest.bins.iter().filter_map(of_table).collect();
    let is_left_out = |name: &String| left_out.iter().any(|one| one.program == *name);
    let default_run = package.default_run.as_ref().map(|run| run.value.clone());
    bins.retain(|bin| !is_left_out(&bin.name));
    dev.retain(|bin| {
        let mut tables = manifest.dev.iter().filter(|table| table.kind == bin.kind);
        let is_it =
            |table: &&DevTable| table.bin.name.as_ref().is_some_and(|name| name.value == bin.name);
        let table = tables.find(is_it);
        table.is_none_or(|table| choice.lacking(&table.bin.required_features).is_empty())
    });
    let krate = Crate {
        name: name.value.clone(),
        version: package.shared.version.clone().unwrap_or_else(|| "0.0.0".to_owned()),
        dir: dir.to_owned(),
        manifest: manifest.source.path.to_path_buf(),
        libs,
        bins,
        default_run: default_run.filter(|run| !is_left_out(run)),
        scan_modules: package.scan_modules,
        dependencies: Vec::new(),
        generate,
        config_headers,
        left_out,
        about: package.about.clone(),
        install,
        declared: Vec::new(),
        features: BTreeMap::new(),
        source: None,
        files_for_sources: Vec::new(),
    };
    Some((krate, dev))
}

/// `link-args` where neither a program nor a shared library is linked.
pub(super) fn nothing_links(at: Location) -> Problem {
    Problem::error("`link-args` has no effect: a static library is not linked")
        .at(at)
        .help("words for the links of those who depend on it are `public-link-args` of `[lib]`")
}

/// The names of a manifest's programs, known before its commands are.
pub(super) fn program_names(manifest: &Manifest, dirs: &mut Dirs) -> Vec<String> {
    let name = manifest.package.as_ref().and_then(|package| package.name.as_ref());
    let (Some(name), dir) = (name, manifest.source.dir()) else { return Vec::new() };
    let autobins = manifest.package.as_ref().is_none_or(|package| package.autobins);
    // What is wrong is said when the crate is resolved.
    let (mut problems, none) = (Vec::new(), BTreeSet::new());
    let (problems, outputs, rules) = (&mut problems, &none, Rules::of(manifest));
    let lists = Lists { dirs, problems, outputs, all_outputs: outputs, rules: &rules };
    let auto = AutoTargets { lib: false, bins: autobins, dev: [false; 3] };
    let mut resolver =
        Resolver { dir, package: Vec::new(), for_probes: Vec::new(), name, auto, lists };
    resolver.bins(&manifest.bins).into_iter().map(|bin| bin.name).collect()
}

/// The sources of targets that rules turn into others, known before the rules' commands are.
/// `commands` are those of `[[generate]]`.
pub(super) fn rule_inputs(
    manifest: &Manifest,
    commands: &[ResolvedCommand],
    choice: &ConditionChoice<'_>,
    dirs: &mut Dirs,
    all_outputs: &BTreeSet<Utf8PathBuf>,
) -> Vec<Utf8PathBuf> {
    // What is wrong is said when the crate is resolved.
    let mut problems = Vec::new();
    let krate = resolve_crate(manifest, commands, choice, dirs, all_outputs, &mut problems);
    let Some((Crate { libs, bins, .. }, dev)) = krate else { return Vec::new() };
    let of_libs = libs.into_iter().flat_map(|lib| lib.sources.ruled);
    of_libs.chain(bins.into_iter().chain(dev).flat_map(|bin| bin.sources.ruled)).collect()
}

/// Which targets are found without a table of their own.
#[derive(Clone, Copy)]
struct AutoTargets {
    lib: bool,
    bins: bool,
    /// In the order of `DEV_KINDS`.
    dev: [bool; 3],
}

/// Where programs of a kind are found, in the crate.
fn directory_of(kind: ProgramKind) -> &'static str {
    match kind {
        ProgramKind::Bin => "src/bin",
        ProgramKind::Test => "tests",
        ProgramKind::Example => "examples",
        ProgramKind::Bench => "benches",
    }
}

struct Resolver<'a> {
    dir: &'a Utf8Path,
    name: &'a Text,
    /// Settings for all targets: those of `[package]`, of features, and of conditional tables.
    package: Vec<&'a Settings>,
    /// The same, without tables that probes decide about.
    for_probes: Vec<&'a Settings>,
    auto: AutoTargets,
    lists: Lists<'a>,
}

impl<'a> Resolver<'a> {
    fn libs(
        &mut self,
        tables: &[LibTable],
        choice: &ConditionChoice<'a>,
        bins: &[Bin],
        tests: &[Bin],
    ) -> Vec<Lib> {
        let has_default = tables.is_empty();
        let is_wanted = |table: &&LibTable| choice.lacking(&table.required_features).is_empty();
        let tables: Vec<&LibTable> = tables.iter().filter(is_wanted).collect();
        let tables_or_default: Vec<Option<&LibTable>> = match has_default {
            true => vec![None],
            false => tables.iter().map(|table| Some(*table)).collect(),
        };
        let mut libs: Vec<Lib> = tables_or_default
            .into_iter()
            .filter_map(|table| self.lib(table, choice, bins, tests))
            .collect();
        connect(&tables, &mut libs, self.lists.problems);
        let conditional = choice.tables.iter().chain(&choice.others);
        for (table, lib) in conditional.filter_map(|table| Some((table, table.lib.as_ref()?))) {
            check_conditional(table, lib, &libs, self.lists.problems);
        }
        libs
    }

    fn lib(
        &mut self,
        table: Option<&LibTable>,
        choice: &ConditionChoice<'a>,
        bins: &[Bin],
        tests: &[Bin],
    ) -> Option<Lib> {
        let autolib = self.auto.lib;
        let name = table.and_then(|table| table.name.as_ref()).unwrap_or(self.name).value.clone();
        let in_list = table.is_some_and(|table| table.in_list);
        let is_meant = |more: &&TargetLibTable| {
            more.name.as_ref().map_or(!in_list, |wanted| wanted.value == name)
        };
        let of_tables = |tables: &[&'a TargetTable]| -> Vec<&'a TargetLibTable> {
            tables.iter().filter_map(|table| table.lib.as_ref()).filter(is_meant).collect()
        };
        let (more, others) = (of_tables(&choice.tables), of_tables(&choice.others));
        if table.is_none() && !autolib && more.is_empty() {
            return None;
        }
        let texts = table.and_then(|table| table.sources.as_deref());
        let sources = match texts {
            Some(texts) => self.lists.sources(texts),
            // Of several libraries each has to name its own, which has been said.
            None if in_list => Sources::default(),
            None if table.is_none() && !autolib => Sources::default(),
            None => self.default_lib_sources(bins.iter().chain(tests)),
        };
        let sources = self.conditional_sources(sources, texts.unwrap_or_default(), &more, &others);
        let mut headers = match table.and_then(|table| table.headers.as_ref()) {
            Some(texts) => self.lists.directories(texts),
            None => Some(self.dir.join("include"))
                .filter(|dir| looks::is_dir(dir))
                .into_iter()
                .collect(),
        };
        for more in more.iter().map(|more| &more.headers) {
            headers.extend(self.lists.directories(more));
        }
        let generated = self.generates_sources(&sources.patterns, table.is_some());
        if sources.all().next().is_none() && !generated {
            match table {
                // Beside programs, a library of headers alone has to be asked for.
                None if headers.is_empty() || !bins.is_empty() => return None,
                None => {}
                Some(table) => {
                    let named_none = table.sources.as_ref().is_some_and(Vec::is_empty);
                    let may_default = table.sources.is_none() && !table.in_list;
                    if headers.is_empty() && (named_none || may_default) {
                        let problem = Problem::error("the library has neither sources nor headers");
                        let help = "put sources under `src`, or name them in `sources`";
                        self.lists.problems.push(problem.at(table.at.clone()).help(help));
                    }
                }
            }
        }
        let cdylib = table.is_some_and(|table| table.cdylib);
        for at in more.iter().filter_map(|more| more.link_args_at.as_ref()).filter(|_| !cdylib) {
            self.lists.problems.push(nothing_links(at.clone()));
        }
        let own = table.map(|table| &table.settings);
        let own: Vec<&Settings> =
            own.into_iter().chain(more.iter().map(|more| &more.settings)).collect();
        let settings = self.settings(&own);
        let mut public_defines =
            table.map(|table| table.public_defines.clone()).unwrap_or_default();
        public_defines.extend_from_slice(&choice.public_defines);
        let mut public_link_args =
            table.map(|table| table.public_link_args.clone()).unwrap_or_default();
        for more in more {
            public_defines.extend_from_slice(&more.public_defines);
            public_link_args.extend_from_slice(&more.public_link_args);
        }
        Some(Lib {
            name,
            in_list,
            sources,
            found: texts.is_none(),
            headers,
            modules: table.and_then(|table| table.modules.clone()),
            public_defines,
            public_link_args,
            staticlib: table.is_none_or(|table| table.staticlib),
            cdylib,
            object: table.is_some_and(|table| table.object),
            exports: table
                .and_then(|table| table.exports.as_ref())
                .map(|text| self.lists.file(text)),
            output: table
                .and_then(|table| table.output.as_ref())
                .map(|output| output.value.clone()),
            soname: table.and_then(|table| table.soname.clone()),
            version: table.and_then(|table| table.version.clone()),
            uses: Vec::new(),
            settings,
        })
    }

    /// Adds the sources of conditional tables that count (`more`). Takes out what the others name: a
    /// source of another platform is not found by the globs of this one. `texts` are the library's
    /// own list.
    fn conditional_sources(
        &mut self,
        mut sources: Sources,
        texts: &[Text],
        more: &[&TargetLibTable],
        others: &[&TargetLibTable],
    ) -> Sources {
        let others = others.iter().flat_map(|table| &table.sources);
        let others: Vec<Text> =
            others.filter(|text| !text.value.starts_with('!')).cloned().collect();
        if !others.is_empty() {
            let elsewhere = self.lists.add_sources(Sources::default(), &others);
            let elsewhere = elsewhere.files.into_iter().chain(elsewhere.ruled);
            let named = |path: &Utf8PathBuf| {
                texts.iter().any(|text| resolve(self.dir, &text.value) == *path)
            };
            let gone: Vec<Utf8PathBuf> = elsewhere.filter(|path| !named(path)).collect();
            sources.files.retain(|path| !gone.contains(path));
            sources.ruled.retain(|path| !gone.contains(path));
            // Commands may write what these patterns match.
            let gone = gone.iter().filter_map(|path| path.strip_prefix(self.dir).ok());
            let gone = gone.map(|path| format!("!{}", globset::escape(path.as_str())));
            sources.patterns.extend(gone);
        }
        let more: Vec<Text> = more.iter().flat_map(|table| table.sources.clone()).collect();
        match more.is_empty() {
            true => sources,
            false => self.lists.add_sources(sources, &more),
        }
    }

    /// `src/**` less what belongs to programs: by its place, or because a `[[bin]]`, a `[[test]]` or
    /// the like names it.
    fn default_lib_sources<'b>(&mut self, programs: impl Iterator<Item = &'b Bin>) -> Sources {
        let src = self.dir.join("src");
        let taken: BTreeSet<&Utf8PathBuf> =
            programs.flat_map(|program| program.sources.all()).collect();
        let mut files = self.below(&src);
        let is_main = |path: &Utf8Path| {
            path.parent() == Some(&src)
                && path.file_name().is_some_and(|name| name.starts_with("main."))
        };
        files.retain(|path| {
            !path.starts_with(src.join("bin")) && !is_main(path) && !taken.contains(path)
        });
        let mut patterns: Vec<String> = DEFAULT_LIB.map(str::to_owned).into();
        for path in taken.into_iter().filter_map(|path| path.strip_prefix(self.dir).ok()) {
            if path.starts_with("src") && !path.starts_with("src/bin") {
                patterns.push(format!("!{}", globset::escape(path.as_str())));
            }
        }
        self.lists.rules.sources(files, patterns)
    }

    /// All sources below a directory, sorted.
    fn below(&mut self, dir: &Utf8Path) -> Vec<Utf8PathBuf> {
        let glob = Glob::everything_below(dir);
        let mut files = Vec::new();
        for found in self.lists.dirs.find(&glob, FileKind::File) {
            match found {
                found if !self.lists.rules.is_source(found.path()) => {}
                WalkedPath::Path(path) if self.lists.outputs.contains(&path) => {}
                WalkedPath::Path(path) => files.push(path),
                WalkedPath::NotUtf8(path) => {
                    let problem =
                        Problem::error(format!("the name of the file `{path}` is not UTF-8"));
                    let problem = problem.at(self.name.at.clone()).label("in this package");
                    self.lists.problems.push(problem.help("rename the file"));
                }
            }
        }
        files.sort();
        files
    }

    /// Whether a command writes sources of this target. Those in `$OUT_DIR` that no list mentions
    /// join the library.
    fn generates_sources(&self, patterns: &[String], is_lib: bool) -> bool {
        if self.lists.outputs.is_empty() {
            return false;
        }
        let patterns: Vec<Pattern> =
            patterns.iter().filter_map(|text| Pattern::parse(self.dir, text).ok()).collect();
        let matches = |exclude, path: &Utf8Path| {
            patterns.iter().any(|pattern| pattern.exclude == exclude && pattern.matches(path))
        };
        self.lists.outputs.iter().filter(|path| source_kind(path).is_some()).any(|path| {
            !matches(true, path) && (matches(false, path) || (is_lib && in_out_dir(path.as_str())))
        })
    }

    fn bins(&mut self, tables: &[BinTable]) -> Vec<Bin> {
        let found = self.default_bins();
        let tables: Vec<&BinTable> = tables.iter().collect();
        self.programs(ProgramKind::Bin, &tables, found, self.auto.bins)
    }

    /// Tests, then examples, then benchmarks.
    fn dev(&mut self, tables: &[DevTable]) -> Vec<Bin> {
        let mut all = Vec::new();
        for (kind, auto) in DEV_KINDS.into_iter().zip(self.auto.dev) {
            let tables: Vec<&DevTable> = tables.iter().filter(|table| table.kind == kind).collect();
            let named = |table: &&DevTable, name: &str| {
                table.bin.name.as_ref().is_some_and(|text| text.value == name)
            };
            // A table without `sources` has those that are found for its name.
            let bins: Vec<&BinTable> = tables.iter().map(|table| &table.bin).collect();
            let needs_found = auto || bins.iter().any(|table| table.sources.is_none());
            let found = if needs_found { self.found_in(kind) } else { Vec::new() };
            for mut bin in self.programs(kind, &bins, found, auto) {
                if let Some(table) = tables.iter().find(|table| named(table, &bin.name)) {
                    let cwd = table.cwd.as_ref().map(|text| resolve(self.dir, &text.value));
                    bin.launch = Launch { cwd, ..table.launch.clone() };
                }
                all.push(bin);
            }
        }
        all
    }

    /// Programs of one kind: those of tables, and, with `auto`, those that are `found`.
    fn programs(
        &mut self,
        kind: ProgramKind,
        tables: &[&BinTable],
        found: Vec<Bin>,
        auto: bool,
    ) -> Vec<Bin> {
        let noun = kind.noun();
        let mut bins: Vec<Bin> = Vec::new();
        let mut places: Vec<&Location> = Vec::new();
        for table in tables {
            let Some(name) = &table.name else { continue };
            if let Some(first) = bins.iter().position(|bin| bin.name == name.value) {
                let problem = Problem::error(format!("two {noun}s are named `{}`", name.value))
                    .at(name.at.clone());
                self.lists.problems.push(
                    problem.related(places[first].clone(), "first here").help("rename one of them"),
                );
                continue;
            }
            let default = found.iter().find(|found| found.name == name.value);
            let sources = match (&table.sources, default) {
                (Some(texts), _) => self.bin_sources(table, texts),
                (None, Some(default)) => default.sources.clone(),
                (None, None) => {
                    let problem =
                        Problem::error(format!("the {noun} `{}` has no sources", name.value));
                    let help = format!(
                        "name them in `sources`, or write `{}/{}.c`",
                        directory_of(kind),
                        name.value
                    );
                    self.lists.problems.push(problem.at(table.at.clone()).help(help));
                    Sources::default()
                }
            };
            let settings = self.settings(&[&table.settings]);
            let (name_of, launch) = (name.value.clone(), Launch::default());
            bins.push(Bin { name: name_of, kind, sources, settings, launch });
            places.push(&name.at);
        }
        let named: BTreeSet<Utf8PathBuf> =
            bins.iter().flat_map(|bin| bin.sources.all()).cloned().collect();
        let is_named = |name: &str| {
            tables.iter().any(|table| table.name.as_ref().is_some_and(|text| text.value == name))
        };
        let table = kind.word();
        for bin in found.into_iter().filter(|_| auto) {
            if is_named(&bin.name) || bin.sources.all().any(|file| named.contains(file)) {
                continue;
            }
            if let Some(other) = bins.iter().find(|other| other.name == bin.name) {
                let (a, b) = (self.shown(&other.sources), self.shown(&bin.sources));
                let problem =
                    Problem::error(format!("`{a}` and `{b}` both make the {noun} `{}`", bin.name));
                let help =
                    format!("rename one of them, or name the {noun}'s sources in `[[{table}]]`");
                self.lists
                    .problems
                    .push(problem.at(self.name.at.clone()).label("in this package").help(help));
            } else if let Err(error) = check_name(&format!("{noun} name"), &bin.name) {
                let problem =
                    Problem::error(format!("{}: `{}`", error.message, self.shown(&bin.sources)));
                let help = format!("rename the file, or name the {noun} in `[[{table}]]`");
                self.lists
                    .problems
                    .push(problem.at(self.name.at.clone()).label("in this package").help(help));
            } else {
                bins.push(bin);
            }
        }
        bins
    }

    /// The programs in the directory for a kind: each source there, and each directory with a source
    /// in it, with all of its sources. A directory with a manifest is another crate.
    fn found_in(&mut self, kind: ProgramKind) -> Vec<Bin> {
        let settings = self.settings(&[]);
        let rules = self.lists.rules;
        let at = directory_of(kind);
        let dir = self.dir.join(at);
        let bin = |name: &str, files: Vec<Utf8PathBuf>, pattern: String| Bin {
            name: name.to_owned(),
            kind,
            sources: rules.sources(files, vec![pattern]),
            settings: settings.clone(),
            launch: Launch::default(),
        };
        let mut bins = Vec::new();
        for entry in &self.lists.dirs.list(dir.as_std_path()).entries {
            let Some(name) = entry.name().filter(|name| !name.starts_with('.')) else { continue };
            let path = dir.join(name);
            match entry.kind {
                FileKind::File if rules.is_unit(&path) => {
                    let pattern = globset::escape(&format!("{at}/{name}"));
                    bins.push(bin(path.file_stem().unwrap_or(name), vec![path.clone()], pattern));
                }
                FileKind::Directory => {
                    let listing = self.lists.dirs.list(path.as_std_path());
                    let names = || listing.entries.iter().filter_map(|entry| entry.name());
                    let is_unit = |name: &str| rules.is_unit(Utf8Path::new(name));
                    if names().any(is_unit) && !names().any(|name| name == MANIFEST_NAME) {
                        let files = self.below(&path);
                        let pattern = format!("{}/**", globset::escape(&format!("{at}/{name}")));
                        bins.push(bin(name, files, pattern));
                    }
                }
                _ => {}
            }
        }
        bins
    }

    fn bin_sources(&mut self, table: &BinTable, texts: &[Text]) -> Sources {
        let before = self.lists.problems.len();
        let sources = self.lists.sources(texts);
        let said = self.lists.problems.len() > before;
        let is_empty = sources.all().next().is_none();
        if is_empty && !said && !self.generates_sources(&sources.patterns, false) {
            let problem = Problem::error("the program has no sources").at(table.at.clone());
            self.lists.problems.push(problem.help("name them in `sources`"));
        }
        sources
    }

    fn shown(&self, sources: &Sources) -> String {
        sources
            .all()
            .next()
            .map(|file| file.strip_prefix(self.dir).unwrap_or(file).to_string())
            .unwrap_or_default()
    }

    /// `src/main.*` named after the package; each source in `src/bin`, and each directory there
    /// with all of its sources.
    fn default_bins(&mut self) -> Vec<Bin> {
        let src = self.dir.join("src");
        let settings = self.settings(&[]);
        let rules = self.lists.rules;
        let bin = |name: &str, files: Vec<Utf8PathBuf>, pattern: String| Bin {
            name: name.to_owned(),
            kind: ProgramKind::Bin,
            launch: Launch::default(),
            sources: rules.sources(files, vec![pattern]),
            settings: settings.clone(),
        };
        let literal = |path: &str| globset::escape(path);
        let mut bins = Vec::new();
        for entry in &self.lists.dirs.list(src.as_std_path()).entries {
            let Some(name) = entry.name() else { continue };
            let path = src.join(name);
            if entry.kind == FileKind::File
                && path.file_stem() == Some("main")
                && rules.is_unit(&path)
            {
                bins.push(bin(&self.name.value, vec![path], literal(&format!("src/{name}"))));
            }
        }
        let dir = src.join("bin");
        for entry in &self.lists.dirs.list(dir.as_std_path()).entries {
            // A name that is not UTF-8 comes up when the sources below `src` are listed.
            let Some(name) = entry.name().filter(|name| !name.starts_with('.')) else { continue };
            let path = dir.join(name);
            match entry.kind {
                FileKind::File if rules.is_unit(&path) => {
                    let pattern = literal(&format!("src/bin/{name}"));
                    bins.push(bin(path.file_stem().unwrap_or(name), vec![path.clone()], pattern));
                }
                FileKind::Directory => {
                    let files = self.below(&path);
                    if !files.is_empty() {
                        bins.push(bin(
                            name,
                            files,
                            format!("{}/**", literal(&format!("src/bin/{name}"))),
                        ));
                    }
                }
                _ => {}
            }
        }
        bins
    }

    fn generate(
        &mut self,
        tables: &[GenerateTable],
        commands: &[ResolvedCommand],
    ) -> Vec<Generate> {
        let lists = &mut self.lists;
        let inputs: Vec<Vec<Utf8PathBuf>> =
            tables.iter().map(|table| lists.inputs(&table.inputs, &BTreeSet::new())).collect();
        let first_rule = tables.iter().filter(|table| !table.is_rule()).count();
        let generate = |command: &ResolvedCommand| {
            let table = &tables[command.table];
            let texts = || command.outputs.iter().map(|text| &text.value);
            let own: BTreeSet<Utf8PathBuf> = texts().map(|text| resolve(self.dir, text)).collect();
            let each = command.each.as_ref().map(|each| each.path.clone());
            let mut inputs = inputs[command.table].clone();
            inputs.extend(each.clone());
            inputs.sort();
            inputs.dedup();
            inputs.retain(|path| !own.contains(path));
            Generate {
                number: if table.is_rule() { command.table - first_rule } else { command.table },
                is_rule: table.is_rule(),
                name: table.name.as_ref().map(|name| name.value.clone()),
                each,
                run: command.run.clone(),
                tool: None,
                env: command.env.clone(),
                inputs,
                outputs: texts().cloned().collect(),
                depfile: command.depfile.clone(),
                retry: table.retry,
            }
        };
        commands.iter().map(generate).collect()
    }

    fn config_header(&mut self, table: &ConfigHeaderTable) -> ConfigHeader {
        let template = table.template.as_ref().map(|text| {
            let path = self.lists.file(text);
            // Commands may read the header, so it comes before them.
            if self.lists.outputs.contains(&path) {
                let problem = Problem::error(format!("a command writes `{}`", text.value));
                let help = "a template must be there before the crate's commands run";
                self.lists.problems.push(problem.at(text.at.clone()).help(help));
            }
            path
        });
        ConfigHeader {
            template,
            header: table.header.value.clone(),
            public: table.public,
            probes: table.probes.clone(),
            values: table.values.clone(),
            settings: self.merged(&self.for_probes.clone(), &[]),
        }
    }

    /// The `inputs` of a target. What the package's lists exclude may be there for another target.
    fn unit_inputs(&mut self, package: &[&Settings], own: &[&Settings]) -> Vec<Utf8PathBuf> {
        let texts = |all: &[&Settings]| -> Vec<Text> {
            all.iter().flat_map(|settings| &settings.inputs).flatten().cloned().collect()
        };
        match own.iter().any(|settings| settings.inputs.is_some()) {
            false => self.lists.inputs(&texts(package), &BTreeSet::new()),
            true => self.lists.joined_inputs(&texts(package), &texts(own)),
        }
    }

    /// The package's settings, then the target's own.
    fn settings(&mut self, own: &[&Settings]) -> TargetSettings {
        self.merged(&self.package.clone(), own)
    }

    /// Lists are joined, of single values the last counts.
    fn merged(&mut self, package: &[&Settings], own: &[&Settings]) -> TargetSettings {
        let all = [package, own].concat();
        let texts = |key: fn(&Settings) -> &Option<Vec<Text>>| -> Vec<Text> {
            all.iter().flat_map(|settings| key(settings)).flatten().cloned().collect()
        };
        let join = |key: fn(&Settings) -> &Option<Vec<String>>| -> Vec<String> {
            all.iter().flat_map(|settings| key(settings)).flatten().cloned().collect()
        };
        let last = |key: fn(&Settings) -> &Option<String>| {
            all.iter().rev().find_map(|settings| key(settings).clone())
        };
        TargetSettings {
            include: self.lists.directories(&texts(|one| &one.include)),
            defines: join(|one| &one.defines),
            warnings: join(|one| &one.warnings),
            flags: join(|one| &one.flags),
            c_flags: join(|one| &one.c_flags),
            cxx_flags: join(|one| &one.cxx_flags),
            c_std: last(|one| &one.c_std),
            cxx_std: last(|one| &one.cxx_std),
            link: join(|one| &one.link),
            link_args: join(|one| &one.link_args),
            pkg_config: join(|one| &one.pkg_config),
            inputs: self.unit_inputs(package, own),
            precompiled_headers: join(|one| &one.precompiled_headers),
        }
    }
}
