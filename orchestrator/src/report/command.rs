//! The command of an item as a person would type it. Nothing runs it: our own workers compile without a process.

use crate::graph::{Item, Run};
use std::borrow::Cow;
use tender_protocol::Work;

/// For example `clang -O2 -c src/a.c -o target/a.o`, quoted for a POSIX shell. `driver` is what a link runs in place of the
/// name that stands in the graph.
pub fn command_line(item: &Item, driver: Option<&[String]>) -> String {
    match &item.run {
        Run::Command(command) => quoted_words(&command.words),
        Run::Worker(work) => quoted_words(worker_words(work, driver)),
    }
}

/// Words as a person would type them.
pub fn quoted_words<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    words.into_iter().map(|word| quoted(word.as_ref()).into_owned()).collect::<Vec<_>>().join(" ")
}

fn worker_words<'a>(work: &'a Work, real_driver: Option<&'a [String]>) -> Vec<&'a str> {
    match work {
        Work::Compile { source, args, object, .. } => join(&["clang"], args, &["-c", source, "-o", object]),
        Work::Check { source, args, .. } => join(&["clang"], args, &["-fsyntax-only", source]),
        Work::Preprocess { source, args, output, .. } => {
            join(&["clang"], args, &["-E", source, "-o", output])
        }
        Work::Archive { output, members, .. } => {
            let paths: Vec<&str> = members.iter().map(|member| member.path.as_str()).collect();
            [&["llvm-ar", "rcsD", output.as_str()], paths.as_slice()].concat()
        }
        Work::Link { driver, args, output, .. } => {
            let mut words: Vec<&str> = real_driver.unwrap_or(driver).iter().map(String::as_str).collect();
            words.extend(join(&[], args, &["-o", output]));
            words
        }
    }
}

fn join<'a>(before: &[&'a str], args: &'a [String], after: &[&'a str]) -> Vec<&'a str> {
    let args = args.iter().map(String::as_str);
    before.iter().copied().chain(args).chain(after.iter().copied()).collect()
}

/// Words made of these alone need no quotes; `=` is harmless in an argument, and most of ours have one.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Graph, ItemIx};
    use crate::report::fixture;

    #[track_caller]
    fn check(graph: &Graph, item: ItemIx, expect: &str) {
        assert_eq!(command_line(&graph[item], None), expect);
    }

    #[test]
    fn a_link_shows_the_program_that_it_runs() {
        let graph = fixture::graph();
        let driver = ["gcc".to_owned(), "-B/opt/a b".to_owned()];
        assert_eq!(
            command_line(&graph[fixture::APP_LINK], Some(&driver)),
            "gcc '-B/opt/a b' target/release/.tender/app/main.o -o target/release/app"
        );
    }

    #[test]
    fn commands_can_be_pasted_into_a_shell() {
        let graph = fixture::graph();
        check(
            &graph,
            fixture::ZIP_A,
            "clang -O2 '-DNAME=\"a b\"' -c zip/src/a.c -o target/release/.tender/zip/a.o",
        );
        check(
            &graph,
            fixture::ZIP_ARCHIVE,
            "llvm-ar rcsD target/release/libzip.a target/release/.tender/zip/a.o",
        );
        check(
            &graph,
            fixture::APP_LINK,
            "cc -fuse-ld=lld target/release/.tender/app/main.o -o target/release/app",
        );
    }
}
