//! Reports of memory if it is the limit: in the text output, the JSON messages, the trace and the
//! timings page.

use serde_json::Value;
use std::collections::BTreeSet;
use tender_tests::{Cgroup, Run, Terminal, TestSpace, Trace, invariants, probe};

const MIB: u64 = 1 << 20;
/// It has no room for the leases of two C++ units: the smallest estimate of one is 152 MiB.
const BUDGET: u64 = 180 * MIB;

/// One library of `units` C++ units, each of which takes some time.
fn heavy(units: u32) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"heavy\"\n");
    for unit in 0..units {
        let text = format!(
            "#include <map>\n#include <string>\nint f{unit}(std::map<std::string, int> m) {{ return m[\"{unit}\"]; }}\n"
        );
        space.write(&format!("src/f{unit}.cc"), text);
    }
    space
}

fn build(space: &TestSpace, args: &[&str]) -> Run {
    let memory = format!("--memory={BUDGET}");
    space.tender(&[&["build", "-j4", &memory], args].concat()).expect_ok()
}

fn of<'a>(all: &'a [Value], reason: &str) -> Vec<&'a Value> {
    all.iter().filter(|message| message["reason"] == reason).collect()
}

#[test]
fn verbose_output_tells_budget_waits_and_cost() {
    let space = heavy(4);
    let run = build(&space, &["-vv"]);
    let budget = format!("memory budget: {} MiB, by --memory", BUDGET / MIB);
    assert!(run.stderr.contains(&budget), "{run}");
    let waiting = run.stderr.lines().find(|line| line.trim_start().starts_with("Waiting src/f"));
    assert!(
        waiting.is_some_and(|line| line.contains(": needs ") && line.ends_with(" is free")),
        "{run}"
    );
    let cost = run.stderr.lines().find(|line| line.trim_start().starts_with("Memory peak "));
    let cost = cost.unwrap_or_else(|| panic!("no cost: {run}"));
    assert!(
        cost.contains(&format!(", budget {} MiB; ", BUDGET / MIB))
            && cost.contains("slots idle for"),
        "{cost}"
    );
    assert!(!cost.contains("killed"), "{cost}");
    // A build that runs nothing reports no memory.
    let run = build(&space, &["-v"]);
    assert!(!run.stderr.contains("Memory peak"), "{run}");
}

#[test]
fn json_tells_memory_in_numbers() {
    let space = heavy(4);
    let run = build(&space, &["--message-format=json"]);
    let all = run.messages();
    let budget = of(&all, "memory-budget");
    assert_eq!(
        (&budget[0]["bytes"], &budget[0]["by"]),
        (&BUDGET.into(), &"option".into()),
        "{run}"
    );
    let waits: Vec<&Value> =
        of(&all, "wait").into_iter().filter(|wait| wait["wait"] == "memory").collect();
    assert!(!waits.is_empty(), "{run}");
    for wait in &waits {
        let number = |key: &str| wait[key].as_u64().unwrap_or_else(|| panic!("{key}: {wait}"));
        assert_eq!(number("budget"), BUDGET);
        assert!(number("need") > number("free") || wait["kept_for"].is_string(), "{wait}");
    }
    let units = |messages: &[&Value]| -> BTreeSet<String> {
        messages.iter().map(|message| message["unit"].to_string()).collect()
    };
    assert_eq!(units(&waits), units(&of(&all, "wait-finished")), "{run}");
    let short: Vec<u64> = of(&all, "short-of-memory")
        .iter()
        .map(|message| message["slots"].as_u64().unwrap())
        .collect();
    assert!(short.iter().any(|slots| *slots > 0) && short.last() == Some(&0), "{short:?}");
    assert!(short.iter().all(|slots| *slots < 4), "one job always runs: {short:?}");
    for unit in of(&all, "unit-finished")
        .iter()
        .filter(|unit| unit["unit"].as_str().unwrap().ends_with(".cc"))
    {
        let number = |key: &str| unit[key].as_u64().unwrap_or_else(|| panic!("{key}: {unit}"));
        assert!(number("begin_peak_bytes") > 0 && number("lease_bytes") > 90 * MIB, "{unit}");
    }
    let [summary] = of(&all, "memory-summary")[..] else { panic!("one summary: {run}") };
    assert_eq!(summary["waits"], waits.len(), "{summary}");
    assert_eq!((&summary["budget"], &summary["killed_by_kernel"]), (&BUDGET.into(), &0.into()));
    assert!(summary["waited_us"].as_u64() >= summary["short_us"].as_u64(), "{summary}");
    // Without a request for samples.
    assert_eq!(of(&all, "pressure").len() + of(&all, "memory").len(), 0);
}

