//! One part of an item on its thread: runs it, catches its panics, and gathers what it says.
//!
//! A diagnostic is sent to the coordinator at once. All else that a part reports is sent with its
//! end: for a small unit, waking the coordinator costs more than reading what it is woken for.

use super::events::Part;
use super::job::{Execute, Finished, Goal, Job, Pieces, Step, now_us};
use super::shell::{LivePlan, Message};
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;
use tender_protocol::{Diagnostic, FromWorker, ItemId, Level, PlanId};

pub(super) enum PartResult {
    InPieces(Box<dyn Pieces>),
    Piece { piece: u32, ok: bool },
    Finished(Finished),
}

/// What a part of an item took.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    pub busy_us: u64,
    /// Bytes.
    pub peak: u64,
}

/// One part on its thread.
pub(super) struct RunningPart<'a> {
    pub live: &'a LivePlan,
    pub position: usize,
    /// The row of the trace.
    pub slot: u32,
    pub exec: &'a dyn Execute,
    pub said: &'a Said<'a>,
}

/// What a part says. Its messages wait for each other, because each that is handed over wakes the
/// coordinator, which for a small unit takes longer than to deal with it. Nobody waits for them but
/// people, for diagnostics.
pub(super) struct Said<'a> {
    inbox: &'a Sender<Message>,
    waiting: RefCell<Vec<FromWorker>>,
}

impl<'a> Said<'a> {
    pub fn new(inbox: &'a Sender<Message>) -> Said<'a> {
        Said { inbox, waiting: RefCell::default() }
    }

    /// What was said and not handed over.
    pub fn into_rest(self) -> Vec<FromWorker> {
        self.waiting.into_inner()
    }

    /// Not kept back: others may be waiting for that memory.
    fn shrink(&self, plan: PlanId, item: ItemId, bytes: u64) {
        drop(self.inbox.send(Message::Shrunk { plan, item, bytes }));
    }

    fn add(&self, message: FromWorker) {
        let is_read_at_once = matches!(message, FromWorker::Diagnostic { .. });
        let mut waiting = self.waiting.borrow_mut();
        waiting.push(message);
        if is_read_at_once {
            drop(self.inbox.send(Message::FromItem(std::mem::take(&mut *waiting))));
        }
    }
}

impl RunningPart<'_> {
    pub fn run(&self, part: Part, pieces: Option<&dyn Pieces>) -> (Spent, PartResult) {
        let sink = |message| self.said.add(message);
        let item = &self.live.plan.items[self.position];
        let live = self.live;
        let shrink = |bytes| self.said.shrink(live.plan.id, item.id, bytes);
        let job = Job::new(
            live.plan.id,
            &live.plan.krate,
            item,
            self.slot,
            &live.cancelled,
            &sink,
            &shrink,
        );
        let started_us = now_us();
        self.exec.reset_peak();
        let pieces = || pieces.expect("the item is in pieces");
        let result = match part {
            Part::Begin => caught(&job, || self.exec.begin(&job, Goal::Finish)).map(began),
            Part::Translate => caught(&job, || self.exec.begin(&job, Goal::Translate)).map(began),
            Part::Piece(piece) => {
                let ok = caught(&job, || pieces().run(&job, piece)).is_some_and(|ran| ran.is_ok());
                Some(PartResult::Piece { piece, ok })
            }
            Part::Join => caught(&job, || pieces().join(&job)).map(PartResult::Finished),
        };
        let spent = Spent { busy_us: now_us().saturating_sub(started_us), peak: self.exec.peak() };
        (spent, result.unwrap_or_else(|| PartResult::Finished(Finished::failed())))
    }
}

fn began(step: Step) -> PartResult {
    match step {
        Step::Finished(finished) => PartResult::Finished(finished),
        Step::InPieces(pieces) => PartResult::InPieces(pieces),
    }
}

/// Runs `work`; a panic becomes a diagnostic of the job. What the part was working on is dropped
/// with the unwinding, and pieces share nothing that changes but under locks, so nothing
/// half-changed is seen again.
fn caught<T>(job: &Job<'_>, work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(panic) => {
            let message =
                format!("internal error in tender-worker: {}", panic_words(panic.as_ref()));
            let rendered = format!("error: {message}\n");
            let diagnostic = Diagnostic {
                level: Level::Error,
                message,
                file: None,
                line: 0,
                column: 0,
                rendered,
            };
            job.diagnostic(diagnostic);
            None
        }
    }
}

pub(super) fn panic_words(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|words| (*words).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

/// The end of the unit's path, and the piece, as debuggers and `top -H` show them: Linux keeps 15
/// bytes.
pub(super) fn thread_name(unit: &str, part: Part) -> String {
    let ending = match part {
        Part::Begin | Part::Translate => String::new(),
        Part::Piece(piece) => format!(".{piece}"),
        Part::Join => ".join".to_owned(),
    };
    let file = unit.rsplit('/').next().unwrap_or(unit);
    let mut name = String::new();
    for letter in file.chars().filter(|letter| !letter.is_control()) {
        if name.len() + letter.len_utf8() + ending.len() > 15 {
            break;
        }
        name.push(letter);
    }
    name + &ending
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_names_fit_the_kernel() {
        for (unit, part, expect) in [
            ("src/a.c", Part::Begin, "a.c"),
            ("src/a_rather_long_name.cpp", Part::Begin, "a_rather_long_n"),
            ("src/a_rather_long_name.cpp", Part::Piece(7), "a_rather_long.7"),
            ("src/ööööööööö.c", Part::Begin, "ööööööö"),
            ("with\nnewline\0.c", Part::Translate, "withnewline.c"),
        ] {
            assert_eq!(thread_name(unit, part), expect, "{unit:?}");
        }
    }
}
