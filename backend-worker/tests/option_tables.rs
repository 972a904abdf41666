//! Compares the table of options that name files, in `docs/inputs.md`, with the options that clang
//! and lld list. Fails for an option of a newer LLVM that is missing.

use std::collections::BTreeSet;
use std::process::Command;

const LLVM: &str = concat!(env!("TENDER_LLVM_PREFIX"), "/bin");

/// Words in a help text that suggest that the value is a file or directory.
const SIGNS: [&str; 5] = ["file", "dir", "path", "profile", "script"];

/// Options that match and take no file: numbers, kinds and names.
const NO_FILES: [&str; 7] = [
    "finput-charset",
    "mindirect-jump",
    "fprofile-update",
    "fprofile-function-groups",
    "fprofile-selected-function-group",
    "fspv-extension",
    "call-graph-profile-sort",
];

fn help(program: &str, option: &str) -> String {
    let output = Command::new(format!("{LLVM}/{program}")).arg(option).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Options whose help text suggests a file as value.
fn naming_files(help: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in help.lines() {
        let Some(text) = line.strip_prefix("  -") else { continue };
        let option = text.split("  ").next().unwrap();
        if !option.contains(['<', '=']) {
            continue;
        }
        let name = option.trim_start_matches('-').split([' ', '<', '[']).next().unwrap();
        let name = name.trim_end_matches('=');
        let sounds = SIGNS.iter().any(|sign| option.to_lowercase().contains(sign));
        if sounds && !NO_FILES.contains(&name) && !name.starts_with("no-") {
            found.insert(name.to_owned());
        }
    }
    found
}

/// The options in the document, without dashes and values.
fn documented() -> BTreeSet<String> {
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/inputs.md")).unwrap();
    let quoted = document.split('`').skip(1).step_by(2);
    let names = quoted.flat_map(|text| text.split(' ').filter(|word| word.starts_with('-')));
    names.map(|word| word.trim_start_matches('-').trim_end_matches('=').to_owned()).collect()
}

#[test]
fn option_tables_of_clang_and_lld_are_documented() {
    let documented = documented();
    for (program, option, least) in [("clang", "--help-hidden", 80), ("ld.lld", "--help", 20)] {
        let found = naming_files(&help(program, option));
        assert!(found.len() >= least, "{program}: {found:?}");
        let known = |name: &String| {
            documented.contains(name)
                || name.split_once('=').is_some_and(|(name, _)| documented.contains(name))
        };
        let missing: Vec<&String> = found.iter().filter(|name| !known(name)).collect();
        assert!(missing.is_empty(), "{program}: docs/inputs.md does not mention {missing:?}");
    }
}
