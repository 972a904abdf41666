//! One message, one line.

use serde::{Serialize, de::DeserializeOwned};

#[derive(Debug)]
pub struct WireError {
    pub line: String,
    pub source: serde_json::Error,
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = |text: &str, most| text.chars().take(most).collect::<String>();
        // What is wrong with the line may repeat it: the name of an unknown message is as long as
        // it likes.
        let why = start(&self.source.to_string(), 400);
        write!(f, "not a message of the worker protocol ({why}): {}", start(&self.line, 120))
    }
}

impl std::error::Error for WireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Encodes `message` as a line, its newline included. JSON escapes newlines, so a message is never
/// two lines.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages have string keys only");
    line.push(b'\n');
    line
}

/// Decodes one line, with or without its newline.
pub fn decode<T: DeserializeOwned>(line: &str) -> Result<T, WireError> {
    serde_json::from_str(line).map_err(|source| WireError { line: line.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromWorker, Item, ItemId, ItemMemory, Language, Plan, PlanId, ToWorker, Work};

    #[test]
    fn a_message_is_one_line_and_comes_back() {
        let plan = ToWorker::Plan(Plan {
            id: PlanId(1),
            krate: "a".into(),
            jobs: None,
            translate: Default::default(),
            items: vec![Item {
                id: ItemId(0),
                unit: "src/with\nnewline.c".into(),
                cost: 3,
                after: vec![],
                memory: ItemMemory { begin: 1 << 30, ..ItemMemory::default() },
                settled: vec!["a.pch".into()],
                work: Work::Compile {
                    source: "src/with\nnewline.c".into(),
                    language: Language::C,
                    args: vec!["-O2".into()],
                    object: "x.o".into(),
                    dwo: None,
                    cut: None,
                    lto: Default::default(),
                },
            }],
        });
        let line = encode(&plan);
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        assert_eq!(decode::<ToWorker>(std::str::from_utf8(&line).unwrap()).unwrap(), plan);
    }

    #[test]
    fn names_are_those_of_the_contract() {
        let line = String::from_utf8(encode(&FromWorker::SlotParked)).unwrap();
        assert_eq!(line, "{\"type\":\"slot-parked\"}\n");
        let line = String::from_utf8(encode(&FromWorker::Want { tokens: 2 })).unwrap();
        assert_eq!(line, "{\"type\":\"want\",\"tokens\":2}\n");
    }

    #[test]
    fn a_bad_line_says_what_it_was() {
        let error = decode::<ToWorker>("{\"type\":\"nonsense\"}").unwrap_err();
        assert!(error.to_string().contains("nonsense"), "{error}");
        let long = decode::<ToWorker>(&format!("{{\"type\":\"{}\"}}", "long".repeat(100_000)))
            .unwrap_err();
        assert!(long.to_string().len() < 1000, "what is wrong with it is not repeated whole");
    }

    /// What is read is written again as a line that means the same.
    fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(line: &str) {
        match decode::<T>(line) {
            Ok(message) => {
                let again = encode(&message);
                assert_eq!(again.iter().filter(|byte| **byte == b'\n').count(), 1);
                assert_eq!(decode::<T>(std::str::from_utf8(&again).unwrap()).unwrap(), message);
            }
            Err(error) => assert!(error.to_string().len() < 4000, "a line is not repeated whole"),
        }
    }

    #[test]
    fn fuzz_to_worker() {
        tender_fuzz::check_text("to_worker", 5_000, comes_back::<ToWorker>);
    }

    #[test]
    fn fuzz_from_worker() {
        tender_fuzz::check_text("from_worker", 5_000, comes_back::<FromWorker>);
    }
}
