//! The small languages inside strings: memory sizes, names, standards. Pure; errors are sentences
//! without a place.

use super::cfg::Cfg;
use super::features::FeatureValue;
use super::model::{MemorySetting, OptLevel};
use super::pattern::source_kind;
use super::problem::suggestion;
use crate::platform::Platform;
use camino::Utf8Path;
use std::time::Duration;
use tender_units::Bytes;

/// Why a value is refused, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValueError {
    pub message: String,
    pub help: Option<String>,
}

impl ValueError {
    fn new(message: String, help: impl Into<String>) -> ValueError {
        ValueError { message, help: Some(help.into()) }
    }
}

/// `75%`, `off`, or bytes with an optional unit: K M G T (powers of 1000), Ki Mi Gi Ti (powers of
/// 1024), each with an optional B.
///
/// # Errors
/// `text` is no amount of memory, or no share between 0 and 100 %.
pub fn parse_memory(text: &str) -> Result<MemorySetting, ValueError> {
    let wrong = || {
        ValueError::new(
            format!("`{text}` is no amount of memory"),
            "write a share such as `75%`, or bytes such as `8G` (1000) or `8Gi` (1024)",
        )
    };
    let text = text.trim();
    if text == "off" {
        return Ok(MemorySetting::Off);
    }
    let Some(share) = text.strip_suffix('%').map(str::trim_end) else {
        return text.parse().map(|Bytes(bytes)| MemorySetting::Bytes(bytes)).map_err(|_| wrong());
    };
    // Only digits and points, so neither `inf` nor an exponent is accepted.
    let share = Some(share).filter(|share| share.bytes().all(|c| c.is_ascii_digit() || c == b'.'));
    match share.and_then(|share| share.parse().ok()).ok_or_else(wrong)? {
        share if share > 0.0 && share <= 100.0 => Ok(MemorySetting::Percent(share)),
        _ => Err(ValueError::new(
            format!("`{text}` is not between 0 and 100 %"),
            "write a share such as `75%`",
        )),
    }
}

/// A path that may lead anywhere.
///
/// # Errors
/// It is empty.
pub fn check_not_empty(path: &str) -> Result<(), ValueError> {
    match path.is_empty() {
        true => {
            Err(ValueError::new("the path is empty".to_owned(), "write a path, such as `build`"))
        }
        false => Ok(()),
    }
}

/// The name of a lock of tests.
///
/// # Errors
/// It is empty.
pub fn check_lock_name(name: &str) -> Result<(), ValueError> {
    match name.is_empty() {
        true => Err(ValueError::new(
            "the name of a lock is empty".to_owned(),
            "name what only one test may have at a time, such as `database`",
        )),
        false => Ok(()),
    }
}

/// Names of packages, programs and profiles: they become file names, so they are plain.
///
/// # Errors
/// `name` is empty, starts with `-`, or has another character than ASCII letters, digits, `-` and
/// `_`.
pub fn check_name(what: &str, name: &str) -> Result<(), ValueError> {
    let help = "names are made of ASCII letters, digits, `-` and `_`";
    if name.is_empty() {
        return Err(ValueError::new(format!("the {what} is empty"), help));
    }
    match name.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
        Some(bad) => Err(ValueError::new(
            format!("the character `{}` cannot stand in a {what}", bad.escape_debug()),
            help,
        )),
        // A program of that name would be taken for an option by whatever is given it.
        None if name.starts_with('-') => Err(ValueError::new(
            format!("a {what} cannot start with `-`"),
            "start it with a letter, a digit or `_`",
        )),
        None => Ok(()),
    }
}

/// The name of a library: as that of a package, but points and `+` may stand in it, as in
/// `libpng16.so` and `libstdc++.so`.
///
/// # Errors
/// `name` is empty, does not start with a letter, a digit or `_`, or has another character.
pub(super) fn check_library_name(name: &str) -> Result<(), ValueError> {
    let plain: String = name.chars().filter(|c| !matches!(c, '.' | '+')).collect();
    match name.starts_with(['.', '+']) {
        true => Err(ValueError::new(
            format!("a library name cannot start with `{}`", &name[..1]),
            "start it with a letter, a digit or `_`",
        )),
        false => check_name("library name", &plain),
    }
}

