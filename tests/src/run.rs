//! The output and the exit of a program.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fmt::{self, Display, Formatter};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Output};

#[derive(Clone, Debug)]
pub struct Run {
    /// The command line, for messages.
    pub command: String,
    pub status: ExitStatus,
    /// Bytes that are not UTF-8 are replaced.
    pub stdout: String,
    pub stderr: String,
    /// The directory of the space, for `redacted`.
    pub(crate) root: String,
}

/// A running program, which is killed if this is dropped.
pub struct Started {
    pub(crate) child: Child,
    pub(crate) line: String,
    pub(crate) root: String,
}

impl Started {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The pids of its children.
    pub fn children(&self) -> Vec<u32> {
        let pid = self.pid();
        let text =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn signal(&self, signal: Signal) {
        // An error is ignored: it may have ended.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Run {
        let (mut out, mut err) =
            (self.child.stdout.take().unwrap(), self.child.stderr.take().unwrap());
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).map(|_| bytes)
        });
        let mut stderr = Vec::new();
        err.read_to_end(&mut stderr).unwrap();
        let stdout = reader.join().unwrap().unwrap();
        let status = self.child.wait().unwrap();
        Run::new(self.line.clone(), Output { status, stdout, stderr }, self.root.clone())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One line `Dirty KRATE (UNIT): REASON` of `-v`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rebuild {
    pub krate: String,
    /// A source relative to the workspace root, a library or program by name, or a command.
    pub unit: String,
    pub reason: String,
}

impl Run {
    pub(crate) fn new(command: String, output: Output, root: String) -> Run {
        Run {
            command,
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            root,
        }
    }

    #[track_caller]
    pub fn expect_ok(self) -> Run {
        self.expect_code(0)
    }

    #[track_caller]
    pub fn expect_code(self, code: i32) -> Run {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    #[track_caller]
    pub fn expect_signal(self, signal: i32) -> Run {
        assert_eq!(self.status.signal(), Some(signal), "{self}");
        self
    }

    /// Expects each of `texts` in standard error.
    #[track_caller]
    pub fn expect_stderr(self, texts: &[&str]) -> Run {
        for text in texts {
            assert!(self.stderr.contains(text), "no {text:?} on standard error:\n{self}");
        }
        self
    }

    /// Expects that nothing was compiled, linked or generated, according to standard error.
    #[track_caller]
    pub fn expect_nothing_done(self) -> Run {
        for line in self.stderr.lines() {
            let verb = line.split_whitespace().next().unwrap_or_default();
            let work =
                ["Compiling", "Checking", "Archiving", "Linking", "Generating", "Dirty", "Running"];
            assert!(!work.contains(&verb), "something was done:\n{self}");
        }
        self
    }

    /// The items that were rebuilt according to `-v`, sorted.
    pub fn rebuilt(&self) -> Vec<Rebuild> {
        let dirty = self.stderr.lines().filter_map(|line| line.trim_start().strip_prefix("Dirty "));
        let mut all: Vec<Rebuild> = dirty
            .map(|line| {
                let (krate, rest) = line.split_once(" (").expect("Dirty KRATE (UNIT): REASON");
                let (unit, reason) = rest.split_once("): ").expect("Dirty KRATE (UNIT): REASON");
                Rebuild { krate: krate.into(), unit: unit.into(), reason: reason.into() }
            })
            .collect();
        all.sort();
        all
    }

    /// The values in standard output of `--message-format json`, one on each line.
    #[track_caller]
    pub fn messages(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}\n{self}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// Standard error with `[ROOT]` for the directory of the space and `[TIME]` for durations, for
    /// comparing whole texts.
    pub fn redacted(&self) -> String {
        redact_times(&self.stderr.replace(&self.root, "[ROOT]"))
    }
}

impl Display for Run {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Run { command, status, stdout, stderr, .. } = self;
        write!(f, "`{command}`: {status}\n-- stdout\n{stdout}-- stderr\n{stderr}--")
    }
}

/// `0.12s`, `2m 03s` and the like: a word that is a number and a unit, and words of that kind that
/// follow it.
fn redact_times(text: &str) -> String {
    let is_time = |word: &str| {
        let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &word[number.len()..];
        ["h", "m", "s", "ms"].contains(&unit) && number.parse::<f64>().is_ok()
    };
    let mut out = String::new();
    let mut after_time = false;
    for word in text.split_inclusive([' ', '\n']) {
        let bare = word.trim_end_matches([' ', '\n']);
        let end = &word[bare.len()..];
        if is_time(bare) {
            if after_time {
                out.truncate(out.len() - 1);
            } else {
                out += "[TIME]";
            }
            out += end;
        } else {
            out += word;
        }
        after_time = is_time(bare) && end == " ";
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_redacted() {
        let check = |text: &str, expect: &str| assert_eq!(redact_times(text), expect);
        check("Finished in 0.12s\n", "Finished in [TIME]\n");
        check(
            "took 1h 02m 03s, or so",
            "took 1h 02m 03s, or so".replace("1h 02m", "[TIME]").as_str(),
        );
        check("in 2m 03s\nnext", "in [TIME]\nnext");
        check("5 files is ms", "5 files is ms");
    }

    #[test]
    fn reasons_are_read() {
        let run = Run {
            command: String::new(),
            status: ExitStatus::from_raw(0),
            stdout: String::new(),
            stderr: "   Dirty zip (sh a (b).sh): the file a (b).sh has changed\n   Built x\n"
                .into(),
            root: String::new(),
        };
        let expect = Rebuild {
            krate: "zip".into(),
            unit: "sh a (b).sh".into(),
            reason: "the file a (b).sh has changed".into(),
        };
        assert_eq!(run.rebuilt(), [expect]);
    }
}
