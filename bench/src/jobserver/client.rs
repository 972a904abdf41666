//! A jobserver client as a program: `tender-bench client`. It waits for tokens in read(2), as GNU
//! make's protocol intends, and notes the times.

use super::note::{self, Cycled, Note, NoteKind};
use super::now_ns;
use crate::gaps::JobEvent;
use crate::processes;
use clap::{Args, Subcommand};
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The client stops cycling after this time, so that a slow pool does not prolong the measurement.
const LONGEST: Duration = Duration::from_secs(10);
/// Idle clients read rarely, so that they do not disturb the measurement.
const BETWEEN_READS: Duration = Duration::from_millis(200);
/// How long a client waits at most for another client to take the token.
const SWAP_TIMEOUT: Duration = Duration::from_millis(500);
/// How many cycles pass between two readings of the clock; a cycle takes some microseconds.
const CYCLES_BETWEEN_LOOKS: u64 = 64;

#[derive(Args)]
pub struct ClientOptions {
    /// File that notes are appended to
    #[arg(long)]
    notes: PathBuf,
    #[command(subcommand)]
    does: Does,
}

#[derive(Subcommand)]
enum Does {
    /// Takes a token, holds it for MICROS to twice that, returns it, waits until another has taken
    /// it, and begins again
    Swap { rounds: u32, micros: u64 },
    /// Takes tokens and holds them until it is killed
    Hold { tokens: u32 },
    /// Takes and returns tokens, one at a time
    Cycle { cycles: u64 },
    /// Takes no token, and ends when others have made as many notes
    Idle { notes: usize },
}

/// Runs the client.
///
/// # Errors
/// MAKEFLAGS names no jobserver, or a file cannot be read or written.
pub fn run(options: &ClientOptions) -> Result<(), Box<dyn Error>> {
    let makeflags = std::env::var_os("MAKEFLAGS").unwrap_or_default();
    let mut pool = Connection::open(makeflags.to_str().unwrap_or_default())?;
    let note = |kind| Note { pid: std::process::id(), kind };
    match options.does {
        Does::Swap { rounds, micros } => {
            let token_note = |what| note(NoteKind::Token { what, at_ns: now_ns() });
            let mut notes = Vec::new();
            for round in 0..u64::from(rounds) {
                notes.push(token_note(JobEvent::Waits));
                let token = pool.take()?;
                // Written at once, because the other client waits for this note; the other notes
                // are written at the end.
                note::append(&options.notes, &[token_note(JobEvent::Takes)])?;
                std::thread::sleep(Duration::from_micros(micros + spread(round, micros)));
                let noted = noted(&options.notes)?;
                notes.push(token_note(JobEvent::Returns));
                pool.give_back(token)?;
                wait_for_another(&options.notes, noted)?;
            }
            note::append(&options.notes, &notes)?;
        }
        Does::Hold { tokens } => {
            for _ in 0..tokens {
                pool.take()?;
            }
            note::append(&options.notes, &[note(NoteKind::Holds)])?;
            loop {
                std::thread::park();
            }
        }
        Does::Cycle { cycles } => {
            let cycled = cycle(&mut pool, cycles)?;
            note::append(&options.notes, &[note(NoteKind::Cycled(cycled))])?;
        }
        Does::Idle { notes } => {
            while note::read(&options.notes)?.len() < notes {
                std::thread::sleep(BETWEEN_READS);
            }
        }
    }
    Ok(())
}

/// The size of the notes so far, bytes.
fn noted(notes: &Path) -> io::Result<u64> {
    Ok(std::fs::metadata(notes)?.len())
}

