//! Shows progress on standard error, if that is a terminal.

use std::io::{IsTerminal, Write};

/// Replaces the line; an empty text removes it.
pub fn show(text: &str) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        // An error is ignored.
        let _ = write!(err, "\r\x1b[K{text}");
        let _ = err.flush();
    }
}
