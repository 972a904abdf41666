//! `tender new` and `tender init`.

use super::error::CliError;
use super::exit::CliExit;
use super::options::{CrateOptions, InitOptions, NewOptions};
use super::project::current_dir;
use super::terminal::Terminal;
use crate::import::{self, Decision};
use crate::manifest::{CrateKind, CrateLanguage, Scaffolded, adopt_crate, init_crate, new_crate};
use crate::report::style;
use camino::Utf8Path;

/// `tender new`: makes a crate in a new directory.
///
/// # Errors
/// The directory has no usable name, or as `manifest::new_crate`.
pub fn new(options: &NewOptions, terminal: Terminal) -> Result<CliExit, CliError> {
    let (name, kind, language) = choices(&options.path, &options.kind)?;
    let done = new_crate(&options.path, &name, kind, language)?;
    Ok(created(&name, kind, &done, terminal))
}

/// `tender init`: makes a crate of an existing directory and the sources in it.
///
/// # Errors
/// The directory has no usable name, all its sources are left out, or as `manifest::adopt_crate`.
pub fn init(options: &InitOptions, terminal: Terminal) -> Result<CliExit, CliError> {
    let (mut name, kind, language) = choices(&options.path, &options.kind)?;
    if options.kind.name.is_none() {
        name = import::name_of_directory(&name);
    }
    let wanted = (options.kind.lib || options.kind.bin).then_some(kind);
    let tree = import::survey(&options.path);
    match import::adopt(&tree, &name, wanted, std::env::consts::ARCH) {
        Ok(Some(adoption)) => {
            let kind = match adoption.makes_library() {
                true => CrateKind::Lib,
                false => CrateKind::Bin,
            };
            let done = adopt_crate(&options.path, adoption.package)?;
            explain(&adoption.decisions, terminal);
            Ok(created(&name, kind, &done, terminal))
        }
        Ok(None) => {
            let done = init_crate(&options.path, &name, kind, language)?;
            Ok(created(&name, kind, &done, terminal))
        }
        Err(nothing) => {
            explain(&nothing.decisions, terminal);
            Err(CliError::usage("there are sources, but none that a crate would be made of")
                .with_help("write `Tender.toml`, and name them in `[lib]` or `[[bin]]`"))
        }
    }
}

fn explain(decisions: &[Decision], terminal: Terminal) {
    for decision in decisions {
        terminal.say(&style::status(decision.verb, &decision.text));
    }
}

fn choices(
    dir: &Utf8Path,
    options: &CrateOptions,
) -> Result<(String, CrateKind, CrateLanguage), CliError> {
    let kind = if options.lib { CrateKind::Lib } else { CrateKind::Bin };
    let language = if options.cxx { CrateLanguage::Cxx } else { CrateLanguage::C };
    let name = match &options.name {
        Some(name) => name.clone(),
        None => directory_name(&current_dir()?.join(dir))?,
    };
    Ok((name, kind, language))
}

/// The crate is named after its directory; `.` and `..` are resolved.
fn directory_name(dir: &Utf8Path) -> Result<String, CliError> {
    let dir = dir.canonicalize_utf8().unwrap_or_else(|_| dir.components().collect());
    dir.file_name().map(str::to_owned).ok_or_else(|| {
        CliError::usage(format!("`{dir}` has no name that a crate could have"))
            .with_help("give one with `--name`")
    })
}

fn created(name: &str, kind: CrateKind, done: &Scaffolded, terminal: Terminal) -> CliExit {
    let kind = match kind {
        CrateKind::Bin => "program",
        CrateKind::Lib => "library",
    };
    let files: Vec<&str> =
        done.written.iter().map(|file| file.strip_prefix(".").unwrap_or(file).as_str()).collect();
    terminal.say(&style::status("Created", format!("{kind} `{name}` ({})", files.join(", "))));
    if let Some(root) = &done.joined {
        terminal.say(&style::status("Joined", format!("the workspace in {root}")));
    }
    CliExit::Success
}
