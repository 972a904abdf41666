//! What the preprocessor made of a unit.

use super::standard;

/// A file, by the name under which it was entered.
#[derive(Clone, Debug, Default, PartialEq)]
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenRun {
    pub file: usize,
    /// Where in the file it begins, in bytes.
    pub offset: u32,
    pub tokens: u32,
}

/// The tokens of a unit by file, and the order in which the files yield them.
#[derive(Debug, Default)]
pub struct Tokens {
    pub files: Vec<TokenFile>,
    pub runs: Vec<TokenRun>,
    /// The directories in which included files are looked up, in order.
    pub searched: Vec<String>,
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
        Tokens { files, runs, searched, standard }
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

    /// The number of tokens.
    pub fn count(&self) -> u64 {
        self.files.iter().map(|file| u64::from(file.tokens)).sum()
    }
}
