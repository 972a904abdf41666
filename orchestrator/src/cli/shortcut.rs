//! The short way of a build that has nothing to do: while a certificate holds (see
//! `fingerprint/certificate.rs`), neither manifests nor records are read.
//!
//! A certificate is looked for by what is known without any manifest: in the state directory of the
//! profile, below the current directory's ancestors, of which one is the workspace. Its key has the whole
//! command and environment, so one that is found is of this very build; where it is looked for proves
//! nothing. Whatever is unusual takes the long way.

use super::build::Built;
use super::env::{self, CliEnvironment};
use super::error::CliError;
use super::exit::CliExit;
use super::options::{BuildOptions, MessageFormat, RunOptions, TargetsOptions};
use super::project::{current_dir, target_dir};
use super::terminal::Terminal;
use crate::fingerprint::{Certificate, CertificateKey, DirectoryLock, Saying};
use crate::graph::Mode;
use crate::report::{Console, Verbosity, style, words};
use crate::sys::looks;
use camino::{Utf8Path, Utf8PathBuf};
use std::path::Path;
use std::time::Instant;
use tender_jobclient::{FromEnv, Pool};
use tender_protocol::Level;

/// Variables that do not bear on a build: shells set them anew for each command. Where a parent's
/// jobserver is said, the build uses no token of it if it has nothing to do.
const UNCOUNTED: [&str; 7] =
    ["_", "SHLVL", "OLDPWD", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CARGO_MAKEFLAGS"];

/// The verb of the last line.
const FINISHED: &str = "Finished";

/// A build that may have a certificate.
pub struct Shortcut<'a> {
    options: &'a BuildOptions,
    key: CertificateKey,
    /// Where its state directory may be.
    places: Vec<Utf8PathBuf>,
    /// For people.
    is_plain: bool,
    /// There is a certificate that holds.
    is_held: bool,
}

impl<'a> Shortcut<'a> {
    /// Of `build` and `check`. None: the build takes the long way, and makes no certificate.
    ///
    /// # Errors
    /// The current directory is not known.
    pub fn of(
        options: &'a TargetsOptions,
        mode: Mode,
        environment: &CliEnvironment,
    ) -> Result<Option<Self>, CliError> {
        let TargetsOptions { build, targets, watch } = options;
        match watch {
            true => Ok(None),
            false => Self::of_words(build, &format!("{mode:?} {targets:?}"), environment),
        }
    }

    /// Of `run`, without its arguments. Of another platform no file tells whether its programs run here.
    ///
    /// # Errors
    /// As `of`.
    pub fn of_run(
        options: &'a RunOptions,
        environment: &CliEnvironment,
    ) -> Result<Option<Self>, CliError> {
        let RunOptions { build, bin, example, watch, args: _ } = options;
        match *watch || build.place.target.is_some() {
            true => Ok(None),
            false => Self::of_words(build, &format!("run {bin:?} {example:?}"), environment),
        }
    }

    /// Of `test` and `bench`. `words` tell which programs are built, and how they are run. Of another
    /// platform as `of_run`.
    ///
    /// # Errors
    /// As `of`.
    pub fn of_tests(
        options: &'a BuildOptions,
        words: &str,
        environment: &CliEnvironment,
    ) -> Result<Option<Self>, CliError> {
        match options.place.target.is_some() {
            true => Ok(None),
            false => Self::of_words(options, &format!("tests {words}"), environment),
        }
    }

    /// `words` tell this command from others with the same options of a build.
    fn of_words(
        options: &'a BuildOptions,
        words: &str,
        environment: &CliEnvironment,
    ) -> Result<Option<Self>, CliError> {
        let place = &options.place;
        let is_usual = options.trace.is_none() && !options.timings && place.manifest_path.is_none();
        if !is_usual || !pool_says_nothing(options.jobs.is_some()) {
            return Ok(None);
        }
        let here = current_dir()?;
        let Some(key) = key(options, words, environment, &here) else { return Ok(None) };
        let profile = match &place.profile {
            _ if place.release => "release",
            Some(name) => name,
            None => environment.chosen_profile().unwrap_or("dev"),
        };
        let profile = if profile == "dev" { "debug" } else { profile };
        let outputs = target_dir(place, environment, &here);
        let state_dir = |root: &Utf8Path| {
            let mut dir = root.join(&outputs);
            dir.extend(place.target.as_ref().map(|platform| platform.triple()));
            dir.join(profile).join(".tender")
        };
        let roots = here.ancestors().take(if outputs.is_absolute() { 1 } else { usize::MAX });
        Ok(Some(Self {
            options,
            key,
            places: roots.map(state_dir).collect(),
            is_plain: true,
            is_held: false,
        }))
    }

