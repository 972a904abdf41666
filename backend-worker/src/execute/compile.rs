//! Compiles a unit: begins on one thread and finishes there, or in pieces on other threads.

use super::reporter::Reporter;
use super::shared_headers::begin_in_order;
use super::{Executor, Shared, with_dependencies};
use crate::coordinator::{CodeOrigin, Finished, Goal, Job, PieceFailed, Pieces, Progress};
use crate::emit;
use crate::frontend::{
    BeginOptions, BegunUnit, Code, Dependencies, Modules, Observer, Unit, UnitResult,
};
use crate::llvm::{ArchiveMember, CutModule, Emitted, Join, Reported, archive};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tender_protocol::{
    Cut, Diagnostic, Language, Lto, Outcome, OutputFile, PhaseName, Share, Work,
};
use tender_units::Bytes;

impl Executor {
    /// Runs the beginning of a `Work::Compile`.
    pub(super) fn compile(
        &self,
        job: &Job<'_>,
        goal: Goal,
        unit: &Unit<'_>,
        cut: Option<&Cut>,
        share: Option<&Share>,
        translation: Option<&str>,
    ) -> Progress {
        let reporter = Reporter::new(job, &self.shared.live);
        // LLVM itself writes notes for coverage beside the object, and does not create the
        // directory.
        let has_notes =
            unit.args.iter().any(|arg| ["--coverage", "-ftest-coverage"].contains(&arg.as_str()));
        if has_notes && let Err(why) = emit::make_parent(unit.object) {
            return Progress::Finished(reporter.fail(Some(unit.source), why.to_string()));
        }
        let plan = BeginOptions { cut, translate_only: goal == Goal::Translate, translation };
        let UnitResult { result, dependencies } = match share {
            Some(share) => begin_in_order(unit, plan, share, &self.shared, &reporter),
            None => unit.begin(plan, &self.shared.caches.stamps, &reporter),
        };
        let finished = match result {
            Ok(BegunUnit::Modules(modules)) => {
                let pieces = UnitPieces {
                    shared: Arc::clone(&self.shared),
                    language: unit.language,
                    lto: unit.lto,
                    codes: Mutex::new(modules.costs().iter().map(|_| None).collect()),
                    modules,
                    dependencies: Mutex::new(dependencies),
                    reported: Mutex::default(),
                };
                return Progress::InPieces(Box::new(pieces));
            }
            Ok(BegunUnit::Code(code)) => reporter.written(write(unit.object, vec![code], None)),
            Err(Reported) => Finished::failed(),
        };
        Progress::Finished(with_dependencies(finished, dependencies))
    }
}

/// A translated unit: its modules, and the code that was made of them so far.
struct UnitPieces {
    shared: Arc<Shared>,
    language: Language,
    lto: Lto,
    modules: Modules,
    dependencies: Mutex<Dependencies>,
    codes: Mutex<Vec<Option<Code>>>,
    /// Diagnostics that pieces have reported. A function that is in several pieces must not be
    /// reported twice.
    reported: Mutex<HashSet<String>>,
}

impl Pieces for UnitPieces {
    fn costs(&self) -> Vec<u64> {
        self.modules.costs()
    }

    /// The modules stay in memory until the join has ended, because any piece may be the last to
    /// read them.
    fn held_bytes(&self) -> Bytes {
        let codes: u64 = lock(&self.codes).iter().flatten().map(Code::size).sum();
        Bytes(self.modules.held_bytes() + codes)
    }

    fn run(&self, job: &Job<'_>, piece: u32) -> Result<(), PieceFailed> {
        if job.cancelled() {
            return Err(PieceFailed);
        }
        let cgu = (self.modules.costs().len() > 1).then_some(piece);
        let reporter = Reporter::of(job, &self.shared.live, CodeOrigin { cgu, unit: None });
        let observer = ReportOnce { reporter: &reporter, reported: &self.reported };
        let UnitResult { result, dependencies } =
            self.unit(job).piece(&self.modules, piece, &self.shared.caches.stamps, &observer);
        lock(&self.dependencies).add(dependencies);
        lock(&self.codes)[piece as usize] = Some(result.map_err(|Reported| PieceFailed)?);
        Ok(())
    }

    fn join(&self, job: &Job<'_>) -> Finished {
        let codes: Vec<Code> = lock(&self.codes).iter_mut().filter_map(Option::take).collect();
        let reporter = Reporter::new(job, &self.shared.live);
        if codes.len() > 1 {
            reporter.enter(PhaseName::Join);
        }
        let finished = reporter.written(write(self.unit(job).object, codes, self.modules.cut()));
        with_dependencies(finished, lock(&self.dependencies).clone())
    }

    fn abandon(&self, outcome: Outcome) -> Finished {
        with_dependencies(Finished::without_files(outcome), lock(&self.dependencies).clone())
    }
}

impl UnitPieces {
    fn unit<'a>(&self, job: &Job<'a>) -> Unit<'a> {
        let Work::Compile { source, args, object, .. } = &job.item.work else {
            unreachable!("these pieces belong to a compile");
        };
        Unit {
            source,
            language: self.language,
            args,
            object,
            lto: self.lto,
            settled: &job.item.settled,
            modules: &job.item.modules,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes a piece's diagnostics on, unless another piece of the unit has reported the same.
struct ReportOnce<'a> {
    reporter: &'a Reporter<'a>,
    reported: &'a Mutex<HashSet<String>>,
}

impl Observer for ReportOnce<'_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        if lock(self.reported).insert(diagnostic.rendered.clone()) {
            self.reporter.diagnostic(diagnostic);
        }
    }

    fn enter(&self, phase: PhaseName) {
        self.reporter.enter(phase);
    }

    fn live_modules(&self, change: i32) {
        self.reporter.live_modules(change);
    }
}

/// Writes the unit's files from the code of all its pieces, in their order.
fn write(
    object: &str,
    codes: Vec<Code>,
    cut: Option<&CutModule>,
) -> Result<Vec<OutputFile>, String> {
    let (mut bitcode, mut objects) = (Vec::new(), Vec::new());
    for code in codes {
        match code {
            Code::Bitcode(module) => bitcode.push(module),
            Code::Object(emitted) => objects.push(emitted),
        }
    }
    let mut files = Vec::with_capacity(2);
    let mut write = |path: &str, content: &[u8]| {
        emit::write(path, content).map(|file| files.push(file)).map_err(|why| why.to_string())
    };
    if !bitcode.is_empty() {
        let names: Vec<String> = (0..bitcode.len()).map(|number| format!("{number}.bc")).collect();
        let members: Vec<ArchiveMember<'_>> = names
            .iter()
            .zip(&bitcode)
            .map(|(name, content)| ArchiveMember { name, content })
            .collect();
        write(object, &archive(&members)?)?;
        return Ok(files);
    }
    if let Some(cut) = cut {
        let pieces: Vec<&[u8]> = objects.iter().map(|piece| &*piece.object).collect();
        let join = Join::of(cut, &pieces)?;
        write(object, &join.finish(&emit::join(&pieces, Some(&join.script()))?)?)?;
    } else {
        for Emitted { object: code, dwo } in &objects {
            // The object names its .dwo, so the .dwo is written first.
            if let Some((path, bytes)) = dwo {
                write(path, bytes)?;
            }
            write(object, code)?;
        }
    }
    Ok(files)
}
