//! One manifest as it is written. What is wrong with a key or with the type of a value is found by
//! `reader`; here are the rules that concern several keys. No I/O: paths stay text.

use super::cfg::{Cfg, CfgFacts};
use super::features::FeatureValue;
use super::format::{self, Table};
use super::install::{InstallTable, install_table};
use super::model::{
    BuildSettings, DebugInfo, DependencyKind, Harness, Launch, Linker, Lto, PackageAbout,
    ProgramKind, Sanitizer, ShareHeaders, SplitDebugInfo, Strip, Translate,
};
use super::origin::{GitReference, SourceOrigin, SourceSpec};
use super::pattern::resolve;
use super::problem::{Location, ManifestText, Problem};
use super::profile::ProfileValues;
use super::reader::{Context, PlainValue, Section, Text};
use super::targets::nothing_links;
use super::value::{check_name, parse_duration, parse_memory, parse_opt_level};
use tender_protocol::{ConfigValue, Language, Probe, ProbeTest};
use toml::de::DeTable;

#[derive(Debug)]
pub(super) struct Manifest {
    pub source: ManifestText,
    pub workspace: Option<WorkspaceTable>,
    /// `[build]` and where it stands.
    pub build: Option<(BuildSettings, Location)>,
    /// `[link]`
    pub link: Option<LinkTable>,
    pub profiles: Vec<ProfileTable>,
    pub package: Option<Package>,
    pub libs: Vec<LibTable>,
    pub bins: Vec<BinTable>,
    /// Tests, then examples, then benchmarks.
    pub dev: Vec<DevTable>,
    /// Of all kinds: in order of kind, then of declaration; those of `[target]` last.
    pub dependencies: Vec<DependencyTable>,
    pub features: Vec<FeatureTable>,
    /// In order of declaration.
    pub targets: Vec<TargetTable>,
    /// Those of `[[generate]]`, then those of `[[rule]]`.
    pub generate: Vec<GenerateTable>,
    pub config_headers: Vec<ConfigHeaderTable>,
    pub install: Option<InstallTable>,
    /// `[patch]`: by the name of a crate, where it is taken from instead.
    pub patches: Vec<(Text, DependencyPlace)>,
}

/// One of `[features]`.
#[derive(Debug)]
pub(super) struct FeatureTable {
    pub name: Text,
    pub values: Vec<(FeatureValue, Location)>,
}

/// `[target.'cfg(...)']` or `[target.TRIPLE]`.
#[derive(Debug)]
pub(super) struct TargetTable {
    pub name: Text,
    pub condition: TargetCondition,
    pub settings: Settings,
    pub link_args_at: Option<Location>,
    pub lib: Option<TargetLibTable>,
    pub tools: TargetTools,
    /// Where the first key stands that is for crates.
    pub for_crates: Option<Location>,
    /// Where the first key stands that is for the root manifest.
    pub for_root: Option<Location>,
}

#[derive(Debug)]
pub(super) enum TargetCondition {
    Cfg(Cfg),
    Triple(String),
}

impl TargetCondition {
    /// Whether its table counts.
    pub fn holds(&self, facts: &CfgFacts, triple: &str) -> bool {
        match self {
            TargetCondition::Cfg(cfg) => cfg.holds(facts),
            TargetCondition::Triple(name) => name == triple,
        }
    }

    pub fn probes(&self) -> Vec<&str> {
        match self {
            TargetCondition::Cfg(cfg) => cfg.probes(),
            TargetCondition::Triple(_) => Vec::new(),
        }
    }

