//! Opens the pool that the environment names, or creates a private one.
//!
//! A pool that cannot be joined is not an error: the process then runs one job at a time and shows
//! the reason once. The checks are stricter than those of the `jobserver` crate: a descriptor
//! number in a stale MAKEFLAGS may belong to any open file by now, and that must be neither read
//! nor written.

use crate::makeflags::{Auth, find_auth, find_descriptors, find_job_count};
use crate::{Client, ImplicitSlot, Token};
use rustix::fs::{FileType, Mode, OFlags, Stat, fcntl_getfl, fstat, major};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::termios::isatty;
use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A pool of tokens and this process's implicit slot, before its helper thread is started.
#[derive(Debug)]
pub struct Pool {
    tokens: jobserver::Client,
    slot: ImplicitSlot,
    job_count: Option<u32>,
    /// None for a private pool.
    auth: Option<Auth>,
}

/// Both ends of a pool's pipe.
#[derive(Debug)]
pub struct Ends {
    pub read: OwnedFd,
    pub write: OwnedFd,
}

/// What the environment names.
#[derive(Debug)]
pub enum FromEnv {
    /// A parent's pool, which this process has joined.
    Inherited(Pool),
    /// No variable names a pool.
    None,
    /// A parent's pool that this process cannot join. The caller runs one job at a time and shows
    /// the reason once.
    Unusable(Unusable),
}

/// Why the process cannot join a pool, as a message for the user that says what to do.
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
    #[error("{0} is not a FIFO; let make create it, or unset {1}")]
    NotAFifo(String, &'static str),
    #[error("cannot open {0} ({1}); is the make that created it still running?")]
    Open(String, io::Error),
}

impl Pool {
    /// Opens the pool that the environment names. `env` reads a variable; outside tests it is the
    /// process's environment.
    ///
    /// CARGO_MAKEFLAGS is tried first, as in the `jobserver` crate, but if its pool cannot be
    /// opened, MAKEFLAGS is tried next. MFLAGS, which make sets together with MAKEFLAGS, is read
    /// only if MAKEFLAGS names no pool.
    ///
    /// The crate takes the name of a pool only from the *process's* environment. So CARGO_MAKEFLAGS
    /// is set to the chosen name during the call and restored after it. Call this before the
    /// process has other threads: C code that reads the environment in another thread would race
    /// with the change.
    ///
    /// O_NONBLOCK is never set on an inherited pipe, because it would hold for every process that
    /// shares the pipe. Inherited descriptors of all named pools become close-on-exec, so that no
    /// child keeps one open by accident.
    pub fn from_env(env: &dyn Fn(&str) -> Option<OsString>) -> FromEnv {
        close_on_exec(env);
        let find = |variable: &'static str| {
            let flags = env(variable)?;
            Some((variable, find_auth(&flags)?, find_job_count(&flags)))
        };
        let candidates = [find("CARGO_MAKEFLAGS"), find("MAKEFLAGS").or_else(|| find("MFLAGS"))];
        let mut first_refusal = None;
        for (variable, auth, job_count) in candidates.into_iter().flatten() {
            match open(variable, &auth) {
                Ok(tokens) => {
                    let (slot, auth) = (ImplicitSlot::new(), Some(auth));
                    return FromEnv::Inherited(Pool { tokens, slot, job_count, auth });
                }
                Err(problem) => {
                    let auth = describe(&auth);
                    first_refusal.get_or_insert(Unusable { variable, auth, problem });
                }
            }
        }
        first_refusal.map_or(FromEnv::None, FromEnv::Unusable)
    }

    /// Creates a pool of `jobs` slots for this process alone. Its implicit slot is one of them.
    ///
    /// A pipe holds 65 536 bytes by default, so there are never more tokens than that. One process
    /// has no use for more.
    ///
    /// # Errors
    /// No pipe can be created.
    pub fn private(jobs: u32) -> io::Result<Pool> {
        let tokens = jobserver::Client::new(jobs.saturating_sub(1).min(65_536) as usize)?;
        Ok(Pool { tokens, slot: ImplicitSlot::new(), job_count: Some(jobs), auth: None })
    }

    /// The two ends of the pool's pipe, for a caller that does not use a [`Client`]. None if the
    /// pool is no pipe, or is private to this process.
    ///
    /// Other processes may share the open file descriptions, so the caller must not change their
    /// flags.
    ///
    /// # Errors
    /// The pool does not exist any more.
    pub fn open_ends(&self) -> io::Result<Option<Ends>> {
        let ends = match &self.auth {
            Some(Auth::Fifo(path)) => {
                if !is_fifo(&rustix::fs::stat(path)?) {
                    return Ok(None);
                }
                let open = |access| rustix::fs::open(path, access | OFlags::CLOEXEC, Mode::empty());
                // open(2) for reading alone would wait for a writer.
                let read = open(OFlags::RDWR)?;
                Ends { read, write: open(OFlags::WRONLY)? }
            }
            Some(Auth::Descriptors { read, .. }) if !is_fifo(&fstat(borrow(*read))?) => {
                return Ok(None);
            }
            Some(Auth::Descriptors { read, write }) => Ends {
                read: fcntl_dupfd_cloexec(borrow(*read), 3)?,
                write: fcntl_dupfd_cloexec(borrow(*write), 3)?,
            },
            _ => return Ok(None),
        };
        Ok(Some(ends))
    }

    /// The implicit slot, for a caller that uses the ends.
    pub fn into_slot(self) -> ImplicitSlot {
        self.slot
    }

    /// How many slots the pool has, as MAKEFLAGS gives it. The implicit slot counts. `None` if
    /// MAKEFLAGS does not say. How many of them other processes use is unknown.
    pub fn job_count(&self) -> Option<u32> {
        self.job_count
    }

    /// Starts the helper thread, which passes each requested token to `deliver`.
    ///
    /// The implicit slot is returned here, once, because this consumes the pool.
    ///
    /// # Errors
    /// The thread cannot be started.
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
    let may_be_pool = match rustix::fs::stat(path) {
        Ok(stat) => may_be_pool(&stat),
        Err(error) => return Err(Problem::Open(shown, error.into())),
    };
    match path.to_str() {
        Some(path) if may_be_pool => {
            open_by_name(&format!("fifo:{path}")).map_err(|error| Problem::Open(shown, error))
        }
        _ => Err(Problem::NotAFifo(shown, variable)),
    }
}

