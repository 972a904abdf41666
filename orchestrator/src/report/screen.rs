//! The terminal on standard error, as the library of the bar gets it: with some columns fewer.
//!
//! The library fills the line to the last column. If a terminal echoes `^C` there, it wraps to the
//! next line, and the library erases the wrong line. Does not know what is drawn. Has the only lock
//! of `tender`, although there is one thread, because the library requires `Sync`.

use indicatif::TermLike;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Room for `^C` or `^Z`, and the last column, which some terminals wrap when it is filled.
const COLUMNS_FOR_ECHO: u16 = 3;

/// Collects output until it is flushed, so that one draw is one write.
#[derive(Debug, Default)]
pub struct Screen {
    kept: Mutex<Vec<u8>>,
}

/// The number of columns for drawing.
pub fn columns() -> u16 {
    // A terminal's size is 0 until it is set.
    let columns =
        rustix::termios::tcgetwinsize(rustix::stdio::stderr()).map_or(0, |size| size.ws_col);
    let columns = if columns == 0 { 80 } else { columns };
    columns.saturating_sub(COLUMNS_FOR_ECHO).max(1)
}

impl Screen {
    fn keep(&self, text: &str) -> io::Result<()> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Moves the cursor by `n` cells, `CSI n LETTER`. Nothing for 0, which terminals read as 1.
    fn moved(&self, n: usize, letter: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.keep(&format!("\x1b[{n}{letter}")) }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        columns()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.keep(text)?;
        self.keep("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.keep(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.keep("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let bytes = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        io::stderr().write_all(&bytes)
    }
}
