//! The text on standard error: lines as cargo prints them, clang's diagnostics, counts at the end.
//!
//! The diagnostics of an item are kept until it ends and then shown together, so that those of two
//! items are never mixed. The bar is erased before a line, and drawn again at the next tick.

use crate::events::{Event, Severity, Sink};
use crate::fingerprint::RebuildReason;
use crate::graph::{Graph, Item, ItemKind};
use crate::keys::ItemId;
use crate::manifest::CrateId;
use crate::report::bar::Bar;
use crate::report::command::command_line;
use crate::report::console::Console;
use crate::report::crates::Crates;
use crate::report::diagnostic::shown;
use crate::report::{style, words};
use crate::sys::looks;
use crate::sys::now_us;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;
use tender_protocol::{Diagnostic, HeaderUse, Level, Outcome, PhaseName};
use tender_units::{Bytes, Micros};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Only errors and warnings.
    Quiet,
    Normal,
    /// Also each unit, its command, and why it runs.
    Verbose,
    /// Also phases, memory and waits.
    VeryVerbose,
}

impl Severity {
    /// The level as shown; `None` if the verbosity is too low.
    pub fn level(self, verbosity: Verbosity) -> Option<Level> {
        match self {
            Severity::Verbose => (verbosity >= Verbosity::Verbose).then_some(Level::Note),
            Severity::Note => (verbosity >= Verbosity::Normal).then_some(Level::Note),
            Severity::Warning => Some(Level::Warning),
            Severity::Error => Some(Level::Error),
        }
    }
}

pub struct Human {
    console: Console,
    bar: Option<Bar>,
    crates: Rc<Crates>,
    verbosity: Verbosity,
    /// False if JSON messages have the diagnostics: then they are only counted here.
    diagnostics: bool,
    /// Diagnostics of items that still run.
    kept: HashMap<ItemId, Kept>,
    /// The programs that links run, until they start.
    drivers: HashMap<ItemId, Vec<String>>,
    told: BTreeMap<CrateId, Told>,
    /// How many items each crate has; counted when first needed.
    items_of: HashMap<CrateId, usize>,
    running: HashSet<ItemId>,
    /// Why items will run, until they start.
    reasons: BTreeMap<ItemId, RebuildReason>,
    ended: Ended,
}

/// How many items have ended.
#[derive(Default)]
struct Ended {
    fresh: usize,
    done: usize,
    failed: usize,
}

/// The phases of one item, until it ends.
#[derive(Default)]
struct Kept {
    diagnostics: Vec<Diagnostic>,
    output: Vec<String>,
    headers: Option<HeaderUse>,
    /// In the order in which they first ended: the time of each, as the sum over all pieces, and
    /// how many there were.
    phases: Vec<(PhaseName, Micros, usize)>,
}

impl Kept {
    fn phase(&mut self, name: PhaseName, dur_us: Micros) {
        match self.phases.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, sum_us, times)) => (*sum_us, *times) = (*sum_us + dur_us, *times + 1),
            None => self.phases.push((name, dur_us, 1)),
        }
    }
}

/// What was reported about a crate.
#[derive(Default)]
struct Told {
    generating: bool,
    configuring: bool,
    scanning: bool,
    building: bool,
    fresh: usize,
    /// Counts of items that succeeded; the line of a failed item has its own count.
    warnings: usize,
    failed: bool,
}

#[derive(Default)]
struct DiagnosticCounts {
    errors: usize,
    warnings: usize,
}

impl Human {
    pub fn new(
        console: Console,
        bar: Option<Bar>,
        crates: Rc<Crates>,
        verbosity: Verbosity,
    ) -> Self {
        Self {
            console,
            bar,
            crates,
            verbosity,
            diagnostics: true,
            kept: HashMap::new(),
            drivers: HashMap::new(),
            told: BTreeMap::new(),
            items_of: HashMap::new(),
            running: HashSet::new(),
            reasons: BTreeMap::new(),
            ended: Ended::default(),
        }
    }

