//! A pool of the benchmark itself, as GNU make would create it, so that the benchmark sees when all
//! tokens are back.

use super::now_ns;
use crate::measure;
use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As in make before 4.4.
    Pipe,
    /// As in make since 4.4.
    Fifo,
}

#[derive(Debug)]
pub struct Pool {
    read: OwnedFd,
    write: OwnedFd,
    /// `None` for a pipe.
    path: Option<PathBuf>,
    tokens: u32,
}

impl Pool {
    /// A pool of `tokens` tokens, which is one slot more. A FIFO is created in `dir`, whose path
    /// must not contain blanks.
    ///
    /// # Errors
    /// The pipe or FIFO cannot be created.
    pub fn new(form: Form, tokens: u32, dir: &Path) -> io::Result<Self> {
        let (read, write, path) = match form {
            Form::Pipe => {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                (read, write, None)
            }
            Form::Fifo => {
                let path = dir.join("pool");
                if path.exists() {
                    std::fs::remove_file(&path)?;
                }
                mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR)?;
                // Opened for both, so that neither call waits for the other end.
                let end = || open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
                (end()?, end()?, Some(path))
            }
        };
        rustix::io::write(&write, &vec![b'+'; tokens as usize])?;
        Ok(Self { read, write, path, tokens })
    }

    /// A command that is a client of the pool.
    pub fn command(&self, words: &[&OsStr], dir: &Path) -> Command {
        let auth =
            self.path.as_ref().map_or("3,4".to_owned(), |path| format!("fifo:{}", path.display()));
        let mut command = match self.path {
            Some(_) => measure::command(Path::new(words[0]), dir),
            None => {
                // The shell opens the two ends, blocking, and then becomes the command.
                let ours = format!("/proc/{}/fd", std::process::id());
                let (read, write) = (self.read.as_raw_fd(), self.write.as_raw_fd());
                let mut command = measure::command(Path::new("sh"), dir);
                command.args([
                    "-c",
                    &format!("exec \"$@\" 3<{ours}/{read} 4>{ours}/{write}"),
                    "sh",
                ]);
                command.arg(words[0]);
                command
            }
        };
        command.args(&words[1..]);
        command.env("MAKEFLAGS", format!(" -j{} --jobserver-auth={auth}", self.tokens + 1));
        command
    }

    /// How many tokens are in the pool.
    ///
    /// # Errors
    /// The pool cannot be queried.
    pub fn left(&self) -> io::Result<u32> {
        Ok(rustix::io::ioctl_fionread(&self.read)? as u32)
    }

    /// Waits until `left` tokens are in the pool, and returns the time; `None` after `patience`.
    ///
    /// # Errors
    /// The pool cannot be queried.
    pub fn wait_for(&self, left: u32, patience: Duration) -> io::Result<Option<u64>> {
        let deadline_ns = now_ns() + patience.as_nanos() as u64;
        loop {
            let now = now_ns();
            if self.left()? == left {
                return Ok(Some(now));
            }
            if now > deadline_ns {
                return Ok(None);
            }
            // Short compared with the measured times, and long enough to leave the core to the
            // processes that return tokens.
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_is_found_by_clients() {
        let dir = tempfile::tempdir().unwrap();
        for form in [Form::Pipe, Form::Fifo] {
            let pool = Pool::new(form, 3, dir.path()).unwrap();
            assert_eq!(pool.left().unwrap(), 3);
            let script = match form {
                Form::Pipe => {
                    "test \"$MAKEFLAGS\" = ' -j4 --jobserver-auth=3,4' && head -c2 <&3 && printf + >&4"
                }
                Form::Fifo => {
                    "head -c2 < \"${MAKEFLAGS##*fifo:}\" && printf + > \"${MAKEFLAGS##*fifo:}\""
                }
            };
            let words = ["sh", "-c", script].map(OsStr::new);
            assert!(
                pool.command(&words, dir.path()).output().unwrap().status.success(),
                "{form:?}"
            );
            assert_eq!(pool.left().unwrap(), 2, "{form:?}");
            assert!(pool.wait_for(2, Duration::ZERO).unwrap().is_some());
            assert_eq!(pool.wait_for(3, Duration::ZERO).unwrap(), None);
        }
    }
}
