//! The progress bar of a build: how much is done, what runs, the elapsed and the expected remaining time.
//! Computes the text; `bar_line` draws it. Knows no diagnostics.

use crate::events::Event;
use crate::graph::{Graph, Item, ItemKind};
use crate::keys::ItemId;
use crate::report::bar_line::{BarLine, Fitted, Place};
use crate::report::words;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tender_protocol::{Outcome, PhaseName};
use tender_units::Micros;

pub struct Bar {
    line: BarLine,
    progress: BarState,
}

impl Bar {
    pub fn new(place: Place) -> Self {
        Self { line: BarLine::new(place), progress: BarState::default() }
    }

    pub fn event(&mut self, graph: &Graph, event: &Event) {
        self.progress.event(graph, event);
    }

    /// Draws if that is due. `now_us` is CLOCK_MONOTONIC.
    pub fn tick(&mut self, graph: &Graph, now_us: Micros) {
        let progress = &self.progress;
        let Some(start_us) = progress.start_us else { return };
        if progress.total > 0 {
            let counts = (u64::from(progress.done), u64::from(progress.total));
            self.line.tick((start_us, now_us), progress.verb, counts, |columns| {
                progress.line(graph, now_us, columns)
            });
        }
    }

    /// Erases the bar; the next due tick draws it again.
    pub fn clear(&mut self) {
        self.line.clear();
    }
}

/// A shortage of memory is shown when it has lasted this long, and until it has been over for this
/// long, because there are always short gaps between two items.
const SHORTAGE_SHOWS_US: Micros = Micros::from_millis(300);

/// Slots are free, but no memory for items that could run on them.
#[derive(Clone, Copy, Debug)]
struct UnusedSlots {
    slots: u32,
    since_us: Micros,
    /// When it ended.
    until_us: Option<Micros>,
}

impl UnusedSlots {
    fn is_over(&self, now_us: Micros) -> bool {
        self.until_us.is_some_and(|until_us| now_us >= until_us + SHORTAGE_SHOWS_US)
    }

    fn is_shown(&self, now_us: Micros) -> bool {
        let lasted_us = self.until_us.unwrap_or(now_us).saturating_sub(self.since_us);
        lasted_us >= SHORTAGE_SHOWS_US && !self.is_over(now_us)
    }
}

/// An item that runs.
#[derive(Debug)]
struct RunningItem {
    since_us: Micros,
    /// The codegen units that are done, each with its unit. Empty if the unit is not cut.
    pieces: BTreeSet<(Option<String>, u32)>,
}

impl RunningItem {
    /// A phase of a piece has ended. No event has the number of pieces.
    fn piece(&mut self, phase: PhaseName, of: Option<&String>, cgu: u32) {
        if matches!(phase, PhaseName::Emit | PhaseName::Backend | PhaseName::Serialise) {
            self.pieces.insert((of.cloned(), cgu));
        }
    }
}

/// The state of the build.
#[derive(Debug)]
struct BarState {
    verb: &'static str,
    start_us: Option<Micros>,
    jobs: u32,
    done: u32,
    total: u32,
    running: BTreeMap<ItemId, RunningItem>,
    /// Dirty items that have not finished, the running ones included.
    unfinished: BTreeSet<ItemId>,
    /// The time in an earlier build, microseconds.
    expected: HashMap<ItemId, Micros>,
    /// The measured times of finished items, by kind.
    measured: HashMap<ItemKind, KindTimes>,
    /// The last message of progress.
    shortage: Option<UnusedSlots>,
}

impl Default for BarState {
    fn default() -> Self {
        Self {
            verb: "Building",
            start_us: None,
            jobs: 1,
            done: 0,
            total: 0,
            running: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            expected: HashMap::new(),
            measured: HashMap::new(),
            shortage: None,
        }
    }
}

