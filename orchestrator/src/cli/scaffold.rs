//! `tender new` and `tender init`.

use super::error::{CliError, problems_text};
use super::exit::CliExit;
use super::options::{CrateOptions, InitOptions, NewOptions};
use super::project::current_dir;
use super::terminal::Terminal;
use crate::import::{self, Decision};
use crate::manifest::{
    self, CrateKind, CrateLanguage, MANIFEST_NAME, Scaffolded, adopt_crate, init_crate, new_crate,
    normalise, write_manifests,
};
use crate::report::style;
use crate::sys::whole_file;
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
/// The directory has no usable name, all its sources are left out, another build cannot be read, or
/// as `manifest::adopt_crate`.
pub fn init(options: &InitOptions, terminal: Terminal) -> Result<CliExit, CliError> {
    if let Some(build) = &options.from_cmake {
        return from_cmake(build, terminal);
    }
    let (mut name, kind, language) = choices(&options.path, &options.kind)?;
    if options.kind.name.is_none() {
        name = import::name_of_directory(&name);
    }
    if let Some(file) = &options.from_compdb {
        return from_compdb(file, &options.path, &name, terminal);
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

/// `tender init --from-cmake`: manifests for the sources of a build directory of cmake.
fn from_cmake(build: &Utf8Path, terminal: Terminal) -> Result<CliExit, CliError> {
    let project = import::cmake_project("cmake", build)?;
    let translation = import::translate_cmake(&project, &Utf8Path::exists);
    if translation.manifests.iter().all(|(_, draft)| draft.package.is_none()) {
        return Err(CliError::usage(format!(
            "cmake builds no library and no program in `{build}`"
        ))
        .with_help("configure the project with the options that you want, and try again"));
    }
    let written = write_manifests(&translation.root, &translation.manifests)?;
    explain(&translation.decisions, terminal);
    let crates = translation.manifests.iter().filter(|(_, draft)| draft.package.is_some()).count();
    let shown: Vec<&str> = written
        .iter()
        .map(|path| path.strip_prefix(&translation.root).unwrap_or(path).as_str())
        .collect();
    let what = if crates == 1 { "crate" } else { "crates" };
    let text = format!("{crates} {what} in {} ({})", translation.root, shown.join(", "));
    terminal.say(&style::status("Created", text));
    show_problems(&translation.root, terminal);
    Ok(CliExit::Success)
}

/// `tender init --from-compdb`: one crate of the sources that a database names.
fn from_compdb(
    file: &Utf8Path,
    path: &Utf8Path,
    name: &str,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let help = "cmake writes one with `-DCMAKE_EXPORT_COMPILE_COMMANDS=ON`";
    let bytes = whole_file::read(file.as_std_path(), LARGEST_DATABASE).map_err(|error| {
        CliError::usage(format!("cannot read `{file}`: {error}")).with_help(help)
    })?;
    let sources =
        import::read_compile_commands(&String::from_utf8_lossy(&bytes)).map_err(|error| {
            CliError::usage(format!("`{file}` is no compilation database: {error}")).with_help(help)
        })?;
    let dir = normalise(&current_dir()?.join(path));
    let (package, decisions) =
        import::of_compile_commands(&sources, name, &dir, &import::defines_main, &Utf8Path::exists);
    let kind = match (&package.lib, package.bins.is_empty()) {
        (None, true) => {
            explain(&decisions, terminal);
            return Err(CliError::usage(format!("`{file}` names no source that is there")));
        }
        (None, false) => CrateKind::Bin,
        (Some(_), _) => CrateKind::Lib,
    };
    let done = adopt_crate(path, package)?;
    explain(&decisions, terminal);
    let exit = created(name, kind, &done, terminal);
    show_problems(path, terminal);
    Ok(exit)
}

/// Bytes. A database of the largest programs has a hundredth.
const LARGEST_DATABASE: u64 = 1 << 30;

/// What a manifest that was made of another build still lacks.
fn show_problems(dir: &Utf8Path, terminal: Terminal) {
    let problems = match manifest::load(&dir.join(MANIFEST_NAME)) {
        Ok(loaded) => loaded.warnings,
        Err(errors) => errors.problems,
    };
    if !problems.is_empty() {
        terminal.console().print(&problems_text(&problems));
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
