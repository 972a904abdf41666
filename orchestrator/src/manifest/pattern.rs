//! Paths and globs as manifests write them. Pure: text in, places out (see `walk` for the files).

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use tender_protocol::Language;

/// Stands for the directory of generated files, which depends on the profile.
pub const OUT_DIR: &str = "$OUT_DIR";

/// How a file takes part in the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    Unit(Language),
    /// `.asm`: assembly for nasm or yasm.
    Nasm,
    /// `.o`, `.a`: goes into the archive or the link as it is.
    Prebuilt,
}

/// By extension; upper case counts, as for clang. None for headers and all else that is no source.
pub fn source_kind(path: &Utf8Path) -> Option<SourceKind> {
    Some(match extension(path)? {
        "c" => SourceKind::Unit(Language::C),
        "cc" | "cpp" | "cxx" | "c++" | "C" => SourceKind::Unit(Language::Cxx),
        _ if is_interface(path) => SourceKind::Unit(Language::Cxx),
        "ll" => SourceKind::Unit(Language::LlvmIr),
        "bc" => SourceKind::Unit(Language::Bitcode),
        "s" => SourceKind::Unit(Language::Assembly),
        "S" => SourceKind::Unit(Language::AssemblyWithCpp),
        "asm" => SourceKind::Nasm,
        "o" | "a" => SourceKind::Prebuilt,
        _ => return None,
    })
}