    /// For builds whose diagnostics go to standard output as JSON.
    pub fn without_diagnostics(self) -> Self {
        Self { diagnostics: false, ..self }
    }

    fn print(&mut self, text: &str) {
        if let Some(bar) = &mut self.bar {
            bar.clear();
        }
        self.console.print(text);
    }

    fn at_least(&self, verbosity: Verbosity) -> bool {
        self.verbosity >= verbosity
    }

    fn told(&mut self, item: &Item) -> &mut Told {
        self.told.entry(item.krate).or_default()
    }

    fn fresh(&mut self, graph: &Graph, item: &Item) {
        self.ended.fresh += 1;
        if !self.at_least(Verbosity::Verbose) {
            return;
        }
        if self.items_of.is_empty() {
            graph.items.iter().for_each(|item| *self.items_of.entry(item.krate).or_default() += 1);
        }
        let all = self.items_of.get(&item.krate).copied();
        let told = self.told(item);
        told.fresh += 1;
        if Some(told.fresh) == all {
            let text = style::status("Fresh", self.crates.of(item).describe());
            self.print(&text);
        }
    }

    /// Prints the line of a crate once, when its first item starts.
    fn announce(&mut self, item: &Item) {
        let told = self.told(item);
        let verb = match item.kind {
            ItemKind::Generate if told.generating || told.building => return,
            ItemKind::Generate => "Generating",
            ItemKind::Configure if told.configuring || told.building => return,
            ItemKind::Configure => "Configuring",
            ItemKind::Scan if told.scanning || told.building => return,
            ItemKind::Scan => "Scanning",
            _ if told.building => return,
            ItemKind::Interface
            | ItemKind::Precompile
            | ItemKind::ShareHeaders
            | ItemKind::Compile => "Compiling",
            ItemKind::Check => "Checking",
            ItemKind::Archive => "Archiving",
            ItemKind::Shared | ItemKind::Program => "Linking",
        };
        match item.kind {
            ItemKind::Generate => told.generating = true,
            ItemKind::Configure => told.configuring = true,
            ItemKind::Scan => told.scanning = true,
            _ => told.building = true,
        }
        if self.at_least(Verbosity::Normal) {
            let text = style::status(verb, self.crates.of(item).describe());
            self.print(&text);
        }
    }

    fn started(&mut self, ix: ItemId, item: &Item) {
        self.running.insert(ix);
        self.announce(item);
        if let Some(reason) = self.reasons.remove(&ix) {
            self.dirty(item, &reason);
        }
        let driver = self.drivers.remove(&ix);
        if self.at_least(Verbosity::Verbose) {
            let line = command_line(item, driver.as_deref());
            self.print(&style::status("Running", format!("`{}`", words::visible(&line))));
        }
    }

    fn dirty(&mut self, item: &Item, reason: &RebuildReason) {
        let text = format!(
            "{} ({}): {}",
            item.krate_name,
            words::visible(&item.label),
            words::visible(&reason.present())
        );
        self.print(&style::status("Dirty", text));
    }

    fn finished(
        &mut self,
        graph: &Graph,
        ix: ItemId,
        outcome: Outcome,
        wall_us: Micros,
        peak_bytes: Bytes,
    ) {
        let item = &graph[ix];
        self.running.remove(&ix);
        let kept = self.kept.remove(&ix).unwrap_or_default();
        if outcome == Outcome::Ok && self.at_least(Verbosity::Verbose) {
            self.built(item, &kept, wall_us, peak_bytes);
            if let Some(text) = super::config_results::text(graph, item) {
                self.print(&text);
            }
            for line in kept.headers.iter().flat_map(words::headers) {
                self.print(&style::status("Headers", line));
            }
        }
        if outcome == Outcome::Failed || self.at_least(Verbosity::Normal) {
            for text in &kept.output {
                self.print(text);
            }
        }
        let counts = self.show(graph, item, &kept.diagnostics);
        match outcome {
            Outcome::Failed => self.item_failed(item, counts),
            Outcome::Ok | Outcome::Skipped => self.told(item).warnings += counts.warnings,
        }
        self.ended.done += usize::from(outcome == Outcome::Ok);
    }