#[test]
fn trace_and_page_show_memory() {
    let space = heavy(4);
    let file = space.path("trace.json");
    build(&space, &["--timings", "--trace", file.as_str()]);
    let trace = Trace::read(&file);
    let budgets: BTreeSet<u64> =
        trace.counter("lease", "budget").iter().map(|(_, _, bytes)| *bytes).collect();
    assert_eq!(budgets, BTreeSet::from([BUDGET]));
    assert!(invariants::returned_leases(&trace, true).unwrap_or_else(|why| panic!("{why}")) > 0);
    assert!(trace.counter("memory", "used").iter().any(|(_, _, bytes)| *bytes > MIB));
    assert!(trace.counter("short_of_memory", "slots").iter().any(|(_, _, slots)| *slots > 0));
    for (_, _, percent) in trace.counter("pressure", "some") {
        assert!(percent <= 100);
    }
    let waits: Vec<&Value> =
        trace.of_kind("b").filter(|event| event["name"] == "too little memory is free").collect();
    assert!(!waits.is_empty());
    assert!(
        waits.iter().all(|wait| wait["args"]["need"].is_u64() && wait["args"]["budget"] == BUDGET)
    );
    let ends = trace.of_kind("e").filter(|event| event["cat"] == "wait").count();
    assert_eq!(trace.of_kind("b").filter(|event| event["cat"] == "wait").count(), ends);
    let summaries = trace.of_kind("i").filter(|event| event["name"] == "memory summary").count();
    assert_eq!(summaries, 1);

    let page = space.read("target/debug/.tender/timings.html");
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    for lane in ["tokens", "short", "waitMemory", "memory", "leases", "budget"] {
        let points = data["lanes"][lane].as_array().unwrap();
        assert!(points.len() >= 2, "the lane `{lane}` has points");
    }
    let highest = |lane: &str| {
        let values = data["lanes"][lane]
            .as_array()
            .unwrap()
            .chunks(2)
            .map(|point| point[1].as_u64().unwrap());
        values.max().unwrap()
    };
    assert!(highest("budget") <= BUDGET);
    assert!(highest("leases") > 90 * MIB);
}

#[test]
fn build_with_one_job_waits_for_no_memory() {
    let space = heavy(2);
    let run =
        space.tender(&["build", "-vv", "-j1", "--memory=1M", "--message-format=json"]).expect_ok();
    let all = run.messages();
    assert_eq!(of(&all, "short-of-memory"), Vec::<&Value>::new());
    assert!(of(&all, "wait").iter().all(|wait| wait["wait"] != "memory"), "{run}");
    assert!(run.stderr.contains("; no item waited for memory"), "{run}");
}

/// Crates whose commands last until the file `go` exists; each has a lease of 64 MiB.
fn waiting(crates: u32) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"c*\"]\n");
    for krate in 0..crates {
        let run = "while ! [ -e ../go ]; do sleep 0.01; done; : > $OUT_DIR/x.h";
        let generate = format!(
            "[[generate]]\nrun = [\"sh\", \"-c\", \"{run}\"]\noutputs = [\"$OUT_DIR/x.h\"]\n"
        );
        space.write(
            &format!("c{krate}/Tender.toml"),
            format!("[package]\nname = \"c{krate}\"\n{generate}"),
        );
        space.write(&format!("c{krate}/src/lib.c"), "int unused;\n");
    }
    space
}

#[test]
fn bar_shows_that_memory_is_the_limit() {
    let space = waiting(3);
    let mut command = space.command(&["build", "-j4", "--memory=100Mi"]);
    command.env("TERM", "xterm-256color");
    let mut terminal = Terminal::start(120, command);
    // One item runs, and the fourth slot has no item.
    terminal.shows("2 slots wait for memory");
    space.write("go", "");
    assert!(terminal.ends().success(), "{}", terminal.screen());
    assert!(!terminal.screen().contains("wait for memory"), "{}", terminal.screen());
}

#[test]
fn kills_of_the_kernel_are_counted_and_named() {
    let Some(group) = Cgroup::new(150 * MIB) else { return };
    let space = TestSpace::new();
    let probe = probe();
    let generate =
        format!("[[generate]]\nrun = [\"{probe}\", \"fill\", \"{}\"]\nretry = true\n", 400 * MIB);
    space.write(
        "Tender.toml",
        format!("[package]\nname = \"x\"\n{generate}outputs = [\"$OUT_DIR/x.h\"]\n"),
    );
    space.write("src/main.c", "int main(void) { return 0; }\n");
    let file = space.path("trace.json");
    let mut command = space.command(&[
        "build",
        "-v",
        "--timings",
        "--message-format=json",
        "--trace",
        file.as_str(),
    ]);
    group.confine(&mut command);
    let run = space.run(command).expect_code(101);
    assert!(run.stderr.contains("; killed for memory: 2 by the kernel; retried: 1 unit"), "{run}");
    let all = run.messages();
    let killed = of(&all, "killed-for-memory");
    assert_eq!(killed.len(), 2, "{run}");
    assert!(
        killed.iter().all(|message| message["by"] == "kernel" && message["unit"].is_string()),
        "{run}"
    );
    let [summary] = of(&all, "memory-summary")[..] else { panic!("one summary: {run}") };
    assert_eq!((&summary["killed_by_kernel"], &summary["retries"]), (&2.into(), &1.into()));
    let trace = Trace::read(&file);
    assert_eq!(trace.of_kind("i").filter(|event| event["name"] == "killed for memory").count(), 2);
    let outcomes: Vec<String> = trace.jobs().into_iter().map(|job| job.outcome).collect();
    assert_eq!(outcomes, ["interrupted", "interrupted"], "both runs are there");
    let page = space.read("target/debug/.tender/timings.html");
    assert!(page.contains("\"kills\":[["), "kills are on the page");
}
