//! The program `tender-worker`: serves an orchestrator on standard input and output, or runs one
//! plan by hand.

#[cfg(feature = "jemalloc")]
mod allocator;
mod interrupts;

use clap::Parser;
use std::io::{BufReader, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tender_jobclient::{FromEnv, Pool};
use tender_protocol::{FromWorker, Level, PROTOCOL, Plan};
use tender_units::Bytes;
use tender_worker::coordinator::{self, Notice, ServeError};
use tender_worker::{emit, execute::Executor, llvm};

/// Runs the plans that an orchestrator sends over standard input and output, or one plan by hand.
#[derive(Parser)]
#[command(name = "tender-worker", disable_version_flag = true)]
struct Options {
    /// Run the one plan in FILE (JSON), under the jobserver of the environment if there is one
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// With --plan: jobs to run at once where no jobserver is inherited; ignored under one
    #[arg(long, short, value_name = "N", requires = "plan")]
    jobs: Option<NonZeroU32>,
    /// With --plan: start no more than what is likely to fit, but always one job; bytes, or a number
    /// with K M G (1000) or Ki Mi Gi (1024) [default: no limit]
    #[arg(long, value_name = "SIZE", requires = "plan")]
    memory: Option<Bytes>,
    /// Print the versions of the worker and of its LLVM
    #[arg(long, short = 'V')]
    version: bool,
}

/// Exit codes, as in `tender`.
const USAGE_ERROR: u8 = 2;
const FAILED: u8 = 101;

fn main() -> ExitCode {
    let options = Options::parse();
    if options.version {
        let version = env!("CARGO_PKG_VERSION");
        return print_output(&format!("tender-worker {version} (LLVM {})\n", llvm::llvm_version()));
    }
    let code = match &options.plan {
        Some(file) => run_plan(file, options.jobs.map(NonZeroU32::get), options.memory),
        None => {
            raise_oom_score();
            serve()
        }
    };
    // Does not return from main: destructors of LLVM's globals would race with threads that still
    // run.
    tender_worker::channel::exit_now(code)
}

/// Raises this process's OOM score. If memory runs out, the kernel kills the process with the
/// highest score. That should be a worker or its linker, whose items are retried, and not the
/// orchestrator, which may be larger for a moment. A process may raise its own score
/// (proc_pid_oom_score_adj(5)). A higher score is kept.
fn raise_oom_score() {
    const FILE: &str = "/proc/self/oom_score_adj";
    const SCORE: i32 = 500;
    let now = std::fs::read_to_string(FILE).ok().and_then(|text| text.trim().parse::<i32>().ok());
    if now.is_some_and(|now| now < SCORE) {
        // An error is ignored, because this is only a preference.
        let _ = std::fs::write(FILE, SCORE.to_string());
    }
}

fn serve() -> u8 {
    let pool = match pool(None, None) {
        Ok(pool) => pool,
        Err(why) => return fail(&format!("cannot set up the job slots: {why}")),
    };
    let channel = match tender_worker::channel::take() {
        Ok(channel) => channel,
        Err(why) => return fail(&format!("cannot take over standard input and output: {why}")),
    };
    llvm::initialise(fatal);
    let hello = FromWorker::Hello {
        protocol: PROTOCOL,
        llvm: llvm::llvm_version(),
        libraries: llvm::libraries(),
    };
    let input = BufReader::new(channel.input);
    let exec = Arc::new(Executor::default());
    // Exits at once, on the coordinator's thread, because the main thread may be in the middle of a
    // long translation.
    let ended = |ended: &Result<_, coordinator::ServeError>| {
        tender_worker::channel::exit_now(exit_code(ended))
    };
    let ended = coordinator::serve(input, channel.output, pool, exec, hello, ended);
    exit_code(&ended)
}

fn exit_code(ended: &Result<coordinator::Ended, coordinator::ServeError>) -> u8 {
    match ended {
        Ok(_) => 0,
        Err(why) => fail(&why.to_string()),
    }
}

fn run_plan(file: &Path, jobs: Option<u32>, memory: Option<Bytes>) -> u8 {
    if tender_jobclient::is_dry_run(&|name| std::env::var_os(name)) {
        print_error(
            "tender-worker: note: `make -n` only prints what it would do, so this command does nothing\n",
        );
        return 0;
    }
    let name = file.display().to_string();
    let plan: Plan =
        match std::fs::read_to_string(file).map_err(|why| why.to_string()).and_then(|text| {
            serde_json::from_str(&text).map_err(|why| format!("the file is not a plan: {why}"))
        }) {
            Ok(plan) => plan,
            Err(why) => {
                print_error(&format!("tender-worker: {name}: {why}\n"));
                return USAGE_ERROR;
            }
        };
    // Before any token is acquired.
    let interruptions = match interrupts::install() {
        Ok(interruptions) => interruptions,
        Err(why) => return fail(&format!("cannot install signal handlers: {why}")),
    };
    // An error is ignored: then processes of a killed driver run a little longer.
    let _ = emit::adopt_orphans();
    let pool = match pool(jobs, plan.jobs) {
        Ok(pool) => pool,
        Err(why) => return fail(&format!("cannot set up the job slots: {why}")),
    };
    llvm::initialise(fatal);
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let notify = |notice| match notice {
        Notice::Message(FromWorker::Diagnostic { diagnostic, .. })
            if diagnostic.level >= Level::Note =>
        {
            let plain = || anstream::adapter::strip_str(&diagnostic.rendered).to_string();
            print_error(&if colour { diagnostic.rendered.clone() } else { plain() });
        }
        Notice::Message(_) => {}
        Notice::PoolLost(why) => warn(&format!(
            "the parent's jobserver is gone ({why}); tender-worker continues with the job slots that it has"
        )),
    };
    let code = |ran: &Result<bool, ServeError>| match ran {
        Ok(true) => 0,
        Ok(false) => FAILED,
        Err(ServeError::Interrupted(signal)) => interrupts::die_by(*signal),
        Err(why) => {
            print_error(&format!("tender-worker: {name}: {why}\n"));
            USAGE_ERROR
        }
    };
    // Exits at once, on the coordinator's thread, as in `serve`.
    let ended = |ran: &Result<bool, ServeError>| tender_worker::channel::exit_now(code(ran));
    let exec = Arc::new(Executor::default());
    code(&coordinator::run_plan(plan, pool, memory, exec, interruptions, notify, ended))
}

/// The pool that the environment names. Else a private pool with the slots of `option`, else of
/// `jobs`, else one slot per core that this process may use.
fn pool(option: Option<u32>, jobs: Option<u32>) -> std::io::Result<Pool> {
    match Pool::from_env(&|name| std::env::var_os(name)) {
        FromEnv::Inherited(pool) => {
            if option.is_some() {
                let why = "because the jobserver in the environment sets the number of jobs";
                warn(&format!("`-j` is ignored, {why}"));
            }
            Ok(pool)
        }
        FromEnv::Unusable(why) => {
            let ignored = if option.is_some() { " and ignoring `-j`" } else { "" };
            warn(&format!("{why}; running one job at a time{ignored}"));
            Pool::private(1)
        }
        FromEnv::None => {
            let cores = || std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
            Pool::private(option.or(jobs).unwrap_or_else(cores))
        }
    }
}

fn fatal(message: &str) {
    let thread = std::thread::current();
    print_error(&format!("LLVM ERROR: {message} (in {})\n", thread.name().unwrap_or("a thread")));
    interrupts::abort();
}

fn warn(text: &str) {
    print_error(&format!("tender-worker: warning: {text}\n"));
}

fn fail(why: &str) -> u8 {
    print_error(&format!("tender-worker: {why}\n"));
    FAILED
}

/// Writes to standard error. An error is ignored.
fn print_error(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn print_output(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
