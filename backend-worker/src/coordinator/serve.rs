//! The threads that live as long as the worker.
//!
//! The *main thread* called [`serve`] or [`run_plan`]. It translates units if the plan is
//! translated serially, and does nothing else. The *coordinator* runs `shell`. The *reader* decodes
//! lines to messages. The pool's helper thread belongs to the job client.

use super::by_hand::ByHandLedger;
use super::job::Execute;
use super::outline::PlanError;
use super::part::panic_message;
use super::shell::{Message, Shell};
use std::io::{self, BufRead, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};
use tender_jobclient::Pool;
use tender_protocol::{
    FromWorker, LLVM_MAJOR, Outcome, PROTOCOL, Plan, ToWorker, WireError, decode, encode,
};
use tender_units::Bytes;

/// LLVM and clang recurse deeply. This is the usual stack size of a process's main thread.
pub(super) const STACK_BYTES: usize = 8 << 20;

/// How long messages that are not urgent may wait to be sent together. Users do not notice it.
const MOST_DELAY: Duration = Duration::from_millis(5);

/// The capacity of a pipe. Messages beyond it wait for the orchestrator to read in any case.
const PIPE_BYTES: usize = 64 << 10;

/// Why [`serve`] ended without an error. Items may still run. The process should exit at once:
/// their results are lost, but no half-written file has a final name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The orchestrator closed the channel.
    EndOfInput,
    /// The orchestrator does not read any more.
    BrokenPipe,
}

