//! Parses lists in the syntax of Tcl, as far as GCC tests use it. Knows no directives.

/// A word of a list, without its quotes or outer braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    /// It was in braces, and may be a list itself.
    pub braced: bool,
}

/// The words of a list. A word without its closing brace or quote ends with the text.
pub(super) fn list(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '{' => braced(rest),
            '"' => quoted(rest),
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (Word { text: rest[..end].to_owned(), braced: false }, &rest[end..])
            }
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}

fn braced(text: &str) -> (Word, &str) {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (Word { text: text[1..at].trim().to_owned(), braced: true }, &text[at + 1..]);
        }
    }
    (Word { text: text[1..].trim().to_owned(), braced: true }, "")
}

fn quoted(text: &str) -> (Word, &str) {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (Word { text: content, braced: false }, &text[at + 1..]),
            '\\' => content.extend(chars.next().map(|(_, escaped)| escaped)),
            c => content.push(c),
        }
    }
    (Word { text: content, braced: false }, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_split_into_words() {
        let check = |text: &str, expect: &[(&str, bool)]| {
            let found = list(text);
            let found: Vec<(&str, bool)> =
                found.iter().map(|word| (word.text.as_str(), word.braced)).collect();
            assert_eq!(found, expect, "{text}");
        };
        check("", &[]);
        check("  run ", &[("run", false)]);
        check("run { target c++11 }", &[("run", false), ("target c++11", true)]);
        check("{ { a b } && c } d", &[("{ a b } && c", true), ("d", false)]);
        check(r#""-O2 -D\"x\"" {"y z"}"#, &[("-O2 -D\"x\"", false), ("\"y z\"", true)]);
        check("\"open", &[("open", false)]);
        check("{ open", &[("open", true)]);
    }
}
