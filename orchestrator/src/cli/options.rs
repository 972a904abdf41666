//! The command line, as clap sees it. Only its shape: what options mean is decided where they are
//! used.

use super::examples;
use crate::manifest::{JobCount, MemorySetting, parse_duration, parse_memory};
use crate::platform::Platform;
use crate::test_runner::Partition;
use camino::Utf8PathBuf;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::Duration;

static VERSION: LazyLock<String> = LazyLock::new(|| {
    format!("{} (LLVM {})", env!("CARGO_PKG_VERSION"), tender_protocol::LLVM_MAJOR)
});

/// Builds workspaces of C, C++ and LLVM IR crates
#[derive(Debug, Parser)]
#[command(name = "tender", version = VERSION.as_str(), max_term_width = 100)]
pub struct Options {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: CliCommand,
}

impl Options {
    /// The options of these arguments, the first of which is the program.
    ///
    /// clap makes the options of all commands to parse those of one, which is an eighth of a build
    /// that has nothing to do. So `build` is tried alone; errors and help come from all commands.
    ///
    /// # Errors
    /// Those of clap, which also stand for help and the version.
    pub fn of(arguments: &[OsString]) -> Result<Options, clap::Error> {
        if arguments.iter().any(|word| word == "build" || word == "b")
            && let Ok(BuildAlone { common, command: BuildCommand::Build(options) }) =
                BuildAlone::try_parse_from(arguments)
        {
            return Ok(Options { common, command: CliCommand::Build(options) });
        }
        Options::try_parse_from(arguments)
    }
}

#[derive(Debug, Parser)]
#[command(name = "tender")]
struct BuildAlone {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: BuildCommand,
}

#[derive(Debug, Subcommand)]
enum BuildCommand {
    #[command(alias = "b")]
    Build(TargetsOptions),
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Show why each unit is rebuilt, and its command; twice: also phases, memory and waits
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Show only warnings and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN")]
    pub color: Option<Color>,
    /// Change to this directory first
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub directory: Option<Utf8PathBuf>,
    /// Change a setting, or a profile: `build.jobs=2`, `profile.dev.opt-level=1`, or a file (may be
    /// repeated)
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub config: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Compile and link
    #[command(visible_alias = "b", after_help = examples::BUILD)]
    Build(TargetsOptions),
    /// Find errors, without writing objects or programs
    #[command(visible_alias = "c", after_help = examples::CHECK)]
    Check(TargetsOptions),
    /// Build a program and run it
    #[command(visible_alias = "r", after_help = examples::RUN)]
    Run(RunOptions),
    /// Build tests and run them
    #[command(visible_alias = "t", after_help = examples::TEST)]
    Test(TestOptions),
    /// Build benchmarks, optimised, and run them one at a time
    #[command(after_help = examples::BENCH)]
    Bench(BenchOptions),
    /// Format sources by clang-format
    #[command(after_help = examples::FMT)]
    Fmt(FmtOptions),
    /// Find what clang-tidy finds
    #[command(after_help = examples::TIDY)]
    Tidy(TidyOptions),
    /// Remove what was built
    #[command(after_help = examples::CLEAN)]
    Clean(CleanOptions),
    /// Make a crate in a new directory
    #[command(after_help = examples::NEW)]
    New(NewOptions),
    /// Make a crate of an existing directory and its sources
    #[command(after_help = examples::INIT)]
    Init(InitOptions),
    /// Run a command, such as make, ninja or cargo, whose jobs share one pool
    #[command(after_help = examples::EXEC)]
    Exec(ExecOptions),
    /// Print the JSON schema of `Tender.toml`, for editors
    #[command(after_help = examples::SCHEMA)]
    Schema,
    /// Show what depends on what
    #[command(after_help = examples::TREE)]
    Tree(TreeOptions),
    /// Say why a crate, a file or a program is built or up to date
    #[command(after_help = examples::EXPLAIN)]
    Explain(ExplainOptions),
    /// Describe the workspace as JSON, for programs
    #[command(after_help = examples::METADATA)]
    Metadata(MetadataOptions),
    /// Add a dependency to the manifest
    #[command(after_help = examples::ADD)]
    Add(AddOptions),
    /// Remove dependencies from the manifest
    #[command(visible_alias = "rm", after_help = examples::REMOVE)]
    Remove(RemoveOptions),
    /// Fetch the sources of all dependencies, and restore those that were edited
    #[command(after_help = examples::FETCH)]
    Fetch(FetchOptions),
    /// Choose the commits of git dependencies again
    #[command(after_help = examples::UPDATE)]
    Update(UpdateOptions),
    /// Copy the sources of all dependencies into the workspace
    #[command(after_help = examples::VENDOR)]
    Vendor(FetchOptions),
    /// Make a source archive of a crate
    #[command(after_help = examples::PACKAGE)]
    Package(PackageOptions),
    /// Install programs, libraries and headers
    #[command(after_help = examples::INSTALL)]
    Install(InstallOptions),
    /// Remove what was installed
    #[command(after_help = examples::UNINSTALL)]
    Uninstall(UninstallOptions),
    /// Print what a shell needs to complete commands and options
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages
    #[command(hide = true, after_help = examples::MAN_PAGES)]
    ManPages {
        /// The directory that they go to
        #[arg(value_name = "DIR")]
        pages: Utf8PathBuf,
    },
    /// List all commands
    #[command(long_flag = "list", after_help = examples::LIST)]
    List,
    /// A program `tender-NAME` in `PATH`, with its arguments
    #[command(external_subcommand)]
    External(Vec<OsString>),
}

