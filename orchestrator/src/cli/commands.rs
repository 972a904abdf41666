//! What `tender` says of its own commands: their list, completions of shells, manual pages; and
//! commands that are programs of others, `tender-NAME` in `PATH`.

use super::error::{CliError, suggestion};
use super::exit::CliExit;
use super::options::Options;
use super::print;
use super::tips;
use crate::toolchain;
use camino::Utf8Path;
use clap::CommandFactory;
use clap::builder::Resettable;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What the names of programs begin with that are commands.
const EXTERNAL: &str = "tender-";
const WORKER: &str = "tender-worker";

/// `tender --list`.
///
/// # Errors
/// Standard output cannot be written.
pub fn list() -> Result<CliExit, CliError> {
    let mut text = String::new();
    for command in Options::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "    {:<14}{about}", command.get_name());
        for alias in command.get_visible_aliases() {
            let _ = writeln!(text, "    {alias:<14}alias: {}", command.get_name());
        }
    }
    for (name, path) in toolchain::programs_in_path(EXTERNAL) {
        if format!("{EXTERNAL}{name}") != WORKER {
            let _ = writeln!(text, "    {name:<14}{path}");
        }
    }
    print(&text)
}

/// `tender completions SHELL`.
///
/// # Errors
/// Standard output cannot be written.
pub fn completions(shell: Shell) -> Result<CliExit, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Options::command(), "tender", &mut text);
    print(&String::from_utf8_lossy(&text))
}

/// `tender man-pages DIR`: a page for each command.
///
/// # Errors
/// The directory cannot be written.
pub fn man_pages(dir: &Utf8Path) -> Result<CliExit, CliError> {
    let mut own = Options::command().disable_help_subcommand(true);
    own.build();
    let shown = own.get_subcommands().filter(|command| !command.is_hide_set());
    let pages = std::fs::create_dir_all(dir)
        .and_then(|()| shown.chain([&own]).try_for_each(|command| man_page(command, dir)));
    pages.map_err(|error| CliError::build(format!("cannot write to `{dir}`: {error}")))?;
    Ok(CliExit::Success)
}

/// The page of one command. Examples have a section of their own, and keep their lines.
fn man_page(command: &clap::Command, dir: &Utf8Path) -> io::Result<()> {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let page = Man::new(command.clone().after_help(Resettable::Reset));
    let mut text = Vec::new();
    page.render(&mut text)?;
    if let Some(lines) = examples.strip_prefix("Examples:\n") {
        let mut section = Roff::new();
        section.control("SH", ["EXAMPLES"]).control("nf", []).text([roman(lines)]);
        section.control("fi", []);
        section.to_writer(&mut text)?;
    }
    std::fs::write(dir.join(page.get_filename()), text)
}

/// Becomes the program of another command.
///
/// # Errors
/// It is not there, or cannot be started.
pub fn external(words: &[OsString]) -> Result<CliExit, CliError> {
    let (name, args) = words.split_first().expect("clap gives the name of the command");
    let program = format!("{EXTERNAL}{}", name.to_string_lossy());
    // A path is no name of a command, and the worker is a part of tender.
    let is_name = !program.contains('/') && program != WORKER;
    let mut command = Command::new(&program);
    command.args(args);
    if let Ok(own) = std::env::current_exe() {
        // So that it calls this very program.
        command.env("TENDER", own);
    }
    let error = match is_name {
        true => command.exec(),
        false => io::ErrorKind::NotFound.into(),
    };
    if error.kind() == io::ErrorKind::NotFound {
        let name = name.to_string_lossy();
        let error = CliError::usage(format!("there is no command `{name}`"));
        if let Some(tip) = tips::of_command(&name) {
            return Err(error.with_help(tip));
        }
        let own = Options::command();
        let near = suggestion(&name, own.get_subcommands().map(clap::Command::get_name));
        return Err(error.with_help(near.unwrap_or_else(|| {
            format!("`tender --list` lists all; a program `{program}` in PATH would be one")
        })));
    }
    Err(CliError::usage(format!("cannot run `{program}`: {error}")))
}
