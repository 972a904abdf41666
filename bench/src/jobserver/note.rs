//! What clients note of their tokens, a line each in a file that they share: `PID KIND FIGURES...`.

use crate::gaps::{Change, What};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    pub pid: u32,
    pub kind: Kind,
}

/// Times are CLOCK_MONOTONIC in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It begins to read, has read a token, or is about to return it.
    Token {
        what: What,
        at_ns: u64,
    },
    /// It holds all the tokens that it was to take.
    Holds,
    Cycled(Cycled),
}

/// Tokens that were taken and returned at once, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cycled {
    pub cycles: u64,
    pub wall_ns: u64,
    /// Of the client itself.
    pub client_cpu_ns: u64,
    /// Of the `tender` above it, if there is one.
    pub host_cpu_ns: u64,
}

/// Appends notes in one call each, so that those of others are never in their midst.
///
/// # Errors
/// The file cannot be written.
pub fn append(file: &Path, notes: &[Note]) -> io::Result<()> {
    let mut out = File::options().create(true).append(true).open(file)?;
    notes.iter().try_for_each(|note| out.write_all(line(note).as_bytes()))
}

/// All whole notes so far; none if there is no file.
pub fn read(file: &Path) -> io::Result<Vec<Note>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text.lines().filter_map(parse).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What became of tokens, the clients' numbers being rows and jobs.
pub fn changes(notes: &[Note]) -> Vec<Change> {
    let change = |note: &Note| match note.kind {
        Kind::Token { what, at_ns } => {
            Some(Change { at_ns, what, row: note.pid, job: note.pid as usize })
        }
        _ => None,
    };
    notes.iter().filter_map(change).collect()
}

fn line(Note { pid, kind }: &Note) -> String {
    match kind {
        Kind::Token { what: What::Waits, at_ns } => format!("{pid} waits {at_ns}\n"),
        Kind::Token { what: What::Takes, at_ns } => format!("{pid} takes {at_ns}\n"),
        Kind::Token { what: What::Returns, at_ns } => format!("{pid} returns {at_ns}\n"),
        Kind::Holds => format!("{pid} holds\n"),
        Kind::Cycled(Cycled { cycles, wall_ns, client_cpu_ns, host_cpu_ns }) => {
            format!("{pid} cycled {cycles} {wall_ns} {client_cpu_ns} {host_cpu_ns}\n")
        }
    }
}

fn parse(line: &str) -> Option<Note> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [pid, kind, figures @ ..] = &words[..] else { return None };
    let figures: Vec<u64> = figures.iter().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let kind = match (*kind, &figures[..]) {
        ("waits", &[at_ns]) => Kind::Token { what: What::Waits, at_ns },
        ("takes", &[at_ns]) => Kind::Token { what: What::Takes, at_ns },
        ("returns", &[at_ns]) => Kind::Token { what: What::Returns, at_ns },
        ("holds", []) => Kind::Holds,
        ("cycled", &[cycles, wall_ns, client_cpu_ns, host_cpu_ns]) => {
            Kind::Cycled(Cycled { cycles, wall_ns, client_cpu_ns, host_cpu_ns })
        }
        _ => return None,
    };
    Some(Note { pid: pid.parse().ok()?, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_are_written() {
        let token = |what| Kind::Token { what, at_ns: 17 };
        let cycled = Cycled { cycles: 1, wall_ns: 2, client_cpu_ns: 3, host_cpu_ns: 4 };
        let kinds = [
            token(What::Waits),
            token(What::Takes),
            token(What::Returns),
            Kind::Holds,
            Kind::Cycled(cycled),
        ];
        let notes = kinds.map(|kind| Note { pid: 7, kind });
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("notes");
        assert_eq!(read(&file).unwrap(), []);
        append(&file, &notes[..2]).unwrap();
        append(&file, &notes[2..]).unwrap();
        assert_eq!(read(&file).unwrap(), notes);
        let change = |what| Change { at_ns: 17, what, row: 7, job: 7 };
        assert_eq!(changes(&notes), [What::Waits, What::Takes, What::Returns].map(change));
        for bad in ["", "7", "7 waits", "7 waits x", "x holds", "7 holds 1", "7 sleeps 1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
