//! Commands, options, environment, exit codes. With `report` the only code that prints, and the
//! only one that reads `tender`'s own environment variables.
//!
//! `options` is the command line; `env` the environment; `config` config files; `terminal` colours and verbosity;
//! `project` the workspace and the selection; then a file for each group of commands. `error` has
//! the texts of all errors, `tips` those for users of other build tools.

mod build;
mod clean;
mod commands;
mod config;
mod dependencies;
pub mod env;
mod error;
mod examples;
mod exec;
mod exit;
mod explain;
mod fetch;
mod fmt;
mod install;
mod jobs;
mod kept_round;
mod loading;
mod metadata;
mod options;
mod own_sources;
mod package;
mod project;
mod scaffold;
mod shortcut;
mod slots;
mod sources;
mod target_dir;
mod terminal;
mod test;
mod tidy;
mod tips;
mod tool_runs;
mod tree;
mod watch;
mod watch_scope;
mod worker;

pub use exit::CliExit;

use crate::graph::Mode;
use crate::report::style;
use crate::sys::looks;
use config::CliConfig;
use env::CliEnvironment;
use error::CliError;
use options::{CliCommand, Options};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use tender_protocol::Level;
use terminal::{Stderr, Terminal};

/// The main function.
pub fn main() -> ExitCode {
    // clap prints help, the version and errors of usage itself; the latter exit with 2.
    let arguments: Vec<_> = std::env::args_os().collect();
    let options =
        Options::of(&arguments).unwrap_or_else(|error| tips::of_error(error, &arguments).exit());
    let mut terminal = Terminal::plain();
    let result = dispatch(&options, &mut terminal);
    let exit = result.unwrap_or_else(|error| {
        terminal.console().print(&error.text());
        error.exit()
    });
    exit.finish()
}

/// Sets `terminal` as soon as it is known, so that errors respect its settings.
fn dispatch(options: &Options, terminal: &mut Terminal) -> Result<CliExit, CliError> {
    let mut environment = CliEnvironment::read()?;
    *terminal = Terminal::new(&options.common, &environment, Stderr::now())?;
    if let Some(dir) = &options.common.directory {
        environment.enter(dir).map_err(|error| {
            CliError::usage(format!("cannot change to the directory `{dir}`: {error}"))
        })?;
    }
    if options.command.may_have_certificate() {
        looks::record();
    }
    if options.command.reads_config() {
        environment.config = CliConfig::read(&options.common.config, &environment)?;
        *terminal = Terminal::new(&options.common, &environment, Stderr::now())?;
    }
    let terminal = *terminal;
    if options.command.does_work() && tender_jobclient::is_dry_run(&env::variable) {
        terminal.say(&style::message(
            Level::Note,
            "`make -n` only prints what it would do, so this command does nothing",
        ));
        return Ok(CliExit::Success);
    }
    match &options.command {
        CliCommand::Build(options) => build::build(options, Mode::Build, &environment, terminal),
        CliCommand::Check(options) => build::build(options, Mode::Check, &environment, terminal),
        CliCommand::Run(options) => build::run(options, &environment, terminal),
        CliCommand::Clean(options) => clean::clean(options, &environment, terminal),
        CliCommand::New(options) => scaffold::new(options, terminal),
        CliCommand::Init(options) => scaffold::init(options, terminal),
        CliCommand::Exec(options) => exec::exec(options, &environment, terminal),
        CliCommand::Schema => print(&format!("{:#}\n", crate::manifest::json_schema())),
        CliCommand::Fmt(options) => fmt::fmt(options, &environment, terminal),
        CliCommand::Tidy(options) => tidy::tidy(options, &environment, terminal),
        CliCommand::Test(options) => test::test(options, &environment, terminal),
        CliCommand::Bench(options) => test::bench(options, &environment, terminal),
        CliCommand::Tree(options) => tree::tree(options, &environment, terminal),
        CliCommand::Explain(options) => explain::explain(options, &environment, terminal),
        CliCommand::Metadata(options) => metadata::metadata(options, &environment, terminal),
        CliCommand::Add(options) => dependencies::add(options, &environment, terminal),
        CliCommand::Remove(options) => dependencies::remove(options, &environment, terminal),
        CliCommand::Fetch(options) => fetch::fetch(options, &environment, terminal),
        CliCommand::Update(options) => fetch::update(options, &environment, terminal),
        CliCommand::Vendor(options) => fetch::vendor(options, &environment, terminal),
        CliCommand::Package(options) => package::package(options, &environment, terminal),
        CliCommand::Completions { shell } => commands::completions(*shell),
        CliCommand::ManPages { pages } => commands::man_pages(pages),
        CliCommand::List => commands::list(),
        CliCommand::External(words) => commands::external(words),
        CliCommand::Install(options) => install::install(options, &environment, terminal),
        CliCommand::Uninstall(options) => install::uninstall(options, &environment, terminal),
    }
}

/// Data, on standard output. A reader that has read enough, such as `head`, is no error.
///
/// # Errors
/// It cannot be written.
fn print(text: &str) -> Result<CliExit, CliError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(CliError::usage(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(CliExit::Success),
    }
}