impl CliCommand {
    /// Whether settings of users count. Others only print what does not depend on them, or are
    /// programs that read settings themselves.
    pub fn reads_config(&self) -> bool {
        !matches!(
            self,
            Self::Schema
                | Self::Completions { .. }
                | Self::ManPages { .. }
                | Self::List
                | Self::External(_)
        )
    }

    /// Whether a build with nothing to do may be known by a certificate.
    pub fn may_have_certificate(&self) -> bool {
        match self {
            Self::Build(options) | Self::Check(options) => !options.watch,
            Self::Run(options) => !options.watch,
            Self::Test(options) => !options.watch,
            Self::Bench(_) => true,
            _ => false,
        }
    }

    /// Whether it does nothing below `make -n`.
    pub fn does_work(&self) -> bool {
        matches!(
            self,
            Self::Build(_)
                | Self::Check(_)
                | Self::Run(_)
                | Self::Test(_)
                | Self::Bench(_)
                | Self::Fmt(_)
                | Self::Tidy(_)
                | Self::Clean(_)
                | Self::Exec(_)
                | Self::Install(_)
                | Self::Uninstall(_)
        )
    }
}

/// In clap a heading applies to all later options, also after a flattened group, so options after a
/// group name theirs.
const HOW: &str = "How to build";

/// Which crates.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which crates")]
pub struct Selection {
    /// Only this crate and what it depends on (may be repeated)
    #[arg(short, long = "package", value_name = "NAME")]
    pub package: Vec<String>,
    /// All crates of the workspace
    #[arg(long, conflicts_with = "package")]
    pub workspace: bool,
}

/// The profile, and paths.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Profile and places")]
pub struct PlaceOptions {
    /// Optimise: the profile `release`
    #[arg(short, long, conflicts_with = "profile")]
    pub release: bool,
    /// Use this profile (else `dev`)
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Build for this platform, such as `aarch64-linux-gnu` (else for this one)
    #[arg(long, value_name = "TRIPLE", value_parser = platform)]
    pub target: Option<Platform>,
    /// Directory of all outputs (else `target` beside the root manifest)
    #[arg(long, value_name = "DIR")]
    pub target_dir: Option<Utf8PathBuf>,
    /// Path of the manifest (else the nearest `Tender.toml`, here or above)
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub network: NetworkOptions,
}

/// What may be done for sources from elsewhere.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Sources from elsewhere")]
pub struct NetworkOptions {
    /// Fail if `Tender.lock` would change
    #[arg(long)]
    pub locked: bool,
    /// Fetch nothing
    #[arg(long)]
    pub offline: bool,
    /// `--locked` and `--offline`
    #[arg(long)]
    pub frozen: bool,
}

