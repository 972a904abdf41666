//! Whether a target selector of a GCC test matches this target: x86_64 Linux, compiled by clang.
//! Pure.

use super::tcl::{Word, list};

/// GCC's name of this target.
const TRIPLET: &str = "x86_64-pc-linux-gnu";

/// Keywords that are true here, and that are false. For any other one the program is compiled and
/// run with clang.
const HOLDS: [&str; 22] = [
    "native",
    "lp64",
    "int32",
    "int32plus",
    "ptr32plus",
    "size32plus",
    "size20plus",
    "size24plus",
    "fpic",
    "pie_enabled",
    "tls",
    "tls_runtime",
    "pthread",
    "alloca",
    "signal",
    "fileio",
    "mmap",
    "gld",
    "init_priority",
    "stdint_types",
    "c99_runtime",
    "sse2_runtime",
];
const FAILS: [&str; 17] = [
    "ilp32",
    "ia32",
    "x32",
    "freestanding",
    "newlib",
    "newlib_nano_io",
    "default_packed",
    "unwrapped",
    "run_expensive_tests",
    "arm32",
    "arm_neon",
    "arm_thumb1_ok",
    "arm_fp16_alternative_ok",
    "powerpc_spe_nocache",
    "hwaddress_exec",
    "hard_float",
    "arm_eabi",
];

/// The year of a C++ standard in a keyword, such as 11 in `c++11_only`. 98 is the first.
fn order(year: u32) -> u32 {
    if year == 98 { 3 } else { year }
}

/// Whether the selector is true with the C++ standard of the year `std`. `None`: unknown.
///
/// A selector is a list of triplets with wildcards and of keywords, one of which has to be true, or
/// an expression of such lists.
pub(super) fn holds(selector: &str, std: u32) -> Option<bool> {
    all_of(&list(selector), std)
}

/// As `holds`, for the part after `target` of a word such as `target c++11 xfail arm*-*-*`. True
/// without a target.
pub(super) fn is_target(word: &str, std: u32) -> Option<bool> {
    let words = list(word);
    let behind = words.iter().skip_while(|word| word.text != "target").skip(1);
    let selector: Vec<Word> = behind.take_while(|word| word.text != "xfail").cloned().collect();
    if selector.is_empty() { Some(true) } else { all_of(&selector, std) }
}

fn all_of(words: &[Word], std: u32) -> Option<bool> {
    let operands = |operator: &'static str| {
        let mut parts = words.split(move |word| !word.braced && word.text == operator);
        parts
            .clone()
            .nth(1)
            .is_some()
            .then(|| parts.by_ref().map(|part| all_of(part, std)).collect::<Vec<_>>())
    };
    if let Some(parts) = operands("||") {
        return any(parts);
    }
    if let Some(parts) = operands("&&") {
        return any(parts.into_iter().map(|part| part.map(|holds| !holds)).collect())
            .map(|holds| !holds);
    }
    match words {
        [] => Some(true),
        [not, rest @ ..] if !not.braced && not.text == "!" => all_of(rest, std).map(|holds| !holds),
        words => any(words.iter().map(|word| one(word, std)).collect()),
    }
}

/// True if one of them is true, else unknown if one is unknown.
fn any(parts: Vec<Option<bool>>) -> Option<bool> {
    if parts.contains(&Some(true)) {
        Some(true)
    } else if parts.contains(&None) {
        None
    } else {
        Some(false)
    }
}

fn one(word: &Word, std: u32) -> Option<bool> {
    let text = word.text.as_str();
    if word.braced || text.contains(char::is_whitespace) {
        return holds(text, std);
    }
    if let Some(standard) = text.strip_prefix("c++") {
        return by_standard(standard, std);
    }
    if text.matches('-').count() >= 2 {
        return Some(matches(text.as_bytes(), TRIPLET.as_bytes()));
    }
    if HOLDS.contains(&text) {
        Some(true)
    } else if FAILS.contains(&text) {
        Some(false)
    } else {
        None
    }
}

/// `11`, `14_down`, `17_only`, `2a`.
fn by_standard(standard: &str, std: u32) -> Option<bool> {
    let (year, how) = standard.split_once('_').unwrap_or((standard, ""));
    let year = match year {
        "0x" => 11,
        "1y" => 14,
        "1z" => 17,
        "2a" => 20,
        "2b" => 23,
        year => year.parse().ok()?,
    };
    let (year, std) = (order(year), order(std));
    match how {
        "" => Some(std >= year),
        "only" => Some(std == year),
        "down" => Some(std <= year),
        _ => None,
    }
}

/// Whether a pattern with `*`, `?` and `[...]` matches all of `text`.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|c| *c == b']') else { return false };
            text.first().is_some_and(|c| rest[..end].contains(c))
                && matches(&rest[end + 1..], &text[1..])
        }
        [b'?', rest @ ..] => !text.is_empty() && matches(rest, &text[1..]),
        [c, rest @ ..] => text.first() == Some(c) && matches(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_match_targets() {
        let check = |text: &str, std: u32, expect: Option<bool>| {
            assert_eq!(is_target(text, std), expect, "{text} in {std}");
        };
        check("", 17, Some(true));
        check("xfail arm*-*-*", 17, Some(true));
        check("target c++11", 98, Some(false));
        check("target c++11", 17, Some(true));
        check("target c++14_down", 17, Some(false));
        check("target c++98_only", 98, Some(true));
        check("target c++2a", 20, Some(true));
        check("target { c++11 && { ! c++17 } }", 14, Some(true));
        check("target { c++11 && { ! c++17 } }", 17, Some(false));
        check("target i?86-*-* x86_64-*-*", 17, Some(true));
        check("target *-*-darwin[912]* powerpc*-*-*", 17, Some(false));
        check("target { { i?86-*-* x86_64-*-* } && { ! { ia32 } } }", 17, Some(true));
        check("target { { i?86-*-* x86_64-*-* } && ia32 }", 17, Some(false));
        check("target { ilp32 || lp64 } xfail { *-*-* }", 17, Some(true));
        check("target { nonpic || pie_enabled }", 17, Some(true));
        check("target vect_int", 17, None);
        check("target { ! vect_int }", 17, None);
        check("target { lp64 && vect_int }", 17, None);
        check("target { ilp32 && vect_int }", 17, Some(false));
        check("target { lp64 || vect_int }", 17, Some(true));
    }
}
