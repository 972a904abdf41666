//! A unit as an item: begun on one thread, finished there or in pieces on others.

use super::course::Course;
use super::{Executor, Shared, having_read};
use crate::coordinator::{Finished, Goal, Job, Of, PieceFailed, Pieces, Step};
use crate::emit;
use crate::frontend::{Begun, Code, Left, Modules, Plan, Reads, Unit, Watch};
use crate::llvm::{CutModule, Emitted, Join, Member, Reported, archive};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tender_protocol::{Cut, Diagnostic, Language, Lto, Outcome, OutputFile, PhaseName, Work};

impl Executor {
    /// Runs a `Work::Compile` from its beginning.
    pub(super) fn compile(
        &self,
        job: &Job<'_>,
        goal: Goal,
        unit: &Unit<'_>,
        cut: Option<&Cut>,
    ) -> Step {
        let course = Course::new(job, &self.shared.live);
        // LLVM itself writes notes for coverage beside the object, and into no directory that is
        // not there.
        let has_notes =
            unit.args.iter().any(|arg| ["--coverage", "-ftest-coverage"].contains(&arg.as_str()));
        if has_notes && let Err(why) = emit::make_parent(unit.object) {
            return Step::Finished(course.fail(Some(unit.source), why.to_string()));
        }
        let plan = Plan { cut, translate_only: goal == Goal::Translate };
        let Left { result, reads } = unit.begin(plan, &self.shared.links.stamps, &course);
        let finished = match result {
            Ok(Begun::Modules(modules)) => {
                let pieces = UnitPieces {
                    shared: Arc::clone(&self.shared),
                    language: unit.language,
                    lto: unit.lto,
                    codes: Mutex::new(modules.costs().iter().map(|_| None).collect()),
                    modules,
                    reads: Mutex::new(reads),
                    said: Mutex::default(),
                };
                return Step::InPieces(Box::new(pieces));
            }
            Ok(Begun::Code(code)) => course.written(write(unit.object, vec![code], None)),
            Err(Reported) => Finished::failed(),
        };
        Step::Finished(having_read(finished, reads))
    }
}

/// A translated unit, while its modules wait, run and come back.
struct UnitPieces {
    shared: Arc<Shared>,
    language: Language,
    lto: Lto,
    modules: Modules,
    reads: Mutex<Reads>,
    codes: Mutex<Vec<Option<Code>>>,
    /// What pieces said: a function that is in several must not be complained about twice.
    said: Mutex<HashSet<String>>,
}

impl Pieces for UnitPieces {
    fn costs(&self) -> Vec<u64> {
        self.modules.costs()
    }

    /// The modules stay until the join is over: any piece may be the last to read them.
    fn held_bytes(&self) -> u64 {
        self.modules.held_bytes() + lock(&self.codes).iter().flatten().map(Code::size).sum::<u64>()
    }

    fn run(&self, job: &Job<'_>, piece: u32) -> Result<(), PieceFailed> {
        if job.cancelled() {
            return Err(PieceFailed);
        }
        let cgu = (self.modules.costs().len() > 1).then_some(piece);
        let course = Course::of(job, &self.shared.live, Of { cgu, unit: None });
        let watch = Once { course: &course, said: &self.said };
        let Left { result, reads } =
            self.unit(job).piece(&self.modules, piece, &self.shared.links.stamps, &watch);
        lock(&self.reads).add(reads);
        lock(&self.codes)[piece as usize] = Some(result.map_err(|Reported| PieceFailed)?);
        Ok(())
    }

    fn join(&self, job: &Job<'_>) -> Finished {
        let codes: Vec<Code> = lock(&self.codes).iter_mut().filter_map(Option::take).collect();
        let course = Course::new(job, &self.shared.live);
        if codes.len() > 1 {
            course.enter(PhaseName::Join);
        }
        let finished = course.written(write(self.unit(job).object, codes, self.modules.cut()));
        having_read(finished, lock(&self.reads).clone())
    }

    fn abandon(&self, outcome: Outcome) -> Finished {
        having_read(Finished::without_files(outcome), lock(&self.reads).clone())
    }
}

impl UnitPieces {
    fn unit<'a>(&self, job: &Job<'a>) -> Unit<'a> {
        let Work::Compile { source, args, object, .. } = &job.item.work else {
            unreachable!("these are the pieces of a compile");
        };
        Unit {
            source,
            language: self.language,
            args,
            object,
            lto: self.lto,
            settled: &job.item.settled,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes on what a piece says, unless another piece of the unit said the same.
struct Once<'a> {
    course: &'a Course<'a>,
    said: &'a Mutex<HashSet<String>>,
}

impl Watch for Once<'_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        if lock(self.said).insert(diagnostic.rendered.clone()) {
            self.course.diagnostic(diagnostic);
        }
    }

    fn enter(&self, phase: PhaseName) {
        self.course.enter(phase);
    }

    fn live_modules(&self, change: i32) {
        self.course.live_modules(change);
    }
}

/// Makes the unit's files from the code of all its pieces, in their order.
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
        let members: Vec<Member<'_>> =
            names.iter().zip(&bitcode).map(|(name, content)| Member { name, content }).collect();
        write(object, &archive(&members)?)?;
        return Ok(files);
    }
    if let Some(cut) = cut {
        let pieces: Vec<&[u8]> = objects.iter().map(|piece| &*piece.object).collect();
        let join = Join::of(cut, &pieces)?;
        write(object, &join.finish(&emit::join(&pieces, Some(&join.script()))?)?)?;
    } else {
        for Emitted { object: code, dwo } in &objects {
            // The object names its .dwo, so that is there first.
            if let Some((path, bytes)) = dwo {
                write(path, bytes)?;
            }
            write(object, code)?;
        }
    }
    Ok(files)
}
