//! Reads the memory of items from `tender`'s JSON messages; see docs/json.md.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// An item that was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// A source file relative to the workspace, or another name of the item.
    pub unit: String,
    pub manifest_path: String,
    /// Its peak memory, bytes; 0: unknown.
    pub peak_bytes: u64,
    /// The lease and the peak of its beginning, bytes.
    #[serde(default)]
    pub lease_bytes: u64,
    #[serde(default)]
    pub begin_peak_bytes: u64,
    /// The same for its pieces.
    #[serde(default)]
    pub piece_lease_bytes: u64,
    #[serde(default)]
    pub piece_peak_bytes: u64,
}

/// Reads all items in a log, which may contain other lines.
///
/// # Errors
/// It cannot be read.
pub fn read(log: &Path) -> std::io::Result<Vec<Item>> {
    Ok(parse(&String::from_utf8_lossy(&std::fs::read(log)?)))
}

fn parse(text: &str) -> Vec<Item> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        outcome: Option<String>,
        #[serde(flatten)]
        item: Option<Item>,
    }
    let built = |line: &str| {
        let message: Message = serde_json::from_str(line).ok()?;
        let is_built =
            message.reason == "unit-finished" && message.outcome.as_deref() == Some("ok");
        message.item.filter(|_| is_built)
    };
    text.lines().filter_map(built).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_list_only_built_items() {
        let text = r#"warning: something
{"reason":"build-started","jobs":2}
{"reason":"unit-finished","outcome":"ok","unit":"a.c","manifest_path":"/w/a/Tender.toml","peak_bytes":7,"start_us":1}
{"reason":"unit-finished","outcome":"failed","unit":"b.c","manifest_path":"/w/a/Tender.toml","peak_bytes":9}
{"reason":"unit-finished","outcome":"ok","unit":"c.c","manifest_path":"/w/a/Tender.toml","peak_bytes":8,"lease_bytes":6,"begin_peak_bytes":5,"piece_lease_bytes":4,"piece_peak_bytes":8}
"#;
        let item = |unit: &str,
                    peak_bytes,
                    [lease_bytes, begin_peak_bytes, piece_lease_bytes, piece_peak_bytes]: [u64;
                        4]| {
            Item {
                unit: unit.into(),
                manifest_path: "/w/a/Tender.toml".into(),
                peak_bytes,
                lease_bytes,
                begin_peak_bytes,
                piece_lease_bytes,
                piece_peak_bytes,
            }
        };
        assert_eq!(parse(text), [item("a.c", 7, [0; 4]), item("c.c", 8, [6, 5, 4, 8])]);
    }
}
