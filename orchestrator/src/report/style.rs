//! Colours. All text is made with colours; the stream removes them if they are off.

use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use tender_protocol::Level;

const VERB: Style = AnsiColor::BrightGreen.on_default().bold();
const CAUTION: Style = AnsiColor::BrightYellow.on_default().bold();
const FAILURE: Style = AnsiColor::BrightRed.on_default().bold();
const BAR: Style = AnsiColor::BrightCyan.on_default().bold();
const BOLD: Style = Style::new().bold();

/// `   Compiling zip v0.1.0`: the verb is right-aligned in twelve columns, as cargo's.
pub fn status(verb: &str, rest: impl Display) -> String {
    format!("{VERB}{verb:>12}{VERB:#} {rest}\n")
}

/// A status that the user did not ask for.
pub fn caution(verb: &str, rest: impl Display) -> String {
    format!("{CAUTION}{verb:>12}{CAUTION:#} {rest}\n")
}

/// A status that makes the command fail.
pub fn failure(verb: &str, rest: impl Display) -> String {
    format!("{FAILURE}{verb:>12}{FAILURE:#} {rest}\n")
}

/// The verb of the progress bar.
pub fn bar_verb(verb: &str) -> String {
    format!("{BAR}{verb:>12}{BAR:#}")
}

pub fn bold(text: &str) -> String {
    format!("{BOLD}{text}{BOLD:#}")
}

/// The word that starts a message of this level.
pub fn level(level: Level) -> String {
    let (colour, word) = match level {
        Level::Error => (AnsiColor::BrightRed, "error"),
        Level::Warning => (AnsiColor::BrightYellow, "warning"),
        Level::Note => (AnsiColor::BrightGreen, "note"),
        Level::Remark => (AnsiColor::BrightCyan, "remark"),
    };
    let style = colour.on_default().bold();
    format!("{style}{word}{style:#}")
}

/// `error: text`
pub fn message(of: Level, text: impl Display) -> String {
    format!("{}: {text}\n", level(of))
}