/// As `Utf8Path::extension`, which parses the whole path, and is asked here several times for each
/// source of a build.
fn extension(path: &Utf8Path) -> Option<&str> {
    let (_, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
    match name.rsplit_once('.') {
        _ if ["", ".", ".."].contains(&name) => path.extension(),
        Some((stem, extension)) if !stem.is_empty() => Some(extension),
        _ => None,
    }
}

/// Headers, and parts of sources that others include, of C and C++.
pub fn is_header(path: &Utf8Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["h", "hh", "hpp", "hxx", "h++", "H", "inl", "inc", "ipp", "tpp", "txx"].contains(&extension)
}

/// Whether the name says that the source declares a module of C++20. These are the extensions that
/// clang, MSVC and CMake use.
pub fn is_interface(path: &Utf8Path) -> bool {
    let extension = extension(path).unwrap_or_default();
    ["cppm", "ixx", "mpp", "ccm", "cxxm", "c++m"].contains(&extension)
}

/// What is compiled or assembled.
pub(super) fn is_unit(path: &Utf8Path) -> bool {
    matches!(source_kind(path), Some(SourceKind::Unit(_) | SourceKind::Nasm))
}

pub(super) const SOURCE_EXTENSIONS: &str = "sources end in .c, .cc, .cpp, .cxx, .c++, .C, .cppm, .ixx, .mpp, .ccm, .cxxm, .c++m, .s, .S, .asm, .ll, .bc, .o or .a";

/// Absolute and without `.` and `..`, or still beginning with `$OUT_DIR`. By text alone, so a
/// symbolic link followed by `..` leads to where it is written, not to where it points.
pub fn resolve(dir: &Utf8Path, text: &str) -> Utf8PathBuf {
    if in_out_dir(text) { normalise(Utf8Path::new(text)) } else { normalise(&dir.join(text)) }
}

pub(super) fn in_out_dir(text: &str) -> bool {
    text.strip_prefix(OUT_DIR).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Without `.`, `..` and double slashes, by text alone: symbolic links are not followed.
pub fn normalise(path: &Utf8Path) -> Utf8PathBuf {
    let mut normal = Utf8PathBuf::new();
    for component in path.components() {
        match component {
            Utf8Component::CurDir => {}
            // Above the root there is the root again.
            Utf8Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}

/// How the patterns of a target speak of a file, which need not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mention {
    Included,
    Excluded,
    No,
}

/// `patterns` and `text` are as written in the manifest of the crate in `dir`; `text` names one
/// file.
pub fn mention(dir: &Utf8Path, patterns: &[String], text: &str) -> Mention {
    let path = resolve(dir, text);
    let patterns = patterns.iter().filter_map(|pattern| Pattern::parse(dir, pattern).ok());
    let (excludes, includes): (Vec<_>, Vec<_>) = patterns.partition(|pattern| pattern.exclude);
    let mut mention = Mention::No;
    for pattern in includes.iter().filter(|pattern| pattern.matches(&path)) {
        if !excludes.iter().any(|exclude| exclude.takes(&path, pattern)) {
            return Mention::Included;
        }
        mention = Mention::Excluded;
    }
    match mention {
        Mention::No if excludes.iter().any(|exclude| exclude.matches(&path)) => Mention::Excluded,
        _ => mention,
    }
}

/// Bytes, as PATH_MAX. To compile a glob takes stack by its nesting and memory by its length.
const LONGEST: usize = 4096;

/// One element of a list of sources, members or inputs.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub exclude: bool,
    pub place: PatternKind,
    /// The directory above which an exclusion that begins with `**/` does not look at the paths that
    /// this pattern names: it looks at all that the pattern writes, without `..`.
    anchor: Utf8PathBuf,
    /// An exclusion that begins with `**/`.
    is_anywhere: bool,
}

#[derive(Clone, Debug)]
pub(super) enum PatternKind {
    /// No wildcard: this very path.
    Path(Utf8PathBuf),
    Glob(Glob),
}

/// A glob, cut into the directory that is certain and what is matched below it.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    pub base: Utf8PathBuf,
    /// How many levels below `base` a match can lie; None: any.
    pub depth: Option<usize>,
    /// Whether names that begin with a point are asked for.
    pub hidden: bool,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    /// `**`, the commonest by far, needs no automaton.
    All,
    Set(GlobSet),
}

impl Glob {
    pub fn everything_below(dir: &Utf8Path) -> Glob {
        Glob { base: dir.to_owned(), depth: None, hidden: false, matcher: Matcher::All }
    }

    /// `below` is relative to `base`.
    pub fn matches(&self, below: &str) -> bool {
        match &self.matcher {
            Matcher::All => true,
            Matcher::Set(set) => set.is_match(below),
        }
    }
}

impl Pattern {
    /// # Errors
    /// What is wrong with the glob, as a fragment.
    pub fn parse(dir: &Utf8Path, text: &str) -> Result<Pattern, String> {
        let (exclude, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.len() > LONGEST {
            return Err(format!("it is longer than a path can be, {LONGEST} bytes"));
        }
        let place = PatternKind::parse(dir, text)?;
        let anchor = match &place {
            _ if in_out_dir(text) => Utf8PathBuf::from(OUT_DIR),
            PatternKind::Path(path) if text.starts_with('/') => {
                path.parent().unwrap_or(path).to_owned()
            }
            PatternKind::Glob(glob) if text.starts_with('/') => glob.base.clone(),
            _ => {
                let is_plain = |part: &Utf8Component<'_>| matches!(part, Utf8Component::Normal(_));
                let up = Utf8Path::new(text).components().take_while(|part| !is_plain(part));
                normalise(&dir.join(up.collect::<Utf8PathBuf>()))
            }
        };
        Ok(Pattern { exclude, place, anchor, is_anywhere: exclude && text.starts_with("**/") })
    }

    /// Whether this exclusion takes away a path that `found_by` matches.
    pub fn takes(&self, path: &Utf8Path, found_by: &Pattern) -> bool {
        let anywhere = || match (&self.place, path.strip_prefix(&found_by.anchor)) {
            (PatternKind::Glob(glob), Ok(below)) => glob.matches(below.as_str()),
            _ => false,
        };
        self.matches(path) || (self.is_anywhere && anywhere())
    }

    /// An exclusion also takes what lies below a directory that it names.
    pub fn matches(&self, path: &Utf8Path) -> bool {
        match &self.place {
            PatternKind::Path(place) if self.exclude => path.starts_with(place),
            PatternKind::Path(place) => path == place,
            PatternKind::Glob(glob) => path.strip_prefix(&glob.base).is_ok_and(|below| {
                let depth = below.components().count();
                depth > 0
                    && glob.depth.is_none_or(|limit| depth <= limit)
                    && glob.matches(below.as_str())
            }),
        }
    }
}

impl PatternKind {
    fn parse(dir: &Utf8Path, text: &str) -> Result<PatternKind, String> {
        let Some(wildcard) = text.find(['*', '?', '[', '{']) else {
            return Ok(PatternKind::Path(resolve(dir, text)));
        };
        let (base, below) = match text[..wildcard].rfind('/') {
            Some(slash) => {
                (resolve(dir, if slash == 0 { "/" } else { &text[..slash] }), &text[slash + 1..])
            }
            None => (normalise(dir), text),
        };
        let below = below.trim_end_matches('/');
        // A path is matched as it is once normalised, so a pattern that goes up after a wildcard
        // could never match.
        if below.split('/').any(|part| matches!(part, "." | ".." | "")) {
            return Err("`.`, `..` and `//` cannot follow a wildcard".to_owned());
        }
        let slashes = below.matches('/').count();
        let braces_with_slash = below.contains('{') && slashes > 0;
        let depth =
            if below.contains("**") || braces_with_slash { None } else { Some(slashes + 1) };
        let hidden = below.split(['/', '{', ',']).any(|part| part.starts_with('.'));
        let matcher =
            if below == "**" { Matcher::All } else { Matcher::Set(compile(below, depth)?) };
        Ok(PatternKind::Glob(Glob { base, depth, hidden, matcher }))
    }
}

fn compile(below: &str, depth: Option<usize>) -> Result<GlobSet, String> {
    // On one level there is no `/` to be matched by `*`; saying so lets globset compare `*.c` by
    // extension, without compiling a regular expression.
    let glob = GlobBuilder::new(below)
        .literal_separator(depth != Some(1))
        .backslash_escape(true)
        .empty_alternates(true)
        .build()
        .map_err(|error| error.kind().to_string())?;
    // As a regular expression it may be more than that library takes, whose words are about itself.
    let too_much = |_| "its braces are too many in one another, or it is too large".to_owned();
    GlobSetBuilder::new().add(glob).build().map_err(too_much)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_is_that_of_the_last_component() {
        for path in [
            "a.c",
            "a/b.tar.gz",
            "a",
            ".c",
            "a/.c",
            "a.b/c",
            "a.",
            "a/..",
            "a.c/",
            "",
            "/",
            "..c",
            "a.c/.",
        ] {
            let path = Utf8Path::new(path);
            assert_eq!(extension(path), path.extension(), "{path}");
        }
    }

    #[test]
    fn patterns_mention_files() {
        let patterns =
            ["src/**/*.c", "!src/win32/**", "!src/old", "$OUT_DIR/*.c"].map(str::to_owned);
        let check = |text: &str, expect| {
            assert_eq!(mention("/w".into(), &patterns, text), expect, "{text}")
        };
        check("src/a.c", Mention::Included);
        check("./src/deep/a.c", Mention::Included);
        check("src/win32/a.c", Mention::Excluded);
        check("src/old/deep/a.c", Mention::Excluded);
        check("$OUT_DIR/a.c", Mention::Included);
        check("$OUT_DIR/sub/a.c", Mention::No);
        check("gen/a.c", Mention::No);
    }

    #[test]
    fn paths_are_normalised_by_text() {
        let check = |text, expect: &str| assert_eq!(resolve("/w/zip".into(), text), expect);
        check("src/a.c", "/w/zip/src/a.c");
        check("./src//a.c", "/w/zip/src/a.c");
        check("../x/../y", "/w/y");
        check("../../../../y", "/y");
        check("/abs/./y", "/abs/y");
        check(".", "/w/zip");
        check("$OUT_DIR/a/../b.c", "$OUT_DIR/b.c");
        check("$OUT_DIRECTORY/a", "/w/zip/$OUT_DIRECTORY/a");
        check("a $x'\"\n.c", "/w/zip/a $x'\"\n.c");
    }

    #[test]
    fn patterns_match() {
        let check = |pattern, path: &str, expect| {
            let pattern = Pattern::parse("/w".into(), pattern).unwrap();
            assert_eq!(pattern.matches(path.into()), expect, "{pattern:?} {path}");
        };
        check("src/**/*.c", "/w/src/a.c", true);
        check("src/**/*.c", "/w/src/x/y/a.c", true);
        check("src/**/*.c", "/w/src/a.h", false);
        check("src/**/*.c", "/w/lib/a.c", false);
        check("src/*.c", "/w/src/a.c", true);
        check("src/*.c", "/w/src/x/a.c", false);
        check("*.c", "/w/a.c", true);
        check("*.c", "/w/x/a.c", false);
        check("src/*/a.c", "/w/src/x/a.c", true);
        check("src/*/a.c", "/w/src/x/y/a.c", false);
        check("src/**", "/w/src/x/y/a.c", true);
        check("src/**", "/w/src", false);
        check("src/?.c", "/w/src/a.c", true);
        check("src/?.c", "/w/src/ab.c", false);
        check("src/[ab].c", "/w/src/b.c", true);
        check("src/[!ab].c", "/w/src/b.c", false);
        check("src/{a,b/c}.c", "/w/src/b/c.c", true);
        check("{a,b}/*.c", "/w/b/c.c", true);
        check("a.{c,cc}", "/w/a.cc", true);
        check("../x/**/*.c", "/x/y/a.c", true);
        check("/abs/*.c", "/abs/a.c", true);
        check("/*.c", "/a.c", true);
        check("$OUT_DIR/*.c", "$OUT_DIR/a.c", true);
        check("src/a.c", "/w/src/a.c", true);
        check("src", "/w/src/a.c", false);
        check("!src", "/w/src/a.c", true);
        check("!src/win32/**", "/w/src/win32/x/a.c", true);
        check("src/a\\[1\\].c", "/w/src/a[1].c", true);
    }

    #[test]
    fn exclusions_reach_as_far_as_the_patterns_beside_them() {
        let check = |exclude: &str, found_by: &str, path: &str, expect| {
            let parse = |text| Pattern::parse("/w/test/x".into(), text).unwrap();
            let (exclude, found_by) = (parse(exclude), parse(found_by));
            assert!(found_by.matches(path.into()), "{found_by:?} {path}");
            assert_eq!(exclude.takes(path.into(), &found_by), expect, "{exclude:?} {path}");
        };
        check("!**/test/**", "src/**", "/w/test/x/src/test/a.c", true);
        check("!**/test/**", "../../ext/**/*.c", "/w/ext/test/a.c", true);
        check("!**/*_test.c", "../../ext/**/*.c", "/w/ext/src/a_test.c", true);
        check("!**/ext/**", "../../ext/**/*.c", "/w/ext/a.c", true);
        check("!**/test/**", "/usr/src/**", "/usr/src/test/a.c", true);
        check("!**/test/**", "$OUT_DIR/**", "$OUT_DIR/test/a.c", true);
        check("!../../ext/test", "../../ext/**/*.c", "/w/ext/test/a.c", true);
        // The directory of the workspace does not count, nor what lies above an absolute glob.
        check("!**/test/**", "src/**", "/w/test/x/src/a.c", false);
        check("!**/test/**", "../src/**", "/w/test/src/a.c", false);
        check("!**/src/**", "/usr/src/**", "/usr/src/a.c", false);
        check("!*_test.c", "../../ext/**/*.c", "/w/ext/a_test.c", false);
    }

    #[test]
    fn patterns_are_refused() {
        let check = |pattern| assert!(Pattern::parse("/w".into(), pattern).is_err(), "{pattern}");
        check("");
        check("!");
        check("src/[a.c");
        check("src/{a.c");
        check("src/*/../a.c");
        check(&"a".repeat(LONGEST + 1));
    }

    /// Those that take most stack and memory to compile for what they are.
    #[test]
    fn patterns_of_the_longest_length_are_read() {
        let times = |piece: &str| piece.repeat(LONGEST / piece.len());
        for text in [
            times("*a"),
            times("?"),
            times("[a-z]"),
            times("[!ab]*"),
            format!("{{{}}}", &times("a*,")[..LONGEST - 2]),
            format!("*{}", &times("ab")[1..]),
            format!("{}*", &times("ab")[1..]),
            format!("{}a", &times("**/")[1..]),
        ] {
            let pattern = Pattern::parse("/w".into(), &text)
                .unwrap_or_else(|why| panic!("{why}: {text:.20}"));
            for path in [times("a"), times("a/")] {
                pattern.matches(&resolve("/w".into(), &path));
            }
        }
        for open in ["{a,", "{*,"] {
            let text = [open.repeat(LONGEST / 4), "}".repeat(LONGEST / 4)].concat();
            let why = Pattern::parse("/w".into(), &text).unwrap_err();
            assert_eq!(why, "its braces are too many in one another, or it is too large");
        }
    }

    #[test]
    fn source_kind_follows_the_extension() {
        let check = |path: &str, expect| assert_eq!(source_kind(path.into()), expect, "{path}");
        check("a.c", Some(SourceKind::Unit(Language::C)));
        check("a.C", Some(SourceKind::Unit(Language::Cxx)));
        check("a.b.c++", Some(SourceKind::Unit(Language::Cxx)));
        check("a.cppm", Some(SourceKind::Unit(Language::Cxx)));
        check("a.ixx", Some(SourceKind::Unit(Language::Cxx)));
        check("a.cpp.mpp", Some(SourceKind::Unit(Language::Cxx)));
        check("cppm", None);
        check("a.s", Some(SourceKind::Unit(Language::Assembly)));
        check("a.S", Some(SourceKind::Unit(Language::AssemblyWithCpp)));
        check("a.asm", Some(SourceKind::Nasm));
        check("a.ll", Some(SourceKind::Unit(Language::LlvmIr)));
        check("a.bc", Some(SourceKind::Unit(Language::Bitcode)));
        check("a.o", Some(SourceKind::Prebuilt));
        check("a.a", Some(SourceKind::Prebuilt));
        check("a.h", None);
        check("Makefile", None);
        check(".c", None);
    }

    /// The first line is a pattern, the others are paths.
    #[test]
    fn fuzz_pattern() {
        tender_fuzz::check_text("pattern", 2_000, |text| {
            let mut lines = text.lines();
            let dir = Utf8Path::new("/w/crate");
            let Ok(pattern) = Pattern::parse(dir, lines.next().unwrap_or_default()) else { return };
            for path in lines {
                pattern.matches(&resolve(dir, path));
            }
        });
    }
}
