//! Standard error for reports: each text in one write, with or without colours.
//!
//! One write for each text, so that output of other processes on the same terminal never splits a
//! line. Errors of writing are ignored: a build does not fail because the reader has closed the
//! stream.

use crate::report::diagnostic::plain;
use std::io::Write;

pub struct Console {
    out: Box<dyn Write>,
    colour: bool,
}

impl Console {
    pub fn new(out: Box<dyn Write>, colour: bool) -> Self {
        Self { out, colour }
    }

    pub fn stderr(colour: bool) -> Self {
        Self::new(Box::new(std::io::stderr()), colour)
    }

    pub fn print(&mut self, text: &str) {
        let _ = match self.colour {
            true => self.out.write_all(text.as_bytes()),
            false => self.out.write_all(plain(text).as_bytes()),
        };
        let _ = self.out.flush();
    }
}