/// The name of a C++20 module, as in `import NAME;`.
///
/// # Errors
/// `name` is not made of identifiers with dots between them. A partition cannot be imported by
/// others: https://eel.is/c++draft/module.import
pub(super) fn check_module_name(name: &str) -> Result<(), ValueError> {
    let is_identifier = |part: &str| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c == '_' || c.is_alphanumeric())
    };
    if name.contains(':') {
        return Err(ValueError::new(
            format!("`{name}` is a partition, which other crates cannot import"),
            "name the module alone, as in `math`",
        ));
    }
    match name.split('.').all(is_identifier) {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{name}` is no name of a module"),
            "write it as in `import`: identifiers with dots between them, such as `math.vectors`",
        )),
    }
}

/// The name of a feature, as in cargo:
/// https://doc.rust-lang.org/cargo/reference/features.html
///
/// # Errors
/// `name` is empty, or has another character than letters, digits, `_`, `-`, `+` and `.`.
pub(super) fn check_feature(name: &str) -> Result<(), ValueError> {
    let help = "names of features are made of letters, digits, `_`, `-`, `+` and `.`";
    let is_good = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.');
    match name.chars().find(|c| !is_good(*c)) {
        Some('/') => Err(ValueError::new(
            format!("`{name}` names a feature of another crate"),
            "write the other crate's features in its dependency: `{ path = \"...\", features = [\"...\"] }`",
        )),
        Some(bad) => Err(ValueError::new(
            format!("the character `{}` cannot stand in the name of a feature", bad.escape_debug()),
            help,
        )),
        None if name.is_empty() => {
            Err(ValueError::new("the name of a feature is empty".to_owned(), help))
        }
        None => Ok(()),
    }
}

/// An extension of sources that a rule turns into others.
///
/// # Errors
/// It is none, or that of sources which are compiled as they are.
pub(super) fn check_extension(text: &str) -> Result<(), ValueError> {
    let shown = text.escape_debug();
    if text.is_empty() || text.contains(['.', '/']) {
        return Err(ValueError::new(
            format!("`{shown}` is no extension"),
            "write what follows the last point of the name: `extensions = [\"re\"]`",
        ));
    }
    match source_kind(Utf8Path::new(&format!("a.{text}"))) {
        Some(_) => Err(ValueError::new(
            format!("files that end in `.{shown}` are sources without a rule"),
            "give the files of the rule another extension, or use `[[generate]]` with `for-each`",
        )),
        None => Ok(()),
    }
}

/// What a feature enables: another feature, `dep:NAME`, `NAME/FEATURE`, `define:MACRO`.
///
/// # Errors
/// As `check_feature` for its parts, as `check_define` for a macro.
pub(super) fn check_feature_value(text: &str) -> Result<(), ValueError> {
    match FeatureValue::parse(text) {
        FeatureValue::Feature(name) => check_feature(&name),
        FeatureValue::Dependency(name) => check_name("name of a dependency", &name),
        FeatureValue::OfDependency { dependency, feature, .. } => {
            check_name("name of a dependency", &dependency)?;
            check_feature(&feature)
        }
        FeatureValue::Define { define, .. } => check_define(&define),
    }
}

/// The name of a table of `[target]`: `cfg(...)` or a triple.
///
/// # Errors
/// It is neither.
pub(super) fn check_target(text: &str) -> Result<(), ValueError> {
    if text.starts_with("cfg") {
        return Cfg::parse(text).map(drop).map_err(|error| {
            let near = text.get(error.at).filter(|near| !near.is_empty());
            let near = near.map(|near| format!(", at `{near}`")).unwrap_or_default();
            let help = error.help.unwrap_or_else(|| {
                "write `cfg(unix)`, `cfg(target_os = \"linux\")`, `cfg(all(..., ...))`".to_owned()
            });
            ValueError::new(format!("{}{near}", error.message), help)
        });
    }
    Platform::parse(text)
        .map(drop)
        .map_err(|error| ValueError::new(error.to_string(), error.help()))
}

/// The name of a profile.
///
/// # Errors
/// As `check_name`; and `debug`, because `dev` builds into `target/debug`.
pub(super) fn check_profile_name(name: &str) -> Result<(), ValueError> {
    match name {
        "debug" => Err(ValueError::new(
            "a profile cannot be named `debug`".to_owned(),
            "the name of the default profile is `dev`",
        )),
        name => check_name("profile name", name),
    }
}

/// The name of a variable for a command's environment.
///
/// # Errors
/// It is no name, or the build sets this variable itself.
pub(super) fn check_variable(name: &str) -> Result<(), ValueError> {
    if name.is_empty() || name.contains(['=', '\0']) {
        let message = format!("`{}` is no name of a variable", name.escape_debug());
        return Err(ValueError::new(message, "names are not empty and have no `=` in them"));
    }
    let help = match name {
        "OUT_DIR" | "PROFILE" | "OPT_LEVEL" | "DEBUG" => "choose another name",
        "MAKEFLAGS" | "MFLAGS" | "CARGO_MAKEFLAGS" => {
            "it tells the command how many jobs it may run; give other flags in `run`"
        }
        "PATH" => "name the program by its path, or set `PATH` with `env` in `run`",
        _ => return Ok(()),
    };
    Err(ValueError::new(format!("the build sets `{name}` itself"), help))
}

