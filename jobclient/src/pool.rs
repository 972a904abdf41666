//! Opens the pool that the environment names, or makes a private one.
//!
//! A pool that is named but cannot be used is not an error of ours: the process then runs one job at a time and says why
//! once. The checks are stricter than those of the `jobserver` crate, because a number in a stale MAKEFLAGS may by now be
//! any open file, which must never be read from or written to.

use crate::makeflags::{Auth, find_auth};
use crate::{Client, ImplicitSlot, Token};
use rustix::fs::{FileType, OFlags, Stat, fcntl_getfl, fstat};
use rustix::io::{FdFlags, fcntl_setfd};
use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A pool of tokens, with this process's own slot still in it.
#[derive(Debug)]
pub struct Pool {
    tokens: jobserver::Client,
    slot: ImplicitSlot,
}

/// What the environment says about a pool.
#[derive(Debug)]
pub enum FromEnv {
    /// A parent shares its slots.
    Inherited(Pool),
    /// No variable names a pool.
    None,
    /// A parent has a pool, but this process cannot join it. Run one job at a time and show the reason once.
    Unusable(Unusable),
}

/// Why a pool that the environment names cannot be used, in words for the user, with the cure.
#[derive(Debug, thiserror::Error)]
#[error("cannot join the jobserver that {variable} names ({auth}): {problem}")]
pub struct Unusable {
    pub variable: &'static str,
    auth: String,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(
        "make does not share its job slots with this command; put `+` before the command in the makefile"
    )]
    Disabled,
    #[error("this is neither `fifo:PATH` nor `R,W`; unset {0}, or let make set it")]
    Unknown(&'static str),
    #[error(
        "file descriptor {0} is not open; put `+` before the command in the makefile, \
         or have the program between make and this one pass it on"
    )]
    Closed(i32),
    #[error(
        "file descriptor {0} is not an end of a pipe for this use but something else that was opened since; \
         put `+` before the command in the makefile"
    )]
    Reused(i32),
    #[error("{0} is no FIFO; let make create it, or unset {1}")]
    NotAFifo(String, &'static str),
    #[error("cannot open {0} ({1}); is the make that created it still running?")]
    Open(String, io::Error),
}

impl Pool {
    /// Looks for a pool in the environment that `env` reads, which is that of the process outside tests.
    ///
    /// CARGO_MAKEFLAGS comes first where its pool can be opened, as in the `jobserver` crate, but a broken one does not
    /// hide a good MAKEFLAGS. MFLAGS, which make writes beside MAKEFLAGS, is read only if that names no pool.
    ///
    /// The crate opens a pool only by the name it finds in the *process's* environment, so CARGO_MAKEFLAGS is set to the
    /// chosen name for the moment of the call and restored after it. Call this before the process has other threads:
    /// C code that reads the environment at that moment in another thread would race with the change.
    ///
    /// O_NONBLOCK is never set on an inherited pipe, because every process that shares the pipe would get it. Inherited
    /// descriptors become close-on-exec, so that no child keeps the pool open by accident.
    pub fn from_env(env: &dyn Fn(&str) -> Option<OsString>) -> FromEnv {
        let find = |variable: &'static str| {
            let auth = find_auth(&env(variable)?)?;
            Some((variable, auth))
        };
        let candidates = [find("CARGO_MAKEFLAGS"), find("MAKEFLAGS").or_else(|| find("MFLAGS"))];
        let mut first_refusal = None;
        for (variable, auth) in candidates.into_iter().flatten() {
            match open(variable, &auth) {
                Ok(tokens) => return FromEnv::Inherited(Pool { tokens, slot: ImplicitSlot::new() }),
                Err(problem) => {
                    let auth = describe(&auth);
                    first_refusal.get_or_insert(Unusable { variable, auth, problem });
                }
            }
        }
        first_refusal.map_or(FromEnv::None, FromEnv::Unusable)
    }

    /// Makes a pool for this process alone, of `jobs` slots with its own among them.
    ///
    /// Errors where no pipe can be made. More slots than a pipe holds bytes by default (65 536) are of no use to threads
    /// of one process, so there are never more.
    pub fn private(jobs: u32) -> io::Result<Pool> {
        let beyond_our_own = jobs.saturating_sub(1).min(65_536);
        let tokens = jobserver::Client::new(beyond_our_own as usize)?;
        Ok(Pool { tokens, slot: ImplicitSlot::new() })
    }

    /// Starts the helper thread. Each token that was wished for is passed to `deliver`, on that thread.
    ///
    /// The slot comes out here, and only here, because the pool is used up.
    pub fn start(
        self,
        deliver: impl FnMut(io::Result<Token>) + Send + 'static,
    ) -> io::Result<(Client, ImplicitSlot)> {
        Ok((Client::start(self.tokens, deliver)?, self.slot))
    }
}

