//! A pool that a test hosts, so that it can count every byte that a client takes, returns, loses or
//! adds.

use super::CommandLine;
use crate::features::{Feature, skip};
use crate::space::TestSpace;
use camino::Utf8PathBuf;
use rustix::fs::{Mode, OFlags, mknodat, open};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};

/// A pool of N slots has N - 1 bytes, of any values.
#[derive(Debug)]
pub struct Pool {
    read: OwnedFd,
    write: OwnedFd,
    form: Form,
    slots: usize,
}

#[derive(Debug)]
enum Form {
    Pipe,
    Fifo(Utf8PathBuf),
}

impl Pool {
    /// Announced as `--jobserver-auth=R,W`, as GNU make 4.3 and cargo do.
    pub fn pipe(bytes: &[u8]) -> Pool {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        Pool::filled(read, write, Form::Pipe, bytes)
    }

    /// Announced as `--jobserver-auth=fifo:PATH`, as GNU make 4.4 does. The FIFO is `pool` in the
    /// space.
    pub fn fifo(space: &TestSpace, bytes: &[u8]) -> Pool {
        let path = space.path("pool");
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(rustix::fs::CWD, path.as_std_path(), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let read = open(path.as_std_path(), flags, Mode::empty()).unwrap();
        let write = open(path.as_std_path(), flags, Mode::empty()).unwrap();
        Pool::filled(read, write, Form::Fifo(path), bytes)
    }

    fn filled(read: OwnedFd, write: OwnedFd, form: Form, bytes: &[u8]) -> Pool {
        assert_eq!(rustix::io::write(&write, bytes), Ok(bytes.len()));
        Pool { read, write, form, slots: bytes.len() + 1 }
    }

    /// The value of MAKEFLAGS for clients.
    pub fn makeflags(&self) -> String {
        let auth = match &self.form {
            Form::Pipe => "3,4".to_owned(),
            Form::Fifo(path) => format!("fifo:{path}"),
        };
        format!(" -j{} --jobserver-auth={auth}", self.slots)
    }

    /// The command as a client of this pool. The descriptors 3 and 4 of a pipe are opened for it
    /// and its children only, and are blocking, as those of a real host.
    pub fn around(&self, line: CommandLine) -> CommandLine {
        let flags = format!("MAKEFLAGS={}", self.makeflags());
        let line = line.under(["env", &flags]);
        match self.form {
            Form::Fifo(_) => line,
            Form::Pipe => {
                let directory = format!("/proc/{}/fd", std::process::id());
                let (read, write) = (self.read.as_raw_fd(), self.write.as_raw_fd());
                let script = format!("exec \"$@\" 3<{directory}/{read} 4>{directory}/{write}");
                line.under(["sh", "-c", &script, "sh"])
            }
        }
    }

    /// How many bytes are in the pool now.
    pub fn left(&self) -> usize {
        rustix::io::ioctl_fionread(&self.read).expect("it is a pipe") as usize
    }

    /// Writes bytes, as another client that returns tokens.
    pub fn put(&self, bytes: &[u8]) {
        assert_eq!(rustix::io::write(&self.write, bytes), Ok(bytes.len()));
    }

    /// Closes the test's ends of the pipe. Returns whether no other process can write to it, which
    /// GNU make waits for at its end.
    pub fn is_free(self) -> bool {
        assert!(matches!(self.form, Form::Pipe), "a FIFO's read end can write");
        self.drain();
        drop(self.write);
        rustix::io::read(&self.read, &mut [0]) == Ok(0)
    }

    /// Takes all bytes of the pool, sorted.
    pub fn drain(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(&self.read, &mut buffer) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) => break,
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) => panic!("the pool cannot be read: {error}"),
            }
        }
        bytes.sort_unstable();
        bytes
    }
}

/// A character device that can be opened and not read, like a device whose daemon has ended: it
/// needs a daemon, or a program that configures it. `None` if there is no such device; then a skip
/// is reported.
pub fn failing_device() -> Option<&'static str> {
    let fails = |path: &&str| {
        let opened = File::options().read(true).write(true).open(path);
        opened.is_ok_and(|mut device| device.read(&mut [0]).is_err())
    };
    let found =
        ["/dev/fuse", "/dev/loop-control", "/dev/net/tun", "/dev/kvm"].into_iter().find(fails);
    if found.is_none() {
        skip(Feature::FailingDevice, "no character device can be opened and not read");
    }
    found
}
