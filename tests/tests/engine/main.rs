//! The engine with a worker whose behaviour the test chooses.

mod space;

use space::{Space, Told};
use tender::engine::Summary;
use tender::events::Severity;
use tender::host::EngineError;
use tender_protocol::PROTOCOL;

/// A workspace whose worker has another name, which changes its behaviour.
fn worker_called(name: &str) -> Space {
    let mut space = Space::new();
    let link = space.path(name);
    std::os::unix::fs::symlink(&space.worker, &link).unwrap();
    space.worker = link;
    space
}

fn errors(told: &Told) -> String {
    let errors = told.messages.iter().filter(|(severity, _)| *severity == Severity::Error);
    errors.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n")
}

fn all_messages(told: &Told) -> String {
    let said = told.messages.iter().filter(|(severity, _)| *severity != Severity::Verbose);
    said.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n")
}

fn success((result, told): (Result<Summary, EngineError>, Told)) -> Told {
    let summary = result.unwrap();
    assert!(summary.success, "{}", all_messages(&told));
    told
}

fn failure((result, told): (Result<Summary, EngineError>, Told)) -> Told {
    let summary = result.unwrap();
    assert!(!summary.success && summary.interrupted.is_none());
    told
}

fn error((result, _): (Result<Summary, EngineError>, Told)) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn workspace_is_built_and_then_up_to_date() {
    let mut space = Space::new();
    let a = space.library("a", &["ok 1", "ok 2"]);
    let b = space.library("b", &["sleep 5"]);
    space.program("app", &[a, b]);
    let told = success(space.build(2, false));
    assert_eq!(told.built.len(), 6);
    assert_eq!(told.built.last().unwrap(), "app");
    assert_eq!(told.artifacts, [("app".to_owned(), false)]);
    assert!(told.most_tokens <= 2);
    assert_eq!(
        std::fs::read_to_string(space.path("target/debug/app")).unwrap(),
        "ok 1\nok 2\nsleep 5\n"
    );

    let told = success(space.build(2, false));
    assert_eq!((told.fresh, told.built.len(), told.workers), (6, 0, 0));
    assert_eq!(told.artifacts, [("app".to_owned(), true)]);

    space.write("b/0.c", "ok other\n");
    let told = success(space.build(2, false));
    assert_eq!(told.built, ["b/0.c", "libb.a", "app"]);
}

#[test]
fn crates_are_given_to_few_workers() {
    let mut space = Space::new();
    for number in 0..40 {
        space.library(&format!("c{number}"), &["ok"]);
    }
    let told = success(space.build(2, false));
    assert_eq!((told.built.len(), told.workers), (80, 2));
}

#[test]
fn failure_stops_the_build_unless_it_is_to_keep_going() {
    let mut space = Space::new();
    let bad = space.library("bad", &["fail", "ok"]);
    let good = space.library("good", &["sleep 1", "ok"]);
    space.program("needs-bad", &[bad]);
    space.program("needs-good", &[good]);
    let told = failure(space.build(1, true));
    assert_eq!(told.failed, ["bad/0.c"]);
    let mut skipped = told.skipped.clone();
    skipped.sort();
    assert_eq!(skipped, ["libbad.a", "needs-bad"]);
    assert!(told.built.contains(&"needs-good".to_owned()));

    let told = failure(space.build(1, false));
    assert_eq!(told.failed, ["bad/0.c"]);
    assert!(told.built.is_empty());
}

#[test]
fn crash_names_the_unit_and_leaves_a_reproducer() {
    let mut space = Space::new();
    space.library("bad", &["signal 11"]);
    space.library("good", &["ok"]);
    let told = failure(space.build(1, true));
    let errors = errors(&told);
    assert!(errors.contains("internal compiler error"), "{errors}");
    assert!(
        errors.contains("signal 11, SIGSEGV") && errors.contains("`bad/0.c` of crate `bad`"),
        "{errors}"
    );
    assert!(errors.contains("Stack dump: this is the tail"), "{errors}");
    assert!(told.built.contains(&"libgood.a".to_owned()));
    let messages = all_messages(&told);
    let script = messages.lines().last().unwrap().split("to run it: ").nth(1).unwrap();
    let text = std::fs::read_to_string(script).unwrap();
    assert!(text.contains("'-DWHAT=a b'") && text.contains("source.i"), "{text}");
    let source = script.replace("run.sh", "source.i");
    assert_eq!(std::fs::read_to_string(source).unwrap(), "preprocessed signal 11\n");
}