/// Which features of the chosen crates.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Features")]
pub struct FeatureArgs {
    /// Enable these features of the chosen crates: `loud`, `zip/loud` (may be repeated)
    #[arg(short = 'F', long, value_name = "FEATURES", value_delimiter = ',')]
    pub features: Vec<String>,
    /// Enable all features of the chosen crates
    #[arg(long)]
    pub all_features: bool,
    /// Do not enable the feature `default` of the chosen crates
    #[arg(long)]
    pub no_default_features: bool,
}

/// Of `build` and `check`.
#[derive(Clone, Debug, Args)]
pub struct TargetsOptions {
    #[command(flatten)]
    pub build: BuildOptions,
    #[command(flatten)]
    pub targets: TargetSelection,
    /// Stay, and build again when files change
    #[arg(long, help_heading = HOW)]
    pub watch: bool,
}

/// Which targets of the crates; none chosen: all.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which targets")]
pub struct TargetSelection {
    /// Only the libraries
    #[arg(long)]
    pub lib: bool,
    /// Only the programs
    #[arg(long)]
    pub bins: bool,
    /// Only this program (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub bin: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct BuildOptions {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub features: FeatureArgs,
    #[command(flatten)]
    pub place: PlaceOptions,
    /// Jobs to run at once (else as many as cores); -1: one less than the cores
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, help_heading = HOW)]
    pub jobs: Option<JobCount>,
    /// Memory budget, such as 75%, 8G or 8Gi; `off`: as many jobs as slots, however much memory
    /// they take
    #[arg(long, value_name = "SIZE", value_parser = memory, help_heading = HOW)]
    pub memory: Option<MemorySetting>,
    /// After an error, build everything that does not depend on it
    #[arg(long, help_heading = HOW)]
    pub keep_going: bool,
    /// `json`: messages for programs, on standard output
    #[arg(long, value_name = "FORMAT", default_value = "human", hide_default_value = true, help_heading = HOW)]
    pub message_format: MessageFormat,
    /// Write an HTML page that shows how the time was spent
    #[arg(long, help_heading = HOW)]
    pub timings: bool,
    /// Write a Chrome trace of the build, for ui.perfetto.dev
    #[arg(long, value_name = "FILE", help_heading = HOW)]
    pub trace: Option<Utf8PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    Human,
    Json,
}

#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    #[command(flatten)]
    pub build: BuildOptions,
    /// The program to run, where there are several
    #[arg(long, value_name = "NAME", help_heading = "Which crates")]
    pub bin: Option<String>,
    /// Run this example
    #[arg(long, value_name = "NAME", help_heading = "Which crates", conflicts_with = "bin")]
    pub example: Option<String>,
    /// Stay, and build and start it again when files change
    #[arg(long, help_heading = HOW)]
    pub watch: bool,
    /// Its arguments, after `--` where they look like options
    #[arg(trailing_var_arg = true, value_name = "ARGS")]
    pub args: Vec<OsString>,
}

/// Of commands that read manifests and build nothing.
#[derive(Clone, Debug, Default, Args)]
pub struct ReadOptions {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub features: FeatureArgs,
    /// As it is built for this platform (else for this one)
    #[arg(long, value_name = "TRIPLE", value_parser = platform, help_heading = "Profile and places")]
    pub target: Option<Platform>,
    /// Path of the manifest (else the nearest `Tender.toml`, here or above)
    #[arg(long, value_name = "PATH", help_heading = "Profile and places")]
    pub manifest_path: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub network: NetworkOptions,
}

#[derive(Clone, Debug, Args)]
pub struct TreeOptions {
    #[command(flatten)]
    pub read: ReadOptions,
    /// Show what depends on this crate (may be repeated)
    #[arg(short, long, value_name = "NAME", help_heading = "What to show")]
    pub invert: Vec<String>,
    /// Kinds of dependencies (else `normal`, `build` and `dev`), and `features`: those that crates
    /// have
    #[arg(short, long, value_name = "KINDS", value_delimiter = ',', help_heading = "What to show")]
    pub edges: Vec<TreeEdge>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TreeEdge {
    Normal,
    Build,
    Dev,
    Features,
}

#[derive(Clone, Debug, Args)]
pub struct ExplainOptions {
    /// Crates by name, files, and what is built: its path, or its name
    #[arg(value_name = "WHAT", required = true)]
    pub subjects: Vec<String>,
    #[command(flatten)]
    pub features: FeatureArgs,
    #[command(flatten)]
    pub place: PlaceOptions,
    /// `json`: messages for programs
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "human",
        hide_default_value = true,
        help_heading = "What to show"
    )]
    pub message_format: MessageFormat,
}

