//! Shows a build to users and programs. Only this and `cli` print.
//!
//! Each sink gets the same stream of events: `human` (with its `bar`), `json`, `trace`, `timings`.
//! `words` has the sentences. `explain` shows items that do not run, `tests` a run of tests, `sources`
//! what is fetched before a build.

mod bar;
mod bar_line;
mod command;
mod config_results;
mod console;
mod crates;
mod diagnostic;
mod explain;
mod fanout;
#[cfg(test)]
mod fixture;
mod header_unit;
mod human;
mod json;
mod link_errors;
mod missing_header;
mod screen;
mod source_messages;
mod sources;
pub mod style;
mod tests;
mod timings;
mod trace;
pub mod words;

pub use bar::Bar;
pub use bar_line::Place;
pub use console::Console;
pub use crates::{CrateInfo, CrateTarget, Crates};
pub use explain::{Explanation, Subject};
pub use fanout::Fanout;
pub use human::{Human, Verbosity};
pub use json::Json;
pub use source_messages::SourceMessages;
pub use sources::SourceLines;
pub use tests::{Junit, TestFanout, TestLines, TestMessages};
pub use timings::{About, Timings};
pub use trace::Trace;
