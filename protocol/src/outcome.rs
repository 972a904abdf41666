//! What came of an item.

use crate::{ItemId, PlanId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Ok,
    /// Said why in diagnostics.
    Failed,
    /// Not run: cancelled, or an item it comes after failed.
    Skipped,
}

/// What makes a file the same as before without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Bytes.
    pub size: u64,
    /// Last change of the content, nanoseconds since the epoch. Any program can set it: `cp -p`,
    /// `tar` and `rsync -t` do.
    pub mtime_ns: i64,
    /// Last change of content, name, mode or links, nanoseconds since the epoch. No program can set
    /// it (inode(7)).
    pub ctime_ns: i64,
    /// Number of the inode. What was put in the place of a file has another one, where a rename
    /// leaves the times alone.
    pub inode: u64,
}

impl FileStamp {
    /// The later of both times: the file was last touched then, whatever its modification time
    /// claims.
    pub fn latest_ns(&self) -> i64 {
        self.mtime_ns.max(self.ctime_ns)
    }
}

/// A file that the item read, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// One that ends in `/` is a directory of which the names of the entries count.
    pub path: String,
    #[serde(flatten)]
    pub stamp: FileStamp,
    /// blake3, 64 hexadecimal digits: of the bytes that were read; of a directory of the word
    /// `directory`, or of the names of its entries, sorted by their bytes, each with a zero behind
    /// it.
    pub hash: String,
}

/// A file whose time of change went into an output (`__TIMESTAMP__`), and that time.
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
    /// Paths of the files that it was made from, all of them among the item's inputs.
    pub made_from: Vec<String>,
    /// These are as they were when it was made.
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemReport {
    pub plan: PlanId,
    pub item: ItemId,
    pub outcome: Outcome,
    /// CLOCK_MONOTONIC, microseconds.
    pub at_us: u64,
    /// Wall time from start to finish, microseconds.
    pub wall_us: u64,
    /// Time on job slots, pieces included, microseconds; 0 where it is the same as `wall_us`.
    #[serde(default)]
    pub busy_us: u64,
    /// Peak of live allocations on the thread of the item's beginning, which for most items is all
    /// of it, or of the join of its pieces, bytes; 0 where it is not known.
    #[serde(default)]
    pub peak_bytes: u64,
    /// The same of the piece that needed most; 0 if there was none.
    #[serde(default)]
    pub piece_peak_bytes: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputFile>,
    /// Paths that were looked for and not found: one that appears may shadow what was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Names of environment variables on whose values the result turned out to depend. Those that
    /// matter to every item of a kind are not told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Programs that the item ran, by path, with the libraries that came with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dated: Vec<FileTime>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub precompiled: Vec<Precompiled>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputFile>,
}

/// The names are those of the trace file.
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

/// One finished stretch of an item's time on a job slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    pub plan: PlanId,
    pub item: ItemId,
    pub phase: PhaseName,
    pub slot: u32,
    /// The codegen unit, from 0, where the unit was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgu: Option<u32>,
    /// The unit that the code is from, where it is not the item's own: a backend of link-time
    /// optimisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// CLOCK_MONOTONIC, microseconds.
    pub start_us: u64,
    pub dur_us: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Remark,
    Note,
    Warning,
    Error,
}

/// One message with its notes, as clang prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub level: Level,
    /// The text alone.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// From 1; 0 where there is none.
    #[serde(default)]
    pub line: u32,
    #[serde(default)]
    pub column: u32,
    /// As shown to people, with its source lines, carets and notes, in colour (ANSI).
    pub rendered: String,
}
