//! The coordinator: feeds the state machine, does what it says, and alone writes messages.
//!
//! The reader of messages, the pool's helper thread, the main thread and the threads of parts all
//! send to one channel, which the coordinator's thread empties: so messages are never interleaved
//! and an item's diagnostics always precede its end. The channel is unbounded: a bounded one would
//! let a slow reader of our output stop parts that hold tokens.
//!
//! Every part has a thread to itself while it runs, from `threads`, but for those that only the
//! main thread may run.

use super::by_hand::{Lease, Ledger, guess};
use super::events::{Action, Event, Mode, Part};
use super::job::{Execute, Finished, Pieces, now_us};
use super::leases::Held;
use super::machine::Machine;
use super::outline::{Outline, PlanError};
use super::part::{PartResult, RunningPart, Said, Spent, thread_name};
use super::serve::{Ended, MainThread, Outbox, ServeError};
use super::threads::{Idle, Threads};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use tender_jobclient::{Client, ImplicitSlot, Pool, Token};
use tender_protocol::{FromWorker, ItemId, ItemReport, Outcome, Plan, PlanId, ToWorker};

/// Everything that the coordinator's thread waits for.
pub(super) enum Message {
    FromPeer(ToWorker),
    /// What came was no message, or could not be read.
    BadInput(ServeError),
    EndOfInput,
    Token(io::Result<Token>),
    /// The process is to end by this signal.
    Interrupted(i32),
    /// To be passed on as they are.
    FromItem(Vec<FromWorker>),
    /// A beginning that runs needs no more than this from now on.
    Shrunk {
        plan: PlanId,
        item: ItemId,
        bytes: u64,
    },
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

/// How much may happen at a stretch before the orchestrator and the pool are told what follows.
const MOST_NEWS: u32 = 64;

pub(super) struct Shell<'a> {
    machine: Machine,
    /// Events that the machine has not yet had a quiet moment after.
    news: u32,
    /// Grants leases where there is no orchestrator.
    by_hand: Option<Ledger>,
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

pub(super) struct LivePlan {
    pub plan: Plan,
    positions: HashMap<ItemId, usize>,
    pub cancelled: AtomicBool,
}

/// An item that began and is not reported.
struct Begun {
    at_us: u64,
    spent: SpentByItem,
    pieces: Option<Arc<dyn Pieces>>,
}

impl<'a> Shell<'a> {
    /// `by_hand` grants leases where there is no orchestrator.
    pub fn start(
        by_hand: Option<Ledger>,
        inbox: Sender<Message>,
        pool: Pool,
        exec: Arc<dyn Execute>,
        main_thread: MainThread,
        outbox: &'a mut dyn Outbox,
    ) -> Result<Shell<'a>, ServeError> {
        let to_inbox = inbox.clone();
        // Where the coordinator is gone, the token comes back with the error and is given back as
        // it is dropped.
        let deliver = move |token| drop(to_inbox.send(Message::Token(token)));
        let (pool, starting_slot) = pool.start(deliver).map_err(ServeError::Thread)?;
        Ok(Shell {
            machine: Machine::new(if by_hand.is_some() { Mode::ByHand } else { Mode::Served }),
            news: 0,
            by_hand,
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
            let waiting = if self.news < MOST_NEWS { messages.try_recv().ok() } else { None };
            let message = match waiting {
                Some(message) => message,
                None if self.settle()? == Flow::Exit => break,
                None => match self.wait(messages)? {
                    Some(message) => message,
                    None => break,
                },
            };
            match message {
                Message::FromPeer(message) => self.obey(message)?,
                Message::BadInput(error) => return Err(error),
                Message::EndOfInput => break,
                Message::Token(Ok(token)) => {
                    self.tokens.push(token);
                    self.feed(Event::Token)?
                }
                // The rest of the work goes on, on the starting slot and the tokens at hand.
                Message::Token(Err(why)) => {
                    self.outbox.pool_lost(why)?;
                    self.feed(Event::PoolLost)?
                }
                Message::Interrupted(signal) => return Err(ServeError::Interrupted(signal)),
                Message::FromItem(said) => self.pass_on(said)?,
                Message::Shrunk { plan, item, bytes } => {
                    self.feed(Event::Shrunk { plan, item, bytes })?
                }
                Message::PartEnded { plan, item, said, spent, result, thread } => {
                    thread.into_iter().for_each(|thread| self.threads.returned(thread));
                    self.pass_on(said)?;
                    self.part_ended(plan, item, spent, result)?
                }
            }
        }
        self.outbox.flush()?;
        Ok(Ended::EndOfInput)
    }

