//! Dependency files, as compilers write them with `-MD`, and lld with `--dependency-file`: rules of
//! make without recipes. Both programs read them. Does no I/O.
//!
//! Escapes are those that GCC and clang write: a backslash before a blank, `#` or `:`, and `$$` for
//! a dollar sign. Backslashes before an escaped blank or `#` are doubled
//! (<https://gcc.gnu.org/onlinedocs/cpp/Invocation.html>, `-MQ`). A backslash before a newline
//! continues the line. Any other backslash is part of a name.

use std::collections::HashSet;
use std::iter::Peekable;
use std::str::Chars;

/// A line of a dependency file is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepfileError {
    /// Where the rule should begin, from 1.
    pub line: usize,
}

impl std::fmt::Display for DepfileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {} has no `:` after its targets", self.line)
    }
}

impl std::error::Error for DepfileError {}

/// The files that the targets of all rules depend on, each once, in the order of the text.
///
/// # Errors
/// A line is no rule.
pub fn prerequisites(text: &str) -> Result<Vec<String>, DepfileError> {
    let mut found = Vec::new();
    let mut known = HashSet::new();
    let mut reader = Reader { chars: text.chars().peekable(), line: 1 };
    while reader.chars.peek().is_some() {
        let line = reader.line;
        let mut words = reader.words();
        if words.is_empty() {
            continue;
        }
        // A colon may also be part of a target's path: lld does not escape it.
        let separates = |word: &Word| word.colon == Some(word.text.len() - 1);
        let last = words.iter().position(separates);
        let last = last.or_else(|| words.iter().position(|word| word.colon.is_some()));
        let last = last.ok_or(DepfileError { line })?;
        let end = words[last].colon.map_or(0, |colon| colon + 1);
        let first = words[last].text.split_off(end);
        let rest = words.drain(last + 1..).map(|word| word.text);
        let of_rule = std::iter::once(first).filter(|text| !text.is_empty()).chain(rest);
        found.extend(of_rule.filter(|path| known.insert(path.clone())));
    }
    Ok(found)
}

/// Never empty.
struct Word {
    text: String,
    /// Where its first colon stands if none ends it, else where that one stands, in bytes. Escaped
    /// colons do not count.
    colon: Option<usize>,
}

struct Reader<'t> {
    chars: Peekable<Chars<'t>>,
    /// Of the next character.
    line: usize,
}

impl Reader<'_> {
    /// The words up to the end of the line, or of the last one that continues it.
    fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            while self.next_if(|c| c.is_whitespace() && c != '\n').is_some() {}
            match self.chars.peek() {
                None => return words,
                Some('\n') => {
                    self.next_if(|_| true);
                    return words;
                }
                // A comment.
                Some('#') => while self.next_if(|c| c != '\n').is_some() {},
                Some(_) => words.extend(self.word()),
            }
        }
    }

    /// None if all there was is the end of a line that is continued.
    fn word(&mut self) -> Option<Word> {
        let mut text = String::new();
        let mut colon = None;
        while let Some(c) = self.next_if(|c| !c.is_whitespace()) {
            match c {
                '\\' => {
                    if self.escape(&mut text) {
                        break;
                    }
                }
                '$' => {
                    self.next_if(|c| c == '$');
                    text.push('$');
                }
                ':' => {
                    let is_last = self.chars.peek().is_none_or(|c| c.is_whitespace());
                    if colon.is_none() || is_last {
                        colon = Some(text.len());
                    }
                    text.push(':');
                }
                c => text.push(c),
            }
        }
        (!text.is_empty()).then_some(Word { text, colon })
    }

    /// What follows a backslash. Tells whether the line was continued, which ends the word.
    fn escape(&mut self, text: &mut String) -> bool {
        let mut backslashes = 1;
        while self.next_if(|c| c == '\\').is_some() {
            backslashes += 1;
        }
        let mut add = |count| text.extend(std::iter::repeat_n('\\', count));
        match self.chars.peek() {
            Some(' ' | '\t' | '#') => {
                add(backslashes / 2);
                if backslashes % 2 == 1 {
                    text.extend(self.next_if(|_| true));
                }
            }
            Some(':') if backslashes % 2 == 1 => {
                add(backslashes - 1);
                text.extend(self.next_if(|_| true));
            }
            Some('\n' | '\r') => {
                add(backslashes - 1);
                self.next_if(|c| c == '\r');
                self.next_if(|c| c == '\n');
                return true;
            }
            _ => add(backslashes),
        }
        false
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let c = self.chars.next_if(|c| wanted(*c))?;
        self.line += usize::from(c == '\n');
        Some(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let expect: Vec<String> = expect.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(prerequisites(text), Ok(expect), "{text:?}");
    }

    #[test]
    fn depfile_rules_are_read_as_make_does() {
        check("", &[]);
        check("\n\n", &[]);
        check("a.o: a.c a.h\n", &["a.c", "a.h"]);
        check("a.o : a.c", &["a.c"]);
        check("a.o:a.c b.c", &["a.c", "b.c"]);
        check("a.o b.o: a.c\n", &["a.c"]);
        check("a.o:\n", &[]);
        // As clang -MP and lld end theirs.
        check("a.o: \\\n  a.c \\\n  a.h\n\na.h:\n", &["a.c", "a.h"]);
        check("a.o: a.c\\\r\n b.c\r\nb.o: a.c c.c\r\n", &["a.c", "b.c", "c.c"]);
        // As protoc writes its own.
        check("out/a.pb.cc \\\nout/a.pb.h: a.proto\\\n b.proto", &["a.proto", "b.proto"]);
        check("# made by x\na: b # not\n", &["b"]);
    }

    #[test]
    fn depfile_escapes_are_undone() {
        check("a.o: a\\ b.o c$$d.a e\\#f g#h", &["a b.o", "c$d.a", "e#f", "g#h"]);
        check(
            "a.o: back\\slash two\\\\slashes end\\\\",
            &["back\\slash", "two\\\\slashes", "end\\\\"],
        );
        check("a.o: a\\\\\\ b c\\\\ d", &["a\\ b", "c\\", "d"]);
        check("a.o: x:y.h x\\:y.h $HOME", &["x:y.h", "$HOME"]);
        check("x\\:y.o: a.c", &["a.c"]);
        check("/x:y/z.part: a.o\n", &["a.o"]);
    }

    #[test]
    fn depfile_line_without_targets_is_refused() {
        let check = |text: &str, line| {
            assert_eq!(prerequisites(text), Err(DepfileError { line }), "{text:?}");
        };
        check("a.c a.h", 1);
        check("a.o: a.c\n\n#\nnonsense \\\n more\n", 4);
        check("a\\:b c", 1);
    }

    #[test]
    fn fuzz_depfile() {
        tender_fuzz::check_text("depfile", 3_000, |text| {
            let Ok(found) = prerequisites(text) else { return };
            assert!(found.iter().all(|path| !path.is_empty()));
            assert!(found.iter().map(String::len).sum::<usize>() <= text.len());
            // Escaped again they are the same.
            let plain: Vec<String> = found
                .into_iter()
                .filter(|path| path.chars().all(|c| !c.is_whitespace() && c != '\\'))
                .collect();
            let again: Vec<String> =
                plain.iter().map(|path| path.replace('$', "$$").replace('#', "\\#")).collect();
            let again = prerequisites(&format!("t: {}", again.join(" \\\n ")));
            assert_eq!(again, Ok(plain));
        });
    }
}