fn open_descriptors(read: i32, write: i32) -> Result<jobserver::Client, Problem> {
    let stat_of_read = check_end(read, OFlags::RDONLY)?;
    let stat_of_write = check_end(write, OFlags::WRONLY)?;
    // Both ends of a pipe have the same inode. Two unrelated pipes under the old numbers have not.
    if (stat_of_read.st_dev, stat_of_read.st_ino) != (stat_of_write.st_dev, stat_of_write.st_ino) {
        return Err(Problem::Reused(write));
    }
    open_by_name(&format!("{read},{write}"))
        .map_err(|error| Problem::Open(format!("file descriptors {read} and {write}"), error))
}

/// Makes the descriptors of all named pools close-on-exec, whether their pool is chosen or not. At
/// its end make waits for every process that has its pipe open, such as a server that a command
/// left running.
fn close_on_exec(env: &dyn Fn(&str) -> Option<OsString>) {
    for flags in ["CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS"].into_iter().filter_map(env) {
        for (read, write) in find_descriptors(&flags) {
            for (number, access) in [(read, OFlags::RDONLY), (write, OFlags::WRONLY)] {
                // If the number belongs to another file by now, that file may be meant for the
                // child.
                if check_end(number, access).is_ok() {
                    // An error is ignored: then a child inherits the descriptor, as it would
                    // without us.
                    let _ = fcntl_setfd(borrow(number), FdFlags::CLOEXEC);
                }
            }
        }
    }
}

/// The highest number of a standard stream. No jobserver has its pool on a standard stream.
const STDERR: i32 = 2;

