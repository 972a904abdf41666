//! The threads around the state machine: a reader of messages, the pool's helper thread, and one thread per running item.
//!
//! They all send to one channel, which the coordinator's thread empties: it alone feeds the machine, and it alone writes
//! messages, so these are never interleaved and an item's diagnostics always precede its end. The channel is unbounded: a
//! bounded one would let a slow reader of our output stop items that hold tokens.
//!
//! Every item gets a thread of its own. Starting one costs some tens of microseconds, against milliseconds for the
//! smallest item, and leaves nothing of the item before in thread-local state of clang or LLVM.

use super::job::{Execute, Finished, Job, now_us};
use super::machine::{Action, Event, Machine, Mode};
use super::outline::{Outline, PlanError};
use std::any::Any;
use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use tender_jobclient::{Client, ImplicitSlot, Pool, Token};
use tender_protocol::{
    Diagnostic, FromWorker, ItemId, ItemReport, LLVM_MAJOR, Level, Outcome, PROTOCOL, Plan, PlanId, ToWorker,
    WireError, decode, encode,
};

/// LLVM and clang recurse deeply; this is what the main thread of a process usually has.
const STACK_BYTES: usize = 8 << 20;

/// Why [`serve`] ended without an error. Items may still run: the process should exit at once, which drops their work, and
/// nothing of it is under a final name.
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
}

/// Runs the plans that an orchestrator sends, until it closes the channel. Says `hello` first and expects it first.
///
/// Blocks the calling thread, which becomes the coordinator.
pub fn serve(
    input: impl BufRead + Send + 'static,
    mut output: impl Write,
    pool: Pool,
    exec: Arc<dyn Execute>,
    hello: FromWorker,
) -> Result<Ended, ServeError> {
    let (inbox, messages) = mpsc::channel();
    let mut send = |message: FromWorker| {
        output.write_all(&encode(&message)).and_then(|()| output.flush()).map_err(ServeError::Write)
    };
    let ended = send(hello).and_then(|()| {
        let to_inbox = inbox.clone();
        spawn("reader", move || read_messages(input, &to_inbox))?;
        match messages.recv() {
            Ok(Message::FromPeer(ToWorker::Hello { protocol, llvm })) => check_peer(protocol, llvm)?,
            Ok(Message::EndOfInput) => return Ok(Ended::EndOfInput),
            Ok(Message::BadInput(error)) => return Err(error),
            _ => return Err(ServeError::NoHello),
        }
        Shell::start(Mode::Served, inbox, pool, exec, &mut send)?.run(&messages)
    });
    match ended {
        Err(ServeError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Ended::BrokenPipe),
        ended => ended,
    }
}

/// Runs one plan without an orchestrator and returns whether every item of it succeeded.
///
/// `on_message` is called on the calling thread, which becomes the coordinator.
pub fn run_plan(
    plan: Plan,
    pool: Pool,
    exec: Arc<dyn Execute>,
    mut on_message: impl FnMut(FromWorker),
) -> Result<bool, ServeError> {
    let (inbox, messages) = mpsc::channel();
    let mut all_ok = true;
    let mut send = |message: FromWorker| {
        if let FromWorker::Done { ok, .. } = message {
            all_ok = ok;
        }
        on_message(message);
        Ok(())
    };
    let mut shell = Shell::start(Mode::ByHand, inbox, pool, exec, &mut send)?;
    if shell.take_plan(plan)? == Flow::Continue {
        shell.run(&messages)?;
    }
    drop(shell);
    Ok(all_ok)
}

