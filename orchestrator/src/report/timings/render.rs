//! Renders the model as an HTML page: its data as JSON, and the style and scripts that draw it.
//! Knows no file and no clock.
//!
//! The scripts put only numbers and text nodes on the page, so a name cannot inject code there. But
//! a name could end the element with the data, so every `<` is escaped.
//!
//! Each bar is seven small numbers, with its start relative to that of the bar before: some 28 bytes.

use super::model::{After, Ending, Kill, Model, StretchKind, TimedUnit, Wait};
use super::rows;
use super::series::{Point, highest};
use crate::events::WaitReason;
use crate::graph::{Graph, ItemKind};
use crate::manifest::{Lto, Profile, Translate};
use crate::memory::Killer;
use crate::report::words;
use serde_json::{Value, json};
use std::collections::HashMap;
use tender_protocol::{LLVM_MAJOR, Outcome, PhaseName};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// In the order in which they run.
const SCRIPTS: [&str; 6] = [
    include_str!("page/data.js"),
    include_str!("page/scene.js"),
    include_str!("page/draw.js"),
    include_str!("page/lanes.js"),
    include_str!("page/tables.js"),
    include_str!("page/main.js"),
];

/// Every phase, in the order in which a unit has them. Bars have indices into this list; the index
/// after the last one is an interrupted phase.
const PHASES: [PhaseName; 11] = [
    PhaseName::Generate,
    PhaseName::Translate,
    PhaseName::Cut,
    PhaseName::Optimise,
    PhaseName::Serialise,
    PhaseName::Thinlink,
    PhaseName::Backend,
    PhaseName::Emit,
    PhaseName::Join,
    PhaseName::Archive,
    PhaseName::Link,
];
const CUT_OFF: &str = "cut off";

/// The whole page.
pub(super) fn page(graph: &Graph, model: &Model) -> String {
    let data = data(graph, model).to_string().replace('<', "\\u003c");
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + data.len() + 64 * 1024);
    // Split at all placeholders first, so that text that is filled in is never searched for
    // placeholders.
    for (n, part) in PAGE.split("{{").enumerate() {
        let Some((name, rest)) = part.split_once("}}").filter(|_| n > 0) else {
            page += part;
            continue;
        };
        match name {
            "title" => page += &escaped(&title(graph, model)),
            "style" => page += STYLE,
            "data" => page += &data,
            "scripts" => SCRIPTS.iter().for_each(|script| page += script),
            other => unreachable!("the page has a place `{other}` that nothing fills"),
        }
        page += rest;
    }
    page
}

fn title(graph: &Graph, model: &Model) -> String {
    let name = graph.root.file_name().unwrap_or("/");
    let what = match model.ending {
        Ending::Succeeded if model.units.is_empty() => "nothing to do".to_owned(),
        Ending::Succeeded => words::elapsed(std::time::Duration::from_micros(model.duration_us)),
        Ending::Failed => "failed".to_owned(),
        Ending::Interrupted(signal) => format!("interrupted by {}", words::signal(signal)),
    };
    format!("{name}: {what} - tender timings")
}

/// For text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn data(graph: &Graph, model: &Model) -> Value {
    let mut crates = Names::default();
    let mut reasons = Names::default();
    let units: Vec<Value> =
        model.units.iter().map(|one| unit(graph, one, &mut crates, &mut reasons)).collect();
    let phases: Vec<&str> =
        PHASES.iter().map(|phase| words::phase(*phase)).chain([CUT_OFF]).collect();
    let workers: Vec<_> =
        model.workers.iter().map(|w| [u64::from(w.pid), w.start_us, w.end_us]).collect();
    let places: Vec<_> = model
        .rows
        .iter()
        .map(|row| [row.worker.map_or(-1, i64::from), i64::from(row.slot)])
        .collect();
    let rows = rows::pack(&model.stretches);
    // Bars are numbered row by row.
    let number: HashMap<usize, usize> =
        rows.iter().flatten().enumerate().map(|(bar, stretch)| (*stretch, bar)).collect();
    let critical: Vec<_> =
        model.critical.iter().map(|step| [number[&step.stretch], after(step.after)]).collect();
    json!({
        "about": about(&graph.profile, model),
        "jobs": model.jobs,
        "duration": model.duration_us,
        "phases": phases,
        "crates": crates.all,
        "reasons": reasons.all,
        "sources": model.sources,
        "units": units,
        "workers": workers,
        "places": places,
        "bars": bars(model, &rows),
        "critical": critical,
        "kills": model.kills.iter().map(kill).collect::<Vec<_>>(),
        "lanes": {
            "tokens": flat(&model.lanes.tokens),
            "modules": flat(&model.lanes.live_modules),
            "short": flat(&model.lanes.short),
            "stopped": flat(&model.lanes.stopped),
            "waitSlot": flat(&model.lanes.wait_slot),
            "waitMemory": flat(&model.lanes.wait_memory),
            "memory": flat(&model.lanes.memory),
            "leases": flat(&model.lanes.leases),
            "budget": flat(&model.lanes.budget),
            "pressureSome": flat(&model.lanes.pressure_some),
            "pressureFull": flat(&model.lanes.pressure_full),
            "cpu": flat(&model.lanes.cpu),
        },
    })
}

