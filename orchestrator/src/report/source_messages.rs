//! Sources that are fetched, as JSON messages: one object on each line of standard output. See
//! `docs/json.md`.

use crate::sources::{SourceEvent, SourceSink};
use crate::sys::now_us;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use tender_units::Micros;

/// Of one source; more would be read by nobody.
const BETWEEN_MESSAGES_US: Micros = Micros::from_millis(100);

pub struct SourceMessages {
    out: Box<dyn Write>,
    /// The reader has closed the stream: nothing more is written, and fetching continues.
    broken: bool,
    /// When the last message about an address came that arrives.
    told: HashMap<String, Micros>,
}

impl SourceMessages {
    pub fn stdout() -> SourceMessages {
        SourceMessages { out: Box::new(std::io::stdout()), broken: false, told: HashMap::new() }
    }
}

impl SourceSink for SourceMessages {
    fn event(&mut self, event: &SourceEvent) {
        if let SourceEvent::Received { url, .. } | SourceEvent::ReceivedObjects { url, .. } = event
        {
            let now_us = now_us();
            let told = self.told.get(url);
            if told.is_some_and(|told| now_us < *told + BETWEEN_MESSAGES_US) {
                return;
            }
            self.told.insert(url.clone(), now_us);
        }
        let Some(mut message) = message(event).filter(|_| !self.broken) else { return };
        message["at_us"] = json!(now_us());
        let line = format!("{message}\n");
        self.broken = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush()).is_err();
    }
}

fn message(event: &SourceEvent) -> Option<Value> {
    Some(match event {
        SourceEvent::Downloading { url, resumed_at } => json!({
            "reason": "source-started", "kind": "archive", "url": url, "resumed_at": resumed_at,
        }),
        SourceEvent::Updating { url } => json!({
            "reason": "source-started", "kind": "git", "url": url, "resumed_at": 0,
        }),
        SourceEvent::Received { url, bytes, total } => json!({
            "reason": "source-progress", "url": url, "bytes": bytes, "total": total,
        }),
        SourceEvent::ReceivedObjects { url, objects, total, bytes } => json!({
            "reason": "source-progress", "url": url, "bytes": bytes, "total": null,
            "objects": objects, "total_objects": total,
        }),
        SourceEvent::Unpacking { krate, what } => json!({
            "reason": "source-unpacking", "package": krate, "from": what,
        }),
        SourceEvent::Waiting { what } => json!({ "reason": "source-waits", "url": what }),
        SourceEvent::Planned { .. } | SourceEvent::Ended { .. } | SourceEvent::Over => return None,
    })
}
