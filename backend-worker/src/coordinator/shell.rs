//! The coordinator: passes events to the state machine and carries out its actions. It alone writes
//! messages.
//!
//! The reader, the pool's helper thread, the main thread and the threads of parts send to one
//! channel, which the coordinator's thread reads. So messages are never interleaved, and an item's
//! diagnostics always precede its end. The channel is unbounded: with a bounded one, an
//! orchestrator that reads slowly would block parts that hold tokens.
//!
//! Every part runs on its own thread from `threads`, except those that only the main thread may
//! run.

use super::by_hand::{ByHandLedger, Lease, estimate};
use super::events::{Action, Event, Mode, Part};
use super::job::{Execute, Finished, Pieces, now_us};
use super::leases::Held;
use super::machine::Machine;
use super::outline::{Outline, PlanError};
use super::part::{PartOutbox, PartResult, RunningPart, Spent, thread_name};
use super::serve::{Ended, MainThreadQueue, Outbox, ServeError};
use super::threads::{PartThread, Threads};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use tender_jobclient::{Client, ImplicitSlot, Pool, Token};
use tender_protocol::{FromWorker, ItemId, ItemReport, Outcome, Plan, PlanId, ToWorker};
use tender_units::{Bytes, Micros};

/// What the coordinator's thread receives.
pub(super) enum Message {
    FromOrchestrator(ToWorker),
    /// The input was no message or could not be read.
    BadInput(ServeError),
    EndOfInput,
    Token(io::Result<Token>),
    /// The process has received this signal and has to end.
    Interrupted(i32),
    /// Messages of a part, to be passed on unchanged.
    FromItem(Vec<FromWorker>),
    /// A running beginning needs at most `bytes` from now on.
    Shrunk {
        plan: PlanId,
        item: ItemId,
        bytes: Bytes,
    },
    PartEnded {
        plan: PlanId,
        item: ItemId,
        /// Messages to be passed on first.
        unsent: Vec<FromWorker>,
        spent: Spent,
        result: PartResult,
        /// The thread that it ran on, unless it was the main thread.
        thread: Option<PartThread>,
    },
}

/// The time and memory that all parts of an item used.
#[derive(Clone, Copy, Default)]
struct SpentByItem {
    busy_us: Micros,
    /// Of its beginning and its join, bytes.
    peak: Bytes,
    /// Of the piece with the highest peak, bytes.
    piece_peak: Bytes,
}

