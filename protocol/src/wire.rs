//! Encodes and decodes messages, one per line.

use serde::{Serialize, de::DeserializeOwned};

/// A line that is no message.
#[derive(Debug)]
pub struct WireError {
    pub line: String,
    pub source: serde_json::Error,
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shortened = |text: &str, length| text.chars().take(length).collect::<String>();
        // serde's message may repeat the line, for instance the name of an unknown message.
        let reason = shortened(&self.source.to_string(), 400);
        let line = shortened(&self.line, 120);
        write!(f, "not a message of the worker protocol ({reason}): {line}")
    }
}

impl std::error::Error for WireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Encodes `message` as one line that ends in a newline. JSON escapes newlines within strings.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages have string keys only");
    line.push(b'\n');
    line
}

/// Decodes one line, with or without its newline.
///
/// # Errors
/// The line is no message of this type.
pub fn decode<T: DeserializeOwned>(line: &str) -> Result<T, WireError> {
    serde_json::from_str(line).map_err(|source| WireError { line: line.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromWorker, Item, ItemId, ItemMemory, Language, Plan, PlanId, ToWorker, Work};
    use tender_units::{Bytes, Micros};

    #[test]
    fn wire_encodes_a_message_as_one_line() {
        let plan = ToWorker::Plan(Plan {
            id: PlanId(1),
            krate: "a".into(),
            jobs: None,
            translate: Default::default(),
            items: vec![Item {
                id: ItemId(0),
                unit: "src/with\nnewline.c".into(),
                cost: Micros(3),
                after: vec![],
                memory: ItemMemory { begin: Bytes(1 << 30), ..ItemMemory::default() },
                settled: vec!["a.pch".into()],
                modules: vec!["m.pcm".into()],
                work: Work::Compile {
                    source: "src/with\nnewline.c".into(),
                    language: Language::C,
                    args: vec!["-O2".into()],
                    object: "x.o".into(),
                    cut: None,
                    lto: Default::default(),
                    share: None,
                    translation: None,
                },
            }],
        });
        let line = encode(&plan);
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        assert_eq!(decode::<ToWorker>(std::str::from_utf8(&line).unwrap()).unwrap(), plan);
    }

    #[test]
    fn wire_names_are_those_of_the_contract() {
        let line = String::from_utf8(encode(&FromWorker::SlotParked)).unwrap();
        assert_eq!(line, "{\"type\":\"slot-parked\"}\n");
        let line = String::from_utf8(encode(&FromWorker::Want { tokens: 2 })).unwrap();
        assert_eq!(line, "{\"type\":\"want\",\"tokens\":2}\n");
    }

    #[test]
    fn wire_error_shows_the_start_of_the_line() {
        let error = decode::<ToWorker>("{\"type\":\"nonsense\"}").unwrap_err();
        assert!(error.to_string().contains("nonsense"), "{error}");
        let long = decode::<ToWorker>(&format!("{{\"type\":\"{}\"}}", "long".repeat(100_000)))
            .unwrap_err();
        assert!(long.to_string().len() < 1000, "the error message is shortened");
    }

    /// A decoded message is encoded to a line that decodes to the same message.
    fn check_round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(line: &str) {
        match decode::<T>(line) {
            Ok(message) => {
                let again = encode(&message);
                assert_eq!(again.iter().filter(|byte| **byte == b'\n').count(), 1);
                assert_eq!(decode::<T>(std::str::from_utf8(&again).unwrap()).unwrap(), message);
            }
            Err(error) => assert!(error.to_string().len() < 4000, "the error message is shortened"),
        }
    }

    #[test]
    fn fuzz_to_worker() {
        tender_fuzz::check_text("to_worker", 5_000, check_round_trip::<ToWorker>);
    }

    #[test]
    fn fuzz_from_worker() {
        tender_fuzz::check_text("from_worker", 5_000, check_round_trip::<FromWorker>);
    }
}
