//! The workspace as the manifests describe it: inheritance applied, globs expanded, paths absolute
//! and normalised.

use super::job_count::JobCount;
use super::origin::SourceOrigin;
use super::pattern::{OUT_DIR, in_out_dir, is_interface};
use super::profile::Profile;
use crate::platform::Platform;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tender_protocol::{ConfigValue, Probe};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrateId(pub u32);

#[derive(Clone, Debug)]
pub struct Workspace {
    /// Directory of the root manifest, absolute.
    pub root: Utf8PathBuf,
    pub manifest: Utf8PathBuf,
    /// Sorted by name; indexed by `CrateId`. Includes crates outside the members that path
    /// dependencies reach.
    pub crates: Vec<Crate>,
    /// Crates that differ where they are built for the build: in platform, features or
    /// dependencies.
    pub host_crates: BTreeMap<CrateId, Crate>,
    /// The tests, examples and benchmarks of crates, as crates of their own, which depend on the
    /// crate that they belong to. Of crates that have any.
    pub dev_crates: BTreeMap<CrateId, Crate>,
    /// What a command without `-p` builds: the root package if there is one, else every member.
    pub default_members: Vec<CrateId>,
    pub members: Vec<CrateId>,
    /// Files that `[patch]` names: patches and manifests.
    pub files_for_sources: Vec<Utf8PathBuf>,
    pub build: BuildSettings,
    /// Every profile by name, `dev` and `release` included, inheritance applied.
    pub profiles: BTreeMap<String, Profile>,
    /// The platform to build for, if it is named.
    pub target: Option<TargetPlatform>,
    /// Conditions ask what probes find, and the workspace was read without the answers: they all
    /// seem to hold.
    pub awaits_probes: bool,
}