fn about(profile: &Profile, model: &Model) -> Value {
    let lto = match profile.lto {
        Lto::Off => "off",
        Lto::ThinLocal => "thin-local",
        Lto::Thin => "thin",
        Lto::Fat => "fat",
    };
    let translate = match profile.translate {
        Translate::Parallel => "parallel",
        Translate::Serial => "serial",
    };
    let (ending, signal) = match model.ending {
        Ending::Succeeded if model.units.is_empty() => ("nothing to do", None),
        Ending::Succeeded => ("succeeded", None),
        Ending::Failed => ("failed", None),
        Ending::Interrupted(signal) => ("interrupted", Some(words::signal(signal))),
    };
    json!({
        "command": crate::sys::shell::quoted_words(&model.about.command),
        "version": env!("CARGO_PKG_VERSION"),
        "llvm": LLVM_MAJOR,
        "started": model.about.started_ms,
        "profile": profile.name,
        "lto": lto,
        "translate": translate,
        "pieces": profile.codegen_units,
        "ending": ending,
        "signal": signal,
        "fresh": model.fresh,
        "cpu": model.cpu_us,
        "budget": model.budget,
        "memory": model.memory,
        // The lanes are thinned, and keep their highest points.
        "most": {
            "tokens": highest(&model.lanes.tokens),
            "modules": highest(&model.lanes.live_modules),
            "memory": highest(&model.lanes.memory),
        },
    })
}

/// Crate, name, kind, start, end, outcome, reason, peak of memory, lease, waits, runs. -1: none.
fn unit(graph: &Graph, unit: &TimedUnit, crates: &mut Names, reasons: &mut Names) -> Value {
    let time = |at_us: Option<u64>| at_us.map_or(-1, |at_us| at_us as i64);
    let kind = match unit.kind {
        ItemKind::Generate => "generate",
        ItemKind::Configure => "configure",
        ItemKind::Scan => "scan",
        ItemKind::Interface => "interface",
        ItemKind::Precompile => "precompile",
        ItemKind::ShareHeaders => "share headers",
        ItemKind::Compile => "compile",
        ItemKind::Check => "check",
        ItemKind::Archive => "archive",
        ItemKind::Shared => "shared library",
        ItemKind::Program => "program",
    };
    let outcome = match (unit.outcome, unit.start_us) {
        (Some(Outcome::Ok), _) => "ok",
        (Some(Outcome::Failed), _) => "failed",
        (Some(Outcome::Skipped), _) | (None, None) => "not run",
        (None, Some(_)) => CUT_OFF,
    };
    json!([
        crates.number(&unit.krate),
        words::visible(&unit.label),
        kind,
        time(unit.start_us),
        time(unit.end_us),
        outcome,
        reasons.number(&reason(unit)),
        unit.peak_bytes,
        unit.lease_bytes,
        unit.waits.iter().map(|one| wait(graph, one)).collect::<Vec<_>>(),
        unit.runs,
    ])
}

/// Why a unit ran, and what became of shared headers.
fn reason(unit: &TimedUnit) -> String {
    let headers = unit.headers.iter().flat_map(words::headers);
    [unit.reason.present()].into_iter().chain(headers).collect::<Vec<_>>().join("; ")
}