fn open(variable: &'static str, auth: &Auth) -> Result<jobserver::Client, Problem> {
    match auth {
        Auth::Disabled => Err(Problem::Disabled),
        Auth::Unknown(_) => Err(Problem::Unknown(variable)),
        Auth::Fifo(path) => open_fifo(variable, path),
        Auth::Descriptors { read, write } => open_descriptors(*read, *write),
    }
}

fn open_fifo(variable: &'static str, path: &Path) -> Result<jobserver::Client, Problem> {
    let shown = path.display().to_string();
    let is_fifo = match rustix::fs::stat(path) {
        Ok(stat) => is_fifo_or_device(&stat),
        Err(error) => return Err(Problem::Open(shown, error.into())),
    };
    match path.to_str() {
        Some(path) if is_fifo => {
            open_by_name(&format!("fifo:{path}")).map_err(|error| Problem::Open(shown, error))
        }
        _ => Err(Problem::NotAFifo(shown, variable)),
    }
}

fn open_descriptors(read: i32, write: i32) -> Result<jobserver::Client, Problem> {
    let stat_of_read = check_end(read, OFlags::RDONLY)?;
    let stat_of_write = check_end(write, OFlags::WRONLY)?;
    // Both ends of a pipe have its inode, so two unrelated pipes under the old numbers are found out.
    if (stat_of_read.st_dev, stat_of_read.st_ino) != (stat_of_write.st_dev, stat_of_write.st_ino) {
        return Err(Problem::Reused(write));
    }
    let client = open_by_name(&format!("{read},{write}"))
        .map_err(|error| Problem::Open(format!("file descriptors {read} and {write}"), error))?;
    for number in [read, write] {
        // A failure only means that a child might inherit the descriptor, as it would have without us.
        let _ = fcntl_setfd(borrow(number), FdFlags::CLOEXEC);
    }
    Ok(client)
}

/// Refuses a number that is not an open end of a pipe, or of a device that acts as one, for reading or writing as `access`.
fn check_end(number: i32, access: OFlags) -> Result<Stat, Problem> {
    let stat = fstat(borrow(number)).map_err(|_| Problem::Closed(number))?;
    let flags = fcntl_getfl(borrow(number)).map_err(|_| Problem::Closed(number))?;
    let mode = flags & OFlags::RWMODE;
    if is_fifo_or_device(&stat) && (mode == access || mode == OFlags::RDWR) {
        Ok(stat)
    } else {
        Err(Problem::Reused(number))
    }
}

/// Pools behind a character device are those of CUSE daemons, which take the role of a FIFO.
fn is_fifo_or_device(stat: &Stat) -> bool {
    matches!(FileType::from_raw_mode(stat.st_mode), FileType::Fifo | FileType::CharacterDevice)
}

#[expect(unsafe_code, reason = "a number from the environment has no owner in this process")]
fn borrow(number: i32) -> BorrowedFd<'static> {
    // SAFETY: the number is not negative, and is used for one system call each time, which fails if it is not open.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Opens a pool through the crate, which takes names from the process's environment only.
#[expect(
    unsafe_code,
    reason = "the crate takes descriptors on trust, and the environment belongs to all threads"
)]
fn open_by_name(auth: &str) -> io::Result<jobserver::Client> {
    const VARIABLE: &str = "CARGO_MAKEFLAGS";
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = std::env::var_os(VARIABLE);
    // SAFETY: std serialises its own accesses; `Pool::from_env` asks to be called before there are threads of C code.
    // The descriptors were checked to be ends of one pipe.
    let found = unsafe {
        std::env::set_var(VARIABLE, format!(" --jobserver-auth={auth}"));
        let found = jobserver::Client::from_env_ext(false);
        match before {
            Some(value) => std::env::set_var(VARIABLE, value),
            None => std::env::remove_var(VARIABLE),
        }
        found
    };
    found.client.map_err(io::Error::other)
}

fn describe(auth: &Auth) -> String {
    match auth {
        Auth::Fifo(path) => format!("fifo:{}", path.display()),
        Auth::Descriptors { read, write } => format!("{read},{write}"),
        Auth::Disabled => "a negative descriptor".to_owned(),
        Auth::Unknown(value) => format!("`{}`", value.to_string_lossy()),
    }
}
