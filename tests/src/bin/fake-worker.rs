//! A worker for tests of the engine: speaks the protocol, compiles nothing.
//!
//! What an item does is the first line of its source: `ok`, `fail`, `sleep MS`, `signal N`, `exit
//! N`, `garbage`, `stderr`, `endless` (writes a line that has no end), `flood` (writes a long line
//! to standard error, and 8 MiB in others), `kill-once` (SIGKILL the first time, `ok` after), `leak
//! N` (takes N tokens and forgets them), `hold-once N` (the first time takes N tokens, notes its
//! process id in SOURCE.held, and waits to be killed), `heir-once BYTES` (is killed the first time,
//! and leaves a process that takes a while to end, because it has so much memory; `ok` if that has
//! ended, else `fail`), `thrash BYTES FILE` (takes BYTES of memory, and reads a file of FILE bytes
//! again and again, for ever). The name by which it is started changes its behaviour:
//! `wrong-protocol`, `wrong-llvm`, `not-a-worker` change its greeting, `greedy` starts all items of
//! a plan at once. It keeps its slot while it waits for memory.

#![expect(clippy::disallowed_methods, reason = "a probe that ends as its plan says")]

use std::collections::{HashSet, VecDeque};
use std::io::{BufRead, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use tender_protocol::{
    Diagnostic, FileStamp, FromWorker, InputFile, Item, ItemId, ItemReport, LLVM_MAJOR, Level,
    Outcome, OutputFile, PROTOCOL, Plan, PlanId, ToWorker, Work, decode, encode,
};
use tender_units::{Bytes, Micros};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [what, bytes, note] = &words[..]
        && what == "heir"
    {
        return inherit(bytes.parse().expect("a number"), note);
    }
    let called = std::env::args().next().unwrap_or_default();
    let manner = |name: &str| called.ends_with(name);
    if manner("not-a-worker") {
        say_bytes(b"Usage: something else\n");
    }
    let protocol = if manner("wrong-protocol") { PROTOCOL + 1 } else { PROTOCOL };
    let llvm = if manner("wrong-llvm") { "3.1".to_owned() } else { format!("{LLVM_MAJOR}.1.0") };
    say(&FromWorker::Hello { protocol, llvm, libraries: Vec::new() });

    let (sender, messages) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            let message = decode::<ToWorker>(&line).expect("tender speaks the protocol");
            if sender.send(message).is_err() {
                break;
            }
        }
    });

    let mut orders = Orders::new(messages);
    loop {
        orders.take();
        if orders.plans.is_empty() && !orders.parked {
            say(&FromWorker::SlotParked);
            orders.parked = true;
        }
        if orders.parked {
            orders.wait();
        } else if let Some(plan) = orders.plans.pop_front() {
            run(&plan, manner("greedy"), &mut orders);
        }
    }
}

/// The messages from the orchestrator.
struct Orders {
    messages: Receiver<ToWorker>,
    plans: VecDeque<Plan>,
    /// Items that may start.
    leases: HashSet<(PlanId, ItemId)>,
    parked: bool,
    cancelled: bool,
}

impl Orders {
    fn new(messages: Receiver<ToWorker>) -> Orders {
        let (plans, leases) = (VecDeque::new(), HashSet::new());
        Orders { messages, plans, leases, parked: false, cancelled: false }
    }

    /// Handles all messages that have arrived.
    fn take(&mut self) {
        while let Ok(message) = self.messages.try_recv() {
            self.obey(message);
        }
    }

    /// Waits for the next message and handles it. Ends the process at the end of input.
    fn wait(&mut self) {
        match self.messages.recv() {
            Ok(message) => self.obey(message),
            Err(_) => std::process::exit(0),
        }
    }

    fn obey(&mut self, message: ToWorker) {
        match message {
            ToWorker::Plan(plan) => self.plans.push_back(plan),
            ToWorker::Lease { plan, item, .. } => drop(self.leases.insert((plan, item))),
            ToWorker::Slot => self.parked = false,
            ToWorker::Cancel { .. } => self.cancelled = true,
            ToWorker::Hello { .. } | ToWorker::Purge => {}
        }
    }

    /// Waits until the item has a lease, or is cancelled. Requests the lease if necessary.
    fn lease(&mut self, plan: PlanId, item: &Item) {
        let is_granted =
            |orders: &Orders| orders.cancelled || orders.leases.contains(&(plan, item.id));
        self.take();
        if !is_granted(self) {
            say(&FromWorker::LeaseWanted { plan, item: item.id, bytes: item.memory.begin });
        }
        while !is_granted(self) {
            self.wait();
        }
    }
}

