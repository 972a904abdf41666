//! `--timings`: an HTML page that shows how the time of a build was spent.
//!
//! - `collect.rs`: events -> `model.rs`, with `series.rs` for the values over time and
//!   `critical.rs` for the critical path. Pure.
//! - `render.rs`: the model as JSON inside the page whose parts are in `page/`, with `rows.rs` for
//!   where bars are drawn. Pure.
//! - this file: when and where the page is written, and the message about it.
//!
//! The page is one file and loads nothing, so it can be sent and archived.

mod collect;
mod critical;
mod model;
mod render;
mod rows;
mod series;
#[cfg(test)]
mod simulated;

pub use model::About;

use crate::events::{Event, Sink};
use crate::graph::Graph;
use crate::report::console::Console;
use crate::report::{style, words};
use camino::{Utf8Path, Utf8PathBuf};
use collect::Collector;
use tender_protocol::Level;

/// Collects events while the build runs, and writes the page when it ends, in whatever way.
pub struct Timings {
    path: Utf8PathBuf,
    collector: Collector,
    /// Absent with `-q`.
    console: Option<Console>,
    /// For the error if the page cannot be written, which is always shown.
    errors: Console,
}

impl Timings {
    /// `path` is replaced when the build ends. Receives events after the sink that draws the bar,
    /// so that it prints below the last line.
    pub fn new(path: Utf8PathBuf, about: About, console: Option<Console>, errors: Console) -> Self {
        Self { path, collector: Collector::new(about), console, errors }
    }

    fn write(&mut self, graph: &Graph) {
        let page = render::page(graph, &self.collector.model(graph));
        match replace(&self.path, page.as_bytes()) {
            Ok(()) => {
                let text = format!("report saved to {}", words::visible(self.path.as_str()));
                if let Some(console) = &mut self.console {
                    console.print(&style::status("Timing", text));
                }
            }
            Err(error) => {
                let text = format!("cannot write the timings page `{}`: {error}", self.path);
                self.errors.print(&style::message(Level::Warning, text));
            }
        }
    }
}

/// The page is renamed into place when it is complete: the old page may be open in a browser.
fn replace(path: &Utf8Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = Utf8PathBuf::from(format!("{path}.part"));
    std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path)).inspect_err(|_| {
        // After a failed write, for example on a full disk, the temporary file is useless.
        let _ = std::fs::remove_file(&part);
    })
}

impl Sink for Timings {
    fn event(&mut self, graph: &Graph, event: &Event) {
        self.collector.event(graph, event);
        if let Event::BuildFinished { .. } = event {
            self.write(graph);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{self, Shared};
    use std::time::Duration;
    use tender_units::Micros;

    fn finish(path: &Utf8Path) -> (String, String) {
        let (said, errors) = (Shared::default(), Shared::default());
        let console = |to: &Shared| Console::new(Box::new(to.clone()), false);
        let about = About { command: vec!["tender".into()], started_ms: 0 };
        let mut timings =
            Timings::new(path.to_owned(), about, Some(console(&said)), console(&errors));
        let graph = fixture::graph();
        timings.event(&graph, &Event::BuildStarted { jobs: 2, at_us: Micros(1) });
        timings.event(
            &graph,
            &Event::BuildFinished { success: true, elapsed: Duration::ZERO, at_us: Micros(9) },
        );
        let text = |from: Shared| String::from_utf8(from.0.take()).unwrap();
        (text(said), text(errors))
    }

    #[test]
    fn page_replaces_the_old_one_and_its_path_is_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("timings.html");
        std::fs::write(&path, "old").unwrap();
        let (said, errors) = finish(&path);
        assert_eq!(said, format!("      Timing report saved to {path}\n"));
        assert_eq!(errors, "");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("<!doctype html>"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no part is left");
    }

    #[test]
    fn page_that_cannot_be_written_is_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("absent/timings.html");
        let (said, errors) = finish(&path);
        assert_eq!(said, "");
        assert!(
            errors.starts_with(&format!("warning: cannot write the timings page `{path}`: ")),
            "{errors}"
        );
    }
}
