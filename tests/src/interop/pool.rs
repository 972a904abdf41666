//! A pool that a test hosts itself, so that it sees every byte: what a client takes, gives back,
//! loses or adds.

use super::CommandLine;
use crate::features::{Feature, skip};
use crate::space::TestSpace;
use camino::Utf8PathBuf;
use rustix::fs::{Mode, OFlags, mknodat, open};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};

/// A pool of N slots holds N - 1 bytes, of any values.
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

    /// Announced as `--jobserver-auth=fifo:PATH`, as GNU make 4.4 does. The FIFO is in the space,
    /// called `pool`.
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

    /// What a client finds in MAKEFLAGS.
    pub fn makeflags(&self) -> String {
        let auth = match &self.form {
            Form::Pipe => "3,4".to_owned(),
            Form::Fifo(path) => format!("fifo:{path}"),
        };
        format!(" -j{} --jobserver-auth={auth}", self.slots)
    }

    /// The command as a client of this pool. Descriptors 3 and 4 of a pipe are opened for it and
    /// its children alone, and block, as those do that a host hands down.
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

    /// Puts bytes in, as another client does that returns them.
    pub fn put(&self, bytes: &[u8]) {
        assert_eq!(rustix::io::write(&self.write, bytes), Ok(bytes.len()));
    }

    /// Of a pipe whose ends the test closes: whether no other process can write to it, as GNU
    /// make waits for at its end.
    pub fn is_free(self) -> bool {
        assert!(matches!(self.form, Form::Pipe), "a FIFO's read end can write");
        self.drain();
        drop(self.write);
        rustix::io::read(&self.read, &mut [0]) == Ok(0)
    }

    /// Takes all bytes that are in the pool, sorted.
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

/// A character device that can be opened and not read, as the device of a daemon may be that is
/// gone: these need a daemon of theirs, or a program that sets them up. `None` where there is no
/// such device; the test is skipped then.
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
