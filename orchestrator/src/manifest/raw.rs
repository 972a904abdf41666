//! One manifest as it is written: the keys of the format and the types of their values. No I/O:
//! paths stay text.

use super::model::{BuildSettings, DebugInfo, Lto, MemorySetting, OptLevel, Translate};
use super::problem::{Location, ManifestText, Problem, suggestion};
use super::reader::{Context, Section, Text, Value, positive, string, strings};
use super::value::{self, ValueError};
use toml::de::{DeTable, DeValue};

#[derive(Debug)]
pub(super) struct Manifest {
    pub source: ManifestText,
    pub workspace: Option<WorkspaceTable>,
    /// `[build]` and where it stands.
    pub build: Option<(BuildSettings, Location)>,
    pub profiles: Vec<ProfileTable>,
    pub package: Option<Package>,
    pub lib: Option<LibTable>,
    pub bins: Vec<BinTable>,
    /// In order of declaration.
    pub dependencies: Vec<Dependency>,
    pub generate: Vec<GenerateTable>,
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
    pub shared: Inheritable,
    /// Keys with `.workspace = true`.
    pub inherited: Vec<(&'static str, Location)>,
}

/// Absent and empty differ: only what is there can be inherited.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub include: Option<Vec<Text>>,
    pub defines: Option<Vec<String>>,
    pub flags: Option<Vec<String>>,
    pub c_std: Option<String>,
    pub cxx_std: Option<String>,
    pub link: Option<Vec<String>>,
    pub link_args: Option<Vec<String>>,
    pub pkg_config: Option<Vec<String>>,
    pub inputs: Option<Vec<Text>>,
}

