//! Tests of the shell: tables, and real threads that run scripted work.

use super::super::job::{CodeOrigin, Goal, Job, PieceFailed, Progress};
use super::super::serve::{self, Notice, serve};
use super::*;
use std::io::{BufRead, Write};
use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::sync::atomic::AtomicU32;
use std::thread;
use tender_protocol::{
    Diagnostic, Item, ItemMemory, Language, Level, PROTOCOL, Translate, Work, decode, encode,
};

/// Runs the script in the unit's name: one word for the beginning, one for each piece and one for
/// the join, separated by `/`.
struct ScriptedWork;

impl Execute for ScriptedWork {
    fn begin(&self, job: &Job<'_>, goal: Goal) -> Progress {
        job.phase(tender_protocol::PhaseName::Archive, CodeOrigin::default(), now_us(), Micros(0));
        let mut words = job.item.unit.split('/').map(str::to_owned);
        let first = words.next().unwrap_or_default();
        let rest: Vec<String> = words.collect();
        match act(job, &first) {
            Ok(()) if rest.is_empty() && goal == Goal::Finish => done(),
            Ok(()) => Progress::InPieces(Box::new(ScriptedPieces(rest))),
            Err(PieceFailed) => Progress::Finished(Finished::failed()),
        }
    }

    fn purge(&self) {
        panic!("purge fails");
    }
}

/// The last word is the join.
struct ScriptedPieces(Vec<String>);

impl Pieces for ScriptedPieces {
    fn costs(&self) -> Vec<u64> {
        vec![1; self.0.len().saturating_sub(1).max(1)]
    }
    fn held_bytes(&self) -> Bytes {
        Bytes(3 * self.0.len() as u64)
    }
    fn run(&self, job: &Job<'_>, piece: u32) -> Result<(), PieceFailed> {
        self.0.get(piece as usize).map_or(Ok(()), |word| act(job, word))
    }
    fn join(&self, job: &Job<'_>) -> Finished {
        let joined = self.0.last().map_or(Ok(()), |word| act(job, word));
        Finished::without_files(if joined.is_ok() { Outcome::Ok } else { Outcome::Failed })
    }
    fn abandon(&self, outcome: Outcome) -> Finished {
        Finished { missing: vec!["abandoned".to_owned()], ..Finished::without_files(outcome) }
    }
}

