//! Runs links and archives with link-time optimisation: the thin link, then a backend for each
//! module on any thread, then the link itself.

use super::reporter::Reporter;
use super::{Executor, Shared, with_dependencies};
use crate::coordinator::{CodeOrigin, Finished, Job, PieceFailed, Pieces, Progress};
use crate::frontend::{Dependencies, DependencyCollector, HashCache, Observer};
use crate::lto::{ArchiveJob, BackendJob, LinkJob, LtoRequest};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tender_protocol::{Diagnostic, FileStamp, LtoArchive, LtoLink, Member, Outcome, PhaseName};
use tender_units::Bytes;

impl Executor {
    /// Runs the beginning of a `Work::Link` with `lto`.
    pub(super) fn lto_link(
        &self,
        job: &Job<'_>,
        driver: &[String],
        args: &[String],
        output: &str,
        lto: &LtoLink,
    ) -> Progress {
        let reporter = Reporter::new(job, &self.shared.live);
        let recorder = RecordingReporter::new(&reporter, &self.shared.caches.stamps);
        let opened = LinkJob::open(
            LtoRequest { krate: job.krate, driver, args, output, lto },
            &self.shared.caches,
            &recorder,
        );
        let dependencies = recorder.finish();
        self.opened(
            reporter,
            opened.map(|link| Stage::Link(link, lto.work_dir.clone())),
            dependencies,
        )
    }

    /// Runs the beginning of a `Work::Archive` with `lto`.
    pub(super) fn lto_archive(
        &self,
        job: &Job<'_>,
        output: &str,
        members: &[Member],
        lto: &LtoArchive,
    ) -> Progress {
        let reporter = Reporter::new(job, &self.shared.live);
        let recorder = RecordingReporter::new(&reporter, &self.shared.caches.stamps);
        let opened = ArchiveJob::open(job.krate, output, members, lto, &recorder);
        let dependencies = recorder.finish();
        self.opened(reporter, opened.map(Stage::Archive), dependencies)
    }

    fn opened(
        &self,
        reporter: Reporter<'_>,
        opened: Result<Stage, Vec<Diagnostic>>,
        dependencies: Dependencies,
    ) -> Progress {
        match opened {
            Ok(stage) => {
                let pieces = LtoPieces {
                    shared: Arc::clone(&self.shared),
                    stage,
                    dependencies: Mutex::new(dependencies),
                };
                if pieces.jobs().is_empty() {
                    return Progress::Finished(pieces.finish(&reporter));
                }
                Progress::InPieces(Box::new(pieces))
            }
            Err(diagnostics) => {
                diagnostics.into_iter().for_each(|diagnostic| reporter.diagnostic(diagnostic));
                Progress::Finished(Finished::failed())
            }
        }
    }
}

/// A link or archive after its thin link.
enum Stage {
    /// With the directory of its objects.
    Link(LinkJob, String),
    Archive(ArchiveJob),
}

struct LtoPieces {
    shared: Arc<Shared>,
    stage: Stage,
    /// What assembly in the modules reads.
    dependencies: Mutex<Dependencies>,
}

/// Reports a part and records what it reads.
struct RecordingReporter<'a> {
    reporter: &'a Reporter<'a>,
    cache: &'a HashCache,
    inputs: RefCell<DependencyCollector>,
}

impl<'a> RecordingReporter<'a> {
    fn new(reporter: &'a Reporter<'a>, cache: &'a HashCache) -> RecordingReporter<'a> {
        RecordingReporter { reporter, cache, inputs: RefCell::default() }
    }

    fn finish(self) -> Dependencies {
        self.inputs.into_inner().finish(self.cache)
    }
}

impl Observer for RecordingReporter<'_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        self.reporter.diagnostic(diagnostic);
    }

    fn enter(&self, phase: PhaseName) {
        self.reporter.enter(phase);
    }

    fn live_modules(&self, change: i32) {
        self.reporter.live_modules(change);
    }

    fn read(&self, path: &str, stamp: FileStamp, content: Option<&[u8]>) {
        self.inputs.borrow_mut().read(self.cache, path, stamp, content);
    }

    fn missing(&self, path: &str) {
        self.inputs.borrow_mut().missing(path);
    }
}

impl LtoPieces {
    fn jobs(&self) -> &[BackendJob] {
        match &self.stage {
            Stage::Link(link, _) => link.jobs(),
            Stage::Archive(archive) => archive.jobs(),
        }
    }

    fn finish(&self, reporter: &Reporter<'_>) -> Finished {
        let finished = match &self.stage {
            Stage::Link(link, work_dir) => {
                reporter.enter(PhaseName::Link);
                let linked = link.finish(super::LINK_THREADS, &self.shared.caches);
                let mut finished = super::linked(reporter, linked);
                // The objects of the backends follow from the bitcode, which is an input of the
                // item.
                finished.inputs.retain(|input| !input.path.starts_with(work_dir.as_str()));
                finished
            }
            Stage::Archive(archive) => {
                reporter.enter(PhaseName::Archive);
                reporter.archived(archive.finish())
            }
        };
        with_dependencies(finished, self.dependencies().clone())
    }

    fn dependencies(&self) -> MutexGuard<'_, Dependencies> {
        self.dependencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pieces for LtoPieces {
    fn costs(&self) -> Vec<u64> {
        self.jobs().iter().map(|job| job.cost).collect()
    }

    /// LLVM keeps the bitcode of all modules, because a backend imports functions from other
    /// modules.
    fn held_bytes(&self) -> Bytes {
        Bytes(self.jobs().iter().map(|job| job.cost).sum())
    }

    fn run(&self, job: &Job<'_>, piece: u32) -> Result<(), PieceFailed> {
        if job.cancelled() {
            return Err(PieceFailed);
        }
        let backend = &self.jobs()[piece as usize];
        let code = CodeOrigin { cgu: Some(backend.cgu), unit: Some(backend.unit.clone()) };
        let reporter = Reporter::of(job, &self.shared.live, code);
        let recorder = RecordingReporter::new(&reporter, &self.shared.caches.stamps);
        let ran = match &self.stage {
            Stage::Link(link, _) => link.backend(piece as usize, &recorder),
            Stage::Archive(archive) => archive.backend(piece as usize, &recorder),
        };
        self.dependencies().add(recorder.finish());
        match ran {
            Ok(_) => Ok(()),
            Err(why) => {
                reporter.fail(None, why);
                Err(PieceFailed)
            }
        }
    }

    fn join(&self, job: &Job<'_>) -> Finished {
        self.finish(&Reporter::new(job, &self.shared.live))
    }

    fn abandon(&self, outcome: Outcome) -> Finished {
        with_dependencies(Finished::without_files(outcome), self.dependencies().clone())
    }
}
