//! Reads a workspace, and fetches the sources from elsewhere that it takes.

use super::env::{self, CliEnvironment};
use super::error::CliError;
use super::options::{MessageFormat, NetworkOptions, PlaceOptions};
use super::project::target_dir;
use super::target_dir::UnmadeTargetDir;
use super::terminal::Terminal;
use crate::manifest::{
    self, LoadError, LoadOptions, Loaded, PackageFinder, SourceChoice, TargetPlatform,
};
use crate::report::{Place, SourceLines, SourceMessages, Verbosity};
use crate::sources::{
    GitProgram, SourceCache, SourceEvent, SourceNetwork, SourceSink, SourceStore,
};
use crate::toolchain;
use camino::{Utf8Path, Utf8PathBuf};
use std::rc::Rc;

/// The sources of the workspace of a command. `vendored`: copies in the workspace count.
pub fn store(
    place: &PlaceOptions,
    vendored: bool,
    environment: &CliEnvironment,
    here: &Utf8Path,
) -> Rc<SourceStore> {
    let cache = environment.cache_dir().map(|dir| here.join(dir));
    let git = GitProgram::new(env::all());
    let target_dir = target_dir(place, environment, here);
    let NetworkOptions { locked, offline, frozen } = place.network;
    let network = SourceNetwork { locked: locked || frozen, offline: offline || frozen };
    Rc::new(SourceStore::new(SourceCache::new(cache), git, network, target_dir, vendored))
}

/// Asks pkg-config, whose answers are kept where builds by this profile keep them.
#[derive(Debug)]
pub struct SystemPackages {
    /// The directory of all outputs; where it is relative, it is below that of the workspace.
    pub target_dir: Utf8PathBuf,
    pub profile: String,
}

impl PackageFinder for SystemPackages {
    fn has(&self, root: &Utf8Path, package: &str, target: Option<&TargetPlatform>) -> bool {
        let target_dir = root.join(&self.target_dir);
        // The answer is kept there.
        let _marked = UnmadeTargetDir::watch(&target_dir);
        let mut dir = target_dir.clone();
        dir.extend(target.map(|target| target.platform.triple()));
        let profile = if self.profile == "dev" { "debug" } else { &self.profile };
        toolchain::has_package(&dir.join(profile).join(".tender"), package, target)
    }
}

/// Says that the system has nothing, so that all fallbacks are known.
#[derive(Debug)]
pub struct NoPackages;

impl PackageFinder for NoPackages {
    fn has(&self, _: &Utf8Path, _: &str, _: Option<&TargetPlatform>) -> bool {
        false
    }
}

/// Shows what is fetched, to people and with `--message-format json` to programs.
pub struct SourceReport {
    lines: SourceLines,
    messages: Option<SourceMessages>,
}

impl SourceReport {
    pub fn new(terminal: Terminal, format: MessageFormat) -> SourceReport {
        let console = (terminal.verbosity > Verbosity::Quiet).then(|| terminal.console());
        let is_json = format == MessageFormat::Json;
        let bar = (terminal.bar && !is_json).then(|| Place::stderr(terminal.colour));
        SourceReport {
            lines: SourceLines::new(console, bar),
            messages: is_json.then(SourceMessages::stdout),
        }
    }
}

impl SourceSink for SourceReport {
    fn event(&mut self, event: &SourceEvent) {
        self.lines.event(event);
        if let Some(messages) = &mut self.messages {
            messages.event(event);
        }
    }

    fn tick(&mut self) {
        self.lines.tick();
    }
}

/// Reads the workspace of the manifest. Fetches what it takes, as far as `request.sources` says, and
/// brings the lock file up to date.
///
/// # Errors
/// A manifest or the lock file is wrong, or sources cannot be had.
pub fn load(
    root: &Utf8Path,
    request: &mut LoadOptions,
    store: &Rc<SourceStore>,
    report: &mut SourceReport,
) -> Result<Loaded, CliError> {
    request.finder = Some(store.clone());
    loop {
        let (root, wanted) = match manifest::load_with(root, request) {
            Ok(loaded) => {
                if request.sources != SourceChoice::Present {
                    store.finish(&loaded.workspace.root, &loaded.sources)?;
                }
                return Ok(loaded);
            }
            Err(LoadError::Manifest(errors)) => return Err(errors.into()),
            Err(LoadError::Sources { root, wanted }) => (root, wanted),
        };
        super::target_dir::prepare(&store.target_dir(&root))?;
        store.provide(&root, &wanted, report).map_err(CliError::Sources)?;
    }
}
