//! Runs commands and measures their times. Knows nothing about the commands.

use std::error::Error;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// The times of one run.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub wall: Duration,
    /// User and system time of the process and of its reaped descendants.
    pub cpu: Duration,
    /// The user time in `cpu`.
    pub user: Duration,
}

/// Observes running commands at intervals.
pub struct Watch<'a> {
    pub every: Duration,
    /// Gets the process ids of the commands, some of which may have ended.
    pub look: &'a mut (dyn FnMut(&[u32]) + Send),
}

/// Variables that would make a build join a jobserver, or change what it builds.
const DISTURBING: [&str; 12] = [
    "MAKEFLAGS",
    "MFLAGS",
    "GNUMAKEFLAGS",
    "MAKELEVEL",
    "CARGO_MAKEFLAGS",
    "CFLAGS",
    "CXXFLAGS",
    "CC",
    "CXX",
    "NINJAFLAGS",
    "NINJA_STATUS",
    "CCC_OVERRIDE_OPTIONS",
];

/// A command without the disturbing variables.
pub fn command(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    for name in DISTURBING {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"TENDER_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `command` with its output in the file `log`.
///
/// # Errors
/// It cannot be started, or fails; then the message contains the end of its output.
pub fn run(command: Command, log: &Path) -> Result<Taken, Box<dyn Error>> {
    run_together(vec![command], log, None)
}

/// Runs all `commands` at the same time, with their output in the file `log`. The wall time ends
/// with the last one.
///
/// # Errors
/// As `run`, for the first command that fails, after all have ended.
pub fn run_together(
    mut commands: Vec<Command>,
    log: &Path,
    watch: Option<Watch<'_>>,
) -> Result<Taken, Box<dyn Error>> {
    let (wall, ended) = run_all(&mut commands, log, watch)?;
    let (mut user, mut system) = (Duration::ZERO, Duration::ZERO);
    for (command, ended) in commands.iter().zip(ended) {
        if !ended.status.success() {
            let end = end_of(log)?;
            return Err(format!("{:?}: {}\n{end}", command.get_program(), ended.status).into());
        }
        user += ended.user;
        system += ended.system;
    }
    Ok(Taken { wall, cpu: user + system, user })
}

/// Runs a command that may fail, with its output in the file `log`.
///
/// # Errors
/// It cannot be started.
pub fn attempt(
    command: Command,
    log: &Path,
    watch: Option<Watch<'_>>,
) -> Result<(ExitStatus, Taken), Box<dyn Error>> {
    let (wall, ended) = run_all(&mut [command], log, watch)?;
    let Ended { status, user, system } = ended.into_iter().next().ok_or("nothing was run")?;
    Ok((status, Taken { wall, cpu: user + system, user }))
}

/// The last lines of a log.
///
/// # Errors
/// It cannot be read.
pub fn end_of(log: &Path) -> std::io::Result<String> {
    let text = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(20)..].join("\n"))
}

/// Starts all commands and waits for them.
fn run_all(
    commands: &mut [Command],
    log: &Path,
    watch: Option<Watch<'_>>,
) -> Result<(Duration, Vec<Ended>), Box<dyn Error>> {
    let output = File::create(log)?;
    for command in &mut *commands {
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    }
    let start = Instant::now();
    let mut pids = Vec::new();
    let mut cannot_start = None;
    for command in commands {
        match command.spawn() {
            Ok(child) => pids.push(child.id()),
            Err(error) => {
                cannot_start = Some(format!("cannot start {:?}: {error}", command.get_program()));
                break;
            }
        }
    }
    let ended = std::thread::scope(|scope| {
        let (end, ending) = mpsc::channel::<()>();
        if let Some(Watch { every, look }) = watch {
            let pids = &pids;
            scope.spawn(move || {
                while ending.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    look(pids);
                }
            });
        }
        let ended: std::io::Result<Vec<_>> = pids.iter().map(|&pid| wait(pid)).collect();
        drop(end);
        ended
    })?;
    match cannot_start {
        Some(why) => Err(why.into()),
        None => Ok((start.elapsed(), ended)),
    }
}

struct Ended {
    status: ExitStatus,
    user: Duration,
    system: Duration,
}

#[expect(
    unsafe_code,
    reason = "std waits without the resource usage, which only wait4 tells of one child alone"
)]
fn wait(pid: u32) -> std::io::Result<Ended> {
    let mut status = 0;
    // SAFETY: all zeros is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are valid for the call. The child is ours, and no other code waits
        // for it.
        if unsafe { libc::wait4(pid as libc::pid_t, &raw mut status, 0, &raw mut usage) } >= 0 {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    Ok(Ended {
        status: ExitStatus::from_raw(status),
        user: time(usage.ru_utime),
        system: time(usage.ru_stime),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Result<Taken, Box<dyn Error>> {
        let dir = tempfile::tempdir().unwrap();
        let mut command = command(Path::new("sh"), dir.path());
        command.args(["-c", script]);
        run(command, &dir.path().join("log"))
    }

    #[test]
    fn measure_includes_the_time_of_grandchildren() {
        let taken =
            sh("sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done'; true").unwrap();
        assert!(taken.cpu > Duration::from_millis(5), "{taken:?}");
    }

    #[test]
    fn measure_waits_for_and_watches_all_commands() {
        let dir = tempfile::tempdir().unwrap();
        let sleeps = |seconds: &str| {
            let mut command = command(Path::new("sleep"), dir.path());
            command.arg(seconds);
            command
        };
        let mut most = 0;
        let watch = Watch {
            every: Duration::from_millis(5),
            look: &mut |pids| most = most.max(crate::processes::tree(pids).len()),
        };
        let taken =
            run_together(vec![sleeps("0.4"), sleeps("0.2")], &dir.path().join("log"), Some(watch))
                .unwrap();
        assert!(taken.wall >= Duration::from_millis(400), "{taken:?}");
        assert_eq!(most, 2);
    }

    #[test]
    fn measure_attempt_may_fail() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut command = command(Path::new("sh"), dir.path());
        command.args(["-c", "echo output; exit 3"]);
        let (status, _taken) = attempt(command, &log, None).unwrap();
        assert_eq!((status.code(), end_of(&log).unwrap().as_str()), (Some(3), "output"));
    }

    #[test]
    fn measure_failure_shows_the_end_of_the_output() {
        let error = sh("echo broken >&2; exit 3").unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("broken"), "{error}");
    }
}