/// Checks that a number is an open descriptor of a pipe, or of a device that acts as one, which can
/// be read or written as `access` says.
fn check_end(number: i32, access: OFlags) -> Result<Stat, Problem> {
    if number < 0 {
        return Err(Problem::Disabled);
    }
    let stat = fstat(borrow(number)).map_err(|_| Problem::Closed(number))?;
    let flags = fcntl_getfl(borrow(number)).map_err(|_| Problem::Closed(number))?;
    let mode = flags & OFlags::RWMODE;
    let is_for_it = mode == access || mode == OFlags::RDWR;
    if number > STDERR && may_be_pool(&stat) && is_for_it && !isatty(borrow(number)) {
        Ok(stat)
    } else {
        Err(Problem::Reused(number))
    }
}

/// Whether it may hold tokens: a FIFO, or a character device of a daemon (CUSE) that acts as one.
fn may_be_pool(stat: &Stat) -> bool {
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    is_fifo(stat) || (is_device && !NO_POOLS.contains(&major(stat.st_rdev)))
}

/// Major numbers of devices that are never a pool: memory devices such as /dev/null and /dev/zero,
/// then terminals and pseudo-terminals. A stale number belongs to one of these most often.
const NO_POOLS: [u32; 11] = [1, 4, 5, 136, 137, 138, 139, 140, 141, 142, 143];

fn is_fifo(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Fifo
}

#[expect(unsafe_code, reason = "a number from the environment has no owner in this process")]
fn borrow(number: i32) -> BorrowedFd<'static> {
    // SAFETY: the number is not negative, and is used for one system call each time, which fails if
    // it is not open.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Opens a pool with the crate, which takes the name only from the process's environment.
