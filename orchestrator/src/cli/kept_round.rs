//! What a round of `--watch` leaves for the next one: workers, the workspace as it was loaded, its graph.
//! The one owner of these between rounds.
//!
//! A workspace is used again only where a fresh load would give the same: directory and config are the same,
//! and every path that was looked at to load it is as it was (`sys/looks.rs`). Options and environment are
//! those of this process. What no path tells is loaded anew: answers of programs that have just been
//! asked, sources that have just been fetched, and whatever depends on items, as probes and scans do.

use super::build::{Built, What};
use super::project::Project;
use crate::engine::KeptWorkers;
use crate::graph::Graph;
use crate::sys::looks::Looks;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;

#[derive(Default)]
pub struct KeptRound {
    pub workers: KeptWorkers,
    /// Files that have changed since, without symbolic links; none, if they are too many to be told.
    pub changed: BTreeSet<Utf8PathBuf>,
    loaded: Option<LoadedProject>,
}

/// A workspace, what is built of it, and what was looked at for that.
pub struct LoadedProject {
    pub project: Project,
    pub what: What,
    pub graph: Graph,
    pub origin: LoadOrigin,
}

/// By what a workspace is known to be the same.
pub struct LoadOrigin {
    /// The current directory.
    pub here: Utf8PathBuf,
    /// What `--config` and config files said, as it is compared.
    pub config: String,
    /// What was looked at to load it, and to make its graph.
    pub load: Looks,
    /// What was looked at to write its compile commands.
    pub commands: Looks,
}

impl LoadOrigin {
    /// Whether its compile commands are as they would be written.
    pub fn has_commands(&self) -> bool {
        self.commands.changed().is_none()
    }
}

impl KeptRound {
    pub(super) fn keep(&mut self, built: Built) {
        let Built { project, graph, what, origin, .. } = built;
        self.loaded = origin.map(|origin| LoadedProject { project, what, graph, origin });
    }

    /// The workspace of the round before, if one was kept.
    ///
    /// # Errors
    /// Why it has to be loaded anew.
    pub(super) fn take(
        &mut self,
        here: &Utf8Path,
        config: &str,
    ) -> Result<Option<LoadedProject>, String> {
        let Some(loaded) = self.loaded.take() else { return Ok(None) };
        if loaded.origin.here != here {
            return Err(format!("this directory was `{}`", loaded.origin.here));
        }
        if loaded.origin.config != config {
            return Err("the config is another".to_owned());
        }
        match loaded.origin.load.changed() {
            None => Ok(Some(loaded)),
            Some(why) => Err(why),
        }
    }
}
