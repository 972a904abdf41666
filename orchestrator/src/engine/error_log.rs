//! The standard error of a worker: its last lines, for the report of a crash, and the lines that
//! were not shown yet. LLVM and linkers may write any amount, so both are bounded.

use crate::sys::lines::{LineBuffer, LineTooLong};
use crate::sys::pipe;
use std::collections::VecDeque;
use std::os::fd::AsFd;

/// How many of the last lines are kept.
const TAIL: usize = 40;

/// The longest line, bytes. The rest of a longer line is dropped.
const LONGEST_LINE: usize = 16 << 10;

/// The most bytes of lines that wait to be shown.
const MOST_UNSEEN: usize = 1 << 20;

pub(super) struct ErrorLog {
    lines: LineBuffer,
    unseen: Vec<String>,
    /// The size of these lines, bytes.
    unseen_bytes: usize,
    tail: VecDeque<String>,
}

impl ErrorLog {
    pub(super) fn new() -> ErrorLog {
        ErrorLog {
            lines: LineBuffer::new(LONGEST_LINE),
            unseen: Vec::new(),
            unseen_bytes: 0,
            tail: VecDeque::new(),
        }
    }

    /// Reads what is available in `pipe`. Returns whether there may be more. An error of the pipe
    /// is treated as its end. The end of the process is reported by its pidfd.
    pub(super) fn read(&mut self, pipe: impl AsFd) -> bool {
        let more = pipe::read_available(pipe, |bytes| self.lines.push(bytes));
        for line in self.lines.take_lines() {
            let cut =
                |LineTooLong { start, .. }| format!("{start} (the rest of the line is left out)");
            self.add(line.unwrap_or_else(cut));
        }
        more.unwrap_or(false)
    }

    fn add(&mut self, line: String) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.clone());
        if self.unseen_bytes >= MOST_UNSEEN {
            return;
        }
        // An empty line takes memory too.
        self.unseen_bytes += line.len() + size_of::<String>();
        let is_full = self.unseen_bytes >= MOST_UNSEEN;
        self.unseen.push(if is_full {
            "(the rest of the output is left out)".to_owned()
        } else {
            line
        });
    }

    /// Takes the lines that were not taken before.
    pub(super) fn take_unseen(&mut self) -> Vec<String> {
        self.unseen_bytes = 0;
        std::mem::take(&mut self.unseen)
    }

    /// The last lines, each after a newline.
    pub(super) fn tail(&mut self) -> String {
        if let Some(rest) = self.lines.take_rest() {
            self.add(rest);
        }
        self.tail.iter().flat_map(|line| ["\n", line]).collect()
    }
}
