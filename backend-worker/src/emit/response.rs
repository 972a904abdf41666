//! Response files: arguments in a file, given as `@FILE`. The kernel accepts some 2 MiB of
//! arguments and 128 KiB in one of them (execve(2)), which the objects of a large program exceed.
//!
//! gcc, clang and lld use one syntax: white space separates arguments, both kinds of quotes group,
//! and a backslash escapes the next character, within quotes too
//! (<https://gcc.gnu.org/onlinedocs/gcc/Overall-Options.html>, `TokenizeGNUCommandLine` in LLVM).
//! Each passes arguments on in a response file of its own if it was started with one, or if they
//! are too long.

use std::path::Path;

/// Arguments of more bytes than this go into a file. It is far below the kernel's limit, because
/// the driver adds arguments.
const LONG: usize = 64 << 10;

/// The largest response file that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// How many files one command line may name, and their bytes together. Files that name each other
/// may expand to more than fits into memory. gcc's limit is 2000 files.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: u64 = 1 << 30;

/// The deepest nesting of files. Each level uses stack.
const DEEPEST: usize = 200;

/// Whether the kernel might refuse a command line of these arguments.
pub fn is_long(words: &[String]) -> bool {
    words.iter().map(|word| word.len() + 1).sum::<usize>() > LONG
}

/// The content of a response file, one argument per line.
pub fn content(words: &[String]) -> String {
    let mut text = String::with_capacity(words.iter().map(|word| word.len() + 1).sum());
    for word in words {
        if word.is_empty() {
            text.push_str("\"\"");
        }
        for c in word.chars() {
            if c.is_ascii_whitespace() || matches!(c, '\\' | '"' | '\'') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('\n');
    }
    text
}

/// Replaces each `@FILE` by the arguments in the file. Returns the arguments and the files. An
/// `@FILE` that is no file, or is beyond the limits above, stays unchanged; the programs do the
/// same.
pub fn expanded(words: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut out, mut files) = (Vec::with_capacity(words.len()), Vec::new());
    let mut left = MOST_BYTES;
    for word in words {
        expand(word, &mut Vec::new(), &mut left, &mut out, &mut files);
    }
    (out, files)
}

/// `None` if it is not a regular file or is too large.
fn read(path: &Path, most: u64) -> Option<Vec<u8>> {
    // Opening a pipe would wait for its writer.
    let is_file = std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= most);
    is_file.then(|| std::fs::read(path).ok()).flatten()
}

/// `open`: the files that `word` is nested in, outermost first. `left`: how many bytes may still be
/// read.
fn expand(
    word: &str,
    open: &mut Vec<String>,
    left: &mut u64,
    out: &mut Vec<String>,
    files: &mut Vec<String>,
) {
    let may_read = open.len() < DEEPEST && files.len() < MOST_FILES;
    let named =
        word.strip_prefix('@').filter(|path| may_read && !open.iter().any(|known| known == path));
    let content = named.and_then(|path| Some((path, read(Path::new(path), LARGEST.min(*left))?)));
    let Some((path, content)) = content else {
        out.push(word.to_owned());
        return;
    };
    *left = left.saturating_sub(content.len() as u64);
    files.push(path.to_owned());
    open.push(path.to_owned());
    for word in split(&String::from_utf8_lossy(&content)) {
        expand(&word, open, left, out, files);
    }
    open.pop();
}

fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if quote == Some(c) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            c if c.is_ascii_whitespace() && quote.is_none() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn response_file_is_split_as_the_programs_do() {
        let check = |text: &str, expect: &[&str]| assert_eq!(split(text), expect, "{text:?}");
        check("a  b\n\tc", &["a", "b", "c"]);
        check(r#""a b" 'c "d' e" "f"#, &["a b", "c \"d", "e f"]);
        check(r#"a\ b \" "\"" '\'' c\\d"#, &["a b", "\"", "\"", "'", "c\\d"]);
        check("\"\" ''", &["", ""]);
        check("a 'b c' \"d e\"f\n\t g\\ h \\\"", &["a", "b c", "d ef", "g h", "\""]);
        check("'' \"\\\"\" 'a\\'b'", &["", "\"", "a'b"]);
        check(" \n", &[]);
        check("  ", &[]);
    }

    proptest! {
        #[test]
        fn response_file_round_trip(words in proptest::collection::vec("[ -~\\n\\t\u{e4}]{0,12}", 0..8)) {
            prop_assert_eq!(split(&content(&words)), words);
        }
    }

    /// The linker's arguments show how the driver has parsed the file.
    #[test]
    fn response_file_is_read_by_clang() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("words");
        let words = owned(&["-Wl,a b", "-Wl,c\\d", "-Wl,e\"f", "-Wl,g'h", "-Wl,$i", "-Wl,\tj"]);
        std::fs::write(&file, content(&words)).unwrap();
        let clang = format!(
            "{}/bin/clang",
            option_env!("LLVM_SYS_221_PREFIX").unwrap_or("/usr/lib/llvm-22")
        );
        let child_output =
            Command::new(clang).arg(format!("@{}", file.display())).arg("-###").output().unwrap();
        let child_output = String::from_utf8_lossy(&child_output.stderr).into_owned();
        for word in ["\"a b\"", "\"c\\\\d\"", "\"e\\\"f\"", "\"g'h\"", "\"\\$i\"", "\"\tj\""] {
            assert!(child_output.contains(word), "no {word} in {child_output}");
        }
    }

    #[test]
    fn response_files_may_be_nested_and_recursive() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("one"), format!("-la @{} -lc", path("two"))).unwrap();
        std::fs::write(path("two"), format!("-lb @{} @{}", path("one"), path("absent"))).unwrap();
        let (words, files) = expanded(&owned(&["-x", &format!("@{}", path("one"))]));
        let itself = format!("@{}", path("one"));
        let absent = format!("@{}", path("absent"));
        assert_eq!(words, ["-x", "-la", "-lb", &itself, &absent, "-lc"]);
        assert_eq!(files, [path("one"), path("two")]);
    }

    /// Each file names the next one twice, so that a few expand to more than fits into memory.
    #[test]
    fn response_files_have_limits_of_size_and_depth() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: u32| dir.path().join(name.to_string()).to_str().unwrap().to_owned();
        for name in 0..40 {
            std::fs::write(path(name), format!("@{0} @{0}", path(name + 1))).unwrap();
        }
        let (words, files) = expanded(&[format!("@{}", path(0))]);
        assert_eq!(files.len(), MOST_FILES);
        assert!(words.len() <= MOST_FILES + 1, "{}", words.len());

        let chain =
            |name: u32| dir.path().join(format!("chain{name}")).to_str().unwrap().to_owned();
        for name in 0..2000 {
            std::fs::write(chain(name), format!("@{}", chain(name + 1))).unwrap();
        }
        let (words, files) = expanded(&[format!("@{}", chain(0))]);
        assert_eq!((words, files.len()), (vec![format!("@{}", chain(DEEPEST as u32))], DEEPEST));

        let device = owned(&["@/dev/zero", "@/dev/tty", &format!("@{}", dir.path().display())]);
        assert_eq!(expanded(&device), (device, Vec::new()));
    }

    /// Splitting, quoting and splitting again gives the same arguments.
    #[test]
    fn fuzz_response() {
        tender_fuzz::check_text("response", 3_000, |text| {
            let words = split(text);
            assert_eq!(split(&content(&words)), words);
            assert!(words.iter().map(String::len).sum::<usize>() <= text.len());
            is_long(&words);
        });
    }
}
