//! Sources that are fetched, for people: a line for each thing that is done, and on a terminal a bar with
//! what arrives. Knows nothing of how they are fetched.

use crate::report::bar_line::{BarLine, Fitted, Place};
use crate::report::console::Console;
use crate::report::{style, words};
use crate::sources::{SourceEvent, SourceSink};
use crate::sys::now_us;
use std::collections::BTreeMap;
use tender_units::{Bytes, Micros};

pub struct SourceLines {
    /// None: only errors are shown.
    console: Option<Console>,
    bar: Option<BarLine>,
    arrivals: Arrivals,
}

impl SourceLines {
    /// `bar`: where it is drawn, if there is a terminal.
    pub fn new(console: Option<Console>, bar: Option<Place>) -> SourceLines {
        SourceLines { console, bar: bar.map(BarLine::new), arrivals: Arrivals::default() }
    }
}

impl SourceSink for SourceLines {
    fn event(&mut self, event: &SourceEvent) {
        self.arrivals.event(event, now_us());
        let Some(text) = line(event) else {
            if matches!(event, SourceEvent::Over)
                && let Some(bar) = &mut self.bar
            {
                bar.clear();
            }
            return;
        };
        if let Some(bar) = &mut self.bar {
            bar.clear();
        }
        if let Some(console) = &mut self.console {
            console.print(&text);
        }
    }

    fn tick(&mut self) {
        let (arrivals, now_us) = (&self.arrivals, now_us());
        if let (Some(bar), Some(start_us)) = (&mut self.bar, arrivals.start_us) {
            let done = (arrivals.done, arrivals.planned);
            bar.tick((start_us, now_us), "Fetching", done, |columns| {
                arrivals.text(now_us, columns)
            });
        }
    }
}

/// What stays on the terminal.
fn line(event: &SourceEvent) -> Option<String> {
    Some(match event {
        SourceEvent::Downloading { url, resumed_at: 0 } => style::status("Downloading", url),
        SourceEvent::Downloading { url, resumed_at } => {
            style::status("Resuming", format!("{url} after {}", Bytes(*resumed_at)))
        }
        SourceEvent::Updating { url } => style::status("Updating", format!("git repository {url}")),
        SourceEvent::Unpacking { krate, what } => {
            style::status("Unpacking", format!("`{krate}` from {what}"))
        }
        SourceEvent::Waiting { what } => {
            style::caution("Blocking", format!("waiting for another download of {what}"))
        }
        SourceEvent::Planned { .. }
        | SourceEvent::Received { .. }
        | SourceEvent::Ended { .. }
        | SourceEvent::Over => return None,
    })
}

/// What arrives, and has arrived.
#[derive(Debug, Default)]
struct Arrivals {
    start_us: Option<Micros>,
    planned: u64,
    done: u64,
    /// What is fetched now, by its address: how much is there, and of how much; None: a repository.
    running: BTreeMap<String, Option<(u64, Option<u64>)>>,
}

impl Arrivals {
    fn event(&mut self, event: &SourceEvent, now_us: Micros) {
        match event {
            SourceEvent::Planned { count } => {
                self.start_us.get_or_insert(now_us);
                self.planned += *count as u64;
            }
            SourceEvent::Downloading { url, resumed_at } => {
                self.running.insert(url.clone(), Some((*resumed_at, None)));
            }
            SourceEvent::Received { url, bytes, total } => {
                self.running.insert(url.clone(), Some((*bytes, *total)));
            }
            SourceEvent::Updating { url } => {
                self.running.insert(url.clone(), None);
            }
            SourceEvent::Ended { url } => {
                self.running.remove(url);
                self.done += 1;
            }
            SourceEvent::Over => self.start_us = None,
            SourceEvent::Unpacking { .. } | SourceEvent::Waiting { .. } => {}
        }
    }

    /// `1/3, 5s: fmt-11.1.4.zip (1.1 MiB of 2 MiB), zlib`, cut to `columns` between two parts.
    fn text(&self, now_us: Micros, columns: usize) -> String {
        let mut line = Fitted::new(columns);
        line.push(&format!("{}/{}", self.done, self.planned));
        let elapsed = now_us.saturating_sub(self.start_us.unwrap_or(now_us));
        line.push(&format!(", {}", words::rough(elapsed.duration())));
        for (n, (url, arrived)) in self.running.iter().enumerate() {
            let joint = if n == 0 { ": " } else { ", " };
            let name = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(url);
            let arrived = match arrived {
                None | Some((0, None)) => String::new(),
                Some((bytes, None)) => format!(" ({})", Bytes(*bytes)),
                Some((bytes, Some(total))) => format!(" ({} of {})", Bytes(*bytes), Bytes(*total)),
            };
            if !line.push(&format!("{joint}{}{arrived}", words::visible(name))) {
                line.push("...");
                break;
            }
        }
        line.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_shown_as_far_as_they_fit() {
        let mut arrivals = Arrivals::default();
        let url = |name: &str| format!("https://example.org/{name}");
        let received =
            |name: &str, bytes, total| SourceEvent::Received { url: url(name), bytes, total };
        for event in [
            SourceEvent::Planned { count: 4 },
            SourceEvent::Updating { url: "git@example.org:zlib".to_owned() },
            SourceEvent::Downloading { url: url("a.zip"), resumed_at: 0 },
            received("a.zip", 1 << 20, Some(3 << 20)),
            received("b.tar.xz?x", 1536, None),
            received("c", 7, None),
            SourceEvent::Ended { url: url("c") },
        ] {
            arrivals.event(&event, Micros(0));
        }
        let text = |columns| arrivals.text(Micros(2_000_000), columns);
        assert_eq!(text(80), "1/4, 2s: zlib, a.zip (1 MiB of 3 MiB), b.tar.xz?x (1.5 KiB)");
        assert_eq!(text(40), "1/4, 2s: zlib, a.zip (1 MiB of 3 MiB)...");
        assert_eq!(text(20), "1/4, 2s: zlib...");
    }
}