/// From, until, and for memory what was needed, what was free, and the larger unit that this is
/// kept for, if it is. -1: no limit.
fn wait(graph: &Graph, wait: &Wait) -> Value {
    match wait.reason {
        WaitReason::Token => json!([wait.from_us, wait.until_us]),
        WaitReason::Memory(short) => {
            let free = short.free.map_or(-1, |bytes| bytes.0 as i64);
            match short.kept_for {
                Some(larger) => {
                    let larger = words::visible(&graph[larger].label);
                    json!([wait.from_us, wait.until_us, short.need, free, larger])
                }
                None => json!([wait.from_us, wait.until_us, short.need, free]),
            }
        }
    }
}

/// Time, worker or -1, by whom, peak.
fn kill(kill: &Kill) -> Value {
    let by = match kill.by {
        Killer::Tender => "tender",
        Killer::Kernel => "the kernel",
        Killer::Allocation => "a failed allocation",
    };
    json!([kill.at_us, kill.worker.map_or(-1, i64::from), by, kill.peak])
}

/// For each row its bars one after the other: start after the start of the one before, length,
/// unit, phase, 1 + piece or 0, 1 + source or 0, place.
fn bars(model: &Model, rows: &[Vec<usize>]) -> Vec<Vec<u64>> {
    let from_1 = |n: Option<u32>| n.map_or(0, |n| u64::from(n) + 1);
    let mut drawn = vec![Vec::new(); rows.len()];
    for (row, drawn) in rows.iter().zip(&mut drawn) {
        let mut last_start = 0;
        for stretch in row.iter().map(|n| &model.stretches[*n]) {
            let phase = match stretch.stage {
                StretchKind::Phase(name) => {
                    PHASES.iter().position(|phase| *phase == name).expect("all are listed")
                }
                StretchKind::CutOff => PHASES.len(),
            };
            drawn.extend([
                stretch.start_us - last_start,
                stretch.dur_us,
                u64::from(stretch.unit),
                phase as u64,
                from_1(stretch.cgu),
                from_1(stretch.source),
                u64::from(stretch.row),
            ]);
            last_start = stretch.start_us;
        }
    }
    drawn
}

fn after(after: After) -> usize {
    match after {
        After::Start => 0,
        After::Unit => 1,
        After::Dependency => 2,
        After::Slot => 3,
    }
}

/// Time, value, time, value.
fn flat(points: &[Point]) -> Vec<u64> {
    points.iter().flat_map(|(at_us, value)| [*at_us, *value]).collect()
}

/// Repeated strings, each written once.
#[derive(Default)]
struct Names {
    all: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Names {
    fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.all.push(name.to_owned());
        self.numbers.insert(name.to_owned(), self.all.len() - 1);
        self.all.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Event, Shortage};
    use crate::fingerprint::RebuildReason;
    use crate::report::fixture;
    use crate::report::timings::model::About;
    use crate::report::timings::simulated::{self, Shape, model_of};
    use tender_protocol::HeaderUse;
    use tender_units::{Bytes, Micros};

    /// The data for the page's scripts.
    #[track_caller]
    fn data_of(page: &str) -> Value {
        let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
        let (data, _) = rest.split_once("</script>").unwrap();
        serde_json::from_str(data).unwrap()
    }

