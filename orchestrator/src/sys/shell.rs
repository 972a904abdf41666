//! Words quoted for a POSIX shell.

use std::borrow::Cow;

/// Words as a person would type them.
pub fn quoted_words<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    words.into_iter().map(|word| quoted(word.as_ref()).into_owned()).collect::<Vec<_>>().join(" ")
}

/// Words made of these alone need no quotes; `=` is harmless in an argument, and most of ours have
/// one.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=+,:@%".contains(c))
}

/// Our words never hold a NUL, the only thing that cannot be quoted.
pub fn quoted(word: &str) -> Cow<'_, str> {
    if is_plain(word) {
        return word.into();
    }
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}
