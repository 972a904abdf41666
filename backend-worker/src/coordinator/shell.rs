//! The coordinator: feeds the state machine, does what it says, and alone writes messages.
//!
//! The reader of messages, the pool's helper thread, the main thread and the threads of parts all send to one channel, which
//! the coordinator's thread empties: so messages are never interleaved and an item's diagnostics always precede its end. The
//! channel is unbounded: a bounded one would let a slow reader of our output stop parts that hold tokens.
//!
//! Every part has a thread to itself while it runs, from `threads`, but for those that only the main thread may run.

use super::job::{Execute, Finished, Goal, Job, Pieces, Step, now_us};
use super::machine::{Action, Event, Machine, Mode, Part};
use super::outline::{Outline, PlanError};
use super::serve::{Ended, MainThread, Outbox, ServeError};
use super::threads::{Idle, Threads};
use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use tender_jobclient::{Client, ImplicitSlot, Pool, Token};
use tender_protocol::{Diagnostic, FromWorker, ItemId, ItemReport, Level, Outcome, Plan, PlanId, ToWorker};

/// Everything that the coordinator's thread waits for.
pub(super) enum Message {
    FromPeer(ToWorker),
    /// What came was no message, or could not be read.
    BadInput(ServeError),
    EndOfInput,
    Token(io::Result<Token>),
    /// To be passed on as they are.
    FromItem(Vec<FromWorker>),
    PartEnded {
        plan: PlanId,
        item: ItemId,
        /// What is left to be passed on first.
        said: Vec<FromWorker>,
        spent: Spent,
        result: PartResult,
        /// The thread that it ran on, unless that was the main thread.
        thread: Option<Idle>,
    },
}

pub(super) enum PartResult {
    InPieces(Box<dyn Pieces>),
    Piece { piece: u32, ok: bool },
    Finished(Finished),
}

/// What a part of an item took.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    busy_us: u64,
    /// Bytes.
    peak: u64,
}

/// What all parts of an item took.
#[derive(Clone, Copy, Default)]
struct SpentByItem {
    busy_us: u64,
    /// Bytes; of its beginning.
    peak: u64,
    /// Bytes; of the piece that needed most.
    piece_peak: u64,
}

impl SpentByItem {
    fn add(&mut self, spent: Spent, result: &PartResult) {
        self.busy_us += spent.busy_us;
        match result {
            PartResult::Piece { .. } => self.piece_peak = self.piece_peak.max(spent.peak),
            // A join, too, works for the whole item.
            PartResult::InPieces(_) | PartResult::Finished(_) => self.peak = self.peak.max(spent.peak),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Exit,
}

pub(super) struct Shell<'a> {
    machine: Machine,
    plans: HashMap<PlanId, Arc<LivePlan>>,
    begun: HashMap<(PlanId, ItemId), Begun>,
    inbox: Sender<Message>,
    exec: Arc<dyn Execute>,
    outbox: &'a mut dyn Outbox,
    main_thread: MainThread,
    threads: Threads,
    pool: Client,
    /// The machine says when it is lent; it is never written to the pool.
    _starting_slot: ImplicitSlot,
    tokens: Vec<Token>,
}

struct LivePlan {
    plan: Plan,
    positions: HashMap<ItemId, usize>,
    cancelled: AtomicBool,
}

/// An item that began and is not reported.
struct Begun {
    at_us: u64,
    spent: SpentByItem,
    pieces: Option<Arc<dyn Pieces>>,
}

impl<'a> Shell<'a> {
    pub fn start(
        mode: Mode,
        inbox: Sender<Message>,
        pool: Pool,
        exec: Arc<dyn Execute>,
        main_thread: MainThread,
        outbox: &'a mut dyn Outbox,
    ) -> Result<Shell<'a>, ServeError> {
        let to_inbox = inbox.clone();
        // Where the coordinator is gone, the token comes back with the error and is given back as it is dropped.
        let deliver = move |token| drop(to_inbox.send(Message::Token(token)));
        let (pool, starting_slot) = pool.start(deliver).map_err(ServeError::Thread)?;
        Ok(Shell {
            machine: Machine::new(mode),
            plans: HashMap::new(),
            begun: HashMap::new(),
            inbox,
            exec,
            outbox,
            main_thread,
            threads: Threads::default(),
            pool,
            _starting_slot: starting_slot,
            tokens: Vec::new(),
        })
    }

