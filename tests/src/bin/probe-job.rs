//! A job that logs when it ran: `probe-job LOG ID MS MEET [COMMAND...]`.
//!
//! Appends `start NS PID ID` to LOG, runs COMMAND, if there is one, and sleeps MS milliseconds.
//! Then it waits until LOG shows that MEET jobs have run at once, appends `end NS PID ID`, and ends
//! as COMMAND did. NS is CLOCK_MONOTONIC. So a tool that can run MEET jobs at once does so, however
//! slow the machine is. The wait ends [`PATIENCE`] after the start of the first job in LOG, in case
//! the tool cannot.

#![expect(clippy::disallowed_methods, reason = "a probe that ends as its command does")]

use camino::{Utf8Path, Utf8PathBuf};
use std::io::Write;
use std::process::Command;
use std::time::Duration;
use tender_tests::interop::Log;

/// Long enough for compilers on a busy machine. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [log, id, ms, meet, command @ ..] = &words[..] else {
        panic!("usage: probe-job LOG ID MS MEET [COMMAND...]")
    };
    let log = Utf8PathBuf::from(log);
    let pause = Duration::from_millis(ms.parse().expect("MS is a number"));
    let meet: usize = meet.parse().expect("MEET is a number");

    note(&log, "start", id);
    let code = run(command);
    std::thread::sleep(pause);
    while !has_met(&Log::read(&log), meet) {
        std::thread::sleep(Duration::from_millis(5));
    }
    note(&log, "end", id);
    std::process::exit(code);
}

/// One write to a file opened for appending, so that lines of several jobs never mix.
fn note(log: &Utf8Path, what: &str, id: &str) {
    let mut file =
        std::fs::File::options().create(true).append(true).open(log).expect("LOG can be written");
    let line = format!("{what} {} {} {id}\n", now(), std::process::id());
    file.write_all(line.as_bytes()).expect("LOG can be written");
}

/// CLOCK_MONOTONIC in nanoseconds: the same clock in all processes.
fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn has_met(log: &Log, meet: usize) -> bool {
    let first = log.jobs.iter().map(|job| job.start).min().unwrap_or_default();
    log.most_at_once() >= meet || now() > first + PATIENCE.as_nanos() as u64
}

fn run(command: &[String]) -> i32 {
    let [program, arguments @ ..] = command else { return 0 };
    let status = Command::new(program).args(arguments).status().expect("COMMAND starts");
    status.code().unwrap_or(1)
}