    pub fn features(&self) -> Vec<&str> {
        match self {
            TargetCondition::Cfg(cfg) => cfg.features(),
            TargetCondition::Triple(_) => Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct TargetTools {
    pub linker: Option<Text>,
    pub sysroot: Option<Text>,
    pub runner: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct TargetLibTable {
    /// The library that is meant, where there may be several.
    pub name: Option<Text>,
    pub sources: Vec<Text>,
    pub headers: Vec<Text>,
    pub public_defines: Vec<String>,
    pub public_link_args: Vec<String>,
    pub settings: Settings,
    pub link_args_at: Option<Location>,
}

#[derive(Debug)]
pub(super) struct WorkspaceTable {
    pub at: Location,
    pub members: Vec<Text>,
    pub exclude: Vec<Text>,
    /// `[workspace.package]`
    pub shared: Option<Inheritable>,
}

/// What `[package]` may inherit.
#[derive(Debug, Default)]
pub(super) struct Inheritable {
    pub version: Option<String>,
    pub settings: Settings,
}

#[derive(Debug)]
pub(super) struct Package {
    /// Absent only after an error.
    pub name: Option<Text>,
    /// Targets are found without a table of their own.
    pub autolib: bool,
    pub autobins: bool,
    /// In the order of `DEV_KINDS`.
    pub autodev: [bool; 3],
    pub default_run: Option<Text>,
    pub about: PackageAbout,
    pub scan_modules: Option<bool>,
    pub shared: Inheritable,
    /// Where `link-args` stands.
    pub link_args_at: Option<Location>,
    /// Keys with `.workspace = true`.
    pub inherited: Vec<(&'static str, Location)>,
}

/// Absent and empty differ: only what is there can be inherited.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub include: Option<Vec<Text>>,
    pub defines: Option<Vec<String>>,
    pub warnings: Option<Vec<String>>,
    pub flags: Option<Vec<String>>,
    pub c_flags: Option<Vec<String>>,
    pub cxx_flags: Option<Vec<String>>,
    pub c_std: Option<String>,
    pub cxx_std: Option<String>,
    pub link: Option<Vec<String>>,
    pub link_args: Option<Vec<String>>,
    pub pkg_config: Option<Vec<String>>,
    pub inputs: Option<Vec<Text>>,
    pub precompiled_headers: Option<Vec<String>>,
}

/// `[link]`
#[derive(Debug)]
pub(super) struct LinkTable {
    pub linker: Option<Linker>,
    pub at: Location,
}

#[derive(Clone, Debug)]
pub(super) struct ProfileTable {
    pub name: Text,
    pub inherits: Option<Text>,
    pub values: ProfileValues,
    pub sanitize_at: Option<Location>,
    /// What stands for single crates.
    pub packages: Vec<(Text, ProfileValues)>,
    /// What stands for programs that run in the build.
    pub build_override: ProfileValues,
}

#[derive(Debug)]
pub(super) struct LibTable {
    pub at: Location,
    pub name: Option<Text>,
    /// It is `[[lib]]`, so it has a name and sources, but for errors.
    pub in_list: bool,
    pub sources: Option<Vec<Text>>,
    pub headers: Option<Vec<Text>>,
    pub modules: Option<Vec<String>>,
    pub public_defines: Vec<String>,
    pub public_link_args: Vec<String>,
    pub staticlib: bool,
    pub cdylib: bool,
    pub object: bool,
    pub exports: Option<Text>,
    /// The path of a plugin.
    pub output: Option<Text>,
    pub soname: Option<String>,
    pub version: Option<String>,
    /// Other libraries of the crate, by name.
    pub uses: Vec<Text>,
    pub required_features: Vec<Text>,
    pub settings: Settings,
}

#[derive(Debug)]
pub(super) struct BinTable {
    pub at: Location,
    /// Absent only after an error.
    pub name: Option<Text>,
    pub sources: Option<Vec<Text>>,
    pub required_features: Vec<Text>,
    pub settings: Settings,
}

/// Of a test, an example or a benchmark.
#[derive(Debug)]
pub(super) struct DevTable {
    pub kind: ProgramKind,
    pub bin: BinTable,
    /// Without `cwd`.
    pub launch: Launch,
    pub cwd: Option<Text>,
}

/// The kinds of programs that are not for users, in the order of `Manifest::dev`.
pub(super) const DEV_KINDS: [ProgramKind; 3] =
    [ProgramKind::Test, ProgramKind::Example, ProgramKind::Bench];

#[derive(Debug)]
pub(super) struct DependencyTable {
    pub kind: DependencyKind,
    /// The key.
    pub name: Text,
    /// The name of the crate, if the key is another one.
    pub package: Option<Text>,
    pub place: DependencyPlace,
    /// The versions of the crate that will do.
    pub version: Option<Text>,
    /// The libraries of the crate that are used.
    pub libs: Option<Vec<Text>>,
    pub public: bool,
    pub headers_only: bool,
    pub system: Option<bool>,
    pub whole_archive: bool,
    /// The place of the table among those of `[target]` whose condition must hold.
    pub target: Option<usize>,
    pub optional: bool,
    pub features: Vec<Text>,
    pub default_features: bool,
}

/// Where the crate of a dependency is.
#[derive(Clone, Debug)]
pub(super) enum DependencyPlace {
    /// In this directory.
    Path(Text),
    /// In sources to be fetched, and where the manifest says so.
    Elsewhere(Box<SourceSpec>, Location),
    /// It is a package of the system, such as `zlib >= 1.2`, unless that lacks it.
    System { package: Text, fallback: Option<Box<DependencyPlace>> },
}

impl DependencyPlace {
    pub fn at(&self) -> &Location {
        match self {
            DependencyPlace::Path(text) => &text.at,
            DependencyPlace::Elsewhere(_, at) => at,
            DependencyPlace::System { package, .. } => &package.at,
        }
    }

    /// As messages name it.
    pub fn shown(&self) -> String {
        match self {
            DependencyPlace::Path(text) => text.value.clone(),
            DependencyPlace::Elsewhere(spec, _) => spec.origin.to_string(),
            DependencyPlace::System { package, .. } => format!("the package {}", package.value),
        }
    }
}

impl DependencyTable {
    /// The crate's own name.
    pub fn krate(&self) -> &Text {
        self.package.as_ref().unwrap_or(&self.name)
    }
}

#[derive(Debug)]
pub(super) struct GenerateTable {
    pub name: Option<Text>,
    /// Empty only after an error.
    pub run: Vec<Text>,
    pub for_each: Option<Vec<Text>>,
    /// Of the sources of a rule; None: it is no rule.
    pub extensions: Option<Vec<Text>>,
    pub inputs: Vec<Text>,
    pub outputs: Vec<Text>,
    pub depfile: Option<Text>,
    pub env: Vec<(String, Text)>,
    pub retry: bool,
}

#[derive(Debug)]
pub(super) struct ConfigHeaderTable {
    pub template: Option<Text>,
    /// Below `$OUT_DIR`, and where it is named.
    pub header: Text,
    pub public: bool,
    pub probes: Vec<Probe>,
    pub values: Vec<(String, ConfigValue)>,
}

impl GenerateTable {
    pub fn is_rule(&self) -> bool {
        self.extensions.is_some()
    }

    /// There is a command for each of several files.
    pub fn has_inputs(&self) -> bool {
        self.for_each.is_some() || self.extensions.is_some()
    }
}

/// Errors of syntax beyond this are left out.
const MOST_ERRORS: usize = 100;

/// Reads a manifest. None if it is no TOML; with errors of other kinds, whatever could be
/// understood.
pub(super) fn parse(source: &ManifestText, problems: &mut Vec<Problem>) -> Option<Manifest> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    let mut cx = Context::new(source, problems);
    if !errors.is_empty() {
        syntax_errors(&mut cx, errors);
        return None;
    }
    let file = Section::document(&mut cx, document.get_ref(), &format::MANIFEST);
    let workspace = file.table(&cx, "workspace").map(|section| workspace_table(&cx, &section));
    let package = file.table(&cx, "package").map(|section| package_table(&cx, &section));
    let in_list = file.is_array(&cx, "lib");
    let libs = file.tables(&cx, "lib");
    let libs = libs.iter().map(|section| lib_table(&mut cx, section, in_list)).collect();
    if package.is_none() {
        let dependencies = DependencyKind::ALL.map(|(key, _)| key);
        let orphan = ["lib", "bin", "generate", "rule", "config", "features", "install"]
            .into_iter()
            .chain(DEV_KINDS.map(ProgramKind::word))
            .chain(dependencies)
            .find_map(|key| Some((key, file.key_span(key)?)));
        if let Some((key, span)) = orphan {
            cx.error(span, format!("`{key}` needs a `[package]`")).help =
                Some(PACKAGE_HELP.to_owned());
        } else if workspace.is_none()
            && file.key_span("package").is_none()
            && file.key_span("workspace").is_none()
        {
            let problem = cx.error(0..0, "the manifest has neither `[package]` nor `[workspace]`");
            problem.help = Some(PACKAGE_HELP.to_owned());
        }
    }
    let mut dependencies = dependency_tables(&mut cx, &file, None);
    let mut targets = Vec::new();
    for (name, section) in file.named(&cx, "target") {
        let number = targets.len();
        if let Some(table) = target_table(&mut cx, name, &section) {
            dependencies.extend(dependency_tables(&mut cx, &section, Some(number)));
            targets.push(table);
        }
    }
    if let (None, Some(at)) = (&package, targets.iter().find_map(|table| table.for_crates.as_ref()))
    {
        let problem = Problem::error("this needs a `[package]`").at(at.clone());
        cx.add(problem.help(PACKAGE_HELP));
    }
    Some(Manifest {
        source: source.clone(),
        workspace,
        build: file.table(&cx, "build").map(|section| build_table(&cx, &section)),
        link: file.table(&cx, "link").map(|section| LinkTable {
            linker: linker(&cx, &section),
            at: cx.at(section.span.clone()),
        }),
        profiles: profile_tables(&cx, &file),
        package,
        libs,
        bins: file.tables(&cx, "bin").iter().map(|section| bin_table(&cx, section)).collect(),
        dev: dev_tables(&cx, &file),
        dependencies,
        features: feature_tables(&cx, &file),
        targets,
        generate: generate_tables(&mut cx, &file),
        config_headers: file
            .tables(&cx, "config")
            .iter()
            .filter_map(|section| config_header_table(&mut cx, section))
            .collect(),
        install: file.table(&cx, "install").map(|section| install_table(&cx, &section)),
        patches: patch_tables(&mut cx, &file),
    })
}

fn syntax_errors(cx: &mut Context<'_>, errors: Vec<toml::de::Error>) {
    // Each looks at the text behind it, and of a file that is no TOML at all every character
    // may be one.
    for error in errors.into_iter().take(MOST_ERRORS) {
        // A parser that has lost its way reports the same place more than once.
        let span = error.span().unwrap_or(0..0);
        let last = cx.last().and_then(|problem| problem.location.as_ref());
        if last.is_some_and(|at| {
            at.source.path == cx.path() && at.span.end >= span.start && span.start > 0
        }) {
            continue;
        }
        let text = cx.text();
        let rest = text.get(span.start..).unwrap_or_default();
        // The parser takes whatever stands for a value as an attempt at a string, even nothing.
        let missing =
            span.is_empty() && rest.lines().next().is_none_or(|line| line.trim().is_empty());
        let message = match error.message() {
            text if missing && text.starts_with("string values must be quoted") => {
                "the value is missing".to_owned()
            }
            text => text.trim_end().replace('\n', ", "),
        };
        cx.error(span, message);
    }
}

/// What config files and `--config` say.
#[derive(Debug)]
pub(super) struct Config {
    pub limits: BuildSettings,
    pub target_dir: Option<Text>,
    pub profile: Option<String>,
    pub color: Option<String>,
    pub cache_dir: Option<Text>,
    /// Of `--config` alone.
    pub profiles: Vec<ProfileTable>,
}

/// Reads a config file by `CONFIG_FILE`, or what `--config` says by `CONFIG`. None if it is no TOML.
pub(super) fn parse_config(
    source: &ManifestText,
    format: &'static Table,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    let mut cx = Context::new(source, problems);
    if !errors.is_empty() {
        syntax_errors(&mut cx, errors);
        return None;
    }
    let file = Section::document(&mut cx, document.get_ref(), format);
    let build = file.table(&cx, "build");
    let build = build.as_ref();
    let term = file.table(&cx, "term");
    let cache = file.table(&cx, "cache");
    Some(Config {
        limits: build.map(|section| build_table(&cx, section).0).unwrap_or_default(),
        target_dir: build.and_then(|section| section.string(&cx, "target-dir")),
        profile: build.and_then(|section| section.string(&cx, "profile")).map(|text| text.value),
        color: term.and_then(|section| section.literal(&cx, "color")),
        cache_dir: cache.and_then(|section| section.string(&cx, "dir")),
        profiles: match std::ptr::eq(format, &format::CONFIG) {
            true => profile_tables(&cx, &file),
            false => Vec::new(),
        },
    })
}

const PACKAGE_HELP: &str = "begin with `[package]` and `name = \"...\"`";

/// The patterns of `[workspace]` in a file that may be broken elsewhere; None if it is no workspace
/// root.
pub(super) fn workspace_of(source: &ManifestText) -> Option<WorkspaceTable> {
    // Most manifests on the way up are not roots; that is seen without parsing them.
    if !source.text.contains("workspace") {
        return None;
    }
    let (document, _) = DeTable::parse_recoverable(&source.text);
    let mut ignored = Vec::new();
    let mut cx = Context::new(source, &mut ignored);
    let file = Section::document(&mut cx, document.get_ref(), &format::MANIFEST);
    file.table(&cx, "workspace").map(|section| workspace_table(&cx, &section))
}

fn workspace_table(cx: &Context<'_>, section: &Section<'_, '_>) -> WorkspaceTable {
    WorkspaceTable {
        at: cx.at(section.span.clone()),
        members: section.strings(cx, "members").unwrap_or_default(),
        exclude: section.strings(cx, "exclude").unwrap_or_default(),
        shared: section.table(cx, "package").map(|section| inheritable(cx, &section)),
    }
}

fn inheritable(cx: &Context<'_>, section: &Section<'_, '_>) -> Inheritable {
    Inheritable {
        version: section.string(cx, "version").map(|text| text.value),
        settings: settings(cx, section),
    }
}

fn build_table(cx: &Context<'_>, section: &Section<'_, '_>) -> (BuildSettings, Location) {
    let memory = section.literal(cx, "memory").and_then(|text| parse_memory(&text).ok());
    let jobs = section.literal(cx, "jobs").and_then(|text| text.parse().ok());
    let settings = BuildSettings { jobs, memory };
    (settings, cx.at(section.span.clone()))
}

fn profile_tables(cx: &Context<'_>, file: &Section<'_, '_>) -> Vec<ProfileTable> {
    let profile = |(name, section): (Text, Section<'_, '_>)| ProfileTable {
        name,
        inherits: section.string(cx, "inherits"),
        values: profile_values(cx, &section),
        sanitize_at: section.key_span("sanitize").map(|span| cx.at(span)),
        packages: section
            .named(cx, "package")
            .into_iter()
            .map(|(name, section)| (name, package_values(cx, &section)))
            .collect(),
        build_override: section
            .table(cx, "build-override")
            .map(|section| package_values(cx, &section))
            .unwrap_or_default(),
    };
    file.named(cx, "profile").into_iter().map(profile).collect()
}

fn linker(cx: &Context<'_>, section: &Section<'_, '_>) -> Option<Linker> {
    section.string(cx, "linker").map(|text| match text.value.as_str() {
        "lld" => Linker::Lld,
        path if path.contains('/') => Linker::Path(resolve(cx.dir(), path)),
        name => Linker::Named(name.to_owned()),
    })
}

fn profile_values(cx: &Context<'_>, section: &Section<'_, '_>) -> ProfileValues {
    let literal = |key| section.literal(cx, key);
    ProfileValues {
        lto: literal("lto").map(|text| match text.as_str() {
            "off" => Lto::Off,
            "thin-local" => Lto::ThinLocal,
            "thin" => Lto::Thin,
            _ => Lto::Fat,
        }),
        translate: literal("translate").map(|text| match text.as_str() {
            "serial" => Translate::Serial,
            _ => Translate::Parallel,
        }),
        share_headers: literal("share-headers").map(|text| match text.as_str() {
            "off" => ShareHeaders::Off,
            "verify" => ShareHeaders::Verify,
            _ => ShareHeaders::Auto,
        }),
        link_args: section.words(cx, "link-args"),
        linker: linker(cx, section),
        sanitize: section.words(cx, "sanitize").map(|names| {
            names
                .iter()
                .map(|name| match name.as_str() {
                    "address" => Sanitizer::Address,
                    "undefined" => Sanitizer::Undefined,
                    "thread" => Sanitizer::Thread,
                    "memory" => Sanitizer::Memory,
                    _ => Sanitizer::Leak,
                })
                .collect()
        }),
        coverage: section.switch(cx, "coverage"),
        pgo_generate: section.switch(cx, "pgo-generate"),
        pgo_use: section.string(cx, "pgo-use").map(|text| resolve(cx.dir(), &text.value)),
        strip: literal("strip").map(|text| match text.as_str() {
            "false" | "none" => Strip::Nothing,
            "debuginfo" => Strip::DebugInfo,
            _ => Strip::Symbols,
        }),
        split_debuginfo: literal("split-debuginfo").map(|text| match text.as_str() {
            "unpacked" => SplitDebugInfo::Unpacked,
            _ => SplitDebugInfo::Off,
        }),
        pic: section.switch(cx, "pic"),
        pie: section.switch(cx, "pie"),
        compilation_dir: section.string(cx, "compilation-dir").map(|text| text.value),
        ..package_values(cx, section)
    }
}

/// The keys that a profile may have for one crate, and for programs that run in the build, too.
fn package_values(cx: &Context<'_>, section: &Section<'_, '_>) -> ProfileValues {
    ProfileValues {
        opt_level: section.literal(cx, "opt-level").and_then(|text| parse_opt_level(&text)),
        debug: section.literal(cx, "debug").map(|text| match text.as_str() {
            "false" => DebugInfo::None,
            "true" => DebugInfo::Full,
            _ => DebugInfo::LineTablesOnly,
        }),
        codegen_units: section.count(cx, "codegen-units"),
        defines: section.words(cx, "defines"),
        flags: section.words(cx, "flags"),
        c_flags: section.words(cx, "c-flags"),
        cxx_flags: section.words(cx, "cxx-flags"),
        march: section.string(cx, "march").map(|text| text.value),
        ..ProfileValues::default()
    }
}

fn package_table(cx: &Context<'_>, section: &Section<'_, '_>) -> Package {
    let text = |key| section.string(cx, key).map(|text| text.value);
    Package {
        name: section.string(cx, "name"),
        autolib: section.switch(cx, "autolib").unwrap_or(true),
        autobins: section.switch(cx, "autobins").unwrap_or(true),
        autodev: ["autotests", "autoexamples", "autobenches"]
            .map(|key| section.switch(cx, key).unwrap_or(true)),
        default_run: section.string(cx, "default-run"),
        about: PackageAbout {
            description: text("description"),
            homepage: text("homepage"),
            license: text("license"),
        },
        scan_modules: section.switch(cx, "scan-modules"),
        shared: inheritable(cx, section),
        link_args_at: link_args_at(cx, section),
        inherited: section.inherited(cx),
    }
}

/// Where `link-args` with at least one word stands.
fn link_args_at(cx: &Context<'_>, section: &Section<'_, '_>) -> Option<Location> {
    section.words(cx, "link-args").filter(|words| !words.is_empty())?;
    section.key_span("link-args").map(|span| cx.at(span))
}

/// The keys that may stand in `[package]`, `[lib]` and `[[bin]]`.
fn settings(cx: &Context<'_>, section: &Section<'_, '_>) -> Settings {
    let text = |key| section.string(cx, key).map(|text| text.value);
    Settings {
        include: section.strings(cx, "include"),
        defines: section.words(cx, "defines"),
        warnings: section.words(cx, "warnings"),
        flags: section.words(cx, "flags"),
        c_flags: section.words(cx, "c-flags"),
        cxx_flags: section.words(cx, "cxx-flags"),
        c_std: text("c-std"),
        cxx_std: text("cxx-std"),
        link: section.words(cx, "link"),
        link_args: section.words(cx, "link-args"),
        pkg_config: section.words(cx, "pkg-config"),
        inputs: section.strings(cx, "inputs"),
        precompiled_headers: section.words(cx, "precompiled-headers"),
    }
}

const SHARED_TOO: &str = "add `crate-type = [\"staticlib\", \"cdylib\"]`";

fn lib_table(cx: &mut Context<'_>, section: &Section<'_, '_>, in_list: bool) -> LibTable {
    for (key, example) in [("name", "\"...\""), ("sources", "[\"...\"]")] {
        if in_list && section.key_span(key).is_none() {
            cx.error(section.span.clone(), format!("`[[lib]]` has no `{key}`")).help =
                Some(format!("each of several libraries has its own: `{key} = {example}`"));
        }
    }
    let types = section.words(cx, "crate-type").unwrap_or_default();
    let has = |name: &str| types.iter().any(|known| known == name);
    let output = section.string(cx, "output");
    let staticlib = has("staticlib") || (types.is_empty() && output.is_none());
    let cdylib = has("cdylib") || output.is_some();
    let object = has("object");
    if let Some(span) = section.key_span("crate-type") {
        if output.is_some() && (staticlib || object) {
            cx.error(span, "a plugin is a shared library alone").help =
                Some("remove `crate-type`, or `output`".to_owned());
        } else if object && (staticlib || cdylib) {
            cx.error(span, "an object library has no other form").help =
                Some("write `crate-type = [\"object\"]`, or make two libraries".to_owned());
        }
    }
    let exports = section.string(cx, "exports");
    if let (Some(exports), false) = (&exports, cdylib) {
        let problem =
            cx.warning(exports.at.span.clone(), "`exports` has no effect without a shared library");
        problem.help = Some(SHARED_TOO.to_owned());
    }
    for key in ["soname", "version"] {
        let Some(span) = section.key_span(key) else { continue };
        if output.is_some() {
            cx.error(span, format!("`{key}` has no effect: a plugin is loaded by its path")).help =
                Some("remove it, or `output`".to_owned());
        } else if !cdylib {
            cx.error(span, format!("`{key}` has no effect without a shared library")).help =
                Some(SHARED_TOO.to_owned());
        }
    }
    if let (Some(at), false) = (link_args_at(cx, section), cdylib) {
        cx.add(nothing_links(at));
    }
    let text = |key| section.string(cx, key).map(|text| text.value);
    LibTable {
        at: cx.at(section.span.clone()),
        name: section.string(cx, "name"),
        in_list,
        required_features: section.strings(cx, "required-features").unwrap_or_default(),
        sources: section.strings(cx, "sources"),
        headers: section.strings(cx, "headers"),
        modules: section.words(cx, "modules"),
        public_defines: section.words(cx, "public-defines").unwrap_or_default(),
        public_link_args: section.words(cx, "public-link-args").unwrap_or_default(),
        staticlib,
        cdylib,
        object,
        exports,
        soname: text("soname"),
        version: text("version"),
        output,
        uses: section.strings(cx, "uses").unwrap_or_default(),
        settings: settings(cx, section),
    }
}

fn bin_table(cx: &Context<'_>, section: &Section<'_, '_>) -> BinTable {
    BinTable {
        at: cx.at(section.span.clone()),
        name: section.string(cx, "name"),
        sources: section.strings(cx, "sources"),
        required_features: section.strings(cx, "required-features").unwrap_or_default(),
        settings: settings(cx, section),
    }
}

fn dev_tables(cx: &Context<'_>, file: &Section<'_, '_>) -> Vec<DevTable> {
    let mut tables = Vec::new();
    for kind in DEV_KINDS {
        for section in file.tables(cx, kind.word()) {
            tables.push(DevTable {
                kind,
                bin: bin_table(cx, &section),
                launch: if kind == ProgramKind::Example {
                    Launch::default()
                } else {
                    launch(cx, kind, &section)
                },
                cwd: if kind == ProgramKind::Example { None } else { section.string(cx, "cwd") },
            });
        }
    }
    tables
}

/// How a test or a benchmark is run.
fn launch(cx: &Context<'_>, kind: ProgramKind, section: &Section<'_, '_>) -> Launch {
    let is_test = kind == ProgramKind::Test;
    let duration = |key| {
        let text = is_test.then(|| section.string(cx, key)).flatten();
        text.and_then(|text| parse_duration(&text.value).ok())
    };
    let harness = is_test.then(|| section.literal(cx, "harness")).flatten();
    let env = section.texts_by_name(cx, "env").into_iter();
    Launch {
        args: section.words(cx, "args").unwrap_or_default(),
        env: env.map(|(name, text)| (name, text.value)).collect(),
        cwd: None,
        timeout: duration("timeout"),
        slow_after: duration("slow-after"),
        harness: harness.map(|text| match text.as_str() {
            "gtest" => Harness::Gtest,
            "catch2" => Harness::Catch2,
            "doctest" => Harness::Doctest,
            "tap" => Harness::Tap,
            _ => Harness::ExitCode,
        }),
        jobserver: is_test && section.switch(cx, "jobserver").unwrap_or(false),
        locks: is_test.then(|| section.words(cx, "locks")).flatten().unwrap_or_default(),
    }
}

/// Those of a whole manifest, or of one table of `[target]`, whose place is `target`.
fn dependency_tables(
    cx: &mut Context<'_>,
    file: &Section<'_, '_>,
    target: Option<usize>,
) -> Vec<DependencyTable> {
    let mut tables = Vec::new();
    for (key, kind) in DependencyKind::ALL {
        for (name, section) in file.named(cx, key) {
            tables.extend(dependency_table(cx, kind, name, target, &section));
        }
    }
    tables
}

fn dependency_table(
    cx: &mut Context<'_>,
    kind: DependencyKind,
    name: Text,
    target: Option<usize>,
    section: &Section<'_, '_>,
) -> Option<DependencyTable> {
    let package = section.string(cx, "package");
    let krate = package.as_ref().unwrap_or(&name);
    let place = match kind {
        DependencyKind::Build => dependency_place(cx, krate, section),
        _ => place_or_package(cx, krate, section),
    };
    // A build-dependency has none of these keys.
    let is_linked = kind != DependencyKind::Build;
    let switch = |key| is_linked.then(|| section.switch(cx, key)).flatten();
    let (headers_only, whole_archive) = (switch("headers-only"), switch("whole-archive"));
    let table = DependencyTable {
        kind,
        name,
        package,
        place: place?,
        version: section.string(cx, "version"),
        libs: is_linked.then(|| section.strings(cx, "lib")).flatten(),
        public: switch("public").unwrap_or(true),
        headers_only: headers_only.unwrap_or_default(),
        system: switch("system"),
        whole_archive: whole_archive.unwrap_or_default(),
        target,
        optional: section.switch(cx, "optional").unwrap_or_default(),
        features: section.strings(cx, "features").unwrap_or_default(),
        default_features: section.switch(cx, "default-features").unwrap_or(true),
    };
    if let (Some(_), Err(error)) =
        (&table.package, check_name("dependency name", &table.name.value))
    {
        cx.error(table.name.at.span.clone(), error.message).help = error.help;
    }
    if let (Some([]), Some(span)) = (table.libs.as_deref(), section.key_span("lib")) {
        cx.error(span, "`lib` names no library").help = Some(
            "leave it out for all libraries, or write `headers-only = true` for none".to_owned(),
        );
    }
    if let (Some(span), true, true) =
        (section.key_span("whole-archive"), table.headers_only, table.whole_archive)
    {
        cx.error(span, "`whole-archive` has no effect: of this crate nothing is linked").help =
            Some("remove it, or `headers-only`".to_owned());
    }
    Some(table)
}

fn patch_tables(cx: &mut Context<'_>, file: &Section<'_, '_>) -> Vec<(Text, DependencyPlace)> {
    let mut patches = Vec::new();
    for (name, section) in file.named(cx, "patch") {
        let place = dependency_place(cx, &name, &section);
        patches.extend(place.map(|place| (name, place)));
    }
    patches
}

/// As `dependency_place`, where a package of the system may do.
fn place_or_package(
    cx: &mut Context<'_>,
    krate: &Text,
    section: &Section<'_, '_>,
) -> Option<DependencyPlace> {
    let Some(span) = section.key_span("pkg-config") else {
        if let Some(span) = section.key_span("fallback") {
            let problem = cx.error(span, "`fallback` has no effect without `pkg-config`");
            problem.help = Some("write its keys in its place".to_owned());
            return None;
        }
        return dependency_place(cx, krate, section);
    };
    let places = ["path", "url", "git"];
    if let Some(key) = places.iter().find(|key| section.key_span(key).is_some()) {
        let message = format!("`{key}` and `pkg-config` both say where the library is");
        cx.error(span, message).help =
            Some(format!("put `{key}` into `fallback = {{ {key} = \"...\" }}`"));
        return None;
    }
    let fallback = match section.table(cx, "fallback") {
        Some(section) => Some(Box::new(dependency_place(cx, krate, &section)?)),
        None => None,
    };
    Some(DependencyPlace::System { package: section.string(cx, "pkg-config")?, fallback })
}

/// Keys that stand beside others alone.
const KEYS_OF_SOURCES: [(&str, &[&str]); 7] = [
    ("sha256", &["url"]),
    ("strip-prefix", &["url"]),
    ("branch", &["git"]),
    ("tag", &["git"]),
    ("rev", &["git"]),
    ("patches", &["url", "git"]),
    ("manifest", &["url", "git"]),
];

/// Where the crate with this name is. None after an error.
fn dependency_place(
    cx: &mut Context<'_>,
    krate: &Text,
    section: &Section<'_, '_>,
) -> Option<DependencyPlace> {
    let given = |keys: &[&'static str]| -> Vec<(&'static str, std::ops::Range<usize>)> {
        keys.iter().filter_map(|key| Some((*key, section.key_span(key)?))).collect()
    };
    let places = given(&["path", "url", "git"]);
    let [(place, _)] = places[..] else {
        match places.get(1) {
            Some((second, span)) => {
                let (first, _) = &places[0];
                let message = format!("`{first}` and `{second}` both say where the crate is");
                cx.error(span.clone(), message).help = Some("remove one of them".to_owned());
            }
            None => {
                let message = format!("`{}` has no `path`, `url` or `git`", section.title());
                let help = "name the directory of the crate: `path = \"../...\"`, or its sources: `git = \"https://...\"`";
                cx.error(section.span.clone(), message).help = Some(help.to_owned());
            }
        }
        return None;
    };
    for (key, beside) in KEYS_OF_SOURCES {
        if let (Some(span), false) = (section.key_span(key), beside.contains(&place)) {
            let message = format!("`{key}` has no effect beside `{place}`");
            let beside: Vec<String> = beside.iter().map(|key| format!("`{key}`")).collect();
            cx.error(span, message).help =
                Some(format!("remove it; it belongs to {}", beside.join(" and ")));
            return None;
        }
    }
    let value = section.string(cx, place)?;
    let origin = match place {
        "path" => return Some(DependencyPlace::Path(value)),
        "url" => {
            if section.key_span("sha256").is_none() {
                let problem = cx.error(value.at.span.clone(), "the archive has no `sha256`");
                let help = "write `sha256 = \"...\"`, as `sha256sum` prints it of the archive; `tender add --url` does both";
                problem.help = Some(help.to_owned());
                return None;
            }
            SourceOrigin::Archive {
                url: value.value,
                sha256: section.string(cx, "sha256")?.value.to_ascii_lowercase(),
                strip_prefix: section.string(cx, "strip-prefix").map(|text| text.value),
            }
        }
        _ => {
            let references = given(&["branch", "tag", "rev"]);
            if let Some((second, span)) = references.get(1) {
                let message = format!("`{}` and `{second}` both choose a commit", references[0].0);
                cx.error(span.clone(), message).help = Some("remove one of them".to_owned());
                return None;
            }
            let reference = match references.first() {
                None => GitReference::Head,
                Some((key, _)) => {
                    let name = section.string(cx, key)?.value;
                    match *key {
                        "branch" => GitReference::Branch(name),
                        "tag" => GitReference::Tag(name),
                        _ => GitReference::Rev(name),
                    }
                }
            };
            SourceOrigin::Git { url: value.value, reference }
        }
    };
    let file = |text: Text| resolve(cx.file_dir(), &text.value);
    let spec = SourceSpec {
        krate: krate.value.clone(),
        origin,
        patches: section.strings(cx, "patches").unwrap_or_default().into_iter().map(file).collect(),
        manifest: section.string(cx, "manifest").map(file),
    };
    Some(DependencyPlace::Elsewhere(Box::new(spec), value.at))
}

fn feature_tables(cx: &Context<'_>, file: &Section<'_, '_>) -> Vec<FeatureTable> {
    let feature = |(name, values): (Text, Vec<Text>)| FeatureTable {
        name,
        values: values
            .into_iter()
            .map(|text| (FeatureValue::parse(&text.value), text.at))
            .collect(),
    };
    file.lists_by_name(cx, "features").into_iter().map(feature).collect()
}

/// None after an error.
fn target_table(
    cx: &mut Context<'_>,
    name: Text,
    section: &Section<'_, '_>,
) -> Option<TargetTable> {
    let condition = match name.value.starts_with("cfg") {
        true => TargetCondition::Cfg(Cfg::parse(&name.value).ok()?),
        false => TargetCondition::Triple(name.value.clone()),
    };
    let for_root =
        |key: &format::Key| format::TOOLS_OF_TARGET.iter().any(|tool| tool.name == key.name);
    let first = |wanted: bool| {
        let keys = section.keys().filter(|key| for_root(key) == wanted);
        keys.filter_map(|key| section.key_span(key.name)).min_by_key(|span| span.start)
    };
    if let (TargetCondition::Cfg(_), Some(span)) = (&condition, first(true)) {
        let problem = cx.error(span, "a program of one platform needs the platform's name");
        problem.help = Some("write `[target.aarch64-linux-gnu]`".to_owned());
    }
    let dependencies =
        DependencyKind::ALL.into_iter().find_map(|(key, _)| Some((key, section.key_span(key)?)));
    if let Some((key, span)) = dependencies {
        if let Some(probe) = condition.probes().first() {
            let problem = cx.error(span, format!("`{key}` cannot depend on `config.{probe}`"));
            problem.help = Some(
                "dependencies are needed before anything is probed; conditions on a probe are for sources and settings"
                    .to_owned(),
            );
        } else if let Some(feature) = condition.features().first() {
            let problem =
                cx.error(span, format!("`{key}` cannot depend on the feature `{feature}`"));
            problem.help = Some(format!(
                "make the dependency optional, and let the feature enable it: `{feature} = [\"dep:NAME\"]`"
            ));
        }
    }
    let lib = section.table(cx, "lib").map(|lib| TargetLibTable {
        name: lib.string(cx, "name"),
        sources: lib.strings(cx, "sources").unwrap_or_default(),
        headers: lib.strings(cx, "headers").unwrap_or_default(),
        public_defines: lib.words(cx, "public-defines").unwrap_or_default(),
        public_link_args: lib.words(cx, "public-link-args").unwrap_or_default(),
        settings: settings(cx, &lib),
        link_args_at: link_args_at(cx, &lib),
    });
    Some(TargetTable {
        name,
        condition,
        settings: settings(cx, section),
        link_args_at: link_args_at(cx, section),
        lib,
        tools: TargetTools {
            linker: section.string(cx, "linker"),
            sysroot: section.string(cx, "sysroot"),
            runner: section.words(cx, "runner"),
        },
        for_crates: first(false).map(|span| cx.at(span)),
        for_root: first(true).map(|span| cx.at(span)),
    })
}

fn generate_tables(cx: &mut Context<'_>, file: &Section<'_, '_>) -> Vec<GenerateTable> {
    let mut tables = Vec::new();
    for (key, is_rule) in [("generate", false), ("rule", true)] {
        let sections = file.tables(cx, key);
        let read = sections.iter().filter_map(|section| generate_table(cx, section, is_rule));
        tables.extend(read);
    }
    tables
}

fn generate_table(
    cx: &mut Context<'_>,
    section: &Section<'_, '_>,
    is_rule: bool,
) -> Option<GenerateTable> {
    let run = section.strings(cx, "run")?;
    if let Some(program) = run.first().filter(|program| program.value.is_empty()) {
        cx.error(program.at.span.clone(), "`run` begins with an empty word").help =
            Some("name a program first".to_owned());
    }
    Some(GenerateTable {
        name: section.string(cx, "name"),
        run,
        for_each: if is_rule { None } else { section.strings(cx, "for-each") },
        extensions: if is_rule { Some(section.strings(cx, "extensions")?) } else { None },
        inputs: section.strings(cx, "inputs").unwrap_or_default(),
        outputs: section.strings(cx, "outputs")?,
        depfile: section.string(cx, "depfile"),
        env: section.texts_by_name(cx, "env"),
        retry: section.switch(cx, "retry").unwrap_or_default(),
    })
}

fn config_header_table(
    cx: &mut Context<'_>,
    section: &Section<'_, '_>,
) -> Option<ConfigHeaderTable> {
    let template = section.string(cx, "template");
    let probes: Vec<(Text, Probe)> = section
        .named(cx, "probes")
        .into_iter()
        .filter_map(|(name, section)| Some((name.clone(), probe(cx, name, &section)?)))
        .collect();
    let values: Vec<(Text, ConfigValue)> = section
        .values(cx, "values")
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    for (name, _) in &values {
        if let Some((probe, _)) = probes.iter().find(|(probe, _)| probe.value == name.value) {
            let problem = Problem::error(format!("`{}` is a probe and a value", name.value));
            let problem = problem.at(name.at.clone()).related(probe.at.clone(), "the probe");
            cx.add(problem.help("remove one of them"));
        }
    }
    let header = match (section.string(cx, "header"), &template) {
        (Some(header), _) => header,
        (None, Some(template)) => {
            let name = template.value.rsplit('/').next().unwrap_or_default();
            match name.strip_suffix(".in").filter(|name| !name.is_empty()) {
                Some(name) => Text { value: name.to_owned(), at: template.at.clone() },
                None => {
                    cx.error(
                        template.at.span.clone(),
                        "the template's name does not end in `.in`",
                    )
                    .help = Some("name the header: `header = \"config.h\"`".to_owned());
                    return None;
                }
            }
        }
        (None, None) => {
            if section.key_span("template").is_none() && section.key_span("header").is_none() {
                let problem = cx.error(section.span.clone(), "`[config]` names no header");
                problem.help = Some(
                    "write `template = \"config.h.in\"`, or `header = \"config.h\"` for one of the probes alone"
                        .to_owned(),
                );
            }
            return None;
        }
    };
    Some(ConfigHeaderTable {
        template,
        header,
        public: section.switch(cx, "public").unwrap_or_default(),
        probes: probes.into_iter().map(|(_, probe)| probe).collect(),
        values: values.into_iter().map(|(name, value)| (name.value, value)).collect(),
    })
}

fn probe(cx: &mut Context<'_>, name: Text, section: &Section<'_, '_>) -> Option<Probe> {
    let kinds: Vec<&str> = format::PROBE_KINDS
        .iter()
        .map(|key| key.name)
        .filter(|kind| section.key_span(kind).is_some())
        .collect();
    let [kind] = kinds[..] else {
        let (span, message) = match kinds.get(1) {
            None => (name.at.span.clone(), format!("the probe `{}` asks for nothing", name.value)),
            Some(second) => (
                section.key_span(second).unwrap_or_else(|| name.at.span.clone()),
                format!("the probe `{}` asks for `{}` and `{second}`", name.value, kinds[0]),
            ),
        };
        cx.error(span, message).help =
            Some("a probe has one of `has-function`, `has-header`, `has-type`, ...".to_owned());
        return None;
    };
    // What has been refused is absent.
    let what = section.string(cx, kind)?.value;
    let test = match kind {
        "has-function" => ProbeTest::HasFunction(what),
        "has-header" => ProbeTest::HasHeader(what),
        "has-symbol" => ProbeTest::HasSymbol(what),
        "has-member" => ProbeTest::HasMember(what),
        "has-type" => ProbeTest::HasType(what),
        "has-decl" => ProbeTest::HasDecl(what),
        "has-library" => ProbeTest::HasLibrary(what),
        "sizeof" => ProbeTest::Sizeof(what),
        "alignof" => ProbeTest::Alignof(what),
        "compiles" => ProbeTest::Compiles(what),
        "links" => ProbeTest::Links(what),
        "endian" => ProbeTest::Endian(what),
        _ => ProbeTest::HasFlag(what),
    };
    let is_linked =
        matches!(test, ProbeTest::HasFunction(_) | ProbeTest::HasSymbol(_) | ProbeTest::Links(_));
    if let (Some(span), false) = (section.key_span("libs"), is_linked) {
        cx.error(span, format!("`libs` has no effect: `{kind}` links nothing")).help =
            Some("remove it".to_owned());
    }
    let includes = !matches!(
        test,
        ProbeTest::HasLibrary(_)
            | ProbeTest::Compiles(_)
            | ProbeTest::Links(_)
            | ProbeTest::Endian(_)
            | ProbeTest::HasFlag(_)
    );
    if let (Some(span), false) = (section.key_span("headers"), includes) {
        cx.error(span, format!("`headers` has no effect on `{kind}`")).help =
            Some("remove it; a source includes what it needs by itself".to_owned());
    }
    Some(Probe {
        name: name.value,
        test,
        headers: section.words(cx, "headers").filter(|headers| !headers.is_empty()),
        libs: section.words(cx, "libs").unwrap_or_default(),
        language: match section.literal(cx, "language").as_deref() {
            Some("c++") => Language::Cxx,
            _ => Language::C,
        },
    })
}

impl From<PlainValue> for ConfigValue {
    fn from(value: PlainValue) -> ConfigValue {
        match value {
            PlainValue::Text(text) => ConfigValue::Text(text),
            PlainValue::Integer(number) => ConfigValue::Integer(number),
            PlainValue::Switch(on) => ConfigValue::Switch(on),
        }
    }
}
