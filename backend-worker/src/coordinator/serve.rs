//! The threads of a worker that live as long as it does, and what each is for.
//!
//! The *main thread* called [`serve`] or [`run_plan`]; it translates where units are to be
//! translated one after the other, and does nothing else. The *coordinator* is `shell`. The
//! *reader* turns lines into messages. The pool's helper thread is the job client's.

use super::by_hand::Ledger;
use super::job::Execute;
use super::outline::PlanError;
use super::part::panic_words;
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

/// LLVM and clang recurse deeply; this is what the main thread of a process usually has.
pub(super) const STACK_BYTES: usize = 8 << 20;

/// How long a message waits for others that nobody waits for. Less than anybody sees.
const PATIENCE: Duration = Duration::from_millis(5);

/// What a pipe holds; a message beyond it would wait for the orchestrator in any case.
const PIPE_BYTES: usize = 64 << 10;

/// Why [`serve`] ended without an error. Items may still run: the process should exit at once,
/// which drops their work, and nothing of it is under a final name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The orchestrator closed the channel.
    EndOfInput,
    /// The orchestrator no longer reads.
    BrokenPipe,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the first message from the orchestrator is not `hello`")]
    NoHello,
    #[error(
        "the orchestrator speaks protocol {protocol} with LLVM {llvm}, this worker protocol {PROTOCOL} with LLVM \
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

