//! Words quoted for a POSIX shell.

use std::borrow::Cow;

/// The words as a user would type them, quoted where necessary.
pub fn quoted_words<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    words.into_iter().map(|word| quoted(word.as_ref()).into_owned()).collect::<Vec<_>>().join(" ")
}

/// Words of only these characters need no quotes. `=` is harmless in an argument, and many of ours
/// have one.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=+,:@%".contains(c))
}

/// Only NUL cannot be quoted, and no argument contains it.
pub fn quoted(word: &str) -> Cow<'_, str> {
    if is_plain(word) {
        return word.into();
    }
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}
