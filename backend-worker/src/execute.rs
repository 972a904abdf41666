//! Joins the coordinator's items to the front end and the emitters: what each kind of work means.

use crate::coordinator::{Execute, Finished, Job, now_us};
use crate::emit;
use crate::frontend::{Left, StampCache, Unit, Watch, plain_error};
use crate::llvm::{self, Emitted};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use tender_protocol::{Diagnostic, InputFile, Level, Outcome, OutputFile, PhaseName, Work};

/// All that items of one worker share.
#[derive(Default)]
pub struct Executor {
    stamps: StampCache,
    live: AtomicU32,
}

impl Execute for Executor {
    fn run(&self, job: &Job<'_>) -> Finished {
        llvm::reset_thread_peak();
        let course = Course { job, live: &self.live, phase: Cell::new(None) };
        let mut finished = self.work(&course);
        course.leave();
        finished.peak_bytes = llvm::thread_peak();
        finished
    }

    fn purge(&self) {
        llvm::purge();
    }
}

impl Executor {
    fn work(&self, course: &Course<'_>) -> Finished {
        match &course.job.item.work {
            Work::Compile { source, language, args, object, .. } => {
                let unit = Unit { source, language: *language, args, object };
                let left = unit.compile(&self.stamps, course);
                course.finish(left, |emitted| write_objects(object, &emitted))
            }
            Work::Check { source, language, args } => {
                let unit = Unit { source, language: *language, args, object: NO_OBJECT };
                course.finish(unit.check(&self.stamps, course), |()| Ok(Vec::new()))
            }
            Work::Preprocess { source, language, args, output } => {
                let unit = Unit { source, language: *language, args, object: output };
                let left = unit.preprocess(&self.stamps, course);
                course.finish(left, |text| Ok(vec![emit::write(output, &text).map_err(|e| e.to_string())?]))
            }
            Work::Archive { output, members, .. } => {
                course.enter(PhaseName::Archive);
                match emit::archive(output, members) {
                    Ok(file) => course.done(vec![file]),
                    Err(why) => course.fail(None, why),
                }
            }
            Work::Link { driver, args, output, .. } => self.link(course, driver, args, output),
        }
    }

    fn link(&self, course: &Course<'_>, driver: &[String], args: &[String], output: &str) -> Finished {
        course.enter(PhaseName::Link);
        let linked = emit::link(driver, args, output, course.job.tokens_held);
        let inputs = linked.inputs.into_iter().filter_map(|(path, stamp)| {
            let content = std::fs::read(&path).ok()?;
            let hash = self.stamps.hash(&path, stamp, &content).to_hex().to_string();
            Some(InputFile { path, stamp, hash })
        });
        let inputs: Vec<InputFile> = inputs.collect();
        let text = linked.text;
        let mut finished = match (linked.output, linked.error) {
            (Some(file), _) => {
                if !text.trim().is_empty() {
                    let message = first_line(&text);
                    course.diagnostic(said(Level::Warning, message, text));
                }
                course.done(vec![file])
            }
            (None, error) => {
                let message = error.unwrap_or_else(|| "the link failed".to_owned());
                let rendered = format!("{}{text}", plain_error(None, message.clone()).rendered);
                course.diagnostic(said(Level::Error, message, rendered));
                Finished::failed()
            }
        };
        finished.inputs = inputs;
        finished
    }
}

/// The driver wants the name of an object even when none is made.
const NO_OBJECT: &str = "unit.o";

fn said(level: Level, message: String, rendered: String) -> Diagnostic {
    Diagnostic { level, message, file: None, line: 0, column: 0, rendered }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn write_objects(object: &str, emitted: &Emitted) -> Result<Vec<OutputFile>, String> {
    let mut files = Vec::with_capacity(2);
    // The object names its .dwo, so that is there first.
    if let Some((path, bytes)) = &emitted.dwo {
        files.push(emit::write(path, bytes).map_err(|why| why.to_string())?);
    }
    files.push(emit::write(object, &emitted.object).map_err(|why| why.to_string())?);
    Ok(files)
}

/// One item's course: times its phases and passes on what is told.
struct Course<'a> {
    job: &'a Job<'a>,
    live: &'a AtomicU32,
    phase: Cell<Option<(PhaseName, u64)>>,
}

impl Course<'_> {
    fn leave(&self) {
        if let Some((phase, start)) = self.phase.take() {
            self.job.phase(phase, start, now_us().saturating_sub(start));
        }
    }

    /// Turns what a unit left into the item's end; `write` makes its files.
    fn finish<T>(&self, left: Left<T>, write: impl FnOnce(T) -> Result<Vec<OutputFile>, String>) -> Finished {
        let mut finished = match left.result.map(write) {
            Ok(Ok(files)) => self.done(files),
            Ok(Err(why)) => self.fail(None, why),
            Err(llvm::Reported) => Finished::failed(),
        };
        finished.inputs = left.inputs;
        finished.missing = left.missing;
        finished
    }

    fn done(&self, outputs: Vec<OutputFile>) -> Finished {
        for file in &outputs {
            self.job.artifact(file.path.as_str());
        }
        Finished { outcome: Outcome::Ok, outputs, ..Finished::failed() }
    }

    fn fail(&self, file: Option<&str>, why: String) -> Finished {
        self.diagnostic(plain_error(file, why));
        Finished::failed()
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

    fn live_modules(&self, change: i32) {
        let before = if change > 0 {
            self.live.fetch_add(change.unsigned_abs(), Ordering::Relaxed)
        } else {
            self.live.fetch_sub(change.unsigned_abs(), Ordering::Relaxed)
        };
        self.job.live_modules(before.saturating_add_signed(change));
    }
}
