//! One change of a workspace, of its outputs, or of the environment of its builds. Knows no
//! workspaces.

use std::fmt::{self, Display, Formatter};

/// Paths are relative to the root of the workspace, and none of their directories is a symbolic
/// link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// Writes a file, which may be new.
    Write {
        path: String,
        content: Vec<u8>,
        how: Writing,
    },
    SetTime {
        path: String,
        time: Time,
    },
    /// The nine bits of chmod(2).
    SetMode {
        path: String,
        mode: u32,
    },
    /// Renames a file, a symbolic link or a directory. Replaces `to` if it is not a directory.
    Rename {
        from: String,
        to: String,
    },
    /// Exchanges two files or two directories; each keeps its times.
    Swap {
        a: String,
        b: String,
    },
    /// Removes it; a directory with its contents.
    Remove {
        path: String,
    },
    /// Makes a hard link to a file.
    HardLink {
        of: String,
        path: String,
    },
    Symlink {
        path: String,
        target: String,
    },
    /// In the value, `@ROOT@` stands for the workspace's directory, and `@PATH@` for the `PATH` of
    /// the tests.
    SetVariable {
        name: String,
        value: Option<String>,
    },
    /// Changes an output of the last build: the one at `pick` modulo their number, by name.
    Spoil {
        pick: u64,
        how: Spoiling,
        which: Outputs,
    },
}

/// How the new content is written. With the last seven, the modification time does not show the
/// change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Writing {
    /// `open(O_TRUNC)`, as by most editors and shells.
    InPlace,
    /// Another file is renamed over it.
    Replaced,
    /// It is removed and created again.
    Recreated,
    /// As `InPlace`, then the time is set back.
    InPlaceTimeKept,
    /// Bytes are overwritten without truncation; then the time is set back.
    OverwrittenTimeKept,
    /// By `cp -p` from a file with the same time.
    CopiedTimeKept,
    /// By `mv` of a file with the same time.
    MovedTimeKept,
    /// By `rsync -t`: a temporary file gets its time and is renamed over it.
    SyncedTimeKept,
    /// A hard link to another file with the same time is renamed over it.
    LinkedTimeKept,
    /// All files get the time of 1 January 1970, as in reproducible images.
    ConstantTime,
}

impl Writing {
    pub(super) const PLAIN: [Writing; 3] =
        [Writing::InPlace, Writing::Replaced, Writing::Recreated];
    pub(super) const TIME_KEPT: [Writing; 7] = [
        Writing::InPlaceTimeKept,
        Writing::OverwrittenTimeKept,
        Writing::CopiedTimeKept,
        Writing::MovedTimeKept,
        Writing::SyncedTimeKept,
        Writing::LinkedTimeKept,
        Writing::ConstantTime,
    ];

    /// Other names of the file have the new content too.
    pub(super) fn is_in_place(self) -> bool {
        // cp(1) writes into an existing file.
        matches!(
            self,
            Writing::InPlace
                | Writing::InPlaceTimeKept
                | Writing::OverwrittenTimeKept
                | Writing::CopiedTimeKept
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    Now,
    /// Seconds since the epoch.
    At(i64),
    /// Seconds from now.
    Ahead(i64),
    /// It is touched, and then its time is set back.
    AndBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoiling {
    Removed,
    Written,
    /// Its first byte is changed; size and time stay.
    TimeKept,
    Touched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outputs {
    /// Programs, libraries, objects.
    Built,
    /// Outputs of `[[generate]]`.
    Generated,
}

impl Edit {
    pub(super) fn write(path: &str, content: impl Into<Vec<u8>>, how: Writing) -> Edit {
        Edit::Write { path: path.to_owned(), content: content.into(), how }
    }
}

/// How many characters of a file are shown.
const SHOWN: usize = 300;

impl Display for Edit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Edit::Write { path, content, how } => {
                let start: String = String::from_utf8_lossy(content).chars().take(SHOWN).collect();
                write!(f, "{how:?} {path}: {start:?}")
            }
            Edit::SetTime { path, time } => write!(f, "time of {path}: {time:?}"),
            Edit::SetMode { path, mode } => write!(f, "chmod {mode:o} {path}"),
            Edit::Rename { from, to } => write!(f, "mv {from} {to}"),
            Edit::Swap { a, b } => write!(f, "exchange {a} and {b}"),
            Edit::Remove { path } => write!(f, "rm -r {path}"),
            Edit::HardLink { of, path } => write!(f, "ln {of} {path}"),
            Edit::Symlink { path, target } => write!(f, "ln -sfn {target} {path}"),
            Edit::SetVariable { name, value: Some(value) } => write!(f, "export {name}={value:?}"),
            Edit::SetVariable { name, value: None } => write!(f, "unset {name}"),
            Edit::Spoil { pick, how, which } => write!(f, "an output ({which:?}, {pick}): {how:?}"),
        }
    }
}
