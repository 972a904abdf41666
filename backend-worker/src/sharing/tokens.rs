//! What the preprocessor made of a unit.

use super::standard;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A file, by the name under which it was entered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenFile {
    pub name: String,
    /// The text of the directive that named it first, with its quotes or brackets.
    pub spelled: String,
    /// The file with that directive; itself for the main file.
    pub includer: usize,
    /// It lies in a system directory.
    pub system: bool,
    /// It leaves a setting of the compiler behind, or has a pragma that is not known.
    pub leaves_state: bool,
    /// How often it was entered and yielded tokens.
    pub entries: u32,
    pub tokens: u32,
    /// Of its tokens and pragmas, in order.
    pub hash: u64,
    /// The sum of the hashes of its statements.
    pub statements: u64,
}

/// Tokens of one file without tokens of another between them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenRun {
    pub file: usize,
    /// Where in the file it begins, in bytes.
    pub offset: u32,
    pub tokens: u32,
}

/// A place in a file, by the name under which the file was entered. The offset is in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub offset: u32,
}

/// Two declarations of one type's name, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redeclaration {
    pub first: Place,
    pub later: Place,
}

/// The tokens of a unit by file, and the order in which the files yield them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Tokens {
    pub files: Vec<TokenFile>,
    pub runs: Vec<TokenRun>,
    /// The directories in which included files are looked up, in order.
    pub searched: Vec<String>,
    /// The unit gets debug information, which shows where declarations stand.
    pub shows_places: bool,
    /// What the unit declares that could change templates that were instantiated in the headers.
    pub template_input: Option<String>,
    /// Of what was parsed, not only preprocessed; empty unless places are shown.
    pub redeclarations: Vec<Redeclaration>,
    standard: Vec<bool>,
}

impl Tokens {
    pub fn new(files: Vec<TokenFile>, runs: Vec<TokenRun>, searched: Vec<String>) -> Tokens {
        let mut standard = vec![false; files.len()];
        // A file comes after the one that named it first.
        for (at, file) in files.iter().enumerate() {
            standard[at] = file.system
                && (standard::is_standard(&file.spelled)
                    || (file.includer != at && standard[file.includer]));
        }
        let (shows_places, redeclarations) = (false, Vec::new());
        Tokens {
            files,
            runs,
            searched,
            shows_places,
            redeclarations,
            standard,
            template_input: None,
        }
    }

    /// Whether a file is a standard header, or a part of one.
    pub fn is_standard(&self, file: usize) -> bool {
        self.standard[file]
    }

    /// The runs of all other files.
    pub fn project_runs(&self) -> impl Iterator<Item = &TokenRun> {
        self.runs.iter().filter(|run| !self.standard[run.file])
    }

    /// Whether two runs of two units are the same text.
    pub fn is_same_run(&self, run: &TokenRun, other: &Tokens, of_other: &TokenRun) -> bool {
        let (file, of) = (&self.files[run.file], &other.files[of_other.file]);
        (run.offset, run.tokens) == (of_other.offset, of_other.tokens)
            && file.hash == of.hash
            && file.name == of.name
    }

    /// The first of these pairs of declarations whose later one comes first in this unit. Those in
    /// files that it does not read come before all others.
    pub fn reversed<'a>(&self, pairs: &'a [Redeclaration]) -> Option<&'a Redeclaration> {
        if pairs.is_empty() {
            return None;
        }
        let mut runs: HashMap<&str, Vec<(u32, usize)>> = HashMap::new();
        for (at, run) in self.runs.iter().enumerate() {
            runs.entry(&self.files[run.file].name).or_default().push((run.offset, at));
        }
        let place = |place: &Place| {
            let of = runs.get(place.file.as_str())?;
            let before = of.iter().rev().find(|(offset, _)| *offset <= place.offset);
            Some((before.unwrap_or(&of[0]).1, place.offset))
        };
        pairs.iter().find(|pair| place(&pair.first) > place(&pair.later))
    }

    /// The number of tokens.
    pub fn count(&self) -> u64 {
        self.files.iter().map(|file| u64::from(file.tokens)).sum()
    }
}
