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
        let arrivals = &self.arrivals;
        if let (Some(bar), Some(start_us)) = (&mut self.bar, arrivals.start_us) {
            let done = (arrivals.parts(), arrivals.planned * PARTS);
            bar.tick((start_us, now_us()), "Fetching", done, |columns| arrivals.text(columns));
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
        | SourceEvent::ReceivedObjects { .. }
        | SourceEvent::Ended { .. }
        | SourceEvent::Over => return None,
    })
}

/// The picture of the bar has so many parts for each source.
const PARTS: u64 = 1000;

/// What arrives, and has arrived.
#[derive(Debug, Default)]
struct Arrivals {
    start_us: Option<Micros>,
    planned: u64,
    done: u64,
    /// Of those that have ended.
    done_bytes: u64,
    /// What is fetched now, by its address. None: a repository of which nothing has arrived.
    running: BTreeMap<String, Option<Arrival>>,
}

/// How much of one source has arrived.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    bytes: u64,
    /// Of how many bytes, if that is known.
    total: Option<u64>,
    /// How much of it this is: bytes of bytes, or objects of objects.
    share: Option<(u64, u64)>,
}

impl Arrival {
    fn of_archive(bytes: u64, total: Option<u64>) -> Option<Arrival> {
        Some(Arrival { bytes, total, share: total.map(|total| (bytes, total)) })
    }
}

impl Arrivals {
    fn event(&mut self, event: &SourceEvent, now_us: Micros) {
        match event {
            SourceEvent::Planned { count } => {
                self.start_us.get_or_insert(now_us);
                self.planned += *count as u64;
            }
            SourceEvent::Downloading { url, resumed_at } => {
                self.running.insert(url.clone(), Arrival::of_archive(*resumed_at, None));
            }
            SourceEvent::Received { url, bytes, total } => {
                self.running.insert(url.clone(), Arrival::of_archive(*bytes, *total));
            }
            SourceEvent::ReceivedObjects { url, objects, total, bytes } => {
                let share = Some((*objects, *total));
                let arrival = Arrival { bytes: *bytes, total: None, share };
                self.running.insert(url.clone(), Some(arrival));
            }
            SourceEvent::Updating { url } => {
                self.running.insert(url.clone(), None);
            }
            SourceEvent::Ended { url } => {
                let arrived = self.running.remove(url).flatten();
                self.done_bytes += arrived.map_or(0, |arrival| arrival.bytes);
                self.done += 1;
            }
            SourceEvent::Over => self.start_us = None,
            SourceEvent::Unpacking { .. } | SourceEvent::Waiting { .. } => {}
        }
    }

    /// How much of the picture is drawn.
    fn parts(&self) -> u64 {
        let of_source = |arrived: &Option<Arrival>| {
            let (there, total) = (*arrived)?.share.filter(|(_, total)| *total > 0)?;
            Some((u128::from(there) * u128::from(PARTS) / u128::from(total)) as u64)
        };
        let running = self.running.values().filter_map(of_source);
        self.done * PARTS + running.map(|parts| parts.min(PARTS)).sum::<u64>()
    }

    /// `1/3, 1.1 MiB of 2 MiB: fmt-11.1.4.zip, zlib`, cut to `columns` between two parts.
    fn text(&self, columns: usize) -> String {
        let mut line = Fitted::new(columns);
        line.push(&format!("{}/{}", self.done, self.planned));
        let arriving = || self.running.values().flatten();
        let bytes = self.done_bytes + arriving().map(|arrival| arrival.bytes).sum::<u64>();
        let totals: Option<u64> = arriving().map(|arrival| arrival.total).sum();
        match totals {
            _ if bytes == 0 => {}
            None => _ = line.push(&format!(", {}", Bytes(bytes))),
            Some(totals) => {
                let all = Bytes(self.done_bytes + totals);
                line.push(&format!(", {} of {all}", Bytes(bytes)));
            }
        }
        for (n, url) in self.running.keys().enumerate() {
            let joint = if n == 0 { ": " } else { ", " };
            let name = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(url);
            if !line.push(&format!("{joint}{}", words::visible(name))) {
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
            received("c", 1 << 20, None),
            SourceEvent::Ended { url: url("c") },
        ] {
            arrivals.event(&event, Micros(0));
        }
        assert_eq!(arrivals.text(80), "1/4, 2 MiB of 4 MiB: zlib, a.zip");
        assert_eq!(arrivals.text(24), "1/4, 2 MiB of 4 MiB...");
        assert_eq!(arrivals.text(12), "1/4: zlib...");
        assert_eq!(arrivals.parts(), 1333);
        arrivals.event(&received("b.tar.xz", 1536, None), Micros(0));
        assert_eq!(arrivals.text(80), "1/4, 2 MiB: zlib, a.zip, b.tar.xz");
        let url = "git@example.org:zlib".to_owned();
        let objects = SourceEvent::ReceivedObjects { url, objects: 1, total: 4, bytes: 3 << 20 };
        arrivals.event(&objects, Micros(0));
        assert_eq!(arrivals.text(80), "1/4, 5 MiB: zlib, a.zip, b.tar.xz");
        assert_eq!(arrivals.parts(), 1583);
    }
}
