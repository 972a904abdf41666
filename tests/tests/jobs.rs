//! Never more than N jobs at once, few workers, and a trace and messages that show this.

use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::process::Command;
use tender_tests::{TestSpace, Trace, invariants, vendored};

/// Checks the trace of a successful build with `n` jobs.
#[track_caller]
fn check(trace: &Trace, n: u64) {
    assert!(
        trace.max_concurrent_phases() <= n,
        "{} phases at once of {n}",
        trace.max_concurrent_phases()
    );
    let rows = trace.worker_rows();
    assert!(rows.len() as u64 <= n, "{} workers for {n} jobs", rows.len());
    assert_eq!(
        rows.values().collect::<BTreeSet<_>>().len(),
        rows.len(),
        "two workers of one process id: {rows:?}"
    );

    let used = trace.counter("tokens", "used");
    assert!(!used.is_empty());
    assert!(used.iter().all(|(_, _, used)| *used <= n), "more than {n} tokens in use: {used:?}");
    assert_eq!(used.last().unwrap().2, 0, "tokens are in use after the end: {used:?}");
    assert!(trace.counter("tokens", "n").iter().all(|(_, _, all)| *all == n));

    for job in trace.jobs() {
        assert_eq!(job.outcome, "ok", "{job:?}");
        assert!(job.pid == 0 || rows.contains_key(&job.pid), "on no row: {job:?}");
    }
    one_job_a_slot(trace);
    phases_lie_in_their_jobs(trace);
    invariants::live_modules(trace, n).unwrap_or_else(|why| panic!("{why}"));
}

/// A slot has one phase at a time. The slot on which an item starts is not checked, because its
/// pieces run on others.
#[track_caller]
fn one_job_a_slot(trace: &Trace) {
    let mut ends: HashMap<(u64, u64), u64> = HashMap::new();
    let mut phases: Vec<(u64, u64, u64, u64)> = trace
        .of_kind("X")
        .map(|phase| {
            let number = |key: &str| phase[key].as_u64().expect("a number");
            (number("ts"), number("dur"), number("pid"), number("tid"))
        })
        .collect();
    phases.sort_unstable();
    for (start, dur, pid, tid) in phases {
        let end = ends.insert((pid, tid), start + dur).unwrap_or(0);
        assert!(end <= start, "two phases at once on slot {tid} of row {pid}, at {start}");
    }
}

/// Checks names, categories and arguments of complete events: each is within its item, and those of
/// one piece do not overlap.
#[track_caller]
fn phases_lie_in_their_jobs(trace: &Trace) {
    const UNIT: &[&str] = &[
        "translate",
        "cut",
        "optimise",
        "serialise",
        "thinlink",
        "backend",
        "emit",
        "join",
        "generate",
    ];
    const LINK: &[&str] = &["archive", "link"];
    let jobs = trace.jobs();
    let mut ends: HashMap<(String, String, u64), u64> = HashMap::new();
    let mut phases: Vec<&Value> = trace.of_kind("X").collect();
    phases.sort_by_key(|phase| phase["ts"].as_u64());
    for phase in phases {
        let names = if phase["cat"] == "link" { LINK } else { UNIT };
        assert!(names.contains(&phase["name"].as_str().unwrap()), "{phase}");
        assert!(phase["cat"] == "link" || phase["cat"] == "unit", "{phase}");
        let cgu = phase["args"]["cgu"].as_u64().unwrap_or_else(|| panic!("no piece: {phase}"));
        let text = |key: &str| {
            phase["args"][key].as_str().unwrap_or_else(|| panic!("no {key}: {phase}")).to_owned()
        };
        let (krate, unit) = (text("crate"), text("unit"));
        let (start, dur) =
            (phase["ts"].as_u64().unwrap(), phase["dur"].as_u64().expect("a duration"));
        let inside = jobs.iter().any(|job| {
            (&job.krate, &job.unit) == (&krate, &unit)
                && phase["pid"] == job.pid
                && job.start_us <= start
                && start + dur <= job.end_us
        });
        assert!(inside, "outside of its item: {phase}");
        let end = ends.insert((krate, unit, cgu), start + dur).unwrap_or(0);
        assert!(end <= start, "overlaps another phase of its piece: {phase}");
    }
}

