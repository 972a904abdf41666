//! Errors that end a whole build. A failed item is data, not an error.

use crate::sys::process::Exit;
use camino::Utf8PathBuf;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("failed to start `{program}`: {source}")]
    StartWorker { program: Utf8PathBuf, source: io::Error },

    /// It ended before its greeting. `stderr` is its standard error, with a leading newline, or
    /// empty.
    #[error("`{program}` ended before it was ready ({exit}){stderr}")]
    WorkerUnusable { program: Utf8PathBuf, exit: Exit, stderr: String },

    #[error(
        "`{program}` speaks version {theirs} of the worker protocol and tender speaks version {ours}\n\
         They belong to different versions of tender; install both together, or set TENDER_WORKER."
    )]
    Protocol { program: Utf8PathBuf, theirs: u32, ours: u32 },

    #[error(
        "`{program}` runs with LLVM {theirs} and tender is built for LLVM {ours}\n\
         Install LLVM {ours}, or build tender with the LLVM that is installed."
    )]
    Llvm { program: Utf8PathBuf, theirs: String, ours: u32 },

    #[error("`{program}` does not speak the worker protocol; its first line is: {line}")]
    NotAWorker { program: Utf8PathBuf, line: String },

    #[error("{0}")]
    State(#[from] crate::fingerprint::StateError),

    #[error("failed to set up the jobserver: {source}")]
    Jobserver { source: io::Error },

    #[error("failed to {what}: {source}")]
    System { what: &'static str, source: io::Error },
}

/// For `map_err`: our own FIFOs and the parent's pool.
pub(crate) fn jobserver_error(source: io::Error) -> EngineError {
    EngineError::Jobserver { source }
}

/// For `map_err`: a system call that does not fail on a healthy machine.
pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl Fn(E) -> EngineError {
    move |source| EngineError::System { what, source: source.into() }
}