    pub fn run(&mut self, messages: &Receiver<Message>) -> Result<Ended, ServeError> {
        loop {
            let message = match messages.try_recv() {
                Ok(message) => message,
                Err(_) => match self.wait(messages)? {
                    Some(message) => message,
                    None => break,
                },
            };
            let flow = match message {
                Message::FromPeer(message) => self.obey(message)?,
                Message::BadInput(error) => return Err(error),
                Message::EndOfInput => break,
                Message::Token(Ok(token)) => {
                    self.tokens.push(token);
                    self.feed(Event::Token)?
                }
                // The rest of the work goes on, on the starting slot and the tokens at hand.
                Message::Token(Err(_)) => self.feed(Event::PoolLost)?,
                Message::FromItem(said) => {
                    self.pass_on(said)?;
                    Flow::Continue
                }
                Message::PartEnded { plan, item, said, spent, result, thread } => {
                    thread.into_iter().for_each(|thread| self.threads.returned(thread));
                    self.pass_on(said)?;
                    self.part_ended(plan, item, spent, result)?
                }
            };
            if flow == Flow::Exit {
                break;
            }
        }
        self.outbox.flush()?;
        Ok(Ended::EndOfInput)
    }

    /// What is said goes out when there is a moment. While other parts wait for slots here, nobody waits for the news that
    /// one has ended: then it may wait for others, because each time that the orchestrator is woken takes as long as a tenth
    /// of a tiny unit.
    fn wait(&mut self, messages: &Receiver<Message>) -> Result<Option<Message>, ServeError> {
        if self.machine.startable() > 0
            && let Some(left) = self.outbox.may_wait()
        {
            match messages.recv_timeout(left) {
                Ok(message) => return Ok(Some(message)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
        self.outbox.flush()?;
        Ok(messages.recv().ok())
    }

    pub fn take_plan(&mut self, plan: Plan) -> Result<Flow, ServeError> {
        if self.machine.knows(plan.id) {
            return Err(PlanError::DuplicatePlan { plan: plan.id }.into());
        }
        let outline = Outline::new(&plan)?;
        let positions = plan.items.iter().enumerate().map(|(position, item)| (item.id, position)).collect();
        let live = LivePlan { plan, positions, cancelled: AtomicBool::new(false) };
        self.plans.insert(live.plan.id, Arc::new(live));
        self.feed(Event::Plan(outline))
    }

    fn obey(&mut self, message: ToWorker) -> Result<Flow, ServeError> {
        match message {
            ToWorker::Plan(plan) => self.take_plan(plan),
            ToWorker::Slot => self.feed(Event::Slot),
            ToWorker::Cancel { plan } => {
                for live in self.plans.values() {
                    if plan.is_none_or(|plan| plan == live.plan.id) {
                        live.cancelled.store(true, Ordering::Relaxed);
                    }
                }
                self.feed(Event::Cancel(plan))
            }
            ToWorker::Purge => {
                self.exec.purge();
                Ok(Flow::Continue)
            }
            // No item asks for a lease yet, so none is granted. A second `hello` says nothing new.
            ToWorker::Lease { .. } | ToWorker::Hello { .. } => Ok(Flow::Continue),
        }
    }

    fn pass_on(&mut self, said: Vec<FromWorker>) -> Result<(), ServeError> {
        said.into_iter().try_for_each(|message| self.outbox.send(message))
    }

    fn part_ended(
        &mut self,
        plan: PlanId,
        item: ItemId,
        spent: Spent,
        result: PartResult,
    ) -> Result<Flow, ServeError> {
        let begun = self.begun.get_mut(&(plan, item)).expect("its parts are of an item that began");
        begun.spent.add(spent, &result);
        match result {
            PartResult::InPieces(pieces) => {
                let pieces: Arc<dyn Pieces> = pieces.into();
                let costs = pieces.costs();
                begun.pieces = Some(pieces);
                self.feed(Event::InPieces { plan, item, costs })
            }
            PartResult::Piece { piece, ok } => self.feed(Event::PieceEnded { plan, item, piece, ok }),
            PartResult::Finished(finished) => {
                let outcome = finished.outcome;
                self.report(plan, item, finished)?;
                self.feed(Event::Finished { plan, item, outcome })
            }
        }
    }

    fn feed(&mut self, event: Event) -> Result<Flow, ServeError> {
        for action in self.machine.handle(event) {
            match action {
                Action::Start { plan, item, part, slot } => self.start_part(plan, item, part, slot)?,
                Action::Skip { plan, item } => {
                    self.report(plan, item, Finished::without_files(Outcome::Skipped))?;
                }
                Action::Abandon { plan, item, outcome } => {
                    let pieces = self.begun.get(&(plan, item)).and_then(|begun| begun.pieces.clone());
                    let finished = pieces.expect("only what is in pieces is abandoned").abandon(outcome);
                    self.report(plan, item, Finished { outcome, ..finished })?;
                }
                Action::SetWish(tokens) => self.pool.wish(tokens),
                Action::ReleaseToken => drop(self.tokens.pop()),
                Action::Send(message) => {
                    if let FromWorker::Done { plan, .. } = message {
                        self.plans.remove(&plan);
                    }
                    self.outbox.send(message)?;
                }
                Action::Exit => return Ok(Flow::Exit),
            }
        }
        Ok(Flow::Continue)
    }

    fn report(&mut self, plan: PlanId, item: ItemId, finished: Finished) -> Result<(), ServeError> {
        let at_us = now_us();
        let (wall_us, spent) = match self.begun.remove(&(plan, item)) {
            Some(begun) => (at_us.saturating_sub(begun.at_us), begun.spent),
            None => (0, SpentByItem::default()),
        };
        let Finished { outcome, inputs, missing, outputs } = finished;
        let report = ItemReport {
            plan,
            item,
            outcome,
            at_us,
            wall_us,
            busy_us: spent.busy_us,
            peak_bytes: spent.peak,
            piece_peak_bytes: spent.piece_peak,
            inputs,
            missing,
            outputs,
        };
        self.outbox.send(FromWorker::ItemFinished(Box::new(report)))
    }

    fn start_part(&mut self, plan: PlanId, item: ItemId, part: Part, slot: u32) -> Result<(), ServeError> {
        let live = Arc::clone(&self.plans[&plan]);
        let position = live.positions[&item];
        let at_us = now_us();
        if matches!(part, Part::Begin | Part::Translate) {
            self.outbox.send(FromWorker::ItemStarted { plan, item, slot, at_us })?;
            self.begun.insert((plan, item), Begun { at_us, spent: SpentByItem::default(), pieces: None });
        }
        let pieces = self.begun.get(&(plan, item)).and_then(|begun| begun.pieces.clone());
        let exec = Arc::clone(&self.exec);
        let inbox = self.inbox.clone();
        let name = thread_name(&live.plan.items[position].unit, part);
        let run = move |thread| {
            let said = Said { inbox: &inbox, waiting: RefCell::default() };
            let running = RunningPart { live: &live, position, slot, exec: exec.as_ref(), said: &said };
            let (spent, result) = running.run(part, pieces.as_deref());
            let said = said.waiting.into_inner();
            // A join's result owns nothing of the pieces; the last thread frees them, not the coordinator's.
            drop(pieces);
            // The coordinator is gone only when the process is about to exit.
            drop(inbox.send(Message::PartEnded { plan, item, said, spent, result, thread }));
        };
        match part {
            Part::Translate => self.main_thread.run(Box::new(|| run(None))),
            Part::Begin | Part::Piece(_) | Part::Join => self.threads.run(name, |thread| run(Some(thread))),
        }
    }
}

impl Drop for Shell<'_> {
    /// Parts that still run go on until the process exits, so the tokens they run on must not be given to others before
    /// that. The orchestrator puts them back into the pool when the process is gone.
    fn drop(&mut self) {
        if self.machine.running() > 0 {
            self.tokens.drain(..).for_each(std::mem::forget);
        }
    }
}

/// One part on its thread.
struct RunningPart<'a> {
    live: &'a LivePlan,
    position: usize,
    slot: u32,
    exec: &'a dyn Execute,
    said: &'a Said<'a>,
}

/// What a part says. Its messages wait for each other, because each that is handed over wakes the coordinator, which for a
/// small unit takes longer than to deal with it. Nobody waits for them but people, for diagnostics.
struct Said<'a> {
    inbox: &'a Sender<Message>,
    waiting: RefCell<Vec<FromWorker>>,
}

impl Said<'_> {
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
    fn run(&self, part: Part, pieces: Option<&dyn Pieces>) -> (Spent, PartResult) {
        let sink = |message| self.said.add(message);
        let item = &self.live.plan.items[self.position];
        let live = self.live;
        let job = Job::new(live.plan.id, &live.plan.krate, item, self.slot, &live.cancelled, &sink);
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

/// Runs `work`; a panic becomes a diagnostic of the job. What the part was working on is dropped with the unwinding, and
/// pieces share nothing that changes but under locks, so nothing half-changed is seen again.
fn caught<T>(job: &Job<'_>, work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(panic) => {
            let message = format!("internal error in tender-worker: {}", panic_words(panic.as_ref()));
            let rendered = format!("error: {message}\n");
            let diagnostic =
                Diagnostic { level: Level::Error, message, file: None, line: 0, column: 0, rendered };
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

/// The end of the unit's path, and the piece, as debuggers and `top -H` show them: Linux keeps 15 bytes.
fn thread_name(unit: &str, part: Part) -> String {
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
mod tests;
