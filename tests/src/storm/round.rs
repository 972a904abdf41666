//! One round: starts a build, sends signals, waits for its end and checks it; then builds again,
//! undisturbed.

use super::figures::Figures;
use super::host::{Host, Kit};
use super::ledger::expect_balanced;
use super::member;
use super::plan::Plan;
use super::running::Running;
use super::story::Story;
use super::workspace::{self, WORKSPACES, artifacts, trace_of};
use crate::TestSpace;
use crate::interop::{CommandLine, Pool, Probes};
use crate::trace::Trace;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
use std::time::Duration;

/// The duration of a probe job, long enough for several to run at once.
const PAUSE_MS: u64 = 25;

/// The data that all rounds share.
pub struct Weather {
    kit: Kit,
    /// The outputs of an undisturbed build. They are the same in every directory.
    reference: BTreeMap<String, Vec<u8>>,
}

impl Default for Weather {
    fn default() -> Self {
        Self::new()
    }
}

impl Weather {
    /// Finds the tools, and builds once without a storm.
    pub fn new() -> Weather {
        without_core_files();
        let kit = Kit::new();
        let space = TestSpace::new();
        let build = workspace::write(&space, &kit, &Probes::new(&space, 1).lasting(0));
        build.run(&space).expect_ok();
        Weather { kit, reference: artifacts(&space) }
    }

    /// Executes a plan. No process of its tree is left running in any case.
    ///
    /// # Errors
    /// The violation, with the plan and the story of the round.
    pub fn round(&self, plan: &Plan) -> Result<Figures, String> {
        let mut story = Story::new(plan);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let space = Cleared(TestSpace::new());
            Round { weather: self, plan, space: &space.0, story: &mut story }.run();
        }));
        match result {
            Ok(()) => Ok(Figures { rounds: 1, ..story.figures }),
            Err(why) => {
                let text = why.downcast_ref::<String>().map(String::as_str);
                let text =
                    text.or_else(|| why.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
                Err(format!("{story}{text}"))
            }
        }
    }
}

/// Kills a tree that hangs.
struct Cleared(TestSpace);

