//! One thing that is done to a workspace, to its outputs or to the environment of its builds. Knows
//! no workspaces.

use std::fmt::{self, Display, Formatter};

/// Paths are relative to the root of the workspace, and no directory of them is a symbolic link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// A file gets this content, or is made.
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
    /// A file, a symbolic link or a directory; what `to` names is replaced if it is no directory.
    Rename {
        from: String,
        to: String,
    },
    /// Two files or two directories change places; each keeps its times.
    Swap {
        a: String,
        b: String,
    },
    /// A directory goes with all that is in it.
    Remove {
        path: String,
    },
    /// A second name for a file.
    HardLink {
        of: String,
        path: String,
    },
    Symlink {
        path: String,
        target: String,
    },
    /// `@ROOT@` in the value stands for the workspace's directory, `@PATH@` for the `PATH` of the
    /// tests.
    SetVariable {
        name: String,
        value: Option<String>,
    },
    /// Something befalls an output of the last build: the one at `pick` modulo their number, by
    /// name.
    Spoil {
        pick: u64,
        how: Spoiling,
        which: Outputs,
    },
}

/// How a file comes by its new content. What the last seven have in common: its modification time
/// tells nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Writing {
    /// `open(O_TRUNC)`, as most editors and shells.
    InPlace,
    /// Another file is renamed over it.
    Replaced,
    /// It is removed, and made anew.
    Recreated,
    /// As `InPlace`, then the time is set back.
    InPlaceTimeKept,
    /// Bytes are written over others, the file is never truncated; then the time is set back.
    OverwrittenTimeKept,
    /// `cp -p` of a file with the same time.
    CopiedTimeKept,
    /// `mv` of a file with the same time.
    MovedTimeKept,
    /// `rsync -t`: a file beside it, which gets its time and is renamed over it.
    SyncedTimeKept,
    /// Another name of a file elsewhere with the same time is renamed over it.
    LinkedTimeKept,
    /// All files have the first second of 1970 for their time, as in images that can be made again.
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

    /// Other names of the file see the content too.
    pub(super) fn is_in_place(self) -> bool {
        // cp(1) writes into a file that is there.
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
    /// It is touched, and gets the time back that it had.
    AndBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoiling {
    Removed,
    Written,
    /// Its first byte is another one; size and time stay.
    TimeKept,
    Touched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outputs {
    /// Programs, libraries, objects.
    Built,
    /// What `[[generate]]` has written.
    Generated,
}

impl Edit {
    pub(super) fn write(path: &str, content: impl Into<Vec<u8>>, how: Writing) -> Edit {
        Edit::Write { path: path.to_owned(), content: content.into(), how }
    }
}

/// How much of a file is shown, in characters.
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
            Edit::Swap { a, b } => write!(f, "{a} and {b} change places"),
            Edit::Remove { path } => write!(f, "rm -r {path}"),
            Edit::HardLink { of, path } => write!(f, "ln {of} {path}"),
            Edit::Symlink { path, target } => write!(f, "ln -sfn {target} {path}"),
            Edit::SetVariable { name, value: Some(value) } => write!(f, "export {name}={value:?}"),
            Edit::SetVariable { name, value: None } => write!(f, "unset {name}"),
            Edit::Spoil { pick, how, which } => write!(f, "an output ({which:?}, {pick}): {how:?}"),
        }
    }
}
