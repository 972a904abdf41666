//! Splits a stream of bytes into lines. Does not know what they mean.

/// A line was longer than `most` bytes; this is its start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it wrote a line of more than {most} bytes")]
pub struct LineTooLong {
    pub most: usize,
    pub start: String,
}

/// Collects the bytes of a line until its newline, at most `most`, so that an endless line does not
/// fill our memory.
#[derive(Debug)]
pub struct LineBuffer {
    most: usize,
    bytes: Vec<u8>,
    /// The line was too long, and the rest of it is dropped.
    dropping: bool,
    lines: Vec<Result<String, LineTooLong>>,
}

impl LineBuffer {
    /// For lines of at most `most` bytes, without the newline.
    pub fn new(most: usize) -> LineBuffer {
        LineBuffer { most, bytes: Vec::new(), dropping: false, lines: Vec::new() }
    }

    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..end]);
            if !std::mem::take(&mut self.dropping) {
                let line = self.take_text();
                self.lines.push(Ok(line));
            }
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes);
    }

    /// Takes the complete lines, without their newlines. Bytes that are not UTF-8 are replaced. A
    /// line that is too long is returned once, as soon as that is known.
    pub fn take_lines(&mut self) -> Vec<Result<String, LineTooLong>> {
        std::mem::take(&mut self.lines)
    }

    /// Takes a last line that has no newline.
    pub fn take_rest(&mut self) -> Option<String> {
        (!self.bytes.is_empty()).then(|| self.take_text())
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.dropping {
            return;
        }
        let room = self.most - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            let start = self.take_text();
            self.lines.push(Err(LineTooLong { most: self.most, start }));
            self.dropping = true;
        }
    }

    fn take_text(&mut self) -> String {
        match String::from_utf8(std::mem::take(&mut self.bytes)) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that is too long is shown as its start and a `!`.
    fn check_within(most: usize, chunks: &[&[u8]], lines: &[&str], rest: Option<&str>) {
        let mut buffer = LineBuffer::new(most);
        let mut found = Vec::new();
        for chunk in chunks {
            buffer.push(chunk);
            found.extend(buffer.take_lines());
            assert!(buffer.bytes.len() <= most);
        }
        let shown =
            |line: Result<String, LineTooLong>| line.unwrap_or_else(|long| long.start + "!");
        assert_eq!(found.into_iter().map(shown).collect::<Vec<_>>(), lines);
        assert_eq!(buffer.take_rest().as_deref(), rest);
    }

    fn check(chunks: &[&[u8]], lines: &[&str], rest: Option<&str>) {
        check_within(1000, chunks, lines, rest);
    }

    #[test]
    fn lines_do_not_depend_on_how_bytes_are_read() {
        check(&[], &[], None);
        check(&[b"a\nb\n"], &["a", "b"], None);
        check(&[b"a", b"b", b"\n", b"\nc"], &["ab", ""], Some("c"));
        check(&[b"a\nb", b"c\nd\ne"], &["a", "bc", "d"], Some("e"));
    }

    #[test]
    fn lines_may_cut_a_character_and_show_garbage() {
        check(&[b"\xc3", b"\xa9\n"], &["é"], None);
        check(&[b"\xff\n"], &["\u{fffd}"], None);
    }

    #[test]
    fn line_without_end_keeps_its_start() {
        check_within(3, &[b"abc\nabcd\nab\n"], &["abc", "abc!", "ab"], None);
        check_within(3, &[b"ab", b"cd", b"ef", b"\na", b"bc"], &["abc!"], Some("abc"));
        check_within(3, &[b"a\n", &[b'x'; 5000], &[b'x'; 5000]], &["a", "xxx!"], None);
        check_within(0, &[b"\n", b"a\n"], &["", "!"], None);
    }

    /// The lines are the same, and bounded, however the bytes are split into reads.
    #[test]
    fn fuzz_lines() {
        tender_fuzz::check("lines", 3_000, |bytes| {
            let most = 100;
            let (mut whole, mut cut) = (LineBuffer::new(most), LineBuffer::new(most));
            whole.push(bytes);
            let expect = whole.take_lines();
            let mut found = Vec::new();
            let size = 1 + bytes.first().map_or(0, |first| usize::from(*first) % 64);
            for chunk in bytes.chunks(size) {
                cut.push(chunk);
                found.extend(cut.take_lines());
                assert!(cut.bytes.len() <= most);
            }
            assert_eq!(found, expect);
            let is_as_written = |(line, written): (&Result<String, LineTooLong>, &[u8])| match line
            {
                Ok(line) => *line == String::from_utf8_lossy(written),
                Err(long) => {
                    long.start == String::from_utf8_lossy(&written[..most]) && written.len() > most
                }
            };
            assert!(expect.iter().zip(bytes.split(|byte| *byte == b'\n')).all(is_as_written));
            assert_eq!(cut.take_rest(), whole.take_rest());
        });
    }
}
