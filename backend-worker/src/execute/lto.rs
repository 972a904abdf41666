//! A link or an archive with link-time optimisation as an item: the thin link, then a backend for
//! each module on any thread, then the link itself.

use super::course::Course;
use super::{Executor, Shared, having_read};
use crate::coordinator::{Finished, Job, Of, PieceFailed, Pieces, Step};
use crate::frontend::{Inputs, Reads, StampCache, Watch};
use crate::lto::{ArchiveJob, BackendJob, LinkJob, Request};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tender_protocol::{Diagnostic, FileStamp, LtoArchive, LtoLink, Member, Outcome, PhaseName};

impl Executor {
    /// Runs a `Work::Link` with `lto` from its beginning.
    pub(super) fn lto_link(
        &self,
        job: &Job<'_>,
        driver: &[String],
        args: &[String],
        output: &str,
        lto: &LtoLink,
    ) -> Step {
        let course = Course::new(job, &self.shared.live);
        let reading = Reading::new(&course, &self.shared.links.stamps);
        let opened = LinkJob::open(
            Request { krate: job.krate, driver, args, output, lto },
            &self.shared.links,
            &reading,
        );
        let reads = reading.finish();
        self.opened(course, opened.map(|link| Stage::Link(link, lto.work_dir.clone())), reads)
    }

    /// Runs a `Work::Archive` with `lto` from its beginning.
    pub(super) fn lto_archive(
        &self,
        job: &Job<'_>,
        output: &str,
        members: &[Member],
        lto: &LtoArchive,
    ) -> Step {
        let course = Course::new(job, &self.shared.live);
        let reading = Reading::new(&course, &self.shared.links.stamps);
        let opened = ArchiveJob::open(job.krate, output, members, lto, &reading);
        let reads = reading.finish();
        self.opened(course, opened.map(Stage::Archive), reads)
    }

    fn opened(
        &self,
        course: Course<'_>,
        opened: Result<Stage, Vec<Diagnostic>>,
        reads: Reads,
    ) -> Step {
        match opened {
            Ok(stage) => {
                let pieces =
                    LtoPieces { shared: Arc::clone(&self.shared), stage, reads: Mutex::new(reads) };
                if pieces.jobs().is_empty() {
                    return Step::Finished(pieces.finish(&course));
                }
                Step::InPieces(Box::new(pieces))
            }
            Err(diagnostics) => {
                diagnostics.into_iter().for_each(|diagnostic| course.diagnostic(diagnostic));
                Step::Finished(Finished::failed())
            }
        }
    }
}

/// What the thin link decided.
enum Stage {
    /// With the directory of its objects.
    Link(LinkJob, String),
    Archive(ArchiveJob),
}

struct LtoPieces {
    shared: Arc<Shared>,
    stage: Stage,
    /// Of assembly in the modules.
    reads: Mutex<Reads>,
}

/// A course that notes what is read on it.
struct Reading<'a> {
    course: &'a Course<'a>,
    cache: &'a StampCache,
    inputs: RefCell<Inputs>,
}

impl<'a> Reading<'a> {
    fn new(course: &'a Course<'a>, cache: &'a StampCache) -> Reading<'a> {
        Reading { course, cache, inputs: RefCell::default() }
    }

    fn finish(self) -> Reads {
        self.inputs.into_inner().finish(self.cache)
    }
}

impl Watch for Reading<'_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        self.course.diagnostic(diagnostic);
    }

    fn enter(&self, phase: PhaseName) {
        self.course.enter(phase);
    }

    fn live_modules(&self, change: i32) {
        self.course.live_modules(change);
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

    fn finish(&self, course: &Course<'_>) -> Finished {
        let finished = match &self.stage {
            Stage::Link(link, work_dir) => {
                course.enter(PhaseName::Link);
                let linked = link.finish(super::LINK_THREADS, &self.shared.links);
                let mut finished = super::linked(course, linked);
                // What the backends made follows from the bitcode, which is an input of the item.
                finished.inputs.retain(|input| !input.path.starts_with(work_dir.as_str()));
                finished
            }
            Stage::Archive(archive) => {
                course.enter(PhaseName::Archive);
                course.archived(archive.finish())
            }
        };
        having_read(finished, self.reads().clone())
    }

    fn reads(&self) -> MutexGuard<'_, Reads> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pieces for LtoPieces {
    fn costs(&self) -> Vec<u64> {
        self.jobs().iter().map(|job| job.cost).collect()
    }

    /// LLVM keeps the bitcode of all modules: a backend imports functions from others.
    fn held_bytes(&self) -> u64 {
        self.jobs().iter().map(|job| job.cost).sum()
    }

    fn run(&self, job: &Job<'_>, piece: u32) -> Result<(), PieceFailed> {
        if job.cancelled() {
            return Err(PieceFailed);
        }
        let backend = &self.jobs()[piece as usize];
        let of = Of { cgu: Some(backend.cgu), unit: Some(backend.unit.clone()) };
        let course = Course::of(job, &self.shared.live, of);
        let reading = Reading::new(&course, &self.shared.links.stamps);
        let ran = match &self.stage {
            Stage::Link(link, _) => link.backend(piece as usize, &reading),
            Stage::Archive(archive) => archive.backend(piece as usize, &reading),
        };
        self.reads().add(reading.finish());
        match ran {
            Ok(_) => Ok(()),
            Err(why) => {
                course.fail(None, why);
                Err(PieceFailed)
            }
        }
    }

    fn join(&self, job: &Job<'_>) -> Finished {
        self.finish(&Course::new(job, &self.shared.live))
    }

    fn abandon(&self, outcome: Outcome) -> Finished {
        having_read(Finished::without_files(outcome), self.reads().clone())
    }
}
