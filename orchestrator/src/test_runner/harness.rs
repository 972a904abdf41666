//! How the frameworks list the cases of a program, and run one of them. Pure.
//!
//! - GoogleTest: <https://google.github.io/googletest/advanced.html#listing-test-names>
//! - Catch2: <https://github.com/catchorg/Catch2/blob/devel/docs/command-line.md>. Version 2 lists
//!   plain names by another option than version 3.
//! - doctest: <https://github.com/doctest/doctest/blob/master/doc/markdown/commandline.md>

use super::capture::Captured;
use crate::manifest::Harness;

/// A case that a program has listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListedCase {
    pub name: String,
    /// Why it does not run.
    pub skipped: Option<String>,
}

/// The arguments that make a program list its cases; each is tried until one is understood. None:
/// the program is one test.
pub(super) fn list_arguments(harness: Harness) -> &'static [&'static [&'static str]] {
    match harness {
        Harness::ExitCode | Harness::Tap => &[],
        Harness::Gtest => &[&["--gtest_list_tests"]],
        Harness::Catch2 => &[
            &["--list-test-names-only", "~[.]"],
            &["--list-tests", "--verbosity", "quiet", "~[.]"],
        ],
        Harness::Doctest => {
            &[&["--list-test-cases", "--no-intro=true", "--no-version=true", "--reporters=xml"]]
        }
    }
}

/// The cases in a list. None: the program did not understand, or is none of this framework.
pub(super) fn parse_list(harness: Harness, stdout: &str, stderr: &str) -> Option<Vec<ListedCase>> {
    match harness {
        Harness::ExitCode | Harness::Tap => None,
        Harness::Gtest => gtest_list(stdout),
        Harness::Catch2 => catch2_list(stdout, stderr),
        Harness::Doctest => doctest_list(stdout),
    }
}

/// The arguments that make a program run this case alone.
pub(super) fn case_arguments(harness: Harness, case: &str) -> Vec<String> {
    match harness {
        Harness::ExitCode | Harness::Tap => Vec::new(),
        Harness::Gtest => vec![format!("--gtest_filter={case}")],
        Harness::Catch2 => vec![catch2_pattern(case)],
        Harness::Doctest => vec![
            format!("--test-case={}", doctest_pattern(case)),
            "--case-sensitive=true".to_owned(),
        ],
    }
}

/// Suites begin at the margin and end with a point, cases are indented. What stands behind `#` is a
/// parameter's value.
fn gtest_list(text: &str) -> Option<Vec<ListedCase>> {
    let mut cases = Vec::new();
    let mut suite = "";
    for line in text.lines() {
        let name = line.split('#').next().unwrap_or_default().trim_end();
        if let Some(case) = name.strip_prefix("  ") {
            let is_disabled = [suite.split('/').next_back().unwrap_or(suite), case]
                .iter()
                .any(|part| part.starts_with("DISABLED_"));
            let skipped = is_disabled.then(|| "it is disabled".to_owned());
            cases.push(ListedCase { name: format!("{suite}{}", case.trim()), skipped });
        } else if name.ends_with('.') && !name.contains(' ') {
            suite = name;
        } else if cases.is_empty() {
            // What the program's main writes, such as "Running main() from gtest_main.cc".
            suite = "";
        }
    }
    let is_list = cases.iter().all(|case| !case.name.starts_with('.') && case.name.contains('.'));
    is_list.then_some(cases)
}

/// A name on each line. One that begins with `#` is quoted.
fn catch2_list(text: &str, stderr: &str) -> Option<Vec<ListedCase>> {
    // So say both versions of an option that they do not know: version 2 to standard output, version 3
    // to standard error.
    let is_unknown =
        |text: &str| text.contains("Error(s) in input") || text.contains("Unrecognised token");
    if is_unknown(text) || is_unknown(stderr) {
        return None;
    }
    let lines = text.lines().map(|line| line.trim_end());
    let lines = lines.filter(|line| !line.is_empty());
    let name = |line: &str| match line.strip_prefix("\"#").and_then(|rest| rest.strip_suffix('"')) {
        Some(rest) => format!("#{rest}"),
        None => line.to_owned(),
    };
    Some(lines.map(|line| ListedCase { name: name(line), skipped: None }).collect())
}