impl BarState {
    fn event(&mut self, graph: &Graph, event: &Event) {
        match *event {
            Event::BuildStarted { jobs, at_us } => {
                self.start_us = Some(at_us);
                self.jobs = jobs.max(1);
                if graph.items.iter().any(|item| item.kind == ItemKind::Check) {
                    self.verb = "Checking";
                }
            }
            Event::Progress { done, total } => (self.done, self.total) = (done, total),
            Event::Dirty { item, .. } => {
                self.unfinished.insert(item);
            }
            Event::Expected { item, wall_us } => {
                self.expected.insert(item, wall_us);
            }
            Event::ItemStarted { item, at_us, .. } => {
                self.running.insert(item, RunningItem { since_us: at_us, pieces: BTreeSet::new() });
            }
            Event::Phase { item, phase, cgu: Some(cgu), ref of, .. } => {
                if let Some(running) = self.running.get_mut(&item) {
                    running.piece(phase, of.as_ref(), cgu);
                }
            }
            Event::ItemFinished { item, outcome, wall_us, .. } => {
                self.running.remove(&item);
                self.unfinished.remove(&item);
                if outcome == Outcome::Ok {
                    self.measured
                        .entry(graph[item].kind)
                        .or_default()
                        .add(graph[item].size, wall_us);
                }
            }
            Event::ItemLost { item, .. } => {
                self.running.remove(&item);
            }
            Event::ShortOfMemory { slots, at_us } => self.short_of_memory(slots, at_us),
            _ => {}
        }
    }

    fn short_of_memory(&mut self, slots: u32, at_us: Micros) {
        self.shortage = match self.shortage.filter(|shortage| !shortage.is_over(at_us)) {
            Some(shortage) if slots == 0 => Some(UnusedSlots { until_us: Some(at_us), ..shortage }),
            Some(shortage) => Some(UnusedSlots { slots, until_us: None, ..shortage }),
            None => (slots > 0).then_some(UnusedSlots { slots, since_us: at_us, until_us: None }),
        };
    }

    /// `12/85, 5s, about 20s left, 3 slots wait for memory: sqlite3.c of sqlite (4s), huf.c of zstd`,
    /// cut to `columns` between two parts.
    fn line(&self, graph: &Graph, now_us: Micros, columns: usize) -> String {
        let mut line = Fitted::new(columns);
        line.push(&format!("{}/{}", self.done, self.total));
        let elapsed = now_us.saturating_sub(self.start_us.unwrap_or(now_us));
        line.push(&format!(", {}", words::rough(elapsed.duration())));
        if let Some(left) = self.left(graph, now_us) {
            line.push(&format!(", about {} left", words::rough(left)));
        }
        if let Some(UnusedSlots { slots, .. }) =
            self.shortage.filter(|shortage| shortage.is_shown(now_us))
        {
            let verb = if slots == 1 { "waits" } else { "wait" };
            line.push(&format!(", {} {verb} for memory", words::count(slots as usize, "slot")));
        }
        for (n, name) in self.names(graph, now_us).into_iter().enumerate() {
            let joint = if n == 0 { ": " } else { ", " };
            if !line.push(&format!("{joint}{name}")) {
                line.push("...");
                break;
            }
        }
        line.text
    }

    /// The files of all units that run, with their crates, in the order in which they started; the
    /// first with its time.
    fn names(&self, graph: &Graph, now_us: Micros) -> Vec<String> {
        let mut running: Vec<(&ItemId, &RunningItem)> = self.running.iter().collect();
        running.sort_by_key(|(item, running)| (running.since_us, **item));
        let mut names: Vec<String> = running.iter().map(|(item, _)| file(&graph[**item])).collect();
        if let Some((_, first)) = running.first() {
            let time = words::rough(now_us.saturating_sub(first.since_us).duration());
            let pieces = match first.pieces.len() {
                0 => String::new(),
                done => format!(", {} done", words::count(done, "piece")),
            };
            names[0] += &format!(" ({time}{pieces})");
        }
        names
    }

    /// The remaining time: that of all remaining items, divided by the number of jobs, and at least
    /// that of the longest item. `None` until an item was measured, in this build or an earlier
    /// one.
    fn left(&self, graph: &Graph, now_us: Micros) -> Option<Duration> {
        if self.measured.is_empty() && self.expected.is_empty() {
            return None;
        }
        let (mut sum, mut longest) = (Micros::ZERO, Micros::ZERO);
        for item in &self.unfinished {
            let of = &graph[*item];
            let guess = || {
                self.measured.get(&of.kind).map_or(Micros::ZERO, |measured| measured.guess(of.size))
            };
            let whole = self.expected.get(item).copied().unwrap_or_else(guess);
            let spent = self
                .running
                .get(item)
                .map_or(Micros::ZERO, |running| now_us.saturating_sub(running.since_us));
            let rest = whole.saturating_sub(spent);
            sum += rest;
            longest = longest.max(rest);
        }
        Some(longest.max(sum / u64::from(self.jobs)).duration())
    }
}