/// Everything that the coordinator's thread waits for.
enum Message {
    FromPeer(ToWorker),
    /// What came was no message, or could not be read.
    BadInput(ServeError),
    EndOfInput,
    Token(io::Result<Token>),
    /// To be passed on as it is.
    FromItem(FromWorker),
    ItemEnded(Box<ItemReport>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    Exit,
}

struct Shell<'a> {
    machine: Machine,
    plans: HashMap<PlanId, Arc<LivePlan>>,
    inbox: Sender<Message>,
    exec: Arc<dyn Execute>,
    send: &'a mut dyn FnMut(FromWorker) -> Result<(), ServeError>,
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

impl<'a> Shell<'a> {
    fn start(
        mode: Mode,
        inbox: Sender<Message>,
        pool: Pool,
        exec: Arc<dyn Execute>,
        send: &'a mut dyn FnMut(FromWorker) -> Result<(), ServeError>,
    ) -> Result<Shell<'a>, ServeError> {
        let to_inbox = inbox.clone();
        // Where the coordinator is gone, the token comes back with the error and is given back as it is dropped.
        let deliver = move |token| drop(to_inbox.send(Message::Token(token)));
        let (pool, starting_slot) = pool.start(deliver).map_err(ServeError::Thread)?;
        Ok(Shell {
            machine: Machine::new(mode),
            plans: HashMap::new(),
            inbox,
            exec,
            send,
            pool,
            _starting_slot: starting_slot,
            tokens: Vec::new(),
        })
    }

    fn run(&mut self, messages: &Receiver<Message>) -> Result<Ended, ServeError> {
        for message in messages {
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
                Message::FromItem(message) => {
                    (self.send)(message)?;
                    Flow::Continue
                }
                Message::ItemEnded(report) => {
                    let (plan, item, outcome) = (report.plan, report.item, report.outcome);
                    (self.send)(FromWorker::ItemFinished(report))?;
                    self.feed(Event::Finished { plan, item, outcome })?
                }
            };
            if flow == Flow::Exit {
                break;
            }
        }
        Ok(Ended::EndOfInput)
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

    fn take_plan(&mut self, plan: Plan) -> Result<Flow, ServeError> {
        if self.machine.knows(plan.id) {
            return Err(PlanError::DuplicatePlan { plan: plan.id }.into());
        }
        let outline = Outline::new(&plan)?;
        let positions = plan.items.iter().enumerate().map(|(position, item)| (item.id, position)).collect();
        let live = LivePlan { plan, positions, cancelled: AtomicBool::new(false) };
        self.plans.insert(live.plan.id, Arc::new(live));
        self.feed(Event::Plan(outline))
    }

    fn feed(&mut self, event: Event) -> Result<Flow, ServeError> {
        for action in self.machine.handle(event) {
            match action {
                Action::Start { plan, item, slot } => self.start_item(plan, item, slot)?,
                Action::Skip { plan, item } => {
                    let report = report(plan, item, now_us(), skipped());
                    (self.send)(FromWorker::ItemFinished(Box::new(report)))?;
                }
                Action::SetWish(tokens) => self.pool.wish(tokens),
                Action::ReleaseToken => drop(self.tokens.pop()),
                Action::Send(message) => {
                    if let FromWorker::Done { plan, .. } = message {
                        self.plans.remove(&plan);
                    }
                    (self.send)(message)?;
                }
                Action::Exit => return Ok(Flow::Exit),
            }
        }
        Ok(Flow::Continue)
    }

    fn start_item(&mut self, plan: PlanId, item: ItemId, slot: u32) -> Result<(), ServeError> {
        let live = Arc::clone(&self.plans[&plan]);
        let exec = Arc::clone(&self.exec);
        let inbox = self.inbox.clone();
        let started_us = now_us();
        (self.send)(FromWorker::ItemStarted { plan, item, slot, at_us: started_us })?;
        let position = live.positions[&item];
        let name = thread_name(&live.plan.items[position].unit);
        spawn(&name, move || {
            let finished = run_item(&live, position, slot, exec.as_ref(), &inbox);
            let report = report(plan, item, started_us, finished);
            // The coordinator is gone only when the process is about to exit.
            drop(inbox.send(Message::ItemEnded(Box::new(report))));
        })
    }
}

impl Drop for Shell<'_> {
    /// Items that still run go on until the process exits, so the tokens they run on must not be given to others before
    /// that. The orchestrator puts them back into the pool when the process is gone.
    fn drop(&mut self) {
        if self.machine.running() > 0 {
            self.tokens.drain(..).for_each(std::mem::forget);
        }
    }
}

