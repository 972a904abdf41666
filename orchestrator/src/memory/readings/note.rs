//! What could not be read; each note is reported once. Prints nothing.

use camino::Utf8PathBuf;
use std::collections::BTreeSet;

/// A reading that the build has to do without. Displayed as a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Note {
    #[error("cannot read {path}, so it does not count for the memory budget: {why}")]
    Unreadable { path: Utf8PathBuf, why: String },
    #[error("{path} has an unknown format, so it does not count for the memory budget")]
    Malformed { path: Utf8PathBuf },
    #[error(
        "tender can read neither a memory limit nor the amount of memory; only the number of jobs limits the build"
    )]
    Blind,
    #[error("this build and others do not know of each other's memory: {why}")]
    Alone { why: String },
}

/// Each note once, in the order of their first appearance.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    known: BTreeSet<Note>,
    unreported: Vec<Note>,
}

/// The most notes: an error that differs on every tick must not use up memory.
const MOST: usize = 64;

impl Notes {
    pub fn add(&mut self, note: Note) {
        if self.known.len() < MOST && self.known.insert(note.clone()) {
            self.unreported.push(note);
        }
    }

    /// Takes the notes that were not taken before.
    pub fn take(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.unreported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_taken_once() {
        let mut notes = Notes::default();
        notes.add(Note::Blind);
        notes.add(Note::Blind);
        assert_eq!(notes.take(), [Note::Blind]);
        notes.add(Note::Blind);
        assert_eq!(notes.take(), []);
    }

    #[test]
    fn notes_are_limited() {
        let mut notes = Notes::default();
        (0..1000).for_each(|n| notes.add(Note::Alone { why: n.to_string() }));
        assert_eq!(notes.take().len(), MOST);
    }
}
