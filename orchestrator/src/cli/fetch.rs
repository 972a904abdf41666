//! `tender fetch`, `tender update` and `tender vendor`: the sources from elsewhere of a whole workspace.

use super::env::CliEnvironment;
use super::error::{CliError, suggestion};
use super::exit::CliExit;
use super::options::{FetchOptions, MessageFormat, PlaceOptions, UpdateOptions};
use super::project::{Project, current_dir};
use super::sources::{self, NoPackages, SourceReport};
use super::terminal::Terminal;
use crate::manifest::{FeatureCrates, LoadOptions, LockedSource, SourceChoice, SourceOrigin};
use crate::report::{style, words};
use crate::sources::{SourceCheck, SourceStore, VENDOR_DIR};
use camino::Utf8PathBuf;
use std::rc::Rc;
use tender_protocol::Level;

/// `tender fetch`: fetches all sources, and looks at those that are there.
///
/// # Errors
/// A manifest or the lock file is wrong, or sources cannot be had.
pub fn fetch(
    options: &FetchOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let opened = Opened::new(options, true, environment, terminal)?;
    opened.load(environment, terminal)?;
    let mut edited = 0;
    for (source, found) in opened.store.check()? {
        let names = source.crates.join("`, `");
        match found {
            SourceCheck::Whole => {}
            SourceCheck::Made => {
                edited += 1;
                let text = format!("`{names}`: its unpacked sources had been changed");
                terminal.say(&style::caution("Restoring", text));
            }
            SourceCheck::Vendored(dir) => {
                let text = format!(
                    "the files in {dir} are not those of {}: they have been changed",
                    source.origin
                );
                terminal.console().print(&style::message(Level::Warning, text));
            }
        }
    }
    if edited > 0 {
        opened.load(environment, terminal)?;
    }
    let count = opened.store.locked().len();
    terminal.say(&style::status("Fetched", words::count(count, "source")));
    Ok(CliExit::Success)
}

/// `tender update`: chooses commits of repositories again.
///
/// # Errors
/// As `fetch`; or there is no such source.
pub fn update(
    options: &UpdateOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let opened = Opened::new(&options.fetch, false, environment, terminal)?;
    let before = opened.store.lock_file(&opened.root)?;
    for name in &options.package {
        let mut known = before.iter().flat_map(|source| &source.crates).map(String::as_str);
        if !known.clone().any(|known| known == name) {
            let error = CliError::usage(format!("no crate `{name}` is taken from elsewhere"));
            return Err(match suggestion(name, &mut known) {
                Some(help) => error.with_help(help),
                None => error.with_help("`Tender.lock` has the names of all"),
            });
        }
    }
    opened.store.forget(&options.package);
    opened.load(environment, terminal)?;
    let mut changed = 0;
    for new in opened.store.locked() {
        let old = before.iter().find(|old| old.origin == new.origin);
        let Some(line) = change(old, &new) else { continue };
        changed += 1;
        terminal.say(&style::status("Updated", line));
    }
    if changed == 0 {
        terminal.say(&style::status("Updated", "nothing: all commits are those of the lock file"));
    }
    Ok(CliExit::Success)
}

/// What has changed about a source; None: nothing that counts.
fn change(old: Option<&LockedSource>, new: &LockedSource) -> Option<String> {
    let names = format!("`{}`", new.crates.join("`, `"));
    let short = |source: &LockedSource| match (&source.origin, &source.commit) {
        (SourceOrigin::Git { .. }, Some(commit)) => commit[..12].to_owned(),
        (origin, _) => origin.to_string(),
    };
    match old {
        None => Some(format!("{names}: {}", short(new))),
        Some(old) if old.commit != new.commit => {
            Some(format!("{names}: {} -> {}", short(old), short(new)))
        }
        Some(old) if old.tree != new.tree => Some(format!("{names}: the digest of its files")),
        Some(_) => None,
    }
}

/// `tender vendor`: copies all sources into the workspace.
///
/// # Errors
/// As `fetch`; or they cannot be written.
pub fn vendor(
    options: &FetchOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let opened = Opened::new(options, false, environment, terminal)?;
    opened.load(environment, terminal)?;
    // What was edited is not what is copied.
    if opened.store.check()?.iter().any(|(_, found)| *found != SourceCheck::Whole) {
        opened.load(environment, terminal)?;
    }
    if opened.store.locked().is_empty() {
        terminal.say(&style::status("Copied", "nothing: no dependency is from elsewhere"));
        return Ok(CliExit::Success);
    }
    let count = opened.store.vendor(&opened.root)?;
    let text = format!("{} to {}", words::count(count, "source"), opened.root.join(VENDOR_DIR));
    terminal.say(&style::status("Copied", text));
    Ok(CliExit::Success)
}

/// A workspace and its sources, before any is fetched.
struct Opened {
    /// The directory of the workspace.
    root: Utf8PathBuf,
    manifest: Utf8PathBuf,
    store: Rc<SourceStore>,
    format: MessageFormat,
}

impl Opened {
    /// `vendored`: copies in the workspace count.
    fn new(
        options: &FetchOptions,
        vendored: bool,
        environment: &CliEnvironment,
        terminal: Terminal,
    ) -> Result<Self, CliError> {
        let place = PlaceOptions {
            target_dir: options.target_dir.clone(),
            manifest_path: options.manifest_path.clone(),
            network: options.network,
            ..PlaceOptions::default()
        };
        let project = Project::open(&place, environment, terminal)?;
        let (root, manifest) = (project.workspace.root, project.workspace.manifest);
        let store = sources::store(&place, vendored, environment, &current_dir()?);
        Ok(Self { root, manifest, store, format: options.message_format })
    }

    /// Fetches all that is not there.
    fn load(&self, environment: &CliEnvironment, terminal: Terminal) -> Result<(), CliError> {
        let mut request = LoadOptions {
            config: environment.config.texts.clone(),
            crates: FeatureCrates::Members,
            sources: SourceChoice::All,
            packages: Some(Rc::new(NoPackages)),
            ..LoadOptions::default()
        };
        // Warnings have been shown.
        let mut report = SourceReport::new(terminal, self.format);
        sources::load(&self.manifest, &mut request, &self.store, &mut report)?;
        Ok(())
    }
}