#[derive(Clone, Debug, Args)]
pub struct MetadataOptions {
    #[command(flatten)]
    pub read: ReadOptions,
    /// Version of the format: 1
    #[arg(long, value_name = "VERSION", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1))]
    pub format_version: u32,
}

/// Which dependencies of a manifest.
#[derive(Clone, Copy, Debug, Args)]
pub struct DependencyArgs {
    /// Of programs that run in the build
    #[arg(long, conflicts_with = "dev")]
    pub build: bool,
    /// Of tests
    #[arg(long)]
    pub dev: bool,
}

/// Where sources from elsewhere are.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Sources from elsewhere")]
pub struct SourceArgs {
    /// A git repository that has the crate
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    pub git: Option<String>,
    /// Of the repository: a branch
    #[arg(long, value_name = "NAME", requires = "git", conflicts_with_all = ["tag", "rev"])]
    pub branch: Option<String>,
    /// Of the repository: a tag
    #[arg(long, value_name = "NAME", requires = "git", conflicts_with = "rev")]
    pub tag: Option<String>,
    /// Of the repository: a commit
    #[arg(long, value_name = "COMMIT", requires = "git")]
    pub rev: Option<String>,
    /// An archive that has the crate
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Of the archive: its checksum (else that of what is downloaded now)
    #[arg(long, value_name = "DIGITS", requires = "url")]
    pub sha256: Option<String>,
    /// Of the archive: the directory that has the sources
    #[arg(long, value_name = "DIR", requires = "url")]
    pub strip_prefix: Option<String>,
    /// A manifest for sources that have none
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<Utf8PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct AddOptions {
    /// A crate of the workspace by its name, or the directory of any crate; with `--git` or `--url` the
    /// name of the crate there
    #[arg(value_name = "CRATE")]
    pub dependency: String,
    #[command(flatten)]
    pub kind: DependencyArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    /// The crate that gets the dependency (else that of the current directory)
    #[arg(short, long, value_name = "NAME")]
    pub package: Option<String>,
    /// Another name for it, in this manifest alone
    #[arg(long, value_name = "NAME")]
    pub rename: Option<String>,
    /// The versions that will do, such as `1.2`
    #[arg(long = "req", value_name = "VERSIONS")]
    pub requirement: Option<String>,
    /// Features of it (may be repeated)
    #[arg(short = 'F', long, value_name = "FEATURES", value_delimiter = ',')]
    pub features: Vec<String>,
    /// Without its feature `default`
    #[arg(long)]
    pub no_default_features: bool,
    /// Only if a feature enables it
    #[arg(long)]
    pub optional: bool,
    /// Dependents of the crate do not see its headers
    #[arg(long)]
    pub private: bool,
}

#[derive(Clone, Debug, Args)]
pub struct RemoveOptions {
    /// Their names in the manifest
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub kind: DependencyArgs,
    /// The crate that loses them (else that of the current directory)
    #[arg(short, long, value_name = "NAME")]
    pub package: Option<String>,
}

/// Of commands that fetch sources.
#[derive(Clone, Debug, Args)]
pub struct FetchOptions {
    /// Directory of all outputs, which has the unpacked sources (else `target` beside the root manifest)
    #[arg(long, value_name = "DIR")]
    pub target_dir: Option<Utf8PathBuf>,
    /// Path of the manifest (else the nearest `Tender.toml`, here or above)
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<Utf8PathBuf>,
    /// `json`: messages for programs, on standard output
    #[arg(long, value_name = "FORMAT", default_value = "human", hide_default_value = true)]
    pub message_format: MessageFormat,
    #[command(flatten)]
    pub network: NetworkOptions,
}

#[derive(Clone, Debug, Args)]
pub struct UpdateOptions {
    /// Only the source of this crate (may be repeated)
    #[arg(short, long, value_name = "NAME")]
    pub package: Vec<String>,
    #[command(flatten)]
    pub fetch: FetchOptions,
}

#[derive(Clone, Debug, Args)]
pub struct PackageOptions {
    #[command(flatten)]
    pub selection: Selection,
    /// Print the names of the files, and write nothing
    #[arg(long)]
    pub list: bool,
    /// Directory of all outputs; archives go to `package` there (else `target` beside the root manifest)
    #[arg(long, value_name = "DIR")]
    pub target_dir: Option<Utf8PathBuf>,
    /// Path of the manifest (else the nearest `Tender.toml`, here or above)
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<Utf8PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct InstallOptions {
    #[command(flatten)]
    pub build: BuildOptions,
    #[command(flatten)]
    pub to: PrefixOptions,
    /// Directory of libraries, below the prefix
    #[arg(long, value_name = "DIR", default_value = "lib", help_heading = WHERE)]
    pub libdir: Utf8PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct UninstallOptions {
    /// The crates to remove (else that of the current directory)
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub to: PrefixOptions,
}

const WHERE: &str = "Where to install";

/// Where things are installed.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = WHERE)]
pub struct PrefixOptions {
    /// The directory that has `bin`, `lib`, `include` and `share`
    #[arg(long, value_name = "DIR", default_value = "/usr/local")]
    pub prefix: Utf8PathBuf,
    /// Write everything below this directory, as if it were `/`: for packages (else $DESTDIR)
    #[arg(long, value_name = "DIR")]
    pub destdir: Option<Utf8PathBuf>,
    /// Print what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub struct TestOptions {
    #[command(flatten)]
    pub build: BuildOptions,
    /// Only the tests of this program (may be repeated)
    #[arg(long, value_name = "NAME", help_heading = TESTS)]
    pub test: Vec<String>,
    #[command(flatten)]
    pub cases: CaseOptions,
    #[command(flatten)]
    pub runner: RunnerOptions,
    /// Stay, and build and run them again when files change
    #[arg(long, conflicts_with_all = ["list", "no_run"], help_heading = HOW)]
    pub watch: bool,
}

#[derive(Clone, Debug, Args)]
pub struct BenchOptions {
    #[command(flatten)]
    pub build: BuildOptions,
    /// Only this benchmark (may be repeated)
    #[arg(long, value_name = "NAME", help_heading = TESTS)]
    pub bench: Vec<String>,
    #[command(flatten)]
    pub cases: CaseOptions,
}

const TESTS: &str = "Which tests";

/// Which tests, and whether they run.
#[derive(Clone, Debug, Default, Args)]
pub struct CaseOptions {
    /// Only those with one of these texts in their names
    #[arg(value_name = "FILTER", help_heading = TESTS)]
    pub filters: Vec<String>,
    /// Only those for which this holds: package(..), binary(..), test(..), not, and, or (may be
    /// repeated)
    #[arg(short = 'E', long = "filterset", value_name = "EXPRESSION", help_heading = TESTS)]
    pub expressions: Vec<String>,
    /// Print the names of those that would run, and run none
    #[arg(long, help_heading = TESTS)]
    pub list: bool,
    /// Build them, and run none
    #[arg(long, conflicts_with = "list", help_heading = TESTS)]
    pub no_run: bool,
    /// Run all, also after a failure
    #[arg(long, help_heading = TESTS)]
    pub no_fail_fast: bool,
}

const RUNS: &str = "How to run tests";

/// How tests run.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "How to run tests")]
pub struct RunnerOptions {
    /// Show the output of tests at once, and run one at a time
    #[arg(long, visible_alias = "nocapture", help_heading = RUNS)]
    pub no_capture: bool,
    /// Run a test that fails again, up to N times
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, help_heading = RUNS)]
    pub retries: u32,
    /// Kill tests after this time, such as 90s or 5m, unless their manifest says otherwise
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = RUNS)]
    pub timeout: Option<Duration>,
    /// Only one part of all tests, such as hash:1/4
    #[arg(long, value_name = "PART", value_parser = Partition::parse, help_heading = RUNS)]
    pub partition: Option<Partition>,
    /// Write the results to this file too, as JUnit does
    #[arg(long, value_name = "FILE", help_heading = RUNS)]
    pub junit: Option<Utf8PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct FmtOptions {
    #[command(flatten)]
    pub selection: Selection,
    /// Change nothing, and fail if a file is not formatted
    #[arg(long, help_heading = FILES)]
    pub check: bool,
    /// Only files that differ from git's HEAD
    #[arg(long, help_heading = FILES)]
    pub changed: bool,
    /// Jobs to run at once (else as many as cores); -1: one less than the cores
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, help_heading = FILES)]
    pub jobs: Option<JobCount>,
    /// Path of the manifest (else the nearest `Tender.toml`, here or above)
    #[arg(long, value_name = "PATH", help_heading = FILES)]
    pub manifest_path: Option<Utf8PathBuf>,
    /// `json`: messages for programs, on standard output
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "human",
        hide_default_value = true,
        help_heading = FILES
    )]
    pub message_format: MessageFormat,
    /// Arguments of clang-format
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