    /// What is said goes out when there is a moment. While other parts wait for slots alone, nobody
    /// waits for the news that one has ended: then it may wait for others, because each time that
    /// the orchestrator is woken takes as long as a tenth of a tiny unit.
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

    pub fn take_plan(&mut self, plan: Plan) -> Result<(), ServeError> {
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

    fn obey(&mut self, message: ToWorker) -> Result<(), ServeError> {
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
                Ok(())
            }
            ToWorker::Lease { plan, item, bytes } => self.feed(Event::Lease { plan, item, bytes }),
            // A second one says nothing new.
            ToWorker::Hello { .. } => Ok(()),
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
    ) -> Result<(), ServeError> {
        let begun = self.begun.get_mut(&(plan, item)).expect("its parts are of an item that began");
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

    /// Takes in something that happened, and what a ledger of ours grants after it.
    fn feed(&mut self, event: Event) -> Result<(), ServeError> {
        self.news += 1;
        self.handle(event)?;
        self.grant_by_hand()
    }

    /// Says and gives back what follows from all that happened.
    fn settle(&mut self) -> Result<Flow, ServeError> {
        while self.news > 0 {
            self.news = 0;
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
            self.news += 1;
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
                        pieces.expect("only what is in pieces is abandoned").abandon(outcome);
                    self.report(plan, item, Finished { outcome, ..finished })?;
                }
                Action::AskLease { plan, item, part } => self.ask_for_lease(plan, item, part)?,
                Action::Resize { plan, item, held } => self.resize(plan, item, held)?,
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

    fn ask_for_lease(&mut self, plan: PlanId, item: ItemId, part: Part) -> Result<(), ServeError> {
        let live = &self.plans[&plan];
        let what = &live.plan.items[live.positions[&item]];
        let bytes = match part {
            Part::Begin | Part::Translate => what.memory.begin,
            Part::Piece(_) => what.memory.piece,
            Part::Join => what.memory.join,
        };
        let Some(ledger) = &mut self.by_hand else {
            return self.outbox.send(FromWorker::LeaseWanted { plan, item, bytes });
        };
        let pieces = self.begun.get(&(plan, item)).and_then(|begun| begun.pieces.as_deref());
        let bytes = if bytes == 0 { guess(what, pieces) } else { bytes };
        ledger.ask(Lease { plan, item, bytes });
        Ok(())
    }

    fn resize(&mut self, plan: PlanId, item: ItemId, held: Held) -> Result<(), ServeError> {
        let pieces = self.begun.get(&(plan, item)).and_then(|begun| begun.pieces.as_ref());
        let bytes = held.bytes.saturating_add(pieces.map_or(0, |pieces| pieces.held_bytes()));
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
            None => (0, SpentByItem::default()),
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
            self.begun
                .insert((plan, item), Begun { at_us, spent: SpentByItem::default(), pieces: None });
        }
        let pieces = self.begun.get(&(plan, item)).and_then(|begun| begun.pieces.clone());
        let exec = Arc::clone(&self.exec);
        let inbox = self.inbox.clone();
        let name = thread_name(&live.plan.items[position].unit, part);
        let run = move |thread| {
            let said = Said::new(&inbox);
            let running =
                RunningPart { live: &live, position, slot, exec: exec.as_ref(), said: &said };
            let (spent, result) = running.run(part, pieces.as_deref());
            let said = said.into_rest();
            // A join's result owns nothing of the pieces; the last thread frees them, not the
            // coordinator's.
            drop(pieces);
            // The coordinator is gone only when the process is about to exit.
            drop(inbox.send(Message::PartEnded { plan, item, said, spent, result, thread }));
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
    /// Parts that still run go on until the process exits, so the tokens they run on must not be
    /// given to others before that. The orchestrator puts them back into the pool when the process
    /// is gone. Without one nobody does; then the process exits at once.
    fn drop(&mut self) {
        if self.by_hand.is_none() && self.machine.running() > 0 {
            self.tokens.drain(..).for_each(std::mem::forget);
        }
    }
}

#[cfg(test)]
mod tests;
