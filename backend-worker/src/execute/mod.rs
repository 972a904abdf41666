//! Runs the work of items: calls the front end, link-time optimisation and the emitters for each
//! kind of work.

mod compile;
mod configure;
mod cxx_modules;
mod lto;
mod reporter;
mod shared_headers;

use crate::coordinator::{Execute, Finished, Goal, Job, Progress};
use crate::emit::{self, ChangeTime, Link, LinkCaches, Linked};
use crate::frontend::{Dependencies, HeaderFiles, Observer, Scans, Unit, UnitResult, plain_error};
use crate::llvm;
use reporter::Reporter;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use tender_protocol::{Diagnostic, Language, Level, Lto, PhaseName, Work};
use tender_units::Bytes;

/// Does the work of items; see [`Execute`].
#[derive(Default)]
pub struct Executor {
    shared: Arc<Shared>,
}

/// Data that all items of one worker share.
#[derive(Default)]
struct Shared {
    caches: LinkCaches,
    headers: HeaderFiles,
    scans: Scans,
    /// The number of LLVM modules in memory.
    live: AtomicU32,
}

impl Execute for Executor {
    fn begin(&self, job: &Job<'_>, goal: Goal) -> Progress {
        if let Work::Compile { source, language, args, object, cut, lto, share, translation } =
            &job.item.work
        {
            let (settled, modules) = (&job.item.settled[..], &job.item.modules[..]);
            let (language, lto) = (*language, *lto);
            let unit = Unit { source, language, args, object, lto, settled, modules };
            let translation = translation.as_deref();
            return self.compile(job, goal, &unit, cut.as_ref(), share.as_ref(), translation);
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
        let reporter = Reporter::new(job, &self.shared.live);
        Progress::Finished(match &job.item.work {
            Work::Check { source, language, args } => {
                let unit = without_object(job, source, *language, args, NO_OBJECT);
                let UnitResult { result, dependencies } =
                    unit.check(&self.shared.caches.stamps, &reporter);
                let finished = result
                    .map_or_else(|_| Finished::failed(), |()| Finished::with_outputs(Vec::new()));
                with_dependencies(finished, dependencies)
            }
            Work::Preprocess { source, language, args, output } => {
                let unit = without_object(job, source, *language, args, output);
                let UnitResult { result, dependencies } =
                    unit.preprocess(&self.shared.caches.stamps, &reporter);
                let write = |text: llvm::Buffer| {
                    emit::write(output, &text).map(|file| vec![file]).map_err(|why| why.to_string())
                };
                let finished = result
                    .map_or_else(|_| Finished::failed(), |text| reporter.written(write(text)));
                with_dependencies(finished, dependencies)
            }
            Work::Scan { source, args, output } => {
                let unit = without_object(job, source, Language::Cxx, args, NO_OBJECT);
                cxx_modules::scan(&unit, output, &self.shared, &reporter)
            }
            Work::Interface { source, args, output, translation } => {
                let mut unit = without_object(job, source, Language::Cxx, args, output);
                if let Some(translation) = translation {
                    (unit.object, unit.lto) = (&translation.object, translation.lto);
                }
                let translation = translation.as_ref().map(|files| files.output.as_str());
                cxx_modules::interface(&unit, output, translation, &self.shared, &reporter)
            }
            Work::Precompile { source, headers, language, args, output } => {
                let unit = without_object(job, source, *language, args, output);
                cxx_modules::precompile(&unit, headers, output, &self.shared, &reporter)
            }
            Work::ShareHeaders { sources, args, output } => {
                let unit = |source| without_object(job, source, Language::Cxx, args, NO_OBJECT);
                shared_headers::share(sources, unit, output, &self.shared, &reporter)
            }
            Work::Archive { output, members, .. } => {
                reporter.enter(PhaseName::Archive);
                reporter.archived(emit::archive(output, members))
            }
            Work::Link { driver, args, output, .. } => {
                reporter.enter(PhaseName::Link);
                let began = ChangeTime::now();
                let response_files = &[];
                let threads = LINK_THREADS;
                let link =
                    Link { driver, args, response_files, output, threads, began, answer: None };
                linked(&reporter, emit::link(&link, &self.shared.caches))
            }
            Work::Configure(request) => configure::configure(request, &self.shared, &reporter),
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

    fn peak(&self) -> Bytes {
        Bytes(llvm::thread_peak())
    }
}

/// A unit of which no object is made.
fn without_object<'a>(
    job: &Job<'a>,
    source: &'a str,
    language: Language,
    args: &'a [String],
    object: &'a str,
) -> Unit<'a> {
    let (settled, modules) = (&job.item.settled[..], &job.item.modules[..]);
    Unit { source, language, args, object, lto: Lto::Off, settled, modules }
}

/// Reports the result of a link.
fn linked(reporter: &Reporter<'_>, linked: Linked) -> Finished {
    let text = linked.text;
    let mut finished = match (linked.output, linked.error) {
        (Some(file), _) => {
            if !text.trim().is_empty() {
                let message = first_line(&text);
                reporter.diagnostic(diagnostic(Level::Warning, message, text));
            }
            Finished::with_outputs(vec![file])
        }
        (None, error) => {
            let message = error.unwrap_or_else(|| "the link failed".to_owned());
            let rendered = format!("{}{text}", plain_error(None, message.clone()).rendered);
            reporter.diagnostic(diagnostic(Level::Error, message, rendered));
            Finished::failed()
        }
    };
    finished.inputs = linked.inputs;
    finished.missing = linked.missing;
    finished.programs = linked.programs;
    finished
}

/// A link is one job, so the linker gets one thread.
const LINK_THREADS: u32 = 1;

/// clang's driver needs the name of an object even if none is written.
const NO_OBJECT: &str = "unit.o";

/// Adds what the item read to its result.
fn with_dependencies(mut finished: Finished, dependencies: Dependencies) -> Finished {
    finished.inputs.extend(dependencies.inputs);
    finished.missing.extend(dependencies.missing);
    finished.dated.extend(dependencies.dated);
    finished.precompiled.extend(dependencies.precompiled);
    finished.variables.extend(dependencies.variables);
    finished
}

fn diagnostic(level: Level, message: String, rendered: String) -> Diagnostic {
    Diagnostic { level, message, file: None, line: 0, column: 0, rendered }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