/// The name of a variable of a test's environment.
///
/// # Errors
/// It is no name, or the test runner sets the variable itself.
pub(super) fn check_test_variable(name: &str) -> Result<(), ValueError> {
    match name {
        "OUT_DIR" | "PROFILE" | "OPT_LEVEL" | "DEBUG" | "PATH" => Ok(()),
        "MAKEFLAGS" | "MFLAGS" | "CARGO_MAKEFLAGS" => Err(ValueError::new(
            format!("tests have no `{name}`: each runs on one job slot"),
            "remove it",
        )),
        _ => check_variable(name),
    }
}

/// `500ms`, `90s`, `5m`, `1h`: a whole number and a unit.
///
/// # Errors
/// `text` is no time, or it is 0.
pub fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let number = number.parse::<u32>().ok().filter(|number| *number > 0 && millis > 0);
    number.map(|number| Duration::from_millis(u64::from(number) * millis)).ok_or_else(|| {
        ValueError::new(
            format!("`{}` is no time", text.escape_debug()),
            "write a whole number and a unit, such as `500ms`, `90s`, `5m` or `1h`",
        )
    })
}

pub(super) fn check_duration(text: &str) -> Result<(), ValueError> {
    parse_duration(text).map(drop)
}

/// The name of a macro.
///
/// # Errors
/// `text` is no identifier of C.
pub(super) fn check_macro(text: &str) -> Result<(), ValueError> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = text.starts_with(|c: char| is_part(c) && !c.is_ascii_digit());
    match starts && text.chars().all(is_part) {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{}` is no name of a macro", text.escape_debug()),
            "names are made of ASCII letters, digits and `_`, and begin with no digit",
        )),
    }
}

/// # Errors
/// `text` is no identifier of C.
pub(super) fn check_identifier(text: &str) -> Result<(), ValueError> {
    check_macro(text).map_err(|_| {
        ValueError::new(
            format!("`{}` is no name of a function", text.escape_debug()),
            "write the name alone, such as `\"strlcpy\"`",
        )
    })
}

/// What stands between `<` and `>` in an `#include`.
///
/// # Errors
/// `text` is empty or has one of these, a quote or a line break.
pub(super) fn check_header(text: &str) -> Result<(), ValueError> {
    match !text.is_empty() && !text.contains(['<', '>', '"', '\n', '\r', '\\']) {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{}` is no name of a header", text.escape_debug()),
            "write what stands between `<` and `>`, such as `\"sys/stat.h\"`",
        )),
    }
}

/// The path of a header that is made, below `$OUT_DIR`.
///
/// # Errors
/// As `check_header`; `text` is absolute, or has a part that is empty, `.` or `..`.
pub(super) fn check_header_path(text: &str) -> Result<(), ValueError> {
    check_header(text)?;
    match text.split('/').all(|part| !["", ".", ".."].contains(&part)) && !text.contains('$') {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{text}` is no path below `$OUT_DIR`"),
            "write a name such as `\"config.h\"`",
        )),
    }
}

/// # Errors
/// `text` has no file name.
pub(super) fn check_template(text: &str) -> Result<(), ValueError> {
    match text.is_empty() || text.ends_with('/') {
        false => Ok(()),
        true => Err(ValueError::new(
            "`template` names no file".to_owned(),
            "write its path, such as `\"config.h.in\"`",
        )),
    }
}

/// # Errors
/// `text` is blank or has a line break.
pub(super) fn check_one_line(text: &str) -> Result<(), ValueError> {
    match !text.trim().is_empty() && !text.contains(['\n', '\r']) {
        true => Ok(()),
        false => Err(ValueError::new("the probe asks for nothing".to_owned(), "write a name")),
    }
}

/// # Errors
/// `text` is not `TYPE.MEMBER`.
pub(super) fn check_member(text: &str) -> Result<(), ValueError> {
    check_one_line(text)?;
    match text.split_once('.').is_some_and(|(base, member)| !base.is_empty() && !member.is_empty())
    {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{text}` names no member"),
            "write the type, a point and the member: `\"struct stat.st_blocks\"`",
        )),
    }
}

