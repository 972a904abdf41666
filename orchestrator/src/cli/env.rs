//! Every environment variable that `tender` itself reads, by name, and their values read once.
//!
//! Others are read by `toolchain` and the `cc` crate (which choose programs of the machine) and by
//! `sys::directories` (which name directories).
//!
//! The command line overrides the environment, which overrides config files, and these the
//! manifest. An empty value counts
//! as absent.

#![expect(clippy::disallowed_methods, reason = "this is the file that reads the environment")]

use super::config::CliConfig;
use super::error::CliError;
use crate::environment::Variables;
use crate::manifest::normalise;
use crate::sys::directories;
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use std::ffi::OsString;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Job slots, as `--jobs`.
pub const JOBS: &str = "TENDER_JOBS";
/// Memory budget, as `--memory`.
pub const MEMORY: &str = "TENDER_MEMORY";
/// Name of a profile, as `--profile`.
pub const PROFILE: &str = "TENDER_PROFILE";
/// Directory of all outputs, as `--target-dir`.
pub const TARGET_DIR: &str = "TENDER_TARGET_DIR";
/// `auto`, `always` or `never`, as `--color`.
pub const COLOR: &str = "TENDER_COLOR";
/// Directory of what all workspaces share.
pub const CACHE_DIR: &str = "TENDER_CACHE_DIR";
/// Path of the `tender-worker` to start, in place of the one beside `tender`.
pub const WORKER: &str = "TENDER_WORKER";
/// For tests of cutting: the number of pieces of each unit, even if that is slower.
pub const FORCE_PIECES: &str = "TENDER_FORCE_PIECES";
/// Set to anything: no colours, unless `--color` or `TENDER_COLOR` asks for them
/// (https://no-color.org).
pub const NO_COLOR: &str = "NO_COLOR";
/// `dumb`: a terminal without colours and without a bar.
pub const TERM: &str = "TERM";
/// The logical path of the current directory, with symbolic links (POSIX, XBD 8.3).
pub const PWD: &str = "PWD";

/// Where files are installed, as `--destdir`
/// (https://www.gnu.org/prep/standards/html_node/DESTDIR.html).
pub const DESTDIR: &str = "DESTDIR";
/// Set for tests: where the programs of the profile are.
pub const BIN_DIR: &str = "TENDER_BIN_DIR";
/// Set for tests: marks the processes of each.
pub const TEST_MARK: &str = "TENDER_TEST_MARK";

/// The directory of the settings of a user's programs
/// (<https://specifications.freedesktop.org/basedir-spec/latest/>).
pub const CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// The user's directory, which has `.config`.
pub const HOME: &str = "HOME";

/// All of them, for the test of the documentation.
pub const ALL: [&str; 16] = [
    JOBS,
    MEMORY,
    PROFILE,
    TARGET_DIR,
    COLOR,
    CACHE_DIR,
    WORKER,
    FORCE_PIECES,
    NO_COLOR,
    TERM,
    PWD,
    DESTDIR,
    CONFIG_HOME,
    HOME,
    BIN_DIR,
    TEST_MARK,
];

/// The values of `FORCE_PIECES`: one piece is no cut, and nine are enough for every test.
const PIECES: RangeInclusive<u32> = 2..=9;

#[derive(Clone, Debug, Default)]
pub struct CliEnvironment {
    pub jobs: Option<String>,
    pub memory: Option<String>,
    pub profile: Option<String>,
    pub target_dir: Option<String>,
    pub color: Option<String>,
    pub cache_dir: Option<String>,
    pub worker: Option<String>,
    pub force_pieces: Option<String>,
    pub no_color: bool,
    pub dumb_terminal: bool,
    pub destdir: Option<String>,
    /// The logical path of the current directory, with symbolic links; `None` if only the physical
    /// path is known.
    pub logical_dir: Option<Utf8PathBuf>,
    /// The directory of the user's settings.
    pub config_dir: Option<Utf8PathBuf>,
    /// The command runs again, by `--watch`: what was said is not said again, and nothing is said where
    /// nothing is done.
    pub is_repeated: bool,
    /// What `--config` and config files say, which come before and after variables.
    pub config: CliConfig,
}