#[derive(Debug)]
pub(super) struct ProfileTable {
    pub name: Text,
    pub inherits: Option<Text>,
    pub opt_level: Option<OptLevel>,
    pub debug: Option<DebugInfo>,
    pub lto: Option<Lto>,
    pub codegen_units: Option<u32>,
    pub translate: Option<Translate>,
    pub defines: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct LibTable {
    pub at: Location,
    pub sources: Option<Vec<Text>>,
    pub headers: Option<Vec<Text>>,
    pub public_defines: Vec<String>,
    pub staticlib: bool,
    pub cdylib: bool,
    pub exports: Option<Text>,
    pub settings: Settings,
}

#[derive(Debug)]
pub(super) struct BinTable {
    pub at: Location,
    /// Absent only after an error.
    pub name: Option<Text>,
    pub sources: Option<Vec<Text>>,
    pub settings: Settings,
}

#[derive(Debug)]
pub(super) struct Dependency {
    pub name: Text,
    pub path: Text,
}

#[derive(Debug)]
pub(super) struct GenerateTable {
    pub run: Vec<String>,
    pub inputs: Vec<Text>,
    pub outputs: Vec<Text>,
    pub retry: bool,
}

/// Errors of syntax beyond this are left out.
const MOST_ERRORS: usize = 100;

/// Reads a manifest. None if it is no TOML; with errors of other kinds, whatever could be
/// understood.
pub(super) fn parse(source: &ManifestText, problems: &mut Vec<Problem>) -> Option<Manifest> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    let mut cx = Context { source: source.clone(), problems };
    if !errors.is_empty() {
        // Each looks at the text behind it, and of a file that is no TOML at all every character
        // may be one.
        for error in errors.into_iter().take(MOST_ERRORS) {
            // A parser that has lost its way reports the same place more than once.
            let span = error.span().unwrap_or(0..0);
            let last = cx.problems.last().and_then(|problem| problem.location.as_ref());
            if last.is_some_and(|at| {
                at.source.path == source.path && at.span.end >= span.start && span.start > 0
            }) {
                continue;
            }
            let rest = source.text.get(span.start..).unwrap_or_default();
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
        return None;
    }
    let mut file = Section::new("", 0..0, document.get_ref());
    let workspace =
        file.table(&mut cx, "workspace").map(|section| workspace_table(&mut cx, section));
    let build = file.table(&mut cx, "build").map(|section| build_table(&mut cx, section));
    let profiles = file
        .table(&mut cx, "profile")
        .map(|section| profile_tables(&mut cx, &section))
        .unwrap_or_default();
    let package = file.table(&mut cx, "package").map(|section| package_table(&mut cx, section));
    let lib = file.table(&mut cx, "lib").map(|section| lib_table(&mut cx, section));
    let bins = file
        .tables(&mut cx, "bin")
        .into_iter()
        .map(|section| bin_table(&mut cx, section))
        .collect();
    let dependencies = file
        .table(&mut cx, "dependencies")
        .map(|section| dependency_table(&mut cx, &section))
        .unwrap_or_default();
    let generate = file
        .tables(&mut cx, "generate")
        .into_iter()
        .filter_map(|section| generate_table(&mut cx, section))
        .collect();
    if package.is_none() {
        let orphan = ["lib", "bin", "dependencies", "generate"]
            .into_iter()
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
    file.finish(
        &mut cx,
        &[
            ("name", "`[package]`"),
            ("members", "`[workspace]`"),
            ("sources", "`[lib]` or `[[bin]]`"),
        ],
    );
    Some(Manifest {
        source: source.clone(),
        workspace,
        build,
        profiles,
        package,
        lib,
        bins,
        dependencies,
        generate,
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
    let mut cx = Context { source: source.clone(), problems: &mut ignored };
    let mut file = Section::new("", 0..0, document.get_ref());
    file.table(&mut cx, "workspace").map(|section| workspace_table(&mut cx, section))
}

fn workspace_table(cx: &mut Context<'_>, mut section: Section<'_, '_>) -> WorkspaceTable {
    let table = WorkspaceTable {
        at: cx.at(section.span.clone()),
        members: section.strings(cx, "members").unwrap_or_default(),
        exclude: section.strings(cx, "exclude").unwrap_or_default(),
        shared: section.table(cx, "package").map(|mut section| {
            let version = version(cx, &mut section);
            let settings = settings(cx, &mut section, None);
            section.finish(cx, &[("name", "the `[package]` of each crate")]);
            Inheritable { version, settings }
        }),
    };
    section.finish(cx, &[]);
    table
}

fn build_table(cx: &mut Context<'_>, mut section: Section<'_, '_>) -> (BuildSettings, Location) {
    let jobs = section.get("jobs").and_then(|value| positive(cx, "jobs", value, u32::MAX));
    let memory = section.get("memory").and_then(|value| memory(cx, value));
    let at = cx.at(section.span.clone());
    section.finish(cx, &[]);
    (BuildSettings { jobs, memory }, at)
}

fn memory(cx: &mut Context<'_>, value: &Value<'_>) -> Option<MemorySetting> {
    let text = match value.get_ref() {
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::String(text) => text.to_string(),
        _ => {
            cx.wrong_type("memory", "a string or a number of bytes", value);
            return None;
        }
    };
    let parsed = value::parse_memory(&text);
    refuse(cx, value, parsed)
}

/// Puts the place to an error that has none.
fn refuse<T>(cx: &mut Context<'_>, value: &Value<'_>, result: Result<T, ValueError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            cx.error(value.span(), error.message).help = error.help;
            None
        }
    }
}

/// Keeps the texts that `check` accepts.
fn checked(
    cx: &mut Context<'_>,
    texts: Vec<Text>,
    check: fn(&str) -> Result<(), ValueError>,
) -> Vec<String> {
    let mut good = Vec::with_capacity(texts.len());
    for text in texts {
        match check(&text.value) {
            Ok(()) => good.push(text.value),
            Err(error) => cx.error(text.at.span, error.message).help = error.help,
        }
    }
    good
}

fn checked_strings(
    cx: &mut Context<'_>,
    section: &mut Section<'_, '_>,
    key: &'static str,
    check: fn(&str) -> Result<(), ValueError>,
) -> Option<Vec<String>> {
    section.strings(cx, key).map(|texts| checked(cx, texts, check))
}

fn profile_tables(cx: &mut Context<'_>, section: &Section<'_, '_>) -> Vec<ProfileTable> {
    let mut profiles = Vec::new();
    for (span, name, value) in section.entries() {
        let DeValue::Table(table) = value.get_ref() else {
            cx.wrong_type(name, &format!("a table, `[profile.{name}]`"), value);
            continue;
        };
        if let Err(error) = value::check_name("profile name", name) {
            cx.error(span, error.message).help = error.help;
            continue;
        }
        // `dev` builds into `target/debug`.
        if name == "debug" {
            cx.error(span, "a profile cannot be named `debug`").help =
                Some("the name of the default profile is `dev`".into());
            continue;
        }
        let mut section = Section::new(format!("[profile.{name}]"), value.span(), table);
        profiles.push(ProfileTable {
            name: Text { value: name.to_owned(), at: cx.at(span) },
            inherits: section.string(cx, "inherits"),
            opt_level: section.get("opt-level").and_then(|value| opt_level(cx, value)),
            debug: section.get("debug").and_then(|value| debug(cx, value)),
            lto: section.get("lto").and_then(|value| choice(cx, "lto", value, LTO)),
            codegen_units: section
                .get("codegen-units")
                .and_then(|value| positive(cx, "codegen-units", value, MAX_CODEGEN_UNITS)),
            translate: section
                .get("translate")
                .and_then(|value| choice(cx, "translate", value, TRANSLATE)),
            defines: checked_strings(cx, &mut section, "defines", value::check_define),
        });
        section.finish(cx, &[("flags", "`[package]`, `[lib]` or `[[bin]]`")]);
    }
    profiles
}

/// More pieces than this are each too small to be worth a module's overhead.
const MAX_CODEGEN_UNITS: u32 = 256;

const LTO: &[(&str, Lto)] =
    &[("off", Lto::Off), ("thin-local", Lto::ThinLocal), ("thin", Lto::Thin), ("fat", Lto::Fat)];
const TRANSLATE: &[(&str, Translate)] =
    &[("parallel", Translate::Parallel), ("serial", Translate::Serial)];

fn choice<T: Copy>(
    cx: &mut Context<'_>,
    key: &str,
    value: &Value<'_>,
    choices: &[(&str, T)],
) -> Option<T> {
    let text = string(cx, key, value)?;
    if let Some((_, chosen)) = choices.iter().find(|(name, _)| *name == text.value) {
        return Some(*chosen);
    }
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let problem = cx.error(value.span(), format!("`{key}` must be one of {}", names.join(", ")));
    problem.help = suggestion(&text.value, choices.iter().map(|(name, _)| *name))
        .map(|name| format!("did you mean `{name}`?"));
    None
}

fn opt_level(cx: &mut Context<'_>, value: &Value<'_>) -> Option<OptLevel> {
    let parsed = match value.get_ref() {
        DeValue::Integer(integer) => value::parse_opt_level(&integer.to_string()),
        DeValue::String(text) => value::parse_opt_level(text),
        _ => {
            cx.wrong_type("opt-level", "an integer or a string", value);
            return None;
        }
    };
    if parsed.is_none() {
        cx.error(value.span(), "`opt-level` must be one of 0, 1, 2, 3, \"s\", \"z\"");
    }
    parsed
}

fn debug(cx: &mut Context<'_>, value: &Value<'_>) -> Option<DebugInfo> {
    match value.get_ref() {
        DeValue::Boolean(false) => Some(DebugInfo::None),
        DeValue::Boolean(true) => Some(DebugInfo::Full),
        DeValue::String(text) if text == "line-tables-only" => Some(DebugInfo::LineTablesOnly),
        DeValue::String(_) => {
            cx.error(value.span(), "`debug` must be one of false, \"line-tables-only\", true");
            None
        }
        _ => {
            cx.wrong_type("debug", "false, \"line-tables-only\" or true", value);
            None
        }
    }
}

fn package_table(cx: &mut Context<'_>, mut section: Section<'_, '_>) -> Package {
    let name = name(cx, &mut section, "package");
    let mut inherited = Vec::new();
    let version = match inherits(cx, &mut section, "version", &mut inherited) {
        true => None,
        false => version(cx, &mut section),
    };
    let settings = settings(cx, &mut section, Some(&mut inherited));
    section.finish(
        cx,
        &[
            ("sources", "`[lib]` or `[[bin]]`"),
            ("headers", "`[lib]`"),
            ("public-defines", "`[lib]`"),
            ("crate-type", "`[lib]`"),
            ("exports", "`[lib]`"),
        ],
    );
    Package { name, shared: Inheritable { version, settings }, inherited }
}

fn name(cx: &mut Context<'_>, section: &mut Section<'_, '_>, what: &str) -> Option<Text> {
    let Some(value) = section.get("name") else {
        let problem = cx.error(section.span.clone(), format!("`{}` has no `name`", section.name));
        problem.help = Some("write `name = \"...\"`".to_owned());
        return None;
    };
    let text = string(cx, "name", value)?;
    let good = value::check_name(&format!("{what} name"), &text.value);
    refuse(cx, value, good)?;
    Some(text)
}

fn version(cx: &mut Context<'_>, section: &mut Section<'_, '_>) -> Option<String> {
    let text = section.string(cx, "version")?;
    if text.value.trim().is_empty() {
        cx.error(text.at.span, "`version` is empty").help =
            Some("write `version = \"0.1.0\"`".to_owned());
        return None;
    }
    Some(text.value)
}

/// Whether the key stands with `.workspace = true`.
fn inherits(
    cx: &mut Context<'_>,
    section: &mut Section<'_, '_>,
    key: &'static str,
    inherited: &mut Vec<(&'static str, Location)>,
) -> bool {
    let Some(value) = section.get(key) else { return false };
    let Some(table) = value.get_ref().as_table() else { return false };
    let span = section.key_span(key).unwrap_or_else(|| value.span());
    let mut inner = Section::new(format!("[package.{key}]"), span.clone(), table);
    match inner.get("workspace").map(|flag| (flag, flag.get_ref().as_bool())) {
        Some((_, Some(true))) => inherited.push((key, cx.at(span))),
        Some((flag, Some(false))) => {
            let problem = cx.error(flag.span(), format!("`{key}.workspace` can only be true"));
            problem.help = Some(format!("write `{key} = ...` for a value of its own"));
        }
        Some((flag, None)) => drop(cx.wrong_type(&format!("{key}.workspace"), "true", flag)),
        None => {
            let problem = cx.error(span, format!("`{key}` must not be a table"));
            problem.help = Some(format!("to inherit it write `{key}.workspace = true`"));
            return true;
        }
    }
    inner.finish(cx, &[]);
    true
}

/// The keys that may stand in `[package]`, `[lib]` and `[[bin]]`. `inherited` is given where they
/// may be inherited.
fn settings(
    cx: &mut Context<'_>,
    section: &mut Section<'_, '_>,
    mut inherited: Option<&mut Vec<(&'static str, Location)>>,
) -> Settings {
    let mut list = |cx: &mut Context<'_>,
                    section: &mut Section<'_, '_>,
                    key: &'static str,
                    check: fn(&str) -> _| {
        let texts =
            own(cx, section, key, &mut inherited).and_then(|value| strings(cx, key, value))?;
        Some(checked(cx, texts, check))
    };
    let defines = list(cx, section, "defines", value::check_define);
    let flags = list(cx, section, "flags", check_word);
    let link = list(cx, section, "link", value::check_link);
    let link_args = list(cx, section, "link-args", check_word);
    let pkg_config = list(cx, section, "pkg-config", check_word);
    let mut texts = |cx: &mut Context<'_>, section: &mut Section<'_, '_>, key: &'static str| {
        own(cx, section, key, &mut inherited).and_then(|value| strings(cx, key, value))
    };
    let include = texts(cx, section, "include");
    let inputs = texts(cx, section, "inputs");
    let mut standard = |cx: &mut Context<'_>,
                        section: &mut Section<'_, '_>,
                        key: &'static str,
                        check: fn(&str) -> _| {
        let value = own(cx, section, key, &mut inherited)?;
        let text = string(cx, key, value)?;
        let good = check(&text.value);
        refuse(cx, value, good).map(|()| text.value)
    };
    let c_std = standard(cx, section, "c-std", value::check_c_std);
    let cxx_std = standard(cx, section, "cxx-std", value::check_cxx_std);
    Settings { include, defines, flags, c_std, cxx_std, link, link_args, pkg_config, inputs }
}

/// The value of a key, unless it is inherited.
fn own<'t, 'i>(
    cx: &mut Context<'_>,
    section: &mut Section<'t, 'i>,
    key: &'static str,
    inherited: &mut Option<&mut Vec<(&'static str, Location)>>,
) -> Option<&'t Value<'i>> {
    if let Some(list) = inherited
        && inherits(cx, section, key, list)
    {
        return None;
    }
    section.get(key)
}

fn check_word(word: &str) -> Result<(), ValueError> {
    match word.trim().is_empty() {
        true => Err(ValueError {
            message: "an empty word".to_owned(),
            help: Some("leave it out".to_owned()),
        }),
        false => Ok(()),
    }
}

fn lib_table(cx: &mut Context<'_>, mut section: Section<'_, '_>) -> LibTable {
    let (mut staticlib, mut cdylib) = (false, false);
    let types = section.strings(cx, "crate-type");
    let default_type = types.as_ref().is_none_or(Vec::is_empty);
    for text in types.unwrap_or_default() {
        match text.value.as_str() {
            "staticlib" => staticlib = true,
            "cdylib" => cdylib = true,
            other => {
                let problem =
                    cx.error(text.at.span, "`crate-type` must be of \"staticlib\", \"cdylib\"");
                problem.help = match other {
                    "bin" => Some("programs are `[[bin]]`".to_owned()),
                    "dylib" | "shared" | "so" => Some("a shared library is `cdylib`".to_owned()),
                    "lib" | "rlib" | "static" => Some("a static library is `staticlib`".to_owned()),
                    _ => suggestion(other, ["staticlib", "cdylib"])
                        .map(|name| format!("did you mean `{name}`?")),
                };
            }
        }
    }
    let exports = section.string(cx, "exports");
    if let (Some(exports), false) = (&exports, cdylib) {
        let problem =
            cx.warning(exports.at.span.clone(), "`exports` has no effect without a shared library");
        problem.help = Some("add `crate-type = [\"staticlib\", \"cdylib\"]`".to_owned());
    }
    let table = LibTable {
        at: cx.at(section.span.clone()),
        sources: section.strings(cx, "sources"),
        headers: section.strings(cx, "headers"),
        public_defines: checked_strings(cx, &mut section, "public-defines", value::check_define)
            .unwrap_or_default(),
        staticlib: staticlib || default_type,
        cdylib,
        exports,
        settings: settings(cx, &mut section, None),
    };
    section.finish(cx, &[("name", "`[package]`: the library is named after the package")]);
    table
}

fn bin_table(cx: &mut Context<'_>, mut section: Section<'_, '_>) -> BinTable {
    let table = BinTable {
        at: cx.at(section.span.clone()),
        name: name(cx, &mut section, "program"),
        sources: section.strings(cx, "sources"),
        settings: settings(cx, &mut section, None),
    };
    section.finish(
        cx,
        &[
            ("headers", "`[lib]`; a program's own directories are `include`"),
            ("public-defines", "`[lib]`"),
        ],
    );
    table
}

fn dependency_table(cx: &mut Context<'_>, section: &Section<'_, '_>) -> Vec<Dependency> {
    let mut dependencies = Vec::new();
    for (span, name, value) in section.entries() {
        let help = || Some(format!("write `{} = {{ path = \"../{0}\" }}`", name.escape_debug()));
        let DeValue::Table(table) = value.get_ref() else {
            cx.wrong_type(name, "a table with a `path`", value).help = help();
            continue;
        };
        let mut inner = Section::new(format!("[dependencies.{name}]"), value.span(), table);
        match inner.get("path") {
            Some(path) => {
                if let Some(path) = string(cx, "path", path) {
                    dependencies.push(Dependency {
                        name: Text { value: name.to_owned(), at: cx.at(span) },
                        path,
                    });
                }
            }
            None => {
                cx.error(span, format!("the dependency `{}` has no `path`", name.escape_debug()))
                    .help = help()
            }
        }
        inner.finish(cx, &[]);
    }
    dependencies
}

fn generate_table(cx: &mut Context<'_>, mut section: Section<'_, '_>) -> Option<GenerateTable> {
    let run = section.strings(cx, "run");
    let inputs = section.strings(cx, "inputs").unwrap_or_default();
    let outputs = section.strings(cx, "outputs");
    let retry = section.boolean(cx, "retry").unwrap_or_default();
    let mut complete = true;
    for (key, value, help) in [
        ("run", &run, "name the command: `run = [\"sh\", \"gen.sh\"]`"),
        ("outputs", &outputs, "name what it writes: `outputs = [\"$OUT_DIR/config.h\"]`"),
    ] {
        // Of a wrong type: that has been said.
        let said = value.is_none() && section.key_span(key).is_some();
        if value.as_ref().is_none_or(Vec::is_empty) {
            complete = false;
            if !said {
                let span = section.key_span(key).unwrap_or_else(|| section.span.clone());
                cx.error(span, format!("`[[generate]]` has no `{key}`")).help =
                    Some(help.to_owned());
            }
        }
    }
    section.finish(cx, &[]);
    if let Some(program) = run.iter().flatten().next().filter(|program| program.value.is_empty()) {
        cx.error(program.at.span.clone(), "`run` begins with an empty word").help =
            Some("name a program first".to_owned());
    }
    let (run, outputs) = (run?, outputs?);
    let run = run.into_iter().map(|text| text.value).collect();
    complete.then_some(GenerateTable { run, inputs, outputs, retry })
}
