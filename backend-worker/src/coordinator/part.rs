//! Runs one part of an item on its thread, catches its panics and collects its messages.
//!
//! A diagnostic is sent to the coordinator at once. The other messages are sent with the end of the
//! part: for a small unit, waking the coordinator costs more than handling the message.

use super::events::Part;
use super::job::{Execute, Finished, Goal, Job, Pieces, Progress, now_us};
use super::shell::{LivePlan, Message};
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;
use tender_protocol::{Diagnostic, FromWorker, ItemId, Level, PlanId};
use tender_units::{Bytes, Micros};

pub(super) enum PartResult {
    InPieces(Box<dyn Pieces>),
    Piece { piece: u32, ok: bool },
    Finished(Finished),
}

/// The time and memory that a part used.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    pub busy_us: Micros,
    /// Bytes.
    pub peak: Bytes,
}

/// A part on its thread.
pub(super) struct RunningPart<'a> {
    pub live: &'a LivePlan,
    pub position: usize,
    /// The row in the trace.
    pub slot: u32,
    pub exec: &'a dyn Execute,
    pub outbox: &'a PartOutbox<'a>,
}

/// The messages of a part. They are collected and sent together, because each send wakes the
/// coordinator, which for a small unit takes longer than to handle the message. Only diagnostics
/// are sent at once, because users wait for them.
pub(super) struct PartOutbox<'a> {
    inbox: &'a Sender<Message>,
    unsent: RefCell<Vec<FromWorker>>,
}

impl<'a> PartOutbox<'a> {
    pub fn new(inbox: &'a Sender<Message>) -> PartOutbox<'a> {
        PartOutbox { inbox, unsent: RefCell::default() }
    }

    /// The messages that were not sent.
    pub fn into_unsent(self) -> Vec<FromWorker> {
        self.unsent.into_inner()
    }

    /// Sent at once, because other parts may wait for that memory.
    fn shrink(&self, plan: PlanId, item: ItemId, bytes: Bytes) {
        drop(self.inbox.send(Message::Shrunk { plan, item, bytes }));
    }

    fn add(&self, message: FromWorker) {
        let is_urgent = matches!(message, FromWorker::Diagnostic { .. });
        let mut unsent = self.unsent.borrow_mut();
        unsent.push(message);
        if is_urgent {
            drop(self.inbox.send(Message::FromItem(std::mem::take(&mut *unsent))));
        }
    }
}

impl RunningPart<'_> {
    pub fn run(&self, part: Part, pieces: Option<&dyn Pieces>) -> (Spent, PartResult) {
        let sink = |message| self.outbox.add(message);
        let item = &self.live.plan.items[self.position];
        let live = self.live;
        let shrink = |bytes| self.outbox.shrink(live.plan.id, item.id, bytes);
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
        let pieces = || pieces.expect("the item has pieces");
        let result = match part {
            Part::Begin => {
                let begin = || self.exec.begin(&job, Goal::Finish);
                catch_panic(&job, begin).map(result_of_beginning)
            }
            Part::Translate => {
                let begin = || self.exec.begin(&job, Goal::Translate);
                catch_panic(&job, begin).map(result_of_beginning)
            }
            Part::Piece(piece) => {
                let ok =
                    catch_panic(&job, || pieces().run(&job, piece)).is_some_and(|ran| ran.is_ok());
                Some(PartResult::Piece { piece, ok })
            }
            Part::Join => catch_panic(&job, || pieces().join(&job)).map(PartResult::Finished),
        };
        let spent = Spent { busy_us: now_us().saturating_sub(started_us), peak: self.exec.peak() };
        (spent, result.unwrap_or_else(|| PartResult::Finished(Finished::failed())))
    }
}

fn result_of_beginning(progress: Progress) -> PartResult {
    match progress {
        Progress::Finished(finished) => PartResult::Finished(finished),
        Progress::InPieces(pieces) => PartResult::InPieces(pieces),
    }
}

/// Runs `work`. A panic becomes a diagnostic of the job. Unwinding drops the data of the part, and
/// pieces share mutable data only under locks, so no half-changed data is used afterwards.
fn catch_panic<T>(job: &Job<'_>, work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(panic) => {
            let message =
                format!("internal error in tender-worker: {}", panic_message(panic.as_ref()));
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

pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// The thread's name for debuggers and `top -H`: the unit's file name and the piece. Linux keeps 15
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
    fn thread_name_fits_into_15_bytes() {
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