fn run(plan: &Plan, greedy: bool, orders: &mut Orders) {
    let start = |item: &Item| {
        say(&FromWorker::ItemStarted { plan: plan.id, item: item.id, slot: 0, at_us: Micros(0) });
    };
    if greedy {
        for item in plan.items.iter().filter(|item| item.after.is_empty()) {
            orders.lease(plan.id, item);
            start(item);
        }
    }
    let mut not_ok = Vec::new();
    for item in &plan.items {
        let doomed = item.after.iter().any(|before| not_ok.contains(before));
        if !doomed {
            orders.lease(plan.id, item);
        }
        if doomed || orders.cancelled {
            not_ok.push(item.id);
            finish(plan, item, Outcome::Skipped, Vec::new());
            continue;
        }
        if !greedy || !item.after.is_empty() {
            start(item);
        }
        let (outcome, inputs) = work(plan, item);
        if outcome != Outcome::Ok {
            not_ok.push(item.id);
        }
        finish(plan, item, outcome, inputs);
    }
    say(&FromWorker::Done { plan: plan.id, ok: not_ok.is_empty() });
}

#[expect(clippy::zombie_processes, reason = "an heir outlives its worker")]
fn work(plan: &Plan, item: &Item) -> (Outcome, Vec<InputFile>) {
    let (sources, output): (Vec<&str>, &str) = match &item.work {
        Work::Compile { source, object, .. } => (vec![source], object),
        Work::Preprocess { source, output, .. } => {
            let text = format!("preprocessed {}", std::fs::read_to_string(source).unwrap());
            std::fs::write(output, text).unwrap();
            return (Outcome::Ok, Vec::new());
        }
        Work::Archive { output, members, .. } => {
            (members.iter().map(|m| m.path.as_str()).collect(), output)
        }
        Work::Link { args, output, .. } => (args.iter().map(String::as_str).collect(), output),
        Work::Check { source, .. } => (vec![source], ""),
        Work::Configure(_)
        | Work::Scan { .. }
        | Work::Interface { .. }
        | Work::Precompile { .. }
        | Work::ShareHeaders { .. } => {
            unreachable!("no test gives it one")
        }
    };
    let inputs: Vec<InputFile> = sources.iter().map(|path| input(path)).collect();
    let text: Vec<String> =
        sources.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let compiles = matches!(item.work, Work::Compile { .. });
    let words: Vec<&str> = if compiles { text[0].split_whitespace().collect() } else { vec!["ok"] };
    match words[..] {
        ["fail", ..] => {
            let diagnostic = Diagnostic {
                level: Level::Error,
                message: "it is told to fail".into(),
                file: Some(sources[0].into()),
                line: 1,
                column: 1,
                rendered: format!("{}:1:1: error: it is told to fail\n", sources[0]),
            };
            say(&FromWorker::Diagnostic { plan: plan.id, item: item.id, diagnostic });
            return (Outcome::Failed, inputs);
        }
        ["sleep", ms, ..] => {
            std::thread::sleep(std::time::Duration::from_millis(ms.parse().unwrap()))
        }
        ["signal", n, ..] => {
            say_error("Stack dump: this is the tail\n");
            die_by(n.parse().unwrap());
        }
        ["exit", n, ..] => std::process::exit(n.parse().unwrap()),
        ["garbage", ..] => say_bytes(b"printf debugging\n"),
        ["endless", ..] => loop {
            say_bytes(&[b'x'; 64 << 10]);
        },
        ["flood", ..] => {
            say_error(&("z".repeat(100_000) + "\n"));
            say_error(&("y".repeat(1023) + "\n").repeat(8 << 10));
        }
        ["stderr", ..] => say_error("LLVM talks to itself\n"),
        ["leak", n, ..] => take_tokens(n.parse().unwrap()),
        ["hold-once", n, ..] => {
            let note = format!("{}.held", sources[0]);
            if !Path::new(&note).exists() {
                take_tokens(n.parse().unwrap());
                note_pid(&note);
                loop {
                    std::thread::park();
                }
            }
        }
        ["heir-once", bytes, ..] => {
            let note = format!("{}.heir", sources[0]);
            match std::fs::read_to_string(&note) {
                Ok(heir) if is_running(&heir) => return (Outcome::Failed, inputs),
                Ok(_) => {}
                Err(_) => {
                    let program = std::env::current_exe().unwrap();
                    std::process::Command::new(program)
                        .args(["heir", bytes, &note])
                        .spawn()
                        .unwrap();
                    while !Path::new(&note).exists() {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                    die_by(libc::SIGKILL);
                }
            }
        }
        ["thrash", bytes, file, ..] => {
            thrash(bytes.parse().unwrap(), file.parse().unwrap(), &format!("{}.pages", sources[0]))
        }
        ["kill-once", ..] => {
            let mark = format!("{}.killed", sources[0]);
            if !Path::new(&mark).exists() {
                std::fs::write(mark, "").unwrap();
                die_by(libc::SIGKILL);
            }
        }
        _ => {}
    }
    if !output.is_empty() {
        let output = Path::new(output);
        std::fs::create_dir_all(output.parent().unwrap()).unwrap();
        std::fs::write(output, text.concat()).unwrap();
    }
    (Outcome::Ok, inputs)
}

/// Requests the tokens, and waits until it has them.
fn take_tokens(tokens: u32) {
    let flags = std::env::var("CARGO_MAKEFLAGS").expect("tender is a host");
    let (_, path) = flags.rsplit_once("fifo:").expect("with a FIFO");
    say(&FromWorker::Want { tokens });
    let mut pool = std::fs::File::options().read(true).write(true).open(path).unwrap();
    pool.read_exact(&mut vec![0; tokens as usize]).unwrap();
}

/// Renamed, so that a reader of the file reads all of it.
fn note_pid(path: &str) {
    let part = format!("{path}.part");
    std::fs::write(&part, std::process::id().to_string()).unwrap();
    std::fs::rename(part, path).unwrap();
}

/// Waits to be killed, with so much memory that the kernel takes some time to free it.
fn inherit(bytes: usize, note: &str) {
    let memory = vec![1_u8; bytes];
    note_pid(note);
    loop {
        std::hint::black_box(&memory);
        std::thread::park();
    }
}

/// Reads the file again and again, like a program whose code pages the kernel drops.
fn thrash(bytes: usize, size: u64, path: &str) -> ! {
    let memory = vec![1_u8; bytes];
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .unwrap();
    file.set_len(size).unwrap();
    let mut buffer = vec![0; 1 << 16];
    loop {
        std::hint::black_box(&memory);
        for offset in (0..size).step_by(buffer.len()) {
            std::hint::black_box(file.read_at(&mut buffer, offset).unwrap());
        }
    }
}

fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

fn finish(plan: &Plan, item: &Item, outcome: Outcome, inputs: Vec<InputFile>) {
    let output = match &item.work {
        Work::Compile { object, .. } => Some(object),
        Work::Archive { output, .. } | Work::Link { output, .. } => Some(output),
        Work::Preprocess { .. }
        | Work::Check { .. }
        | Work::Scan { .. }
        | Work::Interface { .. }
        | Work::Precompile { .. }
        | Work::ShareHeaders { .. }
        | Work::Configure(_) => None,
    };
    let outputs = output.filter(|_| outcome == Outcome::Ok).map(|path| {
        let InputFile { path, stamp, hash } = input(path);
        OutputFile { path, stamp, hash }
    });
    say(&FromWorker::ItemFinished(Box::new(ItemReport {
        plan: plan.id,
        item: item.id,
        outcome,
        at_us: Micros(1),
        wall_us: Micros(1),
        busy_us: Micros(0),
        peak_bytes: Bytes(0),
        piece_peak_bytes: Bytes(0),
        inputs,
        missing: Vec::new(),
        dated: Vec::new(),
        precompiled: Vec::new(),
        variables: Vec::new(),
        programs: Vec::new(),
        outputs: outputs.into_iter().collect(),
    })));
}

fn input(path: &str) -> InputFile {
    let metadata = std::fs::metadata(path).unwrap();
    let stamp = FileStamp {
        size: metadata.size(),
        mtime_ns: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
        ctime_ns: metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec(),
        inode: metadata.ino(),
    };
    let hash = blake3::hash(&std::fs::read(path).unwrap()).to_hex().to_string();
    InputFile { path: path.to_owned(), stamp, hash }
}

fn say(message: &FromWorker) {
    say_bytes(&encode(message));
}

fn say_bytes(bytes: &[u8]) {
    let mut output = std::io::stdout().lock();
    output.write_all(bytes).and_then(|()| output.flush()).expect("tender listens");
}

fn say_error(text: &str) {
    std::io::stderr().lock().write_all(text.as_bytes()).expect("tender listens");
}

fn die_by(signal: i32) -> ! {
    let signal = rustix::process::Signal::from_named_raw(signal).expect("a signal's number");
    // More than once, because std's handler takes the first SIGSEGV to check for a stack overflow,
    // and restores the default.
    loop {
        rustix::process::kill_process(rustix::process::getpid(), signal)
            .expect("we may signal ourselves");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
