//! Job slots after a child of a build is killed or forgets tokens, or tender itself panics. One
//! build at a time, because each reaps all orphans of this process.

#[path = "../engine/space.rs"]
#[expect(dead_code, reason = "tests of the engine use all of it")]
mod space;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};
use space::{Space, Told};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tender::engine::Summary;
use tender::events::{Event, Severity, Sink};
use tender::graph::Graph;
use tender::host::{EngineError, Slots};
use tender_jobclient::{FromEnv, Pool};
use tender_tests::wait_until;

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn all_messages(told: &Told) -> String {
    let said = told.messages.iter().filter(|(severity, _)| *severity != Severity::Verbose);
    said.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n")
}

fn success((result, told): (Result<Summary, EngineError>, Told)) -> Told {
    assert!(result.unwrap().success, "{}", all_messages(&told));
    told
}

/// A killed process exists until the kernel has freed its memory. Its slot is not used before.
#[test]
fn children_of_a_killed_worker_end_before_its_slot_is_free() {
    let _alone = alone();
    for _ in 0..3 {
        let mut space = Space::new();
        space.library("a", &["heir-once 400000000"]);
        success(space.build(1, false));
    }
}

/// Makes the file when a worker has ended.
struct Gate {
    told: Told,
    file: camino::Utf8PathBuf,
}

impl Sink for Gate {
    fn event(&mut self, graph: &Graph, event: &Event) {
        self.told.event(graph, event);
        if matches!(event, Event::WorkerEnded { .. }) {
            std::fs::write(&self.file, "").unwrap();
        }
    }
}

/// It ends normally, because it has no more items while a command still runs.
#[test]
fn worker_that_does_not_return_tokens_is_reported() {
    let _alone = alone();
    let mut space = Space::new();
    space.library("a", &["leak 2"]);
    let script = "n=0; until [ -e gone ]; do sleep 0.01; n=$((n + 1)); [ $n -lt 3000 ] || exit 1; done; : > made";
    space.generate(&["sh", "-c", script], "made");
    let mut gate = Gate { told: Told::default(), file: space.path("gone") };
    let result = space.build_in(Slots::Own(4), false, &mut gate);
    let told = success((result, gate.told));
    let says =
        "tender-worker, crate `a` ended and did not return 2 job tokens; they are back in the pool";
    assert_eq!(all_messages(&told), says);
}

/// Four commands that wait for each other end only if all slots are free again while the build
/// runs.
#[test]
fn slots_of_a_killed_worker_are_used_again_by_the_same_build() {
    let _alone = alone();
    let mut space = Space::new();
    space.library("a", &["hold-once 2"]);
    for command in 0..4 {
        let script = format!(
            ": > here.{command}; n=0; until set -- here.*; [ $# = 4 ]; do sleep 0.01; n=$((n + 1)); [ $n -lt 3000 ] || exit 1; done; \
             : > out.{command}"
        );
        space.generate(&["sh", "-c", &script], &format!("out.{command}"));
    }
    let (note, first) = (space.path("a/0.c.held"), space.path(""));
    let told = std::thread::scope(|scope| {
        scope.spawn(|| {
            let here = |name: String| name.starts_with("here.");
            wait_until("the worker holds tokens, and the slot that is left is used", || {
                let entries = std::fs::read_dir(&first).unwrap().flatten();
                note.exists()
                    && entries
                        .filter(|entry| here(entry.file_name().into_string().unwrap()))
                        .count()
                        > 0
            });
            let pid = std::fs::read_to_string(&note).unwrap().parse().unwrap();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        });
        success(space.build(4, false))
    });
    assert!(!all_messages(&told).contains("token"), "{}", all_messages(&told));
}

