//! The question behind a macro that nobody explains: what autoconf would have asked to define it.
//! Pure.
//!
//! autoconf makes a name of a header, type or function by writing it in capitals, with `_` for all
//! other characters and `P` for `*` (`AS_TR_CPP`). Several may have the same name, so the answer is
//! a list of tests, of which one has to succeed.

use super::template::Answer;
use tender_protocol::ProbeTest;

/// What a name asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inferred {
    /// Yes, if one of these succeeds. Never empty.
    Tests(Vec<ProbeTest>),
    /// It is the same on every system that clang compiles for.
    Known(Answer),
}

/// What a name asks; None if it tells nothing.
pub fn infer(name: &str) -> Option<Inferred> {
    let one = |test| Some(Inferred::Tests(vec![test]));
    match name {
        "WORDS_BIGENDIAN" => return one(ProbeTest::Endian("big".into())),
        // Only for Apple's compilers of several processors at once.
        "AC_APPLE_UNIVERSAL_BUILD" => return Some(Inferred::Known(Answer::No)),
        // The headers of C90.
        "STDC_HEADERS" => return Some(Inferred::Known(Answer::Yes)),
        _ => {}
    }
    if let Some(rest) = part(name, "SIZEOF_", "") {
        return one(ProbeTest::Sizeof(type_name(rest)));
    }
    if let Some(rest) = part(name, "HAVE_", "_H") {
        let tests = paths(&lower(rest)).into_iter().map(ProbeTest::HasHeader);
        return Some(Inferred::Tests(tests.collect()));
    }
    if let Some(rest) = part(name, "HAVE_STRUCT_", "") {
        return Some(Inferred::Tests(structures(&lower(rest))));
    }
    if let Some(rest) = part(name, "HAVE_DECL_", "") {
        return one(ProbeTest::HasDecl(lower(rest)));
    }
    if let Some(rest) = part(name, "HAVE_LIB", "") {
        return one(ProbeTest::HasLibrary(lower(rest)));
    }
    let rest = part(name, "HAVE_", "")?;
    if rest.ends_with("_T") {
        return one(ProbeTest::HasType(lower(rest)));
    }
    one(ProbeTest::HasFunction(lower(rest)))
}

/// What stands between, if that is something.
fn part<'n>(name: &'n str, start: &str, end: &str) -> Option<&'n str> {
    name.strip_prefix(start)?.strip_suffix(end).filter(|rest| !rest.is_empty())
}

/// A name with small letters was not made from one in capitals.
fn lower(name: &str) -> String {
    match name.chars().any(|c| c.is_ascii_lowercase()) {
        true => name.to_owned(),
        false => name.to_ascii_lowercase(),
    }
}

/// More `_` than this are not directories.
const MOST_DIRECTORIES: usize = 3;

/// `sys_stat` -> `sys/stat.h`, `sys_stat.h`: the first `_` may be those of directories.
fn paths(name: &str) -> Vec<String> {
    let places: Vec<usize> =
        name.match_indices('_').map(|(at, _)| at).filter(|at| *at > 0).collect();
    (0..=places.len().min(MOST_DIRECTORIES))
        .rev()
        .map(|directories| {
            let mut path = name.to_owned();
            places[..directories].iter().for_each(|at| path.replace_range(*at..at + 1, "/"));
            path + ".h"
        })
        .collect()
}

/// `stat_st_dev` -> the type `struct stat_st_dev`, or a member of `struct stat` or of
/// `struct stat_st`.
fn structures(name: &str) -> Vec<ProbeTest> {
    let mut tests: Vec<ProbeTest> = name
        .match_indices('_')
        .filter(|(at, _)| *at > 0 && at + 1 < name.len())
        .map(|(at, _)| ProbeTest::HasMember(format!("struct {}.{}", &name[..at], &name[at + 1..])))
        .collect();
    tests.push(ProbeTest::HasType(format!("struct {name}")));
    tests
}

/// Words of which types of C are made.
const TYPE_WORDS: [&str; 11] = [
    "char", "double", "enum", "float", "int", "long", "short", "signed", "struct", "unsigned",
    "void",
];

/// `LONG_LONG` -> `long long`, `VOID_P` -> `void *`, `SIZE_T` -> `size_t`.
fn type_name(name: &str) -> String {
    let name = lower(name);
    let (base, pointer) = match name.strip_suffix("_p") {
        Some(base) => (base, " *"),
        None => (name.as_str(), ""),
    };
    let words: Vec<&str> = base.split('_').collect();
    if words.iter().all(|word| TYPE_WORDS.contains(word)) {
        return words.join(" ") + pointer;
    }
    match base.strip_prefix("struct_").filter(|rest| !rest.is_empty()) {
        Some(rest) => format!("struct {rest}{pointer}"),
        None if !base.is_empty() => format!("{base}{pointer}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expect: &[&str]) {
        let found = match infer(name) {
            None => vec!["-".to_owned()],
            Some(Inferred::Known(answer)) => vec![format!("{answer:?}")],
            Some(Inferred::Tests(tests)) => {
                let text = |test: &ProbeTest| format!("{} {}", test.parts().0, test.parts().1);
                tests.iter().map(text).collect()
            }
        };
        assert_eq!(found, expect, "{name}");
    }

    #[test]
    fn infer_reads_the_names_that_autoconf_makes() {
        check("HAVE_STDIO_H", &["has-header stdio.h"]);
        check("HAVE_SYS_STAT_H", &["has-header sys/stat.h", "has-header sys_stat.h"]);
        check(
            "HAVE_NETINET_IN_SYSTM_H",
            &[
                "has-header netinet/in/systm.h",
                "has-header netinet/in_systm.h",
                "has-header netinet_in_systm.h",
            ],
        );
        check(
            "HAVE_STRUCT_STAT_ST_DEV",
            &[
                "has-member struct stat.st_dev",
                "has-member struct stat_st.dev",
                "has-type struct stat_st_dev",
            ],
        );
        check("HAVE_STRUCT_TIMESPEC", &["has-type struct timespec"]);
        check("SIZEOF_INT", &["sizeof int"]);
        check("SIZEOF_LONG_LONG", &["sizeof long long"]);
        check("SIZEOF_UNSIGNED_LONG", &["sizeof unsigned long"]);
        check("SIZEOF_VOID_P", &["sizeof void *"]);
        check("SIZEOF_SIZE_T", &["sizeof size_t"]);
        check("SIZEOF_STRUCT_STAT", &["sizeof struct stat"]);
        check("SIZEOF___INT64", &["sizeof __int64"]);
        check("HAVE_DECL_STRERROR_R", &["has-decl strerror_r"]);
        check("HAVE_DECL_RAND_egd", &["has-decl RAND_egd"]);
        check("HAVE_LIBZ", &["has-library z"]);
        check("HAVE_LIBGEN_H", &["has-header libgen.h"]);
        check("HAVE_SSIZE_T", &["has-type ssize_t"]);
        check("HAVE_GETADDRINFO", &["has-function getaddrinfo"]);
        check("HAVE__SETMODE", &["has-function _setmode"]);
        check("WORDS_BIGENDIAN", &["endian big"]);
        check("STDC_HEADERS", &["Yes"]);
        check("AC_APPLE_UNIVERSAL_BUILD", &["No"]);
    }

    #[test]
    fn infer_knows_nothing_of_other_names() {
        for name in
            ["VERSION", "PACKAGE_NAME", "_GNU_SOURCE", "HAVE_", "HAVE__", "SIZEOF_", "const"]
        {
            match name {
                "HAVE__" => check(name, &["has-function _"]),
                _ => check(name, &["-"]),
            }
        }
    }
}
