//! Results of an item.

use crate::{ItemId, PlanId};
use serde::{Deserialize, Serialize};
use tender_units::{Bytes, Micros};

/// How an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Ok,
    /// Diagnostics give the reason.
    Failed,
    /// Not run, because the plan was cancelled or an item before it failed.
    Skipped,
}

/// The state of a file. If it is unchanged, the file counts as unchanged without being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Bytes.
    pub size: u64,
    /// Last change of the content, nanoseconds since the epoch. Programs can set it, as `cp -p`,
    /// `tar` and `rsync -t` do.
    pub mtime_ns: i64,
    /// Last change of content, name, mode or links, nanoseconds since the epoch. Programs cannot
    /// set it (inode(7)).
    pub ctime_ns: i64,
    /// Number of the inode. It tells a file that was renamed over another one, where the times may
    /// be the same.
    pub inode: u64,
}

impl FileStamp {
    /// The later of both times: the last time that the file was touched, even if a program has set
    /// `mtime_ns` back.
    pub fn latest_ns(&self) -> i64 {
        self.mtime_ns.max(self.ctime_ns)
    }
}

/// A file that the item read, in its state at that time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// A path that ends in `/` is a directory; the names of its entries count.
    pub path: String,
    #[serde(flatten)]
    pub stamp: FileStamp,
    /// blake3, 64 hexadecimal digits. Of a file: the hash of the bytes that were read. Of a
    /// directory: the hash of the word `directory`; if its path ends in `/`, of the names of its
    /// entries, sorted by their bytes, each followed by a zero byte.
    pub hash: String,
}

/// A file whose modification time is part of an output (`__TIMESTAMP__`), and that time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileTime {
    pub path: String,
    /// Seconds since the epoch.
    pub mtime_s: i64,
}

/// A precompiled header or module that the item used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precompiled {
    pub path: String,
    /// Paths of the files that it was made from. All are among the item's inputs.
    pub made_from: Vec<String>,
    /// Whether these files are unchanged since it was made.
    pub current: bool,
}

/// A file that the item wrote and renamed to its final name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    pub path: String,
    #[serde(flatten)]
    pub stamp: FileStamp,
    /// blake3, 64 hexadecimal digits.
    pub hash: String,
}

/// The result of an item, sent once at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemReport {
    pub plan: PlanId,
    pub item: ItemId,
    pub outcome: Outcome,
    /// Time of the end: CLOCK_MONOTONIC, microseconds.
    pub at_us: Micros,
    /// Wall time from start to finish, microseconds.
    pub wall_us: Micros,
    /// Time on job slots, summed over all parts, microseconds; 0 if it equals `wall_us`.
    #[serde(default)]
    pub busy_us: Micros,
    /// Peak of live allocations, bytes: of the item's beginning or of the join of its pieces,
    /// whichever is larger. 0 if unknown.
    #[serde(default)]
    pub peak_bytes: Bytes,
    /// Peak of live allocations of the piece with the highest peak, bytes; 0 if there was no piece.
    #[serde(default)]
    pub piece_peak_bytes: Bytes,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputFile>,
    /// Paths that were looked up and not found. A file that appears at one of them may be used
    /// instead of the one that was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Names of environment variables that the result was found to depend on. Variables that matter
    /// to every item of a kind are not listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Paths of the programs that the item ran, and of the libraries that belong to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dated: Vec<FileTime>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub precompiled: Vec<Precompiled>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputFile>,
}

/// A kind of work. The names are those of the trace file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    Translate,
    Cut,
    Optimise,
    Serialise,
    Thinlink,
    Backend,
    Emit,
    Join,
    Archive,
    Link,
    Generate,
}

/// What became of headers that several units share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result", deny_unknown_fields)]
pub enum HeaderUse {
    /// A `ShareHeaders` parsed them, a set for each group.
    Made { groups: Vec<HeaderGroup> },
    /// A unit was compiled with them.
    Used,
    /// A unit was compiled without them, and why: a sentence without a full stop.
    NotUsed { why: String },
}

/// Headers that were parsed once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderGroup {
    /// How many of the units that were looked at include them first.
    pub units: u32,
    /// How many files were read.
    pub files: u32,
    pub bytes: Bytes,
}

/// A finished interval of an item's work on a job slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    pub plan: PlanId,
    pub item: ItemId,
    pub phase: PhaseName,
    pub slot: u32,
    /// The number of the codegen unit, from 0, if the unit was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgu: Option<u32>,
    /// The unit that the code comes from, if it is not the item's own: set for backends of
    /// link-time optimisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// CLOCK_MONOTONIC, microseconds.
    pub start_us: Micros,
    pub dur_us: Micros,
}

/// Severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Remark,
    Note,
    Warning,
    Error,
}

/// One message with its notes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub level: Level,
    /// The text without file, line and notes.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// From 1; 0 if there is none.
    #[serde(default)]
    pub line: u32,
    #[serde(default)]
    pub column: u32,
    /// The text that users see: with source lines, carets and notes, in colour (ANSI).
    pub rendered: String,
}
