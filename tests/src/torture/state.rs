//! The outcomes of earlier runs, in a file with a line for each program, so that an interrupted run
//! is continued. Outcomes with other programs under test do not count.

use super::outcome::Outcome;
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::sync::Mutex;

pub(super) struct State {
    known: BTreeMap<String, Outcome>,
    file: Mutex<File>,
}

impl State {
    /// Opens or creates the file. `subject` identifies the programs under test: with another one
    /// the file is emptied.
    pub(super) fn open(path: &Utf8Path, subject: &str) -> State {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines();
        let known: BTreeMap<String, Outcome> = if lines.next() == Some(subject) {
            lines
                .filter_map(Outcome::from_line)
                .map(|outcome| (outcome.name.clone(), outcome))
                .collect()
        } else {
            BTreeMap::new()
        };
        // Written again, so that no line follows an incomplete one.
        let whole = path.with_extension("part");
        let mut file = File::create(&whole).unwrap_or_else(|error| panic!("{whole}: {error}"));
        writeln!(file, "{subject}").unwrap();
        known.values().for_each(|outcome| writeln!(file, "{}", outcome.line()).unwrap());
        fs::rename(&whole, path).unwrap();
        State { known, file: Mutex::new(file) }
    }

    pub(super) fn known(&self, name: &str) -> Option<&Outcome> {
        self.known.get(name)
    }

    pub(super) fn add(&self, outcomes: &[Outcome]) {
        let lines: String = outcomes.iter().map(|outcome| outcome.line() + "\n").collect();
        self.file.lock().unwrap().write_all(lines.as_bytes()).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::Setting;
    use super::super::outcome::What;
    use super::*;

    #[test]
    fn state_of_an_interrupted_run_counts_for_the_same_subject_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("state");
        let outcome = |name: &str| Outcome {
            name: name.into(),
            setting: Setting::of(name),
            what: What::Same { pieces: 2 },
        };
        State::open(&path, "tender 1").add(&[outcome("a"), outcome("b")]);
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        write!(file, "c\t-O2,3,o").unwrap();
        let state = State::open(&path, "tender 1");
        assert_eq!((state.known("a"), state.known("c")), (Some(&outcome("a")), None));
        state.add(&[outcome("c")]);
        let state = State::open(&path, "tender 1");
        assert_eq!(
            (state.known("b"), state.known("c")),
            (Some(&outcome("b")), Some(&outcome("c")))
        );
        assert_eq!(State::open(&path, "tender 2").known("a"), None);
    }
}