#[test]
fn jobs_of_diamond_are_never_more_than_n() {
    for n in [1, 2, 3, 8] {
        let space = TestSpace::example("diamond");
        let trace = space.trace_build(&[&format!("-j{n}")]);
        check(&trace, n);
        assert_eq!(trace.jobs().len(), 15);
        let phases = trace.phases();
        for phase in ["generate", "translate", "optimise", "emit", "archive", "link"] {
            assert!(phases.contains(phase), "no {phase} among {phases:?}");
        }
    }
}

#[test]
fn jobs_of_many_small_crates_are_never_more_than_n() {
    for n in [1, 2, 3, 8] {
        let space = TestSpace::many_crates(30, 3);
        let trace = space.trace_build(&[&format!("-j{n}")]);
        check(&trace, n);
        assert_eq!(trace.jobs().len(), 30 * 3 + 30 + 2);
        // Nothing is cut here, so every running item holds a slot. With two jobs and a hundred
        // units, two run at once at some time.
        let most = trace.max_concurrent_jobs();
        assert!((n.min(2)..=n).contains(&most), "{most} at once of {n}");
    }
}

#[test]
fn jobs_of_lua_are_never_more_than_n() {
    if vendored() {
        let space = TestSpace::example("real-world");
        let trace = space.trace_build(&["-p", "lua", "--release", "-j2"]);
        check(&trace, 2);
        assert_eq!(trace.workers(), 1, "one crate goes to one worker");
    }
}

#[test]
fn workers_for_a_hundred_crates_are_no_more_than_jobs() {
    let space = TestSpace::many_crates(100, 1);
    let trace = space.trace_build(&["-j2"]);
    check(&trace, 2);
    assert!(trace.workers() <= 2);
}

#[test]
fn generators_count_as_jobs() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"g*\"]\n");
    for krate in 0..4 {
        let command =
            "[[generate]]\nrun = [\"sh\", \"-c\", \"sleep 0.05; echo 'int g;' > $OUT_DIR/g.c\"]\n";
        let name = format!("name = \"g{krate}\"");
        space.write(
            &format!("g{krate}/Tender.toml"),
            format!("[package]\n{name}\n[lib]\nsources = [\"$OUT_DIR/g.c\"]\n{command}outputs = [\"$OUT_DIR/g.c\"]\n"),
        );
    }
    let trace = space.trace_build(&["-j2"]);
    check(&trace, 2);
    assert_eq!(trace.of_kind("X").filter(|event| event["name"] == "generate").count(), 4);
}

#[test]
fn trace_of_a_failed_build_is_complete() {
    let space = TestSpace::many_crates(3, 2);
    space.write("c1/src/f0.c", "int broken(");
    let file = space.path("trace.json");
    space.tender(&["build", "-j2", "--keep-going", "--trace", file.as_str()]).expect_code(101);
    let trace = Trace::read(&file);
    assert!(trace.max_concurrent_jobs() <= 2);
    let failed: Vec<_> = trace.jobs().into_iter().filter(|job| job.outcome == "failed").collect();
    assert_eq!(failed.iter().map(|job| job.unit.as_str()).collect::<Vec<_>>(), ["c1/src/f0.c"]);
    assert_eq!(trace.counter("tokens", "used").last().unwrap().2, 0);
}

