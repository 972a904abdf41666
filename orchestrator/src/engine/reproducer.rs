//! The contents of a reproducer of a crash: the preprocessed source, and a script that runs LLVM's
//! own clang on it.

use crate::graph::{Item, Run};
use crate::sys::shell::{quoted, quoted_words};
use camino::Utf8Path;
use tender_protocol::{Language, Work};

/// Whether a crash of the item can have a reproducer. Links and archives have none.
pub(super) fn can_be_reproduced(item: &Item) -> bool {
    unit_of(item).is_some()
}

pub(super) struct CrashedUnit<'a> {
    pub(super) source: &'a str,
    pub(super) language: Language,
    pub(super) args: &'a [String],
}

pub(super) fn unit_of(item: &Item) -> Option<CrashedUnit<'_>> {
    match &item.run {
        Run::Worker(
            Work::Compile { source, language, args, .. } | Work::Check { source, language, args },
        ) => Some(CrashedUnit { source, language: *language, args }),
        _ => None,
    }
}

/// A directory name for an item: readable, and different for different keys.
pub(super) fn slug(key: &str) -> String {
    let plain: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '_' { c } else { '-' })
        .collect();
    let hash = blake3::hash(key.as_bytes()).to_hex();
    let start: String = plain.chars().take(80).collect();
    format!("{start}-{}", &hash[..8])
}

/// Whether the language is preprocessed, and the extension of the result.
pub(super) fn extension(language: Language) -> (bool, &'static str) {
    match language {
        Language::C => (true, "i"),
        Language::Cxx => (true, "ii"),
        Language::AssemblyWithCpp => (true, "s"),
        Language::Assembly => (false, "s"),
        Language::LlvmIr => (false, "ll"),
        Language::Bitcode => (false, "bc"),
    }
}

/// A POSIX shell script that compiles `input`, an absolute path, as the unit was compiled; `root`
/// is the directory of relative paths among the arguments. Arguments of the script are added to
/// clang's.
pub(super) fn script(
    item: &Item,
    args: &[String],
    clang: &str,
    root: &Utf8Path,
    input: &Utf8Path,
) -> String {
    // A label may hold anything, even a newline, which would end the comment.
    let label = item.label.replace(char::is_control, "?");
    format!(
        "#!/bin/sh\n\
         # tender-worker crashed on {label} of crate {krate}. This runs LLVM's own clang on the same input.\n\
         cd {root} || exit 1\n\
         exec \"${{CLANG:-{clang}}}\" {words} -c {input} -o /dev/null \"$@\"\n",
        krate = item.krate_name,
        root = quoted(root.as_str()),
        words = quoted_words(args),
        input = quoted(input.as_str()),
    )
}

/// The clang of the LLVM that we were built for, else the one in the PATH.
pub(super) fn clang() -> String {
    let clang = crate::toolchain::llvm_bin().join("clang");
    if clang.is_file() {
        clang.into_string()
    } else {
        format!("clang-{}", tender_protocol::LLVM_MAJOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slug_is_a_directory_name() {
        assert!(slug("zstd lib src/a.c").starts_with("zstd-lib-src-a.c-"));
        assert_ne!(slug("a b"), slug("a-b"));
        assert!(!slug("../../etc").contains('/'));
        assert!(slug(&"x".repeat(500)).len() < 100);
    }
}
