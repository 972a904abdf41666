//! Joins the coordinator's items to the front end and the emitters: what each kind of work means.

mod compile;
mod course;
mod lto;

use crate::coordinator::{Execute, Finished, Goal, Job, Step};
use crate::emit::{self, Link, Linked, Links, Moment};
use crate::frontend::{Left, Reads, Unit, Watch, plain_error};
use crate::llvm;
use course::Course;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use tender_protocol::{Diagnostic, Level, Lto, PhaseName, Work};

#[derive(Default)]
pub struct Executor {
    shared: Arc<Shared>,
}

/// All that items of one worker share.
#[derive(Default)]
struct Shared {
    links: Links,
    /// LLVM modules in memory.
    live: AtomicU32,
}

impl Execute for Executor {
    fn begin(&self, job: &Job<'_>, goal: Goal) -> Step {
        if let Work::Compile { source, language, args, object, cut, lto, dwo: _ } = &job.item.work {
            let settled = &job.item.settled;
            let unit = Unit { source, language: *language, args, object, lto: *lto, settled };
            return self.compile(job, goal, &unit, cut.as_ref());
        }
        match &job.item.work {
            Work::Archive { output, members, lto: Some(lto) } => {
                return self.lto_archive(job, output, members, lto);
            }
            Work::Link { driver, args, output, lto: Some(lto) } => {
                return self.lto_link(job, driver, args, output, lto);
            }
            _ => {}
        }
        let course = Course::new(job, &self.shared.live);
        Step::Finished(match &job.item.work {
            Work::Check { source, language, args } => {
                let (object, settled) = (NO_OBJECT, job.item.settled.as_slice());
                let unit =
                    Unit { source, language: *language, args, object, lto: Lto::Off, settled };
                let Left { result, reads } = unit.check(&self.shared.links.stamps, &course);
                let finished =
                    result.map_or_else(|_| Finished::failed(), |()| course.done(Vec::new()));
                having_read(finished, reads)
            }
            Work::Preprocess { source, language, args, output } => {
                let settled = job.item.settled.as_slice();
                let unit = Unit {
                    source,
                    language: *language,
                    args,
                    object: output,
                    lto: Lto::Off,
                    settled,
                };
                let Left { result, reads } = unit.preprocess(&self.shared.links.stamps, &course);
                let write = |text: llvm::Buffer| {
                    emit::write(output, &text).map(|file| vec![file]).map_err(|why| why.to_string())
                };
                let finished =
                    result.map_or_else(|_| Finished::failed(), |text| course.written(write(text)));
                having_read(finished, reads)
            }
            Work::Archive { output, members, .. } => {
                course.enter(PhaseName::Archive);
                course.archived(emit::archive(output, members))
            }
            Work::Link { driver, args, output, .. } => {
                course.enter(PhaseName::Link);
                let begun = Moment::now();
                let response_files = &[];
                let threads = LINK_THREADS;
                let link =
                    Link { driver, args, response_files, output, threads, begun, answer: None };
                linked(&course, emit::link(&link, &self.shared.links))
            }
            Work::Compile { .. } => unreachable!("compiled above"),
        })
    }

    fn purge(&self) {
        llvm::purge();
    }

    fn abandon(&self) {
        emit::abandon();
    }

    fn reset_peak(&self) {
        llvm::reset_thread_peak();
    }

    fn peak(&self) -> u64 {
        llvm::thread_peak()
    }
}

/// What came of a link.
fn linked(course: &Course<'_>, linked: Linked) -> Finished {
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
    finished.inputs = linked.inputs;
    finished.missing = linked.missing;
    finished.programs = linked.programs;
    finished
}

/// A link is one job.
const LINK_THREADS: u32 = 1;

/// The driver wants the name of an object even when none is made.
const NO_OBJECT: &str = "unit.o";

/// `finished`, to which `reads` counts as well.
fn having_read(mut finished: Finished, reads: Reads) -> Finished {
    finished.inputs.extend(reads.inputs);
    finished.missing.extend(reads.missing);
    finished.dated.extend(reads.dated);
    finished.precompiled.extend(reads.precompiled);
    finished.variables.extend(reads.variables);
    finished
}

fn said(level: Level, message: String, rendered: String) -> Diagnostic {
    Diagnostic { level, message, file: None, line: 0, column: 0, rendered }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