/// A platform to build for, and what it takes.
#[derive(Clone, Debug)]
pub struct TargetPlatform {
    pub platform: Platform,
    /// The program that links: a name to be found in PATH, or an absolute path.
    pub linker: Option<String>,
    /// Absolute.
    pub sysroot: Option<Utf8PathBuf>,
    /// The program, and its words, that runs programs of the platform here.
    pub runner: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct BuildSettings {
    pub jobs: Option<JobCount>,
    pub memory: Option<MemorySetting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum MemorySetting {
    Bytes(u64),
    /// Of the smallest limit found, more than 0 and at most 100.
    Percent(f64),
    /// The build is bounded by its jobs alone.
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptLevel {
    O0,
    O1,
    O2,
    O3,
    Os,
    Oz,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugInfo {
    None,
    LineTablesOnly,
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lto {
    Off,
    ThinLocal,
    Thin,
    Fat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translate {
    Parallel,
    Serial,
}

/// Whether headers that several units of C++ include first are parsed once for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareHeaders {
    Off,
    Auto,
    /// As `Auto`, and each unit is also compiled without, and compared.
    Verify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sanitizer {
    Address,
    Undefined,
    Thread,
    Memory,
    Leak,
}

/// What a link leaves out of its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strip {
    Nothing,
    DebugInfo,
    Symbols,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitDebugInfo {
    /// Debug information is in the objects, and is linked.
    Off,
    /// It is in a `.dwo` file beside each object.
    Unpacked,
}

/// The program behind the link driver that links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linker {
    /// lld, of the LLVM that `tender` is built for.
    Lld,
    /// `ld.NAME` in PATH.
    Named(String),
    /// Absolute.
    Path(Utf8PathBuf),
}

impl Linker {
    /// As the command of a link has it, to name it when it changes.
    pub fn word(&self) -> String {
        match self {
            Linker::Lld => "linker=lld".to_owned(),
            Linker::Named(name) => format!("linker={name}"),
            Linker::Path(path) => format!("linker={path}"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Crate {
    pub name: String,
    pub version: String,
    /// Absolute.
    pub dir: Utf8PathBuf,
    pub manifest: Utf8PathBuf,
    /// In declaration order.
    pub libs: Vec<Lib>,
    pub bins: Vec<Bin>,
    /// The program that is run if none is chosen.
    pub default_run: Option<String>,
    /// Whether its C++20 units are scanned for named modules; None: if it has or sees one.
    pub scan_modules: Option<bool>,
    /// In declaration order, those of `[dependencies]` alone: commands name the crates whose
    /// programs they run.
    pub dependencies: Vec<Dependency>,
    pub generate: Vec<Generate>,
    pub config_headers: Vec<ConfigHeader>,
    /// Programs that this build does not have.
    pub left_out: Vec<LeftOut>,
    pub about: PackageAbout,
    pub install: InstallSettings,
    /// All dependencies of the manifest.
    pub declared: Vec<DeclaredDependency>,
    /// Its features, and whether it has them in this build.
    pub features: BTreeMap<String, bool>,
    /// Where it was fetched from; None: it is the user's own.
    pub source: Option<Rc<CrateSource>>,
    /// Files that its manifest names for the sources of dependencies: patches and manifests.
    pub files_for_sources: Vec<Utf8PathBuf>,
}

/// Where a crate was fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrateSource {
    pub origin: SourceOrigin,
    /// Of git: the commit.
    pub commit: Option<String>,
    /// The directory of all that was fetched. Absolute.
    pub dir: Utf8PathBuf,
}

/// A dependency as the manifest declares it, whether the build uses it or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredDependency {
    pub krate: CrateId,
    /// The key in the manifest.
    pub name: String,
    pub kind: DependencyKind,
    /// The versions that will do.
    pub version: Option<String>,
    pub optional: bool,
    pub features: Vec<String>,
    pub default_features: bool,
    /// The conditions and features of the build want it.
    pub used: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DependencyKind {
    /// Its library is linked.
    Normal,
    /// Its programs run in the build.
    Build,
    /// For tests, examples and benchmarks.
    Dev,
}

impl DependencyKind {
    pub const ALL: [(&'static str, DependencyKind); 3] = [
        ("dependencies", DependencyKind::Normal),
        ("build-dependencies", DependencyKind::Build),
        ("dev-dependencies", DependencyKind::Dev),
    ];

    /// As `tender tree` and `tender metadata` name it.
    pub fn name(self) -> &'static str {
        match self {
            DependencyKind::Normal => "normal",
            DependencyKind::Build => "build",
            DependencyKind::Dev => "dev",
        }
    }
}

/// What a crate says of itself to people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageAbout {
    pub description: Option<String>,
    pub homepage: Option<String>,
    pub license: Option<String>,
}

/// What of a crate is installed, where the manifest says so: `[install]`. None: the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstallSettings {
    /// The public headers.
    pub headers: Option<Vec<InstallSource>>,
    /// Of headers, below the prefix.
    pub include_dir: Option<String>,
    /// Of plugins, below the prefix.
    pub plugin_dir: Option<String>,
    /// Names of programs and of libraries.
    pub programs: Option<Vec<String>>,
    pub libraries: Option<Vec<String>>,
    pub man: Option<Vec<Utf8PathBuf>>,
    /// By the directory below the prefix.
    pub data: Vec<(String, Vec<InstallSource>)>,
}

/// A file to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallSource {
    /// Absolute, or beginning with `$OUT_DIR`.
    pub path: Utf8PathBuf,
    /// Where it goes, in the directory that it is for.
    pub below: Utf8PathBuf,
}

/// A program that is left out, because the crate does not have these features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub program: String,
    pub features: Vec<String>,
}

/// An edge from a crate to one of its `[dependencies]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    pub krate: CrateId,
    /// The key in the manifest.
    pub name: String,
    /// What the other crate shows is shown to dependents of this one too: headers, public defines,
    /// public words of links.
    pub public: bool,
    /// Nothing of the other crate is linked or waited for, apart from headers that it generates.
    pub headers_only: bool,
    /// The libraries that are used, by their places; None: all that are no plugins.
    pub libs: Option<Vec<usize>>,
    /// Links take all objects of the archives, whether they are used or not.
    pub whole_archive: bool,
    /// Whether headers of the other crate are headers of the system. None: if it lies outside the
    /// workspace.
    pub system: Option<bool>,
}

/// What may stand in `[package]`, `[lib]` or `[[bin]]`; here already merged: package first, then
/// the target's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetSettings {
    /// Absolute; or beginning with `$OUT_DIR`, not yet replaced.
    pub include: Vec<Utf8PathBuf>,
    pub defines: Vec<String>,
    /// As after `-W`.
    pub warnings: Vec<String>,
    /// For units of every language, then for those of C, then for those of C++.
    pub flags: Vec<String>,
    pub c_flags: Vec<String>,
    pub cxx_flags: Vec<String>,
    pub c_std: Option<String>,
    pub cxx_std: Option<String>,
    /// System libraries, without `-l`.
    pub link: Vec<String>,
    pub link_args: Vec<String>,
    /// e.g. `openssl >= 3`.
    pub pkg_config: Vec<String>,
    /// What its units read beside what the compiler tells. Absolute, or beginning with `$OUT_DIR`;
    /// globs expanded, sorted.
    pub inputs: Vec<Utf8PathBuf>,
    /// Headers that each unit includes first, and that are parsed once: as after `#include "`, or with
    /// angle brackets.
    pub precompiled_headers: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Lib {
    /// Of the package, unless the manifest names the library.
    pub name: String,
    /// It stands in `[[lib]]`, where there may be others.
    pub in_list: bool,
    pub sources: Sources,
    /// The sources were found in `src`: the manifest names none.
    pub found: bool,
    /// Public include directories, absolute; or beginning with `$OUT_DIR`, not yet replaced.
    pub headers: Vec<Utf8PathBuf>,
    /// The named modules that dependents may import; None: all of the library.
    pub modules: Option<Vec<String>>,
    pub public_defines: Vec<String>,
    /// Words for its own link and for the links of all that depend on it.
    pub public_link_args: Vec<String>,
    pub staticlib: bool,
    pub cdylib: bool,
    /// It has no file: all of its objects are linked into the programs and shared libraries that use
    /// it.
    pub object: bool,
    /// Version script of the shared library, absolute.
    pub exports: Option<Utf8PathBuf>,
    /// It is a plugin: its shared form is at this path below the directory of outputs, and nothing
    /// is linked with it.
    pub output: Option<String>,
    /// The name by which programs find the shared library when they start, if the manifest has it.
    pub soname: Option<String>,
    /// In the file name of the shared library.
    pub version: Option<String>,
    /// Other libraries of the crate that it is linked with, by their places.
    pub uses: Vec<usize>,
    pub settings: TargetSettings,
}

#[derive(Clone, Debug)]
pub struct Bin {
    pub name: String,
    pub kind: ProgramKind,
    pub sources: Sources,
    pub settings: TargetSettings,
    pub launch: Launch,
}

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProgramKind {
    /// For users.
    Bin,
    Test,
    Example,
    Bench,
}

impl ProgramKind {
    pub const ALL: [ProgramKind; 4] =
        [ProgramKind::Bin, ProgramKind::Test, ProgramKind::Example, ProgramKind::Bench];

    /// In keys of items, in messages, and cargo's `kind` of a target.
    pub fn word(self) -> &'static str {
        match self {
            ProgramKind::Bin => "bin",
            ProgramKind::Test => "test",
            ProgramKind::Example => "example",
            ProgramKind::Bench => "bench",
        }
    }

    /// In messages, before a name.
    pub fn noun(self) -> &'static str {
        match self {
            ProgramKind::Bin => "program",
            ProgramKind::Test => "test",
            ProgramKind::Example => "example",
            ProgramKind::Bench => "benchmark",
        }
    }
}

/// How `tender test` and `tender bench` run a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    pub args: Vec<String>,
    /// Variables of its environment.
    pub env: Vec<(String, String)>,
    /// Absolute; None: the crate's directory.
    pub cwd: Option<Utf8PathBuf>,
    /// It is killed when it has run for so long.
    pub timeout: Option<Duration>,
    /// A note says that it is slow when it has run for so long.
    pub slow_after: Option<Duration>,
    /// None: found by what the program links.
    pub harness: Option<Harness>,
    /// What it starts shares the job slots, as clients of the jobserver.
    pub jobserver: bool,
    /// Tests that have one in common do not run at the same time.
    pub locks: Vec<String>,
}

