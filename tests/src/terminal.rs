//! A pseudo-terminal with a program in its foreground. Does not know what the program does.

use crate::signals;
use rustix::fs::OFlags;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetpgrp, tcsetwinsize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

const ROWS: u16 = 24;

/// The test acts as the terminal and the shell. The program is killed if this is dropped.
pub struct Terminal {
    keyboard_and_screen: File,
    screen: vt100::Parser,
    shown: Vec<u8>,
    /// The end of the part of `shown` that was waited for.
    seen: usize,
    /// Rows whose line has ever wrapped to the next row.
    wrapped: BTreeSet<String>,
    child: Child,
}

impl Terminal {
    /// Starts `command` as the leader of a session on a terminal with `columns` columns. The
    /// terminal is its standard input, output and error.
    pub fn start(columns: u16, command: Command) -> Terminal {
        Terminal::start_with_stderr(columns, command, None)
    }

    /// The same, with another standard error.
    #[expect(unsafe_code, reason = "the new session is made between fork and exec")]
    pub fn start_with_stderr(
        columns: u16,
        mut command: Command,
        stderr: Option<Stdio>,
    ) -> Terminal {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        tcsetwinsize(&ours, Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })
            .unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        // Opened without it, the terminal would become that of a test that leads a session.
        let without_control = OFlags::NOCTTY.bits().cast_signed();
        let end = File::options().read(true).write(true).custom_flags(without_control).open(name);
        let end = end.unwrap();
        command.stdin(end.try_clone().unwrap()).stdout(end.try_clone().unwrap());
        command.stderr(stderr.unwrap_or_else(|| end.into()));
        signals::reset_in(&mut command);
        // SAFETY: two system calls, no allocation.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
            });
        }
        Terminal {
            child: command.spawn().unwrap(),
            keyboard_and_screen: ours.into(),
            screen: vt100::Parser::new(ROWS, columns, 0),
            shown: Vec::new(),
            seen: 0,
            wrapped: BTreeSet::new(),
        }
        // Dropping `command` closes our copies of the terminal, so that reading ends with the
        // program.
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The foreground process group, which gets the signals of keys such as Ctrl-C.
    pub fn foreground(&self) -> Pid {
        tcgetpgrp(&self.keyboard_and_screen).unwrap()
    }

    pub fn types(&mut self, keys: &str) {
        self.keyboard_and_screen.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the program has sent `text` once more.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        loop {
            let rest = &self.shown[self.seen..];
            if let Some(at) = rest.windows(text.len()).position(|window| window == text.as_bytes())
            {
                self.seen += at + text.len();
                return;
            }
            assert!(self.read(), "the end, without {text:?}: {:?}", self.bytes());
        }
    }

    /// Waits until the program is stopped.
    pub fn stops(&self) {
        let status = waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED).unwrap().unwrap();
        assert!(status.stopped());
    }

    /// Waits for the program's end, and reads its output until then.
    pub fn ends(&mut self) -> ExitStatus {
        while self.read() {}
        self.child.wait().unwrap()
    }

    /// All output to the terminal.
    pub fn bytes(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// The text on the screen.
    pub fn screen(&self) -> String {
        self.screen.screen().contents()
    }

    /// Rows that ever had a line that was too long for the screen.
    pub fn wrapped(&self) -> &BTreeSet<String> {
        &self.wrapped
    }

    /// Reads output. Returns false when all programs have closed the terminal.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 1024];
        let n = self.keyboard_and_screen.read(&mut bytes).unwrap_or(0);
        self.shown.extend_from_slice(&bytes[..n]);
        // Checked before each move of the cursor, because the next line may replace this one.
        for piece in bytes[..n].split_inclusive(|byte| b"\r\n".contains(byte)) {
            self.screen.process(piece);
            let screen = self.screen.screen();
            let rows = screen.rows(0, screen.size().1).zip(0..);
            self.wrapped.extend(rows.filter(|(_, n)| screen.row_wrapped(*n)).map(|(row, _)| row));
        }
        n > 0
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