/// Runs the plans that an orchestrator sends, until it closes the channel. Says `hello` first and
/// expects it first.
///
/// Blocks the calling thread, which becomes the main thread of the worker. `ended` is told the end
/// on another thread at once; this function returns when the main thread, too, has nothing more to
/// do.
pub fn serve(
    input: impl BufRead + Send + 'static,
    output: impl Write + Send,
    pool: Pool,
    exec: Arc<dyn Execute>,
    hello: FromWorker,
    ended: impl FnOnce(&Result<Ended, ServeError>) + Send,
) -> Result<Ended, ServeError> {
    with_main_thread(move |main_thread| {
        let (inbox, messages) = mpsc::channel();
        let mut outbox = ToPeer::new(output);
        let greeted = outbox.send(hello).and_then(|()| outbox.flush());
        let result = greeted.and_then(|()| {
            let to_inbox = inbox.clone();
            spawn("reader", move || read_messages(input, &to_inbox))?;
            match messages.recv() {
                Ok(Message::FromPeer(ToWorker::Hello { protocol, llvm })) => {
                    check_peer(protocol, llvm)?
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
        // After an error there may still be messages to let go of, and `ended` may end the process.
        let _ = outbox.flush();
        ended(&result);
        result
    })
}

/// What is told while a plan runs without an orchestrator.
#[derive(Debug)]
pub enum Told {
    Message(FromWorker),
    /// The parent's pool is gone; what is left runs on the slots at hand.
    PoolLost(io::Error),
}

/// Runs one plan without an orchestrator and returns whether every item of it succeeded. What runs
/// at once is to need no more than `memory` bytes, as far as that can be told before it runs; but
/// one job runs in any case.
///
/// The first of `interruptions`, numbers of signals, ends it with [`ServeError::Interrupted`]. With
/// this as with any other error, and so with a panic of the coordinator, what was started is
/// abandoned and the tokens are with the pool again when `ended` is told of it, at once, on the
/// coordinator's thread: others may be in the middle of a long translation, so the process should
/// exit.
///
/// Blocks the calling thread, which becomes the main thread of the worker; `tell` is called on the
/// coordinator's.
pub fn run_plan(
    plan: Plan,
    pool: Pool,
    memory: Option<u64>,
    exec: Arc<dyn Execute>,
    interruptions: impl Iterator<Item = i32> + Send + 'static,
    tell: impl FnMut(Told) + Send,
    ended: impl FnOnce(&Result<bool, ServeError>) + Send,
) -> Result<bool, ServeError> {
    with_main_thread(move |main_thread| {
        let (inbox, messages) = mpsc::channel();
        let to_inbox = inbox.clone();
        spawn("signals", move || {
            for signal in interruptions {
                // Where nobody listens, the process is about to end anyway.
                drop(to_inbox.send(Message::Interrupted(signal)));
            }
        })?;
        let mut outbox = ToCaller { tell, all_ok: true };
        let ledger = Some(Ledger::new(memory));
        let mut shell =
            Shell::start(ledger, inbox, pool, Arc::clone(&exec), main_thread, &mut outbox)?;
        let ran = catch_unwind(AssertUnwindSafe(|| {
            shell.take_plan(plan)?;
            shell.run(&messages)
        }));
        let ran = ran.unwrap_or_else(|panic| Err(ServeError::Panic(panic_words(panic.as_ref()))));
        if ran.is_err() {
            // First, since what still runs has a token.
            exec.abandon();
        }
        drop(shell);
        // There may be tokens among them.
        drop(messages);
        let result = ran.map(|_| outbox.all_ok);
        ended(&result);
        result
    })
}

/// Where the coordinator's messages go.
pub(super) trait Outbox {
    fn send(&mut self, message: FromWorker) -> Result<(), ServeError>;
    /// Lets go of all that was sent.
    fn flush(&mut self) -> Result<(), ServeError>;
    /// For how long what was sent may be kept; `None` if somebody waits for it, or it goes out at
    /// once anyway.
    fn may_wait(&self) -> Option<Duration>;
    /// The pool is gone.
    fn pool_lost(&mut self, why: io::Error) -> Result<(), ServeError>;
}

struct ToPeer<W: Write> {
    pipe: BufWriter<W>,
    /// When the first message was sent that is not let go of.
    since: Option<Instant>,
    urgent: bool,
}

impl<W: Write> ToPeer<W> {
    fn new(output: W) -> ToPeer<W> {
        ToPeer { pipe: BufWriter::with_capacity(PIPE_BYTES, output), since: None, urgent: false }
    }
}

impl<W: Write> Outbox for ToPeer<W> {
    fn send(&mut self, message: FromWorker) -> Result<(), ServeError> {
        self.urgent |= is_urgent(&message);
        self.since.get_or_insert_with(Instant::now);
        self.pipe.write_all(&encode(&message)).map_err(ServeError::Write)
    }

    fn flush(&mut self) -> Result<(), ServeError> {
        (self.since, self.urgent) = (None, false);
        self.pipe.flush().map_err(ServeError::Write)
    }

    fn may_wait(&self) -> Option<Duration> {
        let since = self.since.filter(|_| !self.urgent)?;
        PATIENCE.checked_sub(since.elapsed())
    }

    /// It is the orchestrator's own.
    fn pool_lost(&mut self, _: io::Error) -> Result<(), ServeError> {
        Ok(())
    }
}

/// People read diagnostics, and the orchestrator acts on the others. What is left is what a unit
/// says that went well: it is only counted and recorded. While there is work with a lease, memory
/// that it gives back may wait as well.
fn is_urgent(message: &FromWorker) -> bool {
    match message {
        FromWorker::ItemFinished(report) => report.outcome != Outcome::Ok,
        FromWorker::ItemStarted { .. }
        | FromWorker::Phase(_)
        | FromWorker::LiveModules { .. }
        | FromWorker::LeaseResized { .. }
        | FromWorker::Artifact { .. } => false,
        _ => true,
    }
}

struct ToCaller<F> {
    tell: F,
    all_ok: bool,
}

impl<F: FnMut(Told)> Outbox for ToCaller<F> {
    fn send(&mut self, message: FromWorker) -> Result<(), ServeError> {
        if let FromWorker::Done { ok, .. } = message {
            self.all_ok = ok;
        }
        (self.tell)(Told::Message(message));
        Ok(())
    }

    fn pool_lost(&mut self, why: io::Error) -> Result<(), ServeError> {
        (self.tell)(Told::PoolLost(why));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ServeError> {
        Ok(())
    }

    fn may_wait(&self) -> Option<Duration> {
        None
    }
}

/// Hands work to the main thread, which does it in order.
pub(super) struct MainThread(Sender<Box<dyn FnOnce() + Send>>);

impl MainThread {
    pub fn run(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), ServeError> {
        // It listens for as long as there is a sender.
        self.0.send(work).map_err(|_| ServeError::Panic("the main thread is gone".to_owned()))
    }
}

/// Runs `coordinate` on a thread of its own, while the calling thread does what it is handed.
fn with_main_thread<T: Send>(
    coordinate: impl FnOnce(MainThread) -> Result<T, ServeError> + Send,
) -> Result<T, ServeError> {
    let (to_main, work) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    thread::scope(|scope| {
        let coordinator = thread::Builder::new()
            .name("coordinator".to_owned())
            .spawn_scoped(scope, || coordinate(MainThread(to_main)))
            .map_err(ServeError::Thread)?;
        for work in work {
            work();
        }
        let panicked =
            |panic: Box<dyn std::any::Any + Send>| ServeError::Panic(panic_words(panic.as_ref()));
        coordinator.join().map_err(panicked)?
    })
}

fn check_peer(protocol: u32, llvm: String) -> Result<(), ServeError> {
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
                Ok(message) => Message::FromPeer(message),
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

    const PLAN: PlanId = PlanId(0);
    const ITEM: ItemId = ItemId(0);

    fn finished(outcome: Outcome) -> FromWorker {
        let (at_us, wall_us, busy_us, peak_bytes, piece_peak_bytes) = (0, 0, 0, 0, 0);
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
    fn only_what_is_counted_and_recorded_may_wait() {
        let check = |message: FromWorker, may_wait: bool| {
            let mut outbox = ToPeer::new(Vec::new());
            assert_eq!(outbox.may_wait(), None, "there is nothing");
            outbox.send(FromWorker::LiveModules { n: 1, at_us: 0 }).unwrap();
            outbox.send(message.clone()).unwrap();
            assert_eq!(outbox.may_wait().is_some(), may_wait, "{message:?}");
            outbox.flush().unwrap();
            assert_eq!(outbox.may_wait(), None);
        };
        check(FromWorker::ItemStarted { plan: PLAN, item: ITEM, slot: 0, at_us: 0 }, true);
        check(finished(Outcome::Ok), true);
        check(finished(Outcome::Failed), false);
        check(
            FromWorker::LeaseResized { plan: PLAN, item: ITEM, bytes: 1, grants: 1, parts: 1 },
            true,
        );
        check(FromWorker::LeaseWanted { plan: PLAN, item: ITEM, bytes: 1 }, false);
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
    fn nothing_waits_for_long() {
        let mut outbox = ToPeer::new(Vec::new());
        outbox.send(finished(Outcome::Ok)).unwrap();
        outbox.since = outbox.since.and_then(|since| since.checked_sub(PATIENCE * 2));
        assert_eq!(outbox.may_wait(), None);
    }
}