/// How a test program tells its cases, and which have failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Harness {
    /// The program is one test, and its exit code is the result.
    ExitCode,
    /// GoogleTest.
    Gtest,
    Catch2,
    Doctest,
    /// The program is one test, and its output is in the Test Anything Protocol.
    Tap,
}

/// A target's sources: the files found, and the patterns, because `[[generate]]` outputs may match
/// them too.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Absolute, sorted, each once. What `[[generate]]` writes is never among them, even if it is
    /// there from an earlier build.
    pub files: Vec<Utf8PathBuf>,
    /// The same of files that rules turn into sources; or beginning with `$OUT_DIR`.
    pub ruled: Vec<Utf8PathBuf>,
    /// As written in the manifest, relative to the crate's directory, `!` excludes.
    pub patterns: Vec<String>,
}

impl Sources {
    /// Those that are compiled or linked as they are, then those of rules.
    pub fn all(&self) -> impl Iterator<Item = &Utf8PathBuf> {
        self.files.iter().chain(&self.ruled)
    }
}

/// A command of `[[generate]]` or `[[rule]]`: one for each file of `for-each`, or for each source of
/// the rule.
#[derive(Clone, Debug, Default)]
pub struct Generate {
    /// The place of its table among those of its kind in the manifest, from 0.
    pub number: usize,
    /// It is one of a rule: the sources that it writes belong to the targets that name its input.
    pub is_rule: bool,
    /// What messages call it.
    pub name: Option<String>,
    /// The file of `for-each` or of the rule: absolute, or beginning with `$OUT_DIR`.
    pub each: Option<Utf8PathBuf>,
    pub run: Vec<CommandWord>,
    /// The crate whose program the first word names.
    pub tool: Option<CrateId>,
    /// Variables of its environment.
    pub env: Vec<(String, CommandWord)>,
    /// Absolute, or beginning with `$OUT_DIR` (what another command writes); globs expanded,
    /// sorted. `each` is among them.
    pub inputs: Vec<Utf8PathBuf>,
    /// As written, placeholders filled: `$OUT_DIR` not yet replaced (it depends on the profile).
    pub outputs: Vec<String>,
    /// As the outputs.
    pub depfile: Option<String>,
    /// It may run again if it was killed for memory.
    pub retry: bool,
}