/// The messages of a build, one JSON object on each line, after checks of all of them.
#[track_caller]
fn messages(space: &TestSpace, args: &[&str], success: bool) -> Vec<Value> {
    let args = [&["build", "--message-format", "json"], args].concat();
    let run = space.tender(&args).expect_code(if success { 0 } else { 101 });
    let messages = run.messages();
    let reason = |message: &Value| {
        message["reason"].as_str().expect("every message has a reason").to_owned()
    };
    assert_eq!(reason(messages.first().unwrap()), "build-started", "{run}");
    assert_eq!(reason(messages.last().unwrap()), "build-finished", "{run}");
    assert_eq!(messages.last().unwrap()["success"], success, "{run}");
    for end in ["build-started", "build-finished"] {
        assert_eq!(messages.iter().filter(|message| reason(message) == end).count(), 1, "{run}");
    }
    let documented: BTreeSet<&str> = include_str!("../../docs/json.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|reasons| reasons.split(", "))
        .collect();
    let of_units = [
        "unit-started",
        "unit-finished",
        "compiler-message",
        "compiler-artifact",
        "wait",
        "wait-finished",
        "phase",
    ];
    for message in &messages {
        let reason = reason(message);
        assert!(documented.contains(&*format!("`{reason}`")), "not in docs/json.md: {message}");
        let has_target = message["target"]["name"].is_string();
        assert_eq!(has_target, of_units.contains(&reason.as_str()), "{message}");
    }
    messages
}

fn of(messages: &[Value], reason: &str) -> Vec<String> {
    let those = messages.iter().filter(|message| message["reason"] == reason);
    let mut names: Vec<String> =
        those.map(|message| format!("{} {}", message["target"]["name"], message["unit"])).collect();
    names.sort();
    names
}

#[test]
fn messages_agree_with_each_other() {
    let space = TestSpace::example("diamond");
    let first = messages(&space, &["-j2"], true);
    assert_eq!((&first[0]["items"], &first[0]["jobs"]), (&Value::from(15), &Value::from(2)));
    let started = of(&first, "unit-started");
    assert_eq!(started, of(&first, "unit-finished"));
    assert_eq!(started.len(), 15);
    for message in first.iter().filter(|message| message["reason"] == "unit-finished") {
        assert_eq!(
            (&message["outcome"], &message["rebuild"]["reason"]),
            (&"ok".into(), &"new".into()),
            "{message}"
        );
    }
    // The outputs are at the paths in the messages.
    let artifacts: Vec<&Value> =
        first.iter().filter(|message| message["reason"] == "compiler-artifact").collect();
    assert_eq!(artifacts.len(), 6);
    for artifact in artifacts {
        assert_eq!(artifact["fresh"], false, "{artifact}");
        for file in artifact["filenames"].as_array().unwrap() {
            assert!(space.exists(file.as_str().unwrap()), "{artifact}");
        }
    }
    let program = first.iter().find_map(|message| message["executable"].as_str()).unwrap();
    let run = space.run(Command::new(program)).expect_ok();
    assert!(run.stdout.starts_with("circle"), "{run}");

    let second = messages(&space, &["-j2"], true);
    assert_eq!(second[0]["items"], 15);
    assert!(of(&second, "unit-started").is_empty());
    assert_eq!(of(&second, "compiler-artifact"), of(&first, "compiler-artifact"));
    assert!(second.iter().all(|message| message["fresh"] != false));
}

#[test]
fn messages_of_warnings_have_flag_and_bytes() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"app\"\nwarnings = [\"all\"]\n");
    let text = "/* \u{e4} */\nint main(void) { int \u{e4}, unused; \u{e4} = 0; return \u{e4}; }\n";
    space.write("src/main.c", text);
    let messages = messages(&space, &["-j1"], true);
    let warning = messages.iter().find(|message| message["reason"] == "compiler-message").unwrap();
    let (message, span) = (&warning["message"], &warning["message"]["spans"][0]);
    assert_eq!(message["code"]["code"], "-Wunused-variable", "{warning}");
    let at = text.find("unused").unwrap();
    assert_eq!(
        (span["byte_start"].as_u64(), span["byte_end"].as_u64()),
        (Some(at as u64), Some(at as u64 + 1))
    );
}

#[test]
fn messages_of_a_failed_build_are_complete() {
    let space = TestSpace::many_crates(3, 2);
    space.write("c1/src/f0.c", "int broken(");
    let messages = messages(&space, &["-j2", "--keep-going"], false);
    let diagnostics: Vec<&Value> =
        messages.iter().filter(|message| message["reason"] == "compiler-message").collect();
    let shown = diagnostics[0];
    assert_eq!(shown["unit"], "c1/src/f0.c", "{shown}");
    assert_eq!(shown["message"]["level"], "error", "{shown}");
    assert_eq!(shown["message"]["spans"][0]["line_start"], 1, "{shown}");
    assert!(!shown["message"]["rendered"].as_str().unwrap().contains('\x1b'), "{shown}");
    let outcome = |outcome: &str| {
        let ended = messages.iter().filter(|message| message["outcome"] == outcome);
        let mut units: Vec<&str> = ended.map(|message| message["unit"].as_str().unwrap()).collect();
        units.sort_unstable();
        units
    };
    assert_eq!(outcome("failed"), ["c1/src/f0.c"]);
    assert_eq!(outcome("skipped"), ["app", "libc1.a"]);
    assert_eq!(outcome("ok").len(), 5 + 2 + 1);
}