/// Why a worker or a plan ended early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the first message from the orchestrator is not `hello`")]
    NoHello,
    #[error(
        "the orchestrator has version {protocol} of the worker protocol and LLVM {llvm}, this worker version {PROTOCOL} and LLVM \
         {LLVM_MAJOR}; install both programs from one build"
    )]
    OtherVersion { protocol: u32, llvm: String },
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("cannot read from the orchestrator: {0}")]
    Read(#[source] io::Error),
    #[error("cannot write to the orchestrator: {0}")]
    Write(#[source] io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    #[error("internal error in the coordinator: {0}")]
    Panic(String),
    #[error("interrupted by signal {0}")]
    Interrupted(i32),
}

/// Runs the plans that an orchestrator sends, until it closes the channel. The first message in
/// each direction is `hello`.
///
/// Blocks the calling thread, which becomes the main thread of the worker. At the end, `ended` is
/// called at once on the coordinator's thread. This function returns later, when the main thread
/// has no more work.
///
/// # Errors
/// The orchestrator has another version or sends a bad message, the channel or a thread fails, or
/// the coordinator panics.
pub fn serve(
    input: impl BufRead + Send + 'static,
    output: impl Write + Send,
    pool: Pool,
    exec: Arc<dyn Execute>,
    hello: FromWorker,
    ended: impl FnOnce(&Result<Ended, ServeError>) + Send,
) -> Result<Ended, ServeError> {
    run_coordinator(move |main_thread| {
        let (inbox, messages) = mpsc::channel();
        let mut outbox = ChannelOutbox::new(output);
        let greeted = outbox.send(hello).and_then(|()| outbox.flush());
        let result = greeted.and_then(|()| {
            let to_inbox = inbox.clone();
            spawn("reader", move || read_messages(input, &to_inbox))?;
            match messages.recv() {
                Ok(Message::FromOrchestrator(ToWorker::Hello { protocol, llvm })) => {
                    check_version(protocol, llvm)?
                }
                Ok(Message::EndOfInput) => return Ok(Ended::EndOfInput),
                Ok(Message::BadInput(error)) => return Err(error),
                _ => return Err(ServeError::NoHello),
            }
            Shell::start(None, inbox, pool, exec, main_thread, &mut outbox)?.run(&messages)
        });
        let result = match result {
            Err(ServeError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(Ended::BrokenPipe)
            }
            result => result,
        };
        // After an error there may be unsent messages, and `ended` may end the process.
        let _ = outbox.flush();
        ended(&result);
        result
    })
}

/// What `run_plan` reports while a plan runs.
#[derive(Debug)]
pub enum Notice {
    Message(FromWorker),
    /// The parent's pool is lost. The rest of the plan runs on the slots that this process has.
    PoolLost(io::Error),
}

/// Runs one plan without an orchestrator. Returns whether all its items succeeded. Parts that run
/// at the same time are estimated to need at most `memory` bytes together, but one part always
/// runs.
///
/// The first signal number from `interruptions` ends it with [`ServeError::Interrupted`]. After
/// this and any other error, a panic of the coordinator included, child processes are killed and
/// all tokens are released before `ended` is called on the coordinator's thread. The process should
/// exit then: other threads may be in the middle of a long translation.
///
/// Blocks the calling thread, which becomes the main thread of the worker. `notify` is called on
/// the coordinator's thread.
///
/// # Errors
/// The plan is inconsistent, a signal ended it, a thread fails, or the coordinator panics.
pub fn run_plan(
    plan: Plan,
    pool: Pool,
    memory: Option<Bytes>,
    exec: Arc<dyn Execute>,
    interruptions: impl Iterator<Item = i32> + Send + 'static,
    notify: impl FnMut(Notice) + Send,
    ended: impl FnOnce(&Result<bool, ServeError>) + Send,
) -> Result<bool, ServeError> {
    run_coordinator(move |main_thread| {
        let (inbox, messages) = mpsc::channel();
        let to_inbox = inbox.clone();
        spawn("signals", move || {
            for signal in interruptions {
                // An error means that the process is about to end.
                drop(to_inbox.send(Message::Interrupted(signal)));
            }
        })?;
        let mut outbox = CallerOutbox { notify, all_ok: true };
        let ledger = Some(ByHandLedger::new(memory));
        let mut shell =
            Shell::start(ledger, inbox, pool, Arc::clone(&exec), main_thread, &mut outbox)?;
        let ran = catch_unwind(AssertUnwindSafe(|| {
            shell.add_plan(plan)?;
            shell.run(&messages)
        }));
        let ran = ran.unwrap_or_else(|panic| Err(ServeError::Panic(panic_message(panic.as_ref()))));
        if ran.is_err() {
            // Before tokens are released, since what still runs holds one.
            exec.abandon();
        }
        drop(shell);
        // Messages may hold tokens.
        drop(messages);
        let result = ran.map(|_| outbox.all_ok);
        ended(&result);
        result
    })
}

/// Receives the coordinator's messages.
pub(super) trait Outbox {
    fn send(&mut self, message: FromWorker) -> Result<(), ServeError>;
    /// Writes all messages that were passed to `send`.
    fn flush(&mut self) -> Result<(), ServeError>;
    /// How long unwritten messages may wait; `None` if one is urgent, or there is none.
    fn may_delay(&self) -> Option<Duration>;
    /// Reports that the pool is lost.
    fn pool_lost(&mut self, why: io::Error) -> Result<(), ServeError>;
}

struct ChannelOutbox<W: Write> {
    pipe: BufWriter<W>,
    /// When the first unwritten message was sent.
    since: Option<Instant>,
    urgent: bool,
}

impl<W: Write> ChannelOutbox<W> {
    fn new(output: W) -> ChannelOutbox<W> {
        ChannelOutbox {
            pipe: BufWriter::with_capacity(PIPE_BYTES, output),
            since: None,
            urgent: false,
        }
    }
}

impl<W: Write> Outbox for ChannelOutbox<W> {
    fn send(&mut self, message: FromWorker) -> Result<(), ServeError> {
        self.urgent |= is_urgent(&message);
        self.since.get_or_insert_with(Instant::now);
        self.pipe.write_all(&encode(&message)).map_err(ServeError::Write)
    }

    fn flush(&mut self) -> Result<(), ServeError> {
        (self.since, self.urgent) = (None, false);
        self.pipe.flush().map_err(ServeError::Write)
    }

    fn may_delay(&self) -> Option<Duration> {
        let since = self.since.filter(|_| !self.urgent)?;
        MOST_DELAY.checked_sub(since.elapsed())
    }

    /// The orchestrator owns the pool and notices this itself.
    fn pool_lost(&mut self, _: io::Error) -> Result<(), ServeError> {
        Ok(())
    }
}

/// Whether a message must be written at once. Users wait for diagnostics, and the orchestrator
/// reacts to most other messages. The messages of an item that succeeds are only counted and
/// recorded. While the worker has parts with a lease to run, released memory may be reported later
/// as well.
fn is_urgent(message: &FromWorker) -> bool {
    match message {
        FromWorker::ItemFinished(report) => report.outcome != Outcome::Ok,
        FromWorker::ItemStarted { .. }
        | FromWorker::Phase(_)
        | FromWorker::LiveModules { .. }
        | FromWorker::LeaseResized { .. } => false,
        _ => true,
    }
}

struct CallerOutbox<F> {
    notify: F,
    all_ok: bool,
}

impl<F: FnMut(Notice)> Outbox for CallerOutbox<F> {
    fn send(&mut self, message: FromWorker) -> Result<(), ServeError> {
        if let FromWorker::Done { ok, .. } = message {
            self.all_ok = ok;
        }
        (self.notify)(Notice::Message(message));
        Ok(())
    }

    fn pool_lost(&mut self, why: io::Error) -> Result<(), ServeError> {
        (self.notify)(Notice::PoolLost(why));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ServeError> {
        Ok(())
    }

    fn may_delay(&self) -> Option<Duration> {
        None
    }
}

/// Passes work to the main thread, which runs it in order.
pub(super) struct MainThreadQueue(Sender<Box<dyn FnOnce() + Send>>);

impl MainThreadQueue {
    /// # Errors
    /// The main thread has ended, which is an internal error.
    pub fn run(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), ServeError> {
        // The main thread receives as long as a sender exists.
        self.0.send(work).map_err(|_| ServeError::Panic("the main thread is gone".to_owned()))
    }
}

/// Runs `coordinate` on its own thread, while the calling thread runs the work that is passed to
/// it.
fn run_coordinator<T: Send>(
    coordinate: impl FnOnce(MainThreadQueue) -> Result<T, ServeError> + Send,
) -> Result<T, ServeError> {
    let (to_main, work) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    thread::scope(|scope| {
        let coordinator = thread::Builder::new()
            .name("coordinator".to_owned())
            .spawn_scoped(scope, || coordinate(MainThreadQueue(to_main)))
            .map_err(ServeError::Thread)?;
        for work in work {
            work();
        }
        let panicked =
            |panic: Box<dyn std::any::Any + Send>| ServeError::Panic(panic_message(panic.as_ref()));
        coordinator.join().map_err(panicked)?
    })
}

fn check_version(protocol: u32, llvm: String) -> Result<(), ServeError> {
    let major = llvm.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if protocol == PROTOCOL && major == Some(LLVM_MAJOR) {
        Ok(())
    } else {
        Err(ServeError::OtherVersion { protocol, llvm })
    }
}

fn read_messages(mut input: impl BufRead, inbox: &Sender<Message>) {
    let mut line = String::new();
    loop {
        line.clear();
        let message = match input.read_line(&mut line) {
            Ok(0) => Message::EndOfInput,
            Ok(_) if line.trim().is_empty() => continue,
            Ok(_) => match decode(&line) {
                Ok(message) => Message::FromOrchestrator(message),
                Err(error) => Message::BadInput(error.into()),
            },
            Err(error) => Message::BadInput(ServeError::Read(error)),
        };
        let last = matches!(message, Message::EndOfInput | Message::BadInput(_));
        if inbox.send(message).is_err() || last {
            return;
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), ServeError> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    thread.spawn(body).map(drop).map_err(ServeError::Thread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tender_protocol::{Diagnostic, ItemId, ItemReport, Level, PlanId};
    use tender_units::Micros;

    const PLAN: PlanId = PlanId(0);
    const ITEM: ItemId = ItemId(0);

    fn finished(outcome: Outcome) -> FromWorker {
        let (at_us, wall_us, busy_us) = (Micros(0), Micros(0), Micros(0));
        let (peak_bytes, piece_peak_bytes) = (Bytes(0), Bytes(0));
        let (inputs, missing, outputs) = (Vec::new(), Vec::new(), Vec::new());
        let (dated, variables) = (Vec::new(), Vec::new());
        let report = ItemReport {
            plan: PLAN,
            item: ITEM,
            outcome,
            at_us,
            wall_us,
            busy_us,
            peak_bytes,
            piece_peak_bytes,
            inputs,
            missing,
            dated,
            precompiled: Vec::new(),
            variables,
            programs: Vec::new(),
            outputs,
        };
        FromWorker::ItemFinished(Box::new(report))
    }

    #[test]
    fn outbox_delays_only_messages_that_are_not_urgent() {
        let check = |message: FromWorker, may_delay: bool| {
            let mut outbox = ChannelOutbox::new(Vec::new());
            assert_eq!(outbox.may_delay(), None, "there is no message");
            outbox.send(FromWorker::LiveModules { n: 1, at_us: Micros(0) }).unwrap();
            outbox.send(message.clone()).unwrap();
            assert_eq!(outbox.may_delay().is_some(), may_delay, "{message:?}");
            outbox.flush().unwrap();
            assert_eq!(outbox.may_delay(), None);
        };
        check(FromWorker::ItemStarted { plan: PLAN, item: ITEM, slot: 0, at_us: Micros(0) }, true);
        check(finished(Outcome::Ok), true);
        check(finished(Outcome::Failed), false);
        check(
            FromWorker::LeaseResized {
                plan: PLAN,
                item: ITEM,
                bytes: Bytes(1),
                grants: 1,
                parts: 1,
            },
            true,
        );
        check(FromWorker::LeaseWanted { plan: PLAN, item: ITEM, bytes: Bytes(1) }, false);
        check(FromWorker::Want { tokens: 1 }, false);
        check(FromWorker::SlotParked, false);
        let diagnostic = Diagnostic {
            level: Level::Note,
            message: String::new(),
            file: None,
            line: 0,
            column: 0,
            rendered: String::new(),
        };
        check(FromWorker::Diagnostic { plan: PLAN, item: ITEM, diagnostic }, false);
    }

    #[test]
    fn outbox_delays_no_message_for_long() {
        let mut outbox = ChannelOutbox::new(Vec::new());
        outbox.send(finished(Outcome::Ok)).unwrap();
        outbox.since = outbox.since.and_then(|since| since.checked_sub(MOST_DELAY * 2));
        assert_eq!(outbox.may_delay(), None);
    }
}
