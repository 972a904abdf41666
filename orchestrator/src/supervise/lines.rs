//! Cuts a stream of bytes into lines as they come. Knows nothing of what they mean.

/// Bytes of a line that has no end yet.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// No newline is before this place.
    searched: usize,
}

impl LineBuffer {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the whole lines that are there, without their newlines. What is not UTF-8 is replaced.
    pub fn take_lines(&mut self) -> Vec<String> {
        let Some(last) = self.bytes[self.searched..].iter().rposition(|byte| *byte == b'\n') else {
            self.searched = self.bytes.len();
            return Vec::new();
        };
        let rest = self.bytes.split_off(self.searched + last + 1);
        let whole = std::mem::replace(&mut self.bytes, rest);
        self.searched = 0;
        let text = String::from_utf8_lossy(&whole);
        text.strip_suffix('\n').unwrap_or(&text).split('\n').map(str::to_owned).collect()
    }

    /// Takes a last line that has no newline.
    pub fn take_rest(&mut self) -> Option<String> {
        self.searched = 0;
        let rest = std::mem::take(&mut self.bytes);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chunks: &[&[u8]], lines: &[&str], rest: Option<&str>) {
        let mut buffer = LineBuffer::default();
        let mut found = Vec::new();
        for chunk in chunks {
            buffer.push(chunk);
            found.extend(buffer.take_lines());
        }
        assert_eq!(found, lines);
        assert_eq!(buffer.take_rest().as_deref(), rest);
    }

    #[test]
    fn lines_come_whole_however_the_bytes_come() {
        check(&[], &[], None);
        check(&[b"a\nb\n"], &["a", "b"], None);
        check(&[b"a", b"b", b"\n", b"\nc"], &["ab", ""], Some("c"));
        check(&[b"a\nb", b"c\nd\ne"], &["a", "bc", "d"], Some("e"));
    }

    #[test]
    fn a_character_may_be_cut_and_garbage_is_kept_visible() {
        check(&[b"\xc3", b"\xa9\n"], &["é"], None);
        check(&[b"\xff\n"], &["\u{fffd}"], None);
    }

    /// However the bytes come, they are the same lines.
    #[test]
    fn fuzz_lines() {
        tender_fuzz::check("lines", 3_000, |bytes| {
            let (mut whole, mut cut) = (LineBuffer::default(), LineBuffer::default());
            whole.push(bytes);
            let expect = whole.take_lines();
            let mut found = Vec::new();
            let size = 1 + bytes.first().map_or(0, |first| usize::from(*first) % 64);
            for chunk in bytes.chunks(size) {
                cut.push(chunk);
                found.extend(cut.take_lines());
            }
            assert_eq!(found, expect);
            assert_eq!(cut.take_rest(), whole.take_rest());
        });
    }
}