const FILES: &str = "Which files";

#[derive(Clone, Debug, Args)]
pub struct TidyOptions {
    #[command(flatten)]
    pub build: BuildOptions,
    /// Only sources that differ from git's HEAD, or that read headers which do
    #[arg(long, help_heading = FILES)]
    pub changed: bool,
    /// Change sources as clang-tidy suggests, one at a time
    #[arg(long, help_heading = FILES)]
    pub fix: bool,
    /// Arguments of clang-tidy
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct ExecOptions {
    /// Jobs to run at once (else as many as cores); -1: one less than the cores
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    pub jobs: Option<JobCount>,
    /// Memory budget, such as 75%, 8G or 8Gi; `off`: nothing is stopped for memory
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory: Option<MemorySetting>,
    /// For a command that is not a jobserver client: take K slots for it, and replace `{jobs}` by
    /// their number
    #[arg(long, value_name = "K")]
    pub take: Option<NonZeroU32>,
    /// The command and its arguments, after `--`
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Clone, Debug, Args)]
pub struct CleanOptions {
    /// Remove only the outputs of this crate (may be repeated)
    #[arg(short, long = "package", value_name = "NAME", help_heading = "Which crates")]
    pub package: Vec<String>,
    #[command(flatten)]
    pub place: PlaceOptions,
}

