//! Saves reproducers of crashes, after all items have ended, so that they use no slot that an item
//! needs. A fresh worker preprocesses the unit; source and script go to `.tender/crash/` in the
//! profile's directory. Knows one worker of its own, and no sink.

use crate::engine::reproducer::{self, CrashedUnit};
use crate::engine::worker::WorkerProcess;
use crate::graph::Graph;
use crate::keys::ItemId;
use crate::sys::clock::now_us;
use crate::sys::pipe;
use crate::sys::process::{GroupEntry, Jobs};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io;
use std::os::unix::fs::PermissionsExt;
use tender_protocol::{FromWorker, Outcome, Plan, PlanId, ToWorker, Work};
use tender_units::Micros;

/// If a worker needs longer than this to preprocess a file, microseconds, it hangs, perhaps by the
/// bug that caused the crash.
const PREPROCESS_TIMEOUT_US: Micros = Micros::from_secs(60);

/// Preprocesses units with a fresh worker each, started from `program`.
pub(super) struct Reproducers<'a> {
    pub(super) graph: &'a Graph,
    pub(super) program: &'a Utf8Path,
}

impl Reproducers<'_> {
    /// Saves a reproducer of an item that crashed. Returns the path of its script. `entry` is for
    /// the worker that it starts. While it waits, it asks `is_interrupted` whether to stop.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn save(
        &self,
        ix: ItemId,
        entry: Option<GroupEntry>,
        is_interrupted: impl FnMut() -> bool,
    ) -> io::Result<Utf8PathBuf> {
        let item = &self.graph[ix];
        let unit = reproducer::unit_of(item).expect("only units are kept for this");
        let dir = self.graph.state_dir.join("crash").join(reproducer::slug(&item.key));
        std::fs::create_dir_all(&dir)?;
        let (preprocess, extension) = reproducer::extension(unit.language);
        let kept = dir.join(format!("source.{extension}"));
        let original = self.graph.root.join(unit.source);
        let input = if preprocess {
            match self.preprocess(&unit, &kept, entry, is_interrupted) {
                Ok(()) => kept,
                // The preprocessor itself crashes, or the worker is unusable: the script uses the
                // original source.
                Err(()) => original,
            }
        } else {
            std::fs::copy(&original, &kept)?;
            kept
        };
        let script = dir.join("run.sh");
        std::fs::write(
            &script,
            reproducer::script(item, unit.args, &reproducer::clang(), &self.graph.root, &input),
        )?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        Ok(script)
    }

    /// Has a fresh worker preprocess the unit.
    fn preprocess(
        &self,
        unit: &CrashedUnit<'_>,
        output: &Utf8Path,
        entry: Option<GroupEntry>,
        mut is_interrupted: impl FnMut() -> bool,
    ) -> Result<(), ()> {
        let work = Work::Preprocess {
            source: unit.source.to_owned(),
            language: unit.language,
            args: unit.args.to_vec(),
            output: output.to_string(),
        };
        let item = tender_protocol::Item {
            id: ItemId(0),
            unit: unit.source.to_owned(),
            cost: Micros::ZERO,
            after: Vec::new(),
            memory: Default::default(),
            settled: Vec::new(),
            modules: Vec::new(),
            work,
        };
        // Without a jobserver the worker runs one job.
        let (root, jobs) = (&self.graph.root, Jobs::default());
        let mut worker = WorkerProcess::start(self.program, root, &jobs, entry).map_err(|_| ())?;
        let plan = Plan {
            id: PlanId(0),
            krate: "reproducer".to_owned(),
            jobs: Some(1),
            translate: tender_protocol::Translate::Parallel,
            items: vec![item],
        };
        worker.send_plan(plan);
        let deadline = now_us() + PREPROCESS_TIMEOUT_US;
        while now_us() < deadline && !is_interrupted() {
            let mut ended = false;
            for message in worker.read(self.program).map_err(|_| ())?.messages {
                match message {
                    FromWorker::LeaseWanted { plan, item, bytes } => {
                        worker.send(&ToWorker::Lease { plan, item, bytes });
                    }
                    FromWorker::SlotParked => worker.send(&ToWorker::Slot),
                    FromWorker::ItemFinished(report) if report.outcome == Outcome::Ok => {
                        return Ok(());
                    }
                    FromWorker::ItemFinished(_) | FromWorker::Done { .. } => ended = true,
                    _ => {}
                }
            }
            // Its standard error is discarded, so that the pipe does not fill.
            let _ = pipe::read_available(&worker.errors, |_| {});
            worker.outgoing.flush();
            if ended || worker.try_reap().is_ok_and(|exit| exit.is_some()) {
                break;
            }
            let mut awaited = [
                PollFd::new(&worker.output, PollFlags::IN),
                PollFd::from_borrowed_fd(worker.process.pidfd(), PollFlags::IN),
            ];
            let tick = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            let _ = rustix::event::poll(&mut awaited, Some(&tick));
        }
        Err(())
    }
}
