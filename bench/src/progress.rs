//! Where the benchmark is: on standard error, apart from the figures, and only for somebody who
//! watches.

use std::io::{IsTerminal, Write};

/// Replaces the line; an empty one takes it away.
pub fn show(text: &str) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        // Not being able to say so is no reason to stop measuring.
        let _ = write!(err, "\r\x1b[K{text}");
        let _ = err.flush();
    }
}