impl CliEnvironment {
    /// # Errors
    /// A value is not UTF-8.
    pub fn read() -> Result<Self, CliError> {
        Ok(Self {
            jobs: value(JOBS)?,
            memory: value(MEMORY)?,
            profile: value(PROFILE)?,
            target_dir: value(TARGET_DIR)?,
            color: value(COLOR)?,
            cache_dir: value(CACHE_DIR)?,
            worker: value(WORKER)?,
            force_pieces: value(FORCE_PIECES)?,
            no_color: std::env::var_os(NO_COLOR).is_some_and(|value| !value.is_empty()),
            dumb_terminal: std::env::var_os(TERM).is_some_and(|value| value == "dumb"),
            destdir: value(DESTDIR)?,
            logical_dir: logical_dir(),
            config_dir: config_dir(),
            is_repeated: false,
            config: CliConfig::default(),
        })
    }

    /// # Errors
    /// The value of `FORCE_PIECES` is not one of `PIECES`.
    pub fn force_pieces(&self) -> Result<Option<u32>, CliError> {
        let Some(text) = &self.force_pieces else { return Ok(None) };
        let number = text.parse().ok().filter(|number| PIECES.contains(number));
        number.map(Some).ok_or_else(|| {
            CliError::usage(format!("{FORCE_PIECES}: `{text}` is not a number of pieces"))
                .with_help(format!("write a number from {} to {}", PIECES.start(), PIECES.end()))
        })
    }

    /// Where downloads of all workspaces are kept, if anything says where.
    pub fn cache_dir(&self) -> Option<Utf8PathBuf> {
        let CliConfig { line, files, .. } = &self.config;
        let set = [&line.cache_dir, &self.cache_dir, &files.cache_dir].into_iter().flatten().next();
        let of_user = || Utf8PathBuf::from_path_buf(directories::cache()?.join("tender")).ok();
        set.map(Utf8PathBuf::from).or_else(of_user)
    }

    /// The profile that is chosen otherwise than by an option of its own.
    pub fn chosen_profile(&self) -> Option<&str> {
        let CliConfig { line, files, .. } = &self.config;
        let all = [&line.profile, &self.profile, &files.profile];
        all.into_iter().flatten().next().map(String::as_str)
    }

    /// Makes `dir` the current directory, as `cd` does.
    ///
    /// # Errors
    /// There is no such directory, or it cannot be entered.
    pub fn enter(&mut self, dir: &Utf8Path) -> io::Result<()> {
        let before = self.logical_dir.take().or_else(physical_dir);
        std::env::set_current_dir(dir)?;
        self.logical_dir =
            before.map(|before| normalise(&before.join(dir))).filter(|path| is_current_dir(path));
        Ok(())
    }
}

/// A relative path counts as absent, as the specification wants.
fn config_dir() -> Option<Utf8PathBuf> {
    let path = |name| {
        let path = Utf8PathBuf::from(std::env::var_os(name)?.into_string().ok()?);
        path.is_absolute().then_some(path)
    };
    path(CONFIG_HOME).or_else(|| Some(path(HOME)?.join(".config")))
}

/// `PWD` is wrong if it was set by hand, or inherited by a process that changed its directory.
fn logical_dir() -> Option<Utf8PathBuf> {
    let path = Utf8PathBuf::from(std::env::var_os(PWD)?.into_string().ok()?);
    let plain =
        |part: Utf8Component<'_>| !matches!(part, Utf8Component::CurDir | Utf8Component::ParentDir);
    (path.is_absolute() && path.components().all(plain) && is_current_dir(&path)).then_some(path)
}

/// The current directory without symbolic links, if it is known.
pub fn physical_dir() -> Option<Utf8PathBuf> {
    Utf8PathBuf::from_path_buf(current_dir().ok()?).ok()
}

/// # Errors
/// It was removed, or cannot be reached.
pub fn current_dir() -> io::Result<PathBuf> {
    std::env::current_dir()
}

/// All variables, for the fingerprints of items.
pub fn variables() -> Variables {
    Variables::of(std::env::vars_os())
}

/// All variables, of which some are for git.
pub fn all() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// One variable. The job client reads a parent's jobserver from it.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn is_current_dir(path: &Utf8Path) -> bool {
    let identity = |path: &Utf8Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    identity(path).is_some_and(|found| Some(found) == identity(".".into()))
}

fn value(name: &'static str) -> Result<Option<String>, CliError> {
    match std::env::var_os(name).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => value.into_string().map(Some).map_err(|value| {
            CliError::usage(format!(
                "the value of {name} is not UTF-8: `{}`",
                value.to_string_lossy()
            ))
        }),
    }
}