/// `b.c of zip`; a program that is named like its crate is `app`.
fn file(item: &Item) -> String {
    let file = item.label.rsplit_once('/').map_or(item.label.as_str(), |(_, file)| file);
    if file == item.krate_name {
        return item.krate_name.clone();
    }
    format!("{} of {}", words::visible(file), item.krate_name)
}

/// The sum of the times of items of one kind, and of the sizes of their sources,
/// bytes.
#[derive(Clone, Copy, Debug, Default)]
struct KindTimes {
    items: u64,
    bytes: u64,
    time: Micros,
}

impl KindTimes {
    fn add(&mut self, bytes: u64, time: Micros) {
        self.items += 1;
        self.bytes += bytes;
        self.time += time;
    }

    /// Half of the time of a compile is in proportion to the size of its source; the other half,
    /// mostly headers, is the same for all.
    fn guess(&self, bytes: u64) -> Micros {
        let items = self.items.max(1) as f64;
        let (mean_us, mean_bytes) = (self.time.0 as f64 / items, self.bytes as f64 / items);
        let relative = if mean_bytes > 0.0 { bytes as f64 / mean_bytes } else { 1.0 };
        Micros((mean_us * (0.5 + 0.5 * relative)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::RebuildReason;
    use crate::report::fixture;
    use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike};
    use tender_units::Bytes;
    use unicode_width::UnicodeWidthStr;

    fn bar(term: &InMemoryTerm) -> Bar {
        let (target, width) = (term.clone(), term.clone());
        Bar::new(Place {
            target: Box::new(move || ProgressDrawTarget::term_like(Box::new(target.clone()))),
            width: Box::new(move || usize::from(width.width())),
            colour: false,
        })
    }

    fn started(item: ItemId, at_us: Micros) -> Event {
        Event::ItemStarted { item, worker: None, slot: 0, at_us }
    }

    /// Two units run, one of three is done after two seconds.
    fn busy(bar: &mut Bar, graph: &Graph) {
        let dirty = |item| Event::Dirty { item, reason: RebuildReason::New };
        for event in [
            Event::BuildStarted { jobs: 2, at_us: Micros(0) },
            dirty(fixture::ZIP_A),
            dirty(fixture::ZIP_B),
            dirty(fixture::APP_MAIN),
            Event::Progress { done: 0, total: 3 },
            started(fixture::ZIP_A, Micros(0)),
            started(fixture::ZIP_B, Micros(0)),
            Event::ItemFinished {
                item: fixture::ZIP_A,
                outcome: Outcome::Ok,
                at_us: Micros(2_000_000),
                wall_us: Micros(2_000_000),
                peak_bytes: Bytes(0),
            },
            Event::Progress { done: 1, total: 3 },
            started(fixture::APP_MAIN, Micros(2_000_000)),
            Event::Expected { item: fixture::ZIP_B, wall_us: Micros(9_000_000) },
        ] {
            bar.event(graph, &event);
        }
    }

    #[track_caller]
    fn check(columns: u16, expect: &str) {
        let graph = fixture::graph();
        let term = InMemoryTerm::new(4, columns);
        let mut bar = bar(&term);
        busy(&mut bar, &graph);
        bar.tick(&graph, Micros(3_000_000));
        assert_eq!(term.contents(), expect);
        for line in term.contents().lines() {
            assert!(line.width() < usize::from(columns), "{line}");
        }
        bar.clear();
        assert_eq!(term.contents(), "");
    }

    #[test]
    fn bar_fits_the_terminal() {
        // `b.c` took 9 s before, so 6 s are left; `main.c` is guessed from `a.c`: 1 s.
        check(
            100,
            "    Building [========>                 ] 1/3, 3s, about 6s left: b.c of zip (3s), main.c of app",
        );
        check(70, "    Building [========>                 ] 1/3, 3s, about 6s left...");
        check(56, "    Building 1/3, 3s, about 6s left: b.c of zip (3s)...");
        check(24, "    Building 1/3, 3s...");
        check(20, "1/3, 3s...");
        check(5, "1/3");
    }

    #[test]
    fn bar_shows_how_many_pieces_of_a_unit_are_done() {
        let graph = fixture::graph();
        let term = InMemoryTerm::new(4, 120);
        let mut bar = bar(&term);
        busy(&mut bar, &graph);
        let phase = |phase, cgu| Event::Phase {
            item: fixture::ZIP_B,
            worker: None,
            slot: 0,
            phase,
            cgu,
            of: None,
            start_us: Micros(0),
            dur_us: Micros(1),
        };
        bar.event(&graph, &phase(PhaseName::Emit, None));
        for cgu in 0..3 {
            bar.event(&graph, &phase(PhaseName::Optimise, Some(cgu)));
        }
        for cgu in [0, 2, 2] {
            bar.event(&graph, &phase(PhaseName::Emit, Some(cgu)));
        }
        bar.tick(&graph, Micros(3_000_000));
        assert_eq!(
            term.contents(),
            "    Building [========>                 ] 1/3, 3s, about 6s left: b.c of zip (3s, 2 pieces done), main.c of app"
        );
    }

    #[test]
    fn bar_shows_without_flicker_that_memory_is_the_limit() {
        let graph = fixture::graph();
        let term = InMemoryTerm::new(4, 120);
        let mut bar = bar(&term);
        busy(&mut bar, &graph);
        let mut check = |slots: Option<u32>, at_us: Micros, drawn_us: Micros, expect: &str| {
            if let Some(slots) = slots {
                bar.event(&graph, &Event::ShortOfMemory { slots, at_us });
            }
            bar.tick(&graph, drawn_us);
            let line = term.contents();
            let said =
                line.split_once("left").and_then(|(_, rest)| rest.split_once(':')).unwrap().0;
            assert_eq!(said, expect, "{drawn_us:?}: {line}");
        };
        check(Some(0), Micros(2_000_000), Micros(2_100_000), "");
        check(Some(3), Micros(2_200_000), Micros(2_300_000), "");
        check(Some(2), Micros(2_400_000), Micros(2_600_000), ", 2 slots wait for memory");
        // A gap between two items.
        check(Some(0), Micros(2_700_000), Micros(2_800_000), ", 2 slots wait for memory");
        check(Some(1), Micros(2_900_000), Micros(2_950_000), ", 1 slot waits for memory");
        check(Some(0), Micros(3_100_000), Micros(3_500_000), "");
        // A new one.
        check(Some(1), Micros(3_600_000), Micros(3_700_000), "");
    }

    #[test]
    fn bar_is_drawn_late_and_ten_times_a_second() {
        let graph = fixture::graph();
        let term = InMemoryTerm::new(4, 100);
        let mut bar = bar(&term);
        busy(&mut bar, &graph);
        let mut draws = Vec::new();
        for now_us in (0..1_000_000).step_by(10_000) {
            bar.tick(&graph, Micros(now_us));
            if !term.moves_since_last_check().is_empty() {
                draws.push(now_us);
            }
        }
        assert_eq!(draws, [500_000, 600_000, 700_000, 800_000, 900_000]);
    }

    #[test]
    fn bar_is_not_drawn_where_nothing_is_done() {
        let graph = fixture::graph();
        let term = InMemoryTerm::new(4, 100);
        let mut bar = bar(&term);
        bar.event(&graph, &Event::BuildStarted { jobs: 2, at_us: Micros(0) });
        bar.tick(&graph, Micros(10_000_000));
        assert_eq!(term.moves_since_last_check(), "");
    }

    #[test]
    fn bar_measures_wide_and_strange_names() {
        let mut graph = fixture::graph();
        graph.items[1].label = "zip/src/漢字漢字漢字\n.c".into();
        let term = InMemoryTerm::new(4, 80);
        let mut bar = bar(&term);
        busy(&mut bar, &graph);
        bar.tick(&graph, Micros(3_000_000));
        assert_eq!(term.contents().lines().count(), 1);
        assert!(term.contents().lines().all(|line| line.width() < 80), "{}", term.contents());
    }
}
