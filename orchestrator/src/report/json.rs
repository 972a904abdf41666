//! Messages for programs: one JSON object on each line of standard output. See `docs/json.md`.
//!
//! `compiler-message`, `compiler-artifact` and `build-finished` have the same fields as cargo's, so
//! that tools for cargo can read them. The other messages report what cargo does not: starts, ends
//! with their reasons, waits.

use crate::events::{Event, Needed, Shortage, Sink, Victim, WaitReason};
use crate::fingerprint::RebuildReason;
use crate::graph::{Artifact, ArtifactKind, Graph, Item};
use crate::keys::ItemId;
use crate::manifest::{DebugInfo, OptLevel, Profile};
use crate::report::crates::Crates;
use crate::report::diagnostic::{flag, plain, shown};
use camino::Utf8Path;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use std::rc::Rc;
use tender_protocol::{Diagnostic, Level};
use tender_units::Micros;

pub struct Json {
    out: Box<dyn Write>,
    crates: Rc<Crates>,
    /// The reader has closed the stream: nothing more is written, and the build continues.
    broken: bool,
    reasons: HashMap<ItemId, RebuildReason>,
    /// Leases and peaks of items that are about to end: of the beginning, and of pieces.
    needed: HashMap<ItemId, (Needed, Needed)>,
    started: HashMap<ItemId, Micros>,
    /// The file of the last diagnostic, because several of one file follow each other.
    lines: Lines,
}

impl Json {
    pub fn new(out: Box<dyn Write>, crates: Rc<Crates>) -> Self {
        Self {
            out,
            crates,
            broken: false,
            reasons: HashMap::new(),
            needed: HashMap::new(),
            started: HashMap::new(),
            lines: Lines::default(),
        }
    }

    pub fn stdout(crates: Rc<Crates>) -> Self {
        Self::new(Box::new(std::io::stdout()), crates)
    }

    fn write(&mut self, message: &Value) {
        if self.broken {
            return;
        }
        let line = format!("{message}\n");
        self.broken = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush()).is_err();
    }

    fn about(&self, reason: &str, item: &Item, more: Value) -> Value {
        about(&self.crates, reason, item, more)
    }

    fn diagnostic(&mut self, graph: &Graph, item: ItemId, diagnostic: &Diagnostic) {
        let item = &graph[item];
        let crates = Rc::clone(&self.crates);
        let code = flag(diagnostic).map(|name| json!({ "code": name, "explanation": null }));
        let spans = self.spans(graph, diagnostic);
        for one in shown(graph, &crates, item, diagnostic, false) {
            let level = match one.level {
                Level::Error => "error",
                Level::Warning => "warning",
                Level::Note | Level::Remark => "note",
            };
            let message = json!({
                "$message_type": "diagnostic",
                "rendered": plain(&one.rendered),
                "level": level,
                "message": one.message,
                "spans": spans,
                "code": code,
                "children": [],
            });
            let message = self.about(
                "compiler-message",
                item,
                json!({ "message": message, "unit": item.label }),
            );
            self.write(&message);
        }
    }

    /// Clang gives one position; readers of cargo's messages expect a range, so it is one column long.
    fn spans(&mut self, graph: &Graph, diagnostic: &Diagnostic) -> Value {
        let Some(file) = diagnostic.file.as_ref().filter(|_| diagnostic.line > 0) else {
            return json!([]);
        };
        let at = self.lines.offset(&graph.root, file, diagnostic.line, diagnostic.column);
        json!([{
            "file_name": file,
            "byte_start": at.unwrap_or(0),
            "byte_end": at.map_or(0, |at| at + 1),
            "line_start": diagnostic.line,
            "line_end": diagnostic.line,
            "column_start": diagnostic.column,
            "column_end": diagnostic.column + 1,
            "is_primary": true,
            "text": [],
            "label": null,
            "suggested_replacement": null,
            "suggestion_applicability": null,
            "expansion": null,
        }])
    }

    fn artifact(&mut self, graph: &Graph, item: ItemId, fresh: bool) {
        let files: Vec<_> =
            graph.artifacts.iter().filter(|artifact| artifact.item == item).collect();
        if files.is_empty() {
            return;
        }
        let host = graph[item].host;
        // As cargo does it for build scripts: what looks for the program to run must not find one
        // that runs in the build.
        let is_program = |file: &&&Artifact| matches!(file.kind, ArtifactKind::Program(_)) && !host;
        let executable = files.iter().find(is_program).map(|file| &file.path);
        let names: Vec<_> = files.iter().map(|file| &file.path).collect();
        let more = json!({
            "profile": profile(if host { &graph.host_profile } else { &graph.profile }),
            "features": [],
            "filenames": names,
            "executable": executable,
            "fresh": fresh,
        });
        let message = self.about("compiler-artifact", &graph[item], more);
        self.write(&message);
    }
}

