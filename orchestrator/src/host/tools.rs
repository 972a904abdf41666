//! Which dialect a make or ninja reads, by its answer to `--version`. The caller asks them: see
//! [`Probe`](super::probe::Probe).

use super::probe::Answer;
use crate::tokens::Dialect;
use crate::toolchain::{Stamp, resolve};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

/// The answers of programs, each valid as long as its file is the same.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    answers: BTreeMap<Utf8PathBuf, (Stamp, Answer)>,
}

/// Major and minor.
type Version = (u32, u32);

/// GNU make reads `fifo:PATH` from this version on.
const MAKE_WITH_FIFO: Version = (4, 4);

impl Tools {
    /// The programs to ask before a child starts as `program` in `dir`.
    pub(crate) fn unknown(&self, program: &str, dir: &Utf8Path) -> Vec<Stamp> {
        let ninja = is_ninja(OsStr::new(program)).then(|| resolve(program, dir)).flatten();
        let asked = make_of(program, dir).into_iter().chain(ninja);
        let stamps = asked.map(|path| Stamp::of(&path));
        stamps
            .filter(|stamp| self.answers.get(&stamp.path).is_none_or(|(of, _)| of != stamp))
            .collect()
    }

    /// Records an answer. `asked` is the program as it was when it was asked.
    pub(crate) fn learn(&mut self, asked: Stamp, answer: Answer) {
        self.answers.insert(asked.path.clone(), (asked, answer));
    }

    /// The dialect for a child that starts as `program` in `dir`, and may start any program.
    pub(crate) fn dialect(&self, program: &str, dir: &Utf8Path) -> Dialect {
        match make_of(program, dir).and_then(|path| self.answers.get(&path)) {
            Some((_, Answer::Line(line))) => of_make(parse_make_version(line)),
            // Make exists, and may be old.
            Some((_, Answer::Late)) => Dialect::AnyMake,
            Some((_, Answer::Nothing)) | None => of_make(None),
        }
    }

    /// The version of `program`, which is a ninja.
    pub(crate) fn ninja_version(&self, program: &str, dir: &Utf8Path) -> Option<&str> {
        match self.answers.get(&resolve(program, dir)?) {
            Some((_, Answer::Line(line))) => Some(line),
            _ => None,
        }
    }
}

/// By the name of the program.
pub(crate) fn is_ninja(program: &OsStr) -> bool {
    let name = Path::new(program).file_name();
    name.is_some_and(|name| name == "ninja" || name == "ninja-build")
}

/// The make that decides a child's dialect: the child itself, else the make that PATH finds.
fn make_of(program: &str, dir: &Utf8Path) -> Option<Utf8PathBuf> {
    match Utf8Path::new(program).file_name() {
        Some("make" | "gmake") => resolve(program, dir),
        _ => resolve("make", dir),
    }
}

fn of_make(version: Option<Version>) -> Dialect {
    match version {
        Some(version) if version < MAKE_WITH_FIFO => Dialect::AnyMake,
        _ => Dialect::NewMake,
    }
}

