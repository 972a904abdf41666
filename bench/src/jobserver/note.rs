//! Notes of clients about their tokens, one per line in a shared file: `PID KIND FIGURES...`.

use crate::gaps::{Change, JobEvent};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    pub pid: u32,
    pub kind: NoteKind,
}

/// Times are CLOCK_MONOTONIC in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoteKind {
    /// The client starts to read, has read a token, or is about to return it.
    Token {
        what: JobEvent,
        at_ns: u64,
    },
    /// The client holds all the tokens that it had to take.
    Holds,
    Cycled(Cycled),
}

/// The figures of tokens that were taken and returned one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cycled {
    pub cycles: u64,
    pub wall_ns: u64,
    /// Processor time of the client.
    pub client_cpu_ns: u64,
    /// Processor time of the `tender` above it, if there is one.
    pub host_cpu_ns: u64,
}

/// Appends notes with one write(2) each, so that notes of several clients are not interleaved.
///
/// # Errors
/// The file cannot be written.
pub fn append(file: &Path, notes: &[Note]) -> io::Result<()> {
    let mut out = File::options().create(true).append(true).open(file)?;
    notes.iter().try_for_each(|note| out.write_all(line(note).as_bytes()))
}

/// All complete notes so far; none if there is no file.
///
/// # Errors
/// The file cannot be read.
pub fn read(file: &Path) -> io::Result<Vec<Note>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text.lines().filter_map(parse).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The events of tokens. The client's process id is both row and job.
pub fn changes(notes: &[Note]) -> Vec<Change> {
    let change = |note: &Note| match note.kind {
        NoteKind::Token { what, at_ns } => {
            Some(Change { at_ns, what, row: note.pid, job: note.pid as usize })
        }
        _ => None,
    };
    notes.iter().filter_map(change).collect()
}

fn line(Note { pid, kind }: &Note) -> String {
    match kind {
        NoteKind::Token { what: JobEvent::Waits, at_ns } => format!("{pid} waits {at_ns}\n"),
        NoteKind::Token { what: JobEvent::Takes, at_ns } => format!("{pid} takes {at_ns}\n"),
        NoteKind::Token { what: JobEvent::Returns, at_ns } => format!("{pid} returns {at_ns}\n"),
        NoteKind::Holds => format!("{pid} holds\n"),
        NoteKind::Cycled(Cycled { cycles, wall_ns, client_cpu_ns, host_cpu_ns }) => {
            format!("{pid} cycled {cycles} {wall_ns} {client_cpu_ns} {host_cpu_ns}\n")
        }
    }
}

fn parse(line: &str) -> Option<Note> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [pid, kind, figures @ ..] = &words[..] else { return None };
    let figures: Vec<u64> = figures.iter().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let kind = match (*kind, &figures[..]) {
        ("waits", &[at_ns]) => NoteKind::Token { what: JobEvent::Waits, at_ns },
        ("takes", &[at_ns]) => NoteKind::Token { what: JobEvent::Takes, at_ns },
        ("returns", &[at_ns]) => NoteKind::Token { what: JobEvent::Returns, at_ns },
        ("holds", []) => NoteKind::Holds,
        ("cycled", &[cycles, wall_ns, client_cpu_ns, host_cpu_ns]) => {
            NoteKind::Cycled(Cycled { cycles, wall_ns, client_cpu_ns, host_cpu_ns })
        }
        _ => return None,
    };
    Some(Note { pid: pid.parse().ok()?, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_round_trip() {
        let token = |what| NoteKind::Token { what, at_ns: 17 };
        let cycled = Cycled { cycles: 1, wall_ns: 2, client_cpu_ns: 3, host_cpu_ns: 4 };
        let kinds = [
            token(JobEvent::Waits),
            token(JobEvent::Takes),
            token(JobEvent::Returns),
            NoteKind::Holds,
            NoteKind::Cycled(cycled),
        ];
        let notes = kinds.map(|kind| Note { pid: 7, kind });
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("notes");
        assert_eq!(read(&file).unwrap(), []);
        append(&file, &notes[..2]).unwrap();
        append(&file, &notes[2..]).unwrap();
        assert_eq!(read(&file).unwrap(), notes);
        let change = |what| Change { at_ns: 17, what, row: 7, job: 7 };
        assert_eq!(
            changes(&notes),
            [JobEvent::Waits, JobEvent::Takes, JobEvent::Returns].map(change)
        );
        for bad in ["", "7", "7 waits", "7 waits x", "x holds", "7 holds 1", "7 sleeps 1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
