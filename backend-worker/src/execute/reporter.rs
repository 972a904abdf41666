//! Reports what a part does: times its phases, counts its modules and passes its diagnostics on.

use crate::coordinator::{CodeOrigin, Finished, Job, now_us};
use crate::emit::Archived;
use crate::frontend::{Observer, plain_error};
use crate::llvm;
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use tender_protocol::{Diagnostic, OutputFile, PhaseName};
use tender_units::{Bytes, Micros};

/// Reports one part to its job.
pub struct Reporter<'a> {
    pub job: &'a Job<'a>,
    live: &'a AtomicU32,
    code: CodeOrigin,
    phase: Cell<Option<(PhaseName, Micros)>>,
    /// Live allocations of the thread at the start of the part, bytes.
    before: i64,
}

/// How many times the memory of the module a back end needs. Measured on 18 C++ files of RocksDB at
/// -O2: up to 1.5 times; that is a tenth of the front end's peak in the median, and a fifth at
/// most.
const BACK_END_FACTOR: u64 = 2;

/// A part reports that it needs less memory only if the difference is larger than this, in bytes.
const LEAST_SHRINK: Bytes = Bytes(32 << 20);

impl<'a> Reporter<'a> {
    /// `live` counts the modules of the process.
    pub fn new(job: &'a Job<'a>, live: &'a AtomicU32) -> Reporter<'a> {
        Reporter::of(job, live, CodeOrigin::default())
    }

    /// For a part that works on `code`.
    pub fn of(job: &'a Job<'a>, live: &'a AtomicU32, code: CodeOrigin) -> Reporter<'a> {
        Reporter { job, live, code, phase: Cell::new(None), before: llvm::thread_live() }
    }

    fn end_phase(&self) {
        if let Some((phase, start)) = self.phase.take() {
            self.job.phase(phase, self.code.clone(), start, now_us().saturating_sub(start));
        }
    }

    /// Reports an error. Returns the result of the failed item.
    pub fn fail(&self, file: Option<&str>, why: String) -> Finished {
        self.diagnostic(plain_error(file, why));
        Finished::failed()
    }

    /// The result of an item that writes an archive. Reports the error, if any.
    pub fn archived(&self, archived: Result<Archived, String>) -> Finished {
        match archived {
            Ok(Archived { file, inputs }) => {
                Finished { inputs, ..Finished::with_outputs(vec![file]) }
            }
            Err(why) => self.fail(None, why),
        }
    }

    /// The result of an item that writes files. Reports the error, if any.
    pub fn written(&self, files: Result<Vec<OutputFile>, String>) -> Finished {
        match files {
            Ok(files) => Finished::with_outputs(files),
            Err(why) => self.fail(None, why),
        }
    }
}

impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        self.end_phase();
    }
}

impl Observer for Reporter<'_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        self.job.diagnostic(diagnostic);
    }

    fn enter(&self, phase: PhaseName) {
        self.end_phase();
        self.phase.set(Some((phase, now_us())));
    }

    fn translated(&self) {
        let module = u64::try_from(llvm::thread_live() - self.before).unwrap_or(0);
        let need = Bytes(module).saturating_mul(BACK_END_FACTOR);
        if Bytes(llvm::thread_peak()) > need.saturating_add(LEAST_SHRINK) {
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
