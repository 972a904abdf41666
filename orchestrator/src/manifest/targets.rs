//! One manifest and the files around it -> one crate: its library, its programs, its commands, with
//! all defaults.

use super::commands::{ResolvedCommand, outputs};
use super::libs::{check_generated, connect};
use super::model::{Bin, ConfigHeader, Crate, Generate, Lib, Sources, TargetSettings};
use super::pattern::{Glob, Pattern, SourceKind, in_out_dir, resolve, source_kind};
use super::problem::{Location, Problem, suggestion};
use super::raw::{BinTable, ConfigHeaderTable, GenerateTable, LibTable, Manifest, Settings};
use super::reader::Text;
use super::sources::Lists;
use super::value::check_name;
use super::walk::{Dirs, FileKind, WalkedPath};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;

const DEFAULT_LIB: [&str; 3] = ["src/**", "!src/main.*", "!src/bin/**"];

/// The crate of a manifest with `[package]`. None if it has no name; dependencies are filled in
/// later. `commands` are those of the manifest, `all_outputs` what commands of any crate write.
pub(super) fn resolve_crate(
    manifest: &Manifest,
    commands: &[ResolvedCommand],
    dirs: &mut Dirs,
    all_outputs: &BTreeSet<Utf8PathBuf>,
    problems: &mut Vec<Problem>,
) -> Option<Crate> {
    let package = manifest.package.as_ref()?;
    let name = package.name.as_ref()?;
    let dir = manifest.source.path.parent()?;
    let outputs = outputs(manifest, commands, problems);
    let lists = Lists { dirs, problems, outputs: &outputs, all_outputs };
    let auto = [package.autolib, package.autobins];
    let mut resolver = Resolver { dir, package: &package.shared.settings, name, auto, lists };
    let before = resolver.lists.problems.len();
    let bins = resolver.bins(&manifest.bins);
    let tests = resolver.tests(&manifest.tests);
    let libs = resolver.libs(&manifest.libs, &bins, &tests);
    let generate = resolver.generate(&manifest.generate, commands);
    let config_headers =
        manifest.config_headers.iter().map(|table| resolver.config_header(table)).collect();
    let said = resolver.lists.problems.len() > before;
    if libs.is_empty()
        && bins.is_empty()
        && manifest.libs.is_empty()
        && manifest.bins.is_empty()
        && !said
    {
        let problem = Problem::error(format!("the package `{}` has nothing to build", name.value))
            .at(name.at.clone());
        let help = match auto {
            [true, true] => {
                "put sources under `src` (`src/main.c` makes a program) or headers in `include`, or name them in `[lib]` or `[[bin]]`"
            }
            _ => "name its sources in `[lib]` or `[[bin]]`",
        };
        resolver.lists.problems.push(problem.help(help));
    }
    check_generated(dir, &libs, &bins, commands, resolver.lists.problems);
    let links = !bins.is_empty() || !tests.is_empty() || libs.iter().any(|lib| lib.cdylib);
    if let (Some(at), false) = (&package.link_args_at, links) {
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
    Some(Crate {
        name: name.value.clone(),
        version: package.shared.version.clone().unwrap_or_else(|| "0.0.0".to_owned()),
        dir: dir.to_owned(),
        manifest: manifest.source.path.to_path_buf(),
        libs,
        bins,
        default_run: package.default_run.as_ref().map(|run| run.value.clone()),
        dependencies: Vec::new(),
        generate,
        config_headers,
    })
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
    let (Some(name), Some(dir)) = (name, manifest.source.path.parent()) else { return Vec::new() };
    let autobins = manifest.package.as_ref().is_none_or(|package| package.autobins);
    // What is wrong is said when the crate is resolved.
    let (mut problems, none) = (Vec::new(), BTreeSet::new());
    let lists = Lists { dirs, problems: &mut problems, outputs: &none, all_outputs: &none };
    let auto = [false, autobins];
    let mut resolver = Resolver { dir, package: &Settings::default(), name, auto, lists };
    resolver.bins(&manifest.bins).into_iter().map(|bin| bin.name).collect()
}

struct Resolver<'a> {
    dir: &'a Utf8Path,
    name: &'a Text,
    /// Settings of `[package]`, for all targets.
    package: &'a Settings,
    /// `autolib` and `autobins`.
    auto: [bool; 2],
    lists: Lists<'a>,
}

