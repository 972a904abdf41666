//! One part's course: times its phases, counts its modules, and passes on what is told.

use crate::coordinator::{Finished, Job, Of, now_us};
use crate::emit::Archived;
use crate::frontend::{Watch, plain_error};
use crate::llvm;
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use tender_protocol::{Diagnostic, Outcome, OutputFile, PhaseName};

pub struct Course<'a> {
    pub job: &'a Job<'a>,
    live: &'a AtomicU32,
    of: Of,
    phase: Cell<Option<(PhaseName, u64)>>,
    /// What the thread had before, bytes.
    before: i64,
}

/// A back end takes what it is given and, of 18 C++ files of RocksDB at -O2, up to half as much
/// again: a tenth of what the front end took in the median, a fifth at most.
const BACK_END: u64 = 2;

/// To say that less is needed is worth the trouble from so many bytes on.
const WORTH_SAYING: u64 = 32 << 20;

impl<'a> Course<'a> {
    /// `live` counts the modules of the process.
    pub fn new(job: &'a Job<'a>, live: &'a AtomicU32) -> Course<'a> {
        Course::of(job, live, Of::default())
    }

    /// The course of a part that works on `of`.
    pub fn of(job: &'a Job<'a>, live: &'a AtomicU32, of: Of) -> Course<'a> {
        Course { job, live, of, phase: Cell::new(None), before: llvm::thread_live() }
    }

    fn leave(&self) {
        if let Some((phase, start)) = self.phase.take() {
            self.job.phase(phase, self.of.clone(), start, now_us().saturating_sub(start));
        }
    }

    pub fn done(&self, outputs: Vec<OutputFile>) -> Finished {
        for file in &outputs {
            self.job.artifact(file.path.as_str());
        }
        Finished { outputs, ..Finished::without_files(Outcome::Ok) }
    }

    pub fn fail(&self, file: Option<&str>, why: String) -> Finished {
        self.diagnostic(plain_error(file, why));
        Finished::failed()
    }

    /// What came of an archive.
    pub fn archived(&self, archived: Result<Archived, String>) -> Finished {
        match archived {
            Ok(Archived { file, inputs }) => Finished { inputs, ..self.done(vec![file]) },
            Err(why) => self.fail(None, why),
        }
    }

    /// What came of writing files.
    pub fn written(&self, files: Result<Vec<OutputFile>, String>) -> Finished {
        match files {
            Ok(files) => self.done(files),
            Err(why) => self.fail(None, why),
        }
    }
}

impl Drop for Course<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Watch for Course<'_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        self.job.diagnostic(diagnostic);
    }

    fn enter(&self, phase: PhaseName) {
        self.leave();
        self.phase.set(Some((phase, now_us())));
    }

    fn translated(&self) {
        let module = u64::try_from(llvm::thread_live() - self.before).unwrap_or(0);
        let need = module.saturating_mul(BACK_END);
        if llvm::thread_peak() > need.saturating_add(WORTH_SAYING) {
            self.job.shrink(need);
        }
    }

    fn live_modules(&self, change: i32) {
        let before = if change > 0 {
            self.live.fetch_add(change.unsigned_abs(), Ordering::Relaxed)
        } else {
            self.live.fetch_sub(change.unsigned_abs(), Ordering::Relaxed)
        };
        self.job.live_modules(before.saturating_add_signed(change));
    }
}