fn parse_make_version(text: &str) -> Option<Version> {
    let version = text.lines().next()?.strip_prefix("GNU Make ")?;
    let mut numbers = version.split('.').map(|number| number.trim().parse::<u32>());
    Some((numbers.next()?.ok()?, numbers.next().and_then(Result::ok).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn make_version_is_read() {
        let check = |text: &str, expect: Option<Version>| {
            assert_eq!(parse_make_version(text), expect, "{text:?}")
        };
        check("GNU Make 4.3\nBuilt for x86_64-pc-linux-gnu\n", Some((4, 3)));
        check("GNU Make 4.4.1\n", Some((4, 4)));
        check("GNU Make 3.81\n", Some((3, 81)));
        check("GNU Make 4.4.0.90\n", Some((4, 4)));
        check("GNU Make 5\n", Some((5, 0)));
        check("usage: make [-BeikNnqrSstWwX]\n", None);
        check("", None);
    }

    #[test]
    fn old_make_reads_no_fifo() {
        assert_eq!(of_make(Some((4, 3))), Dialect::AnyMake);
        assert_eq!(of_make(Some((4, 4))), Dialect::NewMake);
        assert_eq!(of_make(None), Dialect::NewMake);
    }

    /// The paths of the programs to ask.
    fn unknown(tools: &Tools, program: &str, dir: &Utf8Path) -> Vec<Utf8PathBuf> {
        tools.unknown(program, dir).into_iter().map(|stamp| stamp.path).collect()
    }

    fn write(path: &Utf8Path, content: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(path, content).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn make_is_asked_where_it_stands_and_again_when_it_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(directory.path()).unwrap();
        let make = dir.join("make");
        write(&make, "4.3");
        let mut tools = Tools::default();
        let relative = dir.join("./make");
        assert_eq!(unknown(&tools, "./make", dir), std::slice::from_ref(&relative));
        assert_eq!(unknown(&tools, make.as_str(), "/".into()), std::slice::from_ref(&make));
        let learn = |tools: &mut Tools, line: &str| {
            tools.learn(Stamp::of(&relative), Answer::Line(line.to_owned()));
        };
        learn(&mut tools, "GNU Make 4.3");
        assert!(unknown(&tools, "./make", dir).is_empty());
        assert_eq!(tools.dialect("./make", dir), Dialect::AnyMake);
        write(&make, "4.4.1");
        assert_eq!(unknown(&tools, "./make", dir), std::slice::from_ref(&relative));
        learn(&mut tools, "GNU Make 4.4.1");
        assert_eq!(tools.dialect("./make", dir), Dialect::NewMake);
        // A program that does not exist is not asked.
        assert!(unknown(&tools, "./make", "/".into()).is_empty());
        assert_eq!(tools.dialect("./make", "/".into()), Dialect::NewMake);
    }

    #[test]
    fn make_that_is_late_is_told_what_every_make_reads() {
        let directory = tempfile::tempdir().unwrap();
        let make = Utf8Path::from_path(directory.path()).unwrap().join("make");
        write(&make, "");
        let dialect = |answer: Answer| {
            let mut tools = Tools::default();
            tools.learn(Stamp::of(&make), answer);
            tools.dialect(make.as_str(), "/".into())
        };
        assert_eq!(dialect(Answer::Late), Dialect::AnyMake);
        assert_eq!(dialect(Answer::Nothing), Dialect::NewMake);
        assert_eq!(dialect(Answer::Line("bmake".to_owned())), Dialect::NewMake);
    }

    #[test]
    fn ninja_is_asked_beside_make() {
        let directory = tempfile::tempdir().unwrap();
        let ninja = Utf8Path::from_path(directory.path()).unwrap().join("ninja");
        write(&ninja, "");
        let mut tools = Tools::default();
        assert!(unknown(&tools, ninja.as_str(), "/".into()).contains(&ninja));
        tools.learn(Stamp::of(&ninja), Answer::Line("1.11.1".to_owned()));
        assert!(!unknown(&tools, ninja.as_str(), "/".into()).contains(&ninja));
        assert_eq!(tools.ninja_version(ninja.as_str(), "/".into()), Some("1.11.1"));
        tools.learn(Stamp::of(&ninja), Answer::Late);
        assert_eq!(tools.ninja_version(ninja.as_str(), "/".into()), None);
    }

    #[test]
    fn ninja_is_known_by_its_name() {
        let check = |program: &str, expect: bool| {
            assert_eq!(is_ninja(OsStr::new(program)), expect, "{program}")
        };
        check("ninja", true);
        check("/opt/ninja-build", true);
        check("ninja.py", false);
        check("", false);
    }

    #[test]
    fn fuzz_make_version() {
        tender_fuzz::check_text("make_version", 2_000, |text| {
            of_make(parse_make_version(text));
        });
    }
}