impl Resolver<'_> {
    fn libs(&mut self, tables: &[LibTable], bins: &[Bin], tests: &[Bin]) -> Vec<Lib> {
        let tables_or_default: Vec<Option<&LibTable>> = match tables {
            [] => vec![None],
            tables => tables.iter().map(Some).collect(),
        };
        let mut libs: Vec<Lib> = tables_or_default
            .into_iter()
            .filter_map(|table| self.lib(table, bins, tests))
            .collect();
        connect(tables, &mut libs, self.lists.problems);
        libs
    }

    fn lib(&mut self, table: Option<&LibTable>, bins: &[Bin], tests: &[Bin]) -> Option<Lib> {
        let [autolib, _] = self.auto;
        if table.is_none() && !autolib {
            return None;
        }
        let named = table.and_then(|table| table.sources.as_ref());
        let sources = match named {
            Some(texts) => self.lists.sources(texts),
            // Of several libraries each has to name its own, which has been said.
            None if table.is_some_and(|table| table.in_list) => Sources::default(),
            None => self.default_lib_sources(bins.iter().chain(tests)),
        };
        let headers = match table.and_then(|table| table.headers.as_ref()) {
            Some(texts) => self.lists.directories(texts),
            None => Some(self.dir.join("include")).filter(|dir| dir.is_dir()).into_iter().collect(),
        };
        let generated = self.generates_sources(&sources.patterns, table.is_some());
        if sources.files.is_empty() && !generated {
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
        let settings = self.settings(table.map(|table| &table.settings));
        Some(Lib {
            name: table
                .and_then(|table| table.name.as_ref())
                .map_or_else(|| self.name.value.clone(), |name| name.value.clone()),
            in_list: table.is_some_and(|table| table.in_list),
            sources,
            found: named.is_none(),
            headers,
            public_defines: table.map(|table| table.public_defines.clone()).unwrap_or_default(),
            public_link_args: table.map(|table| table.public_link_args.clone()).unwrap_or_default(),
            staticlib: table.is_none_or(|table| table.staticlib),
            cdylib: table.is_some_and(|table| table.cdylib),
            exports: table
                .and_then(|table| table.exports.as_ref())
                .map(|text| self.lists.file(text)),
            uses: Vec::new(),
            settings,
        })
    }

    /// `src/**` less what belongs to programs: by its place, or because a `[[bin]]` or a `[[test]]`
    /// names it.
    fn default_lib_sources<'b>(&mut self, programs: impl Iterator<Item = &'b Bin>) -> Sources {
        let src = self.dir.join("src");
        let taken: BTreeSet<&Utf8PathBuf> =
            programs.flat_map(|program| &program.sources.files).collect();
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
        Sources { files, patterns }
    }

    /// All sources below a directory, sorted.
    fn below(&mut self, dir: &Utf8Path) -> Vec<Utf8PathBuf> {
        let glob = Glob::everything_below(dir);
        let mut files = Vec::new();
        for found in self.lists.dirs.find(&glob, FileKind::File) {
            match found {
                found if source_kind(found.path()).is_none() => {}
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
        let mut bins: Vec<Bin> = Vec::new();
        let mut places: Vec<&Location> = Vec::new();
        for table in tables {
            let Some(name) = &table.name else { continue };
            if let Some(first) = bins.iter().position(|bin| bin.name == name.value) {
                let problem = Problem::error(format!("two programs are named `{}`", name.value))
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
                        Problem::error(format!("the program `{}` has no sources", name.value));
                    let help =
                        format!("name them in `sources`, or write `src/bin/{}.c`", name.value);
                    self.lists.problems.push(problem.at(table.at.clone()).help(help));
                    Sources::default()
                }
            };
            let settings = self.settings(Some(&table.settings));
            bins.push(Bin { name: name.value.clone(), sources, settings });
            places.push(&name.at);
        }
        let named: BTreeSet<Utf8PathBuf> =
            bins.iter().flat_map(|bin| &bin.sources.files).cloned().collect();
        let is_named = |name: &str| {
            tables.iter().any(|table| table.name.as_ref().is_some_and(|text| text.value == name))
        };
        let [_, autobins] = self.auto;
        for bin in found.into_iter().filter(|_| autobins) {
            if is_named(&bin.name) || bin.sources.files.iter().any(|file| named.contains(file)) {
                continue;
            }
            if let Some(other) = bins.iter().find(|other| other.name == bin.name) {
                let (a, b) = (self.shown(&other.sources), self.shown(&bin.sources));
                let problem =
                    Problem::error(format!("`{a}` and `{b}` both make the program `{}`", bin.name));
                let help = "rename one of them, or name the program's sources in `[[bin]]`";
                self.lists
                    .problems
                    .push(problem.at(self.name.at.clone()).label("in this package").help(help));
            } else if let Err(error) = check_name("program name", &bin.name) {
                let problem =
                    Problem::error(format!("{}: `{}`", error.message, self.shown(&bin.sources)));
                let help = "rename the file, or name the program in `[[bin]]`";
                self.lists
                    .problems
                    .push(problem.at(self.name.at.clone()).label("in this package").help(help));
            } else {
                bins.push(bin);
            }
        }
        bins
    }

    /// Tests have no effect yet, but for their sources, which are not the library's.
    fn tests(&mut self, tables: &[BinTable]) -> Vec<Bin> {
        let mut tests: Vec<Bin> = Vec::new();
        for table in tables {
            let (Some(name), Some(texts)) = (&table.name, &table.sources) else { continue };
            if tests.iter().any(|test| test.name == name.value) {
                let problem = Problem::error(format!("two tests are named `{}`", name.value));
                self.lists.problems.push(problem.at(name.at.clone()).help("rename one of them"));
                continue;
            }
            let sources = self.bin_sources(table, texts);
            let settings = self.settings(Some(&table.settings));
            tests.push(Bin { name: name.value.clone(), sources, settings });
        }
        tests
    }

    fn bin_sources(&mut self, table: &BinTable, texts: &[Text]) -> Sources {
        let before = self.lists.problems.len();
        let sources = self.lists.sources(texts);
        let said = self.lists.problems.len() > before;
        if sources.files.is_empty() && !said && !self.generates_sources(&sources.patterns, false) {
            let problem = Problem::error("the program has no sources").at(table.at.clone());
            self.lists.problems.push(problem.help("name them in `sources`"));
        }
        sources
    }

    fn shown(&self, sources: &Sources) -> String {
        sources
            .files
            .first()
            .map(|file| file.strip_prefix(self.dir).unwrap_or(file).to_string())
            .unwrap_or_default()
    }

    /// `src/main.*` named after the package; each source in `src/bin`, and each directory there
    /// with all of its sources.
    fn default_bins(&mut self) -> Vec<Bin> {
        let src = self.dir.join("src");
        let settings = self.settings(None);
        let bin = |name: &str, files: Vec<Utf8PathBuf>, pattern: String| Bin {
            name: name.to_owned(),
            sources: Sources { files, patterns: vec![pattern] },
            settings: settings.clone(),
        };
        let literal = |path: &str| globset::escape(path);
        let mut bins = Vec::new();
        for entry in &self.lists.dirs.list(src.as_std_path()).entries {
            let Some(name) = entry.name() else { continue };
            let path = src.join(name);
            if entry.kind == FileKind::File && path.file_stem() == Some("main") && is_unit(&path) {
                bins.push(bin(&self.name.value, vec![path], literal(&format!("src/{name}"))));
            }
        }
        let dir = src.join("bin");
        for entry in &self.lists.dirs.list(dir.as_std_path()).entries {
            // A name that is not UTF-8 comes up when the sources below `src` are listed.
            let Some(name) = entry.name().filter(|name| !name.starts_with('.')) else { continue };
            let path = dir.join(name);
            match entry.kind {
                FileKind::File if is_unit(&path) => {
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
                number: command.table,
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
            settings: self.settings(None),
        }
    }

    /// The `inputs` of a target. What the package's list excludes may be there for another target.
    fn unit_inputs(
        &mut self,
        package: &Option<Vec<Text>>,
        target: &Option<Vec<Text>>,
    ) -> Vec<Utf8PathBuf> {
        let of_package = package.as_deref().unwrap_or_default();
        let Some(own) = target else { return self.lists.inputs(of_package, &BTreeSet::new()) };
        self.lists.joined_inputs(of_package, own)
    }

    /// The package's settings, then the target's own: lists are joined, single values replaced.
    fn settings(&mut self, target: Option<&Settings>) -> TargetSettings {
        let empty = Settings::default();
        let (package, target) = (self.package, target.unwrap_or(&empty));
        let texts = |package: &Option<Vec<Text>>, target: &Option<Vec<Text>>| -> Vec<Text> {
            package.iter().chain(target).flatten().cloned().collect()
        };
        let join = |package: &Option<Vec<String>>, target: &Option<Vec<String>>| -> Vec<String> {
            package.iter().chain(target).flatten().cloned().collect()
        };
        TargetSettings {
            include: self.lists.directories(&texts(&package.include, &target.include)),
            defines: join(&package.defines, &target.defines),
            warnings: join(&package.warnings, &target.warnings),
            flags: join(&package.flags, &target.flags),
            c_flags: join(&package.c_flags, &target.c_flags),
            cxx_flags: join(&package.cxx_flags, &target.cxx_flags),
            c_std: target.c_std.clone().or_else(|| package.c_std.clone()),
            cxx_std: target.cxx_std.clone().or_else(|| package.cxx_std.clone()),
            link: join(&package.link, &target.link),
            link_args: join(&package.link_args, &target.link_args),
            pkg_config: join(&package.pkg_config, &target.pkg_config),
            inputs: self.unit_inputs(&package.inputs, &target.inputs),
        }
    }
}

/// A file that can hold `main`: objects and archives in `src/bin` are inputs of other
/// programs.
fn is_unit(path: &Utf8Path) -> bool {
    matches!(source_kind(path), Some(SourceKind::Unit(_) | SourceKind::Nasm))
}