    #[test]
    fn page_is_whole_and_fetches_nothing() {
        let (graph, model) = simulated::build(Shape { units: 3, pieces: 2, jobs: 2 });
        let page = page(&graph, &model);
        assert!(
            !page.contains("://") && !page.contains("@import") && !page.contains("src="),
            "something is fetched"
        );
        assert!(!page.contains("{{"), "a place is not filled");
        for tag in [
            "html", "head", "body", "main", "section", "script", "style", "table", "div", "p",
            "ul", "button",
        ] {
            let opened = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "<{tag}>");
            assert!(opened > 0, "<{tag}>");
        }
        // Each id occurs once, and every id in the scripts exists.
        let ids: Vec<&str> =
            PAGE.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        for id in &ids {
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{id}");
        }
        for asked in SCRIPTS.iter().flat_map(|script| script.split("$(\"").skip(1)) {
            let asked = asked.split('"').next().unwrap();
            assert!(ids.contains(&asked), "the scripts look for `{asked}`");
        }
        // A colour for each phase, and for interrupted phases.
        for n in 0..=PHASES.len() {
            assert_eq!(
                STYLE.matches(&format!("--phase-{n}:")).count(),
                3,
                "light, dark, and dark by choice"
            );
        }
    }

    #[test]
    fn page_data_is_not_ended_by_a_name() {
        let mut graph = fixture::graph();
        let name = "a</script><!--<script>\u{2028}&amp;\n.c";
        graph.items[0].label = name.into();
        graph.root = "/ws/<b>&".into();
        let mut model =
            model_of(&graph, &[Event::Dirty { item: fixture::ZIP_A, reason: RebuildReason::New }]);
        model.about = About { command: vec!["tender".into(), "</script>".into()], started_ms: 1 };
        let page = page(&graph, &model);
        let data = data_of(&page);
        // Control characters are shown as escapes, as everywhere.
        assert_eq!(data["units"][0][1], words::visible(name).as_ref());
        assert_eq!(data["about"]["command"], "tender '</script>'");
        assert!(page.contains("<title>&lt;b&gt;&amp;: "));
    }

    #[test]
    fn reason_says_what_became_of_shared_headers() {
        let graph = fixture::graph();
        let (item, why) = (fixture::ZIP_A, "they are not made yet".to_owned());
        let events = [
            Event::Dirty { item, reason: RebuildReason::New },
            Event::SharedHeaders { item, headers: HeaderUse::NotUsed { why } },
        ];
        let data = data_of(&page(&graph, &model_of(&graph, &events)));
        assert_eq!(
            data["reasons"][0],
            "it has not been built before; compiled without shared headers: they are not made yet"
        );
    }

    #[test]
    fn bars_are_written_as_distances() {
        let (graph, model) = simulated::build(Shape { units: 2, pieces: 0, jobs: 1 });
        let data = data_of(&page(&graph, &model));
        let mut start = 0;
        let told: Vec<(u64, u64, u64)> = data["bars"][0]
            .as_array()
            .unwrap()
            .chunks(7)
            .map(|bar| {
                let [ahead, dur, unit] = [0, 1, 2].map(|n| bar[n].as_u64().unwrap());
                start += ahead;
                (start, dur, unit)
            })
            .collect();
        let expect: Vec<_> =
            model.stretches.iter().map(|s| (s.start_us, s.dur_us, u64::from(s.unit))).collect();
        assert_eq!(told, expect);
        assert_eq!(data["places"], json!([[0, 0]]));
        assert_eq!(data["critical"].as_array().unwrap().len(), model.stretches.len());
    }

    #[test]
    fn page_of_a_large_build_has_a_bounded_size() {
        let (graph, model) = simulated::build(Shape { units: 4_000, pieces: 16, jobs: 32 });
        let phases = model.stretches.len();
        assert!(phases > 4_000 * 16 * 2);
        let page = page(&graph, &model);
        assert!(page.len() < phases * 50 + 200_000, "{} bytes for {phases} phases", page.len());
        assert!(!model.critical.is_empty());
    }

    #[test]
    fn wait_for_memory_names_the_unit_it_is_kept_for() {
        let graph = fixture::graph();
        let wait = |free, kept_for, at_us| {
            let reason =
                WaitReason::Memory(Shortage { need: Bytes(7), free, budget: None, kept_for });
            Event::Wait { item: fixture::ZIP_A, reason, at_us }
        };
        let ready = Event::Dirty { item: fixture::ZIP_A, reason: RebuildReason::New };
        let events = [
            ready,
            wait(Some(Bytes(3)), None, Micros(1)),
            wait(Some(Bytes(9)), Some(fixture::ZIP_B), Micros(2)),
        ];
        let data = data_of(&page(&graph, &model_of(&graph, &events)));
        let waits: Vec<Value> = data["units"][0][9]
            .as_array()
            .unwrap()
            .iter()
            .map(|wait| json!(wait.as_array().unwrap()[2..]))
            .collect();
        assert_eq!(waits, [json!([7, 3]), json!([7, 9, graph[fixture::ZIP_B].label])]);
    }

    #[test]
    fn page_of_a_build_with_nothing_to_do_says_so() {
        let graph = fixture::graph();
        let model = model_of(&graph, &[Event::Fresh { item: fixture::ZIP_A }]);
        let page = page(&graph, &model);
        assert!(page.contains("<title>ws: nothing to do - tender timings</title>"));
        let data = data_of(&page);
        assert_eq!(
            (&data["about"]["ending"], &data["about"]["fresh"]),
            (&json!("nothing to do"), &json!(1))
        );
    }
}