    /// `Built zip/src/a.c in 0.34s`, with phases and memory at `-vv`.
    fn built(&mut self, item: &Item, kept: &Kept, wall_us: Micros, peak_bytes: Bytes) {
        let mut text =
            format!("{} in {}", words::visible(&item.label), words::elapsed(wall_us.duration()));
        if self.at_least(Verbosity::VeryVerbose) {
            let mut parts: Vec<String> = kept
                .phases
                .iter()
                .map(|(phase, time, times)| {
                    let time = words::elapsed(time.duration());
                    let pieces =
                        if *times > 1 { format!(" in {times} pieces") } else { String::new() };
                    format!("{} {time}{pieces}", words::phase(*phase))
                })
                .collect();
            if peak_bytes > Bytes::ZERO {
                parts.push(format!("peak {peak_bytes}"));
            }
            if !parts.is_empty() {
                text += &format!(" ({})", parts.join(", "));
            }
        }
        self.print(&style::status("Built", text));
    }

    fn item_failed(&mut self, item: &Item, counts: DiagnosticCounts) {
        self.told(item).failed = true;
        let crates = Rc::clone(&self.crates);
        let text = words::could_not(item, crates.target(item), counts.errors, counts.warnings);
        self.print(&style::message(Level::Error, text));
        if self.ended.failed == 0 && !self.running.is_empty() && self.at_least(Verbosity::Normal) {
            let text = "build failed, waiting for other jobs to finish...";
            self.print(&style::message(Level::Warning, text));
        }
        self.ended.failed += 1;
    }

    /// Shows diagnostics in the order in which they came.
    fn show(&mut self, graph: &Graph, item: &Item, diagnostics: &[Diagnostic]) -> DiagnosticCounts {
        let crates = Rc::clone(&self.crates);
        let whole = self.at_least(Verbosity::Verbose);
        let mut counts = DiagnosticCounts::default();
        let mut text = String::new();
        for one in diagnostics.iter().flat_map(|d| shown(graph, &crates, item, d, whole)) {
            match one.level {
                Level::Error => counts.errors += 1,
                Level::Warning => counts.warnings += 1,
                Level::Note | Level::Remark if !self.at_least(Verbosity::Normal) => continue,
                Level::Note | Level::Remark => {}
            }
            text += &one.rendered;
        }
        if self.diagnostics && !text.is_empty() {
            self.print(&text);
        }
        counts
    }

    fn build_finished(&mut self, graph: &Graph, success: bool, elapsed: Duration) {
        // Shows the diagnostics of items that an interrupt ended.
        let mut left: Vec<ItemId> = self.kept.keys().copied().collect();
        left.sort_unstable();
        for ix in left {
            let kept = self.kept.remove(&ix).unwrap_or_default();
            let counts = self.show(graph, &graph[ix], &kept.diagnostics);
            self.told(&graph[ix]).warnings += counts.warnings;
        }
        // Those that will not start any more.
        for (ix, reason) in std::mem::take(&mut self.reasons) {
            self.dirty(&graph[ix], &reason);
        }
        let crates = Rc::clone(&self.crates);
        let mut failed = Vec::new();
        let mut text = String::new();
        for (krate, told) in &self.told {
            let name = crates.get(*krate).name.as_str();
            if told.warnings > 0 {
                text +=
                    &style::message(Level::Warning, words::generated_warnings(name, told.warnings));
            }
            if told.failed {
                failed.push(name);
            }
        }
        if !failed.is_empty() {
            let Ended { fresh, done, failed: units } = self.ended;
            let rest = graph.items.len().saturating_sub(fresh + done + units);
            let line = words::build_failed(units, &failed, done, rest);
            text += &style::message(Level::Error, line);
        }
        if success && self.at_least(Verbosity::Normal) {
            text += &style::status("Finished", words::finished(&graph.profile, elapsed));
        }
        if text.is_empty() {
            self.suspend();
        } else {
            self.print(&text);
        }
    }
}

