//! Keeps the beginning and the end of an output, however long it is. Pure.

/// Bytes that are kept of the beginning, and of the end.
const KEPT: usize = 256 << 10;

/// What a stream has written so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Capture {
    /// At most this many bytes of the beginning, and of the end.
    kept: usize,
    head: Vec<u8>,
    /// The last bytes, up to twice as many as are kept, so that they are seldom moved.
    tail: Vec<u8>,
    /// Bytes between the two.
    dropped: u64,
}

impl Default for Capture {
    fn default() -> Capture {
        Capture::of(KEPT)
    }
}

impl Capture {
    /// Keeps this many bytes of the beginning, and of the end.
    pub fn of(kept: usize) -> Capture {
        Capture { kept, head: Vec::new(), tail: Vec::new(), dropped: 0 }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.kept - self.head.len();
        let (first, rest) = bytes.split_at(bytes.len().min(room));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(rest);
        if self.tail.len() > 2 * self.kept {
            let surplus = self.tail.len() - self.kept;
            self.tail.drain(..surplus);
            self.dropped += surplus as u64;
        }
    }

    /// What was kept. Lines are cut only where bytes were dropped.
    pub fn finish(mut self) -> Captured {
        let surplus = self.tail.len().saturating_sub(self.kept);
        self.tail.drain(..surplus);
        let dropped = self.dropped + surplus as u64;
        Captured { head: self.head, tail: self.tail, dropped }
    }
}

/// The output of a stream, or its beginning and its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: Vec<u8>,
    /// Bytes between the two that were not kept.
    dropped: u64,
}

impl Captured {
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// All of it, if nothing was dropped.
    pub fn whole(&self) -> Option<Vec<u8>> {
        (self.dropped == 0).then(|| [&self.head[..], &self.tail].concat())
    }

    /// As text, with a line for what was dropped. Bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        if self.dropped == 0 {
            let bytes = [&self.head[..], &self.tail].concat();
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        let (head, tail) =
            (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&self.tail));
        format!("{head}\n[... {} bytes are left out ...]\n{tail}", self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(kept: usize, chunks: &[&[u8]]) -> Captured {
        let mut capture = Capture::of(kept);
        for chunk in chunks {
            capture.push(chunk);
            assert!(capture.head.len() <= kept && capture.tail.len() <= 2 * kept);
        }
        capture.finish()
    }

    #[test]
    fn capture_keeps_both_ends() {
        let check = |kept, chunks: &[&[u8]], expect: &str| {
            assert_eq!(capture(kept, chunks).text(), expect);
        };
        check(4, &[], "");
        check(4, &[b"abcd"], "abcd");
        check(4, &[b"abcd", b"efgh"], "abcdefgh");
        check(4, &[b"abcdefgh", b"i"], "abcd\n[... 1 bytes are left out ...]\nfghi");
        check(2, &[b"a", &[b'x'; 1000], b"yz"], "ax\n[... 999 bytes are left out ...]\nyz");
        check(9, &[b"a\xffb"], "a\u{fffd}b");
    }

    #[test]
    fn capture_is_whole_if_nothing_was_dropped() {
        assert_eq!(capture(2, &[b"abcd"]).whole().unwrap(), b"abcd");
        assert_eq!(capture(2, &[b"abcde"]).whole(), None);
        assert!(capture(2, &[]).is_empty());
    }
}
