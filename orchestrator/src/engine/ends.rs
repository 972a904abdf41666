//! How workers and commands ended, as facts: what is to follow is decided elsewhere.

use crate::host::EngineError;
use crate::keys::{ItemIx, WorkerId};
use crate::sys::process::Exit;

#[derive(Debug)]
pub(super) struct WorkerEnd {
    pub(super) worker: WorkerId,
    pub(super) cause: EndCause,
    /// `signal 11, SIGSEGV`, or what it did that no worker does.
    pub(super) how: String,
    /// The last lines on its standard error, each after a newline.
    pub(super) tail: String,
}

#[derive(Debug)]
pub(super) enum EndCause {
    /// It was told to close, or we killed it for no fault of its items.
    Dismissed,
    /// It ended before its greeting, and nobody killed it.
    Unusable(Box<EngineError>),
    /// SIGKILL, which the worker did nothing to deserve: from the kernel, from us, or from a person.
    Killed,
    /// An allocation failed.
    AllocationFailed,
    Crashed,
}

#[derive(Debug)]
pub(super) struct CommandEnd {
    pub(super) item: ItemIx,
    pub(super) success: bool,
    /// `exit status 1`.
    pub(super) how: String,
    /// A signal that ends the build was passed on to it.
    pub(super) was_interrupted: bool,
    /// What it wrote.
    pub(super) text: String,
    /// How long it ran, microseconds.
    pub(super) wall_us: u64,
}

/// Whether a worker ended because an allocation failed, as where the system has no memory to
/// promise or a limit on address space is met (`ulimit -v`). Neither LLVM nor Rust can go on then:
/// they say so, and abort. A thread that has no room for its stack is reported as one too many
/// (pthread_create(3)); if it is the number of threads that is limited, running alone is the cure
/// as well.
pub(super) fn allocation_failed(exit: Exit, tail: &str) -> bool {
    let said = |words: &[&str]| words.iter().any(|words| tail.contains(words));
    match exit {
        Exit::Signal(libc::SIGABRT) => {
            said(&["LLVM ERROR: out of memory", "memory allocation of ", "std::bad_alloc"])
        }
        Exit::Code(_) => said(&["cannot start a thread: "]),
        Exit::Signal(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocation_failure_is_told_from_a_crash() {
        let check = |exit: Exit, tail: &str, expect: bool| {
            assert_eq!(allocation_failed(exit, tail), expect, "{tail}")
        };
        let abort = Exit::Signal(libc::SIGABRT);
        check(abort, "\nLLVM ERROR: out of memory\nAllocation failed", true);
        check(abort, "\nmemory allocation of 4096 bytes failed", true);
        check(abort, "\nterminate called after throwing an instance of 'std::bad_alloc'", true);
        check(abort, "\nLLVM ERROR: Cannot select: 0x1", false);
        check(Exit::Signal(libc::SIGSEGV), "\nLLVM ERROR: out of memory", false);
        check(
            Exit::Code(101),
            "\nerror: cannot start a thread: Resource temporarily unavailable",
            true,
        );
        check(Exit::Code(101), "\nerror: cannot read from the orchestrator", false);
    }
}