/// # Errors
/// `text` is neither `big` nor `little`.
pub(super) fn check_endian(text: &str) -> Result<(), ValueError> {
    match text {
        "big" | "little" => Ok(()),
        _ => Err(ValueError::new(
            format!("`{}` is no byte order", text.escape_debug()),
            "write `\"big\"` or `\"little\"`",
        )),
    }
}

/// # Errors
/// `text` is blank.
pub(super) fn check_version(text: &str) -> Result<(), ValueError> {
    match text.trim().is_empty() {
        true => {
            Err(ValueError::new("`version` is empty".to_owned(), "write `version = \"0.1.0\"`"))
        }
        false => Ok(()),
    }
}

/// A path below the directory of outputs.
///
/// # Errors
/// `text` is absolute, has an element without a plain name, or names a directory of ours.
pub(super) fn check_output(text: &str) -> Result<(), ValueError> {
    let is_plain = |element: &str| {
        !element.is_empty() && !element.starts_with(['.', '-']) && !element.contains(['\n', '\r'])
    };
    match text.split('/').all(is_plain) {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{}` is no path below the directory of outputs", text.escape_debug()),
            "write plain names, such as `output = \"socket/core.so\"`",
        )),
    }
}

/// The address of an archive.
///
/// # Errors
/// `text` is no address of a form that can be fetched.
pub fn check_archive_url(text: &str) -> Result<(), ValueError> {
    let has = |start: &&str| text.len() > start.len() && text.starts_with(*start);
    let is_plain = !text.contains(|c: char| c.is_control() || c.is_whitespace());
    match ["https://", "http://", "file:///"].iter().any(has) && is_plain {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{}` is no address of an archive", text.escape_debug()),
            "write `https://...`, `http://...` or `file:///...`",
        )),
    }
}

/// The address of a git repository, also as scp has it.
///
/// # Errors
/// `text` is no address of a form that git fetches without programs of others.
pub fn check_git_url(text: &str) -> Result<(), ValueError> {
    let starts = ["https://", "http://", "ssh://", "git://", "file:///"];
    let has = |start: &&str| text.len() > start.len() && text.starts_with(*start);
    // `git@example.org:zlib`; `ext::sh` is a program.
    let is_scp = text.split_once(':').is_some_and(|(host, path)| {
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '-' | '_');
        !host.is_empty()
            && !host.starts_with('-')
            && host.chars().all(is_host)
            && !path.is_empty()
            && !path.starts_with([':', '/'])
    });
    let is_plain = !text.contains(|c: char| c.is_control() || c.is_whitespace());
    match (starts.iter().any(has) || is_scp) && is_plain {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{}` is no address of a git repository", text.escape_debug()),
            "write `https://...`, `ssh://...`, `user@host:path` or `file:///...`; a crate in a directory is a `path`",
        )),
    }
}

/// The name of a branch, a tag or a commit.
///
/// # Errors
/// `text` is no name that git takes, or would be an option.
pub(super) fn check_git_name(text: &str) -> Result<(), ValueError> {
    let is_bad = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    match text.is_empty()
        || text.starts_with(['-', '/'])
        || text.contains(is_bad)
        || text.contains("..")
    {
        false => Ok(()),
        true => Err(ValueError::new(
            format!("`{}` is no name of a branch, a tag or a commit", text.escape_debug()),
            "write a plain name, such as `main`, `v1.2` or the digits of a commit",
        )),
    }
}

/// A checksum.
///
/// # Errors
/// `text` has not 64 hexadecimal digits.
pub(super) fn check_sha256(text: &str) -> Result<(), ValueError> {
    match text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{}` is no sha256 checksum", text.escape_debug()),
            "write the 64 digits that `sha256sum` prints of the archive",
        )),
    }
}

/// A directory below the prefix of an installation.
///
/// # Errors
/// `text` has elements other than plain names.
pub(super) fn check_install_dir(text: &str) -> Result<(), ValueError> {
    let is_plain = |element: &str| {
        !matches!(element, "" | "." | "..") && !element.contains(|c: char| c.is_control())
    };
    match text.split('/').all(is_plain) {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{}` is no directory below the prefix", text.escape_debug()),
            "write plain names, such as `share/greet`",
        )),
    }
}

/// The name of a shared library.
///
/// # Errors
/// `text` is no plain file name.
pub(super) fn check_soname(text: &str) -> Result<(), ValueError> {
    // A comma ends a word of the linker in a word of the driver.
    let is_plain = !text.is_empty()
        && !text.starts_with(['.', '-'])
        && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '/' | ','));
    match is_plain {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{}` is no file name", text.escape_debug()),
            "write one such as `soname = \"libz.so.1\"`",
        )),
    }
}

