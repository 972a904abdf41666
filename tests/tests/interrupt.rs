//! Signals to a build. One test, because signals reach the whole process.

#[path = "engine/space.rs"]
mod space;

use camino::Utf8PathBuf;
use rustix::process::{Signal, getpid, kill_process};
use space::Space;
use tender::events::{Event, Sink};
use tender::graph::Graph;

/// Sends signals to this process during the build.
struct Sender {
    /// Sent one by one: at the start of an item, then at each report of an interrupt.
    signals: Vec<Signal>,
    /// How many items must run before the first signal.
    running: u32,
    pids: Vec<u32>,
    /// Exists when the item is ready for a signal.
    mark: Option<Utf8PathBuf>,
}

impl Sender {
    fn new(running: u32, signals: &[Signal]) -> Sender {
        Sender { signals: signals.to_vec(), running, pids: Vec::new(), mark: None }
    }

    fn send(&mut self) {
        while self.mark.as_ref().is_some_and(|mark| !mark.exists()) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        self.mark = None;
        if !self.signals.is_empty() {
            kill_process(getpid(), self.signals.remove(0)).unwrap();
        }
    }
}

impl Sink for Sender {
    fn event(&mut self, _graph: &Graph, event: &Event) {
        match event {
            Event::WorkerStarted { pid, .. } => self.pids.push(*pid),
            Event::ItemStarted { .. } => {
                self.running -= 1;
                if self.running == 0 {
                    self.send();
                }
            }
            Event::Interrupted { .. } => self.send(),
            _ => {}
        }
    }
}

#[test]
fn signals_end_a_build_and_what_it_started() {
    tender_tests::reset_signals();
    // Workers are killed at once, and the next build continues where this one ended.
    for (signal, number) in [(Signal::INT, 2), (Signal::TERM, 15), (Signal::HUP, 1)] {
        let mut space = Space::new();
        let a = space.library("a", &["sleep 1000000"]);
        let b = space.library("b", &["sleep 1000000"]);
        space.program("app", &[a, b]);
        let mut sender = Sender::new(2, &[signal]);
        let summary = space.build_telling(2, false, &mut sender).unwrap();
        assert_eq!((summary.success, summary.interrupted), (false, Some(number)));
        for pid in sender.pids {
            assert!(
                !std::path::Path::new(&format!("/proc/{pid}")).exists(),
                "worker {pid} outlives the build"
            );
        }
        space.write("a/0.c", "ok");
        space.write("b/0.c", "ok");
        let (result, told) = space.build(2, false);
        assert!(result.unwrap().success);
        assert_eq!(told.built.len(), 5);
    }

    // An external command gets the signal, and the build waits for its end, so that it can clean
    // up.
    let mut space = Space::new();
    let script = "trap 'rm mark; exit 1' INT; echo > mark; while :; do sleep 0.01; done";
    space.generate(&["sh", "-c", script], "out/x");
    let mut sender = Sender::new(1, &[Signal::INT]);
    sender.mark = Some(space.path("mark"));
    let summary = space.build_telling(1, false, &mut sender).unwrap();
    assert_eq!((summary.interrupted, summary.failed), (Some(2), 0));
    assert!(!space.path("mark").exists());

    // A command that ignores the signal is killed by the second one.
    let mut space = Space::new();
    space.generate(
        &["sh", "-c", "trap '' INT TERM; echo > mark; while :; do sleep 0.01; done"],
        "out/x",
    );
    let mut sender = Sender::new(1, &[Signal::TERM, Signal::INT]);
    sender.mark = Some(space.path("mark"));
    let summary = space.build_telling(1, false, &mut sender).unwrap();
    assert_eq!(summary.interrupted, Some(15), "the first one counts");
}
