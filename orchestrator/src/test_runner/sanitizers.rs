//! Finds the report of a sanitizer in standard error. A program may end well after one:
//! UndefinedBehaviorSanitizer continues by itself, the others with `exitcode=0` or
//! `halt_on_error=0` (<https://github.com/google/sanitizers/wiki/SanitizerCommonFlags>). Pure.

/// What reports begin with.
const STARTS: [(&str, &str); 6] = [
    ("ERROR: AddressSanitizer", "AddressSanitizer"),
    ("ERROR: LeakSanitizer", "LeakSanitizer"),
    ("WARNING: ThreadSanitizer", "ThreadSanitizer"),
    ("WARNING: MemorySanitizer", "MemorySanitizer"),
    ("SUMMARY: UndefinedBehaviorSanitizer", "UndefinedBehaviorSanitizer"),
    (": runtime error: ", "UndefinedBehaviorSanitizer"),
];

/// No start is longer. Bytes.
const LONGEST: usize = 40;

/// Reads a stream in pieces.
#[derive(Debug, Default)]
pub(super) struct ReportFinder {
    /// The last bytes, in which a start may begin.
    last: Vec<u8>,
    found: Option<&'static str>,
}

impl ReportFinder {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.found.is_some() {
            return;
        }
        self.last.extend_from_slice(bytes);
        let has = |start: &str| self.last.windows(start.len()).any(|part| part == start.as_bytes());
        self.found = STARTS.iter().find(|(start, _)| has(start)).map(|(_, name)| *name);
        let surplus = self.last.len().saturating_sub(LONGEST);
        self.last.drain(..surplus);
    }

    /// The sanitizer whose report was found.
    pub fn found(&self) -> Option<&'static str> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_is_found_wherever_reads_cut_it() {
        let check = |text: &str, expect: Option<&str>| {
            for size in [1, 2, 7, 4096] {
                let mut finder = ReportFinder::default();
                text.as_bytes().chunks(size).for_each(|chunk| finder.push(chunk));
                assert_eq!(finder.found(), expect, "{text} in pieces of {size}");
            }
        };
        check("==7==ERROR: AddressSanitizer: heap-use-after-free", Some("AddressSanitizer"));
        check("a.c:1:2: runtime error: signed overflow", Some("UndefinedBehaviorSanitizer"));
        check(
            &format!("{}\nWARNING: ThreadSanitizer: data race", "x".repeat(90)),
            Some("ThreadSanitizer"),
        );
        check("no error, no Sanitizer", None);
        check("", None);
        assert!(STARTS.iter().all(|(start, _)| start.len() <= LONGEST));
    }
}
