//! How workers and commands ended. The consequences are decided elsewhere.

use crate::host::EngineError;
use crate::keys::{ItemId, WorkerId};
use crate::sys::process::Exit;
use tender_units::Micros;

#[derive(Debug)]
pub(super) struct WorkerEnd {
    pub(super) worker: WorkerId,
    pub(super) cause: EndCause,
    /// `signal 11, SIGSEGV`, or how it violated the protocol.
    pub(super) how: String,
    /// The last lines on its standard error, each after a newline.
    pub(super) tail: String,
}

#[derive(Debug)]
pub(super) enum EndCause {
    /// Its input was closed, or we killed it for a reason unrelated to its items.
    Dismissed,
    /// It ended before its greeting, and was not killed.
    Unusable(Box<EngineError>),
    /// SIGKILL, from the kernel, from us, or from another process.
    Killed,
    /// An allocation failed.
    AllocationFailed,
    Crashed,
}

#[derive(Debug)]
pub(super) struct CommandEnd {
    pub(super) item: ItemId,
    pub(super) success: bool,
    /// `exit status 1`.
    pub(super) how: String,
    /// A signal that ends the build was passed on to it.
    pub(super) was_interrupted: bool,
    /// What it wrote.
    pub(super) text: String,
    /// How long it ran, microseconds.
    pub(super) wall_us: Micros,
}

/// Whether a worker ended because an allocation failed: without overcommit, or at a limit of
/// address space (`ulimit -v`). LLVM and Rust write a message then, and abort. If there is no
/// memory for a thread's stack, pthread_create(3) reports EAGAIN, as for too many threads; in both
/// cases a retry alone helps.
pub(super) fn allocation_failed(exit: Exit, tail: &str) -> bool {
    let contains = |words: &[&str]| words.iter().any(|words| tail.contains(words));
    match exit {
        Exit::Signal(libc::SIGABRT) => {
            contains(&["LLVM ERROR: out of memory", "memory allocation of ", "std::bad_alloc"])
        }
        Exit::Code(_) => contains(&["cannot start a thread: "]),
        Exit::Signal(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocation_failure_is_distinguished_from_a_crash() {
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
