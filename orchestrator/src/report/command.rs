//! The command of an item as a user would type it. It is only shown: workers compile without
//! starting a process.

use crate::graph::{Item, Run};
use crate::sys::shell::{quoted, quoted_words};
use std::borrow::Cow;
use tender_protocol::Work;

/// For example `clang -O2 -c src/a.c -o target/a.o`, quoted for a POSIX shell; only the start and
/// the end if it is too long to be read or pasted. `driver` is the program that a link runs, which
/// replaces the placeholder in the graph.
pub fn command_line(item: &Item, driver: Option<&[String]>) -> String {
    readable(&words_of(item, driver))
}

/// All words of the command of an item, with the placeholder of a link's driver.
pub fn command_words(item: &Item) -> Vec<&str> {
    words_of(item, None)
}

fn words_of<'a>(item: &'a Item, driver: Option<&'a [String]>) -> Vec<&'a str> {
    match &item.run {
        Run::Command(command) => command.shown().iter().map(String::as_str).collect(),
        Run::Worker(work) => worker_words(work, driver),
    }
}

/// Command lines up to this length are shown as they are, bytes: the objects of some hundred units.
const READABLE: usize = 32 << 10;

/// Of a longer one: how many bytes of its start and of its end are shown, and how many characters
/// of a word.
const START: usize = 2 << 10;
const END: usize = 512;
const WORD: usize = 256;

fn readable(words: &[&str]) -> String {
    let length = |words: &[&str]| words.iter().map(|word| word.len() + 1).sum::<usize>();
    if length(words) <= READABLE {
        return quoted_words(words);
    }
    let short: Vec<Cow<'_, str>> = words.iter().map(|word| shortened(word)).collect();
    let fit = |words: &mut dyn Iterator<Item = &Cow<'_, str>>, most: usize| {
        let ends = words.scan(0, |sum, word| {
            *sum += word.len() + 1;
            Some(*sum)
        });
        ends.take_while(|end| *end <= most).count()
    };
    let end = short.len() - fit(&mut short.iter().rev(), END);
    let start = fit(&mut short.iter(), START).min(end);
    let left_out = super::words::count(end - start, "word");
    let text = |words: &[Cow<'_, str>]| {
        words.iter().map(|word| quoted(word).into_owned()).collect::<Vec<_>>().join(" ")
    };
    match start == end {
        true => text(&short),
        false => format!("{} [... {left_out} ...] {}", text(&short[..start]), text(&short[end..])),
    }
}

/// At most `WORD` characters of a word, and how many bytes it has.
fn shortened(word: &str) -> Cow<'_, str> {
    match word.len() <= WORD {
        true => word.into(),
        false => {
            let start: String = word.chars().take(WORD).collect();
            format!("{start}[... {} bytes]", word.len()).into()
        }
    }
}

fn worker_words<'a>(work: &'a Work, real_driver: Option<&'a [String]>) -> Vec<&'a str> {
    match work {
        Work::Compile { translation: Some(file), args, object, .. } => {
            join(&["clang"], args, &["-c", file, "-o", object])
        }
        Work::Compile { source, args, object, .. } => {
            join(&["clang"], args, &["-c", source, "-o", object])
        }
        Work::Check { source, args, .. } => join(&["clang"], args, &["-fsyntax-only", source]),
        Work::Scan { source, args, output } => join(
            &["clang-scan-deps", "-format=p1689", "-o", output, "--", "clang"],
            args,
            &["-c", source],
        ),
        Work::Interface { source, args, translation: Some(files), .. } => {
            const TRANSLATE: [&str; 4] = ["-c", "-emit-llvm", "-Xclang", "-disable-llvm-passes"];
            let mut words = join(&["clang"], args, &TRANSLATE);
            words.extend(["-x", "c++-module", source, "-fmodule-output", "-o", &files.output]);
            words
        }
        Work::Interface { source, args, output, .. } => {
            join(&["clang"], args, &["--precompile", "-x", "c++-module", source, "-o", output])
        }
        Work::Precompile { source, args, output, .. } => {
            join(&["clang"], args, &["-x", "c++-header", source, "-o", output])
        }
        Work::ShareHeaders { args, output, .. } => {
            join(&["clang"], args, &["-x", "c++-header", "-o", output])
        }
        Work::Preprocess { source, args, output, .. } => {
            join(&["clang"], args, &["-E", source, "-o", output])
        }
        Work::Archive { output, members, .. } => {
            let paths: Vec<&str> = members.iter().map(|member| member.path.as_str()).collect();
            [&["llvm-ar", "rcsD", output.as_str()], paths.as_slice()].concat()
        }
        Work::Configure(request) => {
            let template = request.template.as_deref().unwrap_or("the probes of Tender.toml");
            vec!["configure", template, "-o", &request.header]
        }
        Work::Link { driver, args, output, .. } => {
            let mut words: Vec<&str> =
                real_driver.unwrap_or(driver).iter().map(String::as_str).collect();
            words.extend(join(&[], args, &["-o", output]));
            words
        }
    }
}

fn join<'a>(before: &[&'a str], args: &'a [String], after: &[&'a str]) -> Vec<&'a str> {
    let args = args.iter().map(String::as_str);
    before.iter().copied().chain(args).chain(after.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::keys::ItemId;
    use crate::report::fixture;

    #[track_caller]
    fn check(graph: &Graph, item: ItemId, expect: &str) {
        assert_eq!(command_line(&graph[item], None), expect);
    }

    #[test]
    fn command_of_a_link_shows_its_program() {
        let graph = fixture::graph();
        let driver = ["gcc".to_owned(), "-B/opt/a b".to_owned()];
        assert_eq!(
            command_line(&graph[fixture::APP_LINK], Some(&driver)),
            "gcc '-B/opt/a b' target/release/.tender/app/main.o -o target/release/app"
        );
    }

    #[test]
    fn command_that_is_too_long_is_shortened() {
        let objects: Vec<String> =
            (0..20_000).map(|number| format!("objects/{number:05}.o")).collect();
        let mut words = vec!["cc"];
        words.extend(objects.iter().map(String::as_str));
        words.extend(["-o", "app"]);
        let line = readable(&words);
        assert!(line.starts_with("cc objects/00000.o objects/00001.o "), "{line}");
        assert!(line.ends_with(" objects/19999.o -o app"), "{line}");
        assert!(
            line.contains(" [... 19842 words ...] ") && line.len() < START + END + 32,
            "{line}"
        );
        // A short command is shown in full.
        assert_eq!(readable(&words[..1000]), words[..1000].join(" "));

        let long = "x".repeat(100_000);
        let expect = format!("cc '{}[... 100000 bytes]' -o app", "x".repeat(WORD));
        assert_eq!(readable(&["cc", &long, "-o", "app"]), expect);
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
