//! What the terminal supports and what the user wants: colours, the bar, the verbosity.

use super::config::CliConfig;
use super::env::{self, CliEnvironment};
use super::error::CliError;
use super::options::{Color, Common};
use crate::report::{Console, Verbosity};
use clap::ValueEnum;
use std::io::IsTerminal;

/// Standard error, for all messages to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    pub colour: bool,
    /// Whether a line can be redrawn.
    pub bar: bool,
    pub verbosity: Verbosity,
}

/// The properties of standard error.
#[derive(Clone, Copy, Debug)]
pub struct Stderr {
    pub is_terminal: bool,
}

impl Stderr {
    pub fn now() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal() }
    }
}

impl Terminal {
    /// # Errors
    /// `TENDER_COLOR` is not a choice of colours; both `-v` and `-q` are given.
    pub fn new(
        common: &Common,
        environment: &CliEnvironment,
        stderr: Stderr,
    ) -> Result<Self, CliError> {
        if common.quiet && common.verbose > 0 {
            return Err(CliError::usage("`--verbose` and `--quiet` cannot be used together"));
        }
        let verbosity = match (common.quiet, common.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, 0) => Verbosity::Normal,
            (_, 1) => Verbosity::Verbose,
            _ => Verbosity::VeryVerbose,
        };
        let set = |color: &Option<String>| {
            let text = color.as_ref()?;
            Some(Color::from_str(text, false).expect("its format has the choices of the option"))
        };
        let of_environment = match &environment.color {
            Some(text) => Some(Color::from_str(text, false).map_err(|_| {
                CliError::usage(format!("{}: `{text}` is not a choice of colours", env::COLOR))
                    .with_help("write `auto`, `always` or `never`")
            })?),
            None => None,
        };
        let CliConfig { line, files, .. } = &environment.config;
        let asked = common.color.or_else(|| set(&line.color)).or(of_environment);
        let wanted = match asked {
            // A user who sets `NO_COLOR` for one command has a config file for all others.
            None if environment.no_color => None,
            None => set(&files.color),
            asked => asked,
        };
        let clever = stderr.is_terminal && !environment.dumb_terminal;
        let colour = match wanted {
            Some(Color::Always) => true,
            Some(Color::Never) => false,
            Some(Color::Auto) => clever,
            None => clever && !environment.no_color,
        };
        Ok(Self { colour, bar: clever && verbosity != Verbosity::Quiet, verbosity })
    }

    /// For errors before the options are parsed.
    pub fn plain() -> Self {
        Self { colour: false, bar: false, verbosity: Verbosity::Normal }
    }

    pub fn console(&self) -> Console {
        Console::stderr(self.colour)
    }

    /// Prints `text` unless `-q` is given.
    pub fn say(&self, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            self.console().print(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(color: Option<Color>) -> Common {
        Common { verbose: 0, quiet: false, color, directory: None, config: Vec::new() }
    }

    #[track_caller]
    fn check(
        option: Option<Color>,
        variable: Option<&str>,
        no_color: bool,
        is_terminal: bool,
        expect: bool,
    ) {
        let environment = CliEnvironment {
            color: variable.map(str::to_owned),
            no_color,
            ..CliEnvironment::default()
        };
        let terminal =
            Terminal::new(&common(option), &environment, Stderr { is_terminal }).unwrap();
        assert_eq!(terminal.colour, expect);
    }

    #[test]
    fn colours_follow_options_and_environment() {
        check(None, None, false, true, true);
        check(None, None, false, false, false);
        check(None, None, true, true, false);
        check(None, Some("always"), true, false, true);
        check(Some(Color::Never), Some("always"), false, true, false);
        check(Some(Color::Auto), None, true, true, true);
    }

    #[test]
    fn colours_of_config_files_come_after_variables() {
        let colour = |variable: Option<&str>, line: Option<&str>, no_color| {
            let mut environment = CliEnvironment {
                color: variable.map(str::to_owned),
                no_color,
                ..CliEnvironment::default()
            };
            environment.config.line.color = line.map(str::to_owned);
            environment.config.files.color = Some("always".to_owned());
            let stderr = Stderr { is_terminal: false };
            Terminal::new(&common(None), &environment, stderr).unwrap().colour
        };
        assert!(colour(None, None, false));
        assert!(!colour(None, None, true));
        assert!(!colour(Some("never"), None, false));
        assert!(colour(Some("never"), Some("always"), true));
    }

    #[test]
    fn bar_needs_a_capable_terminal() {
        let bar = |quiet, dumb_terminal, is_terminal| {
            let common = Common { quiet, ..common(None) };
            let environment = CliEnvironment { dumb_terminal, ..CliEnvironment::default() };
            Terminal::new(&common, &environment, Stderr { is_terminal }).unwrap().bar
        };
        assert!(bar(false, false, true));
        assert!(!bar(true, false, true));
        assert!(!bar(false, true, true));
        assert!(!bar(false, false, false));
    }

    #[test]
    fn verbose_and_quiet_together_are_an_error() {
        let both = Common { verbose: 1, quiet: true, ..common(None) };
        assert!(
            Terminal::new(&both, &CliEnvironment::default(), Stderr { is_terminal: true }).is_err()
        );
        let environment =
            CliEnvironment { color: Some("pink".into()), ..CliEnvironment::default() };
        assert!(Terminal::new(&common(None), &environment, Stderr { is_terminal: true }).is_err());
    }
}