/// A word of a command, in which the directory of generated files may stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandWord {
    /// The directory stands between each two of them.
    pieces: Vec<String>,
}

impl CommandWord {
    /// Adds text as it is.
    pub fn push(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(last) => last.push_str(text),
            None => self.pieces.push(text.to_owned()),
        }
    }

    /// Adds the directory of generated files.
    pub fn push_out_dir(&mut self) {
        self.push("");
        self.pieces.push(String::new());
    }

    /// Adds a path that may begin with `$OUT_DIR`.
    pub fn push_path(&mut self, path: &str) {
        match path.strip_prefix(OUT_DIR).filter(|_| in_out_dir(path)) {
            Some(rest) => {
                self.push_out_dir();
                self.push(rest);
            }
            None => self.push(path),
        }
    }

    /// The word, with `dir` for the directory.
    pub fn with_out_dir(&self, dir: &str) -> String {
        self.pieces.join(dir)
    }

    /// The word, with `$OUT_DIR` for the directory.
    pub fn text(&self) -> String {
        self.with_out_dir(OUT_DIR)
    }
}

impl From<&str> for CommandWord {
    /// A word without the directory.
    fn from(text: &str) -> CommandWord {
        CommandWord { pieces: vec![text.to_owned()] }
    }
}

/// A header that tells sources what the system has.
#[derive(Clone, Debug)]
pub struct ConfigHeader {
    /// Absolute, or beginning with `$OUT_DIR` (what a command writes).
    pub template: Option<Utf8PathBuf>,
    /// The path of the header below `$OUT_DIR`.
    pub header: String,
    /// Dependents can include it.
    pub public: bool,
    pub probes: Vec<Probe>,
    pub values: Vec<(String, ConfigValue)>,
    /// How its probes are compiled: those of the package.
    pub settings: TargetSettings,
}

impl Crate {
    /// Whether it may declare named modules, by what its manifest and the names of its sources say.
    pub fn has_modules(&self) -> bool {
        let declares = |path: &Utf8PathBuf| is_interface(path);
        let sources = || self.libs.iter().map(|lib| &lib.sources);
        let sources = || sources().chain(self.bins.iter().map(|bin| &bin.sources));
        let written = || self.generate.iter().flat_map(|command| &command.outputs);
        self.scan_modules.unwrap_or_else(|| {
            self.libs.iter().any(|lib| lib.modules.is_some())
                || sources().flat_map(|sources| &sources.files).any(declares)
                || written().any(|path| is_interface(Utf8Path::new(path)))
        })
    }