/// Waits until the notes are longer than `before` bytes. The last client runs into the timeout.
fn wait_for_another(notes: &Path, before: u64) -> io::Result<()> {
    let deadline_ns = now_ns() + SWAP_TIMEOUT.as_nanos() as u64;
    while noted(notes)? == before && now_ns() < deadline_ns {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// A number below `most` that is the same in every run and has no period that a host could match.
fn spread(round: u64, most: u64) -> u64 {
    // Knuth's multiplicative hash: the high bits of a product with 2^32 / golden ratio.
    ((round.wrapping_mul(2_654_435_769) & 0xffff_ffff) * most) >> 32
}

fn cycle(pool: &mut Connection, cycles: u64) -> io::Result<Cycled> {
    let host = host();
    let host_cpu = || host.map_or(0, processes::cpu_ns);
    let own_cpu = || processes::cpu_ns(std::process::id());
    // The first token may have to be requested.
    let token = pool.take()?;
    pool.give_back(token)?;
    let (start, client_before, host_before) = (now_ns(), own_cpu(), host_cpu());
    let mut done = 0;
    while done < cycles
        && (!done.is_multiple_of(CYCLES_BETWEEN_LOOKS)
            || now_ns() < start + LONGEST.as_nanos() as u64)
    {
        let token = pool.take()?;
        pool.give_back(token)?;
        done += 1;
    }
    Ok(Cycled {
        cycles: done,
        wall_ns: now_ns() - start,
        client_cpu_ns: own_cpu() - client_before,
        host_cpu_ns: host_cpu() - host_before,
    })
}

/// The nearest ancestor process with the name `tender`.
fn host() -> Option<u32> {
    let mut pid = std::process::id();
    while let Some(parent) = processes::parent(pid) {
        let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
        if name.trim_end() == "tender" {
            return Some(parent);
        }
        pid = parent;
    }
    None
}

/// The two ends of a pool.
#[derive(Debug)]
struct Connection {
    read: File,
    write: File,
}

impl Connection {
    fn open(makeflags: &str) -> Result<Self, Box<dyn Error>> {
        let auth = makeflags
            .split_whitespace()
            .rev()
            .find_map(|word| word.strip_prefix("--jobserver-auth="));
        let auth = auth.ok_or_else(|| format!("MAKEFLAGS=`{makeflags}` names no jobserver"))?;
        let open = |path: &Path, write: bool| {
            let file = File::options().read(!write).write(write).open(path);
            file.map_err(|error| format!("{}: {error}", path.display()))
        };
        if let Some(path) = auth.strip_prefix("fifo:") {
            let both = File::options().read(true).write(true).open(path);
            let both = both.map_err(|error| format!("{path}: {error}"))?;
            return Ok(Self { read: both.try_clone()?, write: both });
        }
        let (read, write) =
            auth.split_once(',').ok_or_else(|| format!("`{auth}` is no jobserver"))?;
        // Opened again, so that reads block even if another process has set O_NONBLOCK on the
        // inherited ends.
        let own = |number: &str| PathBuf::from(format!("/proc/self/fd/{number}"));
        Ok(Self { read: open(&own(read), false)?, write: open(&own(write), true)? })
    }

    /// Blocks until a token is available.
    fn take(&mut self) -> io::Result<u8> {
        let mut token = [0];
        self.read.read_exact(&mut token)?;
        Ok(token[0])
    }

    fn give_back(&mut self, token: u8) -> io::Result<()> {
        self.write.write_all(&[token])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_uses_the_last_jobserver_in_makeflags() {
        let dir = tempfile::tempdir().unwrap();
        let pool =
            super::super::pool::Pool::new(super::super::pool::Form::Fifo, 2, dir.path()).unwrap();
        let flags = format!(
            "n -j3 --jobserver-auth=98,99 --jobserver-auth=fifo:{}/pool -- A=1",
            dir.path().display()
        );
        let mut connection = Connection::open(&flags).unwrap();
        let token = connection.take().unwrap();
        assert_eq!((token, pool.left().unwrap()), (b'+', 1));
        connection.give_back(token).unwrap();
        assert_eq!(pool.left().unwrap(), 2);
        let cycled = cycle(&mut connection, 100).unwrap();
        assert_eq!((cycled.cycles, cycled.host_cpu_ns, pool.left().unwrap()), (100, 0, 2));
        for bad in ["", "-j3", "--jobserver-auth=x", "--jobserver-auth=998,999"] {
            assert!(Connection::open(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn client_pauses_vary() {
        let spreads: std::collections::BTreeSet<u64> =
            (0..100).map(|round| spread(round, 5000)).collect();
        assert!(spreads.len() == 100 && spreads.iter().all(|&spread| spread < 5000), "{spreads:?}");
    }
}
