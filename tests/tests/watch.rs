//! `--watch`: files are changed while `tender` waits, builds, or runs tests and programs.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tender_tests::{TestSpace, wait_until};

/// Long enough for the slowest machine: a test that reaches it has failed.
const LONGEST: Duration = Duration::from_secs(120);

/// A running `tender ... --watch`.
struct Watching<'a> {
    space: &'a TestSpace,
    child: Child,
    /// How much of its messages was waited for.
    seen: usize,
}

impl<'a> Watching<'a> {
    fn start(space: &'a TestSpace, args: &[&str]) -> Self {
        let mut command = space.command(args);
        command.stdout(File::create(space.path(".log/out").as_std_path()).unwrap());
        command.stderr(File::create(space.path(".log/err").as_std_path()).unwrap());
        Watching::of(space, command)
    }

    fn of(space: &'a TestSpace, mut command: Command) -> Self {
        Watching { space, child: command.spawn().unwrap(), seen: 0 }
    }

    fn messages(&self) -> String {
        self.space.read(".log/err")
    }

    /// Waits for a text behind what was waited for, and returns what stands before it.
    #[track_caller]
    fn expect(&mut self, text: &str) -> String {
        let started = Instant::now();
        loop {
            let all = self.messages();
            if let Some(at) = all[self.seen..].find(text) {
                let before = all[self.seen..self.seen + at].to_owned();
                self.seen += at + text.len();
                return before;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended: {all}");
            assert!(started.elapsed() < LONGEST, "no {text:?} behind {} in {all}", self.seen);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The processor time that it has used, in ticks.
    fn ticks(&self) -> u64 {
        ticks(self.child.id())
    }

    /// Its children, which are workers while it waits.
    fn workers(&self) -> Vec<u32> {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = std::fs::read_to_string(children).unwrap();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// Ends it by a signal, and returns its messages.
    fn end(mut self, signal: Signal) -> String {
        use std::os::unix::process::ExitStatusExt;
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{}", self.messages());
        self.messages()
    }
}

fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Whether a process exists, and is no zombie.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.trim_start().starts_with(['Z', 'X']) && !rest.is_empty())
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const WATCHES: &str = "Watching for changes; Ctrl-C ends\n";

/// A crate, with a hidden directory for messages, which is not watched.
fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write(".log/err", "");
    space.write("Tender.toml", "[package]\nname = \"app\"\n");
    space.write("include/app.h", "int app(void);\n");
    space.write("src/app.c", "#include \"app.h\"\nint app(void) { return 0; }\n");
    space.write("src/main.c", "#include \"app.h\"\nint main(void) { return app(); }\n");
    space
}

#[test]
fn watch_builds_what_is_saved() {
    let space = space();
    let mut watching = Watching::start(&space, &["build", "--watch", "-v"]);
    watching.expect(WATCHES);
    space.write("include/app.h", "int app(void); // changed\n");
    let said = watching.expect(WATCHES);
    assert!(said.contains("(src/app.c): the file include/app.h has changed"), "{said}");
    // As editors save.
    space.write("src/new", "#include \"app.h\"\nint app(void) { return 1; }\n");
    std::fs::rename(space.path("src/new"), space.path("src/app.c")).unwrap();
    let said = watching.expect(WATCHES);
    assert!(said.contains("(src/app.c): the file src/app.c has changed"), "{said}");
    // A directory that was not there.
    space.write("src/deep/er/more.c", "int more(void) { return 2; }\n");
    let said = watching.expect(WATCHES);
    assert!(said.contains("(src/deep/er/more.c): it has not been built before"), "{said}");
    space.write("src/deep/er/more.c", "int more(void) { return 3; }\n");
    let said = watching.expect(WATCHES);
    assert!(said.contains("the file src/deep/er/more.c has changed"), "{said}");
    watching.end(Signal::INT);
    space.expect_fresh(&[]);
}

#[test]
fn watch_goes_on_after_mistakes() {
    let space = space();
    let mut watching = Watching::start(&space, &["check", "--watch"]);
    watching.expect(WATCHES);
    space.write("src/app.c", "int app(void) { return x; }\n");
    let said = watching.expect(WATCHES);
    assert!(said.contains("undeclared identifier 'x'"), "{said}");
    space.write("src/app.c", "int app(void) { return 0; }\n");
    let said = watching.expect(WATCHES);
    assert!(said.contains("Finished"), "{said}");
    let manifest = space.read("Tender.toml");
    space.write("Tender.toml", "[package]\nname = \"app\"\nlib = 1\n");
    let said = watching.expect(WATCHES);
    assert!(said.contains(" --> Tender.toml:3:1"), "{said}");
    space.write("Tender.toml", manifest);
    let said = watching.expect(WATCHES);
    assert!(said.contains("Finished"), "what was wrong is good again: {said}");
    // A source that is wrong and goes away.
    space.write("src/bad.c", "int\n");
    let said = watching.expect(WATCHES);
    assert!(said.contains("src/bad.c:1:"), "{said}");
    space.remove("src/bad.c");
    let said = watching.expect(WATCHES);
    assert!(said.contains("Finished") && !said.contains("error"), "{said}");
    watching.end(Signal::TERM);
}

#[test]
fn watch_says_nothing_of_changes_that_change_nothing() {
    let space = space();
    let mut watching = Watching::start(&space, &["build", "--watch"]);
    watching.expect(WATCHES);
    space.write("notes.txt", "x");
    let main = space.read("src/main.c");
    space.write("src/main.c", &main);
    // The next one is said, so the others were seen and not said.
    space.write("src/main.c", "int main(void) { return 7; }\n");
    let said = watching.expect(WATCHES);
    assert_eq!(said.matches("Finished").count(), 1, "{said}");
    assert_eq!(said.matches("Compiling").count(), 1, "{said}");
    let all = watching.end(Signal::INT);
    assert_eq!(all.matches(WATCHES).count(), 2, "{all}");
}

#[test]
fn watch_uses_no_processor_time_while_nothing_changes() {
    let space = space();
    let mut watching = Watching::start(&space, &["build", "--watch"]);
    watching.expect(WATCHES);
    let workers = watching.workers();
    assert!(!workers.is_empty(), "workers stay");
    // What follows the message is short; a loop that polls would never come to rest.
    let all = || watching.ticks() + workers.iter().map(|worker| ticks(*worker)).sum::<u64>();
    let started = Instant::now();
    loop {
        let before = all();
        std::thread::sleep(Duration::from_millis(500));
        if all() == before {
            break;
        }
        assert!(started.elapsed() < LONGEST);
    }
    assert_eq!(watching.workers(), workers, "and no watchdog");
    watching.end(Signal::HUP);
    assert!(!workers.iter().any(|worker| runs(*worker)));
}

#[test]
fn watch_keeps_its_worker_until_it_ends() {
    let space = space();
    let mut watching = Watching::start(&space, &["build", "--watch", "-j2"]);
    watching.expect(WATCHES);
    let workers = watching.workers();
    assert!((1..=2).contains(&workers.len()), "{workers:?}");
    space.edit("src/app.c", "return 0", "return 1");
    watching.expect(WATCHES);
    let kept = watching.workers();
    assert_eq!(kept, workers, "no other was started");
    // A mistake costs no worker.
    space.edit("src/app.c", "return 1", "return x");
    watching.expect(WATCHES);
    space.edit("src/app.c", "return x", "return 7");
    watching.expect(WATCHES);
    assert_eq!(watching.workers(), workers);
    // What it makes is what others make.
    let exit = std::process::Command::new(space.path("target/debug/app")).status().unwrap();
    assert_eq!(exit.code(), Some(7));
    kill_process(Pid::from_child(&watching.child), Signal::KILL).unwrap();
    watching.child.wait().unwrap();
    wait_until("workers end with it", || workers.iter().all(|worker| !runs(*worker)));
    space.expect_fresh(&[]);
}

#[test]
fn watch_replaces_a_worker_that_died_while_it_waited() {
    let space = space();
    let mut watching = Watching::start(&space, &["build", "--watch", "-j1"]);
    watching.expect(WATCHES);
    let first = watching.workers();
    kill_process(Pid::from_raw(first[0] as i32).unwrap(), Signal::KILL).unwrap();
    space.edit("src/app.c", "return 0", "return 1");
    let said = watching.expect(WATCHES);
    assert!(!said.contains("warning") && !said.contains("killed"), "{said}");
    let second = watching.workers();
    assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
    watching.end(Signal::INT);
}

#[test]
fn watch_replaces_a_worker_whose_program_or_workspace_is_another() {
    let space = space();
    let program = space.path(".log/worker");
    let install = || {
        let copy = space.path(".log/copy");
        std::fs::copy(tender_tests::program("tender-worker"), &copy).unwrap();
        std::fs::rename(&copy, &program).unwrap();
    };
    install();
    let mut command = space.command(&["build", "--watch", "-j1"]);
    command.env("TENDER_WORKER", &program);
    command.stdout(File::create(space.path(".log/out").as_std_path()).unwrap());
    command.stderr(File::create(space.path(".log/err").as_std_path()).unwrap());
    let mut watching = Watching::of(&space, command);
    watching.expect(WATCHES);
    let first = watching.workers();
    // The same program once more: a build of it is no other tool, but this worker is not its process.
    install();
    space.edit("src/app.c", "return 0", "return 1");
    watching.expect(WATCHES);
    let second = watching.workers();
    assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
    watching.end(Signal::INT);
}

#[test]
fn test_watch_calls_no_worker_a_process_that_a_test_has_left() {
    let space = space();
    space.write("tests/t.c", "int app(void);\nint main(void) { return app(); }\n");
    let mut watching = Watching::start(&space, &["test", "--watch", "-j1"]);
    let said = watching.expect(WATCHES);
    assert!(said.contains("1 passed") && !said.contains("tender-worker"), "{said}");
    let workers = watching.workers();
    assert!(!workers.is_empty());
    space.edit("src/app.c", "return 0", "return 1");
    let said = watching.expect(WATCHES);
    assert!(said.contains("1 failed") && !said.contains("tender-worker"), "{said}");
    assert_eq!(watching.workers(), workers);
    watching.end(Signal::INT);
}

#[test]
fn watch_looks_at_all_files_when_the_queue_was_full() {
    let space = space();
    let mut watching = Watching::start(&space, &["build", "--watch", "-v"]);
    watching.expect(WATCHES);
    let pid = Pid::from_child(&watching.child);
    kill_process(pid, Signal::STOP).unwrap();
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    for number in 0..=limit.trim().parse::<u32>().unwrap() / 2 {
        let path = space.path(&format!("src/{}", number % 7));
        std::fs::create_dir(&path).unwrap();
        std::fs::remove_dir(&path).unwrap();
    }
    space.edit("src/app.c", "return 0", "return 1");
    kill_process(pid, Signal::CONT).unwrap();
    watching.expect("note: too many files have changed to be told one by one");
    let said = watching.expect(WATCHES);
    assert!(said.contains("the file src/app.c has changed"), "{said}");
    watching.end(Signal::INT);
}

#[test]
fn edit_while_a_build_runs_is_built_right_after() {
    let space = space();
    // The command waits until the test has edited a source that was compiled before.
    space.write(
        "Tender.toml",
        "[package]\nname = \"app\"\n[[generate]]\nrun = [\"sh\", \"wait.sh\"]\noutputs = [\"$OUT_DIR/made.h\"]\n\
         inputs = [\"wait.sh\"]\n",
    );
    space.write(
        "wait.sh",
        ": > .log/begun\nwhile [ ! -e .log/go ]; do sleep 0.01; done\n: > \"$OUT_DIR/made.h\"\n",
    );
    let mut watching = Watching::start(&space, &["build", "--watch", "-v"]);
    wait_until("the command begins", || space.exists(".log/begun"));
    space.write("src/deep/late.c", "int late(void) { return 1; }\n");
    space.write(".log/go", "");
    let said = watching.expect(WATCHES);
    assert!(said.contains("(src/deep/late.c): it has not been built before"), "{said}");
    watching.end(Signal::INT);
}

#[test]
fn test_watch_runs_tests_again_but_not_for_what_they_write() {
    let space = space();
    space.write(
        "tests/t.c",
        "#include <stdio.h>\nint app(void);\nint main(void) {\n\
         FILE *f = fopen(\"trace.txt\", \"a\"); fputs(\"ran\\n\", f); fclose(f);\n\
         return app();\n}\n",
    );
    let mut watching = Watching::start(&space, &["test", "--watch"]);
    let said = watching.expect(WATCHES);
    assert!(said.contains("1 passed"), "{said}");
    space.edit("src/app.c", "return 0", "return 1");
    let said = watching.expect(WATCHES);
    assert!(said.contains("1 failed"), "{said}");
    space.edit("src/app.c", "return 1", "return 0");
    let said = watching.expect(WATCHES);
    assert!(said.contains("1 passed"), "{said}");
    watching.end(Signal::INT);
    assert_eq!(space.read("trace.txt"), "ran\n".repeat(3));
}

#[test]
fn run_watch_starts_the_program_again() {
    let space = space();
    let program = |word: &str| {
        format!(
            "#include <stdio.h>\n#include <unistd.h>\nint main(void) {{ puts(\"{word}\"); fflush(stdout);\n\
             if (!fork()) pause();\npause(); return 0; }}\n"
        )
    };
    space.write("src/main.c", program("one"));
    let mut watching = Watching::start(&space, &["run", "--watch"]);
    let wait_for = |text: &str| {
        let started = Instant::now();
        while !space.read(".log/out").contains(text) {
            assert!(started.elapsed() < LONGEST, "{}", space.read(".log/err"));
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for("one\n");
    watching.expect("Running `target/debug/app`\n");
    space.write("src/main.c", "int main(void) { return x; }\n");
    watching.expect("could not compile");
    space.write("src/main.c", program("two"));
    wait_for("two\n");
    watching.expect("Running `target/debug/app`\n");
    watching.end(Signal::TERM);
    let out = space.read(".log/out");
    assert_eq!(out, "one\ntwo\n", "each is started once");
    let running = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let exe = std::fs::read_link(entry.path().join("exe")).unwrap_or_default();
        exe.starts_with(space.root().as_std_path())
    });
    assert_eq!(running.count(), 0, "the program and its child have ended");
}

#[test]
fn watch_speaks_json_only_of_what_it_builds() {
    let space = space();
    let mut watching = Watching::start(&space, &["build", "--watch", "--message-format", "json"]);
    watching.expect("Finished");
    let finished = |count: usize| {
        wait_until("builds are finished", || {
            space.read(".log/out").matches("\"build-finished\"").count() >= count
        });
    };
    finished(1);
    space.write("src/main.c", "int main(void) { return 7; }\n");
    finished(2);
    let messages = watching.end(Signal::INT);
    assert!(!messages.contains("Watching"), "{messages}");
    for line in space.read(".log/out").lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

const KEPT: &str = "note: the workspace is as it was: it is not loaded anew";
const ANEW: &str = "note: the workspace is loaded anew: ";

/// A watch with `-vv` in a directory, which has come so far that a round takes the workspace of the
/// round before. `file`: a source with the word `return`.
fn watch_until_kept<'a>(space: &'a TestSpace, dir: &str, file: &str) -> Watching<'a> {
    let mut watching = Watching::start(space, &["-C", dir, "build", "--watch", "-vv"]);
    watching.expect(WATCHES);
    let text = space.read(file);
    for edit in 0..3 {
        space.write(file, format!("{text}\nint edit_{edit}(void) {{ return {edit}; }}\n"));
        let said = watching.expect(WATCHES);
        assert!(said.contains(" has changed\n"), "it is built: {said}");
        assert!(said.contains(if edit == 2 { KEPT } else { "note" }), "{said}");
    }
    watching
}

#[test]
fn watch_takes_the_workspace_of_the_round_before_where_it_is_the_same() {
    let space = space();
    let mut watching = watch_until_kept(&space, ".", "src/app.c");
    // As editors save: it is another file afterwards, of a directory that has changed.
    space.write(".log/new", space.read("src/app.c").replace("return 0", "return 5"));
    std::fs::rename(space.path(".log/new"), space.path("src/app.c")).unwrap();
    let said = watching.expect("the file src/app.c has changed");
    assert!(said.contains(KEPT), "{said}");
    watching.expect(WATCHES);
    // So after a mistake.
    space.edit("src/app.c", "return 5", "return x");
    let said = watching.expect(WATCHES);
    assert!(said.contains(KEPT) && said.contains("undeclared identifier 'x'"), "{said}");
    space.edit("src/app.c", "return x", "return 7");
    let said = watching.expect(WATCHES);
    assert!(said.contains(KEPT) && said.contains("Finished"), "{said}");
    assert_eq!(space.built("target/debug/app").expect_code(7).stdout, "");
    // A manifest with another time and the same content.
    space.touch("Tender.toml", Duration::from_secs(9));
    let said = watching.expect(WATCHES);
    assert!(said.contains(KEPT) && !said.contains(ANEW), "{said}");
    watching.end(Signal::INT);
    space.expect_fresh(&[]);
}

#[test]
fn watch_loads_anew_what_sources_and_headers_there_are() {
    let space = space();
    space.write(
        "src/app.c",
        "#include \"app.h\"\n#include \"other.h\"\nint app(void) { return OTHER; }\n",
    );
    space.write("include/other.h", "#define OTHER 1\n");
    let mut watching = watch_until_kept(&space, ".", "src/app.c");
    space.write("src/more.c", "int more_of_it(void) { return 2; }\n");
    let said = watching.expect(WATCHES);
    assert!(said.contains(ANEW), "{said}");
    assert!(said.contains("(src/more.c): it has not been built before"), "{said}");
    let library =
        || String::from_utf8_lossy(&space.read_bytes("target/debug/libapp.a")).into_owned();
    assert!(library().contains("more_of_it"));
    space.remove("src/more.c");
    let said = watching.expect(WATCHES);
    assert!(said.contains(ANEW) && said.contains("Finished"), "{said}");
    assert!(!library().contains("more_of_it"));
    // A header that comes before another, in a directory where sources are looked for.
    space.write("src/other.h", "#define OTHER 3\n");
    let said = watching.expect(WATCHES);
    assert!(said.contains("the file src/other.h has appeared"), "{said}");
    space.built("target/debug/app").expect_code(3);
    space.remove("src/other.h");
    watching.expect(WATCHES);
    space.built("target/debug/app").expect_code(1);
    // A directory that was not there.
    space.edit("src/app.c", "OTHER;", "OTHER + 1;");
    watching.expect(WATCHES);
    space.write("tests/one.c", "int main(void) { return 0; }\n");
    watching.expect(ANEW);
    watching.end(Signal::INT);
    space.expect_fresh(&[]);
}

#[test]
fn watch_loads_anew_manifests_of_members_and_of_paths() {
    let space = TestSpace::new();
    space.write(".log/err", "");
    space.write("ws/Tender.toml", "[workspace]\nmembers = [\"app\", \"part\"]\n");
    let needs = "[dependencies]\npart = { path = \"../part\" }\nfar = { path = \"../../far\" }\n";
    space.write("ws/app/Tender.toml", format!("[package]\nname = \"app\"\n{needs}"));
    space.write(
        "ws/app/src/main.c",
        "int part(void);\nint far(void);\nint main(void) { return part() + far(); }\n",
    );
    for (dir, name) in [("ws/part", "part"), ("far", "far")] {
        space.write(&format!("{dir}/Tender.toml"), format!("[package]\nname = \"{name}\"\n"));
        let text = format!("#ifndef N\n#define N 1\n#endif\nint {name}(void) {{ return N; }}\n");
        space.write(&format!("{dir}/src/{name}.c"), text);
    }
    let mut watching = watch_until_kept(&space, "ws", "ws/app/src/main.c");
    let program = || space.built("ws/target/debug/app");
    program().expect_code(2);
    let mut sum = 2;
    for (dir, name) in [("ws/part", "part"), ("far", "far")] {
        let manifest = format!("[package]\nname = \"{name}\"\ndefines = [\"N=20\"]\n");
        space.write(&format!("{dir}/Tender.toml"), manifest);
        let said = watching.expect(WATCHES);
        let changed = format!("{ANEW}`{}/Tender.toml` has changed", space.path(dir));
        assert!(said.contains(&changed), "{said}");
        sum += 19;
        program().expect_code(sum);
        space.write(&format!("{dir}/src/new.c"), "int new_one;\n");
        let said = watching.expect(WATCHES);
        assert!(said.contains(ANEW) && said.contains("new.c): it has not been built"), "{said}");
        space.remove(&format!("{dir}/src/new.c"));
        watching.expect(WATCHES);
    }
    // The workspace itself: a member leaves, and is an error of those that need it.
    space.edit("ws/Tender.toml", "\"part\"]", "\"none\"]");
    watching.expect("none");
    space.edit("ws/Tender.toml", "\"none\"]", "\"part\"]");
    watching.expect(WATCHES);
    watching.end(Signal::INT);
    let fresh = space.tender(&["-C", "ws", "build", "-v"]);
    fresh.expect_ok().expect_nothing_done();
}

#[test]
fn watch_loads_anew_where_a_config_file_is_another() {
    let space = space();
    let mut watching = watch_until_kept(&space, ".", "src/app.c");
    std::fs::create_dir(space.path(".tender")).unwrap();
    // The directory is not watched before a round has seen it.
    space.edit("src/app.c", "return 0", "return 1");
    watching.expect(WATCHES);
    let write = |text: &str| {
        space.write(".log/new", text);
        std::fs::rename(space.path(".log/new"), space.path(".tender/config.toml")).unwrap();
    };
    write("[build]\ntarget-dir = \"elsewhere\"\n");
    let said = watching.expect(WATCHES);
    assert!(said.contains("note: the workspace is loaded anew: the config is another"), "{said}");
    space.built("elsewhere/debug/app").expect_code(1);
    write("[build]\ntarget-dir = 7\n");
    let said = watching.expect(WATCHES);
    assert!(said.contains("error") && said.contains(".tender/config.toml:2"), "{said}");
    write("[build]\n");
    space.edit("src/app.c", "return 1", "return 2");
    watching.expect("Finished");
    watching.expect(WATCHES);
    wait_until("it is built where it was", || {
        space.built("target/debug/app").status.code() == Some(2)
    });
    watching.end(Signal::INT);
}

#[test]
fn watch_loads_anew_where_the_lock_file_is_another() {
    let space = space();
    for (name, text) in [
        ("greet/Tender.toml", "[package]\nname = \"greet\"\n"),
        ("greet/src/greet.c", "int greet;\n"),
    ] {
        space.write(&format!(".log/{name}"), text);
    }
    let mut tar = Command::new("tar");
    tar.args(["-czf", ".log/greet.tar.gz", "-C", ".log", "greet"]);
    space.prepare(&mut tar);
    space.run(tar).expect_ok();
    let mut sum = Command::new("sha256sum");
    sum.arg(".log/greet.tar.gz");
    space.prepare(&mut sum);
    let sum = space.run(sum).expect_ok().stdout[..64].to_owned();
    let entry = format!("url = \"file://{}\", sha256 = \"{sum}\"", space.path(".log/greet.tar.gz"));
    space.write(
        "Tender.toml",
        format!("[package]\nname = \"app\"\n[dependencies]\ngreet = {{ {entry} }}\n"),
    );
    let mut watching = watch_until_kept(&space, ".", "src/app.c");
    let lock = space.read("Tender.lock");
    space.write("Tender.lock", lock.replace("version = 1", "version = 7"));
    let said = watching.expect("it has the version 7");
    assert!(said.contains("Tender.lock` has changed"), "{said}");
    watching.expect(WATCHES);
    space.write("Tender.lock", &lock);
    let said = watching.expect(WATCHES);
    assert!(said.contains("Finished"), "{said}");
    watching.end(Signal::INT);
}