/// The version of a shared library.
///
/// # Errors
/// `text` is no list of numbers.
pub(super) fn check_library_version(text: &str) -> Result<(), ValueError> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    match text.split('.').all(is_number) {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{}` is no version of a library", text.escape_debug()),
            "write numbers, such as `version = \"1.3.1\"`",
        )),
    }
}

/// Versions that will do for a dependent.
///
/// # Errors
/// `text` is no requirement as cargo has it.
pub(super) fn check_requirement(text: &str) -> Result<(), ValueError> {
    match semver::VersionReq::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(ValueError::new(
            format!("`{text}` is no requirement of versions: {error}"),
            "write `\"1.2\"` for 1.2.0 and later versions below 2, `\"=1.2.3\"`, or `\">=1.2, <1.5\"`",
        )),
    }
}

/// The version of a crate as requirements see it: numbers that are missing are 0. None if it is
/// none.
pub(super) fn parse_version(text: &str) -> Option<semver::Version> {
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let missing = 3_usize.checked_sub(numbers.split('.').count())?;
    semver::Version::parse(&format!("{numbers}{}{rest}", ".0".repeat(missing))).ok()
}

/// A word of a command.
///
/// # Errors
/// `word` is blank.
pub(super) fn check_word(word: &str) -> Result<(), ValueError> {
    match word.trim().is_empty() {
        true => Err(ValueError::new("an empty word".to_owned(), "leave it out")),
        false => Ok(()),
    }
}

/// The name of a linker, or a path.
///
/// # Errors
/// `text` is neither.
pub(super) fn check_linker(text: &str) -> Result<(), ValueError> {
    let help = "write `\"lld\"`, `\"mold\"`, or a path such as `\"/opt/bin/ld.mold\"`";
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(name) = text.strip_prefix("-fuse-ld=") {
        return Err(ValueError::new("a flag".to_owned(), format!("write `\"{name}\"`")));
    }
    match text.contains('/')
        || !text.is_empty() && !text.starts_with('-') && text.chars().all(is_name)
    {
        true => Ok(()),
        false => Err(ValueError::new(format!("`{text}` is no linker"), help)),
    }
}

/// What follows `-W`.
///
/// # Errors
/// `text` is blank, or begins with `-`.
pub(super) fn check_warning(text: &str) -> Result<(), ValueError> {
    if let Some(rest) = text.strip_prefix("-W") {
        return Err(ValueError::new(
            format!("`{text}` is written as a flag"),
            format!("leave out `-W`: `{rest}`"),
        ));
    }
    match text.starts_with('-') {
        true => Err(ValueError::new(
            format!("`{text}` is no warning"),
            "write names as after `-W`; other flags belong to `flags`",
        )),
        false => check_word(text),
    }
}

/// Words for clang, as in `flags`: which of them belong elsewhere, by their places in `words`.
/// Which flags a unit cannot have at all, the worker knows. `cxx`: only C++ units get them.
pub(super) fn check_flags(key: &str, words: &[&str], cxx: bool) -> Vec<(usize, ValueError)> {
    let mut wrong = Vec::new();
    let mut places = 0..words.len();
    while let Some(at) = places.next() {
        let word = words[at];
        if TAKES_OPERAND.contains(&word) {
            // The next word is an operand, even if it looks like a flag.
            if places.next().is_none() {
                let help = format!("write `{key} = [\"{word}\", \"...\"]`: two words");
                wrong.push((at, ValueError::new(format!("`{word}` needs an operand"), help)));
            }
        } else if let Some(help) = belongs_elsewhere(word, cxx) {
            wrong.push((at, ValueError::new(format!("`{word}` does not belong here"), help)));
        }
    }
    wrong
}

/// Options whose operand is the next word.
const TAKES_OPERAND: [&str; 12] = [
    "-D",
    "-U",
    "-I",
    "-include",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-imacros",
    "-isysroot",
    "-target",
    "-Xclang",
    "-mllvm",
];

/// Flags without those that are the operand of another.
pub fn flags_without_operands(flags: &[String]) -> impl Iterator<Item = &String> {
    let mut is_operand = false;
    flags.iter().filter(move |flag| {
        let keep = !is_operand;
        is_operand = keep && TAKES_OPERAND.contains(&flag.as_str());
        keep
    })
}