fn run_item(
    live: &LivePlan,
    position: usize,
    slot: u32,
    exec: &dyn Execute,
    inbox: &Sender<Message>,
) -> Finished {
    let sink = |message| drop(inbox.send(Message::FromItem(message)));
    let item = &live.plan.items[position];
    let job = Job::new(live.plan.id, &live.plan.krate, item, slot, &live.cancelled, &sink);
    // What the item was working on is dropped with its thread, so nothing half-changed is seen again.
    catch_unwind(AssertUnwindSafe(|| exec.run(&job))).unwrap_or_else(|panic| {
        job.diagnostic(internal_error(panic.as_ref()));
        Finished::failed()
    })
}

fn internal_error(panic: &(dyn Any + Send)) -> Diagnostic {
    let words = panic
        .downcast_ref::<&str>()
        .map(|words| (*words).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned());
    let message = format!("internal error in tender-worker: {words}");
    let rendered = format!("error: {message}\n");
    Diagnostic { level: Level::Error, message, file: None, line: 0, column: 0, rendered }
}

fn skipped() -> Finished {
    Finished { outcome: Outcome::Skipped, ..Finished::failed() }
}

fn report(plan: PlanId, item: ItemId, started_us: u64, finished: Finished) -> ItemReport {
    let at_us = now_us();
    let Finished { outcome, inputs, missing, outputs, peak_bytes } = finished;
    let wall_us = at_us.saturating_sub(started_us);
    ItemReport { plan, item, outcome, at_us, wall_us, busy_us: 0, peak_bytes, inputs, missing, outputs }
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

/// The end of the unit's path, as debuggers and `top -H` show it: Linux keeps 15 bytes.
fn thread_name(unit: &str) -> String {
    let file = unit.rsplit('/').next().unwrap_or(unit);
    let mut name = String::new();
    for letter in file.chars().filter(|letter| !letter.is_control()) {
        if name.len() + letter.len_utf8() > 15 {
            break;
        }
        name.push(letter);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::sync::Barrier;
    use tender_protocol::{Item, Work};

    /// Does what the unit's name says.
    struct Fake;

    impl Execute for Fake {
        fn run(&self, job: &Job<'_>) -> Finished {
            job.phase(tender_protocol::PhaseName::Archive, now_us(), 0);
            match job.item.unit.as_str() {
                "fails" => {
                    job.diagnostic(error("it fails"));
                    Finished::failed()
                }
                "panics" => panic!("a hole in the floor"),
                _ => Finished { outcome: Outcome::Ok, ..Finished::failed() },
            }
        }
    }

    /// Every item waits for all others.
    struct Meeting(Barrier);

    impl Execute for Meeting {
        fn run(&self, _: &Job<'_>) -> Finished {
            self.0.wait();
            Finished { outcome: Outcome::Ok, ..Finished::failed() }
        }
    }

    fn error(message: &str) -> Diagnostic {
        let message = message.to_owned();
        Diagnostic { level: Level::Error, rendered: message.clone(), message, file: None, line: 0, column: 0 }
    }

    fn plan(id: u32, items: &[(u32, &str, &[u32])]) -> Plan {
        let item = |(id, unit, after): &(u32, &str, &[u32])| Item {
            id: ItemId(*id),
            unit: (*unit).to_owned(),
            cost: 1,
            after: after.iter().copied().map(ItemId).collect(),
            work: Work::Archive { output: String::new(), members: Vec::new(), lto: None },
        };
        Plan {
            id: PlanId(id),
            krate: "a".into(),
            jobs: None,
            translate: Default::default(),
            items: items.iter().map(item).collect(),
        }
    }

    /// One word per message that tells something about an item or a plan.
    fn words(messages: &[FromWorker]) -> Vec<String> {
        let word = |message: &FromWorker| match message {
            FromWorker::Diagnostic { item, diagnostic, .. } => {
                Some(format!("{}: {}", item.0, diagnostic.message))
            }
            FromWorker::ItemFinished(report) => Some(format!("{} {:?}", report.item.0, report.outcome)),
            FromWorker::Done { plan, ok } => Some(format!("done {} {ok}", plan.0)),
            FromWorker::SlotParked => Some("parked".to_owned()),
            _ => None,
        };
        messages.iter().filter_map(word).collect()
    }

    fn check_plan(items: &[(u32, &str, &[u32])], expect: &[&str]) {
        let mut messages = Vec::new();
        let pool = Pool::private(1).unwrap();
        run_plan(plan(1, items), pool, Arc::new(Fake), |message| messages.push(message)).unwrap();
        assert_eq!(words(&messages), expect);
    }

    #[test]
    fn a_plan_by_hand_runs_in_order() {
        check_plan(&[(0, "x", &[1]), (1, "y", &[])], &["1 Ok", "0 Ok", "done 1 true"]);
        check_plan(&[], &["done 1 true"]);
    }

    #[test]
    fn what_follows_a_failure_is_skipped_and_the_rest_runs() {
        check_plan(
            &[(0, "fails", &[]), (1, "x", &[0]), (2, "y", &[])],
            &["0: it fails", "0 Failed", "1 Skipped", "2 Ok", "done 1 false"],
        );
    }

    #[test]
    fn a_panic_is_a_diagnostic() {
        check_plan(
            &[(0, "panics", &[])],
            &["0: internal error in tender-worker: a hole in the floor", "0 Failed", "done 1 false"],
        );
    }

    #[test]
    fn more_jobs_run_side_by_side() {
        let mut slots = Vec::new();
        let items: Vec<(u32, &str, &[u32])> = (0..4).map(|id| (id, "x", &[] as &[u32])).collect();
        let exec = Arc::new(Meeting(Barrier::new(4)));
        let ok = run_plan(plan(1, &items), Pool::private(4).unwrap(), exec, |message| {
            if let FromWorker::ItemStarted { slot, .. } = message {
                slots.push(slot);
            }
        });
        assert!(ok.unwrap());
        slots.sort_unstable();
        assert_eq!(slots, [0, 1, 2, 3]);
    }

    /// The orchestrator's side of a served worker.
    struct Peer {
        to_worker: UnixStream,
        from_worker: io::Lines<io::BufReader<UnixStream>>,
        worker: thread::JoinHandle<Result<Ended, ServeError>>,
    }

    impl Peer {
        fn start(jobs: u32, exec: impl Execute) -> Peer {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let worker = thread::spawn(move || {
                let input = io::BufReader::new(theirs.try_clone().unwrap());
                let hello =
                    FromWorker::Hello { protocol: PROTOCOL, llvm: "22.1.8".into(), libraries: Vec::new() };
                serve(input, theirs, Pool::private(jobs).unwrap(), Arc::new(exec), hello)
            });
            let from_worker = io::BufReader::new(ours.try_clone().unwrap()).lines();
            let mut peer = Peer { to_worker: ours, from_worker, worker };
            assert!(matches!(peer.next(), Some(FromWorker::Hello { .. })));
            peer
        }

        /// A worker that has been greeted.
        fn greet(jobs: u32, exec: impl Execute) -> Peer {
            let mut peer = Peer::start(jobs, exec);
            peer.say(hello(PROTOCOL, "22"));
            peer
        }

        fn say(&mut self, message: ToWorker) {
            self.to_worker.write_all(&encode(&message)).unwrap();
        }

        fn next(&mut self) -> Option<FromWorker> {
            self.from_worker.next().map(|line| decode(&line.unwrap()).unwrap())
        }

        /// The messages up to the one that `last` knows, which comes for certain.
        fn until(&mut self, last: impl Fn(&FromWorker) -> bool) -> Vec<FromWorker> {
            let mut messages = Vec::new();
            while !messages.last().is_some_and(&last) {
                messages.push(self.next().expect("the worker is there"));
            }
            messages
        }

        fn end(self) -> Result<Ended, ServeError> {
            self.to_worker.shutdown(std::net::Shutdown::Write).unwrap();
            self.worker.join().unwrap()
        }
    }

    fn hello(protocol: u32, llvm: &str) -> ToWorker {
        ToWorker::Hello { protocol, llvm: llvm.to_owned() }
    }

    fn parked(message: &FromWorker) -> bool {
        *message == FromWorker::SlotParked
    }

    #[test]
    fn plans_are_served_until_the_end_of_input() {
        let mut peer = Peer::greet(1, Fake);
        peer.say(ToWorker::Plan(plan(4, &[(0, "x", &[])])));
        assert_eq!(words(&peer.until(parked)), ["0 Ok", "done 4 true", "parked"]);
        peer.say(ToWorker::Slot);
        peer.say(ToWorker::Plan(plan(5, &[(0, "fails", &[])])));
        assert_eq!(words(&peer.until(parked)), ["0: it fails", "0 Failed", "done 5 false", "parked"]);
        assert!(matches!(peer.end(), Ok(Ended::EndOfInput)));
    }

    #[test]
    fn tokens_are_asked_for_on_the_channel_and_in_the_pool() {
        let exec = Meeting(Barrier::new(3));
        let mut peer = Peer::greet(3, exec);
        peer.say(ToWorker::Plan(plan(1, &[(0, "x", &[]), (1, "y", &[]), (2, "z", &[])])));
        let messages = peer.until(parked);
        let wants: Vec<u32> = messages
            .iter()
            .filter_map(|message| match message {
                FromWorker::Want { tokens } => Some(*tokens),
                _ => None,
            })
            .collect();
        assert_eq!(wants, [2, 1, 0]);
        assert!(matches!(peer.end(), Ok(Ended::EndOfInput)));
    }

    #[test]
    fn a_cancelled_plan_ends_and_its_running_item_is_told() {
        /// Runs until it is cancelled.
        struct Patient;
        impl Execute for Patient {
            fn run(&self, job: &Job<'_>) -> Finished {
                while !job.cancelled() {
                    thread::yield_now();
                }
                skipped()
            }
        }
        let mut peer = Peer::greet(1, Patient);
        peer.say(ToWorker::Plan(plan(1, &[(0, "x", &[]), (1, "y", &[])])));
        peer.until(|message| matches!(message, FromWorker::ItemStarted { .. }));
        peer.say(ToWorker::Cancel { plan: Some(PlanId(1)) });
        assert_eq!(words(&peer.until(parked)), ["1 Skipped", "0 Skipped", "done 1 false", "parked"]);
        assert!(matches!(peer.end(), Ok(Ended::EndOfInput)));
    }

    #[test]
    fn another_version_is_refused() {
        for (first, expect) in [
            (hello(PROTOCOL + 1, "22"), "the orchestrator speaks protocol"),
            (hello(PROTOCOL, "21.1.0"), "the orchestrator speaks protocol"),
            (ToWorker::Slot, "the first message from the orchestrator is not `hello`"),
        ] {
            let mut peer = Peer::start(1, Fake);
            peer.say(first);
            let words = peer.worker.join().unwrap().unwrap_err().to_string();
            assert!(words.starts_with(expect), "{words}");
        }
    }

    #[test]
    fn what_is_no_message_or_no_plan_ends_the_worker() {
        let twice = [encode(&hello(PROTOCOL, "22")), encode(&ToWorker::Plan(plan(1, &[(0, "x", &[0])])))];
        for (lines, expect) in [
            (b"{}\n".to_vec(), "not a message of the worker protocol"),
            (b"\xff\n".to_vec(), "cannot read from the orchestrator: stream did not contain valid UTF-8"),
            (twice.concat(), "plan 1: item 0 comes after itself, perhaps through others"),
        ] {
            let mut peer = Peer::start(1, Fake);
            peer.to_worker.write_all(&lines).unwrap();
            let words = peer.worker.join().unwrap().unwrap_err().to_string();
            assert!(words.starts_with(expect), "{words}");
        }
    }

    #[test]
    fn an_orchestrator_that_is_gone_ends_the_worker() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let pool = Pool::private(1).unwrap();
        let ended = serve(io::empty(), Gone, pool, Arc::new(Fake), FromWorker::SlotParked);
        assert!(matches!(ended, Ok(Ended::BrokenPipe)), "{ended:?}");
    }

    #[test]
    fn thread_names_fit_the_kernel() {
        for (unit, expect) in [
            ("src/a.c", "a.c"),
            ("src/a_rather_long_name.cpp", "a_rather_long_n"),
            ("src/ööööööööö.c", "ööööööö"),
            ("with\nnewline\0.c", "withnewline.c"),
        ] {
            assert_eq!(thread_name(unit), expect, "{unit:?}");
        }
    }
}