/// A name as a pattern that no other name matches. Commas, brackets and asterisks mean something,
/// and so does a `~` in front.
fn catch2_pattern(name: &str) -> String {
    let mut pattern = String::new();
    for (at, c) in name.chars().enumerate() {
        if matches!(c, ',' | '[' | ']' | '\\' | '"' | '*') || (at == 0 && c == '~') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// A name as a pattern. An asterisk cannot be escaped: `?` stands for it, as for any other byte, so
/// that names which differ there alone are run together.
fn doctest_pattern(name: &str) -> String {
    let mut pattern = String::new();
    for c in name.chars() {
        match c {
            ',' | '\\' => pattern.extend(['\\', c]),
            '*' => pattern.push('?'),
            _ => pattern.push(c),
        }
    }
    pattern
}

/// XML, in which each case is an element on a line of its own:
/// `<TestCase name="a" testsuite="s" filename="..." line="1" skipped="true"/>`.
fn doctest_list(text: &str) -> Option<Vec<ListedCase>> {
    if !text.contains("<doctest") {
        return None;
    }
    let elements = text.lines().filter_map(|line| line.trim_start().strip_prefix("<TestCase "));
    let case = |element: &str| {
        let skipped = attribute(element, "skipped").is_some_and(|value| value == "true");
        let skipped = skipped.then(|| "it is marked as skipped".to_owned());
        Some(ListedCase { name: attribute(element, "name")?, skipped })
    };
    Some(elements.filter_map(case).collect())
}

fn attribute(element: &str, name: &str) -> Option<String> {
    let (_, rest) = element.split_once(&format!("{name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    let plain = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    Some(plain.replace("&apos;", "'").replace("&amp;", "&"))
}

/// Whether a case that ended well was skipped by itself, and why.
pub(super) fn skipped_itself(harness: Harness, stdout: &Captured) -> Option<String> {
    let text = || stdout.text();
    match harness {
        // https://google.github.io/googletest/advanced.html#skipping-test-execution
        Harness::Gtest => {
            let is_skipped = text().lines().any(|line| line.starts_with("[  SKIPPED ]"));
            is_skipped.then(|| "GTEST_SKIP".to_owned())
        }
        _ => None,
    }
}

/// The framework whose library a link names, by the words of the link.
pub fn harness_of_link<'a>(words: impl Iterator<Item = &'a str>) -> Option<Harness> {
    let of_name = |name: &str| match name {
        "gtest" | "gtest_main" | "gmock" | "gmock_main" => Some(Harness::Gtest),
        "catch2" | "Catch2" | "Catch2Main" | "Catch2d" | "Catch2Maind" => Some(Harness::Catch2),
        _ => None,
    };
    let of_word = |word: &str| {
        if let Some(name) = word.strip_prefix("-l") {
            return of_name(name);
        }
        let file = word.rsplit('/').next()?;
        let name = file.strip_prefix("lib")?;
        of_name(name.strip_suffix(".a").or_else(|| name.split(".so").next())?)
    };
    words.filter_map(of_word).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(harness: Harness, text: &str) -> Option<Vec<String>> {
        let name = |case: ListedCase| match case.skipped {
            Some(_) => format!("({})", case.name),
            None => case.name,
        };
        parse_list(harness, text, "").map(|cases| cases.into_iter().map(name).collect())
    }

    #[track_caller]
    fn check(harness: Harness, text: &str, expect: &[&str]) {
        assert_eq!(names(harness, text).unwrap(), expect, "{text}");
    }

    #[test]
    fn gtest_list_has_suites_and_cases() {
        check(
            Harness::Gtest,
            "Running main() from ./gtest_main.cc\nMath.\n  Adds\n  DISABLED_Divides\nAll/Param.\n  Is/0  # GetParam() = 1\n\
             Typed/0.  # TypeParam = int\n  Works\nDISABLED_Suite.\n  Case\n",
            &[
                "Math.Adds",
                "(Math.DISABLED_Divides)",
                "All/Param.Is/0",
                "Typed/0.Works",
                "(DISABLED_Suite.Case)",
            ],
        );
        check(Harness::Gtest, "", &[]);
        assert_eq!(names(Harness::Gtest, "usage: x\n  --help\n"), None);
        assert_eq!(
            case_arguments(Harness::Gtest, "All/Param.Is/0"),
            ["--gtest_filter=All/Param.Is/0"]
        );
    }

    #[test]
    fn catch2_list_has_a_name_on_each_line() {
        check(Harness::Catch2, "adds, and more\n\"#hash\"\n\n", &["adds, and more", "#hash"]);
        assert_eq!(
            names(Harness::Catch2, "\nError(s) in input:\n  Unrecognised token: --x\n"),
            None
        );
        let stderr = "Error(s) in input:\n  Unrecognised token: --list-test-names-only\n";
        assert_eq!(parse_list(Harness::Catch2, "", stderr), None);
        assert_eq!(case_arguments(Harness::Catch2, "a, [b] *"), [r"a\, \[b\] \*"]);
        assert_eq!(case_arguments(Harness::Catch2, "~a~"), [r"\~a~"]);
    }

    #[test]
    fn doctest_list_is_xml() {
        let list = "<?xml version=\"1.0\"?>\n<doctest binary=\"x\">\n  <Options/>\n  \
                    <TestCase name=\"a &lt;b&gt; &amp; c\" filename=\"x.cpp\" line=\"3\"/>\n  \
                    <TestCase name=\"d\" skipped=\"true\"/>\n</doctest>\n";
        check(Harness::Doctest, list, &["a <b> & c", "(d)"]);
        assert_eq!(names(Harness::Doctest, "usage\n"), None);
        assert_eq!(case_arguments(Harness::Doctest, "a,b")[0], r"--test-case=a\,b");
        assert_eq!(case_arguments(Harness::Doctest, r"a * \d")[0], r"--test-case=a ? \\d");
    }

    #[test]
    fn harness_is_found_by_what_is_linked() {
        let check =
            |words: &str, expect| assert_eq!(harness_of_link(words.split(' ')), expect, "{words}");
        check("a.o -lgtest_main -lgtest", Some(Harness::Gtest));
        check("a.o target/debug/libCatch2.a", Some(Harness::Catch2));
        check("a.o /usr/lib/libgtest.so.1.12", Some(Harness::Gtest));
        check("a.o target/debug/libcatch2.a", Some(Harness::Catch2));
        check("gtest.o -lm -L/usr/lib/gtest libgtester.a", None);
    }

    #[test]
    fn fuzz_test_list() {
        tender_fuzz::check("test_list", 3_000, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            for harness in [Harness::Gtest, Harness::Catch2, Harness::Doctest] {
                for case in parse_list(harness, &text, "").unwrap_or_default() {
                    assert!(!case_arguments(harness, &case.name).is_empty());
                }
            }
        });
    }
}