#[derive(Clone, Debug, Args)]
pub struct NewOptions {
    /// The directory to make
    pub path: Utf8PathBuf,
    #[command(flatten)]
    pub kind: CrateOptions,
}

#[derive(Clone, Debug, Args)]
pub struct InitOptions {
    /// The directory (else this one)
    #[arg(default_value = ".", hide_default_value = true)]
    pub path: Utf8PathBuf,
    /// Make manifests of what cmake builds in this build directory
    #[arg(long, value_name = "BUILD_DIR", conflicts_with_all = ["path", "from_compdb", "lib", "bin", "name", "cxx"])]
    pub from_cmake: Option<Utf8PathBuf>,
    /// Make a manifest of this `compile_commands.json`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lib", "bin", "cxx"])]
    pub from_compdb: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub kind: CrateOptions,
}

#[derive(Clone, Debug, Args)]
pub struct CrateOptions {
    /// Make a library
    #[arg(long, conflicts_with = "bin")]
    pub lib: bool,
    /// Make a program (the default)
    #[arg(long)]
    pub bin: bool,
    /// Name of the crate (else that of its directory)
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Write C++ instead of C
    #[arg(long)]
    pub cxx: bool,
}

fn platform(text: &str) -> Result<Platform, String> {
    Platform::parse(text).map_err(|error| format!("{error}; {}", error.help()))
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| match error.help {
        Some(help) => format!("{}: {help}", error.message),
        None => error.message,
    })
}

