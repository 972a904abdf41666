//! The workspace of a build: taken from the round before or loaded, and loaded again when more is known of
//! it; with the record of what was looked at for that, as long as that tells all. Builds nothing.

use super::build::What;
use super::env::CliEnvironment;
use super::error::CliError;
use super::kept_round::{KeptRound, LoadOrigin, LoadedProject};
use super::options::BuildOptions;
use super::project::{Project, current_dir};
use super::terminal::Terminal;
use crate::graph::Graph;
use crate::manifest::ProbeAnswers;
use crate::report::{Verbosity, style, words};
use crate::sys::looks::{self, Looks};
use camino::{Utf8Path, Utf8PathBuf};
use tender_protocol::Level;

/// How the workspace is loaded.
#[derive(Clone, Copy)]
pub(super) struct ProjectLoader<'a> {
    /// What is built of it.
    pub choose: &'a dyn Fn(&Project) -> Result<What, CliError>,
    pub options: &'a BuildOptions,
    /// Tests, examples or benchmarks are among it.
    pub dev: bool,
    pub environment: &'a CliEnvironment,
    pub terminal: Terminal,
}

impl ProjectLoader<'_> {
    fn load(&self, probes: Option<ProbeAnswers>) -> Result<(Project, What), CliError> {
        let ProjectLoader { options, dev, environment, terminal, .. } = *self;
        let project = Project::open_for(options, dev, probes, environment, terminal)?;
        let what = (self.choose)(&project)?;
        Ok((project, what))
    }
}

/// A workspace on the way to its graph.
pub(super) struct Loading<'a> {
    loader: ProjectLoader<'a>,
    pub project: Project,
    pub what: What,
    /// The current directory.
    here: Utf8PathBuf,
    /// As it is compared.
    config: String,
    record: LoadRecord,
}

/// By what a workspace is known to be the same in the next round.
enum LoadRecord {
    /// By nothing: nobody asks, or it depends on more than paths.
    Nothing,
    /// What is looked at is being recorded.
    Open,
    /// What was looked at to load it, and to make its graph.
    Closed(Looks),
    /// It is that of the round before.
    Known(LoadOrigin),
}

impl<'a> Loading<'a> {
    /// That of the round before, with its graph, or a new one.
    ///
    /// # Errors
    /// The manifest or the choice is wrong.
    pub fn begin(
        loader: ProjectLoader<'a>,
        kept: Option<&mut KeptRound>,
    ) -> Result<(Loading<'a>, Option<Graph>), CliError> {
        let here = current_dir()?;
        let config = format!("{:?}", loader.environment.config);
        let is_kept = kept.is_some();
        let known = kept.and_then(|kept| take_loaded(kept, (&here, &config), loader.terminal));
        if let Some(LoadedProject { project, what, graph, origin }) = known {
            if !loader.environment.is_repeated {
                project.warn(loader.terminal);
            }
            let record = LoadRecord::Known(origin);
            return Ok((Loading { loader, project, what, here, config, record }, Some(graph)));
        }
        if is_kept {
            looks::record_contents();
        }
        let (project, what) = loader.load(None)?;
        let record = if is_kept { LoadRecord::Open } else { LoadRecord::Nothing };
        Ok((Loading { loader, project, what, here, config, record }, None))
    }

    /// The graph is made, so that all has been looked at.
    pub fn close_record(&mut self) {
        if let LoadRecord::Open = self.record {
            self.record = looks::take().map_or(LoadRecord::Nothing, LoadRecord::Closed);
        }
    }

    /// More than paths counts from now on: what items have found.
    pub fn drop_record(&mut self) {
        self.record = LoadRecord::Nothing;
    }

    /// # Errors
    /// The manifest or the choice is wrong.
    pub fn load_again(&mut self, probes: Option<ProbeAnswers>) -> Result<(), CliError> {
        self.drop_record();
        (self.project, self.what) = self.loader.load(probes)?;
        Ok(())
    }

    /// Writes the compile commands by `write`, unless they are known to be as they would be written.
    /// Returns by what the workspace may be used again; nothing is recorded afterwards.
    pub fn write_commands(&mut self, write: impl FnOnce(&Project, &What)) -> Option<LoadOrigin> {
        let load = match std::mem::replace(&mut self.record, LoadRecord::Nothing) {
            LoadRecord::Known(origin) if origin.has_commands() => return Some(origin),
            LoadRecord::Known(origin) => Some(origin.load),
            LoadRecord::Closed(load) => Some(load),
            LoadRecord::Nothing | LoadRecord::Open => None,
        };
        if load.is_some() {
            looks::record_contents();
        }
        write(&self.project, &self.what);
        let commands = load.is_some().then(looks::take).flatten();
        let (here, config) = (self.here.clone(), self.config.clone());
        load.zip(commands).map(|(load, commands)| LoadOrigin { here, config, load, commands })
    }
}

/// What the build before has loaded, if that need not be loaded anew.
fn take_loaded(
    kept: &mut KeptRound,
    (here, config): (&Utf8Path, &str),
    terminal: Terminal,
) -> Option<LoadedProject> {
    let (loaded, text) = match kept.take(here, config) {
        Ok(None) => return None,
        Ok(loaded) => (loaded, "the workspace is as it was: it is not loaded anew".to_owned()),
        Err(why) => (None, format!("the workspace is loaded anew: {}", words::visible(&why))),
    };
    if terminal.verbosity == Verbosity::VeryVerbose {
        terminal.console().print(&style::message(Level::Note, text));
    }
    loaded
}