/// Where a word belongs that concerns the link.
fn belongs_elsewhere(word: &str, cxx: bool) -> Option<String> {
    if let Some(library) = word.strip_prefix("-l")
        && !library.is_empty()
    {
        return Some(format!("put the library in `link`: `link = [\"{library}\"]`"));
    }
    if let Some(name) = word.strip_prefix("-stdlib=")
        && !cxx
    {
        let library = name.strip_prefix("lib").unwrap_or(name);
        return Some(format!(
            "it chooses the headers of C++: put it in `cxx-flags`, and the library in `link`: `link = [\"{library}\"]`"
        ));
    }
    if word == "-l" {
        return Some("put the library in `link`, without `-l`".to_owned());
    }
    let whole = [
        "-static",
        "-static-pie",
        "-shared",
        "-rdynamic",
        "-pie",
        "-no-pie",
        "-s",
        "-nostdlib",
        "-nodefaultlibs",
        "-nostartfiles",
        "-nolibc",
        "-Xlinker",
        "-z",
    ];
    let starts = [
        "-L",
        "-Wl,",
        "-fuse-ld=",
        "--ld-path=",
        "-static-lib",
        "-T",
        "-rtlib=",
        "--rtlib=",
        "-unwindlib=",
        "--unwindlib=",
    ];
    let is_link = whole.contains(&word) || starts.iter().any(|prefix| word.starts_with(prefix));
    is_link.then(|| "it is a flag of the link: put it in `link-args`".to_owned())
}

pub(super) fn parse_opt_level(text: &str) -> Option<OptLevel> {
    Some(match text {
        "0" => OptLevel::O0,
        "1" => OptLevel::O1,
        "2" => OptLevel::O2,
        "3" => OptLevel::O3,
        "s" => OptLevel::Os,
        "z" => OptLevel::Oz,
        _ => return None,
    })
}

// The names that clang 22 takes for -std=, without its rarely met aliases `iso9899:...`.
const C_STANDARDS: &[&str] = &[
    "c89", "c90", "c99", "c11", "c17", "c18", "c23", "c2x", "c2y", "gnu89", "gnu90", "gnu99",
    "gnu11", "gnu17", "gnu18", "gnu23", "gnu2x", "gnu2y",
];
const CXX_STANDARDS: &[&str] = &[
    "c++98", "c++03", "c++11", "c++14", "c++17", "c++20", "c++23", "c++26", "c++0x", "c++1y",
    "c++1z", "c++2a", "c++2b", "c++2c", "gnu++98", "gnu++03", "gnu++11", "gnu++14", "gnu++17",
    "gnu++20", "gnu++23", "gnu++26", "gnu++0x", "gnu++1y", "gnu++1z", "gnu++2a", "gnu++2b",
    "gnu++2c",
];

/// A value of `c-std`.
///
/// # Errors
/// clang knows no such standard of C.
pub(super) fn check_c_std(text: &str) -> Result<(), ValueError> {
    check_std(text, C_STANDARDS, "C", ("cxx-std", CXX_STANDARDS))
}

/// A value of `cxx-std`.
///
/// # Errors
/// clang knows no such standard of C++.
pub(super) fn check_cxx_std(text: &str) -> Result<(), ValueError> {
    check_std(text, CXX_STANDARDS, "C++", ("c-std", C_STANDARDS))
}

fn check_std(
    text: &str,
    known: &[&str],
    language: &str,
    other: (&str, &[&str]),
) -> Result<(), ValueError> {
    if known.contains(&text) {
        return Ok(());
    }
    let message = format!("`{text}` is no {language} standard");
    if other.1.contains(&text) {
        return Err(ValueError::new(message, format!("it belongs to `{} = \"{text}\"`", other.0)));
    }
    let help = match suggestion(text, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!(
            "one of {}",
            known.iter().filter(|s| !s.starts_with("gnu")).copied().collect::<Vec<_>>().join(", ")
        ),
    };
    Err(ValueError::new(message, help))
}

/// `NAME`, `NAME=VALUE` or `NAME(ARGS)=VALUE`, as after `-D`.
///
/// # Errors
/// `text` begins with `-D`, or with something that is no name of a macro.
pub fn check_define(text: &str) -> Result<(), ValueError> {
    if let Some(rest) = text.strip_prefix("-D") {
        return Err(ValueError::new(
            format!("`{text}` is written as a flag"),
            format!("leave out `-D`: `{rest}`"),
        ));
    }
    let name = text.split(['=', '(']).next().unwrap_or_default();
    let mut chars = name.chars();
    let starts_well = chars.next().is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '$'));
    if starts_well && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '$')) {
        return Ok(());
    }
    Err(ValueError::new(format!("`{text}` defines no macro"), "write `NAME` or `NAME=VALUE`"))
}