fn memory(text: &str) -> Result<MemorySetting, String> {
    parse_memory(text).map_err(|error| match error.help {
        Some(help) => format!("{}: {help}", error.message),
        None => error.message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::env;
    use clap::CommandFactory;

    #[test]
    fn options_are_defined_soundly() {
        Options::command().debug_assert();
    }

    fn parse(line: &str) -> Result<Options, clap::Error> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Options::of(&words)
    }

    #[test]
    fn options_of_a_build_are_those_of_all_commands() {
        for line in [
            "tender build",
            "tender b -q",
            "tender -v -C build build -p a --release -j2",
            "tender build --bin build -F x,y --config build.jobs=2 --color never",
            "tender build --watch --message-format json",
            "tender test build",
            "tender run -- build b",
            "tender -C b check",
            "tender exec build",
            "tender foo build",
            "tender build --help",
            "tender build --version",
            "tender help build",
            "tender build --nope",
            "tender build more",
            "tender build -j",
            "tender --nope build",
        ] {
            let alone = parse(line).map_err(|error| error.to_string());
            let of_all =
                Options::try_parse_from(line.split(' ')).map_err(|error| error.to_string());
            assert_eq!(format!("{alone:?}"), format!("{of_all:?}"), "{line}");
        }
    }

    #[track_caller]
    fn build(line: &str) -> BuildOptions {
        match parse(line).unwrap().command {
            CliCommand::Build(options) => options.build,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_are_parsed_as_in_cargo() {
        let options = build(
            "tender build -p a --package b -r -j-2 --keep-going --memory 8Gi --target-dir out",
        );
        assert_eq!(options.selection.package, ["a", "b"]);
        assert!(options.place.release && options.keep_going);
        assert_eq!(options.jobs, Some(JobCount::AllBut(2)));
        assert_eq!(options.memory, Some(MemorySetting::Bytes(8 << 30)));
        assert_eq!(build("tender b -j -1").jobs, Some(JobCount::AllBut(1)));
        assert_eq!(build("tender b --jobs=default").jobs, Some(JobCount::Default));
        assert_eq!(build("tender b --message-format json").message_format, MessageFormat::Json);
        assert_eq!(parse("tender -q build").unwrap().common.verbose, 0);
        assert_eq!(parse("tender build -vv").unwrap().common.verbose, 2);
        assert_eq!(parse("tender -C x build").unwrap().common.directory.unwrap(), "x");
    }

    #[test]
    fn target_options_are_parsed_as_in_cargo() {
        let CliCommand::Check(options) =
            parse("tender check --lib --bin a --bin b").unwrap().command
        else {
            panic!("not check")
        };
        assert!(options.targets.lib && !options.targets.bins);
        assert_eq!(options.targets.bin, ["a", "b"]);
    }

    #[test]
    fn options_that_are_wrong_end_with_2() {
        #[track_caller]
        fn check(line: &str) {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        check("tender");
        check("tender build -j 0");
        check("tender build -j many");
        check("tender build --memory lots");
        check("tender build --release --profile dev");
        check("tender build -p a --workspace");
        check("tender build --color sometimes");
        check("tender new");
        check("tender new a --lib --bin");
        check("tender init --from-cmake b --lib");
        check("tender init a --from-cmake b");
        check("tender init --from-cmake b --from-compdb c");
    }

    #[test]
    fn options_after_the_program_are_its_own() {
        let CliCommand::Run(options) =
            parse("tender run --bin a -- -v --release x").unwrap().command
        else {
            panic!("not run")
        };
        assert_eq!(options.bin.as_deref(), Some("a"));
        assert_eq!(options.args, ["-v", "--release", "x"]);
        assert!(!options.build.place.release);
        assert_eq!(parse("tender run -- -v").unwrap().common.verbose, 0);
        let CliCommand::Run(options) = parse("tender run -r -j2 word -r -- -x").unwrap().command
        else {
            panic!("not run")
        };
        assert!(options.build.place.release && options.build.jobs == "2".parse().ok());
        assert_eq!(options.args, ["word", "-r", "--", "-x"]);
        assert!(parse("tender run --relase").is_err(), "a slip is no argument of the program");
    }

    /// `docs/cli.md` names every command, option, alias and environment variable.
    #[test]
    fn options_are_all_documented() {
        let text = include_str!("../../../docs/cli.md");
        let missing = |name: &str| {
            !text.contains(&format!("`{name}")) && !text.contains(&format!(" {name}`"))
        };
        let mut all: Vec<String> = env::ALL.iter().map(|name| (*name).to_owned()).collect();
        let mut commands = vec![Options::command()];
        while let Some(command) = commands.pop() {
            for option in command.get_arguments() {
                all.extend(option.get_long().map(|name| format!("--{name}")));
                all.extend(option.get_short().map(|name| format!("-{name}")));
            }
            for sub in command.get_subcommands() {
                all.push(sub.get_name().to_owned());
                commands.push(sub.clone());
            }
        }
        all.retain(|name| missing(name));
        assert_eq!(all, [""; 0], "docs/cli.md does not say what these are");
    }
}
