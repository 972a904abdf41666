//! What the name of a file, and of the directories that it lies in, tells about it: whether it is a
//! test, an example, code of others, or for another platform. Pure.

use camino::Utf8Path;

/// Why a file is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlaceKind {
    Test,
    Example,
    Benchmark,
    Fuzzer,
    OthersCode,
    Documentation,
    BuildFile,
    Platform,
    Processor,
}

impl PlaceKind {
    pub fn words(self) -> &'static str {
        match self {
            PlaceKind::Test => "tests",
            PlaceKind::Example => "examples",
            PlaceKind::Benchmark => "benchmarks",
            PlaceKind::Fuzzer => "fuzzers",
            PlaceKind::OthersCode => "code of others, or contributed",
            PlaceKind::Documentation => "documentation",
            PlaceKind::BuildFile => "files of a build",
            PlaceKind::Platform => "for other platforms",
            PlaceKind::Processor => "for other processors",
        }
    }
}

const DIRECTORIES: [(PlaceKind, &[&str]); 7] = [
    (
        PlaceKind::Test,
        &["test", "tests", "testing", "testsuite", "unittest", "unittests", "unit-tests", "t"],
    ),
    (
        PlaceKind::Example,
        &["example", "examples", "sample", "samples", "demo", "demos", "tutorial", "tutorials"],
    ),
    (PlaceKind::Benchmark, &["bench", "benches", "benchmark", "benchmarks"]),
    (PlaceKind::Fuzzer, &["fuzz", "fuzzer", "fuzzers", "fuzzing", "oss-fuzz", "ossfuzz"]),
    (
        PlaceKind::OthersCode,
        &[
            "contrib",
            "third_party",
            "third-party",
            "thirdparty",
            "3rdparty",
            "3rd-party",
            "external",
            "externals",
            "vendor",
            "vendored",
            "subprojects",
            "submodules",
            "old",
            "attic",
        ],
    ),
    (PlaceKind::Documentation, &["doc", "docs", "documentation"]),
    (PlaceKind::BuildFile, &["build", "cmake", "cmakefiles", "target", "out", "m4"]),
];

/// Names of systems other than Linux, as they stand in names of files and directories.
const PLATFORMS: &[&str] = &[
    "win",
    "win32",
    "win64",
    "windows",
    "winrt",
    "uwp",
    "wince",
    "msvc",
    "mingw",
    "mingw32",
    "cygwin",
    "watcom",
    "darwin",
    "macos",
    "macosx",
    "osx",
    "mac",
    "apple",
    "ios",
    "android",
    "freebsd",
    "netbsd",
    "openbsd",
    "dragonfly",
    "bsd",
    "solaris",
    "sunos",
    "aix",
    "hpux",
    "irix",
    "tru64",
    "haiku",
    "beos",
    "amiga",
    "amigaos",
    "msdos",
    "dos",
    "djgpp",
    "os2",
    "os390",
    "os400",
    "ibmi",
    "vms",
    "riscos",
    "qnx",
    "vxworks",
    "nintendods",
    "emscripten",
    "wasm",
    "wasi",
    "symbian",
    "fuchsia",
    "hurd",
];

/// Names of processors, by those that mean the same one.
const PROCESSORS: [&[&str]; 10] = [
    &[
        "x86_64", "amd64", "x64", "x86", "i386", "i686", "intel", "sse", "sse2", "ssse3", "sse4",
        "avx", "avx2",
    ],
    &["aarch64", "arm64", "neon"],
    &["arm", "armv7", "armv6"],
    &["mips", "mips64", "msa"],
    &["powerpc", "ppc", "ppc64", "ppc64le", "altivec", "vsx"],
    &["riscv", "riscv32", "riscv64", "rvv"],
    &["s390", "s390x"],
    &["loongarch", "loongarch64", "lsx", "lasx"],
    &["sparc", "sparc64"],
    &["alpha", "ia64", "m68k", "sh4"],
];

/// What the place of a file tells, by its path from the project's root, and how much of the path
/// tells it. `processor` is the name of the one that is built for.
pub fn kind_of<'a>(path: &'a Utf8Path, processor: &str) -> Option<(PlaceKind, &'a Utf8Path)> {
    let directory = path.parent().unwrap_or(Utf8Path::new(""));
    let above: Vec<&Utf8Path> =
        directory.ancestors().filter(|dir| !dir.as_str().is_empty()).collect();
    for dir in above.into_iter().rev() {
        let name = dir.file_name().unwrap_or_default().to_ascii_lowercase();
        // Deeper, names such as `build` and `out` are parts of a project like others.
        let is_top = !dir.as_str().contains('/');
        let by_place = DIRECTORIES.iter().find(|(kind, names)| {
            (is_top || *kind < PlaceKind::Documentation) && names.contains(&name.as_str())
        });
        let kind = by_place.map(|(kind, _)| *kind).or_else(|| variant(&name, processor));
        if let Some(kind) = kind {
            return Some((kind, dir));
        }
    }
    let stem = path.file_stem().unwrap_or_default();
    by_words(stem)
        .or_else(|| variant(&stem.to_ascii_lowercase(), processor))
        .map(|kind| (kind, path))
}