    /// The libraries that dependents and the crate's own programs get unless they choose others, by
    /// their places.
    pub fn default_libs(&self) -> Vec<usize> {
        (0..self.libs.len()).filter(|lib| !self.libs[*lib].is_plugin()).collect()
    }
}

impl Lib {
    /// `kind` alone if it is the only library of its crate, else with its name: for keys.
    pub fn target_name(&self, kind: &str) -> String {
        if self.in_list { format!("{kind} {}", self.name) } else { kind.to_owned() }
    }

    /// The same for names of directories.
    pub fn directory(&self, kind: &str) -> String {
        if self.in_list { format!("{kind}-{}", self.name) } else { kind.to_owned() }
    }

    /// The file name of its static form.
    pub fn archive_file(&self) -> String {
        format!("lib{}.a", self.name)
    }

    /// The file of its shared form, below the directory of outputs.
    pub fn shared_file(&self) -> String {
        match (&self.output, &self.version) {
            (Some(output), _) => output.clone(),
            (None, Some(version)) => format!("lib{}.so.{version}", self.name),
            (None, None) => format!("lib{}.so", self.name),
        }
    }

    /// The name by which programs find its shared form when they start. A plugin has none.
    pub fn shared_name(&self) -> Option<String> {
        if self.is_plugin() {
            return None;
        }
        Some(match (&self.soname, &self.version) {
            (Some(soname), _) => soname.clone(),
            (None, Some(version)) => {
                let major = version.split('.').next().unwrap_or_default();
                format!("lib{}.so.{major}", self.name)
            }
            (None, None) => format!("lib{}.so", self.name),
        })
    }

    /// Names of links to its shared form, which lie beside it: for programs that start, and for
    /// linkers of others, which look for `lib<name>.so`.
    pub fn shared_links(&self) -> Vec<String> {
        let Some(soname) = self.shared_name() else { return Vec::new() };
        let mut links = vec![soname, format!("lib{}.so", self.name)];
        links.dedup();
        links.retain(|link| *link != self.shared_file());
        links
    }

    pub fn is_plugin(&self) -> bool {
        self.output.is_some()
    }

    /// Whether links take its shared form: it has no other.
    pub fn is_linked_shared(&self) -> bool {
        self.cdylib && !self.staticlib
    }
}

impl Dependency {
    /// As `name = { path = "..." }` has it.
    pub fn on(krate: CrateId, name: &str) -> Dependency {
        Dependency {
            krate,
            name: name.to_owned(),
            public: true,
            headers_only: false,
            libs: None,
            whole_archive: false,
            system: None,
        }
    }
}

impl Workspace {
    /// The crate whose directory `dir` is or lies in, the innermost if there are several; None
    /// beside all crates, as in the root of a workspace without a root package.
    pub fn crate_of(&self, dir: &Utf8Path) -> Option<CrateId> {
        let inside =
            self.crates.iter().enumerate().filter(|(_, krate)| dir.starts_with(&krate.dir));
        inside.max_by_key(|(_, krate)| krate.dir.as_str().len()).map(|(id, _)| CrateId(id as u32))
    }

    /// The crate as it is built for the build.
    pub fn host_crate(&self, id: CrateId) -> &Crate {
        self.host_crates.get(&id).unwrap_or(&self[id])
    }

    /// The tests, examples and benchmarks of a crate, of this kind.
    pub fn dev_programs(&self, id: CrateId, kind: ProgramKind) -> impl Iterator<Item = &Bin> {
        let bins = self.dev_crates.get(&id).into_iter().flat_map(|krate| &krate.bins);
        bins.filter(move |bin| bin.kind == kind)
    }

    pub fn crate_named(&self, name: &str) -> Option<CrateId> {
        self.crates
            .binary_search_by(|krate| krate.name.as_str().cmp(name))
            .ok()
            .map(|id| CrateId(id as u32))
    }
}

impl std::ops::Index<CrateId> for Workspace {
    type Output = Crate;

    fn index(&self, id: CrateId) -> &Crate {
        &self.crates[id.0 as usize]
    }
}