impl SpentByItem {
    fn add(&mut self, spent: Spent, result: &PartResult) {
        self.busy_us += spent.busy_us;
        match result {
            PartResult::Piece { .. } => self.piece_peak = self.piece_peak.max(spent.peak),
            // A join works for the whole item, as a beginning does.
            PartResult::InPieces(_) | PartResult::Finished(_) => {
                self.peak = self.peak.max(spent.peak)
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    Exit,
}

/// How many events are handled before messages are sent and tokens are released.
const MOST_UNSETTLED_EVENTS: u32 = 64;

pub(super) struct Shell<'a> {
    machine: Machine,
    /// How many events the machine has handled since the last `Event::Quiet`.
    unsettled_events: u32,
    /// Grants leases if there is no orchestrator.
    by_hand: Option<ByHandLedger>,
    plans: HashMap<PlanId, Arc<LivePlan>>,
    begun: HashMap<(PlanId, ItemId), BegunItem>,
    inbox: Sender<Message>,
    exec: Arc<dyn Execute>,
    outbox: &'a mut dyn Outbox,
    main_thread: MainThreadQueue,
    threads: Threads,
    pool: Client,
    /// The machine keeps account of it. It is never written to the pool.
    _implicit_slot: ImplicitSlot,
    tokens: Vec<Token>,
}

pub(super) struct LivePlan {
    pub plan: Plan,
    positions: HashMap<ItemId, usize>,
    pub cancelled: AtomicBool,
}

/// An item that has begun and is not reported yet.
struct BegunItem {
    at_us: Micros,
    spent: SpentByItem,
    pieces: Option<Arc<dyn Pieces>>,
}

impl<'a> Shell<'a> {
    /// Starts the pool's client. `by_hand` grants leases if there is no orchestrator.
    ///
    /// # Errors
    /// The pool's helper thread cannot be started.
    pub fn start(
        by_hand: Option<ByHandLedger>,
        inbox: Sender<Message>,
        pool: Pool,
        exec: Arc<dyn Execute>,
        main_thread: MainThreadQueue,
        outbox: &'a mut dyn Outbox,
    ) -> Result<Shell<'a>, ServeError> {
        let to_inbox = inbox.clone();
        // If the coordinator has ended, `send` returns the token with the error, and dropping it
        // releases it.
        let deliver = move |token| drop(to_inbox.send(Message::Token(token)));
        let (pool, implicit_slot) = pool.start(deliver).map_err(ServeError::Thread)?;
        Ok(Shell {
            machine: Machine::new(if by_hand.is_some() { Mode::ByHand } else { Mode::Served }),
            unsettled_events: 0,
            by_hand,
            plans: HashMap::new(),
            begun: HashMap::new(),
            inbox,
            exec,
            outbox,
            main_thread,
            threads: Threads::default(),
            pool,
            _implicit_slot: implicit_slot,
            tokens: Vec::new(),
        })
    }

    /// Handles messages until the end of input, or until the plan run by hand is done.
    ///
    /// # Errors
    /// A message is bad, a message cannot be written, a thread cannot be started, or a signal
    /// arrived.
    pub fn run(&mut self, messages: &Receiver<Message>) -> Result<Ended, ServeError> {
        loop {
            let waiting = if self.unsettled_events < MOST_UNSETTLED_EVENTS {
                messages.try_recv().ok()
            } else {
                None
            };
            let message = match waiting {
                Some(message) => message,
                None if self.settle()? == Flow::Exit => break,
                None => match self.wait(messages)? {
                    Some(message) => message,
                    None => break,
                },
            };
            match message {
                Message::FromOrchestrator(message) => self.handle_order(message)?,
                Message::BadInput(error) => return Err(error),
                Message::EndOfInput => break,
                Message::Token(Ok(token)) => {
                    self.tokens.push(token);
                    self.feed(Event::Token)?
                }
                // The rest runs on the implicit slot and the tokens that this process holds.
                Message::Token(Err(why)) => {
                    self.outbox.pool_lost(why)?;
                    self.feed(Event::PoolLost)?
                }
                Message::Interrupted(signal) => return Err(ServeError::Interrupted(signal)),
                Message::FromItem(messages) => self.pass_on(messages)?,
                Message::Shrunk { plan, item, bytes } => {
                    self.feed(Event::Shrunk { plan, item, bytes })?
                }
                Message::PartEnded { plan, item, unsent, spent, result, thread } => {
                    thread.into_iter().for_each(|thread| self.threads.returned(thread));
                    self.pass_on(unsent)?;
                    self.part_ended(plan, item, spent, result)?
                }
            }
        }
        self.outbox.flush()?;
        Ok(Ended::EndOfInput)
    }

    /// Waits for a message, after writing the unwritten ones. While other parts wait only for
    /// slots, the orchestrator need not know at once that a part has ended. Then messages may be
    /// delayed and written together: waking the orchestrator takes as long as a tenth of a tiny
    /// unit.
    fn wait(&mut self, messages: &Receiver<Message>) -> Result<Option<Message>, ServeError> {
        if self.machine.startable() > 0
            && let Some(left) = self.outbox.may_delay()
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

    /// Adds a plan.
    ///
    /// # Errors
    /// The plan is inconsistent, or a message cannot be written.
    pub fn add_plan(&mut self, plan: Plan) -> Result<(), ServeError> {
        if self.machine.knows(plan.id) {
            return Err(PlanError::DuplicatePlan { plan: plan.id }.into());
        }
        let outline = Outline::new(&plan)?;
        let positions =
            plan.items.iter().enumerate().map(|(position, item)| (item.id, position)).collect();
        let live = LivePlan { plan, positions, cancelled: AtomicBool::new(false) };
        let live = Arc::new(live);
        let plan = live.plan.id;
        self.plans.insert(plan, Arc::clone(&live));
        self.feed(Event::Plan(outline))?;
        if self.by_hand.as_ref().is_some_and(|ledger| !ledger.is_limited()) {
            for item in &live.plan.items {
                self.feed(Event::Lease { plan, item: item.id, bytes: item.memory.begin })?;
            }
        }
        Ok(())
    }

    fn handle_order(&mut self, message: ToWorker) -> Result<(), ServeError> {
        match message {
            ToWorker::Plan(plan) => self.add_plan(plan),
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
                Ok(())
            }
            ToWorker::Lease { plan, item, bytes } => self.feed(Event::Lease { plan, item, bytes }),
            // A second `hello` is ignored.
            ToWorker::Hello { .. } => Ok(()),
        }
    }

    fn pass_on(&mut self, messages: Vec<FromWorker>) -> Result<(), ServeError> {
        messages.into_iter().try_for_each(|message| self.outbox.send(message))
    }

    fn part_ended(
        &mut self,
        plan: PlanId,
        item: ItemId,
        spent: Spent,
        result: PartResult,
    ) -> Result<(), ServeError> {
        let begun =
            self.begun.get_mut(&(plan, item)).expect("a part belongs to an item that has begun");
        begun.spent.add(spent, &result);
        match result {
            PartResult::InPieces(pieces) => {
                let pieces: Arc<dyn Pieces> = pieces.into();
                let costs = pieces.costs();
                begun.pieces = Some(pieces);
                self.feed(Event::InPieces { plan, item, costs })
            }
            PartResult::Piece { piece, ok } => {
                self.feed(Event::PieceEnded { plan, item, piece, ok })
            }
            PartResult::Finished(finished) => {
                let outcome = finished.outcome;
                self.report(plan, item, finished)?;
                self.feed(Event::Finished { plan, item, outcome })
            }
        }
    }

    /// Handles an event, and then the grants of the ledger of a plan run by hand.
    fn feed(&mut self, event: Event) -> Result<(), ServeError> {
        self.unsettled_events += 1;
        self.handle(event)?;
        self.grant_by_hand()
    }

    /// Sends messages and releases tokens after all events so far.
    fn settle(&mut self) -> Result<Flow, ServeError> {
        while self.unsettled_events > 0 {
            self.unsettled_events = 0;
            if self.handle(Event::Quiet)? == Flow::Exit {
                return Ok(Flow::Exit);
            }
            self.grant_by_hand()?;
        }
        Ok(Flow::Continue)
    }

    fn grant_by_hand(&mut self) -> Result<(), ServeError> {
        while let Some(ledger) = &mut self.by_hand {
            let nothing_runs = self.machine.running() == 0 && self.machine.startable() == 0;
            let Some(Lease { plan, item, bytes }) = ledger.grant(nothing_runs) else { break };
            self.unsettled_events += 1;
            self.handle(Event::Lease { plan, item, bytes })?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<Flow, ServeError> {
        for action in self.machine.handle(event) {
            match action {
                Action::Start { plan, item, part, slot } => {
                    self.start_part(plan, item, part, slot)?
                }
                Action::Skip { plan, item } => {
                    self.report(plan, item, Finished::without_files(Outcome::Skipped))?;
                }
                Action::Abandon { plan, item, outcome } => {
                    let pieces =
                        self.begun.get(&(plan, item)).and_then(|begun| begun.pieces.clone());
                    let finished =
                        pieces.expect("only an item in pieces is abandoned").abandon(outcome);
                    self.report(plan, item, Finished { outcome, ..finished })?;
                }
                Action::AskLease { plan, item, part } => self.ask_for_lease(plan, item, part)?,
                Action::Resize { plan, item, held } => self.resize(plan, item, held)?,
                Action::RequestTokens(tokens) => self.pool.request(tokens),
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

    fn ask_for_lease(&mut self, plan: PlanId, item: ItemId, part: Part) -> Result<(), ServeError> {
        let live = &self.plans[&plan];
        let item_work = &live.plan.items[live.positions[&item]];
        let bytes = match part {
            Part::Begin | Part::Translate => item_work.memory.begin,
            Part::Piece(_) => item_work.memory.piece,
            Part::Join => item_work.memory.join,
        };
        let Some(ledger) = &mut self.by_hand else {
            return self.outbox.send(FromWorker::LeaseWanted { plan, item, bytes });
        };
        let pieces = self.begun.get(&(plan, item)).and_then(|begun| begun.pieces.as_deref());
        let bytes = if bytes == Bytes::ZERO { estimate(item_work, pieces) } else { bytes };
        ledger.ask(Lease { plan, item, bytes });
        Ok(())
    }

    fn resize(&mut self, plan: PlanId, item: ItemId, held: Held) -> Result<(), ServeError> {
        let pieces = self.begun.get(&(plan, item)).and_then(|begun| begun.pieces.as_ref());
        let bytes =
            held.bytes.saturating_add(pieces.map_or(Bytes::ZERO, |pieces| pieces.held_bytes()));
        let Held { grants, parts, .. } = held;
        match &mut self.by_hand {
            Some(ledger) => ledger.resized(plan, item, bytes),
            None => {
                self.outbox.send(FromWorker::LeaseResized { plan, item, bytes, grants, parts })?
            }
        }
        Ok(())
    }

    fn report(&mut self, plan: PlanId, item: ItemId, finished: Finished) -> Result<(), ServeError> {
        if let Some(ledger) = &mut self.by_hand {
            ledger.finished(plan, item);
        }
        let at_us = now_us();
        let (wall_us, spent) = match self.begun.remove(&(plan, item)) {
            Some(begun) => (at_us.saturating_sub(begun.at_us), begun.spent),
            None => (Micros::ZERO, SpentByItem::default()),
        };
        let Finished { outcome, inputs, missing, dated, precompiled, variables, programs, outputs } =
            finished;
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
            dated,
            precompiled,
            variables,
            programs,
            outputs,
        };
        self.outbox.send(FromWorker::ItemFinished(Box::new(report)))
    }

    fn start_part(
        &mut self,
        plan: PlanId,
        item: ItemId,
        part: Part,
        slot: u32,
    ) -> Result<(), ServeError> {
        let live = Arc::clone(&self.plans[&plan]);
        let position = live.positions[&item];
        let at_us = now_us();
        if matches!(part, Part::Begin | Part::Translate) {
            self.outbox.send(FromWorker::ItemStarted { plan, item, slot, at_us })?;
            self.begun.insert(
                (plan, item),
                BegunItem { at_us, spent: SpentByItem::default(), pieces: None },
            );
        }
        let pieces = self.begun.get(&(plan, item)).and_then(|begun| begun.pieces.clone());
        let exec = Arc::clone(&self.exec);
        let inbox = self.inbox.clone();
        let name = thread_name(&live.plan.items[position].unit, part);
        let run = move |thread| {
            let outbox = PartOutbox::new(&inbox);
            let running =
                RunningPart { live: &live, position, slot, exec: exec.as_ref(), outbox: &outbox };
            let (spent, result) = running.run(part, pieces.as_deref());
            let unsent = outbox.into_unsent();
            // A result does not refer to the pieces. They are dropped here, on the thread of the
            // last part, and not on the coordinator's thread.
            drop(pieces);
            // An error means that the process is about to exit.
            drop(inbox.send(Message::PartEnded { plan, item, unsent, spent, result, thread }));
        };
        match part {
            Part::Translate => self.main_thread.run(Box::new(|| run(None))),
            Part::Begin | Part::Piece(_) | Part::Join => {
                self.threads.run(name, |thread| run(Some(thread)))
            }
        }
    }
}

impl Drop for Shell<'_> {
    /// Parts that still run hold their tokens until the process exits, so these tokens must not be
    /// released here. The orchestrator returns them to the pool when the process has ended. For a
    /// plan run by hand they are released: the process exits at once.
    fn drop(&mut self) {
        if self.by_hand.is_none() && self.machine.running() > 0 {
            self.tokens.drain(..).for_each(std::mem::forget);
        }
    }
}

#[cfg(test)]
mod tests;
