//! What could not be read, remembered so that it is said once. Prints nothing.

use camino::Utf8PathBuf;
use std::collections::BTreeSet;

/// Something that the build does without. Reads as a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Note {
    #[error("cannot read {path}, so it does not count for the memory budget: {why}")]
    Unreadable { path: Utf8PathBuf, why: String },
    #[error("{path} is not written as expected, so it does not count for the memory budget")]
    Malformed { path: Utf8PathBuf },
    #[error("no limit and no amount of memory can be read; the build goes by its number of jobs")]
    Blind,
    #[error("other builds are not seen, nor do they see this one: {why}")]
    Alone { why: String },
}

/// Each note once, in the order of their first appearance.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    known: BTreeSet<Note>,
    unsaid: Vec<Note>,
}

/// A reading that fails differently on every tick must not fill the memory it is about.
const MOST: usize = 64;

impl Notes {
    pub fn add(&mut self, note: Note) {
        if self.known.len() < MOST && self.known.insert(note.clone()) {
            self.unsaid.push(note);
        }
    }

    /// Those that were not taken before.
    pub fn take(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.unsaid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_said_once() {
        let mut notes = Notes::default();
        notes.add(Note::Blind);
        notes.add(Note::Blind);
        assert_eq!(notes.take(), [Note::Blind]);
        notes.add(Note::Blind);
        assert_eq!(notes.take(), []);
    }

    #[test]
    fn there_is_an_end_to_them() {
        let mut notes = Notes::default();
        (0..1000).for_each(|n| notes.add(Note::Alone { why: n.to_string() }));
        assert_eq!(notes.take().len(), MOST);
    }
}