impl Drop for Cleared {
    fn drop(&mut self) {
        // Killed processes may have just started others. A successful round leaves none.
        for _ in 0..100 {
            let left = member::all(&self.0);
            if left.is_empty() {
                break;
            }
            for member in left {
                member.signal(&self.0, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// No core files: that of a worker would be as large as its memory.
fn without_core_files() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none)
        .expect("a limit may be lowered");
}

struct Round<'a> {
    weather: &'a Weather,
    plan: &'a Plan,
    space: &'a TestSpace,
    story: &'a mut Story,
}

impl Round<'_> {
    fn run(&mut self) {
        let Weather { kit, reference } = self.weather;
        let Plan { host, slots, keep_going, .. } = *self.plan;
        let host = host.on_this_machine(kit);
        let probes = Probes::new(self.space, 1).lasting(PAUSE_MS);
        let build = workspace::write(self.space, kit, &probes);
        let stormy = if keep_going { build.clone().arg("--keep-going") } else { build.clone() };
        let (line, pool) = host.around(kit, self.space, &probes, stormy, slots);

        let status = self.storm(&line, pool.as_ref());
        let said = ["out", "err"]
            .map(|file| String::from_utf8_lossy(&self.space.read_bytes(file)).into_owned());
        let said = said.concat();
        self.story.tell(format!("it has ended: {status}; it said:\n{said}"));
        self.expect_end(host, status, &said);
        self.expect_whole(pool.as_ref());
        self.expect_few_jobs(&probes);
        self.expect_no_fifos(host, status);
        let interrupts = [Signal::INT, Signal::TERM, Signal::HUP];
        let is_interrupted = self.story.delivered.iter().any(|signal| interrupts.contains(signal));
        let success = status.success() && !(is_interrupted && host.ends().hides_interrupts);
        self.expect_ledgers(host, status, success);
        if success {
            self.story.figures.succeeded += 1;
            self.expect_artifacts(
                reference,
                "a build that got signals reports success, and its outputs are wrong",
            );
        }

        probes.forget();
        let again = match (&pool, host) {
            (Some(pool), _) => pool.around(build),
            (None, Host::Exec(_)) => host.around(kit, self.space, &probes, build, slots).0,
            (None, _) => build.arg(&format!("-j{slots}")),
        };
        let run = again.run(self.space).expect_ok();
        self.story.tell(format!("it was built again: {run}"));
        self.expect_whole(pool.as_ref());
        self.expect_artifacts(reference, "the build after the storm is wrong");
        let most = probes.log().most_at_once();
        assert!(most <= slots, "{most} jobs at once in a pool of {slots}");
        for workspace in WORKSPACES {
            let trace = self.space.path(&trace_of(workspace));
            let directory = self.space.path(workspace);
            let words = ["-C", directory.as_str(), "build", "-v", "--trace", trace.as_str()];
            let line = CommandLine::new([kit.tender().path.as_str()].into_iter().chain(words));
            let run = line.run(self.space).expect_ok().expect_nothing_done();
            assert_eq!(Trace::read(&trace).workers(), 0, "{run}");
        }
    }

    /// Runs the command until it and all its descendants have ended.
    fn storm(&mut self, line: &CommandLine, pool: Option<&Pool>) -> ExitStatus {
        let mut command = line.command(self.space);
        let file = |name: &str| File::create(self.space.path(name)).expect("the space is ours");
        // Files, because survivors would keep pipes open.
        command.stdout(file("out")).stderr(file("err")).process_group(0);
        command.env("TMPDIR", self.space.root()).env_remove("XDG_RUNTIME_DIR");
        self.story.begin(line.shell());
        let child = command.spawn().unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let pool = pool.map(|pool| (pool, self.plan.slots - 1));
        let mut running = Running::new(child, self.space, pool);
        for strike in &self.plan.strikes {
            if running.wait_for(strike.after).is_some() {
                break;
            }
            running.strike(strike, self.story);
        }
        let status = running.wait();
        let (rest, last) = running.wait_for_all();
        self.story.tell(format!(
            "all processes have ended, {} ms after the command; the last was {last}",
            rest.as_millis()
        ));
        self.story.figures.longest_rest = (rest, format!("seed {}, {last}", self.plan.seed));
        status
    }

    /// The exit code that the documentation gives for these signals.
    fn expect_end(&self, host: Host, status: ExitStatus, said: &str) {
        let Story { delivered, to_outermost, .. } = &*self.story;
        let ends = host.ends();
        let shells = |code: i32| {
            // Ninja exits with this code after any of the three.
            let as_interrupt = code == 130
                && delivered.iter().any(|s| [Signal::INT, Signal::TERM, Signal::HUP].contains(s));
            as_interrupt || delivered.iter().any(|signal| 128 + signal.as_raw() == code)
        };
        let is_known = match (status.code(), status.signal()) {
            (Some(0), _) => true,
            (Some(code), _) => ends.codes.contains(&code) || (ends.as_shells && shells(code)),
            (None, Some(signal)) => to_outermost.iter().any(|sent| sent.as_raw() == signal),
            (None, None) => false,
        };
        assert!(is_known, "unexpected exit after these signals: {status}");
        assert!(
            !delivered.is_empty() || status.success(),
            "no process got a signal, and the build failed: {status}"
        );
        for word in ["panicked at", "INTERNAL: Exiting with"] {
            assert!(!said.contains(word), "the output has {word:?}");
        }
    }

    /// Never more jobs than slots at once, according to the log of the jobs, which is independent
    /// of the build. Killed jobs count only at their start.
    fn expect_few_jobs(&self, probes: &Probes) {
        let most = probes.log().most_at_once_if_killed();
        let (slots, unaccounted) = (self.plan.slots, self.story.unaccounted);
        assert!(
            most <= slots + unaccounted,
            "{most} jobs at once in a pool of {slots}, {unaccounted} of which may have run after the holder of their slot had ended"
        );
    }

    /// The directory of a pool without a parent is removed with its host, unless the host was
    /// killed.
    fn expect_no_fifos(&self, host: Host, status: ExitStatus) {
        if !matches!(host, Host::Exec(_)) || status.code().is_none() {
            return;
        }
        let entries = std::fs::read_dir(self.space.root()).expect("the space is ours").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let left: Vec<String> = names.filter(|name| name.starts_with("tender-jobs-")).collect();
        assert!(left.is_empty(), "FIFOs are left: {left:?}");
    }

    fn expect_whole(&mut self, pool: Option<&Pool>) {
        if let Some(pool) = pool {
            let all = self.plan.slots - 1;
            assert_eq!(pool.left(), all, "the pool has another number of tokens");
            self.story.figures.tokens += all as u32;
        }
    }

    /// Of the build, and of the one that one of its commands ran, whose N is that of its MAKEFLAGS.
    fn expect_ledgers(&mut self, host: Host, status: ExitStatus, success: bool) {
        for workspace in WORKSPACES {
            // Below other hosts it is unknown whether a build was killed, or got a signal before it
            // installed handlers.
            let is_outermost =
                workspace == WORKSPACES[0] && matches!(host, Host::Build | Host::BuildUnder(_));
            let ended_in_order = success || (is_outermost && status.code().is_some());
            let path = self.space.path(&trace_of(workspace));
            let slots = self.plan.slots as u64;
            self.story.figures.ledger += expect_balanced(&path, slots, !ended_in_order, success);
        }
    }

    fn expect_artifacts(&self, reference: &BTreeMap<String, Vec<u8>>, what: &str) {
        let made = artifacts(self.space);
        let names = |of: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>| {
            let differ = of.iter().filter(|(name, bytes)| other.get(*name) != Some(*bytes));
            differ.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let (extra, missing) = (names(&made, reference), names(reference, &made));
        assert!(
            extra.is_empty() && missing.is_empty(),
            "{what}: found {extra:?} instead of {missing:?}"
        );
    }
}
