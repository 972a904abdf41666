//! The terminal on standard error as the bar's library sees it: some columns narrower than it is.
//!
//! The library fills its line up to the last column. A terminal that echoes `^C` there wraps to
//! the next line, and the cursor is no longer in the line of the bar that is to be erased. Knows
//! nothing of what is drawn. Holds the one lock of `tender`, which has one thread: the library asks
//! for a terminal that threads could share.

use indicatif::TermLike;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Room for `^C` or `^Z`, and the last column, which some terminals wrap when it is filled.
const COLUMNS_FOR_ECHO: u16 = 3;

/// What is written is kept until it is flushed, because one draw is to be one write.
#[derive(Debug, Default)]
pub struct Screen {
    kept: Mutex<Vec<u8>>,
}

/// Columns that may be drawn in now.
pub fn columns() -> u16 {
    // The size of a terminal is 0 until it is set.
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

    /// A movement by `n` cells, `CSI n LETTER`; by none it would be read as by one.
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