#[test]
fn crash_with_several_items_in_flight_is_blamed_on_the_one_that_crashes_alone() {
    let mut space = worker_called("greedy");
    space.library("a", &["ok", "signal 6", "ok"]);
    let told = failure(space.build(1, true));
    assert_eq!(told.failed, ["a/1.c"]);
    let mut built = told.built.clone();
    built.sort();
    assert_eq!(built, ["a/0.c", "a/2.c"]);
    assert_eq!(told.skipped, ["liba.a"]);
}

#[test]
fn early_exit_and_garbage_count_as_crashes() {
    for (behaviour, says) in [
        ("exit 3", "exit status 3"),
        ("garbage", "printf debugging"),
        ("endless", "it wrote a line of more than 67108864 bytes"),
    ] {
        let mut space = Space::new();
        space.library("a", &[behaviour]);
        let told = failure(space.build(1, false));
        assert!(errors(&told).contains(says), "{}", errors(&told));
        assert_eq!(told.failed, ["a/0.c"]);
    }
}

#[test]
fn worker_that_is_killed_from_outside_is_retried_once() {
    let mut space = Space::new();
    space.library("a", &["kill-once"]);
    let told = success(space.build(1, false));
    assert!(told.built.contains(&"a/0.c".to_owned()));
    assert!(all_messages(&told).contains("signal 9"), "{}", all_messages(&told));

    let mut space = Space::new();
    space.library("a", &["signal 9"]);
    let told = failure(space.build(1, false));
    assert!(errors(&told).contains("signal 9, perhaps for memory"), "{}", errors(&told));
}

#[test]
fn standard_error_of_a_worker_is_shown_with_the_crate() {
    let mut space = Space::new();
    space.library("a", &["stderr"]);
    let told = success(space.build(1, false));
    assert_eq!(all_messages(&told), "tender-worker, crate `a`: LLVM talks to itself");
}

#[test]
fn standard_error_of_a_worker_is_shown_up_to_a_limit() {
    let mut space = Space::new();
    space.library("a", &["flood"]);
    let told = success(space.build(1, false));
    let messages = all_messages(&told);
    assert!(
        messages.contains("zzz (the rest of the line is left out)\nyyy"),
        "{} bytes",
        messages.len()
    );
    assert!(
        messages.contains("yyy\n(the rest of the output is left out)"),
        "{} bytes",
        messages.len()
    );
    assert!(messages.len() < 3 << 20, "{} bytes", messages.len());
}

#[test]
fn worker_that_does_not_fit_is_refused() {
    let other = PROTOCOL + 1;
    let of_protocol = format!(
        "speaks version {other} of the worker protocol and tender speaks version {PROTOCOL}"
    );
    for (called, says) in [
        ("wrong-protocol", of_protocol.as_str()),
        ("wrong-llvm", "LLVM 3.1 and tender is built for LLVM 22"),
        ("not-a-worker", "Usage: something else"),
    ] {
        let mut space = worker_called(called);
        space.library("a", &["ok"]);
        let message = error(space.build(1, false));
        assert!(message.contains(says), "{message}");
    }
    let mut space = Space::new();
    space.library("a", &["ok"]);
    space.worker = "/bin/false".into();
    assert!(
        error(space.build(1, false))
            .contains("`/bin/false` ended before it was ready (exit status 1)")
    );
}

#[test]
fn command_runs_before_its_dependents() {
    let mut space = Space::new();
    let script = "echo making; echo x > $OUT_DIR/config.h; cat; test -n \"$MAKEFLAGS\"";
    let header = space.generate(&["sh", "-c", script], "out/config.h");
    space.library_after("a", &["ok"], &[header]);
    let told = success(space.build(2, false));
    assert_eq!(told.output, "making\n");
    assert_eq!(told.built[0], "out/config.h");
    let told = success(space.build(2, false));
    assert_eq!((told.fresh, told.built.len()), (3, 0));
}

#[test]
fn command_that_fails_is_reported_with_its_end() {
    for (script, says) in [
        ("exit 4", "`sh -c 'exit 4'` of crate `gen` failed (exit status 4)"),
        ("kill -9 $$", "failed (signal 9, SIGKILL)"),
        ("true", "succeeded but did not make `out/config.h`"),
    ] {
        let mut space = Space::new();
        let header = space.generate(&["sh", "-c", script], "out/config.h");
        space.library_after("a", &["ok"], &[header]);
        let told = failure(space.build(2, true));
        assert!(errors(&told).contains(says), "{}", errors(&told));
        assert_eq!(told.skipped.len(), 2);
    }
    let mut space = Space::new();
    space.generate(&["no-such-program"], "out/config.h");
    let told = failure(space.build(1, false));
    assert!(
        errors(&told).contains("failed to start `no-such-program` of crate `gen`"),
        "{}",
        errors(&told)
    );
}
