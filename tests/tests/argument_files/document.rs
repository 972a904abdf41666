//! Each option of docs/inputs.md is tested, or is listed here with the reason why not.

use super::{flags, headers, links, nothing_read};
use std::collections::BTreeSet;
use tender_tests::examples;

/// Tested elsewhere.
const FLAGS_ELSEWHERE: &[(&str, &str)] = &[
    ("--gcc-toolchain", "a_new_gcc_counts_..."),
    ("-include-pch", "precompiled.rs"),
    ("-L", "flags_of_the_link_are_sent_where_they_belong"),
];

const LINK_ARGS_ELSEWHERE: &[(&str, &str)] = &[
    ("-L", "link_inputs.rs"),
    ("--library-path", "link_inputs.rs"),
    ("-l", "link_inputs.rs"),
    ("-o", "`tender` gives its own, behind these words"),
];

/// Options of linkers that are not used if lld is installed, and of other processors.
const LINK_ARGS_NOT_TRIED: &[(&str, &str)] = &[
    ("--mri-script", "GNU ld"),
    ("-c", "GNU ld"),
    ("--section-ordering-file", "GNU ld"),
    ("--in-implib", "lld for Arm's secure gateways"),
    ("--out-implib", "lld for Arm's secure gateways"),
];

/// The options in the first column of the section's table.
fn documented(title: &str) -> BTreeSet<String> {
    let document =
        std::fs::read_to_string(examples().parent().unwrap().join("docs/inputs.md")).unwrap();
    let text = &document[document.find(title).unwrap() + title.len()..];
    let text = &text[..text.find("\n## ").unwrap_or(text.len())];
    let cells = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| row.split(" | ").next().unwrap());
    let quoted = cells.flat_map(|cell| cell.split('`').step_by(2));
    quoted.filter(|text| text.starts_with(['-', '@'])).map(str::to_owned).collect()
}

/// Whether one of these words is the option, perhaps after `-Wl,`.
fn tried(words: &BTreeSet<&str>, option: &str) -> bool {
    let option =
        option.trim_start_matches("-Xclang ").trim_end_matches("FILE").trim_end_matches("/PATH");
    let option = option.trim_end_matches('=');
    words.iter().any(|word| {
        word.starts_with(option)
            || word.strip_prefix("-Wl,").is_some_and(|rest| rest.starts_with(option))
    })
}

fn missing(title: &str, words: &BTreeSet<&str>, others: &[&[(&str, &str)]]) -> Vec<String> {
    let options = documented(title);
    assert!(options.len() > 30, "{options:?}");
    for (name, _) in others.iter().copied().flatten() {
        assert!(options.contains(*name), "{name} is not in the document");
    }
    let other = |option: &String| others.iter().copied().flatten().any(|(name, _)| name == option);
    options.into_iter().filter(|option| !tried(words, option) && !other(option)).collect()
}

#[test]
fn flags_of_the_document_are_all_tested() {
    let edited = [flags::C, flags::CXX].into_iter().flatten().map(|row| row.0);
    let looked = [headers::C, headers::CXX].into_iter().flatten().map(|row| row.0);
    let unread = [nothing_read::FLAGS, nothing_read::REFUSED_FLAGS].into_iter().flatten().copied();
    let words = edited.chain(looked).chain(unread).flatten().copied().collect();
    assert_eq!(missing("## Options of `flags`", &words, &[FLAGS_ELSEWHERE]), [""; 0]);
}

#[test]
fn link_args_of_the_document_are_all_tested() {
    let edited = [links::ARGS, links::GCC_ARGS].into_iter().flatten().map(|row| row.0);
    let words = edited.chain(nothing_read::LINK_ARGS.iter().copied()).flatten().copied().collect();
    let others = [LINK_ARGS_ELSEWHERE, LINK_ARGS_NOT_TRIED];
    assert_eq!(missing("## Options of `link-args`", &words, &others), [""; 0]);
}
