//! How workers died while items ran in them, and the message when an item fails for it. Knows no
//! processes. The scheduler decides which item failed; `Engine::execute` reports the message.

use super::reproducer;
use crate::graph::{Graph, Item, ItemKind};
use crate::keys::ItemId;
use crate::schedule::Verdict;
use std::collections::BTreeMap;

/// What is known of the death of a worker or a program.
#[derive(Clone, Debug)]
pub(super) struct CrashDetails {
    /// What died, for messages.
    pub(super) who: &'static str,
    /// `signal 11, SIGSEGV`, or how it violated the protocol.
    pub(super) how: String,
    /// The last lines on its standard error, each after a newline.
    pub(super) tail: String,
    /// The item was in pieces.
    pub(super) in_pieces: bool,
}

#[derive(Debug, Default)]
pub(super) struct Crashes {
    /// The death of the worker or program that ran the item last.
    deaths: BTreeMap<ItemId, CrashDetails>,
    /// Items for which a reproducer is to be saved.
    crashed: Vec<ItemId>,
}

impl Crashes {
    pub(super) fn died(&mut self, item: ItemId, death: CrashDetails) {
        self.deaths.insert(item, death);
    }

    /// The message when the item is retried. `None` if no death of it is known.
    pub(super) fn retry_text(&self, graph: &Graph, ix: ItemId) -> Option<String> {
        let CrashDetails { who, how, .. } = self.deaths.get(&ix)?;
        let item = &graph[ix];
        Some(format!(
            "{who} died ({how}) while it ran `{}` of crate `{}`; tender retries this with nothing else running",
            item.label, item.krate_name
        ))
    }

    /// The item has failed. Returns the message.
    pub(super) fn blame(&mut self, graph: &Graph, ix: ItemId, verdict: Verdict) -> String {
        let item = &graph[ix];
        if verdict == Verdict::Crashed && reproducer::can_be_reproduced(item) {
            self.crashed.push(ix);
        }
        text(item, self.deaths.get(&ix), verdict)
    }

    /// Takes the items for which a reproducer is to be saved.
    pub(super) fn take_crashed(&mut self) -> Vec<ItemId> {
        std::mem::take(&mut self.crashed)
    }
}

/// The message about an item that failed.
fn text(item: &Item, death: Option<&CrashDetails>, verdict: Verdict) -> String {
    let in_pieces = death.is_some_and(|death| death.in_pieces);
    let what = match item.kind {
        ItemKind::Compile if in_pieces => "optimising a piece of",
        ItemKind::Shared | ItemKind::Program if in_pieces => "optimising the code for",
        ItemKind::Scan => "scanning",
        ItemKind::Interface => "compiling the interface of",
        ItemKind::Precompile => "precompiling the headers of",
        ItemKind::ShareHeaders => "parsing headers for units of",
        ItemKind::Compile => "compiling",
        ItemKind::Check => "checking",
        ItemKind::Archive => "archiving",
        ItemKind::Shared | ItemKind::Program => "linking",
        ItemKind::Generate => "generating",
        ItemKind::Configure => "configuring",
    };
    let (label, krate) = (&item.label, &item.krate_name);
    let (how, tail) = match death {
        Some(death) => (death.how.as_str(), death.tail.as_str()),
        None => ("cause unknown", ""),
    };
    match verdict {
        Verdict::Crashed => {
            format!(
                "internal compiler error: tender-worker died ({how}) while {what} `{label}` of crate `{krate}`{tail}"
            )
        }
        Verdict::KilledAgain => format!(
            "tender-worker was killed twice by signal 9, perhaps for memory, the second time while {what} `{label}` of crate `{krate}` with nothing else running{tail}"
        ),
        Verdict::OutOfMemory => format!(
            "out of memory while {what} `{label}` of crate `{krate}` with nothing else running ({how}){tail}\nhelp: it needs more memory than there is; {}",
            cure(item.kind, in_pieces)
        ),
        Verdict::NeverStarted => format!(
            "tender-worker died twice ({how}) before it started {what} `{label}` of crate `{krate}`{tail}"
        ),
    }
}

/// Advice on how to make an item need less memory.
fn cure(kind: ItemKind, in_pieces: bool) -> &'static str {
    match kind {
        ItemKind::Scan
        | ItemKind::Interface
        | ItemKind::Precompile
        | ItemKind::ShareHeaders
        | ItemKind::Compile
        | ItemKind::Check
            if !in_pieces =>
        {
            "split the file, include fewer headers, or set `debug = false` or a lower `opt-level` in its profile"
        }
        ItemKind::Scan
        | ItemKind::Interface
        | ItemKind::Precompile
        | ItemKind::ShareHeaders
        | ItemKind::Compile
        | ItemKind::Check => {
            "set more `codegen-units`, so that each piece is smaller, or a lower `opt-level`"
        }
        ItemKind::Shared | ItemKind::Program => {
            "to make the link smaller, set `lto` to `\"off\"` or `\"thin\"`, and `debug` to `\"line-tables-only\"` or `false`"
        }
        ItemKind::Archive => "set `lto = \"off\"`, which makes archives smaller",
        ItemKind::Configure => "let several `[[config]]` have fewer probes each",
        ItemKind::Generate => "let the command run fewer jobs at once",
    }
}