fn open_by_name(auth: &str) -> io::Result<jobserver::Client> {
    open_while_locked(auth, &ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Held while CARGO_MAKEFLAGS is changed.
static ENVIRONMENT: Mutex<()> = Mutex::new(());

#[expect(
    unsafe_code,
    clippy::disallowed_methods,
    reason = "the crate takes descriptors on trust, and the environment belongs to all threads"
)]
fn open_while_locked(auth: &str, _: &MutexGuard<'_, ()>) -> io::Result<jobserver::Client> {
    const VARIABLE: &str = "CARGO_MAKEFLAGS";
    let before = std::env::var_os(VARIABLE);
    // SAFETY: std serialises its own accesses; `Pool::from_env` asks to be called before there are
    // threads of C code. The descriptors were checked to be ends of one pipe.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
    use rustix::pipe::{PipeFlags, pipe_with};
    use rustix::pty::OpenptFlags;
    use std::collections::HashMap;
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::sync::mpsc;

    /// A pool as GNU make has it before 4.4: a pipe with a byte for each token.
    struct Pipe {
        read: OwnedFd,
        write: OwnedFd,
    }

    impl Pipe {
        fn new(tokens: usize) -> Pipe {
            let (read, write) = pipe_with(PipeFlags::empty()).unwrap();
            rustix::io::write(&write, &vec![b'+'; tokens]).unwrap();
            Pipe { read, write }
        }

        fn auth(&self) -> String {
            format!("{},{}", self.read.as_raw_fd(), self.write.as_raw_fd())
        }

        fn unread(&self) -> u64 {
            rustix::io::ioctl_fionread(&self.read).unwrap()
        }
    }

    /// A pool as GNU make has it since 4.4.
    struct Fifo {
        path: PathBuf,
        ends: File,
        _directory: tempfile::TempDir,
    }

    impl Fifo {
        fn new(tokens: usize) -> Fifo {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("fifo");
            mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
            let mut ends = File::options().read(true).write(true).open(&path).unwrap();
            ends.write_all(&vec![b'+'; tokens]).unwrap();
            Fifo { path, ends, _directory: directory }
        }

        fn auth(&self) -> String {
            format!("fifo:{}", self.path.display())
        }
    }

    fn from_env(variables: &[(&str, &str)]) -> FromEnv {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        Pool::from_env(&|name| variables.get(name).map(OsString::from))
    }

    fn refusal(variables: &[(&str, &str)]) -> String {
        match from_env(variables) {
            FromEnv::Unusable(why) => why.to_string(),
            other => panic!("{variables:?} gives {other:?}"),
        }
    }

    fn flags(auth: &str) -> String {
        format!(" -j4 --jobserver-auth={auth}")
    }

    /// Acquires every token of the pool, counts them, and releases them.
    fn count(found: FromEnv) -> usize {
        let FromEnv::Inherited(pool) = found else { panic!("{found:?}") };
        let (arrivals, arrived) = mpsc::channel();
        let tokens = pool.tokens.available().unwrap();
        let (client, _slot) = pool.start(move |token| drop(arrivals.send(token.unwrap()))).unwrap();
        client.request(tokens as u32);
        let held: Vec<Token> = arrived.iter().take(tokens).collect();
        held.len()
    }

    #[test]
    fn pool_is_none_without_a_variable() {
        assert!(matches!(from_env(&[]), FromEnv::None));
        assert!(matches!(from_env(&[("MAKEFLAGS", "k -j1"), ("MFLAGS", "-k")]), FromEnv::None));
    }

    #[test]
    fn pool_joins_pipe_and_fifo_and_leaves_them_unchanged() {
        let (pipe, mut fifo) = (Pipe::new(3), Fifo::new(2));
        assert_eq!(count(from_env(&[("MAKEFLAGS", &flags(&pipe.auth()))])), 3);
        assert_eq!(pipe.unread(), 3);
        assert_eq!(count(from_env(&[("MFLAGS", &flags(&fifo.auth()))])), 2);
        fifo.ends.read_exact(&mut [0; 2]).unwrap();
    }

    #[test]
    fn pool_keeps_an_inherited_pipe_blocking_and_close_on_exec() {
        let pipe = Pipe::new(1);
        assert_eq!(count(from_env(&[("MAKEFLAGS", &flags(&pipe.auth()))])), 1);
        for end in [&pipe.read, &pipe.write] {
            assert!(!fcntl_getfl(end).unwrap().contains(OFlags::NONBLOCK));
            assert_eq!(rustix::io::fcntl_getfd(end).unwrap(), FdFlags::CLOEXEC);
        }
    }

    #[test]
    fn pool_joins_a_nonblocking_pipe() {
        let pipe = Pipe::new(2);
        rustix::fs::fcntl_setfl(&pipe.read, OFlags::NONBLOCK).unwrap();
        assert_eq!(count(from_env(&[("MAKEFLAGS", &flags(&pipe.auth()))])), 2);
        assert!(fcntl_getfl(&pipe.read).unwrap().contains(OFlags::NONBLOCK));
    }

    #[test]
    fn pool_prefers_cargo_makeflags_unless_it_is_broken() {
        let (ours, makes) = (Pipe::new(3), Pipe::new(1));
        let makeflags = flags(&makes.auth());
        let both = |auth: &str| {
            count(from_env(&[("CARGO_MAKEFLAGS", &flags(auth)), ("MAKEFLAGS", &makeflags)]))
        };
        assert_eq!(both(&ours.auth()), 3);
        for broken in ["fifo:/nowhere/at/all", "nonsense", "-2,-2", "900001,900002"] {
            assert_eq!(both(broken), 1, "{broken}");
        }
        assert_eq!(count(from_env(&[("CARGO_MAKEFLAGS", "-j"), ("MAKEFLAGS", &makeflags)])), 1);
    }

    #[test]
    fn pool_ignores_mflags_if_makeflags_is_disabled() {
        let pipe = Pipe::new(1);
        let disabled = format!("{} --jobserver-auth=-2,-2", flags(&pipe.auth()));
        let why = refusal(&[("MAKEFLAGS", &disabled), ("MFLAGS", &flags(&pipe.auth()))]);
        assert_eq!(
            why,
            "cannot join the jobserver that MAKEFLAGS names (a negative descriptor): make does not share its job slots \
             with this command; put `+` before the command in the makefile"
        );
    }

    #[test]
    fn pool_error_names_the_problem_and_the_cure() {
        let file = tempfile::tempfile().unwrap();
        let regular = file.as_raw_fd();
        let (one, two) = (Pipe::new(1), Pipe::new(1));
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().to_str().unwrap();
        let end = |fd: &OwnedFd| fd.as_raw_fd();
        for (auth, expect) in [
            ("900001,900002".to_owned(), "file descriptor 900001 is not open; put `+`".to_owned()),
            (
                format!("{regular},{regular}"),
                format!("file descriptor {regular} is not an end of a pipe"),
            ),
            // Writing into the read end, and two pipes that are not one pool.
            (
                format!("{},{}", end(&one.read), end(&one.read)),
                format!("file descriptor {} is not", end(&one.read)),
            ),
            (
                format!("{},{}", end(&one.read), end(&two.write)),
                format!("file descriptor {} is not", end(&two.write)),
            ),
            ("3;4".to_owned(), "this is neither `fifo:PATH` nor `R,W`; unset MAKEFLAGS".to_owned()),
            (
                "fifo:/nowhere/at/all".to_owned(),
                "cannot open /nowhere/at/all (No such file".to_owned(),
            ),
            (format!("fifo:{directory}"), format!("{directory} is not a FIFO")),
        ] {
            let why = refusal(&[("MAKEFLAGS", &flags(&auth))]);
            assert!(why.contains(&format!("): {expect}")), "{auth}: {why}");
        }
        assert_eq!((one.unread(), two.unread()), (1, 1));
    }

    /// A read of one of these would change its state, or wait.
    #[test]
    fn pool_does_not_touch_files_that_are_no_pool() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"++++").unwrap();
        file.seek(SeekFrom::Start(1)).unwrap();
        let (socket, mut peer) = UnixStream::pair().unwrap();
        peer.write_all(b"++++").unwrap();
        let terminal = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&terminal).unwrap();
        rustix::pty::unlockpt(&terminal).unwrap();
        let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let flags_of_user = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let of_user = rustix::fs::open(&name, flags_of_user, Mode::empty()).unwrap();
        // A line of input that is waiting.
        rustix::io::write(&terminal, b"+++\n").unwrap();
        let device = |path: &str| File::options().read(true).write(true).open(path).unwrap();
        let (null, full) = (device("/dev/null"), device("/dev/full"));
        for number in [
            file.as_raw_fd(),
            socket.as_raw_fd(),
            of_user.as_raw_fd(),
            terminal.as_raw_fd(),
            null.as_raw_fd(),
            full.as_raw_fd(),
            0,
            1,
            2,
        ] {
            let why = refusal(&[("MAKEFLAGS", &flags(&format!("{number},{number}")))]);
            assert!(
                why.contains(&format!("file descriptor {number} is not an end of a pipe")),
                "{why}"
            );
        }
        for path in ["/dev/null", "/dev/full", "/dev/ptmx", &name] {
            let why = refusal(&[("MAKEFLAGS", &flags(&format!("fifo:{path}")))]);
            assert!(why.contains(&format!("{path} is not a FIFO")), "{why}");
        }
        assert_eq!(file.stream_position().unwrap(), 1);
        assert_eq!(rustix::io::ioctl_fionread(&socket).unwrap(), 4);
        let mut line = [0; 8];
        assert_eq!(
            (rustix::io::read(&of_user, &mut line).unwrap(), &line[..4]),
            (4, &b"+++\n"[..])
        );
    }

    #[test]
    fn pool_that_is_not_chosen_becomes_close_on_exec_too() {
        let chosen = Pipe::new(0);
        let is_kept = |fd: &OwnedFd| rustix::io::fcntl_getfd(fd).unwrap() == FdFlags::CLOEXEC;
        let check = |variables: &dyn Fn(&str) -> Vec<(&'static str, String)>| {
            let of_make = Pipe::new(1);
            let variables = variables(&of_make.auth());
            let variables: Vec<(&str, &str)> =
                variables.iter().map(|(name, v)| (*name, v.as_str())).collect();
            from_env(&variables);
            assert!(is_kept(&of_make.read) && is_kept(&of_make.write), "{variables:?}");
        };
        check(&|auth| vec![("CARGO_MAKEFLAGS", flags(&chosen.auth())), ("MAKEFLAGS", flags(auth))]);
        check(&|auth| vec![("MAKEFLAGS", flags("fifo:/nowhere/at/all")), ("MFLAGS", flags(auth))]);
        check(&|auth| vec![("MAKEFLAGS", format!("{} --jobserver-auth=-2,-2", flags(auth)))]);
        check(&|auth| {
            vec![("MAKEFLAGS", format!(" --jobserver-fds={auth} --jobserver-auth=fifo:/nowhere"))]
        });

        // One end is closed.
        let of_make = Pipe::new(1);
        let write = of_make.write.as_raw_fd();
        assert!(refusal(&[("MAKEFLAGS", &flags(&format!("900001,{write}")))]).contains("900001"));
        assert!(is_kept(&of_make.write));

        // A file that is no pool may be meant for a child.
        let file = tempfile::tempfile().unwrap();
        rustix::io::fcntl_setfd(&file, FdFlags::empty()).unwrap();
        let number = file.as_raw_fd();
        refusal(&[("MAKEFLAGS", &flags(&format!("{number},{number}")))]);
        assert_eq!(rustix::io::fcntl_getfd(&file).unwrap(), FdFlags::empty());
    }

    /// A device may end or fail at any time. These do at once.
    #[test]
    fn pool_reports_its_end_or_failure_once() {
        for (device, expect) in [
            ("/dev/null", io::ErrorKind::UnexpectedEof),
            // A read at offset 0 fails with EIO.
            (
                "/proc/self/mem",
                io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()).kind(),
            ),
        ] {
            let tokens = open_by_name(&format!("fifo:{device}")).unwrap();
            let (arrivals, arrived) = mpsc::channel();
            let client = Client::start(tokens, move |token| drop(arrivals.send(token))).unwrap();
            client.request(2);
            assert_eq!(arrived.recv().unwrap().unwrap_err().kind(), expect, "{device}");
            drop(client);
            assert!(arrived.recv().is_err(), "the second request ended with the pool");
        }
    }

    #[test]
    fn pool_has_ends_only_if_it_is_a_pipe() {
        let (pipe, fifo) = (Pipe::new(0), Fifo::new(0));
        let ends = |auth: Option<Auth>| {
            let tokens = jobserver::Client::new(0).unwrap();
            Pool { tokens, slot: ImplicitSlot::new(), job_count: None, auth }.open_ends().unwrap()
        };
        let descriptors = |fd: &dyn AsRawFd| {
            Some(Auth::Descriptors { read: fd.as_raw_fd(), write: fd.as_raw_fd() })
        };
        assert!(ends(descriptors(&pipe.read)).is_some());
        assert!(ends(Some(Auth::Fifo(fifo.path.clone()))).is_some());
        // splice(2) from a device may wait or fail.
        assert!(ends(descriptors(&File::open("/dev/null").unwrap())).is_none());
        assert!(ends(Some(Auth::Fifo("/dev/null".into()))).is_none());
        assert!(ends(None).is_none());
    }

    #[test]
    fn pool_restores_the_environment() {
        let pipe = Pipe::new(1);
        let guard = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::env::var_os("CARGO_MAKEFLAGS");
        assert!(open_while_locked(&pipe.auth(), &guard).is_ok());
        assert_eq!(std::env::var_os("CARGO_MAKEFLAGS"), before);
    }

    #[test]
    fn pool_private_holds_one_token_less_than_jobs() {
        for (jobs, tokens) in [(0, 0), (1, 0), (4, 3), (u32::MAX, 65_536)] {
            assert_eq!(Pool::private(jobs).unwrap().tokens.available().unwrap(), tokens);
        }
    }

    proptest! {
        #[test]
        fn pool_from_any_environment_does_not_panic(
            makeflags in "[kn]{0,2}( -j[0-9]{0,3})?( --jobserver-(auth|fds)=(fifo:)?[-/,a-z0-9]{0,12}){0,3}( --.{0,9})?",
            cargo in proptest::option::of("--jobserver-auth=.{0,12}"),
        ) {
            let found = Pool::from_env(&|name| match name {
                "MAKEFLAGS" => Some(OsString::from(&makeflags)),
                "CARGO_MAKEFLAGS" => cargo.as_ref().map(OsString::from),
                _ => None,
            });
            if let FromEnv::Unusable(why) = found {
                prop_assert!(why.to_string().starts_with("cannot join the jobserver that "));
            }
        }
    }
}
