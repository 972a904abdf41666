//! Why an item runs again: one value that feeds text, JSON and trace.

use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum RebuildReason {
    /// No record of an earlier build.
    New,
    /// The last attempt failed or was interrupted.
    NotFinished,
    InputChanged {
        path: String,
    },
    InputMissing {
        path: String,
    },
    /// A look-up that failed before would succeed now, so another file may be meant.
    InputAppeared {
        path: String,
    },
    OutputMissing {
        path: String,
    },
    /// Somebody else changed the output.
    OutputChanged {
        path: String,
    },
    /// The crate's own flags, defines, directories or members changed.
    CommandChanged {
        added: Vec<String>,
        removed: Vec<String>,
    },
    ProfileChanged {
        added: Vec<String>,
        removed: Vec<String>,
    },
    /// The public interface of a dependency changed (headers' place, public defines, link requirements).
    DependencyInterface {
        dependency: String,
    },
    /// `tender-worker` or LLVM is another one.
    ToolChanged {
        was: String,
        is: String,
    },
}