impl Human {
    /// `now_us` is CLOCK_MONOTONIC.
    fn tick_at(&mut self, graph: &Graph, now_us: Micros) {
        if let Some(bar) = &mut self.bar {
            bar.tick(graph, now_us);
        }
    }
}

impl Sink for Human {
    fn event(&mut self, graph: &Graph, event: &Event) {
        if let Some(bar) = &mut self.bar {
            bar.event(graph, event);
        }
        match event {
            Event::Fresh { item } => self.fresh(graph, &graph[*item]),
            Event::Dirty { item, reason } if self.at_least(Verbosity::Verbose) => {
                self.reasons.insert(*item, reason.clone());
            }
            Event::Driver { item, words } => {
                self.drivers.insert(*item, words.clone());
            }
            Event::SharedHeaders { item, headers } => {
                self.kept.entry(*item).or_default().headers = Some(headers.clone());
            }
            Event::ItemStarted { item, .. } => self.started(*item, &graph[*item]),
            Event::Phase { item, phase, dur_us, .. } if self.at_least(Verbosity::VeryVerbose) => {
                self.kept.entry(*item).or_default().phase(*phase, *dur_us);
            }
            Event::ItemFinished { item, outcome, wall_us, peak_bytes, .. } => {
                self.finished(graph, *item, *outcome, *wall_us, *peak_bytes);
            }
            Event::Diagnostic { item, diagnostic, replayed: true } => {
                let counts = self.show(graph, &graph[*item], std::slice::from_ref(diagnostic));
                self.told(&graph[*item]).warnings += counts.warnings;
            }
            Event::Diagnostic { item, diagnostic, replayed: false } => {
                self.kept.entry(*item).or_default().diagnostics.push(diagnostic.clone());
            }
            Event::CommandOutput { item, text } => {
                let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                self.kept.entry(*item).or_default().output.push(format!("{text}{newline}"));
            }
            Event::Budget { chosen, .. } if self.at_least(Verbosity::Verbose) => {
                self.print(&style::message(Level::Note, chosen));
            }
            Event::MemorySummary { summary, .. }
                if self.at_least(Verbosity::VeryVerbose)
                    || self.at_least(Verbosity::Verbose) && words::memory_mattered(summary) =>
            {
                self.print(&style::status("Memory", words::memory(summary)));
            }
            Event::Wait { item, reason, .. } if self.at_least(Verbosity::VeryVerbose) => {
                let item = &graph[*item];
                let text = format!(
                    "{}: {}",
                    words::visible(&item.label),
                    words::wait_in_full(graph, *reason)
                );
                self.print(&style::status("Waiting", text));
            }
            Event::Message { severity, text } => {
                let Some(level) = severity.level(self.verbosity) else { return };
                looks::doubt("something was said that the next build may not say");
                self.print(&style::message(level, text.trim_end()));
            }
            Event::Interrupted { signal } => {
                // Erases the bar for good: the build only waits for its processes, and the shell's
                // prompt follows.
                self.bar = None;
                if self.at_least(Verbosity::Normal) {
                    self.print(&style::caution(
                        "Interrupted",
                        format!("by {}", words::signal(*signal)),
                    ));
                }
            }
            Event::BuildFinished { success, elapsed, .. } => {
                self.build_finished(graph, *success, *elapsed)
            }
            _ => {}
        }
    }

    fn tick(&mut self, graph: &Graph) {
        self.tick_at(graph, now_us());
    }