const TESTS: [&str; 6] = ["test", "tests", "unittest", "unittests", "testutil", "mock"];
const BENCHMARKS: [&str; 3] = ["bench", "benchmark", "benchmarks"];
const FUZZERS: [&str; 2] = ["fuzz", "fuzzer"];
const EXAMPLES: [&str; 3] = ["example", "examples", "demo"];

/// By the first or last word of a file's name.
fn by_words(stem: &str) -> Option<PlaceKind> {
    let lower = stem.to_ascii_lowercase();
    let words: Vec<&str> = words(&lower).collect();
    let is_camel = |word: &str| {
        let start = stem.strip_suffix(word);
        start.is_some_and(|start| {
            start.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
    };
    let has = |names: &[&str]| {
        [words.first(), words.last()].into_iter().flatten().any(|word| names.contains(word))
    };
    if has(&TESTS) || ["Test", "Tests", "Mock"].into_iter().any(is_camel) {
        Some(PlaceKind::Test)
    } else if has(&BENCHMARKS) || is_camel("Benchmark") {
        Some(PlaceKind::Benchmark)
    } else if has(&FUZZERS) || is_camel("Fuzzer") {
        Some(PlaceKind::Fuzzer)
    } else if has(&EXAMPLES) {
        Some(PlaceKind::Example)
    } else {
        None
    }
}

/// The end of a file's name that tells that it is left out, such as `_test`: a pattern can name all
/// such files at once.
pub fn ending(path: &Utf8Path) -> Option<&str> {
    let stem = path.file_stem()?;
    let (start, word) = stem.rsplit_once(['_', '-'])?;
    let is_telling = TESTS.contains(&word) || BENCHMARKS.contains(&word) || FUZZERS.contains(&word);
    is_telling.then(|| &stem[start.len()..])
}

fn variant(name: &str, processor: &str) -> Option<PlaceKind> {
    let same_as = |word: &str| PROCESSORS.iter().find(|names| names.contains(&word));
    let own = same_as(processor);
    // `x86_64` has the sign that separates words.
    let whole = same_as(name).or_else(|| {
        PROCESSORS
            .iter()
            .find(|names| names.iter().any(|word| word.contains('_') && name.contains(word)))
    });
    let processors = whole.into_iter().chain(words(name).filter_map(same_as));
    let mut is_of_another = false;
    for names in processors {
        if own == Some(names) {
            return None;
        }
        is_of_another = true;
    }
    let (first, last) = (words(name).next(), words(name).last());
    // `win_rate.c` and `mac_address.c` are for every platform.
    let of_platform = |word: &str| PLATFORMS.contains(&word);
    if last.is_some_and(of_platform)
        || first.is_some_and(|word| of_platform(word) && !matches!(word, "win" | "mac" | "dos"))
    {
        // `bsd_linux.c` is for both.
        let is_ours = words(name).any(|word| matches!(word, "linux" | "unix" | "posix"));
        return (!is_ours).then_some(PlaceKind::Platform);
    }
    is_of_another.then_some(PlaceKind::Processor)
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(['_', '-', '.', '+']).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_by_names() {
        let check = |path: &str, expect: Option<(PlaceKind, &str)>| {
            let found = kind_of(path.into(), "x86_64").map(|(kind, at)| (kind, at.as_str()));
            assert_eq!(found, expect, "{path}");
        };
        use PlaceKind::*;
        check("src/a.c", None);
        check("latest.c", None);
        check("src/contest/win_rate/mac_address.c", None);
        check("src/target/armor.c", None);
        check("test/a.c", Some((Test, "test")));
        check("src/x/tests/deep/a.c", Some((Test, "src/x/tests")));
        check("db/db_test.cc", Some((Test, "db/db_test.cc")));
        check("db/FileTest.cpp", Some((Test, "db/FileTest.cpp")));
        check("test_x.c", Some((Test, "test_x.c")));
        check("examples/win32/a.c", Some((Example, "examples")));
        check("benchmarks/b.cc", Some((Benchmark, "benchmarks")));
        check("src/parse_fuzzer.cc", Some((Fuzzer, "src/parse_fuzzer.cc")));
        check("third_party/x/src/a.c", Some((OthersCode, "third_party")));
        check("doc/code/a.c", Some((Documentation, "doc")));
        check("src/doc/a.c", None);
        check("build/a.c", Some((BuildFile, "build")));
        check("src/build/a.c", None);
        check("src/win/a.c", Some((Platform, "src/win")));
        check("util/env_windows.cc", Some((Platform, "util/env_windows.cc")));
        check("src/unix/darwin-proctitle.c", Some((Platform, "src/unix/darwin-proctitle.c")));
        check("src/unix/linux.c", None);
        check("src/unix/bsd-linux.c", None);
        check("arm/init.c", Some((Processor, "arm")));
        check("src/x86_64/a.S", None);
        check("src/x86/a.S", None);
        check("src/hash_sse2.c", None);
        check("src/hash_neon.c", Some((Processor, "src/hash_neon.c")));
    }

    #[test]
    fn places_of_processors_follow_the_one_that_is_built_for() {
        let check = |path: &str, expect: bool| {
            assert_eq!(kind_of(path.into(), "aarch64").is_some(), expect, "{path}");
        };
        check("src/aarch64/a.S", false);
        check("src/hash_neon.c", false);
        check("src/x86_64/a.S", true);
        check("src/hash_x86_64.c", true);
    }
}