/// What follows `#include`, without the quotes.
///
/// # Errors
/// `text` is blank, is more than a name, or is no name in angle brackets.
pub(super) fn check_included_header(text: &str) -> Result<(), ValueError> {
    let name = match text.strip_prefix('<') {
        Some(rest) => rest.strip_suffix('>'),
        None => Some(text),
    };
    let is_name = |name: &str| {
        !name.trim().is_empty()
            && !name.contains(['<', '>', '"'])
            && !name.contains(char::is_control)
    };
    match name.is_some_and(is_name) {
        true => Ok(()),
        false => Err(ValueError::new(
            format!("`{text}` is no name of a header"),
            "write it as `#include` has it: `\"src/pch.h\"`, `\"<vector>\"`",
        )),
    }
}

/// What follows `-l`.
///
/// # Errors
/// `text` is empty, or begins with `-`.
pub fn check_link(text: &str) -> Result<(), ValueError> {
    if let Some(rest) = text.strip_prefix("-l") {
        return Err(ValueError::new(
            format!("`{text}` is written as a flag"),
            format!("leave out `-l`: `{rest}`"),
        ));
    }
    if text.is_empty() || text.starts_with('-') {
        let help =
            "name system libraries as after `-l`; other words for the linker belong to `link-args`";
        return Err(ValueError::new(format!("`{text}` is no library"), help));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_link_are_sent_where_they_belong() {
        let check = |words: &[&str], expect: &[(usize, &str)]| {
            let found = check_flags("flags", words, false);
            let found: Vec<(usize, &str)> = found
                .iter()
                .map(|(at, error)| (*at, error.help.as_deref().unwrap_or_default()))
                .collect();
            assert_eq!(found.len(), expect.len(), "{words:?}: {found:?}");
            for ((at, help), (expect_at, text)) in found.iter().zip(expect) {
                assert!(at == expect_at && help.contains(text), "{words:?}: {found:?}");
            }
        };
        check(&["-O3", "-include", "-lm", "-DX", "-I", "-L", "-nostdlibinc"], &[]);
        check(&["-Wall", "-include"], &[(1, "`flags = [\"-include\", \"...\"]`")]);
        check(&["-lm", "-L/opt/lib"], &[(0, "`link = [\"m\"]`"), (1, "`link-args`")]);
        check(&["-stdlib=libc++"], &[(0, "`link = [\"c++\"]`")]);
        check(&["-l"], &[(0, "without `-l`")]);
        for word in
            ["-fuse-ld=lld", "--ld-path=/x", "-Xlinker", "-nodefaultlibs", "-rtlib=compiler-rt"]
        {
            check(&[word], &[(0, "`link-args`")]);
        }
        check(&["-Wl,-z,now", "-static"], &[(0, "`link-args`"), (1, "`link-args`")]);
        assert_eq!(check_flags("cxx-flags", &["-stdlib=libc++"], true), []);
    }

    #[test]
    fn memory_amounts_are_parsed() {
        let check = |text, expect: Option<MemorySetting>| {
            assert_eq!(parse_memory(text).ok(), expect, "{text}")
        };
        let bytes = |n| Some(MemorySetting::Bytes(n));
        check("75%", Some(MemorySetting::Percent(75.0)));
        check("12.5 %", Some(MemorySetting::Percent(12.5)));
        check("100%", Some(MemorySetting::Percent(100.0)));
        check("off", Some(MemorySetting::Off));
        check("offM", None);
        check("0%", None);
        check("101%", None);
        check("4096", bytes(4096));
        check("4096B", bytes(4096));
        check("1K", bytes(1000));
        check("1k", bytes(1000));
        check("1KB", bytes(1000));
        check("1Ki", bytes(1024));
        check("1KiB", bytes(1024));
        check("3M", bytes(3_000_000));
        check("3 Mi", bytes(3 << 20));
        check("2G", bytes(2_000_000_000));
        check("1.5GiB", bytes(3 << 29));
        check("", None);
        check("G", None);
        check("-1G", None);
        check("0", None);
        check("1X", None);
        check("1iB", None);
        check("1e3", None);
        check("1e1%", None);
        check("+5%", None);
        check("%", None);
        check("inf", None);
        check("1.2.3G", None);
        check("99999999999999999999999G", None);
    }

    #[test]
    fn names_are_checked() {
        let check = |name, ok| assert_eq!(check_name("name", name).is_ok(), ok, "{name:?}");
        check("zip", true);
        check("a-b_C9", true);
        check("7zip", true);
        check("", false);
        check("a b", false);
        check("a/b", false);
        check("..", false);
        check("-a", false);
        check("naïve", false);
        check("a\n", false);
    }

    #[test]
    fn library_names_may_have_points() {
        let check = |name, ok| assert_eq!(check_library_name(name).is_ok(), ok, "{name:?}");
        check("glib-2.0", true);
        check("stdc++", true);
        check("", false);
        check("..", false);
        check("+x", false);
        check("a/b", false);
        check("-a", false);
    }

    #[test]
    fn names_of_shared_libraries_are_checked() {
        let output = |text, ok| assert_eq!(check_output(text).is_ok(), ok, "{text:?}");
        output("core.so", true);
        output("socket/core.so", true);
        output("/core.so", false);
        output("../core.so", false);
        output("socket//core.so", false);
        output("socket/", false);
        output(".tender/state", false);
        output("-x", false);
        let install_dir = |text, ok| assert_eq!(check_install_dir(text).is_ok(), ok, "{text:?}");
        install_dir("share/greet", true);
        install_dir("etc", true);
        install_dir("/etc", false);
        install_dir("", false);
        install_dir("../etc", false);
        install_dir("share//greet", false);
        install_dir("share/\n", false);
        let soname = |text, ok| assert_eq!(check_soname(text).is_ok(), ok, "{text:?}");
        soname("libz.so.1", true);
        soname("a/b", false);
        soname("a,b", false);
        soname("", false);
        let version = |text, ok| assert_eq!(check_library_version(text).is_ok(), ok, "{text:?}");
        version("1.3.1", true);
        version("6", true);
        version("1.", false);
        version("1.x", false);
        version("", false);
    }

    #[test]
    fn standards_are_checked() {
        let check = |result: Result<(), ValueError>, expect: Result<(), &str>| {
            let got = result.map_err(|error| error.help.unwrap());
            assert_eq!(got, expect.map_err(str::to_owned));
        };
        check(check_c_std("c17"), Ok(()));
        check(check_c_std("gnu23"), Ok(()));
        check(check_cxx_std("c++20"), Ok(()));
        check(check_c_std("c++20"), Err("it belongs to `cxx-std = \"c++20\"`"));
        check(check_cxx_std("c11"), Err("it belongs to `c-std = \"c11\"`"));
        check(check_c_std("C17"), Err("did you mean `c17`?"));
        check(check_c_std("pascal"), Err("one of c89, c90, c99, c11, c17, c18, c23, c2x, c2y"));
    }

    #[test]
    fn versions_may_lack_numbers() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(parse_version(text).map(|version| version.to_string()).as_deref(), expect);
        };
        check("1.3.1", Some("1.3.1"));
        check("1.3", Some("1.3.0"));
        check("7", Some("7.0.0"));
        check("1.2-rc.1+ds", Some("1.2.0-rc.1+ds"));
        check("1.2.3.4", None);
        check("2024a", None);
        check("1.02", None);
    }

    #[test]
    fn requirements_are_those_of_cargo() {
        let check = |text: &str, ok| assert_eq!(check_requirement(text).is_ok(), ok, "{text}");
        check("1.2", true);
        check("=1.2.3", true);
        check(">=1.2, <1.5", true);
        check("~1", true);
        check("*", true);
        check("", false);
        check("new", false);
        check("1.2.3.4", false);
    }

    #[test]
    fn defines_and_libraries_are_checked() {
        let define = |text, ok| assert_eq!(check_define(text).is_ok(), ok, "{text:?}");
        define("NDEBUG", true);
        define("A=1", true);
        define("A=", true);
        define("F(x)=x+1", true);
        define("A=\"a b\"", true);
        define("-DA", false);
        define("", false);
        define("=1", false);
        define("1A", false);
        define("A B", false);
        let link = |text, ok| assert_eq!(check_link(text).is_ok(), ok, "{text:?}");
        link("m", true);
        link("stdc++", true);
        link(":libx.a", true);
        link("-lm", false);
        link("", false);
    }

    #[test]
    fn fuzz_value() {
        tender_fuzz::check_text("value", 2_000, |text| {
            match parse_memory(text) {
                Ok(MemorySetting::Bytes(bytes)) => assert!(bytes > 0),
                Ok(MemorySetting::Percent(share)) => assert!(share > 0.0 && share <= 100.0),
                Ok(MemorySetting::Off) | Err(_) => {}
            }
            let _ = (check_c_std(text), check_cxx_std(text), check_define(text), check_link(text));
            if check_name("name", text).is_ok() {
                assert!(!text.contains(['/', '.', '\0']) && !text.is_empty());
            }
        });
    }
}