    fn suspend(&mut self) {
        if let Some(bar) = &mut self.bar {
            bar.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Shortage, WaitReason};
    use crate::fingerprint::RebuildReason;
    use crate::memory::{Chosen, MemorySummary, Origin};
    use crate::report::bar_line::Place;
    use crate::report::fixture::{self, APP_LINK, APP_MAIN, Shared, ZIP_A, ZIP_ARCHIVE, ZIP_B};
    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    #[track_caller]
    fn check(verbosity: Verbosity, events: &[Event], expect: &str) {
        let graph = fixture::graph();
        let out = Shared::default();
        let crates = Rc::new(Crates::new(&fixture::workspace()));
        let mut human =
            Human::new(Console::new(Box::new(out.clone()), false), None, crates, verbosity);
        for event in events {
            human.event(&graph, event);
        }
        assert_eq!(String::from_utf8(out.0.take()).unwrap(), expect);
    }

    fn started(item: ItemId) -> Event {
        Event::ItemStarted { item, worker: None, slot: 0, at_us: Micros(0) }
    }

    fn ended(item: ItemId, outcome: Outcome) -> Event {
        Event::ItemFinished {
            item,
            outcome,
            at_us: Micros(0),
            wall_us: Micros(340_000),
            peak_bytes: Bytes(1 << 20),
        }
    }

    fn said(item: ItemId, level: Level, message: &str) -> Event {
        Event::Diagnostic { item, diagnostic: fixture::diagnostic(level, message), replayed: false }
    }

    fn end(success: bool) -> Event {
        Event::BuildFinished { success, elapsed: Duration::from_millis(1230), at_us: Micros(0) }
    }

    const OK: Outcome = Outcome::Ok;

    #[test]
    fn lines_are_like_cargos() {
        let events = [
            started(ZIP_A),
            started(ZIP_B),
            ended(ZIP_A, OK),
            ended(ZIP_B, OK),
            started(ZIP_ARCHIVE),
            ended(ZIP_ARCHIVE, OK),
            started(APP_LINK),
            ended(APP_LINK, OK),
            end(true),
        ];
        let expect = [
            "   Compiling zip v0.1.0 (/ws/zip)\n",
            "     Linking app v0.1.0 (/ws/app)\n",
            "    Finished `release` profile [optimized] target(s) in 1.23s\n",
        ];
        check(Verbosity::Normal, &events, &expect.concat());
        check(Verbosity::Quiet, &events, "");
    }

    #[test]
    fn verbose_shows_reasons_commands_and_units() {
        let phase = |phase, cgu, dur_us| {
            let (item, of) = (APP_MAIN, None);
            Event::Phase {
                item,
                worker: None,
                slot: 0,
                phase,
                cgu,
                of,
                start_us: Micros(0),
                dur_us,
            }
        };
        let events = [
            Event::Fresh { item: ZIP_A },
            Event::Fresh { item: ZIP_B },
            Event::Fresh { item: ZIP_ARCHIVE },
            Event::Dirty { item: APP_MAIN, reason: RebuildReason::New },
            started(APP_MAIN),
            phase(PhaseName::Translate, None, Micros(10_000)),
            phase(PhaseName::Emit, Some(0), Micros(50_000)),
            phase(PhaseName::Emit, Some(1), Micros(30_000)),
            ended(APP_MAIN, OK),
        ];
        let first = "       Fresh zip v0.1.0 (/ws/zip)\n";
        let compiling = "   Compiling app v0.1.0 (/ws/app)\n";
        let dirty =
            format!("       Dirty app (app/src/main.c): {}\n", RebuildReason::New.present());
        let rest = [
            "     Running `clang -O2 '-DNAME=\"a b\"' -c app/src/main.c -o target/release/.tender/app/main.o`\n",
            "       Built app/src/main.c in 0.34s",
        ]
        .concat();
        check(Verbosity::Verbose, &events, &format!("{first}{compiling}{dirty}{rest}\n"));
        let phases = "translate 0.01s, emit 0.08s in 2 pieces";
        check(
            Verbosity::VeryVerbose,
            &events,
            &format!("{first}{compiling}{dirty}{rest} ({phases}, peak 1 MiB)\n"),
        );
    }

    #[test]
    fn verbose_shows_the_reason_of_an_item_beside_its_command() {
        let dirty = |item| Event::Dirty { item, reason: RebuildReason::New };
        let events = [
            dirty(ZIP_A),
            dirty(ZIP_B),
            dirty(APP_MAIN),
            started(ZIP_A),
            started(ZIP_B),
            ended(ZIP_B, OK),
            ended(ZIP_A, Outcome::Failed),
            end(false),
        ];
        let why = RebuildReason::New.present();
        let running = |file: &str| {
            format!(
                "       Dirty zip (zip/src/{file}.c): {why}\n     Running `clang -O2 '-DNAME=\"a b\"' \
                 -c zip/src/{file}.c -o target/release/.tender/zip/{file}.o`\n"
            )
        };
        let expect = [
            "   Compiling zip v0.1.0 (/ws/zip)\n",
            &running("a"),
            &running("b"),
            "       Built zip/src/b.c in 0.34s\n",
            "error: could not compile `zip` (zip/src/a.c)\n",
            &format!("       Dirty app (app/src/main.c): {why}\n"),
            "error: build failed: 1 unit failed, in crate `zip`; 1 done, 3 not done\n",
        ];
        check(Verbosity::Verbose, &events, &expect.concat());
    }

    #[test]
    fn diagnostics_are_shown_whole_and_counted() {
        let events = [
            started(ZIP_A),
            started(ZIP_B),
            said(ZIP_A, Level::Warning, "one"),
            said(ZIP_B, Level::Error, "two"),
            said(ZIP_A, Level::Warning, "three"),
            ended(ZIP_B, Outcome::Failed),
            ended(ZIP_A, OK),
            end(false),
        ];
        let expect = "zip/src/a.c:3:5: error: two\n  f();\n  ^\n\
             error: could not compile `zip` (zip/src/b.c) due to 1 error\n\
             zip/src/a.c:3:5: warning: one\n  f();\n  ^\n\
             zip/src/a.c:3:5: warning: three\n  f();\n  ^\n\
             warning: `zip` generated 2 warnings\n\
             error: build failed: 1 unit failed, in crate `zip`; 1 done, 3 not done\n";
        check(Verbosity::Quiet, &events, expect);
    }

    #[test]
    fn failures_are_summed_up() {
        let events = [
            Event::Fresh { item: ZIP_B },
            started(ZIP_A),
            started(APP_MAIN),
            ended(ZIP_A, Outcome::Failed),
            ended(APP_MAIN, Outcome::Failed),
            end(false),
        ];
        let expect = "   Compiling zip v0.1.0 (/ws/zip)\n   Compiling app v0.1.0 (/ws/app)\n\
             error: could not compile `zip` (zip/src/a.c)\n\
             warning: build failed, waiting for other jobs to finish...\n\
             error: could not compile `app` (app/src/main.c)\n\
             error: build failed: 2 units failed, in crates `app` and `zip`; 0 done, 2 not done\n";
        check(Verbosity::Normal, &events, expect);
    }

    #[test]
    fn warnings_of_fresh_units_are_shown_again() {
        let replayed = Event::Diagnostic {
            item: ZIP_A,
            diagnostic: fixture::diagnostic(Level::Warning, "old"),
            replayed: true,
        };
        let expect =
            "zip/src/a.c:3:5: warning: old\n  f();\n  ^\nwarning: `zip` generated 1 warning\n";
        check(Verbosity::Quiet, &[replayed, end(true)], expect);
    }

    #[test]
    fn diagnostics_of_an_unfinished_item_are_not_lost() {
        let events = [
            started(ZIP_A),
            said(ZIP_A, Level::Error, "late"),
            Event::Interrupted { signal: 2 },
            end(false),
        ];
        let expect = "   Compiling zip v0.1.0 (/ws/zip)\n Interrupted by SIGINT\n\
             zip/src/a.c:3:5: error: late\n  f();\n  ^\n";
        check(Verbosity::Normal, &events, expect);
    }

    #[test]
    fn interrupt_erases_the_bar_for_good() {
        let graph = fixture::graph();
        let term = InMemoryTerm::new(4, 100);
        let target = term.clone();
        let bar = Bar::new(Place {
            target: Box::new(move || ProgressDrawTarget::term_like(Box::new(target.clone()))),
            width: Box::new(|| 100),
            colour: false,
        });
        let console = Console::new(Box::new(Shared::default()), false);
        let crates = Rc::new(Crates::new(&fixture::workspace()));
        let mut human = Human::new(console, Some(bar), crates, Verbosity::Normal);
        human.event(&graph, &Event::BuildStarted { jobs: 2, at_us: Micros(0) });
        human.event(&graph, &Event::Progress { done: 0, total: 3 });
        human.tick_at(&graph, Micros(1_000_000));
        assert!(term.contents().contains("Building"));
        human.event(&graph, &Event::Interrupted { signal: 2 });
        assert_eq!(term.contents(), "");
        term.moves_since_last_check();
        human.event(&graph, &Event::Progress { done: 1, total: 3 });
        human.tick_at(&graph, Micros(2_000_000));
        assert_eq!(term.moves_since_last_check(), "");
    }

    #[test]
    fn verbose_shows_memory() {
        let chosen = Chosen {
            bytes: Some(Bytes(60 << 20)),
            by: Origin::Option,
            of: None,
            clamped: None,
            off: false,
        };
        let short = Shortage {
            need: Bytes(96 << 20),
            free: Some(Bytes(0)),
            budget: chosen.bytes,
            kept_for: None,
        };
        let summary = MemorySummary {
            peak: Bytes(58 << 20),
            budget: chosen.bytes,
            ..MemorySummary::default()
        };
        let events = [
            Event::Budget { chosen, at_us: Micros(0) },
            Event::Wait { item: ZIP_A, reason: WaitReason::Memory(short), at_us: Micros(1) },
            Event::MemorySummary { summary, at_us: Micros(2) },
            end(true),
        ];
        let budget = "note: memory budget: 60 MiB, by --memory\n";
        let waiting = "     Waiting zip/src/a.c: needs 96 MiB of memory, and 0 B is free\n";
        let memory = "      Memory peak 58 MiB, budget 60 MiB; no item waited for memory\n";
        let finished = "    Finished `release` profile [optimized] target(s) in 1.23s\n";
        check(Verbosity::Normal, &events, finished);
        check(Verbosity::Verbose, &events, &[budget, memory, finished].concat());
        let calm = MemorySummary { peak: Bytes(30 << 20), ..summary };
        let calm = [Event::MemorySummary { summary: calm, at_us: Micros(2) }, end(true)];
        let memory_30 = "      Memory peak 30 MiB, budget 60 MiB; no item waited for memory\n";
        check(Verbosity::Verbose, &calm, finished);
        check(Verbosity::VeryVerbose, &calm, &[memory_30, finished].concat());
        check(Verbosity::VeryVerbose, &events, &[budget, waiting, memory, finished].concat());
    }

    #[test]
    fn messages_of_commands_and_the_orchestrator_are_shown() {
        let events = [
            started(ZIP_A),
            Event::CommandOutput { item: ZIP_A, text: "made config.h".into() },
            ended(ZIP_A, OK),
            Event::Message { severity: Severity::Warning, text: "clocks differ".into() },
            Event::Message { severity: Severity::Note, text: "by the way".into() },
        ];
        check(
            Verbosity::Normal,
            &events,
            "   Compiling zip v0.1.0 (/ws/zip)\nmade config.h\nwarning: clocks differ\nnote: by the way\n",
        );
        check(Verbosity::Quiet, &events, "warning: clocks differ\n");
    }
}