fn act(job: &Job<'_>, word: &str) -> Result<(), PieceFailed> {
    match word {
        "fails" => {
            job.diagnostic(error("it fails"));
            Err(PieceFailed)
        }
        "panics" => panic!("the script panics"),
        "shrinks" => {
            job.shrink(Bytes(7));
            Ok(())
        }
        "main" => {
            assert_ne!(
                thread::current().name(),
                Some(job.item.unit.as_str()),
                "not the main thread"
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

fn done() -> Progress {
    Progress::Finished(Finished::without_files(Outcome::Ok))
}

/// Every item waits until all others run.
struct WaitForAll(Barrier);

impl Execute for WaitForAll {
    fn begin(&self, _: &Job<'_>, _: Goal) -> Progress {
        self.0.wait();
        done()
    }
}

fn error(message: &str) -> Diagnostic {
    let message = message.to_owned();
    Diagnostic {
        level: Level::Error,
        rendered: message.clone(),
        message,
        file: None,
        line: 0,
        column: 0,
    }
}

fn plan(id: u32, items: &[(u32, &str, &[u32])]) -> Plan {
    let item = |(id, unit, after): &(u32, &str, &[u32])| Item {
        id: ItemId(*id),
        unit: (*unit).to_owned(),
        cost: Micros(1),
        after: after.iter().copied().map(ItemId).collect(),
        memory: Default::default(),
        settled: Vec::new(),
        modules: Vec::new(),
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

/// A short text for each message about an item or a plan.
fn summaries(messages: &[FromWorker]) -> Vec<String> {
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

/// Runs a plan by hand without a signal.
fn run_plan(
    plan: Plan,
    pool: Pool,
    memory: Option<Bytes>,
    exec: Arc<dyn Execute>,
    mut on_message: impl FnMut(FromWorker) + Send,
) -> Result<bool, ServeError> {
    let notify = |notice| match notice {
        Notice::Message(message) => on_message(message),
        Notice::PoolLost(why) => panic!("{why}"),
    };
    serve::run_plan(plan, pool, memory, exec, std::iter::empty(), notify, |_| {})
}

fn check_plan(items: &[(u32, &str, &[u32])], expect: &[&str]) {
    let mut messages = Vec::new();
    let pool = Pool::private(1).unwrap();
    run_plan(plan(1, items), pool, None, Arc::new(ScriptedWork), |message| messages.push(message))
        .unwrap();
    assert_eq!(summaries(&messages), expect);
}

#[test]
fn shell_runs_a_plan_by_hand_in_order() {
    check_plan(&[(0, "x", &[1]), (1, "y", &[])], &["1 Ok", "0 Ok", "done 1 true"]);
    check_plan(&[], &["done 1 true"]);
}

#[test]
fn shell_skips_dependents_of_a_failed_item() {
    check_plan(
        &[(0, "fails", &[]), (1, "x", &[0]), (2, "y", &[])],
        &["0: it fails", "0 Failed", "1 Skipped", "2 Ok", "done 1 false"],
    );
}

#[test]
fn shell_reports_a_panic_as_a_diagnostic() {
    check_plan(
        &[(0, "panics", &[])],
        &["0: internal error in tender-worker: the script panics", "0 Failed", "done 1 false"],
    );
}

#[test]
fn shell_reports_an_item_in_pieces_once() {
    check_plan(&[(0, "x/a/b/c/join", &[]), (1, "y", &[0])], &["0 Ok", "1 Ok", "done 1 true"]);
    check_plan(
        &[(0, "x/a/fails/c/join", &[]), (1, "y", &[0])],
        &["0: it fails", "0 Failed", "1 Skipped", "done 1 false"],
    );
    check_plan(&[(0, "x/a/fails", &[])], &["0: it fails", "0 Failed", "done 1 false"]);
    let panic = "0: internal error in tender-worker: the script panics";
    check_plan(&[(0, "x/panics/b/join", &[])], &[panic, "0 Failed", "done 1 false"]);
    check_plan(&[(0, "x/a/b/panics", &[])], &[panic, "0 Failed", "done 1 false"]);
}

/// Runs a plan that is translated serially. The messages are compared without their order.
fn check_serial(units: &[&str], jobs: u32, expect: &[&str]) {
    let items: Vec<(u32, &str, &[u32])> =
        (0..).zip(units).map(|(id, unit)| (id, *unit, &[] as &[u32])).collect();
    let mut plan = plan(1, &items);
    plan.translate = Translate::Serial;
    for item in &mut plan.items {
        item.work = Work::Compile {
            source: String::new(),
            language: Language::C,
            args: Vec::new(),
            object: String::new(),
            cut: None,
            lto: Default::default(),
            share: None,
            translation: None,
        };
    }
    let mut messages = Vec::new();
    let pool = Pool::private(jobs).unwrap();
    run_plan(plan, pool, None, Arc::new(ScriptedWork), |message| messages.push(message)).unwrap();
    let mut seen = summaries(&messages);
    seen.sort();
    assert_eq!(seen, expect);
}

#[test]
fn shell_translates_serially_on_the_main_thread() {
    for jobs in [1, 2, 7] {
        check_serial(&["main", "main/a/b/join"], jobs, &["0 Ok", "1 Ok", "done 1 true"]);
        check_serial(
            &["main", "panics", "main/panics", "fails", "x/a/b/c/d/join"],
            jobs,
            &[
                "0 Ok",
                "1 Failed",
                "1: internal error in tender-worker: the script panics",
                "2 Failed",
                "2: internal error in tender-worker: the script panics",
                "3 Failed",
                "3: it fails",
                "4 Ok",
                "done 1 false",
            ],
        );
    }
}

#[test]
fn shell_reports_each_of_many_items_once_with_its_diagnostics() {
    let kinds =
        ["x", "x/a/b/c/join", "fails", "x/a/fails/c/join", "panics", "x/a/b/panics", "x/a/join"];
    let bad = |unit: &str| unit.contains("fails") || unit.contains("panics");
    for round in 0..8 {
        let units: Vec<&str> = (0..300).map(|n| kinds[(n * 5 + round) % kinds.len()]).collect();
        let mut expect: Vec<String> = Vec::new();
        for (id, unit) in units.iter().enumerate() {
            let word = if unit.contains("panics") {
                "internal error in tender-worker: the script panics"
            } else {
                "it fails"
            };
            expect.extend(bad(unit).then(|| format!("{id}: {word}")));
            expect.push(format!("{id} {}", if bad(unit) { "Failed" } else { "Ok" }));
        }
        expect.push("done 1 false".to_owned());
        expect.sort();
        let expect: Vec<&str> = expect.iter().map(String::as_str).collect();
        check_serial(&units, 1 + round as u32 * 2, &expect);
    }
}

#[test]
fn shell_panic_ends_the_worker() {
    let mut peer = Peer::start_with_hello(1, ScriptedWork);
    peer.send(ToWorker::Purge);
    let error = peer.worker.join().unwrap().unwrap_err().to_string();
    assert_eq!(error, "internal error in the coordinator: purge fails");
}

#[test]
fn shell_reports_what_an_abandoned_item_read() {
    let mut missing = Vec::new();
    run_plan(
        plan(1, &[(0, "x/fails/b/join", &[])]),
        Pool::private(1).unwrap(),
        None,
        Arc::new(ScriptedWork),
        |message| {
            if let FromWorker::ItemFinished(report) = message {
                missing = report.missing;
            }
        },
    )
    .unwrap();
    assert_eq!(missing, ["abandoned"]);
}

#[test]
fn shell_runs_items_on_all_slots() {
    let mut slots = Vec::new();
    let items: Vec<(u32, &str, &[u32])> = (0..4).map(|id| (id, "x", &[] as &[u32])).collect();
    let exec = Arc::new(WaitForAll(Barrier::new(4)));
    let ok = run_plan(plan(1, &items), Pool::private(4).unwrap(), None, exec, |message| {
        if let FromWorker::ItemStarted { slot, .. } = message {
            slots.push(slot);
        }
    });
    assert!(ok.unwrap());
    slots.sort_unstable();
    assert_eq!(slots, [0, 1, 2, 3]);
}

/// Plays the orchestrator for a worker.
struct Peer {
    to_worker: UnixStream,
    from_worker: io::Lines<io::BufReader<UnixStream>>,
    worker: thread::JoinHandle<Result<Ended, ServeError>>,
    /// The worker has parked its implicit slot.
    parked: bool,
}

impl Peer {
    fn start(jobs: u32, exec: impl Execute) -> Peer {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let worker = thread::spawn(move || {
            let input = io::BufReader::new(theirs.try_clone().unwrap());
            let hello = FromWorker::Hello {
                protocol: PROTOCOL,
                llvm: "22.1.8".into(),
                libraries: Vec::new(),
            };
            serve(input, theirs, Pool::private(jobs).unwrap(), Arc::new(exec), hello, |_| {})
        });
        let from_worker = io::BufReader::new(ours.try_clone().unwrap()).lines();
        let mut peer = Peer { to_worker: ours, from_worker, worker, parked: false };
        assert!(matches!(peer.next(), Some(FromWorker::Hello { .. })));
        peer
    }

    /// Starts a worker and sends `hello`.
    fn start_with_hello(jobs: u32, exec: impl Execute) -> Peer {
        let mut peer = Peer::start(jobs, exec);
        peer.send(hello(PROTOCOL, "22"));
        peer
    }

    fn send(&mut self, message: ToWorker) {
        self.to_worker.write_all(&encode(&message)).unwrap();
    }

    /// Sends a plan and a lease for each item.
    fn send_plan(&mut self, plan: Plan) {
        let leases = plan.items.iter().map(|item| ToWorker::Lease {
            plan: plan.id,
            item: item.id,
            bytes: Bytes(1),
        });
        let leases: Vec<u8> = leases.flat_map(|lease| encode(&lease)).collect();
        let lines = [encode(&ToWorker::Plan(plan)), leases].concat();
        self.to_worker.write_all(&lines).unwrap();
    }

    /// The next message of the worker. Gives its slot back when it needs a token.
    fn next(&mut self) -> Option<FromWorker> {
        let message = self.from_worker.next().map(|line| decode(&line.unwrap()).unwrap());
        match &message {
            Some(FromWorker::SlotParked) => self.parked = true,
            Some(FromWorker::Want { tokens: 1.. }) if std::mem::take(&mut self.parked) => {
                self.send(ToWorker::Slot);
            }
            _ => {}
        }
        message
    }

    /// The messages up to the end of a plan. Waits until the worker has parked its slot.
    fn until_done(&mut self) -> Vec<FromWorker> {
        let mut messages = self.until(|message| matches!(message, FromWorker::Done { .. }));
        self.until(parked);
        messages.retain(|message| !parked(message));
        messages
    }

    /// The messages up to the first one that `last` accepts.
    fn until(&mut self, last: impl Fn(&FromWorker) -> bool) -> Vec<FromWorker> {
        let mut messages = Vec::new();
        while !messages.last().is_some_and(&last) {
            messages.push(self.next().expect("the worker runs"));
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
fn shell_serves_plans_until_the_end_of_input() {
    let mut peer = Peer::start_with_hello(1, ScriptedWork);
    peer.send_plan(plan(4, &[(0, "x", &[])]));
    assert_eq!(summaries(&peer.until_done()), ["0 Ok", "done 4 true"]);
    peer.send_plan(plan(5, &[(0, "fails", &[])]));
    assert_eq!(summaries(&peer.until_done()), ["0: it fails", "0 Failed", "done 5 false"]);
    assert!(matches!(peer.end(), Ok(Ended::EndOfInput)));
}

#[test]
fn shell_requests_tokens_on_the_channel_and_in_the_pool() {
    let exec = WaitForAll(Barrier::new(3));
    let mut peer = Peer::start_with_hello(3, exec);
    peer.send_plan(plan(1, &[(0, "x", &[]), (1, "y", &[]), (2, "z", &[])]));
    let messages = peer.until_done();
    let wants: Vec<u32> = messages
        .iter()
        .filter_map(|message| match message {
            FromWorker::Want { tokens } => Some(*tokens),
            _ => None,
        })
        .collect();
    // How many leases have arrived at the first message depends on timing.
    assert!(wants.iter().any(|tokens| *tokens > 0) && wants.ends_with(&[0]), "{wants:?}");
    assert!(matches!(peer.end(), Ok(Ended::EndOfInput)));
}

#[test]
fn shell_cancels_a_plan_and_its_running_item() {
    /// Runs until it is cancelled.
    struct UntilCancelled;
    impl Execute for UntilCancelled {
        fn begin(&self, job: &Job<'_>, _: Goal) -> Progress {
            while !job.cancelled() {
                thread::yield_now();
            }
            Progress::Finished(Finished::without_files(Outcome::Skipped))
        }
    }
    let mut peer = Peer::start_with_hello(1, UntilCancelled);
    peer.send_plan(plan(1, &[(0, "x", &[]), (1, "y", &[])]));
    peer.until(|message| matches!(message, FromWorker::ItemStarted { .. }));
    peer.send(ToWorker::Cancel { plan: Some(PlanId(1)) });
    assert_eq!(summaries(&peer.until_done()), ["1 Skipped", "0 Skipped", "done 1 false"]);
    assert!(matches!(peer.end(), Ok(Ended::EndOfInput)));
}

#[test]
fn shell_asks_for_memory_and_reports_what_an_item_holds() {
    let mut peer = Peer::start_with_hello(1, ScriptedWork);
    let mut plan = plan(1, &[(0, "shrinks/a/b/join", &[])]);
    plan.items[0].memory = ItemMemory { begin: Bytes(10), piece: Bytes(4), join: Bytes(0) };
    peer.send(ToWorker::Plan(plan));
    let (mut log, mut asks, mut ended) = (Vec::new(), 0, false);
    while !ended {
        match peer.next().expect("the worker runs") {
            FromWorker::ItemStarted { .. } => log.push("started".to_owned()),
            FromWorker::LeaseWanted { plan, item, bytes } => {
                log.push(format!("wants {}", bytes.0));
                asks += 1;
                // The second piece is granted together with the first.
                for _ in 0..if asks == 2 { 0 } else { asks.min(2) } {
                    peer.send(ToWorker::Lease { plan, item, bytes });
                }
            }
            FromWorker::LeaseResized { bytes, grants, .. } => {
                log.push(format!("holds {} of {grants}", bytes.0))
            }
            FromWorker::ItemFinished(report) => log.push(format!("{:?}", report.outcome)),
            FromWorker::Done { .. } => ended = true,
            _ => {}
        }
    }
    // `ScriptedPieces` keeps three bytes for each piece and for the join.
    let first = ["wants 10", "started", "holds 7 of 1", "holds 9 of 1", "wants 4", "wants 4"];
    assert_eq!(log[..6], first);
    assert!(["holds 13 of 3", "holds 9 of 2"].contains(&log[6].as_str()), "{log:?}");
    assert_eq!(log[7..], ["holds 9 of 3", "Ok"]);
    assert!(matches!(peer.end(), Ok(Ended::EndOfInput)));
}

/// Counts how many items run at the same time.
#[derive(Default)]
struct CountRunning {
    now: AtomicU32,
    most: AtomicU32,
}

impl Execute for CountRunning {
    fn begin(&self, _: &Job<'_>, _: Goal) -> Progress {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        thread::sleep(std::time::Duration::from_millis(1));
        self.now.fetch_sub(1, Ordering::SeqCst);
        done()
    }
}

#[test]
fn shell_limits_memory_of_a_plan_by_hand() {
    for (memory, most) in [(Some(1), 1), (Some(119), 1), (Some(120), 2), (Some(200), 3)] {
        let items: Vec<(u32, &str, &[u32])> = (0..40).map(|id| (id, "x", &[] as &[u32])).collect();
        let mut plan = plan(1, &items);
        for item in &mut plan.items {
            item.memory.begin = Bytes(60);
        }
        let exec = Arc::new(CountRunning::default());
        let pool = Pool::private(8).unwrap();
        assert!(
            run_plan(plan, pool, memory.map(Bytes), Arc::clone(&exec) as Arc<dyn Execute>, |_| {})
                .unwrap()
        );
        let seen = exec.most.load(Ordering::SeqCst);
        assert!(seen >= 1 && seen <= most, "{seen} at once in {memory:?}");
    }
}

#[test]
fn shell_refuses_another_version() {
    for (first, expect) in [
        (hello(PROTOCOL + 1, "22"), "the orchestrator has version"),
        (hello(PROTOCOL, "21.1.0"), "the orchestrator has version"),
        (ToWorker::Slot, "the first message from the orchestrator is not `hello`"),
    ] {
        let mut peer = Peer::start(1, ScriptedWork);
        peer.send(first);
        let error = peer.worker.join().unwrap().unwrap_err().to_string();
        assert!(error.starts_with(expect), "{error}");
    }
}

#[test]
fn shell_ends_at_a_bad_message_or_plan() {
    let twice =
        [encode(&hello(PROTOCOL, "22")), encode(&ToWorker::Plan(plan(1, &[(0, "x", &[0])])))];
    for (lines, expect) in [
        (b"{}\n".to_vec(), "not a message of the worker protocol"),
        (
            b"\xff\n".to_vec(),
            "cannot read from the orchestrator: stream did not contain valid UTF-8",
        ),
        (twice.concat(), "plan 1: item 0 depends on itself, directly or through other items"),
    ] {
        let mut peer = Peer::start(1, ScriptedWork);
        peer.to_worker.write_all(&lines).unwrap();
        let error = peer.worker.join().unwrap().unwrap_err().to_string();
        assert!(error.starts_with(expect), "{error}");
    }
}

#[test]
fn shell_ends_when_the_orchestrator_does_not_read() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let pool = Pool::private(1).unwrap();
    let ended =
        serve(io::empty(), Closed, pool, Arc::new(ScriptedWork), FromWorker::SlotParked, |_| {});
    assert!(matches!(ended, Ok(Ended::BrokenPipe)), "{ended:?}");
}

/// Items that run until the end of the test. Counts them, and reads how many tokens are in the pool
/// when `abandon` is called.
struct NeverEnding {
    running: AtomicU32,
    pool: rustix::fd::OwnedFd,
    /// `u64::MAX` before `abandon`.
    left: std::sync::atomic::AtomicU64,
    over: std::sync::Mutex<Receiver<()>>,
}

impl Execute for NeverEnding {
    fn begin(&self, _: &Job<'_>, _: Goal) -> Progress {
        self.running.fetch_add(1, Ordering::SeqCst);
        let _ = self.over.lock().unwrap().recv();
        done()
    }

    fn abandon(&self) {
        self.left.store(rustix::io::ioctl_fionread(&self.pool).unwrap(), Ordering::SeqCst);
    }
}

/// Runs five items in a pool of three slots. `interruptions` or `on_message` ends the plan with the
/// error `expect`.
#[track_caller]
fn check_abandoned(
    interruptions: impl FnOnce(Arc<NeverEnding>) -> Box<dyn Iterator<Item = i32> + Send>,
    mut on_message: impl FnMut(u32) + Send,
    expect: &str,
) {
    let (pool, to_pool) = rustix::pipe::pipe().unwrap();
    rustix::io::write(&to_pool, b"AB").unwrap();
    let number = |fd: &rustix::fd::OwnedFd| std::os::fd::AsRawFd::as_raw_fd(fd);
    let flags = format!(" -j3 --jobserver-auth={},{}", number(&pool), number(&to_pool));
    let found = Pool::from_env(&|name| (name == "MAKEFLAGS").then(|| flags.clone().into()));
    let tender_jobclient::FromEnv::Inherited(inherited) = found else { panic!("no pool") };
    let (ends, over) = std::sync::mpsc::channel();
    let exec = Arc::new(NeverEnding {
        running: AtomicU32::new(0),
        pool: rustix::io::dup(&pool).unwrap(),
        left: u64::MAX.into(),
        over: over.into(),
    });
    let items: Vec<(u32, &str, &[u32])> = (0..5).map(|id| (id, "x", &[] as &[u32])).collect();
    let unread = || rustix::io::ioctl_fionread(&pool).unwrap();
    let (mut started, mut at_end) = (0, None);
    let notify = |notice| {
        if let Notice::Message(FromWorker::ItemStarted { .. }) = notice {
            started += 1;
            on_message(started);
        }
    };
    let interruptions = interruptions(Arc::clone(&exec));
    let of_plan = Arc::clone(&exec) as Arc<dyn Execute>;
    let ran =
        serve::run_plan(plan(1, &items), inherited, None, of_plan, interruptions, notify, |ran| {
            at_end = Some((ran.as_ref().unwrap_err().to_string(), unread()));
        });
    assert_eq!(at_end, Some((expect.to_owned(), 2)), "all tokens are in the pool");
    assert!(ran.is_err());
    assert_eq!(
        exec.left.load(Ordering::SeqCst),
        0,
        "`abandon` is called before tokens are released"
    );
    drop(ends);
}

#[test]
fn shell_releases_all_tokens_after_a_signal() {
    let when_all_run = |exec: Arc<NeverEnding>| -> Box<dyn Iterator<Item = i32> + Send> {
        Box::new(std::iter::once_with(move || {
            while exec.running.load(Ordering::SeqCst) == 0
                || rustix::io::ioctl_fionread(&exec.pool).unwrap() > 0
            {
                thread::yield_now();
            }
            15
        }))
    };
    check_abandoned(when_all_run, |_| {}, "interrupted by signal 15");
}

#[test]
fn shell_releases_all_tokens_after_a_panic() {
    let fail = |started| assert!(started < 3, "the third item fails");
    check_abandoned(
        |_| Box::new(std::iter::empty()),
        fail,
        "internal error in the coordinator: the third item fails",
    );
}
