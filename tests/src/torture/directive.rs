//! Parses the directives of a GCC test: `{ dg-NAME ... }` in its comments. Pure; does not interpret
//! them.

use super::tcl::{Word, list};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// The name without `dg-`.
    pub name: String,
    pub words: Vec<Word>,
}

/// All directives of a source, in their order. There is at most one in a line.
pub(super) fn directives(source: &str) -> Vec<Directive> {
    source.lines().filter_map(directive).collect()
}

/// As DejaGnu finds them: a brace, white space, the name; up to the last brace of the line.
fn directive(line: &str) -> Option<Directive> {
    let at = line.match_indices("dg-").map(|(at, _)| at).find(|at| {
        let before = line[..*at].trim_end();
        before.ends_with('{') && before.len() < *at
    })?;
    let text = line[at + "dg-".len()..].rsplit_once('}')?.0;
    let (name, words) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    Some(Directive { name: name.to_owned(), words: list(words) })
}

impl Directive {
    /// The text of a word; empty if there is none.
    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| &word.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_found_in_comments() {
        let check = |line: &str, expect: Option<(&str, &[&str])>| {
            let found = directive(line);
            let found = found.as_ref().map(|found| {
                (
                    found.name.as_str(),
                    found.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(),
                )
            });
            assert_eq!(found, expect.map(|(name, words)| (name, words.to_vec())), "{line}");
        };
        check("// { dg-do run }", Some(("do", &["run"])));
        check("/* { dg-do run { target c++11 } } */", Some(("do", &["run", "target c++11"])));
        check(r#"// { dg-options "-O2 -w" }"#, Some(("options", &["-O2 -w"])));
        check("// { dg-do run}", Some(("do", &["run"])));
        check("// {dg-do run }", None);
        check("// dg-do run", None);
        check("int main() { return 0; }", None);
        check(
            r#"f (); // { dg-warning "x" "y" { target *-*-* } .-1 }"#,
            Some(("warning", &["x", "y", "target *-*-*", ".-1"])),
        );
    }
}