/// The daemon has one of two slots, so of two commands one starts when the other has ended.
#[test]
fn daemon_without_an_environment_keeps_the_tokens_of_its_command() {
    let _alone = alone();
    let mut space = Space::new();
    let wait = |file: &str| {
        format!(
            "n=0; until [ -e {file} ]; do sleep 0.01; n=$((n + 1)); [ $n -lt 3000 ] || exit 1; done; "
        )
    };
    let daemon = format!(": > up; {}", wait("stop"));
    let script = format!(
        "flags=$CARGO_MAKEFLAGS; exec 8<>\"${{flags##*fifo:}}\"; dd bs=1 count=1 status=none <&8 >/dev/null; \
         setsid env -i /bin/sh -c '{daemon}' </dev/null >/dev/null 2>&1 & {}: > taken",
        wait("up")
    );
    let command = space.generate(&["sh", "-c", &script], "taken");
    for (one, other) in [(1, 2), (2, 1)] {
        let script = format!(
            "if [ -e here.{other} ] && ! [ -e made.{other} ]; then echo both; fi; : > here.{one}; sleep 0.1; : > made.{one}"
        );
        let item = space.generate(&["sh", "-c", &script], &format!("made.{one}"));
        space.graph.items[item.0 as usize].after = vec![command];
    }
    let told = success(space.build(2, false));
    space.write("stop", "");
    assert_eq!((told.output.as_str(), all_messages(&told).as_str()), ("", ""));
}

/// Panics when the second command has started and a process watches the pool.
struct Fragile<'a> {
    told: Told,
    started: u32,
    is_watched: &'a AtomicBool,
}

impl Sink for Fragile<'_> {
    fn event(&mut self, graph: &Graph, event: &Event) {
        self.told.event(graph, event);
        self.started += u32::from(matches!(event, Event::ItemStarted { .. }));
        if self.started == 2 {
            while !self.is_watched.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            panic!("a fault of ours");
        }
    }
}

/// A process that takes a returned token may run a job, so no child of tender may run one then.
#[test]
fn panic_ends_children_before_it_returns_tokens_to_the_parent() {
    let _alone = alone();
    let mut space = Space::new();
    for command in 0..2 {
        let script = format!("echo $$ > pid.{command}; exec sleep 1000");
        space.generate(&["sh", "-c", &script], &format!("out.{command}"));
    }
    let (read, write) = pipe_with(PipeFlags::empty()).unwrap();
    rustix::io::write(&write, b"A").unwrap();
    let flags = format!(" -j2 --jobserver-auth={},{}", read.as_raw_fd(), write.as_raw_fd());
    let env = |name: &str| (name == "MAKEFLAGS").then(|| flags.clone().into());
    let FromEnv::Inherited(pool) = Pool::from_env(&env) else { panic!("no pool") };
    let pids = || {
        let read =
            |command: u32| std::fs::read_to_string(space.path(&format!("pid.{command}"))).ok();
        let pids = (0..2).filter_map(read).filter(|text| text.ends_with('\n'));
        pids.map(|text| text.trim_end().to_owned()).collect::<Vec<_>>()
    };
    let is_running = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    };
    let is_watched = AtomicBool::new(false);
    let running = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            wait_until("both commands run, and the token is lent", || {
                rustix::io::ioctl_fionread(&read) == Ok(0) && pids().len() == 2
            });
            is_watched.store(true, Ordering::Release);
            poll(&mut [PollFd::new(&read, PollFlags::IN)], None).unwrap();
            pids().into_iter().filter(is_running).count()
        });
        let mut sink = Fragile { told: Told::default(), started: 0, is_watched: &is_watched };
        let slots = Slots::Parent { pool, hint: 2 };
        let result =
            catch_unwind(AssertUnwindSafe(|| space.build_in(slots, false, &mut sink).map(drop)));
        assert!(result.is_err(), "it does not go on");
        watcher.join().unwrap()
    });
    let mut bytes = [0; 8];
    assert_eq!((rustix::io::read(&read, &mut bytes), &bytes[..1]), (Ok(1), &b"A"[..]));
    assert_eq!(running, 0, "commands ran when their tokens were another's already");
}
