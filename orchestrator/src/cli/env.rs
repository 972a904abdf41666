//! Every environment variable that `tender` itself reads, by name, and their values read once.
//!
//! The command line beats the environment, and the environment beats the manifest. An empty value counts as absent.

use super::error::CliError;
use std::ops::RangeInclusive;

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
/// Path of the `tender-worker` to start, in place of the one beside `tender`.
pub const WORKER: &str = "TENDER_WORKER";
/// A switch for tests of cutting: how many pieces each unit is cut into, whatever that costs.
pub const FORCE_PIECES: &str = "TENDER_FORCE_PIECES";
/// Set to anything: no colours, unless `--color` or `TENDER_COLOR` asks for them (https://no-color.org).
pub const NO_COLOR: &str = "NO_COLOR";
/// `dumb`: a terminal without colours and without a bar.
pub const TERM: &str = "TERM";

/// For documentation and its test.
pub const ALL: [&str; 9] = [JOBS, MEMORY, PROFILE, TARGET_DIR, COLOR, WORKER, FORCE_PIECES, NO_COLOR, TERM];

/// The numbers that `FORCE_PIECES` takes: one piece is no cut, and more show nothing that nine do not.
const PIECES: RangeInclusive<u32> = 2..=9;

#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub jobs: Option<String>,
    pub memory: Option<String>,
    pub profile: Option<String>,
    pub target_dir: Option<String>,
    pub color: Option<String>,
    pub worker: Option<String>,
    pub force_pieces: Option<String>,
    pub no_color: bool,
    pub dumb_terminal: bool,
}

impl Environment {
    /// # Errors
    /// A value that is no UTF-8.
    pub fn read() -> Result<Self, CliError> {
        Ok(Self {
            jobs: value(JOBS)?,
            memory: value(MEMORY)?,
            profile: value(PROFILE)?,
            target_dir: value(TARGET_DIR)?,
            color: value(COLOR)?,
            worker: value(WORKER)?,
            force_pieces: value(FORCE_PIECES)?,
            no_color: std::env::var_os(NO_COLOR).is_some_and(|value| !value.is_empty()),
            dumb_terminal: std::env::var_os(TERM).is_some_and(|value| value == "dumb"),
        })
    }

    /// # Errors
    /// The value of `FORCE_PIECES` is none that it takes.
    pub fn force_pieces(&self) -> Result<Option<u32>, CliError> {
        let Some(text) = &self.force_pieces else { return Ok(None) };
        let number = text.parse().ok().filter(|number| PIECES.contains(number));
        number.map(Some).ok_or_else(|| {
            CliError::usage(format!("{FORCE_PIECES}: `{text}` is no number of pieces")).with_help(format!(
                "write a number from {} to {}",
                PIECES.start(),
                PIECES.end()
            ))
        })
    }
}

fn value(name: &'static str) -> Result<Option<String>, CliError> {
    match std::env::var_os(name).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => value.into_string().map(Some).map_err(|value| {
            CliError::usage(format!("the value of {name} is not UTF-8: `{}`", value.to_string_lossy()))
        }),
    }
}