/// The fields with which every message about an item begins, and `more`.
pub(super) fn about(crates: &Crates, reason: &str, item: &Item, more: Value) -> Value {
    let krate = crates.of(item);
    let target = crates.target(item);
    let kinds = krate.target_kinds(target);
    let mut message = json!({
        "reason": reason,
        "package_id": krate.package_id(),
        "manifest_path": krate.manifest,
        "target": {
            "kind": kinds,
            "crate_types": kinds,
            "name": krate.target_name(target),
            "src_path": krate.target_source(target),
            "edition": "2021",
            "doc": false,
            "doctest": false,
            "test": false,
        },
    });
    if item.host {
        message["host"] = json!(true);
    }
    if let (Value::Object(message), Value::Object(more)) = (&mut message, more) {
        message.extend(more);
    }
    message
}

/// Where the lines of a file begin.
#[derive(Default)]
struct Lines {
    file: String,
    /// The offset of each line, and that of the end of the file; bytes.
    starts: Vec<usize>,
}

impl Lines {
    /// The offset of a position, both counted from 1, the column in bytes. `None` if the file cannot
    /// be read, or no longer has this position.
    fn offset(&mut self, root: &Utf8Path, file: &str, line: u32, column: u32) -> Option<usize> {
        if self.file != file {
            let bytes = std::fs::read(root.join(file)).ok()?;
            let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            self.starts = [0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect();
            self.starts.push(bytes.len());
            self.file = file.to_owned();
        }
        let line = usize::try_from(line).ok()?.checked_sub(1)?;
        let offset = self.starts.get(line)? + usize::try_from(column).ok()?.checked_sub(1)?;
        (offset <= *self.starts.get(line + 1)?).then_some(offset)
    }
}

fn profile(profile: &Profile) -> Value {
    let level = match profile.opt_level {
        OptLevel::O0 => "0",
        OptLevel::O1 => "1",
        OptLevel::O2 => "2",
        OptLevel::O3 => "3",
        OptLevel::Os => "s",
        OptLevel::Oz => "z",
    };
    let debug = match profile.debug {
        DebugInfo::None => 0,
        DebugInfo::LineTablesOnly => 1,
        DebugInfo::Full => 2,
    };
    json!({
        "opt_level": level,
        "debuginfo": debug,
        "debug_assertions": !profile.defines.iter().any(|define| define == "NDEBUG"),
        "overflow_checks": false,
        "test": false,
    })
}

/// The fields of a message about a wait.
fn wait(graph: &Graph, item: ItemId, reason: WaitReason, at_us: Micros) -> Value {
    let unit = &graph[item].label;
    match reason {
        WaitReason::Token => json!({ "unit": unit, "wait": "token", "at_us": at_us }),
        WaitReason::Memory(Shortage { need, free, budget, kept_for }) => json!({
            "unit": unit, "wait": "memory", "need": need, "free": free, "budget": budget,
            "kept_for": kept_for.map(|larger| &graph[larger].label), "at_us": at_us,
        }),
    }
}

/// A message whose fields are those of a value.
fn with(reason: &str, fields: &impl Serialize, at_us: Micros) -> Value {
    let mut message = serde_json::to_value(fields).expect("fields have string keys only");
    message["reason"] = json!(reason);
    message["at_us"] = json!(at_us);
    message
}

impl Sink for Json {
    fn event(&mut self, graph: &Graph, event: &Event) {
        let message = match event {
            Event::BuildStarted { jobs, at_us } => json!({
                "reason": "build-started",
                "profile": graph.profile.name,
                "jobs": jobs,
                "items": graph.items.len(),
                "at_us": at_us,
            }),
            Event::Dirty { item, reason } => {
                self.reasons.insert(*item, reason.clone());
                return;
            }
            Event::Needed { item, begin, piece } => {
                self.needed.insert(*item, (*begin, *piece));
                return;
            }
            Event::ItemStarted { item, worker, slot, at_us } => {
                self.started.insert(*item, *at_us);
                let item = &graph[*item];
                let more = json!({
                    "unit": item.label, "worker": worker.map(|w| w.0), "slot": slot, "at_us": at_us,
                });
                self.about("unit-started", item, more)
            }
            Event::ItemFinished { item, outcome, at_us, wall_us, peak_bytes } => {
                let (begin, piece) = self.needed.remove(item).unwrap_or_default();
                let more = json!({
                    "unit": graph[*item].label,
                    "outcome": outcome,
                    "rebuild": self.reasons.remove(item),
                    "start_us": self.started.remove(item),
                    "at_us": at_us,
                    "wall_us": wall_us,
                    "peak_bytes": peak_bytes,
                    "lease_bytes": begin.lease,
                    "begin_peak_bytes": begin.peak,
                    "piece_lease_bytes": piece.lease,
                    "piece_peak_bytes": piece.peak,
                });
                self.about("unit-finished", &graph[*item], more)
            }
            Event::SharedHeaders { item, headers } => {
                let more = json!({ "unit": graph[*item].label, "headers": headers });
                self.about("shared-headers", &graph[*item], more)
            }
            Event::Diagnostic { item, diagnostic, .. } => {
                return self.diagnostic(graph, *item, diagnostic);
            }
            Event::Artifact { item, fresh } => return self.artifact(graph, *item, *fresh),
            Event::Wait { item, reason, at_us } => {
                let more = wait(graph, *item, *reason, *at_us);
                self.about("wait", &graph[*item], more)
            }
            Event::WaitEnded { item, at_us } => self.about(
                "wait-finished",
                &graph[*item],
                json!({ "unit": graph[*item].label, "at_us": at_us }),
            ),
            Event::ShortOfMemory { slots, at_us } => {
                json!({ "reason": "short-of-memory", "slots": slots, "at_us": at_us })
            }
            Event::Budget { chosen, at_us } => with("memory-budget", chosen, *at_us),
            Event::MemorySummary { summary, at_us } => with("memory-summary", summary, *at_us),
            Event::Killed { who, by, peak, at_us } => {
                let (worker, command) = match who {
                    Victim::Worker(worker) => (Some(worker.0), None),
                    Victim::Program(item) => (None, Some(&graph[*item].label)),
                };
                json!({
                    "reason": "killed-for-memory", "worker": worker, "unit": command, "by": by, "peak_bytes": peak,
                    "at_us": at_us,
                })
            }
            Event::WorkerStarted { worker, pid, at_us } => {
                json!({ "reason": "worker-started", "worker": worker.0, "pid": pid, "at_us": at_us })
            }
            Event::WorkerEnded { worker, at_us } => {
                json!({ "reason": "worker-finished", "worker": worker.0, "at_us": at_us })
            }
            Event::Phase { item, worker, slot, phase, cgu, of, start_us, dur_us } => {
                let item = &graph[*item];
                let more = json!({
                    "unit": item.label, "worker": worker.map(|w| w.0), "slot": slot, "phase": phase, "cgu": cgu, "of": of,
                    "start_us": start_us, "dur_us": dur_us,
                });
                self.about("phase", item, more)
            }
            Event::Tokens { used, n, at_us } => {
                json!({ "reason": "tokens", "used": used, "n": n, "at_us": at_us })
            }
            Event::LiveModules { worker, n, at_us } => {
                json!({ "reason": "live-modules", "worker": worker.0, "n": n, "at_us": at_us })
            }
            Event::Rss { worker, bytes, at_us } => {
                json!({ "reason": "rss", "worker": worker.0, "bytes": bytes, "at_us": at_us })
            }
            Event::Leases { bytes, baselines, budget, at_us } => json!({
                "reason": "lease", "bytes": bytes, "baselines": baselines, "budget": budget, "at_us": at_us,
            }),
            Event::Memory { used, free, at_us } => {
                json!({ "reason": "memory", "used": used, "free": free, "at_us": at_us })
            }
            Event::Stopped { jobs, at_us } => {
                json!({ "reason": "stopped-for-memory", "jobs": jobs, "at_us": at_us })
            }
            Event::Pressure { some, full, at_us } => {
                json!({ "reason": "pressure", "some": some, "full": full, "at_us": at_us })
            }
            Event::Cpu { worker, used_us, at_us } => {
                json!({ "reason": "cpu", "worker": worker.map(|w| w.0), "used_us": used_us, "at_us": at_us })
            }
            Event::BuildFinished { success, .. } => {
                json!({ "reason": "build-finished", "success": success })
            }
            _ => return,
        };
        self.write(&message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::WorkerId;
    use crate::memory::{Bound, Chosen, Killer, MemorySummary, Origin};
    use crate::report::fixture::{self, Shared};
    use std::time::Duration;
    use tender_protocol::{Outcome, PhaseName};
    use tender_units::Bytes;

    #[track_caller]
    fn check(events: &[Event], expect: &[Value]) {
        let graph = fixture::graph();
        let out = Shared::default();
        let crates = Rc::new(Crates::new(&fixture::workspace()));
        let mut json = Json::new(Box::new(out.clone()), crates);
        for event in events {
            json.event(&graph, event);
        }
        let text = String::from_utf8(out.0.take()).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, expect);
    }

    fn zip(reason: &str, more: Value) -> Value {
        let mut message = json!({
            "reason": reason,
            "package_id": "path+file:///ws/zip#zip@0.1.0",
            "manifest_path": "/ws/zip/Tender.toml",
            "target": {
                "kind": ["staticlib"], "crate_types": ["staticlib"], "name": "zip", "src_path": "/ws/zip/src/a.c",
                "edition": "2021", "doc": false, "doctest": false, "test": false,
            },
        });
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    }

    #[test]
    fn json_has_starts_ends_and_reasons() {
        check(
            &[
                Event::BuildStarted { jobs: 2, at_us: Micros(1) },
                Event::Dirty {
                    item: fixture::ZIP_A,
                    reason: RebuildReason::InputChanged { path: "zip/src/a.c".into() },
                },
                Event::ItemStarted {
                    item: fixture::ZIP_A,
                    worker: Some(WorkerId(0)),
                    slot: 1,
                    at_us: Micros(5),
                },
                Event::Needed {
                    item: fixture::ZIP_A,
                    begin: Needed { lease: Bytes(20), peak: Bytes(7) },
                    piece: Needed { lease: Bytes(8), peak: Bytes(6) },
                },
                Event::ItemFinished {
                    item: fixture::ZIP_A,
                    outcome: Outcome::Ok,
                    at_us: Micros(9),
                    wall_us: Micros(4),
                    peak_bytes: Bytes(7),
                },
                Event::BuildFinished { success: true, elapsed: Duration::ZERO, at_us: Micros(10) },
            ],
            &[
                json!({"reason": "build-started", "profile": "release", "jobs": 2, "items": 5, "at_us": 1}),
                zip(
                    "unit-started",
                    json!({"unit": "zip/src/a.c", "worker": 0, "slot": 1, "at_us": 5}),
                ),
                zip(
                    "unit-finished",
                    json!({
                        "unit": "zip/src/a.c", "outcome": "ok",
                        "rebuild": {"reason": "input-changed", "path": "zip/src/a.c"},
                        "start_us": 5, "at_us": 9, "wall_us": 4, "peak_bytes": 7,
                        "lease_bytes": 20, "begin_peak_bytes": 7, "piece_lease_bytes": 8, "piece_peak_bytes": 6,
                    }),
                ),
                json!({"reason": "build-finished", "success": true}),
            ],
        );
    }

    #[test]
    fn json_has_pieces_and_samples() {
        let worker = WorkerId(3);
        check(
            &[
                Event::WorkerStarted { worker, pid: 7, at_us: Micros(1) },
                Event::Phase {
                    item: fixture::ZIP_A,
                    worker: Some(worker),
                    slot: 1,
                    phase: PhaseName::Optimise,
                    cgu: Some(2),
                    of: None,
                    start_us: Micros(2),
                    dur_us: Micros(3),
                },
                Event::Tokens { used: 1, n: 2, at_us: Micros(4) },
                Event::LiveModules { worker, n: 5, at_us: Micros(6) },
                Event::Rss { worker, bytes: Bytes(7), at_us: Micros(8) },
                Event::Cpu { worker: None, used_us: Micros(9), at_us: Micros(10) },
                Event::WorkerEnded { worker, at_us: Micros(11) },
            ],
            &[
                json!({"reason": "worker-started", "worker": 3, "pid": 7, "at_us": 1}),
                zip(
                    "phase",
                    json!({
                        "unit": "zip/src/a.c", "worker": 3, "slot": 1, "phase": "optimise", "cgu": 2, "of": null,
                        "start_us": 2, "dur_us": 3,
                    }),
                ),
                json!({"reason": "tokens", "used": 1, "n": 2, "at_us": 4}),
                json!({"reason": "live-modules", "worker": 3, "n": 5, "at_us": 6}),
                json!({"reason": "rss", "worker": 3, "bytes": 7, "at_us": 8}),
                json!({"reason": "cpu", "worker": null, "used_us": 9, "at_us": 10}),
                json!({"reason": "worker-finished", "worker": 3, "at_us": 11}),
            ],
        );
    }

    #[test]
    fn json_has_memory_in_numbers() {
        let (item, budget) = (fixture::ZIP_A, Some(Bytes(9)));
        let wait = |kept_for| {
            let reason = WaitReason::Memory(Shortage {
                need: Bytes(7),
                free: Some(Bytes(3)),
                budget,
                kept_for,
            });
            Event::Wait { item, reason, at_us: Micros(1) }
        };
        let of = Some(Bound::Cgroup { path: "/g".into() });
        let chosen = Chosen { bytes: budget, by: Origin::Option, of, clamped: None, off: false };
        let summary =
            MemorySummary { peak: Bytes(8), budget, waits: 2, ..MemorySummary::default() };
        let killed = |who, by| Event::Killed { who, by, peak: Bytes(8), at_us: Micros(6) };
        let about_wait = |larger: Value| {
            let wait = json!({"unit": "zip/src/a.c", "wait": "memory", "need": 7, "free": 3, "budget": 9, "at_us": 1});
            let mut message = zip("wait", wait);
            message["kept_for"] = larger;
            message
        };
        check(
            &[
                Event::Budget { chosen, at_us: Micros(1) },
                Event::Wait { item, reason: WaitReason::Token, at_us: Micros(1) },
                wait(None),
                wait(Some(fixture::ZIP_B)),
                Event::ShortOfMemory { slots: 2, at_us: Micros(2) },
                Event::WaitEnded { item, at_us: Micros(3) },
                Event::Stopped { jobs: 4, at_us: Micros(3) },
                Event::Leases { bytes: Bytes(4), baselines: Bytes(1), budget, at_us: Micros(3) },
                Event::Memory { used: Bytes(4), free: None, at_us: Micros(4) },
                Event::Pressure { some: 5, full: 1, at_us: Micros(5) },
                killed(Victim::Worker(WorkerId(3)), Killer::Tender),
                killed(Victim::Program(item), Killer::Kernel),
                Event::MemorySummary { summary, at_us: Micros(7) },
            ],
            &[
                json!({
                    "reason": "memory-budget", "bytes": 9, "by": "option", "of": {"kind": "cgroup", "path": "/g"},
                    "clamped": null, "off": false, "at_us": 1,
                }),
                zip("wait", json!({"unit": "zip/src/a.c", "wait": "token", "at_us": 1})),
                about_wait(Value::Null),
                about_wait(json!("zip/src/b.c")),
                json!({"reason": "short-of-memory", "slots": 2, "at_us": 2}),
                zip("wait-finished", json!({"unit": "zip/src/a.c", "at_us": 3})),
                json!({"reason": "stopped-for-memory", "jobs": 4, "at_us": 3}),
                json!({"reason": "lease", "bytes": 4, "baselines": 1, "budget": 9, "at_us": 3}),
                json!({"reason": "memory", "used": 4, "free": null, "at_us": 4}),
                json!({"reason": "pressure", "some": 5, "full": 1, "at_us": 5}),
                json!({
                    "reason": "killed-for-memory", "worker": 3, "unit": null, "by": "tender", "peak_bytes": 8, "at_us": 6,
                }),
                json!({
                    "reason": "killed-for-memory", "worker": null, "unit": "zip/src/a.c", "by": "kernel", "peak_bytes": 8,
                    "at_us": 6,
                }),
                json!({
                    "reason": "memory-summary", "peak": 8, "budget": 9, "waits": 2, "waited_us": 0, "short_us": 0, "stopped_us": 0,
                    "stalled_us": null, "killed_by_tender": 0, "killed_by_kernel": 0, "failed_allocations": 0, "retries": 0, "at_us": 7,
                }),
            ],
        );
    }

    #[test]
    fn json_diagnostic_has_cargos_shape() {
        check(
            &[Event::Diagnostic {
                item: fixture::ZIP_A,
                diagnostic: fixture::diagnostic(Level::Warning, "unused"),
                replayed: false,
            }],
            &[zip(
                "compiler-message",
                json!({
                    "unit": "zip/src/a.c",
                    "message": {
                        "$message_type": "diagnostic",
                        "rendered": "zip/src/a.c:3:5: warning: unused\n  f();\n  ^\n",
                        "level": "warning", "message": "unused", "code": null, "children": [],
                        "spans": [{
                            "file_name": "zip/src/a.c", "byte_start": 0, "byte_end": 0, "line_start": 3, "line_end": 3,
                            "column_start": 5, "column_end": 6, "is_primary": true, "text": [], "label": null,
                            "suggested_replacement": null, "suggestion_applicability": null, "expansion": null,
                        }],
                    },
                }),
            )],
        );
    }

    #[test]
    fn json_artifacts_name_their_files() {
        let profile = json!({
            "opt_level": "2", "debuginfo": 0, "debug_assertions": false, "overflow_checks": false, "test": false,
        });
        let archive = json!({
            "profile": profile, "features": [], "filenames": ["/ws/target/release/libzip.a"], "executable": null,
            "fresh": true,
        });
        check(
            &[
                Event::Artifact { item: fixture::ZIP_ARCHIVE, fresh: true },
                // An object is not an artifact that the user asked for.
                Event::Artifact { item: fixture::ZIP_A, fresh: true },
            ],
            &[zip("compiler-artifact", archive)],
        );
    }

    #[test]
    fn lines_find_the_byte_of_a_position() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(root.join("a.c"), "int x;\n\n/* ä */ y").unwrap();
        let mut lines = Lines::default();
        let mut check = |file: &str, line, column, expect| {
            assert_eq!(lines.offset(root, file, line, column), expect, "{file}:{line}:{column}");
        };
        check("a.c", 1, 5, Some(4));
        check("a.c", 2, 1, Some(7));
        check("a.c", 3, 10, Some(17));
        check("absent.c", 1, 1, None);
        check("a.c", 3, 11, Some(18));
        // The file is another by now.
        check("a.c", 3, 12, None);
        check("a.c", 1, 9, None);
        check("a.c", 4, 1, None);
        check("a.c", 0, 0, None);
    }

    #[test]
    fn json_ends_when_its_reader_is_gone() {
        struct Gone(u32);
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                assert_eq!(self.0, 0, "wrote again after a broken pipe");
                self.0 += 1;
                Err(std::io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let graph = fixture::graph();
        let mut json = Json::new(Box::new(Gone(0)), Rc::new(Crates::new(&fixture::workspace())));
        json.event(&graph, &Event::BuildStarted { jobs: 1, at_us: Micros(0) });
        json.event(&graph, &Event::BuildStarted { jobs: 1, at_us: Micros(0) });
    }
}
