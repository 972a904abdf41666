//! Standard error for reports: each text in one write, with or without colours.
//!
//! One write for each text, so that output of other processes on the same terminal never splits a
//! line. Errors of writing are ignored: a build does not fail because the reader has closed the
//! stream.

use crate::report::diagnostic::plain;
use std::cell::RefCell;
use std::io::Write;

thread_local! {
    static KEPT: RefCell<Option<String>> = const { RefCell::new(None) };
}

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

    /// Keeps all texts that are printed from now on, with their colours: what a build says that has
    /// nothing to do, the next one has to say too.
    pub fn keep_texts() {
        KEPT.set(Some(String::new()));
    }

    /// What was printed since.
    pub fn kept_texts() -> String {
        KEPT.take().unwrap_or_default()
    }

    pub fn print(&mut self, text: &str) {
        KEPT.with_borrow_mut(|kept| {
            if let Some(kept) = kept {
                kept.push_str(text);
            }
        });
        let _ = match self.colour {
            true => self.out.write_all(text.as_bytes()),
            false => self.out.write_all(plain(text).as_bytes()),
        };
        let _ = self.out.flush();
    }
}