    /// Takes the short way, if there is a certificate that holds. Returns the words that `certify` was given.
    pub fn take(&mut self, terminal: Terminal, started: Instant) -> Option<Vec<String>> {
        let checked = self.check();
        self.is_plain = self.options.message_format == MessageFormat::Human;
        if self.is_plain
            && terminal.verbosity <= Verbosity::Normal
            && let Checked::Holds(certificate) = &checked
            && let Some(saying) = certificate.saying()
            && saying.is_quiet == Some(terminal.verbosity == Verbosity::Quiet)
        {
            let mut text = saying.texts.to_owned();
            if terminal.verbosity > Verbosity::Quiet {
                let end = words::finished_again(saying.end, started.elapsed());
                text += &style::status(FINISHED, end);
            }
            if !text.is_empty() {
                terminal.console().print(&text);
            }
            return Some(certificate.runs());
        }
        self.is_held = matches!(checked, Checked::Holds(_));
        if terminal.verbosity == Verbosity::VeryVerbose {
            let text = match &checked {
                Checked::None => "there is no certificate of such a build".to_owned(),
                Checked::Changed(path) => {
                    format!("the certificate does not hold: `{}` has changed", words::visible(path))
                }
                Checked::Holds(_) => "the certificate holds: nothing has changed".to_owned(),
            };
            terminal.console().print(&style::message(Level::Note, text));
        }
        Console::keep_texts();
        None
    }

    fn check(&self) -> Checked {
        let found = self.places.iter().find_map(|dir| {
            Certificate::read(dir, &self.key).map(|certificate| (dir, certificate))
        });
        let Some((state_dir, certificate)) = found else { return Checked::None };
        // Another build may be about to change what is looked at here: it is waited for on the long way.
        let Ok(Some(_lock)) = DirectoryLock::acquire(state_dir, |_| false) else {
            return Checked::None;
        };
        match certificate.changed() {
            Some(path) => Checked::Changed(path.to_owned()),
            None => Checked::Holds(certificate),
        }
    }

    /// Makes the certificate of a build that has taken the long way and found nothing to do. `runs`: words
    /// that tell how what was built is run, of `run`, `test` and `bench`.
    pub fn certify(&self, built: &Built, runs: &[String], terminal: Terminal) {
        let Some(looks) = looks::take() else { return };
        let said = Console::kept_texts();
        if terminal.verbosity == Verbosity::VeryVerbose
            && let Some(doubt) = &looks.doubt
        {
            let text = format!("there will be no certificate: {}", words::visible(doubt));
            terminal.console().print(&style::message(Level::Note, text));
        }
        let is_idle = built.exit == CliExit::Success && built.ran == 0;
        // One that a program has asked for does not replace one that says more.
        if !is_idle || terminal.verbosity > Verbosity::Normal || !self.is_plain && self.is_held {
            return;
        }
        let is_quiet = terminal.verbosity == Verbosity::Quiet;
        let end = words::finished_targets(&built.graph.profile);
        let saying = if !self.is_plain {
            Saying { is_quiet: None, texts: "", end: &end }
        } else if is_quiet {
            Saying { is_quiet: Some(true), texts: &said, end: &end }
        } else {
            // The end comes again, with another time.
            let line = style::status(FINISHED, &end);
            let Some(at) = said.rfind(line.trim_end()) else { return };
            if said[at..].lines().count() != 1 {
                return;
            }
            Saying { is_quiet: Some(false), texts: &said[..at], end: &end }
        };
        // Without one, the next build takes the long way.
        let _ = Certificate::write(&built.graph.state_dir, &self.key, saying, runs, &looks);
    }
}

enum Checked {
    None,
    /// This path.
    Changed(String),
    Holds(Certificate),
}

/// Whether the build would say nothing of a parent's jobserver.
fn pool_says_nothing(has_jobs: bool) -> bool {
    match Pool::from_env(&env::variable) {
        FromEnv::None => true,
        FromEnv::Inherited(_) => !has_jobs,
        FromEnv::Unusable(_) => false,
    }
}

fn key(
    options: &BuildOptions,
    words: &str,
    environment: &CliEnvironment,
    here: &Utf8Path,
) -> Option<CertificateKey> {
    let own = std::env::current_exe().ok()?;
    // Also of one that was replaced while it runs.
    let program = looks::state_now(Path::new("/proc/self/exe"))?;
    let mut options = options.clone();
    // They do not bear on what there is to do.
    options.message_format = MessageFormat::Human;
    options.jobs = None;
    options.keep_going = false;
    let mut variables: Vec<_> = env::all()
        .filter(|(name, _)| !UNCOUNTED.iter().any(|uncounted| name == uncounted))
        .collect();
    variables.sort_unstable();
    let user = rustix::process::geteuid().as_raw();
    let settings = format!(
        "{words} {options:?} {:?} {:?} {program:?} {user}",
        environment.config, environment.logical_dir
    );
    let words = [here.as_str().as_bytes(), own.as_os_str().as_encoded_bytes(), settings.as_bytes()];
    let variables = variables
        .iter()
        .flat_map(|(name, value)| [name.as_encoded_bytes(), value.as_encoded_bytes()]);
    Some(CertificateKey::new(words.into_iter().chain(variables)))
}
